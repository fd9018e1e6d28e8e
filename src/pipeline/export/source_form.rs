//! The form of a file that a mapping's `source` reads, for an export to write.

use std::path::Path;

use super::{ExportFormat, ExportSettings, Target};
use crate::model::{shown, shown_path};
use crate::pipeline::source_keys::{delimiter_of, format_of};
use crate::rules::mapping::{Mapping, SheetName};
use crate::rules::problem::{Place, Problem};
use crate::tabular::{CsvLook, Format, SheetPlace};

/// What may stand before the records.
const MOST_ROWS_ABOVE: u32 = 1_000;
const MOST_SHEETS: usize = 100;

/// How the file looks, and what of `source` no export can write.
#[derive(Debug, Default)]
pub(super) struct SourceForm {
    /// Of a CSV.
    pub look: CsvLook,
    /// Of a workbook.
    pub place: SheetPlace,
    /// What is in the way.
    pub problems: Vec<Problem>,
}

impl SourceForm {
    /// The form that a mapping's `source` asks for.
    pub fn of(mapping: &Mapping, settings: &ExportSettings) -> Self {
        let mut form = Self::default();
        form.format(mapping, settings);
        if settings.format == ExportFormat::Csv {
            form.text(mapping, settings);
        }
        form.rows_above(mapping);
        form.sheet(mapping);
        form
    }

    fn refuse(&mut self, place: Place, message: impl Into<String>) {
        self.problems.push(Problem::at(place, message));
    }

    fn format(&mut self, mapping: &Mapping, settings: &ExportSettings) {
        let Some(key) = &mapping.source.format else { return };
        let format = match format_of(key) {
            Ok(format) => format,
            Err(problem) => return self.problems.push(problem),
        };
        if format == Format::Tsv {
            self.look = self.look.delimited('\t').unwrap_or(self.look);
        }
        if !is_written_as(format, settings.format) {
            let (out, written) = (out_name(&settings.target), settings.format.ending());
            let message = format!("the mapping reads {}, and {out} is to be {written}", format.word());
            self.refuse(key.place, message);
        }
    }

    fn text(&mut self, mapping: &Mapping, settings: &ExportSettings) {
        if let Some(key) = &mapping.source.delimiter {
            match delimiter_of(key) {
                Err(problem) => self.problems.push(problem),
                Ok(delimiter) => match self.look.delimited(delimiter) {
                    Ok(look) => self.look = look,
                    Err(message) => self.refuse(key.place, message),
                },
            }
        }
        let Some(key) = &mapping.source.encoding else { return };
        match self.look.encoded(&key.value) {
            Ok(look) => self.look = look,
            Err(message) => return self.refuse(key.place, message),
        }
        let encoding = self.look.encoding();
        if settings.excel && !encoding.starts_with("utf") {
            self.refuse(key.place, format!("--excel marks UTF-8, and the mapping's encoding is {encoding}"));
        }
        for name in mapping.fields.iter().flat_map(|(_, rule)| &rule.from) {
            if let Some(missing) = self.look.lacks(&name.value) {
                let missing = missing.to_string();
                self.refuse(
                    name.place,
                    format!("{encoding} does not have the character \"{}\"", shown(&missing)),
                );
            }
        }
    }

    fn rows_above(&mut self, mapping: &Mapping) {
        let Some(row) = &mapping.source.header_row else { return };
        match row.value.checked_sub(1) {
            Some(above) if above <= MOST_ROWS_ABOVE => {
                self.look = self.look.below(above);
                self.place.rows_above = above;
            }
            Some(_) => {
                self.refuse(
                    row.place,
                    format!("an export leaves at most {MOST_ROWS_ABOVE} rows above its header"),
                );
            }
            None => self.refuse(row.place, "rows count from 1"),
        }
    }

    fn sheet(&mut self, mapping: &Mapping) {
        if let Some(range) = &mapping.source.range {
            self.refuse(range.place, "an export fills a whole sheet, and the mapping reads a range of one");
        }
        match mapping.source.sheet.as_ref().map(|sheet| (sheet.place, &sheet.value)) {
            Some((_, SheetName::Name(name))) => self.place.name = Some(name.clone()),
            Some((_, SheetName::Number(number))) if *number <= MOST_SHEETS => {
                self.place.sheets_before = number.saturating_sub(1);
            }
            Some((place, SheetName::Number(_))) => {
                self.refuse(place, format!("an export writes the first {MOST_SHEETS} sheets at most"));
            }
            None => {}
        }
    }
}

fn is_written_as(read: Format, written: ExportFormat) -> bool {
    match read {
        Format::Csv | Format::Tsv => written == ExportFormat::Csv,
        Format::Xlsx => written == ExportFormat::Xlsx,
        Format::Jsonl => written == ExportFormat::Jsonl,
        Format::Xls | Format::Xlsb | Format::Ods => false,
    }
}

fn out_name(target: &Target) -> String {
    match target {
        Target::Standard => "standard output".to_owned(),
        Target::File(path) | Target::Folder(path) => {
            shown_path(path.file_name().map_or(path, Path::new)).to_string()
        }
    }
}
