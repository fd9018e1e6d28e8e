//! What became of one row: what a request or a look at the CRM says of it,
//! and what that means for the row's outcome.

use super::Settled;
use crate::model::{Finding, Outcome, RecordId};

/// What became of one row: the end of an attempt, or of a look at the CRM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The row.
    pub row: u64,
    /// How sure it is.
    pub kind: AnswerKind,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// What was said, for people.
    pub message: Option<String>,
}

impl Answer {
    /// Of which the CRM has said nothing: no request ended, or none was answered.
    pub fn without_status(row: u64, kind: AnswerKind) -> Self {
        Self { row, kind, status: None, message: None }
    }
}

/// What a row has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnswerKind {
    /// The CRM confirmed it.
    Done {
        /// How the row ended.
        outcome: Outcome,
        /// The record, which a create learns only now.
        record: Option<RecordId>,
        /// How the record looks now, where the answer shows it.
        image: Option<Vec<u8>>,
    },
    /// The CRM refused it; the row is rejected.
    Refused(Vec<Finding>),
    /// The CRM certainly did not get it; the row stays planned.
    NotSent,
    /// Sent, and whether the CRM has it is not known.
    InDoubt(Vec<Finding>),
    /// It was refused, and so were others in the same words: the answers are
    /// not about the rows, so this one is planned again.
    TakenBack,
    /// In doubt, and found in the CRM.
    Adopted {
        /// How the row ended.
        outcome: Outcome,
        /// The record.
        record: RecordId,
        /// How it looks.
        image: Option<Vec<u8>>,
    },
    /// In doubt, and certainly not in the CRM: planned again.
    Absent,
    /// In doubt, and looking it up did not tell; the findings say why.
    Held(Vec<Finding>),
    /// In doubt, and found to be no longer possible: rejected.
    Overtaken(Vec<Finding>),
    /// In doubt, and given up by a person: rejected.
    Dropped(Vec<Finding>),
    /// Looked at before it was sent: the record is as it should be already.
    Unchanged {
        /// The record.
        record: Option<RecordId>,
    },
    /// Looked at before it was sent: the record changed or went, so the row is rejected.
    Conflict(Vec<Finding>),
    /// Looked at before it was sent, and still as planned.
    Fresh {
        /// When, in seconds since 1970 (UTC).
        looked: i64,
    },
}

impl AnswerKind {
    /// How the attempt that ended is called; none where no attempt ended.
    pub(super) fn result(&self) -> Option<&'static str> {
        match self {
            Self::Done { .. } => Some("done"),
            Self::Refused(_) => Some("refused"),
            Self::NotSent => Some("not_sent"),
            Self::InDoubt(_) => Some("in_doubt"),
            Self::TakenBack
            | Self::Adopted { .. }
            | Self::Absent
            | Self::Held(_)
            | Self::Overtaken(_)
            | Self::Dropped(_)
            | Self::Unchanged { .. }
            | Self::Conflict(_)
            | Self::Fresh { .. } => None,
        }
    }

    /// How the row's doubt was settled; none where there was none.
    pub(super) fn settled(&self) -> Option<Settled> {
        match self {
            Self::Adopted { .. } => Some(Settled::Adopted),
            Self::Absent | Self::Overtaken(_) => Some(Settled::Absent),
            Self::Held(_) => Some(Settled::Held),
            Self::Dropped(_) => Some(Settled::Dropped),
            Self::Done { .. }
            | Self::Refused(_)
            | Self::NotSent
            | Self::InDoubt(_)
            | Self::TakenBack
            | Self::Unchanged { .. }
            | Self::Conflict(_)
            | Self::Fresh { .. } => None,
        }
    }

    /// How the row ended; none if it is still to be sent.
    pub fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Done { outcome, .. } | Self::Adopted { outcome, .. } => Some(*outcome),
            Self::Refused(_) | Self::Overtaken(_) | Self::Dropped(_) | Self::Conflict(_) => {
                Some(Outcome::Rejected)
            }
            Self::InDoubt(_) | Self::Held(_) => Some(Outcome::Unknown),
            Self::Unchanged { .. } => Some(Outcome::Unchanged),
            Self::NotSent | Self::TakenBack | Self::Absent | Self::Fresh { .. } => None,
        }
    }

    pub(super) fn findings(&self) -> &[Finding] {
        match self {
            Self::Refused(findings)
            | Self::InDoubt(findings)
            | Self::Held(findings)
            | Self::Overtaken(findings)
            | Self::Dropped(findings)
            | Self::Conflict(findings) => findings,
            Self::Done { .. }
            | Self::NotSent
            | Self::TakenBack
            | Self::Adopted { .. }
            | Self::Absent
            | Self::Unchanged { .. }
            | Self::Fresh { .. } => &[],
        }
    }

    /// The record and how it looks, where that was learned.
    pub(super) fn record(&self) -> (Option<RecordId>, Option<&[u8]>) {
        match self {
            Self::Done { record, image, .. } => (*record, image.as_deref()),
            Self::Adopted { record, image, .. } => (Some(*record), image.as_deref()),
            Self::Unchanged { record } => (*record, None),
            Self::Refused(_)
            | Self::NotSent
            | Self::InDoubt(_)
            | Self::TakenBack
            | Self::Absent
            | Self::Held(_)
            | Self::Overtaken(_)
            | Self::Dropped(_)
            | Self::Conflict(_)
            | Self::Fresh { .. } => (None, None),
        }
    }
}
