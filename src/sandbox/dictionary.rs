//! The embedded CRM's objects, fields and lists, read from `dictionary.txt`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::model::{Dictionary, Field, FieldKind, Lookup};

/// One object of the embedded CRM.
#[derive(Debug)]
pub struct Object {
    /// Its API name, `accounts`.
    pub name: String,
    /// The name of one record of it, `account`.
    pub singular: String,
    /// Its fields, `id` first.
    pub columns: Vec<Column>,
}

/// One field, and what only the server knows of it.
#[derive(Debug)]
pub struct Column {
    /// The field as the dictionary shows it.
    pub field: Field,
    /// Added by the administrator: its checkboxes are the texts "0" and "1"
    /// (source: field notes, "Values").
    pub custom: bool,
    /// The object whose id it holds.
    pub reference: Option<String>,
    /// What a new record gets where nothing is sent.
    pub default: Option<String>,
}

impl Object {
    /// A field by its name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.field.name == name)
    }

    /// The field that every change sets to the present moment.
    pub fn modified_field(&self) -> Option<&str> {
        ["modifieddate", "modified"].into_iter().find(|name| self.column(name).is_some())
    }
}

/// Everything that `dictionary.txt` says.
#[derive(Debug, Default)]
pub struct Catalog {
    /// The objects, in the file's order.
    pub objects: Vec<Object>,
    /// The lists' first values, by name.
    pub lists: BTreeMap<String, Vec<String>>,
}

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| read(include_str!("dictionary.txt")));

/// The embedded CRM's objects and lists.
pub fn catalog() -> &'static Catalog {
    &CATALOG
}

/// An object by its API name.
pub fn object(name: &str) -> Option<&'static Object> {
    CATALOG.objects.iter().find(|object| object.name == name)
}

/// The API names of all objects.
pub fn objects() -> Vec<&'static str> {
    CATALOG.objects.iter().map(|object| object.name.as_str()).collect()
}

/// An object's fields as the rest of the program knows them.
pub fn dictionary(name: &str) -> Option<Dictionary> {
    let fields = object(name)?.columns.iter().map(|column| column.field.clone()).collect();
    Some(Dictionary::new(name, fields))
}

fn read(text: &str) -> Catalog {
    let mut catalog = Catalog::default();
    let mut list: Option<String> = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(rest) = line.strip_prefix("object ") {
            let (name, singular) = rest.split_once(' ').unwrap_or((rest, rest));
            list = None;
            catalog.objects.push(Object {
                name: name.to_owned(),
                singular: singular.to_owned(),
                columns: Vec::new(),
            });
        } else if let Some(name) = line.strip_prefix("list ") {
            catalog.lists.insert(name.to_owned(), Vec::new());
            list = Some(name.to_owned());
        } else if let Some(values) = list.as_ref().and_then(|name| catalog.lists.get_mut(name)) {
            values.push(line.to_owned());
        } else if let Some(object) = catalog.objects.last_mut() {
            object.columns.push(read_column(line));
        }
    }
    catalog
}

fn read_column(line: &str) -> Column {
    let (line, label) = match line.split_once('"') {
        Some((before, rest)) => {
            let (label, after) = rest.split_once('"').unwrap_or((rest, ""));
            (format!("{before} {after}"), Some(label.to_owned()))
        }
        None => (line.to_owned(), None),
    };
    let mut words = line.split_whitespace();
    let name = words.next().unwrap_or_default();
    let kind = FieldKind::from_word(words.next().unwrap_or_default());
    let mut column = Column {
        field: Field { label, ..Field::new(name, kind) },
        custom: false,
        reference: None,
        default: None,
    };
    for word in words {
        match (word.split_once('='), word.parse::<u32>()) {
            (Some(("list", list)), _) => {
                column.field.lookup = Some(Lookup { list: Some(list.to_owned()), values: None });
            }
            (Some(("ref", object)), _) => column.reference = Some(object.to_owned()),
            (Some(("default", value)), _) => column.default = Some(value.replace('_', " ")),
            (_, Ok(size)) => column.field.size = Some(size),
            _ => match word {
                "required" => column.field.required = true,
                "readonly" => column.field.read_only = true,
                "custom" => column.custom = true,
                decimals => column.field.decimals = decimals.strip_prefix('.').and_then(|d| d.parse().ok()),
            },
        }
    }
    column
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_of_the_document_is_there_with_its_id_first() {
        let wanted = [
            "accounts",
            "activities",
            "contacts",
            "campaigns",
            "campaigndetails",
            "campaignstages",
            "cases",
            "documents",
            "opportunities",
            "opportunityhistories",
            "opportunity_lines",
            "users",
        ];
        for name in wanted {
            let object = object(name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(object.columns[0].field.name, "id", "{name}");
            assert!(object.columns[0].field.read_only);
        }
    }

    #[test]
    fn every_field_type_is_there() {
        let kinds: Vec<&str> =
            catalog().objects.iter().flat_map(|o| &o.columns).map(|c| c.field.kind.word()).collect();
        for kind in [
            "text",
            "textarea",
            "memo",
            "multi-select",
            "checkbox",
            "date",
            "datetime",
            "email",
            "number",
            "currency",
            "percent",
            "url",
        ] {
            assert!(kinds.contains(&kind), "{kind}");
        }
        assert!(!kinds.iter().any(|kind| kind.is_empty()), "a field without a type");
    }

    #[test]
    fn lists_and_references_lead_somewhere() {
        for column in catalog().objects.iter().flat_map(|object| &object.columns) {
            if let Some(list) = column.field.lookup.as_ref().and_then(|l| l.list.as_ref()) {
                assert!(catalog().lists.get(list).is_some_and(|values| !values.is_empty()), "{list}");
            }
            if let Some(reference) = &column.reference {
                assert!(object(reference).is_some(), "{reference}");
            }
        }
        let accounts = dictionary("accounts").unwrap();
        assert!(accounts.get("addresscounty/state").is_some() && accounts.get("2yearpolicy").is_some());
        assert_eq!(accounts.get("annualvalue").unwrap().decimals, Some(2));
        assert_eq!(
            object("accounts").unwrap().column("addresscountry").unwrap().default.as_deref(),
            Some("United Kingdom")
        );
    }
}
