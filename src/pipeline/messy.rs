//! Files as people send them, made by chance: delimited texts in any encoding,
//! JSON Lines and workbooks with the columns of one mapping.

use std::path::Path;

use encoding_rs::{WINDOWS_1250, WINDOWS_1252};
use proptest::prelude::*;
use rust_xlsxwriter::{Format, Formula, Workbook, Worksheet};

/// Columns and the fields that they feed; `Other` feeds none.
pub const COLUMNS: [&str; 9] = ["Name", "Tel", "Kind", "Mail", "Since", "Value", "Key", "Straße", "Other"];
const FIELDS: &str = "fields:\n  name: Name\n  phone: Tel\n  type: Kind\n  email: Mail\n  \
    inceptiondate: { from: Since, date: \"%d/%m/%Y\" }\n  annualvalue: { from: Value, decimal: \",\" }\n  \
    vip: Key\n  notes: Straße\n";

pub fn mapping(source: &str) -> String {
    format!("version: 1\nobject: accounts\nmode: create\nsource: {{ {source} }}\n{FIELDS}")
}

/// A unit of UTF-16 as bytes.
type Unit = fn(u16) -> [u8; 2];

/// Stands for a byte that the encoding does not have.
const BAD: char = '\u{F8F0}';

/// The encodings of texts. Where a guess could be another for other rows, the
/// mapping names it; a run's rejects are read by what the run knows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Coding {
    Utf8,
    Utf8Marked,
    Utf16Le,
    Utf16Be,
    Utf16LeUnmarked,
    Windows,
    Polish,
}

impl Coding {
    const ALL: [Self; 7] = [
        Self::Utf8,
        Self::Utf8Marked,
        Self::Utf16Le,
        Self::Utf16Be,
        Self::Utf16LeUnmarked,
        Self::Windows,
        Self::Polish,
    ];

    fn label(self) -> &'static str {
        match self {
            Self::Utf8 | Self::Utf8Marked => "utf-8",
            Self::Utf16Le | Self::Utf16LeUnmarked => "utf-16le",
            Self::Utf16Be => "utf-16be",
            Self::Windows => "windows-1252",
            Self::Polish => "windows-1250",
        }
    }

    pub fn bytes(self, text: &str) -> Vec<u8> {
        let parts =
            |bad: &[u8], of: &dyn Fn(&str) -> Vec<u8>| text.split(BAD).map(of).collect::<Vec<_>>().join(bad);
        let units = |text: &str, to: Unit| text.encode_utf16().flat_map(to).collect::<Vec<u8>>();
        // What the encoding lacks would become a reference as on a web page.
        let legacy = |encoding: &'static encoding_rs::Encoding, text: &str| {
            text.chars()
                .flat_map(|c| match encoding.encode(&c.to_string()) {
                    (bytes, _, false) => bytes.into_owned(),
                    _ => b"?".to_vec(),
                })
                .collect()
        };
        let (le, be): (Unit, Unit) = (u16::to_le_bytes, u16::to_be_bytes);
        match self {
            Self::Utf8 => parts(b"\xEB", &|part| part.as_bytes().to_vec()),
            Self::Utf8Marked => [&b"\xEF\xBB\xBF"[..], &Self::Utf8.bytes(text)].concat(),
            Self::Utf16LeUnmarked => parts(b"\x00\xD8", &|part| units(part, le)),
            Self::Utf16Le => [&b"\xFF\xFE"[..], &Self::Utf16LeUnmarked.bytes(text)].concat(),
            Self::Utf16Be => [&b"\xFE\xFF"[..], &parts(b"\xD8\x00", &|part| units(part, be))].concat(),
            Self::Windows => parts(b"\x81", &|part| legacy(WINDOWS_1252, part)),
            Self::Polish => parts(b"\x81", &|part| legacy(WINDOWS_1250, part)),
        }
    }
}

/// How a delimited text is written.
#[derive(Clone, Debug)]
pub struct Shape {
    delimiter: char,
    coding: Coding,
    end: &'static str,
    titles: Vec<String>,
    names_delimiter: bool,
    /// Every how many cells is in quotes that need none; 0 for none.
    quoted: usize,
}

pub fn shapes() -> impl Strategy<Value = Shape> {
    let titles = prop::collection::vec("[ A-Za-zé;,\"|]{0,12}", 0..3);
    let select = |all: &[char]| prop::sample::select(all.to_vec());
    let ends = prop::sample::select(vec!["\n", "\r\n", "\r"]);
    (
        select(&[',', ';', '\t', '|']),
        prop::sample::select(Coding::ALL.to_vec()),
        ends,
        titles,
        any::<bool>(),
        0..4_usize,
    )
        .prop_map(|(delimiter, coding, end, titles, names_delimiter, quoted)| Shape {
            delimiter,
            coding,
            end,
            titles,
            names_delimiter,
            quoted,
        })
}

impl Shape {
    /// The file's bytes and a mapping that reads them.
    pub fn write(&self, rows: &[Vec<String>]) -> (Vec<u8>, String) {
        let mut at = 0;
        let mut cell = |text: &String| {
            at += 1;
            let needs = text.contains([self.delimiter, '\n', '\r']) || text.starts_with('"');
            let quotes = needs || (self.quoted > 0 && at % self.quoted == 0);
            if quotes { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.clone() }
        };
        let header: Vec<String> = COLUMNS.map(str::to_owned).to_vec();
        let titles: Vec<Vec<String>> = self.titles.iter().map(|title| vec![title.clone()]).collect();
        let text: String = titles
            .iter()
            .chain([&header])
            .chain(rows)
            .map(|row| {
                row.iter().map(&mut cell).collect::<Vec<_>>().join(&self.delimiter.to_string()) + self.end
            })
            .collect();
        let mut source = format!("header_row: {}", self.titles.len() + 1);
        if self.names_delimiter {
            source += &format!(", delimiter: {:?}", self.delimiter.to_string());
        }
        if matches!(self.coding, Coding::Windows | Coding::Polish | Coding::Utf8) || text.contains(BAD) {
            source += &format!(", encoding: {}", self.coding.label());
        }
        (self.coding.bytes(&text), mapping(&source))
    }
}

/// Texts that fit a field, nearly fit one, and that have hurt somebody.
fn cell() -> impl Strategy<Value = String> {
    let known = [
        "Customer",
        "Custmer",
        "a@b.co",
        "nobody",
        "13/02/2024",
        "31/02/2024",
        "1.234,5",
        "1,2,3",
        "yes",
        "maybe",
        "",
        " ",
        "\u{A0}",
        "Zoé",
        "é; ü, ß|x",
        "=1+1",
        "'=1",
        "+44 20",
        "007",
        "1.23E+11",
        "Łódź",
        "Straße",
    ];
    let odd = [
        "\"",
        "\"\"",
        "a\"b",
        "\"q\"r",
        " \"x\"",
        "a\nb",
        "a\r\nb",
        "\r",
        "\t",
        ";",
        ",",
        "|",
        "\u{1}",
        "\u{FEFF}",
        "\u{FEFF}x",
        "漢字",
        "😀",
        "_row",
        "sep=;",
        "{}",
        "<b>",
        "\u{F8F0}",
        "x\u{F8F0}é",
    ];
    prop_oneof![
        4 => prop::sample::select(known.to_vec()).prop_map(str::to_owned),
        3 => "[ -~]{0,8}",
        2 => prop::sample::select(odd.to_vec()).prop_map(str::to_owned),
        1 => any::<String>().prop_map(|text| text.chars().take(6).collect()),
    ]
}

/// Mostly as many cells as there are columns, sometimes fewer or more; some
/// rows without a fault.
pub fn row() -> impl Strategy<Value = Vec<String>> {
    let full = || prop::collection::vec(cell(), COLUMNS.len()..=COLUMNS.len());
    let fine = ["Zoé Łącki", "1", "Customer", "a@b.co", "13/02/2024", "1,5", "yes", "ąęłńśźż", ""];
    prop_oneof![
        8 => full(),
        3 => Just(fine.map(str::to_owned).to_vec()),
        1 => prop::collection::vec(cell(), 1..COLUMNS.len() + 4),
    ]
}

/// A line of JSON Lines: an object of some of the columns, or something else.
pub fn line() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        6 => cell().prop_map(|text| serde_json::Value::from(text.replace(BAD, "x")).to_string()),
        3 => prop::sample::select(vec![
            "null", "true", "false", "0", "-1.50", "1e3", "1e400", "12345678901234567890.5", "\"\\u0041\\n\"", "[1, 2]",
            "{\"a\": 1}", "1.23456789012345678E+17",
        ])
        .prop_map(str::to_owned),
    ];
    let members = prop::collection::vec((any::<bool>(), value), COLUMNS.len());
    let object = members.prop_shuffle().prop_map(|members| {
        let members = COLUMNS.iter().zip(members).filter(|(_, (is_there, _))| *is_there);
        let members: Vec<String> =
            members.map(|(name, (_, value))| format!("\"{name}\" : {value}")).collect();
        format!("{{{} }}", members.join(", "))
    });
    let others = [
        "[1]",
        "7",
        "\"x\"",
        "null",
        "{",
        "{\"Name\":1,\"Name\":2}",
        "{\"Name\":\"\\ud800\"}",
        "Name,Tel",
        "{}",
        "{\"Name\":\"\u{F8F0}\"}",
        "{\"_raw\":\"[1]\"}",
        "{\"_raw\":\"[1]\",\"_row\":3}",
        "{\"_row\":3,\"Tel\":\"1\"}",
        "{\"a\":{\"b\":",
        "{\"Name\":\"x\"} {}",
    ];
    prop_oneof![4 => object, 1 => prop::sample::select(others.to_vec()).prop_map(str::to_owned)]
}

/// A cell of a workbook.
#[derive(Clone, Debug)]
pub enum SheetCell {
    Text(String),
    Number(f64),
    Flag(bool),
    /// A serial number shown as a date, whether there is such a day or not.
    Date(f64),
    Time(f64),
    /// A formula with its stored result.
    Formula(&'static str),
}

pub fn sheet_cell() -> impl Strategy<Value = SheetCell> {
    use SheetCell as C;
    let numbers =
        vec![0.0, 7.0, -1.5, 0.1 + 0.2, 1e15, 1.234_567_890_123_456_7e17, -9.9e200, 4.479_123e11, 1e-7];
    let serials = vec![1.0, 59.0, 60.0, 61.5, 45_123.0, 45_123.75, 2_958_465.0, 2_958_466.0, -1.0, 1e18];
    let results = vec!["#N/A", "#DIV/0!", "7", "Customer", "0"];
    prop_oneof![
        6 => cell().prop_map(|text| C::Text(text.replace(BAD, "x"))),
        2 => prop::sample::select(numbers).prop_map(C::Number),
        1 => (-1_000_000_000_i64..1_000_000_000).prop_map(|cents| C::Number(cents as f64 / 100.0)),
        1 => any::<bool>().prop_map(C::Flag),
        2 => prop::sample::select(serials).prop_map(C::Date),
        1 => (0..86_400_u32).prop_map(|second| C::Time(f64::from(second) / 86_400.0)),
        1 => prop::sample::select(results).prop_map(C::Formula),
    ]
}

impl SheetCell {
    fn write(&self, sheet: &mut Worksheet, row: u32, column: u16) {
        let shown_as = |form: &str| Format::new().set_num_format(form);
        let written = match self {
            Self::Text(text) if text.is_empty() => return,
            Self::Text(text) => sheet.write_string(row, column, text),
            Self::Number(number) => sheet.write_number(row, column, *number),
            Self::Flag(flag) => sheet.write_boolean(row, column, *flag),
            Self::Date(serial) => {
                sheet.write_number_with_format(row, column, *serial, &shown_as("dd/mm/yyyy hh:mm"))
            }
            Self::Time(part) => sheet.write_number_with_format(row, column, *part, &shown_as("hh:mm:ss")),
            Self::Formula(result) => {
                sheet.write_formula(row, column, Formula::new("=A1").set_result(*result))
            }
        };
        written.unwrap();
    }
}

/// A workbook of which one sheet holds the rows, with titles above them and
/// blank columns before them.
pub fn workbook(file: &Path, before: usize, titles: u32, offset: u16, rows: &[Vec<SheetCell>]) {
    let mut book = Workbook::new();
    for _ in 0..before {
        book.add_worksheet().write_string(0, 0, "not this one").unwrap();
    }
    let sheet = book.add_worksheet();
    sheet.set_name("Größe & Co").unwrap();
    (0..titles).for_each(|row| sheet.write_number(row, 1, f64::from(row) + 0.5).map(drop).unwrap());
    for (column, name) in (offset..).zip(COLUMNS) {
        sheet.write_string(titles, column, name).unwrap();
    }
    for (row, cells) in (titles + 1..).zip(rows) {
        for (column, cell) in (offset..).zip(cells) {
            cell.write(sheet, row, column);
        }
    }
    book.save(file).unwrap();
}
