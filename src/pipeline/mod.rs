//! The steps in order. This room knows rules, files, CRM and store, and joins
//! them; it draws nothing and reads no flags.
//!
//! ```text
//! file ──read──> row ──convert──> draft ──match──> planned ──send──> outcome
//!        check                            plan              send       outputs
//! ```
//!
//! [`Job`] is everything that must be right before the first row; [`prove`]
//! and [`check`] are pass one, which all cores share (`sharing`), [`plan_import`] pass two ([`open_retry`] takes the
//! rows that an earlier one rejected), [`send_plan`] sends what the store holds, [`open_interrupted`] takes up what was left,
//! [`verify`] reads it back and [`plan_undo`] takes it back; [`export`] goes
//! the other way.
//! [`draft_mapping`] writes a first mapping for a file that has none, [`Template`] a workbook that needs none.

mod again;
mod check;
mod clock;
mod drafting;
mod drift;
mod error;
mod events;
mod export;
mod family;
mod files;
mod finder;
mod header;
mod import;
mod linked;
mod lists;
mod origins;
mod outputs;
mod plan;
mod prepare;
mod promise;
mod prove;
mod put_back;
mod reject_form;
mod resume;
mod retry;
mod run;
mod send;
mod settle;
mod sharing;
mod source_keys;
mod template;
mod twice;
mod undo;
mod verify;

#[cfg(test)]
mod full_disk_tests;
#[cfg(test)]
mod import_tests;
#[cfg(test)]
mod messy;
#[cfg(test)]
mod reject_tests;
#[cfg(test)]
mod round_trip_tests;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod testing;

pub use check::{CheckOptions, Checked, check};
pub use clock::{Clock, SystemClock};
pub use drafting::{DraftBasis, DraftSettings, Drafted, draft_mapping};
pub use drift::{Drifted, EarlierRuns};
pub use error::PipelineError;
pub use events::{Event, Phase, Reporter, Silent};
pub use export::{
    ExportFormat, ExportSettings, ExportSummary, ExportedObject, Incremental, InterruptedExport, Target,
    export, open_export, parse_since, resume_export,
};
pub use family::{GIVEN_UP, RetryTally};
pub use import::{ImportSettings, Typed, plan_again, plan_import};
pub use outputs::{OutputSettings, Summary, seconds};
pub use prepare::{Catalog, Job, JobSettings, io_words, unguarded_notice};
pub use promise::{Promise, PromiseKind, Settling};
pub use prove::prove;
pub use resume::{Resumed, Unplanned, open_interrupted, open_plan};
pub use retry::{Retry, open_retry};
pub use run::{
    FinishedRun, Input, PlannedRun, SendOptions, StopAfter, Tools, decline_plan, finish_plan, finish_run,
    send_plan,
};
pub use send::{Ended, OnUnknown};
pub use settle::{Candidate, Decisions, OpenDoubt, settle};
pub use template::Template;
pub use twice::EarlierImport;
pub use undo::{PlannedUndo, Undoable, open_undoable, plan_undo};
pub use verify::{NotVerified, Verified, VerifySettings, verify};
