//! A reject file that is imported again, as it is or saved anew.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use crate::support::{Crm, Desk};

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
