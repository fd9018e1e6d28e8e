//! What an undo takes over from the run that it takes back.

use std::collections::HashSet;

use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError};
use crate::model::{Outcome, RecordId};

/// A row whose record the run created, updated or deleted, as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoneRow {
    /// Its number.
    pub row: u64,
    /// Its own cells, as `tabular` kept them.
    pub source: Vec<u8>,
    /// How it ended.
    pub outcome: Outcome,
    /// The record.
    pub record: RecordId,
    /// The values of the `match` fields.
    pub key: Vec<String>,
    /// What was sent, as JSON.
    pub body: Option<String>,
    /// The values before, as JSON.
    pub before: Option<String>,
    /// How the record looked in the CRM's answer; see `rules::image`.
    pub image: Option<Vec<u8>>,
}

impl Store {
    /// The next rows that were written, after row `after`, in the file's order.
    pub fn done_after(&self, after: u64, most: usize) -> Result<Vec<DoneRow>, StoreError> {
        // The + keeps SQLite from gathering all rows of these outcomes, and sorting them, each time.
        let sql = "SELECT row, source, outcome, record_id, key, body, before, image FROM rows
                   WHERE row > ?1 AND +outcome IN ('created', 'updated', 'deleted')
                   ORDER BY row LIMIT ?2";
        let rows: Vec<(String, Option<DoneRow>)> = self.try_db(|db| {
            let mut statement = db.prepare_cached(sql)?;
            let rows = statement.query_map(params![after, most as u64], |row| {
                let (word, key): (String, Option<String>) = (row.get(2)?, row.get(4)?);
                let record = row.get::<_, Option<u64>>(3)?.and_then(RecordId::new);
                let (Some(outcome), Some(record)) = (Outcome::from_word(&word), record) else {
                    return Ok((
                        format!("row {} is {word} and names no record", row.get::<_, u64>(0)?),
                        None,
                    ));
                };
                let done = DoneRow {
                    row: row.get(0)?,
                    source: row.get(1)?,
                    outcome,
                    record,
                    key: key.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default(),
                    body: row.get(5)?,
                    before: row.get(6)?,
                    image: row.get(7)?,
                };
                Ok((String::new(), Some(done)))
            })?;
            rows.collect()
        })?;
        rows.into_iter().map(|(problem, row)| row.ok_or_else(|| self.damaged(problem))).collect()
    }

    /// Of an undo: the records that it put back as they were, and its rows for them.
    pub fn put_back(&self) -> Result<Vec<(RecordId, u64)>, StoreError> {
        let sql = "SELECT record_id, row FROM rows WHERE outcome = 'updated' AND image IS NOT NULL";
        let rows: Vec<(Option<u64>, u64)> = self.try_db(|db| {
            let mut statement = db.prepare(sql)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })?;
        Ok(rows.into_iter().filter_map(|(id, row)| Some((RecordId::new(id?)?, row))).collect())
    }

    /// How a row's record looked when the row was last written.
    pub fn image_of(&self, row: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT image FROM rows WHERE row = ?1";
        let found: Option<Option<Vec<u8>>> =
            self.try_db(|db| db.prepare_cached(sql)?.query_row([row], |found| found.get(0)).optional())?;
        Ok(found.flatten())
    }

    /// Of an undo: the rows that need no further undo.
    pub fn taken_back(&self) -> Result<HashSet<u64>, StoreError> {
        let sql = "SELECT row FROM rows WHERE outcome IN ('deleted', 'updated', 'unchanged')";
        self.try_db(|db| {
            let mut statement = db.prepare(sql)?;
            let rows = statement.query_map([], |row| row.get(0))?;
            rows.collect()
        })
    }

    /// The records that an undo deleted, or found deleted.
    pub fn deleted_records(&self) -> Result<HashSet<RecordId>, StoreError> {
        let sql = "SELECT record_id FROM rows WHERE outcome = 'deleted' AND record_id IS NOT NULL";
        let records: Vec<u64> = self.try_db(|db| {
            let mut statement = db.prepare(sql)?;
            let records = statement.query_map([], |row| row.get(0))?;
            records.collect()
        })?;
        Ok(records.into_iter().filter_map(RecordId::new).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Action;
    use crate::store::{Answer, AnswerKind, PlannedRow};

    #[test]
    fn written_rows_are_taken_over_whole_and_a_damaged_one_is_said_so() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::create(&folder.path().join("run.db")).unwrap();
        let planned = |row| PlannedRow {
            row,
            source: b"a;b".to_vec(),
            action: Some(Action::Update),
            record: RecordId::new(7),
            key: vec!["Acme".to_owned()],
            body: Some(r#"{"phone":"2"}"#.to_owned()),
            before: Some(r#"{"phone":null}"#.to_owned()),
            ..PlannedRow::default()
        };
        store.add_rows(&[planned(2), planned(3)]).unwrap();
        store.exchange(&[], &[2], "now").unwrap();
        let kind =
            AnswerKind::Done { outcome: Outcome::Updated, record: RecordId::new(7), image: Some(vec![1, 2]) };
        store.exchange(&[Answer { row: 2, kind, status: Some(200), message: None }], &[], "now").unwrap();

        let rows = store.done_after(0, 9).unwrap();
        assert_eq!(rows.len(), 1, "a row that is still to be sent is none");
        let DoneRow { row, outcome, key, before, image, .. } = rows[0].clone();
        assert_eq!((row, outcome, key), (2, Outcome::Updated, vec!["Acme".to_owned()]));
        assert_eq!((before.as_deref(), image), (Some(r#"{"phone":null}"#), Some(vec![1, 2])));
        assert_eq!(store.done_after(2, 9).unwrap(), []);
        assert_eq!(store.taken_back().unwrap(), [2].into());
        assert_eq!(store.put_back().unwrap(), [(RecordId::new(7).unwrap(), 2)]);
        assert_eq!((store.image_of(2).unwrap(), store.image_of(3).unwrap()), (Some(vec![1, 2]), None));

        store.sabotage("UPDATE rows SET record_id = NULL WHERE row = 2");
        let error = store.done_after(0, 9).unwrap_err().to_string();
        assert!(error.contains("is damaged") && error.contains("row 2"), "{error}");
    }
}
