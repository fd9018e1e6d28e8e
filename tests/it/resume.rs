//! Runs that are taken up again, and rows that are settled.

use serde_json::{Value as Json, json};

use crate::support::{Call, Desk};
use crate::tiny::{Gate, Reply, Request, Tiny, accounts};

const KEYED: &str = "version: 1\nobject: accounts\nmatch: [name]\nfields:\n  name: name\n  phone: phone\n";

fn rows(number: usize) -> Desk {
    let rows: String = (0..number).map(|n| format!("Row {n},{n}\n")).collect();
    let desk = Desk::with("a.csv", format!("name,phone\n{rows}"));
    desk.write("m.yaml", KEYED);
    desk
}

fn import(desk: &Desk, crm: &Tiny, more: &[&'static str]) -> Call {
    let arguments = ["import", "a.csv", "-m", "m.yaml", "--json", "--concurrency", "2"];
    desk.carafe(arguments.into_iter().chain(more.iter().copied())).at(&crm.address())
}

fn resume(desk: &Desk, crm: &Tiny) -> Call {
    desk.carafe(["resume", "last", "--json"]).at(&crm.address())
}

fn names(crm: &Tiny) -> Vec<String> {
    let mut names: Vec<String> =
        crm.records("accounts").iter().map(|record| record["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

fn is_post_of(request: &Request, name: &str) -> bool {
    request.method == "POST" && request.json()["name"] == name
}

/// A CRM that stores what it is sent and then loses the answer, the first time.
fn stores_and_loses(name: &'static str) -> Tiny {
    Tiny::scripted(accounts(&[]), move |request, _| is_post_of(request, name).then_some(Reply::StoreAndReset))
}

#[test]
fn a_record_whose_answer_was_lost_is_found_by_its_key_and_not_sent_again() {
    let (crm, desk) = (stores_and_loses("Row 1"), rows(3));
    let done = import(&desk, &crm, &[]).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 3, "created": 3 }));
    assert_eq!(names(&crm), ["Row 0", "Row 1", "Row 2"]);
    assert_eq!(crm.asked_by("POST").len(), 3);
    let document = done.json();
    assert_eq!(document["settled"], json!({ "adopted": 1, "absent": 0, "held": 0 }));
    assert_eq!((&document["promise"]["kind"], &document["promise"]["by"]), (&json!("key"), &json!(["name"])));
    assert!(desk.run_text("results.csv").lines().all(|line| !line.contains("unknown")));
    assert!(!desk.run().join("unknown.csv").exists());
}

#[test]
fn a_record_that_the_crm_did_not_store_is_sent_again() {
    let crm = Tiny::scripted(accounts(&[]), |request, before| {
        (is_post_of(request, "Row 1") && before < 3).then_some(Reply::Reset)
    });
    let desk = rows(3);
    let done = import(&desk, &crm, &[]).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 3, "created": 3 }));
    assert_eq!(names(&crm), ["Row 0", "Row 1", "Row 2"]);
    assert_eq!(done.json()["settled"]["adopted"], 0);
}

#[test]
fn a_row_that_is_never_stored_is_rejected_after_six_times() {
    let crm =
        Tiny::scripted(accounts(&[]), |request, _| is_post_of(request, "Row 1").then_some(Reply::Reset));
    let desk = rows(3);
    let done = import(&desk, &crm, &[]).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 3, "created": 2, "rejected": 1 }));
    assert_eq!(crm.asked_by("POST").len(), 2 + 6);
    assert!(desk.errors()[0]["message"].as_str().unwrap().starts_with("sent 6 times"), "{:?}", desk.errors());
}

#[test]
fn a_reference_finds_records_whose_rows_have_no_key() {
    let (crm, desk) = (stores_and_loses("Row 1"), rows(3));
    let arguments = ["import", "a.csv", "--object", "accounts", "--ref-field", "notes", "--json"];
    let done = desk.carafe(arguments).at(&crm.address()).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 3, "created": 3 }));
    assert_eq!(done.json()["promise"]["kind"], "reference");
    let run = desk.run().file_name().unwrap().to_str().unwrap().to_owned();
    let notes: Vec<Json> = crm.records("accounts").iter().map(|record| record["notes"].clone()).collect();
    assert!(notes.contains(&json!(format!("{run}#3"))), "{notes:?}");
}

#[test]
fn what_no_record_has_the_reference_of_was_not_stored_and_is_sent_again() {
    let crm = Tiny::scripted(accounts(&[]), |request, before| {
        (is_post_of(request, "Row 1") && before < 3).then_some(Reply::Reset)
    });
    let desk = rows(3);
    let arguments = ["import", "a.csv", "--object", "accounts", "--ref-field", "notes", "--json"];
    let done = desk.carafe(arguments).at(&crm.address()).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 3, "created": 3 }));
    assert_eq!(names(&crm), ["Row 0", "Row 1", "Row 2"]);
}

#[test]
fn a_reference_field_must_be_a_text_field_of_its_own() {
    let (crm, desk) = (Tiny::serve(accounts(&[])), rows(1));
    for (field, why) in [
        ("note", "accounts has no such field, did you mean notes?"),
        ("name", "the mapping fills this field"),
        ("id", "it is read-only"),
        ("leadscore", "it is no plain text field"),
        ("addresscounty/state", "a reference takes up to 80 characters"),
    ] {
        let refused = import(&desk, &crm, &["--ref-field", field]).ends_with(2);
        assert!(refused.stderr.contains(&format!("--ref-field {field}: {why}")), "{}", refused.stderr);
    }
    assert_eq!(crm.writes(), 0);
}

#[test]
fn rows_without_a_key_are_found_by_what_was_sent_among_newer_records_alone() {
    // An older record with the very same values is not the row's.
    let crm = Tiny::scripted(accounts(&[json!({ "id": 3, "name": "Row 1", "phone": "1" })]), |request, _| {
        is_post_of(request, "Row 1").then_some(Reply::Reset)
    });
    let desk = rows(3);
    let done =
        desk.carafe(["import", "a.csv", "--object", "accounts", "--json"]).at(&crm.address()).ends_with(7);
    assert_eq!(done.rows(), json!({ "read": 3, "created": 2, "unknown": 1 }));

    let (crm, desk) = (stores_and_loses("Row 1"), rows(3));
    let done =
        desk.carafe(["import", "a.csv", "--object", "accounts", "--json"]).at(&crm.address()).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 3, "created": 3 }));
}

#[test]
fn on_unknown_resend_sends_again_what_is_not_found() {
    let crm = Tiny::scripted(accounts(&[]), |request, before| {
        (is_post_of(request, "Row 1") && before < 3).then_some(Reply::Reset)
    });
    let desk = rows(3);
    let arguments = ["import", "a.csv", "--object", "accounts", "--on-unknown", "resend", "--json"];
    let done = desk.carafe(arguments).at(&crm.address()).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 3, "created": 3 }));
    assert_eq!(done.json()["promise"]["kind"], "at_least_once");
}

#[test]
fn resume_after_a_spent_budget_sends_the_rest_and_writes_the_files_anew() {
    let (crm, desk) = (Tiny::serve(accounts(&[])), rows(30));
    import(&desk, &crm, &["--max-calls", "12"]).ends_with(6);
    assert!(desk.run().join("unprocessed.csv").is_file());
    let done = resume(&desk, &crm).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 30, "created": 30 }));
    assert_eq!(names(&crm).len(), 30);
    assert!(!desk.run().join("unprocessed.csv").exists(), "nothing is unprocessed any more");
    assert!(done.json()["calls"]["total"].as_u64().unwrap() >= 31, "the calls of both processes");
    // Once more changes nothing, but for what a killed process may have left behind.
    let ballast = desk.run().join("ballast.tmp");
    std::fs::write(&ballast, "x").unwrap();
    let again = resume(&desk, &crm).ends_with(0);
    assert_eq!(again.rows(), done.rows());
    assert!(!ballast.exists());
    assert_eq!(crm.asked_by("POST").len(), 30);
}

#[test]
fn resume_after_a_kill_asks_about_what_was_under_way_before_it_sends_it_again() {
    let gate = Gate::default();
    let held = gate.clone();
    // Held answers: the CRM stores the record, and the program dies before it hears of it.
    let crm = Tiny::scripted(accounts(&[]), move |request, before| {
        if request.method == "POST" && before < 12 {
            held.wait();
        }
        None
    });
    let desk = rows(20);
    let running = import(&desk, &crm, &[]).start();
    crm.wait_for("POST", 2);
    let state = || desk.carafe(["runs", "last"]).ends_with(0).stdout;
    assert!(state().contains("import into accounts: running"), "{}", state());
    running.signal("KILL");
    running.end();
    gate.open();
    assert!(state().contains("import into accounts: interrupted"), "{}", state());
    let done = resume(&desk, &crm).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 20, "created": 20 }));
    assert_eq!(names(&crm).len(), 20);
    assert_eq!(names(&crm).iter().collect::<std::collections::BTreeSet<_>>().len(), 20);
    assert!(done.stderr.contains("under way when the program ended"), "{}", done.stderr);
}

#[test]
fn a_run_that_was_killed_between_its_plan_and_its_first_row_is_sent_and_a_dry_run_is_not() {
    let (crm, desk) = (Tiny::serve(accounts(&[])), rows(3));
    import(&desk, &crm, &["--dry-run"]).ends_with(0);
    let refused = resume(&desk, &crm).ends_with(2);
    assert!(refused.stderr.contains("is a plan of which nothing was sent yet"), "{}", refused.stderr);
    let db = rusqlite::Connection::open(desk.run().join("run.db")).unwrap();
    // As an import has it at this moment that is no dry run.
    db.execute("UPDATE facts SET value = 'true' WHERE name = 'sends'", []).unwrap();
    drop(db);
    let done = resume(&desk, &crm).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 3, "created": 3 }));
}

#[test]
fn a_dry_run_that_is_planned_anew_sends_nothing() {
    let crm = Tiny::scripted(accounts(&[]), |request, _| {
        (request.method == "GET" && request.query("q").is_some_and(|q| q.contains("Row")))
            .then(|| Reply::error(403, "Unauthenticated"))
    });
    let desk = rows(5);
    import(&desk, &crm, &["--dry-run"]).ends_with(3);
    crm.heal();
    let done = resume(&desk, &crm).ends_with(0);
    assert_eq!((&done.json()["state"], crm.writes()), (&json!("planned"), 0));
}

#[test]
fn a_plan_is_shown_as_what_it_would_do() {
    let (crm, desk) = (Tiny::serve(accounts(&[])), rows(3));
    import(&desk, &crm, &["--dry-run"]).ends_with(0);
    let shown = desk.carafe(["runs", "last"]).ends_with(0).stdout;
    assert!(shown.contains("import into accounts: planned") && shown.contains("3   to create"), "{shown}");
}

#[test]
fn resume_plans_anew_what_was_interrupted_while_it_planned() {
    let crm = Tiny::scripted(accounts(&[]), |request, _| {
        (request.method == "GET" && request.query("q").is_some_and(|q| q.contains("Row")))
            .then(|| Reply::error(403, "Unauthenticated"))
    });
    let desk = rows(5);
    import(&desk, &crm, &[]).ends_with(3);
    crm.heal();
    let done = resume(&desk, &crm).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 5, "created": 5 }));
    assert_eq!(desk.runs().len(), 1, "it is the same run");
}

#[test]
fn a_run_that_is_planned_anew_keeps_its_reference_and_what_becomes_of_unknown_rows() {
    let crm = Tiny::scripted(accounts(&[]), |request, _| {
        (request.path == "/accounts").then(|| Reply::error(403, "Unauthenticated"))
    });
    let desk = rows(2);
    import(&desk, &crm, &["--ref-field", "notes", "--on-unknown", "resend"]).ends_with(3);
    crm.heal();
    let done = resume(&desk, &crm).ends_with(0);
    assert_eq!(done.json()["promise"]["kind"], "reference");
    let run = done.json()["run"].as_str().unwrap().to_owned();
    let notes: Vec<Json> = crm.records("accounts").iter().map(|record| record["notes"].clone()).collect();
    assert!(notes.contains(&json!(format!("{run}#2"))), "{notes:?}");
    let store = rusqlite::Connection::open(desk.run().join("run.db")).unwrap();
    let sql = "SELECT value FROM facts WHERE name = 'on_unknown'";
    assert_eq!(store.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap(), "\"resend\"");
}

#[test]
fn what_was_found_before_a_plan_was_interrupted_is_told_once_when_it_is_made_anew() {
    // A window of rows is planned and stored; the one behind it is not.
    let crm = Tiny::scripted(accounts(&[]), |request, _| {
        let is_second = request.method == "GET" && request.query("q").is_some_and(|q| q.contains("Late"));
        is_second.then(|| Reply::error(403, "Unauthenticated"))
    });
    let desk = rows(999);
    desk.write("a.csv", format!("{}Bad,{}\nLate,1\n", desk.text("a.csv"), "x".repeat(300)));
    import(&desk, &crm, &["--dry-run"]).ends_with(3);
    let shown = desk.carafe(["runs", "last"]).ends_with(0).stdout;
    assert!(shown.contains("import into accounts: failed"), "{shown}");
    crm.heal();
    // Whoever puts the file right meanwhile is told so, and not only of its rows.
    let text = desk.text("a.csv");
    desk.write("a.csv", text.replace("Late", "Later"));
    let refused = resume(&desk, &crm).ends_with(2);
    assert!(refused.stderr.contains("a.csv changed since the run was planned"), "{}", refused.stderr);
    desk.write("a.csv", text);
    let done = resume(&desk, &crm).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 1001, "created": 1000, "rejected": 1 }));
    assert_eq!(desk.errors().len(), 1);
    let calls = done.json()["calls"]["total"].as_u64().unwrap();
    assert_eq!(calls, crm.asked().len() as u64, "the calls of both processes");
}

#[test]
fn resume_refuses_a_changed_file_and_another_companys_crm() {
    let (crm, desk) = (Tiny::serve(accounts(&[])), rows(30));
    import(&desk, &crm, &["--max-calls", "12"]).ends_with(6);
    let text = desk.text("a.csv");
    desk.write("a.csv", text.replace("Row 7,7", "Row 7,8"));
    let refused = resume(&desk, &crm).ends_with(2);
    assert!(refused.stderr.contains("a.csv changed since the run was planned: row 9"), "{}", refused.stderr);
    desk.write("a.csv", text);
    let writes = crm.writes();
    crm.become_another(accounts(&[json!({ "id": 5, "name": "Of another company" })]));
    let refused = resume(&desk, &crm).ends_with(2);
    assert!(refused.stderr.contains("this CRM has none of the"), "{}", refused.stderr);
    assert_eq!(crm.writes(), writes);
}

#[test]
fn a_reject_file_that_was_edited_is_not_written_over_when_a_run_goes_on() {
    let (crm, desk) = (Tiny::serve(accounts(&[])), rows(30));
    desk.write("a.csv", format!("{}Bad,{}\n", desk.text("a.csv"), "x".repeat(300)));
    import(&desk, &crm, &["--max-calls", "12"]).ends_with(6);
    let rejects = desk.run().join("rejects.csv");
    std::fs::write(&rejects, "my corrections").unwrap();
    let done = resume(&desk, &crm).ends_with(4);
    assert_eq!(std::fs::read_to_string(&rejects).unwrap(), "my corrections");
    let files = &done.json()["files"];
    assert!(files["rejects"].as_str().unwrap().ends_with("rejects-2.csv"), "{files}");
    assert!(done.stderr.contains("was edited since it was written"), "{}", done.stderr);
    // So is the one beside it, if it was edited too.
    std::fs::write(desk.run().join("rejects-2.csv"), "more of them").unwrap();
    let files = resume(&desk, &crm).ends_with(4).json()["files"].clone();
    assert!(files["rejects"].as_str().unwrap().ends_with("rejects-3.csv"), "{files}");
    assert_eq!(desk.run_text("rejects-2.csv"), "more of them");
}

#[test]
fn a_file_of_rows_that_was_edited_is_left_when_no_such_row_is_left() {
    let (crm, desk) = (Tiny::serve(accounts(&[])), rows(30));
    import(&desk, &crm, &["--max-calls", "12"]).ends_with(6);
    std::fs::write(desk.run().join("unprocessed.csv"), "my notes").unwrap();
    resume(&desk, &crm).ends_with(0);
    assert_eq!(desk.run_text("unprocessed.csv"), "my notes");
}

#[test]
fn settle_shows_candidates_and_takes_decisions() {
    // The CRM stores another phone than was sent, and the answer is lost.
    let crm = Tiny::scripted_and_altered(
        accounts(&[]),
        |request, _| is_post_of(request, "Row 1").then_some(Reply::StoreAndReset),
        |record| {
            if record["name"] == "Row 1" {
                record.insert("phone".to_owned(), json!("+1 000"));
            }
        },
    );
    let desk = rows(4);
    let done = import(&desk, &crm, &[]).ends_with(7);
    assert_eq!(done.rows(), json!({ "read": 4, "created": 3, "unknown": 1 }));
    assert!(desk.run().join("unknown.csv").is_file());
    let id = crm.records("accounts").iter().find(|record| record["name"] == "Row 1").unwrap()["id"].clone();

    let shown = desk.carafe(["settle", "last", "--json"]).at(&crm.address()).ends_with(7);
    let open = &shown.json()["open"][0];
    assert_eq!((&open["row"], &open["sent"]["phone"]), (&json!(3), &json!("1")));
    assert_eq!(
        open["candidates"],
        json!([{ "id": id, "row": null, "fields": { "name": "Row 1", "phone": "+1 000" } }])
    );

    let of_row_2 =
        crm.records("accounts").iter().find(|record| record["name"] == "Row 0").unwrap()["id"].clone();
    let taken = format!("3={of_row_2}");
    for (decision, why) in [
        ("2=5", "row 2 is created, not unknown"),
        ("99=5", "row 99 is no row of this run"),
        (taken.as_str(), "row 2 created that record"),
        ("3=999999", "the CRM has no such record"),
    ] {
        let refused = desk.carafe(["settle", "last", "--adopt", decision]).at(&crm.address()).ends_with(2);
        assert!(refused.stderr.contains(why), "{}", refused.stderr);
    }
    let decision = format!("3={id}");
    let done =
        desk.carafe(["settle", "last", "--adopt", &decision, "--json"]).at(&crm.address()).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 4, "created": 4 }));
    assert!(!desk.run().join("unknown.csv").exists() && !desk.run().join("errors.jsonl").exists());
    assert_eq!(crm.asked_by("POST").len(), 4);
}

#[test]
fn a_change_in_doubt_can_be_no_other_record_than_the_one_that_was_to_be_changed() {
    // The CRM makes something else of the value, and the answer is lost.
    let record = |id: u64| json!({ "id": id, "name": format!("A{id}"), "phone": "1" });
    let crm = Tiny::scripted_and_altered(
        accounts(&[record(7), record(8)]),
        |request, _| (request.method == "PATCH").then_some(Reply::StoreAndReset),
        |record| {
            if record["id"] == 7 {
                record.insert("phone".to_owned(), json!("+44"));
            }
        },
    );
    let desk = Desk::with("a.csv", "id,phone\n7,2\n");
    let call = ["import", "a.csv", "--object", "accounts", "--mode", "update", "--retries", "0"];
    desk.carafe(call).at(&crm.address()).ends_with(7);
    let settle = |decision: &str| {
        desk.carafe(["settle", "last", "--adopt", decision, "--json"]).at(&crm.address()).run()
    };
    let refused = settle("2=8");
    refused.is(2);
    assert!(refused.stderr.contains("it was to change record 7"), "{}", refused.stderr);
    assert_eq!(settle("2=7").rows(), json!({ "read": 1, "updated": 1 }));
}

#[test]
fn settle_sends_again_or_gives_up_as_it_is_told() {
    let crm = Tiny::scripted(accounts(&[]), |request, before| {
        (request.method == "POST" && before < 2).then_some(Reply::Reset)
    });
    let desk = rows(2);
    let object = ["import", "a.csv", "--object", "accounts", "--json"];
    desk.carafe(object).at(&crm.address()).ends_with(7);
    let done = desk
        .carafe(["settle", "last", "--resend", "2", "--drop", "3", "--json"])
        .at(&crm.address())
        .ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 2, "created": 1, "rejected": 1 }));
    assert_eq!(names(&crm), ["Row 0"]);
    assert!(desk.run_text("rejects.csv").contains("given up with settle --drop"));
}

#[test]
fn a_run_whose_doubts_are_decided_is_not_finished_while_rows_are_still_to_be_sent() {
    let crm = Tiny::scripted(accounts(&[]), |request, before| {
        (request.method == "POST" && before == 0).then_some(Reply::Reset)
    });
    let desk = rows(9);
    let call =
        ["import", "a.csv", "--object", "accounts", "--json", "--max-calls", "5", "--concurrency", "1"];
    let stopped = desk.carafe(call).at(&crm.address()).run();
    let row = desk.errors()[0]["row"].to_string();
    assert_eq!(stopped.rows()["unknown"], 1);
    let done = desk.carafe(["settle", "last", "--drop", &row, "--json"]).at(&crm.address()).run();
    assert_eq!((&done.json()["state"], &done.rows()["rejected"]), (&json!("stopped"), &json!(1)));
    assert_eq!(done.rows()["unprocessed"], stopped.rows()["unprocessed"], "nothing else is sent");
    let done = resume(&desk, &crm).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 9, "created": 8, "rejected": 1 }));
    assert_eq!(done.json()["state"], "finished");
}

#[test]
fn a_plan_is_not_resumed_but_applied() {
    let (crm, desk) = (Tiny::serve(accounts(&[])), rows(3));
    import(&desk, &crm, &["--dry-run"]).ends_with(0);
    let refused = resume(&desk, &crm).ends_with(2);
    assert!(refused.stderr.contains("is a plan of which nothing was sent yet"), "{}", refused.stderr);
    assert_eq!(crm.writes(), 0);
}

#[test]
fn five_equal_refusals_end_the_run_and_reject_no_row() {
    let crm = Tiny::scripted(accounts(&[]), |request, before| {
        (request.method == "POST" && before >= 3).then(|| Reply::error(400, "Your plan is full"))
    });
    let desk = rows(30);
    let one_by_one = ["import", "a.csv", "-m", "m.yaml", "--json", "--concurrency", "1"];
    let done = desk.carafe(one_by_one).at(&crm.address()).ends_with(6);
    assert_eq!(done.rows(), json!({ "read": 30, "created": 3, "unprocessed": 27 }));
    assert_eq!(done.json()["state"], "stopped");
    assert!(!desk.run().join("rejects.csv").exists() && !desk.run().join("errors.jsonl").exists());
    crm.heal();
    resume(&desk, &crm).ends_with(0);
    assert_eq!(names(&crm).len(), 30);
}

#[test]
fn a_file_that_goes_in_twice_is_noticed() {
    let (crm, desk) = (Tiny::serve(accounts(&[])), rows(3));
    let import = || desk.carafe(["import", "a.csv", "--object", "accounts"]).at(&crm.address()).ends_with(0);
    assert_eq!(import().stderr, "");
    let run = desk.run().file_name().unwrap().to_str().unwrap().to_owned();
    let told = format!("notice: this file went into accounts before, by run {run} (3 rows created)\n");
    assert_eq!(import().stderr, told);
    // Rows with a key are found again: there is nothing to be sent.
    let keyed = desk.carafe(["import", "a.csv", "-m", "m.yaml", "--json"]).at(&crm.address()).run();
    assert_eq!(keyed.rows()["rejected"], 3, "each is there twice by now");
    assert!(!keyed.stderr.contains("went into"), "{}", keyed.stderr);
}

#[test]
fn a_file_whose_import_was_interrupted_is_to_be_resumed_instead() {
    let (crm, desk) = (Tiny::serve(accounts(&[])), rows(30));
    import(&desk, &crm, &["--max-calls", "12"]).ends_with(6);
    let run = desk.run().file_name().unwrap().to_str().unwrap().to_owned();
    let again = import(&desk, &crm, &[]).ends_with(0);
    assert!(
        again.stderr.contains(&format!("carafe resume {run} --base-url {} goes on with it", crm.address())),
        "{}",
        again.stderr
    );
}

#[test]
fn a_keyless_row_is_no_record_that_was_there_before_the_run() {
    let crm = Tiny::scripted(accounts(&[json!({ "id": 3, "name": "Old customer" })]), |request, _| {
        is_post_of(request, "Row 1").then_some(Reply::Reset)
    });
    let desk = rows(3);
    desk.carafe(["import", "a.csv", "--object", "accounts"]).at(&crm.address()).ends_with(7);
    let refused = desk.carafe(["settle", "last", "--adopt", "3=3"]).at(&crm.address()).ends_with(2);
    assert!(refused.stderr.contains("was there before the run"), "{}", refused.stderr);
}

#[test]
fn what_an_undo_leaves_unknown_can_still_be_settled() {
    let crm =
        Tiny::scripted(accounts(&[]), |request, _| is_post_of(request, "Row 1").then_some(Reply::Reset));
    let desk = rows(3);
    desk.carafe(["import", "a.csv", "--object", "accounts"]).at(&crm.address()).ends_with(7);
    let run = desk.run().file_name().unwrap().to_str().unwrap().to_owned();
    desk.carafe(["undo", &run, "--yes"]).at(&crm.address()).ends_with(0);
    let done = desk.carafe(["settle", &run, "--drop", "3", "--json"]).at(&crm.address()).ends_with(4);
    assert!(done.stderr.contains("was undone by run"), "{}", done.stderr);
}

#[test]
fn requests_of_a_process_that_was_killed_are_counted() {
    let gate = Gate::default();
    let held = gate.clone();
    let crm = Tiny::scripted(accounts(&[]), move |request, before| {
        if request.method == "POST" && before == 9 {
            held.wait();
        }
        None
    });
    let desk = rows(20);
    let running = import(&desk, &crm, &[]).start();
    crm.wait_for("POST", 10);
    running.signal("KILL");
    running.end();
    gate.open();
    let done = resume(&desk, &crm).ends_with(0);
    assert!(done.json()["calls"]["post"].as_u64().unwrap() >= 20, "{}", done.json()["calls"]);
}

#[test]
fn a_store_that_lost_its_log_or_was_emptied_is_not_taken_for_one_that_sent_nothing() {
    let gate = Gate::default();
    let held = gate.clone();
    let crm = Tiny::scripted(accounts(&[]), move |request, before| {
        if request.method == "POST" && before == 9 {
            held.wait();
        }
        None
    });
    let desk = rows(20);
    let running = import(&desk, &crm, &[]).start();
    crm.wait_for("POST", 10);
    running.signal("KILL");
    running.end();
    gate.open();
    std::fs::remove_file(desk.run().join("run.db-wal")).unwrap();
    let refused = resume(&desk, &crm).ends_with(1);
    assert!(refused.stderr.contains("run.db-wal is missing"), "{}", refused.stderr);

    let desk = rows(2);
    import(&desk, &crm, &[]).ends_with(0);
    std::fs::write(desk.run().join("run.db"), "").unwrap();
    let refused = resume(&desk, &crm).ends_with(1);
    assert!(refused.stderr.contains("records may have been created"), "{}", refused.stderr);
}

#[test]
fn a_file_is_told_to_be_going_in_right_now_or_to_have_left_rows_unknown() {
    let gate = Gate::default();
    let held = gate.clone();
    let crm = Tiny::scripted(accounts(&[]), move |request, before| {
        (request.method == "POST" && before == 0).then(|| {
            held.wait();
            Reply::Reset
        })
    });
    let (desk, object) = (rows(1), ["import", "a.csv", "--object", "accounts"]);
    let running = desk.carafe(object).at(&crm.address()).start();
    crm.wait_for("POST", 1);
    let run = desk.run().file_name().unwrap().to_str().unwrap().to_owned();
    let now = desk.carafe(object).at(&crm.address()).ends_with(0);
    assert!(
        now.stderr
            .contains(&format!("this file is going into accounts right now, by run {run} (nothing yet)")),
        "{}",
        now.stderr
    );
    let second = desk.runs().into_iter().find(|folder| !folder.ends_with(&run)).unwrap();
    // Nothing is left of that one, neither its run nor its record.
    std::fs::remove_dir_all(second).unwrap();
    crm.become_another(accounts(&[]));
    gate.open();
    running.end().is(7);
    let told = desk.carafe(object).at(&crm.address()).ends_with(0).stderr;
    assert!(
        told.contains(&format!(
            "(1 row left unknown): carafe settle {run} --base-url {} finds out about the unknown ones",
            crm.address()
        )),
        "{told}"
    );
    // Into the CRM of another company it goes for the first time.
    let other = Tiny::serve(accounts(&[]));
    assert_eq!(desk.carafe(object).at(&other.address()).ends_with(0).stderr, "");
}
