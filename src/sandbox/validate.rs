//! What the CRM demands of a record, and how it keeps the values.

use std::collections::BTreeMap;

use rusqlite::types::Value as Sql;
use serde_json::{Map, Value as Json, json};

use super::dictionary::{Column, Object};
use super::filter::is_exact_text;
use crate::model::{FieldKind, Number};

/// The rules that a record breaks, field by field: `{"last": [{"Required": []}]}`.
pub type Validation = BTreeMap<String, Vec<Json>>;

/// Values as they are stored, by the place of their column.
pub type Stored = Vec<(usize, Sql)>;

/// What validation has to ask the database.
pub trait Known {
    /// Whether a record exists.
    fn exists(&self, object: &str, id: i64) -> bool;
    /// Whether a list has a value; always true where lists are not enforced.
    fn listed(&self, list: &str, value: &str) -> bool;
}

/// Holds a body against the rules. Unknown and read-only fields are passed
/// over. With `create`, required fields must be there and defaults are filled in.
pub fn validate(
    object: &Object,
    body: &Map<String, Json>,
    create: bool,
    known: &dyn Known,
) -> Result<Stored, Validation> {
    let (mut stored, mut faults) = (Stored::new(), Validation::new());
    for (at, column) in object.columns.iter().enumerate() {
        let field = &column.field;
        if field.read_only {
            if let (true, Some(default)) = (create, &column.default) {
                stored.push((at, keep(column, default)));
            }
            continue;
        }
        let Some(value) = body.get(&field.name) else {
            match (create, &column.default) {
                (true, Some(default)) => stored.push((at, keep(column, default))),
                (true, None) if field.required => fault(&mut faults, column, "Required", &[]),
                _ => {}
            }
            continue;
        };
        match text_of(value) {
            None => fault(&mut faults, column, "String", &[]),
            Some(text) if text.trim().is_empty() => {
                if field.required {
                    fault(&mut faults, column, "Required", &[]);
                }
                stored.push((at, emptied(column, value)));
            }
            Some(text) => match check(column, &text, known) {
                Ok(value) => stored.push((at, value)),
                Err((rule, parameters)) => fault(&mut faults, column, rule, &parameters),
            },
        }
    }
    if faults.is_empty() { Ok(stored) } else { Err(faults) }
}

fn fault(faults: &mut Validation, column: &Column, rule: &str, parameters: &[String]) {
    faults.entry(column.field.name.clone()).or_default().push(json!({ rule: parameters }));
}

/// A scalar as text; none for lists and objects.
fn text_of(value: &Json) -> Option<String> {
    match value {
        Json::Null => Some(String::new()),
        Json::Bool(flag) => Some(if *flag { "1" } else { "0" }.to_owned()),
        Json::Number(number) => Some(number.to_string()),
        Json::String(text) => Some(text.clone()),
        Json::Array(_) | Json::Object(_) => None,
    }
}

/// An emptied text is the empty text where one was sent, null otherwise.
fn emptied(column: &Column, value: &Json) -> Sql {
    let is_text = !column.field.kind.is_numeric() && !column.field.kind.is_temporal();
    if is_text && value.is_string() { Sql::Text(String::new()) } else { Sql::Null }
}

type Broken = (&'static str, Vec<String>);

fn check(column: &Column, text: &str, known: &dyn Known) -> Result<Sql, Broken> {
    let field = &column.field;
    if let Some(size) = field.size
        && text.chars().count() > size as usize
    {
        return Err(("Max", vec![size.to_string()]));
    }
    match &field.kind {
        FieldKind::Number | FieldKind::Currency | FieldKind::Percent => number(column, text, known),
        FieldKind::Checkbox => match text.trim().to_ascii_lowercase().as_str() {
            "1" | "true" => Ok(Sql::Integer(1)),
            "0" | "false" => Ok(Sql::Integer(0)),
            _ => Err(("Boolean", Vec::new())),
        },
        FieldKind::Date => date(text).map(|(date, _)| Sql::Text(date)).ok_or(("Date", Vec::new())),
        FieldKind::DateTime => match date(text) {
            Some((date, time)) => Ok(Sql::Text(format!("{date} {time}"))),
            None => Err(("Date", Vec::new())),
        },
        FieldKind::Email if !is_email(text) => Err(("Email", Vec::new())),
        FieldKind::Url if text.contains(char::is_whitespace) || !text.contains('.') => {
            Err(("Url", Vec::new()))
        }
        _ => listed(column, text, known),
    }
}

fn listed(column: &Column, text: &str, known: &dyn Known) -> Result<Sql, Broken> {
    let list = column.field.lookup.as_ref().and_then(|lookup| lookup.list.as_ref());
    let Some(list) = list else { return Ok(Sql::Text(text.to_owned())) };
    let mut values = match column.field.kind {
        FieldKind::MultiSelect => text.split(';').map(str::trim).collect(),
        _ => vec![text],
    };
    values.retain(|value| !known.listed(list, value));
    if values.is_empty() { Ok(Sql::Text(text.to_owned())) } else { Err(("In", vec![values.join(";")])) }
}

fn number(column: &Column, text: &str, known: &dyn Known) -> Result<Sql, Broken> {
    let bare = text.trim().trim_end_matches('%').trim_end();
    let number = Number::parse(bare).ok_or(("Numeric", Vec::new()))?;
    if let Some(most) = column.field.decimals
        && number.decimals() > most as usize
    {
        return Err(("Decimals", vec![most.to_string()]));
    }
    if is_exact_text(column) {
        return Ok(Sql::Text(number.to_string()));
    }
    let whole = number.as_i64().ok_or(("Numeric", Vec::new()))?;
    match &column.reference {
        Some(reference) if whole != 0 && !known.exists(reference, whole) => {
            Err(("Exists", vec![reference.clone()]))
        }
        _ => Ok(Sql::Integer(whole)),
    }
}

/// `YYYY-MM-DD`, perhaps with a time: date and time, without fractions.
fn date(text: &str) -> Option<(String, String)> {
    let text = text.trim();
    let (date, time) = match text.split_once([' ', 'T']) {
        Some((date, time)) => (date, time.split('.').next().unwrap_or(time)),
        None => (text, "00:00:00"),
    };
    let parsed: jiff::civil::Date = date.parse().ok()?;
    let time = if time.len() == 5 { format!("{time}:00") } else { time.to_owned() };
    let time: jiff::civil::Time = time.parse().ok()?;
    Some((parsed.to_string(), time.to_string()))
}

fn is_email(text: &str) -> bool {
    match text.split_once('@') {
        Some((local, domain)) => {
            !local.is_empty()
                && !domain.contains('@')
                && domain.contains('.')
                && !text.contains(char::is_whitespace)
        }
        None => false,
    }
}

/// A default in the form in which it is stored.
fn keep(column: &Column, text: &str) -> Sql {
    match text.parse() {
        Ok(number) if column.field.kind.is_numeric() || column.field.kind == FieldKind::Checkbox => {
            Sql::Integer(number)
        }
        _ => Sql::Text(text.to_owned()),
    }
}
