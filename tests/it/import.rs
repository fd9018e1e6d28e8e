//! `import`: what happens to rows, record by record.

use serde_json::json;

use crate::support::{BY_NAME, Crm, Desk};
use crate::tiny::{Tiny, accounts};

#[test]
fn rows_without_a_mapping_become_new_records() {
    let (crm, desk) = (
        Crm::start(),
        Desk::with("new.csv", "name,type,phone\nNew & Co,Customer,+44 20 7946 0001\nBad,Custmer,\n"),
    );
    let done = crm.carafe(&desk, ["import", "new.csv", "--object", "accounts", "--json"]).ends_with(4);
    assert_eq!(
        done.document(),
        json!({
            "run": "RUN", "command": "import", "object": "accounts", "mode": "create", "state": "finished",
            "rows": { "read": 2, "created": 1, "updated": 0, "unchanged": 0, "deleted": 0, "skipped": 0,
                      "rejected": 1, "unprocessed": 0, "unknown": 0 },
            // The dictionary, the list of the one field that has one, and the newest
            // record, above which a lost one would be looked for.
            "calls": { "total": 4, "get": 3, "post": 1, "patch": 0, "delete": 0, "retries": 0 },
            "causes": [{ "field": "type", "code": "lookup",
                         "message": "\"Custmer\" is not in the list; nearest \"Customer\"",
                         "rows": 1, "example": { "row": 3, "value": "Custmer" } }],
            "promise": { "kind": "at_most_once", "settle_s": 0.0 },
            "elapsed_s": 0,
            "files": { "errors": ".carafe/runs/RUN/errors.jsonl", "rejects": ".carafe/runs/RUN/rejects.csv",
                       "results": ".carafe/runs/RUN/results.csv", "summary": ".carafe/runs/RUN/summary.json" },
        })
    );
    let record = crm.account("New & Co");
    assert_eq!((&record["type"], &record["phone"]), (&json!("Customer"), &json!("+44 20 7946 0001")));
    assert!(crm.records("accounts", r#"{"name":"Bad"}"#).is_empty());
}

#[test]
fn upsert_creates_updates_and_leaves_alone() {
    let (crm, desk) = (Crm::start(), Desk::with("m.yaml", BY_NAME));
    desk.write(
        "a.csv",
        "Company,Tel,Kind,Notes\n3M,+1 651 733 1110,Customer,\nAdobe Inc.,+1 408,Customer,\nNeu GmbH,,Prospect,\n",
    );
    let done = crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml", "--json"]).ends_with(0);
    let document = done.document();
    assert_eq!(
        document["rows"],
        json!({ "read": 3, "created": 1, "updated": 1, "unchanged": 1, "deleted": 0, "skipped": 0,
                "rejected": 0, "unprocessed": 0, "unknown": 0 })
    );
    assert_eq!(
        document["calls"],
        json!({ "total": 5, "get": 3, "post": 1, "patch": 1, "delete": 0, "retries": 0 })
    );
    assert_eq!((&document["mode"], &document["causes"]), (&json!("upsert"), &json!([])));
    assert_eq!(crm.account("Adobe Inc.")["phone"], "+1 408");
    assert_eq!(crm.account("Neu GmbH")["type"], "Prospect");
}

#[test]
fn the_same_file_a_second_time_sends_nothing() {
    let (crm, desk) = (Crm::start(), Desk::with("m.yaml", BY_NAME));
    desk.write(
        "a.csv",
        "Company,Tel,Kind,Notes\nNeu GmbH,0,Prospect,\"two\nlines\"\nAdobe Inc.,+1 408,Customer,ä\n",
    );
    crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml"]).ends_with(0);
    let done = crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml", "--json"]).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 2, "unchanged": 2 }));
    let calls = &done.json()["calls"];
    assert_eq!((&calls["post"], &calls["patch"]), (&json!(0), &json!(0)));
}

#[test]
fn an_update_sends_only_the_fields_that_differ() {
    let crm = Tiny::serve(accounts(&[
        json!({ "id": 7, "name": "Acme", "phone": "1", "notes": null, "leadscore": 5, "addresscounty/state": "Kent", "2yearpolicy": "1" }),
        json!({ "id": 8, "name": "Beta", "phone": "2", "notes": "n", "leadscore": 6, "addresscounty/state": "", "2yearpolicy": 0 }),
    ]));
    let desk = Desk::with(
        "a.csv",
        "name,phone,notes,leadscore,addresscounty/state,2yearpolicy\n\
         ACME ,1,,5.0,Surrey,yes\n\
         Beta,2,n,7,,no\n",
    );
    desk.write(
        "m.yaml",
        "version: 1\nobject: accounts\nmode: update\nmatch: [name]\nfields:\n  name: name\n  phone: phone\n  notes: notes\n  \
         leadscore: leadscore\n  addresscounty/state: addresscounty/state\n  2yearpolicy: 2yearpolicy\n",
    );
    let done = desk.carafe(["import", "a.csv", "-m", "m.yaml", "--json"]).at(&crm.address()).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 2, "updated": 2 }));
    let mut sent: Vec<_> = crm.asked_by("PATCH").iter().map(|r| (r.path.clone(), r.json())).collect();
    sent.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        sent,
        [
            // "ACME " only names the record; what names it is no change.
            ("/accounts/7".to_owned(), json!({ "addresscounty/state": "Surrey" })),
            ("/accounts/8".to_owned(), json!({ "leadscore": 7 })),
        ]
    );
}

#[test]
fn an_update_without_a_match_is_rejected_and_nothing_is_created() {
    let (crm, desk) = (Crm::start(), Desk::with("m.yaml", BY_NAME));
    desk.write("a.csv", "Company,Tel,Kind,Notes\nNobody,1,,\n3M,2,,\n");
    let done =
        crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml", "--mode", "update", "--json"]).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 2, "updated": 1, "rejected": 1 }));
    assert_eq!(done.json()["mode"], "update");
    assert_eq!(done.json()["causes"][0]["code"], "no_match");
    assert!(crm.records("accounts", r#"{"name":"Nobody"}"#).is_empty());
}

#[test]
fn create_with_match_rejects_a_row_whose_record_exists() {
    let (crm, desk) = (Crm::start(), Desk::with("m.yaml", BY_NAME));
    desk.write("a.csv", "Company,Tel,Kind,Notes\n3M,1,,\nOnly Here,2,,\n");
    let done =
        crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml", "--mode", "create", "--json"]).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 2, "created": 1, "rejected": 1 }));
    let errors = desk.errors();
    assert_eq!(errors[0]["code"], "exists");
    assert_eq!(errors[0]["message"], "the record exists already, with id 95920978");
    assert_eq!(crm.account("3M")["phone"], "+1 651 733 1110");
}

#[test]
fn a_row_that_matches_two_records_is_rejected_and_both_are_named() {
    let twins = [json!({ "id": 7, "name": "Twin" }), json!({ "id": 9, "name": "TWIN" })];
    let (crm, desk) = (Tiny::serve(accounts(&twins)), Desk::with("a.csv", "Company,Tel,Kind\nTwin,1,\n"));
    desk.write("m.yaml", "version: 1\nobject: accounts\nmode: upsert\nmatch: [name]\nfields:\n  name: Company\n  phone: Tel\nignore: [Kind]\n");
    let done = desk.carafe(["import", "a.csv", "-m", "m.yaml", "--json"]).at(&crm.address()).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 1, "rejected": 1 }));
    assert_eq!(desk.errors()[0]["message"], "2 records match: ids 7, 9");
    assert_eq!(crm.writes(), 0);
}

#[test]
fn later_rows_with_the_same_key_are_rejected_as_duplicates_of_the_first() {
    let (crm, desk) = (Crm::start(), Desk::with("m.yaml", BY_NAME));
    desk.write("a.csv", "Company,Tel,Kind,Notes\nOne,1,,\none ,2,,\n\u{a0}ONE,3,,\n");
    let done = crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml", "--json"]).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 3, "created": 1, "rejected": 2 }));
    let messages: Vec<_> = desk.errors().iter().map(|e| (e["row"].clone(), e["message"].clone())).collect();
    let same = json!("row 2 has the same name");
    assert_eq!(messages, [(json!(3), same.clone()), (json!(4), same)]);
    assert_eq!(crm.account("One")["phone"], "1");
}

#[test]
fn delete_needs_yes_without_a_terminal_and_removes_what_matches() {
    let (crm, desk) = (Crm::start(), Desk::with("m.yaml", BY_NAME));
    desk.write("a.csv", "Company,Tel,Kind,Notes\nCafé Zoë,,,\nNobody,,,\n");
    let arguments = ["import", "a.csv", "-m", "m.yaml", "--mode", "delete", "--json"];
    let refused = crm.carafe(&desk, arguments).ends_with(2);
    assert_eq!(refused.json()["error"]["code"], "usage");
    assert!(refused.stderr.contains("this deletes 1 record of accounts in 127.0.0.1"), "{}", refused.stderr);
    crm.account("Café Zoë");

    let done = crm.carafe(&desk, arguments.into_iter().chain(["--yes"])).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 2, "deleted": 1, "rejected": 1 }));
    assert_eq!(done.json()["calls"]["delete"], 1);
    assert!(crm.records("accounts", r#"{"name":"Café Zoë"}"#).is_empty());
}

#[test]
fn limit_takes_the_first_rows_alone() {
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", "name\nL1\nL2\nL3\n"));
    let done =
        crm.carafe(&desk, ["import", "a.csv", "--object", "accounts", "--limit", "2", "--json"]).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 2, "created": 2 }));
    assert!(crm.records("accounts", r#"{"name":"L3"}"#).is_empty());
}

#[test]
fn standard_input_is_read_where_the_file_is_a_dash() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let call = crm.carafe(&desk, ["import", "-", "--object", "accounts", "--json"]);
    let done = call.stdin("name,phone\nFrom A Pipe,1\n,2\n").ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 2, "created": 1, "rejected": 1 }));
    assert_eq!(crm.account("From A Pipe")["phone"], "1");
    let checked = crm.carafe(&desk, ["check", "-", "--object", "accounts", "--json"]).stdin("name\nX\n");
    assert_eq!(checked.ends_with(0).json()["rows"]["valid"], 1);
}

#[test]
fn stop_after_ends_the_run_when_so_many_rows_are_rejected() {
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", "name,type\nA1,No\nA2,No\nA3,Customer\n"));
    for share in ["2", "60%"] {
        let arguments = ["import", "a.csv", "--object", "accounts", "--stop-after", share, "--json"];
        let done = crm.carafe(&desk, arguments).ends_with(6);
        assert_eq!(done.rows(), json!({ "read": 3, "rejected": 2, "unprocessed": 1 }), "{share}");
        assert_eq!(done.json()["state"], "stopped");
    }
    assert!(crm.records("accounts", r#"{"name":"A3"}"#).is_empty());
    let arguments = ["import", "a.csv", "--object", "accounts", "--stop-after", "3", "--json"];
    assert_eq!(
        crm.carafe(&desk, arguments).ends_with(4).rows(),
        json!({ "read": 3, "rejected": 2, "created": 1 })
    );
}

#[test]
fn what_the_crm_refuses_is_a_rejected_row_with_its_field_and_cell() {
    // The dictionary of this CRM does not say that a phone is required; its rules do.
    let crm = Tiny::scripted(accounts(&[]), |request, _| {
        let refuses = request.method == "POST" && request.json().get("phone").is_none();
        refuses.then(|| {
            crate::tiny::Reply::json(
                422,
                &json!({ "type": "Validation error", "code": 422, "message": "The given data was invalid.",
                         "validation": { "phone": [{ "Required": [] }], "name": [{ "Max": ["10"] }] } }),
            )
        })
    });
    let desk = Desk::with("a.csv", "name,phone\nWith,1\nWithout,\n");
    let done =
        desk.carafe(["import", "a.csv", "--object", "accounts", "--json"]).at(&crm.address()).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 2, "created": 1, "rejected": 1 }));
    let mut errors = desk.errors();
    errors.sort_by_key(|error| error["field"].to_string());
    assert_eq!(
        errors,
        [
            json!({ "row": 3, "cell": "A3", "column": "name", "field": "name", "code": "max",
                    "message": "the CRM takes at most 10", "value": "Without", "stage": "send" }),
            json!({ "row": 3, "cell": "B3", "column": "phone", "field": "phone", "code": "required",
                    "message": "the CRM requires a value", "value": null, "stage": "send" }),
        ]
    );
    assert_eq!(crm.asked_by("POST").len(), 2, "a refused record is not sent again");
    let rejects = desk.run_text("rejects.csv");
    assert!(rejects.lines().nth(1).unwrap().starts_with("Without,,3,"), "{rejects}");
    assert!(rejects.contains(",422,"), "{rejects}");
}

#[test]
fn requests_carry_the_token_ask_for_json_and_name_no_field_that_is_blank() {
    let (crm, desk) = (Tiny::serve(accounts(&[])), Desk::with("a.csv", "name,phone,leadscore\nAcme,,12\n"));
    desk.carafe(["import", "a.csv", "--object", "accounts"]).at(&crm.address()).ends_with(0);
    for request in crm.asked() {
        assert_eq!(request.header("authorization"), Some("Bearer sandbox"), "{request:?}");
        assert_eq!(request.header("accept"), Some("application/json"), "{request:?}");
    }
    let post = &crm.asked_by("POST")[0];
    assert_eq!((post.path.as_str(), post.json()), ("/accounts", json!({ "name": "Acme", "leadscore": 12 })));
    assert!(post.header("content-type").unwrap().starts_with("application/json"));
}

#[test]
fn the_last_thing_printed_is_a_summary_whose_numbers_add_up() {
    let (crm, desk) = (Crm::start(), Desk::with("m.yaml", BY_NAME));
    desk.write(
        "a.csv",
        "Company,Tel,Kind,Notes\n3M,+1 651 733 1110,Customer,\nNeu,,Prospect,\nBad,,Custmer,\n",
    );
    let done = crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml"]).ends_with(4);
    let run = desk.run().file_name().unwrap().to_string_lossy().into_owned();
    let host = crm.address().replace("http://", "");
    let text = done.stdout.replace(&run, "RUN").replace(&host, "HOST");
    let (_, lines) = text.split_once('\n').unwrap();
    assert!(text.starts_with("Import finished with 1 row not imported   RUN\n"), "{text}");
    let (lines, figures) = lines.split_once("\n\n  0.").or_else(|| lines.split_once("\n\n  ")).unwrap();
    assert_eq!(
        lines,
        "  file     a.csv · 3 rows · sha256 4ac3e4bb…
  into     accounts at HOST

          1   created
          1   unchanged     already in the CRM as they are (name)
          1   rejected      .carafe/runs/RUN/rejects.csv
          3   rows, all accounted for

  why rejected       1  type: \"Custmer\" is not in the list; nearest \"Customer\"  row 4"
    );
    let (_, rest) = figures.split_once('\n').unwrap();
    assert_eq!(
        rest,
        "  promise  no duplicates and no losses, by name; assumes that the CRM finishes or drops a request, and shows what it stored, within \
         0 s and that nobody else writes the same name meanwhile
  folder   .carafe/runs/RUN
  next     correct the rows of .carafe/runs/RUN/rejects.csv, then:
           carafe retry RUN --base-url http://HOST
"
    );
    assert_eq!(done.stderr, "");
}
