//! What else a mapping can do: filter rows, cut, replace and compute texts,
//! empty fields by a word, add to lists.

use std::sync::{Arc, Mutex};

use serde_json::{Value as Json, json};

use crate::support::{Crm, Desk, Done};
use crate::tiny::{Reply, Request, Tiny, accounts};

fn desk(rows: &str, mapping: &str) -> Desk {
    let desk = Desk::with("a.csv", rows);
    desk.write("m.yaml", format!("version: 1\n{mapping}"));
    desk
}

fn import(crm: &Crm, desk: &Desk) -> Done {
    crm.carafe(desk, ["import", "a.csv", "-m", "m.yaml", "--json"]).run()
}

fn found(desk: &Desk) -> Vec<String> {
    let line =
        |e: &Json| format!("{} {} {} {}", e["row"], e["cell"], e["code"], e["message"]).replace('"', "");
    desk.errors().iter().map(|e| line(e).replace('\\', "")).collect()
}

#[test]
fn rows_that_when_leaves_out_are_skipped_and_add_up() {
    let rows = "Company,Status,Country,Value,Since\nA,Live,UK,\"1.200,50\",25/12/2023\nB,dead,UK,7,01/02/2024\nC,Live,FR,7,\nD,Live,ie,,02/02/2020\nE,Live,UK,lots,\n";
    let mapping = "object: accounts\nwhen: Status != \"Dead\" and Country in (\"UK\", \"IE\") and Value > 1000\nfields:\n  name: Company\n  annualvalue: { from: Value, decimal: ',' }\n";
    let (crm, desk) = (Crm::start(), desk(rows, mapping));
    let done = crm.carafe(&desk, ["check", "a.csv", "-m", "m.yaml", "--json"]).ends_with(4);
    assert_eq!(done.json()["rows"], json!({ "read": 5, "valid": 1, "skipped": 3, "rejected": 1 }));
    // Columns that only `when` looks at are used.
    assert!(done.stderr.contains("1 column is not mapped and left out: \"Since\""), "{}", done.stderr);
    assert_eq!(import(&crm, &desk).rows(), json!({ "read": 5, "created": 1, "skipped": 3, "rejected": 1 }));
    assert_eq!(found(&desk), ["6 D6 when when compares it with a number, and as one it cannot be read"]);
    let results = desk.run_text("results.csv");
    assert_eq!(results.lines().count(), 2, "{results}");
}

#[test]
fn dates_in_when_are_compared_as_the_column_is_read() {
    let rows = "Company,Since\nA,25/12/2023\nB,01/02/2024\nC,01/03/2020\n";
    let mapping = "object: accounts\nwhen: Since between 2024-01-01 and 2024-12-31\nfields:\n  name: Company\n  inceptiondate: Since\n";
    let (crm, desk) = (Crm::start(), desk(rows, mapping));
    assert_eq!(import(&crm, &desk).rows(), json!({ "read": 3, "created": 1, "skipped": 2 }));
    assert_eq!(crm.account("B")["inceptiondate"], "2024-02-01");
}

#[test]
fn a_when_that_does_not_read_shows_the_place_in_the_mapping() {
    let mapping = "object: accounts\nwhen: 'Stats = \"Live\"'\nfields:\n  name: Company\n";
    let (crm, desk) = (Crm::start(), desk("Company,Status\nA,Live\n", mapping));
    let done = crm.carafe(&desk, ["check", "a.csv", "-m", "m.yaml"]).ends_with(2);
    let wanted = "error: the file has no column \"Stats\"
  --> m.yaml:3:8
3 | when: 'Stats = \"Live\"'
  |        ^^^^^ nearest: Status
";
    assert_eq!(done.stderr, wanted);
}

#[test]
fn texts_are_replaced_cut_and_spelt_before_they_are_read() {
    let rows =
        "Person,Firm,Phone,Mail\n\"LOVELACE, ada\",Acme,020 7946-0000,Ada@Example.COM\nno comma,Acme,,\n";
    let mapping = r#"object: contacts
fields:
  accountid: { from: Firm, ref: { object: accounts, by: name } }
  last: { from: Person, split: { by: ",", part: 1 }, case: title }
  first: { from: Person, split: { by: ",", part: 2 }, case: title }
  phone: { from: Phone, replace: { '[^0-9+]': "", "^0": "+44" } }
  email: { from: Mail, case: lower }
"#;
    let (crm, desk) = (Crm::start(), desk(rows, mapping));
    desk.write("firms.csv", "name\nAcme\n");
    crm.carafe(&desk, ["import", "firms.csv", "--object", "accounts"]).ends_with(0);
    crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml", "--json"]).ends_with(0);
    let ada = &crm.records("contacts", r#"{"last":"Lovelace"}"#)[0];
    assert_eq!((&ada["first"], &ada["phone"]), (&json!("Ada"), &json!("+442079460000")));
    assert_eq!(ada["email"], "ada@example.com");
    let other = &crm.records("contacts", r#"{"last":"No Comma"}"#)[0];
    assert!(other["first"].is_null() || other["first"] == "", "{other}");
}

#[test]
fn an_expression_fills_a_field_and_a_row_without_a_result_is_rejected() {
    let rows = "First name,Last,Staff\nada,lovelace,12\nbob,marley,many\n";
    let mapping = "object: accounts\nfields:\n  name: { expr: '`first name` ~ \" \" ~ Last | title' }\n  notes: { expr: '\"big\" if Staff | int > 10 else none' }\n";
    let (crm, desk) = (Crm::start(), desk(rows, mapping));
    let done = import(&crm, &desk);
    assert_eq!(done.rows(), json!({ "read": 2, "created": 1, "rejected": 1 }), "{}", done.stderr);
    assert_eq!(crm.account("ada Lovelace")["notes"], "big");
    assert_eq!(
        found(&desk),
        ["3 C3 expr expr in line 5 of the mapping has no result: many is not a whole number"]
    );
    desk.write("w.yaml", "version: 1\nobject: accounts\nfields:\n  name: { expr: 'Lst | upper' }\n");
    let done = crm.carafe(&desk, ["check", "a.csv", "-m", "w.yaml"]).ends_with(2);
    let wanted = "error: the file has no column \"Lst\"
  --> w.yaml:4:18
4 |   name: { expr: 'Lst | upper' }
  |                  ^^^ nearest: Last
";
    assert_eq!(done.stderr, wanted);
}

#[test]
fn own_words_for_yes_and_no_come_before_the_ten_that_all_know() {
    let rows =
        "last,Firm,Decides\nA,Acme,Ja\nB,Acme,✓\nC,Acme,nein\nD,Acme,yes\nE,Acme,N\nF,Acme,vielleicht\n";
    let mapping = "object: contacts\nfields:\n  accountid: { from: Firm, ref: { object: accounts, by: name } }\n  last: last\n  decisionmaker: { from: Decides, true: [Ja, '✓', N], false: Nein }\n";
    let (crm, desk) = (Crm::start(), desk(rows, mapping));
    desk.write("firms.csv", "name\nAcme\n");
    crm.carafe(&desk, ["import", "firms.csv", "--object", "accounts"]).ends_with(0);
    let done = crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml", "--json"]).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 6, "created": 5, "rejected": 1 }));
    let flag = |last: &str| {
        crm.records("contacts", &json!({ "last": last }).to_string())[0]["decisionmaker"].to_string()
    };
    let flags: Vec<String> = ["A", "B", "C", "D", "E"].map(|last| flag(last).replace('"', "")).into();
    assert_eq!(flags, ["1", "1", "0", "1", "1"]);
}

#[test]
fn a_clear_token_empties_its_field_alone_is_counted_and_needs_yes() {
    let crm = Tiny::serve(accounts(&[
        json!({ "id": 7, "name": "Null", "phone": "1", "notes": "n" }),
        json!({ "id": 8, "name": "Acme", "phone": "2", "notes": "n" }),
    ]));
    let rows = "name,phone,notes\nNull,<clear>,\nAcme,3,NULL\nNew,<clear>,x\n";
    let mapping = "object: accounts\nmode: upsert\nmatch: [name]\ndefaults: { clear_token: <clear> }\nfields:\n  name: name\n  phone: phone\n  notes: { from: notes, clear_token: 'NULL' }\n";
    let desk = desk(rows, mapping);
    let call = |more: &[&'static str]| {
        let arguments = ["import", "a.csv", "-m", "m.yaml"].into_iter().chain(more.iter().copied());
        desk.carafe(arguments).at(&crm.address())
    };
    let plan = call(&["--dry-run"]).ends_with(0);
    for line in ["  emptied   notes → cleared in 1 record\n", "  emptied   phone → cleared in 1 record\n"]
    {
        assert!(plan.stdout.contains(line), "{}", plan.stdout);
    }
    call(&[]).ends_with(2);
    assert_eq!(crm.writes(), 0);
    call(&["--yes"]).ends_with(0);
    let sent: Vec<Json> = crm.asked_by("PATCH").iter().map(|request| request.json()).collect();
    assert_eq!(sent.len(), 2);
    assert!(sent.contains(&json!({ "phone": "" })), "{sent:?}");
    assert!(sent.contains(&json!({ "phone": "3", "notes": "" })), "{sent:?}");
    assert_eq!(crm.asked_by("POST")[0].json(), json!({ "name": "New", "notes": "x" }));
}

const APPENDS: &str = "object: accounts\nmode: upsert\nmatch: [name]\nfields:\n  name: Company\n  type: { from: Kind, lookup: append }\n  phone: Tel\n";

#[test]
fn lookup_append_shows_what_it_would_add_and_adds_it_before_the_first_row() {
    let rows = "Company,Kind,Tel\nA,Charity,1\nB,customer,2\nC,CHARITY ,3\nD,Club,\n,Never,4\n";
    let (crm, desk) = (Crm::start(), desk(rows, APPENDS));
    let list = || crm.carafe(&desk, ["lookup", "accounts.type"]).ends_with(0).stdout;
    let before = list();
    let wanted = "  list      accounts.type gains \"Charity\" (2 rows), \"Club\" (1 row)\n";
    let checked = crm.carafe(&desk, ["check", "a.csv", "-m", "m.yaml"]).ends_with(4);
    assert!(checked.stdout.contains(wanted), "{}", checked.stdout);
    let listed =
        json!([{ "field": "type", "list": "accounttypes", "values": [["Charity", 2], ["Club", 1]] }]);
    let checked = crm.carafe(&desk, ["check", "a.csv", "-m", "m.yaml", "--json"]).ends_with(4);
    assert_eq!(checked.json()["additions"], listed);
    let plan = crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml", "--dry-run"]).ends_with(4);
    assert_eq!(desk.json(desk.run().join("summary.json"))["additions"], listed);
    assert!(plan.stdout.contains(wanted), "{}", plan.stdout);
    assert_eq!(list(), before, "a plan adds nothing");
    crm.carafe(&desk, ["apply", "last"]).ends_with(4);
    assert_eq!(list(), format!("{before}Charity\nClub\n"));
    assert_eq!(
        (&crm.account("A")["type"], &crm.account("C")["type"]),
        (&json!("Charity"), &json!("Charity"))
    );
    assert_eq!(crm.account("B")["type"], "Customer");
    // Once there, nothing is added and nothing differs.
    let again = import(&crm, &desk);
    assert_eq!(again.rows(), json!({ "read": 5, "unchanged": 4, "rejected": 1 }));
    assert_eq!(list(), format!("{before}Charity\nClub\n"));
}

/// Accounts with a dropdown whose list has another name than its field; the
/// answer to what would be added to it.
fn crm_with_a_list(added: impl Fn() -> Reply + Send + Sync + 'static) -> Tiny {
    crm_with_the_list(|| json!([]), added)
}

fn crm_with_the_list(
    listed: impl Fn() -> Json + Send + Sync + 'static,
    added: impl Fn() -> Reply + Send + Sync + 'static,
) -> Tiny {
    Tiny::scripted(accounts(&[]), move |request, _| match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/datadictionary/accounts") => Some(Reply::json(
            200,
            &json!([
                { "name": "id", "type": "number", "readonly": true },
                { "name": "name", "type": "text", "required": true },
                { "name": "phone", "type": "text" },
                { "name": "type", "type": "text", "lookup": "account_types" },
            ]),
        )),
        ("GET", "/lookup/accounts/type") => Some(Reply::json(200, &json!({ "items": listed() }))),
        ("PATCH", path) if path.starts_with("/lookup/") => Some(added()),
        _ => None,
    })
}

#[test]
fn values_go_to_the_list_first_and_to_the_list_that_the_dictionary_names() {
    let crm = crm_with_a_list(|| Reply::json(200, &json!({ "message": "Lookup values added", "items": [] })));
    let desk = desk("Company,Kind,Tel\nA,Charity,1\n", APPENDS);
    desk.carafe(["import", "a.csv", "-m", "m.yaml"]).at(&crm.address()).ends_with(0);
    let writes = crm.asked().into_iter().filter(|request| request.method != "GET");
    let writes: Vec<String> = writes.map(|r| format!("{} {} {}", r.method, r.path, r.body)).collect();
    assert_eq!(writes[0], r#"PATCH /lookup/account_types {"items":["Charity"]}"#);
    assert!(writes[1].starts_with("POST /accounts"), "{writes:?}");
}

#[test]
fn a_value_that_somebody_added_to_the_list_since_the_plan_is_not_added_twice() {
    let list = Arc::new(Mutex::new(json!([])));
    let listed = Arc::clone(&list);
    let crm = crm_with_the_list(
        move || listed.lock().unwrap().clone(),
        || Reply::json(200, &json!({ "message": "Lookup values added", "items": [] })),
    );
    let desk = desk("Company,Kind,Tel\nA,Charity,1\nB,Club,2\n", APPENDS);
    desk.carafe(["import", "a.csv", "-m", "m.yaml", "--dry-run"]).at(&crm.address()).ends_with(0);
    *list.lock().unwrap() = json!(["CHARITY"]);
    desk.carafe(["apply", "last"]).at(&crm.address()).ends_with(0);
    let bodies = |method: &str| crm.asked_by(method).iter().map(Request::json).collect::<Vec<_>>();
    assert_eq!(bodies("PATCH"), [json!({ "items": ["Club"] })]);
    assert_eq!(bodies("POST").len(), 2);
}

#[test]
fn a_list_that_takes_nothing_stops_the_run_before_any_row() {
    let crm = crm_with_a_list(|| Reply::error(405, "Not allowed"));
    let desk = desk("Company,Kind,Tel\nA,Charity,1\n", APPENDS);
    let done = desk.carafe(["import", "a.csv", "-m", "m.yaml"]).at(&crm.address()).ends_with(3);
    let told = "values could not be added to the list of type, so no row was sent";
    assert!(done.stderr.contains(told), "{}", done.stderr);
    assert!(crm.asked_by("POST").is_empty());
}

#[test]
fn a_column_of_names_does_not_become_a_list() {
    let rows: String = (0..600).map(|n| format!("A{n},K{n},1\n")).collect();
    let (crm, desk) = (Crm::start(), desk(&format!("Company,Kind,Tel\n{rows}"), APPENDS));
    let done = crm.carafe(&desk, ["check", "a.csv", "-m", "m.yaml"]).ends_with(2);
    let wanted = "error: \"lookup: append\" would add more than 500 values to the list of type; is it the right column?
  --> m.yaml:7:31
";
    assert!(done.stderr.starts_with(wanted), "{}", done.stderr);
}

#[test]
fn a_value_that_the_record_holds_already_rejects_no_row_whatever_it_is() {
    let crm = Tiny::serve(accounts(&[json!({ "id": 7, "name": "Acme", "phone": "1", "leadscore": "many" })]));
    let mapping = "object: accounts\nmode: upsert\nmatch: [name]\nfields: { name: name, phone: phone, leadscore: score }\n";
    let desk = desk("name,phone,score\nAcme,2,many\nBeta,3,many\n", mapping);
    let done = desk.carafe(["import", "a.csv", "-m", "m.yaml", "--json"]).at(&crm.address()).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 2, "updated": 1, "rejected": 1 }));
    assert_eq!(crm.asked_by("PATCH")[0].json(), json!({ "phone": "2" }));
    assert_eq!(found(&desk), ["3 C3 number not a number"]);
}

#[test]
fn when_reads_a_cell_as_its_field_does_steps_included() {
    let rows = "Company,Value\nA,1.234\nB,2.500\nC,50\n";
    let mapping = "object: accounts\nwhen: Value > 100\nfields:\n  name: Company\n  annualvalue: { from: Value, replace: { '\\.': '' } }\n";
    let (crm, desk) = (Crm::start(), desk(rows, mapping));
    assert_eq!(import(&crm, &desk).rows(), json!({ "read": 3, "created": 2, "skipped": 1 }));
    assert_eq!(crm.account("A")["annualvalue"].to_string().trim_matches('"'), "1234");
}

#[test]
fn values_of_excused_rows_are_added_as_they_are_first_written_and_counted() {
    let (crm, desk) = (Crm::start(), Desk::new());
    desk.write("old.csv", "name,sector\nA,Retired\nB,Retired\n");
    desk.write(
        "old.yaml",
        "version: 1\nobject: accounts\nfields: { name: name, sector: { from: sector, lookup: off } }\n",
    );
    crm.carafe(&desk, ["import", "old.csv", "-m", "old.yaml"]).ends_with(0);
    desk.write("a.csv", "name,sector,type\nA,Retired,Rival\nB,Retired,rival\n");
    desk.write("m.yaml", "version: 1\nobject: accounts\nmode: upsert\nmatch: [name]\nfields: { name: name, sector: sector, type: { from: type, lookup: append } }\n");
    let done = crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml", "--json"]).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 2, "updated": 2 }));
    assert_eq!((&crm.account("A")["type"], &crm.account("B")["type"]), (&json!("Rival"), &json!("Rival")));
    assert_eq!(done.json()["additions"][0]["values"], json!([["Rival", 2]]));
}

const TAGS: &str = "Company,Tags\nA,Newsletter|VIP\nB,vip\nC,VIP | Key Account\nD,Reference|Rival|Old\n";

#[test]
fn each_value_of_a_multi_select_is_looked_for_among_values() {
    let tags = |more: &str| {
        format!(
            "object: accounts\nfields:\n  name: Company\n  tags: {{ from: Tags, split: '|', values: {{ VIP: Key Account, Old: '' }}{more} }}\n"
        )
    };
    for (more, wanted) in [
        (", lookup: append", "Reference;Rival"),
        (", otherwise: { use: reference }", "Reference"),
        (", otherwise: blank", ""),
    ] {
        let (crm, desk) = (Crm::start(), desk(TAGS, &tags(more)));
        let done = import(&crm, &desk);
        assert_eq!(done.rows(), json!({ "read": 4, "created": 4 }), "{more} {}", done.stderr);
        let of = |name: &str| crm.account(name)["tags"].as_str().unwrap_or_default().to_owned();
        if more.contains("append") {
            assert_eq!([of("A"), of("B"), of("C")], ["Newsletter;Key Account", "Key Account", "Key Account"]);
            assert_eq!(done.json()["additions"][0]["values"], json!([["Rival", 1]]));
        }
        assert_eq!(of("D"), wanted, "{more}");
    }
    let (crm, desk) = (Crm::start(), desk(TAGS, &tags(", otherwise: reject")));
    assert_eq!(import(&crm, &desk).rows(), json!({ "read": 4, "created": 1, "rejected": 3 }));
    let told = found(&desk);
    assert_eq!(
        told[0],
        "2 B2 values Newsletter is in the list, but not among the mapping's values, and otherwise: reject takes no other; add it there"
    );
    assert_eq!(
        told[2],
        "5 B5 values Reference is in the list, but not among the mapping's values, and otherwise: reject takes no other; add it there"
    );
}

#[test]
fn a_list_of_json_lines_is_the_values_of_a_multi_select() {
    let crm = Crm::start();
    let lines = "{\"name\":\"A\",\"tags\":[\"Newsletter\",\"vip\"]}\n{\"name\":\"B\",\"tags\":[]}\n{\"name\":\"C\",\"tags\":[[1]]}\n";
    let desk = Desk::with("a.jsonl", lines);
    desk.write("m.yaml", "version: 1\nobject: accounts\nfields:\n  name: name\n  tags: { from: tags, values: { VIP: Key Account } }\n");
    let done = crm.carafe(&desk, ["import", "a.jsonl", "-m", "m.yaml", "--json"]).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 3, "created": 2, "rejected": 1 }));
    assert_eq!(crm.account("A")["tags"], "Newsletter;Key Account");
    // A draft knows the list's values, and says what the others may become.
    let draft =
        crm.carafe(&desk, ["draft", "a.jsonl", "--object", "accounts", "-o", "-"]).ends_with(0).stdout;
    assert!(draft.contains("# tags: { from: tags, values: { vip: "), "{draft}");
}
