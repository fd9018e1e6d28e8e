//! The form a file came in: all that a reject file needs to look the same.

use serde::{Deserialize, Serialize};

use super::options::Format;
use super::sheet_look::SheetLook;
use crate::model::is_called;

/// The form of a file, stored with a run so that its rejects can be written
/// when the file itself is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialect {
    /// What kind of file it is.
    pub format: Format,
    /// The row that holds the column names, 1-based as Excel shows it; 0 for
    /// JSON Lines, which have none.
    pub header_row: u32,
    /// The columns, from left to right.
    pub columns: Vec<DialectColumn>,
    /// What is particular to texts or to workbooks.
    pub form: Form,
}

impl Dialect {
    /// Where a reject file has one of its own columns, 0-based among all of them.
    pub fn reserved(&self, name: &str) -> Option<usize> {
        self.columns.iter().rposition(|column| is_called(&column.name, name))
    }
}

/// A column's name and place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialectColumn {
    /// As it stands in the header.
    pub name: String,
    /// 0-based place in the line or sheet.
    pub place: usize,
}

/// What is particular to a kind of file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// CSV and TSV.
    Text(TextForm),
    /// A workbook's sheet.
    Sheet(SheetForm),
    /// JSON Lines.
    Json(JsonForm),
}

/// The form of JSON Lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JsonForm {
    /// The encoding's name: UTF-8 or UTF-16.
    pub encoding: String,
    /// A byte-order mark stands at the beginning.
    pub byte_order_mark: bool,
    /// What ends a line.
    pub line_end: LineEnd,
}

/// The form of a delimited text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextForm {
    /// The encoding's name.
    pub encoding: String,
    /// A byte-order mark stands at the beginning.
    pub byte_order_mark: bool,
    /// What stands between two cells.
    pub delimiter: char,
    /// What ends a record.
    pub line_end: LineEnd,
    /// All bytes between the byte-order mark and the header: a `sep=` line,
    /// titles, blank lines. In the file's encoding, but UTF-8 for UTF-16.
    pub preamble: Vec<u8>,
    /// The header's own bytes, without its line end, encoded like `preamble`.
    pub header: Vec<u8>,
    /// Cells of the header, nameless ones at its end too.
    pub width: usize,
}

/// What ends a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineEnd {
    /// LF
    Lf,
    /// CRLF
    CrLf,
    /// CR
    Cr,
}

impl LineEnd {
    /// The characters themselves.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lf => "\n",
            Self::CrLf => "\r\n",
            Self::Cr => "\r",
        }
    }

    /// The line end with which these bytes begin.
    pub(super) fn at_start(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [b'\r', b'\n', ..] => Some(Self::CrLf),
            [b'\r', ..] => Some(Self::Cr),
            [b'\n', ..] => Some(Self::Lf),
            _ => None,
        }
    }
}

/// The form of a workbook's sheet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SheetForm {
    /// The sheet's name.
    pub name: String,
    /// Its 1-based place among the sheets where it was asked for by that, else 0:
    /// what is asked for by a number must be found by it in a reject file too.
    #[serde(default)]
    pub number: usize,
    /// The filled rows above the header.
    pub titles: Vec<TitleRow>,
    /// What its rejects keep of its look; nothing in runs of earlier versions.
    #[serde(default)]
    pub look: SheetLook,
}

/// A row above the header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TitleRow {
    /// 1-based, as Excel shows it.
    pub row: u32,
    /// The cells from column A on, as [`super::keep`] writes them.
    pub cells: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialect_is_stored_and_read_again() {
        let dialect = Dialect {
            format: Format::Csv,
            header_row: 3,
            columns: vec![DialectColumn { name: "Zoë".into(), place: 0 }],
            form: Form::Text(TextForm {
                encoding: "windows-1252".into(),
                byte_order_mark: false,
                delimiter: ';',
                line_end: LineEnd::CrLf,
                preamble: b"sep=;\r\n".to_vec(),
                header: b"Zo\xEB".to_vec(),
                width: 1,
            }),
        };
        let json = serde_json::to_string(&dialect).unwrap();
        assert_eq!(serde_json::from_str::<Dialect>(&json).unwrap(), dialect);
    }
}
