//! What has changed since the last finished export of the same kind, each
//! change once.
//!
//! The CRM's dates have whole seconds and a time zone that nobody knows, and
//! others write while an export reads. So the next export asks for all that was
//! changed since this one began, less as much as time zones can differ, and
//! drops what it knows from before by its content. Objects without a date of
//! the last change are read whole, and told apart by content alone.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use super::ExportSettings;
use super::plan::Plan;
use super::since::{changed_since, dates_of, written};
use crate::crm::RecordRef;
use crate::model::{Filter, shown_path};
use crate::pipeline::PipelineError;
use crate::store::{create_private_folder, slug};
use crate::tabular::Output;

/// The westernmost time zone is twelve hours behind UTC; two more for clocks that are set wrong.
const OVERLAP: SignedDuration = SignedDuration::from_hours(14);

/// The format of the state's file.
const VERSION: u32 = 1;

/// What the last finished export knew.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    version: u32,
    /// Which exports it is about.
    of: Key,
    /// The mark of the database that it left.
    #[serde(default)]
    mark: Option<i32>,
    objects: BTreeMap<String, Known>,
}

/// Exports are of the same kind if they agree in this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Key {
    base_url: String,
    objects: Vec<String>,
    #[serde(rename = "where")]
    condition: Option<String>,
    q: Option<String>,
    out: PathBuf,
    deleted: bool,
}

/// What was known of an object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Known {
    /// From here on, in the CRM's time, all is read again; none where the whole object is.
    until: Option<String>,
    /// The contents of those that are read again, by id: a hash.
    contents: HashMap<u64, u64>,
    /// The columns that were written: what is not news in them may be in others.
    #[serde(default)]
    columns: u64,
}

/// Where the state of an incremental export lives.
#[derive(Debug)]
pub(super) struct States {
    file: PathBuf,
    key: Key,
    before: BTreeMap<String, Known>,
    mark_before: Option<i32>,
    after: BTreeMap<String, Known>,
    begun: Timestamp,
    /// Whether everything is read, so that deletions are noticed.
    reads_all: bool,
}

/// Tells what is new of one object.
#[derive(Debug)]
pub(super) struct Changes {
    /// The fields that tell when a record changed.
    dates: Vec<&'static str>,
    before: Known,
    after: Known,
    /// Every record is news: there is nothing to build on.
    writes_all: bool,
}

impl States {
    /// Reads what the last finished export knew.
    ///
    /// # Errors
    /// The file cannot be read, or is of another kind of export.
    pub fn open(settings: &ExportSettings, now: Timestamp) -> Result<Option<Self>, PipelineError> {
        let Some(incremental) = &settings.incremental else { return Ok(None) };
        let key = Key::of(settings);
        let file = incremental.state.clone().unwrap_or_else(|| key.file_in(&settings.runs));
        let before = match std::fs::read(&file) {
            Ok(bytes) => key.read(&file, &bytes)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => (None, BTreeMap::new()),
            Err(error) => return Err(unusable(&file, &error.to_string())),
        };
        let (mark_before, before) = before;
        let reads_all = incremental.deleted;
        let states = Self { file, key, before, mark_before, after: BTreeMap::new(), begun: now, reads_all };
        // What cannot be kept at the end is told before anything is read.
        drop(states.output()?);
        Ok(Some(states))
    }

    /// The mark of the database that the last export of the kind left.
    pub fn mark_before(&self) -> Option<i32> {
        self.mark_before
    }

    /// The mark of the database that this one leaves; never that of a database without one.
    pub fn mark(begun: Timestamp) -> i32 {
        let [a, b, c, d, ..] = xxh3_64(begun.to_string().as_bytes()).to_le_bytes();
        i32::from_le_bytes([a | 1, b, c, d])
    }

    fn output(&self) -> Result<Output, PipelineError> {
        if let Some(folder) = self.file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            create_private_folder(folder)?;
        }
        Ok(Output::create(&self.file, true)?)
    }

    /// What is to be read of an object, and how its news are told.
    /// `afresh` writes all, where the output does not hold what was known before.
    pub fn of(&mut self, plan: &Plan, afresh: bool) -> (Option<Filter>, Changes) {
        let dictionary = &plan.dictionary;
        let columns = columns(plan);
        let before = self.before.remove(&dictionary.object).filter(|known| known.columns == columns);
        // Deletions leave no trace: only who knows all records can tell which are missing. Nor does
        // a line that changes date its opportunity.
        let reads_all = self.reads_all || plan.query.lines;
        let dates = if reads_all { Vec::new() } else { dates_of(dictionary) };
        let until = (!dates.is_empty()).then(|| written(Offset::UTC.to_datetime(self.begun - OVERLAP)));
        let writes_all = afresh || before.is_none();
        let before = before.unwrap_or_default();
        let until_then = before.until.as_ref().filter(|_| !writes_all);
        let since = until_then.and_then(|until| until.parse::<DateTime>().ok());
        let filter = since.and_then(|since| changed_since(dictionary, since).ok());
        let after = Known { until, contents: HashMap::new(), columns };
        (filter, Changes { dates, before, after, writes_all })
    }

    /// Takes what is known of an object now.
    pub fn take(&mut self, object: &str, changes: Changes) {
        self.after.insert(object.to_owned(), changes.after);
    }

    /// Keeps what is known by now, once all that was read is written.
    pub fn save(self) -> Result<(), PipelineError> {
        let mut output = self.output()?;
        let mark = Some(Self::mark(self.begun));
        let state = State { version: VERSION, of: self.key, mark, objects: self.after };
        let text = serde_json::to_vec(&state)
            .map_err(|error| PipelineError::Fault(format!("the state cannot be written: {error}")))?;
        output.write_all(&text).map_err(|error| output.fault(error))?;
        output.commit()?;
        Ok(())
    }
}

impl Key {
    fn of(settings: &ExportSettings) -> Self {
        let out = settings.target.path();
        Self {
            base_url: settings.base_url.clone(),
            objects: settings.objects.clone(),
            condition: settings.condition.clone(),
            q: settings.raw_filter.clone(),
            out: std::path::absolute(out).unwrap_or_else(|_| out.to_owned()),
            deleted: settings.tells_deleted(),
        }
    }

    /// A file of its own in the folder of runs.
    fn file_in(&self, runs: &Path) -> PathBuf {
        let hash = xxh3_64(serde_json::to_string(self).unwrap_or_default().as_bytes());
        let name = self.out.file_stem().unwrap_or_default().to_string_lossy();
        runs.join("incremental").join(format!("{}-{hash:016x}.json", slug(&name)))
    }

    fn read(
        &self,
        file: &Path,
        bytes: &[u8],
    ) -> Result<(Option<i32>, BTreeMap<String, Known>), PipelineError> {
        let state: State =
            serde_json::from_slice(bytes).map_err(|_| unusable(file, "it is no state of an export"))?;
        match () {
            () if state.version != VERSION => Err(unusable(file, "a newer carafe wrote it")),
            () if state.of != *self => Err(unusable(
                file,
                "it is of an export of another CRM, other objects, another filter or another file",
            )),
            () => Ok((state.mark, state.objects)),
        }
    }
}

fn unusable(file: &Path, why: &str) -> PipelineError {
    PipelineError::usage(
        format!("cannot use the state {}: {why}", shown_path(file)),
        "name another file with --state, or delete it to export everything once more",
    )
}

impl Changes {
    /// Whether a record is new, or another than it was.
    pub fn is_news(&mut self, record: RecordRef<'_>) -> bool {
        let id = record.id().get();
        let content = content(record);
        if self.is_dated_from(self.after.until.as_deref(), record) {
            self.after.contents.insert(id, content);
        }
        // A CRM that does not know the filter gives older ones too.
        self.writes_all
            || self.is_dated_from(self.before.until.as_deref(), record)
                && self.before.contents.get(&id) != Some(&content)
    }

    /// Whether one of the record's dates is that time or later. Dates compare as texts.
    fn is_dated_from(&self, until: Option<&str>, record: RecordRef<'_>) -> bool {
        let is_later =
            |name: &&str, until: &str| record.get(name).is_some_and(|date| *date.to_text() >= *until);
        until.is_none_or(|until| self.dates.iter().any(|name| is_later(name, until)))
    }

    /// The CRM did not give all that it says it has: what was not seen is not taken for deleted.
    pub fn keep_unseen(&mut self) {
        for (id, content) in &self.before.contents {
            self.after.contents.entry(*id).or_insert(*content);
        }
    }

    /// Takes note of records that the output has, whatever they hold.
    pub fn know(&mut self, ids: Vec<u64>) {
        for id in ids {
            self.before.contents.entry(id).or_insert(0);
        }
    }

    /// The records that were there and are no more, by id; only where all records were read.
    pub fn gone(&self) -> Vec<u64> {
        let is_gone = |id: &&u64| !self.after.contents.contains_key(id);
        let mut gone: Vec<u64> = self.before.contents.keys().filter(is_gone).copied().collect();
        gone.sort_unstable();
        gone
    }

    /// Whether every record is news: there is no earlier export to build on.
    pub fn writes_all(&self) -> bool {
        self.writes_all
    }

    /// From when on it was read again, as the CRM writes times; none where all was read.
    pub fn since(&self) -> Option<&str> {
        self.before.until.as_deref()
    }
}

/// A hash of what is written of a record.
fn columns(plan: &Plan) -> u64 {
    let names = plan.fields.iter().map(|field| field.name.as_str());
    let lines = plan.lines.iter().flat_map(|lines| lines.fields.iter().map(|field| field.name.as_str()));
    // No name has a line break in it.
    xxh3_64(names.chain(["\n"]).chain(lines).collect::<Vec<_>>().join("\n").as_bytes())
}

/// A hash of all that a record holds.
fn content(record: RecordRef<'_>) -> u64 {
    let mut hash = Xxh3Default::new();
    for (at, name) in record.names().iter().enumerate() {
        let value = record.value(at);
        let text = value.to_text();
        hash.update(name.as_bytes());
        hash.update(&(text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    hash.digest()
}
