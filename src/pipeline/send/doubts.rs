//! Rows whose answer was lost wait here until the CRM has had time to store
//! them; then they are looked up. They hold no request back.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

use super::ahead::KEPT;
use super::coordinator::{Coordinator, Out, Reply};
use super::judging::{ids_in_words, whole_row};
use super::lookup::{Finding as Found, Settler, Verdicts, strong_key};
use super::{OnUnknown, Purpose, SendSettings};
use crate::model::{Action, Code, Finding, Outcome, Record, RecordId};
use crate::pipeline::{Event, PipelineError};
use crate::rules::image::image;
use crate::rules::settling::{Held, Proof, Verdict, judge_create, values_of};
use crate::store::{Answer, AnswerKind, Doubt, Store, ToSend};

/// Rows that are looked up together.
const BATCH: usize = 500;

/// So often a row is sent whose answer is lost each time and that is not stored.
const MOST_TRIES: u32 = 6;

/// So often a row waits for a record that shows that the CRM answers.
const MOST_WITNESSES: u32 = 3;

/// How long a row waits for another one, with the same values, to be answered.
const FOR_TWINS: Duration = Duration::from_secs(1);

/// The rows in doubt, in the order in which they come due.
#[derive(Debug)]
pub(super) struct Doubts {
    queue: VecDeque<Waiting>,
    /// Rows that are being looked up.
    asked: u64,
    /// Rows in doubt by what they sent.
    twins: HashMap<u64, usize>,
    /// How often a row was found not to be stored.
    absent: HashMap<u64, u32>,
    settle: Duration,
    /// How often a row waited for a witness.
    unwitnessed: HashMap<u64, u32>,
    /// Changes that were waited for as long as the CRM may take.
    waited: HashSet<u64>,
    key: Vec<String>,
    pub(super) settler: Option<Settler>,
    told: bool,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    due: Instant,
    row: u64,
    /// A hash of what was sent.
    sent: u64,
}

impl Doubts {
    /// The doubts that an earlier process left.
    pub(super) fn of(store: &Store, settings: &SendSettings) -> Result<Self, PipelineError> {
        let now = Instant::now();
        let mut queue = store.doubts(|doubt| {
            let due = now + wait_of(&doubt, settings.settle);
            Waiting { due, row: doubt.row, sent: xxh3_64(doubt.body.as_bytes()) }
        })?;
        queue.sort_by_key(|waiting| waiting.due);
        let mut twins = HashMap::new();
        queue.iter().for_each(|waiting| *twins.entry(waiting.sent).or_default() += 1);
        Ok(Self {
            queue: queue.into(),
            asked: 0,
            twins,
            absent: HashMap::new(),
            settle: settings.settle,
            unwitnessed: HashMap::new(),
            waited: HashSet::new(),
            key: strong_key(settings),
            settler: None,
            told: false,
        })
    }

    /// A row whose answer was lost just now.
    pub(super) fn add(&mut self, row: &ToSend) {
        // A change that comes late writes the same values: only a create must be waited for.
        let wait = if row.action == Action::Create { self.settle } else { Duration::ZERO };
        self.add_after(row, wait);
    }

    /// A row of which there is something to be found already.
    pub(super) fn add_now(&mut self, row: &ToSend) {
        self.add_after(row, Duration::ZERO);
    }

    fn add_after(&mut self, row: &ToSend, wait: Duration) {
        let sent = xxh3_64(row.body.as_bytes());
        *self.twins.entry(sent).or_default() += 1;
        self.put(Waiting { due: Instant::now() + wait, row: row.row, sent });
    }

    fn put(&mut self, waiting: Waiting) {
        let at = self.queue.partition_point(|known| known.due <= waiting.due);
        self.queue.insert(at, waiting);
    }

    /// How many rows are in doubt and not decided.
    pub(super) fn waiting(&self) -> u64 {
        self.queue.len() as u64 + self.asked
    }

    /// When the next row may be looked up; none while others are.
    pub(super) fn next_due(&self) -> Option<Instant> {
        if self.asked > 0 { None } else { self.queue.front().map(|waiting| waiting.due) }
    }

    /// Whether a row's key tells its record from all others.
    pub(super) fn has_key(&self, row: &ToSend) -> bool {
        let sent = values_of(&row.body);
        let fills = |name: &String| sent.iter().any(|(known, value)| known == name && !value.is_blank());
        !self.key.is_empty() && self.key.iter().all(fills)
    }

    fn take_due(&mut self, now: Instant) -> Vec<Waiting> {
        let due = self.queue.partition_point(|waiting| waiting.due <= now).min(BATCH);
        self.queue.drain(..due).collect()
    }

    fn forget(&mut self, sent: u64) {
        if let Some(twins) = self.twins.get_mut(&sent) {
            *twins -= 1;
            if *twins == 0 {
                self.twins.remove(&sent);
            }
        }
    }
}

/// How long a row that an earlier process left in doubt must still wait: as if
/// the doubt were new. No clock that goes on while nobody looks can be trusted
/// to say how much of the time has passed.
fn wait_of(doubt: &Doubt, settle: Duration) -> Duration {
    if doubt.held || doubt.action != Action::Create { Duration::ZERO } else { settle }
}

impl Coordinator<'_> {
    /// Looks up the rows in doubt that have waited long enough.
    pub(super) fn settle_due(&mut self) -> Result<(), PipelineError> {
        if self.doubts.asked > 0 {
            return Ok(());
        }
        let now = Instant::now();
        let mut due = self.doubts.take_due(now);
        if due.is_empty() {
            return Ok(());
        }
        let in_flight = self.sent_in_flight();
        // Of two rows with the same values, the one under way may be the other's record.
        due.retain(|waiting| {
            let must_wait = in_flight.contains(&waiting.sent);
            if must_wait {
                self.doubts.put(Waiting { due: now + FOR_TWINS, ..*waiting });
            }
            !must_wait
        });
        if due.is_empty() {
            return Ok(());
        }
        let numbers: Vec<u64> = due.iter().map(|waiting| waiting.row).collect();
        let rows = self.store.rows_of(&numbers)?;
        let mut settler = match self.doubts.settler.take() {
            Some(settler) => settler,
            None => Settler::new(self.tools.client, self.settings, self.store)?,
        };
        settler.call_witness(self.store)?;
        self.doubts.asked = rows.len() as u64;
        let asked = rows.clone();
        self.spawn(Out::Settle(rows), async move {
            let result = settler.find(&asked).await;
            Reply::Settled(Box::new(settler), result)
        });
        Ok(())
    }

    /// What the rows under way sent, as hashes.
    fn sent_in_flight(&self) -> HashSet<u64> {
        let sent = |out: &Out| match out {
            Out::Row(row) => Some(xxh3_64(row.body.as_bytes())),
            Out::Look(_) | Out::Settle(_) => None,
        };
        self.out.values().filter_map(sent).collect()
    }

    /// Says once, where no row may be sent, that there is nothing to do but to wait.
    pub(super) fn tell_of_waiting(&mut self) {
        let idle = self.out.is_empty() && !self.doubts.told;
        let Some(due) = self.doubts.next_due().filter(|_| idle) else { return };
        let wait = due.saturating_duration_since(Instant::now());
        if wait > Duration::from_secs(2) {
            self.doubts.told = true;
            let (rows, wait) = (self.doubts.waiting(), wait.as_secs());
            self.tools.reporter.event(Event::Notice(crate::model::Notice(format!(
                "{} got no answer; in {wait} s the CRM is asked whether it has stored {} (Ctrl-C leaves that to carafe resume)",
                if rows == 1 { "one row".to_owned() } else { format!("{rows} rows") },
                if rows == 1 { "it" } else { "them" },
            ))));
        }
    }

    pub(super) fn take_verdicts(&mut self, rows: Vec<ToSend>, result: Result<Verdicts, PipelineError>) {
        self.doubts.asked = 0;
        // What rows have made by now must be in the store, which knows whose a record is.
        if let Err(error) = self.exchange(&[]) {
            return self.end_by(error);
        }
        match result {
            Ok(found) => {
                self.breaker.heard();
                for (row, found) in rows.into_iter().zip(found) {
                    if let Err(error) = self.take_verdict(row, found) {
                        self.end_by(error);
                    }
                }
            }
            // The rows stay in doubt, as the store has them.
            Err(error) => self.end_by(error),
        }
    }

    fn take_verdict(&mut self, row: ToSend, found: Found) -> Result<(), PipelineError> {
        let sent = xxh3_64(row.body.as_bytes());
        let (verdict, records) = match found {
            Found::Unwitnessed if self.may_get_a_witness(row.row)? => {
                let due = Instant::now() + self.doubts.settle.max(FOR_TWINS);
                self.doubts.put(Waiting { due, row: row.row, sent });
                return Ok(());
            }
            Found::Unwitnessed => (Verdict::Absent, Vec::new()),
            Found::Judged(verdict, record) => (verdict, record.into_iter().collect::<Vec<_>>()),
            Found::Candidates(Proof::Weak, records) if !records.is_empty() && self.has_rival(&row) => {
                self.doubts.put(Waiting { due: Instant::now() + FOR_TWINS, row: row.row, sent });
                return Ok(());
            }
            Found::Candidates(proof, records) => {
                let verdict = self.judge_candidates(&row, proof, &records)?;
                (verdict, records)
            }
        };
        // Somebody changed the record: whether the CRM will still store what was sent shows later.
        let is_open = matches!(verdict, Verdict::Overtaken(_) | Verdict::Hold(Held::Neither, _));
        if is_open && row.action != Action::Create && self.doubts.waited.insert(row.row) {
            let due = Instant::now() + self.doubts.settle;
            self.doubts.put(Waiting { due, row: row.row, sent });
            return Ok(());
        }
        self.doubts.forget(sent);
        let kind = self.kind_of(&row, verdict, &records);
        let (absent, rejected) =
            (matches!(kind, AnswerKind::Absent), matches!(kind, AnswerKind::Overtaken(_)));
        self.note(Some(Outcome::Unknown), Answer::without_status(row.row, kind));
        if absent {
            let looked = Some(self.tools.clock.now().as_second());
            self.ahead.push_back(ToSend { looked, doubted: true, ..row });
        }
        if rejected {
            self.stop_after_rejects();
        }
        Ok(())
    }

    /// Whether a row that set out meanwhile may have become one of the records
    /// that fit this one: whose they are is known when its answer is here.
    fn has_rival(&self, row: &ToSend) -> bool {
        let sent = values_of(&row.body);
        self.out.values().any(|out| match out {
            Out::Row(other) if other.action == Action::Create => {
                let others = values_of(&other.body);
                sent.iter().all(|value| others.contains(value))
            }
            Out::Row(_) | Out::Look(_) | Out::Settle(_) => false,
        })
    }

    /// Whether an answer that is not stored yet says that a row made this record.
    fn is_made_just_now(&self, id: RecordId) -> bool {
        self.answers.iter().any(|answer| match answer.kind {
            AnswerKind::Done { outcome: Outcome::Created, record, .. } => record == Some(id),
            AnswerKind::Adopted { outcome: Outcome::Created, record, .. } => record == id,
            _ => false,
        })
    }

    fn judge_candidates(
        &self,
        row: &ToSend,
        proof: Proof,
        records: &[Record],
    ) -> Result<Verdict, PipelineError> {
        let mut made = Vec::new();
        for record in records {
            if self.is_made_just_now(record.id) || self.store.maker_of(record.id, row.row)?.is_some() {
                made.push(record.id);
            }
        }
        let twins = self.doubts.twins.get(&xxh3_64(row.body.as_bytes())).copied().unwrap_or(1);
        let sent = values_of(&row.body);
        let is_made = |id| made.contains(&id);
        let verdict = judge_create(&self.settings.dictionary, &sent, records, proof, twins, is_made);
        if let (Verdict::Adopt(id), Proof::Weak) = (&verdict, proof)
            && self.store.has_rival_with_another_file(row)?
        {
            return Ok(Verdict::Hold(Held::Several, vec![*id]));
        }
        Ok(match verdict {
            Verdict::Hold(Held::NothingFound, _) if self.settings.on_unknown == OnUnknown::Resend => {
                Verdict::Absent
            }
            verdict => verdict,
        })
    }

    fn kind_of(&mut self, row: &ToSend, verdict: Verdict, records: &[Record]) -> AnswerKind {
        match verdict {
            Verdict::Adopt(id) => {
                let record = records.iter().find(|record| record.id == id);
                let image = record.and_then(|record| image_of_adopted(row, record));
                AnswerKind::Adopted { outcome: row.action.done(), record: id, image }
            }
            // A key that the CRM changes as it stores it finds nothing, and proves nothing.
            Verdict::Absent if row.action == Action::Create && self.is_key_altered() => {
                AnswerKind::Held(vec![held_finding(row.row, Held::NothingFound, &[])])
            }
            Verdict::Absent => {
                let times = self.doubts.absent.entry(row.row).or_default();
                *times += 1;
                match (*times < MOST_TRIES, row.action == Action::Create && !self.doubts.has_key(row)) {
                    (true, _) => AnswerKind::Absent,
                    // By its values alone nobody can say that it was not stored.
                    (false, true) => AnswerKind::Held(vec![held_finding(row.row, Held::NothingFound, &[])]),
                    (false, false) => AnswerKind::Overtaken(vec![never_stored(row.row)]),
                }
            }
            Verdict::Overtaken(why) => {
                let why = match (self.settings.purpose, records) {
                    (Purpose::Import, _) => why,
                    (Purpose::Undo, []) => self.gone_words(),
                    (Purpose::Undo, _) => KEPT,
                };
                AnswerKind::Overtaken(vec![whole_row(row.row, Code::Conflict, why.to_owned())])
            }
            Verdict::Hold(held, ids) => AnswerKind::Held(vec![held_finding(row.row, held, &ids)]),
        }
    }
}

impl Coordinator<'_> {
    /// Whether a record of the run's own may yet show that the CRM finds what
    /// it is asked for: a row waits for that a few times.
    fn may_get_a_witness(&mut self, row: u64) -> Result<bool, PipelineError> {
        let is_more_to_come = !self.taken_all || !self.ahead.is_empty() || self.in_flight() > 0;
        if !is_more_to_come && self.store.first_made()?.is_none() {
            return Ok(false);
        }
        let times = self.doubts.unwitnessed.entry(row).or_default();
        *times += 1;
        Ok(*times <= MOST_WITNESSES)
    }

    /// Whether the CRM has answered with another value of the key than was sent.
    fn is_key_altered(&self) -> bool {
        self.doubts.key.iter().any(|name| self.echoes.contains_key(name))
    }
}

/// How an adopted record looks, as far as it is the run's own doing: none of a
/// new record that was changed since it was created, by whoever.
pub fn image_of_adopted(row: &ToSend, record: &Record) -> Option<Vec<u8>> {
    let at = |field: &str| record.get(field).filter(|at| !at.is_blank());
    // Without dates, nobody can tell.
    let is_untouched = match (at("createddate"), at("modifieddate").or_else(|| at("modified"))) {
        (Some(created), Some(modified)) => created == modified,
        _ => false,
    };
    (row.action != Action::Create || is_untouched).then(|| image(record))
}

/// Why a row stays in doubt; the records that it may be are named.
fn held_finding(row: u64, held: Held, ids: &[RecordId]) -> Finding {
    let cause = held.sentence();
    let message = match ids {
        [] => cause.to_owned(),
        [one] => format!("{cause}: id {one}"),
        several => format!("{cause}: ids {}", ids_in_words(several)),
    };
    Finding { cause: Some(cause.to_owned()), ..whole_row(row, Code::NoAnswer, message) }
}

fn never_stored(row: u64) -> Finding {
    let message =
        format!("sent {MOST_TRIES} times; each time the answer was lost and the CRM did not store it");
    whole_row(row, Code::NoAnswer, message)
}
