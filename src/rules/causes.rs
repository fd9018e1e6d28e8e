//! Why rows were rejected, gathered: (field, code, value class).

use std::collections::HashMap;

use serde::Serialize;

use crate::model::{Code, Finding};

/// Different causes that are told apart; what comes later is counted as one.
const MOST: usize = 10_000;

/// The reason that many rejected rows share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// The field; none where the row as a whole is at fault.
    pub field: Option<String>,
    /// The rule that was broken.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// How many rows have it.
    pub rows: u64,
    /// One of them.
    pub example: Example,
}

/// One row that shows a cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Its number, as Excel shows it.
    pub row: u64,
    /// The value at fault.
    pub value: Option<String>,
}

/// The longest value that an example keeps, in characters; a cell may hold a megabyte.
const LONGEST: usize = 200;

fn cut(value: String) -> String {
    match value.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value,
    }
}

/// Rows with different values have different causes: each unknown dropdown
/// value is mended by an act of its own.
fn code_has_value(code: &str) -> bool {
    [Code::Lookup, Code::Values].iter().any(|known| known.word() == code)
}

/// What makes a cause: its field, its code, and the value where that matters.
type Class = (Option<String>, String, Option<String>);

/// Gathers findings into causes as they come.
#[derive(Clone, Debug, Default)]
pub struct Causes {
    /// Each cause and the last row that was counted for it.
    known: HashMap<Class, (Cause, u64)>,
}

impl Causes {
    /// Counts a finding. A row counts once for each cause it has.
    pub fn add(&mut self, finding: &Finding) {
        let message = finding.cause.as_ref().unwrap_or(&finding.message);
        let example = Example { row: finding.row, value: finding.value.clone() };
        self.add_stored(&finding.field, finding.code.word(), message, example);
    }

    /// Counts a finding that was stored. Findings of one row come one after the other.
    pub fn add_stored(&mut self, field: &Option<String>, code: &str, message: &str, mut example: Example) {
        example.value = example.value.map(cut);
        // Where the value is no class of its own, the sentence is: too many cells and too few
        // are two causes of one rule.
        let class = if code_has_value(code) { example.value.clone() } else { Some(message.to_owned()) };
        let mut key = (field.clone(), code.to_owned(), class);
        let mut message = message;
        if self.known.len() >= MOST && !self.known.contains_key(&key) {
            key = (None, "other".to_owned(), None);
            message = "further causes; see errors.jsonl";
        }
        let fresh = || {
            let (field, code) = (key.0.clone(), key.1.clone());
            (Cause { field, code, message: message.to_owned(), rows: 0, example: example.clone() }, 0)
        };
        let (cause, last_row) = self.known.entry(key.clone()).or_insert_with(fresh);
        if *last_row != example.row {
            *last_row = example.row;
            cause.rows += 1;
        }
        if example.row < cause.example.row {
            cause.example = example;
        }
    }

    /// The causes, the commonest first; equal ones by their first row.
    pub fn sorted(&self) -> Vec<Cause> {
        let mut causes: Vec<Cause> = self.known.values().map(|(cause, _)| cause.clone()).collect();
        causes.sort_by(|a, b| {
            let order =
                |c: &Cause| (std::cmp::Reverse(c.rows), c.example.row, c.field.clone(), c.code.clone());
            order(a).cmp(&order(b)).then_with(|| a.message.cmp(&b.message))
        });
        causes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Stage;

    fn finding(row: u64, field: &str, code: Code, value: &str) -> Finding {
        Finding {
            row,
            cell: None,
            column: None,
            field: Some(field.to_owned()),
            message: format!("{code}: {value}"),
            cause: (!code_has_value(code.word())).then(|| format!("{code}")),
            code,
            value: Some(value.to_owned()),
            stage: Stage::Validate,
        }
    }

    #[test]
    fn rows_with_one_reason_are_one_cause_and_unknown_values_each_their_own() {
        let mut causes = Causes::default();
        for (row, field, code, value) in [
            (9, "email", Code::NotAnEmail, "x"),
            (4, "type", Code::Lookup, "Custmer"),
            (5, "type", Code::Lookup, "Prospct"),
            (6, "email", Code::NotAnEmail, "y"),
            (7, "type", Code::Lookup, "Custmer"),
            (7, "type", Code::Lookup, "Custmer"),
        ] {
            causes.add(&finding(row, field, code, value));
        }
        let found: Vec<_> = causes
            .sorted()
            .into_iter()
            .map(|c| (c.message, c.rows, c.example.row, c.example.value.unwrap()))
            .collect();
        assert_eq!(
            found,
            [
                ("lookup: Custmer".to_owned(), 2, 4, "Custmer".to_owned()),
                ("email".to_owned(), 2, 6, "y".to_owned()),
                ("lookup: Prospct".to_owned(), 1, 5, "Prospct".to_owned()),
            ]
        );
    }
}
