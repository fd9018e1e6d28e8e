//! Rows of the user's file: cells with their place, as the file has them.

use std::fmt;
use std::ops::Range;

use jiff::civil;

/// The columns of a file, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// The workbook's sheet, if the file is one.
    pub sheet: Option<String>,
    /// The columns from left to right.
    pub columns: Vec<Column>,
}

/// One column of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// The header's text as it stands, byte-order mark removed.
    pub name: String,
    /// 0-based place in the sheet or line; it names the column's letters.
    pub place: usize,
}

impl Header {
    /// The address of a cell as Excel shows it, `Contacts!F17` or `F17`.
    pub fn address(&self, column: usize, row: u64) -> String {
        let place = self.columns.get(column).map_or(column, |c| c.place);
        match &self.sheet {
            Some(sheet) => format!("{sheet}!{}{row}", column_letters(place)),
            None => format!("{}{row}", column_letters(place)),
        }
    }
}

/// The letters of a column from its 0-based place: 0 is `A`, 26 is `AA`.
pub fn column_letters(place: usize) -> String {
    let mut letters = Vec::new();
    let mut rest = place + 1;
    while rest > 0 {
        rest -= 1;
        letters.push(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"[rest % 26] as char);
        rest /= 26;
    }
    letters.iter().rev().collect()
}

/// One cell, as the file has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// Nothing in it.
    Blank,
    /// Text, untrimmed. All that a CSV has; a list or object of JSON Lines as its JSON.
    Text(&'a str),
    /// A number in plain decimal notation: of a workbook with at most 15
    /// significant digits, of JSON Lines with all that the file has.
    Number(&'a str),
    /// A workbook's number that is shown in percent, as it is shown: `15%`, with
    /// all digits that it has.
    Percent(&'a str),
    /// TRUE or FALSE of a workbook or of JSON Lines.
    Bool(bool),
    /// A workbook's date or date with time.
    DateTime(civil::DateTime),
    /// A workbook's time of day without a date.
    Time(civil::Time),
    /// Something that must not be guessed at.
    Fault(CellFault<'a>),
}

/// Why a cell has no usable value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellFault<'a> {
    /// An error value such as `#N/A`.
    Error(&'a str),
    /// A formula whose result the workbook does not hold.
    NoStoredValue,
    /// A whole number of more than 15 digits in a number cell: its last digits are lost.
    PrecisionLost(&'a str),
    /// A date that never was: serial 60, "29 February 1900", or one out of range.
    NoSuchDate(&'a str),
    /// A byte that the encoding does not have; `offset` counts from the file's first byte.
    Undecodable {
        /// 0-based place in the file.
        offset: u64,
        /// The byte.
        byte: u8,
    },
    /// More text than a cell may hold (1 MiB in a CSV, 32,767 characters in a workbook).
    TooLong,
}

/// Why a row as a whole cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowFault {
    /// Fewer cells than the header has.
    TooFewCells {
        /// Cells in the row.
        found: usize,
        /// Columns in the header.
        wanted: usize,
    },
    /// More cells than the header has; all of them are kept in the row.
    TooManyCells {
        /// Cells in the row.
        found: usize,
        /// Columns in the header.
        wanted: usize,
    },
    /// Text behind the closing quote of a cell: a quote that belongs to the text
    /// is not doubled, or one is missing and the cell has swallowed what follows.
    StrayQuote {
        /// The cell.
        cell: usize,
        /// The physical line on which the cell begins, 1-based.
        line: u64,
        /// Line ends inside the cell.
        line_ends: u64,
    },
    /// A row of a reject file that was refused for its number of cells and
    /// comes again as it was.
    AsRefused {
        /// Cells that it had in its own file.
        found: usize,
        /// Columns in the header.
        wanted: usize,
    },
    /// A line of JSON Lines that is not an object.
    NotJson(String),
}

#[derive(Clone, Debug, PartialEq)]
enum Slot {
    Blank,
    Text(Range<usize>),
    Number(Range<usize>),
    Percent(Range<usize>),
    Bool(bool),
    DateTime(civil::DateTime),
    Time(civil::Time),
    Error(Range<usize>),
    NoStoredValue,
    PrecisionLost(Range<usize>),
    NoSuchDate(Range<usize>),
    Undecodable { offset: u64, byte: u8 },
    TooLong,
}

/// One record of the user's file. A reader fills the same `Row` again and
/// again, so reading costs no allocation a row.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    /// As Excel shows it: the first data row under a header in row 1 is 2.
    /// JSON Lines have no header: there it is the line.
    pub number: u64,
    /// The physical line on which it begins, 1-based; differs from `number`
    /// where cells hold line breaks.
    pub line: u64,
    /// What is wrong with the row as a whole.
    pub fault: Option<RowFault>,
    /// The record's own bytes without its line end, in the file's encoding;
    /// empty for workbooks.
    pub raw: Vec<u8>,
    text: String,
    slots: Vec<Slot>,
}

impl Row {
    /// Empties the row for the next record.
    pub fn reset(&mut self, number: u64, line: u64) {
        self.number = number;
        self.line = line;
        self.fault = None;
        self.raw.clear();
        self.text.clear();
        self.slots.clear();
    }

    /// How many cells it has.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Bytes that its texts take in memory.
    pub fn bytes(&self) -> usize {
        self.raw.len() + self.text.len()
    }

    /// True without any cell.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// True when every cell is blank or only blank space.
    pub fn is_blank(&self) -> bool {
        (0..self.len()).all(|at| match self.cell(at) {
            Cell::Blank => true,
            Cell::Text(text) => text.trim().is_empty(),
            Cell::Number(_)
            | Cell::Percent(_)
            | Cell::Bool(_)
            | Cell::DateTime(_)
            | Cell::Time(_)
            | Cell::Fault(_) => false,
        })
    }

    /// The cell of a column; a column beyond the row's end is blank.
    pub fn cell(&self, column: usize) -> Cell<'_> {
        let Some(slot) = self.slots.get(column) else { return Cell::Blank };
        match slot {
            Slot::Blank => Cell::Blank,
            Slot::Text(range) => Cell::Text(&self.text[range.clone()]),
            Slot::Number(range) => Cell::Number(&self.text[range.clone()]),
            Slot::Percent(range) => Cell::Percent(&self.text[range.clone()]),
            Slot::Bool(flag) => Cell::Bool(*flag),
            Slot::DateTime(at) => Cell::DateTime(*at),
            Slot::Time(at) => Cell::Time(*at),
            Slot::Error(range) => Cell::Fault(CellFault::Error(&self.text[range.clone()])),
            Slot::NoStoredValue => Cell::Fault(CellFault::NoStoredValue),
            Slot::PrecisionLost(range) => Cell::Fault(CellFault::PrecisionLost(&self.text[range.clone()])),
            Slot::NoSuchDate(range) => Cell::Fault(CellFault::NoSuchDate(&self.text[range.clone()])),
            Slot::Undecodable { offset, byte } => {
                Cell::Fault(CellFault::Undecodable { offset: *offset, byte: *byte })
            }
            Slot::TooLong => Cell::Fault(CellFault::TooLong),
        }
    }

    /// Appends a cell, copying its text into the row.
    pub fn push(&mut self, cell: Cell<'_>) {
        let slot = match cell {
            Cell::Blank | Cell::Text("") => Slot::Blank,
            Cell::Text(text) => Slot::Text(self.keep(text)),
            Cell::Number(text) => Slot::Number(self.keep(text)),
            Cell::Percent(text) => Slot::Percent(self.keep(text)),
            Cell::Bool(flag) => Slot::Bool(flag),
            Cell::DateTime(at) => Slot::DateTime(at),
            Cell::Time(at) => Slot::Time(at),
            Cell::Fault(CellFault::Error(text)) => Slot::Error(self.keep(text)),
            Cell::Fault(CellFault::NoStoredValue) => Slot::NoStoredValue,
            Cell::Fault(CellFault::PrecisionLost(text)) => Slot::PrecisionLost(self.keep(text)),
            Cell::Fault(CellFault::NoSuchDate(text)) => Slot::NoSuchDate(self.keep(text)),
            Cell::Fault(CellFault::Undecodable { offset, byte }) => Slot::Undecodable { offset, byte },
            Cell::Fault(CellFault::TooLong) => Slot::TooLong,
        };
        self.slots.push(slot);
    }

    /// Appends many text cells at once: they stand in `text` one behind the
    /// other and end at `ends`. False, and nothing appended, where an end
    /// falls into the middle of a character or out of the text.
    pub fn push_texts(&mut self, text: &str, ends: &[usize]) -> bool {
        if !ends.is_sorted() || !ends.iter().all(|&end| text.is_char_boundary(end)) {
            return false;
        }
        let base = self.text.len();
        self.text.push_str(text);
        let mut start = base;
        self.slots.extend(ends.iter().map(|end| {
            let cell = start..base + end;
            start = cell.end;
            if cell.is_empty() { Slot::Blank } else { Slot::Text(cell) }
        }));
        true
    }

    /// Appends the cells of a text that stand between delimiters, an ASCII character.
    pub fn push_split(&mut self, text: &str, delimiter: u8) {
        let mut start = self.text.len();
        self.text.push_str(text);
        let slot = |cell: Range<usize>| if cell.is_empty() { Slot::Blank } else { Slot::Text(cell) };
        let base = start;
        for at in memchr::memchr_iter(delimiter, text.as_bytes()) {
            self.slots.push(slot(start..base + at));
            start = base + at + 1;
        }
        self.slots.push(slot(start..self.text.len()));
    }

    /// Takes blank texts off the end, as far as they stand beyond `columns`.
    pub fn cut_blank_cells(&mut self, columns: usize) {
        let is_blank = |cell: Cell<'_>| match cell {
            Cell::Blank => true,
            Cell::Text(text) => text.trim_ascii().is_empty(),
            _ => false,
        };
        while self.len() > columns && is_blank(self.cell(self.len() - 1)) {
            self.slots.pop();
        }
    }

    fn keep(&mut self, text: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(text);
        start..self.text.len()
    }
}

impl Cell<'_> {
    /// Nothing in it, or the empty text.
    pub fn is_blank(&self) -> bool {
        matches!(self, Self::Blank | Self::Text(""))
    }
}

/// The cell as a person sees it, for messages and findings.
impl fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => Ok(()),
            Self::Text(text) | Self::Number(text) | Self::Percent(text) => f.write_str(text),
            Self::Bool(true) => f.write_str("TRUE"),
            Self::Bool(false) => f.write_str("FALSE"),
            Self::DateTime(at) if at.time() == civil::Time::midnight() => at.date().fmt(f),
            Self::DateTime(at) => write!(f, "{} {}", at.date(), at.time()),
            Self::Time(at) => at.fmt(f),
            Self::Fault(fault) => match fault {
                CellFault::Error(text) | CellFault::PrecisionLost(text) | CellFault::NoSuchDate(text) => {
                    f.write_str(text)
                }
                CellFault::Undecodable { byte, .. } => write!(f, "byte 0x{byte:02X}"),
                CellFault::NoStoredValue | CellFault::TooLong => Ok(()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_have_letters_as_excel_shows_them() {
        for (place, letters) in [(0, "A"), (25, "Z"), (26, "AA"), (701, "ZZ"), (702, "AAA"), (16_383, "XFD")]
        {
            assert_eq!(column_letters(place), letters);
        }
    }

    #[test]
    fn a_row_gives_back_the_cells_it_took_and_is_used_again() {
        let mut row = Row::default();
        row.reset(2, 2);
        row.push(Cell::Text("Zoë"));
        row.push(Cell::Text(""));
        row.push(Cell::Fault(CellFault::Error("#N/A")));
        assert_eq!((row.cell(0), row.cell(1), row.cell(9)), (Cell::Text("Zoë"), Cell::Blank, Cell::Blank));
        assert_eq!(row.cell(2), Cell::Fault(CellFault::Error("#N/A")));
        row.reset(3, 3);
        row.push(Cell::Text("  "));
        assert!(row.is_blank());
        assert_eq!(row.len(), 1);
    }

    #[test]
    fn many_texts_are_taken_at_once_or_not_at_all() {
        let mut row = Row::default();
        row.push(Cell::Text("a"));
        assert!(row.push_texts("Zoëx", &[4, 4, 5]));
        let cells: Vec<Cell<'_>> = (0..row.len()).map(|at| row.cell(at)).collect();
        assert_eq!(cells, [Cell::Text("a"), Cell::Text("Zoë"), Cell::Blank, Cell::Text("x")]);
        for ends in [&[3][..], &[9], &[4, 2]] {
            assert!(!row.push_texts("Zoëx", ends), "{ends:?}");
        }
        assert_eq!(row.len(), 4);
    }
}
