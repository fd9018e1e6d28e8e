//! Rejects of JSON Lines: the objects as they were, with the marks as
//! further members.

use std::io::{BufWriter, Write};
use std::path::PathBuf;

use super::charset::Charset;
use super::dialect::{Dialect, JsonForm};
use super::error::{OutputError, OutputProblem};
use super::json_line::{RAW, members};
use super::output::Output;
use super::reject::Mark;
use crate::model::{RESERVED_COLUMNS, Value, is_reserved};

pub(super) struct JsonRejects {
    output: BufWriter<Output>,
    charset: Charset,
    line_end: &'static str,
    /// The source's columns, until a line has told of them all.
    columns: Vec<String>,
    encoded: Vec<u8>,
}

impl JsonRejects {
    pub(super) fn begin(output: Output, dialect: &Dialect, form: &JsonForm) -> Result<Self, OutputError> {
        let charset = Charset::from_label(&form.encoding)
            .map_err(|told| OutputProblem::Content(told).of(output.target()))?;
        let own = dialect.columns.iter().map(|column| column.name.as_str());
        let mut rejects = Self {
            output: BufWriter::new(output),
            charset,
            line_end: form.line_end.as_str(),
            columns: own.filter(|name| *name != RAW && !is_reserved(name)).map(str::to_owned).collect(),
            encoded: Vec::new(),
        };
        if form.byte_order_mark {
            rejects.put(|charset, out| out.extend_from_slice(charset.mark()))?;
        }
        Ok(rejects)
    }

    pub(super) fn write(&mut self, raw: &[u8], mark: &Mark<'_>) -> Result<(), OutputError> {
        let mut line = opened(raw);
        self.push_other_columns(raw, &mut line);
        let empty = line.trim_ascii_end().ends_with(b"{");
        push_marks(mark, empty, &mut line);
        line.extend_from_slice(self.line_end.as_bytes());
        self.put(|charset, out| charset.push_raw(&line, out))
    }

    /// The columns of JSON Lines are the keys of its lines. What only accepted
    /// rows had would be gone from the rejects, and a mapping that names it
    /// would no longer fit: so the first line has them all, as null.
    fn push_other_columns(&mut self, raw: &[u8], line: &mut Vec<u8>) {
        let missing = std::mem::take(&mut self.columns);
        let known = members(raw).unwrap_or_default();
        for name in missing.iter().filter(|name| known.iter().all(|member| member.key != **name)) {
            let comma = if line.trim_ascii_end().ends_with(b"{") { "" } else { "," };
            line.extend_from_slice(format!("{comma}{}:null", json(name)).as_bytes());
        }
    }

    pub(super) fn finish(self) -> Result<PathBuf, OutputError> {
        let target = self.output.get_ref().target().to_owned();
        let output = self.output.into_inner();
        output.map_err(|error| OutputProblem::from(error.into_error()).of(&target))?.commit()
    }

    fn put(&mut self, fill: impl FnOnce(Charset, &mut Vec<u8>)) -> Result<(), OutputError> {
        self.encoded.clear();
        fill(self.charset, &mut self.encoded);
        let done = self.output.write_all(&self.encoded);
        done.map_err(|error| OutputProblem::from(error).of(self.output.get_ref().target()))
    }
}

/// The line's object without its closing brace: byte for byte, but for marks
/// of an earlier run, which are left out. A line that is no object, or holds
/// one that never was, becomes the text `_raw`.
fn opened(raw: &[u8]) -> Vec<u8> {
    let Ok(members) = members(raw) else {
        return match held_before(raw) {
            Some(text) => format!("{{\"{RAW}\":{text}").into_bytes(),
            // Bytes that are not UTF-8 cannot stand in JSON at all.
            None => format!("{{\"{RAW}\":{}", json(&String::from_utf8_lossy(raw))).into_bytes(),
        };
    };
    if !members.iter().any(|member| is_reserved(&member.key)) {
        let whole = raw.trim_ascii_end();
        return whole.strip_suffix(b"}").unwrap_or(whole).to_vec();
    }
    let own = members.iter().filter(|member| !is_reserved(&member.key));
    let own: Vec<String> = own.map(|member| format!("{}:{}", json(&member.key), member.value)).collect();
    format!("{{{}", own.join(",")).into_bytes()
}

/// The JSON text of `_raw` in a rejected line that is fed back uncorrected.
fn held_before(raw: &[u8]) -> Option<String> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(raw).ok()?;
    let only_marks = object.iter().all(|(key, value)| key == RAW || is_reserved(key) || value.is_null());
    object.get(RAW).filter(|text| only_marks && text.is_string()).map(ToString::to_string)
}

fn push_marks(mark: &Mark<'_>, empty: bool, line: &mut Vec<u8>) {
    let [row, names @ ..] = &RESERVED_COLUMNS;
    let comma = if empty { "" } else { "," };
    line.extend_from_slice(format!("{comma}\"{row}\":{}", mark.row).as_bytes());
    for (name, text) in names.iter().zip(mark.texts()) {
        line.extend_from_slice(format!(",\"{name}\":{}", json(text)).as_bytes());
    }
    line.push(b'}');
}

fn json(text: &str) -> String {
    Value::from(text).to_json()
}
