//! `undo`: what a run did is taken back, but for what anyone changed since.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Map, Value as Json, json};

use crate::support::{BY_NAME, Call, Crm, Desk, Done};
use crate::tiny::{Gate, Reply, Request, Tiny, accounts};

/// All accounts by id, but for who modified them when.
fn all(crm: &Crm) -> Vec<Json> {
    let mut records = crm.records("accounts", "{}");
    assert!(records.len() < 100, "more than one page");
    for record in &mut records {
        for name in ["modifieddate", "modifiedby"] {
            record.as_object_mut().unwrap().remove(name);
        }
    }
    records
}

/// The id of the last run.
fn last(crm: &Crm, desk: &Desk) -> String {
    crm.carafe(desk, ["runs", "last", "--json"]).run().json()["run"].as_str().unwrap().to_owned()
}

fn undo(crm: &Crm, desk: &Desk) -> Done {
    crm.carafe(desk, ["undo", "last", "--yes", "--json"]).run()
}

/// A CRM with two accounts, of which the file changes one, and five rows of
/// all kinds: created twice, updated, unchanged, rejected.
fn mixed() -> (Crm, Desk, Vec<Json>) {
    let (crm, desk) = (Crm::start(), Desk::with("m.yaml", BY_NAME));
    desk.write(
        "known.csv",
        "name,phone,notes,inceptiondate,annualvalue\nOld Ltd,1,\"a\nb\",2020-02-29,1200.50\nSame Ltd,5,,,\n",
    );
    crm.carafe(&desk, ["import", "known.csv", "--object", "accounts", "--mode", "create"]).ends_with(0);
    let before = all(&crm);
    desk.write(
        "m.yaml",
        "version: 1\nobject: accounts\nmode: upsert\nmatch: [name]\nfields:\n  name: Company\n  phone: Tel\n  type: Kind\n  notes: { from: Notes, blank: clear }\n  website: Web\n  inceptiondate: { from: Since, date: \"%d.%m.%Y\" }\n  annualvalue: { from: Value, decimal: \",\" }\n",
    );
    desk.write(
        "a.csv",
        "Company;Tel;Kind;Notes;Web;Since;Value\n\
         New A;1;Customer;x;;01.02.2024;\n\
         Old Ltd;2;Customer;;www.old.example;01.03.2024;7,5\n\
         Same Ltd;5;;;;;\n\
         Bad Ltd;1;Custmer;;;;\n\
         New B;1;;;;;\n",
    );
    let done = crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml", "--yes", "--json"]).ends_with(4);
    let rows = json!({ "read": 5, "created": 2, "updated": 1, "unchanged": 1, "rejected": 1 });
    assert_eq!(done.rows(), rows);
    assert_ne!(all(&crm), before);
    (crm, desk, before)
}

#[test]
fn a_mixed_run_leaves_the_records_as_they_were_field_by_field() {
    let (crm, desk, before) = mixed();
    let first = last(&crm, &desk);
    let done = undo(&crm, &desk);
    done.is(0);
    assert_eq!(done.rows(), json!({ "read": 3, "updated": 1, "deleted": 2 }));
    assert_eq!(all(&crm), before);
    let document = done.json();
    let told = ["command", "mode", "object", "state"].map(|name| document[name].as_str().unwrap().to_owned());
    assert_eq!(told, ["undo", "undo", "accounts", "finished"]);
    assert_eq!(document["undo_of"], first.as_str());
    let results = desk.text(document["files"]["results"].as_str().unwrap());
    let lines: Vec<(&str, &str)> = results
        .lines()
        .map(|line| (line.split(',').next().unwrap(), line.rsplit(',').next().unwrap()))
        .collect();
    assert_eq!(lines, [("_row", "outcome"), ("2", "deleted"), ("3", "updated"), ("6", "deleted")]);
    let runs = crm.carafe(&desk, ["runs"]).ends_with(0).stdout;
    assert!(runs.lines().last().unwrap().contains("  undo  "), "{runs}");
    // What an undo wrote can be verified like any run.
    let verified = crm.carafe(&desk, ["verify", "last", "--json"]).ends_with(0).json();
    assert_eq!((&verified["records"], &verified["differing"]), (&json!(3), &json!(0)));
}

#[test]
fn what_a_second_client_changed_in_whatever_field_is_kept_and_listed() {
    let (crm, desk, before) = mixed();
    let (new, old) = (crm.account("New A"), crm.account("Old Ltd"));
    // Neither field is one that the run wrote, and all of it happens at once.
    crm.act("PATCH", "accounts", &new["id"], r#"{"addresscity":"Ulm"}"#);
    crm.act("PATCH", "accounts", &old["id"], r#"{"leadscore":5}"#);
    let (new, old) = (crm.account("New A"), crm.account("Old Ltd"));
    let done = undo(&crm, &desk);
    done.is(4);
    assert_eq!(done.rows(), json!({ "read": 3, "deleted": 1, "rejected": 2 }));
    assert_eq!((crm.account("New A"), crm.account("Old Ltd")), (new, old), "kept as they are");
    assert_eq!(all(&crm).len(), before.len() + 1, "New B is gone, New A is kept");

    let document = done.json();
    let rejects = desk.text(document["files"]["rejects"].as_str().unwrap());
    let lines: Vec<&str> = rejects.lines().collect();
    assert!(lines[1].starts_with("New A;1;Customer;x;;01.02.2024;;2;"), "{rejects}");
    assert!(lines[1].ends_with("conflict;kept: somebody changed the record since the run"), "{rejects}");
    assert!(lines[2].starts_with("Old Ltd;2;"), "{rejects}");
    assert_eq!(document["causes"][0]["rows"], 2);

    // Once more: those that were taken back are left out, those that were kept still are.
    let run = document["undo_of"].as_str().unwrap();
    let again = crm.carafe(&desk, ["undo", run, "--yes", "--json"]).ends_with(4);
    assert_eq!(again.rows(), json!({ "read": 2, "rejected": 2 }));
    // And where the edit is taken back by hand, so is the row.
    crm.act("DELETE", "accounts", &crm.account("New A")["id"], "");
    let again = crm.carafe(&desk, ["undo", run, "--yes", "--json"]).ends_with(4);
    assert_eq!(again.rows(), json!({ "read": 2, "deleted": 1, "rejected": 1 }));
}

#[test]
fn what_is_as_before_needs_nothing_and_what_is_gone_is_told_by_the_crm_itself() {
    let (crm, desk, _) = mixed();
    crm.act("DELETE", "accounts", &crm.account("New B")["id"], "");
    crm.act(
        "PATCH",
        "accounts",
        &crm.account("Old Ltd")["id"],
        r#"{"phone":"1","type":null,"notes":"a\nb","website":"","inceptiondate":"2020-02-29","annualvalue":1200.5}"#,
    );
    let done = undo(&crm, &desk);
    done.is(0);
    assert_eq!(done.rows(), json!({ "read": 3, "unchanged": 1, "deleted": 2 }));
    // That a list lacks a record is no proof that it is gone.
    assert_eq!(done.json()["calls"]["delete"], 2);
}

#[test]
fn an_updated_record_that_went_is_listed() {
    let (crm, desk, _) = mixed();
    crm.act("DELETE", "accounts", &crm.account("Old Ltd")["id"], "");
    let done = undo(&crm, &desk);
    done.is(4);
    assert_eq!(done.rows(), json!({ "read": 3, "deleted": 2, "rejected": 1 }));
    assert_eq!(done.json()["causes"][0]["message"], "the record went since the run changed it");
}

#[test]
fn without_a_terminal_it_needs_yes_and_leaves_no_run_behind() {
    let (crm, desk, _) = mixed();
    let (records, runs) = (all(&crm), desk.runs());
    let run = last(&crm, &desk);
    let address = crm.address();
    let host = address.strip_prefix("http://").unwrap();
    crm.carafe(&desk, ["undo", "last"]).run().fails(
        2,
        &format!(
            "error: this deletes 2 records and restores 1 record of accounts in {host}\n  nothing was sent: there is no terminal to answer on\n  to go ahead: carafe undo {run} --yes --base-url {address}"
        ),
    );
    assert_eq!((all(&crm), desk.runs()), (records, runs));
    undo(&crm, &desk).is(0);
}

#[test]
fn its_end_is_told_in_its_own_words() {
    let (crm, desk, _) = mixed();
    crm.act("PATCH", "accounts", &crm.account("New A")["id"], r#"{"phone":"9"}"#);
    let told = crm.carafe(&desk, ["undo", "last", "--yes"]).ends_with(4).stdout;
    for words in [
        "Undo finished with 1 row not undone",
        "  undoes   20",
        "          1   restored\n",
        "          1   deleted\n",
        "          1   rejected ",
        "why kept           1  kept: somebody changed the record since the run",
        "          3   rows, all accounted for",
        "were kept as they are: look at them by hand",
    ] {
        assert!(told.contains(words), "{words}\n{told}");
    }
    assert!(!told.contains("carafe import") && !told.contains("promise"), "{told}");
}

#[test]
fn runs_that_cannot_be_undone_are_refused_with_a_reason() {
    let (crm, desk, _) = mixed();
    let refused = |run: &str, words: &str| {
        let runs = desk.runs();
        let done = crm.carafe(&desk, ["undo", run, "--yes"]).ends_with(2);
        assert!(done.stderr.contains(words), "{words}\n{}", done.stderr);
        assert_eq!(desk.runs(), runs);
    };
    let first = last(&crm, &desk);
    undo(&crm, &desk).is(0);
    refused("last", "is an undo itself, and cannot be undone");
    refused(&first, &format!("run {first} was undone already, by run 20"));
    crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml", "--dry-run"]).ends_with(4);
    refused("last", "is a plan of which nothing was sent");
    desk.write("same.csv", "name\nSame Ltd\n");
    desk.write(
        "n.yaml",
        "version: 1\nobject: accounts\nmode: upsert\nmatch: [name]\nfields: { name: name }\n",
    );
    crm.carafe(&desk, ["import", "same.csv", "-m", "n.yaml"]).ends_with(0);
    refused("last", "wrote nothing; there is nothing to undo");
    let done = Crm::start().carafe(&desk, ["undo", &first, "--yes"]).ends_with(2);
    assert!(done.stderr.contains("was planned for http://127.0.0.1:"), "{}", done.stderr);
}

#[test]
fn what_the_run_deleted_does_not_come_back_and_is_listed() {
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", "name\nA\nB\n"));
    crm.carafe(&desk, ["import", "a.csv", "--object", "accounts"]).ends_with(0);
    desk.write("d.csv", format!("id\n{}\n", crm.account("A")["id"]));
    let arguments = ["import", "d.csv", "--object", "accounts", "--mode", "delete", "--yes"];
    crm.carafe(&desk, arguments).ends_with(0);
    let done = undo(&crm, &desk);
    done.is(4);
    assert_eq!(done.rows(), json!({ "read": 1, "rejected": 1 }));
    let cause = &done.json()["causes"][0];
    assert_eq!(cause["code"], "irreversible");
    let errors = desk.text(done.json()["files"]["errors"].as_str().unwrap());
    assert!(errors.contains("run.db, table rows, column before"), "{errors}");
    assert_eq!(done.json()["calls"]["total"], 0);
}

const THREE: &str = "id,name,phone\n7,Old,2\n,New 1,1\n,New 2,1\n";

fn three(script: impl Fn(&Request, usize) -> Option<Reply> + Send + Sync + 'static) -> (Tiny, Desk) {
    let known = [json!({ "id": 7, "name": "Old", "phone": "1" })];
    (Tiny::scripted(accounts(&known), script), Desk::with("a.csv", THREE))
}

fn import(desk: &Desk, crm: &Tiny) -> Call {
    desk.carafe(["import", "a.csv", "--object", "accounts", "--json"]).at(&crm.address())
}

fn old(phone: &str) -> Vec<Map<String, Json>> {
    let record = json!({ "id": 7, "name": "Old", "phone": phone });
    vec![record.as_object().unwrap().clone()]
}

#[test]
fn rows_are_taken_back_from_the_last_to_the_first() {
    let crm = Tiny::serve(accounts(&[]));
    let rows: String = (0..20).map(|n| format!("Row {n}\n")).collect();
    let desk = Desk::with("a.csv", format!("name\n{rows}"));
    import(&desk, &crm).ends_with(0);
    let results = desk.run_text("results.csv");
    let ids: Vec<&str> = results.lines().skip(1).map(|line| line.split(',').nth(1).unwrap()).collect();
    let undo = ["undo", "last", "--yes", "--concurrency", "1"];
    desk.carafe(undo).at(&crm.address()).ends_with(0);
    let deleted = crm.asked_by("DELETE");
    assert_eq!((deleted.len(), crm.records("accounts").len()), (20, 0));
    for (at, (request, id)) in deleted.iter().zip(ids.iter().rev()).enumerate() {
        // Of the two that are handed out at a time, either may arrive first.
        let near = deleted[at.saturating_sub(1)..(at + 2).min(20)].iter();
        assert!(near.clone().any(|near| near.path.ends_with(id)), "{at}: {request:?} {id}");
    }
}

#[test]
fn an_undo_that_stopped_is_resumed_and_cannot_be_begun_twice() {
    let (crm, desk) = three(|_, _| None);
    import(&desk, &crm).ends_with(0);
    // One call knows the CRM again, one looks at the records, one takes a row back.
    let arguments = ["undo", "last", "--yes", "--json", "--max-calls", "3", "--concurrency", "1"];
    let done = desk.carafe(arguments).at(&crm.address()).ends_with(6);
    assert_eq!(done.rows(), json!({ "read": 3, "deleted": 1, "unprocessed": 2 }));
    let (first, run) = (done.json()["undo_of"].clone(), done.json()["run"].clone());
    let again = desk.carafe(["undo", first.as_str().unwrap(), "--yes"]).at(&crm.address()).ends_with(2);
    assert!(again.stderr.contains(&format!("carafe resume {}", run.as_str().unwrap())), "{}", again.stderr);
    // The file may be another by now, or gone.
    std::fs::remove_file(desk.path("a.csv")).unwrap();
    let done = desk.carafe(["resume", "last", "--json"]).at(&crm.address()).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 3, "updated": 1, "deleted": 2 }));
    assert_eq!(crm.records("accounts"), old("1"));
}

#[test]
fn an_undo_that_was_killed_is_resumed() {
    let gate = Gate::default();
    let held = gate.clone();
    let (crm, desk) = three(move |request, _| {
        if request.method == "DELETE" {
            held.wait();
        }
        None
    });
    import(&desk, &crm).ends_with(0);
    let running = desk.carafe(["undo", "last", "--yes"]).at(&crm.address()).start();
    crm.wait_for("DELETE", 1);
    running.signal("KILL");
    assert_eq!(running.end().code, None);
    gate.open();
    let done = desk.carafe(["resume", "last", "--json"]).at(&crm.address()).ends_with(0);
    let rows = done.rows();
    assert_eq!((&rows["read"], &rows["deleted"]), (&json!(3), &json!(2)), "{rows}");
    assert_eq!(crm.records("accounts"), old("1"));
}

#[test]
fn a_doubt_about_a_delete_is_not_settled_over_what_a_second_client_changed() {
    let gate = Gate::default();
    let held = gate.clone();
    let crm = Tiny::scripted(accounts(&[]), move |request, _| {
        (request.method == "DELETE").then(|| {
            held.wait();
            Reply::error(500, "Something went wrong at our end")
        })
    });
    let desk = Desk::with("a.csv", "name,phone\nNew,1\n");
    import(&desk, &crm).ends_with(0);
    let arguments = ["undo", "last", "--yes", "--json", "--retries", "0"];
    let running = desk.carafe(arguments).at(&crm.address()).start();
    crm.wait_for("DELETE", 1);
    let id = crm.records("accounts")[0]["id"].as_u64().unwrap();
    crm.change("accounts", id, "notes", json!("called on Monday"));
    gate.open();
    let done = running.end();
    done.is(4);
    assert_eq!(done.rows(), json!({ "read": 1, "rejected": 1 }));
    assert_eq!(done.json()["causes"][0]["example"]["row"], 2);
    let errors = desk.text(done.json()["files"]["errors"].as_str().unwrap());
    assert!(
        errors.lines().last().unwrap().contains("kept: somebody changed the record since the run"),
        "{errors}"
    );
    assert_eq!((crm.asked_by("DELETE").len(), crm.records("accounts").len()), (1, 1));
}

#[test]
fn two_runs_over_the_same_records_are_undone_one_after_the_other() {
    for edited in ["never", "between", "after"] {
        let (crm, desk) = (Crm::start(), Desk::with("m.yaml", BY_NAME.replace("  type: Kind\n", "")));
        let before = all(&crm);
        let import = |phone: &str| {
            desk.write("a.csv", format!("Company,Tel,Notes\nA,{phone},\nB,{phone},\n"));
            crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml"]).ends_with(0);
            last(&crm, &desk)
        };
        let edit = |when: &str| {
            if edited == when {
                crm.act("PATCH", "accounts", &crm.account("B")["id"], r#"{"leadscore":5}"#);
            }
        };
        let first = import("1");
        edit("between");
        // The date of change must be another one.
        std::thread::sleep(std::time::Duration::from_millis(1_100));
        import("2");
        undo(&crm, &desk).is(0);
        edit("after");
        let done = crm.carafe(&desk, ["undo", &first, "--yes", "--json"]).run();
        match edited {
            "never" => {
                assert_eq!(done.rows(), json!({ "read": 2, "deleted": 2 }));
                assert_eq!(all(&crm), before);
            }
            _ => assert_eq!(done.rows(), json!({ "read": 2, "deleted": 1, "rejected": 1 }), "{edited}"),
        }
    }
}

#[test]
fn a_file_whose_run_was_undone_goes_in_as_if_for_the_first_time() {
    let (crm, desk, before) = mixed();
    let import = || crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml", "--yes", "--json"]).ends_with(4);
    undo(&crm, &desk).is(0);
    let again = import();
    assert!(!again.stderr.contains("went into accounts before"), "{}", again.stderr);
    assert_eq!(again.rows()["created"], 2);
    crm.act("PATCH", "accounts", &crm.account("New A")["id"], r#"{"phone":"9"}"#);
    undo(&crm, &desk).is(4);
    assert!(import().stderr.contains("went into accounts before"), "one of its records is there");
    assert_eq!(all(&crm).len(), before.len() + 2);
}

#[test]
fn rows_in_doubt_are_left_as_they_are_and_told() {
    let (crm, desk) = three(|request, _| {
        let lost = request.method == "POST" && request.json()["name"] == "New 2";
        lost.then(|| Reply::error(500, "Something went wrong at our end"))
    });
    import(&desk, &crm).ends_with(7);
    let done = desk.carafe(["undo", "last", "--yes", "--json"]).at(&crm.address()).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 2, "updated": 1, "deleted": 1 }));
    assert!(
        done.stderr.contains("1 row is unknown and left alone: once it is settled (carafe settle 20"),
        "{}",
        done.stderr
    );
}

#[test]
fn a_crm_that_has_none_of_the_records_is_refused() {
    let other = Arc::new(AtomicBool::new(false));
    let is_other = Arc::clone(&other);
    let (crm, desk) = three(move |request, _| {
        let empty = json!({ "metadata": { "url": "/account", "object_type": "list", "total_count": 0, "has_more": false }, "list": [] });
        (request.method == "GET" && is_other.load(Ordering::Relaxed)).then(|| Reply::json(200, &empty))
    });
    import(&desk, &crm).ends_with(0);
    other.store(true, Ordering::Relaxed);
    let done = desk.carafe(["undo", "last", "--yes"]).at(&crm.address()).ends_with(2);
    assert!(
        done.stderr.contains("this CRM has none of the 3 records of accounts that run 20"),
        "{}",
        done.stderr
    );
    assert_eq!((crm.asked_by("DELETE").len(), desk.runs().len()), (0, 1));
    other.store(false, Ordering::Relaxed);
    desk.carafe(["undo", "last", "--yes"]).at(&crm.address()).ends_with(0);
}

#[test]
fn a_field_that_was_filled_since_and_shown_nowhere_before_is_a_change() {
    // Of each record this CRM shows only what was ever set.
    let (crm, desk) = three(|_, _| None);
    import(&desk, &crm).ends_with(0);
    let ids: Vec<u64> = crm.records("accounts").iter().map(|record| record["id"].as_u64().unwrap()).collect();
    for id in ids {
        crm.change("accounts", id, "notes", json!("called on Monday"));
    }
    let done = desk.carafe(["undo", "last", "--yes", "--json"]).at(&crm.address()).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 3, "rejected": 3 }));
    assert_eq!(crm.records("accounts").len(), 3);
}

#[test]
fn what_the_run_added_to_a_list_stays_and_is_told() {
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", "name,type\nA,Charity\n"));
    desk.write(
        "m.yaml",
        "version: 1\nobject: accounts\nfields: { name: name, type: { from: type, lookup: append } }\n",
    );
    let told = "values that the run added to the list of type stay: the CRM's API cannot take them away";
    crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml"]).ends_with(0);
    let done = undo(&crm, &desk);
    done.is(0);
    assert!(done.stderr.contains(told), "{}", done.stderr);
}

#[test]
fn rows_that_were_under_way_when_the_run_was_killed_are_left_alone() {
    let gate = Gate::default();
    let held = gate.clone();
    let crm = Tiny::scripted(accounts(&[]), move |request, before| {
        if request.method == "POST" && before == 3 {
            held.wait();
        }
        None
    });
    let rows: String = (0..9).map(|n| format!("Row {n}\n")).collect();
    let desk = Desk::with("a.csv", format!("name\n{rows}"));
    let call = ["import", "a.csv", "--object", "accounts", "--concurrency", "1"];
    let running = desk.carafe(call).at(&crm.address()).start();
    crm.wait_for("POST", 4);
    std::thread::sleep(std::time::Duration::from_millis(500));
    running.signal("KILL");
    running.end();
    gate.open();
    let done = desk.carafe(["undo", "last", "--yes", "--json"]).at(&crm.address()).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 3, "deleted": 3 }));
    assert!(done.stderr.contains("2 rows are unknown and left alone"), "{}", done.stderr);
}

/// A run's store, opened by hand.
fn store_of(desk: &Desk, run: &str) -> rusqlite::Connection {
    rusqlite::Connection::open(desk.path(format!(".carafe/runs/{run}/run.db"))).unwrap()
}

#[test]
fn a_record_of_which_nobody_noted_how_it_looked_is_kept() {
    let (crm, desk) = three(|_, _| None);
    let run = import(&desk, &crm).ends_with(0).json()["run"].as_str().unwrap().to_owned();
    store_of(&desk, &run).execute("UPDATE rows SET image = NULL WHERE action = 'create'", []).unwrap();
    let done = desk.carafe(["undo", "last", "--yes", "--json"]).at(&crm.address()).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 3, "updated": 1, "rejected": 2 }));
    let told = format!("kept: run {run} did not note how the record looked");
    assert!(done.json()["causes"][0]["message"].as_str().unwrap().starts_with(&told), "{}", done.stdout);
}

#[test]
fn an_undo_that_was_interrupted_while_it_planned_is_begun_anew() {
    let (crm, desk) = three(|_, _| None);
    let first = import(&desk, &crm).ends_with(0).json()["run"].as_str().unwrap().to_owned();
    let stopped = ["undo", "last", "--yes", "--json", "--max-calls", "1"];
    let undo =
        desk.carafe(stopped).at(&crm.address()).ends_with(6).json()["run"].as_str().unwrap().to_owned();
    store_of(&desk, &undo).execute("DELETE FROM facts WHERE name = 'plan_complete'", []).unwrap();
    let refused = desk.carafe(["resume", &undo]).at(&crm.address()).ends_with(2);
    assert!(refused.stderr.contains(&format!("carafe undo {first}")), "{}", refused.stderr);
    let done = desk.carafe(["undo", &first, "--yes", "--json"]).at(&crm.address()).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 3, "updated": 1, "deleted": 2 }));
}

#[test]
fn an_undo_with_unknown_rows_is_settled_before_it_is_begun_again() {
    // The CRM makes something else of what is put back, and the answer is lost.
    let lost = Arc::new(AtomicBool::new(false));
    let (is_lost, is_altered) = (Arc::clone(&lost), Arc::clone(&lost));
    let crm = Tiny::scripted_and_altered(
        accounts(&[json!({ "id": 7, "name": "Old", "phone": "1" })]),
        move |request, _| {
            let loses = request.method == "PATCH" && is_lost.load(Ordering::Relaxed);
            loses.then_some(Reply::StoreAndReset)
        },
        move |record| {
            if is_altered.load(Ordering::Relaxed) {
                record.insert("phone".to_owned(), json!("+44"));
            }
        },
    );
    let desk = Desk::with("a.csv", "id,phone\n7,2\n");
    let update = ["import", "a.csv", "--object", "accounts", "--mode", "update", "--json"];
    let first =
        desk.carafe(update).at(&crm.address()).ends_with(0).json()["run"].as_str().unwrap().to_owned();
    lost.store(true, Ordering::Relaxed);
    let undo = ["undo", first.as_str(), "--yes", "--json", "--retries", "0"];
    let unknown =
        desk.carafe(undo).at(&crm.address()).ends_with(7).json()["run"].as_str().unwrap().to_owned();
    let refused = desk.carafe(undo).at(&crm.address()).ends_with(2);
    assert!(refused.stderr.contains(&format!("carafe settle {unknown}")), "{}", refused.stderr);
}

#[test]
fn an_answer_that_does_not_show_all_that_was_sent_is_no_proof_that_the_rest_is_blank() {
    for (phone, rows) in
        [("1", json!({ "read": 1, "deleted": 1 })), ("2", json!({ "read": 1, "rejected": 1 }))]
    {
        let shown = json!({ "id": 500, "name": "New" });
        let metadata = json!({ "object_type": "record", "record_type": "account" });
        let crm = Tiny::scripted(accounts(&[]), move |request, _| {
            let answer = json!({ "metadata": metadata, "record": shown });
            (request.method == "POST").then(|| Reply::json(201, &answer))
        });
        let desk = Desk::with("a.csv", "name,phone\nNew,1\n");
        import(&desk, &crm).ends_with(0);
        // As it was sent, or edited since.
        crm.restore("accounts", json!({ "id": 500, "name": "New", "phone": phone }));
        let done = desk.carafe(["undo", "last", "--yes", "--json"]).at(&crm.address()).run();
        assert_eq!(done.rows(), rows, "{phone}");
    }
}

#[test]
fn three_runs_over_the_same_record_are_undone_one_after_the_other() {
    let (crm, desk) = (Crm::start(), Desk::with("m.yaml", BY_NAME.replace("  type: Kind\n", "")));
    let before = all(&crm);
    let runs: Vec<String> = ["1", "2", "3"]
        .into_iter()
        .map(|phone| {
            // The date of change must be another one.
            std::thread::sleep(std::time::Duration::from_millis(1_100));
            desk.write("a.csv", format!("Company,Tel,Notes\nA,{phone},\n"));
            let done = crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml", "--json"]).ends_with(0);
            done.json()["run"].as_str().unwrap().to_owned()
        })
        .collect();
    for run in runs.iter().rev() {
        std::thread::sleep(std::time::Duration::from_millis(1_100));
        crm.carafe(&desk, ["undo", run, "--yes"]).ends_with(0);
    }
    assert_eq!(all(&crm), before);
}
