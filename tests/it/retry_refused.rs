//! What `retry` does not send: rows that may be in the CRM, and rows that come as they were.

use serde_json::json;

use crate::retry::{MAPPING, correct, findings, retry, run_of};
use crate::support::{Crm, Desk};
use crate::tiny::{Reply, Tiny, accounts};

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
        assert!(refused.contains(&format!("carafe retry {first} my rejects.csv")), "{refused}");
    }
    assert_eq!(crm.account("A")["phone"], "7");
}
