//! What the CRM has changed about an object's fields since they were last seen,
//! as far as a mapping rests on it.
//!
//! An administrator renames a field, shortens a text or tidies up a list, and
//! the mapping of last month no longer fits. What is found here names the
//! change, where a mapping error or a rejected row would only name its effect.

use std::collections::HashSet;

use super::nearest::nearest;
use super::program::Choices;
use crate::model::{Dictionary, Field, FieldKind, shown};

/// Most values of a list that a sentence names.
const MOST_NAMED: usize = 10;

/// One thing that has changed about one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// The field's API name.
    pub field: String,
    /// What kind of change it is.
    pub change: Change,
    /// The change in one sentence, fit to be shown.
    pub message: String,
}

/// The kinds of change. Scripts rely on these words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The field is gone; perhaps another name is its new one.
    Removed,
    /// It takes another type of value.
    Retyped,
    /// It takes fewer characters.
    Shortened,
    /// It takes fewer digits behind the decimal point.
    FewerDecimals,
    /// A new record needs it now.
    Required,
    /// The CRM fills it now; it can no longer be written.
    ReadOnly,
    /// Values are gone from its list.
    ValuesGone,
    /// It has a list now, which it had not.
    ListAdded,
    /// It has no list any more.
    ListGone,
}

impl Change {
    /// The word in documents.
    pub fn word(self) -> &'static str {
        match self {
            Self::Removed => "removed",
            Self::Retyped => "retyped",
            Self::Shortened => "shortened",
            Self::FewerDecimals => "fewer_decimals",
            Self::Required => "required",
            Self::ReadOnly => "read_only",
            Self::ValuesGone => "values_gone",
            Self::ListAdded => "list_added",
            Self::ListGone => "list_gone",
        }
    }
}

/// What makes rows fail that passed when the fields were as in `before`: first
/// the mapped fields in the mapping's order, then, where the mode creates
/// records, fields that have become required and that nothing fills.
///
/// A field that `before` does not have is none that changed. Values of a list
/// are compared where both sides know them.
pub fn drift(before: &Dictionary, now: &Dictionary, mapped: &[&str], creates: bool) -> Vec<Drift> {
    let mut found = Vec::new();
    for name in mapped {
        let Some(was) = before.get(name) else { continue };
        match now.get(name) {
            Some(is) => compare(was, is, creates, &mut found),
            None => found.push(removed(was, before, now)),
        }
    }
    if creates {
        let mapped: HashSet<&str> = mapped.iter().copied().collect();
        let unfilled = now.fields().iter().filter(|field| !mapped.contains(field.name.as_str()));
        found.extend(unfilled.filter_map(|field| newly_required(before.get(&field.name), field)));
    }
    found
}

fn removed(was: &Field, before: &Dictionary, now: &Dictionary) -> Drift {
    let (name, object) = (shown(&was.name), shown(&now.object));
    let message = match new_name(was, before, now) {
        Some(field) => {
            let label = field.label.as_deref().map(|label| format!(" ({})", shown(label).cut(60)));
            let (new, label) = (shown(&field.name), label.unwrap_or_default());
            format!("{object} no longer has the field {name}; perhaps it was renamed to {new}{label}")
        }
        None => format!("{object} no longer has the field {name}"),
    };
    Drift { field: was.name.clone(), change: Change::Removed, message }
}

/// The new field that the old one may have become: one with the same label,
/// else the one of the same type whose name is most alike.
fn new_name<'a>(was: &Field, before: &Dictionary, now: &'a Dictionary) -> Option<&'a Field> {
    let new: Vec<&Field> = now.fields().iter().filter(|field| before.get(&field.name).is_none()).collect();
    let label = |field: &Field| field.label.as_deref().map(|label| super::names::folded(label).into_owned());
    if let Some(old_label) = label(was)
        && let Some(found) = new.iter().find(|field| label(field).as_ref() == Some(&old_label))
    {
        return Some(found);
    }
    let alike = new.iter().filter(|field| field.kind == was.kind).map(|field| field.name.as_str());
    nearest(&was.name, alike).and_then(|name| now.get(name))
}

/// Adds what has changed about a field that is still there.
fn compare(was: &Field, is: &Field, creates: bool, found: &mut Vec<Drift>) {
    let name = shown(&is.name);
    let mut add = |change, message: String| found.push(Drift { field: is.name.clone(), change, message });
    if is.read_only {
        if !was.read_only {
            let message = format!("{name} is now filled by the CRM and can no longer be written");
            add(Change::ReadOnly, message);
        }
        // Nothing is written to it, so nothing else matters.
        return;
    }
    if is.kind != was.kind {
        let (old, new) = (shown(was.kind.word()).cut(40), shown(is.kind.word()).cut(40));
        add(Change::Retyped, format!("{name} was of type {old} and is now of type {new}"));
    }
    let both = |holds: fn(&FieldKind) -> bool| holds(&was.kind) && holds(&is.kind);
    if let Some(most) = is.size.filter(|&most| was.size.is_none_or(|before| before > most))
        && both(counts_characters)
    {
        let before = was.size.map_or("any number of".to_owned(), |most| most.to_string());
        let message =
            format!("{name} took {before} characters and now takes {most}: longer ones are rejected");
        add(Change::Shortened, message);
    }
    if let Some(most) = is.decimals.filter(|&most| was.decimals.is_none_or(|before| before > most))
        && both(FieldKind::is_numeric)
    {
        let before = was.decimals.map_or("any number of".to_owned(), |most| most.to_string());
        let message = format!("{name} took {before} digits behind the decimal point and now takes {most}");
        add(Change::FewerDecimals, message);
    }
    if is.required && !was.required && creates {
        let message = format!("{name} is now required: a blank one makes no new record");
        add(Change::Required, message);
    }
    compare_lists(was, is, add);
}

/// Whether a field's size is one of its texts: a number's is not held against cells.
fn counts_characters(kind: &FieldKind) -> bool {
    !kind.is_numeric() && !kind.is_temporal() && *kind != FieldKind::Checkbox
}

fn compare_lists(was: &Field, is: &Field, mut add: impl FnMut(Change, String)) {
    let name = shown(&is.name);
    match (&was.lookup, &is.lookup) {
        (None, None) => {}
        (Some(_), None) => {
            add(Change::ListGone, format!("{name} has no list of values any more: nothing holds them to it"));
        }
        (None, Some(_)) => {
            add(Change::ListAdded, format!("{name} now has a list of values: others are rejected"));
        }
        (Some(was), Some(is)) => {
            let (Some(before), Some(now)) = (&was.values, &is.values) else { return };
            let choices = Choices::new(now.iter().cloned());
            let gone: Vec<&str> =
                before.iter().map(String::as_str).filter(|value| choices.find(value).is_none()).collect();
            if !gone.is_empty() {
                add(Change::ValuesGone, values_gone(&name.to_string(), &gone));
            }
        }
    }
}

fn values_gone(name: &str, gone: &[&str]) -> String {
    let quoted: Vec<String> =
        gone.iter().take(MOST_NAMED).map(|value| format!("\"{}\"", shown(value).cut(60))).collect();
    let list = quoted.join(", ");
    match gone.len() - quoted.len() {
        0 => format!("gone from the list of {name}: {list}"),
        more => format!("gone from the list of {name}: {list} and {more} more"),
    }
}

/// A field that nothing fills and that a new record needs since lately.
fn newly_required(was: Option<&Field>, is: &Field) -> Option<Drift> {
    if !is.required || is.read_only || was.is_some_and(|was| was.required && !was.read_only) {
        return None;
    }
    let name = shown(&is.name);
    let message = match was {
        Some(_) => format!("{name} is now required, and nothing fills it"),
        None => format!("{name} is a new field and required, and nothing fills it"),
    };
    Some(Drift { field: is.name.clone(), change: Change::Required, message })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Lookup;

    fn text(name: &str) -> Field {
        Field::new(name, FieldKind::Text)
    }

    fn listed(name: &str, values: &[&str]) -> Field {
        let values = values.iter().map(|&value| value.to_owned()).collect();
        Field { lookup: Some(Lookup { list: None, values: Some(values) }), ..text(name) }
    }

    /// What is said about these fields, all of them mapped.
    fn said(before: Vec<Field>, now: Vec<Field>) -> Vec<String> {
        let names: Vec<String> = before.iter().map(|field| field.name.clone()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (before, now) = (Dictionary::new("accounts", before), Dictionary::new("accounts", now));
        let found = drift(&before, &now, &names, true);
        found.into_iter().map(|drift| format!("{}: {}", drift.change.word(), drift.message)).collect()
    }

    fn one(before: Field, now: Field) -> Vec<String> {
        said(vec![before], vec![now])
    }

    #[test]
    fn an_object_has_not_changed_against_itself() {
        let all = super::super::testing::dictionary();
        let names: Vec<&str> = all.fields().iter().map(|field| field.name.as_str()).collect();
        assert_eq!(drift(&all, &all, &names, true), []);
        assert_eq!(drift(&all, &all, &[], true), []);
    }

    #[test]
    fn a_field_that_is_gone_is_told_with_the_name_that_it_may_have_now() {
        let labelled = |name: &str, label: &str| Field { label: Some(label.to_owned()), ..text(name) };
        let gone = "removed: accounts no longer has the field phone";
        let other = || text("name");
        assert_eq!(said(vec![text("phone")], vec![other()]), [gone]);
        // A field that was there before is not the old one's new name, however alike.
        assert_eq!(said(vec![text("phone"), text("phone2")], vec![text("phone2")]), [gone]);
        // The label wins over the name, the type limits the names.
        let now = vec![labelled("telephone", "PHONE "), text("phones")];
        let renamed = format!("{gone}; perhaps it was renamed to telephone (PHONE )");
        assert_eq!(said(vec![labelled("phone", "Phone")], now), [renamed]);
        let now = vec![Field::new("phones", FieldKind::Number), text("phone_no"), text("zzz")];
        assert_eq!(said(vec![text("phone")], now), [format!("{gone}; perhaps it was renamed to phone_no")]);
        let now = vec![Field::new("phones", FieldKind::Number)];
        assert_eq!(said(vec![text("phone")], now), [gone]);
    }

    #[test]
    fn what_a_field_takes_no_more_is_told() {
        assert_eq!(
            one(text("value"), Field::new("value", FieldKind::Number)),
            ["retyped: value was of type text and is now of type number"]
        );
        let sized = |size| Field { size, ..text("phone") };
        let fewer = |before: &str| {
            format!("shortened: phone took {before} characters and now takes 50: longer ones are rejected")
        };
        assert_eq!(one(sized(Some(100)), sized(Some(50))), [fewer("100")]);
        assert_eq!(one(sized(None), sized(Some(50))), [fewer("any number of")]);
        assert!(one(sized(Some(50)), sized(Some(100))).is_empty(), "longer is no harm");
        assert!(one(sized(Some(50)), sized(None)).is_empty());
        let money = |decimals| Field { decimals, ..Field::new("value", FieldKind::Currency) };
        let fewer =
            ["fewer_decimals: value took 4 digits behind the decimal point and now takes 2".to_owned()];
        assert_eq!(one(money(Some(4)), money(Some(2))), fewer);
        assert_eq!(one(money(None), money(Some(0))).len(), 1);
        assert!(one(money(Some(2)), money(None)).is_empty());
        // What a number's size means is nowhere held against a cell, nor the digits of a text.
        let number = |size| Field { size, ..Field::new("n", FieldKind::Number) };
        assert!(one(number(None), number(Some(5))).is_empty());
        assert_eq!(one(text("value"), money(Some(2))).len(), 1, "retyped, and nothing else");
    }

    #[test]
    fn a_field_of_another_type_may_be_shorter_as_well() {
        let told = one(Field::new("notes", FieldKind::Memo), text("notes"));
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].starts_with("retyped") && told[1].starts_with("shortened"), "{told:?}");
    }

    #[test]
    fn a_field_that_can_no_longer_be_written_has_no_other_fault() {
        let locked = Field { read_only: true, required: true, size: Some(5), ..text("phone") };
        assert_eq!(
            one(text("phone"), locked.clone()),
            ["read_only: phone is now filled by the CRM and can no longer be written"]
        );
        let shorter = Field { size: Some(1), ..locked.clone() };
        assert!(one(locked.clone(), shorter).is_empty(), "it could not be written before");
        assert!(one(locked, Field { required: true, size: Some(5), ..text("phone") }).is_empty());
    }

    #[test]
    fn values_that_are_gone_from_a_list_are_named_and_their_number_is_kept_small() {
        let told = one(
            listed("type", &["Customer", "Prospect ", "Partner\u{7}"]),
            listed("type", &["New", "CUSTOMER "]),
        );
        assert_eq!(told, ["values_gone: gone from the list of type: \"Prospect \", \"Partner\\u{7}\""]);
        let many: Vec<String> = (1..=13).map(|n| format!("V{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let told = one(listed("type", &many), listed("type", &["V1"]));
        assert!(told[0].ends_with("\"V11\" and 2 more"), "{told:?}");
        let unread = Field { lookup: Some(Lookup::default()), ..text("type") };
        assert!(one(listed("type", &["A"]), unread.clone()).is_empty(), "nobody has read the values");
        assert!(one(unread, listed("type", &["A"])).is_empty());
    }

    #[test]
    fn a_list_that_comes_or_goes_is_told() {
        assert_eq!(
            one(listed("type", &["A"]), text("type")),
            ["list_gone: type has no list of values any more: nothing holds them to it"]
        );
        assert_eq!(
            one(text("type"), listed("type", &["A"])),
            ["list_added: type now has a list of values: others are rejected"]
        );
    }

    #[test]
    fn what_a_new_record_needs_now_is_told_only_where_records_are_created() {
        let required = |name: &str| Field { required: true, ..text(name) };
        let before = Dictionary::new("accounts", vec![text("name"), text("sector"), required("type")]);
        let now = vec![required("name"), required("sector"), required("type"), required("region")];
        let now = Dictionary::new("accounts", now);
        let told = |creates| -> Vec<String> {
            drift(&before, &now, &["name"], creates).into_iter().map(|drift| drift.message).collect()
        };
        assert_eq!(
            told(true),
            [
                "name is now required: a blank one makes no new record",
                "sector is now required, and nothing fills it",
                "region is a new field and required, and nothing fills it",
            ]
        );
        assert!(told(false).is_empty());
        let filled_by_the_crm = Field { read_only: true, ..required("stamp") };
        let now = Dictionary::new("accounts", vec![text("name"), required("type"), filled_by_the_crm]);
        assert!(drift(&before, &now, &["name"], true).is_empty());
    }

    #[test]
    fn a_field_that_was_not_there_before_is_none_that_changed() {
        let before = Dictionary::new("accounts", vec![text("name")]);
        let now = Dictionary::new("accounts", vec![text("name"), text("new")]);
        assert!(drift(&before, &now, &["new", "neither", "name"], true).is_empty());
    }
}
