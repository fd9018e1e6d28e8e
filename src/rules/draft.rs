//! A row run through the program: what it wants to write, and everything
//! that is wrong with it.

use std::borrow::Cow;

use crate::model::{Cell, CellFault, Code, Finding, Row, Stage, Value, unguard};
use crate::rules::condition::{Sort, Verdict};
use crate::rules::expression::Expression;
use crate::rules::mapping::{Blank, Mode};
use crate::rules::names::{push_folded, trim};
use crate::rules::program::{CellForm, Converted, Fault, FieldProgram, Origin, Program};
use crate::rules::read_faults::{cell_fault, row_finding};

/// What a row wants with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish<'r> {
    /// Leave it as it is; on create, leave it out.
    Leave,
    /// Empty it; on create, leave it out.
    Clear,
    /// Write this text.
    Text(Cow<'r, str>),
    /// Write this number, given in canonical notation.
    Number(Cow<'r, str>),
    /// Write the id of the record that this text names.
    Reference(Cow<'r, str>),
    /// The cell does not fit; a finding says why.
    Faulty,
}

impl Wish<'_> {
    /// The value to send; none for what is left alone or not known yet.
    pub fn value(&self) -> Option<Value> {
        match self {
            Self::Text(text) => Some(Value::Text(text.clone().into_owned())),
            Self::Number(number) => {
                Some(crate::model::Number::parse(number).map_or(Value::Null, Value::Number))
            }
            Self::Clear => Some(Value::Null),
            Self::Leave | Self::Reference(_) | Self::Faulty => None,
        }
    }
}

/// A row after conversion, one wish for each field of the program.
#[derive(Clone, Debug, Default)]
pub struct Draft<'r> {
    /// The row's number.
    pub row: u64,
    /// In the order of [`Program::fields`]; empty if the row as a whole is faulty.
    pub wishes: Vec<Wish<'r>>,
    /// All that is wrong with the row.
    pub findings: Vec<Finding>,
    /// Required fields that are blank: a fault only if the row becomes a new record.
    pub missing: Vec<usize>,
    /// Of these, the texts that count as blank by the mapping's steps.
    pub emptied: Vec<(usize, String)>,
    /// Cells from which an export's formula guard was taken.
    pub unguarded: u64,
    /// The mapping's `when` leaves the row out.
    pub skipped: bool,
}

impl Draft<'_> {
    /// Whether the row may become a new record: one whose id is given cannot.
    pub fn may_create(&self, program: &Program) -> bool {
        program.mode.creates() && !(program.matches_by_id() && self.key(program).is_some())
    }

    /// The row's key in the form in which keys are compared; `None` if a part
    /// is blank or faulty, or records are not matched.
    pub fn key(&self, program: &Program) -> Option<String> {
        let mut key = String::new();
        self.push_key(program, &mut key).then_some(key)
    }

    /// Appends the row's key; false where it has none, and then the text is of no use.
    pub fn push_key(&self, program: &Program, key: &mut String) -> bool {
        if program.key.is_empty() || self.wishes.is_empty() {
            return false;
        }
        for (at, &field) in program.key.iter().enumerate() {
            if at > 0 {
                key.push(KEY_SEPARATOR);
            }
            match self.wishes.get(field) {
                Some(Wish::Text(text) | Wish::Reference(text)) => push_folded(text, key),
                Some(Wish::Number(number)) => key.push_str(number),
                Some(Wish::Leave | Wish::Clear | Wish::Faulty) | None => return false,
            }
        }
        true
    }
}

/// Stands between the parts of a key; control characters are no part of a text.
pub const KEY_SEPARATOR: char = '\u{1F}';

/// Runs a row through the program.
pub fn draft<'r>(program: &Program, row: &'r Row) -> Draft<'r> {
    let mut draft = Draft { row: row.number, ..Draft::default() };
    if let Some(fault) = &row.fault {
        draft.findings.push(row_finding(program, row, fault));
        return draft;
    }
    match program.judge(row) {
        Verdict::Meant => {}
        Verdict::LeftOut => {
            draft.skipped = true;
            return draft;
        }
        Verdict::Unclear { column, wanted } => {
            draft.findings.push(unclear_finding(program, row, column, wanted));
        }
    }
    draft.wishes.reserve(program.fields.len());
    for at in 0..program.fields.len() {
        let wish = Drafter { program, row, draft: &mut draft, at }.wish();
        draft.wishes.push(wish);
    }
    tell_once(&mut draft.findings);
    draft
}

/// What `when` cannot compare is told once, although its field cannot read it
/// either. Of the two the finding of `when` stays: no record excuses it.
fn tell_once(findings: &mut Vec<Finding>) {
    let Some(unclear) = findings.first().filter(|finding| finding.code == Code::When).cloned() else {
        return;
    };
    findings.retain(|other| {
        other.code == Code::When || (&other.cell, &other.column) != (&unclear.cell, &unclear.column)
    });
}

/// The text that a row gives a field before its type is looked at, where that
/// text is the file's own: what the whole column's notation is proven by.
pub fn spoken<'r>(program: &Program, row: &'r Row, at: usize) -> Option<Cow<'r, str>> {
    let mut scratch = Draft { row: row.number, ..Draft::default() };
    let mut drafter = Drafter { program, row, draft: &mut scratch, at };
    match drafter.prepared().ok()? {
        Prepared::Text(text, form) => drafter.field().in_own_notation(text, form),
        Prepared::Blank | Prepared::Emptied(_) | Prepared::Clear | Prepared::Date(_) => None,
    }
}

/// What a row wants with one field; what is wrong with it is told nowhere.
pub fn wish<'r>(program: &Program, row: &'r Row, at: usize) -> Wish<'r> {
    let mut scratch = Draft { row: row.number, ..Draft::default() };
    Drafter { program, row, draft: &mut scratch, at }.wish()
}

/// A row of which `when` cannot tell whether it is meant.
fn unclear_finding(program: &Program, row: &Row, column: usize, wanted: Option<Sort>) -> Finding {
    let message = match wanted {
        Some(sort) => format!("\"when\" compares it with {}, and as one it cannot be read", sort.word()),
        None => match row.cell(column) {
            Cell::Fault(fault) => format!("\"when\" looks at it, and {}", cell_fault(&fault).message),
            _ => "\"when\" looks at it, and it cannot be read".to_owned(),
        },
    };
    let fault = Fault::new(Code::When, Stage::Convert, message);
    finding(program, row.number, Some(column), None, fault, Some(row.cell(column).to_string()))
}

fn cell_words(at: jiff::civil::DateTime) -> String {
    Cell::DateTime(at).to_string()
}

/// What a row has for a field, before the field's type is looked at.
enum Prepared<'r> {
    /// Nothing.
    Blank,
    /// Nothing, once the mapping's steps are done with this text.
    Emptied(Cow<'r, str>),
    /// The mapping's word for "empty this field".
    Clear,
    /// A workbook's own date.
    Date(jiff::civil::DateTime),
    /// A text after the mapping's steps.
    Text(Cow<'r, str>, CellForm),
}

struct Drafter<'p, 'r, 'd> {
    program: &'p Program,
    row: &'r Row,
    draft: &'d mut Draft<'r>,
    at: usize,
}

impl<'p, 'r> Drafter<'p, 'r, '_> {
    fn field(&self) -> &'p FieldProgram {
        &self.program.fields[self.at]
    }

    fn wish(&mut self) -> Wish<'r> {
        let field = self.field();
        if self.program.mode == Mode::Delete && !field.is_key {
            return Wish::Leave;
        }
        if let Some(wish) = self.plain() {
            return wish;
        }
        if let Origin::Constant(text) = &field.origin {
            return self.constant(text);
        }
        match self.prepared() {
            Ok(Prepared::Blank) => blank(self.program, self.draft, self.at, None),
            Ok(Prepared::Emptied(text)) => blank(self.program, self.draft, self.at, Some(&text)),
            Ok(Prepared::Clear) => clear(self.program, self.draft, self.at),
            Ok(Prepared::Date(at)) => self.accept(field.date_of_cell(at), Some(&cell_words(at))),
            Ok(Prepared::Text(text, form)) => {
                let shown_value = text.clone();
                let converted = field.convert(text, form);
                self.accept(converted, Some(&shown_value))
            }
            Err(()) => Wish::Faulty,
        }
    }

    /// The short way for what nearly every cell is: a text of one column that
    /// goes as it stands. It does what [`Self::prepared`] does, and is what
    /// makes a pass over many cells quick.
    fn plain(&mut self) -> Option<Wish<'r>> {
        let field = self.field();
        let Cell::Text(text) = self.row.cell(field.plain_column()?) else { return None };
        let text = trim(text);
        if text.is_empty() || text.starts_with(['\'', '#']) {
            return None;
        }
        Some(match field.convert_plain(text) {
            Ok(Converted::Text(text)) => Wish::Text(text),
            Ok(Converted::Number(number)) => Wish::Number(number),
            converted => self.accept(converted, Some(text)),
        })
    }

    /// The field's text from its columns; a fault is noted.
    fn prepared(&mut self) -> Result<Prepared<'r>, ()> {
        let field = self.field();
        let mut form = CellForm::Text;
        let text = match &field.origin {
            Origin::Constant(text) => Cow::Owned(text.clone()),
            Origin::Column(column) => match self.row.cell(*column) {
                Cell::DateTime(at) if field.field.kind.is_temporal() => return Ok(Prepared::Date(at)),
                cell => {
                    form = CellForm::of(cell);
                    self.cell_text(*column, cell)?
                }
            },
            Origin::Joined(columns, between) => self.joined(columns, between)?,
            Origin::Expression(expression) => self.evaluated(expression)?,
        };
        if !matches!(field.origin, Origin::Column(_)) {
            match self.own_cell(field.columns(), &text) {
                Some(Cell::DateTime(at)) if field.field.kind.is_temporal() => return Ok(Prepared::Date(at)),
                Some(cell) => form = CellForm::of(cell),
                None => self.check_mixture(field, &text)?,
            }
        }
        // What was put together may have blanks at its ends again.
        let text = match field.trim || trim(&text).is_empty() {
            true if trim(&text).len() < text.len() => Cow::Owned(trim(&text).to_owned()),
            _ => text,
        };
        if text.is_empty() {
            return Ok(Prepared::Blank);
        }
        if field.clear_token.as_deref() == Some(text.as_ref()) {
            return Ok(Prepared::Clear);
        }
        let stepped = field.stepped(text.clone()).map_err(|fault| {
            refuse(self.program, self.draft, self.at, fault, Some(&text));
        })?;
        Ok(if stepped.is_empty() { Prepared::Emptied(text) } else { Prepared::Text(stepped, form) })
    }

    /// The one cell of these columns that a joined or computed text is, as it
    /// stands: a workbook's number or date stays what it is.
    fn own_cell(&self, columns: &[usize], text: &str) -> Option<Cell<'r>> {
        let cells = columns.iter().map(|column| self.row.cell(*column));
        let mut typed =
            cells.filter(|cell| matches!(cell, Cell::Number(_) | Cell::Percent(_) | Cell::DateTime(_)));
        typed.find(|cell| cell.to_string() == text)
    }

    /// Refuses a number put together from a workbook's number, which has a
    /// point, and other texts, which may have a comma.
    fn check_mixture(&mut self, field: &FieldProgram, text: &str) -> Result<(), ()> {
        let Origin::Joined(columns, _) = &field.origin else { return Ok(()) };
        let has_point = |column: &usize| matches!(self.row.cell(*column), Cell::Number(n) | Cell::Percent(n) if n.contains('.'));
        if !field.field.kind.is_numeric() || !columns.iter().any(has_point) {
            return Ok(());
        }
        let message = "joined from a number cell and other cells, which may have another decimal mark";
        let fault = Fault::new(Code::NotANumber, Stage::Convert, message);
        refuse(self.program, self.draft, self.at, fault, Some(text));
        Err(())
    }

    /// What the mapping's expression makes of the row.
    fn evaluated(&mut self, expression: &'p Expression) -> Result<Cow<'r, str>, ()> {
        let mut texts = Vec::with_capacity(expression.columns().len());
        for &column in expression.columns() {
            texts.push((column, self.cell_text(column, self.row.cell(column))));
        }
        if texts.iter().any(|(_, text)| text.is_err()) {
            return Err(());
        }
        let of = |wanted: usize| {
            let found = texts.iter().find(|(column, _)| *column == wanted);
            found.and_then(|(_, text)| text.as_deref().ok()).unwrap_or_default()
        };
        expression.result(of).map(Cow::Owned).map_err(|reason| {
            let message = format!("expr in line {} of the mapping has no result: {reason}", expression.line);
            let cause = format!("expr in line {} of the mapping has no result", expression.line);
            let fault = Fault { cause: Some(cause), ..Fault::new(Code::Expr, Stage::Convert, message) };
            refuse(self.program, self.draft, self.at, fault, None);
        })
    }

    fn constant(&mut self, text: &str) -> Wish<'r> {
        let converted = self.field().constant_value(text);
        self.accept(converted, Some(text))
    }

    fn accept(&mut self, converted: Result<Converted<'r>, Fault>, value: Option<&str>) -> Wish<'r> {
        match converted {
            Ok(Converted::Text(text)) => Wish::Text(text),
            Ok(Converted::Number(number)) => Wish::Number(number),
            Ok(Converted::Reference(text)) => Wish::Reference(text),
            Ok(Converted::Blank) => blank(self.program, self.draft, self.at, value),
            Err(fault) => refuse(self.program, self.draft, self.at, fault, value),
        }
    }

    /// The cell's text, trimmed where the field says so; a fault is noted.
    fn cell_text(&mut self, column: usize, cell: Cell<'r>) -> Result<Cow<'r, str>, ()> {
        let field = self.field();
        let text: Cow<'r, str> = match cell {
            Cell::Blank => Cow::Borrowed(""),
            Cell::Text(text) if field.strip_guard => match unguard(text) {
                Some(bare) => {
                    self.draft.unguarded += 1;
                    Cow::Borrowed(bare)
                }
                None => Cow::Borrowed(text),
            },
            Cell::Text(text) | Cell::Number(text) | Cell::Percent(text) => Cow::Borrowed(text),
            Cell::Bool(_) | Cell::DateTime(_) | Cell::Time(_) => Cow::Owned(cell.to_string()),
            Cell::Fault(fault) => {
                self.note_cell_fault(column, fault);
                return Err(());
            }
        };
        Ok(match text {
            Cow::Borrowed(text) if field.trim => Cow::Borrowed(trim(text)),
            Cow::Borrowed(text) if trim(text).is_empty() => Cow::Borrowed(""),
            text => text,
        })
    }

    fn joined(&mut self, columns: &'p [usize], between: &str) -> Result<Cow<'r, str>, ()> {
        let mut parts: Vec<Cow<'r, str>> = Vec::with_capacity(columns.len());
        let mut faulty = false;
        for &column in columns {
            match self.cell_text(column, self.row.cell(column)) {
                Ok(text) if text.is_empty() => {}
                Ok(text) => parts.push(text),
                Err(()) => faulty = true,
            }
        }
        if faulty {
            return Err(());
        }
        Ok(match parts.as_slice() {
            [] => Cow::Borrowed(""),
            [_] => parts.swap_remove(0),
            _ => Cow::Owned(parts.join(between)),
        })
    }

    fn note_cell_fault(&mut self, column: usize, fault: CellFault<'_>) {
        let value = Cell::Fault(fault).to_string();
        let finding = self.finding(Some(column), cell_fault(&fault), Some(value));
        if !self.draft.findings.contains(&finding) {
            self.draft.findings.push(finding);
        }
    }

    fn finding(&self, column: Option<usize>, fault: Fault, value: Option<String>) -> Finding {
        finding(self.program, self.row.number, column, Some(&self.field().field.name), fault, value)
    }
}

/// What a blank means for the field at `at`: a cell without text, or a text
/// (`had`) that counts as blank after all.
pub fn blank<'r>(program: &Program, draft: &mut Draft<'_>, at: usize, had: Option<&str>) -> Wish<'r> {
    let (field, mode) = (&program.fields[at], program.mode);
    let blank = blank_words(had);
    if let Some(default) = field.default_value() {
        return match default {
            Ok(Converted::Number(number)) => Wish::Number(number),
            Ok(Converted::Text(text)) => Wish::Text(text),
            Ok(Converted::Reference(_) | Converted::Blank) => Wish::Leave,
            Err(fault) => refuse(program, draft, at, fault, None),
        };
    }
    if field.is_key {
        if field.field.name == "id" && mode == Mode::Upsert {
            return Wish::Leave;
        }
        let message = format!("{blank}, and it identifies the record; a blank never matches");
        return refuse(program, draft, at, Fault::new(Code::BlankKey, Stage::Match, message), had);
    }
    if field.blank == Blank::Error {
        let message = format!("{blank}, and the mapping says blank: error");
        return refuse(program, draft, at, Fault::new(Code::Blank, Stage::Validate, message), had);
    }
    if field.blank == Blank::Clear {
        return clear(program, draft, at);
    }
    if field.field.required && mode.creates() {
        draft.missing.push(at);
        draft.emptied.extend(had.map(|had| (at, had.to_owned())));
    }
    Wish::Leave
}

/// How a blank is called that the cell itself is, or is not.
fn blank_words(had: Option<&str>) -> &'static str {
    if had.is_none() { "blank" } else { "blank after the mapping's steps" }
}

/// What emptying means for the field at `at`.
pub fn clear<'r>(program: &Program, draft: &mut Draft<'_>, at: usize) -> Wish<'r> {
    let (field, mode) = (&program.fields[at], program.mode);
    if field.is_key {
        let message = "to be emptied, and it identifies the record";
        return refuse(program, draft, at, Fault::new(Code::BlankKey, Stage::Match, message), None);
    }
    if field.field.required && mode != Mode::Create {
        let message = "blank, and a required field cannot be emptied";
        return refuse(program, draft, at, Fault::new(Code::Required, Stage::Validate, message), None);
    }
    if field.field.required {
        draft.missing.push(at);
    }
    Wish::Clear
}

/// Notes what is wrong with the field at `at`.
pub fn refuse<'r>(
    program: &Program,
    draft: &mut Draft<'_>,
    at: usize,
    fault: Fault,
    value: Option<&str>,
) -> Wish<'r> {
    let field = &program.fields[at];
    let column = field.columns().first().copied();
    let value = value.map(str::to_owned);
    draft.findings.push(finding(program, draft.row, column, Some(&field.field.name), fault, value));
    Wish::Faulty
}

/// A finding with the address of its cell.
pub fn finding(
    program: &Program,
    row: u64,
    column: Option<usize>,
    field: Option<&str>,
    fault: Fault,
    value: Option<String>,
) -> Finding {
    Finding {
        row,
        cell: column.and_then(|column| program.address(column, row)),
        column: column.map(|column| program.column_name(column)),
        field: field.map(str::to_owned),
        code: fault.code,
        message: fault.message,
        cause: fault.cause,
        value: value.filter(|value| !value.is_empty()),
        stage: fault.stage,
    }
}

/// The findings on required fields that are blank, for a row that becomes a
/// new record.
pub fn missing_findings(program: &Program, draft: &Draft<'_>) -> Vec<Finding> {
    let finding_of = |&at: &usize| {
        let field = &program.fields[at];
        let had = draft.emptied.iter().find(|(emptied, _)| *emptied == at).map(|(_, had)| had.clone());
        let message = format!("{}, and the CRM requires it", blank_words(had.as_deref()));
        let fault = Fault::new(Code::Required, Stage::Validate, message);
        finding(program, draft.row, field.columns().first().copied(), Some(&field.field.name), fault, had)
    };
    draft.missing.iter().map(finding_of).collect()
}

#[cfg(test)]
#[path = "draft_tests.rs"]
mod tests;
