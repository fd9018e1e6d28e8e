//! The mapping file's JSON Schema, by which editors complete and check it.
//!
//! Made from the types that read the file, so that it says what they take:
//! their doc comments are the descriptions. With dictionaries it knows the
//! fields of a CRM by name.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value as Json, json};

use super::keys::{Defaults, FieldRule, Mode, Otherwise, Part, SheetName, SourceKeys, Split};
use crate::model::{Dictionary, Field};
use crate::rules::files::with_file;
use crate::rules::problem::Located;

/// A text, which YAML may take for a number or a flag where it has no quotes.
fn text() -> Json {
    json!({ "type": ["string", "number", "boolean"] })
}

/// One name, or a list of names.
pub(super) struct OneOrMore;

/// Texts and what they become.
pub(super) struct Pairs;

macro_rules! schemas {
    ($($type:ty, $name:literal, $schema:expr;)*) => {
        $(impl JsonSchema for $type {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                // Each of these is written as a JSON object below.
                Schema::try_from($schema).unwrap_or_default()
            }
        })*
    };
}

schemas! {
    OneOrMore, "OneOrMore", json!({ "anyOf": [text(), { "type": "array", "items": text() }] });
    Pairs, "Pairs", json!({ "type": "object", "additionalProperties": text() });
    SheetName, "SheetName", json!({ "type": ["string", "integer"] });
    Part, "Part", json!({
        "description": "1 is the first part, -1 the last, 2- the second and all behind it",
        "anyOf": [{ "type": "integer", "not": { "const": 0 } }, { "type": "string", "pattern": "^-?[1-9][0-9]*-?$" }]
    });
    Split, "Split", json!({ "anyOf": [
        { "type": "string", "minLength": 1, "description": "What stands between the values of a multi-select" },
        {
            "type": "object", "required": ["by"], "additionalProperties": false,
            "properties": {
                "by": { "type": "string", "minLength": 1, "description": "What stands between two parts; blanks stand for any run of blanks" },
                "part": part_schema(),
            }
        }
    ] });
    Otherwise, "Otherwise", json!({ "anyOf": [
        { "enum": ["reject", "keep", "blank"] },
        { "type": "object", "required": ["use"], "additionalProperties": false, "properties": { "use": text() } }
    ] });
}

fn part_schema() -> Schema {
    Part::json_schema(&mut SchemaGenerator::default())
}

impl<T: JsonSchema> JsonSchema for Located<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let inner = generator.subschema_for::<T>();
        match inner.get("type") {
            Some(kind) if kind == "string" && inner.get("enum").is_none() => {
                Schema::try_from(text()).unwrap_or(inner)
            }
            _ => inner,
        }
    }
}

/// The schema of mapping files: of any CRM, or of the one with these objects.
pub fn schema(objects: &[&Dictionary]) -> Json {
    let mut generator = SchemaSettings::draft07().into_generator();
    let names = json_schema!({ "anyOf": [text(), { "type": "array", "items": text() }] });
    let rule = generator.subschema_for::<FieldRule>();
    let field = json!({ "anyOf": [text(), rule] });
    let mut keys = Map::new();
    let mut key = |name: &str, description: &str, schema: Json| {
        let mut schema = schema;
        schema["description"] = description.into();
        keys.insert(name.to_owned(), schema);
    };
    key("version", "The form of this file", json!({ "const": 1 }));
    key("object", "The object that rows go into, by its API name", object_schema(objects));
    key(
        "mode",
        "What is done with each row; upsert with match, else create",
        referred::<Mode>(&mut generator),
    );
    key("match", "The fields that identify a record; [id] where the file carries ids", json!(names));
    key("source", "How to read the file", referred::<SourceKeys>(&mut generator));
    key(
        "defaults",
        "What holds for every field that does not say otherwise",
        referred::<Defaults>(&mut generator),
    );
    key("fields", "Each field of the CRM and how it is filled: a column, or keys", fields_schema(&field));
    key(
        "when",
        "Which rows are meant: a condition over columns; the others are skipped",
        json!({ "type": "string" }),
    );
    key("ignore", "Columns left out on purpose", json!(names));
    let mut root = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Carafe mapping file",
        "type": "object",
        "required": ["version", "object", "fields"],
        "additionalProperties": false,
        "properties": keys,
        "definitions": generator.take_definitions(true),
    });
    if !objects.is_empty() {
        root["allOf"] = objects.iter().map(|object| object_rule(object, &field)).collect();
    }
    root
}

fn referred<T: JsonSchema>(generator: &mut SchemaGenerator) -> Json {
    // Draft 7 passes over what stands beside a reference.
    json!({ "allOf": [generator.subschema_for::<T>()] })
}

fn object_schema(objects: &[&Dictionary]) -> Json {
    match objects {
        [] => json!({ "type": "string", "examples": ["accounts", "contacts", "opportunities"] }),
        known => json!({ "enum": known.iter().map(|object| object.object.as_str()).collect::<Vec<_>>() }),
    }
}

fn fields_schema(field: &Json) -> Json {
    json!({ "type": "object", "minProperties": 1, "additionalProperties": field })
}

/// What holds for mappings of one object: its fields and no others.
fn object_rule(object: &Dictionary, field: &Json) -> Json {
    let fields: Map<String, Json> = with_file(object)
        .fields()
        .iter()
        .filter(|known| !known.read_only || known.name == "id")
        .map(|known| (known.name.clone(), json!({ "description": describe(known), "allOf": [field] })))
        .collect();
    json!({
        "if": { "required": ["object"], "properties": { "object": { "const": object.object } } },
        "then": { "properties": { "fields": { "properties": fields, "additionalProperties": false } } },
    })
}

/// The most values of a dropdown that a description names.
const MOST_VALUES: usize = 30;

fn describe(field: &Field) -> String {
    let mut parts = vec![field.kind.word().to_owned()];
    if field.required {
        parts.push("required".to_owned());
    }
    if field.read_only {
        parts.push("only to find records by".to_owned());
    }
    parts.extend(field.size.map(|size| format!("at most {size} characters")));
    parts.extend(field.decimals.map(|decimals| format!("at most {decimals} decimals")));
    let values = field.lookup.as_ref().and_then(|lookup| lookup.values.as_ref());
    if let Some(values) = values.filter(|values| !values.is_empty()) {
        let first: Vec<&str> = values.iter().take(MOST_VALUES).map(String::as_str).collect();
        let more = if values.len() > MOST_VALUES { ", …" } else { "" };
        parts.push(format!("one of: {}{more}", first.join(", ")));
    }
    match &field.label {
        Some(label) => format!("{label}: {}", parts.join(", ")),
        None => parts.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::mapping::file::KEYS;
    use crate::rules::testing::dictionary;

    #[test]
    fn it_has_the_keys_that_the_reader_takes() {
        let schema = schema(&[]);
        let mut known: Vec<&str> =
            schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        let mut keys = KEYS.to_vec();
        known.sort_unstable();
        keys.sort_unstable();
        assert_eq!(known, keys);
        let rule = &schema["definitions"]["FieldRule"]["properties"];
        for key in ["from", "const", "expr", "true", "false", "ref", "split", "clear_token", "lookup"] {
            assert!(rule[key].is_object(), "{key}");
        }
        assert_eq!(schema["definitions"]["LookupRule"].to_string().matches("append").count(), 1);
    }

    #[test]
    fn with_a_dictionary_it_knows_the_fields_by_name() {
        let dictionary = dictionary();
        let schema = schema(&[&dictionary]);
        assert_eq!(schema["properties"]["object"]["enum"], json!(["things"]));
        let fields = &schema["allOf"][0]["then"]["properties"]["fields"];
        assert_eq!(fields["additionalProperties"], json!(false));
        let described = |name: &str| fields["properties"][name]["description"].as_str();
        assert_eq!(described("name"), Some("text, required, at most 100 characters"));
        assert_eq!(
            described("type"),
            Some("text, at most 100 characters, one of: Customer , Prospect, UK, uk")
        );
        assert_eq!(described("modifieddate"), None, "nobody writes what the CRM fills");
        assert_eq!(described("id"), Some("number, only to find records by"));
    }
}
