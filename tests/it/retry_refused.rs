//! What `retry` does not send: rows that may be in the CRM, and rows that come as they were.

use serde_json::json;

use crate::retry::{BY_NAME_AND_SCORE, MAPPING, correct, findings, retry, run_of};
use crate::support::{Crm, Desk};
use crate::tiny::{Reply, Tiny, accounts};
use crate::workbook::{Sheet, book, texts};

#[test]
fn a_row_that_was_given_up_is_not_sent_again() {
    let crm = Tiny::scripted(accounts(&[]), |request, _| {
        (request.method == "POST" && request.body.contains("\"A\"")).then_some(Reply::Reset)
    });
    let desk = Desk::with("a.csv", "name,leadscore\nA,1\nB,2\n");
    let carafe = |arguments: &[&str]| desk.carafe(arguments.iter().copied()).at(&crm.address()).run();
    carafe(&["import", "a.csv", "--object", "accounts"]).is(7);
    let dropped = carafe(&["settle", "last", "--drop", "2"]);
    dropped.is(4);
    assert!(!dropped.stdout.contains("carafe retry"), "{}", dropped.stdout);
    let step = "rejects.csv: what is not there goes into an import of its own";
    assert!(dropped.stdout.contains(step), "{}", dropped.stdout);

    let posts = crm.asked_by("POST").len();
    let again = carafe(&["retry", "last", "--json"]);
    again.is(4);
    let run = again.json()["retry"]["of"].as_str().unwrap().to_owned();
    assert_eq!(again.json()["retry"], json!({ "of": run, "fixed": 0, "rejected": 1 }));
    let why = "given up with settle --drop; whether the CRM has it was not found out";
    let wanted = [(2, "not_rejected".to_owned(), format!("row 2 of run {run} was {why}"))];
    assert_eq!(findings(&desk, &again), wanted);
    assert_eq!(crm.asked_by("POST").len(), posts);

    // The way out: a file of its own.
    crm.heal();
    let file = format!(".carafe/runs/{run}/rejects.csv");
    carafe(&["import", &file, "--object", "accounts"]).is(0);
    assert_eq!(crm.records("accounts").len(), 2);
}

#[test]
fn a_row_that_was_given_up_in_a_retry_is_not_sent_again_either() {
    let crm = Tiny::scripted(accounts(&[]), |request, before| {
        (request.method == "POST" && before == 0).then_some(Reply::Reset)
    });
    let desk = Desk::with("a.csv", "name,leadscore\nA,x\n");
    let carafe = |arguments: &[&str]| {
        desk.carafe(arguments.iter().copied().chain(["--json"])).at(&crm.address()).run()
    };
    let first = run_of(&carafe(&["import", "a.csv", "--object", "accounts"]));
    correct(&desk, &first, &[("A,x", "A,1")]);
    let lost = carafe(&["retry", &first]);
    lost.is(7);
    carafe(&["settle", &run_of(&lost), "--drop", "2"]).is(4);
    for run in [first, run_of(&lost)] {
        let again = carafe(&["retry", &run]);
        let (_, code, message) = findings(&desk, &again).remove(0);
        assert_eq!(code, "not_rejected");
        assert!(message.contains(&format!("was, in run {}, given up", run_of(&lost))), "{message}");
    }
    assert_eq!(crm.asked_by("POST").len(), 1);
}

#[test]
fn a_retry_that_was_declined_is_begun_anew_and_not_applied() {
    let (crm, desk) =
        (Crm::start(), Desk::with("m.yaml", MAPPING.replace("create", "update\nmatch: [name]")));
    desk.write("known.csv", "name,phone\nA,1\nB,1\n");
    crm.carafe(&desk, ["import", "known.csv", "--object", "accounts"]).ends_with(0);
    desk.write("a.csv", "Company,Tel,Kind\nA,,Custmer\nB,2,Nope\n");
    let first = crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml", "--on-blank", "clear", "--json"]).run();
    let first = run_of(&first);
    correct(&desk, &first, &[("Custmer", "Customer")]);
    std::fs::rename(desk.path(format!(".carafe/runs/{first}/rejects.csv")), desk.path("my rejects.csv"))
        .unwrap();

    let asked = retry(&crm, &desk, &[&first, "my rejects.csv"]);
    asked.is(2);
    let advice = format!("carafe retry {first} 'my rejects.csv' --yes --base-url {}", crm.address());
    assert_eq!(asked.json()["error"]["advice"], format!("to go ahead: {advice}"));
    let plan = crm.carafe(&desk, ["runs", "last", "--json"]).run().json()["run"].as_str().unwrap().to_owned();
    retry(&crm, &desk, &[&first, "my rejects.csv", "--yes"]).is(4);
    crm.act("PATCH", "accounts", &crm.account("A")["id"], r#"{"phone":"7"}"#);

    for act in ["apply", "resume"] {
        let refused = crm.carafe(&desk, [act, &plan, "--yes"]).ends_with(2).stderr;
        assert!(refused.contains(&format!("run {plan} is the plan of a retry")), "{refused}");
        let advice =
            format!("begin anew with my rejects.csv: carafe retry {first} --base-url {} FILE", crm.address());
        assert!(refused.contains(&advice), "{refused}");
    }
    assert_eq!(crm.account("A")["phone"], "7");
}

#[test]
fn a_conflict_that_comes_as_it_was_writes_over_nothing() {
    let record = |id: u64| json!({ "id": id, "name": format!("A{id}"), "phone": "1" });
    let crm = Tiny::serve(accounts(&[record(7), record(8)]));
    let desk = Desk::with("a.csv", "id,phone\n7,2\n8,2\n");
    let carafe = |arguments: &[&str]| {
        desk.carafe(arguments.iter().copied().chain(["--json"])).at(&crm.address()).run()
    };
    carafe(&["import", "a.csv", "--object", "accounts", "--mode", "update", "--dry-run"]).is(0);
    let phones = |seven: &str, eight: &str| {
        let phone = |at: usize| crm.records("accounts")[at]["phone"].as_str().unwrap().to_owned();
        assert_eq!([phone(0), phone(1)], [seven, eight]);
    };
    crm.change("accounts", 7, "phone", json!("3"));
    crm.change("accounts", 8, "phone", json!("3"));
    let mut last = carafe(&["apply", "last"]);
    for _ in 0..2 {
        let again = carafe(&["retry", &run_of(&last)]);
        again.is(4);
        assert_eq!(again.rows(), json!({ "read": 2, "rejected": 2 }));
        let sentence = "as it was refused, for what somebody else did in the CRM; correct a cell, or empty _code to send it as it is";
        let of = |row| (row, "conflict".to_owned(), sentence.to_owned());
        assert_eq!(findings(&desk, &again), [of(2), of(3)]);
        phones("3", "3");
        last = again;
    }
    // Corrected, or meant as it stands.
    let run = run_of(&last);
    correct(
        &desk,
        &run,
        &[("7,2,", "7,4,"), (&format!("8,2,3,{run},,conflict,"), &format!("8,2,3,{run},,,"))],
    );
    carafe(&["retry", &run]).is(0);
    phones("4", "2");
}

#[test]
fn a_duplicate_that_comes_as_it_was_is_refused_again_whatever_the_file() {
    let crm = Crm::start();
    let desk = Desk::with("m.yaml", BY_NAME_AND_SCORE);
    let sheet = Sheet::new("Leads").row(texts(["name", "leadscore"]));
    desk.write("a.xlsx", book(&[sheet.row(texts(["A", "1"])).row(texts(["A", "2"]))]));
    desk.write("a.jsonl", "{\"name\":\"A\"}\n{\"leadscore\":2e0,\"x\":true,\"name\":\"A\"}\n");
    desk.write("a.csv", "name,leadscore\nA,1\nA,\" 2\"\n");
    for file in ["a.xlsx", "a.jsonl", "a.csv"] {
        let done = crm.carafe(&desk, ["import", file, "-m", "m.yaml", "--json"]).ends_with(4);
        assert_eq!(done.rows()["rejected"], 1, "{file}");
        let again = retry(&crm, &desk, &["last"]);
        assert_eq!(again.rows(), json!({ "read": 1, "rejected": 1 }), "{file}");
        let (_, code, message) = findings(&desk, &again).remove(0);
        assert_eq!(code, "duplicate");
        assert!(message.starts_with("as it was refused, a duplicate of another row; "), "{message}");
        assert_eq!(again.json()["calls"]["patch"], 0);
    }
}

#[test]
fn a_line_that_was_no_json_is_the_same_row_over_any_number_of_retries() {
    let (crm, desk) = (Crm::start(), Desk::new());
    desk.write("a.jsonl", "{\"name\":\"A\",\"phone\":\"1\"}\n[1]\n{\"name\":\"B\",\n");
    let first = crm.carafe(&desk, ["import", "a.jsonl", "--object", "accounts", "--json"]).ends_with(4);
    let mut last = run_of(&first);
    let lines = |run: &str| format!(".carafe/runs/{run}/rejects.jsonl");
    let raw = [r#""_raw":"[1]""#, r#""_raw":"{\"name\":\"B\",""#];
    // Untouched, then one corrected, then the other.
    for (line, fixed) in
        [(None, 0), (Some((raw[1], r#""name":"B""#)), 1), (Some((raw[0], r#""name":"C""#)), 2)]
    {
        if let Some((from, to)) = line {
            let text = desk.text(lines(&last));
            assert!(text.contains(from), "{text}");
            desk.write(&lines(&last), text.replace(from, to));
        }
        let done = retry(&crm, &desk, &[&last]);
        assert_eq!(done.json()["retry"], json!({ "of": run_of(&first), "fixed": fixed, "rejected": 2 }));
        if fixed < 2 {
            let found = findings(&desk, &done);
            assert!(found.iter().all(|(_, code, _)| code == "not_json"), "{found:?}");
        }
        last = run_of(&done);
    }
    crm.account("B");
    crm.account("C");
}

#[test]
fn a_column_that_was_taken_out_is_missed_without_a_mapping_too() {
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", "Name,phone,type\nA,1,Custmer\n"));
    crm.carafe(&desk, ["import", "a.csv", "--object", "accounts"]).ends_with(4);
    let text = desk.run_text("rejects.csv");
    desk.write("r.csv", text.replace("Name,phone,", "name,").replace("A,1,Custmer", "A,Customer"));
    let done = retry(&crm, &desk, &["last", "r.csv"]);
    done.is(2);
    let run = desk.run().file_name().unwrap().to_str().unwrap().to_owned();
    let message = format!("r.csv has no column \"phone\", and the file of run {run} has");
    assert_eq!(done.json()["error"]["message"], message);
    desk.write("r.csv", text.replace("Name,", " NAME,").replace("Custmer", "Customer"));
    retry(&crm, &desk, &["last", "r.csv"]).is(0);
}
