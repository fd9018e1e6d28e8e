//! Pass one's first half: every column whose cells can be read in several ways
//! is heard whole, and read in one way or not at all.
//!
//! A workbook's own dates and numbers need no proof, and neither does a column
//! whose format the mapping gives. What a column has proven is kept with the
//! run: a reject file holds too few rows to prove anything again.

use serde::{Deserialize, Serialize};

use super::condition::{Sort, Verdict};
use super::convert::date::DateFormat;
use super::convert::order::DateOrder;
use super::convert::pattern::date_pattern;
use super::draft::spoken;
use super::mapping::{DecimalMark, FieldRule, Mapping};
use super::names::trim;
use super::problem::{Located, Problem, Problems};
use super::program::{FieldProgram, Program};
use super::proof::{DateEvidence, DecimalEvidence, Proof, Witness};
use crate::model::{Notice, PlainCells, Row, shown};

/// How the cells of one field's columns are read, and the cell that shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnProof {
    /// The field.
    pub field: String,
    /// The headers of its columns.
    pub columns: Vec<String>,
    /// How they are read.
    pub reading: Reading,
    /// A cell that has no other reading.
    pub witness: Witness,
    /// Where each cell alone has several: one that has only this in common with `witness`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<Witness>,
    /// Some of its years have two digits, so that their century is a convention.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub short_years: bool,
}

/// One way to read a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// The order of a date's parts.
    Date(DateOrder),
    /// The decimal mark.
    Decimal(DecimalMark),
}

impl Reading {
    /// How people say it: "day-month-year", "with a decimal comma".
    pub fn words(self) -> &'static str {
        match self {
            Self::Date(order) => order.words(),
            Self::Decimal(mark) => mark.words(),
        }
    }

    /// What the column holds.
    fn sort_words(self) -> &'static str {
        match self {
            Self::Date(_) => "dates",
            Self::Decimal(_) => "numbers",
        }
    }

    /// The way in which a machine writes it, which is worth no notice.
    fn is_plain(self) -> bool {
        matches!(self, Self::Date(DateOrder::YearMonthDay) | Self::Decimal(DecimalMark::Point))
    }
}

enum Evidence {
    Dates(DateEvidence),
    Decimals(DecimalEvidence),
}

impl Evidence {
    /// None yet, of the same sort.
    fn fresh(&self) -> Self {
        match self {
            Self::Dates(_) => Self::Dates(DateEvidence::default()),
            Self::Decimals(_) => Self::Decimals(DecimalEvidence::default()),
        }
    }

    fn merge(&mut self, later: Self) {
        match (self, later) {
            (Self::Dates(known), Self::Dates(later)) => known.merge(later),
            (Self::Decimals(known), Self::Decimals(later)) => known.merge(later),
            (Self::Dates(_), Self::Decimals(_)) | (Self::Decimals(_), Self::Dates(_)) => {}
        }
    }

    fn add(&mut self, row: u64, text: &str, field: &FieldProgram) {
        match self {
            Self::Dates(evidence) => evidence.add(row, text),
            Self::Decimals(evidence) => evidence.add(row, text, field.notation()),
        }
    }

    fn conclude(&self) -> Proof<Reading> {
        match self {
            Self::Dates(evidence) => evidence.conclude().map(Reading::Date),
            Self::Decimals(evidence) => evidence.conclude().map(Reading::Decimal),
        }
    }

    fn has_short_years(&self, reading: Reading) -> bool {
        match (self, reading) {
            (Self::Dates(evidence), Reading::Date(order)) => evidence.has_short_years(order),
            (Self::Dates(_), Reading::Decimal(_)) | (Self::Decimals(_), _) => false,
        }
    }
}

/// Hears every row of a file.
pub struct Prover {
    open: Vec<(usize, Evidence)>,
    /// Earlier proofs that settled a field.
    used: Vec<ColumnProof>,
}

impl Prover {
    /// For the fields that earlier proofs leave open; those are read as they were then.
    pub fn new(program: &mut Program, earlier: &[ColumnProof]) -> Self {
        let (mut open, mut used) = (Vec::new(), Vec::new());
        for at in program.open_fields() {
            let Some(sort) = program.fields[at].open_question() else { continue };
            let columns = column_names(program, at);
            let field = &mut program.fields[at];
            let known = earlier.iter().find(|p| p.field == field.field.name && p.columns == columns);
            match (known.map(|proof| proof.reading), sort) {
                (Some(reading @ Reading::Date(_)), Sort::Date)
                | (Some(reading @ Reading::Decimal(_)), Sort::Number) => {
                    settle(field, reading);
                    used.extend(known.cloned());
                }
                (_, Sort::Date) => open.push((at, Evidence::Dates(DateEvidence::default()))),
                (_, Sort::Number) => open.push((at, Evidence::Decimals(DecimalEvidence::default()))),
            }
        }
        Self { open, used }
    }

    /// Whether there is nothing to be proven.
    pub fn is_done(&self) -> bool {
        self.open.is_empty()
    }

    /// Hears one row. Rows that `when` leaves out for sure prove nothing.
    pub fn hear(&mut self, program: &Program, row: &Row) {
        if row.fault.is_some() || program.judge(row) == Verdict::LeftOut {
            return;
        }
        for (at, evidence) in &mut self.open {
            if let Some(text) = spoken(program, row, *at) {
                evidence.add(row.number, &text, &program.fields[*at]);
            }
        }
    }

    /// Hears a record that is nothing but text; false where it must be heard
    /// as a row.
    pub fn hear_plain(&mut self, program: &Program, row: u64, cells: &PlainCells<'_>) -> bool {
        let text = |at: usize| program.fields[at].plain_column().map(|column| trim(cells.get(column)));
        // A guard may have to be taken off.
        let is_plain = |at: usize| text(at).is_some_and(|text| !text.starts_with('\''));
        if program.when.is_some() || !self.open.iter().all(|(at, _)| is_plain(*at)) {
            return false;
        }
        for (at, evidence) in &mut self.open {
            if let Some(text) = text(*at).filter(|text| !text.is_empty()) {
                evidence.add(row, text, &program.fields[*at]);
            }
        }
        true
    }

    /// One that has heard nothing yet of the same columns.
    pub fn fresh(&self) -> Self {
        let open = self.open.iter().map(|(at, evidence)| (*at, evidence.fresh())).collect();
        Self { open, used: Vec::new() }
    }

    /// Takes in what was heard of later rows.
    pub fn merge(&mut self, later: Self) {
        for ((_, known), (_, later)) in self.open.iter_mut().zip(later.open) {
            known.merge(later);
        }
    }

    /// What the columns have proven, now or for an earlier run; the program
    /// reads them so from here on.
    ///
    /// # Errors
    /// Every column that can be read in several ways, or in none, with two of
    /// its rows and the key to set.
    pub fn conclude(self, program: &mut Program, mapping: &Mapping) -> Result<Vec<ColumnProof>, Problems> {
        let (mut proofs, mut problems) = (self.used, Vec::new());
        for (at, evidence) in self.open {
            let columns = column_names(program, at);
            let field = &mut program.fields[at];
            let name = field.field.name.clone();
            match evidence.conclude() {
                Proof::NotNeeded => field.settle_plainly(),
                Proof::Indifferent(reading) => settle(field, reading),
                Proof::Proven { reading, witness, with } => {
                    settle(field, reading);
                    let short_years = evidence.has_short_years(reading);
                    proofs.push(ColumnProof { field: name, columns, reading, witness, with, short_years });
                }
                Proof::Ambiguous { readings, witness } => {
                    let what = ambiguous(&witness, &readings);
                    problems.push(problem(mapping, &name, &columns, &what, &[(witness, readings)]));
                }
                Proof::Contradiction { one, other } => {
                    let what = contradiction(&one, &other);
                    problems.push(problem(mapping, &name, &columns, &what, &[one, other]));
                }
            }
        }
        if problems.is_empty() {
            Ok(proofs)
        } else {
            Err(Problems::new(&mapping.file, &mapping.text, problems))
        }
    }
}

/// What a person should know of a proof; nothing where the column is written
/// as machines write.
pub fn notice(proof: &ColumnProof) -> Option<Notice> {
    (!proof.reading.is_plain() || proof.short_years).then(|| {
        let cell = |Witness { row, text }: &Witness| format!("row {row} has \"{}\"", shown(text).cut(40));
        let with = proof.with.iter().map(|with| format!(", and {}", cell(with))).collect::<String>();
        let years = if proof.short_years { "; its two-digit years are read as 1969 to 2068" } else { "" };
        let (columns, words) = (quoted(&proof.columns), proof.reading.words());
        Notice(format!("{columns} is read {words}: {}{with}{years}", cell(&proof.witness)))
    })
}

fn settle(field: &mut FieldProgram, reading: Reading) {
    match reading {
        Reading::Date(order) => field.settle_dates(order),
        Reading::Decimal(mark) => field.settle_decimals(mark),
    }
}

fn ambiguous(Witness { row, text }: &Witness, readings: &[Reading]) -> String {
    let ways: Vec<&str> = readings.iter().map(|reading| reading.words()).collect();
    format!(
        "{} that can be read in several ways ({}), and no row shows which: row {row} has \"{}\"",
        sort_words(readings),
        ways.join(", or "),
        shown(text).cut(40)
    )
}

fn contradiction(one: &(Witness, Vec<Reading>), other: &(Witness, Vec<Reading>)) -> String {
    let side = |(Witness { row, text }, readings): &(Witness, Vec<Reading>)| {
        let ways: Vec<&str> = readings.iter().map(|reading| reading.words()).collect();
        format!("row {row} has \"{}\" ({})", shown(text).cut(40), ways.join(" or "))
    };
    format!("{} written in two ways: {}, {}", sort_words(&one.1), side(one), side(other))
}

fn sort_words(readings: &[Reading]) -> &'static str {
    readings.first().map_or("values", |reading| reading.sort_words())
}

/// A column without a reading, and the keys by which cells are read in one of theirs.
fn problem(
    mapping: &Mapping,
    field: &str,
    columns: &[String],
    what: &str,
    cells: &[(Witness, Vec<Reading>)],
) -> Problem {
    let rule = mapping.fields.iter().find(|(name, _)| name.value == field);
    let place = rule.map(|(name, rule)| place_of(name, rule)).unwrap_or_default();
    let message = format!("{} holds {what}", quoted(columns));
    let mut keys: Vec<String> = Vec::new();
    for (witness, reading) in cells.iter().flat_map(|(cell, ways)| ways.iter().map(move |way| (cell, way))) {
        let key = key_of(*reading, &witness.text);
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let with =
        if mapping.text.is_empty() { "map the column with -m MAPPING and say which" } else { "say which" };
    Problem::at(place, message).hint(format!("{with}: {}", keys.join(", or ")))
}

/// The key by which a column is read so, written as this cell of it is.
fn key_of(reading: Reading, text: &str) -> String {
    match reading {
        Reading::Date(order) => {
            let of_cell = date_pattern(text, order).filter(|pattern| DateFormat::new(pattern).is_ok());
            format!("date: \"{}\"", of_cell.as_deref().unwrap_or(order.format()))
        }
        // There are two marks, so that both are asked about.
        Reading::Decimal(_) => "decimal: \",\", or decimal: \".\"".to_owned(),
    }
}

fn place_of(name: &Located<String>, rule: &FieldRule) -> super::problem::Place {
    let from = rule.from.first().map(|column| column.place);
    from.or_else(|| rule.expr.as_ref().map(|expr| expr.place)).unwrap_or(name.place)
}

fn column_names(program: &Program, at: usize) -> Vec<String> {
    let name = |column: &usize| program.header.columns.get(*column).map(|column| column.name.clone());
    program.fields[at].columns().iter().filter_map(name).collect()
}

fn quoted(columns: &[String]) -> String {
    let names: Vec<String> = columns.iter().map(|name| format!("\"{}\"", shown(name).cut(60))).collect();
    names.join(" + ")
}

#[cfg(test)]
#[path = "proving_tests.rs"]
mod tests;
