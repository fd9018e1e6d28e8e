//! Whether a column's cells are what a field takes.

use super::profile::{Profile, Reading, part_of};
use super::references::{holds_ids, reference};
use super::values;
use crate::model::{Field, FieldKind};
use crate::rules::ids::holds_id;
use crate::rules::program::{Choices, Dictionaries};

/// How far the cells of a column suit a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fit {
    /// There are no cells, or the field takes any text.
    Silent,
    /// The part of the cells that the field takes.
    Typed(f64),
    /// The part of the cells that stand in the field's list.
    Listed(f64),
}

/// A column of which a smaller part is what the field takes is not meant for it.
const HARDLY: f64 = 0.2;

impl Fit {
    /// Whether hardly any cell is what the field takes. Own words for the
    /// values of a list are no such case: they are translated.
    pub fn is_misfit(self) -> bool {
        matches!(self, Self::Typed(part) if part < HARDLY)
    }
}

/// Fields of the CRM that hold a telephone number.
const PHONES: [&str; 4] = ["phone", "mobile", "direct", "fax"];

/// Fields of the CRM that hold a name.
const NAMES: [&str; 8] =
    ["name", "first", "middle", "last", "jobtitle", "department", "addresscity", "addresscountry"];

/// Compares the cells with the field's type and list.
pub fn fit(profile: &Profile, field: &Field, list: Option<&Choices>, others: &Dictionaries) -> Fit {
    if profile.is_empty() {
        return Fit::Silent;
    }
    if let Some(list) = list {
        return Fit::Listed(listed_part(profile, field, list));
    }
    let part = |reading| Fit::Typed(profile.part(reading));
    match &field.kind {
        FieldKind::Email => part(Reading::Email),
        FieldKind::Url => part(Reading::Url),
        FieldKind::Checkbox => Fit::Typed(part_of(values::cells_of_yes_or_no(profile), profile.filled)),
        FieldKind::Date | FieldKind::DateTime => {
            let dated = profile.share(Reading::Date).cells + profile.dates.digits();
            Fit::Typed(part_of(dated, profile.filled))
        }
        FieldKind::Number if holds_id(field) && !holds_ids(profile) => {
            let named = reference(field, profile, others).is_some() && looks_like_names(profile);
            Fit::Typed(if named { 1.0 } else { 0.0 })
        }
        FieldKind::Number => part(Reading::Number),
        FieldKind::Currency => part(Reading::Currency),
        FieldKind::Percent => part(Reading::Percent),
        FieldKind::Text => text_fit(profile, field),
        FieldKind::TextArea | FieldKind::Memo | FieldKind::MultiSelect | FieldKind::Other(_) => Fit::Silent,
    }
}

/// Names and addresses of records, but not another system's `0015g00000XyZ1`.
fn looks_like_names(profile: &Profile) -> bool {
    let coded = |text: &&String| {
        let digits = text.chars().filter(char::is_ascii_digit).count();
        digits >= 3 && digits * 4 >= text.chars().count() && !text.contains(char::is_whitespace)
    };
    let codes = profile.values.keys().filter(coded).count();
    codes * 2 <= profile.values.len() && profile.part(Reading::Date) < 0.5
}

/// A text takes anything; but cells that are plainly something else were
/// hardly meant for it.
fn text_fit(profile: &Profile, field: &Field) -> Fit {
    let name = field.name.as_str();
    if name == "addresscounty/state" && values::are_standings(profile) {
        return Fit::Typed(0.0);
    }
    if PHONES.contains(&name) {
        return Fit::Typed(profile.part(Reading::Phone).max(0.5));
    }
    let others = [Reading::Email, Reading::Url, Reading::Date];
    let most = others.into_iter().map(|reading| profile.part(reading)).fold(0.0, f64::max);
    let numbers = if NAMES.contains(&name) { profile.part(Reading::Number) } else { 0.0 };
    if most.max(numbers) >= 0.8 { Fit::Typed(0.4) } else { Fit::Silent }
}

fn listed_part(profile: &Profile, field: &Field, list: &Choices) -> f64 {
    let between = values::separator(profile, &field.kind, list);
    let is_listed = |text: &str| {
        if field.kind == FieldKind::MultiSelect {
            values::choices(text, between).iter().all(|part| list.find(part).is_some())
        } else {
            list.find(text).is_some()
        }
    };
    let listed = profile.values.iter().filter(|(text, _)| is_listed(text));
    part_of(listed.map(|(_, seen)| seen.cells).sum(), profile.filled)
}

/// The list that a field is tied to, where its values are known.
pub fn list_of(field: &Field) -> Option<Choices> {
    let values = field.lookup.as_ref()?.values.as_ref()?;
    Some(Choices::new(values.iter().cloned()))
}
