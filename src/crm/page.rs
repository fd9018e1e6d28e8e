//! A list's answer in the form that the API's document shows, read in one go and without a text
//! of its own for each value. Anything unusual is left to [`super::wire`], which reads with more
//! care and says what is wrong.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::json::{Fields, is_nested_deeper, no_key_twice};
use super::records::{Builder, Records};
use super::wire::{as_count, as_flag, id_of, is_of_another};
use crate::model::{Number, RecordId, ValueRef};

/// Deepest nesting of one value; around it there are four levels.
const MAX_DEPTH: usize = 60;

/// The records, how many match in all, and whether more follow.
pub(super) type Read = (Records, Option<u64>, Option<bool>);

/// Reads the text of an answer; `None` where it has not quite the documented form.
pub(super) fn read(object: &str, text: &str) -> Option<Read> {
    let mut reading = Reading { object, kind: String::new(), records: Builder::with_room(text.len() / 2) };
    let mut json = serde_json::Deserializer::from_str(text);
    let metadata = Answer(&mut reading).deserialize(&mut json).ok()?;
    json.end().ok()?;
    let metadata = match metadata {
        Some(raw) if is_nested_deeper(raw, MAX_DEPTH) => return None,
        Some(raw) => Some(Fields::parse(raw).ok()?),
        None => None,
    };
    let get = |key| metadata.as_ref().and_then(|fields| fields.get(key));
    let (total, has_more) = (get("total_count").and_then(as_count), get("has_more").and_then(as_flag));
    Some((reading.records.done(), total, has_more))
}

struct Reading<'a> {
    object: &'a str,
    /// A record type that is known not to be foreign.
    kind: String,
    records: Builder,
}

/// A reason to read with more care; nobody sees it.
fn unusual<E: serde::de::Error>() -> E {
    E::custom("unusual")
}

/// Implements the part of a seed and visitor that is the same for all of them.
macro_rules! reads {
    ($name:ident, $value:ty, $method:ident) => {
        impl<'de> DeserializeSeed<'de> for $name<'_, '_> {
            type Value = $value;

            fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<$value, D::Error> {
                json.$method(self)
            }
        }
    };
}

/// `{"metadata": {...}, "list": [...]}`; gives the metadata.
struct Answer<'r, 'o>(&'r mut Reading<'o>);
/// `[item, ...]`
struct List<'r, 'o>(&'r mut Reading<'o>);
/// `{"metadata": {...}, "record": {...}}`
struct Item<'r, 'o>(&'r mut Reading<'o>);
/// `{"record_type": "account", ...}`, flat.
struct Metadata<'r, 'o>(&'r mut Reading<'o>);
/// `{"id": 7, ...}`
struct Fieldwise<'r, 'o>(&'r mut Reading<'o>);

impl<'de> DeserializeSeed<'de> for Answer<'_, '_> {
    type Value = Option<&'de str>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}
reads!(List, (), deserialize_seq);
reads!(Item, (), deserialize_map);
reads!(Metadata, (), deserialize_map);
reads!(Fieldwise, (), deserialize_map);

impl<'de> Visitor<'de> for Answer<'_, '_> {
    type Value = Option<&'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list's answer")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut metadata, mut listed) = (None, false);
        while let Some(key) = map.next_key_seed(Key(["metadata", "list"]))? {
            match key {
                Some(0) if metadata.is_none() => metadata = Some(map.next_value::<&RawValue>()?.get()),
                Some(1) if !listed => {
                    map.next_value_seed(List(self.0))?;
                    listed = true;
                }
                _ => return Err(unusual()),
            }
        }
        if listed { Ok(metadata) } else { Err(unusual()) }
    }
}

impl<'de> Visitor<'de> for List<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Item(&mut *self.0))?.is_some() {}
        Ok(())
    }
}

impl<'de> Visitor<'de> for Item<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an item of a list")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let (mut described, mut read) = (false, false);
        while let Some(key) = map.next_key_seed(Key(["metadata", "record"]))? {
            match key {
                Some(0) if !described => {
                    map.next_value_seed(Metadata(&mut *self.0))?;
                    described = true;
                }
                Some(1) if !read => {
                    map.next_value_seed(Fieldwise(&mut *self.0))?;
                    read = true;
                }
                _ => return Err(unusual()),
            }
        }
        if read { Ok(()) } else { Err(unusual()) }
    }
}

impl<'de> Visitor<'de> for Metadata<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an item's metadata")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut told = false;
        while let Some(key) = map.next_key_seed(Key(["record_type"]))? {
            if key.is_none() {
                map.next_value_seed(Scalar)?;
                continue;
            }
            // Without escapes it lies in the answer as it is.
            let kind = map.next_value::<&str>()?;
            if told || kind != self.0.kind && is_of_another(self.0.object, kind) {
                return Err(unusual());
            }
            told = true;
            kind.clone_into(&mut self.0.kind);
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for Fieldwise<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let records = &mut self.0.records;
        records.begin();
        let mut id: Option<RecordId> = None;
        while let Some(is_id) = map.next_key_seed(Name(records))? {
            let raw = map.next_value::<&RawValue>()?.get();
            if is_id {
                id = id_of(raw);
            }
            put(records, raw).ok_or_else(unusual)?;
        }
        id.and_then(|id| records.end(id)).ok_or_else(unusual)
    }
}

/// Adds a value by its JSON text.
fn put(records: &mut Builder, raw: &str) -> Option<()> {
    match raw.as_bytes().first()? {
        b'"' => {
            let inner = raw.get(1..raw.len() - 1)?;
            if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
                return records.value(ValueRef::Text(inner));
            }
            let text: String = serde_json::from_str(raw).ok()?;
            records.value(ValueRef::Text(&text))
        }
        b'n' => records.value(ValueRef::Null),
        b't' => records.value(ValueRef::Bool(true)),
        b'f' => records.value(ValueRef::Bool(false)),
        b'{' | b'[' => {
            if is_nested_deeper(raw, MAX_DEPTH) {
                return None;
            }
            no_key_twice(raw).ok()?;
            records.value(ValueRef::Json(raw))
        }
        _ => match Number::canonical(raw) {
            Some(number) => records.value(ValueRef::Number(&number)),
            None => records.value(ValueRef::Json(raw)),
        },
    }
}

/// A key, as its place among those that are known.
struct Key<const N: usize>([&'static str; N]);

impl<'de, const N: usize> DeserializeSeed<'de> for Key<N> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Option<usize>, D::Error> {
        json.deserialize_str(self)
    }
}

impl<const N: usize> Visitor<'_> for Key<N> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Option<usize>, E> {
        Ok(self.0.iter().position(|known| *known == key))
    }
}

/// The name of a field; gives whether it is the id.
struct Name<'b>(&'b mut Builder);

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        self.0.name(name);
        Ok(name == "id")
    }
}

/// Passes over a value that holds no others.
struct Scalar;

impl<'de> DeserializeSeed<'de> for Scalar {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Scalar {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a number or nothing")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
