//! What reading by id is made of: the filter that asks for the ids above one, whether an answer
//! keeps to it, and which ids were seen.

use std::collections::HashSet;

use super::errors::CrmError;
use super::json::{Fields, checked};
use super::query::json_text;
use crate::model::shown;

/// `q` with "id greater than `last`" in it; `None` where that cannot be put in.
///
/// `raw` says that `q` is the user's own, whose tests of the id are left alone.
pub(super) fn q_above(q: Option<&str>, raw: bool, last: u64) -> Option<String> {
    let above = format!("{{\"$gt\":{last}}}");
    let Some(q) = q else { return Some(format!("{{\"id\":{above}}}")) };
    let fields = Fields::parse(q).ok()?;
    let mut parts = Vec::with_capacity(fields.0.len() + 1);
    for (name, value) in &fields.0 {
        let value = match name.as_str() {
            "id" if raw => return None,
            "id" => with_lower_bound(value.get(), last)?,
            _ => value.get().to_owned(),
        };
        parts.push(format!("{}:{value}", json_text(name)));
    }
    if fields.get("id").is_none() {
        parts.push(format!("\"id\":{above}"));
    }
    Some(format!("{{{}}}", parts.join(",")))
}

/// The tests of `id` with a new lower bound in place of an older one.
fn with_lower_bound(tests: &str, last: u64) -> Option<String> {
    // Plain equality finds one record, and has no place for a bound.
    let tests = Fields::parse(tests).ok()?;
    let mut parts: Vec<String> = tests
        .0
        .iter()
        .filter(|(operator, _)| operator != "$gt")
        .map(|(operator, value)| format!("{}:{}", json_text(operator), value.get()))
        .collect();
    parts.push(format!("\"$gt\":{last}"));
    Some(format!("{{{}}}", parts.join(",")))
}

/// The user's own filter, if it is an object at all.
pub(super) fn checked_raw(raw: String) -> Result<String, CrmError> {
    let parsed = checked(raw.as_bytes()).and_then(|text| Fields::parse(text).map(|_| ()));
    parsed.map_err(|why| CrmError::Unsendable {
        why: format!(
            "`{}` is not a filter of the API, such as {{\"name\": \"Test\"}}: {why}",
            shown(&raw).cut(120)
        ),
    })?;
    Ok(raw)
}

/// Whether the ids rise, all of them above `last`.
pub(super) fn is_ascending(mut ids: impl Iterator<Item = u64>, mut last: u64) -> bool {
    ids.all(|id| {
        let rises = id > last;
        last = id;
        rises
    })
}

/// Ids that were seen: those in ascending order take 8 bytes each.
#[derive(Debug, Default)]
pub(super) struct Seen {
    ascending: Vec<u64>,
    others: HashSet<u64>,
}

impl Seen {
    /// `true` for an id that is new.
    pub(super) fn insert(&mut self, id: u64) -> bool {
        if self.ascending.last().is_none_or(|last| *last < id) {
            let new = !self.others.contains(&id);
            if new {
                self.ascending.push(id);
            }
            return new;
        }
        self.ascending.binary_search(&id).is_err() && self.others.insert(id)
    }

    /// How many different ones there were.
    pub(super) fn len(&self) -> u64 {
        u64::try_from(self.ascending.len() + self.others.len()).unwrap_or(u64::MAX)
    }
}
