//! What was exported is imported again, and nothing is to be done: no value
//! that a record can hold is changed on its way through a file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use serde_json::{Map, Value as Json, json};
use tokio_util::sync::CancellationToken;

use super::testing::*;
use super::*;
use crate::crm::Client;
use crate::model::{Field, FieldKind};
use crate::store::StoreError;

type Body = Map<String, Json>;

/// Values that every list gains, odd as an administrator may have made them.
const LISTED: [&str; 7] = ["=Sum", "'=x", "O'Neil, \"B\"", "Zoë  & Co", "1.50", "TRUE", "-"];

/// A form of export, and whether the import must be told to leave a `'` alone.
#[derive(Clone, Copy)]
struct Form {
    file: &'static str,
    format: ExportFormat,
    excel: bool,
    raw: bool,
}

const PLAIN: Form = Form { file: "plain.csv", format: ExportFormat::Csv, excel: false, raw: false };
const FORMS: [Form; 5] = [
    PLAIN,
    Form { file: "excel.csv", excel: true, ..PLAIN },
    Form { file: "raw.csv", raw: true, ..PLAIN },
    Form { file: "book.xlsx", format: ExportFormat::Xlsx, ..PLAIN },
    Form { file: "lines.jsonl", format: ExportFormat::Jsonl, ..PLAIN },
];

/// Stores the records and sends all of the object through every form; the
/// answer is what an import would do where it should do nothing.
async fn complaints(object: &str, records: &[Body]) -> Vec<String> {
    let (_sandbox, client) = sandbox();
    for list in lists_of(object) {
        client.append_lookup(&list, &LISTED.map(str::to_owned)).await.unwrap();
    }
    for record in records {
        let stored = client.create(object, &Json::Object(record.clone()).to_string()).await;
        stored.unwrap_or_else(|error| panic!("the CRM does not hold it: {error}: {record:?}"));
    }
    let catalog = snapshot_of(&client, object).await;
    let folder = tempfile::tempdir().unwrap();
    let mut found = Vec::new();
    for form in FORMS {
        let path = folder.path().join(form.file);
        export_to(&path, object, form, &client, &catalog).await;
        found.extend(plan_again(&path, object, form, &client, &catalog).await);
    }
    found
}

fn lists_of(object: &str) -> BTreeSet<String> {
    let dictionary = crate::sandbox::dictionary(object).unwrap();
    let lists = dictionary.fields().iter().filter_map(|field| field.lookup.as_ref()?.list.clone());
    lists.collect()
}

async fn export_to(path: &Path, object: &str, form: Form, client: &Client, catalog: &Catalog) {
    let settings = ExportSettings {
        base_url: "x".to_owned(),
        runs: path.with_extension("runs"),
        since: None,
        keep: None,
        incremental: None,
        objects: vec![object.to_owned()],
        target: Target::File(path.to_owned()),
        format: form.format,
        fields: Vec::new(),
        condition: None,
        raw_filter: None,
        order: Vec::new(),
        limit: None,
        lines: false,
        resolve: Vec::new(),
        mapping: None,
        content: None,
        force: false,
        excel: form.excel,
        raw: form.raw,
        dictionary: None,
    };
    let stop = CancellationToken::new();
    let tools = Tools { client, reporter: &Silent, stop: &stop, clock: &SystemClock };
    export(&settings, catalog, tools).await.unwrap();
}

/// A dry run of the import, with `--object` in place of a mapping.
async fn plan_again(
    path: &Path,
    object: &str,
    form: Form,
    client: &Client,
    catalog: &Catalog,
) -> Vec<String> {
    let settings = JobSettings {
        input: path.to_owned(),
        input_name: None,
        mapping: form.raw.then(|| mapping_that_keeps(path, object)),
        object: (!form.raw).then(|| object.to_owned()),
        mode: None,
        on_blank: None,
        files: None,
        earlier: None,
    };
    let stop = CancellationToken::new();
    let tools = Tools { client, reporter: &Silent, stop: &stop, clock: &SystemClock };
    let settings_of_import = ImportSettings { runs: path.with_extension("runs"), ..plain_settings() };
    let mut job = Job::prepare(&settings, catalog, &Silent).await.unwrap_or_else(|error| panic!("{error}"));
    prove(&mut job, &settings_of_import.runs, &Silent, &stop).unwrap();
    let planned = plan_import(&mut job, &settings_of_import, tools).await.unwrap();
    let mut found = Vec::new();
    let tell = |finding: crate::store::StoredFinding| {
        let (field, value) = (finding.field.unwrap_or_default(), finding.value.unwrap_or_default());
        found.push(format!("{}: {field} {} {value:?}", form.file, finding.message));
        Ok::<(), StoreError>(())
    };
    planned.store.each_finding(tell).unwrap();
    for (_, id, before, after) in planned.store.sample_updates(100).unwrap() {
        found.push(format!("{}: record {id} goes from {before} to {after}", form.file));
    }
    if found.is_empty() && planned.counts.unchanged != planned.counts.read {
        found.push(format!("{}: {:?}", form.file, planned.counts));
    }
    found
}

/// `--raw` writes no guard, so that a `'` before a sign is the record's own;
/// only a mapping can say so.
fn mapping_that_keeps(path: &Path, object: &str) -> PathBuf {
    let dictionary = crate::sandbox::dictionary(object).unwrap();
    let written = dictionary.fields().iter().filter(|field| field.name == "id" || !field.read_only);
    let fields: String = written.map(|field| format!("  {0}: {0}\n", field.name)).collect();
    let mapping = path.with_extension("yaml");
    let top = format!("version: 1\nobject: {object}\nmatch: [id]\nsource: {{ guard: keep }}\n");
    std::fs::write(&mapping, format!("{top}fields:\n{fields}")).unwrap();
    mapping
}

/// Texts of all the kinds that have hurt somebody, one behind the other.
fn any_text() -> impl Strategy<Value = String> {
    let signs = [
        "\"",
        "'",
        "''",
        "=",
        "+",
        "-",
        "@",
        "\t",
        " ",
        "  ",
        "\n",
        "\r\n",
        "\r",
        ",",
        ";",
        "|",
        "\\",
        "<&>",
        "/*",
        "\u{A0}",
        "\u{200B}",
        "\u{FEFF}",
        "\u{202E}",
        "\u{2028}",
        "\u{AD}",
        "\u{2066}",
        "é",
        "e\u{301}",
        "漢",
        "＝",
        "ß",
        "👩\u{200D}👩\u{200D}👧",
        "\u{FFFE}",
        "\u{FFFF}",
        "\u{1F}",
        "\u{85}",
        "\0",
    ];
    let wholes = [
        "007",
        "1.23E+11",
        "4,47912E+11",
        "12345678901234567890",
        "2024-02-13",
        "13/02/2024",
        "0.1",
        "-5",
        "+44 20",
        "1,5",
        "=1+1",
        "'=1",
        "'tis",
        "-",
        "1e5",
        "TRUE",
        "null",
        "#N/A",
        "_x000D_",
        "_x0041_",
        "sep=;",
        "NaN",
        "{}",
    ];
    let piece = prop_oneof![
        4 => prop::sample::select(signs.to_vec()).prop_map(str::to_owned),
        3 => prop::sample::select(wholes.to_vec()).prop_map(str::to_owned),
        3 => "[ -~]{1,6}",
        1 => any::<String>().prop_map(|text| text.chars().take(8).collect()),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

/// Any text that a record can hold, those that the rules would refuse in a new
/// record among them: control characters, `1.23E+11`.
fn text(field: &Field) -> BoxedStrategy<Json> {
    let size = field.size.unwrap_or(u32::MAX) as usize;
    let cut = move |text: String| text.chars().take(size).collect::<String>();
    any_text().prop_map(cut).prop_map(Json::from).boxed()
}

/// Numbers with so many digits behind the point, and up to `whole` before it.
fn number(whole: usize, decimals: u32) -> BoxedStrategy<Json> {
    let digits = |most: usize| {
        prop::collection::vec(0..10_u8, 0..=most)
            .prop_map(|all| all.iter().map(u8::to_string).collect::<String>())
    };
    (any::<bool>(), digits(whole), digits(decimals as usize))
        .prop_map(|(negative, whole, fraction)| {
            let (sign, point) = (if negative { "-" } else { "" }, if fraction.is_empty() { "" } else { "." });
            // A text, so that no digit is lost on the way to the CRM.
            Json::from(format!("{sign}0{whole}{point}{fraction}"))
        })
        .boxed()
}

fn date() -> impl Strategy<Value = String> {
    let recent = (1890..2100_i16, 1..=12_i8, 1..=31_i8);
    let any = (1000..=9999_i16, 1..=12_i8, 1..=31_i8);
    prop_oneof![2 => recent, 1 => any].prop_map(|(year, month, day)| {
        let last = jiff::civil::Date::new(year, month, 1).unwrap().days_in_month();
        format!("{year:04}-{month:02}-{:02}", day.min(last))
    })
}

/// What a record may hold in a field, blanks aside.
fn value(field: &Field) -> BoxedStrategy<Json> {
    let one_of = |values: &[&str]| {
        prop::sample::select(values.iter().map(|value| json!(value)).collect::<Vec<_>>()).boxed()
    };
    let list = field.lookup.as_ref().and_then(|lookup| lookup.list.as_deref());
    match (&field.kind, field.name.as_str(), list) {
        (_, "accountid", _) => Just(json!(95_920_978)).boxed(),
        (_, "ownerid", _) => one_of(&["90505", "90506"]),
        (_, name, _) if name.ends_with("id") => Just(json!(0)).boxed(),
        (FieldKind::MultiSelect, ..) => {
            let values = [&LISTED[..], &["", " - ", "TRUE", "Gone from the list"]].concat();
            prop::sample::subsequence(values, 0..7)
                .prop_shuffle()
                .prop_map(|some| json!(some.join(";")))
                .boxed()
        }
        (_, _, Some(_)) => one_of(&[&LISTED[..], &["Gone from the list"]].concat()),
        (FieldKind::Number, ..) => number(15, field.decimals.unwrap_or(4)),
        (FieldKind::Currency | FieldKind::Percent, ..) => number(22, field.decimals.unwrap_or(4)),
        (FieldKind::Checkbox, ..) => {
            prop::sample::select(vec![json!(0), json!(1), json!("0"), json!("1"), json!(true)]).boxed()
        }
        (FieldKind::Date, ..) => date().prop_map(Json::from).boxed(),
        (FieldKind::DateTime, ..) => (date(), 0..24, 0..60, 0..60)
            .prop_map(|(date, hour, minute, second)| {
                json!(format!("{date} {hour:02}:{minute:02}:{second:02}"))
            })
            .boxed(),
        (FieldKind::Email, ..) => {
            one_of(&["a@b.co", "=a+b@c.co", "-x@y.de", "o'neil@example.com", "zoë@exämple.de", "a@b.c"])
        }
        (FieldKind::Url, ..) => {
            one_of(&["example.com", "http://a.b/c?d='e'#f", "HTTPS://MÜLLER.de", "-a.com", "javascript:a.b"])
        }
        _ => text(field),
    }
}

/// A record's body: each field with a value, null, the empty text, or not at all.
fn record(object: &str) -> BoxedStrategy<Body> {
    let dictionary = crate::sandbox::dictionary(object).unwrap();
    let written = dictionary.fields().iter().filter(|field| !field.read_only);
    let member = |field: &Field| {
        let (name, required, value) = (field.name.clone(), field.required, value(field));
        let is_free = field.lookup.is_none();
        let filled = value.prop_map(move |value| match value {
            // A required text must not be blank, as the CRM sees blanks.
            Json::String(text) if required && is_free => {
                Some(json!(format!("N{text}").chars().take(100).collect::<String>()))
            }
            value => Some(value),
        });
        let absent = if required { 0 } else { 1 };
        prop_oneof![
            6 => filled,
            absent => Just(None),
            absent => Just(Some(Json::Null)),
            absent => Just(Some(json!(""))),
        ]
        .prop_map(move |value| (name.clone(), value))
        .boxed()
    };
    let members: Vec<_> = written.map(member).collect();
    members.prop_map(|all| all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()).boxed()
}

proptest! {
    #![proptest_config(fixed(24))]

    #[test]
    fn an_export_of_any_values_imported_again_changes_nothing(
        accounts in prop::collection::vec(record("accounts"), 1..10),
    ) {
        let found = run(complaints("accounts", &accounts));
        prop_assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

proptest! {
    #![proptest_config(fixed(8))]

    #[test]
    fn flags_and_ids_come_back_as_they_were(activities in prop::collection::vec(record("activities"), 1..10)) {
        let found = run(complaints("activities", &activities));
        prop_assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

/// What a record holds although the rules would refuse it: nothing is written,
/// so there is nothing to refuse (contract, "An update whose values are already
/// there is `unchanged`, whoever wrote them").
#[test]
fn a_value_that_the_record_holds_already_rejects_no_row() {
    let held = [
        ("phone", "a\u{1}b"),
        ("ticker", "1.23E+11"),
        ("type", "Custmer"),
        ("sector", "RETAIL"),
        ("tags", "Index Member;Gone"),
        ("email", "a@b.c"),
        ("website", "javascript:a.b"),
        ("inceptiondate", "0999-01-01"),
        ("renewal", "0001-01-01 00:00:00"),
    ];
    let wrong: Vec<String> = held
        .into_iter()
        .flat_map(|(field, value)| {
            let record = Body::from_iter([("name".to_owned(), json!("X")), (field.to_owned(), json!(value))]);
            run(complaints("accounts", &[record]))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
