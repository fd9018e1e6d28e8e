//! F26 to F41: runs that are taken up when something else is not as it was.

use std::io::{Read, Seek, SeekFrom, Write};
use std::time::Duration;

use rusqlite::Connection;
use serde_json::json;

use crate::support::{Call, Desk, Done};
use crate::tiny::{Gate, Reply, Tiny, accounts};

const KEYED: &str = "version: 1\nobject: accounts\nmatch: [name]\nfields:\n  name: name\n  phone: phone\n";

/// A run of thirty rows of which some are sent: its budget was too small.
fn stopped_run() -> (Tiny, Desk) {
    let (crm, desk) = (Tiny::serve(accounts(&[])), rows(30));
    let done = import(&desk, &crm, &["--max-calls", "12"]).ends_with(6);
    assert!(done.rows()["created"].as_u64().unwrap() > 0);
    (crm, desk)
}

fn rows(number: usize) -> Desk {
    let rows: String = (0..number).map(|n| format!("Row {n},{n}\n")).collect();
    let desk = Desk::with("a.csv", format!("name,phone\n{rows}"));
    desk.write("m.yaml", KEYED);
    desk
}

fn import(desk: &Desk, crm: &Tiny, more: &[&'static str]) -> Call {
    let arguments = ["import", "a.csv", "-m", "m.yaml", "--json"];
    desk.carafe(arguments.into_iter().chain(more.iter().copied()))
        .env("CARAFE_CONCURRENCY", "2")
        .at(&crm.address())
}

fn resume(desk: &Desk, crm: &Tiny) -> Call {
    desk.carafe(["resume", "last", "--json"]).at(&crm.address())
}

/// It says so and does nothing.
#[track_caller]
fn refuses(crm: &Tiny, call: Call, code: i32, words: &str) -> Done {
    let writes = crm.writes();
    let done = call.ends_with(code);
    assert!(done.stderr.contains(words), "{}", done.stderr);
    assert_eq!(crm.writes(), writes);
    done
}

/// All rows are in the CRM, each once.
#[track_caller]
fn ends_whole(crm: &Tiny, desk: &Desk) {
    let done = resume(desk, crm).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 30, "created": 30 }));
    assert_eq!(crm.records("accounts").len(), 30);
}

#[test]
fn f26_a_file_that_is_gone_is_not_needed_to_go_on() {
    let (crm, desk) = stopped_run();
    std::fs::remove_file(desk.path("a.csv")).unwrap();
    std::fs::remove_file(desk.path("m.yaml")).unwrap();
    let done = resume(&desk, &crm).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 30, "created": 30 }));
    assert!(done.stderr.contains("a.csv is not there any more"), "{}", done.stderr);
    assert!(done.stderr.contains("m.yaml cannot be read"), "{}", done.stderr);
}

#[test]
fn f31_a_program_that_was_stopped_for_longer_than_its_timeout_goes_on() {
    let gate = Gate::default();
    let held = gate.clone();
    // The first two are stored, and answered when the deadline is long over.
    let crm = Tiny::scripted(accounts(&[]), move |request, before| {
        if request.method == "POST" && before < 2 {
            held.wait();
        }
        None
    });
    let desk = rows(30);
    let running = import(&desk, &crm, &["--timeout", "2", "--concurrency", "1"]).start();
    crm.wait_for("POST", 2);
    running.signal("STOP");
    std::thread::sleep(Duration::from_millis(2_500));
    gate.open();
    running.signal("CONT");
    let done = running.end();
    done.is(0);
    assert_eq!(done.rows(), json!({ "read": 30, "created": 30 }));
    assert_eq!(crm.records("accounts").len(), 30);
}

#[test]
fn f32_a_run_is_written_by_one_process_at_a_time() {
    let gate = Gate::default();
    let held = gate.clone();
    let crm = Tiny::scripted(accounts(&[]), move |request, _| {
        if request.method == "POST" {
            held.wait();
        }
        None
    });
    let desk = rows(30);
    let running = import(&desk, &crm, &[]).start();
    crm.wait_for("POST", 2);
    for command in ["resume", "settle", "verify", "apply", "undo", "retry"] {
        let second = desk.carafe([command, "last"]).at(&crm.address());
        refuses(&crm, second, 2, "is active in another process");
    }
    // Looking at it disturbs nobody.
    desk.carafe(["runs", "last"]).ends_with(0);
    gate.open();
    running.end().is(0);
    assert_eq!(crm.records("accounts").len(), 30);
}

#[test]
fn f36_f37_a_changed_file_or_mapping_is_refused_with_the_first_difference() {
    let (crm, desk) = stopped_run();
    desk.write("m.yaml", KEYED.replace("phone: phone", "notes: phone"));
    refuses(&crm, resume(&desk, &crm), 2, "line 6 was \"phone: phone\" and is \"notes: phone\"");
    desk.write("m.yaml", KEYED);
    let text = desk.text("a.csv");
    desk.write("a.csv", text.replace("Row 7,7", "Row 7,8"));
    refuses(&crm, resume(&desk, &crm), 2, "row 9 is the first that differs");
    desk.write("a.csv", format!("{text}Row 30,30\n"));
    refuses(&crm, resume(&desk, &crm), 2, "row 32 is the first that differs");
    desk.write("a.csv", text);
    ends_whole(&crm, &desk);
}

#[test]
fn f38_a_field_that_became_required_rejects_rows_by_its_name() {
    let missing = json!({ "type": "Validation error", "message": "No.",
                          "validation": { "leadscore": [{ "Required": [] }] } });
    let crm = Tiny::scripted(accounts(&[]), move |request, before| {
        (request.method == "POST" && before >= 10).then(|| Reply::json(422, &missing))
    });
    let desk = rows(30);
    let done = import(&desk, &crm, &[]).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 30, "created": 10, "rejected": 20 }));
    let cause = &done.json()["causes"][0];
    assert_eq!((&cause["field"], &cause["code"]), (&json!("leadscore"), &json!("required")));
}

#[test]
fn f39_a_run_goes_on_in_its_own_crm_alone() {
    let (crm, desk) = stopped_run();
    let elsewhere = Tiny::serve(accounts(&[]));
    refuses(&elsewhere, resume(&desk, &elsewhere), 2, "was planned for");
    // The same address, and the records of another company.
    crm.become_another(accounts(&[json!({ "id": 5, "name": "Of another company" })]));
    refuses(&crm, resume(&desk, &crm), 2, "this CRM has none of the");
}

#[test]
fn f40_a_store_with_damaged_pages_is_refused_and_kept() {
    let (crm, desk) = stopped_run();
    let store = desk.run().join("run.db");
    let whole = std::fs::read(&store).unwrap();
    let pages = whole.len() as u64 / 4096;
    for page in 1..pages {
        // Bytes in the middle of each page: its cells, or where they are.
        let mut file = std::fs::OpenOptions::new().read(true).write(true).open(&store).unwrap();
        file.seek(SeekFrom::Start(page * 4096)).unwrap();
        let mut head = [0; 1];
        file.read_exact(&mut head).unwrap();
        file.seek(SeekFrom::Start(page * 4096)).unwrap();
        file.write_all(&[0x55; 96]).unwrap();
        drop(file);
        let damaged = std::fs::read(&store).unwrap();
        let done = refuses(&crm, resume(&desk, &crm), 1, "run.db");
        assert!(done.stderr.contains("damaged") || done.stderr.contains("malformed"), "{}", done.stderr);
        assert_eq!(std::fs::read(&store).unwrap(), damaged, "page {page}: it is kept as it is");
        std::fs::write(&store, &whole).unwrap();
    }
    ends_whole(&crm, &desk);
}

#[test]
fn f40_a_store_that_is_cut_off_or_no_database_is_refused() {
    let (crm, desk) = stopped_run();
    let store = desk.run().join("run.db");
    let whole = std::fs::read(&store).unwrap();
    for content in [&whole[..whole.len() / 2 + 7], &whole[..5_000], &whole[..100], b"no database at all"] {
        std::fs::write(&store, content).unwrap();
        refuses(&crm, resume(&desk, &crm), 1, "run.db");
        // The list of runs stands it.
        desk.carafe(["runs"]).ends_with(0);
    }
    std::fs::write(&store, &whole).unwrap();
    ends_whole(&crm, &desk);
}

#[test]
fn f41_a_store_of_an_earlier_version_goes_on_and_one_of_a_later_is_refused() {
    let (crm, desk) = stopped_run();
    let store = desk.run().join("run.db");
    let sql = |text: &str| Connection::open(&store).unwrap().execute_batch(text).unwrap();
    sql("PRAGMA user_version = 99");
    refuses(&crm, resume(&desk, &crm), 2, "was written by a newer carafe (format 99)");
    // As the first format had it.
    sql("DROP INDEX rows_made; ALTER TABLE rows DROP COLUMN looked; ALTER TABLE rows DROP COLUMN image;
         ALTER TABLE rows DROP COLUMN origin; ALTER TABLE attempts DROP COLUMN settled;
         DELETE FROM facts WHERE name = 'plan_complete'; PRAGMA user_version = 1");
    ends_whole(&crm, &desk);
    let version = |file: &Connection| file.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
    assert_eq!(version(&Connection::open(&store).unwrap()), Ok(2));
}
