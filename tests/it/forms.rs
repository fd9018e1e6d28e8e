//! Forms of input beside CSV: JSON Lines, and parts of a workbook's sheet.

use serde_json::json;

use crate::support::{Crm, Desk};

#[test]
fn json_lines_are_imported_and_their_rejects_are_json_lines() {
    let (crm, desk) = (Crm::start(), Desk::new());
    desk.write(
        "a.jsonl",
        "{\"name\":\"Acme\",\"annualvalue\":12345678901.25,\"vip\":true}\n[1]\n{\"name\":\"Beta\",\"email\":\"nobody\"}\n",
    );
    let done = crm.carafe(&desk, ["import", "a.jsonl", "--object", "accounts", "--json"]).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 3, "created": 1, "rejected": 2 }));
    assert_eq!(crm.account("Acme")["annualvalue"].to_string(), "12345678901.25");
    let rejects = desk.run_text("rejects.jsonl");
    assert!(rejects.contains("\"name\":\"Beta\"") && rejects.contains("\"_code\":\"email\""), "{rejects}");
}

#[test]
fn a_range_of_a_sheet_is_imported_and_the_rest_left_alone() {
    let (crm, desk) = (Crm::start(), Desk::new());
    crm.carafe(&desk, ["export", "accounts", "-o", "a.xlsx", "--fields", "name,phone"]).ends_with(0);
    // The export has a header in row 1 and id in column A.
    desk.write("m.yaml", "version: 1\nobject: accounts\nsource: { range: \"B1:C4\", hidden: skip }\nmatch: [name]\nfields: { name: name, phone: phone }\n");
    let done = crm.carafe(&desk, ["import", "a.xlsx", "-m", "m.yaml", "--json"]).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 3, "unchanged": 3 }));
}

#[test]
fn zeros_that_a_spreadsheet_dropped_come_back() {
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", "Firm,CIK\nAcme,66740\nBeta,n/a\n"));
    desk.write(
        "m.yaml",
        "version: 1\nobject: accounts\nfields: { name: Firm, centralindexkey: { from: CIK, pad: 10 } }\n",
    );
    crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml"]).ends_with(0);
    assert_eq!(crm.account("Acme")["centralindexkey"], "0000066740");
    assert_eq!(crm.account("Beta")["centralindexkey"], "n/a");
    desk.write("w.yaml", "version: 1\nobject: accounts\nfields: { name: { from: Firm, pad: 0 } }\n");
    let done = crm.carafe(&desk, ["check", "a.csv", "-m", "w.yaml"]).ends_with(2);
    assert!(done.stderr.contains("pad takes a number of digits from 1 to 100"), "{}", done.stderr);
}
