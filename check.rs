//! A whole request body held against the dictionary: every broken rule of
//! every field is found before anything is refused.

use rusqlite::types::Value as Sql;

use super::answer::{Complaint, Refusal, Rule};
use super::json::Json;
use super::schema::{Field, Object};
use super::values::{is_blank, normalise};
use crate::model::FieldKind;

/// What a body is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A new record: required fields must be there.
    Create,
    /// A change: only the fields that are there are looked at.
    Update,
}

/// What checking must know about other records.
pub(super) trait World {
    /// Whether that object has a record of that id.
    fn has_record(&self, object: &str, id: i64) -> rusqlite::Result<bool>;
    /// Whether the list has that value; always true where free text is taken.
    fn takes_value(&self, list: &str, value: &str) -> rusqlite::Result<bool>;
}

/// The values to store, or all complaints.
///
/// Unknown and read-only fields are passed over; of a key that stands twice the last one counts.
pub(super) fn check(
    object: &Object,
    body: &[(String, Json)],
    purpose: Purpose,
    world: &dyn World,
) -> Result<Vec<(&'static Field, Sql)>, Refusal> {
    let mut accepted = Vec::new();
    let mut complaints = Vec::new();
    for field in object.fields.iter().filter(|field| !field.read_only) {
        let given = body.iter().rev().find(|(name, _)| name == field.name).map(|(_, value)| value);
        let broken = match given {
            None if field.required && purpose == Purpose::Create => vec![Rule::plain("Required")],
            None => continue,
            Some(json) => match check_field(field, json, world)? {
                Ok(value) => {
                    accepted.push((field, value));
                    continue;
                }
                Err(broken) => broken,
            },
        };
        complaints.push(Complaint { field: field.name.to_owned(), rules: broken });
    }
    if complaints.is_empty() { Ok(accepted) } else { Err(Refusal::Invalid(complaints)) }
}

fn check_field(
    field: &'static Field,
    json: &Json,
    world: &dyn World,
) -> rusqlite::Result<Result<Sql, Vec<Rule>>> {
    if field.required && is_blank(json) {
        return Ok(Err(vec![Rule::plain("Required")]));
    }
    let value = match normalise(field, json) {
        Ok(value) => value,
        Err(broken) => return Ok(Err(broken)),
    };
    if let (Some(target), Sql::Integer(id)) = (field.refers, &value) {
        if *id == 0 {
            return Ok(if field.required { Err(vec![Rule::plain("Required")]) } else { Ok(value) });
        }
        if !world.has_record(target, *id)? {
            return Ok(Err(vec![Rule::with("Exists", target)]));
        }
    }
    if let Some(list) = field.list
        && !takes(field, list, &value, world)?
    {
        return Ok(Err(vec![Rule::plain("In")]));
    }
    Ok(Ok(value))
}

fn takes(field: &Field, list: &str, value: &Sql, world: &dyn World) -> rusqlite::Result<bool> {
    let text = match value {
        Sql::Text(text) => text.clone(),
        Sql::Integer(number) => number.to_string(),
        Sql::Null | Sql::Real(_) | Sql::Blob(_) => return Ok(true),
    };
    let parts: Vec<&str> = match field.kind {
        FieldKind::MultiSelect => text.split(';').collect(),
        _ => vec![text.as_str()],
    };
    for part in parts.into_iter().map(str::trim).filter(|part| !part.is_empty()) {
        if !world.takes_value(list, part)? {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::{Purpose, World, check};
    use crate::sandbox::answer::{Refusal, Rule};
    use crate::sandbox::json::Json;
    use crate::sandbox::objects;

    struct Small;

    impl World for Small {
        fn has_record(&self, object: &str, id: i64) -> rusqlite::Result<bool> {
            Ok(object == "accounts" && id == 5)
        }

        fn takes_value(&self, list: &str, value: &str) -> rusqlite::Result<bool> {
            Ok(list != "accounttags" || value == "Export")
        }
    }

    fn broken(object: &str, body: &str, purpose: Purpose) -> Vec<(String, Vec<Rule>)> {
        let Ok(Json::Object(pairs)) = Json::parse(body) else { panic!("no object: {body}") };
        match check(objects::object(object).unwrap(), &pairs, purpose, &Small) {
            Ok(_) => Vec::new(),
            Err(Refusal::Invalid(complaints)) => complaints.into_iter().map(|c| (c.field, c.rules)).collect(),
            Err(other) => panic!("{other:?}"),
        }
    }

    fn one(field: &str, rule: Rule) -> Vec<(String, Vec<Rule>)> {
        vec![(field.to_owned(), vec![rule])]
    }

    #[test]
    fn all_fields_that_break_a_rule_are_listed() {
        let found = broken("contacts", r#"{"email":"x","birthday":"31/12/1999"}"#, Purpose::Create);
        let names: Vec<_> = found.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(names, ["accountid", "last", "email", "birthday"]);
    }

    #[test]
    fn required_means_there_on_create_and_not_blank_on_update() {
        assert_eq!(broken("accounts", "{}", Purpose::Create), one("name", Rule::plain("Required")));
        assert!(broken("accounts", "{}", Purpose::Update).is_empty());
        for blank in ["null", "\"\"", "\"  \""] {
            let body = format!("{{\"name\":{blank}}}");
            assert_eq!(broken("accounts", &body, Purpose::Update), one("name", Rule::plain("Required")));
        }
        assert_eq!(
            broken("contacts", r#"{"accountid":0}"#, Purpose::Update),
            one("accountid", Rule::plain("Required"))
        );
    }

    #[test]
    fn references_must_exist_unless_they_say_none() {
        assert!(broken("contacts", r#"{"accountid":"5"}"#, Purpose::Update).is_empty());
        assert_eq!(
            broken("contacts", r#"{"accountid":6}"#, Purpose::Update),
            one("accountid", Rule::with("Exists", "accounts"))
        );
        assert!(broken("activities", r#"{"accountid":0,"contactid":null}"#, Purpose::Update).is_empty());
    }

    #[test]
    fn values_outside_a_list_are_found_part_by_part() {
        assert!(broken("accounts", r#"{"tags":"Export"}"#, Purpose::Update).is_empty());
        assert_eq!(
            broken("accounts", r#"{"tags":"Export;Import"}"#, Purpose::Update),
            one("tags", Rule::plain("In"))
        );
    }

    #[test]
    fn unknown_and_read_only_fields_are_passed_over_and_the_last_of_two_counts() {
        assert!(broken("accounts", r#"{"id":"x","nosuch":[],"createddate":7}"#, Purpose::Update).is_empty());
        assert!(broken("accounts", r#"{"name":"","name":"Acme"}"#, Purpose::Create).is_empty());
    }
}
