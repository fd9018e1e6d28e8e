//! Rows of a reject file that come again as they were.
//!
//! A reject file fills up rows that had too few cells, so that its own columns
//! line up, and keeps what a row had too many in a column of its own. Imported
//! without a correction such a row looks whole, with its cells perhaps in the
//! wrong columns: it is compared with what its run kept of it, and refused
//! again where nothing was corrected. Who wants it as it stands empties its
//! `_code`.
//!
//! A retry does the same with rows that were refused for what else there was,
//! in the file or in the CRM: sent as it was, a duplicate would be created by
//! now, and a conflict would write over what somebody has changed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::PipelineError;
use super::prove::{MOST_RUNS, run_store};
use crate::model::{
    CODE_COLUMN, Code, EXTRA_COLUMN, Header, ROW_COLUMN, RUN_COLUMN, Row, RowFault, is_reserved,
};
use crate::store::Store;
use crate::tabular::{Batch, BatchReader, Dialect, Form, Rows, Source, is_same_object, kept_cells};

/// A pass over a job's file.
pub struct JobRows {
    rows: Rows,
    again: Option<Again>,
}

impl JobRows {
    /// Begins a pass; `runs` is where the run may be that wrote the file.
    pub fn begin(source: &Source, runs: Option<&Path>) -> Result<Self, PipelineError> {
        let again = runs.and_then(|runs| Again::of(source.header(), runs));
        Ok(Self { rows: source.rows()?, again })
    }

    /// Reads the next row into `row`; false at the end.
    pub fn read(&mut self, row: &mut Row) -> Result<bool, PipelineError> {
        let read = self.rows.read(row)?;
        if let (true, Some(again)) = (read, &mut self.again) {
            again.look_at(row);
        }
        Ok(read)
    }

    /// Fills a batch with the next rows; false at the end.
    pub fn read_batch(&mut self, batch: &mut Batch) -> Result<bool, PipelineError> {
        Ok(match &mut self.again {
            Some(again) => self.rows.read_rows(batch, |row| again.look_at(row))?,
            None => self.rows.read_batch(batch)?,
        })
    }

    /// What reads the batches of this pass.
    pub fn batch_reader(&self) -> BatchReader {
        self.rows.batch_reader()
    }
}

/// The columns of a reject file, and the runs that its rows name.
pub(super) struct Again {
    row: usize,
    run: usize,
    code: usize,
    extra: Option<usize>,
    runs: PathBuf,
    stores: HashMap<String, Option<(Store, Dialect)>>,
}

impl Again {
    /// None for a file that is no reject file.
    pub(super) fn of(header: &Header, runs: &Path) -> Option<Self> {
        Some(Self {
            row: header.reserved(ROW_COLUMN)?,
            run: header.reserved(RUN_COLUMN)?,
            code: header.reserved(CODE_COLUMN)?,
            extra: header.reserved(EXTRA_COLUMN),
            runs: runs.to_owned(),
            stores: HashMap::new(),
        })
    }

    /// Gives a row back the fault that it had, if it is still as it was.
    fn look_at(&mut self, row: &mut Row) {
        if row.fault.is_none() && self.was_refused_for(row, &Code::ColumnCount) {
            row.fault = self.fault_of(row);
        }
    }

    /// Why a row must not be sent that comes as it was; none if it was
    /// corrected, or may be sent again in any case.
    pub(super) fn hindrance(&mut self, row: &Row) -> Option<Hindrance> {
        let of = |code: Code, what: &str| {
            let message =
                format!("as it was refused, {what}; correct a cell, or empty _code to send it as it is");
            Hindrance { column: self.code, code, message }
        };
        let known = [
            of(Code::DuplicateInFile, "a duplicate of another row"),
            of(Code::Conflict, "for what somebody else did in the CRM"),
        ];
        let found = known.into_iter().find(|known| self.was_refused_for(row, &known.code))?;
        self.is_as_it_was(row)?.then_some(found)
    }

    fn was_refused_for(&self, row: &Row, wanted: &Code) -> bool {
        row.cell(self.code).to_string().split(';').any(|code| code.trim() == wanted.word())
    }

    /// Whether the row's own cells are those that the run kept which refused it last.
    fn is_as_it_was(&mut self, row: &Row) -> Option<bool> {
        let (number, run) = (row.cell(self.row).to_string(), row.cell(self.run).to_string());
        let (store, dialect) = self.store(run.trim())?;
        let kept = store.source_of(number.trim().parse().ok()?).ok()??;
        Some(match &dialect.form {
            Form::Json(_) => is_same_object(&row.raw, &kept),
            Form::Text(_) | Form::Sheet(_) => has_cells(row, dialect, &kept_cells(dialect, &kept)),
        })
    }

    /// Follows the row through the runs that refused it, back to the file in
    /// which it was ragged.
    fn fault_of(&mut self, row: &Row) -> Option<RowFault> {
        let extra = self.extra.map(|extra| row.cell(extra).to_string()).unwrap_or_default();
        let mut number = row.cell(self.row).to_string();
        let mut run = row.cell(self.run).to_string();
        for _ in 0..MOST_RUNS {
            let (store, dialect) = self.store(run.trim())?;
            let before = kept_cells(dialect, &store.source_of(number.trim().parse().ok()?).ok()??);
            let columns = &dialect.columns;
            let cell = |at: usize| before.get(at).map(String::as_str).unwrap_or_default().trim();
            if !has_cells(row, dialect, &before) {
                return None;
            }
            if let (Some(earlier_row), Some(earlier_run)) =
                (dialect.reserved(ROW_COLUMN), dialect.reserved(RUN_COLUMN))
            {
                (number, run) = (cell(earlier_row).to_owned(), cell(earlier_run).to_owned());
                continue;
            }
            let (found, wanted) = (before.len(), columns.len());
            let (is_text, width) = match &dialect.form {
                Form::Text(form) => (true, form.width),
                Form::Sheet(_) | Form::Json(_) => (false, wanted),
            };
            // Columns without a name at the header's end take what is beyond before `_extra` does.
            let is_left = |at: usize| !row.cell(at).to_string().trim().is_empty();
            let has_more = !extra.trim().is_empty() || (wanted..width).any(is_left);
            let is_ragged = (is_text && found < wanted) || (found > wanted && has_more);
            return is_ragged.then_some(RowFault::AsRefused { found, wanted });
        }
        None
    }

    fn store(&mut self, run: &str) -> Option<&(Store, Dialect)> {
        if self.stores.len() >= MOST_RUNS && !self.stores.contains_key(run) {
            return None;
        }
        let runs = &self.runs;
        let opened = self.stores.entry(run.to_owned()).or_insert_with_key(|run| {
            let store = run_store(run, runs)?;
            let dialect = store.get("dialect").ok()??;
            Some((store, dialect))
        });
        opened.as_ref()
    }
}

/// Why a row is not sent that comes as it was refused.
pub(super) struct Hindrance {
    /// The column of its codes.
    pub(super) column: usize,
    /// What it was refused for.
    pub(super) code: Code,
    /// One sentence.
    pub(super) message: String,
}

/// Whether a row of a reject file has the user's own cells that were kept.
fn has_cells(row: &Row, dialect: &Dialect, before: &[String]) -> bool {
    let columns = &dialect.columns;
    let mut own = (0..columns.len()).filter(|&at| !is_reserved(&columns[at].name)).enumerate();
    let cell = |at: usize| before.get(at).map(String::as_str).unwrap_or_default().trim();
    own.all(|(now, then)| row.cell(now).to_string().trim() == cell(then))
}
