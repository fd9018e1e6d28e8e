//! `--mapping`: records under the user's own headers, in the user's words and
//! in a file as the mapping's `source` reads it.

use std::path::PathBuf;

use super::plan::Plan;
use super::resolve::{Resolution, Resolver};
use super::source_form::SourceForm;
use super::writing::Places;
use super::{ExportFormat, ExportSettings};
use crate::crm::{RecordRef, Records};
use crate::model::{Dictionary, Field, FieldKind, Notice, ValueRef, shown};
use crate::pipeline::header::assumed_header;
use crate::pipeline::prepare::{is_unknown_object, read_mapping, references, unknown_object};
use crate::pipeline::{Catalog, PipelineError};
use crate::rules::mapping::{Guard, Mapping, Mode};
use crate::rules::problem::{Problem, Problems};
use crate::rules::program::{Dictionaries, Overrides, Program};
use crate::rules::reversal::{Reversal, Room};
use crate::tabular::{CsvLook, OutputProblem, RecordWriter, SheetPlace};

/// Digits that a workbook's number keeps.
const DIGITS_OF_EXCEL: usize = 15;

/// A mapping that was read, and is not yet held against the dictionary.
pub(super) struct ReadMapping {
    mapping: Mapping,
    /// What does not read of it.
    known: Vec<Problem>,
}

/// A mapping turned round, and the file that it reads.
pub(super) struct Reversed {
    reversal: Reversal,
    /// Of each of the reversal's fields, which resolution names its record.
    lookups: Vec<Option<usize>>,
    /// What the mapping's file is called, as the user wrote it.
    file: String,
    /// The file to be written, or the folder.
    out: PathBuf,
    look: CsvLook,
    place: SheetPlace,
    keeps_guard: bool,
    /// A database's key stands before the mapping's columns.
    has_id: bool,
}

impl ReadMapping {
    /// Reads the mapping that an export is given, if it is given one.
    ///
    /// # Errors
    /// It cannot be read, or other objects are exported than the one that it is for.
    pub fn of(object: &str, settings: &ExportSettings) -> Result<Option<Self>, PipelineError> {
        let Some(path) = &settings.mapping else { return Ok(None) };
        let (mapping, known) = read_mapping(path)?;
        if settings.objects.len() > 1 {
            let message = format!(
                "a mapping is for one object, {}, and {} are exported",
                shown(&mapping.object.value),
                settings.objects.len()
            );
            return Err(PipelineError::usage(message, "export that one alone"));
        }
        let read = Self { mapping, known };
        if read.mapping.object.value != object {
            let (of, object) = (shown(&read.mapping.object.value).to_string(), shown(object));
            let message = format!("the mapping is for {of}, and {object} is exported");
            return Err(read.told(vec![Problem::at(read.mapping.object.place, message)]));
        }
        Ok(Some(read))
    }

    /// Whether the mapping names a field.
    pub fn names(&self, field: &Field) -> bool {
        self.mapping.fields.iter().any(|(name, _)| name.value == field.name)
    }

    /// The error, at its place where it is one of the mapping's.
    pub fn at_its_place(&self, error: PipelineError, catalog: &Catalog) -> PipelineError {
        if is_unknown_object(&error) { unknown_object(Some(&self.mapping), catalog, error) } else { error }
    }

    fn told(&self, problems: Vec<Problem>) -> PipelineError {
        Problems::new(&self.mapping.file, &self.mapping.text, problems).and(self.known.clone()).into()
    }

    /// Holds the mapping against the dictionary and the file to be written.
    ///
    /// # Errors
    /// All problems of the mapping at once, as an import would tell them.
    pub async fn reversed(
        self,
        settings: &ExportSettings,
        dictionary: &Dictionary,
        catalog: &Catalog,
    ) -> Result<(Reversed, Vec<Resolution>), PipelineError> {
        let others = references(&self.mapping, catalog).await?;
        let reversal = self.turned_round(settings, dictionary, &others, &catalog.objects())?;
        let (mut resolutions, mut lookups) = (Vec::new(), Vec::new());
        for (field, reference) in reversal.fields() {
            let of = reference.and_then(|reference| Some((reference, others.get(&reference.object)?)));
            lookups.push(of.map(|_| resolutions.len()));
            resolutions.extend(of.map(|(reference, of)| Resolution::of(field, of.clone(), &reference.by)));
        }
        let is_table = settings.format == ExportFormat::Sqlite;
        let has_id = is_table && reversal.columns().iter().all(|column| column.name != "id");
        let SourceForm { look, place, .. } = SourceForm::of(&self.mapping, settings);
        let keeps_guard = self.mapping.source.guard == Guard::Keep;
        let (file, out) = (self.mapping.file, settings.target.path().to_owned());
        let reversed = Reversed { reversal, lookups, file, out, look, place, keeps_guard, has_id };
        if is_table {
            reversed.check_table()?;
        }
        Ok((reversed, resolutions))
    }

    fn turned_round(
        &self,
        settings: &ExportSettings,
        dictionary: &Dictionary,
        others: &Dictionaries,
        objects: &[&str],
    ) -> Result<Reversal, PipelineError> {
        let (mapping, format) = (&self.mapping, settings.format);
        let overrides = Overrides {
            objects,
            // Of what is deleted, the key alone would be read.
            mode: (mapping.mode() == Mode::Delete).then_some(Mode::Update),
            blank: None,
            guarded_source: format == ExportFormat::Csv && settings.raw,
            source_without_grid: format == ExportFormat::Jsonl,
        };
        let mut problems = SourceForm::of(mapping, settings).problems;
        let compiled = Program::compile(mapping, dictionary, others, &assumed_header(mapping), overrides);
        let program = match compiled {
            Ok((program, _)) if problems.is_empty() && self.known.is_empty() => program,
            Ok(_) => return Err(self.told(problems)),
            Err(more) => {
                problems.extend(more.problems);
                return Err(self.told(problems));
            }
        };
        let digits = match format {
            ExportFormat::Csv => 0,
            ExportFormat::Xlsx => DIGITS_OF_EXCEL,
            ExportFormat::Jsonl | ExportFormat::Parquet | ExportFormat::Sqlite => usize::MAX,
        };
        let columns_alike = matches!(format, ExportFormat::Csv | ExportFormat::Xlsx);
        let reversal = Reversal::new(mapping, program, Room { digits, columns_alike });
        if reversal.columns().is_empty() {
            let message = "no line under \"fields\" takes a column as it is, so there is none to write";
            return Err(self.told(vec![Problem::whole(message)]));
        }
        Ok(reversal)
    }
}

impl Reversed {
    /// The columns to be written.
    pub fn columns(&self) -> Vec<Field> {
        let id = self.has_id.then(|| Field { decimals: Some(0), ..Field::new("id", FieldKind::Number) });
        id.into_iter().chain(self.reversal.columns()).collect()
    }

    /// How a CSV looks.
    pub fn look(&self) -> CsvLook {
        self.look
    }

    /// Where in a workbook the records stand.
    pub fn place(&self) -> SheetPlace {
        self.place.clone()
    }

    /// The mapping leaves an export's formula guard, so there must be none.
    pub fn keeps_guard(&self) -> bool {
        self.keeps_guard
    }

    /// A database tells its columns apart without case, and its key by its name.
    fn check_table(&self) -> Result<(), PipelineError> {
        let columns = self.columns();
        let keys: Vec<_> = columns.iter().filter(|column| column.name.eq_ignore_ascii_case("id")).collect();
        let is_number = |column: &&Field| column.kind == FieldKind::Number && column.decimals == Some(0);
        if keys.len() == 1 && keys.iter().all(is_number) {
            return Ok(());
        }
        Err(PipelineError::usage(
            "the column id of a database is the record's id, and the mapping has another one of that name",
            "write another form than SQLite",
        ))
    }

    /// Writes the records of a page.
    pub fn write(
        &mut self,
        page: &Records,
        resolver: Option<&Resolver>,
        writer: &mut dyn RecordWriter,
    ) -> Result<(), PipelineError> {
        let fields: Vec<String> = self.reversal.fields().map(|(name, _)| name.to_owned()).collect();
        let mut places = Places::default();
        for record in page.iter() {
            let value = |place: &Option<usize>| place.map_or(ValueRef::Null, |at| record.value(at));
            let of_record = places.of(record, fields.iter().map(String::as_str));
            let values: Vec<ValueRef<'_>> = of_record.iter().map(value).collect();
            let name = |lookup: &Option<usize>| resolver?.name((*lookup)?, record);
            let names: Vec<Option<&str>> = self.lookups.iter().map(name).collect();
            let id = record.id().get().to_string();
            let cells = self.reversal.record(&values, &names);
            if let Some((at, missing)) = lacking(self.look, &cells) {
                let column = self.reversal.columns().swap_remove(at).name;
                return Err(self.unwritable(record, &column, missing));
            }
            if self.has_id {
                let cells: Vec<_> = std::iter::once(ValueRef::Number(&id)).chain(cells).collect();
                writer.write_refs(&cells)?;
            } else {
                writer.write_refs(&cells)?;
            }
        }
        Ok(())
    }

    /// That a text cannot be written in the mapping's encoding.
    fn unwritable(&self, record: RecordRef<'_>, column: &str, missing: char) -> PipelineError {
        let (id, column, encoding) = (record.id().get(), shown(column), self.look.encoding());
        let (missing, file) = (missing.to_string(), shown(&self.file));
        let told = format!(
            "record {id}: \"{column}\" has the character \"{}\", which {encoding} does not have; say encoding: utf-8 \
             under source in {file}, or correct the record and export again",
            shown(&missing)
        );
        OutputProblem::Content(told).of(&self.out).into()
    }

    /// What could not be turned round.
    fn notices(&self, object: &str) -> Vec<Notice> {
        let of = |Notice(text): Notice| Notice(format!("{}: {text}", shown(object)));
        self.reversal.notices().into_iter().map(of).collect()
    }
}

/// The first cell that has a character which the encoding lacks.
fn lacking(look: CsvLook, cells: &[ValueRef<'_>]) -> Option<(usize, char)> {
    if look.is_utf8() {
        return None;
    }
    cells.iter().enumerate().find_map(|(at, cell)| Some((at, look.lacks(cell.to_text())?)))
}

impl Plan {
    /// What could not be turned round, where a mapping was.
    pub fn reversal_notices(&self) -> Vec<Notice> {
        self.reversed.as_ref().map(|reversed| reversed.notices(&self.dictionary.object)).unwrap_or_default()
    }
}
