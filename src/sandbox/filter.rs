//! The API's `q` and `order`, turned into SQL with parameters.
//!
//! Names come from the dictionary and are quoted, values are bound: nothing
//! that a client sends becomes part of the SQL text.

use rusqlite::types::Value as Sql;
use serde_json::{Map, Value as Json};

use super::dictionary::{Column, Object};
use crate::model::{FieldKind, Number};

/// A condition in SQL and its parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Condition {
    /// Goes behind `WHERE`; `1` where everything matches.
    pub sql: String,
    /// In the order of the `?` in `sql`.
    pub values: Vec<Sql>,
}

const MAX_DEPTH: usize = 16;

/// Reads `q`. The error is a sentence for the answer's `message`.
pub fn condition(object: &Object, q: &str) -> Result<Condition, String> {
    let json: Json = serde_json::from_str(q).map_err(|error| format!("The query is not JSON: {error}"))?;
    let Json::Object(map) = json else { return Err("The query must be a JSON object".to_owned()) };
    let mut reader = Reader { object, values: Vec::new() };
    let sql = reader.all(&map, 0)?;
    Ok(Condition { sql, values: reader.values })
}

struct Reader<'a> {
    object: &'a Object,
    values: Vec<Sql>,
}

impl Reader<'_> {
    fn all(&mut self, map: &Map<String, Json>, depth: usize) -> Result<String, String> {
        if depth > MAX_DEPTH {
            return Err("The query is nested too deeply".to_owned());
        }
        let mut parts = Vec::new();
        for (key, value) in map {
            parts.push(match key.as_str() {
                "$or" => self.any(value, depth)?,
                name => {
                    let object = self.object;
                    let column = object.column(name).ok_or_else(|| format!("Unknown field ({name})"))?;
                    self.field(column, value, depth)?
                }
            });
        }
        Ok(if parts.is_empty() { "1".to_owned() } else { format!("({})", parts.join(" AND ")) })
    }

    fn any(&mut self, value: &Json, depth: usize) -> Result<String, String> {
        let Json::Array(items) = value else { return Err("$or takes a list of queries".to_owned()) };
        let mut parts = Vec::new();
        for item in items {
            let Json::Object(map) = item else { return Err("$or takes a list of queries".to_owned()) };
            parts.push(self.all(map, depth + 1)?);
        }
        Ok(if parts.is_empty() { "0".to_owned() } else { format!("({})", parts.join(" OR ")) })
    }

    /// A field's value, or its operators.
    fn field(&mut self, column: &Column, value: &Json, depth: usize) -> Result<String, String> {
        let Json::Object(operators) = value else { return self.equals(column, value) };
        if depth > MAX_DEPTH {
            return Err("The query is nested too deeply".to_owned());
        }
        let mut parts = Vec::new();
        for (operator, value) in operators {
            parts.push(self.operator(column, operator, value, depth)?);
        }
        Ok(if parts.is_empty() { "1".to_owned() } else { format!("({})", parts.join(" AND ")) })
    }

    fn operator(
        &mut self,
        column: &Column,
        operator: &str,
        value: &Json,
        depth: usize,
    ) -> Result<String, String> {
        match operator {
            "$not" => Ok(format!("NOT {}", self.field(column, value, depth + 1)?)),
            "$in" => self.one_of(column, value),
            "$nin" => Ok(format!("NOT {}", self.one_of(column, value)?)),
            "$gt" => self.compare(column, ">", value),
            "$gte" => self.compare(column, ">=", value),
            "$lt" => self.compare(column, "<", value),
            "$lte" => self.compare(column, "<=", value),
            "$bt" => match value.as_array().map(Vec::as_slice) {
                Some([low, high]) => {
                    let (low, high) = (self.compare(column, ">=", low)?, self.compare(column, "<=", high)?);
                    Ok(format!("({low} AND {high})"))
                }
                _ => Err("$bt takes a list of two values".to_owned()),
            },
            "$sw" => self.like(column, value, "", "%"),
            "$ew" => self.like(column, value, "%", ""),
            "$con" => self.like(column, value, "%", "%"),
            other => Err(format!("Unknown operator ({other})")),
        }
    }

    fn one_of(&mut self, column: &Column, value: &Json) -> Result<String, String> {
        let Json::Array(items) = value else { return Err("$in and $nin take a list of values".to_owned()) };
        if items.is_empty() {
            return Ok("0".to_owned());
        }
        // One IN list keeps the index usable; blanks match null as well.
        let mut marks = Vec::new();
        let mut blank = false;
        for item in items {
            if is_blank(item) {
                blank = true;
            } else {
                self.values.push(bound(column, item)?);
                marks.push("?");
            }
        }
        let listed = match marks.is_empty() {
            true => "0".to_owned(),
            false => format!("{} IN ({})", comparable(column), marks.join(",")),
        };
        Ok(if blank {
            format!("({listed} OR {})", blank_sql(column))
        } else {
            format!("(ifnull({listed}, 0))")
        })
    }

    fn equals(&mut self, column: &Column, value: &Json) -> Result<String, String> {
        if is_blank(value) {
            return Ok(blank_sql(column));
        }
        self.values.push(bound(column, value)?);
        Ok(format!("ifnull({} = ?, 0)", comparable(column)))
    }

    fn compare(&mut self, column: &Column, sign: &str, value: &Json) -> Result<String, String> {
        self.values.push(bound(column, value)?);
        let name = comparable(column);
        // `id > ?` alone lets SQLite walk the key.
        Ok(if column.field.name == "id" {
            format!("{name} {sign} ?")
        } else {
            format!("ifnull({name} {sign} ?, 0)")
        })
    }

    fn like(&mut self, column: &Column, value: &Json, before: &str, after: &str) -> Result<String, String> {
        let text = plain_text(value).ok_or("$sw, $ew and $con take a text")?;
        let escaped = text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        self.values.push(Sql::Text(format!("{before}{escaped}{after}")));
        Ok(format!("ifnull({} LIKE ? ESCAPE '\\', 0)", quoted(&column.field.name)))
    }
}

/// A field's name as SQL.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Numbers that are kept as exact text are compared by value.
fn comparable(column: &Column) -> String {
    let name = quoted(&column.field.name);
    if is_exact_text(column) { format!("CAST({name} AS REAL)") } else { name }
}

/// Amounts and numbers with decimals: kept as text, so that no digit is lost.
pub fn is_exact_text(column: &Column) -> bool {
    column.field.kind.is_numeric() && column.field.name != "id" && column.field.decimals != Some(0)
}

fn is_blank(value: &Json) -> bool {
    matches!(value, Json::Null) || value.as_str().is_some_and(str::is_empty)
}

fn blank_sql(column: &Column) -> String {
    let name = quoted(&column.field.name);
    format!("({name} IS NULL OR {name} = '')")
}

fn plain_text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(flag) => Some(if *flag { "1".to_owned() } else { "0".to_owned() }),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

/// A value in the form in which the field is compared.
fn bound(column: &Column, value: &Json) -> Result<Sql, String> {
    let wrong = || format!("The field {} cannot be compared with this value", column.field.name);
    let text = plain_text(value).ok_or_else(wrong)?;
    let trimmed = text.trim_end();
    Ok(match &column.field.kind {
        kind if kind.is_numeric() || *kind == FieldKind::Checkbox => match Number::parse(trimmed.trim()) {
            Some(number) => number
                .as_i64()
                .map(Sql::Integer)
                .unwrap_or_else(|| Sql::Real(number.as_str().parse().unwrap_or(f64::NAN))),
            // A number is never equal to a text; comparing gives nothing.
            None => Sql::Text(trimmed.to_owned()),
        },
        _ => Sql::Text(trimmed.to_owned()),
    })
}

/// Reads `order`: the JSON keys' own order decides which field comes first.
pub fn order(object: &Object, json: &str) -> Result<String, String> {
    let fields =
        super::ordered::pairs(json).map_err(|error| format!("The order is not a JSON object: {error}"))?;
    let mut parts = Vec::new();
    for (name, direction) in fields {
        let column = object.column(&name).ok_or_else(|| format!("Unknown field ({name})"))?;
        let direction = match direction.to_ascii_lowercase().as_str() {
            "asc" => "ASC",
            "desc" => "DESC",
            other => return Err(format!("Unknown direction ({other})")),
        };
        parts.push(format!("{} {direction}", comparable(column)));
    }
    if !parts.iter().any(|part| part.starts_with("\"id\"")) {
        // Equal records keep one order, so that pages do not overlap.
        parts.push("\"id\" ASC".to_owned());
    }
    Ok(parts.join(", "))
}
