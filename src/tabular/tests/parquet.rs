//! Parquet files that were written, read back by the library's own reader.

use std::fs::File;
use std::path::Path;

use ::parquet::file::reader::{FileReader, SerializedFileReader};

use super::super::{Output, parquet_writer};
use super::*;
use crate::model::{Field, FieldKind, Notice, Number, Value};

fn num(text: &str) -> Value {
    Value::Number(Number::parse(text).unwrap())
}

fn fields() -> Vec<Field> {
    vec![
        Field::new("id", FieldKind::Number),
        Field::new("addresscounty/state", FieldKind::Text),
        Field { decimals: Some(2), ..Field::new("annualvalue", FieldKind::Currency) },
        Field::new("2yearpolicy", FieldKind::Checkbox),
        Field::new("since", FieldKind::Date),
        Field::new("modifieddate", FieldKind::DateTime),
    ]
}

fn written(path: &Path, fields: &[Field], records: impl Iterator<Item = Vec<Value>>) -> Vec<Notice> {
    let mut writer = parquet_writer(Output::create(path, false).unwrap(), "accounts", fields).unwrap();
    records.for_each(|record| writer.write(&record).unwrap());
    assert!(!path.exists());
    writer.finish().unwrap()
}

fn reader(path: &Path) -> SerializedFileReader<File> {
    SerializedFileReader::new(File::open(path).unwrap()).unwrap()
}

/// Each record as the library shows it.
fn rows(path: &Path) -> Vec<String> {
    reader(path).get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect()
}

#[test]
fn columns_have_the_dictionarys_types() {
    let folder = Folder::new();
    let path = folder.path("accounts.parquet");
    let record = vec![
        num("7"),
        "007".into(),
        num("-1200.5"),
        Value::Bool(true),
        "2026-01-31".into(),
        "2026-01-31 08:00:00".into(),
    ];
    assert!(written(&path, &fields(), [record, vec![num("8"), "".into()]].into_iter()).is_empty());
    let mut schema = Vec::new();
    ::parquet::schema::printer::print_schema(&mut schema, reader(&path).metadata().file_metadata().schema());
    assert_eq!(
        String::from_utf8(schema).unwrap(),
        "message schema {\n  OPTIONAL INT64 id;\n  OPTIONAL BYTE_ARRAY addresscounty/state (STRING);\n  \
         OPTIONAL FIXED_LEN_BYTE_ARRAY (16) annualvalue (DECIMAL(38,2));\n  OPTIONAL BOOLEAN 2yearpolicy;\n  \
         OPTIONAL INT32 since (DATE);\n  OPTIONAL INT64 modifieddate (TIMESTAMP(MICROS,false));\n  \
         OPTIONAL BYTE_ARRAY _rest (STRING);\n}\n"
    );
    // The reader shows a zone whatever the type says.
    assert_eq!(
        rows(&path),
        [
            "{id: 7, addresscounty/state: \"007\", annualvalue: -1200.50, 2yearpolicy: true, since: 2026-01-31, modifieddate: 2026-01-31 08:00:00.000000 +00:00, _rest: null}",
            "{id: 8, addresscounty/state: \"\", annualvalue: null, 2yearpolicy: null, since: null, modifieddate: null, _rest: null}",
        ]
    );
}

#[test]
fn what_does_not_fit_its_type_stands_beside_it() {
    let folder = Folder::new();
    let path = folder.path("accounts.parquet");
    let odd = vec!["new".into(), num("1"), num("0.005"), "maybe".into(), "soon".into(), "0000-00-00".into()];
    let notices = written(&path, &fields(), [odd].into_iter());
    assert_eq!(
        rows(&path),
        [
            r#"{id: null, addresscounty/state: "1", annualvalue: null, 2yearpolicy: null, since: null, modifieddate: null, _rest: "{"id":"new","annualvalue":0.005,"2yearpolicy":"maybe","since":"soon","modifieddate":"0000-00-00"}"}"#
        ]
    );
    assert!(notices[0].0.contains("5 values do not fit"), "{notices:?}");
}

#[test]
fn row_groups_are_bounded_by_records_and_by_bytes() {
    let folder = Folder::new();
    let path = folder.path("many.parquet");
    let names = vec![Field::new("id", FieldKind::Number), Field::new("notes", FieldKind::Memo)];
    let long = "x".repeat(1 << 20);
    let records = (0_i64..40_100)
        .map(|id| vec![id.into(), if id >= 40_000 { long.as_str().into() } else { Value::Null }]);
    written(&path, &names, records);
    let read = reader(&path);
    let groups: Vec<i64> = read
        .metadata()
        .row_groups()
        .iter()
        .map(::parquet::file::metadata::RowGroupMetaData::num_rows)
        .collect();
    assert_eq!(groups, [20_000, 20_000, 12, 12, 12, 12, 12, 12, 12, 12, 4]);
    let ids = rows(&path).into_iter().map(|row| row[5..row.find(',').unwrap()].parse::<usize>().unwrap());
    assert!(ids.eq(0..40_100));
}

#[test]
fn an_export_without_records_has_its_columns() {
    let folder = Folder::new();
    let path = folder.path("none.parquet");
    written(&path, &fields(), std::iter::empty());
    let metadata = reader(&path);
    assert_eq!(metadata.metadata().file_metadata().num_rows(), 0);
    assert_eq!(metadata.metadata().file_metadata().schema_descr().num_columns(), 7);
}

#[test]
fn a_record_with_too_many_values_is_an_error_and_leaves_no_file() {
    let folder = Folder::new();
    let path = folder.path("none.parquet");
    let mut writer = parquet_writer(Output::create(&path, false).unwrap(), "accounts", &fields()).unwrap();
    assert!(writer.write(&vec![Value::Null; 7]).unwrap_err().to_string().contains("7 values for 6 fields"));
    drop(writer);
    assert_eq!(std::fs::read_dir(folder.0.path()).unwrap().count(), 0);
}

#[test]
fn each_row_group_tells_its_lowest_and_highest_values() {
    let folder = Folder::new();
    let path = folder.path("accounts.parquet");
    let values = [("Zoë", "-0.05"), ("", "-1200.50"), ("Ann", "99999.99"), ("Ännchen", "7")];
    let records = (1..).zip(values).map(|(id, (name, value))| {
        vec![num(&id.to_string()), name.into(), num(value), Value::Bool(id > 2), "2026-01-31".into()]
    });
    written(&path, &fields(), records);
    let reader = reader(&path);
    let ends = |column: usize| {
        let told = reader.metadata().row_group(0).column(column).statistics().unwrap();
        [told.min_bytes_opt().unwrap().to_vec(), told.max_bytes_opt().unwrap().to_vec()]
    };
    assert_eq!(ends(0), [1_i64, 4].map(|id| id.to_le_bytes().to_vec()));
    assert_eq!(ends(1), ["", "Ännchen"].map(|text| text.as_bytes().to_vec()));
    assert_eq!(ends(2), [-120_050_i128, 9_999_999].map(|number| number.to_be_bytes().to_vec()));
    let nulls =
        |column: usize| reader.metadata().row_group(0).column(column).statistics().unwrap().null_count_opt();
    assert_eq!((nulls(4), nulls(5)), (Some(0), Some(4)));
}
