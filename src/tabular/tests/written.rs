use std::io::Write as _;

use proptest::prelude::*;

use super::super::{
    CsvOptions, Output, RecordWriter, TextTarget, XlsxBook, csv_writer, jsonl_writer, xlsx_writer,
};
use super::*;
use crate::model::{Field, FieldKind, Number, Value, unguard};

fn fields(kinds: &[(&str, FieldKind)]) -> Vec<Field> {
    kinds.iter().map(|(name, kind)| Field::new(*name, kind.clone())).collect()
}

fn texts(names: &[&str]) -> Vec<Field> {
    names.iter().map(|name| Field::new(*name, FieldKind::Text)).collect()
}

fn num(text: &str) -> Value {
    Value::Number(Number::parse(text).unwrap())
}

fn stream(make: impl FnOnce(TextTarget<'_>) -> Box<dyn RecordWriter + '_>, records: &[Vec<Value>]) -> String {
    let mut out = Vec::new();
    let mut writer = make(TextTarget::stream(&mut out, "standard output"));
    for record in records {
        writer.write(record).unwrap();
    }
    writer.finish().unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn csv_is_plain_and_guarded() {
    let fields = texts(&["id", "addresscounty/state", "note"]);
    let records = [
        vec![num("1"), "=1+1".into(), "a \"b\",\nc".into()],
        vec![num("-2"), Value::Null, "-5.00".into()],
        vec![num("3"), Value::Bool(true), "+44 (0)20 1".into()],
        vec![num("4")],
    ];
    let plain = |options| stream(|target| csv_writer(target, &fields, options).unwrap(), &records);
    assert_eq!(
        plain(CsvOptions::default()),
        "id,addresscounty/state,note\n1,'=1+1,\"a \"\"b\"\",\nc\"\n-2,,-5.00\n3,1,+44 (0)20 1\n4,,\n"
    );
    assert!(plain(CsvOptions { guard: false, ..CsvOptions::default() }).contains("\n1,=1+1,"));
    assert!(plain(CsvOptions { excel: true, ..CsvOptions::default() }).starts_with("\u{FEFF}id,"));
}

#[test]
fn json_lines_are_exact() {
    let fields = texts(&["id", "a/b\"", "lines"]);
    let records = [
        vec![num("12345678901234567890"), "ü\n".into(), Value::Json("[{\"x\": 1.50}]".into())],
        vec![num("0.1"), Value::Null],
    ];
    assert_eq!(
        stream(|target| jsonl_writer(target, &fields).unwrap(), &records),
        "{\"id\":12345678901234567890,\"a/b\\\"\":\"ü\\n\",\"lines\":[{\"x\": 1.50}]}\n\
         {\"id\":0.1,\"a/b\\\"\":null,\"lines\":null}\n"
    );
}

#[test]
fn a_record_with_too_many_values_is_an_error() {
    let mut writer =
        csv_writer(TextTarget::stream(std::io::sink(), "out"), &texts(&["a"]), CsvOptions::default())
            .unwrap();
    assert!(
        writer.write(&[Value::Null, Value::Null]).unwrap_err().to_string().contains("2 values for 1 fields")
    );
}

#[test]
fn a_stream_that_breaks_is_told() {
    struct Broken;
    impl std::io::Write for Broken {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("full"))
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let writer = jsonl_writer(TextTarget::stream(Broken, "standard output"), &texts(&["a"])).unwrap();
    let mut writer = writer;
    writer.write(&[Value::Null]).unwrap();
    assert!(writer.finish().unwrap_err().to_string().contains("standard output: the file cannot be written"));
}

#[test]
fn a_csv_file_appears_when_finished() {
    let folder = Folder::new();
    let path = folder.path("out.csv");
    let output = Output::create(&path, false).unwrap();
    let mut writer = csv_writer(output, &texts(&["id"]), CsvOptions::default()).unwrap();
    writer.write(&[num("1")]).unwrap();
    assert!(!path.exists());
    writer.finish().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"id\n1\n");
}

fn all_kinds() -> Vec<Field> {
    fields(&[
        ("id", FieldKind::Number),
        ("name", FieldKind::Text),
        ("value", FieldKind::Currency),
        ("since", FieldKind::Date),
        ("modifieddate", FieldKind::DateTime),
        ("hold", FieldKind::Checkbox),
        ("notes", FieldKind::Memo),
    ])
}

#[test]
fn workbooks_have_typed_cells_and_no_formulas() {
    let folder = Folder::new();
    let path = folder.path("out.xlsx");
    let mut writer = xlsx_writer(Output::create(&path, false).unwrap(), "accounts", &all_kinds()).unwrap();
    writer
        .write(&[
            num("7"),
            "=1+1".into(),
            num("1200.5"),
            "2023-07-16".into(),
            "2023-07-16 12:30:00".into(),
            "1".into(),
            "+44 20".into(),
        ])
        .unwrap();
    writer
        .write(&[
            num("12345678901234567890"),
            "0044".into(),
            "abc".into(),
            "0000-00-00".into(),
            Value::Null,
            Value::Bool(false),
            Value::Json("[1]".into()),
        ])
        .unwrap();
    assert!(writer.finish().unwrap().is_empty());
    let source = open(&path).unwrap();
    assert_eq!(source.header().sheet.as_deref(), Some("accounts"));
    assert_eq!(names(&source), ["id", "name", "value", "since", "modifieddate", "hold", "notes"]);
    let want = [
        ["#7", "=1+1", "#1200.5", "@2023-07-16T00:00:00", "@2023-07-16T12:30:00", "#1", "+44 20"],
        ["12345678901234567890", "0044", "abc", "0000-00-00", "", "#0", "[1]"],
    ];
    assert_eq!(cells(&source), want);
}

#[test]
fn a_workbook_depends_on_its_records_alone() {
    let folder = Folder::new();
    let make = |name: &str| {
        let mut writer =
            xlsx_writer(Output::create(&folder.path(name), false).unwrap(), "accounts", &all_kinds())
                .unwrap();
        writer.write(&[num("1"), "A".into()]).unwrap();
        writer.finish().unwrap();
        std::fs::read(folder.path(name)).unwrap()
    };
    assert_eq!(make("a.xlsx"), make("b.xlsx"));
}

#[test]
fn texts_that_no_cell_takes_are_cut_and_counted() {
    let folder = Folder::new();
    let path = folder.path("out.xlsx");
    let mut writer = xlsx_writer(Output::create(&path, false).unwrap(), "accounts", &texts(&["a"])).unwrap();
    writer.write(&["x".repeat(40_000).as_str().into()]).unwrap();
    let notices = writer.finish().unwrap();
    assert!(notices[0].0.starts_with("1 text(s) are longer than the 32767"), "{notices:?}");
    assert_eq!(cells(&open(&path).unwrap())[0][0].len(), 32_767);
}

#[test]
fn several_objects_go_to_several_sheets_and_many_records_to_further_ones() {
    let folder = Folder::new();
    let path = folder.path("out.xlsx");
    let mut book = XlsxBook::create(Output::create(&path, false).unwrap()).unwrap();
    book.records_a_sheet = 2;
    for object in ["accounts", "contacts"] {
        let mut sheet = book.sheet(object, &texts(&["id"])).unwrap();
        for id in 1..=5 {
            sheet.write(&[Value::from(id)]).unwrap();
        }
        sheet.finish().unwrap();
    }
    book.finish().unwrap();
    let of = |sheet: &str| {
        let choice = Some(super::super::SheetChoice::Name(sheet.into()));
        cells(&Source::open(&path, &ReadOptions { sheet: choice, ..ReadOptions::default() }).unwrap())
            .concat()
    };
    assert_eq!(of("accounts"), ["1", "2"]);
    assert_eq!(of("accounts (2)"), ["3", "4"]);
    assert_eq!(of("contacts (3)"), ["5"]);
}

#[test]
fn an_empty_export_is_a_header() {
    let folder = Folder::new();
    let path = folder.path("out.xlsx");
    xlsx_writer(Output::create(&path, false).unwrap(), "accounts", &all_kinds()).unwrap().finish().unwrap();
    assert_eq!(names(&open(&path).unwrap()).len(), 7);
    let mut half = Output::create(&folder.path("half"), false).unwrap();
    half.write_all(b"x").unwrap();
    drop(half);
    assert_eq!(std::fs::read_dir(folder.0.path()).unwrap().count(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_table_of_texts_comes_back_from_a_csv(
        rows in prop::collection::vec(prop::collection::vec("[ a-z\"',;|\t=+@\r\n0-9é😀-]{0,8}", 3), 0..12),
        excel in any::<bool>(),
    ) {
        let folder = Folder::new();
        let path = folder.path("out.csv");
        let names = texts(&["id", "a", "b", "c"]);
        let output = Output::create(&path, false).unwrap();
        let mut writer = csv_writer(output, &names, CsvOptions { excel, guard: true }).unwrap();
        for (id, row) in rows.iter().enumerate() {
            let mut values = vec![Value::from(id as i64 + 1)];
            values.extend(row.iter().map(|text| Value::from(text.as_str())));
            writer.write(&values).unwrap();
        }
        writer.finish().unwrap();
        let back: Vec<Vec<String>> = cells(&open(&path).unwrap()).into_iter().map(|row| {
            row.iter().skip(1).map(|cell| unguard(cell).unwrap_or(cell).to_owned()).collect()
        }).collect();
        prop_assert_eq!(back, rows);
    }
}
