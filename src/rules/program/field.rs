//! One field's way from cells to a value.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::model::{Code, Field, FieldKind, RecordId, Stage, shown};
use crate::rules::convert::date::{DateFault, DateFormat, date_text, datetime_text, iso};
use crate::rules::convert::number::{Notation, NumberFault, looks_shortened_by_excel};
use crate::rules::convert::{checkbox, number, text};
use crate::rules::mapping::{Blank, DecimalMark, FieldRule, LookupRule, Missing, Otherwise};
use crate::rules::names::{folded, trim};
use crate::rules::nearest::nearest;
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

/// A text turned into what the field takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Converted<'r> {
    /// A text; dates too.
    Text(Cow<'r, str>),
    /// A number in canonical notation; checkboxes are 0 or 1.
    Number(Cow<'r, str>),
    /// The name of another record, to be looked up.
    Reference(Cow<'r, str>),
    /// Counts as blank after all (`otherwise: blank`).
    Blank,
}

/// Why a text does not fit its field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The rule it breaks.
    pub code: Code,
    /// The step that found it.
    pub stage: Stage,
    /// One sentence on this text.
    pub message: String,
    /// The sentence that all such texts share, where `message` says more.
    pub cause: Option<String>,
}

impl Fault {
    fn new(code: Code, stage: Stage, message: impl Into<String>) -> Self {
        Self { code, stage, message: message.into(), cause: None }
    }

    fn convert(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, Stage::Convert, message)
    }

    fn validate(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, Stage::Validate, message)
    }
}

/// The id of the record that a row means: digits and nothing else, as a number
/// such as `1E3` may have lost some.
fn id(text: Cow<'_, str>) -> Result<Converted<'_>, Fault> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse().ok().filter(|_| is_digits).and_then(RecordId::new) {
        Some(id) => Ok(Converted::Number(Cow::Owned(id.to_string()))),
        None => Err(Fault::convert(Code::NotAnId, "not a record's id, which is a whole number above 0")),
    }
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
    values: Option<HashMap<String, String>>,
    otherwise: Otherwise,
    /// The list's values by their folded form; `None` if not checked.
    list: Option<HashMap<String, String>>,
    date: Option<DateFormat>,
    notation: Notation,
}

/// What the mapping as a whole says for this field.
pub(super) struct Settings {
    pub trim: bool,
    pub strip_guard: bool,
    pub blank: Blank,
    pub is_key: bool,
}

/// Number fields whose value is the id of a record, by the name of the record.
const FOREIGN: [&str; 14] = [
    "account",
    "contact",
    "case",
    "opportunity",
    "campaign",
    "owner",
    "sla",
    "parent",
    "caselevel",
    "user",
    "document",
    "activity",
    "stage",
    "campaignstage",
];

fn is_id(field: &Field) -> bool {
    let name = field.name.as_str();
    name == "id" || name.strip_suffix("id").is_some_and(|stem| FOREIGN.contains(&stem))
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
        let origin = match (&rule.constant, columns.as_slice()) {
            (Some(constant), _) => Origin::Constant(constant.value.clone()),
            (None, [one]) => Origin::Column(*one),
            (None, _) => {
                Origin::Joined(columns, rule.join.as_ref().map_or(" ".to_owned(), |j| j.value.clone()))
            }
        };
        let reference = rule.reference.as_ref().map(|r| Reference {
            object: r.object.value.clone(),
            by: r.by.iter().map(|name| name.value.clone()).collect(),
            missing: r.missing,
        });
        let values =
            rule.values.iter().map(|(from, to)| (folded(&from.value).into_owned(), to.value.clone()));
        let program = Self {
            field: field.clone(),
            origin,
            trim: settings.trim || settings.is_key,
            strip_guard: settings.strip_guard,
            blank: settings.blank,
            default: rule.default.as_ref().map(|d| d.value.clone()),
            reference,
            is_key: settings.is_key,
            values: (!rule.values.is_empty()).then(|| values.collect()),
            otherwise: rule.otherwise.as_ref().map_or(Otherwise::Keep, |o| o.value.clone()),
            list: strict_list(field, rule),
            date,
            notation: Notation {
                decimal: rule.decimal.as_ref().map(|d| d.value),
                currency: field.kind == FieldKind::Currency,
                percent: field.kind == FieldKind::Percent,
                id: is_id(field),
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
            check(constant, self.typed(Cow::Borrowed(&constant.value)));
        }
        if let Some(default) = &rule.default {
            check(default, self.typed(Cow::Borrowed(&default.value)));
        }
        if self.reference.is_none() {
            for (_, to) in rule.values.iter().filter(|(_, to)| !to.value.is_empty()) {
                check(to, self.typed(Cow::Borrowed(&to.value)));
            }
            if let Some(Located { place, value: Otherwise::Use(to) }) = &rule.otherwise {
                check(&Located::new(*place, to.clone()), self.typed(Cow::Borrowed(to)));
            }
        }
    }

    /// Turns a text that is not blank into the field's type.
    pub fn convert<'r>(&self, text: Cow<'r, str>) -> Result<Converted<'r>, Fault> {
        let text = match self.translate(text)? {
            Some(text) => text,
            None => return Ok(Converted::Blank),
        };
        if self.reference.is_some() {
            return Ok(Converted::Reference(text));
        }
        self.typed(text)
    }

    /// The value for a blank cell, if the mapping gives one.
    pub fn default_value(&self) -> Option<Result<Converted<'_>, Fault>> {
        self.default.as_deref().map(|text| self.typed(Cow::Borrowed(text)))
    }

    /// `values` and `otherwise`; `None` means blank.
    fn translate<'r>(&self, text: Cow<'r, str>) -> Result<Option<Cow<'r, str>>, Fault> {
        let Some(values) = &self.values else { return Ok(Some(text)) };
        if let Some(to) = values.get(folded(&text).as_ref()) {
            return Ok((!to.is_empty()).then(|| Cow::Owned(to.clone())));
        }
        match &self.otherwise {
            Otherwise::Keep => Ok(Some(text)),
            Otherwise::Blank => Ok(None),
            Otherwise::Use(to) => Ok(Some(Cow::Owned(to.clone()))),
            Otherwise::Reject => {
                let near = nearest(&text, values.keys().map(String::as_str));
                let hint = near.map(|name| format!("; nearest \"{}\"", shown(name))).unwrap_or_default();
                let message = format!("\"{}\" is not among the mapping's values{hint}", shown(&text).cut(60));
                Err(Fault::validate(Code::Values, message))
            }
        }
    }

    fn typed<'r>(&self, text: Cow<'r, str>) -> Result<Converted<'r>, Fault> {
        if self.is_key && self.field.name == "id" {
            return id(text);
        }
        match &self.field.kind {
            FieldKind::Number | FieldKind::Currency | FieldKind::Percent => self.number(text),
            FieldKind::Date | FieldKind::DateTime => self.date(text),
            FieldKind::Checkbox => self.checkbox(&text),
            FieldKind::MultiSelect => self.multi_select(&text),
            FieldKind::Text
            | FieldKind::TextArea
            | FieldKind::Memo
            | FieldKind::Email
            | FieldKind::Url
            | FieldKind::Other(_) => self.text(text),
        }
    }

    fn number<'r>(&self, text: Cow<'r, str>) -> Result<Converted<'r>, Fault> {
        let read = match &text {
            Cow::Borrowed(text) => number::read(text, self.notation),
            Cow::Owned(text) => number::read(text, self.notation).map(|n| Cow::Owned(n.into_owned())),
        };
        let number = read.map_err(|fault| self.number_fault(fault))?;
        let decimals = number.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        if let Some(most) = self.field.decimals
            && decimals > most as usize
        {
            let cause = format!("more than {most} digits behind the decimal point");
            return Err(Fault {
                cause: Some(cause),
                ..Fault::validate(
                    Code::TooManyDecimals,
                    format!("{decimals} digits behind the decimal point, the field takes {most}"),
                )
            });
        }
        if self.list.is_some() {
            return self.text(number).map(|converted| match converted {
                Converted::Text(text) => Converted::Number(text),
                other => other,
            });
        }
        Ok(Converted::Number(number))
    }

    fn number_fault(&self, fault: NumberFault) -> Fault {
        match fault {
            NumberFault::PrecisionLost => precision_lost(),
            NumberFault::Ambiguous => Fault::convert(
                Code::NotANumber,
                "the separators can be read in two ways; say decimal: \".\" or decimal: \",\" in the mapping",
            ),
            NumberFault::Form => {
                let notation = match self.notation {
                    Notation { id: true, .. } => "not an id: a whole number is needed",
                    Notation { decimal: Some(DecimalMark::Comma), .. } => "not a number with a decimal comma",
                    Notation { decimal: Some(DecimalMark::Point), .. } => "not a number with a decimal point",
                    Notation { decimal: None, .. } => "not a number",
                };
                Fault::convert(Code::NotANumber, notation)
            }
        }
    }

    fn date<'r>(&self, text: Cow<'r, str>) -> Result<Converted<'r>, Fault> {
        let read = match &self.date {
            Some(format) => format.read(&text),
            None => iso(&text),
        };
        let at = read.map_err(|fault| self.date_fault(fault, &text))?;
        let wanted = self.date_value(at);
        Ok(Converted::Text(if wanted == text { text } else { Cow::Owned(wanted) }))
    }

    /// A date as the field takes it.
    pub fn date_value(&self, at: jiff::civil::DateTime) -> String {
        if self.field.kind == FieldKind::DateTime { datetime_text(at) } else { date_text(at) }
    }

    fn date_fault(&self, fault: DateFault, text: &str) -> Fault {
        let message = match (fault, &self.date) {
            (DateFault::NoSuchDay, _) => "there is no such day or time".to_owned(),
            (DateFault::Year, _) => "the year is not one from 1000 to 9999".to_owned(),
            (DateFault::Zone, _) => {
                "the time names a zone, and the CRM keeps none; write it without".to_owned()
            }
            (DateFault::Form, _) if is_serial(text) => {
                "not a date; it looks like Excel's number for one: format the column as dates and save again"
                    .to_owned()
            }
            (DateFault::Form, Some(format)) => format!("not a date in the form {format}"),
            (DateFault::Form, None) => {
                "not a date in the form YYYY-MM-DD; say the column's form in the mapping, date: \"%d/%m/%Y\""
                    .to_owned()
            }
        };
        Fault::convert(Code::NotADate, message)
    }

    fn checkbox<'r>(&self, text: &str) -> Result<Converted<'r>, Fault> {
        match checkbox::read(text) {
            Some(true) => Ok(Converted::Number(Cow::Borrowed("1"))),
            Some(false) => Ok(Converted::Number(Cow::Borrowed("0"))),
            None => Err(Fault::convert(
                Code::NotACheckbox,
                "not a word for yes or no (1 true yes y on, 0 false no n off)",
            )),
        }
    }

    /// Values joined by `;`, each held against the list.
    fn multi_select<'r>(&self, text: &str) -> Result<Converted<'r>, Fault> {
        let mut chosen: Vec<Cow<'_, str>> = Vec::new();
        for part in text.split(';').map(trim).filter(|part| !part.is_empty()) {
            let value = self.listed(part)?.map_or(Cow::Borrowed(part), Cow::Borrowed);
            if !chosen.contains(&value) {
                chosen.push(value);
            }
        }
        let joined = chosen.join(";");
        self.check_text(&joined)?;
        Ok(Converted::Text(Cow::Owned(joined)))
    }

    fn text<'r>(&self, text: Cow<'r, str>) -> Result<Converted<'r>, Fault> {
        if self.field.kind != FieldKind::Memo && looks_shortened_by_excel(&text) {
            return Err(precision_lost());
        }
        let text = match &text {
            Cow::Borrowed(plain) => text::with_plain_line_breaks(plain),
            Cow::Owned(plain) => Cow::Owned(text::with_plain_line_breaks(plain).into_owned()),
        };
        if let Some(listed) = self.listed(&text)? {
            let same = listed == text.as_ref();
            return Ok(Converted::Text(if same { text } else { Cow::Owned(listed.to_owned()) }));
        }
        self.check_text(&text)?;
        match self.field.kind {
            FieldKind::Email if !text::is_email(&text) => {
                Err(Fault::validate(Code::NotAnEmail, "not an address"))
            }
            FieldKind::Url if !text::is_url(&text) => {
                Err(Fault::validate(Code::NotAUrl, "not a web address"))
            }
            _ => Ok(Converted::Text(text)),
        }
    }

    /// The list's own spelling of a value; `None` if there is no list to hold it against.
    fn listed(&self, value: &str) -> Result<Option<&str>, Fault> {
        let Some(list) = &self.list else { return Ok(None) };
        if let Some(listed) = list.get(folded(value).as_ref()) {
            return Ok(Some(listed));
        }
        let near = nearest(value, list.values().map(String::as_str));
        let hint = near.map(|name| format!("; nearest \"{}\"", shown(name))).unwrap_or_default();
        Err(Fault::validate(Code::Lookup, format!("\"{}\" is not in the list{hint}", shown(value).cut(60))))
    }

    fn check_text(&self, text: &str) -> Result<(), Fault> {
        if let Some(c) = text::control_character(text) {
            let message = format!("holds the control character U+{:04X}", u32::from(c));
            return Err(Fault::validate(Code::ControlChar, message));
        }
        let Some(most) = self.field.size else { return Ok(()) };
        // A text has never more characters than bytes.
        if text.len() <= most as usize {
            return Ok(());
        }
        let length = text.chars().count();
        if length <= most as usize {
            return Ok(());
        }
        let cause = format!("longer than the {most} characters that the field takes");
        let message = format!("{length} characters, the field takes {most}");
        Err(Fault { cause: Some(cause), ..Fault::validate(Code::TooLong, message) })
    }
}

fn precision_lost() -> Fault {
    Fault::convert(
        Code::PrecisionLost,
        "the spreadsheet has shortened this number and its digits are lost; export the column again as text",
    )
}

/// Excel's numbers for the days from 1954 to 2119.
fn is_serial(text: &str) -> bool {
    text.split('.')
        .next()
        .and_then(|days| days.parse::<u32>().ok())
        .is_some_and(|days| (20_000..80_000).contains(&days))
}

/// The list to hold values against, unless the mapping says `lookup: off`.
fn strict_list(field: &Field, rule: &FieldRule) -> Option<HashMap<String, String>> {
    if rule.lookup.as_ref().is_some_and(|l| l.value == LookupRule::Off) || rule.reference.is_some() {
        return None;
    }
    let values = field.lookup.as_ref()?.values.as_ref()?;
    Some(values.iter().map(|value| (folded(value).into_owned(), value.clone())).collect())
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
    if let (Some(lookup), None) = (&rule.lookup, &field.lookup) {
        let message = format!("{} has no list to hold values against", shown(&field.name));
        problems.push(Problem::at(lookup.place, message).hint("take out \"lookup\""));
    }
}
