//! The answer to a create or an update in the form that the API's document
//! shows, read in one go. Anything unusual is left to [`super::wire`], which
//! reads with more care and says what is wrong.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::json::{is_nested_deeper, once_each};
use super::wire::id_of;
use crate::model::{Record, Value};

/// Deepest nesting of a part; around it there is one level more.
const MAX_DEPTH: usize = 60;

/// Reads `{"metadata": {...}, "record": {...}}`: the text of the metadata, and
/// the record. `None` where the answer has not quite this form.
pub(super) fn read(text: &str) -> Option<(&str, Record)> {
    let Envelope { metadata, record: Flat(record) } = serde_json::from_str(text).ok()?;
    (!is_nested_deeper(metadata, MAX_DEPTH)).then_some((metadata, record))
}

struct Envelope<'a> {
    metadata: &'a str,
    record: Flat,
}

/// A record whose fields hold no further objects or lists.
struct Flat(Record);

/// A reason to read with more care; nobody sees it.
fn unusual<E: Error>() -> E {
    E::custom("unusual")
}

impl<'de: 'a, 'a> Deserialize<'de> for Envelope<'a> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Parts;
        impl<'de> Visitor<'de> for Parts {
            type Value = Envelope<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a record with its metadata")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope<'de>, A::Error> {
                let (mut metadata, mut record) = (None, None);
                // Without escapes a key lies in the answer as it is.
                while let Some(key) = map.next_key::<&str>()? {
                    match key {
                        "metadata" if metadata.is_none() => {
                            metadata = Some(map.next_value::<&RawValue>()?.get());
                        }
                        "record" if record.is_none() => record = Some(map.next_value()?),
                        _ => return Err(unusual()),
                    }
                }
                let (Some(metadata), Some(record)) = (metadata, record) else { return Err(unusual()) };
                Ok(Envelope { metadata, record })
            }
        }
        json.deserialize_map(Parts)
    }
}

impl<'de> Deserialize<'de> for Flat {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Flat;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a record")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Flat, A::Error> {
                let (mut id, mut fields) = (None, Vec::new());
                while let Some(name) = map.next_key::<String>()? {
                    let raw = map.next_value::<&RawValue>()?.get();
                    if name == "id" {
                        id = id_of(raw);
                    }
                    match Value::from_json(raw) {
                        Ok(value) if !raw.starts_with(['{', '[']) => fields.push((name, value)),
                        Ok(_) | Err(_) => return Err(unusual()),
                    }
                }
                once_each(fields.iter().map(|(name, _)| name.as_str())).map_err(A::Error::custom)?;
                let id = id.ok_or_else(unusual)?;
                Ok(Flat(Record { id, fields }))
            }
        }
        json.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::read;
    use crate::crm::wire::{by_care, written};

    const USUAL: &str = r#"{"metadata":{"url":"/accounts/7","object_type":"record","record_type":"account"},
        "record":{"id":7,"name":"A \"b\" \u00e9 ü","a\"b":1.50,"big":12345678901234567890,"none":null,"yes":true,"odd":1e999}}"#;

    #[test]
    fn the_documented_form_is_read_in_one_go() {
        assert!(read(USUAL).is_some());
        assert_eq!(written("accounts", None, 201, USUAL.as_bytes()).unwrap(), read(USUAL).unwrap().1);
    }

    #[test]
    fn what_is_unusual_is_read_with_care() {
        for body in [
            r#"{"record":{"id":7}}"#,
            r#"{"metadata":{},"record":{"id":7,"a":1,"a":2}}"#,
            r#"{"metadata":{},"record":{"id":7,"lines":[{"a":1,"a":2}]}}"#,
            r#"{"metadata":{},"record":{"name":"x"}}"#,
            r#"{"metadata":{},"record":{"id":7.5}}"#,
            r#"{"metadata":{},"record":{"id":7},"record":{"id":8}}"#,
            r#"{"metadata":{},"record":{"id":7},"more":1}"#,
            r#"{"metadata":{},"record":{"id":7}} x"#,
            r#"{"message":"API call limit reached"}"#,
            "[]",
            "",
        ] {
            assert!(read(body).is_none(), "{body}");
        }
    }

    /// Answers that are nearly as they should be: pieces of them changed or left out.
    fn answers() -> impl Strategy<Value = String> {
        let kinds = vec!["\"account\"", "\"contact\"", "\"\"", "null", "7", "{\"a\":{}}"];
        let of_kind = |kind| format!("{{\"url\":\"/accounts/7\",\"record_type\":{kind}}}");
        let metadata = prop_oneof![
            prop::sample::select(kinds).prop_map(of_kind),
            Just(r#"{"object_type":"list"}"#.to_owned()),
            Just("7".to_owned()),
            Just(r#"{"a":1,"a":2}"#.to_owned()),
        ];
        let ids = vec!["7", "\"7\"", "7.0", "0", "1e1", "9007199254740993", "null", "\"\\u0037\"", "07"];
        let values = vec![
            "1.50",
            "-0",
            "1e999",
            "null",
            "true",
            "\"\"",
            "\"a\\nb\"",
            "\"\\ud800\"",
            "{\"a\":1}",
            "[",
            "tru",
            "\"\u{1}\"",
        ];
        let names = vec!["name", "value", "id", "n\\u0061me", "b\\\"c"];
        let field = (prop::sample::select(names), prop::sample::select(values));
        let fields = prop::collection::vec(field, 0..4);
        (metadata, prop::sample::select(ids), fields, 0..6_u8).prop_map(|(metadata, id, fields, form)| {
            let fields: String = fields.iter().map(|(name, value)| format!(",\"{name}\":{value}")).collect();
            let record = format!("{{\"id\":{id}{fields}}}");
            match form {
                0 => format!("{{\"record\":{record}}}"),
                1 => format!("{{\"record\":{record},\"metadata\":{metadata},\"x\":[]}}"),
                2 => format!("{{\"record\":{record},\"metadata\":{metadata}}}"),
                3 => format!("\u{feff} {{ \"metadata\" : {metadata} , \"record\" : {record} }}\n"),
                _ => format!("{{\"metadata\":{metadata},\"record\":{record}}}"),
            }
        })
    }

    proptest! {
        #[test]
        fn reading_in_one_go_gives_what_reading_with_care_gives(
            answer in answers(), cut in prop::option::weighted(0.1, 0..400_usize), status in prop::sample::select(vec![200_u16, 201])
        ) {
            let body = answer.as_bytes();
            let body = &body[..cut.unwrap_or(body.len()).min(body.len())];
            for object in ["accounts", "contacts", "own_table"] {
                prop_assert_eq!(written(object, None, status, body), by_care(object, None, status, body));
            }
        }
    }
}
