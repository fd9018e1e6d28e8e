//! Parts of sheets, and what sheets tell beside their values.

use super::super::{Hidden, SheetChoice};
use super::book::{Book, number, row, text};
use super::*;

fn ranged(range: &str) -> ReadOptions {
    ReadOptions { range: Some(range.to_owned()), ..ReadOptions::default() }
}

fn skip() -> ReadOptions {
    ReadOptions { hidden: Hidden::Skip, ..ReadOptions::default() }
}

/// Six rows of five columns; the header of the table inside stands in B3.
fn table() -> Book {
    let mut data = row(1, &[text("A1", "Title"), text("F1", "x")]);
    data += &row(3, &[text("A3", "no"), text("B3", "name"), text("C3", "city"), text("D3", "note")]);
    for at in 4..=6 {
        let cell = |column: char| number(&format!("{column}{at}"), &format!("{at}"));
        data += &row(at, &[cell('A'), cell('B'), cell('C'), cell('D')]);
    }
    Book::default().sheet("S", data)
}

#[test]
fn a_range_is_all_that_is_read_and_addresses_stay_those_of_the_sheet() {
    for range in ["B3:C5", "$B$3:$C$5", "S!B3:C5"] {
        let (_folder, source) = table().open_with(&ranged(range));
        let source = source.unwrap();
        assert_eq!(names(&source), ["name", "city"], "{range}");
        let rows = read(&source).unwrap();
        assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), [4, 5]);
        assert!(rows.iter().all(|row| row.fault.is_empty()));
        assert_eq!(source.header().address(1, 4), "S!C4");
        assert_eq!(source.dialect().header_row, 3);
        assert_eq!(told(&source), "");
    }
}

#[test]
fn a_range_may_name_rows_or_columns_only() {
    let (_folder, source) = table().open_with(&ranged("3:4"));
    let source = source.unwrap();
    assert_eq!(names(&source), ["no", "name", "city", "note"]);
    assert_eq!(cells(&source).len(), 1);
    let (_folder, source) = table().open_with(&ReadOptions { header_row: 3, ..ranged("C:D") });
    let source = source.unwrap();
    assert_eq!((names(&source), cells(&source).len()), (vec!["city", "note"], 3));
    let (_folder, source) = table().open_with(&ReadOptions { header_row: 2, ..ranged("B3:C9") });
    assert!(told(&source.unwrap()).contains("header_row is passed over"));
    let (_folder, source) = table().open_with(&ranged("B1:C5"));
    let source = source.unwrap();
    assert!(told(&source).contains("the header is read from row 3"), "{}", told(&source));
    assert_eq!(names(&source), ["name", "city"]);
}

#[test]
fn a_range_that_cannot_be_is_a_sentence() {
    let refused = |options: &ReadOptions| table().open_with(options).1.err().unwrap().to_string();
    assert!(refused(&ranged("B3")).contains("no range of a sheet; write it like B3:F200"));
    assert!(refused(&ranged("East!A1:B2")).contains("there is no sheet \"East\""));
    let both = ReadOptions { sheet: Some(SheetChoice::Name("T".into())), ..ranged("S!A1:B2") };
    assert!(refused(&both).contains("name one sheet only"));
    assert!(refused(&ranged("A9:B20")).contains("should stand in row 9"), "{}", refused(&ranged("A9:B20")));
    let folder = Folder::new();
    let told = super::refused(&folder.file("a.csv", "a,b\n"), &ranged("A1:B2"));
    assert!(told.contains("a range can be read from a workbook only"), "{told}");
}

/// Rows 3 and 5 are hidden, 6 too but empty; column B is hidden.
fn hiding() -> Book {
    let mut data = row(1, &[text("A1", "a"), text("B1", "b"), text("C1", "c")]);
    for at in 2..=7 {
        let hidden = if [3, 5].contains(&at) { " hidden=\"1\"" } else { "" };
        let cell = |column: char| number(&format!("{column}{at}"), &format!("{at}"));
        data += &format!("<row r=\"{at}\"{hidden}>{}{}{}</row>", cell('A'), cell('B'), cell('C'));
    }
    data += "<row r=\"8\" hidden=\"true\"><c r=\"A8\" s=\"1\"/></row>";
    let columns = "<cols><col min=\"2\" max=\"2\" width=\"0\" hidden=\"1\"/></cols>".to_owned();
    Book { around: (columns, String::new()), ..Book::default() }.sheet("S", data)
}

#[test]
fn hidden_rows_and_columns_are_read_and_told() {
    let (_folder, source) = hiding().open();
    let source = source.unwrap();
    assert_eq!(cells(&source).len(), 6);
    let told = told(&source);
    assert!(told.contains("2 hidden rows are read; source: { hidden: skip } leaves them out"), "{told}");
    assert!(told.contains("1 hidden column (B) is read"), "{told}");
}

#[test]
fn hidden_rows_and_columns_are_left_out_where_that_is_asked_for() {
    let (_folder, source) = hiding().open_with(&skip());
    let source = source.unwrap();
    assert_eq!(names(&source), ["a", "c"]);
    assert_eq!(source.header().address(1, 4), "S!C4");
    let rows = read(&source).unwrap();
    let numbers: Vec<u64> = rows.iter().map(|row| row.number).collect();
    assert_eq!(numbers, [2, 4, 6, 7]);
    assert_eq!(rows[1].cells, ["#4", "#4"]);
    assert!(rows.iter().all(|row| row.fault.is_empty()));
    assert!(told(&source).contains("2 hidden rows are left out"), "{}", told(&source));
}

#[test]
fn hidden_rows_outside_the_range_are_not_counted() {
    let (_folder, source) = hiding().open_with(&ranged("A1:C4"));
    let told = told(&source.unwrap());
    assert!(told.contains("1 hidden row is read"), "{told}");
}

#[test]
fn rows_that_a_filter_hides_are_hidden_rows() {
    let data =
        row(1, &[text("A1", "a")]) + "<row hidden=\"1\"><c><v>1</v></c></row>" + "<row><c><v>2</v></c></row>";
    let filter = ("".to_owned(), "<autoFilter ref=\"A1:A3\"/>".to_owned());
    let (_folder, source) = Book { around: filter, ..Book::default() }.sheet("S", data).open_with(&skip());
    assert_eq!(cells(&source.unwrap()), [["#2"]]);
}

#[test]
fn a_hidden_sheet_is_never_chosen_by_itself() {
    let data = || row(1, &[text("A1", "h")]) + &row(2, &[number("A2", "1")]);
    let (_folder, source) = Book::default().hidden("Old", &data()).sheet("New", data()).open();
    assert_eq!(source.unwrap().header().sheet.as_deref(), Some("New"));
}

#[test]
fn merged_cells_of_the_header_are_told() {
    let merged = |cells: &str| {
        let around = (String::new(), format!("<mergeCells><mergeCell ref=\"{cells}\"/></mergeCells>"));
        let data = row(1, &[text("A1", "a"), text("C1", "c")]) + &row(2, &[number("A2", "1")]);
        let (_folder, source) = Book { around, ..Book::default() }.sheet("S", data).open();
        told(&source.unwrap())
    };
    let across = merged("A1:B1");
    assert!(
        across
            .contains("the header has merged cells (A1:B1); a merged name stands for its first column only")
    );
    assert!(across.contains("column B (#2) has no name"), "{across}");
    assert!(merged("A1:A2").contains("the rows below the first are read as data"));
    assert!(!merged("A2:C2").contains("merged"), "only the header's merged cells count");
}

#[test]
fn formulas_are_counted() {
    let data = row(1, &[text("A1", "a"), text("B1", "b")])
        + &row(
            2,
            &[
                "<c r=\"A2\"><f>1+1</f><v>2</v></c>".into(),
                "<c r=\"B2\"><f t=\"x\">A2</f><v>2</v></c>".into(),
            ],
        );
    let (_folder, source) = Book::default().sheet("S", data).open();
    assert_eq!(told(&source.unwrap()), "2 cells are formulas; their stored results are used");
}

#[test]
fn zeros_that_are_only_shown_are_told_with_the_remedy() {
    let styled = |cell: &str, style: u8| format!("<c r=\"{cell}\" s=\"{style}\"><v>");
    let data = row(1, &[text("A1", "Zip"), text("B1", "Code"), text("C1", "n"), text("D1", "")])
        + &row(
            2,
            &[
                styled("A2", 4) + "1234</v></c>",
                styled("B2", 5) + "5</v></c>",
                styled("C2", 4) + "12345</v></c>",
                styled("D2", 6) + "1</v></c>",
            ],
        );
    let formats = vec!["00000", "00000\\-0000", "0.00"];
    let (_folder, source) = Book { formats, ..Book::default() }.sheet("S", data).open();
    let told = told(&source.unwrap());
    assert!(
        told.contains("column \"Zip\" shows leading zeros that its cells do not hold; pad: 5 puts them back"),
        "{told}"
    );
    assert!(told.contains("column \"Code\" shows leading zeros"), "{told}");
    assert!(!told.contains("\"n\""), "five digits need no zeros: {told}");
}

#[test]
fn a_title_taken_for_the_header_is_told() {
    let data = row(1, &[text("A1", "Customers 2024")])
        + &row(3, &[text("A3", "name"), text("B3", "city"), text("C3", "note")])
        + &row(4, &[text("A4", "x"), text("B4", "y"), text("C4", "z")]);
    let (_folder, source) = Book::default().sheet("S", data).open();
    let source = source.unwrap();
    assert!(told(&source).contains("set source: { header_row: 3 } in the mapping"), "{}", told(&source));
    let (_folder, source) = {
        let folder = Folder::new();
        let source = open(&folder.file("a.csv", "Customers 2024\n\nname;city;note\nx;y;z\nx;y;z\n")).unwrap();
        (folder, source)
    };
    assert!(told(&source).contains("set source: { header_row: 3 } in the mapping"), "{}", told(&source));
    let (_folder, source) = {
        let folder = Folder::new();
        let source = open(&folder.file("a.csv", "name\n\"a, b, c\"\nd\n")).unwrap();
        (folder, source)
    };
    assert_eq!(told(&source), "", "one column is no mistake");
}

#[test]
fn column_names_that_are_odd_are_told_with_their_letters() {
    let folder = Folder::new();
    let source = open(&folder.file("a.csv", "name,,Name ,NAME,x,\n1,2,3,4,5,\n")).unwrap();
    let told = told(&source);
    assert!(told.contains("column B (#2) has no name; a mapping calls it by its number"), "{told}");
    assert!(told.contains("stand more than once: \"name\" (A, C, D)"), "{told}");
}
