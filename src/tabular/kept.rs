//! What a run keeps of a row, so that its reject can be written when the
//! file is gone: a text's own bytes, or a workbook's typed cells as JSON.

use std::collections::BTreeMap;

use jiff::civil::{DateTime, Time};
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::charset::{Charset, Decoder};
use super::dialect::{Dialect, Form};
use super::json_line::{members, text_of};
use super::records::{spans, unquoted};
use crate::model::{Cell, CellFault, Row, is_reserved};

/// What to keep of a row: the bytes of a text's record as they are, or a
/// workbook's cells as a JSON array.
pub fn keep(row: &Row) -> Vec<u8> {
    if row.raw.is_empty() { keep_sheet_row(row).into_bytes() } else { row.raw.clone() }
}

/// The cells of a kept row as texts, for showing.
pub fn kept_cells(dialect: &Dialect, kept: &[u8]) -> Vec<String> {
    match &dialect.form {
        Form::Text(form) => {
            let delimiter = u8::try_from(form.delimiter).unwrap_or(b',');
            let charset = Charset::from_label(&form.encoding).unwrap_or(Charset::Utf8);
            let cell =
                |span| unquoted(kept.get::<std::ops::Range<usize>>(span).unwrap_or_default(), delimiter);
            spans(kept, delimiter).into_iter().map(|span| Decoder::lossy(charset, &cell(span))).collect()
        }
        Form::Sheet(_) => read_kept(kept).iter().map(KeptCell::to_text).collect(),
        Form::Json(_) => json_cells(dialect, kept),
    }
}

/// The values of a kept object in the order of the columns; of a line that
/// is no object, the line.
fn json_cells(dialect: &Dialect, kept: &[u8]) -> Vec<String> {
    let Ok(members) = members(kept) else { return vec![String::from_utf8_lossy(kept).into_owned()] };
    let value = |name: &str| members.iter().find(|member| member.key == name).map(|member| member.value);
    let text = |json: &str| match json {
        "null" => String::new(),
        json if json.starts_with('"') => text_of(json).unwrap_or_default().into_owned(),
        json => json.to_owned(),
    };
    dialect.columns.iter().map(|column| value(&column.name).map(text).unwrap_or_default()).collect()
}

/// Whether two lines of JSON Lines hold the same object, but for what a
/// reject file adds: its marks, and columns that only other lines have.
pub fn is_same_object(one: &[u8], other: &[u8]) -> bool {
    let own = |line| {
        let own = members(line).ok()?.into_iter().filter(|it| !is_reserved(&it.key) && it.value != "null");
        Some(own.map(|member| (member.key.into_owned(), member.value)).collect::<BTreeMap<_, _>>())
    };
    own(one).is_some_and(|one| Some(one) == own(other))
}

/// A workbook's cell, owned.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum KeptCell {
    Blank,
    Text(String),
    /// Plain decimal text.
    Number(String),
    /// A number as it is shown in percent, `15%`.
    Percent(String),
    Bool(bool),
    DateTime(DateTime),
    Time(Time),
    /// An error value.
    Error(String),
    /// A serial number that is no date, or an ISO text that is none.
    NoSuchDate(String),
    /// A number that lost digits, as Excel shows it.
    PrecisionLost(String),
    /// No value is known: a formula without one, or too long a text.
    Missing,
}

impl KeptCell {
    pub(super) fn to_text(&self) -> String {
        match self {
            Self::Blank | Self::Missing => String::new(),
            Self::Text(text)
            | Self::Number(text)
            | Self::Percent(text)
            | Self::Error(text)
            | Self::NoSuchDate(text)
            | Self::PrecisionLost(text) => text.clone(),
            Self::Bool(flag) => Cell::Bool(*flag).to_string(),
            Self::DateTime(at) => Cell::DateTime(*at).to_string(),
            Self::Time(at) => Cell::Time(*at).to_string(),
        }
    }
}

/// A workbook's row as a compact JSON array: texts, numbers, `true` and
/// `null` for themselves, everything else as an object of one letter.
pub(super) fn keep_sheet_row(row: &Row) -> String {
    let mut out = String::from("[");
    for at in 0..row.len() {
        if at > 0 {
            out.push(',');
        }
        push_cell(row.cell(at), &mut out);
    }
    out.push(']');
    out
}

fn push_cell(cell: Cell<'_>, out: &mut String) {
    let text = |text: &str| Json::from(text).to_string();
    match cell {
        Cell::Blank => out.push_str("null"),
        Cell::Text(given) => out.push_str(&text(given)),
        Cell::Number(number) => out.push_str(number),
        Cell::Percent(shown) => out.push_str(&format!("{{\"r\":{}}}", text(shown))),
        Cell::Bool(flag) => out.push_str(if flag { "true" } else { "false" }),
        Cell::DateTime(at) => out.push_str(&format!("{{\"d\":\"{at}\"}}")),
        Cell::Time(at) => out.push_str(&format!("{{\"t\":\"{at}\"}}")),
        Cell::Fault(fault) => match fault {
            CellFault::Error(given) => out.push_str(&format!("{{\"e\":{}}}", text(given))),
            CellFault::NoSuchDate(given) => out.push_str(&format!("{{\"s\":{}}}", text(given))),
            CellFault::PrecisionLost(given) => out.push_str(&format!("{{\"p\":{}}}", text(given))),
            CellFault::NoStoredValue | CellFault::TooLong | CellFault::Undecodable { .. } => {
                out.push_str("{\"m\":\"\"}");
            }
        },
    }
}

/// Reads what [`keep_sheet_row`] wrote; anything else gives no cells, or
/// missing ones.
pub(super) fn read_kept(kept: &[u8]) -> Vec<KeptCell> {
    let cells: Vec<&RawValue> = serde_json::from_slice(kept).unwrap_or_default();
    cells.into_iter().map(|cell| read_cell(cell.get())).collect()
}

fn read_cell(json: &str) -> KeptCell {
    let number = json.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    match serde_json::from_str::<Json>(json) {
        Ok(Json::Null) => KeptCell::Blank,
        Ok(Json::Bool(flag)) => KeptCell::Bool(flag),
        Ok(Json::String(text)) => KeptCell::Text(text),
        Ok(Json::Number(_)) if number => KeptCell::Number(json.to_owned()),
        Ok(Json::Object(object)) => {
            let Some((kind, Json::String(text))) = object.into_iter().next() else {
                return KeptCell::Missing;
            };
            match kind.as_str() {
                "d" => text.parse().map_or(KeptCell::Missing, KeptCell::DateTime),
                "t" => text.parse().map_or(KeptCell::Missing, KeptCell::Time),
                "r" => KeptCell::Percent(text),
                "e" => KeptCell::Error(text),
                "s" => KeptCell::NoSuchDate(text),
                "p" => KeptCell::PrecisionLost(text),
                _ => KeptCell::Missing,
            }
        }
        _ => KeptCell::Missing,
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date, time};

    use super::*;

    #[test]
    fn a_sheet_row_is_kept_with_its_types() {
        let mut row = Row::default();
        let at = date(2024, 2, 29).at(9, 30, 0, 0);
        for cell in [
            Cell::Text("a \"b\"\nc"),
            Cell::Blank,
            Cell::Number("-0.30"),
            Cell::Percent("-7.5%"),
            Cell::Bool(true),
            Cell::DateTime(at),
            Cell::Time(time(9, 30, 0, 0)),
            Cell::Fault(CellFault::Error("#N/A")),
            Cell::Fault(CellFault::NoSuchDate("60")),
            Cell::Fault(CellFault::PrecisionLost("1.2E+17")),
            Cell::Fault(CellFault::NoStoredValue),
        ] {
            row.push(cell);
        }
        let want = vec![
            KeptCell::Text("a \"b\"\nc".into()),
            KeptCell::Blank,
            KeptCell::Number("-0.30".into()),
            KeptCell::Percent("-7.5%".into()),
            KeptCell::Bool(true),
            KeptCell::DateTime(at),
            KeptCell::Time(time(9, 30, 0, 0)),
            KeptCell::Error("#N/A".into()),
            KeptCell::NoSuchDate("60".into()),
            KeptCell::PrecisionLost("1.2E+17".into()),
            KeptCell::Missing,
        ];
        assert_eq!(read_kept(&keep(&row)), want);
        assert_eq!(read_kept(b"nonsense"), []);
    }

    #[test]
    fn a_text_row_is_kept_as_its_bytes() {
        let mut row = Row::default();
        row.raw.extend(b"Zo\xEB,\"1\"");
        row.push(Cell::Text("Zoë"));
        assert_eq!(keep(&row), b"Zo\xEB,\"1\"");
    }
}
