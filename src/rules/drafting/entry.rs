//! One field of the drafted mapping: the column that fills it, the keys that
//! the cells prove, and what has to be asked.

use super::dates::{DateVerdict, time_format};
use super::matching::{Match, Matcher, SURE};
use super::numbers::NumberVerdict;
use super::profile::{Profile, Reading, thousands};
use super::references::{holds_ids, is_reference, reference};
use super::target::Why;
use super::values::{MOST_NAMED, Unlisted, own_yes_or_no, unlisted};
use super::yaml::{list, quoted};
use crate::model::{Field, FieldKind, shown};
use crate::rules::convert::order::DateOrder;
use crate::rules::ids::holds_id;
use crate::rules::mapping::DecimalMark;
use crate::rules::program::Dictionaries;
use crate::rules::proof::Witness;

/// A key of a field, beside `from`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// Its name, and its value as YAML.
    Plain(&'static str, String),
    /// Texts of cells and what they become.
    Values(Vec<(String, String)>),
}

/// A remark on a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whether a person has to decide something.
    pub asks: bool,
    /// A line without a line break.
    pub text: String,
}

/// One field of the drafted mapping.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The field.
    pub field: Field,
    /// The columns that fill it; none where it has the same value in every row.
    pub columns: Vec<usize>,
    /// From 0 to 100.
    pub score: u8,
    /// Why, in a few words.
    pub why: String,
    /// The keys that are written.
    pub keys: Vec<Key>,
    /// Remarks below it.
    pub notes: Vec<Note>,
    /// Keys to take instead, each as a ready line.
    pub instead: Vec<Vec<Key>>,
}

/// What other columns prove, as a hint where one proves nothing.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    order: Option<DateOrder>,
    mark: Option<DecimalMark>,
}

impl Hints {
    /// What the columns of a file prove.
    pub fn of(profiles: &[Profile]) -> Self {
        Self {
            order: profiles.iter().find_map(|profile| profile.dates.proves()),
            mark: profiles.iter().find_map(|profile| profile.numbers.proves()),
        }
    }
}

impl Entry {
    /// A field that takes the same value in every row.
    pub fn constant(field: &Field, value: &str, why: &str) -> Self {
        let keys = vec![Key::Plain("const", super::yaml::scalar(value))];
        Self { keys, ..Self::bare(field, Vec::new(), 100, why.to_owned()) }
    }

    fn bare(field: &Field, columns: Vec<usize>, score: u8, why: String) -> Self {
        let (keys, notes, instead) = (Vec::new(), Vec::new(), Vec::new());
        Self { field: field.clone(), columns, score, why, keys, notes, instead }
    }

    /// Whether a person has to look at it.
    pub fn asks(&self) -> bool {
        self.score < SURE || self.notes.iter().any(|note| note.asks)
    }

    /// The questions that it asks, in plain sentences.
    pub fn questions(&self) -> impl Iterator<Item = &str> {
        self.notes.iter().filter(|note| note.asks).map(|note| note.text.as_str())
    }

    /// Adds a remark below it.
    pub fn note(&mut self, asks: bool, text: impl Into<String>) {
        self.notes.push(Note { asks, text: text.into() });
    }

    fn proven(&mut self, what: &str, witness: &Witness) {
        self.why.push_str(&format!("; {what} by {}", cell(witness)));
    }
}

/// Makes the entry of a field that one column fills.
pub fn entry(
    matcher: &Matcher<'_>,
    found: &Match,
    column: usize,
    profile: &Profile,
    others: &Dictionaries,
    hints: &Hints,
) -> Entry {
    let field = matcher.field(found.field);
    let mut entry = Entry::bare(field, vec![column], found.score, why(found, field));
    if let Some(reference) = reference(field, profile, others) {
        let by = match reference.by.as_slice() {
            [one] => (*one).to_owned(),
            several => list(several.iter().copied()),
        };
        entry.keys.push(Key::Plain("ref", format!("{{ object: {}, by: {by} }}", reference.object)));
        return entry;
    }
    match (&field.kind, matcher.list(found.field)) {
        (kind, Some(choices)) => {
            listed(&mut entry, unlisted(profile, kind, choices), &matcher.full_name(field))
        }
        (FieldKind::Date | FieldKind::DateTime, None) => dated(&mut entry, profile, hints),
        (FieldKind::Number | FieldKind::Currency | FieldKind::Percent, None) => {
            numbered(&mut entry, profile, hints);
        }
        (FieldKind::Checkbox, None) => checked(&mut entry, profile),
        (FieldKind::Email, None) => {
            odd(&mut entry, profile, Reading::Email, "e-mail address", "e-mail addresses")
        }
        (FieldKind::Url, None) => odd(&mut entry, profile, Reading::Url, "web address", "web addresses"),
        _ => {}
    }
    sized(&mut entry, profile);
    entry
}

fn why(found: &Match, field: &Field) -> String {
    match (&found.why, &field.kind) {
        (Why::Cells, FieldKind::Email) => "the cells are e-mail addresses".to_owned(),
        (Why::Cells, FieldKind::Url) => "the cells are web addresses".to_owned(),
        (Why::Cells, _) if field.lookup.is_some() => "the cells are values of its list".to_owned(),
        (why, _) => why.words(),
    }
}

fn cell(witness: &Witness) -> String {
    format!("row {}, \"{}\"", witness.row, shown(&witness.text).cut(40))
}

fn dated(entry: &mut Entry, profile: &Profile, hints: &Hints) {
    let format = |format: &str| vec![Key::Plain("date", quoted(format))];
    match profile.dates.conclude() {
        DateVerdict::Plain => {}
        DateVerdict::Form { format: proven, witness, others } => {
            entry.keys = format(&proven);
            entry.proven("the form", &witness);
            if proven.contains("%y") {
                entry.note(true, "the year has two digits: 68 is read as 2068, 69 as 1969");
            }
            if let Some((cells, first)) = others {
                entry.note(
                    true,
                    format!(
                        "{} otherwise, the first in {}",
                        are(cells, "is written", "are written"),
                        cell(&first)
                    ),
                );
            }
        }
        DateVerdict::Forms(order, forms) => {
            let forms: Vec<String> = forms.iter().take(4).map(|form| quoted(form)).collect();
            entry.note(
                true,
                format!("the dates are {}, in several forms: {}", order.words(), forms.join(", ")),
            );
            entry.note(false, "make them alike in the file, or name one form with date:");
        }
        DateVerdict::Open(formats, witness) => {
            let hint = hints
                .order
                .map(|order| format!(" (another column is {})", order.words()))
                .unwrap_or_default();
            entry.note(
                true,
                format!(
                    "day or month first? every date can be read both ways, {}{hint}; take one:",
                    cell(&witness)
                ),
            );
            entry.instead = formats.iter().map(|known| format(known)).collect();
        }
        DateVerdict::Torn(one, other) => {
            entry.note(
                true,
                format!("no one form fits {} and {}; make them alike in the file", cell(&one), cell(&other)),
            );
        }
        DateVerdict::Serials(witness) => {
            entry.keys = vec![Key::Plain("date", "excel".to_owned())];
            entry.proven("Excel's numbers for days", &witness);
        }
    }
    let dates = profile.share(Reading::Date).cells + profile.dates.digits();
    odd_cells(entry, profile.filled.saturating_sub(dates), profile, Reading::Date, "date", "dates");
}

fn numbered(entry: &mut Entry, profile: &Profile, hints: &Hints) {
    let mark = |mark: DecimalMark| {
        vec![Key::Plain("decimal", quoted(if mark == DecimalMark::Point { "." } else { "," }))]
    };
    if holds_id(&entry.field) {
        if holds_ids(profile) && is_reference(&entry.field) {
            entry.note(
                true,
                "whole numbers, so they must be this CRM's own ids; ids of another system find nothing",
            );
        }
        return;
    }
    match profile.numbers.conclude(entry.field.decimals) {
        NumberVerdict::Plain => {}
        NumberVerdict::Mark { mark: proven, witness, by_field, others } => {
            entry.keys = mark(proven);
            let what = if by_field { "the field takes fewer decimals than" } else { "the mark" };
            match by_field {
                true => entry.why.push_str(&format!("; {what} {}", cell(&witness))),
                false => entry.proven(what, &witness),
            }
            if let Some((cells, first)) = others {
                entry.note(
                    true,
                    format!(
                        "{} otherwise, the first in {}",
                        are(cells, "is written", "are written"),
                        cell(&first)
                    ),
                );
            }
        }
        NumberVerdict::Open(witness) => {
            let hint = match hints.mark {
                Some(DecimalMark::Point) => " (another column has a decimal point)",
                Some(DecimalMark::Comma) => " (another column has a decimal comma)",
                None => "",
            };
            entry.note(true, format!("decimals or thousands? {}{hint}; take one:", cell(&witness)));
            entry.instead = vec![mark(DecimalMark::Point), mark(DecimalMark::Comma)];
        }
    }
    let reading = match entry.field.kind {
        FieldKind::Currency => Reading::Currency,
        FieldKind::Percent => Reading::Percent,
        _ => Reading::Number,
    };
    odd(entry, profile, reading, "number", "numbers");
}

/// Words for yes and no beyond those that every checkbox takes.
fn checked(entry: &mut Entry, profile: &Profile) {
    let own: Vec<(&str, bool)> =
        profile.commonest().into_iter().filter_map(|(text, _)| Some((text, own_yes_or_no(text)?))).collect();
    let of = |wanted: bool| own.iter().filter(move |(_, means)| *means == wanted).map(|(text, _)| *text);
    for (key, wanted) in [("true", true), ("false", false)] {
        if of(wanted).next().is_some() {
            entry.keys.push(Key::Plain(key, list(of(wanted))));
        }
    }
    let known: u64 =
        own.iter().filter_map(|(text, _)| profile.values.get(*text)).map(|seen| seen.cells).sum();
    let unknown = profile.filled.saturating_sub(profile.share(Reading::YesNo).cells + known);
    let odd = profile.commonest().into_iter().find(|(text, _)| {
        own_yes_or_no(text).is_none() && crate::rules::convert::checkbox::read(text).is_none()
    });
    if let (Some((text, seen)), true) = (odd, unknown > 0) {
        let first = Witness { row: seen.row, text: text.to_owned() };
        let said = are(unknown, "is no word for yes or no", "are no words for yes or no");
        entry.note(true, format!("{said}, the first in {}", cell(&first)));
    }
}

fn listed(entry: &mut Entry, unknown: Vec<Unlisted>, field: &str) {
    if unknown.is_empty() {
        return;
    }
    let cells: u64 = unknown.iter().map(|value| value.cells).sum();
    let values =
        if unknown.len() == 1 { "1 value is".to_owned() } else { format!("{} values are", unknown.len()) };
    let (times, rows) = if cells == 1 {
        ("once".to_owned(), "its row")
    } else {
        (format!("{} times", thousands(cells)), "their rows")
    };
    entry.note(true, format!("{values} not in the list ({times}); {rows} would be rejected:"));
    for value in unknown.iter().take(MOST_NAMED) {
        let near = value
            .nearest
            .as_ref()
            .map(|near| format!(", nearest \"{}\"", shown(near).cut(60)))
            .unwrap_or_default();
        let times = match value.cells {
            1 => "once".to_owned(),
            2 => "twice".to_owned(),
            more => format!("{} times", thousands(more)),
        };
        entry.note(
            false,
            format!("  \"{}\": {times}, first row {}{near}", shown(&value.text).cut(60), value.row),
        );
    }
    if let Some(more) = unknown.len().checked_sub(MOST_NAMED).filter(|more| *more > 0) {
        entry.note(false, format!("  and {more} more"));
    }
    entry.note(false, format!("say what they become, or add them with: carafe lookup {field} --add VALUE"));
    // `values` is asked about whole cells, and these hold several.
    if entry.field.kind != FieldKind::MultiSelect {
        let become_of = |value: &Unlisted| value.nearest.clone().unwrap_or_else(|| "?".to_owned());
        let values =
            unknown.iter().take(MOST_NAMED).map(|value| (value.text.clone(), become_of(value))).collect();
        entry.instead.push(vec![Key::Values(values)]);
    }
}

fn odd(entry: &mut Entry, profile: &Profile, reading: Reading, one: &str, more: &str) {
    let unfit = profile.filled.saturating_sub(profile.share(reading).cells);
    odd_cells(entry, unfit, profile, reading, one, more);
}

/// Cells that are not what the field takes.
fn odd_cells(entry: &mut Entry, cells: u64, profile: &Profile, reading: Reading, one: &str, more: &str) {
    if let (Some(first), true) = (&profile.share(reading).odd, cells > 0) {
        let what = are(cells, &format!("is no {one}"), &format!("are no {more}"));
        // A few are slips; more are another kind of column.
        entry.note(cells * 20 > profile.filled, format!("{what}, the first in {}", cell(first)));
    }
}

fn are(cells: u64, one: &str, more: &str) -> String {
    if cells == 1 { format!("1 cell {one}") } else { format!("{} cells {more}", thousands(cells)) }
}

/// Texts longer than the field takes.
fn sized(entry: &mut Entry, profile: &Profile) {
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

/// Adds a column that is read behind the others.
pub fn join(entry: &mut Entry, column: usize, between: &'static str, profile: &Profile) {
    entry.columns.push(column);
    if entry.field.kind.is_temporal() {
        let times = profile.commonest().first().map_or("%H:%M", |(text, _)| time_format(text));
        for key in &mut entry.keys {
            if let Key::Plain("date", format) = key {
                *format = format!("{} {times}\"", format.trim_end_matches('"'));
            }
        }
        return;
    }
    // A comma, where any part wants one: a number behind it is still understood.
    match entry.keys.iter_mut().find(|key| matches!(key, Key::Plain("join", _))) {
        Some(Key::Plain(_, written)) if between != " " => *written = quoted(between),
        Some(_) => {}
        None => entry.keys.push(Key::Plain("join", quoted(between))),
    }
}
