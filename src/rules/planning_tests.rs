//! What is to be done with a row.

use super::*;
use crate::rules::draft::draft;
use crate::rules::testing::*;

fn step(top: &str, fields: &str, cells: &[&str], found: &Found<'_>) -> Step {
    let columns: Vec<String> = (0..cells.len()).map(|at| format!("#{}", at + 1)).collect();
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let names = ["A", "B", "C", "D"];
    assert!(columns.len() <= names.len());
    let program = program(top, fields, &names[..cells.len()]);
    let row = row(cells);
    let draft = draft(&program, &row);
    assert!(draft.findings.is_empty(), "{:?}", draft.findings);
    plan(&program, &draft, found)
}

fn codes(step: &Step) -> Vec<&str> {
    match step {
        Step::Reject(findings) => findings.iter().map(|f| f.code.word()).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn the_record_found_decides_by_mode() {
    let acme = record(7, &[("name", "Acme".into())]);
    let many = Found::Many(vec![acme.id, RecordId::new(8).unwrap()]);
    let (none, one) = (Found::None, Found::One(&acme));
    for (mode, found, wanted) in [
        ("create", &none, "create"),
        ("create", &one, "exists"),
        ("create", &many, "ambiguous_match"),
        ("update", &none, "no_match"),
        ("update", &one, "unchanged"),
        ("update", &many, "ambiguous_match"),
        ("upsert", &none, "create"),
        ("upsert", &one, "unchanged"),
        ("upsert", &many, "ambiguous_match"),
        ("delete", &none, "no_match"),
        ("delete", &one, "delete"),
        ("delete", &many, "ambiguous_match"),
    ] {
        let step = step(&format!("mode: {mode}\nmatch: [name]"), "name: A", &["ACME"], found);
        let word = match &step {
            Step::Create { .. } => "create",
            Step::Update { .. } => "update",
            Step::Unchanged { .. } => "unchanged",
            Step::Delete { .. } => "delete",
            Step::Reject(_) => codes(&step)[0],
        };
        assert_eq!(word, wanted, "{mode} {found:?}");
    }
}

#[test]
fn a_filled_id_without_a_record_is_rejected_and_a_blank_one_creates() {
    let fields = "id: A\n name: B";
    for mode in ["upsert", "update", "create"] {
        let step = step(&format!("mode: {mode}\nmatch: [id]"), fields, &["5", "x"], &Found::None);
        assert_eq!(codes(&step), ["no_match"], "{mode}");
    }
    let step = step("mode: upsert\nmatch: [id]", fields, &["", "x"], &Found::NotAsked);
    assert_eq!(step, Step::Create { body: r#"{"name":"x"}"#.to_owned() });
}

#[test]
fn an_update_sends_what_differs_and_keeps_what_was() {
    let acme = record(
        7,
        &[
            ("name", "Acme".into()),
            ("text", "old".into()),
            ("number", "12.50".into()),
            ("date", "2024-02-13 00:00:00".into()),
        ],
    );
    let fields = "name: A\n text: B\n number: C\n date: D";
    let step = step("match: [name]", fields, &["acme", "new", "12.5", "2024-02-13"], &Found::One(&acme));
    let wanted = Step::Update {
        id: acme.id,
        body: r#"{"text":"new"}"#.to_owned(),
        before: r#"{"text":"old"}"#.to_owned(),
        cleared: Vec::new(),
    };
    assert_eq!(step, wanted);
}

#[test]
fn clearing_sends_what_empties_the_kind_of_field_and_only_where_something_is() {
    let top = "mode: update\nmatch: [name]\ndefaults: { blank: clear }";
    for (field, kept, sent) in [
        ("text", Value::from("x"), "\"\""),
        ("tags", Value::from("Red"), "\"\""),
        ("number", Value::from(0), "null"),
        ("date", Value::from("2024-01-01"), "null"),
        ("check", Value::from("1"), "0"),
    ] {
        let acme = record(7, &[(field, kept.clone())]);
        let fields = format!("name: A\n {field}: B");
        let step_of = |record: &Record| step(top, &fields, &["acme", ""], &Found::One(record));
        let Step::Update { body, cleared, .. } = step_of(&acme) else { panic!("{field}") };
        assert_eq!((body, cleared), (format!("{{\"{field}\":{sent}}}"), vec![field.to_owned()]));
        for blank in [Value::Null, Value::from("")] {
            let step = step_of(&record(7, &[(field, blank)]));
            assert!(matches!(step, Step::Unchanged { .. }), "{field}: {step:?}");
        }
    }
    let none = record(7, &[("ownerid", Value::from(0))]);
    let step = step(top, "name: A\n ownerid: B", &["acme", ""], &Found::One(&none));
    assert!(matches!(step, Step::Unchanged { .. }), "0 in an id is no record already");
}

#[test]
fn nothing_blank_is_sent_on_create() {
    let step = step(
        "mode: create\ndefaults: { blank: clear }",
        "name: A\n text: B\n number: C",
        &["x", "", " "],
        &Found::NotAsked,
    );
    assert_eq!(step, Step::Create { body: r#"{"name":"x"}"#.to_owned() });
}

#[test]
fn a_required_field_that_is_blank_rejects_new_records_only() {
    let acme = record(7, &[("name", "Acme".into()), ("text", "k".into())]);
    let top = "mode: upsert\nmatch: [text]";
    let fields = "name: A\n text: B";
    let unchanged = step(top, fields, &["", "k"], &Found::One(&acme));
    assert_eq!(unchanged, Step::Unchanged { id: acme.id });
    assert_eq!(codes(&step(top, fields, &["", "k"], &Found::None)), ["required"]);
}

#[test]
fn a_reference_becomes_the_id_or_what_the_mapping_says_of_one_that_is_missing() {
    for (more, resolved, wanted) in [
        ("", Resolved::One(RecordId::new(5).unwrap()), Ok("5")),
        ("", Resolved::None, Err("no_reference")),
        ("", Resolved::Many, Err("ambiguous_reference")),
        (", default: 9", Resolved::None, Err("no_reference")),
        (", missing: blank", Resolved::None, Ok("leave")),
        (", missing: blank", Resolved::Many, Err("ambiguous_reference")),
    ] {
        assert_eq!(
            resolve_one(more, "", resolved),
            wanted.map(str::to_owned).map_err(str::to_owned),
            "{more}"
        );
    }
    let missing = |rest: &str| resolve_one(", missing: blank", rest, Resolved::None);
    assert_eq!(missing(", default: 9"), Ok("9".to_owned()));
    assert_eq!(missing(", blank: clear"), Ok("clear".to_owned()));
    assert_eq!(missing(", blank: error"), Err("blank".to_owned()));
}

fn resolve_one(in_ref: &str, beside: &str, resolved: Resolved) -> Result<String, String> {
    // `default` stands beside `ref`, the rest within.
    let (in_ref, beside) = if in_ref.contains("default") { ("", in_ref) } else { (in_ref, beside) };
    let rule = format!("ownerid: {{ from: B, ref: {{ object: users, by: last{in_ref} }}{beside} }}");
    let program = program("", &format!("name: A\n {rule}"), &["A", "B"]);
    let row = row(&["x", "Smith"]);
    let mut draft = draft(&program, &row);
    resolve(&program, &mut draft, |_, name| {
        assert_eq!(name, "Smith");
        resolved
    });
    match draft.findings.first() {
        Some(finding) => Err(finding.code.word().to_owned()),
        None => Ok(match &draft.wishes[1] {
            Wish::Leave => "leave".to_owned(),
            Wish::Clear => "clear".to_owned(),
            wish => wish.value().unwrap().to_json(),
        }),
    }
}

#[test]
fn a_reference_in_the_key_that_is_missing_never_creates() {
    let rule = "ownerid: { from: B, ref: { object: users, by: last, missing: blank } }";
    let program = program("mode: upsert\nmatch: [ownerid]", &format!("name: A\n {rule}"), &["A", "B"]);
    let row = row(&["x", "Smith"]);
    let mut draft = draft(&program, &row);
    resolve(&program, &mut draft, |_, _| Resolved::None);
    assert_eq!(draft.findings.iter().map(|f| f.code.word()).collect::<Vec<_>>(), ["blank_key"]);
}
