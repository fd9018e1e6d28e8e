//! A first mapping for a file: find its header, hear its columns, match them
//! to fields, and see what identifies a record.

use std::path::PathBuf;

use tokio_util::sync::CancellationToken;

use super::prepare::is_unknown_object;
use super::{Catalog, Event, Phase, PipelineError, Reporter};
use crate::model::{Dictionary, Header, Notice, Row, shown};
use crate::rules::convert::text::is_email;
use crate::rules::drafting::{Matcher, Profile, Proposal, SourceFacts, addresses, objects_of, written};
use crate::rules::program::Dictionaries;
use crate::tabular::{Form, Format, ReadOptions, SheetChoice, Source};

/// Rows at the top of a file among which the header is looked for.
const FIRST_ROWS: u64 = 15;

/// Filled cells that make a row look like a header below a title.
const FILLED: usize = 3;

/// What a mapping is drafted for.
#[derive(Clone, Debug)]
pub struct DraftSettings {
    /// The file to read.
    pub input: PathBuf,
    /// What to call it.
    pub input_name: String,
    /// The workbook's sheet, where there are several.
    pub sheet: Option<SheetChoice>,
}

/// What the CRM says about the object and those that it refers to.
#[derive(Clone, Debug)]
pub struct DraftBasis {
    dictionary: Dictionary,
    others: Dictionaries,
}

impl DraftBasis {
    /// Asks for the object's fields with all their lists, and for the objects
    /// that its fields refer to; one that is not known is left out.
    pub async fn ask(object: &str, catalog: &Catalog) -> Result<Self, PipelineError> {
        let dictionary = catalog.dictionary(object, |_| true).await?;
        let mut others = Dictionaries::new();
        for name in objects_of(dictionary.fields()) {
            match catalog.dictionary(name, |_| false).await {
                Ok(other) => drop(others.insert(name.to_owned(), other)),
                Err(error) if is_unknown_object(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { dictionary, others })
    }
}

/// A drafted mapping.
#[derive(Clone, Debug)]
pub struct Drafted {
    /// What goes where, and why.
    pub proposal: Proposal,
    /// The mapping file's text.
    pub text: String,
    /// The file's columns.
    pub header: Header,
    /// The row that holds the column names; 0 for JSON Lines.
    pub header_row: u32,
}

/// Drafts a mapping. Once it is open, the file's rows are read twice at most,
/// and memory does not grow with them.
pub fn draft_mapping(
    settings: &DraftSettings,
    basis: &DraftBasis,
    reporter: &dyn Reporter,
    stop: &CancellationToken,
) -> Result<Drafted, PipelineError> {
    let matcher = Matcher::new(&basis.dictionary, &basis.others);
    let source = open(settings, &matcher)?;
    source.notices().iter().for_each(|notice| reporter.event(Event::Notice(notice.clone())));
    let header = source.header();
    looks_like_data(header).into_iter().for_each(|notice| reporter.event(Event::Notice(notice)));
    let reading = Reading { source: &source, what: &settings.input_name, reporter, stop };

    let is_text = source.dialect().format.is_text();
    let mut profiles = Profile::for_columns(header.columns.len());
    let mut rows = 0;
    reading.each(|row| {
        rows += 1;
        Profile::add_row(&mut profiles, row, is_text);
        true
    })?;
    let mut proposal = Proposal::new(&matcher, &basis.others, header, &profiles, rows);
    let mut keys = proposal.keys_to_try();
    if !keys.is_empty() {
        reading.each(|row| {
            // Each key hears every row that it still wants.
            let wanted = keys.iter_mut().map(|key| key.add(row, is_text)).filter(|more| *more).count();
            wanted > 0
        })?;
    }
    proposal.settle(&keys);

    let facts = facts(settings, &source);
    let names = addresses(header);
    let text = written(&proposal, &facts, header, &names, &settings.input_name);
    Ok(Drafted { proposal, text, header: header.clone(), header_row: source.dialect().header_row })
}

/// A file without column names loses its first row to them.
fn looks_like_data(header: &Header) -> Option<Notice> {
    let is_cell = |name: &&str| is_email(name.trim());
    let cell = header.columns.iter().map(|column| column.name.as_str()).find(is_cell)?;
    let told = "looks like a row of data, not of column names; put a row of names above it";
    Some(Notice(format!("the header holds \"{}\" and {told}", shown(cell.trim()).cut(60))))
}

/// Passes over a file, with progress.
struct Reading<'a> {
    source: &'a Source,
    what: &'a str,
    reporter: &'a dyn Reporter,
    stop: &'a CancellationToken,
}

impl Reading<'_> {
    /// Hands out rows as long as more are wanted.
    fn each(&self, mut take: impl FnMut(&Row) -> bool) -> Result<(), PipelineError> {
        let phase = Phase::Draft;
        let total = Some(self.source.size_hint());
        self.reporter.event(Event::Begin { phase, what: self.what.to_owned(), total });
        let mut rows = self.source.rows()?;
        let mut row = Row::default();
        let mut read = 0_u64;
        while rows.read(&mut row)? && take(&row) {
            read += 1;
            if read.is_multiple_of(1_000) {
                self.reporter.event(Event::Progress { phase, done: rows.position() });
                if self.stop.is_cancelled() {
                    return Err(PipelineError::Cancelled);
                }
            }
        }
        self.reporter.event(Event::End(phase));
        Ok(())
    }
}

/// Opens the file with its header where it stands.
fn open(settings: &DraftSettings, matcher: &Matcher<'_>) -> Result<Source, PipelineError> {
    let options = ReadOptions {
        sheet: settings.sheet.clone(),
        display_name: Some(settings.input_name.clone()),
        ..ReadOptions::default()
    };
    let source = Source::open(&settings.input, &options)?;
    let name = shown(&settings.input_name).to_string();
    if settings.sheet.is_some() && !matches!(source.dialect().form, Form::Sheet(_)) {
        let message = format!("a sheet is named, and {name} is no workbook");
        return Err(PipelineError::usage(message, "leave --sheet out"));
    }
    if source.header().columns.is_empty() {
        let message = format!("{name} has no filled row, so there is nothing to draft a mapping from");
        return Err(PipelineError::usage(message, "name a file that has at least its column names"));
    }
    let Some(found) = find_header(&options, &source, matcher)? else { return Ok(source) };
    let options = ReadOptions { header_row: found.row, ..options };
    let source = source.again(&options)?;
    match found.delimiter {
        // Below the titles it is usually found of itself.
        Some(wanted) if delimiter_of(&source) != Some(wanted) => {
            Ok(source.again(&ReadOptions { delimiter: Some(wanted), ..options })?)
        }
        _ => Ok(source),
    }
}

/// A row that looks like the header.
#[derive(Clone, Copy, Debug)]
struct Found {
    row: u32,
    delimiter: Option<char>,
    /// Names that mean a field.
    likeness: usize,
    filled: usize,
}

/// The row that looks more like a header than the first one; `None` where the
/// first row is the header.
fn find_header(
    options: &ReadOptions,
    source: &Source,
    matcher: &Matcher<'_>,
) -> Result<Option<Found>, PipelineError> {
    let first = Found::of_header(source, matcher);
    if source.dialect().format == Format::Jsonl || first.likeness * 2 >= first.filled {
        return Ok(None);
    }
    let (mut rows, uneven) = first_rows(source, matcher, None)?;
    if (uneven || first.filled <= 1)
        && let Some(known) = delimiter_of(source)
    {
        // Titles hide the delimiter of the rows below them.
        for delimiter in [',', ';', '\t', '|'].into_iter().filter(|other| *other != known) {
            let options = ReadOptions { delimiter: Some(delimiter), ..options.clone() };
            if let Ok(other) = source.again(&options) {
                rows.push(Found { delimiter: Some(delimiter), ..Found::of_header(&other, matcher) });
                rows.extend(first_rows(&other, matcher, Some(delimiter))?.0);
            }
        }
    }
    let most = rows.iter().map(|found| found.likeness).max().unwrap_or(0);
    if most >= 2 && most > first.likeness {
        return Ok(rows.into_iter().find(|found| found.likeness == most));
    }
    // Names that nobody knows, below a title of one cell.
    let widest = rows.iter().map(|found| found.filled).max().unwrap_or(0);
    let is_title = first.filled <= 1 && first.likeness == 0 && widest >= FILLED;
    Ok(rows.into_iter().find(|found| is_title && found.filled * 2 > widest && found.filled >= FILLED))
}

impl Found {
    fn of_header(source: &Source, matcher: &Matcher<'_>) -> Self {
        let names: Vec<&str> = source.header().columns.iter().map(|column| column.name.as_str()).collect();
        Self::of(source.dialect().header_row, &names, None, matcher)
    }

    fn of(row: u32, names: &[&str], delimiter: Option<char>, matcher: &Matcher<'_>) -> Self {
        let filled = names.iter().filter(|name| !name.trim().is_empty()).count();
        Self { row, delimiter, likeness: matcher.likeness(names.iter().copied()), filled }
    }
}

/// The rows below the first, and whether most of them have another number of
/// cells than it.
fn first_rows(
    source: &Source,
    matcher: &Matcher<'_>,
    delimiter: Option<char>,
) -> Result<(Vec<Found>, bool), PipelineError> {
    let mut rows = source.rows()?;
    let mut row = Row::default();
    let (mut found, mut uneven) = (Vec::new(), 0);
    while rows.read(&mut row)? && row.number <= FIRST_ROWS {
        uneven += usize::from(row.fault.is_some());
        let cells: Vec<String> = (0..row.len()).map(|at| row.cell(at).to_string()).collect();
        let names: Vec<&str> = cells.iter().map(String::as_str).collect();
        let number = u32::try_from(row.number).unwrap_or(u32::MAX);
        found.push(Found::of(number, &names, delimiter, matcher));
    }
    let uneven = uneven * 2 > found.len();
    Ok((found, uneven))
}

fn delimiter_of(source: &Source) -> Option<char> {
    match &source.dialect().form {
        Form::Text(text) => Some(text.delimiter),
        Form::Sheet(_) | Form::Json(_) => None,
    }
}

/// What a mapping must say so that the file is read in the same way.
fn facts(settings: &DraftSettings, source: &Source) -> SourceFacts {
    let dialect = source.dialect();
    let sheet = match &settings.sheet {
        Some(SheetChoice::Number(number)) => Some(number.to_string()),
        Some(SheetChoice::Name(_)) => source.header().sheet.clone(),
        None => None,
    };
    let encoding = match &dialect.form {
        Form::Text(text) => Some(text.encoding.clone()),
        Form::Json(json) => Some(json.encoding.clone()),
        Form::Sheet(_) => None,
    };
    SourceFacts {
        sheet,
        header_row: Some(dialect.header_row).filter(|row| *row > 1),
        delimiter: delimiter_of(source).filter(|sign| *sign != ',' && dialect.format != Format::Tsv),
        encoding: encoding.filter(|encoding| !encoding.eq_ignore_ascii_case("utf-8")),
    }
}
