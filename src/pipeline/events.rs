//! What the pipeline tells the outside while it works.
//!
//! The pipeline draws nothing: it tells a [`Reporter`]. The screen draws
//! bars, a test collects the events.

use crate::model::{Counts, Notice};

/// A stretch of work with a progress of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Finding out how columns are written; counted in bytes.
    Prove,
    /// Reading and validating the file; counted in bytes.
    Check,
    /// Reading the file for a first mapping; counted in bytes.
    Draft,
    /// Finding records and planning; counted in rows.
    Plan,
    /// Sending; counted in rows.
    Send,
    /// Reading records; counted in records.
    Read,
    /// Reading back what was written; counted in records.
    Verify,
    /// Writing the run's files.
    Write,
}

impl Phase {
    /// The word beside the bar.
    pub fn word(self) -> &'static str {
        match self {
            Self::Prove => "prove",
            Self::Check => "check",
            Self::Draft => "draft",
            Self::Plan => "plan",
            Self::Send => "send",
            Self::Read => "read",
            Self::Verify => "verify",
            Self::Write => "write",
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A phase begins; `total` is in the phase's own unit, where it is known.
    Begin {
        /// Which one.
        phase: Phase,
        /// What it is about: a file, an object.
        what: String,
        /// How much there is to do.
        total: Option<u64>,
    },
    /// So much of the phase is done.
    Progress {
        /// Which one.
        phase: Phase,
        /// How much, in the phase's own unit.
        done: u64,
    },
    /// Rows by outcome so far, while sending.
    Rows(Counts),
    /// So many rows would be in doubt, should the program end at once.
    AtStake(u64),
    /// A phase has ended.
    End(Phase),
    /// Something worth knowing.
    Notice(Notice),
    /// What the CRM answered for a row and what could not be stored, as JSON:
    /// nobody else knows it, so it is told in any case.
    Unstored(String),
}

/// Someone who wants to know. Called from one thread at a time; must not block.
pub trait Reporter: Send + Sync {
    /// Something happened.
    fn event(&self, event: Event);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn event(&self, _event: Event) {}
}
