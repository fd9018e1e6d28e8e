//! The files of a run, made from its store: rejects, unprocessed, unknown,
//! errors, results, summary.

use std::collections::BTreeMap;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::drift::dictionary_of;
use super::family::RetryTally;
use super::prepare::hex;
use super::promise::{Promise, Settling};
use super::{Event, Phase, PipelineError, Reporter};
use crate::model::{
    Calls, Code, Counts, Dictionary, Field, FieldKind, Notice, Outcome, RunState, Value, shown_path,
};
use crate::rules::additions::Addition;
use crate::rules::causes::{Cause, Example};
use crate::store::{KeptCell, Store, StoredFinding};
use crate::tabular::{
    BadCell, CsvOptions, Dialect, Mark, Output, OutputError, RejectWriter, TextTarget, csv_writer,
};

/// `summary.json`: how a run ended.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The run's id; none for `check`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// What was typed.
    pub command: String,
    /// Of an undo: the run that it takes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undo_of: Option<String>,
    /// Of a retry: what all retries of the run have come to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<RetryTally>,
    /// The object.
    pub object: String,
    /// `create`, `update`, `upsert` or `delete`; `undo`.
    pub mode: String,
    /// Where the run stands.
    pub state: String,
    /// Rows by outcome.
    pub rows: Counts,
    /// Requests by method.
    pub calls: Calls,
    /// Why rows were rejected, the commonest first.
    pub causes: Vec<Cause>,
    /// What dropdown lists gain; left out where they gain nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub additions: Vec<Addition>,
    /// Fields that are emptied, and in how many records; left out where none is.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub cleared: BTreeMap<String, u64>,
    /// What became of rows whose answer was lost; left out where there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settling>,
    /// What holds about records being doubled or missing; left out where none is created.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promise: Option<Promise>,
    /// Seconds, with three decimals.
    pub elapsed_s: f64,
    /// The files that were written, by kind.
    pub files: BTreeMap<String, String>,
}

/// Where the user wants files beside the run's folder.
#[derive(Clone, Debug, Default)]
pub struct OutputSettings {
    /// `--rejects FILE`
    pub rejects: Option<PathBuf>,
    /// `--results FILE`
    pub results: Option<PathBuf>,
}

/// Writes every file that the store has rows for; gives their paths by kind.
pub fn write_files(
    store: &Store,
    folder: &Path,
    run: &str,
    settings: &OutputSettings,
    reporter: &dyn Reporter,
) -> Result<BTreeMap<String, String>, PipelineError> {
    reporter.event(Event::Begin { phase: Phase::Write, what: run.to_owned(), total: None });
    let counts = store.counts()?;
    let planned_only = store.fact::<String>("state")? == RunState::Planned.word();
    let mut files = BTreeMap::new();
    for (outcome, stem) in
        [(Outcome::Rejected, "rejects"), (Outcome::Unprocessed, "unprocessed"), (Outcome::Unknown, "unknown")]
    {
        let nothing_yet = planned_only && outcome == Outcome::Unprocessed;
        if counts.get(outcome) > 0 && !nothing_yet {
            let path = write_kept(store, folder, run, outcome, stem, reporter)?;
            files.insert(stem.to_owned(), path.display().to_string());
        } else {
            remove_outdated(store, folder, stem)?;
        }
    }
    let has_findings = counts.rejected + counts.unknown > 0;
    let path = folder.join("errors.jsonl");
    if !has_findings && path.is_file() {
        // As for files of rows: what it told does not stand any longer.
        let _ = std::fs::remove_file(&path);
    }
    if has_findings {
        write_whole(&path, |out| write_errors(store, out))?;
        files.insert("errors".to_owned(), path.display().to_string());
    }
    let path = folder.join("results.csv");
    let keys: Vec<String> = store.fact("match")?;
    write_whole(&path, |out| write_results(store, &keys, out))?;
    files.insert("results".to_owned(), path.display().to_string());
    copy_where_asked(&mut files, "rejects", settings.rejects.as_deref())?;
    copy_where_asked(&mut files, "results", settings.results.as_deref())?;
    reporter.event(Event::End(Phase::Write));
    Ok(files)
}

fn write_kept(
    store: &Store,
    folder: &Path,
    run: &str,
    outcome: Outcome,
    stem: &str,
    reporter: &dyn Reporter,
) -> Result<PathBuf, PipelineError> {
    let dialect: Dialect = store.fact("dialect")?;
    let surplus: bool = store.get("surplus_cells")?.unwrap_or(false);
    let (path, edited) = free_name(store, folder, stem, &dialect)?;
    if let Some(edited) = edited {
        reporter.event(Event::Notice(Notice(format!(
            "{} was edited since it was written, so it stays as it is; the rows as they stand now are in {}",
            shown_path(&edited),
            shown_path(&path)
        ))));
    }
    let mut writer = RejectWriter::create_at(&path, &dialect, surplus, true)?;
    let dictionary = dictionary_of(store)?;
    store.each_kept(outcome, |kept| -> Result<(), PipelineError> {
        let status = kept.status.map(|status| status.to_string()).unwrap_or_default();
        let (code, errors) = (kept.codes.join("; "), kept.errors.join("; "));
        let bad: Vec<BadCell<'_>> = kept.cells.iter().map(|cell| bad_cell(cell, &dictionary)).collect();
        let mark = Mark { row: kept.row, run, status: &status, code: &code, errors: &errors };
        writer.write_with(&kept.source, &mark, &bad)?;
        Ok(())
    })?;
    let path = writer.finish()?;
    note_written(store, &path)?;
    Ok(path)
}

/// A cell that is at fault, with the list that does not have its value.
fn bad_cell<'a>(cell: &'a KeptCell, dictionary: &'a Dictionary) -> BadCell<'a> {
    let is_of_list = cell.code == Code::Lookup.word();
    let field = cell.field.as_deref().filter(|_| is_of_list);
    let of_list = field.and_then(|field| dictionary.get(field));
    BadCell { address: &cell.address, message: &cell.message, of_list }
}

/// The name for a file of rows: `STEM.csv` and the like, or one with a number
/// where the user has edited the one that is there, which comes second.
fn free_name(
    store: &Store,
    folder: &Path,
    stem: &str,
    dialect: &Dialect,
) -> Result<(PathBuf, Option<PathBuf>), PipelineError> {
    let first = folder.join(RejectWriter::file_name(stem, dialect));
    if is_own(store, &first)? {
        return Ok((first, None));
    }
    let mut number = 2;
    loop {
        let next = folder.join(RejectWriter::file_name(&format!("{stem}-{number}"), dialect));
        if is_own(store, &next)? {
            return Ok((next, Some(first)));
        }
        number += 1;
    }
}

/// Whether a file of this name may be written over: there is none, or it is
/// as the run wrote it.
fn is_own(store: &Store, path: &Path) -> Result<bool, PipelineError> {
    let Ok(now) = hash_of(path) else { return Ok(!path.exists()) };
    let written: BTreeMap<String, String> = store.get("written")?.unwrap_or_default();
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // A run of an earlier version did not note what it wrote.
    Ok(written.get(&name).is_none_or(|known| *known == now))
}

fn note_written(store: &Store, path: &Path) -> Result<(), PipelineError> {
    let fault =
        |error: std::io::Error| PipelineError::Fault(format!("cannot read {}: {error}", shown_path(path)));
    let hash = hash_of(path).map_err(fault)?;
    let mut written: BTreeMap<String, String> = store.get("written")?.unwrap_or_default();
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    written.insert(name, hash);
    store.set("written", &written)?;
    Ok(())
}

/// Takes away a file of rows of which none is left, unless the user edited it.
fn remove_outdated(store: &Store, folder: &Path, stem: &str) -> Result<(), PipelineError> {
    let dialect: Dialect = store.fact("dialect")?;
    let path = folder.join(RejectWriter::file_name(stem, &dialect));
    if path.is_file() && is_own(store, &path)? {
        // It can be made again from the store, and is told nowhere.
        let _ = std::fs::remove_file(&path);
    }
    Ok(())
}

fn hash_of(path: &Path) -> std::io::Result<String> {
    let (mut file, mut hash, mut chunk) = (std::fs::File::open(path)?, Sha256::new(), [0; 16 * 1024]);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hex(&hash.finalize())),
            read => hash.update(&chunk[..read]),
        }
    }
}

/// Writes a file of the run under a temporary name and puts it in place whole.
/// A run's own file may be written again: it is made from the store.
pub fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<(), PipelineError>,
) -> Result<(), PipelineError> {
    let fault =
        |error: std::io::Error| PipelineError::Fault(format!("cannot write {}: {error}", shown_path(path)));
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(fault)?;
    let mut out = BufWriter::new(file.as_file_mut());
    write(&mut out)?;
    out.flush().map_err(fault)?;
    drop(out);
    file.as_file().sync_all().map_err(fault)?;
    file.persist(path).map_err(|error| fault(error.error))?;
    Ok(())
}

/// A line of `errors.jsonl`, in the contract's order of fields.
#[derive(Serialize)]
struct ErrorLine<'a> {
    row: u64,
    cell: &'a Option<String>,
    column: &'a Option<String>,
    field: &'a Option<String>,
    code: &'a str,
    message: &'a str,
    value: &'a Option<String>,
    stage: &'a str,
}

fn write_errors(store: &Store, out: &mut dyn Write) -> Result<(), PipelineError> {
    store.each_finding(|found: StoredFinding| {
        let line = ErrorLine {
            row: found.row,
            cell: &found.cell,
            column: &found.column,
            field: &found.field,
            code: &found.code,
            message: &found.message,
            value: &found.value,
            stage: &found.stage,
        };
        let fault = |error: String| PipelineError::Fault(format!("cannot write errors.jsonl: {error}"));
        let json = serde_json::to_string(&line).map_err(|error| fault(error.to_string()))?;
        writeln!(out, "{json}").map_err(|error| fault(error.to_string()))
    })
}

fn write_results(store: &Store, keys: &[String], out: &mut dyn Write) -> Result<(), PipelineError> {
    let id_at = keys.iter().position(|key| key == "id");
    let given = keys.iter().map(String::as_str).filter(|key| *key != "id");
    let names: Vec<&str> = ["_row"].into_iter().chain(given).chain(["id", "outcome"]).collect();
    let fields: Vec<Field> = names.iter().map(|name| Field::new(*name, FieldKind::Memo)).collect();
    // A machine reads it, so no cell gets a formula guard.
    let options = CsvOptions { excel: false, guard: false };
    let mut table = csv_writer(TextTarget::stream(out, "results.csv"), &fields, options)?;
    store.each_result(|result| -> Result<(), PipelineError> {
        let mut values = vec![Value::Text(result.row.to_string())];
        let given = result.key.into_iter().enumerate().filter(|(at, _)| Some(*at) != id_at);
        values.extend(given.map(|(_, value)| Value::Text(value)));
        values.resize(fields.len() - 2, Value::Null);
        values.push(result.record.map_or(Value::Null, |id| Value::Text(id.to_string())));
        values.push(Value::Text(result.outcome));
        table.write(&values)?;
        Ok(())
    })?;
    table.finish()?;
    Ok(())
}

fn copy_where_asked(
    files: &mut BTreeMap<String, String>,
    kind: &str,
    target: Option<&Path>,
) -> Result<(), PipelineError> {
    let (Some(target), Some(from)) = (target, files.get(kind)) else { return Ok(()) };
    let copy = || -> Result<(), OutputError> {
        let mut to = Output::create(target, false)?;
        let mut source = std::fs::File::open(from).map_err(|error| to.fault(error))?;
        std::io::copy(&mut source, &mut to).map_err(|error| to.fault(error))?;
        to.commit().map(drop)
    };
    copy().map_err(|OutputError { file, problem }| {
        PipelineError::Fault(format!("cannot write {file}: {problem}; the same file stands in {from}"))
    })?;
    files.insert(kind.to_owned(), target.display().to_string());
    Ok(())
}

/// The causes of a run, from its findings.
pub fn causes(store: &Store) -> Result<Vec<Cause>, PipelineError> {
    let mut causes = crate::rules::causes::Causes::default();
    store.each_finding(|found| -> Result<(), PipelineError> {
        causes.add_stored(
            &found.field,
            &found.code,
            found.cause.as_ref().unwrap_or(&found.message),
            Example { row: found.row, value: found.value },
        );
        Ok(())
    })?;
    Ok(causes.sorted())
}

/// Seconds with three decimals.
pub fn seconds(elapsed: std::time::Duration) -> f64 {
    (elapsed.as_secs_f64() * 1000.0).round() / 1000.0
}
