//! A look over the records of an Excel 97 to 2003 workbook before the
//! reader of workbooks sees them: how much they would make it hold, and what
//! they tell beside the values.
//!
//! That reader makes room for the whole rectangle from the first to the last
//! cell, and copies a shared text for every cell that uses it. Two cells in
//! far corners, or one long text used often, would end the process.

use std::collections::{BTreeMap, HashSet};

use super::cfb::{damaged, u16_at, u32_at};
use super::error::InputProblem;
use super::percents::is_percent;
use super::survey::{Facts, Merged};

/// Most sheets.
const MAX_SHEETS: usize = 1000;
/// Most places, filled or not, of the rectangles of all sheets.
const MAX_CELLS: u64 = 5_000_000;
/// Places of such a sheet: 65,536 rows of 256 columns.
const MAX_ROOM: u64 = 65_536 * 256;
/// Most records of all sheets.
const MAX_RECORDS: u64 = 20_000_000;
/// Most bytes of texts, each as often as it is used.
const MAX_TEXT: u64 = 512 * 1024 * 1024;
/// Most records that go on with the one before them: those of 100 MiB.
const MAX_CONTINUED: usize = 16_384;

const BOF: u16 = 0x0809;
const EOF: u16 = 0x000A;
const CONTINUE: u16 = 0x003C;
const FILE_PASS: u16 = 0x002F;
const BOUND_SHEET: u16 = 0x0085;
const SHARED_STRINGS: u16 = 0x00FC;
const FORMAT: u16 = 0x041E;
const STYLE: u16 = 0x00E0;

/// The number formats of a workbook, and which of them each style has.
#[derive(Default)]
struct Styles {
    formats: BTreeMap<u16, bool>,
    of_styles: Vec<u16>,
}

impl Styles {
    fn take(&mut self, record: &Record<'_>) {
        let data = record.data;
        match (record.kind, u16_at(data, 0), u16_at(data, 2)) {
            (FORMAT, Some(id), _) => {
                // Its length and flags stand before the code, in two bytes a letter or one.
                let code = data.get(5..).unwrap_or_default().iter().filter(|&&byte| byte != 0);
                let code: String = code.map(|&byte| char::from(byte)).collect();
                self.formats.insert(id, is_percent(&code));
            }
            (STYLE, _, Some(format)) => self.of_styles.push(format),
            _ => {}
        }
    }

    /// The styles whose numbers are shown in percent.
    fn percents(&self) -> HashSet<u16> {
        let is_percent = |format: &u16| self.formats.get(format).copied().unwrap_or(matches!(format, 9 | 10));
        let styles = self.of_styles.iter().enumerate().filter(|(_, format)| is_percent(format));
        styles.filter_map(|(style, _)| u16::try_from(style).ok()).collect()
    }
}

/// Checks the workbook's stream; gives what each sheet tells, in their order.
pub(super) fn survey(stream: &[u8]) -> Result<Vec<Facts>, InputProblem> {
    let (mut begins, mut texts, mut continued) = (Vec::new(), Vec::new(), 0);
    let mut styles = Styles::default();
    for record in Records(stream) {
        let record = record?;
        continued = if record.kind == CONTINUE { continued + 1 } else { 0 };
        if continued > MAX_CONTINUED {
            return Err(damaged());
        }
        match record.kind {
            FILE_PASS if u16_at(record.data, 0) != Some(0) => return Err(locked()),
            BOUND_SHEET => begins.push(u32_at(record.data, 0).ok_or_else(damaged)? as usize),
            SHARED_STRINGS => texts = text_sizes(&record)?,
            FORMAT | STYLE => styles.take(&record),
            EOF => break,
            _ => {}
        }
    }
    if begins.len() > MAX_SHEETS {
        return Err(too_large("it has more than 1,000 sheets"));
    }
    let mut total = Total::default();
    let percents = styles.percents();
    let sheet = |at: usize| sheet(stream.get(at..).ok_or_else(damaged)?, &texts, &percents, &mut total);
    begins.into_iter().map(sheet).collect()
}

/// The sentence for a workbook under a password.
pub(super) fn locked() -> InputProblem {
    InputProblem::WrongContent(
        "this workbook is protected by a password; open it in Excel, save it without one and try again"
            .to_owned(),
    )
}

fn too_large(why: &str) -> InputProblem {
    InputProblem::Workbook(format!("the workbook is not read: {why}; open it in Excel and save it as XLSX"))
}

/// What all sheets together would hold.
#[derive(Default)]
struct Total {
    records: u64,
    places: u64,
    cells: u64,
    text: u64,
}

/// The rectangle of the cells seen.
#[derive(Default)]
struct Bounds(Option<((u32, u32), (u32, u32))>);

impl Bounds {
    fn add(&mut self, row: u32, column: u32) {
        let ((top, left), (bottom, right)) = self.0.unwrap_or(((row, column), (row, column)));
        self.0 = Some(((top.min(row), left.min(column)), (bottom.max(row), right.max(column))));
    }

    fn places(&self) -> u64 {
        self.0.map_or(0, |((top, left), (bottom, right))| {
            u64::from(bottom - top + 1) * u64::from(right - left + 1)
        })
    }
}

fn sheet(
    stream: &[u8],
    texts: &[u32],
    percents: &HashSet<u16>,
    total: &mut Total,
) -> Result<Facts, InputProblem> {
    let (mut facts, mut bounds, mut depth, mut hidden) =
        (Facts::default(), Bounds::default(), 0_u32, Vec::new());
    let mut filled = std::collections::BTreeSet::new();
    for record in Records(stream) {
        let record = record?;
        total.records += 1;
        if total.records > MAX_RECORDS {
            return Err(too_large("it holds more than twenty million records"));
        }
        match record.kind {
            BOF => depth += 1,
            EOF if depth <= 1 => break,
            EOF => depth -= 1,
            // Charts in the sheet have records of their own.
            _ if depth > 1 => {}
            0x0200 => check_dimensions(record.data)?,
            0x0208 => hidden.extend(hidden_row(record.data)),
            0x007D => hide_columns(record.data, &mut facts),
            0x00E5 => merged(record.data, &mut facts),
            0x0203 | 0x0204 | 0x0205 | 0x0006 | 0x00BD | 0x00D6 | 0x00FD | 0x027E => {
                let row = count_cells(&record, texts, &mut bounds, total)?;
                facts.formulas += u64::from(record.kind == 0x0006);
                filled.insert(row);
                note_numbers(&record, percents, &mut facts)?;
            }
            // The text of a formula's result stands in the first cell where no formula came before.
            0x0207 => {
                total.text += record.data.len() as u64;
                bounds.add(0, 0);
            }
            _ => {}
        }
    }
    total.places += bounds.places();
    if total.places > MAX_CELLS || total.cells > MAX_CELLS {
        return Err(too_large("its cells are spread over more than five million places"));
    }
    hidden.retain(|row| filled.contains(row));
    hidden.iter().for_each(|row| facts.hidden_rows.push(row + 1, row + 1));
    facts.settle();
    Ok(facts)
}

/// Counts the cells of one record and gives their row.
fn count_cells(
    record: &Record<'_>,
    texts: &[u32],
    bounds: &mut Bounds,
    total: &mut Total,
) -> Result<u32, InputProblem> {
    let data = record.data;
    let (Some(row), Some(column)) = (u16_at(data, 0), u16_at(data, 2)) else { return Err(damaged()) };
    let (row, column) = (u32::from(row), u32::from(column));
    bounds.add(row, column);
    total.cells += 1;
    match record.kind {
        0x00BD => {
            let last = data.len().checked_sub(2).and_then(|at| u16_at(data, at)).ok_or_else(damaged)?;
            bounds.add(row, u32::from(last));
            total.cells += u64::from(u32::from(last).saturating_sub(column));
        }
        0x00FD => {
            let at = u32_at(data, 6).ok_or_else(damaged)? as usize;
            total.text += u64::from(texts.get(at).copied().unwrap_or(0));
        }
        _ => total.text += data.len() as u64,
    }
    if total.text > MAX_TEXT {
        return Err(too_large("its texts take up more than 512 MiB"));
    }
    Ok(row)
}

/// Notes which numbers of one record are shown in percent.
fn note_numbers(record: &Record<'_>, percents: &HashSet<u16>, facts: &mut Facts) -> Result<(), InputProblem> {
    let data = record.data;
    let (Some(row), Some(first)) = (u16_at(data, 0), u16_at(data, 2)) else { return Err(damaged()) };
    if percents.is_empty() {
        return Ok(());
    }
    // Several numbers side by side: each has its style before it.
    let styles: Vec<u16> = match record.kind {
        0x00BD => {
            data.get(4..).unwrap_or_default().chunks_exact(6).filter_map(|one| u16_at(one, 0)).collect()
        }
        0x0203 | 0x027E | 0x0006 => u16_at(data, 4).into_iter().collect(),
        _ => Vec::new(),
    };
    for (column, style) in (u32::from(first)..).zip(styles) {
        facts.percents.note(u32::from(row) + 1, column, percents.contains(&style))?;
    }
    Ok(())
}

/// The reader makes room for what the sheet says it holds.
fn check_dimensions(data: &[u8]) -> Result<(), InputProblem> {
    let wide = data.len() > 10;
    let number = |at: usize| u16_at(data, at).map(u32::from);
    let (first_row, last_row, last) =
        if wide { (u32_at(data, 0), u32_at(data, 4), number(10)) } else { (number(0), number(2), number(6)) };
    let (Some(first_row), Some(last_row), Some(last)) = (first_row, last_row, last) else {
        return Err(damaged());
    };
    // The last ones are one beyond; nothing at all is all zeros.
    let backwards = last_row > 0 && last > 0 && first_row > 0 && first_row >= last_row;
    let room = u64::from(last_row) * u64::from(last);
    if backwards || room > MAX_ROOM {
        return Err(damaged());
    }
    Ok(())
}

fn hidden_row(data: &[u8]) -> Option<u32> {
    let flags = data.get(12)?;
    u16_at(data, 0).filter(|_| flags & 0x20 != 0).map(u32::from)
}

fn hide_columns(data: &[u8], facts: &mut Facts) {
    if let (Some(first), Some(last), Some(flags)) = (u16_at(data, 0), u16_at(data, 2), u16_at(data, 8))
        && flags & 1 != 0
    {
        facts.hidden_columns.push(u32::from(first), u32::from(last));
    }
}

fn merged(data: &[u8], facts: &mut Facts) {
    for cells in data.get(2..).unwrap_or_default().chunks_exact(8) {
        let number = |at| u16_at(cells, at).map_or(0, u32::from);
        facts.merge_at(Merged { rows: (number(0) + 1, number(2) + 1), columns: (number(4), number(6)) });
    }
}

/// How many bytes of memory each shared text takes, at most.
fn text_sizes(record: &Record<'_>) -> Result<Vec<u32>, InputProblem> {
    let mut reader = Texts { parts: record.parts(), part: 0, at: 8 };
    let mut sizes = Vec::new();
    while let Some(size) = reader.next_size()? {
        sizes.push(size);
    }
    Ok(sizes)
}

/// Walks over shared texts, which run on from one record into the next.
struct Texts<'a> {
    parts: Vec<&'a [u8]>,
    part: usize,
    at: usize,
}

impl Texts<'_> {
    fn rest(&self) -> &[u8] {
        self.parts.get(self.part).and_then(|part| part.get(self.at..)).unwrap_or_default()
    }

    /// Goes to the next record once this one is used up; false at the end.
    fn more(&mut self) -> bool {
        while self.rest().is_empty() {
            if self.part + 1 >= self.parts.len() {
                return false;
            }
            (self.part, self.at) = (self.part + 1, 0);
        }
        true
    }

    fn next_size(&mut self) -> Result<Option<u32>, InputProblem> {
        if !self.more() {
            return Ok(None);
        }
        let length = u16_at(self.rest(), 0).ok_or_else(damaged)?;
        let flags = *self.rest().get(2).ok_or_else(damaged)?;
        self.at += 3;
        let mut behind = 0_u64;
        if flags & 8 != 0 {
            behind += u64::from(u16_at(self.rest(), 0).ok_or_else(damaged)?) * 4;
            self.at += 2;
        }
        if flags & 4 != 0 {
            behind += u64::from(u32_at(self.rest(), 0).ok_or_else(damaged)?);
            self.at += 4;
        }
        self.pass_letters(usize::from(length), flags & 1 != 0)?;
        self.pass(usize::try_from(behind).map_err(|_| damaged())?)?;
        Ok(Some(u32::from(length) * 3))
    }

    /// A text that goes on in the next record begins there with new flags.
    fn pass_letters(&mut self, mut letters: usize, mut wide: bool) -> Result<(), InputProblem> {
        while letters > 0 {
            let each = if wide { 2 } else { 1 };
            let here = (self.rest().len() / each).min(letters);
            self.at += here * each;
            letters -= here;
            if letters > 0 {
                self.at += self.rest().len();
                if !self.more() {
                    return Err(damaged());
                }
                wide = self.rest().first().is_some_and(|flags| flags & 1 != 0);
                self.at += 1;
            }
        }
        Ok(())
    }

    fn pass(&mut self, mut bytes: usize) -> Result<(), InputProblem> {
        while bytes > 0 {
            if !self.more() {
                return Err(damaged());
            }
            let here = self.rest().len().min(bytes);
            self.at += here;
            bytes -= here;
        }
        Ok(())
    }
}

struct Record<'a> {
    kind: u16,
    data: &'a [u8],
    /// What follows in the stream, where the record may go on.
    rest: &'a [u8],
}

impl<'a> Record<'a> {
    /// The record's own bytes and those of the records that go on with it.
    fn parts(&self) -> Vec<&'a [u8]> {
        let more = Records(self.rest).map_while(Result::ok).take_while(|record| record.kind == CONTINUE);
        std::iter::once(self.data).chain(more.map(|record| record.data)).collect()
    }
}

/// Goes over the records of a stream.
struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, InputProblem>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let record = || {
            let (kind, length) = (u16_at(self.0, 0)?, usize::from(u16_at(self.0, 2)?));
            let data = self.0.get(4..4 + length)?;
            Some(Record { kind, data, rest: self.0.get(4 + length..)? })
        };
        let Some(record) = record() else {
            self.0 = &[];
            return Some(Err(damaged()));
        };
        self.0 = record.rest;
        Some(Ok(record))
    }
}
