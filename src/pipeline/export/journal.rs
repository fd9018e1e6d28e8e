//! The run of an export: what it has read is kept page by page, so that an
//! interrupted one goes on instead of beginning anew.
//!
//! Only what is read by id can be gone on with: above the last id nothing is
//! missing and nothing comes twice, whatever others do meanwhile. An object
//! that is read in another way is read again.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use jiff::tz::Offset;
use xxhash_rust::xxh3::xxh3_64;

use super::{ExportSettings, ExportSummary, Target};
use crate::crm::{ReadMode, ReadQuery, Records};
use crate::model::{Notice, RunState, shown};
use crate::pipeline::{Event, PipelineError, Reporter};
use crate::store::{ExportFacts, ExportRun, PageLog, RunName, StoreError};

/// The run of an export, if there is a place for it.
pub(super) struct Journal<'a> {
    run: Option<Mutex<ExportRun>>,
    runs: PathBuf,
    /// Pages are kept: none would help where the output cannot be written again.
    keeps_pages: bool,
    reporter: &'a dyn Reporter,
    /// It began in this process.
    is_new: bool,
    /// Records that are kept so far.
    kept: Mutex<u64>,
    /// What was read is not kept, and that was told.
    is_lost: Mutex<bool>,
    /// Where there is no run.
    temporary: Mutex<Option<tempfile::TempDir>>,
}

/// What was read of an object, and is read.
pub(super) struct KeptPages<'j> {
    journal: &'j Journal<'j>,
    log: Option<PageLog>,
    /// What was noted when the object began to be read: see [`Self::before`].
    before: Option<String>,
    question: [u8; 8],
    packed: Vec<u8>,
}

impl<'a> Journal<'a> {
    /// Begins a run. Where it cannot be kept the export goes on without, and says so.
    pub fn begin(settings: &ExportSettings, now: Timestamp, reporter: &'a dyn Reporter) -> Self {
        let run = begin(settings, now).inspect_err(|error| {
            let what = "what is read is not kept, and an interrupted export begins anew";
            reporter.event(Event::Notice(Notice(format!("{what}: {error}"))));
        });
        Self { is_new: true, ..Self::of(settings, run.ok(), reporter) }
    }

    /// Goes on with a run.
    pub fn go_on(
        settings: &ExportSettings,
        mut run: ExportRun,
        reporter: &'a dyn Reporter,
    ) -> Result<Self, PipelineError> {
        run.go_on()?;
        Ok(Self::of(settings, Some(run), reporter))
    }

    fn of(settings: &ExportSettings, run: Option<ExportRun>, reporter: &'a dyn Reporter) -> Self {
        Self {
            run: run.map(Mutex::new),
            runs: settings.runs.clone(),
            keeps_pages: settings.target != Target::Standard,
            reporter,
            is_new: false,
            kept: Mutex::new(0),
            is_lost: Mutex::new(false),
            temporary: Mutex::new(None),
        }
    }

    /// Whether a file may be replaced: by what was typed, or since the run itself put it there.
    pub fn may_replace(&self, path: &Path, force: bool) -> bool {
        force || self.run().is_some_and(|run| run.has_taken(&absolute(path)))
    }

    /// Notes that a file is about to be put in its place.
    pub fn take(&self, path: &Path) {
        if let Some(Err(error)) = self.run().map(|mut run| run.take(&absolute(path))) {
            self.tell_of(&error);
        }
    }

    /// What is kept of an object, if it was asked for by the same question.
    pub fn pages(&self, object: &str, query: &ReadQuery) -> KeptPages<'_> {
        let log = self.run().filter(|_| self.keeps_pages).and_then(|run| {
            let log = run.pages(object).and_then(|log| asked(log, query));
            log.inspect_err(|error| self.tell_of(error)).ok()
        });
        let (log, before) = log.map_or((None, None), |(log, before)| (Some(log), before));
        KeptPages { journal: self, log, before, question: question(query), packed: Vec::new() }
    }

    /// A folder for what is needed while the export runs.
    pub fn scratch(&self) -> Result<PathBuf, PipelineError> {
        if let Some(run) = self.run() {
            return Ok(run.folder().to_owned());
        }
        let mut folder = lock(&self.temporary);
        if folder.is_none() {
            let made = tempfile::tempdir().map_err(|error| PipelineError::Fault(error.to_string()))?;
            *folder = Some(made);
        }
        Ok(folder.as_ref().map(|folder| folder.path().to_owned()).unwrap_or_default())
    }

    /// Notes that all is written. The output is whole, whether or not this can be kept.
    pub fn finish(&self, summary: &ExportSummary) {
        let Some(mut run) = self.run() else { return };
        let mut document = serde_json::to_value(summary).unwrap_or_default();
        document["run"] = run.id().into();
        document["command"] = "export".into();
        let kept = run
            .end(RunState::Finished, summary.records())
            .and_then(|()| run.write_summary(&document.to_string()));
        if let Err(error) = kept {
            let told = format!("the export is whole, but its run cannot be kept: {error}");
            self.reporter.event(Event::Notice(Notice(told)));
        }
        run.forget_pages(&self.runs);
    }

    /// Notes why it ended, and says how it goes on.
    pub fn interrupted(mut self, error: PipelineError) -> PipelineError {
        let kept = *lock(&self.kept);
        let run = self.run.take().map(|run| run.into_inner().unwrap_or_else(PoisonError::into_inner));
        let Some(mut run) = run else { return error };
        let state = match error.exit_code() {
            // It could not begin; nobody needs to be told of it later.
            2 if self.is_new && kept == 0 => {
                run.discard();
                return error;
            }
            5 => RunState::Cancelled,
            6 => RunState::Stopped,
            _ => RunState::Failed,
        };
        if let Err(error) = run.end(state, 0) {
            self.tell_of(&error);
        }
        let (id, records) = (run.id().to_owned(), words(kept));
        if matches!(error, PipelineError::Cancelled) && self.keeps_pages {
            let message = format!("the export was cancelled; {records} read so far are kept");
            return PipelineError::Stopped { message, advice: format!("go on with: carafe resume {id}") };
        }
        if kept > 0 {
            let how = format!("{records} read so far are kept; go on with: carafe resume {id}");
            self.reporter.event(Event::Notice(Notice(how)));
        }
        error
    }

    fn run(&self) -> Option<MutexGuard<'_, ExportRun>> {
        self.run.as_ref().map(lock)
    }

    /// Tells once that an interrupted export begins anew.
    fn tell_of(&self, error: &StoreError) {
        *lock(&self.kept) = 0;
        if std::mem::replace(&mut *lock(&self.is_lost), true) {
            return;
        }
        let what = "what is read is no longer kept, and an interrupted export begins anew";
        self.reporter.event(Event::Notice(Notice(format!("{what}: {error}"))));
    }
}

impl KeptPages<'_> {
    /// When a record of the object was last changed before the first was read, if need be by an
    /// earlier process; the empty text where that is not known, none where nothing was read.
    pub fn before(&self) -> Option<&str> {
        self.before.as_deref()
    }

    /// Notes that, before the first page.
    pub fn begin(&mut self, before: &str) {
        self.before = Some(before.to_owned());
        let entry = [&self.question, before.as_bytes()].concat();
        if let Some(Err(error)) = self.log.as_mut().map(|log| log.add(&entry)) {
            self.journal.tell_of(&error);
            self.log = None;
        }
    }

    /// The next page that an interrupted run has read.
    pub fn next_page(&mut self) -> Result<Option<Records>, PipelineError> {
        let Some(log) = &mut self.log else { return Ok(None) };
        let Some(bytes) = log.next_page()? else { return Ok(None) };
        let page = Records::unpack(bytes);
        let page = page.ok_or_else(|| {
            PipelineError::usage(
                "what the export has read so far was kept by another version of carafe",
                "export again",
            )
        })?;
        *lock(&self.journal.kept) += page.len() as u64;
        Ok(Some(page))
    }

    /// Whether the object was read to its end.
    pub fn is_complete(&self) -> bool {
        self.log.as_ref().is_some_and(PageLog::is_complete)
    }

    /// Keeps a page. One that is not read by id cannot be gone on with, nor those before it.
    pub fn add(&mut self, page: &Records, mode: ReadMode) {
        let Some(log) = &mut self.log else { return };
        let done = if mode == ReadMode::ByPage {
            *lock(&self.journal.kept) = 0;
            let cleared = log.clear();
            self.log = None;
            cleared
        } else {
            *lock(&self.journal.kept) += page.len() as u64;
            self.packed.clear();
            page.pack(&mut self.packed);
            log.add(&self.packed)
        };
        if let Err(error) = done {
            self.journal.tell_of(&error);
            self.log = None;
        }
    }

    /// Notes that the object was read to its end.
    pub fn complete(&mut self) {
        if let Some(Err(error)) = self.log.as_mut().map(PageLog::complete) {
            self.journal.tell_of(&error);
        }
    }
}

/// The first entry of a log is the question, and when a record was last changed before anything
/// was read. Pages that came in answer to another question are forgotten: of an incremental export,
/// what is asked for depends on what was there before.
fn asked(mut log: PageLog, query: &ReadQuery) -> Result<(PageLog, Option<String>), StoreError> {
    let question = question(query);
    let before = log.next_page()?.map(|known| {
        let date = known.strip_prefix(&question).map(<[u8]>::to_vec);
        date.and_then(|date| String::from_utf8(date).ok())
    });
    if before == Some(None) {
        log.clear()?;
    }
    Ok((log, before.flatten()))
}

fn question(query: &ReadQuery) -> [u8; 8] {
    xxh3_64(format!("{query:?}").as_bytes()).to_le_bytes()
}

fn begin(settings: &ExportSettings, now: Timestamp) -> Result<ExportRun, StoreError> {
    let settings = settings.with_whole_paths();
    let typed = serde_json::to_value(&settings).unwrap_or_default();
    let target = match &settings.target {
        Target::Standard => None,
        Target::File(path) | Target::Folder(path) => Some(path.clone()),
    };
    let facts = ExportFacts::new(&settings.objects, &settings.base_url, &now.to_string(), target, typed);
    ExportRun::create(&settings.runs, facts, Offset::UTC.to_datetime(now))
}

/// An export that is taken up again: its run, what was typed, and when it began.
#[derive(Debug)]
pub struct InterruptedExport {
    pub(super) run: ExportRun,
    /// What was typed.
    pub settings: ExportSettings,
    pub(super) begun: Timestamp,
}

/// Takes up the run of an export; none where the run is none.
///
/// # Errors
/// The run cannot be read, is active, or is of another CRM; or it is finished.
pub fn open_export(
    runs: &Path,
    name: &RunName,
    base_url: &str,
) -> Result<Option<InterruptedExport>, PipelineError> {
    let Some(run) = ExportRun::open(runs, name)? else { return Ok(None) };
    let (id, facts) = (run.id().to_owned(), run.facts());
    if facts.state() == RunState::Finished {
        let message = format!("run {id} is a finished export; nothing is left to be done");
        return Err(PipelineError::usage(message, "export again to have what changed since"));
    }
    if facts.base_url != base_url {
        let message =
            format!("run {id} reads from {}, and this is {}", shown(&facts.base_url), shown(base_url));
        return Err(PipelineError::usage(message, "resume it with the same --base-url or --sandbox"));
    }
    if facts.target.is_none() {
        let message = format!("run {id} wrote to standard output, which cannot be gone on with");
        return Err(PipelineError::usage(message, "export again"));
    }
    let damaged =
        |_| PipelineError::usage(format!("run {id} was begun by another version of carafe"), "export again");
    let settings: ExportSettings = serde_json::from_value(facts.settings.clone()).map_err(damaged)?;
    let settings = ExportSettings { runs: runs.to_owned(), ..settings };
    let begun = facts.begun.parse().unwrap_or(Timestamp::UNIX_EPOCH);
    Ok(Some(InterruptedExport { run, settings, begun }))
}

pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn words(records: u64) -> String {
    if records == 1 { "1 record".to_owned() } else { format!("{records} records") }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
