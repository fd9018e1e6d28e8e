//! Rows whose records were read more than a minute ago are looked at once more
//! before they are sent, a hundred a request: what somebody changed meanwhile
//! is not written over, and what somebody created is not created again.

use std::time::Duration;

use tokio::time::Instant;

use super::coordinator::{Coordinator, Out, Reply};
use super::judging::{doubt_finding, ids_in_words, whole_row};
use super::lookup::Asker;
use super::{Purpose, SendSettings, ended_by};
use crate::crm::Client;
use crate::model::{Action, Code, Finding, Outcome, Record, Value, shown};
use crate::pipeline::PipelineError;
use crate::rules::settling::{Look, holds, look, values_of};
use crate::store::{Answer, AnswerKind, ToSend};

/// How long a reading counts as fresh, in seconds (contract, "A run's folder").
const FRESH: i64 = 60;

/// That an undo leaves a record alone.
pub(super) const KEPT: &str = "kept: somebody changed the record since the run";

/// Rows of one look at least: as many as one request can ask for.
const LEAST: usize = 100;

/// Rows of one look at most.
const MOST: usize = 2_000;

/// What a look at one row's record came to.
#[derive(Debug)]
pub(super) enum Glance {
    /// Of a row that changes or deletes a record.
    Record(Option<Record>),
    /// Of a row that creates one: those that have its key by now.
    Key(Vec<Record>),
    /// It was not looked at, or there is nothing to ask by.
    Nothing,
}

/// Looks at the records of rows that are to be sent.
#[derive(Debug)]
pub(super) struct Looker {
    asker: Asker,
    /// The largest id when the plan was made, where that is known.
    high_water: Option<u64>,
}

impl Looker {
    pub(super) fn new(client: &Client, settings: &SendSettings, high_water: Option<u64>) -> Self {
        Self { asker: Asker::new(client, settings), high_water }
    }

    /// One glance for each row, in their order.
    async fn look(&mut self, rows: &[ToSend]) -> Result<Vec<Glance>, PipelineError> {
        let mut records = self.asker.records_of(rows).await?;
        let creates: Vec<&ToSend> = rows.iter().filter(|row| row.action == Action::Create).collect();
        let mut by_key = match (self.asker.by_key(&creates).await?, self.high_water) {
            (Some(found), _) => Some(found),
            (None, Some(above)) if !creates.is_empty() => self.asker.by_key_indexed(above, &creates).await?,
            (None, _) => None,
        };
        let glance = |row: &ToSend| match row.action {
            Action::Update | Action::Delete => Glance::Record(row.record.and_then(|id| records.remove(&id))),
            Action::Create => by_key
                .as_mut()
                .map_or(Glance::Nothing, |found| Glance::Key(found.remove(&row.row).unwrap_or_default())),
        };
        Ok(rows.iter().map(glance).collect())
    }
}

impl Coordinator<'_> {
    /// Takes further rows from the store, as long as there is room for them.
    pub(super) fn fill_ahead(&mut self) -> Result<(), PipelineError> {
        self.look_again_at_stale();
        while !self.taken_all && self.looker.is_some() && self.ahead.len() < self.window {
            let mut rows = self.next_rows(self.window)?;
            if rows.iter().any(|row| !self.is_trusted(row)) {
                let more = (self.window * 4).clamp(LEAST, MOST).saturating_sub(rows.len());
                rows.extend(self.next_rows(more)?);
                self.look_at(rows);
            } else {
                self.ahead.extend(rows);
            }
        }
        Ok(())
    }

    fn next_rows(&mut self, most: usize) -> Result<Vec<ToSend>, PipelineError> {
        let rows = self.store.next_to_send(self.last_row, most, self.settings.direction)?;
        self.taken_all = rows.len() < most;
        if let Some(last) = rows.last() {
            self.last_row = Some(last.row);
        }
        Ok(rows)
    }

    /// After a long pause, rows that were looked at must be looked at again.
    fn look_again_at_stale(&mut self) {
        let next = || self.ahead.iter().take(self.window);
        if self.looker.is_some() && next().any(|row| self.is_stale(row)) {
            let rows = self.ahead.drain(..).collect();
            self.look_at(rows);
        }
    }

    pub(super) fn look_at(&mut self, rows: Vec<ToSend>) {
        let Some(mut looker) = self.looker.take() else { return };
        let (asked, begun) = (rows.clone(), self.tools.clock.now().as_second());
        self.spawn(Out::Look(rows), async move {
            let result = looker.look(&asked).await;
            Reply::Looked(Box::new(looker), begun, result)
        });
    }

    /// When the reading of a row's record grows old; none for a new record.
    pub(super) fn fresh_until(&self, row: &ToSend) -> Option<Instant> {
        let looked = row.looked.filter(|_| row.action != Action::Create)?;
        let age = (self.tools.clock.now().as_second() - looked).clamp(0, FRESH);
        // A look takes its time: what was fresh when it left need not come back at once.
        let left = u64::try_from(FRESH - age).unwrap_or(0).max(1);
        Some(Instant::now() + Duration::from_secs(left))
    }

    /// Whether a row of the store may be sent without a look at its record.
    fn is_trusted(&self, row: &ToSend) -> bool {
        (self.settings.trust_plan || !self.can_look(row)) && !self.is_stale(row)
    }

    fn can_look(&self, row: &ToSend) -> bool {
        row.action != Action::Create || self.doubts.has_key(row)
    }

    pub(super) fn is_stale(&self, row: &ToSend) -> bool {
        let age = row.looked.map(|looked| self.tools.clock.now().as_second() - looked);
        let is_old = age.is_none_or(|age| !(0..=FRESH).contains(&age));
        is_old && self.can_look(row)
    }

    pub(super) fn take_glances(
        &mut self,
        rows: Vec<ToSend>,
        begun: i64,
        result: Result<Vec<Glance>, PipelineError>,
    ) {
        match result {
            Ok(glances) => {
                for (row, glance) in rows.into_iter().zip(glances) {
                    self.take_glance(row, &glance, begun);
                }
            }
            Err(error) => self.end_by(error),
        }
    }

    /// Ends the run for what went wrong while the CRM was asked.
    pub(super) fn end_by(&mut self, error: PipelineError) {
        match error {
            PipelineError::Crm(error) => {
                // A question that the CRM does not answer is no row's fault.
                self.end(ended_by(&error).unwrap_or(super::Ended::Failed(error)));
            }
            other => self.give_up(other),
        }
    }

    fn take_glance(&mut self, mut row: ToSend, glance: &Glance, now: i64) {
        let kind = match glance {
            Glance::Nothing => None,
            Glance::Key(records) if records.is_empty() => None,
            Glance::Key(records) => Some(self.take_existing(&row, records)),
            Glance::Record(record) => self.take_look(&row, record.as_ref()),
        };
        let kind = kind.unwrap_or_else(|| {
            row.looked = Some(now);
            AnswerKind::Fresh { looked: now }
        });
        if matches!(kind, AnswerKind::InDoubt(_)) {
            self.doubts.add_now(&row);
        }
        let rejected = matches!(kind, AnswerKind::Conflict(_));
        let is_fresh = matches!(kind, AnswerKind::Fresh { .. });
        self.note(None, Answer::without_status(row.row, kind));
        if is_fresh {
            self.ahead.push_back(row);
        }
        if rejected {
            self.stop_after_rejects();
        }
    }

    /// What a record's look means for its row; none where it may be sent.
    fn take_look(&self, row: &ToSend, record: Option<&Record>) -> Option<AnswerKind> {
        let (sent, before) = (values_of(&row.body), values_of(row.before.as_deref().unwrap_or("{}")));
        let image = row.image.as_deref();
        let dictionary = &self.settings.dictionary;
        match look(dictionary, row.action, record, &sent, &before, image) {
            Look::Same => None,
            Look::Gone => match row.action {
                // A list that lacks it is no proof; the CRM's answer to the deletion is.
                Action::Delete => None,
                Action::Create | Action::Update => Some(AnswerKind::Conflict(vec![whole_row(
                    row.row,
                    Code::Conflict,
                    self.gone_words().to_owned(),
                )])),
            },
            Look::Wanted => match (row.doubted, row.record) {
                (true, Some(id)) => Some(AnswerKind::Adopted {
                    outcome: Outcome::Updated,
                    record: id,
                    image: record.map(crate::rules::image::image),
                }),
                _ => Some(AnswerKind::Unchanged { record: row.record }),
            },
            Look::Changed(fields) => Some(AnswerKind::Conflict(vec![self.changed(row, &fields)])),
        }
    }

    /// The finding on a row whose record somebody changed.
    fn changed(&self, row: &ToSend, fields: &[(String, Value, Value)]) -> Finding {
        let cause = match self.settings.purpose {
            Purpose::Import => "the record changed since it was read for the plan",
            Purpose::Undo => KEPT,
        };
        let shown_value = |value: &Value| format!("\"{}\"", shown(&value.to_text()).cut(60));
        // The image may be the only thing that tells, and names no field.
        let named = fields.first().filter(|_| row.action == Action::Update);
        let Some((name, before, now)) = named else {
            return whole_row(row.row, Code::Conflict, cause.to_owned());
        };
        let (cell, column) = self.tools.origins.cell(name, row.row);
        let message =
            format!("{cause}: {} was {} and is {}", shown(name), shown_value(before), shown_value(now));
        let value = Some(now.to_text().into_owned());
        let whole = whole_row(row.row, Code::Conflict, message);
        Finding { cell, column, field: Some(name.clone()), cause: Some(cause.to_owned()), value, ..whole }
    }

    /// What it means for a row that records have its key by now.
    fn take_existing(&self, row: &ToSend, records: &[Record]) -> AnswerKind {
        let sent = values_of(&row.body);
        match records {
            // Its own, perhaps, stored later than anything is expected to be.
            _ if row.doubted => {
                let why = "a record with its key has come up since it was sent".to_owned();
                AnswerKind::InDoubt(vec![doubt_finding(row.row, why)])
            }
            [one] if self.settings.takes_existing && holds(&self.settings.dictionary, &sent, one) => {
                AnswerKind::Unchanged { record: Some(one.id) }
            }
            _ => AnswerKind::Conflict(vec![self.exists(row, records)]),
        }
    }

    /// The finding on a row whose record somebody created since the plan.
    fn exists(&self, row: &ToSend, records: &[Record]) -> Finding {
        let ids: Vec<_> = records.iter().map(|record| record.id).collect();
        let cause = "a record with this key was created since the plan was made";
        let message = format!("{cause}: id {}", ids_in_words(&ids));
        Finding { cause: Some(cause.to_owned()), ..whole_row(row.row, Code::Conflict, message) }
    }
}
