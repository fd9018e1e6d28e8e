//! Answers that never come, and runs that end before their last row: nothing
//! that may have been stored is sent again, and no row is lost sight of.

use serde_json::json;

use crate::support::{Call, Desk};
use crate::tiny::{Gate, Reply, Request, Tiny, accounts};

fn import(desk: &Desk, crm: &Tiny, more: &[&'static str]) -> Call {
    let arguments = ["import", "a.csv", "--object", "accounts", "--json"];
    desk.carafe(arguments.into_iter().chain(more.iter().copied())).at(&crm.address())
}

fn rows(number: usize) -> Desk {
    let rows: String = (0..number).map(|n| format!("Row {n},{n}\n")).collect();
    Desk::with("a.csv", format!("name,phone\n{rows}"))
}

fn posts_of(request: &Request, name: &str) -> bool {
    request.method == "POST" && request.json()["name"] == name
}

#[test]
fn a_post_whose_connection_is_cut_is_unknown_and_sent_once_only() {
    let crm = Tiny::scripted(accounts(&[]), |request, _| posts_of(request, "Row 1").then_some(Reply::Reset));
    let desk = rows(3);
    let done = import(&desk, &crm, &[]).ends_with(7);
    assert_eq!(done.rows(), json!({ "read": 3, "created": 2, "unknown": 1 }));
    assert_eq!(done.json()["state"], "finished");
    assert_eq!(crm.asked_by("POST").len(), 3);
    let unknown = desk.run_text("unknown.csv");
    assert!(unknown.lines().nth(1).unwrap().starts_with("Row 1,1,3,"), "{unknown}");
    let errors = desk.errors();
    assert_eq!(
        (&errors[0]["row"], &errors[0]["code"], &errors[0]["stage"]),
        (&json!(3), &json!("no_answer"), &json!("send"))
    );
    assert!(desk.run_text("results.csv").contains("3,,unknown\n"));
}

#[test]
fn a_post_that_is_stored_and_not_confirmed_is_unknown_and_not_doubled() {
    // Stored, and the answer is cut off in the middle, or is no answer of the API.
    for broken in [
        "{\"metadata\": {\"url\": \"/acc",
        "<html>Bad gateway</html>",
        "{}",
        "{\"metadata\":{},\"record\":{\"name\":\"Row 0\"}}",
    ] {
        let crm = Tiny::scripted(accounts(&[]), move |request, _| {
            (request.method == "POST").then(|| {
                Reply::Answer(201, vec![("content-type", "application/json".into())], broken.to_owned())
            })
        });
        let done = import(&rows(1), &crm, &[]).ends_with(7);
        assert_eq!(done.rows(), json!({ "read": 1, "unknown": 1 }), "{broken}");
        assert_eq!(crm.asked_by("POST").len(), 1, "{broken}");
    }
}

#[test]
fn a_server_error_on_a_post_is_unknown_and_not_sent_again() {
    for status in [500, 502, 503, 504, 408] {
        let crm = Tiny::scripted(accounts(&[]), move |request, _| {
            (request.method == "POST").then(|| Reply::error(status, "Something went wrong at our end"))
        });
        let desk = rows(1);
        let done = import(&desk, &crm, &[]).ends_with(7);
        assert_eq!(done.rows(), json!({ "read": 1, "unknown": 1 }), "{status}");
        assert_eq!(crm.asked_by("POST").len(), 1, "{status}");
    }
}

#[test]
fn a_post_that_is_not_answered_in_time_is_unknown() {
    let gate = Gate::default();
    let held = gate.clone();
    let crm = Tiny::scripted(accounts(&[]), move |request, _| {
        if request.method == "POST" {
            held.wait();
        }
        None
    });
    let done = import(&rows(1), &crm, &["--timeout", "0.3"]).ends_with(7);
    gate.open();
    assert_eq!(done.rows(), json!({ "read": 1, "unknown": 1 }));
    assert_eq!(crm.asked_by("POST").len(), 1);
}

#[test]
fn too_many_requests_is_not_done_and_sent_again() {
    let crm = Tiny::scripted(accounts(&[]), |request, before| {
        (request.method == "POST" && before < 2)
            .then(|| Reply::error(429, "Too Many Attempts.").header("retry-after", "0"))
    });
    let done = import(&rows(2), &crm, &["--concurrency", "1"]).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 2, "created": 2 }));
    let calls = &done.json()["calls"];
    assert_eq!((&calls["post"], &calls["retries"]), (&json!(4), &json!(2)));
    assert_eq!(crm.records("accounts").len(), 2);
}

#[test]
fn reads_and_updates_are_sent_again_after_a_lost_answer() {
    // What stands already is the same when it is written twice.
    let known = [json!({ "id": 7, "name": "Row 0", "phone": "old" })];
    let crm = Tiny::scripted(accounts(&known), |request, before| {
        let first_patch = request.method == "PATCH" && before == 0;
        let first_get = request.method == "GET" && before == 0;
        if first_patch { Some(Reply::Reset) } else { first_get.then(|| Reply::error(500, "Oops")) }
    });
    let desk = Desk::with("a.csv", "id,phone\n7,new\n");
    let done = import(&desk, &crm, &["--mode", "update"]).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 1, "updated": 1 }));
    assert_eq!(done.json()["calls"]["retries"], 2);
    assert_eq!(crm.records("accounts")[0]["phone"], "new");
}

#[test]
fn a_token_refused_in_the_middle_stops_the_run_and_keeps_the_rest() {
    let crm = Tiny::scripted(accounts(&[]), |request, before| {
        (request.method == "POST" && before >= 3).then(|| Reply::error(403, "Unauthenticated"))
    });
    let desk = rows(40);
    let done = import(&desk, &crm, &["--concurrency", "1"]).ends_with(3);
    assert_eq!(done.rows(), json!({ "read": 40, "created": 3, "unprocessed": 37 }));
    let document = done.json();
    assert_eq!((&document["state"], &document["error"]["code"]), (&json!("failed"), &json!("token_refused")));
    assert!(done.stderr.contains("refuses the access token"), "{}", done.stderr);
    let rest = desk.run_text("unprocessed.csv");
    assert_eq!(rest.lines().count(), 38);

    // The rest, imported as it is, makes the file whole.
    let healthy = Tiny::serve(accounts(&[]));
    desk.write("rest.csv", rest);
    desk.carafe(["import", "rest.csv", "--object", "accounts"]).at(&healthy.address()).ends_with(0);
    let names =
        crm.records("accounts").into_iter().chain(healthy.records("accounts")).map(|r| r["name"].to_string());
    assert_eq!(names.collect::<std::collections::BTreeSet<_>>().len(), 40);
}

#[test]
fn max_calls_stops_cleanly() {
    let crm = Tiny::serve(accounts(&[]));
    let desk = rows(30);
    // One call asks for the fields, one for the newest record.
    let done = import(&desk, &crm, &["--max-calls", "12"]).ends_with(6);
    assert_eq!(done.rows(), json!({ "read": 30, "created": 10, "unprocessed": 20 }));
    assert_eq!(done.json()["state"], "stopped");
    assert_eq!(done.json()["calls"]["total"], 12);
    assert_eq!(crm.asked().len(), 12);
    assert_eq!(desk.run_text("unprocessed.csv").lines().count(), 21);
}

#[test]
fn a_quota_that_is_used_up_stops_the_run() {
    // The body then lacks what every answer has (field notes, "Errors and limits").
    let crm = Tiny::scripted(accounts(&[]), |request, before| {
        let quota = json!({ "message": "API call limit exceeded" });
        (request.method == "POST" && before >= 2).then(|| Reply::json(200, &quota))
    });
    let desk = rows(10);
    let done = import(&desk, &crm, &["--concurrency", "1"]).ends_with(6);
    assert_eq!(done.rows(), json!({ "read": 10, "created": 2, "unprocessed": 8 }));
    assert_eq!(done.json()["state"], "stopped");
}

/// A CRM that holds its answers to POSTs back until the gate opens.
fn slow(gate: &Gate) -> Tiny {
    let held = gate.clone();
    Tiny::scripted(accounts(&[]), move |request, _| {
        if request.method == "POST" {
            held.wait();
        }
        None
    })
}

#[test]
fn an_interrupt_finishes_what_is_in_flight_and_takes_no_more() {
    for signal in ["INT", "TERM", "HUP"] {
        let gate = Gate::default();
        let (crm, desk) = (slow(&gate), rows(400));
        let mut running = import(&desk, &crm, &["--concurrency", "2"]).start();
        crm.wait_for("POST", 2);
        running.signal(signal);
        running.until_it_says("stopping: no more rows are taken");
        // It calls back at once what waits for its turn: two wait behind two.
        std::thread::sleep(std::time::Duration::from_secs(1));
        gate.open();
        let done = running.end();
        done.is(5);
        assert_eq!(crm.asked_by("POST").len(), 2);
        let document = done.json();
        let (created, rest) = (&document["rows"]["created"], &document["rows"]["unprocessed"]);
        assert_eq!(document["state"], "cancelled");
        assert_eq!(document["rows"]["unknown"], 0);
        // All that the CRM stored is known, and far from all was sent.
        assert_eq!(created.as_u64().unwrap(), crm.records("accounts").len() as u64);
        assert_eq!(created.as_u64().unwrap() + rest.as_u64().unwrap(), 400);
        assert!(rest.as_u64().unwrap() > 0, "{signal}: {document}");
        assert_eq!(desk.run_text("unprocessed.csv").lines().count() as u64, rest.as_u64().unwrap() + 1);
    }
}

#[test]
fn a_second_interrupt_leaves_at_once() {
    let gate = Gate::default();
    let (crm, desk) = (slow(&gate), rows(20));
    let mut running = import(&desk, &crm, &["--concurrency", "2"]).start();
    crm.wait_for("POST", 2);
    running.signal("INT");
    running.until_it_says("stopping");
    running.signal("INT");
    running.until_it_says("may have been stored without an answer; carafe resume last");
    running.end().is(5);
    gate.open();

    // What was abandoned is asked about, and nothing is there twice.
    let resume = desk.carafe(["resume", "last", "--json"]).at(&crm.address()).run();
    let rows = resume.rows();
    let names = crm.records("accounts").into_iter().map(|record| record["name"].to_string());
    assert_eq!(names.collect::<std::collections::BTreeSet<_>>().len(), crm.records("accounts").len());
    let created = rows["created"].as_u64().unwrap();
    assert_eq!(created + rows["unknown"].as_u64().unwrap_or(0), 20, "{rows}");
}

#[test]
fn whoever_abandons_a_run_is_told_of_lost_answers_too() {
    let gate = Gate::default();
    let held = gate.clone();
    let crm = Tiny::scripted(accounts(&[]), move |request, before| match (request.method.as_str(), before) {
        ("POST", 0) => Some(Reply::Reset),
        ("POST", _) => {
            held.wait();
            None
        }
        _ => None,
    });
    let desk = rows(2);
    let mut running = import(&desk, &crm, &["--concurrency", "1", "--settle", "60"]).start();
    crm.wait_for("POST", 2);
    running.signal("INT");
    running.until_it_says("stopping");
    running.signal("INT");
    running.until_it_says("abandoned: 2 rows may have been stored without an answer");
    running.end().is(5);
    gate.open();
}

#[test]
fn a_system_that_asks_to_end_is_not_kept_waiting_for_more_than_twenty_seconds() {
    let gate = Gate::default();
    let (crm, desk) = (slow(&gate), rows(4));
    // A person who asks is not hurried, and may press again.
    let (other_crm, other_desk) = (slow(&gate), rows(4));
    let mut unhurried = import(&other_desk, &other_crm, &["--concurrency", "1", "--timeout", "55"]).start();
    other_crm.wait_for("POST", 1);
    unhurried.signal("INT");
    unhurried.until_it_says("stopping");
    let mut running = import(&desk, &crm, &["--concurrency", "1", "--timeout", "55"]).start();
    crm.wait_for("POST", 1);
    running.signal("TERM");
    running.until_it_says("what is in flight has 20 s to be finished");
    // The answer would take 55 s.
    running.until_it_says("abandoned: 1 row may have been stored without an answer");
    running.end().is(5);
    gate.open();
    let done = unhurried.end();
    done.is(5);
    assert_eq!(done.rows(), json!({ "read": 4, "created": 1, "unprocessed": 3 }));
}

#[test]
fn an_interrupt_before_the_first_write_leaves_everything_unsent() {
    let gate = Gate::default();
    let held = gate.clone();
    let crm = Tiny::scripted(accounts(&[]), move |request, _| {
        if request.path == "/accounts" {
            held.wait();
        }
        None
    });
    let desk = Desk::with("a.csv", "id,name\n7,X\n");
    let mut running = import(&desk, &crm, &[]).start();
    crm.wait_for("GET", 2);
    running.signal("INT");
    running.until_it_says("stopping");
    gate.open();
    let done = running.end();
    done.is(5);
    assert_eq!(crm.writes(), 0);
}

#[test]
fn five_equal_unexpected_answers_in_a_row_stop_the_run() {
    let crm = Tiny::scripted(accounts(&[]), |request, _| {
        (request.method == "POST").then(|| Reply::html(200, "<html>Maintenance</html>"))
    });
    let desk = rows(40);
    let done = import(&desk, &crm, &["--concurrency", "1"]).ends_with(7);
    let (rows, json) = (done.rows(), done.json());
    assert_eq!(json["state"], "stopped");
    let unknown = rows["unknown"].as_u64().unwrap();
    assert!((5..=7).contains(&unknown), "{rows}");
    assert_eq!(rows["unprocessed"].as_u64().unwrap() + unknown, 40);
}

#[test]
fn unexpected_answers_between_good_ones_stop_nothing() {
    let crm = Tiny::scripted(accounts(&[]), |request, _| {
        let odd = request.method == "POST"
            && request.json()["name"].as_str().unwrap().ends_with(['1', '3', '5', '7', '9']);
        odd.then(|| Reply::error(500, "something went wrong"))
    });
    let done = import(&rows(20), &crm, &["--concurrency", "1"]).ends_with(7);
    assert_eq!(done.rows(), json!({ "read": 20, "created": 10, "unknown": 10 }));
}

#[test]
fn a_row_that_the_crm_refused_stands_among_the_results() {
    let crm = Tiny::scripted(accounts(&[]), |request, _| {
        posts_of(request, "Row 1").then(|| Reply::error(422, "The given data was invalid."))
    });
    let desk = rows(2);
    import(&desk, &crm, &[]).ends_with(4);
    assert!(desk.run_text("results.csv").contains("3,,rejected\n"), "{}", desk.run_text("results.csv"));
}
