//! Cells that name another record: its id is looked up, a hundred at a time.

use serde_json::{Value as Json, json};

use crate::support::{Crm, Desk};
use crate::tiny::{Reply, Tiny, accounts};

const CONTACTS: &str = "version: 1
object: contacts
mode: create
fields:
  accountid: { from: Company, ref: { object: accounts, by: name, missing: reject } }
  last: Surname
";

/// Asserts how many values each `$in` asked for, smallest first, and that no
/// request line was longer than the field notes allow.
#[track_caller]
pub fn assert_batches(crm: &Tiny, path: &str, field: &str, sizes: &[usize]) {
    let asked = crm.asked_by("GET");
    let lists: Vec<_> = asked.iter().filter(|r| r.path == path).collect();
    let values = |q: &str| {
        let q: Json = serde_json::from_str(q).unwrap();
        q[field]["$in"].as_array().unwrap_or_else(|| panic!("no $in on {field}: {q}")).len()
    };
    let mut found: Vec<usize> = lists.iter().map(|r| values(r.query("q").unwrap())).collect();
    found.sort_unstable();
    assert_eq!(found, sizes);
    assert!(lists.iter().all(|request| request.query("limit") == Some("100")));
}

#[test]
fn names_of_250_rows_become_ids_with_three_requests() {
    let known: Vec<_> = (0..250).map(|n| json!({ "id": n + 1, "name": format!("Account {n}") })).collect();
    let (crm, desk) = (Tiny::serve(accounts(&known).and_contacts()), Desk::with("m.yaml", CONTACTS));
    let rows: String = (0..250).map(|n| format!("ACCOUNT {n},Person {n}\n")).collect();
    desk.write("c.csv", format!("Company,Surname\n{rows}"));
    let done = desk.carafe(["import", "c.csv", "-m", "m.yaml", "--json"]).at(&crm.address()).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 250, "created": 250 }));
    assert_batches(&crm, "/accounts", "name", &[50, 100, 100]);
    for post in crm.asked_by("POST") {
        let body = post.json();
        let number: u64 = body["last"].as_str().unwrap().strip_prefix("Person ").unwrap().parse().unwrap();
        assert_eq!(body["accountid"], number + 1);
    }
}

#[test]
fn a_name_is_asked_for_once_however_many_rows_have_it() {
    let crm = Tiny::serve(accounts(&[json!({ "id": 7, "name": "Acme" })]).and_contacts());
    let desk = Desk::with("m.yaml", CONTACTS);
    desk.write("c.csv", format!("Company,Surname\n{}", "acme,X\nACME ,Y\n".repeat(600)));
    let done = desk.carafe(["import", "c.csv", "-m", "m.yaml", "--dry-run", "--json"]).at(&crm.address());
    assert_eq!(done.ends_with(0).rows(), json!({ "read": 1200, "created": 1200 }));
    assert_batches(&crm, "/accounts", "name", &[1]);
}

#[test]
fn a_name_without_a_record_or_with_two_rejects_the_row() {
    let twins = [
        json!({ "id": 1, "name": "Twin" }),
        json!({ "id": 2, "name": "twin" }),
        json!({ "id": 3, "name": "One" }),
    ];
    let (crm, desk) = (Tiny::serve(accounts(&twins).and_contacts()), Desk::with("m.yaml", CONTACTS));
    desk.write("c.csv", "Company,Surname\nNobody,A\nTwin,B\nOne,C\n,D\n");
    let done = desk.carafe(["import", "c.csv", "-m", "m.yaml", "--json"]).at(&crm.address()).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 4, "created": 1, "rejected": 3 }));
    let found: Vec<_> = desk.errors().iter().map(|e| (e["code"].clone(), e["message"].clone())).collect();
    assert_eq!(
        found,
        [
            (json!("no_reference"), json!("no record of accounts whose name is \"Nobody\"")),
            (json!("ambiguous_reference"), json!("several records of accounts whose name is \"Twin\"")),
            (json!("required"), json!("blank, and the CRM requires it")),
        ]
    );
}

#[test]
fn missing_blank_sends_the_row_without_the_reference() {
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", "name,Owner\nX,No Such Person\nY,ben BAKER\n"));
    desk.write(
        "m.yaml",
        "version: 1\nobject: accounts\nmode: create\nfields:\n  name: name\n  ownerid: { from: Owner, ref: { object: users, by: [first, last], missing: blank } }\n",
    );
    crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml"]).ends_with(0);
    assert_eq!((&crm.account("X")["ownerid"], &crm.account("Y")["ownerid"]), (&json!(90505), &json!(90506)));
}

#[test]
fn a_crm_that_ignores_the_filter_is_read_whole_and_gives_the_same_ids() {
    // Its answer to any `q` is simply the first page of all accounts.
    let known: Vec<_> = (0..250).map(|n| json!({ "id": n + 1, "name": format!("Account {n}") })).collect();
    let mut tables = accounts(&known).and_contacts();
    tables.ignores_filters = true;
    let (crm, desk) = (Tiny::serve(tables), Desk::with("m.yaml", CONTACTS));
    desk.write("c.csv", "Company,Surname\nAccount 249,A\nAccount 3,B\nNobody,C\n");
    let done = desk.carafe(["import", "c.csv", "-m", "m.yaml", "--json"]).at(&crm.address()).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 3, "created": 2, "rejected": 1 }));
    let mut ids: Vec<_> = crm.asked_by("POST").iter().map(|post| post.json()["accountid"].as_u64()).collect();
    ids.sort();
    assert_eq!(ids, [Some(4), Some(250)]);
}

#[test]
fn owners_are_found_where_users_can_be_read_and_are_not_described() {
    let crm = Tiny::scripted(accounts(&[]), |request, _| match request.path.as_str() {
        "/datadictionary/users" => Some(Reply::error(500, "Invalid record type (users)")),
        "/users" => {
            let metadata = json!({ "url": "/users/5", "object_type": "record", "record_type": "user" });
            let item = json!({ "metadata": metadata, "record": { "id": 5, "first": "Ann", "last": "Archer", "live": 1 } });
            let list = json!({ "url": "/user", "object_type": "list", "total_count": 1, "has_more": false });
            Some(Reply::json(200, &json!({ "metadata": list, "list": [item] })))
        }
        _ => None,
    });
    let mapping = "version: 1\nobject: accounts\nmode: create\nfields:\n  name: Company\n  \
                   phone: { from: Owner, ref: { object: users, by: [first, last] } }\n";
    let desk = Desk::with("m.yaml", mapping);
    desk.write("a.csv", "Company,Owner\nAcme,ann archer\n");
    desk.carafe(["import", "a.csv", "-m", "m.yaml", "--json"]).at(&crm.address()).ends_with(0);
    assert_eq!(crm.asked_by("POST")[0].json()["phone"], 5);
}
