//! Single cells of a sheet, gathered into rows.

use std::ops::ControlFlow;

use super::area::{MAX_PLACES, MAX_ROWS};
use super::book::SheetCell;
use super::error::InputProblem;
use super::survey::View;
use crate::model::shown;

/// Gathers single cells into rows.
pub(super) struct Gathering<'v, 'a, V> {
    sheet: &'v str,
    /// The sheet's last row as far as it says.
    last: u32,
    view: &'v View,
    visit: V,
    /// 0-based.
    row: u32,
    /// Those of the row so far, which the caller adds.
    pub(super) cells: Vec<SheetCell<'a>>,
}

/// What becomes of a cell.
pub(super) enum Reached {
    /// It belongs to the row.
    Seen,
    /// It is not looked at.
    Unseen,
    /// Nor is anything behind it.
    End,
}

impl<'v, 'a, V> Gathering<'v, 'a, V>
where
    V: FnMut(u32, u32, &mut Vec<SheetCell<'a>>) -> Result<ControlFlow<()>, InputProblem>,
{
    pub(super) fn new(sheet: &'v str, last: u32, view: &'v View, visit: V) -> Self {
        Self { sheet, last, view, visit, row: 0, cells: Vec::new() }
    }

    /// Goes on to the next cell, its row and column 0-based; with a new row
    /// the one before is visited.
    pub(super) fn reach(&mut self, (at, place): (u32, u32)) -> Result<Reached, InputProblem> {
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
        sort(&mut self.cells)?;
        (self.visit)(self.row + 1, self.last, &mut self.cells)
    }

    /// Visits the last row.
    pub(super) fn end(mut self) -> Result<(), InputProblem> {
        self.visited().map(|_| ())
    }
}

/// Gathers what `next` gives, row by row.
pub(super) fn gather<'a>(
    sheet: &str,
    last: u32,
    view: &View,
    mut next: impl FnMut() -> Result<Option<(u32, SheetCell<'a>)>, InputProblem>,
    visit: impl FnMut(u32, u32, &mut Vec<SheetCell<'a>>) -> Result<ControlFlow<()>, InputProblem>,
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

fn sort(cells: &mut [SheetCell<'_>]) -> Result<(), InputProblem> {
    let ascending = |cells: &[SheetCell<'_>]| cells.windows(2).all(|pair| pair[0].place < pair[1].place);
    if !ascending(cells) {
        cells.sort_by_key(|cell| cell.place);
        if !ascending(cells) {
            return Err(InputProblem::Workbook(
                "the workbook is damaged: a cell stands in it twice; open it in Excel and save it again"
                    .to_owned(),
            ));
        }
    }
    Ok(())
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
