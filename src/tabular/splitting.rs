//! Splitting one record into its cells, unquoted.
//!
//! The rules are `csv_core`'s: a quote that begins a cell opens it, a doubled
//! one inside is a quote, and what stands behind the closing one is text.

use memchr::memchr;

/// Splits records, using its memory again.
#[derive(Clone)]
pub(super) struct Splitter {
    delimiter: u8,
    cells: Vec<u8>,
    ends: Vec<usize>,
    odd: bool,
}

impl Splitter {
    pub(super) fn new(delimiter: u8) -> Self {
        Self { delimiter, cells: Vec::new(), ends: Vec::new(), odd: false }
    }

    /// All cells of the last record, unquoted, one behind the other.
    pub(super) fn cells(&self) -> &[u8] {
        &self.cells
    }

    /// Where each cell of the last record ends in [`Self::cells`].
    pub(super) fn ends(&self) -> &[usize] {
        &self.ends
    }

    /// Whether something stands between a closing quote and the cell's end.
    pub(super) fn is_odd(&self) -> bool {
        self.odd
    }

    /// Splits a record's own bytes, its line end left out.
    pub(super) fn split(&mut self, raw: &[u8]) {
        self.cells.clear();
        self.ends.clear();
        self.odd = false;
        let mut at = 0;
        loop {
            if raw.get(at) == Some(&b'"') {
                at = self.unquote(raw, at + 1);
            }
            let rest = raw.get(at..).unwrap_or_default();
            let length = memchr(self.delimiter, rest).unwrap_or(rest.len());
            self.cells.extend_from_slice(rest.get(..length).unwrap_or_default());
            self.ends.push(self.cells.len());
            at += length;
            if at >= raw.len() {
                return;
            }
            at += 1;
        }
    }

    /// Takes the text of a quoted cell that begins at `at`; gives the place
    /// behind its closing quote.
    fn unquote(&mut self, raw: &[u8], mut at: usize) -> usize {
        loop {
            let rest = raw.get(at..).unwrap_or_default();
            let Some(quote) = memchr(b'"', rest) else {
                self.cells.extend_from_slice(rest);
                return raw.len();
            };
            at += quote + 1;
            match raw.get(at) {
                // The first of two quotes is the one that counts.
                Some(b'"') => {
                    self.cells.extend_from_slice(rest.get(..=quote).unwrap_or_default());
                    at += 1;
                }
                next => {
                    self.cells.extend_from_slice(rest.get(..quote).unwrap_or_default());
                    self.odd |= next.is_some_and(|&next| next != self.delimiter);
                    return at;
                }
            }
        }
    }
}

/// Appends where the cells of a text without quotes end, eight bytes at a time.
pub(super) fn push_ends(text: &[u8], delimiter: u8, ends: &mut Vec<usize>) {
    const LOW: u64 = u64::from_le_bytes([0x7F; 8]);
    let delimiters = u64::from_le_bytes([delimiter; 8]);
    let (eights, rest) = text.as_chunks::<8>();
    for (at, eight) in eights.iter().enumerate() {
        let differs = u64::from_le_bytes(*eight) ^ delimiters;
        // The high bit of each byte that is 0, and of no other.
        let mut found = !(((differs & LOW) + LOW) | differs | LOW);
        while found != 0 {
            ends.push(at * 8 + (found.trailing_zeros() / 8) as usize);
            found &= found - 1;
        }
    }
    let behind = text.len() - rest.len();
    let in_rest = rest.iter().enumerate().filter(|&(_, &byte)| byte == delimiter);
    ends.extend(in_rest.map(|(at, _)| behind + at));
    ends.push(text.len());
}

/// Cells of a record, blank ones at its end not counted where they stand
/// beyond `columns`.
pub(super) fn filled_cells(cells: &[u8], ends: &[usize], columns: usize) -> usize {
    let mut count = ends.len();
    while count > columns {
        let start = count.checked_sub(2).and_then(|before| ends.get(before)).copied().unwrap_or(0);
        let end = ends.get(count - 1).copied().unwrap_or(start);
        if !cells.get(start..end).unwrap_or_default().trim_ascii().is_empty() {
            break;
        }
        count -= 1;
    }
    count
}
