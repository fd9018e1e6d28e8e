//! Before and after each request: the attempt is durable before its first
//! byte leaves, the outcome as soon as it is known. Both share one commit, so
//! that a busy run waits for the disk once a group.

use rusqlite::{CachedStatement, Row, Transaction, params};

use super::plan::{PlannedFile, add_findings};
use super::{Answer, AnswerKind, Store, StoreError};
use crate::model::{Action, Outcome, RecordId};

/// A planned row that is still to be sent, or one in doubt that is to be settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToSend {
    /// Its number.
    pub row: u64,
    /// What to send.
    pub action: Action,
    /// The record to change or delete.
    pub record: Option<RecordId>,
    /// The values of the `match` fields, in their order.
    pub key: Vec<String>,
    /// The JSON object to send; empty for a delete.
    pub body: String,
    /// The same fields' values before; of a delete, the whole record.
    pub before: Option<String>,
    /// When the CRM was last asked for the record, in seconds since 1970 (UTC).
    pub looked: Option<i64>,
    /// How the record looked then.
    pub image: Option<Vec<u8>>,
    /// The file that goes with it.
    pub file: Option<PlannedFile>,
    /// An earlier attempt of the row was in doubt.
    pub doubted: bool,
}

/// In which order rows are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// As they stand in the file.
    #[default]
    Forward,
    /// The last one first, as an undo does.
    Backward,
}

/// The columns of [`ToSend`], in the order in which [`read_row`] takes them.
const COLUMNS: &str = "row, action, record_id, key, body, before, looked, image,
    EXISTS (SELECT 1 FROM attempts WHERE attempts.row = rows.row AND result = 'in_doubt'),
    path, size, modified";

/// Where they stand.
const TABLES: &str = "rows LEFT JOIN files USING (row)";

impl Store {
    /// The next rows to send behind row `last`, none of them behind nothing.
    pub fn next_to_send(
        &self,
        last: Option<u64>,
        most: usize,
        direction: Direction,
    ) -> Result<Vec<ToSend>, StoreError> {
        let (behind, order, start) = match direction {
            Direction::Forward => (">", "ASC", 0),
            Direction::Backward => ("<", "DESC", i64::MAX as u64),
        };
        // With a limit that is bound SQLite would plan the query anew each time.
        let sql = format!(
            "SELECT {COLUMNS} FROM {TABLES}
             WHERE outcome IS NULL AND action IS NOT NULL AND row {behind} ?1 ORDER BY row {order} LIMIT {most}"
        );
        self.rows_to_send(&sql, params![last.unwrap_or(start)])
    }

    /// These rows, as far as there are such.
    pub fn rows_of(&self, rows: &[u64]) -> Result<Vec<ToSend>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM {TABLES} WHERE row = ?1 AND action IS NOT NULL");
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            found.extend(self.rows_to_send(&sql, params![row])?);
        }
        Ok(found)
    }

    /// Whether another row that is not settled sends the same values with another file: by their
    /// values nobody could tell which of the two a record is.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn has_rival_with_another_file(&self, row: &ToSend) -> Result<bool, StoreError> {
        let Some(PlannedFile { path, size, modified }) = &row.file else { return Ok(false) };
        let sql = "SELECT EXISTS (SELECT 1 FROM rows JOIN files USING (row)
             WHERE body = ?1 AND row <> ?2 AND (outcome IS NULL OR outcome = 'unknown')
                 AND (path, size, modified) <> (?3, ?4, ?5))";
        let values = params![row.body, row.row, path, size, modified];
        self.try_db(|db| db.prepare_cached(sql)?.query_row(values, |found| found.get(0)))
    }

    fn rows_to_send(&self, sql: &str, values: &[&dyn rusqlite::ToSql]) -> Result<Vec<ToSend>, StoreError> {
        let rows = self.try_db(|db| {
            let mut statement = db.prepare_cached(sql)?;
            let rows = statement.query_map(values, read_row)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        let known = |(row, action): (Option<ToSend>, String)| {
            row.ok_or_else(|| self.damaged(format!("a row has the action {action}")))
        };
        rows.into_iter().map(known).collect()
    }

    /// Stores answers and the attempts that begin now, all or none.
    ///
    /// When this returns, the attempts are on disk and may be sent. `now` is
    /// the time of day, for people who read the store.
    pub fn exchange(&mut self, answers: &[Answer], starting: &[u64], now: &str) -> Result<(), StoreError> {
        self.in_one(|db| {
            if !answers.is_empty() {
                let mut writing = Writing::prepare(db)?;
                answers.iter().try_for_each(|answer| writing.answer(db, answer, now))?;
            }
            let mut start = db.prepare_cached("INSERT INTO attempts (row, started) VALUES (?1, ?2)")?;
            for row in starting {
                start.execute(params![row, now])?;
            }
            Ok(())
        })
    }
}

/// A row of [`COLUMNS`]; none with an action that is none.
fn read_row(row: &Row<'_>) -> rusqlite::Result<(Option<ToSend>, String)> {
    let word: String = row.get(1)?;
    let key: Option<String> = row.get(3)?;
    let found = Action::from_word(&word)
        .map(|action| {
            Ok::<_, rusqlite::Error>(ToSend {
                row: row.get(0)?,
                action,
                record: row.get::<_, Option<u64>>(2)?.and_then(RecordId::new),
                key: key.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default(),
                body: row.get::<_, Option<String>>(4)?.unwrap_or_default(),
                before: row.get(5)?,
                looked: row.get(6)?,
                image: row.get(7)?,
                doubted: row.get(8)?,
                file: planned_file(row)?,
            })
        })
        .transpose()?;
    Ok((found, word))
}

/// The file of a row of [`COLUMNS`].
fn planned_file(row: &Row<'_>) -> rusqlite::Result<Option<PlannedFile>> {
    let Some(path) = row.get(9)? else { return Ok(None) };
    Ok(Some(PlannedFile { path, size: row.get(10)?, modified: row.get(11)? }))
}

/// What every answer needs, made ready once a group.
struct Writing<'t> {
    end_attempt: CachedStatement<'t>,
    end_row: CachedStatement<'t>,
}

impl<'t> Writing<'t> {
    fn prepare(db: &'t Transaction<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            // By its id: an update along the very index that it takes the attempt out of would
            // first gather what it finds in a table of its own.
            end_attempt: db.prepare_cached(
                "UPDATE attempts SET ended = ?2, result = ?3, status = ?4, message = ?5
                 WHERE id = (SELECT max(id) FROM attempts WHERE row = ?1 AND ended IS NULL)",
            )?,
            end_row: db.prepare_cached(
                "UPDATE rows SET outcome = ?2, status = ?3, record_id = coalesce(?4, record_id),
                     image = coalesce(?5, image)
                 WHERE row = ?1",
            )?,
        })
    }

    fn answer(&mut self, db: &Transaction<'_>, answer: &Answer, now: &str) -> rusqlite::Result<()> {
        let Answer { row, kind, status, message } = answer;
        if let AnswerKind::Fresh { looked } = kind {
            let mut fresh = db.prepare_cached("UPDATE rows SET looked = ?2 WHERE row = ?1")?;
            return fresh.execute(params![row, looked]).map(drop);
        }
        match kind.result() {
            Some(result) => {
                self.end_attempt.execute(params![row, now, result, status, message])?;
            }
            // What an earlier attempt was blamed for does not stand any longer.
            None => {
                let mut forget =
                    db.prepare_cached("DELETE FROM findings WHERE row = ?1 AND stage = 'send'")?;
                forget.execute([row])?;
            }
        }
        if let Some(settled) = kind.settled() {
            super::settle::note(db, *row, settled)?;
        }
        let (record, image) = kind.record();
        let outcome = kind.outcome().map(Outcome::word);
        self.end_row.execute(params![row, outcome, status, record.map(RecordId::get), image])?;
        add_findings(db, kind.findings())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Finding;
    use crate::model::{Code, Stage};
    use crate::store::PlannedRow;

    fn blamed(message: &str) -> Vec<Finding> {
        vec![Finding {
            row: 2,
            cell: Some("B2".to_owned()),
            column: Some("Tel".to_owned()),
            field: Some("phone".to_owned()),
            code: Code::Refused,
            message: message.to_owned(),
            cause: Some("a cause".to_owned()),
            value: Some("1".to_owned()),
            stage: Stage::Send,
        }]
    }

    /// A store whose row 2 changes record 7, and was sent and not answered.
    fn in_doubt() -> Store {
        let mut store = Store::in_memory();
        let row = PlannedRow {
            row: 2,
            action: Some(Action::Update),
            record: RecordId::new(7),
            key: vec!["Acme".to_owned()],
            body: Some("{}".to_owned()),
            before: Some("{\"phone\":null}".to_owned()),
            looked: Some(5),
            image: Some(vec![1]),
            ..PlannedRow::default()
        };
        store.add_rows(&[row]).unwrap();
        store.exchange(&[], &[2], "begun").unwrap();
        answer(&mut store, AnswerKind::InDoubt(blamed("lost")), None);
        store
    }

    fn answer(store: &mut Store, kind: AnswerKind, status: Option<u16>) {
        let message = status.map(|status| format!("said {status}"));
        store.exchange(&[Answer { row: 2, kind, status, message }], &[], "ended").unwrap();
    }

    /// What the columns hold that `docs/run-store.md` names, in one line.
    fn line(store: &Store, sql: &str) -> String {
        let read = |row: &Row<'_>| {
            let count = row.as_ref().column_count();
            let word = |at| {
                Ok::<_, rusqlite::Error>(match row.get_ref(at)? {
                    rusqlite::types::ValueRef::Null => "-".to_owned(),
                    rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                    rusqlite::types::ValueRef::Blob(bytes) => format!("{bytes:?}"),
                    other => other.as_str()?.to_owned(),
                })
            };
            Ok((0..count).map(word).collect::<Result<Vec<_>, _>>()?.join(" "))
        };
        let lines: rusqlite::Result<Vec<String>> =
            store.connection.prepare(sql).unwrap().query_map([], read).unwrap().collect();
        lines.unwrap().join("; ")
    }

    #[test]
    fn each_answer_leaves_its_row_its_attempt_and_its_findings_as_documented() {
        let image = || Some(vec![2]);
        let record = || RecordId::new(7).unwrap();
        let done = AnswerKind::Done { outcome: Outcome::Updated, record: RecordId::new(7), image: image() };
        let adopted = AnswerKind::Adopted { outcome: Outcome::Updated, record: record(), image: image() };
        let unseen = AnswerKind::Adopted { outcome: Outcome::Deleted, record: record(), image: None };
        for (kind, status, row, attempts, findings) in [
            (done, Some(200), "updated 200 7 5 [2]", "in_doubt - - -; done 200 said 200 -", "lost"),
            (
                AnswerKind::Refused(blamed("no")),
                Some(422),
                "rejected 422 7 5 [1]",
                "in_doubt - - -; refused 422 said 422 -",
                "lost; no",
            ),
            (AnswerKind::NotSent, None, "- - 7 5 [1]", "in_doubt - - -; not_sent - - -", "lost"),
            (adopted, None, "updated - 7 5 [2]", "in_doubt - - adopted", ""),
            (unseen, None, "deleted - 7 5 [1]", "in_doubt - - adopted", ""),
            (AnswerKind::Absent, None, "- - 7 5 [1]", "in_doubt - - absent", ""),
            (AnswerKind::Held(blamed("why")), None, "unknown - 7 5 [1]", "in_doubt - - held", "why"),
            (AnswerKind::Overtaken(blamed("why")), None, "rejected - 7 5 [1]", "in_doubt - - absent", "why"),
            (AnswerKind::Dropped(blamed("why")), None, "rejected - 7 5 [1]", "in_doubt - - dropped", "why"),
            (
                AnswerKind::Unchanged { record: RecordId::new(7) },
                None,
                "unchanged - 7 5 [1]",
                "in_doubt - - -",
                "",
            ),
            (AnswerKind::Conflict(blamed("why")), None, "rejected - 7 5 [1]", "in_doubt - - -", "why"),
            (AnswerKind::TakenBack, None, "- - 7 5 [1]", "in_doubt - - -", ""),
            (AnswerKind::Fresh { looked: 9 }, None, "unknown - 7 9 [1]", "in_doubt - - -", "lost"),
        ] {
            let told = format!("{kind:?}");
            let mut store = in_doubt();
            if kind.result().is_some() {
                store.exchange(&[], &[2], "begun").unwrap();
            }
            answer(&mut store, kind, status);
            let rows = line(&store, "SELECT outcome, status, record_id, looked, image FROM rows");
            assert_eq!(rows, row, "{told}");
            let sql = "SELECT result, status, message, settled FROM attempts ORDER BY id";
            assert_eq!(line(&store, sql), attempts, "{told}");
            assert_eq!(line(&store, "SELECT message FROM findings ORDER BY id"), findings, "{told}");
            assert_eq!(line(&store, "SELECT count(*) FROM attempts WHERE ended IS NULL"), "0", "{told}");
        }
    }

    #[test]
    fn what_is_done_together_is_done_whole_or_not_at_all() {
        let store = in_doubt();
        let failed = store.together(|store| {
            store.set("half", &true)?;
            Err::<(), _>(store.damaged("the other half"))
        });
        assert!(failed.is_err());
        assert_eq!(store.get::<bool>("half").unwrap(), None);
        store.together(|store| store.set("half", &true)).unwrap();
        assert_eq!(store.get("half").unwrap(), Some(true));
    }

    #[test]
    fn what_is_asked_for_every_row_is_answered_by_an_index() {
        let store = in_doubt();
        for (sql, index) in [
            (
                "SELECT row FROM rows WHERE record_id = 7 AND action = 'create' AND row <> 2 LIMIT 1",
                "rows_made",
            ),
            ("SELECT 1 FROM attempts WHERE attempts.row = 2 AND result = 'in_doubt'", "attempts_row"),
            ("SELECT DISTINCT row FROM attempts WHERE ended IS NULL ORDER BY row", "attempts_open"),
            ("SELECT row FROM findings WHERE row = 2", "findings_row"),
        ] {
            let plan = line(&store, &format!("EXPLAIN QUERY PLAN {sql}"));
            assert!(plan.contains(index), "{sql}: {plan}");
        }
    }

    #[test]
    fn a_row_is_handed_out_with_all_that_is_known_of_it() {
        let mut store = in_doubt();
        let sql = "SELECT cell, \"column\", field, code, message, cause, value, stage FROM findings";
        assert_eq!(line(&store, sql), "B2 Tel phone refused lost a cause 1 send");
        assert_eq!(store.next_to_send(None, 9, Direction::Forward).unwrap(), [], "it is in doubt");
        answer(&mut store, AnswerKind::Absent, None);
        let row = ToSend {
            row: 2,
            action: Action::Update,
            record: RecordId::new(7),
            key: vec!["Acme".to_owned()],
            body: "{}".to_owned(),
            before: Some("{\"phone\":null}".to_owned()),
            looked: Some(5),
            image: Some(vec![1]),
            file: None,
            doubted: true,
        };
        assert_eq!(store.next_to_send(None, 9, Direction::Forward).unwrap(), std::slice::from_ref(&row));
        assert_eq!(store.rows_of(&[2, 3]).unwrap(), [row]);
    }
}
