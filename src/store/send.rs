//! Before and after each request: the attempt is durable before its first
//! byte leaves, the outcome as soon as it is known. Both share one commit, so
//! that a busy run waits for the disk once a group.

use rusqlite::{Row, Transaction, params};

use super::plan::add_findings;
use super::{Settled, Store, StoreError};
use crate::model::{Action, Finding, Outcome, RecordId};

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

/// What became of one row: the end of an attempt, or of a look at the CRM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The row.
    pub row: u64,
    /// How sure it is.
    pub kind: AnswerKind,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// What was said, for people.
    pub message: Option<String>,
}

/// What a row has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerKind {
    /// The CRM confirmed it.
    Done {
        /// How the row ended.
        outcome: Outcome,
        /// The record, which a create learns only now.
        record: Option<RecordId>,
        /// How the record looks now, where the answer shows it.
        image: Option<Vec<u8>>,
    },
    /// The CRM refused it; the row is rejected.
    Refused(Vec<Finding>),
    /// The CRM certainly did not get it; the row stays planned.
    NotSent,
    /// Sent, and whether the CRM has it is not known.
    InDoubt(Vec<Finding>),
    /// It was refused, and so were others in the same words: the answers are
    /// not about the rows, so this one is planned again.
    TakenBack,
    /// In doubt, and found in the CRM.
    Adopted {
        /// How the row ended.
        outcome: Outcome,
        /// The record.
        record: RecordId,
        /// How it looks.
        image: Option<Vec<u8>>,
    },
    /// In doubt, and certainly not in the CRM: planned again.
    Absent,
    /// In doubt, and looking it up did not tell; the findings say why.
    Held(Vec<Finding>),
    /// In doubt, and found to be no longer possible: rejected.
    Overtaken(Vec<Finding>),
    /// In doubt, and given up by a person: rejected.
    Dropped(Vec<Finding>),
    /// Looked at before it was sent: the record is as it should be already.
    Unchanged {
        /// The record.
        record: Option<RecordId>,
    },
    /// Looked at before it was sent: the record changed or went, so the row is rejected.
    Conflict(Vec<Finding>),
    /// Looked at before it was sent, and still as planned.
    Fresh {
        /// When, in seconds since 1970 (UTC).
        looked: i64,
    },
}

impl AnswerKind {
    /// How the attempt that ended is called; none where no attempt ended.
    fn result(&self) -> Option<&'static str> {
        match self {
            Self::Done { .. } => Some("done"),
            Self::Refused(_) => Some("refused"),
            Self::NotSent => Some("not_sent"),
            Self::InDoubt(_) => Some("in_doubt"),
            Self::TakenBack
            | Self::Adopted { .. }
            | Self::Absent
            | Self::Held(_)
            | Self::Overtaken(_)
            | Self::Dropped(_)
            | Self::Unchanged { .. }
            | Self::Conflict(_)
            | Self::Fresh { .. } => None,
        }
    }

    /// How the row's doubt was settled; none where there was none.
    fn settled(&self) -> Option<Settled> {
        match self {
            Self::Adopted { .. } => Some(Settled::Adopted),
            Self::Absent | Self::Overtaken(_) => Some(Settled::Absent),
            Self::Held(_) => Some(Settled::Held),
            Self::Dropped(_) => Some(Settled::Dropped),
            Self::Done { .. }
            | Self::Refused(_)
            | Self::NotSent
            | Self::InDoubt(_)
            | Self::TakenBack
            | Self::Unchanged { .. }
            | Self::Conflict(_)
            | Self::Fresh { .. } => None,
        }
    }

    /// How the row ended; none if it is still to be sent.
    pub fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Done { outcome, .. } | Self::Adopted { outcome, .. } => Some(*outcome),
            Self::Refused(_) | Self::Overtaken(_) | Self::Dropped(_) | Self::Conflict(_) => {
                Some(Outcome::Rejected)
            }
            Self::InDoubt(_) | Self::Held(_) => Some(Outcome::Unknown),
            Self::Unchanged { .. } => Some(Outcome::Unchanged),
            Self::NotSent | Self::TakenBack | Self::Absent | Self::Fresh { .. } => None,
        }
    }

    fn findings(&self) -> &[Finding] {
        match self {
            Self::Refused(findings)
            | Self::InDoubt(findings)
            | Self::Held(findings)
            | Self::Overtaken(findings)
            | Self::Dropped(findings)
            | Self::Conflict(findings) => findings,
            Self::Done { .. }
            | Self::NotSent
            | Self::TakenBack
            | Self::Adopted { .. }
            | Self::Absent
            | Self::Unchanged { .. }
            | Self::Fresh { .. } => &[],
        }
    }

    /// The record and how it looks, where that was learned.
    fn record(&self) -> (Option<RecordId>, Option<&[u8]>) {
        match self {
            Self::Done { record, image, .. } => (*record, image.as_deref()),
            Self::Adopted { record, image, .. } => (Some(*record), image.as_deref()),
            Self::Unchanged { record } => (*record, None),
            Self::Refused(_)
            | Self::NotSent
            | Self::InDoubt(_)
            | Self::TakenBack
            | Self::Absent
            | Self::Held(_)
            | Self::Overtaken(_)
            | Self::Dropped(_)
            | Self::Conflict(_)
            | Self::Fresh { .. } => (None, None),
        }
    }
}

/// The columns of [`ToSend`], in the order in which [`read_row`] takes them.
const COLUMNS: &str = "row, action, record_id, key, body, before, looked, image,
    EXISTS (SELECT 1 FROM attempts WHERE attempts.row = rows.row AND result = 'in_doubt')";

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
        let sql = format!(
            "SELECT {COLUMNS} FROM rows
             WHERE outcome IS NULL AND action IS NOT NULL AND row {behind} ?1 ORDER BY row {order} LIMIT ?2"
        );
        self.rows_to_send(&sql, params![last.unwrap_or(start), most as u64])
    }

    /// These rows, as far as there are such.
    pub fn rows_of(&self, rows: &[u64]) -> Result<Vec<ToSend>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM rows WHERE row = ?1 AND action IS NOT NULL");
        let mut found = Vec::with_capacity(rows.len());
        for row in rows {
            found.extend(self.rows_to_send(&sql, params![row])?);
        }
        Ok(found)
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
            for answer in answers {
                store_answer(db, answer, now)?;
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
            })
        })
        .transpose()?;
    Ok((found, word))
}

fn store_answer(db: &Transaction<'_>, answer: &Answer, now: &str) -> rusqlite::Result<()> {
    let Answer { row, kind, status, message } = answer;
    if let AnswerKind::Fresh { looked } = kind {
        let mut fresh = db.prepare_cached("UPDATE rows SET looked = ?2 WHERE row = ?1")?;
        return fresh.execute(params![row, looked]).map(drop);
    }
    match kind.result() {
        Some(result) => {
            let mut attempt = db.prepare_cached(
                "UPDATE attempts SET ended = ?2, result = ?3, status = ?4, message = ?5
                 WHERE row = ?1 AND ended IS NULL",
            )?;
            attempt.execute(params![row, now, result, status, message])?;
        }
        // What an earlier attempt was blamed for does not stand any longer.
        None => {
            let mut forget = db.prepare_cached("DELETE FROM findings WHERE row = ?1 AND stage = 'send'")?;
            forget.execute([row])?;
        }
    }
    if let Some(settled) = kind.settled() {
        super::settle::note(db, *row, settled)?;
    }
    let (record, image) = kind.record();
    let mut update = db.prepare_cached(
        "UPDATE rows SET outcome = ?2, status = ?3, record_id = coalesce(?4, record_id), image = coalesce(?5, image)
         WHERE row = ?1",
    )?;
    let outcome = kind.outcome().map(Outcome::word);
    update.execute(params![row, outcome, status, record.map(RecordId::get), image])?;
    add_findings(db, kind.findings())
}
