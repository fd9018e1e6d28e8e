//! Faults on demand, through the compiled program: what a user rehearses with.

use carafe::crm::{BaseUrl, Client, ClientOptions, CrmError, NextStep, Token};
use carafe::sandbox::{Options, Sandbox};
use rusqlite::Connection;
use serde_json::json;

use crate::support::{Desk, Served};

/// Asks the sandbox's file, as any other process may.
fn count(desk: &Desk, sql: &str) -> u64 {
    Connection::open(desk.path("crm.db")).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

fn rows(number: usize) -> Desk {
    let rows: String = (0..number).map(|n| format!("Row {n},{n}\n")).collect();
    Desk::with("a.csv", format!("name,phone\n{rows}"))
}

#[test]
fn a_migration_is_rehearsed_and_no_row_is_lost_or_doubled() {
    let desk = rows(60);
    let faults = "reset-before=5%,reset-after=5%,500-before=5%,500-after=5%,truncated=5%,429=5%:0s,seed=7";
    let served = Served::start(&desk, faults);
    assert_eq!(served.said["faults"], faults);
    let arguments = ["import", "a.csv", "--object", "accounts", "--concurrency", "1", "--json"];
    let done = desk.carafe(arguments).at(served.address()).env("CARAFE_SETTLE", "1").run();
    let rows = done.json()["rows"].clone();
    let number = |name: &str| rows[name].as_u64().unwrap();
    // What was lost on the way is looked up, or listed as unknown.
    assert_eq!(number("created") + number("unknown"), 60, "{rows}");
    done.is(if number("unknown") > 0 { 7 } else { 0 });
    let stored = count(&desk, "SELECT count(*) FROM accounts WHERE name LIKE 'Row %'");
    assert!((number("created")..=60).contains(&stored), "{stored} {rows}");
    assert_eq!(count(&desk, "SELECT count(*) FROM ledger WHERE method = 'POST'"), stored);
    assert_eq!(count(&desk, "SELECT count(DISTINCT body ->> 'name') FROM ledger"), stored);
    assert!(done.json()["calls"]["retries"].as_u64().unwrap() > 0, "429 is sent again");
}

#[test]
fn any_command_rehearses_with_faults_from_the_environment() {
    let desk = rows(3);
    let import = || desk.carafe(["import", "a.csv", "--object", "accounts", "--sandbox=crm.db", "--json"]);
    let done = import().env("CARAFE_SANDBOX_FAULTS", "token=1,seed=7").run();
    done.is(3);
    assert!(done.stderr.contains("the sandbox makes faults on purpose: token=1,seed=7"), "{}", done.stderr);
    let wrong = import().env("CARAFE_SANDBOX_FAULTS", "tokn=1").run();
    wrong.is(2);
    assert!(wrong.stderr.contains("cannot read CARAFE_SANDBOX_FAULTS"), "{}", wrong.stderr);
    assert!(wrong.stderr.contains("nearest: token"), "{}", wrong.stderr);
    import().env("CARAFE_SANDBOX_FAULTS", "").ends_with(0);
    assert_eq!(count(&desk, "SELECT count(*) FROM ledger"), 3);
}

#[test]
fn faults_that_do_not_read_are_usage() {
    let desk = Desk::new();
    for (faults, words) in [
        ("reset-aftr=5%", "nearest: reset-after; there are refuse, reset-before"),
        ("echo=5", "\"5\" is not a share from 0% to 100%; for example echo=5%"),
        ("echo=60%,wrong=60%", "the shares of writes add up to 120%"),
    ] {
        let done = desk.carafe(["sandbox", "--port", "0", "--faults", faults]).ends_with(2);
        assert!(done.stderr.contains(words), "{}", done.stderr);
    }
}

/// The client, against a sandbox that makes these faults; it tries once only.
fn client(spec: &str) -> (Sandbox, Client) {
    let sandbox = Sandbox::start(Options { faults: spec.parse().unwrap(), ..Options::default() }).unwrap();
    let url = BaseUrl::parse(&sandbox.base_url()).unwrap();
    let options = ClientOptions {
        retries: 0,
        timeout: std::time::Duration::from_millis(700),
        ..ClientOptions::new(url, Token::new("sandbox").unwrap())
    };
    (sandbox, Client::new(options).unwrap())
}

#[tokio::test]
async fn the_client_knows_what_each_fault_means_for_a_row() {
    use NextStep::{LookUpFirst, RetryAsIs, StopBudget, StopRun};
    for (faults, step) in [
        ("reset-before=100%", LookUpFirst),
        ("reset-after=100%", LookUpFirst),
        ("slow=100%:60s", LookUpFirst),
        ("500-before=100%", LookUpFirst),
        ("500-after=100%", LookUpFirst),
        ("503=100%", LookUpFirst),
        ("429=100%", RetryAsIs),
        ("429=100%:2s", RetryAsIs),
        ("truncated=100%", LookUpFirst),
        ("wrong=100%", LookUpFirst),
        ("redirect=100%", StopRun),
        ("redirect=1", StopRun),
        ("token=1", StopRun),
        ("quota=0", StopBudget),
    ] {
        let (_sandbox, client) = client(faults);
        let error: CrmError = client.create("accounts", "{\"name\":\"A\"}").await.unwrap_err();
        assert_eq!(error.next_step(), step, "{faults}: {error}");
    }
    // Whether the client had sent anything when it met the refusal is a matter
    // of microseconds; it must know, or doubt.
    let (_sandbox, refused) = client("refuse=100%");
    for _ in 0..20 {
        let error = refused.create("accounts", "{\"name\":\"A\"}").await.unwrap_err();
        assert!(matches!(error.next_step(), RetryAsIs | LookUpFirst), "{error}");
    }
    let (_sandbox, client) = client("echo=100%");
    let record = client.create("accounts", "{\"name\":\"A\"}").await.unwrap();
    assert_eq!(record.get("name").unwrap().to_json(), json!("A (changed)").to_string());
}
