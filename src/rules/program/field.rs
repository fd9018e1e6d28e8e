//! One field's way from cells to a value, made ready from its lines in the mapping.

use std::collections::HashMap;

use super::{Choices, Converted, Fault};
use crate::model::{Field, FieldKind, shown};
use crate::rules::convert::date::DateFormat;
use crate::rules::convert::number::Notation;
use crate::rules::ids::holds_id;
use crate::rules::mapping::{Blank, FieldRule, LookupRule, Missing, Otherwise};
use crate::rules::names::{folded, trim};
use crate::rules::problem::{Located, Problem};

/// Where a field's text comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// One column.
    Column(usize),
    /// Several columns, and what stands between them.
    Joined(Vec<usize>, String),
    /// The same text for every row.
    Constant(String),
}

/// A record of another object that a cell names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The other object.
    pub object: String,
    /// The fields that the cell's text is compared with; several are joined by a blank.
    pub by: Vec<String>,
    /// Whether a text without a record rejects the row.
    pub missing: Missing,
}

/// How one field is filled, ready to run.
#[derive(Clone, Debug)]
pub struct FieldProgram {
    /// The field.
    pub field: Field,
    /// Where its text comes from.
    pub origin: Origin,
    /// Whether blanks at the ends are taken off.
    pub trim: bool,
    /// Whether an export's formula guard is taken off.
    pub strip_guard: bool,
    /// What a blank does on update.
    pub blank: Blank,
    /// The text that stands in for a blank.
    pub default: Option<String>,
    /// The record of another object that the text names.
    pub reference: Option<Reference>,
    /// Whether it identifies a record.
    pub is_key: bool,
    /// The cell texts of `values`, and what each becomes.
    pub(super) values: Option<Choices>,
    pub(super) targets: HashMap<String, String>,
    pub(super) otherwise: Otherwise,
    /// The list to hold values against; `None` if not checked.
    pub(super) list: Option<Choices>,
    pub(super) date: Option<DateFormat>,
    /// Digits to fill up to with zeros in front.
    pub(super) pad: Option<usize>,
    pub(super) notation: Notation,
}

/// Most digits that `pad` fills up to.
const MOST_DIGITS: u32 = 100;

/// What the mapping as a whole says for this field.
pub(super) struct Settings {
    pub trim: bool,
    pub strip_guard: bool,
    pub blank: Blank,
    pub is_key: bool,
}

impl FieldProgram {
    /// Makes a field's rule ready; what does not fit the field goes to `problems`.
    pub(super) fn new(
        field: &Field,
        rule: &FieldRule,
        columns: Vec<usize>,
        settings: Settings,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let before = problems.len();
        check_keys_fit(field, rule, problems);
        let date = date_format(rule, problems);
        if let Some(pad) = rule.pad.as_ref().filter(|pad| !(1..=MOST_DIGITS).contains(&pad.value)) {
            problems.push(Problem::at(
                pad.place,
                format!("pad takes a number of digits from 1 to {MOST_DIGITS}"),
            ));
        }
        let origin = origin_of(rule, columns);
        let reference = rule.reference.as_ref().map(|r| Reference {
            object: r.object.value.clone(),
            by: r.by.iter().map(|name| name.value.clone()).collect(),
            missing: r.missing,
        });
        let values = rule.values.iter().map(|(from, to)| (from.value.clone(), to.value.clone()));
        let program = Self {
            field: field.clone(),
            origin,
            trim: settings.trim || settings.is_key,
            strip_guard: settings.strip_guard,
            blank: settings.blank,
            default: rule.default.as_ref().map(|d| d.value.clone()),
            reference,
            is_key: settings.is_key,
            values: (!rule.values.is_empty()).then(|| Choices::new(values.clone().map(|(from, _)| from))),
            targets: values.collect(),
            otherwise: rule.otherwise.as_ref().map_or(Otherwise::Keep, |o| o.value.clone()),
            list: strict_list(field, rule),
            date,
            pad: rule.pad.as_ref().map(|pad| pad.value as usize),
            notation: Notation {
                decimal: rule.decimal.as_ref().map(|d| d.value),
                currency: field.kind == FieldKind::Currency,
                percent: field.kind == FieldKind::Percent,
                id: holds_id(field),
            },
        };
        program.check_written_values(rule, problems);
        (problems.len() == before).then_some(program)
    }

    /// The columns it reads.
    pub fn columns(&self) -> &[usize] {
        match &self.origin {
            Origin::Column(one) => std::slice::from_ref(one),
            Origin::Joined(columns, _) => columns,
            Origin::Constant(_) => &[],
        }
    }

    /// Values that the mapping itself holds must fit the field too.
    fn check_written_values(&self, rule: &FieldRule, problems: &mut Vec<Problem>) {
        let mut check = |written: &Located<String>, result: Result<Converted<'_>, Fault>| {
            let message = match result {
                _ if trim(&written.value).is_empty() => {
                    "the value is empty; to leave the field alone, take the line out".to_owned()
                }
                Err(fault) => fault.message,
                Ok(_) => return,
            };
            problems.push(Problem::at(written.place, format!("{}: {message}", shown(&self.field.name))));
        };
        // A reference is looked up by a text, but its default is the id itself.
        if let (Some(constant), None) = (&rule.constant, &self.reference) {
            check(constant, self.written(&constant.value));
        }
        if let Some(default) = &rule.default {
            check(default, self.written(&default.value));
        }
        if self.reference.is_none() {
            for (_, to) in rule.values.iter().filter(|(_, to)| !to.value.is_empty()) {
                check(to, self.written(&to.value));
            }
            if let Some(Located { place, value: Otherwise::Use(to) }) = &rule.otherwise {
                check(&Located::new(*place, to.clone()), self.written(to));
            }
        }
    }
}

fn origin_of(rule: &FieldRule, columns: Vec<usize>) -> Origin {
    match (&rule.constant, columns.as_slice()) {
        (Some(constant), _) => Origin::Constant(constant.value.clone()),
        (None, [one]) => Origin::Column(*one),
        (None, _) => {
            let between = rule.join.as_ref().map_or(" ", |join| join.value.as_str());
            Origin::Joined(columns, between.to_owned())
        }
    }
}

/// The list to hold values against, unless the mapping says `lookup: off`.
fn strict_list(field: &Field, rule: &FieldRule) -> Option<Choices> {
    if rule.lookup.as_ref().is_some_and(|l| l.value == LookupRule::Off) || rule.reference.is_some() {
        return None;
    }
    let values = field.lookup.as_ref()?.values.as_ref()?;
    Some(Choices::new(values.iter().cloned()))
}

fn date_format(rule: &FieldRule, problems: &mut Vec<Problem>) -> Option<DateFormat> {
    let date = rule.date.as_ref()?;
    match DateFormat::new(&date.value) {
        Ok(format) => Some(format),
        Err(message) => {
            problems.push(Problem::at(date.place, message));
            None
        }
    }
}

/// Keys that the field's type has no use for.
fn check_keys_fit(field: &Field, rule: &FieldRule, problems: &mut Vec<Problem>) {
    let mut refuse = |place, key: &str| {
        let (name, kind) = (shown(&field.name), shown(field.kind.word()));
        problems
            .push(Problem::at(place, format!("\"{key}\" does not go with {name}, which is of type {kind}")));
    };
    if let (Some(date), false) = (&rule.date, field.kind.is_temporal()) {
        refuse(date.place, "date");
    }
    if let (Some(decimal), false) = (&rule.decimal, field.kind.is_numeric()) {
        refuse(decimal.place, "decimal");
    }
    let names_records = matches!(field.kind, FieldKind::Number | FieldKind::Text | FieldKind::Other(_));
    if let (Some(reference), false) = (&rule.reference, names_records) {
        refuse(reference.object.place, "ref");
    }
    check_values_differ(rule, problems);
    if let (Some(lookup), None) = (&rule.lookup, &field.lookup) {
        let message = format!("{} has no list to hold values against", shown(&field.name));
        problems.push(Problem::at(lookup.place, message).hint("take out \"lookup\""));
    }
}

/// Cell texts of `values` that are the same to the eye must not become two things.
fn check_values_differ(rule: &FieldRule, problems: &mut Vec<Problem>) {
    let mut known: HashMap<String, &str> = HashMap::new();
    for (from, to) in &rule.values {
        let plain = folded(&from.value).into_owned();
        if plain.is_empty() {
            let problem = Problem::at(from.place, "a blank cell is never looked for among values");
            problems.push(problem.hint("give the value of blank cells with default"));
        } else if known.insert(plain, &to.value).is_some_and(|before| before != to.value) {
            let message =
                format!("\"{}\" stands twice among values: case and blanks do not count", shown(&from.value));
            problems.push(Problem::at(from.place, message));
        }
    }
}
