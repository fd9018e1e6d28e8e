//! The shapes of the API's answers (source: crm-api-v4.txt, "Examples").

use super::dictionary::Object;
use super::validate::Validation;
use crate::model::Value;

/// A status and a JSON body, or a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// JSON text.
    pub body: String,
    /// What is sent in its place.
    pub content: Option<Content>,
}

/// A document's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its name, where that is told.
    pub name: Option<String>,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// 200 with a body.
    pub fn ok(body: impl Into<String>) -> Self {
        Self { status: 200, body: body.into(), content: None }
    }

    /// An error as the document shows it.
    pub fn error(status: u16, kind: &str, message: &str) -> Self {
        let body = serde_json::json!({ "type": kind, "code": status, "message": message });
        Self { status, body: body.to_string(), content: None }
    }

    /// The bytes that are sent.
    pub fn bytes(&self) -> &[u8] {
        self.content.as_ref().map_or(self.body.as_bytes(), |content| &content.bytes)
    }

    /// 400: what was asked does not read.
    pub fn bad_request(message: &str) -> Self {
        Self::error(400, "Bad request error", message)
    }

    /// 404: no such record or address.
    pub fn not_found() -> Self {
        Self::error(404, "Not found error", "Record or page not found")
    }

    /// 405: this method is not for this address.
    pub fn not_allowed() -> Self {
        Self::error(405, "Not allowed error", "Please check the request type (GET, POST, PATCH, DELETE)")
    }

    /// 422: the rules that a record breaks.
    pub fn invalid(faults: &Validation) -> Self {
        let body = serde_json::json!({
            "type": "Validation error",
            "code": 422,
            "message": "The given data was invalid.",
            "validation": faults,
        });
        Self { status: 422, body: body.to_string(), content: None }
    }
}

fn text(value: &str) -> String {
    Value::Text(value.to_owned()).to_json()
}

/// A record's fields, and its lines where they were asked for.
pub fn record(object: &Object, values: &[Value], lines: Option<&str>) -> String {
    let mut out = String::from("{");
    for (at, (column, value)) in object.columns.iter().zip(values).enumerate() {
        if at > 0 {
            out.push(',');
        }
        out.push_str(&text(&column.field.name));
        out.push(':');
        value.write_json(&mut out);
    }
    if let Some(lines) = lines {
        out.push_str(",\"lines\":");
        out.push_str(lines);
    }
    out.push('}');
    out
}

/// A record with its metadata. A single one has no parent, one of a list has `/`.
pub fn item(object: &Object, id: &str, record: &str, in_list: bool) -> String {
    let (name, singular) = (&object.name, &object.singular);
    let parent = if in_list { "\"/\"" } else { "null" };
    format!(
        "{{\"metadata\":{{\"url\":\"/{name}/{id}\",\"list_url\":\"/{name}\",\"parent\":{parent},\
         \"object_type\":\"record\",\"record_type\":\"{singular}\"}},\"record\":{record}}}"
    )
}

/// A list with its metadata.
pub fn list(url: &str, total: u64, has_more: bool, items: &[String]) -> String {
    format!(
        "{{\"metadata\":{{\"url\":{},\"object_type\":\"list\",\"total_count\":{total},\"has_more\":{has_more}}},\
         \"list\":[{}]}}",
        text(url),
        items.join(",")
    )
}

/// An object's data dictionary as a list of fields.
pub fn dictionary(object: &Object) -> String {
    let name = &object.name;
    let items: Vec<String> = object
        .columns
        .iter()
        .map(|column| {
            let field = &column.field;
            let lookup = field.lookup.as_ref().and_then(|lookup| lookup.list.as_ref());
            let record = serde_json::json!({
                "name": field.name,
                "label": field.label,
                "type": field.kind.word(),
                "required": field.required,
                "readonly": field.read_only,
                "size": field.size,
                "decimals": field.decimals,
                "lookup": lookup,
            });
            format!(
                "{{\"metadata\":{{\"object_type\":\"record\",\"record_type\":\"field\"}},\"record\":{record}}}"
            )
        })
        .collect();
    list(&format!("/datadictionary/{name}"), items.len() as u64, false, &items)
}

/// A dropdown's values.
pub fn lookup(values: &[String], message: Option<&str>) -> String {
    let items: Vec<_> =
        values.iter().map(|value| serde_json::json!({ "value": value, "id": value })).collect();
    match message {
        Some(message) => serde_json::json!({ "message": message, "items": items }).to_string(),
        None => serde_json::json!({ "items": items }).to_string(),
    }
}
