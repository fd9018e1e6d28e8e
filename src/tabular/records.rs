//! Records of a delimited text, one after the other, with the bytes and the
//! place of each.
//!
//! The parsing is `csv_core`'s. What it skips is counted here: blank lines,
//! which have a row number, and the physical lines inside quotes.

use std::io::{self, Read};

use csv_core::{ReadFieldResult, ReadRecordResult, Reader, ReaderBuilder};

use super::error::InputProblem;
use super::splitting::filled_cells;

/// Most bytes of one field that holds line breaks; beyond it a quote was left open.
pub(super) const MAX_FIELD: usize = 1024 * 1024;
/// Most bytes of one record.
pub(super) const MAX_RECORD: usize = 4 * 1024 * 1024;
/// Most cells of one record: as many as a workbook's row has.
pub(super) const MAX_CELLS: usize = 16_384;

const BUFFER: usize = 128 * 1024;

/// Where the next record begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Bytes of the text before it, byte-order mark not counted.
    pub(super) offset: u64,
    /// Rows before it, blank ones too.
    pub(super) rows: u64,
    /// Its physical line, 1-based.
    pub(super) line: u64,
    /// The byte before it is a CR, so that an LF here belongs to that.
    pub(super) after_cr: bool,
}

impl Mark {
    /// The beginning of a text.
    pub(super) const START: Self = Self { offset: 0, rows: 0, line: 1, after_cr: false };
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Bytes of the text before it.
    pub(super) offset: u64,
    /// Its number, counted from 1.
    pub(super) row: u64,
    /// Its first physical line, 1-based.
    pub(super) line: u64,
}

/// Reads records.
pub(super) struct Records<R> {
    input: R,
    parser: Reader,
    delimiter: u8,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    mark: Mark,
    cells: Vec<u8>,
    ends: Vec<usize>,
    cells_len: usize,
    ends_len: usize,
}

impl<R: Read> Records<R> {
    /// Reads from an input that stands at `mark`.
    pub(super) fn new(input: R, delimiter: u8, mark: Mark) -> Self {
        Self {
            input,
            parser: parser(delimiter),
            delimiter,
            buffer: vec![0; BUFFER],
            start: 0,
            end: 0,
            mark,
            cells: vec![0; 16 * 1024],
            ends: vec![0; 256],
            cells_len: 0,
            ends_len: 0,
        }
    }

    /// Where the next record begins, blank lines and the LF of a CRLF not yet skipped.
    pub(super) fn mark(&self) -> Mark {
        self.mark
    }

    /// Where the next line begins, once the LF of a CRLF is passed.
    pub(super) fn after_line_end(&mut self) -> io::Result<Mark> {
        if self.mark.after_cr && (self.start < self.end || self.fill()?) {
            self.mark.after_cr = false;
            if self.buffer.get(self.start) == Some(&b'\n') {
                self.start += 1;
                self.mark.offset += 1;
            }
        }
        Ok(self.mark)
    }

    /// All cells of the last record, unquoted, one behind the other.
    pub(super) fn cells(&self) -> &[u8] {
        self.cells.get(..self.cells_len).unwrap_or_default()
    }

    /// Where each cell of the last record ends in [`Self::cells`].
    pub(super) fn ends(&self) -> &[usize] {
        self.ends.get(..self.ends_len).unwrap_or_default()
    }

    /// Cells of the last record, blank ones at its end not counted where
    /// they stand beyond `columns`.
    pub(super) fn filled_cells(&self, columns: usize) -> usize {
        filled_cells(self.cells(), self.ends(), columns)
    }

    /// Reads one record, its own bytes without the line end into `raw`;
    /// `None` at the end.
    pub(super) fn next(&mut self, raw: &mut Vec<u8>) -> Result<Option<Place>, InputProblem> {
        raw.clear();
        if !self.skip_blank_lines()? {
            return Ok(None);
        }
        let place = Place { offset: self.mark.offset, row: self.mark.rows + 1, line: self.mark.line };
        (self.cells_len, self.ends_len) = (0, 0);
        loop {
            let input = self.buffer.get(self.start..self.end).unwrap_or_default();
            let at_end = input.is_empty();
            let (result, read, written, ended) = self.parser.read_record(
                input,
                self.cells.get_mut(self.cells_len..).unwrap_or_default(),
                self.ends.get_mut(self.ends_len..).unwrap_or_default(),
            );
            raw.extend_from_slice(input.get(..read).unwrap_or_default());
            self.start += read;
            self.cells_len += written;
            self.ends_len += ended;
            match result {
                ReadRecordResult::InputEmpty => {
                    self.check_size(raw, place)?;
                    self.fill()?;
                }
                ReadRecordResult::OutputFull => self.cells.resize(self.cells.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.grow_ends(place)?,
                ReadRecordResult::Record => {
                    self.check_size(raw, place)?;
                    self.finish(raw, place, at_end)?;
                    return Ok(Some(place));
                }
                ReadRecordResult::End => return Ok(None),
            }
        }
    }

    /// Passes over line ends; false at the end of the input.
    fn skip_blank_lines(&mut self) -> io::Result<bool> {
        loop {
            if self.start == self.end && !self.fill()? {
                return Ok(false);
            }
            let after_cr = std::mem::take(&mut self.mark.after_cr);
            match self.buffer.get(self.start) {
                Some(b'\n') if after_cr => {}
                Some(&byte @ (b'\n' | b'\r')) => {
                    self.mark.rows += 1;
                    self.mark.line += 1;
                    self.mark.after_cr = byte == b'\r';
                }
                _ => return Ok(true),
            }
            self.start += 1;
            self.mark.offset += 1;
        }
    }

    /// Takes the line end off, and moves the mark behind the record.
    fn finish(&mut self, raw: &mut Vec<u8>, place: Place, at_end: bool) -> Result<(), InputProblem> {
        self.mark.offset += raw.len() as u64;
        self.mark.rows += 1;
        self.mark.line += 1;
        if at_end {
            if let Some(quote) = open_quote(raw, self.delimiter) {
                let line = place.line + line_breaks(raw.get(..quote).unwrap_or_default());
                return Err(InputProblem::OpenQuote { line, where_: " before the end of the file" });
            }
        } else {
            self.mark.after_cr = raw.pop() == Some(b'\r');
        }
        if raw.contains(&b'"') {
            self.mark.line += line_breaks(raw);
            self.check_fields(raw, place)?;
        }
        Ok(())
    }

    fn check_size(&self, raw: &[u8], place: Place) -> Result<(), InputProblem> {
        if raw.len() <= MAX_RECORD {
            return Ok(());
        }
        if let Some(quote) = open_quote(raw, self.delimiter) {
            let line = place.line + line_breaks(raw.get(..quote).unwrap_or_default());
            return Err(InputProblem::OpenQuote { line, where_: " within 1 MiB" });
        }
        let what = "this line is longer than 4 MiB; the file does not look like a table, or its lines end otherwise \
                    than in CR, LF or both"
            .to_owned();
        Err(InputProblem::TooLarge { line: place.line, what })
    }

    /// A quoted field beyond the cap that runs over lines has swallowed rows,
    /// even where some later quote happens to close it.
    fn check_fields(&self, raw: &[u8], place: Place) -> Result<(), InputProblem> {
        if raw.len() <= MAX_FIELD {
            return Ok(());
        }
        for span in spans(raw, self.delimiter) {
            let field = raw.get(span.clone()).unwrap_or_default();
            if field.len() > MAX_FIELD && line_breaks(field) > 0 {
                let line = place.line + line_breaks(raw.get(..span.start).unwrap_or_default());
                return Err(InputProblem::OpenQuote { line, where_: " within 1 MiB" });
            }
        }
        Ok(())
    }

    fn grow_ends(&mut self, place: Place) -> Result<(), InputProblem> {
        if self.ends.len() >= MAX_CELLS {
            let what =
                format!("this line has more than {MAX_CELLS} cells; the delimiter is probably another one");
            return Err(InputProblem::TooLarge { line: place.line, what });
        }
        self.ends.resize((self.ends.len() * 2).min(MAX_CELLS), 0);
        Ok(())
    }

    /// Reads the next bytes once all are used; false at the end.
    fn fill(&mut self) -> io::Result<bool> {
        (self.start, self.end) = (0, 0);
        loop {
            match self.input.read(&mut self.buffer) {
                Ok(read) => {
                    self.end = read;
                    return Ok(read > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// A parser that takes the bytes of a byte-order mark for what they are: the
/// file's own is passed before, and any other is part of a cell.
fn parser(delimiter: u8) -> Reader {
    let mut parser = ReaderBuilder::new().delimiter(delimiter).build();
    // The first bytes that a parser sees lose a byte-order mark. The file's own
    // was taken off on opening; any other is text of a cell.
    parser.read_field(b"\n", &mut [0]);
    parser
}

/// Line breaks in a text: CRLF, LF and CR count once each.
pub(super) fn line_breaks(bytes: &[u8]) -> u64 {
    let is_second = |at: &usize| at.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&b'\r');
    let ends = memchr::memchr2_iter(b'\n', b'\r', bytes);
    ends.filter(|at| bytes.get(*at) == Some(&b'\r') || !is_second(at)).count() as u64
}

/// Where the cells of one record stand in its bytes, quotes included,
/// delimiters not.
pub(super) fn spans(raw: &[u8], delimiter: u8) -> Vec<std::ops::Range<usize>> {
    let mut spans = Vec::new();
    walk(raw, delimiter, |span| spans.push(span));
    spans
}

/// The place of a quote that the record opens and never closes.
pub(super) fn open_quote(raw: &[u8], delimiter: u8) -> Option<usize> {
    let (last, open) = walk(raw, delimiter, |_| {});
    open.then_some(last)
}

/// Walks over the cells of a record. Returns where the last one begins and
/// whether it is an open quote.
fn walk(raw: &[u8], delimiter: u8, mut found: impl FnMut(std::ops::Range<usize>)) -> (usize, bool) {
    // Most records have no quote, and to make a parser costs more than to read them.
    if !raw.contains(&b'"') {
        let mut start = 0;
        for (at, _) in raw.iter().enumerate().filter(|&(_, &byte)| byte == delimiter) {
            found(start..at);
            start = at + 1;
        }
        found(start..raw.len());
        return (start, false);
    }
    let mut parser = parser(delimiter);
    let mut waste = [0_u8; 4096];
    let (mut start, mut at) = (0, 0);
    while let Some(rest) = raw.get(at..).filter(|rest| !rest.is_empty()) {
        let (result, read, _) = parser.read_field(rest, &mut waste);
        at += read;
        if let ReadFieldResult::Field { .. } = result {
            found(start..at.saturating_sub(1));
            start = at;
        }
    }
    // Inside quotes a delimiter is text; everywhere else it ends the field.
    let (result, _, _) = parser.read_field(&[delimiter], &mut waste);
    let open = !matches!(result, ReadFieldResult::Field { .. });
    found(start..raw.len());
    (start, open)
}

/// One cell's text without its quotes, in the file's encoding.
pub(super) fn unquoted(raw: &[u8], delimiter: u8) -> Vec<u8> {
    if !raw.contains(&b'"') {
        return raw.to_vec();
    }
    let mut parser = parser(delimiter);
    let mut out = vec![0_u8; raw.len() + 1];
    let (_, _, written) = parser.read_field(raw, &mut out);
    out.truncate(written);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    type Seen = (u64, u64, Vec<String>, String);

    fn read(text: &[u8], delimiter: u8) -> Result<Vec<Seen>, InputProblem> {
        let mut records = Records::new(text, delimiter, Mark::START);
        let (mut raw, mut all) = (Vec::new(), Vec::new());
        while let Some(place) = records.next(&mut raw)? {
            assert!(text[place.offset as usize..].starts_with(&raw), "the raw bytes stand at their place");
            let mut from = 0;
            let mut cells = Vec::new();
            for &end in records.ends() {
                cells.push(String::from_utf8_lossy(&records.cells()[from..end]).into_owned());
                from = end;
            }
            let parts: Vec<Vec<u8>> =
                spans(&raw, delimiter).into_iter().map(|s| unquoted(&raw[s], delimiter)).collect();
            assert_eq!(parts, cells.iter().map(|c| c.clone().into_bytes()).collect::<Vec<_>>());
            all.push((place.row, place.line, cells, String::from_utf8_lossy(&raw).into_owned()));
        }
        Ok(all)
    }

    fn numbers(text: &str) -> Vec<(u64, u64, String)> {
        read(text.as_bytes(), b',').unwrap().into_iter().map(|(row, line, _, raw)| (row, line, raw)).collect()
    }

    #[test]
    fn all_line_ends_are_understood_and_blank_lines_count() {
        let want = vec![(1, 1, "a,b".to_owned()), (2, 2, "1,2".into()), (5, 5, "3,4".into())];
        for end in ["\n", "\r\n", "\r"] {
            assert_eq!(numbers(&format!("a,b{end}1,2{end}{end}{end}3,4{end}")), want, "{end:?}");
            assert_eq!(numbers(&format!("a,b{end}1,2{end}{end}{end}3,4")), want, "{end:?}");
        }
        assert_eq!(numbers("a,b\r1,2\n\r\n\r\n3,4\r\n"), want);
        assert_eq!(numbers(""), []);
        assert_eq!(numbers("\r\n\n"), []);
    }

    #[test]
    fn a_quoted_line_break_is_a_line_but_no_row() {
        let seen = numbers("a,b\n\"x\ny\",\"1\r\n2\r3\"\nz,9\n");
        assert_eq!(seen[1], (2, 2, "\"x\ny\",\"1\r\n2\r3\"".into()));
        assert_eq!(seen[2], (3, 6, "z,9".into()));
    }

    #[test]
    fn quotes_are_taken_off_and_odd_ones_kept() {
        let seen = read(b"\"a \"\"b\"\"\";5\" disk; \"x\";\"\";\"q\"r\n", b';').unwrap();
        assert_eq!(seen[0].2, ["a \"b\"", "5\" disk", " \"x\"", "", "qr"]);
    }

    #[test]
    fn a_byte_order_mark_in_a_cell_is_text() {
        let seen = read("\u{FEFF}a,\u{FEFF}b\n\u{FEFF}\n".as_bytes(), b',').unwrap();
        assert_eq!(seen[0].2, ["\u{FEFF}a", "\u{FEFF}b"]);
        assert_eq!((seen[1].0, seen[1].1, seen[1].2.as_slice()), (2, 2, &["\u{FEFF}".to_owned()][..]));
    }

    #[test]
    fn a_byte_order_mark_inside_the_text_belongs_to_its_cell() {
        let text = "\u{FEFF}a,\u{FEFF}b\n\u{FEFF}c,\"\u{FEFF}d\"\n";
        let seen = read(text.as_bytes(), b',').unwrap();
        assert_eq!(seen[0].2, ["\u{FEFF}a", "\u{FEFF}b"]);
        assert_eq!(seen[1].2, ["\u{FEFF}c", "\u{FEFF}d"]);
    }

    #[test]
    fn an_open_quote_is_told_with_its_line() {
        for (text, line) in
            [("a,b\n1,\"x\ny\nz", 2), ("a,b\n1,2\n\"x\n\",\"", 4), ("\"", 1), ("a\n\"b\"\"\n", 2)]
        {
            match read(text.as_bytes(), b',') {
                Err(InputProblem::OpenQuote { line: told, .. }) => assert_eq!(told, line, "{text:?}"),
                other => panic!("{text:?}: {other:?}"),
            }
        }
        assert!(read(b"a,\"\"", b',').is_ok(), "an empty quoted cell at the very end is whole");
        assert!(read(b"a,b\"", b',').is_ok(), "a quote inside a cell opens nothing");
    }

    #[test]
    fn a_quote_that_swallows_the_file_stops_at_the_cap() {
        let text = format!("a,b\n1,2\n3,\"x\n{}", "4,5\n".repeat(2_000_000));
        let error = read(text.as_bytes(), b',').unwrap_err();
        assert!(matches!(error, InputProblem::OpenQuote { line: 3, .. }), "{error}");
        let closed = format!("a\n\"x\n{}\"\n", "y\n".repeat(600_000));
        let error = read(closed.as_bytes(), b',').unwrap_err();
        assert!(matches!(error, InputProblem::OpenQuote { line: 2, .. }), "{error}");
    }

    #[test]
    fn one_endless_line_and_endless_cells_are_refused() {
        let error = read(&vec![b'x'; 5 * 1024 * 1024], b',').unwrap_err();
        assert!(matches!(error, InputProblem::TooLarge { line: 1, .. }), "{error}");
        let error = read(&vec![b','; 100_000], b',').unwrap_err();
        assert!(error.to_string().contains("more than 16384 cells"), "{error}");
    }
}
