//! Dropdown values that a list lacks, and what they may mean; own words for
//! yes and no.

use std::collections::HashMap;

use super::profile::{Profile, Reading, Seen};
use super::words::{plain, squeezed};
use crate::model::FieldKind;
use crate::rules::convert::checkbox;
use crate::rules::convert::text::json_list;
use crate::rules::names::{folded, trim};
use crate::rules::program::Choices;

/// A value that the list lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unlisted {
    /// As it stands in the file.
    pub text: String,
    /// The cells that hold it.
    pub cells: u64,
    /// The first row.
    pub row: u64,
    /// The value of the list that usually means it or is most like it; looked
    /// for only for the commonest.
    pub nearest: Option<String>,
}

/// Most values that are named to a person.
pub const MOST_NAMED: usize = 12;

/// Words of which each means the same in a CRM's dropdown.
const SAME: &[&str] = &[
    "customer, client, Kunde, Bestandskunde, existing customer, current customer",
    "prospect, lead, Interessent, potential customer, potenzieller Kunde",
    "supplier, vendor, Lieferant",
    "competitor, Wettbewerber, Mitbewerber, Konkurrent",
    "former customer, ex customer, ehemaliger Kunde, Altkunde",
    "other, others, Sonstige, Sonstiges, Andere, miscellaneous",
    "Mr, Herr, M, Monsieur",
    "Mrs, Frau, Mme, Madame",
    "Dr, doctor, Dr med, Doktor",
    "Prof, professor",
    "call, phone, phone call, telephone, Anruf, Telefonat, Telefon",
    "e-mail, mail",
    "meeting, visit, appointment, Besprechung, Termin, Besuch",
    "letter, Brief, post",
    "note, Notiz",
    "task, to do, Aufgabe",
    "open, new, Offen, Neu",
    "closed, done, Geschlossen, Erledigt, resolved",
    "waiting, pending, on hold, Wartend",
    "completed, done, complete, Erledigt, Abgeschlossen",
    "cancelled, canceled, Storniert, Abgesagt",
    "running, active, Laufend, in progress",
    "finished, completed, Beendet, Abgeschlossen",
    "planned, Geplant",
    "won, closed won, Gewonnen",
    "lost, closed lost, Verloren",
    "direct mail, mailing, Postwurf",
    "event, trade fair, exhibition, Messe",
    "website, web, internet",
    "referral, recommendation, Empfehlung, word of mouth",
    "problem, bug, fault, Fehler",
    "request, wish, feature request, Wunsch, Anfrage",
    "question, ask, Frage",
    "complaint, Beschwerde, Reklamation",
    "health care, healthcare, Gesundheit, Gesundheitswesen",
    "information technology, IT, Informatik, technology",
    "financials, finance, Finanzen, Finanzwesen, banking",
    "energy, Energie, Énergie",
    "real estate, property, Immobilien",
    "utilities, Versorger",
    "industrials, manufacturing, Industrie",
    "materials, Rohstoffe",
    "communication services, telecommunications, Kommunikation",
    "consumer discretionary, Konsumgüter",
    "consumer staples, Grundbedarf",
    "public sector, government, Öffentlicher Dienst",
];

/// What may stand between two values of a multi-select.
const SEPARATORS: [char; 5] = [';', ',', '|', '/', '\n'];

/// What stands between the values of a multi-select's cells: of the signs, that
/// with which most cells stand in the list; `;` where none does better.
pub fn separator(profile: &Profile, kind: &FieldKind, list: &Choices) -> char {
    if *kind != FieldKind::MultiSelect {
        return ';';
    }
    let listed = |between: &char| -> u64 {
        let parts = |text: &str| text.split(*between).filter(|part| list.find(trim(part)).is_some()).count();
        profile.values.iter().map(|(text, seen)| parts(text) as u64 * seen.cells).sum()
    };
    // Of equals the first.
    SEPARATORS.into_iter().rev().max_by_key(listed).unwrap_or(';')
}

/// The values of a column that the list lacks, the commonest first.
pub fn unlisted(profile: &Profile, kind: &FieldKind, between: char, list: &Choices) -> Vec<Unlisted> {
    let mut found: Vec<Unlisted> = Vec::new();
    let mut known: HashMap<String, usize> = HashMap::new();
    for (text, seen) in profile.commonest() {
        let parts = match kind {
            FieldKind::MultiSelect => choices(text, between),
            _ => vec![text.to_owned()],
        };
        for text in parts.into_iter().filter(|part| list.find(part).is_none()) {
            let at = *known.entry(folded(&text).into_owned()).or_insert(found.len());
            match found.get_mut(at) {
                Some(before) => merge(before, seen),
                None => found.push(Unlisted { text, cells: seen.cells, row: seen.row, nearest: None }),
            }
        }
    }
    found.sort_by(|a, b| (b.cells, a.row).cmp(&(a.cells, b.row)));
    for value in found.iter_mut().take(MOST_NAMED) {
        value.nearest = meant(&value.text, list);
    }
    found
}

/// The filled parts of a multi-select's cell; a list of JSON Lines is cut already.
pub fn choices(text: &str, between: char) -> Vec<String> {
    let filled = |part: &str| Some(trim(part).to_owned()).filter(|part| !part.is_empty());
    match json_list(text) {
        Some(values) => values.iter().filter_map(|value| filled(value)).collect(),
        None => text.split(between).filter_map(filled).collect(),
    }
}

fn merge(before: &mut Unlisted, seen: &Seen) {
    before.cells += seen.cells;
    before.row = before.row.min(seen.row);
}

/// The value of the list that a text usually means, else the one most like it.
fn meant(text: &str, list: &Choices) -> Option<String> {
    let same = |words: &&&str| words.split(',').any(|word| alike(word, text));
    let usual = SAME.iter().filter(same).find_map(|words| {
        let listed = list.all().find(|choice| words.split(',').any(|word| alike(word, choice)));
        listed.map(str::to_owned)
    });
    usual.or_else(|| list.nearest(text).map(str::to_owned))
}

fn alike(a: &str, b: &str) -> bool {
    squeezed(&plain(a)) == squeezed(&plain(b))
}

/// Words for how a record stands, which a column called `State` may hold as
/// well as the parts of a country.
const STANDINGS: &str = "active, inactive, open, closed, new, current, former, left, live, dead, lost, won, pending, \
    enabled, disabled, yes, no, aktiv, inaktiv, offen, geschlossen, neu, ehemalig, gesperrt, ausgeschieden";

/// Whether most cells say how a record stands.
pub fn are_standings(profile: &Profile) -> bool {
    if profile.values.is_empty() || profile.values.len() > 50 {
        return false;
    }
    let stands = |text: &&String| STANDINGS.split(',').any(|word| alike(word, text));
    profile.values.keys().filter(stands).count() * 2 >= profile.values.len()
}

/// The cells that say yes or no, in the words of every checkbox or in own ones.
pub fn cells_of_yes_or_no(profile: &Profile) -> u64 {
    let own = profile.values.iter().filter(|(text, _)| own_yes_or_no(text).is_some());
    profile.share(Reading::YesNo).cells + own.map(|(_, seen)| seen.cells).sum::<u64>()
}

/// What a word for yes or no means that checkboxes do not take of themselves.
pub fn own_yes_or_no(text: &str) -> Option<bool> {
    if checkbox::read(text).is_some() {
        return None;
    }
    match folded(text).as_ref() {
        "ja" | "j" | "oui" | "si" | "sí" | "x" | "✓" | "✔" | "☑" | "wahr" | "vrai" | "t" | "active"
        | "aktiv" => Some(true),
        "nein" | "non" | "nee" | "falsch" | "faux" | "f" | "-" | "–" | "☐" | "inactive" | "inaktiv" => {
            Some(false)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Cell;

    fn list(values: &[&str]) -> Choices {
        Choices::new(values.iter().map(|&value| value.to_owned()))
    }

    fn profile(cells: &[&str]) -> Profile {
        let mut profile = Profile::for_columns(1).remove(0);
        cells.iter().zip(2..).for_each(|(cell, row)| profile.add(row, Cell::Text(cell)));
        profile
    }

    #[test]
    fn what_the_list_lacks_is_counted_with_its_first_row_and_what_it_may_mean() {
        let types = list(&["Customer", "Prospect", "Supplier"]);
        let found = unlisted(
            &profile(&["Client", "customer", "Prospct", "CLIENT", "Zzz"]),
            &FieldKind::Text,
            ';',
            &types,
        );
        let found: Vec<_> = found
            .iter()
            .map(|u| (u.text.as_str(), u.cells, u.row, u.nearest.as_deref().unwrap_or("-")))
            .collect();
        assert_eq!(found, [("Client", 2, 2, "Customer"), ("Prospct", 1, 4, "Prospect"), ("Zzz", 1, 6, "-")]);
    }

    #[test]
    fn each_choice_of_several_is_looked_at_alone() {
        let colours = list(&["Red", "Green"]);
        let found = unlisted(
            &profile(&["red; Blue", r#"["Blue","Red"]"#, "Green;;"]),
            &FieldKind::MultiSelect,
            ';',
            &colours,
        );
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].text.as_str(), found[0].cells, found[0].row), ("Blue", 2, 2));
    }

    #[test]
    fn own_words_are_those_that_checkboxes_do_not_know() {
        assert_eq!(
            ["Ja", "NEIN", "x", "yes", "vielleicht"].map(own_yes_or_no),
            [Some(true), Some(false), Some(true), None, None]
        );
    }
}
