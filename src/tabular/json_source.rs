//! Opening JSON Lines: one object a line, a column for every key.
//!
//! The keys of all lines are the columns, in the order in which they are
//! first seen, so the whole file is read once on opening. There is no header
//! row: line 1 is row 1.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::charset::Charset;
use super::csv_source::{MAX_COLUMNS, TextInput};
use super::dialect::{Dialect, DialectColumn, Form, JsonForm, LineEnd};
use super::error::InputProblem;
use super::json_line::{Member, beside_held, members};
use super::options::{Format, ReadOptions};
use super::records::MAX_RECORD;
use super::scan::{Scan, decide};
use super::source::Opened;
use crate::model::{Column, Header, Notice};

/// JSON Lines whose columns are known.
pub(super) struct JsonSource {
    pub(super) charset: Charset,
    /// Length of the byte-order mark.
    pub(super) mark: u64,
    /// Where each key's value goes.
    pub(super) places: Arc<HashMap<String, usize>>,
}

/// Opens a file that was scanned before.
pub(super) fn open(
    path: &Path,
    options: &ReadOptions,
    scan: &Scan,
) -> Result<Opened<JsonSource>, InputProblem> {
    let found = decide(scan, options.encoding.as_deref()).map_err(InputProblem::Encoding)?;
    let (charset, notices) = match found.charset {
        // A guess is no help: JSON is UTF-8, and a line that is not is refused alone.
        Charset::Legacy(_) if options.encoding.is_none() => (Charset::Utf8, Vec::new()),
        Charset::Legacy(_) => {
            let told = format!(
                "JSON Lines are UTF-8 and not read in {}; save the file as UTF-8",
                found.charset.name()
            );
            return Err(InputProblem::Encoding(told));
        }
        charset => (charset, found.notices),
    };
    let mut lines = Lines::new(TextInput::open(path, charset, found.mark as u64)?);
    let mut columns: Vec<Column> = Vec::new();
    let mut places = HashMap::new();
    let (mut line, mut line_end, mut wrong) = (Vec::new(), None, 0_u64);
    while lines.next(&mut line)?.is_some() {
        line_end = line_end.or(lines.end);
        let members = match members(&line) {
            Ok(members) => members,
            Err(_) => {
                wrong += 1;
                // The first line of a reject file tells of all columns that its source had.
                beside_held(&line)
            }
        };
        for Member { key, .. } in members {
            if places.contains_key(key.as_ref()) {
                continue;
            }
            if columns.len() >= MAX_COLUMNS {
                let told = format!("the objects have more than {MAX_COLUMNS} different keys");
                return Err(InputProblem::Header(told));
            }
            places.insert(key.to_string(), columns.len());
            columns.push(Column { name: key.into_owned(), place: columns.len() });
        }
    }
    if columns.is_empty() && wrong > 0 {
        let told =
            "no line of this file is a JSON object; write one object a line, or save the data as CSV or XLSX";
        return Err(InputProblem::WrongContent(told.to_owned()));
    }
    let dialect = Dialect {
        format: Format::Jsonl,
        header_row: 0,
        columns: columns.iter().map(|c| DialectColumn { name: c.name.clone(), place: c.place }).collect(),
        form: Form::Json(JsonForm {
            encoding: charset.name(),
            byte_order_mark: found.mark > 0,
            line_end: line_end.unwrap_or(LineEnd::Lf),
        }),
    };
    let source = JsonSource { charset, mark: found.mark as u64, places: Arc::new(places) };
    Ok(Opened { source, header: Header { sheet: None, columns }, dialect, notices: unused(options, notices) })
}

/// Options that say nothing here are told, so that nobody relies on them.
fn unused(options: &ReadOptions, mut notices: Vec<Notice>) -> Vec<Notice> {
    if options.header_row > 1 {
        notices.push(Notice("JSON Lines have no header row; header_row is passed over".to_owned()));
    }
    notices
}

/// Reads filled lines, whichever way they end.
pub(super) struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    start: usize,
    filled: usize,
    number: u64,
    after_cr: bool,
    /// Bytes of the text that are done.
    pub(super) done: u64,
    /// What ended the last line; nothing at the end of the file.
    pub(super) end: Option<LineEnd>,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(input: R) -> Self {
        let buffer = vec![0; 128 * 1024];
        Self { input, buffer, start: 0, filled: 0, number: 0, after_cr: false, done: 0, end: None }
    }

    /// Reads the next line that holds more than blanks, without its end, and
    /// gives its number, counted from 1.
    pub(super) fn next(&mut self, line: &mut Vec<u8>) -> Result<Option<u64>, InputProblem> {
        loop {
            line.clear();
            let more = self.read_line(line)?;
            if !line.trim_ascii().is_empty() {
                return Ok(Some(self.number));
            }
            if !more {
                return Ok(None);
            }
        }
    }

    /// False at the end of the file, where a last line without an end may stand.
    fn read_line(&mut self, line: &mut Vec<u8>) -> Result<bool, InputProblem> {
        self.number += 1;
        loop {
            if self.start == self.filled && !self.fill()? {
                self.end = None;
                return Ok(false);
            }
            let rest = self.buffer.get(self.start..self.filled).unwrap_or_default();
            if std::mem::take(&mut self.after_cr) && rest.first() == Some(&b'\n') {
                self.step(1);
                continue;
            }
            let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            line.extend_from_slice(rest.get(..end.unwrap_or(rest.len())).unwrap_or_default());
            if line.len() > MAX_RECORD {
                let what = "this line is longer than 4 MiB; JSON Lines hold one object a line".to_owned();
                return Err(InputProblem::TooLarge { line: self.number, what });
            }
            let Some(end) = end else {
                self.step(rest.len());
                continue;
            };
            self.end = LineEnd::at_start(rest.get(end..).unwrap_or_default());
            self.after_cr = rest.get(end) == Some(&b'\r');
            self.step(end + 1);
            return Ok(true);
        }
    }

    fn step(&mut self, bytes: usize) {
        self.start += bytes;
        self.done += bytes as u64;
    }

    fn fill(&mut self) -> Result<bool, InputProblem> {
        (self.start, self.filled) = (0, 0);
        loop {
            match self.input.read(&mut self.buffer) {
                Ok(read) => {
                    self.filled = read;
                    return Ok(read > 0);
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &[u8]) -> Vec<(u64, String)> {
        let mut lines = Lines::new(text);
        let (mut line, mut all) = (Vec::new(), Vec::new());
        while let Some(number) = lines.next(&mut line).unwrap() {
            all.push((number, String::from_utf8_lossy(&line).into_owned()));
        }
        assert_eq!(lines.done, text.len() as u64);
        all
    }

    #[test]
    fn lines_end_in_any_way_and_blank_ones_count() {
        for end in ["\n", "\r\n", "\r"] {
            for last in ["", end] {
                let seen = of(format!("a{end}{end} \t{end}b{last}").as_bytes());
                assert_eq!(seen, [(1, "a".to_owned()), (4, "b".to_owned())], "{end:?}");
            }
        }
        assert_eq!(of(b""), []);
        assert_eq!(of(b"\n\n"), []);
    }

    #[test]
    fn an_endless_line_is_refused() {
        let text = vec![b'x'; MAX_RECORD + 1];
        assert!(matches!(
            Lines::new(text.as_slice()).next(&mut Vec::new()),
            Err(InputProblem::TooLarge { line: 1, .. })
        ));
    }
}
