//! Rows of an export that come back: whether the CRM's record changed since
//! the export was written, by the date of its last change.

use std::collections::BTreeMap;

use crate::model::{Dictionary, Value};
use crate::rules::names::folded;
use crate::rules::program::Program;

/// The fields that tell when a record was last changed (source: field notes,
/// "Filters": documents have `modified`, most others `modifieddate`).
const CHANGED: [&str; 2] = ["modifieddate", "modified"];

/// The field of an object that tells when a record was last changed; lines and campaigns have none.
pub fn date_of_change(dictionary: &Dictionary) -> Option<&'static str> {
    CHANGED.into_iter().find(|name| dictionary.get(name).is_some())
}

/// When the records of a file were last changed as it was exported, where its manifest tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatestChange {
    /// The field that tells.
    pub field: &'static str,
    /// The latest such date of any record before the first was read, as the CRM writes times.
    pub latest: String,
    /// The dates of those that were changed later, by id, as they were read.
    pub meanwhile: BTreeMap<u64, String>,
    /// What to call the manifest.
    pub manifest: String,
}

impl LatestChange {
    /// Whether a record, by what it says now, was changed after it was exported.
    pub fn is_before(&self, id: u64, now: Option<&Value>) -> bool {
        let known = self.meanwhile.get(&id).unwrap_or(&self.latest);
        let now = now.and_then(|now| plain(&now.to_text()));
        plain(known).zip(now).is_some_and(|(known, now)| known < now)
    }
}

/// A time of the CRM with seconds, or without them where a spreadsheet took them away; such times
/// compare as texts.
fn plain(text: &str) -> Option<String> {
    let text = text.trim().replace('T', " ");
    let text = if text.len() == 10 { format!("{text} 00:00:00") } else { text };
    let pattern = b"dddd-dd-dd dd:dd:dd";
    let fits = text.len() >= 16
        && text.bytes().zip(pattern).all(|(byte, wanted)| match wanted {
            b'd' => byte.is_ascii_digit(),
            other => byte == *other,
        });
    fits.then(|| text.chars().take(19).collect::<String>())
}

/// The later of two times of the CRM, each as it stands in a record.
pub fn later(one: Option<String>, other: &str) -> Option<String> {
    plain(other).into_iter().chain(one).max()
}

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
    // An object may have both.
    CHANGED.into_iter().filter(|name| dictionary.get(name).is_some()).find_map(|name| {
        let is_it = |column: &crate::model::Column| folded(&column.name) == name;
        let column = program.header.columns.iter().position(is_it)?;
        Some(ChangeColumn { column, field: name.to_owned() })
    })
}

/// Compares a cell with what the record says now. A spreadsheet may have taken
/// the seconds away.
pub fn changed_since(cell: &str, now: Option<&Value>) -> Since {
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
        let latest = |latest: &str| LatestChange {
            field: "modified",
            latest: latest.to_owned(),
            meanwhile: BTreeMap::from([
                (7, "2026-11-24 10:20:29".to_owned()),
                (8, "2026-11-24 10:20:30".to_owned()),
            ]),
            manifest: String::new(),
        };
        assert!(latest("2026-11-24 10:20:29").is_before(1, Some(&now)));
        assert!(!latest("2026-11-24 10:20:30").is_before(1, Some(&now)));
        assert!(!latest("2026-11-24 10:20:29").is_before(1, None) && !latest("?").is_before(1, Some(&now)));
        assert!(latest("2026-11-24 10:20:00").is_before(7, Some(&now)));
        assert!(!latest("2026-11-24 10:20:00").is_before(8, Some(&now)));
        assert_eq!(later(None, "2026-11-24T10:20:30"), Some("2026-11-24 10:20:30".to_owned()));
        assert_eq!(later(later(None, "2026-11-24"), ""), Some("2026-11-24 00:00:00".to_owned()));
        let midnight = Value::from("2026-11-24");
        assert_eq!(changed_since("2026-11-24 00:00:00", Some(&midnight)), Since::Unchanged);
    }
}
