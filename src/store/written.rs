//! Reading what a run wrote: the rows whose records the CRM confirmed.

use std::collections::BTreeMap;

use rusqlite::params;
use serde_json::value::RawValue;

use super::{Store, StoreError};
use crate::model::{Outcome, RecordId, Value};

/// A row whose record was created, updated or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenRow {
    /// Its number.
    pub row: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// The record.
    pub record: RecordId,
    /// The fields that were sent; none for a delete.
    pub sent: BTreeMap<String, Value>,
    /// What an update found in them.
    pub before: BTreeMap<String, Value>,
}

/// A row as it is stored: number, outcome, record, body, values before.
type Stored = (u64, String, Option<u64>, Option<String>, Option<String>);

impl Store {
    /// The next rows that were written, after row `after`, in the file's order.
    pub fn written_after(&self, after: u64, most: usize) -> Result<Vec<WrittenRow>, StoreError> {
        // The + keeps SQLite from gathering all rows of these outcomes, and sorting them, each time.
        let sql = "SELECT row, outcome, record_id,
                       CASE outcome WHEN 'deleted' THEN NULL ELSE body END,
                       CASE outcome WHEN 'updated' THEN before END
                   FROM rows WHERE row > ?1 AND +outcome IN ('created', 'updated', 'deleted')
                   ORDER BY row LIMIT ?2";
        let rows: Vec<Stored> = self.try_db(|db| {
            let mut statement = db.prepare_cached(sql)?;
            let read = |row: &rusqlite::Row<'_>| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
            };
            let rows = statement.query_map(params![after, most as u64], read)?;
            rows.collect()
        })?;
        rows.into_iter().map(|stored| self.written(stored)).collect()
    }

    fn written(&self, (row, outcome, record, body, before): Stored) -> Result<WrittenRow, StoreError> {
        let values = |json: Option<String>| match json {
            Some(json) => values(&json).ok_or_else(|| self.damaged(format!("the values of row {row}"))),
            None => Ok(BTreeMap::new()),
        };
        let outcome = Outcome::from_word(&outcome)
            .ok_or_else(|| self.damaged(format!("row {row} has the outcome {outcome}")))?;
        let record = record
            .and_then(RecordId::new)
            .ok_or_else(|| self.damaged(format!("row {row} names no record")))?;
        Ok(WrittenRow { row, outcome, record, sent: values(body)?, before: values(before)? })
    }

    /// When the first attempt began and the last one ended; none where nothing was sent.
    pub fn sending_times(&self) -> Result<Option<(String, String)>, StoreError> {
        let sql = "SELECT min(started), max(coalesce(ended, started)) FROM attempts";
        let times: (Option<String>, Option<String>) =
            self.try_db(|db| db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))))?;
        Ok(times.0.zip(times.1))
    }
}

/// The members of a JSON object, numbers exact.
fn values(json: &str) -> Option<BTreeMap<String, Value>> {
    let members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(json).ok()?;
    members.into_iter().map(|(name, value)| Some((name, Value::from_json(value.get()).ok()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Action;
    use crate::store::{Answer, AnswerKind, PlannedRow};

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::create(&folder.path().join("run.db")).unwrap();
        let planned = |row, action, record| PlannedRow {
            row,
            action: Some(action),
            record,
            body: (action != Action::Delete).then(|| r#"{"value":0.10,"name":"Ä"}"#.to_owned()),
            before: (action != Action::Create).then(|| r#"{"value":1,"name":null}"#.to_owned()),
            ..PlannedRow::default()
        };
        let rows = [
            planned(2, Action::Create, None),
            planned(3, Action::Update, RecordId::new(5)),
            planned(4, Action::Delete, RecordId::new(6)),
            planned(5, Action::Create, None),
        ];
        store.add_rows(&rows).unwrap();
        (folder, store)
    }

    fn done(row: u64, outcome: Outcome, record: u64) -> Answer {
        let kind = AnswerKind::Done { outcome, record: RecordId::new(record), image: None };
        Answer { row, kind, status: Some(200), message: None }
    }

    #[test]
    fn written_rows_come_in_order_with_exact_values() {
        let (_folder, mut store) = store();
        assert_eq!(store.sending_times().unwrap(), None);
        store.exchange(&[], &[2, 3, 4, 5], "first").unwrap();
        let unsure = Answer::without_status(5, AnswerKind::InDoubt(vec![]));
        let answers = [
            done(2, Outcome::Created, 7),
            done(3, Outcome::Updated, 5),
            done(4, Outcome::Deleted, 6),
            unsure,
        ];
        store.exchange(&answers, &[], "last").unwrap();
        assert_eq!(store.sending_times().unwrap(), Some(("first".into(), "last".into())));

        let rows = store.written_after(0, 2).unwrap();
        assert_eq!(rows.iter().map(|row| (row.row, row.record.get())).collect::<Vec<_>>(), [(2, 7), (3, 5)]);
        assert_eq!(rows[0].sent["value"], Value::from_json("0.1").unwrap());
        assert_eq!((&rows[0].before, &rows[1].before["name"]), (&BTreeMap::new(), &Value::Null));
        let rest = store.written_after(3, 9).unwrap();
        assert_eq!(
            rest.iter().map(|row| (row.row, row.outcome)).collect::<Vec<_>>(),
            [(4, Outcome::Deleted)]
        );
        assert!(rest[0].sent.is_empty() && rest[0].before.is_empty());
    }

    #[test]
    fn a_row_that_makes_no_sense_is_said_so() {
        let (_folder, mut store) = store();
        store.exchange(&[], &[2], "now").unwrap();
        store.exchange(&[done(2, Outcome::Created, 7)], &[], "now").unwrap();
        for sql in
            ["UPDATE rows SET body = '[1]' WHERE row = 2", "UPDATE rows SET record_id = NULL WHERE row = 2"]
        {
            store.sabotage(sql);
            let error = store.written_after(0, 9).unwrap_err().to_string();
            assert!(error.contains("is damaged") && error.contains("row 2"), "{error}");
        }
    }
}
