//! F1 to F22: what the CRM and the way to it do wrong while rows are sent.

use rusqlite::Connection;
use serde_json::json;

use crate::support::{Call, Desk, Done};
use crate::tiny::{Gate, Reply, Tiny, accounts};

const KEYED: &str = "version: 1\nobject: accounts\nmatch: [name]\nfields:\n  name: name\n  phone: phone\n";

/// So many rows, and a mapping whose key finds them again.
fn rows(number: usize) -> Desk {
    let rows: String = (0..number).map(|n| format!("Row {n},{n}\n")).collect();
    let desk = Desk::with("a.csv", format!("name,phone\n{rows}"));
    desk.write("m.yaml", KEYED);
    desk
}

fn import(desk: &Desk, more: &[&'static str]) -> Call {
    let arguments = ["import", "a.csv", "-m", "m.yaml", "--json"];
    desk.carafe(arguments.into_iter().chain(more.iter().copied())).env("CARAFE_CONCURRENCY", "2")
}

fn resume(desk: &Desk, crm: &Tiny) -> Call {
    desk.carafe(["resume", "last", "--json"]).at(&crm.address())
}

/// Imports twenty rows into a sandbox that makes these faults, and holds the
/// records against its ledger: each row is there once.
#[track_caller]
fn all_once(faults: &str) -> Done {
    let desk = rows(20);
    let done = import(&desk, &["--sandbox=crm.db"]).env("CARAFE_SANDBOX_FAULTS", faults).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 20, "created": 20 }), "{faults}");
    let file = Connection::open(desk.path("crm.db")).unwrap();
    let count = |sql: &str| file.query_row(sql, [], |row| row.get::<_, u64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM ledger WHERE method = 'POST'"), 20, "{faults}");
    assert_eq!(count("SELECT count(*) FROM accounts WHERE name LIKE 'Row %'"), 20, "{faults}");
    done
}

#[test]
fn f01_refused_connections_cost_no_row() {
    all_once("refuse=20%,seed=7");
}

#[test]
fn f01_a_crm_that_goes_away_mid_run_ends_it_and_every_row_is_accounted_for() {
    let gate = Gate::default();
    let held = gate.clone();
    let crm = Tiny::scripted(accounts(&[]), move |request, before| {
        if request.method == "POST" && before >= 3 {
            held.wait();
        }
        None
    });
    let desk = rows(20);
    let running = import(&desk, &["--retries", "1", "--concurrency", "1"]).at(&crm.address()).start();
    crm.wait_for("POST", 4);
    drop(crm);
    gate.open();
    let done = running.end();
    done.is(3);
    let (rows, document) = (done.rows(), done.json());
    assert_eq!((&document["state"], &document["error"]["code"]), (&json!("failed"), &json!("unreachable")));
    // What was under way may have been stored; nothing else was sent.
    let (created, unknown) = (rows["created"].as_u64().unwrap(), rows["unknown"].as_u64().unwrap());
    assert!(created >= 2 && (1..=2).contains(&unknown), "{rows}");
    assert_eq!(rows["unprocessed"].as_u64().unwrap(), 20 - created - unknown);
    assert!(done.stderr.contains("cannot reach the CRM"), "{}", done.stderr);
}

#[test]
fn f02_to_f05_lost_and_broken_answers_leave_each_record_once() {
    for faults in ["reset-before=30%", "reset-after=30%", "truncated=40%", "500-before=20%,500-after=20%"] {
        let done = all_once(&format!("{faults},seed=7"));
        let settled = &done.json()["settled"];
        assert!(settled["held"] == 0 && settled.is_object(), "{faults}: {settled}");
    }
}

#[test]
fn f04_a_crm_that_answers_nothing_gets_no_more_rows() {
    let crm = Tiny::scripted(accounts(&[]), |request, _| (request.method == "POST").then_some(Reply::Reset));
    let desk = rows(200);
    let call = import(&desk, &[]).at(&crm.address()).env("CARAFE_SETTLE", "3600");
    let running = call.env("CARAFE_CONCURRENCY", "1").start();
    crm.wait_for("POST", 5);
    running.signal("INT");
    let done = running.end();
    done.is(7);
    // Five show it, and one more may be under way by then.
    let sent = crm.asked_by("POST").len() as u64;
    assert!((5..=7).contains(&sent), "{sent}");
    assert_eq!(done.rows(), json!({ "read": 200, "unknown": sent, "unprocessed": 200 - sent }));
}

#[test]
fn f04_that_rows_wait_for_a_crm_that_answers_nothing_is_told() {
    let crm = Tiny::scripted(accounts(&[]), |request, _| (request.method == "POST").then_some(Reply::Reset));
    let desk = rows(20);
    let call = import(&desk, &["--max-calls", "12"]).at(&crm.address()).env("CARAFE_SETTLE", "4");
    let done = call.env("CARAFE_CONCURRENCY", "1").run();
    assert!(done.stderr.contains(" rows got no answer; in "), "{}", done.stderr);
}

#[test]
fn f06_a_good_status_without_our_record_is_never_taken_for_success() {
    // HTML, another record type, no id: all of them were stored, and are found.
    let done = all_once("wrong=30%,seed=7");
    assert!(done.json()["settled"]["adopted"].as_u64().unwrap() >= 3, "{}", done.stdout);
}

#[test]
fn f07_an_answer_with_another_value_than_was_sent_is_told() {
    let done = all_once("echo=100%,seed=7");
    let told = " records the CRM answered with another value of name";
    assert!(done.stderr.contains(told), "{}", done.stderr);
    assert!(done.stderr.contains("carafe verify"), "{}", done.stderr);
}

#[test]
fn f10_a_crm_that_is_not_available_now_and_then_costs_no_row() {
    all_once("503=20%:0s,503-reads=20%:0s,seed=7");
}

#[test]
fn f11_a_wait_beyond_a_quarter_of_an_hour_stops_the_run_and_resume_goes_on() {
    let crm = Tiny::scripted(accounts(&[]), |request, before| {
        (request.method == "POST" && before >= 2)
            .then(|| Reply::error(429, "Too Many Attempts.").header("retry-after", "99999999"))
    });
    let desk = rows(8);
    let done = import(&desk, &["--concurrency", "1"]).at(&crm.address()).ends_with(6);
    assert_eq!(done.rows(), json!({ "read": 8, "created": 2, "unprocessed": 6 }));
    assert_eq!(done.json()["state"], "stopped");
    crm.heal();
    assert_eq!(resume(&desk, &crm).ends_with(0).rows(), json!({ "read": 8, "created": 8 }));
}

#[test]
fn f11_a_wait_that_cannot_be_read_is_passed_over() {
    for wait in ["-5", "soon", "", "1e9", "\u{fc}"] {
        let crm = Tiny::scripted(accounts(&[]), move |request, before| {
            (request.method == "PATCH" && before < 1)
                .then(|| Reply::error(503, "Busy.").header("retry-after", wait))
        });
        crm.restore("accounts", json!({ "id": 7, "name": "Row 0", "phone": "old" }));
        let done = import(&rows(1), &[]).at(&crm.address()).ends_with(0);
        assert_eq!(done.rows(), json!({ "read": 1, "updated": 1 }), "{wait:?}");
    }
}

#[test]
fn f12_a_token_that_is_refused_mid_run_is_renewed_and_resume_finishes() {
    let crm = Tiny::scripted(accounts(&[]), |request, before| {
        let is_old = request.header("authorization") == Some("Bearer sandbox");
        (is_old && request.method == "POST" && before >= 3).then(|| Reply::error(402, "Unauthenticated"))
    });
    let desk = rows(20);
    let done = import(&desk, &["--concurrency", "1"]).at(&crm.address()).ends_with(3);
    assert_eq!(done.rows(), json!({ "read": 20, "created": 3, "unprocessed": 17 }));
    assert!(done.stderr.contains("refuses the access token"), "{}", done.stderr);
    let done = resume(&desk, &crm).env("CARAFE_TOKEN", "renewed").ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 20, "created": 20 }));
    assert_eq!(crm.records("accounts").len(), 20);
}

#[test]
fn f13_a_redirect_is_never_followed_and_its_host_is_named_without_the_query() {
    let elsewhere = Tiny::serve(accounts(&[]));
    for status in [301, 302, 303, 307, 308] {
        let target = format!("{}/login?q=personal", elsewhere.address());
        let crm = Tiny::scripted(accounts(&[]), move |request, before| {
            (request.method == "POST" && before >= 1)
                .then(|| Reply::html(status, "Sign in").header("location", &target))
        });
        let done = import(&rows(5), &["--concurrency", "1"]).at(&crm.address()).ends_with(3);
        assert_eq!(done.rows(), json!({ "read": 5, "created": 1, "unprocessed": 4 }), "{status}");
        assert_eq!(done.json()["error"]["code"], "redirected");
        assert!(done.stderr.contains(&elsewhere.address()), "{}", done.stderr);
        assert!(!done.stderr.contains("personal") && !done.stderr.contains("/login"), "{}", done.stderr);
    }
    assert_eq!(elsewhere.asked().len(), 0);
}
