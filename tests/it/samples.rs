//! Every sample goes into a fresh sandbox by its mapping, twice; what is
//! rejected is rejected for the reasons that `samples/generate.py` put in.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value as Json;

use crate::support::project;

/// What a command ended with and printed.
struct Done {
    code: i32,
    printed: String,
    told: String,
}

impl Done {
    fn json(&self) -> Json {
        serde_json::from_str(&self.printed).unwrap_or_else(|e| panic!("{e}: {}{}", self.printed, self.told))
    }

    /// The outcomes that occur: `510 read, 484 created`.
    fn rows(&self) -> String {
        let rows = &self.json()["rows"];
        let words = [
            "read",
            "created",
            "updated",
            "unchanged",
            "deleted",
            "skipped",
            "rejected",
            "unprocessed",
            "unknown",
        ];
        let numbers =
            words.iter().map(|word| (rows[word].as_u64().unwrap_or_else(|| panic!("no {word}")), word));
        let some: Vec<String> =
            numbers.filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
        some.join(", ")
    }

    /// Field, code, number of rows and first row of each cause.
    fn causes(&self) -> Vec<String> {
        let causes = self.json()["causes"].as_array().cloned().unwrap_or_default();
        let one = |cause: &Json| {
            let field = cause["field"].as_str().unwrap_or("-");
            let (code, example) = (cause["code"].as_str().unwrap(), &cause["example"]);
            let value = example["value"].as_str().filter(|_| ["lookup", "values"].contains(&code));
            let value = value.map(|value| format!(" {value}")).unwrap_or_default();
            format!("{field} {code}{value}: {}, row {}", cause["rows"], example["row"])
        };
        causes.iter().map(one).collect()
    }

    fn file(&self, kind: &str) -> PathBuf {
        PathBuf::from(self.json()["files"][kind].as_str().unwrap_or_else(|| panic!("no file of {kind}")))
    }
}

/// A folder with a sandbox of its own.
struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn carafe(&self, arguments: &[&str]) -> Done {
        let mut command = Command::new(env!("CARGO_BIN_EXE_carafe"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARAFE_")) {
            command.env_remove(name);
        }
        let output = command
            .current_dir(project())
            .args(arguments)
            .arg(format!("--sandbox={}", self.path("sandbox.db").display()))
            .arg("--runs-dir")
            .arg(self.path("runs"))
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Done {
            code: output.status.code().unwrap_or(-1),
            printed: text(&output.stdout),
            told: text(&output.stderr),
        }
    }

    /// Imports a file by the mapping of this name.
    fn import(&self, file: &Path, mapping: &str) -> Done {
        let mapping = format!("mappings/{mapping}.yaml");
        self.carafe(&["import", &file.display().to_string(), "-m", &mapping, "--yes", "--json"])
    }

    fn import_sample(&self, sample: &str) -> Done {
        self.import(&project().join("samples").join(sample), stem(sample))
    }
}

fn stem(sample: &str) -> &str {
    sample.split('.').next().unwrap()
}

/// What a sample does.
struct Sample {
    file: &'static str,
    /// Samples that must be there before.
    after: &'static [&'static str],
    first: &'static str,
    second: &'static str,
    /// What is rejected, the commonest cause first.
    causes: &'static [&'static str],
}

/// Makes a test of each sample, and a list of all, so that none is listed without a test.
macro_rules! samples {
    ($($name:ident $file:literal after $after:tt: $first:literal, then $second:literal, because $causes:tt)*) => {
        $(#[test]
        fn $name() {
            try_sample(&Sample {
                file: $file, after: &$after, first: $first, second: $second, causes: &$causes,
            });
        })*

        const TRIED: &[&str] = &[$($file),*];
    };
}

fn try_sample(sample: &Sample) {
    let desk = Desk::new();
    for before in sample.after {
        desk.import_sample(before);
    }
    for rows in [sample.first, sample.second] {
        let done = desk.import_sample(sample.file);
        assert_eq!(done.rows(), rows, "{}: {}", sample.file, done.told);
        assert_eq!(done.code, if rows.contains("rejected") { 4 } else { 0 }, "{}", sample.file);
        // A second deletion finds nothing to delete, which is a cause of its own.
        if rows == sample.first || !rows.ends_with("3 rejected") {
            assert_eq!(done.causes(), sample.causes, "{}", sample.file);
        }
        assert_eq!(done.json()["state"], "finished");
    }
}

samples! {
    the_sample_of_the_readme_shows_every_outcome "accounts.csv" after []:
        "510 read, 484 created, 5 updated, 3 unchanged, 18 rejected",
        then "510 read, 492 unchanged, 18 rejected",
        because [
            "name duplicate: 4, row 506",
            "type lookup Prospct: 3, row 25",
            "email email: 3, row 59",
            "type lookup Custmer: 2, row 113",
            "addresscity too_long: 2, row 148",
            "inceptiondate date: 2, row 180",
            "annualvalue number: 2, row 244",
            "- column_count: 1, row 127",
        ]

    german_accounts_in_windows_1252 "accounts-german.csv" after []:
        "44 read, 29 created, 15 rejected",
        then "44 read, 29 unchanged, 15 rejected",
        because [
            "name duplicate: 2, row 42",
            "type lookup Custmer: 1, row 5",
            "inceptiondate date: 1, row 9",
            "type lookup Prospct: 1, row 9",
            "summary too_long: 1, row 10",
            "sector values Raumfahrt: 1, row 13",
            "addresscity blank: 1, row 16",
            "addresscity too_long: 1, row 19",
            "annualvalue number: 1, row 22",
            "inceptiondate date: 1, row 25",
            "vip values vielleicht: 1, row 28",
            "discount decimals: 1, row 31",
            "email email: 1, row 34",
            "name blank_key: 1, row 44",
            "- column_count: 1, row 45",
        ]

    contacts_of_an_event_from_a_workbook "contacts-event.xlsx" after ["accounts.csv"]:
        "41 read, 28 created, 13 rejected",
        then "41 read, 28 unchanged, 13 rejected",
        because [
            "accountid no_reference: 3, row 9",
            "email email: 2, row 6",
            "last required: 1, row 13",
            "leadscore error_cell: 1, row 16",
            "phone precision_lost: 1, row 26",
            "leadscore no_stored_value: 1, row 29",
            "birthday date: 1, row 32",
            "decisionmaker checkbox: 1, row 35",
            "email blank_key: 1, row 41",
            "email duplicate: 1, row 44",
        ]

    corrections_by_id_empty_fields "accounts-corrections.csv" after []:
        "5 read, 2 updated, 1 unchanged, 2 rejected",
        then "5 read, 3 unchanged, 2 rejected",
        because ["name blank: 1, row 5", "id no_match: 1, row 6"]

    leavers_are_deleted_once "contacts-leavers.csv" after []:
        "3 read, 2 deleted, 1 rejected", then "3 read, 3 rejected", because ["email no_match: 1, row 4"]

    the_list_as_published "sp500-constituents.csv" after []:
        "503 read, 498 created, 5 updated", then "503 read, 503 unchanged", because []

    contacts "contacts.csv" after []:
        "6 read, 4 created, 2 updated", then "6 read, 6 unchanged", because []

    people_of_an_old_system "contacts-old-system.csv" after ["contacts.csv"]:
        "6 read, 3 created, 1 updated, 1 skipped, 1 rejected",
        then "6 read, 4 unchanged, 1 skipped, 1 rejected",
        because ["birthday date: 1, row 7", "decisionmaker checkbox: 1, row 7"]

    users "users.csv" after []:
        "4 read, 2 created, 1 updated, 1 unchanged", then "4 read, 4 unchanged", because []

    campaigns "campaigns.csv" after []:
        "4 read, 2 created, 1 updated, 1 unchanged", then "4 read, 4 unchanged", because []

    campaignstages "campaignstages.csv" after ["campaigns.csv"]:
        "4 read, 3 created, 1 unchanged", then "4 read, 4 unchanged", because []

    campaigndetails "campaigndetails.csv" after ["campaigns.csv", "campaignstages.csv"]:
        "5 read, 3 created, 2 updated", then "5 read, 5 unchanged", because []

    cases "cases.csv" after []:
        "4 read, 3 created, 1 updated", then "4 read, 4 unchanged", because []

    documents "documents.csv" after []:
        "4 read, 2 created, 1 updated, 1 unchanged", then "4 read, 4 unchanged", because []

    opportunities "opportunities.csv" after []:
        "4 read, 2 created, 1 updated, 1 unchanged", then "4 read, 4 unchanged", because []

    opportunity_lines "opportunity_lines.csv" after ["opportunities.csv"]:
        "4 read, 2 created, 1 updated, 1 unchanged", then "4 read, 4 unchanged", because []

    opportunityhistories "opportunityhistories.csv" after ["opportunities.csv"]:
        "3 read, 2 created, 1 unchanged", then "3 read, 3 unchanged", because []

    activities "activities.csv" after []:
        "4 read, 3 created, 1 unchanged", then "4 read, 4 unchanged", because []

    policies_a_custom_table "policies.csv" after []:
        "3 read, 1 created, 1 updated, 1 unchanged", then "3 read, 3 unchanged", because []
}

#[test]
fn no_sample_and_no_mapping_is_without_a_test() {
    let names = |folder: &str| -> Vec<String> {
        let entries = std::fs::read_dir(project().join(folder)).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let mut tried: Vec<String> = TRIED.iter().map(|sample| (*sample).to_owned()).collect();
    tried.sort();
    let samples: Vec<String> =
        names("samples").into_iter().filter(|name| !name.ends_with(".py") && name != "README.md").collect();
    assert_eq!(samples, tried);
    let mut mappings: Vec<String> = tried.iter().map(|sample| format!("{}.yaml", stem(sample))).collect();
    mappings.sort();
    assert_eq!(names("mappings"), mappings);
}

/// The record types of the API with the samples that go into them, parents
/// first, and how many records there are then.
const RECORD_TYPES: [(&str, &str, u64); 11] = [
    ("accounts", "accounts.csv", 12 + 484),
    ("contacts", "contacts.csv", 15 + 4),
    ("campaigns", "campaigns.csv", 3 + 2),
    ("campaignstages", "campaignstages.csv", 3 + 3),
    ("campaigndetails", "campaigndetails.csv", 4 + 3),
    ("cases", "cases.csv", 3 + 3),
    ("documents", "documents.csv", 2 + 2),
    ("opportunities", "opportunities.csv", 3 + 2),
    ("opportunity_lines", "opportunity_lines.csv", 4 + 2),
    // The CRM itself writes down how the three new or changed opportunities stand.
    ("opportunityhistories", "opportunityhistories.csv", 4 + 3 + 2),
    ("activities", "activities.csv", 3 + 3),
];

#[test]
fn all_eleven_record_types_are_imported_and_exported_in_every_form() {
    let desk = Desk::new();
    for (object, sample, _) in RECORD_TYPES {
        let done = desk.import_sample(sample);
        assert_eq!(done.json()["object"], object);
        assert_ne!(done.json()["rows"]["created"], 0, "{object}");
    }
    for (object, _, records) in RECORD_TYPES {
        for (form, count) in
            [("csv", csv_ids as fn(&Path) -> Vec<String>), ("xlsx", xlsx_ids), ("jsonl", jsonl_ids)]
        {
            let out = desk.path(&format!("{object}.{form}"));
            let done = desk.carafe(&["export", object, "-o", &out.display().to_string(), "--json"]);
            assert_eq!(done.code, 0, "{object} {form}: {}", done.told);
            assert_eq!(done.json()["objects"][0]["records"], records, "{object} {form}");
            let mut ids = count(&out);
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len() as u64, records, "{object} {form}");
        }
    }
}

fn csv_ids(file: &Path) -> Vec<String> {
    let mut reader = csv::Reader::from_path(file).unwrap();
    assert_eq!(reader.headers().unwrap().get(0), Some("id"));
    reader.records().map(|record| record.unwrap()[0].to_owned()).collect()
}

fn xlsx_ids(file: &Path) -> Vec<String> {
    use calamine::Reader;
    let mut workbook: calamine::Xlsx<_> = calamine::open_workbook(file).unwrap();
    let object = file.file_stem().unwrap().to_str().unwrap();
    let sheet = workbook.worksheet_range(object).unwrap();
    let mut ids = sheet.rows().map(|row| row[0].to_string());
    assert_eq!(ids.next().as_deref(), Some("id"));
    ids.collect()
}

fn jsonl_ids(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|line| serde_json::from_str::<Json>(line).unwrap()["id"].to_string()).collect()
}

/// The records of a CSV file as their bytes, line ends left out; record 0 is row 1.
fn records(bytes: &[u8]) -> Vec<&[u8]> {
    let (mut records, mut start, mut quoted) = (Vec::new(), 0, false);
    for (at, &byte) in bytes.iter().enumerate() {
        quoted ^= byte == b'"';
        if byte == b'\n' && !quoted {
            records.push(bytes[start..at].strip_suffix(b"\r").unwrap_or(&bytes[start..at]));
            start = at + 1;
        }
    }
    records
}

#[test]
fn rejected_rows_keep_their_cells_byte_for_byte() {
    for (sample, delimiter, rejected) in [("accounts.csv", b',', 18), ("accounts-german.csv", b';', 15)] {
        let original = std::fs::read(project().join("samples").join(sample)).unwrap();
        let original = records(&original);
        let desk = Desk::new();
        let done = desk.import_sample(sample);
        let rejects = std::fs::read(done.file("rejects")).unwrap();
        let rejects = records(&rejects);
        assert_eq!(rejects.len(), 1 + rejected, "{sample}");
        assert!(rejects[0].starts_with(original[0]), "{sample}: the header");
        let run = done.json()["run"].as_str().unwrap().to_owned();
        for kept in &rejects[1..] {
            let whole = String::from_utf8_lossy(kept);
            let before_run = whole.split(&run).next().unwrap().trim_end_matches(char::from(delimiter));
            let number = before_run.rsplit(char::from(delimiter)).next().unwrap();
            let row = original[number.parse::<usize>().unwrap() - 1];
            // A row with too many cells has the last ones at its end, under `_extra`.
            let (row, extra) = match row.strip_suffix(b",Ann Archer") {
                Some(row) if number == "127" => (row, &b",Ann Archer"[..]),
                _ => (row, &b""[..]),
            };
            assert!(kept.starts_with(row) && kept.ends_with(extra), "{sample} row {number}: {whole}");
            assert_eq!(kept[row.len()], delimiter, "{sample} row {number}: {whole}");
        }
    }
}

/// Replaces each text of a file in Windows-1252; it must be there once.
fn correct(file: &Path, corrections: &[(&str, &str)]) {
    let bytes = std::fs::read(file).unwrap();
    let mut text = encoding_rs::WINDOWS_1252.decode(&bytes).0.into_owned();
    for (wrong, right) in corrections {
        assert_eq!(text.matches(wrong).count(), 1, "{wrong:?} in {text}");
        text = text.replace(wrong, right);
    }
    std::fs::write(file, encoding_rs::WINDOWS_1252.encode(&text).0).unwrap();
}

#[test]
fn a_corrected_reject_file_is_imported_completely() {
    let desk = Desk::new();
    let rejects = desk.import_sample("accounts-german.csv").file("rejects");
    let story = "schwierig, aber größtenteils gelöst; ".repeat(16);
    correct(
        &rejects,
        &[
            (";Custmer;", ";Kunde;"),
            (";Prospct;", ";Interessent;"),
            (";31.02.2019;", ";28.02.2019;"),
            (&story, "gelöst"),
            (";Raumfahrt;", ";Industrie;"),
            (";25000;;F;", ";25000;Besançon;F;"),
            ("Gewerbegebiet Süd, Halle 7, Zufahrt über die Kölner Straße", "Köln"),
            (";1,234.56;", ";1.234,56;"),
            (";2019-05-01;", ";01.05.2019;"),
            (";vielleicht;", ";nein;"),
            (";7,555;", ";7,55;"),
            (";büro@;", ";büro@firma.example;"),
            ("3M DEUTSCHLAND GMBH;", "3M Süd;"),
            ("\u{A0}Akamai Technologies Deutschland GmbH  ;", "Akamai Süd;"),
            ("\r\n;Schäferstraße;", "\r\nMüller & Töchter;Schäferstraße;"),
            (";Leip;", ";Leipzig;"),
        ],
    );
    let again = desk.import(&rejects, "accounts-german");
    assert_eq!((again.rows().as_str(), again.code), ("15 read, 15 created", 0), "{:?}", again.causes());
    let out = desk.carafe(&["export", "accounts", "-o", "-", "--where", "name contains 'Töchter'"]);
    assert!(out.printed.contains("Schäferstraße 95"), "{}", out.printed);
}

#[test]
fn the_rejects_of_a_workbook_are_imported_as_they_are_once_their_accounts_are_there() {
    let desk = Desk::new();
    let first = desk.import_sample("contacts-event.xlsx");
    assert_eq!(first.rows(), "41 read, 41 rejected");
    desk.import_sample("accounts.csv");
    let again = desk.import(&first.file("rejects"), "contacts-event");
    assert_eq!(again.rows(), "41 read, 28 created, 13 rejected", "{:?}", again.causes());
}

#[test]
fn what_a_file_holds_arrives_in_the_crm_as_its_mapping_says() {
    let desk = Desk::new();
    desk.import_sample("accounts.csv");
    desk.import_sample("accounts-german.csv");
    desk.import_sample("contacts-event.xlsx");
    let read = |object: &str, filter: &str, fields: &str| {
        let done = desk.carafe(&[
            "export", object, "-o", "-", "--format", "jsonl", "--where", filter, "--fields", fields,
        ]);
        let records = done.printed.lines().map(|line| {
            let mut record: Json = serde_json::from_str(line).unwrap();
            record.as_object_mut().unwrap().remove("id");
            record
        });
        records.collect::<Vec<_>>()
    };
    let smith = read("accounts", "ticker = 'AOS'", "name,inceptiondate,annualvalue,centralindexkey,ownerid");
    let wanted = serde_json::json!({"name": "A. O. Smith", "inceptiondate": "2017-07-26", "annualvalue": 293875,
        "centralindexkey": "0000091142", "ownerid": 90508});
    assert_eq!(smith, [wanted]);
    let german = read(
        "accounts",
        "name = '3M Deutschland GmbH'",
        "addressline,annualvalue,type,inceptiondate,ownerid,notes",
    );
    let wanted = serde_json::json!({"addressline": "Löwengrube 4", "annualvalue": 985186.60, "type": "Prospect",
        "inceptiondate": "1957-03-04", "ownerid": 90505, "notes": "Migration 2026"});
    assert_eq!(german, [wanted]);
}
