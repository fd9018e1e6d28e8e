//! A JSON object's members in the order in which they were written.

use std::fmt;

use serde::Deserializer;
use serde::de::{MapAccess, Visitor};

/// The members of an object whose values are texts.
pub fn pairs(json: &str) -> Result<Vec<(String, String)>, serde_json::Error> {
    struct Pairs;

    impl<'de> Visitor<'de> for Pairs {
        type Value = Vec<(String, String)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of texts")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut pairs = Vec::new();
            while let Some(pair) = map.next_entry()? {
                pairs.push(pair);
            }
            Ok(pairs)
        }
    }

    let mut reader = serde_json::Deserializer::from_str(json);
    let pairs = reader.deserialize_map(Pairs)?;
    reader.end()?;
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_written_order_is_kept() {
        let pairs = super::pairs(r#"{"z": "asc", "a": "desc"}"#).unwrap();
        assert_eq!(pairs, [("z".to_owned(), "asc".to_owned()), ("a".to_owned(), "desc".to_owned())]);
        assert!(super::pairs("[]").is_err());
        assert!(super::pairs("{\"a\": 1}").is_err());
    }
}
