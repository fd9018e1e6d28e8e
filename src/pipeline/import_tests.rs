//! Imports from file to closing numbers, in process.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use super::testing::*;
use super::*;
use crate::crm::Client;
use crate::model::{Counts, RunState};
use crate::rules::mapping::Mode;
use crate::store::RunInfo;

const MAPPING: &str = "version: 1\nobject: accounts\nmode: upsert\nmatch: [name]\n\
    fields:\n  name: Name\n  phone: Phone\n  annualvalue: Value\n";

fn settings(desk: &Desk) -> ImportSettings {
    ImportSettings { runs: desk.path("runs"), ..plain_settings() }
}

async fn import(desk: &Desk, client: &Client, limit: Option<u64>) -> FinishedRun {
    let stop = CancellationToken::new();
    let tools = Tools { client, reporter: &Silent, stop: &stop, clock: &SystemClock };
    let mut job = desk.job(client, &Silent).await.unwrap_or_else(|error| panic!("{error}"));
    let settings = ImportSettings { limit, ..settings(desk) };
    let planned = plan_import(&mut job, &settings, tools).await.unwrap_or_else(|error| panic!("{error}"));
    send_plan(planned, &plain_options(), tools).await.unwrap()
}

fn run<T>(work: impl Future<Output = T>) -> T {
    // One thread: what waits for the disk must not need a second one.
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    New,
    Same,
    Changed,
    Again,
    Faulty,
    TooLong,
    Required,
}

/// A file of these rows, and what must become of them.
fn file_of(kinds: &[Kind]) -> (String, Counts) {
    let (mut text, mut counts) = ("Name,Phone,Value\n".to_owned(), Counts::default());
    for (at, kind) in kinds.iter().enumerate() {
        let (line, count) = match kind {
            Kind::New => (format!("New {at},0{at},1\n"), &mut counts.created),
            Kind::Same => (format!("Kept {at},0{at},5.0\n"), &mut counts.unchanged),
            Kind::Changed => (format!("KEPT {at} ,new,5\n"), &mut counts.updated),
            Kind::Again if at > 0 => ("First,x,1\n".to_owned(), &mut counts.rejected),
            Kind::Again => (format!("New {at},x,1\n"), &mut counts.created),
            Kind::Faulty => (format!("Faulty {at},x,1\u{2002}2x\n"), &mut counts.rejected),
            Kind::TooLong => (format!("Long {at},x,1,2,3\n"), &mut counts.rejected),
            Kind::Required => (" ,x,1\n".to_owned(), &mut counts.rejected),
        };
        text.push_str(&line);
        *count += 1;
        counts.read += 1;
    }
    (text, counts)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn counts_add_up_and_are_those_foretold(
        picks in prop::collection::vec(0..7_usize, 1..40),
    ) {
        let all = [Kind::New, Kind::Same, Kind::Changed, Kind::Again, Kind::Faulty, Kind::TooLong, Kind::Required];
        let kinds: Vec<Kind> = picks.iter().map(|&pick| all[pick]).collect();
        let (text, mut wanted) = file_of(&kinds);
        // One more row of the key that came again and again: of them all, one is new.
        let text = text + "First,x,1\n";
        wanted.read += 1;
        wanted.created += 1;
        let (_sandbox, client) = sandbox();
        let desk = Desk::new(&text, MAPPING);
        let counts = run(async {
            for (at, kind) in kinds.iter().enumerate() {
                if matches!(kind, Kind::Same | Kind::Changed) {
                    let body = format!(r#"{{"name":"Kept {at}","phone":"0{at}","annualvalue":5}}"#);
                    client.create("accounts", &body).await.unwrap();
                }
            }
            import(&desk, &client, None).await.summary.rows
        });
        prop_assert_eq!(counts, wanted, "{}", text);
        prop_assert!(counts.add_up());
        let again = run(import(&desk, &client, None)).summary.rows;
        prop_assert_eq!((again.created, again.updated), (0, 0), "a second run of the file sends nothing");
        prop_assert_eq!(again.rejected, wanted.rejected);
    }
}

#[test]
fn a_limit_takes_the_first_rows_and_none_of_zero() {
    let desk = Desk::new("Name,Phone,Value\na,1,1\nb,1,1\nc,1,1\n", MAPPING);
    for (limit, read) in [(0, 0), (2, 2), (3, 3), (99, 3)] {
        let (_sandbox, client) = sandbox();
        let finished = run(import(&desk, &client, Some(limit)));
        assert_eq!((finished.summary.rows.read, finished.summary.rows.created), (read, read), "{limit}");
        assert_eq!(finished.ended, Ended::Complete);
    }
}

#[test]
fn a_reference_is_looked_up_its_default_is_used_and_a_missing_one_rejects() {
    let mapping = "version: 1\nobject: accounts\nfields:\n  name: Name\n  \
        ownerid: { from: Owner, ref: { object: users, by: [first, last] }, default: 90506 }\n  \
        campaignid: { from: Mail, ref: { object: users, by: email, missing: blank } }\n";
    let desk = Desk::new("Name,Owner,Mail\na,CARLA mendes,x\nb,,\nc,Nobody,\n", mapping);
    let (_sandbox, client) = sandbox();
    let finished = run(import(&desk, &client, None));
    assert_eq!((finished.summary.rows.created, finished.summary.rows.rejected), (2, 1));
    assert_eq!(finished.summary.causes[0].code, "no_reference");
    let results = std::fs::read_to_string(finished.folder.join("results.csv")).unwrap();
    let id_of = |row: &str| {
        let line = results.lines().find(|line| line.starts_with(row)).unwrap();
        line.split(',').nth(1).unwrap().parse().ok().and_then(crate::model::RecordId::new).unwrap()
    };
    for (row, owner) in [("2,", "90507"), ("3,", "90506")] {
        let record = run(client.get("accounts", id_of(row), false)).unwrap().unwrap();
        assert_eq!(record.get("ownerid").unwrap().to_text(), owner);
    }
}

#[test]
fn a_plan_that_is_stopped_sends_nothing_and_a_stopped_reading_ends_at_once() {
    let desk = Desk::new("Name,Phone,Value\na,1,1\nb,1,1\n", MAPPING);
    let (_sandbox, client) = sandbox();
    let stop = CancellationToken::new();
    let tools = Tools { client: &client, reporter: &Silent, stop: &stop, clock: &SystemClock };
    let settings = settings(&desk);
    run(async {
        let mut job = desk.job(&client, &Silent).await.unwrap();
        let planned = plan_import(&mut job, &settings, tools).await.unwrap();
        stop.cancel();
        let finished = send_plan(planned, &plain_options(), tools).await.unwrap();
        assert_eq!(finished.ended, Ended::Cancelled);
        assert_eq!((finished.summary.rows.unprocessed, finished.summary.rows.read), (2, 2));
        assert_eq!(client.calls().post, 0);
        let stopped = plan_import(&mut job, &settings, tools).await.unwrap_err();
        assert!(matches!(stopped, PipelineError::Cancelled), "{stopped}");
    });
}

/// Cancels once there is something to tell of a phase.
struct Stops(CancellationToken);

impl Reporter for Stops {
    fn event(&self, event: Event) {
        if matches!(event, Event::Progress { phase: Phase::Plan, .. }) {
            self.0.cancel();
        }
    }
}

#[test]
fn a_plan_for_which_nothing_is_looked_up_can_be_stopped_too() {
    let rows: String = (0..20_000).map(|n| format!("a{n}\n")).collect();
    let mapping = "version: 1\nobject: accounts\nmode: create\nfields:\n  name: Name\n";
    let desk = Desk::new(&format!("Name\n{rows}"), mapping);
    let (_sandbox, client) = sandbox();
    let stops = Stops(CancellationToken::new());
    let tools = Tools { client: &client, reporter: &stops, stop: &stops.0, clock: &SystemClock };
    run(async {
        let mut job = desk.job(&client, &Silent).await.unwrap();
        let stopped = plan_import(&mut job, &settings(&desk), tools).await.unwrap_err();
        assert!(matches!(stopped, PipelineError::Cancelled), "{stopped}");
    });
}

#[test]
fn a_token_that_is_refused_midway_leaves_the_rest_unprocessed() {
    let server = TinyServer::start(|request, _| {
        match request {
        _ if request.starts_with("GET /dictionary") || request.contains("dictionar") => (
            200,
            r#"{"metadata":{},"list":{"id":{"name":"id","type":"number"},"name":{"name":"name","type":"text"}}}"#.to_owned(),
        ),
        _ if request.starts_with("GET") => (200, list(&[])),
        _ => (403, r#"{"message":"gone"}"#.to_owned()),
    }
    });
    let rows: String = (0..40).map(|n| format!("a{n}\n")).collect();
    let desk = Desk::new(&format!("Name\n{rows}"), "version: 1\nobject: accounts\nfields: { name: Name }\n");
    let client = server.client();
    let finished = run(import(&desk, &client, None));
    assert!(matches!(finished.ended, Ended::Failed(_)), "{:?}", finished.ended);
    let rows = finished.summary.rows;
    assert_eq!((rows.read, rows.unprocessed), (40, 40));
    assert!(server.count("POST") <= 6, "twice the concurrency: {}", server.count("POST"));
    assert_eq!(finished.summary.state, RunState::Failed.word());
}

/// Sends two rows with a store that fails; what is told, and how many requests were sent.
fn sent_with_a_full_disk(sabotage: &str) -> (String, usize) {
    let desk = Desk::new("Name\na\nb\n", "version: 1\nobject: accounts\nfields: { name: Name }\n");
    let posts = AtomicU64::new(0);
    let server = TinyServer::start(move |request, body| {
        if request.contains("dictionar") {
            let fields = r#"{"id":{"name":"id","type":"number"},"name":{"name":"name","type":"text"}}"#;
            return (200, format!(r#"{{"metadata":{{}},"list":{fields}}}"#));
        }
        if request.starts_with("GET") {
            return (200, list(&[]));
        }
        // The second answer comes when the first one could not be stored.
        let number = posts.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(400 * number));
        let record = body.replacen('{', &format!(r#"{{"id":{},"#, 7 + number), 1);
        let metadata = r#"{"object_type":"record","record_type":"account"}"#;
        (201, format!(r#"{{"metadata":{metadata},"record":{record}}}"#))
    });
    let client = server.client();
    let (stop, notices) = (CancellationToken::new(), Notices::default());
    let tools = Tools { client: &client, reporter: &notices, stop: &stop, clock: &SystemClock };
    let settings = settings(&desk);
    // Requests must not have to wait for the store to leave.
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let error = threads.block_on(async {
        let mut job = desk.job(&client, &Silent).await.unwrap();
        let planned = plan_import(&mut job, &settings, tools).await.unwrap();
        planned.store.sabotage(sabotage);
        send_plan(planned, &plain_options(), tools).await.unwrap_err()
    });
    assert_eq!(error.exit_code(), 1, "{error}");
    let (runs, _) = RunInfo::all(&settings.runs).unwrap();
    assert!(!settings.runs.join(&runs[0].run).join("ballast.tmp").exists(), "it made no room");
    let told = notices.0.lock().unwrap().join("\n");
    (told, server.count("POST"))
}

#[test]
fn outcomes_that_cannot_be_stored_are_told_those_under_way_too() {
    let (told, posts) = sent_with_a_full_disk(
        "CREATE TRIGGER full BEFORE UPDATE ON rows BEGIN SELECT RAISE(ABORT, 'disk full'); END",
    );
    for row in ["\"row\":2", "\"row\":3"] {
        assert!(told.contains(row), "{told}");
    }
    // The second row may have been called back before its first byte left.
    assert!(posts > 0 && told.matches("\"outcome\":\"created\"").count() == posts, "{posts}: {told}");
}

#[test]
fn what_cannot_be_noted_before_it_is_sent_is_not_sent() {
    // It takes the store a while to find out.
    let (told, posts) = sent_with_a_full_disk(
        "CREATE VIEW slow AS WITH RECURSIVE upward (n) AS
            (SELECT 1 UNION ALL SELECT n + 1 FROM upward WHERE n < 2000000) SELECT max(n) AS n FROM upward;
         CREATE TRIGGER full BEFORE INSERT ON attempts
            BEGIN SELECT RAISE(ABORT, 'disk full') FROM slow WHERE n > 0; END",
    );
    assert_eq!((told.as_str(), posts), ("", 0));
}

#[test]
fn a_run_that_fails_while_it_plans_still_knows_the_rows_it_read() {
    let server = TinyServer::start(|request, _| {
        match request {
        _ if request.contains("dictionar") => (
            200,
            r#"{"metadata":{},"list":{"id":{"name":"id","type":"number"},"name":{"name":"name","type":"text"}}}"#.to_owned(),
        ),
        _ if request.contains("\"Late\"") => (403, r#"{"message":"gone"}"#.to_owned()),
        _ => (200, list(&[])),
    }
    });
    let rows: String = (0..1_000).map(|n| format!("a{n}\n")).collect();
    let mapping = "version: 1\nobject: accounts\nmatch: [name]\nfields: { name: Name }\n";
    let desk = Desk::new(&format!("Name\n{rows}Late\n"), mapping);
    let client = server.client();
    let (stop, settings) = (CancellationToken::new(), settings(&desk));
    let tools = Tools { client: &client, reporter: &Silent, stop: &stop, clock: &SystemClock };
    let error = run(async {
        let mut job = desk.job(&client, &Silent).await.unwrap();
        plan_import(&mut job, &settings, tools).await.unwrap_err()
    });
    assert_eq!(error.exit_code(), 3, "{error}");
    let (runs, damaged) = RunInfo::all(&settings.runs).unwrap();
    assert!(damaged.is_empty(), "{damaged:?}");
    assert_eq!((runs[0].state, runs[0].counts.read), (RunState::Failed, 1_000));
    assert!(runs[0].counts.add_up());
}

#[test]
fn what_does_not_fit_together_is_told_before_any_row_is_read() {
    let (_sandbox, client) = sandbox();
    let told = |rows: &str, mapping: &str, change: &dyn Fn(&mut JobSettings)| {
        let desk = Desk::new(rows, mapping);
        let mut settings = desk.settings();
        change(&mut settings);
        let catalog = Catalog::Crm(client.clone());
        let error = run(async { Job::prepare(&settings, &catalog, &Silent).await.err() });
        let error = error.unwrap_or_else(|| panic!("{mapping} was taken"));
        assert_eq!(error.exit_code(), 2, "{error}");
        error.to_string()
    };
    let rows = "Name\nx\n";
    let as_is = |_: &mut JobSettings| {};
    let with = |source: &str| {
        format!("version: 1\nobject: accounts\nsource: {{ {source} }}\nfields: {{ name: Name }}\n")
    };
    assert!(told(rows, &with("header_row: 0"), &as_is).contains("rows count from 1"));
    assert!(told(rows, &with("format: parchment"), &as_is).contains("\"parchment\" is not a format"));
    assert!(told(rows, &with("delimiter: ab"), &as_is).contains("one character, or the word tab"));
    let reference = "version: 1\nobject: accounts\nfields:\n  name: Name\n  ownerid: { from: Name, ref: { object: usr, by: last } }\n";
    let unknown = told(rows, reference, &as_is);
    assert!(unknown.contains("there is no object \"usr\"") && unknown.contains(":5:"), "{unknown}");
    let clash = told(rows, MAPPING, &|s| s.object = Some("contacts".to_owned()));
    assert!(clash.contains("--object says contacts and the mapping says accounts"), "{clash}");
    let neither = told(rows, MAPPING, &|s| s.mapping = None);
    assert!(neither.contains("neither a mapping nor an object"), "{neither}");
    let bare = |s: &mut JobSettings| (s.mapping, s.object) = (None, Some("accounts".to_owned()));
    assert!(told("Firm\nx\n", MAPPING, &bare).contains("no header of"));
    assert!(told("name,Name\nx,y\n", MAPPING, &bare).contains("stands 2 times"));
    let partial = told("id,phone\n1,2\n", MAPPING, &bare);
    assert!(partial.contains("accounts requires name") && partial.contains("--mode update"), "{partial}");
}

#[test]
fn without_a_mapping_an_export_is_brought_up_to_date_by_id() {
    let (_sandbox, client) = sandbox();
    let desk = Desk::new("id,name,phone,modifieddate\n95920978,3M,123,2020-01-01\n", MAPPING);
    let mut settings = desk.settings();
    (settings.mapping, settings.object) = (None, Some("accounts".to_owned()));
    let catalog = Catalog::Crm(client.clone());
    let job = run(async { Job::prepare(&settings, &catalog, &Silent).await }).unwrap();
    assert_eq!((job.program.mode, job.program.key_names()), (Mode::Upsert, vec!["id"]));
    let stop = CancellationToken::new();
    let checked = check(&job, CheckOptions::default(), &Silent, &stop, |_| {}).unwrap();
    assert_eq!((checked.valid, checked.rejected), (1, 0));
}

#[test]
fn a_check_does_not_ask_for_required_values_of_records_that_exist() {
    let (_sandbox, client) = sandbox();
    let mapping = "version: 1\nobject: accounts\nmatch: [id]\nfields: { id: Id, name: Name, phone: Phone }\n";
    let desk = Desk::new("Id,Name,Phone\n95920978,,1\n,,2\n", mapping);
    let job = run(desk.job(&client, &Silent)).unwrap();
    let (stop, mut rows) = (CancellationToken::new(), Vec::new());
    let checked =
        check(&job, CheckOptions::default(), &Silent, &stop, |finding| rows.push(finding.row)).unwrap();
    assert_eq!((checked.valid, checked.rejected, rows), (1, 1, vec![3]), "only the row that would be new");
}
