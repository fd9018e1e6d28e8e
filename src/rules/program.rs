//! A mapping made ready: held against the dictionary and the file's header,
//! every problem told, and turned into what rows are run through.

mod choices;
mod columns;
mod field;
mod glance;
mod proven;
mod steps;
mod typed;

use std::collections::{HashMap, HashSet};

use crate::model::{Dictionary, Field, FieldKind, Header, Notice, Row, column_letters, shown};
use crate::rules::condition::{Condition, Verdict};
use crate::rules::files;
use crate::rules::mapping::{Blank, FieldRule, Guard, Mapping, Mode};
use crate::rules::names::folded;
use crate::rules::nearest::nearest;
use crate::rules::problem::{Located, Place, Problem, Problems};

pub use choices::Choices;
pub use columns::{place_of, resolve};
pub use field::{FieldProgram, Origin, Reference};
pub use glance::Glance;
pub use typed::{CellForm, Converted, Fault};

/// A mapping that fits its dictionary and header.
#[derive(Clone, Debug)]
pub struct Program {
    /// The object that rows go into.
    pub object: String,
    /// What is done with each row.
    pub mode: Mode,
    /// The fields to fill, in the mapping's order.
    pub fields: Vec<FieldProgram>,
    /// Which of `fields` identify a record; empty if records are not matched.
    pub key: Vec<usize>,
    /// Which rows are meant; all without it.
    pub when: Option<Condition>,
    /// An export's formula guard is no part of a cell.
    pub guarded: bool,
    /// The file's columns.
    pub header: Header,
    /// Whether the file's cells have addresses.
    pub has_grid: bool,
}

/// What is known beside the mapping: of the user, the file and the CRM.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overrides<'a> {
    /// Objects that a reference may have meant where it names none.
    pub objects: &'a [&'a str],
    /// `--mode`
    pub mode: Option<Mode>,
    /// `--on-blank`
    pub blank: Option<Blank>,
    /// The source is a CSV, whose exports carry a formula guard.
    pub guarded_source: bool,
    /// The source has no grid of cells: its rows are lines, its columns keys.
    pub source_without_grid: bool,
}

/// Dictionaries of the objects that a mapping's references name; one that the
/// CRM does not know is not among them.
pub type Dictionaries = HashMap<String, Dictionary>;

impl Program {
    /// Holds a mapping against the dictionary and the header.
    ///
    /// # Errors
    /// All problems at once, each with its place in the mapping file.
    pub fn compile(
        mapping: &Mapping,
        dictionary: &Dictionary,
        others: &Dictionaries,
        header: &Header,
        overrides: Overrides<'_>,
    ) -> Result<(Self, Vec<Notice>), Problems> {
        let mut compiler = Compiler { mapping, dictionary, others, header, overrides, problems: Vec::new() };
        let program = compiler.program();
        let notices = compiler.notices(&program);
        if compiler.problems.is_empty() {
            Ok((program, notices))
        } else {
            Err(Problems::new(&mapping.file, &mapping.text, compiler.problems))
        }
    }

    /// The names of the fields that identify a record.
    pub fn key_names(&self) -> Vec<&str> {
        self.key.iter().map(|&at| self.fields[at].field.name.as_str()).collect()
    }

    /// Whether records are matched by their id.
    pub fn matches_by_id(&self) -> bool {
        matches!(*self.key, [at] if self.fields[at].field.name == "id")
    }

    /// Whether a row is meant. A row that is faulty as a whole is never left out.
    pub fn judge(&self, row: &Row) -> Verdict {
        match &self.when {
            Some(when) if row.fault.is_none() => {
                when.judge(row, self.guarded, &|column, text, sort| self.read_column(column, text, sort))
            }
            Some(_) | None => Verdict::Meant,
        }
    }

    /// The address of a cell; none where the file is no grid.
    pub fn address(&self, column: usize, row: u64) -> Option<String> {
        self.has_grid.then(|| self.header.address(column, row))
    }

    /// A column's header, or its letters where the header is blank.
    pub fn column_name(&self, column: usize) -> String {
        match self.header.columns.get(column) {
            Some(found) if !found.name.is_empty() => found.name.clone(),
            Some(found) => column_letters(found.place),
            None => column_letters(column),
        }
    }

    /// The column of a field's first cell, by the field's name.
    pub fn column_of(&self, field: &str) -> Option<usize> {
        let program = self.fields.iter().find(|f| f.field.name == field)?;
        program.columns().first().copied()
    }
}

struct Compiler<'a> {
    mapping: &'a Mapping,
    dictionary: &'a Dictionary,
    others: &'a Dictionaries,
    header: &'a Header,
    overrides: Overrides<'a>,
    problems: Vec<Problem>,
}

impl Compiler<'_> {
    fn mode(&self) -> Mode {
        self.overrides.mode.unwrap_or_else(|| self.mapping.mode())
    }

    fn program(&mut self) -> Program {
        let mode = self.mode();
        let mut fields = Vec::new();
        for (name, rule) in &self.mapping.fields {
            if let Some(program) = self.field(name, rule) {
                fields.push(program);
            }
        }
        self.check_duplicate_columns();
        let key = self.key(&fields);
        if mode.creates() {
            self.check_required(&fields);
        }
        let (object, when) = (self.mapping.object.value.clone(), self.when());
        Program {
            object,
            mode,
            fields,
            key,
            when,
            guarded: self.guarded(),
            header: self.header.clone(),
            has_grid: !self.overrides.source_without_grid,
        }
    }

    fn guarded(&self) -> bool {
        self.overrides.guarded_source && self.mapping.source.guard == Guard::Strip
    }

    fn when(&mut self) -> Option<Condition> {
        let when = self.mapping.when.as_ref()?;
        match Condition::parse(&when.value, self.header) {
            Ok(condition) => Some(condition),
            Err(error) => {
                self.problems.push(Problem::inside(when, error));
                None
            }
        }
    }

    fn field(&mut self, name: &Located<String>, rule: &FieldRule) -> Option<FieldProgram> {
        let field = self.find_field(name)?;
        let is_key = self.mapping.match_on.iter().any(|key| key.value == name.value);
        if field.read_only && !is_key {
            let message = format!("{} is filled by the CRM and cannot be written", shown(&field.name));
            let advice = "take the line out, or put its column under ignore";
            self.problems.push(Problem::at(name.place, message).hint("read-only").advice(advice));
            return None;
        }
        if is_key && files::is_file(&field) {
            self.problems.push(Problem::at(name.place, "a file identifies no record").hint("match: [name]"));
            return None;
        }
        self.check_reference(rule);
        let origin = Origin::find(rule, self.header, &mut self.problems);
        let blank = self.overrides.blank.or(rule.blank).unwrap_or(self.mapping.defaults.blank);
        let settings = field::Settings {
            trim: rule.trim.unwrap_or(self.mapping.defaults.trim),
            strip_guard: self.guarded(),
            blank,
            clear_token: rule
                .clear_token
                .as_ref()
                .or(self.mapping.defaults.clear_token.as_ref())
                .map(|t| t.value.clone()),
            is_key,
        };
        FieldProgram::new(&field, rule, origin?, settings, &mut self.problems)
    }

    /// The object that a reference names, and the fields it is looked up by.
    fn check_reference(&mut self, rule: &FieldRule) {
        let Some(reference) = &rule.reference else { return };
        let object = shown(&reference.object.value);
        let Some(dictionary) = self.others.get(&reference.object.value) else {
            let near = nearest(&reference.object.value, self.overrides.objects.iter().copied());
            let problem = Problem::at(reference.object.place, format!("there is no object \"{object}\""));
            self.problems.push(problem.nearest(near).advice("carafe describe"));
            return;
        };
        for name in reference.by.iter().filter(|name| dictionary.get(&name.value).is_none()) {
            let near = nearest(&name.value, dictionary.fields().iter().map(|f| f.name.as_str()));
            let message = format!("{object} has no field \"{}\"", shown(&name.value));
            let problem = Problem::at(name.place, message).nearest(near);
            self.problems.push(problem.advice(format!("carafe describe {object}")));
        }
    }

    fn find_field(&mut self, name: &Located<String>) -> Option<Field> {
        if let Some(field) = self.dictionary.get(&name.value) {
            return Some(field.clone());
        }
        let object = &self.dictionary.object;
        let names = self.dictionary.fields().iter().map(|f| f.name.as_str());
        let near = nearest(&name.value, names);
        let message = format!("{} has no field \"{}\"", shown(object), shown(&name.value));
        let problem = Problem::at(name.place, message).nearest(near);
        self.problems.push(problem.advice(format!("carafe describe {}", shown(object))));
        None
    }

    /// Two fields may share a column, but a field may stand only once; the
    /// reader has seen to that. Here: mapped columns that are also ignored.
    fn check_duplicate_columns(&mut self) {
        let mapped = self.mapping.fields.iter().flat_map(|(_, rule)| &rule.from);
        let mapped: HashSet<_> = mapped.map(|column| folded(&column.value)).collect();
        for ignored in &self.mapping.ignore {
            if mapped.contains(&folded(&ignored.value)) {
                let message = format!("column \"{}\" is both mapped and ignored", shown(&ignored.value));
                self.problems.push(Problem::at(ignored.place, message).hint("take it out of one of them"));
            }
        }
    }

    fn key(&mut self, fields: &[FieldProgram]) -> Vec<usize> {
        let mode = self.mode();
        if self.mapping.match_on.is_empty() && mode != Mode::Create {
            self.problems.push(self.no_key(mode));
        }
        let mut key = Vec::new();
        for name in &self.mapping.match_on {
            match fields.iter().position(|f| f.field.name == name.value) {
                Some(at) => key.push(at),
                None => self.report_unfilled_key(name),
            }
        }
        if key.len() > 1
            && let Some(id) = self.mapping.match_on.iter().find(|name| name.value == "id")
        {
            self.problems.push(Problem::at(id.place, "id identifies a record alone").hint("match: [id]"));
        }
        key
    }

    /// That nothing says which fields identify a record.
    fn no_key(&self, mode: Mode) -> Problem {
        if self.mapping.text.is_empty() {
            let message =
                format!("mode {} finds records by their id, and no column is called id", mode.word());
            let hint =
                "add the column id, or name the fields that identify a record in a mapping: -m MAPPING";
            return Problem::whole(message).hint(hint);
        }
        let message = format!("mode {} needs \"match\": the fields that identify a record", mode.word());
        let problem = match &self.mapping.mode {
            Some(written) => Problem::at(written.place, message),
            None => Problem::whole(message),
        };
        problem.hint("for example: match: [email], or match: [id]")
    }

    /// A field of `match` that no line under `fields` fills.
    fn report_unfilled_key(&mut self, name: &Located<String>) {
        let stands = self.mapping.fields.iter().any(|(field, _)| field.value == name.value);
        if stands || self.mapping.unread.contains(&name.value) {
            // Its line has a problem of its own, told already.
            return;
        }
        let mapped: Vec<&str> = self.mapping.fields.iter().map(|(field, _)| field.value.as_str()).collect();
        let message = format!("\"match\" names {}, which no line under \"fields\" fills", shown(&name.value));
        let near = nearest(&name.value, mapped);
        self.problems.push(Problem::at(name.place, message).nearest(near));
    }

    fn check_required(&mut self, fields: &[FieldProgram]) {
        let filled: HashSet<&str> = fields.iter().map(|f| f.field.name.as_str()).collect();
        let named = self.mapping.fields.iter().map(|(name, _)| name.value.as_str());
        let named: HashSet<&str> = named.chain(self.mapping.unread.iter().map(String::as_str)).collect();
        let object = &self.dictionary.object;
        for field in self.dictionary.fields() {
            let name = field.name.as_str();
            // A document is called like its file.
            let by_file = name == files::NAME && fields.iter().any(|field| files::is_file(&field.field));
            if by_file {
                continue;
            }
            if field.required && !field.read_only && !filled.contains(name) && !named.contains(name) {
                let message = format!("{} requires {}, and nothing fills it", shown(object), shown(name));
                let hint = if self.mapping.text.is_empty() {
                    format!("add a column {}, or say --mode update if every row has its record", shown(name))
                } else {
                    format!("add under fields: {}: COLUMN", shown(name))
                };
                let problem = Problem::whole(message).hint(hint);
                self.problems.push(problem.advice(format!("carafe describe {}", shown(object))));
            }
        }
    }

    /// The notice on columns that nothing reads.
    fn left_out(&self, columns: &[&str]) -> Notice {
        let named = columns.iter().take(MOST_NAMED).map(|name| format!("\"{}\"", shown(name).cut(60)));
        let list = named.collect::<Vec<_>>().join(", ");
        let more = columns.len().saturating_sub(MOST_NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let (count, plural) = (columns.len(), columns.len() != 1);
        if self.mapping.text.is_empty() {
            let are = if plural { "columns are no fields" } else { "column is no field" };
            let object = shown(&self.dictionary.object);
            return Notice(format!("{count} {are} of {object} and left out: {list}{more}"));
        }
        let are = if plural { "columns are" } else { "column is" };
        Notice(format!(
            "{count} {are} not mapped and left out: {list}{more} (name them under \"ignore\" to silence this)"
        ))
    }

    /// What is left out, and what the dictionary leaves open.
    fn notices(&self, program: &Program) -> Vec<Notice> {
        let mut notices = Vec::new();
        let unmapped = columns::unmapped(program, self.header, &self.mapping.ignore);
        if !unmapped.is_empty() {
            notices.push(self.left_out(&unmapped));
        }
        for field in &program.fields {
            if let FieldKind::Other(word) = &field.field.kind
                && !files::is_file(&field.field)
            {
                let (name, word) = (shown(&field.field.name), shown(word));
                notices.push(Notice(format!(
                    "{name} has the type \"{word}\", which is not known; sent as text"
                )));
            }
        }
        notices
    }
}

/// Columns left out that a notice names.
const MOST_NAMED: usize = 20;

/// A mapping for a file whose headers are field names (`--object` in place of
/// a mapping).
///
/// Columns of read-only fields are passed over; `id` is the key where the file
/// has it and the mode is not `create`.
pub fn mapping_of_header(
    object: &str,
    header: &Header,
    dictionary: &Dictionary,
    mode: Option<Mode>,
) -> Mapping {
    let nowhere = |text: &str| Located::new(Place::default(), text.to_owned());
    let has_id = header.columns.iter().any(|c| folded(&c.name) == "id");
    let mode = mode.unwrap_or(if has_id { Mode::Upsert } else { Mode::Create });
    let matched = has_id && mode != Mode::Create;
    let mut fields: Vec<(Located<String>, FieldRule)> = Vec::new();
    let mut ignore = Vec::new();
    for column in &header.columns {
        let name = folded(&column.name);
        let Some(field) = dictionary.fields().iter().find(|f| folded(&f.name) == name) else {
            continue;
        };
        if field.read_only && !(matched && field.name == "id") {
            ignore.push(nowhere(&column.name));
            continue;
        }
        if fields.iter().any(|(name, _)| name.value == field.name) {
            continue;
        }
        let rule = FieldRule { from: vec![nowhere(&column.name)], ..FieldRule::default() };
        fields.push((nowhere(&field.name), rule));
    }
    Mapping {
        file: String::new(),
        text: String::new(),
        object: nowhere(object),
        mode: Some(Located::new(Place::default(), mode)),
        match_on: if matched { vec![nowhere("id")] } else { Vec::new() },
        source: Default::default(),
        defaults: Default::default(),
        fields,
        when: None,
        ignore,
        unread: Vec::new(),
    }
}

#[cfg(test)]
#[path = "program_tests.rs"]
mod tests;
