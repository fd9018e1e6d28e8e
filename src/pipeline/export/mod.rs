//! Records out of the CRM into files.
//!
//! `settings` say what is wanted, `plan` what is to be read for it, `since` what
//! changed after a time; `reading` reads it, `writing` writes it, in a `form`; `manifest` tells
//! beside each file what is in it, and a `journal` keeps what is read until then.

mod changes;
mod contents;
mod form;
mod held;
mod journal;
mod kept;
mod manifest;
mod plan;
mod reading;
mod resolve;
mod reversed;
mod settings;
mod since;
mod source_form;
mod writing;

pub use form::ExportFormat;
pub use journal::{InterruptedExport, open_export};
pub(super) use manifest::latest_change;
pub(super) use plan::no_such_field;
pub use settings::{ExportSettings, ExportSummary, ExportedObject, Incremental, Target};
pub use since::parse_since;

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{Catalog, Clock, Event, PipelineError, Reporter, Tools, seconds};
use crate::crm::Client;
use crate::model::{Notice, RunState, shown_path};
use changes::States;
use contents::Contents;
use form::{begins_afresh, file_in, took};
use journal::Journal;
use kept::Kept;
use manifest::Begun;
use plan::{Plan, plan};
use resolve::Resolution;

use crate::tabular::{Output, TextTarget, XlsxBook};

/// Exports every object of the settings.
///
/// # Errors
/// What was read by then is kept in the run's folder, for [`resume_export`].
pub async fn export(
    settings: &ExportSettings,
    catalog: &Catalog,
    tools: Tools<'_>,
) -> Result<ExportSummary, PipelineError> {
    let now = tools.clock.now();
    // First of all: where the CRM does not even tell its fields, `resume` must find a run.
    let journal = Journal::begin(settings, now, tools.reporter);
    run(settings, catalog, journal, now, tools).await
}

/// Goes on with an interrupted export: writes what it has read, and reads the rest.
///
/// # Errors
/// As [`export`].
pub async fn resume_export(
    interrupted: InterruptedExport,
    catalog: &Catalog,
    tools: Tools<'_>,
) -> Result<ExportSummary, PipelineError> {
    let InterruptedExport { run: of, settings, begun } = interrupted;
    let journal = Journal::go_on(&settings, of, tools.reporter)?;
    run(&settings, catalog, journal, begun, tools).await
}

async fn plans(settings: &ExportSettings, catalog: &Catalog) -> Result<Vec<Plan>, PipelineError> {
    contents::check(settings)?;
    let mut plans = Vec::new();
    for object in &settings.objects {
        plans.push(plan(object, settings, catalog).await?);
    }
    Resolution::check(&settings.resolve, &plans)?;
    Ok(plans)
}

async fn run(
    settings: &ExportSettings,
    catalog: &Catalog,
    journal: Journal<'_>,
    begun: Timestamp,
    tools: Tools<'_>,
) -> Result<ExportSummary, PipelineError> {
    let Tools { client, reporter, stop, clock } = tools;
    let job = Exporter {
        settings,
        client,
        reporter,
        stop,
        clock,
        begun,
        journal,
        states: Mutex::new(None),
        contents: Mutex::new(None),
    };
    let done = tokio::select! {
        biased;
        done = job.all(catalog) => done,
        // Whatever is waited for is a read, and may be left at any moment.
        () = stop.cancelled() => Err(PipelineError::Cancelled),
    };
    let Exporter { journal, .. } = job;
    match done {
        Ok(summary) => {
            journal.finish(&summary);
            Ok(summary)
        }
        Err(error) => Err(journal.interrupted(error)),
    }
}

impl Exporter<'_> {
    async fn all(&self, catalog: &Catalog) -> Result<ExportSummary, PipelineError> {
        let (settings, since) = (self.settings, Instant::now());
        let mut plans = plans(settings, catalog).await?;
        let mut states = States::open(settings, self.begun)?;
        if let Some(states) = &mut states {
            for plan in &mut plans {
                let afresh = begins_afresh(settings, plan, states.mark_before())?;
                plan.only_news(states, afresh);
            }
        }
        *self.lock_states() = states;
        self.open_contents()?;
        let objects = match (&settings.target, settings.format) {
            (Target::File(path), ExportFormat::Xlsx) => self.workbook(path, plans).await?,
            (Target::File(path), ExportFormat::Sqlite) => self.database(path, plans).await?,
            (Target::Folder(folder), _) => self.folder(folder, plans).await?,
            (Target::File(path), _) => self.one_file(path, plans).await?,
            (Target::Standard, _) => self.standard_output(plans).await?,
        };
        let states = self.lock_states().take();
        states.map_or(Ok(()), States::save)?;
        self.tell_contents();
        let (calls, elapsed_s) = (self.client.calls(), seconds(since.elapsed()));
        Ok(ExportSummary { objects, calls, elapsed_s, state: RunState::Finished.word().to_owned() })
    }
}

struct Exporter<'a> {
    settings: &'a ExportSettings,
    client: &'a Client,
    reporter: &'a dyn Reporter,
    stop: &'a CancellationToken,
    clock: &'a dyn Clock,
    /// When the export began, if need be in an earlier process.
    begun: Timestamp,
    journal: Journal<'a>,
    states: Mutex<Option<States>>,
    contents: Mutex<Option<Arc<Contents>>>,
}

impl Exporter<'_> {
    fn lock_states(&self) -> MutexGuard<'_, Option<States>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A file in the making.
    fn output(&self, path: &Path) -> Result<Output, PipelineError> {
        Ok(Output::create(path, self.journal.may_replace(path, self.settings.force))?)
    }

    /// What stands beside it, in the making.
    fn manifest(&self, path: &Path, settings: &ExportSettings) -> Result<Begun, PipelineError> {
        let force = self.journal.may_replace(path, settings.force);
        Begun::beside(path, &ExportSettings { force, ..settings.clone() }, self.begun)
    }

    fn tell(&self, notices: Vec<Notice>) {
        notices.into_iter().for_each(|notice| self.reporter.event(Event::Notice(notice)));
    }

    async fn workbook(&self, path: &Path, plans: Vec<Plan>) -> Result<Vec<ExportedObject>, PipelineError> {
        let mut book = XlsxBook::create(self.output(path)?)?;
        let manifest = self.manifest(path, self.settings)?;
        let (mut done, mut parts) = (Vec::new(), Vec::new());
        for mut plan in plans {
            if let Some(reversed) = &plan.reversed {
                book.place(reversed.place())?;
            }
            let mut sheet = match &plan.lines {
                Some(lines) => book.sheet_with_lines(&plan.dictionary.object, &plan.fields, lines.named())?,
                None => book.sheet(&plan.dictionary.object, &plan.fields)?,
            };
            let read = self.read(&mut plan, sheet.as_mut()).await?;
            self.tell(sheet.finish()?);
            took(self.settings, (&plan, &read), path, &mut parts, &mut done);
        }
        let kept = Kept::set_aside(path, self.settings.keep)?;
        self.journal.take(path);
        self.tell(book.finish()?);
        self.tell(manifest.finish(&self.settings.base_url, parts, self.clock.now())?);
        kept.map_or(Ok(()), Kept::finish)?;
        Ok(done)
    }

    async fn folder(&self, folder: &Path, plans: Vec<Plan>) -> Result<Vec<ExportedObject>, PipelineError> {
        if folder.exists() && !folder.is_dir() {
            return Err(PipelineError::usage(
                format!("{} is no folder, and its name does not end as a file's", shown_path(folder)),
                format!(
                    "end the name in .{}, or write to standard output: -o -",
                    self.settings.format.ending()
                ),
            ));
        }
        std::fs::create_dir_all(folder).map_err(|error| {
            PipelineError::usage(
                format!("cannot use the folder {}: {error}", shown_path(folder)),
                "name a folder that can be written",
            )
        })?;
        // What is in the way of the last one is told before the first one is read.
        let updates = self.settings.format == ExportFormat::Sqlite && self.settings.incremental.is_some();
        for plan in plans.iter().filter(|_| !updates) {
            drop(self.output(&file_in(folder, &plan.dictionary.object, self.settings.format))?);
        }
        let mut done = Vec::new();
        for plan in plans {
            let path = file_in(folder, &plan.dictionary.object, self.settings.format);
            done.extend(match self.settings.format {
                ExportFormat::Xlsx => Box::pin(self.workbook(&path, vec![plan])).await?,
                ExportFormat::Sqlite => Box::pin(self.database(&path, vec![plan])).await?,
                ExportFormat::Csv | ExportFormat::Jsonl | ExportFormat::Parquet => {
                    self.one_file(&path, vec![plan]).await?
                }
            });
        }
        Ok(done)
    }

    async fn one_file(&self, path: &Path, plans: Vec<Plan>) -> Result<Vec<ExportedObject>, PipelineError> {
        let mut done = Vec::new();
        for mut plan in plans {
            let output = self.output(path)?;
            let manifest = self.manifest(path, self.settings)?;
            let (mut writer, beside) = self.writer(output, path, &plan)?;
            let read = self.read(&mut plan, writer.as_mut()).await?;
            let kept = Kept::set_aside(path, self.settings.keep)?;
            let kept_beside = self.keep_beside(beside.as_ref())?;
            self.journal.take(path);
            self.tell(writer.finish()?);
            let mut parts = Vec::new();
            took(self.settings, (&plan, &read), path, &mut parts, &mut done);
            let lines = beside.and_then(|beside| Some((beside, parts.pop()?)));
            self.tell(manifest.finish(&self.settings.base_url, parts, self.clock.now())?);
            kept.map_or(Ok(()), Kept::finish)?;
            if let Some((beside, part)) = lines {
                done.pop();
                done.push(self.finish_beside(beside, part, kept_beside)?);
            }
        }
        Ok(done)
    }

    async fn standard_output(&self, plans: Vec<Plan>) -> Result<Vec<ExportedObject>, PipelineError> {
        let mut done = Vec::new();
        for mut plan in plans {
            let output = TextTarget::stream(std::io::stdout(), "standard output");
            let mut writer = self.text_writer(output, &plan.fields, plan.reversed.as_ref())?;
            let read = self.read(&mut plan, writer.as_mut()).await?;
            self.tell(writer.finish()?);
            done.push(exported(&plan, read.records, Path::new("-")));
        }
        Ok(done)
    }
}

fn exported(plan: &Plan, records: u64, path: &Path) -> ExportedObject {
    ExportedObject { object: plan.dictionary.object.clone(), records, file: path.display().to_string() }
}
