//! Runs against a CRM whose answers get lost, killed at any moment and taken
//! up again until they end, on paused time. A seed decides everything; one
//! that fails is printed.
//!
//! `SIMULATION_SEEDS` says how many seeds, `SIMULATION_FIRST` the first one.

mod full_disk;

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value as Json, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use super::origins::Origins;
use super::send::{
    Ended, OnUnknown, Purpose, SendSettings, SendTools, doubt_finding, high_water, needs_high_water, send,
};
use super::{Event, PipelineError, Reporter};
use crate::crm::simulated::{Dice, SimulatedCrm, TIMEOUT, Weather};
use crate::crm::{Client, CrmError};
use crate::model::{Action, Counts, Dictionary, Field, FieldKind, Outcome, RecordId};
use crate::store::{Direction, PlannedRow, Store};

/// How rows are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Keyed,
    Referenced,
    Keyless,
}

/// One seed's world.
struct World {
    seed: u64,
    kind: Kind,
    crm: Arc<SimulatedCrm>,
    store: Store,
    rows: Vec<PlannedRow>,
    settings: SendSettings,
    begun: Instant,
    _scratch: tempfile::TempDir,
}

/// Since when it runs, and by how many seconds somebody has set it wrong.
#[derive(Debug)]
struct SimulatedClock(Instant, i64);

impl Clock for SimulatedClock {
    fn now(&self) -> jiff::Timestamp {
        let passed = jiff::SignedDuration::try_from(self.0.elapsed()).unwrap();
        jiff::Timestamp::from_second(1_790_000_000 + self.1).unwrap() + passed
    }
}

/// Wants every count that is shown on the way to add up.
struct Watching;

impl Reporter for Watching {
    fn event(&self, event: Event) {
        if let Event::Rows(counts) = event {
            assert!(counts.add_up(), "on the way: {counts:?}");
        }
    }
}

/// How a process of the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// By itself.
    Itself,
    /// Killed, after so long.
    Killed(Duration),
    /// Asked to stop, after so long.
    Asked(Duration),
    /// So many requests and no more.
    Budget(u64),
}

impl End {
    fn draw(dice: &mut Dice) -> Self {
        // Some at once, some in the middle.
        let span = [5, 60, 600, 12_000, 60_000][dice.below(5) as usize];
        let after = Duration::from_millis(dice.below(span));
        match dice.below(6) {
            0 => Self::Asked(after),
            1 => Self::Budget(1 + dice.below(40)),
            _ => Self::Killed(after),
        }
    }
}

fn weather(dice: &mut Dice) -> Weather {
    // Calm, mixed, or one thing at its worst.
    let mut chance = |most: u64| if dice.below(3) == 0 { 0 } else { dice.below(most) };
    Weather {
        refused: chance(60),
        reset_before: chance(100),
        reset_after: chance(150),
        late: chance(150),
        error_before: chance(60),
        error_after: chance(60),
        limited: chance(60),
        truncated: chance(80),
        wrong: chance(40),
        read_error: chance(60),
        latest: Duration::from_millis(chance(20_000)),
        lag: Duration::from_millis(chance(5_000)),
        no_in: dice.below(4) == 0,
        no_order: dice.below(4) == 0,
    }
}

impl World {
    fn new(seed: u64, settle: Option<Duration>) -> Self {
        let mut dice = Dice::new(seed ^ 0xC0FF_EE00);
        let weather = weather(&mut dice);
        let crm = SimulatedCrm::new(seed, weather);
        let kind = [Kind::Keyed, Kind::Keyed, Kind::Referenced, Kind::Keyless][dice.below(4) as usize];
        let scratch = tempfile::tempdir().unwrap();
        let fields = ["name", "phone", "reference"].map(|name| Field::new(name, FieldKind::Text));
        let settings = SendSettings {
            dictionary: Dictionary::new("accounts", fields.into()),
            key: if kind == Kind::Keyed { vec!["name".to_owned()] } else { Vec::new() },
            reference: (kind == Kind::Referenced).then(|| "reference".to_owned()),
            concurrency: NonZeroUsize::new(1 + dice.below(4) as usize).unwrap(),
            stop_after: None,
            direction: if dice.below(4) == 0 { Direction::Backward } else { Direction::Forward },
            settle: settle.unwrap_or(TIMEOUT + weather.latest + weather.lag + Duration::from_secs(1)),
            on_unknown: OnUnknown::Hold,
            scratch: scratch.path().to_owned(),
            only: None,
            trust_plan: dice.below(2) == 0,
            store_patience: Duration::ZERO,
            takes_existing: true,
            purpose: Purpose::Import,
        };
        let mut store = Store::in_memory();
        let rows = plan(&crm, &mut dice, kind);
        store.add_rows(&rows).unwrap();
        store.set("rows_read", &(rows.len() as u64)).unwrap();
        Self { seed, kind, crm, store, rows, settings, begun: Instant::now(), _scratch: scratch }
    }

    /// One process of the program: takes up what the last one left.
    async fn process(&mut self, number: u64, end: End, jump: i64) -> Option<Ended> {
        let clock = SimulatedClock(self.begun, jump);
        let stop = CancellationToken::new();
        let budget = if let End::Budget(calls) = end { Some(calls) } else { None };
        let seed = self.seed ^ (number << 32);
        let client = self.crm.client(seed, |options| options.max_calls = budget);
        self.recover(&clock);
        if let End::Asked(after) = end {
            let stop = stop.clone();
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                stop.cancel();
            });
        }
        let origins = Origins::default();
        let tools =
            SendTools { client: &client, origins: &origins, reporter: &Watching, stop: &stop, clock: &clock };
        let work = async {
            if let Err(error) = self.find_high_water(tools.client).await {
                return Ended::Failed(error);
            }
            send(&mut self.store, &self.settings, tools).await.unwrap_or_else(|error| panic!("{error}"))
        };
        match end {
            End::Killed(after) => tokio::time::timeout(after, work).await.ok(),
            End::Itself | End::Asked(_) | End::Budget(_) => Some(work.await),
        }
    }

    /// What `resume` does first.
    fn recover(&mut self, clock: &SimulatedClock) {
        let finding = |row| doubt_finding(row, "killed".to_owned());
        let lost = self.store.doubt_open_attempts(&clock.now().to_string(), finding).unwrap();
        let most = 2 * self.settings.concurrency.get() as u64;
        assert!(lost <= most, "{lost} rows in doubt after a kill, and at most {most} may be");
    }

    async fn find_high_water(&self, client: &Client) -> Result<(), CrmError> {
        let is_known = self.store.get::<u64>("high_water").unwrap().is_some();
        if is_known || !needs_high_water(&self.settings.key, self.settings.reference.as_deref()) {
            return Ok(());
        }
        match high_water(client, &self.settings.dictionary).await {
            Ok(high) => self.store.set("high_water", &high).unwrap(),
            Err(PipelineError::Crm(error)) => return Err(error),
            Err(error) => panic!("{error}"),
        }
        Ok(())
    }

    async fn run(&mut self) {
        let mut dice = Dice::new(self.seed ^ 0xDEAD);
        for number in 0..200 {
            let end = if number < 12 { End::draw(&mut dice) } else { End::Itself };
            let jump = [0, 0, 0, -40_000_000, 40_000_000][dice.below(5) as usize];
            let ended = self.process(number, end, jump).await;
            let is_open = self.store.has_open_rows().unwrap();
            if ended == Some(Ended::Complete) && !is_open && number >= 12 {
                return;
            }
        }
        panic!("it does not come to an end");
    }

    /// What must hold, whatever happened.
    async fn check(&self) {
        let counts = self.store.counts().unwrap();
        assert!(counts.add_up(), "{counts:?}");
        let records = self.crm.settled().await;
        let made = self.made();
        self.check_made(&made, &records, counts);
        for row in self.rows.iter().filter(|row| row.action != Some(Action::Create)) {
            self.check_change(row, &records);
        }
    }

    /// The record of each row that is said to have created one.
    fn made(&self) -> BTreeMap<u64, u64> {
        let mut made = BTreeMap::new();
        let note = |row: crate::store::ResultRow| {
            if row.outcome == "created" {
                made.insert(row.row, row.record.expect("a created row has a record"));
            }
            Ok::<(), crate::store::StoreError>(())
        };
        self.store.each_result(note).unwrap();
        made
    }

    fn check_made(
        &self,
        made: &BTreeMap<u64, u64>,
        records: &BTreeMap<u64, Map<String, Json>>,
        counts: Counts,
    ) {
        let ids: HashSet<&u64> = made.values().collect();
        assert_eq!(ids.len(), made.len(), "two rows claim one record");
        let mut wanted: BTreeMap<String, u64> = BTreeMap::new();
        for row in self.rows.iter().filter(|row| row.action == Some(Action::Create)) {
            let body: Map<String, Json> = serde_json::from_str(row.body.as_deref().unwrap()).unwrap();
            *wanted.entry(Json::Object(body.clone()).to_string()).or_default() += 1;
            if let Some(id) = made.get(&row.row) {
                let record = records.get(id).unwrap_or_else(|| panic!("row {}: no record {id}", row.row));
                assert!(body.iter().all(|(name, value)| record.get(name) == Some(value)), "row {}", row.row);
            }
        }
        let planted =
            self.rows.iter().filter_map(|row| row.record.map(RecordId::get)).collect::<HashSet<_>>();
        let mut stored: BTreeMap<String, u64> = BTreeMap::new();
        for (_, fields) in records.iter().filter(|(id, _)| !planted.contains(id)) {
            *stored.entry(Json::Object(fields.clone()).to_string()).or_default() += 1;
        }
        for (body, count) in &stored {
            let most = wanted.get(body).copied().unwrap_or(0);
            assert!(*count <= most, "{count} records of {body}, and {most} rows of it");
        }
        if self.kind != Kind::Keyless {
            // A row that was sent six times for nothing is told as rejected.
            assert_eq!(counts.unknown, 0, "by a key every doubt is settled: {counts:?}");
            assert_eq!(stored.values().sum::<u64>(), made.len() as u64, "records that no row knows of");
        }
        let missing = wanted.values().sum::<u64>() - stored.values().sum::<u64>();
        assert!(
            missing <= counts.unknown + counts.rejected,
            "{missing} are missing and not listed: {counts:?}"
        );
    }

    fn check_change(&self, row: &PlannedRow, records: &BTreeMap<u64, Map<String, Json>>) {
        let id = row.record.unwrap().get();
        let outcome = self.store.outcome_of(row.row).unwrap().unwrap();
        let record = records.get(&id);
        match (row.action.unwrap(), outcome) {
            (Action::Delete, Some(Outcome::Deleted)) => {
                assert!(record.is_none(), "record {id} is still there")
            }
            (Action::Update, Some(Outcome::Updated)) => {
                let body: Map<String, Json> = serde_json::from_str(row.body.as_deref().unwrap()).unwrap();
                let record = record.unwrap();
                assert!(body.iter().all(|(name, value)| record.get(name) == Some(value)), "record {id}");
            }
            (action, other) => {
                let why = self.store.reasons_of(row.row).unwrap();
                panic!("row {}: {action:?} ended as {other:?}: {why:?}", row.row)
            }
        }
    }
}

/// Some new records, some changes, some deletions.
fn plan(crm: &SimulatedCrm, dice: &mut Dice, kind: Kind) -> Vec<PlannedRow> {
    let count = 4 + dice.below(24);
    let looked = SimulatedClock(Instant::now(), 0).now().as_second();
    let mut rows = Vec::new();
    for number in 2..2 + count {
        // Rows without a key may be the very same.
        let name =
            if kind == Kind::Keyless { format!("Row {}", dice.below(12)) } else { format!("Row {number}") };
        let row = PlannedRow { row: number, looked: Some(looked), ..PlannedRow::default() };
        rows.push(match dice.below(6) {
            0 => {
                let id = crm.plant(&json!({ "name": name, "phone": "old" }));
                PlannedRow {
                    action: Some(Action::Update),
                    record: RecordId::new(id),
                    body: Some(json!({ "phone": "new" }).to_string()),
                    before: Some(json!({ "phone": "old" }).to_string()),
                    ..row
                }
            }
            1 => {
                let fields = json!({ "name": name, "phone": "old" });
                let id = crm.plant(&fields);
                let before = Some(fields.to_string());
                PlannedRow { action: Some(Action::Delete), record: RecordId::new(id), before, ..row }
            }
            _ => {
                let body = match kind {
                    Kind::Referenced => json!({ "name": "Same", "reference": format!("run#{number}") }),
                    Kind::Keyed | Kind::Keyless => json!({ "name": name, "phone": "new" }),
                };
                PlannedRow { action: Some(Action::Create), body: Some(body.to_string()), ..row }
            }
        });
    }
    rows
}

/// Plays one seed; the answer is what did not hold.
fn play(seed: u64, settle: Option<Duration>) -> Result<(), String> {
    let played = std::panic::catch_unwind(|| {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut world = World::new(seed, settle);
            world.run().await;
            world.check().await;
        });
    });
    played.map_err(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        words.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned())).unwrap_or_default()
    })
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn no_record_is_doubled_and_none_is_lost_whatever_dies() {
    let (first, seeds) = (number("SIMULATION_FIRST", 0), number("SIMULATION_SEEDS", 300));
    let threads = std::thread::available_parallelism().map_or(2, NonZeroUsize::get).min(4) as u64;
    let failed: Vec<(u64, String)> = std::thread::scope(|scope| {
        let play_share = move |thread: u64| {
            let seeds = (first..first + seeds).filter(move |seed| seed % threads == thread);
            seeds.filter_map(|seed| Some((seed, play(seed, None).err()?))).take(3).collect::<Vec<_>>()
        };
        let shares: Vec<_> = (0..threads).map(|thread| scope.spawn(move || play_share(thread))).collect();
        shares.into_iter().flat_map(|share| share.join().unwrap()).collect()
    });
    assert!(failed.is_empty(), "play again with SIMULATION_FIRST=SEED SIMULATION_SEEDS=1: {failed:#?}");
}

#[test]
fn without_a_settle_time_the_simulation_finds_doubled_records() {
    let failed = (0..400).filter_map(|seed| play(seed, Some(Duration::ZERO)).err());
    let words = failed.take(1).collect::<String>();
    assert!(words.contains("records"), "nothing was doubled: {words}");
    assert!(TIMEOUT > Duration::ZERO);
}
