//! Sending what is planned.
//!
//! One coordinator owns the store and the counts. It makes an attempt durable
//! before it hands the row out, and stores answers and new attempts in one
//! commit; tasks only send a request and report. At most twice `concurrency`
//! rows are handed out, so whatever ends the process, no more are in doubt.
//!
//! ```text
//!          ┌── look (changed since the plan? a hundred a request) ──┐
//! store ───┴────────────────────────────────────────────> ahead ───┴─> out ──> answers ─> store
//!                                                            ^                     │
//!                                                            └── settle <── doubts <┘
//! ```
//!
//! `coordinator` is the loop, `judging` says what an answer means, `ahead`
//! looks at records before they are changed, `doubts` waits for rows whose
//! answer was lost and settles them, `lookup` asks the CRM about them, `tally`
//! gathers answers, so that one commit stores several.

mod ahead;
mod coordinator;
mod doubts;
mod judging;
mod lookup;
mod tally;
#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use super::origins::Origins;
use super::{Event, Phase, PipelineError, Reporter};
use crate::crm::{Client, CrmError};
use crate::model::Dictionary;
use crate::store::{Direction, Store};
use coordinator::Coordinator;
pub use doubts::image_of_adopted;
pub use judging::doubt_finding;
pub(super) use lookup::{Settler, high_water, needs_high_water};

/// How to send.
#[derive(Clone, Debug)]
pub struct SendSettings {
    /// The object's fields; its name too.
    pub dictionary: Dictionary,
    /// The fields that identify a record.
    pub key: Vec<String>,
    /// A text field that carries each new record's reference.
    pub reference: Option<String>,
    /// Most requests in flight.
    pub concurrency: NonZeroUsize,
    /// Stop once so many rows are rejected in all.
    pub stop_after: Option<u64>,
    /// The order of the rows.
    pub direction: Direction,
    /// How long the CRM may take to store a request whose answer was lost.
    pub settle: Duration,
    /// What to do where nothing is found and that proves nothing.
    pub on_unknown: OnUnknown,
    /// Where an object is kept that must be read whole.
    pub scratch: PathBuf,
    /// Only these rows of the plan, and those in doubt; all of it if none.
    pub only: Option<Vec<u64>>,
    /// The plan was read by this very process, so that a reading counts as
    /// fresh for a minute.
    pub trust_plan: bool,
    /// How long it is tried to store what the CRM has answered, where the disk is full.
    pub store_patience: Duration,
    /// A record that has come up since the plan, with the row's key and all of
    /// its values, is as the row wants it (`upsert`).
    pub takes_existing: bool,
    /// For the sentence on a record that somebody changed.
    pub purpose: Purpose,
}

/// `--on-unknown`: what becomes of a row whose answer was lost, where no
/// record is found and that proves nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnUnknown {
    /// It stays `unknown`, for a person to decide: at most one record.
    #[default]
    Hold,
    /// It is sent again: at least one record.
    Resend,
}

/// What rows are sent for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// To bring the file's rows into the CRM.
    #[default]
    Import,
    /// To take back what another run did.
    Undo,
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

/// What sending works with, beside the store.
#[derive(Clone, Copy)]
pub struct SendTools<'a> {
    /// The CRM.
    pub client: &'a Client,
    /// Which cells values came from.
    pub origins: &'a Origins,
    /// Who is told.
    pub reporter: &'a dyn Reporter,
    /// Stops taking work.
    pub stop: &'a CancellationToken,
    /// The time of day.
    pub clock: &'a dyn Clock,
}

/// Sends every planned row of the store, and settles every doubt in it.
pub async fn send(
    store: &mut Store,
    settings: &SendSettings,
    tools: SendTools<'_>,
) -> Result<Ended, PipelineError> {
    let coordinator = Coordinator::new(store, settings, tools)?;
    // What is in doubt is to be done as well.
    let total = settings.only.as_ref().map_or(coordinator.total(), |rows| rows.len() as u64);
    let what = settings.dictionary.object.clone();
    tools.reporter.event(Event::Begin { phase: Phase::Send, what, total: Some(total) });
    let ended = coordinator.run().await;
    tools.reporter.event(Event::End(Phase::Send));
    ended
}

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

/// What an error of the CRM means for the run as a whole; none where it
/// concerns one row alone.
pub(super) fn ended_by(error: &CrmError) -> Option<Ended> {
    use crate::crm::NextStep;
    match error.next_step() {
        NextStep::RejectRow | NextStep::LookUpFirst => None,
        NextStep::RetryAsIs | NextStep::StopRun => Some(Ended::Failed(error.clone())),
        NextStep::StopBudget => Some(Ended::Stopped(error.to_string())),
        NextStep::LeaveUnprocessed => Some(Ended::Cancelled),
    }
}
