//! From a text to a value of the field's type, or the reason why not.

use std::borrow::Cow;

use super::FieldProgram;
use crate::model::{Cell, Code, FieldKind, Number, RecordId, Stage, shown};
use crate::rules::convert::date::{DateFault, DateText, YEARS, iso};
use crate::rules::convert::number::{Notation, NumberFault, looks_shortened_by_excel};
use crate::rules::convert::text::Bytes;
use crate::rules::convert::{checkbox, number, serial, text};
use crate::rules::mapping::{DecimalMark, Otherwise};
use crate::rules::names::trim;

/// A text turned into what the field takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Converted<'r> {
    /// A text that is not blank; dates too.
    Text(Cow<'r, str>),
    /// A number in canonical notation; checkboxes are 0 or 1.
    Number(Cow<'r, str>),
    /// The name of another record, to be looked up.
    Reference(Cow<'r, str>),
    /// Counts as blank after all (`otherwise: blank`, a choice of nothing).
    Blank,
}

impl Converted<'_> {
    fn into_owned<'o>(self) -> Converted<'o> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        match self {
            Self::Text(text) => Converted::Text(own(text)),
            Self::Number(text) => Converted::Number(own(text)),
            Self::Reference(text) => Converted::Reference(own(text)),
            Self::Blank => Converted::Blank,
        }
    }
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
    /// A fault whose sentence all such texts share.
    pub fn new(code: Code, stage: Stage, message: impl Into<String>) -> Self {
        Self { code, stage, message: message.into(), cause: None }
    }

    fn convert(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, Stage::Convert, message)
    }

    fn validate(code: Code, message: impl Into<String>) -> Self {
        Self::new(code, Stage::Validate, message)
    }
}

/// What a cell holds, which decides how its numbers are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellForm {
    /// A text, in the column's own notation.
    Text,
    /// A workbook's number, which has a decimal point whatever Excel shows.
    Number,
    /// A workbook's number as it is shown in percent: `15%`.
    Percent,
}

impl CellForm {
    /// How the text of this cell is written.
    pub fn of(cell: Cell<'_>) -> Self {
        match cell {
            Cell::Number(_) => Self::Number,
            Cell::Percent(_) => Self::Percent,
            Cell::Blank
            | Cell::Text(_)
            | Cell::Bool(_)
            | Cell::DateTime(_)
            | Cell::Time(_)
            | Cell::Fault(_) => Self::Text,
        }
    }
}

/// How numbers and dates are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Hand {
    /// As the mapping says for the column: `date`, `decimal`.
    Column,
    /// As the CRM writes them: `2024-02-13`, `1234.5`.
    Plain,
    /// A workbook's percentage: plain, and a hundred times what its cell holds.
    Percent,
}

impl FieldProgram {
    /// The text after the mapping's steps: `replace`, `split`, `case`, `pad`.
    ///
    /// # Errors
    /// The text is too long for them.
    pub fn stepped<'r>(&self, text: Cow<'r, str>) -> Result<Cow<'r, str>, Fault> {
        self.steps.take(text, self.trim)
    }

    /// Turns a text that is not blank into the field's type.
    pub fn convert<'r>(&self, text: Cow<'r, str>, form: CellForm) -> Result<Converted<'r>, Fault> {
        let hand = match form {
            CellForm::Number if self.field.kind.is_numeric() => Hand::Plain,
            CellForm::Percent if self.field.kind.is_numeric() => Hand::Percent,
            CellForm::Number | CellForm::Percent | CellForm::Text => Hand::Column,
        };
        let Some(values) = &self.values else { return self.referred_or_typed(text, hand) };
        if self.field.kind == FieldKind::MultiSelect && values.find(&text).is_none() {
            return self.choices_replaced(values, &text, hand);
        }
        match self.replacement(values, &text)? {
            Some(to) => self.put_in_place(to),
            None => self.referred_or_typed(text, hand),
        }
    }

    /// Looks for each value of a multi-select's cell by itself.
    fn choices_replaced<'r>(
        &self,
        values: &super::Choices,
        text: &str,
        hand: Hand,
    ) -> Result<Converted<'r>, Fault> {
        let replaced = |part| Ok(self.replacement(values, part)?.unwrap_or(part));
        let chosen: Vec<&str> = parts(text).map(replaced).collect::<Result<_, Fault>>()?;
        self.referred_or_typed(Cow::Owned(chosen.join(";")), hand)
    }

    /// What the mapping's `values` or `otherwise` put in the place of a text;
    /// none where it stays.
    fn replacement(&self, values: &super::Choices, text: &str) -> Result<Option<&str>, Fault> {
        if let Some(to) = values.find(text).and_then(|from| self.targets.get(from)) {
            return Ok(Some(to));
        }
        match &self.otherwise {
            Otherwise::Keep => Ok(None),
            Otherwise::Blank => Ok(Some("")),
            Otherwise::Use(to) => Ok(Some(to)),
            Otherwise::Reject => Err(self.not_among(values, text)),
        }
    }

    fn not_among(&self, values: &super::Choices, text: &str) -> Fault {
        let told = shown(text).cut(60);
        let is_listed = self.list.as_ref().is_some_and(|list| list.find(text).is_some());
        Fault::validate(
            Code::Values,
            match values.nearest(text) {
                _ if is_listed => format!(
                    "\"{told}\" is in the list, but not among the mapping's values, and otherwise: reject takes no other; add it there"
                ),
                Some(near) => {
                    format!("\"{told}\" is not among the mapping's values; nearest \"{}\"", shown(near))
                }
                None => format!("\"{told}\" is not among the mapping's values"),
            },
        )
    }

    /// The text, if it is to be read in the column's own notation: a workbook's
    /// numbers and what the mapping's `values` replace are not.
    pub fn in_own_notation<'r>(&self, text: Cow<'r, str>, form: CellForm) -> Option<Cow<'r, str>> {
        let exact = form != CellForm::Text && self.field.kind.is_numeric();
        let replaced = self
            .values
            .as_ref()
            .is_some_and(|values| values.find(&text).is_some() || self.otherwise != Otherwise::Keep);
        (!exact && !replaced).then_some(text)
    }

    /// The value that a `const` stands for.
    pub fn constant_value<'r>(&self, text: &str) -> Result<Converted<'r>, Fault> {
        match self.reference {
            Some(_) => Ok(Converted::Reference(Cow::Owned(text.to_owned()))),
            None => self.written(text),
        }
    }

    /// The value for a blank cell, if the mapping gives one.
    pub fn default_value<'o>(&self) -> Option<Result<Converted<'o>, Fault>> {
        // The default of a reference is the id itself.
        self.default.as_deref().map(|text| self.written(text))
    }

    /// A value of the mapping's `values` in the place of the cell's text.
    fn put_in_place<'r>(&self, to: &str) -> Result<Converted<'r>, Fault> {
        match to {
            "" => Ok(Converted::Blank),
            to if self.reference.is_some() => Ok(Converted::Reference(Cow::Owned(to.to_owned()))),
            to => self.written(to),
        }
    }

    fn referred_or_typed<'r>(&self, text: Cow<'r, str>, hand: Hand) -> Result<Converted<'r>, Fault> {
        // A CSV has no error cells, only what Excel wrote in their place.
        if text::is_excel_error(&text) {
            return Err(Fault::convert(Code::ErrorCell, format!("the cell holds the error {text}")));
        }
        if self.reference.is_none() {
            return self.typed(text, hand);
        }
        match text::control_character(&text) {
            Some(c) => Err(control_character(c)),
            None => Ok(Converted::Reference(text)),
        }
    }

    /// Reads a value that stands in the mapping: plainly, or in the column's
    /// own notation. Where both read it and differ, nobody knows what is meant.
    pub(super) fn written<'o>(&self, text: &str) -> Result<Converted<'o>, Fault> {
        let plain = self.typed(Cow::Borrowed(text), Hand::Plain).map(Converted::into_owned);
        // What a column has proven says nothing about the mapping.
        if self.proven || (self.date.is_none() && self.notation.decimal.is_none()) {
            return plain;
        }
        match (plain, self.typed(Cow::Borrowed(text), Hand::Column).map(Converted::into_owned)) {
            (Ok(plain), Ok(own)) if plain != own => Err(Fault::convert(
                if self.date.is_some() { Code::NotADate } else { Code::NotANumber },
                "it can be read in two ways, plainly and in the column's notation; write it plainly: 2024-02-13, 1234.5",
            )),
            (Ok(value), _) | (Err(_), Ok(value)) => Ok(value),
            (Err(_), Err(fault)) => Err(fault),
        }
    }

    pub(super) fn typed<'r>(&self, text: Cow<'r, str>, hand: Hand) -> Result<Converted<'r>, Fault> {
        match &self.field.kind {
            FieldKind::Number | FieldKind::Currency | FieldKind::Percent => self.number(text, hand),
            FieldKind::Date | FieldKind::DateTime => self.date(text, hand),
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

    fn number<'r>(&self, text: Cow<'r, str>, hand: Hand) -> Result<Converted<'r>, Fault> {
        let notation = match hand {
            Hand::Column => self.notation,
            Hand::Plain | Hand::Percent => Notation { decimal: None, ..self.notation },
        };
        // Only a field of percentages takes what is shown; any other what the cell holds.
        let held = (hand == Hand::Percent && !notation.percent).then(|| Number::of_percent(&text)).flatten();
        let text = held.map_or(text, |held| Cow::Owned(held.as_str().to_owned()));
        let read = match &text {
            Cow::Borrowed(text) => number::read(text, notation),
            Cow::Owned(text) => number::read(text, notation).map(|n| Cow::Owned(n.into_owned())),
        };
        let number = read.map_err(|fault| number_fault(fault, notation))?;
        if notation.id {
            self.check_id(&number)?;
        }
        let decimals = number.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        if let Some(most) = self.field.decimals
            && decimals > most as usize
        {
            let cause = format!("more than {most} digits behind the decimal point");
            let message = format!("{decimals} digits behind the decimal point, the field takes {most}");
            return Err(Fault { cause: Some(cause), ..Fault::validate(Code::TooManyDecimals, message) });
        }
        // A list of numbers holds them in some notation; what is sent is the number.
        let is_listed = |list: &super::Choices| {
            list.find(&number).is_some() || list.find(&text).is_some() || list.has_number(&number)
        };
        match &self.list {
            Some(list) if !self.appends && !is_listed(list) => Err(not_in_list(list, &text)),
            _ => Ok(Converted::Number(number)),
        }
    }

    /// An id is a whole number from 1 on; 0 in the id of another record is none.
    fn check_id(&self, number: &str) -> Result<(), Fault> {
        let is_none = number == "0" && self.field.name != "id";
        let is_id = number.parse().ok().and_then(RecordId::new).is_some();
        if is_none || is_id { Ok(()) } else { Err(Fault::convert(Code::NotAnId, NOT_AN_ID)) }
    }

    fn date<'r>(&self, text: Cow<'r, str>, hand: Hand) -> Result<Converted<'r>, Fault> {
        let read = match &self.date {
            Some(reading) if hand == Hand::Column => reading.read(&text),
            Some(_) | None => iso(&text),
        };
        let at = read.map_err(|fault| self.date_fault(fault, &text))?;
        let mut room = DateText::default();
        let wanted = self.date_value(at, &mut room);
        if let Some(list) = &self.list
            && !self.appends
            && list.find(&text).is_none()
            && list.find(wanted).is_none()
        {
            return Err(not_in_list(list, &text));
        }
        Ok(Converted::Text(if wanted == text { text } else { Cow::Owned(wanted.to_owned()) }))
    }

    /// The date that a workbook's cell holds.
    pub fn date_of_cell<'r>(&self, at: jiff::civil::DateTime) -> Result<Converted<'r>, Fault> {
        if !YEARS.contains(&at.year()) {
            return Err(self.date_fault(DateFault::Year, ""));
        }
        Ok(Converted::Text(Cow::Owned(self.date_value(at, &mut DateText::default()).to_owned())))
    }

    /// A date as the field takes it.
    fn date_value<'t>(&self, at: jiff::civil::DateTime, room: &'t mut DateText) -> &'t str {
        if self.field.kind == FieldKind::DateTime { room.datetime(at) } else { room.date(at) }
    }

    fn date_fault(&self, fault: DateFault, text: &str) -> Fault {
        let message = match (fault, &self.date) {
            (DateFault::NoSuchDay, _) => "there is no such day or time".to_owned(),
            (DateFault::Year, _) => "the year is not one from 1000 to 9999".to_owned(),
            (DateFault::Zone, _) => {
                "the time names a zone, and the CRM keeps none; take it off, for example by replace: { \"Z$\": \"\" }"
                    .to_owned()
            }
            (DateFault::Form, Some(reading)) => format!("not a date in the form {reading}"),
            (DateFault::Form, None) => {
                "not a date in the form YYYY-MM-DD; say the column's form in the mapping, date: \"%d/%m/%Y\""
                    .to_owned()
            }
        };
        if let (DateFault::Form, Some(day)) = (fault, serial::likely_day(text)) {
            let message = format!(
                "not a date; as Excel's day number it would be {day}: format the column as dates and save again, or say date: excel"
            );
            let cause = "not a date but, it seems, Excel's day number; format the column as dates, or say date: excel";
            return Fault { cause: Some(cause.to_owned()), ..Fault::convert(Code::NotADate, message) };
        }
        Fault::convert(Code::NotADate, message)
    }

    /// Values joined by `;`, each held against the list.
    fn multi_select<'r>(&self, text: &str) -> Result<Converted<'r>, Fault> {
        let mut chosen: Vec<&str> = Vec::new();
        for part in parts(text) {
            let value = self.listed(part)?.unwrap_or(part);
            if !chosen.contains(&value) {
                chosen.push(value);
            }
        }
        if chosen.is_empty() {
            return Ok(Converted::Blank);
        }
        let joined = chosen.join(";");
        self.check_text(&joined, Bytes::of(&joined))?;
        Ok(Converted::Text(Cow::Owned(joined)))
    }

    fn text<'r>(&self, text: Cow<'r, str>) -> Result<Converted<'r>, Fault> {
        if self.field.kind != FieldKind::Memo && looks_shortened_by_excel(&text) {
            return Err(precision_lost());
        }
        let bytes = Bytes::of(&text);
        let text = match bytes.has_return() {
            true => Cow::Owned(text::with_plain_line_breaks(&text).into_owned()),
            false => text,
        };
        if let Some(listed) = self.listed(&text)? {
            let same = listed == text.as_ref();
            return Ok(Converted::Text(if same { text } else { Cow::Owned(listed.to_owned()) }));
        }
        self.check_text(&text, bytes)?;
        match self.field.kind {
            FieldKind::Email if !text::is_email_of(&text, bytes) => {
                Err(Fault::validate(Code::NotAnEmail, "not an address"))
            }
            FieldKind::Url if !text::is_url_of(&text, bytes) => {
                Err(Fault::validate(Code::NotAUrl, "not a web address"))
            }
            _ => Ok(Converted::Text(text)),
        }
    }

    /// The list's own spelling of a value; `None` if there is no list to hold it against.
    fn listed(&self, value: &str) -> Result<Option<&str>, Fault> {
        let Some(list) = &self.list else { return Ok(None) };
        match list.find(value) {
            None if self.appends => Ok(self.spelled.find(value)),
            found => found.map(Some).ok_or_else(|| not_in_list(list, value)),
        }
    }

    /// One of the mapping's own words, else one of the ten that all know.
    fn checkbox<'r>(&self, text: &str) -> Result<Converted<'r>, Fault> {
        let own = |words: &super::Choices| words.find(text).is_some();
        let [yes, no] = &self.words;
        let flag = match (own(yes), own(no)) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => checkbox::read(text),
        };
        match flag {
            Some(true) => Ok(Converted::Number(Cow::Borrowed("1"))),
            Some(false) => Ok(Converted::Number(Cow::Borrowed("0"))),
            None => {
                let message = "not a word for yes or no (1 true yes y on, 0 false no n off); the mapping can name others: true, false";
                let cause = "not a word for yes or no; the mapping can name others: true, false".to_owned();
                Err(Fault { cause: Some(cause), ..Fault::convert(Code::NotACheckbox, message) })
            }
        }
    }

    fn check_text(&self, text: &str, bytes: Bytes) -> Result<(), Fault> {
        if let Some(c) = text::control_among(text, bytes) {
            return Err(control_character(c));
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

/// The filled values of a multi-select's text.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(';').map(trim).filter(|part| !part.is_empty())
}

const NOT_AN_ID: &str = "not an id: a whole number is needed";

fn number_fault(fault: NumberFault, notation: Notation) -> Fault {
    match fault {
        NumberFault::PrecisionLost => precision_lost(),
        NumberFault::Ambiguous => Fault::convert(
            Code::NotANumber,
            "the separators can be read in two ways; say decimal: \".\" or decimal: \",\" in the mapping",
        ),
        NumberFault::Form => match notation {
            Notation { id: true, .. } => Fault::convert(Code::NotAnId, NOT_AN_ID),
            Notation { decimal: Some(DecimalMark::Comma), .. } => {
                Fault::convert(Code::NotANumber, "not a number with a decimal comma")
            }
            Notation { decimal: Some(DecimalMark::Point), .. } => {
                Fault::convert(Code::NotANumber, "not a number with a decimal point")
            }
            Notation { decimal: None, .. } => Fault::convert(Code::NotANumber, "not a number"),
        },
    }
}

fn not_in_list(list: &super::Choices, value: &str) -> Fault {
    let hint = list.nearest(value).map(|name| format!("; nearest \"{}\"", shown(name))).unwrap_or_default();
    Fault::validate(Code::Lookup, format!("\"{}\" is not in the list{hint}", shown(value).cut(60)))
}

fn control_character(c: char) -> Fault {
    Fault::validate(Code::ControlChar, format!("holds the control character U+{:04X}", u32::from(c)))
}

fn precision_lost() -> Fault {
    Fault::convert(
        Code::PrecisionLost,
        "the spreadsheet has shortened this number and its digits are lost; export the column again as text",
    )
}
