//! Reading everything from servers with all their habits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::crm::answer::Answer;
use crate::crm::scripted::{Script, answer};
use crate::crm::transport::Request;
use crate::model::{Test, Value};

/// A small CRM: ids from 1, each with the name `n` and its last digit.
#[derive(Clone, Debug)]
struct Server {
    ids: Vec<u64>,
    first_page: u64,
    /// Answers 400 to `order`.
    refuses_order: bool,
    /// Gives an order of its own whatever is asked.
    ignores_order: bool,
    /// Answers this status to a filter on `id`.
    refuses_id: Option<u16>,
    ignores_q: bool,
    ignores_page: bool,
    tells_more: bool,
    tells_total: bool,
    /// Added to `total_count`.
    total_off: i64,
}

impl Server {
    fn of(records: u64) -> Self {
        Self {
            ids: (1..=records).map(|n| n * 3).collect(),
            first_page: 1,
            refuses_order: false,
            ignores_order: false,
            refuses_id: None,
            ignores_q: false,
            ignores_page: false,
            tells_more: true,
            tells_total: true,
            total_off: 0,
        }
    }

    fn script(self) -> Arc<Script> {
        Script::new(move |request, _| self.answer(request))
    }

    fn answer(&self, request: &Request) -> Result<Answer, CrmError> {
        let url = reqwest::Url::parse(&format!("http://x{}", request.path)).unwrap();
        let get = |key: &str| url.query_pairs().find(|(k, _)| k == key).map(|(_, v)| v.into_owned());
        let q: serde_json::Value =
            get("q").map_or(serde_json::json!({}), |q| serde_json::from_str(&q).unwrap());
        let limit: usize = get("limit").unwrap().parse().unwrap();
        assert!((1..=100).contains(&limit));
        if get("order").is_some() && self.refuses_order {
            return answer(400, r#"{"message":"order"}"#);
        }
        if let (Some(status), true) = (self.refuses_id, q.get("id").is_some()) {
            return answer(status, r#"{"message":"q"}"#);
        }
        let mut ids: Vec<u64> =
            self.ids.iter().copied().filter(|id| self.ignores_q || passes(&q, *id)).collect();
        match get("order").as_deref() {
            _ if self.ignores_order => ids.sort_by_key(|id| (id % 7, *id)),
            Some(r#"{"name":"desc","id":"asc"}"#) => ids.sort_by_key(|id| (std::cmp::Reverse(id % 10), *id)),
            _ => ids.sort_unstable(),
        }
        let page = get("page").filter(|_| !self.ignores_page).map_or(self.first_page, |p| p.parse().unwrap());
        let skip = usize::try_from(page.saturating_sub(self.first_page)).unwrap() * limit;
        let here: Vec<u64> = ids.iter().copied().skip(skip).take(limit).collect();
        let more = skip + here.len() < ids.len() || self.ignores_page;
        let mut metadata = serde_json::Map::new();
        if self.tells_more {
            metadata.insert("has_more".into(), more.into());
        }
        if self.tells_total {
            metadata
                .insert("total_count".into(), (i64::try_from(ids.len()).unwrap() + self.total_off).into());
        }
        let list: Vec<_> = here
            .iter()
            .map(|id| serde_json::json!({"record": {"id": id, "name": format!("n{}", id % 10)}}))
            .collect();
        answer(200, &serde_json::json!({"metadata": metadata, "list": list}).to_string())
    }
}

fn passes(q: &serde_json::Value, id: u64) -> bool {
    q.as_object().unwrap().iter().all(|(key, test)| match key.as_str() {
        "id" => match test.as_object() {
            None => test.as_u64() == Some(id),
            Some(tests) => tests.iter().all(|(operator, value)| match operator.as_str() {
                "$gt" => id > value.as_u64().unwrap(),
                "$gte" => id >= value.as_u64().unwrap(),
                "$lt" => id < value.as_u64().unwrap(),
                "$in" => value.as_array().unwrap().contains(&id.into()),
                other => panic!("{other}"),
            }),
        },
        "name" => test.as_str() == Some(&format!("n{}", id % 10)),
        other => panic!("{other}"),
    })
}

async fn read_with(script: &Arc<Script>, query: ReadQuery) -> (Vec<u64>, ReadSummary) {
    let client = script.client(|_| ());
    let (records, summary) = Reader::new(&client, "accounts", query).unwrap().all().await.unwrap();
    (records.iter().map(|record| record.id.get()).collect(), summary)
}

async fn read(server: Server, query: ReadQuery) -> (Vec<u64>, ReadSummary, Vec<String>) {
    let script = server.script();
    let (ids, summary) = read_with(&script, query).await;
    (ids, summary, script.paths())
}

/// Every record exactly once, in any order.
fn assert_whole(ids: &[u64], records: u64, what: &Server) {
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    let wanted: Vec<u64> = (1..=records).map(|n| n * 3).collect();
    assert!(sorted == wanted, "{} of {records} from {what:?}", ids.len());
}

#[tokio::test(start_paused = true)]
async fn all_records_come_once_whatever_the_server_s_habits() {
    for records in [0, 1, 99, 100, 101, 200, 2_345] {
        for first_page in [0, 1] {
            let usual = Server { first_page, ..Server::of(records) };
            for server in [
                usual.clone(),
                Server { refuses_order: true, ..usual.clone() },
                Server { ignores_order: true, ..usual.clone() },
                Server { refuses_id: Some(400), ..usual.clone() },
                Server { refuses_id: Some(422), ..usual.clone() },
                Server { refuses_id: Some(500), ..usual.clone() },
                Server { ignores_q: true, ..usual.clone() },
                Server { ignores_order: true, ignores_q: true, ..usual.clone() },
                Server { tells_more: false, ..usual.clone() },
                Server { tells_total: false, ..usual.clone() },
                Server { tells_more: false, tells_total: false, ..usual.clone() },
                Server { tells_more: false, tells_total: false, refuses_order: true, ..usual.clone() },
                Server { tells_more: false, refuses_order: true, ..usual.clone() },
            ] {
                let (ids, summary, _) = read(server.clone(), ReadQuery::default()).await;
                assert_whole(&ids, records, &server);
                assert_eq!((summary.read, summary.repeats, summary.missing), (records, 0, 0), "{server:?}");
                assert_eq!(summary.notices, [], "{server:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn by_id_costs_one_request_for_each_hundred_records() {
    let (_, summary, paths) = read(Server::of(2_345), ReadQuery::default()).await;
    assert_eq!((summary.mode, paths.len()), (ReadMode::ById, 24));
    assert_eq!(paths[0], r#"/accounts?limit=100&order={"id":"asc"}"#);
    assert_eq!(paths[1], r#"/accounts?limit=100&order={"id":"asc"}&q={"id":{"$gt":300}}"#);
    let (_, summary, paths) = read(Server::of(70), ReadQuery::default()).await;
    assert_eq!((summary.mode, paths.len()), (ReadMode::OnePage, 1));
}

#[tokio::test(start_paused = true)]
async fn what_the_server_does_not_do_is_found_out_once() {
    let script = Server { refuses_order: true, ..Server::of(150) }.script();
    let client = script.client(|_| ());
    for _ in 0..2 {
        Reader::new(&client, "accounts", ReadQuery::default()).unwrap().all().await.unwrap();
    }
    let with_order = script.paths().iter().filter(|path| path.contains("order")).count();
    assert_eq!(with_order, 1);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_question_itself_is_given_back() {
    let script = Script::new(|_, _| answer(422, r#"{"message":"unknown field"}"#));
    let client = script.client(|_| ());
    let query = ReadQuery { filter: Some(Filter::is("nmae", "x".into())), ..ReadQuery::default() };
    let error = Reader::new(&client, "accounts", query).unwrap().all().await.unwrap_err();
    assert_eq!((error.code(), script.count()), ("invalid", 2));
    let script = Script::new(|_, _| answer(500, r#"{"message":"Invalid record type (x)"}"#));
    let reader = Reader::new(&script.client(|_| ()), "x", ReadQuery::default()).unwrap();
    assert_eq!((reader.all().await.unwrap_err().code(), script.count()), ("unknown_object", 1));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_gives_the_same_page_for_ever_is_left() {
    for server in [
        Server { ignores_page: true, refuses_order: true, ..Server::of(250) },
        Server { ignores_page: true, ignores_q: true, ..Server::of(250) },
        Server { ignores_page: true, ignores_q: true, tells_more: false, ..Server::of(250) },
    ] {
        let (ids, summary, paths) = read(server, ReadQuery::default()).await;
        assert_eq!((ids.len(), summary.missing), (100, 150));
        assert!(summary.notices.iter().any(|notice| notice.0.contains("again and again")), "{summary:?}");
        assert!(summary.notices.iter().any(|notice| notice.0.contains("150 are missing")), "{summary:?}");
        assert!(paths.len() <= 8, "{paths:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_total_is_told_and_costs_little() {
    let (ids, summary, paths) = read(Server { total_off: 5, ..Server::of(250) }, ReadQuery::default()).await;
    assert_eq!((ids.len(), summary.missing), (250, 5));
    assert!(paths.len() <= 6, "{paths:?}");
    let (ids, summary, _) = read(Server { total_off: -5, ..Server::of(250) }, ReadQuery::default()).await;
    assert_eq!((ids.len(), summary.missing), (250, 0));
    assert!(summary.notices[0].0.contains("changed while it was read"), "{summary:?}");
}

#[tokio::test(start_paused = true)]
async fn repeats_on_overlapping_pages_are_dropped_and_counted() {
    // Pages of 100 that begin every 90 records, as when others insert meanwhile.
    let script = Script::new(|request, _| {
        let page: u64 = request.path.split("page=").nth(1).map_or(1, |rest| rest[..1].parse().unwrap());
        if request.path.contains("order") {
            return answer(400, "");
        }
        let list: Vec<_> = ((page - 1) * 90 + 1..=(page - 1) * 90 + 100)
            .map(|id| serde_json::json!({"record": {"id": id}}))
            .collect();
        let metadata = serde_json::json!({"has_more": page < 3, "total_count": 280});
        answer(200, &serde_json::json!({"metadata": metadata, "list": list}).to_string())
    });
    let (ids, summary) = read_with(&script, ReadQuery::default()).await;
    assert_eq!(ids, (1..=280).collect::<Vec<_>>());
    assert_eq!((summary.repeats, summary.missing, summary.mode), (20, 0, ReadMode::ByPage));
}

#[tokio::test(start_paused = true)]
async fn records_that_come_and_go_meanwhile_shift_nothing() {
    let gone = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&gone);
    let server = Server::of(300);
    let script = Script::new(move |request, _| {
        let mut now = server.clone();
        // After the first page, ten early records vanish and two late ones appear.
        if seen.swap(true, Ordering::SeqCst) {
            now.ids.drain(..10);
            now.ids.extend([901, 902]);
        }
        now.answer(request)
    });
    let (ids, summary) = read_with(&script, ReadQuery::default()).await;
    assert_eq!(ids.len(), 302);
    assert_eq!(summary.missing, 0);
    assert!(summary.notices[0].0.contains("counted 300 records before and 292 after"), "{summary:?}");
    assert!(gone.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn another_order_is_read_by_page_with_the_id_as_the_last_word() {
    let order = vec![("name".to_owned(), Direction::Descending)];
    for first_page in [0, 1] {
        let server = Server { first_page, ..Server::of(250) };
        let (ids, summary, paths) =
            read(server.clone(), ReadQuery { order: order.clone(), ..ReadQuery::default() }).await;
        assert_whole(&ids, 250, &server);
        assert!(ids.is_sorted_by_key(|id| (std::cmp::Reverse(id % 10), *id)));
        assert_eq!(summary.mode, ReadMode::ByPage);
        assert!(paths.iter().all(|path| path.contains(r#"order={"name":"desc","id":"asc"}"#)));
    }
    let server = Server { refuses_order: true, ..Server::of(250) };
    let client = server.script().client(|_| ());
    let asked = ReadQuery { order, ..ReadQuery::default() };
    assert!(
        Reader::new(&client, "accounts", asked).unwrap().all().await.is_err(),
        "an order that was asked for"
    );
}

#[tokio::test(start_paused = true)]
async fn filters_go_to_the_server_and_the_rest_is_tested_here() {
    let by_name = Filter::is("name", "n3".into());
    let (ids, summary, paths) =
        read(Server::of(2_000), ReadQuery { filter: Some(by_name.clone()), ..ReadQuery::default() }).await;
    assert_eq!((ids.len(), summary.total, summary.read, summary.unfit), (200, Some(200), 200, 0));
    assert_eq!(paths[1], r#"/accounts?limit=100&order={"id":"asc"}&q={"name":"n3","id":{"$gt":2973}}"#);
    let odd = Filter::Not(Box::new(Filter::Field("id".into(), Test::EndsWith("13".into()))));
    let (ids, summary, _) =
        read(Server::of(2_000), ReadQuery { filter: Some(by_name.and(odd)), ..ReadQuery::default() }).await;
    assert!(ids.iter().all(|id| id % 10 == 3 && id % 100 != 13));
    assert_eq!((ids.len(), summary.read, summary.missing), (180, 200, 0));
}

#[tokio::test(start_paused = true)]
async fn a_filter_that_the_server_ignores_shows_in_the_records_that_do_not_fit() {
    let server = Server { ignores_q: true, ..Server::of(50) };
    let filter = Some(Filter::is("name", "n3".into()));
    let (_, summary, _) = read(server, ReadQuery { filter, ..ReadQuery::default() }).await;
    assert_eq!((summary.handed_out, summary.unfit), (50, 45));
}

#[tokio::test(start_paused = true)]
async fn filters_on_ids_are_read_by_id_too_where_that_can_be_said() {
    let test =
        |test: Test| ReadQuery { filter: Some(Filter::Field("id".into(), test)), ..ReadQuery::default() };
    let (ids, summary, _) = read(Server::of(500), test(Test::Above(300.into()))).await;
    assert_eq!((ids.len(), summary.mode), (400, ReadMode::ById));
    let (ids, summary, paths) = read(Server::of(500), test(Test::AtLeast(300.into()))).await;
    assert_eq!((ids.len(), summary.mode), (401, ReadMode::ById));
    assert!(paths[1].contains(r#"q={"id":{"$gte":300,"$gt":597}}"#), "{paths:?}");
    let (ids, summary, paths) = read(Server::of(500), test(Test::Is(300.into()))).await;
    assert_eq!((ids, summary.mode, paths.len()), (vec![300], ReadMode::OnePage, 1));
    let keys = (1..=100_i64).map(|n| Value::from(n * 3)).collect();
    let (ids, _, paths) = read(Server::of(500), test(Test::In(keys))).await;
    assert_eq!((ids.len(), paths.len()), (100, 1));
    let (ids, _, paths) = read(Server::of(500), test(Test::In(vec![]))).await;
    assert_eq!((ids.len(), paths.len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_user_s_own_filter_is_passed_through() {
    let raw = |raw: &str| ReadQuery { raw_filter: Some(raw.into()), ..ReadQuery::default() };
    let (ids, summary, paths) = read(Server::of(2_000), raw(r#"{ "name": "n6" }"#)).await;
    assert_eq!((ids.len(), summary.mode), (200, ReadMode::ById));
    assert_eq!(paths[0], r#"/accounts?limit=100&order={"id":"asc"}&q={ "name": "n6" }"#);
    let (ids, summary, paths) = read(Server::of(2_000), raw(r#"{"id":{"$lt":601}}"#)).await;
    assert_eq!((ids.len(), summary.mode), (200, ReadMode::ByPage));
    assert!(paths.iter().all(|path| path.contains(r#"q={"id":{"$lt":601}}"#)), "{paths:?}");
    let both = ReadQuery { filter: Some(Filter::is("id", 6.into())), ..raw(r#"{"name":"n6"}"#) };
    assert_eq!(read(Server::of(2_000), both).await.0, [6]);
    let client = Server::of(1).script().client(|_| ());
    for bad in ["", "name=x", "[]", "7", r#"{"a":1"#, r#"{"a":1,"a":2}"#] {
        let error = Reader::new(&client, "accounts", raw(bad)).unwrap_err();
        assert_eq!(error.code(), "unsendable", "{bad}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_ends_the_reading_early() {
    let limit = |limit| ReadQuery { limit: Some(limit), ..ReadQuery::default() };
    for (wanted, requests) in [(0, 0), (5, 1), (100, 1), (101, 2)] {
        let (ids, summary, paths) = read(Server::of(500), limit(wanted)).await;
        assert_eq!((ids.len() as u64, paths.len(), summary.missing), (wanted, requests, 0));
        assert_eq!(summary.handed_out, wanted);
    }
    let (ids, _, paths) = read(Server { refuses_order: true, ..Server::of(500) }, limit(7)).await;
    assert_eq!(ids.len(), 7);
    assert!(paths.iter().all(|path| path.contains("limit=7")));
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_reading_goes_on_where_it_stood() {
    let server = Server::of(350);
    let script = Script::new(move |request, number| match number {
        3 => answer(403, "{}"),
        _ => server.answer(request),
    });
    let client = script.client(|_| ());
    let mut reader = Reader::new(&client, "accounts", ReadQuery::default()).unwrap();
    let mut ids = Vec::new();
    let mut failures = 0;
    loop {
        match reader.next().await {
            Ok(Some(batch)) => ids.extend(batch.iter().map(|record| record.id.get())),
            Ok(None) => break,
            Err(_) => failures += 1,
        }
    }
    assert_eq!((ids.len(), failures), (350, 1));
}

#[test]
fn ids_that_were_seen_are_known_in_any_order() {
    let mut seen = Seen::default();
    for (id, new) in
        [(5, true), (9, true), (7, true), (7, false), (5, false), (10, true), (1, true), (10, false)]
    {
        assert_eq!(seen.insert(id), new, "{id}");
    }
    assert_eq!(seen.len(), 5);
}

#[tokio::test]
async fn who_has_read_up_to_an_id_is_given_the_rest_by_every_server() {
    let habits: [fn(&mut Server); 8] = [
        |_| {},
        |server| server.refuses_order = true,
        |server| server.ignores_order = true,
        |server| server.refuses_id = Some(400),
        |server| server.ignores_q = true,
        |server| (server.ignores_q, server.ignores_order) = (true, true),
        |server| server.tells_more = false,
        |server| server.first_page = 0,
    ];
    for (number, habit) in habits.into_iter().enumerate() {
        let mut server = Server::of(1_234);
        habit(&mut server);
        for above in [3, 600, 3_699] {
            let query = ReadQuery { above, ..ReadQuery::default() };
            let (mut ids, summary, _) = read(server.clone(), query).await;
            ids.sort_unstable();
            let rest: Vec<u64> = (1..=1_234).map(|n| n * 3).filter(|id| *id > above).collect();
            assert_eq!(ids, rest, "habit {number}, above {above}");
            assert_eq!((summary.missing, summary.notices), (0, vec![]), "habit {number}, above {above}");
        }
    }
}

#[tokio::test]
async fn that_nothing_follows_is_believed_where_the_record_that_was_read_last_comes_again() {
    for (kept, most) in [(15, 1), (12, 20)] {
        let mut server = Server::of(10);
        server.ids.retain(|id| *id <= kept);
        let (ids, summary, asked) = read(server, ReadQuery { above: 15, ..ReadQuery::default() }).await;
        assert!(ids.is_empty() && summary.missing == 0 && summary.notices.is_empty());
        // Where that is gone too, an empty answer could be one to another question.
        assert!(asked.len() <= most && (asked.len() > 1) == (most > 1), "{asked:?}");
    }
}
