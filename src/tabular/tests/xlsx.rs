use super::super::{SheetChoice, kept_cells};
use super::book::{Book, number, row, text};
use super::*;

/// A sheet with one header `h` in A1 and this cell in A2.
fn one(cell: &str) -> Book {
    Book::default().sheet("S", row(1, &[text("A1", "h")]) + &row(2, &[cell.to_owned()]))
}

fn only(cell: &str) -> String {
    let (_folder, source) = one(cell).open();
    cells(&source.unwrap()).concat().join("|")
}

#[test]
fn cells_keep_their_types() {
    for (cell, want) in [
        (text("A2", " Zoë &amp; 漢字\n"), " Zoë & 漢字\n"),
        (number("A2", "7.0"), "#7"),
        (number("A2", "0.30000000000000004"), "#0.3"),
        (number("A2", "4.47912E+11"), "#447912000000"),
        (number("A2", "12345678901234567"), "!PrecisionLost(\"1.23456789012346E+16\")"),
        ("<c r=\"A2\" t=\"b\"><v>1</v></c>".into(), "?true"),
        ("<c r=\"A2\" t=\"e\"><v>#N/A</v></c>".into(), "!Error(\"#N/A\")"),
        ("<c r=\"A2\" t=\"e\"><f>1/0</f><v>#DIV/0!</v></c>".into(), "!Error(\"#DIV/0!\")"),
        ("<c r=\"A2\" s=\"1\"><v>45123</v></c>".into(), "@2023-07-16T00:00:00"),
        ("<c r=\"A2\" s=\"1\"><v>60</v></c>".into(), "!NoSuchDate(\"60\")"),
        ("<c r=\"A2\" s=\"1\"><v>-3</v></c>".into(), "!NoSuchDate(\"-3\")"),
        ("<c r=\"A2\" s=\"2\"><v>0.5</v></c>".into(), "@12:00:00"),
        ("<c r=\"A2\" s=\"3\"><v>1.5</v></c>".into(), "36:00:00"),
        ("<c r=\"A2\" t=\"d\"><v>2024-02-29</v></c>".into(), "@2024-02-29T00:00:00"),
        ("<c r=\"A2\"><f>1+1</f><v>2</v></c>".into(), "#2"),
        ("<c r=\"A2\" t=\"str\"><f>A1</f><v>x</v></c>".into(), "x"),
        ("<c r=\"A2\"><f>1+1</f></c>".into(), "!NoStoredValue"),
        ("<c r=\"A2\"><f>1+1</f><v></v></c>".into(), "!NoStoredValue"),
        ("<c r=\"A2\"><f t=\"shared\" si=\"0\"/></c>".into(), "!NoStoredValue"),
        (text("A2", &"x".repeat(32_768)), "!TooLong"),
    ] {
        assert_eq!(only(&cell), want, "{cell:.80}");
    }
}

#[test]
fn a_sheet_may_lie_anywhere_in_its_package() {
    for place in ["sheet{}.xml", "sheets/sheet{}.xml", "worksheets/sheet{}.data", "media/sheet{}.png"] {
        let book = || Book { place: Some(place), ..one("<c r=\"A2\"><f>1+1</f></c>") };
        assert_eq!(cells(&book().open().1.unwrap()), [["!NoStoredValue"]], "{place}");
        let hidden = row(1, &[text("A1", "h")]) + "<row r=\"2\" hidden=\"1\"><c r=\"A2\"><v>1</v></c></row>";
        let book = Book { sheets: vec![("S".into(), "visible", hidden)], ..book() };
        assert!(told(&book.open().1.unwrap()).contains("hidden"), "{place}");
        let entity = Book { around: ("<!DOCTYPE x>".into(), String::new()), ..book };
        assert!(entity.refused().contains("document type"), "{place}");
    }
}

#[test]
fn a_formula_that_gives_an_empty_text_has_a_value() {
    let data = row(1, &[text("A1", "a"), text("B1", "b")])
        + &row(2, &["<c r=\"A2\" t=\"str\"><f>\"\"</f><v></v></c>".into(), number("B2", "1")]);
    let (_folder, source) = Book::default().sheet("S", data).open();
    assert_eq!(cells(&source.unwrap()), [["", "#1"]]);
}

#[test]
fn the_1904_system_is_honoured() {
    let book = Book { date_1904: true, ..one("<c r=\"A2\" s=\"1\"><v>43661</v></c>") };
    assert_eq!(cells(&book.open().1.unwrap()), [["@2023-07-16T00:00:00"]]);
}

#[test]
fn addresses_are_right_wherever_the_sheet_begins() {
    let data = row(3, &[text("C3", "Name"), text("D3", ""), text("E3", "City")])
        + &row(4, &[text("C4", "Zoë"), text("E4", "Köln")])
        + &row(7, &[text("C7", "B")]);
    let options = ReadOptions { header_row: 3, ..ReadOptions::default() };
    let (_folder, source) = Book::default().sheet("Tab 1", data).open_with(&options);
    let source = source.unwrap();
    assert_eq!(names(&source), ["Name", "", "City"]);
    assert_eq!(source.header().address(2, 4), "Tab 1!E4");
    let rows = read(&source).unwrap();
    assert_eq!(rows[0].cells, ["Zoë", "", "Köln"]);
    assert_eq!((rows[1].number, rows[1].cells.clone(), rows[1].fault.as_str()), (7, vec!["B".into()], ""));
    assert_eq!(kept_cells(source.dialect(), &rows[0].kept), ["Zoë", "", "Köln"]);
}

#[test]
fn cells_outside_the_header_are_a_fault_and_are_kept() {
    let data = row(1, &[text("B1", "a"), text("C1", "b")])
        + &row(2, &[number("B2", "1"), number("D2", "9")])
        + &row(3, &[number("B3", "1"), text("D3", " ")])
        + &(4..1500).map(|n| row(n, &[number(&format!("B{n}"), "1")])).collect::<String>()
        + &row(1500, &[number("A1500", "7"), number("B1500", "1")]);
    let (_folder, source) = Book::default().sheet("S", data).open();
    let rows = read(&source.unwrap()).unwrap();
    assert_eq!(
        (rows[0].cells.join("|"), rows[0].fault.as_str()),
        ("#1||#9".into(), "TooManyCells { found: 3, wanted: 2 }")
    );
    assert_eq!((rows[1].cells.join("|"), rows[1].fault.as_str()), ("#1".into(), ""));
    let last = rows.last().unwrap();
    assert_eq!(
        (last.cells.join("|"), last.fault.as_str()),
        ("#1||#7".into(), "TooManyCells { found: 3, wanted: 2 }")
    );
}

#[test]
fn a_column_left_of_the_first_name_is_a_column_without_name() {
    let data = row(1, &[text("B1", "a")]) + &row(2, &[number("A2", "1"), number("B2", "2")]);
    let (_folder, source) = Book::default().sheet("S", data).open();
    let source = source.unwrap();
    assert_eq!(names(&source), ["", "a"]);
    assert_eq!(cells(&source), [["#1", "#2"]]);
}

#[test]
fn two_far_corners_cost_nothing() {
    let data = row(1, &[text("A1", "h")]) + &row(1_048_576, &[number("XFD1048576", "1")]);
    let (_folder, source) = Book::default().sheet("S", data).open();
    let rows = read(&source.unwrap()).unwrap();
    assert_eq!((rows[0].number, rows[0].cells.len()), (1_048_576, 16_384));
}

#[test]
fn the_sheet_is_the_one_filled_or_the_one_named() {
    let data = || row(1, &[text("A1", "h")]) + &row(2, &[number("A2", "1")]);
    let empty = row(1, &[text("A1", " ")]);
    let (_folder, source) = Book::default().sheet("Leer", empty.clone()).sheet("Data", data()).open();
    assert_eq!(source.unwrap().header().sheet.as_deref(), Some("Data"));
    let (_folder, source) = Book::default().sheet("Data", data()).hidden("Old", &data()).open();
    assert_eq!(source.unwrap().header().sheet.as_deref(), Some("Data"));
    let two = || Book::default().sheet("North", data()).sheet("Big  South", data()).hidden("Old", &data());
    let told_two = two().refused();
    assert!(told_two.contains("several sheets hold data: \"North\", \"Big  South\""), "{told_two}");
    assert!(told_two.contains("source: { sheet: … }"));
    let choose = |sheet| two().open_with(&ReadOptions { sheet: Some(sheet), ..ReadOptions::default() });
    let (_folder, source) = choose(SheetChoice::Name(" bigsouth".into()));
    assert_eq!(source.unwrap().header().sheet.as_deref(), Some("Big  South"));
    let (_folder, source) = choose(SheetChoice::Number(3));
    assert!(told(&source.unwrap()).contains("\"Old\" is hidden"));
    let wrong = choose(SheetChoice::Name("East".into())).1.err().unwrap().to_string();
    assert!(wrong.contains("no sheet \"East\"; the workbook has \"North\""), "{wrong}");
    assert!(choose(SheetChoice::Number(4)).1.is_err() && choose(SheetChoice::Number(0)).1.is_err());
    assert!(Book::default().sheet("A", "").hidden("Old", &data()).refused().contains("only hidden sheets"));
}

#[test]
fn workbooks_without_data_yield_nothing() {
    for data in [String::new(), row(1, &[text("A1", "h")]), row(5, &["<c r=\"A5\" s=\"1\"/>".into()])] {
        let (_folder, source) = Book::default().sheet("S", data).open();
        assert_eq!(cells(&source.unwrap()).len(), 0);
    }
}

#[test]
fn a_workbook_by_another_name_is_still_one() {
    let folder = Folder::new();
    let path = folder.path("a.csv");
    one(&number("A2", "1")).save(&path);
    let source = open(&path).unwrap();
    assert!(told(&source).contains("the content is an XLSX workbook"));
    assert_eq!(cells(&source), [["#1"]]);
}

#[test]
fn shared_strings_are_read_once_and_passed_over_often() {
    let strings =
        "<sst uniqueCount=\"3\"><si><t>h</t></si><si/><si><r><t>Zo</t></r><r><t>ë</t></r></si></sst>";
    let cell = |place: &str, at: u8| format!("<c r=\"{place}\" t=\"s\"><v>{at}</v></c>");
    let data: String = (2..1000).map(|n| row(n, &[cell(&format!("A{n}"), 2)])).collect();
    let book = Book { strings: Some(strings.into()), ..Book::default() }
        .sheet("S", row(1, &[cell("A1", 0), cell("B1", 1)]) + &data);
    let (_folder, source) = book.open();
    let source = source.unwrap();
    for _ in 0..3 {
        assert_eq!(cells(&source).len(), 998);
    }
    let mut early = source.rows().unwrap();
    assert!(early.read(&mut Row::default()).unwrap());
    let mut beside = source.rows().unwrap();
    assert!(beside.read(&mut Row::default()).unwrap(), "two passes at once do not wait for each other");
    drop(early);
    assert_eq!(cells(&source)[0], ["Zoë"]);
}

#[test]
fn hostile_sheets_are_refused_with_a_sentence() {
    let backwards = row(5, &[number("A5", "1")]) + &row(2, &[number("A2", "1")]);
    assert!(Book::default().sheet("S", backwards).refused().contains("out of order"));
    let twice = row(1, &[text("A1", "h"), text("A1", "h")]);
    assert!(Book::default().sheet("S", twice).refused().contains("stands in it twice"));
    let strange = one("<c r=\"A2\" t=\"e\"><v>#SURPRISE!</v></c>").refused();
    assert!(strange.contains("#SURPRISE!"), "{strange}");
    assert!(one("<c r=\"A2\" t=\"s\"><v>99</v></c>").refused().contains("damaged"));
    assert!(one("<c r=\"A2\" t=\"n\"><v>abc</v></c>").refused().contains("damaged"));
    assert!(one("<c r=\"ZZZZZZZZZZZZZZ2\"><v>1</v></c>").refused().contains("damaged"));
    assert!(one("<c r=\"A2\"><v>1</v>").refused().contains("damaged"));
    let entity = Book { strings: Some("<!DOCTYPE x><sst/>".into()), ..one("") };
    assert!(entity.refused().contains("document type"));
    let many = Book { strings: Some("<sst uniqueCount=\"99999999999999\"/>".into()), ..one("") };
    assert!(many.refused().contains("more texts"));
}

#[test]
fn a_row_wholly_blank_counts_but_is_no_row() {
    let data = row(1, &[text("A1", "h")]) + &row(2, &[text("A2", " ")]) + &row(4, &[number("A4", "1")]);
    let (_folder, source) = Book::default().sheet("S", data).open();
    let rows = read(&source.unwrap()).unwrap();
    assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), [4]);
}
