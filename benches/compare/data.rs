//! The data: made up, the same each time, and shaped like what people have:
//! quoted line breaks, quotes in quotes, Unicode, dates, decimals, blanks.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use rust_xlsxwriter::{ExcelDateTime, Format, Workbook, Worksheet, XlsxError};

use crate::shapes::{self, FIELDS, SECTORS, Style, TYPES};

/// Goes into the names of files: one more when the data change.
const VERSION: u32 = 1;

/// One row in this many breaks a rule, where rows may.
const WRONG: u64 = 10_000;

const FIRST: [&str; 16] = [
    "Alder",
    "Brightwater",
    "Cobalt",
    "Dunmore",
    "Estrella",
    "Fjord",
    "Grünwald",
    "Harbour",
    "Ivory",
    "Jasmin",
    "Kowalski",
    "Lindqvist",
    "Müller",
    "Northgate",
    "Orion",
    "Peña",
];
const SECOND: [&str; 12] = [
    "Timber",
    "Logistics",
    "Foods",
    "Textiles",
    "Optics",
    "Energy",
    "Paper",
    "Steel",
    "Design",
    "Medical",
    "Tools",
    "Glass",
];
const FORM: [&str; 6] = ["Ltd", "GmbH", "plc", "AB", "Inc", "SA"];
const STREET: [&str; 8] = [
    "Mill Lane",
    "High Street",
    "Königstraße",
    "Rue de l'Église",
    "Via Roma",
    "Storgatan",
    "Calle Mayor",
    "Ring Road",
];
const PLACE: [(&str, &str, &str); 10] = [
    ("London", "United Kingdom", "+44 20"),
    ("Zürich", "Switzerland", "+41 44"),
    ("München", "Germany", "+49 89"),
    ("Paris", "France", "+33 1"),
    ("Malmö", "Sweden", "+46 40"),
    ("Kraków", "Poland", "+48 12"),
    ("Leeds", "United Kingdom", "+44 113"),
    ("Boston", "United States", "+1 617"),
    ("Sevilla", "Spain", "+34 95"),
    ("Torino", "Italy", "+39 011"),
];
const REMARK: [&str; 8] = [
    "Renewed for two years",
    "asked for a visit in spring",
    "prefers e-mail",
    "said \"call after four\"",
    "Größere Bestellung geplant",
    "pays within 30 days",
    "moved offices",
    "met at the fair",
];

/// The value of one cell, before it is written in any form.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Any text, the empty one too.
    Text(String),
    /// Year, month, day.
    Date(u16, u8, u8),
    /// An amount in hundredths.
    Amount(u64),
    /// A whole number.
    Whole(u64),
}

/// Numbers that look drawn by lot, the same for each row.
struct Lot(u64);

impl Lot {
    fn draw(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % below as u64).expect("smaller than a usize")
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.draw(of.len())]
    }
}

/// The fourteen values of a row; `at` counts from nought and stands in its name.
pub fn record(at: u64) -> [Cell; 14] {
    let mut lot = Lot(at.wrapping_mul(0xD134_2543_DE82_EF95));
    let (first, second) = (lot.one(&FIRST), lot.one(&SECOND));
    let (city, country, prefix) = lot.one(&PLACE);
    let host = format!("{}-{}", plain(first), second.to_lowercase());
    let text = |text: String| Cell::Text(text);
    [
        text(format!("{first} {second} {} {at:07}", lot.one(&FORM))),
        text(street(&mut lot)),
        text(city.to_owned()),
        text(format!("{:05}", lot.draw(99_999))),
        text(country.to_owned()),
        text(lot.one(&TYPES).to_owned()),
        text(lot.one(&SECTORS).to_owned()),
        text(format!("{prefix} {:04} {:04}", lot.draw(10_000), lot.draw(10_000))),
        text(format!("https://www.{host}.example/{at:07}")),
        text(if lot.draw(8) == 0 { String::new() } else { format!("info.{at:07}@{host}.example") }),
        Cell::Date(1990 + lot.draw(35) as u16, 1 + lot.draw(12) as u8, 1 + lot.draw(28) as u8),
        Cell::Amount(lot.draw(500_000_000) as u64),
        Cell::Whole(lot.draw(20_000) as u64),
        text(remarks(&mut lot)),
    ]
}

fn street(lot: &mut Lot) -> String {
    let line = format!("{} {}", lot.draw(400) + 1, lot.one(&STREET));
    if lot.draw(5) == 0 { format!("{line}\nUnit {}", lot.draw(90) + 1) } else { line }
}

fn remarks(lot: &mut Lot) -> String {
    let count = lot.draw(4);
    (0..count).map(|_| lot.one(&REMARK)).collect::<Vec<_>>().join("; ")
}

/// ASCII letters only, for host names.
fn plain(word: &str) -> String {
    word.chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_lowercase()).collect()
}

/// The row with one value that breaks a rule, for one in [`WRONG`].
fn with_faults(at: u64, mut cells: [Cell; 14], style: Style) -> [Cell; 14] {
    let no_day = if style == Style::Stated { "2021-02-30" } else { "30/02/2021" };
    if at % WRONG == WRONG - 1 {
        let (place, wrong) =
            [(5, "Custmer"), (9, "no address"), (10, no_day), (12, "many")][(at / WRONG % 4) as usize];
        cells[place] = Cell::Text(wrong.to_owned());
    }
    cells
}

/// Rows of a file with faults that break a rule.
pub fn wrong_rows(rows: u64) -> u64 {
    rows / WRONG
}

fn write_csv_row(out: &mut impl Write, cells: &[Cell], style: Style) -> std::io::Result<()> {
    for (at, cell) in cells.iter().enumerate() {
        if at > 0 {
            out.write_all(b",")?;
        }
        match (cell, style) {
            (Cell::Text(text), _) if text.contains([',', '"', '\n']) => {
                write!(out, "\"{}\"", text.replace('"', "\"\""))?;
            }
            (Cell::Text(text), _) => out.write_all(text.as_bytes())?,
            (Cell::Date(year, month, day), Style::Stated) => write!(out, "{year}-{month:02}-{day:02}")?,
            (Cell::Date(year, month, day), Style::Open) => write!(out, "{day:02}/{month:02}/{year}")?,
            (Cell::Amount(cents), Style::Open) if *cents >= 100_000 => {
                write!(out, "\"{}.{:02}\"", grouped(cents / 100), cents % 100)?;
            }
            (Cell::Amount(cents), _) => write!(out, "{}.{:02}", cents / 100, cents % 100)?,
            (Cell::Whole(number), _) => write!(out, "{number}")?,
        }
    }
    out.write_all(b"\n")
}

/// `1,234,567`
fn grouped(number: u64) -> String {
    if number < 1_000 {
        number.to_string()
    } else {
        format!("{},{:03}", grouped(number / 1_000), number % 1_000)
    }
}

/// The fields of a JSON object, without braces: `"name":"…","addressline":"…"`. A blank is
/// `null` where `blanks` are wanted, as the CRM answers, else left out, as it is asked.
pub fn json_fields(cells: &[Cell], blanks: bool) -> String {
    let mut parts = Vec::with_capacity(cells.len());
    for (field, cell) in FIELDS.iter().zip(cells) {
        let value = match cell {
            Cell::Text(text) if text.is_empty() && !blanks => continue,
            Cell::Text(text) if text.is_empty() => "null".to_owned(),
            Cell::Text(text) => serde_json::to_string(text).expect("a text is JSON"),
            Cell::Date(year, month, day) => format!("\"{year}-{month:02}-{day:02}\""),
            Cell::Amount(cents) => format!("{}.{:02}", cents / 100, cents % 100),
            Cell::Whole(number) => number.to_string(),
        };
        parts.push(format!("\"{}\":{value}", field.name));
    }
    parts.join(",")
}

/// Writes one row of a sheet, typed.
fn write_sheet_row(sheet: &mut Worksheet, row: u32, cells: &[Cell], date: &Format) -> Result<(), XlsxError> {
    for (column, cell) in (0..).zip(cells) {
        match cell {
            Cell::Text(text) if text.is_empty() => {}
            Cell::Text(text) => {
                sheet.write_string(row, column, text)?;
            }
            Cell::Date(year, month, day) => {
                let value = ExcelDateTime::from_ymd(*year, *month, *day)?;
                sheet.write_datetime_with_format(row, column, &value, date)?;
            }
            Cell::Amount(cents) => {
                sheet.write_number(row, column, *cents as f64 / 100.0)?;
            }
            Cell::Whole(number) => {
                sheet.write_number(row, column, *number as f64)?;
            }
        }
    }
    Ok(())
}

/// The files, made when first asked for and kept under the target folder.
#[derive(Clone, Debug)]
pub struct Files {
    folder: PathBuf,
}

impl Files {
    /// The folder that holds them; made if need be.
    pub fn new(folder: PathBuf) -> Self {
        std::fs::create_dir_all(&folder).expect("the folder for the data");
        Self { folder }
    }

    /// Where other files of the bench may be put.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// A CSV file; with `faults`, one row in ten thousand is wrong.
    pub fn csv(&self, rows: u64, style: Style, faults: bool) -> PathBuf {
        let name = format!("accounts-{VERSION}-{rows}-{style:?}-{faults}.csv").to_lowercase();
        self.made(&name, |path| {
            let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
            let header: Vec<&str> = FIELDS.iter().map(|field| field.column).collect();
            writeln!(out, "{}", header.join(","))?;
            for at in 0..rows {
                let cells = if faults { with_faults(at, record(at), style) } else { record(at) };
                write_csv_row(&mut out, &cells, style)?;
            }
            out.flush()
        })
    }

    /// A workbook with the same rows.
    pub fn xlsx(&self, rows: u64) -> PathBuf {
        self.made(&format!("accounts-{VERSION}-{rows}-shared.xlsx"), |path| {
            write_shared(path, rows).map_err(std::io::Error::other)
        })
    }

    /// The mapping file for these settings.
    pub fn mapping(&self, mode: &str, matched: bool, style: Style) -> PathBuf {
        let name = format!("{mode}-{matched}-{style:?}.yaml").to_lowercase();
        self.written(&name, &shapes::mapping(mode, matched, style))
    }

    /// The file for `--dictionary`.
    pub fn snapshot(&self) -> PathBuf {
        self.written("snapshot.json", &shapes::snapshot())
    }

    fn written(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::write(&path, text).expect("a small file");
        path
    }

    fn made(&self, name: &str, make: impl FnOnce(&Path) -> std::io::Result<()>) -> PathBuf {
        let path = self.folder.join(name);
        if !path.exists() {
            let part = self.folder.join(format!("{name}.part"));
            make(&part).expect("room for the data");
            std::fs::rename(&part, &path).expect("the finished file");
        }
        path
    }
}

/// A workbook as Excel makes them: texts once each, in a table of their own.
fn write_shared(path: &Path, rows: u64) -> Result<(), XlsxError> {
    let mut book = Workbook::new();
    write_sheet(book.add_worksheet_with_low_memory()?, rows, record)?;
    book.save(path)
}

/// The reference for writing: in constant memory, the rows that `of` gives.
pub fn write_constant(path: &Path, rows: u64, of: impl Fn(u64) -> [Cell; 14]) -> Result<(), XlsxError> {
    let mut book = Workbook::new();
    write_sheet(book.add_worksheet_with_constant_memory()?, rows, of)?;
    book.save(path)
}

fn write_sheet(sheet: &mut Worksheet, rows: u64, of: impl Fn(u64) -> [Cell; 14]) -> Result<(), XlsxError> {
    let date = Format::new().set_num_format("yyyy-mm-dd");
    for (column, field) in (0..).zip(&FIELDS) {
        sheet.write_string(0, column, field.column)?;
    }
    for at in 0..rows {
        let row = u32::try_from(at + 1).unwrap_or(u32::MAX);
        write_sheet_row(sheet, row, &of(at), &date)?;
    }
    Ok(())
}
