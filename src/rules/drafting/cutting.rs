//! A column that holds what the CRM keeps in two fields: whole names, postcode
//! and town.

use super::entry::{Entry, Key};
use super::matching::{Fate, Matcher};
use super::profile::{Profile, Reading, part_of};
use super::words::{plain, squeezed};
use crate::model::{Field, Header};

/// What whole names are called, squeezed.
const NAMES: [&str; 17] = [
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

/// What postcode and town are called together.
const PLACES: [&str; 9] = [
    "plzort",
    "plzundort",
    "postleitzahlort",
    "postcodecity",
    "postcodetown",
    "zipcity",
    "zipcodecity",
    "postalcodecity",
    "postalcodetown",
];

/// How sure such a column is cut rightly: `Anna Maria de Souza` is not.
const SCORE: u8 = 70;

/// How many of the cells must look as if they could be cut.
const MOST: f64 = 0.8;

const FIRST: &str = "{ by: \" \", part: 1 }";
const REST: &str = "{ by: \" \", part: 2- }";

/// Columns that are cut are marked so; the answer is the fields that they fill.
pub fn cut(matcher: &Matcher<'_>, header: &Header, profiles: &[Profile], fates: &mut [Fate]) -> Vec<Entry> {
    let mut entries = Vec::new();
    let names = ["first", "last"];
    if let Some((column, fields)) = find(matcher, header, fates, &NAMES, names)
        && !has_name(matcher)
        && part(&profiles[column], is_name) >= MOST
        && profiles[column].part(Reading::Email) < 0.2
    {
        // `Ortiz, Dana`, or `Dana Ortiz`.
        let reversed = part(&profiles[column], |text| text.matches(',').count() == 1) >= MOST;
        let (why, keys) = if reversed {
            ("the whole name, cut at the comma", ["{ by: \",\", part: 2 }", "{ by: \",\", part: 1 }"])
        } else {
            ("the whole name, cut at its first blank", [FIRST, REST])
        };
        entries.extend(parts(column, fields, why, keys));
        fates[column] = Fate::Cut;
    }
    let places = ["addresspostcode/zip", "addresscity"];
    if let Some((column, fields)) = find(matcher, header, fates, &PLACES, places)
        && part(&profiles[column], is_place) >= MOST
    {
        entries.extend(parts(column, fields, "postcode and town, cut at the first blank", [FIRST, REST]));
        fates[column] = Fate::Cut;
    }
    entries
}

/// Whether the header calls a whole name, and the object wants its parts.
pub fn is_whole_name(matcher: &Matcher<'_>, header: &Header, column: usize) -> bool {
    let has = |name: &str| matcher.dictionary().get(name).is_some_and(|field| !field.read_only);
    has("first") && has("last") && !has_name(matcher) && is_called(header, column, &NAMES)
}

fn has_name(matcher: &Matcher<'_>) -> bool {
    matcher.dictionary().get("name").is_some()
}

fn is_called(header: &Header, column: usize, names: &[&str]) -> bool {
    let name = header.columns.get(column).map(|column| squeezed(&plain(&column.name)));
    name.is_some_and(|name| names.contains(&name.as_str()))
}

/// A column called so, where both fields are there and no other column fills either.
fn find<'d>(
    matcher: &Matcher<'d>,
    header: &Header,
    fates: &[Fate],
    headers: &[&str],
    names: [&str; 2],
) -> Option<(usize, [&'d Field; 2])> {
    let [Some(one), Some(other)] = names.map(|name| matcher.dictionary().get(name)) else { return None };
    let column = (0..fates.len()).find(|&at| is_called(header, at, headers))?;
    let fills = |fate: &Fate| fate.field().is_some_and(|at| names.contains(&matcher.field(at).name.as_str()));
    let taken = fates.iter().enumerate().any(|(at, fate)| at != column && fills(fate));
    let is_free = matches!(fates[column], Fate::Unknown(_) | Fate::Torn(_)) || fills(&fates[column]);
    (is_free && !taken && !one.read_only && !other.read_only).then_some((column, [one, other]))
}

fn parts(column: usize, fields: [&Field; 2], why: &str, keys: [&str; 2]) -> [Entry; 2] {
    let entry = |at: usize| {
        let mut entry = Entry::bare(fields[at], vec![column], SCORE, why.to_owned());
        entry.keys.push(Key::Plain("split", keys[at].to_owned()));
        entry
    };
    [entry(0), entry(1)]
}

/// Two words or more, without digits.
fn is_name(text: &str) -> bool {
    text.split_whitespace().count() >= 2 && !text.contains(|c: char| c.is_ascii_digit())
}

/// `10115 Berlin`, `D-80331 München`.
fn is_place(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let digits = words.next().map_or(0, |word| word.chars().filter(char::is_ascii_digit).count());
    digits >= 4 && words.next().is_some_and(|word| word.starts_with(char::is_alphabetic))
}

/// The part of the remembered texts of which this holds.
fn part(profile: &Profile, holds: impl Fn(&str) -> bool) -> f64 {
    let count = profile.values.keys().filter(|text| holds(text)).count();
    part_of(count as u64, profile.values.len() as u64)
}
