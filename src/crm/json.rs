//! JSON from outside, read with care: depth capped, duplicate keys refused,
//! numbers untouched, order kept.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Deepest nesting taken; the API's own answers have five levels.
const MAX_DEPTH: usize = 64;

/// The text of an answer, if it is UTF-8 and not nested deeper than [`MAX_DEPTH`].
pub(super) fn checked(body: &[u8]) -> Result<&str, String> {
    let text = text_of(body)?;
    if is_nested_deeper(text, MAX_DEPTH) {
        return Err(format!("it is nested deeper than {MAX_DEPTH} levels"));
    }
    Ok(text)
}

/// The text of an answer, if it is UTF-8; however deep it is nested.
pub(super) fn text_of(body: &[u8]) -> Result<&str, String> {
    let text = std::str::from_utf8(body).map_err(|_| "it is not UTF-8 text".to_owned())?;
    Ok(text.trim_start_matches('\u{FEFF}').trim())
}

/// Whether the text of a JSON value has more than `most` levels.
pub(super) fn is_nested_deeper(text: &str, most: usize) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => depth += 1,
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > most {
            return true;
        }
    }
    false
}

/// The keys of one JSON object with the text of their values, in their order.
/// A key that stands twice is an error: nobody can say which one is meant.
pub(super) struct Fields<'a>(pub Vec<(String, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// Reads the text of one object.
    pub(super) fn parse(text: &'a str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| plain(&error))
    }

    /// The text of a key's value.
    pub(super) fn get(&self, key: &str) -> Option<&'a str> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, raw)| raw.get())
    }

    /// A key's value, if it is a text.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        serde_json::from_str(self.get(key)?).ok()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut all: Vec<(String, &'de RawValue)> = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    all.push(entry);
                }
                once_each(all.iter().map(|(key, _)| key.as_str())).map_err(serde::de::Error::custom)?;
                Ok(all)
            }
        }
        deserializer.deserialize_map(Keys).map(Self)
    }
}

/// Refuses a key that stands twice.
pub(super) fn once_each<'k>(keys: impl Iterator<Item = &'k str>) -> Result<(), &'static str> {
    let mut keys: Vec<&str> = keys.collect();
    keys.sort_unstable();
    if keys.windows(2).any(|two| two[0] == two[1]) { Err("a key stands twice") } else { Ok(()) }
}

/// The texts of a JSON array's items.
pub(super) fn items(text: &str) -> Result<Vec<&RawValue>, String> {
    serde_json::from_str(text).map_err(|error| plain(&error))
}

/// Refuses keys that stand twice anywhere inside.
pub(super) fn no_key_twice(text: &str) -> Result<(), String> {
    match text.as_bytes().first() {
        Some(b'{') => Fields::parse(text)?.0.iter().try_for_each(|(_, raw)| no_key_twice(raw.get())),
        Some(b'[') => items(text)?.iter().try_for_each(|raw| no_key_twice(raw.get())),
        _ => Ok(()),
    }
}

/// What is wrong with a JSON text, without the library's own words.
fn plain(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    match error.classify() {
        Category::Eof => "it ends in the middle".to_owned(),
        Category::Syntax | Category::Io => "it is not JSON".to_owned(),
        Category::Data if error.to_string().contains("twice") => "a key stands twice in it".to_owned(),
        Category::Data => "it has another form than the API's answers".to_owned(),
    }
}

/// Any JSON value with the order of its keys: for answers whose form is not known beforehand.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    /// A number by its text.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    /// Reads a text that [`checked`] has passed.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| plain(&error))
    }

    /// The value of an object's key.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, node)| node),
            _ => None,
        }
    }

    /// A text, or a number by its text.
    pub(super) fn as_word(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Number(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::List(_) | Self::Object(_) => None,
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyNode)
    }
}

struct AnyNode;

impl<'de> Visitor<'de> for AnyNode {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Node, E> {
        Ok(Node::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
        Ok(Node::Number(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
        Ok(Node::Number(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Node, E> {
        Ok(Node::Number(number.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
        let mut all = Vec::new();
        while let Some(node) = list.next_element()? {
            all.push(node);
        }
        Ok(Node::List(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut all: Vec<(String, Node)> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        while let Some((key, node)) = map.next_entry::<String, Node>()? {
            if !seen.insert(key.clone()) {
                return Err(serde::de::Error::custom("a key stands twice"));
            }
            all.push((key, node));
        }
        Ok(Node::Object(all))
    }
}

#[cfg(test)]
mod tests {
    use super::{Fields, Node, checked, no_key_twice};

    #[test]
    fn deep_nesting_is_refused_and_brackets_in_texts_do_not_count() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(checked(nested(64).as_bytes()).is_ok());
        assert!(checked(nested(65).as_bytes()).is_err());
        assert!(checked(nested(100_000).as_bytes()).is_err());
        let text = format!("[\"{}\\\"[[[\"]", "[".repeat(200));
        assert!(checked(text.as_bytes()).is_ok());
        assert!(checked(b"\xff\xfe").is_err());
        assert_eq!(checked("\u{FEFF} {} ".as_bytes()), Ok("{}"));
    }

    #[test]
    fn keys_that_stand_twice_are_refused_however_they_are_written() {
        assert!(Fields::parse(r#"{"a":1,"a":2}"#).is_err());
        assert!(Fields::parse(r#"{"a":1,"\u0061":2}"#).is_err());
        assert!(Node::parse(r#"[{"a":{"b":1,"b":1}}]"#).is_err());
        assert!(no_key_twice(r#"[{"a":{"b":1,"b":1}}]"#).is_err());
        assert!(no_key_twice(r#"[{"a":{"b":1},"b":1}]"#).is_ok());
    }

    #[test]
    fn order_and_digits_are_kept() {
        let fields = Fields::parse(r#"{"z": 12345678901234567890.10, "a": 1e999}"#).unwrap();
        let all: Vec<_> = fields.0.iter().map(|(key, raw)| (key.as_str(), raw.get())).collect();
        assert_eq!(all, [("z", "12345678901234567890.10"), ("a", "1e999")]);
    }

    #[test]
    fn faults_are_said_in_plain_words() {
        assert_eq!(Fields::parse("{\"a\":").err().as_deref(), Some("it ends in the middle"));
        assert_eq!(Fields::parse("<html>").err().as_deref(), Some("it is not JSON"));
        assert_eq!(Fields::parse("[]").err().as_deref(), Some("it has another form than the API's answers"));
    }
}
