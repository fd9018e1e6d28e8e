//! The reference of row 9: pages of records from the server into a CSV file,
//! by a visitor that builds no tree and no record.

use std::borrow::Cow;
use std::fs::File;
use std::path::Path;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use tokio::task::JoinHandle;

use crate::http::client;
use crate::shapes::FIELDS;

type Out = csv::Writer<File>;

/// Fetches the pages, so many at once, and writes them in their order, one after the other; gives
/// how many records there were.
pub fn write(url: &str, pages: usize, concurrency: usize, path: &Path) -> usize {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let mut out = csv::Writer::from_path(path).expect("the file");
    out.write_field("id").expect("room");
    out.write_record(FIELDS.iter().map(|field| field.name)).expect("room");
    let client = client();
    let fetch = |page: usize| -> JoinHandle<Vec<u8>> {
        let request = client.get(format!("{url}/accounts?limit=100&page={page}")).bearer_auth("bench");
        runtime.spawn(async move {
            let answer = request.send().await.expect("an answer");
            answer.bytes().await.expect("a body").to_vec()
        })
    };
    let mut coming: std::collections::VecDeque<_> = (1..=pages.min(concurrency)).map(fetch).collect();
    let (mut next, mut records) = (coming.len() + 1, 0);
    while let Some(page) = coming.pop_front() {
        let body = runtime.block_on(page).expect("a page");
        if next <= pages {
            coming.push_back(fetch(next));
            next += 1;
        }
        let mut json = serde_json::Deserializer::from_slice(&body);
        records += Page(&mut out).deserialize(&mut json).expect("a page of records");
    }
    out.flush().expect("room");
    records
}

/// Implements a visitor of objects that hands on the value of one key and counts the records in it.
macro_rules! object_with {
    ($name:ident, $key:literal, $inner:ident) => {
        struct $name<'a>(&'a mut Out);

        impl<'de> DeserializeSeed<'de> for $name<'_> {
            type Value = usize;

            fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<usize, D::Error> {
                json.deserialize_map(self)
            }
        }

        impl<'de> Visitor<'de> for $name<'_> {
            type Value = usize;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!("an object with ", $key))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<usize, A::Error> {
                let mut records = 0;
                while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                    if key == $key {
                        records += map.next_value_seed($inner(&mut *self.0))?;
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(records)
            }
        }
    };
}

object_with!(Page, "list", List);
object_with!(Item, "record", Fields);

struct List<'a>(&'a mut Out);

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<usize, D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<usize, A::Error> {
        let mut records = 0;
        while let Some(one) = items.next_element_seed(Item(&mut *self.0))? {
            records += one;
        }
        Ok(records)
    }
}

struct Fields<'a>(&'a mut Out);

impl<'de> DeserializeSeed<'de> for Fields<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<usize, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields<'_> {
    type Value = usize;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a record")
    }

    /// The fields come in the order of the columns; those behind them are not wanted.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<usize, A::Error> {
        let mut at = 0;
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let wanted = if at == 0 { Some("id") } else { FIELDS.get(at - 1).map(|field| field.name) };
            let value = map.next_value::<&RawValue>()?;
            if wanted == Some(&*key) {
                self.0
                    .write_field(&*text(value.get()).map_err(A::Error::custom)?)
                    .map_err(A::Error::custom)?;
                at += 1;
            }
        }
        self.0.write_record(None::<&[u8]>).map_err(A::Error::custom)?;
        Ok(1)
    }
}

/// A value as a cell: numbers digit by digit as they came.
fn text(raw: &str) -> Result<Cow<'_, str>, serde_json::Error> {
    match raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => Ok(plain.into()),
        Some(_) => String::deserialize(&mut serde_json::Deserializer::from_str(raw)).map(Cow::Owned),
        None if raw == "null" => Ok("".into()),
        None => Ok(raw.into()),
    }
}
