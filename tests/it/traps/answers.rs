//! Result files: keyed by row, whole, apart, and with the way on.

use serde_json::json;

use crate::support::{Crm, Desk};
use crate::trial::{plain, trial};

#[test]
fn answers_are_kept_by_row_whatever_order_they_come_in() {
    let rows: String = (2..62).map(|row| format!("Row {row},{row}\n")).collect();
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", format!("name,phone\n{rows}")));
    crm.carafe(&desk, ["import", "a.csv", "--object", "accounts", "--concurrency", "16"]).ends_with(0);
    let results = desk.run_text("results.csv");
    assert_eq!(results.lines().count(), 61);
    for line in results.lines().skip(1) {
        let [row, id, outcome] = line.split(',').collect::<Vec<_>>().try_into().unwrap();
        let account = crm.account(&format!("Row {row}"));
        assert_eq!(
            (plain(&account["id"]).as_str(), plain(&account["phone"]).as_str(), outcome),
            (id, row, "created")
        );
    }
}

#[test]
fn a_reject_is_the_users_own_line_byte_for_byte_with_every_problem_of_it() {
    let line = [&b"\"K\xF6ln \"\"Nord\"\"\"; Custmer;nobody ;31/02/2024;=1+1"[..], b"\r\n"].concat();
    let mut file = b"Firm;Kind;Mail;Since;Note\r\nM\xFCller;Customer;;13/02/2024;\r\n".to_vec();
    file.extend(&line);
    let mapping =
        "fields:\n  name: Firm\n  type: Kind\n  email: Mail\n  inceptiondate: Since\n  notes: Note\n";
    let trial = trial("a.csv", file, mapping).is(4, json!({ "read": 2, "created": 1, "rejected": 1 }));
    let codes: Vec<String> = trial.desk.errors().iter().map(|e| plain(&e["code"])).collect();
    assert_eq!(codes, ["lookup", "email", "date"]);
    let rejects = std::fs::read(trial.desk.run().join("rejects.csv")).unwrap();
    let kept = &line[..line.len() - 2];
    let at = rejects.windows(kept.len()).position(|bytes| bytes == kept).expect("the line as it was");
    assert!(rejects[at + kept.len()..].starts_with(b";3;"), "then its row");
    let marks = String::from_utf8_lossy(&rejects[at..]).into_owned();
    for field in ["type: ", "email: not an address", "inceptiondate: there is no such day"] {
        assert!(marks.contains(field), "{field} in {marks}");
    }
}

#[test]
fn rows_that_were_never_sent_are_kept_apart_and_no_run_overwrites_another() {
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", "name,type\nA,Custmer\nB,No\nC,\nD,\n"));
    let arguments = ["import", "a.csv", "--object", "accounts", "--stop-after", "2"];
    let done = crm.carafe(&desk, arguments).ends_with(6);
    let first = desk.run();
    let file = |name: &str| std::fs::read_to_string(first.join(name)).unwrap();
    let rows =
        |name: &str| -> Vec<String> { file(name).lines().skip(1).map(|line| line[..1].to_owned()).collect() };
    assert_eq!(
        (rows("rejects.csv"), rows("unprocessed.csv")),
        (vec!["A".to_owned(), "B".into()], vec!["C".to_owned(), "D".into()])
    );
    assert!(
        done.stdout.contains("unprocessed.csv") && done.stdout.contains("rejects.csv"),
        "{}",
        done.stdout
    );
    let before: Vec<String> =
        ["rejects.csv", "unprocessed.csv", "errors.jsonl", "summary.json"].map(file).into();
    crm.carafe(&desk, ["import", "a.csv", "--object", "accounts"]).ends_with(4);
    assert_eq!(desk.runs().len(), 2);
    assert_eq!(before, ["rejects.csv", "unprocessed.csv", "errors.jsonl", "summary.json"].map(file));
}

#[test]
fn the_end_names_the_top_causes_with_a_cell_each_and_a_command_that_goes_on_when_typed() {
    let rows = "name,type,email\nA,Custmer,\nB,Custmer,\nC,,nobody\nD,,\n";
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", rows));
    let done = crm.carafe(&desk, ["import", "a.csv", "--object", "accounts"]).ends_with(4);
    let causes: Vec<&str> = done.stdout.lines().filter(|line| line.contains("row ")).collect();
    assert!(
        causes[0].contains("2  type: \"Custmer\" is not in the list; nearest \"Customer\"")
            && causes[0].ends_with("row 2"),
        "{causes:?}"
    );
    assert!(
        causes[1].contains("1  email: not an address") && causes[1].ends_with("row 4: nobody"),
        "{causes:?}"
    );
    let command = done.stdout.lines().map(str::trim).find(|line| line.starts_with("carafe retry ")).unwrap();
    // The rejects are corrected where they lie, and the command is typed as it stands.
    let rejects = desk.run().join("rejects.csv");
    let text = std::fs::read_to_string(&rejects).unwrap();
    std::fs::write(&rejects, text.replace("A,Custmer", "A,Customer").replace("nobody", "c@d.example"))
        .unwrap();
    let again = crm.carafe(&desk, command.trim_start_matches("carafe ").split(' ')).ends_with(4);
    assert!(
        again.stdout.contains("          2   created\n") && again.stdout.contains("          1   rejected"),
        "{}",
        again.stdout
    );
    crm.account("C");
}
