//! Rows of a reject file that come again as they were.
//!
//! A reject file fills up rows that had too few cells, so that its own columns
//! line up, and keeps what a row had too many in a column of its own. Imported
//! without a correction such a row looks whole. Its owner may have left it so
//! on purpose, so it is taken, and told: it is compared with what its run kept.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::PipelineError;
use super::prove::run_store;
use crate::model::{Code, Header, Notice, Row};
use crate::rules::program::{RESERVED_COLUMNS, reserved_place};
use crate::store::Store;
use crate::tabular::{Dialect, Form, Rows, Source, kept_cells};

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

    /// What is to be told of the rows read so far.
    pub fn notice(&self) -> Option<Notice> {
        let (count, first) = &self.again.as_ref()?.unchanged;
        let more = if *count > first.len() as u64 { ", …" } else { "" };
        let which = match count {
            0 => return None,
            1 => format!("row {} was", first.concat()),
            n => format!("{n} rows (row {}{more}) were", first.join(", row ")),
        };
        Some(Notice(format!(
            "{which} refused for too few or too many cells and come as before: a missing cell is taken for blank, \
             what stands under _extra is left out"
        )))
    }

    /// How far the pass is, in bytes of the file.
    pub fn position(&self) -> u64 {
        self.rows.position()
    }
}

/// The most rows that the notice names.
const MOST_NAMED: usize = 5;

/// Runs that rows are compared with; nobody merges the rejects of more by hand.
const MOST_RUNS: usize = 20;

/// The columns of a reject file, and the runs that its rows name.
struct Again {
    row: usize,
    run: usize,
    code: usize,
    extra: Option<usize>,
    runs: PathBuf,
    stores: HashMap<String, Option<(Store, Dialect)>>,
    /// How many rows come as before, and the first of them.
    unchanged: (u64, Vec<String>),
}

impl Again {
    /// None for a file that is no reject file.
    fn of(header: &Header, runs: &Path) -> Option<Self> {
        let [row, run, _, code, _, extra] = RESERVED_COLUMNS.map(|name| reserved_place(header, name));
        Some(Self {
            row: row?,
            run: run?,
            code: code?,
            extra,
            runs: runs.to_owned(),
            stores: HashMap::new(),
            unchanged: (0, Vec::new()),
        })
    }

    fn look_at(&mut self, row: &Row) {
        let codes = row.cell(self.code).to_string();
        let was_ragged = codes.split(';').any(|code| code.trim() == Code::ColumnCount.word());
        if was_ragged && row.fault.is_none() && self.is_as_before(row) == Some(true) {
            self.unchanged.0 += 1;
            if self.unchanged.1.len() < MOST_NAMED {
                self.unchanged.1.push(row.number.to_string());
            }
        }
    }

    /// None where the run cannot be asked.
    fn is_as_before(&mut self, row: &Row) -> Option<bool> {
        let number: u64 = row.cell(self.row).to_string().trim().parse().ok()?;
        let run = row.cell(self.run).to_string().trim().to_owned();
        if self.stores.len() >= MOST_RUNS && !self.stores.contains_key(&run) {
            return None;
        }
        let runs = &self.runs;
        let opened = self.stores.entry(run).or_insert_with_key(|run| {
            let store = run_store(run, runs)?;
            let dialect = store.get("dialect").ok()??;
            Some((store, dialect))
        });
        let (store, dialect) = opened.as_ref()?;
        let Form::Text(form) = &dialect.form else { return None };
        let (before, wanted) = (kept_cells(dialect, &store.source_of(number).ok()??), form.width);
        let same = |at: usize| {
            let now = row.cell(at).to_string();
            now.trim() == before.get(at).map(String::as_str).unwrap_or_default().trim()
        };
        let extra = self.extra.map(|extra| row.cell(extra).to_string()).unwrap_or_default();
        let has_surplus = before.len() > wanted && !extra.trim().is_empty();
        Some((0..wanted).all(same) && (before.len() < wanted || has_surplus))
    }
}
