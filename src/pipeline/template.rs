//! `template`: which columns an empty workbook has.

use std::path::PathBuf;

use super::export::no_such_field;
use super::{Catalog, PipelineError};
use crate::model::{Dictionary, Field, FieldKind, shown};
use crate::tabular::{Guide, Output, write_template};

/// What a template will hold.
#[derive(Clone, Debug)]
pub struct Template {
    /// The object.
    pub object: String,
    /// A column each; the lists of the fields have their values.
    pub fields: Vec<Field>,
    /// Its rows can change records and create none: a required field has no
    /// column. Required is the `id` then, and nothing else.
    pub changes_only: bool,
}

impl Template {
    /// The fields of an object that can be written: all, or those asked for, in
    /// that order. `id` is a column only where it is asked for: with it a row
    /// changes a record.
    ///
    /// # Errors
    /// The object or a field is unknown, or cannot be written; there is neither
    /// `id` nor all that a new record needs.
    pub async fn plan(object: &str, names: &[String], catalog: &Catalog) -> Result<Self, PipelineError> {
        let is_wanted = |field: &Field| !field.read_only && (names.is_empty() || names.contains(&field.name));
        let dictionary = catalog.dictionary(object, is_wanted).await?;
        let fields = match names {
            [] => dictionary
                .fields()
                .iter()
                .filter(|field| is_wanted(field) && field.name != "id")
                .cloned()
                .collect(),
            names => named(&dictionary, names)?,
        };
        if fields.is_empty() {
            return Err(PipelineError::usage(
                format!("{} has no field that can be written", shown(object)),
                format!("see: carafe describe {}", shown(object)),
            ));
        }
        Self::of(&dictionary, fields)
    }

    /// What these columns make possible: it must be importable as it is.
    fn of(dictionary: &Dictionary, mut fields: Vec<Field>) -> Result<Self, PipelineError> {
        let has = |name: &str| fields.iter().any(|field: &Field| field.name == name);
        let required = dictionary.fields().iter().filter(|field| field.required && !field.read_only);
        let missing: Vec<&str> =
            required.map(|field| field.name.as_str()).filter(|name| *name != "id" && !has(name)).collect();
        let object = dictionary.object.clone();
        if !missing.is_empty() && !has("id") {
            return Err(PipelineError::usage(
                format!("a new record of {} needs {}", shown(&object), shown(&missing.join(", "))),
                "add that to --fields, or id for a template that changes records",
            ));
        }
        let changes_only = !missing.is_empty();
        for field in &mut fields {
            field.required = if field.name == "id" { changes_only } else { field.required && !changes_only };
        }
        Ok(Self { object, fields, changes_only })
    }

    /// Writes the workbook.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, output: Output, guide: &Guide) -> Result<PathBuf, PipelineError> {
        Ok(write_template(output, &self.object, &self.fields, guide)?)
    }
}

fn named(dictionary: &Dictionary, names: &[String]) -> Result<Vec<Field>, PipelineError> {
    let mut fields: Vec<Field> = Vec::new();
    for name in names.iter() {
        let id = || (name == "id").then(|| Field::new("id", FieldKind::Number));
        let field = dictionary.get(name).cloned().or_else(id);
        let field = field.ok_or_else(|| no_such_field(dictionary, name))?;
        if field.read_only && name != "id" {
            let told =
                format!("{}.{} is read-only: the CRM fills it", shown(&dictionary.object), shown(name));
            return Err(PipelineError::usage(told, "leave it out of --fields"));
        }
        // Asked for twice, it is one column.
        if fields.iter().all(|known| known.name != field.name) {
            fields.push(field);
        }
    }
    Ok(fields)
}
