//! From a filter to the API's `q` (source: crm-api-v4.txt, "Filtering
//! results"), and what of it the API cannot say.
//!
//! The API knows several fields as "and", one test of each kind a field, and
//! one list of alternatives (`$or`); it has no "not" around a group and no
//! negated `$sw`, `$ew` and `$con`. Negations are pushed inwards, groups are
//! multiplied out where that stays small, and what still cannot be said is left
//! to the caller, so that server and caller together always mean the filter.
//!
//! Two things are unproven on the real server and taken as the document says
//! them: that two operators in one object are an "and", and that `$not` and
//! `$nin` also find records whose field is null.

use super::query::encoded_len;
use crate::model::{Filter, Test, Value};

/// Most alternatives in one `$or`.
const MOST_ALTERNATIVES: usize = 64;

/// Longest `q`, percent-encoded: what is longer does not fit into a request line.
const LONGEST: usize = 5_600;

/// A filter, divided between the server and the caller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Translated {
    /// The API's `q`; none asks for all records.
    pub query: Option<String>,
    /// What the caller has to test on each record that comes back; see [`super::matches`].
    pub residual: Option<Filter>,
    /// No record can pass: there is nothing to ask.
    pub never: bool,
}

/// Divides a filter: `query` and `residual` together pass exactly what the
/// filter passes, and `query` alone never passes less.
pub fn translate(filter: &Filter) -> Translated {
    let parts = match plain(filter, false) {
        Plain::All(parts) => parts,
        Plain::Any(parts) if parts.is_empty() => return Translated { never: true, ..Translated::default() },
        part => vec![part],
    };
    let mut left_out = vec![false; parts.len()];
    loop {
        let attempt = Attempt::of(&parts, &left_out);
        let query = attempt.query();
        let too_long = query.as_ref().is_some_and(|query| encoded_len(query) > LONGEST);
        if too_long && let Some(longest) = longest_of(&parts, &attempt.asked) {
            left_out[longest] = true;
            continue;
        }
        let residual: Vec<Filter> = parts
            .iter()
            .zip(&attempt.said)
            .filter(|(_, said)| !**said)
            .map(|(part, _)| part.to_filter())
            .collect();
        return Translated { query, residual: join(residual), never: false };
    }
}

fn join(mut parts: Vec<Filter>) -> Option<Filter> {
    match parts.len() {
        0 => None,
        1 => parts.pop(),
        _ => Some(Filter::All(parts)),
    }
}

/// The part that takes most room among those asked.
fn longest_of(parts: &[Plain], asked: &[usize]) -> Option<usize> {
    asked.iter().copied().max_by_key(|at| parts[*at].length())
}

/// A filter whose only negations are at tests the API cannot negate.
#[derive(Clone, Debug)]
enum Plain {
    All(Vec<Plain>),
    Any(Vec<Plain>),
    Literal(Literal),
}

#[derive(Clone, Debug)]
struct Literal {
    field: String,
    test: Test,
    /// Only at the tests without a counterpart: starts, ends, contains.
    negated: bool,
}

/// Pushes negations inwards and melts groups of one kind together. Afterwards
/// `All([])` (always) and `Any([])` (never) stand only at the very top.
fn plain(filter: &Filter, negate: bool) -> Plain {
    match filter {
        Filter::All(parts) => group(parts.iter().map(|part| plain(part, negate)), !negate),
        Filter::Any(parts) => group(parts.iter().map(|part| plain(part, negate)), negate),
        Filter::Not(part) => plain(part, !negate),
        Filter::Field(field, test) => literal(field, test, negate),
    }
}

fn group(parts: impl Iterator<Item = Plain>, all: bool) -> Plain {
    let mut out = Vec::new();
    for part in parts {
        match (part, all) {
            // "never" among "all" decides it, as "always" does among "any".
            (Plain::Any(inner), true) if inner.is_empty() => return Plain::Any(inner),
            (Plain::All(inner), false) if inner.is_empty() => return Plain::All(inner),
            (Plain::All(inner), true) | (Plain::Any(inner), false) => out.extend(inner),
            (part, _) => out.push(part),
        }
    }
    match (out.len(), all) {
        (1, _) => out.swap_remove(0),
        (_, true) => Plain::All(out),
        (_, false) => Plain::Any(out),
    }
}

fn literal(field: &str, test: &Test, negate: bool) -> Plain {
    let one = |test: Test, negated| Plain::Literal(Literal { field: field.to_owned(), test, negated });
    let test = if negate {
        match test {
            Test::Is(value) => Test::IsNot(value.clone()),
            Test::IsNot(value) => Test::Is(value.clone()),
            Test::In(values) => Test::NotIn(values.clone()),
            Test::NotIn(values) => Test::In(values.clone()),
            Test::Above(value) => Test::AtMost(value.clone()),
            Test::AtLeast(value) => Test::Below(value.clone()),
            Test::Below(value) => Test::AtLeast(value.clone()),
            Test::AtMost(value) => Test::Above(value.clone()),
            Test::Between(low, high) => {
                return Plain::Any(vec![
                    one(Test::Below(low.clone()), false),
                    one(Test::Above(high.clone()), false),
                ]);
            }
            Test::StartsWith(_) | Test::EndsWith(_) | Test::Contains(_) => return one(test.clone(), true),
        }
    } else {
        test.clone()
    };
    match &test {
        Test::In(values) if values.is_empty() => Plain::Any(vec![]),
        Test::NotIn(values) if values.is_empty() => Plain::All(vec![]),
        _ => one(test, false),
    }
}

impl Plain {
    fn to_filter(&self) -> Filter {
        match self {
            Self::All(parts) => Filter::All(parts.iter().map(Self::to_filter).collect()),
            Self::Any(parts) => Filter::Any(parts.iter().map(Self::to_filter).collect()),
            Self::Literal(Literal { field, test, negated }) => {
                let filter = Filter::Field(field.clone(), test.clone());
                if *negated { Filter::Not(Box::new(filter)) } else { filter }
            }
        }
    }

    /// Roughly the room that it takes in `q`.
    fn length(&self) -> usize {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().map(Self::length).sum(),
            Self::Literal(literal) => {
                literal.field.len() + literal.say().map_or(0, |said| encoded_len(&said.value))
            }
        }
    }

    /// The alternatives, each a list of tests that must all hold; `None` where there are too many.
    fn alternatives(&self) -> Option<Vec<Vec<&Literal>>> {
        match self {
            Self::Literal(literal) => Some(vec![vec![literal]]),
            Self::Any(parts) => {
                let mut out = Vec::new();
                for part in parts {
                    out.extend(part.alternatives()?);
                    if out.len() > MOST_ALTERNATIVES {
                        return None;
                    }
                }
                Some(out)
            }
            Self::All(parts) => {
                let mut out = vec![vec![]];
                for part in parts {
                    out = multiplied(&out, &part.alternatives()?)?;
                }
                Some(out)
            }
        }
    }
}

/// Every alternative of one together with every alternative of the other.
fn multiplied<'a>(some: &[Vec<&'a Literal>], others: &[Vec<&'a Literal>]) -> Option<Vec<Vec<&'a Literal>>> {
    (some.len() * others.len() <= MOST_ALTERNATIVES)
        .then(|| some.iter().flat_map(|a| others.iter().map(move |b| [&a[..], b].concat())).collect())
}

/// A test in the API's words.
struct Said {
    /// The operator; blank for plain equality.
    operator: &'static str,
    value: String,
    /// Whether the server's answer needs no further look.
    exact: bool,
}

impl Literal {
    /// The API's words for this test; `None` where it has none, or where the
    /// server might find too little.
    fn say(&self) -> Option<Said> {
        // A name such as `$or` would be taken for an operator.
        if self.negated || self.field.starts_with('$') || self.field.is_empty() {
            return None;
        }
        let said = |operator, value, exact| Some(Said { operator, value, exact });
        let one = |operator, value: &Value| said(operator, json(value)?, true);
        match &self.test {
            // Null and the empty text are one to people, and two to a server: asking for the
            // one would miss the other, and excluding the one may leave the other in.
            Test::Is(value) => one("", value),
            Test::IsNot(value) if value.is_blank() => said("$not", "\"\"".to_owned(), false),
            Test::IsNot(value) => one("$not", value),
            Test::In(values) => said("$in", list(values.iter())?, true),
            Test::NotIn(values) => {
                let filled = values.iter().filter(|value| !value.is_blank());
                let exact = values.iter().all(|value| !value.is_blank());
                if !exact && filled.clone().next().is_none() {
                    return said("$not", "\"\"".to_owned(), false);
                }
                said("$nin", list(filled)?, exact)
            }
            Test::Above(value) => one("$gt", value),
            Test::AtLeast(value) => one("$gte", value),
            Test::Below(value) => one("$lt", value),
            Test::AtMost(value) => one("$lte", value),
            Test::Between(low, high) => said("$bt", list([low, high].into_iter())?, true),
            Test::StartsWith(part) => text("$sw", part),
            Test::EndsWith(part) => text("$ew", part),
            Test::Contains(part) => text("$con", part),
        }
    }
}

/// A part of a text. What means "anything" to SQL may find too much, and what
/// escapes it too little; a blank part is in everything but null.
fn text(operator: &'static str, part: &str) -> Option<Said> {
    if part.is_empty() || part.contains('\\') {
        return None;
    }
    Some(Said { operator, value: Value::from(part).to_json(), exact: !part.contains(['%', '_']) })
}

/// A value as the API takes it; flags are numbers there. `None` for blank and for nested ones.
fn json(value: &Value) -> Option<String> {
    match value {
        Value::Bool(flag) => Some(u8::from(*flag).to_string()),
        Value::Number(_) => Some(value.to_json()),
        Value::Text(text) if !text.is_empty() => Some(value.to_json()),
        Value::Null | Value::Text(_) | Value::Json(_) => None,
    }
}

fn list<'a>(values: impl Iterator<Item = &'a Value>) -> Option<String> {
    let all: Vec<String> = values.map(json).collect::<Option<_>>()?;
    Some(format!("[{}]", all.join(",")))
}

/// One object of tests that must all hold: fields in their order, each with its operators.
#[derive(Clone, Debug, Default)]
struct Conjunction<'a>(Vec<(&'a str, Vec<(&'static str, String)>)>);

impl<'a> Conjunction<'a> {
    /// Adds a test; `false` where the server will not do all of it.
    fn add(&mut self, literal: &'a Literal) -> bool {
        let Some(Said { operator, value, exact }) = literal.say() else { return false };
        let Some((_, known)) = self.0.iter_mut().find(|(field, _)| *field == literal.field) else {
            self.0.push((&literal.field, vec![(operator, value)]));
            return exact;
        };
        if known.iter().any(|(o, v)| *o == operator && *v == value) {
            return exact;
        }
        // Equality has no place beside operators, and an operator only one.
        if operator.is_empty() || known.iter().any(|(o, _)| o.is_empty() || *o == operator) {
            return false;
        }
        known.push((operator, value));
        exact
    }

    fn entries(&self) -> Vec<String> {
        let entry = |(field, tests): &(&str, Vec<(&str, String)>)| {
            let inside: Vec<String> = tests
                .iter()
                .map(|(operator, value)| match *operator {
                    "" => value.clone(),
                    operator => format!("\"{operator}\":{value}"),
                })
                .collect();
            let plain = tests.iter().any(|(operator, _)| operator.is_empty());
            let (open, close) = if plain { ("", "") } else { ("{", "}") };
            format!("{}:{open}{}{close}", Value::from(*field).to_json(), inside.join(","))
        };
        self.0.iter().map(entry).collect()
    }
}

/// One way to divide the parts between server and caller.
struct Attempt<'a> {
    all: Conjunction<'a>,
    any: Vec<Conjunction<'a>>,
    /// The parts that the server is asked about.
    asked: Vec<usize>,
    /// For each part, whether the server does all of it.
    said: Vec<bool>,
}

impl<'a> Attempt<'a> {
    fn of(parts: &'a [Plain], left_out: &[bool]) -> Self {
        let said = vec![false; parts.len()];
        let mut out = Self { all: Conjunction::default(), any: Vec::new(), asked: Vec::new(), said };
        let mut alternatives: Option<Vec<Vec<&Literal>>> = None;
        let mut groups = Vec::new();
        for (at, part) in parts.iter().enumerate().filter(|(at, _)| !left_out[*at]) {
            if let Plain::Literal(literal) = part {
                out.said[at] = out.all.add(literal);
                out.asked.push(at);
                continue;
            }
            let Some(own) = part.alternatives() else { continue };
            let together = match &alternatives {
                None => Some(own),
                Some(known) => multiplied(known, &own),
            };
            if let Some(together) = together {
                alternatives = Some(together);
                groups.push(at);
            }
        }
        let mut exact = true;
        for tests in alternatives.into_iter().flatten() {
            let mut conjunction = Conjunction::default();
            for literal in tests {
                exact &= conjunction.add(literal);
            }
            out.any.push(conjunction);
        }
        // An alternative of which nothing can be said lets everything through, and so does the list.
        if out.any.iter().any(|one| one.0.is_empty()) {
            out.any.clear();
            exact = false;
        }
        for at in groups {
            out.said[at] = exact;
            out.asked.push(at);
        }
        out
    }

    fn query(&self) -> Option<String> {
        let mut entries = self.all.entries();
        if !self.any.is_empty() {
            let alternatives: Vec<String> =
                self.any.iter().map(|one| format!("{{{}}}", one.entries().join(","))).collect();
            entries.push(format!("\"$or\":[{}]", alternatives.join(",")));
        }
        (!entries.is_empty()).then(|| format!("{{{}}}", entries.join(",")))
    }
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
