//! An opened file of rows, and passes over it.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::Seek;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::batch::{Batch, BatchReader};
use super::csv_rows::CsvRows;
use super::csv_source::{self, TextSource, ending};
use super::detect::{Content, content, is_json_document, is_jsonl};
use super::dialect::Dialect;
use super::error::{InputError, InputProblem, file_name};
use super::fingerprint::Fingerprint;
use super::json_rows::JsonRows;
use super::json_source::{self, JsonSource};
use super::options::{Format, ReadOptions};
use super::package::{self, Clues};
use super::scan::Scan;
use super::segments::scan_file;
use super::sheet_rows::SheetRows;
use super::survey::listed;
use super::workbook::{self, SheetSource};
use crate::model::{Header, Notice, Row, column_letters, shown};

/// A file of rows, opened and inspected. Passes over it are cheap to start.
pub struct Source {
    path: PathBuf,
    name: String,
    stamp: Stamp,
    header: Header,
    notices: Vec<Notice>,
    dialect: Dialect,
    inspected: Arc<Inspected>,
    kind: Kind,
}

/// What a file is, whatever the options.
struct Inspected {
    scan: Scan,
    /// What kind of workbook, and what its package shows; nothing for a text.
    book: Option<(Format, Clues)>,
}

enum Kind {
    Text(TextSource),
    Json(JsonSource),
    Sheet(SheetSource),
}

/// What opening a file of one kind gives.
pub(super) struct Opened<S> {
    pub(super) source: S,
    pub(super) header: Header,
    pub(super) dialect: Dialect,
    pub(super) notices: Vec<Notice>,
}

impl Source {
    /// Opens a regular file: finds out what it is, in which encoding and with
    /// which delimiter or sheet, and reads its header.
    ///
    /// A file without any filled row opens with an empty header and yields no
    /// rows. The whole file is read once, for its encoding.
    pub fn open(path: &Path, options: &ReadOptions) -> Result<Self, InputError> {
        let name = match &options.display_name {
            Some(name) => shown(name).to_string(),
            None => file_name(path),
        };
        Self::open_named(path, &name, options).map_err(|problem| problem.of(&name))
    }

    fn open_named(path: &Path, name: &str, options: &ReadOptions) -> Result<Self, InputProblem> {
        // Looked at before it is opened: opening a pipe would wait for a writer.
        regular(&std::fs::metadata(path)?)?;
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        regular(&metadata)?;
        let scan = scan_file(path, &file, metadata.len())?;
        let stamp = Stamp::of(&metadata);
        if scan.bytes != stamp.bytes {
            return Err(InputProblem::Changed);
        }
        let book = match content(&scan.head)? {
            Content::Text => None,
            Content::Container => Some((Format::Xls, Clues::default())),
            Content::Package => {
                file.rewind()?;
                Some(package::inspect(&mut file)?)
            }
        };
        Self::of(path, name, stamp, Arc::new(Inspected { scan, book }), options)
    }

    /// Opens the same file in another way, without reading all of it again.
    pub fn again(&self, options: &ReadOptions) -> Result<Self, InputError> {
        let opened = || {
            self.stamp.still_that_of(&self.path)?;
            Self::of(&self.path, &self.name, self.stamp, Arc::clone(&self.inspected), options)
        };
        opened().map_err(|problem| problem.of(&self.name))
    }

    fn of(
        path: &Path,
        name: &str,
        stamp: Stamp,
        inspected: Arc<Inspected>,
        options: &ReadOptions,
    ) -> Result<Self, InputProblem> {
        let (kind, opened, mut notices) = inspect(path, options, &inspected)?;
        notices.extend(opened.notices);
        if !matches!(kind, Kind::Json(_)) {
            notices.extend(odd_names(&opened.header));
        }
        Ok(Self {
            path: path.to_owned(),
            name: name.to_owned(),
            stamp,
            header: opened.header,
            notices,
            dialect: opened.dialect,
            inspected,
            kind,
        })
    }

    /// The file as people know it, fit to be shown.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The columns; none where the file has no filled row.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What is worth knowing about how the file is read.
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// The form the file came in.
    pub fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// SHA-256 and size of the file. Reads all of it.
    ///
    /// # Errors
    /// The file cannot be read, or is not what it was.
    pub fn fingerprint(&self) -> Result<Fingerprint, InputError> {
        let read = || {
            let fingerprint = Fingerprint::of(File::open(&self.path)?)?;
            self.stamp.still_that_of(&self.path)?;
            Ok(fingerprint)
        };
        read().map_err(|problem: InputProblem| problem.of(&self.name))
    }

    /// The file's size in bytes; [`Rows::position`] counts up to it.
    pub fn size_hint(&self) -> u64 {
        self.stamp.bytes
    }

    /// Starts a new pass over the data rows.
    pub fn rows(&self) -> Result<Rows, InputError> {
        let start = || {
            self.stamp.still_that_of(&self.path)?;
            Ok(match &self.kind {
                Kind::Text(source) => Pass::Text(Box::new(CsvRows::start(&self.path, source)?)),
                Kind::Json(source) => Pass::Json(Box::new(JsonRows::start(&self.path, source)?)),
                Kind::Sheet(source) => Pass::Sheet(SheetRows::start(&self.path, source)?),
            })
        };
        let pass = start().map_err(|problem: InputProblem| problem.of(&self.name))?;
        Ok(Rows {
            pass,
            path: self.path.clone(),
            name: self.name.clone(),
            stamp: self.stamp,
            done: false,
            fault: None,
        })
    }
}

/// Opens a file as what its content says it is, and tells where that is not
/// what its ending or the options promise.
fn inspect(
    path: &Path,
    options: &ReadOptions,
    inspected: &Inspected,
) -> Result<(Kind, Opened<()>, Vec<Notice>), InputProblem> {
    let promised = options.format.or_else(|| ending(path));
    let Some((format, clues)) = &inspected.book else {
        return inspect_text(path, options, promised, &inspected.scan);
    };
    let wrong = promised != Some(*format);
    let notice = wrong.then(|| Notice(format!("the content is {}; it is read as one", format.called())));
    let (kind, opened) = split(workbook::open(path, options, *format, clues)?, Kind::Sheet);
    Ok((kind, opened, notice.into_iter().collect()))
}

/// The same for a text: JSON Lines, or cells with a delimiter.
fn inspect_text(
    path: &Path,
    options: &ReadOptions,
    promised: Option<Format>,
    scan: &Scan,
) -> Result<(Kind, Opened<()>, Vec<Notice>), InputProblem> {
    let found = options.format.is_none() && is_jsonl(&scan.head);
    if promised == Some(Format::Jsonl) || found {
        let odd = promised.is_some_and(|format| format != Format::Jsonl);
        let notice = odd.then(|| Notice("the content is JSON Lines; it is read as that".to_owned()));
        let (kind, opened) = split(json_source::open(path, options, scan)?, Kind::Json);
        return Ok((kind, opened, notice.into_iter().collect()));
    }
    if is_json_document(&scan.head) {
        let told = "this is one JSON document, not JSON Lines; write each of its objects on a line of its own (jq -c \
                    '.[]' does that), or save the data as CSV or XLSX";
        return Err(InputProblem::WrongContent(told.to_owned()));
    }
    if options.range.is_some() {
        let told = "a range can be read from a workbook only; leave range out, and set header_row where the header is \
                    not the first row";
        return Err(InputProblem::Range(told.to_owned()));
    }
    let wrong = promised.is_some_and(|format| !format.is_text()) && scan.bytes > 0;
    let notice = wrong.then(|| Notice("the content is text, not a workbook; it is read as CSV".to_owned()));
    let (kind, opened) = split(csv_source::open(path, options, scan)?, Kind::Text);
    Ok((kind, opened, notice.into_iter().collect()))
}

/// Parts the kind's own from what all kinds have.
fn split<S>(opened: Opened<S>, kind: impl Fn(S) -> Kind) -> (Kind, Opened<()>) {
    let Opened { source, header, dialect, notices } = opened;
    (kind(source), Opened { source: (), header, dialect, notices })
}

/// One pass over the rows of a [`Source`].
pub struct Rows {
    pass: Pass,
    path: PathBuf,
    name: String,
    stamp: Stamp,
    done: bool,
    /// What is wrong behind the rows of the last batch.
    fault: Option<InputError>,
}

enum Pass {
    Text(Box<CsvRows>),
    Json(Box<JsonRows>),
    Sheet(SheetRows),
}

impl Rows {
    /// Fills `row` with the next row; false at the end. Wholly blank rows are
    /// not handed out but count in [`Row::number`].
    ///
    /// # Errors
    /// What makes the rest of the file unreadable; the file changed meanwhile.
    pub fn read(&mut self, row: &mut Row) -> Result<bool, InputError> {
        if self.done {
            return Ok(false);
        }
        let read = match &mut self.pass {
            Pass::Text(rows) => rows.read(row),
            Pass::Json(rows) => rows.read(row),
            Pass::Sheet(rows) => rows.read(row),
        };
        self.went_on(read)
    }

    /// Notes how reading went; at the end the file must still be what it was.
    fn went_on(&mut self, read: Result<bool, InputProblem>) -> Result<bool, InputError> {
        let read = read.and_then(|more| {
            if !more {
                self.stamp.still_that_of(&self.path)?;
            }
            Ok(more)
        });
        self.done = !matches!(read, Ok(true));
        read.map_err(|problem| problem.of(&self.name))
    }

    /// Fills a batch with the next rows; false at the end. A pass reads rows
    /// one by one or in batches, not both.
    ///
    /// # Errors
    /// As [`Self::read`], once the rows before the fault have been given out.
    pub fn read_batch(&mut self, batch: &mut Batch) -> Result<bool, InputError> {
        let Pass::Text(rows) = &mut self.pass else { return self.read_rows(batch, |_| {}) };
        batch.clear();
        if self.done {
            return Ok(false);
        }
        let read = rows.read_block(&mut batch.block);
        let more = self.went_on(read)?;
        batch.position = self.position();
        Ok(more)
    }

    /// The same, with something done to each row first.
    pub fn read_rows(
        &mut self,
        batch: &mut Batch,
        mut prepare: impl FnMut(&mut Row),
    ) -> Result<bool, InputError> {
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let filled = batch.fill(|row| {
            let more = self.read(row)?;
            if more {
                prepare(row);
            }
            Ok(more)
        });
        batch.position = self.position();
        match filled {
            Err(fault) if !batch.is_empty() => {
                self.fault = Some(fault);
                Ok(true)
            }
            filled => filled,
        }
    }

    /// What reads the batches of this pass.
    pub fn batch_reader(&self) -> BatchReader {
        BatchReader::new(match &self.pass {
            Pass::Text(rows) => Some(rows.reader()),
            Pass::Json(_) | Pass::Sheet(_) => None,
        })
    }

    /// Bytes of the file that are done, for a progress bar.
    pub fn position(&self) -> u64 {
        match &self.pass {
            Pass::Text(rows) => rows.position(),
            Pass::Json(rows) => rows.position(),
            Pass::Sheet(rows) => rows.position(),
        }
        .min(self.stamp.bytes)
    }
}

/// Size and time of change, to notice that a file is not what it was.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self { bytes: metadata.len(), modified: metadata.modified().ok() }
    }

    fn still_that_of(self, path: &Path) -> Result<(), InputProblem> {
        match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_file() && Self::of(&metadata) == self => Ok(()),
            _ => Err(InputProblem::Changed),
        }
    }
}

fn regular(metadata: &Metadata) -> Result<(), InputProblem> {
    let kind = metadata.file_type();
    if kind.is_file() {
        Ok(())
    } else if kind.is_dir() {
        Err(InputProblem::NotAFile("a folder"))
    } else {
        Err(InputProblem::NotAFile("a pipe or device"))
    }
}

/// A name as mappings compare it: without case, blanks at the ends,
/// non-breaking and zero-width spaces.
fn compared(name: &str) -> String {
    let unseen =
        |c: &char| matches!(c, '\u{A0}' | '\u{202F}' | '\u{200B}'..='\u{200D}' | '\u{2060}' | '\u{FEFF}');
    let name: String = name.chars().filter(|c| !unseen(c)).collect();
    name.trim().to_lowercase()
}

/// Notices for column names that stand more than once, and for columns
/// without one, by their letters.
fn odd_names(header: &Header) -> Vec<Notice> {
    let mut places: BTreeMap<String, (String, Vec<String>)> = BTreeMap::new();
    let mut nameless = Vec::new();
    for (at, column) in header.columns.iter().enumerate() {
        let letters = column_letters(column.place);
        match compared(&column.name) {
            name if name.is_empty() => nameless.push(format!("{letters} (#{})", at + 1)),
            name => {
                let entry = places.entry(name);
                entry.or_insert_with(|| (column.name.trim().to_owned(), Vec::new())).1.push(letters);
            }
        }
    }
    let twice: Vec<String> = places
        .into_values()
        .filter(|(_, letters)| letters.len() > 1)
        .map(|(name, letters)| {
            format!("\"{}\" ({})", shown(&name).cut(60), listed(letters.iter().map(String::as_str)))
        })
        .collect();
    let list = |names: &[String]| listed(names.iter().map(String::as_str));
    let mut notices = Vec::new();
    match nameless.len() {
        0 => {}
        1 => {
            notices.push(format!("column {} has no name; a mapping calls it by its number", list(&nameless)))
        }
        _ => notices
            .push(format!("columns {} have no name; a mapping calls them by their numbers", list(&nameless))),
    }
    if !twice.is_empty() {
        let told = "these column names stand more than once";
        notices.push(format!("{told}: {}; a mapping calls the second Name#2", list(&twice)));
    }
    notices.into_iter().map(Notice).collect()
}
