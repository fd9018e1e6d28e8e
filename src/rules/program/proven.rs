//! Fields whose cells can be read in several ways until the whole column has
//! shown in which.

use std::borrow::Cow;

use super::{CellForm, Converted, FieldProgram, Origin, Program};
use crate::rules::condition::{AsMapped, Sort};
use crate::rules::convert::number::Notation;
use crate::rules::convert::order::DateOrder;
use crate::rules::convert::reading::DateReading;
use crate::rules::mapping::{DecimalMark, Mode};

impl FieldProgram {
    /// What the column has to prove, where the mapping does not say it.
    pub fn open_question(&self) -> Option<Sort> {
        if self.proven || self.reference.is_some() || matches!(self.origin, Origin::Constant(_)) {
            return None;
        }
        let kind = &self.field.kind;
        if kind.is_temporal() && self.date.is_none() {
            return Some(Sort::Date);
        }
        let open = kind.is_numeric() && self.notation.decimal.is_none() && !self.notation.id;
        open.then_some(Sort::Number)
    }

    /// Reads every date of the column in this order.
    pub fn settle_dates(&mut self, order: DateOrder) {
        self.date = Some(DateReading::Order(order));
        self.proven = true;
    }

    /// Reads every number of the column by this mark.
    pub fn settle_decimals(&mut self, mark: DecimalMark) {
        self.notation.decimal = Some(mark);
        self.proven = true;
    }

    /// Reads the column as machines write: it has shown nothing else.
    pub fn settle_plainly(&mut self) {
        self.proven = true;
    }

    /// Which signs a number of the field may carry.
    pub fn notation(&self) -> Notation {
        self.notation
    }

    /// A text of the field's column as the field reads it, the mapping's steps included.
    fn as_mapped(&self, text: &str) -> AsMapped {
        if self.open_question().is_some() {
            return AsMapped::Unreadable;
        }
        let stepped = self.stepped(Cow::Borrowed(text));
        let read = stepped.and_then(|text| self.convert(text, CellForm::Text));
        match read {
            Ok(Converted::Number(number)) => AsMapped::Value(number.into_owned()),
            Ok(Converted::Text(date)) if date.len() == 10 => AsMapped::Value(format!("{date} 00:00:00")),
            Ok(Converted::Text(date)) => AsMapped::Value(date.into_owned()),
            Ok(Converted::Blank | Converted::Reference(_)) | Err(_) => AsMapped::Unreadable,
        }
    }
}

impl Program {
    /// The fields whose columns have something to prove; in mode `delete` only
    /// those that identify the record are read.
    pub fn open_fields(&self) -> Vec<usize> {
        let read = |at: &usize| self.mode != Mode::Delete || self.fields[*at].is_key;
        let open = |at: &usize| self.fields[*at].open_question().is_some();
        (0..self.fields.len()).filter(read).filter(open).collect()
    }

    /// A text of a column as the first field reads it that takes such a value
    /// from this column alone.
    pub(super) fn read_column(&self, column: usize, text: &str, sort: Sort) -> AsMapped {
        let takes = |field: &&FieldProgram| match sort {
            Sort::Number => field.field.kind.is_numeric(),
            Sort::Date => field.field.kind.is_temporal(),
        };
        let reads = |field: &&FieldProgram| matches!(field.origin, Origin::Column(one) if one == column);
        match self.fields.iter().filter(takes).find(reads) {
            Some(field) => field.as_mapped(text),
            None => AsMapped::NotMapped,
        }
    }
}
