//! Rows 9, 10, 12 and 14: reading records, into files and for a plan.

use std::path::Path;
use std::time::Duration;

use crate::Bench;
use crate::measure::{Figure, Run, figure, interleaved, run, shown};
use crate::references::child;
use crate::server::{Manner, Server};
use crate::shapes::{FIELDS, Style};
use crate::table::{Line, share};

/// The program's own default.
const CONCURRENCY: u64 = 8;

/// Records of a page.
const PAGE: u64 = 100;

/// Prints those of the rows that were asked for.
pub fn rows(bench: &Bench) {
    let records = bench.size(100_000);
    if bench.wants(9) {
        csv_at_once(bench, records);
        csv_over_a_link(bench, records);
    }
    if bench.wants(10) {
        workbook(bench, records);
        workbook_memory(bench, bench.size(50_000), bench.size(500_000));
    }
    if bench.wants(12) {
        planning(bench, records);
    }
    if bench.wants(14) {
        every_form(bench, bench.size(1_000_000));
    }
}

fn server_of(records: u64, latency: Duration) -> Server {
    Server::start(Manner::after(latency).with_records(records))
}

/// `export` of the fourteen fields and the id.
pub fn export(bench: &Bench, server: &Server, records: u64, file: &Path) -> Run {
    let fields: Vec<&str> = FIELDS.iter().map(|field| field.name).collect();
    let (fields, concurrency) = (fields.join(","), CONCURRENCY.to_string());
    let file = file.to_str().expect("a plain path");
    let ran = run(&mut bench.carafe(&[
        "export",
        "accounts",
        "-o",
        file,
        "--fields",
        &fields,
        "--force",
        "--base-url",
        server.url(),
        "--concurrency",
        &concurrency,
        "--quiet",
        "--json",
    ]));
    assert!(
        (ran.number("/objects/0/records") - records as f64).abs() < 0.5,
        "{records} records; it printed {}",
        ran.out
    );
    ran
}

fn csv_at_once(bench: &Bench, records: u64) {
    let server = server_of(records, Duration::ZERO);
    let [by_loop, by_program] = ["pages.csv", "export.csv"].map(|name| bench.files.folder().join(name));
    let pages = records.div_ceil(PAGE).to_string();
    let [plain, exported] = interleaved(
        bench.rounds(5),
        [
            &mut || run(child("pages").args([server.url(), &pages, &CONCURRENCY.to_string()]).arg(&by_loop)),
            &mut || export(bench, &server, records, &by_program),
        ],
    );
    let [lines_of_loop, lines_of_program] = [&by_loop, &by_program].map(|file| records_in(file));
    assert_eq!(lines_of_loop, lines_of_program, "both write the same records");
    let (reached, ratio, best) = share(figure(&exported, |r| r.wall), figure(&plain, |r| r.wall));
    Line {
        row: "9a",
        what: &format!("`export` of {records} records to CSV at 0 ms; loop over the same pages"),
        reference: shown(&plain),
        program: shown(&exported),
        ratio,
        best,
        goal: "80 %",
        reached: Some(reached >= 80.0),
    }
    .print();
}

fn records_in(file: &Path) -> usize {
    csv::Reader::from_path(file).expect("the export").into_byte_records().count()
}

fn csv_over_a_link(bench: &Bench, records: u64) {
    let (latency, ms) = (Duration::from_millis(50), 50);
    let server = server_of(records, latency);
    let file = bench.files.folder().join("export.csv");
    let runs: Vec<Run> = (0..bench.rounds(1)).map(|_| export(bench, &server, records, &file)).collect();
    let ideal = latency.as_secs_f64() * records.div_ceil(PAGE) as f64 / CONCURRENCY as f64;
    let (reached, ratio, best) = share(figure(&runs, |r| r.wall), Figure { median: ideal, best: ideal });
    Line {
        row: "9b",
        what: &format!("`export` of {records} records to CSV at {ms} ms; pages ÷ {CONCURRENCY} × latency"),
        reference: format!("{ideal:.2} s"),
        program: format!("{}, {:.0} calls", shown(&runs), figure(&runs, |r| r.number("/calls/total")).median),
        ratio,
        best,
        goal: "92 %",
        reached: Some(reached >= 92.0),
    }
    .print();
}

fn workbook(bench: &Bench, records: u64) {
    let server = server_of(records, Duration::ZERO);
    let [by_loop, by_program] = ["sheet.xlsx", "export.xlsx"].map(|name| bench.files.folder().join(name));
    let [plain, exported] = interleaved(
        bench.rounds(3),
        [&mut || run(child("sheet").arg(&by_loop).arg(records.to_string())), &mut || {
            export(bench, &server, records, &by_program)
        }],
    );
    let (reached, ratio, best) = share(figure(&exported, |r| r.wall), figure(&plain, |r| r.wall));
    Line {
        row: "10a",
        what: &format!("`export` of {records} records to XLSX at 0 ms; loop that writes known values"),
        reference: shown(&plain),
        program: shown(&exported),
        ratio,
        best,
        goal: "80 %",
        reached: Some(reached >= 80.0),
    }
    .print();
}

fn workbook_memory(bench: &Bench, few: u64, many: u64) {
    let file = bench.files.folder().join("export.xlsx");
    let [few_peak, many_peak] = [few, many].map(|records| {
        let server = server_of(records, Duration::ZERO);
        export(bench, &server, records, &file).peak
    });
    Line {
        row: "10b",
        what: &format!("memory of `export` to XLSX, {many} records; {few} records"),
        reference: format!("{few_peak:.1} MiB"),
        program: format!("{many_peak:.1} MiB"),
        ratio: format!("{:+.1} MiB", many_peak - few_peak),
        best: String::new(),
        goal: "+10 MiB",
        reached: Some(many_peak - few_peak <= 10.0),
    }
    .print();
}

/// Memory stays flat in every form; how long a form takes is told beside the plain loop into CSV.
fn every_form(bench: &Bench, records: u64) {
    let server = server_of(records, Duration::ZERO);
    let pages = records.div_ceil(PAGE).to_string();
    let by_loop = bench.files.folder().join("pages.csv");
    for (row, form) in
        [("14a", "csv"), ("14b", "jsonl"), ("14c", "parquet"), ("14d", "sqlite"), ("14e", "xlsx")]
    {
        let file = bench.files.folder().join(format!("all.{form}"));
        let [plain, exported] = interleaved(
            bench.rounds(1),
            [
                &mut || {
                    run(child("pages").args([server.url(), &pages, &CONCURRENCY.to_string()]).arg(&by_loop))
                },
                &mut || export(bench, &server, records, &file),
            ],
        );
        let peak = exported.iter().map(|run| run.peak).fold(0.0, f64::max);
        let (_, ratio, best) = share(figure(&exported, |r| r.wall), figure(&plain, |r| r.wall));
        Line {
            row,
            what: &format!(
                "memory of `export` of {records} records to {form} at 0 ms; loop into CSV over the same pages"
            ),
            reference: shown(&plain),
            program: shown(&exported),
            ratio,
            best,
            goal: "100 MiB",
            reached: Some(peak <= 100.0),
        }
        .print();
        std::fs::remove_file(&file).expect("the export");
    }
}

/// Row 12: of the file's rows, one in twenty is new, one in ten differs.
fn planning(bench: &Bench, rows: u64) {
    let (latency, ms) = (Duration::from_millis(5), 5);
    let shift = rows / 20;
    let server = Server::start(Manner { shift, ..Manner::after(latency).with_records(rows) });
    let file = bench.files.csv(rows, Style::Stated, false);
    let mapping = bench.files.mapping("upsert", true, Style::Stated);
    let plan = || {
        let runs = tempfile::tempdir_in(bench.files.folder()).expect("a folder for the run");
        let [file, mapping, folder] =
            [file.as_path(), &mapping, runs.path()].map(|path| path.to_str().expect("a plain path"));
        let ran = run(&mut bench.carafe(&[
            "import",
            file,
            "-m",
            mapping,
            "--dry-run",
            "--base-url",
            server.url(),
            "--runs-dir",
            folder,
            "--concurrency",
            &CONCURRENCY.to_string(),
            "--quiet",
            "--json",
        ]));
        let found = [ran.number("/rows/read"), ran.number("/rows/created")];
        assert_eq!(found, [rows as f64, shift as f64], "read and new; it printed {}", ran.out);
        ran
    };
    let runs: Vec<Run> = (0..bench.rounds(3)).map(|_| plan()).collect();
    let calls = figure(&runs, |r| r.number("/calls/total")).median;
    let ideal = calls / CONCURRENCY as f64 * latency.as_secs_f64();
    let wall = figure(&runs, |r| r.wall);
    // In a smaller run the calls that do not grow with the rows weigh more.
    let most = rows as f64 / PAGE as f64 + 50.0;
    Line {
        row: "12",
        what: &format!("plan of an upsert, {rows} rows against {rows} records at {ms} ms; calls ÷ {CONCURRENCY} × latency"),
        reference: format!("{ideal:.2} s"),
        program: format!("{}, {calls:.0} calls", shown(&runs)),
        ratio: format!("{:.2} ×", wall.median / ideal),
        best: format!("{:.2} ×", wall.best / ideal),
        goal: &format!("{most:.0} calls, 1.3 ×"),
        reached: Some(calls <= most && wall.median <= ideal * 1.3),
    }
    .print();
}
