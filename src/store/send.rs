//! Before and after each request: the attempt is durable before its first
//! byte leaves, the outcome as soon as it is known. Both share one commit, so
//! that a busy run waits for the disk once a group.

use rusqlite::params;

use super::plan::add_findings;
use super::{Store, StoreError};
use crate::model::{Action, Finding, Outcome, RecordId};

/// A planned row that is still to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToSend {
    /// Its number.
    pub row: u64,
    /// What to send.
    pub action: Action,
    /// The record to change or delete.
    pub record: Option<RecordId>,
    /// The JSON object to send; empty for a delete.
    pub body: String,
}

/// What became of one attempt.
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

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerKind {
    /// The CRM confirmed it.
    Done {
        /// How the row ended.
        outcome: Outcome,
        /// The record, which a create learns only now.
        record: Option<RecordId>,
    },
    /// The CRM refused it; the row is rejected.
    Refused(Vec<Finding>),
    /// The CRM certainly did not get it; the row stays planned.
    NotSent,
    /// Sent, and whether the CRM has it is not known.
    InDoubt(Vec<Finding>),
}

impl AnswerKind {
    fn word(&self) -> &'static str {
        match self {
            Self::Done { .. } => "done",
            Self::Refused(_) => "refused",
            Self::NotSent => "not_sent",
            Self::InDoubt(_) => "in_doubt",
        }
    }

    /// How the row ended; none if it is still to be sent.
    pub fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Done { outcome, .. } => Some(*outcome),
            Self::Refused(_) => Some(Outcome::Rejected),
            Self::NotSent => None,
            Self::InDoubt(_) => Some(Outcome::Unknown),
        }
    }
}

impl Store {
    /// The next rows to send after row `after`, in the file's order.
    pub fn next_to_send(&self, after: u64, most: usize) -> Result<Vec<ToSend>, StoreError> {
        let sql = "SELECT row, action, record_id, body FROM rows
                   WHERE outcome IS NULL AND action IS NOT NULL AND row > ?1 ORDER BY row LIMIT ?2";
        let rows = self.try_db(|db| {
            let mut statement = db.prepare_cached(sql)?;
            let rows = statement.query_map(params![after, most as u64], |row| {
                Ok((
                    row.get::<_, u64>(0)?,
                    row.get::<_, String>(1)?,
                    row.get::<_, Option<u64>>(2)?,
                    row.get::<_, Option<String>>(3)?,
                ))
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        let to_send = |(row, action, record, body): (u64, String, Option<u64>, Option<String>)| {
            let action = Action::from_word(&action)
                .ok_or_else(|| self.damaged(format!("row {row} has the action {action}")))?;
            Ok(ToSend { row, action, record: record.and_then(RecordId::new), body: body.unwrap_or_default() })
        };
        rows.into_iter().map(to_send).collect()
    }

    /// Stores answers and the attempts that begin now, all or none.
    ///
    /// When this returns, the attempts are on disk and may be sent. `now` is
    /// the time of day for people who read the store.
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

fn store_answer(db: &rusqlite::Transaction<'_>, answer: &Answer, now: &str) -> rusqlite::Result<()> {
    let mut attempt = db.prepare_cached(
        "UPDATE attempts SET ended = ?2, result = ?3, status = ?4, message = ?5 WHERE row = ?1 AND ended IS NULL",
    )?;
    attempt.execute(params![answer.row, now, answer.kind.word(), answer.status, answer.message])?;
    let record = match &answer.kind {
        AnswerKind::Done { record, .. } => record.map(RecordId::get),
        AnswerKind::Refused(_) | AnswerKind::NotSent | AnswerKind::InDoubt(_) => None,
    };
    let mut row = db.prepare_cached(
        "UPDATE rows SET outcome = ?2, status = ?3, record_id = coalesce(?4, record_id) WHERE row = ?1",
    )?;
    row.execute(params![answer.row, answer.kind.outcome().map(Outcome::word), answer.status, record])?;
    if let AnswerKind::Refused(findings) | AnswerKind::InDoubt(findings) = &answer.kind {
        add_findings(db, findings)?;
    }
    Ok(())
}
