use super::*;

fn dictionary() -> Dictionary {
    let fields = [("name", FieldKind::Text), ("value", FieldKind::Currency), ("closedate", FieldKind::Date)];
    Dictionary::new("accounts", fields.map(|(name, kind)| Field::new(name, kind)).into())
}

fn record(id: u64, json: &str) -> Record {
    Record { id: RecordId::new(id).unwrap(), fields: values_of(json) }
}

fn id(id: u64) -> RecordId {
    RecordId::new(id).unwrap()
}

fn create(candidates: &[Record], proof: Proof, twins: usize, claimed: &[u64]) -> Verdict {
    let sent = values_of(r#"{"name":"Acme","value":1.50}"#);
    judge_create(&dictionary(), &sent, candidates, proof, twins, |id| claimed.contains(&id.get()))
}

const FITS: &str = r#"{"name":"Acme","value":"1.5","phone":"1"}"#;
const DIFFERS: &str = r#"{"name":"Acme","value":"2"}"#;

#[test]
fn by_a_key_nothing_found_is_sent_again_and_one_that_fits_is_adopted() {
    assert_eq!(create(&[], Proof::Strong, 1, &[]), Verdict::Absent);
    assert_eq!(create(&[record(5, FITS)], Proof::Strong, 1, &[]), Verdict::Adopt(id(5)));
}

#[test]
fn by_a_key_whatever_else_is_found_is_held_and_never_sent_again() {
    let hold = |held, ids: &[u64]| Verdict::Hold(held, ids.iter().map(|&one| id(one)).collect());
    assert_eq!(create(&[record(5, DIFFERS)], Proof::Strong, 1, &[]), hold(Held::OtherValues, &[5]));
    assert_eq!(create(&[record(5, FITS)], Proof::Strong, 1, &[5]), hold(Held::Claimed, &[5]));
    let two = [record(5, FITS), record(6, DIFFERS)];
    assert_eq!(create(&two, Proof::Strong, 1, &[]), hold(Held::Several, &[5, 6]));
}

#[test]
fn by_values_nothing_found_proves_nothing_and_as_many_as_twins_are_shared_out() {
    assert_eq!(create(&[], Proof::Weak, 1, &[]), Verdict::Hold(Held::NothingFound, vec![]));
    assert_eq!(create(&[record(5, DIFFERS)], Proof::Weak, 1, &[]), Verdict::Hold(Held::NothingFound, vec![]));
    let two = [record(5, FITS), record(6, FITS)];
    assert_eq!(create(&two, Proof::Weak, 2, &[]), Verdict::Adopt(id(5)));
    assert_eq!(create(&two, Proof::Weak, 1, &[5]), Verdict::Adopt(id(6)));
    assert_eq!(create(&two, Proof::Weak, 1, &[]), Verdict::Hold(Held::Several, vec![id(5), id(6)]));
}

#[test]
fn a_change_is_told_by_the_values_that_the_record_has() {
    let (sent, before) = (values_of(r#"{"value":2}"#), values_of(r#"{"value":1}"#));
    let judge =
        |action, record: Option<&Record>| judge_change(&dictionary(), action, record, &sent, &before, None);
    let with = |json| record(5, json);
    assert_eq!(judge(Action::Update, Some(&with(r#"{"value":"2.00"}"#))), Verdict::Adopt(id(5)));
    assert_eq!(judge(Action::Update, Some(&with(r#"{"value":"1"}"#))), Verdict::Absent);
    assert_eq!(
        judge(Action::Update, Some(&with(r#"{"value":3}"#))),
        Verdict::Hold(Held::Neither, vec![id(5)])
    );
    assert!(matches!(judge(Action::Update, None), Verdict::Overtaken(_)));
    assert_eq!(judge(Action::Delete, None), Verdict::Absent);
    assert_eq!(judge(Action::Delete, Some(&with(r#"{"value":1}"#))), Verdict::Absent);
    assert!(matches!(judge(Action::Delete, Some(&with(r#"{"value":3}"#))), Verdict::Overtaken(_)));
}

#[test]
fn a_change_in_doubt_is_not_sent_again_over_what_anyone_changed_since() {
    let (sent, before) = (values_of(r#"{"value":2}"#), values_of(r#"{"value":1.005}"#));
    let image = crate::rules::image::image(&record(5, r#"{"value":1.01,"name":"Acme"}"#));
    let judge = |action, json| {
        judge_change(&dictionary(), action, Some(&record(5, json)), &sent, &before, Some(&image))
    };
    for action in [Action::Update, Action::Delete] {
        // As it was, though the CRM had made something else of what it was sent.
        assert_eq!(judge(action, r#"{"value":1.01,"name":"Acme"}"#), Verdict::Absent);
        let others = judge(action, r#"{"value":1.005,"name":"Acme Ltd"}"#);
        assert!(matches!(others, Verdict::Overtaken(_)), "{others:?}");
    }
    assert_eq!(judge(Action::Update, r#"{"value":2,"name":"Acme Ltd"}"#), Verdict::Adopt(id(5)));
}

#[test]
fn a_record_that_anyone_changed_is_not_written_over_and_one_with_the_wanted_values_needs_nothing() {
    let (sent, before) = (values_of(r#"{"value":2}"#), values_of(r#"{"value":1}"#));
    let planned = record(5, r#"{"value":1,"name":"Acme"}"#);
    let image = crate::rules::image::image(&planned);
    let look =
        |json| look(&dictionary(), Action::Update, Some(&record(5, json)), &sent, &before, Some(&image));
    assert_eq!(look(r#"{"value":"1.0","name":"Acme"}"#), Look::Same);
    assert_eq!(look(r#"{"value":1,"name":"Acme Ltd"}"#), Look::Changed(vec![]));
    let changed = vec![(
        "value".to_owned(),
        values_of(r#"{"v":1}"#)[0].1.clone(),
        values_of(r#"{"v":3}"#)[0].1.clone(),
    )];
    assert_eq!(look(r#"{"value":3,"name":"Acme"}"#), Look::Changed(changed));
    assert_eq!(
        look(r#"{"value":2,"name":"Acme Ltd"}"#),
        Look::Wanted,
        "the values are there, whoever wrote them"
    );
}

#[test]
fn a_value_that_the_crm_made_something_else_of_as_it_stored_it_is_no_change() {
    // An undo knows what was sent, and by the image how the CRM had it then.
    let sent = values_of(r#"{"name":"A name that is too long","value":1.005}"#);
    let stored = r#"{"name":"A name that is","value":1.01,"phone":null}"#;
    let image = crate::rules::image::image(&record(5, stored));
    let look = |json| {
        look(&dictionary(), Action::Delete, Some(&record(5, json)), &Values::new(), &sent, Some(&image))
    };
    assert_eq!(look(stored), Look::Same);
    assert!(matches!(look(r#"{"name":"A name that is","value":1.01,"phone":"1"}"#), Look::Changed(_)));
    assert!(matches!(look(r#"{"name":"A name","value":1.01,"phone":null}"#), Look::Changed(_)));
    // A value that went is one that changed.
    assert!(matches!(look(r#"{"value":1.01}"#), Look::Changed(_)));
}

#[test]
fn a_row_that_sent_nothing_is_no_record_whatever_there_is() {
    for proof in [Proof::Strong, Proof::Weak] {
        let verdict = judge_create(&dictionary(), &Vec::new(), &[record(5, FITS)], proof, 1, |_| false);
        assert_eq!(verdict, Verdict::Hold(Held::NothingFound, vec![]));
    }
}

proptest::proptest! {
    #[test]
    fn a_field_is_altered_exactly_where_the_record_shows_it_and_does_not_hold_it(
        sent in texts_of_json(), shown in texts_of_json()
    ) {
        let json = |name: &str, text: &str| format!("{{\"{name}\":{text}}}");
        for name in ["name", "value", "closedate", "other"] {
            let (body, now) = (json(name, &sent), record(5, &json(name, &shown)));
            let is_held = holds(&dictionary(), &values_of(&body), &now);
            let found = altered(&dictionary(), &body, &now);
            proptest::prop_assert_eq!(found, if is_held { vec![] } else { vec![name.to_owned()] });
            for blameless in ["{}", &body] {
                proptest::prop_assert_eq!(altered(&dictionary(), &body, &record(5, blameless)), [""; 0]);
            }
        }
    }
}

/// JSON values that are alike more often than chance has it.
fn texts_of_json() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let text = prop_oneof!["[aA1.0 -]{0,3}", "[a\\\\\"\u{e9}\n]{0,3}", Just("2026-01-02".to_owned())];
    let text = text.prop_map(|text| serde_json::to_string(&text).unwrap());
    let plain = ["null", "true", "0", "1.5", "1.50", "1e999", "\"\\u0061\"", "[1]", "{\"a\": 1}"];
    prop_oneof![text, proptest::sample::select(plain.to_vec()).prop_map(str::to_owned)]
}
