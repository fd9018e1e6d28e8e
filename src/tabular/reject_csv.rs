//! Rejects of a delimited text: the bytes of each row as they were.

use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::PathBuf;

use super::charset::Charset;
use super::dialect::{Dialect, TextForm};
use super::error::{OutputError, OutputProblem};
use super::output::Output;
use super::records::{spans, unquoted};
use super::reject::Mark;
use crate::model::{EXTRA_COLUMN, RESERVED_COLUMNS, is_reserved};

pub(super) struct CsvRejects {
    output: BufWriter<Output>,
    charset: Charset,
    delimiter: u8,
    line_end: &'static str,
    /// Cells of the header's line.
    width: usize,
    /// Places of marks from an earlier run, which are replaced.
    old_marks: Vec<usize>,
    /// Where an earlier run put cells beyond the header.
    old_extra: Option<usize>,
    extra: bool,
    /// The line in the making, in the inner text form.
    line: Vec<u8>,
    encoded: Vec<u8>,
}

impl CsvRejects {
    pub(super) fn begin(
        output: Output,
        dialect: &Dialect,
        form: &TextForm,
        extra: bool,
    ) -> Result<Self, OutputError> {
        let charset = Charset::from_label(&form.encoding)
            .map_err(|told| OutputProblem::Content(told).of(output.target()))?;
        let marks = dialect.columns.iter().filter(|column| is_reserved(&column.name));
        let mut rejects = Self {
            output: BufWriter::new(output),
            charset,
            delimiter: u8::try_from(form.delimiter).unwrap_or(b','),
            line_end: form.line_end.as_str(),
            width: form.width,
            old_marks: marks.map(|column| column.place).collect(),
            old_extra: dialect.reserved(EXTRA_COLUMN).and_then(|at| Some(dialect.columns.get(at)?.place)),
            extra,
            line: Vec::new(),
            encoded: Vec::new(),
        };
        if form.byte_order_mark {
            rejects.put(|_, out| out.extend_from_slice(charset.mark()))?;
        }
        rejects.put(|charset, out| charset.push_raw(&form.preamble, out))?;
        rejects.line.clear();
        rejects.own_cells(&form.header);
        for name in RESERVED_COLUMNS.iter().take(if extra { 6 } else { 5 }) {
            rejects.mark_cell(name);
        }
        rejects.end_line()?;
        Ok(rejects)
    }

    pub(super) fn write(&mut self, raw: &[u8], mark: &Mark<'_>) -> Result<(), OutputError> {
        self.line.clear();
        let surplus = self.own_cells(raw);
        self.mark_cell(&mark.row.to_string());
        for text in mark.texts() {
            self.mark_cell(text);
        }
        if self.extra {
            let surplus = self.surplus(raw, surplus);
            self.line.push(self.delimiter);
            quote_into(&surplus, self.delimiter, &mut self.line);
        }
        self.end_line()
    }

    pub(super) fn finish(self) -> Result<PathBuf, OutputError> {
        let target = self.output.get_ref().target().to_owned();
        let output = self.output.into_inner();
        output.map_err(|error| OutputProblem::from(error.into_error()).of(&target))?.commit()
    }

    /// Appends the row's own cells, as many as the header has, but for
    /// earlier marks. Returns where the cells beyond begin, if any.
    fn own_cells(&mut self, raw: &[u8]) -> Option<Range<usize>> {
        let cells = spans(raw, self.delimiter);
        let fits = cells.len() <= self.width;
        let last = cells.get(self.width.saturating_sub(1)).map_or(raw.len(), |span| span.end);
        if self.old_marks.is_empty() {
            self.line.extend_from_slice(raw.get(..last).unwrap_or(raw));
            let missing = self.width.saturating_sub(cells.len());
            self.line.extend(std::iter::repeat_n(self.delimiter, missing));
        } else {
            let mut first = true;
            for at in (0..self.width).filter(|at| !self.old_marks.contains(at)) {
                if !std::mem::take(&mut first) {
                    self.line.push(self.delimiter);
                }
                let cell = cells.get(at).and_then(|span| raw.get(span.clone())).unwrap_or_default();
                self.line.extend_from_slice(cell);
            }
        }
        (!fits).then(|| last.saturating_add(1)..raw.len())
    }

    /// The cells beyond the header's width as one cell that holds them as a
    /// list, behind those that an earlier run put there; nothing where all are blank.
    fn surplus(&self, raw: &[u8], span: Option<Range<usize>>) -> Vec<u8> {
        let cell = |span| unquoted(raw.get::<Range<usize>>(span).unwrap_or_default(), self.delimiter);
        let earlier = self.old_extra.and_then(|at| spans(raw, self.delimiter).into_iter().nth(at));
        let mut surplus = earlier.map(cell).unwrap_or_default();
        let rest = span.and_then(|span| raw.get(span)).unwrap_or_default();
        let filled = spans(rest, self.delimiter).into_iter().any(|span| {
            !unquoted(rest.get(span).unwrap_or_default(), self.delimiter).trim_ascii().is_empty()
        });
        if filled {
            if !surplus.is_empty() {
                surplus.push(self.delimiter);
            }
            surplus.extend_from_slice(rest);
        }
        surplus
    }

    fn mark_cell(&mut self, text: &str) {
        let mut encoded = Vec::with_capacity(text.len());
        self.charset.push_text(text, &mut encoded);
        self.line.push(self.delimiter);
        quote_into(&encoded, self.delimiter, &mut self.line);
    }

    fn end_line(&mut self) -> Result<(), OutputError> {
        let mut line = std::mem::take(&mut self.line);
        line.extend_from_slice(self.line_end.as_bytes());
        let done = self.put(|charset, out| charset.push_raw(&line, out));
        self.line = line;
        done
    }

    fn put(&mut self, fill: impl FnOnce(Charset, &mut Vec<u8>)) -> Result<(), OutputError> {
        self.encoded.clear();
        fill(self.charset, &mut self.encoded);
        let done = self.output.write_all(&self.encoded);
        done.map_err(|error| OutputProblem::from(error).of(self.output.get_ref().target()))
    }
}

/// Appends a cell, in quotes where it needs them.
fn quote_into(cell: &[u8], delimiter: u8, out: &mut Vec<u8>) {
    let needs = cell.iter().any(|&byte| byte == delimiter || b"\"\r\n".contains(&byte));
    if !needs {
        out.extend_from_slice(cell);
        return;
    }
    out.push(b'"');
    for &byte in cell {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}
