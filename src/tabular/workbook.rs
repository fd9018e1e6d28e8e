//! Opening a workbook: which sheet, where its header stands, and what
//! stands above it.

use std::fs::File;
use std::io::BufReader;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use calamine::{DataRef, Reader, SheetType, SheetVisible, Xlsx, XlsxError};

use super::cells;
use super::csv_source::named;
use super::dialect::{Dialect, DialectColumn, Form, SheetForm, TitleRow};
use super::error::InputProblem;
use super::kept::keep_sheet_row;
use super::options::{Format, ReadOptions, SheetChoice};
use super::source::Opened;
use crate::model::{Column, Header, Notice, Row, column_letters, shown};

/// Rows behind the header that are looked at for cells left of it.
const SAMPLE_ROWS: u32 = 1000;
/// Most bytes kept of the rows above the header.
const MAX_TITLES: usize = 4 * 1024 * 1024;
/// Rows and columns of a sheet, by Excel's own limits.
const MAX_ROWS: u32 = 1_048_576;
const MAX_PLACES: u32 = 16_384;

/// An open workbook.
pub(super) type Book = Xlsx<BufReader<File>>;

/// A sheet whose header is known.
#[derive(Clone)]
pub(super) struct SheetSource {
    pub(super) sheet: String,
    /// The header's row, 1-based; `None` where the sheet is empty.
    pub(super) header_row: Option<u32>,
    /// 0-based place of the first column.
    pub(super) first: u32,
    pub(super) columns: usize,
    pub(super) is_1904: bool,
    /// The open workbook between two passes, so that its texts are read once.
    pub(super) idle: Arc<Mutex<Option<Book>>>,
}

impl SheetSource {
    /// The workbook of the last pass, or a new one.
    pub(super) fn take_book(&self, path: &Path) -> Result<Book, InputProblem> {
        match self.idle.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(book) => Ok(book),
            None => open_book(path),
        }
    }

    /// Leaves the workbook to the next pass.
    pub(super) fn give_back(&self, book: Book) {
        *self.idle.lock().unwrap_or_else(PoisonError::into_inner) = Some(book);
    }
}

/// Opens a workbook whose package was inspected before.
pub(super) fn open(path: &Path, options: &ReadOptions) -> Result<Opened<SheetSource>, InputProblem> {
    contained(|| {
        let mut book = open_book(path)?;
        let mut notices = Vec::new();
        let sheet = choose(&mut book, options.sheet.as_ref(), &mut notices)?;
        let is_1904 = book.has_1904_epoch();
        let head = Head::read(&mut book, &sheet, options.header_row, is_1904)?;
        if let Some(row) = head.row.filter(|&row| row != options.header_row.max(1)) {
            notices.push(Notice(format!("the header is read from row {row}, the first filled one")));
        }
        let columns = named(head.columns)?;
        let source = SheetSource {
            sheet: sheet.clone(),
            header_row: head.row,
            first: head.first,
            columns: columns.len(),
            is_1904,
            idle: Arc::new(Mutex::new(Some(book))),
        };
        let dialect = Dialect {
            format: Format::Xlsx,
            header_row: head.row.unwrap_or(options.header_row),
            columns: columns.iter().map(|c| DialectColumn { name: c.name.clone(), place: c.place }).collect(),
            form: Form::Sheet(SheetForm { name: sheet.clone(), titles: head.titles }),
        };
        Ok(Opened { source, header: Header { sheet: Some(sheet), columns }, dialect, notices })
    })
}

fn open_book(path: &Path) -> Result<Book, InputProblem> {
    Xlsx::new(BufReader::new(File::open(path)?)).map_err(|error| trouble(&error, "the workbook"))
}

/// Keeps a fault of the workbook library on hostile input from ending the program.
pub(super) fn contained<T>(work: impl FnOnce() -> Result<T, InputProblem>) -> Result<T, InputProblem> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|_| Err(unreadable()))
}

/// The sentence for a workbook on which the library gave up.
pub(super) fn unreadable() -> InputProblem {
    InputProblem::Workbook(
        "the workbook is damaged and cannot be read; open it in Excel and save it again".to_owned(),
    )
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

/// Finds the sheet that is meant.
fn choose(
    book: &mut Book,
    choice: Option<&SheetChoice>,
    notices: &mut Vec<Notice>,
) -> Result<String, InputProblem> {
    let sheets: Vec<(String, bool, bool)> = book
        .sheets_metadata()
        .iter()
        .map(|sheet| {
            let visible = sheet.visible == SheetVisible::Visible;
            (sheet.name.clone(), visible, sheet.typ == SheetType::WorkSheet)
        })
        .collect();
    let list = || listed(sheets.iter().map(|(name, _, _)| name.as_str()));
    let found = match choice {
        None => return only_filled(book, &sheets),
        Some(SheetChoice::Number(number)) => {
            number.checked_sub(1).and_then(|at| sheets.get(at)).ok_or_else(|| {
                InputProblem::Sheet(format!(
                    "there is no sheet {number}; the workbook has {} ({})",
                    sheets.len(),
                    list()
                ))
            })
        }
        Some(SheetChoice::Name(wanted)) => {
            let exact = sheets.iter().find(|(name, _, _)| name == wanted);
            exact.or_else(|| sheets.iter().find(|(name, _, _)| plain(name) == plain(wanted))).ok_or_else(
                || {
                    InputProblem::Sheet(format!(
                        "there is no sheet \"{}\"; the workbook has {}",
                        shown(wanted).cut(60),
                        list()
                    ))
                },
            )
        }
    }?;
    let (name, visible, is_table) = found;
    if !is_table {
        return Err(InputProblem::Sheet(format!("the sheet \"{}\" is a chart, not a table", shown(name))));
    }
    if !visible {
        notices.push(Notice(format!(
            "the sheet \"{}\" is hidden; it is read because it was named",
            shown(name)
        )));
    }
    Ok(name.clone())
}

/// A sheet's name for comparing: without case and blanks.
fn plain(name: &str) -> String {
    let blank =
        |c: &char| c.is_whitespace() || matches!(c, '\u{200B}'..='\u{200D}' | '\u{FEFF}' | '\u{2060}');
    name.chars().filter(|c| !blank(c)).flat_map(char::to_lowercase).collect()
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.map(|name| format!("\"{}\"", shown(name).cut(60))).collect::<Vec<_>>().join(", ")
}

/// The one visible sheet that holds anything; where none does, the first.
fn only_filled(book: &mut Book, sheets: &[(String, bool, bool)]) -> Result<String, InputProblem> {
    let tables = || sheets.iter().filter(|(_, _, is_table)| *is_table);
    let mut filled = Vec::new();
    for (name, visible, _) in tables() {
        if holds_anything(book, name)? {
            filled.push((name, *visible));
        }
    }
    let open: Vec<&str> =
        filled.iter().filter(|(_, visible)| *visible).map(|(name, _)| name.as_str()).collect();
    let ask = "name one with source: { sheet: … } in the mapping";
    match (open.as_slice(), filled.as_slice()) {
        ([one], _) => Ok((*one).to_owned()),
        ([], []) => tables()
            .map(|(name, _, _)| name.clone())
            .next()
            .ok_or_else(|| InputProblem::Sheet("the workbook has no sheet with a table".to_owned())),
        ([], hidden) => Err(InputProblem::Sheet(format!(
            "only hidden sheets hold data: {}; {ask}",
            listed(hidden.iter().map(|(name, _)| name.as_str()))
        ))),
        (several, _) => Err(InputProblem::Sheet(format!(
            "several sheets hold data: {}; {ask}",
            listed(several.iter().copied())
        ))),
    }
}

fn holds_anything(book: &mut Book, sheet: &str) -> Result<bool, InputProblem> {
    let mut found = false;
    walk(book, sheet, |_, _, cells| {
        found = cells.iter().any(SheetCell::is_filled);
        Ok(if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(found)
}

/// One cell as the library gives it.
pub(super) struct SheetCell<'a> {
    /// 0-based column.
    pub(super) place: u32,
    pub(super) value: DataRef<'a>,
    pub(super) formula: bool,
}

impl SheetCell<'_> {
    fn is_filled(&self) -> bool {
        match &self.value {
            DataRef::Empty => self.formula,
            DataRef::String(text) => !text.trim().is_empty(),
            DataRef::SharedString(text) => !text.trim().is_empty(),
            _ => true,
        }
    }
}

/// Goes over the rows of a sheet that have cells, from the top: row number
/// (1-based), the sheet's last row as far as it says, cells from left to right.
pub(super) fn walk<'a>(
    book: &'a mut Book,
    sheet: &str,
    mut visit: impl FnMut(u32, u32, &[SheetCell<'a>]) -> Result<ControlFlow<()>, InputProblem>,
) -> Result<(), InputProblem> {
    let name = shown(sheet);
    let mut reader =
        book.worksheet_cells_reader(sheet).map_err(|error| trouble(&error, &format!("sheet \"{name}\"")))?;
    let last = reader.dimensions().end.0.saturating_add(1);
    let mut cells: Vec<SheetCell<'a>> = Vec::new();
    let mut row = 0;
    loop {
        let cell = reader.next_cell_with_formula_metadata().map_err(|error| {
            let place = cells.last().map_or(0, |cell| cell.place as usize);
            trouble(&error, &format!("sheet \"{name}\", cell {}{}", column_letters(place), row + 1))
        })?;
        let Some(cell) = cell else { break };
        let (at, place) = cell.pos;
        if at < row || at >= MAX_ROWS || place >= MAX_PLACES {
            return Err(out_of_place(&name.to_string(), row));
        }
        if at > row {
            if !cells.is_empty() && visit(row + 1, last, sorted(&mut cells)?)?.is_break() {
                return Ok(());
            }
            cells.clear();
            row = at;
        }
        if cells.len() >= MAX_PLACES as usize {
            return Err(out_of_place(&name.to_string(), row));
        }
        cells.push(SheetCell { place, value: cell.value, formula: cell.formula.is_some() });
    }
    if !cells.is_empty() {
        let _ = visit(row + 1, last, sorted(&mut cells)?)?;
    }
    Ok(())
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

fn out_of_place(sheet: &str, row: u32) -> InputProblem {
    InputProblem::Workbook(format!(
        "the workbook is damaged: sheet \"{sheet}\" has cells out of order or out of range after row {}; open it in \
         Excel and save it again",
        row + 1
    ))
}

/// The header and what surrounds it.
#[derive(Default)]
struct Head {
    row: Option<u32>,
    first: u32,
    columns: Vec<Column>,
    titles: Vec<TitleRow>,
}

impl Head {
    fn read(book: &mut Book, sheet: &str, header_row: u32, is_1904: bool) -> Result<Self, InputProblem> {
        let mut head = Self::default();
        let (mut row, mut scratch, mut kept, mut last) = (Row::default(), String::new(), 0, 0);
        walk(book, sheet, |number, _, cells| {
            if let Some(found) = head.row {
                head.widen(cells);
                let enough = number >= found.saturating_add(SAMPLE_ROWS);
                return Ok(if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
            }
            if !cells.iter().any(SheetCell::is_filled) {
                return Ok(ControlFlow::Continue(()));
            }
            last = number;
            row.reset(u64::from(number), u64::from(number));
            push_from(&mut row, 0, cells, is_1904, &mut scratch);
            if number >= header_row {
                head.take(number, &row);
                return Ok(ControlFlow::Continue(()));
            }
            let cells = keep_sheet_row(&row);
            kept += cells.len();
            if kept > MAX_TITLES {
                return Err(InputProblem::Header("more than 4 MiB stand above the header".to_owned()));
            }
            head.titles.push(TitleRow { row: number, cells });
            Ok(ControlFlow::Continue(()))
        })?;
        if head.row.is_none() && last > 0 {
            return Err(InputProblem::Header(format!(
                "the header should stand in row {header_row}, but the last filled row is {last}; set source: {{ \
                 header_row: … }} in the mapping"
            )));
        }
        Ok(head)
    }

    fn take(&mut self, number: u32, row: &Row) {
        let names: Vec<String> = (0..row.len()).map(|place| row.cell(place).to_string()).collect();
        let first = names.iter().position(|name| !name.trim().is_empty()).unwrap_or(0);
        self.row = Some(number);
        self.first = u32::try_from(first).unwrap_or(0);
        self.columns =
            names.into_iter().enumerate().skip(first).map(|(place, name)| Column { name, place }).collect();
    }

    /// Data left of the first name make a column without a name.
    fn widen(&mut self, cells: &[SheetCell<'_>]) {
        let Some(place) = cells.iter().find(|cell| cell.is_filled()).map(|cell| cell.place) else { return };
        while self.first > place {
            self.first -= 1;
            self.columns.insert(0, Column { name: String::new(), place: self.first as usize });
        }
    }
}

/// Appends the cells of a row from column `first` on, with blanks in the gaps.
pub(super) fn push_from(
    row: &mut Row,
    first: u32,
    cells: &[SheetCell<'_>],
    is_1904: bool,
    scratch: &mut String,
) {
    let mut next = first;
    for cell in cells.iter().filter(|cell| cell.place >= first) {
        while next < cell.place {
            row.push(crate::model::Cell::Blank);
            next += 1;
        }
        cells::push(row, &cell.value, cell.formula, is_1904, scratch);
        next += 1;
    }
}

/// The cells up to the last that holds anything, and those left of `first` that do.
pub(super) fn filled<'c, 'a>(
    cells: &'c [SheetCell<'a>],
    first: u32,
) -> (&'c [SheetCell<'a>], &'c [SheetCell<'a>]) {
    let end = cells.iter().rposition(SheetCell::is_filled).map_or(0, |at| at + 1);
    let cells = cells.get(..end).unwrap_or_default();
    let split = cells.iter().position(|cell| cell.place >= first).unwrap_or(cells.len());
    let (left, right) = cells.split_at_checked(split).unwrap_or((&[], cells));
    let left_filled = left.iter().any(SheetCell::is_filled);
    (if left_filled { left } else { &[] }, right)
}
