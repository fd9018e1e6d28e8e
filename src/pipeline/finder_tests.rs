//! Finding records in the sandbox, and in servers that do not play along.

use super::*;
use crate::model::{Dictionary, Field as ModelField};
use crate::pipeline::testing::{TinyServer, list, sandbox};

fn accounts() -> Dictionary {
    let number = |name: &str| ModelField::new(name, FieldKind::Number);
    let text = |name: &str| ModelField::new(name, FieldKind::Text);
    Dictionary::new("accounts", vec![number("id"), text("name"), text("phone"), number("ownerid")])
}

fn finder(
    client: &Client,
    dictionary: &Dictionary,
    by: &[&str],
    parts: Parts,
) -> (tempfile::TempDir, Finder) {
    let folder = tempfile::tempdir().unwrap();
    let by: Vec<String> = by.iter().map(|&name| name.to_owned()).collect();
    let finder = Finder::new(client, dictionary, &by, parts, folder.path().join("index.tmp"));
    (folder, finder)
}

async fn ids(finder: &mut Finder, texts: &[&str]) -> Vec<Vec<u64>> {
    let wanted: Vec<Wanted> = texts.iter().map(|text| finder.wanted(text)).collect();
    let found = finder.find(&wanted).await.unwrap();
    let of = |one: &Wanted| {
        let mut ids: Vec<u64> = found.get(&one.key).into_iter().flatten().map(|r| r.id.get()).collect();
        ids.sort_unstable();
        ids
    };
    wanted.iter().map(of).collect()
}

#[tokio::test]
async fn records_are_found_by_one_field_whatever_the_case_and_blanks() {
    let (_sandbox, client) = sandbox();
    let (_folder, mut by_name) = finder(&client, &accounts(), &["name"], Parts::Apart);
    assert_eq!(ids(&mut by_name, &["3m", "Nobody Ltd"]).await, [vec![95_920_978], vec![]]);
    let (_folder, mut by_id) = finder(&client, &accounts(), &["id"], Parts::Apart);
    assert_eq!(ids(&mut by_id, &["0095920978.0", "1"]).await, [vec![95_920_978], vec![]]);
}

#[tokio::test]
async fn keys_go_a_hundred_a_request_and_more_hits_than_that_all_come() {
    let (_sandbox, client) = sandbox();
    for _ in 0..130 {
        client.create("accounts", r#"{"name":"Twin"}"#).await.unwrap();
    }
    let (_folder, mut by_name) = finder(&client, &accounts(), &["name"], Parts::Apart);
    let before = client.calls().get;
    let names: Vec<String> = (0..250).map(|n| format!("Nobody {n}")).chain(["twin".to_owned()]).collect();
    let found = ids(&mut by_name, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!((found[0].len(), found[250].len()), (0, 130));
    let calls = client.calls().get - before;
    assert!((3..=5).contains(&calls), "{calls} requests for 251 keys and 130 records");
}

#[tokio::test]
async fn several_fields_make_one_key_and_the_first_field_alone_decides_nothing() {
    let (_sandbox, client) = sandbox();
    for phone in ["1", "2"] {
        let body = format!(r#"{{"name":"Twin","phone":"{phone}"}}"#);
        client.create("accounts", &body).await.unwrap();
    }
    let (_folder, mut finder) = finder(&client, &accounts(), &["name", "phone"], Parts::Apart);
    for lead in [0, 1] {
        finder.ask_by(lead);
        let wanted = |phone: &str| Wanted {
            key: format!("twin{KEY_SEPARATOR}{phone}"),
            lead: Value::from(if lead == 0 { "Twin" } else { phone }),
        };
        let found = finder.find(&[wanted("2"), wanted("3")]).await.unwrap();
        assert_eq!(found.len(), 1, "asked by field {lead}");
        assert_eq!(found[&wanted("2").key][0].get("phone"), Some(&Value::from("2")));
    }
}

#[tokio::test]
async fn a_person_is_found_by_first_and_last_name_in_one_text() {
    let (_sandbox, client) = sandbox();
    let users = client.dictionary("users").await.unwrap();
    let (folder, mut finder) = finder(&client, &users, &["first", "last"], Parts::Joined);
    assert_eq!(ids(&mut finder, &["ann  ARCHER", "Archer"]).await, [vec![90_505], vec![]]);
    drop(finder);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the scratch file goes");
}

/// Three accounts; `answer` decides on requests that ask by `$in`.
fn server(answer: impl Fn(&str) -> Option<(u16, String)> + Send + Sync + 'static) -> TinyServer {
    TinyServer::start(move |request, _| {
        let record = |id: u64| format!(r#"{{"id":{id},"name":"a{id}","phone":"0{id}"}}"#);
        let all: Vec<String> = (1..=3).map(record).collect();
        let by_in = if request.contains("$in") { answer(request) } else { None };
        // Ids above three: there are none.
        let none = request.contains("\"$gt\":3");
        by_in.unwrap_or_else(|| (200, list(if none { &[] } else { &all })))
    })
}

#[tokio::test]
async fn an_object_whose_filter_is_refused_is_read_whole_once() {
    for status in [400, 405, 422, 500] {
        let server = server(move |_| Some((status, r#"{"message":"no such operator"}"#.to_owned())));
        let (_folder, mut by_phone) = finder(&server.client(), &accounts(), &["phone"], Parts::Apart);
        assert_eq!(ids(&mut by_phone, &["02", "2", "09"]).await, [vec![2], vec![], vec![]], "{status}");
        let asked = server.asked.lock().unwrap().len();
        assert_eq!(ids(&mut by_phone, &["03"]).await, [vec![3]]);
        assert_eq!(server.asked.lock().unwrap().len(), asked, "the second window asks nothing more");
    }
}

#[tokio::test]
async fn a_filter_that_finds_nothing_is_put_to_the_proof() {
    let server = server(|_| Some((200, list(&[]))));
    let (_folder, mut by_phone) = finder(&server.client(), &accounts(), &["phone"], Parts::Apart);
    assert_eq!(ids(&mut by_phone, &["02"]).await, [vec![2]], "no second record for one that is there");
}

#[tokio::test]
async fn a_filter_that_is_ignored_is_noticed() {
    let server = TinyServer::start(|_, _| {
        let record = |id: u64| format!(r#"{{"id":{id},"name":"a{id}","phone":"0{id}"}}"#);
        (200, list(&(1..=9).map(record).collect::<Vec<_>>()))
    });
    let (_folder, mut by_phone) = finder(&server.client(), &accounts(), &["phone"], Parts::Apart);
    let many: Vec<String> = (0..500).map(|n| format!("9{n}")).collect();
    let mut wanted: Vec<&str> = many.iter().map(String::as_str).collect();
    wanted.push("07");
    assert_eq!(ids(&mut by_phone, &wanted).await[500], [7]);
    assert!(server.count("$in") <= 3, "asked {} times by a filter that does nothing", server.count("$in"));
}

#[tokio::test]
async fn a_refused_token_is_no_refused_filter() {
    let server = server(|_| Some((403, r#"{"message":"no"}"#.to_owned())));
    let (_folder, mut by_phone) = finder(&server.client(), &accounts(), &["phone"], Parts::Apart);
    let wanted = [by_phone.wanted("02")];
    let error = by_phone.find(&wanted).await.unwrap_err();
    assert_eq!(error.exit_code(), 3, "{error}");
}
