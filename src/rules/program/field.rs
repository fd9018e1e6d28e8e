//! One field's way from cells to a value, made ready from its lines in the mapping.

use std::collections::HashMap;

use super::steps::Steps;
use super::{Choices, Converted, Fault};
use crate::model::{Field, FieldKind, Header, shown};
use crate::rules::convert::number::Notation;
use crate::rules::convert::reading::DateReading;
use crate::rules::expression::Expression;
use crate::rules::ids::holds_id;
use crate::rules::mapping::{Blank, FieldRule, LookupRule, Missing, Otherwise};
use crate::rules::names::{folded, trim};
use crate::rules::problem::{Located, Problem};

/// Where a field's text comes from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// One column.
    Column(usize),
    /// Several columns, and what stands between them.
    Joined(Vec<usize>, String),
    /// The same text for every row.
    Constant(String),
    /// An expression over columns.
    Expression(Expression),
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
    /// The cell text that empties the field.
    pub clear_token: Option<String>,
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
    /// Values that the list lacks are added to it.
    pub(super) appends: bool,
    /// Those values, as they are to be written.
    pub(super) spelled: Choices,
    /// Own words of a checkbox for yes and for no.
    pub(super) words: [Choices; 2],
    pub(super) date: Option<DateReading>,
    pub(super) notation: Notation,
    /// `date` or `notation.decimal` is what the column has proven, not what the mapping says.
    pub(super) proven: bool,
    pub(super) steps: Steps,
}

/// What the mapping as a whole says for this field.
pub(super) struct Settings {
    pub trim: bool,
    pub strip_guard: bool,
    pub blank: Blank,
    pub clear_token: Option<String>,
    pub is_key: bool,
}

impl FieldProgram {
    /// Makes a field's rule ready; what does not fit the field goes to `problems`.
    pub(super) fn new(
        field: &Field,
        rule: &FieldRule,
        origin: Origin,
        settings: Settings,
        problems: &mut Vec<Problem>,
    ) -> Option<Self> {
        let before = problems.len();
        check_keys_fit(field, rule, problems);
        let date = date_reading(rule, problems);
        let steps = Steps::new(field, rule, problems);
        let own = |words: &[Located<String>]| Choices::new(words.iter().map(|word| word.value.clone()));
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
            clear_token: settings.clear_token,
            default: rule.default.as_ref().map(|d| d.value.clone()),
            reference,
            is_key: settings.is_key,
            values: (!rule.values.is_empty()).then(|| Choices::new(values.clone().map(|(from, _)| from))),
            targets: values.collect(),
            otherwise: rule.otherwise.as_ref().map_or(Otherwise::Keep, |o| o.value.clone()),
            list: checked_list(field, rule),
            appends: rule.lookup.as_ref().is_some_and(|l| l.value == LookupRule::Append),
            spelled: Choices::default(),
            words: [own(&rule.yes), own(&rule.no)],
            date,
            notation: Notation {
                decimal: rule.decimal.as_ref().map(|d| d.value),
                currency: field.kind == FieldKind::Currency,
                percent: field.kind == FieldKind::Percent,
                id: holds_id(field),
            },
            proven: false,
            steps,
        };
        program.check_written_values(rule, problems);
        (problems.len() == before).then_some(program)
    }

    /// The columns it reads.
    pub fn columns(&self) -> &[usize] {
        match &self.origin {
            Origin::Column(one) => std::slice::from_ref(one),
            Origin::Joined(columns, _) => columns,
            Origin::Expression(expression) => expression.columns(),
            Origin::Constant(_) => &[],
        }
    }

    /// Whether values that the list lacks are added to it.
    pub fn appends(&self) -> bool {
        self.appends && self.list.is_some()
    }

    /// Whether the CRM's list has a value.
    pub fn is_listed(&self, value: &str) -> bool {
        self.list.as_ref().is_none_or(|list| list.find(value).is_some() || list.has_number(value))
    }

    /// Writes values that the list lacks as they are written here.
    pub fn spell(&mut self, values: impl Iterator<Item = String>) {
        self.spelled = Choices::new(values);
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

impl Origin {
    /// What a rule names, in the file's header; `None` where something is not
    /// there, which is then among the problems.
    pub(super) fn find(rule: &FieldRule, header: &Header, problems: &mut Vec<Problem>) -> Option<Self> {
        if let Some(constant) = &rule.constant {
            return Some(Self::Constant(constant.value.clone()));
        }
        if let Some(expr) = &rule.expr {
            return match Expression::compile(&expr.value, header) {
                Ok(mut expression) => {
                    expression.line = expr.place.line;
                    Some(Self::Expression(expression))
                }
                Err(error) => {
                    problems.push(Problem::inside(expr, error));
                    None
                }
            };
        }
        let columns = super::columns::resolve(&rule.from, header, problems)?;
        Some(match columns.as_slice() {
            [one] => Self::Column(*one),
            _ => {
                let between = rule.join.as_ref().map_or(" ", |join| join.value.as_str());
                Self::Joined(columns, between.to_owned())
            }
        })
    }
}

/// The list to hold values against, unless the mapping says `lookup: off`.
fn checked_list(field: &Field, rule: &FieldRule) -> Option<Choices> {
    if rule.lookup.as_ref().is_some_and(|l| l.value == LookupRule::Off) || rule.reference.is_some() {
        return None;
    }
    let values = field.lookup.as_ref()?.values.as_ref()?;
    Some(Choices::new(values.iter().cloned()))
}

fn date_reading(rule: &FieldRule, problems: &mut Vec<Problem>) -> Option<DateReading> {
    let date = rule.date.as_ref()?;
    match DateReading::of_mapping(&date.value) {
        Ok(reading) => Some(reading),
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
    if let (Some(word), false) = (rule.yes.first(), field.kind == FieldKind::Checkbox) {
        refuse(word.place, "true");
    }
    if let (Some(word), false) = (rule.no.first(), field.kind == FieldKind::Checkbox) {
        refuse(word.place, "false");
    }
    check_words_differ(rule, problems);
    check_values_differ(rule, problems);
    if let (Some(lookup), None) = (&rule.lookup, &field.lookup) {
        let message = format!("{} has no list to hold values against", shown(&field.name));
        problems.push(Problem::at(lookup.place, message).hint("take out \"lookup\""));
    }
}

/// A word cannot mean yes and no.
fn check_words_differ(rule: &FieldRule, problems: &mut Vec<Problem>) {
    for no in &rule.no {
        if rule.yes.iter().any(|yes| folded(&yes.value) == folded(&no.value)) {
            let message = format!("\"{}\" stands under \"true\" and under \"false\"", shown(&no.value));
            problems.push(Problem::at(no.place, message).hint("take it out of one of them"));
        }
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
