//! A part of a sheet as people write it: `B3:F200`, `B:F`, `3:200`,
//! `Sheet1!B3:F200`.

use std::ops::RangeInclusive;

use crate::model::shown;

/// Rows and columns of a sheet, by Excel's own limits.
pub(super) const MAX_ROWS: u32 = 1_048_576;
pub(super) const MAX_PLACES: u32 = 16_384;

/// A part of a sheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) sheet: Option<String>,
    /// 1-based; nothing where only columns are named.
    pub(super) rows: Option<RangeInclusive<u32>>,
    /// 0-based; nothing where only rows are named.
    pub(super) columns: Option<RangeInclusive<u32>>,
}

impl Area {
    /// Reads it; the error is a sentence.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "\"{}\" is no range of a sheet; write it like B3:F200, B:F, 3:200 or Sheet1!B3:F200",
                shown(text).cut(60)
            )
        };
        let (sheet, cells) = match text.trim().rsplit_once('!') {
            Some((sheet, cells)) => (Some(sheet_name(sheet).ok_or_else(wrong)?), cells),
            None => (None, text.trim()),
        };
        let (from, to) = cells.split_once(':').ok_or_else(wrong)?;
        let (from, to) = (corner(from).ok_or_else(wrong)?, corner(to).ok_or_else(wrong)?);
        let columns = span(from.0, to.0).ok_or_else(wrong)?;
        let rows = span(from.1, to.1).ok_or_else(wrong)?;
        if columns.is_none() && rows.is_none() {
            return Err(wrong());
        }
        Ok(Self { sheet, rows, columns })
    }
}

/// A sheet's name as formulas write it, with or without quotes.
fn sheet_name(text: &str) -> Option<String> {
    let name = match text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        Some(inner) => inner.replace("''", "'"),
        None => text.trim().to_owned(),
    };
    (!name.is_empty()).then_some(name)
}

/// Column (0-based) and row (1-based) of `B3`, `B`, `3` or `$B$3`.
pub(super) fn corner(text: &str) -> Option<(Option<u32>, Option<u32>)> {
    let text = text.trim();
    let text = text.strip_prefix('$').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (letters, rest) = text.split_at(end);
    let digits = rest.strip_prefix('$').unwrap_or(rest);
    let column = match letters {
        "" => None,
        letters => Some(place_of(letters)?),
    };
    let row = match digits {
        "" => None,
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some(digits.parse::<u32>().ok().filter(|row| (1..=MAX_ROWS).contains(row))?)
        }
        _ => return None,
    };
    Some((column, row))
}

/// The 0-based place of a column's letters.
fn place_of(letters: &str) -> Option<u32> {
    let mut place: u32 = 0;
    for letter in letters.bytes() {
        place = place.checked_mul(26)?.checked_add(u32::from(letter.to_ascii_uppercase() - b'A') + 1)?;
    }
    place.checked_sub(1).filter(|&place| place < MAX_PLACES)
}

/// Both ends or none; nothing else makes a range.
#[expect(clippy::option_option, reason = "outside: not a range; inside: not named")]
fn span(from: Option<u32>, to: Option<u32>) -> Option<Option<RangeInclusive<u32>>> {
    match (from, to) {
        (None, None) => Some(None),
        (Some(from), Some(to)) if from <= to => Some(Some(from..=to)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Ends = Option<(u32, u32)>;

    fn of(text: &str) -> (Option<String>, Ends, Ends) {
        let area = Area::parse(text).unwrap();
        let ends = |range: Option<RangeInclusive<u32>>| range.map(|range| (*range.start(), *range.end()));
        (area.sheet, ends(area.rows), ends(area.columns))
    }

    #[test]
    fn ranges_are_read_as_people_write_them() {
        assert_eq!(of("B3:F200"), (None, Some((3, 200)), Some((1, 5))));
        assert_eq!(of(" $b$3:$F$200 "), (None, Some((3, 200)), Some((1, 5))));
        assert_eq!(of("B:F"), (None, None, Some((1, 5))));
        assert_eq!(of("3:200"), (None, Some((3, 200)), None));
        assert_eq!(of("Sheet1!A1:XFD1048576").2, Some((0, 16_383)));
        assert_eq!(of("'Bob''s !'!A:A").0.as_deref(), Some("Bob's !"));
    }

    #[test]
    fn what_is_no_range_is_a_sentence() {
        for text in [
            "",
            "B3",
            "B3:",
            ":",
            "3:B",
            "B3:F",
            "F3:B9",
            "B9:F3",
            "0:3",
            "A:XFE",
            "1:1048577",
            "B-F",
            "!A:B",
            "A1:B2:C3",
        ] {
            assert!(Area::parse(text).unwrap_err().contains("no range"), "{text}");
        }
    }
}
