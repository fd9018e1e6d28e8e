//! How a record looked, in few bytes: enough to tell later whether anybody
//! changed it.

use std::borrow::Cow;

use xxhash_rust::xxh3::xxh3_64;

use crate::model::{Number, Record, Value};

/// Bytes that one field takes: a hash of its name, a hash of its value.
const WIDTH: usize = 8;

/// The image of a record, to be stored with its row.
pub fn image(record: &Record) -> Vec<u8> {
    let mut image = Vec::with_capacity(record.fields.len() * WIDTH);
    for (name, value) in &record.fields {
        image.extend_from_slice(&short(name.as_bytes()));
        image.extend_from_slice(&short(plain(value).as_bytes()));
    }
    image
}

/// Whether a field that both know has another value now.
///
/// Fields that only one of them has are passed over: the CRM's answers need
/// not all show the same ones. But of an image of the [`whole`] record, a field
/// that it does not know and that is filled now was filled since.
pub fn changed(image: &[u8], record: &Record) -> bool {
    let is_whole = find(image, WHOLE).is_some();
    record
        .fields
        .iter()
        .any(|(name, value)| has_other(image, name, value).unwrap_or_else(|| is_whole && is_filled(value)))
}

/// No field is called so: stands in an image that shows all of its record.
const WHOLE: &str = "";

/// The image as one that shows all of its record.
pub fn whole(mut image: Vec<u8>) -> Vec<u8> {
    image.extend_from_slice(&short(WHOLE.as_bytes()));
    image.extend_from_slice(&short(b""));
    image
}

/// Lists are not in every answer, and 0 is what flags and ids of others are without a value.
fn is_filled(value: &Value) -> bool {
    !value.is_blank() && !matches!(value, Value::Json(_)) && value.to_text() != "0"
}

/// Whether the image has another value of a field; none where it does not know the field.
pub fn has_other(image: &[u8], name: &str, value: &Value) -> Option<bool> {
    find(image, name).map(|known| known != short(plain(value).as_bytes()))
}

/// Fields that say who changed a record when, and so change with every write
/// (source: field notes, "Filters" and "Fields").
const STAMPS: [&str; 3] = ["modifieddate", "modified", "modifiedby"];

/// Whether two images show the same record, but for who changed it when.
pub fn same_but_stamps(a: &[u8], b: &[u8]) -> bool {
    let stamps = STAMPS.map(|name| short(name.as_bytes()));
    let sorted = |image: &[u8]| {
        let fields =
            image.chunks_exact(WIDTH).filter(|field| stamps.iter().all(|name| !field.starts_with(name)));
        let mut fields: Vec<Vec<u8>> = fields.map(<[u8]>::to_vec).collect();
        fields.sort();
        fields
    };
    sorted(a) == sorted(b)
}

/// What the image has of a field.
fn find<'i>(image: &'i [u8], name: &str) -> Option<&'i [u8]> {
    let name = short(name.as_bytes());
    image.chunks_exact(WIDTH).find(|field| field[..WIDTH / 2] == name).map(|field| &field[WIDTH / 2..])
}

fn short(bytes: &[u8]) -> [u8; WIDTH / 2] {
    // Half of the hash: one change in four billion goes unseen.
    (xxh3_64(bytes) as u32).to_le_bytes()
}

/// A value in the one form that its dresses share: the CRM writes numbers and
/// dates in several, and blank in three.
fn plain(value: &Value) -> Cow<'_, str> {
    if let Value::Number(number) = value {
        return number.as_str().into();
    }
    match value.to_text() {
        Cow::Borrowed(text) => plain_text(text),
        Cow::Owned(text) => plain_text(&text).into_owned().into(),
    }
}

fn plain_text(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    // Hardly any text is a number, and the first character tells.
    if text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first))
        && let Some(number) = Number::parse(text)
    {
        return number.to_string().into();
    }
    let is_moment =
        text.len() >= 19 && text.as_bytes()[..10].iter().all(|b| b.is_ascii_digit() || *b == b'-');
    match text.get(..19).filter(|_| is_moment) {
        Some(moment) => moment.replace('T', " ").trim_end_matches(" 00:00:00").to_owned().into(),
        None if text.contains('\r') => text.replace("\r\n", "\n").into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RecordId;

    fn record(fields: &[(&str, &str)]) -> Record {
        let fields = fields.iter().map(|(name, json)| ((*name).to_owned(), Value::from_json(json).unwrap()));
        Record { id: RecordId::new(7).unwrap(), fields: fields.collect() }
    }

    #[test]
    fn a_changed_emptied_or_filled_field_shows() {
        let before = image(&record(&[("name", "\"Acme\""), ("phone", "null"), ("value", "1.50")]));
        for (name, json) in [("name", "\"acme\""), ("name", "null"), ("phone", "\"1\""), ("value", "1.51")] {
            assert!(changed(&before, &record(&[(name, json)])), "{name} {json}");
        }
    }

    #[test]
    fn another_dress_and_fields_of_one_side_alone_are_no_change() {
        let before = image(&record(&[
            ("name", "\"Acme \""),
            ("phone", "null"),
            ("value", "\"1.50\""),
            ("since", "\"2026-01-02\""),
            ("notes", "\"a\\r\\nb\""),
            ("hidden", "\"x\""),
        ]));
        let now = record(&[
            ("name", "\"Acme\""),
            ("phone", "\"\""),
            ("value", "1.5"),
            ("since", "\"2026-01-02T00:00:00.000\""),
            ("notes", "\"a\\nb\""),
            ("leadscore", "5"),
        ]);
        assert!(!changed(&before, &now));
    }

    #[test]
    fn of_a_whole_record_a_field_that_is_filled_since_shows() {
        let before = whole(image(&record(&[("name", "\"Acme\"")])));
        for (json, filled) in
            [("\"x\"", true), ("5", true), ("null", false), ("\"\"", false), ("0", false), ("[1]", false)]
        {
            let now = record(&[("name", "\"Acme\""), ("notes", json)]);
            assert_eq!(changed(&before, &now), filled, "{json}");
        }
        assert!(changed(&before, &record(&[("name", "\"acme\"")])));
    }

    #[test]
    fn who_changed_a_record_when_is_no_part_of_what_it_says() {
        let shown = |name: &str, at: &str| {
            image(&record(&[("name", name), ("modifieddate", at), ("modifiedby", at)]))
        };
        let (one, other) =
            (shown("\"A\"", "\"2026-11-24 10:00:00\""), shown("\"A\"", "\"2026-11-24 11:00:00\""));
        assert!(same_but_stamps(&one, &other));
        assert!(!same_but_stamps(&one, &shown("\"B\"", "\"2026-11-24 10:00:00\"")));
        let more = image(&record(&[("name", "\"A\""), ("phone", "null")]));
        assert!(!same_but_stamps(&one, &more), "another field");
    }
}
