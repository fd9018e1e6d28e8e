//! Rows in batches, so that several threads can share a pass over a file.
//!
//! One thread takes batches off the file, in order; any thread reads a batch
//! into rows. Of a delimited text a batch holds the bytes, and most of the
//! work is left to the reader; of other files it holds the rows.

use super::csv_rows::CsvReader;
use super::cutting::Block;
use crate::model::{PlainCells, Row};

/// Rows, and their bytes in memory, that a batch holds at most.
const MOST_ROWS: usize = 512;
const MOST_BYTES: usize = 256 * 1024;

/// Some rows of a file. Its memory is used again and again.
#[derive(Debug, Default)]
pub struct Batch {
    pub(super) block: Block,
    rows: Vec<Row>,
    used: usize,
    /// Bytes of the file that are done behind it.
    pub position: u64,
}

impl Batch {
    /// Empties the batch and fills it with rows, as many as it takes; `read`
    /// fills the next one and says whether there was one. False at the end.
    ///
    /// # Errors
    /// That of `read`; the rows before it stay in the batch.
    pub(super) fn fill<E>(&mut self, mut read: impl FnMut(&mut Row) -> Result<bool, E>) -> Result<bool, E> {
        self.clear();
        let mut bytes = 0;
        while self.used < MOST_ROWS && bytes < MOST_BYTES {
            if self.rows.len() == self.used {
                self.rows.push(Row::default());
            }
            let Some(row) = self.rows.get_mut(self.used) else { break };
            if !read(row)? {
                break;
            }
            bytes += row.bytes();
            self.used += 1;
        }
        Ok(self.used > 0)
    }

    /// Whether it holds no row.
    pub(super) fn is_empty(&self) -> bool {
        self.used == 0 && self.block.cuts.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.used = 0;
        self.block.clear();
    }
}

/// Reads batches of one pass; each thread has one of its own.
pub struct BatchReader {
    text: Option<CsvReader>,
    row: Row,
}

impl BatchReader {
    pub(super) fn new(text: Option<CsvReader>) -> Self {
        Self { text, row: Row::default() }
    }

    /// Hands out each row of a batch, in order.
    pub fn read(&mut self, batch: &Batch, mut each: impl FnMut(&Row)) {
        batch.rows.iter().take(batch.used).for_each(&mut each);
        if let Some(text) = &mut self.text {
            text.read_all(&batch.block, &mut self.row, each);
        }
    }

    /// Shows a batch's rows, in order.
    pub fn show(&mut self, batch: &Batch, looker: &mut impl Looker) {
        batch.rows.iter().take(batch.used).for_each(|row| looker.row(row));
        if let Some(text) = &mut self.text {
            text.show(&batch.block, &mut self.row, looker);
        }
    }
}

/// Who looks at rows, and needs not make one of each.
pub trait Looker {
    /// A record of a text that is nothing but text, with its row's number and
    /// as many cells as there are columns. True: that is enough; false: it is
    /// shown as a row.
    fn plain(&mut self, number: u64, cells: &PlainCells<'_>) -> bool;

    /// A row.
    fn row(&mut self, row: &Row);
}
