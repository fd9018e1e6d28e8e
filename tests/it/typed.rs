//! Exports whose columns have types: Parquet, SQLite, and the sheets of a workbook.

use std::fs::File;

use calamine::{Data, Reader, Xlsx, open_workbook};
use parquet::file::reader::{FileReader, SerializedFileReader};
use rusqlite::Connection;
use rusqlite::types::Value;
use serde_json::json;

use crate::support::{Crm, Desk};
use crate::tiny::{Reply, Tiny, accounts};

/// An account with a value of each type, and one without any.
const TYPED: &str = "name,phone,vip,inceptiondate,renewal,annualvalue,discount,employees,tags\n\
    Typed,0012345,yes,2024-02-29,2026-01-02 03:04:05,2000000000.11,0.10,12,Newsletter;Reference\n\
    Empty,,,,,,,,\n";

const COLUMNS: &str = "name,phone,vip,inceptiondate,renewal,annualvalue,discount,employees,tags";

fn with_typed_accounts() -> (Crm, Desk) {
    let (crm, desk) = (Crm::start(), Desk::with("new.csv", TYPED));
    crm.carafe(&desk, ["import", "new.csv", "--object", "accounts"]).ends_with(0);
    (crm, desk)
}

fn export_typed(crm: &Crm, desk: &Desk, out: &str) {
    let condition = "name in ('Typed', 'Empty')";
    crm.carafe(desk, ["export", "accounts", "-o", out, "--fields", COLUMNS, "--where", condition])
        .ends_with(0);
}

/// The rows of a query: values with a letter for their type, as SQLite stores them.
fn rows(desk: &Desk, file: &str, sql: &str) -> Vec<String> {
    let db = Connection::open(desk.path(file)).unwrap();
    let mut statement = db.prepare(sql).unwrap();
    let columns = statement.column_count();
    let told = |value: Value| match value {
        Value::Null => "-".to_owned(),
        Value::Integer(number) => format!("i{number}"),
        Value::Real(number) => format!("r{number}"),
        Value::Text(text) => format!("t{text}"),
        Value::Blob(_) => "b".to_owned(),
    };
    let row = |row: &rusqlite::Row<'_>| {
        Ok((0..columns).map(|at| told(row.get_unwrap(at))).collect::<Vec<_>>().join("|"))
    };
    statement.query_map([], row).unwrap().map(Result::unwrap).collect()
}

/// The schema's columns, and the records as the library shows them.
fn parquet(desk: &Desk, file: &str) -> (Vec<String>, Vec<String>) {
    let reader = SerializedFileReader::new(File::open(desk.path(file)).unwrap()).unwrap();
    let columns = reader.metadata().file_metadata().schema_descr().columns().iter().map(|column| {
        let logical = column.logical_type_ref().map(|logical| format!(" {logical:?}")).unwrap_or_default();
        format!("{} {:?}{logical}", column.name(), column.physical_type())
    });
    let columns = columns.collect();
    let records = reader.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
    (columns, records)
}

/// The cells of a sheet, and the sheets' names.
fn sheet(desk: &Desk, file: &str, name: &str) -> (Vec<Vec<Data>>, Vec<String>) {
    let mut book: Xlsx<_> = open_workbook(desk.path(file)).unwrap();
    let cells = book.worksheet_range(name).unwrap().rows().map(<[Data]>::to_vec).collect();
    (cells, book.sheet_names())
}

#[test]
fn a_database_has_the_types_of_the_dictionary_and_ids_as_keys() {
    let (crm, desk) = with_typed_accounts();
    export_typed(&crm, &desk, "a.sqlite");
    let values = rows(&desk, "a.sqlite", &format!("SELECT {COLUMNS}, _rest FROM accounts ORDER BY id"));
    assert_eq!(
        values,
        [
            "tTyped|t0012345|i1|t2024-02-29|t2026-01-02 03:04:05|t2000000000.11|t0.1|i12|tNewsletter;Reference|-",
            "tEmpty|-|-|-|-|-|-|-|-|-"
        ]
    );
    let declared =
        "SELECT name, type, pk FROM pragma_table_info('accounts') WHERE name IN ('id', 'phone', 'vip')";
    assert_eq!(rows(&desk, "a.sqlite", declared), ["tid|tINTEGER|i1", "tphone|tTEXT|i0", "tvip|tINTEGER|i0"]);
    assert_eq!(rows(&desk, "a.sqlite", "PRAGMA integrity_check"), ["tok"]);
}

#[test]
fn a_parquet_file_has_the_types_of_the_dictionary() {
    let (crm, desk) = with_typed_accounts();
    export_typed(&crm, &desk, "a.parquet");
    let (columns, records) = parquet(&desk, "a.parquet");
    for column in [
        "id INT64",
        "phone BYTE_ARRAY String",
        "vip BOOLEAN",
        "inceptiondate INT32 Date",
        "employees INT64",
        "_rest BYTE_ARRAY String",
    ] {
        assert!(columns.iter().any(|known| known == column), "{column} in {columns:?}");
    }
    let begins = |name: &str| columns.iter().find(|column| column.starts_with(name)).unwrap();
    assert!(begins("renewal ").contains("INT64 Timestamp"), "{}", begins("renewal "));
    assert!(begins("annualvalue ").contains("FIXED_LEN_BYTE_ARRAY Decimal"), "{}", begins("annualvalue "));
    assert_eq!(records.len(), 2);
    for value in [
        "phone: \"0012345\"",
        "vip: true",
        "inceptiondate: 2024-02-29",
        "renewal: 2026-01-02 03:04:05",
        "annualvalue: 2000000000.11",
        "discount: 0.10",
        "employees: 12",
        "_rest: null",
    ] {
        assert!(records[0].contains(value), "{value} in {}", records[0]);
    }
    assert!(records[1].contains("vip: null") && records[1].contains("annualvalue: null"), "{}", records[1]);
}

#[test]
fn a_value_that_its_column_cannot_hold_stands_beside_it_and_is_told() {
    let odd = [json!({ "id": 7, "name": "A", "2yearpolicy": "maybe" }), json!({ "id": 8, "name": "B" })];
    let (crm, desk) = (Tiny::serve(accounts(&odd)), Desk::new());
    let fields = ["--fields", "name,2yearpolicy"];
    for out in ["a.sqlite", "a.parquet"] {
        let arguments = ["export", "accounts", "-o", out].into_iter().chain(fields);
        let told = desk.carafe(arguments).at(&crm.address()).ends_with(0).stderr;
        assert!(told.contains("accounts: 1 value does not fit the type of the field"), "{told}");
    }
    let kept = rows(&desk, "a.sqlite", "SELECT id, \"2yearpolicy\", _rest FROM accounts");
    assert_eq!(kept, ["i7|-|t{\"2yearpolicy\":\"maybe\"}", "i8|-|-"]);
    assert!(parquet(&desk, "a.parquet").1[0].contains(r#"{"2yearpolicy":"maybe"}"#));
}

#[test]
fn lines_stand_on_a_second_sheet_with_their_opportunitys_id() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let done =
        crm.carafe(&desk, ["export", "opportunities", "-o", "o.xlsx", "--lines", "--json"]).ends_with(0);
    assert_eq!(
        done.json()["objects"],
        json!([{ "object": "opportunities", "records": 3, "file": "o.xlsx" },
               { "object": "opportunity_lines", "records": 4, "file": "o.xlsx" }])
    );
    let (records, sheets) = sheet(&desk, "o.xlsx", "opportunities");
    assert_eq!(sheets, ["opportunities", "opportunity_lines"]);
    assert!(!records[0].contains(&Data::String("lines".to_owned())), "{:?}", records[0]);
    let (lines, _) = sheet(&desk, "o.xlsx", "opportunity_lines");
    let text = |text: &str| Data::String(text.to_owned());
    assert_eq!(lines[0][..4], [text("opportunityid"), text("id"), text("product"), text("quantity")]);
    assert_eq!(
        lines[1][..4],
        [Data::Float(8801.0), Data::Float(9901.0), text("User Subscription"), Data::Float(80.0)]
    );
    assert_eq!(lines.len(), 5);
}

#[test]
fn lines_are_a_table_of_a_database_and_a_file_beside_another() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let export = |out: &str, more: &[&str]| {
        let arguments = ["export", "opportunities", "--lines", "--json", "-o", out];
        let done = crm.carafe(&desk, arguments.iter().chain(more).copied()).ends_with(0);
        done.json()["objects"][1].clone()
    };
    export("o.sqlite", &[]);
    let joined = "SELECT o.name, count(*) FROM opportunities o JOIN opportunity_lines l ON l.opportunityid = o.id \
         GROUP BY o.id ORDER BY o.id";
    assert_eq!(
        rows(&desk, "o.sqlite", joined),
        ["tAnnual licences|i2", "tTraining week|i1", "tCRM roll-out|i1"]
    );

    let told = export("o.parquet", &[]);
    let lines = "o.opportunity_lines.parquet";
    assert_eq!(told, json!({ "object": "opportunity_lines", "records": 4, "file": lines }));
    let (columns, records) = parquet(&desk, lines);
    assert_eq!(columns[..2], ["opportunityid INT64", "id INT64"]);
    assert!(records[3].starts_with("{opportunityid: 8803, id: 9904,"), "{}", records[3]);
    assert_eq!(desk.json(format!("{lines}.manifest.json"))["objects"][0]["records"], 4);

    assert_eq!(export("folder", &["--format", "csv"])["file"], "folder/opportunity_lines.csv");
    assert!(desk.text("folder/opportunity_lines.csv").contains("\n8802,9903,Training day,5,1900.1,"));
    assert!(!desk.text("folder/opportunities.csv").contains("Training day"));
    crm.carafe(&desk, ["export", "opportunities", "opportunity_lines", "-o", "twice.xlsx", "--lines"])
        .run()
        .fails(
            2,
            "error: --lines writes opportunity_lines too, and would write them twice\n  leave out --lines, or the \
             object opportunity_lines",
        );
}

#[test]
fn several_objects_are_tables_of_one_database_or_databases_of_a_folder() {
    let (crm, desk) = (Crm::start(), Desk::new());
    crm.carafe(&desk, ["export", "users", "campaigns", "-o", "both.sqlite"]).ends_with(0);
    let counts = "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM campaigns)";
    assert_eq!(rows(&desk, "both.sqlite", counts), ["i8|i3"]);
    assert_eq!(desk.json("both.sqlite.manifest.json")["objects"].as_array().unwrap().len(), 2);
    crm.carafe(&desk, ["export", "users", "campaigns", "-o", "folder", "--format", "sqlite"]).ends_with(0);
    assert_eq!(rows(&desk, "folder/users.sqlite", "SELECT count(*) FROM users"), ["i8"]);
    assert_eq!(rows(&desk, "folder/campaigns.sqlite", "SELECT count(*) FROM campaigns"), ["i3"]);
    crm.carafe(&desk, ["export", "users", "campaigns", "-o", "both.parquet"]).run().fails(
        2,
        "error: several objects cannot share the file both.parquet\n  give a folder: -o DIR --format parquet, or a workbook",
    );
}

#[test]
fn neither_goes_to_standard_output() {
    let (crm, desk) = (Tiny::serve(accounts(&[])), Desk::new());
    for (form, what) in [("sqlite", "a database"), ("parquet", "a Parquet file")] {
        let words = format!("error: {what} cannot go to standard output\n  give a file: -o FILE.{form}");
        let call = desk.carafe(["export", "accounts", "-o", "-", "--format", form]).at(&crm.address());
        call.run().fails(2, &words);
    }
    assert_eq!(crm.asked().len(), 0);
}

/// An incremental export into a database: what it said.
fn update(crm: &Crm, desk: &Desk, arguments: &[&str]) -> String {
    let all = ["export", "-o", "crm.sqlite", "--incremental"].iter().chain(arguments).copied();
    crm.carafe(desk, all).ends_with(0).stderr
}

#[test]
fn an_incremental_export_brings_a_database_up_to_date_by_id() {
    let (crm, desk) = (Crm::start(), Desk::new());
    update(&crm, &desk, &["accounts", "campaigns"]);
    let mine = "CREATE TABLE mine (x); INSERT INTO mine VALUES ('precious');
         UPDATE accounts SET name = 'by hand' WHERE name = 'Adobe Inc.'";
    Connection::open(desk.path("crm.sqlite")).unwrap().execute_batch(mine).unwrap();
    let before = rows(&desk, "crm.sqlite", "SELECT id, name FROM accounts");

    crm.act("PATCH", "accounts", &json!(95_920_978), r#"{"name": "Renamed"}"#);
    desk.write("new.csv", "name\nNew\n");
    crm.carafe(&desk, ["import", "new.csv", "--object", "accounts"]).ends_with(0);
    let told = update(&crm, &desk, &["accounts", "campaigns"]);
    assert!(told.contains("accounts: 2 new or changed, of 2 that the CRM dates 20"), "{told}");
    let after = rows(&desk, "crm.sqlite", "SELECT id, name FROM accounts");
    assert_eq!(after.len(), before.len() + 1, "one is new");
    let changed: Vec<_> = after.iter().filter(|row| !before.contains(row)).collect();
    let new = &crm.account("New")["id"];
    assert_eq!(changed, ["i95920978|tRenamed", &format!("i{new}|tNew")]);
    let left = "SELECT x, (SELECT count(*) FROM campaigns), (SELECT count(*) FROM accounts WHERE name = 'by hand') FROM mine";
    assert_eq!(rows(&desk, "crm.sqlite", left), ["tprecious|i3|i1"], "what did not change is left alone");
    assert!(update(&crm, &desk, &["accounts", "campaigns"]).contains("accounts: 0 new or changed"));
}

#[test]
fn records_that_are_no_more_go_from_the_database_where_that_is_asked_for() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let arguments = ["opportunities", "--lines", "--deleted"];
    update(&crm, &desk, &arguments);
    crm.act("DELETE", "opportunities", &json!(8801), "");
    let told = update(&crm, &desk, &arguments);
    assert!(
        told.contains("opportunities: 1 deleted since the last export; see crm.sqlite.deleted.csv"),
        "{told}"
    );
    assert_eq!(desk.text("crm.sqlite.deleted.csv"), "object,id\nopportunities,8801\n");
    assert_eq!(rows(&desk, "crm.sqlite", "SELECT id FROM opportunities"), ["i8802", "i8803"]);
    let parents = "SELECT DISTINCT opportunityid FROM opportunity_lines";
    assert_eq!(rows(&desk, "crm.sqlite", parents), ["i8802", "i8803"], "and its lines");
    // Someone else's file of that name is not.
    desk.write("other.sqlite.deleted.csv", "precious");
    let arguments = ["export", "users", "-o", "other.sqlite", "--incremental", "--deleted"];
    crm.carafe(&desk, arguments).ends_with(2);
    assert_eq!(desk.text("other.sqlite.deleted.csv"), "precious");
    assert!(!desk.path("other.sqlite").exists());
}

#[test]
fn lines_that_an_opportunity_no_longer_has_go_from_their_table() {
    let (crm, desk) = (Crm::start(), Desk::new());
    update(&crm, &desk, &["opportunities", "--lines"]);
    crm.act("DELETE", "opportunity_lines", &json!(9901), "");
    crm.act("PATCH", "opportunities", &json!(8801), r#"{"name": "Fewer licences"}"#);
    update(&crm, &desk, &["opportunities", "--lines"]);
    let lines = rows(&desk, "crm.sqlite", "SELECT opportunityid, id FROM opportunity_lines ORDER BY id");
    assert_eq!(lines, ["i8801|i9902", "i8802|i9903", "i8803|i9904"]);
}

#[test]
fn a_database_that_lacks_what_was_written_before_gets_all_again() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let count = |column: &str| rows(&desk, "crm.sqlite", &format!("SELECT count({column}) FROM accounts"));
    let told = update(&crm, &desk, &["accounts", "--fields", "name"]);
    assert!(
        told.contains("accounts: no earlier export to build on, so all 12 records are written"),
        "{told}"
    );
    assert!(update(&crm, &desk, &["accounts", "--fields", "name"]).contains("0 new or changed"));
    // A field more is no news of the CRM's, but the database lacks it.
    let told = update(&crm, &desk, &["accounts", "--fields", "name,createddate"]);
    assert!(told.contains("so all 12 records are written"), "{told}");
    assert_eq!(count("createddate"), ["i12"]);
    std::fs::remove_file(desk.path("crm.sqlite")).unwrap();
    update(&crm, &desk, &["accounts", "--fields", "name,createddate"]);
    assert_eq!(count("name"), ["i12"]);
}

#[test]
fn an_update_that_fails_leaves_the_database_as_it_was_and_is_made_up_for() {
    let records: Vec<_> = (1..=250).map(|id| json!({ "id": id, "name": "Old" })).collect();
    let crm = Tiny::serve(accounts(&records));
    let desk = Desk::new();
    let arguments = ["export", "accounts", "-o", "crm.sqlite", "--incremental", "--state", "state.json"];
    desk.carafe(arguments).at(&crm.address()).ends_with(0);
    let before = std::fs::read(desk.path("crm.sqlite")).unwrap();
    let known = desk.text("state.json");

    let changed: Vec<_> = (1..=250).map(|id| json!({ "id": id, "name": "New" })).collect();
    let failing = Tiny::scripted(accounts(&changed), |request, before| {
        (request.path == "/accounts" && before >= 2).then(|| Reply::error(403, "Unauthenticated"))
    });
    let known_there = known.replace(&crm.address(), &failing.address());
    desk.write("state.json", &known_there);
    desk.carafe(arguments).at(&failing.address()).ends_with(3);
    assert_eq!(std::fs::read(desk.path("crm.sqlite")).unwrap(), before);
    assert_eq!(desk.text("state.json"), known_there);

    let whole = Tiny::serve(accounts(&changed));
    desk.write("state.json", known.replace(&crm.address(), &whole.address()));
    desk.carafe(arguments).at(&whole.address()).ends_with(0);
    let names = "SELECT name, count(*) FROM accounts GROUP BY name";
    assert_eq!(rows(&desk, "crm.sqlite", names), ["tNew|i250"]);
}

#[test]
fn an_update_that_was_stopped_goes_on_where_it_stood() {
    let records: Vec<_> = (1..=950).map(|id| json!({ "id": id, "name": "Old" })).collect();
    let (crm, desk) = (Tiny::serve(accounts(&records)), Desk::new());
    let arguments = ["export", "accounts", "-o", "crm.sqlite", "--incremental", "--deleted"];
    desk.carafe(arguments).at(&crm.address()).ends_with(0);
    [3, 500, 940].iter().for_each(|id| crm.change("accounts", *id, "name", json!("New")));
    crm.remove("accounts", 7);
    let before = std::fs::read(desk.path("crm.sqlite")).unwrap();
    let stopped = arguments.into_iter().chain(["--max-calls", "6", "--concurrency", "1"]);
    desk.carafe(stopped).at(&crm.address()).ends_with(6);
    assert_eq!(std::fs::read(desk.path("crm.sqlite")).unwrap(), before);
    desk.carafe(["resume", "last"]).at(&crm.address()).ends_with(0);
    let new = "SELECT count(*), (SELECT group_concat(id) FROM accounts WHERE name = 'New') FROM accounts";
    assert_eq!(rows(&desk, "crm.sqlite", new), ["i949|t3,500,940"]);
    assert_eq!(desk.text("crm.sqlite.deleted.csv"), "object,id\naccounts,7\n");
}

#[test]
fn older_databases_are_kept_beside_the_one_that_is_brought_up_to_date() {
    let (crm, desk) = (Crm::start(), Desk::new());
    update(&crm, &desk, &["accounts", "--keep", "3"]);
    crm.act("PATCH", "accounts", &json!(95_920_978), r#"{"name": "Renamed"}"#);
    update(&crm, &desk, &["accounts", "--keep", "3"]);
    let entries = std::fs::read_dir(desk.path("")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let older: Vec<String> =
        names.filter(|name| name.starts_with("crm.20") && name.ends_with(".sqlite")).collect();
    assert_eq!(older.len(), 1, "{older:?}");
    let name = "SELECT count(*), min(name) FROM accounts WHERE id = 95920978 OR id = 95920979";
    assert_eq!(rows(&desk, &older[0], name), ["i2|t3M"]);
    assert_eq!(rows(&desk, "crm.sqlite", name), ["i2|tAbbott Laboratories"]);
}

#[test]
fn a_damaged_database_is_told_with_the_way_out_and_left_as_it_is() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let incremental = ["export", "accounts", "-o", "a.sqlite", "--incremental"];
    crm.carafe(&desk, incremental).ends_with(0);
    let whole = std::fs::read(desk.path("a.sqlite")).unwrap();
    desk.write("a.sqlite", &whole[..whole.len() / 2]);
    crm.carafe(&desk, incremental).run().fails(
        2,
        "error: a.sqlite: this database is damaged; move it away, and the next export writes all of it anew",
    );
    assert_eq!(std::fs::read(desk.path("a.sqlite")).unwrap().len(), whole.len() / 2);
    std::fs::remove_file(desk.path("a.sqlite")).unwrap();
    let done = crm.carafe(&desk, incremental).ends_with(0);
    assert!(done.stderr.contains("no earlier export to build on"), "{done:?}");
}

#[test]
fn a_file_that_is_no_database_is_not_brought_up_to_date() {
    let (crm, desk) = (Crm::start(), Desk::with("crm.sqlite", "precious words of no database".repeat(20)));
    crm.carafe(&desk, ["export", "accounts", "-o", "crm.sqlite", "--incremental"])
        .run()
        .fails(2, "error: crm.sqlite: this is not a SQLite database; take another name");
    assert!(desk.text("crm.sqlite").starts_with("precious"));
}
