//! Opening a delimited text: its encoding, delimiter, header and what
//! stands above it.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::charset::{Charset, Decoder};
use super::delimiter;
use super::dialect::{Dialect, DialectColumn, Form, LineEnd, TextForm};
use super::error::InputProblem;
use super::options::{Format, ReadOptions};
use super::records::{Mark, Place, Records, unquoted};
use super::scan::{Scan, decide};
use super::sheet_head::{DOUBT_CELLS, DOUBT_ROWS, doubtful};
use super::source::Opened;
use super::utf16::{Utf16Reader, source_bytes};
use crate::model::{Column, Header, Notice, column_letters, shown};

/// Bytes of text that the delimiter is guessed from.
const SAMPLE_BYTES: u64 = 1024 * 1024;
/// Most bytes above the header.
const MAX_PREAMBLE: u64 = 4 * 1024 * 1024;
/// Most named columns.
pub(super) const MAX_COLUMNS: usize = 2000;

/// A delimited text whose first data row is known.
pub(super) struct TextSource {
    pub(super) charset: Charset,
    pub(super) delimiter: u8,
    /// Where the data begin in the text, and in the file.
    pub(super) data: Mark,
    pub(super) data_in_file: u64,
    pub(super) columns: usize,
}

/// The text of a file, UTF-16 turned into UTF-8.
pub(super) enum TextInput {
    Plain(File),
    Utf16(Box<Utf16Reader<BufReader<File>>>),
}

impl TextInput {
    /// Opens the file at a byte; for UTF-16 at a whole character.
    pub(super) fn open(path: &Path, charset: Charset, at: u64) -> io::Result<Self> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(at))?;
        Ok(if charset.is_utf16() {
            let big_endian = charset == Charset::Utf16Be;
            Self::Utf16(Box::new(Utf16Reader::new(BufReader::new(file), big_endian)))
        } else {
            Self::Plain(file)
        })
    }
}

impl Read for TextInput {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buf),
            Self::Utf16(reader) => reader.read(buf),
        }
    }
}

/// Opens a text file that was scanned before.
pub(super) fn open(
    path: &Path,
    options: &ReadOptions,
    scan: &Scan,
) -> Result<Opened<TextSource>, InputProblem> {
    let found = decide(scan, options.encoding.as_deref()).map_err(InputProblem::Encoding)?;
    let mut notices = found.notices;
    let text = |charset| TextInput::open(path, charset, found.mark as u64);
    let mut sample = Vec::new();
    text(found.charset)?.take(SAMPLE_BYTES).read_to_end(&mut sample)?;
    let sep = sep_line(&sample);
    let start = sep.as_ref().map_or(Mark::START, |sep| sep.after);
    let delimiter = choose_delimiter(options, found.charset, path, &sample, sep.as_ref(), &mut notices)?;

    let mut input = text(found.charset)?;
    io::copy(&mut input.by_ref().take(start.offset), &mut io::sink())?;
    let mut records = Records::new(input, delimiter, start);
    let head = Head::read(&mut records, options.header_row)?;
    let prefix = head.prefix(text(found.charset)?)?;
    let columns = head.columns(delimiter, &mut Decoder::new(found.charset), found.charset)?;
    if let Some(place) = head.place
        && place.row != u64::from(options.header_row.max(1))
    {
        notices.push(Notice(format!("the header is read from row {}, the first filled one", place.row)));
    }
    if let (Some(place), 1) = (head.place, columns.len()) {
        notices.extend(doubt(&sample, delimiter, place.row));
    }
    let data_in_file =
        found.mark as u64 + if found.charset.is_utf16() { source_bytes(&prefix) } else { head.data.offset };
    let source = TextSource {
        charset: found.charset,
        delimiter,
        data: head.data,
        data_in_file,
        columns: columns.len(),
    };
    let dialect = Dialect {
        format: format_of(path, options, delimiter),
        header_row: head
            .place
            .map_or(options.header_row, |place| u32::try_from(place.row).unwrap_or(u32::MAX)),
        columns: columns.iter().map(|c| DialectColumn { name: c.name.clone(), place: c.place }).collect(),
        form: Form::Text(head.form(found.charset, found.mark > 0, delimiter, &prefix)),
    };
    Ok(Opened { source, header: Header { sheet: None, columns }, dialect, notices })
}

/// A first line `sep=;`, which Excel obeys and hides.
struct SepLine {
    delimiter: u8,
    after: Mark,
}

fn sep_line(sample: &[u8]) -> Option<SepLine> {
    let quoted = usize::from(sample.first() == Some(&b'"'));
    let rest = sample.get(quoted..)?;
    let word = rest.get(..4)?;
    let delimiter = *rest.get(4)?;
    let rest = rest.get(5..)?;
    let rest = if quoted == 1 { rest.strip_prefix(b"\"")? } else { rest };
    let end = match rest {
        [] => 0,
        rest => LineEnd::at_start(rest)?.as_str().len(),
    };
    let fits = delimiter == b'\t' || delimiter.is_ascii_punctuation();
    if !word.eq_ignore_ascii_case(b"sep=") || !fits || delimiter == b'"' {
        return None;
    }
    let offset = (5 + 2 * quoted + end) as u64;
    Some(SepLine { delimiter, after: Mark { offset, rows: 0, line: 2, after_cr: false } })
}

/// The notice for a header of one name, where several rows soon below it
/// have the same, larger number of cells.
fn doubt(sample: &[u8], chosen: u8, header: u64) -> Option<Notice> {
    let others = delimiter::CANDIDATES.into_iter().filter(|&other| other != chosen);
    let better = std::iter::once(chosen).chain(others).find_map(|delimiter| {
        let mut records = Records::new(sample, delimiter, Mark::START);
        let (mut raw, mut found) = (Vec::new(), None::<(u64, usize, usize)>);
        while let Ok(Some(place)) = records.next(&mut raw) {
            // Rows that a spreadsheet wrote are equally wide, whatever is filled.
            let (cells, width) = (records.filled_cells(0), records.ends().len());
            match found {
                _ if place.row <= header || cells == 0 => {}
                None if place.row > header + u64::from(DOUBT_ROWS) => return None,
                None if cells >= DOUBT_CELLS => found = Some((place.row, cells, width)),
                None => {}
                Some((row, ..)) if place.row > row + u64::from(DOUBT_ROWS) => break,
                Some((_, _, wanted)) if width != wanted => return None,
                Some(_) => {}
            }
        }
        found
    });
    let (row, cells, _) = better?;
    Some(doubtful(u32::try_from(header).ok()?, u32::try_from(row).ok()?, cells))
}

fn choose_delimiter(
    options: &ReadOptions,
    charset: Charset,
    path: &Path,
    sample: &[u8],
    sep: Option<&SepLine>,
    notices: &mut Vec<Notice>,
) -> Result<u8, InputProblem> {
    if let Some(delimiter) = asked_delimiter(options)? {
        if !charset.splits_at(delimiter) {
            let told = format!(
                "a file in {} cannot be split at \"{}\"; save it as UTF-8",
                charset.name(),
                char::from(delimiter)
            );
            return Err(InputProblem::Delimiter(told));
        }
        return Ok(delimiter);
    }
    if let Some(sep) = sep.filter(|sep| charset.splits_at(sep.delimiter)) {
        if sep.delimiter != b',' {
            notices
                .push(Notice(format!("delimiter {} taken from the file's first line", name(sep.delimiter))));
        }
        return Ok(sep.delimiter);
    }
    let cut = sample.len() as u64 >= SAMPLE_BYTES;
    let body = sample.get(sep.map_or(0, |sep| sep.after.offset as usize)..).unwrap_or_default();
    let guess =
        delimiter::guess(body, u64::from(options.header_row), cut, |delimiter| charset.splits_at(delimiter));
    let expected = guess.delimiter == b',' || (guess.delimiter == b'\t' && ending(path) == Some(Format::Tsv));
    if guess.splits && !expected {
        notices.push(Notice(format!(
            "delimiter {} found; if that is wrong, set source: {{ delimiter: … }} in the mapping",
            name(guess.delimiter)
        )));
    }
    Ok(guess.delimiter)
}

/// The delimiter that the options set.
fn asked_delimiter(options: &ReadOptions) -> Result<Option<u8>, InputProblem> {
    match options.delimiter {
        Some(c) if c.is_ascii() && !c.is_ascii_alphanumeric() && !"\"\r\n\0 ".contains(c) => {
            Ok(Some(c as u8))
        }
        Some(c) => Err(InputProblem::Delimiter(format!(
            "the delimiter \"{}\" cannot be used; take one of , ; | or a tab",
            shown(&c.to_string())
        ))),
        None if options.format == Some(Format::Tsv) => Ok(Some(b'\t')),
        None => Ok(None),
    }
}

fn name(delimiter: u8) -> String {
    match delimiter {
        b'\t' => "tab".to_owned(),
        other => format!("\"{}\"", char::from(other)),
    }
}

/// The form that a file's ending promises.
pub(super) fn ending(path: &Path) -> Option<Format> {
    path.extension().and_then(|ending| ending.to_str()).and_then(Format::from_word)
}

fn format_of(path: &Path, options: &ReadOptions, delimiter: u8) -> Format {
    let tabs = options.format == Some(Format::Tsv) || ending(path) == Some(Format::Tsv);
    if tabs && delimiter == b'\t' { Format::Tsv } else { Format::Csv }
}

/// The header's record, or nothing where the file has no filled row.
struct Head {
    place: Option<Place>,
    raw: Vec<u8>,
    width: usize,
    /// Where the data begin.
    data: Mark,
}

impl Head {
    fn read<R: Read>(records: &mut Records<R>, header_row: u32) -> Result<Self, InputProblem> {
        let mut raw = Vec::new();
        let mut last = None;
        while let Some(place) = records.next(&mut raw)? {
            if place.offset > MAX_PREAMBLE {
                return Err(InputProblem::Header("more than 4 MiB stand above the header".to_owned()));
            }
            last = Some(place.row);
            if place.row >= u64::from(header_row) && !records.cells().trim_ascii().is_empty() {
                let width = records.ends().len();
                return Ok(Self { place: Some(place), raw, width, data: records.after_line_end()? });
            }
        }
        match last {
            Some(last) if last < u64::from(header_row) => Err(InputProblem::Header(format!(
                "the header should stand in row {header_row}, but the last filled row is {last}; set source: {{ \
                 header_row: … }} in the mapping"
            ))),
            _ => Ok(Self { place: None, raw: Vec::new(), width: 0, data: records.mark() }),
        }
    }

    /// All text before the data.
    fn prefix(&self, text: TextInput) -> io::Result<Vec<u8>> {
        let mut prefix = Vec::new();
        text.take(self.data.offset).read_to_end(&mut prefix)?;
        Ok(prefix)
    }

    fn columns(
        &self,
        delimiter: u8,
        decoder: &mut Decoder,
        charset: Charset,
    ) -> Result<Vec<Column>, InputProblem> {
        let mut columns = Vec::new();
        for (place, span) in super::records::spans(&self.raw, delimiter).into_iter().enumerate() {
            let cell = unquoted(self.raw.get(span).unwrap_or_default(), delimiter);
            let name = decoder.cell(&cell).map_err(|at| {
                InputProblem::Encoding(format!(
                    "the header in column {} has the byte 0x{:02X}, which {} does not have; set source: {{ encoding: … \
                     }} in the mapping",
                    column_letters(place),
                    charset.first_byte(cell.get(at..).unwrap_or_default()),
                    charset.name()
                ))
            })?;
            columns.push(Column { name: name.to_owned(), place });
        }
        named(columns)
    }

    fn form(&self, charset: Charset, byte_order_mark: bool, delimiter: u8, prefix: &[u8]) -> TextForm {
        let header_at =
            self.place.map_or(prefix.len(), |place| usize::try_from(place.offset).unwrap_or(usize::MAX));
        let preamble = prefix.get(..header_at).unwrap_or_default();
        let line_end = prefix.get(header_at + self.raw.len()..).and_then(LineEnd::at_start);
        TextForm {
            encoding: charset.name(),
            byte_order_mark,
            delimiter: char::from(delimiter),
            line_end: line_end.unwrap_or(LineEnd::Lf),
            preamble: preamble.to_vec(),
            header: self.raw.clone(),
            width: self.width,
        }
    }
}

/// The columns without the nameless ones at the end.
pub(super) fn named(mut columns: Vec<Column>) -> Result<Vec<Column>, InputProblem> {
    while columns.last().is_some_and(|column| column.name.trim().is_empty()) {
        columns.pop();
    }
    if columns.len() > MAX_COLUMNS {
        let told = format!("the header has {} columns; at most {MAX_COLUMNS} can be read", columns.len());
        return Err(InputProblem::Header(told));
    }
    Ok(columns)
}
