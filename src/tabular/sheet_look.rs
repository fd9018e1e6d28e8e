//! How a sheet looks, as far as its reject file keeps it: the widths of its
//! columns and how they show their dates and texts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use quick_xml::events::{BytesStart, Event};
use serde::{Deserialize, Serialize};

use super::area::corner;
use super::error::InputProblem;
use super::xlsx_survey::sheet_part;
use super::xml::{Parts, attribute, each_event, part, parts};

/// Rows below the header whose cells are looked at.
const ROWS: u32 = 50;
/// Styles that are looked at; Excel keeps at most 65,490.
const MOST_STYLES: usize = 70_000;
/// The longest format that is kept.
const LONGEST_FORMAT: usize = 100;
/// The format of texts.
const TEXT: &str = "@";

/// What a reject file keeps of a sheet's look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SheetLook {
    /// Widths of columns by 0-based place, in hundredths of a character.
    #[serde(default)]
    pub widths: BTreeMap<u16, u32>,
    /// Formats of dates by 0-based place, as Excel writes them; of Excel's own
    /// that a workbook does not spell out, the number.
    #[serde(default)]
    pub dates: BTreeMap<u16, String>,
    /// 0-based places of columns that are formatted as text.
    #[serde(default)]
    pub texts: BTreeSet<u16>,
}

/// Looks at the columns up to `last` (0-based) of an XLSX sheet. What cannot be
/// read is looked at no further: the look is no reason to refuse a file.
pub(super) fn look(path: &Path, sheet: &str, header_row: u32, last: usize) -> SheetLook {
    let mut found = SheetLook::default();
    let last = u16::try_from(last).unwrap_or(u16::MAX);
    let _ = look_into(path, sheet, header_row, last, &mut found);
    found
}

fn look_into(
    path: &Path,
    sheet: &str,
    header_row: u32,
    last: u16,
    found: &mut SheetLook,
) -> Result<(), InputProblem> {
    let mut parts = parts(path)?;
    let Some(name) = sheet_part(&mut parts, sheet)? else { return Ok(()) };
    let Some(input) = part(&mut parts, &name)? else { return Ok(()) };
    // The first style of each column.
    let mut styles: BTreeMap<u16, usize> = BTreeMap::new();
    let most = header_row.saturating_add(ROWS);
    let (mut row, mut rows) = (0_u32, 0_u32);
    each_event(input, |event| {
        let Event::Start(element) = event else { return true };
        match element.local_name().into_inner() {
            "col" => note_width(found, element, last),
            "row" => {
                // Rows need not say which they are, or may say it twice.
                row = number(element, "r").unwrap_or_else(|| row.saturating_add(1));
                rows += 1;
                return row <= most && rows <= most;
            }
            "c" if row > header_row => {
                let place = attribute(element, "r").and_then(|place| corner(&place));
                let column = place.and_then(|(column, _)| u16::try_from(column?).ok());
                if let (Some(column), Some(style)) = (column.filter(|at| *at <= last), number(element, "s")) {
                    styles.entry(column).or_insert(style as usize);
                }
            }
            _ => {}
        }
        true
    })?;
    if styles.is_empty() {
        return Ok(());
    }
    let formats = formats(&mut parts)?;
    for (column, style) in styles {
        match formats.get(&style).map(String::as_str) {
            Some(TEXT) => drop(found.texts.insert(column)),
            Some(code) => drop(found.dates.insert(column, code.to_owned())),
            None => {}
        }
    }
    Ok(())
}

fn number(element: &BytesStart<'_>, name: &str) -> Option<u32> {
    attribute(element, name)?.parse().ok()
}

/// The width that a `col` gives to its columns.
fn note_width(look: &mut SheetLook, element: &BytesStart<'_>, last: u16) {
    let width = attribute(element, "width").and_then(|width| width.parse::<f64>().ok());
    let (Some(min), Some(max), Some(width)) = (number(element, "min"), number(element, "max"), width) else {
        return;
    };
    // Excel has no wider ones; those narrower than a letter are hidden.
    if !(1.0..=256.0).contains(&width) {
        return;
    }
    for column in min.max(1)..=max.min(u32::from(last).saturating_add(1)) {
        if let Ok(place) = u16::try_from(column - 1) {
            look.widths.insert(place, (width * 100.0).round() as u32);
        }
    }
}

/// The formats of dates and of texts by style.
fn formats(parts: &mut Parts) -> Result<BTreeMap<usize, String>, InputProblem> {
    // Excel's own, which no workbook spells out; the first is the machine's own.
    let own = [("14", "14"), ("15", "15"), ("22", "22"), ("49", TEXT)];
    let mut codes: BTreeMap<String, String> =
        own.iter().map(|(id, code)| ((*id).to_owned(), (*code).to_owned())).collect();
    let (mut formats, mut in_cells, mut style) = (BTreeMap::new(), false, 0);
    let Some(input) = part(parts, "xl/styles.xml")? else { return Ok(formats) };
    each_event(input, |event| {
        match event {
            Event::Start(element) => match element.local_name().into_inner() {
                "numFmt" => {
                    if let (Some(id), Some(code)) =
                        (attribute(element, "numFmtId"), attribute(element, "formatCode"))
                        && (code == TEXT || is_plain_date(&code))
                    {
                        codes.insert(id, code);
                    }
                }
                "cellXfs" => in_cells = true,
                "xf" if in_cells => {
                    let code = attribute(element, "numFmtId").and_then(|id| codes.get(&id));
                    formats.extend(code.map(|code| (style, code.clone())));
                    style += 1;
                }
                _ => {}
            },
            Event::End(element) if element.local_name().into_inner() == "cellXfs" => return false,
            _ => {}
        }
        style < MOST_STYLES && codes.len() < MOST_STYLES
    })?;
    Ok(formats)
}

/// A format that shows day and year, and that every reader takes for a date's.
fn is_plain_date(code: &str) -> bool {
    let bare = code.strip_suffix(";@").unwrap_or(code);
    let small = without_language(bare).to_ascii_lowercase();
    // A letter behind a backslash is shown as it is.
    let is_spelt = small.as_bytes().windows(2).any(|pair| pair[0] == b'\\' && pair[1].is_ascii_alphabetic());
    code.len() <= LONGEST_FORMAT
        && small.contains('y')
        && small.contains('d')
        && !is_spelt
        && small.chars().all(|c| "ymdhs -/.:,\\".contains(c))
}

/// Without the language that month and day are written in, `[$-407]`.
fn without_language(code: &str) -> &str {
    let language = code.strip_prefix("[$-").and_then(|rest| rest.split_once(']'));
    match language {
        Some((language, rest)) if language.bytes().all(|byte| byte.is_ascii_hexdigit()) => rest,
        _ => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_that_show_a_date_are_kept() {
        for code in [
            "dd.mm.yyyy",
            "d/m/yy hh:mm",
            "YYYY-MM-DD",
            "dd\\.mm\\.yyyy;@",
            "dddd, d mmmm yyyy",
            "[$-407]d. mmmm yyyy;@",
            "[$-F800]dddd\\,\\ mmmm\\ dd\\,\\ yyyy",
        ] {
            assert!(is_plain_date(code), "{code}");
        }
        for code in [
            "0.00",
            "[h]:mm",
            "mm:ss",
            "\"day\" 0",
            "General",
            "[$€-407]d y",
            "[$-407",
            "@",
            "yyyy",
            "\\y\\d",
        ] {
            assert!(!is_plain_date(code), "{code}");
        }
    }

    #[test]
    fn widths_beyond_what_excel_has_are_passed_over() {
        let mut look = SheetLook::default();
        for (min, max, width) in [
            ("2", "3", "12.71"),
            ("4", "4", "NaN"),
            ("5", "5", "1e9"),
            ("6", "6", "0"),
            ("0", "1", "8"),
            ("16384", "4294967295", "8"),
            ("9", "7", "8"),
        ] {
            let attributes = [("min", min), ("max", max), ("width", width)];
            note_width(&mut look, &BytesStart::new("col").with_attributes(attributes), 16_383);
        }
        assert_eq!(look.widths, BTreeMap::from([(0, 800), (1, 1271), (2, 1271), (16_383, 800)]));
    }
}
