//! Taking up an earlier run: a plan that was not sent yet, or a run that was
//! interrupted.
//!
//! The store has everything that is to be sent, so neither the file nor the
//! mapping is needed for that. But where one of them is there and is another
//! by now, the user expects something else to be sent: that is refused.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::drift::dictionary_of;
use super::import::Typed;
use super::linked::{is_linked, later_runs};
use super::prepare::{JobSettings, is_undescribed};
use super::run::{Input, PlannedRun, Tools};
use super::send::{doubt_finding, ended_by};
use super::source_keys::read_options;
use super::{Event, PipelineError};
use crate::crm::{Client, ListQuery, ReadQuery, Reader};
use crate::model::{Calls, Filter, Notice, RecordId, Row, RunState, shown};
use crate::rules::drift::{Change, drift};
use crate::rules::mapping::Mapping;
use crate::store::{RunFolder, RunName, Store, StoreError};
use crate::tabular::{Source, keep};

/// A run that is taken up again.
#[derive(Debug)]
pub enum Resumed {
    /// Some of its plan is still to be sent or settled.
    Open(PlannedRun),
    /// Its plan is whole, and nothing of it was sent.
    Unsent(PlannedRun),
    /// Nothing is left to be done but to write its files.
    Done(PlannedRun),
    /// It was interrupted while it planned: nothing was sent, and it must be planned again.
    Unplanned(Unplanned),
}

/// A run without a whole plan.
#[derive(Debug)]
pub struct Unplanned {
    /// The run's folder.
    pub folder: RunFolder,
    /// Its store.
    pub store: Store,
    /// Where the rows come from.
    pub input: Input,
    /// What was typed.
    pub typed: Typed,
    /// Its reference field.
    pub reference: Option<String>,
    /// Of a retry: the run whose rejected rows it corrects.
    pub retry_of: Option<String>,
    /// What becomes of rows that cannot be settled.
    pub on_unknown: super::send::OnUnknown,
    /// The plan is to be sent: no dry run.
    pub sends: bool,
}

/// Takes up the plan of an earlier dry run.
pub async fn open_plan(
    runs: &Path,
    name: &RunName,
    base_url: &str,
    tools: Tools<'_>,
) -> Result<PlannedRun, PipelineError> {
    let (folder, store) = open(runs, name, base_url, "apply")?;
    let state: String = store.fact("state")?;
    if state != RunState::Planned.word() {
        let run = &folder.run;
        let message = format!("run {run} is {state}; only a plan that was not sent yet can be applied");
        let advice = match state.as_str() {
            "finished" => "make a plan with: carafe import FILE -m MAPPING --dry-run".to_owned(),
            _ => format!("go on with it: carafe resume {run}"),
        };
        return Err(PipelineError::usage(message, advice));
    }
    let input: Input = store.fact("input")?;
    refuse_plan_of_retry(&store, &folder.run, &input)?;
    check_same(&store, &input, tools)?;
    check_fields(&store, tools).await?;
    let calls = store.get("calls")?.unwrap_or_default();
    Ok(PlannedRun { calls, ..PlannedRun::of(folder, store, input, Instant::now())? })
}

/// A plan holds no row back, so another retry may have fixed its rows by now:
/// which rows are still to be sent, only a new retry tells.
fn refuse_plan_of_retry(store: &Store, run: &str, input: &Input) -> Result<(), PipelineError> {
    let Some(first) = store.get::<String>("retry_of")? else { return Ok(()) };
    let message =
        format!("run {run} is the plan of a retry; its rows may have been fixed by another one since");
    let file = shown(&input.name).to_string();
    Err(PipelineError::usage(message, format!("begin anew with {file}: carafe retry {first} FILE")))
}

/// Takes up a run that was interrupted, in whatever way; `sends` says that
/// rows are to be sent which were not yet.
pub async fn open_interrupted(
    runs: &Path,
    name: &RunName,
    base_url: &str,
    sends: bool,
    tools: Tools<'_>,
) -> Result<Resumed, PipelineError> {
    let (folder, mut store) = open(runs, name, base_url, "resume")?;
    let run = folder.run.clone();
    let state: String = store.fact("state")?;
    let input: Input = store.fact("input")?;
    if !store.get("plan_complete")?.unwrap_or(false) {
        if store.get::<String>("undo_of")?.is_none() {
            check_same(&store, &input, tools)?;
        }
        return unplanned(folder, store, input).map(Resumed::Unplanned);
    }
    if state == RunState::Planned.word() {
        // Killed between its plan and its first row: it was to be sent.
        if store.get("sends")?.unwrap_or(false) {
            check_same(&store, &input, tools)?;
            if store.get::<String>("retry_of")?.is_some() {
                // Another retry may have fixed its rows since.
                return unplanned(folder, store, input).map(Resumed::Unplanned);
            }
            check_fields(&store, tools).await?;
            let calls = store.get("calls")?.unwrap_or_default();
            let planned = PlannedRun::of(folder, store, input, Instant::now())?;
            return Ok(Resumed::Unsent(PlannedRun { calls, ..planned }));
        }
        refuse_plan_of_retry(&store, &run, &input)?;
        let message = format!("run {run} is a plan of which nothing was sent yet");
        return Err(PipelineError::usage(message, format!("send it with: carafe apply {run}")));
    }
    let now = tools.clock.now().to_string();
    let lost = store.doubt_open_attempts(&now, |row| {
        doubt_finding(row, "the program ended before the CRM answered".to_owned())
    })?;
    if lost > 0 {
        tools.reporter.event(Event::Notice(Notice(format!(
            "{} under way when the program ended: the CRM is asked about them before anything is sent again",
            if lost == 1 { "one row was".to_owned() } else { format!("{lost} rows were") }
        ))));
    }
    let counts = store.counts()?;
    let (post, patch, delete) = store.attempted()?;
    let calls = store.get::<Calls>("calls")?.unwrap_or_default().at_least(post, patch, delete);
    let is_open = store.has_open_rows()? || counts.unknown > 0;
    if is_open {
        // An undo goes by what the run did that it takes back, whatever became of its file.
        if store.get::<String>("undo_of")?.is_none() {
            check_same(&store, &input, tools)?;
        }
        match undone_by(runs, &store, &run)? {
            // The records that the run made are gone, and say nothing about the CRM.
            Some(undo) => tools.reporter.event(Event::Notice(Notice(format!(
                "run {run} was undone by run {undo}; what it left open is gone on with all the same"
            )))),
            None => check_same_crm(&store, tools.client).await?,
        }
        if sends {
            check_fields(&store, tools).await?;
        }
    }
    let planned = PlannedRun { calls, ..PlannedRun::of(folder, store, input, Instant::now())? };
    Ok(if is_open { Resumed::Open(planned) } else { Resumed::Done(planned) })
}

/// Opens a run's store, if it is of this CRM.
pub(super) fn open(
    runs: &Path,
    name: &RunName,
    base_url: &str,
    act: &str,
) -> Result<(RunFolder, Store), PipelineError> {
    let folder = RunFolder::open(runs, name)?;
    let store = Store::open(&folder.store_file())?;
    // A page that does not read would else be met in the middle of sending.
    store.check_whole()?;
    if store.get::<String>("base_url")?.is_none() {
        return Err(StoreError::NotBegun { file: folder.store_file() }.into());
    }
    refuse_other_crm(&store, &folder.run, base_url, act)?;
    Ok((folder, store))
}

/// A run's records are in one CRM; `act` is what was to be done with it.
pub(super) fn refuse_other_crm(
    store: &Store,
    run: &str,
    base_url: &str,
    act: &str,
) -> Result<(), PipelineError> {
    let planned_for: String = store.fact("base_url")?;
    if planned_for == base_url {
        return Ok(());
    }
    let message = format!("run {run} was planned for {planned_for}, and this is {base_url}");
    Err(PipelineError::usage(message, format!("{act} it with the same --base-url or --sandbox")))
}

fn unplanned(folder: RunFolder, store: Store, input: Input) -> Result<Unplanned, PipelineError> {
    let Some(typed) = store.get("typed")? else {
        let message =
            format!("run {} was interrupted before its plan was whole; nothing was sent", folder.run);
        let advice = match store.get::<String>("undo_of")? {
            Some(first) => format!("carafe undo {first}"),
            None => "import the file again".to_owned(),
        };
        return Err(PipelineError::usage(message, advice));
    };
    Ok(Unplanned {
        input,
        typed,
        reference: store.get("ref_field")?.flatten(),
        retry_of: store.get("retry_of")?,
        on_unknown: store.get("on_unknown")?.unwrap_or_default(),
        sends: store.get("sends")?.unwrap_or(true),
        folder,
        store,
    })
}

/// Refuses a file or a mapping that is another than the run planned with.
fn check_same(store: &Store, input: &Input, tools: Tools<'_>) -> Result<(), PipelineError> {
    check_same_mapping(store, tools)?;
    check_same_input(store, input, tools)
}

fn check_same_mapping(store: &Store, tools: Tools<'_>) -> Result<(), PipelineError> {
    let Some(path) = store.get::<PathBuf>("mapping_path")? else { return Ok(()) };
    let before: String = store.fact("mapping")?;
    let name = shown(&path.display().to_string()).to_string();
    let Ok(now) = std::fs::read_to_string(&path) else {
        let notice = format!("the mapping {name} cannot be read; the plan has what it needs of it");
        tools.reporter.event(Event::Notice(Notice(notice)));
        return Ok(());
    };
    if now == before {
        return Ok(());
    }
    let (mut old, mut new) = (before.lines(), now.lines());
    let mut line = 0;
    let (was, is) = loop {
        line += 1;
        match (old.next(), new.next()) {
            (None, None) => break (None, None),
            (was, is) if was != is => break (was, is),
            _ => {}
        }
    };
    let words = |line: Option<&str>| match line {
        Some(line) => format!("\"{}\"", shown(line.trim()).cut(80)),
        None => "nothing".to_owned(),
    };
    let message = format!(
        "the mapping {name} changed since the run was planned: line {line} was {} and is {}",
        words(was),
        words(is)
    );
    Err(PipelineError::usage(message, "put it back as it was; or import the file again with the new mapping"))
}

fn check_same_input(store: &Store, input: &Input, tools: Tools<'_>) -> Result<(), PipelineError> {
    let name = shown(&input.name).to_string();
    let source = match open_source(store, input) {
        Ok(source) => source,
        Err(_) if !input.path.exists() => {
            let notice = format!("{name} is not there any more; the plan has what it needs of it");
            tools.reporter.event(Event::Notice(Notice(notice)));
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    if source.fingerprint()?.sha256 == input.sha256 {
        return Ok(());
    }
    let place = match first_difference(store, &source) {
        Some(row) => format!("row {row} is the first that differs"),
        None => "its rows are the same, and other bytes are not".to_owned(),
    };
    let message = format!("{name} changed since the run was planned: {place}");
    let advice = "put the file back as it was and go on; changed rows go into an import of their own";
    Err(PipelineError::usage(message, advice))
}

/// Opens the file as the run opened it.
fn open_source(store: &Store, input: &Input) -> Result<Source, PipelineError> {
    let text: String = store.fact("mapping")?;
    let mapping = match text.is_empty() {
        true => None,
        false => Some(Mapping::parse_what_reads("mapping", &text)?.0),
    };
    let settings = JobSettings::of_file(&input.path);
    Ok(Source::open(&input.path, &read_options(mapping.as_ref(), &settings)?)?)
}

/// The first row that is not as the store has it.
fn first_difference(store: &Store, source: &Source) -> Option<u64> {
    let (mut rows, mut row) = (source.rows().ok()?, Row::default());
    let mut last = 0;
    while rows.read(&mut row).ok()? {
        if store.source_of(row.number).ok()?.as_deref() != Some(keep(&row).as_slice()) {
            return Some(row.number);
        }
        last = row.number;
    }
    // Rows may be missing at the end.
    store.row_after(last).ok()?
}

/// Tells what the CRM has changed about the fields since the plan was made;
/// refuses to go on where each new record would lack something by now.
async fn check_fields(store: &Store, tools: Tools<'_>) -> Result<(), PipelineError> {
    let typed: Typed = store.get("typed")?.unwrap_or_default();
    if typed.dictionary.is_some() {
        // The user knows better than the CRM what its fields are.
        return Ok(());
    }
    let before = dictionary_of(store)?;
    let now = match tools.client.dictionary(&before.object).await {
        Ok(now) => now,
        // A CRM that does not describe this object was not asked for it before either.
        Err(error) if ended_by(&error).is_none() || is_undescribed(&error) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let filled: Vec<String> = store.get("filled")?.unwrap_or_default();
    let filled: Vec<&str> = filled.iter().map(String::as_str).collect();
    let drifted = drift(&before, &now, &filled, store.has_open_creates()?);
    for drift in &drifted {
        let notice = format!("since the plan was made: {}", drift.message);
        tools.reporter.event(Event::Notice(Notice(notice)));
    }
    let lacking = drifted
        .iter()
        .find(|drift| drift.change == Change::Required && !filled.contains(&drift.field.as_str()));
    match lacking {
        None => Ok(()),
        Some(drift) => Err(PipelineError::usage(
            format!("{}; the plan does not fill it, so no further row is sent", drift.message),
            "import the file again with a mapping that fills it",
        )),
    }
}

/// The undo that took a run's records away, if there is one.
fn undone_by(runs: &Path, store: &Store, run: &str) -> Result<Option<String>, PipelineError> {
    let object: String = store.fact("object")?;
    let found = later_runs(runs, &object, run).find(|(_, undo)| is_linked(undo, "undo_of", run));
    Ok(found.map(|(undo, _)| undo))
}

/// Refuses a CRM that has none of the records which the run made: the token
/// may be another tenant's.
async fn check_same_crm(store: &Store, client: &Client) -> Result<(), PipelineError> {
    let made = store.some_made(100)?;
    let Some(first) = made.first() else { return Ok(()) };
    let object: String = store.fact("object")?;
    if some_of(client, &object, &made).await? {
        return Ok(());
    }
    // An empty answer to a list that cannot be empty is no proof; the list itself may be.
    let any = client.list(&object, &ListQuery { limit: 1, ..ListQuery::default() }).await?;
    let object = shown(&object).to_string();
    let has = if any.records.is_empty() { "no records at all" } else { "other records" };
    let message = format!(
        "this CRM has none of the {} records of {object} that the run created (id {first} is one): it has {has}; \
         the access token may be another company's",
        made.len()
    );
    Err(PipelineError::usage(message, "resume with the token that the run began with"))
}

/// Whether the CRM has any of these records, at most a hundred.
pub(super) async fn some_of(client: &Client, object: &str, ids: &[RecordId]) -> Result<bool, PipelineError> {
    let ids = ids.iter().map(|id| RecordId::to_value(*id)).collect();
    let query = ReadQuery { filter: Some(Filter::any_of("id", ids)), limit: Some(1), ..ReadQuery::default() };
    let (found, _) = Reader::new(client, object, query)?.all().await?;
    Ok(!found.is_empty())
}
