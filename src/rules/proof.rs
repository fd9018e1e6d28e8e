//! Column proof: which of several readings a column's cells have, decided by
//! the whole column or not at all.
//!
//! Each cell leaves the readings that it can have. What is left for all cells
//! is the column's reading; if several are left, or none, nobody guesses: the
//! run stops, shows two rows and names the key to set. Cells that have no
//! reading at all prove nothing; they are rejected one by one later.

use serde::{Deserialize, Serialize};

use super::convert::number::{self, Notation};
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
        /// Where each cell alone has several: one that has only this in common with `witness`.
        with: Option<Witness>,
    },
    /// Several readings fit every cell, and each cell means the same in all of
    /// them: it is no matter which is taken, and nothing is proven.
    Indifferent(T),
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

impl<T> Proof<T> {
    /// The same proof of readings called otherwise.
    pub fn map<U>(self, name: impl Fn(T) -> U) -> Proof<U> {
        let all = |readings: Vec<T>| readings.into_iter().map(&name).collect();
        match self {
            Self::NotNeeded => Proof::NotNeeded,
            Self::Proven { reading, witness, with } => {
                Proof::Proven { reading: name(reading), witness, with }
            }
            Self::Indifferent(reading) => Proof::Indifferent(name(reading)),
            Self::Ambiguous { readings, witness } => Proof::Ambiguous { readings: all(readings), witness },
            Self::Contradiction { one, other } => {
                Proof::Contradiction { one: (one.0, all(one.1)), other: (other.0, all(other.1)) }
            }
        }
    }
}

/// Readings that a column can have, one bit each.
type Set = u8;

/// The evidence of a column, for up to eight readings.
#[derive(Clone, Debug, Default)]
struct Evidence {
    /// The first cell of each set of readings seen.
    seen: Vec<(Set, Witness)>,
    /// The first cell that means something else in both of two readings.
    differing: Vec<(Set, Witness)>,
}

impl Evidence {
    /// Hears a cell by what it means in each reading that it has.
    fn add<V: PartialEq>(&mut self, row: u64, text: &str, meanings: &[(Set, V)]) {
        let note = |known: &mut Vec<(Set, Witness)>, set: Set| {
            if known.iter().all(|(other, _)| *other != set) {
                known.push((set, Witness { row, text: text.to_owned() }));
            }
        };
        let set = meanings.iter().fold(0, |set, (bit, _)| set | bit);
        if set != 0 {
            note(&mut self.seen, set);
        }
        for (at, (one, meaning)) in meanings.iter().enumerate() {
            for (other, _) in meanings[at + 1..].iter().filter(|(_, another)| another != meaning) {
                note(&mut self.differing, one | other);
            }
        }
    }

    /// Takes in what later cells show.
    fn merge(&mut self, later: Self) {
        let note = |known: &mut Vec<(Set, Witness)>, more: Vec<(Set, Witness)>| {
            for (set, witness) in more {
                if known.iter().all(|(other, _)| *other != set) {
                    known.push((set, witness));
                }
            }
        };
        note(&mut self.seen, later.seen);
        note(&mut self.differing, later.differing);
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
        let differing = self.differing.iter().find(|(pair, _)| pair & left == *pair);
        match (readings.as_slice(), differing) {
            ([], _) => Proof::NotNeeded,
            ([reading], _) => self.proven(*reading, left),
            (_, Some((_, witness))) => Proof::Ambiguous { readings, witness: witness.clone() },
            ([reading, ..], None) => Proof::Indifferent(*reading),
        }
    }

    /// The cell that has this reading alone, or two that have only it in common.
    fn proven<T>(&self, reading: T, left: Set) -> Proof<T> {
        let pair = self.seen.iter().enumerate().find_map(|(at, (one, witness))| {
            let partner = self.seen[at..].iter().find(|(other, _)| one & other == left)?;
            Some((witness, (*one != left).then_some(&partner.1)))
        });
        let alone = self.seen.iter().find(|(set, _)| *set == left).map(|(_, witness)| (witness, None));
        // Only where three cells are needed, none of these is there; the first one speaks then.
        let (witness, with) = alone.or(pair).unwrap_or((&self.seen[0].1, None));
        Proof::Proven { reading, witness: witness.clone(), with: with.cloned() }
    }
}

/// Which order the dates of a column have.
#[derive(Clone, Debug, Default)]
pub struct DateEvidence {
    orders: Evidence,
    /// The orders in which some cell's year has two digits.
    short_years: Set,
}

const ORDERS: [(Set, DateOrder); 5] = {
    let [a, b, c, d, e] = DateOrder::ALL;
    [(1, a), (2, b), (4, c), (8, d), (16, e)]
};

impl DateEvidence {
    /// Hears one cell's text, trimmed and not blank.
    pub fn add(&mut self, row: u64, text: &str) {
        let mut dates = Vec::new();
        for (bit, order) in ORDERS {
            if order::fits(text, order) {
                if order::has_short_year(text, order) {
                    self.short_years |= bit;
                }
                dates.push((bit, order::read_in_order(text, order).ok()));
            }
        }
        self.orders.add(row, text, &dates);
    }

    /// Takes in what later cells show.
    pub fn merge(&mut self, later: Self) {
        self.orders.merge(later.orders);
        self.short_years |= later.short_years;
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
    /// Hears one cell's text, trimmed and not blank. What is no number by
    /// either mark says nothing. `notation` is the field's: which signs a number
    /// of it may carry.
    pub fn add(&mut self, row: u64, text: &str, notation: Notation) {
        if !text.contains(['.', ',']) {
            return;
        }
        let read = |(bit, mark): (Set, DecimalMark)| {
            let number = number::read(text, Notation { decimal: Some(mark), ..notation }).ok()?;
            Some((bit, number.into_owned()))
        };
        let numbers: Vec<(Set, String)> = MARKS.into_iter().filter_map(read).collect();
        self.0.add(row, text, &numbers);
    }

    /// Takes in what later cells show.
    pub fn merge(&mut self, later: Self) {
        self.0.merge(later.0);
    }

    /// What the column proves.
    pub fn conclude(&self) -> Proof<DecimalMark> {
        self.0.conclude(&MARKS)
    }
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
        cells.iter().zip(2..).for_each(|(text, row)| evidence.add(row, text, AMOUNT));
        evidence.conclude()
    }

    const AMOUNT: Notation = Notation { decimal: None, currency: true, percent: false, id: false };

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
            assert_eq!(dates(cells), Proof::Proven { reading, witness: telling, with: None }, "{cells:?}");
        }
    }

    #[test]
    fn what_every_cell_leaves_open_stays_open() {
        let Proof::Ambiguous { readings, witness: cell } = dates(&["01/01/2024", "03/04/2026"]) else {
            panic!()
        };
        assert_eq!(readings, [DateOrder::DayMonthYear, DateOrder::MonthDayYear]);
        assert_eq!(cell, witness(3, "03/04/2026"));
        // Both readings are one date, so nothing is to be asked, and nothing is proven.
        assert_eq!(dates(&["05/05/2024", "01/01/2024"]), Proof::Indifferent(DateOrder::DayMonthYear));
        assert_eq!(dates(&["05/05/24", "01/01/2024"]), Proof::Indifferent(DateOrder::DayMonthYear));
        assert!(matches!(dates(&["01/02/24", "03/04/24"]), Proof::Ambiguous { .. }));
        assert_eq!(dates(&["n/a", "45123", ""]), Proof::NotNeeded);
    }

    #[test]
    fn two_cells_that_have_only_one_reading_in_common_prove_it_together() {
        let proof = dates(&["24/02/13", "01/02/2024", "05/05/2024"]);
        let Proof::Proven { reading, witness: one, with } = proof else { panic!("{proof:?}") };
        assert_eq!(reading, DateOrder::DayMonthYear);
        assert_eq!((one, with), (witness(2, "24/02/13"), Some(witness(3, "01/02/2024"))));
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
        // What is no number by any mark says nothing.
        assert!(matches!(marks(&["1,234", "about 5.5", "v1.2", "7.5 apples"]), Proof::Ambiguous { .. }));
        assert_eq!(marks(&["about 5.5"]), Proof::NotNeeded);
        assert_eq!(marks(&["7", "1200", "n/a"]), Proof::NotNeeded);
    }
}
