//! `lookup`: the values of a dropdown.

use serde_json::json;

use crate::support::{Crm, Desk};
use crate::tiny::{Reply, Tiny, accounts};

#[test]
fn values_are_listed_one_a_line() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let done = crm.carafe(&desk, ["lookup", "campaigns.status"]).ends_with(0);
    assert_eq!(done.stdout, "Planned\nRunning\nFinished\n");
    assert_eq!(done.stderr, "");
}

#[test]
fn add_appends_what_is_not_there_yet() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let done = crm
        .carafe(&desk, ["lookup", "campaigns.status", "--add", "Paused", "--add", "Running", "--json"])
        .ends_with(0);
    assert_eq!(
        done.json(),
        json!({ "object": "campaigns", "field": "status", "list": "campaignstatuses",
                "values": ["Planned", "Running", "Finished", "Paused"], "added": ["Paused"] })
    );
    let again = crm.carafe(&desk, ["lookup", "campaigns.status", "--add", "Paused", "--json"]).ends_with(0);
    assert_eq!(again.json()["added"], json!([]));
    assert_eq!(crm.carafe(&desk, ["lookup", "campaigns.status"]).ends_with(0).stdout.lines().count(), 4);

    // The new value is one that rows may have.
    desk.write("c.csv", "name,status\nX,Paused\n");
    crm.carafe(&desk, ["check", "c.csv", "--object", "campaigns"]).ends_with(0);
}

#[test]
fn the_list_is_the_one_that_the_dictionary_names_else_the_fields_name() {
    for (lookup, list) in [(json!("accounttypes"), "/lookup/accounttypes"), (json!(true), "/lookup/type")] {
        let crm = Tiny::scripted(accounts(&[]), move |request, _| {
            Some(match (request.method.as_str(), request.path.as_str()) {
                ("GET", "/datadictionary/accounts") => {
                    Reply::json(200, &json!([{ "name": "type", "type": "text", "lookup": lookup }]))
                }
                ("GET", "/lookup/accounts/type") => Reply::json(200, &json!(["Customer"])),
                ("PATCH", _) => {
                    let items: Vec<_> = request.json()["items"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|v| json!({ "value": v, "id": v }))
                        .collect();
                    Reply::json(200, &json!({ "message": "Lookup values added", "items": items }))
                }
                _ => Reply::error(404, "Record or page not found"),
            })
        });
        let desk = Desk::new();
        desk.carafe(["lookup", "accounts.type", "--add", "Friend"]).at(&crm.address()).ends_with(0);
        let sent = crm.asked_by("PATCH");
        assert_eq!((sent[0].path.as_str(), sent[0].json()), (list, json!({ "items": ["Friend"] })));
    }
}

#[test]
fn what_is_no_dropdown_is_told() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let call = |field: &'static str| crm.carafe(&desk, ["lookup", field]).run();
    call("accounts.typ")
        .fails(2, "error: accounts has no field \"typ\"; nearest: type\n  see: carafe describe accounts");
    call("accounts.name")
        .fails(2, "error: accounts.name is not tied to a list\n  see: carafe describe accounts");
    call("accounts").fails(
        2,
        "error: \"accounts\" does not name an object and a field\n  for example: carafe lookup accounts.type",
    );
}
