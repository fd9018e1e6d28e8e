//! What a sheet tells beside its values: hidden rows and columns, merged
//! cells, formulas, leading zeros that are only shown; and the notices that
//! come of it.

use std::collections::BTreeMap;

use calamine::CellErrorType;

use super::area::{MAX_PLACES, corner};
use super::options::Hidden;
use super::percents::Percents;
use crate::model::{Column, Notice, column_letters, shown};

/// Most merged cells that are remembered; only those of the header count.
const MAX_MERGED: usize = 10_000;
/// Most things that one notice names.
pub(super) const MAX_NAMED: usize = 5;

/// Numbers in ascending spans, both ends included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spans(Vec<(u32, u32)>);

impl Spans {
    /// Adds a span; [`Self::settle`] must follow where spans may be out of order.
    pub(super) fn push(&mut self, from: u32, to: u32) {
        match self.0.last_mut() {
            Some(last) if from > last.1 && from - last.1 == 1 => last.1 = to.max(from),
            _ if from <= to => self.0.push((from, to)),
            _ => {}
        }
    }

    /// Puts the spans in order and joins those that overlap.
    pub(super) fn settle(&mut self) {
        self.0.sort_unstable();
        let mut joined: Vec<(u32, u32)> = Vec::with_capacity(self.0.len());
        for &(from, to) in &self.0 {
            match joined.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => joined.push((from, to)),
            }
        }
        self.0 = joined;
    }

    pub(super) fn contains(&self, wanted: u32) -> bool {
        let at = self.0.partition_point(|&(_, to)| to < wanted);
        self.0.get(at).is_some_and(|&(from, _)| from <= wanted)
    }

    /// How many numbers of `from..=to` are in it.
    pub(super) fn count(&self, from: u32, to: u32) -> u64 {
        let inside = |&(a, b): &(u32, u32)| u64::from((b.min(to) + 1).saturating_sub(a.max(from)));
        self.0.iter().map(inside).sum()
    }
}

/// A rectangle of merged cells: rows 1-based, columns 0-based.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Merged {
    pub(super) rows: (u32, u32),
    pub(super) columns: (u32, u32),
}

/// What a look at a sheet's own part found.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    /// Hidden rows that hold anything, 1-based.
    pub(super) hidden_rows: Spans,
    /// Hidden columns, 0-based.
    pub(super) hidden_columns: Spans,
    pub(super) merged: Vec<Merged>,
    pub(super) formulas: u64,
    /// Every cell of an XLSX sheet holds a value or a shared text, and no
    /// formula in whatever form. Other kinds of workbook do not ask.
    pub(super) values_only: bool,
    /// Columns whose numbers are shown with more zeros than they have, and
    /// to how many digits, where the format is nothing but zeros.
    pub(super) padded: BTreeMap<u32, Option<usize>>,
    /// Numbers that are shown in percent.
    pub(super) percents: Percents,
    /// Results of formulas that are errors and that the reader passes over:
    /// row and column, 0-based, in order.
    pub(super) errors: Vec<(u32, u32, CellErrorType)>,
}

impl Facts {
    /// Adds merged cells as `A1:C1`.
    pub(super) fn merge(&mut self, cells: &str) {
        let corners = cells.split_once(':').map(|(from, to)| (corner(from), corner(to)));
        if let Some((Some((Some(left), Some(top))), Some((Some(right), Some(bottom))))) = corners {
            self.merge_at(Merged { rows: (top, bottom), columns: (left, right) });
        }
    }

    pub(super) fn merge_at(&mut self, merged: Merged) {
        if self.merged.len() < MAX_MERGED {
            self.merged.push(merged);
        }
    }

    /// Puts everything in order once all is found.
    pub(super) fn settle(&mut self) {
        self.hidden_rows.settle();
        self.hidden_columns.settle();
        self.percents.settle();
        self.errors.sort_unstable_by_key(|&(row, column, _)| (row, column));
    }
}

/// What of a sheet is looked at.
#[derive(Clone, Debug)]
pub(super) struct View {
    /// First and last column, 0-based.
    pub(super) columns: (u32, u32),
    /// The last row, 1-based.
    pub(super) last_row: u32,
    pub(super) skip_rows: Spans,
    pub(super) skip_columns: Spans,
}

impl View {
    /// Everything.
    pub(super) fn whole() -> Self {
        Self {
            columns: (0, MAX_PLACES - 1),
            last_row: u32::MAX,
            skip_rows: Spans::default(),
            skip_columns: Spans::default(),
        }
    }

    pub(super) fn sees_column(&self, place: u32) -> bool {
        (self.columns.0..=self.columns.1).contains(&place) && !self.skip_columns.contains(place)
    }

    /// `row` is 1-based.
    pub(super) fn sees_row(&self, row: u32) -> bool {
        !self.skip_rows.contains(row)
    }
}

/// The notices of a sheet whose header stands in `header_row`.
pub(super) fn notices(
    facts: &Facts,
    hidden: Hidden,
    header_row: u32,
    columns: &[Column],
    view: &View,
) -> Vec<Notice> {
    let mut notices = Vec::new();
    let rows = facts.hidden_rows.count(header_row + 1, view.last_row);
    let last = columns.last().map_or(0, |column| u32::try_from(column.place).unwrap_or(0));
    // Columns left of the header or behind it hold nothing that is read.
    let first = columns.first().map_or(0, |column| u32::try_from(column.place).unwrap_or(0));
    let (from, to) = match hidden {
        Hidden::Include => (first, last),
        Hidden::Skip => view.columns,
    };
    let hidden_columns: Vec<String> = (from..=to.min(from + 2000))
        .filter(|&place| facts.hidden_columns.contains(place))
        .map(|place| column_letters(place as usize))
        .collect();
    notices.extend(told_hidden(rows, "row", None, hidden));
    if hidden == Hidden::Include {
        let named = listed(hidden_columns.iter().map(String::as_str));
        notices.extend(told_hidden(hidden_columns.len() as u64, "column", Some(&named), hidden));
    } else if !hidden_columns.is_empty() {
        notices.push(Notice("hidden columns are left out, as source: { hidden: skip } says".to_owned()));
    }
    notices.extend(merged_header(facts, header_row, view));
    if facts.formulas > 0 {
        let (are, their) = match facts.formulas {
            1 => ("1 cell is a formula".to_owned(), "its stored result is used"),
            many => (format!("{many} cells are formulas"), "their stored results are used"),
        };
        notices.push(Notice(format!("{are}; {their}")));
    }
    notices.extend(facts.padded.iter().filter_map(|(&place, digits)| padded(place, *digits, columns)));
    notices
}

fn told_hidden(count: u64, what: &str, named: Option<&str>, hidden: Hidden) -> Option<Notice> {
    let (plural, are, them) = if count == 1 { ("", "is", "it") } else { ("s", "are", "them") };
    let named = named.map(|named| format!(" ({named})")).unwrap_or_default();
    let told = match hidden {
        Hidden::Include => {
            format!(
                "{count} hidden {what}{plural}{named} {are} read; source: {{ hidden: skip }} leaves {them} out"
            )
        }
        Hidden::Skip => {
            format!("{count} hidden {what}{plural} {are} left out, as source: {{ hidden: skip }} says")
        }
    };
    (count > 0).then_some(Notice(told))
}

fn merged_header(facts: &Facts, header_row: u32, view: &View) -> Option<Notice> {
    let touching: Vec<&Merged> = facts
        .merged
        .iter()
        .filter(|merged| (merged.rows.0..=merged.rows.1).contains(&header_row))
        .filter(|merged| merged.columns.0 <= view.columns.1 && merged.columns.1 >= view.columns.0)
        .collect();
    let at = |column: u32, row: u32| format!("{}{row}", column_letters(column as usize));
    let named: Vec<String> = touching
        .iter()
        .map(|merged| {
            format!("{}:{}", at(merged.columns.0, merged.rows.0), at(merged.columns.1, merged.rows.1))
        })
        .collect();
    if touching.is_empty() {
        return None;
    }
    let mut told = format!("the header has merged cells ({})", listed(named.iter().map(String::as_str)));
    if touching.iter().any(|merged| merged.columns.0 < merged.columns.1) {
        told += "; a merged name stands for its first column only";
    }
    if touching.iter().any(|merged| merged.rows.1 > header_row) {
        told += "; the rows below the first are read as data";
    }
    Some(Notice(told))
}

/// A column as a notice names it; nothing where it is not read.
fn named(place: u32, columns: &[Column]) -> Option<String> {
    let column = columns.iter().find(|column| column.place == place as usize)?;
    Some(match column.name.trim() {
        "" => column_letters(column.place),
        name => format!("\"{}\"", shown(name).cut(60)),
    })
}

fn padded(place: u32, digits: Option<usize>, columns: &[Column]) -> Option<Notice> {
    let name = named(place, columns)?;
    let advice = match digits {
        Some(digits) => format!("pad: {digits} puts them back"),
        None => "if they matter, make its cells texts".to_owned(),
    };
    Some(Notice(format!("column {name} shows leading zeros that its cells do not hold; {advice}")))
}

/// The first few of several names, and how many more there are.
pub(super) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    let more = names.len().saturating_sub(MAX_NAMED);
    let mut list = names.iter().take(MAX_NAMED).copied().collect::<Vec<_>>().join(", ");
    if more > 0 {
        list += &format!(" and {more} more");
    }
    list
}

/// To how many digits a number format fills up with zeros: nothing where it
/// does not, `Some(None)` where zeros are not all of it (`00000-0000`).
#[expect(clippy::option_option, reason = "outside: no such format; inside: no one number of digits")]
pub(super) fn leading_zeros(format: &str) -> Option<Option<usize>> {
    let mut rest = format;
    // Colours, conditions and languages stand in brackets before the digits.
    while let Some(inner) = rest.strip_prefix('[') {
        rest = inner.split_once(']')?.1;
    }
    let section = rest.split(';').next().unwrap_or_default();
    let zeros = section.bytes().take_while(|&byte| byte == b'0').count();
    let behind = section.get(zeros..).unwrap_or_default();
    let dated = behind.to_ascii_lowercase().contains(['y', 'm', 'd', 'h', 's']);
    match zeros {
        ..2 => None,
        _ if dated => None,
        zeros if behind.is_empty() => Some(Some(zeros)),
        _ => Some(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_know_what_is_in_them() {
        let mut spans = Spans::default();
        for (from, to) in [(7, 9), (3, 3), (4, 4), (8, 12), (20, 19)] {
            spans.push(from, to);
        }
        spans.settle();
        let inside: Vec<u32> = (0..25).filter(|&number| spans.contains(number)).collect();
        assert_eq!(inside, [3, 4, 7, 8, 9, 10, 11, 12]);
        assert_eq!((spans.count(0, 100), spans.count(4, 8), spans.count(13, 14)), (8, 3, 0));
    }

    #[test]
    fn formats_that_show_zeros_are_known() {
        for (format, want) in [
            ("00000", Some(Some(5))),
            ("[Red]000;-000", Some(Some(3))),
            ("00000-0000", Some(None)),
            ("00.0", Some(None)),
            ("0", None),
            ("0.00", None),
            ("#,##0", None),
            ("General", None),
            ("00\"days\"", None),
            ("[h]:mm", None),
        ] {
            assert_eq!(leading_zeros(format), want, "{format}");
        }
    }
}
