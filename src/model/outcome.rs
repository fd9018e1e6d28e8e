//! How rows and runs end, and how that is counted.

use serde::{Deserialize, Serialize};

/// What the plan wants done with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// POST a new record.
    Create,
    /// PATCH the fields that differ.
    Update,
    /// DELETE the record.
    Delete,
}

impl Action {
    /// The word in the run store.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }

    /// Reads the run store's word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Create, Self::Update, Self::Delete].into_iter().find(|a| a.word() == word)
    }

    /// The outcome that a success of this action has.
    pub fn done(self) -> Outcome {
        match self {
            Self::Create => Outcome::Created,
            Self::Update => Outcome::Updated,
            Self::Delete => Outcome::Deleted,
        }
    }
}

/// How a row ended. Every row ends in exactly one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The CRM confirmed a new record.
    Created,
    /// The CRM confirmed the change.
    Updated,
    /// Nothing differed; nothing was sent.
    Unchanged,
    /// The CRM confirmed that the record is gone.
    Deleted,
    /// The mapping's filter left the row out.
    Skipped,
    /// Refused by our rules or by the CRM.
    Rejected,
    /// Not sent: cancelled, out of budget, stopped.
    Unprocessed,
    /// Sent without an answer, and not settled.
    Unknown,
}

impl Outcome {
    /// All of them, in the order of the summary.
    pub const ALL: [Self; 8] = [
        Self::Created,
        Self::Updated,
        Self::Unchanged,
        Self::Deleted,
        Self::Skipped,
        Self::Rejected,
        Self::Unprocessed,
        Self::Unknown,
    ];

    /// The word in files and summaries.
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Deleted => "deleted",
            Self::Skipped => "skipped",
            Self::Rejected => "rejected",
            Self::Unprocessed => "unprocessed",
            Self::Unknown => "unknown",
        }
    }

    /// Reads the word again.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|o| o.word() == word)
    }
}

/// Rows by outcome. `read` is counted on its own, so that a lost row shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Rows of the file, wholly blank ones not among them.
    pub read: u64,
    /// See [`Outcome::Created`].
    pub created: u64,
    /// See [`Outcome::Updated`].
    pub updated: u64,
    /// See [`Outcome::Unchanged`].
    pub unchanged: u64,
    /// See [`Outcome::Deleted`].
    pub deleted: u64,
    /// See [`Outcome::Skipped`].
    pub skipped: u64,
    /// See [`Outcome::Rejected`].
    pub rejected: u64,
    /// See [`Outcome::Unprocessed`].
    pub unprocessed: u64,
    /// See [`Outcome::Unknown`].
    pub unknown: u64,
}

impl Counts {
    /// The place of an outcome's count.
    pub fn of(&mut self, outcome: Outcome) -> &mut u64 {
        match outcome {
            Outcome::Created => &mut self.created,
            Outcome::Updated => &mut self.updated,
            Outcome::Unchanged => &mut self.unchanged,
            Outcome::Deleted => &mut self.deleted,
            Outcome::Skipped => &mut self.skipped,
            Outcome::Rejected => &mut self.rejected,
            Outcome::Unprocessed => &mut self.unprocessed,
            Outcome::Unknown => &mut self.unknown,
        }
    }

    /// The count of an outcome.
    pub fn get(mut self, outcome: Outcome) -> u64 {
        *self.of(outcome)
    }

    /// Whether every row read is accounted for.
    pub fn add_up(self) -> bool {
        self.read == Outcome::ALL.into_iter().map(|o| self.get(o)).sum::<u64>()
    }
}

/// Requests by method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calls {
    /// All requests sent, repeats included.
    pub total: u64,
    /// Reads.
    pub get: u64,
    /// Creates.
    pub post: u64,
    /// Updates, and values appended to a list.
    pub patch: u64,
    /// Deletes.
    pub delete: u64,
    /// Those of `total` that repeated an earlier one.
    pub retries: u64,
}

impl Calls {
    /// At least so many writes: a process that was killed told of none.
    #[must_use]
    pub fn at_least(self, post: u64, patch: u64, delete: u64) -> Self {
        let more = |told: u64, known: u64| known.saturating_sub(told);
        let missing = more(self.post, post) + more(self.patch, patch) + more(self.delete, delete);
        Self {
            total: self.total + missing,
            post: self.post.max(post),
            patch: self.patch.max(patch),
            delete: self.delete.max(delete),
            ..self
        }
    }

    /// These and those of another process together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            total: self.total + other.total,
            get: self.get + other.get,
            post: self.post + other.post,
            patch: self.patch + other.patch,
            delete: self.delete + other.delete,
            retries: self.retries + other.retries,
        }
    }
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// A dry run: planned, nothing sent.
    Planned,
    /// Under way, or ended without a word (killed).
    Running,
    /// Every row was tried.
    Finished,
    /// Stopped by the user; what was in flight was finished.
    Cancelled,
    /// Stopped by a limit, a quota, or equal unexpected answers.
    Stopped,
    /// Ended by a fault: the CRM out of reach, the token refused, the disk full.
    Failed,
}

impl RunState {
    /// The word in files and summaries.
    pub fn word(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Running => "running",
            Self::Finished => "finished",
            Self::Cancelled => "cancelled",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }

    /// Reads the word again.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Planned, Self::Running, Self::Finished, Self::Cancelled, Self::Stopped, Self::Failed]
            .into_iter()
            .find(|s| s.word() == word)
    }
}
