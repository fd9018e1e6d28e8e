//! Sending what is planned.
//!
//! One coordinator owns the store and the counts. It makes an attempt durable
//! before it hands the row out, and stores answers and new attempts in one
//! commit; tasks only send a request and report. At most twice `concurrency`
//! rows are handed out, so whatever ends the process, no more are in doubt.

use std::collections::HashMap;
use std::num::NonZeroUsize;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::origins::Origins;
use super::{Event, Phase, PipelineError, Reporter};
use crate::crm::{Client, CrmError, Deleted, NextStep};
use crate::model::{Action, Code, Counts, Finding, Notice, RecordId, Stage};
use crate::store::{Answer, AnswerKind, Store, ToSend};

/// How to send.
#[derive(Clone, Debug)]
pub struct SendSettings {
    /// The object.
    pub object: String,
    /// Most requests in flight.
    pub concurrency: NonZeroUsize,
    /// Stop once so many rows are rejected in all.
    pub stop_after: Option<u64>,
}

/// Why sending ended before the last row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It did not: every planned row was tried.
    Complete,
    /// The user stopped it.
    Cancelled,
    /// A budget or quota is used up, or too many rows were rejected.
    Stopped(String),
    /// The CRM cannot be reached or refuses the token.
    Failed(CrmError),
}

/// Sends every planned row of the store.
pub async fn send(
    store: &mut Store,
    client: &Client,
    settings: &SendSettings,
    origins: &Origins,
    reporter: &dyn Reporter,
    stop: &CancellationToken,
) -> Result<Ended, PipelineError> {
    let counts = store.counts()?;
    let planned = counts.unprocessed;
    reporter.event(Event::Begin { phase: Phase::Send, what: settings.object.clone(), total: Some(planned) });
    let window = settings.concurrency.get().saturating_mul(2);
    let coordinator = Coordinator {
        store,
        client,
        settings,
        origins,
        reporter,
        stop,
        counts,
        done: 0,
        last_row: 0,
        out: HashMap::new(),
        tasks: JoinSet::new(),
        window,
        ended: None,
        alike: None,
        fault: None,
    };
    let ended = coordinator.run().await;
    reporter.event(Event::End(Phase::Send));
    ended
}

struct Coordinator<'a> {
    store: &'a mut Store,
    client: &'a Client,
    settings: &'a SendSettings,
    origins: &'a Origins,
    reporter: &'a dyn Reporter,
    stop: &'a CancellationToken,
    counts: Counts,
    done: u64,
    last_row: u64,
    /// Rows handed out and not reported yet.
    out: HashMap<Id, ToSend>,
    tasks: JoinSet<Result<RecordId, CrmError>>,
    window: usize,
    /// Why no more rows are taken, once that is so.
    ended: Option<Ended>,
    /// The last answer that nobody expected, and how often it came in a row.
    alike: Option<(String, u32)>,
    /// A task ended by a fault of this program.
    fault: Option<String>,
}

/// So many equal unexpected answers in a row end a run (contract, exit code 6).
const MOST_ALIKE: u32 = 5;

/// What came of a task.
type Report = Result<(Id, Result<RecordId, CrmError>), JoinError>;

/// Runs what waits for the disk or takes long, without holding back requests
/// in flight where other threads can take them over.
pub(super) fn blocking<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current() {
        Ok(handle) if handle.runtime_flavor() == RuntimeFlavor::MultiThread => {
            tokio::task::block_in_place(work)
        }
        Ok(_) | Err(_) => work(),
    }
}

impl Coordinator<'_> {
    async fn run(mut self) -> Result<Ended, PipelineError> {
        let mut answers: Vec<Answer> = Vec::new();
        loop {
            let taken = match self.take() {
                Ok(taken) => taken,
                Err(error) => return Err(self.save_what_is_known(answers, error).await),
            };
            let starting: Vec<u64> = taken.iter().map(|row| row.row).collect();
            if !answers.is_empty() || !starting.is_empty() {
                if let Err(error) = self.exchange(&answers, &starting) {
                    return Err(self.save_what_is_known(answers, error).await);
                }
                answers.clear();
            }
            taken.into_iter().for_each(|row| self.hand_out(row));
            if self.out.is_empty() {
                return match self.fault {
                    Some(fault) => Err(PipelineError::Fault(fault)),
                    None => Ok(self.ended.unwrap_or(Ended::Complete)),
                };
            }
            self.collect(&mut answers).await;
        }
    }

    /// The store does not take what it is given (disk full): sends no more,
    /// waits for what is in flight, tries once more, and tells the outcomes
    /// that cannot be stored.
    async fn save_what_is_known(&mut self, mut answers: Vec<Answer>, error: PipelineError) -> PipelineError {
        self.end(Ended::Cancelled);
        while !self.out.is_empty() {
            self.collect(&mut answers).await;
        }
        if self.exchange(&answers, &[]).is_err() {
            for answer in &answers {
                let told = format!("could not be stored: {}", answer_line(answer));
                self.reporter.event(Event::Notice(Notice(told)));
            }
        }
        error
    }

    /// The next rows, as many as may be handed out.
    fn take(&mut self) -> Result<Vec<ToSend>, PipelineError> {
        if self.ended.is_none() && self.stop.is_cancelled() {
            self.end(Ended::Cancelled);
        }
        let room = self.window.saturating_sub(self.out.len());
        if self.ended.is_some() || room == 0 {
            return Ok(Vec::new());
        }
        let rows = self.store.next_to_send(self.last_row, room)?;
        if let Some(last) = rows.last() {
            self.last_row = last.row;
        }
        Ok(rows)
    }

    fn exchange(&mut self, answers: &[Answer], starting: &[u64]) -> Result<(), PipelineError> {
        let now = jiff::Timestamp::now().to_string();
        let store = &mut *self.store;
        Ok(blocking(|| store.exchange(answers, starting, &now))?)
    }

    fn hand_out(&mut self, row: ToSend) {
        let (client, object, sent) = (self.client.clone(), self.settings.object.clone(), row.clone());
        let task = self.tasks.spawn(async move { request(&client, &object, &sent).await });
        self.out.insert(task.id(), row);
    }

    /// Waits for a report, then takes all that are there.
    async fn collect(&mut self, answers: &mut Vec<Answer>) {
        let stop = self.stop.clone();
        let first = tokio::select! {
            report = self.tasks.join_next_with_id() => report,
            () = stop.cancelled(), if self.ended.is_none() => {
                self.end(Ended::Cancelled);
                self.tasks.join_next_with_id().await
            }
        };
        if first.is_none() {
            // Every row that is out has a task; without one there is nothing to wait for.
            self.out.clear();
        }
        let mut next = first;
        while let Some(report) = next {
            answers.extend(self.judge_report(report));
            next = self.tasks.try_join_next_with_id();
        }
        self.reporter.event(Event::Progress { phase: Phase::Send, done: self.done });
        self.reporter.event(Event::Rows(self.counts));
    }

    /// A task that panicked may have sent its request: its row is in doubt.
    fn judge_report(&mut self, report: Report) -> Option<Answer> {
        let (id, result) = match report {
            Ok(report) => report,
            Err(error) => {
                let row = self.out.get(&error.id())?.row;
                let fault = format!("the request of row {row} ended by a fault of carafe itself: {error}");
                self.fault.get_or_insert_with(|| fault.clone());
                self.end(Ended::Cancelled);
                (error.id(), Err(CrmError::ConnectionLost { why: fault }))
            }
        };
        let row = self.out.remove(&id)?;
        Some(self.judge(&row, result))
    }

    /// Takes no more rows, and calls back those that have not been sent.
    fn end(&mut self, ended: Ended) {
        if self.ended.is_none() {
            self.ended = Some(ended);
            self.client.stop();
        }
    }

    /// What an answer means for its row and for the run.
    fn judge(&mut self, row: &ToSend, result: Result<RecordId, CrmError>) -> Answer {
        let (kind, status, message) = match result {
            Ok(id) => {
                self.alike = None;
                let status = if row.action == Action::Create { 201 } else { 200 };
                (AnswerKind::Done { outcome: row.action.done(), record: Some(id) }, Some(status), None)
            }
            Err(error) => {
                let kind = self.judge_error(row, &error);
                (kind, status_of(&error), Some(error.to_string()))
            }
        };
        if let Some(outcome) = kind.outcome() {
            self.done += 1;
            *self.counts.of(outcome) += 1;
            self.counts.unprocessed = self.counts.unprocessed.saturating_sub(1);
        }
        if let Some(most) = self.settings.stop_after
            && self.counts.rejected >= most
        {
            let message =
                format!("{} rows are rejected, the limit of --stop-after is {most}", self.counts.rejected);
            self.end(Ended::Stopped(message));
        }
        Answer { row: row.row, kind, status, message }
    }

    /// Five equal answers in a row that nobody expected say more about the CRM
    /// than about the rows: no further ones are sent after them.
    fn note_unexpected(&mut self, error: &CrmError) {
        let unexpected = matches!(
            error,
            CrmError::Unexpected { .. }
                | CrmError::ServerError { .. }
                | CrmError::Unavailable { .. }
                | CrmError::TooLarge { .. }
                | CrmError::Refused { .. }
        );
        if !unexpected {
            self.alike = None;
            return;
        }
        let words = error.to_string();
        let times = match self.alike.take() {
            Some((known, times)) if known == words => times + 1,
            _ => 1,
        };
        if times >= MOST_ALIKE {
            self.end(Ended::Stopped(format!(
                "{MOST_ALIKE} equal answers in a row that were not expected: {words}"
            )));
        }
        self.alike = Some((words, times));
    }

    fn judge_error(&mut self, row: &ToSend, error: &CrmError) -> AnswerKind {
        self.note_unexpected(error);
        match error.next_step() {
            NextStep::RejectRow => AnswerKind::Refused(self.findings(row, error)),
            NextStep::LookUpFirst => AnswerKind::InDoubt(vec![self.in_doubt(row, error)]),
            NextStep::RetryAsIs | NextStep::StopRun => {
                self.end(Ended::Failed(error.clone()));
                AnswerKind::NotSent
            }
            NextStep::StopBudget => {
                self.end(Ended::Stopped(error.to_string()));
                AnswerKind::NotSent
            }
            NextStep::LeaveUnprocessed => {
                self.end(Ended::Cancelled);
                AnswerKind::NotSent
            }
        }
    }

    fn findings(&self, row: &ToSend, error: &CrmError) -> Vec<Finding> {
        if let CrmError::Invalid { faults, .. } = error
            && !faults.is_empty()
        {
            let finding = |fault: &crate::crm::FieldFault| {
                let (cell, column) = self.origins.cell(&fault.field, row.row);
                Finding {
                    row: row.row,
                    cell,
                    column,
                    field: Some(fault.field.clone()),
                    code: fault.code(),
                    message: fault.sentence(),
                    cause: None,
                    value: sent_value(&row.body, &fault.field),
                    stage: Stage::Send,
                }
            };
            return faults.iter().map(finding).collect();
        }
        let gone = matches!(error, CrmError::NotFound { .. }) && row.action != Action::Create;
        let code = if gone { Code::Conflict } else { Code::Refused };
        let message =
            if gone { "the record went since the plan was made".to_owned() } else { error.to_string() };
        vec![whole_row(row, code, message)]
    }

    fn in_doubt(&self, row: &ToSend, error: &CrmError) -> Finding {
        let cause = "sent, and the answer was lost; the CRM may have stored it".to_owned();
        Finding { cause: Some(cause), ..whole_row(row, Code::NoAnswer, error.to_string()) }
    }
}

/// An answer on one line, for people whose disk is full.
fn answer_line(answer: &Answer) -> String {
    let (outcome, id) = match &answer.kind {
        AnswerKind::Done { outcome, record } => (outcome.word(), record.map(RecordId::get)),
        AnswerKind::Refused(_) => ("rejected", None),
        AnswerKind::NotSent => ("unprocessed", None),
        AnswerKind::InDoubt(_) => ("unknown", None),
    };
    serde_json::json!({ "row": answer.row, "outcome": outcome, "id": id, "status": answer.status })
        .to_string()
}

fn whole_row(row: &ToSend, code: Code, message: String) -> Finding {
    Finding {
        row: row.row,
        cell: None,
        column: None,
        field: None,
        code,
        message,
        cause: None,
        value: None,
        stage: Stage::Send,
    }
}

/// The value that was sent for a field, as text.
fn sent_value(body: &str, field: &str) -> Option<String> {
    let body: serde_json::Map<String, serde_json::Value> = serde_json::from_str(body).ok()?;
    match body.get(field)? {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Null => None,
        other => Some(other.to_string()),
    }
}

async fn request(client: &Client, object: &str, row: &ToSend) -> Result<RecordId, CrmError> {
    let missing = || CrmError::Unsendable { why: format!("the plan names no record for row {}", row.row) };
    match row.action {
        Action::Create => client.create(object, &row.body).await.map(|record| record.id),
        Action::Update => {
            let id = row.record.ok_or_else(missing)?;
            client.update(object, id, &row.body).await.map(|record| record.id)
        }
        Action::Delete => {
            let id = row.record.ok_or_else(missing)?;
            match client.delete(object, id).await? {
                Deleted::Done | Deleted::AlreadyGone => Ok(id),
            }
        }
    }
}

/// The status that came with a failure, if any did.
fn status_of(error: &CrmError) -> Option<u16> {
    match error {
        CrmError::TokenRefused { status, .. }
        | CrmError::Redirected { status, .. }
        | CrmError::Refused { status, .. }
        | CrmError::ServerError { status, .. }
        | CrmError::Unavailable { status, .. }
        | CrmError::Unexpected { status, .. } => Some(*status),
        CrmError::RateLimited { .. } => Some(429),
        CrmError::NotFound { .. } => Some(404),
        CrmError::Invalid { .. } => Some(422),
        CrmError::UnknownObject { .. } | CrmError::InvalidRequest { .. } => Some(500),
        CrmError::Unreachable { .. }
        | CrmError::Cancelled
        | CrmError::BudgetSpent { .. }
        | CrmError::Unsendable { .. }
        | CrmError::TimedOut { .. }
        | CrmError::ConnectionLost { .. }
        | CrmError::Undescribed { .. }
        | CrmError::TooLarge { .. }
        | CrmError::QuotaSpent { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Outcome;
    use crate::pipeline::Silent;
    use crate::pipeline::testing::client_of;
    use crate::store::PlannedRow;

    #[tokio::test]
    async fn a_request_that_panics_is_in_doubt_and_ends_the_run_instead_of_hanging_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::create(&folder.path().join("run.db")).unwrap();
        let planned = |row| PlannedRow { row, action: Some(Action::Create), ..PlannedRow::default() };
        store.add_rows(&[planned(2), planned(3)]).unwrap();
        store.set("rows_read", &2_u64).unwrap();
        let row = store.next_to_send(0, 1).unwrap().remove(0);
        let client = client_of("http://127.0.0.1:1");
        let settings =
            SendSettings { object: "accounts".into(), concurrency: NonZeroUsize::MIN, stop_after: None };
        let counts = store.counts().unwrap();
        let mut coordinator = Coordinator {
            store: &mut store,
            client: &client,
            settings: &settings,
            origins: &Origins::default(),
            reporter: &Silent,
            stop: &CancellationToken::new(),
            counts,
            done: 0,
            last_row: row.row,
            out: HashMap::new(),
            tasks: JoinSet::new(),
            window: 1,
            ended: None,
            alike: None,
            fault: None,
        };
        coordinator.store.exchange(&[], &[row.row], "now").unwrap();
        let task = coordinator.tasks.spawn(async { panic!("a fault of ours") });
        coordinator.out.insert(task.id(), row);
        let error = coordinator.run().await.unwrap_err();
        assert_eq!(error.exit_code(), 1);
        assert!(error.to_string().contains("row 2"), "{error}");
        let counts = store.counts().unwrap();
        assert_eq!((counts.get(Outcome::Unknown), counts.get(Outcome::Unprocessed)), (1, 1));
        assert!(counts.add_up());
    }
}
