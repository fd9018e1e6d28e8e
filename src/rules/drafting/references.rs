//! Fields that hold the id of another record, which a file names by its name.

use super::profile::{Profile, Reading};
use crate::model::Field;
use crate::rules::ids::holds_id;
use crate::rules::program::Dictionaries;

/// A field, the object whose id it holds, and by what people name its records.
const REFERENCES: &[(&str, &str, &[&str])] = &[
    ("accountid", "accounts", &["name"]),
    ("contactid", "contacts", &["first", "last"]),
    ("ownerid", "users", &["first", "last"]),
    ("userid", "users", &["first", "last"]),
    ("campaignid", "campaigns", &["name"]),
    ("opportunityid", "opportunities", &["name"]),
    ("caseid", "cases", &["subject"]),
    ("stageid", "campaignstages", &["name"]),
    ("campaignstageid", "campaignstages", &["name"]),
    ("parentid", "accounts", &["name"]),
];

/// Objects whose records are people, who are known by their address too.
const PEOPLE: [&str; 2] = ["contacts", "users"];

/// How a cell names a record of another object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The other object.
    pub object: &'static str,
    /// The fields that the cell's text is looked for in.
    pub by: Vec<&'static str>,
}

/// The objects that fields of these names refer to; their dictionaries decide
/// which references can be drafted.
pub fn objects_of<'f>(fields: impl IntoIterator<Item = &'f Field>) -> Vec<&'static str> {
    let mut objects: Vec<&str> = Vec::new();
    for field in fields.into_iter().filter(|field| !field.read_only && holds_id(field)) {
        if let Some((_, object, _)) = REFERENCES.iter().find(|(name, ..)| *name == field.name)
            && !objects.contains(object)
        {
            objects.push(object);
        }
    }
    objects
}

/// How the column's cells name the record that the field wants; `None` where
/// they are ids already, or where the object is not known.
pub fn reference(field: &Field, profile: &Profile, others: &Dictionaries) -> Option<Reference> {
    if !holds_id(field) || holds_ids(profile) {
        return None;
    }
    let (_, object, by) = REFERENCES.iter().find(|(name, ..)| *name == field.name)?;
    let dictionary = others.get(*object)?;
    let is_known = |by: &[&str]| by.iter().all(|name| dictionary.get(name).is_some());
    if PEOPLE.contains(object) && profile.part(Reading::Email) >= 0.5 && is_known(&["email"]) {
        return Some(Reference { object, by: vec!["email"] });
    }
    is_known(by).then(|| Reference { object, by: by.to_vec() })
}

/// Whether the field names a record of an object that is known here.
pub fn is_reference(field: &Field) -> bool {
    REFERENCES.iter().any(|(name, ..)| *name == field.name)
}

/// Whether a column's cells are whole numbers, as ids are.
pub fn holds_ids(profile: &Profile) -> bool {
    !profile.is_empty() && profile.part(Reading::Id) >= 0.9
}
