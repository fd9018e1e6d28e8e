//! Rows run through a program.

use super::*;
use crate::model::{Cell, CellFault, RowFault};
use crate::rules::testing::*;

/// What a cell becomes in a field: the JSON sent, `leave`, `clear`, a name to
/// look up, or the code of what is wrong.
fn wish(top: &str, line: &str, cell: Cell<'_>) -> String {
    let program = program(top, &format!("name: N\n {line}"), &["N", "A"]);
    let row = row_of(&[Cell::Text("x"), cell]);
    let draft = draft(&program, &row);
    match draft.wishes.last().unwrap() {
        Wish::Leave => "leave".to_owned(),
        Wish::Clear => "clear".to_owned(),
        Wish::Reference(name) => format!("ref {name}"),
        Wish::Faulty => draft.findings.iter().map(|f| f.code.word()).collect::<Vec<_>>().join(" "),
        wish => wish.value().unwrap().to_json(),
    }
}

fn becomes(cases: &[(&str, Cell<'_>, &str)]) {
    for (line, cell, wanted) in cases {
        assert_eq!(wish("", line, *cell), *wanted, "{line} from {cell:?}");
    }
}

#[test]
fn each_kind_of_field_takes_its_own_texts() {
    let t = Cell::Text;
    becomes(&[
        ("text: A", t("  007\u{A0}"), "\"007\""),
        ("text: { from: A, trim: false }", t(" a "), "\" a \""),
        ("text: { from: A, trim: false }", t(" \u{200B}"), "leave"),
        ("text: A", t("1.23E+11"), "precision_lost"),
        ("text: A", t("a\u{7}"), "control_char"),
        ("text: A", t(&"é".repeat(100)), &format!("\"{}\"", "é".repeat(100))),
        ("text: A", t(&"é".repeat(101)), "too_long"),
        ("memo: A", t("a\r\nb"), "\"a\\nb\""),
        ("check: A", t("Yes"), "1"),
        ("check: A", t("ja"), "checkbox"),
        ("date: A", t("2024-02-13"), "\"2024-02-13\""),
        ("date: A", t("13/02/2024"), "date"),
        ("date: { from: A, date: '%d/%m/%Y' }", t("13/2/2024"), "\"2024-02-13\""),
        ("date: { from: A, date: '%d/%m/%Y' }", t("31/02/2024"), "date"),
        ("datetime: A", t("2024-02-13"), "\"2024-02-13 00:00:00\""),
        ("email: A", t("Zoë@example.com"), "\"Zoë@example.com\""),
        ("email: A", t("zoe@example"), "email"),
        ("number: A", t("0012"), "12"),
        ("number: A", t("12abc"), "number"),
        ("number: A", t("1,234"), "number"),
        ("number: { from: A, decimal: ',' }", t("1.234"), "1234"),
        ("money: { from: A, decimal: '.' }", t("£1,234.50"), "1234.5"),
        ("money: A", t("1.234"), "decimals"),
        ("percent: A", t("5%"), "5"),
        ("percent: A", t("5 %"), "5"),
        ("url: A", t("javascript:alert(1)"), "url"),
        ("other: A", t("***"), "\"***\""),
    ]);
}

#[test]
fn ids_are_whole_numbers_from_one_on_and_zero_is_no_other_record() {
    for (text, wanted) in [
        ("90505.0", "90505"),
        ("0", "0"),
        ("-1", "id"),
        ("1.5", "id"),
        ("9007199254740993", "id"),
        ("x", "id"),
        ("9.05E+4", "precision_lost"),
    ] {
        assert_eq!(wish("", "ownerid: A", Cell::Text(text)), wanted, "{text}");
    }
    for (text, wanted) in [("7", "7"), ("0", "id")] {
        assert_eq!(wish("match: [id]", "id: A", Cell::Text(text)), wanted, "{text}");
    }
}

#[test]
fn a_workbooks_numbers_have_a_decimal_point_whatever_the_column_says() {
    becomes(&[
        ("number: { from: A, decimal: ',' }", Cell::Number("1.234"), "1.234"),
        ("number: { from: A, decimal: ',' }", Cell::Text("1.234"), "1234"),
        ("percent: A", Cell::Number("0.05"), "0.05"),
        ("percent: { from: A, decimal: ',' }", Cell::Percent("7.5%"), "7.5"),
        ("number: { from: A, decimal: ',' }", Cell::Percent("7.5%"), "0.075"),
        ("money: A", Cell::Percent("-15%"), "-0.15"),
        ("ownerid: A", Cell::Percent("700%"), "7"),
        ("ownerid: A", Cell::Percent("7%"), "id"),
        ("text: A", Cell::Percent("7.5%"), "\"7.5%\""),
        ("number: { from: A, replace: { '%': '' } }", Cell::Percent("7%"), "7"),
        ("number: { from: A, values: { 7%: '70' } }", Cell::Percent("7%"), "70"),
        ("number: { from: [A, A], join: '' }", Cell::Percent("7%"), "number"),
        ("number: { expr: A }", Cell::Percent("7%"), "0.07"),
        ("date: A", Cell::Percent("4512300%"), "date"),
        ("text: A", Cell::Number("7"), "\"7\""),
        ("text: A", Cell::Bool(true), "\"TRUE\""),
        ("check: A", Cell::Bool(false), "0"),
        ("date: A", Cell::Number("45123"), "date"),
    ]);
    let day = jiff::civil::date(2024, 2, 13);
    becomes(&[
        ("text: A", Cell::DateTime(day.at(0, 0, 0, 0)), "\"2024-02-13\""),
        ("date: { from: A, date: '%d/%m/%Y' }", Cell::DateTime(day.at(9, 30, 0, 0)), "\"2024-02-13\""),
        ("datetime: A", Cell::DateTime(day.at(9, 30, 0, 0)), "\"2024-02-13 09:30:00\""),
    ]);
}

#[test]
fn list_values_are_sent_in_the_lists_own_spelling() {
    let t = Cell::Text;
    becomes(&[
        ("type: A", t(" customer"), "\"Customer \""),
        ("type: A", t("uk"), "\"uk\""),
        ("type: A", t("UK"), "\"UK\""),
        ("type: A", t("Custmer"), "lookup"),
        ("type: { from: A, lookup: off }", t("Custmer"), "\"Custmer\""),
        ("tags: A", t("green; RED;green"), "\"Green;Red\""),
        ("tags: A", t("Red;Pink"), "lookup"),
        ("level: A", t("2"), "2"),
        ("level: A", t("3"), "3"),
        ("level: A", t("4"), "lookup"),
    ]);
}

#[test]
fn a_choice_of_nothing_is_blank_and_is_never_sent_as_an_empty_text() {
    assert_eq!(wish("", "tags: A", Cell::Text(" ; ;")), "leave");
    assert_eq!(wish("", "tags: { from: A, blank: clear }", Cell::Text(";")), "clear");
}

#[test]
fn values_then_otherwise_then_default() {
    let t = Cell::Text;
    let rule = |more: &str| format!("type: {{ from: A, values: {{ Cust: Customer, x: '' }}{more} }}");
    for (more, text, wanted) in [
        ("", " CUST", "\"Customer \""),
        ("", "prospect", "\"Prospect\""),
        ("", "x", "leave"),
        (", otherwise: reject", "prospect", "values"),
        (", otherwise: reject", "", "leave"),
        (", otherwise: blank", "prospect", "leave"),
        (", otherwise: { use: UK }", "prospect", "\"UK\""),
        (", default: UK", "", "\"UK\""),
        (", default: UK", "x", "\"UK\""),
        (", otherwise: blank, default: UK", "prospect", "\"UK\""),
        (", blank: error", "x", "blank"),
        (", blank: error, default: UK", "", "\"UK\""),
    ] {
        assert_eq!(wish("", &rule(more), t(text)), wanted, "{more} from \"{text}\"");
    }
    let dated = "date: { from: A, date: '%d/%m/%Y', values: { never: 1900-01-01 } }";
    assert_eq!(wish("", dated, t("never")), "\"1900-01-01\"");
}

#[test]
fn columns_are_joined_without_the_blank_ones() {
    let program = program("", "name: N\n text: { from: [A, B, C], join: ', ' }", &["N", "A", "B", "C"]);
    for (cells, wanted) in [
        (["n", " 1 High St ", "", "York"], Wish::Text("1 High St, York".into())),
        (["n", "", " ", "\u{A0}"], Wish::Leave),
    ] {
        assert_eq!(draft(&program, &row(&cells)).wishes[1], wanted);
    }
    let faulty = row_of(&[
        Cell::Text("n"),
        Cell::Fault(CellFault::Error("#N/A")),
        Cell::Text("x"),
        Cell::Fault(CellFault::NoStoredValue),
    ]);
    let draft = draft(&program, &faulty);
    let found: Vec<_> = draft.findings.iter().map(|f| (f.code.word(), f.cell.as_deref().unwrap())).collect();
    assert_eq!(found, [("error_cell", "B2"), ("no_stored_value", "D2")]);
}

#[test]
fn every_finding_of_a_row_is_told() {
    let program = program("", "name: N\n email: A\n date: B\n type: C", &["N", "A", "B", "C"]);
    let row = row(&["", "x", "y", "Custmer"]);
    let draft = draft(&program, &row);
    let found: Vec<_> = draft.findings.iter().map(|f| f.code.word()).collect();
    assert_eq!((found, draft.missing.as_slice()), (vec!["email", "date", "lookup"], &[0][..]));
}

#[test]
fn an_exports_guard_is_taken_off_and_counted_unless_the_mapping_keeps_it() {
    for (top, wanted, count) in [("", "\"+44 20\"", 1), ("source: { guard: keep }", "\"'+44 20\"", 0)] {
        let program = program(top, "name: N\n text: A", &["N", "A"]);
        let row = row(&["'quoted'", "'+44 20"]);
        let draft = draft(&program, &row);
        assert_eq!(draft.wishes[1].value().unwrap().to_json(), wanted);
        assert_eq!((draft.unguarded, draft.wishes[0].value()), (count, Some("'quoted'".into())));
    }
}

#[test]
fn blank_cells_do_what_the_mapping_says() {
    let update = "mode: update\nmatch: [text]";
    for (line, wanted) in [
        ("area: A", "leave"),
        ("area: { from: A, blank: clear }", "clear"),
        ("area: { from: A, blank: error }", "blank"),
    ] {
        assert_eq!(
            wish(
                &format!("{update}\ndefaults: {{ blank: keep }}"),
                &format!("text: N\n {line}"),
                Cell::Blank
            ),
            wanted
        );
    }
    let program = program(update, "text: T\n name: { from: N, blank: clear }", &["T", "N"]);
    let row = row(&["k", ""]);
    let draft = draft(&program, &row);
    assert_eq!(draft.findings.iter().map(|f| f.code.word()).collect::<Vec<_>>(), ["required"]);
    assert!(draft.missing.is_empty(), "told once");
}

#[test]
fn a_blank_key_rejects_the_row_but_for_an_id_of_an_upsert() {
    for (top, line, wanted) in [
        ("mode: upsert\nmatch: [id]", "id: A", "leave"),
        ("mode: update\nmatch: [id]", "id: A", "blank_key"),
        ("mode: delete\nmatch: [id]", "id: A", "blank_key"),
        ("mode: upsert\nmatch: [text]", "text: A", "blank_key"),
        ("mode: upsert\nmatch: [tags]", "tags: A", "blank_key"),
    ] {
        let cell = if line.starts_with("tags") { Cell::Text(";") } else { Cell::Text(" \u{A0}") };
        assert_eq!(wish(top, line, cell), wanted, "{top}");
    }
}

#[test]
fn keys_are_compared_without_case_blanks_and_marks_that_nobody_sees() {
    let by_text = program("match: [text]", "name: N\n text: A", &["N", "A"]);
    let by_number = program("match: [number]", "name: N\n number: A", &["N", "A"]);
    let key = |program: &Program, text: &str| draft(program, &row(&["x", text])).key(program).unwrap();
    for alike in [" ACME  ltd", "acme\u{A0}Ltd\u{200B}", "Acme Ltd"] {
        assert_eq!(key(&by_text, alike), "acme ltd");
    }
    assert_eq!(key(&by_text, "Cafe\u{301}"), key(&by_text, "CAFÉ"));
    assert_ne!(key(&by_text, "007"), key(&by_text, "7"), "texts are no numbers");
    assert_eq!(key(&by_number, "007"), key(&by_number, "7.0"));
}

#[test]
fn the_parts_of_a_key_do_not_run_into_each_other() {
    let program = program("match: [name, text]", "name: N\n text: A", &["N", "A"]);
    let key = |a: &str, b: &str| draft(&program, &row(&[a, b])).key(&program);
    assert_ne!(key("a b", "c"), key("a", "b c"));
    assert_eq!(key("a", ""), None);
}

#[test]
fn only_the_key_matters_where_rows_are_deleted() {
    let program = program("mode: delete\nmatch: [text]", "text: T\n email: A", &["T", "A"]);
    let row = row(&["k", "no address"]);
    assert!(draft(&program, &row).findings.is_empty());
}

#[test]
fn a_row_of_the_wrong_length_has_one_finding_and_no_wishes() {
    let program = program("match: [name]", "name: N", &["N"]);
    let mut row = row(&["a", "b"]);
    row.fault = Some(RowFault::TooManyCells { found: 2, wanted: 1 });
    let draft = draft(&program, &row);
    assert_eq!((draft.findings.len(), draft.wishes.len(), draft.key(&program)), (1, 0, None));
}

#[test]
fn a_stray_quote_is_told_at_its_cell_with_the_lines_that_it_runs_over() {
    let program = program("match: [name]", "name: N\n text: A", &["N", "A"]);
    let told = |cell: usize, line_ends: u64| {
        let mut row = row(&["a", "b"]);
        row.fault = Some(RowFault::StrayQuote { cell, line: 7, line_ends });
        let finding = draft(&program, &row).findings.remove(0);
        format!("{:?} {}", finding.cell, finding.message)
    };
    assert!(told(1, 0).starts_with("Some(\"B2\") text stands behind its closing quote"), "{}", told(1, 0));
    assert!(told(1, 3).contains("from line 7 to line 10"), "{}", told(1, 3));
    assert!(told(2, 0).starts_with("None"), "a cell beyond the header has no address");
}

#[test]
fn a_text_of_which_the_steps_leave_nothing_is_told_with_what_it_was() {
    let told = |top: &str, name: &str| {
        let program = program(top, &format!("name: {name}\n text: A"), &["N", "A"]);
        let row = row(&["Madonna", "x"]);
        let draft = draft(&program, &row);
        let findings = draft.findings.iter().cloned().chain(missing_findings(&program, &draft));
        findings.map(|f| format!("{} | {}", f.message, f.value.unwrap_or_default())).collect::<String>()
    };
    let cut = "{ from: N, split: { by: ' ', part: 2- } }";
    assert_eq!(told("", cut), "blank after the mapping's steps, and the CRM requires it | Madonna");
    let keyed = told("mode: upsert\nmatch: [name]", cut);
    assert!(keyed.starts_with("blank after the mapping's steps, and it identifies the record"), "{keyed}");
    let valued = "{ from: N, values: { Madonna: '' }, blank: error }";
    assert_eq!(
        told("", valued),
        "blank after the mapping's steps, and the mapping says blank: error | Madonna"
    );
}

#[test]
fn a_file_that_is_no_grid_has_no_cells_to_point_at() {
    let mut program = program("", "name: N\n email: A", &["N", "A"]);
    let row = row(&["n", "nobody"]);
    assert_eq!(draft(&program, &row).findings[0].cell.as_deref(), Some("B2"));
    program.has_grid = false;
    let finding = &draft(&program, &row).findings[0];
    assert_eq!((finding.cell.as_deref(), finding.column.as_deref()), (None, Some("A")));
}
