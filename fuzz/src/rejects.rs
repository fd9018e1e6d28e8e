//! A reject file of all rows of a file reads again as these rows.

use std::path::Path;

use crate::File;
use crate::model::{Cell, CellFault, Row, RowFault, is_reserved};
use crate::reading::Seen;
use crate::tabular::{Form, Mark, ReadOptions, RejectWriter, Source, keep};

/// Writes every row into a reject file, as if all had been refused, and reads
/// that with the same options.
pub fn come_back(source: &Source, seen: &Seen, options: &ReadOptions) {
    let is_no_object = |row: &Row| matches!(row.fault, Some(RowFault::NotJson(_)));
    let nothing_to_read = source.header().columns.is_empty() || seen.rows.iter().all(is_no_object);
    if seen.error.is_some() || nothing_to_read {
        return;
    }
    let name = match source.dialect().form {
        Form::Text(_) => "rejects.csv",
        Form::Sheet(_) => "rejects.xlsx",
        Form::Json(_) => "rejects.jsonl",
    };
    let file = File::new(name, b"");
    write(source, seen, file.path());
    let again = match Source::open(file.path(), options) {
        Ok(again) => again,
        // A header full of control characters: what made up for them is not among the rows.
        Err(error) if error.to_string().contains("does not look like text") => return,
        Err(error) => panic!("{error}"),
    };
    let rows = Seen::of(&again);
    assert_eq!(rows.error, None);
    assert_eq!(rows.rows.len(), seen.rows.len(), "every row comes back, and no other");
    let columns = shared_columns(source, &again);
    let mark = again.header().columns.iter().position(|column| column.name == "_row");
    for (old, new) in seen.rows.iter().zip(&rows.rows) {
        assert_eq!(is_no_object(old), is_no_object(new));
        if is_no_object(new) {
            continue;
        }
        for &(at, then) in &columns {
            is_same(old, old.cell(at), then.map_or(Cell::Blank, |then| new.cell(then)));
        }
        let number = mark.map(|at| new.cell(at).to_string());
        // A range may end before the marks.
        let is_there = number == Some(old.number.to_string());
        assert!(is_there || options.range.is_some(), "its number stands behind it");
    }
}

/// Each column of the file, but for marks that it had before, and where it
/// stands in the reject file: a sheet's keeps its place, and JSON has no key
/// that no row has.
fn shared_columns(source: &Source, again: &Source) -> Vec<(usize, Option<usize>)> {
    let names = |source: &Source| -> Vec<String> {
        source.header().columns.iter().map(|column| column.name.clone()).collect()
    };
    let (before, after) = (names(source), names(again));
    let own = |names: &[String]| -> Vec<usize> {
        (0..names.len()).filter(|&at| !is_reserved(&names[at])).collect()
    };
    let mut nth = own(&after).into_iter();
    let mut then = |at: usize| match source.dialect().form {
        Form::Text(_) => nth.next(),
        Form::Sheet(_) => {
            let place = source.header().columns[at].place;
            again.header().columns.iter().position(|column| column.place == place)
        }
        Form::Json(_) => after.iter().position(|name| *name == before[at]),
    };
    let pairs: Vec<(usize, Option<usize>)> = own(&before).into_iter().map(|at| (at, then(at))).collect();
    for &(at, then) in &pairs {
        assert!(then.is_some() || before[at].is_empty() || matches!(source.dialect().form, Form::Json(_)));
        if let Some(then) = then {
            assert_eq!(after[then], before[at], "a column has another name");
        }
    }
    pairs
}

fn write(source: &Source, seen: &Seen, path: &Path) {
    let extra = seen.rows.iter().any(|row| row.len() > source.header().columns.len());
    let mut rejects = RejectWriter::create_at(path, source.dialect(), extra, true)
        .unwrap_or_else(|error| panic!("{error}"));
    for row in &seen.rows {
        let mark =
            Mark { row: row.number, run: "1-a", status: "rejected", code: "c", errors: "a; \"b\",\nc" };
        rejects.write(&keep(row), &mark).unwrap_or_else(|error| panic!("{error}"));
    }
    rejects.finish().unwrap_or_else(|error| panic!("{error}"));
}

/// The same value. What could not be read still cannot, whatever it has become.
fn is_same(row: &Row, old: Cell<'_>, new: Cell<'_>) {
    let is_faulty = |cell: Cell<'_>| matches!(cell, Cell::Fault(_));
    match (old, new) {
        // A sheet may keep what has lost digits, and what is no date, as text.
        (Cell::Fault(CellFault::PrecisionLost(text) | CellFault::NoSuchDate(text)), new) => {
            assert!(is_faulty(new) || new.to_string() == text, "row {}: {old:?} {new:?}", row.number);
        }
        // A sheet has no date before 1900, and no fraction of a second.
        (Cell::DateTime(at), _) if at.year() < 1900 || at.subsec_nanosecond() > 0 => {}
        (old, new) if is_faulty(old) => assert!(is_faulty(new), "row {}: {old:?} {new:?}", row.number),
        (old, new) => assert_eq!(old, new, "row {}", row.number),
    }
}
