//! Cutting a delimited text into records, without looking into them more than
//! their quotes demand.
//!
//! A pass over a large file must be cut in one go, from its beginning: only
//! so is it known which line ends stand inside quotes. To find these is
//! quick; everything else about a record is left to whoever reads it, on any
//! core. The rules are `csv_core`'s, which a property test holds this to.

use std::io::{self, Read};

use memchr::{memchr, memchr3};

use super::error::InputProblem;
use super::records::{MAX_CELLS, MAX_FIELD, MAX_RECORD, Mark, line_breaks, open_quote, spans};

/// Bytes that are read at once.
const BLOCK: usize = 256 * 1024;

/// One record of a [`Block`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// Where it begins and ends in the block's bytes, its line end left out.
    pub(super) start: usize,
    pub(super) end: usize,
    /// Bytes of the text before it.
    pub(super) offset: u64,
    /// Its number, counted from 1.
    pub(super) row: u64,
    /// Its first physical line, 1-based.
    pub(super) line: u64,
    /// Whether it has a quote anywhere.
    pub(super) quoted: bool,
}

/// Whole records one behind the other, as the text has them.
#[derive(Debug, Default)]
pub(super) struct Block {
    bytes: Vec<u8>,
    /// So many of the bytes count.
    filled: usize,
    pub(super) cuts: Vec<Cut>,
}

impl Block {
    /// All its bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.filled).unwrap_or_default()
    }

    pub(super) fn clear(&mut self) {
        self.filled = 0;
        self.cuts.clear();
    }

    fn append(&mut self, bytes: &[u8]) {
        self.bytes.truncate(self.filled);
        self.bytes.extend_from_slice(bytes);
        self.filled = self.bytes.len();
    }

    fn drop_front(&mut self, done: usize) {
        self.bytes.copy_within(done..self.filled, 0);
        self.filled -= done;
    }

    /// Appends the next bytes; true once there are no more.
    fn read_some(&mut self, input: &mut impl Read, most: usize) -> io::Result<bool> {
        let wanted = self.filled + most;
        if self.bytes.len() < wanted {
            // Cleared only here: a block is used again and again.
            self.bytes.resize(wanted, 0);
        }
        while self.filled < wanted {
            match input.read(self.bytes.get_mut(self.filled..wanted).unwrap_or_default()) {
                Ok(0) => return Ok(true),
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// A record's own bytes.
    pub(super) fn raw(&self, cut: Cut) -> &[u8] {
        self.bytes.get(cut.start..cut.end).unwrap_or_default()
    }
}

/// Cuts a text, block by block.
pub(super) struct Cutter<R> {
    input: R,
    delimiter: u8,
    mark: Mark,
    /// Bytes that are read at once.
    block: usize,
    /// The beginning of the next record, which the last block held.
    carried: Vec<u8>,
    /// Everything has been read.
    at_end: bool,
    /// What is wrong behind the records of the last block.
    fault: Option<InputProblem>,
}

impl<R: Read> Cutter<R> {
    /// Cuts an input that stands at `mark`.
    pub(super) fn new(input: R, delimiter: u8, mark: Mark) -> Self {
        Self { input, delimiter, mark, block: BLOCK, carried: Vec::new(), at_end: false, fault: None }
    }

    /// Fills the next block with at least one record; false at the end.
    ///
    /// # Errors
    /// A record that is too large, or a quote that is never closed: told once
    /// all records before it have been given out.
    pub(super) fn next(&mut self, block: &mut Block) -> Result<bool, InputProblem> {
        block.clear();
        if let Some(fault) = self.fault.take() {
            self.at_end = true;
            self.carried.clear();
            return Err(fault);
        }
        block.append(&self.carried);
        self.carried.clear();
        while block.cuts.is_empty() {
            if self.at_end && block.filled == 0 {
                return Ok(false);
            }
            if !self.at_end {
                self.at_end = block.read_some(&mut self.input, self.block)?;
            }
            let done = match self.cut(block) {
                Ok(done) => done,
                Err(fault) if block.cuts.is_empty() => return Err(fault),
                Err(fault) => {
                    self.fault = Some(fault);
                    return Ok(true);
                }
            };
            if block.cuts.is_empty() {
                block.drop_front(done);
            } else {
                self.carried.extend_from_slice(block.bytes().get(done..).unwrap_or_default());
            }
        }
        Ok(true)
    }

    /// Cuts what the block holds; gives where the record begins that is not whole yet.
    fn cut(&mut self, block: &mut Block) -> Result<usize, InputProblem> {
        let mut at = 0;
        loop {
            at = self.skip_line_ends(block.bytes(), at);
            let rest = block.bytes.get(at..block.filled).unwrap_or_default();
            if rest.is_empty() {
                return Ok(at);
            }
            let found = record_end(rest, self.delimiter, self.at_end);
            if let RecordEnd::Beyond = found {
                self.check_size(rest)?;
                return Ok(at);
            }
            let (length, quoted, ended) = match found {
                RecordEnd::Line { length, quoted } => (length, quoted, true),
                RecordEnd::Text { quoted } => (rest.len(), quoted, false),
                RecordEnd::Beyond => return Ok(at),
            };
            let raw = rest.get(..length).unwrap_or_default();
            self.check(raw, quoted, ended)?;
            let Mark { offset, rows, line, .. } = self.mark;
            block.cuts.push(Cut { start: at, end: at + length, offset, row: rows + 1, line, quoted });
            self.mark.offset += length as u64 + u64::from(ended);
            self.mark.rows += 1;
            self.mark.line += 1 + if quoted { line_breaks(raw) } else { 0 };
            self.mark.after_cr = ended && rest.get(length) == Some(&b'\r');
            at += length + usize::from(ended);
        }
    }

    /// Passes over blank lines and the LF of a CRLF.
    fn skip_line_ends(&mut self, bytes: &[u8], mut at: usize) -> usize {
        while let Some(&byte @ (b'\n' | b'\r')) = bytes.get(at) {
            let after_cr = std::mem::take(&mut self.mark.after_cr);
            if !(byte == b'\n' && after_cr) {
                self.mark.rows += 1;
                self.mark.line += 1;
                self.mark.after_cr = byte == b'\r';
            }
            self.mark.offset += 1;
            at += 1;
        }
        if at < bytes.len() {
            self.mark.after_cr = false;
        }
        at
    }

    /// What makes a whole record, and with it the rest of the file, unreadable.
    fn check(&self, raw: &[u8], quoted: bool, ended: bool) -> Result<(), InputProblem> {
        self.check_size(raw)?;
        if !ended
            && quoted
            && let Some(quote) = open_quote(raw, self.delimiter)
        {
            let line = self.line_of(raw, quote);
            return Err(InputProblem::OpenQuote { line, where_: " before the end of the file" });
        }
        if raw.len() >= MAX_CELLS {
            self.check_cells(raw)?;
        }
        Ok(())
    }

    /// A record that is too long, whole or not.
    fn check_size(&self, raw: &[u8]) -> Result<(), InputProblem> {
        if raw.len() <= MAX_RECORD {
            return Ok(());
        }
        if let Some(quote) = open_quote(raw, self.delimiter) {
            return Err(InputProblem::OpenQuote { line: self.line_of(raw, quote), where_: " within 1 MiB" });
        }
        // Then it is the delimiter.
        self.check_cells(raw)?;
        let what = "this line is longer than 4 MiB; the file does not look like a table, or its lines end otherwise \
                    than in CR, LF or both"
            .to_owned();
        Err(InputProblem::TooLarge { line: self.mark.line, what })
    }

    /// Too many cells; or a quoted field beyond the cap that runs over lines:
    /// it has swallowed rows, even where some later quote happens to close it.
    fn check_cells(&self, raw: &[u8]) -> Result<(), InputProblem> {
        let cells = spans(raw, self.delimiter);
        if cells.len() > MAX_CELLS {
            let what =
                format!("this line has more than {MAX_CELLS} cells; the delimiter is probably another one");
            return Err(InputProblem::TooLarge { line: self.mark.line, what });
        }
        for span in cells.into_iter().filter(|span| span.len() > MAX_FIELD) {
            if line_breaks(raw.get(span.clone()).unwrap_or_default()) > 0 {
                let line = self.line_of(raw, span.start);
                return Err(InputProblem::OpenQuote { line, where_: " within 1 MiB" });
            }
        }
        Ok(())
    }

    /// The physical line of a place in the record that begins at the mark.
    fn line_of(&self, raw: &[u8], at: usize) -> u64 {
        self.mark.line + line_breaks(raw.get(..at).unwrap_or_default())
    }
}

/// Where a record ends.
enum RecordEnd {
    /// At the line end behind so many bytes.
    Line { length: usize, quoted: bool },
    /// At the end of the text.
    Text { quoted: bool },
    /// Behind the bytes at hand.
    Beyond,
}

/// Finds the end of the record with which `bytes` begin. `is_all`: no more follow.
fn record_end(bytes: &[u8], delimiter: u8, is_all: bool) -> RecordEnd {
    let beyond = |quoted| if is_all { RecordEnd::Text { quoted } } else { RecordEnd::Beyond };
    let Some(mut at) = memchr3(b'\n', b'\r', b'"', bytes) else { return beyond(false) };
    if bytes.get(at) != Some(&b'"') {
        return RecordEnd::Line { length: at, quoted: false };
    }
    // From here on only quotes and line ends matter.
    loop {
        if bytes.get(at) == Some(&b'"') {
            // A quote is one only where a cell begins; within a cell it is text.
            let opens = at == 0 || bytes.get(at - 1) == Some(&delimiter);
            at += 1;
            if opens {
                match closing_quote(bytes, at, is_all) {
                    Some(behind) => at = behind,
                    None => return beyond(true),
                }
            }
        }
        let rest = bytes.get(at..).unwrap_or_default();
        match memchr3(b'"', b'\n', b'\r', rest) {
            None => return beyond(true),
            Some(next) if rest.get(next) == Some(&b'"') => at += next,
            Some(next) => return RecordEnd::Line { length: at + next, quoted: true },
        }
    }
}

/// The place behind the quote that closes the cell whose text begins at `from`;
/// none where it is not among the bytes at hand.
fn closing_quote(bytes: &[u8], from: usize, is_all: bool) -> Option<usize> {
    let mut at = from;
    loop {
        at += memchr(b'"', bytes.get(at..)?)? + 1;
        match bytes.get(at) {
            Some(b'"') => at += 1,
            Some(_) => return Some(at),
            None => return is_all.then_some(at),
        }
    }
}

#[cfg(test)]
#[path = "cutting_tests.rs"]
mod tests;
