//! What an answer means for its row and for the run.

use super::coordinator::{Coordinator, Sent};
use super::{Ended, Purpose, ended_by};
use crate::crm::{CrmError, FieldFault, NextStep};
use crate::model::{Action, Code, Finding, Outcome, RecordId, Stage};
use crate::rules::image::image;
use crate::rules::settling::{altered, values_of};
use crate::store::{Answer, AnswerKind, ToSend};

/// So many equal unexpected answers in a row end a run (contract, exit code 6).
const MOST_ALIKE: usize = 5;

/// Notices when answers say more about the CRM than about the rows.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// The last answer that nobody expected, and the rows that got it, one after the other.
    alike: Option<(String, Vec<Alike>)>,
    /// The words that have ended the run.
    tripped: Option<String>,
    /// Requests in a row of which nobody said what became.
    silent: usize,
}

/// A row that got the same unexpected answer as its neighbours.
#[derive(Clone, Copy, Debug)]
struct Alike {
    row: u64,
    /// It was rejected for it.
    rejected: bool,
}

impl Breaker {
    /// Whether so many requests in a row remained without an answer that a row
    /// more would only be one more in doubt.
    pub(super) fn is_silent(&self, window: usize) -> bool {
        self.silent >= window.max(MOST_ALIKE)
    }

    /// The CRM answers.
    pub(super) fn heard(&mut self) {
        self.silent = 0;
    }

    fn reset(&mut self) {
        self.alike = None;
        self.silent = 0;
    }
}

impl Coordinator<'_> {
    /// What an answer means for its row and for the run.
    pub(super) fn judge(&mut self, mut row: ToSend, result: Result<Sent, CrmError>) {
        if let Err(CrmError::Waited) = result {
            let answer = Answer::without_status(row.row, AnswerKind::NotSent);
            self.note(None, answer);
            // Its reading is old by now, whatever the clock on the wall says: it is looked at again.
            row.looked = None;
            self.ahead.push_front(row);
            return;
        }
        let (kind, status, message) = match result {
            Ok(sent) => {
                self.breaker.reset();
                self.note_echo(&row, &sent);
                (done(&row, &sent), Some(if row.action == Action::Create { 201 } else { 200 }), None)
            }
            Err(error) => {
                let kind = self.judge_error(&row, &error);
                (kind, status_of(&error), Some(error.to_string()))
            }
        };
        if let AnswerKind::InDoubt(_) = kind {
            self.doubts.add(&row);
        }
        let rejected = matches!(kind, AnswerKind::Refused(_));
        self.note(None, Answer { row: row.row, kind, status, message });
        if rejected {
            self.stop_after_rejects();
        }
    }

    pub(super) fn stop_after_rejects(&mut self) {
        if let Some(most) = self.settings.stop_after
            && self.counts.rejected >= most
        {
            let message =
                format!("{} rows are rejected, the limit of --stop-after is {most}", self.counts.rejected);
            self.end(Ended::Stopped(message));
        }
    }

    /// Notes fields that the CRM answers with another value than was sent.
    fn note_echo(&mut self, row: &ToSend, sent: &Sent) {
        let Some(record) = &sent.record else { return };
        for name in altered(&self.settings.dictionary, &row.body, record) {
            *self.echoes.entry(name).or_default() += 1;
        }
    }

    fn judge_error(&mut self, row: &ToSend, error: &CrmError) -> AnswerKind {
        let step = error.next_step();
        let rejects = step == NextStep::RejectRow;
        self.breaker.silent = if step == NextStep::LookUpFirst { self.breaker.silent + 1 } else { 0 };
        if self.note_unexpected(row, error, rejects) && rejects {
            return AnswerKind::NotSent;
        }
        match step {
            NextStep::RejectRow => AnswerKind::Refused(self.findings(row, error)),
            NextStep::LookUpFirst => AnswerKind::InDoubt(vec![in_doubt(row.row, error)]),
            NextStep::RetryAsIs | NextStep::StopRun | NextStep::StopBudget | NextStep::LeaveUnprocessed => {
                if let Some(ended) = ended_by(error) {
                    self.end(ended);
                }
                AnswerKind::NotSent
            }
        }
    }

    /// Five equal answers in a row that nobody expected say more about the CRM
    /// than about the rows: no further ones are sent, and those that were
    /// rejected for it are not. The answer is whether that is so now.
    fn note_unexpected(&mut self, row: &ToSend, error: &CrmError, rejected: bool) -> bool {
        if !is_unexpected(error, row.action) {
            self.breaker.alike = None;
            return false;
        }
        let words = error.to_string();
        let mut rows = match self.breaker.alike.take() {
            Some((known, rows)) if known == words => rows,
            _ => Vec::new(),
        };
        if self.breaker.tripped.as_ref() == Some(&words) {
            return true;
        }
        if rows.len() + 1 < MOST_ALIKE {
            rows.push(Alike { row: row.row, rejected });
            self.breaker.alike = Some((words, rows));
            return false;
        }
        for alike in rows.iter().filter(|alike| alike.rejected) {
            let answer = Answer::without_status(alike.row, AnswerKind::TakenBack);
            self.note(Some(Outcome::Rejected), answer);
        }
        self.end(Ended::Stopped(format!(
            "{MOST_ALIKE} equal answers in a row that were not expected: {words}"
        )));
        // Requests that are still under way may bring the same answer.
        self.breaker.tripped = Some(words);
        true
    }

    fn findings(&self, row: &ToSend, error: &CrmError) -> Vec<Finding> {
        if let CrmError::Invalid { faults, .. } = error
            && !faults.is_empty()
        {
            return faults.iter().map(|fault| self.finding_of(row, fault)).collect();
        }
        let gone = matches!(error, CrmError::NotFound { by_api: true, .. }) && row.action != Action::Create;
        let code = match error {
            _ if gone => Code::Conflict,
            CrmError::Unreadable { .. } => Code::File,
            _ => Code::Refused,
        };
        let message = if gone { self.gone_words().to_owned() } else { error.to_string() };
        vec![whole_row(row.row, code, message)]
    }

    fn finding_of(&self, row: &ToSend, fault: &FieldFault) -> Finding {
        let (cell, column) = self.tools.origins.cell(&fault.field, row.row);
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
    }

    /// That a record which is to be changed is not there any more.
    pub(super) fn gone_words(&self) -> &'static str {
        match self.settings.purpose {
            Purpose::Import => "the record went since the plan was made",
            Purpose::Undo => "the record went since the run changed it",
        }
    }
}

fn done(row: &ToSend, sent: &Sent) -> AnswerKind {
    AnswerKind::Done {
        outcome: row.action.done(),
        record: Some(sent.id),
        image: sent.record.as_ref().map(image),
    }
}

/// Answers that are about the CRM, or the way to it, as likely as about the row.
fn is_unexpected(error: &CrmError, action: Action) -> bool {
    match error {
        CrmError::Unexpected { .. }
        | CrmError::ServerError { .. }
        | CrmError::Unavailable { .. }
        | CrmError::TooLarge { .. }
        | CrmError::Refused { .. } => true,
        // A rule that names no field may be the plan's limit.
        CrmError::Invalid { faults, .. } => faults.is_empty(),
        // There is always an address to create at; a web page in the API's place knows no record.
        CrmError::NotFound { by_api, .. } => !by_api || action == Action::Create,
        CrmError::Unreachable { .. }
        | CrmError::Cancelled
        | CrmError::Waited
        | CrmError::BudgetSpent { .. }
        | CrmError::Unsendable { .. }
        | CrmError::Unwritten { .. }
        | CrmError::Unreadable { .. }
        | CrmError::TimedOut { .. }
        | CrmError::ConnectionLost { .. }
        | CrmError::RateLimited { .. }
        | CrmError::TokenRefused { .. }
        | CrmError::Redirected { .. }
        | CrmError::UnknownObject { .. }
        | CrmError::InvalidRequest { .. }
        | CrmError::Undescribed { .. }
        | CrmError::QuotaSpent { .. } => false,
    }
}

fn in_doubt(row: u64, error: &CrmError) -> Finding {
    doubt_finding(row, error.to_string())
}

/// That a row was sent and nobody said what became of it.
pub fn doubt_finding(row: u64, message: String) -> Finding {
    let cause = "sent, and the answer was lost; the CRM may have stored it".to_owned();
    Finding { cause: Some(cause), ..whole_row(row, Code::NoAnswer, message) }
}

/// A finding of this step on a row as a whole.
pub(super) fn whole_row(row: u64, code: Code, message: String) -> Finding {
    Finding::of_row(row, code, Stage::Send, message)
}

/// The ids of records, for a sentence.
pub(super) fn ids_in_words(ids: &[RecordId]) -> String {
    let some: Vec<String> = ids.iter().take(5).map(ToString::to_string).collect();
    let more = if ids.len() > 5 { ", …" } else { "" };
    format!("{}{more}", some.join(", "))
}

/// The value that was sent for a field, as text.
fn sent_value(body: &str, field: &str) -> Option<String> {
    let (_, value) = values_of(body).into_iter().find(|(name, _)| name == field)?;
    (!value.is_blank()).then(|| value.to_text().into_owned())
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
        | CrmError::Waited
        | CrmError::BudgetSpent { .. }
        | CrmError::Unsendable { .. }
        | CrmError::Unwritten { .. }
        | CrmError::Unreadable { .. }
        | CrmError::TimedOut { .. }
        | CrmError::ConnectionLost { .. }
        | CrmError::Undescribed { .. }
        | CrmError::TooLarge { .. }
        | CrmError::QuotaSpent { .. } => None,
    }
}
