//! Reading with several requests at once, from a server that takes its time.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::crm::answer::Answer;
use crate::crm::errors::CrmError;
use crate::crm::read::{ReadMode, ReadQuery, ReadSummary, Reader};
use crate::crm::scripted::{Script, answer};
use crate::crm::transport::Request;

const LATENCY: Duration = Duration::from_millis(50);

type Ids = Arc<Mutex<BTreeSet<u64>>>;

/// So many ids, two to four apart.
fn ids(count: u64) -> BTreeSet<u64> {
    (1..=count).map(|n| 1_000 + n * 3 + n * 7_919 % 3).collect()
}

/// One page of the ids that a request asks for, in ascending order.
fn page_of(ids: &BTreeSet<u64>, request: &Request) -> Result<Answer, CrmError> {
    let url = reqwest::Url::parse(&format!("http://x{}", request.path)).unwrap();
    let get = |key: &str| url.query_pairs().find(|(k, _)| k == key).map(|(_, v)| v.into_owned());
    let q: serde_json::Value =
        get("q").map_or(serde_json::Value::Null, |q| serde_json::from_str(&q).unwrap());
    let above = q["id"]["$gt"].as_u64().unwrap_or(0);
    let limit: usize = get("limit").unwrap().parse().unwrap();
    let skip = get("page").map_or(0, |page| page.parse::<usize>().unwrap().saturating_sub(1)) * limit;
    let all = ids.range(above + 1..).count();
    let list: Vec<_> = ids
        .range(above + 1..)
        .skip(skip)
        .take(limit)
        .map(|id| serde_json::json!({"record": {"id": id, "name": format!("n{id}")}}))
        .collect();
    let metadata = serde_json::json!({"total_count": all, "has_more": skip + list.len() < all});
    answer(200, &serde_json::json!({"metadata": metadata, "list": list}).to_string())
}

fn server(count: u64) -> (Ids, Arc<Script>) {
    let stored: Ids = Arc::new(Mutex::new(ids(count)));
    let seen = Arc::clone(&stored);
    (stored, Script::slow(LATENCY, move |request, _| page_of(&seen.lock().unwrap(), request)))
}

async fn read(script: &Arc<Script>, query: ReadQuery) -> (Vec<u64>, ReadSummary) {
    let reader = Reader::new(&script.client(|_| ()), "accounts", query).unwrap();
    let (records, summary) = reader.all().await.unwrap();
    (records.iter().map(|record| record.id.get()).collect(), summary)
}

#[tokio::test(start_paused = true)]
async fn several_requests_read_together_and_the_order_is_that_of_the_ids() {
    let (stored, script) = server(20_000);
    let begun = Instant::now();
    let (out, summary) = read(&script, ReadQuery::default()).await;
    assert_eq!(out, stored.lock().unwrap().iter().copied().collect::<Vec<_>>());
    assert_eq!((summary.mode, summary.read, summary.missing), (ReadMode::ById, 20_000, 0));
    assert_eq!(script.most_inside.load(Ordering::SeqCst), 8);
    assert!(script.count() <= 220, "{} calls for 200 pages", script.count());
    let ideal = LATENCY * 200 / 8;
    assert!(begun.elapsed() <= ideal.mul_f64(1.2), "{:?} instead of {ideal:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn few_records_cost_few_calls() {
    for (records, calls) in [(10, 1), (100, 1), (101, 2), (500, 5)] {
        let (_, script) = server(records);
        read(&script, ReadQuery::default()).await;
        assert!(script.count() <= calls, "{} calls for {records} records", script.count());
    }
}

#[tokio::test(start_paused = true)]
async fn what_others_do_meanwhile_loses_and_repeats_nothing() {
    let (stored, script) = server(5_000);
    let before = stored.lock().unwrap().clone();
    let reading = async {
        let (out, _) = read(&script, ReadQuery::default()).await;
        out
    };
    let others = async {
        // Old ones go from everywhere, new ones come behind.
        for n in 0..500_u64 {
            tokio::time::sleep(Duration::from_micros(900)).await;
            let mut ids = stored.lock().unwrap();
            let gone = *ids.iter().nth((n * 7_919 % ids.len() as u64) as usize).unwrap();
            ids.remove(&gone);
            let next = ids.last().unwrap() + 3;
            ids.insert(next);
        }
    };
    let (out, ()) = tokio::join!(reading, others);
    let throughout: BTreeSet<u64> = before.intersection(&stored.lock().unwrap()).copied().collect();
    let different: BTreeSet<u64> = out.iter().copied().collect();
    assert_eq!(different.len(), out.len(), "none comes twice");
    assert!(out.is_sorted());
    assert!(throughout.is_subset(&different), "what was there throughout has come");
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_the_ranges_are_walked_on() {
    let script = Script::slow(LATENCY, |request, number| match number {
        7 | 20 | 21 | 40 => answer(403, "{}"),
        _ => page_of(&ids(5_000), request),
    });
    let client = script.client(|_| ());
    let mut reader = Reader::new(&client, "accounts", ReadQuery::default()).unwrap();
    let (mut out, mut failures) = (Vec::new(), 0);
    loop {
        match reader.next().await {
            Ok(Some(batch)) => out.extend(batch.iter().map(|record| record.id.get())),
            Ok(None) => break,
            Err(_) => failures += 1,
        }
    }
    assert_eq!((out, failures), (ids(5_000).into_iter().collect(), 4));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_taking_part_is_read_by_page() {
    for refusal in [400, 422] {
        let script = Script::slow(LATENCY, move |request, number| {
            let by_id = request.path.contains("gt") && number >= 12;
            if by_id { answer(refusal, r#"{"message":"q"}"#) } else { page_of(&ids(5_000), request) }
        });
        let (mut out, summary) = read(&script, ReadQuery::default()).await;
        out.sort_unstable();
        assert_eq!(out, ids(5_000).into_iter().collect::<Vec<_>>());
        assert_eq!((summary.mode, summary.missing), (ReadMode::ByPage, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_answer_where_records_were_seen_is_no_end() {
    // The first question of all, and some of those that begin in the middle.
    for empty in [2, 4, 6, 9] {
        let script = Script::slow(LATENCY, move |request, number| {
            let nothing = r#"{"metadata":{"total_count":0,"has_more":false},"list":[]}"#;
            if number == empty { answer(200, nothing) } else { page_of(&ids(5_000), request) }
        });
        let (mut out, summary) = read(&script, ReadQuery::default()).await;
        out.sort_unstable();
        assert_eq!((out.len(), summary.missing), (5_000, 0), "request {empty}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_costs_no_more_pages_than_it_takes() {
    for limit in [600, 1_000, 1_001, 4_999] {
        let (stored, script) = server(5_000);
        let query = ReadQuery { limit: Some(limit), ..ReadQuery::default() };
        let (out, summary) = read(&script, query).await;
        assert_eq!(out, stored.lock().unwrap().iter().take(limit as usize).copied().collect::<Vec<_>>());
        assert_eq!(summary.handed_out, limit);
        let pages = limit.div_ceil(100) as usize;
        assert!(script.count() <= pages + pages / 10 + 4, "{} calls for {limit}", script.count());
    }
}

#[tokio::test(start_paused = true)]
async fn a_spent_budget_ends_the_reading_and_no_call_goes_beyond_it() {
    let (_, script) = server(5_000);
    let client = script.client(|options| options.max_calls = Some(20));
    let reader = Reader::new(&client, "accounts", ReadQuery::default()).unwrap();
    assert_eq!(reader.all().await.unwrap_err().code(), "budget_spent");
    assert_eq!(script.count(), 20);
}

#[tokio::test(start_paused = true)]
async fn without_a_total_the_end_is_found_all_the_same() {
    let script = Script::slow(LATENCY, |request, _| {
        let told = page_of(&ids(4_321), request)?;
        let body = String::from_utf8(told.body).unwrap();
        answer(200, &body.replace("total_count", "x").replace("has_more", "y"))
    });
    let (out, summary) = read(&script, ReadQuery::default()).await;
    assert_eq!((out, summary.mode), (ids(4_321).into_iter().collect(), ReadMode::ById));
    assert!(script.count() <= 60, "{} calls", script.count());
}
