//! What the tests of the pipeline share: a sandbox in this process, a tiny
//! server that answers as it is told, and jobs made from a few lines.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::IntoResponse;
use proptest::test_runner::{Config as ProptestConfig, RngSeed};
use tokio_util::sync::CancellationToken;

use super::{
    Catalog, Event, ImportSettings, Job, JobSettings, OnUnknown, OutputSettings, PipelineError, Reporter,
    SendOptions, Typed,
};
use crate::crm::{BaseUrl, Client, ClientOptions, Snapshot, Token};
use crate::sandbox::{Options, Sandbox};

pub fn client_of(base_url: &str) -> Client {
    let url = BaseUrl::parse(base_url).unwrap();
    let options = ClientOptions { retries: 0, ..ClientOptions::new(url, Token::new("sandbox").unwrap()) };
    Client::new(options).unwrap()
}

pub fn sandbox() -> (Sandbox, Client) {
    let sandbox = Sandbox::start(Options::default()).unwrap();
    let client = client_of(&sandbox.base_url());
    (sandbox, client)
}

/// Runs to its end what waits, on one thread.
pub fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// So many cases, the same each time: a suite is no gamble.
pub fn fixed(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 200,
        rng_seed: RngSeed::Fixed(20_261_124),
        ..ProptestConfig::default()
    }
}

/// An object's fields with the values of all lists, so that nobody need ask again.
pub async fn snapshot_of(client: &Client, object: &str) -> Catalog {
    let dictionary = Catalog::Crm(client.clone()).dictionary(object, |_| true).await.unwrap();
    Catalog::Snapshot(Snapshot { source: None, objects: [(object.to_owned(), dictionary)].into() })
}

/// Answers each request with what a function says: status and body.
pub struct TinyServer {
    address: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
    /// Method, path and query of all requests, decoded.
    pub asked: Arc<Mutex<Vec<String>>>,
}

impl TinyServer {
    pub fn start(answer: impl Fn(&str, &str) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, asked) = (CancellationToken::new(), Arc::new(Mutex::new(Vec::new())));
        let (stopped, noted, answer) = (stop.clone(), Arc::clone(&asked), Arc::new(answer));
        let router = Router::new().fallback(move |method: Method, uri: Uri, body: Bytes| {
            let (noted, answer) = (Arc::clone(&noted), Arc::clone(&answer));
            async move {
                let path =
                    percent_encoding::percent_decode_str(&uri.to_string()).decode_utf8_lossy().into_owned();
                let request = format!("{method} {path}");
                noted.lock().unwrap().push(request.clone());
                let (status, text) = answer(&request, &String::from_utf8_lossy(&body));
                let json = [(header::CONTENT_TYPE, "application/json")];
                (StatusCode::from_u16(status).unwrap(), json, text).into_response()
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let thread = std::thread::spawn(move || {
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    _ = axum::serve(listener, router) => {}
                    () = stopped.cancelled() => {}
                }
            });
        });
        Self { address, stop, thread: Some(thread), asked }
    }

    pub fn client(&self) -> Client {
        client_of(&format!("http://{}", self.address))
    }

    pub fn count(&self, part: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| asked.contains(part)).count()
    }
}

impl Drop for TinyServer {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A list answer of records of accounts, given as JSON objects.
pub fn list(records: &[String]) -> String {
    let entry = |record: &String| {
        format!(r#"{{"metadata":{{"object_type":"record","record_type":"account"}},"record":{record}}}"#)
    };
    let list: Vec<String> = records.iter().map(entry).collect();
    let count = records.len();
    format!(
        r#"{{"metadata":{{"object_type":"list","total_count":{count},"has_more":false}},"list":[{}]}}"#,
        list.join(",")
    )
}

/// An import of which nothing special is asked.
pub fn plain_settings() -> ImportSettings {
    ImportSettings {
        runs: PathBuf::new(),
        base_url: "test".to_owned(),
        limit: None,
        reference: None,
        on_unknown: OnUnknown::Hold,
        typed: Typed::default(),
        sends: true,
        mapped_by: None,
        retry_of: None,
    }
}

/// Three requests at a time, and no waiting for what may come late.
pub fn plain_options() -> SendOptions {
    SendOptions {
        concurrency: NonZeroUsize::new(3).unwrap(),
        stop_after: None,
        settle: Duration::ZERO,
        only: None,
        store_patience: Duration::ZERO,
        outputs: OutputSettings::default(),
    }
}

/// Keeps the notices.
#[derive(Default)]
pub struct Notices(pub Mutex<Vec<String>>);

impl Reporter for Notices {
    fn event(&self, event: Event) {
        match event {
            Event::Notice(notice) => self.0.lock().unwrap().push(notice.0),
            Event::Unstored(line) => self.0.lock().unwrap().push(line),
            _ => {}
        }
    }
}

/// A folder with a file and a mapping in it.
pub struct Desk {
    pub folder: tempfile::TempDir,
}

impl Desk {
    pub fn new(rows: &str, mapping: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("rows.csv"), rows).unwrap();
        std::fs::write(folder.path().join("m.yaml"), mapping).unwrap();
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn settings(&self) -> JobSettings {
        JobSettings {
            input: self.path("rows.csv"),
            input_name: None,
            mapping: Some(self.path("m.yaml")),
            object: None,
            mode: None,
            on_blank: None,
            files: None,
            earlier: None,
        }
    }

    pub async fn job(&self, client: &Client, reporter: &dyn Reporter) -> Result<Job, PipelineError> {
        Job::prepare(&self.settings(), &Catalog::Crm(client.clone()), reporter).await
    }
}
