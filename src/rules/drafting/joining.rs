//! Columns that only together make a field: street and house number, lines of
//! an address, day and time.

use super::matching::{Fate, Matcher};
use super::profile::{Profile, Reading};
use super::words::{plain, squeezed};
use crate::model::{FieldKind, Header};

/// A column that is read behind another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The column that the field has already.
    pub first: usize,
    /// The column that follows it.
    pub then: usize,
    /// What stands between.
    pub between: &'static str,
}

const HOUSE_NUMBERS: [&str; 9] = [
    "housenumber",
    "houseno",
    "hausnummer",
    "hausnr",
    "hnr",
    "hausno",
    "streetnumber",
    "streetno",
    "buildingnumber",
];

const LINES: [&str; 17] = [
    "address2",
    "address3",
    "addressline2",
    "addressline3",
    "street2",
    "street3",
    "streetaddress2",
    "streetline2",
    "line2",
    "line3",
    "adresszusatz",
    "adresse2",
    "zusatz",
    "strasse2",
    "suite",
    "building",
    "apartment",
];

const TIMES: [&str; 7] = ["time", "timeofday", "starttime", "uhrzeit", "zeit", "hour", "startzeit"];

/// The columns without a field of their own that belong behind another one.
pub fn joined(matcher: &Matcher<'_>, header: &Header, profiles: &[Profile], fates: &[Fate]) -> Vec<Joined> {
    let into =
        |wanted: &dyn Fn(usize) -> bool| fates.iter().position(|fate| fate.field().is_some_and(wanted));
    let address = into(&|field| matcher.field(field).name == "addressline");
    let day = into(&|field| matcher.field(field).kind == FieldKind::DateTime);
    let mut all = Vec::new();
    for (at, (column, fate)) in header.columns.iter().zip(fates).enumerate() {
        if !matches!(fate, Fate::Unknown(_) | Fate::Torn(_)) {
            continue;
        }
        let name = squeezed(&plain(&column.name));
        let is = |names: &[&str]| names.contains(&name.as_str());
        match (address, day) {
            (Some(first), _) if is(&HOUSE_NUMBERS) => all.push(Joined { first, then: at, between: " " }),
            (Some(first), _) if is(&LINES) => all.push(Joined { first, then: at, between: ", " }),
            (_, Some(first)) if is(&TIMES) && makes_a_moment(&profiles[first], &profiles[at]) => {
                all.push(Joined { first, then: at, between: " " });
            }
            _ => {}
        }
    }
    all
}

/// Whether days and times go together: days without a time of their own, and
/// a time of day beside each.
fn makes_a_moment(days: &Profile, times: &Profile) -> bool {
    !days.is_empty()
        && !days.dates.has_times()
        && days.part(Reading::Date) >= 0.8
        && times.part(Reading::Time) >= 0.95
        && times.filled >= days.filled
}
