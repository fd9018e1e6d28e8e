//! What the CRM does wrong while rows are sent, and what that means for the row.

use serde_json::{Value as Json, json};

use crate::support::{Desk, Done};
use crate::tiny::{Reply, Tiny, accounts};
use crate::workbook::{Sheet, book, texts};

/// Imports two rows; the first one's POST is answered like this.
fn first_post(reply: Reply) -> (Tiny, Desk, Done) {
    let crm = Tiny::scripted(accounts(&[]), move |request, _| {
        (request.method == "POST" && request.json()["name"] == "First").then(|| reply.clone())
    });
    let desk = Desk::with("a.csv", "name,phone\nFirst,1\nSecond,2\n");
    let arguments = ["import", "a.csv", "--object", "accounts", "--concurrency", "1", "--json"];
    let done = desk.carafe(arguments).at(&crm.address()).run();
    (crm, desk, done)
}

#[test]
fn a_refusal_in_any_shape_rejects_the_row_and_the_run_goes_on() {
    let shapes: [(u16, Json, &str, &str); 7] = [
        (422, json!({ "phone": [{ "Required": [] }] }), "required", "the CRM requires a value"),
        (422, json!({ "phone": [{ "Max": ["3"] }] }), "max", "the CRM takes at most 3"),
        (422, json!({ "phone": { "Email": [] } }), "email", "the CRM takes an e-mail address only"),
        (422, json!({ "phone": ["Too odd."] }), "invalid", "the CRM says: Too odd."),
        (422, json!({ "phone": "Too odd." }), "invalid", "the CRM says: Too odd."),
        (400, Json::Null, "refused", "the CRM refuses the request (400): No."),
        (405, Json::Null, "refused", "the CRM refuses the request (405): No."),
    ];
    for (status, validation, code, message) in shapes {
        let mut body = json!({ "type": "Validation error", "code": status, "message": "No." });
        if !validation.is_null() {
            body["validation"] = validation;
        }
        let (crm, desk, done) = first_post(Reply::json(status, &body));
        done.is(4);
        assert_eq!(done.rows(), json!({ "read": 2, "created": 1, "rejected": 1 }), "{body}");
        let error = &desk.errors()[0];
        assert_eq!((&error["code"], &error["message"]), (&json!(code), &json!(message)), "{body}");
        if status == 422 {
            assert_eq!(
                (&error["cell"], &error["field"], &error["value"]),
                (&json!("B2"), &json!("phone"), &json!("1"))
            );
        }
        assert_eq!(crm.asked_by("POST").len(), 2, "{body}");
    }
}

#[test]
fn an_object_that_is_refused_as_such_stops_the_run() {
    let crm = Tiny::scripted(accounts(&[]), |request, _| {
        let body = json!({ "type": "Invalid Request error", "code": 500, "message": "Invalid record type (accounts)" });
        (request.method == "POST").then(|| Reply::json(500, &body))
    });
    let rows: String = (0..100).map(|n| format!("Row {n}\n")).collect();
    let desk = Desk::with("a.csv", format!("name\n{rows}"));
    let arguments = ["import", "a.csv", "--object", "accounts", "--concurrency", "2", "--json"];
    let done = desk.carafe(arguments).at(&crm.address()).ends_with(2);
    assert_eq!(done.rows(), json!({ "read": 100, "unprocessed": 100 }));
    // Those in flight when the first answer comes, and no more.
    assert!(crm.asked_by("POST").len() <= 4, "{}", crm.asked_by("POST").len());
}

#[test]
fn an_update_of_a_record_that_went_is_a_conflict() {
    let known = [json!({ "id": 7, "name": "A", "phone": "1" })];
    let crm = Tiny::scripted(accounts(&known), |request, _| {
        (request.method == "PATCH").then(|| Reply::error(404, "Record or page not found"))
    });
    let desk = Desk::with("a.csv", "id,phone\n7,2\n");
    let done = desk
        .carafe(["import", "a.csv", "--object", "accounts", "--mode", "update", "--json"])
        .at(&crm.address())
        .ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 1, "rejected": 1 }));
    assert_eq!(desk.errors()[0]["code"], "conflict");
    assert_eq!(crm.asked_by("PATCH").len(), 1);
}

#[test]
fn a_record_that_is_gone_already_is_deleted() {
    let known = [json!({ "id": 7, "name": "A", "phone": "1" })];
    let crm = Tiny::scripted(accounts(&known), |request, _| {
        (request.method == "DELETE").then(|| Reply::error(404, "Record or page not found"))
    });
    let desk = Desk::with("a.csv", "id\n7\n");
    let arguments = ["import", "a.csv", "--object", "accounts", "--mode", "delete", "--yes", "--json"];
    assert_eq!(
        desk.carafe(arguments).at(&crm.address()).ends_with(0).rows(),
        json!({ "read": 1, "deleted": 1 })
    );
}

#[test]
fn a_crm_that_refuses_the_filter_is_read_whole() {
    let known: Vec<_> =
        (0..250).map(|n| json!({ "id": n + 1, "name": format!("N{n}"), "phone": "1" })).collect();
    let crm = Tiny::scripted(accounts(&known), |request, _| {
        let asks_for_keys = request.query("q").is_some_and(|q| q.contains("$in"));
        asks_for_keys.then(|| Reply::error(400, "Bad request"))
    });
    let desk = Desk::with("a.csv", "name,phone\nN249,2\nNew,1\nN0,1\n");
    desk.write(
        "m.yaml",
        "version: 1\nobject: accounts\nmode: upsert\nmatch: [name]\nfields:\n  name: name\n  phone: phone\n",
    );
    let done = desk.carafe(["import", "a.csv", "-m", "m.yaml", "--json"]).at(&crm.address()).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 3, "created": 1, "updated": 1, "unchanged": 1 }));
}

#[test]
fn an_answer_that_names_another_record_is_not_taken_for_ours() {
    let known = [json!({ "id": 7, "name": "A", "phone": "1" })];
    let crm = Tiny::scripted(accounts(&known), |request, _| {
        let other = json!({ "metadata": { "url": "/accounts/8", "object_type": "record", "record_type": "account" },
                            "record": { "id": 8, "name": "B" } });
        (request.method == "PATCH").then(|| Reply::json(200, &other))
    });
    let desk = Desk::with("a.csv", "id,phone\n7,2\n");
    let arguments =
        ["import", "a.csv", "--object", "accounts", "--mode", "update", "--retries", "0", "--json"];
    assert_eq!(
        desk.carafe(arguments).at(&crm.address()).ends_with(7).rows(),
        json!({ "read": 1, "unknown": 1 })
    );
}

/// Where a refusal of the second row's phone is told to stand: cell and column.
fn place_of_a_refusal(name: &str, content: impl AsRef<[u8]>, source: &str) -> (Json, Json) {
    let crm = Tiny::scripted(accounts(&[]), |request, _| {
        let refused = request.method == "POST" && request.json()["name"] == "Second";
        refused.then(|| {
            let body = json!({ "type": "Validation error", "code": 422, "message": "The given data was invalid.",
                               "validation": { "phone": [{ "Max": ["3"] }] } });
            Reply::json(422, &body)
        })
    });
    let desk = Desk::with(name, content);
    desk.write(
        "m.yaml",
        format!("version: 1\nobject: accounts\n{source}fields: {{ name: Firm, phone: Tel }}\n"),
    );
    desk.carafe(["import", name, "-m", "m.yaml"]).at(&crm.address()).ends_with(4);
    let error = desk.errors().remove(0);
    (error["cell"].clone(), error["column"].clone())
}

#[test]
fn what_the_crm_refuses_is_told_where_it_stands_in_the_file() {
    let csv = "Firm,Tel\nFirst,1\nSecond,2000\n";
    assert_eq!(place_of_a_refusal("a.csv", csv, ""), (json!("B3"), json!("Tel")));
    let indented = |words: [&str; 3]| texts(["", "", words[0], words[1], words[2]]);
    let sheet = Sheet::new("EU")
        .blank_row()
        .row(indented(["Firm", "Since", "Tel"]))
        .row(indented(["First", "", "1"]))
        .row(indented(["Second", "", "2000"]));
    for source in ["", "source: { range: \"C2:E4\" }\n"] {
        let place = place_of_a_refusal("a.xlsx", book(std::slice::from_ref(&sheet)), source);
        assert_eq!(place, (json!("EU!E4"), json!("Tel")), "{source}");
    }
    let lines = "{\"Firm\":\"First\",\"Tel\":\"1\"}\n{\"Firm\":\"Second\",\"Tel\":\"2000\"}\n";
    assert_eq!(place_of_a_refusal("a.jsonl", lines, ""), (Json::Null, json!("Tel")));
}

#[test]
fn fields_that_the_crm_answers_with_another_value_are_told_each_with_its_records() {
    let crm = Tiny::scripted(accounts(&[]), |request, before| {
        // What the answer does not show, here the notes, says nothing.
        let metadata = json!({ "object_type": "record", "record_type": "account" });
        (request.method == "POST").then(|| {
            let record = json!({ "id": 1 + before, "name": request.json()["name"], "phone": "+44" });
            Reply::json(201, &json!({ "metadata": metadata, "record": record }))
        })
    });
    let desk = Desk::with("a.csv", "name,phone,notes\nA,1,x\nB,+44,x\nC,2,x\n");
    let done = desk.carafe(["import", "a.csv", "--object", "accounts"]).at(&crm.address()).ends_with(0);
    let told = "notice: in 2 records the CRM answered with another value of phone than was sent; carafe verify shows them\n";
    assert_eq!(done.stderr, told);
}
