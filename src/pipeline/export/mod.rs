//! Records out of the CRM into files.
//!
//! `plan` says what is to be read, `since` what changed after a time; here it
//! is read and written, in a `form`; `manifest` tells beside each file what is in it, and a
//! `journal` keeps what is read until then.

mod changes;
mod contents;
mod form;
mod held;
mod journal;
mod kept;
mod manifest;
mod plan;
mod resolve;
mod reversed;
mod since;
mod source_form;
mod writing;

pub use form::ExportFormat;
pub use journal::{InterruptedExport, open_export};
pub(super) use manifest::latest_change;
pub(super) use plan::no_such_field;
pub use since::parse_since;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{Catalog, Clock, Event, Phase, PipelineError, Reporter, Tools, seconds};
use crate::crm::{Client, ListQuery, Reader, Records};
use crate::model::{Calls, Dictionary, Direction, Notice, RunState, shown, shown_path};
use changes::{Changes, States};
use contents::Contents;
use form::{begins_afresh, file_in, took};
use journal::{Journal, absolute};
use kept::Kept;
use manifest::Begun;
use plan::{Plan, plan};
use resolve::Resolution;
use writing::Writing;

use crate::rules::exported::{date_of_change, later};
use crate::tabular::{LinesWritten, Output, RecordWriter, TextTarget, XlsxBook};

/// Where an export goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// Standard output.
    Standard,
    /// One file.
    File(PathBuf),
    /// A file for each object in a folder.
    Folder(PathBuf),
}

impl Target {
    /// The path that was given.
    pub fn path(&self) -> &Path {
        match self {
            Self::Standard => Path::new("-"),
            Self::File(path) | Self::Folder(path) => path,
        }
    }
}

/// Where an incremental export keeps what it knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incremental {
    /// `--state`; if none, a file in the folder of runs.
    pub state: Option<PathBuf>,
    /// `--deleted`: read everything, and tell which records are no more.
    pub deleted: bool,
}

/// What to export, and how.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExportSettings {
    /// The CRM's address, or the sandbox's file.
    pub base_url: String,
    /// The folder of runs: what incremental exports know is there.
    pub runs: PathBuf,
    /// The objects.
    pub objects: Vec<String>,
    /// Where to.
    pub target: Target,
    /// In which form.
    pub format: ExportFormat,
    /// `--fields`: only these, in this order; all if empty.
    pub fields: Vec<String>,
    /// `--where`
    pub condition: Option<String>,
    /// `--q`, passed on as it is.
    pub raw_filter: Option<String>,
    /// `--since`: only what was created or changed since then, in the CRM's own time.
    pub since: Option<jiff::civil::DateTime>,
    /// `--incremental`: only what changed since the last finished export of the same kind.
    pub incremental: Option<Incremental>,
    /// `--order`: names, a `-` in front for descending.
    pub order: Vec<String>,
    /// `--limit`
    pub limit: Option<u64>,
    /// `--lines`
    pub lines: bool,
    /// `--mapping`: the columns are those of this mapping.
    #[serde(default)]
    pub mapping: Option<PathBuf>,
    /// `--resolve`: `accountid=accounts.name` and the like.
    pub resolve: Vec<String>,
    /// `--content`: where the files of documents go.
    pub content: Option<PathBuf>,
    /// Replace what is there.
    pub force: bool,
    /// `--keep`: so many older outputs stay.
    pub keep: Option<usize>,
    /// CSV: a byte-order mark, for Excel.
    pub excel: bool,
    /// CSV: no formula guard.
    pub raw: bool,
    /// `--dictionary`
    pub dictionary: Option<PathBuf>,
}

impl ExportSettings {
    /// Whether records that are no more are told.
    fn tells_deleted(&self) -> bool {
        self.incremental.as_ref().is_some_and(|incremental| incremental.deleted)
    }

    /// The same wherever it is read: an export may be gone on with in another folder.
    fn with_whole_paths(&self) -> Self {
        let target = match &self.target {
            Target::Standard => Target::Standard,
            Target::File(path) => Target::File(absolute(path)),
            Target::Folder(path) => Target::Folder(absolute(path)),
        };
        let incremental = self.incremental.clone().map(|incremental| Incremental {
            state: incremental.state.as_deref().map(absolute),
            ..incremental
        });
        let dictionary = self.dictionary.as_deref().map(absolute);
        let mapping = self.mapping.as_deref().map(absolute);
        let content = self.content.as_deref().map(absolute);
        Self { target, incremental, dictionary, mapping, content, runs: absolute(&self.runs), ..self.clone() }
    }
}

/// What an export did; the document of `--json`.
#[derive(Clone, Debug, Serialize)]
pub struct ExportSummary {
    /// Object by object.
    pub objects: Vec<ExportedObject>,
    /// Requests by method.
    pub calls: Calls,
    /// Seconds, with three decimals.
    pub elapsed_s: f64,
    /// `finished`, or `cancelled`.
    pub state: String,
}

/// One object of an export.
#[derive(Clone, Debug, Serialize)]
pub struct ExportedObject {
    /// Its API name.
    pub object: String,
    /// How many records were written.
    pub records: u64,
    /// The file that holds them; `-` for standard output.
    pub file: String,
}

impl ExportSummary {
    /// Records of all objects.
    fn records(&self) -> u64 {
        self.objects.iter().map(|object| object.records).sum()
    }
}

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

/// What was read of an object.
#[derive(Debug, Default)]
struct ReadIn {
    /// Records that were written.
    records: u64,
    /// The lowest and the highest id.
    ids: Option<(u64, u64)>,
    /// When a record was last changed before the second page was read, as the CRM writes times.
    latest_change: Option<String>,
    /// Records that were changed after that, by id, with the date that was read; none where they
    /// are too many to be told.
    changed_meanwhile: Option<BTreeMap<u64, String>>,
    /// Records that were there before and are no more.
    gone: Vec<u64>,
    /// Texts that were guarded, by field.
    guarded: Vec<(String, u64)>,
    /// What was written of their lines, where those stand beside.
    lines: LinesWritten,
}

impl ReadIn {
    /// Counts a page. The dates of records that were changed later than `before` are noted, and those
    /// of the first page, which came before that was asked for.
    fn add(&mut self, page: &Records, date_of_change: Option<&str>, before: &str) {
        let is_first = self.records == 0;
        self.records += page.len() as u64;
        if let Some(name) = date_of_change.filter(|_| !before.is_empty()) {
            for record in page.iter() {
                // Such dates compare as texts.
                let date =
                    record.get(name).map(|date| date.to_text()).filter(|date| is_first || *date > before);
                if let (Some(date), Some(meanwhile)) = (date, &mut self.changed_meanwhile) {
                    meanwhile.insert(record.id().get(), date.to_owned());
                }
            }
            let is_enough = |meanwhile: &BTreeMap<u64, String>| meanwhile.len() <= MOST_CHANGED;
            self.changed_meanwhile = self.changed_meanwhile.take().filter(is_enough);
        }
        for id in page.ids() {
            let (first, last) = self.ids.unwrap_or((id, id));
            self.ids = Some((first.min(id), last.max(id)));
        }
    }

    /// Where the records that were changed meanwhile are known, a later change of any can be told.
    fn keep_dates(&mut self, before: &str) {
        let is_known = !before.is_empty() && self.changed_meanwhile.is_some();
        self.latest_change = is_known.then(|| before.to_owned());
    }
}

/// Records of a full page.
const FULL_PAGE: usize = 100;

/// Records of which the manifest tells that they were changed while the object was read.
const MOST_CHANGED: usize = 10_000;

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

    /// When a record of the object was last changed, as the CRM writes times, asked between the first
    /// page and the second; the empty text where it does not tell. What it tells is no later than now.
    async fn latest_change(&self, dictionary: &Dictionary, first: &Records) -> String {
        let has_manifest = self.settings.target != Target::Standard;
        let Some(field) = date_of_change(dictionary).filter(|_| has_manifest) else { return String::new() };
        // That of the first page is no later than now either; a short one is the only one, mostly.
        if first.len() < FULL_PAGE {
            let dates = first.iter().filter_map(|record| record.get(field));
            let latest = dates.fold(None, |latest, date| later(latest, date.to_text()));
            return latest.unwrap_or_default();
        }
        let order = vec![(field.to_owned(), Direction::Descending)];
        let query = ListQuery { order, limit: 1, ..ListQuery::default() };
        let page = self.client.list(&dictionary.object, &query).await;
        let record = page.ok().and_then(|page| page.records.into_iter().next());
        let date = record.and_then(|record| record.get(field).map(|date| date.to_text().into_owned()));
        date.and_then(|date| later(None, &date)).unwrap_or_default()
    }

    async fn read(&self, plan: &mut Plan, writer: &mut dyn RecordWriter) -> Result<ReadIn, PipelineError> {
        let object = &plan.dictionary.object.clone();
        self.reporter.event(Event::Begin {
            phase: Phase::Read,
            what: object.clone(),
            total: plan.query.limit,
        });
        let mut kept = self.journal.pages(object, &plan.query);
        let mut writing = Writing::new(self, plan, writer, kept.before())?;
        let mut seen = 0;
        let mut query = writing.plan.query.clone();
        while let Some(page) = kept.next_page()? {
            if self.stop.is_cancelled() {
                return Err(PipelineError::Cancelled);
            }
            query.above = page.ids().max().unwrap_or(query.above);
            seen += page.len() as u64;
            writing.page(page).await?;
            self.reporter.event(Event::Progress { phase: Phase::Read, done: seen });
        }
        query.limit = query.limit.map(|limit| limit.saturating_sub(seen));
        let mut reader = Reader::new(self.client, object, query)?;
        while !kept.is_complete() {
            let page = tokio::select! {
                page = reader.next_page() => page?,
                () = self.stop.cancelled() => return Err(PipelineError::Cancelled),
            };
            let Some(page) = page else { break };
            if kept.before().is_none() {
                let before = self.latest_change(&writing.plan.dictionary, &page).await;
                kept.begin(&before);
                writing.before = before;
            }
            kept.add(&page, reader.summary().mode);
            seen += page.len() as u64;
            writing.page(page).await?;
            self.reporter.event(Event::Progress { phase: Phase::Read, done: seen });
        }
        kept.complete();
        let mut read = writing.finish().await?;
        self.tell(plan.reversal_notices());
        self.reporter.event(Event::End(Phase::Read));
        let (unfit, object) = (reader.summary().unfit, shown(object));
        if unfit > 0 {
            self.reporter.event(Event::Notice(Notice(format!(
                "{object}: {unfit} of the records do not fulfil the condition as carafe reads it; \
                 the CRM may compare in its own way or not know an operator"
            ))));
        }
        for notice in &reader.summary().notices {
            self.reporter.event(Event::Notice(Notice(format!("{object}: {notice}"))));
        }
        if let Some(mut changes) = plan.changes.take() {
            if reader.summary().missing > 0 {
                changes.keep_unseen();
            }
            self.reporter.event(Event::Notice(news(&object, &read, seen, &changes)));
            if self.settings.tells_deleted() {
                read.gone = changes.gone();
            }
            if let Some(states) = self.lock_states().as_mut() {
                states.take(&plan.dictionary.object, changes);
            }
        }
        Ok(read)
    }
}

/// How much was new of what was read.
fn news(object: &impl std::fmt::Display, read: &ReadIn, seen: u64, changes: &Changes) -> Notice {
    let news = read.records;
    Notice(match (changes.writes_all(), changes.since()) {
        (true, _) => format!("{object}: no earlier export to build on, so all {news} records are written"),
        (false, Some(since)) => {
            format!("{object}: {news} new or changed, of {seen} that the CRM dates {since} or later")
        }
        (false, None) => {
            format!("{object}: {news} new or changed, of all {seen}")
        }
    })
}

fn exported(plan: &Plan, records: u64, path: &Path) -> ExportedObject {
    ExportedObject { object: plan.dictionary.object.clone(), records, file: path.display().to_string() }
}
