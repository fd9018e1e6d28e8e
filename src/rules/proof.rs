//! Column proof: which of several readings a column's cells have, decided by
//! the whole column or not at all.
//!
//! Each cell leaves the readings that it can have. What is left for all cells
//! is the column's reading; if several are left, or none, nobody guesses: the
//! run stops, shows two rows and names the key to set. Cells that have no
//! reading at all prove nothing; they are rejected one by one later.

use serde::{Deserialize, Serialize};

use super::convert::order::{self, DateOrder};
use super::mapping::DecimalMark;

/// A cell that speaks for something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// Its row.
    pub row: u64,
    /// Its text.
    pub text: String,
}

/// What a column proves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Proof<T> {
    /// No cell depends on the reading.
    NotNeeded,
    /// Exactly one reading fits every cell.
    Proven {
        /// The reading.
        reading: T,
        /// A cell that has no other.
        witness: Witness,
    },
    /// Every cell fits several readings.
    Ambiguous {
        /// The readings left.
        readings: Vec<T>,
        /// A cell that means something else in each.
        witness: Witness,
    },
    /// No reading fits every cell.
    Contradiction {
        /// A cell and the readings that it has.
        one: (Witness, Vec<T>),
        /// A cell that has none of them.
        other: (Witness, Vec<T>),
    },
}

/// Readings that a column can have, one bit each.
type Set = u8;

/// The evidence of a column, for up to eight readings.
#[derive(Clone, Debug, Default)]
struct Evidence {
    /// The first cell of each set of readings seen.
    seen: Vec<(Set, Witness)>,
    /// The first cell that means something else in each of its readings.
    differing: Option<Witness>,
}

impl Evidence {
    fn add(&mut self, row: u64, text: &str, readings: Set, differs: bool) {
        let witness = || Witness { row, text: text.to_owned() };
        if readings != 0 && self.seen.iter().all(|(known, _)| *known != readings) {
            self.seen.push((readings, witness()));
        }
        if readings.count_ones() > 1 && differs && self.differing.is_none() {
            self.differing = Some(witness());
        }
    }

    fn conclude<T: Copy>(&self, all: &[(Set, T)]) -> Proof<T> {
        let named =
            |set: Set| all.iter().filter(|(bit, _)| set & bit != 0).map(|(_, reading)| *reading).collect();
        let Some((first, rest)) = self.seen.split_first() else { return Proof::NotNeeded };
        let mut left = first.0;
        for (set, witness) in rest {
            if left & set == 0 {
                let known = self.seen.iter().find(|(known, _)| known & set == 0).unwrap_or(first);
                return Proof::Contradiction {
                    one: (known.1.clone(), named(known.0)),
                    other: (witness.clone(), named(*set)),
                };
            }
            left &= set;
        }
        let readings: Vec<T> = named(left);
        match (readings.as_slice(), &self.differing) {
            ([reading], _) => {
                let telling = self.seen.iter().min_by_key(|(set, _)| set.count_ones()).unwrap_or(first);
                Proof::Proven { reading: *reading, witness: telling.1.clone() }
            }
            // Several readings, and every cell means the same in each.
            ([reading, ..], None) => Proof::Proven { reading: *reading, witness: first.1.clone() },
            (_, Some(witness)) => Proof::Ambiguous { readings, witness: witness.clone() },
            ([], None) => Proof::NotNeeded,
        }
    }
}

/// Which order the dates of a column have.
#[derive(Clone, Debug, Default)]
pub struct DateEvidence {
    orders: Evidence,
    /// The orders in which some cell's year has two digits.
    short_years: Set,
}

const ORDERS: [(Set, DateOrder); 5] = [
    (1, DateOrder::YearMonthDay),
    (2, DateOrder::DayMonthYear),
    (4, DateOrder::MonthDayYear),
    (8, DateOrder::DayNameYear),
    (16, DateOrder::NameDayYear),
];

impl DateEvidence {
    /// Hears one cell's text, trimmed and not blank.
    pub fn add(&mut self, row: u64, text: &str) {
        let mut set = 0;
        let mut dates = Vec::new();
        for (bit, order) in ORDERS {
            if order::fits(text, order) {
                set |= bit;
                if order::has_short_year(text, order) {
                    self.short_years |= bit;
                }
                dates.push(order::read_in_order(text, order).ok());
            }
        }
        let differs = dates.windows(2).any(|pair| pair[0] != pair[1]);
        self.orders.add(row, text, set, differs);
    }

    /// What the column proves.
    pub fn conclude(&self) -> Proof<DateOrder> {
        self.orders.conclude(&ORDERS)
    }

    /// Whether a year of two digits is among the dates that have this order.
    pub fn has_short_years(&self, order: DateOrder) -> bool {
        ORDERS.iter().any(|(bit, known)| *known == order && self.short_years & bit != 0)
    }
}

/// Which decimal mark the numbers of a column have.
#[derive(Clone, Debug, Default)]
pub struct DecimalEvidence(Evidence);

const MARKS: [(Set, DecimalMark); 2] = [(1, DecimalMark::Point), (2, DecimalMark::Comma)];

impl DecimalEvidence {
    /// Hears one cell's text, trimmed and not blank.
    pub fn add(&mut self, row: u64, text: &str) {
        let bare = text.trim_matches(|c: char| !c.is_ascii_digit() && c != '.' && c != ',');
        if !bare.contains(['.', ',']) {
            return;
        }
        let point = fits_mark(bare, '.', ',');
        let comma = fits_mark(bare, ',', '.');
        self.0.add(row, text, Set::from(point) | Set::from(comma) << 1, point && comma);
    }

    /// What the column proves.
    pub fn conclude(&self) -> Proof<DecimalMark> {
        self.0.conclude(&MARKS)
    }
}

/// Whether the digits read as a number with this decimal mark, the other sign
/// standing between groups of three.
fn fits_mark(text: &str, mark: char, other: char) -> bool {
    let (whole, fraction) = text.split_once(mark).unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if !digits(fraction) {
        return false;
    }
    let blank = |c: char| matches!(c, ' ' | '\u{A0}' | '\u{202F}' | '\u{2009}' | '\'' | '\u{2019}');
    let whole: String = whole.chars().filter(|&c| !blank(c)).collect();
    if !whole.contains(other) {
        return digits(&whole);
    }
    let mut groups = whole.split(other);
    let first = groups.next().unwrap_or_default();
    // 0,123 and 1234.567 are not groups of three.
    let first_fits = (1..=3).contains(&first.len()) && digits(first) && !first.starts_with('0');
    first_fits && groups.all(|group| group.len() == 3 && digits(group))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dates(cells: &[&str]) -> Proof<DateOrder> {
        let mut evidence = DateEvidence::default();
        cells.iter().zip(2..).for_each(|(text, row)| evidence.add(row, text));
        evidence.conclude()
    }

    fn marks(cells: &[&str]) -> Proof<DecimalMark> {
        let mut evidence = DecimalEvidence::default();
        cells.iter().zip(2..).for_each(|(text, row)| evidence.add(row, text));
        evidence.conclude()
    }

    fn witness(row: u64, text: &str) -> Witness {
        Witness { row, text: text.to_owned() }
    }

    #[test]
    fn one_cell_that_can_be_read_one_way_decides_the_column() {
        for (cells, reading, telling) in [
            (
                &["01/02/2024", "13/02/2024", "03/04/2024"][..],
                DateOrder::DayMonthYear,
                witness(3, "13/02/2024"),
            ),
            (&["01/02/2024", "02/13/2024"], DateOrder::MonthDayYear, witness(3, "02/13/2024")),
            (&["2024-02-01", "2024-02-13"], DateOrder::YearMonthDay, witness(2, "2024-02-01")),
            (&["1.2.24", "31.12.99"], DateOrder::DayMonthYear, witness(3, "31.12.99")),
            (&["3 Mar 2021", "13 April 2021 10:30"], DateOrder::DayNameYear, witness(2, "3 Mar 2021")),
            (&["Mar 3, 2021"], DateOrder::NameDayYear, witness(2, "Mar 3, 2021")),
            (&["n/a", "13/02/2024 9:30", "tbc"], DateOrder::DayMonthYear, witness(3, "13/02/2024 9:30")),
            // It has the form of a day-first date even though the day does not exist.
            (&["31/02/2024", "01/02/2024"], DateOrder::DayMonthYear, witness(2, "31/02/2024")),
        ] {
            assert_eq!(dates(cells), Proof::Proven { reading, witness: telling }, "{cells:?}");
        }
    }

    #[test]
    fn what_every_cell_leaves_open_stays_open() {
        let Proof::Ambiguous { readings, witness: cell } = dates(&["01/01/2024", "03/04/2026"]) else {
            panic!()
        };
        assert_eq!(readings, [DateOrder::DayMonthYear, DateOrder::MonthDayYear]);
        assert_eq!(cell, witness(3, "03/04/2026"));
        assert!(
            matches!(dates(&["05/05/2024", "01/01/2024"]), Proof::Proven { .. }),
            "both readings are one date"
        );
        assert!(matches!(dates(&["01/02/24", "03/04/24"]), Proof::Ambiguous { .. }));
        assert_eq!(dates(&["n/a", "45123", ""]), Proof::NotNeeded);
    }

    #[test]
    fn two_formats_in_one_column_are_told_with_a_row_of_each() {
        let Proof::Contradiction { one, other } = dates(&["13/02/2024", "1/2/2024", "2/13/2024"]) else {
            panic!()
        };
        assert_eq!((one.0, other.0), (witness(2, "13/02/2024"), witness(4, "2/13/2024")));
        assert!(matches!(dates(&["13/02/2024", "2024-02-13"]), Proof::Contradiction { .. }));
    }

    #[test]
    fn decimal_marks_are_proven_by_the_column() {
        use DecimalMark::{Comma, Point};
        for (cells, reading) in [
            (&["1,234", "1,234.56"][..], Point),
            (&["1.234", "1.234,56"], Comma),
            (&["1.234", "12,5"], Comma),
            (&["1,234", "0.5"], Point),
            (&["1,234,567"], Point),
            (&["£1,234", "(1,234.50)"], Point),
            (&["1234.567"], Point),
            (&["0,123"], Comma),
            (&["1 234,5"], Comma),
            (&["1'234.5", "7"], Point),
        ] {
            assert!(
                matches!(marks(cells), Proof::Proven { reading: r, .. } if r == reading),
                "{cells:?} {:?}",
                marks(cells)
            );
        }
        assert!(matches!(marks(&["1,234", "5", "2,345"]), Proof::Ambiguous { .. }));
        assert!(matches!(marks(&["1.234"]), Proof::Ambiguous { .. }));
        assert!(matches!(marks(&["1.5", "1,5"]), Proof::Contradiction { .. }));
        assert_eq!(marks(&["7", "1200", "n/a"]), Proof::NotNeeded);
    }
}
