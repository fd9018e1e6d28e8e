//! Window after window of rows: drafted, asked for, planned and stored, one beside the other.

use std::sync::{Mutex, PoisonError};
use std::thread::{Builder, ScopedJoinHandle};

use super::{Origin, Planner};
use crate::model::{Action, Outcome, Row};
use crate::pipeline::again::JobRows;
use crate::pipeline::finder::{Asked, Finder, FoundRecords, Wanted};
use crate::pipeline::{Event, Phase, PipelineError};
use crate::rules::draft::{Draft, draft};
use crate::store::PlannedRow;

/// Rows of the first window. Nothing is asked for beside it, as its first request goes alone.
const FIRST: usize = 1_000;

/// Rows planned together, a hundred keys a request: so many requests that some are still to be
/// sent while the answers to the last ones are planned and the next rows are drafted.
pub(super) fn rows_of_a_window(concurrency: usize) -> usize {
    (250 * concurrency.min(16)).max(FIRST)
}

/// A window closes early when its rows are this long together, in bytes.
const WINDOW_BYTES: usize = 8 << 20;

/// A window of rows before their records are known.
pub(super) struct Window<'r> {
    rows: &'r [Row],
    drafts: Vec<Draft<'r>>,
    origins: Vec<Origin>,
    keys: Vec<Option<String>>,
    wanted: Vec<Wanted>,
    /// When its records were asked for, in seconds since 1970.
    since: i64,
    /// Its questions, where they are on their way.
    asked: Option<Asked>,
}

impl Planner<'_> {
    /// Plans window after window; two take turns, so that one is asked for while the other is planned.
    pub(super) async fn plan_all(
        &mut self,
        rows: &mut JobRows,
        limit: u64,
        [one, other]: [&mut Vec<Row>; 2],
    ) -> Result<(), PipelineError> {
        let mut before = None;
        loop {
            let Some(window) = self.step(rows, limit, one, before).await? else { return Ok(()) };
            before = self.step(rows, limit, other, Some(window)).await?;
            if before.is_none() {
                return Ok(());
            }
        }
    }

    /// Opens the next window and plans the one before.
    async fn step<'r>(
        &mut self,
        rows: &mut JobRows,
        limit: u64,
        buffer: &'r mut Vec<Row>,
        before: Option<Window<'_>>,
    ) -> Result<Option<Window<'r>>, PipelineError>
    where
        Self: 'r,
    {
        match before {
            Some(before) if before.asked.is_some() => {
                let next = self.open_window(rows, limit, buffer).await?;
                self.plan_window(before).await?;
                Ok(next)
            }
            // What is not yet known about looking up is found out in the order of the rows.
            Some(before) => {
                self.plan_window(before).await?;
                self.open_window(rows, limit, buffer).await
            }
            None => self.open_window(rows, limit, buffer).await,
        }
    }

    /// Reads and drafts the next rows, while those that are planned are stored, and asks for their
    /// records as far as can be done ahead.
    async fn open_window<'r>(
        &mut self,
        rows: &mut JobRows,
        limit: u64,
        buffer: &'r mut Vec<Row>,
    ) -> Result<Option<Window<'r>>, PipelineError>
    where
        Self: 'r,
    {
        // Where nothing has to be looked up, nothing is waited for, and so nobody asks.
        if self.stop.is_cancelled() {
            return Err(PipelineError::Cancelled);
        }
        let left = usize::try_from(limit.saturating_sub(self.taken)).unwrap_or(usize::MAX);
        let most = left.min(if self.taken == 0 { self.window.min(FIRST) } else { self.window });
        let job = self.job;
        let (rows, mut drafts) = self.store_planned(move || {
            let filled = fill(buffer, rows, most)?;
            let rows = &buffer[..filled];
            Ok((rows, rows.iter().map(|row| draft(&job.program, row)).collect::<Vec<_>>()))
        })?;
        if rows.is_empty() {
            return Ok(None);
        }
        self.taken += rows.len() as u64;
        if let Some(files) = &job.files {
            drafts.iter_mut().for_each(|draft| files.check(&job.program, draft));
        }
        let origins = self.origins(rows, &mut drafts)?;
        self.look_up_references(&drafts).await?;
        for draft in &mut drafts {
            self.put_references(draft);
        }
        let keys: Vec<Option<String>> = drafts.iter().map(|draft| draft.key(&job.program)).collect();
        for ((draft, key), origin) in drafts.iter_mut().zip(&keys).zip(&origins) {
            // A row that is not meant makes no other one its duplicate.
            if matches!(origin, Origin::None | Origin::Row(_)) {
                self.note_duplicate(draft, key.as_deref());
            }
        }
        let since = self.clock.now().as_second();
        let wanted = self.wanted(&drafts, &keys);
        let asked = self.matcher.as_ref().and_then(|matcher| matcher.ask_ahead(&wanted));
        Ok(Some(Window { rows, drafts, origins, keys, wanted, since, asked }))
    }

    /// Plans the rows of a window, in their order; they are stored with the next one.
    async fn plan_window(&mut self, window: Window<'_>) -> Result<(), PipelineError> {
        let Window { rows, drafts, origins, keys, wanted, since, asked } = window;
        let found = match &mut self.matcher {
            Some(matcher) => matcher.find_asked(&wanted, asked).await?,
            None => FoundRecords::new(),
        };
        // An object that was read whole is as old as its reading.
        let age = self.matcher.as_ref().map(Finder::age).unwrap_or_default();
        let looked =
            since.min(self.clock.now().as_second() - i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
        let columns = self.job.source.header().columns.len();
        for (((row, draft), key), origin) in rows.iter().zip(&drafts).zip(&keys).zip(origins) {
            self.surplus_cells |= row.len() > columns;
            let row = match origin {
                Origin::Refused => self.refused_row(row, draft),
                Origin::AsRefused(origin) if !draft.skipped => {
                    PlannedRow { origin: Some(origin), ..self.refused_row(row, draft) }
                }
                Origin::Row(origin) | Origin::AsRefused(origin) => {
                    let row = self.plan_row(row, draft, key.as_deref(), &found);
                    PlannedRow { origin: Some(origin), ..row }
                }
                Origin::None => self.plan_row(row, draft, key.as_deref(), &found),
            };
            self.planned.push(PlannedRow { looked: row.action.map(|_| looked), ..row });
        }
        self.spent = found;
        Ok(())
    }

    /// Stores what is planned while something else is done. Both take their time, and the
    /// runtime's thread with it.
    pub(super) fn store_planned<T>(
        &mut self,
        meanwhile: impl FnOnce() -> Result<T, PipelineError>,
    ) -> Result<T, PipelineError> {
        let (planned, spent) = (std::mem::take(&mut self.planned), std::mem::take(&mut self.spent));
        if planned.is_empty() {
            return meanwhile();
        }
        let mut counts = self.counts;
        counts.read += planned.len() as u64;
        for row in &planned {
            let foretold = row.outcome.or_else(|| row.action.map(Action::done));
            *counts.of(foretold.unwrap_or(Outcome::Unprocessed)) += 1;
        }
        let work = Mutex::new(Some((&mut *self.store, planned, spent)));
        let store = || -> Result<(), PipelineError> {
            let taken = work.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some((store, planned, spent)) = taken else { return Ok(()) };
            // They are many small texts, which takes as long as to plan their rows.
            drop(spent);
            Ok(store.add_rows_read(&planned, counts.read)?)
        };
        let (stored, done) = std::thread::scope(|scope| {
            let storing = Builder::new().spawn_scoped(scope, store);
            let done = meanwhile();
            // Where there is no thread to be had, this one does it.
            (storing.map_or_else(|_| Ok(store()), ScopedJoinHandle::join), done)
        });
        stored.map_err(|_| PipelineError::Fault("the plan could not be stored".to_owned()))??;
        self.counts = counts;
        self.reporter.event(Event::Progress { phase: Phase::Plan, done: counts.read });
        done
    }
}

/// Reads the next rows into the window, using its rows again; the answer is how many.
fn fill(window: &mut Vec<Row>, rows: &mut JobRows, most: usize) -> Result<usize, PipelineError> {
    // Rows that took much are not kept for the next ones.
    if window.iter().map(Row::bytes).sum::<usize>() > WINDOW_BYTES {
        window.clear();
    }
    let (mut filled, mut bytes) = (0, 0);
    while filled < most && bytes < WINDOW_BYTES {
        if window.len() == filled {
            window.push(Row::default());
        }
        if !rows.read(&mut window[filled])? {
            break;
        }
        bytes += window[filled].bytes();
        filled += 1;
    }
    Ok(filled)
}

#[cfg(test)]
#[path = "windows_tests.rs"]
mod tests;
