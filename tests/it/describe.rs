//! `describe`: objects, fields, and a snapshot of them.

use serde_json::json;

use crate::support::{Crm, Desk};
use crate::tiny::{Reply, Tiny, accounts};

#[test]
fn all_objects_of_the_api_are_listed() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let done = crm.carafe(&desk, ["describe", "--json"]).ends_with(0);
    let names: Vec<_> = done.json()["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| o["object"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        names,
        [
            "accounts",
            "activities",
            "campaigndetails",
            "campaigns",
            "campaignstages",
            "cases",
            "contacts",
            "documents",
            "opportunities",
            "opportunity_lines",
            "opportunityhistories",
            "users",
        ]
    );
    let words = crm.carafe(&desk, ["describe"]).ends_with(0).stdout;
    assert!(words.contains("\ncontacts              27      accountid, last\n"), "{words}");
}

#[test]
fn a_field_has_type_required_size_and_lookup_values() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let done = crm.carafe(&desk, ["describe", "campaigns", "--json"]).ends_with(0);
    let document = done.json();
    let field = |name: &str| {
        document["fields"].as_array().unwrap().iter().find(|f| f["name"] == name).unwrap().clone()
    };
    assert_eq!(
        field("name"),
        json!({ "name": "name", "label": "Campaign Name", "type": "text", "required": true, "readonly": false,
                "size": 100, "decimals": null, "lookup": null })
    );
    assert_eq!(
        field("status")["lookup"],
        json!({ "list": "campaignstatuses", "values": ["Planned", "Running", "Finished"] })
    );
    assert_eq!((&field("members")["readonly"], &field("budget")["decimals"]), (&json!(true), &json!(2)));
    let words = crm.carafe(&desk, ["describe", "campaigns"]).ends_with(0).stdout;
    assert!(
        words
            .lines()
            .any(|line| line.starts_with("name") && line.contains("required") && line.contains("100")),
        "{words}"
    );
}

#[test]
fn a_dictionary_in_another_form_says_the_same() {
    let (crm, desk) = (Tiny::serve(accounts(&[])), Desk::new());
    let done = desk.carafe(["describe", "accounts", "--json"]).at(&crm.address()).ends_with(0);
    let fields: Vec<_> = done.json()["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| {
            format!("{} {} {} {} {}", f["name"], f["type"], f["required"], f["readonly"], f["size"])
                .replace('"', "")
        })
        .collect();
    assert_eq!(
        fields,
        [
            "id number false true null",
            "name text true false 100",
            "phone text false false 30",
            "notes memo false false null",
            "leadscore number false false null",
            "addresscounty/state text false false 50",
            "2yearpolicy checkbox false false null",
        ]
    );
}

#[test]
fn custom_tables_are_reached_by_their_names() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let done = crm.carafe(&desk, ["describe", "policies", "--json"]).ends_with(0);
    assert!(done.json()["fields"].as_array().unwrap().iter().any(|field| field["name"] == "2yearpolicy"));
}

#[test]
fn objects_that_the_plan_does_not_have_are_told_and_the_rest_is_listed() {
    let crm = Tiny::scripted(accounts(&[]), |request, _| {
        (request.path != "/datadictionary/accounts").then(|| Reply::error(403, "Not in your plan"))
    });
    let desk = Desk::new();
    let done = desk.carafe(["describe", "--json"]).at(&crm.address()).ends_with(0);
    let objects = done.json()["objects"].clone();
    assert_eq!(objects[0], json!({ "object": "accounts", "fields": 7, "available": true }));
    assert!(objects.as_array().unwrap()[1..].iter().all(|object| object["available"] == false));
    // Where everything is refused, it is the token.
    let crm = Tiny::scripted(accounts(&[]), |_, _| Some(Reply::error(403, "Unauthenticated")));
    desk.carafe(["describe"]).at(&crm.address()).ends_with(3);
}

#[test]
fn a_snapshot_holds_all_objects_with_their_lists_and_is_replaced_only_with_force() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let done = crm.carafe(&desk, ["describe", "--save", "d.json"]).ends_with(0);
    assert_eq!(done.stdout, "saved fields and lists of 12 objects to d.json\n");
    drop(done);
    let text = desk.text("d.json");
    assert!(text.contains("Former Customer"), "the values of the lists are in it");
    crm.carafe(&desk, ["describe", "--save", "d.json"])
        .run()
        .fails(2, "error: d.json: this file is there already; take another name, or replace it with --force");
    crm.carafe(&desk, ["describe", "--save", "d.json", "--force"]).ends_with(0);

    // It stands in for the CRM, without network and token.
    let online = crm.carafe(&desk, ["describe", "accounts", "--json"]).ends_with(0).stdout;
    let offline =
        desk.carafe(["describe", "accounts", "--json", "--dictionary", "d.json"]).ends_with(0).stdout;
    assert_eq!(online, offline);
    desk.carafe(["describe", "acounts", "--dictionary", "d.json"]).ends_with(2);
    desk.write("d.json", "{\"objects\": 1}");
    desk.carafe(["describe", "--dictionary", "d.json"]).ends_with(2);
}
