//! Writing records: CSV and JSON Lines, into a file or to standard output.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::error::{OutputError, OutputProblem};
use super::output::Output;
use crate::model::{Field, Notice, Value, guard};

/// Takes records of one object, one after the other.
pub trait RecordWriter {
    /// Writes one record: its values in the order of the fields that the
    /// writer was made with. Missing values are null; more are an error.
    fn write(&mut self, values: &[Value]) -> Result<(), OutputError>;

    /// Completes what is written, and tells what is worth knowing about it.
    fn finish(self: Box<Self>) -> Result<Vec<Notice>, OutputError>;
}

/// How a CSV is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CsvOptions {
    /// Begin with a byte-order mark, by which Excel knows UTF-8.
    pub excel: bool,
    /// Put a `'` before texts that a spreadsheet could take for a formula.
    pub guard: bool,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self { excel: false, guard: true }
    }
}

/// Where text records go.
enum Sink<'w> {
    File(BufWriter<Output>),
    /// With the name to use in messages.
    Stream(BufWriter<Box<dyn Write + 'w>>, PathBuf),
}

impl Sink<'_> {
    fn name(&self) -> PathBuf {
        match self {
            Self::File(output) => output.get_ref().target().to_owned(),
            Self::Stream(_, name) => name.clone(),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        let done = match self {
            Self::File(output) => output.write_all(bytes),
            Self::Stream(stream, _) => stream.write_all(bytes),
        };
        done.map_err(|error| OutputProblem::from(error).of(&self.name()))
    }

    fn finish(self) -> Result<(), OutputError> {
        match self {
            Self::File(output) => {
                let target = output.get_ref().target().to_owned();
                let output = output
                    .into_inner()
                    .map_err(|error| OutputProblem::from(error.into_error()).of(&target))?;
                output.commit().map(drop)
            }
            Self::Stream(mut stream, name) => {
                stream.flush().map_err(|error| OutputProblem::from(error).of(&name))
            }
        }
    }
}

/// A place for text records: a file in the making, or a stream.
pub struct TextTarget<'w>(Sink<'w>);

impl From<Output> for TextTarget<'_> {
    fn from(output: Output) -> Self {
        Self(Sink::File(BufWriter::new(output)))
    }
}

impl<'w> TextTarget<'w> {
    /// A stream, with the name that messages give it.
    pub fn stream(stream: impl Write + 'w, name: &str) -> Self {
        Self(Sink::Stream(BufWriter::new(Box::new(stream)), Path::new(name).to_owned()))
    }
}

/// Writes CSV: UTF-8, commas, LF, quotes where needed, the fields' names as header.
pub fn csv_writer<'w>(
    target: impl Into<TextTarget<'w>>,
    fields: &[Field],
    options: CsvOptions,
) -> Result<Box<dyn RecordWriter + 'w>, OutputError> {
    let mut writer =
        CsvRecords { sink: target.into().0, options, columns: fields.len(), line: line_writer() };
    if options.excel {
        writer.sink.write("\u{FEFF}".as_bytes())?;
    }
    writer.line(fields.iter().map(|field| field.name.as_str().into()))?;
    Ok(Box::new(writer))
}

struct CsvRecords<'w> {
    sink: Sink<'w>,
    options: CsvOptions,
    columns: usize,
    line: Option<csv::Writer<Vec<u8>>>,
}

fn line_writer() -> Option<csv::Writer<Vec<u8>>> {
    Some(
        csv::WriterBuilder::new()
            .terminator(csv::Terminator::Any(b'\n'))
            .flexible(true)
            .from_writer(Vec::new()),
    )
}

impl CsvRecords<'_> {
    fn line<'a>(
        &mut self,
        cells: impl Iterator<Item = std::borrow::Cow<'a, str>>,
    ) -> Result<(), OutputError> {
        let mut writer = self.line.take().or_else(line_writer);
        let bytes = writer.as_mut().and_then(|writer| {
            for cell in cells {
                writer.write_field(cell.as_bytes()).ok()?;
            }
            writer.write_record(None::<&[u8]>).ok()?;
            writer.flush().ok()
        });
        let Some(writer) = writer.filter(|_| bytes.is_some()) else {
            return Err(OutputProblem::Content("a record cannot be written".to_owned()).of(&self.sink.name()));
        };
        self.sink.write(writer.get_ref())
    }
}

impl RecordWriter for CsvRecords<'_> {
    fn write(&mut self, values: &[Value]) -> Result<(), OutputError> {
        fits(values, self.columns, || self.sink.name())?;
        let guarded = self.options.guard;
        let cells = (0..self.columns).map(|at| match values.get(at) {
            Some(Value::Text(text)) if guarded => guard(text),
            Some(value) => value.to_text(),
            None => "".into(),
        });
        self.line(cells)
    }

    fn finish(self: Box<Self>) -> Result<Vec<Notice>, OutputError> {
        self.sink.finish().map(|()| Vec::new())
    }
}

/// Writes JSON Lines: one object a record, fields in their order, numbers exact.
pub fn jsonl_writer<'w>(
    target: impl Into<TextTarget<'w>>,
    fields: &[Field],
) -> Result<Box<dyn RecordWriter + 'w>, OutputError> {
    let keys = fields.iter().map(|field| Value::from(field.name.as_str()).to_json()).collect();
    Ok(Box::new(JsonRecords { sink: target.into().0, keys, line: String::new() }))
}

struct JsonRecords<'w> {
    sink: Sink<'w>,
    /// The names as JSON strings.
    keys: Vec<String>,
    line: String,
}

impl RecordWriter for JsonRecords<'_> {
    fn write(&mut self, values: &[Value]) -> Result<(), OutputError> {
        fits(values, self.keys.len(), || self.sink.name())?;
        self.line.clear();
        for (at, key) in self.keys.iter().enumerate() {
            self.line.push(if at == 0 { '{' } else { ',' });
            self.line.push_str(key);
            self.line.push(':');
            values.get(at).unwrap_or(&Value::Null).write_json(&mut self.line);
        }
        self.line.push_str(if self.keys.is_empty() { "{}\n" } else { "}\n" });
        self.sink.write(self.line.as_bytes())
    }

    fn finish(self: Box<Self>) -> Result<Vec<Notice>, OutputError> {
        self.sink.finish().map(|()| Vec::new())
    }
}

/// A record with more values than fields would lose some.
pub(super) fn fits(values: &[Value], fields: usize, name: impl Fn() -> PathBuf) -> Result<(), OutputError> {
    if values.len() <= fields {
        return Ok(());
    }
    let told = format!("a record has {} values for {fields} fields", values.len());
    Err(OutputProblem::Content(told).of(&name()))
}
