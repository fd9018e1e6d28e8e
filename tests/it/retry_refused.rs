//! What `retry` does not send: rows that may be in the CRM, and rows that come as they were.

use serde_json::json;

use crate::retry::{findings, run_of};
use crate::support::Desk;
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
    crate::retry::correct(&desk, &first, &[("A,x", "A,1")]);
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
