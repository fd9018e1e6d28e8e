//! `runs`: what has been done so far.

use serde_json::json;

use crate::support::{Crm, Desk};

#[test]
fn runs_are_listed_the_oldest_first_and_shown_one_by_one() {
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", "name,type\nX,Customer\nY,Custmer\n"));
    let import = ["import", "a.csv", "--object", "accounts", "--json"];
    let first = crm.carafe(&desk, import).ends_with(4).json();
    let second = crm.carafe(&desk, import.into_iter().chain(["--dry-run"])).ends_with(4).json();

    // Neither network nor token is needed to look at them.
    let list = desk.carafe(["runs", "--json"]).ends_with(0).json()["runs"].clone();
    let line = |document: &serde_json::Value| json!({ "run": document["run"], "command": "import", "object": "accounts", "state": document["state"], "rows": document["rows"] });
    assert_eq!(list, json!([line(&first), line(&second)]));
    let words = desk.carafe(["runs"]).ends_with(0).stdout;
    let run = first["run"].as_str().unwrap();
    assert!(words.contains(&format!("{run}  import   finished  2     1         0")), "{words}");

    assert_eq!(desk.carafe(["runs", "last", "--json"]).ends_with(0).json(), second);
    assert_eq!(desk.carafe(["runs", run, "--json"]).ends_with(0).json(), first);
    let shown = desk.carafe(["runs", run]).ends_with(0).stdout;
    for part in [
        "  import into accounts: finished\n",
        "          1   created\n          1   rejected\n          2   rows\n",
        &format!("  rejects  .carafe/runs/{run}/rejects.csv\n"),
    ] {
        assert!(shown.contains(part), "{part}\n---\n{shown}");
    }
}

#[test]
fn no_runs_yet_is_no_fault_and_an_unknown_one_is() {
    let desk = Desk::new();
    let none = desk.carafe(["runs"]).ends_with(0);
    assert_eq!((none.stdout.as_str(), none.stderr.as_str()), ("", "there are no runs in .carafe/runs yet\n"));
    assert_eq!(desk.carafe(["runs", "--json"]).ends_with(0).json(), json!({ "runs": [] }));
    desk.carafe(["runs", "last"]).run().fails(2, "error: there are no runs in .carafe/runs");

    let crm = Crm::start();
    desk.write("a.csv", "name\nX\n");
    for _ in 0..2 {
        crm.carafe(&desk, ["import", "a.csv", "--object", "accounts"]).ends_with(0);
    }
    desk.carafe(["runs", "nope"])
        .run()
        .fails(2, "error: there is no run \"nope\" in .carafe/runs; see: carafe runs");
    let both = desk.carafe(["runs", "2"]).ends_with(2);
    assert!(both.stderr.starts_with("error: \"2\" names 2 runs ("), "{}", both.stderr);
}

#[test]
fn a_run_that_is_under_way_is_listed_and_cannot_be_applied() {
    let gate = crate::tiny::Gate::default();
    let held = gate.clone();
    let crm = crate::tiny::Tiny::scripted(crate::tiny::accounts(&[]), move |request, _| {
        if request.method == "POST" {
            held.wait();
        }
        None
    });
    let desk = Desk::with("a.csv", "name\nX\n");
    let running = desk.carafe(["import", "a.csv", "--object", "accounts"]).at(&crm.address()).start();
    crm.wait_for("POST", 1);
    assert_eq!(desk.carafe(["runs", "--json"]).ends_with(0).json()["runs"][0]["state"], "running");
    let refused = desk.carafe(["apply", "last"]).at(&crm.address()).ends_with(2);
    assert!(refused.stderr.contains("is active"), "{}", refused.stderr);
    gate.open();
    running.end().is(0);
}
