//! Files that are broken or made to do harm, by the numbers of the list of
//! hostile inputs. None may crash, hang or fill the memory; each is read, or
//! refused with a sentence that says what to do.

use std::io::Write as _;

use super::super::{Hidden, SheetChoice};
use super::book::{Book, number, row, text};
use super::*;

fn plain() -> ReadOptions {
    ReadOptions::default()
}

fn told_off(name: &str, bytes: impl AsRef<[u8]>) -> String {
    let folder = Folder::new();
    refused(&folder.file(name, bytes), &plain())
}

fn opened(name: &str, bytes: impl AsRef<[u8]>) -> (Folder, Source) {
    let folder = Folder::new();
    let source = open(&folder.file(name, bytes)).unwrap();
    (folder, source)
}

#[test]
fn h1_files_without_data_rows_have_none() {
    for (name, content) in [
        ("a.csv", ""),
        ("a.csv", "\u{FEFF}"),
        ("a.csv", "\u{FEFF}name,city\r\n"),
        ("a.tsv", "name\tcity"),
        ("a.jsonl", ""),
        ("a.jsonl", "\u{FEFF}\n\n"),
    ] {
        assert!(cells(&opened(name, content).1).is_empty(), "{name} {content:?}");
    }
}

#[test]
fn h2_a_byte_order_mark_is_no_part_of_the_first_name() {
    for content in ["\u{FEFF}name,city\nA,B\n", "\u{FEFF}\"name\",city\nA,B\n"] {
        assert_eq!(names(&opened("a.csv", content).1), ["name", "city"]);
    }
}

#[test]
fn h3_utf16_without_a_mark_is_known_by_its_zeros() {
    let text = "name;city\r\nJane;London\r\n";
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for (bytes, name) in [(little, "utf-16le"), (big, "utf-16be")] {
        let (_folder, source) = opened("a.csv", bytes);
        assert_eq!(cells(&source), [["Jane", "London"]]);
        assert!(told(&source).contains(&format!("encoding {name} found")), "{}", told(&source));
    }
    assert!(told_off("a.csv", b"\xFF\xFE\0\0n\0\0\0").contains("UTF-32"));
}

#[test]
fn h4_two_encodings_in_one_file_spoil_only_the_cells_of_the_rarer() {
    let mut content = "name,city\n".to_owned().into_bytes();
    for at in 0..20 {
        content.extend(format!("Zoë {at},Köln\n").bytes());
    }
    content.extend(b"Zo\xEB,Paris\n");
    let (_folder, source) = opened("a.csv", &content);
    let rows = read(&source).unwrap();
    assert_eq!(rows[19].cells, ["Zoë 19", "Köln"]);
    assert_eq!(rows[20].cells[0], format!("!byte EB at {}", content.len() - 8));
    assert_eq!(rows[20].cells[1], "Paris");
    assert_eq!(rows[20].kept, b"Zo\xEB,Paris");
    assert!(!rows.iter().any(|row| row.cells.join("").contains('\u{FFFD}')));
}

#[test]
fn h5_zero_bytes_and_control_characters_stay_in_their_cells() {
    let (_folder, source) = opened("a.csv", "name,x\nA\0B,\u{1B}[2J\nC,\u{7}\n");
    assert_eq!(cells(&source), [["A\0B", "\u{1B}[2J"], ["C", "\u{7}"]]);
}

#[test]
fn h6_a_quote_that_swallows_the_file_is_told_with_its_line() {
    let mut content = "name,note\nA,x\nB,\"never closed\n".to_owned();
    content += &"C,y\n".repeat(2_000_000);
    let told = told_off("a.csv", content);
    assert!(told.contains("line 3: a quote opens here and is not closed"), "{told}");
}

#[test]
fn h7_rows_with_too_few_or_too_many_cells_keep_all_of_them() {
    let rows = read(&opened("a.csv", "a,b\n1\n1,2,3\n").1).unwrap();
    assert_eq!((rows[0].cells.len(), rows[1].cells.len()), (1, 3));
    assert!(rows[0].fault.contains("TooFewCells") && rows[1].fault.contains("TooManyCells"));
    assert_eq!(rows[1].kept, b"1,2,3");
}

#[test]
fn h8_h9_names_that_are_alike_or_blank_are_told() {
    let (_folder, source) = opened("a.csv", "Name,\u{200B}name\u{A0},  ,NAME ,é\n1,2,3,4,5\n");
    let told = told(&source);
    assert!(told.contains("stand more than once: \"Name\" (A, B, D)"), "{told}");
    assert!(told.contains("column C (#3) has no name"), "{told}");
    assert_eq!(names(&source)[1], "\u{200B}name\u{A0}", "a name is handed on as it stands");
}

#[test]
fn h10_carriage_returns_alone_end_lines_and_quoted_breaks_stay() {
    let (_folder, source) = opened("a.csv", "a;b\r1;\"x\r\ny\"\r2;z\r");
    assert_eq!(cells(&source), [["1", "x\r\ny"], ["2", "z"]]);
    for delimiter in [';', '\t', '|'] {
        let content = "a,b\r\n1,2\r\n".replace(',', &delimiter.to_string());
        let (_folder, source) = opened("a.csv", content);
        assert_eq!(cells(&source), [["1", "2"]]);
        assert!(told(&source).contains("delimiter"), "{}", told(&source));
    }
}

#[test]
fn h11_endless_lines_and_columns_are_refused() {
    assert!(
        told_off("a.csv", "x".repeat(5 * 1024 * 1024)).contains("line 1: this line is longer than 4 MiB")
    );
    assert!(told_off("a.csv", "x,".repeat(100_000)).contains("more than 16384 cells"));
    let header: Vec<String> = (0..2001).map(|at| format!("c{at}")).collect();
    assert!(told_off("a.csv", header.join(",")).contains("2001 columns; at most 2000"));
    let wide: String = (0..2001).map(|at| text(&place(at, 1), &format!("c{at}"))).collect();
    let book = Book::default().sheet("S", format!("<row r=\"1\">{wide}</row>"));
    assert!(book.refused().contains("2001 columns; at most 2000"));
}

fn place(column: usize, row: u32) -> String {
    format!("{}{row}", crate::model::column_letters(column))
}

#[test]
fn h13_texts_of_digits_stay_texts() {
    let line = "00440,1E5,12345678901234567890,00123,+44 20,1.234,NULL";
    let (_folder, source) = opened("a.csv", format!("a,b,c,d,e,f,g\n{line}\n"));
    assert_eq!(cells(&source)[0].join(","), line);
    let texts: Vec<String> = (0..7).map(|at| text(&place(at, 2), line.split(',').nth(at).unwrap())).collect();
    let header: Vec<String> = (0..7).map(|at| text(&place(at, 1), &format!("c{at}"))).collect();
    let (_folder, source) = Book::default().sheet("S", row(1, &header) + &row(2, &texts)).open();
    assert_eq!(cells(&source.unwrap())[0].join(","), line);
}

#[test]
fn h22_other_files_renamed_to_csv_are_called_by_their_name() {
    for (bytes, word) in [
        (&b"%PDF-1.7\n%\xE2\xE3"[..], "this is a PDF"),
        (b"<!DOCTYPE html><html><table><tr><td>a", "this is a web page"),
        (b"\xEF\xBB\xBF  <html>", "this is a web page"),
        (b"<?xml version=\"1.0\"?><Workbook/>", "web page or XML"),
        (b"\x1F\x8B\x08\0\0", "gzip"),
        (b"\x89PNG\r\n\x1A\n", "an image"),
        (b"SQLite format 3\0", "SQLite"),
        (b"PAR1\x15", "Parquet"),
        (b"MZ\x90\0\x03\0\0\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "does not look like text"),
        (b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "ZIP archive"),
    ] {
        for name in ["a.csv", "a.xls", "a.jsonl"] {
            let told = told_off(name, bytes);
            assert!(told.contains(word) && told.contains(name), "{told}");
        }
    }
    let folder = Folder::new();
    let path = folder.path("a.csv");
    Book::default().sheet("S", row(1, &[text("A1", "h")]) + &row(2, &[number("A2", "1")])).save(&path);
    assert!(told(&open(&path).unwrap()).contains("the content is an XLSX workbook; it is read as one"));
}

#[cfg(unix)]
#[test]
fn h23_what_is_no_file_is_refused_and_not_waited_for() {
    let folder = Folder::new();
    let pipe = folder.path("pipe.csv");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(refused(&pipe, &plain()).contains("this is a pipe or device, not a file"));
    assert!(refused(Path::new("/dev/zero"), &plain()).contains("a pipe or device"));
    assert!(refused(Path::new("/dev/null"), &plain()).contains("a pipe or device"));
    assert!(refused(folder.0.path(), &plain()).contains("this is a folder"));
    let dangling = folder.path("link.csv");
    std::os::unix::fs::symlink(folder.path("nowhere"), &dangling).unwrap();
    assert!(refused(&dangling, &plain()).contains("there is no such file"));
}

#[test]
fn h23_a_file_that_grows_while_it_is_read_stops_the_reading() {
    let folder = Folder::new();
    for (name, line) in [("a.csv", "1,2\n"), ("a.jsonl", "{\"a\":1}\n")] {
        let path = folder.file(name, line.repeat(3));
        let source = open(&path).unwrap();
        let mut rows = source.rows().unwrap();
        assert!(rows.read(&mut Row::default()).unwrap());
        std::fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(line.as_bytes()).unwrap();
        let mut last = Ok(true);
        while let Ok(true) = last {
            last = rows.read(&mut Row::default()).map_err(|error| error.to_string());
        }
        assert!(last.as_ref().is_err_and(|told| told.contains("the file changed")), "{last:?}");
    }
}

#[test]
fn h24_a_bomb_of_texts_or_cells_is_refused_by_what_it_unpacks_to() {
    let blanks = " ".repeat(12 * 1024 * 1024);
    let strings = Some(format!("<sst>{blanks}</sst>"));
    let book = Book { strings, ..Book::default() }.sheet("S", row(1, &[text("A1", "h")]));
    assert!(book.refused().contains("200 times its size"));
    assert!(Book::default().sheet("S", blanks).refused().contains("200 times its size"));
}

/// A workbook's bytes; its parts are packed as a zip.
fn bytes_of(book: &Book) -> Vec<u8> {
    let folder = Folder::new();
    let path = folder.path("a.xlsx");
    book.save(&path);
    std::fs::read(path).unwrap()
}

fn find(bytes: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    bytes[from..].windows(wanted.len()).position(|window| window == wanted).map(|at| at + from)
}

#[test]
fn h25_sizes_that_lie_do_not_hide_a_bomb() {
    let blanks = " ".repeat(12 * 1024 * 1024);
    let mut bytes = bytes_of(&Book::default().sheet("S", row(1, &[text("A1", "h")]) + &blanks));
    let (mut from, mut patched) = (0, 0);
    while let Some(at) = find(&bytes, b"PK\x01\x02", from) {
        // The size in the directory becomes 10.
        bytes[at + 24..at + 28].copy_from_slice(&10_u32.to_le_bytes());
        (from, patched) = (at + 4, patched + 1);
    }
    assert!(patched > 4);
    let told = told_off("a.xlsx", bytes);
    assert!(told.contains("200 times") || told.contains("damaged"), "{told}");
}

#[test]
fn h25_entries_that_share_their_bytes_are_refused() {
    let bytes = bytes_of(&Book::default().sheet("S", row(1, &[text("A1", "h")])));
    let first = find(&bytes, b"PK\x01\x02", 0).unwrap();
    let second = find(&bytes, b"PK\x01\x02", first + 4).unwrap();
    let end = find(&bytes, b"PK\x05\x06", second).unwrap();
    // The first entry is listed once more, under another name.
    let mut twin = bytes[first..second].to_vec();
    twin[46] = b'x';
    let mut out = [&bytes[..end], &twin[..], &bytes[end..]].concat();
    let end = end + twin.len();
    let count = u16::from_le_bytes([out[end + 8], out[end + 9]]) + 1;
    out[end + 8..end + 10].copy_from_slice(&count.to_le_bytes());
    out[end + 10..end + 12].copy_from_slice(&count.to_le_bytes());
    let size = u32::from_le_bytes(out[end + 12..end + 16].try_into().unwrap()) + twin.len() as u32;
    out[end + 12..end + 16].copy_from_slice(&size.to_le_bytes());
    let told = told_off("a.xlsx", out);
    assert!(told.contains("its parts overlap"), "{told}");
}

#[test]
fn h25_an_archive_in_the_workbook_is_not_opened() {
    let inner = bytes_of(&Book::default().sheet("S", " ".repeat(9 * 1024 * 1024)));
    let book = Book { parts: vec![("xl/embeddings/bomb.zip".to_owned(), inner)], ..Book::default() };
    let (_folder, source) =
        book.sheet("S", row(1, &[text("A1", "h")]) + &row(2, &[number("A2", "1")])).open();
    assert_eq!(cells(&source.unwrap()), [["#1"]]);
}

#[test]
fn h26_entities_are_never_looked_up() {
    let entity = "<!DOCTYPE sst [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>\
                  <sst><si><t>&x;</t></si></sst>";
    let book = Book { strings: Some(entity.to_owned()), ..Book::default() };
    let cell = "<c r=\"A1\" t=\"s\"><v>0</v></c>".to_owned();
    assert!(book.sheet("S", row(1, &[cell])).refused().contains("document type definition"));
    let undeclared = Book { strings: Some("<sst><si><t>a&x;b</t></si></sst>".to_owned()), ..Book::default() };
    let cell = "<c r=\"A1\" t=\"s\"><v>0</v></c>".to_owned();
    let (_folder, source) = undeclared.sheet("S", row(1, &[cell])).open();
    let name = source.map(|source| names(&source).join(""));
    assert!(!name.unwrap_or_default().contains("root:"));
}

#[test]
fn h27_cells_in_the_far_corners_cost_nothing_in_any_view() {
    let data = row(1, &[text("A1", "h")]) + &row(1_048_576, &[number("XFD1048576", "1")]);
    let book = || Book::default().sheet("S", data.clone());
    for options in [plain(), ReadOptions { hidden: Hidden::Skip, ..plain() }] {
        let (_folder, source) = book().open_with(&options);
        assert_eq!(read(&source.unwrap()).unwrap()[0].number, 1_048_576);
    }
    let options = ReadOptions { range: Some("A:XFD".into()), ..plain() };
    assert_eq!(cells(&book().open_with(&options).1.unwrap()).len(), 1);
}

#[test]
fn h28_one_long_text_used_often_is_held_once() {
    // Letters in an order that does not pack away, so that no cap is met before.
    let letters = |length: u32| -> String {
        let mut state = 7_u32;
        let letter = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b'a' + (state >> 24) as u8 % 26)
        };
        (0..length).map(letter).collect()
    };
    let strings =
        format!("<sst><si><t>{}</t></si><si><t>{}</t></si></sst>", letters(1_048_576), letters(32_767));
    let used = |at: u32| {
        row(
            at,
            &[format!("<c r=\"A{at}\" t=\"s\"><v>0</v></c>"), format!("<c r=\"B{at}\" t=\"s\"><v>1</v></c>")],
        )
    };
    let data = row(1, &[text("A1", "h"), text("B1", "i")]) + &(2..=12_001).map(used).collect::<String>();
    let (_folder, source) = Book { strings: Some(strings), ..Book::default() }.sheet("S", data).open();
    let source = source.unwrap();
    let mut rows = source.rows().unwrap();
    let (mut row, mut count) = (Row::default(), 0);
    while rows.read(&mut row).unwrap() {
        assert_eq!(row.cell(0), Cell::Fault(CellFault::TooLong));
        assert!(matches!(row.cell(1), Cell::Text(text) if text.len() == 32_767));
        count += 1;
    }
    assert_eq!(count, 12_000);
}

#[test]
fn h29_serials_are_dates_by_their_style_and_system_only() {
    let cell = |at: &str, style: u8, value: &str| format!("<c r=\"{at}\" s=\"{style}\"><v>{value}</v></c>");
    let data = row(1, &[text("A1", "a"), text("B1", "b"), text("C1", "c"), text("D1", "d")])
        + &row(
            2,
            &[cell("A2", 1, "45123"), cell("B2", 1, "60"), cell("C2", 2, "0.5"), cell("D2", 0, "45123")],
        );
    for (date_1904, want) in [
        (false, ["@2023-07-16T00:00:00", "!NoSuchDate(\"60\")", "@12:00:00", "#45123"]),
        (true, ["@2027-07-17T00:00:00", "@1904-03-01T00:00:00", "@12:00:00", "#45123"]),
    ] {
        let (_folder, source) = Book { date_1904, ..Book::default() }.sheet("S", data.clone()).open();
        assert_eq!(cells(&source.unwrap()), [want]);
    }
}

#[test]
fn h30_results_that_are_missing_or_errors_are_faults_of_their_cells() {
    let data = row(1, &[text("A1", "a"), text("B1", "b"), text("C1", "c")])
        + &row(
            2,
            &[
                "<c r=\"A2\"><f>1+1</f><v>2</v></c>".into(),
                "<c r=\"B2\"><f>1+1</f></c>".into(),
                "<c r=\"C2\" t=\"e\"><f>A9</f><v>#REF!</v></c>".into(),
            ],
        );
    let (_folder, source) = Book::default().sheet("S", data).open();
    let source = source.unwrap();
    assert_eq!(cells(&source), [["#2", "!NoStoredValue", "!Error(\"#REF!\")"]]);
    assert_eq!(source.header().address(2, 2), "S!C2");
    assert!(told(&source).contains("3 cells are formulas"), "{}", told(&source));
}

#[test]
fn h31_of_several_filled_sheets_one_must_be_named() {
    let data = || row(1, &[text("A1", "h")]) + &row(2, &[number("A2", "1")]);
    let book = || Book::default().sheet("Notes", "").sheet("North", data()).sheet("South", data());
    let told = book().refused();
    assert!(told.contains("several sheets hold data: \"North\", \"South\""), "{told}");
    assert!(told.contains("source: { sheet: … }"), "{told}");
    let options = ReadOptions { sheet: Some(SheetChoice::Number(3)), ..plain() };
    assert_eq!(book().open_with(&options).1.unwrap().header().sheet.as_deref(), Some("South"));
}

#[test]
fn h32_a_workbook_with_macros_is_read_and_the_macros_are_not() {
    let book =
        Book { parts: vec![("xl/vbaProject.bin".into(), b"Sub AutoOpen()".to_vec())], ..Book::default() };
    let folder = Folder::new();
    let path = folder.path("a.xlsm");
    book.sheet("S", row(1, &[text("A1", "h")]) + &row(2, &[number("A2", "1")])).save(&path);
    let source = open(&path).unwrap();
    assert_eq!(cells(&source), [["#1"]]);
    assert_eq!(told(&source), "the workbook holds macros; they are neither read nor run");
}

#[test]
fn h33_numbers_that_a_float_has_spoilt_are_faults() {
    for (value, want) in [
        ("4.47912E+11", "#447912000000"),
        ("0.30000000000000004", "#0.3"),
        ("1E-7", "#0.0000001"),
        ("999999999999999", "#999999999999999"),
        ("1234567890123456", "!PrecisionLost(\"1.23456789012346E+15\")"),
    ] {
        let data = row(1, &[text("A1", "h")]) + &row(2, &[number("A2", value)]);
        let (_folder, source) = Book::default().sheet("S", data).open();
        assert_eq!(cells(&source.unwrap()), [[want]], "{value}");
    }
}

#[test]
fn h34_part_names_that_climb_out_of_the_folder_write_nothing() {
    let parts = vec![
        ("../../escaped.txt".to_owned(), b"x".to_vec()),
        ("/tmp/carafe-escaped.txt".to_owned(), b"x".to_vec()),
        ("C:\\escaped.txt".to_owned(), b"x".to_vec()),
    ];
    let book = Book { parts, ..Book::default() };
    let folder = Folder::new();
    let inner = folder.path("a/b");
    std::fs::create_dir_all(&inner).unwrap();
    let path = inner.join("a.xlsx");
    book.sheet("S", row(1, &[text("A1", "h")]) + &row(2, &[number("A2", "1")])).save(&path);
    assert_eq!(cells(&open(&path).unwrap()), [["#1"]]);
    assert!(!folder.path("escaped.txt").exists() && !Path::new("/tmp/carafe-escaped.txt").exists());
    assert_eq!(std::fs::read_dir(&inner).unwrap().count(), 1);
}
