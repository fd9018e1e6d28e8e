//! What counts as a difference, and of which kind.

use proptest::prelude::*;

use super::*;
use crate::rules::testing::dictionary;

fn value(json: &str) -> Value {
    Value::from_json(json).unwrap()
}

/// The kind of a difference in a field of the testing object, as JSON.
fn found(field: &str, sent: &str, before: Option<&str>, stored: &str) -> Option<Kind> {
    let dictionary = dictionary();
    let field = dictionary.get(field).unwrap();
    difference(field, &value(sent), before.map(value).as_ref(), Some(&value(stored)))
}

#[track_caller]
fn all_are(kind: Kind, cases: &[(&str, &str, Option<&str>, &str)]) {
    for (field, sent, before, stored) in cases {
        assert_eq!(found(field, sent, *before, stored), Some(kind), "{field} {sent} {before:?} {stored}");
    }
}

#[test]
fn the_same_value_in_another_dress_is_no_difference() {
    for (field, sent, stored) in [
        ("money", "1200.5", "\"1200.50\""),
        ("check", "1", "\"1\""),
        ("check", "0", "null"),
        ("date", "\"2024-02-13\"", "\"2024-02-13 00:00:00\""),
        ("tags", "\"Red;Blue\"", "\"Blue; Red\""),
        ("memo", "\"a\\nb\"", "\"a\\r\\nb\""),
        ("type", "\"prospect\"", "\"Prospect\""),
        ("text", "\"\"", "null"),
    ] {
        assert_eq!(found(field, sent, None, stored), None, "{field} {sent} {stored}");
    }
    let text = Field::new("text", FieldKind::Text);
    assert_eq!(
        difference(&text, &Value::Null, Some(&Value::from("x")), None),
        None,
        "cleared, and not there"
    );
    assert_eq!(difference(&text, &Value::from("x"), None, None), Some(Kind::Ignored));
}

#[test]
fn what_the_crm_cut_is_truncated() {
    all_are(
        Kind::Truncated,
        &[
            ("text", "\"Acme Limited\"", None, "\"Acme Lim\""),
            ("text", "\"Acme Limited\"", None, "\"Acme\""),
            // Cut again, as it was cut by the import before.
            ("text", "\"Acme Limited\"", Some("\"Acme Lim\""), "\"Acme Lim\""),
            ("memo", "\"a\\nb\\nc\"", None, "\"a\\r\\nb\""),
            ("memo", "\"Grüße\"", None, "\"Gr\u{FFFD}\""),
            ("url", "\"https://a.example/long\"", None, "\"https://a.exa\""),
            ("other", "\"12345\"", None, "123"),
            ("tags", "\"Red;Blue\"", None, "\"Red\""),
            ("datetime", "\"2024-02-13 09:30:15\"", None, "\"2024-02-13 00:00:00\""),
            ("datetime", "\"2024-02-13 09:30:15\"", None, "\"2024-02-13 09:30\""),
            ("datetime", "\"2024-02-13 09:30:15\"", None, "\"13/02/2024\""),
        ],
    );
}

#[test]
fn what_lost_decimals_is_rounded() {
    all_are(
        Kind::Rounded,
        &[
            ("money", "10.126", None, "10.13"),
            ("money", "10.126", None, "\"10.12\""),
            ("money", "10.126", None, "10"),
            ("money", "9.996", None, "10"),
            ("money", "-0.5", None, "-1"),
            ("money", "-0.5", None, "0"),
            ("number", "1.5", Some("1"), "1"),
            ("number", "99999.95", None, "100000"),
            // Through a float.
            ("number", "0.3", None, "0.30000000000000004"),
            ("number", "12345678901234567891", None, "12345678901234567000"),
            ("number", "33.333", None, "33.332999999999998"),
            ("text", "\"10.126\"", None, "\"10.13\""),
        ],
    );
}

#[test]
fn what_is_written_otherwise_is_reformatted() {
    all_are(
        Kind::Reformatted,
        &[
            ("text", "\"0171-123 456\"", None, "\"(0171) 123456\""),
            ("text", "\"Acme Ltd\"", None, "\"ACME LTD\""),
            ("text", "\"A & B\"", None, "\"A &amp; B\""),
            ("text", "\"007\"", None, "7"),
            ("memo", "\"a\\nb\"", None, "\"a b\""),
            ("url", "\"acme.example\"", None, "\"https://acme.example/\""),
            ("email", "\"Ann@Acme.example\"", None, "\"ann@acme.example\""),
            ("money", "1200.5", None, "\"£1,200.5\""),
            ("date", "\"2024-02-13\"", None, "\"13/02/2024\""),
            ("date", "\"2024-02-03\"", None, "\"02/03/24\""),
            ("date", "\"2024-02-13\"", None, "\"20240213\""),
            ("date", "\"2024-02-13\"", None, "\"Feb 13, 2024\""),
            ("datetime", "\"2024-02-13 09:30:00\"", None, "\"13.02.2024 9:30\""),
        ],
    );
}

#[test]
fn what_is_as_it_was_before_is_ignored() {
    all_are(
        Kind::Ignored,
        &[
            ("text", "\"new\"", None, "null"),
            ("text", "\"new\"", None, "\"\""),
            ("check", "1", None, "0"),
            ("ownerid", "7", None, "0"),
            ("text", "\"new\"", Some("\"old\""), "\"old\""),
            ("text", "\"new\"", Some("null"), "\"\""),
            ("text", "\"\"", Some("\"old\""), "\"old\""),
            ("check", "0", Some("\"1\""), "1"),
            ("number", "5", Some("4"), "\"4\""),
            ("date", "null", Some("\"2024-02-13\""), "\"2024-02-13\""),
        ],
    );
}

#[test]
fn what_the_crm_put_in_the_place_of_nothing_is_defaulted() {
    all_are(
        Kind::Defaulted,
        &[
            ("text", "\"\"", Some("\"old\""), "\"standard\""),
            ("number", "null", Some("4"), "0"),
            ("check", "0", None, "1"),
        ],
    );
}

#[test]
fn anything_else_is_changed() {
    all_are(
        Kind::Changed,
        &[
            ("text", "\"new\"", None, "\"other\""),
            ("text", "\"new\"", Some("\"old\""), "null"),
            ("text", "\"***\"", None, "\"---\""),
            ("number", "105", None, "10.5"),
            ("number", "10", None, "10.5"),
            ("number", "125", None, "12"),
            ("number", "5", None, "-5"),
            ("money", "10.124", None, "10.13"),
            ("check", "1", Some("null"), "\"maybe\""),
            // Another day, though it has the same digits.
            ("date", "\"2024-02-03\"", None, "\"2024-03-02\""),
            ("datetime", "\"2024-02-13 09:30:00\"", None, "\"2024-02-13 08:30:00\""),
            ("tags", "\"Red\"", None, "\"Green\""),
        ],
    );
}

#[test]
fn differences_are_counted_by_field_and_kind_the_commonest_first() {
    let mut tally = Tally::default();
    let (sent, stored) = (value("\"Acme Ltd\""), value("\"Acme\""));
    let one = |row, field, kind, edited| Found {
        row,
        id: row + 100,
        field,
        kind,
        sent: field.is_some().then_some(&sent),
        stored: Some(&stored),
        edited,
    };
    tally.add(&one(2, None, Kind::Missing, false));
    tally.add(&one(3, Some("name"), Kind::Truncated, false));
    tally.add(&one(4, Some("name"), Kind::Truncated, true));
    tally.add(&one(4, Some("name"), Kind::Changed, false));
    let all = tally.sorted();
    let shown: Vec<_> =
        all.iter().map(|d| (d.field.as_deref(), d.kind.word(), d.rows, d.edited_since)).collect();
    assert_eq!(
        shown,
        [(Some("name"), "truncated", 2, 1), (None, "missing", 1, 0), (Some("name"), "changed", 1, 0)]
    );
    let example = Example { row: 3, id: 103, sent: Some("Acme Ltd".into()), stored: Some("Acme".into()) };
    assert_eq!(all[0].example, example);
    assert_eq!((&all[1].example.sent, &all[1].example.stored), (&None, &None));
}

#[test]
fn long_texts_are_shown_around_the_place_where_they_part() {
    let (sent, stored) = (format!("{}b{}", "a".repeat(50), "c".repeat(99)), "a".repeat(50));
    let shown = around(&sent, &stored, 20);
    assert_eq!(shown, (format!("…{}b{}…", "a".repeat(10), "c".repeat(9)), format!("…{}", "a".repeat(10))));
    assert_eq!(around("Acme Ltd", "Acme", 20), ("Acme Ltd".to_owned(), "Acme".to_owned()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_value_that_comes_back_is_no_difference(text in any::<String>(), before in any::<Option<String>>()) {
        let (sent, before) = (Value::Text(text), before.map(Value::Text));
        for field in dictionary().fields() {
            prop_assert_eq!(difference(field, &sent, before.as_ref(), Some(&sent)), None, "{}", field.name);
        }
    }

    #[test]
    fn any_two_values_are_held_against_each_other_without_a_fault(
        sent in "[-0-9.eE£ ]{0,30}|\\PC{0,20}", stored in "[-0-9.eE£ ]{0,30}|\\PC{0,20}",
    ) {
        let (sent, stored) = (Value::Text(sent), Value::Text(stored));
        for field in dictionary().fields() {
            let kind = difference(field, &sent, None, Some(&stored));
            prop_assert!(!matches!(kind, Some(Kind::Missing | Kind::StillThere)));
        }
        let (sent, stored) = (sent.to_text(), stored.to_text());
        let (a, b) = around(&sent, &stored, 9);
        prop_assert!(a.chars().count() <= 11 && b.chars().count() <= 11);
    }

    #[test]
    fn a_text_that_is_cut_anywhere_is_truncated(text in "[a-zé]{2,30}", at in 1_usize..29) {
        let end = text.char_indices().map(|(end, _)| end).nth(at);
        if let Some(end) = end {
            let field = Field::new("memo", FieldKind::Memo);
            let stored = Value::from(&text[..end]);
            prop_assert_eq!(difference(&field, &Value::Text(text), None, Some(&stored)), Some(Kind::Truncated));
        }
    }

    #[test]
    fn a_number_that_is_cut_or_rounded_is_rounded(
        whole in 0_i64..1_000_000, thousandths in 1_i64..1_000, places in 0_u32..3, negative in any::<bool>(),
    ) {
        let unit = 10_i64.pow(3 - places);
        let exact = whole * 1_000 + thousandths;
        prop_assume!(exact % unit != 0);
        let number = |thousandths: i64| {
            let sign = if negative { "-" } else { "" };
            Value::Number(Number::parse(&format!("{sign}{}.{:03}", thousandths / 1_000, thousandths % 1_000)).unwrap())
        };
        let field = Field::new("money", FieldKind::Currency);
        let (cut, rounded) = (exact / unit * unit, (exact + unit / 2) / unit * unit);
        for stored in [cut, rounded] {
            let kind = difference(&field, &number(exact), Some(&Value::from(7)), Some(&number(stored)));
            prop_assert_eq!(kind, Some(Kind::Rounded), "{} {}", exact, stored);
        }
        // Two whole ones further off it is another number.
        let other = difference(&field, &number(exact), None, Some(&number(exact + 2_000)));
        prop_assert_eq!(other, Some(Kind::Changed));
    }
}
