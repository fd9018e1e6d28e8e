//! The whole draft: which fields are filled, what is left out, how records
//! are found again.

use std::collections::BTreeSet;

use super::cutting;
use super::entry::{self, Entry, Hints};
use super::joining;
use super::key::{KeyTry, candidates};
use super::matching::{Fate, Match, Matcher, THRESHOLD};
use super::profile::{Profile, Reading};
use super::target::Why;
use super::usage::own_words;
use super::words::{plain, squeezed};
use crate::model::{FieldKind, Header, shown};
use crate::rules::mapping::Mode;
use crate::rules::program::Dictionaries;

/// A column that the draft does not map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// The column.
    pub column: usize,
    /// Why, or what to ask, in a few words.
    pub why: String,
    /// Whether a person should look at it.
    pub asks: bool,
    /// The fields it could be meant for.
    pub near: Vec<String>,
}

/// A draft of a mapping.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// The object.
    pub object: String,
    /// Rows that were looked at.
    pub rows: u64,
    /// The fields, required ones first, then as the columns stand.
    pub entries: Vec<Entry>,
    /// The columns without a field, as they stand.
    pub left_out: Vec<LeftOut>,
    /// Required fields that no column fills.
    pub missing: Vec<String>,
    /// What is done with each row.
    pub mode: Mode,
    /// Why.
    pub mode_why: String,
    /// The fields that identify a record.
    pub match_on: Vec<String>,
    /// Why these, or why none.
    pub match_why: String,
    keys: Vec<Vec<String>>,
    filled_ids: Option<bool>,
}

impl Proposal {
    /// Drafts a mapping from the header, the profiles of its columns and the
    /// number of rows. Its key is still open: see [`Self::settle`].
    pub fn new(
        matcher: &Matcher<'_>,
        others: &Dictionaries,
        header: &Header,
        profiles: &[Profile],
        rows: u64,
    ) -> Self {
        let mut fates = matcher.fates(header, profiles);
        name_by_cells(matcher, profiles, &mut fates);
        let cut = cutting::cut(matcher, header, profiles, &mut fates);
        let file = File { matcher, others, header, profiles, fates: &fates };
        let (mut entries, used) = file.entries(cut);
        let keys = candidates(matcher.dictionary(), |name| filling(&entries, name).is_some());
        ask_about_id(&mut entries, header, keys.first());
        let left_out =
            (0..fates.len()).filter(|at| !used.contains(at)).filter_map(|at| file.remark(at)).collect();
        let fields = matcher.dictionary().fields();
        let missing =
            fields.iter().filter(|f| f.required && !f.read_only && filling(&entries, &f.name).is_none());
        let id = filling(&entries, "id").and_then(|entry| entry.columns.first());
        Self {
            object: matcher.dictionary().object.clone(),
            rows,
            missing: missing.map(|field| field.name.clone()).collect(),
            keys,
            filled_ids: id.map(|&at| profiles[at].blank == 0),
            entries,
            left_out,
            mode: Mode::Create,
            mode_why: String::new(),
            match_on: Vec::new(),
            match_why: String::new(),
        }
    }

    /// The keys to be held against the rows; none where the file carries ids.
    pub fn keys_to_try(&self) -> Vec<KeyTry> {
        if self.filled_ids.is_some() {
            return Vec::new();
        }
        let columns = |fields: &[String]| {
            let entries = fields.iter().filter_map(|name| filling(&self.entries, name));
            entries.flat_map(|entry| entry.columns.clone()).collect()
        };
        self.keys.iter().map(|fields| KeyTry::new(fields.clone(), columns(fields))).collect()
    }

    /// Chooses mode and key by what the rows showed.
    pub fn settle(&mut self, tried: &[KeyTry]) {
        let creates = self.missing.is_empty();
        match (self.filled_ids, tried.iter().find(|key| key.holds())) {
            (Some(all), _) => {
                self.match_on = vec!["id".to_owned()];
                self.match_why =
                    "the file carries ids; if another system gave them, match by another field".to_owned();
                self.mode = if all || !creates { Mode::Update } else { Mode::Upsert };
                self.mode_why = match (all, creates) {
                    (true, _) => "every row has its record's id".to_owned(),
                    (false, true) => {
                        "a row with an id changes that record, one without creates a record".to_owned()
                    }
                    (false, false) => self.cannot_create(),
                };
            }
            (None, Some(key)) => {
                self.match_on.clone_from(&key.fields);
                self.match_why = key.words();
                self.mode = if creates { Mode::Upsert } else { Mode::Update };
                self.mode_why = if creates {
                    "a record that is there is changed, any other row creates one".to_owned()
                } else {
                    self.cannot_create()
                };
            }
            (None, None) => {
                self.mode = Mode::Create;
                self.mode_why = match creates {
                    true => "every row becomes a new record".to_owned(),
                    false => format!("{}; fill that in below", self.lacking()),
                };
                let why_not = |key: &KeyTry| {
                    format!("{} does not identify records: {}", shown(&key.fields.join(" + ")), key.words())
                };
                self.match_why =
                    tried.first().map_or_else(|| "no column identifies a record".to_owned(), why_not);
            }
        }
    }

    fn cannot_create(&self) -> String {
        format!("{}; fill that in below, then say upsert", self.lacking())
    }

    fn lacking(&self) -> String {
        let names: Vec<String> = self.missing.iter().map(|name| shown(name).to_string()).collect();
        format!("new records need {}, which no column fills", names.join(", "))
    }

    /// Whether a person has to look at any of it.
    pub fn asks(&self) -> bool {
        let left = self.left_out.iter().any(|left| left.asks);
        left || !self.missing.is_empty() || self.entries.iter().any(Entry::asks)
    }

    /// How many columns are mapped, and how many of these are in question.
    pub fn mapped(&self) -> (usize, usize) {
        let columns = |asks: bool| -> BTreeSet<usize> {
            let entries = self.entries.iter().filter(|entry| !asks || entry.asks());
            entries.flat_map(|entry| entry.columns.iter().copied()).collect()
        };
        (columns(false).len(), columns(true).len())
    }
}

/// A file whose columns have met their fates.
struct File<'a> {
    matcher: &'a Matcher<'a>,
    others: &'a Dictionaries,
    header: &'a Header,
    profiles: &'a [Profile],
    fates: &'a [Fate],
}

impl File<'_> {
    /// All fields in their order, those that are cut out of a column among
    /// them, and the columns that are read behind others.
    fn entries(&self, cut: Vec<Entry>) -> (Vec<Entry>, Vec<usize>) {
        let Self { matcher, header, profiles, fates, .. } = *self;
        let joined = joining::joined(matcher, header, profiles, fates);
        let used: Vec<usize> = joined.iter().map(|part| part.then).collect();
        let hints = Hints::of(profiles);
        let mut entries = cut;
        for (at, (fate, profile)) in fates.iter().zip(profiles).enumerate() {
            let Fate::Mapped(found) = fate else { continue };
            let mut entry = entry::entry(matcher, found, at, profile, self.others, &hints);
            for part in joined.iter().filter(|part| part.first == at) {
                entry::join(&mut entry, part.then, part.between, &profiles[part.then]);
            }
            entries.push(entry);
        }
        entries.extend(parent_object(matcher, &entries));
        entries.sort_by_key(|entry| {
            let required = entry.field.required || entry.field.name == "id";
            (!required, entry.columns.first().copied().unwrap_or(usize::MAX))
        });
        (entries, used)
    }

    /// What a person is told about a column that is not mapped.
    fn remark(&self, at: usize) -> Option<LeftOut> {
        let name = |field: usize| self.matcher.field(field).name.clone();
        let (why, asks, near) = match &self.fates[at] {
            Fate::Mapped(_) | Fate::Cut | Fate::Reserved => return None,
            Fate::ReadOnly(found) => {
                (format!("the CRM fills {} itself", shown(&name(found.field))), false, Vec::new())
            }
            Fate::Torn(_) | Fate::Unknown(_) if cutting::is_whole_name(self.matcher, self.header, at) => {
                self.whole_name()
            }
            Fate::Torn(fields) => {
                let names: Vec<String> = fields.iter().map(|field| name(*field)).collect();
                (format!("{}: it could be either", shown(&names.join(" or "))), true, names)
            }
            Fate::Unknown(_) if self.is_foreign_id(at) => {
                let why = "another system's id? if the CRM itself gave it, map it to id and match by that";
                (why.to_owned(), true, vec!["id".to_owned()])
            }
            Fate::Unknown(None) => ("no field is like it".to_owned(), true, Vec::new()),
            Fate::Unknown(Some(near)) => (self.nearest(at, near), true, vec![name(near.field)]),
        };
        Some(LeftOut { column: at, why, asks, near })
    }

    /// A whole name that was not cut: its parts are there already, or the cells are odd.
    fn whole_name(&self) -> (String, bool, Vec<String>) {
        let parts = ["first", "last"].map(str::to_owned).to_vec();
        let filled = self.fates.iter().filter_map(Fate::field).map(|at| &self.matcher.field(at).name);
        let filled: Vec<&String> = filled.collect();
        if parts.iter().all(|part| filled.contains(&part)) {
            return ("a whole name, and other columns fill first and last".to_owned(), false, parts);
        }
        ("a whole name? the CRM has two fields for it: first and last".to_owned(), true, parts)
    }

    fn nearest(&self, at: usize, near: &Match) -> String {
        let field = self.matcher.field(near.field);
        let by = self.fates.iter().position(|fate| fate.field() == Some(near.field));
        let by = by.and_then(|column| self.header.columns.get(column));
        let name = shown(&field.name);
        match by {
            Some(by) => format!("nearest: {name}, which \"{}\" fills", shown(by.name.trim()).cut(60)),
            None if self.matcher.is_misfit(near.field, &self.profiles[at]) => {
                format!("nearest: {name} ({}), but hardly any cell fits it", shown(field.kind.word()))
            }
            None => format!("nearest: {name}"),
        }
    }

    fn heading(&self, at: usize) -> String {
        self.header.columns.get(at).map(|column| squeezed(&plain(&column.name))).unwrap_or_default()
    }

    /// `Account id` in a file of accounts.
    fn is_foreign_id(&self, at: usize) -> bool {
        let heading = self.heading(at);
        let Some(stem) = heading.strip_suffix("id") else { return false };
        stem == "record" || own_words(&self.matcher.dictionary().object).iter().any(|own| own == stem)
    }
}

/// The entry that fills this field.
fn filling<'e>(entries: &'e [Entry], field: &str) -> Option<&'e Entry> {
    entries.iter().find(|entry| entry.field.name == field)
}

/// A name that no header names: the only column whose cells are all filled,
/// all different and written like names.
fn name_by_cells(matcher: &Matcher<'_>, profiles: &[Profile], fates: &mut [Fate]) {
    let fields = matcher.dictionary().fields();
    let Some(field) = fields.iter().position(|f| f.name == "name" && f.required && f.kind == FieldKind::Text)
    else {
        return;
    };
    if fates.iter().any(|fate| fate.field() == Some(field)) {
        return;
    }
    let unknown = fates.iter().zip(profiles).enumerate();
    let mut named = unknown
        .filter(|(_, (fate, profile))| matches!(fate, Fate::Unknown(_)) && looks_like_names(profile))
        .map(|(at, _)| at);
    if let (Some(only), None) = (named.next(), named.next()) {
        fates[only] = Fate::Mapped(Match { field, score: THRESHOLD, why: Why::Names });
    }
}

fn looks_like_names(profile: &Profile) -> bool {
    let others = [Reading::Number, Reading::Date, Reading::Email, Reading::Url, Reading::YesNo];
    let written = |text: &&String| text.chars().filter(|c| c.is_lowercase()).count() >= 2;
    profile.filled >= 5
        && profile.blank == 0
        && profile.is_nearly_unique()
        && others.into_iter().all(|reading| profile.part(reading) < 0.2)
        && profile.values.keys().filter(written).count() * 10 >= profile.values.len() * 8
}

/// A column `id` among headers that are not the CRM's own may be another
/// system's, and would change whatever records have these ids here.
fn ask_about_id(entries: &mut [Entry], header: &Header, key: Option<&Vec<String>>) {
    let own = entries.iter().filter(|entry| entry.score == 100).count();
    let is_export = own * 2 >= entries.len();
    let Some(id) = entries.iter_mut().find(|entry| entry.field.name == "id") else { return };
    let named = id.columns.first().and_then(|&at| header.columns.get(at)).map(|column| plain(&column.name));
    if named.as_deref() == Some("id") && !is_export {
        let other = key.map_or("another field".to_owned(), |key| shown(&key.join(" + ")).to_string());
        id.note(
            true,
            format!("ids of this CRM? if another system gave them, take this line out and match by {other}"),
        );
    }
}

/// A document's parent is an account here, and the CRM wants to be told so.
fn parent_object(matcher: &Matcher<'_>, entries: &[Entry]) -> Option<Entry> {
    let field = matcher.dictionary().get("parentobject")?;
    let is_filled = |name: &str| filling(entries, name).is_some();
    let wanted = is_filled("parentid") && !is_filled("parentobject") && !field.read_only;
    wanted.then(|| Entry::constant(field, "Account", "what parentid is the id of"))
}
