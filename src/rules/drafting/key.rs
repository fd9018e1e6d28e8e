//! Which fields identify a record, as far as the rows show it.

use super::profile::part_of;
use crate::model::{Cell, Dictionary, FieldKind, Row, thousands, unguard};
use crate::rules::draft::KEY_SEPARATOR;
use crate::rules::duplicates::SeenKeys;
use crate::rules::names::folded;

/// The fields that identify records of the CRM's own objects, the best first.
const KEYS: &[(&str, &[&[&str]])] = &[
    ("accounts", &[&["name"], &["name", "addresspostcode/zip"], &["name", "addresscity"]]),
    ("contacts", &[&["email"], &["accountid", "first", "last"]]),
    ("campaigns", &[&["name"]]),
    ("campaignstages", &[&["campaignid", "name"]]),
    ("campaigndetails", &[&["campaignid", "contactid"]]),
    ("cases", &[&["accountid", "subject"]]),
    ("documents", &[&["parentid", "name"]]),
    ("opportunities", &[&["accountid", "name"]]),
    ("opportunity_lines", &[&["opportunityid", "product"]]),
    ("opportunityhistories", &[&["opportunityid", "closedate"]]),
    ("activities", &[&["accountid", "date"], &["accountid", "date", "type"]]),
    ("users", &[&["email"], &["first", "last"]]),
];

/// Most rows whose keys are remembered.
const MOST_KEYS: u64 = 200_000;

/// The part of the rows that may be without a key, or repeat one.
const MOST_WRONG: f64 = 0.1;

/// A key that is held against the rows.
#[derive(Clone, Debug)]
pub struct KeyTry {
    /// Its fields.
    pub fields: Vec<String>,
    /// The columns of each field.
    columns: Vec<usize>,
    /// Rows heard.
    rows: u64,
    /// Rows in which a part of it is blank, and the first of them.
    blank: u64,
    first_blank: Option<u64>,
    /// Rows that repeat an earlier one, and the first of them.
    repeats: u64,
    first_repeat: Option<u64>,
    /// Whether rows went unheard because there were too many.
    is_cut: bool,
    seen: SeenKeys,
    key: String,
}

/// The keys worth trying for an object, of fields that are filled.
pub fn candidates(dictionary: &Dictionary, is_filled: impl Fn(&str) -> bool) -> Vec<Vec<String>> {
    let mut all: Vec<Vec<String>> = Vec::new();
    let mut add = |fields: Vec<String>| {
        if fields.iter().all(|field| is_filled(field)) && !all.contains(&fields) {
            all.push(fields);
        }
    };
    match KEYS.iter().find(|(object, _)| *object == dictionary.object) {
        Some((_, keys)) => keys.iter().for_each(|key| add(key.iter().map(|&f| f.to_owned()).collect())),
        // A custom table: what it requires in words, then what is called like a key.
        None => {
            let fields = || dictionary.fields().iter().filter(|field| !field.read_only);
            let words = |kind: &FieldKind| matches!(kind, FieldKind::Text | FieldKind::Email);
            let named = ["name", "reference", "code", "number", "email"];
            let required =
                fields().filter(|field| field.required && words(&field.kind) && field.lookup.is_none());
            required.for_each(|field| add(vec![field.name.clone()]));
            fields().filter(|f| named.contains(&f.name.as_str())).for_each(|f| add(vec![f.name.clone()]));
        }
    }
    all
}

impl KeyTry {
    /// A key whose fields are filled by these columns.
    pub fn new(fields: Vec<String>, columns: Vec<usize>) -> Self {
        Self {
            fields,
            columns,
            rows: 0,
            blank: 0,
            first_blank: None,
            repeats: 0,
            first_repeat: None,
            is_cut: false,
            seen: SeenKeys::default(),
            key: String::new(),
        }
    }

    /// Hears a row; false where it wants no more. `is_text` says that an
    /// export's formula guard may stand before its cells.
    pub fn add(&mut self, row: &Row, is_text: bool) -> bool {
        if row.fault.is_some() {
            return true;
        }
        if self.rows >= MOST_KEYS {
            self.is_cut = true;
            return false;
        }
        self.rows += 1;
        self.key.clear();
        for &column in &self.columns {
            let text = match row.cell(column) {
                Cell::Text(text) if is_text => folded(unguard(text).unwrap_or(text)),
                Cell::Text(text) => folded(text),
                cell => cell.to_string().into(),
            };
            if text.is_empty() {
                self.blank += 1;
                self.first_blank.get_or_insert(row.number);
                return true;
            }
            self.key.push_str(&text);
            self.key.push(KEY_SEPARATOR);
        }
        if self.seen.add(&self.key, row.number).is_some() {
            self.repeats += 1;
            self.first_repeat.get_or_insert(row.number);
        }
        true
    }

    /// Whether so few rows speak against it that they are rather at fault themselves.
    pub fn holds(&self) -> bool {
        part_of(self.blank + self.repeats, self.rows) <= MOST_WRONG
    }

    /// What the rows say about it.
    pub fn words(&self) -> String {
        let all = thousands(self.rows);
        let all = if self.is_cut { format!("the first {all}") } else { all };
        let repeats = (self.repeats, ["repeats an earlier one", "repeat an earlier one"], self.first_repeat);
        let blanks = (self.blank, ["has none", "have none"], self.first_blank);
        let said = [repeats, blanks].into_iter().filter_map(|(rows, [one, more], first)| {
            let (does, at) = if rows == 1 { (one, "row") } else { (more, "first row") };
            Some(format!("{} of {all} rows {does} ({at} {})", thousands(rows), first?))
        });
        let said: Vec<String> = said.collect();
        match said.is_empty() {
            _ if self.rows == 0 => "no row shows whether it is unique".to_owned(),
            true => format!("filled and different in {all} rows"),
            false => said.join(", "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Field;

    fn heard(rows: &[&[&str]], columns: &[usize]) -> KeyTry {
        heard_of(rows, columns, true)
    }

    fn heard_of(rows: &[&[&str]], columns: &[usize], is_text: bool) -> KeyTry {
        let mut key = KeyTry::new(vec!["a".to_owned()], columns.to_vec());
        for (cells, number) in rows.iter().zip(2..) {
            let mut row = Row::default();
            row.reset(number, number);
            cells.iter().for_each(|text| row.push(Cell::Text(text)));
            assert!(key.add(&row, is_text));
        }
        key
    }

    #[test]
    fn a_key_is_told_by_its_rows() {
        let key = heard(&[&["Acme"], &["Beta"]], &[0]);
        assert!(key.holds());
        assert_eq!(key.words(), "filled and different in 2 rows");
        let key = heard(&[&["Acme"], &[" ACME"], &[""]], &[0]);
        assert!(!key.holds());
        assert_eq!(key.words(), "1 of 3 rows repeats an earlier one (row 3), 1 of 3 rows has none (row 4)");
        assert_eq!(heard(&[], &[0]).words(), "no row shows whether it is unique");
    }

    #[test]
    fn only_a_text_has_a_guard_before_its_keys() {
        let rows: [&[&str]; 2] = [&["'+1 Ltd"], &["+1 Ltd"]];
        assert!(!heard_of(&rows, &[0], true).holds());
        assert!(heard_of(&rows, &[0], false).holds());
    }

    #[test]
    fn two_columns_identify_together() {
        let rows: [&[&str]; 3] = [&["Acme", "A"], &["Acme", "B"], &["Beta", "A"]];
        assert!(heard(&rows, &[0, 1]).holds() && !heard(&rows, &[0]).holds());
    }

    #[test]
    fn keys_are_those_of_the_object_or_what_a_custom_table_requires() {
        let keys = |object: &str, fields: &[&str]| {
            let all = ["name", "email", "reference"];
            let field =
                |name: &&str| Field { required: *name == "reference", ..Field::new(*name, FieldKind::Text) };
            let dictionary = Dictionary::new(object, all.iter().map(field).collect());
            candidates(&dictionary, |name| fields.contains(&name))
        };
        assert_eq!(keys("contacts", &["name", "email"]), [["email"]]);
        assert_eq!(keys("policies", &["name", "reference"]), [["reference"], ["name"]]);
        assert_eq!(keys("accounts", &["email"]), [[""; 0]; 0]);
    }
}
