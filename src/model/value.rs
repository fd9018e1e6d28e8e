//! A value of a field, as the CRM's JSON has it.

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use super::Number;

/// A field's value on the wire: what a row wants to send, or a record holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    /// JSON `null`.
    Null,
    /// JSON `true` or `false`.
    Bool(bool),
    /// A number, exact.
    Number(Number),
    /// A string; dates (`YYYY-MM-DD`) and datetimes (`YYYY-MM-DD HH:MM:SS`) among them.
    Text(String),
    /// A nested array or object, kept as its JSON text (opportunity lines).
    Json(String),
}

impl Value {
    /// Reads one JSON value from its text; numbers keep every digit.
    ///
    /// A number whose exponent would fill the memory stays [`Value::Json`].
    pub fn from_json(json: &str) -> Result<Self, serde_json::Error> {
        let json = json.trim();
        Ok(match json.as_bytes().first() {
            Some(b'n') => serde_json::from_str(json).map(|()| Self::Null)?,
            Some(b't' | b'f') => Self::Bool(serde_json::from_str(json)?),
            Some(b'"') => Self::Text(serde_json::from_str(json)?),
            Some(b'{' | b'[') => Self::Json(serde_json::from_str::<&RawValue>(json)?.get().to_owned()),
            _ => {
                let raw = serde_json::from_str::<&RawValue>(json)?.get();
                Number::parse(raw).map_or_else(|| Self::Json(raw.to_owned()), Self::Number)
            }
        })
    }

    /// Appends the value's JSON text.
    pub fn write_json(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Number(number) => out.push_str(number.as_str()),
            Self::Text(text) => write_json_string(text, out),
            Self::Json(json) => out.push_str(json),
        }
    }

    /// The value's JSON text.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    /// Null and the empty text: the CRM does not tell them apart.
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => text.is_empty(),
            Self::Bool(_) | Self::Number(_) | Self::Json(_) => false,
        }
    }

    /// The value as plain text for a cell, a key or a message; blank for null.
    pub fn to_text(&self) -> std::borrow::Cow<'_, str> {
        match self {
            Self::Null => "".into(),
            Self::Bool(true) => "1".into(),
            Self::Bool(false) => "0".into(),
            Self::Number(number) => number.as_str().into(),
            Self::Text(text) => text.as_str().into(),
            Self::Json(json) => json.as_str().into(),
        }
    }
}

/// Appends `text` as a JSON string, quotes and escapes included.
fn write_json_string(text: &str, out: &mut String) {
    // Most texts stand in JSON as they are.
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        out.push('"');
        out.push_str(text);
        out.push('"');
        return;
    }
    // Serialising a string into a string cannot fail.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(flag) => serializer.serialize_bool(*flag),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(_) | Self::Json(_) => RawValue::from_string(self.to_json())
                .map_err(serde::ser::Error::custom)?
                .serialize(serializer),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number.into())
    }
}

#[cfg(test)]
mod tests {
    use super::Value;

    #[test]
    fn json_goes_through_unchanged() {
        for json in [
            "null",
            "true",
            "false",
            "0.1",
            "12345678901234567890",
            "\"a \\\"b\\\" ü\"",
            "[1,2]",
            "{\"a\":1.50}",
        ] {
            assert_eq!(Value::from_json(json).unwrap().to_json(), json);
        }
    }

    proptest::proptest! {
        #[test]
        fn every_text_is_written_as_serde_json_writes_it(text in ".*", odd in "[\\x00-\\x7f\u{80}\u{2028}]*") {
            for text in [text, odd] {
                let known = serde_json::to_string(&text).unwrap();
                proptest::prop_assert_eq!(Value::Text(text).to_json(), known);
            }
        }
    }

    #[test]
    fn numbers_are_canonical_and_huge_ones_stay_text() {
        assert_eq!(Value::from_json("1.50").unwrap().to_json(), "1.5");
        assert_eq!(Value::from_json("1e999").unwrap(), Value::Json("1e999".into()));
        assert!(Value::from_json("nul").is_err());
        assert!(Value::from_json("NaN").is_err());
    }
}
