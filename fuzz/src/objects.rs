//! Headers and fields made of a few words.

use crate::model::{Column, Field, FieldKind, Header, Lookup};

/// A header with these names.
pub fn header<'n>(names: impl IntoIterator<Item = &'n str>) -> Header {
    let column = |(place, name): (usize, &str)| Column { name: name.to_owned(), place };
    Header { sheet: None, columns: names.into_iter().enumerate().map(column).collect() }
}

/// A field with a list of values.
pub fn listed(name: &str, kind: FieldKind, values: &[&str]) -> Field {
    let values = Some(values.iter().map(|&value| value.to_owned()).collect());
    Field { lookup: Some(Lookup { list: None, values }), ..Field::new(name, kind) }
}
