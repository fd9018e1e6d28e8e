//! Whether a file went into the same object before: imported again by slip, a
//! file of new records without a key is there twice.

use std::path::Path;

use super::PipelineError;
use super::run::{Input, PlannedRun};
use crate::model::{Counts, RunState, count, shown};
use crate::store::{Store, StoreError, is_held, newest_runs};

/// How many of an object's runs are looked through.
const MOST_RUNS: usize = 200;

/// An earlier run of the same file into the same object of the same CRM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EarlierImport {
    /// The run.
    pub run: String,
    /// Where it stands.
    pub state: Standing,
    /// What it did.
    pub counts: Counts,
}

/// Where an earlier run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Another process is at it right now.
    Active,
    /// It was interrupted, and some of its rows were not sent.
    Interrupted,
    /// It has ended, and of some rows it is not known whether they were stored.
    Unsettled,
    /// It has ended.
    Ended,
}

impl EarlierImport {
    /// The newest earlier run that wrote something, or is about to.
    pub fn find(planned: &PlannedRun, runs: &Path) -> Result<Option<Self>, PipelineError> {
        let object: String = planned.store.fact("object")?;
        let base_url: String = planned.store.fact("base_url")?;
        let others = newest_runs(runs, &object, MOST_RUNS).filter(|(run, _)| *run != planned.folder.run);
        // Nothing is left of a run that was undone whole.
        let mut undone = Vec::new();
        for (run, store) in others {
            if undone.contains(&run) {
                continue;
            }
            undone.extend(undone_by(&store).ok().flatten());
            // What an earlier run knows is a help, and a damaged one is none.
            let Ok(Some(found)) = Self::of(runs, run, &store, planned, &object, &base_url) else { continue };
            return Ok(Some(found));
        }
        Ok(None)
    }

    fn of(
        runs: &Path,
        run: String,
        store: &Store,
        planned: &PlannedRun,
        object: &str,
        base_url: &str,
    ) -> Result<Option<Self>, StoreError> {
        let is_same = store.fact::<String>("base_url")? == base_url
            && store.fact::<String>("object")? == object
            && store.fact::<String>("command")? != "undo"
            && store.fact::<Input>("input")?.sha256 == planned.input.sha256;
        let state: String = store.fact("state")?;
        let counts = store.counts()?;
        let active = is_held(&runs.join(&run));
        let wrote = counts.created + counts.updated + counts.deleted + counts.unknown > 0;
        if !is_same || state == RunState::Planned.word() || !(wrote || active) {
            return Ok(None);
        }
        let standing = match (active, store.has_open_rows()?, counts.unknown) {
            (true, ..) => Standing::Active,
            (false, true, _) => Standing::Interrupted,
            (false, false, 0) => Standing::Ended,
            (false, false, _) => Standing::Unsettled,
        };
        Ok(Some(Self { run, state: standing, counts }))
    }

    /// That, and what to do instead, in one sentence.
    pub fn sentence(&self, object: &str) -> String {
        let Self { run, state, counts } = self;
        let (object, run) = (shown(object), shown(run));
        let did = [
            ("created", counts.created),
            ("updated", counts.updated),
            ("deleted", counts.deleted),
            ("left unknown", counts.unknown),
        ];
        let did: Vec<String> = did
            .iter()
            .filter(|(_, rows)| *rows > 0)
            .map(|(what, rows)| format!("{} {what}", count(*rows, "row", "rows")))
            .collect();
        let did = if did.is_empty() { "nothing yet".to_owned() } else { did.join(", ") };
        match state {
            Standing::Active => format!("this file is going into {object} right now, by run {run} ({did})"),
            Standing::Interrupted => format!(
                "this file went into {object} before, by run {run} ({did}), which was interrupted: carafe resume {run} goes on with it"
            ),
            Standing::Unsettled => format!(
                "this file went into {object} before, by run {run} ({did}): carafe settle {run} finds out about the unknown ones"
            ),
            Standing::Ended => format!("this file went into {object} before, by run {run} ({did})"),
        }
    }
}

/// The run that this one took back without leaving anything.
fn undone_by(undo: &Store) -> Result<Option<String>, StoreError> {
    let is_whole = undo.fact::<String>("state")? == RunState::Finished.word() && undo.counts()?.rejected == 0;
    Ok(undo.get("undo_of")?.filter(|_| is_whole))
}
