//! The forms of an export, and which files, sheets and tables each has.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::changes::States;
use super::kept::Kept;
use super::manifest::{Begun, Part};
use super::plan::Plan;
use super::reading::ReadIn;
use super::reversed::Reversed;
use super::{ExportSettings, ExportedObject, Exporter, Target, exported};
use crate::model::{Dictionary, Field};
use crate::pipeline::{Catalog, PipelineError};
use crate::store::slug;
use crate::tabular::{
    CsvOptions, Output, RecordWriter, SqliteFile, TextTarget, csv_writer_like, jsonl_writer, line_fields,
    parquet_writer, sqlite_columns, sqlite_mark, with_lines, without_lines,
};

/// The object of the lines of opportunities.
const LINES: &str = "opportunity_lines";
/// Its field that says to which one a line belongs.
const LINES_PARENT: &str = "opportunityid";

/// The form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExportFormat {
    /// Comma-separated, UTF-8.
    Csv,
    /// A workbook.
    Xlsx,
    /// One JSON object a line.
    Jsonl,
    /// Columns with types, for analysis.
    Parquet,
    /// A database with a table for each object.
    Sqlite,
}

impl ExportFormat {
    /// The words of `--format`, as a sentence has them.
    pub const WORDS: &str = "csv, xlsx, jsonl, parquet or sqlite";
    /// The endings, as a sentence has them.
    pub const ENDINGS: &str = ".csv, .xlsx, .jsonl, .parquet or .sqlite";

    /// The file's ending, and the word of `--format`.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
            Self::Jsonl => "jsonl",
            Self::Parquet => "parquet",
            Self::Sqlite => "sqlite",
        }
    }

    /// Reads an ending or the word of `--format`.
    pub fn from_word(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "xlsx" => Some(Self::Xlsx),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "parquet" => Some(Self::Parquet),
            "sqlite" | "sqlite3" | "db" => Some(Self::Sqlite),
            _ => None,
        }
    }

    /// Whether one file has room for several objects.
    pub fn takes_several(self) -> bool {
        matches!(self, Self::Xlsx | Self::Sqlite)
    }

    /// Whether it can be written from beginning to end, as standard output is.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Csv | Self::Jsonl)
    }
}

/// Where the lines of opportunities have a place of their own: their columns.
pub(super) struct LinesPlan {
    dictionary: Dictionary,
    pub fields: Vec<Field>,
}

impl LinesPlan {
    /// For an object, where it has lines, they are wanted, and the output has a place for them:
    /// workbooks, databases, Parquet, and each form in a folder.
    pub async fn of(
        object: &str,
        settings: &ExportSettings,
        catalog: &Catalog,
    ) -> Result<Option<Self>, PipelineError> {
        let apart = !settings.format.is_text() || matches!(settings.target, Target::Folder(_));
        if !settings.lines || object != "opportunities" || !apart {
            return Ok(None);
        }
        if settings.objects.iter().any(|object| object == LINES) {
            return Err(PipelineError::usage(
                format!("--lines writes {LINES} too, and would write them twice"),
                format!("leave out --lines, or the object {LINES}"),
            ));
        }
        let dictionary = catalog.dictionary(LINES, |_| false).await?;
        let fields = line_fields(&dictionary);
        Ok(Some(Self { dictionary, fields }))
    }

    /// With the name of their table or sheet.
    pub fn named(&self) -> (&str, &[Field]) {
        (LINES, &self.fields)
    }

    /// What the manifest says of them.
    fn part(&self, of: &Part, read: &ReadIn) -> Part {
        of.of_lines(&self.dictionary, &self.fields, &read.lines)
    }
}

/// The second file in the making: the lines of opportunities.
pub(super) struct Beside {
    path: PathBuf,
    manifest: Begun,
}

impl Exporter<'_> {
    /// A writer of text records.
    pub(super) fn text_writer<'w>(
        &self,
        target: TextTarget<'w>,
        fields: &[Field],
        reversed: Option<&Reversed>,
    ) -> Result<Box<dyn RecordWriter + 'w>, PipelineError> {
        let keeps_guard = reversed.is_some_and(Reversed::keeps_guard);
        let guard = !self.settings.raw && !keeps_guard;
        let options = CsvOptions { excel: self.settings.excel, guard };
        let look = reversed.map(Reversed::look).unwrap_or_default();
        Ok(match self.settings.format {
            ExportFormat::Jsonl => jsonl_writer(target, fields)?,
            _ => csv_writer_like(target, fields, options, look)?,
        })
    }

    /// A writer of records of one object into a file of their own.
    fn file_writer(
        &self,
        output: Output,
        object: &str,
        fields: &[Field],
        reversed: Option<&Reversed>,
    ) -> Result<Box<dyn RecordWriter>, PipelineError> {
        match self.settings.format {
            ExportFormat::Parquet => Ok(parquet_writer(output, object, fields)?),
            _ => self.text_writer(output.into(), fields, reversed),
        }
    }

    /// The writer of a plan's records, and of their lines into a second file.
    pub(super) fn writer(
        &self,
        output: Output,
        path: &Path,
        plan: &Plan,
    ) -> Result<(Box<dyn RecordWriter>, Option<Beside>), PipelineError> {
        let object = &plan.dictionary.object;
        let Some(lines) = &plan.lines else {
            return Ok((self.file_writer(output, object, &plan.fields, plan.reversed.as_ref())?, None));
        };
        let beside = self.lines_beside(path);
        let second = self.output(&beside)?;
        // Records that are no more are told beside the opportunities.
        let settings = ExportSettings { incremental: None, ..self.settings.clone() };
        let manifest = self.manifest(&beside, &settings)?;
        let records = self.file_writer(output, object, &without_lines(&plan.fields), None)?;
        let second = self.file_writer(second, LINES, &lines.fields, None)?;
        let both = with_lines(records, second, &plan.fields, &lines.fields);
        Ok((both, Some(Beside { path: beside, manifest })))
    }

    /// In a folder the file is named like the object; beside a file, like both.
    fn lines_beside(&self, path: &Path) -> PathBuf {
        let ending = self.settings.format.ending();
        match self.settings.target {
            Target::Folder(_) => path.with_file_name(format!("{LINES}.{ending}")),
            Target::Standard | Target::File(_) => path.with_extension(format!("{LINES}.{ending}")),
        }
    }

    /// An older second file gets its second name.
    pub(super) fn keep_beside(&self, beside: Option<&Beside>) -> Result<Option<Kept>, PipelineError> {
        let Some(beside) = beside else { return Ok(None) };
        self.journal.take(&beside.path);
        Kept::set_aside(&beside.path, self.settings.keep)
    }

    /// Tells what is in the second file, which is whole by now.
    pub(super) fn finish_beside(
        &self,
        beside: Beside,
        part: Part,
        kept: Option<Kept>,
    ) -> Result<ExportedObject, PipelineError> {
        let done = ExportedObject {
            object: LINES.to_owned(),
            records: part.records,
            file: beside.path.display().to_string(),
        };
        self.tell(beside.manifest.finish(&self.settings.base_url, vec![part], self.clock.now())?);
        kept.map_or(Ok(()), Kept::finish)?;
        Ok(done)
    }

    /// All objects into one database: a new one, or the one that is there, by their ids. From that
    /// one goes what the CRM no longer has, as far as it is asked for.
    pub(super) async fn database(
        &self,
        path: &Path,
        plans: Vec<Plan>,
    ) -> Result<Vec<ExportedObject>, PipelineError> {
        let file = match self.settings.incremental {
            Some(_) => SqliteFile::update(path)?,
            None => SqliteFile::create(self.output(path)?)?,
        };
        let manifest = self.manifest(path, self.settings)?;
        let (mut done, mut parts) = (Vec::new(), Vec::new());
        for mut plan in plans {
            let mut table = match &plan.lines {
                Some(lines) => file.table_with_lines(&plan.dictionary.object, &plan.fields, lines.named())?,
                None => file.table(&plan.dictionary.object, &plan.fields)?,
            };
            let tells = self.settings.tells_deleted();
            if let Some(changes) = plan.changes.as_mut().filter(|changes| tells && changes.writes_all()) {
                // What is not among all records is no more, whether or not that was known.
                changes.know(file.ids(&plan.dictionary.object)?);
            }
            let read = self.read(&mut plan, table.as_mut()).await?;
            self.tell(table.finish()?);
            file.remove(&plan.dictionary.object, "id", &read.gone)?;
            if plan.lines.is_some() {
                file.remove(LINES, LINES_PARENT, &read.gone)?;
            }
            took(self.settings, (&plan, &read), path, &mut parts, &mut done);
        }
        let kept = Kept::set_aside(path, self.settings.keep)?;
        if self.settings.incremental.is_some() {
            file.set_mark(States::mark(self.begun))?;
        }
        self.journal.take(path);
        self.tell(file.finish()?);
        self.tell(manifest.finish(&self.settings.base_url, parts, self.clock.now())?);
        kept.map_or(Ok(()), Kept::finish)?;
        Ok(done)
    }
}

/// The file of an object in a folder.
pub(super) fn file_in(folder: &Path, object: &str, format: ExportFormat) -> PathBuf {
    folder.join(format!("{}.{}", slug(object), format.ending()))
}

/// Whether all records are to be written though only news are wanted: a database that was taken
/// away, that lacks a table or a column, or that is not the one which the last export of the kind
/// left (its mark is another) holds nothing to add news to.
pub(super) fn begins_afresh(
    settings: &ExportSettings,
    plan: &Plan,
    mark: Option<i32>,
) -> Result<bool, PipelineError> {
    if settings.format != ExportFormat::Sqlite {
        return Ok(false);
    }
    let object = plan.dictionary.object.as_str();
    let path = match &settings.target {
        Target::Folder(folder) => file_in(folder, object, settings.format),
        Target::File(path) => path.clone(),
        Target::Standard => return Ok(false),
    };
    let known = sqlite_mark(&path)?;
    if known.is_none() || known != mark {
        return Ok(true);
    }
    let lacks = |table: &str, fields: &[Field]| -> Result<bool, PipelineError> {
        let columns = sqlite_columns(&path, table)?;
        let has = |field: &Field| columns.iter().any(|column| column.eq_ignore_ascii_case(&field.name));
        Ok(!fields.iter().all(has))
    };
    match &plan.lines {
        Some(lines) => Ok(lacks(object, &without_lines(&plan.fields))? || lacks(LINES, &lines.fields)?),
        None => lacks(object, &plan.fields),
    }
}

/// Notes what was written of an object, and of its lines.
pub(super) fn took(
    settings: &ExportSettings,
    (plan, read): (&Plan, &ReadIn),
    path: &Path,
    parts: &mut Vec<Part>,
    done: &mut Vec<ExportedObject>,
) {
    let part = Part::of(plan, settings, read);
    let lines = plan.lines.as_ref().map(|lines| lines.part(&part, read));
    parts.push(part);
    done.push(exported(plan, read.records, path));
    if let Some(lines) = lines {
        let (object, file) = (lines.object.clone(), path.display().to_string());
        done.push(ExportedObject { object, records: lines.records, file });
        parts.push(lines);
    }
}
