//! The data dictionary's answer, in every form that the field notes can
//! imagine: no public sample of it exists.

use super::json::{Node, checked};
use super::lookup::values_of;
use crate::model::{Dictionary, Field, FieldKind, Lookup};

/// Most fields of one object.
const MOST_FIELDS: usize = 2_000;

/// The type of a field whose dictionary names none: handled as text without a limit.
const NO_TYPE: &str = "unspecified";

/// Why a dictionary cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the fields of {object} cannot be read: {why}")]
pub struct DictionaryFault {
    /// The object's API name.
    pub object: String,
    /// In plain words.
    pub why: String,
}

/// Reads an object's dictionary from the API's answer or from a hand-written text:
/// a list of fields, of `{metadata, record}` items, `{"fields": […]}`, an object
/// keyed by field name, or `{"record": …}` around one of these.
pub fn read_dictionary(object: &str, json: &str) -> Result<Dictionary, DictionaryFault> {
    let fault = |why| DictionaryFault { object: object.to_owned(), why };
    let text = checked(json.as_bytes()).map_err(fault)?;
    let node = Node::parse(text).map_err(fault)?;
    from_node(object, &node).map_err(fault)
}

/// The same, from JSON that is parsed already.
pub(super) fn from_node(object: &str, node: &Node) -> Result<Dictionary, String> {
    let mut fields: Vec<Field> = Vec::new();
    for entry in entries_of(node, 0)? {
        let field = field_of(&entry)?;
        if !fields.iter().any(|known| known.name == field.name) {
            fields.push(field);
        }
    }
    match fields.len() {
        0 => Err("it names no fields".to_owned()),
        1..=MOST_FIELDS => Ok(Dictionary::new(object, fields)),
        found => Err(format!("it names {found} fields, more than {MOST_FIELDS}")),
    }
}

/// A field's description, with its name where that stands outside.
struct Entry<'a> {
    name: Option<&'a str>,
    node: &'a Node,
}

/// Finds the descriptions of the fields, whatever is wrapped around them.
fn entries_of(node: &Node, depth: usize) -> Result<Vec<Entry<'_>>, String> {
    match node {
        Node::List(items) => Ok(items
            .iter()
            .map(|item| Entry { name: None, node: item.get("record").unwrap_or(item) })
            .collect()),
        Node::Object(entries) => {
            for key in ["fields", "list", "record", "data", "items"] {
                // A field may be called like a wrapper; a wrapper holds a list or an object of fields.
                if let Some(inside) = node.get(key).filter(|inside| depth < 4 && wraps(inside)) {
                    return entries_of(inside, depth + 1);
                }
            }
            keyed(entries)
        }
        Node::Null | Node::Bool(_) | Node::Number(_) | Node::Text(_) => {
            Err("it is not a list of fields".to_owned())
        }
    }
}

/// A list, or an object that is not itself the description of one field.
fn wraps(node: &Node) -> bool {
    match node {
        Node::List(_) => true,
        Node::Object(_) => Described(node).name().is_none() && Described(node).kind().is_none(),
        Node::Null | Node::Bool(_) | Node::Number(_) | Node::Text(_) => false,
    }
}

/// `{"name": {"type": "text"}, …}` or `{"name": "text", …}`
fn keyed(entries: &[(String, Node)]) -> Result<Vec<Entry<'_>>, String> {
    let mut out = Vec::new();
    for (name, node) in entries.iter().filter(|(name, _)| name != "metadata") {
        let described = match node {
            Node::Object(_) => true,
            // An error such as {"message": "…"} is not a dictionary.
            Node::Text(word) => !matches!(FieldKind::from_word(word), FieldKind::Other(_)),
            Node::Null | Node::Bool(_) | Node::Number(_) | Node::List(_) => false,
        };
        if !described {
            return Err("it is not a list of fields".to_owned());
        }
        out.push(Entry { name: Some(name), node });
    }
    Ok(out)
}

fn field_of(entry: &Entry<'_>) -> Result<Field, String> {
    let described = Described(entry.node);
    let name = match (entry.name, entry.node) {
        (Some(name), _) => name,
        (None, Node::Text(name)) => name,
        (None, _) => described.name().ok_or("one of its fields has no name")?,
    };
    if name.trim().is_empty() {
        return Err("one of its fields has no name".to_owned());
    }
    let word = match (entry.name, entry.node) {
        (Some(_), Node::Text(word)) => Some(word.as_str()),
        _ => described.kind(),
    };
    let mut field = Field::new(name, FieldKind::from_word(word.unwrap_or(NO_TYPE)));
    field.label = described
        .first(&["label", "description", "title"])
        .and_then(Node::as_word)
        .filter(|label| !label.trim().is_empty())
        .map(str::to_owned);
    field.required = described.flag(&["required", "mandatory"]).unwrap_or(false);
    field.read_only = is_read_only(name, described);
    let (size, decimals) = described.size();
    field.size = match size {
        Some(0) => None,
        Some(size) => Some(size),
        None => field.size,
    };
    field.decimals = described.decimals().or(decimals);
    field.lookup = lookup_of(described, word);
    Ok(field)
}

/// The id always; who made and changed a record and when, unless the dictionary says otherwise.
fn is_read_only(name: &str, described: Described<'_>) -> bool {
    let said =
        described.flag(&["readonly"]).or_else(|| described.flag(&["editable"]).map(|editable| !editable));
    match name {
        "id" => true,
        "createdby" | "modifiedby" | "createddate" | "modifieddate" => said.unwrap_or(true),
        _ => said.unwrap_or(false),
    }
}

/// A field's description, whose keys have many spellings.
#[derive(Clone, Copy)]
struct Described<'a>(&'a Node);

impl<'a> Described<'a> {
    /// The value of the first of these keys; keys compare without case, `_`, `-` and blanks.
    fn first(self, keys: &[&str]) -> Option<&'a Node> {
        let Node::Object(entries) = self.0 else { return None };
        keys.iter().find_map(|key| {
            entries
                .iter()
                .find(|(name, node)| letters(name) == *key && *node != Node::Null)
                .map(|(_, node)| node)
        })
    }

    fn name(self) -> Option<&'a str> {
        self.first(&["name", "field", "fieldname", "column", "key"]).and_then(Node::as_word)
    }

    fn kind(self) -> Option<&'a str> {
        self.first(&["type", "fieldtype", "datatype"]).and_then(Node::as_word).filter(|word| !word.is_empty())
    }

    fn flag(self, keys: &[&str]) -> Option<bool> {
        self.first(keys).and_then(as_flag)
    }

    /// Characters, and the decimals of a size such as `10,2`.
    fn size(self) -> (Option<u32>, Option<u32>) {
        let Some(word) = self.first(&["size", "max", "maxlength", "length"]).and_then(Node::as_word) else {
            return (None, None);
        };
        match word.split_once(',') {
            Some((size, decimals)) => (size.trim().parse().ok(), decimals.trim().parse().ok()),
            None => (word.trim().parse().ok(), None),
        }
    }

    fn decimals(self) -> Option<u32> {
        self.first(&["decimals", "decimalplaces", "scale"]).and_then(Node::as_word)?.trim().parse().ok()
    }
}

fn letters(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

/// `true`, 0 and 1, `"Yes"` and the like.
fn as_flag(node: &Node) -> Option<bool> {
    match node {
        Node::Bool(flag) => Some(*flag),
        Node::Number(text) | Node::Text(text) => match text.trim().to_lowercase().as_str() {
            "1" | "true" | "yes" | "y" | "on" | "required" | "mandatory" => Some(true),
            "" | "0" | "false" | "no" | "n" | "off" | "optional" => Some(false),
            _ => None,
        },
        Node::Null | Node::List(_) | Node::Object(_) => None,
    }
}

/// All that the description says about a list: that there is one, its name, its values.
fn lookup_of(described: Described<'_>, word: Option<&str>) -> Option<Lookup> {
    let of_list = word.is_some_and(|word| matches!(letters(word).as_str(), "lookup" | "dropdown" | "select"));
    let mut found = of_list.then(Lookup::default);
    for key in ["lookup", "lookuptable", "lookuplist", "list", "options"] {
        let Some(said) = described.first(&[key]).and_then(one_lookup) else { continue };
        let all = found.get_or_insert_default();
        all.list = all.list.take().or(said.list);
        all.values = all.values.take().or(said.values);
    }
    found
}

fn one_lookup(node: &Node) -> Option<Lookup> {
    match node {
        Node::List(items) if items.is_empty() => None,
        Node::List(items) => Some(Lookup { list: None, values: Some(values_of(items).ok()?) }),
        Node::Object(_) => {
            let inside = Described(node);
            let list = inside.first(&["name", "list", "lookup", "table", "title"]).and_then(Node::as_word);
            let values =
                ["values", "items", "list", "options"].iter().find_map(|key| match inside.first(&[key]) {
                    Some(Node::List(items)) => values_of(items).ok(),
                    _ => None,
                });
            Some(Lookup { list: list.filter(|name| !name.is_empty()).map(str::to_owned), values })
        }
        Node::Null => None,
        Node::Bool(_) | Node::Number(_) | Node::Text(_) => match as_flag(node) {
            Some(true) => Some(Lookup::default()),
            Some(false) => None,
            None => node.as_word().map(|name| Lookup { list: Some(name.to_owned()), values: None }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Dictionary {
        read_dictionary("accounts", json).unwrap_or_else(|fault| panic!("{fault}: {json}"))
    }

    fn only(description: &str) -> Field {
        read(&format!("[{description}]")).fields()[0].clone()
    }

    #[test]
    fn every_form_gives_the_same_fields() {
        let name = r#""name":"name","type":"text","required":true"#;
        let id = r#""name":"id","type":"number""#;
        let bare =
            |fields: &str| fields.replacen(r#""name":"name","#, "", 1).replacen(r#""name":"id","#, "", 1);
        for json in [
            format!(r#"[{{{id}}},{{{name}}}]"#),
            format!(r#"{{"fields":[{{{id}}},{{{name}}}]}}"#),
            format!(
                r#"{{"metadata":{{}},"list":[{{"metadata":{{}},"record":{{{id}}}}},{{"record":{{{name}}}}}]}}"#
            ),
            format!(r#"{{"id":{{{}}},"name":{{{}}}}}"#, bare(id), bare(name)),
            format!(r#"{{"metadata":{{"url":"x"}},"id":{{{}}},"name":{{{}}}}}"#, bare(id), bare(name)),
            format!(r#"{{"fields":{{"id":{{{}}},"name":{{{}}}}}}}"#, bare(id), bare(name)),
            format!(r#"{{"metadata":{{}},"record":{{"fields":[{{{id}}},{{{name}}}]}}}}"#),
            format!(r#"{{"record":[{{{id}}},{{{name}}}]}}"#),
            format!(r#"{{"record":{{"id":{{{}}},"name":{{{}}}}}}}"#, bare(id), bare(name)),
            format!(r#"{{"data":{{"fields":[{{{id}}},{{{name}}}]}}}}"#),
        ] {
            let dictionary = read(&json);
            let names: Vec<_> = dictionary.fields().iter().map(|f| f.name.as_str()).collect();
            assert_eq!(names, ["id", "name"], "{json}");
            let name = dictionary.get("name").unwrap();
            assert_eq!((&name.kind, name.required, name.size), (&FieldKind::Text, true, Some(100)), "{json}");
            assert!(dictionary.get("id").unwrap().read_only, "{json}");
        }
        let words = read(r#"{"id":"number","list":"text","name":"date"}"#);
        assert_eq!(words.get("list").unwrap().kind, FieldKind::Text);
    }

    #[test]
    fn every_spelling_of_a_key_is_understood() {
        for key in ["name", "field", "fieldname", "field_name", "column", "key", "Name"] {
            assert_eq!(only(&format!(r#"{{"{key}":"a/b"}}"#)).name, "a/b");
        }
        for key in ["type", "fieldtype", "field_type", "datatype", "dataType"] {
            assert_eq!(only(&format!(r#"{{"name":"a","{key}":"DateTime"}}"#)).kind, FieldKind::DateTime);
        }
        for key in ["size", "max", "maxlength", "max_length", "length"] {
            assert_eq!(only(&format!(r#"{{"name":"a","{key}":"40"}}"#)).size, Some(40));
            assert_eq!(only(&format!(r#"{{"name":"a","{key}":40}}"#)).size, Some(40));
        }
        for key in ["label", "description", "title"] {
            assert_eq!(only(&format!(r#"{{"name":"a","{key}":"A b"}}"#)).label.as_deref(), Some("A b"));
        }
    }

    #[test]
    fn yes_and_no_have_many_words() {
        for (value, flag) in [
            ("true", true),
            ("1", true),
            ("\"1\"", true),
            ("\"true\"", true),
            ("\"Yes\"", true),
            ("\"Y\"", true),
            ("false", false),
            ("0", false),
            ("\"0\"", false),
            ("\"No\"", false),
            ("\"\"", false),
            ("null", false),
        ] {
            for key in ["required", "mandatory"] {
                assert_eq!(
                    only(&format!(r#"{{"name":"a","{key}":{value}}}"#)).required,
                    flag,
                    "{key} {value}"
                );
            }
            for key in ["readonly", "read_only", "readOnly"] {
                assert_eq!(
                    only(&format!(r#"{{"name":"a","{key}":{value}}}"#)).read_only,
                    flag,
                    "{key} {value}"
                );
            }
            let editable = only(&format!(r#"{{"name":"a","editable":{value}}}"#));
            assert_eq!(editable.read_only, !flag && value != "null", "editable {value}");
        }
    }

    #[test]
    fn what_the_crm_fills_is_read_only() {
        assert!(only(r#"{"name":"id","readonly":false}"#).read_only);
        for name in ["createdby", "modifiedby", "createddate", "modifieddate"] {
            assert!(only(&format!(r#"{{"name":"{name}"}}"#)).read_only);
            assert!(!only(&format!(r#"{{"name":"{name}","readonly":0}}"#)).read_only);
            assert!(!only(&format!(r#"{{"name":"{name}","editable":"1"}}"#)).read_only);
        }
    }

    #[test]
    fn a_lookup_is_a_name_a_flag_or_the_values() {
        let none: Option<Lookup> = None;
        let bare = Some(Lookup::default());
        let named = |name: &str| Some(Lookup { list: Some(name.into()), values: None });
        let values = || Some(vec!["A".to_owned(), "B".to_owned()]);
        let valued = Some(Lookup { list: None, values: values() });
        let both = Some(Lookup { list: Some("types".into()), values: values() });
        for (said, wanted) in [
            (r#""lookup":"Account Types""#, named("Account Types")),
            (r#""lookup":true"#, bare.clone()),
            (r#""lookup":"1""#, bare.clone()),
            (r#""lookup":false"#, none.clone()),
            (r#""lookup":0"#, none.clone()),
            (r#""lookup":"""#, none.clone()),
            (r#""lookup":null"#, none.clone()),
            (r#""options":[]"#, none),
            (r#""lookup":17"#, named("17")),
            (r#""lookup_list":"types""#, named("types")),
            (r#""lookuptable":"types""#, named("types")),
            (r#""list":["A","B"]"#, valued.clone()),
            (r#""options":[{"value":"A","id":1},{"value":"B","id":2}]"#, valued),
            (r#""lookup":{"name":"types","values":["A","B"]}"#, both.clone()),
            (r#""lookup":{"list":"types","items":[{"value":"A"},{"value":"B"}]}"#, both.clone()),
            (r#""lookup":true,"lookuptable":"types","options":["A","B"]"#, both),
            (r#""type":"dropdown""#, bare),
        ] {
            assert_eq!(only(&format!(r#"{{"name":"a",{said}}}"#)).lookup, wanted, "{said}");
        }
    }

    #[test]
    fn sizes_may_hold_decimals_and_nought_means_no_limit() {
        let field = only(r#"{"name":"a","type":"decimal","size":"10,2"}"#);
        assert_eq!((field.size, field.decimals), (Some(10), Some(2)));
        assert_eq!(only(r#"{"name":"a","type":"number","decimals":"3"}"#).decimals, Some(3));
        assert_eq!(only(r#"{"name":"a","type":"text","size":0}"#).size, None);
        assert_eq!(only(r#"{"name":"a","type":"text","size":null}"#).size, Some(100));
        assert_eq!(only(r#"{"name":"a","type":"Rainbow"}"#).kind, FieldKind::Other("Rainbow".into()));
        assert_eq!(only(r#"{"name":"a"}"#).size, None);
    }

    #[test]
    fn what_is_no_dictionary_is_refused() {
        for json in [
            "",
            "null",
            "7",
            "\"text\"",
            "[]",
            "{}",
            "<html>",
            "[{}]",
            "[7]",
            r#"[{"type":"text"}]"#,
            r#"{"message":"Unauthenticated"}"#,
            r#"{"fields":[]}"#,
            r#"[{"name":""}]"#,
            r#"{"type":"Invalid Request error","code":500,"message":"x"}"#,
            r#"[{"name":"a","name":"b"}]"#,
        ] {
            assert!(read_dictionary("accounts", json).is_err(), "{json}");
        }
        let many: Vec<String> = (0..2_001).map(|n| format!("\"f{n}\"")).collect();
        assert!(read_dictionary("accounts", &format!("[{}]", many.join(","))).is_err());
    }

    #[test]
    fn a_name_that_stands_twice_keeps_its_first_place_and_odd_names_are_kept() {
        let dictionary = read(
            r#"[{"name":"a","type":"text"},{"name":"__proto__"},{"name":"../x"},{"name":"a","type":"date"}]"#,
        );
        assert_eq!(dictionary.fields().len(), 3);
        assert_eq!(dictionary.get("a").unwrap().kind, FieldKind::Text);
    }
}
