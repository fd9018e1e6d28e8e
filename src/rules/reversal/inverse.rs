//! One field's way back: from the value of a record to the texts that could
//! have been its cell.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::model::{Field, FieldKind, ValueRef};
use crate::rules::convert::date::iso;
use crate::rules::convert::reading::DateReading;
use crate::rules::ids::holds_id;
use crate::rules::mapping::{DecimalMark, FieldRule, Part};
use crate::rules::names::folded;
use crate::rules::program::{CellForm, Converted, FieldProgram};

/// How a value may be written into a cell, the likeliest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// In the mapping's words: `values`.
    Words,
    /// In the column's own form: a date's format, a decimal comma, a name in place of an id.
    Own,
    /// The word that empties a field.
    Token,
    /// As it is in the CRM.
    Plain,
}

impl Way {
    pub const ALL: [Self; 4] = [Self::Words, Self::Own, Self::Token, Self::Plain];
}

/// What a cell gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Slot {
    /// Nothing.
    #[default]
    Blank,
    /// The value of this field, as it is in the CRM.
    Raw(usize),
    /// A text.
    Text(String),
}

/// What a mapping's line says about the way back.
#[derive(Clone, Debug)]
pub(super) struct Inverse {
    field: Field,
    /// The first of the mapping's words for each value, by the value, and by its folded form.
    words: HashMap<String, String>,
    folded: HashMap<String, String>,
    /// The first own words of a checkbox for no and for yes.
    flags: [Option<String>; 2],
    date: Option<DateReading>,
    has_comma: bool,
    /// What stands between the values of a multi-select.
    between: Option<String>,
    token: Option<String>,
    is_reference: bool,
    /// Digits that a number cell of the file holds; 0 where it has none.
    digits: usize,
}

impl Inverse {
    pub fn new(program: &FieldProgram, rule: &FieldRule, digits: usize) -> Self {
        let first = |words: &[crate::rules::problem::Located<String>]| words.first().map(|w| w.value.clone());
        let between = rule.split.as_ref().filter(|split| split.value.part == Part::All);
        let mut inverse = Self {
            field: program.field.clone(),
            words: HashMap::new(),
            folded: HashMap::new(),
            flags: [first(&rule.no), first(&rule.yes)],
            date: rule.date.as_ref().and_then(|date| DateReading::of_mapping(&date.value).ok()),
            has_comma: rule.decimal.as_ref().is_some_and(|mark| mark.value == DecimalMark::Comma),
            between: between.map(|split| split.value.by.clone()),
            token: program.clear_token.clone(),
            is_reference: program.reference.is_some(),
            digits,
        };
        for (word, _) in &rule.values {
            inverse.learn(program, &word.value);
        }
        inverse
    }

    /// Notes what one of the mapping's words means, unless an earlier one means it too.
    fn learn(&mut self, program: &FieldProgram, word: &str) {
        let Ok(converted) = program.convert(Cow::Borrowed(word), CellForm::Text) else { return };
        let (Converted::Text(value) | Converted::Number(value) | Converted::Reference(value)) = converted
        else {
            return;
        };
        self.folded.entry(folded(&value).into_owned()).or_insert_with(|| word.to_owned());
        self.words.entry(value.into_owned()).or_insert_with(|| word.to_owned());
    }

    /// Whether cells hold other texts than the CRM does, so that a column of them has no type.
    pub fn writes_texts(&self) -> bool {
        !self.words.is_empty()
            || self.flags.iter().any(Option::is_some)
            || self.date.is_some()
            || self.between.is_some()
            || self.token.is_some()
            || self.is_reference
            || (self.has_comma && self.digits == 0)
    }

    /// Whether this value goes into the file as a number, whatever mark the mapping names.
    pub fn is_exact(&self, value: ValueRef<'_>) -> bool {
        let ValueRef::Number(text) = value else { return false };
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        self.field.kind.is_numeric() && !self.writes_texts() && digits <= self.digits
    }

    /// The cell for a value, in one of the ways; none where that is no way for it. `name` is what
    /// the record of that id is called, where it is one.
    pub fn slot(&self, way: Way, at: usize, value: ValueRef<'_>, name: Option<&str>) -> Option<Slot> {
        let is_none = value.is_blank() || (holds_id(&self.field) && value.to_text() == "0");
        match way {
            Way::Plain => Some(Slot::Raw(at)),
            Way::Own if is_none => Some(Slot::Blank),
            Way::Token if is_none => self.token.clone().map(Slot::Text),
            Way::Token => None,
            Way::Words | Way::Own if is_none => None,
            Way::Words => self.in_words(value, name).map(Slot::Text),
            Way::Own => self.own(value, name).map(Slot::Text),
        }
    }

    fn in_words(&self, value: ValueRef<'_>, name: Option<&str>) -> Option<String> {
        if self.words.is_empty() {
            return None;
        }
        let text = if self.is_reference { name? } else { self.plain(value) };
        if let Some(word) = self.word(text) {
            return Some(word.to_owned());
        }
        if self.field.kind != FieldKind::MultiSelect {
            return None;
        }
        let parts: Vec<&str> = parts(text).map(|part| self.word(part).unwrap_or(part)).collect();
        Some(parts.join(self.between.as_deref().unwrap_or(";")))
    }

    fn word(&self, value: &str) -> Option<&str> {
        let word = self.words.get(value).or_else(|| self.folded.get(folded(value).as_ref()));
        word.map(String::as_str)
    }

    fn own(&self, value: ValueRef<'_>, name: Option<&str>) -> Option<String> {
        if self.is_reference {
            return name.map(str::to_owned);
        }
        let text = self.plain(value);
        match &self.field.kind {
            FieldKind::Checkbox => self.flags[usize::from(text == "1")].clone(),
            FieldKind::Date | FieldKind::DateTime => self.date.as_ref()?.write(iso(text).ok()?),
            FieldKind::Number | FieldKind::Currency | FieldKind::Percent => {
                (self.has_comma && !self.is_exact(value)).then(|| text.replacen('.', ",", 1))
            }
            FieldKind::MultiSelect => {
                let between = self.between.as_ref()?;
                Some(parts(text).collect::<Vec<_>>().join(between))
            }
            FieldKind::Text
            | FieldKind::TextArea
            | FieldKind::Memo
            | FieldKind::Email
            | FieldKind::Url
            | FieldKind::Other(_) => None,
        }
    }

    /// The value's text; of a checkbox always 0 or 1.
    fn plain<'v>(&self, value: ValueRef<'v>) -> &'v str {
        match value.to_text() {
            "true" if self.field.kind == FieldKind::Checkbox => "1",
            "false" if self.field.kind == FieldKind::Checkbox => "0",
            text => text,
        }
    }
}

/// The values of a multi-select's text.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(';').map(str::trim).filter(|part| !part.is_empty())
}
