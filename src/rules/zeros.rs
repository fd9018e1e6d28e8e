//! Zeros in front that a spreadsheet has dropped, seen in what updates would change.

use std::collections::BTreeMap;

use crate::model::{Notice, Record, shown};
use crate::rules::draft::{Draft, Wish};
use crate::rules::program::Program;

/// What a field loses.
#[derive(Clone, Debug)]
struct Lost {
    records: u64,
    /// The first row, with the text before and after.
    first: (u64, String, String),
    /// How many digits there had been; none where they differ.
    digits: Option<usize>,
}

/// Gathers, field by field, updates that take nothing but zeros away.
#[derive(Clone, Debug, Default)]
pub struct LostZeros(BTreeMap<String, Lost>);

impl LostZeros {
    /// Looks at a row that updates this record.
    pub fn look(&mut self, program: &Program, draft: &Draft<'_>, record: &Record) {
        for (field, wish) in program.fields.iter().zip(&draft.wishes) {
            let Wish::Text(after) = wish else { continue };
            let Some(before) = record.get(&field.field.name).map(|value| value.to_text()) else { continue };
            if field.is_key || !drops_zeros(&before, after) {
                continue;
            }
            let digits = before.len();
            let fresh = || Lost {
                records: 0,
                first: (draft.row, before.to_string(), after.to_string()),
                digits: Some(digits),
            };
            let lost = self.0.entry(field.field.name.clone()).or_insert_with(fresh);
            lost.records += 1;
            lost.digits = lost.digits.filter(|known| *known == digits);
        }
    }

    /// A sentence for each field that loses any.
    pub fn notices(&self) -> impl Iterator<Item = Notice> {
        self.0.iter().map(|(field, lost)| {
            let (row, before, after) = &lost.first;
            let records = if lost.records == 1 { "1 record".to_owned() } else { format!("{} records", lost.records) };
            let advice = match lost.digits {
                Some(digits) => format!("pad: {digits} in the mapping puts them back"),
                None => "make the column text in the spreadsheet and fill it again".to_owned(),
            };
            Notice(format!(
                "{} loses zeros in front and nothing else in {records} (row {row}: \"{}\" → \"{}\"), as spreadsheets drop \
                 them; {advice}",
                shown(field),
                shown(before).cut(40),
                shown(after).cut(40)
            ))
        })
    }
}

/// Whether the text after is the text before without its zeros in front.
fn drops_zeros(before: &str, after: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    before
        .strip_suffix(after)
        .is_some_and(|zeros| !zeros.is_empty() && zeros.bytes().all(|byte| byte == b'0'))
        && digits(after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{RecordId, Value};
    use crate::rules::draft::draft;
    use crate::rules::testing::*;

    fn told(records: &[(&str, &str)]) -> Vec<String> {
        let program = program("mode: update\nmatch: [name]", "name: N\n text: A", &["N", "A"]);
        let mut lost = LostZeros::default();
        for (at, (before, after)) in (2..).zip(records) {
            let mut row = row(&["n", after]);
            row.number = at;
            let fields = [("text".to_owned(), Value::from(*before))].into_iter().collect();
            let record = Record { id: RecordId::new(7).unwrap(), fields };
            lost.look(&program, &draft(&program, &row), &record);
        }
        lost.notices().map(|notice| notice.0).collect()
    }

    #[test]
    fn updates_that_take_only_zeros_away_are_told_with_a_row_and_the_way_back() {
        assert_eq!(
            told(&[("01067", "2138"), ("01067", "1067"), ("00044", "44")]),
            [
                "text loses zeros in front and nothing else in 2 records (row 3: \"01067\" → \"1067\"), as spreadsheets drop \
              them; pad: 5 in the mapping puts them back"
            ]
        );
        assert!(told(&[("01067", "1067"), ("044", "44")])[0].contains("; make the column text"));
    }

    #[test]
    fn other_changes_are_no_lost_zeros() {
        for (before, after) in [
            ("01067", "01067"),
            ("1067", "067"),
            ("0", ""),
            ("A07", "7"),
            ("007b", "7b"),
            ("", "7"),
            ("0.5", ".5"),
        ] {
            assert_eq!(told(&[(before, after)]), [] as [String; 0], "{before} {after}");
        }
    }
}
