//! Imports on a disk that is full: every write of the run store in turn is
//! refused, from the first fact to the last, and the run is taken up again.

use tokio_util::sync::CancellationToken;

use super::testing::*;
use super::*;
use crate::crm::{Client, ListQuery};
use crate::sandbox::{Options, Sandbox};
use crate::store::{RunName, Store, full};

const MAPPING: &str = "version: 1\nobject: accounts\nmode: upsert\nmatch: [name]\n\
    fields:\n  name: Name\n  phone: Phone\n  annualvalue: Value\n";

/// New rows, one that changes a record and one that is rejected.
fn rows(mark: &str, number: usize) -> String {
    let new: String = (0..number).map(|n| format!("{mark} {n},{n},1\n")).collect();
    format!("Name,Phone,Value\n{new}{mark} known,new,1\n{mark} faulty,x,no number\n")
}

struct World {
    desk: Desk,
    sandbox: Sandbox,
    stop: CancellationToken,
    notices: Notices,
}

impl World {
    fn new(faults: &str) -> Self {
        let options = Options { faults: faults.parse().unwrap(), ..Options::default() };
        let sandbox = Sandbox::start(options).unwrap();
        let (desk, stop) = (Desk::new("", MAPPING), CancellationToken::new());
        Self { desk, sandbox, stop, notices: Notices::default() }
    }

    /// The client of a new process.
    fn client(&self) -> Client {
        client_of(&self.sandbox.base_url())
    }

    fn tools<'a>(&'a self, client: &'a Client) -> Tools<'a> {
        Tools { client, reporter: &self.notices, stop: &self.stop, clock: &SystemClock }
    }

    fn settings(&self) -> ImportSettings {
        ImportSettings { runs: self.desk.path("runs"), ..plain_settings() }
    }

    /// Puts the record in place that a row changes.
    async fn plant(&self, mark: &str) {
        let known = format!(r#"{{"name":"{mark} known","phone":"old","annualvalue":1}}"#);
        // An answer that is lost on purpose is no matter here.
        let _ = self.client().create("accounts", &known).await;
    }

    async fn plan(&self, client: &Client) -> Result<PlannedRun, PipelineError> {
        let mut job = self.desk.job(client, &Silent).await?;
        plan_import(&mut job, &self.settings(), self.tools(client)).await
    }

    async fn import(&self) -> Result<FinishedRun, PipelineError> {
        let client = self.client();
        send_plan(self.plan(&client).await?, &plain_options(), self.tools(&client)).await
    }

    /// What a user does after a failure: `resume last`, `apply last`, or the import again.
    async fn go_on(&self) -> FinishedRun {
        let (runs, last, client) = (self.desk.path("runs"), RunName("last".to_owned()), self.client());
        let tools = self.tools(&client);
        let done = match open_interrupted(&runs, &last, "test", true, tools).await {
            Ok(Resumed::Open(planned) | Resumed::Unsent(planned)) => {
                send_plan(planned, &plain_options(), tools).await
            }
            Ok(Resumed::Done(planned)) => finish_run(planned, &OutputSettings::default(), tools),
            Ok(Resumed::Unplanned(unplanned)) => {
                let mut job = self.desk.job(&client, &Silent).await.unwrap();
                let planned =
                    plan_again(unplanned.folder, unplanned.store, &mut job, &self.settings(), tools).await;
                send_plan(planned.unwrap(), &plain_options(), tools).await
            }
            // It says how to go on, and has sent nothing.
            Err(error) => {
                assert_eq!(error.exit_code(), 2, "{error}");
                match open_plan(&runs, &last, "test", tools).await {
                    Ok(planned) => send_plan(planned, &plain_options(), tools).await,
                    Err(_) => self.import().await,
                }
            }
        };
        done.unwrap_or_else(|error| panic!("{error}"))
    }

    /// How many accounts have names that begin so, each name counted once and all counted.
    async fn stored(&self, mark: &str) -> (usize, usize) {
        let (client, mut names, mut page) = (self.client(), Vec::new(), 1);
        loop {
            let query = ListQuery { limit: 100, page: Some(page), ..ListQuery::default() };
            let found = client.list("accounts", &query).await.unwrap();
            let name = |record: &crate::model::Record| record.get("name").unwrap().to_text().into_owned();
            names.extend(found.records.iter().map(name).filter(|name| name.starts_with(mark)));
            if found.has_more != Some(true) {
                break;
            }
            page += 1;
        }
        let all = names.len();
        names.sort();
        names.dedup();
        (names.len(), all)
    }

    /// One import whose disk is full behind `room` writes; whether any was refused.
    async fn meet_a_full_disk(&self, room: u64, refuses: u64) -> bool {
        let mark = format!("R{room}x");
        std::fs::write(self.desk.path("rows.csv"), rows(&mark, 5)).unwrap();
        self.plant(&mark).await;
        full::fill_after(room, refuses);
        let first = self.import().await;
        let refused = full::make_room() > 0;
        let done = match first {
            Ok(done) => {
                assert!(!refused, "write {room} was refused, and nobody heard of it");
                done
            }
            Err(error) => {
                assert!(refused && error.exit_code() == 1, "write {room}: {error}");
                self.go_on().await
            }
        };
        assert_eq!(self.stored(&mark).await, (6, 6), "write {room}");
        let rows = done.summary.rows;
        assert_eq!((rows.read, rows.created + rows.unchanged + rows.updated, rows.rejected), (7, 6, 1));
        let errors = std::fs::read_to_string(done.folder.join("errors.jsonl")).unwrap();
        assert_eq!(errors.lines().count(), 1, "write {room}: {errors}");
        refused
    }
}

#[test]
fn f23_whichever_write_of_an_import_fails_the_run_is_taken_up_and_nothing_is_lost_or_doubled() {
    for (faults, refuses) in [("", u64::MAX), ("", 1), ("reset-after=30%,seed=7", u64::MAX)] {
        let world = World::new(faults);
        let writes = run(async {
            let mut room = 0;
            while world.meet_a_full_disk(room, refuses).await {
                room += 1;
            }
            room
        });
        // The facts of the run, its rows, attempts and answers, and its closing numbers;
        // fewer where many answers come at once.
        assert!(writes > 30, "{writes} writes");
    }
}

#[test]
fn f23_a_file_of_the_store_that_cannot_grow_loses_no_outcome() {
    // SQLite's own limit: it answers as it does on a full disk.
    let world = World::new("");
    let mut more = 0;
    loop {
        let mark = format!("P{more}x");
        std::fs::write(world.desk.path("rows.csv"), rows(&mark, 120)).unwrap();
        let failed = run(async {
            let client = world.client();
            let planned = world.plan(&client).await.unwrap();
            let file = planned.folder.store_file();
            planned.store.let_grow_by(more);
            world.notices.0.lock().unwrap().clear();
            let sent = send_plan(planned, &plain_options(), world.tools(&client)).await;
            let told = world.notices.0.lock().unwrap().join("\n").matches("\"outcome\":\"created\"").count();
            let stored = Store::open(&file).unwrap().counts().unwrap();
            let in_crm = world.stored(&mark).await;
            assert_eq!(stored.created + told as u64, in_crm.1 as u64, "{more}: an outcome is nowhere");
            let failed = sent.map_err(|error| assert_eq!(error.exit_code(), 1, "{error}")).is_err();
            if failed {
                let rows = world.go_on().await.summary.rows;
                assert_eq!((rows.created, rows.rejected, rows.read), (121, 1, 122), "{more}");
            }
            assert_eq!(world.stored(&mark).await, (121, 121), "{more}");
            failed
        });
        if !failed {
            break;
        }
        more += 1;
    }
    assert!(more >= 2, "{more}");
}
