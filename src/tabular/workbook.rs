//! Opening a workbook: which sheet, where its header stands, and what
//! stands above it.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use super::area::Area;
use super::book::{Book, SheetCell, SheetInfo, Shelf};
use super::csv_source::named;
use super::dialect::{Dialect, DialectColumn, Form, SheetForm};
use super::error::InputProblem;
use super::options::{Format, Hidden, ReadOptions, SheetChoice};
use super::package::Clues;
use super::sheet_head::Head;
use super::sheet_look::{self, SheetLook};
use super::source::Opened;
use super::survey::{self, Facts, View};
use super::write_xlsx::fitting_name;
use crate::model::{Header, Notice, shown};

/// A sheet whose header is known.
#[derive(Clone)]
pub(super) struct SheetSource {
    format: Format,
    pub(super) sheet: String,
    /// The header's row, 1-based; `None` where the sheet is empty.
    pub(super) header_row: Option<u32>,
    /// 0-based place of the first column.
    pub(super) first: u32,
    pub(super) columns: usize,
    pub(super) is_1904: bool,
    /// What of the sheet is read, and what its own part told.
    pub(super) view: Arc<View>,
    pub(super) facts: Arc<Facts>,
    shelf: Shelf,
}

impl SheetSource {
    /// The workbook of the last pass, or a new one.
    pub(super) fn take_book(&self, path: &Path) -> Result<Book, InputProblem> {
        self.shelf.take(path, self.format)
    }

    /// Leaves the workbook to the next pass.
    pub(super) fn give_back(&self, book: Book) {
        self.shelf.give_back(book);
    }
}

/// Opens a workbook whose package was inspected before.
pub(super) fn open(
    path: &Path,
    options: &ReadOptions,
    format: Format,
    clues: &Clues,
    shelf: &Shelf,
) -> Result<Opened<SheetSource>, InputProblem> {
    contained(|| {
        let area = options.range.as_deref().map(Area::parse).transpose().map_err(InputProblem::Range)?;
        let mut book = shelf.take(path, format)?;
        let mut notices = Vec::new();
        let choice = sheet_choice(options.sheet.as_ref(), area.as_ref())?;
        let sheet = choose(&mut book, choice.as_ref(), &mut notices)?;
        let facts = facts(&book, path, &sheet, options.hidden, clues)?;
        let view = view(area.as_ref(), options.hidden, &facts);
        let header_row = first_row(options, area.as_ref(), &mut notices);
        let is_1904 = book.is_1904();
        let head = Head::read(&mut book, &sheet, &view, &facts, header_row)?;
        notices.extend(head.notice(header_row));
        let columns = named(head.columns)?;
        let found = head.row.unwrap_or(header_row);
        notices.extend(survey::notices(&facts, options.hidden, found, &columns, &view));
        if is_1904 {
            let told = "the workbook counts days from 1904, and its date cells are read so; bare day numbers need date: excel-1904";
            notices.push(Notice(told.to_owned()));
        }
        if clues.macros {
            notices.push(Notice("the workbook holds macros; they are neither read nor run".to_owned()));
        }
        shelf.give_back(book);
        let source = SheetSource {
            format,
            sheet: sheet.clone(),
            header_row: head.row,
            first: head.first,
            columns: columns.len(),
            is_1904,
            view: Arc::new(view),
            facts: Arc::new(facts),
            shelf: shelf.clone(),
        };
        let number = match choice {
            Some(SheetChoice::Number(number)) => number,
            Some(SheetChoice::Name(_)) | None => 0,
        };
        let look = match format {
            Format::Xlsx => sheet_look::look(path, &sheet, found, columns.last().map_or(0, |c| c.place)),
            _ => SheetLook::default(),
        };
        let dialect = Dialect {
            format,
            header_row: found,
            columns: columns.iter().map(|c| DialectColumn { name: c.name.clone(), place: c.place }).collect(),
            form: Form::Sheet(SheetForm { name: sheet.clone(), number, titles: head.titles, look }),
        };
        Ok(Opened { source, header: Header { sheet: Some(sheet), columns }, dialect, notices })
    })
}

/// The sheet that is asked for, by itself or before the range.
fn sheet_choice(
    asked: Option<&SheetChoice>,
    area: Option<&Area>,
) -> Result<Option<SheetChoice>, InputProblem> {
    match (asked, area.and_then(|area| area.sheet.as_ref())) {
        (Some(SheetChoice::Name(asked)), Some(in_range)) if plain(asked) != plain(in_range) => {
            Err(InputProblem::Sheet(format!(
                "sheet names \"{}\" and range names \"{}\"; name one sheet only",
                shown(asked).cut(60),
                shown(in_range).cut(60)
            )))
        }
        (Some(SheetChoice::Number(number)), Some(in_range)) => Err(InputProblem::Sheet(format!(
            "sheet says {number} and range names \"{}\"; name the sheet once only",
            shown(in_range).cut(60)
        ))),
        (Some(asked), _) => Ok(Some(asked.clone())),
        (None, in_range) => Ok(in_range.cloned().map(SheetChoice::Name)),
    }
}

fn facts(
    book: &Book,
    path: &Path,
    sheet: &str,
    hidden: Hidden,
    clues: &Clues,
) -> Result<Facts, InputProblem> {
    let values_only = !clues.more_than_values;
    match (book.facts(path, sheet, clues)?, hidden) {
        (Some(facts), _) => Ok(Facts { values_only, ..facts }),
        (None, Hidden::Include) => Ok(Facts { values_only, ..Facts::default() }),
        (None, Hidden::Skip) => Err(InputProblem::Workbook(
            "the workbook does not show which rows are hidden; open it in Excel and save it again, or take hidden: skip \
             out of the mapping"
                .to_owned(),
        )),
    }
}

fn view(area: Option<&Area>, hidden: Hidden, facts: &Facts) -> View {
    let mut view = View::whole();
    if let Some(columns) = area.and_then(|area| area.columns.as_ref()) {
        view.columns = (*columns.start(), *columns.end());
    }
    if let Some(rows) = area.and_then(|area| area.rows.as_ref()) {
        view.last_row = *rows.end();
    }
    if hidden == Hidden::Skip {
        view.skip_rows = facts.hidden_rows.clone();
        view.skip_columns = facts.hidden_columns.clone();
    }
    view
}

/// Where the header should stand: a range says so by where it begins.
fn first_row(options: &ReadOptions, area: Option<&Area>, notices: &mut Vec<Notice>) -> u32 {
    let Some(rows) = area.and_then(|area| area.rows.as_ref()) else { return options.header_row.max(1) };
    if options.header_row > 1 && options.header_row != *rows.start() {
        notices.push(Notice(format!(
            "the header is the first row of the range, {}; header_row is passed over",
            rows.start()
        )));
    }
    *rows.start()
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

/// Finds the sheet that is meant.
fn choose(
    book: &mut Book,
    choice: Option<&SheetChoice>,
    notices: &mut Vec<Notice>,
) -> Result<String, InputProblem> {
    let sheets = book.sheets();
    let list = || listed(sheets.iter().map(|sheet| sheet.name.as_str()));
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
        Some(SheetChoice::Name(wanted)) => named_sheet(&sheets, wanted).ok_or_else(|| {
            InputProblem::Sheet(format!(
                "there is no sheet \"{}\"; the workbook has {}",
                shown(wanted).cut(60),
                list()
            ))
        }),
    }?;
    let SheetInfo { name, visible, is_table } = found;
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

/// The sheet of that name; in a reject file it is the nearest that Excel takes.
fn named_sheet<'s>(sheets: &'s [SheetInfo], wanted: &str) -> Option<&'s SheetInfo> {
    let found = |is_it: &dyn Fn(&str) -> bool| sheets.iter().find(|sheet| is_it(&sheet.name));
    found(&|name| name == wanted)
        .or_else(|| found(&|name| plain(name) == plain(wanted)))
        .or_else(|| found(&|name| name == fitting_name(wanted)))
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

/// The one visible sheet that holds anything; where none does, the first. A
/// template's instructions and lists are passed over where there is another.
fn only_filled(book: &mut Book, sheets: &[SheetInfo]) -> Result<String, InputProblem> {
    let asides = book.asides();
    let tables = || sheets.iter().filter(|sheet| sheet.is_table);
    let may_be_meant = |sheet: &&SheetInfo| !asides.contains(&sheet.name);
    let has_others = tables().any(|sheet| may_be_meant(&sheet));
    let tables = || tables().filter(|sheet| !has_others || may_be_meant(sheet));
    let mut filled = Vec::new();
    for sheet in tables() {
        if holds_anything(book, &sheet.name)? {
            filled.push((&sheet.name, sheet.visible));
        }
    }
    let open: Vec<&str> =
        filled.iter().filter(|(_, visible)| *visible).map(|(name, _)| name.as_str()).collect();
    let own = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
    match (open.as_slice(), filled.as_slice()) {
        ([one], _) => Ok((*one).to_owned()),
        ([], []) => tables()
            .map(|sheet| sheet.name.clone())
            .next()
            .ok_or_else(|| InputProblem::Sheet("the workbook has no sheet with a table".to_owned())),
        ([], hidden) => Err(InputProblem::WhichSheet {
            sheets: own(hidden.iter().map(|(name, _)| name.as_str()).collect()),
            hidden: true,
        }),
        (_, _) => Err(InputProblem::WhichSheet { sheets: own(open), hidden: false }),
    }
}

fn holds_anything(book: &mut Book, sheet: &str) -> Result<bool, InputProblem> {
    let mut found = false;
    book.walk(sheet, &View::whole(), &Facts::default(), |_, _, cells| {
        found = cells.iter().any(SheetCell::is_filled);
        Ok(if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    Ok(found)
}
