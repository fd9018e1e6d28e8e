//! Which numbers of a sheet are shown in percent: runs of rows in each column,
//! as the cells' own formats say.

use std::collections::BTreeMap;

use super::error::InputProblem;

/// Most runs of all columns. A column has one, or a few where totals or notes
/// stand between.
const MAX_RUNS: usize = 1_000_000;

/// The numbers that are shown in percent, by column (0-based).
#[derive(Clone, Debug, Default)]
pub(super) struct Percents {
    columns: BTreeMap<u32, Runs>,
    runs: usize,
}

/// First and last rows, 1-based and in ascending order.
#[derive(Clone, Debug, Default)]
struct Runs {
    spans: Vec<(u32, u32)>,
    /// The last number seen is one of them.
    is_open: bool,
}

impl Percents {
    /// Notes a number's cell; [`Self::settle`] must follow.
    pub(super) fn note(&mut self, row: u32, column: u32, is_percent: bool) -> Result<(), InputProblem> {
        if !is_percent {
            if let Some(runs) = self.columns.get_mut(&column) {
                runs.is_open = false;
            }
            return Ok(());
        }
        let runs = self.columns.entry(column).or_default();
        match runs.spans.last_mut().filter(|last| runs.is_open && last.1 <= row) {
            Some(last) => last.1 = row,
            None if self.runs >= MAX_RUNS => return Err(too_many()),
            None => {
                runs.spans.push((row, row));
                self.runs += 1;
            }
        }
        runs.is_open = true;
        Ok(())
    }

    /// Puts the runs in order once all is seen: old workbooks may write rows as they like.
    pub(super) fn settle(&mut self) {
        self.columns.values_mut().for_each(|runs| runs.spans.sort_unstable());
    }

    /// Whether a number that stands there is shown in percent.
    pub(super) fn has(&self, row: u32, column: u32) -> bool {
        let Some(runs) = self.columns.get(&column) else { return false };
        let at = runs.spans.partition_point(|&(_, last)| last < row);
        runs.spans.get(at).is_some_and(|&(first, _)| first <= row)
    }
}

fn too_many() -> InputProblem {
    InputProblem::Workbook(
        "the workbook is not read: its numbers change to percent and back more than a million times; save the sheet as CSV"
            .to_owned(),
    )
}

/// True for a number format that shows hundreds, `0.0%`: a `%` that is neither
/// quoted nor escaped.
pub(super) fn is_percent(format: &str) -> bool {
    let mut quoted = false;
    let mut characters = format.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => quoted = !quoted,
            '\\' | '_' | '*' if !quoted => drop(characters.next()),
            '%' if !quoted => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_with_the_first_number_that_is_none() {
        let mut percents = Percents::default();
        for (row, is_percent) in [(9, true), (2, true), (5, true), (6, false)] {
            percents.note(row, 3, is_percent).unwrap();
        }
        percents.settle();
        let found: Vec<u32> = (0..12).filter(|&row| percents.has(row, 3)).collect();
        // What stands between two percentages is no number.
        assert_eq!(found, [2, 3, 4, 5, 9]);
        assert!(!percents.has(2, 4));
    }

    #[test]
    fn a_flood_of_runs_is_refused() {
        let mut percents = Percents::default();
        let told = (0..3_000_000).find_map(|at| percents.note(at / 2, 0, at % 2 == 0).err());
        assert!(told.unwrap().to_string().contains("more than a million times"));
    }

    #[test]
    fn formats_that_show_percent_are_known() {
        for (format, want) in [
            ("0%", true),
            ("0.00%;[Red]-0.00%", true),
            ("0\"%\"", false),
            ("0\\%", false),
            ("\"of \"0%", true),
            ("0.00", false),
        ] {
            assert_eq!(is_percent(format), want, "{format}");
        }
    }
}
