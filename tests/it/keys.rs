//! Records named by their id, and keys that are blank.

use serde_json::json;

use crate::support::{BY_NAME, Crm, Desk};
use crate::tiny::{Tiny, accounts};

#[test]
fn a_file_with_ids_updates_those_records_and_creates_where_the_id_is_blank() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let exported = crm.account("3M")["modifieddate"].as_str().unwrap().to_owned();
    desk.write(
        "a.csv",
        format!("id,name,phone,modifieddate\n95920978,3M,999,{exported}\n,Brand New,1,\n12345,Ghost,2,\n"),
    );
    let done = crm.carafe(&desk, ["import", "a.csv", "--object", "accounts", "--json"]).ends_with(4);
    assert_eq!(done.json()["mode"], "upsert");
    assert_eq!(done.rows(), json!({ "read": 3, "created": 1, "updated": 1, "rejected": 1 }));
    assert_eq!(crm.account("3M")["phone"], "999");
    assert_ne!(crm.account("3M")["modifieddate"], exported.as_str(), "read-only columns are passed over");
    crm.account("Brand New");
    let errors = desk.errors();
    assert_eq!(
        (&errors[0]["row"], &errors[0]["code"], &errors[0]["field"]),
        (&json!(4), &json!("no_match"), &json!("id"))
    );
    assert!(crm.records("accounts", r#"{"name":"Ghost"}"#).is_empty());
}

#[test]
fn a_mapping_may_match_on_id() {
    let crm = Tiny::serve(accounts(&[json!({ "id": 7, "name": "Acme", "phone": "1" })]));
    let desk = Desk::with("a.csv", "No,Tel\n7,2\n");
    desk.write(
        "m.yaml",
        "version: 1\nobject: accounts\nmode: update\nmatch: [id]\nfields:\n  id: No\n  phone: Tel\n",
    );
    let done = desk.carafe(["import", "a.csv", "-m", "m.yaml", "--json"]).at(&crm.address()).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 1, "updated": 1 }));
    let sent = crm.asked_by("PATCH");
    assert_eq!((sent[0].path.as_str(), sent[0].json()), ("/accounts/7", json!({ "phone": "2" })));
}

#[test]
fn update_and_delete_reject_a_blank_id() {
    let crm = Tiny::serve(accounts(&[json!({ "id": 7, "name": "Acme", "phone": "1" })]));
    let desk = Desk::with("a.csv", "id,phone\n,2\n7,1\n");
    for (mode, rows) in [
        ("update", json!({ "read": 2, "rejected": 1, "unchanged": 1 })),
        ("delete", json!({ "read": 2, "rejected": 1, "deleted": 1 })),
    ] {
        let arguments = ["import", "a.csv", "--object", "accounts", "--mode", mode, "--yes", "--json"];
        let done = desk.carafe(arguments).at(&crm.address()).ends_with(4);
        assert_eq!(done.rows(), rows, "{mode}");
        assert_eq!(done.json()["causes"][0]["code"], "blank_key");
    }
    assert!(crm.records("accounts").is_empty());
}

#[test]
fn create_passes_the_ids_of_an_export_over() {
    let crm = Tiny::serve(accounts(&[json!({ "id": 7, "name": "Acme", "phone": "1" })]));
    let desk = Desk::with("a.csv", "id,name,phone\n7,Acme,1\n");
    let arguments = ["import", "a.csv", "--object", "accounts", "--mode", "create", "--json"];
    let done = desk.carafe(arguments).at(&crm.address()).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 1, "created": 1 }));
    assert_eq!(crm.asked_by("POST")[0].json(), json!({ "name": "Acme", "phone": "1" }));
}

#[test]
fn what_is_no_id_is_rejected_and_not_asked_for() {
    let (crm, desk) = (Tiny::serve(accounts(&[])), Desk::with("a.csv", "id,name\n-1,A\n1e3,B\nx,C\n0,D\n"));
    let done =
        desk.carafe(["import", "a.csv", "--object", "accounts", "--json"]).at(&crm.address()).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 4, "rejected": 4 }));
    assert!(desk.errors().iter().all(|e| e["field"] == "id"), "{:?}", desk.errors());
    assert_eq!(crm.writes(), 0);
    assert!(crm.asked().iter().all(|request| request.query("q").is_none()), "{:?}", crm.asked());
}

#[test]
fn a_blank_key_never_matches_a_blank() {
    let crm = Tiny::serve(accounts(&[json!({ "id": 7, "name": "", "phone": "1" })]));
    let desk = Desk::with("m.yaml", BY_NAME.replace("  type: Kind\n", ""));
    desk.write("a.csv", "Company,Tel,Notes\n,2,\n  ,3,\n");
    let done = desk.carafe(["import", "a.csv", "-m", "m.yaml", "--json"]).at(&crm.address()).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 2, "rejected": 2 }));
    assert!(desk.errors().iter().all(|error| error["code"] == "blank_key"));
    assert_eq!(crm.writes(), 0);
}

#[test]
fn two_rows_that_name_one_record_in_two_ways_are_duplicates() {
    let crm = Tiny::serve(accounts(&[json!({ "id": 7, "name": "Acme", "phone": "1" })]));
    let desk = Desk::with("a.csv", "id,phone\n7,2\n007,3\n");
    let done = desk
        .carafe(["import", "a.csv", "--object", "accounts", "--mode", "update", "--json"])
        .at(&crm.address());
    assert_eq!(done.ends_with(4).rows(), json!({ "read": 2, "updated": 1, "rejected": 1 }));
    assert_eq!(crm.records("accounts")[0]["phone"], "2");
}

#[test]
fn keys_of_250_rows_are_looked_up_in_three_requests() {
    let known: Vec<_> =
        (0..250).map(|n| json!({ "id": n + 1, "name": format!("Known {n}"), "phone": "1" })).collect();
    let (crm, desk) =
        (Tiny::serve(accounts(&known)), Desk::with("m.yaml", BY_NAME.replace("  type: Kind\n", "")));
    let rows: String = (0..250).map(|n| format!("Known {n},1,\n")).collect();
    desk.write("a.csv", format!("Company,Tel,Notes\n{rows}"));
    let done = desk.carafe(["import", "a.csv", "-m", "m.yaml", "--json"]).at(&crm.address()).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 250, "unchanged": 250 }));
    crate::references::assert_batches(&crm, "/accounts", "name", &[50, 100, 100]);
}

#[test]
fn an_id_tells_no_new_record_from_another_and_nothing_is_promised_by_it() {
    let (crm, desk) = (Tiny::serve(accounts(&[])), Desk::with("a.csv", "id,name\n,New\n"));
    let done =
        desk.carafe(["import", "a.csv", "--object", "accounts", "--json"]).at(&crm.address()).ends_with(0);
    assert_eq!(done.json()["promise"]["kind"], "at_most_once");
}
