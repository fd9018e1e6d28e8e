//! Dropdown lists: what the API answers, and what it is sent.

use super::json::{Node, checked};
use super::query::json_text;

/// Reads the values of a list: `{"items": [{"value", "id"}]}`, `{"list": […]}`,
/// or an array of texts or objects. Blank values and repeats are left out.
pub fn read_lookup(json: &str) -> Result<Vec<String>, String> {
    values_in(&Node::parse(checked(json.as_bytes())?)?, 0)
}

fn values_in(node: &Node, depth: usize) -> Result<Vec<String>, String> {
    let inside =
        ["items", "list", "values", "options", "record", "data"].iter().find_map(|key| node.get(key));
    match (node, inside) {
        (Node::List(items), _) => values_of(items),
        (_, Some(inside)) if depth < 4 => values_in(inside, depth + 1),
        _ => Err("it is not a list of values".to_owned()),
    }
}

/// The values of a list's items, each a text, a number, or an object with a `value`.
pub(super) fn values_of(items: &[Node]) -> Result<Vec<String>, String> {
    let mut out: Vec<String> = Vec::with_capacity(items.len());
    let mut seen = std::collections::HashSet::new();
    for item in items {
        let value = value_of(item).ok_or("one of its values cannot be read")?;
        if !value.trim().is_empty() && seen.insert(value) {
            out.push(value.to_owned());
        }
    }
    Ok(out)
}

fn value_of(item: &Node) -> Option<&str> {
    match item {
        Node::Null => Some(""),
        Node::Text(text) | Node::Number(text) => Some(text),
        Node::Object(_) => {
            let item = item.get("record").unwrap_or(item);
            ["value", "name", "label", "text", "id"]
                .iter()
                .find_map(|key| item.get(key))
                .and_then(value_of_key)
        }
        Node::Bool(_) | Node::List(_) => None,
    }
}

fn value_of_key(node: &Node) -> Option<&str> {
    if *node == Node::Null { Some("") } else { node.as_word() }
}

/// `{"items": ["Item 1", "Item 2"]}`
pub(super) fn append_body(values: &[String]) -> String {
    let items: Vec<String> = values.iter().map(|value| json_text(value)).collect();
    format!("{{\"items\":[{}]}}", items.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_gives_the_same_values() {
        for json in [
            r#"{"items":[{"value":"A","id":"1"},{"value":"B","id":2}]}"#,
            r#"{"metadata":{},"list":["A","B"]}"#,
            r#"{"list":[{"metadata":{},"record":{"id":1,"value":"A"}},{"record":{"id":2,"value":"B"}}]}"#,
            r#"{"metadata":{},"record":{"items":["A","B"]}}"#,
            r#"["A","B"]"#,
            r#"[{"value":"A"},{"name":"B"}]"#,
            r#"["A","","A",null," ","B"]"#,
            r#"{"message":"Lookup values added","items":[{"value":"A"},{"value":"B"}]}"#,
        ] {
            assert_eq!(read_lookup(json), Ok(vec!["A".to_owned(), "B".to_owned()]), "{json}");
        }
        assert_eq!(read_lookup("[1,2]"), Ok(vec!["1".to_owned(), "2".to_owned()]));
        assert_eq!(read_lookup("[]"), Ok(vec![]));
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for json in ["", "7", "{}", r#"{"message":"x"}"#, "[[1]]", "[true]", "[{}]", "<html>"] {
            assert!(read_lookup(json).is_err(), "{json}");
        }
    }

    #[test]
    fn values_are_sent_as_texts() {
        assert_eq!(append_body(&["A \"b\"".into(), "é".into()]), r#"{"items":["A \"b\"","é"]}"#);
    }
}
