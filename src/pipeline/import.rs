//! An import from its file to its closing numbers: check, plan, send, report.
//!
//! Planning and sending are apart, so that a person can be asked in between,
//! and so that `apply` can send what a dry run planned.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

use tokio_util::sync::CancellationToken;

use super::check::{CheckOptions, check};
use super::drift::store_fields;
use super::lists::add_to_lists;
use super::origins::Origins;
use super::outputs::{OutputSettings, Summary, causes, seconds, write_files, write_whole};
use super::plan::Planner;
use super::prepare::unguarded_notice;
use super::send::{Ended, SendSettings, blocking, send};
use super::{Event, Job, PipelineError, Reporter};
use crate::crm::{Client, NextStep};
use crate::model::{Calls, Counts, Notice, RunState, shown};
use crate::rules::additions::Addition;
use crate::store::{RunFolder, RunName, Store};
use crate::tabular::Fingerprint;

/// How an import is done, beside its file and mapping.
#[derive(Clone, Debug)]
pub struct ImportSettings {
    /// Where runs are kept.
    pub runs: PathBuf,
    /// The CRM's address, to be compared when the plan is applied.
    pub base_url: String,
    /// Most requests in flight.
    pub concurrency: NonZeroUsize,
    /// Only the first rows.
    pub limit: Option<u64>,
    /// Stop once so many rows are rejected.
    pub stop_after: Option<StopAfter>,
    /// Files beside the run's folder.
    pub outputs: OutputSettings,
}

/// `--stop-after`: a number of rows, or a share of all rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopAfter {
    /// So many rows.
    Rows(u64),
    /// So many of a hundred rows.
    Percent(u64),
}

impl StopAfter {
    fn rows(self, of: u64) -> u64 {
        match self {
            Self::Rows(rows) => rows.max(1),
            Self::Percent(percent) => (of.saturating_mul(percent)).div_ceil(100).max(1),
        }
    }
}

/// What everything here works with.
#[derive(Clone, Copy)]
pub struct Tools<'a> {
    /// The CRM.
    pub client: &'a Client,
    /// Who is told.
    pub reporter: &'a dyn Reporter,
    /// Stops taking work.
    pub stop: &'a CancellationToken,
}

/// A run whose plan is stored.
#[derive(Debug)]
pub struct PlannedRun {
    /// The run's folder, held until the run ends.
    pub folder: RunFolder,
    /// Its store.
    pub store: Store,
    /// What would happen, row class by row class.
    pub counts: Counts,
    /// Rows in which fields are emptied.
    pub clearing: u64,
    /// What dropdown lists gain before the first row is sent.
    pub additions: Vec<Addition>,
    /// Since when it is under way.
    pub begun: Instant,
    /// Facts about the input, for the summary.
    pub input: Input,
}

/// The file a run came from.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Input {
    /// As the user named it.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its SHA-256, in hex.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
}

/// How a run ended.
#[derive(Debug)]
pub struct FinishedRun {
    /// The run's folder.
    pub folder: PathBuf,
    /// The closing numbers, as `summary.json` has them.
    pub summary: Summary,
    /// Why it ended before the last row, if it did.
    pub ended: Ended,
    /// Where the rows came from.
    pub input: Input,
    /// Pauses that the CRM asked for.
    pub pauses: crate::crm::Pauses,
    /// The fields that identify a record.
    pub key: Vec<String>,
    /// Some updates of the plan: row, record, before, after.
    pub sample: Vec<(u64, u64, String, String)>,
}

/// Checks the file and stores a plan for it. Nothing is sent to be stored.
pub async fn plan_import(
    job: &mut Job,
    settings: &ImportSettings,
    tools: Tools<'_>,
) -> Result<PlannedRun, PipelineError> {
    let begun = Instant::now();
    let options = CheckOptions { limit: settings.limit, duplicates: false };
    let checked = blocking(|| check(job, options, tools.reporter, tools.stop, |_| {}))?;
    if checked.unguarded > 0 {
        tools.reporter.event(Event::Notice(unguarded_notice(checked.unguarded)));
    }
    if checked.read == 0 {
        let notice = Notice(format!("{} has no data rows; there is nothing to do", job.input_name));
        tools.reporter.event(Event::Notice(notice));
    }
    checked.possible.spell(&mut job.program);
    let job: &Job = job;
    let now = jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::now());
    let folder = RunFolder::create(&settings.runs, &job.program.object, now)?;
    let mut store = Store::create(&folder.store_file())?;
    let input = store_facts(&store, job, settings, &folder)?;
    let planned = async {
        let planner = Planner::new(job, &folder, &mut store, tools.client, tools.reporter, tools.stop)?;
        planner.run(settings.limit, checked.read).await
    };
    if let Err(error) = planned.await {
        let state =
            if matches!(error, PipelineError::Cancelled) { RunState::Cancelled } else { RunState::Failed };
        store.set("state", state.word())?;
        return Err(error);
    }
    let counts = store.planned_counts()?;
    let clearing = store.fact("rows_clearing")?;
    let additions = store.fact("additions")?;
    store.set("state", RunState::Planned.word())?;
    store.set("calls", &tools.client.calls())?;
    Ok(PlannedRun { folder, store, counts, clearing, additions, begun, input })
}

fn store_facts(
    store: &Store,
    job: &Job,
    settings: &ImportSettings,
    folder: &RunFolder,
) -> Result<Input, PipelineError> {
    let Fingerprint { sha256, bytes } = job.source.fingerprint().clone();
    let path = std::path::absolute(&job.input_path).unwrap_or_else(|_| job.input_path.clone());
    let input = Input { name: job.input_name.clone(), path, sha256, bytes };
    store.set("run", &folder.run)?;
    store.set("command", "import")?;
    store.set("version", env!("CARGO_PKG_VERSION"))?;
    store.set("state", RunState::Running.word())?;
    store.set("object", &job.program.object)?;
    store.set("mode", job.program.mode.word())?;
    store.set("match", &job.program.key_names())?;
    store.set("input", &input)?;
    store.set("mapping", &job.mapping.text)?;
    store.set("proofs", &job.proofs)?;
    store.set("dictionary", &job.dictionary_hash())?;
    store_fields(store, job)?;
    store.set("dialect", job.source.dialect())?;
    store.set("origins", &Origins::of(&job.program))?;
    store.set("base_url", &settings.base_url)?;
    store.set("started", &jiff::Timestamp::now().to_string())?;
    Ok(input)
}

/// Takes up the plan of an earlier dry run.
pub fn open_plan(runs: &Path, name: &RunName, base_url: &str) -> Result<PlannedRun, PipelineError> {
    let folder = RunFolder::open(runs, name)?;
    let store = Store::open(&folder.store_file())?;
    let run = &folder.run;
    let state: String = store.fact("state")?;
    if state != RunState::Planned.word() {
        let message = format!("run {run} is {state}; only a plan that was not sent yet can be applied");
        return Err(PipelineError::usage(
            message,
            "make a plan with: carafe import FILE -m MAPPING --dry-run",
        ));
    }
    refuse_other_crm(&store, run, base_url, "apply")?;
    let input: Input = store.fact("input")?;
    let (counts, clearing) = (store.planned_counts()?, store.fact("rows_clearing")?);
    let additions = store.get("additions")?.unwrap_or_default();
    Ok(PlannedRun { folder, store, counts, clearing, additions, begun: Instant::now(), input })
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

/// Ends a dry run: the plan stays, its findings are written out.
pub fn finish_plan(
    planned: PlannedRun,
    settings: &OutputSettings,
    tools: Tools<'_>,
) -> Result<FinishedRun, PipelineError> {
    finish(planned, RunState::Planned, Ended::Complete, settings, tools)
}

/// Sends a plan and writes the run's files.
pub async fn send_plan(
    mut planned: PlannedRun,
    concurrency: NonZeroUsize,
    stop_after: Option<StopAfter>,
    outputs: &OutputSettings,
    tools: Tools<'_>,
) -> Result<FinishedRun, PipelineError> {
    let store = &mut planned.store;
    store.set("state", RunState::Running.word())?;
    let object: String = store.fact("object")?;
    let origins: Origins = store.fact("origins")?;
    let stop_after = stop_after.map(|stop| stop.rows(planned.counts.read));
    let settings = SendSettings { object, concurrency, stop_after };
    let too_many_already = stop_after.filter(|&most| planned.counts.rejected >= most);
    let ended = match too_many_already {
        Some(most) => {
            let rejected = planned.counts.rejected;
            Ended::Stopped(format!(
                "{rejected} rows are rejected before anything is sent, the limit of --stop-after is {most}"
            ))
        }
        None => match fill_lists(tools, &settings.object, planned.counts, &planned.additions).await {
            Some(ended) => ended,
            None => send(store, tools.client, &settings, &origins, tools.reporter, tools.stop).await?,
        },
    };
    let state = match &ended {
        Ended::Complete => RunState::Finished,
        Ended::Cancelled => RunState::Cancelled,
        Ended::Stopped(_) => RunState::Stopped,
        Ended::Failed(_) => RunState::Failed,
    };
    finish(planned, state, ended, outputs, tools)
}

/// Adds to dropdown lists what the plan's rows need; the answer is why the run
/// ends here, if that cannot be done.
async fn fill_lists(tools: Tools<'_>, object: &str, counts: Counts, additions: &[Addition]) -> Option<Ended> {
    if counts.created + counts.updated == 0 {
        return None;
    }
    let error = add_to_lists(tools.client, object, additions).await.err()?;
    let fields: Vec<&str> = additions.iter().map(|addition| addition.field.as_str()).collect();
    let fields = shown(&fields.join(", ")).to_string();
    let message = format!("values could not be added to the list of {fields}, so no row was sent");
    tools.reporter.event(Event::Notice(Notice(message)));
    Some(match error.next_step() {
        NextStep::StopBudget => Ended::Stopped(error.to_string()),
        NextStep::LeaveUnprocessed => Ended::Cancelled,
        NextStep::RetryAsIs | NextStep::LookUpFirst | NextStep::RejectRow | NextStep::StopRun => {
            Ended::Failed(error)
        }
    })
}

/// Leaves a plan unsent because the user said no.
pub fn decline_plan(
    planned: PlannedRun,
    outputs: &OutputSettings,
    tools: Tools<'_>,
) -> Result<FinishedRun, PipelineError> {
    finish(planned, RunState::Planned, Ended::Cancelled, outputs, tools)
}

fn finish(
    planned: PlannedRun,
    state: RunState,
    ended: Ended,
    outputs: &OutputSettings,
    tools: Tools<'_>,
) -> Result<FinishedRun, PipelineError> {
    let PlannedRun { folder, store, begun, input, additions, .. } = planned;
    store.set("state", state.word())?;
    store.set("ended", &jiff::Timestamp::now().to_string())?;
    let calls: Calls = tools.client.calls();
    store.set("calls", &calls)?;
    let rows = if state == RunState::Planned { store.planned_counts()? } else { store.counts()? };
    let mut files = write_files(&store, &folder.path, &folder.run, outputs, tools.reporter)?;
    let summary_path = folder.path.join("summary.json");
    files.insert("summary".to_owned(), summary_path.display().to_string());
    let key: Vec<String> = store.fact("match")?;
    let summary = Summary {
        run: Some(folder.run.clone()),
        command: store.fact("command")?,
        object: store.fact("object")?,
        mode: store.fact("mode")?,
        state: state.word().to_owned(),
        rows,
        calls,
        causes: causes(&store)?,
        additions,
        cleared: store.get("cleared")?.unwrap_or_default(),
        elapsed_s: seconds(begun.elapsed()),
        files,
    };
    write_whole(&summary_path, |out| {
        let json = serde_json::to_string_pretty(&summary)
            .map_err(|error| PipelineError::Fault(error.to_string()))?;
        writeln!(out, "{json}").map_err(|error| PipelineError::Fault(error.to_string()))
    })?;
    let sample = store.sample_updates(5)?;
    if !rows.add_up() {
        return Err(PipelineError::Fault(format!(
            "the counts do not add up: {} rows were read and {} are accounted for; this is a fault of carafe, and {} has every row",
            rows.read,
            crate::model::Outcome::ALL.into_iter().map(|outcome| rows.get(outcome)).sum::<u64>(),
            folder.store_file().display()
        )));
    }
    Ok(FinishedRun {
        folder: folder.path.clone(),
        summary,
        ended,
        input,
        pauses: tools.client.pauses(),
        key,
        sample,
    })
}
