//! Planning an import: check the file, store what would be done.
//!
//! Planning and sending are apart, so that a person can be asked in between,
//! and so that `apply` can send what a dry run planned.

use std::path::PathBuf;
use std::time::Instant;

use super::check::{CheckOptions, check};
use super::drift::{absolute, store_fields};
use super::export::latest_change;
use super::origins::Origins;
use super::plan::Planner;
use super::prepare::unguarded_notice;
use super::retry::RetryRows;
use super::run::{Input, PlannedRun, Tools, note_high_water};
use super::send::{OnUnknown, blocking, needs_high_water};
use super::{Event, Job, PipelineError};
use crate::crm::NextStep;
use crate::model::{Calls, Counts, FieldKind, Notice, RunState, shown};
use crate::store::{RunFolder, Store};
use crate::tabular::Fingerprint;

/// How an import is planned, beside its file and mapping.
#[derive(Clone, Debug)]
pub struct ImportSettings {
    /// Where runs are kept.
    pub runs: PathBuf,
    /// The CRM's address, to be compared when the plan is applied.
    pub base_url: String,
    /// Only the first rows.
    pub limit: Option<u64>,
    /// `--ref-field`: a text field that carries each new record's reference.
    pub reference: Option<String>,
    /// `--on-unknown`
    pub on_unknown: OnUnknown,
    /// How the file is to be read again, should planning be interrupted.
    pub typed: Typed,
    /// The plan is to be sent, as far as nobody says no: no dry run.
    pub sends: bool,
    /// The same as it was typed, for commands that are advised.
    pub mapped_by: Option<String>,
    /// Of a retry: the run whose rejected rows the file corrects.
    pub retry_of: Option<String>,
}

/// What was typed, as far as it decides on the plan: a run that was
/// interrupted while it planned is planned again by it.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Typed {
    /// The mapping file, from the root on.
    pub mapping: Option<PathBuf>,
    /// `--object`
    pub object: Option<String>,
    /// `--mode`
    pub mode: Option<String>,
    /// `--on-blank`
    pub on_blank: Option<String>,
    /// `--limit`
    pub limit: Option<u64>,
    /// `--dictionary`, from the root on.
    #[serde(default)]
    pub dictionary: Option<PathBuf>,
    /// The folder of files that go with documents, from the root on.
    #[serde(default)]
    pub files: Option<PathBuf>,
}

/// Checks the file and stores a plan for it. Nothing is sent to be stored.
pub async fn plan_import(
    job: &mut Job,
    settings: &ImportSettings,
    tools: Tools<'_>,
) -> Result<PlannedRun, PipelineError> {
    check_reference(job, settings.reference.as_deref())?;
    let retry = retry_rows(job, settings)?;
    let rows = check_rows(job, settings, tools)?;
    let now = jiff::tz::Offset::UTC.to_datetime(tools.clock.now());
    let folder = RunFolder::create(&settings.runs, &job.program.object, now)?;
    let store = Store::create(&folder.store_file())?;
    plan_into(folder, store, job, settings, (rows, retry), tools).await
}

/// Plans anew a run that was interrupted while it planned: nothing of it was sent.
pub async fn plan_again(
    folder: RunFolder,
    mut store: Store,
    job: &mut Job,
    settings: &ImportSettings,
    tools: Tools<'_>,
) -> Result<PlannedRun, PipelineError> {
    let retry = retry_rows(job, settings)?;
    let rows = check_rows(job, settings, tools)?;
    store.clear_plan()?;
    plan_into(folder, store, job, settings, (rows, retry), tools).await
}

/// Of a retry: what tells the rows that are meant from those that are not.
fn retry_rows(job: &Job, settings: &ImportSettings) -> Result<Option<RetryRows>, PipelineError> {
    match &settings.retry_of {
        Some(first) => RetryRows::of(job, &settings.runs, first),
        None => Ok(None),
    }
}

/// Pass one; the answer is how many rows there are.
fn check_rows(job: &mut Job, settings: &ImportSettings, tools: Tools<'_>) -> Result<u64, PipelineError> {
    let options = CheckOptions { limit: settings.limit, duplicates: false };
    let checked = blocking(|| check(job, options, tools.reporter, tools.stop, |_| {}))?;
    if checked.unguarded > 0 {
        tools.reporter.event(Event::Notice(unguarded_notice(checked.unguarded)));
    }
    if checked.read == 0 {
        let name = shown(&job.input_name);
        let notice = Notice(format!("{name} has no data rows; there is nothing to do"));
        tools.reporter.event(Event::Notice(notice));
    }
    checked.possible.spell(&mut job.program);
    Ok(checked.read)
}

async fn plan_into(
    folder: RunFolder,
    mut store: Store,
    job: &Job,
    settings: &ImportSettings,
    (rows, retry): (u64, Option<RetryRows>),
    tools: Tools<'_>,
) -> Result<PlannedRun, PipelineError> {
    let begun = Instant::now();
    // Of a run that is planned anew: what the process sent that was interrupted.
    let before: Calls = store.get("calls")?.unwrap_or_default();
    let input = store.together(|store| store_facts(store, job, settings, &folder, tools))?;
    // A plan that the power cuts off is made anew: it need not be on disk before it is whole.
    store.wait_for_disk(false)?;
    let planned = async {
        let planner = Planner::new(job, &folder, &mut store, settings.reference.as_deref(), tools)?;
        let latest_change = latest_change(&job.input_path, &job.dictionary, &settings.base_url);
        let planner = planner.exported(latest_change);
        let counts = planner.only(retry).run(settings.limit, rows).await?;
        // Records that others create from now on are above it, so that `apply` can look for them.
        let key: Vec<String> = job.program.key_names().into_iter().map(str::to_owned).collect();
        if store.has_open_creates()? && needs_high_water(&key, settings.reference.as_deref()) {
            note_high_water(&store, &job.dictionary, tools.client).await?;
        }
        Ok::<Counts, PipelineError>(counts)
    };
    let planned = planned.await;
    store.wait_for_disk(true)?;
    let counts = match planned {
        Ok(counts) => counts,
        Err(error) => {
            store.set("state", state_after(&error).word())?;
            store.set("calls", &before.and(tools.client.calls()))?;
            return Err(error);
        }
    };
    // As one: a whole plan that is not called planned would be sent by `resume`
    // without the question that is due before records are deleted.
    store.together(|store| {
        store.set("plan_complete", &true)?;
        store.set("state", RunState::Planned.word())?;
        store.set("calls", &before.and(tools.client.calls()))
    })?;
    let planned = PlannedRun::counted(folder, store, input, begun, counts)?;
    Ok(PlannedRun { calls: before, is_fresh: true, ..planned })
}

/// The state of a run whose planning ended early; `resume` plans it again.
fn state_after(error: &PipelineError) -> RunState {
    match error {
        PipelineError::Cancelled => RunState::Cancelled,
        PipelineError::Crm(error) => match error.next_step() {
            NextStep::StopBudget => RunState::Stopped,
            NextStep::LeaveUnprocessed => RunState::Cancelled,
            NextStep::RetryAsIs | NextStep::LookUpFirst | NextStep::RejectRow | NextStep::StopRun => {
                RunState::Failed
            }
        },
        _ => RunState::Failed,
    }
}

/// Refuses a reference field that cannot carry a reference.
fn check_reference(job: &Job, name: Option<&str>) -> Result<(), PipelineError> {
    let Some(name) = name else { return Ok(()) };
    let object = shown(&job.program.object).to_string();
    let refuse = |why: String| {
        let advice = format!("name a text field that nothing else uses; see: carafe describe {object}");
        Err(PipelineError::usage(format!("--ref-field {}: {why}", shown(name)), advice))
    };
    let Some(field) = job.dictionary.get(name) else {
        let names = job.dictionary.fields().iter().map(|field| field.name.as_str());
        let near = crate::rules::nearest::nearest(name, names);
        let near = near.map(|near| format!(", did you mean {}?", shown(near))).unwrap_or_default();
        return refuse(format!("{object} has no such field{near}"));
    };
    let is_text = matches!(field.kind, FieldKind::Text | FieldKind::TextArea | FieldKind::Memo);
    let is_used = job.program.fields.iter().any(|used| used.field.name == name);
    match () {
        () if is_used => refuse("the mapping fills this field".to_owned()),
        () if field.read_only => refuse("it is read-only".to_owned()),
        () if !is_text || field.lookup.is_some() => refuse("it is no plain text field".to_owned()),
        () if field.size.is_some_and(|size| size < LONGEST_REFERENCE) => {
            refuse(format!("a reference takes up to {LONGEST_REFERENCE} characters"))
        }
        () => Ok(()),
    }
}

/// Most characters of a reference: a run's id, `#` and the row.
const LONGEST_REFERENCE: u32 = 80;

fn store_facts(
    store: &Store,
    job: &Job,
    settings: &ImportSettings,
    folder: &RunFolder,
    tools: Tools<'_>,
) -> Result<Input, PipelineError> {
    let Fingerprint { sha256, bytes } = job.source.fingerprint()?;
    let input = Input { name: job.input_name.clone(), path: absolute(&job.input_path), sha256, bytes };
    store.set("run", &folder.run)?;
    store.set("command", if settings.retry_of.is_some() { "retry" } else { "import" })?;
    if let Some(first) = &settings.retry_of {
        store.set("retry_of", first)?;
    }
    store.set("version", env!("CARGO_PKG_VERSION"))?;
    store.set("state", RunState::Running.word())?;
    store.set("object", &job.program.object)?;
    store.set("mode", job.program.mode.word())?;
    store.set("match", &job.program.key_names())?;
    store.set("input", &input)?;
    store.set("typed", &settings.typed)?;
    store.set("sends", &settings.sends)?;
    if let Some(mapped_by) = &settings.mapped_by {
        store.set("mapped_by", mapped_by)?;
    }
    store.set("mapping", &job.mapping.text)?;
    store.set("proofs", &job.proofs)?;
    store.set("dictionary", &job.dictionary_hash())?;
    store_fields(store, job)?;
    let filled: Vec<&str> = job.program.fields.iter().map(|field| field.field.name.as_str()).collect();
    store.set("filled", &filled)?;
    store.set("dialect", job.source.dialect())?;
    store.set("origins", &Origins::of(&job.program))?;
    store.set("base_url", &settings.base_url)?;
    store.set("ref_field", &settings.reference)?;
    store.set("on_unknown", &settings.on_unknown)?;
    store.set("started", &tools.clock.now().to_string())?;
    Ok(input)
}
