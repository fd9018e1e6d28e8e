//! Delimited texts: dialect, places, cells, and the way back into a reject file.
#![no_main]

use std::io::Read;

use carafe_fuzz::model::{Cell, CellFault, Row};
use carafe_fuzz::tabular::{Form, ReadOptions, Source, TextForm};
use carafe_fuzz::{File, Seen, come_back, options_and_content, read_twice};

libfuzzer_sys::fuzz_target!(|input: &[u8]| check(input));

fn check(input: &[u8]) {
    let (options, content) = options_and_content(input);
    let file = File::new("in.csv", content);
    let Some((source, seen)) = read_twice(file.path(), content, &options) else { return };
    let Form::Text(form) = &source.dialect().form else { return };
    let text = Text { content, form, utf16: form.encoding.starts_with("utf-16") };
    text.begins_with_its_header(&source, &seen);
    text.rows_stand_where_they_say(&seen);
    text.another_reader_finds_the_same_cells(&source, &seen);
    let said = what_was_found(&source, &options, form);
    let again = Source::open(file.path(), &said).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(again.header(), source.header(), "the header is the same where it is said what was found");
    assert_eq!(Seen::of(&again), seen, "and so are the rows");
    // Where a mark of an earlier run stood first, what looks like a byte-order
    // mark in a name may come to stand there.
    let looks_marked = |header: &[u8]| {
        [&b"\xEF\xBB\xBF"[..], b"\xFF\xFE", b"\xFE\xFF"]
            .iter()
            .any(|mark| header.windows(mark.len()).any(|part| part == *mark))
    };
    if !looks_marked(&form.header) {
        come_back(&source, &seen, &said);
    }
}

/// The options that say what was found.
fn what_was_found(source: &Source, options: &ReadOptions, form: &TextForm) -> ReadOptions {
    ReadOptions {
        format: Some(source.dialect().format),
        encoding: Some(form.encoding.clone()),
        delimiter: Some(form.delimiter),
        header_row: source.dialect().header_row,
        ..options.clone()
    }
}

struct Text<'a> {
    content: &'a [u8],
    form: &'a TextForm,
    utf16: bool,
}

impl Text<'_> {
    /// The bytes in the form in which rows keep them: UTF-16 as UTF-8, as far
    /// as it is well-formed.
    fn plain(&self, bytes: &[u8]) -> Vec<u8> {
        if !self.utf16 {
            return bytes.to_vec();
        }
        let unit = |pair: &[u8]| match self.form.encoding.as_str() {
            "utf-16be" => u16::from_be_bytes([pair[0], pair[1]]),
            _ => u16::from_le_bytes([pair[0], pair[1]]),
        };
        let units: Vec<u16> = bytes.chunks_exact(2).map(unit).collect();
        String::from_utf16_lossy(&units).into_bytes()
    }

    fn mark(&self) -> usize {
        match (self.form.byte_order_mark, self.utf16) {
            (false, _) => 0,
            (true, true) => 2,
            (true, false) => 3,
        }
    }

    /// Mark, preamble, header and line end are all that stands before the rows.
    fn begins_with_its_header(&self, source: &Source, seen: &Seen) {
        let begins = seen.positions[0] as usize;
        let before = self.plain(&self.content[self.mark()..begins]);
        let head = [&self.form.preamble[..], &self.form.header].concat();
        if self.utf16 && std::str::from_utf8(&head).is_err() {
            return;
        }
        let Some(rest) = before.strip_prefix(&head[..]) else {
            panic!("the file begins {before:?}, its dialect with {head:?}")
        };
        if !source.header().columns.is_empty() {
            assert!(
                [&b""[..], b"\n", b"\r", b"\r\n"].contains(&rest),
                "{rest:?} is dropped behind the header"
            );
        }
    }

    /// A row's bytes stand in the file before its position, on its line, and
    /// between two rows there is nothing but blanks.
    fn rows_stand_where_they_say(&self, seen: &Seen) {
        let mut before = seen.positions[0] as usize;
        let mut lines = Lines::default();
        lines.pass(&self.plain(&self.content[self.mark()..before]));
        for (row, &end) in seen.rows.iter().zip(&seen.positions[1..]) {
            let end = end as usize;
            let length = if self.utf16 { self.length_in_utf16(row) } else { Some(row.raw.len()) };
            let Some(length) = length else { return };
            let begins = end - length;
            assert_eq!(self.plain(&self.content[begins..end]), row.raw, "row {}", row.number);
            let gap = self.plain(&self.content[before..begins]);
            self.is_blank(&gap);
            lines.pass(&gap);
            assert_eq!(row.line, lines.next(), "row {} begins on another line", row.number);
            assert!(row.number <= row.line);
            lines.pass(&row.raw);
            self.faults_name_their_byte(row);
            before = end;
        }
        if seen.error.is_none() {
            let rest = &self.content[before..];
            self.is_blank(&self.plain(rest));
            assert!(!self.utf16 || rest.len().is_multiple_of(2), "an odd byte at the end is dropped");
        }
    }

    fn length_in_utf16(&self, row: &Row) -> Option<usize> {
        std::str::from_utf8(&row.raw).ok().map(|text| text.encode_utf16().count() * 2)
    }

    /// Nothing that a person would miss. Of other encodings only ASCII is judged.
    fn is_blank(&self, gap: &[u8]) {
        let Ok(text) = std::str::from_utf8(gap) else { return };
        if !self.form.encoding.starts_with("utf") && !text.is_ascii() {
            return;
        }
        let blank = |c: char| c.is_whitespace() || c == '"' || c == self.form.delimiter;
        assert!(text.chars().all(blank), "{text:?} is in no row");
    }

    fn faults_name_their_byte(&self, row: &Row) {
        for at in 0..row.len() {
            if let Cell::Fault(CellFault::Undecodable { offset, byte }) = row.cell(at) {
                assert_eq!(self.content.get(offset as usize), Some(&byte), "row {}", row.number);
            }
        }
    }

    /// The csv crate, which knows nothing of rows and lines, reads the same.
    fn another_reader_finds_the_same_cells(&self, source: &Source, seen: &Seen) {
        if self.utf16 || seen.error.is_some() || source.header().columns.is_empty() {
            return;
        }
        let mut reader = csv::ReaderBuilder::new();
        reader.delimiter(self.form.delimiter as u8).has_headers(false).flexible(true);
        // It takes a byte-order mark off its first bytes, and there is none here.
        let text = b"\n".chain(&self.content[seen.positions[0] as usize..]);
        let mut records = reader.from_reader(text);
        let mut rows = seen.rows.iter().peekable();
        for record in records.byte_records() {
            let record = record.unwrap_or_else(|error| panic!("{error}"));
            let same = |row: &Row| {
                let cell = |at: usize| match row.cell(at) {
                    Cell::Blank => record.get(at).is_some_and(|cell| cell.is_empty()),
                    Cell::Text(text) if text.is_ascii() || self.form.encoding == "utf-8" => {
                        record.get(at) == Some(text.as_bytes())
                    }
                    _ => true,
                };
                (0..row.len()).all(cell)
            };
            if rows.peek().is_some_and(|row| same(row)) {
                rows.next();
                continue;
            }
            for cell in &record {
                self.is_blank(cell);
            }
        }
        assert!(rows.next().is_none(), "the csv crate does not find row {:?}", rows.next());
    }
}

/// Counts lines: CRLF, CR and LF end one each.
#[derive(Default)]
struct Lines {
    ended: u64,
    after_cr: bool,
}

impl Lines {
    fn pass(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.ended += u64::from(byte == b'\r' || (byte == b'\n' && !self.after_cr));
            self.after_cr = byte == b'\r';
        }
    }

    fn next(&self) -> u64 {
        self.ended + 1
    }
}
