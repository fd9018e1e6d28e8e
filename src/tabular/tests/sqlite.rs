//! Databases that were written, read back with SQLite.

use std::path::Path;

use proptest::prelude::*;
use rusqlite::Connection;

use super::super::{Output, SqliteFile};
use super::*;
use crate::model::{Field, FieldKind, Notice, Number, Value};

fn num(text: &str) -> Value {
    Value::Number(Number::parse(text).unwrap())
}

fn of_decimals(name: &str, kind: FieldKind, decimals: u32) -> Field {
    Field { decimals: Some(decimals), ..Field::new(name, kind) }
}

fn fields() -> Vec<Field> {
    vec![
        Field::new("id", FieldKind::Number),
        Field::new("addresscounty/state", FieldKind::Text),
        of_decimals("ownerid", FieldKind::Number, 0),
        of_decimals("annualvalue", FieldKind::Currency, 2),
        Field::new("2yearpolicy", FieldKind::Checkbox),
        Field::new("since", FieldKind::Date),
        Field::new("modifieddate", FieldKind::DateTime),
    ]
}

fn record() -> Vec<Value> {
    vec![
        num("7"),
        "007".into(),
        num("90505"),
        num("1200.5"),
        Value::Bool(true),
        "2026-01-31".into(),
        "2026-01-31 08:00:00".into(),
    ]
}

fn fill(file: &SqliteFile, object: &str, fields: &[Field], records: &[Vec<Value>]) -> Vec<Notice> {
    let mut table = file.table(object, fields).unwrap();
    records.iter().for_each(|record| table.write(record).unwrap());
    table.finish().unwrap()
}

fn create(path: &Path) -> SqliteFile {
    SqliteFile::create(Output::create(path, false).unwrap()).unwrap()
}

fn written(path: &Path, object: &str, fields: &[Field], records: &[Vec<Value>]) -> Vec<Notice> {
    let file = create(path);
    let notices = fill(&file, object, fields, records);
    file.finish().unwrap();
    notices
}

fn updated(path: &Path, object: &str, fields: &[Field], records: &[Vec<Value>]) -> Vec<Notice> {
    let file = SqliteFile::update(path).unwrap();
    let notices = fill(&file, object, fields, records);
    file.finish().unwrap();
    notices
}

/// Each row as its values with their types, as SQLite writes them.
fn rows(path: &Path, sql: &str) -> Vec<String> {
    let db = Connection::open(path).unwrap();
    let mut statement = db.prepare(sql).unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| {
        let cells = (0..columns).map(|at| match row.get_ref(at).unwrap() {
            rusqlite::types::ValueRef::Null => "-".to_owned(),
            rusqlite::types::ValueRef::Integer(number) => format!("i{number}"),
            rusqlite::types::ValueRef::Real(number) => format!("r{number}"),
            rusqlite::types::ValueRef::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
            rusqlite::types::ValueRef::Blob(_) => panic!("a blob"),
        });
        Ok(cells.collect::<Vec<_>>().join("|"))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

fn names_in(folder: &Folder) -> Vec<String> {
    let entries = std::fs::read_dir(folder.0.path()).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_table_has_typed_columns_a_key_and_indexes() {
    let folder = Folder::new();
    let path = folder.path("crm.sqlite");
    let notices = written(&path, "accounts", &fields(), &[record()]);
    assert!(notices.is_empty(), "{notices:?}");
    assert_eq!(
        rows(&path, "SELECT name, type, pk FROM pragma_table_info('accounts')"),
        [
            "id|INTEGER|i1",
            "addresscounty/state|TEXT|i0",
            "ownerid|INTEGER|i0",
            "annualvalue|TEXT|i0",
            "2yearpolicy|INTEGER|i0",
            "since|TEXT|i0",
            "modifieddate|TEXT|i0",
            "_rest|TEXT|i0"
        ]
    );
    assert_eq!(
        rows(&path, "SELECT * FROM accounts"),
        ["i7|007|i90505|1200.5|i1|2026-01-31|2026-01-31 08:00:00|-"]
    );
    assert_eq!(
        rows(&path, "SELECT name FROM sqlite_schema WHERE type = 'index'"),
        ["carafe_accounts_ownerid"]
    );
    assert_eq!(rows(&path, "PRAGMA integrity_check"), ["ok"]);
    assert_eq!(names_in(&folder), ["crm.sqlite"]);
}

#[test]
fn what_a_number_column_would_change_stands_beside_it() {
    let folder = Folder::new();
    let path = folder.path("crm.sqlite");
    let odd = |id, owner: Value, value: Value, flag: Value| {
        vec![Value::from(id), Value::Null, owner, value, flag, "soon".into(), "0000-00-00".into()]
    };
    let records = [
        odd(1, "007".into(), num("12345678901234.567"), "maybe".into()),
        odd(2, num("12345678901234567890"), num("-0.1"), num("0")),
        odd(3, num("2.5"), "1e3".into(), Value::Null),
        odd(4, "".into(), num("9007199254740993"), num("2")),
    ];
    let notices = written(&path, "accounts", &fields(), &records);
    assert_eq!(
        rows(
            &path,
            "SELECT id, ownerid, annualvalue, \"2yearpolicy\", since, modifieddate, _rest FROM accounts"
        ),
        [
            r#"i1|-|12345678901234.567|-|soon|0000-00-00|{"ownerid":"007","2yearpolicy":"maybe"}"#,
            r#"i2|-|-0.1|i0|soon|0000-00-00|{"ownerid":12345678901234567890}"#,
            r#"i3|-|1e3|-|soon|0000-00-00|{"ownerid":2.5}"#,
            r#"i4|-|9007199254740993|-|soon|0000-00-00|{"2yearpolicy":2}"#,
        ]
    );
    assert_eq!(
        notices[0].0,
        "accounts: 5 values do not fit the type of the field, which is empty there; \
         the column _rest has them as JSON (ownerid, 2yearpolicy)"
    );
}

#[test]
fn several_objects_share_a_file_and_two_are_written_at_once() {
    let folder = Folder::new();
    let path = folder.path("crm.db");
    let file = create(&path);
    let mut one = file.table("accounts", &fields()).unwrap();
    let mut two = file.table("odd \"name\"", &[Field::new("id", FieldKind::Number)]).unwrap();
    one.write(&record()).unwrap();
    two.write(&[num("1")]).unwrap();
    one.write(&[num("8")]).unwrap();
    assert!(one.write(&vec![Value::Null; 8]).is_err());
    assert!(one.write(&[Value::Null]).unwrap_err().to_string().contains("no whole number as id"));
    one.finish().unwrap();
    two.finish().unwrap();
    assert!(!path.exists());
    file.finish().unwrap();
    assert_eq!(rows(&path, "SELECT id FROM accounts ORDER BY id"), ["i7", "i8"]);
    assert_eq!(rows(&path, "SELECT id FROM \"odd \"\"name\"\"\""), ["i1"]);
}

#[test]
fn a_record_that_comes_twice_is_told() {
    let folder = Folder::new();
    let path = folder.path("crm.db");
    let notices = written(&path, "accounts", &fields(), &[record(), record()]);
    assert!(notices[0].0.contains("1 record came with an id that was there already"), "{notices:?}");
    assert_eq!(rows(&path, "SELECT count(*) FROM accounts"), ["i1"]);
}

#[test]
fn a_database_is_brought_up_to_date_by_id() {
    let folder = Folder::new();
    let path = folder.path("crm.db");
    written(&path, "accounts", &fields(), &[record(), vec![num("8"), "Kent".into(), num("1")]]);
    Connection::open(&path)
        .unwrap()
        .execute_batch(
            "CREATE TABLE mine (x); INSERT INTO mine VALUES ('kept'); CREATE VIEW v AS SELECT * FROM mine;",
        )
        .unwrap();
    // Fields came and went: `since` is no longer exported, `vip` is new.
    let mut now = fields();
    now.retain(|field| field.name != "since");
    now.push(Field::new("vip", FieldKind::Checkbox));
    let change = vec![num("7"), "Surrey".into(), num("2"), num("3"), num("0"), Value::Null, num("1")];
    let notices = updated(&path, "accounts", &now, &[change, vec![num("9")]]);
    assert!(notices.is_empty());
    assert_eq!(
        rows(
            &path,
            "SELECT id, \"addresscounty/state\", ownerid, annualvalue, since, modifieddate, vip FROM accounts"
        ),
        ["i7|Surrey|i2|3|2026-01-31|-|i1", "i8|Kent|i1|-|-|-|-", "i9|-|-|-|-|-|-"]
    );
    assert_eq!(rows(&path, "SELECT x FROM v"), ["kept"]);
    assert_eq!(names_in(&folder), ["crm.db"]);
}

#[test]
fn the_first_time_there_is_nothing_to_bring_up_to_date() {
    let folder = Folder::new();
    let path = folder.path("crm.db");
    updated(&path, "accounts", &fields(), &[record()]);
    updated(&path, "accounts", &fields(), &[record()]);
    updated(&path, "contacts", &fields(), &[record()]);
    assert_eq!(
        rows(&path, "SELECT (SELECT count(*) FROM accounts), (SELECT count(*) FROM contacts)"),
        ["i1|i1"]
    );
}

#[test]
fn a_field_that_changed_its_type_keeps_its_column() {
    let folder = Folder::new();
    let path = folder.path("crm.db");
    let of = |kind| vec![Field::new("id", FieldKind::Number), of_decimals("code", kind, 0)];
    written(&path, "accounts", &of(FieldKind::Number), &[vec![num("1"), num("7")]]);
    updated(
        &path,
        "accounts",
        &of(FieldKind::Text),
        &[vec![num("2"), "007".into()], vec![num("3"), "8".into()]],
    );
    assert_eq!(rows(&path, "SELECT * FROM accounts"), ["i1|i7|-", "i2|-|{\"code\":\"007\"}", "i3|i8|-"]);
}

#[test]
fn an_update_that_is_not_finished_changes_nothing() {
    let folder = Folder::new();
    let path = folder.path("crm.db");
    written(&path, "accounts", &fields(), &[record()]);
    let before = std::fs::read(&path).unwrap();
    let file = SqliteFile::update(&path).unwrap();
    fill(&file, "accounts", &fields(), &[vec![num("8")]]);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    drop(file);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(names_in(&folder), ["crm.db"]);
}

#[test]
fn a_write_ahead_log_is_brought_along_and_none_is_left() {
    let folder = Folder::new();
    let path = folder.path("crm.db");
    written(&path, "accounts", &fields(), &[record()]);
    let other = Connection::open(&path).unwrap();
    other.query_row("PRAGMA journal_mode=WAL", [], |_| Ok(())).unwrap();
    other.execute_batch("CREATE TABLE mine (x); INSERT INTO mine VALUES (1)").unwrap();
    // Its log would be played into the new file.
    let file = SqliteFile::update(&path).unwrap();
    let told = file.finish().unwrap_err().to_string();
    assert!(told.contains("another program has this database open") && told.contains("crm.db-wal"), "{told}");
    let output = Output::create(&path, true).unwrap();
    assert!(SqliteFile::create(output).unwrap().finish().is_err());
    drop(other);
    updated(&path, "accounts", &fields(), &[vec![num("8")]]);
    assert_eq!(rows(&path, "SELECT (SELECT count(*) FROM accounts), x FROM mine"), ["i2|i1"]);
    assert_eq!(names_in(&folder), ["crm.db"]);
}

#[test]
fn a_change_by_another_program_is_not_written_over() {
    let folder = Folder::new();
    let path = folder.path("crm.db");
    written(&path, "accounts", &fields(), &[record()]);
    let file = SqliteFile::update(&path).unwrap();
    let bulk = "x".repeat(20_000);
    Connection::open(&path)
        .unwrap()
        .execute_batch(&format!("CREATE TABLE mine (x); INSERT INTO mine VALUES ('{bulk}')"))
        .unwrap();
    assert!(file.finish().unwrap_err().to_string().contains("changed this database meanwhile"));
    assert_eq!(rows(&path, "SELECT count(*) FROM mine"), ["i1"]);
}

#[test]
fn what_is_not_ours_is_refused_and_stays() {
    let folder = Folder::new();
    let text = folder.file("text.db", "precious, and longer than a header of a hundred bytes".repeat(40));
    assert!(SqliteFile::update(&text).err().unwrap().to_string().contains("not a SQLite database"));
    assert!(std::fs::read_to_string(&text).unwrap().starts_with("precious"));

    let path = folder.path("theirs.db");
    let theirs = "CREATE TABLE accounts (name TEXT); CREATE VIEW contacts AS SELECT 1 AS id;
         CREATE TABLE users (id INTEGER PRIMARY KEY, since REAL)";
    Connection::open(&path).unwrap().execute_batch(theirs).unwrap();
    let file = SqliteFile::update(&path).unwrap();
    for (object, words) in [
        ("accounts", "its table accounts has no INTEGER PRIMARY KEY named id"),
        ("contacts", "its view contacts has no INTEGER PRIMARY KEY named id"),
        ("users", "its table users has a column since of type \"REAL\""),
    ] {
        let told = file.table(object, &fields()).err().unwrap().to_string();
        assert!(told.contains(words), "{told}");
    }
    let alike = ["id", "Name", "name"].map(|name| Field::new(name, FieldKind::Text));
    assert!(file.table("new", &alike).err().unwrap().to_string().contains("fields Name and name apart"));
}

#[cfg(unix)]
#[test]
fn whoever_could_read_the_database_still_can() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let path = folder.path("crm.db");
    written(&path, "accounts", &fields(), &[record()]);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    updated(&path, "accounts", &fields(), &[record()]);
    assert_eq!(mode(&path), 0o640);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn each_value_comes_back_digit_by_digit(
        values in prop::collection::vec("-?(0|[1-9][0-9]{0,17})([.][0-9]{0,6}[1-9])?|[0-9e+ .-]{2,6}|", 1..20),
    ) {
        let folder = Folder::new();
        let path = folder.path("crm.db");
        let fields = ["id", "value", "number"].map(|name| Field::new(name, FieldKind::Currency));
        let mut fields = fields.to_vec();
        fields[2].decimals = Some(0);
        let records: Vec<Vec<Value>> = values
            .iter()
            .zip(1_i64..)
            .map(|(value, id)| vec![id.into(), value.as_str().into(), value.as_str().into()])
            .collect();
        written(&path, "t", &fields, &records);
        let back = rows(&path, "SELECT value, number, json_extract(_rest, '$.number') FROM t");
        for (value, back) in values.iter().zip(back) {
            let cells: Vec<&str> = back.split('|').collect();
            match cells[..] {
                ["-", "-", "-"] => prop_assert_eq!(value, ""),
                [held, "-", beside] => prop_assert!(held == value && beside == value, "{}", back),
                [held, number, "-"] => {
                    let whole = Number::parse(value).unwrap();
                    prop_assert!(held == value && number == format!("i{whole}"), "{}", back);
                }
                _ => prop_assert!(false, "{}", back),
            }
        }
    }
}
