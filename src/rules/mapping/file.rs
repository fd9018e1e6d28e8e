//! A whole mapping file.

use super::keys::{Defaults, FieldRule, Mode, SourceKeys};
use super::reading::{Noted, read, unknown_key};
use super::yaml::{self, Kind, Node};
use crate::rules::problem::{Located, Problem, Problems};

/// A whole mapping file.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// The file's name as the user gave it.
    pub file: String,
    /// Its text, for complaints that come later.
    pub text: String,
    /// The object that rows go into.
    pub object: Located<String>,
    /// What is done with each row; `upsert` with `match`, else `create`, if absent.
    pub mode: Option<Located<Mode>>,
    /// The fields that identify a record.
    pub match_on: Vec<Located<String>>,
    /// How to read the file.
    pub source: SourceKeys,
    /// What holds for every field.
    pub defaults: Defaults,
    /// Fields and how they are filled, in the file's order.
    pub fields: Vec<(Located<String>, FieldRule)>,
    /// Which rows are meant: a condition over columns.
    pub when: Option<Located<String>>,
    /// Columns left out on purpose.
    pub ignore: Vec<Located<String>>,
    /// Fields that stand in the file but whose lines do not read.
    pub unread: Vec<String>,
}

/// The keys of a mapping file.
pub(super) const KEYS: [&str; 9] =
    ["version", "object", "mode", "match", "source", "defaults", "fields", "when", "ignore"];

impl Mapping {
    /// Reads a mapping file's text; every problem of it is told at once.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let (mapping, problems) = Self::parse_what_reads(file, text)?;
        if problems.is_empty() { Ok(mapping) } else { Err(Problems::new(file, &mapping.text, problems)) }
    }

    /// Reads as much of a mapping file's text as can be read, so that the rest
    /// can be held against the dictionary too before anything is told.
    ///
    /// # Errors
    /// Every problem of the text, where no mapping is left.
    pub fn parse_what_reads(file: &str, text: &str) -> Result<(Self, Vec<Problem>), Problems> {
        // Places count without a byte-order mark, and lines end in one way.
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        let text = &text.replace("\r\n", "\n").replace('\r', "\n");
        let noted = Noted::default();
        let mapping = match yaml::parse(text) {
            Ok(root) => Self::from_root(file, text, &root, &noted),
            Err(problem) => {
                noted.borrow_mut().push(problem);
                None
            }
        };
        match (mapping, noted.into_inner()) {
            (Some(mapping), problems) => Ok((mapping, problems)),
            (None, problems) => Err(Problems::new(file, text, problems)),
        }
    }

    fn from_root(file: &str, text: &str, root: &Node, noted: &Noted) -> Option<Self> {
        let Kind::Map(entries) = &root.kind else {
            let found = root.describe();
            noted
                .borrow_mut()
                .push(Problem::at(root.place, format!("a mapping file has keys, and this is {found}")));
            return None;
        };
        for (key, _) in entries {
            if !matches!(&key.kind, Kind::Scalar(name) if KEYS.contains(&name.as_str())) {
                noted.borrow_mut().push(unknown_key(key, &KEYS));
            }
        }
        let find = |name: &str| {
            entries.iter().find(|(key, _)| key.kind == Kind::Scalar(name.to_owned())).map(|e| &e.1)
        };
        check_version(find("version"), noted);
        let fields = find("fields").map(|node| read_fields(node, noted));
        let object = find("object").and_then(|node| read(node, noted));
        for (key, missing) in [("object", find("object").is_none()), ("fields", fields.is_none())] {
            if missing {
                let example = if key == "object" { "object: accounts" } else { "fields: { name: Company }" };
                let problem = Problem::whole(format!("the key \"{key}\" is missing"));
                noted.borrow_mut().push(problem.hint(format!("for example: {example}")));
            }
        }
        let names = |node: Option<&Node>| node.map(|node| read_names(node, noted)).unwrap_or_default();
        Some(Self {
            file: file.to_owned(),
            text: text.to_owned(),
            mode: find("mode").and_then(|node| read(node, noted)),
            match_on: names(find("match")),
            source: find("source").and_then(|node| read(node, noted)).unwrap_or_default(),
            defaults: find("defaults").and_then(|node| read(node, noted)).unwrap_or_default(),
            when: find("when").and_then(|node| read(node, noted)),
            ignore: names(find("ignore")),
            object: object?,
            unread: unread_fields(find("fields"), fields.as_deref()?),
            fields: fields?,
        })
    }

    /// The mode: as written, else `upsert` where records are matched and `create` where not.
    pub fn mode(&self) -> Mode {
        match &self.mode {
            Some(mode) => mode.value,
            None if self.match_on.is_empty() => Mode::Create,
            None => Mode::Upsert,
        }
    }
}

fn check_version(node: Option<&Node>, noted: &Noted) {
    let problem = match node {
        None => Problem::whole("the key \"version\" is missing").hint("write as the first line: version: 1"),
        Some(node) if node.kind == Kind::Scalar("1".to_owned()) => return,
        Some(node) => {
            Problem::at(node.place, format!("this program reads version 1, not {}", node.describe()))
        }
    };
    noted.borrow_mut().push(problem);
}

fn read_names(node: &Node, noted: &Noted) -> Vec<Located<String>> {
    match &node.kind {
        Kind::List(items) => items.iter().filter_map(|item| read(item, noted)).collect(),
        Kind::Null => Vec::new(),
        Kind::Scalar(_) | Kind::Map(_) => read(node, noted).into_iter().collect(),
    }
}

fn read_fields(node: &Node, noted: &Noted) -> Vec<(Located<String>, FieldRule)> {
    let Kind::Map(entries) = &node.kind else {
        let problem =
            Problem::at(node.place, format!("expected fields and columns, found {}", node.describe()));
        noted.borrow_mut().push(problem.hint("for example: name: Company"));
        return Vec::new();
    };
    let mut fields = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let Some(name) = read::<Located<String>>(key, noted) else { continue };
        if let Some(rule) = read_rule(value, noted) {
            fields.push((name, rule));
        }
    }
    fields
}

/// The names under `fields` of which no rule was read.
fn unread_fields(node: Option<&Node>, read: &[(Located<String>, FieldRule)]) -> Vec<String> {
    let Some(Node { kind: Kind::Map(entries), .. }) = node else { return Vec::new() };
    let names = entries.iter().filter_map(|(key, _)| match &key.kind {
        Kind::Scalar(name) => Some(name),
        Kind::Null | Kind::List(_) | Kind::Map(_) => None,
    });
    names.filter(|name| read.iter().all(|(known, _)| known.value != **name)).cloned().collect()
}

fn read_rule(node: &Node, noted: &Noted) -> Option<FieldRule> {
    let rule = match &node.kind {
        Kind::Scalar(_) => FieldRule { from: vec![read(node, noted)?], ..FieldRule::default() },
        Kind::Map(_) => read(node, noted)?,
        Kind::Null | Kind::List(_) => {
            let problem = Problem::at(node.place, format!("expected a column, found {}", node.describe()));
            noted.borrow_mut().push(problem.hint("a column's header, or keys such as { from: …, date: … }"));
            return None;
        }
    };
    let conflicts = rule_conflicts(node, &rule);
    let fits = conflicts.is_empty();
    noted.borrow_mut().extend(conflicts);
    fits.then_some(rule)
}

/// Keys that do not go together.
fn rule_conflicts(node: &Node, rule: &FieldRule) -> Vec<Problem> {
    let mut problems = fillers(node, rule);
    if let (Some(join), true) = (&rule.join, rule.from.len() < 2) {
        problems.push(Problem::at(join.place, "\"join\" needs several columns in \"from\""));
    }
    if let (Some(otherwise), true) = (&rule.otherwise, rule.values.is_empty()) {
        problems.push(Problem::at(otherwise.place, "\"otherwise\" needs \"values\""));
    }
    if let Some(reference) = &rule.reference
        && reference.by.is_empty()
    {
        let problem = Problem::at(reference.object.place, "\"by\" names no field to look records up by");
        problems.push(problem.hint("for example: by: name"));
    }
    problems
}

/// A field is filled by exactly one of `from`, `const` and `expr`.
fn fillers(node: &Node, rule: &FieldRule) -> Vec<Problem> {
    let from = rule.from.first().map(|column| (column.place, "from"));
    let constant = rule.constant.as_ref().map(|value| (value.place, "const"));
    let expr = rule.expr.as_ref().map(|value| (value.place, "expr"));
    let given: Vec<_> = [from, constant, expr].into_iter().flatten().collect();
    match given.as_slice() {
        [] => {
            let problem = Problem::at(node.place, "nothing fills this field");
            vec![problem.hint("give a column (from), a value (const) or an expression (expr)")]
        }
        [_] => Vec::new(),
        [(_, one), (place, other), ..] => {
            let message = format!("a field has either \"{one}\" or \"{other}\", not both");
            vec![Problem::at(*place, message)]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::mapping::keys::{Blank, Otherwise, SheetName};

    const WHOLE: &str = r#"
version: 1
object: accounts
mode: upsert
match: [name]
source: { format: csv, encoding: windows-1252, delimiter: ";", sheet: 2, header_row: 3 }
defaults: { blank: keep, trim: true }
fields:
  name: Company
  addressline: { from: [Street, Street 2], join: ", " }
  phone: { from: Tel, blank: clear }
  type: { from: Kind, values: { Cust: Customer, no: Other }, otherwise: reject }
  sector: { from: Sector, lookup: off }
  source: { const: "Migration 2026" }
  inceptiondate: { from: Since, date: "%d/%m/%Y" }
  annualvalue: { from: Value, decimal: "," }
  ownerid: { from: Owner, ref: { object: users, by: [first, last] }, default: 90505 }
ignore: [Internal ref]
"#;

    fn messages(text: &str) -> Vec<String> {
        let problems = Mapping::parse("m.yaml", text).unwrap_err().problems;
        problems.iter().map(|p| format!("{}: {}", p.place.map_or(0, |p| p.line), p.message)).collect()
    }

    #[test]
    fn reads_every_key_of_the_contract() {
        let mapping = Mapping::parse("m.yaml", WHOLE).unwrap();
        assert_eq!((mapping.object.value.as_str(), mapping.mode()), ("accounts", Mode::Upsert));
        assert_eq!(mapping.source.sheet.as_ref().unwrap().value, SheetName::Number(2));
        let rule = |name: &str| &mapping.fields.iter().find(|(field, _)| field.value == name).unwrap().1;
        assert_eq!(rule("name").from[0].value, "Company");
        assert_eq!(rule("name").from[0].place.line, 9);
        let from: Vec<_> =
            rule("addressline").from.iter().map(|c| (c.place.column, c.value.as_str())).collect();
        assert_eq!(from, [(25, "Street"), (33, "Street 2")]);
        assert_eq!(rule("phone").from[0].place.column, 18);
        assert_eq!(rule("phone").blank, Some(Blank::Clear));
        assert_eq!(rule("type").values[1].0.value, "no");
        assert_eq!(rule("type").otherwise.as_ref().unwrap().value, Otherwise::Reject);
        assert_eq!(rule("ownerid").reference.as_ref().unwrap().by.len(), 2);
        assert_eq!(rule("ownerid").default.as_ref().unwrap().value, "90505");
        assert_eq!(mapping.ignore[0].value, "Internal ref");
    }

    #[test]
    fn tells_all_problems_at_once_with_their_lines() {
        let text = "version: 2\nobject: accounts\nmode: upsrt\nmatches: [name]\nfields:\n  name: { form: Company }\n  \
                    phone: []\n  type: { from: Kind, lookup: maybe, dat: x }\n  source: { const: a, from: b }\n";
        assert_eq!(
            messages(text),
            [
                "1: this program reads version 1, not \"2\"",
                "3: \"upsrt\" is not one of: create, update, upsert, delete",
                "4: unknown key \"matches\"",
                "6: nothing fills this field",
                "6: unknown key \"form\"",
                "7: expected a column, found a list",
                "8: \"maybe\" is not one of: strict, append, off",
                "8: unknown key \"dat\"",
                "9: a field has either \"from\" or \"const\", not both",
            ]
        );
    }

    #[test]
    fn what_has_no_keys_is_told_in_plain_words() {
        let text = "version: 1\nobject: a\ndefaults: [clear, false]\nsource:\nfields:\n  b: { from: C, values: { x: y }, \
                    otherwise: { use: D, or: E }, ref: { object: users, by: [] } }\n  c: { join: x, otherwise: keep }\n";
        assert_eq!(
            messages(text),
            [
                "3: expected keys and values (blank, trim, clear_token), found a list",
                "4: expected keys and values (format, encoding, delimiter, sheet, header_row, range, hidden, guard), found nothing",
                "6: expected reject, keep, blank or { use: VALUE }, found keys and values",
                "7: nothing fills this field",
                "7: \"join\" needs several columns in \"from\"",
                "7: \"otherwise\" needs \"values\"",
            ]
        );
        let text = "version: 1\nobject: a\nfields:\n  b: { from: C, ref: { object: users, by: [] } }\n";
        assert_eq!(messages(text), ["4: \"by\" names no field to look records up by"]);
    }

    #[test]
    fn a_byte_order_mark_shifts_no_place() {
        let text = "\u{FEFF}versio: 1\nobject: a\nfields: { name: N }\n";
        let shown = Mapping::parse("m.yaml", text).unwrap_err().to_string();
        assert!(shown.contains("m.yaml:1:1\n1 | versio: 1\n  | ^^^^^^ nearest: version"), "{shown}");
    }

    #[test]
    fn missing_keys_are_named_with_an_example() {
        let problems = Mapping::parse("m.yaml", "mode: create\n").unwrap_err();
        assert_eq!(problems.problems.len(), 3);
        assert!(problems.to_string().contains("write as the first line: version: 1"), "{problems}");
    }

    #[test]
    fn a_complaint_shows_the_line_and_the_nearest_name() {
        let text = "version: 1\nobject: accounts\nfields:\n  name: { frm: Company }\n";
        let shown = Mapping::parse("m.yaml", text).unwrap_err().to_string();
        assert!(
            shown.contains("unknown key \"frm\"\n  --> m.yaml:4:11\n4 |   name: { frm: Company }\n  |           ^^^ nearest: from"),
            "{shown}"
        );
    }

    #[test]
    fn a_single_name_may_stand_without_brackets() {
        let text = "version: 1\nobject: a\nmatch: email\nignore: X\nfields: { email: E }\n";
        let mapping = Mapping::parse("m.yaml", text).unwrap();
        assert_eq!(mapping.match_on[0].value, "email");
        assert_eq!(mapping.mode(), Mode::Upsert);
    }
}
