//! What a mapping does with cells: the keys of the contract's example.

use serde_json::json;

use crate::support::{Crm, Desk};
use crate::tiny::{Tiny, accounts};

/// One account with something in every field, for blanks to act on.
fn one_full_account() -> Tiny {
    Tiny::serve(accounts(&[json!({ "id": 7, "name": "Acme", "phone": "1", "notes": "n", "leadscore": 5 })]))
}

const BLANKS: &str = "name,phone,notes,leadscore\nAcme,,,\n";

fn mapping_with(phone: &str) -> String {
    format!(
        "version: 1\nobject: accounts\nmode: update\nmatch: [name]\nfields:\n  name: name\n  phone: {phone}\n  notes: notes\n  leadscore: leadscore\n"
    )
}

#[test]
fn a_blank_cell_leaves_the_field_alone_unless_told_otherwise() {
    let (crm, desk) = (one_full_account(), Desk::with("a.csv", BLANKS));
    desk.write("m.yaml", mapping_with("phone"));
    let done = desk.carafe(["import", "a.csv", "-m", "m.yaml", "--json"]).at(&crm.address()).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 1, "unchanged": 1 }));
    assert_eq!(crm.writes(), 0);
}

#[test]
fn blank_clear_empties_that_field_alone_and_needs_yes() {
    let (crm, desk) = (one_full_account(), Desk::with("a.csv", BLANKS));
    desk.write("m.yaml", mapping_with("{ from: phone, blank: clear }"));
    let call = |more: &[&'static str]| {
        desk.carafe(["import", "a.csv", "-m", "m.yaml", "--json"].into_iter().chain(more.iter().copied()))
    };
    call(&[]).at(&crm.address()).ends_with(2);
    assert_eq!(crm.writes(), 0);
    let done = call(&["--yes"]).at(&crm.address()).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 1, "updated": 1 }));
    let sent = crm.asked_by("PATCH")[0].json();
    assert_eq!(sent.as_object().unwrap().keys().collect::<Vec<_>>(), ["phone"]);
    assert!(sent["phone"].is_null() || sent["phone"] == "", "{sent}");
}

#[test]
fn on_blank_clear_empties_every_mapped_field_that_is_blank() {
    let (crm, desk) = (one_full_account(), Desk::with("a.csv", BLANKS));
    desk.write("m.yaml", mapping_with("phone"));
    let arguments = ["import", "a.csv", "-m", "m.yaml", "--on-blank", "clear", "--yes"];
    desk.carafe(arguments).at(&crm.address()).ends_with(0);
    let sent = crm.asked_by("PATCH")[0].json();
    assert_eq!(sent.as_object().unwrap().keys().collect::<Vec<_>>(), ["leadscore", "notes", "phone"]);
}

#[test]
fn blank_error_rejects_the_row() {
    let (crm, desk) = (one_full_account(), Desk::with("a.csv", BLANKS));
    desk.write("m.yaml", mapping_with("{ from: phone, blank: error }"));
    let done = desk.carafe(["import", "a.csv", "-m", "m.yaml", "--json"]).at(&crm.address()).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 1, "rejected": 1 }));
    let errors = desk.errors();
    assert_eq!((&errors[0]["code"], &errors[0]["cell"]), (&json!("blank"), &json!("B2")));
    assert_eq!(crm.writes(), 0);
}

#[test]
fn the_contracts_example_mapping_means_what_it_says() {
    let (crm, desk) = (Crm::start(), Desk::new());
    desk.write(
        "m.yaml",
        r#"version: 1
object: accounts
mode: upsert
match: [name]
source: { format: csv, encoding: windows-1252, delimiter: ";", header_row: 3 }
defaults: { blank: keep, trim: true }
fields:
  name: Company
  addressline: { from: [Street, Street 2], join: ", " }
  phone: { from: Tel, blank: clear }
  type: { from: Kind, values: { Cust: Customer }, otherwise: reject }
  sector: { from: Sector, lookup: strict }
  source: { const: "Referral" }
  inceptiondate: { from: Since, date: "%d/%m/%Y" }
  annualvalue: { from: Value, decimal: "," }
  ownerid: { from: Owner, ref: { object: users, by: [first, last] }, default: 90505 }
ignore: [Internal ref]
"#,
    );
    let rows = "Customers of 2026;;;;;;;;;\n;;;;;;;;;\n\
         Company;Street;Street 2;Tel;Kind;Sector;Since;Value;Owner;Internal ref\n\
         M\u{fc}ller & S\u{f6}hne; Weg 1 ;Hof;0123;Cust;Energy;04/03/2019;1.234,50;Ben Baker;x\n\
         Zwei;Weg 2;;;cust;;31/12/2020;7;;y\n\
         Drei;;;;Other thing;;;;;z\n\
         Vier;;;;;Enrgy;;;;z\n\
         F\u{fc}nf;;;;;;31/02/2020;;;z\n\
         Sechs;;;;;;;;No Body;z\n";
    desk.write("a.csv", rows.chars().map(|c| c as u8).collect::<Vec<u8>>());
    let done = crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml", "--json"]).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 6, "created": 2, "rejected": 4 }));
    let one = crm.account("Müller & Söhne");
    let expected = json!({
        "addressline": "Weg 1, Hof", "phone": "0123", "type": "Customer", "sector": "Energy", "source": "Referral",
        "inceptiondate": "2019-03-04", "ownerid": 90506,
    });
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&one[field], value, "{field}");
    }
    assert_eq!(one["annualvalue"].to_string().trim_matches('"').parse::<f64>().unwrap(), 1234.5);
    let two = crm.account("Zwei");
    assert_eq!((&two["type"], &two["ownerid"]), (&json!("Customer"), &json!(90505)));
    assert_eq!(two["addressline"], "Weg 2");
    // Rows are numbered as Excel shows them: the header stands in row 3.
    let errors = desk.errors();
    let found: Vec<_> = errors
        .iter()
        .map(|e| format!("{} {} {}", e["cell"], e["field"], e["code"]).replace('"', ""))
        .collect();
    assert_eq!(
        found,
        ["E6 type values", "F7 sector lookup", "G8 inceptiondate date", "I9 ownerid no_reference"]
    );
}

#[test]
fn every_finding_of_a_row_is_told_not_the_first_alone() {
    let (crm, desk) = (Crm::start(), Desk::new());
    desk.write(
        "a.csv",
        "name,type,email,annualvalue,addresspostcode/zip\n,Custmer,nobody,twelve,123456789012345678901\n",
    );
    let done = crm.carafe(&desk, ["import", "a.csv", "--object", "accounts", "--json"]).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 1, "rejected": 1 }));
    let mut codes: Vec<String> =
        desk.errors().iter().map(|e| e["code"].as_str().unwrap().to_owned()).collect();
    codes.sort();
    assert_eq!(codes, ["email", "lookup", "number", "required", "too_long"]);
}

#[test]
fn columns_left_out_are_told_and_those_on_the_ignore_list_are_not() {
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", "Company,Fax,Ref\nX,1,2\n"));
    desk.write(
        "m.yaml",
        "version: 1\nobject: accounts\nmode: create\nfields:\n  name: COMPANY\nignore: [ref]\n",
    );
    let done = crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml"]).ends_with(0);
    assert_eq!(
        done.stderr,
        "notice: 1 column is not mapped and left out: \"Fax\" (name them under \"ignore\" to silence this)\n"
    );
    let quiet = crm.carafe(&desk, ["check", "a.csv", "-m", "m.yaml", "--quiet"]).ends_with(0);
    assert_eq!(quiet.stderr, "");
}

#[test]
fn a_text_that_otherwise_rejects_is_told_with_the_nearest_of_the_values() {
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", "Company,Kind\nA,Cusst\nB,Zebra\n"));
    desk.write(
        "m.yaml",
        "version: 1\nobject: accounts\nmode: create\nfields:\n  name: Company\n  type: { from: Kind, values: { Cust: Customer, Supp: Supplier }, otherwise: reject }\n",
    );
    crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml"]).ends_with(4);
    let messages: Vec<String> =
        desk.errors().iter().map(|error| error["message"].as_str().unwrap().to_owned()).collect();
    assert_eq!(
        messages,
        [
            "\"Cusst\" is not among the mapping's values; nearest \"Cust\"",
            "\"Zebra\" is not among the mapping's values",
        ]
    );
}
