//! The files of a run.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::support::{BY_NAME, Crm, Desk};

/// Three good rows, and three with something wrong, in an encoding and with
/// quotes of their own.
const MESSY: &[u8] = b"Company;Tel;Kind;Notes\r\n\
    M\xfcller;\"00 49\";Customer;\"a \"\"quoted\"\" word\"\r\n\
    Bad \xe4;  1 ;Custmer;\"=cmd()\"\r\n\
    Short;1\r\n\
    Long;1;Customer;n;extra;more\r\n\
    3M;+1 651 733 1110;Customer;\r\n\
    Adobe Inc.;5;Customer;\r\n";

fn messy_run() -> (Crm, Desk) {
    let (crm, desk) = (Crm::start(), Desk::with("messy.csv", MESSY));
    desk.write("m.yaml", BY_NAME);
    let done = crm.carafe(&desk, ["import", "messy.csv", "-m", "m.yaml", "--json"]).ends_with(4);
    let rows = json!({ "read": 6, "created": 1, "updated": 1, "unchanged": 1, "rejected": 3 });
    assert_eq!(done.rows(), rows);
    (crm, desk)
}

#[test]
fn rejects_keep_the_users_own_cells_byte_for_byte() {
    let (_crm, desk) = messy_run();
    let run = desk.run();
    let id = run.file_name().unwrap().to_str().unwrap();
    let rejects = std::fs::read(run.join("rejects.csv")).unwrap();
    let lines: Vec<&[u8]> = rejects.split(|b| *b == b'\n').collect();
    let starts = |at: usize, with: &[u8]| {
        assert!(lines[at].starts_with(with), "{:?}", String::from_utf8_lossy(lines[at]))
    };
    starts(0, b"Company;Tel;Kind;Notes;_row;_run;_status;_code;_errors;_extra");
    starts(
        1,
        format!("Bad \u{e4};  1 ;Custmer;\"=cmd()\";3;{id};;lookup;")
            .chars()
            .map(|c| c as u8)
            .collect::<Vec<_>>()
            .as_slice(),
    );
    starts(2, format!("Short;1;;;4;{id};;column_count;").as_bytes());
    starts(3, format!("Long;1;Customer;n;5;{id};;column_count;").as_bytes());
    assert_eq!(lines.len(), 5, "a header, three rows, and the end of the last line");
}

#[test]
fn corrected_rejects_are_imported_as_they_are_and_their_marks_ignored() {
    let (crm, desk) = messy_run();
    let file = desk.run().join("rejects.csv");
    let text: Vec<u8> = std::fs::read(&file).unwrap();
    let text: String = text.iter().map(|byte| char::from(*byte)).collect();
    // Where the number of cells was wrong, an emptied _code says that they are right as they stand.
    let corrected = text.replace("Custmer", "Customer").replace("column_count", "");
    let corrected: Vec<u8> = corrected.chars().map(|c| c as u8).collect();
    desk.write("corrected.csv", corrected);
    let done = crm.carafe(&desk, ["import", "corrected.csv", "-m", "m.yaml", "--json"]).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 3, "created": 3 }));
    assert_eq!(crm.account("Bad ä")["notes"], "=cmd()");
    assert_eq!(crm.account("Long")["type"], "Customer");
    assert!(!done.stderr.contains("_row"), "the marks are no unmapped columns: {}", done.stderr);
}

#[test]
fn rejects_of_a_workbook_are_a_workbook_that_imports_again() {
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", "name,type\nGood,Customer\nBad,Customer\n"));
    crm.carafe(&desk, ["import", "a.csv", "--object", "accounts"]).ends_with(0);
    let arguments = [
        "export",
        "accounts",
        "-o",
        "a.xlsx",
        "--fields",
        "name,type",
        "--where",
        "name in (\"Good\", \"Bad\")",
    ];
    crm.carafe(&desk, arguments).ends_with(0);
    desk.write("m.yaml", "version: 1\nobject: accounts\nmode: create\nfields:\n  name: name\n  type: { from: type, values: { Nothing: Customer }, otherwise: reject }\nignore: [id]\n");
    let done = crm.carafe(&desk, ["import", "a.xlsx", "-m", "m.yaml", "--json"]).ends_with(4);
    let rejects = done.json()["files"]["rejects"].as_str().unwrap().to_owned();
    assert!(rejects.ends_with("/rejects.xlsx"), "{rejects}");
    let checked =
        crm.carafe(&desk, ["check", &rejects, "--object", "accounts", "--mode", "create", "--json"]);
    assert_eq!(checked.ends_with(0).json()["rows"]["valid"], 2);
}

#[test]
fn errors_have_one_line_for_each_fault_with_the_cell_to_look_at() {
    let (_crm, desk) = messy_run();
    let errors = desk.errors();
    assert_eq!(
        errors[0],
        json!({ "row": 3, "cell": "C3", "column": "Kind", "field": "type", "code": "lookup",
                "message": "\"Custmer\" is not in the list; nearest \"Customer\"", "value": "Custmer", "stage": "validate" })
    );
    assert_eq!(
        errors[1],
        json!({ "row": 4, "cell": null, "column": null, "field": null, "code": "column_count",
                "message": "2 cells, the header has 4; look for a line break or a missing delimiter",
                "value": null, "stage": "read" })
    );
    assert_eq!(errors.len(), 3);
}

#[test]
fn results_name_every_row_that_was_sent_or_found() {
    let (crm, desk) = messy_run();
    let new = crm.account("Müller")["id"].to_string();
    assert_eq!(
        desk.run_text("results.csv"),
        format!(
            "_row,name,id,outcome\n2,Müller,{new},created\n6,3M,95920978,unchanged\n7,Adobe Inc.,95920980,updated\n"
        )
    );
}

#[test]
fn the_summary_file_is_the_document_of_json() {
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", "name\nX\n"));
    let done = crm.carafe(&desk, ["import", "a.csv", "--object", "accounts", "--json"]).ends_with(0);
    assert_eq!(desk.json(desk.run().join("summary.json")), done.json());
    let keys: BTreeSet<String> = done.json().as_object().unwrap().keys().cloned().collect();
    let contract =
        ["run", "command", "object", "mode", "state", "rows", "calls", "causes", "elapsed_s", "files"];
    let contract = contract.into_iter().chain(["promise"]);
    assert_eq!(keys, contract.map(str::to_owned).collect());
}

#[test]
fn a_runs_folder_and_files_are_open_to_their_user_alone() {
    let (_crm, desk) = messy_run();
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let run = desk.run();
    assert_eq!((mode(&run), mode(&desk.path(".carafe/runs"))), (0o700, 0o700));
    let names: BTreeSet<String> = std::fs::read_dir(&run)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            assert_eq!(mode(&entry.path()), 0o600, "{}", entry.path().display());
            entry.file_name().into_string().unwrap()
        })
        .collect();
    let files = ["errors.jsonl", "rejects.csv", "results.csv", "run.db", "run.lock", "summary.json"];
    assert_eq!(names, files.map(str::to_owned).into());
}

#[test]
fn a_later_run_never_touches_an_earlier_ones_files() {
    let (crm, desk) = messy_run();
    let contents = |run: &std::path::Path| -> Vec<(String, Vec<u8>)> {
        let entries = std::fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> =
            entries.map(|path| (path.display().to_string(), std::fs::read(&path).unwrap())).collect();
        files.sort();
        files
    };
    let first = desk.run();
    let before = contents(&first);
    for _ in 0..3 {
        crm.carafe(&desk, ["import", "messy.csv", "-m", "m.yaml"]).ends_with(4);
    }
    assert_eq!(desk.runs().len(), 4);
    assert_eq!(contents(&first), before);
}

#[test]
fn rejects_and_results_go_where_asked_and_replace_nothing() {
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", "name,type\nGood,Customer\nBad,Custmer\n"));
    let arguments = [
        "import",
        "a.csv",
        "--object",
        "accounts",
        "--rejects",
        "mine.csv",
        "--results",
        "done.csv",
        "--json",
    ];
    let done = crm.carafe(&desk, arguments).ends_with(4);
    assert_eq!(done.json()["files"]["rejects"], "mine.csv");
    assert_eq!(done.json()["files"]["results"], "done.csv");
    assert_eq!(desk.text("mine.csv"), desk.run_text("rejects.csv"));
    assert_eq!(desk.text("done.csv"), desk.run_text("results.csv"));

    let again = crm.carafe(&desk, arguments).ends_with(2);
    assert!(again.json()["error"]["message"].as_str().unwrap().contains("mine.csv is there already"));
    assert_eq!(crm.records("accounts", r#"{"name":"Good"}"#).len(), 1, "nothing was sent");
    assert_eq!(desk.runs().len(), 1);
}

#[test]
fn runs_go_to_the_folder_that_is_asked_for() {
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", "name\nX\n"));
    crm.carafe(&desk, ["import", "a.csv", "--object", "accounts", "--runs-dir", "elsewhere/runs"])
        .ends_with(0);
    assert!(desk.runs().is_empty());
    let runs = std::fs::read_dir(desk.path("elsewhere/runs")).unwrap().count();
    assert_eq!(runs, 1);
    let call = crm.carafe(&desk, ["import", "a.csv", "--object", "accounts"]);
    call.env("CARAFE_RUNS_DIR", "by-environment").ends_with(0);
    assert!(desk.path("by-environment").is_dir());
}

#[test]
fn a_ragged_row_that_comes_again_as_it_was_is_refused_again() {
    let rows = "Company,Tel,Kind,Notes\nA,1,Customer\nB,1,Customer,n,surplus\nC,1,Nope,n\n";
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", rows));
    desk.write("m.yaml", BY_NAME);
    crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml"]).ends_with(4);
    let rejects = desk.run_text("rejects.csv");
    desk.write("again.csv", rejects.replace("Nope", "Customer"));
    let again = crm.carafe(&desk, ["check", "again.csv", "-m", "m.yaml"]).ends_with(4);
    assert_eq!(
        again.stdout.matches("cells where the header has 4; correct a cell, or empty _code").count(),
        2
    );
    // A cell filled in, the surplus put where it belongs, or the mark emptied: taken.
    let corrected =
        rejects.replace("B,1,Customer,n,", "B,1,Customer,n surplus,").replacen("column_count", "", 1);
    desk.write("corrected.csv", corrected.replace("Nope", "Customer"));
    let done = crm.carafe(&desk, ["import", "corrected.csv", "-m", "m.yaml", "--json"]).ends_with(0);
    assert_eq!(done.rows(), json!({ "read": 3, "created": 3 }));
    assert_eq!(crm.account("B")["notes"], "n surplus");
    // What was too much may also be meant for nothing: its `_extra` emptied, the row is whole.
    let emptied = rejects.replace(",surplus\n", ",\n").replace("Nope", "Customer");
    assert_ne!(emptied, rejects.replace("Nope", "Customer"));
    desk.write("emptied.csv", emptied);
    let checked = crm.carafe(&desk, ["check", "emptied.csv", "-m", "m.yaml", "--json"]).ends_with(4);
    assert_eq!(checked.json()["rows"], json!({ "read": 3, "valid": 2, "skipped": 0, "rejected": 1 }));
}
