use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::coordinator::{Coordinator, Out, Reply};
use super::*;
use crate::model::{Action, Field, FieldKind, Outcome, RecordId};
use crate::pipeline::testing::{TinyServer, client_of, list, run};
use crate::pipeline::{Silent, SystemClock};
use crate::store::PlannedRow;

fn settings(scratch: PathBuf) -> SendSettings {
    SendSettings {
        dictionary: Dictionary::new("accounts", Vec::new()),
        key: Vec::new(),
        reference: None,
        concurrency: NonZeroUsize::MIN,
        stop_after: None,
        direction: Direction::Forward,
        settle: Duration::ZERO,
        on_unknown: OnUnknown::Hold,
        scratch,
        only: None,
        trust_plan: true,
        store_patience: Duration::ZERO,
        takes_existing: true,
        purpose: Purpose::Import,
    }
}

#[tokio::test]
async fn a_request_that_panics_is_in_doubt_and_ends_the_run_instead_of_hanging_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::create(&folder.path().join("run.db")).unwrap();
    let planned = |row| PlannedRow { row, action: Some(Action::Create), ..PlannedRow::default() };
    store.add_rows(&[planned(2), planned(3)]).unwrap();
    store.set("rows_read", &2_u64).unwrap();
    let row = store.next_to_send(None, 1, Direction::Forward).unwrap().remove(0);
    let client = client_of("http://127.0.0.1:1");
    let (settings, stop, origins) =
        (settings(folder.path().to_owned()), CancellationToken::new(), Origins::default());
    let tools =
        SendTools { client: &client, origins: &origins, reporter: &Silent, stop: &stop, clock: &SystemClock };
    store.exchange(&[], &[row.row], "now").unwrap();
    let mut coordinator = Coordinator::new(&mut store, &settings, tools).unwrap();
    coordinator.last_row = Some(row.row);
    coordinator.window = 1;
    let number = row.row;
    let fault = async move {
        if number > 0 {
            panic!("a fault of ours");
        }
        Reply::Sent(Err(CrmError::Cancelled))
    };
    coordinator.spawn(Out::Row(row.clone()), fault);
    let error = coordinator.run().await.unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().contains("row 2"), "{error}");
    let counts = store.counts().unwrap();
    assert_eq!((counts.get(Outcome::Unknown), counts.get(Outcome::Unprocessed)), (1, 1));
    assert!(counts.add_up());
}

/// A clock that somebody sets.
#[derive(Debug, Default)]
struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::from_second(1_790_000_000 + self.0.load(Ordering::Relaxed)).unwrap()
    }
}

/// Changes four records that this very process looked at `age` seconds ago; the
/// clock jumps by `jump` seconds with the second request. The methods of all requests.
fn changed_four(age: i64, jump: i64) -> Vec<String> {
    let clock = Arc::new(SetClock::default());
    let jumping = Arc::clone(&clock);
    let patched = AtomicI64::new(0);
    let record = |id: &str, phone: &str| format!(r#"{{"id":{id},"phone":"{phone}"}}"#);
    let server = TinyServer::start(move |request, _| {
        let Some((_, id)) = request.split_once("PATCH /accounts/") else {
            return (200, list(&["7", "8", "9", "10"].map(|id| record(id, "1"))));
        };
        if patched.fetch_add(1, Ordering::Relaxed) == 1 {
            // By now the rows behind the next ones are taken from the store.
            std::thread::sleep(Duration::from_millis(200));
            jumping.0.fetch_add(jump, Ordering::Relaxed);
        }
        let metadata = r#"{"object_type":"record","record_type":"account"}"#;
        (200, format!(r#"{{"metadata":{metadata},"record":{}}}"#, record(id, "2")))
    });
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::create(&folder.path().join("run.db")).unwrap();
    let planned = |row: u64| PlannedRow {
        row,
        action: Some(Action::Update),
        record: RecordId::new(row + 5),
        body: Some(r#"{"phone":"2"}"#.to_owned()),
        before: Some(r#"{"phone":"1"}"#.to_owned()),
        looked: Some(clock.now().as_second() - age),
        ..PlannedRow::default()
    };
    store.add_rows(&[planned(2), planned(3), planned(4), planned(5)]).unwrap();
    store.set("rows_read", &4_u64).unwrap();
    let dictionary = Dictionary::new("accounts", vec![Field::new("phone", FieldKind::Text)]);
    let settings = SendSettings { dictionary, ..settings(folder.path().to_owned()) };
    let (client, stop, origins) = (server.client(), CancellationToken::new(), Origins::default());
    let tools =
        SendTools { client: &client, origins: &origins, reporter: &Silent, stop: &stop, clock: &*clock };
    run(async { assert_eq!(send(&mut store, &settings, tools).await.unwrap(), Ended::Complete) });
    assert_eq!(store.counts().unwrap().updated, 4);
    let asked = server.asked.lock().unwrap();
    asked.iter().map(|request| request.split(' ').next().unwrap().to_owned()).collect()
}

#[test]
fn a_record_is_looked_at_once_more_where_the_last_look_is_older_than_a_minute_or_still_to_come() {
    for (age, looks) in [(0, 0), (60, 0), (61, 1), (-1, 1)] {
        let asked = changed_four(age, 0);
        assert_eq!(asked.iter().filter(|method| *method == "GET").count(), looks, "{age}: {asked:?}");
    }
}

#[test]
fn rows_that_waited_too_long_for_their_turn_are_looked_at_again() {
    let asked = changed_four(0, 61);
    assert_eq!(asked.last().unwrap(), "PATCH");
    assert!(asked.contains(&"GET".to_owned()), "{asked:?}");
}

#[tokio::test]
async fn rows_that_waited_too_long_are_held_while_others_are_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::create(&folder.path().join("run.db")).unwrap();
    let clock = SetClock::default();
    let planned = |row: u64| PlannedRow {
        row,
        action: Some(Action::Update),
        record: RecordId::new(row + 5),
        body: Some(r#"{"phone":"2"}"#.to_owned()),
        looked: Some(clock.now().as_second()),
        ..PlannedRow::default()
    };
    store.add_rows(&[planned(2), planned(3)]).unwrap();
    store.set("rows_read", &2_u64).unwrap();
    let client = client_of("http://127.0.0.1:1");
    let (settings, stop, origins) =
        (settings(folder.path().to_owned()), CancellationToken::new(), Origins::default());
    let tools =
        SendTools { client: &client, origins: &origins, reporter: &Silent, stop: &stop, clock: &clock };
    let mut coordinator = Coordinator::new(&mut store, &settings, tools).unwrap();
    let mut taken = coordinator.take().unwrap();
    assert_eq!(taken.len(), 2);
    // Both come back unsent, one after the other; the clock on the wall stands still.
    let (second, first) = (taken.pop().unwrap(), taken.pop().unwrap());
    coordinator.judge(first, Err(CrmError::Waited));
    assert!(coordinator.take().unwrap().is_empty() && coordinator.looker.is_none());
    coordinator.judge(second, Err(CrmError::Waited));
    assert!(coordinator.take().unwrap().is_empty(), "sent without a look");
    assert_eq!(coordinator.ahead.len(), 1);
}
