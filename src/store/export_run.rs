//! The run of an export: `export.json` in its folder, and a log of pages for
//! each object until all is written.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::folder::{RunFolder, RunName, create_private_file, list_runs};
use super::pages::PageLog;
use super::{StoreError, is_held};
use crate::model::RunState;

/// The file that makes a folder the run of an export.
pub(super) const FACTS: &str = "export.json";

/// The format of `export.json`.
const VERSION: u32 = 1;

/// What is known of an export.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ExportFacts {
    version: u32,
    /// A [`RunState`]'s word.
    state: String,
    /// The objects.
    pub objects: Vec<String>,
    /// The CRM's address, or the sandbox's file.
    pub base_url: String,
    /// When it began, in UTC.
    pub begun: String,
    /// Where the records go, in full; none for standard output.
    pub target: Option<PathBuf>,
    /// Records that were written, once it has ended.
    pub records: u64,
    /// What was typed, as the exporting part of the program understands it.
    pub settings: serde_json::Value,
    /// Files that it put in their places, or was about to.
    taken: BTreeSet<PathBuf>,
}

impl ExportFacts {
    /// Of an export that begins.
    pub fn new(
        objects: &[String],
        base_url: &str,
        begun: &str,
        target: Option<PathBuf>,
        settings: serde_json::Value,
    ) -> Self {
        Self {
            version: VERSION,
            state: RunState::Running.word().to_owned(),
            objects: objects.to_vec(),
            base_url: base_url.to_owned(),
            begun: begun.to_owned(),
            target,
            records: 0,
            settings,
            taken: BTreeSet::new(),
        }
    }

    /// Where it stands.
    pub fn state(&self) -> RunState {
        RunState::from_word(&self.state).unwrap_or(RunState::Failed)
    }

    /// Reads those of a run's folder; none where it is no export's.
    pub(super) fn of(folder: &Path) -> Result<Option<Self>, StoreError> {
        let file = folder.join(FACTS);
        let text = match fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::Io { path: file, source }),
        };
        let what = "it does not read as an export's; export again";
        let facts: Self = serde_json::from_slice(&text)
            .map_err(|_| StoreError::Damaged { file: file.clone(), what: what.to_owned() })?;
        if facts.version > VERSION {
            return Err(StoreError::Newer { file, found: facts.version.into() });
        }
        Ok(Some(facts))
    }
}

/// An export under way; no other process has it.
#[derive(Debug)]
pub struct ExportRun {
    folder: RunFolder,
    facts: ExportFacts,
}

impl ExportRun {
    /// Begins one, with a folder of its own.
    ///
    /// # Errors
    /// The folder cannot be made or written.
    pub fn create(runs: &Path, facts: ExportFacts, now: jiff::civil::DateTime) -> Result<Self, StoreError> {
        let run = Self { folder: RunFolder::create(runs, &facts.objects.join("-"), now)?, facts };
        run.save()?;
        Ok(run)
    }

    /// Takes up an earlier one; none where the run is no export. `last` is the last run that an
    /// export could be gone on with in: one that is finished is passed over.
    ///
    /// # Errors
    /// There is no such run, another process has it, or it cannot be read.
    pub fn open(runs: &Path, name: &RunName) -> Result<Option<Self>, StoreError> {
        let mut all = list_runs(runs)?;
        if name.0 == "last" {
            all.retain(|run| !is_finished(&runs.join(run)));
        }
        let path = match name.find_among(&all, runs) {
            Ok(path) => path,
            // Whoever looks for a run with rows says it better.
            Err(_) => return Ok(None),
        };
        if ExportFacts::of(&path)?.is_none() {
            return Ok(None);
        }
        let folder = RunFolder::hold_path(path)?;
        // Another process may have ended it in between.
        let facts = ExportFacts::of(&folder.path)?;
        Ok(facts.map(|facts| Self { folder, facts }))
    }

    /// The run's id.
    pub fn id(&self) -> &str {
        &self.folder.run
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder.path
    }

    /// What is known of it.
    pub fn facts(&self) -> &ExportFacts {
        &self.facts
    }

    /// What was read of an object.
    ///
    /// # Errors
    /// The file cannot be made or read.
    pub fn pages(&self, object: &str) -> Result<PageLog, StoreError> {
        let number = self.facts.objects.iter().position(|known| known == object).unwrap_or(0);
        PageLog::open(&self.folder.path.join(pages_name(number)))
    }

    /// Whether the run put a file there, or was about to when it ended.
    pub fn has_taken(&self, file: &Path) -> bool {
        self.facts.taken.contains(file)
    }

    /// Notes that a file is about to be put in its place.
    ///
    /// # Errors
    /// It cannot be stored.
    pub fn take(&mut self, file: &Path) -> Result<(), StoreError> {
        if self.facts.taken.insert(file.to_owned()) { self.save() } else { Ok(()) }
    }

    /// Notes that it goes on.
    ///
    /// # Errors
    /// It cannot be stored.
    pub fn go_on(&mut self) -> Result<(), StoreError> {
        self.facts.state = RunState::Running.word().to_owned();
        self.save()
    }

    /// Notes how it ended.
    ///
    /// # Errors
    /// It cannot be stored.
    pub fn end(&mut self, state: RunState, records: u64) -> Result<(), StoreError> {
        self.facts.state = state.word().to_owned();
        self.facts.records = records;
        self.save()
    }

    /// Writes `summary.json`.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_summary(&self, text: &str) -> Result<(), StoreError> {
        write_whole(&self.folder.path.join("summary.json"), text.as_bytes())
    }

    /// Takes away what was read, once it is not needed any more; and what interrupted exports into
    /// the same file have read: what they would write is older.
    pub fn forget_pages(&self, runs: &Path) {
        forget(&self.folder.path, self.facts.objects.len());
        for run in list_runs(runs).unwrap_or_default() {
            let other = runs.join(&run);
            if run == self.folder.run || !other.join(pages_name(0)).is_file() || is_held(&other) {
                continue;
            }
            if let Ok(Some(facts)) = ExportFacts::of(&other)
                && facts.target.is_some()
                && facts.target == self.facts.target
                && facts.objects == self.facts.objects
            {
                forget(&other, facts.objects.len());
            }
        }
    }

    /// Takes it away as if it had never begun.
    pub fn discard(self) {
        // What stays is an interrupted run without records, which does no harm.
        let _ = fs::remove_dir_all(&self.folder.path);
    }

    fn save(&self) -> Result<(), StoreError> {
        let file = self.folder.path.join(FACTS);
        let text = serde_json::to_vec_pretty(&self.facts)
            .map_err(|error| StoreError::Damaged { file: file.clone(), what: error.to_string() })?;
        write_whole(&file, &text)
    }
}

/// Whether it is a finished export.
fn is_finished(folder: &Path) -> bool {
    matches!(ExportFacts::of(folder), Ok(Some(facts)) if facts.state() == RunState::Finished)
}

fn pages_name(number: usize) -> String {
    format!("pages-{}.bin", number + 1)
}

fn forget(folder: &Path, objects: usize) {
    for number in 0..objects {
        // Room on the disk is all that is lost.
        let _ = fs::remove_file(folder.join(pages_name(number)));
    }
}

/// Writes a file so that a process that is killed leaves it whole or as it was before. It is not
/// waited for the disk: the output is on it, and what a power cut takes here is read again.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let new = path.with_extension("new");
    let io = |source| StoreError::Io { path: path.to_owned(), source };
    match fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    let mut file = create_private_file(&new)?;
    let written = file.write_all(bytes).and_then(|()| fs::rename(&new, path));
    written.map_err(|source| {
        let _ = fs::remove_file(&new);
        io(source)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(runs: &Path, target: &str) -> ExportRun {
        let facts = ExportFacts::new(
            &["accounts".to_owned(), "contacts".to_owned()],
            "http://crm",
            "2026-11-25T02:00:00Z",
            Some(PathBuf::from(target)),
            serde_json::json!({}),
        );
        ExportRun::create(runs, facts, jiff::civil::date(2026, 11, 25).at(2, 0, 0, 0)).unwrap()
    }

    fn last() -> RunName {
        RunName("last".to_owned())
    }

    #[test]
    fn an_export_is_a_run_that_can_be_taken_up_again_with_what_it_has_read() {
        let runs = tempfile::tempdir().unwrap();
        let mut run = begin(runs.path(), "/a.csv");
        assert!(run.id().starts_with("20261125-020000-accounts-contacts-"), "{}", run.id());
        run.pages("contacts").unwrap().add(b"page").unwrap();
        run.take(Path::new("/a.csv")).unwrap();
        assert!(matches!(ExportRun::open(runs.path(), &last()), Err(StoreError::Active { .. })));
        run.end(RunState::Cancelled, 7).unwrap();
        drop(run);
        let run = ExportRun::open(runs.path(), &last()).unwrap().unwrap();
        assert_eq!((run.facts().state(), run.facts().records), (RunState::Cancelled, 7));
        assert!(run.has_taken(Path::new("/a.csv")) && !run.has_taken(Path::new("/b.csv")));
        assert_eq!(run.pages("contacts").unwrap().next_page().unwrap(), Some(&b"page"[..]));
        assert_eq!(run.pages("accounts").unwrap().next_page().unwrap(), None);
    }

    #[test]
    fn pages_go_with_the_export_that_makes_them_needless() {
        let runs = tempfile::tempdir().unwrap();
        let pages = |run: &ExportRun| {
            run.pages("accounts").unwrap().add(b"page").unwrap();
            run.folder.path.join(pages_name(0))
        };
        let same = pages(&begin(runs.path(), "/a.csv"));
        let other = pages(&begin(runs.path(), "/b.csv"));
        let active = begin(runs.path(), "/a.csv");
        let of_active = pages(&active);
        let run = begin(runs.path(), "/a.csv");
        let own = pages(&run);
        run.forget_pages(runs.path());
        assert_eq!([same, other, of_active, own].map(|file| file.exists()), [false, true, true, false]);
    }

    #[test]
    fn a_run_of_rows_is_none_and_one_of_a_newer_program_is_refused() {
        let runs = tempfile::tempdir().unwrap();
        let rows = RunFolder::create(runs.path(), "accounts", jiff::civil::date(2026, 1, 1).at(0, 0, 0, 0));
        fs::write(rows.unwrap().store_file(), "").unwrap();
        assert!(ExportRun::open(runs.path(), &last()).unwrap().is_none());
        let run = begin(runs.path(), "/a.csv");
        let file = run.folder.path.join(FACTS);
        let text = fs::read_to_string(&file).unwrap().replace("\"version\": 1", "\"version\": 2");
        fs::write(&file, text).unwrap();
        drop(run);
        assert!(matches!(ExportRun::open(runs.path(), &last()), Err(StoreError::Newer { found: 2, .. })));
    }
}
