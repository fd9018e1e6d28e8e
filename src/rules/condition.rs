//! `when`: which rows of the file are meant at all.
//!
//! The language of `--where`, over the file's columns instead of fields. Texts
//! are compared as people compare them, without case and blanks at the ends. A
//! number without quotes and a date are compared by value, so the cell has to
//! be one too: read plainly, or as the mapping reads its column. A cell that
//! cannot be compared decides nothing: its row is refused with the reason, and
//! not left out silently.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::convert::date::{datetime_text, iso};
use super::convert::number::{self, Notation};
use super::convert::order::{DateOrder, fits};
use super::language::{LanguageError, parse_over_columns};
use super::mapping::DecimalMark;
use super::names::{folded, trim};
use crate::model::{Cell, Filter, Header, Number, Row, Test, Value, unguard};

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

/// What a cell is compared as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// A number.
    Number,
    /// A date or a date with time.
    Date,
}

impl Sort {
    /// The word in sentences.
    pub fn word(self) -> &'static str {
        match self {
            Self::Number => "a number",
            Self::Date => "a date",
        }
    }
}

/// What a condition says of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The row is meant.
    Meant,
    /// The row is left out.
    LeftOut,
    /// A cell that decides it cannot be compared.
    Unclear {
        /// Its column.
        column: usize,
        /// What it should have been; none where it cannot be read at all.
        wanted: Option<Sort>,
    },
}

/// A text of a column as the mapping reads that column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AsMapped {
    /// The mapping reads the column as nothing of the sort.
    NotMapped,
    /// A number in canonical notation, or a date as `YYYY-MM-DD HH:MM:SS`.
    Value(String),
    /// The mapping cannot read this text, or does not know yet how.
    Unreadable,
}

/// Reads a text of a column as the mapping does.
pub type ReadColumn<'a> = dyn Fn(usize, &str, Sort) -> AsMapped + 'a;

/// A cell that cannot be compared.
#[derive(Clone, Copy)]
struct Unclear {
    column: usize,
    wanted: Option<Sort>,
}

impl Condition {
    /// Reads a condition; names are headers of the file.
    pub fn parse(text: &str, header: &Header) -> Result<Self, LanguageError> {
        Ok(Self(Node::of(parse_over_columns(text, header)?)))
    }

    /// Whether the row is meant. `guarded` says that an export's formula guard
    /// is no part of a cell.
    pub fn judge(&self, row: &Row, guarded: bool, read: &ReadColumn<'_>) -> Verdict {
        match self.0.holds(row, guarded, read) {
            Ok(true) => Verdict::Meant,
            Ok(false) => Verdict::LeftOut,
            Err(Unclear { column, wanted }) => Verdict::Unclear { column, wanted },
        }
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

    /// A part that decides alone decides whatever the unclear ones would say.
    fn holds(&self, row: &Row, guarded: bool, read: &ReadColumn<'_>) -> Result<bool, Unclear> {
        let decided_by = |parts: &[Self], decisive: bool| {
            let mut unclear = None;
            for part in parts {
                match part.holds(row, guarded, read) {
                    Ok(found) if found == decisive => return Ok(decisive),
                    Ok(_) => {}
                    Err(error) => {
                        unclear.get_or_insert(error);
                    }
                }
            }
            unclear.map_or(Ok(!decisive), Err)
        };
        match self {
            Self::All(parts) => decided_by(parts, false),
            Self::Any(parts) => decided_by(parts, true),
            Self::Not(part) => part.holds(row, guarded, read).map(|holds| !holds),
            Self::Cell(column, test) => {
                let cell = row.cell(*column);
                if matches!(cell, Cell::Fault(_)) {
                    return Err(Unclear { column: *column, wanted: None });
                }
                let cell = match cell {
                    Cell::Text(text) if guarded => Cell::Text(unguard(text).unwrap_or(text)),
                    cell => cell,
                };
                let compared = Compared { column: *column, cell, read };
                compared.passes(test).map_err(|sort| Unclear { column: *column, wanted: Some(sort) })
            }
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

/// A cell, held against the values of a test.
struct Compared<'a> {
    column: usize,
    cell: Cell<'a>,
    read: &'a ReadColumn<'a>,
}

impl Compared<'_> {
    /// The error is what the cell should have been.
    fn passes(&self, test: &Test) -> Result<bool, Sort> {
        let ordered = |value: &Value, wanted: fn(Ordering) -> bool| {
            // Blank is neither before nor after anything.
            let order = self.against(value).map_err(|miss| miss.wanted)?;
            Ok(order.is_some_and(|order| !self.is_blank() && !value.is_blank() && wanted(order)))
        };
        match test {
            Test::Is(value) => self.equals(value),
            Test::IsNot(value) => self.equals(value).map(|equal| !equal),
            Test::In(values) => self.equals_any(values),
            Test::NotIn(values) => self.equals_any(values).map(|equal| !equal),
            Test::Above(value) => ordered(value, Ordering::is_gt),
            Test::AtLeast(value) => ordered(value, Ordering::is_ge),
            Test::Below(value) => ordered(value, Ordering::is_lt),
            Test::AtMost(value) => ordered(value, Ordering::is_le),
            Test::Between(low, high) => Ok(ordered(low, Ordering::is_ge)? && ordered(high, Ordering::is_le)?),
            Test::StartsWith(part) => Ok(self.folded().starts_with(folded(part).as_ref())),
            Test::EndsWith(part) => Ok(self.folded().ends_with(folded(part).as_ref())),
            Test::Contains(part) => Ok(self.folded().contains(folded(part).as_ref())),
        }
    }

    /// What can be no number at all is not that number; what may be one, but
    /// nobody can tell which, may be it.
    fn equals(&self, value: &Value) -> Result<bool, Sort> {
        match self.against(value) {
            Ok(order) => Ok(order == Some(Ordering::Equal)),
            Err(Miss { may_be: false, .. }) => Ok(false),
            Err(Miss { wanted, .. }) => Err(wanted),
        }
    }

    fn equals_any(&self, values: &[Value]) -> Result<bool, Sort> {
        let mut unclear = None;
        for value in values {
            match self.equals(value) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(wanted) => unclear = Some(wanted),
            }
        }
        unclear.map_or(Ok(false), Err)
    }

    fn text(&self) -> Cow<'_, str> {
        match self.cell {
            Cell::Text(text) | Cell::Number(text) | Cell::Percent(text) => Cow::Borrowed(trim(text)),
            cell => Cow::Owned(cell.to_string()),
        }
    }

    fn folded(&self) -> String {
        folded(&self.text()).into_owned()
    }

    fn is_blank(&self) -> bool {
        self.text().is_empty()
    }

    /// How the cell stands to a value; none where it is blank and the value is
    /// something.
    fn against(&self, value: &Value) -> Result<Option<Ordering>, Miss> {
        let text = self.text();
        if text.is_empty() || value.is_blank() {
            return Ok((text.is_empty() && value.is_blank()).then_some(Ordering::Equal));
        }
        let wanted = value.to_text();
        if let Value::Number(wanted) = value {
            return Ok(Some(self.number(&text)?.compare(wanted)));
        }
        let wanted = wanted.trim();
        let Ok(at) = iso(wanted) else {
            return Ok(Some(folded(&text).as_ref().cmp(folded(wanted).as_ref())));
        };
        let (date, wanted_date) = (self.date(&text)?, datetime_text(at));
        // A day without a time means the whole of it, a minute all its seconds.
        let length = match wanted.matches(':').count() {
            0 => "2024-02-13".len(),
            1 => "2024-02-13 09:30".len(),
            _ => wanted_date.len(),
        };
        Ok(Some(date.get(..length).cmp(&wanted_date.get(..length))))
    }

    fn number(&self, text: &str) -> Result<Number, Miss> {
        let miss = |may_be| Miss { wanted: Sort::Number, may_be };
        let read = match (self.cell, (self.read)(self.column, text, Sort::Number)) {
            // A workbook's own number has a point whatever the column has.
            (Cell::Number(_), _) => Number::parse(text),
            // What is compared is what a person sees.
            (Cell::Percent(shown), _) => shown.strip_suffix('%').and_then(Number::parse),
            (_, AsMapped::Value(number)) => Number::parse(&number),
            (_, AsMapped::Unreadable) => return Err(miss(has_digit(text))),
            (_, AsMapped::NotMapped) => {
                let by = |mark| number::read(text, Notation { decimal: Some(mark), ..AMOUNT }).ok();
                match (by(DecimalMark::Point), by(DecimalMark::Comma)) {
                    (Some(point), Some(comma)) if point != comma => return Err(miss(true)),
                    (point, comma) => Number::parse(text).or_else(|| Number::parse(&point.or(comma)?)),
                }
            }
        };
        read.ok_or_else(|| miss(false))
    }

    /// The cell's date as `YYYY-MM-DD HH:MM:SS`.
    fn date(&self, text: &str) -> Result<String, Miss> {
        let miss = |may_be| Miss { wanted: Sort::Date, may_be };
        if let Cell::DateTime(at) = self.cell {
            return Ok(datetime_text(at));
        }
        match (self.read)(self.column, text, Sort::Date) {
            AsMapped::Value(date) => Ok(date),
            AsMapped::Unreadable => Err(miss(has_digit(text))),
            AsMapped::NotMapped => iso(text)
                .map(datetime_text)
                .map_err(|_| miss(DateOrder::ALL.into_iter().any(|order| fits(text, order)))),
        }
    }
}

/// A cell that is not what it is compared with.
struct Miss {
    /// What it should have been.
    wanted: Sort,
    /// It may be one, in a notation that nobody can tell.
    may_be: bool,
}

/// Signs that a number may carry where no field says which.
const AMOUNT: Notation = Notation { decimal: None, currency: true, percent: true, id: false };

fn has_digit(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
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

    fn judge(condition: &str, row: &Row) -> Verdict {
        let condition = Condition::parse(condition, &header()).unwrap_or_else(|error| panic!("{error}"));
        condition.judge(row, true, &|column, text, sort| match (column, sort) {
            // Two texts that the mapping reads in ways of its own.
            (2, Sort::Number) if text == "1.234,50" => AsMapped::Value("1234.5".to_owned()),
            (3, Sort::Date) if text == "03/04/2020" => AsMapped::Value("2020-04-03 00:00:00".to_owned()),
            (1, Sort::Date) => AsMapped::Unreadable,
            _ => AsMapped::NotMapped,
        })
    }

    fn holds(condition: &str, row: &Row) -> bool {
        judge(condition, row) == Verdict::Meant
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
    fn numbers_and_dates_are_compared_by_value_as_the_mapping_reads_them() {
        let row = row(&[
            Cell::Text("007"),
            Cell::Text("9"),
            Cell::Text("1.234,50"),
            Cell::Text("03/04/2020"),
            Cell::DateTime(jiff::civil::date(2024, 3, 1).at(9, 30, 0, 0)),
        ]);
        for condition in [
            "Value > 1234 and Value < 1235",
            "Since = 2020-04-03 and Since < 2020-12-31",
            "Since between '2020-04-03' and 2020-04-03",
            "`E Mail` = 2024-03-01 and `E Mail` > '2024-03-01 09:00:00'",
            "`E Mail` = '2024-03-01 9:30' and `E Mail` < 2024-03-01T9:31",
            "`E Mail` = '2024-03-01T09:30:00.000' and not `E Mail` > '2024-03-01T9:30:00.5'",
            "Country < 10",
            "Status = '007' and Status = 7 and Status = 007",
        ] {
            assert!(holds(condition, &row), "{condition}");
        }
        for condition in ["Status = '7'", "Value = '1234.5'", "Since > 2020-04-03"] {
            assert_eq!(judge(condition, &row), Verdict::LeftOut, "{condition}");
        }
    }

    #[test]
    fn a_row_whose_cell_cannot_be_compared_is_neither_meant_nor_left_out() {
        let faulty = row(&[Cell::Fault(CellFault::Error("#N/A")), Cell::Text("UK"), Cell::Text("many")]);
        let unclear = |column, wanted| Verdict::Unclear { column, wanted };
        for (condition, verdict) in [
            ("Status = 'Live'", unclear(0, None)),
            ("not Status != 'Live'", unclear(0, None)),
            ("Value > 5", unclear(2, Some(Sort::Number))),
            ("Country >= 2020-01-01", unclear(1, Some(Sort::Date))),
            ("Value between 1 and 2 or Country = 'FR'", unclear(2, Some(Sort::Number))),
            // What decides alone decides.
            ("Value > 5 and Country = 'FR'", Verdict::LeftOut),
            ("Status = 'x' or Country = 'UK'", Verdict::Meant),
            // Whatever it is, it is not that number.
            ("Value = 5", Verdict::LeftOut),
            ("Value != 5", Verdict::Meant),
        ] {
            assert_eq!(judge(condition, &faulty), verdict, "{condition}");
        }
    }

    #[test]
    fn a_column_that_no_field_reads_is_compared_only_where_it_can_be_told() {
        let unclear = |wanted| Verdict::Unclear { column: 0, wanted: Some(wanted) };
        for (cell, condition, verdict) in [
            ("1.234", "Status > 100", unclear(Sort::Number)),
            ("1.234", "Status = 1234", unclear(Sort::Number)),
            ("1,234", "Status != 7", unclear(Sort::Number)),
            ("99,5", "Status > 100", Verdict::LeftOut),
            ("£1,250.50", "Status > 100", Verdict::Meant),
            ("250.5", "Status > 100", Verdict::Meant),
            ("A5", "Status = 5", Verdict::LeftOut),
            ("03/04/2024", "Status = 2024-04-03", unclear(Sort::Date)),
            ("'-5", "Status < 0", Verdict::Meant),
            ("'-x", "Status = '-x'", Verdict::Meant),
        ] {
            assert_eq!(judge(condition, &row(&[Cell::Text(cell)])), verdict, "{cell}: {condition}");
        }
        let two = Header {
            sheet: None,
            columns: ["Tel", "tel"]
                .iter()
                .enumerate()
                .map(|(place, name)| Column { name: (*name).to_owned(), place })
                .collect(),
        };
        let told = Condition::parse("Tel = '1'", &two).unwrap_err().to_string();
        assert!(told.contains("stands 2 times") && told.contains("`Tel#2`"), "{told}");
        assert_eq!(Condition::parse("Tel#2 = '1' and `tel#1` = '2'", &two).unwrap().columns(), [1, 0]);
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
