//! What an export is asked for, and what it tells when it is done.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::form::ExportFormat;
use super::journal::absolute;
use crate::model::Calls;

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
    pub(super) fn tells_deleted(&self) -> bool {
        self.incremental.as_ref().is_some_and(|incremental| incremental.deleted)
    }

    /// The same wherever it is read: an export may be gone on with in another folder.
    pub(super) fn with_whole_paths(&self) -> Self {
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
    pub(super) fn records(&self) -> u64 {
        self.objects.iter().map(|object| object.records).sum()
    }
}
