//! `when`: which rows of the file are meant at all.
//!
//! The language of `--where`, over the file's columns instead of fields. A
//! cell is compared as people compare: without case and blanks at the ends,
//! by value where both sides are numbers.

use std::borrow::Cow;

use super::language::{LanguageError, parse_over_columns};
use super::names::{folded, trim};
use crate::model::{Cell, Filter, Header, Number, Row, Test, Value};

/// A condition over the cells of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition(Node);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Cell(usize, Test),
}

impl Condition {
    /// Reads a condition; names are headers of the file.
    pub fn parse(text: &str, header: &Header) -> Result<Self, LanguageError> {
        Ok(Self(Node::of(parse_over_columns(text, header)?)))
    }

    /// Whether the row is meant. A cell that cannot be read decides nothing: its
    /// row is kept, so that it is refused with its reason and not left out silently.
    pub fn holds(&self, row: &Row) -> bool {
        let mut unreadable = false;
        let holds = self.0.holds(row, &mut unreadable);
        holds || unreadable
    }

    /// The columns that it looks at.
    pub fn columns(&self) -> Vec<usize> {
        let mut columns = Vec::new();
        self.0.collect(&mut columns);
        columns
    }
}

impl Node {
    /// A filter whose names are places of columns.
    fn of(filter: Filter) -> Self {
        match filter {
            Filter::All(parts) => Self::All(parts.into_iter().map(Self::of).collect()),
            Filter::Any(parts) => Self::Any(parts.into_iter().map(Self::of).collect()),
            Filter::Not(part) => Self::Not(Box::new(Self::of(*part))),
            Filter::Field(place, test) => Self::Cell(place.parse().unwrap_or(usize::MAX), test),
        }
    }

    fn holds(&self, row: &Row, unreadable: &mut bool) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(row, unreadable)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(row, unreadable)),
            Self::Not(part) => !part.holds(row, unreadable),
            Self::Cell(column, test) => match text_of(row.cell(*column)) {
                Some(text) => passes(trim(&text), test),
                None => {
                    *unreadable = true;
                    false
                }
            },
        }
    }

    fn collect(&self, columns: &mut Vec<usize>) {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().for_each(|part| part.collect(columns)),
            Self::Not(part) => part.collect(columns),
            Self::Cell(column, _) => columns.push(*column),
        }
    }
}

/// `None` for a cell that cannot be read.
fn text_of(cell: Cell<'_>) -> Option<Cow<'_, str>> {
    match cell {
        Cell::Fault(_) => None,
        Cell::Text(text) | Cell::Number(text) => Some(Cow::Borrowed(text)),
        Cell::Blank | Cell::Bool(_) | Cell::DateTime(_) | Cell::Time(_) => Some(Cow::Owned(cell.to_string())),
    }
}

fn passes(text: &str, test: &Test) -> bool {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let against = |value: &Value| compare(text, &value.to_text());
    // Blank is neither before nor after anything.
    let ordered = |value: &Value| !text.is_empty() && !value.is_blank();
    match test {
        Test::Is(value) => against(value) == Equal,
        Test::IsNot(value) => against(value) != Equal,
        Test::In(values) => values.iter().any(|value| against(value) == Equal),
        Test::NotIn(values) => values.iter().all(|value| against(value) != Equal),
        Test::Above(value) => ordered(value) && against(value) == Greater,
        Test::AtLeast(value) => ordered(value) && against(value) != Less,
        Test::Below(value) => ordered(value) && against(value) == Less,
        Test::AtMost(value) => ordered(value) && against(value) != Greater,
        Test::Between(low, high) => {
            ordered(low) && ordered(high) && against(low) != Less && against(high) != Greater
        }
        Test::StartsWith(part) => folded(text).starts_with(folded(part).as_ref()),
        Test::EndsWith(part) => folded(text).ends_with(folded(part).as_ref()),
        Test::Contains(part) => folded(text).contains(folded(part).as_ref()),
    }
}

fn compare(text: &str, other: &str) -> std::cmp::Ordering {
    match (Number::parse(text), Number::parse(other.trim())) {
        (Some(a), Some(b)) => a.compare(&b),
        _ => folded(text).cmp(&folded(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CellFault, Column};

    fn header() -> Header {
        let columns = ["Status", "Country", "Value", "Since", "E Mail"];
        let column = |(place, name): (usize, &&str)| Column { name: (*name).to_owned(), place };
        Header { sheet: None, columns: columns.iter().enumerate().map(column).collect() }
    }

    fn row(cells: &[Cell<'_>]) -> Row {
        let mut row = Row::default();
        cells.iter().for_each(|cell| row.push(*cell));
        row
    }

    fn holds(condition: &str, row: &Row) -> bool {
        Condition::parse(condition, &header()).unwrap_or_else(|error| panic!("{error}")).holds(row)
    }

    #[test]
    fn rows_are_chosen_by_their_cells() {
        let live = row(&[
            Cell::Text(" Live "),
            Cell::Text("UK"),
            Cell::Text("1200.50"),
            Cell::Text("2024-03-01"),
            Cell::Text("a@b.co"),
        ]);
        for condition in [
            "Status != \"Dead\" and Country in (\"UK\", \"IE\")",
            "status = 'LIVE'",
            "Value > 99",
            "Value = 1200.5",
            "Value between 1000 and 2000",
            "Since >= 2024-01-01 and Since < 2024-12-31",
            "`E Mail` endswith '@B.CO'",
            "not (Country = 'FR' or Value < 5)",
            "Country not in ('FR', 'DE')",
            "`e mail` contains '@'",
        ] {
            assert!(holds(condition, &live), "{condition}");
        }
        for condition in ["Status = 'Dead'", "Value > 9999", "Country = null", "Since < 2020-01-01"] {
            assert!(!holds(condition, &live), "{condition}");
        }
    }

    #[test]
    fn blank_cells_are_equal_to_null_and_come_neither_before_nor_after() {
        let blank = row(&[Cell::Blank]);
        assert!(holds("Status = null", &blank));
        assert!(holds("Status = ''", &blank));
        assert!(holds("Status != 'Dead'", &blank));
        assert!(!holds("Value < 5", &blank) && !holds("Value >= 0", &blank));
    }

    #[test]
    fn a_row_whose_cell_cannot_be_read_is_not_left_out_silently() {
        let faulty = row(&[Cell::Fault(CellFault::Error("#N/A")), Cell::Text("UK")]);
        assert!(holds("Status = 'Live'", &faulty));
        assert!(holds("not Status != 'Live'", &faulty));
    }

    #[test]
    fn an_unknown_column_is_told_with_the_nearest() {
        let error = Condition::parse("Staus = 'x'", &header()).unwrap_err().to_string();
        assert_eq!(error, "the file has no column \"Staus\"\n  | Staus = 'x'\n  | ^^^^^ nearest: Status");
    }

    #[test]
    fn the_columns_it_looks_at_count_as_used() {
        let condition = Condition::parse("Status = 'x' or not Value > 1", &header()).unwrap();
        assert_eq!(condition.columns(), [0, 2]);
    }
}
