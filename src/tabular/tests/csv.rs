use proptest::prelude::*;

use super::super::{Batch, Format, Looker, SheetChoice, kept_cells};
use super::*;
use crate::model::PlainCells;

fn csv(content: impl AsRef<[u8]>) -> (Folder, Source) {
    let folder = Folder::new();
    let source = open(&folder.file("a.csv", content)).unwrap();
    (folder, source)
}

/// What a looker is shown that is content with the cells alone.
#[derive(Default)]
struct Content(Vec<(u64, Vec<String>)>);

impl Looker for Content {
    fn plain(&mut self, number: u64, cells: &PlainCells<'_>) -> bool {
        self.0.push((number, vec![cells.get(0).to_owned(), cells.get(1).to_owned()]));
        true
    }

    fn row(&mut self, row: &Row) {
        let cells = (0..2).map(|at| row.cell(at).to_string());
        self.0.push((row.number, cells.collect()));
    }
}

#[test]
fn rows_that_are_blank_by_any_blank_are_shown_to_nobody() {
    let folder = Folder::new();
    let blank = ["", " ", "\u{A0}", "\u{3000}", "\u{2009}", "\u{85}", "\u{B}", "\"\u{A0}\""];
    let rows: String = blank.iter().map(|blank| format!("{blank},\nx,1\n")).collect();
    let source = open(&folder.file("a.csv", format!("a,b\n{rows}"))).unwrap();
    let (mut shown, mut batch) = (Content::default(), Batch::default());
    let mut rows = source.rows().unwrap();
    let mut reader = rows.batch_reader();
    while rows.read_batch(&mut batch).unwrap() {
        reader.show(&batch, &mut shown);
    }
    let numbers: Vec<u64> = shown.0.iter().map(|(number, _)| *number).collect();
    let read: Vec<u64> = read(&source).unwrap().iter().map(|row| row.number).collect();
    assert_eq!((numbers.len(), numbers), (blank.len(), read));
}

#[test]
fn a_plain_file_is_read_without_a_word() {
    let (_folder, source) = csv("name,city\nZoë,Köln\n\"Smith, J\",\"a \"\"b\"\"\"\n");
    assert_eq!(names(&source), ["name", "city"]);
    assert_eq!(told(&source), "");
    assert_eq!(cells(&source), [["Zoë", "Köln"], ["Smith, J", "a \"b\""]]);
    assert_eq!(cells(&source).len(), 2, "a second pass reads the same");
    assert_eq!(source.fingerprint().unwrap().bytes, 42);
    assert_eq!(source.header().address(1, 3), "B3");
}

#[test]
fn files_without_data_open_and_yield_nothing() {
    for content in ["", "\u{FEFF}", "\n\r\n\n", " \n", ",,\n"] {
        let (_folder, source) = csv(content);
        assert_eq!((names(&source).len(), cells(&source).len()), (0, 0), "{content:?}");
    }
    for content in ["name,city", "name,city\n", "\u{FEFF}name,city\r\n", "name,city\n\n , \n"] {
        let (_folder, source) = csv(content);
        assert_eq!((names(&source), cells(&source).len()), (vec!["name", "city"], 0), "{content:?}");
    }
}

#[test]
fn row_numbers_are_those_that_excel_shows() {
    let (_folder, source) = csv("a,b\r\n1,\"x\r\ny\"\r\n\r\n,\r\n2,z\r\n");
    let rows = read(&source).unwrap();
    let places: Vec<(u64, u64)> = rows.iter().map(|row| (row.number, row.line)).collect();
    assert_eq!(places, [(2, 2), (5, 6)]);
}

#[test]
fn the_sep_line_is_obeyed_and_hidden() {
    for first in ["sep=;\r\n", "SEP=;\r\n", "\"sep=;\"\r\n", "\u{FEFF}sep=;\r\n"] {
        let (_folder, source) = csv(format!("{first}a,x;b\r\n1;2\r\n"));
        assert_eq!(names(&source), ["a,x", "b"], "{first:?}");
        assert!(told(&source).contains("from the file's first line"));
        let rows = read(&source).unwrap();
        assert_eq!((rows[0].number, rows[0].line), (2, 3));
    }
}

#[test]
fn a_delimiter_that_is_no_comma_is_told() {
    let (_folder, source) = csv("a;b\n1;2\n");
    assert!(told(&source).contains("delimiter \";\" found"), "{}", told(&source));
    let folder = Folder::new();
    let tabs = folder.file("a.tsv", "a\tb\n1\t2\n");
    assert_eq!(told(&open(&tabs).unwrap()), "");
    assert_eq!(open(&tabs).unwrap().dialect().format, Format::Tsv);
    let (_folder, source) = csv("name\nZoë\nSmith, John\n");
    assert_eq!(told(&source), "");
    assert_eq!(cells(&source), [["Zoë"], ["Smith, John"]]);
    let path = folder.file("b.csv", "a;b,c\n1;2,3\n");
    let options = ReadOptions { delimiter: Some(','), ..ReadOptions::default() };
    assert_eq!(names(&Source::open(&path, &options).unwrap()), ["a;b", "c"]);
    let options = ReadOptions { delimiter: Some('é'), ..ReadOptions::default() };
    assert!(refused(&path, &options).contains("the delimiter \"é\" cannot be used"));
}

#[test]
fn ragged_rows_are_faults_with_all_their_cells() {
    let (_folder, source) = csv("a,b,,\n1\n1,2,3\n1,2\n1,2,, ,\n1,2,,,5\n");
    assert_eq!(names(&source), ["a", "b"]);
    let rows = read(&source).unwrap();
    let faults: Vec<&str> = rows.iter().map(|row| row.fault.as_str()).collect();
    let many = |found| format!("TooManyCells {{ found: {found}, wanted: 2 }}");
    assert_eq!(faults, ["TooFewCells { found: 1, wanted: 2 }", &many(3), "", "", &many(5)]);
    assert_eq!(rows[1].cells, ["1", "2", "3"]);
    assert_eq!(rows[3].cells, ["1", "2"]);
    assert_eq!(rows[4].kept, b"1,2,,,5");
}

#[test]
fn text_behind_a_closing_quote_is_a_fault_of_its_row_with_its_lines() {
    let text = "a,b\n1,\"x\"y\n2,\"open\n3,x\n4,\"z\"\n5,\"9\" \n";
    let rows = read(&csv(text).1).unwrap();
    let told: Vec<(u64, &str)> = rows.iter().map(|row| (row.number, row.fault.as_str())).collect();
    let stray = |line, line_ends| format!("StrayQuote {{ cell: 1, line: {line}, line_ends: {line_ends} }}");
    assert_eq!(told, [(2, stray(2, 0).as_str()), (3, &stray(3, 2)), (4, "")]);
    assert_eq!(rows[1].kept, b"2,\"open\n3,x\n4,\"z\"");
    assert_eq!(rows[2].cells, ["5", "9 "]);
}

#[test]
fn titles_above_the_header_are_passed_over() {
    let folder = Folder::new();
    let path = folder.file("a.csv", "Report; 2024\n\nname;city\nA;B\n");
    let options = ReadOptions { header_row: 3, ..ReadOptions::default() };
    let source = Source::open(&path, &options).unwrap();
    assert_eq!(names(&source), ["name", "city"]);
    assert_eq!(read(&source).unwrap()[0].number, 4);
    let options = ReadOptions { header_row: 9, ..ReadOptions::default() };
    assert!(refused(&path, &options).contains("the last filled row is 4"));
    let (_folder, source) = csv("\n\nname,city\nA,B\n");
    assert!(told(&source).contains("the header is read from row 3"));
    assert_eq!(read(&source).unwrap()[0].number, 4);
}

#[test]
fn a_title_that_is_read_as_the_header_is_doubted_whatever_cells_are_blank() {
    let doubted = "row 1 is read as the header and has one filled cell, row 3 has 3";
    for text in [
        "Report;;\n;;\nname;city;x\nA;B;\n;B;1\nC;;\n",
        "Report\n\nname,city,x\nA,B,\nC,,\n",
        "Report 2024;;\n;;\nname;city;x\nA;B;1,5\n",
    ] {
        assert!(told(&csv(text).1).contains(doubted), "{text}");
    }
    assert!(!told(&csv("name\nLane, Town, Land\nA\n").1).contains("one filled cell"));
}

#[test]
fn a_byte_that_the_encoding_lacks_spoils_its_cell_only() {
    let mut content = "name,city,x\nZoë,Köln,é\n".as_bytes().to_vec();
    let at = content.len() + 4;
    content.extend(b"\"A\",\xE9x,ok\n");
    let (_folder, source) = csv(&content);
    assert_eq!(cells(&source)[1], ["A".to_owned(), format!("!byte E9 at {at}"), "ok".into()]);
    let folder = Folder::new();
    let path = folder.file("b.csv", b"name,city\nZo\xEB,\x81\n");
    let source = open(&path).unwrap();
    assert_eq!(cells(&source), [["Zoë", "!byte 81 at 14"]]);
    assert!(told(&source).contains("windows-1252"));
    let (_folder, source) = csv(b"a,b\n\xC3,\xA9\n\xC3\xA9,\xC3\xA9\xC3\xA9\n");
    assert_eq!(
        cells(&source)[0],
        ["!byte C3 at 4", "!byte A9 at 6"],
        "halves across a delimiter are no letter"
    );
}

#[test]
fn utf16_is_read_with_and_without_a_mark() {
    let text = "name;city\r\nZoë 😀;\"Kö\nln\"\r\nB;C\r\n";
    for big_endian in [false, true] {
        let bytes = |text: &str| -> Vec<u8> {
            text.encode_utf16()
                .flat_map(|u| if big_endian { u.to_be_bytes() } else { u.to_le_bytes() })
                .collect()
        };
        for mark in ["", "\u{FEFF}"] {
            let (_folder, source) = csv([bytes(mark), bytes(text)].concat());
            assert_eq!(cells(&source), [["Zoë 😀", "Kö\nln"], ["B", "C"]]);
            assert!(told(&source).contains("utf-16"));
        }
    }
    let mut bytes: Vec<u8> = "\u{FEFF}a,b\nx,".encode_utf16().flat_map(u16::to_le_bytes).collect();
    bytes.extend([0x00, 0xD8, b'\n', 0]);
    let (_folder, source) = csv(&bytes);
    assert_eq!(cells(&source), [["x", "!byte 00 at 14"]]);
}

#[test]
fn other_encodings_are_read_by_name() {
    let folder = Folder::new();
    let path = folder.file("a.csv", b"name\tx\n\x93\xFA\x96\x7B\t\x83\x7C\n");
    let options = ReadOptions { encoding: Some("Shift_JIS".into()), ..ReadOptions::default() };
    assert_eq!(cells(&Source::open(&path, &options).unwrap()), [["日本", "ポ"]]);
    let options = ReadOptions { delimiter: Some('|'), ..options };
    assert!(refused(&path, &options).contains("cannot be split at \"|\""));
    let path = folder.file("b.csv", b"na\xFFme,x\n1,2\n");
    let options = ReadOptions { encoding: Some("utf-8".into()), ..ReadOptions::default() };
    assert!(refused(&path, &options).contains("column A has the byte 0xFF"));
}

#[test]
fn what_is_no_table_is_refused_by_name() {
    let folder = Folder::new();
    let plain = ReadOptions::default();
    assert!(refused(&folder.file("a.csv", "%PDF-1.4"), &plain).contains("a.csv: this is a PDF"));
    assert!(refused(&folder.file("b.csv", "<html><table>"), &plain).contains("web page"));
    assert!(refused(&folder.path("none.csv"), &plain).contains("there is no such file"));
    assert!(refused(folder.0.path(), &plain).contains("this is a folder"));
    let ods = ReadOptions { format: Some(Format::Ods), ..ReadOptions::default() };
    let source = Source::open(&folder.file("d.csv", "a"), &ods).unwrap();
    assert!(told(&source).contains("the content is text, not a workbook"));
    #[cfg(unix)]
    assert!(refused(Path::new("/dev/zero"), &plain).contains("a pipe or device"));
    let (_folder, source) = (&folder, open(&folder.file("e.xlsx", "a,b\n1,2\n")).unwrap());
    assert!(told(&source).contains("the content is text"));
    let named = ReadOptions {
        display_name: Some("standard input".into()),
        sheet: Some(SheetChoice::Number(1)),
        ..ReadOptions::default()
    };
    assert!(refused(&folder.file("f", "%PDF"), &named).starts_with("standard input: "));
}

#[test]
fn a_file_that_changes_between_or_in_passes_stops_the_reading() {
    let folder = Folder::new();
    let path = folder.file("a.csv", "a,b\n1,2\n");
    let source = open(&path).unwrap();
    let mut rows = source.rows().unwrap();
    assert!(rows.read(&mut Row::default()).unwrap());
    folder.file("a.csv", "a,b\n1,2\n3,4\n");
    let error = rows.read(&mut Row::default()).and_then(|_| rows.read(&mut Row::default())).unwrap_err();
    assert!(error.to_string().contains("changed while it was read"), "{error}");
    assert!(source.rows().is_err());
}

#[test]
fn an_open_quote_and_too_many_columns_are_told() {
    let folder = Folder::new();
    let plain = ReadOptions::default();
    let told = refused(&folder.file("a.csv", "a,b\n1,2\n3,\"4\n5,6\n"), &plain);
    assert!(told.contains("a.csv: line 3: a quote opens here"), "{told}");
    let wide: Vec<String> = (0..2001).map(|at| format!("c{at}")).collect();
    assert!(refused(&folder.file("b.csv", wide.join(",")), &plain).contains("2001 columns; at most 2000"));
    let (_folder, source) = csv(format!("a,b{}\n1,2{}\n", ",".repeat(16_000), ",".repeat(16_000)));
    assert_eq!(cells(&source), [["1", "2"]]);
}

#[test]
fn a_field_of_more_than_a_mebibyte_is_a_fault_of_its_row() {
    let (_folder, source) = csv(format!("a,b\n{},1\n2,3\n", "x".repeat(1024 * 1024 + 1)));
    assert_eq!(cells(&source), [["!TooLong", "1"], ["2", "3"]]);
}

#[test]
fn column_names_that_stand_twice_are_told() {
    let (_folder, source) = csv("Name,name ,x\n1,2,3\n");
    assert!(told(&source).contains("stand more than once: \"Name\" (A, B)"), "{}", told(&source));
}

#[test]
fn sources_and_passes_may_go_to_other_threads() {
    fn sent<T: Send>() {}
    fn shared<T: Sync>() {}
    sent::<super::super::Rows>();
    sent::<Source>();
    shared::<Source>();
}

#[test]
fn control_characters_in_a_cell_are_left_to_the_rules() {
    let (_folder, source) = csv("name,x\nA\u{1}B,a\0b\n");
    assert_eq!(cells(&source), [["A\u{1}B", "a\0b"]]);
}

#[test]
fn the_position_reaches_the_size() {
    let (_folder, source) = csv("a,b\n1,2\n\n3,4");
    let mut rows = source.rows().unwrap();
    while rows.read(&mut Row::default()).unwrap() {}
    assert_eq!(rows.position(), source.size_hint());
}

#[test]
fn kept_rows_are_shown_cell_by_cell() {
    let (_folder, source) = csv(b"a;b\nZo\xEB;\"x;y\"\n");
    let kept = read(&source).unwrap().remove(0).kept;
    assert_eq!(kept_cells(source.dialect(), &kept), ["Zoë", "x;y"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn raw_records_and_line_ends_make_up_the_body(
        rows in prop::collection::vec(("[a-z\"]{1,6}", "[a-z;'é ]{0,6}"), 1..8),
        end in prop::sample::select(vec!["\n", "\r\n", "\r"]),
    ) {
        let quote = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let body: String = rows.iter().map(|(a, b)| format!("{},{b}{end}", quote(a))).collect();
        let (_folder, source) = csv(format!("a,b{end}{body}"));
        let kept: Vec<u8> = read(&source).unwrap().into_iter()
            .flat_map(|row| [row.kept, end.as_bytes().to_vec()].concat()).collect();
        prop_assert_eq!(String::from_utf8(kept).unwrap(), body);
    }

    #[test]
    fn any_bytes_are_read_or_refused_without_a_crash(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let folder = Folder::new();
        let path = folder.file("a.csv", bytes);
        if let Ok(source) = open(&path) {
            let _ = read(&source);
        }
    }

    #[test]
    fn the_parser_agrees_with_the_csv_crate(text in "[a-c\",;\r\n é]{0,60}") {
        let (_folder, source) = match open_text(&text) { Some(found) => found, None => return Ok(()) };
        let Ok(rows) = read(&source) else { return Ok(()) };
        let super::super::Form::Text(form) = &source.dialect().form else { unreachable!() };
        let oracle = ::csv::ReaderBuilder::new().delimiter(form.delimiter as u8).has_headers(false).flexible(true)
            .from_reader(text.as_bytes());
        let wanted: Vec<Vec<String>> = oracle.into_records().map(|record| {
            record.unwrap().iter().map(str::to_owned).collect::<Vec<String>>()
        }).filter(|cells| cells.iter().any(|cell| !cell.trim().is_empty())).skip(1).collect();
        prop_assert_eq!(rows.len(), wanted.len());
        for (row, mut wanted) in rows.into_iter().zip(wanted) {
            while wanted.len() > row.cells.len() && wanted.last().is_some_and(|cell| cell.trim().is_empty()) {
                wanted.pop();
            }
            prop_assert_eq!(row.cells, wanted);
        }
    }
}

fn open_text(text: &str) -> Option<(Folder, Source)> {
    let folder = Folder::new();
    let source = open(&folder.file("a.csv", text)).ok()?;
    Some((folder, source))
}
