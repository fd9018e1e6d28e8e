//! An open workbook of any kind: its sheets, and a walk over the rows of one.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::mem;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use calamine::{
    Data, DataRef, Reader, Sheet, SheetType, SheetVisible, Xlsb, XlsbError, Xlsx, XlsxCellReader, XlsxError,
};

use super::aside::asides;
use super::biff::locked;
use super::error::InputProblem;
use super::gate::SharedFile;
use super::gathering::{Gathering, Reached, gather};
use super::ods::{self, Table};
use super::options::Format;
use super::package::Clues;
use super::survey::{Facts, View};
use super::xls::{self, OldBook};
use super::{xlsb_survey, xlsx_survey};
use crate::model::{column_letters, shown};

/// An open workbook.
pub(super) enum Book {
    Xlsx(Box<Xlsx<BufReader<SharedFile>>>),
    Xlsb(Box<Xlsb<BufReader<File>>>),
    Xls(Arc<OldBook>),
    Ods(Arc<Vec<Table>>, PathBuf),
}

/// Where an open workbook waits for the next pass, so that its texts are read once.
#[derive(Clone, Default)]
pub(super) struct Shelf(Arc<Mutex<Option<Book>>>);

impl Shelf {
    pub(super) fn with(book: Option<Book>) -> Self {
        Self(Arc::new(Mutex::new(book)))
    }

    /// The workbook of the last pass, or a new one.
    pub(super) fn take(&self, path: &Path, format: Format) -> Result<Book, InputProblem> {
        let waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        waiting.map_or_else(|| Book::open(path, format), Ok)
    }

    /// Leaves the workbook to the next pass.
    pub(super) fn give_back(&self, book: Book) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(book);
    }
}

/// A sheet, as the list of sheets has it.
pub(super) struct SheetInfo {
    pub(super) name: String,
    pub(super) visible: bool,
    /// Not a chart, a dialogue or the like.
    pub(super) is_table: bool,
}

/// One cell as the reader of workbooks gives it.
pub(super) struct SheetCell<'a> {
    /// 0-based column.
    pub(super) place: u32,
    pub(super) value: DataRef<'a>,
    pub(super) formula: bool,
    /// Its number is shown in percent.
    pub(super) percent: bool,
}

impl SheetCell<'_> {
    pub(super) fn is_filled(&self) -> bool {
        match &self.value {
            DataRef::Empty => self.formula,
            DataRef::String(text) => !text.trim().is_empty(),
            DataRef::SharedString(text) => !text.trim().is_empty(),
            _ => true,
        }
    }
}

impl Book {
    /// Opens a workbook whose content was recognised, and whose package was
    /// inspected, before.
    pub(super) fn open(path: &Path, format: Format) -> Result<Self, InputProblem> {
        let file = || File::open(path).map(BufReader::new);
        Ok(match format {
            Format::Xls => Self::Xls(Arc::new(xls::read(path)?)),
            Format::Ods => Self::Ods(Arc::new(ods::survey(path)?), path.to_owned()),
            Format::Xlsb => Self::Xlsb(Box::new(
                Xlsb::new(file()?).map_err(|error| xlsb_trouble(&error, "the workbook"))?,
            )),
            Format::Xlsx | Format::Csv | Format::Tsv | Format::Jsonl => {
                Self::open_xlsx(SharedFile::new(File::open(path)?))?
            }
        })
    }

    /// Opens an XLSX workbook and reads its shared texts.
    pub(super) fn open_xlsx(file: SharedFile) -> Result<Self, InputProblem> {
        let book = Xlsx::new(BufReader::new(file)).map_err(|error| trouble(&error, "the workbook"))?;
        Ok(Self::Xlsx(Box::new(book)))
    }

    /// All sheets in their order, hidden ones too.
    pub(super) fn sheets(&self) -> Vec<SheetInfo> {
        let of = |sheets: &[Sheet]| sheets.iter().map(SheetInfo::of).collect();
        match self {
            Self::Xlsx(book) => of(book.sheets_metadata()),
            Self::Xlsb(book) => of(book.sheets_metadata()),
            Self::Xls(book) => book
                .sheets
                .iter()
                .map(|s| SheetInfo { name: s.name.clone(), visible: s.visible, is_table: s.is_table })
                .collect(),
            Self::Ods(tables, _) => tables
                .iter()
                .map(|t| SheetInfo { name: t.name.clone(), visible: t.visible, is_table: true })
                .collect(),
        }
    }

    /// The sheets of a template that hold no rows. In ODS they are not marked.
    pub(super) fn asides(&self) -> Vec<String> {
        match self {
            Self::Xlsx(book) => asides(book.defined_names()),
            Self::Xlsb(book) => asides(book.defined_names()),
            Self::Xls(book) => asides(&book.names),
            Self::Ods(..) => Vec::new(),
        }
    }

    /// Days are counted from 1904.
    pub(super) fn is_1904(&self) -> bool {
        match self {
            Self::Xlsx(book) => book.has_1904_epoch(),
            Self::Xlsb(book) => book.has_1904_epoch(),
            Self::Xls(book) => book.is_1904,
            Self::Ods(..) => false,
        }
    }

    /// What a sheet tells beside its values; nothing where its own part
    /// cannot be found. `clues` say whether it is worth a look, which in XLSX
    /// costs a pass of its own.
    pub(super) fn facts(
        &self,
        path: &Path,
        sheet: &str,
        clues: &Clues,
    ) -> Result<Option<Facts>, InputProblem> {
        match self {
            Self::Xlsx(_) if !clues.worth_a_look && !clues.odd_formats => Ok(Some(Facts::default())),
            Self::Xlsx(_) => xlsx_survey::survey(path, sheet, clues.worth_a_look),
            Self::Xlsb(_) => xlsb_survey::survey(path, sheet),
            Self::Xls(book) => Ok(book.sheets.iter().find(|s| s.name == sheet).map(|s| s.facts.clone())),
            Self::Ods(tables, _) => Ok(tables.iter().find(|t| t.name == sheet).map(|t| t.facts.clone())),
        }
    }

    /// Goes over the rows of a sheet that have cells, from the top, as far as
    /// the view goes: row number (1-based), the sheet's last row as far as it
    /// says, cells from left to right, which the visit may take away. `facts` adds what the reader misses.
    pub(super) fn walk<'a>(
        &'a mut self,
        sheet: &str,
        view: &View,
        facts: &Facts,
        visit: impl FnMut(u32, u32, &mut Vec<SheetCell<'a>>) -> Result<ControlFlow<()>, InputProblem>,
    ) -> Result<(), InputProblem> {
        match self {
            Self::Xlsx(book) => walk_xlsx(book, sheet, view, facts, visit),
            Self::Xlsb(book) => walk_xlsb(book, sheet, view, facts, visit),
            Self::Xls(book) => walk_xls(book, sheet, view, facts, visit),
            Self::Ods(tables, path) => match tables.iter().find(|table| table.name == sheet) {
                Some(table) => ods::walk(path, table, view, visit),
                None => Ok(()),
            },
        }
    }
}

impl SheetInfo {
    fn of(sheet: &Sheet) -> Self {
        Self {
            name: sheet.name.clone(),
            visible: sheet.visible == SheetVisible::Visible,
            is_table: sheet.typ == SheetType::WorkSheet,
        }
    }
}

/// The library's complaint as a sentence; `place` names what was read.
fn trouble(error: &XlsxError, place: &str) -> InputProblem {
    match error {
        XlsxError::Password => InputProblem::WrongContent(
            "this workbook is protected by a password; open it in Excel, save it without one and try again"
                .to_owned(),
        ),
        XlsxError::CellError(text) => InputProblem::Workbook(format!(
            "{place} is followed by a cell with the error value \"{}\", which Excel does not have; clear that cell",
            shown(text).cut(60)
        )),
        _ => InputProblem::Workbook(format!(
            "the workbook is damaged ({place} is the last that could be read); open it in Excel and save it again"
        )),
    }
}

fn xlsb_trouble(error: &XlsbError, place: &str) -> InputProblem {
    match error {
        XlsbError::Password => locked(),
        _ => InputProblem::Workbook(format!(
            "the workbook is damaged ({place} is the last that could be read); open it in Excel and save it again"
        )),
    }
}

fn walk_xlsx<'a, R: Read + Seek>(
    book: &'a mut Xlsx<R>,
    sheet: &str,
    view: &View,
    facts: &Facts,
    visit: impl FnMut(u32, u32, &mut Vec<SheetCell<'a>>) -> Result<ControlFlow<()>, InputProblem>,
) -> Result<(), InputProblem> {
    let name = shown(sheet).to_string();
    let mut reader =
        book.worksheet_cells_reader(sheet).map_err(|error| trouble(&error, &format!("sheet \"{name}\"")))?;
    let last = reader.dimensions().end.0.saturating_add(1);
    let rows = Gathering::new(sheet, last, view, visit);
    let mut at = (0, 0);
    let read = match facts.values_only {
        true => read_values(&mut reader, rows, facts, &mut at),
        false => read_cells(&mut reader, rows, facts, &mut at),
    };
    read.map_err(|trouble_at| match trouble_at {
        Failed::Here(problem) => problem,
        Failed::Reader(error) => {
            let (row, place) = at;
            let at = column_letters(place as usize);
            trouble(&error, &format!("sheet \"{name}\", cell {at}{}", row + 1))
        }
    })
}

/// What ends a walk: the library's complaint, or ours.
enum Failed {
    Reader(XlsxError),
    Here(InputProblem),
}

impl From<InputProblem> for Failed {
    fn from(problem: InputProblem) -> Self {
        Self::Here(problem)
    }
}

/// Reads a sheet in which every cell is a value or a shared text; `at` is the
/// last cell that was read.
///
/// A cell is looked at where the reader puts it, and what most cells are is
/// written down as such: to move millions of them on costs more than all that
/// is done with them.
fn read_values<'a, R: Read + Seek, V>(
    reader: &mut XlsxCellReader<'a, R>,
    mut rows: Gathering<'_, 'a, V>,
    facts: &Facts,
    at: &mut (u32, u32),
) -> Result<(), Failed>
where
    V: FnMut(u32, u32, &mut Vec<SheetCell<'a>>) -> Result<ControlFlow<()>, InputProblem>,
{
    loop {
        let found = reader.next_cell();
        let cell = match found {
            Ok(Some(ref cell)) => cell,
            Ok(None) => return Ok(rows.end()?),
            Err(error) => return Err(Failed::Reader(error)),
        };
        *at = cell.get_position();
        match rows.reach(*at)? {
            Reached::Seen => {}
            Reached::Unseen => continue,
            Reached::End => return Ok(()),
        }
        let place = at.1;
        match cell.get_value() {
            DataRef::SharedString(text) => rows.cells.push(SheetCell {
                place,
                value: DataRef::SharedString(text),
                formula: false,
                percent: false,
            }),
            DataRef::Float(number) => rows.cells.push(SheetCell {
                place,
                value: DataRef::Float(*number),
                formula: false,
                percent: facts.percents.has(at.0 + 1, place),
            }),
            value => rows.cells.push(SheetCell {
                place,
                value: value.clone(),
                formula: false,
                percent: facts.percents.has(at.0 + 1, place),
            }),
        }
    }
}

/// Reads any sheet.
fn read_cells<'a, R: Read + Seek, V>(
    reader: &mut XlsxCellReader<'a, R>,
    mut rows: Gathering<'_, 'a, V>,
    facts: &Facts,
    at: &mut (u32, u32),
) -> Result<(), Failed>
where
    V: FnMut(u32, u32, &mut Vec<SheetCell<'a>>) -> Result<ControlFlow<()>, InputProblem>,
{
    loop {
        let mut found = reader.next_cell_with_formula_metadata();
        let cell = match found {
            Ok(Some(ref mut cell)) => cell,
            Ok(None) => return Ok(rows.end()?),
            Err(error) => return Err(Failed::Reader(error)),
        };
        *at = cell.pos;
        match rows.reach(*at)? {
            Reached::Seen => rows.cells.push(SheetCell {
                place: at.1,
                value: mem::take(&mut cell.value),
                formula: cell.formula.is_some(),
                percent: facts.percents.has(at.0 + 1, at.1),
            }),
            Reached::Unseen => {}
            Reached::End => return Ok(()),
        }
    }
}

/// The reader passes over formulas whose result is an error: the look before
/// found these, and they are put in between.
fn walk_xlsb<'a, R: Read + Seek>(
    book: &'a mut Xlsb<R>,
    sheet: &str,
    view: &View,
    facts: &Facts,
    visit: impl FnMut(u32, u32, &mut Vec<SheetCell<'a>>) -> Result<ControlFlow<()>, InputProblem>,
) -> Result<(), InputProblem> {
    let place = format!("sheet \"{}\"", shown(sheet));
    let mut reader = book.worksheet_cells_reader(sheet).map_err(|error| xlsb_trouble(&error, &place))?;
    let last = reader.dimensions().end.0.saturating_add(1);
    let mut errors = facts.errors.iter().cloned().peekable();
    let mut waiting = reader.next_cell().map_err(|error| xlsb_trouble(&error, &place))?;
    let next = || {
        let at = waiting.as_ref().map(calamine::Cell::get_position);
        if let Some((row, place, error)) =
            errors.next_if(|(row, place, _)| at.is_none_or(|at| (*row, *place) < at))
        {
            let cell = SheetCell { place, value: DataRef::Error(error), formula: true, percent: false };
            return Ok(Some((row, cell)));
        }
        let Some(cell) = waiting.take() else { return Ok(None) };
        waiting = reader.next_cell().map_err(|error| xlsb_trouble(&error, &place))?;
        let (row, place) = cell.get_position();
        let percent = facts.percents.has(row + 1, place);
        Ok(Some((row, SheetCell { place, value: cell.get_value().clone(), formula: false, percent })))
    };
    gather(sheet, last, view, next, visit)
}

fn walk_xls<'a>(
    book: &'a OldBook,
    sheet: &str,
    view: &View,
    facts: &Facts,
    visit: impl FnMut(u32, u32, &mut Vec<SheetCell<'a>>) -> Result<ControlFlow<()>, InputProblem>,
) -> Result<(), InputProblem> {
    let Some(cells) = book.sheets.iter().find(|s| s.name == sheet).map(|s| &s.cells) else { return Ok(()) };
    let Some((top, left)) = cells.start() else { return Ok(()) };
    let last = cells.end().map_or(0, |end| end.0 + 1);
    let mut used = cells.used_cells();
    let next = || {
        Ok(used.next().map(|(row, column, value)| {
            let offset = |from: u32, by: usize| from.saturating_add(u32::try_from(by).unwrap_or(u32::MAX));
            let (row, place) = (offset(top, row), offset(left, column));
            let percent = facts.percents.has(row.saturating_add(1), place);
            (row, SheetCell { place, value: lent(value), formula: false, percent })
        }))
    };
    gather(sheet, last, view, next, visit)
}

fn lent(value: &Data) -> DataRef<'_> {
    match value {
        Data::Int(number) => DataRef::Int(*number),
        Data::Float(number) => DataRef::Float(*number),
        Data::String(text) => DataRef::SharedString(text),
        Data::Bool(flag) => DataRef::Bool(*flag),
        Data::DateTime(at) => DataRef::DateTime(*at),
        Data::DateTimeIso(text) => DataRef::DateTimeIso(text.clone()),
        Data::DurationIso(text) => DataRef::DurationIso(text.clone()),
        Data::Error(error) => DataRef::Error(error.clone()),
        _ => DataRef::Empty,
    }
}
