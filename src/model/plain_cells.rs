//! The cells of a record that is nothing but text, before it becomes a row.

/// Texts one behind the other, and where each ends.
#[derive(Clone, Copy, Debug)]
pub struct PlainCells<'t> {
    text: &'t str,
    ends: &'t [usize],
    gap: usize,
}

impl<'t> PlainCells<'t> {
    /// Cells that end at `ends` in `text`, with `gap` bytes between two of them.
    pub fn new(text: &'t str, ends: &'t [usize], gap: usize) -> Self {
        Self { text, ends, gap }
    }

    /// All texts, and what stands between them.
    pub fn whole(&self) -> &'t str {
        self.text
    }

    /// The text of a cell, untrimmed; blank beyond the last one.
    pub fn get(&self, column: usize) -> &'t str {
        let Some(&end) = self.ends.get(column) else { return "" };
        let start = match column.checked_sub(1).and_then(|before| self.ends.get(before)) {
            Some(before) => before + self.gap,
            None => 0,
        };
        self.text.get(start..end).unwrap_or_default()
    }
}
