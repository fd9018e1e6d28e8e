//! One field of the drafted mapping: the column that fills it, the keys that
//! the cells prove, and what has to be asked.

use super::cells::{cell, checked, dated, listed, numbered, odd, sized};
use super::dates::time_format;
use super::matching::{Match, Matcher, SURE};
use super::profile::{Profile, Reading};
use super::references::reference;
use super::target::Why;
use super::yaml::{list, quoted};
use crate::model::{Field, FieldKind};
use crate::rules::convert::order::DateOrder;
use crate::rules::mapping::DecimalMark;
use crate::rules::program::Dictionaries;
use crate::rules::proof::Witness;

/// A key of a field, beside `from`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// Its name, and its value as YAML.
    Plain(&'static str, String),
    /// The format of dates.
    Date(String),
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
    /// The order of dates.
    pub order: Option<DateOrder>,
    /// The decimal mark.
    pub mark: Option<DecimalMark>,
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

    /// A field without any key.
    pub fn bare(field: &Field, columns: Vec<usize>, score: u8, why: String) -> Self {
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

    /// Names the cell that proves a key.
    pub fn proven(&mut self, what: &str, witness: &Witness) {
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
        (_, Some(choices)) => listed(&mut entry, profile, choices),
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

/// Adds a column that is read behind the others.
pub fn join(entry: &mut Entry, column: usize, between: &'static str, profile: &Profile) {
    entry.columns.push(column);
    if entry.field.kind.is_temporal() {
        let times = profile.commonest().first().map_or("%H:%M", |(text, _)| time_format(text));
        for key in entry.keys.iter_mut().chain(entry.instead.iter_mut().flatten()) {
            if let Key::Date(format) = key {
                format.push_str(&format!(" {times}"));
            }
        }
        // With a time behind them, Excel's numbers for days are none any more.
        entry.keys.retain(|key| !matches!(key, Key::Plain("date", _)));
        return;
    }
    // A comma, where any part wants one: a number behind it is still understood.
    match entry.keys.iter_mut().find(|key| matches!(key, Key::Plain("join", _))) {
        Some(Key::Plain(_, written)) if between != " " => *written = quoted(between),
        Some(_) => {}
        None => entry.keys.push(Key::Plain("join", quoted(between))),
    }
}
