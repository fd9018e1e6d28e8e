//! Dates, numbers, ids, words for yes, no and nothing.

use serde_json::json;

use crate::support::{Crm, Desk};
use crate::trial::{CREATE, Trial, plain, refusal, trial};
use crate::workbook::{
    Sheet, blank, book, book_of_1904, day, error, number, padded, percent, text, texts, yes,
};

#[test]
fn day_and_month_are_proven_by_the_whole_column_and_never_cell_by_cell() {
    // What proves it stands far behind any sample, and the time changes nothing.
    let mut rows = "Firm,Since\nA,1/2/2024 9:30\n".to_owned();
    (0..1_500).for_each(|at| rows += &format!("F{at},03/04/2020\n"));
    rows += "Z,13/02/2024\n";
    let mapping = "fields:\n  name: Firm\n  inceptiondate: Since\n  renewal: Since\n";
    let trial = trial("a.csv", &rows, mapping).is(0, json!({ "read": 1502, "created": 1502 }));
    assert_eq!(trial.field("A", "inceptiondate"), "2024-02-01");
    assert_eq!(trial.field("A", "renewal"), "2024-02-01 09:30:00");
    assert_eq!(trial.field("F7", "inceptiondate"), "2020-04-03");
    assert_eq!(trial.field("Z", "inceptiondate"), "2024-02-13");
    trial.told("\"Since\" is read day-month-year: row 1503 has \"13/02/2024\"");
    // Without that row nobody guesses, and with its opposite nobody takes a side.
    let open = refusal("a.csv", rows.replace("Z,13/02/2024\n", ""), mapping);
    assert!(open.contains("no row shows which: row 2 has \"1/2/2024 9:30\""), "{open}");
    let both = refusal("a.csv", format!("{rows}Y,02/13/2024\n"), mapping);
    assert!(
        both.contains("row 1503 has \"13/02/2024\" (day-month-year), row 1504 has \"02/13/2024\""),
        "{both}"
    );
}

#[test]
fn a_year_of_two_digits_has_a_century_that_is_told_and_of_one_that_is_lost_none() {
    let rows = "Firm,Since\nA,01/02/24\nB,13/12/68\nC,13/12/69\nD,01/02/0024\n";
    let trial = trial("a.csv", rows, "fields:\n  name: Firm\n  inceptiondate: Since\n");
    let trial = trial.is(4, json!({ "read": 4, "created": 3, "rejected": 1 }));
    let dates = ["A", "B", "C"].map(|name| trial.field(name, "inceptiondate"));
    assert_eq!(dates, ["2024-02-01", "2068-12-13", "1969-12-13"]);
    trial.told("its two-digit years are read as 1969 to 2068");
    assert_eq!(trial.problems(), ["B5 date the year is not one from 1000 to 9999"]);
}

#[test]
fn a_date_is_the_same_day_wherever_the_machine_stands() {
    let sheet = Sheet::new("S")
        .row(texts(["Firm", "Since", "Until"]))
        .row([text("A"), day("45123"), day("45123.999988")])
        .row([text("B"), text("2023-07-16"), text("2023-03-26 02:30:00")])
        .row([text("C"), text("2023-07-16"), text("2023-07-16T23:30:00Z")]);
    let mapping = "fields:\n  name: Firm\n  inceptiondate: Since\n  renewal: Until\n";
    for zone in ["Pacific/Kiritimati", "America/Los_Angeles", "Europe/London"] {
        let (crm, desk) = (Crm::start(), Desk::with("a.xlsx", book(std::slice::from_ref(&sheet))));
        desk.write("m.yaml", format!("{CREATE}{mapping}"));
        crm.carafe(&desk, ["import", "a.xlsx", "-m", "m.yaml"]).env("TZ", zone).ends_with(4);
        let found = ["A", "B"]
            .map(|name| (crm.account(name)["inceptiondate"].clone(), crm.account(name)["renewal"].clone()));
        assert_eq!(found[0], (json!("2023-07-16"), json!("2023-07-16 23:59:59")), "{zone}");
        // An hour that London's clocks left out that night is a time like any other here.
        assert_eq!(found[1], (json!("2023-07-16"), json!("2023-03-26 02:30:00")), "{zone}");
        let error = &desk.errors()[0];
        assert_eq!((&error["cell"], &error["code"]), (&json!("S!C4"), &json!("date")), "{zone}");
        assert!(
            plain(&error["message"]).starts_with("the time names a zone, and the CRM keeps none"),
            "{error}"
        );
    }
}

#[test]
fn a_day_number_is_a_date_only_by_its_style_and_from_its_workbooks_first_day() {
    let sheet = || {
        Sheet::new("S")
            .row(texts(["Firm", "Since"]))
            .row([text("Dated"), day("45123")])
            .row([text("Leap"), day("60")])
            .row([text("Bare"), number("45123")])
    };
    let mapping = "fields:\n  name: Firm\n  inceptiondate: Since\n";
    let bare = "not a date; as Excel's day number it would be 2023-07-16: format the column as dates and save again, or say date: excel";
    let windows =
        trial("a.xlsx", book(&[sheet()]), mapping).is(4, json!({ "read": 3, "created": 1, "rejected": 2 }));
    assert_eq!(windows.field("Dated", "inceptiondate"), "2023-07-16");
    assert_eq!(windows.problems(), ["S!B3 date there is no such day", &format!("S!B4 date {bare}")]);
    let mac = trial("a.xlsx", book_of_1904(&[sheet()]), mapping)
        .is(4, json!({ "read": 3, "created": 2, "rejected": 1 }));
    mac.told("the workbook counts days from 1904, and its date cells are read so; bare day numbers need date: excel-1904");
    let from_1904 = "fields:\n  name: Firm\n  inceptiondate: { from: Since, date: excel-1904 }\n";
    let numbers =
        trial("a.xlsx", book_of_1904(&[sheet()]), from_1904).is(0, json!({ "read": 3, "created": 3 }));
    assert_eq!(numbers.field("Bare", "inceptiondate"), numbers.field("Dated", "inceptiondate"));
    assert_eq!(mac.field("Dated", "inceptiondate"), "2027-07-17");
    assert_eq!(mac.field("Leap", "inceptiondate"), "1904-03-01");
    // A CSV has no styles: the number is an error with a hint, until the mapping says what it is.
    let rows = "Firm,Since\nA,45123\nB,45123.5\n";
    let csv = trial("a.csv", rows, mapping).is(4, json!({ "read": 2, "rejected": 2 }));
    assert_eq!(csv.problems()[0], format!("B2 date {bare}"));
    let said = trial("a.csv", rows, "fields:\n  name: Firm\n  inceptiondate: { from: Since, date: excel }\n");
    assert_eq!(said.field("B", "inceptiondate"), "2023-07-16");
}

// That other cells of a column have more digits is no reason to warn: most numbers differ in
// length. What tells are the sheet's format, and updates that take nothing but zeros away.
#[test]
fn leading_zeros_stay_and_those_that_a_sheet_only_shows_are_told() {
    let mapping = "fields:\n  name: Firm\n  addresspostcode/zip: Zip\n";
    let csv =
        trial("a.csv", "Firm,Zip\nA,01067\nB,00123\n", mapping).is(0, json!({ "read": 2, "created": 2 }));
    assert_eq!((csv.field("A", "addresspostcode/zip"), csv.done.stderr.as_str()), ("01067".to_owned(), ""));
    let sheet = || {
        let header = Sheet::new("S").row(texts(["Firm", "Zip"]));
        header.row([text("A"), padded("1067")]).row([text("B"), text("00123")])
    };
    let shown = trial("a.xlsx", book(&[sheet()]), mapping).is(0, json!({ "read": 2, "created": 2 }));
    shown.told("column \"Zip\" shows leading zeros that its cells do not hold; pad: 5 puts them back");
    assert_eq!(shown.field("A", "addresspostcode/zip"), "1067");
    let back = mapping.replace("Zip", "{ from: Zip, pad: 5 }");
    let back = trial("a.xlsx", book(&[sheet()]), &back);
    assert_eq!(["A", "B"].map(|name| back.field(name, "addresspostcode/zip")), ["01067", "00123"]);
    // A column that comes back from a spreadsheet without its zeros is told before it is sent.
    back.desk.write("again.csv", "name,addresspostcode/zip\nA,1067\n");
    back.desk.write("again.yaml", "version: 1\nobject: accounts\nmode: update\nmatch: [name]\nfields:\n  name: name\n  addresspostcode/zip: addresspostcode/zip\n");
    let again =
        back.crm.carafe(&back.desk, ["import", "again.csv", "-m", "again.yaml", "--dry-run"]).ends_with(0);
    let told =
        "addresspostcode/zip loses zeros in front and nothing else in 1 record (row 2: \"01067\" → \"1067\")";
    assert!(again.stderr.contains(told), "{}", again.stderr);
}

#[test]
fn a_percentage_is_taken_as_the_sheet_shows_it_and_a_number_as_the_cell_holds_it() {
    let mapping = "when: Rate > 1\nfields:\n  name: Firm\n  discount: Rate\n  rating: { from: Rate, replace: { '^9%$': '9' } }\n  annualvalue: Rate\n  notes: Rate\n  phone: { expr: Rate }\n  vip: Odd\n";
    let sheet = Sheet::new("S")
        .row(texts(["Firm", "Rate", "Odd"]))
        .row([text("A"), percent("0"), blank()])
        .row([text("B"), percent("0.2"), blank()])
        .row([text("C"), number("70"), blank()])
        .row([text("D"), percent("0.10000000000000001"), percent("0.075")])
        .row([text("E"), percent("0.09"), blank()]);
    let first = trial("a.xlsx", book(&[sheet]), mapping);
    let first = first.is(4, json!({ "read": 5, "created": 3, "skipped": 1, "rejected": 1 }));
    let fields = |trial: &Trial, name| {
        ["discount", "rating", "annualvalue", "notes", "phone"].map(|field| trial.field(name, field))
    };
    assert_eq!(fields(&first, "B"), ["20", "0.2", "0.2", "20%", "20%"]);
    assert_eq!(fields(&first, "C"), ["70", "70", "70", "70", "70"]);
    assert_eq!(fields(&first, "E"), ["9", "9", "0.09", "9%", "9%"]);
    assert!(!first.done.stderr.contains("percent"), "{}", first.done.stderr);
    assert_eq!(first.problems()[0].split(' ').take(2).collect::<Vec<_>>(), ["S!C5", "checkbox"]);
    // Its reject shows it too: the cells are percentages again.
    let errors = first.desk.errors();
    assert_eq!(errors[0]["value"], "7.5%");
    let rejects = std::fs::read(first.desk.run().join("rejects.xlsx")).unwrap();
    let again = trial("r.xlsx", rejects, &mapping.replace("  vip: Odd\n", "  ticker: Odd\n"));
    let again = again.is(0, json!({ "read": 1, "created": 1 }));
    assert_eq!(fields(&again, "D"), ["10", "0.1", "0.1", "10%", "10%"]);
    assert_eq!(again.field("D", "ticker"), "7.5%");
}

#[test]
fn a_draft_knows_what_a_sheet_shows_in_percent() {
    let sheet = Sheet::new("S")
        .row(texts(["Account Name", "Discount"]))
        .row([text("A"), percent("0.15")])
        .row([text("B"), percent("0.075")]);
    let (crm, desk) = (Crm::start(), Desk::with("a.xlsx", book(&[sheet])));
    let draft = ["draft", "a.xlsx", "--object", "accounts", "-o", "m.yaml"];
    crm.carafe(&desk, draft).ends_with(0);
    assert!(desk.text("m.yaml").contains("\n  discount: Discount "), "{}", desk.text("m.yaml"));
    assert!(!desk.text("m.yaml").contains("decimal"), "{}", desk.text("m.yaml"));
    crm.carafe(&desk, ["import", "a.xlsx", "-m", "m.yaml"]).ends_with(0);
    let fields = ["A", "B"].map(|name| plain(&crm.account(name)["discount"]));
    assert_eq!(fields, ["15", "7.5"]);
}

#[test]
fn a_number_in_a_text_field_is_what_a_person_sees_and_a_text_of_digits_is_a_number() {
    let sheet = Sheet::new("S")
        .row(texts(["Firm", "Code", "Staff"]))
        .row([text("A"), number("7"), text("7")])
        .row([text("B"), number("7.0"), text(" 1200 ")])
        .row([text("C"), number("0.30000000000000004"), number("12.0")])
        .row([text("D"), number("447912345678"), blank()])
        .row([text("E"), number("1234567890123456"), blank()]);
    let trial = trial("a.xlsx", book(&[sheet]), "fields:\n  name: Firm\n  phone: Code\n  employees: Staff\n");
    let trial = trial.is(4, json!({ "read": 5, "created": 4, "rejected": 1 }));
    let phones = ["A", "B", "C", "D"].map(|name| trial.field(name, "phone"));
    assert_eq!(phones, ["7", "7", "0.3", "447912345678"]);
    assert_eq!(["A", "B", "C"].map(|name| trial.field(name, "employees")), ["7", "1200", "12"]);
    assert_eq!(
        trial.problems(),
        [
            "S!B6 precision_lost a number of more than 15 digits, whose last digits the workbook has lost; store the column as text"
        ]
    );
}

#[test]
fn an_id_in_scientific_notation_is_destroyed_and_a_number_in_it_is_a_number() {
    let rows = "id,name,ticker,employees\n,A,1.23E+11,1\n9.59E+07,B,x,1\n,C,1E5,1e3\n,D,12E+3,1.5E+3\n";
    let (crm, desk) = (Crm::start(), Desk::with("a.csv", rows));
    let done = crm.carafe(&desk, ["import", "a.csv", "--object", "accounts", "--json"]).run();
    let trial = Trial { crm, desk, done }.is(4, json!({ "read": 4, "created": 2, "rejected": 2 }));
    let lost = "precision_lost the spreadsheet has shortened this number and its digits are lost; export the column again as text";
    assert_eq!(trial.problems(), [format!("C2 {lost}"), format!("A3 {lost}")]);
    // "1E5" may be a name of a thing; only the form that Excel writes is suspect.
    assert_eq!((trial.field("C", "ticker"), trial.field("C", "employees")), ("1E5".into(), "1000".into()));
    assert_eq!((trial.field("D", "ticker"), trial.field("D", "employees")), ("12E+3".into(), "1500".into()));
}

#[test]
fn decimal_commas_and_thousands_are_proven_or_asked_for() {
    let mapping = |value: &str| format!("fields:\n  name: Firm\n  annualvalue: {value}\n");
    let german = "Firm;Value\nA;1.9\nB;1,9\nC;(5,00)\nD;€ 1 000\nE;1.250,-\nF;12abc\n";
    let trial1 = trial("a.csv", german, &mapping("Value"));
    // 1.9 is no number with a decimal comma, and is never read as 19.
    assert_eq!(trial1.done.code, Some(2), "row 2 contradicts row 3");
    let trial1 = trial("a.csv", german, &mapping("{ from: Value, decimal: ',' }"));
    let trial1 = trial1.is(4, json!({ "read": 6, "created": 4, "rejected": 2 }));
    assert_eq!(
        ["B", "C", "D", "E"].map(|name| trial1.field(name, "annualvalue")),
        ["1.9", "-5", "1000", "1250"]
    );
    let comma = "number not a number with a decimal comma";
    assert_eq!(trial1.problems(), [format!("B2 {comma}"), format!("B7 {comma}")]);
    // One cell that can be read in one way alone speaks for all.
    let proven = trial("a.csv", "Firm;Value\nA;1.234\nB;1.234,56\n", &mapping("Value"));
    assert_eq!(proven.field("A", "annualvalue"), "1234");
    proven.told("\"Value\" is read with a decimal comma: row 3 has \"1.234,56\"");
    let proven = trial("a.csv", "Firm;Value\nA;1.234\nB;1,234.56\n", &mapping("Value"));
    assert_eq!(proven.done.code, Some(4), "three decimals are one too many for the field");
    assert_eq!(proven.problems(), ["B2 decimals 3 digits behind the decimal point, the field takes 2"]);
    let open = refusal("a.csv", "Firm;Value\nA;1.234\nB;7\n", &mapping("Value"));
    assert!(
        open.contains("row 2 has \"1.234\"") && open.contains("say which: decimal: \",\", or decimal: \".\""),
        "{open}"
    );
    // A workbook's numbers have no notation to be proven.
    let sheet = Sheet::new("S").row(texts(["Firm", "Value"])).row([text("A"), number("1.5")]);
    let sheet = sheet.row([text("B"), text("1.234,5")]);
    let numbers = trial("a.xlsx", book(&[sheet]), &mapping("Value"));
    assert_eq!(["A", "B"].map(|name| numbers.field(name, "annualvalue")), ["1.5", "1234.5"]);
}

#[test]
fn a_checkbox_takes_ten_words_and_the_mappings_own_and_no_others() {
    let words = ["1", "TRUE", "Yes", "y", "on", "0", "false", "NO", "n", "Off", "Ja", "X", "✓", "nein"];
    let mut rows = "Firm,Key\n".to_owned();
    words.iter().zip(2..).for_each(|(word, row)| rows += &format!("R{row},{word}\n"));
    rows += "R16,t\nR17,2\nR18,\n";
    let mapping = "fields:\n  name: Firm\n  vip: { from: Key, true: [Ja, X, ✓], false: Nein }\n";
    let trial = trial("a.csv", &rows, mapping).is(4, json!({ "read": 17, "created": 15, "rejected": 2 }));
    let flags: String = (2..16).map(|row| trial.field(&format!("R{row}"), "vip")).collect();
    assert_eq!(flags, "11111000001110");
    assert!(trial.problems().iter().all(|problem| problem.contains(" checkbox not a word for yes or no")));
    let sheet = Sheet::new("S").row(texts(["Firm", "Key"])).row([text("A"), yes()]);
    let (crm, desk) = (Crm::start(), Desk::with("a.xlsx", book(&[sheet])));
    desk.write("m.yaml", format!("{CREATE}{mapping}"));
    crm.carafe(&desk, ["import", "a.xlsx", "-m", "m.yaml"]).ends_with(0);
    assert_eq!(plain(&crm.account("A")["vip"]), "1");
}

#[test]
fn the_surname_null_is_a_name_and_no_word_empties_a_field_but_the_mappings_own() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let words = ["Null", "NULL", "N/A", "None", "-", "undefined", "nil"];
    let rows: String = words.iter().map(|word| format!("3M,{word},{word}\n")).collect();
    desk.write("people.csv", format!("Firm,Surname,Title\n{rows}"));
    let mapping = |title: &str| {
        format!(
            "version: 1\nobject: contacts\nmode: upsert\nmatch: [last]\nfields:\n  accountid: {{ from: Firm, ref: {{ object: accounts, by: name }} }}\n  last: Surname\n  jobtitle: {title}\n"
        )
    };
    desk.write("m.yaml", mapping("Title"));
    let done = crm.carafe(&desk, ["import", "people.csv", "-m", "m.yaml", "--json"]).run();
    // NULL is the same key as Null; all others are people.
    assert_eq!(done.rows(), json!({ "read": 7, "created": 6, "rejected": 1 }));
    let title =
        |last: &str| crm.records("contacts", &json!({ "last": last }).to_string())[0]["jobtitle"].clone();
    assert_eq!((title("Null"), title("-")), (json!("Null"), json!("-")));
    // A blank keeps what is there; only the token that the mapping names clears, to the letter.
    desk.write("again.csv", "Firm,Surname,Title\n3M,Null,\n3M,-,NULL\n3M,nil,<clear>\n");
    desk.write("m.yaml", mapping("{ from: Title, clear_token: <clear> }"));
    let again = ["import", "again.csv", "-m", "m.yaml"];
    assert!(crm.carafe(&desk, again).ends_with(2).stderr.contains("--yes"), "emptying is never done unasked");
    let done = crm.carafe(&desk, again.into_iter().chain(["--yes"])).ends_with(0);
    assert!(done.stdout.contains("emptied   jobtitle → cleared in 1 record"), "{}", done.stdout);
    assert_eq!((title("Null"), title("-")), (json!("Null"), json!("NULL")));
    assert_eq!(plain(&title("nil")), "");
    // On create neither a blank nor the token is sent.
    desk.write("new.csv", "Firm,Surname,Title\n3M,New,<clear>\n");
    crm.carafe(&desk, ["import", "new.csv", "-m", "m.yaml"]).ends_with(0);
    assert_eq!(plain(&title("New")), "");
}

#[test]
fn an_error_cell_is_always_a_reject_with_its_address() {
    let errors = ["#N/A", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!"];
    let mut sheet = Sheet::new("Q1").row(texts(["Firm", "Town", "Value"]));
    let mut csv = "Firm,Town,Value\n".to_owned();
    for (at, word) in errors.iter().enumerate() {
        sheet = sheet.row([text(&format!("F{at}")), error(word), number("1")]);
        csv += &format!("F{at},{word},1\n");
    }
    let mapping = "fields:\n  name: Firm\n  addresscity: Town\n  annualvalue: Value\n";
    for (name, content, place) in [("a.xlsx", book(&[sheet]), "Q1!B"), ("a.csv", csv.into_bytes(), "B")] {
        let trial = trial(name, content, mapping).is(4, json!({ "read": 7, "rejected": 7 }));
        let wanted = errors
            .iter()
            .zip(2..)
            .map(|(word, row)| format!("{place}{row} error_cell the cell holds the error {word}"));
        assert_eq!(trial.problems(), wanted.collect::<Vec<_>>());
    }
    // The mapping may say what else they are.
    let said = "fields:\n  name: Firm\n  addresscity: { from: Town, values: { '#N/A': '' } }\n";
    trial("a.csv", "Firm,Town\nA,#N/A\n", said).is(0, json!({ "read": 1, "created": 1 }));
}

#[test]
fn a_number_with_letters_behind_it_is_no_number() {
    let rows = "Firm,Staff,Value\nA,12abc,1\nB,12,1.2m\nC,１２,\nD,0x10,\nE,1_000,\n";
    let trial = trial("a.csv", rows, "fields:\n  name: Firm\n  employees: Staff\n  annualvalue: Value\n");
    let trial = trial.is(4, json!({ "read": 5, "rejected": 5 }));
    let cells: Vec<String> =
        trial.problems().iter().map(|p| p.split(" not").next().unwrap().to_owned()).collect();
    assert_eq!(cells, ["B2 number", "C3 number", "B4 number", "B5 number", "B6 number"]);
}
