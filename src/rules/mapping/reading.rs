//! From YAML nodes to typed keys, with the place of every complaint.
//!
//! A serde `Deserializer` over [`Node`]. It differs from an ordinary one in
//! three ways: scalars are text until a type asks for more; an unknown key is
//! noted and passed over, so that all of them are told at once; and every
//! error carries the place of the innermost part it is about.

use std::cell::RefCell;
use std::fmt;

use serde::de::value::{StrDeserializer, U64Deserializer};
use serde::de::{self, DeserializeSeed, Deserializer, IntoDeserializer, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};

use super::yaml::{Kind, Node};
use crate::model::shown;
use crate::rules::nearest::nearest;
use crate::rules::problem::{Located, Place, Problem};

/// The name by which [`Located`] asks for its place.
const LOCATED: &str = "$carafe::Located";

/// Problems found on the way that did not stop the reading.
pub type Noted = RefCell<Vec<Problem>>;

/// Reads a value from a node. Problems go to `noted`; `None` if there is no value.
pub fn read<'de, T: Deserialize<'de>>(node: &'de Node, noted: &Noted) -> Option<T> {
    match T::deserialize(Part { node, noted }) {
        Ok(value) => Some(value),
        Err(error) => {
            noted.borrow_mut().push(error.into_problem(node));
            None
        }
    }
}

/// Why a part does not read.
#[derive(Debug)]
pub struct Error {
    place: Option<Place>,
    message: String,
    hint: Option<String>,
}

impl Error {
    fn at(mut self, node: &Node) -> Self {
        self.place.get_or_insert(node.place);
        self
    }

    fn into_problem(self, node: &Node) -> Problem {
        let problem = Problem::at(self.place.unwrap_or(node.place), self.message);
        match self.hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }
}

impl std::error::Error for Error {}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { place: None, message: message.to_string(), hint: None }
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let hint = nearest(variant, expected.iter().copied()).map(|name| format!("nearest: {name}"));
        let are_words = expected.iter().all(|choice| choice.chars().all(char::is_alphanumeric));
        let known = match are_words {
            true => expected.join(", "),
            // A comma among commas is not seen.
            false => expected.iter().map(|choice| format!("\"{choice}\"")).collect::<Vec<_>>().join(", "),
        };
        Self { place: None, message: format!("\"{}\" is not one of: {known}", shown(variant)), hint }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        let hint = nearest(field, expected.iter().copied()).map(|name| format!("nearest: {name}"));
        let hint = hint.unwrap_or_else(|| format!("known here: {}", expected.join(", ")));
        Self { place: None, message: format!("unknown key \"{}\"", shown(field)), hint: Some(hint) }
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom(format!("the key \"{field}\" is missing"))
    }

    fn invalid_type(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let found = match found {
            de::Unexpected::Str(text) => format!("\"{}\"", shown(text).cut(60)),
            de::Unexpected::Seq => "a list".to_owned(),
            de::Unexpected::Map => "keys and values".to_owned(),
            de::Unexpected::Unit | de::Unexpected::Option => "nothing".to_owned(),
            other => other.to_string(),
        };
        Self::custom(format!("expected {expected}, found {found}"))
    }

    fn invalid_value(found: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(found, expected)
    }
}

#[derive(Clone, Copy)]
struct Part<'de, 'n> {
    node: &'de Node,
    noted: &'n Noted,
}

impl<'de> Part<'de, '_> {
    fn wanted(self, what: &str) -> Error {
        de::Error::custom(format!("expected {what}, found {}", self.node.describe()))
    }

    fn whole_number<T: std::str::FromStr>(self) -> Result<T, Error> {
        let wanted = match &self.node.kind {
            Kind::Scalar(text) => match (text.parse(), text.parse::<i128>()) {
                (Ok(number), _) => return Ok(number),
                (_, Ok(..0)) => "a whole number without a minus",
                (_, Ok(_)) => "a smaller whole number",
                (_, Err(_)) => "a whole number",
            },
            Kind::Null | Kind::List(_) | Kind::Map(_) => "a whole number",
        };
        Err(self.wanted(wanted).at(self.node))
    }
}

impl<'de> Deserializer<'de> for Part<'de, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.kind {
            Kind::Null => visitor.visit_unit(),
            Kind::Scalar(text) => visitor.visit_borrowed_str(text),
            Kind::List(items) => visitor.visit_seq(Items { rest: items.iter(), noted: self.noted }),
            Kind::Map(entries) => {
                visitor.visit_map(Entries { rest: entries.iter(), value: None, noted: self.noted })
            }
        }
        .map_err(|error| error.at(self.node))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.kind {
            Kind::Scalar(text) if text == "true" => visitor.visit_bool(true),
            Kind::Scalar(text) if text == "false" => visitor.visit_bool(false),
            _ => Err(self.wanted("true or false")),
        }
        .map_err(|error: Error| error.at(self.node))
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_u32(self.whole_number()?)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_u64(self.whole_number()?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node.kind {
            Kind::Null => visitor.visit_none(),
            Kind::Scalar(_) | Kind::List(_) | Kind::Map(_) => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == LOCATED {
            return visitor
                .visit_seq(WithPlace { part: self, given: 0 })
                .map_err(|error| error.at(self.node));
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let Kind::Map(entries) = &self.node.kind else {
            return Err(self.wanted(&format!("keys and values ({})", fields.join(", "))).at(self.node));
        };
        let known: Vec<_> = entries.iter().filter(|(key, _)| self.is_known(key, fields)).collect();
        let rest = known.into_iter();
        visitor.visit_map(Known { rest, value: None, noted: self.noted }).map_err(|error| error.at(self.node))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let Kind::Scalar(word) = &self.node.kind else { return Err(self.wanted("one word").at(self.node)) };
        let word: StrDeserializer<'_, Error> = word.as_str().into_deserializer();
        visitor.visit_enum(word).map_err(|error| error.at(self.node))
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

impl Part<'_, '_> {
    /// Notes a key that is none of `fields`.
    fn is_known(self, key: &Node, fields: &[&'static str]) -> bool {
        let known = matches!(&key.kind, Kind::Scalar(name) if fields.contains(&name.as_str()));
        if !known {
            self.noted.borrow_mut().push(unknown_key(key, fields));
        }
        known
    }
}

/// The complaint about a key that does not exist there.
pub fn unknown_key(key: &Node, fields: &[&str]) -> Problem {
    let problem = Problem::at(key.place, format!("unknown key {}", key.describe()));
    let name = match &key.kind {
        Kind::Scalar(name) => nearest(name, fields.iter().copied()),
        Kind::Null | Kind::List(_) | Kind::Map(_) => None,
    };
    match name {
        Some(name) => problem.nearest(Some(name)),
        None => problem.hint(format!("known here: {}", fields.join(", "))),
    }
}

struct Items<'de, 'n> {
    rest: std::slice::Iter<'de, Node>,
    noted: &'n Noted,
}

impl<'de> de::SeqAccess<'de> for Items<'de, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(node) = self.rest.next() else { return Ok(None) };
        seed.deserialize(Part { node, noted: self.noted }).map(Some).map_err(|error| error.at(node))
    }
}

macro_rules! map_access {
    ($name:ident, $iterator:ty) => {
        struct $name<'de, 'n> {
            rest: $iterator,
            value: Option<&'de Node>,
            noted: &'n Noted,
        }

        impl<'de> de::MapAccess<'de> for $name<'de, '_> {
            type Error = Error;

            fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
                let Some((key, value)) = self.rest.next() else { return Ok(None) };
                self.value = Some(value);
                seed.deserialize(Part { node: key, noted: self.noted })
                    .map(Some)
                    .map_err(|error| error.at(key))
            }

            fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
                let node =
                    self.value.take().ok_or_else(|| <Error as de::Error>::custom("a value is missing"))?;
                seed.deserialize(Part { node, noted: self.noted }).map_err(|error| error.at(node))
            }
        }
    };
}

map_access!(Entries, std::slice::Iter<'de, (Node, Node)>);
map_access!(Known, std::vec::IntoIter<&'de (Node, Node)>);

/// A node's place as three numbers, then the node itself.
struct WithPlace<'de, 'n> {
    part: Part<'de, 'n>,
    given: usize,
}

impl<'de> de::SeqAccess<'de> for WithPlace<'de, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let place = self.part.node.place;
        let number = match self.given {
            0 => place.line,
            1 => place.column,
            2 => place.length,
            3 => {
                self.given += 1;
                return seed.deserialize(self.part).map(Some);
            }
            _ => return Ok(None),
        };
        self.given += 1;
        seed.deserialize(U64Deserializer::new(number as u64)).map(Some)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Located<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit<T>(std::marker::PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Visit<T> {
            type Value = Located<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut parts: A) -> Result<Located<T>, A::Error> {
                let missing = || <A::Error as de::Error>::custom("a place is missing");
                let mut number = || parts.next_element::<u64>()?.ok_or_else(missing);
                let (line, column, length) = (number()? as usize, number()? as usize, number()? as usize);
                let value = parts.next_element()?.ok_or_else(missing)?;
                Ok(Located::new(Place { line, column, length }, value))
            }
        }

        deserializer.deserialize_newtype_struct(LOCATED, Visit(std::marker::PhantomData))
    }
}
