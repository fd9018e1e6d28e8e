//! Reading the records of one object, from the CRM and from what an
//! interrupted run has kept.

use std::collections::BTreeMap;

use super::Exporter;
use super::changes::Changes;
use super::plan::Plan;
use super::settings::Target;
use super::writing::Writing;
use crate::crm::{CrmError, ListQuery, ReadSummary, Reader, Records};
use crate::model::{Dictionary, Direction, Notice, shown};
use crate::pipeline::{Event, Phase, PipelineError};
use crate::rules::exported::{date_of_change, later};
use crate::tabular::{LinesWritten, RecordWriter};

/// Full pages that may have been read before it was asked when a record was last changed.
pub(super) const UNSURE: usize = 2;

/// Records of a full page.
pub(super) const FULL_PAGE: usize = 100;

/// Records of which the manifest tells that they were changed while the object was read.
const MOST_CHANGED: usize = 10_000;

/// What was read of an object.
#[derive(Debug, Default)]
pub(super) struct ReadIn {
    /// Records that were written.
    pub records: u64,
    /// The lowest and the highest id.
    pub ids: Option<(u64, u64)>,
    /// When a record was last changed before the second page was read, as the CRM writes times.
    pub latest_change: Option<String>,
    /// Records that were changed after that, by id, with the date that was read; none where they
    /// are too many to be told.
    pub changed_meanwhile: Option<BTreeMap<u64, String>>,
    /// Records that were there before and are no more.
    pub gone: Vec<u64>,
    /// Texts that were guarded, by field.
    pub guarded: Vec<(String, u64)>,
    /// What was written of their lines, where those stand beside.
    pub lines: LinesWritten,
}

impl ReadIn {
    /// Counts a page. The dates of records that were changed later than `after` are noted.
    pub fn add(&mut self, page: &Records, date_of_change: Option<&str>, after: &str) {
        self.records += page.len() as u64;
        if let Some(name) = date_of_change {
            for record in page.iter() {
                // Such dates compare as texts.
                let date = record.get(name).map(|date| date.to_text()).filter(|date| *date > after);
                if let (Some(date), Some(meanwhile)) = (date, &mut self.changed_meanwhile) {
                    meanwhile.insert(record.id().get(), date.to_owned());
                }
            }
            let is_enough = |meanwhile: &BTreeMap<u64, String>| meanwhile.len() <= MOST_CHANGED;
            self.changed_meanwhile = self.changed_meanwhile.take().filter(is_enough);
        }
        for id in page.ids() {
            let (first, last) = self.ids.unwrap_or((id, id));
            self.ids = Some((first.min(id), last.max(id)));
        }
    }

    /// Where the records that were changed meanwhile are known, a later change of any can be told.
    pub fn keep_dates(&mut self, before: &str) {
        let is_known = !before.is_empty() && self.changed_meanwhile.is_some();
        self.latest_change = is_known.then(|| before.to_owned());
    }
}

impl Exporter<'_> {
    /// When a record of the object was last changed, as the CRM writes times, asked once the first
    /// page is there; the empty text where it does not tell. It is no later than any page's reading
    /// but the first [`UNSURE`]: where one request follows the other, the next page comes along.
    async fn latest_change(
        &self,
        dictionary: &Dictionary,
        first: &Records,
        reader: &mut Reader,
    ) -> (String, Option<Result<Option<Records>, CrmError>>) {
        let has_manifest = self.settings.target != Target::Standard;
        let Some(field) = date_of_change(dictionary).filter(|_| has_manifest) else {
            return (String::new(), None);
        };
        // A short page is the only one, mostly; its dates are no later than now either.
        if first.len() < FULL_PAGE {
            let dates = first.iter().filter_map(|record| record.get(field));
            let latest = dates.fold(None, |latest, date| later(latest, date.to_text()));
            return (latest.unwrap_or_default(), None);
        }
        let order = vec![(field.to_owned(), Direction::Descending)];
        let query = ListQuery { order, limit: 1, ..ListQuery::default() };
        let asked = self.client.list(&dictionary.object, &query);
        let (page, next) = if reader.asks_one_by_one() {
            let (page, next) = tokio::join!(asked, reader.next_page());
            (page, Some(next))
        } else {
            (asked.await, None)
        };
        let record = page.ok().and_then(|page| page.records.into_iter().next());
        let date = record.and_then(|record| record.get(field).map(|date| date.to_text().into_owned()));
        (date.and_then(|date| later(None, &date)).unwrap_or_default(), next)
    }

    /// Reads an object from where an interrupted run stood, and writes what is wanted of it.
    pub(super) async fn read(
        &self,
        plan: &mut Plan,
        writer: &mut dyn RecordWriter,
    ) -> Result<ReadIn, PipelineError> {
        let object = &plan.dictionary.object.clone();
        self.reporter.event(Event::Begin {
            phase: Phase::Read,
            what: object.clone(),
            total: plan.query.limit,
        });
        let mut kept = self.journal.pages(object, &plan.query);
        let mut writing = Writing::new(self, plan, writer, kept.before())?;
        let mut seen = 0;
        let mut query = writing.plan.query.clone();
        while let Some(page) = kept.next_page()? {
            if self.stop.is_cancelled() {
                return Err(PipelineError::Cancelled);
            }
            query.above = page.ids().max().unwrap_or(query.above);
            seen += page.len() as u64;
            writing.page(page).await?;
            self.reporter.event(Event::Progress { phase: Phase::Read, done: seen });
        }
        query.limit = query.limit.map(|limit| limit.saturating_sub(seen));
        let mut reader = Reader::new(self.client, object, query)?;
        let mut ahead = None;
        while !kept.is_complete() {
            let page = match ahead.take() {
                Some(page) => page,
                None => reader.next_page().await,
            };
            let Some(page) = page? else { break };
            if kept.before().is_none() {
                let before;
                (before, ahead) = self.latest_change(&writing.plan.dictionary, &page, &mut reader).await;
                kept.begin(&before);
                writing.before = before;
            }
            kept.add(&page, reader.summary().mode);
            seen += page.len() as u64;
            writing.page(page).await?;
            self.reporter.event(Event::Progress { phase: Phase::Read, done: seen });
        }
        kept.complete();
        let mut read = writing.finish().await?;
        self.tell(plan.reversal_notices());
        self.reporter.event(Event::End(Phase::Read));
        self.tell_of(object, reader.summary());
        if let Some(changes) = plan.changes.take() {
            self.take_changes(object, changes, (&mut read, seen), reader.summary().missing > 0);
        }
        Ok(read)
    }

    /// Tells what is worth knowing of how an object was read.
    fn tell_of(&self, object: &str, summary: &ReadSummary) {
        let (unfit, object) = (summary.unfit, shown(object));
        if unfit > 0 {
            self.reporter.event(Event::Notice(Notice(format!(
                "{object}: {unfit} of the records do not fulfil the condition as carafe reads it; \
                 the CRM may compare in its own way or not know an operator"
            ))));
        }
        for notice in &summary.notices {
            self.reporter.event(Event::Notice(Notice(format!("{object}: {notice}"))));
        }
    }

    /// Tells how much was news, and keeps what is known now for the next export of the kind.
    fn take_changes(
        &self,
        object: &str,
        mut changes: Changes,
        (read, seen): (&mut ReadIn, u64),
        lacks: bool,
    ) {
        if lacks {
            changes.keep_unseen();
        }
        self.reporter.event(Event::Notice(news(&shown(object), read, seen, &changes)));
        if self.settings.tells_deleted() {
            read.gone = changes.gone();
        }
        if let Some(states) = self.lock_states().as_mut() {
            states.take(object, changes);
        }
    }
}

/// How much was new of what was read.
fn news(object: &impl std::fmt::Display, read: &ReadIn, seen: u64, changes: &Changes) -> Notice {
    let news = read.records;
    Notice(match (changes.writes_all(), changes.since()) {
        (true, _) => format!("{object}: no earlier export to build on, so all {news} records are written"),
        (false, Some(since)) => {
            format!("{object}: {news} new or changed, of {seen} that the CRM dates {since} or later")
        }
        (false, None) => {
            format!("{object}: {news} new or changed, of all {seen}")
        }
    })
}
