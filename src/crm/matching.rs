//! Holding a filter against a record that has been read: for what the server
//! cannot be asked.
//!
//! Compared as the CRM compares: texts without case, numbers by value, and
//! null, the empty text and a missing field are all the same: blank. A blank
//! value is neither greater nor smaller than anything, also under `not`:
//! `not (closedate > "2026-01-01")` finds no record without a date, as in SQL.

use std::cmp::Ordering;

use super::records::RecordRef;
use crate::model::{Filter, Number, Record, Test, Value, ValueRef};

/// What has fields to be held against a filter.
pub trait HasFields<'a> {
    /// The value of a field; `None` where there is none.
    fn field(self, name: &str) -> Option<ValueRef<'a>>;
}

impl<'a> HasFields<'a> for &'a Record {
    fn field(self, name: &str) -> Option<ValueRef<'a>> {
        self.get(name).map(ValueRef::from)
    }
}

impl<'a> HasFields<'a> for RecordRef<'a> {
    fn field(self, name: &str) -> Option<ValueRef<'a>> {
        self.get(name)
    }
}

/// Whether a record passes a filter.
pub fn matches<'a>(filter: &Filter, record: impl HasFields<'a> + Copy) -> bool {
    verdict(filter, &|field| record.field(field)) == Some(true)
}

/// Yes, no, or cannot be said (`None`).
fn verdict<'a>(filter: &Filter, value: &impl Fn(&str) -> Option<ValueRef<'a>>) -> Option<bool> {
    match filter {
        Filter::All(parts) => all_of(parts.iter().map(|part| verdict(part, value))),
        Filter::Any(parts) => all_of(parts.iter().map(|part| verdict(part, value).map(|v| !v))).map(|v| !v),
        Filter::Not(part) => verdict(part, value).map(|v| !v),
        Filter::Field(field, test) => holds(test, value(field).unwrap_or(ValueRef::Null)),
    }
}

/// False if any is false, else unknown if any is unknown, else true.
fn all_of(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut result = Some(true);
    for part in parts {
        match part {
            Some(false) => return Some(false),
            None => result = None,
            Some(true) => {}
        }
    }
    result
}

/// One test of one value.
pub(super) fn holds<'a>(test: &Test, value: impl Into<ValueRef<'a>>) -> Option<bool> {
    let value = value.into();
    match test {
        Test::Is(wanted) => Some(equal(value, wanted.into())),
        Test::IsNot(wanted) => Some(!equal(value, wanted.into())),
        Test::In(wanted) => Some(is_among(value, wanted)),
        Test::NotIn(wanted) => Some(!is_among(value, wanted)),
        Test::Above(limit) => compare(value, limit.into()).map(Ordering::is_gt),
        Test::AtLeast(limit) => compare(value, limit.into()).map(Ordering::is_ge),
        Test::Below(limit) => compare(value, limit.into()).map(Ordering::is_lt),
        Test::AtMost(limit) => compare(value, limit.into()).map(Ordering::is_le),
        Test::Between(low, high) => {
            let parts = [
                compare(value, low.into()).map(Ordering::is_ge),
                compare(value, high.into()).map(Ordering::is_le),
            ];
            all_of(parts.into_iter())
        }
        Test::StartsWith(part) => Some(lower(value).starts_with(&part.to_lowercase())),
        Test::EndsWith(part) => Some(lower(value).ends_with(&part.to_lowercase())),
        Test::Contains(part) => Some(lower(value).contains(&part.to_lowercase())),
    }
}

fn lower(value: ValueRef<'_>) -> String {
    value.to_text().to_lowercase()
}

/// Whether a value equals one of many. Those that are the same letter by letter are found first:
/// they are most of the answers to a question by keys.
fn is_among(value: ValueRef<'_>, wanted: &[Value]) -> bool {
    let same = |one: &Value| ValueRef::from(one) == value;
    wanted.iter().any(same) || wanted.iter().any(|one| equal(value, one.into()))
}

fn equal(a: ValueRef<'_>, b: ValueRef<'_>) -> bool {
    match (a.is_blank(), b.is_blank()) {
        (true, true) => true,
        (false, false) => order(a, b).is_eq(),
        (true, false) | (false, true) => false,
    }
}

fn compare(a: ValueRef<'_>, b: ValueRef<'_>) -> Option<Ordering> {
    (!a.is_blank() && !b.is_blank()).then(|| order(a, b))
}

/// By number where one of them is one and the other reads as one; two texts are
/// compared as texts, as `007` and `7` are two different telephone extensions.
fn order(a: ValueRef<'_>, b: ValueRef<'_>) -> Ordering {
    let is_number = |value: ValueRef<'_>| matches!(value, ValueRef::Number(_) | ValueRef::Bool(_));
    if (is_number(a) || is_number(b))
        && let (Some(a), Some(b)) = (as_number(a), as_number(b))
    {
        return a.compare(&b);
    }
    let (a, b) = (a.to_text(), b.to_text());
    if a == b { Ordering::Equal } else { a.to_lowercase().cmp(&b.to_lowercase()) }
}

fn as_number(value: ValueRef<'_>) -> Option<Number> {
    match value {
        ValueRef::Number(number) => Number::parse(number),
        ValueRef::Bool(flag) => Some(Number::from(i64::from(flag))),
        ValueRef::Text(text) => Number::parse(text.trim()),
        ValueRef::Null | ValueRef::Json(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RecordId;

    fn record(fields: &[(&str, Value)]) -> Record {
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Record { id: RecordId::new(1).unwrap(), fields }
    }

    fn test(value: Value, test: Test) -> bool {
        matches(&Filter::Field("f".into(), test), &record(&[("f", value)]))
    }

    fn number(text: &str) -> Value {
        Value::Number(Number::parse(text).unwrap())
    }

    #[test]
    fn texts_compare_without_case_and_numbers_by_value() {
        assert!(test("Acme GmbH".into(), Test::Is("ACME gmbh".into())));
        assert!(test(number("9"), Test::Below(number("10"))));
        assert!(test("9".into(), Test::Below(number("10"))));
        assert!(test("1".into(), Test::Is(Value::Bool(true))));
        assert!(test("1.50".into(), Test::Is(number("1.5"))));
        assert!(!test("007".into(), Test::Is("7".into())));
        assert!(test("2026-01-01 10:00:00".into(), Test::Above("2026-01-01".into())));
        assert!(test("Zoë".into(), Test::EndsWith("OË".into())));
    }

    #[test]
    fn null_the_empty_text_and_a_missing_field_are_alike() {
        for blank in [Value::Null, Value::from("")] {
            assert!(test(blank.clone(), Test::Is(Value::from(""))));
            assert!(test(blank.clone(), Test::Is(Value::Null)));
            assert!(test(blank.clone(), Test::IsNot("x".into())));
            assert!(test(blank.clone(), Test::In(vec!["x".into(), Value::Null])));
            assert!(!test(blank, Test::IsNot(Value::Null)));
        }
        assert!(matches(&Filter::is("missing", Value::Null), &record(&[])));
    }

    #[test]
    fn blank_is_neither_greater_nor_smaller_also_under_not() {
        for limit in
            [Test::Above(number("5")), Test::AtMost(number("5")), Test::Between(number("1"), number("5"))]
        {
            let filter = Filter::Field("f".into(), limit);
            let blank = record(&[("f", Value::Null)]);
            assert!(!matches(&filter, &blank));
            assert!(!matches(&Filter::Not(Box::new(filter)), &blank));
        }
        let contains = Filter::Field("f".into(), Test::Contains("x".into()));
        assert!(matches(&Filter::Not(Box::new(contains)), &record(&[])));
    }

    #[test]
    fn empty_lists_of_conditions_hold_always_and_never() {
        assert!(matches(&Filter::All(vec![]), &record(&[])));
        assert!(!matches(&Filter::Any(vec![]), &record(&[])));
    }
}
