//! A run whose plan is stored: sending it, and its closing numbers.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use super::drift::dictionary_of;
use super::family::RetryTally;
use super::lists::add_to_lists;
use super::origins::Origins;
use super::outputs::{OutputSettings, Summary, causes, seconds, write_files, write_whole};
use super::promise::{Promise, Settling};
use super::send::{
    Ended, OnUnknown, Purpose, SendSettings, SendTools, ended_by, high_water, needs_high_water, send,
};
use super::{Event, PipelineError, Reporter};
use crate::crm::Client;
use crate::model::{Calls, Counts, Dictionary, Notice, Outcome, RunState, shown, shown_path};
use crate::rules::additions::Addition;
use crate::rules::mapping::Mode;
use crate::store::{Ballast, Direction, RunFolder, Store};

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

/// How a plan is sent.
#[derive(Clone, Debug)]
pub struct SendOptions {
    /// Most requests in flight.
    pub concurrency: NonZeroUsize,
    /// Stop once so many rows are rejected.
    pub stop_after: Option<StopAfter>,
    /// How long the CRM may take to store a request whose answer was lost.
    pub settle: Duration,
    /// Only these rows of the plan, and those in doubt; all of it if none.
    pub only: Option<Vec<u64>>,
    /// How long it is tried to store what the CRM has answered, where the disk is full.
    pub store_patience: Duration,
    /// Files beside the run's folder.
    pub outputs: OutputSettings,
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
    /// The time of day.
    pub clock: &'a dyn Clock,
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
    /// Requests that earlier processes sent for this run.
    pub calls: Calls,
    /// Planned by this process.
    pub is_fresh: bool,
}

impl PlannedRun {
    /// A run as its store has it.
    pub(super) fn of(
        folder: RunFolder,
        store: Store,
        input: Input,
        begun: Instant,
    ) -> Result<Self, PipelineError> {
        let counts = store.planned_counts()?;
        Self::counted(folder, store, input, begun, counts)
    }

    /// The same, where it is known what would happen with its rows.
    pub(super) fn counted(
        folder: RunFolder,
        store: Store,
        input: Input,
        begun: Instant,
        counts: Counts,
    ) -> Result<Self, PipelineError> {
        let clearing = store.get("rows_clearing")?.unwrap_or(0);
        let additions = store.get("additions")?.unwrap_or_default();
        Ok(Self {
            folder,
            store,
            counts,
            clearing,
            additions,
            begun,
            input,
            calls: Calls::default(),
            is_fresh: false,
        })
    }
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
    /// The pace at its end, where nothing paused it.
    pub pace: crate::crm::Pace,
    /// The fields that identify a record.
    pub key: Vec<String>,
    /// Some updates of the plan: row, record, before, after.
    pub sample: Vec<(u64, u64, String, String)>,
}

/// Ends a dry run: the plan stays, its findings are written out.
pub fn finish_plan(
    planned: PlannedRun,
    settings: &OutputSettings,
    tools: Tools<'_>,
) -> Result<FinishedRun, PipelineError> {
    finish(planned, RunState::Planned, Ended::Complete, settings, tools)
}

/// Sends a plan, or what is left of it, and writes the run's files.
pub async fn send_plan(
    mut planned: PlannedRun,
    options: &SendOptions,
    tools: Tools<'_>,
) -> Result<FinishedRun, PipelineError> {
    let store = &mut planned.store;
    store.together(|store| {
        store.set("state", RunState::Running.word())?;
        store.set("settle_s", &options.settle.as_secs_f64())
    })?;
    let origins: Origins = store.fact("origins")?;
    let stop_after = options.stop_after.map(|stop| stop.rows(planned.counts.read));
    let settings = send_settings(store, &planned.folder, options, stop_after, planned.is_fresh)?;
    let too_many_already = stop_after.filter(|&most| planned.counts.rejected >= most);
    let ended = match too_many_already {
        Some(most) => {
            let rejected = planned.counts.rejected;
            Ended::Stopped(format!(
                "{rejected} rows are rejected before anything is sent, the limit of --stop-after is {most}"
            ))
        }
        None => match make_ready(store, &settings, planned.counts, &planned.additions, tools).await? {
            Some(ended) => ended,
            None => {
                let Tools { client, reporter, stop, clock } = tools;
                let tools = SendTools { client, origins: &origins, reporter, stop, clock };
                store.set_sending(true)?;
                let sent = send(store, &settings, tools).await;
                if sent.is_err() {
                    // On a full disk it stays; what was sent is told all the same.
                    let _ = store.set_sending(false);
                }
                sent?
            }
        },
    };
    let state = match &ended {
        // What was left before is left still.
        Ended::Complete if planned.store.has_open_rows()? => RunState::Stopped,
        Ended::Complete => RunState::Finished,
        Ended::Cancelled => RunState::Cancelled,
        Ended::Stopped(_) => RunState::Stopped,
        Ended::Failed(_) => RunState::Failed,
    };
    finish(planned, state, ended, &options.outputs, tools)
}

/// How to send a run, by what its store says.
pub(super) fn send_settings(
    store: &Store,
    folder: &RunFolder,
    options: &SendOptions,
    stop_after: Option<u64>,
    trusted: bool,
) -> Result<SendSettings, PipelineError> {
    let command: String = store.fact("command")?;
    let (purpose, direction) = match command.as_str() {
        "undo" => (Purpose::Undo, Direction::Backward),
        _ => (Purpose::Import, Direction::Forward),
    };
    Ok(SendSettings {
        dictionary: dictionary_of(store)?,
        key: store.fact("match")?,
        reference: store.get("ref_field")?.flatten(),
        concurrency: options.concurrency,
        stop_after,
        direction,
        settle: options.settle,
        on_unknown: store.get::<OnUnknown>("on_unknown")?.unwrap_or_default(),
        scratch: folder.path.clone(),
        only: options.only.clone(),
        trust_plan: trusted,
        takes_existing: store.fact::<String>("mode")? == Mode::Upsert.word(),
        store_patience: options.store_patience,
        purpose,
    })
}

/// What must be done before the first row; the answer is why the run ends
/// here, if that cannot be done.
async fn make_ready(
    store: &Store,
    settings: &SendSettings,
    counts: Counts,
    additions: &[Addition],
    tools: Tools<'_>,
) -> Result<Option<Ended>, PipelineError> {
    let is_needed = needs_high_water(&settings.key, settings.reference.as_deref());
    if counts.created > 0 && is_needed {
        match note_high_water(store, &settings.dictionary, tools.client).await {
            Ok(()) => {}
            Err(PipelineError::Crm(error)) => {
                return Ok(Some(ended_by(&error).unwrap_or(Ended::Failed(error))));
            }
            Err(error) => return Err(error),
        }
    }
    let object = &settings.dictionary.object;
    if store.get::<bool>("lists_filled")?.unwrap_or(false) {
        return Ok(None);
    }
    let ended = fill_lists(tools, object, counts, additions).await;
    if ended.is_none() {
        store.set("lists_filled", &true)?;
    }
    Ok(ended)
}

/// Notes the largest id before the run's first create. Once one may have been
/// stored it is too late: it could be the largest itself.
pub(super) async fn note_high_water(
    store: &Store,
    dictionary: &Dictionary,
    client: &Client,
) -> Result<(), PipelineError> {
    if store.get::<u64>("high_water")?.is_none() && !store.has_attempted_create()? {
        store.set("high_water", &high_water(client, dictionary).await?)?;
    }
    Ok(())
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
    Some(ended_by(&error).unwrap_or(Ended::Failed(error)))
}

/// Writes the files of a run of which nothing is left to be done.
pub fn finish_run(
    planned: PlannedRun,
    outputs: &OutputSettings,
    tools: Tools<'_>,
) -> Result<FinishedRun, PipelineError> {
    finish(planned, RunState::Finished, Ended::Complete, outputs, tools)
}

/// Leaves a plan unsent because the user said no.
pub fn decline_plan(
    planned: PlannedRun,
    outputs: &OutputSettings,
    tools: Tools<'_>,
) -> Result<FinishedRun, PipelineError> {
    planned.store.set("sends", &false)?;
    finish(planned, RunState::Planned, Ended::Cancelled, outputs, tools)
}

fn finish(
    planned: PlannedRun,
    state: RunState,
    ended: Ended,
    outputs: &OutputSettings,
    tools: Tools<'_>,
) -> Result<FinishedRun, PipelineError> {
    let PlannedRun { folder, store, begun, input, additions, calls, .. } = planned;
    Ballast::clear(&folder.path);
    let calls = calls.and(tools.client.calls());
    let earlier = store.get::<u64>("elapsed_ms")?.unwrap_or(0);
    let elapsed = Duration::from_millis(earlier) + begun.elapsed();
    store.together(|store| {
        store.set("state", state.word())?;
        store.set("ended", &tools.clock.now().to_string())?;
        store.set("calls", &calls)?;
        store.set("elapsed_ms", &u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
    })?;
    store.set_sending(false)?;
    let rows = if state == RunState::Planned { store.planned_counts()? } else { store.counts()? };
    let unwritten = |error| not_written(error, &folder.run, state, rows);
    let mut files =
        write_files(&store, &folder.path, &folder.run, outputs, tools.reporter).map_err(unwritten)?;
    let summary_path = folder.path.join("summary.json");
    files.insert("summary".to_owned(), summary_path.display().to_string());
    let summary = Summary {
        run: Some(folder.run.clone()),
        command: store.fact("command")?,
        undo_of: store.get("undo_of")?,
        retry: RetryTally::of(&store, &folder)?,
        object: store.fact("object")?,
        mode: store.fact("mode")?,
        state: state.word().to_owned(),
        rows,
        calls,
        causes: causes(&store)?,
        additions,
        cleared: store.get("cleared")?.unwrap_or_default(),
        settled: Settling::of(&store)?,
        promise: Promise::of(&store)?,
        elapsed_s: seconds(elapsed),
        files,
    };
    write_summary(&summary_path, &summary).map_err(unwritten)?;
    if !rows.add_up() {
        return Err(PipelineError::Fault(format!(
            "the counts do not add up: {} rows were read and {} are accounted for; this is a fault of carafe, and {} has every row",
            rows.read,
            Outcome::ALL.into_iter().map(|outcome| rows.get(outcome)).sum::<u64>(),
            shown_path(&folder.store_file())
        )));
    }
    // No index knows updates: where there are none, all rows would be looked at.
    let may_update = ![Mode::Create.word(), Mode::Delete.word()].contains(&summary.mode.as_str());
    Ok(FinishedRun {
        folder: folder.path.clone(),
        summary,
        ended,
        input,
        pauses: tools.client.pauses(),
        pace: *tools.client.watch_pace().borrow(),
        key: store.fact("match")?,
        sample: if may_update { store.sample_updates(5)? } else { Vec::new() },
    })
}

/// A file that cannot be written loses nothing: it can be made again. What the
/// run did is told here, as no summary tells it.
fn not_written(error: PipelineError, run: &str, state: RunState, rows: Counts) -> PipelineError {
    match error {
        PipelineError::Output(_) | PipelineError::Fault(_) if state != RunState::Planned => {
            let did = Outcome::ALL.into_iter().map(|outcome| (rows.get(outcome), outcome.word()));
            let did = did.filter(|(rows, _)| *rows > 0).map(|(rows, word)| format!("{rows} {word}"));
            let did = did.collect::<Vec<_>>().join(", ");
            PipelineError::Fault(format!(
                "{error}; the run is stored whole ({did}), and its files are written again by: carafe resume {run}"
            ))
        }
        error => error,
    }
}

fn write_summary(path: &Path, summary: &Summary) -> Result<(), PipelineError> {
    write_whole(path, |out| {
        let fault =
            |error: String| PipelineError::Fault(format!("cannot write {}: {error}", shown_path(path)));
        let json = serde_json::to_string_pretty(summary).map_err(|error| fault(error.to_string()))?;
        writeln!(out, "{json}").map_err(|error| fault(error.to_string()))
    })
}
