//! A pass over the data rows of a delimited text.

use std::path::Path;

use super::charset::{Charset, Decoder};
use super::csv_source::{TextInput, TextSource};
use super::error::InputProblem;
use super::quotes::stray_quote;
use super::records::{MAX_FIELD, Place, Records, line_breaks, spans};
use super::utf16::source_bytes;
use crate::model::{Cell, CellFault, Row, RowFault};

/// Reads rows of a delimited text.
pub(super) struct CsvRows {
    records: Records<TextInput>,
    decoder: Decoder,
    charset: Charset,
    delimiter: u8,
    columns: usize,
    /// A place in the text and the same place in the file.
    in_text: u64,
    in_file: u64,
}

impl CsvRows {
    pub(super) fn start(path: &Path, source: &TextSource) -> Result<Self, InputProblem> {
        let input = TextInput::open(path, source.charset, source.data_in_file)?;
        Ok(Self {
            records: Records::new(input, source.delimiter, source.data),
            decoder: Decoder::new(source.charset),
            charset: source.charset,
            delimiter: source.delimiter,
            columns: source.columns,
            in_text: source.data.offset,
            in_file: source.data_in_file,
        })
    }

    /// Bytes of the file that are done.
    pub(super) fn position(&self) -> u64 {
        self.in_file
    }

    /// Fills the next filled row; false at the end.
    pub(super) fn read(&mut self, row: &mut Row) -> Result<bool, InputProblem> {
        loop {
            row.reset(0, 0);
            let Some(place) = self.records.next(&mut row.raw)? else { return Ok(false) };
            (row.number, row.line) = (place.row, place.line);
            let begins = self.advance(place, &row.raw);
            let cells = self.records.filled_cells(self.columns);
            self.push_cells(row, cells, begins);
            if row.is_blank() {
                continue;
            }
            row.fault = self.fault_of(row, cells);
            return Ok(true);
        }
    }

    /// What is wrong with the row as a whole. A quote in the wrong place comes
    /// first: it is why cells are too few or too many.
    fn fault_of(&self, row: &Row, found: usize) -> Option<RowFault> {
        if let Some((cell, span)) = stray_quote(&row.raw, self.delimiter) {
            let line = row.line + line_breaks(row.raw.get(..span.start).unwrap_or_default());
            let line_ends = line_breaks(row.raw.get(span).unwrap_or_default());
            return Some(RowFault::StrayQuote { cell, line, line_ends });
        }
        let wanted = self.columns;
        match found.cmp(&wanted) {
            std::cmp::Ordering::Less => Some(RowFault::TooFewCells { found, wanted }),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some(RowFault::TooManyCells { found, wanted }),
        }
    }

    /// Follows the text with the place in the file, and says where the record begins there.
    fn advance(&mut self, place: Place, raw: &[u8]) -> u64 {
        let skipped = place.offset.saturating_sub(self.in_text);
        let utf16 = self.charset.is_utf16();
        // Only line ends are skipped, and these are ASCII.
        let begins = self.in_file + if utf16 { skipped * 2 } else { skipped };
        self.in_text = place.offset + raw.len() as u64;
        self.in_file = begins + if utf16 { source_bytes(raw) } else { raw.len() as u64 };
        begins
    }

    fn push_cells(&mut self, row: &mut Row, cells: usize, begins: u64) {
        let bytes = self.records.cells();
        let text = self.decoder.whole(bytes);
        let may_be_long = bytes.len() > MAX_FIELD;
        let ends = self.records.ends();
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
