//! The JSON Schema of mapping files: what it takes is what the program takes.

use std::path::PathBuf;

use serde_json::{Value as Json, json};

use crate::support::{Crm, Desk, project};

/// Why a value does not fit a schema; the keywords that our schemas use.
fn faults(schema: &Json, value: &Json, root: &Json, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut check = |fits: bool, keyword: &str| {
        if !fits {
            found.push(format!("{path}: {keyword}"));
        }
    };
    let Some(keywords) = schema.as_object() else { return found };
    for (keyword, wanted) in keywords {
        let fits = |schema: &Json| faults(schema, value, root, path).is_empty();
        match keyword.as_str() {
            "$ref" => {
                let target = root.pointer(wanted.as_str().unwrap().trim_start_matches('#')).unwrap();
                check(fits(target), wanted.as_str().unwrap());
            }
            "type" => check(is_of(value, wanted), &format!("type {wanted}")),
            "enum" => check(wanted.as_array().unwrap().contains(value), &format!("enum {wanted}")),
            "const" => check(wanted == value, &format!("const {wanted}")),
            "not" => check(!fits(wanted), "not"),
            "anyOf" => check(wanted.as_array().unwrap().iter().any(fits), "anyOf"),
            "oneOf" => check(wanted.as_array().unwrap().iter().filter(|s| fits(s)).count() == 1, "oneOf"),
            "minLength" => check(value.as_str().is_none_or(|text| !text.is_empty()), "minLength"),
            "minProperties" => check(value.as_object().is_none_or(|map| !map.is_empty()), "minProperties"),
            "required" => {
                let has = |name: &Json| {
                    value.as_object().is_none_or(|map| map.contains_key(name.as_str().unwrap()))
                };
                check(wanted.as_array().unwrap().iter().all(has), &format!("required {wanted}"));
            }
            _ => {}
        }
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        found.extend(faults(part, value, root, path));
    }
    if schema.get("if").is_some_and(|condition| faults(condition, value, root, path).is_empty()) {
        found.extend(faults(&schema["then"], value, root, path));
    }
    found.extend(inner_faults(schema, value, root, path));
    found
}

fn inner_faults(schema: &Json, value: &Json, root: &Json, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (name, part) in value.as_object().into_iter().flatten() {
        let path = format!("{path}/{name}");
        match (schema["properties"].get(name), schema.get("additionalProperties")) {
            (Some(inner), _) | (None, Some(inner @ Json::Object(_))) => {
                found.extend(faults(inner, part, root, &path))
            }
            (None, Some(Json::Bool(false))) => found.push(format!("{path}: unknown key")),
            (None, _) => {}
        }
    }
    for (at, item) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(faults(&schema["items"], item, root, &format!("{path}/{at}")));
    }
    found
}

fn is_of(value: &Json, wanted: &Json) -> bool {
    let is = |kind: &Json| match kind.as_str().unwrap() {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "null" => value.is_null(),
        other => panic!("{other}"),
    };
    wanted.as_array().map_or_else(|| is(wanted), |kinds| kinds.iter().any(is))
}

/// YAML as editors read it: scalars without quotes have types.
fn yaml(text: &str) -> Json {
    let loaded = <saphyr::Yaml as saphyr::LoadableYamlNode>::load_from_str(text).unwrap();
    to_json(&loaded[0])
}

fn to_json(node: &saphyr::Yaml<'_>) -> Json {
    if let Some(map) = node.as_mapping() {
        let entries = map.iter().map(|(key, value)| {
            let key = key.as_str().map_or_else(|| key.as_bool().unwrap().to_string(), str::to_owned);
            (key, to_json(value))
        });
        return Json::Object(entries.collect());
    }
    if let Some(list) = node.as_sequence() {
        return list.iter().map(to_json).collect();
    }
    let number = node.as_integer().map(Json::from).or_else(|| node.as_floating_point().map(Json::from));
    let flag = node.as_bool().map(Json::from);
    number.or(flag).or_else(|| node.as_str().map(Json::from)).unwrap_or(Json::Null)
}

fn mappings() -> Vec<(PathBuf, String)> {
    let entries = std::fs::read_dir(project().join("mappings")).unwrap();
    let read = |path: PathBuf| (path.clone(), std::fs::read_to_string(path).unwrap());
    entries.map(|entry| read(entry.unwrap().path())).collect()
}

#[test]
fn the_schema_in_the_docs_is_the_one_that_the_types_give() {
    let file = project().join("docs/mapping.schema.json");
    let mut wanted = serde_json::to_string_pretty(&carafe::rules::mapping::schema(&[])).unwrap();
    wanted.push('\n');
    // After a change of the keys: CARAFE_WRITE_SCHEMA=1 cargo test --test it schema
    if std::env::var_os("CARAFE_WRITE_SCHEMA").is_some() {
        std::fs::write(&file, &wanted).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == wanted, "docs/mapping.schema.json is not what the keys are; write it again");
}

#[test]
fn every_mapping_of_the_project_fits_it_with_and_without_a_dictionary() {
    let (crm, desk) = (Crm::start(), Desk::new());
    let of_crm = crm.carafe(&desk, ["describe", "--schema"]).ends_with(0).json();
    let custom = crm.carafe(&desk, ["describe", "policies", "--schema"]).ends_with(0).json();
    let general = carafe::rules::mapping::schema(&[]);
    for (path, text) in mappings() {
        let mapping = yaml(&text);
        assert_eq!(faults(&general, &mapping, &general, ""), [""; 0], "{}", path.display());
        let of_crm = if mapping["object"] == "policies" { &custom } else { &of_crm };
        assert_eq!(faults(of_crm, &mapping, of_crm, ""), [""; 0], "{}", path.display());
    }
}

#[test]
fn what_the_program_refuses_it_refuses_too() {
    let crm = Crm::start();
    let desk = Desk::with("a.csv", "Company,Kind\nA,\n");
    let schema = crm.carafe(&desk, ["describe", "accounts", "--schema"]).ends_with(0).json();
    let whole = json!({ "version": 1, "object": "accounts", "fields": { "name": "Company" } });
    assert_eq!(faults(&schema, &whole, &schema, ""), [""; 0]);
    for (pointer, wrong) in [
        ("/version", json!(2)),
        ("/object", json!("acounts")),
        ("/mode", json!("upsrt")),
        ("/feilds", json!({})),
        ("/fields", json!({})),
        ("/fields/nmae", json!("Company")),
        ("/fields/createddate", json!("Company")),
        ("/fields/name", json!({ "form": "Company" })),
        ("/fields/name", json!(["Company"])),
        ("/fields/type", json!({ "from": "Kind", "lookup": "maybe" })),
        ("/fields/type", json!({ "from": "Kind", "otherwise": { "usee": "x" } })),
        ("/fields/type", json!({ "from": "Kind", "split": { "by": " ", "prt": 1 } })),
        ("/fields/type", json!({ "from": "Kind", "case": "camel" })),
        ("/source", json!({ "sheets": 1 })),
        ("/defaults", json!({ "blank": "erase" })),
    ] {
        let mut mapping = whole.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        mapping.pointer_mut(parent).unwrap()[name] = wrong;
        assert!(!faults(&schema, &mapping, &schema, "").is_empty(), "the schema takes {mapping}");
        desk.write("m.yaml", mapping.to_string());
        let done = crm.carafe(&desk, ["check", "a.csv", "-m", "m.yaml"]).run();
        assert_eq!(done.code, Some(2), "the program takes {mapping}");
    }
}
