//! What the tests of rules share: an object with a field of each kind, and
//! programs and rows made from a few words.

use std::collections::HashMap;

use crate::model::{
    Cell, Column, Dictionary, Field, FieldKind, Header, Lookup, Record, RecordId, Row, Value,
};
use crate::rules::mapping::Mapping;
use crate::rules::problem::Problems;
use crate::rules::program::{Dictionaries, Overrides, Program};

/// An object with a field of each kind, named after it.
pub fn dictionary() -> Dictionary {
    let field = |name: &str, kind| Field::new(name, kind);
    let listed = |name: &str, kind: FieldKind, values: &[&str]| {
        let values = Some(values.iter().map(|&v| v.to_owned()).collect());
        Field { lookup: Some(Lookup { list: None, values }), ..field(name, kind) }
    };
    let mut fields = vec![
        Field { read_only: true, ..field("id", FieldKind::Number) },
        Field { required: true, ..field("name", FieldKind::Text) },
        field("text", FieldKind::Text),
        field("area", FieldKind::TextArea),
        field("memo", FieldKind::Memo),
        field("check", FieldKind::Checkbox),
        field("date", FieldKind::Date),
        field("datetime", FieldKind::DateTime),
        field("email", FieldKind::Email),
        field("number", FieldKind::Number),
        Field { decimals: Some(2), ..field("money", FieldKind::Currency) },
        field("percent", FieldKind::Percent),
        field("url", FieldKind::Url),
        field("other", FieldKind::Other("rating".to_owned())),
        field("ownerid", FieldKind::Number),
        Field { read_only: true, ..field("modifieddate", FieldKind::DateTime) },
    ];
    fields.push(listed("type", FieldKind::Text, &["Customer ", "Prospect", "UK", "uk"]));
    fields.push(listed("tags", FieldKind::MultiSelect, &["Red", "Green", "Blue"]));
    fields.push(listed("level", FieldKind::Number, &["1", " 2", "3.0"]));
    Dictionary::new("things", fields)
}

/// The objects that references may name.
pub fn others() -> Dictionaries {
    let fields = [FieldKind::Number, FieldKind::Text, FieldKind::Text, FieldKind::Email];
    let names = ["id", "first", "last", "email"];
    let fields = names.iter().zip(fields).map(|(name, kind)| Field::new(*name, kind)).collect();
    HashMap::from([("users".to_owned(), Dictionary::new("users", fields))])
}

pub fn header(columns: &[&str]) -> Header {
    let column = |(place, name): (usize, &&str)| Column { name: (*name).to_owned(), place };
    Header { sheet: None, columns: columns.iter().enumerate().map(column).collect() }
}

/// A mapping of the object: further keys at the top, then lines under `fields`.
pub fn mapping(top: &str, fields: &str) -> Mapping {
    let fields: String = fields.lines().map(|line| format!("  {}\n", line.trim())).collect();
    Mapping::parse("m.yaml", &format!("version: 1\nobject: things\n{top}\nfields:\n{fields}")).unwrap()
}

pub fn compile(top: &str, fields: &str, columns: &[&str]) -> Result<Program, Problems> {
    let overrides = Overrides { guarded_source: true, ..Overrides::default() };
    let mapping = mapping(top, fields);
    Program::compile(&mapping, &dictionary(), &others(), &header(columns), overrides)
        .map(|(program, _)| program)
}

pub fn program(top: &str, fields: &str, columns: &[&str]) -> Program {
    compile(top, fields, columns).unwrap_or_else(|problems| panic!("{problems}"))
}

/// What a mapping is refused for, as `line: message`.
pub fn refusals(top: &str, fields: &str, columns: &[&str]) -> Vec<String> {
    let problems = compile(top, fields, columns).unwrap_err();
    // Whatever it complains about can be shown.
    assert!(!problems.to_string().is_empty());
    let line = |p: &crate::rules::problem::Problem| p.place.map_or(0, |place| place.line);
    problems.problems.iter().map(|p| format!("{}: {}", line(p), p.message)).collect()
}

pub fn row_of(cells: &[Cell<'_>]) -> Row {
    let mut row = Row::default();
    row.reset(2, 2);
    cells.iter().for_each(|cell| row.push(*cell));
    row
}

pub fn row(texts: &[&str]) -> Row {
    row_of(&texts.iter().map(|text| Cell::Text(text)).collect::<Vec<_>>())
}

pub fn record(id: u64, fields: &[(&str, Value)]) -> Record {
    let id = RecordId::new(id).unwrap();
    let mut all = vec![("id".to_owned(), id.to_value())];
    all.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    Record { id, fields: all }
}
