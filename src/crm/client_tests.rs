//! The loop around each request, on paused time: what is sent again, what
//! never is, who waits for whom.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::scripted::{CANARY, Script, account, answer, later, lost, unreachable};
use super::transport::Method;
use super::{CrmError, Deleted, ListQuery, NextStep};
use crate::model::{Calls, RecordId};

fn id(number: u64) -> RecordId {
    RecordId::new(number).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_create_in_doubt_is_never_sent_again() {
    for (status, body) in [
        (500, "{}"),
        (500, "<html>"),
        (502, ""),
        (503, ""),
        (504, ""),
        (408, ""),
        (599, ""),
        (299, ""),
        (201, ""),
        (201, "{}"),
        (201, "{\"record\":{\"id\":0}}"),
        (201, "{\"record\":{\"id\":7"),
        (200, "<html>login</html>"),
        (200, "{\"message\":\"ok\"}"),
        (201, "{\"metadata\":{\"record_type\":\"contact\"},\"record\":{\"id\":7}}"),
    ] {
        let script = Script::new(move |_, _| answer(status, body));
        let error = script.client(|_| ()).create("accounts", "{}").await.unwrap_err();
        assert_eq!((error.next_step(), script.count()), (NextStep::LookUpFirst, 1), "{status} {body}");
    }
    for fault in [
        CrmError::ConnectionLost { why: String::new() },
        CrmError::TimedOut { after: Duration::from_secs(30) },
    ] {
        let script = Script::new(move |_, _| Err(fault.clone()));
        let error = script.client(|_| ()).create("accounts", "{}").await.unwrap_err();
        assert_eq!((error.next_step(), script.count()), (NextStep::LookUpFirst, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_that_certainly_did_nothing_is_sent_again() {
    let script = Script::new(|_, number| match number {
        1 | 2 => unreachable(),
        3 => answer(429, ""),
        _ => answer(201, &account(7)),
    });
    let client = script.client(|_| ());
    assert_eq!(client.create("accounts", r#"{"name":"x"}"#).await.unwrap().id, id(7));
    let bodies: Vec<_> = script
        .asked
        .lock()
        .unwrap()
        .iter()
        .map(|(_, r)| (r.method, r.path.clone(), r.body.clone()))
        .collect();
    assert_eq!(bodies.len(), 4);
    assert_eq!(bodies[3], (Method::Post, "/accounts".into(), Some(r#"{"name":"x"}"#.into())));
    // The two that never left are no calls, and so the 429 was the first.
    assert_eq!(client.calls(), Calls { total: 2, post: 2, retries: 1, ..Calls::default() });
}

#[tokio::test(start_paused = true)]
async fn reads_updates_and_deletes_are_tried_as_often_as_allowed() {
    let script = Script::new(|_, _| answer(500, ""));
    let client = script.client(|options| options.retries = 3);
    assert!(client.list("accounts", &ListQuery::default()).await.is_err());
    assert_eq!(script.count(), 4);
    assert!(client.update("accounts", id(7), "{}", None).await.is_err());
    assert_eq!(script.count(), 8);
    assert!(client.delete("accounts", id(7), None).await.is_err());
    assert_eq!(script.count(), 12);
    assert_eq!(client.calls(), Calls { total: 12, get: 4, post: 0, patch: 4, delete: 4, retries: 9 });
    assert!(script.times().last().unwrap() < &(3 * 3_500), "backoff is at most 0.5 + 1 + 2 s");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_the_api_s_is_asked_for_three_times_at_most() {
    let script = Script::new(|_, _| answer(200, "<html>please log in</html>"));
    let error = script.client(|_| ()).list("accounts", &ListQuery::default()).await.unwrap_err();
    assert_eq!((error.code(), script.count()), ("unexpected_answer", 3));
}

#[tokio::test(start_paused = true)]
async fn refusals_are_final() {
    for (status, step) in [
        (400, NextStep::RejectRow),
        (422, NextStep::RejectRow),
        (403, NextStep::StopRun),
        (301, NextStep::StopRun),
    ] {
        let script = Script::new(move |_, _| answer(status, r#"{"message":"no"}"#));
        let client = script.client(|_| ());
        for error in [
            client.create("accounts", "{}").await.unwrap_err(),
            client.update("accounts", id(7), "{}", None).await.unwrap_err(),
            client.delete("accounts", id(7), None).await.unwrap_err(),
            client.get("accounts", id(7), false).await.unwrap_err(),
        ] {
            assert_eq!(error.next_step(), step, "{error}");
        }
        assert_eq!(script.count(), 4);
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_not_there_is_none_and_gone() {
    for body in ["", "{}", r#"{"message":"Record not found"}"#] {
        let script = Script::new(move |_, _| answer(404, body));
        let client = script.client(|_| ());
        assert_eq!(client.get("accounts", id(7), false).await, Ok(None));
        assert_eq!(client.delete("accounts", id(7), None).await, Ok(Deleted::AlreadyGone));
        let error = client.update("accounts", id(7), "{}", None).await.unwrap_err();
        assert_eq!((error.code(), error.next_step()), ("not_found", NextStep::RejectRow));
    }
    let script = Script::new(|_, _| answer(404, "<html>nginx</html>"));
    let client = script.client(|_| ());
    assert!(client.get("accounts", id(7), false).await.is_err(), "a web page says nothing about a record");
    assert!(client.delete("accounts", id(7), None).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn deletes_and_reads_succeed_as_documented() {
    let script = Script::new(|request, _| match request.method {
        Method::Delete => answer(200, "{}"),
        _ => answer(200, &account(7)),
    });
    let client = script.client(|_| ());
    assert_eq!(client.delete("accounts", id(7), None).await, Ok(Deleted::Done));
    assert_eq!(client.get("accounts", id(7), true).await.unwrap().unwrap().id, id(7));
    assert!(client.get("accounts", id(8), false).await.is_err(), "another record's answer");
    assert!(client.update("accounts", id(8), "{}", None).await.is_err());
    assert_eq!(script.paths()[1], "/accounts/7?lines=true");
    let page = Script::new(|_, _| answer(200, "<html>login</html>"));
    assert!(page.client(|_| ()).delete("accounts", id(7), None).await.is_err());
    let empty = Script::new(|_, _| answer(204, ""));
    assert_eq!(empty.client(|_| ()).delete("accounts", id(7), None).await, Ok(Deleted::Done));
    assert!(empty.client(|_| ()).create("accounts", "{}").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_try_in_doubt_is_not_forgotten_over_a_later_one_that_did_nothing() {
    let script = Script::new(|_, number| if number == 1 { lost() } else { unreachable() });
    let error = script.client(|_| ()).update("accounts", id(7), "{}", None).await.unwrap_err();
    assert_eq!((error.next_step(), script.count()), (NextStep::LookUpFirst, 6));
    let script = Script::new(|_, number| if number == 1 { lost() } else { answer(422, "{}") });
    let error = script.client(|_| ()).update("accounts", id(7), "{}", None).await.unwrap_err();
    assert_eq!(error.next_step(), NextStep::RejectRow);
    let script = Script::new(|_, _| lost());
    let error = script
        .client(|options| options.max_calls = Some(1))
        .update("accounts", id(7), "{}", None)
        .await
        .unwrap_err();
    assert_eq!((error.code(), script.count()), ("connection_lost", 1));
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_holds_everyone() {
    for status in [429, 503] {
        let script = Script::new(
            move |_, number| if number == 1 { later(status, 42) } else { answer(200, &account(7)) },
        );
        let client = script.client(|_| ());
        let first = tokio::spawn({
            let client = client.clone();
            async move { client.get("accounts", id(7), false).await }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(client.pause().unwrap().left(), Duration::from_secs(41));
        client.get("accounts", id(7), false).await.unwrap();
        first.await.unwrap().unwrap();
        assert!(script.times()[1..].iter().all(|at| (42_000..43_000).contains(at)), "{:?}", script.times());
        assert_eq!((client.pauses().count, client.pauses().total.as_secs()), (1, 42));
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_after_of_nothing_still_backs_off() {
    let script = Script::new(|_, _| later(429, 0));
    assert!(script.client(|_| ()).create("accounts", "{}").await.is_err());
    assert_eq!(script.count(), 6);
    assert!(script.times()[5] > 0, "six requests at one moment");
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_hours_ends_the_run_instead_of_holding_it() {
    let script = Script::new(|_, _| later(429, 99_999_999));
    let client = script.client(|_| ());
    let error = client.create("accounts", "{}").await.unwrap_err();
    assert_eq!((error.next_step(), script.count()), (NextStep::StopBudget, 1));
    assert_eq!(client.pause(), None);
}

#[tokio::test(start_paused = true)]
async fn no_more_requests_are_in_flight_than_allowed() {
    let script = Script::slow(Duration::from_millis(100), |_, _| answer(200, &account(7)));
    let client = script.client(|options| options.concurrency = NonZeroUsize::new(3).unwrap());
    let all: Vec<_> = (0..12)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.get("accounts", id(7), false).await.unwrap() })
        })
        .collect();
    for one in all {
        one.await.unwrap();
    }
    assert_eq!(script.most_inside.load(Ordering::SeqCst), 3);
    assert_eq!(script.times(), [0, 0, 0, 100, 100, 100, 200, 200, 200, 300, 300, 300]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_for_its_next_try_holds_no_place() {
    let script = Script::new(|request, number| match (request.path.as_str(), number) {
        ("/accounts/1", 1) => answer(503, ""),
        _ => answer(200, &account(request.path[10..].parse().unwrap())),
    });
    let client = script.client(|options| options.concurrency = NonZeroUsize::MIN);
    let first = tokio::spawn({
        let client = client.clone();
        async move { client.get("accounts", id(1), false).await }
    });
    tokio::task::yield_now().await;
    tokio::time::timeout(Duration::from_nanos(1), client.get("accounts", id(2), false))
        .await
        .unwrap()
        .unwrap();
    first.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_pace_holds_for_all_clones() {
    let script = Script::new(|_, _| answer(200, &account(7)));
    let client = script.client(|options| options.rate = NonZeroU32::new(10));
    let other = client.clone();
    for _ in 0..3 {
        client.get("accounts", id(7), false).await.unwrap();
        other.get("accounts", id(7), false).await.unwrap();
    }
    assert_eq!(script.times(), [0, 100, 200, 300, 400, 500]);
}

#[tokio::test(start_paused = true)]
async fn the_budget_is_kept_to_the_call() {
    let script = Script::new(|_, _| answer(200, &account(7)));
    let client = script.client(|options| options.max_calls = Some(2));
    for _ in 0..2 {
        client.get("accounts", id(7), false).await.unwrap();
    }
    let error = client.create("accounts", "{}").await.unwrap_err();
    assert_eq!((error, script.count()), (CrmError::BudgetSpent { limit: 2 }, 2));
    let script = Script::new(|_, _| answer(429, ""));
    let error =
        script.client(|options| options.max_calls = Some(1)).create("accounts", "{}").await.unwrap_err();
    assert_eq!((error, script.count()), (CrmError::BudgetSpent { limit: 1 }, 1));
}

#[tokio::test(start_paused = true)]
async fn a_used_up_quota_stops_and_is_not_asked_again() {
    let script = Script::new(|_, _| answer(200, r#"{"message":"Your API call limit has been exceeded"}"#));
    let client = script.client(|_| ());
    for error in [
        client.list("accounts", &ListQuery::default()).await.unwrap_err(),
        client.create("accounts", "{}").await.unwrap_err(),
        client.dictionary("accounts").await.unwrap_err(),
        client.delete("accounts", id(7), None).await.unwrap_err(),
    ] {
        assert_eq!((error.code(), error.next_step()), ("quota_spent", NextStep::StopBudget));
    }
    assert_eq!(script.count(), 4);
}

#[tokio::test(start_paused = true)]
async fn stopping_keeps_what_is_on_its_way_and_sends_nothing_more() {
    let script = Script::slow(Duration::from_secs(5), |_, _| answer(201, &account(7)));
    let client = script.client(|options| options.concurrency = NonZeroUsize::MIN);
    let spawn = || {
        let client = client.clone();
        tokio::spawn(async move { client.create("accounts", "{}").await.map(|record| record.id) })
    };
    let (first, second) = (spawn(), spawn());
    tokio::time::sleep(Duration::from_secs(1)).await;
    client.stop();
    assert_eq!(first.await.unwrap(), Ok(id(7)));
    assert_eq!(second.await.unwrap(), Err(CrmError::Cancelled));
    assert_eq!(script.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn lookups_are_read_and_appended() {
    let script = Script::new(|request, _| match request.method {
        Method::Patch => answer(200, r#"{"message":"Lookup values added","items":[{"value":"B","id":"B"}]}"#),
        _ => answer(200, r#"{"items":[{"value":"A","id":1}]}"#),
    });
    let client = script.client(|_| ());
    assert_eq!(client.lookup("accounts", "addresscounty/state").await, Ok(vec!["A".to_owned()]));
    assert_eq!(client.append_lookup("types", &["B".into()]).await, Ok(vec!["B".to_owned()]));
    let asked = script.asked.lock().unwrap().clone();
    assert_eq!(asked[0].1.path, "/lookup/accounts/addresscounty%2Fstate");
    assert_eq!(
        (asked[1].1.path.as_str(), asked[1].1.body.as_deref()),
        ("/lookup/types", Some(r#"{"items":["B"]}"#))
    );
    let script = Script::new(|_, _| answer(500, ""));
    assert!(script.client(|_| ()).append_lookup("types", &["B".into()]).await.is_err());
    assert_eq!(script.count(), 1, "appending twice could leave the value twice");
}

#[tokio::test(start_paused = true)]
async fn a_dictionary_in_an_unknown_form_is_shown_with_the_way_out() {
    let body = format!(r#"{{"columns_of_{CANARY}":"\u001b[31m"}}"#);
    let script = Script::new(move |_, _| answer(200, &body));
    let error = script.client(|_| ()).dictionary("accounts").await.unwrap_err();
    let text = format!("{error} {}", error.advice().unwrap());
    assert!(text.contains("columns_of_<hidden>") && text.contains("--dictionary FILE"), "{text}");
    assert_eq!((error.next_step(), script.count()), (NextStep::StopRun, 1));
    let script = Script::new(|_, _| answer(200, r#"{"fields":[{"name":"id"},{"name":"name"}]}"#));
    assert_eq!(script.client(|_| ()).dictionary("accounts").await.unwrap().fields().len(), 2);
    assert_eq!(script.paths(), ["/datadictionary/accounts"]);
}

#[tokio::test(start_paused = true)]
async fn names_that_cannot_be_sent_are_said_so_and_not_sent() {
    let script = Script::new(|_, _| answer(200, "{}"));
    let client = script.client(|_| ());
    for name in ["", ".", ".."] {
        assert!(matches!(client.dictionary(name).await, Err(CrmError::Unsendable { .. })));
        assert!(matches!(client.delete(name, id(7), None).await, Err(CrmError::Unsendable { .. })));
    }
    assert_eq!(script.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_token_is_in_no_error_and_no_debug_text() {
    for (status, form) in [
        (200, "@"),
        (201, "<p>@</p>"),
        (301, "@"),
        (400, r#"{"message":"@"}"#),
        (403, r#"{"error":"@"}"#),
        (404, "<html>@</html>"),
        (422, r#"{"message":"@","validation":{"@":[{"@":["@"]}],"a":"no @"}}"#),
        (429, r#"{"message":"@"}"#),
        (500, r#"{"message":"Invalid record type (@)"}"#),
        (500, "@"),
        (503, "@"),
        (200, r#"{"message":"limit of @"}"#),
        (299, "@"),
    ] {
        let body = form.replace('@', CANARY);
        let script = Script::new(move |_, _| answer(status, &body));
        let client = script.client(|options| options.retries = 0);
        for error in [
            client.create("accounts", "{}").await.unwrap_err(),
            client.list("accounts", &ListQuery::default()).await.unwrap_err(),
            client.dictionary("accounts").await.err().unwrap_or(CrmError::Cancelled),
        ] {
            let text = format!("{error} {error:?} {client:?}");
            assert!(!text.contains(CANARY), "{status} {form}: {text}");
        }
    }
}
