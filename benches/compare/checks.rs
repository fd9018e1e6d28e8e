//! Rows 1 to 5 and 13: reading and validating, without any server.

use std::io::Read;
use std::path::Path;

use crate::Bench;
use crate::data::wrong_rows;
use crate::measure::{Run, figure, interleaved, run, shown};
use crate::references::child;
use crate::shapes::Style;
use crate::table::{Line, times};

const MILLION: u64 = 1_000_000;

/// Prints those of the rows that were asked for.
pub fn rows(bench: &Bench) {
    let (small, large) = (bench.size(MILLION), bench.size(10 * MILLION));
    if bench.wants(1) {
        against_csv(bench, "1", small, Style::Stated, Some(1.3));
        against_csv(bench, "1b", small, Style::Open, None);
    }
    if bench.wants(2) {
        against_csv(bench, "2", large, Style::Stated, Some(1.6));
    }
    if bench.wants(3) || bench.wants(4) {
        memory(bench, small, large);
    }
    if bench.wants(5) {
        against_cells(bench, bench.size(200_000));
    }
    if bench.wants(13) {
        start_up(bench);
    }
}

/// `check`, and that it found what there is to find.
fn check(bench: &Bench, file: &Path, mapping: &Path, rows: u64, wrong: u64) -> Run {
    let snapshot = bench.files.snapshot();
    let [file, mapping, snapshot] =
        [file, mapping, &snapshot].map(|path| path.to_str().expect("a plain path"));
    let ran = run(&mut bench.carafe(&[
        "check",
        file,
        "-m",
        mapping,
        "--dictionary",
        snapshot,
        "--offline",
        "--quiet",
        "--json",
    ]));
    let found = [ran.number("/rows/read"), ran.number("/rows/rejected")];
    assert_eq!(found, [rows as f64, wrong as f64], "read and rejected; it printed {}", ran.out);
    ran
}

fn against_csv(bench: &Bench, row: &str, rows: u64, style: Style, goal: Option<f64>) {
    let file = bench.files.csv(rows, style, true);
    let mapping = bench.files.mapping("upsert", true, style);
    warm(&file);
    let rounds = bench.rounds(if rows > MILLION { 3 } else { 5 });
    let [plain, checked] = interleaved(
        rounds,
        [&mut || run(child("csv").arg(&file)), &mut || check(bench, &file, &mapping, rows, wrong_rows(rows))],
    );
    let (ratio, shown_ratio, best) = times(figure(&checked, |r| r.wall), figure(&plain, |r| r.wall));
    let how = match style {
        Style::Stated => "formats given",
        Style::Open => "dates and decimals left to be proven",
    };
    let goal_text = goal.map(|goal| format!("{goal} ×")).unwrap_or_default();
    Line {
        row,
        what: &format!("`check` of {rows} rows with `match`, {how}; csv `ByteRecord`s"),
        reference: shown(&plain),
        program: shown(&checked),
        ratio: shown_ratio,
        best,
        goal: &goal_text,
        reached: goal.map(|goal| ratio <= goal),
    }
    .print();
}

/// Rows 3 and 4: the peak of `check` with and without `match`.
fn memory(bench: &Bench, small: u64, large: u64) {
    let peaks = [small, large].map(|rows| {
        let file = bench.files.csv(rows, Style::Stated, true);
        [false, true].map(|matched| {
            if matched && !bench.wants(4) {
                return 0.0;
            }
            let mapping =
                bench.files.mapping(if matched { "upsert" } else { "create" }, matched, Style::Stated);
            let runs: Vec<Run> =
                (0..bench.rounds(1)).map(|_| check(bench, &file, &mapping, rows, wrong_rows(rows))).collect();
            figure(&runs, |r| r.peak).median
        })
    });
    let [[small_bare, small_matched], [large_bare, large_matched]] = peaks;
    if bench.wants(3) {
        Line {
            row: "3",
            what: &format!("memory of `check` without `match`, {large} rows; {small} rows"),
            reference: format!("{small_bare:.1} MiB"),
            program: format!("{large_bare:.1} MiB"),
            ratio: format!("{:+.1} MiB", large_bare - small_bare),
            best: String::new(),
            goal: "+10 MiB, under 60 MiB",
            reached: Some(large_bare - small_bare <= 10.0 && large_bare < 60.0),
        }
        .print();
    }
    if bench.wants(4) {
        duplicate_check("4a", small, small_bare, small_matched);
        duplicate_check("4b", large, large_bare, large_matched);
    }
}

fn duplicate_check(row: &str, rows: u64, bare: f64, matched: f64) {
    const MIB: f64 = 1024.0 * 1024.0;
    let more = matched - bare;
    let allowed = 24.0 * rows as f64 / MIB + 50.0;
    Line {
        row,
        what: &format!("memory of the duplicate check, {rows} rows; without `match`"),
        reference: format!("{bare:.1} MiB"),
        program: format!("{matched:.1} MiB"),
        ratio: format!("{more:+.1} MiB, {:.1} bytes a row", more * MIB / rows as f64),
        best: String::new(),
        goal: &format!("24 bytes a row + 50 MiB = {allowed:.1} MiB"),
        reached: Some(more <= allowed),
    }
    .print();
}

fn against_cells(bench: &Bench, rows: u64) {
    let file = bench.files.xlsx(rows);
    let mapping = bench.files.mapping("upsert", true, Style::Stated);
    warm(&file);
    let [plain, checked] = interleaved(
        bench.rounds(5),
        [&mut || run(child("xlsx").arg(&file)), &mut || check(bench, &file, &mapping, rows, 0)],
    );
    let (time, shown_time, best_time) = times(figure(&checked, |r| r.wall), figure(&plain, |r| r.wall));
    let (peak, shown_peak, _) = times(figure(&checked, |r| r.peak), figure(&plain, |r| r.peak));
    Line {
        row: "5",
        what: &format!("`check` of {rows} rows of XLSX; calamine's reader of cells"),
        reference: shown(&plain),
        program: shown(&checked),
        ratio: format!("time {shown_time}, memory {shown_peak}"),
        best: best_time,
        goal: "time 1.2 ×, memory 1.3 ×",
        reached: Some(time <= 1.2 && peak <= 1.3),
    }
    .print();
}

/// Row 13, the middle one of thirty.
fn start_up(bench: &Bench) {
    let file = bench.files.csv(10, Style::Stated, false);
    let mapping = bench.files.mapping("upsert", true, Style::Stated);
    let [version, ten] = interleaved(
        bench.rounds(30),
        [&mut || run(&mut bench.carafe(&["--version"])), &mut || check(bench, &file, &mapping, 10, 0)],
    );
    for (row, what, runs, goal) in
        [("13a", "`carafe --version`", version, 10.0), ("13b", "`check` of ten rows, offline", ten, 30.0)]
    {
        let wall = figure(&runs, |r| r.wall * 1_000.0);
        Line {
            row,
            what,
            reference: String::new(),
            program: format!("{:.1} ms", wall.median),
            ratio: format!("{:.2} ×", wall.median / goal),
            best: format!("{:.1} ms", wall.best),
            goal: &format!("{goal} ms"),
            reached: Some(wall.median <= goal),
        }
        .print();
    }
}

/// Reads a file once, so that all runs find it in the page cache.
fn warm(path: &Path) {
    let mut file = std::fs::File::open(path).expect("the file");
    let mut buffer = vec![0; 1 << 20];
    while file.read(&mut buffer).expect("the file can be read") > 0 {}
}
