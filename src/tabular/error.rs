//! What stops the reading or writing of a whole file, in plain sentences.
//!
//! A bad row is never an error: it is a [`crate::model::RowFault`] or a
//! [`crate::model::CellFault`].

use std::io;
use std::path::Path;

use thiserror::Error;

use crate::model::shown;

/// Why a file cannot be read, with the file's name.
#[derive(Debug, Error)]
#[error("{file}: {problem}")]
pub struct InputError {
    /// The file as people know it, fit to be shown.
    pub file: String,
    /// What is wrong with it.
    pub problem: InputProblem,
}

/// Why a file cannot be read.
#[derive(Debug, Error)]
pub enum InputProblem {
    /// There is no such file.
    #[error("there is no such file; check its name and its folder")]
    NotFound,
    /// A folder, a pipe, a device.
    #[error("this is {0}, not a file; save the data as a CSV or XLSX file and name that")]
    NotAFile(&'static str),
    /// The machine refused to read it.
    #[error("the file cannot be read: {}", plain(.0))]
    Unreadable(io::Error),
    /// Its size or time of change is no longer what it was on opening.
    #[error("the file changed while it was read; close it in other programs and start again")]
    Changed,
    /// It is something else than a table, or a form that is not read.
    #[error("{0}")]
    WrongContent(String),
    /// The encoding asked for or found does not work.
    #[error("{0}")]
    Encoding(String),
    /// The delimiter asked for does not work.
    #[error("{0}")]
    Delimiter(String),
    /// A quote that is never closed.
    #[error(
        "line {line}: a quote opens here and is not closed{where_}; close it, or double it where it belongs to the text"
    )]
    OpenQuote {
        /// The physical line of the opening quote, 1-based.
        line: u64,
        /// How far it was looked for: a phrase with a leading blank.
        where_: &'static str,
    },
    /// A record beyond the caps.
    #[error("line {line}: {what}")]
    TooLarge {
        /// The physical line on which the record begins, 1-based.
        line: u64,
        /// Which cap, and what that points to.
        what: String,
    },
    /// The header cannot be used.
    #[error("{0}")]
    Header(String),
    /// The sheet asked for is not there.
    #[error("{0}")]
    Sheet(String),
    /// The range asked for is none, or not of this file.
    #[error("{0}")]
    Range(String),
    /// Several sheets could be meant, or only hidden ones.
    #[error("{}; name one with source: {{ sheet: … }} in the mapping", holding(.sheets, *.hidden))]
    WhichSheet {
        /// Their names.
        sheets: Vec<String>,
        /// None of them is visible.
        hidden: bool,
    },
    /// The workbook is damaged or hostile.
    #[error("{0}")]
    Workbook(String),
}

impl InputProblem {
    /// The problem, with the file's name.
    pub(super) fn of(self, file: &str) -> InputError {
        InputError { file: file.to_owned(), problem: self }
    }
}

impl From<io::Error> for InputProblem {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound,
            io::ErrorKind::IsADirectory => Self::NotAFile("a folder"),
            _ => Self::Unreadable(error),
        }
    }
}

/// Which sheets hold data: the first half of a sentence.
pub fn holding(sheets: &[String], hidden: bool) -> String {
    let names: Vec<String> = sheets.iter().map(|name| format!("\"{}\"", shown(name).cut(60))).collect();
    let which = if hidden { "only hidden sheets" } else { "several sheets" };
    format!("{which} hold data: {}", names.join(", "))
}

/// Why a file cannot be written, with the file's name.
#[derive(Debug, Error)]
#[error("{file}: {problem}")]
pub struct OutputError {
    /// The file as people know it, fit to be shown.
    pub file: String,
    /// What went wrong.
    pub problem: OutputProblem,
}

/// Why a file cannot be written.
#[derive(Debug, Error)]
pub enum OutputProblem {
    /// Something of that name is there already.
    #[error("this file is there already; take another name, or replace it with --force")]
    Exists,
    /// A folder of that name is there.
    #[error("this is a folder; name a file in it")]
    IsAFolder,
    /// The folder it should stand in is not there.
    #[error("its folder does not exist; create it first")]
    NoFolder,
    /// Another process has begun it.
    #[error("another process is writing this file just now; wait for it to end, or take another name")]
    Busy,
    /// The machine refused to write it: full, read-only, not allowed.
    #[error("the file cannot be written: {}", plain(.0))]
    Unwritable(#[from] io::Error),
    /// The workbook could not be put together.
    #[error("the workbook cannot be written: {0}")]
    Workbook(String),
    /// The database or columnar file could not be put together.
    #[error("{form} cannot be written: {why}")]
    Form {
        /// What it is, with its article.
        form: &'static str,
        /// What its library said.
        why: String,
    },
    /// What should be written does not fit the file's form.
    #[error("{0}")]
    Content(String),
}

impl OutputProblem {
    /// The problem, with the file's name.
    pub fn of(self, path: &Path) -> OutputError {
        OutputError { file: file_name(path), problem: self }
    }
}

/// The machine's refusal in plain words, where it is one of the usual.
fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "you are not allowed to; check its permissions".to_owned(),
        io::ErrorKind::StorageFull => "the disk is full".to_owned(),
        io::ErrorKind::QuotaExceeded => "your share of the disk is used up".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => "its disk or folder is read-only".to_owned(),
        io::ErrorKind::BrokenPipe => "whoever read the output has stopped".to_owned(),
        _ => error.to_string(),
    }
}

/// A path as people read it.
pub(super) fn file_name(path: &Path) -> String {
    shown(&path.display().to_string()).to_string()
}
