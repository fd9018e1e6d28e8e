//! An open workbook of any kind: its sheets, and a walk over the rows of one.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::mem;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use calamine::{Data, DataRef, Reader, Sheet, SheetType, SheetVisible, Xlsb, XlsbError, Xlsx, XlsxError};

use super::area::{MAX_PLACES, MAX_ROWS};
use super::biff::locked;
use super::error::InputProblem;
use super::gate::SharedFile;
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
    /// says, cells from left to right. `facts` adds what the reader misses.
    pub(super) fn walk<'a>(
        &'a mut self,
        sheet: &str,
        view: &View,
        facts: &Facts,
        visit: impl FnMut(u32, u32, &[SheetCell<'a>]) -> Result<ControlFlow<()>, InputProblem>,
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
    visit: impl FnMut(u32, u32, &[SheetCell<'a>]) -> Result<ControlFlow<()>, InputProblem>,
) -> Result<(), InputProblem> {
    let name = shown(sheet).to_string();
    let mut reader =
        book.worksheet_cells_reader(sheet).map_err(|error| trouble(&error, &format!("sheet \"{name}\"")))?;
    let last = reader.dimensions().end.0.saturating_add(1);
    let failed = |error: &XlsxError, (row, place): (u32, u32)| {
        let at = column_letters(place as usize);
        trouble(error, &format!("sheet \"{name}\", cell {at}{}", row + 1))
    };
    let mut rows = Gathering::new(sheet, last, view, visit);
    let mut at = (0, 0);
    loop {
        // The cell is looked at where the reader puts it: to move millions of
        // them on costs more than all that is done with them.
        let mut found = reader.next_cell_with_formula_metadata();
        let cell = match &mut found {
            Ok(Some(cell)) => cell,
            Ok(None) => return rows.end(),
            Err(error) => return Err(failed(error, at)),
        };
        at = cell.pos;
        match rows.reach(at)? {
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
    visit: impl FnMut(u32, u32, &[SheetCell<'a>]) -> Result<ControlFlow<()>, InputProblem>,
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
    visit: impl FnMut(u32, u32, &[SheetCell<'a>]) -> Result<ControlFlow<()>, InputProblem>,
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

/// Gathers single cells into rows.
struct Gathering<'v, 'a, V> {
    sheet: &'v str,
    /// The sheet's last row as far as it says.
    last: u32,
    view: &'v View,
    visit: V,
    /// 0-based.
    row: u32,
    cells: Vec<SheetCell<'a>>,
}

/// What becomes of a cell.
enum Reached {
    /// It belongs to the row.
    Seen,
    /// It is not looked at.
    Unseen,
    /// Nor is anything behind it.
    End,
}

impl<'v, 'a, V> Gathering<'v, 'a, V>
where
    V: FnMut(u32, u32, &[SheetCell<'a>]) -> Result<ControlFlow<()>, InputProblem>,
{
    fn new(sheet: &'v str, last: u32, view: &'v View, visit: V) -> Self {
        Self { sheet, last, view, visit, row: 0, cells: Vec::new() }
    }

    /// Goes on to the next cell, its row and column 0-based; with a new row
    /// the one before is visited.
    fn reach(&mut self, (at, place): (u32, u32)) -> Result<Reached, InputProblem> {
        if at < self.row || at >= MAX_ROWS || place >= MAX_PLACES {
            return Err(out_of_place(self.sheet, self.row + 1));
        }
        if at > self.row {
            if self.visited()?.is_break() {
                return Ok(Reached::End);
            }
            self.cells.clear();
            self.row = at;
        }
        if at >= self.view.last_row {
            return Ok(Reached::End);
        }
        if self.cells.len() >= MAX_PLACES as usize {
            return Err(out_of_place(self.sheet, self.row + 1));
        }
        let is_seen = self.view.sees_column(place) && self.view.sees_row(at + 1);
        Ok(if is_seen { Reached::Seen } else { Reached::Unseen })
    }

    fn visited(&mut self) -> Result<ControlFlow<()>, InputProblem> {
        if self.cells.is_empty() {
            return Ok(ControlFlow::Continue(()));
        }
        (self.visit)(self.row + 1, self.last, sorted(&mut self.cells)?)
    }

    fn end(mut self) -> Result<(), InputProblem> {
        self.visited().map(|_| ())
    }
}

/// Gathers what `next` gives, row by row.
fn gather<'a>(
    sheet: &str,
    last: u32,
    view: &View,
    mut next: impl FnMut() -> Result<Option<(u32, SheetCell<'a>)>, InputProblem>,
    visit: impl FnMut(u32, u32, &[SheetCell<'a>]) -> Result<ControlFlow<()>, InputProblem>,
) -> Result<(), InputProblem> {
    let mut rows = Gathering::new(sheet, last, view, visit);
    while let Some((at, cell)) = next()? {
        match rows.reach((at, cell.place))? {
            Reached::Seen => rows.cells.push(cell),
            Reached::Unseen => {}
            Reached::End => return Ok(()),
        }
    }
    rows.end()
}

fn sorted<'c, 'a>(cells: &'c mut [SheetCell<'a>]) -> Result<&'c [SheetCell<'a>], InputProblem> {
    let ascending = |cells: &[SheetCell<'a>]| cells.windows(2).all(|pair| pair[0].place < pair[1].place);
    if !ascending(cells) {
        cells.sort_by_key(|cell| cell.place);
        if !ascending(cells) {
            return Err(InputProblem::Workbook(
                "the workbook is damaged: a cell stands in it twice; open it in Excel and save it again"
                    .to_owned(),
            ));
        }
    }
    Ok(cells)
}

/// The sentence for cells where none can be; `row` is 1-based.
pub(super) fn out_of_place(sheet: &str, row: u32) -> InputProblem {
    let sheet = match sheet {
        "" => "a sheet".to_owned(),
        sheet => format!("sheet \"{}\"", shown(sheet)),
    };
    InputProblem::Workbook(format!(
        "the workbook is damaged: {sheet} has cells out of order or out of range after row {row}; open it in Excel \
         and save it again"
    ))
}
