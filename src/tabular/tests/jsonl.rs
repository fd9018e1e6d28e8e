use proptest::prelude::*;

use super::super::{Format, Mark, RejectWriter, kept_cells};
use super::*;

fn jsonl(content: impl AsRef<[u8]>) -> (Folder, Source) {
    let folder = Folder::new();
    let source = open(&folder.file("a.jsonl", content)).unwrap();
    (folder, source)
}

#[test]
fn columns_are_the_keys_in_the_order_in_which_they_are_first_seen() {
    let (_folder, source) = jsonl("{\"b\":1,\"a\":\"x\"}\n{\"c\":null,\"a\":\"y\"}\n\n{\"d\":true}");
    assert_eq!(names(&source), ["b", "a", "c", "d"]);
    assert_eq!(told(&source), "");
    assert_eq!(cells(&source), [["#1", "x", "", ""], ["", "y", "", ""], ["", "", "", "?true"]]);
    let rows = read(&source).unwrap();
    assert_eq!(rows.iter().map(|row| (row.number, row.line)).collect::<Vec<_>>(), [(1, 1), (2, 2), (4, 4)]);
    assert_eq!(rows[1].kept, b"{\"c\":null,\"a\":\"y\"}");
    assert_eq!(source.dialect().format, Format::Jsonl);
}

#[test]
fn values_keep_their_kind_and_all_their_digits() {
    for (json, want) in [
        ("\"Zo\\u00eb \\ud83d\\ude00\\n\"", "Zoë 😀\n"),
        ("\"00123\"", "00123"),
        ("\"\"", ""),
        ("null", ""),
        ("true", "?true"),
        ("false", "?false"),
        ("7", "#7"),
        ("1.50", "#1.50"),
        ("-0.1", "#-0.1"),
        ("12345678901234567890.123456789", "#12345678901234567890.123456789"),
        ("1E5", "#100000"),
        ("1.25e-3", "#0.00125"),
        ("1e400", "1e400"),
        ("[1, {\"x\":[]}]", "[1, {\"x\":[]}]"),
        ("{\"x\":1}", "{\"x\":1}"),
    ] {
        let (_folder, source) = jsonl(format!("{{\"k\":1,\"a\":{json}}}\n"));
        assert_eq!(cells(&source)[0][1], want, "{json}");
    }
    let (_folder, source) = jsonl(format!("{{\"a\":\"{}\",\"b\":1}}\n", "x".repeat(1024 * 1024)));
    assert_eq!(cells(&source), [["!TooLong", "#1"]]);
}

#[test]
fn a_line_that_is_no_object_is_a_row_with_the_reason() {
    let lines = b"{\"a\":1}\n[1]\n{\"a\":1,\"a\":2}\n{\"a\":\n\"x\"\n{\"a\":\"\xE9\"}\n{\"a\":2}\n";
    let (_folder, source) = jsonl(lines);
    let rows = read(&source).unwrap();
    let faults: Vec<&str> = rows.iter().map(|row| row.fault.as_str()).collect();
    assert_eq!(
        faults,
        [
            "",
            "NotJson(\"it is a list, not an object\")",
            "NotJson(\"the key \\\"a\\\" stands in it twice\")",
            "NotJson(\"it ends too early: a quote or a bracket is not closed\")",
            "NotJson(\"it is a text, not an object\")",
            "NotJson(\"byte 7 of the line, 0xE9, is not UTF-8\")",
            "",
        ]
    );
    assert_eq!(rows[2].kept, b"{\"a\":1,\"a\":2}");
    assert_eq!(kept_cells(source.dialect(), &rows[2].kept), ["{\"a\":1,\"a\":2}"]);
    assert_eq!(kept_cells(source.dialect(), &rows[6].kept), ["2"]);
    assert_eq!(rows[6].number, 7);
}

#[test]
fn marks_line_ends_and_utf16_are_understood() {
    let text = "{\"a\":\"Zoë\"}\r\n{\"a\":\"😀\"}\r\n";
    let (_folder, source) = jsonl(format!("\u{FEFF}{text}"));
    assert_eq!(cells(&source), [["Zoë"], ["😀"]]);
    let utf16: Vec<u8> = format!("\u{FEFF}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let (_folder, source) = jsonl(utf16);
    assert_eq!(cells(&source), [["Zoë"], ["😀"]]);
    let mut rows = source.rows().unwrap();
    while rows.read(&mut Row::default()).unwrap() {}
    assert_eq!(rows.position(), source.size_hint());
    let (_folder, source) = jsonl("{\"a\":1}\r{\"a\":2}\r");
    assert_eq!(cells(&source), [["#1"], ["#2"]]);
    let folder = Folder::new();
    let options = ReadOptions { encoding: Some("windows-1252".into()), ..ReadOptions::default() };
    assert!(refused(&folder.file("b.jsonl", "{}"), &options).contains("JSON Lines are UTF-8"));
}

#[test]
fn the_content_tells_json_lines_from_tables_and_documents() {
    let folder = Folder::new();
    let source = open(&folder.file("a.csv", "{\"a\":1,\"b\":2}\n{\"a\":3}\n")).unwrap();
    assert!(told(&source).contains("the content is JSON Lines"), "{}", told(&source));
    assert_eq!(cells(&source), [["#1", "#2"], ["#3", ""]]);
    let as_csv = ReadOptions { format: Some(Format::Csv), ..ReadOptions::default() };
    let document = refused(&folder.file("b.json", "[\n  {\"a\": 1}\n]\n"), &ReadOptions::default());
    assert!(document.contains("one JSON document"), "{document}");
    let pretty = refused(&folder.file("c.json", "{\n  \"a\": 1\n}\n"), &ReadOptions::default());
    assert!(pretty.contains("one JSON document"), "{pretty}");
    let lines = Source::open(&folder.file("d.csv", "{x};b\n1;2\n"), &as_csv).unwrap();
    assert_eq!(names(&lines), ["{x}", "b"]);
    let none = refused(&folder.file("e.jsonl", "a,b\n1,2\n"), &ReadOptions::default());
    assert!(none.contains("no line of this file is a JSON object"), "{none}");
    for blank in ["", "\n\n", "\u{FEFF}", "{}\n"] {
        let source = open(&folder.file("f.jsonl", blank)).unwrap();
        assert_eq!((names(&source).len(), cells(&source).len()), (0, 0), "{blank:?}");
    }
}

#[test]
fn too_many_keys_and_endless_lines_stop_the_reading() {
    let folder = Folder::new();
    let lines: String = (0..2001).map(|at| format!("{{\"k{at}\":1}}\n")).collect();
    let told = refused(&folder.file("a.jsonl", lines), &ReadOptions::default());
    assert!(told.contains("more than 2000 different keys"), "{told}");
    let long = format!("{{\"a\":1}}\n{{\"a\":\"{}", "x".repeat(5 * 1024 * 1024));
    let told = refused(&folder.file("b.jsonl", long), &ReadOptions::default());
    assert!(told.contains("line 2: this line is longer than 4 MiB"), "{told}");
}

const MARK: Mark<'_> = Mark { row: 1, run: "run-1", status: "rejected", code: "lookup", errors: "a \"b\"" };
const TAIL: &str =
    "\"_run\":\"run-1\",\"_status\":\"rejected\",\"_code\":\"lookup\",\"_errors\":\"a \\\"b\\\"\"}";

/// Writes all rows as rejects.
fn reject(source: &Source, folder: &Folder) -> PathBuf {
    let mut rejects = RejectWriter::create(folder.0.path(), "rejects", source.dialect(), true).unwrap();
    for row in read(source).unwrap() {
        rejects.write(&row.kept, &Mark { row: row.number, ..MARK }).unwrap();
    }
    rejects.finish().unwrap()
}

#[test]
fn rejects_are_the_objects_as_they_were_with_the_marks_inside() {
    let (folder, source) = jsonl("{ \"b\" : 1.50, \"a\":\"Z\\u00eb\" }\r\n{}\r\n[1, 2]\r\n{\"a\":\"é\"}\r\n");
    let path = reject(&source, &folder);
    assert_eq!(path.file_name().unwrap(), "rejects.jsonl");
    let written = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = written.split("\r\n").collect();
    assert_eq!(lines[0], format!("{{ \"b\" : 1.50, \"a\":\"Z\\u00eb\" ,\"_row\":1,{TAIL}"));
    assert_eq!(lines[1], format!("{{\"_raw\":\"[1, 2]\",\"_row\":3,{TAIL}"));
    assert_eq!(lines[2], format!("{{\"a\":\"\u{e9}\",\"_row\":4,{TAIL}"));
}

#[test]
fn a_reject_file_fed_back_gives_the_same_rows_and_marks_anew() {
    let (folder, source) = jsonl("{\"a\":1,\"b\":[true]}\n[1]\n{\"_ROW\":5,\"a\":2,\"_errors\":\"old\"}\n");
    let path = reject(&source, &folder);
    let first = std::fs::read_to_string(&path).unwrap();
    assert!(first.ends_with(&format!("{{\"a\":2,\"_row\":3,{TAIL}\n")), "{first}");
    let again = open(&path).unwrap();
    let rows = read(&again).unwrap();
    assert_eq!(rows[0].cells[..2], ["#1", "[true]"]);
    assert!(rows[1].fault.contains("still holds the rejected line \\\"[1]\\\""), "{}", rows[1].fault);
    let other = Folder::new();
    let second = std::fs::read_to_string(reject(&again, &other)).unwrap();
    assert_eq!(second, first);
}

#[test]
fn rejects_have_every_column_of_their_source() {
    // The rejected line lacks a key that an accepted one had.
    let (folder, source) = jsonl("{\"a\":1,\"b\":2,\"c\":3}\n{\"a\":4}\n{\"b\":5}\n[6]\n");
    let rows = read(&source).unwrap();
    let rejected = |at: &[usize]| {
        let mut rejects = RejectWriter::create(folder.0.path(), "r", source.dialect(), true).unwrap();
        at.iter().for_each(|&at| rejects.write(&rows[at].kept, &MARK).unwrap());
        open(&rejects.finish().unwrap()).unwrap()
    };
    let back = rejected(&[1, 2]);
    assert_eq!(names(&back)[..3], ["a", "b", "c"]);
    assert_eq!(
        cells(&back).iter().map(|row| row[..3].to_vec()).collect::<Vec<_>>(),
        [["#4", "", ""], ["", "#5", ""]]
    );
    // Nor are they lost where no rejected line is an object.
    let back = rejected(&[3]);
    assert_eq!(names(&back)[..3], ["a", "b", "c"]);
    assert!(read(&back).unwrap()[0].fault.contains("still holds the rejected line \\\"[6]\\\""));
    let text = std::fs::read_to_string(folder.path("r.jsonl")).unwrap();
    assert!(text.starts_with("{\"_raw\":\"[6]\",\"a\":null,\"b\":null,\"c\":null,\"_row\":1,"), "{text}");
    let other = Folder::new();
    assert_eq!(std::fs::read_to_string(reject(&back, &other)).unwrap(), text);
    // Whatever the file is called, its content tells what it is.
    assert_eq!(open(&folder.file("a.txt", text)).unwrap().dialect().format, Format::Jsonl);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_read_or_refused_without_a_crash(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let folder = Folder::new();
        let lines = [&b"{\"a\":1}\n"[..], &bytes].concat();
        if let Ok(source) = open(&folder.file("a.jsonl", lines)) {
            let _ = read(&source);
        }
    }

    #[test]
    fn rejects_fed_back_hold_the_same_values(
        rows in prop::collection::vec(("[ a-z\"\\\\\n\té😀]{0,6}", any::<i64>(), any::<Option<bool>>()), 1..6),
    ) {
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let flag = |flag: &Option<bool>| flag.map_or("null".to_owned(), |flag| flag.to_string());
        let lines: String = rows.iter()
            .map(|(a, b, c)| format!("{{\"a\":{},\"b\":{b},\"c\":{}}}\n", text(a), flag(c))).collect();
        let (folder, source) = jsonl(lines);
        let again = open(&reject(&source, &folder)).unwrap();
        let first = cells(&source);
        let back: Vec<Vec<String>> = cells(&again).into_iter().map(|row| row[..3].to_vec()).collect();
        prop_assert_eq!(first, back);
    }
}
