//! What holds for every file of rows, whatever its form.

use crate::is_fit_to_be_shown;
use crate::model::{Cell, CellFault, PlainCells, Row, RowFault};
use crate::tabular::{Batch, Form, Looker, ReadOptions, Source, keep, kept_cells};

/// A pass over a file: its rows, how far it was after each, and why it ended
/// early, if it did.
#[derive(Debug, PartialEq)]
pub struct Seen {
    /// The rows that were handed out.
    pub rows: Vec<Row>,
    /// [`crate::tabular::Rows::position`] before the first row and after each.
    pub positions: Vec<u64>,
    /// What made the rest unreadable.
    pub error: Option<String>,
}

impl Seen {
    /// Reads all rows.
    pub fn of(source: &Source) -> Self {
        let mut seen = Self { rows: Vec::new(), positions: Vec::new(), error: None };
        let mut rows = match source.rows() {
            Ok(rows) => rows,
            Err(error) => return Self { error: Some(error.to_string()), ..seen },
        };
        let mut row = Row::default();
        seen.positions.push(rows.position());
        loop {
            match rows.read(&mut row) {
                Ok(true) => seen.rows.push(row.clone()),
                Ok(false) => break,
                Err(error) => {
                    seen.error = Some(error.to_string());
                    break;
                }
            }
            seen.positions.push(rows.position());
        }
        assert!(!matches!(rows.read(&mut row), Ok(true)), "after the end comes no further row");
        seen
    }
}

/// The same rows, read as several threads do that share a pass.
fn in_batches(source: &Source) -> (Vec<Row>, Option<String>) {
    let (mut all, mut batch) = (Vec::new(), Batch::default());
    let mut rows = match source.rows() {
        Ok(rows) => rows,
        Err(error) => return (all, Some(error.to_string())),
    };
    let mut reader = rows.batch_reader();
    loop {
        match rows.read_batch(&mut batch) {
            Ok(true) => reader.read(&batch, |row| all.push(row.clone())),
            Ok(false) => return (all, None),
            Err(error) => return (all, Some(error.to_string())),
        }
    }
}

/// Is content with the cells of plain records, by row number.
#[derive(Default)]
struct Content {
    columns: usize,
    seen: Vec<(u64, Vec<String>)>,
}

impl Content {
    fn of(row: &Row) -> (u64, Vec<String>) {
        let cell = |at| match row.cell(at) {
            Cell::Text(text) => text.to_owned(),
            Cell::Blank => String::new(),
            other => format!("{other:?}"),
        };
        (row.number, (0..row.len()).map(cell).collect())
    }
}

impl Looker for Content {
    fn plain(&mut self, number: u64, cells: &PlainCells<'_>) -> bool {
        self.seen.push((number, (0..self.columns).map(|at| cells.get(at).to_owned()).collect()));
        true
    }

    fn row(&mut self, row: &Row) {
        self.seen.push(Self::of(row));
    }
}

/// What is shown of the same rows where cells alone suffice.
fn shown(source: &Source) -> Vec<(u64, Vec<String>)> {
    let mut content = Content { columns: source.header().columns.len(), seen: Vec::new() };
    let Ok(mut rows) = source.rows() else { return content.seen };
    let (mut reader, mut batch) = (rows.batch_reader(), Batch::default());
    while matches!(rows.read_batch(&mut batch), Ok(true)) {
        reader.show(&batch, &mut content);
    }
    content.seen
}

/// Reads a file twice and checks what must hold of it. A complaint is fit to
/// be shown, whatever the file holds.
pub fn read_twice(path: &std::path::Path, content: &[u8], options: &ReadOptions) -> Option<(Source, Seen)> {
    let source = match Source::open(path, options) {
        Ok(source) => source,
        Err(error) => {
            is_fit_to_be_shown(&error.to_string());
            return None;
        }
    };
    let seen = Seen::of(&source);
    assert_eq!(seen.rows, Seen::of(&source).rows, "a second pass gives the same rows");
    source.notices().iter().for_each(|notice| is_fit_to_be_shown(&notice.0));
    seen.error.iter().for_each(|error| is_fit_to_be_shown(error));
    let (rows, error) = in_batches(&source);
    assert_eq!((&seen.rows, &seen.error), (&rows, &error), "batches give the same rows");
    let in_full: Vec<_> = seen.rows.iter().map(Content::of).collect();
    assert_eq!(in_full, shown(&source), "and so do their cells alone");
    assert_eq!(source.fingerprint().map(|found| found.bytes).ok(), Some(content.len() as u64));
    let places: Vec<usize> = source.header().columns.iter().map(|column| column.place).collect();
    assert!(places.is_sorted_by(|a, b| a < b), "columns stand from left to right");
    assert!(seen.positions.is_sorted(), "a pass goes forward");
    assert!(seen.positions.iter().all(|&at| at <= source.size_hint()), "and not beyond the file");
    assert!(
        seen.rows.is_sorted_by(|a, b| a.number < b.number && a.line < b.line),
        "rows are counted upwards"
    );
    for row in &seen.rows {
        adds_up(&source, row);
        is_kept(&source, row);
    }
    Some((source, seen))
}

/// A row has as many cells as the header, or says that it has not.
fn adds_up(source: &Source, row: &Row) {
    let columns = source.header().columns.len();
    let is_sheet = matches!(source.dialect().form, Form::Sheet(_));
    match &row.fault {
        // A sheet has no end of a row, so that blanks there are just blank.
        None if is_sheet => assert!(row.len() <= columns),
        None => assert_eq!(row.len(), columns),
        Some(RowFault::TooFewCells { found, wanted }) => {
            assert_eq!((*found, *wanted), (row.len(), columns));
            assert!(found < wanted);
        }
        Some(RowFault::TooManyCells { found, wanted }) => {
            assert_eq!((*found, *wanted), (row.len(), columns));
            assert!(found > wanted);
        }
        Some(RowFault::StrayQuote { line, line_ends, .. }) => {
            assert!(row.raw.contains(&b'"') && *line >= row.line);
            assert!(*line_ends <= row.raw.len() as u64);
        }
        Some(RowFault::AsRefused { .. }) => panic!("reading knows of no earlier run"),
        Some(RowFault::NotJson(why)) => {
            assert!(!why.is_empty());
            // A line that comes back in a reject file keeps what that says of it.
            let is_held = row.raw.windows(6).any(|bytes| bytes == b"\"_raw\"");
            assert!(row.is_empty() || (is_held && row.len() == columns));
        }
    }
    assert!(row.fault.is_some() || !row.is_blank(), "a blank row is passed over");
}

/// What a run keeps of a row reads again as the row's cells.
fn is_kept(source: &Source, row: &Row) {
    if matches!(row.fault, Some(RowFault::NotJson(_))) {
        return;
    }
    let kept = kept_cells(source.dialect(), &keep(row));
    for (at, text) in kept.iter().enumerate().skip(row.len()) {
        assert!(text.trim_ascii().is_empty(), "cell {at} of the bytes is in no cell of the row: {text:?}");
    }
    for at in 0..row.len() {
        let text = kept.get(at).map_or("", String::as_str);
        match row.cell(at) {
            Cell::Fault(CellFault::Undecodable { .. } | CellFault::TooLong | CellFault::NoStoredValue) => {}
            // JSON keeps its own notation.
            Cell::Number(number) => assert_eq!(
                crate::model::Number::parse(number),
                crate::model::Number::parse(text),
                "{number} {text}"
            ),
            Cell::Bool(flag) => assert_eq!(text.to_lowercase(), flag.to_string()),
            cell => assert_eq!(text, cell.to_string(), "cell {at}"),
        }
    }
}
