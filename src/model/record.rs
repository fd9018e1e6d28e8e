//! Records as the CRM stores them.

use std::fmt;

use super::{Number, Value};

/// The `id` of a record: a whole number from 1 to 2^53.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordId(u64);

impl RecordId {
    /// The largest id taken: the largest that every JSON reader keeps exact.
    pub const MAX: u64 = 1 << 53;

    /// An id, if the number is one.
    pub fn new(id: u64) -> Option<Self> {
        (1..=Self::MAX).contains(&id).then_some(Self(id))
    }

    /// Reads a JSON number or a string of digits.
    pub fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => number.as_str().parse().ok().and_then(Self::new),
            Value::Text(text) => text.parse().ok().and_then(Self::new),
            Value::Null | Value::Bool(_) | Value::Json(_) => None,
        }
    }

    /// The plain number.
    pub fn get(self) -> u64 {
        self.0
    }

    /// The id as a field's value.
    pub fn to_value(self) -> Value {
        Value::Number(Number::from(self.0))
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A record as the CRM answered it, fields in the answer's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The record's id, which is also among the fields.
    pub id: RecordId,
    /// Field names and values.
    pub fields: Vec<(String, Value)>,
}

impl Record {
    /// The value of a field; `None` where the answer lacks it.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.fields.iter().find(|(name, _)| name == field).map(|(_, value)| value)
    }
}
