//! Whether a record already holds what a row wants.

use crate::model::{Field, FieldKind, Number, Value};
use crate::rules::convert::text::with_plain_line_breaks;
use crate::rules::ids::holds_id;
use crate::rules::names::folded;
use crate::rules::names::trim;

/// Whether the record's value and the wanted one are the same to the CRM.
///
/// Null, the empty text and a missing value are the same, and so is 0 in the
/// id of another record ("no campaign") and in a checkbox (source: field
/// notes, "Values").
pub fn same(field: &Field, current: Option<&Value>, wanted: &Value) -> bool {
    let current = current.unwrap_or(&Value::Null);
    if current == wanted {
        return true;
    }
    match &field.kind {
        FieldKind::Number | FieldKind::Currency | FieldKind::Percent => same_number(field, current, wanted),
        FieldKind::Checkbox => flag(current) == flag(wanted),
        FieldKind::Date => same_date(current, wanted, 10),
        FieldKind::DateTime => same_date(current, wanted, 19),
        FieldKind::MultiSelect => same_choices(field, current, wanted),
        FieldKind::Text
        | FieldKind::TextArea
        | FieldKind::Memo
        | FieldKind::Email
        | FieldKind::Url
        | FieldKind::Other(_) => same_text(current, wanted) || same_in_list(field, current, wanted),
    }
}

/// Whether the wanted text is what a workbook's cell has room for of the record's own: then the
/// cell does not say that the rest is to go. Excel counts UTF-16 units.
pub fn is_cut_by_a_cell(current: Option<&Value>, wanted: &Value) -> bool {
    const ROOM: usize = 32_767;
    let Some(Value::Text(current)) = current else { return false };
    // No text has more units than bytes.
    if current.len() <= ROOM {
        return false;
    }
    let mut units = 0;
    let end = current.char_indices().find(|(_, letter)| {
        units += letter.len_utf16();
        units > ROOM
    });
    end.is_some_and(|(end, _)| same_text(&Value::from(&current[..end]), wanted))
}

/// Whether a record's value is what a cell says, letter by letter.
pub fn is_as_written(current: &Value, text: &str) -> bool {
    same_text(current, &Value::from(text))
}

/// Values of a list are compared without case and blanks at the ends, unless
/// the list has both of them.
fn same_in_list(field: &Field, current: &Value, wanted: &Value) -> bool {
    let Some(lookup) = &field.lookup else { return false };
    let (current, wanted) = (current.to_text(), wanted.to_text());
    let is_listed = |text: &str| lookup.values.iter().flatten().any(|value| value == text);
    folded(&current) == folded(&wanted) && !(is_listed(&current) && is_listed(&wanted))
}

/// The same values in whatever order.
fn same_choices(field: &Field, current: &Value, wanted: &Value) -> bool {
    let (current, mut wanted) = (choices(current), choices(wanted));
    current.len() == wanted.len()
        && current.into_iter().all(|one| {
            let one = Value::Text(one);
            let same = |other: &String| {
                let other = Value::from(other.as_str());
                one == other || same_in_list(field, &one, &other)
            };
            wanted.iter().position(same).map(|at| wanted.swap_remove(at)).is_some()
        })
}

fn same_number(field: &Field, current: &Value, wanted: &Value) -> bool {
    let is_blank = |value: &Value| value.is_blank() || (holds_id(field) && value.to_text() == "0");
    if is_blank(current) || is_blank(wanted) {
        return is_blank(current) && is_blank(wanted);
    }
    match (Number::parse(current.to_text().trim()), Number::parse(wanted.to_text().trim())) {
        (Some(a), Some(b)) => a == b,
        _ => same_text(current, wanted),
    }
}

/// `None` for what is no flag. Blank is the same as 0.
fn flag(value: &Value) -> Option<bool> {
    match value.to_text().trim() {
        "" | "0" | "false" => Some(false),
        "1" | "true" => Some(true),
        _ => None,
    }
}

fn same_date(current: &Value, wanted: &Value, length: usize) -> bool {
    plain_date(&current.to_text(), length) == plain_date(&wanted.to_text(), length)
}

/// The first `length` characters of `YYYY-MM-DD HH:MM:SS`, however the CRM
/// writes it; a missing time is midnight.
pub fn plain_date(text: &str, length: usize) -> String {
    let mut text = text.trim().replace('T', " ");
    if text.len() == 10 && length > 10 {
        text.push_str(" 00:00:00");
    }
    text.chars().take(length).collect()
}

fn choices(value: &Value) -> Vec<String> {
    let text = value.to_text();
    let mut choices: Vec<String> =
        text.split(';').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect();
    choices.sort();
    choices.dedup();
    choices
}

/// The CRM trims texts and keeps line breaks in one form. What an import takes
/// off a cell must not make the record that it came from look changed, so the
/// same blanks and line breaks are passed over here.
fn same_text(current: &Value, wanted: &Value) -> bool {
    let (a, b) = (current.to_text(), wanted.to_text());
    let (a, b) = (trim(&a), trim(&b));
    // A line break at an end is trimmed in any form, so the order does not matter.
    a == b || (a.contains('\r') && with_plain_line_breaks(a) == with_plain_line_breaks(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_cell_had_no_room_for_is_not_to_go() {
        let long = format!("{}é tail", "x".repeat(32_766));
        let is_cut = |wanted: &str| is_cut_by_a_cell(Some(&Value::from(long.as_str())), &Value::from(wanted));
        assert!(is_cut(&long[..32_768]), "32,767 letters");
        assert!(!is_cut(&long[..32_766]) && !is_cut(&long) && !is_cut("x"));
        let short = Value::from("x".repeat(32_767).as_str());
        assert!(!is_cut_by_a_cell(Some(&short), &short) && !is_cut_by_a_cell(None, &short));
        // Two units each, and a blank where it was cut, which an import takes off.
        let wide = format!("{} {}", "😀".repeat(16_383), "tail");
        let cut = Value::from("😀".repeat(16_383).as_str());
        assert!(is_cut_by_a_cell(Some(&Value::from(wide.as_str())), &cut));
    }

    fn is_same(name: &str, kind: FieldKind, current: &str, wanted: &str) -> bool {
        let value = |json: &str| Value::from_json(json).unwrap();
        same(&Field::new(name, kind), Some(&value(current)), &value(wanted))
    }

    #[test]
    fn the_same_value_in_another_dress_is_the_same() {
        for (name, kind, current, wanted) in [
            ("n", FieldKind::Number, "\"30\"", "30"),
            ("n", FieldKind::Currency, "\"1200.50\"", "1200.5"),
            ("campaignid", FieldKind::Number, "0", "null"),
            ("n", FieldKind::Number, "\"\"", "null"),
            ("c", FieldKind::Checkbox, "\"1\"", "1"),
            ("c", FieldKind::Checkbox, "null", "0"),
            ("c", FieldKind::Checkbox, "true", "1"),
            ("d", FieldKind::Date, "\"2024-02-13 00:00:00\"", "\"2024-02-13\""),
            ("d", FieldKind::DateTime, "\"2024-02-13T09:30:00.000\"", "\"2024-02-13 09:30:00\""),
            ("d", FieldKind::DateTime, "\"2024-02-13\"", "\"2024-02-13 00:00:00\""),
            ("m", FieldKind::MultiSelect, "\"b; a\"", "\"a;b\""),
            ("t", FieldKind::Text, "\"Acme \"", "\"Acme\""),
            ("t", FieldKind::Text, "null", "\"\""),
            ("t", FieldKind::Memo, "\"a\\r\\nb\"", "\"a\\nb\""),
            ("t", FieldKind::Memo, "\"a\\rb\\r\"", "\"a\\nb\""),
            ("t", FieldKind::Text, "\"\u{FEFF}\u{A0}Acme\u{200B} \u{AD}\"", "\"Acme\""),
            ("t", FieldKind::Text, "\"\u{200B}\"", "null"),
            ("t", FieldKind::Text, "5", "\"5\""),
        ] {
            assert!(is_same(name, kind.clone(), current, wanted), "{kind:?} {current} {wanted}");
        }
    }

    #[test]
    fn another_value_is_another() {
        for (name, kind, current, wanted) in [
            ("n", FieldKind::Number, "0", "null"),
            ("n", FieldKind::Number, "1", "2"),
            ("amountpaid", FieldKind::Currency, "null", "0"),
            ("amountpaid", FieldKind::Number, "0", "null"),
            ("n", FieldKind::Number, "12345678901234567890", "12345678901234567891"),
            ("c", FieldKind::Checkbox, "\"0\"", "1"),
            ("d", FieldKind::Date, "\"2024-02-13\"", "\"2024-02-14\""),
            ("d", FieldKind::Date, "null", "\"2024-02-14\""),
            ("t", FieldKind::Text, "\"acme\"", "\"Acme\""),
            ("t", FieldKind::Text, "\"0\"", "null"),
            ("t", FieldKind::Text, "\"Ac\u{200B}me\"", "\"Acme\""),
            ("t", FieldKind::Memo, "\"a b\"", "\"a\\nb\""),
            ("m", FieldKind::MultiSelect, "\"a\"", "\"a;b\""),
        ] {
            assert!(!is_same(name, kind.clone(), current, wanted), "{kind:?} {current} {wanted}");
        }
    }
}
