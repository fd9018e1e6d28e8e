//! Sentences that lead out: what is wrong, where it stands, what is near.

use serde_json::{Value as Json, json};

use crate::support::{Crm, Desk, Done};
use crate::trial::{refusal, trial};
use crate::workbook::{Sheet, book, texts};

/// `check` of a file of accounts by a mapping.
fn checked(name: &str, content: impl AsRef<[u8]>, mapping: &str) -> Done {
    let (crm, desk) = (Crm::start(), Desk::with(name, content));
    desk.write("m.yaml", format!("version: 1\n{mapping}"));
    crm.carafe(&desk, ["check", name, "-m", "m.yaml"]).run()
}

fn heading(done: &Done) -> &str {
    done.stdout.lines().next().unwrap_or_default()
}

#[test]
fn what_the_mapping_says_of_the_file_is_told_at_its_key() {
    let sheets = book(&[Sheet::new("Kunden").row(texts(["Firm"])).row(texts(["A"]))]);
    let csv = "Firm\nZoë\n".as_bytes().to_vec();
    for (name, content, key, told) in [
        ("a.csv", &csv, "encoding: klingon", "a.csv: there is no encoding \"klingon\""),
        (
            "a.csv",
            &csv,
            "encoding: utf-16",
            "a.csv: the file is not in utf-16le, where each comma and each line end has a byte 0",
        ),
        ("a.csv", &csv, "delimiter: a", "a.csv: the delimiter \"a\" cannot be used"),
        ("a.csv", &csv, "header_row: 9", "a.csv: the header should stand in row 9"),
        ("a.csv", &csv, "range: A1:B2", "a.csv: a range can be read from a workbook only"),
        ("a.xlsx", &sheets, "sheet: Kontakte", "a.xlsx: there is no sheet \"Kontakte\""),
        ("a.xlsx", &sheets, "sheet: 2", "a.xlsx: there is no sheet 2; the workbook has 1"),
        ("a.xlsx", &sheets, "range: Kontakte!A1:B2", "a.xlsx: there is no sheet \"Kontakte\""),
        ("a.xlsx", &sheets, "range: 1A:B", "a.xlsx: "),
    ] {
        let told_all = refusal(name, content, &format!("source:\n  {key}\nfields: {{ name: Firm }}\n"));
        assert!(told_all.starts_with(&format!("error: {told}")), "{key}: {told_all}");
        let place = format!("\n  --> m.yaml:5:{}\n5 |   {key}\n", key.find(": ").unwrap() + 5);
        assert!(told_all.contains(&place), "{key}: {told_all}");
    }
}

#[test]
fn an_encoding_that_the_bytes_speak_against_is_told_with_a_cell_read_both_ways() {
    let mapping = "source: { encoding: windows-1252 }\nfields: { name: Firm }\n";
    let read = trial("a.csv", "Firm\nMüller\n", mapping).is(0, json!({ "read": 1, "created": 1 }));
    read.told("the file is UTF-8, but it is read in windows-1252, as the mapping says: \"Müller\" is read as \"MÃ¼ller\"; if that is wrong, leave encoding out");
    let right = trial("a.csv", b"Firm\nM\xFCller\n", mapping);
    assert!(!right.done.stderr.contains("UTF-8"), "{}", right.done.stderr);
    // ASCII has no such byte, whatever browsers take it for.
    let ascii = trial("a.csv", b"Firm\nM\xFCller\n", &mapping.replace("windows-1252", "ascii"));
    assert_eq!(
        ascii.problems(),
        [
            "A2 encoding byte 0xFC at offset 6 of the file is not in its encoding; mend the text, or set source: { encoding: … } in the mapping"
        ]
    );
}

#[test]
fn a_check_says_no_more_than_it_has_looked_at() {
    let accounts = "object: accounts\nfields: { name: Firm }\n";
    let contacts = "object: contacts\nfields: { last: Last, accountid: { from: Firm, ref: { object: accounts, by: name } } }\n";
    for (rows, mapping, wanted) in [
        ("Firm\nA\n", accounts.to_owned(), "Check finished: every row of a.csv is fit to import"),
        ("Firm\n", accounts.to_owned(), "Check finished: a.csv has no rows to import"),
        (
            "Firm\nA\n",
            format!("when: Firm = 'B'\n{accounts}"),
            "Check finished: \"when\" leaves out every row of a.csv",
        ),
        (
            "Last,Firm\nX,A\n",
            contacts.to_owned(),
            "Check finished: every row of a.csv is fit to import, but for the records of accountid, which only an import looks up",
        ),
    ] {
        let done = checked("a.csv", rows, &mapping);
        done.is(0);
        assert_eq!(heading(&done), wanted);
    }
}

#[test]
fn without_a_mapping_the_way_out_is_a_column_or_a_mapping() {
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", "name\nA\n"));
    let wanted = "error: mode update finds records by their id, and no column is called id\n  --> a.csv\n   = add the column id, or name the fields that identify a record in a mapping: -m MAPPING";
    crm.carafe(&desk, ["check", "a.csv", "--object", "accounts", "--mode", "update"]).run().fails(2, wanted);
}

#[test]
fn choices_and_numbers_of_a_mapping_are_told_as_they_are_meant() {
    for (line, told) in [
        ("name: { from: Firm, decimal: ';' }", "\";\" is not one of: \".\", \",\""),
        ("name: { from: Firm, case: big }", "\"big\" is not one of: upper, lower, title"),
        ("name: { from: Firm, pad: -3 }", "expected a whole number without a minus, found \"-3\""),
        ("name: { from: Firm, pad: 9999999999 }", "expected a smaller whole number, found \"9999999999\""),
        ("name: { from: Firm, pad: 2.5 }", "expected a whole number, found \"2.5\""),
    ] {
        let told_all = refusal("a.csv", "Firm\nA\n", &format!("fields:\n  {line}\n"));
        assert!(told_all.starts_with(&format!("error: {told}\n  --> m.yaml:5:")), "{told_all}");
    }
}

#[test]
fn an_object_that_is_not_there_is_told_with_the_nearest() {
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", "Firm\nA\n"));
    crm.carafe(&desk, ["describe", "--save", "d.json"]).ends_with(0);
    let wanted =
        "error: the CRM has no object \"acounts\"\n  nearest: accounts; `carafe describe` lists the objects";
    for call in [
        ["check", "a.csv", "--object", "acounts"].as_slice(),
        &["draft", "a.csv", "--object", "acounts", "-o", "-"],
        &["describe", "acounts"],
        &["export", "acounts", "-o", "-"],
        &["lookup", "acounts.type"],
    ] {
        crm.carafe(&desk, call.iter().copied()).run().fails(2, wanted);
    }
    let offline = ["check", "a.csv", "--object", "acounts", "--offline", "--dictionary", "d.json"];
    let done = desk.carafe(offline).ends_with(2);
    assert!(done.stderr.contains("\n  nearest: accounts; it has: accounts, "), "{}", done.stderr);
    let mapping = "object: accounts\nfields:\n  name: Firm\n  ownerid: { from: Firm, ref: { object: user, by: last } }\n";
    let done = checked("a.csv", "Firm\nA\n", mapping);
    done.is(2);
    let told = "error: there is no object \"user\"\n  --> m.yaml:5:41\n5 |   ownerid: { from: Firm, ref: { object: user, by: last } }\n  |                                         ^^^^ nearest: users\n";
    assert!(done.stderr.starts_with(told), "{}", done.stderr);
}

#[test]
fn a_row_says_what_is_wrong_with_it_in_peoples_words() {
    let rows = "Firm,Tel,Value\nA\nB,1,\"1,2,3x\"\n";
    let mapping = "fields: { name: Firm, phone: Tel, annualvalue: { from: Value, values: { none: '0' } } }\n";
    assert_eq!(
        trial("a.csv", rows, mapping).problems(),
        [
            " column_count 1 cell, the header has 3; look for a line break or a missing delimiter",
            "C3 number not a number",
        ]
    );
    let lines = "{\"Firm\":\"A\"}\n{\"Firm\":Zoë}\n{'Firm':1}\n";
    let told = trial("a.jsonl", lines, "fields: { name: Firm }\n").problems();
    assert_eq!(
        told[0],
        " not_json not a JSON object: something stands there that is no value: texts stand in double quotes, all else is a number, true, false or null, at character 9"
    );
    assert_eq!(told[1], " not_json not a JSON object: a key does not stand in double quotes, at character 2");
}

#[test]
fn a_cell_that_when_cannot_compare_is_told_once() {
    let sheet = Sheet::new("S")
        .row(texts(["Firm", "Value"]))
        .row(texts(["A", "lots"]))
        .row([crate::workbook::text("B"), crate::workbook::error("#N/A")]);
    let mapping = "when: Value > 5\nfields: { name: Firm, annualvalue: Value, notes: Value }\n";
    let trial = trial("a.xlsx", book(&[sheet]), mapping).is(4, json!({ "read": 2, "rejected": 2 }));
    assert_eq!(
        trial.problems(),
        [
            "S!B2 when \"when\" compares it with a number, and as one it cannot be read",
            "S!B3 when \"when\" looks at it, and the cell holds the error #N/A",
        ]
    );
    let summary: Json = trial.done.json();
    assert_eq!(summary["causes"].as_array().unwrap().len(), 2, "{summary}");
}
