//! Sending what is planned.
//!
//! One coordinator owns the store and the counts. It makes an attempt durable
//! before it hands the row out, and stores answers and new attempts in one
//! commit; tasks only send a request and report. At most twice `concurrency`
//! rows are handed out, so whatever ends the process, no more are in doubt.

use std::num::NonZeroUsize;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Event, Phase, PipelineError, Reporter};
use crate::crm::{Client, CrmError, Deleted, NextStep};
use crate::model::{Action, Code, Counts, Finding, Header, RecordId, Stage, column_letters};
use crate::rules::program::Program;
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

/// Leads an answer's field back to the cell that the value came from.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Origins {
    sheet: Option<String>,
    /// Field, header, 0-based place of the column.
    fields: Vec<(String, String, usize)>,
}

impl Origins {
    /// The first column of each field.
    pub fn of(program: &Program) -> Self {
        let origin = |header: &Header, column: usize, field: &str| {
            let found = header.columns.get(column)?;
            Some((field.to_owned(), found.name.clone(), found.place))
        };
        let fields = program
            .fields
            .iter()
            .filter_map(|field| origin(&program.header, *field.columns().first()?, &field.field.name));
        Self { sheet: program.header.sheet.clone(), fields: fields.collect() }
    }

    fn cell(&self, field: &str, row: u64) -> (Option<String>, Option<String>) {
        let Some((_, name, place)) = self.fields.iter().find(|(known, ..)| known == field) else {
            return (None, None);
        };
        let letters = column_letters(*place);
        let cell = match &self.sheet {
            Some(sheet) => format!("{sheet}!{letters}{row}"),
            None => format!("{letters}{row}"),
        };
        (Some(cell), Some(name.clone()))
    }
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
    let window = settings.concurrency.get() * 2;
    let (report, reports) = mpsc::channel(window);
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
        out: 0,
        window,
        ended: None,
        report,
        reports,
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
    out: usize,
    window: usize,
    /// Why no more rows are taken, once that is so.
    ended: Option<Ended>,
    report: mpsc::Sender<(ToSend, Result<RecordId, CrmError>)>,
    reports: mpsc::Receiver<(ToSend, Result<RecordId, CrmError>)>,
}

impl Coordinator<'_> {
    async fn run(mut self) -> Result<Ended, PipelineError> {
        let mut answers: Vec<Answer> = Vec::new();
        loop {
            let taken = self.take()?;
            let starting: Vec<u64> = taken.iter().map(|row| row.row).collect();
            if !answers.is_empty() || !starting.is_empty() {
                self.exchange(&answers, &starting)?;
            }
            answers.clear();
            taken.into_iter().for_each(|row| self.hand_out(row));
            if self.out == 0 {
                return Ok(self.ended.unwrap_or(Ended::Complete));
            }
            self.collect(&mut answers).await;
        }
    }

    /// The next rows, as many as may be handed out.
    fn take(&mut self) -> Result<Vec<ToSend>, PipelineError> {
        if self.ended.is_none() && self.stop.is_cancelled() {
            self.end(Ended::Cancelled);
        }
        let room = self.window - self.out;
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
        // Waiting for the disk must not hold the requests in flight back.
        let store = &mut *self.store;
        Ok(tokio::task::block_in_place(|| store.exchange(answers, starting, &now))?)
    }

    fn hand_out(&mut self, row: ToSend) {
        self.out += 1;
        let (client, object, report) =
            (self.client.clone(), self.settings.object.clone(), self.report.clone());
        tokio::spawn(async move {
            let result = request(&client, &object, &row).await;
            // The coordinator listens until the last row has reported.
            let _ = report.send((row, result)).await;
        });
    }

    /// Waits for a report, then takes all that are there.
    async fn collect(&mut self, answers: &mut Vec<Answer>) {
        let stop = self.stop.clone();
        let first = tokio::select! {
            report = self.reports.recv() => report,
            () = stop.cancelled(), if self.ended.is_none() => {
                self.end(Ended::Cancelled);
                self.reports.recv().await
            }
        };
        let Some((row, result)) = first else { return };
        answers.push(self.judge(&row, result));
        while let Ok((row, result)) = self.reports.try_recv() {
            answers.push(self.judge(&row, result));
        }
        self.reporter.event(Event::Progress { phase: Phase::Send, done: self.done });
        self.reporter.event(Event::Rows(self.counts));
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
        self.out -= 1;
        let (kind, status, message) = match result {
            Ok(id) => {
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

    fn judge_error(&mut self, row: &ToSend, error: &CrmError) -> AnswerKind {
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
            NextStep::LeaveUnprocessed => AnswerKind::NotSent,
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
