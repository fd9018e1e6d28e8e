//! Values that dropdown lists lack and the mapping wants added to them
//! (`lookup: append`).

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::draft::{Draft, Wish};
use super::names::folded;
use super::program::{FieldProgram, Program};
use crate::model::FieldKind;

/// Values that one list may gain from one file. More is a column that was
/// mapped to the wrong field.
pub const MOST: usize = 500;

/// What the list of one field is to gain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addition {
    /// The field.
    pub field: String,
    /// The list's name: the dictionary's, else the field's.
    pub list: String,
    /// The values, as they are first written in the file, and the rows that
    /// have each: `[["Charity", 2]]`.
    pub values: Vec<(String, u64)>,
}

/// Gathers what lists lack, row by row.
#[derive(Clone, Debug, Default)]
pub struct Additions {
    /// Each with the places of its values, by the form in which they are compared.
    lists: Vec<(Addition, HashMap<String, usize>)>,
}

impl Additions {
    /// Notes what a row without findings brings that no list has.
    pub fn add(&mut self, program: &Program, draft: &Draft<'_>) {
        for (at, wish) in draft.wishes.iter().enumerate() {
            let (Wish::Text(text) | Wish::Number(text)) = wish else { continue };
            let field = &program.fields[at];
            if !field.appends() {
                continue;
            }
            if field.field.kind == FieldKind::MultiSelect {
                text.split(';').for_each(|value| self.note(program, at, value));
            } else {
                self.note(program, at, text);
            }
        }
    }

    /// Whether any list is to gain values at all.
    pub fn are_wanted(program: &Program) -> bool {
        program.fields.iter().any(FieldProgram::appends)
    }

    /// What one row brings that no list has; none where all is listed.
    pub fn of(program: &Program, draft: &Draft<'_>) -> Option<Self> {
        let mut own = Self::default();
        own.add(program, draft);
        (!own.lists.is_empty()).then_some(own)
    }

    /// Takes in what later rows bring.
    pub fn merge(&mut self, later: &Self) {
        for (Addition { field, list, values }, _) in &later.lists {
            values.iter().for_each(|(value, rows)| self.count(field, || list.clone(), value, *rows));
        }
    }

    fn note(&mut self, program: &Program, at: usize, value: &str) {
        let field = &program.fields[at];
        if field.is_listed(value) {
            return;
        }
        let name = &field.field.name;
        let list = || field.field.lookup.as_ref().and_then(|lookup| lookup.list.clone());
        self.count(name, || list().unwrap_or_else(|| name.clone()), value, 1);
    }

    fn count(&mut self, name: &str, list: impl FnOnce() -> String, value: &str, rows: u64) {
        let place = self.lists.iter().position(|(known, _)| known.field == name);
        let place = place.unwrap_or_else(|| {
            let addition = Addition { field: name.to_owned(), list: list(), values: Vec::new() };
            self.lists.push((addition, HashMap::new()));
            self.lists.len() - 1
        });
        let (Addition { values, .. }, places) = &mut self.lists[place];
        match places.get(folded(value).as_ref()) {
            Some(&at) => values[at].1 += rows,
            // One more than allowed shows that there are too many.
            None if values.len() <= MOST => {
                places.insert(folded(value).into_owned(), values.len());
                values.push((value.to_owned(), rows));
            }
            None => {}
        }
    }

    /// What the lists gain; empty where they lack nothing.
    pub fn lists(&self) -> Vec<Addition> {
        self.lists.iter().map(|(addition, _)| addition.clone()).collect()
    }

    /// A list that would gain more than [`MOST`] values.
    pub fn too_many(&self) -> Option<&Addition> {
        self.lists.iter().map(|(addition, _)| addition).find(|addition| addition.values.len() > MOST)
    }

    /// From here on, cells are written as the first one with the same value is.
    pub fn spell(&self, program: &mut Program) {
        for (addition, _) in &self.lists {
            if let Some(field) = program.fields.iter_mut().find(|f| f.field.name == addition.field) {
                field.spell(addition.values.iter().map(|(value, _)| value.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::draft::draft;
    use crate::rules::testing::{program, row};

    const FIELDS: &str = "name: N\n type: { from: T, lookup: append }\n tags: { from: G, lookup: append }\n \
                          level: { from: L, lookup: append }";

    fn gathered(rows: &[[&str; 3]]) -> (Program, Additions) {
        let program = program("", FIELDS, &["N", "T", "G", "L"]);
        let mut additions = Additions::default();
        for [kind, tags, level] in rows {
            let row = row(&["n", kind, tags, level]);
            let draft = draft(&program, &row);
            assert_eq!(draft.findings, [], "{kind} {tags} {level}");
            additions.add(&program, &draft);
        }
        (program, additions)
    }

    #[test]
    fn what_the_lists_lack_is_gathered_by_value_with_its_rows() {
        let rows = [
            ["customer", "red;Pink", "3"],
            ["Rival", "pink ", "4"],
            [" RIVAL", "", ""],
            ["", "Grey;blue", "4.0"],
        ];
        let (_, additions) = gathered(&rows);
        let found: Vec<(String, Vec<(String, u64)>)> =
            additions.lists().into_iter().map(|list| (list.list, list.values)).collect();
        let values =
            |values: &[(&str, u64)]| values.iter().map(|(v, n)| ((*v).to_owned(), *n)).collect::<Vec<_>>();
        assert_eq!(
            found,
            [
                ("tags".to_owned(), values(&[("Pink", 2), ("Grey", 1)])),
                ("type".to_owned(), values(&[("Rival", 2)])),
                ("level".to_owned(), values(&[("4", 2)])),
            ]
        );
    }

    #[test]
    fn the_first_spelling_is_that_of_all_rows() {
        let (mut program, additions) = gathered(&[["Rival", "Pink", ""], ["rival", "PINK", ""]]);
        additions.spell(&mut program);
        let row = row(&["n", "RIVAL ", "pink;red", ""]);
        let again = draft(&program, &row);
        assert_eq!(again.wishes[1], Wish::Text("Rival".into()));
        assert_eq!(again.wishes[2], Wish::Text("Pink;Red".into()));
        let mut used = Additions::default();
        used.add(&program, &again);
        assert_eq!(used.lists().len(), 2, "the CRM's list still lacks them");
    }

    #[test]
    fn a_column_of_the_wrong_field_fills_no_list() {
        let values: Vec<String> = (0..600).map(|n| format!("v{n}")).collect();
        let rows: Vec<[&str; 3]> = values.iter().map(|value| [value.as_str(), "", ""]).collect();
        let (_, additions) = gathered(&rows);
        assert_eq!(additions.too_many().unwrap().field, "type");
    }
}
