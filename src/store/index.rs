//! An object read whole, kept on disk by key, for as long as it is needed.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

use super::{StoreError, folder};
use crate::model::{Record, RecordId, Value};

/// Records by key, in a file that goes when this does.
#[derive(Debug)]
pub struct RecordIndex {
    connection: Option<Connection>,
    file: PathBuf,
}

impl RecordIndex {
    /// An empty index. One that a killed process left behind goes.
    pub fn create(file: &Path) -> Result<Self, StoreError> {
        let _ = std::fs::remove_file(file);
        folder::create_private_file(file)?;
        let connect = || -> rusqlite::Result<Connection> {
            let connection = Connection::open(file)?;
            // It is scratch: lost with the process, so it need not last.
            connection.execute_batch(
                "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
                 CREATE TABLE records (key TEXT NOT NULL, id INTEGER NOT NULL, fields TEXT NOT NULL);
                 CREATE INDEX records_key ON records (key);",
            )?;
            Ok(connection)
        };
        let connection =
            connect().map_err(|source| StoreError::Database { file: file.to_owned(), source })?;
        Ok(Self { connection: Some(connection), file: file.to_owned() })
    }

    /// Adds records with their keys.
    pub fn add(&mut self, records: &[(String, &Record)]) -> Result<(), StoreError> {
        self.try_db(|db| {
            db.execute_batch("BEGIN")?;
            let mut add = db.prepare_cached("INSERT INTO records (key, id, fields) VALUES (?1, ?2, ?3)")?;
            for (key, record) in records {
                // Names and values always have a JSON form.
                let fields: Vec<(&String, String)> =
                    record.fields.iter().map(|(n, v)| (n, v.to_json())).collect();
                add.execute(params![
                    key,
                    record.id.get(),
                    serde_json::to_string(&fields).unwrap_or_default()
                ])?;
            }
            db.execute_batch("COMMIT")
        })
    }

    /// The records of a key, at most three: two are one too many already.
    pub fn find(&self, key: &str) -> Result<Vec<Record>, StoreError> {
        let rows: Vec<(u64, String)> = self.try_db(|db| {
            let mut find =
                db.prepare_cached("SELECT id, fields FROM records WHERE key = ?1 ORDER BY id LIMIT 3")?;
            let rows = find.query_map([key], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })?;
        Ok(rows.into_iter().filter_map(|(id, fields)| read(id, &fields)).collect())
    }

    fn try_db<T>(&self, act: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let Some(connection) = &self.connection else {
            return Err(StoreError::Damaged { file: self.file.clone(), what: "it is closed".to_owned() });
        };
        act(connection).map_err(|source| StoreError::Database { file: self.file.clone(), source })
    }
}

fn read(id: u64, fields: &str) -> Option<Record> {
    let fields: Vec<(String, String)> = serde_json::from_str(fields).ok()?;
    let fields = fields.into_iter().map(|(name, json)| Some((name, Value::from_json(&json).ok()?)));
    Some(Record { id: RecordId::new(id)?, fields: fields.collect::<Option<_>>()? })
}

impl Drop for RecordIndex {
    fn drop(&mut self) {
        self.connection = None;
        // What is left behind is scratch in a private folder.
        let _ = std::fs::remove_file(&self.file);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_back_whole_and_the_file_goes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("index.db");
        let record = |id, json: &str| Record {
            id: RecordId::new(id).unwrap(),
            fields: vec![("value".into(), Value::from_json(json).unwrap())],
        };
        let mut index = RecordIndex::create(&file).unwrap();
        let (a, b) = (record(1, "0.1"), record(2, "\"x\""));
        index.add(&[("k".into(), &a), ("k".into(), &b), ("other".into(), &b)]).unwrap();
        assert_eq!(index.find("k").unwrap(), [a, b]);
        assert!(index.find("none").unwrap().is_empty());
        drop(index);
        assert!(!file.exists());
    }
}
