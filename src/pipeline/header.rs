//! Where the header is, if the row that is read as it is another: below titles,
//! or sorted in among the data.

use std::collections::BTreeSet;

use super::PipelineError;
use crate::model::{Column, Header, Row, shown};
use crate::rules::mapping::Mapping;
use crate::rules::names::folded;
use crate::rules::problem::Problem;
use crate::rules::{expression, language};
use crate::tabular::{Form, Source};

/// Rows that are looked at; beyond them nobody finds a header any more.
const MOST_ROWS: u64 = 100_000;

/// A row that holds more of the wanted names than the header does.
pub(super) struct Elsewhere {
    /// What to call the file.
    file: String,
    /// The row that is read as the header, and how many of the names it holds.
    read: (u32, usize),
    /// The other one.
    found: (u64, usize),
    wanted: usize,
    /// The other one as a header.
    pub header: Header,
}

/// The names of the columns that a mapping wants.
pub(super) fn column_names(mapping: &Mapping) -> Vec<String> {
    assumed_header(mapping).columns.into_iter().map(|column| column.name).collect()
}

/// A header that holds every column the mapping names, for a file that has none.
pub(super) fn assumed_header(mapping: &Mapping) -> Header {
    let from = mapping.fields.iter().flat_map(|(_, rule)| &rule.from).map(|name| name.value.clone());
    let exprs = mapping.fields.iter().filter_map(|(_, rule)| rule.expr.as_ref());
    let in_exprs = exprs.flat_map(|expr| expression::column_names(&expr.value));
    let in_when = mapping.when.iter().flat_map(|when| language::column_names(&when.value));
    let mut columns: Vec<Column> = Vec::new();
    for name in from.chain(in_exprs).chain(in_when) {
        if columns.iter().all(|column| folded(&column.name) != folded(&name)) {
            columns.push(Column { name, place: columns.len() });
        }
    }
    Header { sheet: None, columns }
}

/// The first row that holds most of the names, and more than so many; with the
/// number of them and its cells.
fn fullest_row(
    source: &Source,
    names: &BTreeSet<String>,
    more_than: usize,
) -> Option<(u64, usize, Vec<String>)> {
    let mut best: Option<(u64, usize, Vec<String>)> = None;
    let (mut rows, mut row) = (source.rows().ok()?, Row::default());
    for _ in 0..MOST_ROWS {
        if !rows.read(&mut row).is_ok_and(|more| more) {
            break;
        }
        for cells in views(source, &row) {
            let count = held_among(names, cells.iter().map(String::as_str));
            if count > best.as_ref().map_or(more_than, |(_, count, _)| *count) {
                best = Some((row.number, count, cells));
            }
        }
        if best.as_ref().is_some_and(|(_, count, _)| *count == names.len()) {
            break;
        }
    }
    best
}

/// How many of the names stand among the cells.
fn held_among<'c>(names: &BTreeSet<String>, cells: impl Iterator<Item = &'c str>) -> usize {
    let found: BTreeSet<String> =
        cells.map(|cell| folded(cell).into_owned()).filter(|cell| names.contains(cell)).collect();
    found.len()
}

/// The cells of a row; of a text, also as other delimiters would split it: a
/// title has none, so the delimiter that was found may be a wrong one.
fn views(source: &Source, row: &Row) -> Vec<Vec<String>> {
    let cells: Vec<String> = (0..row.len()).map(|at| row.cell(at).to_string()).collect();
    let mut views = Vec::new();
    if let Form::Text(form) = &source.dialect().form {
        let line = cells.join(&form.delimiter.to_string());
        for delimiter in [',', ';', '\t', '|'].into_iter().filter(|&delimiter| delimiter != form.delimiter) {
            views.push(line.split(delimiter).map(|cell| cell.trim_matches('"').to_owned()).collect());
        }
    }
    views.insert(0, cells);
    views
}

impl Elsewhere {
    /// Looks for a row that holds more of the names than the header does, where
    /// the header lacks some of them. A file that cannot be read to its end is
    /// looked at as far as it can.
    pub fn find(source: &Source, file: &str, wanted: &[String]) -> Option<Self> {
        let (header_row, columns) = (source.dialect().header_row, &source.header().columns);
        let names: BTreeSet<String> = wanted.iter().map(|name| folded(name).into_owned()).collect();
        let held = held_among(&names, columns.iter().map(|column| column.name.as_str()));
        // JSON Lines have no header, and one word alone may stand anywhere.
        if header_row == 0 || columns.is_empty() || held == names.len() || names.len() < 2 {
            return None;
        }
        let (row, count, cells) = fullest_row(source, &names, held.max(1))?;
        let first = columns.first().map_or(0, |column| column.place);
        let columns = cells.into_iter().zip(first..).map(|(name, place)| Column { name, place }).collect();
        Some(Self {
            file: file.to_owned(),
            read: (header_row, held),
            found: (row, count),
            wanted: names.len(),
            header: Header { sheet: source.header().sheet.clone(), columns },
        })
    }

    fn message(&self, what: &str) -> String {
        let number = |count: usize| if count == 0 { "none".to_owned() } else { count.to_string() };
        let ((header, held), (row, found)) = (self.read, self.found);
        let found = if found == self.wanted { format!("all {found}") } else { found.to_string() };
        format!(
            "row {header} of {} is read as the header and names {} of {what}; row {row} names {found}",
            shown(&self.file),
            number(held)
        )
    }

    /// The problem of a mapping that meets the wrong header.
    pub fn problem(&self, mapping: &Mapping) -> Problem {
        let message = self.message(&format!("the mapping's {} columns", self.wanted));
        let problem = match &mapping.source.header_row {
            Some(given) => Problem::at(given.place, message),
            None => Problem::whole(message),
        };
        let row = self.found.0;
        problem.hint(format!(
            "set source: {{ header_row: {row} }}, or move row {row} to the top if there are data above it"
        ))
    }

    /// The error where headers should be field names.
    pub fn error(&self, object: &str) -> PipelineError {
        let row = self.found.0;
        PipelineError::usage(
            self.message(&format!("the fields of {}", shown(object))),
            format!(
                "delete what stands above row {row}, or move row {row} to the top if there are data above it; a mapping \
                 can say source: {{ header_row: {row} }}"
            ),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tabular::ReadOptions;

    fn found(text: &str, header_row: u32, wanted: &[&str]) -> Option<(u64, usize, Vec<String>)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, text).unwrap();
        let source = Source::open(&path, &ReadOptions { header_row, ..ReadOptions::default() }).unwrap();
        let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        let elsewhere = Elsewhere::find(&source, "a.csv", &wanted)?;
        let names = elsewhere.header.columns.into_iter().map(|column| column.name).collect();
        Some((elsewhere.found.0, elsewhere.found.1, names))
    }

    #[test]
    fn a_header_below_titles_or_among_the_data_is_found_by_its_names() {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        for text in [
            "List\n\nName;Town;x\nA;B;1\n",
            "List;;\n;;\nName;Town;x\n",
            "List, 2024\n\nName,Town,x\nA,B,1\n",
        ] {
            let wanted = Some((3, 2, names(&["Name", "Town", "x"])));
            assert_eq!(found(text, 1, &["town", "NAME "]), wanted, "{text}");
        }
        assert_eq!(found("A,B\nC,D\nName,Town\n", 1, &["Name", "Town", "Tel"]).unwrap().0, 3);
        assert_eq!(found("Name,Town\nA,B\n\nName,Town,Tel\n", 1, &["Name", "Town", "Tel"]).unwrap().1, 3);
    }

    #[test]
    fn a_header_that_holds_all_or_as_many_names_is_left_alone() {
        for (text, wanted) in [
            ("Name,Town\nTown,Name\n", &["Name", "Town"][..]),
            ("Name,x\nTown,y\n", &["Name", "Town"]),
            ("x\nName\n", &["Name"]),
            ("x,y\nName,z\n", &["Name", "Town"]),
            ("x,y\n\"open\nName,Town\n", &["Name", "Town"]),
            ("{\"a\":1}\n{\"Name\":\"Town\"}\n", &["Name", "Town"]),
            ("", &["Name", "Town"]),
        ] {
            assert_eq!(found(text, 1, wanted), None, "{text}");
        }
    }
}
