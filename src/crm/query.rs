//! Paths and queries: every name and value percent-encoded, never too long.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::errors::CrmError;
use crate::model::{Direction, Order, RecordId, Value, shown};

/// What RFC 3986 leaves unreserved stays readable; all else is encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Most records of one page (source: the API's document).
pub const PAGE_LIMIT: u32 = 100;

/// Most values of one `$in` (proven with this number; source: field notes).
pub const MOST_KEYS: usize = 100;

/// Most bytes of a request line, with room for the method and an address's own path.
const MOST_LINE: usize = 5_800;

/// Which part of a list is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// The API's filter as JSON text; see [`super::translate`].
    pub q: Option<String>,
    /// Sort order; none leaves it to the CRM.
    pub order: Order,
    /// Records a page, 1 to [`PAGE_LIMIT`].
    pub limit: u32,
    /// The page's number; the first is 1 on the real server, and the one without a number.
    pub page: Option<u64>,
    /// Opportunity lines along with their opportunities.
    pub lines: bool,
}

impl Default for ListQuery {
    fn default() -> Self {
        Self { q: None, order: Order::new(), limit: PAGE_LIMIT, page: None, lines: false }
    }
}

impl ListQuery {
    /// Everything behind the `?`.
    fn render(&self) -> String {
        let mut out = format!("limit={}", self.limit.clamp(1, PAGE_LIMIT));
        let mut add = |key: &str, value: &str| {
            out.push('&');
            out.push_str(key);
            out.push('=');
            out.push_str(&encoded(value));
        };
        if let Some(page) = self.page {
            add("page", &page.to_string());
        }
        if !self.order.is_empty() {
            add("order", &order_json(&self.order));
        }
        if let Some(q) = &self.q {
            add("q", q);
        }
        if self.lines {
            add("lines", "true");
        }
        out
    }
}

/// `{"name":"asc","id":"desc"}`, keys in their order.
fn order_json(order: &Order) -> String {
    let parts: Vec<String> = order
        .iter()
        .map(|(field, direction)| {
            let word = match direction {
                Direction::Ascending => "asc",
                Direction::Descending => "desc",
            };
            format!("{}:\"{word}\"", json_text(field))
        })
        .collect();
    format!("{{{}}}", parts.join(","))
}

/// A text as JSON, quotes included.
pub(super) fn json_text(text: &str) -> String {
    Value::from(text).to_json()
}

/// A path of these segments, each encoded.
///
/// Names are opaque (`addresscounty/state` becomes one segment), but `.` and
/// `..` would climb in the path however they are encoded, so they are refused.
pub(super) fn path(segments: &[&str]) -> Result<String, CrmError> {
    let mut out = String::new();
    for segment in segments {
        if matches!(*segment, "" | "." | "..") {
            let why = format!("`{}` cannot be the name of an object, a field or a list", shown(segment));
            return Err(CrmError::Unsendable { why });
        }
        out.push('/');
        out.push_str(&encoded(segment));
    }
    Ok(out)
}

/// `/accounts/7`
pub(super) fn record_path(object: &str, id: RecordId) -> Result<String, CrmError> {
    Ok(format!("{}/{id}", path(&[object])?))
}

/// `/accounts?limit=100&…`
pub(super) fn list_path(object: &str, query: &ListQuery) -> Result<String, CrmError> {
    Ok(format!("{}?{}", path(&[object])?, query.render()))
}

/// Bytes that a text takes in a query.
pub(super) fn encoded_len(text: &str) -> usize {
    utf8_percent_encode(text, ENCODED).map(str::len).sum()
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// Cuts keys into batches for one `$in` each: at most [`MOST_KEYS`] values, and
/// a request line under 6 KB. A key too long for that stands alone.
pub fn batches_for_in<'a>(object: &str, field: &str, keys: &'a [Value]) -> Vec<&'a [Value]> {
    // What surrounds the keys: path, limit, the order and the lower bound of ids that reading
    // by id adds, braces and quotes.
    let around = encoded_len(object) + encoded_len(&json_text(field)) + 300;
    let mut batches = Vec::new();
    let (mut start, mut length) = (0, around);
    for (at, key) in keys.iter().enumerate() {
        let more = encoded_len(&key.to_json()) + encoded_len(",");
        if at > start && (at - start == MOST_KEYS || length + more > MOST_LINE) {
            batches.push(&keys[start..at]);
            (start, length) = (at, around);
        }
        length += more;
    }
    if start < keys.len() {
        batches.push(&keys[start..]);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_opaque_segments() {
        assert_eq!(
            path(&["lookup", "accounts", "addresscounty/state"]).unwrap(),
            "/lookup/accounts/addresscounty%2Fstate"
        );
        assert_eq!(path(&["a b?#é"]).unwrap(), "/a%20b%3F%23%C3%A9");
        assert_eq!(path(&["../x"]).unwrap(), "/..%2Fx");
        for bad in ["", ".", ".."] {
            assert!(matches!(path(&["lookup", bad]), Err(CrmError::Unsendable { .. })));
        }
    }

    #[test]
    fn a_query_is_encoded_in_full() {
        let query = ListQuery {
            q: Some(r#"{"name":"A&B = 100%"}"#.into()),
            order: vec![("name".into(), Direction::Ascending), ("id".into(), Direction::Descending)],
            limit: 500,
            page: Some(3),
            lines: true,
        };
        assert_eq!(
            list_path("opportunities", &query).unwrap(),
            "/opportunities?limit=100&page=3&order=%7B%22name%22%3A%22asc%22%2C%22id%22%3A%22desc%22%7D\
             &q=%7B%22name%22%3A%22A%26B%20%3D%20100%25%22%7D&lines=true"
        );
        assert_eq!(list_path("users", &ListQuery::default()).unwrap(), "/users?limit=100");
    }

    #[test]
    fn keys_are_cut_by_number_and_by_length() {
        let ids: Vec<Value> = (1..=250).map(Value::from).collect();
        let sizes = |keys: &[Value]| {
            batches_for_in("accounts", "name", keys).iter().map(|b| b.len()).collect::<Vec<_>>()
        };
        assert_eq!(sizes(&ids), [100, 100, 50]);
        assert_eq!(sizes(&[]), [0; 0]);
        let long: Vec<Value> =
            (0..10).map(|n| Value::from(format!("{n}{}", "é".repeat(300)).as_str())).collect();
        let batches = batches_for_in("accounts", "name", &long);
        assert_eq!(batches.iter().map(|b| b.len()).sum::<usize>(), 10);
        for batch in &batches {
            let keys: Vec<String> = batch.iter().map(Value::to_json).collect();
            let q =
                format!("{{\"name\":{{\"$in\":[{}]}},\"id\":{{\"$gt\":9007199254740992}}}}", keys.join(","));
            let query = ListQuery {
                q: Some(q),
                order: vec![("id".into(), Direction::Ascending)],
                ..Default::default()
            };
            assert!(list_path("accounts", &query).unwrap().len() < 6_000);
        }
        let huge = [Value::from("x".repeat(9_000).as_str()), Value::from("y")];
        assert_eq!(sizes(&huge), [1, 1]);
    }
}
