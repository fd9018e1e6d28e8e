//! Columns that prove how they are written, or stop the run with a question.

use serde_json::{Value as Json, json};

use crate::support::{Crm, Desk, Done};

const MAPPING: &str = "version: 1
object: accounts
mode: upsert
match: [name]
fields:
  name: Company
  inceptiondate: Since
  annualvalue: Value
  type: Kind
";

fn desk(rows: &str) -> Desk {
    let desk = Desk::with("a.csv", rows);
    desk.write("m.yaml", MAPPING);
    desk
}

fn import(crm: &Crm, desk: &Desk, file: &str) -> Done {
    crm.carafe(desk, ["import", file, "-m", "m.yaml", "--json"]).run()
}

fn fields(crm: &Crm, name: &str) -> (Json, f64) {
    let account = crm.account(name);
    let value = account["annualvalue"].to_string().trim_matches('"').parse().unwrap_or(0.0);
    (account["inceptiondate"].clone(), value)
}

#[test]
fn one_row_decides_for_the_whole_column_and_is_shown() {
    let (crm, desk) =
        (Crm::start(), desk("Company;Since;Value;Kind\nA;01/02/2024;1.234;\nB;25/12/2023;1.000,50;\n"));
    let done = import(&crm, &desk, "a.csv");
    assert_eq!(done.rows(), json!({ "read": 2, "created": 2 }));
    assert_eq!(fields(&crm, "A"), (json!("2024-02-01"), 1234.0));
    assert_eq!(fields(&crm, "B"), (json!("2023-12-25"), 1000.5));
    for told in [
        "notice: \"Since\" is read day-month-year: row 3 has \"25/12/2023\"\n",
        "notice: \"Value\" is read with a decimal comma: row 3 has \"1.000,50\"\n",
    ] {
        assert!(done.stderr.contains(told), "{}", done.stderr);
    }
}

#[test]
fn a_column_that_leaves_it_open_stops_the_run_with_a_row_and_the_key() {
    let (crm, desk) =
        (Crm::start(), desk("Company,Since,Value,Kind\nA,01/02/2024,\"1,234\",\nB,03/04/2024,5,\n"));
    let done = crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml"]).ends_with(2);
    let wanted = "\
error: \"Since\" holds dates that can be read in several ways (day-month-year, or month-day-year), and no row shows which: row 2 has \"01/02/2024\"
  --> m.yaml:7:18
7 |   inceptiondate: Since
  |                  ^^^^^ say which: date: \"%d/%m/%Y\", or date: \"%m/%d/%Y\"
error: \"Value\" holds numbers that can be read in several ways (with a decimal point, or with a decimal comma), and no row shows which: row 2 has \"1,234\"
  --> m.yaml:8:16
8 |   annualvalue: Value
  |                ^^^^^ say which: decimal: \",\", or decimal: \".\"
";
    assert_eq!(done.stderr, wanted);
    assert!(desk.runs().is_empty(), "nothing was begun");
    // The answer is a key, and with it the same file goes in.
    let answered = MAPPING
        .replace("Since", "{ from: Since, date: '%m/%d/%Y' }")
        .replace("Value", "{ from: Value, decimal: '.' }");
    desk.write("m.yaml", answered);
    assert_eq!(import(&crm, &desk, "a.csv").rows(), json!({ "read": 2, "created": 2 }));
    assert_eq!(fields(&crm, "A"), (json!("2024-01-02"), 1234.0));
}

#[test]
fn the_key_that_is_named_reads_the_cells_as_they_are_written() {
    for (one, other, key) in [
        ("1.2.2024", "03.04.2024", "%d.%m.%Y"),
        ("02.01.2024 10:00", "3.4.2024", "%d.%m.%Y"),
        ("03-04-24 9:30 pm", "01-02-24", "%d-%m-%y"),
    ] {
        let rows = format!("Company,Since,Value,Kind\nA,{one},,\nB,{other},,\n");
        let (crm, desk) = (Crm::start(), desk(&rows));
        let done = crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml"]).ends_with(2);
        let key = format!("date: \"{key}\"");
        assert!(done.stderr.contains(&key), "{}", done.stderr);
        desk.write("m.yaml", MAPPING.replace("Since", &format!("{{ from: Since, {key} }}")));
        assert_eq!(import(&crm, &desk, "a.csv").rows(), json!({ "read": 2, "created": 2 }), "{one}");
    }
}

#[test]
fn two_ways_of_writing_in_one_column_stop_the_run_with_a_row_of_each() {
    for (one, other, told) in [
        (
            "13/02/2024",
            "02/13/2024",
            "row 2 has \"13/02/2024\" (day-month-year), row 3 has \"02/13/2024\" (month-day-year)",
        ),
        (
            "03/04/2020",
            "2020-06-05",
            "row 2 has \"03/04/2020\" (day-month-year or month-day-year), row 3 has \"2020-06-05\" (year-month-day)",
        ),
    ] {
        let (crm, desk) =
            (Crm::start(), Desk::with("a.csv", format!("name,inceptiondate\nA,{one}\nB,{other}\n")));
        let done = crm.carafe(&desk, ["check", "a.csv", "--object", "accounts", "--json"]).ends_with(2);
        let message = done.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(told) && message.contains("date: \"%d/%m/%Y\""), "{message}");
    }
}

#[test]
fn what_is_no_date_or_number_at_all_rejects_its_row_and_proves_nothing() {
    let rows =
        "Company,Since,Value,Kind\nA,25/12/2023,7,\nB,soon,n/a,\nC,45123,,\nD,31/02/2024,,\nE,12/31/2023,,\n";
    let (crm, desk) = (Crm::start(), desk(rows));
    let done = import(&crm, &desk, "a.csv");
    assert_eq!(done.code, Some(2), "row 6 contradicts row 2");
    desk.write("b.csv", rows.replace("E,12/31/2023", "E,2023"));
    let done = import(&crm, &desk, "b.csv");
    assert_eq!(done.rows(), json!({ "read": 5, "created": 1, "rejected": 4 }));
    let errors: Vec<String> = desk
        .errors()
        .iter()
        .map(|e| format!("{} {} {}", e["cell"], e["code"], e["message"]).replace('"', "").replace('\\', ""))
        .collect();
    assert_eq!(
        errors,
        [
            "B3 date not a date in the form day-month-year, which the column has",
            "C3 number not a number",
            "B4 date not a date; as Excel's day number it would be 2023-07-16: format the column as dates and save again, or say date: excel",
            "B5 date there is no such day or time",
            "B6 date not a date in the form day-month-year, which the column has",
        ]
    );
}

#[test]
fn a_reject_file_is_read_as_its_run_read_the_whole_file() {
    let rows = "Company,Since,Value,Kind\nA,25/12/2023,\"1,5\",\nB,01/02/2024,1.234,Nope\n";
    let (crm, desk) = (Crm::start(), desk(rows));
    assert_eq!(import(&crm, &desk, "a.csv").rows(), json!({ "read": 2, "created": 1, "rejected": 1 }));
    let rejects = desk.run_text("rejects.csv");
    // One row alone proves nothing; with its run's proof it is read as it was.
    desk.write("r.csv", rejects.replace("Nope", ""));
    let done = import(&crm, &desk, "r.csv");
    assert_eq!(done.rows(), json!({ "read": 1, "created": 1 }), "{}", done.stderr);
    assert_eq!(fields(&crm, "B"), (json!("2024-02-01"), 1234.0));
    assert!(
        done.stderr.contains("\"Since\" is read day-month-year: row 2 has \"25/12/2023\""),
        "{}",
        done.stderr
    );
    // Without the run, nothing is guessed.
    let done = crm.carafe(&desk, ["check", "r.csv", "-m", "m.yaml", "--runs-dir", "elsewhere"]).ends_with(2);
    assert!(
        done.stderr.contains("is not in elsewhere; how its columns are written is proven anew"),
        "{}",
        done.stderr
    );
    // A name that is a path leads nowhere.
    desk.write("p.csv", rejects.replace("Nope", "").replace(",20", ",../20"));
    crm.carafe(&desk, ["check", "p.csv", "-m", "m.yaml"]).ends_with(2);
}

#[test]
fn the_mapping_wins_over_what_a_run_had_proven() {
    let (crm, desk) =
        (Crm::start(), desk("Company,Since,Value,Kind\nA,25/12/2023,7,\nB,01/02/2024,7,Nope\n"));
    import(&crm, &desk, "a.csv");
    desk.write("r.csv", desk.run_text("rejects.csv").replace("Nope", ""));
    desk.write("m.yaml", MAPPING.replace("Since", "{ from: Since, date: '%m/%d/%Y' }"));
    import(&crm, &desk, "r.csv").is(0);
    assert_eq!(crm.account("B")["inceptiondate"], "2024-01-02");
}

#[test]
fn excels_day_numbers_are_read_where_the_mapping_says_so() {
    let (crm, desk) = (Crm::start(), desk("Company,Since,Value,Kind\nA,45123,,\nB,60,,\nC,2023-07-16,,\n"));
    desk.write("m.yaml", MAPPING.replace("Since", "{ from: Since, date: excel }"));
    assert_eq!(import(&crm, &desk, "a.csv").rows(), json!({ "read": 3, "created": 1, "rejected": 2 }));
    assert_eq!(crm.account("A")["inceptiondate"], "2023-07-16");
    let messages: Vec<String> =
        desk.errors().iter().map(|e| e["message"].as_str().unwrap().to_owned()).collect();
    assert_eq!(messages, ["there is no such day or time", "not a date in the form of Excel's day numbers"]);
}

#[test]
fn what_a_column_proves_is_kept_with_the_run() {
    let (crm, desk) = (Crm::start(), desk("Company,Since,Value,Kind\nA,25/12/2023,7,\n"));
    import(&crm, &desk, "a.csv").is(0);
    let store = rusqlite::Connection::open(desk.run().join("run.db")).unwrap();
    let proofs: String =
        store.query_row("SELECT value FROM facts WHERE name = 'proofs'", [], |row| row.get(0)).unwrap();
    let wanted = json!([{
        "field": "inceptiondate", "columns": ["Since"], "reading": { "date": "day-month-year" },
        "witness": { "row": 2, "text": "25/12/2023" },
    }]);
    assert_eq!(serde_json::from_str::<Json>(&proofs).unwrap(), wanted);
}

#[test]
fn rows_of_an_unknown_run_are_not_read_as_a_known_one_read_its_own() {
    let (crm, desk) =
        (Crm::start(), desk("Company,Since,Value,Kind\nA,25/12/2023,7,\nB,01/02/2024,7,Nope\n"));
    import(&crm, &desk, "a.csv");
    let rejects = desk.run_text("rejects.csv").replace("Nope", "");
    let run = desk.run().file_name().unwrap().to_str().unwrap().to_owned();
    let stranger =
        rejects.lines().nth(1).unwrap().replace(&run, "20200101-000000-accounts-aaaa").replacen('B', "C", 1);
    desk.write("merged.csv", format!("{rejects}{stranger}\n"));
    let done = crm.carafe(&desk, ["check", "merged.csv", "-m", "m.yaml"]).ends_with(2);
    assert!(done.stderr.contains("no row shows which"), "{}", done.stderr);
}

#[test]
fn what_the_mapping_gives_is_neither_told_nor_kept_as_proven() {
    let (crm, desk) =
        (Crm::start(), desk("Company,Since,Value,Kind\nA,25/12/2023,7,\nB,01/02/2024,7,Nope\n"));
    import(&crm, &desk, "a.csv");
    desk.write("r.csv", desk.run_text("rejects.csv"));
    desk.write("m.yaml", MAPPING.replace("Since", "{ from: Since, date: '%m/%d/%Y' }"));
    let done = crm.carafe(&desk, ["import", "r.csv", "-m", "m.yaml", "--json"]).ends_with(4);
    assert!(!done.stderr.contains("day-month-year"), "{}", done.stderr);
    let last =
        desk.runs().into_iter().max_by_key(|run| std::fs::metadata(run).unwrap().created().unwrap()).unwrap();
    let store = rusqlite::Connection::open(last.join("run.db")).unwrap();
    let proofs: String =
        store.query_row("SELECT value FROM facts WHERE name = 'proofs'", [], |row| row.get(0)).unwrap();
    assert_eq!(proofs, "[]");
}

#[test]
fn rejects_of_two_runs_that_read_a_column_in_two_ways_are_not_read_in_either() {
    let (crm, desk) = (Crm::start(), desk(""));
    let rejects = |first: &str| {
        desk.write("a.csv", format!("Company,Since,Value,Kind\nA,{first},7,\nB,01/02/2024,7,Nope\n"));
        let run = import(&crm, &desk, "a.csv").json()["run"].as_str().unwrap().to_owned();
        (desk.text(format!(".carafe/runs/{run}/rejects.csv")).replace("Nope", ""), run)
    };
    let ((one, first), (other, second)) = (rejects("25/12/2023"), rejects("12/25/2023"));
    let merged = |more: &str| format!("{one}{}\n", more.lines().nth(1).unwrap().replacen('B', "C", 1));
    desk.write("merged.csv", merged(&other));
    crm.carafe(&desk, ["check", "merged.csv", "-m", "m.yaml"]).run().fails(
        2,
        &format!(
            "error: the file holds rows of two runs that read \"Since\" in two ways: {first} day-month-year, {second} month-day-year\n  import the rows of each run from a file of their own"
        ),
    );
    // Of a run that proved nothing about the column, the other's proof says nothing.
    desk.write("m.yaml", MAPPING.replace("Since", "{ from: Since, date: '%d/%m/%Y' }"));
    let (silent, _) = rejects("25/12/2023");
    desk.write("m.yaml", MAPPING);
    desk.write("merged.csv", merged(&silent));
    let done = crm.carafe(&desk, ["check", "merged.csv", "-m", "m.yaml"]).ends_with(2);
    assert!(done.stderr.contains("no row shows which"), "{}", done.stderr);
    // Two that read it in the same way are read so.
    desk.write("merged.csv", merged(&rejects("26/12/2022").0));
    crm.carafe(&desk, ["check", "merged.csv", "-m", "m.yaml"]).ends_with(0);
}
