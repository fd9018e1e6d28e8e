//! The CRM's records as the bench's server has them: written once as JSON, so
//! that answering costs next to nothing, and found by what a client may ask.

use std::fmt::Write as _;
use std::ops::Range;

use percent_encoding::percent_decode_str;
use serde_json::Value;

use crate::data::{json_fields, record};

/// All records of the one object.
pub struct Records {
    /// The items of a list, a comma behind each.
    text: String,
    /// Where each begins, and where the last one ends.
    starts: Vec<usize>,
    /// The first record has the values of this row.
    shift: u64,
}

/// What a list is asked for.
struct Query {
    tests: Vec<(String, Value)>,
    descending: bool,
    limit: usize,
    page: usize,
}

impl Records {
    /// So many records, with the values of the rows from `shift` on. Every tenth has another annual
    /// value than its row: something to update.
    pub fn new(count: u64, shift: u64) -> Self {
        let (mut text, mut starts) = (String::new(), vec![0]);
        for at in 0..count {
            let mut cells = record(at + shift);
            if at % 10 == 3 {
                cells[11] = crate::data::Cell::Amount(at);
            }
            let id = id_of(at);
            let fields = json_fields(&cells, true);
            let _ = write!(
                text,
                "{{\"metadata\":{{\"url\":\"/accounts/{id}\",\"list_url\":\"/accounts\",\"parent\":\"/\",\
                 \"object_type\":\"record\",\"record_type\":\"account\"}},\"record\":{{\"id\":{id},{fields},\
                 \"createddate\":\"2024-01-10 09:10:00\",\"modifieddate\":\"2025-01-01 16:10:30\"}}}},"
            );
            starts.push(text.len());
        }
        Self { text, starts, shift }
    }

    fn count(&self) -> usize {
        self.starts.len() - 1
    }

    /// An id above all there are.
    pub fn next_id(&self) -> u64 {
        id_of(self.count() as u64) + 1_000
    }

    /// The answer to a list's query (what stands behind the `?`); an error says what is not understood.
    pub fn list(&self, query: &str) -> Result<String, String> {
        let query = Query::parse(query)?;
        let mut range = 0..self.count();
        let mut named: Option<Vec<usize>> = None;
        for (field, test) in &query.tests {
            match field.as_str() {
                "id" if matches!(test, Value::Number(_)) || test.get("$in").is_some() => {
                    named = Some(values(test).iter().filter_map(|id| self.at(id.as_u64()?)).collect());
                }
                "id" => self.narrow(&mut range, test)?,
                "name" if matches!(test, Value::String(_)) || test.get("$in").is_some() => {
                    named = Some(values(test).iter().filter_map(|name| self.named(name.as_str()?)).collect());
                }
                _ => return Err(format!("a test of {field}: {test}")),
            }
        }
        Ok(match named {
            Some(mut places) => {
                places.retain(|at| range.contains(at));
                places.sort_unstable();
                places.dedup();
                self.items(&places, &query)
            }
            None => self.run(range, &query),
        })
    }

    /// The bounds of an id.
    fn narrow(&self, range: &mut Range<usize>, test: &Value) -> Result<(), String> {
        let tests = test.as_object().ok_or("a test of id that is no object")?;
        for (operator, value) in tests {
            let bound = |value: &Value| value.as_u64().ok_or_else(|| format!("the bound {value}"));
            match operator.as_str() {
                "$gt" => range.start = range.start.max(self.first_from(bound(value)? + 1)),
                "$gte" => range.start = range.start.max(self.first_from(bound(value)?)),
                "$lt" => range.end = range.end.min(self.first_from(bound(value)?)),
                "$lte" => range.end = range.end.min(self.first_from(bound(value)? + 1)),
                "$bt" => {
                    range.start = range.start.max(self.first_from(bound(&value[0])?));
                    range.end = range.end.min(self.first_from(bound(&value[1])? + 1));
                }
                _ => return Err(format!("the operator {operator}")),
            }
        }
        range.end = range.end.max(range.start);
        Ok(())
    }

    /// The place of the first record whose id is not below `id`.
    fn first_from(&self, id: u64) -> usize {
        let near = usize::try_from(id.saturating_sub(FIRST_ID + 2) / 3).unwrap_or(usize::MAX);
        let mut at = near.min(self.count());
        while at < self.count() && id_of(at as u64) < id {
            at += 1;
        }
        at
    }

    fn at(&self, id: u64) -> Option<usize> {
        let at = self.first_from(id);
        (at < self.count() && id_of(at as u64) == id).then_some(at)
    }

    /// The record of that name, which ends in its row's number.
    fn named(&self, name: &str) -> Option<usize> {
        let row: u64 = name.rsplit_once(' ')?.1.parse().ok()?;
        let at = usize::try_from(row.checked_sub(self.shift)?).ok()?;
        let quoted = serde_json::to_string(name).ok()?;
        (at < self.count() && self.item(at..at + 1).contains(&format!("\"name\":{quoted}"))).then_some(at)
    }

    /// Items one behind the other, without the last comma.
    fn item(&self, range: Range<usize>) -> &str {
        let text = &self.text[self.starts[range.start]..self.starts[range.end]];
        text.strip_suffix(',').unwrap_or(text)
    }

    /// A page of records that lie side by side.
    fn run(&self, range: Range<usize>, query: &Query) -> String {
        let total = range.len();
        if query.descending {
            return self.items(&range.collect::<Vec<_>>(), query);
        }
        let start = range.start.saturating_add(query.page.saturating_mul(query.limit)).min(range.end);
        let end = start.saturating_add(query.limit).min(range.end);
        page(total, end < range.end, self.item(start..end))
    }

    /// A page of single ones.
    fn items(&self, places: &[usize], query: &Query) -> String {
        let total = places.len();
        let mut places = places.to_vec();
        if query.descending {
            places.reverse();
        }
        let before = query.page * query.limit;
        let items: Vec<&str> =
            places.iter().skip(before).take(query.limit).map(|at| self.item(*at..at + 1)).collect();
        page(total, before + items.len() < total, &items.join(","))
    }
}

const FIRST_ID: u64 = 95_920_978;

/// Ids rise with gaps, as where records were deleted.
fn id_of(at: u64) -> u64 {
    FIRST_ID + at * 3 + at * 7_919 % 3
}

fn page(total: usize, has_more: bool, items: &str) -> String {
    format!(
        "{{\"metadata\":{{\"url\":\"/accounts\",\"object_type\":\"list\",\"total_count\":{total},\
         \"has_more\":{has_more}}},\"list\":[{items}]}}"
    )
}

/// The values of `$in`, or the one value itself.
fn values(test: &Value) -> Vec<Value> {
    match test.get("$in") {
        Some(Value::Array(values)) => values.clone(),
        _ => vec![test.clone()],
    }
}

impl Query {
    fn parse(text: &str) -> Result<Self, String> {
        let mut query = Self { tests: Vec::new(), descending: false, limit: 100, page: 0 };
        for (key, value) in text.split('&').filter_map(|pair| pair.split_once('=')) {
            let value = percent_decode_str(value).decode_utf8().map_err(|error| error.to_string())?;
            let number = || value.parse::<usize>().map_err(|_| format!("{key}={value}"));
            match key {
                "limit" => query.limit = number()?,
                // The first page is 1, and the one without a number.
                "page" => query.page = number()?.saturating_sub(1),
                "order" if value == "{\"id\":\"asc\"}" => {}
                "order" if value == "{\"id\":\"desc\"}" => query.descending = true,
                "q" => {
                    let q: serde_json::Map<String, Value> =
                        serde_json::from_str(&value).map_err(|error| error.to_string())?;
                    query.tests = q.into_iter().collect();
                }
                _ => return Err(format!("the parameter {key}={value}")),
            }
        }
        Ok(query)
    }
}
