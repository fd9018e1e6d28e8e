//! The forms of the API's answers: one record, a list, nothing
//! (source: crm-api-v4.txt, "Examples").

use serde_json::value::RawValue;

use super::json::{Fields, checked, items, no_key_twice, text_of};
use super::records::{Builder, Records};
use super::{page, written};
use crate::model::{Record, RecordId, Value};

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The records, in the answer's order; their ids may repeat.
    pub records: Vec<Record>,
    /// How many records match in all, where the answer says.
    pub total: Option<u64>,
    /// Whether more follow, where the answer says.
    pub has_more: Option<bool>,
}

/// Why an answer with a good status is not what was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Odd {
    /// The API's own form for "your quota is used up", with its words.
    Quota(Option<String>),
    /// Anything else, in plain words.
    Form(String),
}

impl From<String> for Odd {
    fn from(why: String) -> Self {
        Self::Form(why)
    }
}

impl From<&str> for Odd {
    fn from(why: &str) -> Self {
        Self::Form(why.to_owned())
    }
}

/// The same with the records in one piece.
#[derive(Clone, Debug)]
pub(super) struct ReadPage {
    pub records: Records,
    pub total: Option<u64>,
    pub has_more: Option<bool>,
}

/// A list's answer with the records in one piece: in one go where it has the documented form, else
/// with the care of [`page`].
pub(super) fn read_page(object: &str, body: &[u8]) -> Result<ReadPage, Odd> {
    if let Some((records, total, has_more)) = page::read(object, text_of(body)?) {
        return Ok(ReadPage { records, total, has_more });
    }
    let Page { records, total, has_more } = page(object, body)?;
    let mut one = Builder::default();
    records.iter().try_for_each(|record| one.add(record)).ok_or("it is too large")?;
    Ok(ReadPage { records: one.done(), total, has_more })
}

/// A list's answer.
pub(super) fn page(object: &str, body: &[u8]) -> Result<Page, Odd> {
    let text = checked(body)?;
    let fields = Fields::parse(text)?;
    let Some(list) = fields.get("list") else {
        // When the quota is used up, `metadata` and `list` are both missing (source: field notes).
        return Err(match fields.get("metadata") {
            None => Odd::Quota(fields.text("message")),
            Some(_) => "it has no list".into(),
        });
    };
    let metadata = fields.get("metadata").map(Fields::parse).transpose()?;
    let records = items(list)?
        .into_iter()
        .map(|item| item_of_list(object, item.get()))
        .collect::<Result<Vec<_>, Odd>>()?;
    let number = |key| metadata.as_ref().and_then(|m| m.get(key)).and_then(as_count);
    let flag = |key| metadata.as_ref().and_then(|m| m.get(key)).and_then(as_flag);
    Ok(Page { records, total: number("total_count"), has_more: flag("has_more") })
}

/// The answer to reading one record: `None` for the API's "or nothing".
pub(super) fn one_or_none(object: &str, id: RecordId, body: &[u8]) -> Result<Option<Record>, Odd> {
    let text = checked(body)?;
    if matches!(text, "" | "null" | "{}" | "[]") {
        return Ok(None);
    }
    let fields = Fields::parse(text)?;
    if is_quota(&fields) {
        return Err(Odd::Quota(fields.text("message")));
    }
    let nothing = |raw: &str| matches!(raw, "null" | "{}" | "[]");
    if fields.get("record").is_some_and(nothing)
        || (fields.get("record").is_none() && fields.get("list").is_some_and(|raw| raw == "[]"))
    {
        return Ok(None);
    }
    let record = envelope(object, &fields)?;
    if record.id != id {
        return Err(Odd::Form(format!("it is record {}, not record {id}", record.id)));
    }
    Ok(Some(record))
}

/// The answer to a create (`id` is `None`) or an update.
pub(super) fn written(object: &str, id: Option<RecordId>, status: u16, body: &[u8]) -> Result<Record, Odd> {
    match written::read(text_of(body)?) {
        Some((metadata, record)) if fits(object, metadata).is_ok() && id.is_none_or(|id| id == record.id) => {
            Ok(record)
        }
        _ => by_care(object, id, status, body),
    }
}

/// The same, whatever form the answer has.
pub(super) fn by_care(object: &str, id: Option<RecordId>, status: u16, body: &[u8]) -> Result<Record, Odd> {
    let text = checked(body)?;
    let fields = Fields::parse(text)?;
    // 201 means "created", whatever the body: never a quota.
    if status == 200 && is_quota(&fields) {
        return Err(Odd::Quota(fields.text("message")));
    }
    let record = envelope(object, &fields)?;
    match id {
        Some(id) if id != record.id => Err(Odd::Form(format!("it is record {}, not record {id}", record.id))),
        _ => Ok(record),
    }
}

/// Without metadata, list and record, and speaking of a limit: the quota's answer,
/// told from a broken one because a broken one may hide a stored record.
pub(super) fn is_quota(fields: &Fields<'_>) -> bool {
    const WORDS: [&str; 6] = ["limit", "quota", "exceed", "allowance", "usage", "too many"];
    let bare =
        ["metadata", "list", "record", "items", "fields", "id"].iter().all(|key| fields.get(key).is_none());
    bare && fields.text("message").is_some_and(|message| {
        let message = message.to_lowercase();
        WORDS.iter().any(|word| message.contains(word))
    })
}

/// `{"metadata": {...}, "record": {...}}`
fn envelope(object: &str, fields: &Fields<'_>) -> Result<Record, Odd> {
    let record = fields.get("record").ok_or("it has no record")?;
    if let Some(metadata) = fields.get("metadata") {
        fits(object, metadata)?;
    }
    record_of(record)
}

/// Refuses what is no single record, or one of another object.
fn fits(object: &str, metadata: &str) -> Result<(), Odd> {
    let metadata = Fields::parse(metadata).map_err(|_| "its metadata cannot be read")?;
    if metadata.text("object_type").is_some_and(|kind| kind != "record") {
        return Err("it is not a single record".into());
    }
    if is_foreign(object, &metadata) {
        return Err("it is a record of another object".into());
    }
    Ok(())
}

/// An item of a list. Only what certainly belongs to another object is refused:
/// the names of record types are not documented, and reading must go on.
fn item_of_list(object: &str, item: &str) -> Result<Record, Odd> {
    let fields = Fields::parse(item)?;
    let record = fields.get("record").ok_or("an item of its list has no record")?;
    let kind = fields.get("metadata").and_then(|m| Fields::parse(m).ok()).and_then(|m| m.text("record_type"));
    if kind.is_some_and(|kind| is_of_another(object, &kind)) {
        return Err("its list holds a record of another object".into());
    }
    record_of(record)
}

fn record_of(text: &str) -> Result<Record, Odd> {
    let fields = Fields::parse(text)?;
    let id = fields.get("id").and_then(id_of).ok_or("a record in it has no valid id")?;
    let fields = fields
        .0
        .into_iter()
        .map(|(name, raw)| value_of(raw).map(|value| (name, value)))
        .collect::<Result<Vec<_>, Odd>>()?;
    Ok(Record { id, fields })
}

fn value_of(raw: &RawValue) -> Result<Value, Odd> {
    no_key_twice(raw.get())?;
    Value::from_json(raw.get()).map_err(|_| "a value in it cannot be read".into())
}

/// A whole number from 1 to 2^53, bare or in quotes; not `1.0`, not `1e3`.
pub(super) fn id_of(raw: &str) -> Option<RecordId> {
    let digits = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(raw);
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten().and_then(RecordId::new)
}

pub(super) fn as_count(raw: &str) -> Option<u64> {
    raw.trim_matches('"').parse().ok()
}

pub(super) fn as_flag(raw: &str) -> Option<bool> {
    match raw.trim_matches('"') {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// The objects of the API, to know their record types from those of custom tables.
const OBJECTS: [&str; 12] = [
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
    "opportunitylines",
    "users",
];

/// Whether the metadata speak of another object than the one asked.
fn is_foreign(object: &str, metadata: &Fields<'_>) -> bool {
    let Some(kind) = metadata.text("record_type").filter(|kind| !kind.is_empty()) else {
        return url_is_foreign(object, metadata);
    };
    if is_of_another(object, &kind) {
        return true;
    }
    let (own, kind) = (singular(&letters(object)), singular(&letters(&kind)));
    if own == kind || own.contains(&kind) || kind.contains(&own) {
        return false;
    }
    // An unheard-of type: refused for the objects we know; a custom table may call itself anything.
    OBJECTS.contains(&letters(object).as_str()) || url_is_foreign(object, metadata)
}

/// Whether a record type is certainly that of another object of the API.
pub(super) fn is_of_another(object: &str, kind: &str) -> bool {
    let (own, kind) = (singular(&letters(object)), singular(&letters(kind)));
    own != kind && OBJECTS.iter().any(|other| singular(other) == kind)
}

fn url_is_foreign(object: &str, metadata: &Fields<'_>) -> bool {
    let Some(url) = metadata.text("list_url").or_else(|| metadata.text("url")) else { return false };
    let mut parts = url.split('/').filter(|part| !part.is_empty());
    // `url` names the list in the singular in the document's own example.
    parts.next().is_some_and(|list| {
        !parts.any(|part| singular(&letters(part)) == singular(&letters(object)))
            && singular(&letters(list)) != singular(&letters(object))
    })
}

fn letters(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn singular(name: &str) -> String {
    match name.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => name.strip_suffix('s').unwrap_or(name).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> RecordId {
        RecordId::new(number).unwrap()
    }

    fn envelope_text(kind: &str, record: &str) -> String {
        format!(
            r#"{{"metadata":{{"url":"/accounts/7","list_url":"/accounts","object_type":"record","record_type":"{kind}"}},"record":{record}}}"#
        )
    }

    #[test]
    fn a_record_keeps_order_digits_and_nested_values() {
        let text = envelope_text(
            "account",
            r#"{"id":7,"z":0.10,"addresscounty/state":"","n":null,"lines":[{"id":1,"q":1.50}],"big":12345678901234567890}"#,
        );
        let record = written("accounts", None, 201, text.as_bytes()).unwrap();
        assert_eq!(record.id, id(7));
        let names: Vec<_> = record.fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["id", "z", "addresscounty/state", "n", "lines", "big"]);
        assert_eq!(record.get("lines"), Some(&Value::Json(r#"[{"id":1,"q":1.50}]"#.into())));
        assert_eq!(record.get("big").unwrap().to_json(), "12345678901234567890");
    }

    #[test]
    fn only_a_good_id_makes_a_record() {
        for good in ["7", "\"7\"", "9007199254740992"] {
            let text = envelope_text("account", &format!(r#"{{"id":{good}}}"#));
            assert!(written("accounts", None, 201, text.as_bytes()).is_ok(), "{good}");
        }
        for bad in [
            "0",
            "-7",
            "7.0",
            "7.5",
            "7e0",
            "\"\"",
            "\"7a\"",
            "\" 7\"",
            "\"+7\"",
            "null",
            "true",
            "[7]",
            "9007199254740993",
            "99999999999999999999",
        ] {
            let text = envelope_text("account", &format!(r#"{{"id":{bad}}}"#));
            assert!(written("accounts", None, 201, text.as_bytes()).is_err(), "{bad}");
        }
        let text = envelope_text("account", r#"{"name":"x"}"#);
        assert!(written("accounts", None, 201, text.as_bytes()).is_err());
    }

    #[test]
    fn an_answer_that_is_no_record_is_never_a_success() {
        for body in [
            "",
            "null",
            "[]",
            "{}",
            "<html><body>Login</body></html>",
            "{\"metadata\":{},\"record\":null}",
            "{\"metadata\":{},\"record\":[]}",
            "{\"record\":{\"id\":7,\"id\":8}}",
            "{\"record\":{\"id\":7,\"lines\":[{\"a\":1,\"a\":2}]}}",
            "{\"record\":{\"id\":7,\"name\":\"\\ud800\"}}",
            "{\"record\":{\"id\":7,\"name\":NaN}}",
            "{\"record\":{\"id\":7",
            "{\"metadata\":{\"object_type\":\"list\"},\"list\":[]}",
            "{\"message\":\"Created\"}",
        ] {
            assert!(matches!(written("accounts", None, 201, body.as_bytes()), Err(Odd::Form(_))), "{body}");
        }
    }

    #[test]
    fn another_record_type_or_id_is_not_the_record_asked_for() {
        for (object, kind, good) in [
            ("accounts", "account", true),
            ("accounts", "accounts", true),
            ("accounts", "Account", true),
            ("accounts", "contact", false),
            ("accounts", "unicorn", false),
            ("opportunity_lines", "opportunity_line", true),
            ("opportunity_lines", "opportunityline", true),
            ("opportunity_lines", "opportunity", false),
            ("activities", "activity", true),
            ("cases", "supportcase", true),
            ("campaigndetails", "campaign", false),
            ("policies", "policy", true),
            ("accounts", "", true),
        ] {
            let text = envelope_text(kind, r#"{"id":7}"#);
            assert_eq!(
                written(object, None, 201, text.as_bytes()).is_ok(),
                good || object == "accounts" && kind.is_empty(),
                "{object} {kind}"
            );
        }
        let text = envelope_text("account", r#"{"id":7}"#);
        assert!(written("accounts", Some(id(7)), 200, text.as_bytes()).is_ok());
        assert!(written("accounts", Some(id(8)), 200, text.as_bytes()).is_err());
        assert!(one_or_none("accounts", id(8), text.as_bytes()).is_err());
        let foreign = r#"{"metadata":{"url":"/contacts/7"},"record":{"id":7}}"#;
        assert!(written("accounts", None, 201, foreign.as_bytes()).is_err());
        let sub = r#"{"metadata":{"list_url":"/accounts/1/contacts"},"record":{"id":7}}"#;
        assert!(written("contacts", None, 201, sub.as_bytes()).is_ok());
    }

    #[test]
    fn nothing_is_nothing() {
        for body in [
            "",
            " \n",
            "null",
            "{}",
            "[]",
            r#"{"metadata":{},"record":null}"#,
            r#"{"metadata":{},"list":[]}"#,
        ] {
            assert_eq!(one_or_none("accounts", id(7), body.as_bytes()), Ok(None), "{body}");
        }
    }

    #[test]
    fn a_list_has_records_a_total_and_more() {
        let body = r#"{"metadata":{"url":"/account","object_type":"list","total_count":"100","has_more":true},
            "list":[{"metadata":{"record_type":"account"},"record":{"id":2}},{"record":{"id":"1"}}]}"#;
        let page = page("accounts", body.as_bytes()).unwrap();
        assert_eq!((page.total, page.has_more), (Some(100), Some(true)));
        assert_eq!(page.records.iter().map(|r| r.id.get()).collect::<Vec<_>>(), [2, 1]);
        let bare = super::page("accounts", br#"{"list":[]}"#).unwrap();
        assert_eq!((bare.total, bare.has_more, bare.records.len()), (None, None, 0));
        let wrong =
            super::page("accounts", br#"{"metadata":{"total_count":-1,"has_more":"?"},"list":[]}"#).unwrap();
        assert_eq!((wrong.total, wrong.has_more), (None, None));
    }

    #[test]
    fn a_list_with_a_foreign_or_idless_record_is_refused() {
        for body in [
            r#"{"metadata":{},"list":[{"metadata":{"record_type":"contact"},"record":{"id":2}}]}"#,
            r#"{"metadata":{},"list":[{"record":{"name":"x"}}]}"#,
            r#"{"metadata":{},"list":[{"id":2}]}"#,
            r#"{"metadata":{},"list":[7]}"#,
            r#"{"metadata":{},"list":{}}"#,
            r#"{"metadata":{}}"#,
            "[]",
        ] {
            assert!(matches!(page("accounts", body.as_bytes()), Err(Odd::Form(_))), "{body}");
        }
    }

    #[test]
    fn a_used_up_quota_is_told_from_a_broken_answer() {
        let body = br#"{"message":"API call limit reached"}"#;
        let quota = || Odd::Quota(Some("API call limit reached".into()));
        assert_eq!(page("accounts", body), Err(quota()));
        assert_eq!(one_or_none("accounts", id(1), body), Err(quota()));
        assert_eq!(written("accounts", None, 200, body), Err(quota()));
        assert!(matches!(written("accounts", None, 201, body), Err(Odd::Form(_))));
        assert!(matches!(written("accounts", None, 200, br#"{"message":"ok"}"#), Err(Odd::Form(_))));
        assert_eq!(page("accounts", b"{}"), Err(Odd::Quota(None)));
    }
}
