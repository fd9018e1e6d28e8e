//! A column that holds whole names, where the CRM has a field for the first
//! and one for the last.

use super::entry::{Entry, Key};
use super::matching::{Fate, Matcher};
use super::profile::{Profile, Reading};
use super::words::{plain, squeezed};
use crate::model::Header;

/// What whole names are called, squeezed.
const HEADERS: [&str; 17] = [
    "name",
    "fullname",
    "wholename",
    "displayname",
    "contact",
    "contactname",
    "contactperson",
    "person",
    "personname",
    "member",
    "attendee",
    "participant",
    "ansprechpartner",
    "ansprechpartnerin",
    "kontakt",
    "teilnehmer",
    "vorundnachname",
];

/// How sure such a column is cut rightly: `Anna Maria de Souza` is not.
const SCORE: u8 = 70;

/// Whether the header calls a whole name, and the object wants its parts.
pub fn is_called_so(matcher: &Matcher<'_>, header: &Header, column: usize) -> bool {
    let has = |name: &str| matcher.dictionary().get(name).is_some_and(|field| !field.read_only);
    let name = header.columns.get(column).map(|column| squeezed(&plain(&column.name)));
    has("first") && has("last") && !has("name") && name.is_some_and(|name| HEADERS.contains(&name.as_str()))
}

/// The column of whole names that fills both fields, and these fields.
pub fn entries(
    matcher: &Matcher<'_>,
    header: &Header,
    profiles: &[Profile],
    fates: &[Fate],
) -> Option<(usize, [Entry; 2])> {
    let is_open = |fate: &Fate| matches!(fate, Fate::Unknown(_) | Fate::Torn(_));
    let parts = ["first", "last"].map(|name| matcher.dictionary().get(name));
    let [Some(first), Some(last)] = parts else { return None };
    let taken = |name: &str| {
        fates
            .iter()
            .any(|fate| matches!(fate, Fate::Mapped(found) if matcher.field(found.field).name == name))
    };
    if taken("first") || taken("last") {
        return None;
    }
    let column = (0..fates.len()).find(|&at| {
        is_open(&fates[at]) && is_called_so(matcher, header, at) && several_words(&profiles[at]) >= 0.8
    })?;
    let profile = &profiles[column];
    // `Ortiz, Dana`, or `Dana Ortiz`.
    let reversed = part(profile, |text| text.matches(',').count() == 1) >= 0.8;
    let why =
        if reversed { "the whole name, cut at the comma" } else { "the whole name, cut at its first blank" };
    let keys = if reversed {
        ["{ by: \",\", part: 2 }", "{ by: \",\", part: 1 }"]
    } else {
        ["{ by: \" \", part: 1 }", "{ by: \" \", part: 2- }"]
    };
    let entry = |field, key: &str| {
        let mut entry = Entry::bare(field, vec![column], SCORE, why.to_owned());
        entry.keys.push(Key::Plain("split", key.to_owned()));
        entry
    };
    Some((column, [entry(first, keys[0]), entry(last, keys[1])]))
}

fn several_words(profile: &Profile) -> f64 {
    if profile.part(Reading::Email) >= 0.2 || profile.part(Reading::Phone) >= 0.2 {
        return 0.0;
    }
    part(profile, |text| text.split_whitespace().count() >= 2)
}

/// The part of the remembered texts of which this holds.
fn part(profile: &Profile, holds: impl Fn(&str) -> bool) -> f64 {
    let count = profile.values.keys().filter(|text| holds(text)).count();
    super::profile::part_of(count as u64, profile.values.len() as u64)
}
