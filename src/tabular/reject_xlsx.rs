//! Rejects of a workbook: typed cells, written again as what they were. Those
//! at fault are coloured, say what is wrong in a note, and offer the values of
//! their list.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Range;
use std::path::PathBuf;

use jiff::civil::DateTime;
use rust_xlsxwriter::{Format, Formula, Note, Workbook, Worksheet, XlsxError};

use super::area::corner;
use super::cells::{day_fraction, is_no_date, serial};
use super::dialect::{Dialect, SheetForm};
use super::error::OutputError;
use super::kept::{KeptCell, read_kept};
use super::list_sheet::ListSheet;
use super::output::Output;
use super::package::MAX_PARTS;
use super::reject::{BadCell, Mark};
use super::reject_look::{Formats, width};
use super::write_xlsx::{contained, cut, fitting_name, new_book, save, sheet_name};
use crate::model::{EXTRA_COLUMN, Number, RESERVED_COLUMNS, is_reserved, shown};

/// Columns that a sheet has.
const MOST_COLUMNS: u16 = 16_384;
/// Notes that a file has at most: each costs memory, here and in Excel.
const MOST_NOTES: usize = 5_000;
/// Rows above which nothing is frozen: with more the screen would be full.
const MOST_FROZEN: u32 = 10;
/// Widths of the columns behind a row.
const MARK_WIDTHS: [f64; RESERVED_COLUMNS.len()] = [8.0, 12.0, 9.0, 16.0, 60.0, 20.0];

/// What is wrong with a row's cells, by place.
type Told<'a> = BTreeMap<u16, Vec<&'a str>>;

pub(super) struct XlsxRejects {
    book: Workbook,
    /// The place of the rows' sheet.
    sheet: usize,
    output: Output,
    good: Formats,
    bad: Formats,
    /// Places of the columns in the sheet; earlier marks are left out.
    columns: Vec<Option<u16>>,
    /// The same as a set.
    places: BTreeSet<u16>,
    /// Where the marks begin.
    marks: u16,
    header: u32,
    row: u32,
    /// The column in which an earlier run put cells beyond the header.
    old_extra: Option<usize>,
    extra: bool,
    notes: usize,
    lists: ListSheet,
    /// The columns that offer a list, and which.
    offers: BTreeMap<u16, usize>,
}

impl XlsxRejects {
    pub(super) fn begin(
        output: Output,
        dialect: &Dialect,
        form: &SheetForm,
        extra: bool,
    ) -> Result<Self, OutputError> {
        let target = output.target().to_owned();
        let (columns, marks) = places(dialect);
        // A mapping that says sheet: 2 must find the rejects there.
        let before = form.number.saturating_sub(1).min(MAX_PARTS);
        let header = dialect.header_row.saturating_sub(1);
        let name = fitting_name(&form.name);
        let names: Vec<String> =
            (1..=before).map(|number| blank_name(number, &name)).chain([name.clone()]).collect();
        let mut taken: HashSet<String> = names.iter().map(|name| name.to_lowercase()).collect();
        let mut rejects = Self {
            book: new_book(&target)?,
            sheet: before,
            output,
            good: Formats::good(&form.look),
            bad: Formats::bad(&form.look),
            places: columns.iter().flatten().copied().collect(),
            columns,
            marks,
            header,
            row: header,
            old_extra: dialect.reserved(EXTRA_COLUMN),
            extra,
            notes: 0,
            lists: ListSheet::new(sheet_name("Lists", 1, &mut taken)),
            offers: BTreeMap::new(),
        };
        contained(&target, || {
            for name in names.iter().take(before) {
                rejects.book.add_worksheet().set_name(name)?;
            }
            rejects.book.add_worksheet_with_constant_memory()?.set_name(&name)?.set_active(true);
            rejects.write_head(dialect, form)
        })?;
        Ok(rejects)
    }

    /// What stands above the rows.
    fn write_head(&mut self, dialect: &Dialect, form: &SheetForm) -> Result<(), XlsxError> {
        let (header, marks) = (self.header, self.mark_places());
        let sheet = self.book.worksheet_from_index(self.sheet)?;
        for title in form.titles.iter().filter(|title| (1..=header).contains(&title.row)) {
            for (column, cell) in (0..MOST_COLUMNS).zip(read_kept(title.cells.as_bytes())) {
                write_cell(sheet, (title.row - 1, column), &cell, &self.good)?;
            }
        }
        let bold = Format::new().set_bold();
        for (column, place) in dialect.columns.iter().zip(&self.columns) {
            if let Some(place) = place {
                sheet.set_column_width_pixels(*place, width(&form.look, *place, &column.name))?;
                sheet.write_string_with_format(header, *place, cut(&column.name), &bold)?;
            }
        }
        for ((column, name), width) in marks.zip(RESERVED_COLUMNS).zip(MARK_WIDTHS) {
            sheet.set_column_width(column, width)?;
            sheet.write_string_with_format(header, column, name, &bold)?;
        }
        if header < MOST_FROZEN {
            sheet.set_freeze_panes(header + 1, 0)?;
        }
        Ok(())
    }

    /// The places of the marks, as far as the sheet has room for them.
    fn mark_places(&self) -> Range<u16> {
        let end = self.marks.saturating_add(if self.extra { 6 } else { 5 });
        self.marks..end.min(MOST_COLUMNS)
    }

    pub(super) fn write(
        &mut self,
        kept: &[u8],
        mark: &Mark<'_>,
        bad: &[BadCell<'_>],
    ) -> Result<(), OutputError> {
        let cells = read_kept(kept);
        self.row += 1;
        let told = self.told(bad);
        let target = self.output.target().to_owned();
        contained(&target, || {
            self.write_cells(&cells, &told)?;
            self.write_notes(&told)?;
            self.write_marks(&cells, mark)
        })
    }

    fn write_cells(&mut self, cells: &[KeptCell], told: &Told<'_>) -> Result<(), XlsxError> {
        let row = self.row;
        let sheet = self.book.worksheet_from_index(self.sheet)?;
        let mut next = 0;
        for (cell, place) in cells.iter().zip(&self.columns) {
            let Some(place) = *place else { continue };
            let formats = if told.contains_key(&place) { &self.bad } else { &self.good };
            write_cell(sheet, (row, place), cell, formats)?;
            next = place + 1;
        }
        // Those that the row does not have, being blank at its end.
        for (place, _) in told.range(next..) {
            write_cell(sheet, (row, *place), &KeptCell::Blank, &self.bad)?;
        }
        Ok(())
    }

    fn write_notes(&mut self, told: &Told<'_>) -> Result<(), XlsxError> {
        let sheet = self.book.worksheet_from_index(self.sheet)?;
        for (place, messages) in told.iter().take(MOST_NOTES.saturating_sub(self.notes)) {
            sheet.insert_note(self.row, *place, &note(messages))?;
            self.notes += 1;
        }
        Ok(())
    }

    fn write_marks(&mut self, cells: &[KeptCell], mark: &Mark<'_>) -> Result<(), XlsxError> {
        let (row, mut places) = (self.row, self.mark_places());
        let surplus = if self.extra { self.surplus(cells) } else { String::new() };
        let sheet = self.book.worksheet_from_index(self.sheet)?;
        if let Some(place) = places.next() {
            // Row numbers stay far below 2^53, where every whole number is exact.
            sheet.write_number(row, place, mark.row as f64)?;
        }
        for (place, text) in places.zip(mark.texts().into_iter().chain([surplus.as_str()])) {
            sheet.write_string(row, place, cut(text))?;
        }
        Ok(())
    }

    /// The cells beyond the header, behind those that an earlier run noted.
    fn surplus(&self, cells: &[KeptCell]) -> String {
        let earlier = self.old_extra.and_then(|at| cells.get(at)).map(KeptCell::to_text);
        let surplus = list(cells.get(self.columns.len()..).unwrap_or_default());
        let parts: Vec<String> =
            earlier.into_iter().chain([surplus]).filter(|part| !part.is_empty()).collect();
        parts.join(",")
    }

    /// What is wrong with each column of a row; lists that must be offered are noted.
    fn told<'b>(&mut self, bad: &[BadCell<'b>]) -> Told<'b> {
        let mut told = Told::new();
        for cell in bad {
            let place = cell.address.rsplit('!').next().and_then(corner).and_then(|(column, _)| column);
            let place = place.and_then(|place| u16::try_from(place).ok());
            let Some(place) = place.filter(|place| self.places.contains(place)) else { continue };
            told.entry(place).or_default().push(cell.message);
            if let Some(list) = cell.of_list.and_then(|field| self.lists.add(field)) {
                self.offers.entry(place).or_insert(list);
            }
        }
        told
    }

    pub(super) fn finish(mut self) -> Result<PathBuf, OutputError> {
        let target = self.output.target().to_owned();
        contained(&target, || self.offer())?;
        save(self.book, &mut self.output)?;
        self.output.commit()
    }

    /// Puts the dropdowns into their columns. They refuse nothing: the mapping
    /// may take other words than the list has.
    fn offer(&mut self) -> Result<(), XlsxError> {
        let sheet = self.book.worksheet_from_index(self.sheet)?;
        for (place, list) in &self.offers {
            let dropdown = self.lists.dropdown(*list).show_error_message(false);
            sheet.add_data_validation(self.header + 1, *place, self.row, *place, &dropdown)?;
        }
        self.lists.write(&mut self.book, &Format::new().set_bold())
    }
}

/// A note on a cell that is at fault.
fn note(messages: &[&str]) -> Note {
    // What the CRM said may hold signs that no workbook takes.
    let text = messages.iter().map(|message| shown(message).to_string()).collect::<Vec<_>>().join("\n");
    // About 40 letters a line of 18 points.
    let lines: usize = messages.iter().map(|message| message.chars().count() / 40 + 1).sum();
    let height = u32::try_from(lines.min(20)).unwrap_or(20) * 18 + 12;
    Note::new(cut_note(&text)).add_author_prefix(false).set_width(260).set_height(height)
}

/// As much of a text as a note is worth.
fn cut_note(text: &str) -> &str {
    text.char_indices().nth(1_000).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
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
    let plain = formats.plain.as_ref();
    match cell {
        KeptCell::Blank => match plain.and_then(|_| formats.of_text(column)) {
            Some(format) => sheet.write_blank(row, column, format).map(drop),
            None => Ok(()),
        },
        KeptCell::Text(text) => write_text(sheet, (row, column), text, formats.of_text(column)),
        KeptCell::Number(text) => match (text.parse::<f64>(), plain) {
            (Ok(number), Some(format)) => {
                sheet.write_number_with_format(row, column, number, format).map(drop)
            }
            (Ok(number), None) => sheet.write_number(row, column, number).map(drop),
            (Err(_), _) => write_text(sheet, (row, column), text, plain),
        },
        KeptCell::Percent(shown) => write_percent(sheet, (row, column), shown, plain),
        KeptCell::Bool(flag) => match plain {
            Some(format) => sheet.write_boolean_with_format(row, column, *flag, format).map(drop),
            None => sheet.write_boolean(row, column, *flag).map(drop),
        },
        KeptCell::DateTime(at) => write_date(sheet, (row, column), *at, formats),
        KeptCell::Time(time) => {
            sheet.write_number_with_format(row, column, day_fraction(*time), &formats.time).map(drop)
        }
        // What was no date, by the 1904 system or by its form, must not become one here.
        KeptCell::NoSuchDate(text) => {
            match text.parse().ok().filter(|&serial: &f64| serial.is_finite() && is_no_date(serial)) {
                Some(serial) => sheet.write_number_with_format(row, column, serial, &formats.date).map(drop),
                None => write_text(sheet, (row, column), text, plain),
            }
        }
        // As a text, such a number would be one that a number's field takes.
        KeptCell::PrecisionLost(text) => write_as(sheet, (row, column), text, &formats.text),
        // An error stays an error, so that a row imported again unmended is
        // refused again. An error value is a formula of itself.
        KeptCell::Error(text) => write_error(sheet, (row, column), text, plain),
        KeptCell::Missing => write_error(sheet, (row, column), "#N/A", plain),
    }
}

fn write_text(
    sheet: &mut Worksheet,
    (row, column): (u32, u16),
    text: &str,
    format: Option<&Format>,
) -> Result<(), XlsxError> {
    match format {
        Some(format) => sheet.write_string_with_format(row, column, cut(text), format).map(drop),
        None => sheet.write_string(row, column, cut(text)).map(drop),
    }
}

/// A number shown in percent, with as many decimals as it has.
fn write_percent(
    sheet: &mut Worksheet,
    (row, column): (u32, u16),
    shown: &str,
    plain: Option<&Format>,
) -> Result<(), XlsxError> {
    let decimals = shown.trim_end_matches('%').split_once('.').map_or(0, |(_, decimals)| decimals.len());
    let point = if decimals > 0 { "." } else { "" };
    let format =
        plain.cloned().unwrap_or_default().set_num_format(format!("0{point}{}%", "0".repeat(decimals)));
    match Number::of_percent(shown).and_then(|held| held.as_str().parse::<f64>().ok()) {
        Some(held) => sheet.write_number_with_format(row, column, held, &format).map(drop),
        None => write_text(sheet, (row, column), shown, plain),
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

fn write_error(
    sheet: &mut Worksheet,
    (row, column): (u32, u16),
    text: &str,
    plain: Option<&Format>,
) -> Result<(), XlsxError> {
    let known = ["#N/A", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!"];
    let error = known.iter().find(|error| **error == text).unwrap_or(&"#N/A");
    let formula = Formula::new(format!("={error}")).set_result(*error);
    match plain {
        Some(format) => sheet.write_formula_with_format(row, column, formula, format).map(drop),
        None => sheet.write_formula(row, column, formula).map(drop),
    }
}

fn write_date(
    sheet: &mut Worksheet,
    (row, column): (u32, u16),
    at: DateTime,
    formats: &Formats,
) -> Result<(), XlsxError> {
    match serial(at) {
        Some(serial) => {
            sheet.write_number_with_format(row, column, serial, formats.of_date(column, at)).map(drop)
        }
        None => write_text(sheet, (row, column), &at.to_string(), formats.plain.as_ref()),
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
