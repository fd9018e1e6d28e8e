//! A reject file that is imported again, as it is or saved anew.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::support::{Crm, Desk, openpyxl};
use crate::workbook::{Sheet, blank, book, day, error, number, text, texts};

const MAPPING: &str = "version: 1\nobject: accounts\nmode: create\nfields:\n  name: Name\n  type: Kind\n";

/// In windows-1250: Polish letters, Ł ó d ź.
const LODZ: &[u8] = b"\xA3\xF3d\x9F";

/// Imports the file, and gives its rejects.
fn rejects(crm: &Crm, desk: &Desk, file: &[u8]) -> PathBuf {
    desk.write("m.yaml", MAPPING);
    desk.write("a.csv", file);
    crm.carafe(desk, ["import", "a.csv", "-m", "m.yaml"]).ends_with(4);
    desk.run().join("rejects.csv")
}

/// Imports a file that reads like rejects; what is said, and the values refused.
fn values(crm: &Crm, desk: &Desk, file: &Path) -> (String, Vec<String>) {
    let before = desk.runs();
    let done = crm.carafe(desk, ["import", file.to_str().unwrap(), "-m", "m.yaml"]).ends_with(4);
    let run = desk.runs().into_iter().find(|run| !before.contains(run)).unwrap();
    let errors = desk.text(run.join("errors.jsonl"));
    let value =
        |line: &str| serde_json::from_str::<Json>(line).unwrap()["value"].as_str().unwrap().to_owned();
    (done.stderr, errors.lines().map(value).collect())
}

/// A file that is Polish without a doubt, one row of which has no such type.
fn polish() -> Vec<u8> {
    let rows: Vec<u8> = (0..9)
        .flat_map(|n| {
            [
                b"Za\xBF\xF3\xB3\xE6 g\xEA\x9Cl\xB9 ja\x9F\xF1 ".to_vec(),
                vec![b'0' + n],
                b",Customer\n".to_vec(),
            ]
            .concat()
        })
        .collect();
    [b"Name,Kind\n", rows.as_slice(), b"X,", LODZ, b"\n"].concat()
}

#[test]
fn few_letters_are_read_in_the_encoding_that_the_run_found_by_many() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let file = rejects(&crm, &desk, &polish());
    assert_eq!(desk.errors()[0]["value"], "Łódź");
    let run = desk.run();
    let run = run.file_name().unwrap().to_str().unwrap();
    let (said, again) = values(&crm, &desk, &file);
    assert_eq!(again, ["Łódź"]);
    assert!(said.contains(&format!("encoding windows-1250, as run {run} read the file")), "{said}");
    // Where the run is not known, nothing but the letters can tell.
    let text = std::fs::read(&file).unwrap();
    let other = Desk::with("r.csv", &text);
    other.write("m.yaml", MAPPING);
    let (said, guessed) = values(&crm, &other, &other.path("r.csv"));
    assert!(said.contains("encoding windows-1252 found") && guessed == ["£ódŸ"], "{said} {guessed:?}");
}

#[test]
fn what_was_saved_anew_or_is_said_goes_before_what_the_run_knows() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let file = rejects(&crm, &desk, &polish());
    let anew = std::fs::read(&file).unwrap();
    let at = anew.windows(LODZ.len()).position(|part| part == LODZ).unwrap();
    let anew = [&anew[..at], "Łódź".as_bytes(), &anew[at + LODZ.len()..]].concat();
    desk.write("anew.csv", anew);
    assert_eq!(values(&crm, &desk, &desk.path("anew.csv")).1, ["Łódź"], "as UTF-8");
    desk.write("m.yaml", format!("{MAPPING}source: {{ encoding: windows-1252 }}\n"));
    assert_eq!(values(&crm, &desk, &file).1, ["£ódŸ"], "as the mapping says");

    // A spreadsheet saves what was UTF-8 in the machine's own encoding.
    let desk = Desk::new();
    let file = rejects(&crm, &desk, "Name,Kind\nX,Zoë\n".as_bytes());
    let text = std::fs::read_to_string(&file).unwrap();
    let anew: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    desk.write("anew.csv", anew);
    assert_eq!(values(&crm, &desk, &desk.path("anew.csv")).1, ["Zoë"]);
}

#[test]
fn a_byte_that_was_no_utf8_is_none_in_the_rejects() {
    // Among the rejects the broken places outweigh the letters that are whole.
    let (crm, desk) = (Crm::start(), Desk::new());
    let rows = ["Köln,Customer\nZoë,Customer\nTromsø,Customer\n".as_bytes(), b"A\xEB,Customer\nB\xEB,x\n"];
    let file = rejects(&crm, &desk, &[b"Name,Kind\n", rows.concat().as_slice(), "Ü,Y\n".as_bytes()].concat());
    let (said, again) = values(&crm, &desk, &file);
    assert_eq!(again, ["byte 0xEB", "byte 0xEB", "x", "Y"]);
    assert!(said.contains("the file is UTF-8 but for 2 places,"), "{said}");
}

#[test]
fn a_byte_that_was_no_utf8_is_no_letter_of_another_encoding_in_the_rejects() {
    // Nothing among the rejects tells of UTF-8 any more; the run knows.
    let (crm, desk) = (Crm::start(), Desk::new());
    let whole = "Köln,Customer\nZoë,Customer\nTromsø,Customer\n".repeat(9);
    let broken = b"M\xFCller B\xF6hm G\xE4\xDFner,Customer\n".as_slice();
    let file = [b"Name,Kind\n", whole.as_bytes(), broken];
    let file = rejects(&crm, &desk, &file.concat());
    assert_eq!(values(&crm, &desk, &file).1, ["byte 0xFC"]);
}

const SHEET_MAPPING: &str = "version: 1
object: accounts
mode: create
source: { sheet: Lists, header_row: 3 }
fields:
  name: Company
  type: Kind
  inceptiondate: Since
  phone: Tel
";

/// Imports a workbook of which one row is fine and the others are not; its rejects.
fn rejects_of_a_workbook(crm: &Crm, desk: &Desk) -> String {
    desk.write("m.yaml", SHEET_MAPPING);
    let sheet = Sheet::new("Lists").row(texts(["Leads of 2024"])).blank_row();
    let sheet = sheet.row(texts(["Company", "Kind", "Since", "Tel"]));
    let sheet = sheet.row([text("Fine"), text("Customer"), day("45123"), text("0012")]);
    let sheet = sheet.row([text("Kind"), text("Custmer"), day("45123"), text("=0012")]);
    let sheet = sheet.row([text("Both"), text("Prospct"), error("#REF!"), number("12345678901234567890")]);
    let sheet = sheet.row([blank(), text("Customer"), text("soon")]);
    desk.write("a.xlsx", book(&[Sheet::new("Other").row(texts(["x"])), sheet]));
    let done = crm.carafe(desk, ["import", "a.xlsx", "-m", "m.yaml", "--json"]).ends_with(4);
    assert_eq!(done.json()["rows"]["rejected"], 3);
    done.json()["files"]["rejects"].as_str().unwrap().to_owned()
}

/// Columns, fields, codes and values of a run's findings.
fn findings(desk: &Desk, run: &Path) -> Vec<String> {
    let errors = desk.text(run.join("errors.jsonl"));
    let words = |line: &str| {
        let found: Json = serde_json::from_str(line).unwrap();
        ["column", "field", "code", "value"].map(|key| found[key].as_str().unwrap_or_default().to_owned())
    };
    errors.lines().map(|line| words(line).join(" ")).collect()
}

/// A part of a workbook.
fn part(file: &Path, name: &str) -> String {
    let mut book = zip::ZipArchive::new(std::fs::File::open(file).unwrap()).unwrap();
    std::io::read_to_string(book.by_name(name).unwrap()).unwrap()
}

/// The cells that have notes.
fn noted(file: &Path) -> Vec<String> {
    let notes = part(file, "xl/comments1.xml");
    let cells = notes.split("<comment ref=\"").skip(1);
    cells.map(|note| note.split('"').next().unwrap().to_owned()).collect()
}

#[test]
fn a_workbook_that_comes_again_unmended_is_refused_again_with_the_same_notes() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let mut file = desk.path(rejects_of_a_workbook(&crm, &desk));
    let first = findings(&desk, &desk.run());
    // The sheet is asked for by its name, and has its rows where it had them.
    assert_eq!(noted(&file), ["B4", "B5", "C5", "D5", "A6", "C6"]);
    assert!(part(&file, "xl/worksheets/sheet1.xml").contains("'Lists (2)'!$A$2:"));
    for _ in 0..2 {
        desk.write("again.xlsx", std::fs::read(&file).unwrap());
        let before = desk.runs();
        crm.carafe(&desk, ["import", "again.xlsx", "-m", "m.yaml"]).ends_with(4);
        let run = desk.runs().into_iter().find(|run| !before.contains(run)).unwrap();
        assert_eq!(findings(&desk, &run), first);
        file = run.join("rejects.xlsx");
        assert_eq!(noted(&file), ["B4", "B5", "C5", "D5", "A6", "C6"]);
    }
}

#[test]
fn a_reject_workbook_needs_no_mapping_that_names_its_sheet() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let file = rejects_of_a_workbook(&crm, &desk);
    desk.write("m.yaml", SHEET_MAPPING.replace("sheet: Lists, ", ""));
    let done = crm.carafe(&desk, ["check", &file, "-m", "m.yaml", "--json"]).ends_with(4);
    assert_eq!(done.json()["rows"]["read"], 3);
}

#[test]
fn rejects_of_the_crm_and_of_an_undo_are_workbooks_too() {
    let (crm, desk) = (Crm::start(), Desk::new());
    desk.write("m.yaml", SHEET_MAPPING);
    let sheet = Sheet::new("Lists").row(texts(["Leads"])).blank_row();
    let sheet = sheet.row(texts(["Company", "Kind", "Since", "Tel"])).row(texts(["Kept", "Customer"]));
    desk.write("a.xlsx", book(&[sheet]));
    crm.carafe(&desk, ["import", "a.xlsx", "-m", "m.yaml"]).ends_with(0);
    let id = crm.account("Kept")["id"].clone();
    crm.act("PATCH", "accounts", &id, r#"{"phone": "1"}"#);
    let done = crm.carafe(&desk, ["undo", "last", "--yes", "--json"]).ends_with(4);
    let rejects = desk.path(done.json()["files"]["rejects"].as_str().unwrap());
    assert!(part(&rejects, "xl/worksheets/sheet1.xml").contains("<pane ySplit=\"3\""));
}

#[test]
fn a_reject_workbook_corrected_by_openpyxl_is_retried() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let file = rejects_of_a_workbook(&crm, &desk);
    if !openpyxl(&desk, "correct_rejects.py", &[&file, "corrected.xlsx"]) {
        return;
    }
    let done = crm.carafe(&desk, ["retry", "last", "corrected.xlsx", "--json"]).ends_with(0);
    let created = &done.json()["rows"]["created"];
    assert_eq!(created, 3, "{}", done.stdout);
    let record = crm.account("Kind");
    let values = ["type", "inceptiondate", "phone"].map(|field| record[field].as_str().unwrap().to_owned());
    assert_eq!(values, ["Customer", "2023-07-16", "=0012"]);
    let record = crm.account("Corrected 6");
    assert_eq!(record["inceptiondate"], "2024-02-29");
}
