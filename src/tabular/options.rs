//! How to read a file: what the mapping's `source:` says.

use serde::{Deserialize, Serialize};

/// The form of a file of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Text with a delimiter.
    Csv,
    /// Text with tabs.
    Tsv,
    /// A workbook, `.xlsx` or `.xlsm`.
    Xlsx,
    /// A workbook of Excel 97 to 2003.
    Xls,
    /// A binary workbook.
    Xlsb,
    /// A workbook of LibreOffice.
    Ods,
    /// One JSON object a line.
    Jsonl,
}

impl Format {
    /// The word in a mapping's `source: { format: … }`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Xlsx => "xlsx",
            Self::Xls => "xls",
            Self::Xlsb => "xlsb",
            Self::Ods => "ods",
            Self::Jsonl => "jsonl",
        }
    }

    /// Reads the word, or a file's ending, in any case.
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "csv" | "txt" => Self::Csv,
            "tsv" | "tab" => Self::Tsv,
            "xlsx" | "xlsm" => Self::Xlsx,
            "xls" => Self::Xls,
            "xlsb" => Self::Xlsb,
            "ods" => Self::Ods,
            "jsonl" | "ndjson" => Self::Jsonl,
            _ => return None,
        })
    }

    /// What it is called in sentences.
    pub(super) fn called(self) -> &'static str {
        match self {
            Self::Csv | Self::Tsv => "a delimited text",
            Self::Xlsx => "an XLSX workbook",
            Self::Xls => "a workbook of Excel 97 to 2003 (.xls)",
            Self::Xlsb => "a binary workbook (.xlsb)",
            Self::Ods => "a LibreOffice workbook (.ods)",
            Self::Jsonl => "JSON Lines",
        }
    }

    /// CSV and TSV.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Csv | Self::Tsv)
    }
}

/// How to read a file. What is not set is found out, and said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOptions {
    /// The form, where the content is not to decide.
    pub format: Option<Format>,
    /// The encoding's name, for example `windows-1252`.
    pub encoding: Option<String>,
    /// What stands between two cells of a text file.
    pub delimiter: Option<char>,
    /// The workbook's sheet.
    pub sheet: Option<SheetChoice>,
    /// The row that holds the column names, 1-based as Excel shows it.
    pub header_row: u32,
    /// The part of a workbook's sheet that is read: `B3:F200`, `B:F`, `3:200`,
    /// with the sheet's name before it or not. Its first row is the header's;
    /// without rows, `header_row` says which that is.
    pub range: Option<String>,
    /// Whether hidden rows and columns of a sheet are read.
    pub hidden: Hidden,
    /// What to call the file in messages, where its path says nothing (`standard input`).
    pub display_name: Option<String>,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            format: None,
            encoding: None,
            delimiter: None,
            sheet: None,
            header_row: 1,
            range: None,
            hidden: Hidden::Include,
            display_name: None,
        }
    }
}

/// What becomes of hidden rows and columns of a sheet, filtered ones too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hidden {
    /// They are read, and counted in a notice.
    #[default]
    Include,
    /// They are left out, and counted in a notice.
    Skip,
}

/// Which sheet of a workbook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SheetChoice {
    /// By name, compared without case and blanks.
    Name(String),
    /// By place among all sheets, hidden ones too, 1-based.
    Number(usize),
}
