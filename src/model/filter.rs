//! Which records are asked for, and in which order.

use super::Value;

/// A condition over fields. Rendered as the API's `q` by `crm::filter`, and
/// made from what people type by `rules::language`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Every one holds; an empty list always does.
    All(Vec<Filter>),
    /// At least one holds; an empty list never does.
    Any(Vec<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
    /// One test of one field.
    Field(String, Test),
}

/// A test of one field's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// `=`: equality.
    Is(Value),
    /// `$not`
    IsNot(Value),
    /// `$in`
    In(Vec<Value>),
    /// `$nin`
    NotIn(Vec<Value>),
    /// `$gt`
    Above(Value),
    /// `$gte`
    AtLeast(Value),
    /// `$lt`
    Below(Value),
    /// `$lte`
    AtMost(Value),
    /// `$bt`, both ends included.
    Between(Value, Value),
    /// `$sw`
    StartsWith(String),
    /// `$ew`
    EndsWith(String),
    /// `$con`
    Contains(String),
}

impl Filter {
    /// One field equals one value.
    pub fn is(field: impl Into<String>, value: Value) -> Self {
        Self::Field(field.into(), Test::Is(value))
    }

    /// One field equals any of the values.
    pub fn any_of(field: impl Into<String>, values: Vec<Value>) -> Self {
        Self::Field(field.into(), Test::In(values))
    }

    /// Both hold.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match self {
            Self::All(mut parts) => {
                parts.push(other);
                Self::All(parts)
            }
            first => Self::All(vec![first, other]),
        }
    }
}

/// Ascending or descending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Smallest first.
    Ascending,
    /// Largest first.
    Descending,
}

/// The fields to sort by, the first one first.
pub type Order = Vec<(String, Direction)>;
