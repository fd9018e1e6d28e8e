//! What stands beside a file: `OUT.manifest.json` tells what is in it and how
//! it came there, `OUT.deleted.csv` which records are no more.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::plan::Plan;
use super::since::written;
use super::{ExportFormat, ExportSettings};
use crate::model::{Dictionary, Direction, Field, Notice, shown};
use crate::pipeline::PipelineError;
use crate::pipeline::prepare::dictionary_hash;
use crate::rules::exported::{LatestChange, date_of_change};
use crate::tabular::{Fingerprint, LinesWritten, Output, fingerprint_of, without_lines};

/// What a manifest's name has behind the file's, and what the list of records that are no more has.
pub(super) const MANIFEST: &str = ".manifest.json";
pub(super) const DELETED: &str = ".deleted.csv";

/// What stands in the manifest. It belongs to the file that it names by its SHA-256.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// The version of the program.
    pub carafe: String,
    /// The CRM's address, or the sandbox's file.
    pub base_url: String,
    /// When reading began and the file was whole, in UTC.
    pub started: String,
    pub finished: String,
    /// The file's name, without its folder.
    pub file: String,
    #[serde(flatten)]
    pub fingerprint: Fingerprint,
    /// Object by object.
    pub objects: Vec<Part>,
}

/// The records of one object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Part {
    pub object: String,
    pub records: u64,
    /// The lowest and the highest id; none without records.
    pub ids: Option<(u64, u64)>,
    /// When a record was last changed, asked after the first page, in the CRM's own time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub latest_change: Option<String>,
    /// Records that were changed later than that, and those of the first pages, which came before it
    /// was asked: when, as they were read.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub changed_meanwhile: BTreeMap<u64, String>,
    pub fields: Vec<String>,
    /// `--where`, `--q`, `--since`, `--order` and `--limit`, as far as they were given.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none", default)]
    pub condition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub q: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub order: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub limit: Option<u64>,
    /// A fingerprint of the object's dictionary: another one if a field changed.
    pub dictionary: String,
    /// How many records are no more, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub deleted: Option<u64>,
    #[serde(skip)]
    gone: Vec<u64>,
    /// How many texts of a field have a `'` in front that the CRM has not.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub guarded: BTreeMap<String, u64>,
}

impl Part {
    /// What was read of an object.
    pub fn of(plan: &Plan, settings: &ExportSettings, read: &super::reading::ReadIn) -> Self {
        let order = plan.query.order.iter().map(|(field, direction)| match direction {
            Direction::Ascending => field.clone(),
            Direction::Descending => format!("-{field}"),
        });
        let apart = plan.lines.as_ref().map(|_| without_lines(&plan.fields));
        let columns = apart.as_ref().unwrap_or(&plan.fields);
        Self {
            object: plan.dictionary.object.clone(),
            records: read.records,
            ids: read.ids,
            latest_change: read.latest_change.clone(),
            changed_meanwhile: read.changed_meanwhile.clone().unwrap_or_default(),
            fields: columns.iter().map(|field| field.name.clone()).collect(),
            condition: settings.condition.clone(),
            q: settings.raw_filter.clone(),
            since: settings.since.map(written),
            order: order.collect(),
            limit: settings.limit,
            dictionary: dictionary_hash(&plan.dictionary),
            deleted: settings.tells_deleted().then_some(read.gone.len() as u64),
            gone: read.gone.clone(),
            guarded: read.guarded.iter().cloned().collect(),
        }
    }
}

impl Part {
    /// What was written of the lines beside these records.
    pub fn of_lines(&self, dictionary: &Dictionary, fields: &[Field], lines: &LinesWritten) -> Self {
        Self {
            object: dictionary.object.clone(),
            records: lines.records,
            ids: None,
            latest_change: None,
            changed_meanwhile: BTreeMap::new(),
            fields: fields.iter().map(|field| field.name.clone()).collect(),
            dictionary: dictionary_hash(dictionary),
            deleted: None,
            gone: Vec::new(),
            guarded: lines.guarded.iter().cloned().collect(),
            ..self.clone()
        }
    }
}

/// Both in the making. They are begun before anything is read, so that what is
/// in their way is told at once.
#[derive(Debug)]
pub(super) struct Begun {
    output: Output,
    deleted: Option<Output>,
    file: PathBuf,
    started: jiff::Timestamp,
}

impl Begun {
    /// Begins what stands beside a file. What an earlier export left is replaced, another file of
    /// its name only with `--force`.
    pub fn beside(
        file: &Path,
        settings: &ExportSettings,
        now: jiff::Timestamp,
    ) -> Result<Self, PipelineError> {
        let path = manifest_of(file);
        let earlier = read(&path);
        let output = Output::create(&path, settings.force || earlier.is_some())?;
        // A database is brought up to date without --force, and this with it.
        let told = earlier.is_some_and(|there| there.objects.iter().any(|part| part.deleted.is_some()));
        let replaces = settings.force || (told && settings.format == ExportFormat::Sqlite);
        let deleted = settings
            .tells_deleted()
            .then(|| Output::create(&path_beside(file, DELETED), replaces))
            .transpose()?;
        Ok(Self { output, deleted, file: file.to_owned(), started: now })
    }

    /// Tells what is in the file, which is whole by now.
    pub fn finish(
        mut self,
        base_url: &str,
        parts: Vec<Part>,
        now: jiff::Timestamp,
    ) -> Result<Vec<Notice>, PipelineError> {
        let notices = self.deleted.take().map(|output| write_deleted(output, &parts)).transpose()?;
        let fingerprint = fingerprint_of(&self.file)?;
        let manifest = Manifest {
            carafe: env!("CARGO_PKG_VERSION").to_owned(),
            base_url: base_url.to_owned(),
            started: to_the_second(self.started),
            finished: to_the_second(now),
            file: self.file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            fingerprint,
            objects: parts,
        };
        let mut text = serde_json::to_string_pretty(&manifest)
            .map_err(|error| PipelineError::Fault(format!("the manifest cannot be written: {error}")))?;
        text.push('\n');
        self.output.write_all(text.as_bytes()).map_err(|error| self.output.fault(error))?;
        self.output.commit()?;
        Ok(notices.unwrap_or_default())
    }
}

/// Writes the ids of the records that are no more, and tells of them.
fn write_deleted(mut output: Output, parts: &[Part]) -> Result<Vec<Notice>, PipelineError> {
    let mut text = String::from("object,id\n");
    for part in parts {
        part.gone.iter().for_each(|id| text.push_str(&format!("{},{id}\n", part.object)));
    }
    output.write_all(text.as_bytes()).map_err(|error| output.fault(error))?;
    let name = output.name();
    output.commit()?;
    let told = parts.iter().filter(|part| !part.gone.is_empty()).map(|part| {
        let (object, gone) = (shown(&part.object), part.gone.len());
        Notice(format!("{object}: {gone} deleted since the last export; see {name}"))
    });
    Ok(told.collect())
}

fn to_the_second(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The file's path with an ending more.
pub(super) fn path_beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// The manifest of a file.
pub(super) fn manifest_of(file: &Path) -> PathBuf {
    path_beside(file, MANIFEST)
}

/// When a file was whole, by its manifest; none without one.
pub(super) fn finished_of(file: &Path) -> Option<jiff::Timestamp> {
    read(&manifest_of(file))?.finished.parse().ok()
}

/// Whether the manifest beside a file is about what is in it.
pub(super) fn is_told_of(file: &Path) -> bool {
    let told = read(&manifest_of(file)).map(|manifest| manifest.fingerprint);
    told.is_some() && told == fingerprint_of(file).ok()
}

/// When the records of an exported file were last changed by then, by the manifest beside it; none
/// without one of that object and that CRM.
pub(in crate::pipeline) fn latest_change(
    file: &Path,
    dictionary: &Dictionary,
    base_url: &str,
) -> Option<LatestChange> {
    let path = manifest_of(file);
    let manifest = read(&path).filter(|manifest| manifest.base_url == base_url)?;
    let part = manifest.objects.into_iter().find(|part| part.object == dictionary.object)?;
    Some(LatestChange {
        field: date_of_change(dictionary)?,
        latest: part.latest_change?,
        meanwhile: part.changed_meanwhile,
        manifest: shown(&path.file_name()?.to_string_lossy()).to_string(),
    })
}

/// What an export wrote of a file, if that is what is there.
fn read(path: &Path) -> Option<Manifest> {
    /// No manifest is as long.
    const MOST: u64 = 16 << 20;
    let is_file = std::fs::symlink_metadata(path).is_ok_and(|there| there.is_file() && there.len() <= MOST);
    if !is_file {
        return None;
    }
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}
