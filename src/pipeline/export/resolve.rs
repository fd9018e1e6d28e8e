//! `--resolve accountid=accounts.name`: names beside ids. The records that the
//! ids of some pages name are looked up together, each of them once.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::plan::{Plan, no_such_field};
use crate::crm::{Client, RecordRef, Records};
use crate::model::{Dictionary, Field, FieldKind, Value, shown};
use crate::pipeline::finder::{Finder, Parts};
use crate::pipeline::{Catalog, PipelineError};

/// Names that are kept in memory at most.
const MOST_KNOWN: usize = 200_000;

/// Pages whose ids are looked up together.
pub(super) const PAGES_TOGETHER: usize = 16;

/// A column of names beside a field that holds ids.
#[derive(Clone, Debug)]
pub(super) struct Resolution {
    /// The field with the id.
    pub field: String,
    /// The object of which that is a record.
    dictionary: Dictionary,
    /// The fields that make the name, with a blank between.
    by: Vec<String>,
}

/// What was asked for: `FIELD=OBJECT.FIELD` with further fields after `+`.
#[derive(Debug, PartialEq, Eq)]
struct Asked<'a> {
    field: &'a str,
    object: &'a str,
    by: Vec<&'a str>,
}

impl<'a> Asked<'a> {
    fn parse(text: &'a str) -> Result<Self, PipelineError> {
        let parse = || {
            let (field, rest) = text.split_once('=')?;
            let (object, by) = rest.split_once('.')?;
            let by: Vec<&str> = by.split('+').map(str::trim).collect();
            let (field, object) = (field.trim(), object.trim());
            let is_whole = [field, object].iter().chain(&by).all(|part| !part.is_empty());
            is_whole.then_some(Self { field, object, by })
        };
        parse().ok_or_else(|| {
            PipelineError::usage(
                format!("--resolve \"{}\" does not say which field names which record", shown(text)),
                "for example: --resolve accountid=accounts.name,ownerid=users.first+last",
            )
        })
    }
}

impl Resolution {
    /// What `--resolve` asks for of an object; what it has no such field for is another object's.
    ///
    /// # Errors
    /// It is not understood, or the named object has no such field.
    pub async fn all(
        asked: &[String],
        dictionary: &Dictionary,
        catalog: &Catalog,
    ) -> Result<Vec<Self>, PipelineError> {
        let mut found = Vec::new();
        for text in asked {
            let Asked { field, object, by } = Asked::parse(text)?;
            if dictionary.get(field).is_none() {
                continue;
            }
            let of = catalog.dictionary(object, |_| false).await?;
            if let Some(unknown) = by.iter().find(|name| of.get(name).is_none() && **name != "id") {
                return Err(no_such_field(&of, unknown));
            }
            let by = by.into_iter().map(str::to_owned).collect();
            found.push(Self { field: field.to_owned(), dictionary: of, by });
        }
        Ok(found)
    }

    /// The name of what a field's ids mean, by these fields of that object.
    pub fn of(field: &str, dictionary: Dictionary, by: &[String]) -> Self {
        Self { field: field.to_owned(), dictionary, by: by.to_vec() }
    }

    /// Checks that each is of one of the objects.
    pub fn check(asked: &[String], plans: &[Plan]) -> Result<(), PipelineError> {
        for text in asked {
            let field = Asked::parse(text)?.field;
            if plans.iter().all(|plan| plan.dictionary.get(field).is_none()) {
                let Some(plan) = plans.first() else { return Ok(()) };
                return Err(no_such_field(&plan.dictionary, field));
            }
        }
        Ok(())
    }

    /// The column's name, which no field of the API has.
    fn column(&self) -> String {
        format!("{}.{}", self.field, self.by.join("+"))
    }

    /// Puts the columns behind their fields; which of the columns is of which resolution.
    pub fn place(all: &[Self], fields: Vec<Field>) -> (Vec<Field>, Vec<Option<usize>>) {
        let (mut columns, mut names) = (Vec::new(), Vec::new());
        for field in fields {
            let of_field = all.iter().enumerate().filter(|(_, one)| one.field == field.name);
            let of_field: Vec<_> = of_field.map(|(at, one)| (at, one.column())).collect();
            columns.push(field);
            names.push(None);
            for (at, column) in of_field {
                columns.push(Field::new(column, FieldKind::Text));
                names.push(Some(at));
            }
        }
        (columns, names)
    }
}

/// Looks names up.
pub(super) struct Resolver {
    lookups: Vec<Lookup>,
}

struct Lookup {
    field: String,
    by: Vec<String>,
    finder: Finder,
    /// Names by id; none where there is no such record.
    known: HashMap<String, Option<Box<str>>>,
}

impl Resolver {
    /// A file in `scratch` holds a whole object, where the CRM cannot be asked by ids.
    pub fn new(client: &Client, all: &[Resolution], scratch: &Path) -> Self {
        let lookup = |(number, one): (usize, &Resolution)| {
            let file = scratch.join(format!("names-{}.tmp", number + 1));
            Lookup {
                field: one.field.clone(),
                by: one.by.clone(),
                finder: Finder::new(client, &one.dictionary, &["id".to_owned()], Parts::Apart, file),
                known: HashMap::new(),
            }
        };
        Self { lookups: all.iter().enumerate().map(lookup).collect() }
    }

    /// Looks up what the pages name and is not known yet.
    pub async fn learn(&mut self, pages: &[&Records]) -> Result<(), PipelineError> {
        for lookup in &mut self.lookups {
            lookup.learn(pages).await?;
        }
        Ok(())
    }

    /// The name of what a record names by one of its fields; none where there is none.
    pub fn name(&self, lookup: usize, record: RecordRef<'_>) -> Option<&str> {
        let lookup = self.lookups.get(lookup)?;
        let id = record.get(&lookup.field)?;
        lookup.known.get(id.to_text())?.as_deref()
    }
}

impl Lookup {
    async fn learn(&mut self, pages: &[&Records]) -> Result<(), PipelineError> {
        if self.known.len() > MOST_KNOWN {
            self.known.clear();
        }
        let mut ids: HashSet<&str> = HashSet::new();
        let named = pages.iter().flat_map(|page| page.iter()).filter_map(|record| record.get(&self.field));
        // Only a number can be an id; 0 stands for none.
        let is_id = |text: &&str| text.parse::<u64>().is_ok_and(|id| id > 0);
        ids.extend(named.map(|value| value.to_text()).filter(is_id));
        ids.retain(|id| !self.known.contains_key(*id));
        let mut ids: Vec<&str> = ids.into_iter().collect();
        // The same questions in every run.
        ids.sort_unstable();
        let wanted: Vec<_> = ids.iter().map(|id| self.finder.wanted(id)).collect();
        let found = self.finder.find(&wanted).await?;
        for (id, wanted) in ids.into_iter().zip(&wanted) {
            let record = found.get(&wanted.key).and_then(|records| records.first());
            let name = record.map(|record| {
                let parts = self.by.iter().map(|name| record.get(name).map_or("".into(), Value::to_text));
                let parts: Vec<_> = parts.filter(|part| !part.trim().is_empty()).collect();
                parts.join(" ").into()
            });
            self.known.insert(id.to_owned(), name);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_a_field_an_object_and_the_fields_of_its_name() {
        let asked = |field, object, by: &[&'static str]| Asked { field, object, by: by.to_vec() };
        assert_eq!(
            Asked::parse("accountid=accounts.name").unwrap(),
            asked("accountid", "accounts", &["name"])
        );
        assert_eq!(
            Asked::parse(" ownerid = users.first + last ").unwrap(),
            asked("ownerid", "users", &["first", "last"])
        );
        for text in ["accountid", "accountid=accounts", "=accounts.name", "a=.name", "a=b.", "a=b.c+"] {
            assert!(Asked::parse(text).is_err(), "{text}");
        }
    }
}
