//! The program against its references, measured in the same run.
//!
//! `cargo bench --bench compare` builds the release program and prints a table
//! of ratios. It is for people on an idle machine, not for CI: nothing fails
//! because a machine was busy.

#![allow(clippy::print_stdout)]

mod server;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use server::SlowServer;

const ROWS: usize = 10_000;
const CONCURRENCY: usize = 16;
const LATENCY: Duration = Duration::from_millis(20);

fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let input = folder.path().join("accounts.csv");
    std::fs::write(&input, rows(ROWS)).expect("the input file");
    let server = SlowServer::start(LATENCY);
    let ideal = LATENCY.as_secs_f64() * ROWS as f64 / CONCURRENCY as f64;
    println!("import of {ROWS} rows, server answering after {LATENCY:?}, concurrency {CONCURRENCY}");
    println!("{:<28} {:>9} {:>8} {:>10}", "", "seconds", "ratio", "peak MiB");
    println!("{:<28} {ideal:>9.2} {:>8.3}", "ideal (rows / c x latency)", 1.0);
    for round in 1..=2 {
        let bare = bare_loop(&server);
        println!("{:<28} {bare:>9.2} {:>8.3}", format!("bare reqwest loop, run {round}"), bare / ideal);
        let (seconds, peak) = import(&server, &input, folder.path());
        println!(
            "{:<28} {seconds:>9.2} {:>8.3} {peak:>10.1}",
            format!("carafe import, run {round}"),
            seconds / ideal
        );
    }
}

/// Realistic accounts: quoted line breaks, Unicode, dates, decimals.
fn rows(count: usize) -> String {
    let mut text = String::from("name,addressline,addresscity,phone,inceptiondate,annualvalue,notes\n");
    for at in 0..count {
        text.push_str(&format!(
            "Firm {at} GmbH,\"{at} Mill Lane\nUnit {}\",Zürich,+41 44 {:07},20{:02}-{:02}-{:02},{}.{:02},\"said \"\"yes\"\" {at}\"\n",
            at % 90,
            at * 7919 % 10_000_000,
            at % 25,
            at % 12 + 1,
            at % 28 + 1,
            at * 31 % 100_000,
            at % 100
        ));
    }
    text
}

/// The program itself; seconds, and the peak of its resident memory.
fn import(server: &SlowServer, input: &Path, folder: &Path) -> (f64, f64) {
    let begun = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_carafe"))
        .args(["import", "--object", "accounts", "--mode", "create", "--json", "--quiet"])
        .arg(input)
        .arg("--base-url")
        .arg(server.base_url())
        .arg("--runs-dir")
        .arg(folder.join("runs"))
        .args(["--concurrency", &CONCURRENCY.to_string()])
        .env("CARAFE_TOKEN", "bench")
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts");
    let mut peak = 0.0_f64;
    let status = loop {
        if let Some(status) = child.try_wait().expect("the program is ours to wait for") {
            break status;
        }
        peak = peak.max(peak_memory(child.id()));
        std::thread::sleep(Duration::from_millis(10));
    };
    assert!(status.success(), "the import ended with {status}");
    (begun.elapsed().as_secs_f64(), peak)
}

/// `VmHWM` in MiB; 0 where the system does not say.
fn peak_memory(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// The same requests by nothing but the HTTP client.
fn bare_loop(server: &SlowServer) -> f64 {
    // Plain HTTP needs no TLS, but the client wants a provider all the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let url = format!("{}/accounts", server.base_url());
    runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().expect("a client");
        let places = Arc::new(tokio::sync::Semaphore::new(CONCURRENCY));
        let begun = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for at in 0..ROWS {
            let place = Arc::clone(&places).acquire_owned().await.expect("the semaphore is open");
            let (client, url) = (client.clone(), url.clone());
            tasks.spawn(async move {
                let body = format!("{{\"name\":\"Firm {at}\",\"annualvalue\":{at}.5}}");
                let answer =
                    client.post(&url).bearer_auth("bench").body(body).send().await.expect("an answer");
                answer.bytes().await.expect("a body");
                drop(place);
            });
            while tasks.try_join_next().is_some() {}
        }
        while tasks.join_next().await.is_some() {}
        begun.elapsed().as_secs_f64()
    })
}
