//! Writing records into a workbook, one sheet after the other, with little
//! memory however many records there are.

use std::collections::HashSet;
use std::path::Path;

use jiff::civil::date;
use rust_xlsxwriter::utility::check_sheet_name;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, Workbook, Worksheet, XlsxError};

use super::cells::{MAX_TEXT, serial};
use super::error::{OutputError, OutputProblem};
use super::lines::{Splitter, without_lines};
use super::output::{Output, folder};
use super::typed::strict_moment;
use super::write::{LinesWritten, RecordWriter, fits};
use crate::model::{Field, FieldKind, Notice, Number, ValueRef};

/// Records that fit on one sheet under its header.
const RECORDS_A_SHEET: u32 = 1_048_575;

/// Characters that a column shows at most.
const WIDEST: usize = 60;
/// What the button of the filter takes from a header, in characters.
const FILTER_BUTTON: usize = 2;
/// What a column is wider than its longest text, in characters.
const PADDING: f64 = 1.5;

/// A workbook in the making. Each object gets its sheet by [`XlsxBook::sheet`].
pub struct XlsxBook {
    book: Workbook,
    output: Output,
    names: HashSet<String>,
    formats: Formats,
    /// Records that go to one sheet; less only in tests.
    pub(super) records_a_sheet: u32,
    /// Texts that did not fit into a cell.
    cut: u64,
    place: SheetPlace,
}

/// Where in a workbook records are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SheetPlace {
    /// The sheet's name; the object's if there is none.
    pub name: Option<String>,
    /// Empty sheets before it.
    pub sheets_before: usize,
    /// Blank rows above its header.
    pub rows_above: u32,
}

struct Formats {
    header: Format,
    date: Format,
    datetime: Format,
}

impl XlsxBook {
    /// Begins a workbook.
    pub fn create(output: Output) -> Result<Self, OutputError> {
        let target = output.target().to_owned();
        let book = new_book(&target)?;
        let formats = Formats {
            header: Format::new().set_bold(),
            date: Format::new().set_num_format("yyyy-mm-dd"),
            datetime: Format::new().set_num_format("yyyy-mm-dd hh:mm:ss"),
        };
        Ok(Self {
            book,
            output,
            names: HashSet::new(),
            formats,
            records_a_sheet: RECORDS_A_SHEET,
            cut: 0,
            place: SheetPlace::default(),
        })
    }

    /// The next sheets stand there.
    ///
    /// # Errors
    /// The sheets before cannot be made.
    pub fn place(&mut self, place: SheetPlace) -> Result<(), OutputError> {
        let target = self.output.target().to_owned();
        for _ in 0..place.sheets_before {
            let name = sheet_name("Sheet", 1, &mut self.names);
            contained(&target, || self.book.add_worksheet().set_name(name).map(drop))?;
        }
        self.records_a_sheet = self.records_a_sheet.saturating_sub(place.rows_above).max(1);
        self.place = place;
        Ok(())
    }

    /// Begins the next sheet; it is complete when its writer is finished.
    pub fn sheet(
        &mut self,
        object: &str,
        fields: &[Field],
    ) -> Result<Box<dyn RecordWriter + '_>, OutputError> {
        let sheet = Sheet::begin(self, object, fields)?;
        Ok(Box::new(SheetWriter { book: self, sheet }))
    }

    /// Begins a sheet for opportunities, and the one behind it for their lines.
    pub fn sheet_with_lines(
        &mut self,
        object: &str,
        fields: &[Field],
        (lines, line_fields): (&str, &[Field]),
    ) -> Result<Box<dyn RecordWriter + '_>, OutputError> {
        let records = Sheet::begin(self, object, &without_lines(fields))?;
        let splitter = Splitter::new(fields, line_fields);
        let lines = Sheet::begin(self, lines, line_fields)?;
        Ok(Box::new(SheetsWriter { book: self, records, lines, splitter }))
    }

    /// Puts the workbook together and gives it its name.
    pub fn finish(self) -> Result<Vec<Notice>, OutputError> {
        let Self { book, mut output, cut, .. } = self;
        save(book, &mut output)?;
        output.commit()?;
        Ok(match cut {
            0 => Vec::new(),
            cut => vec![Notice(format!(
                "{cut} text(s) are longer than the {MAX_TEXT} characters that a workbook's cell takes and were cut; \
                 export to CSV or JSON Lines to have them whole"
            ))],
        })
    }
}

/// Writes the records of one object into a workbook of its own.
pub fn xlsx_writer(
    output: Output,
    object: &str,
    fields: &[Field],
) -> Result<Box<dyn RecordWriter>, OutputError> {
    let mut book = XlsxBook::create(output)?;
    let sheet = Sheet::begin(&mut book, object, fields)?;
    Ok(Box::new(SingleWriter { book, sheet }))
}

struct SheetWriter<'b> {
    book: &'b mut XlsxBook,
    sheet: Sheet,
}

impl RecordWriter for SheetWriter<'_> {
    fn write_refs(&mut self, values: &[ValueRef<'_>]) -> Result<(), OutputError> {
        self.sheet.write(self.book, values)
    }

    fn finish(self: Box<Self>) -> Result<Vec<Notice>, OutputError> {
        self.sheet.close(self.book).map(|()| Vec::new())
    }
}

/// Two sheets at once: each has its cells in a file of its own until the workbook is put together.
struct SheetsWriter<'b> {
    book: &'b mut XlsxBook,
    records: Sheet,
    lines: Sheet,
    splitter: Splitter,
}

impl RecordWriter for SheetsWriter<'_> {
    fn write_refs(&mut self, values: &[ValueRef<'_>]) -> Result<(), OutputError> {
        let Self { book, records, lines, splitter } = self;
        records.write(book, &splitter.record(values))?;
        splitter.lines(values, |line| lines.write(book, line))
    }

    fn lines(&self) -> LinesWritten {
        LinesWritten { records: self.splitter.written(), guarded: Vec::new() }
    }

    fn finish(self: Box<Self>) -> Result<Vec<Notice>, OutputError> {
        let Self { book, records, lines, .. } = *self;
        records.close(book)?;
        lines.close(book).map(|()| Vec::new())
    }
}

struct SingleWriter {
    book: XlsxBook,
    sheet: Sheet,
}

impl RecordWriter for SingleWriter {
    fn write_refs(&mut self, values: &[ValueRef<'_>]) -> Result<(), OutputError> {
        self.sheet.write(&mut self.book, values)
    }

    fn finish(self: Box<Self>) -> Result<Vec<Notice>, OutputError> {
        let Self { mut book, sheet } = *self;
        sheet.close(&mut book)?;
        book.finish()
    }
}

/// The sheet that is being written.
struct Sheet {
    object: String,
    fields: Vec<(String, FieldKind)>,
    /// The longest that stands in each column, in characters.
    widest: Vec<usize>,
    /// Its place in the workbook.
    index: usize,
    /// How many sheets this object has so far.
    number: u32,
    records: u32,
}

impl Sheet {
    fn begin(book: &mut XlsxBook, object: &str, fields: &[Field]) -> Result<Self, OutputError> {
        if fields.len() > 16_384 {
            let told = format!("a workbook's sheet takes 16384 columns, not {}", fields.len());
            return Err(OutputProblem::Content(told).of(book.output.target()));
        }
        let fields: Vec<_> = fields.iter().map(|field| (field.name.clone(), field.kind.clone())).collect();
        let widest = Vec::with_capacity(fields.len());
        let mut sheet = Self { object: object.to_owned(), fields, widest, index: 0, number: 0, records: 0 };
        sheet.next_sheet(book)?;
        Ok(sheet)
    }

    fn next_sheet(&mut self, book: &mut XlsxBook) -> Result<(), OutputError> {
        self.number += 1;
        self.records = 0;
        self.widest = self.fields.iter().map(|(name, _)| name.chars().count() + FILTER_BUTTON).collect();
        let object = book.place.name.as_deref().unwrap_or(&self.object);
        let name = sheet_name(object, self.number, &mut book.names);
        let header = book.place.rows_above;
        let target = book.output.target().to_owned();
        let (workbook, formats) = (&mut book.book, &book.formats);
        self.index = contained(&target, || {
            let sheet = workbook.add_worksheet_with_constant_memory()?;
            sheet.set_name(name)?.set_freeze_panes(header + 1, 0)?;
            for (column, (field, _)) in (0_u16..).zip(&self.fields) {
                sheet.write_string_with_format(header, column, field.as_str(), &formats.header)?;
            }
            Ok(workbook.worksheets().len() - 1)
        })?;
        Ok(())
    }

    fn write(&mut self, book: &mut XlsxBook, values: &[ValueRef<'_>]) -> Result<(), OutputError> {
        fits(values.len(), self.fields.len(), || book.output.target().to_owned())?;
        if self.records == book.records_a_sheet {
            self.end_sheet(book)?;
            self.next_sheet(book)?;
        }
        self.records += 1;
        let row = book.place.rows_above + self.records;
        let target = book.output.target().to_owned();
        let (workbook, formats) = (&mut book.book, &book.formats);
        let cut = contained(&target, || {
            let sheet = workbook.worksheet_from_index(self.index)?;
            let mut cut = 0;
            for ((column, (_, kind)), value) in (0_u16..).zip(&self.fields).zip(values) {
                cut += u64::from(write_cell(sheet, (row, column), kind, *value, formats)?);
            }
            Ok(cut)
        })?;
        for (widest, value) in self.widest.iter_mut().zip(values) {
            widen(widest, value.to_text());
        }
        book.cut += cut;
        Ok(())
    }

    fn end_sheet(&self, book: &mut XlsxBook) -> Result<(), OutputError> {
        let target = book.output.target().to_owned();
        let last = u16::try_from(self.fields.len()).unwrap_or(0).saturating_sub(1);
        contained(&target, || {
            let sheet = book.book.worksheet_from_index(self.index)?;
            // The widths are written last, so they can be those of the cells.
            for (column, widest) in (0_u16..).zip(&self.widest) {
                sheet.set_column_width(
                    column,
                    f64::from(u8::try_from(*widest).unwrap_or(u8::MAX)) + PADDING,
                )?;
            }
            let header = book.place.rows_above;
            sheet.autofilter(header, 0, header + self.records, last).map(drop)
        })
    }

    fn close(&self, book: &mut XlsxBook) -> Result<(), OutputError> {
        self.end_sheet(book)
    }
}

/// Makes room for a text, of which the longest line counts.
fn widen(widest: &mut usize, text: &str) {
    if text.len() > *widest && *widest < WIDEST {
        let longest = text.lines().map(|line| line.chars().take(WIDEST).count()).max().unwrap_or(0);
        *widest = longest.max(*widest);
    }
}

/// Writes one cell; true where the text was cut.
fn write_cell(
    sheet: &mut Worksheet,
    (row, column): (u32, u16),
    kind: &FieldKind,
    value: ValueRef<'_>,
    formats: &Formats,
) -> Result<bool, XlsxError> {
    let text = match value {
        ValueRef::Null => return Ok(false),
        ValueRef::Bool(flag) => {
            return sheet.write_number(row, column, f64::from(u8::from(flag))).map(|_| false);
        }
        ValueRef::Number(_) | ValueRef::Text(_) | ValueRef::Json(_) => value.to_text(),
    };
    if text.is_empty() {
        return Ok(false);
    }
    match kind {
        FieldKind::Date | FieldKind::DateTime => {
            if let Some((serial, has_time)) = serial_of(text) {
                let format =
                    if has_time || *kind == FieldKind::DateTime { &formats.datetime } else { &formats.date };
                return sheet.write_number_with_format(row, column, serial, format).map(|_| false);
            }
        }
        FieldKind::Number | FieldKind::Currency | FieldKind::Percent | FieldKind::Checkbox => {
            if let Some(number) = exact_number(text) {
                return sheet.write_number(row, column, number).map(|_| false);
            }
        }
        FieldKind::Text
        | FieldKind::TextArea
        | FieldKind::Memo
        | FieldKind::MultiSelect
        | FieldKind::Email
        | FieldKind::Url
        | FieldKind::Other(_) => {}
    }
    let fitting = cut(text);
    sheet.write_string(row, column, fitting)?;
    Ok(fitting.len() < text.len())
}

/// The text as far as a cell takes it. Excel counts UTF-16 units.
pub(super) fn cut(text: &str) -> &str {
    let mut units = 0;
    let end = text.char_indices().find(|(_, c)| {
        units += c.len_utf16();
        units > MAX_TEXT
    });
    end.and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// A number that a workbook's cell holds without changing it: at most 15
/// significant digits, no leading zeros.
pub(super) fn exact_number(text: &str) -> Option<f64> {
    let bare = text.strip_prefix('-').unwrap_or(text);
    let led_by_zero = bare.len() > 1 && bare.starts_with('0') && !bare.starts_with("0.");
    if led_by_zero || !bare.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let number = Number::parse(text)?;
    let digits: String = number.as_str().chars().filter(char::is_ascii_digit).collect();
    if digits.trim_start_matches('0').len() > 15 {
        return None;
    }
    number.as_str().parse().ok()
}

/// The serial number of `YYYY-MM-DD` or `YYYY-MM-DD HH:MM:SS`, and whether it
/// has a time. Before March 1900 Excel's calendar is wrong: those stay text.
fn serial_of(text: &str) -> Option<(f64, bool)> {
    let (at, has_time) = strict_moment(text)?;
    if at.date() < date(1900, 3, 1) {
        return None;
    }
    Some((serial(at)?, has_time))
}

/// The name itself where Excel takes it for a sheet's, else the nearest that
/// it takes: other programs have longer ones, with other signs.
pub(super) fn fitting_name(name: &str) -> String {
    let fits = check_sheet_name(name).is_ok() && !name.contains(char::is_control);
    if fits { name.to_owned() } else { sheet_name(name, 1, &mut HashSet::new()) }
}

/// A name that Excel takes for a sheet and that no sheet has yet.
pub(super) fn sheet_name(object: &str, number: u32, taken: &mut HashSet<String>) -> String {
    let safe: String =
        object.chars().map(|c| if c.is_control() || "[]:*?/\\'".contains(c) { '_' } else { c }).collect();
    let safe = match safe.trim() {
        "" => "sheet",
        name if name.eq_ignore_ascii_case("history") => "history_",
        name => name,
    };
    let mut number = number;
    loop {
        let tail = if number > 1 { format!(" ({number})") } else { String::new() };
        let mut room = 31_usize.saturating_sub(tail.len());
        let head: String = safe
            .chars()
            .take_while(|c| {
                let fits = c.len_utf16() <= room;
                room = room.saturating_sub(c.len_utf16());
                fits
            })
            .collect();
        let name = format!("{}{tail}", head.trim_end());
        if taken.insert(name.to_lowercase()) {
            return name;
        }
        number += 1;
    }
}

/// An empty workbook whose bytes depend on its content alone.
pub(super) fn new_book(target: &Path) -> Result<Workbook, OutputError> {
    contained(target, || {
        let mut book = Workbook::new();
        // Cells wait in files beside the target, not in a folder that everyone shares.
        book.set_tempdir(folder(target))?;
        let made = ExcelDateTime::from_ymd(2000, 1, 1)?;
        book.set_properties(&DocProperties::new().set_creation_datetime(&made));
        Ok(book)
    })
}

/// Writes the workbook into its file.
pub(super) fn save(mut book: Workbook, output: &mut Output) -> Result<(), OutputError> {
    let target = output.target().to_owned();
    contained(&target, || book.save_to_writer(std::io::BufWriter::new(output)))
}

/// Runs a step of the workbook library, which gives up loudly on a full disk.
pub(super) fn contained<T>(
    target: &Path,
    step: impl FnOnce() -> Result<T, XlsxError>,
) -> Result<T, OutputError> {
    let problem = match std::panic::catch_unwind(std::panic::AssertUnwindSafe(step)) {
        Ok(Ok(done)) => return Ok(done),
        Ok(Err(XlsxError::IoError(error))) => error.into(),
        Ok(Err(error)) => OutputProblem::Workbook(error.to_string()),
        Err(_) => {
            OutputProblem::Workbook("its temporary file cannot be written; is the disk full?".to_owned())
        }
    };
    Err(problem.of(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sheet_names_are_safe_short_and_unlike_each_other() {
        let mut taken = HashSet::new();
        let mut name = |object: &str, number| sheet_name(object, number, &mut taken);
        assert_eq!(name("accounts", 1), "accounts");
        assert_eq!(name("Accounts", 1), "Accounts (2)");
        assert_eq!(name("accounts", 2), "accounts (3)");
        assert_eq!(name("a/b:c[d]'", 1), "a_b_c_d__");
        assert_eq!(name("", 1), "sheet");
        assert_eq!(name("History", 1), "history_");
        assert_eq!(name(&"x".repeat(40), 1).len(), 31);
        assert_eq!(name(&"x".repeat(40), 2), format!("{} (2)", "x".repeat(27)));
    }

    #[test]
    fn numbers_that_a_cell_would_change_stay_text() {
        for (text, number) in [("7", Some(7.0)), ("-0.5", Some(-0.5)), ("1.50", Some(1.5)), ("0", Some(0.0))]
        {
            assert_eq!(exact_number(text), number);
        }
        for text in ["1234567890123456", "007", "+44", "", "1 000", "abc", "-"] {
            assert_eq!(exact_number(text), None, "{text}");
        }
    }

    #[test]
    fn dates_are_dates_only_in_their_exact_form() {
        assert_eq!(serial_of("2023-07-16"), Some((45123.0, false)));
        assert_eq!(serial_of("2023-07-16 12:00:00"), Some((45123.5, true)));
        for text in ["1900-02-28", "2023-02-30", "2023-7-16", "0000-00-00", "2023-07-16T12:00:00", "soon"] {
            assert_eq!(serial_of(text), None, "{text}");
        }
    }

    #[test]
    fn a_text_is_cut_at_whole_characters() {
        assert_eq!(cut("abc"), "abc");
        assert_eq!(cut(&"😀".repeat(20_000)).chars().count(), MAX_TEXT / 2);
    }
}
