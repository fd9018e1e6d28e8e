//! A transport without a network, for tests on paused time: a function answers
//! each request, and everything that was asked is kept.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use super::answer::Answer;
use super::transport::{Request, Sending, Transport};
use super::{BaseUrl, Client, ClientOptions, CrmError, Token};

/// The token of all tests; it must occur in no error and no debug text.
pub const CANARY: &str = "canary-T0KEN-7f3a";

type Handler = dyn Fn(&Request, usize) -> Result<Answer, CrmError> + Send + Sync;

pub struct Script {
    handler: Box<Handler>,
    /// How long each answer takes.
    pub delay: Duration,
    pub asked: Mutex<Vec<(Instant, Request)>>,
    inside: AtomicUsize,
    /// Most requests that were in flight at once.
    pub most_inside: AtomicUsize,
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Script")
    }
}

impl Script {
    pub fn new(
        handler: impl Fn(&Request, usize) -> Result<Answer, CrmError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Self::slow(Duration::ZERO, handler)
    }

    pub fn slow(
        delay: Duration,
        handler: impl Fn(&Request, usize) -> Result<Answer, CrmError> + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            handler: Box::new(handler),
            delay,
            asked: Mutex::default(),
            inside: AtomicUsize::new(0),
            most_inside: AtomicUsize::new(0),
        })
    }

    pub fn client(self: &Arc<Self>, change: impl FnOnce(&mut ClientOptions)) -> Client {
        let mut options =
            ClientOptions::new(BaseUrl::parse("http://127.0.0.1:1").unwrap(), Token::new(CANARY).unwrap());
        change(&mut options);
        Client::over(Arc::clone(self) as Arc<dyn Transport>, options)
    }

    pub fn count(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// Path and query of all requests so far, decoded.
    pub fn paths(&self) -> Vec<String> {
        let decode =
            |path: &str| percent_encoding::percent_decode_str(path).decode_utf8().unwrap().into_owned();
        self.asked.lock().unwrap().iter().map(|(_, request)| decode(&request.path)).collect()
    }

    /// When each request left, in milliseconds after the first.
    pub fn times(&self) -> Vec<u128> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|(at, _)| (*at - asked[0].0).as_millis()).collect()
    }
}

impl Transport for Script {
    fn send<'a>(&'a self, request: &'a Request) -> Sending<'a> {
        Box::pin(async move {
            let number = {
                let mut asked = self.asked.lock().unwrap();
                asked.push((Instant::now(), request.clone()));
                asked.len()
            };
            let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
            self.most_inside.fetch_max(inside, Ordering::SeqCst);
            tokio::time::sleep(self.delay).await;
            self.inside.fetch_sub(1, Ordering::SeqCst);
            (self.handler)(request, number)
        })
    }
}

/// An answer of that status and body.
pub fn answer(status: u16, body: &str) -> Result<Answer, CrmError> {
    Ok(Answer { status, body: body.as_bytes().to_vec(), ..Answer::default() })
}

/// An answer that asks for a wait.
pub fn later(status: u16, seconds: u64) -> Result<Answer, CrmError> {
    Ok(Answer { status, retry_after: Some(Duration::from_secs(seconds)), ..Answer::default() })
}

/// A stored account.
pub fn account(id: u64) -> String {
    format!(
        r#"{{"metadata":{{"url":"/accounts/{id}","list_url":"/accounts","object_type":"record","record_type":"account"}},"record":{{"id":{id},"name":"a{id}"}}}}"#
    )
}

pub fn lost() -> Result<Answer, CrmError> {
    Err(CrmError::ConnectionLost { why: "it was reset".into() })
}

pub fn unreachable() -> Result<Answer, CrmError> {
    Err(CrmError::Unreachable { host: "127.0.0.1:1".into(), why: "refused".into() })
}
