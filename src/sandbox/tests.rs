//! The API over HTTP, asked by a client that knows only the document.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::{Value as Json, json};

use super::{Options, PageBase, Sandbox};

/// One request over a bare connection; the answer is status and JSON.
fn call(sandbox: &Sandbox, method: &str, path: &str, body: Option<&Json>) -> (u16, Json) {
    call_with(sandbox, method, path, body, "Authorization: Bearer sandbox\r\n")
}

fn call_with(sandbox: &Sandbox, method: &str, path: &str, body: Option<&Json>, headers: &str) -> (u16, Json) {
    let mut stream = TcpStream::connect(sandbox.address()).unwrap();
    let body = body.map(Json::to_string).unwrap_or_default();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap())
}

fn start() -> Sandbox {
    Sandbox::start(Options::default()).unwrap()
}

fn get(sandbox: &Sandbox, path: &str) -> Json {
    let (status, body) = call(sandbox, "GET", path, None);
    assert_eq!(status, 200, "{path}: {body}");
    body
}

fn names(list: &Json) -> Vec<String> {
    list["list"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| i["record"]["name"].as_str().unwrap().to_owned())
        .collect()
}

fn encoded(json: &Json) -> String {
    percent_encoding::utf8_percent_encode(&json.to_string(), percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn filtered(sandbox: &Sandbox, q: &Json) -> Vec<String> {
    names(&get(sandbox, &format!("/accounts?limit=100&q={}", encoded(q))))
}

#[test]
fn a_list_has_the_documents_shape() {
    let list = get(&start(), "/accounts?limit=2");
    assert_eq!(
        list["metadata"],
        json!({"url": "/account", "object_type": "list", "total_count": 12, "has_more": true})
    );
    assert_eq!(
        list["list"][0]["metadata"],
        json!({"url": "/accounts/95920978", "list_url": "/accounts", "parent": "/",
               "object_type": "record", "record_type": "account"})
    );
    assert_eq!(list["list"][0]["record"]["name"], "3M");
    assert_eq!(list["list"].as_array().unwrap().len(), 2);
}

#[test]
fn records_are_created_changed_read_and_deleted() {
    let sandbox = start();
    let (status, made) =
        call(&sandbox, "POST", "/accounts", Some(&json!({"name": "testing API", "unknown": 1})));
    assert_eq!(status, 201);
    let record = &made["record"];
    assert_eq!((&record["addresscountry"], &record["campaignid"]), (&json!("United Kingdom"), &json!(0)));
    assert_eq!((&record["ownerid"], &made["metadata"]["parent"]), (&json!(90505), &json!(null)));
    let path = format!("/accounts/{}", record["id"]);
    let change = json!({"name": "Updated", "annualvalue": "12345678901.25", "2yearpolicy": true});
    let (status, changed) = call(&sandbox, "PATCH", &path, Some(&change));
    assert_eq!(status, 200);
    assert_eq!(changed["record"]["annualvalue"].to_string(), "12345678901.25");
    assert_eq!(changed["record"]["2yearpolicy"], "1", "custom checkboxes are texts");
    assert_eq!(get(&sandbox, &path)["record"]["name"], "Updated");
    assert_eq!(call(&sandbox, "DELETE", &path, None), (200, json!({})));
    assert_eq!(call(&sandbox, "GET", &path, None).0, 404);
    assert_eq!(call(&sandbox, "DELETE", &path, None).0, 404);
}

#[test]
fn every_operator_filters() {
    let sandbox = start();
    for (q, wanted) in [
        (json!({"name": "3m"}), vec!["3M"]),
        (json!({"type": "Customer", "sector": "Design"}), vec!["Bramble & Finch Ltd"]),
        (json!({"ticker": {"$in": ["MMM", "ABT", "ZZZ"]}}), vec!["3M", "Abbott Laboratories"]),
        (json!({"annualvalue": {"$gt": 84000}}), vec!["3M"]),
        (json!({"annualvalue": {"$gte": "84000"}}), vec!["3M", "Adobe Inc."]),
        (json!({"annualvalue": {"$lt": 12400.76}}), vec!["Bramble & Finch Ltd"]),
        (json!({"annualvalue": {"$lte": 12400.75}}), vec!["Bramble & Finch Ltd"]),
        (json!({"annualvalue": {"$bt": [12400.75, 84000]}}), vec!["Adobe Inc.", "Bramble & Finch Ltd"]),
        (json!({"name": {"$sw": "A", "$ew": "inc."}}), vec!["Adobe Inc.", "Apple Inc."]),
        (json!({"name": {"$con": "& f"}}), vec!["Bramble & Finch Ltd"]),
        (json!({"name": {"$con": "%"}}), vec![]),
        (json!({"$or": [{"name": "3M"}, {"ticker": "AAPL"}]}), vec!["3M", "Apple Inc."]),
        (json!({"id": {"$gt": 95920987}}), vec!["Gupta Textiles", "Harbour Dental Practice"]),
        (json!({"name": {"$not": {"$sw": "A"}}, "sector": "Information Technology"}), vec![]),
        (json!({"founded": null, "addresscountry": "Norway"}), vec!["Fjord Energi AS"]),
        (json!({"inceptiondate": {"$gte": "2019-01-01"}}), vec!["Dunmore Council"]),
    ] {
        assert_eq!(filtered(&sandbox, &q), wanted, "{q}");
    }
    assert_eq!(filtered(&sandbox, &json!({"type": {"$not": "Customer"}})).len(), 7);
    assert_eq!(filtered(&sandbox, &json!({"type": {"$nin": ["Customer", "Prospect"]}})).len(), 4);
}

#[test]
fn queries_that_do_not_read_are_refused_by_name() {
    let sandbox = start();
    for (path, word) in [
        ("/accounts?q=%7Bbroken", "JSON"),
        ("/accounts?q=%7B%22nme%22%3A1%7D", "nme"),
        ("/accounts?q=%7B%22name%22%3A%7B%22%24like%22%3A1%7D%7D", "$like"),
        ("/accounts?order=%7B%22name%22%3A%22up%22%7D", "up"),
        ("/accounts?limit=many", "limit"),
    ] {
        let (status, body) = call(&sandbox, "GET", path, None);
        assert_eq!(status, 400, "{path}");
        assert!(body["message"].as_str().unwrap().contains(word), "{path}: {body}");
    }
}

#[test]
fn order_follows_the_keys_as_they_are_written() {
    let list = get(
        &start(),
        "/accounts?limit=3&order={\"type\":\"desc\",\"name\":\"desc\"}".replace('"', "%22").as_str(),
    );
    assert_eq!(names(&list), ["Gupta Textiles", "Amazon", "Dunmore Council"]);
}

#[test]
fn pages_begin_at_one_or_at_zero() {
    for (base, pages) in
        [(PageBase::One, ["", "&page=1", "&page=2"]), (PageBase::Zero, ["", "&page=0", "&page=1"])]
    {
        let sandbox = Sandbox::start(Options { page_base: base, ..Options::default() }).unwrap();
        let page = |suffix: &str| names(&get(&sandbox, &format!("/accounts?limit=5{suffix}")));
        assert_eq!(page(pages[0]), page(pages[1]), "{base:?}");
        assert_eq!(page(pages[2])[0], "Bramble & Finch Ltd", "{base:?}");
        let past = get(&sandbox, "/accounts?limit=5&page=99");
        assert_eq!((&past["list"], &past["metadata"]["has_more"]), (&json!([]), &json!(false)));
    }
    let sandbox = start();
    assert_eq!(get(&sandbox, "/accounts")["list"].as_array().unwrap().len(), 10, "ten by default");
    assert_eq!(get(&sandbox, "/accounts?limit=500")["list"].as_array().unwrap().len(), 12);
}

#[test]
fn rules_are_told_field_by_field() {
    let sandbox = start();
    let (status, body) =
        call(&sandbox, "POST", "/contacts", Some(&json!({"email": "nobody", "birthday": "2024-02-30"})));
    assert_eq!(status, 422);
    assert_eq!(body["message"], "The given data was invalid.");
    assert_eq!(
        body["validation"],
        json!({"accountid": [{"Required": []}], "last": [{"Required": []}],
               "email": [{"Email": []}], "birthday": [{"Date": []}]})
    );
    let long =
        json!({"name": "é".repeat(101), "annualvalue": "1.234", "employees": "many", "vip": "perhaps"});
    let (_, body) = call(&sandbox, "POST", "/accounts", Some(&long));
    assert_eq!(
        body["validation"],
        json!({"name": [{"Max": ["100"]}], "annualvalue": [{"Decimals": ["2"]}],
               "employees": [{"Numeric": []}], "vip": [{"Boolean": []}]})
    );
    let (_, body) = call(&sandbox, "POST", "/contacts", Some(&json!({"accountid": 5, "last": "x"})));
    assert_eq!(body["validation"], json!({"accountid": [{"Exists": ["accounts"]}]}));
}

#[test]
fn errors_have_the_documents_shape_and_status() {
    let sandbox = start();
    let (status, body) = call(&sandbox, "GET", "/accountss", None);
    assert_eq!(
        (status, body),
        (
            500,
            json!({"type": "Invalid Request error", "code": 500, "message": "Invalid record type (accountss)"})
        )
    );
    for (method, path, status) in [
        ("PATCH", "/accounts", 405),
        ("DELETE", "/accounts", 405),
        ("POST", "/accounts/95920978", 405),
        ("PUT", "/accounts", 405),
        ("PATCH", "/accounts/1", 404),
        ("GET", "/a/b/c/d", 404),
        ("GET", "/lookup/accounts/name", 404),
    ] {
        let (found, body) = call(&sandbox, method, path, Some(&json!({})));
        assert_eq!(found, status, "{method} {path}");
        assert!(body["message"].is_string());
    }
    assert_eq!(call_with(&sandbox, "GET", "/accounts", None, "").0, 402);
    let (status, body) = call_with(&sandbox, "GET", "/accounts", None, "Authorization: Bearer wrong\r\n");
    assert_eq!((status, &body["message"]), (403, &json!("Unauthenticated")));
}

#[test]
fn dictionaries_and_lists_are_read_and_lists_appended() {
    let sandbox = start();
    let dictionary = get(&sandbox, "/datadictionary/accounts");
    let fields = dictionary["list"].as_array().unwrap();
    let kind = fields.iter().find(|f| f["record"]["name"] == "type").unwrap();
    assert_eq!((&kind["record"]["lookup"], &kind["record"]["size"]), (&json!("accounttypes"), &json!(100)));
    assert_eq!(
        get(&sandbox, "/lookup/accounts/type")["items"][0],
        json!({"value": "Customer", "id": "Customer"})
    );
    let body = json!({"items": ["new one", "customer"]});
    let (status, answer) = call(&sandbox, "PATCH", "/lookup/accounttypes", Some(&body));
    assert_eq!(status, 200);
    assert_eq!(
        answer,
        json!({"message": "Lookup values added", "items": [{"value": "new one", "id": "new one"}]})
    );
    let items = get(&sandbox, "/lookup/accounts/type")["items"].as_array().unwrap().len();
    assert_eq!(items, 8);
}

#[test]
fn lines_come_with_their_opportunities_where_asked_for() {
    let sandbox = start();
    let one = get(&sandbox, "/opportunities/8801?lines=true");
    assert_eq!(
        one["record"]["lines"][0],
        json!({"id": 9901, "opportunityid": 8801, "product": "User Subscription", "quantity": 80, "unitprice": 420})
    );
    assert!(get(&sandbox, "/opportunities")["list"][0]["record"].get("lines").is_none());
    assert_eq!(
        get(&sandbox, "/opportunities?lines=true")["list"][2]["record"]["lines"].as_array().unwrap().len(),
        1
    );
    let before = get(&sandbox, "/opportunityhistories")["metadata"]["total_count"].as_u64().unwrap();
    call(&sandbox, "PATCH", "/opportunities/8801", Some(&json!({"status": "Won"})));
    assert_eq!(get(&sandbox, "/opportunityhistories")["metadata"]["total_count"], before + 1);
}

#[test]
fn children_are_listed_below_their_parent() {
    let list = get(&start(), "/accounts/95920978/contacts");
    assert_eq!(
        (&list["metadata"]["total_count"], &list["list"][0]["record"]["last"]),
        (&json!(2), &json!("Roman"))
    );
}

#[test]
fn the_file_keeps_its_records_and_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("inner/sandbox.db");
    let options = Options { database: Some(file.clone()), ..Options::default() };
    let sandbox = Sandbox::start(options.clone()).unwrap();
    call(&sandbox, "POST", "/accounts", Some(&json!({"name": "Kept"})));
    sandbox.stop();
    let sandbox = Sandbox::start(options).unwrap();
    assert_eq!(filtered(&sandbox, &json!({"name": "Kept"})), ["Kept"]);
    assert_eq!(get(&sandbox, "/accounts")["metadata"]["total_count"], 13);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn strict_lists_refuse_other_values_and_loose_ones_take_them() {
    let body = json!({"name": "x", "type": "Custmer"});
    assert_eq!(call(&start(), "POST", "/accounts", Some(&body)).0, 201);
    let strict = Sandbox::start(Options { strict_lookups: true, ..Options::default() }).unwrap();
    let (status, answer) = call(&strict, "POST", "/accounts", Some(&body));
    assert_eq!((status, &answer["validation"]["type"]), (422, &json!([{"In": ["Custmer"]}])));
}

/// A form with these parts; the one with a file name is the file.
fn form(parts: &[(&str, Option<&str>, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file, bytes) in parts {
        let file = file.map(|file| format!("; filename=\"{file}\"")).unwrap_or_default();
        write!(body, "--b\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n").unwrap();
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--b--\r\n");
    body
}

/// One request over a bare connection; the answer is its head and its body.
fn exchange(sandbox: &Sandbox, method: &str, path: &str, body: &[u8]) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(sandbox.address()).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer sandbox\r\n\
         Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    (String::from_utf8(answer[..at].to_vec()).unwrap(), answer[at + 4..].to_vec())
}

fn upload(sandbox: &Sandbox, name: &str, bytes: &[u8]) -> Json {
    let parts: [(&str, Option<&str>, &[u8]); 4] = [
        ("ParentId", None, b"95920978"),
        ("ParentObject", None, b"Account"),
        ("description", None, b"Signed"),
        ("file", Some(name), bytes),
    ];
    let (head, body) = exchange(sandbox, "POST", "/documents", &form(&parts));
    assert!(head.starts_with("HTTP/1.1 201"), "{head}");
    serde_json::from_slice::<Json>(&body).unwrap()["record"].clone()
}

#[test]
fn a_document_comes_with_its_file_and_gives_it_back_byte_by_byte() {
    let sandbox = start();
    let bytes: Vec<u8> = (0..2_000_000_u32).map(|at| (at % 251) as u8).collect();
    let record = upload(&sandbox, "Angebot \u{e4}.pdf", &bytes);
    assert_eq!(
        (&record["name"], &record["size"], &record["parentid"], &record["parentobject"]),
        (&json!("Angebot \u{e4}.pdf"), &json!(2_000_000), &json!(95_920_978), &json!("Account"))
    );
    assert_eq!(record["description"], "Signed");
    let (head, body) = exchange(&sandbox, "GET", &format!("/documents/{}/content", record["id"]), b"");
    assert!(head.starts_with("HTTP/1.1 200") && body == bytes, "{head}");
    let named = head.to_ascii_lowercase().contains("filename*=utf-8''angebot%20%c3%a4%2epdf");
    assert_eq!(named, record["id"].as_i64().unwrap() % 4 != 0, "{head}");
    let (status, _) = call(&sandbox, "DELETE", &format!("/documents/{}", record["id"]), None);
    assert_eq!(status, 200);
    let (head, _) = exchange(&sandbox, "GET", &format!("/documents/{}/content", record["id"]), b"");
    assert!(head.starts_with("HTTP/1.1 404"), "{head}");
}

#[test]
fn a_document_without_a_file_has_no_content_and_bad_forms_are_refused() {
    let sandbox = start();
    for (method, path, body, status) in [
        ("GET", "/documents/7701/content", Vec::new(), "404"),
        ("GET", "/documents/1/content", Vec::new(), "404"),
        ("GET", "/documents/x/content", Vec::new(), "404"),
        ("POST", "/documents/7701/content", Vec::new(), "405"),
        ("POST", "/documents", form(&[("description", None, b"x")]), "422"),
        ("POST", "/documents", form(&[("file", None, b"x")]), "422"),
        ("POST", "/documents", b"--b\r\nhalf".to_vec(), "400"),
        ("POST", "/accounts", form(&[("file", Some("x"), b"x")]), "400"),
    ] {
        let (head, _) = exchange(&sandbox, method, path, &body);
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{method} {path}: {head}");
    }
}
