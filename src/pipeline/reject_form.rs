//! Reading a reject file in the encoding of the file that its rows came from.
//!
//! A reject file keeps the encoding of its source, and may hold so few letters
//! beyond ASCII that a guess goes wrong where the source's many letters did
//! not. The run that wrote it knows better.

use std::path::Path;

use super::prove::run_store;
use super::{Event, JobSettings, PipelineError, Reporter};
use crate::model::{Code, Notice, RUN_COLUMN, Row, shown};
use crate::store::{Store, StoreError, StoredFinding};
use crate::tabular::{Dialect, Form, ReadOptions, Source};

/// Rows that are looked at for the name of a run: where the first few have none,
/// the file is no reject file.
const MOST_ROWS: usize = 20;

/// Opens the input; a reject file in the encoding that its run knows.
pub(super) fn open_source(
    settings: &JobSettings,
    options: ReadOptions,
    reporter: &dyn Reporter,
) -> Result<Source, PipelineError> {
    let source = Source::open(&settings.input, &options)?;
    let runs = settings.earlier.as_ref().map(|earlier| earlier.runs.as_path());
    let Some((run, encoding)) = runs.and_then(|runs| better_encoding(&source, &options, runs)) else {
        return Ok(source);
    };
    reporter.event(Event::Notice(Notice(format!(
        "encoding {encoding}, as run {} read the file that these rows came from; if that is wrong, set source: \
         {{ encoding: … }} in the mapping",
        shown(&run)
    ))));
    Ok(source.again(&ReadOptions { encoding: Some(encoding), ..options })?)
}

/// The run that wrote the file and the encoding that it knows, where the one
/// that the file was opened with was guessed and is another.
///
/// Only a guess gives way: a byte-order mark, what the mapping says and text
/// that is UTF-8 stand, as the file may have been saved anew since.
fn better_encoding(source: &Source, options: &ReadOptions, runs: &Path) -> Option<(String, String)> {
    let guessed = encoding(source.dialect())?;
    if options.encoding.is_some() || is_unicode(guessed) {
        return None;
    }
    let run = run_named(source)?;
    let store = run_store(&run, runs)?;
    let dialect: Dialect = store.fact("dialect").ok()?;
    let known = encoding(&dialect)?;
    // A source in UTF-8 has rejects that are not UTF-8 only where its own rows
    // had such bytes; else the file was saved in another encoding since.
    let may_be_broken = known == "utf-8" && has_undecodable_rows(&store);
    (known != guessed && (!is_unicode(known) || may_be_broken)).then(|| (run, known.to_owned()))
}

fn encoding(dialect: &Dialect) -> Option<&str> {
    match &dialect.form {
        Form::Text(form) => Some(&form.encoding),
        Form::Sheet(_) | Form::Json(_) => None,
    }
}

fn is_unicode(encoding: &str) -> bool {
    encoding.starts_with("utf-")
}

/// The run that the first rows name.
fn run_named(source: &Source) -> Option<String> {
    let place = source.header().reserved(RUN_COLUMN)?;
    let (mut rows, mut row) = (source.rows().ok()?, Row::default());
    for _ in 0..MOST_ROWS {
        if !rows.read(&mut row).ok()? {
            return None;
        }
        let run = row.cell(place).to_string();
        if !run.trim().is_empty() {
            return Some(run.trim().to_owned());
        }
    }
    None
}

fn has_undecodable_rows(store: &Store) -> bool {
    let mut found = false;
    let look = |finding: StoredFinding| {
        found |= finding.code == Code::Encoding.word();
        Ok::<(), StoreError>(())
    };
    store.each_finding(look).is_ok() && found
}
