//! Fields whose cells can be read in several ways until the whole column has
//! shown in which.

use super::{FieldProgram, Origin, Program};
use crate::rules::condition::{AsMapped, Sort};
use crate::rules::convert::date::{datetime_text, iso};
use crate::rules::convert::number;
use crate::rules::convert::order::DateOrder;
use crate::rules::convert::reading::DateReading;
use crate::rules::mapping::DecimalMark;

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

    /// Reads every date of the column in this order; in none but ISO's own
    /// where the column has shown no order.
    pub fn settle_dates(&mut self, order: Option<DateOrder>) {
        self.date = order.map(DateReading::Order);
        self.proven = true;
    }

    /// Reads every number of the column by this mark; plainly where the column
    /// has shown none.
    pub fn settle_decimals(&mut self, mark: Option<DecimalMark>) {
        self.notation.decimal = mark;
        self.proven = true;
    }

    /// A text of the field's column as the field reads it.
    fn as_mapped(&self, text: &str, sort: Sort) -> AsMapped {
        let value = match sort {
            _ if self.open_question().is_some() => None,
            Sort::Number => number::read(text, self.notation).ok().map(std::borrow::Cow::into_owned),
            Sort::Date => {
                let read = self.date.as_ref().map_or_else(|| iso(text), |reading| reading.read(text));
                read.ok().map(datetime_text)
            }
        };
        value.map_or(AsMapped::Unreadable, AsMapped::Value)
    }
}

impl Program {
    /// A text of a column as the first field reads it that takes such a value
    /// from this column alone.
    pub(super) fn read_column(&self, column: usize, text: &str, sort: Sort) -> AsMapped {
        let takes = |field: &&FieldProgram| match sort {
            Sort::Number => field.field.kind.is_numeric(),
            Sort::Date => field.field.kind.is_temporal(),
        };
        let reads = |field: &&FieldProgram| matches!(field.origin, Origin::Column(one) if one == column);
        match self.fields.iter().filter(takes).find(reads) {
            Some(field) => field.as_mapped(text, sort),
            None => AsMapped::NotMapped,
        }
    }
}
