//! The records that a new embedded CRM begins with.

use rusqlite::types::Value as Sql;
use serde_json::{Map, Value as Json};

use super::SandboxError;
use super::database::Database;
use super::dictionary::{Object, object};
use super::validate::{Known, Stored, validate};

/// Adds the records of `seed.json`, all or none.
pub fn plant(database: &mut Database) -> Result<(), SandboxError> {
    let objects = read(include_str!("seed.json"))?;
    database.in_one(|database| {
        for (name, records) in &objects {
            let object =
                object(name).ok_or_else(|| SandboxError::Seed(format!("there is no object {name}")))?;
            for record in records {
                let stored = fields(object, record)?;
                let add = database.insert(object, &stored);
                add.map_err(|error| SandboxError::Seed(format!("{name}: {error}")))?;
            }
        }
        Ok(())
    })
}

impl From<rusqlite::Error> for SandboxError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Seed(error.to_string())
    }
}

/// An object's name and its first records.
type Planted = (String, Vec<Map<String, Json>>);

/// `{"users": [...], "accounts": [...]}` in the order in which it is written:
/// a record comes after those it refers to.
fn read(json: &str) -> Result<Vec<Planted>, SandboxError> {
    let fault = |error: serde_json::Error| SandboxError::Seed(error.to_string());
    let order: Vec<String> = {
        let document: Json = serde_json::from_str(json).map_err(fault)?;
        let names = document.get("order").and_then(Json::as_array).cloned().unwrap_or_default();
        names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
    };
    let mut document: Map<String, Json> = serde_json::from_str(json).map_err(fault)?;
    let mut objects = Vec::new();
    for name in order {
        let records = document.remove(&name).unwrap_or(Json::Array(Vec::new()));
        objects.push((name, serde_json::from_value(records).map_err(fault)?));
    }
    Ok(objects)
}

/// Everything is known while seeding: the order of the file sees to that.
struct Anything;

impl Known for Anything {
    fn exists(&self, _object: &str, _id: i64) -> bool {
        true
    }

    fn listed(&self, _list: &str, _value: &str) -> bool {
        true
    }
}

/// A seed record's values; ids, names and dates that clients cannot write are taken too.
fn fields(object: &Object, record: &Map<String, Json>) -> Result<Stored, SandboxError> {
    let mut stored = validate(object, record, true, &Anything)
        .map_err(|faults| SandboxError::Seed(format!("{}: {faults:?}", object.name)))?;
    for (name, value) in record {
        let Some(at) = object.columns.iter().position(|column| column.field.name == *name) else {
            return Err(SandboxError::Seed(format!("{} has no field {name}", object.name)));
        };
        if !object.columns[at].field.read_only {
            continue;
        }
        stored.retain(|(known, _)| *known != at);
        let value = match (value.as_i64(), value.as_str()) {
            (Some(number), _) => Sql::Integer(number),
            (_, Some(text)) => Sql::Text(text.to_owned()),
            _ => Sql::Null,
        };
        stored.push((at, value));
    }
    Ok(stored)
}
