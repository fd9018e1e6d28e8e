//! One line of JSON Lines: the members of its object in their order, with
//! each value's own text.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::Deserializer;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::csv_source::MAX_COLUMNS;
use crate::model::is_reserved;

/// The member that holds a rejected line which was no object.
pub(super) const RAW: &str = "_raw";
/// Most characters of a key; more is no column's name.
const MAX_KEY: usize = 1000;

/// A key and the text of its value.
pub(super) struct Member<'a> {
    pub(super) key: Cow<'a, str>,
    pub(super) value: &'a str,
}

/// The members of the line's object; the error says why it has none.
pub(super) fn members(line: &[u8]) -> Result<Vec<Member<'_>>, String> {
    let text = std::str::from_utf8(line).map_err(|error| {
        let at = error.valid_up_to();
        format!("byte {} of the line, 0x{:02X}, is not UTF-8", at + 1, line.get(at).copied().unwrap_or(0))
    })?;
    if let Some(what) = other_kind(text) {
        return Err(format!("it is {what}, not an object"));
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    let mut members = reader
        .deserialize_map(Members)
        .and_then(|members| reader.end().map(|()| members))
        .map_err(|error| plain(&error, text))?;
    give_way(&mut members);
    distinct(&members)?;
    if let Some(raw) = held(&members) {
        let shown: String = text_of(raw.value).unwrap_or_default().chars().take(60).collect();
        return Err(format!(
            "it still holds the rejected line {shown:?}; put the members of the corrected object in the place of _raw"
        ));
    }
    Ok(members)
}

/// The member that holds a rejected line which was no object, where nothing
/// has been put in its place: all others are marks, or say what columns there were.
fn held<'m, 'a>(members: &'m [Member<'a>]) -> Option<&'m Member<'a>> {
    let is_empty = |member: &Member<'_>| is_reserved(&member.key) || member.value == "null";
    let raw = members.iter().find(|member| member.key == RAW)?;
    members.iter().all(|member| member.key == RAW || is_empty(member)).then_some(raw)
}

/// The other members of a line that still holds a rejected line; none of any other line.
pub(super) fn beside_held(line: &[u8]) -> Vec<Member<'_>> {
    let Ok(text) = std::str::from_utf8(line) else { return Vec::new() };
    let mut reader = serde_json::Deserializer::from_str(text);
    let Ok(mut members) = reader.deserialize_map(Members) else { return Vec::new() };
    if held(&members).is_none() {
        return Vec::new();
    }
    members.retain(|member| member.key != RAW);
    members
}

/// A value's text where it is a JSON text; the error says what is wrong with it.
pub(super) fn text_of(value: &str) -> Result<Cow<'_, str>, String> {
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match inner {
        // What the parser let pass without an escape stands for itself.
        Some(inner) if !inner.contains('\\') => Ok(Cow::Borrowed(inner)),
        _ => {
            let text = serde_json::from_str::<String>(value).map(Cow::Owned);
            text.map_err(|error| plain(&error, value))
        }
    }
}

/// What the line holds instead of an object, by its first sign.
fn other_kind(text: &str) -> Option<&'static str> {
    match text.trim_ascii_start().as_bytes().first() {
        Some(b'[') => Some("a list"),
        Some(b'"') => Some("a text"),
        Some(b'-' | b'0'..=b'9') => Some("a number"),
        _ => match text.trim_ascii() {
            "true" | "false" => Some("true or false"),
            "null" => Some("null"),
            _ => None,
        },
    }
}

/// The columns that a reject file names in its first line, as null, give way to
/// what a person has put into that line in the place of `_raw`.
fn give_way(members: &mut Vec<Member<'_>>) {
    if !members.iter().any(|member| is_reserved(&member.key)) {
        return;
    }
    let has_value = |member: &&Member<'_>| member.value != "null";
    let filled: HashSet<String> =
        members.iter().filter(has_value).map(|member| member.key.clone().into_owned()).collect();
    members.retain(|member| member.value != "null" || !filled.contains(member.key.as_ref()));
}

fn distinct(members: &[Member<'_>]) -> Result<(), String> {
    let mut seen = HashSet::with_capacity(members.len());
    match members.iter().find(|member| !seen.insert(member.key.as_ref())) {
        Some(twice) => Err(format!("the key {:?} stands in it twice", twice.key)),
        None => Ok(()),
    }
}

/// The parser's complaint in people's words, with the place as they count it.
fn plain(error: &serde_json::Error, text: &str) -> String {
    let told = error.to_string();
    let told = told.rsplit_once(" at line ").map_or(told.as_str(), |(told, _)| told);
    if error.is_eof() {
        return "it ends too early: a quote or a bracket is not closed".to_owned();
    }
    let what = in_words(told).unwrap_or(told);
    match text.get(..error.column()) {
        Some(before) if !before.is_empty() => format!("{what}, at character {}", before.chars().count()),
        // Within a character, or without a place.
        _ if error.column() > 0 => format!("{what}, at byte {}", error.column()),
        _ => what.to_owned(),
    }
}

/// What the parser's own words mean for those who write the file.
fn in_words(told: &str) -> Option<&'static str> {
    Some(match told {
        "expected ident" | "expected value" => {
            "something stands there that is no value: texts stand in double quotes, all else is a number, true, false or null"
        }
        "key must be a string" => "a key does not stand in double quotes",
        "expected `:`" => "a colon is missing behind a key",
        "expected `,` or `}`" => "a comma or the closing } is missing",
        "expected `,` or `]`" => "a comma or the closing ] is missing",
        "trailing comma" => "a comma stands before the closing bracket",
        "trailing characters" => "something stands behind the object",
        "invalid number" => {
            "a number is not written as JSON writes it (no 0 in front, digits behind a point)"
        }
        "number out of range" => "a number is too large",
        "invalid escape" => {
            "a \\ stands before a character that needs none; for the sign itself write it twice"
        }
        "control character (\\u0000-\\u001F) found while parsing a string" => {
            "a tab or another control character stands in a text; write it as \\t or \\u00XX"
        }
        "lone leading surrogate in hex escape"
        | "unexpected end of hex escape"
        | "invalid unicode code point" => "a \\u stands in a text without the four digits of a character",
        "recursion limit exceeded" => "lists or objects stand too deep in each other",
        _ => return None,
    })
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<Member<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        use serde::de::Error;
        let mut members = Vec::new();
        while let Some(key) = map.next_key::<Key<'de>>()? {
            let value = map.next_value::<&'de RawValue>()?.get();
            // A text may hold escapes that stand for no character.
            if value.starts_with('"') {
                text_of(value).map_err(A::Error::custom)?;
            }
            if key.0.len() > MAX_KEY {
                return Err(A::Error::custom(format!("a key is longer than {MAX_KEY} bytes")));
            }
            if members.len() >= MAX_COLUMNS {
                return Err(A::Error::custom(format!("it has more than {MAX_COLUMNS} keys")));
            }
            members.push(Member { key: key.0, value });
        }
        Ok(members)
    }
}

/// A key that borrows from the line where it has no escapes.
struct Key<'de>(Cow<'de, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Result<Vec<(String, String)>, String> {
        let members = members(line.as_bytes())?;
        Ok(members.into_iter().map(|member| (member.key.into_owned(), member.value.to_owned())).collect())
    }

    #[test]
    fn members_keep_their_order_and_their_own_text() {
        let seen = of(" {\"b\": 1.50 , \"a\\u0301\":[1, 2],\"\":\"x\"}\t").unwrap();
        let seen: Vec<(&str, &str)> =
            seen.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(seen, [("b", "1.50"), ("a\u{301}", "[1, 2]"), ("", "\"x\"")]);
        assert_eq!(of("{}").unwrap(), []);
        // What a reject file says of its columns gives way to what was put there.
        let put = of("{\"a\":1,\"b\":2,\"a\":null,\"c\":null,\"_row\":3}").unwrap();
        let keys: Vec<&str> = put.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(keys, ["a", "b", "c", "_row"]);
    }

    #[test]
    fn what_is_no_object_is_said() {
        for (line, want) in [
            ("[1]", "it is a list, not an object"),
            ("\"x\"", "it is a text, not an object"),
            ("-1", "it is a number, not an object"),
            ("null", "it is null, not an object"),
            ("{\"a\":1,\"a\":2}", "the key \"a\" stands in it twice"),
            ("{\"a\":1,\"\\u0061\":2}", "the key \"a\" stands in it twice"),
            ("{\"a\":1", "it ends too early"),
            ("{\"ä\":01}", "a number is not written as JSON writes it"),
            ("{\"ä\":01}", "behind a point), at character 7"),
            ("{\"a\":1}{\"a\":2}", "something stands behind the object, at character 8"),
            ("{\"a\":\"\\ud800\"}", "a \\u stands in a text without the four digits of a character"),
            ("{\"a\":tru}", "something stands there that is no value"),
            ("{a:1}", "a key does not stand in double quotes, at character 2"),
            ("{\"a\":1 \"b\":2}", "a comma or the closing } is missing, at character 8"),
            ("{\"a\":1,}", "a comma stands before the closing bracket"),
            ("{\"a\" 1}", "a colon is missing behind a key"),
            ("{\"a\":\"\\d\"}", "a \\ stands before a character that needs none"),
            ("{\"a\":\"\t\"}", "a tab or another control character stands in a text"),
            ("{\"a\":1,\"a\":null}", "the key \"a\" stands in it twice"),
            ("{\"_raw\":\"[1]\",\"_row\":3}", "it still holds the rejected line \"[1]\""),
        ] {
            let told = of(line).unwrap_err();
            assert!(told.contains(want), "{line}: {told}");
        }
        let told = members(b"{\"a\":\"\xE9\"}").map(|_| ()).unwrap_err();
        assert_eq!(told, "byte 7 of the line, 0xE9, is not UTF-8");
        let wide: Vec<String> = (0..2001).map(|at| format!("\"k{at}\":1")).collect();
        assert!(of(&format!("{{{}}}", wide.join(","))).unwrap_err().contains("more than 2000 keys"));
        assert!(of(&format!("{{\"{}\":1}}", "k".repeat(1001))).unwrap_err().contains("longer than 1000"));
    }

    #[test]
    fn a_value_as_deep_as_it_likes_does_not_end_the_program() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(300_000), "]".repeat(300_000));
        assert_eq!(of(&deep).unwrap()[0].1.len(), 600_000);
    }
}
