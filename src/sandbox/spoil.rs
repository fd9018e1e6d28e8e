//! Answers that are not the API's, or not the whole truth.

use serde_json::{Map, Value as Json};

use super::envelope::Answer;

/// What a proxy or a sign-in page answers in the API's place.
pub const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head>\
                        <body><h1>Sign in</h1><p>Please sign in to go on.</p></body></html>\n";

/// Where a redirect leads: no such host can ever be (RFC 2606).
pub const ELSEWHERE: &str = "https://login.sandbox.invalid/login";

/// When the quota is used up, the body lacks what every answer has (source:
/// field notes, "Errors and limits").
pub fn quota_spent() -> Answer {
    let message = "API call limit exceeded for your account. Please contact your administrator";
    Answer::ok(serde_json::json!({ "message": message }).to_string())
}

/// A good answer made wrong, in one of three forms; `None` is a web page.
pub fn wrong(body: &str, variant: u64) -> Option<String> {
    let mut json: Json = serde_json::from_str(body).ok()?;
    let found = match variant % 3 {
        0 => false,
        1 => each(&mut json, &mut |object| match object.get_mut("record") {
            Some(Json::Object(record)) => record.remove("id").is_some(),
            _ => false,
        }),
        _ => each(&mut json, &mut |object| match object.get_mut("record_type") {
            Some(Json::String(kind)) => {
                *kind = if kind == "campaign" { "account" } else { "campaign" }.to_owned();
                true
            }
            _ => false,
        }),
    };
    // A deletion's answer has neither record nor type.
    found.then(|| json.to_string())
}

/// A good answer with another value in one of the fields that were sent.
pub fn echo(body: &str, sent: &[u8], variant: u64) -> Option<String> {
    let sent: Map<String, Json> = serde_json::from_slice(sent).ok()?;
    let mut json: Json = serde_json::from_str(body).ok()?;
    let record = json.get_mut("record")?.as_object_mut()?;
    let names: Vec<&String> =
        sent.keys().filter(|name| *name != "id" && record.contains_key(*name)).collect();
    let place = variant.checked_rem(names.len() as u64)?;
    let value = record.get_mut(names[usize::try_from(place).ok()?])?;
    *value = match value.as_str() {
        Some(text) => Json::from(format!("{text} (changed)")),
        None => Json::from(value.as_i64().map_or(1, |number| number.wrapping_add(1))),
    };
    Some(json.to_string())
}

/// The head of an answer and half of its body, as they go over the line: the
/// head promises all of it, or the body breaks off within a chunk.
pub fn truncated(answer: &Answer, reason: &str, variant: u64) -> Vec<u8> {
    let (status, body) = (answer.status, answer.bytes());
    let head = format!("HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\n");
    let half = &body[..body.len() / 2];
    let length = body.len();
    let promise = match variant % 2 {
        0 => format!("content-length: {length}\r\n\r\n"),
        _ => format!("transfer-encoding: chunked\r\n\r\n{length:x}\r\n"),
    };
    [head.as_bytes(), promise.as_bytes(), half].concat()
}

/// Runs `change` on every object; the answer says whether it changed any.
fn each(json: &mut Json, change: &mut dyn FnMut(&mut Map<String, Json>) -> bool) -> bool {
    match json {
        Json::Object(object) => {
            let mut found = change(object);
            for value in object.values_mut() {
                found |= each(value, change);
            }
            found
        }
        Json::Array(items) => items.iter_mut().fold(false, |found, item| each(item, change) | found),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str =
        r#"{"metadata":{"record_type":"account"},"record":{"id":7,"name":"A","vip":0,"x":null}}"#;

    #[test]
    fn a_wrong_answer_has_three_forms() {
        assert_eq!(wrong(BODY, 0), None);
        let idless: Json = serde_json::from_str(&wrong(BODY, 1).unwrap()).unwrap();
        assert!(idless["record"].get("id").is_none() && idless["record"]["name"] == "A");
        let other: Json = serde_json::from_str(&wrong(BODY, 2).unwrap()).unwrap();
        assert!(other["record"]["id"] == 7 && other["metadata"]["record_type"] == "campaign");
        let list = format!(r#"{{"metadata":{{}},"list":[{BODY},{BODY}]}}"#);
        assert!(!wrong(&list, 1).unwrap().contains("\"id\""));
        assert!(!wrong(&list, 2).unwrap().contains("\"account\""));
        assert_eq!((wrong("{}", 1), wrong("{}", 2)), (None, None));
    }

    #[test]
    fn an_echo_differs_in_one_field_that_was_sent() {
        let changed = |sent: &str| echo(BODY, sent.as_bytes(), 3);
        assert!(changed(r#"{"name":"A"}"#).unwrap().contains(r#""name":"A (changed)""#));
        assert!(changed(r#"{"vip":0}"#).unwrap().contains(r#""vip":1"#));
        assert!(changed(r#"{"x":""}"#).unwrap().contains(r#""x":1"#));
        assert_eq!(changed(r#"{"id":7,"unknown":1}"#), None);
        assert_eq!(echo("{}", b"", 3), None);
    }

    #[test]
    fn a_truncated_answer_promises_more_than_it_sends() {
        let answer = Answer::ok("0123456789".repeat(3));
        for (variant, promise) in [(0, "content-length: 30\r\n\r\n0123"), (1, "chunked\r\n\r\n1e\r\n0123")] {
            let text = String::from_utf8(truncated(&answer, "OK", variant)).unwrap();
            assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.contains(promise), "{text}");
            assert!(text.ends_with("01234"), "{text}");
        }
    }
}
