//! `check`: validates, and reads and writes no record.

use std::net::TcpListener;

use serde_json::json;

use crate::support::{BY_NAME, Crm, Desk};
use crate::tiny::{Tiny, accounts};

const ROWS: &str =
    "Company,Tel,Kind,Notes\nA,1,Customer,\nB,2,Custmer,\nB,3,Prospect,\n,4,Custmer,\nÄrger,5,,\n";

fn desk() -> Desk {
    let desk = Desk::with("m.yaml", BY_NAME);
    desk.write("a.csv", ROWS);
    desk
}

#[test]
fn the_document_has_rows_causes_and_no_run() {
    let (crm, desk) = (Crm::start(), desk());
    let done = crm.carafe(&desk, ["check", "a.csv", "-m", "m.yaml", "--json"]).ends_with(4);
    assert_eq!(
        done.document(),
        json!({
            "command": "check", "object": "accounts", "mode": "upsert", "state": "finished",
            "rows": { "read": 5, "valid": 2, "skipped": 0, "rejected": 3 },
            "calls": { "total": 2, "get": 2, "post": 0, "patch": 0, "delete": 0, "retries": 0 },
            "causes": [
                { "field": "type", "code": "lookup", "message": "\"Custmer\" is not in the list; nearest \"Customer\"",
                  "rows": 2, "example": { "row": 3, "value": "Custmer" } },
                { "field": "name", "code": "duplicate", "message": "an earlier row has the same name",
                  "rows": 1, "example": { "row": 4, "value": "B" } },
                { "field": "name", "code": "blank_key", "message": "blank, and it identifies the record; a blank never matches",
                  "rows": 1, "example": { "row": 5, "value": null } },
            ],
            "elapsed_s": 0, "files": {},
        })
    );
    assert!(desk.runs().is_empty(), "a check is no run");
}

#[test]
fn no_record_is_read_or_written() {
    let (crm, desk) = (Tiny::serve(accounts(&[])), Desk::with("a.csv", "name,phone\nA,1\n"));
    desk.carafe(["check", "a.csv", "--object", "accounts"]).at(&crm.address()).ends_with(0);
    let asked: Vec<_> = crm.asked().into_iter().map(|request| (request.method, request.path)).collect();
    assert_eq!(asked, [("GET".to_owned(), "/datadictionary/accounts".to_owned())]);
}

#[test]
fn the_words_name_each_cell_and_the_way_on() {
    let (crm, desk) = (Crm::start(), desk());
    let done = crm.carafe(&desk, ["check", "a.csv", "-m", "m.yaml"]).ends_with(4);
    assert_eq!(
        done.stdout.replace(&crm.address(), "CRM"),
        "Check finished: 3 rows would be rejected

          2   valid
          3   rejected
          5   rows, all accounted for

  C3  type: \"Custmer\" is not in the list; nearest \"Customer\"
  A4  name: row 3 has the same name   found: B
  A5  name: blank, and it identifies the record; a blank never matches
  C5  type: \"Custmer\" is not in the list; nearest \"Customer\"

  why rejected       2  type: \"Custmer\" is not in the list; nearest \"Customer\"            row 3
                     1  name: an earlier row has the same name                            row 4: B
                     1  name: blank, and it identifies the record; a blank never matches  row 5

  next     correct the cells, or import the rest:
           carafe import a.csv -m m.yaml --base-url CRM
"
    );
    assert_eq!(done.stderr, "");
}

#[test]
fn a_saved_dictionary_makes_it_work_without_network_and_token() {
    let (crm, desk) = (Crm::start(), desk());
    crm.carafe(&desk, ["describe", "--save", "d.json"]).ends_with(0);
    let online = crm.carafe(&desk, ["check", "a.csv", "-m", "m.yaml", "--json"]).ends_with(4);
    drop(crm);
    // Whoever connects would be noticed here.
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let address = format!("http://{}", trap.local_addr().unwrap());
    let arguments = ["check", "a.csv", "-m", "m.yaml", "--offline", "--dictionary", "d.json", "--json"];
    let offline = desk.carafe(arguments).env("CARAFE_BASE_URL", &address).ends_with(4);
    for part in ["rows", "causes", "mode", "object"] {
        assert_eq!(online.json()[part], offline.json()[part], "{part}");
    }
    assert_eq!(offline.json()["calls"]["total"], 0);
    assert!(trap.accept().is_err(), "something connected");
}

#[test]
fn offline_without_a_dictionary_says_how_to_get_one() {
    desk().carafe(["check", "a.csv", "-m", "m.yaml", "--offline"]).run().fails(
        2,
        "error: --offline needs the CRM's dictionary from a file
  save it once with: carafe describe --save dictionary.json, then give --dictionary dictionary.json",
    );
}

#[test]
fn the_machines_language_and_time_zone_change_no_byte() {
    let (crm, desk) = (
        Crm::start(),
        Desk::with(
            "m.yaml",
            "version: 1\nobject: accounts\nmode: create\nfields:\n  name: n\n  annualvalue: v\n  inceptiondate: d\n  renewal: t\n",
        ),
    );
    crm.carafe(&desk, ["describe", "--save", "d.json"]).ends_with(0);
    desk.write("a.csv", "n,v,d,t\nÄ,1.5,2020-02-03,2020-02-03 23:59:59\nI,\"1,234.5\",n/a,x\nı,x,2020-02-30,2020-03-29 02:30:00\n");
    let settings = [
        ("C", "UTC"),
        ("de_DE.UTF-8", "Europe/Berlin"),
        ("tr_TR.UTF-8", "Pacific/Kiritimati"),
        ("en_US", "America/New_York"),
    ];
    let outputs: Vec<(String, String, i32)> = settings
        .iter()
        .map(|(language, zone)| {
            let call = desk.carafe(["check", "a.csv", "-m", "m.yaml", "--offline", "--dictionary", "d.json"]);
            let call = call.env("LANG", language).env("LC_ALL", language).env("TZ", zone);
            let done = call.run();
            (done.stdout, done.stderr, done.code.unwrap())
        })
        .collect();
    assert!(outputs.iter().all(|output| output == &outputs[0]), "{outputs:#?}");
    assert_eq!(outputs[0].2, 4);
}

#[test]
fn a_clean_file_exits_0_and_a_file_without_rows_too() {
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", "name\nX\n"));
    let done = crm.carafe(&desk, ["check", "a.csv", "--object", "accounts"]).ends_with(0);
    assert_eq!(
        done.stdout.replace(&crm.address(), "CRM"),
        "Check finished: every row of a.csv is fit to import

          1   valid
          1   rows, all accounted for

  next     carafe import a.csv --object accounts --base-url CRM --dry-run
"
    );
    for (name, content) in [("empty.csv", ""), ("bom.csv", "\u{feff}"), ("header.csv", "name,type\n")] {
        desk.write(name, content);
        let done = crm.carafe(&desk, ["check", name, "--object", "accounts", "--json"]).ends_with(0);
        assert_eq!(done.json()["rows"], json!({ "read": 0, "valid": 0, "skipped": 0, "rejected": 0 }));
        assert_eq!(done.stderr, format!("notice: {name} has no data rows\n"));
    }
}

#[test]
fn limit_checks_the_first_rows_alone() {
    let (crm, desk) = (Crm::start(), desk());
    let done = crm.carafe(&desk, ["check", "a.csv", "-m", "m.yaml", "--limit", "1", "--json"]).ends_with(0);
    assert_eq!(done.json()["rows"], json!({ "read": 1, "valid": 1, "skipped": 0, "rejected": 0 }));
}

#[test]
fn a_rows_number_is_that_of_the_spreadsheet() {
    // A quoted line break does not count, a wholly blank row does.
    let (crm, desk) =
        (Crm::start(), Desk::with("a.csv", "name,type\n\"two\nlines\",Customer\n,\nBad,Custmer\n"));
    let done = crm.carafe(&desk, ["check", "a.csv", "--object", "accounts", "--json"]).ends_with(4);
    assert_eq!(done.json()["rows"], json!({ "read": 2, "valid": 1, "skipped": 0, "rejected": 1 }));
    assert_eq!(done.json()["causes"][0]["example"]["row"], 4);
}
