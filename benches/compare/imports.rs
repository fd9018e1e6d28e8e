//! Rows 6 to 8: creating records over HTTP, against a bare loop that posts the
//! same bodies.

use std::path::Path;
use std::time::Duration;

use crate::Bench;
use crate::measure::{Figure, Run, figure, interleaved, run};
use crate::references::child;
use crate::server::{Manner, Server};
use crate::shapes::Style;
use crate::table::{Line, share, times};

/// A real link's latency.
const LATENCY: Duration = Duration::from_millis(50);

/// Prints those of the rows that were asked for.
pub fn rows(bench: &Bench) {
    if bench.wants(6) {
        for (row, concurrency) in [("6a", 8), ("6b", 16), ("6c", 32), ("6d", 64)] {
            throughput(bench, row, concurrency);
        }
    }
    if bench.wants(7) {
        processor(bench, "7a", Duration::ZERO, bench.size(100_000));
        processor(bench, "7b", LATENCY, bench.size(12_800));
    }
    if bench.wants(8) {
        durable(bench, "8", LATENCY, bench.size(6_400), Some(98.0));
        // No CRM answers at once: this shows where the store's own limit lies.
        durable(bench, "8b", Duration::ZERO, bench.size(50_000), None);
    }
}

/// An import that creates every row, its run in a folder of its own that goes afterwards.
fn import_and_forget(bench: &Bench, server: &Server, rows: u64, concurrency: usize, runs: &Path) -> Run {
    let runs = tempfile::tempdir_in(runs).expect("a folder for the run");
    import(bench, server, rows, concurrency, runs.path())
}

/// An import that creates every row, its run in a folder.
pub fn import(bench: &Bench, server: &Server, rows: u64, concurrency: usize, runs: &Path) -> Run {
    let file = bench.files.csv(rows, Style::Stated, false);
    let mapping = bench.files.mapping("create", false, Style::Stated);
    let [file, mapping, folder] =
        [file.as_path(), mapping.as_path(), runs].map(|path| path.to_str().expect("a plain path"));
    let concurrency = concurrency.to_string();
    let ran = run(&mut bench.carafe(&[
        "import",
        file,
        "-m",
        mapping,
        "--base-url",
        server.url(),
        "--runs-dir",
        folder,
        "--concurrency",
        &concurrency,
        "--quiet",
        "--json",
    ]));
    let found = [ran.number("/rows/read"), ran.number("/rows/created")];
    assert_eq!(found, [rows as f64; 2], "read and created; it printed {}", ran.out);
    ran
}

/// The bare loop. Its time and processor are those of the loop, without its start.
fn bare(server: &Server, rows: u64, concurrency: usize) -> Run {
    let mut ran = run(child("post").args([server.url(), &rows.to_string(), &concurrency.to_string()]));
    (ran.wall, ran.cpu) = (ran.number("/seconds"), ran.number("/cpu"));
    ran
}

fn per_second(rows: u64, wall: Figure) -> String {
    format!("{:.0} a second", rows as f64 / wall.median)
}

fn throughput(bench: &Bench, row: &str, concurrency: usize) {
    // About ten seconds each.
    let rows = bench.size(200 * concurrency as u64);
    let server = Server::start(Manner::after(LATENCY));
    let mut sending = Vec::new();
    let [plain, imported] = interleaved(
        bench.rounds(2),
        [&mut || bare(&server, rows, concurrency), &mut || {
            server.seen();
            let ran = import_and_forget(bench, &server, rows, concurrency, bench.files.folder());
            sending.push(server.seen().seconds);
            ran
        }],
    );
    let (reference, program) = (figure(&plain, |r| r.wall), figure(&imported, |r| r.wall));
    let (reached, shown, best) = share(program, reference);
    let alone = reference.median / crate::measure::median(sending) * 100.0;
    Line {
        row,
        what: &format!(
            "`import` of {rows} rows at {} ms, {concurrency} in flight; bare loop",
            LATENCY.as_millis()
        ),
        reference: per_second(rows, reference),
        program: format!("{}, {:.0} MiB", per_second(rows, program), figure(&imported, |r| r.peak).median),
        ratio: format!("{shown}; while sending {alone:.1} %"),
        best,
        goal: "97 %",
        reached: Some(reached >= 97.0),
    }
    .print();
}

fn processor(bench: &Bench, row: &str, latency: Duration, rows: u64) {
    const CONCURRENCY: usize = 32;
    let server = Server::start(Manner::after(latency));
    let [plain, imported] = interleaved(
        bench.rounds(3),
        [&mut || bare(&server, rows, CONCURRENCY), &mut || {
            import_and_forget(bench, &server, rows, CONCURRENCY, bench.files.folder())
        }],
    );
    let each = |r: &Run| r.cpu * 1e6 / rows as f64;
    let (reference, program) = (figure(&plain, each), figure(&imported, each));
    let (ratio, shown, best) = times(program, reference);
    Line {
        row,
        what: &format!(
            "processor a request of `import`, {rows} rows at {} ms, {CONCURRENCY} in flight; bare loop",
            latency.as_millis()
        ),
        reference: format!("{:.0} µs", reference.median),
        program: format!("{:.0} µs", program.median),
        ratio: shown,
        best,
        goal: "2 ×",
        reached: Some(ratio <= 2.0),
    }
    .print();
}

/// Row 8: the run's folder on a disk against one in memory, where nothing waits for a disk.
fn durable(bench: &Bench, row: &str, latency: Duration, rows: u64, goal: Option<f64>) {
    const CONCURRENCY: usize = 32;
    let memory = Path::new("/dev/shm");
    if !memory.is_dir() {
        eprintln!("row 8 needs a file system in memory at /dev/shm");
        return;
    }
    let server = Server::start(Manner::after(latency));
    let [off, on] = interleaved(
        bench.rounds(4),
        [&mut || import_and_forget(bench, &server, rows, CONCURRENCY, memory), &mut || {
            import_and_forget(bench, &server, rows, CONCURRENCY, bench.files.folder())
        }],
    );
    let (reference, program) = (figure(&off, |r| r.wall), figure(&on, |r| r.wall));
    let (reached, shown, best) = share(program, reference);
    Line {
        row,
        what: &format!(
            "store on disk, {rows} rows at {} ms, {CONCURRENCY} in flight; store in memory",
            latency.as_millis()
        ),
        reference: per_second(rows, reference),
        program: per_second(rows, program),
        ratio: shown,
        best,
        goal: &goal.map(|goal| format!("{goal} %")).unwrap_or_default(),
        reached: goal.map(|goal| reached >= goal),
    }
    .print();
}
