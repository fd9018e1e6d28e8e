//! A mapping turned round: from a record to the cells that an import by that
//! mapping would read it from, under the user's own headers.
//!
//! `fills` says which fields fill which columns, `inverse` how a value may be
//! written, `columns` in which order they stand. Nothing of that needs to be
//! right: each cell is read again by the program that an import runs, and
//! where that does not give the record's value, the value stands there as it
//! is in the CRM, and is counted.

mod columns;
mod fills;
mod inverse;
mod notices;
#[cfg(test)]
mod tests;

use crate::model::{Cell, Field, FieldKind, Row, Value, ValueRef};
use crate::rules::compare::same;
use crate::rules::draft::{Wish, wish};
use crate::rules::ids::holds_id;
use crate::rules::mapping::{FieldRule, Mapping, Part};
use crate::rules::names::folded;
use crate::rules::program::{Origin, Program, Reference};
use columns::{Placed, placed};
use fills::{Fill, cut, fills, put_together};
use inverse::{Inverse, Slot, Way};

/// What a file can hold, beside texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Digits that a number keeps; 0 where all cells are texts.
    pub digits: usize,
    /// Whether columns may be called alike.
    pub columns_alike: bool,
}

/// A mapping that is turned round.
#[derive(Clone, Debug)]
pub struct Reversal {
    program: Program,
    inverses: Vec<Inverse>,
    fills: Vec<Fill>,
    /// Fields whose columns others fill.
    followers: Vec<usize>,
    /// Fields that have the same value in every row.
    constants: Vec<usize>,
    /// Columns that only a condition or an expression reads.
    left_out: Vec<String>,
    columns: Vec<Placed>,
    /// The cells of a record, by the program's columns.
    cells: Vec<Slot>,
    /// The same as an import would read them.
    row: Row,
    odd: Vec<Odd>,
}

/// How many values of a field its cells do not give back.
#[derive(Clone, Copy, Debug, Default)]
struct Odd {
    values: u64,
    blanks: u64,
}

/// A record's values and names, by the program's fields.
#[derive(Clone, Copy)]
struct Given<'g, 'a> {
    values: &'g [ValueRef<'a>],
    names: &'g [Option<&'a str>],
}

impl<'a> Given<'_, 'a> {
    fn value(self, at: usize) -> ValueRef<'a> {
        self.values.get(at).copied().unwrap_or(ValueRef::Null)
    }

    fn name(self, at: usize) -> Option<&'a str> {
        self.names.get(at).copied().flatten()
    }
}

impl Reversal {
    /// Turns a mapping round. `program` is made of the mapping and a header that holds every column
    /// which it names.
    pub fn new(mapping: &Mapping, program: Program, room: Room) -> Self {
        let rules: Vec<&FieldRule> = mapping.fields.iter().map(|(_, rule)| rule).collect();
        let inverses =
            program.fields.iter().zip(&rules).map(|(field, rule)| Inverse::new(field, rule, room.digits));
        let inverses: Vec<Inverse> = inverses.collect();
        let fills = fills(&program, &rules);
        let fillers: Vec<usize> = fills.iter().flat_map(Fill::fields).collect();
        let reads_columns = |at: &usize| {
            let origin = program.fields.get(*at).map(|field| &field.origin);
            matches!(origin, Some(Origin::Column(_) | Origin::Joined(..)))
        };
        let all = (0..program.fields.len()).filter(reads_columns);
        let followers: Vec<usize> = all.clone().filter(|at| !fillers.contains(at)).collect();
        let written = all.flat_map(|at| program.fields[at].columns().to_vec()).collect();
        let columns = placed(&program.header, written, room.columns_alike);
        let is_constant = |at: &usize| matches!(program.fields[*at].origin, Origin::Constant(_));
        let constants = (0..program.fields.len()).filter(is_constant).collect();
        let is_left_out = |at: &usize| columns.iter().all(|placed| placed.column != *at);
        let left_out = (0..program.header.columns.len()).filter(is_left_out);
        let left_out = left_out.map(|at| program.column_name(at)).collect();
        let (cells, odd) =
            (vec![Slot::Blank; program.header.columns.len()], vec![Odd::default(); program.fields.len()]);
        let row = Row::default();
        Self { program, inverses, fills, followers, constants, left_out, columns, cells, row, odd }
    }

    /// The names of the fields whose values [`Self::record`] takes, in that order, and where their
    /// values are ids, what those are called by.
    pub fn fields(&self) -> impl Iterator<Item = (&str, Option<&Reference>)> {
        self.program.fields.iter().map(|field| (field.field.name.as_str(), field.reference.as_ref()))
    }

    /// The columns to be written, each with its header and the type of its cells.
    pub fn columns(&self) -> Vec<Field> {
        self.columns.iter().map(|placed| self.column(placed)).collect()
    }

    fn column(&self, placed: &Placed) -> Field {
        let typed = self.fills.iter().find_map(|fill| match fill {
            Fill::One { field, column } if *column == placed.column => Some(*field),
            Fill::One { .. } | Fill::Cut { .. } | Fill::Parts { .. } => None,
        });
        let typed = typed.filter(|at| self.inverses.get(*at).is_some_and(|inverse| !inverse.writes_texts()));
        let Some(field) = typed.and_then(|at| self.program.fields.get(at)).map(|field| &field.field) else {
            return Field::new(placed.header.clone(), FieldKind::Text);
        };
        // An id is a whole number under any header.
        let decimals = if holds_id(field) { Some(0) } else { field.decimals };
        Field { decimals, ..Field::new(placed.header.clone(), field.kind.clone()) }
    }

    /// The cells of a record, in the order of [`Self::columns`].
    pub fn record<'a>(&'a mut self, values: &[ValueRef<'a>], names: &[Option<&'a str>]) -> Vec<ValueRef<'a>> {
        let given = Given { values, names };
        self.cells.fill(Slot::Blank);
        for at in 0..self.fills.len() {
            let mut attempts = 0..;
            while attempts.next().is_some_and(|attempt| self.put(at, attempt, given) == Put::NoWay) {}
        }
        self.fill_row(given);
        for at in 0..self.fills.len() {
            let fields = self.fills[at].fields();
            if !fields.iter().all(|field| self.reads(*field, given)) {
                self.try_all(at, &fields, given);
            }
        }
        for at in 0..self.followers.len() + self.constants.len() {
            let field = self.followers.iter().chain(&self.constants).nth(at).copied();
            field.iter().for_each(|field| self.note_if_odd(*field, given));
        }
        let cell = |placed: &Placed| match self.cells.get(placed.column) {
            None | Some(Slot::Blank) => ValueRef::Null,
            Some(Slot::Raw(at)) => given.value(*at),
            Some(Slot::Text(text)) => ValueRef::Text(text),
        };
        self.columns.iter().map(cell).collect()
    }

    /// Fills columns in one way after the other, until an import would read what the record has.
    fn try_all(&mut self, at: usize, fields: &[usize], given: Given<'_, '_>) {
        for attempt in 0.. {
            match self.put(at, attempt, given) {
                Put::End => break,
                Put::NoWay => continue,
                Put::Done => self.fill_row(given),
            }
            if fields.iter().all(|field| self.reads(*field, given)) {
                return;
            }
        }
        self.put_as_it_is(at, given);
        self.fill_row(given);
        for field in fields {
            self.note_if_odd(*field, given);
        }
    }

    fn note_if_odd(&mut self, field: usize, given: Given<'_, '_>) {
        if self.reads(field, given) {
            return;
        }
        if let Some(odd) = self.odd.get_mut(field) {
            let is_blank = given.value(field).is_blank();
            *(if is_blank { &mut odd.blanks } else { &mut odd.values }) += 1;
        }
    }

    /// Whether an import would read the record's value from the cells.
    fn reads(&self, at: usize, given: Given<'_, '_>) -> bool {
        let (value, field) = (given.value(at), &self.program.fields[at].field);
        let wish = wish(&self.program, &self.row, at);
        match (&wish, value) {
            (Wish::Text(wanted), ValueRef::Text(text)) if wanted == text => true,
            (Wish::Number(wanted), ValueRef::Number(number)) if wanted == number => true,
            (Wish::Faulty, _) => false,
            (Wish::Reference(wanted), _) => given.name(at).is_some_and(|name| folded(name) == folded(wanted)),
            (Wish::Leave | Wish::Clear, _) => same(field, Some(&value.to_value()), &Value::Null),
            (Wish::Text(_) | Wish::Number(_), _) => {
                wish.value().is_some_and(|wanted| same(field, Some(&value.to_value()), &wanted))
            }
        }
    }

    /// Makes the row that an import would read.
    fn fill_row(&mut self, given: Given<'_, '_>) {
        let Self { row, cells, inverses, .. } = self;
        row.reset(2, 2);
        for cell in cells.iter() {
            row.push(match cell {
                Slot::Blank => Cell::Blank,
                Slot::Text(text) => Cell::Text(text),
                Slot::Raw(at) => {
                    let value = given.value(*at);
                    let is_exact = inverses.get(*at).is_some_and(|inverse| inverse.is_exact(value));
                    if is_exact { Cell::Number(value.to_text()) } else { Cell::Text(value.to_text()) }
                }
            });
        }
    }

    /// Fills columns in one of the ways that there are, the likeliest first.
    fn put(&mut self, at: usize, attempt: usize, given: Given<'_, '_>) -> Put {
        let Self { fills, inverses, cells, .. } = self;
        let slot =
            |field: usize, way| inverses.get(field)?.slot(way, field, given.value(field), given.name(field));
        match &fills[at] {
            Fill::One { field, column } => {
                let Some(way) = Way::ALL.get(attempt) else { return Put::End };
                let Some(slot) = slot(*field, *way) else { return Put::NoWay };
                cells[*column] = slot;
            }
            Fill::Cut { field, columns, between } => {
                let Some(way) = Way::ALL.get(attempt / 2) else { return Put::End };
                let Some(slot) = slot(*field, *way) else { return Put::NoWay };
                let text = text_of(slot, given);
                let pieces = if attempt.is_multiple_of(2) {
                    cut(&text, between, columns.len())
                } else {
                    cut(&text, "", columns.len())
                };
                for (column, piece) in columns.iter().zip(pieces) {
                    cells[*column] = Slot::Text(piece);
                }
            }
            Fill::Parts { column, by, fields } => {
                // People write a blank behind a comma; an import takes it off again.
                let between = if attempt == 0 && by == "," { ", " } else { by };
                let ways: &[Way] = match attempt {
                    0 | 1 => &[Way::Words, Way::Own, Way::Plain],
                    2 => &[Way::Plain],
                    _ => return Put::End,
                };
                let text = |field| {
                    let slot = ways.iter().find_map(|way| slot(field, *way)).unwrap_or_default();
                    text_of(slot, given)
                };
                let parts: Vec<(Part, String)> =
                    fields.iter().map(|(field, part)| (*part, text(*field))).collect();
                cells[*column] = Slot::Text(put_together(&parts, between));
            }
        }
        Put::Done
    }

    /// Fills columns with what the CRM has, where no way leads back.
    fn put_as_it_is(&mut self, at: usize, given: Given<'_, '_>) {
        if let Fill::Parts { .. } = &self.fills[at] {
            self.put(at, 0, given);
            return;
        }
        let fill = self.fills[at].clone();
        fill.columns().iter().for_each(|column| self.cells[*column] = Slot::Blank);
        if let (Some(field), Some(column)) = (fill.fields().first(), fill.columns().first()) {
            self.cells[*column] = Slot::Raw(*field);
        }
    }
}

/// Whether cells were filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Put {
    Done,
    /// That is no way for this value.
    NoWay,
    /// There are no more ways.
    End,
}

fn text_of(slot: Slot, given: Given<'_, '_>) -> String {
    match slot {
        Slot::Blank => String::new(),
        Slot::Raw(at) => given.value(at).to_text().to_owned(),
        Slot::Text(text) => text,
    }
}
