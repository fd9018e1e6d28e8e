//! A table of a SQLite database: made for an object's fields, or found and
//! brought up to them.

use rusqlite::Connection;

use super::error::OutputProblem;
use super::typed::{ColumnType, REST, is_reference, with_rest};
use super::write_sqlite::told_of;
use crate::model::{Field, shown};

/// A table that is ready to be written.
pub(super) struct Table {
    /// Like its object.
    pub name: String,
    /// The columns that are written, in the order of the fields; then [`REST`].
    pub columns: Vec<(String, ColumnType)>,
    /// Where `id` stands among them.
    pub id: usize,
    /// Where [`REST`] stands among them.
    pub rest: usize,
    /// How many of them are fields.
    pub given: usize,
    /// It was not there before.
    pub is_new: bool,
    /// The columns that hold another record's id.
    references: Vec<String>,
}

impl Table {
    /// Makes the table, or adds the columns that it lacks.
    pub fn prepare(db: &Connection, object: &str, fields: &[Field]) -> Result<Self, OutputProblem> {
        let all = with_rest(fields);
        unlike_each_other(&all)?;
        let place = |name: &str| all.iter().position(|field| field.name == name);
        let (Some(id), Some(rest)) = (place("id"), place(REST)) else {
            return Err(OutputProblem::Content("a table needs the field id".to_owned()));
        };
        let known = Known::of(db, object)?;
        let is_new = known.columns.is_empty();
        let columns: Vec<(String, ColumnType)> =
            all.iter().map(|field| (field.name.clone(), ColumnType::of(field))).collect();
        let mut table = Self {
            name: object.to_owned(),
            id,
            rest,
            given: fields.len(),
            is_new,
            references: all.iter().filter(|field| is_reference(field)).map(|f| f.name.clone()).collect(),
            columns,
        };
        if is_new {
            db.execute_batch(&table.creation()).map_err(told_of)?;
        } else {
            table.bring_up(db, &known)?;
        }
        Ok(table)
    }

    fn creation(&self) -> String {
        let columns = self.columns.iter().map(|(name, kind)| match name.as_str() {
            "id" => "  \"id\" INTEGER PRIMARY KEY".to_owned(),
            name => format!("  {} {}", quoted(name), declared(*kind)),
        });
        let columns: Vec<String> = columns.collect();
        format!("CREATE TABLE {} (\n{}\n)", quoted(&self.name), columns.join(",\n"))
    }

    /// Adds columns to the table that is there, and takes the types of those that it has: a field
    /// may have changed its type, a column does not.
    fn bring_up(&mut self, db: &Connection, known: &Known) -> Result<(), OutputProblem> {
        let foreign = |what: String| {
            let name = shown(&self.name).to_string();
            Err(OutputProblem::Content(format!(
                "its {} {name} {what}, so no export wrote it; take another database, or rename it",
                known.what
            )))
        };
        if known.what != "table" || !known.has_id {
            return foreign("has no INTEGER PRIMARY KEY named id".to_owned());
        }
        for (name, kind) in &mut self.columns {
            let there = known.columns.iter().find(|(column, _)| column.eq_ignore_ascii_case(name));
            match there.map(|(_, declared)| declared.to_ascii_uppercase()) {
                Some(declared) => match (held_by(&declared), *kind) {
                    (Some(ColumnType::Whole), ColumnType::Flag) => {}
                    (Some(held), _) => *kind = held,
                    (None, _) => {
                        return foreign(format!("has a column {} of type {declared:?}", shown(name)));
                    }
                },
                None => {
                    let (table, column) = (quoted(&self.name), quoted(name));
                    let sql = format!("ALTER TABLE {table} ADD COLUMN {column} {}", declared(*kind));
                    db.execute_batch(&sql).map_err(told_of)?;
                }
            }
        }
        Ok(())
    }

    /// Adds a record, or changes the one of its id.
    pub fn insertion(&self) -> String {
        let names: Vec<String> = self.columns.iter().map(|(name, _)| quoted(name)).collect();
        let places: Vec<String> = (1..=names.len()).map(|place| format!("?{place}")).collect();
        let changes = names.iter().filter(|name| *name != "\"id\"");
        let changes: Vec<String> = changes.map(|name| format!("{name} = excluded.{name}")).collect();
        format!(
            "INSERT INTO {} ({}) VALUES ({}) ON CONFLICT (\"id\") DO UPDATE SET {}",
            quoted(&self.name),
            names.join(", "),
            places.join(", "),
            changes.join(", ")
        )
    }

    /// An index for each field that refers to another record.
    pub fn indexes(&self) -> String {
        let index = |field: &String| {
            let name = quoted(&format!("carafe_{}_{field}", self.name));
            format!("CREATE INDEX IF NOT EXISTS {name} ON {} ({});\n", quoted(&self.name), quoted(field))
        };
        self.references.iter().map(index).collect()
    }
}

/// What the database has under a table's name.
struct Known {
    /// `table` or `view`.
    what: String,
    /// Its columns with the types that they were declared with.
    columns: Vec<(String, String)>,
    /// It is kept by whole numbers named `id`.
    has_id: bool,
}

impl Known {
    fn of(db: &Connection, name: &str) -> Result<Self, OutputProblem> {
        let ask = || -> rusqlite::Result<Self> {
            let mut known = Self { what: String::new(), columns: Vec::new(), has_id: false };
            let mut whats = db.prepare(
                "SELECT type FROM sqlite_schema WHERE type IN ('table', 'view') AND lower(name) = lower(?1)",
            )?;
            let mut rows = whats.query([name])?;
            while let Some(row) = rows.next()? {
                known.what = row.get(0)?;
            }
            let mut columns = db.prepare("SELECT name, type, pk FROM pragma_table_info(?1)")?;
            let mut rows = columns.query([name])?;
            while let Some(row) = rows.next()? {
                let (name, declared, key): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
                known.has_id |=
                    key == 1 && name.eq_ignore_ascii_case("id") && declared.eq_ignore_ascii_case("INTEGER");
                known.columns.push((name, declared));
            }
            Ok(known)
        };
        ask().map_err(told_of)
    }
}

/// SQLite's columns have one name in capitals and small letters.
fn unlike_each_other(fields: &[Field]) -> Result<(), OutputProblem> {
    let mut names = std::collections::HashMap::new();
    for field in fields {
        if let Some(other) = names.insert(field.name.to_ascii_lowercase(), &field.name) {
            return Err(OutputProblem::Content(format!(
                "SQLite does not tell the fields {} and {} apart; leave one out with --fields",
                shown(other),
                shown(&field.name)
            )));
        }
    }
    Ok(())
}

/// The type that a column is declared with: whole numbers, and texts that SQLite leaves alone.
fn declared(kind: ColumnType) -> &'static str {
    match kind {
        ColumnType::Whole | ColumnType::Flag => "INTEGER",
        ColumnType::Decimal(_) | ColumnType::Date | ColumnType::DateTime | ColumnType::Text => "TEXT",
    }
}

/// What a column holds that was declared so; none where it is not one of ours.
fn held_by(declared: &str) -> Option<ColumnType> {
    match declared {
        "INTEGER" => Some(ColumnType::Whole),
        "TEXT" => Some(ColumnType::Text),
        _ => None,
    }
}

/// A name as SQL takes it, whatever it holds.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
