//! From a status and a body to an error, or to "good": the one place that
//! reads status codes (source: crm-api-v4.txt, "Response status codes", and
//! field notes, "Errors and limits").

use std::time::Duration;

use super::errors::{CrmError, FieldFault};
use super::json::{Node, checked};
use super::token::Token;

/// Most characters of server text that are kept.
const KEPT: usize = 500;

/// What came back, as far as it came.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub status: u16,
    /// The body, decompressed.
    pub body: Vec<u8>,
    /// Why the body is not whole, if it is not.
    pub cut: Option<Cut>,
    /// The wait that `Retry-After` asks for.
    pub retry_after: Option<Duration>,
    /// The host that `Location` names.
    pub location: Option<String>,
    /// Its `Content-Type`.
    pub kind: Option<String>,
    /// The name that it gives a file.
    pub file_name: Option<String>,
}

/// Why a body ends early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// The connection ended, or the encoding is broken.
    Lost,
    /// The deadline passed.
    Late(Duration),
    /// The cap, in bytes.
    TooLarge(u64),
}

/// `Ok` for 200 and 201 with a whole body (and 204, which has none), else the error.
pub(super) fn judge(answer: &Answer, token: &Token) -> Result<(), CrmError> {
    let status = answer.status;
    if matches!(status, 200 | 201) {
        return whole(answer);
    }
    let said = Said::read(&answer.body, token);
    let message = said.message;
    Err(match status {
        204 => return Ok(()),
        300..=399 => {
            CrmError::Redirected { status, to: answer.location.as_deref().map(|host| token.redact(host)) }
        }
        401..=403 => CrmError::TokenRefused { status, message },
        // One that breaks off in the middle of the API's form is the API's as well.
        404 => CrmError::NotFound { message, by_api: said.by_api || is_broken_json(answer) },
        422 => CrmError::Invalid { message, faults: said.faults },
        429 => CrmError::RateLimited { wait: answer.retry_after, message },
        // The server gave up on the request; how much of it arrived is not known.
        408 => CrmError::ServerError { status, message },
        400..=499 => CrmError::Refused { status, message },
        500 if said.unknown_object => CrmError::UnknownObject { message },
        500 if said.invalid_request => CrmError::InvalidRequest { message },
        502..=504 => CrmError::Unavailable { status, wait: answer.retry_after, message },
        500..=599 => CrmError::ServerError { status, message },
        _ => unexpected(answer, "the API has no such status", token),
    })
}

fn is_broken_json(answer: &Answer) -> bool {
    answer.cut.is_some() && matches!(answer.body.trim_ascii().first(), None | Some(b'{'))
}

fn whole(answer: &Answer) -> Result<(), CrmError> {
    match answer.cut {
        None => Ok(()),
        Some(Cut::Lost) => Err(CrmError::Unexpected {
            status: answer.status,
            why: "it ends in the middle".to_owned(),
            excerpt: String::new(),
        }),
        Some(Cut::Late(after)) => Err(CrmError::TimedOut { after }),
        Some(Cut::TooLarge(limit)) => Err(CrmError::TooLarge { limit }),
    }
}

/// An answer with a good status that is not the API's.
pub(super) fn unexpected(answer: &Answer, why: &str, token: &Token) -> CrmError {
    CrmError::Unexpected { status: answer.status, why: why.to_owned(), excerpt: excerpt(&answer.body, token) }
}

/// How a body begins, without the token.
pub(super) fn excerpt(body: &[u8], token: &Token) -> String {
    // The token is taken out before the cut, or half of it could be left standing.
    cut(&token.redact(String::from_utf8_lossy(body).trim()))
}

fn cut(text: &str) -> String {
    text.chars().take(KEPT).collect()
}

/// What an error body says, in whichever form.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    message: Option<String>,
    faults: Vec<FieldFault>,
    unknown_object: bool,
    invalid_request: bool,
    /// Nothing, or JSON.
    by_api: bool,
}

impl Said {
    fn read(body: &[u8], token: &Token) -> Self {
        let clean = |text: &str| cut(&token.redact(text));
        let Some(node) = checked(body).ok().and_then(|text| Node::parse(text).ok()) else {
            let text = token.redact(&from_page(&String::from_utf8_lossy(body)));
            let text: String = text.chars().take(200).collect();
            let by_api = body.trim_ascii().is_empty();
            return Self { message: (!text.is_empty()).then_some(text), by_api, ..Self::default() };
        };
        let message = message_of(&node);
        let kind = node.get("type").and_then(Node::as_word).unwrap_or_default().to_lowercase();
        let lower = message.unwrap_or_default().to_lowercase();
        let mut faults = Vec::new();
        for key in ["validation", "errors"] {
            if faults.is_empty()
                && let Some(Node::Object(fields)) = node.get(key)
            {
                for (field, rules) in fields {
                    add_faults(field, rules, &clean, &mut faults);
                }
            }
        }
        Self {
            message: message.map(clean).filter(|text| !text.is_empty()),
            faults,
            unknown_object: lower.starts_with("invalid record type"),
            invalid_request: kind.starts_with("invalid request"),
            by_api: true,
        }
    }
}

/// `{"message": …}`, `{"error": …}`, `{"error": {"message": …}}`, or a bare text.
fn message_of(node: &Node) -> Option<&str> {
    match node {
        Node::Text(text) => Some(text),
        Node::Object(_) => {
            node.get("message").and_then(Node::as_word).or_else(|| node.get("error").and_then(message_of))
        }
        Node::Null | Node::Bool(_) | Node::Number(_) | Node::List(_) => None,
    }
}

/// A proxy's HTML page as one line: its title, else its text.
fn from_page(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let title = lower.find("<title>").and_then(|start| {
        let start = start + "<title>".len();
        let end = lower.get(start..)?.find("</title>")?;
        text.get(start..start + end)
    });
    let mut out = String::new();
    let mut in_tag = false;
    for c in title.unwrap_or(text).chars() {
        match c {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                out.push(' ');
            }
            c if !in_tag => out.push(c),
            _ => {}
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Reads `[{"Required": []}]`, `{"Max": ["100"]}`, `["a sentence"]` and `"a sentence"`.
fn add_faults(field: &str, rules: &Node, clean: &impl Fn(&str) -> String, out: &mut Vec<FieldFault>) {
    let mut add = |rule: &str, params: Vec<String>, message: Option<String>| {
        out.push(FieldFault { field: clean(field), rule: clean(rule), params, message });
    };
    match rules {
        Node::List(all) if !all.is_empty() => all.iter().for_each(|one| add_faults(field, one, clean, out)),
        Node::Object(named) if !named.is_empty() => {
            for (rule, params) in named {
                add(rule, params_of(params, clean), None);
            }
        }
        Node::Text(text) => match as_rule(text) {
            Some((rule, params)) => add(rule, params.map(clean).collect(), None),
            None => add("Invalid", Vec::new(), Some(clean(text))),
        },
        Node::List(_) | Node::Object(_) | Node::Null | Node::Bool(_) | Node::Number(_) => {
            add("Invalid", Vec::new(), None);
        }
    }
}

fn params_of(node: &Node, clean: &impl Fn(&str) -> String) -> Vec<String> {
    match node {
        Node::List(all) => all.iter().filter_map(Node::as_word).map(clean).collect(),
        Node::Text(text) | Node::Number(text) => vec![clean(text)],
        Node::Object(named) => named.iter().filter_map(|(_, node)| node.as_word()).map(clean).collect(),
        Node::Null | Node::Bool(_) => Vec::new(),
    }
}

/// `Required` and `max:100` are rules; `The name is required.` is a sentence.
fn as_rule(text: &str) -> Option<(&str, impl Iterator<Item = &str>)> {
    let (rule, params) = text.split_once(':').unwrap_or((text, ""));
    let plain = !rule.is_empty() && rule.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    plain.then(|| (rule, params.split(',').map(str::trim).filter(|param| !param.is_empty())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crm::NextStep;

    fn token() -> Token {
        Token::new("s3cret-canary").unwrap()
    }

    fn error(status: u16, body: &str) -> CrmError {
        let answer = Answer { status, body: body.as_bytes().to_vec(), ..Answer::default() };
        judge(&answer, &token()).unwrap_err()
    }

    fn faults(body: &str) -> Vec<(String, String, Vec<String>, Option<String>)> {
        match error(422, body) {
            CrmError::Invalid { faults, .. } => {
                faults.into_iter().map(|f| (f.field, f.rule, f.params, f.message)).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_status_has_its_next_step() {
        let invalid = r#"{"type":"Invalid Request error","code":500,"message":"Something else"}"#;
        let object =
            r#"{"type":"Invalid Request error","code":500,"message":"Invalid record type (accountss)"}"#;
        for (status, body, step) in [
            (202, "{}", NextStep::LookUpFirst),
            (206, "{}", NextStep::LookUpFirst),
            (299, "{}", NextStep::LookUpFirst),
            (301, "", NextStep::StopRun),
            (302, "", NextStep::StopRun),
            (304, "", NextStep::StopRun),
            (307, "", NextStep::StopRun),
            (308, "", NextStep::StopRun),
            (400, "", NextStep::RejectRow),
            (401, "", NextStep::StopRun),
            (402, "", NextStep::StopRun),
            (403, r#"{"message":"Unauthenticated"}"#, NextStep::StopRun),
            (404, "", NextStep::RejectRow),
            (405, "", NextStep::RejectRow),
            (408, "", NextStep::LookUpFirst),
            (409, "", NextStep::RejectRow),
            (413, "", NextStep::RejectRow),
            (418, "", NextStep::RejectRow),
            (422, "", NextStep::RejectRow),
            (429, "", NextStep::RetryAsIs),
            (500, "", NextStep::LookUpFirst),
            (500, r#"{"type":"Server error","message":"Oops"}"#, NextStep::LookUpFirst),
            (500, invalid, NextStep::StopRun),
            (500, object, NextStep::StopRun),
            (500, r#"{"message":"Invalid record type (x)"}"#, NextStep::StopRun),
            (501, "", NextStep::LookUpFirst),
            (502, "<html>", NextStep::LookUpFirst),
            (503, "", NextStep::LookUpFirst),
            (504, "", NextStep::LookUpFirst),
            (505, "", NextStep::LookUpFirst),
            (600, "", NextStep::LookUpFirst),
            (999, "", NextStep::LookUpFirst),
        ] {
            assert_eq!(error(status, body).next_step(), step, "{status} {body}");
        }
        assert!(matches!(error(500, object), CrmError::UnknownObject { .. }));
        assert!(matches!(error(500, invalid), CrmError::InvalidRequest { .. }));
    }

    #[test]
    fn validation_is_read_in_every_form() {
        let one = |rule: &str, params: &[&str], message: Option<&str>| {
            let params = params.iter().map(|p| (*p).to_owned()).collect();
            vec![("name".to_owned(), rule.to_owned(), params, message.map(str::to_owned))]
        };
        for (rules, wanted) in [
            (r#"[{"Required":[]}]"#, one("Required", &[], None)),
            (r#"{"Required":[]}"#, one("Required", &[], None)),
            (r#"{"Max":["100"]}"#, one("Max", &["100"], None)),
            (r#"{"Max":100}"#, one("Max", &["100"], None)),
            (r#"{"Max":"100"}"#, one("Max", &["100"], None)),
            (r#"{"Between":{"min":1,"max":2}}"#, one("Between", &["1", "2"], None)),
            (r#"{"Required":null}"#, one("Required", &[], None)),
            (r#"["required"]"#, one("required", &[], None)),
            (r#""max:100""#, one("max", &["100"], None)),
            (r#""The name is required.""#, one("Invalid", &[], Some("The name is required."))),
            (r#"["The name is required."]"#, one("Invalid", &[], Some("The name is required."))),
            ("[]", one("Invalid", &[], None)),
            ("null", one("Invalid", &[], None)),
            ("true", one("Invalid", &[], None)),
        ] {
            assert_eq!(faults(&format!(r#"{{"validation":{{"name":{rules}}}}}"#)), wanted, "{rules}");
        }
        let two = faults(r#"{"validation":{"a":[{"Required":[]},{"Max":[5]}],"b":"x y"}}"#);
        assert_eq!(two.iter().map(|f| f.1.as_str()).collect::<Vec<_>>(), ["Required", "Max", "Invalid"]);
        assert_eq!(faults(r#"{"message":"m","errors":{"a":["required"]}}"#).len(), 1);
        assert_eq!(faults(r#"{"validation":["x"]}"#).len(), 0);
        assert_eq!(faults("<html>").len(), 0);
    }

    #[test]
    fn messages_are_found_cut_and_rid_of_the_token() {
        let message = |body: &str| match error(400, body) {
            CrmError::Refused { message, .. } => message.unwrap_or_default(),
            other => panic!("{other:?}"),
        };
        assert_eq!(message(r#"{"message":"no s3cret-canary"}"#), "no <hidden>");
        assert_eq!(message(r#"{"error":{"message":"no"}}"#), "no");
        assert_eq!(message(r#"{"error":"no"}"#), "no");
        assert_eq!(message(r#""no""#), "no");
        assert_eq!(message(r#"{"message":"s3cret\u002dcanary"}"#), "<hidden>");
        assert_eq!(
            message("<html><head><title>502 Bad\nGateway</title></head><body>x</body>"),
            "502 Bad Gateway"
        );
        assert_eq!(message("<p>Hello <b>you</b></p>"), "Hello you");
        assert_eq!(message("plain s3cret-canary"), "plain <hidden>");
        let long = format!(r#"{{"message":"{}s3cret-canary"}}"#, "x".repeat(495));
        assert_eq!(message(&long).chars().count(), 500);
        assert!(!message(&long).contains("s3"));
    }

    #[test]
    fn a_body_that_ends_early_is_in_doubt_only_where_it_matters() {
        let cut = |status, cut| {
            let answer = Answer { status, body: b"{\"mess".to_vec(), cut: Some(cut), ..Answer::default() };
            judge(&answer, &token()).unwrap_err()
        };
        assert!(matches!(cut(201, Cut::Lost), CrmError::Unexpected { .. }));
        assert!(matches!(cut(200, Cut::Late(Duration::from_secs(1))), CrmError::TimedOut { .. }));
        assert!(matches!(cut(200, Cut::TooLarge(1)), CrmError::TooLarge { .. }));
        assert!(matches!(cut(422, Cut::Lost), CrmError::Invalid { .. }));
        assert!(matches!(cut(404, Cut::Lost), CrmError::NotFound { by_api: true, .. }));
        assert!(matches!(cut(500, Cut::Late(Duration::from_secs(1))), CrmError::ServerError { .. }));
    }
}
