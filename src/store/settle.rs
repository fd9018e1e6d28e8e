//! Rows in doubt: sent, and nobody said what became of them.
//!
//! Outwardly such a row is `unknown` from the moment the doubt arises, so that
//! the counts are right whenever the process ends.

use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{Store, StoreError, ToSend};
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

    /// The first row whose record the CRM confirmed as created.
    pub fn first_made(&self) -> Result<Option<ToSend>, StoreError> {
        let sql = "SELECT min(row) FROM rows WHERE action = 'create' AND outcome = 'created'";
        let row: Option<u64> = self.try_db(|db| db.query_row(sql, [], |row| row.get(0)))?;
        Ok(row.map(|row| self.rows_of(&[row])).transpose()?.and_then(|mut rows| rows.pop()))
    }

    /// Whether a new record was ever handed to the network.
    pub fn has_attempted_create(&self) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM attempts JOIN rows ON rows.row = attempts.row WHERE action = 'create')";
        self.try_db(|db| db.query_row(sql, [], |row| row.get(0)))
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
        let sql =
            "SELECT count(*) FILTER (WHERE settled = 'adopted'), count(*) FILTER (WHERE settled = 'absent'),
                       count(*) FILTER (WHERE settled = 'held')
                   FROM attempts WHERE settled IS NOT NULL";
        self.try_db(|db| db.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))))
    }
}

/// Notes how the last attempt's doubt was settled.
pub(super) fn note(db: &Transaction<'_>, row: u64, settled: Settled) -> rusqlite::Result<()> {
    let sql = "UPDATE attempts SET settled = ?2 WHERE id = (SELECT max(id) FROM attempts WHERE row = ?1)";
    db.prepare_cached(sql)?.execute(params![row, settled.word()]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Code, Outcome, Stage};
    use crate::store::{Answer, AnswerKind, PlannedRow};

    fn finding(row: u64) -> Finding {
        Finding::of_row(row, Code::NoAnswer, Stage::Send, "lost".to_owned())
    }

    /// Three rows that create, one that changes record 7; all of them under way.
    fn under_way() -> Store {
        let mut store = Store::in_memory();
        let create = |row| PlannedRow {
            row,
            action: Some(Action::Create),
            body: Some("{}".to_owned()),
            ..PlannedRow::default()
        };
        let change = PlannedRow {
            row: 5,
            action: Some(Action::Update),
            record: RecordId::new(7),
            body: Some("{}".to_owned()),
            ..PlannedRow::default()
        };
        store.add_rows(&[create(2), create(3), create(4), change]).unwrap();
        store.exchange(&[], &[2, 3, 4, 5], "begun").unwrap();
        store
    }

    fn answer(store: &mut Store, row: u64, kind: AnswerKind, now: &str) {
        store.exchange(&[Answer::without_status(row, kind)], &[], now).unwrap();
    }

    #[test]
    fn what_a_killed_process_left_under_way_is_in_doubt_and_blamed_for_it_once() {
        let mut store = under_way();
        let done = AnswerKind::Done { outcome: Outcome::Created, record: RecordId::new(9), image: None };
        answer(&mut store, 2, done, "1");
        assert_eq!(store.doubt_open_attempts("2", finding).unwrap(), 3);
        assert_eq!(store.counts().unwrap().unknown, 3);
        assert_eq!(
            store.doubts(|doubt| (doubt.row, doubt.held)).unwrap(),
            [(3, false), (4, false), (5, false)]
        );
        assert_eq!(store.reasons_of(3).unwrap(), ["lost"]);
        assert_eq!(store.doubt_open_attempts("3", finding).unwrap(), 0);
        assert_eq!(store.reasons_of(3).unwrap(), ["lost"]);
    }

    #[test]
    fn doubts_come_in_the_order_in_which_they_arose_each_by_its_last_attempt() {
        let mut store = under_way();
        answer(&mut store, 3, AnswerKind::InDoubt(Vec::new()), "1");
        answer(&mut store, 4, AnswerKind::InDoubt(Vec::new()), "2");
        answer(&mut store, 2, AnswerKind::InDoubt(Vec::new()), "3");
        answer(&mut store, 3, AnswerKind::Held(Vec::new()), "4");
        let doubts = |store: &Store| store.doubts(|doubt| (doubt.row, doubt.held)).unwrap();
        assert_eq!(doubts(&store), [(3, true), (4, false), (2, false)]);
        // Held, sent again as a person decided, and lost once more: it must be waited for.
        answer(&mut store, 3, AnswerKind::Absent, "5");
        store.exchange(&[], &[3], "6").unwrap();
        answer(&mut store, 3, AnswerKind::InDoubt(Vec::new()), "7");
        assert_eq!(doubts(&store), [(4, false), (2, false), (3, false)]);
        assert_eq!(store.settled_counts().unwrap(), (0, 1, 0));
        answer(&mut store, 2, AnswerKind::Held(Vec::new()), "8");
        answer(&mut store, 4, AnswerKind::Dropped(Vec::new()), "8");
        answer(&mut store, 5, AnswerKind::Dropped(Vec::new()), "8");
        let adopted = |id| AnswerKind::Adopted {
            outcome: Outcome::Created,
            record: RecordId::new(id).unwrap(),
            image: None,
        };
        answer(&mut store, 3, adopted(9), "8");
        assert_eq!(store.settled_counts().unwrap(), (1, 1, 1));
    }

    #[test]
    fn a_record_is_another_rows_only_if_that_row_made_it() {
        let mut store = under_way();
        let id = |id| RecordId::new(id).unwrap();
        let done = |outcome, id| AnswerKind::Done { outcome, record: RecordId::new(id), image: None };
        answer(&mut store, 2, done(Outcome::Created, 9), "1");
        answer(&mut store, 5, done(Outcome::Updated, 7), "1");
        assert_eq!((store.maker_of(id(9), 3).unwrap(), store.maker_of(id(9), 2).unwrap()), (Some(2), None));
        assert_eq!(store.maker_of(id(7), 3).unwrap(), None, "changed, not made");
        assert_eq!(store.some_made(9).unwrap(), [id(9)]);
    }
}
