//! What a column's cells prove about a field, and what they leave to be asked:
//! the form of dates and numbers, own words of a checkbox, values that a list
//! lacks, cells that do not fit.

use super::dates::DateVerdict;
use super::entry::{Entry, Hints, Key};
use super::numbers::NumberVerdict;
use super::profile::{Profile, Reading};
use super::references::{holds_ids, is_reference};
use super::values::{MOST_NAMED, Unlisted, cells_of_yes_or_no, own_yes_or_no, separator, unlisted};
use super::yaml::{list, quoted};
use crate::model::{FieldKind, count, shown, thousands};
use crate::rules::convert::checkbox;
use crate::rules::ids::holds_id;
use crate::rules::mapping::DecimalMark;
use crate::rules::program::Choices;
use crate::rules::proof::Witness;

/// The form of its dates.
pub fn dated(entry: &mut Entry, profile: &Profile, hints: &Hints) {
    let verdict = profile.dates.conclude();
    let dates = dates_by(&verdict, profile);
    match verdict {
        DateVerdict::Plain => {}
        DateVerdict::Form { format: proven, witness, others } => {
            entry.keys = dated_as(&proven);
            entry.proven("the form", &witness);
            if proven.contains("%y") {
                entry.note(true, "the year has two digits: 68 is read as 2068, 69 as 1969");
            }
            slips(entry, others);
        }
        DateVerdict::Forms(order, forms) => {
            let forms: Vec<String> = forms.iter().take(4).map(|form| quoted(form)).collect();
            let words = order.words();
            entry.note(false, format!("the dates are {words}, in several forms: {}", forms.join(", ")));
        }
        DateVerdict::Open(formats, witness) => {
            let hint = hints.order.map(|order| format!("; another column is {}", order.words()));
            let (hint, cell) = (hint.unwrap_or_default(), cell(&witness));
            ask_form(entry, &format!("every date can be read in several, {cell}{hint}"), &formats);
        }
        DateVerdict::Torn(one, other, formats) => {
            let (one, other) = (cell(&one), cell(&other));
            let why = format!("none fits both {one}, and {other}; make them alike in the file");
            ask_form(entry, &why, &formats);
        }
        DateVerdict::Serials(witness) => {
            entry.keys = vec![Key::Plain("date", "excel".to_owned())];
            entry.note(
                true,
                format!("Excel's numbers for days? {} (excel-1904 for those of old Macs)", cell(&witness)),
            );
        }
    }
    odd_cells(entry, profile.filled.saturating_sub(dates), profile, Reading::Date, "date", "dates");
}

/// The cells that are dates by this verdict.
fn dates_by(verdict: &DateVerdict, profile: &Profile) -> u64 {
    match verdict {
        // Digits alone are dates where nothing else is.
        DateVerdict::Serials(_) => profile.dates.digits(),
        DateVerdict::Form { format, .. } if format == "%Y%m%d" => profile.dates.digits(),
        _ => profile.share(Reading::Date).cells,
    }
}

fn dated_as(format: &str) -> Vec<Key> {
    vec![Key::Date(format.to_owned())]
}

fn ask_form(entry: &mut Entry, why: &str, formats: &[String]) {
    entry.note(true, format!("which form? {why}"));
    choose(entry, formats.iter().map(|format| dated_as(format)).collect());
}

/// The notation of its numbers; ids of other systems.
pub fn numbered(entry: &mut Entry, profile: &Profile, hints: &Hints) {
    if holds_id(&entry.field) {
        ask_about_ids(entry, profile);
        return;
    }
    let mark = |mark: DecimalMark| {
        vec![Key::Plain("decimal", quoted(if mark == DecimalMark::Point { "." } else { "," }))]
    };
    match profile.numbers.conclude(entry.field.decimals) {
        NumberVerdict::Plain => {}
        NumberVerdict::Mark { mark: proven, witness, by_field, others } => {
            entry.keys = mark(proven);
            if by_field {
                // A field that takes few decimals makes thousands likely; no cell proves them.
                let told = "taken for thousands, as the field takes fewer decimals; true?";
                entry.note(true, format!("{}: {told}", cell(&witness)));
            } else {
                entry.proven("the mark", &witness);
            }
            slips(entry, others);
        }
        NumberVerdict::Open(witness) => {
            let hint = match hints.mark {
                Some(DecimalMark::Point) => "; another column has a decimal point",
                Some(DecimalMark::Comma) => "; another column has a decimal comma",
                None => "",
            };
            entry.note(true, format!("decimals or thousands? {}{hint}", cell(&witness)));
            choose(entry, vec![mark(DecimalMark::Point), mark(DecimalMark::Comma)]);
        }
    }
    let reading = match entry.field.kind {
        FieldKind::Currency => Reading::Currency,
        FieldKind::Percent => Reading::Percent,
        _ => Reading::Number,
    };
    odd(entry, profile, reading, "number", "numbers");
}

fn ask_about_ids(entry: &mut Entry, profile: &Profile) {
    if holds_ids(profile) && is_reference(&entry.field) {
        let told = "whole numbers, so they must be this CRM's own ids; ids of another system find nothing";
        entry.note(true, told);
    }
}

/// Ready lines of which one is to be taken.
fn choose(entry: &mut Entry, instead: Vec<Vec<Key>>) {
    entry.note(false, "take one in place of the line above:");
    entry.instead = instead;
}

/// A few cells in another form than the rest.
fn slips(entry: &mut Entry, others: Option<(u64, Witness)>) {
    if let Some((cells, first)) = others {
        let what = are(cells, "is written otherwise", "are written otherwise");
        entry.note(true, format!("{what}, the first in {}", cell(&first)));
    }
}

/// Words for yes and no beyond those that every checkbox takes.
pub fn checked(entry: &mut Entry, profile: &Profile) {
    let texts = profile.commonest();
    let own: Vec<(&str, bool)> =
        texts.iter().filter_map(|(text, _)| Some((*text, own_yes_or_no(text)?))).collect();
    for (key, wanted) in [("true", true), ("false", false)] {
        let words: Vec<&str> =
            own.iter().filter(|(_, means)| *means == wanted).map(|(text, _)| *text).collect();
        // Case does not count.
        let mut once: Vec<&str> = Vec::new();
        for word in words {
            if once.iter().all(|known| !known.eq_ignore_ascii_case(word)) {
                once.push(word);
            }
        }
        match once.as_slice() {
            [] => {}
            [one] => entry.keys.push(Key::Plain(key, super::yaml::scalar(one))),
            several => entry.keys.push(Key::Plain(key, list(several.iter().copied()))),
        }
    }
    let unknown = profile.filled.saturating_sub(cells_of_yes_or_no(profile));
    let odd = texts.iter().find(|(text, _)| own_yes_or_no(text).is_none() && checkbox::read(text).is_none());
    if let (Some((text, seen)), true) = (odd, unknown > 0) {
        let first = Witness { row: seen.row, text: (*text).to_owned() };
        let said = are(unknown, "is no word for yes or no", "are no words for yes or no");
        entry.note(true, format!("{said}, the first in {}", cell(&first)));
    }
}

/// Values that the field's list lacks.
pub fn listed(entry: &mut Entry, profile: &Profile, choices: &Choices) {
    let between = separator(profile, &entry.field.kind, choices);
    if entry.field.kind == FieldKind::MultiSelect && between != ';' {
        entry.keys.push(Key::Plain("split", quoted(&between.to_string())));
    }
    let unknown = unlisted(profile, &entry.field.kind, between, choices);
    if unknown.is_empty() {
        return;
    }
    let cells: u64 = unknown.iter().map(|value| value.cells).sum();
    let values = count(unknown.len() as u64, "value is", "values are");
    let rows = if cells == 1 { "its row" } else { "their rows" };
    entry.note(true, format!("{values} not in the list ({}); {rows} would be rejected:", times(cells)));
    for value in unknown.iter().take(MOST_NAMED) {
        let near = value.nearest.as_ref().map(|near| format!(", nearest \"{}\"", shown(near).cut(60)));
        let (near, text) = (near.unwrap_or_default(), shown(&value.text).cut(60));
        entry.note(false, format!("  \"{text}\": {}, first row {}{near}", times(value.cells), value.row));
    }
    if let Some(more) = unknown.len().checked_sub(MOST_NAMED).filter(|more| *more > 0) {
        entry.note(false, format!("  and {more} more"));
    }
    entry.note(false, "say what they become, or add them to the list:");
    let become_of = |value: &Unlisted| value.nearest.clone().unwrap_or_else(|| "?".to_owned());
    let named = unknown.iter().take(MOST_NAMED);
    entry.instead.push(vec![Key::Values(named.map(|v| (v.text.clone(), become_of(v))).collect())]);
    entry.instead.push(vec![Key::Plain("lookup", "append".to_owned())]);
}

fn times(cells: u64) -> String {
    match cells {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{} times", thousands(more)),
    }
}

/// Cells that cannot be read as the field's type.
pub fn odd(entry: &mut Entry, profile: &Profile, reading: Reading, one: &str, more: &str) {
    let unfit = profile.filled.saturating_sub(profile.share(reading).cells);
    odd_cells(entry, unfit, profile, reading, one, more);
}

fn odd_cells(entry: &mut Entry, cells: u64, profile: &Profile, reading: Reading, one: &str, more: &str) {
    if let (Some(first), true) = (&profile.share(reading).odd, cells > 0) {
        let what = are(cells, &format!("is no {one}"), &format!("are no {more}"));
        // A few are slips; more are another kind of column.
        entry.note(cells * 20 > profile.filled, format!("{what}, the first in {}", cell(first)));
    }
}

/// Texts longer than the field takes.
pub fn sized(entry: &mut Entry, profile: &Profile) {
    let is_text = !entry.field.kind.is_numeric() && !entry.field.kind.is_temporal();
    if let (true, Some(size), Some((longest, row))) = (is_text, entry.field.size, profile.longest)
        && longest > size as usize
    {
        entry.note(
            false,
            format!("the longest text has {longest} characters (row {row}), the field takes {size}"),
        );
    }
}

fn are(cells: u64, one: &str, more: &str) -> String {
    format!("{} {}", count(cells, "cell", "cells"), if cells == 1 { one } else { more })
}

/// A cell as it is named in a comment.
pub fn cell(witness: &Witness) -> String {
    format!("row {}, \"{}\"", witness.row, shown(&witness.text).cut(40))
}
