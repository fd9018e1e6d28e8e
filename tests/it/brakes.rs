//! When answers say more about the CRM than about the rows: what stops a run,
//! what holds it up, and what does neither.

use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use crate::support::{Call, Desk};
use crate::tiny::{Gate, Reply, Tiny, accounts};

fn rows(number: usize) -> Desk {
    let rows: String = (0..number).map(|n| format!("Row {n},{n}\n")).collect();
    Desk::with("a.csv", format!("name,phone\n{rows}"))
}

/// One request at a time, and lost answers that are waited for as long as it takes.
fn import(desk: &Desk, crm: &Tiny) -> Call {
    let arguments = ["import", "a.csv", "--object", "accounts", "--json", "--concurrency", "1"];
    desk.carafe(arguments).env("CARAFE_SETTLE", "30").at(&crm.address())
}

/// A CRM that answers POSTs by their number, the first one being 0: rows that
/// wait side by side may change places.
fn crm(answer: impl Fn(usize) -> Option<Reply> + Send + Sync + 'static) -> Tiny {
    Tiny::scripted(accounts(&[]), move |request, before| {
        (request.method == "POST").then(|| answer(before)).flatten()
    })
}

/// A refusal for what stands in the row.
fn invalid() -> Reply {
    let body = json!({ "type": "Validation error", "code": 422, "message": "The given data was invalid.",
                       "validation": { "phone": [{ "Max": ["3"] }] } });
    Reply::json(422, &body)
}

#[test]
fn the_fifth_equal_refusal_in_a_row_ends_a_run_and_the_fourth_does_not() {
    let refusal = || Reply::error(400, "Your plan is full");
    for (refused, reply, code, rows_then) in [
        (4, refusal(), 4, json!({ "read": 12, "created": 8, "rejected": 4 })),
        (5, refusal(), 6, json!({ "read": 12, "created": 7, "unprocessed": 5 })),
        // A rule that names no field may be the plan's limit too.
        (5, Reply::error(422, "Too many"), 6, json!({ "read": 12, "created": 7, "unprocessed": 5 })),
    ] {
        let done = import(&rows(12), &crm(move |post| (post + refused >= 12).then(|| reply.clone())))
            .ends_with(code);
        assert_eq!(done.rows(), rows_then);
    }
    // One that succeeds, or is refused for what stands in the row, or in other words, comes between.
    for between in [None, Some(invalid()), Some(Reply::error(400, "Something else"))] {
        let answered = between.clone();
        let crm = crm(move |post| match post {
            4 => answered.clone(),
            1..8 => Some(refusal()),
            _ => None,
        });
        let done = import(&rows(12), &crm).ends_with(4);
        let rejected = if between.is_some() { 7 } else { 6 };
        assert_eq!(done.rows(), json!({ "read": 12, "created": 12 - rejected, "rejected": rejected }));
    }
}

#[test]
fn while_nobody_answers_few_rows_are_put_in_doubt_and_an_interrupt_is_heard() {
    let (crm, desk) = (crm(|_| Some(Reply::Reset)), rows(40));
    let begun = Instant::now();
    let mut running = import(&desk, &crm).start();
    running.until_it_says(" rows got no answer; in 29 s the CRM is asked whether it has stored them");
    running.signal("INT");
    running.until_it_says("stopping: no more rows are taken");
    let done = running.end();
    done.is(7);
    let rows = done.rows();
    assert!(rows["unknown"].as_u64().unwrap() <= 6, "{rows}");
    // The doubts are left to `resume`: their time is not waited for.
    assert_eq!(done.json()["settled"], Json::Null);
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
}

#[test]
fn four_lost_answers_in_a_row_hold_no_other_row_up() {
    // Whether a row is taken or refused: the CRM is there.
    for (answer, outcome) in [(None, "created"), (Some(invalid()), "rejected")] {
        let crm = crm(move |post| if post % 5 == 4 { answer.clone() } else { Some(Reply::Reset) });
        let desk = rows(15);
        let mut running = import(&desk, &crm).start();
        crm.wait_for("POST", 15);
        running.until_it_says("12 rows got no answer; in ");
        running.signal("INT");
        let done = running.end();
        done.is(7);
        assert_eq!(done.rows(), json!({ "read": 15, outcome: 3, "unknown": 12 }));
    }
}

#[test]
fn requests_under_way_as_a_run_is_ended_by_equal_refusals_reject_no_row_either() {
    let gate = Gate::default();
    let held = gate.clone();
    let crm = crm(move |_| {
        held.wait();
        Some(Reply::error(400, "Your plan is full"))
    });
    let desk = rows(8);
    let arguments = ["import", "a.csv", "--object", "accounts", "--json", "--concurrency", "8"];
    let running = desk.carafe(arguments).at(&crm.address()).start();
    crm.wait_for("POST", 8);
    gate.open();
    let done = running.end();
    done.is(6);
    assert_eq!(done.rows(), json!({ "read": 8, "unprocessed": 8 }));
}

#[test]
fn rows_that_the_crm_refuses_count_for_stop_after_as_those_that_the_rules_refuse() {
    let crm = || crm(|post| (post >= 4).then(invalid));
    for (most, code) in [("2", 6), ("3", 4)] {
        let arguments = ["import", "a.csv", "--object", "accounts", "--stop-after", most, "--json"];
        let done = rows(6).carafe(arguments).at(&crm().address()).ends_with(code);
        assert_eq!(done.rows(), json!({ "read": 6, "created": 4, "rejected": 2 }), "{most}");
    }
}

#[test]
fn conflicts_that_are_found_as_rows_are_sent_count_for_stop_after_too() {
    for (most, code) in [("2", 6), ("3", 4)] {
        let record = |id: u64| json!({ "id": id, "name": format!("A{id}"), "phone": "1" });
        let crm = Tiny::serve(accounts(&[record(7), record(8), record(9)]));
        let desk = Desk::with("a.csv", "id,phone\n7,2\n8,2\n9,2\n");
        let plan = ["import", "a.csv", "--object", "accounts", "--mode", "update", "--dry-run"];
        desk.carafe(plan).at(&crm.address()).ends_with(0);
        (8..10).for_each(|id| crm.change("accounts", id, "phone", json!("3")));
        let done = desk.carafe(["apply", "last", "--stop-after", most]).at(&crm.address()).run();
        done.is(code);
    }
}

#[test]
fn rows_that_wait_for_their_turn_are_called_back_when_a_run_ends() {
    // Four are on their way and four wait when the token is refused; the other three answers take a while.
    let crm = crm(|post| {
        if post == 0 {
            return Some(Reply::error(403, "Unauthenticated"));
        }
        std::thread::sleep(Duration::from_millis(800));
        None
    });
    let arguments = ["import", "a.csv", "--object", "accounts", "--json", "--concurrency", "4"];
    let desk = rows(20);
    desk.carafe(arguments).at(&crm.address()).ends_with(3);
    let sent = crm.asked_by("POST").len();
    assert!(sent <= 6, "{sent} rows were sent");
}
