//! A run and its retries: what has become of the rows that it rejected.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use super::PipelineError;
use super::linked::later_runs;
use super::prove::run_store;
use crate::model::{Outcome, RecordId, RunState};
use crate::store::{RetriedRow, RunFolder, Store, StoreError};

/// Why a row that was in doubt is rejected since a person gave it up.
pub const GIVEN_UP: &str = "given up with settle --drop; whether the CRM has it was not found out";

/// What retries have come to, as `summary.json` of one of them tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RetryTally {
    /// The first run.
    pub of: String,
    /// Rows that it rejected and that are fixed by now, by whichever retry.
    pub fixed: u64,
    /// All rows that it rejected.
    pub rejected: u64,
    /// Other runs of the family that have rows still to be sent.
    #[serde(skip)]
    pub waiting: Vec<String>,
}

impl RetryTally {
    /// The tally of the run that a store holds; none where it is no retry, or
    /// the first run is not there any more.
    pub(super) fn of(store: &Store, folder: &RunFolder) -> Result<Option<Self>, PipelineError> {
        let Some(first) = store.get::<String>("retry_of")? else { return Ok(None) };
        let family = folder.path.parent().and_then(|runs| Family::of(runs, &first).ok());
        let tally = family.map(|family| family.tally()).transpose()?;
        Ok(tally.map(|mut tally| {
            tally.waiting.retain(|run| *run != folder.run);
            tally
        }))
    }
}

/// How a row stands that a file names.
pub(super) enum RowStanding {
    /// It is rejected still: this row of the first run.
    Rejected(u64),
    /// It is of a run that is neither the first nor one of its retries.
    Stranger,
    /// It must not be sent again.
    Other {
        /// Why, with its number.
        message: String,
        /// Why, in the words that all such rows share.
        cause: String,
    },
}

/// A run and its retries.
pub(super) struct Family {
    first: String,
    store: Store,
    retries: HashMap<String, Store>,
    /// What the retries made of the first run's rows, but for those that may be tried once more.
    fates: HashMap<u64, Fate>,
}

/// What undos of a run took back.
#[derive(Default)]
struct Undone {
    /// Its rows.
    rows: HashSet<u64>,
    /// The records that are gone by them, and since when.
    deleted: Vec<(RecordId, Timestamp)>,
}

/// When a run began.
fn begun(store: &Store) -> Result<Timestamp, StoreError> {
    let begun = store.get::<String>("started")?.and_then(|begun| begun.parse().ok());
    Ok(begun.unwrap_or_default())
}

/// What a retry made of a row.
struct Fate {
    retry: String,
    end: End,
}

/// How a row stands that a retry did not just reject.
#[derive(Clone, Copy)]
enum End {
    /// Still to be sent.
    Waits,
    /// Sent, and the answer was lost.
    Unknown,
    /// The same, and a person gave it up.
    GivenUp,
    /// The CRM has it as it was corrected.
    Fixed(Outcome),
}

impl End {
    /// None for a row that may be tried once more.
    fn of(row: &RetriedRow) -> Option<Self> {
        match row.outcome {
            None => Some(Self::Waits),
            Some(Outcome::Unknown) => Some(Self::Unknown),
            Some(Outcome::Rejected) if row.given_up => Some(Self::GivenUp),
            Some(fixed @ (Outcome::Created | Outcome::Updated | Outcome::Unchanged | Outcome::Deleted)) => {
                Some(Self::Fixed(fixed))
            }
            Some(Outcome::Skipped | Outcome::Rejected | Outcome::Unprocessed) => None,
        }
    }

    /// Fixed is fixed, whatever else a later retry tried.
    fn rank(self) -> u8 {
        match self {
            Self::Fixed(_) => 2,
            Self::Unknown | Self::GivenUp => 1,
            Self::Waits => 0,
        }
    }
}

impl Family {
    /// The family of a first run.
    pub(super) fn of(runs: &Path, first: &str) -> Result<Self, PipelineError> {
        let Some(store) = run_store(first, runs) else {
            let message = format!("run {first}, whose rejected rows these are, is not there any more");
            return Err(PipelineError::usage(message, "import the file with: carafe import"));
        };
        let object: String = store.fact("object")?;
        let (mut retries, mut undone) = (HashMap::new(), HashMap::<String, Undone>::new());
        for (run, store) in later_runs(runs, &object, first) {
            // A retry that was interrupted while it planned has sent nothing.
            let is_planned = store.get("plan_complete")?.unwrap_or(false);
            if let Some(of) = store.get::<String>("undo_of")? {
                let undone = undone.entry(of).or_default();
                undone.rows.extend(store.taken_back()?);
                let begun = begun(&store)?;
                undone.deleted.extend(store.deleted_records()?.into_iter().map(|record| (record, begun)));
            } else if is_planned && store.get::<String>("retry_of")?.as_deref() == Some(first) {
                retries.insert(run, store);
            }
        }
        let mut family = Self { first: first.to_owned(), store, retries, fates: HashMap::new() };
        family.learn_fates(&undone)?;
        Ok(family)
    }

    fn learn_fates(&mut self, undone: &HashMap<String, Undone>) -> Result<(), StoreError> {
        let of_family = undone.iter().filter(|(of, _)| **of == self.first || self.retries.contains_key(*of));
        let mut gone = HashMap::<RecordId, Timestamp>::new();
        for (record, begun) in of_family.flat_map(|(_, undone)| &undone.deleted) {
            let latest = gone.entry(*record).or_default();
            *latest = (*latest).max(*begun);
        }
        for (retry, store) in &self.retries {
            let waits = store.fact::<String>("state")? != RunState::Planned.word();
            let undone = undone.get(retry);
            // A CRM may give an id again: what was fixed after the undo is fixed.
            let since = begun(store)?;
            let is_gone = |id: RecordId| gone.get(&id).is_some_and(|then| *then > since);
            for row in store.retried_rows()? {
                let Some(end) = End::of(&row) else { continue };
                let counts = match end {
                    End::Unknown | End::GivenUp => true,
                    // A row may be a record that another row had created.
                    End::Fixed(_) if row.record.is_some_and(is_gone) => false,
                    End::Fixed(_) => !undone.is_some_and(|undone| undone.rows.contains(&row.row)),
                    // A plan that nobody agreed to holds no row back.
                    End::Waits => waits,
                };
                let is_better = |known: &Fate| end.rank() > known.end.rank();
                if counts && self.fates.get(&row.origin).is_none_or(is_better) {
                    self.fates.insert(row.origin, Fate { retry: retry.clone(), end });
                }
            }
        }
        Ok(())
    }

    /// The first run's id.
    pub(super) fn first(&self) -> &str {
        &self.first
    }

    /// The fields that the first run filled.
    pub(super) fn filled(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.store.get("filled")?.unwrap_or_default())
    }

    /// What became of a row that a reject file names.
    pub(super) fn standing(&self, run: &str, row: u64) -> Result<RowStanding, StoreError> {
        let is_first = run == self.first;
        let store = match self.retries.get(run) {
            Some(store) => store,
            None if is_first => &self.store,
            None => return Ok(RowStanding::Stranger),
        };
        let not_rejected = |what: &str| RowStanding::Other {
            message: format!("row {row} of run {run} {what}"),
            cause: format!("the row {what}"),
        };
        let origin = match store.outcome_of(row)? {
            None => return Ok(not_rejected("does not exist")),
            Some(None | Some(Outcome::Unprocessed)) => {
                return Ok(not_rejected("is still to be sent, by carafe resume"));
            }
            Some(Some(Outcome::Unknown)) => return Ok(not_rejected("is unknown, not rejected")),
            Some(Some(Outcome::Rejected)) if is_first => row,
            Some(Some(Outcome::Rejected)) => match store.origin_of(row)? {
                Some(origin) => origin,
                None => return Ok(not_rejected("corrects no rejected row")),
            },
            Some(Some(outcome)) => {
                return Ok(not_rejected(&format!("was {}, not rejected", outcome.word())));
            }
        };
        let given_up = || format!("was {GIVEN_UP}");
        let (what, shared) = match self.fates.get(&origin) {
            None if self.store.is_given_up(origin)? => (given_up(), given_up()),
            None => return Ok(RowStanding::Rejected(origin)),
            Some(Fate { retry, end: End::GivenUp }) => {
                (format!("was, in run {retry}, {GIVEN_UP}"), given_up())
            }
            Some(Fate { retry, end: End::Unknown }) => (
                format!("is unknown in run {retry}: carafe settle {retry}"),
                "is unknown in a retry".to_owned(),
            ),
            Some(Fate { retry, end: End::Waits }) => (
                format!("is still to be sent by run {retry}: carafe resume {retry}"),
                "is still to be sent by a retry".to_owned(),
            ),
            Some(Fate { retry, end: End::Fixed(outcome) }) => (
                format!("was fixed by run {retry} ({})", outcome.word()),
                "was fixed by a retry already".to_owned(),
            ),
        };
        let message = format!("row {row} of run {run} {what}");
        Ok(RowStanding::Other { message, cause: format!("the row {shared}") })
    }

    /// How many of the first run's rejected rows are fixed by now.
    pub(super) fn tally(&self) -> Result<RetryTally, StoreError> {
        let fixed = self.fates.values().filter(|fate| matches!(fate.end, End::Fixed(_))).count() as u64;
        let first = self.store.counts()?;
        let waits = first.unprocessed > 0 && self.store.fact::<String>("state")? != RunState::Planned.word();
        let retries = self.fates.values().filter(|fate| matches!(fate.end, End::Waits));
        let waiting: BTreeSet<String> = waits
            .then(|| self.first.clone())
            .into_iter()
            .chain(retries.map(|fate| fate.retry.clone()))
            .collect();
        let (of, waiting) = (self.first.clone(), waiting.into_iter().collect());
        Ok(RetryTally { of, fixed, rejected: first.rejected, waiting })
    }
}
