//! Encodings, delimiters, headers, the shape of rows and sheets, formulas.

use serde_json::{Value as Json, json};

use crate::messy::cells_of;
use crate::support::{Crm, Desk};
use crate::trial::{CREATE, refusal, trial};
use crate::workbook::{Sheet, blank, book, formula, number, text, texts};

#[test]
fn an_encoding_is_found_and_told_with_a_cell_and_no_sign_is_replaced() {
    let mapping = "fields:\n  name: Firm\n  addresscity: Town\n";
    let old = trial("a.csv", b"Firm,Town\nM\xFCller \x80,K\xF6ln\n", mapping)
        .is(0, json!({ "read": 1, "created": 1 }));
    assert_eq!(old.field("Müller €", "addresscity"), "Köln");
    old.told("encoding windows-1252 found (it is not UTF-8); a cell then reads \"Müller €\"");
    let wide: Vec<u8> = "Firm;Town\nŁódź;東京\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
    let wide = trial("a.csv", wide, mapping).is(0, json!({ "read": 1, "created": 1 }));
    assert_eq!(wide.field("Łódź", "addresscity"), "東京");
    wide.told("encoding utf-16be found, by the pattern of its bytes");
    // Two encodings in one file: the cells of the rarer are rejected, at their byte.
    let mut mixed = "Firm,Town\nZoë,Köln\nÅse,Malmö\n".as_bytes().to_vec();
    let place = mixed.len() + 4;
    mixed.extend(b"Bad,K\xF6ln\n");
    let mixed = trial("a.csv", mixed, mapping).is(4, json!({ "read": 3, "created": 2, "rejected": 1 }));
    let problem = &mixed.problems()[0];
    assert!(
        problem.starts_with(&format!("B4 encoding byte 0xF6 at offset {} of the file", place + 1)),
        "{problem}"
    );
    let rejects = std::fs::read(mixed.desk.run().join("rejects.csv")).unwrap();
    assert!(rejects.windows(8).any(|bytes| bytes == b"Bad,K\xF6ln"), "the reject holds the user's bytes");
    assert_eq!(mixed.crm.records("accounts", r#"{"name":{"$con":"\ufffd"}}"#), [] as [Json; 0]);
    // What was spoilt before it came here is told, and not refused: it may be meant.
    let spoilt =
        trial("a.csv", "Firm,Town\nCafÃ© ZoÃ«,x\n", mapping).is(0, json!({ "read": 1, "created": 1 }));
    spoilt.told("a cell reads \"CafÃ© ZoÃ«\": it looks as if the text was saved in a wrong encoding before");
}

#[test]
fn an_export_has_a_byte_order_mark_only_where_excel_is_meant() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let export = |out, more: &'static [&str]| {
        let arguments = ["export", "accounts", "-o", out, "--fields", "name"].into_iter();
        crm.carafe(&desk, arguments.chain(more.iter().copied())).ends_with(0);
        std::fs::read(desk.path(out)).unwrap()
    };
    let (without, with) = (export("a.csv", &[]), export("b.csv", &["--excel"]));
    assert!(without.starts_with(b"id,name\n"));
    assert_eq!(with, [b"\xEF\xBB\xBF", without.as_slice()].concat());
    let back = crm.carafe(&desk, ["import", "b.csv", "--object", "accounts", "--json"]).ends_with(0);
    assert_eq!(back.rows(), json!({ "read": 12, "unchanged": 12 }), "the mark is no part of the header");
}

#[test]
fn a_delimiter_is_found_by_consistency_and_a_tab_in_a_cell_splits_nothing() {
    let mapping = "fields:\n  name: Firm\n  notes: Note\n";
    let tab =
        trial("a.csv", "Firm,Note\nA,p\tq\nB,\"x\ty\"\n", mapping).is(0, json!({ "read": 2, "created": 2 }));
    assert_eq!((tab.field("A", "notes"), tab.done.stderr.as_str()), ("p\tq".to_owned(), ""));
    for (delimiter, name) in [(';', "\";\""), ('|', "\"|\""), ('\t', "tab")] {
        let rows = format!("Firm{delimiter}Note\nA{delimiter}\"1,5; and more\"\nB{delimiter}1,5\n");
        let found = trial("a.csv", rows, mapping).is(0, json!({ "read": 2, "created": 2 }));
        assert_eq!(found.field("A", "notes"), "1,5; and more", "{name}");
        found.told(&format!("delimiter {name} found; if that is wrong, set source: {{ delimiter: … }}"));
    }
    let sep = trial("a.csv", "sep=;\nFirm;Note\nA,B;1\n", mapping).is(0, json!({ "read": 1, "created": 1 }));
    assert_eq!(sep.field("A,B", "notes"), "1");
    sep.told("delimiter \";\" taken from the file's first line");
}

#[test]
fn blanks_at_the_ends_never_count_in_a_key_and_elsewhere_only_if_told() {
    // How many cells lost their blanks belongs to the report of a run; nothing is told here.
    let (crm, desk) = (Crm::start(), Desk::new());
    desk.write("a.csv", "Firm,Note,Phone\n\u{A0}3M\u{200B} ,  kept  ,\u{A0}1 \n3m ,x,\n");
    desk.write("m.yaml", "version: 1\nobject: accounts\nmode: update\nmatch: [name]\nfields:\n  name: { from: Firm, trim: false }\n  notes: { from: Note, trim: false }\n  phone: Phone\n");
    let done = crm.carafe(&desk, ["import", "a.csv", "-m", "m.yaml", "--json"]).ends_with(4);
    assert_eq!(done.rows(), json!({ "read": 2, "updated": 1, "rejected": 1 }));
    assert_eq!((&crm.account("3M")["notes"], &crm.account("3M")["phone"]), (&json!("  kept  "), &json!("1")));
    assert_eq!(desk.errors()[0]["message"], "row 2 has the same name");
}

#[test]
fn names_of_columns_that_are_alike_are_refused_where_they_are_mapped() {
    let rows = "Firm,Tel,\u{A0}TEL\u{200B}, ,Firm code\nA,1,2,3,4\n";
    let told = refusal("a.csv", rows, "fields:\n  name: Firm\n  phone: Tel\n");
    assert!(told.contains("column \"Tel\" stands 2 times in the header (columns B and C)"), "{told}");
    assert!(told.contains("say which: \"Tel#1\", \"Tel#2\""), "{told}");
    let chosen = "fields:\n  name: firm\n  phone: 'tel#2'\n  ticker: '#4'\n  notes: FIRM  CODE\n";
    let trial1 = trial("a.csv", rows, chosen).is(0, json!({ "read": 1, "created": 1 }));
    assert_eq!(["phone", "ticker", "notes"].map(|field| trial1.field("A", field)), ["2", "3", "4"]);
    trial1.told("these column names stand more than once: \"Tel\" (B, C); a mapping calls the second Name#2");
    trial1.told("column D (#4) has no name; a mapping calls it by its number");
    // Those that nobody maps do no harm.
    trial("a.csv", rows, "fields:\n  name: Firm\n").is(0, json!({ "read": 1, "created": 1 }));
}

#[test]
fn ragged_rows_are_rejected_with_their_cells_and_blank_lines_only_count() {
    let rows = "Firm,Tel\nA,1\n\n ,\nB\nC,3,4,\"5, 6\"\nD,4,,\n";
    let trial = trial("a.csv", rows, "fields:\n  name: Firm\n  phone: Tel\n");
    let trial = trial.is(4, json!({ "read": 4, "created": 2, "rejected": 2 }));
    assert_eq!(
        trial.problems(),
        [
            " column_count 1 cell, the header has 2; look for a line break or a missing delimiter",
            " column_count 4 cells, the header has 2; look for a delimiter inside a text that is not in quotes",
        ]
    );
    assert_eq!(trial.desk.errors().iter().map(|e| e["row"].clone()).collect::<Vec<_>>(), [5, 6]);
    let rejects = trial.desk.run_text("rejects.csv");
    let lines: Vec<&str> = rejects.lines().collect();
    assert!(lines[1].starts_with("B,,5,") && lines[2].starts_with("C,3,6,"), "{rejects}");
    assert!(lines[2].ends_with(",\"4,\"\"5, 6\"\"\""), "what was too much stands under _extra: {rejects}");
    assert_eq!(trial.field("D", "phone"), "4", "blank cells beyond the header are no cells");
}

#[test]
fn a_row_with_a_stray_quote_keeps_the_cells_beyond_its_header_too() {
    let rows = "Firm,Tel\nA,1\nB,\"5\" disk\",more,most\n";
    let mapping = "fields:\n  name: Firm\n  phone: Tel\n";
    let first = trial("a.csv", rows, mapping).is(4, json!({ "read": 2, "created": 1, "rejected": 1 }));
    let rejects = first.desk.run_text("rejects.csv");
    assert!(rejects.lines().next().unwrap().ends_with("_errors,_extra"), "{rejects}");
    assert!(rejects.trim_end().ends_with(",\"more,most\""), "{rejects}");
}

// Each import of a reject file is a run of its own: the third knows of the first by the second.
#[test]
fn a_row_that_nobody_corrects_is_refused_again_and_again_and_loses_nothing() {
    let mapping = format!("{CREATE}fields:\n  name: Firm\n  phone: Tel\n");
    let rows = "Firm,Tel\nB\nC,1,more,\"m, o\"\nD,\"5\" disk\",more,\"m, o\"\n";
    let sheet = || {
        let header = Sheet::new("S").row(texts(["Firm", "Tel"]));
        header.row(texts(["C", "1", "more", "m, o"]))
    };
    let two_nameless = "Firm,Tel,\nC,1,more\n";
    for (file, content, kept, last) in [
        ("a.csv", rows.as_bytes().to_vec(), 3, ",\"more,\"\"m, o\"\"\"\n"),
        ("a.xlsx", book(&[sheet()]), 1, "more,\"m, o\""),
        ("b.csv", two_nameless.as_bytes().to_vec(), 1, "C,1,more,"),
    ] {
        let (crm, desk) = (Crm::start(), Desk::with(file, content));
        desk.write("m.yaml", &mapping);
        let mut input = file.to_owned();
        for time in 1..=4 {
            let done = crm.carafe(&desk, ["import", &input, "-m", "m.yaml", "--json"]).ends_with(4);
            assert_eq!(done.rows(), json!({ "read": kept, "rejected": kept }), "{file}, time {time}");
            input = done.json()["files"]["rejects"].as_str().unwrap().to_owned();
        }
        let rejects = if input.ends_with("xlsx") { cells_of(&desk.path(&input)) } else { desk.text(&input) };
        assert!(rejects.contains(last), "{file}: {rejects}");
    }
}

#[test]
fn titles_totals_merged_names_hidden_rows_and_a_second_table_are_seen_and_said() {
    let sheet = || {
        Sheet::new("Report")
            .row([text("Customers of 2024")])
            .row(texts(["Firm", "Contact", "", "Value"]))
            .merge("A1:D1")
            .merge("B2:C2")
            .row([text("A"), text("x"), text("1"), number("5")])
            .hidden_row([text("B"), text("y"), text("2"), number("6")])
            .row([text("Total"), blank(), blank(), formula("SUM(D3:D4)", Some("11"))])
            .blank_row()
            .row(texts(["Supplier", "Town"]))
            .row(texts(["Z", "York"]))
            .hide_column(3)
    };
    let fields = "fields:\n  name: Firm\n  phone: '#3'\n  annualvalue: Value\n";
    let wrong = refusal("a.xlsx", book(&[sheet()]), fields);
    assert!(
        wrong.contains(
            "row 1 of a.xlsx is read as the header and names none of the mapping's 3 columns; row 2 names 2"
        ),
        "{wrong}"
    );
    let source = |keys: &str| format!("source: {{ {keys} }}\nwhen: Firm != \"Total\"\n{fields}");
    // The whole sheet: the second table is read as rows of the first.
    let whole = trial("a.xlsx", book(&[sheet()]), &source("header_row: 2"));
    let whole = whole.is(0, json!({ "read": 5, "created": 4, "skipped": 1 }));
    whole.told("the header has merged cells (B2:C2); a merged name stands for its first column only");
    whole.told("1 hidden row is read; source: { hidden: skip } leaves it out");
    whole.told("1 hidden column (C) is read; source: { hidden: skip } leaves it out");
    whole.told("1 cell is a formula; its stored result is used");
    // A range ends where the table does.
    let ranged = trial("a.xlsx", book(&[sheet()]), &source("range: A2:D5"));
    ranged.is(0, json!({ "read": 3, "created": 2, "skipped": 1 }));
    let visible = source("range: A2:D5, hidden: skip").replace("'#3'", "Contact");
    let visible =
        trial("a.xlsx", book(&[sheet()]), &visible).is(0, json!({ "read": 2, "created": 1, "skipped": 1 }));
    visible.told("1 hidden row is left out, as source: { hidden: skip } says");
    assert_eq!(visible.field("A", "phone"), "x");
}

#[test]
fn a_formula_counts_by_its_stored_result_and_without_one_is_rejected() {
    let sheet = Sheet::new("S")
        .row(texts(["Firm", "Value", "Note"]))
        .row([text("A"), formula("1+1", Some("2")), text("=1+1")])
        .row([text("B"), formula("1+1", None), blank()]);
    let trial =
        trial("a.xlsx", book(&[sheet]), "fields:\n  name: Firm\n  annualvalue: Value\n  notes: Note\n");
    let trial = trial.is(4, json!({ "read": 2, "created": 1, "rejected": 1 }));
    trial.told("2 cells are formulas; their stored results are used");
    assert_eq!((trial.field("A", "annualvalue"), trial.field("A", "notes")), ("2".into(), "=1+1".into()));
    assert_eq!(
        trial.problems(),
        [
            "S!B3 no_stored_value the formula has no stored result; open the workbook in Excel and save it again"
        ]
    );
}

#[test]
fn line_breaks_in_a_cell_are_kept_plainly_and_are_no_rows() {
    let rows = "Firm,Note\r\nA,\"one\r\ntwo\rthree\nfour\"\r\nB,ok\r\nC,\"x\"y\r\nD,stray\rcr\r\n";
    let trial = trial("a.csv", rows, "fields:\n  name: Firm\n  notes: Note\n");
    let trial = trial.is(4, json!({ "read": 5, "created": 3, "rejected": 2 }));
    assert_eq!(trial.field("A", "notes"), "one\ntwo\nthree\nfour");
    // Rows are counted as Excel shows them; the stray CR ends a line, and both halves show it.
    let rows: Vec<Json> = trial.desk.errors().iter().map(|e| e["row"].clone()).collect();
    assert_eq!(rows, [4, 6]);
    assert_eq!(trial.field("D", "notes"), "stray");
}

#[test]
fn a_text_that_could_be_a_formula_is_guarded_in_a_csv_and_bare_in_all_else() {
    let notes = ["=1+1", "+44 20 7946 0018", "@SUM(A1)", "-5", "-cmd|' /C calc'!A0", "'tis", "'=x"];
    let rows: String = notes.iter().enumerate().map(|(at, note)| format!("F{at},\"{note}\"\n")).collect();
    let (crm, desk) = (Crm::start(), Desk::new());
    desk.write("new.csv", format!("name,notes\n{rows}"));
    desk.write(
        "m.yaml",
        format!("{CREATE}source: {{ guard: keep }}\nfields:\n  name: name\n  notes: notes\n"),
    );
    crm.carafe(&desk, ["import", "new.csv", "-m", "m.yaml"]).ends_with(0);
    let export = |out: &str, more: &[&'static str]| {
        let arguments = [
            "export",
            "accounts",
            "-o",
            out,
            "--fields",
            "name,notes",
            "--where",
            "name startswith 'F' and notes != ''",
            "--order",
            "name",
        ];
        crm.carafe(&desk, arguments.into_iter().chain(more.iter().copied())).ends_with(0);
    };
    export("a.csv", &[]);
    let text = desk.text("a.csv");
    let cells: Vec<&str> = text.lines().skip(1).map(|line| line.splitn(3, ',').nth(2).unwrap()).collect();
    assert_eq!(
        cells,
        ["'=1+1", "+44 20 7946 0018", "'@SUM(A1)", "-5", "'-cmd|' /C calc'!A0", "'tis", "''=x"]
    );
    export("b.csv", &["--raw"]);
    assert!(desk.text("b.csv").contains(",=1+1\n"));
    // Imported again, the guard comes off and nothing differs; a workbook never had one.
    export("a.xlsx", &[]);
    for (file, told) in [("a.csv", "4 cells began with the ' that an export puts before"), ("a.xlsx", "")] {
        let done = crm.carafe(&desk, ["import", file, "--object", "accounts", "--json"]).ends_with(0);
        assert_eq!(done.rows(), json!({ "read": 7, "unchanged": 7 }), "{file}");
        assert!(done.stderr.contains(told) && (told.is_empty() == done.stderr.is_empty()), "{}", done.stderr);
    }
}
