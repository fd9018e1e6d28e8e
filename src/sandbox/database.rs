//! The embedded CRM's records, in SQLite: one table an object.

use std::fs::OpenOptions;
use std::path::Path;

use rusqlite::types::{Value as Sql, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::SandboxError;
use super::dictionary::{Column, Object, catalog, object};
use super::filter::{Condition, is_exact_text, quoted};
use super::ledger::{self, Entry};
use super::validate::{Known, Stored};
use crate::model::{FieldKind, Value};

/// The form of the file. 1: the first. 2: it has a ledger.
const VERSION: i64 = 2;

/// The files of documents. A program that does not know them leaves them alone, so they need no
/// form of their own.
const CONTENTS: &str = "CREATE TABLE IF NOT EXISTS contents (document INTEGER PRIMARY KEY, name TEXT NOT NULL, bytes BLOB NOT NULL) STRICT;";

/// The first id of an object's records, far from 1 as on the real server.
const FIRST_ID: i64 = 95_920_978;

/// The open database.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
    strict_lookups: bool,
}

/// Which records of an object are asked for.
#[derive(Clone, Debug)]
pub struct Slice {
    /// Only these.
    pub condition: Condition,
    /// Behind `ORDER BY`.
    pub order: String,
    /// At most so many.
    pub limit: u64,
    /// So many are left out first.
    pub offset: u64,
}

impl Database {
    /// Opens or makes the database; the answer says whether it is new.
    pub fn open(file: Option<&Path>, strict_lookups: bool) -> Result<(Self, bool), SandboxError> {
        let connection = match file {
            Some(file) => {
                make_private(file)?;
                Connection::open(file)
            }
            None => Connection::open_in_memory(),
        };
        let name = file.map_or_else(|| "memory".to_owned(), |file| file.display().to_string());
        let fault = |source: rusqlite::Error| SandboxError::Database { file: name.clone(), source };
        let connection = connection.map_err(fault)?;
        let mut database = Self { connection, strict_lookups };
        let found = database.prepare().map_err(fault)?;
        if found > VERSION {
            return Err(SandboxError::Newer { file: name });
        }
        let is_new = found < VERSION && database.in_one(Self::bring_up_to_date).map_err(fault)?;
        database.connection.execute_batch(CONTENTS).map_err(fault)?;
        Ok((database, is_new))
    }

    fn prepare(&self) -> rusqlite::Result<i64> {
        self.connection.busy_timeout(std::time::Duration::from_secs(10))?;
        self.connection.set_prepared_statement_cache_capacity(128);
        self.connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")?;
        self.version()
    }

    fn version(&self) -> rusqlite::Result<i64> {
        self.connection.query_row("PRAGMA user_version", [], |row| row.get(0))
    }

    /// From whatever form the file has to the newest; the answer says whether it was empty.
    fn bring_up_to_date(&self) -> rusqlite::Result<bool> {
        // Asked again within the transaction: another process may have been first.
        let found = self.version()?;
        if found == 0 {
            self.create()?;
        }
        if found < VERSION {
            self.connection.execute_batch(ledger::SCHEMA)?;
            self.connection.pragma_update(None, "user_version", VERSION)?;
        }
        Ok(found == 0)
    }

    /// The tables of the first form.
    fn create(&self) -> rusqlite::Result<()> {
        self.connection.execute_batch(
            "CREATE TABLE lists (list TEXT NOT NULL, value TEXT NOT NULL COLLATE NOCASE, PRIMARY KEY (list, value));",
        )?;
        for (list, values) in &catalog().lists {
            for value in values {
                self.connection.execute("INSERT INTO lists VALUES (?1, ?2)", params![list, value])?;
            }
        }
        for object in &catalog().objects {
            let columns: Vec<String> = object.columns.iter().map(column_sql).collect();
            let sql = format!("CREATE TABLE {} ({});", quoted(&object.name), columns.join(", "));
            self.connection.execute_batch(&sql)?;
            for name in ["name", "email", "accountid", "modifieddate"] {
                if object.column(name).is_some() {
                    let index = quoted(&format!("{}_{name}", object.name));
                    let sql = format!("CREATE INDEX {index} ON {} ({})", quoted(&object.name), quoted(name));
                    self.connection.execute_batch(&sql)?;
                }
            }
        }
        Ok(())
    }

    /// Runs many writes as one.
    pub fn in_one<T, E: From<rusqlite::Error>>(
        &mut self,
        act: impl FnOnce(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let result = act(self);
        self.connection.execute_batch(if result.is_ok() { "COMMIT" } else { "ROLLBACK" })?;
        result
    }

    /// How many records match.
    pub fn count(&self, object: &Object, condition: &Condition) -> rusqlite::Result<u64> {
        let sql = format!("SELECT count(*) FROM {} WHERE {}", quoted(&object.name), condition.sql);
        self.connection.prepare_cached(&sql)?.query_row(params_from_iter(&condition.values), |row| row.get(0))
    }

    /// Some records, each as its fields' values in the dictionary's order.
    pub fn list(&self, object: &Object, slice: &Slice) -> rusqlite::Result<Vec<Vec<Value>>> {
        let sql = format!(
            "SELECT * FROM {} WHERE {} ORDER BY {} LIMIT {} OFFSET {}",
            quoted(&object.name),
            slice.condition.sql,
            slice.order,
            slice.limit,
            slice.offset
        );
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map(params_from_iter(&slice.condition.values), |row| read(object, row))?;
        rows.collect()
    }

    /// One record.
    pub fn get(&self, object: &Object, id: i64) -> rusqlite::Result<Option<Vec<Value>>> {
        let sql = format!("SELECT * FROM {} WHERE id = ?1", quoted(&object.name));
        self.connection.prepare_cached(&sql)?.query_row([id], |row| read(object, row)).optional()
    }

    /// Adds a record; the answer is its id.
    pub fn insert(&self, object: &Object, stored: &Stored) -> rusqlite::Result<i64> {
        let names: Vec<String> =
            stored.iter().map(|(at, _)| quoted(&object.columns[*at].field.name)).collect();
        let marks = vec!["?"; stored.len()].join(",");
        let (table, names) = (quoted(&object.name), names.join(","));
        // The first record gets an id like the real server's; later ones follow it.
        let id = format!("(SELECT max(ifnull(max(id), 0) + 1, {FIRST_ID}) FROM {table})");
        let sql = match stored.is_empty() {
            true => format!("INSERT INTO {table} (id) VALUES ({id})"),
            false if names.split(',').any(|name| name == "\"id\"") => {
                format!("INSERT INTO {table} ({names}) VALUES ({marks})")
            }
            false => format!("INSERT INTO {table} (id,{names}) VALUES ({id},{marks})"),
        };
        self.connection
            .prepare_cached(&sql)?
            .execute(params_from_iter(stored.iter().map(|(_, value)| value)))?;
        Ok(self.connection.last_insert_rowid())
    }

    /// Changes a record.
    pub fn update(&self, object: &Object, id: i64, stored: &Stored) -> rusqlite::Result<()> {
        if stored.is_empty() {
            return Ok(());
        }
        let sets: Vec<String> =
            stored.iter().map(|(at, _)| format!("{} = ?", quoted(&object.columns[*at].field.name))).collect();
        let sql = format!("UPDATE {} SET {} WHERE id = ?", quoted(&object.name), sets.join(","));
        let id = Sql::Integer(id);
        let values = stored.iter().map(|(_, value)| value).chain([&id]);
        self.connection.prepare_cached(&sql)?.execute(params_from_iter(values))?;
        Ok(())
    }

    /// Deletes a record; the answer says whether it was there.
    pub fn delete(&self, object: &Object, id: i64) -> rusqlite::Result<bool> {
        if object.name == "documents" {
            self.connection.prepare_cached("DELETE FROM contents WHERE document = ?1")?.execute([id])?;
        }
        let sql = format!("DELETE FROM {} WHERE id = ?1", quoted(&object.name));
        Ok(self.connection.prepare_cached(&sql)?.execute([id])? > 0)
    }

    /// Keeps a document's file.
    pub fn keep_content(&self, document: i64, name: &str, bytes: &[u8]) -> rusqlite::Result<()> {
        let sql = "INSERT OR REPLACE INTO contents VALUES (?1, ?2, ?3)";
        self.connection.prepare_cached(sql)?.execute(params![document, name, bytes])?;
        Ok(())
    }

    /// A document's file: its name, and what is in it.
    pub fn content(&self, document: i64) -> rusqlite::Result<Option<(String, Vec<u8>)>> {
        let sql = "SELECT name, bytes FROM contents WHERE document = ?1";
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
        self.connection.prepare_cached(sql)?.query_row([document], read).optional()
    }

    /// Adds a line to the ledger.
    pub fn note(&self, entry: &Entry<'_>) -> rusqlite::Result<()> {
        ledger::add(&self.connection, entry)
    }

    /// A list's values, in the order in which they were added.
    pub fn list_values(&self, list: &str) -> rusqlite::Result<Vec<String>> {
        let mut statement =
            self.connection.prepare_cached("SELECT value FROM lists WHERE list = ?1 ORDER BY rowid")?;
        let rows = statement.query_map([list], |row| row.get(0))?;
        rows.collect()
    }

    /// Adds values to a list; the answer is those that were not there yet.
    pub fn add_list_values(&self, list: &str, values: &[String]) -> rusqlite::Result<Vec<String>> {
        let mut added = Vec::new();
        for value in values {
            let sql = "INSERT OR IGNORE INTO lists VALUES (?1, ?2)";
            if self.connection.prepare_cached(sql)?.execute(params![list, value])? > 0 {
                added.push(value.clone());
            }
        }
        Ok(added)
    }
}

impl Known for Database {
    fn exists(&self, name: &str, id: i64) -> bool {
        let Some(object) = object(name) else { return false };
        let sql = format!("SELECT 1 FROM {} WHERE id = ?1", quoted(&object.name));
        let found = self.connection.prepare_cached(&sql).and_then(|mut s| s.exists([id]));
        found.unwrap_or(false)
    }

    fn listed(&self, list: &str, value: &str) -> bool {
        if !self.strict_lookups {
            // Free text was seen to be accepted (source: field notes, "Values").
            return true;
        }
        let sql = "SELECT 1 FROM lists WHERE list = ?1 AND value = ?2";
        self.connection
            .prepare_cached(sql)
            .and_then(|mut s| s.exists(params![list, value.trim_end()]))
            .unwrap_or(false)
    }
}

fn column_sql(column: &Column) -> String {
    let name = quoted(&column.field.name);
    let kind = match &column.field.kind {
        _ if column.field.name == "id" => "INTEGER PRIMARY KEY",
        FieldKind::Checkbox => "INTEGER",
        kind if kind.is_numeric() && !is_exact_text(column) => "INTEGER",
        _ => "TEXT COLLATE NOCASE",
    };
    format!("{name} {kind}")
}

fn read(object: &Object, row: &Row<'_>) -> rusqlite::Result<Vec<Value>> {
    let columns = object.columns.iter().enumerate();
    columns.map(|(at, column)| Ok(value(column, row.get_ref(at)?))).collect()
}

/// A stored value as the API shows it.
fn value(column: &Column, stored: ValueRef<'_>) -> Value {
    match stored {
        ValueRef::Null => Value::Null,
        // Standard flags are numbers, custom checkboxes texts (source: field notes).
        ValueRef::Integer(flag) if column.custom && column.field.kind == FieldKind::Checkbox => {
            Value::Text(flag.to_string())
        }
        ValueRef::Integer(number) => Value::from(number),
        ValueRef::Text(text) => {
            let text = String::from_utf8_lossy(text).into_owned();
            match crate::model::Number::parse(&text) {
                Some(number) if is_exact_text(column) => Value::Number(number),
                _ => Value::Text(text),
            }
        }
        ValueRef::Real(_) | ValueRef::Blob(_) => Value::Null,
    }
}

/// Makes the file and its folder, open to their user alone, if they are not there.
fn make_private(file: &Path) -> Result<(), SandboxError> {
    let io = |source| SandboxError::File { file: file.display().to_string(), source };
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder).map_err(io)?;
    }
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file).map(|_| ()).map_err(io)
}
