//! What `docs/scale.md` says of large runs and of many small ones, tried: ten
//! million rows at a server that answers at once, and five hundred exports,
//! eight at a time. Not among the table's rows, as it takes a quarter of an
//! hour and 20 GB of disk.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::Bench;
use crate::exports::export;
use crate::imports::import;
use crate::measure::figure;
use crate::server::{Manner, Server};

const MIB: f64 = 1024.0 * 1024.0;

/// Prints both.
pub fn both(bench: &Bench) {
    println!("| what | came to |");
    println!("| --- | --- |");
    large_import(bench, bench.size(10_000_000));
    many_tenants(bench, bench.size(500), 50_000);
}

fn says(what: &str, came_to: &str) {
    println!("| {what} | {came_to} |");
}

/// An import that creates every row.
fn large_import(bench: &Bench, rows: u64) {
    let server = Server::start(Manner::after(Duration::ZERO));
    let runs = tempfile::tempdir_in(bench.files.folder()).expect("a folder for the run");
    let ran = import(bench, &server, rows, 64, runs.path());
    says(
        &format!("`import` of {rows} rows at 0 ms, 64 in flight"),
        &format!(
            "{:.0} s, {:.0} rows a second, {:.0} s CPU, {:.0} MiB",
            ran.wall,
            rows as f64 / ran.wall,
            ran.cpu,
            ran.peak
        ),
    );
    let stored = size_of(runs.path());
    says(
        "its run's folder",
        &format!("{:.1} GB, {:.0} bytes a row", stored as f64 / 1e9, stored as f64 / rows as f64),
    );
    let seen = server.seen();
    says("writes that the server saw", &format!("{} in {:.0} s", seen.answered, seen.seconds));
}

fn size_of(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).expect("the folder").flatten();
    entries.map(|entry| if entry.path().is_dir() { size_of(&entry.path()) } else { length(&entry) }).sum()
}

fn length(entry: &std::fs::DirEntry) -> u64 {
    entry.metadata().map_or(0, |metadata| metadata.len())
}

/// As many exports as there are tenants, eight at a time, as `xargs -P 8` would start them.
fn many_tenants(bench: &Bench, tenants: u64, records: u64) {
    const AT_ONCE: u64 = 8;
    let server = Server::start(Manner::after(Duration::from_millis(50)).with_records(records));
    let folder = tempfile::tempdir_in(bench.files.folder()).expect("a folder for the exports");
    let (next, runs) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let tenant = next.fetch_add(1, Ordering::Relaxed);
                    if tenant >= tenants {
                        return;
                    }
                    let file = folder.path().join(format!("{tenant}.xlsx"));
                    let ran = export(bench, &server, records, &file);
                    runs.lock().expect("nobody fails with it").push(ran);
                }
            });
        }
    });
    let (wall, runs) = (begun.elapsed().as_secs_f64(), runs.into_inner().expect("nobody failed"));
    let cpu: f64 = runs.iter().map(|ran| ran.cpu).sum();
    let peak = runs.iter().map(|ran| ran.peak).fold(0.0, f64::max);
    let calls = figure(&runs, |ran| ran.number("/calls/total")).median;
    says(
        &format!("{tenants} exports of {records} records to XLSX at 50 ms, {AT_ONCE} at a time"),
        &format!("{wall:.0} s, {cpu:.0} s CPU, {peak:.0} MiB each at most, {calls:.0} calls each"),
    );
    let files = size_of(folder.path()) as f64 / MIB;
    says("their files", &format!("{files:.0} MiB, {:.1} MiB each", files / tenants as f64));
}
