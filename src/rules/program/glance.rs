//! A quick look at a record's texts, to see that nothing is wrong with them.
//!
//! A draft tells all about a row, what it writes and every fault. Most rows
//! of most files have none, and a check writes nothing: a glance says so for a
//! fraction of the work. It answers "surely fine" or nothing; then a draft is
//! made. Whatever it passes a draft finds no fault with, as a property holds.

use std::borrow::Cow;

use super::typed::Hand;
use super::{Converted, Fault, FieldProgram, Origin, Program};
use crate::model::{FieldKind, PlainCells, RecordId};
use crate::rules::convert::checkbox;
use crate::rules::convert::date::iso;
use crate::rules::convert::number::{self, looks_shortened_by_excel};
use crate::rules::convert::text::{Bytes, control_character, is_email_of, is_plain, is_url_of};
use crate::rules::draft::KEY_SEPARATOR;
use crate::rules::mapping::{Blank, Mode, Otherwise};
use crate::rules::names::{push_folded, trim};

/// Looks at the records of one program.
#[derive(Clone, Copy, Debug)]
pub struct Glance<'p> {
    program: &'p Program,
}

impl<'p> Glance<'p> {
    /// None for a program of which only a draft can tell.
    pub fn of(program: &'p Program) -> Option<Self> {
        let knows = |field: &FieldProgram| match field.origin {
            // A mapping's own values were looked at when it was read.
            Origin::Constant(_) => field.reference.is_none() && !field.appends && !field.is_key,
            Origin::Column(_) => field.can_be_glanced_at(),
            Origin::Joined(..) | Origin::Expression(_) => false,
        };
        let known =
            program.when.is_none() && program.mode != Mode::Delete && program.fields.iter().all(knows);
        known.then_some(Self { program })
    }

    /// Whether nothing is wrong with a record, and then appends its key.
    pub fn passes(self, cells: &PlainCells<'_>, key: &mut String) -> bool {
        // To look at all texts at once is quicker than one by one.
        let all_plain = is_plain(cells.whole());
        let fine = |field: &FieldProgram| match field.origin {
            Origin::Column(column) => field.is_surely_fine(cells.get(column), all_plain),
            Origin::Constant(_) => true,
            Origin::Joined(..) | Origin::Expression(_) => false,
        };
        self.program.fields.iter().all(fine) && self.push_key(cells, key)
    }

    fn push_key(self, cells: &PlainCells<'_>, key: &mut String) -> bool {
        for (at, &field) in self.program.key.iter().enumerate() {
            let field = &self.program.fields[field];
            let Origin::Column(column) = field.origin else { return false };
            let text = trim(cells.get(column));
            if at > 0 {
                key.push(KEY_SEPARATOR);
            }
            if !field.field.kind.is_numeric() || field.reference.is_some() {
                push_folded(text, key);
                continue;
            }
            match number::read(text, field.notation) {
                Ok(number) => key.push_str(&number),
                Err(_) => return false,
            }
        }
        true
    }
}

impl FieldProgram {
    /// The column whose texts need nothing done to them but to be trimmed and
    /// read by [`Self::convert_plain`].
    pub fn plain_column(&self) -> Option<usize> {
        let plain = self.trim
            && self.steps.is_empty()
            && self.values.is_none()
            && self.reference.is_none()
            && self.clear_token.is_none();
        match self.origin {
            Origin::Column(column) if plain => Some(column),
            Origin::Column(_) | Origin::Joined(..) | Origin::Constant(_) | Origin::Expression(_) => None,
        }
    }

    /// Turns the text of a plain column, which is no error of Excel's, into the field's type.
    pub fn convert_plain<'r>(&self, text: &'r str) -> Result<Converted<'r>, Fault> {
        self.typed(Cow::Borrowed(text), Hand::Column)
    }

    /// Whether one look at a cell's text can tell that it fits.
    fn can_be_glanced_at(&self) -> bool {
        let by_its_text = match &self.field.kind {
            FieldKind::Text
            | FieldKind::TextArea
            | FieldKind::Memo
            | FieldKind::Email
            | FieldKind::Url
            | FieldKind::Other(_) => true,
            // The key of a date or of a word for yes is what it is read as.
            FieldKind::Number | FieldKind::Currency | FieldKind::Percent => self.list.is_none(),
            FieldKind::Date | FieldKind::DateTime | FieldKind::Checkbox => {
                self.list.is_none() && !self.is_key
            }
            FieldKind::MultiSelect => false,
        };
        let as_it_stands = self.trim && self.steps.is_empty() && self.clear_token.is_none();
        // The key of a replaced or listed text is that of its replacement.
        let own_key = !self.is_key || (self.values.is_none() && self.list.is_none());
        by_its_text && as_it_stands && own_key && !self.appends
    }

    fn is_surely_fine(&self, text: &str, plain: bool) -> bool {
        let text = trim(text);
        match text.as_bytes().first() {
            None => self.may_be_blank(),
            // A formula guard, or an error of Excel's.
            Some(b'\'' | b'#') => false,
            Some(_) => match &self.values {
                Some(values) => match values.find(text).and_then(|from| self.targets.get(from)) {
                    Some(to) => !to.is_empty(),
                    None => self.otherwise == Otherwise::Keep && self.surely_takes(text, plain),
                },
                None => self.surely_takes(text, plain),
            },
        }
    }

    fn may_be_blank(&self) -> bool {
        !self.is_key && !self.field.required && self.blank == Blank::Keep && self.default.is_none()
    }

    /// `plain`: the text is known to be so, as [`is_plain`] tells it.
    fn surely_takes(&self, text: &str, plain: bool) -> bool {
        if self.reference.is_some() {
            return plain || is_plain(text) || control_character(text).is_none();
        }
        match &self.field.kind {
            FieldKind::Number | FieldKind::Currency | FieldKind::Percent => self.surely_takes_number(text),
            FieldKind::Date | FieldKind::DateTime => match &self.date {
                Some(reading) => reading.read(text).is_ok(),
                None => iso(text).is_ok(),
            },
            FieldKind::Checkbox => {
                let [yes, no] = &self.words;
                yes.find(text).is_none() && no.find(text).is_none() && checkbox::read(text).is_some()
            }
            FieldKind::Memo => self.surely_takes_text(text, plain),
            FieldKind::Text
            | FieldKind::TextArea
            | FieldKind::Email
            | FieldKind::Url
            | FieldKind::Other(_) => !looks_shortened_by_excel(text) && self.surely_takes_text(text, plain),
            FieldKind::MultiSelect => false,
        }
    }

    fn surely_takes_number(&self, text: &str) -> bool {
        let Ok(number) = number::read(text, self.notation) else { return false };
        if self.notation.id {
            // 0 is an id of some fields and none of others.
            return number.parse().ok().and_then(RecordId::new).is_some();
        }
        let Some(most) = self.field.decimals else { return true };
        number.bytes().rev().position(|byte| byte == b'.').unwrap_or(0) <= most as usize
    }

    fn surely_takes_text(&self, text: &str, plain: bool) -> bool {
        if let Some(list) = &self.list {
            return list.has(text);
        }
        // A text has never more characters than bytes.
        if self.field.size.is_some_and(|most| text.len() > most as usize) {
            return false;
        }
        match self.field.kind {
            FieldKind::Email => is_email_of(text, Bytes::of(text)),
            FieldKind::Url => is_url_of(text, Bytes::of(text)),
            _ => plain || is_plain(text) || control_character(text).is_none(),
        }
    }
}
