//! The keys of a mapping file.

use std::fmt;

use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::reading::{Noted, read, unknown_key};
use super::yaml::{self, Kind, Node};
use crate::model::shown;
use crate::rules::problem::{Located, Problem, Problems};

/// What an import does with each row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Every row becomes a new record.
    Create,
    /// Every row changes a record that exists.
    Update,
    /// Rows with a record change it, the others become new ones.
    Upsert,
    /// Every row's record is deleted.
    Delete,
}

impl Mode {
    /// The word in mapping files and summaries.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Upsert => "upsert",
            Self::Delete => "delete",
        }
    }

    /// Whether a row may become a new record.
    pub fn creates(self) -> bool {
        matches!(self, Self::Create | Self::Upsert)
    }

    /// Reads the word again.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Create, Self::Update, Self::Upsert, Self::Delete].into_iter().find(|m| m.word() == word)
    }
}

/// What a blank cell does on update. On create it is never sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Blank {
    /// Leaves the field alone.
    #[default]
    Keep,
    /// Empties the field.
    Clear,
    /// Rejects the row.
    Error,
}

impl Blank {
    /// Reads the word of `--on-blank`.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "keep" => Some(Self::Keep),
            "clear" => Some(Self::Clear),
            "error" => Some(Self::Error),
            _ => None,
        }
    }
}

/// Whether an unknown dropdown value rejects the row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LookupRule {
    /// It does.
    #[default]
    Strict,
    /// The value is sent as it is.
    Off,
}

/// What becomes of a cell that is not among `values`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Otherwise {
    /// The row is rejected.
    Reject,
    /// The cell's own text is used.
    #[default]
    Keep,
    /// The cell counts as blank.
    Blank,
    /// This value is used.
    Use(String),
}

/// The sign between whole digits and decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub enum DecimalMark {
    /// `1,234.56`
    #[serde(rename = ".")]
    Point,
    /// `1.234,56`
    #[serde(rename = ",")]
    Comma,
}

/// Whether a reference without a record rejects the row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// It does.
    #[default]
    Reject,
    /// The cell counts as blank.
    Blank,
}

/// Whether the `'` that an export put before `=`, `+`, `-`, `@` is taken off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Guard {
    /// Taken off, and counted in a notice.
    #[default]
    Strip,
    /// Left as it stands.
    Keep,
}

/// A sheet by its name or 1-based number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SheetName {
    /// Its name, compared without case.
    Name(String),
    /// Its place among the sheets, from 1.
    Number(usize),
}

/// How to read the file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SourceKeys {
    /// `csv`, `tsv`, `xlsx`, …
    pub format: Option<Located<String>>,
    /// A label such as `windows-1252`.
    pub encoding: Option<Located<String>>,
    /// One character, or `tab`.
    pub delimiter: Option<Located<String>>,
    /// Name or 1-based number.
    pub sheet: Option<Located<SheetName>>,
    /// 1-based.
    pub header_row: Option<Located<u32>>,
    /// What happens to an export's formula guard.
    pub guard: Guard,
}

/// What holds for every field that does not say otherwise.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Defaults {
    /// What a blank cell does on update.
    pub blank: Blank,
    /// Whether blanks at the ends of a cell are taken off.
    pub trim: bool,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { blank: Blank::Keep, trim: true }
    }
}

/// A record of another object that a cell names.
#[derive(Clone, Debug, Deserialize)]
pub struct RefRule {
    /// The other object.
    pub object: Located<String>,
    /// The fields that the cell's text is compared with; several are joined by a blank.
    #[serde(deserialize_with = "one_or_more")]
    pub by: Vec<Located<String>>,
    /// What happens where there is none.
    #[serde(default)]
    pub missing: Missing,
}

/// How one field is filled.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct FieldRule {
    /// The column, or several to be joined.
    #[serde(deserialize_with = "one_or_more")]
    pub from: Vec<Located<String>>,
    /// What stands between joined columns; default a blank.
    pub join: Option<Located<String>>,
    /// The same value for every row.
    #[serde(rename = "const")]
    pub constant: Option<Located<String>>,
    /// Cell texts and what they become.
    #[serde(deserialize_with = "pairs")]
    pub values: Vec<(Located<String>, Located<String>)>,
    /// What becomes of a cell that is not among `values`.
    pub otherwise: Option<Located<Otherwise>>,
    /// Whether an unknown dropdown value rejects the row.
    pub lookup: Option<Located<LookupRule>>,
    /// The date format, `%d/%m/%Y`.
    pub date: Option<Located<String>>,
    /// The decimal mark.
    pub decimal: Option<Located<DecimalMark>>,
    /// What a blank cell does on update.
    pub blank: Option<Blank>,
    /// The value of a blank cell.
    pub default: Option<Located<String>>,
    /// The record of another object that the cell names.
    #[serde(rename = "ref")]
    pub reference: Option<RefRule>,
    /// Whether blanks at the ends are taken off.
    pub trim: Option<bool>,
}

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
    /// Columns left out on purpose.
    pub ignore: Vec<Located<String>>,
}

const KEYS: [&str; 8] = ["version", "object", "mode", "match", "source", "defaults", "fields", "ignore"];

impl Mapping {
    /// Reads a mapping file's text; every problem of it is told at once.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let noted = Noted::default();
        let mapping = match yaml::parse(text) {
            Ok(root) => Self::from_root(file, text, &root, &noted),
            Err(problem) => {
                noted.borrow_mut().push(problem);
                None
            }
        };
        match (mapping, noted.into_inner()) {
            (Some(mapping), problems) if problems.is_empty() => Ok(mapping),
            (_, problems) => Err(Problems::new(file, text, problems)),
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
            ignore: names(find("ignore")),
            object: object?,
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
    if let Some(problem) = rule_conflict(node, &rule) {
        noted.borrow_mut().push(problem);
        return None;
    }
    Some(rule)
}

/// Keys that do not go together.
fn rule_conflict(node: &Node, rule: &FieldRule) -> Option<Problem> {
    let place = node.place;
    if rule.from.is_empty() && rule.constant.is_none() {
        return Some(
            Problem::at(place, "nothing fills this field").hint("give a column (from) or a value (const)"),
        );
    }
    if let (Some(constant), false) = (&rule.constant, rule.from.is_empty()) {
        return Some(Problem::at(constant.place, "a field has either \"from\" or \"const\", not both"));
    }
    if let (Some(join), true) = (&rule.join, rule.from.len() < 2) {
        return Some(Problem::at(join.place, "\"join\" needs several columns in \"from\""));
    }
    if let (Some(otherwise), true) = (&rule.otherwise, rule.values.is_empty()) {
        return Some(Problem::at(otherwise.place, "\"otherwise\" needs \"values\""));
    }
    None
}

/// One name, or a list of names.
fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Located<String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Name(Located<String>);

    struct Names;

    impl<'de> Visitor<'de> for Names {
        type Value = Vec<Located<String>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a name or a list of names")
        }

        fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
            Ok(vec![Located::new(crate::rules::problem::Place::default(), name.to_owned())])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
            let mut names = Vec::new();
            while let Some(Name(name)) = items.next_element()? {
                names.push(name);
            }
            Ok(names)
        }
    }

    /// Keeps the place of a single name, which a visitor alone does not see.
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Any(#[serde(deserialize_with = "any")] Vec<Located<String>>);

    fn any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Located<String>>, D::Error> {
        deserializer.deserialize_any(Names)
    }

    let whole: Located<Any> = Located::deserialize(deserializer)?;
    let mut names = whole.value.0;
    for name in names.iter_mut().filter(|name| name.place.line == 0) {
        name.place = whole.place;
    }
    Ok(names)
}

/// Keys and values of a map in the file's order, with their places.
fn pairs<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<(Located<String>, Located<String>)>, D::Error> {
    struct Pairs;

    impl<'de> Visitor<'de> for Pairs {
        type Value = Vec<(Located<String>, Located<String>)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("texts and what they become, { Cust: Customer }")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut pairs = Vec::new();
            while let Some(pair) = entries.next_entry()? {
                pairs.push(pair);
            }
            Ok(pairs)
        }
    }

    deserializer.deserialize_map(Pairs)
}

impl<'de> Deserialize<'de> for SheetName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(text.parse().ok().filter(|&number| number > 0).map_or(Self::Name(text), Self::Number))
    }
}

impl<'de> Deserialize<'de> for Otherwise {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;

        impl<'de> Visitor<'de> for Words {
            type Value = Otherwise;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("reject, keep, blank or { use: VALUE }")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Otherwise, E> {
                match word {
                    "reject" => Ok(Otherwise::Reject),
                    "keep" => Ok(Otherwise::Keep),
                    "blank" => Ok(Otherwise::Blank),
                    _ => Err(E::invalid_value(de::Unexpected::Str(&shown(word).to_string()), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Otherwise, A::Error> {
                match entries.next_entry::<String, String>()? {
                    Some((key, value)) if key == "use" => Ok(Otherwise::Use(value)),
                    _ => Err(de::Error::invalid_type(de::Unexpected::Map, &self)),
                }
            }
        }

        deserializer.deserialize_any(Words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
                "8: \"maybe\" is not one of: strict, off",
                "8: unknown key \"dat\"",
                "9: a field has either \"from\" or \"const\", not both",
            ]
        );
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
