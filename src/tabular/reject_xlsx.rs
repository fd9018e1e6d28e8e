//! Rejects of a workbook: typed cells, written again as what they were.

use std::path::PathBuf;

use jiff::civil::{DateTime, Time};
use rust_xlsxwriter::{Format, Formula, Workbook, Worksheet, XlsxError};

use super::cells::{day_fraction, is_no_date, serial};
use super::dialect::{Dialect, SheetForm};
use super::error::OutputError;
use super::kept::{KeptCell, read_kept};
use super::output::Output;
use super::package::MAX_PARTS;
use super::reject::Mark;
use super::write_xlsx::{contained, cut, fitting_name, new_book, save};
use crate::model::{EXTRA_COLUMN, Number, RESERVED_COLUMNS, is_reserved};

pub(super) struct XlsxRejects {
    book: Workbook,
    /// The place of the rows' sheet.
    sheet: usize,
    output: Output,
    formats: Formats,
    /// Places of the columns in the sheet; earlier marks are left out.
    columns: Vec<Option<u16>>,
    /// Where the marks begin.
    marks: u16,
    row: u32,
    /// The column in which an earlier run put cells beyond the header.
    old_extra: Option<usize>,
    extra: bool,
}

struct Formats {
    date: Format,
    datetime: Format,
    time: Format,
    /// Of numbers that lost digits: what is typed over them stays a text.
    text: Format,
}

impl XlsxRejects {
    pub(super) fn begin(
        output: Output,
        dialect: &Dialect,
        form: &SheetForm,
        extra: bool,
    ) -> Result<Self, OutputError> {
        let target = output.target().to_owned();
        let formats = Formats {
            date: Format::new().set_num_format("yyyy-mm-dd"),
            datetime: Format::new().set_num_format("yyyy-mm-dd hh:mm:ss"),
            time: Format::new().set_num_format("hh:mm:ss"),
            text: Format::new().set_num_format("@"),
        };
        let (columns, marks) = places(dialect);
        // A mapping that says sheet: 2 must find the rejects there.
        let before = form.number.saturating_sub(1).min(MAX_PARTS);
        let header = dialect.header_row.saturating_sub(1);
        let mut book = new_book(&target)?;
        contained(&target, || {
            let name = fitting_name(&form.name);
            for number in 1..=before {
                book.add_worksheet().set_name(blank_name(number, &name))?;
            }
            let sheet = book.add_worksheet_with_constant_memory()?;
            sheet.set_name(name)?.set_active(true);
            for title in form.titles.iter().filter(|title| (1..=header).contains(&title.row)) {
                for (column, cell) in (0_u16..16_384).zip(read_kept(title.cells.as_bytes())) {
                    write_cell(sheet, (title.row - 1, column), &cell, &formats)?;
                }
            }
            for (column, place) in dialect.columns.iter().zip(&columns) {
                if let Some(place) = place {
                    sheet.write_string(header, *place, cut(&column.name))?;
                }
            }
            for (column, name) in (marks..).zip(RESERVED_COLUMNS.iter().take(if extra { 6 } else { 5 })) {
                sheet.write_string(header, column, *name)?;
            }
            Ok(())
        })?;
        let old_extra = dialect.reserved(EXTRA_COLUMN);
        Ok(Self { book, output, formats, columns, marks, sheet: before, row: header, old_extra, extra })
    }

    pub(super) fn write(&mut self, kept: &[u8], mark: &Mark<'_>) -> Result<(), OutputError> {
        let cells = read_kept(kept);
        self.row += 1;
        let at = self.row;
        let target = self.output.target().to_owned();
        contained(&target, || {
            let sheet = self.book.worksheet_from_index(self.sheet)?;
            for (cell, place) in cells.iter().zip(&self.columns) {
                if let Some(place) = place {
                    write_cell(sheet, (at, *place), cell, &self.formats)?;
                }
            }
            // Row numbers stay far below 2^53, where every whole number is exact.
            sheet.write_number(at, self.marks, mark.row as f64)?;
            for (column, text) in (self.marks + 1..).zip(mark.texts()) {
                sheet.write_string(at, column, cut(text))?;
            }
            if self.extra {
                let earlier = self.old_extra.and_then(|at| cells.get(at)).map(KeptCell::to_text);
                let surplus = list(cells.get(self.columns.len()..).unwrap_or_default());
                let parts: Vec<String> =
                    earlier.into_iter().chain([surplus]).filter(|part| !part.is_empty()).collect();
                let surplus = parts.join(",");
                sheet.write_string(at, self.marks + 5, cut(&surplus))?;
            }
            Ok(())
        })
    }

    pub(super) fn finish(self) -> Result<PathBuf, OutputError> {
        let Self { book, mut output, .. } = self;
        save(book, &mut output)?;
        output.commit()
    }
}

/// The name of a blank sheet that stands before the rejects' own.
fn blank_name(number: usize, own: &str) -> String {
    let name = number.to_string();
    if name == own.trim() { format!("({name})") } else { name }
}

/// Where each column goes, and the first place behind them. Marks of an
/// earlier run at the right end give their places to the new ones.
fn places(dialect: &Dialect) -> (Vec<Option<u16>>, u16) {
    let mut marks = 0;
    let columns = dialect
        .columns
        .iter()
        .map(|column| {
            let place = u16::try_from(column.place).ok().filter(|_| !is_reserved(&column.name))?;
            marks = marks.max(place + 1);
            Some(place)
        })
        .collect();
    (columns, marks)
}

fn write_cell(
    sheet: &mut Worksheet,
    (row, column): (u32, u16),
    cell: &KeptCell,
    formats: &Formats,
) -> Result<(), XlsxError> {
    match cell {
        KeptCell::Blank => Ok(()),
        KeptCell::Text(text) => sheet.write_string(row, column, cut(text)).map(drop),
        KeptCell::Number(text) => match text.parse::<f64>() {
            Ok(number) => sheet.write_number(row, column, number).map(drop),
            Err(_) => sheet.write_string(row, column, text).map(drop),
        },
        KeptCell::Percent(shown) => write_percent(sheet, (row, column), shown),
        KeptCell::Bool(flag) => sheet.write_boolean(row, column, *flag).map(drop),
        KeptCell::DateTime(at) => write_date(sheet, (row, column), *at, formats),
        KeptCell::Time(time) => {
            sheet.write_number_with_format(row, column, day_fraction(*time), &formats.time).map(drop)
        }
        // What was no date, by the 1904 system or by its form, must not become one here.
        KeptCell::NoSuchDate(text) => {
            match text.parse().ok().filter(|&serial: &f64| serial.is_finite() && is_no_date(serial)) {
                Some(serial) => sheet.write_number_with_format(row, column, serial, &formats.date).map(drop),
                None => sheet.write_string(row, column, cut(text)).map(drop),
            }
        }
        // As a text, such a number would be one that a number's field takes.
        KeptCell::PrecisionLost(text) => write_as(sheet, (row, column), text, &formats.text),
        // An error stays an error, so that a row imported again unmended is
        // refused again. An error value is a formula of itself.
        KeptCell::Error(text) => write_error(sheet, (row, column), text),
        KeptCell::Missing => write_error(sheet, (row, column), "#N/A"),
    }
}

/// A number shown in percent, with as many decimals as it has.
fn write_percent(sheet: &mut Worksheet, (row, column): (u32, u16), shown: &str) -> Result<(), XlsxError> {
    let decimals = shown.trim_end_matches('%').split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let point = if decimals > 0 { "." } else { "" };
    let format = Format::new().set_num_format(format!("0{point}{}%", "0".repeat(decimals)));
    match Number::of_percent(shown).and_then(|held| held.as_str().parse::<f64>().ok()) {
        Some(held) => sheet.write_number_with_format(row, column, held, &format).map(drop),
        None => sheet.write_string(row, column, shown).map(drop),
    }
}

/// A number with the format that made its cell what it is; a text if it is none.
fn write_as(
    sheet: &mut Worksheet,
    (row, column): (u32, u16),
    text: &str,
    format: &Format,
) -> Result<(), XlsxError> {
    match text.parse::<f64>().ok().filter(|number| number.is_finite()) {
        Some(number) => sheet.write_number_with_format(row, column, number, format).map(drop),
        None => sheet.write_string(row, column, cut(text)).map(drop),
    }
}

fn write_error(sheet: &mut Worksheet, (row, column): (u32, u16), text: &str) -> Result<(), XlsxError> {
    let known = ["#N/A", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!"];
    let error = known.iter().find(|error| **error == text).unwrap_or(&"#N/A");
    let formula = Formula::new(format!("={error}")).set_result(*error);
    sheet.write_formula(row, column, formula).map(drop)
}

fn write_date(
    sheet: &mut Worksheet,
    (row, column): (u32, u16),
    at: DateTime,
    formats: &Formats,
) -> Result<(), XlsxError> {
    let format = if at.time() == Time::midnight() { &formats.date } else { &formats.datetime };
    match serial(at) {
        Some(serial) => sheet.write_number_with_format(row, column, serial, format).map(drop),
        None => sheet.write_string(row, column, at.to_string()).map(drop),
    }
}

/// The cells beyond the header as a list, like a line of CSV.
fn list(cells: &[KeptCell]) -> String {
    let quoted = |cell: &KeptCell| {
        let text = cell.to_text();
        if text.contains([',', '"', '\r', '\n']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text
        }
    };
    cells.iter().map(quoted).collect::<Vec<_>>().join(",")
}
