//! The reject file: the user's own rows in the user's own form, with what is
//! wrong with them behind.

use std::path::{Path, PathBuf};

use super::dialect::{Dialect, Form};
use super::error::OutputError;
use super::output::Output;
use super::reject_csv::CsvRejects;
use super::reject_json::JsonRejects;
use super::reject_xlsx::XlsxRejects;
use crate::model::{EXTRA_COLUMN, Field};

/// What stands behind a row in a reject file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark<'a> {
    /// The row's number in the source.
    pub row: u64,
    /// The run's id.
    pub run: &'a str,
    /// The row's outcome.
    pub status: &'a str,
    /// The code of its first finding.
    pub code: &'a str,
    /// All findings, as sentences.
    pub errors: &'a str,
}

impl<'a> Mark<'a> {
    /// The texts behind the row's number, in the order of [`RESERVED_COLUMNS`](crate::model::RESERVED_COLUMNS).
    pub(super) fn texts(&self) -> [&'a str; 4] {
        [self.run, self.status, self.code, self.errors]
    }
}

/// A cell that is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadCell<'a> {
    /// Where it stood in the source, `Contacts!F17`.
    pub address: &'a str,
    /// What is wrong with it.
    pub message: &'a str,
    /// The field whose list does not have its value, with the list's values.
    pub of_list: Option<&'a Field>,
}

/// Writes a reject file. It appears under its name when it is finished, and
/// replaces an earlier one of the same run.
pub struct RejectWriter(Kind);

enum Kind {
    Csv(Box<CsvRejects>),
    Xlsx(Box<XlsxRejects>),
    Json(Box<JsonRejects>),
}

impl RejectWriter {
    /// `STEM.csv`, `.xlsx` or `.jsonl`, as the source was; all workbooks become XLSX.
    pub fn file_name(stem: &str, dialect: &Dialect) -> String {
        let ending = match dialect.form {
            Form::Text(_) => "csv",
            Form::Sheet(_) => "xlsx",
            Form::Json(_) => "jsonl",
        };
        format!("{stem}.{ending}")
    }

    /// Begins `FOLDER/STEM.csv` and the like. `extra` adds the column `_extra`;
    /// set it where any row may have too many cells. Where the source has it, it stays.
    pub fn create(folder: &Path, stem: &str, dialect: &Dialect, extra: bool) -> Result<Self, OutputError> {
        Self::create_at(&folder.join(Self::file_name(stem, dialect)), dialect, extra, true)
    }

    /// Begins a file of that very name.
    pub fn create_at(path: &Path, dialect: &Dialect, extra: bool, force: bool) -> Result<Self, OutputError> {
        let output = Output::create(path, force)?;
        let extra = extra || dialect.reserved(EXTRA_COLUMN).is_some();
        Ok(Self(match &dialect.form {
            Form::Text(form) => Kind::Csv(Box::new(CsvRejects::begin(output, dialect, form, extra)?)),
            Form::Sheet(form) => Kind::Xlsx(Box::new(XlsxRejects::begin(output, dialect, form, extra)?)),
            Form::Json(form) => Kind::Json(Box::new(JsonRejects::begin(output, dialect, form)?)),
        }))
    }

    /// Writes one row: what [`super::keep`] kept of it, and its marks.
    pub fn write(&mut self, kept: &[u8], mark: &Mark<'_>) -> Result<(), OutputError> {
        self.write_with(kept, mark, &[])
    }

    /// The same with the cells that are at fault: in a workbook they are
    /// coloured, say what is wrong, and offer the values of their list.
    pub fn write_with(
        &mut self,
        kept: &[u8],
        mark: &Mark<'_>,
        bad: &[BadCell<'_>],
    ) -> Result<(), OutputError> {
        match &mut self.0 {
            Kind::Csv(rejects) => rejects.write(kept, mark),
            Kind::Xlsx(rejects) => rejects.write(kept, mark, bad),
            Kind::Json(rejects) => rejects.write(kept, mark),
        }
    }

    /// Completes the file and says where it is.
    pub fn finish(self) -> Result<PathBuf, OutputError> {
        match self.0 {
            Kind::Csv(rejects) => rejects.finish(),
            Kind::Xlsx(rejects) => rejects.finish(),
            Kind::Json(rejects) => rejects.finish(),
        }
    }
}
