//! A dry run, and sending exactly what it planned.

use serde_json::json;

use crate::support::{BY_NAME, Crm, Desk};
use crate::tiny::{Tiny, accounts};

const ROWS: &str = "Company,Tel,Notes\nAcme,2,\nNew,3,\nSame,1,\nAcme,9,\n";

fn tiny_and_desk() -> (Tiny, Desk) {
    let known =
        [json!({ "id": 7, "name": "Acme", "phone": "1" }), json!({ "id": 8, "name": "Same", "phone": "1" })];
    let desk = Desk::with("m.yaml", BY_NAME.replace("  type: Kind\n", ""));
    desk.write("a.csv", ROWS);
    (Tiny::serve(accounts(&known)), desk)
}

const DRY: [&str; 6] = ["import", "a.csv", "-m", "m.yaml", "--dry-run", "--json"];

#[test]
fn a_dry_run_foretells_rows_and_exit_code_and_writes_nothing() {
    let (crm, desk) = tiny_and_desk();
    let done = desk.carafe(DRY).at(&crm.address()).ends_with(4);
    let rows = json!({ "read": 4, "created": 1, "updated": 1, "unchanged": 1, "rejected": 1 });
    assert_eq!(done.rows(), rows);
    let document = done.document();
    assert_eq!((&document["state"], &document["command"]), (&json!("planned"), &json!("import")));
    assert_eq!(document["causes"][0]["code"], "duplicate");
    assert!(crm.asked().iter().all(|request| request.method == "GET"), "{:?}", crm.asked());
    let run = document["files"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(run, ["errors", "rejects", "results", "summary"]);

    let truth = desk.carafe(["import", "a.csv", "-m", "m.yaml", "--json"]).at(&crm.address()).ends_with(4);
    assert_eq!(truth.rows(), rows);
}

#[test]
fn a_dry_run_without_rejects_exits_0() {
    let (crm, desk) = tiny_and_desk();
    desk.write("a.csv", "Company,Tel,Notes\nNew,3,\n");
    desk.carafe(DRY).at(&crm.address()).ends_with(0);
    assert_eq!(crm.writes(), 0);
}

#[test]
fn apply_sends_exactly_the_plan_and_needs_no_file_for_it() {
    let (crm, desk) = tiny_and_desk();
    desk.carafe(DRY).at(&crm.address()).ends_with(4);
    let reads = crm.asked().len();
    std::fs::remove_file(desk.path("a.csv")).unwrap();
    std::fs::remove_file(desk.path("m.yaml")).unwrap();
    let done = desk.carafe(["apply", "last", "--json"]).at(&crm.address()).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 4, "created": 1, "updated": 1, "unchanged": 1, "rejected": 1 }));
    assert_eq!(done.json()["state"], "finished");
    assert!(done.stderr.contains("a.csv is not there any more"), "{}", done.stderr);
    let store = rusqlite::Connection::open(desk.run().join("run.db")).unwrap();
    let sql = "SELECT group_concat(action || ' ' || status, ', ') FROM (SELECT * FROM rows WHERE status > 0 ORDER BY action)";
    let answered: String = store.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(answered, "create 201, update 200");
    let calls = done.json()["calls"]["total"].as_u64().unwrap();
    assert_eq!(calls, crm.asked().len() as u64, "the calls of both processes");
    let mut sent: Vec<_> = crm.asked()[reads..]
        .iter()
        .filter(|r| r.method != "GET")
        .map(|r| (r.method.clone(), r.path.clone(), r.json()))
        .collect();
    sent.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        sent,
        [
            ("PATCH".to_owned(), "/accounts/7".to_owned(), json!({ "phone": "2" })),
            ("POST".to_owned(), "/accounts".to_owned(), json!({ "name": "New", "phone": "3" })),
        ]
    );
    assert_eq!(desk.runs().len(), 1, "apply goes on with the run");
}

#[test]
fn apply_refuses_a_file_or_a_mapping_that_changed_and_names_the_first_difference() {
    let (crm, desk) = tiny_and_desk();
    desk.carafe(DRY).at(&crm.address()).ends_with(4);
    let (rows, mapping) = (desk.text("a.csv"), desk.text("m.yaml"));
    let refused = |difference: &str| {
        let refused = desk.carafe(["apply", "last"]).at(&crm.address()).ends_with(2);
        assert!(refused.stderr.contains(difference), "{}", refused.stderr);
        assert_eq!(crm.writes(), 0);
    };
    let lines: Vec<&str> = rows.lines().collect();
    desk.write("a.csv", rows.replace(lines[2], "Something else,0,"));
    refused("a.csv changed since the run was planned: row 3 is the first that differs");
    desk.write("a.csv", format!("{rows}One more,0,\n"));
    refused(&format!("row {} is the first that differs", lines.len() + 1));
    desk.write("a.csv", format!("{}\n", lines[..lines.len() - 1].join("\n")));
    refused(&format!("row {} is the first that differs", lines.len()));
    desk.write("a.csv", &rows);
    desk.write("m.yaml", mapping.replace("Tel", "Phone"));
    refused("changed since the run was planned: line ");
    desk.write("m.yaml", &mapping);
    desk.carafe(["apply", "last"]).at(&crm.address()).ends_with(4);
}

#[test]
fn a_plan_is_applied_once() {
    let (crm, desk) = tiny_and_desk();
    desk.carafe(DRY).at(&crm.address()).ends_with(4);
    desk.carafe(["apply", "last"]).at(&crm.address()).ends_with(4);
    let writes = crm.writes();
    let again = desk.carafe(["apply", "last"]).at(&crm.address()).run();
    let run = desk.run().file_name().unwrap().to_str().unwrap().to_owned();
    again.fails(
        2,
        &format!("error: run {run} is finished; only a plan that was not sent yet can be applied\n  make a plan with: carafe import FILE -m MAPPING --dry-run"),
    );
    assert_eq!(crm.writes(), writes);
}

#[test]
fn a_plan_is_applied_only_to_the_crm_it_was_made_for() {
    let (crm, desk) = tiny_and_desk();
    let other = Crm::start();
    desk.carafe(DRY).at(&crm.address()).ends_with(4);
    let refused = other.carafe(&desk, ["apply", "last"]).ends_with(2);
    assert!(refused.stderr.contains(&format!("was planned for {}", crm.address())), "{}", refused.stderr);
    desk.carafe(["apply", "last"]).at(&crm.address()).ends_with(4);
}

#[test]
fn a_declined_deletion_stays_a_plan_that_apply_sends() {
    let (crm, desk) = tiny_and_desk();
    desk.write("a.csv", "Company,Tel,Notes\nAcme,,\n");
    let refused =
        desk.carafe(["import", "a.csv", "-m", "m.yaml", "--mode", "delete"]).at(&crm.address()).run();
    let run = desk.run().file_name().unwrap().to_str().unwrap().to_owned();
    refused.fails(
        2,
        &format!(
            "error: this deletes 1 record of accounts in {}\n  nothing was sent: there is no terminal to answer on\n  to go ahead: carafe apply {run} --yes --base-url {}",
            crm.address().trim_start_matches("http://"),
            crm.address()
        ),
    );
    assert_eq!(crm.writes(), 0);
    desk.carafe(["apply", &run[..8], "--yes"]).at(&crm.address()).ends_with(0);
    assert_eq!(crm.records("accounts").len(), 1);
}

#[test]
fn a_record_that_went_since_the_plan_is_a_conflict_and_no_new_record() {
    let (crm, desk) = tiny_and_desk();
    desk.carafe(DRY).at(&crm.address()).ends_with(4);
    desk.write("gone.csv", "id\n7\n");
    let arguments =
        ["import", "gone.csv", "--object", "accounts", "--mode", "delete", "--yes", "--runs-dir", "other"];
    desk.carafe(arguments).at(&crm.address()).ends_with(0);
    let done = desk.carafe(["apply", "last", "--json"]).at(&crm.address()).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 4, "created": 1, "unchanged": 1, "rejected": 2 }));
    assert!(done.json()["causes"].as_array().unwrap().iter().any(|cause| cause["code"] == "conflict"));
}

#[test]
fn the_words_of_a_dry_run_show_updates_before_and_after() {
    let (crm, desk) = (Crm::start(), Desk::with("m.yaml", BY_NAME));
    desk.write("a.csv", "Company,Tel,Kind,Notes\n3M,999,,\nNeu,,,\n");
    let done = crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml", "--dry-run"]).ends_with(0);
    let run = desk.run().file_name().unwrap().to_str().unwrap().to_owned();
    let text = done.stdout.replace(&run, "RUN").replace(&crm.address(), "CRM");
    for line in [
        "Plan made; nothing was sent   RUN\n",
        "\n          1   to create\n          1   to update\n          2   rows, all accounted for\n",
        "\n  the first updates, before → after\n  row 2  id 95920978  phone  \"+1 651 733 1110\" → \"999\"\n",
        "\n  next     send this plan: carafe apply RUN --base-url CRM\n",
    ] {
        assert!(text.contains(line), "{line}\n---\n{text}");
    }
}
