//! Column proof: what a column's cells prove about its dates and numbers.
//! Each line of an input is a cell.
#![no_main]

use carafe_fuzz::rules::convert::number::{Notation, read};
use carafe_fuzz::rules::convert::order::{DateOrder, fits, read_in_order};
use carafe_fuzz::rules::mapping::DecimalMark;
use carafe_fuzz::rules::proof::{DateEvidence, DecimalEvidence, Proof, Witness};

libfuzzer_sys::fuzz_target!(|input: &[u8]| check(input));

fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let cells: Vec<(u64, &str)> =
        (2..).zip(text.lines().map(str::trim).filter(|cell| !cell.is_empty())).collect();
    proves(&cells, dates, |text, order| fits(text, order).then(|| read_in_order(text, order).ok()), &ORDERS);
    proves(&cells, marks, |text, mark| number(text, mark).map(Some), &MARKS);
}

const ORDERS: [DateOrder; 5] = DateOrder::ALL;
const MARKS: [DecimalMark; 2] = [DecimalMark::Point, DecimalMark::Comma];

fn dates(cells: &[(u64, &str)]) -> Proof<DateOrder> {
    let mut evidence = DateEvidence::default();
    cells.iter().for_each(|(row, text)| evidence.add(*row, text));
    evidence.conclude()
}

fn marks(cells: &[(u64, &str)]) -> Proof<DecimalMark> {
    let mut evidence = DecimalEvidence::default();
    cells.iter().for_each(|(row, text)| evidence.add(*row, text, AMOUNT));
    evidence.conclude()
}

const AMOUNT: Notation = Notation { decimal: None, currency: true, percent: true, id: false };

/// What the text is worth with this mark; numbers without any depend on none.
fn number(text: &str, mark: DecimalMark) -> Option<String> {
    let notation = Notation { decimal: Some(mark), ..AMOUNT };
    text.contains(['.', ',']).then(|| read(text, notation).ok().map(|number| number.into_owned())).flatten()
}

/// `reading` gives what a cell means in a reading, `None` where it has it not.
fn proves<T, V>(
    cells: &[(u64, &str)],
    conclude: impl Fn(&[(u64, &str)]) -> Proof<T>,
    reading: impl Fn(&str, T) -> Option<V>,
    all: &[T],
) where
    T: Copy + PartialEq + std::fmt::Debug,
    V: PartialEq + std::fmt::Debug,
{
    let proof = conclude(cells);
    let is_there = |witness: &Witness| assert!(cells.contains(&(witness.row, witness.text.as_str())));
    match &proof {
        Proof::NotNeeded | Proof::Indifferent(_) => {}
        Proof::Proven { witness, .. } | Proof::Ambiguous { witness, .. } => is_there(witness),
        Proof::Contradiction { one, other } => {
            is_there(&one.0);
            is_there(&other.0);
            assert!(one.1.iter().all(|reading| !other.1.contains(reading)), "{one:?} agrees with {other:?}");
            for (witness, readings) in [one, other] {
                assert!(!readings.is_empty());
                let alone = left(&conclude(&[(witness.row, &witness.text)]));
                assert!(alone.is_none_or(|alone| readings.iter().any(|r| alone.contains(r))));
            }
        }
    }
    let mut reversed = cells.to_vec();
    reversed.reverse();
    assert_eq!(left(&conclude(&reversed)), left(&proof), "the order of the rows matters");
    for &(row, text) in cells {
        let meanings: Vec<(T, V)> = all.iter().filter_map(|&r| Some((r, reading(text, r)?))).collect();
        let differs = meanings.windows(2).any(|pair| pair[0].1 != pair[1].1);
        if differs {
            let alone = conclude(&[(row, text)]);
            assert!(matches!(alone, Proof::Ambiguous { .. }), "{text:?} is {meanings:?}, yet {alone:?}");
        }
        // A cell that can be read at all can be read as the column is. A number
        // with an exponent proves nothing, and is refused where it does not fit.
        let proves_nothing = meanings.is_empty() || text.contains(['e', 'E']);
        if let (Some(proven), false) = (left(&proof), proves_nothing) {
            let fits = proven.iter().all(|r| meanings.iter().any(|(reading, _)| reading == r));
            assert!(fits, "{text:?} is {meanings:?}, the column {proven:?}");
        }
    }
}

/// The readings that a column is left with.
fn left<T: Copy>(proof: &Proof<T>) -> Option<Vec<T>> {
    match proof {
        Proof::Proven { reading, .. } | Proof::Indifferent(reading) => Some(vec![*reading]),
        Proof::Ambiguous { readings, .. } => Some(readings.clone()),
        Proof::NotNeeded | Proof::Contradiction { .. } => None,
    }
}
