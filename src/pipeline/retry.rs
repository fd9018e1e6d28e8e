//! Importing the rejected rows of a run again, from the corrected reject file.
//!
//! A retry is an import of that file with the run's own mapping and rules.
//! Each row must name, by `_run` and `_row`, a row that the run rejected and
//! that no retry has fixed since: nothing is sent twice because a file holds
//! more rows than it should. `family` knows what became of the rows.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::again::{Again, Hindrance};
use super::family::{Family, RowStanding};
use super::import::Typed;
use super::outputs::write_whole;
use super::prepare::io_words;
use super::resume::open;
use super::run::Tools;
use super::send::OnUnknown;
use super::{Event, Job, PipelineError};
use crate::model::{Code, Finding, Notice, ROW_COLUMN, RUN_COLUMN, Row, Stage, shown, shown_path};
use crate::rules::draft::finding;
use crate::rules::names::folded;
use crate::rules::program::{Fault, Program};
use crate::store::{RunFolder, RunName, Store};
use crate::tabular::Form;

/// A run whose rejected rows can be imported again, and how.
#[derive(Debug)]
pub struct Retry {
    /// The first run: the one that the rows were rejected by at first.
    pub first: String,
    /// The corrected reject file.
    pub file: PathBuf,
    /// How the run read and mapped its file.
    pub typed: Typed,
    /// The same as it was typed.
    pub mapped_by: Option<String>,
    /// Its reference field.
    pub reference: Option<String>,
    /// What becomes of rows that cannot be settled.
    pub on_unknown: OnUnknown,
    /// The runs, held so that nobody else sends the same rows meanwhile.
    _held: Vec<RunFolder>,
}

/// Opens a run to retry its rejected rows; without a file, those of its own reject file.
pub fn open_retry(
    runs: &Path,
    name: &RunName,
    base_url: &str,
    file: Option<PathBuf>,
    tools: Tools<'_>,
) -> Result<Retry, PipelineError> {
    let (folder, store) = open(runs, name, base_url, "retry")?;
    let run = folder.run.clone();
    refuse_without_rejects(&store, &run)?;
    let file = match file {
        Some(file) => file,
        None => reject_file(&folder)?,
    };
    let typed: Option<Typed> = store.get("typed")?;
    let Some(typed) = typed else {
        let message =
            format!("run {run} is of an earlier version of carafe, which did not keep how it was begun");
        return Err(PipelineError::usage(
            message,
            format!("import {} with its mapping", shown(&file.display().to_string())),
        ));
    };
    let mapping = mapping_of(&store, &folder, tools)?;
    let first = store.get::<String>("retry_of")?.unwrap_or_else(|| run.clone());
    let mut retry = Retry {
        file,
        typed: Typed { mapping, limit: None, ..typed },
        mapped_by: store.get("mapped_by")?,
        reference: store.get("ref_field")?.flatten(),
        on_unknown: store.get("on_unknown")?.unwrap_or_default(),
        first: first.clone(),
        _held: vec![folder],
    };
    if first != run {
        retry._held.push(RunFolder::open(runs, &RunName(first))?);
    }
    Ok(retry)
}

fn refuse_without_rejects(store: &Store, run: &str) -> Result<(), PipelineError> {
    let (message, advice) = if let Some(first) = store.get::<String>("undo_of")? {
        let message = format!("run {run} is an undo; its rows cannot be imported again");
        (message, format!("try once more to undo what was kept: carafe undo {first}"))
    } else if !store.get("plan_complete")?.unwrap_or(false) {
        let message = format!("run {run} was interrupted while it planned; nothing of it was sent");
        (message, format!("go on with it: carafe resume {run}"))
    } else if store.counts()?.rejected == 0 {
        let message = format!("run {run} rejected no row; there is nothing to retry");
        (message, format!("see what became of its rows: carafe runs {run}"))
    } else {
        return Ok(());
    };
    Err(PipelineError::usage(message, advice))
}

/// The reject file that the run told of when it ended.
fn reject_file(folder: &RunFolder) -> Result<PathBuf, PipelineError> {
    let summary = std::fs::read_to_string(folder.path.join("summary.json")).unwrap_or_default();
    let summary: serde_json::Value = serde_json::from_str(&summary).unwrap_or_default();
    let told = summary["files"]["rejects"].as_str().map(PathBuf::from);
    let Some(told) = told else {
        let message = format!("run {} has written no reject file yet", folder.run);
        return Err(PipelineError::usage(message, format!("let it end first: carafe resume {}", folder.run)));
    };
    // Its path is as it was seen from where the run was begun.
    let inside = told.file_name().map(|name| folder.path.join(name));
    let found = [Some(told.clone()), inside].into_iter().flatten().find(|path| path.is_file());
    found.ok_or_else(|| {
        let message = format!("the reject file {} is not there any more", shown(&told.display().to_string()));
        PipelineError::usage(message, format!("name the corrected file: carafe retry {} FILE", folder.run))
    })
}

/// The run's mapping file as it is now, for who corrects it too; where it is
/// gone, the text that the run kept.
fn mapping_of(store: &Store, folder: &RunFolder, tools: Tools<'_>) -> Result<Option<PathBuf>, PipelineError> {
    let Some(path) = store.get::<PathBuf>("mapping_path")? else { return Ok(None) };
    let tell = |message: String| tools.reporter.event(Event::Notice(Notice(message)));
    let (kept, run): (String, &str) = (store.fact("mapping")?, &folder.run);
    let name = shown(&path.display().to_string()).to_string();
    match std::fs::read(&path) {
        Ok(now) => {
            if now != kept.as_bytes() {
                tell(format!("with the mapping {name} as it is now: it changed since run {run}"));
            }
            Ok(Some(path))
        }
        Err(error) => {
            let copy = folder.path.join("mapping.yaml");
            let fault = |error| PipelineError::Fault(format!("cannot write {}: {error}", shown_path(&copy)));
            write_whole(&copy, |out| out.write_all(kept.as_bytes()).map_err(fault))?;
            let why = io_words(&error);
            tell(format!("with the mapping that run {run} was planned with, as it kept it: {name}: {why}"));
            Ok(Some(copy))
        }
    }
}

/// Tells for each row of a file which rejected row it corrects.
pub(super) struct RetryRows {
    family: Family,
    row_at: usize,
    run_at: usize,
    /// The row of this file that corrects a row of the first run.
    seen: HashMap<u64, u64>,
    again: Option<Again>,
}

/// Without a mapping the columns say which fields are meant, so one that is not
/// there any more would go unnoticed. JSON Lines have no columns to be missed.
fn refuse_without_columns(job: &Job, family: &Family) -> Result<(), PipelineError> {
    if !job.mapping.text.is_empty() || matches!(job.source.dialect().form, Form::Json(_)) {
        return Ok(());
    }
    let columns = &job.source.header().columns;
    let is_there = |field: &String| columns.iter().any(|column| folded(&column.name) == folded(field));
    let missing: Vec<String> = family
        .filled()?
        .iter()
        .filter(|field| !is_there(field))
        .map(|field| format!("\"{field}\""))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let (file, first) = (shown(&job.input_name), family.first());
    let what = if missing.len() == 1 { "column" } else { "columns" };
    let missing = missing.join(", ");
    Err(PipelineError::usage(
        format!("{file} has no {what} {}, and the file of run {first} has", shown(&missing)),
        "put back what stands in the run's own reject file",
    ))
}

/// What a row of a retry's file is.
pub(super) enum Corrects {
    /// It corrects this row of the first run.
    Row(u64),
    /// It does, but comes as it was refused, and must not be sent so.
    AsRefused(u64, Finding),
    /// It corrects none.
    None(Finding),
}

impl RetryRows {
    /// None for a file without any column, which has no rows either.
    pub(super) fn of(job: &Job, runs: &Path, first: &str) -> Result<Option<Self>, PipelineError> {
        let header = job.source.header();
        let (Some(row_at), Some(run_at)) = (header.reserved(ROW_COLUMN), header.reserved(RUN_COLUMN)) else {
            if header.columns.is_empty() {
                return Ok(None);
            }
            let file = shown(&job.input_name).to_string();
            let message =
                format!("{file} is no reject file: it has no columns {ROW_COLUMN} and {RUN_COLUMN}");
            return Err(PipelineError::usage(
                message,
                "correct the rows in the run's own reject file, and keep its columns",
            ));
        };
        let family = Family::of(runs, first)?;
        refuse_without_columns(job, &family)?;
        Ok(Some(Self { family, row_at, run_at, seen: HashMap::new(), again: Again::of(header, runs) }))
    }

    /// The row of the first run that this one corrects, or why there is none.
    pub(super) fn origin(&mut self, program: &Program, row: &Row) -> Result<Corrects, PipelineError> {
        let cell = |at: usize| row.cell(at).to_string().trim().to_owned();
        let (run, number) = (cell(self.run_at), cell(self.row_at));
        let refuse = |at: usize, value: &str, refusal: Refusal| {
            let Refusal { code, message, cause } = refusal;
            let fault = Fault { cause: Some(cause), ..Fault::new(code, Stage::Match, message) };
            let finding = finding(program, row.number, Some(at), None, fault, Some(value.to_owned()));
            Ok(Corrects::None(finding))
        };
        let (false, Ok(named)) = (run.is_empty(), number.parse::<u64>()) else {
            let (at, value) = if run.is_empty() { (self.run_at, &run) } else { (self.row_at, &number) };
            let cause = format!("names no row of run {}", self.family.first());
            return refuse(at, value, Refusal::not_rejected(cause.clone(), cause));
        };
        match self.family.standing(&run, named)? {
            RowStanding::Rejected(origin) => match self.seen.insert(origin, row.number) {
                None => Ok(self.corrected(program, row, origin)),
                Some(earlier) => {
                    self.seen.insert(origin, earlier);
                    let message =
                        format!("row {earlier} corrects the same row of run {}", self.family.first());
                    let cause = "an earlier row corrects the same row".to_owned();
                    refuse(self.row_at, &number, Refusal { code: Code::DuplicateInFile, message, cause })
                }
            },
            RowStanding::Stranger => {
                let cause = format!("names a row of another run than {}", self.family.first());
                let message = format!("{cause}: {}", shown(&run).cut(60));
                refuse(self.run_at, &run, Refusal::not_rejected(message, cause))
            }
            RowStanding::Other { message, cause } => {
                refuse(self.row_at, &number, Refusal::not_rejected(message, cause))
            }
        }
    }
}

impl RetryRows {
    /// A row that is meant, if it is not just as it was refused.
    fn corrected(&mut self, program: &Program, row: &Row, origin: u64) -> Corrects {
        let hindrance = self.again.as_mut().and_then(|again| again.hindrance(row));
        let Some(Hindrance { column, code, message }) = hindrance else { return Corrects::Row(origin) };
        let fault = Fault::new(code, Stage::Match, message);
        Corrects::AsRefused(origin, finding(program, row.number, Some(column), None, fault, None))
    }
}

/// Why a row is not imported again.
struct Refusal {
    code: Code,
    message: String,
    cause: String,
}

impl Refusal {
    fn not_rejected(message: String, cause: String) -> Self {
        Self { code: Code::NotRejected, message, cause }
    }
}
