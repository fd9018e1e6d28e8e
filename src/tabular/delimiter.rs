//! Finding what stands between the cells of a text: by consistency over the
//! first records, quotes respected.

use super::records::{Mark, Records};

/// Records that are looked at.
const SAMPLE_RECORDS: usize = 1000;

/// The candidates. Where several split a file equally well the earlier one
/// wins: a comma stands inside texts and numbers, the others hardly do.
pub(super) const CANDIDATES: [u8; 4] = [b'\t', b';', b'|', b','];

/// What a sample of the text shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Guess {
    pub(super) delimiter: u8,
    /// False where the header has one cell only.
    pub(super) splits: bool,
}

/// Guesses from a sample; `header_row` counts from 1, and a record that the
/// sample cuts off is left out where `cut` says that there is more.
pub(super) fn guess(sample: &[u8], header_row: u64, cut: bool, usable: impl Fn(u8) -> bool) -> Guess {
    let views: Vec<View> = CANDIDATES
        .into_iter()
        .filter(|&delimiter| usable(delimiter))
        .map(|delimiter| View::of(sample, delimiter, header_row, cut))
        .collect();
    let best = views
        .iter()
        .filter(|view| view.columns > 1 && (view.agreement() > 0 || view.splitting > 0))
        .reduce(|best, view| if view.rank() > best.rank() { view } else { best });
    if let Some(best) = best {
        return Guess { delimiter: best.delimiter, splits: true };
    }
    // One column: the delimiter must at least cut no cell apart.
    let whole = |delimiter: u8| {
        views.iter().any(|view| view.delimiter == delimiter && view.columns <= 1 && view.agreement() == 10)
    };
    let delimiter = [b',', b';', b'\t', b'|'].into_iter().find(|&d| whole(d)).unwrap_or(b',');
    Guess { delimiter, splits: false }
}

/// How the sample looks when split at one candidate.
struct View {
    delimiter: u8,
    /// Cells of the header, without blank ones at its end.
    columns: usize,
    records: usize,
    /// Records with as many cells as the header.
    agreeing: usize,
    /// Records with more than one cell.
    splitting: usize,
}

impl View {
    fn of(sample: &[u8], delimiter: u8, header_row: u64, cut: bool) -> Self {
        let mut view = Self { delimiter, columns: 0, records: 0, agreeing: 0, splitting: 0 };
        let mut records = Records::new(sample, delimiter, Mark::START);
        let mut raw = Vec::new();
        // An open quote ends the look at this candidate; reading tells of it later.
        while let Ok(Some(place)) = records.next(&mut raw) {
            let touches_end = place.offset + raw.len() as u64 >= sample.len() as u64;
            if place.row < header_row || (cut && touches_end && view.columns > 0) {
                continue;
            }
            let cells = records.filled_cells(view.columns);
            if view.columns == 0 {
                view.columns = cells;
            } else if cells > 0 {
                view.records += 1;
                view.agreeing += usize::from(cells == view.columns);
                view.splitting += usize::from(cells > 1);
            }
            if view.records >= SAMPLE_RECORDS {
                break;
            }
        }
        view
    }

    /// Tenths of the records that have as many cells as the header.
    fn agreement(&self) -> usize {
        (self.agreeing * 10).checked_div(self.records).unwrap_or(10)
    }

    /// Better views are greater: clear agreement first, then more columns.
    fn rank(&self) -> (usize, usize) {
        let class = match self.agreement() {
            8.. => 2,
            5..8 => 1,
            _ => 0,
        };
        (class, self.columns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> (char, bool) {
        let guess = guess(text.as_bytes(), 1, false, |_| true);
        (char::from(guess.delimiter), guess.splits)
    }

    #[test]
    fn the_usual_delimiters_are_found() {
        for delimiter in [',', ';', '\t', '|'] {
            let text = "name,value,note\nA,1,x\nB,2,y\n".replace(',', &delimiter.to_string());
            assert_eq!(of(&text), (delimiter, true));
        }
    }

    #[test]
    fn signs_inside_cells_do_not_mislead() {
        assert_eq!(of("Name;Value\nA;1,5\nB;2,5\n"), (';', true));
        assert_eq!(of("Name;Value, net\nA;1,5\nB;2,5\n"), (';', true));
        assert_eq!(of("name,tags\nA,x;y\nB,z\n"), (',', true));
        assert_eq!(of("name,note\nA,\"p; q; r\"\nB,\"s; t; u\"\n"), (',', true));
        assert_eq!(of("a,b,c\n1,2,3\n1,2\n4,5,6\n7,8,9\n1,2,3\n"), (',', true));
    }

    #[test]
    fn one_column_needs_no_delimiter() {
        assert_eq!(of("name\nA\nB\n"), (',', false));
        assert_eq!(of("name\nSmith, John\nB\n"), (';', false));
        assert_eq!(of(""), (',', false));
    }

    #[test]
    fn a_header_alone_is_enough() {
        assert_eq!(of("name;city\n"), (';', true));
    }

    #[test]
    fn titles_above_the_header_do_not_count() {
        let text = "Report, made by us; really\n\nname;city;x\nA;B;1\n";
        assert_eq!(guess(text.as_bytes(), 3, false, |_| true).delimiter, b';');
    }

    #[test]
    fn a_bar_that_the_encoding_cannot_split_at_is_no_candidate() {
        assert!(!guess(b"a|b\n1|2\n", 1, false, |d| d != b'|').splits);
    }
}
