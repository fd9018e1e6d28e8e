//! The references that talk to the server: nothing but the HTTP client.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::data::{json_fields, record};
use crate::measure::cpu_time;

/// The client of all references.
pub fn client() -> reqwest::Client {
    // Plain HTTP needs no TLS, but the client wants a provider all the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().http1_only().tls_certs_only([]).build().expect("a client")
}

/// Posts the bodies of so many rows, so many at once, from one thread; gives seconds and processor
/// time of the loop alone, as JSON. The bodies are there before it begins.
pub fn post(url: &str, rows: usize, concurrency: usize) -> String {
    let bodies: Arc<Vec<String>> =
        Arc::new((0..rows as u64).map(|at| format!("{{{}}}", json_fields(&record(at), false))).collect());
    let url = format!("{url}/accounts");
    let next = Arc::new(AtomicUsize::new(0));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = client();
        let cpu = || cpu_time("self").map_or(0.0, |(_, cpu)| cpu);
        let (begun, before) = (Instant::now(), cpu());
        let mut workers = tokio::task::JoinSet::new();
        for _ in 0..concurrency {
            let (client, url) = (client.clone(), url.clone());
            let (bodies, next) = (Arc::clone(&bodies), Arc::clone(&next));
            workers.spawn(async move {
                while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let request = client
                        .post(&url)
                        .bearer_auth("bench")
                        .header(reqwest::header::CONTENT_TYPE, "application/json")
                        .body(body.clone());
                    let answer = request.send().await.expect("an answer");
                    assert_eq!(answer.status(), 201);
                    answer.bytes().await.expect("a body");
                }
            });
        }
        while let Some(worker) = workers.join_next().await {
            worker.expect("a worker does not fail");
        }
        format!("{{\"seconds\":{},\"cpu\":{}}}", begun.elapsed().as_secs_f64(), cpu() - before)
    })
}
