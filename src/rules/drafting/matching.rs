//! Which column goes into which field.
//!
//! Each pair of a column and a field gets a score from the header, raised or
//! lowered by what the cells are. The best pair is taken first; a column goes
//! into one field and a field takes one column. What is not sure enough, or as
//! sure for two fields, is not mapped: it is asked.

use super::fit::{Fit, fit, list_of};
use super::profile::{Profile, Reading};
use super::references::{holds_ids, is_reference};
use super::target::{EXACT, Said, Target, Why};
use super::words::Heading;
use crate::model::{Dictionary, Field, FieldKind, Header, is_reserved};
use crate::rules::program::{Choices, Dictionaries};

/// The least score with which a column is mapped.
pub const THRESHOLD: u8 = 60;

/// A mapped column below this score is in question.
pub const SURE: u8 = 75;

/// The least score with which a field is named as the nearest.
const NEAREST: u8 = 45;

/// Two fields this close for one column are as likely as each other.
const MARGIN: u8 = 4;

/// A field that a column goes into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// Which of the dictionary's fields.
    pub field: usize,
    /// From 0 to 100.
    pub score: u8,
    /// Why, by the header.
    pub why: Why,
}

/// What became of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes into a field.
    Mapped(Match),
    /// Its field is filled by the CRM.
    ReadOnly(Match),
    /// Two fields are as likely.
    Torn(Vec<usize>),
    /// It is cut, and its parts go into two fields. Set by `cutting` alone.
    Cut,
    /// No field is free for it; the nearest, if any is near.
    Unknown(Option<Match>),
    /// A column that a reject file adds.
    Reserved,
}

impl Fate {
    /// The field that the column fills.
    pub fn field(&self) -> Option<usize> {
        match self {
            Self::Mapped(found) => Some(found.field),
            Self::ReadOnly(_) | Self::Torn(_) | Self::Cut | Self::Unknown(_) | Self::Reserved => None,
        }
    }
}

/// The matcher of one object's fields.
pub struct Matcher<'d> {
    dictionary: &'d Dictionary,
    others: &'d Dictionaries,
    targets: Vec<Target<'d>>,
    lists: Vec<Option<Choices>>,
}

#[derive(Clone, Debug)]
struct Pair {
    column: usize,
    found: Match,
}

impl<'d> Matcher<'d> {
    /// Makes an object's fields ready.
    pub fn new(dictionary: &'d Dictionary, others: &'d Dictionaries) -> Self {
        let targets =
            dictionary.fields().iter().map(|field| Target::new(&dictionary.object, field)).collect();
        let lists = dictionary.fields().iter().map(list_of).collect();
        Self { dictionary, others, targets, lists }
    }

    /// The object's fields.
    pub fn dictionary(&self) -> &'d Dictionary {
        self.dictionary
    }

    /// A field of the object.
    pub fn field(&self, at: usize) -> &'d Field {
        &self.dictionary.fields()[at]
    }

    /// The list that a field is tied to.
    pub fn list(&self, at: usize) -> Option<&Choices> {
        self.lists[at].as_ref()
    }

    /// How many fields these names mean: how much a row looks like a header.
    pub fn likeness<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> usize {
        let mut meant = vec![false; self.targets.len()];
        for heading in names.into_iter().map(Heading::new) {
            let known = |target: &Target<'_>| target.known(&heading).map_or(0, |said| said.score);
            let best = self.targets.iter().map(known).enumerate().max_by_key(|(_, score)| *score);
            if let Some((at, THRESHOLD..)) = best {
                meant[at] = true;
            }
        }
        meant.into_iter().filter(|meant| *meant).count()
    }

    /// What becomes of each column.
    pub fn fates(&self, header: &Header, profiles: &[Profile]) -> Vec<Fate> {
        let mut pairs: Vec<Pair> = Vec::new();
        for (column, (named, profile)) in header.columns.iter().zip(profiles).enumerate() {
            if !is_reserved(&named.name) {
                pairs.extend(self.pairs_of(column, &named.name, profile));
            }
        }
        // Equal scores: required fields first, then as the columns stand.
        pairs.sort_by_key(|Pair { column, found }| {
            let required = self.field(found.field).required;
            (std::cmp::Reverse(found.score), !required, *column, found.field)
        });
        let mut fates: Vec<Option<Fate>> =
            header.columns.iter().map(|c| is_reserved(&c.name).then_some(Fate::Reserved)).collect();
        let mut taken = vec![false; self.targets.len()];
        for Pair { column, found } in pairs.iter().filter(|pair| pair.found.score >= THRESHOLD) {
            if fates[*column].is_some() || taken[found.field] {
                continue;
            }
            let torn = self.rivals(*column, found, &pairs, &taken);
            fates[*column] = Some(match self.field(found.field) {
                _ if !torn.is_empty() => Fate::Torn(torn),
                field if field.read_only && field.name != "id" => Fate::ReadOnly(found.clone()),
                _ => {
                    taken[found.field] = true;
                    Fate::Mapped(found.clone())
                }
            });
        }
        let nearest = |column: usize| {
            let near = pairs.iter().find(|p| p.column == column && p.found.score >= NEAREST);
            near.map(|pair| pair.found.clone())
        };
        let fates = fates.into_iter().enumerate();
        fates.map(|(column, fate)| fate.unwrap_or_else(|| Fate::Unknown(nearest(column)))).collect()
    }

    /// Free fields that are as likely for an unsure column, the found one first.
    fn rivals(&self, column: usize, found: &Match, pairs: &[Pair], taken: &[bool]) -> Vec<usize> {
        let is_rough = matches!(found.why, Why::Like(_) | Why::PartOf(_) | Why::EndsWith(_) | Why::Cells);
        if !is_rough {
            return Vec::new();
        }
        let rivals = pairs.iter().filter(|rival| {
            rival.column == column
                && rival.found.field != found.field
                && !taken[rival.found.field]
                && rival.found.score + MARGIN >= found.score
        });
        let rivals: Vec<usize> = rivals.map(|rival| rival.found.field).collect();
        if rivals.is_empty() { rivals } else { [vec![found.field], rivals].concat() }
    }

    fn pairs_of(&self, column: usize, name: &str, profile: &Profile) -> Vec<Pair> {
        let heading = Heading::new(name);
        let mut pairs = Vec::new();
        for (at, target) in self.targets.iter().enumerate() {
            let fit = || fit(profile, target.field, self.lists[at].as_ref(), self.others);
            let said = target.heard(&heading);
            let judged = said.and_then(|said| self.judged(said, fit(), target.field, profile));
            let found = judged.or_else(|| by_cells(target.field, profile, fit, self.lists[at].is_some()));
            if let Some(Said { score, why }) = found.filter(|found| found.score >= NEAREST) {
                pairs.push(Pair { column, found: Match { field: at, score, why } });
            }
        }
        pairs
    }

    /// The header's score, with what the cells say.
    fn judged(&self, said: Said, fit: Fit, field: &Field, profile: &Profile) -> Option<Said> {
        if field.name == "id" && !profile.is_empty() && profile.part(Reading::Id) < 0.95 {
            return None;
        }
        let change: i16 = match fit {
            Fit::Silent => 0,
            Fit::Listed(part) if part >= 0.8 => 6,
            Fit::Listed(part) if part >= 0.4 => 2,
            // Own words for the list's values are common.
            Fit::Listed(part) if part > 0.0 => -3,
            Fit::Listed(_) => -8,
            Fit::Typed(part) if part >= 0.95 => 3,
            Fit::Typed(part) if part >= 0.8 => 0,
            Fit::Typed(part) if part >= 0.5 => -12,
            Fit::Typed(_) if said.score >= EXACT => -25,
            Fit::Typed(_) => -35,
        };
        let most = i16::from(said.score.max(EXACT));
        let score = (i16::from(said.score) + change).clamp(0, most);
        let mut score = u8::try_from(score).unwrap_or(0);
        if is_reference(field) && said.why != Why::Name && holds_ids(profile) {
            // A column of ids, likely another system's, gives way to one of names.
            score = score.min(85);
        }
        if fit.is_misfit() && !field.required {
            // It would reject nearly every row: that is for a person to decide.
            score = score.min(THRESHOLD - 1);
        }
        Some(Said { score, ..said })
    }

    /// Whether hardly any cell is what the field takes.
    pub fn is_misfit(&self, at: usize, profile: &Profile) -> bool {
        fit(profile, self.field(at), self.lists[at].as_ref(), self.others).is_misfit()
    }
}

/// Cells that only one kind of field takes: addresses and the values of a list.
fn by_cells(field: &Field, profile: &Profile, fit: impl Fn() -> Fit, is_listed: bool) -> Option<Said> {
    let told = match field.kind {
        FieldKind::Email | FieldKind::Url => !profile.is_empty(),
        _ => is_listed && profile.filled >= 3 && profile.values.len() >= 2,
    };
    if !told || field.read_only {
        return None;
    }
    let score = match (&field.kind, fit()) {
        (FieldKind::Email, Fit::Typed(part)) if part >= 0.9 => 72,
        (FieldKind::Url, Fit::Typed(part)) if part >= 0.9 => 66,
        (_, Fit::Listed(part)) if part >= 0.8 => 68,
        _ => return None,
    };
    Some(Said { score, why: Why::Cells })
}

#[cfg(test)]
#[path = "matching_tests.rs"]
mod tests;
