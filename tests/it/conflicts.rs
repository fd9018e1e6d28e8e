//! What somebody else changed meanwhile is not written over.

use serde_json::json;

use crate::support::{Crm, Desk};
use crate::tiny::{Tiny, accounts};

const BY_ID: &str =
    "version: 1\nobject: accounts\nmode: update\nmatch: [id]\nfields:\n  id: id\n  phone: phone\n";

/// A plan that updates 7, 8 and 9.
fn planned() -> (Tiny, Desk) {
    let record = |id: u64| json!({ "id": id, "name": format!("A{id}"), "phone": "1", "notes": "n" });
    let crm = Tiny::serve(accounts(&[record(7), record(8), record(9)]));
    let desk = Desk::with("a.csv", "id,phone\n7,2\n8,2\n9,2\n");
    desk.write("m.yaml", BY_ID);
    desk.carafe(["import", "a.csv", "-m", "m.yaml", "--dry-run"]).at(&crm.address()).ends_with(0);
    (crm, desk)
}

#[test]
fn apply_rejects_what_changed_since_the_plan_and_takes_what_is_as_wanted_already_as_unchanged() {
    let (crm, desk) = planned();
    crm.restore("accounts", json!({ "id": 7, "name": "A7", "phone": "3", "notes": "n" }));
    crm.restore("accounts", json!({ "id": 8, "name": "A8", "phone": "2", "notes": "by somebody" }));
    let done = desk.carafe(["apply", "last", "--json"]).at(&crm.address()).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 3, "updated": 1, "unchanged": 1, "rejected": 1 }));
    assert_eq!(crm.records("accounts")[0]["phone"], "3", "not written over");
    let error = &desk.errors()[0];
    assert_eq!(
        (&error["row"], &error["code"], &error["field"], &error["cell"], &error["stage"]),
        (&json!(2), &json!("conflict"), &json!("phone"), &json!("B2"), &json!("send"))
    );
    assert_eq!(
        error["message"],
        "the record changed since it was read for the plan: phone was \"1\" and is \"3\""
    );
    assert_eq!(error["value"], "3");
    assert_eq!(done.json()["causes"][0]["message"], "the record changed since it was read for the plan");
}

#[test]
fn a_change_of_a_field_that_the_row_does_not_touch_is_a_conflict_too() {
    let (crm, desk) = planned();
    crm.restore("accounts", json!({ "id": 9, "name": "A9", "phone": "1", "notes": "by somebody" }));
    let done = desk.carafe(["apply", "last", "--json"]).at(&crm.address()).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 3, "updated": 2, "rejected": 1 }));
    assert_eq!(desk.errors()[0]["row"], 4);
    assert_eq!(crm.asked_by("PATCH").len(), 2);
}

#[test]
fn records_are_looked_at_a_hundred_a_request_before_they_are_changed() {
    let record = |id: u64| json!({ "id": id, "name": format!("A{id}"), "phone": "1" });
    let crm = Tiny::serve(accounts(&(1..=250).map(record).collect::<Vec<_>>()));
    let rows: String = (1..=250).map(|id| format!("{id},2\n")).collect();
    let desk = Desk::with("a.csv", format!("id,phone\n{rows}"));
    desk.write("m.yaml", BY_ID);
    desk.carafe(["import", "a.csv", "-m", "m.yaml", "--dry-run"]).at(&crm.address()).ends_with(0);
    let lists = || crm.asked_by("GET").iter().filter(|request| request.path == "/accounts").count();
    let planned = lists();
    desk.carafe(["apply", "last", "--concurrency", "2"]).at(&crm.address()).ends_with(0);
    assert_eq!(lists() - planned, 3);
    assert_eq!(crm.asked_by("PATCH").len(), 250);
}

#[test]
fn apply_creates_nothing_that_somebody_created_since_the_plan() {
    let crm = Tiny::serve(accounts(&[]));
    let desk = Desk::with("a.csv", "name,phone\nAcme,1\nNew,2\nSame,3\n");
    desk.write(
        "m.yaml",
        "version: 1\nobject: accounts\nmatch: [name]\nfields:\n  name: name\n  phone: phone\n",
    );
    desk.carafe(["import", "a.csv", "-m", "m.yaml", "--dry-run"]).at(&crm.address()).ends_with(0);
    crm.restore("accounts", json!({ "id": 7, "name": "ACME", "phone": "5" }));
    crm.restore("accounts", json!({ "id": 8, "name": "Same", "phone": "3" }));
    let done = desk.carafe(["apply", "last", "--json"]).at(&crm.address()).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 3, "created": 1, "unchanged": 1, "rejected": 1 }));
    assert!(desk.run_text("results.csv").contains("4,Same,8,unchanged"));
    let error = &desk.errors()[0];
    assert_eq!((&error["row"], &error["code"]), (&json!(2), &json!("conflict")));
    assert_eq!(error["message"], "a record with this key was created since the plan was made: id 7");
}

#[test]
fn where_rows_are_to_create_a_record_that_came_up_since_is_a_conflict_whatever_it_holds() {
    let crm = Tiny::serve(accounts(&[]));
    let desk = Desk::with("a.csv", "name,phone\nSame,3\n");
    desk.write(
        "m.yaml",
        "version: 1\nobject: accounts\nmode: create\nmatch: [name]\nfields: { name: name, phone: phone }\n",
    );
    desk.carafe(["import", "a.csv", "-m", "m.yaml", "--dry-run"]).at(&crm.address()).ends_with(0);
    crm.restore("accounts", json!({ "id": 8, "name": "Same", "phone": "3" }));
    let done = desk.carafe(["apply", "last", "--json"]).at(&crm.address()).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 1, "rejected": 1 }));
    assert_eq!(desk.errors()[0]["code"], "conflict");
}

#[test]
fn an_export_that_comes_back_writes_over_nothing_that_changed_since() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let fields =
        ["export", "accounts", "--fields", "id,name,phone,modifieddate", "--limit", "3", "-o", "a.csv"];
    crm.carafe(&desk, fields).ends_with(0);
    let exported = desk.text("a.csv");
    let lines: Vec<&str> = exported.lines().collect();
    // The second says that it was exported before the record's last change.
    let edited: Vec<String> = lines
        .iter()
        .enumerate()
        .map(|(at, line)| {
            let mut cells: Vec<&str> = line.rsplitn(3, ',').collect();
            cells.reverse();
            match at {
                0 => (*line).to_owned(),
                2 => format!("{},+1 2,2020-01-01 00:00:00", cells[0]),
                _ => format!("{},+1 2,{}", cells[0], cells[2]),
            }
        })
        .collect();
    desk.write("b.csv", edited.join("\n"));
    let done = crm.carafe(&desk, ["import", "b.csv", "--object", "accounts", "--json"]).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 3, "updated": 2, "rejected": 1 }));
    let error = &desk.errors()[0];
    assert_eq!(
        (&error["row"], &error["code"], &error["column"]),
        (&json!(3), &json!("conflict"), &json!("modifieddate"))
    );
    assert!(
        error["message"].as_str().unwrap().starts_with("the record changed since this file was exported")
    );
}

#[test]
fn an_export_that_comes_back_without_dates_is_held_against_its_manifest() {
    let record = |id: u64, changed: &str| json!({ "id": id, "name": format!("A{id}"), "phone": "1", "modifieddate": changed });
    let mut tables = accounts(&[
        record(1, "2026-11-01 10:00:00"),
        record(2, "2026-11-03 10:00:00"),
        record(3, "2026-11-02 10:00:00"),
    ]);
    tables.tables[0].fields.push(("modifieddate", "DateTime", false, 0));
    let (crm, desk) = (Tiny::serve(tables), Desk::new());
    desk.carafe(["export", "accounts", "--fields", "id,phone", "-o", "a.csv"])
        .at(&crm.address())
        .ends_with(0);
    let manifest = desk.json("a.csv.manifest.json");
    assert_eq!(manifest["objects"][0]["latest_change"], "2026-11-03 10:00:00");
    // Somebody changes the third one.
    crm.change("accounts", 3, "modifieddate", json!("2026-11-03 10:00:01"));
    let edited = desk.text("a.csv").replace(",1", ",2");
    desk.write("a.csv", &edited);
    desk.write("b.csv", edited);
    let import = |file: &'static str, code: i32| {
        let arguments = ["import", file, "--object", "accounts", "--mode", "update", "--dry-run", "--json"];
        desk.carafe(arguments).at(&crm.address()).ends_with(code)
    };
    assert_eq!(import("a.csv", 4).rows(), json!({ "read": 3, "updated": 2, "rejected": 1 }));
    let error = &desk.errors()[0];
    assert_eq!((&error["row"], &error["code"]), (&json!(4), &json!("conflict")));
    assert_eq!(
        error["message"],
        "the record changed since this file was exported: last at 2026-11-03 10:00:01, and a.csv.manifest.json \
         knows of none later than 2026-11-03 10:00:00; export it again"
    );
    // Elsewhere no manifest stands beside it.
    assert_eq!(import("b.csv", 0).rows(), json!({ "read": 3, "updated": 3 }));
}

#[test]
fn what_was_changed_while_an_export_was_still_reading_is_not_written_over() {
    let record = |id: u64| json!({ "id": id, "name": format!("A{id}"), "phone": "1", "modifieddate": "2026-11-01 10:00:00" });
    let mut tables = accounts(&(1..=250).map(record).collect::<Vec<_>>());
    tables.tables[0].fields.push(("modifieddate", "DateTime", false, 0));
    let tables = std::sync::Mutex::new(tables);
    let crm = Tiny::scripted(accounts(&[]), move |request, _| {
        let mut tables = tables.lock().unwrap();
        // Before the last page is read: one that was read, and one that is still to be read.
        if request.query("q").is_some_and(|q| q.contains(r#""$gt":200"#)) {
            let records = &mut tables.tables[0].records;
            records[149]["modifieddate"] = json!("2026-11-02 10:00:00");
            records[239]["modifieddate"] = json!("2026-11-03 10:00:00");
        }
        Some(tables.answer(request))
    });
    let desk = Desk::new();
    let export = ["export", "accounts", "--fields", "id,phone", "-o", "a.csv", "--concurrency", "1"];
    desk.carafe(export).at(&crm.address()).ends_with(0);
    desk.write("a.csv", "id,phone\n150,2\n151,2\n240,2\n");
    let import = ["import", "a.csv", "--object", "accounts", "--mode", "update", "--dry-run", "--json"];
    let done = desk.carafe(import).at(&crm.address()).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 3, "updated": 2, "rejected": 1 }));
    assert_eq!(desk.errors()[0]["row"], 2);
}

#[test]
fn a_text_that_a_workbook_had_no_room_for_comes_back_whole() {
    let long = format!("{} end", "x".repeat(40_000));
    let crm = Tiny::serve(accounts(&[json!({ "id": 7, "name": "A", "phone": "1", "notes": long })]));
    let desk = Desk::new();
    let export = ["export", "accounts", "-o", "a.xlsx"];
    let done = desk.carafe(export).at(&crm.address()).ends_with(0);
    assert!(done.stderr.contains("were cut"), "{}", done.stderr);
    let import = ["import", "a.xlsx", "--object", "accounts", "--mode", "update", "--json"];
    let done = desk.carafe(import).at(&crm.address()).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 1, "unchanged": 1 }));
    assert_eq!(crm.records("accounts")[0]["notes"], long);
}

#[test]
fn deletes_and_documents_of_an_export_are_held_against_their_last_change_too() {
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", "name\nOld\n"));
    crm.carafe(&desk, ["import", "a.csv", "--object", "accounts"]).ends_with(0);
    let id = crm.account("Old")["id"].clone();
    desk.write("d.csv", format!("parentid,parentobject,name\n{id},Account,Offer\n"));
    crm.carafe(&desk, ["import", "d.csv", "--object", "documents"]).ends_with(0);
    let document = crm.records("documents", r#"{"name":"Offer"}"#)[0]["id"].clone();
    for (object, rows, mode) in [
        ("accounts", format!("id,modifieddate\n{id},2020-01-01 00:00:00\n"), "delete"),
        ("documents", format!("id,description,modified\n{document},new,2020-01-01 00:00:00\n"), "update"),
    ] {
        desk.write("b.csv", rows);
        let call = ["import", "b.csv", "--object", object, "--mode", mode, "--yes", "--json"];
        let done = crm.carafe(&desk, call).ends_with(4);
        assert_eq!(done.json()["causes"][0]["code"], "conflict", "{object}");
        assert_eq!(done.rows(), json!({ "read": 1, "rejected": 1 }), "{object}");
    }
}

#[test]
fn the_date_of_a_row_that_names_no_id_says_nothing_about_the_record() {
    let (crm, desk) =
        (Crm::start(), Desk::with("a.csv", "name,phone,modifieddate\n3M,999,2020-01-01 00:00:00\n"));
    desk.write(
        "m.yaml",
        "version: 1\nobject: accounts\nmatch: [name]\nfields: { name: name, phone: phone }\n",
    );
    let done = crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml", "--json"]).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 1, "updated": 1 }));
}

#[test]
fn a_date_of_change_that_is_not_as_an_export_writes_it_is_told_to_protect_nothing() {
    let crm = Crm::start();
    let desk = Desk::with("a.csv", "id,phone,modifieddate\n95920978,999,24.11.2026 10:20\n");
    let done = crm
        .carafe(&desk, ["import", "a.csv", "--object", "accounts", "--mode", "update", "--json"])
        .ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 1, "updated": 1 }));
    let told = "modifieddate of row 2 is not as an export writes it (2026-11-24 10:20:30), so changes since the export go unnoticed there";
    assert!(done.stderr.contains(told), "{}", done.stderr);
}
