//! The loop: rows out, answers in, both durable.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use super::ahead::{Glance, Looker};
use super::doubts::Doubts;
use super::judging::Breaker;
use super::lookup::{Settler, Verdicts};
use super::tally::{Counted, Tally};
use super::{Ended, SendSettings, SendTools, blocking};
use crate::crm::{Client, CrmError, Deleted, Upload};
use crate::model::{Action, Counts, Notice, Outcome, Record, RecordId, count, shown};
use crate::pipeline::{Event, Phase, PipelineError};
use crate::rules::settling::values_of;
use crate::store::{Answer, AnswerKind, Ballast, Store, ToSend};

/// An outcome that is known waits so long at most for others to be stored with.
const GATHER: Duration = Duration::from_millis(50);

/// Owns everything that happens between the first row and the last.
pub(super) struct Coordinator<'a> {
    pub(super) store: &'a mut Store,
    pub(super) settings: &'a SendSettings,
    pub(super) tools: SendTools<'a>,
    pub(super) counts: Counts,
    /// Rows that were open at the beginning.
    total: u64,
    /// The last row that was taken from the store.
    pub(super) last_row: Option<u64>,
    /// The store has no further row.
    pub(super) taken_all: bool,
    /// Rows that may be sent as they are.
    pub(super) ahead: VecDeque<ToSend>,
    pub(super) looker: Option<Looker>,
    pub(super) doubts: Doubts,
    /// What was handed out and is not reported yet.
    pub(super) out: HashMap<Id, Out>,
    tasks: JoinSet<Reply>,
    /// How many tasks have ended, and how many of those were heard.
    tally: Arc<Tally>,
    heard: usize,
    pub(super) window: usize,
    /// Why no more rows are taken, once that is so.
    ended: Option<Ended>,
    pub(super) breaker: Breaker,
    /// What is to be stored with the next attempts.
    pub(super) answers: Vec<Answer>,
    /// Room for the last answers, should the disk be full.
    ballast: Option<Ballast>,
    /// What ends the run as a whole once requests in flight are done.
    failed: Option<PipelineError>,
    /// Fields that the CRM answered with another value than was sent, and in how many records.
    pub(super) echoes: BTreeMap<String, u64>,
}

/// What a task is busy with.
#[derive(Debug)]
pub(super) enum Out {
    /// One request for a row.
    Row(ToSend),
    /// A look at the records of rows that are to be sent.
    Look(Vec<ToSend>),
    /// A look for the records of rows in doubt.
    Settle(Vec<ToSend>),
}

/// What a task brings back.
pub(super) enum Reply {
    Sent(Result<Sent, CrmError>),
    /// With when it was begun, in seconds since 1970 (UTC).
    Looked(Box<Looker>, i64, Result<Vec<Glance>, PipelineError>),
    Settled(Box<Settler>, Result<Verdicts, PipelineError>),
}

/// A request that succeeded: the record, and the record as the answer shows it.
pub(super) struct Sent {
    pub id: RecordId,
    pub record: Option<Record>,
}

/// What came of a task.
type Report = Result<(Id, Reply), JoinError>;

impl<'a> Coordinator<'a> {
    pub(super) fn new(
        store: &'a mut Store,
        settings: &'a SendSettings,
        tools: SendTools<'a>,
    ) -> Result<Self, PipelineError> {
        let counts = store.counts()?;
        let doubts = Doubts::of(store, settings)?;
        let high_water = store.get("high_water")?;
        let only = settings.only.as_deref().map(|rows| store.rows_of(rows)).transpose()?;
        let mut new = Self {
            store,
            settings,
            tools,
            counts,
            total: counts.unprocessed + doubts.waiting(),
            last_row: None,
            taken_all: only.is_some(),
            ahead: VecDeque::new(),
            looker: Some(Looker::new(tools.client, settings, high_water)),
            doubts,
            out: HashMap::new(),
            tasks: JoinSet::new(),
            tally: Arc::default(),
            heard: 0,
            window: settings.concurrency.get().saturating_mul(2),
            ended: None,
            breaker: Breaker::default(),
            answers: Vec::new(),
            ballast: Ballast::load(&settings.scratch),
            failed: None,
            echoes: BTreeMap::new(),
        };
        // Somebody asked for these by name, perhaps long after they were planned.
        if let Some(rows) = only.filter(|rows| !rows.is_empty()) {
            new.look_at(rows);
        }
        Ok(new)
    }

    pub(super) async fn run(mut self) -> Result<Ended, PipelineError> {
        loop {
            if self.ended.is_none() && self.tools.stop.is_cancelled() {
                self.end(Ended::Cancelled);
            }
            let taken = match self.take() {
                Ok(taken) => taken,
                Err(error) => return Err(self.save_what_is_known(error).await),
            };
            let starting: Vec<u64> = taken.iter().map(|row| row.row).collect();
            if let Err(error) = self.exchange(&starting) {
                return Err(self.save_what_is_known(error).await);
            }
            self.tell_progress();
            // Told before they leave: whoever ends the program a moment later must know.
            let at_stake = (self.in_flight() + taken.len()) as u64 + self.doubts.waiting();
            self.tools.reporter.event(Event::AtStake(at_stake));
            taken.into_iter().for_each(|row| self.hand_out(row));
            if self.out.is_empty() && !self.has_doubts_to_wait_for() {
                self.tell_echoes();
                return match self.failed {
                    Some(error) => Err(error),
                    None => Ok(self.ended.unwrap_or(Ended::Complete)),
                };
            }
            self.collect().await;
        }
    }

    fn has_doubts_to_wait_for(&self) -> bool {
        self.ended.is_none() && self.doubts.waiting() > 0
    }

    /// The store does not take what it is given (disk full): sends no more,
    /// waits for what is in flight, makes room and tries again for a while, and
    /// tells the outcomes that cannot be stored.
    async fn save_what_is_known(&mut self, error: PipelineError) -> PipelineError {
        self.end(Ended::Cancelled);
        while !self.out.is_empty() {
            self.collect().await;
        }
        if let Some(ballast) = self.ballast.take() {
            ballast.release();
        }
        let until = Instant::now() + self.settings.store_patience;
        while self.exchange(&[]).is_err() {
            if Instant::now() >= until {
                for answer in &self.answers {
                    self.tools.reporter.event(Event::Unstored(answer_line(answer)));
                }
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        error
    }

    /// The next rows to hand out; begins to look at those behind them, and to
    /// settle those that have waited long enough.
    pub(super) fn take(&mut self) -> Result<Vec<ToSend>, PipelineError> {
        if self.ended.is_some() {
            return Ok(Vec::new());
        }
        self.settle_due()?;
        // One of the silent rows will show whether the CRM is there.
        if self.breaker.is_silent(self.window) && self.doubts.waiting() > 0 {
            self.tell_of_waiting();
            return Ok(Vec::new());
        }
        self.fill_ahead()?;
        if self.ahead.is_empty() && self.taken_all {
            self.tell_of_waiting();
        }
        let room = self.window.saturating_sub(self.in_flight());
        // Rows that have grown old while others are looked at wait for their own look.
        let nobody_looks = self.looker.is_some();
        let next = self.ahead.iter().take(room);
        let fresh = next.take_while(|row| nobody_looks || !self.is_stale(row)).count();
        Ok(self.ahead.drain(..fresh).collect())
    }

    /// Rows that are handed out.
    pub(super) fn in_flight(&self) -> usize {
        self.out.values().filter(|out| matches!(out, Out::Row(_))).count()
    }

    /// Stores what is known and the attempts that begin, in one commit.
    pub(super) fn exchange(&mut self, starting: &[u64]) -> Result<(), PipelineError> {
        if self.answers.is_empty() && starting.is_empty() {
            return Ok(());
        }
        let now = self.tools.clock.now().to_string();
        let (store, answers) = (&mut *self.store, &self.answers);
        blocking(|| store.exchange(answers, starting, &now))?;
        self.answers.clear();
        Ok(())
    }

    fn hand_out(&mut self, row: ToSend) {
        let (client, object) = (self.tools.client.clone(), self.settings.dictionary.object.clone());
        let until = self.fresh_until(&row);
        // Of the row only what the request needs.
        let (number, action, record, body) = (row.row, row.action, row.record, row.body.clone());
        let file = row.file.clone().map(|file| Upload {
            path: file.path.into(),
            size: file.size,
            modified: file.modified,
        });
        let missing =
            move || CrmError::Unsendable { why: format!("the plan names no record for row {number}") };
        let record = record.ok_or_else(missing);
        self.spawn(Out::Row(row), async move {
            Reply::Sent(request(&client, &object, action, record, (&body, file), until).await)
        });
    }

    pub(super) fn spawn(&mut self, out: Out, work: impl Future<Output = Reply> + Send + 'static) {
        let mut counted = Counted::new(&self.tally);
        let task = self.tasks.spawn(async move {
            let reply = work.await;
            if matches!(reply, Reply::Sent(Ok(_))) {
                counted.can_wait();
            }
            reply
        });
        self.out.insert(task.id(), out);
    }

    /// Waits for reports or for the next doubt's time, then takes all reports that are there.
    async fn collect(&mut self) {
        self.gather().await;
        if self.take_reports() == 0 {
            self.wait_for_one().await;
            self.take_reports();
        }
        // Every entry has a task; without one there is nothing to wait for.
        if self.tasks.is_empty() {
            self.out.clear();
        }
    }

    async fn wait_for_one(&mut self) {
        let due = self.doubts.next_due().filter(|_| self.ended.is_none());
        let time = tokio::time::sleep_until(due.unwrap_or_else(Instant::now));
        let report = tokio::select! {
            biased;
            report = self.tasks.join_next_with_id(), if !self.tasks.is_empty() => report,
            () = self.tools.stop.cancelled(), if self.ended.is_none() => {
                self.end(Ended::Cancelled);
                None
            }
            () = time, if due.is_some() => None,
            else => None,
        };
        if let Some(report) = report {
            self.take_report(report);
        }
    }

    /// Takes all reports that are there; how many.
    fn take_reports(&mut self) -> usize {
        let heard = self.heard;
        while let Some(report) = self.tasks.try_join_next_with_id() {
            self.take_report(report);
        }
        self.heard - heard
    }

    /// Waits a little for several answers, so that one commit stores them and
    /// the attempts that follow. As long as more rows are handed out than may
    /// be in flight, no request waits for that.
    async fn gather(&self) {
        let most = self.settings.concurrency.get();
        let more = (most / 2).saturating_sub(self.answers.len()).min(self.in_flight().saturating_sub(most));
        if more == 0 || self.ended.is_some() {
            return;
        }
        let end = Instant::now() + GATHER;
        let end = self.doubts.next_due().map_or(end, |due| due.min(end));
        tokio::select! {
            biased;
            () = self.tally.until(self.heard + more) => {}
            () = self.tools.stop.cancelled() => {}
            () = tokio::time::sleep_until(end) => {}
        }
    }

    /// Rows that have no outcome at the beginning.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Tells what is stored by now.
    fn tell_progress(&self) {
        let open = self.counts.unprocessed + self.doubts.waiting();
        let done = self.total.saturating_sub(open);
        self.tools.reporter.event(Event::Progress { phase: Phase::Send, done });
        self.tools.reporter.event(Event::Rows(self.counts));
    }

    fn take_report(&mut self, report: Report) {
        self.heard += 1;
        match report {
            Ok((id, reply)) => {
                let Some(out) = self.out.remove(&id) else { return };
                match (out, reply) {
                    (Out::Row(row), Reply::Sent(result)) => self.judge(row, result),
                    (Out::Look(rows), Reply::Looked(looker, begun, result)) => {
                        self.looker = Some(*looker);
                        self.take_glances(rows, begun, result);
                    }
                    (Out::Settle(rows), Reply::Settled(settler, result)) => {
                        self.doubts.settler = Some(*settler);
                        self.take_verdicts(rows, result);
                    }
                    // A task brings back what it was sent for.
                    (Out::Row(_) | Out::Look(_) | Out::Settle(_), _) => {}
                }
            }
            Err(error) => self.take_fault(&error),
        }
    }

    /// A task that panicked may have sent its request: its row is in doubt.
    fn take_fault(&mut self, error: &JoinError) {
        let Some(out) = self.out.remove(&error.id()) else { return };
        let what = match &out {
            Out::Row(row) => format!("the request of row {}", row.row),
            Out::Look(_) | Out::Settle(_) => "looking records up".to_owned(),
        };
        let fault = format!("{what} ended by a fault of carafe itself: {error}");
        self.give_up(PipelineError::Fault(fault.clone()));
        if let Out::Row(row) = out {
            self.judge(row, Err(CrmError::ConnectionLost { why: fault }));
        }
    }

    /// Takes no more rows, and calls back those that have not been sent.
    pub(super) fn end(&mut self, ended: Ended) {
        if self.ended.is_none() {
            self.ended = Some(ended);
            self.tools.client.stop();
        }
    }

    /// Ends the run with an error, once what is in flight is done.
    pub(super) fn give_up(&mut self, error: PipelineError) {
        self.failed.get_or_insert(error);
        self.end(Ended::Cancelled);
    }

    /// Says which fields the CRM stored otherwise than they were sent.
    fn tell_echoes(&self) {
        for (field, records) in &self.echoes {
            let records = count(*records, "record", "records");
            self.tools.reporter.event(Event::Notice(Notice(format!(
                "in {records} the CRM answered with another value of {} than was sent; carafe verify shows them",
                shown(field)
            ))));
        }
    }

    /// Notes what a row has come to: for the store, and in the counts. `from`
    /// is how it was counted before; none for a row that was still to be sent.
    pub(super) fn note(&mut self, from: Option<Outcome>, answer: Answer) {
        let before = self.counts.of(from.unwrap_or(Outcome::Unprocessed));
        *before = before.saturating_sub(1);
        *self.counts.of(answer.kind.outcome().unwrap_or(Outcome::Unprocessed)) += 1;
        self.answers.push(answer);
    }
}

/// An answer on one line, for people whose disk is full.
fn answer_line(answer: &Answer) -> String {
    let outcome = answer.kind.outcome().unwrap_or(Outcome::Unprocessed).word();
    let id = match &answer.kind {
        AnswerKind::Done { record, .. } => record.map(RecordId::get),
        AnswerKind::Adopted { record, .. } => Some(record.get()),
        _ => None,
    };
    serde_json::json!({ "row": answer.row, "outcome": outcome, "id": id, "status": answer.status })
        .to_string()
}

/// `until` is when the reading of a record that is changed grows old.
async fn request(
    client: &Client,
    object: &str,
    action: Action,
    record: Result<RecordId, CrmError>,
    (body, file): (&str, Option<Upload>),
    until: Option<Instant>,
) -> Result<Sent, CrmError> {
    let whole = |record: Record| Sent { id: record.id, record: Some(record) };
    match action {
        Action::Create => match file {
            Some(file) => client.upload(object, &values_of(body), &file).await.map(whole),
            None => client.create(object, body).await.map(whole),
        },
        Action::Update => client.update(object, record?, body, until).await.map(whole),
        Action::Delete => {
            let id = record?;
            match client.delete(object, id, until).await? {
                Deleted::Done | Deleted::AlreadyGone => Ok(Sent { id, record: None }),
            }
        }
    }
}
