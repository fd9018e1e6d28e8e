//! Keys that may be written in more than one way.

use std::fmt;

use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::keys::{Otherwise, Part, SheetName, Split};
use crate::model::shown;
use crate::rules::problem::{Located, Place};

/// One name, or a list of names.
pub fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Located<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Name(Located<String>);

    struct Names;

    impl<'de> Visitor<'de> for Names {
        type Value = Vec<Located<String>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a name or a list of names")
        }

        fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
            Ok(vec![Located::new(Place::default(), name.to_owned())])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut names = Vec::new();
            while let Some(Name(name)) = items.next_element()? {
                names.push(name);
            }
            Ok(names)
        }
    }

    /// Keeps the place of a single name, which a visitor alone does not see.
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Any(#[serde(deserialize_with = "any")] Vec<Located<String>>);

    fn any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Located<String>>, D::Error> {
        deserializer.deserialize_any(Names)
    }

    let whole: Located<Any> = Located::deserialize(deserializer)?;
    let mut names = whole.value.0;
    for name in names.iter_mut().filter(|name| name.place.line == 0) {
        name.place = whole.place;
    }
    Ok(names)
}

/// Texts and what they become.
type TextPairs = Vec<(Located<String>, Located<String>)>;

/// Keys and values of a map in the file's order, with their places.
pub fn pairs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TextPairs, D::Error> {
    struct Pairs;

    impl<'de> Visitor<'de> for Pairs {
        type Value = TextPairs;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("texts and what they become, { Cust: Customer }")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut pairs = Vec::new();
            while let Some(pair) = entries.next_entry()? {
                pairs.push(pair);
            }
            Ok(pairs)
        }
    }

    deserializer.deserialize_map(Pairs)
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (number, rest) = match text.strip_suffix('-') {
            Some(number) => (number, true),
            None => (text.as_str(), false),
        };
        let found = match number.strip_prefix('-') {
            Some(number) if !rest => number.parse().ok().filter(|&n| n > 0).map(Self::Last),
            Some(_) => None,
            None => number.parse().ok().filter(|&n| n > 0).map(if rest { Self::From } else { Self::One }),
        };
        let wanted = "a part: 1 is the first, -1 the last, 2- the second and all behind it";
        found.ok_or_else(|| de::Error::invalid_value(de::Unexpected::Str(&text), &wanted))
    }
}

impl<'de> Deserialize<'de> for Split {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shapes;

        impl<'de> Visitor<'de> for Shapes {
            type Value = Split;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("what stands between two parts, or { by: \" \", part: 1 }")
            }

            fn visit_str<E: de::Error>(self, by: &str) -> Result<Split, E> {
                Ok(Split { by: by.to_owned(), part: Part::All })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Split, A::Error> {
                let (mut by, mut part) = (None, None);
                while let Some(key) = entries.next_key::<String>()? {
                    match key.as_str() {
                        "by" => by = Some(entries.next_value()?),
                        "part" => part = Some(entries.next_value()?),
                        _ => return Err(de::Error::unknown_field(&key, &["by", "part"])),
                    }
                }
                let by = by.ok_or_else(|| de::Error::missing_field("by"))?;
                Ok(Split { by, part: part.unwrap_or(Part::All) })
            }
        }

        deserializer.deserialize_any(Shapes)
    }
}

impl<'de> Deserialize<'de> for SheetName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(text.parse().ok().filter(|&number| number > 0).map_or(Self::Name(text), Self::Number))
    }
}

impl<'de> Deserialize<'de> for Otherwise {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;

        impl<'de> Visitor<'de> for Words {
            type Value = Otherwise;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("reject, keep, blank or { use: VALUE }")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Otherwise, E> {
                match word {
                    "reject" => Ok(Otherwise::Reject),
                    "keep" => Ok(Otherwise::Keep),
                    "blank" => Ok(Otherwise::Blank),
                    _ => Err(E::invalid_value(de::Unexpected::Str(&shown(word).to_string()), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Otherwise, A::Error> {
                let first = entries.next_entry::<String, String>()?;
                let alone = entries.next_entry::<String, String>()?.is_none();
                match first {
                    Some((key, value)) if key == "use" && alone => Ok(Otherwise::Use(value)),
                    _ => Err(de::Error::invalid_type(de::Unexpected::Map, &self)),
                }
            }
        }

        deserializer.deserialize_any(Words)
    }
}
