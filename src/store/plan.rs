//! Writing the plan: one row of the store for each row of the file.

use rusqlite::params;

use super::{SET_FACT, Store, StoreError};
use crate::model::{Action, Finding, Outcome, RecordId};

/// A row and what is to be done with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlannedRow {
    /// Its number, as Excel shows it.
    pub row: u64,
    /// Its own cells, as `tabular` keeps them for the reject file.
    pub source: Vec<u8>,
    /// What to send; none where nothing is sent.
    pub action: Option<Action>,
    /// The record to change or delete, or the one that is as it should be.
    pub record: Option<RecordId>,
    /// The values of the `match` fields, in their order.
    pub key: Vec<String>,
    /// The JSON object to send.
    pub body: Option<String>,
    /// The values of the touched fields before, as a JSON object.
    pub before: Option<String>,
    /// How it ended, where that is known already.
    pub outcome: Option<Outcome>,
    /// When the CRM was asked for its record, in seconds since 1970 (UTC).
    pub looked: Option<i64>,
    /// How the record looked then; see `rules::image`.
    pub image: Option<Vec<u8>>,
    /// The row of an earlier run that this one corrects or takes back.
    pub origin: Option<u64>,
    /// The file that goes with it.
    pub file: Option<PlannedFile>,
    /// Why it is rejected.
    pub findings: Vec<Finding>,
}

/// A file that is sent with a new record, as it was when it was planned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlannedFile {
    /// Where it is, from the root on.
    pub path: String,
    /// Its length in bytes.
    pub size: u64,
    /// When it was last changed, in nanoseconds since 1970.
    pub modified: i64,
}

impl Store {
    /// Takes back a plan that was not finished, so that it can be made anew.
    ///
    /// Only for a run of which nothing was sent.
    pub fn clear_plan(&mut self) -> Result<(), StoreError> {
        self.in_one(|db| {
            db.execute("DELETE FROM findings", [])?;
            db.execute("DELETE FROM files", [])?;
            db.execute("DELETE FROM rows", []).map(drop)
        })
    }

    /// Adds rows to the plan, all or none.
    pub fn add_rows(&mut self, rows: &[PlannedRow]) -> Result<(), StoreError> {
        self.in_one(|db| insert(db, rows))
    }

    /// The same, and notes how many rows of the file are read with them.
    pub fn add_rows_read(&mut self, rows: &[PlannedRow], read: u64) -> Result<(), StoreError> {
        self.in_one(|db| {
            insert(db, rows)?;
            db.prepare_cached(SET_FACT)?.execute(params!["rows_read", read.to_string()]).map(drop)
        })
    }
}

fn insert(db: &rusqlite::Transaction<'_>, rows: &[PlannedRow]) -> rusqlite::Result<()> {
    let mut add = db.prepare_cached(
        "INSERT INTO rows (row, source, action, record_id, key, body, before, outcome, looked, image, origin)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    for row in rows {
        // A list of texts always has a JSON form.
        let key = (!row.key.is_empty()).then(|| serde_json::to_string(&row.key).unwrap_or_default());
        add.execute(params![
            row.row,
            row.source,
            row.action.map(Action::word),
            row.record.map(RecordId::get),
            key,
            row.body,
            row.before,
            row.outcome.map(Outcome::word),
            row.looked,
            row.image,
            row.origin,
        ])?;
        if let Some(file) = &row.file {
            db.prepare_cached("INSERT INTO files (row, path, size, modified) VALUES (?1, ?2, ?3, ?4)")?
                .execute(params![row.row, file.path, file.size, file.modified])?;
        }
        add_findings(db, &row.findings)?;
    }
    Ok(())
}

/// Adds findings to a transaction.
pub(super) fn add_findings(db: &rusqlite::Transaction<'_>, findings: &[Finding]) -> rusqlite::Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    let mut add = db.prepare_cached(
        "INSERT INTO findings (row, cell, \"column\", field, code, message, cause, value, stage)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    for finding in findings {
        add.execute(params![
            finding.row,
            finding.cell,
            finding.column,
            finding.field,
            finding.code.word(),
            finding.message,
            finding.cause,
            finding.value,
            finding.stage.word(),
        ])?;
    }
    Ok(())
}
