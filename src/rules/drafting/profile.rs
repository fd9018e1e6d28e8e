//! What the cells of a column look like, heard one by one.
//!
//! A profile keeps counts, a few first cells and the commonest texts; its
//! memory does not grow with the file.

use std::collections::HashMap;

use super::dates::DateForms;
use super::numbers::NumberForms;
use crate::model::{Cell, CellFault, Row, unguard};
use crate::rules::convert::number::Notation;
use crate::rules::convert::{checkbox, number, text};
use crate::rules::mapping::DecimalMark;
use crate::rules::names::trim;
use crate::rules::proof::Witness;

/// Most characters kept of a cell that is shown as an example.
const EXAMPLE: usize = 80;

/// Texts longer than this, in bytes, are no values of a dropdown.
const LONGEST_VALUE: usize = 200;

/// Most different texts remembered of a column.
const MOST_VALUES: usize = 500;

/// What the texts of all columns may take together, in bytes.
const ALL_TEXTS: usize = 16 << 20;

/// What a cell can be read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// A plain number, in whatever notation.
    Number,
    /// A number that may carry a currency sign.
    Currency,
    /// A number that may carry a percent sign.
    Percent,
    /// A whole number from 1 on, as ids are.
    Id,
    /// A date, perhaps with a time.
    Date,
    /// A time of day.
    Time,
    /// A word for yes or no that every checkbox takes.
    YesNo,
    /// An e-mail address.
    Email,
    /// A web address.
    Url,
    /// A telephone number, in whatever notation.
    Phone,
}

const READINGS: usize = 10;

/// How many cells can be read in one way, and the first that cannot.
#[derive(Clone, Debug, Default)]
pub struct Share {
    /// The cells that can.
    pub cells: u64,
    /// The first filled cell that cannot.
    pub odd: Option<Witness>,
}

/// A text of a column and how often it stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The cells.
    pub cells: u64,
    /// The first row.
    pub row: u64,
}

/// The profile of one column.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// Cells that hold something.
    pub filled: u64,
    /// Cells that do not.
    pub blank: u64,
    /// Cells that hold nothing usable: error values and the like.
    pub faulty: u64,
    /// Characters of the longest text, and its row.
    pub longest: Option<(usize, u64)>,
    /// The different texts, trimmed, as far as they were remembered.
    pub values: HashMap<String, Seen>,
    /// Cells whose texts were too many or too long to be remembered.
    pub unremembered: u64,
    /// Forms of its dates.
    pub dates: DateForms,
    /// Notations of its numbers.
    pub numbers: NumberForms,
    shares: [Share; READINGS],
    room: usize,
}

impl Profile {
    /// Profiles for the columns of a file, with their share of the memory.
    pub fn for_columns(columns: usize) -> Vec<Self> {
        let room = ALL_TEXTS / columns.max(1);
        vec![Self { room, ..Self::default() }; columns]
    }

    /// Hears a row; `is_text` says that an export's formula guard may stand before its cells.
    pub fn add_row(profiles: &mut [Self], row: &Row, is_text: bool) {
        if row.fault.is_some() {
            // Its cells may stand in the wrong columns.
            return;
        }
        for (at, profile) in profiles.iter_mut().enumerate() {
            match row.cell(at) {
                Cell::Text(text) if is_text => {
                    profile.add(row.number, Cell::Text(unguard(text).unwrap_or(text)))
                }
                cell => profile.add(row.number, cell),
            }
        }
    }

    /// Hears one cell.
    pub fn add(&mut self, row: u64, cell: Cell<'_>) {
        match cell {
            Cell::Blank => self.blank += 1,
            Cell::Text(text) => match trim(text) {
                "" => self.blank += 1,
                text => self.add_text(row, text),
            },
            Cell::Number(digits) => self.add_number(row, digits),
            Cell::Percent(text) => {
                self.fill(row, text);
                self.note(row, text, &[Reading::Percent, Reading::Number, Reading::Currency]);
            }
            Cell::Bool(_) => {
                let text = cell.to_string();
                self.fill(row, &text);
                self.note(row, &text, &[Reading::YesNo]);
            }
            Cell::DateTime(_) | Cell::Time(_) => {
                let text = cell.to_string();
                let reading = if matches!(cell, Cell::Time(_)) { Reading::Time } else { Reading::Date };
                self.fill(row, &text);
                self.dates.add_cell(reading == Reading::Date && text.contains(' '));
                self.note(row, &text, &[reading]);
            }
            Cell::Fault(fault) => {
                self.faulty += 1;
                if let CellFault::Error(text) | CellFault::PrecisionLost(text) | CellFault::NoSuchDate(text) =
                    fault
                {
                    self.note(row, text, &[]);
                }
            }
        }
    }

    fn add_text(&mut self, row: u64, text: &str) {
        self.fill(row, text);
        let mut readings = Vec::with_capacity(4);
        self.read_number(row, text, &mut readings);
        if self.dates.add(row, text) {
            readings.push(Reading::Date);
        }
        if super::dates::is_time(text) {
            readings.push(Reading::Time);
        }
        if checkbox::read(text).is_some() {
            readings.push(Reading::YesNo);
        }
        if text.contains('@') && text::is_email(text) {
            readings.push(Reading::Email);
        }
        // `3.5` and `info@b.co` pass for web addresses.
        if text.contains('.')
            && readings.is_empty()
            && text::is_url(text)
            && text.contains(char::is_alphabetic)
        {
            readings.push(Reading::Url);
        }
        if is_phone(text) {
            readings.push(Reading::Phone);
        }
        self.note(row, text, &readings);
    }

    fn read_number(&mut self, row: u64, text: &str, readings: &mut Vec<Reading>) {
        if text.len() > 40 || !text.bytes().any(|byte| byte.is_ascii_digit()) {
            return;
        }
        let reads = |currency, percent| {
            [DecimalMark::Point, DecimalMark::Comma].into_iter().any(|mark| {
                let notation = Notation { decimal: Some(mark), currency, percent, id: false };
                number::read(text, notation).is_ok()
            })
        };
        if reads(false, false) {
            readings.extend([Reading::Number, Reading::Currency, Reading::Percent]);
        } else if reads(true, false) {
            readings.push(Reading::Currency);
        } else if reads(false, true) {
            readings.push(Reading::Percent);
        } else {
            return;
        }
        if is_id(text) {
            readings.push(Reading::Id);
        }
        self.numbers.add(row, text);
    }

    fn add_number(&mut self, row: u64, digits: &str) {
        self.fill(row, digits);
        let mut readings = vec![Reading::Number, Reading::Currency, Reading::Percent];
        if is_id(digits) {
            readings.push(Reading::Id);
        }
        if checkbox::read(digits).is_some() {
            readings.push(Reading::YesNo);
        }
        if is_phone(digits) {
            readings.push(Reading::Phone);
        }
        self.note(row, digits, &readings);
    }

    fn fill(&mut self, row: u64, text: &str) {
        self.filled += 1;
        // A text has never more characters than bytes.
        if self.longest.is_none_or(|(most, _)| text.len() > most) {
            let length = text.chars().count();
            if self.longest.is_none_or(|(most, _)| length > most) {
                self.longest = Some((length, row));
            }
        }
        if let Some(seen) = self.values.get_mut(text) {
            seen.cells += 1;
            return;
        }
        if text.len() > LONGEST_VALUE || self.values.len() >= MOST_VALUES || text.len() > self.room {
            self.unremembered += 1;
            return;
        }
        self.room -= text.len();
        self.values.insert(text.to_owned(), Seen { cells: 1, row });
    }

    fn note(&mut self, row: u64, text: &str, readings: &[Reading]) {
        for (at, share) in self.shares.iter_mut().enumerate() {
            if readings.iter().any(|reading| *reading as usize == at) {
                share.cells += 1;
            } else if share.odd.is_none() {
                share.odd = Some(example(row, text));
            }
        }
    }

    /// The cells that can be read so, and the first that cannot.
    pub fn share(&self, reading: Reading) -> &Share {
        &self.shares[reading as usize]
    }

    /// The part of the filled cells that can be read so, from 0 to 1.
    pub fn part(&self, reading: Reading) -> f64 {
        part_of(self.share(reading).cells, self.filled)
    }

    /// Whether nothing at all was heard.
    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Whether hardly any text stands twice, as far as texts were remembered.
    pub fn is_nearly_unique(&self) -> bool {
        let cells: u64 = self.values.values().map(|seen| seen.cells).sum();
        self.filled > 1 && self.values.len() as f64 >= 0.95 * cells as f64
    }

    /// The different texts, the commonest first; of equals the one that came first.
    pub fn commonest(&self) -> Vec<(&str, &Seen)> {
        let mut all: Vec<(&str, &Seen)> =
            self.values.iter().map(|(text, seen)| (text.as_str(), seen)).collect();
        all.sort_by(|(a, one), (b, other)| (other.cells, one.row, a).cmp(&(one.cells, other.row, b)));
        all
    }
}

/// `part` of `whole`, 0 where there is no whole.
pub fn part_of(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A cell to be shown as an example.
pub fn example(row: u64, text: &str) -> Witness {
    Witness { row, text: text.chars().take(EXAMPLE).collect() }
}

/// A whole number from 1 on with at most 15 digits, written plainly.
fn is_id(text: &str) -> bool {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits && text.len() <= 15 && !text.starts_with('0')
}

/// Five digits or more, and few letters: `+44 20 7946 0000 ext. 7`.
fn is_phone(text: &str) -> bool {
    let count = |wanted: fn(&char) -> bool| text.chars().take(EXAMPLE).filter(wanted).count();
    text.len() <= EXAMPLE && count(char::is_ascii_digit) >= 5 && count(|c| c.is_alphabetic()) <= 5
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cells: &[Cell<'_>]) -> Profile {
        let mut profile = Profile::for_columns(1).remove(0);
        cells.iter().zip(2..).for_each(|(cell, row)| profile.add(row, *cell));
        profile
    }

    fn texts(cells: &[&str]) -> Profile {
        of(&cells.iter().map(|text| Cell::Text(text)).collect::<Vec<_>>())
    }

    #[test]
    fn a_column_is_known_by_its_shares_and_by_the_first_cell_that_is_odd() {
        let profile = texts(&["a@b.co", " c@d.org ", "", "no mail", "e@f.com"]);
        assert_eq!((profile.filled, profile.blank), (4, 1));
        assert_eq!(profile.part(Reading::Email), 0.75);
        assert_eq!(profile.share(Reading::Email).odd, Some(example(5, "no mail")));
        assert_eq!(profile.part(Reading::Url), 0.0, "an address is no web address");
        assert_eq!(texts(&["example.com", "https://a.b/c", "3.5"]).share(Reading::Url).cells, 2);
    }

    #[test]
    fn numbers_are_known_in_any_notation_and_ids_only_when_plain() {
        let profile = texts(&["1.234,56", "1,234.56", "7", "007", "£5", "12 %", "2013 (1888)", "K-1"]);
        let cells = |reading| profile.share(reading).cells;
        assert_eq!(
            [Reading::Number, Reading::Currency, Reading::Percent, Reading::Id].map(cells),
            [4, 5, 5, 1]
        );
    }

    #[test]
    fn a_workbooks_cells_are_what_they_are() {
        let at = jiff::civil::date(2024, 2, 13).at(0, 0, 0, 0);
        let profile = of(&[
            Cell::DateTime(at),
            Cell::Number("45123"),
            Cell::Bool(true),
            Cell::Time(jiff::civil::time(9, 30, 0, 0)),
            Cell::Fault(CellFault::Error("#N/A")),
            Cell::Blank,
        ]);
        assert_eq!((profile.filled, profile.blank, profile.faulty), (4, 1, 1));
        assert_eq!(profile.share(Reading::Date).cells, 1);
        assert_eq!(profile.share(Reading::YesNo).cells, 1);
        assert_eq!(profile.share(Reading::Time).cells, 1);
    }

    #[test]
    fn memory_does_not_grow_with_the_cells() {
        let mut profile = Profile::for_columns(2_000).remove(0);
        let long = "x".repeat(150);
        for row in 0..5_000 {
            profile.add(row, Cell::Text(&format!("{long}{row}")));
            profile.add(row, Cell::Text(&"y".repeat(10_000)));
        }
        let kept: usize = profile.values.keys().map(String::len).sum();
        assert!(kept <= ALL_TEXTS / 2_000, "{kept}");
        assert_eq!(profile.unremembered + profile.values.len() as u64, 10_000);
        assert_eq!(profile.longest, Some((10_000, 0)));
    }

    #[test]
    fn a_row_with_a_fault_of_its_own_is_not_heard() {
        let mut row = Row::default();
        row.reset(2, 2);
        row.push(Cell::Text("a"));
        row.fault = Some(crate::model::RowFault::TooFewCells { found: 1, wanted: 2 });
        let mut profiles = Profile::for_columns(2);
        Profile::add_row(&mut profiles, &row, true);
        assert!(profiles.iter().all(Profile::is_empty));
        row.fault = None;
        row.reset(3, 3);
        row.push(Cell::Text("'=1"));
        Profile::add_row(&mut profiles, &row, true);
        assert!(profiles[0].values.contains_key("=1"));
    }
}
