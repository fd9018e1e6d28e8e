//! The tables that the tiny CRM serves, and how it answers about them.
//! Written from the API's document and the field notes, as `tiny` is.

use serde_json::{Map, Value as Json, json};

use crate::tiny::{Reply, Request};

/// What the server does about a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    Honours,
    Ignores,
    Refuses,
}

/// One record type with its fields and records.
#[derive(Clone, Debug)]
pub struct Table {
    pub name: &'static str,
    pub singular: &'static str,
    /// Name, type, required, length.
    pub fields: Vec<(&'static str, &'static str, bool, u32)>,
    pub records: Vec<Map<String, Json>>,
}

/// All that the server knows.
#[derive(Clone, Debug)]
pub struct Tables {
    pub tables: Vec<Table>,
    pub first_page: u64,
    pub order: Habit,
    /// What it does about a filter on ids; other filters are honoured.
    pub id_filter: Habit,
    /// Whether every filter is ignored, that on ids too.
    pub ignores_filters: bool,
    pub next_id: u64,
}

/// Accounts of which only a few fields are switched on.
pub fn accounts(records: &[Json]) -> Tables {
    let fields = vec![
        ("id", "Number", false, 0),
        ("name", "Text", true, 100),
        ("phone", "Text", false, 30),
        ("notes", "Memo", false, 0),
        ("leadscore", "Number", false, 0),
        ("addresscounty/state", "Text", false, 50),
        ("2yearpolicy", "Checkbox", false, 0),
    ];
    let records = records.iter().map(|record| record.as_object().unwrap().clone()).collect();
    let table = Table { name: "accounts", singular: "account", fields, records };
    Tables {
        tables: vec![table],
        first_page: 1,
        order: Habit::Honours,
        id_filter: Habit::Honours,
        ignores_filters: false,
        next_id: 95_950_731,
    }
}

impl Tables {
    /// With contacts, which need an account.
    pub fn and_contacts(mut self) -> Self {
        let fields = vec![
            ("id", "Number", false, 0),
            ("accountid", "Number", true, 0),
            ("last", "Text", true, 50),
            ("email", "Email", false, 50),
        ];
        self.tables.push(Table { name: "contacts", singular: "contact", fields, records: Vec::new() });
        self
    }

    /// What a healthy CRM answers.
    pub fn answer(&mut self, request: &Request) -> Reply {
        let parts: Vec<&str> = request.path.split('/').filter(|part| !part.is_empty()).collect();
        match (request.method.as_str(), parts.as_slice()) {
            ("GET", ["datadictionary", object]) => self.dictionary(object),
            ("GET", [object]) => self.list(object, request),
            ("POST", [object]) => self.create(object, &request.json()),
            (method, [object, id]) => self.one(method, object, id, request),
            _ => Reply::error(405, "Not allowed"),
        }
    }

    /// The table of that name, or the document's answer where there is none.
    pub fn table(&mut self, name: &str) -> Result<&mut Table, Reply> {
        let unknown = Reply::json(
            500,
            &json!({ "type": "Invalid Request error", "code": 500, "message": format!("Invalid record type ({name})") }),
        );
        self.tables.iter_mut().find(|table| table.name == name).ok_or(unknown)
    }

    /// In a form that the field notes name and the embedded CRM does not use.
    fn dictionary(&mut self, object: &str) -> Reply {
        let table = match self.table(object) {
            Ok(table) => table,
            Err(reply) => return reply,
        };
        let field = |(name, kind, required, length): &(&str, &str, bool, u32)| {
            let mut field = json!({ "fieldname": name, "fieldtype": kind, "mandatory": if *required { "Yes" } else { "No" } });
            if *length > 0 {
                field["length"] = length.to_string().into();
            }
            if *name == "id" {
                field["editable"] = json!(0);
            }
            field
        };
        Reply::json(200, &table.fields.iter().map(field).collect())
    }

    fn list(&mut self, object: &str, request: &Request) -> Reply {
        let Self { first_page, order, id_filter, ignores_filters, .. } = *self;
        let table = match self.table(object) {
            Ok(table) => table,
            Err(reply) => return reply,
        };
        let mut found: Vec<Map<String, Json>> = table.records.clone();
        if let Some(q) = request.query("q").filter(|_| !ignores_filters) {
            let q: Map<String, Json> = serde_json::from_str(q).unwrap();
            if q.contains_key("id") && id_filter == Habit::Refuses {
                return Reply::error(400, "Bad request");
            }
            let passes = |record: &Map<String, Json>, (field, test): (&String, &Json)| {
                (field == "id" && id_filter == Habit::Ignores)
                    || fits(record.get(field).unwrap_or(&Json::Null), test)
            };
            found.retain(|record| q.iter().all(|part| passes(record, part)));
        }
        if let Some(asked) = request.query("order") {
            match order {
                Habit::Honours => sort(&mut found, asked),
                Habit::Ignores => {}
                Habit::Refuses => return Reply::error(400, "Bad request"),
            }
        }
        let number = |name: &str, default| request.query(name).map_or(default, |n| n.parse().unwrap());
        let (limit, page): (u64, u64) = (number("limit", 10).min(100), number("page", first_page));
        let skipped = page.saturating_sub(first_page) * limit;
        let total = found.len() as u64;
        let list: Vec<Json> = found
            .into_iter()
            .skip(usize::try_from(skipped).unwrap())
            .take(usize::try_from(limit).unwrap())
            .map(|record| table.envelope(record))
            .collect();
        let more = skipped + (list.len() as u64) < total;
        let metadata = json!({
            "url": format!("/{}", table.singular), "object_type": "list", "total_count": total, "has_more": more,
        });
        Reply::json(200, &json!({ "metadata": metadata, "list": list }))
    }

    fn create(&mut self, object: &str, body: &Json) -> Reply {
        let id = self.next_id;
        let table = match self.table(object) {
            Ok(table) => table,
            Err(reply) => return reply,
        };
        let mut record = Map::from_iter([("id".to_owned(), json!(id))]);
        record.extend(body.as_object().unwrap().clone());
        if let Some((name, ..)) =
            table.fields.iter().find(|(name, _, needed, _)| *needed && !record.contains_key(*name))
        {
            return Reply::json(
                422,
                &json!({ "type": "Validation error", "code": 422, "message": "The given data was invalid.",
                         "validation": { *name: [{ "Required": [] }] } }),
            );
        }
        table.records.push(record.clone());
        let answer = Reply::json(201, &table.envelope(record));
        self.next_id += 1;
        answer
    }

    fn one(&mut self, method: &str, object: &str, id: &str, request: &Request) -> Reply {
        let table = match self.table(object) {
            Ok(table) => table,
            Err(reply) => return reply,
        };
        let wanted = |record: &Map<String, Json>| record["id"].as_u64() == id.parse().ok();
        let Some(at) = table.records.iter().position(wanted) else {
            return Reply::error(404, "Record or page not found");
        };
        match method {
            "GET" => Reply::json(200, &table.envelope(table.records[at].clone())),
            "PATCH" => {
                table.records[at].extend(request.json().as_object().unwrap().clone());
                Reply::json(200, &table.envelope(table.records[at].clone()))
            }
            "DELETE" => {
                table.records.remove(at);
                Reply::json(200, &json!({}))
            }
            _ => Reply::error(405, "Not allowed"),
        }
    }
}

impl Table {
    fn envelope(&self, record: Map<String, Json>) -> Json {
        let metadata = json!({
            "url": format!("/{}/{}", self.name, record["id"]), "list_url": format!("/{}", self.name),
            "parent": null, "object_type": "record", "record_type": self.singular,
        });
        json!({ "metadata": metadata, "record": record })
    }
}

/// Whether a value passes a test of `q`, as the document explains the operators.
fn fits(value: &Json, test: &Json) -> bool {
    let text = |json: &Json| match json {
        Json::String(text) => text.to_lowercase(),
        Json::Null => String::new(),
        other => other.to_string(),
    };
    let number = |json: &Json| text(json).parse::<f64>().ok();
    let Json::Object(operators) = test else { return text(value) == text(test) };
    // Dates compare as texts.
    let order = |operand: &Json| match (number(value), number(operand)) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => text(value).cmp(&text(operand)),
    };
    operators.iter().all(|(operator, operand)| match operator.as_str() {
        "$in" => operand.as_array().unwrap().iter().any(|one| text(one) == text(value)),
        "$gt" => order(operand).is_gt(),
        "$gte" => order(operand).is_ge(),
        "$lt" => order(operand).is_lt(),
        "$sw" => text(value).starts_with(&text(operand)),
        "$con" => text(value).contains(&text(operand)),
        other => panic!("the tiny CRM does not know {other}"),
    })
}

/// Sorts by all fields asked for, in the order in which they stand.
fn sort(records: &mut [Map<String, Json>], asked: &str) {
    let plain = asked.replace(['{', '}', '"', ' '], "");
    let order: Vec<(&str, &str)> = plain.split(',').filter_map(|part| part.split_once(':')).collect();
    records.sort_by(|a, b| {
        let by = order.iter().map(|(field, direction)| {
            let ordering = match (&a[*field], &b[*field]) {
                (Json::Number(a), Json::Number(b)) => a.as_u64().cmp(&b.as_u64()),
                (a, b) => a.as_str().cmp(&b.as_str()),
            };
            if *direction == "desc" { ordering.reverse() } else { ordering }
        });
        by.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
    });
}
