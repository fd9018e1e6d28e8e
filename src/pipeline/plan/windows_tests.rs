//! However the rows fall into windows, the plan is the same.

use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::crm::Client;
use crate::pipeline::testing::*;
use crate::pipeline::{Silent, SystemClock, Tools};
use crate::store::{RunFolder, Store};

const MAPPING: &str = "version: 1\nobject: accounts\nmode: upsert\nmatch: [name]\n\
    fields:\n  name: Name\n  phone: Phone\n  annualvalue: Value\n";

/// Rows: a name out of few, so that some come again, and something that may differ or be at fault.
fn file_of(rows: &[(u8, u8)]) -> String {
    let lines = rows.iter().map(|(name, value)| match value {
        0 => format!("Name {name},1,2,3\n"),
        1 => format!("Name {name},1,x\n"),
        2 => format!(",{name},1\n"),
        3 => format!("name  {name},1,{name}.50\n"),
        value => format!("Name {name},{value},{name}.5\n"),
    });
    "Name,Phone,Value\n".to_owned() + &lines.collect::<String>()
}

/// All that the plan holds but for times.
async fn plan_of(desk: &Desk, client: &Client, window: usize) -> Vec<String> {
    let stop = CancellationToken::new();
    let tools = Tools { client, reporter: &Silent, stop: &stop, clock: &SystemClock };
    let job = desk.job(client, &Silent).await.unwrap();
    let now = jiff::civil::date(2026, 11, 23).at(20, 14, 5, 0);
    let folder = RunFolder::create(&desk.path("runs"), "accounts", now).unwrap();
    let mut store = Store::create(&folder.store_file()).unwrap();
    let mut planner = Planner::new(&job, &folder, &mut store, None, tools).unwrap();
    planner.window = window;
    planner.run(None, 0).await.unwrap();
    drop(store);
    let db = rusqlite::Connection::open(folder.store_file()).unwrap();
    let texts = |sql: &str| -> Vec<String> {
        let mut statement = db.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let mut all = texts(
        "SELECT printf('%d|%s|%s|%s|%s|%s|%s|%s|%s', row, hex(source), action, record_id, key, body, before, outcome,
                hex(image)) FROM rows ORDER BY row",
    );
    all.extend(texts(
        "SELECT printf('%d|%s|%s|%s|%s', row, cell, field, code, message) FROM findings ORDER BY id",
    ));
    all.extend(texts("SELECT name || '=' || value FROM facts WHERE name = 'rows_read'"));
    all
}

proptest! {
    #![proptest_config(fixed(10))]

    #[test]
    fn the_plan_is_that_of_one_window(rows in prop::collection::vec((0..25_u8, 0..12_u8), 0..60)) {
        let (_sandbox, client) = sandbox();
        let desk = Desk::new(&file_of(&rows), MAPPING);
        run(async {
            for name in (0..25).step_by(2) {
                let body = format!(r#"{{"name":"Name {name}","phone":"7","annualvalue":{name}.5}}"#);
                client.create("accounts", &body).await.unwrap();
            }
            let whole = plan_of(&desk, &client, 1_000).await;
            for window in [1, 2, 7] {
                assert_eq!(plan_of(&desk, &client, window).await, whole, "in windows of {window}");
            }
        });
    }
}

#[test]
fn a_crm_that_no_longer_takes_the_filter_is_read_whole_in_the_middle() {
    let names: Vec<String> =
        (0..400).map(|n| format!("{{\"id\":{},\"name\":\"Name {n}\"}}", n + 1)).collect();
    let few: Vec<String> = names.iter().take(100).cloned().collect();
    let (first, everything) = (list(&few), list(&names));
    let times = std::sync::atomic::AtomicUsize::new(0);
    let crm = TinyServer::start(move |request, _| {
        if request.contains("/datadictionary") || request.contains("/lookup") {
            return (200, r#"{"fields":[{"name":"name","type":"text","required":true},{"name":"id","type":"number"},{"name":"phone","type":"text"},{"name":"annualvalue","type":"number"}]}"#.to_owned());
        }
        if !request.contains("$in") {
            return (200, everything.clone());
        }
        match times.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => (200, first.clone()),
            _ => (400, "{}".to_owned()),
        }
    });
    let rows: String = (0..400).map(|n| format!("Name {n},,\n")).collect();
    let desk = Desk::new(&format!("Name,Phone,Value\n{rows}"), MAPPING);
    let plan = run(plan_of(&desk, &crm.client(), 100));
    let unchanged = plan.iter().filter(|line| line.contains("|unchanged|")).count();
    assert_eq!(unchanged, 400, "each row has its record");
}
