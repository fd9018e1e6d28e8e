//! What a mapping that is turned round cannot say, told once for each field.

use super::fills::Fill;
use super::{Odd, Reversal};
use crate::model::{Notice, count, shown};
use crate::rules::program::Origin;

impl Reversal {
    /// What could not be turned round, of the records so far and of the mapping.
    pub fn notices(&self) -> Vec<Notice> {
        let mut notices = self.of_fills();
        notices.extend(self.followers.iter().filter_map(|at| self.of_shared_column(*at)));
        notices.extend(self.constants.iter().filter_map(|at| self.of_constant(*at)));
        notices.extend(self.of_expressions());
        notices.extend(self.of_columns_left_out());
        notices
    }

    fn of_fills(&self) -> Vec<Notice> {
        let mut notices = Vec::new();
        for fill in &self.fills {
            for at in fill.fields() {
                match fill {
                    Fill::Parts { .. } => notices.extend(self.of_shared_column(at)),
                    Fill::One { .. } | Fill::Cut { .. } => notices.extend(self.of_own_column(at)),
                }
            }
        }
        notices
    }

    fn name(&self, at: usize) -> String {
        let field = self.program.fields.get(at);
        field.map(|field| shown(&field.field.name).to_string()).unwrap_or_default()
    }

    fn of_own_column(&self, at: usize) -> Vec<Notice> {
        let (name, Odd { values, blanks }) = (self.name(at), self.odd.get(at).copied().unwrap_or_default());
        let mut notices = Vec::new();
        if values > 0 {
            let stand = if values == 1 { "stands as it is" } else { "stand as they are" };
            let values = count(values, "value", "values");
            notices.push(Notice(format!(
                "{name}: {values} of the CRM cannot be written in the mapping's words and {stand}"
            )));
        }
        if blanks > 0 {
            let records = count(blanks, "record has", "records have");
            notices.push(Notice(format!(
                "{name}: {records} no value, and the mapping does not take a blank cell for that"
            )));
        }
        notices
    }

    fn number(&self, at: usize) -> u64 {
        self.odd.get(at).map_or(0, |odd| odd.values + odd.blanks)
    }

    fn of_shared_column(&self, at: usize) -> Option<Notice> {
        let columns = self.program.fields.get(at)?.columns().iter();
        let columns = quoted(&columns.map(|column| self.program.column_name(*column)).collect::<Vec<_>>());
        let (name, records) = (self.name(at), count(self.number(at), "record", "records"));
        (self.number(at) > 0).then(|| {
            Notice(format!(
                "{name}: of {records} the mapping reads another value from {columns}, which other fields fill too"
            ))
        })
    }

    fn of_constant(&self, at: usize) -> Option<Notice> {
        let (name, records) = (self.name(at), count(self.number(at), "record has", "records have"));
        (self.number(at) > 0).then(|| {
            Notice(format!(
                "{name}: {records} another value than the mapping gives to every row, which an import would write"
            ))
        })
    }

    fn of_expressions(&self) -> Option<Notice> {
        let fields = self.program.fields.iter();
        let computed = fields.filter(|field| matches!(field.origin, Origin::Expression(_)));
        let names: Vec<String> = computed.map(|field| shown(&field.field.name).to_string()).collect();
        let is = if names.len() == 1 { "is" } else { "are" };
        let names = (!names.is_empty()).then(|| names.join(", "))?;
        Some(Notice(format!("{names} {is} not written: an expression cannot be turned round")))
    }

    fn of_columns_left_out(&self) -> Option<Notice> {
        let (names, number) = (quoted(&self.left_out), self.left_out.len());
        let (is, it) = if number == 1 { ("is", "it") } else { ("are", "them") };
        (number > 0).then(|| {
            Notice(format!(
                "{names} {is} not written, as only \"when\" or an expression reads {it}; an import by this mapping asks for {it}"
            ))
        })
    }
}

fn quoted(names: &[String]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("\"{}\"", shown(name).cut(60))).collect();
    quoted.join(", ")
}
