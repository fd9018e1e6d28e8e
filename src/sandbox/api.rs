//! Requests and answers of the API, without HTTP.

use rusqlite::types::Value as Sql;
use serde_json::{Map, Value as Json};

use super::PageBase;
use super::database::{Database, Slice};
use super::dictionary::{Object, object};
use super::envelope::{self, Answer, Content};
use super::filter::{Condition, condition, order};
use super::lag::Lag;
use super::ledger::Entry;
use super::validate::{Stored, validate};
use crate::model::Value;

/// Who changes records, as `createdby` and `modifiedby` show it.
const ACTOR: &str = "Sandbox User";

/// One request, decoded.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `GET`, `POST`, `PATCH`, `DELETE`, or anything else.
    pub method: String,
    /// The path's segments, percent-decoded, without empty ones.
    pub path: Vec<String>,
    /// The query's keys and values, decoded.
    pub query: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Whether the body was a form.
    pub is_form: bool,
    /// The file that came with a form.
    pub upload: Option<Upload>,
}

/// A file on its way in.
#[derive(Clone, Debug)]
pub struct Upload {
    /// As the client calls it.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl Request {
    fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn wants_lines(&self) -> bool {
        matches!(self.parameter("lines"), Some("true" | "1"))
    }
}

/// The API over a database.
#[derive(Debug)]
pub struct Api {
    /// The records.
    pub database: Database,
    /// The number of the first page.
    pub page_base: PageBase,
    /// Which records are too new to be read.
    pub lag: Lag,
}

/// An early answer is an error of this kind.
type Outcome = Result<Answer, Answer>;

impl From<rusqlite::Error> for Answer {
    fn from(error: rusqlite::Error) -> Self {
        Self::error(500, "Server error", &format!("The embedded CRM's database failed: {error}"))
    }
}

impl Api {
    /// Answers a request whose token is right.
    pub fn answer(&mut self, request: &Request) -> Answer {
        let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
        let outcome = match path.as_slice() {
            ["datadictionary", name] => self.dictionary(request, name),
            ["lookup", name, field @ ..] if !field.is_empty() => self.lookup(request, name, &field.join("/")),
            ["lookup", list] => self.append(request, list),
            [name] => self.collection(request, name),
            [name, id] => self.record(request, name, id),
            ["documents", id, "content"] => self.content(request, id),
            [name, id, children] => self.children(request, name, id, children),
            _ => Err(Answer::not_found()),
        };
        outcome.unwrap_or_else(|answer| answer)
    }

    fn dictionary(&self, request: &Request, name: &str) -> Outcome {
        only(request, "GET")?;
        Ok(Answer::ok(envelope::dictionary(known(name)?)))
    }

    fn lookup(&mut self, request: &Request, name: &str, field: &str) -> Outcome {
        if request.method == "PATCH" {
            return self.append(request, &format!("{name}/{field}"));
        }
        only(request, "GET")?;
        let object = known(name)?;
        let column = object.column(field).ok_or_else(Answer::not_found)?;
        let list =
            column.field.lookup.as_ref().and_then(|l| l.list.as_deref()).ok_or_else(Answer::not_found)?;
        Ok(Answer::ok(envelope::lookup(&self.database.list_values(list)?, None)))
    }

    /// Adds values to a list, named by itself, by `object/field`, or by a
    /// field whose name only one list has.
    fn append(&mut self, request: &Request, name: &str) -> Outcome {
        only(request, "PATCH")?;
        let list = list_name(name).ok_or_else(Answer::not_found)?;
        let body = body(request)?;
        let items = body.get("items").and_then(Json::as_array);
        let items = items.ok_or_else(|| Answer::bad_request("The key items must be a list of texts"))?;
        let values: Option<Vec<String>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
        let values = values.ok_or_else(|| Answer::bad_request("The key items must be a list of texts"))?;
        let added = self.database.in_one(|database| -> Result<_, Answer> {
            let added = database.add_list_values(&list, &values)?;
            if !added.is_empty() {
                note(database, request, "lookup", Sql::Text(list.clone()))?;
            }
            Ok(added)
        })?;
        Ok(Answer::ok(envelope::lookup(&added, Some("Lookup values added"))))
    }

    fn collection(&mut self, request: &Request, name: &str) -> Outcome {
        let object = known(name)?;
        match request.method.as_str() {
            "GET" => self.list(request, object, &format!("/{}", object.singular), None),
            "POST" => self.create(request, object),
            _ => Err(Answer::not_allowed()),
        }
    }

    fn children(&self, request: &Request, name: &str, id: &str, children: &str) -> Outcome {
        only(request, "GET")?;
        let (parent, children) = (known(name)?, known(children)?);
        let id: i64 = id.parse().map_err(|_| Answer::not_found())?;
        self.read(parent, id)?;
        let foreign = format!("{}id", parent.singular);
        children.column(&foreign).ok_or_else(Answer::not_found)?;
        let only = Condition { sql: format!("\"{foreign}\" = ?"), values: vec![Sql::Integer(id)] };
        self.list(request, children, &format!("/{name}/{id}/{}", children.name), Some(only))
    }

    fn list(&self, request: &Request, object: &Object, url: &str, within: Option<Condition>) -> Outcome {
        let asked = match request.parameter("q") {
            Some(q) if !q.is_empty() => {
                Some(condition(object, q).map_err(|message| Answer::bad_request(&message))?)
            }
            _ => None,
        };
        let old = self.lag.first_hidden(&object.name);
        let old = old.map(|id| Condition { sql: "\"id\" < ?".to_owned(), values: vec![Sql::Integer(id)] });
        let condition = all([within, old, asked]);
        let order = match request.parameter("order") {
            Some(json) if !json.is_empty() => {
                order(object, json).map_err(|message| Answer::bad_request(&message))?
            }
            _ => "\"id\" ASC".to_owned(),
        };
        let limit = number(request, "limit")?.unwrap_or(10).clamp(1, 100);
        let page = number(request, "page")?.unwrap_or(0);
        let skipped = match self.page_base {
            PageBase::One => page.saturating_sub(1),
            PageBase::Zero => page,
        };
        let offset = skipped.saturating_mul(limit).min(i64::MAX as u64);
        let total = self.database.count(object, &condition)?;
        let records = self.database.list(object, &Slice { condition, order, limit, offset })?;
        let has_more = offset.saturating_add(records.len() as u64) < total;
        let lines = request.wants_lines();
        let mut items = Vec::with_capacity(records.len());
        for values in &records {
            items.push(self.item(object, values, lines, true)?);
        }
        Ok(Answer::ok(envelope::list(url, total, has_more, &items)))
    }

    /// A record as readers see it.
    fn read(&self, object: &Object, id: i64) -> Result<Vec<Value>, Answer> {
        if self.lag.first_hidden(&object.name).is_some_and(|hidden| id >= hidden) {
            return Err(Answer::not_found());
        }
        self.database.get(object, id)?.ok_or_else(Answer::not_found)
    }

    fn item(&self, object: &Object, values: &[Value], lines: bool, in_list: bool) -> Result<String, Answer> {
        let id = values.first().map(|id| id.to_text().into_owned()).unwrap_or_default();
        let lines = match lines && object.name == "opportunities" {
            true => Some(self.lines(&id)?),
            false => None,
        };
        Ok(envelope::item(object, &id, &envelope::record(object, values, lines.as_deref()), in_list))
    }

    /// An opportunity's lines as the document shows them.
    fn lines(&self, opportunity: &str) -> Result<String, Answer> {
        let object = known("opportunity_lines")?;
        let id = opportunity.parse().unwrap_or(0);
        let condition = Condition { sql: "opportunityid = ?".to_owned(), values: vec![Sql::Integer(id)] };
        let slice = Slice { condition, order: "id".to_owned(), limit: 1_000, offset: 0 };
        let shown = ["id", "opportunityid", "product", "quantity", "unitprice"];
        let line = |values: &Vec<Value>| {
            let members: Vec<String> = object
                .columns
                .iter()
                .zip(values)
                .filter(|(column, _)| shown.contains(&column.field.name.as_str()))
                .map(|(column, value)| format!("\"{}\":{}", column.field.name, value.to_json()))
                .collect();
            format!("{{{}}}", members.join(","))
        };
        let lines: Vec<String> = self.database.list(object, &slice)?.iter().map(line).collect();
        Ok(format!("[{}]", lines.join(",")))
    }

    fn record(&mut self, request: &Request, name: &str, id: &str) -> Outcome {
        let object = known(name)?;
        let wanted = || id.parse::<i64>().map_err(|_| Answer::not_found());
        match request.method.as_str() {
            "GET" => {
                let values = self.read(object, wanted()?)?;
                Ok(Answer::ok(self.item(object, &values, request.wants_lines(), false)?))
            }
            "PATCH" => self.update(request, object, wanted()?),
            "DELETE" => self.delete(request, object, wanted()?),
            _ => Err(Answer::not_allowed()),
        }
    }

    /// A document's file. Every fourth one has no name in the answer, as the real server
    /// leaves it out at times (source: field notes, "Beyond the document").
    fn content(&self, request: &Request, id: &str) -> Outcome {
        only(request, "GET")?;
        let id: i64 = id.parse().map_err(|_| Answer::not_found())?;
        self.read(known("documents")?, id)?;
        let (name, bytes) = self.database.content(id)?.ok_or_else(Answer::not_found)?;
        let name = (id % 4 != 0).then_some(name);
        Ok(Answer { content: Some(Content { name, bytes }), ..Answer::ok("") })
    }

    fn create(&mut self, request: &Request, object: &Object) -> Outcome {
        let body = if request.is_form { form_body(request)? } else { body(request)? };
        let mut stored =
            validate(object, &body, true, &self.database).map_err(|faults| Answer::invalid(&faults))?;
        stamp(object, &mut stored, true);
        if let Some(upload) = &request.upload {
            set(object, &mut stored, "size", &upload.bytes.len().to_string());
        }
        let id = self.database.in_one(|database| -> Result<_, Answer> {
            let id = database.insert(object, &stored)?;
            if let Some(upload) = &request.upload {
                database.keep_content(id, &upload.name, &upload.bytes)?;
            }
            note_history(database, object, id)?;
            note(database, request, &object.name, Sql::Integer(id))?;
            Ok(id)
        })?;
        self.lag.note(&object.name, id);
        let values = self.database.get(object, id)?.ok_or_else(Answer::not_found)?;
        Ok(Answer { status: 201, ..Answer::ok(self.item(object, &values, false, false)?) })
    }

    fn update(&mut self, request: &Request, object: &Object, id: i64) -> Outcome {
        self.database.get(object, id)?.ok_or_else(Answer::not_found)?;
        let body = body(request)?;
        let mut stored =
            validate(object, &body, false, &self.database).map_err(|faults| Answer::invalid(&faults))?;
        stamp(object, &mut stored, false);
        self.database.in_one(|database| -> Result<(), Answer> {
            database.update(object, id, &stored)?;
            note_history(database, object, id)?;
            note(database, request, &object.name, Sql::Integer(id))
        })?;
        let values = self.database.get(object, id)?.ok_or_else(Answer::not_found)?;
        Ok(Answer::ok(self.item(object, &values, false, false)?))
    }

    fn delete(&mut self, request: &Request, object: &Object, id: i64) -> Outcome {
        self.database.in_one(|database| match database.delete(object, id)? {
            true => note(database, request, &object.name, Sql::Integer(id)),
            false => Err(Answer::not_found()),
        })?;
        Ok(Answer::ok("{}"))
    }
}

/// What fulfils all of these.
fn all(conditions: impl IntoIterator<Item = Option<Condition>>) -> Condition {
    let both = |mut one: Condition, more: Condition| {
        one.values.extend(more.values);
        Condition { sql: format!("({}) AND ({})", one.sql, more.sql), values: one.values }
    };
    let none = || Condition { sql: "1".to_owned(), values: Vec::new() };
    conditions.into_iter().flatten().reduce(both).unwrap_or_else(none)
}

fn known(name: &str) -> Result<&'static Object, Answer> {
    object(name)
        .ok_or_else(|| Answer::error(500, "Invalid Request error", &format!("Invalid record type ({name})")))
}

fn only(request: &Request, method: &str) -> Result<(), Answer> {
    if request.method == method { Ok(()) } else { Err(Answer::not_allowed()) }
}

fn body(request: &Request) -> Result<Map<String, Json>, Answer> {
    match serde_json::from_slice(&request.body) {
        Ok(Json::Object(body)) => Ok(body),
        Ok(_) => Err(Answer::bad_request("The body must be a JSON object")),
        Err(error) => Err(Answer::bad_request(&format!("The body is not JSON: {error}"))),
    }
}

/// The fields of a form, whose parts are called like them but for their case. The document is
/// called like its file.
fn form_body(request: &Request) -> Result<Map<String, Json>, Answer> {
    let Some(upload) = &request.upload else {
        let required = serde_json::json!({ "Required": [] });
        return Err(Answer::invalid(&[("file".to_owned(), vec![required])].into()));
    };
    let parts = body(request)?.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
    let name = ("name".to_owned(), Json::from(upload.name.as_str()));
    Ok(parts.filter(|(part, _)| part != "name").chain([name]).collect())
}

fn number(request: &Request, name: &str) -> Result<Option<u64>, Answer> {
    match request.parameter(name) {
        None | Some("") => Ok(None),
        Some(text) => {
            let number =
                text.parse().map_err(|_| Answer::bad_request(&format!("{name} must be a whole number")))?;
            Ok(Some(number))
        }
    }
}

/// The list that a name means; see [`Api::append`].
fn list_name(name: &str) -> Option<String> {
    let catalog = super::dictionary::catalog();
    if catalog.lists.contains_key(name) {
        return Some(name.to_owned());
    }
    let list_of =
        |column: &super::dictionary::Column| column.field.lookup.as_ref().and_then(|l| l.list.clone());
    if let Some((object_name, field)) = name.split_once('/')
        && let Some(found) = object(object_name).and_then(|object| object.column(field)).and_then(list_of)
    {
        return Some(found);
    }
    let columns = catalog.objects.iter().flat_map(|object| &object.columns);
    let mut lists: Vec<String> =
        columns.filter(|column| column.field.name == name).filter_map(list_of).collect();
    lists.sort();
    lists.dedup();
    match lists.as_slice() {
        [one] => Some(one.clone()),
        _ => None,
    }
}

/// Sets who and when, as the CRM does by itself.
fn stamp(object: &Object, stored: &mut Stored, create: bool) {
    let now = jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::now());
    let now = format!("{} {:02}:{:02}:{:02}", now.date(), now.hour(), now.minute(), now.second());
    if create {
        set(object, stored, "createddate", &now);
        set(object, stored, "createdby", ACTOR);
    }
    if let Some(name) = object.modified_field() {
        set(object, stored, name, &now);
    }
    set(object, stored, "modifiedby", ACTOR);
}

/// Sets a field, where the object has it.
fn set(object: &Object, stored: &mut Stored, name: &str, value: &str) {
    if let Some(at) = object.columns.iter().position(|column| column.field.name == name) {
        stored.retain(|(known, _)| *known != at);
        stored.push((at, Sql::Text(value.to_owned())));
    }
}

/// Enters a write into the ledger.
fn note(database: &Database, request: &Request, object: &str, record: Sql) -> Result<(), Answer> {
    Ok(database.note(&Entry { method: &request.method, object, record, body: &request.body })?)
}

/// An opportunity's changes leave a trace of their own.
fn note_history(database: &Database, object: &Object, id: i64) -> Result<(), Answer> {
    if object.name != "opportunities" {
        return Ok(());
    }
    let Some(values) = database.get(object, id)? else { return Ok(()) };
    let history = known("opportunityhistories")?;
    let mut stored = Stored::new();
    for (at, column) in history.columns.iter().enumerate() {
        let source = match column.field.name.as_str() {
            "opportunityid" => "id",
            "opportunitystatus" => "status",
            name @ ("probability" | "value" | "forecast" | "closedate") => name,
            _ => continue,
        };
        if let Some(place) = object.columns.iter().position(|c| c.field.name == source)
            && !values[place].is_blank()
        {
            stored.push((at, Sql::Text(values[place].to_text().into_owned())));
        }
    }
    stamp(history, &mut stored, false);
    database.insert(history, &stored)?;
    Ok(())
}
