//! How a record looked, in few bytes: enough to tell later whether anybody
//! changed it.

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
/// not all show the same ones.
pub fn changed(image: &[u8], record: &Record) -> bool {
    record.fields.iter().any(|(name, value)| {
        let name = short(name.as_bytes());
        let known = image.chunks_exact(WIDTH).find(|field| field[..WIDTH / 2] == name);
        known.is_some_and(|field| field[WIDTH / 2..] != short(plain(value).as_bytes()))
    })
}

fn short(bytes: &[u8]) -> [u8; WIDTH / 2] {
    // Half of the hash: one change in four billion goes unseen.
    (xxh3_64(bytes) as u32).to_le_bytes()
}

/// A value in the one form that its dresses share: the CRM writes numbers and
/// dates in several, and blank in three.
fn plain(value: &Value) -> String {
    let text = value.to_text();
    let text = text.trim();
    if let Some(number) = Number::parse(text) {
        return number.to_string();
    }
    let is_moment =
        text.len() >= 19 && text.as_bytes()[..10].iter().all(|b| b.is_ascii_digit() || *b == b'-');
    match text.get(..19).filter(|_| is_moment) {
        Some(moment) => moment.replace('T', " ").trim_end_matches(" 00:00:00").to_owned(),
        None => text.replace("\r\n", "\n"),
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
}
