//! Binary workbooks.

use super::*;

fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    if kind < 0x80 {
        out.push(kind as u8);
    } else {
        out.extend([(kind & 0x7F) as u8 | 0x80, (kind >> 7) as u8]);
    }
    let mut length = data.len();
    loop {
        let more = length > 0x7F;
        out.push((length & 0x7F) as u8 | if more { 0x80 } else { 0 });
        length >>= 7;
        if !more {
            break;
        }
    }
    [out, data.to_vec()].concat()
}

fn text(text: &str) -> Vec<u8> {
    let units = units(text);
    [((units.len() / 2) as u32).to_le_bytes().to_vec(), units].concat()
}

fn cell(kind: u16, column: u32, style: u8, value: &[u8]) -> Vec<u8> {
    record(kind, &[&column.to_le_bytes()[..], &[style, 0, 0, 0], value].concat())
}

fn row(number: u32, hidden: bool) -> Vec<u8> {
    let flags = if hidden { 0x10 } else { 0 };
    record(0, &[&number.to_le_bytes()[..], &[0; 7], &[flags, 0, 0, 0, 0, 0]].concat())
}

pub(super) fn book(cells: &[u8], extra: &[(&str, &[u8])]) -> Vec<u8> {
    book_from(1900, cells, extra)
}

/// A book whose days count from the beginning of a year.
fn book_from(year: u16, cells: &[u8], extra: &[(&str, &[u8])]) -> Vec<u8> {
    let relation = [text("r1"), text("Data")].concat();
    let workbook = [
        record(0x0099, &[u8::from(year == 1904), 0, 0, 0, 0, 0, 0, 0]),
        record(0x009C, &[&[0, 0, 0, 0, 1, 0, 0, 0][..], &relation].concat()),
        record(0x0090, &[]),
        record(0x009D, &[0; 16]),
    ]
    .concat();
    let strings = [
        record(0x009F, &[2, 0, 0, 0, 2, 0, 0, 0]),
        record(0x0013, &[&[0][..], &text("name")].concat()),
        record(0x0013, &[&[0][..], &text("Zoë")].concat()),
    ]
    .concat();
    // Style 0 is plain, 1 a date, 2 and 3 are percent, 4 only looks like it.
    let style = |format: u8| record(0x002F, &[0, 0, format, 0]);
    let styles = [
        record(0x002C, &[&[164, 0][..], &text("0.0%")].concat()),
        record(0x002C, &[&[165, 0][..], &text("0\"%\"")].concat()),
        record(0x0272, &[1, 0, 0, 0]),
        style(9),
        record(0x0269, &[5, 0, 0, 0]),
        [style(0), style(14), style(9), style(164), style(165)].concat(),
        record(0x026A, &[]),
    ]
    .concat();
    let sheet = [
        record(0x0081, &[]),
        record(0x0094, &[0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0]),
        record(0x0091, &[]),
        cells.to_vec(),
        record(0x0092, &[]),
        record(0x0082, &[]),
    ]
    .concat();
    let relations = "<Relationships><Relationship Id=\"r1\" Type=\"x/worksheet\" \
                     Target=\"worksheets/sheet1.bin\"/></Relationships>";
    let mut parts: Vec<(&str, &[u8])> = vec![
        ("[Content_Types].xml", b"<Types/>"),
        ("xl/workbook.bin", &workbook),
        ("xl/_rels/workbook.bin.rels", relations.as_bytes()),
        ("xl/sharedStrings.bin", &strings),
        ("xl/styles.bin", &styles),
        ("xl/worksheets/sheet1.bin", &sheet),
    ];
    parts.extend(extra);
    zipped(&parts)
}

fn sample() -> Vec<u8> {
    let formula = [0_u8; 10];
    let number = |value: f64| value.to_le_bytes();
    let cells = [
        row(0, false),
        cell(7, 0, 0, &[0, 0, 0, 0]),
        cell(6, 1, 0, &text("since")),
        cell(6, 2, 0, &text("ok")),
        row(1, false),
        cell(7, 0, 0, &[1, 0, 0, 0]),
        cell(5, 1, 1, &number(45123.0)),
        cell(4, 2, 0, &[1]),
        row(2, false),
        cell(3, 0, 0, &[0x2A]),
        cell(11, 1, 0, &[&[0x07][..], &formula].concat()),
        cell(9, 2, 0, &[&number(0.1 + 0.2)[..], &formula].concat()),
        row(3, true),
        cell(2, 0, 0, &(7_i32 << 2 | 2).to_le_bytes()),
        row(4, false),
        cell(11, 2, 0, &[&[0x17][..], &formula].concat()),
    ]
    .concat();
    book(&cells, &[])
}

#[test]
fn a_binary_workbook_is_read_with_its_types() {
    let (folder, source) = opened("a.xlsb", &sample());
    let source = source.unwrap();
    assert_eq!(names(&source), ["name", "since", "ok"]);
    let want = [
        vec!["Zoë", "@2023-07-16T00:00:00", "?true"],
        vec!["!Error(\"#N/A\")", "!Error(\"#DIV/0!\")", "#0.3"],
        vec!["#7"],
        vec!["", "", "!Error(\"#REF!\")"],
    ];
    assert_eq!(cells(&source), want);
    assert_eq!(cells(&source), want, "a second pass reads the same");
    let told = told(&source);
    assert!(told.contains("1 hidden row is read"), "{told}");
    assert!(told.contains("3 cells are formulas"), "{told}");
    assert_eq!(cells(&rejected(&source, &folder))[1][..2], ["!Error(\"#N/A\")", "!Error(\"#DIV/0!\")"]);
    let (_folder, source) = skipping("a.xlsb", &sample());
    assert_eq!(read(&source).unwrap().iter().map(|row| row.number).collect::<Vec<_>>(), [2, 3, 5]);
}

#[test]
fn the_1904_system_of_a_binary_workbook_is_honoured() {
    let day = |serial: f64| [row(1, false), cell(5, 0, 1, &serial.to_le_bytes())].concat();
    let head = [row(0, false), cell(7, 0, 0, &[0, 0, 0, 0])].concat();
    for (year, serial) in [(1904, 43661.0), (1900, 45123.0)] {
        let bytes = book_from(year, &[head.clone(), day(serial)].concat(), &[]);
        let (_folder, source) = opened("a.xlsb", &bytes);
        let source = source.unwrap();
        assert_eq!(cells(&source), [["@2023-07-16T00:00:00"]], "{year}");
        assert_eq!(told(&source).contains("counts days from 1904"), year == 1904);
    }
}

#[test]
fn numbers_shown_in_percent_in_a_binary_workbook_are_what_it_shows() {
    let float = |place: u32, style: u8, value: f64| {
        [row(place, false), cell(5, 0, style, &value.to_le_bytes())].concat()
    };
    let cells = [
        [row(0, false), cell(7, 0, 0, &[0, 0, 0, 0])].concat(),
        float(1, 2, 0.15),
        float(2, 3, -0.075),
        float(3, 0, 0.15),
        float(4, 4, 0.15),
        [row(5, false), cell(2, 0, 2, &(7_i32 << 2 | 2).to_le_bytes())].concat(),
        [row(6, false), cell(9, 0, 3, &[&0.5_f64.to_le_bytes()[..], &[0; 10]].concat())].concat(),
    ];
    let (_folder, source) = opened("a.xlsb", &book(&cells.concat(), &[]));
    let want = [["#15%"], ["#-7.5%"], ["#0.15"], ["#0.15"], ["#700%"], ["#50%"]];
    assert_eq!(super::super::cells(&source.unwrap()), want);
}

#[test]
fn macros_are_told_and_never_read() {
    let cells = [row(0, false), cell(6, 0, 0, &text("h"))].concat();
    let (_folder, source) = opened("a.xlsb", &book(&cells, &[("xl/vbaProject.bin", b"Sub AutoOpen()")]));
    assert!(told(&source.unwrap()).contains("holds macros; they are neither read nor run"));
}

#[test]
fn rows_out_of_range_are_damage_and_no_early_end() {
    let cells = [row(0, false), cell(6, 0, 0, &text("h")), row(0x0010_0001, false), cell(4, 0, 0, &[1])];
    assert!(told_off("a.xlsb", &book(&cells.concat(), &[])).contains("damaged"));
    let backwards = [row(3, false), cell(6, 0, 0, &text("h")), row(1, false), cell(4, 0, 0, &[1])];
    assert!(told_off("a.xlsb", &book(&backwards.concat(), &[])).contains("out of order"));
}

#[test]
fn broken_records_never_end_the_program() {
    let cut = [row(0, false), cell(7, 0, 0, &[0, 0, 0, 0]), row(1, false), record(5, &[0])].concat();
    assert!(told_off("a.xlsb", &book(&cut, &[])).contains("damaged"));
    let unknown = [row(0, false), cell(7, 0, 0, &[9, 9, 9, 9])].concat();
    assert!(told_off("a.xlsb", &book(&unknown, &[])).contains("damaged"));
}
