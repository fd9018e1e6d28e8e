//! Tests of the room as a whole: files written to disk, opened, read and
//! written again.

mod book;
mod csv;
mod hostile;
mod jsonl;
mod old_books;
mod parquet;
mod rejects;
mod sheets;
mod sqlite;
mod traps;
mod written;
mod xlsx;

use std::path::{Path, PathBuf};

use super::{InputError, ReadOptions, Source, keep};
use crate::model::{Cell, CellFault, Row};

/// A folder that goes away, and files in it.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

fn open(path: &Path) -> Result<Source, InputError> {
    Source::open(path, &ReadOptions::default())
}

fn names(source: &Source) -> Vec<&str> {
    source.header().columns.iter().map(|column| column.name.as_str()).collect()
}

fn told(source: &Source) -> String {
    source.notices().iter().map(|notice| notice.0.as_str()).collect::<Vec<_>>().join("\n")
}

/// A cell with its kind, in words.
fn word(cell: Cell<'_>) -> String {
    match cell {
        Cell::Blank => String::new(),
        Cell::Text(text) => text.to_owned(),
        Cell::Number(text) => format!("#{text}"),
        Cell::Percent(text) => format!("#{text}"),
        Cell::Bool(flag) => format!("?{flag}"),
        Cell::DateTime(at) => format!("@{at}"),
        Cell::Time(at) => format!("@{at}"),
        Cell::Fault(CellFault::Undecodable { offset, byte }) => format!("!byte {byte:02X} at {offset}"),
        Cell::Fault(fault) => format!("!{fault:?}"),
    }
}

#[derive(Debug, PartialEq)]
struct Seen {
    number: u64,
    line: u64,
    cells: Vec<String>,
    fault: String,
    kept: Vec<u8>,
}

fn read(source: &Source) -> Result<Vec<Seen>, InputError> {
    let mut rows = source.rows()?;
    let (mut row, mut all) = (Row::default(), Vec::new());
    while rows.read(&mut row)? {
        let cells = (0..row.len()).map(|at| word(row.cell(at))).collect();
        let fault = row.fault.as_ref().map(|fault| format!("{fault:?}")).unwrap_or_default();
        all.push(Seen { number: row.number, line: row.line, cells, fault, kept: keep(&row) });
    }
    assert!(!rows.read(&mut row)?, "the end stays the end");
    Ok(all)
}

/// Cells of all rows, of a file that reads well.
pub(super) fn cells(source: &Source) -> Vec<Vec<String>> {
    read(source).unwrap().into_iter().map(|row| row.cells).collect()
}

/// The sentence with which a file is refused, on opening or while reading.
fn refused(path: &Path, options: &ReadOptions) -> String {
    match Source::open(path, options) {
        Err(error) => error.to_string(),
        Ok(source) => match read(&source) {
            Err(error) => error.to_string(),
            Ok(rows) => panic!("not refused: {rows:?}"),
        },
    }
}
