//! LibreOffice workbooks, read from their XML as a stream.
//!
//! Rows and cells may say that they stand several times; a few hundred bytes
//! can stand for billions of cells. Blank ones are counted only, and filled
//! ones are repeated within a limit.

use std::collections::HashSet;
use std::io::{BufReader, Read};
use std::ops::ControlFlow;
use std::path::Path;

use calamine::{CellErrorType, DataRef, ExcelDateTime, ExcelDateTimeType};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::area::{MAX_PLACES, MAX_ROWS};
use super::biff::locked;
use super::book::SheetCell;
use super::error::InputProblem;
use super::gathering::out_of_place;
use super::survey::{Facts, Merged, View};
use super::workbook::unreadable;
use super::xml::{attribute, each_event, part, parts, push_entity, xml};
use crate::model::shown;

/// Most filled cells that come of repeating others.
const MAX_REPEATED: u64 = 5_000_000;
/// Most sheets.
const MAX_TABLES: usize = 1000;

/// A sheet of a LibreOffice workbook.
pub(super) struct Table {
    pub(super) name: String,
    pub(super) visible: bool,
    /// The last row that holds anything, 1-based; 0 in an empty sheet.
    pub(super) last_row: u32,
    pub(super) facts: Facts,
}

/// Looks through the whole workbook once.
pub(super) fn survey(path: &Path) -> Result<Vec<Table>, InputProblem> {
    let mut parts = parts(path)?;
    if let Some(manifest) = part(&mut parts, "META-INF/manifest.xml")? {
        let mut encrypted = false;
        each_event(manifest, |event| {
            let Event::Start(element) = event else { return true };
            encrypted |= element.local_name().into_inner() == "encryption-data";
            !encrypted
        })?;
        if encrypted {
            return Err(locked());
        }
    }
    let Some(content) = part(&mut parts, "content.xml")? else { return Err(unreadable()) };
    let mut content = Content::new(content);
    let mut tables = Vec::new();
    while let Some(start) = content.next_table()? {
        if tables.len() >= MAX_TABLES {
            return Err(InputProblem::Workbook("the workbook has more than 1,000 sheets".to_owned()));
        }
        let visible = !start.style.is_some_and(|style| content.hidden_styles.contains(&style));
        let mut table = Table { name: start.name, visible, last_row: 0, facts: Facts::default() };
        while let Some(row) = content.next_row(&mut table.facts)? {
            note(&row, &mut table);
        }
        table.facts.settle();
        tables.push(table);
    }
    Ok(tables)
}

fn note(row: &OdsRow, table: &mut Table) {
    if row.cells.is_empty() {
        return;
    }
    let last = row.number.saturating_add(row.times - 1);
    table.last_row = last;
    if row.hidden {
        table.facts.hidden_rows.push(row.number, last);
    }
    let formulas: u64 = row.cells.iter().filter(|cell| cell.formula).map(|cell| u64::from(cell.times)).sum();
    table.facts.formulas += formulas * u64::from(row.times);
    for cell in row.cells.iter().filter(|cell| cell.spans != (1, 1)) {
        let rows = (row.number, row.number.saturating_add(cell.spans.0 - 1));
        let columns = (cell.place, cell.place.saturating_add(cell.spans.1 - 1));
        table.facts.merge_at(Merged { rows, columns });
    }
}

/// Goes over the filled rows of one sheet, as [`super::book::Book::walk`] does.
pub(super) fn walk<'a>(
    path: &Path,
    table: &Table,
    view: &View,
    mut visit: impl FnMut(u32, u32, &mut Vec<SheetCell<'a>>) -> Result<ControlFlow<()>, InputProblem>,
) -> Result<(), InputProblem> {
    let mut parts = parts(path)?;
    let Some(content) = part(&mut parts, "content.xml")? else { return Err(unreadable()) };
    let mut content = Content::new(content);
    loop {
        let Some(start) = content.next_table()? else { return Ok(()) };
        if start.name == table.name {
            break;
        }
        while content.next_row(&mut Facts::default())?.is_some() {}
    }
    let mut cells = Vec::new();
    let mut repeated = 0;
    while let Some(row) = content.next_row(&mut Facts::default())? {
        if row.cells.is_empty() {
            continue;
        }
        for number in (row.number..).take(row.times as usize) {
            if number > view.last_row {
                return Ok(());
            }
            if !view.sees_row(number) {
                continue;
            }
            repeated += expand(&row, view, &mut cells);
            if number > row.number {
                repeated += cells.len() as u64;
            }
            if repeated > MAX_REPEATED {
                let told = format!(
                    "the workbook is not read: sheet \"{}\" repeats its cells more than five million times; open it \
                     in LibreOffice and save it as XLSX",
                    shown(&table.name)
                );
                return Err(InputProblem::Workbook(told));
            }
            if !cells.is_empty() && visit(number, table.last_row, &mut cells)?.is_break() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Writes out the cells of a row; gives how many are there by repetition.
fn expand<'a>(row: &OdsRow, view: &View, cells: &mut Vec<SheetCell<'a>>) -> u64 {
    cells.clear();
    for cell in &row.cells {
        for place in (cell.place..).take(cell.times as usize).filter(|&place| view.sees_column(place)) {
            cells.push(SheetCell {
                place,
                value: cell.value.clone(),
                formula: cell.formula,
                percent: cell.percent,
            });
        }
    }
    row.cells.iter().map(|cell| u64::from(cell.times - 1)).sum()
}

/// The filled cells of one row, or of several equal ones.
struct OdsRow {
    /// 1-based.
    number: u32,
    times: u32,
    hidden: bool,
    cells: Vec<OdsCell>,
}

struct OdsCell {
    /// 0-based.
    place: u32,
    times: u32,
    value: DataRef<'static>,
    formula: bool,
    percent: bool,
    /// Rows and columns that it covers.
    spans: (u32, u32),
}

struct TableStart {
    name: String,
    style: Option<String>,
}

/// The workbook's content, read from its beginning.
struct Content<R: Read> {
    xml: Reader<BufReader<R>>,
    buffer: Vec<u8>,
    /// Styles of sheets that are not shown.
    hidden_styles: HashSet<String>,
    style: Option<String>,
    row: u32,
    column: u32,
}

impl<R: Read> Content<R> {
    fn new(input: R) -> Self {
        Self {
            xml: xml(BufReader::with_capacity(64 * 1024, input)),
            buffer: Vec::new(),
            hidden_styles: HashSet::new(),
            style: None,
            row: 0,
            column: 0,
        }
    }

    fn next_event(&mut self) -> Result<Event<'static>, InputProblem> {
        self.buffer.clear();
        let event = self.xml.read_event_into(&mut self.buffer).map_err(|_| unreadable())?;
        Ok(event.into_owned())
    }

    /// Goes to the next sheet.
    fn next_table(&mut self) -> Result<Option<TableStart>, InputProblem> {
        loop {
            match self.next_event()? {
                Event::Start(element) => match element.name().0 {
                    "style:style" => self.style = attribute(&element, "name"),
                    "style:table-properties"
                        if attribute(&element, "display").as_deref() == Some("false") =>
                    {
                        self.hidden_styles.extend(self.style.clone());
                    }
                    "table:tracked-changes" => self.pass_over(&element)?,
                    "table:table" => {
                        (self.row, self.column) = (0, 0);
                        let name = attribute(&element, "name").unwrap_or_default();
                        return Ok(Some(TableStart { name, style: attribute(&element, "style-name") }));
                    }
                    _ => {}
                },
                Event::Eof => return Ok(None),
                _ => {}
            }
        }
    }

    /// Reads the next row of the sheet; nothing behind its last.
    fn next_row(&mut self, facts: &mut Facts) -> Result<Option<OdsRow>, InputProblem> {
        loop {
            match self.next_event()? {
                Event::Start(element) => match element.name().0 {
                    "table:table-row" => return self.read_row(&element).map(Some),
                    "table:table-column" => self.column(&element, facts),
                    "table:shapes" | "office:forms" | "table:table" => self.pass_over(&element)?,
                    _ => {}
                },
                Event::End(element) if element.name().0 == "table:table" => return Ok(None),
                Event::Eof => return Err(unreadable()),
                _ => {}
            }
        }
    }

    fn column(&mut self, element: &BytesStart<'_>, facts: &mut Facts) {
        let times = count(element, "number-columns-repeated");
        if is_hidden(element) {
            facts.hidden_columns.push(self.column, self.column.saturating_add(times - 1));
        }
        self.column = self.column.saturating_add(times);
    }

    fn read_row(&mut self, start: &BytesStart<'_>) -> Result<OdsRow, InputProblem> {
        let times = count(start, "number-rows-repeated");
        let number = self.row.saturating_add(1);
        self.row = self.row.saturating_add(times);
        let (mut cells, mut place) = (Vec::new(), 0_u32);
        loop {
            match self.next_event()? {
                Event::Start(element)
                    if matches!(element.name().0, "table:table-cell" | "table:covered-table-cell") =>
                {
                    let end = element.name().0.to_owned();
                    let text = self.read_text(&end)?;
                    let (value, formula) = value(&element, text)?;
                    let times = count(&element, "number-columns-repeated");
                    if value != DataRef::Empty || formula {
                        if place.saturating_add(times) > MAX_PLACES {
                            return Err(out_of_place("", number));
                        }
                        let spans = (
                            count(&element, "number-rows-spanned"),
                            count(&element, "number-columns-spanned"),
                        );
                        let percent = is_percentage(&element);
                        cells.push(OdsCell { place, times, value, formula, percent, spans });
                    }
                    place = place.saturating_add(times);
                }
                Event::Start(element) => self.pass_over(&element)?,
                Event::End(element) if element.name().0 == "table:table-row" => break,
                Event::Eof => return Err(unreadable()),
                _ => {}
            }
        }
        if self.row > MAX_ROWS && !cells.is_empty() {
            return Err(out_of_place("", MAX_ROWS));
        }
        Ok(OdsRow { number, times, hidden: is_hidden(start), cells })
    }

    /// The paragraphs of a cell, notes and drawings left out.
    fn read_text(&mut self, end: &str) -> Result<String, InputProblem> {
        let (mut text, mut paragraphs, mut inside) = (String::new(), 0, false);
        loop {
            match self.next_event()? {
                Event::Start(element) => match element.name().0 {
                    "text:p" | "text:h" => {
                        if paragraphs > 0 {
                            text.push('\n');
                        }
                        (paragraphs, inside) = (paragraphs + 1, true);
                    }
                    "text:s" => {
                        let blanks = count(&element, "c").min(MAX_PLACES) as usize;
                        text.extend(std::iter::repeat_n(' ', blanks));
                    }
                    "text:tab" => text.push('\t'),
                    "text:line-break" => text.push('\n'),
                    "text:span" | "text:a" => {}
                    _ => self.pass_over(&element)?,
                },
                // Blanks between the elements of a cell are layout.
                Event::Text(part) if inside => text.push_str(&part.xml10_content()),
                Event::CData(part) if inside => text.push_str(&part.xml10_content()),
                Event::GeneralRef(entity) if inside => push_entity(&entity, &mut text),
                Event::End(element) if element.name().0 == end => return Ok(text),
                Event::End(element) if matches!(element.name().0, "text:p" | "text:h") => inside = false,
                Event::Eof => return Err(unreadable()),
                _ => {}
            }
        }
    }

    /// Passes over an element and all that is in it.
    fn pass_over(&mut self, element: &BytesStart<'_>) -> Result<(), InputProblem> {
        self.buffer.clear();
        self.xml.read_to_end_into(element.name(), &mut self.buffer).map(drop).map_err(|_| unreadable())
    }
}

/// How often something stands, or how far it reaches; at least once.
fn count(element: &BytesStart<'_>, name: &str) -> u32 {
    attribute(element, name).and_then(|count| count.parse().ok()).unwrap_or(1).max(1)
}

fn is_hidden(element: &BytesStart<'_>) -> bool {
    attribute(element, "visibility").is_some_and(|how| matches!(how.as_str(), "collapse" | "filter"))
}

fn is_percentage(element: &BytesStart<'_>) -> bool {
    attribute_exact(element, "office:value-type").as_deref() == Some("percentage")
}

/// A cell's value, and whether a formula gave it.
fn value(element: &BytesStart<'_>, text: String) -> Result<(DataRef<'static>, bool), InputProblem> {
    let formula = attribute(element, "formula").is_some();
    // Two attributes have this name: the older one says nothing of errors.
    let is_error = attribute_exact(element, "calcext:value-type").as_deref() == Some("error");
    let kind = attribute_exact(element, "office:value-type").unwrap_or_default();
    let of = |name| attribute_exact(element, name).unwrap_or_default();
    let value = match kind.as_str() {
        _ if is_error => DataRef::Error(error(&text)),
        "float" | "percentage" | "currency" => {
            DataRef::Float(of("office:value").trim().parse().map_err(|_| unreadable())?)
        }
        "boolean" => DataRef::Bool(of("office:boolean-value") == "true"),
        "date" => DataRef::DateTimeIso(of("office:date-value")),
        "time" => time(&of("office:time-value")).unwrap_or(DataRef::String(text)),
        "string" => DataRef::String(attribute_exact(element, "office:string-value").unwrap_or(text)),
        _ if text.is_empty() => DataRef::Empty,
        _ => DataRef::String(text),
    };
    // A blank text is as good as none, but it is the value of a formula.
    let blank = matches!(&value, DataRef::String(text) if text.is_empty());
    Ok((if blank && !formula { DataRef::Empty } else { value }, formula))
}

fn attribute_exact(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = element.attributes();
    let found = attributes.with_checks(false).filter_map(Result::ok).find(|at| at.key.0 == name)?;
    let text = quick_xml::escape::unescape(&found.value);
    Some(text.map_or_else(|_| found.value.to_string(), |text| text.into_owned()))
}

/// LibreOffice's own errors (`Err:502`) have no counterpart in Excel.
fn error(text: &str) -> CellErrorType {
    match text.trim() {
        "#N/A" => CellErrorType::NA,
        "#DIV/0!" => CellErrorType::Div0,
        "#NAME?" => CellErrorType::Name,
        "#NULL!" => CellErrorType::Null,
        "#NUM!" | "Err:503" => CellErrorType::Num,
        "#REF!" => CellErrorType::Ref,
        _ => CellErrorType::Value,
    }
}

/// `PT09H30M00S` as hours of a day, or beyond it.
fn time(text: &str) -> Option<DataRef<'static>> {
    let mut rest = text.strip_prefix("PT")?;
    let mut seconds = 0.0;
    for (unit, size) in [('H', 3600.0), ('M', 60.0), ('S', 1.0)] {
        if let Some((number, behind)) = rest.split_once(unit) {
            seconds += number.replace(',', ".").parse::<f64>().ok()? * size;
            rest = behind;
        }
    }
    let time = ExcelDateTime::new(seconds / 86_400.0, ExcelDateTimeType::TimeDelta, false);
    rest.is_empty().then_some(DataRef::DateTime(time))
}
