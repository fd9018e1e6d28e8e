//! The traps of conversion, as far as reading decides on them: what a cell
//! holds is handed on, and nothing is guessed.

use super::book::{Book, number, row, text};
use super::*;

fn csv(content: impl AsRef<[u8]>) -> Vec<Vec<String>> {
    let folder = Folder::new();
    cells(&open(&folder.file("a.csv", content)).unwrap())
}

fn notices(content: impl AsRef<[u8]>) -> String {
    let folder = Folder::new();
    told(&open(&folder.file("a.csv", content)).unwrap())
}

fn sheet(cell: String) -> String {
    let data = row(1, &[text("A1", "h")]) + &row(2, &[cell]);
    let (_folder, source) = Book::default().sheet("S", data).open();
    cells(&source.unwrap()).concat().concat()
}

#[test]
fn dates_in_a_csv_are_texts_whatever_they_look_like() {
    let line = "13/02/2024,1/2/2024 9:30,01/02/24,45123,2024-02-29";
    assert_eq!(csv(format!("a,b,c,d,e\n{line}\n"))[0].join(","), line);
}

#[test]
fn a_date_has_no_zone_and_a_bare_number_is_no_date() {
    assert_eq!(sheet("<c r=\"A2\" s=\"1\"><v>45123</v></c>".into()), "@2023-07-16T00:00:00");
    assert_eq!(sheet(number("A2", "45123")), "#45123");
}

#[test]
fn leading_zeros_stay_where_they_are_and_none_are_made_up() {
    assert_eq!(csv("zip\n00123\n"), [["00123"]]);
    assert_eq!(sheet(text("A2", "00123")), "00123");
    assert_eq!(sheet(number("A2", "123")), "#123");
}

#[test]
fn a_number_is_shown_as_a_person_sees_it() {
    assert_eq!(sheet(number("A2", "7")), "#7");
    assert_eq!(sheet(number("A2", "7.0")), "#7");
    assert_eq!(sheet(text("A2", "7.0")), "7.0");
    assert_eq!(sheet(number("A2", "12345678901234567")), "!PrecisionLost(\"1.23456789012346E+16\")");
}

#[test]
fn an_id_that_excel_has_destroyed_stays_destroyed() {
    assert_eq!(csv("id,x\n1.23E+11,1\n")[0][0], "1.23E+11");
    assert_eq!(sheet(text("A2", "1.23E+11")), "1.23E+11");
}

#[test]
fn decimal_marks_are_left_to_the_column() {
    assert_eq!(csv("a;b;c\n1.234,56;1,234.56;(5.00)\n"), [["1.234,56", "1,234.56", "(5.00)"]]);
}

#[test]
fn words_for_yes_and_nothing_are_texts_in_a_csv() {
    let line = "yes,TRUE,1,Ja,NULL,Null,N/A,#N/A,#VALUE!,-,undefined";
    assert_eq!(csv(format!("a,b,c,d,e,f,g,h,i,j,k\n{line}\n"))[0].join(","), line);
    assert_eq!(sheet("<c r=\"A2\" t=\"b\"><v>0</v></c>".into()), "?false");
    assert_eq!(sheet(text("A2", "Null")), "Null");
}

#[test]
fn error_cells_are_faults_with_their_address() {
    for error in ["#N/A", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!"] {
        let cell = format!("<c r=\"A2\" t=\"e\"><v>{error}</v></c>");
        assert_eq!(sheet(cell), format!("!Error(\"{error}\")"));
    }
}

#[test]
fn encodings_are_found_and_said_and_no_sign_is_ever_replaced() {
    assert_eq!(csv("name,x\nZoë,é\n"), [["Zoë", "é"]]);
    assert_eq!(csv(b"name,x\nZo\xEB,\x80\n"), [["Zoë", "€"]]);
    assert!(notices(b"name,x\nZo\xEB,\x80\n").contains("windows-1252 found"));
    assert!(notices("name,x\nZoÃ«,1\n").contains("Ã«"), "{}", notices("name,x\nZoÃ«,1\n"));
}

#[test]
fn a_tab_in_a_cell_of_a_comma_file_splits_nothing() {
    assert_eq!(csv("name,note\nA,\"x\ty\"\nB,p\tq\n"), [["A", "x\ty"], ["B", "p\tq"]]);
}

#[test]
fn blanks_at_the_ends_of_cells_are_handed_on() {
    let line = " A ,\u{A0}B\u{A0},\u{200B}C,\tD";
    assert_eq!(csv(format!("a,b,c,d\n{line}\n"))[0].join(","), line);
}

#[test]
fn blank_lines_are_passed_over_and_counted() {
    let folder = Folder::new();
    let rows = read(&open(&folder.file("a.csv", "a,b\n1,2\n\n ,\n3,4\n")).unwrap()).unwrap();
    assert_eq!(rows.iter().map(|row| row.number).collect::<Vec<_>>(), [2, 5]);
}

#[test]
fn a_line_break_in_a_cell_is_no_row_and_no_stray_one_hangs() {
    let folder = Folder::new();
    let rows = read(&open(&folder.file("a.csv", "a,b\r\n1,\"x\ny\"\r\n2,p\rq\r\n3,z\r\n")).unwrap()).unwrap();
    let places: Vec<(u64, u64)> = rows.iter().map(|row| (row.number, row.line)).collect();
    assert_eq!(rows[0].cells, ["1", "x\ny"]);
    assert_eq!(places, [(2, 2), (3, 4), (4, 5), (5, 6)]);
    assert!(rows[2].fault.contains("TooFewCells"), "a stray CR ends the line, and the row says so");
}

#[test]
fn a_guard_against_formulas_is_handed_on() {
    assert_eq!(csv("a,b\n'=1+1,'+44 20\n"), [["'=1+1", "'+44 20"]]);
}
