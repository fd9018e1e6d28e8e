//! `retry`: rejected rows, corrected in the reject file and imported again.

use std::io::{Cursor, Read, Write};

use serde_json::{Value as Json, json};

use crate::support::{Crm, Desk, Done};
use crate::tiny::{Gate, Reply, Tiny, accounts};
use crate::workbook::{Sheet, book, texts};

pub const MAPPING: &str = "version: 1
object: accounts
mode: create
fields:
  name: Company
  phone: Tel
  type: Kind
";

/// Three rows of five are rejected: rows 3, 4 and 6.
const ROWS: &str = "Company,Tel,Kind\nA,1,Customer\nB,2,Custmer\n,3,Customer\nD,4,Prospect\nE,5,Prospct\n";

pub fn retry(crm: &Crm, desk: &Desk, more: &[&str]) -> Done {
    crm.carafe(desk, ["retry"].into_iter().chain(more.iter().copied()).chain(["--json"])).run()
}

/// A run of which three rows were rejected, and its id.
pub fn rejected() -> (Crm, Desk, String) {
    let (crm, desk) = (Crm::start(), Desk::with("m.yaml", MAPPING));
    desk.write("a.csv", ROWS);
    let done = crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml", "--json"]).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 5, "created": 2, "rejected": 3 }));
    let run = done.json()["run"].as_str().unwrap().to_owned();
    (crm, desk, run)
}

/// Puts one text in another's place, in a file of a run.
pub fn correct(desk: &Desk, run: &str, replacements: &[(&str, &str)]) {
    let path = format!(".carafe/runs/{run}/rejects.csv");
    let mut text = desk.text(&path);
    for (from, to) in replacements {
        assert!(text.contains(from), "{from} in {text}");
        text = text.replacen(from, to, 1);
    }
    desk.write(&path, text);
}

/// Code and message of each finding of a run, by row.
pub fn findings(desk: &Desk, done: &Done) -> Vec<(u64, String, String)> {
    let errors = desk.text(done.json()["files"]["errors"].as_str().unwrap());
    let finding = |line: &str| {
        let line: Json = serde_json::from_str(line).unwrap();
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        (line["row"].as_u64().unwrap(), text("code"), text("message"))
    };
    errors.lines().map(finding).collect()
}

pub fn run_of(done: &Done) -> String {
    done.json()["run"].as_str().unwrap().to_owned()
}

/// The id of the last run.
fn last(crm: &Crm, desk: &Desk) -> String {
    crm.carafe(desk, ["runs", "last", "--json"]).run().json()["run"].as_str().unwrap().to_owned()
}

#[test]
fn corrected_rows_are_fixed_over_as_many_retries_as_it_takes() {
    let (crm, desk, run) = rejected();
    correct(&desk, &run, &[("Custmer", "Customer")]);
    let done = retry(&crm, &desk, &["last"]);
    done.is(4);
    assert_eq!(done.rows(), json!({ "read": 3, "created": 1, "rejected": 2 }));
    let document = done.json();
    assert_eq!((&document["command"], &document["mode"]), (&json!("retry"), &json!("create")));
    assert_eq!(document["retry"], json!({ "of": run, "fixed": 1, "rejected": 3 }));

    // The retry's own rejects name the retry; they count for the first run.
    let second = run_of(&done);
    let rejects = desk.text(format!(".carafe/runs/{second}/rejects.csv"));
    assert!(rejects.lines().skip(1).all(|line| line.contains(&second)), "{rejects}");
    correct(&desk, &second, &[("\n,3", "\nC,3"), ("Prospct", "Prospect")]);
    let told = crm.carafe(&desk, ["retry", "last"]).ends_with(0).stdout;
    assert!(told.starts_with("Retry finished   20"), "{told}");
    assert!(told.contains(&format!("  retry    fixed 3 of 3 rows that run {run} rejected\n")), "{told}");
    let mut names: Vec<String> = ["A", "B", "C", "D", "E"].map(str::to_owned).into();
    names.retain(|name| crm.records("accounts", &json!({ "name": name }).to_string()).len() == 1);
    assert_eq!(names.len(), 5);

    // Whatever file it is, there is nothing left to send.
    for (named, file) in [(&run, &run), (&run, &second), (&second, &second)] {
        let file = format!(".carafe/runs/{file}/rejects.csv");
        let done = retry(&crm, &desk, &[named, &file]);
        done.is(4);
        assert_eq!(done.rows()["rejected"], done.rows()["read"]);
        assert_eq!(done.json()["retry"], json!({ "of": run, "fixed": 3, "rejected": 3 }));
        assert_eq!(done.json()["calls"]["post"], 0);
        let (_, code, message) = findings(&desk, &done).remove(0);
        assert_eq!(code, "not_rejected");
        assert!(message.contains("was fixed by run 20") && message.ends_with("(created)"), "{message}");
        let told = crm.carafe(&desk, ["retry", named, &file]).ends_with(4).stdout;
        assert!(!told.contains("  next "), "{told}");
    }
}

#[test]
fn an_import_advises_to_retry_and_the_advice_works() {
    let (crm, desk, run) = rejected();
    let told = crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml"]).ends_with(4).stdout;
    let advice = told.lines().last().unwrap().trim();
    assert!(advice.starts_with("carafe retry 20"), "{told}");
    let arguments: Vec<&str> = advice.split(' ').skip(1).collect();
    let done = crm.carafe(&desk, arguments.iter().copied().chain(["--json"])).ends_with(4);
    assert_ne!(done.json()["retry"]["of"], run.as_str());
    assert_eq!(done.json()["retry"]["fixed"], 0, "nothing was corrected");
}

#[test]
fn rows_that_are_not_meant_are_refused_and_say_what_they_are() {
    let (crm, desk, run) = rejected();
    correct(&desk, &run, &[("Custmer", "Customer"), ("\n,3", "\nC,3"), ("Prospct", "Prospect")]);
    let rejects = desk.text(format!(".carafe/runs/{run}/rejects.csv"));
    let [header, b, c, e] = rejects.lines().collect::<Vec<_>>()[..] else { panic!("{rejects}") };
    let other = "20200101-000000-accounts-aaaa";
    let file = [
        header.to_owned(),
        b.to_owned(),
        format!("A,1,Customer,2,{run},,,"),
        b.replace("B,2", "B2,2"),
        b.replace("B,2", "B3,2"),
        "New,1,Customer,,,,,".to_owned(),
        format!("New,1,Customer,x,{run},,,"),
        format!("New,1,Customer,99,{run},,,"),
        format!("New,1,Customer,3,{other},,,"),
        c.to_owned(),
        e.to_owned(),
    ];
    desk.write("r.csv", file.join("\n"));
    let done = retry(&crm, &desk, &[&run, "r.csv"]);
    done.is(4);
    assert_eq!(done.rows(), json!({ "read": 10, "created": 3, "rejected": 7 }));
    let wanted = [
        (3, "not_rejected", format!("row 2 of run {run} was created, not rejected")),
        (4, "duplicate", format!("row 2 corrects the same row of run {run}")),
        (5, "duplicate", format!("row 2 corrects the same row of run {run}")),
        (6, "not_rejected", format!("names no row of run {run}")),
        (7, "not_rejected", format!("names no row of run {run}")),
        (8, "not_rejected", format!("row 99 of run {run} does not exist")),
        (9, "not_rejected", format!("names a row of another run than {run}: {other}")),
    ];
    assert_eq!(findings(&desk, &done), wanted.map(|(row, code, message)| (row, code.to_owned(), message)));
    let errors = desk.text(done.json()["files"]["errors"].as_str().unwrap());
    let first: Json = serde_json::from_str(errors.lines().next().unwrap()).unwrap();
    assert_eq!(
        (&first["cell"], &first["column"], &first["value"]),
        (&json!("D3"), &json!("_row"), &json!("2"))
    );
    assert_eq!(crm.records("accounts", r#"{"name":"New"}"#).len(), 0);
    // What was refused here can be retried no more than before.
    let again = retry(&crm, &desk, &["last"]);
    let message = findings(&desk, &again).remove(0).2;
    assert!(message.ends_with("corrects no rejected row"), "{message}");
}

#[test]
fn rejects_of_a_workbook_are_retried() {
    let crm = Crm::start();
    let desk = Desk::with("m.yaml", MAPPING);
    let sheet = Sheet::new("Leads").row(texts(["Company", "Tel", "Kind"]));
    let sheet = sheet.row(texts(["A", "1", "Customer"])).row(texts(["B", "2", "Custmer"]));
    desk.write("a.xlsx", book(&[sheet]));
    let done = crm.carafe(&desk, ["import", "a.xlsx", "-m", "m.yaml", "--json"]).ends_with(4);
    let rejects = desk.path(done.json()["files"]["rejects"].as_str().unwrap());
    assert!(rejects.ends_with("rejects.xlsx"));
    let corrected = replaced(&std::fs::read(&rejects).unwrap(), "Custmer", "Customer");
    std::fs::write(&rejects, corrected).unwrap();
    let again = retry(&crm, &desk, &["last"]);
    again.is(0);
    assert_eq!(again.json()["retry"], json!({ "of": done.json()["run"], "fixed": 1, "rejected": 1 }));
    assert_eq!(crm.account("B")["type"], "Customer");
}

/// A workbook with one text in another's place.
fn replaced(book: &[u8], from: &str, to: &str) -> Vec<u8> {
    let mut book = zip::ZipArchive::new(Cursor::new(book)).unwrap();
    let mut out = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for at in 0..book.len() {
        let mut part = book.by_index(at).unwrap();
        let (name, mut content) = (part.name().unwrap().into_owned(), Vec::new());
        part.read_to_end(&mut content).unwrap();
        let content = String::from_utf8(content).unwrap().replace(from, to);
        out.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        out.write_all(content.as_bytes()).unwrap();
    }
    out.finish().unwrap().into_inner()
}

#[test]
fn rejects_of_json_lines_are_retried() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let rows = [
        json!({ "name": "A", "type": "Customer" }),
        json!({ "name": "B", "type": "Custmer" }),
        json!({ "name": "C", "type": "Nope" }),
    ];
    desk.write("a.jsonl", rows.map(|row| row.to_string()).join("\n"));
    let done = crm.carafe(&desk, ["import", "a.jsonl", "--object", "accounts", "--json"]).ends_with(4);
    let rejects = desk.path(done.json()["files"]["rejects"].as_str().unwrap());
    let text = std::fs::read_to_string(&rejects).unwrap().replace("\"Custmer\"", "\"Customer\"");
    std::fs::write(&rejects, text).unwrap();
    let again = retry(&crm, &desk, &["last"]);
    again.is(4);
    assert_eq!(again.json()["retry"], json!({ "of": done.json()["run"], "fixed": 1, "rejected": 2 }));
    assert_eq!(crm.account("B")["type"], "Customer");
}

#[test]
fn the_runs_own_options_hold_and_its_mapping_as_it_is_now() {
    let (crm, desk) = (Crm::start(), Desk::with("m.yaml", MAPPING));
    desk.write("a.csv", "Company,Tel,Kind\nA,,Custmer\n");
    let known = "name,phone\nA,1\n";
    desk.write("known.csv", known);
    crm.carafe(&desk, ["import", "known.csv", "--object", "accounts"]).ends_with(0);
    desk.write("m.yaml", MAPPING.replace("mode: create", "mode: create\nmatch: [name]"));
    let options = ["import", "a.csv", "-m", "m.yaml", "--mode", "update", "--on-blank", "clear", "--yes"];
    crm.carafe(&desk, options).ends_with(4);
    desk.write(
        "m.yaml",
        desk.text("m.yaml").replace("type: Kind", "type: { from: Kind, values: { Custmer: Customer } }"),
    );
    let first = last(&crm, &desk);
    // Emptying fields needs an answer, as it does for an import.
    retry(&crm, &desk, &[&first]).is(2);
    let done = retry(&crm, &desk, &[&first, "--yes"]);
    done.is(0);
    assert_eq!(done.rows(), json!({ "read": 1, "updated": 1 }));
    assert!(done.stderr.contains("as it is now: it changed since run 20"), "{}", done.stderr);
    let record = crm.account("A");
    assert_eq!((&record["phone"], &record["type"]), (&json!(""), &json!("Customer")));
}

#[test]
fn a_mapping_that_is_gone_is_the_one_that_the_run_kept() {
    let (crm, desk, run) = rejected();
    std::fs::remove_file(desk.path("m.yaml")).unwrap();
    correct(&desk, &run, &[("Custmer", "Customer")]);
    let done = retry(&crm, &desk, &["last"]);
    done.is(4);
    assert_eq!(done.json()["retry"]["fixed"], 1);
    assert!(done.stderr.contains("as it kept it"), "{}", done.stderr);
}

/// A run of three rejected rows, corrected, in a CRM whose calls can be counted.
pub fn corrected() -> (Tiny, Desk, String) {
    let crm = Tiny::serve(accounts(&[]));
    let desk = Desk::with("a.csv", "name,leadscore\nA,x\nB,y\nC,z\nD,1\n");
    desk.write("m.yaml", BY_NAME_AND_SCORE);
    let done = desk.carafe(["import", "a.csv", "-m", "m.yaml", "--json"]).at(&crm.address()).ends_with(4);
    let run = run_of(&done);
    correct(&desk, &run, &[("A,x", "A,1"), ("B,y", "B,2"), ("C,z", "C,3")]);
    (crm, desk, run)
}

pub const BY_NAME_AND_SCORE: &str = "version: 1\nobject: accounts\nmode: upsert\nmatch: [name]\nfields: { name: name, leadscore: leadscore }\n";

#[test]
fn a_retry_that_was_interrupted_while_it_sent_is_resumed() {
    let (crm, desk, run) = corrected();
    let tiny = |arguments: &[&str]| {
        desk.carafe(arguments.iter().copied().chain(["--json"])).at(&crm.address()).run()
    };
    // One call asks for the fields, one for the records.
    let stopped = tiny(&["retry", &run, "--max-calls", "4", "--concurrency", "1"]);
    stopped.is(6);
    assert_eq!(stopped.json()["retry"], json!({ "of": run, "fixed": 2, "rejected": 3 }));
    // What it has still to send is sent by no other one.
    let other = tiny(&["retry", &run]);
    other.is(4);
    let messages: Vec<String> = findings(&desk, &other).into_iter().map(|(.., message)| message).collect();
    let waits = messages.iter().filter(|message| message.contains("is still to be sent by run 20"));
    assert_eq!((messages.len(), waits.count()), (3, 1), "{messages:?}");
    // Nothing can be corrected: what helps is to go on with it.
    let told = desk.carafe(["retry", &run]).at(&crm.address()).ends_with(4).stdout;
    let advice = format!("carafe resume {} --base-url {}", run_of(&stopped), crm.address());
    let steps: Vec<&str> = told.lines().filter(|line| line.contains("carafe ")).collect();
    assert_eq!(steps, [format!("  next     go on with the run that has rows to send: {advice}")]);
    let done = tiny(&["resume", &run_of(&stopped)]);
    done.is(0);
    assert_eq!(done.rows(), json!({ "read": 3, "created": 3 }));
    assert_eq!(done.json()["retry"], json!({ "of": run, "fixed": 3, "rejected": 3 }));
    assert_eq!(crm.records("accounts").len(), 4);
}

#[test]
fn a_retry_that_was_interrupted_while_it_planned_is_resumed_or_begun_anew() {
    for anew in [false, true] {
        let (crm, desk, run) = corrected();
        let tiny = |arguments: &[&str]| {
            desk.carafe(arguments.iter().copied().chain(["--json"])).at(&crm.address()).run()
        };
        tiny(&["retry", &run, "--max-calls", "1"]).is(6);
        assert_eq!(desk.runs().len(), 2);
        let interrupted = tiny(&["runs", "last"]).json()["run"].as_str().unwrap().to_owned();
        if anew {
            let done = tiny(&["retry", &run]);
            assert_eq!(done.rows(), json!({ "read": 3, "created": 3 }));
        }
        let done = tiny(&["resume", &interrupted]);
        assert_eq!(done.json()["command"], "retry");
        assert_eq!(done.json()["retry"], json!({ "of": run, "fixed": 3, "rejected": 3 }));
        let outcome = if anew { "rejected" } else { "created" };
        assert_eq!(done.rows(), json!({ "read": 3, outcome: 3 }));
        assert_eq!(crm.records("accounts").len(), 4);
    }
}

#[test]
fn what_an_undo_took_back_is_fixed_no_more() {
    let (crm, desk, run) = rejected();
    correct(&desk, &run, &[("Custmer", "Customer")]);
    assert_eq!(retry(&crm, &desk, &["last"]).json()["retry"]["fixed"], 1);
    crm.carafe(&desk, ["undo", "last", "--yes"]).ends_with(0);
    assert_eq!(crm.records("accounts", r#"{"name":"B"}"#).len(), 0);
    let done = retry(&crm, &desk, &[&run]);
    assert_eq!(done.rows(), json!({ "read": 3, "created": 1, "rejected": 2 }));
    assert_eq!(done.json()["retry"], json!({ "of": run, "fixed": 1, "rejected": 3 }));
    crm.account("B");
}

#[test]
fn a_row_whose_record_an_undo_of_the_first_run_deleted_is_fixed_no_more() {
    let (crm, desk, run) = rejected();
    desk.write("m.yaml", MAPPING.replace("mode: create", "mode: upsert\nmatch: [name]"));
    // It turns out to be the record that row 2 has created.
    correct(&desk, &run, &[("B,2,Custmer", "A,1,Customer")]);
    let done = retry(&crm, &desk, &[&run]);
    assert_eq!(done.rows(), json!({ "read": 3, "unchanged": 1, "rejected": 2 }));
    assert_eq!(done.json()["retry"]["fixed"], 1);
    crm.carafe(&desk, ["undo", &run, "--yes"]).ends_with(0);
    let done = retry(&crm, &desk, &[&run]);
    assert_eq!(done.rows(), json!({ "read": 3, "created": 1, "rejected": 2 }));
    assert_eq!(done.json()["retry"]["fixed"], 1);
    crm.account("A");
}

#[test]
fn runs_and_files_that_cannot_be_retried_are_refused_with_a_reason() {
    let (crm, desk, run) = rejected();
    let refused = |arguments: &[&str], words: &str| {
        let runs = desk.runs().len();
        let done = retry(&crm, &desk, arguments);
        done.is(2);
        assert!(done.stderr.contains(words), "{words}\n{}", done.stderr);
        assert_eq!(desk.runs().len(), runs, "{words}");
    };
    refused(&[&run, "a.csv"], "a.csv is no reject file: it has no columns _row and _run");
    refused(&[&run, "none.csv"], "there is no such file");
    std::fs::remove_file(desk.path(format!(".carafe/runs/{run}/rejects.csv"))).unwrap();
    refused(&[&run], "is not there any more");
    desk.write("b.csv", "Company,Tel,Kind\nZ,1,Customer\n");
    crm.carafe(&desk, ["import", "b.csv", "-m", "m.yaml"]).ends_with(0);
    refused(&["last"], "rejected no row; there is nothing to retry");
    crm.carafe(&desk, ["undo", "last", "--yes"]).ends_with(0);
    refused(&["last"], "is an undo; its rows cannot be imported again");
    let done = Crm::start().carafe(&desk, ["retry", &run, "b.csv"]).ends_with(2);
    assert!(done.stderr.contains("was planned for http://127.0.0.1:"), "{}", done.stderr);
}

#[test]
fn a_row_that_is_not_meant_makes_no_other_one_its_duplicate() {
    let (crm, desk, run) = corrected();
    let rejects = desk.text(format!(".carafe/runs/{run}/rejects.csv"));
    let stranger = "A,9,2,20200101-000000-accounts-aaaa,,,";
    desk.write("r.csv", rejects.replacen('\n', &format!("\n{stranger}\n"), 1));
    let done = desk.carafe(["retry", &run, "r.csv", "--json"]).at(&crm.address()).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 4, "created": 3, "rejected": 1 }));
    assert_eq!(findings(&desk, &done)[0].0, 2);
}

#[test]
fn a_retry_keeps_the_runs_reference_and_what_becomes_of_unknown_rows() {
    let (crm, desk) = (Crm::start(), Desk::with("m.yaml", MAPPING));
    desk.write("a.csv", ROWS);
    for (option, value, kind) in
        [("--ref-field", "notes", "reference"), ("--on-unknown", "resend", "at_least_once")]
    {
        let call = ["import", "a.csv", "-m", "m.yaml", option, value, "--json"];
        let run = run_of(&crm.carafe(&desk, call).ends_with(4));
        correct(&desk, &run, &[("Custmer", "Customer")]);
        let done = retry(&crm, &desk, &[&run]);
        assert_eq!(done.rows(), json!({ "read": 3, "created": 1, "rejected": 2 }));
        assert_eq!(done.json()["promise"]["kind"], kind);
    }
    assert!(
        crm.records("accounts", r#"{"name":"B"}"#)
            .iter()
            .any(|record| { record["notes"].as_str().is_some_and(|notes| notes.ends_with("#2")) })
    );
}

#[test]
fn the_reject_file_is_found_from_wherever_a_retry_is_begun() {
    let (crm, desk, run) = rejected();
    correct(&desk, &run, &[("Custmer", "Customer")]);
    let (elsewhere, runs) = (tempfile::tempdir().unwrap(), desk.path(".carafe/runs"));
    let mut call = crm.carafe(&desk, ["retry", &run, "--json", "--runs-dir", runs.to_str().unwrap()]);
    call.command.current_dir(elsewhere.path());
    let done = call.ends_with(4);
    assert_eq!(done.json()["retry"]["fixed"], 1);
}

#[test]
fn a_row_that_is_unknown_in_a_retry_is_sent_by_no_other_one() {
    let crm = Tiny::scripted(accounts(&[]), |request, _| {
        (request.method == "POST" && request.json()["name"] == "A").then_some(Reply::Reset)
    });
    let desk = Desk::with("a.csv", "name,leadscore\nA,x\n");
    let run = run_of(
        &desk.carafe(["import", "a.csv", "--object", "accounts", "--json"]).at(&crm.address()).ends_with(4),
    );
    correct(&desk, &run, &[("A,x", "A,1")]);
    let tiny = || desk.carafe(["retry", &run, "--json"]).at(&crm.address()).run();
    let first = tiny();
    assert_eq!(first.rows(), json!({ "read": 1, "unknown": 1 }));
    let second = tiny();
    assert_eq!(second.rows(), json!({ "read": 1, "rejected": 1 }));
    let message = findings(&desk, &second).remove(0).2;
    assert!(
        message.ends_with(&format!("is unknown in run {0}: carafe settle {0}", run_of(&first))),
        "{message}"
    );
}

#[test]
fn two_retries_of_one_family_wait_for_each_other() {
    let gate = Gate::default();
    let held = gate.clone();
    let crm = Tiny::scripted(accounts(&[]), move |request, _| {
        if request.method == "POST" && request.json()["name"] == "B" {
            held.wait();
        }
        None
    });
    let desk = Desk::with("a.csv", "name,leadscore\nA,x\nB,y\n");
    let import = ["import", "a.csv", "--object", "accounts", "--json"];
    let first = run_of(&desk.carafe(import).at(&crm.address()).ends_with(4));
    let second = run_of(&desk.carafe(["retry", &first, "--json"]).at(&crm.address()).ends_with(4));
    correct(&desk, &first, &[("B,y", "B,2")]);
    let running = desk.carafe(["retry", &first]).at(&crm.address()).start();
    crm.wait_for("POST", 1);
    let refused = desk.carafe(["retry", &second]).at(&crm.address()).ends_with(2);
    assert!(
        refused.stderr.contains(&format!("run {first} is active in another process")),
        "{}",
        refused.stderr
    );
    gate.open();
    running.end().is(4);
}
