//! Which notation the numbers of a column have, with the row that shows it.

use super::profile::example;
use crate::rules::convert::number::Notation;
use crate::rules::mapping::DecimalMark;
use crate::rules::proof::{DecimalEvidence, Proof, Witness};

/// The part of the telling cells that must agree before the rest counts as slips.
const MOST: f64 = 0.8;

/// The notations of a column's numbers, heard cell by cell.
#[derive(Clone, Debug, Default)]
pub struct NumberForms {
    point: Told,
    comma: Told,
    /// `1,234`: one number with a decimal point, another with a decimal comma.
    either_comma: Told,
    /// `1.234`
    either_point: Told,
    has_comma: bool,
}

#[derive(Clone, Debug, Default)]
struct Told {
    cells: u64,
    first: Option<Witness>,
}

impl Told {
    fn add(&mut self, row: u64, text: &str) {
        self.cells += 1;
        self.first.get_or_insert_with(|| example(row, text));
    }
}

/// What is to be written about a column's numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NumberVerdict {
    /// They need no `decimal`.
    Plain,
    /// This mark.
    Mark {
        /// It.
        mark: DecimalMark,
        /// A cell that proves it.
        witness: Witness,
        /// Nothing proves it but that the field takes fewer decimals.
        by_field: bool,
        /// Cells that have the other mark, and the first of them.
        others: Option<(u64, Witness)>,
    },
    /// Nobody can tell; a cell that means two numbers.
    Open(Witness),
}

impl NumberForms {
    /// Hears a text that is a number in some notation.
    pub fn add(&mut self, row: u64, text: &str) {
        if !text.contains(['.', ',']) {
            return;
        }
        self.has_comma |= text.contains(',');
        let mut alone = DecimalEvidence::default();
        alone.add(row, text, Notation { decimal: None, currency: true, percent: true, id: false });
        match alone.conclude() {
            Proof::Proven { reading: DecimalMark::Point, .. } => self.point.add(row, text),
            Proof::Proven { reading: DecimalMark::Comma, .. } => self.comma.add(row, text),
            Proof::Ambiguous { .. } if text.contains(',') => self.either_comma.add(row, text),
            Proof::Ambiguous { .. } => self.either_point.add(row, text),
            Proof::NotNeeded | Proof::Indifferent(_) | Proof::Contradiction { .. } => {}
        }
    }

    /// What the column shows, for a field with so many decimals.
    pub fn conclude(&self, decimals: Option<u32>) -> NumberVerdict {
        let telling = self.point.cells + self.comma.cells;
        if telling == 0 {
            return self.without_telling(decimals);
        }
        let (mark, most, least) = if self.point.cells >= self.comma.cells {
            (DecimalMark::Point, &self.point, &self.comma)
        } else {
            (DecimalMark::Comma, &self.comma, &self.point)
        };
        let Some(witness) = most.first.clone() else { return NumberVerdict::Plain };
        if (most.cells as f64) < MOST * telling as f64 {
            return NumberVerdict::Open(witness);
        }
        // Where all agree on a point and none has groups, there is nothing to say.
        if mark == DecimalMark::Point && !self.has_comma && least.cells == 0 {
            return NumberVerdict::Plain;
        }
        let others = least.first.clone().map(|first| (least.cells, first));
        NumberVerdict::Mark { mark, witness, by_field: false, others }
    }

    /// Every cell could be either: three digits behind a mark that are decimals
    /// or thousands. A field with fewer decimals leaves one.
    fn without_telling(&self, decimals: Option<u32>) -> NumberVerdict {
        let few = decimals.is_some_and(|most| most < 3);
        match (&self.either_comma.first, &self.either_point.first) {
            (None, None) => NumberVerdict::Plain,
            (Some(witness), None) if few => mark_by_field(DecimalMark::Point, witness),
            (None, Some(witness)) if few => mark_by_field(DecimalMark::Comma, witness),
            (Some(witness), _) | (None, Some(witness)) => NumberVerdict::Open(witness.clone()),
        }
    }

    /// The mark that this column proves for itself, as a hint for others.
    pub fn proves(&self) -> Option<DecimalMark> {
        match (self.point.cells, self.comma.cells) {
            (0, 0) => None,
            (point, comma) if point as f64 >= MOST * (point + comma) as f64 => Some(DecimalMark::Point),
            (point, comma) if comma as f64 >= MOST * (point + comma) as f64 => Some(DecimalMark::Comma),
            _ => None,
        }
    }
}

fn mark_by_field(mark: DecimalMark, witness: &Witness) -> NumberVerdict {
    NumberVerdict::Mark { mark, witness: witness.clone(), by_field: true, others: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(cells: &[&str], decimals: Option<u32>) -> NumberVerdict {
        let mut forms = NumberForms::default();
        cells.iter().zip(2..).for_each(|(text, row)| forms.add(row, text));
        forms.conclude(decimals)
    }

    fn mark(mark: DecimalMark, row: u64, text: &str) -> NumberVerdict {
        NumberVerdict::Mark { mark, witness: example(row, text), by_field: false, others: None }
    }

    #[test]
    fn a_mark_is_written_where_the_cells_need_one() {
        use DecimalMark::{Comma, Point};
        assert_eq!(of(&["1,234", "1,234.50"], Some(2)), mark(Point, 3, "1,234.50"));
        assert_eq!(of(&["7", "12,5"], Some(2)), mark(Comma, 3, "12,5"));
        assert_eq!(of(&["7", "8200.50"], Some(2)), NumberVerdict::Plain);
        assert_eq!(of(&["7", "12"], None), NumberVerdict::Plain);
    }

    #[test]
    fn thousands_are_told_from_decimals_by_what_the_field_takes_or_not_at_all() {
        let by_field = |cells: &[&str], wanted: DecimalMark| {
            let verdict = of(cells, Some(0));
            assert!(
                matches!(verdict, NumberVerdict::Mark { mark, by_field: true, .. } if mark == wanted),
                "{verdict:?}"
            );
        };
        by_field(&["548", "6.576"], DecimalMark::Comma);
        by_field(&["548", "6,576"], DecimalMark::Point);
        assert_eq!(of(&["6.576"], None), NumberVerdict::Open(example(2, "6.576")));
        assert_eq!(of(&["6.576"], Some(3)), NumberVerdict::Open(example(2, "6.576")));
        assert_eq!(of(&["1,234", "1.234"], Some(2)), NumberVerdict::Open(example(2, "1,234")));
    }

    #[test]
    fn a_few_slips_do_not_turn_a_column() {
        let cells = ["1.234,50", "7,5", "3,25", "0,5", "1,234.56"];
        let NumberVerdict::Mark { mark, others, .. } = of(&cells, Some(2)) else { panic!() };
        assert_eq!((mark, others), (DecimalMark::Comma, Some((1, example(6, "1,234.56")))));
        assert!(matches!(of(&["1,5", "1.5"], None), NumberVerdict::Open(_)));
    }
}
