//! The embedded CRM: the documented API over HTTP, SQLite behind it.
//!
//! It is for trying things out and for the tests, and it is meant to be used
//! by other people's clients of the real API too, with only the address
//! changed. `dictionary.txt` says which objects and fields there are,
//! `seed.json` which records a new one begins with; `api` answers requests,
//! `filter` reads `q` and `order`, `validate` holds records against the rules,
//! `database` keeps them and `ledger` every write, `envelope` gives answers
//! their form, `server` is HTTP, `form` reads uploads.
//!
//! It can do wrong on demand: `spec` reads what, `faults` draws when, `spoil`
//! and `wire` make answers and connections go wrong, `lag` hides what is new.

mod api;
mod database;
mod dictionary;
mod envelope;
#[cfg(test)]
mod fault_tests;
mod faults;
mod filter;
mod form;
mod lag;
mod ledger;
mod ordered;
mod seed;
mod server;
mod spec;
mod spoil;
#[cfg(test)]
mod tests;
mod validate;
mod wire;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

pub use dictionary::{dictionary, objects};
pub use faults::Faults;
pub use spec::FaultsError;

/// The number of the first page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PageBase {
    /// The API's document can be read so.
    Zero,
    /// As the real server does it (source: field notes, "Paging").
    #[default]
    One,
}

/// How the embedded CRM runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where records are kept; in memory if none.
    pub database: Option<PathBuf>,
    /// The port on this machine; 0 takes any free one.
    pub port: u16,
    /// How long each answer waits.
    pub latency: Duration,
    /// The number of the first page.
    pub page_base: PageBase,
    /// The token that clients must send.
    pub token: String,
    /// Refuse dropdown values that are not in the list; the real server was
    /// seen to accept them.
    pub strict_lookups: bool,
    /// What goes wrong on demand.
    pub faults: Faults,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            database: None,
            port: 0,
            latency: Duration::ZERO,
            page_base: PageBase::One,
            token: "sandbox".to_owned(),
            strict_lookups: false,
            faults: Faults::default(),
        }
    }
}

/// Why the embedded CRM does not start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The port is taken.
    #[error("cannot listen on port {port} of this machine: {source}")]
    Port {
        /// The port.
        port: u16,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file cannot be made.
    #[error("cannot use the sandbox's file {file}: {source}")]
    File {
        /// Its name.
        file: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is not a sandbox's.
    #[error("cannot use the sandbox's file {file}: {source}")]
    Database {
        /// Its name.
        file: String,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// Made by a newer program.
    #[error("the sandbox's file {file} was made by a newer carafe")]
    Newer {
        /// Its name.
        file: String,
    },
    /// The seed does not fit the dictionary.
    #[error("the sandbox's first records do not fit its dictionary: {0}")]
    Seed(String),
    /// The server's thread cannot be started.
    #[error("cannot start the sandbox: {0}")]
    Start(std::io::Error),
}

/// A running embedded CRM; it stops when this goes.
#[derive(Debug)]
pub struct Sandbox {
    address: SocketAddr,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Sandbox {
    /// Opens the records and listens on 127.0.0.1; returns once it does.
    pub fn start(options: Options) -> Result<Self, SandboxError> {
        let (mut database, is_new) =
            database::Database::open(options.database.as_deref(), options.strict_lookups)?;
        if is_new {
            seed::plant(&mut database)?;
        }
        let port = options.port;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .map_err(|source| SandboxError::Port { port, source })?;
        let address = listener.local_addr().map_err(SandboxError::Start)?;
        listener.set_nonblocking(true).map_err(SandboxError::Start)?;
        let shared = server::Shared {
            api: Mutex::new(api::Api {
                database,
                page_base: options.page_base,
                lag: lag::Lag::new(options.faults.lag),
            }),
            token: options.token,
            latency: options.latency,
            faults: options.faults,
            asked: AtomicU64::new(0),
        };
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(SandboxError::Start)?;
        let serve = move || {
            runtime.block_on(async move {
                let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
                let listening = wire::Listening::new(listener, shared.faults.clone());
                let service = server::router(Arc::new(shared));
                let serving =
                    axum::serve(listening, service.into_make_service_with_connect_info::<wire::Line>());
                // Requests that are being answered are dropped: the client sees a lost answer.
                tokio::select! {
                    _ = serving => {}
                    () = stopped.cancelled() => {}
                }
            });
        };
        let thread = std::thread::Builder::new()
            .name("sandbox".to_owned())
            .spawn(serve)
            .map_err(SandboxError::Start)?;
        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops it and waits until it has.
    pub fn stop(self) {}
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            // A server that panicked has stopped as well.
            let _ = thread.join();
        }
    }
}
