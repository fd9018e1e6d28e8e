//! Rows of an export that come back: whether the CRM's record changed since
//! the export was written, by the date of its last change.

use crate::model::{Dictionary, Value};
use crate::rules::names::folded;
use crate::rules::program::Program;

/// The fields that tell when a record was last changed (source: field notes,
/// "Filters": documents have `modified`, most others `modifieddate`).
const CHANGED: [&str; 2] = ["modifieddate", "modified"];

/// Where a file says when its records were last changed, as they were exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeColumn {
    /// The column's place in the header.
    pub column: usize,
    /// The field.
    pub field: String,
}

/// What a row's date says of its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// The record is as it was exported.
    Unchanged,
    /// Somebody changed it.
    Changed,
    /// The cell is blank, or not as an export writes it.
    Unclear,
}

/// The column that tells, where records are found by the ids that stand in the file.
pub fn change_column(program: &Program, dictionary: &Dictionary) -> Option<ChangeColumn> {
    if !program.matches_by_id() {
        return None;
    }
    CHANGED.into_iter().filter(|name| dictionary.get(name).is_some()).find_map(|name| {
        let is_it = |column: &crate::model::Column| folded(&column.name) == name;
        let column = program.header.columns.iter().position(is_it)?;
        Some(ChangeColumn { column, field: name.to_owned() })
    })
}

/// Compares a cell with what the record says now. A spreadsheet may have taken
/// the seconds away.
pub fn changed_since(cell: &str, now: Option<&Value>) -> Since {
    let plain = |text: &str| {
        let text = text.trim().replace('T', " ");
        let text = if text.len() == 10 { format!("{text} 00:00:00") } else { text };
        let pattern = b"dddd-dd-dd dd:dd:dd";
        let fits = text.len() >= 16
            && text.bytes().zip(pattern).all(|(byte, wanted)| match wanted {
                b'd' => byte.is_ascii_digit(),
                other => byte == *other,
            });
        fits.then(|| text.chars().take(19).collect::<String>())
    };
    let now = now.map(|value| value.to_text().into_owned()).and_then(|text| plain(&text));
    match (plain(cell), now) {
        (Some(then), Some(now)) if now.starts_with(&then) => Since::Unchanged,
        (Some(_), Some(_)) => Since::Changed,
        (None, _) | (_, None) => Since::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_of_the_last_change_tells_in_whatever_dress() {
        let now = Value::from("2026-11-24 10:20:30");
        for (cell, since) in [
            ("2026-11-24 10:20:30", Since::Unchanged),
            ("2026-11-24T10:20:30.000", Since::Unchanged),
            ("2026-11-24 10:20", Since::Unchanged),
            ("2026-11-24 10:20:29", Since::Changed),
            ("2026-11-24", Since::Changed),
            ("", Since::Unclear),
            ("24.11.2026 10:20", Since::Unclear),
            ("45980.43", Since::Unclear),
        ] {
            assert_eq!(changed_since(cell, Some(&now)), since, "{cell}");
        }
        assert_eq!(changed_since("2026-11-24 10:20:30", None), Since::Unclear);
        let midnight = Value::from("2026-11-24");
        assert_eq!(changed_since("2026-11-24 00:00:00", Some(&midnight)), Since::Unchanged);
    }
}
