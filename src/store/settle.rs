//! Rows in doubt: sent, and nobody said what became of them.
//!
//! Outwardly such a row is `unknown` from the moment the doubt arises, so that
//! the counts are right whenever the process ends.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{Store, StoreError};
use crate::model::{Action, Finding, RecordId};

/// How a doubt was settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The record was found and is the row's.
    Adopted,
    /// The CRM certainly does not have it.
    Absent,
    /// Looked up, and it cannot be told.
    Held,
    /// A person decided to leave it.
    Dropped,
}

impl Settled {
    /// The word in the store.
    pub fn word(self) -> &'static str {
        match self {
            Self::Adopted => "adopted",
            Self::Absent => "absent",
            Self::Held => "held",
            Self::Dropped => "dropped",
        }
    }
}

/// A row in doubt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// The row.
    pub row: u64,
    /// What was sent.
    pub action: Action,
    /// What was sent, as JSON.
    pub body: String,
    /// It was looked up after the settle time already, without a result.
    pub held: bool,
}

impl Store {
    /// Notes what a process that was killed left behind: its attempts that
    /// have no end are in doubt from now on. When they were sent is not known:
    /// they may have waited long for their turn. `finding` says so for a row.
    pub fn doubt_open_attempts(
        &mut self,
        now: &str,
        finding: impl Fn(u64) -> Finding,
    ) -> Result<u64, StoreError> {
        let rows: Vec<u64> = self.try_db(|db| {
            let mut statement =
                db.prepare("SELECT DISTINCT row FROM attempts WHERE ended IS NULL ORDER BY row")?;
            let rows = statement.query_map([], |row| row.get(0))?;
            rows.collect()
        })?;
        self.in_one(|db| {
            for row in &rows {
                db.prepare_cached(
                    "UPDATE attempts SET ended = ?2, result = 'in_doubt' WHERE row = ?1 AND ended IS NULL",
                )?
                .execute(params![row, now])?;
                db.prepare_cached("UPDATE rows SET outcome = 'unknown' WHERE row = ?1")?.execute([row])?;
                super::plan::add_findings(db, &[finding(*row)])?;
            }
            Ok(())
        })?;
        Ok(rows.len() as u64)
    }

    /// Rows in doubt, in the order in which their doubts arose; `keep` says what
    /// of each is kept in memory.
    pub fn doubts<T>(&self, keep: impl Fn(Doubt) -> T) -> Result<Vec<T>, StoreError> {
        let sql = "SELECT rows.row, action, body, settled = 'held' FROM rows
                   JOIN attempts ON attempts.row = rows.row
                   WHERE outcome = 'unknown' AND action IS NOT NULL
                     AND attempts.id = (SELECT max(id) FROM attempts WHERE attempts.row = rows.row)
                   ORDER BY ended, rows.row";
        let read = |row: &Row<'_>| {
            let word: String = row.get(1)?;
            let Some(action) = Action::from_word(&word) else { return Ok(Err(word)) };
            let body = row.get::<_, Option<String>>(2)?.unwrap_or_default();
            let held = row.get::<_, Option<bool>>(3)?.unwrap_or(false);
            Ok(Ok(keep(Doubt { row: row.get(0)?, action, body, held })))
        };
        let rows: Vec<Result<T, String>> = self.try_db(|db| {
            let mut statement = db.prepare(sql)?;
            let rows = statement.query_map([], read)?;
            rows.collect()
        })?;
        rows.into_iter()
            .map(|row| row.map_err(|word| self.damaged(format!("a row has the action {word}"))))
            .collect()
    }

    /// The row, other than `row`, that made this record.
    pub fn maker_of(&self, record: RecordId, row: u64) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT row FROM rows WHERE record_id = ?1 AND action = 'create' AND row <> ?2 LIMIT 1";
        self.try_db(|db| {
            db.prepare_cached(sql)?.query_row(params![record.get(), row], |found| found.get(0)).optional()
        })
    }

    /// A few of the records that the run made.
    pub fn some_made(&self, most: u32) -> Result<Vec<RecordId>, StoreError> {
        let sql = "SELECT record_id FROM rows WHERE action = 'create' AND record_id IS NOT NULL
                   AND outcome = 'created' LIMIT ?1";
        let ids: Vec<u64> = self.try_db(|db| {
            let mut statement = db.prepare(sql)?;
            let rows = statement.query_map([most], |row| row.get(0))?;
            rows.collect()
        })?;
        Ok(ids.into_iter().filter_map(RecordId::new).collect())
    }

    /// Requests that certainly or perhaps left, by what they were to do: creates, updates, deletes.
    pub fn attempted(&self) -> Result<(u64, u64, u64), StoreError> {
        let sql = "SELECT count(*) FROM attempts JOIN rows ON rows.row = attempts.row
                   WHERE action = ?1 AND result IS NOT 'not_sent'";
        let count =
            |action: Action| self.try_db(|db| db.query_row(sql, [action.word()], |row| row.get::<_, u64>(0)));
        Ok((count(Action::Create)?, count(Action::Update)?, count(Action::Delete)?))
    }

    /// How many doubts ended in each way: adopted, sent again, held.
    pub fn settled_counts(&self) -> Result<(u64, u64, u64), StoreError> {
        let count = |settled: Settled| {
            self.try_db(|db| {
                db.query_row("SELECT count(*) FROM attempts WHERE settled = ?1", [settled.word()], |row| {
                    row.get::<_, u64>(0)
                })
            })
        };
        Ok((count(Settled::Adopted)?, count(Settled::Absent)?, count(Settled::Held)?))
    }
}

/// Notes how the last attempt's doubt was settled.
pub(super) fn note(db: &Transaction<'_>, row: u64, settled: Settled) -> rusqlite::Result<()> {
    let sql = "UPDATE attempts SET settled = ?2 WHERE id = (SELECT max(id) FROM attempts WHERE row = ?1)";
    db.prepare_cached(sql)?.execute(params![row, settled.word()]).map(drop)
}
