//! The header of a workbook's sheet, what stands above it, and how a sheet's
//! cells become those of a row.

use std::ops::ControlFlow;

use super::book::{Book, SheetCell};
use super::cells;
use super::dialect::TitleRow;
use super::error::InputProblem;
use super::kept::keep_sheet_row;
use super::survey::{Facts, Spans, View};
use crate::model::{Column, Notice, Row};

/// Rows behind the header that are looked at for cells left of it.
const SAMPLE_ROWS: u32 = 1000;
/// Rows behind a header of one name in which the true one is looked for.
pub(super) const DOUBT_ROWS: u32 = 10;
/// Filled cells that make such a row look like a header.
pub(super) const DOUBT_CELLS: usize = 3;
/// Most bytes kept of the rows above the header.
const MAX_TITLES: usize = 4 * 1024 * 1024;

/// The header and what surrounds it.
#[derive(Default)]
pub(super) struct Head {
    /// 1-based; nothing where the sheet is empty.
    pub(super) row: Option<u32>,
    pub(super) first: u32,
    pub(super) columns: Vec<Column>,
    pub(super) titles: Vec<TitleRow>,
    /// A row that looks more like a header, and how many cells it has.
    better: Option<(u32, usize)>,
}

impl Head {
    /// Reads the first filled row from `header_row` on, and the rows around it.
    pub(super) fn read(
        book: &mut Book,
        sheet: &str,
        view: &View,
        facts: &Facts,
        header_row: u32,
    ) -> Result<Self, InputProblem> {
        let is_1904 = book.is_1904();
        let mut head = Self::default();
        let (mut row, mut scratch, mut kept, mut last) = (Row::default(), String::new(), 0, 0);
        book.walk(sheet, view, facts, |number, _, cells| {
            if let Some(found) = head.row {
                head.widen(cells, view);
                head.doubt(number, found, cells);
                let enough = number >= found.saturating_add(SAMPLE_ROWS);
                return Ok(if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) });
            }
            if !cells.iter().any(SheetCell::is_filled) {
                return Ok(ControlFlow::Continue(()));
            }
            last = number;
            row.reset(u64::from(number), u64::from(number));
            push_from(&mut row, 0, cells, &Spans::default(), is_1904, &mut scratch);
            if number >= header_row {
                head.take(number, &row, view);
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

    /// What is odd about the header, asked for in `header_row`.
    pub(super) fn notice(&self, header_row: u32) -> Vec<Notice> {
        let mut notices = Vec::new();
        let Some(row) = self.row else { return notices };
        if row != header_row {
            notices.push(Notice(format!("the header is read from row {row}, the first filled one")));
        }
        let names = self.columns.iter().filter(|column| !column.name.trim().is_empty()).count();
        notices
            .extend(self.better.filter(|_| names == 1).map(|(better, cells)| doubtful(row, better, cells)));
        notices
    }

    fn doubt(&mut self, number: u32, header: u32, cells: &[SheetCell<'_>]) {
        let filled = cells.iter().filter(|cell| cell.is_filled()).count();
        if self.better.is_none() && filled >= DOUBT_CELLS && number <= header.saturating_add(DOUBT_ROWS) {
            self.better = Some((number, filled));
        }
    }

    fn take(&mut self, number: u32, row: &Row, view: &View) {
        let names: Vec<String> = (0..row.len()).map(|place| row.cell(place).to_string()).collect();
        let first = names.iter().position(|name| !name.trim().is_empty()).unwrap_or(0);
        self.row = Some(number);
        self.first = u32::try_from(first).unwrap_or(0);
        let seen = |place: usize| u32::try_from(place).is_ok_and(|place| view.sees_column(place));
        self.columns = names
            .into_iter()
            .enumerate()
            .skip(first)
            .filter(|&(place, _)| seen(place))
            .map(|(place, name)| Column { name, place })
            .collect();
    }

    /// Data left of the first name make a column without a name.
    fn widen(&mut self, cells: &[SheetCell<'_>], view: &View) {
        let Some(place) = cells.iter().find(|cell| cell.is_filled()).map(|cell| cell.place) else { return };
        while self.first > place {
            self.first -= 1;
            if view.sees_column(self.first) {
                self.columns.insert(0, Column { name: String::new(), place: self.first as usize });
            }
        }
    }
}

/// The notice for a header of one name with a fuller row below.
pub(super) fn doubtful(row: u32, better: u32, cells: usize) -> Notice {
    Notice(format!(
        "row {row} is read as the header and has one filled cell, row {better} has {cells}; if that one holds the \
         column names, set source: {{ header_row: {better} }} in the mapping"
    ))
}

/// Appends the cells of a row from column `first` on, with blanks in the
/// gaps but for columns that are left out.
pub(super) fn push_from(
    row: &mut Row,
    first: u32,
    cells: &[SheetCell<'_>],
    left_out: &Spans,
    is_1904: bool,
    scratch: &mut String,
) {
    let mut next = first;
    for cell in cells.iter().filter(|cell| cell.place >= first) {
        while next < cell.place {
            if !left_out.contains(next) {
                row.push(crate::model::Cell::Blank);
            }
            next += 1;
        }
        cells::push(row, cell, is_1904, scratch);
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
