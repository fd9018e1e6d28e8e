use std::num::NonZeroUsize;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::coordinator::{Coordinator, Out, Reply};
use super::*;
use crate::model::{Action, Outcome};
use crate::pipeline::testing::client_of;
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
