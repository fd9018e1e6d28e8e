//! What becomes of rows whose answer was lost: whose record is whose, how long
//! is waited, and what a later process makes of it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Map, Value as Json, json};

use crate::support::{Call, Desk, Done};
use crate::tables::{Habit, Tables};
use crate::tiny::{Gate, Reply, Request, Tiny, accounts};

const KEYED: &str = "version: 1\nobject: accounts\nmatch: [name]\nfields: { name: name, phone: phone }\n";

/// A file of these lines and a mapping that matches by name.
fn desk(lines: &str) -> Desk {
    let desk = Desk::with("a.csv", lines);
    desk.write("m.yaml", KEYED);
    desk
}

fn carafe(desk: &Desk, crm: &Tiny, arguments: &[&str]) -> Call {
    desk.carafe(arguments.iter().copied().chain(["--json"])).at(&crm.address())
}

/// Rows without a key.
const KEYLESS: [&str; 6] = ["import", "a.csv", "--object", "accounts", "--concurrency", "2"];

const BY_KEY: [&str; 6] = ["import", "a.csv", "-m", "m.yaml", "--concurrency", "1"];

fn is_first(request: &Request, method: &str, before: usize) -> bool {
    request.method == method && before == 0
}

fn is_created(done: &Done, rows: u64) {
    assert_eq!(done.rows(), json!({ "read": rows, "created": rows }));
}

/// Long beside what a test may take: whoever waits for it is noticed.
fn with_a_long_settle_time(call: Call) -> (Done, Duration) {
    let begun = Instant::now();
    (call.env("CARAFE_SETTLE", "40").run(), begun.elapsed())
}

#[test]
fn of_equal_rows_each_gets_a_record_of_its_own_by_this_process_or_the_next() {
    let lines = format!("name,phone\n{}", "Same,1\n".repeat(6));
    let crm = Tiny::scripted(accounts(&[]), |request, _| {
        (request.method == "POST").then_some(Reply::StoreAndReset)
    });
    is_created(&carafe(&desk(&lines), &crm, &KEYLESS).ends_with(0), 6);
    assert_eq!(crm.records("accounts").len(), 6);

    // Four rows are handed out when the program is killed, and two of them are on their way.
    let gate = Gate::default();
    let held = gate.clone();
    let crm = Tiny::scripted(accounts(&[]), move |request, _| {
        if request.method == "POST" {
            held.wait();
        }
        None
    });
    let desk = desk(&lines);
    let running = carafe(&desk, &crm, &KEYLESS).start();
    crm.wait_for("POST", 2);
    running.signal("KILL");
    running.end();
    gate.open();
    let done = carafe(&desk, &crm, &["resume", "last"]).ends_with(7);
    assert_eq!(done.rows(), json!({ "read": 6, "created": 4, "unknown": 2 }));
    assert_eq!(crm.records("accounts").len(), 4);
    let results = desk.run_text("results.csv");
    let ids: BTreeSet<&str> = results.lines().filter(|line| line.ends_with(",created")).collect();
    assert_eq!(
        ids.iter().filter_map(|line| line.split(',').nth(1)).collect::<BTreeSet<_>>().len(),
        4,
        "{results}"
    );
}

#[test]
fn a_record_of_an_equal_row_that_is_still_under_way_is_not_taken_for_ones_own() {
    let gate = Gate::default();
    let held = gate.clone();
    // The first is not stored; the second is, and its answer comes late.
    let record = json!({ "id": 95_950_731, "name": "Same", "phone": "1" });
    let answer = shows(&record);
    let crm = Tiny::scripted(accounts(&[]), move |request, before| {
        if is_first(request, "POST", before) {
            return Some(Reply::Reset);
        }
        (request.method == "POST").then(|| {
            held.wait();
            Reply::json(201, &answer)
        })
    });
    let desk = desk("name,phone\nSame,1\nSame,1\n");
    let running = carafe(&desk, &crm, &KEYLESS).start();
    crm.wait_for("POST", 2);
    crm.restore("accounts", record);
    std::thread::sleep(Duration::from_millis(1_500));
    gate.open();
    let done = running.end();
    assert_eq!(done.rows(), json!({ "read": 2, "created": 1, "unknown": 1 }));
}

/// The CRM's answer that shows a record.
fn shows(record: &Json) -> Json {
    json!({ "metadata": { "object_type": "record", "record_type": "account" }, "record": record })
}

#[test]
fn a_record_of_a_row_that_set_out_during_the_look_up_is_not_taken_for_ones_own_either() {
    // Neither that of an equal row, nor that of one that sends more.
    for phone in ["1", ""] {
        let (looking, sending) = (Gate::default(), Gate::default());
        let (held_look, held_row) = (looking.clone(), sending.clone());
        let sent = AtomicU64::new(0);
        let record = json!({ "id": 95_950_900, "name": "Same", "phone": "1" });
        let answer = shows(&record);
        let crm = Tiny::scripted(accounts(&[]), move |request, _| {
            if request.method == "GET" && request.query("q").is_some_and(|q| q.contains("Same")) {
                held_look.wait();
            }
            if request.method != "POST" || request.json()["name"] != "Same" {
                return None;
            }
            if sent.fetch_add(1, Ordering::Relaxed) == 0 {
                return Some(Reply::Reset);
            }
            held_row.wait();
            Some(Reply::json(201, &answer))
        });
        // The first is not stored; the last is, and is sent while the first is looked up.
        let others: String = (0..9).map(|n| format!("Other {n},1\n")).collect();
        let desk = desk(&format!("name,phone\nSame,{phone}\n{others}Same,1\n"));
        let call = ["import", "a.csv", "--object", "accounts", "--concurrency", "3"];
        let running = carafe(&desk, &crm, &call).start();
        crm.wait_for("POST", 11);
        crm.restore("accounts", record);
        looking.open();
        std::thread::sleep(Duration::from_millis(500));
        sending.open();
        let done = running.end();
        assert_eq!(done.rows(), json!({ "read": 11, "created": 10, "unknown": 1 }), "{phone}");
    }
}

#[test]
fn a_row_that_has_found_its_record_is_no_reason_to_take_one_of_two_that_may_be_somebody_elses() {
    let gate = Gate::default();
    let held = gate.clone();
    let crm = Tiny::scripted(accounts(&[]), move |request, _| {
        if request.method != "POST" {
            return None;
        }
        if request.json()["name"] == "Other 8" {
            held.wait();
        }
        (request.json()["name"] == "Same").then_some(Reply::StoreAndReset)
    });
    let others: String = (0..12).map(|n| format!("Other {n},1\n")).collect();
    let desk = desk(&format!("name,phone\nSame,1\n{others}Same,1\n"));
    let call = ["import", "a.csv", "--object", "accounts", "--concurrency", "1"];
    let running = carafe(&desk, &crm, &call).start();
    // One asks for the fields, one for the newest record, one for the first row's.
    crm.wait_for("GET", 3);
    std::thread::sleep(Duration::from_millis(500));
    crm.restore("accounts", json!({ "id": 95_950_900, "name": "Same", "phone": "1" }));
    gate.open();
    let done = running.end();
    assert_eq!(done.rows(), json!({ "read": 14, "created": 13, "unknown": 1 }));
}

#[test]
fn rows_without_an_id_are_looked_for_among_newer_records_where_the_file_has_ids_too() {
    let older = json!({ "id": 3, "name": "New", "phone": "1" });
    let crm =
        Tiny::scripted(accounts(&[older]), |request, _| (request.method == "POST").then_some(Reply::Reset));
    let done = carafe(&desk("id,name,phone\n,New,1\n"), &crm, &KEYLESS).ends_with(7);
    assert_eq!(done.rows(), json!({ "read": 1, "unknown": 1 }));
}

#[test]
fn only_a_create_waits_for_what_may_come_late_and_it_waits_once() {
    // A change whose answer is lost is looked up at once: it writes the same values whenever it comes.
    let known = [json!({ "id": 7, "name": "A", "phone": "1" })];
    let (desk, changes) = (
        desk("id,phone\n7,2\n"),
        ["import", "a.csv", "--object", "accounts", "--mode", "update", "--retries", "0"],
    );
    let crm = Tiny::scripted(accounts(&known), |request, before| {
        is_first(request, "PATCH", before).then_some(Reply::StoreAndReset)
    });
    let (done, took) = with_a_long_settle_time(carafe(&desk, &crm, &changes));
    assert_eq!(done.rows(), json!({ "read": 1, "updated": 1 }));
    assert!(took < Duration::from_secs(20), "{took:?}");

    // So is one that a killed process left.
    let gate = Gate::default();
    let held = gate.clone();
    let crm = Tiny::scripted(accounts(&known), move |request, _| {
        if request.method == "PATCH" {
            held.wait();
        }
        None
    });
    let running = carafe(&desk, &crm, &changes).start();
    crm.wait_for("PATCH", 1);
    running.signal("KILL");
    running.end();
    gate.open();
    let (done, took) = with_a_long_settle_time(carafe(&desk, &crm, &["resume", "last"]));
    assert_eq!(done.rows(), json!({ "read": 1, "updated": 1 }));
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn a_row_that_was_looked_up_in_vain_is_looked_up_again_without_waiting() {
    let crm = Tiny::scripted(accounts(&[]), |request, _| (request.method == "POST").then_some(Reply::Reset));
    let desk = desk("name,phone\nNew,1\n");
    carafe(&desk, &crm, &KEYLESS).ends_with(7);
    // By now it is there, and a person has only to ask.
    let at = "2026-11-24 10:00:00";
    let late =
        json!({ "id": 95_950_731, "name": "New", "phone": "1", "createddate": at, "modifieddate": at });
    crm.restore("accounts", late);
    let (done, took) = with_a_long_settle_time(carafe(&desk, &crm, &["settle", "last"]));
    is_created(&done, 1);
    assert!(took < Duration::from_secs(20), "{took:?}");
}

#[test]
fn a_wait_for_lost_answers_is_told_once() {
    let crm = Tiny::scripted(accounts(&[]), |request, _| {
        (request.method == "POST").then_some(Reply::StoreAndReset)
    });
    let desk = desk("name,phone\nA,1\nB,2\n");
    let done = carafe(&desk, &crm, &BY_KEY).env("CARAFE_SETTLE", "4").ends_with(0);
    let told = "2 rows got no answer; in 3 s the CRM is asked whether it has stored them (Ctrl-C leaves that to carafe resume)";
    assert_eq!(done.stderr.matches("got no answer").count(), 1, "{}", done.stderr);
    assert!(done.stderr.contains(told), "{}", done.stderr);
}

/// A process whose requests are used up when it has found out that its only
/// write, whose answer was lost, was not done.
fn stopped_after_a_doubt(desk: &Desk, known: &[Json], method: &'static str, calls: &'static str) -> Tiny {
    let crm = Tiny::scripted(accounts(known), move |request, before| {
        is_first(request, method, before).then_some(Reply::Reset)
    });
    let call = carafe(desk, &crm, &[BY_KEY.as_slice(), &["--retries", "0", "--max-calls", calls]].concat());
    let done = call.ends_with(6);
    assert_eq!(done.rows(), json!({ "read": 1, "unprocessed": 1 }));
    assert_eq!(done.json()["settled"], json!({ "adopted": 0, "absent": 1, "held": 0 }));
    crm
}

#[test]
fn what_comes_later_than_anything_is_expected_to_is_the_rows_own_all_the_same() {
    let desk = desk("name,phone\nNew,1\n");
    // One asks for the fields, one for the record, one sends the row, one looks for it.
    let crm = stopped_after_a_doubt(&desk, &[json!({ "id": 3, "name": "A" })], "POST", "4");
    let at = "2026-11-24 10:00:00";
    let late =
        json!({ "id": 95_950_731, "name": "New", "phone": "1", "createddate": at, "modifieddate": at });
    crm.restore("accounts", late);
    let (done, took) = with_a_long_settle_time(carafe(&desk, &crm, &["resume", "last"]));
    is_created(&done, 1);
    assert!(took < Duration::from_secs(20), "what is there need not be waited for: {took:?}");
    assert_eq!(crm.asked_by("POST").len(), 1);
    // It is known how it looked, so that it can be taken back.
    let done = carafe(&desk, &crm, &["undo", "last", "--yes"]).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 1, "deleted": 1 }));
}

#[test]
fn a_change_that_comes_late_is_the_rows_own_too() {
    let (desk, known) = (desk("name,phone\nA,2\n"), json!({ "id": 7, "name": "A", "phone": "1" }));
    let crm = stopped_after_a_doubt(&desk, &[known], "PATCH", "4");
    crm.change("accounts", 7, "phone", json!("2"));
    let done = carafe(&desk, &crm, &["resume", "last"]).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 1, "updated": 1 }));
}

#[test]
fn a_record_that_was_found_can_be_taken_back_whoever_found_it() {
    // The program, by what was sent; a person, where the CRM made something else of it.
    for by_hand in [false, true] {
        let crm = Tiny::scripted_and_altered(
            accounts(&[]),
            |request, before| is_first(request, "POST", before).then_some(Reply::StoreAndReset),
            move |record| {
                // Nobody has touched it since it was created, as its dates show.
                for date in ["createddate", "modifieddate"] {
                    record.insert(date.to_owned(), json!("2026-11-24 10:00:00"));
                }
                if by_hand {
                    record.insert("phone".to_owned(), json!("+44"));
                }
            },
        );
        let desk = desk("name,phone\nNew,1\n");
        let done = carafe(&desk, &crm, &BY_KEY).ends_with(if by_hand { 7 } else { 0 });
        if by_hand {
            let id = &crm.records("accounts")[0]["id"];
            let message = desk.errors()[0]["message"].as_str().unwrap().to_owned();
            assert!(message.ends_with(&format!("other values than were sent: id {id}")), "{message}");
            carafe(&desk, &crm, &["settle", "last", "--adopt", &format!("2={id}")]).ends_with(0);
        } else {
            is_created(&done, 1);
        }
        let done = carafe(&desk, &crm, &["undo", "last", "--yes"]).ends_with(0);
        assert_eq!(done.rows(), json!({ "read": 1, "deleted": 1 }), "by hand: {by_hand}");
    }
}

#[test]
fn a_row_in_doubt_that_somebody_overtook_counts_for_stop_after() {
    for (most, code) in [("1", 6), ("2", 4)] {
        let gate = Gate::default();
        let held = gate.clone();
        let crm = Tiny::scripted(
            accounts(&[json!({ "id": 7, "name": "A", "phone": "1", "notes": "n" })]),
            move |request, _| {
                (request.method == "PATCH").then(|| {
                    held.wait();
                    Reply::Reset
                })
            },
        );
        let desk = desk("name,phone\nA,2\n");
        let call = [BY_KEY.as_slice(), &["--retries", "0", "--stop-after", most]].concat();
        let running = carafe(&desk, &crm, &call).start();
        crm.wait_for("PATCH", 1);
        crm.change("accounts", 7, "notes", json!("by somebody"));
        gate.open();
        let done = running.end();
        done.is(code);
        assert_eq!(done.rows(), json!({ "read": 1, "rejected": 1 }));
    }
}

#[test]
fn older_records_are_not_taken_for_a_rows_own_in_whatever_order_the_crm_gives_them() {
    // The youngest of the older ones has a row's very values, and stands in the middle, at the end.
    let record = |id: u64| json!({ "id": id, "name": if id == 900 { "New".to_owned() } else { format!("A{id}") }, "phone": "1" });
    for (order, place) in
        [(Habit::Ignores, 249), (Habit::Refuses, 249), (Habit::Refuses, 150), (Habit::Ignores, 150)]
    {
        let mut ids: Vec<u64> = (1..250).collect();
        ids.insert(place, 900);
        let records: Vec<Json> = ids.into_iter().map(record).collect();
        let crm = Tiny::scripted(Tables { order, ..accounts(&records) }, |request, _| {
            (request.method == "POST").then_some(Reply::Reset)
        });
        let done = carafe(&desk("name,phone\nNew,1\n"), &crm, &KEYLESS).ends_with(7);
        assert_eq!(done.rows(), json!({ "read": 1, "unknown": 1 }), "{order:?} {place}");
    }
}

#[test]
fn rows_that_fill_different_fields_are_each_looked_for_by_one_that_they_have() {
    // The second row has no e-mail address: both must be asked for by their names, or each by its own.
    for at_once in ["1", "2"] {
        let gate = Gate::default();
        let held = gate.clone();
        let crm = Tiny::scripted(accounts(&[]).and_contacts(), move |request, before| {
            if request.method == "POST" && before > 0 {
                held.wait();
            }
            (request.method == "POST").then_some(Reply::StoreAndReset)
        });
        let desk = desk("accountid,last,email\n7,A,a@example.com\n7,B,\n");
        let call = ["import", "a.csv", "--object", "contacts", "--concurrency", at_once];
        let running =
            carafe(&desk, &crm, &call).env("CARAFE_SETTLE", if at_once == "2" { "1" } else { "0" }).start();
        crm.wait_for("POST", 2);
        if at_once == "1" {
            // The first one's record is looked for while the second one is under way.
            std::thread::sleep(Duration::from_millis(500));
        }
        gate.open();
        let done = running.end();
        assert_eq!(done.rows(), json!({ "read": 2, "created": 2 }), "{at_once}");
    }
}

#[test]
fn a_person_is_shown_newer_records_alone_each_beside_the_row_that_it_may_be() {
    let crm = Tiny::scripted_and_altered(
        accounts(&[json!({ "id": 3, "name": "A", "phone": "9" })]),
        |request, _| (request.method == "POST").then_some(Reply::StoreAndReset),
        |record| {
            if record["id"] != 3 {
                record.insert("phone".to_owned(), json!("+44"));
            }
        },
    );
    let desk = desk("name,phone\nA,1\nB,2\n");
    carafe(&desk, &crm, &KEYLESS).ends_with(7);
    let shown = carafe(&desk, &crm, &["settle", "last"]).ends_with(7).json();
    let open = shown["open"].as_array().unwrap();
    assert_eq!(open.len(), 2, "{shown}");
    for doubt in open {
        let is_own =
            |record: &&Map<String, Json>| record["name"] == doubt["sent"]["name"] && record["id"] != 3;
        let records = crm.records("accounts");
        let own: Vec<&Json> = records.iter().filter(is_own).map(|record| &record["id"]).collect();
        let candidates = doubt["candidates"].as_array().unwrap();
        assert_eq!(candidates.iter().map(|candidate| &candidate["id"]).collect::<Vec<_>>(), own, "{shown}");
    }
}

#[test]
fn a_candidate_that_another_row_has_made_is_shown_with_that_row() {
    let crm = Tiny::scripted(accounts(&[]), |request, before| {
        (request.method == "POST" && before > 0).then_some(Reply::Reset)
    });
    let desk = desk("name,phone\nSame,1\nSame,1\n");
    carafe(&desk, &crm, &KEYLESS).ends_with(7);
    let shown = carafe(&desk, &crm, &["settle", "last"]).ends_with(7).json();
    let open = &shown["open"][0];
    let other = 5 - open["row"].as_u64().unwrap();
    let id = &crm.records("accounts")[0]["id"];
    assert_eq!((&open["candidates"][0]["id"], &open["candidates"][0]["row"]), (id, &json!(other)), "{shown}");
}
