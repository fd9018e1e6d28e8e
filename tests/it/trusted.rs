//! Writes that can be trusted: no row twice, none lost, nobody written over,
//! whatever the CRM does not do.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::support::{Crm, Desk, Served};
use crate::tiny::{Gate, Habit, Reply, Request, Tiny, accounts};

const BY_NAME: &str =
    "version: 1\nobject: accounts\nmode: upsert\nmatch: [name]\nfields:\n  name: name\n  phone: phone\n";

fn is_post_of(request: &Request, name: &str) -> bool {
    request.method == "POST" && request.json()["name"] == name
}

fn envelope(record: &Json) -> Json {
    json!({ "metadata": { "object_type": "record", "record_type": "account" }, "record": record })
}

fn ids_of_created(results: &str) -> Vec<String> {
    let created = results.lines().filter(|line| line.ends_with(",created"));
    created.map(|line| line.rsplit(',').nth(1).unwrap().to_owned()).collect()
}

#[test]
fn a_row_in_doubt_does_not_take_the_record_of_a_twin_that_is_under_way() {
    let (asked, arrived, hold, release) =
        (Gate::default(), Gate::default(), Gate::default(), Gate::default());
    let stored = json!({ "id": 95_999_999, "name": "Same", "phone": "1" });
    let (gates, answer) =
        ((asked.clone(), arrived.clone(), hold.clone(), release.clone()), envelope(&stored));
    let twins = std::sync::atomic::AtomicUsize::new(0);
    let crm = Tiny::scripted(accounts(&[]), move |request, _| {
        if is_post_of(request, "Same") {
            if twins.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
                return Some(Reply::error(500, "not stored"));
            }
            gates.1.open();
            gates.3.wait();
            return Some(Reply::json(201, &answer));
        }
        if request.method == "POST" {
            std::thread::sleep(Duration::from_millis(30));
        }
        if request.query("q").is_some_and(|q| q.contains("$in")) {
            gates.0.open();
            gates.2.wait();
        }
        None
    });
    let fillers: String = (0..60).map(|n| format!("Row {n},{n}\n")).collect();
    let desk = Desk::with("a.csv", format!("name,phone\nSame,1\n{fillers}Same,1\n"));
    let running = desk
        .carafe(["import", "a.csv", "--object", "accounts", "--concurrency", "3", "--json"])
        .at(&crm.address())
        .env("CARAFE_SETTLE", "0.1")
        .start();
    asked.wait();
    arrived.wait();
    // The CRM has stored the second one, and its answer is on its way.
    crm.restore("accounts", stored);
    hold.open();
    std::thread::sleep(Duration::from_millis(500));
    release.open();
    let done = running.end();
    let ids = ids_of_created(&desk.run_text("results.csv"));
    let different: BTreeSet<_> = ids.iter().collect();
    assert_eq!(different.len(), ids.len(), "two rows claim one record, and one row is lost: {}", done.rows());
    assert_eq!(crm.records("accounts").len(), ids.len());
}

#[test]
fn a_crm_that_ignores_the_filter_on_ids_gives_a_row_no_record_older_than_the_run() {
    let mut tables = accounts(&[json!({ "id": 7, "name": "Same", "phone": "1" })]);
    tables.id_filter = Habit::Ignores;
    let crm = Tiny::scripted(tables, |request, _| {
        let by_in = request.query("q").is_some_and(|q| q.contains("$in"));
        (request.method == "POST" || by_in)
            .then(|| Reply::error(if by_in { 400 } else { 500 }, "not stored, not known"))
    });
    let desk = Desk::with("a.csv", "name,phone\nSame,1\n");
    let done = desk.carafe(["import", "a.csv", "--object", "accounts", "--json"]).at(&crm.address()).run();
    assert_eq!(done.rows(), json!({ "read": 1, "unknown": 1 }), "{}", desk.run_text("results.csv"));
}

#[test]
fn a_crm_that_refuses_the_filter_on_ids_can_be_asked_about_rows_in_doubt() {
    let mut tables = accounts(&[]);
    tables.id_filter = Habit::Refuses;
    let crm = Tiny::scripted(tables, |request, _| {
        let by_in = request.query("q").is_some_and(|q| q.contains("$in"));
        if by_in {
            return Some(Reply::error(400, "no such operator"));
        }
        is_post_of(request, "Row 1").then_some(Reply::StoreAndReset)
    });
    let desk = Desk::with("a.csv", "name,phone\nRow 0,1\nRow 1,1\nRow 2,1\n");
    let done = desk
        .carafe(["import", "a.csv", "--object", "accounts", "--json", "--concurrency", "1"])
        .at(&crm.address())
        .run();
    assert_eq!((done.code, done.rows()), (Some(0), json!({ "read": 3, "created": 3 })), "{}", done.stderr);
}

#[test]
fn a_run_of_the_first_format_is_not_asked_about_above_its_own_records() {
    let crm = Tiny::scripted(accounts(&[]), |request, before| {
        if request.query("q").is_some_and(|q| q.contains("$in")) {
            return Some(Reply::error(400, "no such operator"));
        }
        (request.method == "POST" && before == 0).then_some(Reply::StoreAndReset)
    });
    let desk = Desk::with("a.csv", "name,phone\nA,1\nB,2\nC,3\n");
    desk.write("m.yaml", BY_NAME.replace("[name]", "[phone]"));
    desk.carafe(["import", "a.csv", "-m", "m.yaml", "--json", "--concurrency", "1", "--max-calls", "6"])
        .at(&crm.address())
        .env("CARAFE_SETTLE", "600")
        .run();
    let stored = crm.records("accounts").len();
    assert!(stored >= 1, "{:?}", crm.asked());
    let db = rusqlite::Connection::open(desk.run().join("run.db")).unwrap();
    db.execute_batch(
        "DROP INDEX rows_made; ALTER TABLE rows DROP COLUMN looked; ALTER TABLE rows DROP COLUMN image;
         ALTER TABLE rows DROP COLUMN origin; ALTER TABLE attempts DROP COLUMN settled;
         DELETE FROM facts WHERE name IN ('high_water', 'plan_complete', 'settle_s', 'on_unknown');
         PRAGMA user_version = 1;",
    )
    .unwrap();
    drop(db);
    let done = desk.carafe(["resume", "last", "--json"]).at(&crm.address()).run();
    let names: Vec<String> = crm.records("accounts").iter().map(|r| r["name"].to_string()).collect();
    assert_eq!(names.iter().filter(|name| *name == "\"A\"").count(), 1, "{names:?} {}", done.stderr);
}

#[test]
fn an_undo_deletes_what_it_says_it_deleted_though_reads_lag_behind() {
    let desk = Desk::with("m.yaml", BY_NAME);
    let crm = Served::start(&desk, "lag=3s");
    let rows: String = (0..10).map(|n| format!("Row {n},{n}\n")).collect();
    desk.write("a.csv", format!("name,phone\n{rows}"));
    desk.carafe(["import", "a.csv", "-m", "m.yaml", "--rate", "2"]).at(crm.address()).ends_with(0);
    let done = desk.carafe(["undo", "last", "--yes", "--json"]).at(crm.address()).run();
    let db = rusqlite::Connection::open(desk.path("crm.db")).unwrap();
    let left: u64 =
        db.query_row("SELECT count(*) FROM accounts WHERE name LIKE 'Row %'", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0, "said to be deleted: {}", done.rows());
}

#[test]
fn settle_of_a_run_with_rows_not_sent_does_not_end_like_one_that_is_done() {
    let crm = Tiny::scripted(accounts(&[]), |request, before| {
        (request.method == "POST" && before == 0).then_some(Reply::StoreAndReset)
    });
    let rows: String = (0..30).map(|n| format!("Row {n},{n}\n")).collect();
    let desk = Desk::with("a.csv", format!("name,phone\n{rows}"));
    desk.write("m.yaml", BY_NAME);
    desk.carafe(["import", "a.csv", "-m", "m.yaml", "--concurrency", "1", "--max-calls", "8"])
        .at(&crm.address())
        .env("CARAFE_SETTLE", "600")
        .ends_with(7);
    let done = desk.carafe(["settle", "last", "--json"]).at(&crm.address()).run();
    assert!(done.rows()["unprocessed"].as_u64().unwrap() > 0, "{}", done.rows());
    assert_eq!(done.code, Some(6), "{} {}", done.rows(), done.json()["state"]);
}

#[test]
fn a_row_number_beyond_all_numbers_rejects_its_row_and_stops_nothing() {
    let crm = Crm::start();
    let desk = Desk::with("a.csv", "name,type\nGood,Customer\nBad,Custmer\n");
    desk.write(
        "m.yaml",
        "version: 1\nobject: accounts\nmatch: [name]\nfields:\n  name: name\n  type: type\n",
    );
    crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml"]).ends_with(4);
    let rejects = desk.run_text("rejects.csv").replace("Custmer,3,", "Customer,18446744073709551615,");
    desk.write("r.csv", rejects);
    let done = crm.carafe(&desk, ["retry", "last", "r.csv", "--json"]).run();
    assert_eq!(done.code, Some(4), "{} {}", done.stderr, desk.text("r.csv"));
    let done = crm.carafe(&desk, ["settle", "last", "--drop", "18446744073709551615"]).run();
    assert_eq!(done.code, Some(2), "{}", done.stderr);
}

#[test]
fn settle_resend_asks_by_the_key_before_it_sends_again() {
    let (held, lost) = (Gate::default(), Gate::default());
    let (wait, of_script) = (held.clone(), lost.clone());
    let posts = std::sync::atomic::AtomicUsize::new(0);
    let crm = Tiny::scripted(accounts(&[]), move |request, _| {
        if is_post_of(request, "Row 1") && posts.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
            of_script.open();
            wait.wait();
            return Some(Reply::Reset);
        }
        None
    });
    let desk = Desk::with("a.csv", "name,phone\nRow 0,0\nRow 1,1\n");
    desk.write("m.yaml", BY_NAME);
    let running = desk.carafe(["import", "a.csv", "-m", "m.yaml"]).at(&crm.address()).start();
    lost.wait();
    // Stored; and then the machine dies.
    crm.restore("accounts", json!({ "id": 96_000_000, "name": "Row 1", "phone": "1" }));
    std::thread::sleep(Duration::from_millis(200));
    running.signal("KILL");
    running.end();
    held.open();
    desk.carafe(["settle", "last", "--resend", "3", "--json"]).at(&crm.address()).run();
    let names: Vec<String> = crm.records("accounts").iter().map(|r| r["name"].to_string()).collect();
    assert_eq!(names.iter().filter(|name| *name == "\"Row 1\"").count(), 1, "{names:?}");
}

#[test]
fn pages_that_say_not_found_in_place_of_the_api_end_the_run() {
    let crm = Tiny::scripted(accounts(&[]), |request, _| {
        (request.method == "POST").then(|| Reply::html(404, "nginx: not found"))
    });
    let rows: String = (0..40).map(|n| format!("Row {n},{n}\n")).collect();
    let desk = Desk::with("a.csv", format!("name,phone\n{rows}"));
    let done = desk
        .carafe(["import", "a.csv", "--object", "accounts", "--json", "--concurrency", "1"])
        .at(&crm.address())
        .run();
    assert_eq!(done.code, Some(6), "{} {}", done.rows(), done.json()["causes"]);
}

#[test]
fn a_page_that_says_not_found_does_not_mean_that_a_record_is_gone() {
    let crm = Tiny::scripted(accounts(&[json!({ "id": 7, "name": "A", "phone": "1" })]), |request, _| {
        (request.method == "PATCH").then(|| Reply::html(404, "nginx: not found"))
    });
    let desk = Desk::with("a.csv", "id,phone\n7,2\n");
    let done = desk
        .carafe(["import", "a.csv", "--object", "accounts", "--mode", "update", "--json"])
        .at(&crm.address())
        .run();
    let causes = done.json()["causes"].to_string();
    assert!(!causes.contains("the record went"), "{causes}");
}

#[test]
fn what_was_edited_before_a_row_was_settled_is_kept_by_an_undo() {
    let crm = Tiny::scripted(accounts(&[]), |request, before| {
        (request.method == "POST" && before == 0).then_some(Reply::StoreAndReset)
    });
    let desk = Desk::with("a.csv", "name,phone\nRow 0,0\nRow 1,1\nRow 2,2\n");
    desk.write("m.yaml", BY_NAME);
    // The CRM is asked for fields and keys; the third request is the first row's.
    desk.carafe(["import", "a.csv", "-m", "m.yaml", "--concurrency", "1", "--max-calls", "3"])
        .at(&crm.address())
        .env("CARAFE_SETTLE", "600")
        .ends_with(7);
    // Rows that wait side by side may change places.
    let record = crm.records("accounts").remove(0);
    // Over the weekend, somebody goes on with the record.
    crm.change("accounts", record["id"].as_u64().unwrap(), "notes", json!("a week of work"));
    desk.carafe(["resume", "last"]).at(&crm.address()).ends_with(0);
    let done = desk.carafe(["undo", "last", "--yes", "--json"]).at(&crm.address()).run();
    let notes: Vec<_> =
        crm.records("accounts").into_iter().filter(|record| record.contains_key("notes")).collect();
    assert_eq!(notes.len(), 1, "somebody's work is gone: {}", done.rows());
}

#[test]
fn a_plan_of_a_retry_that_was_declined_sends_nothing_that_another_retry_has_sent() {
    let crm = Tiny::serve(accounts(&[json!({ "id": 7, "name": "A", "phone": "1" })]));
    let desk = Desk::with(
        "a.csv",
        "id,name,phone\n,New,0123456789012345678901234567890\n7,A,0123456789012345678901234567890\n",
    );
    desk.write(
        "m.yaml",
        "version: 1\nobject: accounts\nmode: upsert\nmatch: [id]\nfields:\n  id: id\n  name: name\n  phone: { from: phone, blank: clear }\n",
    );
    desk.carafe(["import", "a.csv", "-m", "m.yaml"]).at(&crm.address()).ends_with(4);
    let first = desk.run();
    let first = first.file_name().unwrap().to_str().unwrap();
    let rejects = desk.run_text("rejects.csv").replacen("0123456789012345678901234567890", "", 2);
    desk.write("r.csv", rejects);
    // It would clear a field, and there is nobody to ask.
    desk.carafe(["retry", first, "r.csv"]).at(&crm.address()).ends_with(2);
    let runs = desk.runs();
    let declined =
        runs.iter().map(|run| run.file_name().unwrap().to_str().unwrap()).find(|run| *run != first).unwrap();
    desk.carafe(["retry", first, "r.csv", "--yes"]).at(&crm.address()).ends_with(0);
    let done = desk.carafe(["apply", declined, "--yes", "--json"]).at(&crm.address()).run();
    let new = crm.records("accounts").into_iter().filter(|record| record["name"] == "New").count();
    assert_eq!(new, 1, "{} {}", done.stdout, done.stderr);
}

#[test]
fn settle_that_runs_out_of_calls_still_tells_how_the_run_ended() {
    let crm = Tiny::scripted(accounts(&[]), |request, _| {
        (request.method == "POST").then(|| Reply::error(500, "not stored"))
    });
    let desk = Desk::with("a.csv", "name,phone\nRow 0,0\n");
    desk.carafe(["import", "a.csv", "--object", "accounts"]).at(&crm.address()).ends_with(7);
    let done = desk.carafe(["settle", "last", "--json", "--max-calls", "1"]).at(&crm.address()).run();
    assert_eq!(done.code, Some(7), "{} {}", done.stdout, done.stderr);
    assert!(done.json().get("rows").is_some(), "{}", done.stdout);
}

#[test]
fn one_record_is_adopted_by_one_row_only() {
    let crm = Tiny::scripted(accounts(&[]), |request, before| {
        (request.method == "POST" && before < 2).then(|| Reply::error(500, "not stored"))
    });
    let desk = Desk::with("a.csv", "name,phone\nRow 0,0\nRow 1,1\n");
    desk.carafe(["import", "a.csv", "--object", "accounts"]).at(&crm.address()).ends_with(7);
    crm.restore("accounts", json!({ "id": 96_000_000, "name": "Row", "phone": "1" }));
    let done = desk
        .carafe(["settle", "last", "--adopt", "2=96000000", "--adopt", "3=96000000", "--json"])
        .at(&crm.address())
        .run();
    assert_eq!(done.code, Some(2), "{}", done.stdout);
}

#[test]
#[ignore = "waits for more than a minute; .ci/endure runs it"]
fn what_was_changed_while_the_object_was_read_whole_is_not_written_over() {
    let record = |id: u64| json!({ "id": id, "name": format!("A{id}"), "phone": format!("p{id}") });
    let read = Gate::default();
    let first = read.clone();
    let crm = Tiny::scripted(accounts(&(1..=400).map(record).collect::<Vec<_>>()), move |request, _| {
        let q = request.query("q").unwrap_or_default();
        if q.contains("$in") && q.contains("phone") {
            return Some(Reply::error(400, "no such operator"));
        }
        if q.contains("$gt") {
            first.open();
            std::thread::sleep(Duration::from_secs(22));
        }
        None
    });
    let desk = Desk::with("a.csv", "name,phone\nNew name,p1\n");
    desk.write("m.yaml", BY_NAME.replace("[name]", "[phone]"));
    let running = desk.carafe(["import", "a.csv", "-m", "m.yaml", "--json"]).at(&crm.address()).start();
    read.wait();
    crm.change("accounts", 1, "name", json!("By somebody"));
    let done = running.end();
    assert_eq!(crm.records("accounts")[0]["name"], "By somebody", "written over: {}", done.rows());
}

#[test]
#[ignore = "waits for more than a minute; .ci/endure runs it"]
fn what_was_changed_during_a_long_look_is_not_written_over() {
    let record = |id: u64| json!({ "id": id, "name": format!("A{id}"), "phone": "1" });
    let paused = Gate::default();
    let of_script = paused.clone();
    let looks = std::sync::atomic::AtomicUsize::new(0);
    let crm = Tiny::scripted(accounts(&(1..=150).map(record).collect::<Vec<_>>()), move |request, _| {
        let is_look = request.query("q").is_some_and(|q| q.contains("$in"));
        if is_look && looks.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 3 {
            of_script.open();
            return Some(Reply::error(429, "slow down").header("retry-after", "63"));
        }
        None
    });
    let rows: String = (1..=150).map(|id| format!("{id},2\n")).collect();
    let desk = Desk::with("a.csv", format!("id,phone\n{rows}"));
    desk.carafe(["import", "a.csv", "--object", "accounts", "--mode", "update", "--dry-run"])
        .at(&crm.address())
        .ends_with(0);
    let running = desk.carafe(["apply", "last", "--json", "--concurrency", "20"]).at(&crm.address()).start();
    paused.wait();
    std::thread::sleep(Duration::from_millis(300));
    crm.change("accounts", 1, "phone", json!("by somebody"));
    let done = running.end();
    assert_eq!(crm.records("accounts")[0]["phone"], "by somebody", "written over: {}", done.rows());
}

#[test]
fn a_filter_that_silently_finds_nothing_makes_no_row_in_doubt_a_second_record() {
    // More older records than are looked through for one that has the field filled.
    let old = |id: u64| json!({ "id": id, "name": format!("Old {id}"), "phone": "1" });
    let posts = std::sync::atomic::AtomicUsize::new(0);
    let crm = Tiny::scripted(accounts(&(1..=25).map(old).collect::<Vec<_>>()), move |request, _| {
        let q = request.query("q").unwrap_or_default();
        if q.contains("$in") && q.contains("notes") {
            let none = json!({ "object_type": "list", "total_count": 0, "has_more": false });
            return Some(Reply::json(200, &json!({ "metadata": none, "list": [] })));
        }
        let first =
            is_post_of(request, "Row 0") && posts.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
        first.then_some(Reply::StoreAndReset)
    });
    let desk = Desk::with("a.csv", "name,phone\nRow 0,0\nRow 1,1\n");
    let done = desk
        .carafe(["import", "a.csv", "--object", "accounts", "--ref-field", "notes", "--json"])
        .at(&crm.address())
        .run();
    let names: Vec<String> = crm.records("accounts").iter().map(|r| r["name"].to_string()).collect();
    assert_eq!(
        names.iter().filter(|name| *name == "\"Row 0\"").count(),
        1,
        "{names:?} {} {}",
        done.rows(),
        done.json()["promise"]
    );
}

#[test]
#[ignore = "waits for more than a minute; .ci/endure runs it"]
fn what_was_changed_while_requests_waited_out_a_pause_is_not_written_over() {
    let record = |id: u64| json!({ "id": id, "name": format!("A{id}"), "phone": "1" });
    let paused = Gate::default();
    let of_script = paused.clone();
    let crm = Tiny::scripted(accounts(&(1..=8).map(record).collect::<Vec<_>>()), move |request, before| {
        if request.method == "PATCH" && before == 0 {
            of_script.open();
            return Some(Reply::error(429, "slow down").header("retry-after", "75"));
        }
        None
    });
    let rows: String = (1..=8).map(|id| format!("{id},2\n")).collect();
    let desk = Desk::with("a.csv", format!("id,phone\n{rows}"));
    let running = desk
        .carafe([
            "import",
            "a.csv",
            "--object",
            "accounts",
            "--mode",
            "update",
            "--json",
            "--concurrency",
            "1",
        ])
        .at(&crm.address())
        .start();
    paused.wait();
    std::thread::sleep(Duration::from_millis(500));
    crm.change("accounts", 2, "phone", json!("by somebody"));
    let done = running.end();
    assert_eq!(crm.records("accounts")[1]["phone"], "by somebody", "written over: {}", done.rows());
}

#[test]
fn a_change_that_comes_late_is_waited_for_before_its_row_is_rejected() {
    let held = Gate::default();
    let of_script = held.clone();
    let crm = Tiny::scripted(
        accounts(&[json!({ "id": 7, "name": "A", "phone": "1", "notes": "n" })]),
        move |request, _| {
            if request.method == "PATCH" {
                of_script.wait();
            }
            None
        },
    );
    let desk = Desk::with("a.csv", "id,phone\n7,2\n");
    let running = desk
        .carafe(["import", "a.csv", "--object", "accounts", "--mode", "update", "--json"])
        .at(&crm.address())
        .env("CARAFE_SETTLE", "4")
        .env("CARAFE_TIMEOUT", "0.5")
        .env("CARAFE_RETRIES", "0")
        .start();
    crm.wait_for("PATCH", 1);
    crm.change("accounts", 7, "notes", json!("by somebody"));
    // Within the settle time, the CRM stores what was sent.
    std::thread::sleep(Duration::from_millis(1500));
    held.open();
    let done = running.end();
    std::thread::sleep(Duration::from_millis(300));
    let phone = crm.records("accounts")[0]["phone"].clone();
    assert!(
        (done.rows()["updated"] == 1) == (phone == "2"),
        "{} {}, and the phone is {phone}",
        done.rows(),
        done.json()["causes"]
    );
}

#[test]
fn a_row_that_is_named_twice_is_sent_again_once() {
    let crm = Tiny::scripted(accounts(&[]), |request, before| {
        (request.method == "POST" && before < 1).then(|| Reply::error(500, "not stored"))
    });
    let desk = Desk::with("a.csv", "name,phone\nRow 0,0\n");
    desk.carafe(["import", "a.csv", "--object", "accounts"]).at(&crm.address()).ends_with(7);
    let done =
        desk.carafe(["settle", "last", "--resend", "2", "--resend", "2", "--json"]).at(&crm.address()).run();
    assert!(crm.records("accounts").len() <= 1, "{} {}", done.stdout, done.stderr);
}

#[test]
fn a_row_that_is_given_up_is_not_sent() {
    let crm = Tiny::scripted(accounts(&[]), |request, before| {
        (request.method == "POST" && before < 1).then(|| Reply::error(500, "not stored"))
    });
    let desk = Desk::with("a.csv", "name,phone\nRow 0,0\n");
    desk.carafe(["import", "a.csv", "--object", "accounts"]).at(&crm.address()).ends_with(7);
    let done =
        desk.carafe(["settle", "last", "--resend", "2", "--drop", "2", "--json"]).at(&crm.address()).run();
    assert_eq!(done.code, Some(2), "{} {}", done.stdout, done.stderr);
}

#[test]
fn a_reference_that_the_crm_cuts_is_no_proof_that_a_row_was_not_stored() {
    let cut = |record: &mut serde_json::Map<String, Json>| {
        if let Some(Json::String(notes)) = record.get_mut("notes") {
            notes.truncate(20);
        }
    };
    let crm = Tiny::scripted_and_altered(
        accounts(&[]),
        |request, before| (is_post_of(request, "Row 1") && before < 20).then_some(Reply::StoreAndReset),
        cut,
    );
    let rows: String = (0..10).map(|n| format!("Row {n},{n}\n")).collect();
    let desk = Desk::with("a.csv", format!("name,phone\n{rows}"));
    let done = desk
        .carafe(["import", "a.csv", "--object", "accounts", "--ref-field", "notes", "--json"])
        .at(&crm.address())
        .run();
    let twice = crm.records("accounts").iter().filter(|record| record["name"] == "Row 1").count();
    assert_eq!(twice, 1, "{} {} {}", done.rows(), done.json()["promise"], done.json()["causes"]);
}

#[test]
fn a_settle_time_beyond_all_times_is_refused_or_waited_for() {
    let crm = Tiny::scripted(accounts(&[]), |request, _| {
        (request.method == "POST").then(|| Reply::error(500, "not stored"))
    });
    let desk = Desk::with("a.csv", "name,phone\nRow 0,0\n");
    for settle in ["18446744073709551615", "9e18", "1e300"] {
        let running = desk
            .carafe(["import", "a.csv", "--object", "accounts", "--settle", settle])
            .at(&crm.address())
            .start();
        std::thread::sleep(Duration::from_secs(2));
        running.signal("INT");
        let done = running.end();
        assert!(done.code == Some(2) || done.code == Some(7), "{settle}: {:?} {}", done.code, done.stderr);
    }
}

#[test]
fn apply_creates_nothing_that_somebody_created_though_the_crm_takes_no_filter_on_the_key() {
    let crm = Tiny::scripted(accounts(&[]), |request, _| {
        let q = request.query("q").unwrap_or_default();
        (q.contains("$in") && q.contains("phone")).then(|| Reply::error(400, "no such operator"))
    });
    let desk = Desk::with("a.csv", "name,phone\nAcme,1\n");
    desk.write("m.yaml", BY_NAME.replace("[name]", "[phone]"));
    desk.carafe(["import", "a.csv", "-m", "m.yaml", "--dry-run"]).at(&crm.address()).ends_with(0);
    crm.restore("accounts", json!({ "id": 7, "name": "By somebody", "phone": "1" }));
    let done = desk.carafe(["apply", "last", "--json"]).at(&crm.address()).run();
    assert_eq!(crm.records("accounts").len(), 1, "{}", done.rows());
}

#[test]
fn a_row_that_was_given_up_in_doubt_is_not_sent_again_by_a_retry() {
    let crm = Tiny::scripted_and_altered(
        accounts(&[]),
        |request, before| (request.method == "POST" && before == 0).then_some(Reply::StoreAndReset),
        |record| {
            record.insert("phone".to_owned(), json!("+49 1"));
        },
    );
    let desk = Desk::with("a.csv", "name,phone\nRow 0,1\n");
    desk.carafe(["import", "a.csv", "--object", "accounts"]).at(&crm.address()).ends_with(7);
    desk.carafe(["settle", "last", "--drop", "2"]).at(&crm.address()).ends_with(4);
    let done = desk.carafe(["retry", "last", "--json"]).at(&crm.address()).run();
    assert_eq!(crm.records("accounts").len(), 1, "{} {}", done.stdout, done.stderr);
}

#[test]
fn runs_tells_of_a_killed_run_what_its_store_knows() {
    let held = Gate::default();
    let wait = held.clone();
    let crm = Tiny::scripted(accounts(&[]), move |request, before| {
        if request.method == "POST" && before == 10 {
            wait.wait();
            return Some(Reply::Reset);
        }
        None
    });
    let rows: String = (0..30).map(|n| format!("Row {n},{n}\n")).collect();
    let desk = Desk::with("a.csv", format!("name,phone\n{rows}"));
    desk.carafe(["import", "a.csv", "--object", "accounts", "--concurrency", "1", "--max-calls", "6"])
        .at(&crm.address())
        .ends_with(6);
    let running = desk.carafe(["resume", "last", "--concurrency", "1"]).at(&crm.address()).start();
    crm.wait_for("POST", 11);
    std::thread::sleep(Duration::from_millis(300));
    running.signal("KILL");
    running.end();
    held.open();
    let told = desk.carafe(["runs", "last", "--json"]).at(&crm.address()).run().json();
    assert!(told["rows"]["created"].as_u64().unwrap() >= 8, "{} {}", told["state"], told["rows"]);
}

#[test]
fn a_crm_that_neither_sorts_nor_filters_by_id_can_be_imported_into() {
    for (order, id_filter) in [
        (Habit::Ignores, Habit::Refuses),
        (Habit::Refuses, Habit::Refuses),
        (Habit::Ignores, Habit::Ignores),
        (Habit::Honours, Habit::Refuses),
    ] {
        let record = |id: u64| json!({ "id": id, "name": format!("A{id}"), "phone": "1" });
        let mut tables = accounts(&(1..=150).map(record).collect::<Vec<_>>());
        (tables.order, tables.id_filter) = (order, id_filter);
        let crm = Tiny::serve(tables);
        let desk = Desk::with("a.csv", "name,phone\nRow 0,0\n");
        let done =
            desk.carafe(["import", "a.csv", "--object", "accounts", "--json"]).at(&crm.address()).run();
        assert_eq!(done.code, Some(0), "{order:?} {id_filter:?}: {}", done.stderr);
    }
}

#[test]
fn one_row_in_doubt_does_not_read_everything_of_its_name() {
    let record = |id: u64| json!({ "id": id, "name": "Call", "phone": "1" });
    let crm = Tiny::scripted(accounts(&(1..=3_000).map(record).collect::<Vec<_>>()), |request, _| {
        (request.method == "POST").then(|| Reply::error(500, "not stored"))
    });
    let desk = Desk::with("a.csv", "name,phone\nCall,2\n");
    desk.carafe(["import", "a.csv", "--object", "accounts", "--json"]).at(&crm.address()).ends_with(7);
    let reads = crm.asked_by("GET").len();
    assert!(reads < 10, "{reads} requests for one row in doubt");
}

#[test]
fn of_a_key_of_several_fields_the_crm_is_asked_by_the_one_that_it_is_known_to_take() {
    let old = |id: u64| json!({ "id": id, "name": format!("Old {id}") });
    let crm = Tiny::scripted(accounts(&(1..=25).map(old).collect::<Vec<_>>()), |request, before| {
        let q = request.query("q").unwrap_or_default();
        if q.contains("$in") && q.contains("phone") {
            let none = json!({ "object_type": "list", "total_count": 0, "has_more": false });
            return Some(Reply::json(200, &json!({ "metadata": none, "list": [] })));
        }
        (request.method == "POST" && before == 0).then_some(Reply::StoreAndReset)
    });
    let desk = Desk::with("a.csv", "name,phone\nRow 0,0\n");
    desk.write("m.yaml", BY_NAME.replace("[name]", "[phone, name]"));
    let done = desk.carafe(["import", "a.csv", "-m", "m.yaml", "--json"]).at(&crm.address()).run();
    let found = crm.records("accounts").iter().filter(|record| record["name"] == "Row 0").count();
    assert_eq!(found, 1, "{}", done.rows());
}

#[test]
fn a_keyless_row_that_is_sent_again_and_again_is_never_said_not_to_be_stored() {
    let crm =
        Tiny::scripted(accounts(&[]), |request, _| is_post_of(request, "Row 0").then_some(Reply::Reset));
    let desk = Desk::with("a.csv", "name,phone\nRow 0,0\n");
    let resend = ["import", "a.csv", "--object", "accounts", "--on-unknown", "resend", "--json"];
    let done = desk.carafe(resend).at(&crm.address()).ends_with(7);
    assert_eq!(done.rows(), json!({ "read": 1, "unknown": 1 }));
    assert_eq!(crm.asked_by("POST").len(), 6);
}
