//! Reading a run: counts, rows by outcome, findings, results.

use std::path::Path;

use rusqlite::{OptionalExtension, Row, params};

use super::export_run::ExportFacts;
use super::{RunName, Store, StoreError, list_runs};
use crate::model::{Action, Counts, Outcome, RunState};

/// A row that goes into `rejects`, `unprocessed` or `unknown`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptRow {
    /// Its number.
    pub row: u64,
    /// Its own cells, as `tabular` kept them.
    pub source: Vec<u8>,
    /// The CRM's status, if it answered.
    pub status: Option<u16>,
    /// The rules that it broke.
    pub codes: Vec<String>,
    /// `field: message` of each finding.
    pub errors: Vec<String>,
    /// The findings that name a cell.
    pub cells: Vec<KeptCell>,
}

/// A cell that is at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCell {
    /// The cell's address.
    pub address: String,
    /// The field that it was meant for.
    pub field: Option<String>,
    /// The rule that it broke.
    pub code: String,
    /// One sentence.
    pub message: String,
}

/// A row of `results.csv`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultRow {
    /// Its number.
    pub row: u64,
    /// The values of the `match` fields.
    pub key: Vec<String>,
    /// The record.
    pub record: Option<u64>,
    /// How it ended.
    pub outcome: String,
}

/// One line of `carafe runs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunInfo {
    /// The run's id.
    pub run: String,
    /// What was typed: `import`, `export`.
    pub command: String,
    /// The object.
    pub object: String,
    /// Where it stands.
    pub state: RunState,
    /// Rows by outcome; of a plan, as they would end.
    pub counts: Counts,
    /// Of an export, which has no rows: the records that it wrote.
    pub records: Option<u64>,
    /// A process is at it right now.
    pub is_active: bool,
}

impl Store {
    /// Rows by outcome; what is planned and not sent counts as unprocessed.
    pub fn counts(&self) -> Result<Counts, StoreError> {
        let mut counts = Counts { read: self.get("rows_read")?.unwrap_or(0), ..Counts::default() };
        // By the column itself, as the index has it; of a word for "none" all rows would be sorted.
        for (outcome, rows) in self.group("SELECT outcome, count(*) FROM rows GROUP BY outcome")? {
            let outcome = outcome.map_or(Ok(Outcome::Unprocessed), |outcome| self.outcome(&outcome))?;
            *counts.of(outcome) += rows;
        }
        Ok(counts)
    }

    /// Planned rows that were not sent, by what is to be done with them.
    pub fn planned_counts(&self) -> Result<Counts, StoreError> {
        let mut counts = self.counts()?;
        counts.unprocessed = 0;
        let sql = "SELECT action, count(*) FROM rows WHERE outcome IS NULL AND action IS NOT NULL GROUP BY 1";
        for (action, rows) in self.group(sql)? {
            let action = action.unwrap_or_default();
            let action =
                Action::from_word(&action).ok_or_else(|| self.damaged(format!("the action {action}")))?;
            *counts.of(action.done()) += rows;
        }
        Ok(counts)
    }

    /// Whether any row of the plan does this.
    pub fn has_action(&self, action: Action) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM rows WHERE action = ?1)";
        self.try_db(|db| db.query_row(sql, [action.word()], |row| row.get(0)))
    }

    /// Whether any new record is still to be sent.
    pub fn has_open_creates(&self) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM rows WHERE outcome IS NULL AND action = 'create')";
        self.try_db(|db| db.query_row(sql, [], |row| row.get(0)))
    }

    /// Whether any row is still to be sent.
    pub fn has_open_rows(&self) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM rows WHERE outcome IS NULL AND action IS NOT NULL)";
        self.try_db(|db| db.query_row(sql, [], |row| row.get(0)))
    }

    /// The first row behind another one.
    pub fn row_after(&self, row: u64) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT min(row) FROM rows WHERE row > ?1";
        self.try_db(|db| db.query_row(sql, [row], |found| found.get(0)))
    }

    fn group(&self, sql: &str) -> Result<Vec<(Option<String>, u64)>, StoreError> {
        self.try_db(|db| {
            let mut statement = db.prepare(sql)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })
    }

    fn outcome(&self, word: &str) -> Result<Outcome, StoreError> {
        Outcome::from_word(word).ok_or_else(|| self.damaged(format!("the outcome {word}")))
    }

    /// Hands every row of an outcome, in the file's order, to `act`.
    pub fn each_kept<E: From<StoreError>>(
        &self,
        outcome: Outcome,
        mut act: impl FnMut(KeptRow) -> Result<(), E>,
    ) -> Result<(), E> {
        let sql = match outcome {
            Outcome::Unprocessed => {
                "SELECT row, source, status FROM rows WHERE outcome IS NULL AND row > ?1 ORDER BY row LIMIT 500"
            }
            _ => {
                "SELECT row, source, status FROM rows WHERE outcome = ?2 AND row > ?1 ORDER BY row LIMIT 500"
            }
        };
        let mut last = 0;
        loop {
            let read = |row: &Row<'_>| {
                Ok(KeptRow {
                    row: row.get(0)?,
                    source: row.get(1)?,
                    status: row.get(2)?,
                    codes: Vec::new(),
                    errors: Vec::new(),
                    cells: Vec::new(),
                })
            };
            let page: Vec<KeptRow> = self.try_db(|db| {
                let mut statement = db.prepare_cached(sql)?;
                let rows = match outcome {
                    Outcome::Unprocessed => statement.query_map(params![last], read)?,
                    _ => statement.query_map(params![last, outcome.word()], read)?,
                };
                rows.collect()
            })?;
            let Some(end) = page.last() else { return Ok(()) };
            last = end.row;
            for mut kept in page {
                self.add_reasons(&mut kept)?;
                act(kept)?;
            }
        }
    }

    fn add_reasons(&self, kept: &mut KeptRow) -> Result<(), StoreError> {
        let sql = "SELECT code, field, message, cell FROM findings WHERE row = ?1 ORDER BY id";
        type Reason = (String, Option<String>, String, Option<String>);
        let reasons: Vec<Reason> = self.try_db(|db| {
            let mut statement = db.prepare_cached(sql)?;
            let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
            let rows = statement.query_map([kept.row], read)?;
            rows.collect()
        })?;
        for (code, field, message, cell) in reasons {
            kept.cells.extend(cell.map(|address| KeptCell {
                address,
                field: field.clone(),
                code: code.clone(),
                message: message.clone(),
            }));
            if !kept.codes.contains(&code) {
                kept.codes.push(code);
            }
            kept.errors.push(match field {
                Some(field) => format!("{field}: {message}"),
                None => message,
            });
        }
        Ok(())
    }

    /// Hands every finding, by row, to `act`: the fields of `errors.jsonl` in
    /// their order (row, cell, column, field, code, message, cause, value, stage).
    pub fn each_finding<E: From<StoreError>>(
        &self,
        mut act: impl FnMut(StoredFinding) -> Result<(), E>,
    ) -> Result<(), E> {
        let sql = "SELECT id, row, cell, \"column\", field, code, message, cause, value, stage FROM findings
                   WHERE (row, id) > (?1, ?2) ORDER BY row, id LIMIT 500";
        let mut last = (0_u64, 0_i64);
        loop {
            let page: Vec<(i64, StoredFinding)> = self.try_db(|db| {
                let mut statement = db.prepare_cached(sql)?;
                let rows = statement.query_map(params![last.0, last.1], |row| {
                    let finding = StoredFinding {
                        row: row.get(1)?,
                        cell: row.get(2)?,
                        column: row.get(3)?,
                        field: row.get(4)?,
                        code: row.get(5)?,
                        message: row.get(6)?,
                        cause: row.get(7)?,
                        value: row.get(8)?,
                        stage: row.get(9)?,
                    };
                    Ok((row.get(0)?, finding))
                })?;
                rows.collect()
            })?;
            let Some((id, end)) = page.last() else { return Ok(()) };
            last = (end.row, *id);
            for (_, finding) in page {
                act(finding)?;
            }
        }
    }

    /// Hands every row that was sent or found, in the file's order, to `act`.
    pub fn each_result<E: From<StoreError>>(
        &self,
        mut act: impl FnMut(ResultRow) -> Result<(), E>,
    ) -> Result<(), E> {
        // The + keeps SQLite from gathering all rows of these outcomes, and sorting them, each time.
        let sql = "SELECT row, key, record_id, outcome FROM rows
                   WHERE row > ?1 AND (+outcome IN ('created', 'updated', 'unchanged', 'deleted', 'unknown')
                       OR +outcome = 'rejected' AND (status IS NOT NULL OR record_id IS NOT NULL))
                   ORDER BY row LIMIT 500";
        let mut last = 0;
        loop {
            let page: Vec<ResultRow> = self.try_db(|db| {
                let mut statement = db.prepare_cached(sql)?;
                let rows = statement.query_map([last], |row| {
                    let key: Option<String> = row.get(1)?;
                    let key = key.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default();
                    Ok(ResultRow { row: row.get(0)?, key, record: row.get(2)?, outcome: row.get(3)? })
                })?;
                rows.collect()
            })?;
            let Some(end) = page.last() else { return Ok(()) };
            last = end.row;
            page.into_iter().try_for_each(&mut act)?;
        }
    }

    /// How a row ended: nothing for a number that no row has, no outcome for
    /// one that is still to be sent.
    pub fn outcome_of(&self, row: u64) -> Result<Option<Option<Outcome>>, StoreError> {
        // SQLite knows no larger number, so no row has one.
        if i64::try_from(row).is_err() {
            return Ok(None);
        }
        let sql = "SELECT outcome FROM rows WHERE row = ?1";
        let found: Option<Option<String>> =
            self.try_db(|db| db.prepare_cached(sql)?.query_row([row], |found| found.get(0)).optional())?;
        found.map(|word| word.map(|word| self.outcome(&word)).transpose()).transpose()
    }

    /// What is said against a row, one sentence a finding.
    pub fn reasons_of(&self, row: u64) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT message FROM findings WHERE row = ?1 ORDER BY id";
        self.try_db(|db| {
            let mut statement = db.prepare_cached(sql)?;
            let rows = statement.query_map([row], |found| found.get(0))?;
            rows.collect()
        })
    }

    /// A row's own cells, as `tabular` kept them.
    pub fn source_of(&self, row: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT source FROM rows WHERE row = ?1";
        self.try_db(|db| db.prepare_cached(sql)?.query_row([row], |found| found.get(0)).optional())
    }

    /// The first updates of the plan: row, record, values before and after, as JSON.
    pub fn sample_updates(&self, most: u32) -> Result<Vec<(u64, u64, String, String)>, StoreError> {
        let sql =
            "SELECT row, record_id, before, body FROM rows WHERE action = 'update' ORDER BY row LIMIT ?1";
        self.try_db(|db| {
            let mut statement = db.prepare(sql)?;
            let rows = statement
                .query_map([most], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
            rows.collect()
        })
    }
}

/// One finding as it is stored: a line of `errors.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFinding {
    /// The row.
    pub row: u64,
    /// The cell's address.
    pub cell: Option<String>,
    /// The column's header.
    pub column: Option<String>,
    /// The field.
    pub field: Option<String>,
    /// The rule.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// The sentence that all rows with this cause share.
    pub cause: Option<String>,
    /// The value at fault.
    pub value: Option<String>,
    /// The step that found it.
    pub stage: String,
}

impl RunInfo {
    /// All runs of a folder, the oldest first; those that do not open are left out
    /// and named in the second part.
    pub fn all(runs: &Path) -> Result<(Vec<Self>, Vec<String>), StoreError> {
        let (mut found, mut damaged) = (Vec::new(), Vec::new());
        for run in list_runs(runs)? {
            match Self::of(runs, &RunName(run.clone())) {
                Ok(info) => found.push(info),
                Err(error) => damaged.push(format!("{run}: {error}")),
            }
        }
        Ok((found, damaged))
    }

    /// One run.
    pub fn of(runs: &Path, name: &RunName) -> Result<Self, StoreError> {
        let path = name.find(runs)?;
        let run = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let is_active = super::folder::is_held(&path);
        if let Some(facts) = ExportFacts::of(&path)? {
            return Ok(Self {
                run,
                command: "export".to_owned(),
                object: facts.objects.join(", "),
                state: facts.state(),
                counts: Counts::default(),
                records: Some(facts.records),
                is_active,
            });
        }
        let store = Store::peek(&path.join("run.db"))?;
        let state: String = store.fact("state")?;
        let state = RunState::from_word(&state).ok_or_else(|| store.damaged(format!("the state {state}")))?;
        let counts = if state == RunState::Planned { store.planned_counts()? } else { store.counts()? };
        Ok(Self {
            run,
            command: store.fact("command")?,
            object: store.fact("object")?,
            state,
            counts,
            records: None,
            is_active,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Answer, AnswerKind, Direction, PlannedRow};
    use super::*;
    use crate::model::{Code, Finding, RecordId, Stage};

    fn finding(row: u64) -> Finding {
        Finding {
            row,
            cell: Some(format!("F{row}")),
            column: Some("E-Mail".into()),
            field: Some("email".into()),
            code: Code::NotAnEmail,
            message: "not an address".into(),
            cause: None,
            value: Some("x".into()),
            stage: Stage::Validate,
        }
    }

    fn planned(row: u64, action: Option<Action>, outcome: Option<Outcome>) -> PlannedRow {
        let findings = if outcome == Some(Outcome::Rejected) { vec![finding(row)] } else { Vec::new() };
        let key = vec![format!("key {row}")];
        PlannedRow {
            row,
            source: b"a,b".to_vec(),
            action,
            key,
            body: Some("{}".into()),
            outcome,
            findings,
            ..PlannedRow::default()
        }
    }

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::create(&folder.path().join("run.db")).unwrap();
        store.set("rows_read", &4_u64).unwrap();
        let rows = [
            planned(2, Some(Action::Create), None),
            planned(3, None, Some(Outcome::Rejected)),
            planned(4, Some(Action::Create), None),
            planned(5, None, Some(Outcome::Unchanged)),
        ];
        store.add_rows(&rows).unwrap();
        (folder, store)
    }

    #[test]
    fn rows_add_up_from_plan_to_end() {
        let (_folder, mut store) = store();
        let planned = store.planned_counts().unwrap();
        assert_eq!((planned.created, planned.rejected, planned.unchanged, planned.unprocessed), (2, 1, 1, 0));
        assert!(planned.add_up());
        let rows: Vec<u64> =
            store.next_to_send(None, 10, Direction::Forward).unwrap().into_iter().map(|r| r.row).collect();
        assert_eq!(rows, [2, 4]);
        store.exchange(&[], &[2, 4], "now").unwrap();
        let done = AnswerKind::Done { outcome: Outcome::Created, record: RecordId::new(7), image: None };
        let answers = [
            Answer { row: 2, kind: done, status: Some(201), message: None },
            Answer::without_status(4, AnswerKind::NotSent),
        ];
        store.exchange(&answers, &[], "now").unwrap();
        let counts = store.counts().unwrap();
        assert_eq!((counts.created, counts.unprocessed), (1, 1));
        assert!(counts.add_up());
        assert_eq!(
            store.next_to_send(None, 10, Direction::Forward).unwrap().len(),
            1,
            "a row that was not sent is sent again"
        );
    }

    #[test]
    fn rows_come_back_with_their_reasons() {
        let (_folder, store) = store();
        let mut rejected = Vec::new();
        store
            .each_kept(Outcome::Rejected, |row| {
                rejected.push(row);
                Ok::<(), StoreError>(())
            })
            .unwrap();
        assert_eq!(rejected.len(), 1);
        assert_eq!(rejected[0].errors, ["email: not an address"]);
        let mut results = Vec::new();
        store
            .each_result(|row| {
                results.push((row.row, row.outcome));
                Ok::<(), StoreError>(())
            })
            .unwrap();
        assert_eq!(results, [(5, "unchanged".to_owned())]);
        let mut findings = Vec::new();
        store
            .each_finding(|f| {
                findings.push(f.cell.unwrap());
                Ok::<(), StoreError>(())
            })
            .unwrap();
        assert_eq!(findings, ["F3"]);
    }

    #[test]
    fn a_newer_store_and_a_file_that_is_none_are_refused() {
        let (folder, store) = store();
        store.connection.execute_batch("PRAGMA user_version = 99").unwrap();
        drop(store);
        let file = folder.path().join("run.db");
        assert!(Store::open(&file).unwrap_err().to_string().contains("newer carafe"));
        let other = folder.path().join("other.db");
        std::fs::write(&other, "this is no database, only some text of fair length").unwrap();
        assert!(Store::open(&other).is_err());
    }
}
