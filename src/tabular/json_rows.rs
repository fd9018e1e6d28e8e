//! A pass over the lines of JSON Lines.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::charset::Charset;
use super::csv_source::TextInput;
use super::error::InputProblem;
use super::json_line::{Member, beside_held, members, text_of};
use super::json_source::{JsonSource, Lines};
use super::records::MAX_FIELD;
use super::utf16::source_bytes;
use crate::model::{Cell, CellFault, Number, Row, RowFault};

/// Reads rows of JSON Lines.
pub(super) struct JsonRows {
    lines: Lines<TextInput>,
    places: Arc<HashMap<String, usize>>,
    utf16: bool,
    /// Bytes of the file that are done.
    position: u64,
}

impl JsonRows {
    pub(super) fn start(path: &Path, source: &JsonSource) -> Result<Self, InputProblem> {
        Ok(Self {
            lines: Lines::new(TextInput::open(path, source.charset, source.mark)?),
            places: Arc::clone(&source.places),
            utf16: source.charset != Charset::Utf8,
            position: source.mark,
        })
    }

    /// Bytes of the file that are done.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Fills the next filled row; false at the end.
    pub(super) fn read(&mut self, row: &mut Row) -> Result<bool, InputProblem> {
        loop {
            row.reset(0, 0);
            let before = self.lines.done;
            let found = self.lines.next(&mut row.raw)?;
            let read = self.lines.done - before;
            // In UTF-16 the line itself is measured and all else, line ends
            // and blanks, is ASCII.
            let line = row.raw.len() as u64;
            self.position += if self.utf16 { source_bytes(&row.raw) + (read - line) * 2 } else { read };
            let Some(number) = found else { return Ok(false) };
            (row.number, row.line) = (number, number);
            let raw = std::mem::take(&mut row.raw);
            match members(&raw) {
                Ok(members) => self.fill(row, &members),
                Err(why) => {
                    // What a reject file says of the line stays true of it.
                    let marks = beside_held(&raw);
                    if !marks.is_empty() {
                        self.fill(row, &marks);
                    }
                    row.fault = Some(RowFault::NotJson(why));
                }
            }
            row.raw = raw;
            if row.fault.is_some() || !row.is_blank() {
                return Ok(true);
            }
        }
    }

    fn fill(&self, row: &mut Row, members: &[Member<'_>]) {
        let mut cells: Vec<&str> = vec!["null"; self.places.len()];
        for member in members {
            match self.places.get(member.key.as_ref()).and_then(|&place| cells.get_mut(place)) {
                Some(cell) => *cell = member.value,
                // All keys were seen on opening; only a file that changed has others.
                None => {
                    row.fault = Some(RowFault::NotJson("it has a key that was not there before".to_owned()))
                }
            }
        }
        cells.iter().for_each(|value| push(row, value));
    }
}

/// Appends a value: texts, numbers with all their digits, true and false as
/// what they are; lists and objects as their JSON.
fn push(row: &mut Row, value: &str) {
    if value.len() > MAX_FIELD {
        return row.push(Cell::Fault(CellFault::TooLong));
    }
    match value.as_bytes().first() {
        Some(b'"') => match text_of(value) {
            Ok(text) => row.push(Cell::Text(&text)),
            Err(_) => row.push(Cell::Text(value)),
        },
        Some(b't') => row.push(Cell::Bool(true)),
        Some(b'f') => row.push(Cell::Bool(false)),
        Some(b'-' | b'0'..=b'9') => push_number(row, value),
        Some(b'[' | b'{') => row.push(Cell::Text(value)),
        _ => row.push(Cell::Blank),
    }
}

/// Without an exponent the digits stay as they are; `1e400` is more than any
/// field holds and goes as its text, to be refused where a number is wanted.
fn push_number(row: &mut Row, value: &str) {
    if !value.contains(['e', 'E']) {
        return row.push(Cell::Number(value));
    }
    match Number::parse(value) {
        Some(number) => row.push(Cell::Number(number.as_str())),
        None => row.push(Cell::Text(value)),
    }
}
