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

/// A [`Value`] that lies elsewhere: what a page of many records is read through, without a text
/// of its own for each field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueRef<'a> {
    /// JSON `null`.
    Null,
    /// JSON `true` or `false`.
    Bool(bool),
    /// A number in the canonical notation of [`Number`].
    Number(&'a str),
    /// A string.
    Text(&'a str),
    /// A nested array or object as its JSON text.
    Json(&'a str),
}

impl<'a> ValueRef<'a> {
    /// As [`Value::is_blank`].
    pub fn is_blank(self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => text.is_empty(),
            Self::Bool(_) | Self::Number(_) | Self::Json(_) => false,
        }
    }

    /// As [`Value::to_text`].
    pub fn to_text(self) -> &'a str {
        match self {
            Self::Null => "",
            Self::Bool(true) => "1",
            Self::Bool(false) => "0",
            Self::Number(text) | Self::Text(text) | Self::Json(text) => text,
        }
    }

    /// The same with texts of its own.
    pub fn to_value(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(flag) => Value::Bool(flag),
            Self::Number(text) => {
                Number::parse(text).map_or_else(|| Value::Json(text.to_owned()), Value::Number)
            }
            Self::Text(text) => Value::Text(text.to_owned()),
            Self::Json(text) => Value::Json(text.to_owned()),
        }
    }

    /// Appends the value's JSON text.
    pub fn write_json(self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(true) => out.push_str("true"),
            Self::Bool(false) => out.push_str("false"),
            Self::Text(text) => write_json_string(text, out),
            Self::Number(text) | Self::Json(text) => out.push_str(text),
        }
    }
}

impl<'a> From<&'a Value> for ValueRef<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Number(number) => Self::Number(number.as_str()),
            Value::Text(text) => Self::Text(text),
            Value::Json(json) => Self::Json(json),
        }
    }
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
            Some(b'"') => match json[1..].strip_suffix('"') {
                Some(inner) if stands_as_it_is(inner) => Self::Text(inner.to_owned()),
                _ => Self::Text(serde_json::from_str(json)?),
            },
            Some(b'{' | b'[') => Self::Json(serde_json::from_str::<&RawValue>(json)?.get().to_owned()),
            _ => {
                let raw = serde_json::from_str::<&RawValue>(json)?.get();
                Number::parse(raw).map_or_else(|| Self::Json(raw.to_owned()), Self::Number)
            }
        })
    }

    /// Appends the value's JSON text.
    pub fn write_json(&self, out: &mut String) {
        ValueRef::from(self).write_json(out);
    }

    /// The value's JSON text.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write_json(&mut out);
        out
    }

    /// Null and the empty text: the CRM does not tell them apart.
    pub fn is_blank(&self) -> bool {
        ValueRef::from(self).is_blank()
    }

    /// The value as plain text for a cell, a key or a message; blank for null.
    pub fn to_text(&self) -> std::borrow::Cow<'_, str> {
        ValueRef::from(self).to_text().into()
    }
}

/// Appends `text` as a JSON string, quotes and escapes included.
fn write_json_string(text: &str, out: &mut String) {
    if stands_as_it_is(text) {
        out.push('"');
        out.push_str(text);
        out.push('"');
        return;
    }
    // Serialising a string into a string cannot fail.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

/// Whether a text stands in JSON as it is, between quotes: most do.
fn stands_as_it_is(text: &str) -> bool {
    text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\')
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
        fn every_text_is_written_and_read_as_serde_json_does(text in ".*", odd in "[\\x00-\\x7f\u{80}\u{2028}]*") {
            for text in [text, odd] {
                let known = serde_json::to_string(&text).unwrap();
                proptest::prop_assert_eq!(Value::from_json(&known).unwrap(), Value::Text(text.clone()));
                let quoted = format!("\"{text}\"");
                let read = serde_json::from_str::<String>(&quoted).ok().map(Value::Text);
                proptest::prop_assert_eq!(Value::from_json(&quoted).ok(), read);
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
