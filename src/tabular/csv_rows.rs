//! A pass over the data rows of a delimited text: blocks of records are cut
//! off one after the other, and their records read into rows.

use std::path::Path;

use super::batch::Looker;
use super::charset::{Charset, Decoder};
use super::csv_source::{TextInput, TextSource};
use super::cutting::{Block, Cut, Cutter};
use super::error::InputProblem;
use super::quotes::stray_quote;
use super::records::{MAX_FIELD, line_breaks, spans};
use super::splitting::{Splitter, filled_cells, push_ends};
use super::utf16::source_bytes;
use crate::model::{Cell, CellFault, PlainCells, Row, RowFault};

/// Cuts blocks off a delimited text.
struct CsvBlocks {
    cutter: Cutter<TextInput>,
    is_utf16: bool,
    /// A place in the text and the same place in the file.
    in_text: u64,
    in_file: u64,
}

impl CsvBlocks {
    fn start(path: &Path, source: &TextSource) -> Result<Self, InputProblem> {
        let input = TextInput::open(path, source.charset, source.data_in_file)?;
        Ok(Self {
            cutter: Cutter::new(input, source.delimiter, source.data),
            is_utf16: source.charset.is_utf16(),
            in_text: source.data.offset,
            in_file: source.data_in_file,
        })
    }

    /// Fills the next block; false at the end.
    fn next(&mut self, block: &mut Block) -> Result<bool, InputProblem> {
        let more = self.cutter.next(block)?;
        let mut cuts = std::mem::take(&mut block.cuts);
        for cut in &mut cuts {
            // Between two records stand only line ends, and these are ASCII.
            let skipped = cut.offset.saturating_sub(self.in_text);
            let raw = block.raw(*cut);
            self.in_text = cut.offset + raw.len() as u64;
            cut.offset = self.in_file + if self.is_utf16 { skipped * 2 } else { skipped };
            self.in_file = cut.offset + length_in_file(raw, self.is_utf16);
        }
        block.cuts = cuts;
        Ok(more)
    }
}

/// Bytes that a record's own ones take in the file.
fn length_in_file(raw: &[u8], is_utf16: bool) -> u64 {
    if is_utf16 { source_bytes(raw) } else { raw.len() as u64 }
}

/// Reads the records of a block into rows; each thread has one of its own.
#[derive(Clone)]
pub(super) struct CsvReader {
    splitter: Splitter,
    decoder: Decoder,
    charset: Charset,
    delimiter: u8,
    columns: usize,
    /// Where the cells of a record end.
    ends: Vec<usize>,
}

impl CsvReader {
    fn new(source: &TextSource) -> Self {
        Self {
            splitter: Splitter::new(source.delimiter),
            decoder: Decoder::new(source.charset),
            charset: source.charset,
            delimiter: source.delimiter,
            columns: source.columns,
            ends: Vec::new(),
        }
    }

    /// Hands out each filled row of a block.
    pub(super) fn read_all(&mut self, block: &Block, row: &mut Row, mut each: impl FnMut(&Row)) {
        // To look at all bytes at once is quicker than record by record.
        let text = self.decoder.whole(block.bytes());
        for &cut in &block.cuts {
            let text = text.and_then(|text| text.get(cut.start..cut.end));
            if self.read(block.raw(cut), text, cut, row) {
                each(row);
            }
        }
    }

    /// Shows the rows of a block, those that are nothing but text by their cells alone.
    pub(super) fn show(&mut self, block: &Block, row: &mut Row, looker: &mut impl Looker) {
        let text = self.decoder.whole(block.bytes());
        for &cut in &block.cuts {
            let raw = block.raw(cut);
            let text = match text {
                Some(text) => text.get(cut.start..cut.end),
                None => self.decoder.whole(raw),
            };
            let is_done = text
                .and_then(|text| self.plain_cells(text, cut.quoted))
                .is_some_and(|cells| looker.plain(cut.row, &cells));
            if !is_done && self.read(raw, text, cut, row) {
                looker.row(row);
            }
        }
    }

    /// The cells of a record, if they are as many as there are columns, short
    /// enough, and not all blank as far as the first one shows it.
    fn plain_cells<'r>(&'r mut self, text: &'r str, quoted: bool) -> Option<PlainCells<'r>> {
        if text.len() > MAX_FIELD {
            return None;
        }
        let cells = if quoted {
            self.splitter.split(text.as_bytes());
            let splitter = &self.splitter;
            let whole = !splitter.is_odd() && splitter.ends().len() == self.columns;
            let unquoted = self.decoder.whole(splitter.cells()).filter(|_| whole);
            unquoted.map(|text| PlainCells::new(text, splitter.ends(), 0))
        } else {
            self.ends.clear();
            push_ends(text.as_bytes(), self.delimiter, &mut self.ends);
            (self.ends.len() == self.columns).then(|| PlainCells::new(text, &self.ends, 1))
        };
        cells.filter(|cells| !cells.get(0).trim().is_empty())
    }

    /// Reads one record; false where all its cells are blank. `text` is the
    /// record as text, where that is known already.
    fn read(&mut self, raw: &[u8], text: Option<&str>, cut: Cut, row: &mut Row) -> bool {
        row.reset(cut.row, cut.line);
        row.raw.extend_from_slice(raw);
        if !cut.quoted
            && raw.len() <= MAX_FIELD
            && let Some(text) = text.or_else(|| self.decoder.whole(raw))
        {
            row.push_split(text, self.delimiter);
            row.cut_blank_cells(self.columns);
            row.fault = self.count_fault(row.len());
            return !row.is_blank();
        }
        self.splitter.split(raw);
        let cells = filled_cells(self.splitter.cells(), self.splitter.ends(), self.columns);
        self.push_cells(row, cells, cut.offset);
        row.fault = self.fault_of(row, cells);
        !row.is_blank()
    }

    /// What is wrong with the row as a whole. A quote in the wrong place comes
    /// first: it is why cells are too few or too many.
    fn fault_of(&self, row: &Row, found: usize) -> Option<RowFault> {
        if self.splitter.is_odd()
            && let Some((cell, span)) = stray_quote(&row.raw, self.delimiter)
        {
            let line = row.line + line_breaks(row.raw.get(..span.start).unwrap_or_default());
            let line_ends = line_breaks(row.raw.get(span).unwrap_or_default());
            return Some(RowFault::StrayQuote { cell, line, line_ends });
        }
        self.count_fault(found)
    }

    fn count_fault(&self, found: usize) -> Option<RowFault> {
        let wanted = self.columns;
        match found.cmp(&wanted) {
            std::cmp::Ordering::Less => Some(RowFault::TooFewCells { found, wanted }),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some(RowFault::TooManyCells { found, wanted }),
        }
    }

    fn push_cells(&mut self, row: &mut Row, cells: usize, begins: u64) {
        let bytes = self.splitter.cells();
        let text = self.decoder.whole(bytes);
        let may_be_long = bytes.len() > MAX_FIELD;
        let ends = self.splitter.ends();
        let ends = ends.get(..cells).unwrap_or(ends);
        if let Some(text) = text.filter(|_| !may_be_long)
            && row.push_texts(text, ends)
        {
            return;
        }
        let mut start = 0;
        for (at, &end) in ends.iter().enumerate() {
            let span = start..end;
            start = end;
            if may_be_long && span.len() > MAX_FIELD {
                row.push(Cell::Fault(CellFault::TooLong));
                continue;
            }
            // Two broken halves of a character on both sides of a delimiter
            // are whole only when read as one; then each cell is looked at alone.
            if let Some(cell) = text.and_then(|text| text.get(span.clone())) {
                row.push(Cell::Text(cell));
                continue;
            }
            match self.decoder.cell(bytes.get(span).unwrap_or_default()) {
                Ok(cell) => row.push(Cell::Text(cell)),
                Err(_) => {
                    let fault =
                        undecodable(&row.raw, at, self.delimiter, self.charset, &mut self.decoder, begins);
                    row.push(Cell::Fault(fault));
                }
            }
        }
    }
}

/// Reads rows of a delimited text, one after the other or in blocks.
pub(super) struct CsvRows {
    blocks: CsvBlocks,
    reader: CsvReader,
    block: Block,
    /// The next of the block's records.
    next: usize,
    position: u64,
}

impl CsvRows {
    pub(super) fn start(path: &Path, source: &TextSource) -> Result<Self, InputProblem> {
        let blocks = CsvBlocks::start(path, source)?;
        let position = blocks.in_file;
        Ok(Self { blocks, reader: CsvReader::new(source), block: Block::default(), next: 0, position })
    }

    /// Bytes of the file that are done.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// What reads the blocks of this pass.
    pub(super) fn reader(&self) -> CsvReader {
        self.reader.clone()
    }

    /// Fills the next filled row; false at the end.
    pub(super) fn read(&mut self, row: &mut Row) -> Result<bool, InputProblem> {
        loop {
            while let Some(&cut) = self.block.cuts.get(self.next) {
                self.next += 1;
                let raw = self.block.raw(cut);
                self.position = cut.offset + length_in_file(raw, self.blocks.is_utf16);
                if self.reader.read(raw, None, cut, row) {
                    return Ok(true);
                }
            }
            self.next = 0;
            if !self.blocks.next(&mut self.block)? {
                self.position = self.blocks.in_file;
                return Ok(false);
            }
        }
    }

    /// Fills the next block of records; false at the end. Nothing is between
    /// this and [`Self::read`]: a pass goes one way or the other.
    pub(super) fn read_block(&mut self, block: &mut Block) -> Result<bool, InputProblem> {
        let more = self.blocks.next(block)?;
        self.position = self.blocks.in_file;
        Ok(more)
    }
}

/// Finds the byte at fault in the record's own bytes, where quotes have not been taken off.
fn undecodable(
    raw: &[u8],
    cell: usize,
    delimiter: u8,
    charset: Charset,
    decoder: &mut Decoder,
    begins: u64,
) -> CellFault<'static> {
    let span = spans(raw, delimiter).into_iter().nth(cell).unwrap_or(0..raw.len());
    let bad = decoder.cell(raw.get(span.clone()).unwrap_or_default()).err().unwrap_or(0);
    let place = span.start + bad;
    let (before, from) = raw.split_at_checked(place).unwrap_or((raw, &[]));
    let distance = if charset.is_utf16() { source_bytes(before) } else { before.len() as u64 };
    CellFault::Undecodable { offset: begins + distance, byte: charset.first_byte(from) }
}
