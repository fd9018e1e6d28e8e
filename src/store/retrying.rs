//! Rows of a retry, and the rows of the first run that they correct.

use rusqlite::OptionalExtension;

use super::{Store, StoreError};
use crate::model::{Outcome, RecordId};

/// A row of a retry that corrects one of the first run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetriedRow {
    /// Its number in the retry.
    pub row: u64,
    /// The row of the first run.
    pub origin: u64,
    /// How it ended; none while it is still to be sent.
    pub outcome: Option<Outcome>,
    /// The record that it is, or is to be.
    pub record: Option<RecordId>,
    /// It was in doubt, and a person gave it up.
    pub given_up: bool,
}

/// Whether the last attempt's doubt was settled by giving the row up.
const GIVEN_UP: &str = "coalesce((SELECT settled FROM attempts WHERE attempts.row = rows.row
                        ORDER BY id DESC LIMIT 1) = 'dropped', 0)";

impl Store {
    /// All rows that correct one of the first run.
    pub fn retried_rows(&self) -> Result<Vec<RetriedRow>, StoreError> {
        let sql = format!(
            "SELECT row, origin, outcome, outcome = 'rejected' AND {GIVEN_UP}, record_id FROM rows
             WHERE origin IS NOT NULL ORDER BY row"
        );
        let rows: Vec<(RetriedRow, Option<String>)> = self.try_db(|db| {
            let mut statement = db.prepare(&sql)?;
            let rows = statement.query_map([], |found| {
                let row = RetriedRow {
                    row: found.get(0)?,
                    origin: found.get(1)?,
                    outcome: None,
                    record: found.get::<_, Option<u64>>(4)?.and_then(RecordId::new),
                    given_up: found.get::<_, Option<bool>>(3)?.unwrap_or(false),
                };
                Ok((row, found.get(2)?))
            })?;
            rows.collect()
        })?;
        let known = |(row, word): (RetriedRow, Option<String>)| {
            let outcome = word.map(|word| {
                Outcome::from_word(&word)
                    .ok_or_else(|| self.damaged(format!("row {} has the outcome {word}", row.row)))
            });
            Ok(RetriedRow { outcome: outcome.transpose()?, ..row })
        };
        rows.into_iter().map(known).collect()
    }

    /// Whether a row was in doubt and a person gave it up: the CRM may have it.
    pub fn is_given_up(&self, row: u64) -> Result<bool, StoreError> {
        let sql = format!("SELECT {GIVEN_UP} FROM rows WHERE row = ?1");
        let found: Option<bool> =
            self.try_db(|db| db.prepare_cached(&sql)?.query_row([row], |found| found.get(0)).optional())?;
        Ok(found.unwrap_or(false))
    }

    /// The row of the first run that a row corrects, if it does.
    pub fn origin_of(&self, row: u64) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT origin FROM rows WHERE row = ?1";
        let found: Option<Option<u64>> =
            self.try_db(|db| db.prepare_cached(sql)?.query_row([row], |found| found.get(0)).optional())?;
        Ok(found.flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::PlannedRow;

    #[test]
    fn rows_say_which_ones_they_correct() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::create(&folder.path().join("run.db")).unwrap();
        let planned = |row, origin, outcome| PlannedRow { row, origin, outcome, ..PlannedRow::default() };
        let rows = [
            planned(2, Some(31), None),
            planned(3, None, Some(Outcome::Rejected)),
            planned(4, Some(7), Some(Outcome::Unchanged)),
        ];
        store.add_rows(&rows).unwrap();
        let of = |row, origin, outcome| RetriedRow { row, origin, outcome, record: None, given_up: false };
        assert_eq!(store.retried_rows().unwrap(), [of(2, 31, None), of(4, 7, Some(Outcome::Unchanged))]);
        assert_eq!([2, 3, 4, 5].map(|row| store.origin_of(row).unwrap()), [Some(31), None, Some(7), None]);
    }
}
