//! Writing records: CSV and JSON Lines, into a file or to standard output.

use std::borrow::Cow;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::charset::Charset;
use super::encoding::Encoding;
use super::error::{OutputError, OutputProblem};
use super::output::Output;
use crate::model::{Field, Notice, Value, ValueRef, guard};

/// Bytes of CSV that are written at once.
const CSV_BUFFER: usize = 64 << 10;

/// Takes records of one object, one after the other.
pub trait RecordWriter {
    /// Writes one record: its values in the order of the fields that the
    /// writer was made with. Missing values are null; more are an error.
    fn write_refs(&mut self, values: &[ValueRef<'_>]) -> Result<(), OutputError>;

    /// The same with values that have texts of their own.
    fn write(&mut self, values: &[Value]) -> Result<(), OutputError> {
        let values: Vec<ValueRef<'_>> = values.iter().map(ValueRef::from).collect();
        self.write_refs(&values)
    }

    /// How many texts of a field got a `'` in front that they have not in the CRM, by field.
    fn guarded(&self) -> Vec<(String, u64)> {
        Vec::new()
    }

    /// The lines of opportunities that were written beside their records, by a writer that does so.
    fn lines(&self) -> LinesWritten {
        LinesWritten::default()
    }

    /// Completes what is written, and tells what is worth knowing about it.
    fn finish(self: Box<Self>) -> Result<Vec<Notice>, OutputError>;
}

/// What was written of the lines of opportunities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinesWritten {
    /// How many of them.
    pub records: u64,
    /// As [`RecordWriter::guarded`].
    pub guarded: Vec<(String, u64)>,
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

/// What a CSV looks like beside what every one has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CsvLook {
    /// What stands between two cells: an ASCII character.
    delimiter: u8,
    charset: Charset,
    /// Blank lines above the header.
    lines_above: u32,
}

impl Default for CsvLook {
    fn default() -> Self {
        Self { delimiter: b',', charset: Charset::Utf8, lines_above: 0 }
    }
}

impl CsvLook {
    /// The same with so many blank lines above the header.
    pub fn below(self, lines_above: u32) -> Self {
        Self { lines_above, ..self }
    }

    /// The same with another delimiter.
    ///
    /// # Errors
    /// A sentence: no file can be read with it.
    pub fn delimited(self, delimiter: char) -> Result<Self, String> {
        match u8::try_from(delimiter).ok().filter(|byte| byte.is_ascii() && !b"\"\r\n".contains(byte)) {
            Some(delimiter) => Ok(Self { delimiter, ..self }),
            None => Err("a delimiter is an ASCII character, and neither a quote nor a line break".to_owned()),
        }
    }

    /// The same in another encoding.
    ///
    /// # Errors
    /// A sentence: there is none of that name.
    pub fn encoded(self, label: &str) -> Result<Self, String> {
        Ok(Self { charset: Charset::from_label(label)?, ..self })
    }

    /// The encoding's name.
    pub fn encoding(&self) -> String {
        self.charset.name()
    }

    /// Whether it is UTF-8.
    pub fn is_utf8(&self) -> bool {
        self.charset == Charset::Utf8
    }

    /// The first character of a text that the encoding does not have.
    pub fn lacks(&self, text: &str) -> Option<char> {
        self.charset.lacks(text)
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

    fn put(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        self.write_all(bytes).map_err(|error| OutputProblem::from(error).of(&self.name()))
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

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::File(output) => output.write(bytes),
            Self::Stream(stream, _) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::File(output) => output.flush(),
            Self::Stream(stream, _) => stream.flush(),
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
    csv_writer_like(target, fields, options, CsvLook::default())
}

/// The same in a look of its own. A character that the encoding does not have is an error, see
/// [`CsvLook::lacks`].
pub fn csv_writer_like<'w>(
    target: impl Into<TextTarget<'w>>,
    fields: &[Field],
    options: CsvOptions,
    look: CsvLook,
) -> Result<Box<dyn RecordWriter + 'w>, OutputError> {
    let mut sink = target.into().0;
    let name = sink.name();
    if options.excel || look.charset.is_utf16() {
        sink.put(look.charset.mark())?;
    }
    let mut sink = Encoding::new(sink, look.charset);
    let above = "\n".repeat(look.lines_above as usize);
    sink.write_all(above.as_bytes()).map_err(|error| OutputProblem::from(error).of(&name))?;
    let writer = csv::WriterBuilder::new()
        .delimiter(look.delimiter)
        .terminator(csv::Terminator::Any(b'\n'))
        .flexible(true)
        .buffer_capacity(CSV_BUFFER)
        .from_writer(sink);
    let mut records = CsvRecords {
        writer,
        name,
        options,
        columns: fields.iter().map(|field| Column { name: field.name.clone(), guarded: 0 }).collect(),
    };
    line(&mut records.writer, &records.name, fields.iter().map(|field| field.name.as_str().into()))?;
    Ok(Box::new(records))
}

struct CsvRecords<'w> {
    writer: csv::Writer<Encoding<Sink<'w>>>,
    name: PathBuf,
    options: CsvOptions,
    columns: Vec<Column>,
}

struct Column {
    name: String,
    /// How many of its texts were guarded.
    guarded: u64,
}

/// Writes one line.
fn line<'a>(
    writer: &mut csv::Writer<Encoding<Sink<'_>>>,
    name: &Path,
    cells: impl Iterator<Item = Cow<'a, str>>,
) -> Result<(), OutputError> {
    let write = || {
        for cell in cells {
            writer.write_field(cell.as_bytes())?;
        }
        writer.write_record(None::<&[u8]>)
    };
    write().map_err(|error| match error.into_kind() {
        csv::ErrorKind::Io(error) => OutputProblem::from(error).of(name),
        _ => OutputProblem::Content("a record cannot be written".to_owned()).of(name),
    })
}

impl RecordWriter for CsvRecords<'_> {
    fn write_refs(&mut self, values: &[ValueRef<'_>]) -> Result<(), OutputError> {
        fits(values.len(), self.columns.len(), || self.name.clone())?;
        let guards = self.options.guard;
        let cells = self.columns.iter_mut().enumerate().map(|(at, column)| match values.get(at) {
            Some(ValueRef::Text(text)) if guards => {
                let cell = guard(text);
                column.guarded += u64::from(matches!(cell, Cow::Owned(_)));
                cell
            }
            Some(value) => value.to_text().into(),
            None => "".into(),
        });
        line(&mut self.writer, &self.name, cells)
    }

    fn guarded(&self) -> Vec<(String, u64)> {
        let guarded = self.columns.iter().filter(|column| column.guarded > 0);
        guarded.map(|column| (column.name.clone(), column.guarded)).collect()
    }

    fn finish(self: Box<Self>) -> Result<Vec<Notice>, OutputError> {
        let Self { mut writer, name, .. } = *self;
        let unwritable = |error| OutputProblem::from(error).of(&name);
        writer.flush().map_err(unwritable)?;
        // Nothing is left that this could fail to write.
        let sink = writer.into_inner().map_err(|error| unwritable(error.error().kind().into()))?;
        sink.into_inner().map_err(unwritable)?.finish().map(|()| Vec::new())
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
    fn write_refs(&mut self, values: &[ValueRef<'_>]) -> Result<(), OutputError> {
        fits(values.len(), self.keys.len(), || self.sink.name())?;
        self.line.clear();
        for (at, key) in self.keys.iter().enumerate() {
            self.line.push(if at == 0 { '{' } else { ',' });
            self.line.push_str(key);
            self.line.push(':');
            values.get(at).copied().unwrap_or(ValueRef::Null).write_json(&mut self.line);
        }
        self.line.push_str(if self.keys.is_empty() { "{}\n" } else { "}\n" });
        self.sink.put(self.line.as_bytes())
    }

    fn finish(self: Box<Self>) -> Result<Vec<Notice>, OutputError> {
        self.sink.finish().map(|()| Vec::new())
    }
}

/// A record with more values than fields would lose some.
pub(super) fn fits(values: usize, fields: usize, name: impl Fn() -> PathBuf) -> Result<(), OutputError> {
    if values <= fields {
        return Ok(());
    }
    let told = format!("a record has {values} values for {fields} fields");
    Err(OutputProblem::Content(told).of(&name()))
}
