//! Row 11: how an import finds its pace at a server that has a limit. It is
//! left running for a minute, of which the second half counts.

use std::process::Stdio;
use std::time::Duration;

use crate::Bench;
use crate::measure::end;
use crate::server::{Manner, Seen, Server};
use crate::shapes::Style;
use crate::table::Line;

/// The server's latency where nothing strains it.
const LATENCY: Duration = Duration::from_millis(50);

/// Requests a second that the first two servers take.
const RATE: u64 = 100;

/// Requests in flight above which the third one's latency doubles.
const BEARABLE: u64 = 12;

/// Prints the row, if it was asked for.
pub fn rows(bench: &Bench) {
    if !bench.wants(11) {
        return;
    }
    let limited = Manner { most: RATE, ..Manner::after(LATENCY) };
    let what = format!("`import`, 429 above {RATE} a second");
    found(
        bench,
        "11a",
        &format!("{what}, with `Retry-After`"),
        Manner { says_when: true, ..limited },
        RATE,
        95.0,
    );
    found(bench, "11b", &format!("{what}, without"), limited, RATE, 95.0);
    let strained = Manner { strained_above: BEARABLE, ..Manner::after(LATENCY) };
    let best = BEARABLE * 1_000 / LATENCY.as_millis() as u64;
    let what = format!("`import`, latency of {} ms doubles above {BEARABLE} in flight", LATENCY.as_millis());
    found(bench, "11c", &what, strained, best, 90.0);
}

/// Lets an import run, and prints what the server saw of it.
fn found(bench: &Bench, row: &str, what: &str, manner: Manner, best: u64, goal: f64) {
    let seconds = if bench.quick { 20 } else { 60 };
    let seen = left_running(bench, manner, best * (seconds + 20), Duration::from_secs(seconds));
    let late = |second: &usize| *second as u64 >= seconds / 2 && (*second as u64) < seconds;
    let by_second: Vec<u64> = (0..seconds as usize)
        .filter(late)
        .map(|second| seen.by_second.get(second).map_or(0, |(answered, _)| *answered))
        .collect();
    let mean = by_second.iter().sum::<u64>() as f64 / by_second.len().max(1) as f64;
    let (least, most) = (by_second.iter().min().unwrap_or(&0), by_second.iter().max().unwrap_or(&0));
    let refused = seen.refused as f64 * 60.0 / seconds as f64;
    let share = mean / best as f64 * 100.0;
    Line {
        row,
        what: &format!("{what}; from second {} on", seconds / 2),
        reference: format!("{best} a second"),
        program: format!(
            "{mean:.0} a second (each second {least} to {most}), {refused:.0} × 429 a minute, {} in flight at most",
            seen.most
        ),
        ratio: format!("{share:.1} %"),
        best: String::new(),
        goal: &format!("{goal} %"),
        reached: Some(share >= goal),
    }
    .print();
}

/// An import with room for many more requests than the server takes, ended after a while.
fn left_running(bench: &Bench, manner: Manner, rows: u64, time: Duration) -> Seen {
    let server = Server::start(manner);
    let file = bench.files.csv(rows, Style::Stated, false);
    let mapping = bench.files.mapping("create", false, Style::Stated);
    let runs = tempfile::tempdir_in(bench.files.folder()).expect("a folder for the run");
    let [file, mapping, folder] =
        [file.as_path(), &mapping, runs.path()].map(|path| path.to_str().expect("a plain path"));
    let mut child = bench
        .carafe(&[
            "import",
            file,
            "-m",
            mapping,
            "--base-url",
            server.url(),
            "--runs-dir",
            folder,
            "--concurrency",
            "32",
            "--quiet",
            "--json",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts");
    std::thread::sleep(time);
    let seen = server.seen();
    assert!(child.try_wait().expect("it is ours to ask").is_none(), "the import ended before its time");
    end(&mut child);
    seen
}
