//! What is to be done with a row, given the record that it means.

use crate::model::{Code, Field, FieldKind, Finding, Record, RecordId, Stage, Value};
use crate::rules::compare::{is_as_written, is_cut_by_a_cell, same};
use crate::rules::draft::{Draft, Wish, blank, finding, missing_findings, refuse};
use crate::rules::files::{NAME, is_file, name_of, path_of};
use crate::rules::mapping::{Missing, Mode};
use crate::rules::program::{Fault, Program};

/// The records that a row's key names.
#[derive(Clone, Debug, PartialEq)]
pub enum Found<'a> {
    /// Records are not matched, or an `id` key is blank.
    NotAsked,
    /// There is none.
    None,
    /// Exactly one.
    One(&'a Record),
    /// Two or more.
    Many(Vec<RecordId>),
}

/// The records that a cell names as a reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// There is none.
    None,
    /// Exactly one.
    One(RecordId),
    /// Two or more.
    Many,
}

/// What is to be done with one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// POST this body.
    Create {
        /// The JSON object.
        body: String,
    },
    /// PATCH the record with this body.
    Update {
        /// The record.
        id: RecordId,
        /// The JSON object of the fields that differ.
        body: String,
        /// The same fields' values before, as a JSON object.
        before: String,
        /// The fields that are emptied.
        cleared: Vec<String>,
    },
    /// The record already is as the row wants it.
    Unchanged {
        /// The record.
        id: RecordId,
    },
    /// DELETE the record.
    Delete {
        /// The record.
        id: RecordId,
        /// All of its values before, as a JSON object.
        before: String,
    },
    /// Nothing is sent.
    Reject(Vec<Finding>),
}

/// Puts the ids of the records that cells name in the place of their names.
pub fn resolve(program: &Program, draft: &mut Draft<'_>, mut lookup: impl FnMut(usize, &str) -> Resolved) {
    for at in 0..draft.wishes.len() {
        let Wish::Reference(name) = &draft.wishes[at] else { continue };
        let field = &program.fields[at];
        let Some(reference) = &field.reference else { continue };
        let (object, by) = (&reference.object, reference.by.join(" + "));
        let (code, message, cause) = match lookup(at, name) {
            Resolved::One(id) => {
                draft.wishes[at] = Wish::Number(id.to_string().into());
                continue;
            }
            Resolved::None if reference.missing == Missing::Blank => {
                let name = name.clone();
                draft.wishes[at] = blank(program, draft, at, Some(&name));
                continue;
            }
            Resolved::None => {
                let name = crate::model::shown(name).cut(80).to_string();
                let message = format!("no record of {object} whose {by} is \"{name}\"");
                (Code::NoReference, message, format!("no record of {object} with this {by}"))
            }
            Resolved::Many => {
                let name = crate::model::shown(name).cut(80).to_string();
                let message = format!("several records of {object} whose {by} is \"{name}\"");
                (Code::AmbiguousReference, message, format!("several records of {object} with this {by}"))
            }
        };
        let name = name.clone();
        let fault = Fault { cause: Some(cause), ..Fault::new(code, Stage::Match, message) };
        draft.wishes[at] = refuse(program, draft, at, fault, Some(&name));
    }
}

/// Whether a finding may be excused, should the record hold the very value: it
/// is about a value, and not about the row, its key or the file.
pub fn may_be_excused(program: &Program, finding: &Finding) -> bool {
    let is_key = |name: &String| program.fields.iter().any(|f| f.is_key && f.field.name == *name);
    let of_value = matches!(finding.stage, Stage::Convert | Stage::Validate)
        && !matches!(finding.code, Code::When | Code::Expr)
        && finding.value.is_some();
    let changes = matches!(program.mode, Mode::Update | Mode::Upsert);
    changes && of_value && finding.field.as_ref().is_some_and(|name| !is_key(name))
}

/// The row without findings on values that its record holds already: nothing
/// would be written, so there is nothing to refuse. None where one remains.
pub fn excused<'r>(program: &Program, draft: &Draft<'r>, record: &Record) -> Option<Draft<'r>> {
    let holds = |finding: &&Finding| {
        let value = finding.value.as_deref().unwrap_or_default();
        let current = finding.field.as_deref().and_then(|field| record.get(field));
        may_be_excused(program, finding) && current.is_some_and(|current| is_as_written(current, value))
    };
    if !draft.findings.iter().all(|finding| holds(&finding)) {
        return None;
    }
    let fields: Vec<&str> = draft.findings.iter().filter_map(|finding| finding.field.as_deref()).collect();
    let wishes = program.fields.iter().zip(&draft.wishes).map(|(field, wish)| {
        if fields.contains(&field.field.name.as_str()) { Wish::Leave } else { wish.clone() }
    });
    Some(Draft { wishes: wishes.collect(), findings: Vec::new(), ..draft.clone() })
}

/// Decides on a row without findings. The record comes whole from the CRM.
pub fn plan(program: &Program, draft: &Draft<'_>, found: &Found<'_>) -> Step {
    let mode = program.mode;
    match (mode, found) {
        (_, Found::Many(ids)) => Step::Reject(vec![ambiguous(program, draft, ids)]),
        (Mode::Create, Found::One(record)) => {
            let message = format!("the record exists already, with id {}", record.id);
            let cause = "the record exists already";
            Step::Reject(vec![key_finding(program, draft, Code::Exists, message, Some(cause))])
        }
        (Mode::Create | Mode::Upsert, Found::NotAsked) => create(program, draft),
        // A filled id without a record is a slip: a new record would get another id.
        (Mode::Create | Mode::Upsert, Found::None) if !program.matches_by_id() => create(program, draft),
        (_, Found::None | Found::NotAsked) => {
            let fields = program.key_names().join(" + ");
            let message = format!("no record of {} with this {fields}", program.object);
            Step::Reject(vec![key_finding(program, draft, Code::NoMatch, message, None)])
        }
        (Mode::Update | Mode::Upsert, Found::One(record)) => update(program, draft, record),
        (Mode::Delete, Found::One(record)) => Step::Delete { id: record.id, before: all_values(record) },
    }
}

fn create(program: &Program, draft: &Draft<'_>) -> Step {
    let missing = missing_findings(program, draft);
    if !missing.is_empty() {
        return Step::Reject(missing);
    }
    let mut body = JsonObject::default();
    for (field, wish) in program.fields.iter().zip(&draft.wishes) {
        // What the CRM fills itself (the id) may identify a record, and is not written.
        let is_no_value = field.field.name == "id" || field.field.read_only || is_file(&field.field);
        if is_no_value || matches!(wish, Wish::Clear) {
            continue;
        }
        if let Some(value) = wish.value() {
            body.add(&field.field.name, &value);
        }
    }
    let is_named = program.fields.iter().any(|field| field.field.name == NAME);
    if let Some(path) = path_of(program, draft).filter(|_| !is_named) {
        body.add(NAME, &Value::from(name_of(path)));
    }
    Step::Create { body: body.finish() }
}

fn update(program: &Program, draft: &Draft<'_>, record: &Record) -> Step {
    let (mut body, mut before) = (JsonObject::default(), JsonObject::default());
    let mut emptied = Vec::new();
    for (field, wish) in program.fields.iter().zip(&draft.wishes) {
        // What identifies the record is the same by its own rules of comparison.
        // A file goes with a new document only.
        if field.is_key || is_file(&field.field) {
            continue;
        }
        let Some(wanted) = wish.value() else { continue };
        let current = record.get(&field.field.name);
        if same(&field.field, current, &wanted) || is_cut_by_a_cell(current, &wanted) {
            continue;
        }
        let sent = match wish {
            Wish::Clear => {
                emptied.push(field.field.name.clone());
                cleared(&field.field)
            }
            _ => wanted,
        };
        body.add(&field.field.name, &sent);
        before.add(&field.field.name, current.unwrap_or(&Value::Null));
    }
    if body.is_empty() {
        return Step::Unchanged { id: record.id };
    }
    Step::Update { id: record.id, body: body.finish(), before: before.finish(), cleared: emptied }
}

/// What empties a field: null for numbers and dates, 0 for a checkbox, the
/// empty text for the rest.
fn cleared(field: &Field) -> Value {
    match &field.kind {
        kind if kind.is_numeric() || kind.is_temporal() => Value::Null,
        FieldKind::Checkbox => Value::from(0),
        _ => Value::Text(String::new()),
    }
}

fn all_values(record: &Record) -> String {
    let mut before = JsonObject::default();
    for (name, value) in &record.fields {
        before.add(name, value);
    }
    before.finish()
}

fn ambiguous(program: &Program, draft: &Draft<'_>, ids: &[RecordId]) -> Finding {
    let some: Vec<String> = ids.iter().take(5).map(ToString::to_string).collect();
    let more = if ids.len() > 5 { ", …" } else { "" };
    let message = format!("{} records match: ids {}{more}", ids.len(), some.join(", "));
    let cause = format!("several records of {} match", program.object);
    key_finding(program, draft, Code::AmbiguousMatch, message, Some(&cause))
}

/// A finding on the fields that identify the record.
pub fn key_finding(
    program: &Program,
    draft: &Draft<'_>,
    code: Code,
    message: String,
    cause: Option<&str>,
) -> Finding {
    let first = program.key.first().map(|&at| &program.fields[at]);
    let column = first.and_then(|field| field.columns().first().copied());
    let value = program.key.iter().filter_map(|&at| match draft.wishes.get(at)? {
        Wish::Text(text) | Wish::Number(text) | Wish::Reference(text) => Some(text.as_ref()),
        Wish::Leave | Wish::Clear | Wish::Faulty => None,
    });
    let value = value.collect::<Vec<_>>().join(" + ");
    let fault = Fault { code, stage: Stage::Match, message, cause: cause.map(str::to_owned) };
    finding(program, draft.row, column, first.map(|f| f.field.name.as_str()), fault, Some(value))
}

/// The finding on a row whose key or record an earlier row has.
pub fn duplicate_finding(program: &Program, draft: &Draft<'_>, first_row: u64, what: &str) -> Finding {
    let message = format!("row {first_row} has the same {what}");
    let cause = format!("an earlier row has the same {what}");
    key_finding(program, draft, Code::DuplicateInFile, message, Some(&cause))
}

/// A JSON object's text with one member more, a text.
pub fn with_member(object: &str, name: &str, text: &str) -> String {
    let mut members =
        JsonObject(object.strip_suffix('}').filter(|rest| *rest != "{").unwrap_or("").to_owned());
    members.add(name, &Value::from(text));
    members.finish()
}

/// Builds a JSON object's text member by member, numbers exact.
#[derive(Default)]
struct JsonObject(String);

impl JsonObject {
    fn add(&mut self, name: &str, value: &Value) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        Value::Text(name.to_owned()).write_json(&mut self.0);
        self.0.push(':');
        value.write_json(&mut self.0);
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn finish(mut self) -> String {
        self.0.push_str(if self.0.is_empty() { "{}" } else { "}" });
        self.0
    }
}

#[cfg(test)]
#[path = "planning_tests.rs"]
mod tests;
