//! Exports that are interrupted, and go on: what they have read is kept.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value as Json, json};

use crate::support::{Call, Crm, Desk};
use crate::tables::{Habit, accounts};
use crate::tiny::{Gate, Reply, Tiny};

/// So many accounts; their ids have gaps.
fn known(records: u64) -> Vec<Json> {
    let account =
        |n: u64| json!({ "id": n * 3, "name": format!("Name {n}\nof \"two\" lines"), "phone": "1" });
    (1..=records).map(account).collect()
}

fn at<'a>(desk: &Desk, crm: &Tiny, arguments: impl IntoIterator<Item = &'a str>) -> Call {
    desk.carafe(arguments).at(&crm.address()).env("CARAFE_RETRIES", "0")
}

/// The id of the newest export.
fn last_export(desk: &Desk) -> String {
    desk.exports().pop().unwrap().file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn an_interrupted_export_goes_on_where_it_stood() {
    let crm = Tiny::serve(accounts(&known(2_345)));
    for format in ["csv", "jsonl", "sqlite", "parquet"] {
        let (desk, whole) = (Desk::new(), Desk::new());
        let (out, name) = (format!("a.{format}"), format!("a.{format}"));
        at(&whole, &crm, ["export", "accounts", "-o", &name]).ends_with(0);
        let asked = crm.asked().len();
        let done =
            at(&desk, &crm, ["export", "accounts", "-o", &out, "--max-calls", "15", "--concurrency", "1"])
                .ends_with(6);
        let run = last_export(&desk);
        assert!(
            done.stderr.contains(&format!("read so far are kept; go on with: carafe resume {run}")),
            "{done:?}"
        );
        assert!(!desk.path(&out).exists());
        let between = crm.asked().len();
        let done = at(&desk, &crm, ["resume", "last", "--json"]).ends_with(0);
        let document = done.json();
        assert_eq!(
            (&document["objects"][0]["records"], &document["state"]),
            (&json!(2_345), &json!("finished")),
            "{format}"
        );
        // 24 pages; each process asks for the dictionary too.
        let (before, after) = (between - asked, crm.asked().len() - between);
        assert!(before == 15 && after <= 12, "{format}: {before} and {after} calls");
        if format != "sqlite" {
            let read = |desk: &Desk| std::fs::read(desk.path(&out)).unwrap();
            assert!(read(&desk) == read(&whole), "{format}");
        }
        // What was read is not kept any longer than it is needed.
        let left: Vec<_> = std::fs::read_dir(desk.exports().pop().unwrap())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("pages"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn what_others_do_between_an_interruption_and_its_end_neither_loses_nor_repeats_a_record() {
    let crm = Tiny::serve(accounts(&known(1_000)));
    let desk = Desk::new();
    at(&desk, &crm, ["export", "accounts", "-o", "a.csv", "--max-calls", "6"]).ends_with(6);
    for id in [3, 6, 9, 1_500] {
        crm.remove("accounts", id);
    }
    crm.restore("accounts", json!({ "id": 1, "name": "New and below" }));
    crm.restore("accounts", json!({ "id": 5_000, "name": "New and above" }));
    at(&desk, &crm, ["resume", "last"]).ends_with(0);
    let ids: Vec<u64> = csv::Reader::from_path(desk.path("a.csv"))
        .unwrap()
        .into_records()
        .map(|record| record.unwrap()[0].parse().unwrap())
        .collect();
    assert!(ids.is_sorted_by(|one, next| one < next));
    let stayed = (1..=1_000).map(|n| n * 3).filter(|id| ![3, 6, 9, 1_500].contains(id));
    assert!(stayed.clone().all(|id| ids.contains(&id)));
    assert!(ids.contains(&5_000) && !ids.contains(&1_500));
}

#[test]
fn a_cancelled_export_says_how_it_goes_on_and_leaves_what_was_there() {
    let gate = Gate::default();
    let held = gate.clone();
    let crm = Tiny::scripted(accounts(&known(500)), move |request, before| {
        if request.path.starts_with("/accounts") && before >= 3 {
            held.wait();
        }
        None
    });
    let desk = Desk::with("a.csv", "precious");
    let arguments = ["export", "accounts", "-o", "a.csv", "--force", "--concurrency", "1"];
    let running = at(&desk, &crm, arguments).start();
    crm.wait_for("GET", 4);
    running.signal("INT");
    let done = running.end();
    gate.open();
    let run = last_export(&desk);
    assert_eq!(done.code, Some(5), "{done:?}");
    assert!(
        done.stderr.contains(&format!("records read so far are kept\n  go on with: carafe resume {run}")),
        "{done:?}"
    );
    assert_eq!(desk.text("a.csv"), "precious");
    at(&desk, &crm, ["resume", &run]).ends_with(0);
    assert!(desk.text("a.csv").contains("Name 500"));
}

#[test]
fn files_of_a_folder_that_were_whole_are_in_nobodys_way() {
    let crm = Tiny::serve(accounts(&known(400)).and_contacts());
    let desk = Desk::new();
    let arguments = ["export", "contacts", "accounts", "-o", "out/", "--format", "csv", "--concurrency", "1"];
    let done = at(&desk, &crm, arguments.into_iter().chain(["--max-calls", "6"])).ends_with(6);
    assert!(desk.path("out/contacts.csv").exists() && !desk.path("out/accounts.csv").exists(), "{done:?}");
    at(&desk, &crm, ["resume", "last"]).ends_with(0);
    assert!(desk.text("out/accounts.csv").contains("Name 400"));
    // A file that somebody else put there is.
    let desk = Desk::new();
    at(&desk, &crm, arguments.into_iter().chain(["--max-calls", "6"])).ends_with(6);
    desk.write("out/accounts.csv", "precious");
    let done = at(&desk, &crm, ["resume", "last"]).ends_with(2);
    assert!(done.stderr.contains("out/accounts.csv"), "{done:?}");
    assert_eq!(desk.text("out/accounts.csv"), "precious");
    // Once that is away, it goes on.
    std::fs::remove_file(desk.path("out/accounts.csv")).unwrap();
    let asked = crm.asked().len();
    at(&desk, &crm, ["resume", "last"]).ends_with(0);
    assert!(desk.text("out/accounts.csv").contains("Name 400") && crm.asked().len() - asked < 5);
}

#[test]
fn an_incremental_export_that_goes_on_tells_each_change_once() {
    let crm = Tiny::serve(accounts(&known(600)));
    let desk = Desk::new();
    let arguments = ["export", "accounts", "-o", "a.csv", "--incremental", "--force", "--concurrency", "1"];
    at(&desk, &crm, arguments.into_iter().chain(["--max-calls", "4"])).ends_with(6);
    at(&desk, &crm, ["resume", "last"]).ends_with(0);
    assert_eq!(csv::Reader::from_path(desk.path("a.csv")).unwrap().into_records().count(), 600);
    crm.change("accounts", 900, "phone", json!("2"));
    at(&desk, &crm, arguments).ends_with(0);
    assert_eq!(csv::Reader::from_path(desk.path("a.csv")).unwrap().into_records().count(), 1);
}

#[test]
fn news_by_their_dates_are_gone_on_with_and_told_once() {
    let record = |n: u64, date: &str| json!({ "id": n, "name": "A", "phone": "1", "modifieddate": date });
    // The first two hundred are old.
    let dated = |n: u64| record(n, if n <= 200 { "2020-01-01 10:00:00" } else { "2999-01-01 10:00:00" });
    let mut tables = accounts(&(1..=900).map(dated).collect::<Vec<_>>());
    tables.tables[0].fields.push(("modifieddate", "DateTime", false, 0));
    let crm = Tiny::serve(tables);
    let desk = Desk::new();
    let arguments = ["export", "accounts", "-o", "a.csv", "--incremental", "--force", "--concurrency", "1"];
    at(&desk, &crm, arguments).ends_with(0);
    for id in 401..=900 {
        crm.change("accounts", id, "phone", json!("2"));
    }
    let asked = crm.asked().len();
    at(&desk, &crm, arguments.into_iter().chain(["--max-calls", "6"])).ends_with(6);
    at(&desk, &crm, ["resume", "last"]).ends_with(0);
    let ids: Vec<u64> = csv::Reader::from_path(desk.path("a.csv"))
        .unwrap()
        .into_records()
        .map(|record| record.unwrap()[0].parse().unwrap())
        .collect();
    assert!(ids.iter().copied().eq(401..=900), "{} records", ids.len());
    // Seven pages of dated ones, none twice; once the latest date, and once the record that was read
    // last together with those behind it.
    let pages = crm.asked()[asked..].iter().filter(|request| request.path == "/accounts").count();
    assert!(pages <= 7 + 2, "{pages} pages");
    at(&desk, &crm, arguments).ends_with(0);
    assert_eq!(csv::Reader::from_path(desk.path("a.csv")).unwrap().into_records().count(), 0);
}

#[test]
fn a_folder_of_runs_that_goes_away_costs_no_export() {
    let gate = Gate::default();
    let held = gate.clone();
    let crm = Tiny::scripted(accounts(&known(700)), move |request, before| {
        if request.path == "/accounts" && before == 4 {
            held.wait();
        }
        None
    });
    let desk = Desk::new();
    let running = at(&desk, &crm, ["export", "accounts", "-o", "a.csv", "--concurrency", "1"]).start();
    crm.wait_for("GET", 5);
    std::fs::remove_dir_all(desk.path(".carafe")).unwrap();
    gate.open();
    let done = running.end();
    assert_eq!(done.code, Some(0), "{done:?}");
    assert_eq!(done.stderr.matches("is no longer kept").count(), 1, "{done:?}");
    assert_eq!(csv::Reader::from_path(desk.path("a.csv")).unwrap().into_records().count(), 700);
}

#[test]
fn news_for_a_database_that_is_gone_by_now_are_not_all_that_is_written() {
    let dated = |n: u64| {
        let date = if n <= 300 { "2020-01-01 10:00:00" } else { "2999-01-01 10:00:00" };
        json!({ "id": n, "name": "A", "modifieddate": date })
    };
    let mut tables = accounts(&(1..=900).map(dated).collect::<Vec<_>>());
    tables.tables[0].fields.push(("modifieddate", "DateTime", false, 0));
    let crm = Tiny::serve(tables);
    let desk = Desk::new();
    let arguments = ["export", "accounts", "-o", "a.sqlite", "--incremental", "--concurrency", "1"];
    at(&desk, &crm, arguments).ends_with(0);
    at(&desk, &crm, arguments.into_iter().chain(["--max-calls", "5"])).ends_with(6);
    std::fs::remove_file(desk.path("a.sqlite")).unwrap();
    at(&desk, &crm, ["resume", "last"]).ends_with(0);
    let db = rusqlite::Connection::open(desk.path("a.sqlite")).unwrap();
    let records: u64 = db.query_row("SELECT count(*) FROM accounts", [], |row| row.get(0)).unwrap();
    assert_eq!(records, 900);
}

#[test]
fn what_cannot_be_read_by_id_is_read_again() {
    let habits: [fn(&mut crate::tables::Tables); 2] = [
        |tables| tables.id_filter = Habit::Refuses,
        |tables| (tables.order, tables.id_filter) = (Habit::Ignores, Habit::Ignores),
    ];
    for habit in habits {
        let mut tables = accounts(&known(950));
        habit(&mut tables);
        let crm = Tiny::serve(tables);
        let desk = Desk::new();
        let done = at(&desk, &crm, ["export", "accounts", "-o", "a.csv", "--max-calls", "7"]).ends_with(6);
        assert!(!done.stderr.contains("are kept"), "{done:?}");
        at(&desk, &crm, ["resume", "last"]).ends_with(0);
        assert_eq!(csv::Reader::from_path(desk.path("a.csv")).unwrap().into_records().count(), 950);
    }
}

#[test]
fn a_limit_holds_for_both_parts_together() {
    let crm = Tiny::serve(accounts(&known(900)));
    let desk = Desk::new();
    let arguments = ["export", "accounts", "-o", "a.jsonl", "--limit", "550", "--concurrency", "1"];
    at(&desk, &crm, arguments.into_iter().chain(["--max-calls", "5"])).ends_with(6);
    at(&desk, &crm, ["resume", "last"]).ends_with(0);
    let text = desk.text("a.jsonl");
    assert_eq!(text.lines().count(), 550);
    assert!(text.lines().last().unwrap().starts_with(r#"{"id":1650,"#), "{text}");
}

#[test]
fn an_export_is_a_run_that_others_pass_over() {
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", "name\nNew\n"));
    crm.carafe(&desk, ["import", "a.csv", "--object", "accounts"]).ends_with(0);
    crm.carafe(&desk, ["export", "accounts", "-o", "b.csv"]).ends_with(0);
    let export = last_export(&desk);
    let import = desk.run().file_name().unwrap().to_str().unwrap().to_owned();
    let list = crm.carafe(&desk, ["runs"]).ends_with(0).stdout;
    assert!(list.contains(&format!("{export}  export   finished")), "{list}");
    let shown = crm.carafe(&desk, ["runs", &export]).ends_with(0).stdout;
    assert!(
        shown.contains("  export of accounts: finished\n") && shown.contains("accounts   b.csv"),
        "{shown}"
    );
    let document = crm.carafe(&desk, ["runs", &export, "--json"]).ends_with(0).json();
    assert_eq!((&document["run"], &document["command"]), (&json!(export), &json!("export")));
    crm.carafe(&desk, ["undo", &export, "--yes"]).run().fails(
        2,
        &format!(
            "error: run {export} is an export: it wrote nothing to the CRM\n  name a run with rows, such as {import}; \
             see: carafe runs"
        ),
    );
    crm.carafe(&desk, ["resume", &export]).run().fails(
        2,
        &format!("error: run {export} is a finished export; nothing is left to be done\n  export again to have what changed since"),
    );
    // `last` is the last run that a command can be about.
    crm.carafe(&desk, ["undo", "last", "--yes"]).ends_with(0);
    assert!(crm.records("accounts", r#"{"name":"New"}"#).is_empty());
}

#[test]
fn an_export_of_another_crm_or_to_standard_output_is_not_gone_on_with() {
    let (one, other) = (Tiny::serve(accounts(&known(500))), Tiny::serve(accounts(&known(500))));
    let desk = Desk::new();
    at(&desk, &one, ["export", "accounts", "-o", "a.csv", "--max-calls", "4"]).ends_with(6);
    let run = last_export(&desk);
    at(&desk, &other, ["resume", "last"]).run().fails(
        2,
        &format!(
            "error: run {run} reads from {}, and this is {}\n  resume it with the same --base-url or --sandbox",
            one.address(),
            other.address()
        ),
    );
    let desk = Desk::new();
    let done = at(&desk, &one, ["export", "accounts", "-o", "-", "--max-calls", "4"]).ends_with(6);
    assert!(!done.stderr.contains("are kept"), "{done:?}");
    let done = at(&desk, &one, ["resume", "last"]).ends_with(2);
    assert!(done.stderr.contains("standard output, which cannot be gone on with"), "{done:?}");
}

#[test]
fn an_export_goes_through_where_no_run_can_be_kept() {
    let crm = Tiny::serve(accounts(&known(3)));
    let desk = Desk::with("file", "");
    let done = at(&desk, &crm, ["export", "accounts", "-o", "a.csv", "--runs-dir", "file/runs"]).ends_with(0);
    assert!(done.stderr.contains("notice: what is read is not kept"), "{done:?}");
    assert!(desk.path("a.csv").exists());
}

#[test]
fn an_export_that_never_reached_the_crm_is_a_run_to_go_on_with() {
    let desk = Desk::new();
    let arguments = ["export", "accounts", "-o", "a.csv", "--retries", "0"];
    desk.carafe(arguments).at("http://127.0.0.1:1").ends_with(3);
    assert_eq!(desk.exports().len(), 1);
    let done = desk.carafe(["resume", "last", "--retries", "0"]).at("http://127.0.0.1:1").ends_with(3);
    assert!(done.stderr.contains("127.0.0.1:1"), "{done:?}");
}

#[test]
fn a_database_that_another_export_left_is_not_built_on() {
    let crm = Tiny::serve(accounts(&known(300)));
    let desk = Desk::new();
    let incremental = ["export", "accounts", "-o", "a.sqlite", "--incremental"];
    let records = || -> u64 {
        let db = rusqlite::Connection::open(desk.path("a.sqlite")).unwrap();
        db.query_row("SELECT count(*) FROM accounts", [], |row| row.get(0)).unwrap()
    };
    at(&desk, &crm, incremental).ends_with(0);
    std::fs::copy(desk.path("a.sqlite"), desk.path("older.sqlite")).unwrap();
    at(&desk, &crm, ["export", "accounts", "-o", "a.sqlite", "--limit", "5", "--force"]).ends_with(0);
    assert_eq!(records(), 5);
    at(&desk, &crm, incremental).ends_with(0);
    assert_eq!(records(), 300);
    // Nor is an older one that was put back.
    crm.restore("accounts", json!({ "id": 1, "name": "New" }));
    at(&desk, &crm, incremental).ends_with(0);
    std::fs::copy(desk.path("older.sqlite"), desk.path("a.sqlite")).unwrap();
    at(&desk, &crm, incremental).ends_with(0);
    assert_eq!(records(), 301);
}

#[test]
fn a_database_whose_state_is_lost_keeps_no_record_that_is_no_more() {
    let crm = Tiny::serve(accounts(&known(300)));
    let desk = Desk::new();
    let incremental = ["export", "accounts", "-o", "a.sqlite", "--incremental", "--deleted"];
    at(&desk, &crm, incremental).ends_with(0);
    std::fs::remove_dir_all(desk.path(".carafe/runs/incremental")).unwrap();
    crm.remove("accounts", 300);
    let done = at(&desk, &crm, incremental.into_iter().chain(["--force"])).ends_with(0);
    assert!(done.stderr.contains("1 deleted since the last export"), "{done:?}");
    let db = rusqlite::Connection::open(desk.path("a.sqlite")).unwrap();
    let records: u64 = db.query_row("SELECT count(*) FROM accounts", [], |row| row.get(0)).unwrap();
    assert_eq!(records, 299);
}

#[test]
fn what_is_in_the_way_of_one_file_of_a_folder_is_told_before_any_is_read() {
    let crm = Tiny::serve(accounts(&known(3)).and_contacts());
    let desk = Desk::new();
    std::fs::create_dir(desk.path("out")).unwrap();
    desk.write("out/contacts.csv", "precious");
    let asked = |crm: &Tiny| crm.asked().iter().filter(|request| request.path == "/accounts").count();
    at(&desk, &crm, ["export", "accounts", "contacts", "-o", "out", "--format", "csv"]).ends_with(2);
    assert!(!desk.path("out/accounts.csv").exists() && asked(&crm) == 0);
    at(&desk, &crm, ["export", "accounts", "-o", "out/contacts.csv/", "--format", "csv"]).ends_with(2);
    desk.write("file", "");
    let done = at(&desk, &crm, ["export", "accounts", "-o", "file", "--format", "csv"]).ends_with(2);
    assert!(done.stderr.contains("file is no folder, and its name does not end as a file's"), "{done:?}");
}

#[cfg(unix)]
#[test]
fn a_crm_that_never_answers_can_be_left_at_once() {
    let gate = Gate::default();
    let held = gate.clone();
    let crm = Tiny::scripted(accounts(&known(3)), move |_, _| {
        held.wait();
        None
    });
    let desk = Desk::new();
    let running = at(&desk, &crm, ["export", "accounts", "-o", "a.csv"]).start();
    crm.wait_for("GET", 1);
    running.signal("TERM");
    assert_eq!(running.end().code, Some(5));
    gate.open();
}

#[test]
fn nothing_stays_of_an_export_that_could_not_begin() {
    let crm = Tiny::serve(accounts(&known(3)));
    let desk = Desk::with("a.csv", "precious");
    at(&desk, &crm, ["export", "accounts", "-o", "a.csv"]).ends_with(2);
    assert!(desk.exports().is_empty());
}

#[test]
fn a_damaged_end_of_what_was_kept_is_read_again() {
    let failing = AtomicBool::new(true);
    let crm = Tiny::scripted(accounts(&known(800)), move |request, before| {
        let fails =
            request.path.starts_with("/accounts") && before == 6 && failing.swap(false, Ordering::SeqCst);
        fails.then(|| Reply::error(403, "Unauthenticated"))
    });
    let desk = Desk::new();
    at(&desk, &crm, ["export", "accounts", "-o", "a.csv", "--concurrency", "1"]).ends_with(3);
    let pages = desk.exports().pop().unwrap().join("pages-1.bin");
    let mut bytes = std::fs::read(&pages).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&pages, &bytes).unwrap();
    at(&desk, &crm, ["resume", "last"]).ends_with(0);
    assert_eq!(csv::Reader::from_path(desk.path("a.csv")).unwrap().into_records().count(), 800);
}
