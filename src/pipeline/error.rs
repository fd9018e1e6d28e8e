//! Why a run as a whole cannot go on, and what that means for the exit code.

use crate::crm::{CrmError, NextStep};
use crate::rules::language::LanguageError;
use crate::rules::problem::Problems;
use crate::store::StoreError;
use crate::tabular::{InputError, OutputError, OutputProblem};

/// Why a command ends early. A bad row is never one of these.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The input file.
    #[error("{0}")]
    Input(#[from] InputError),
    /// An output file.
    #[error("{0}")]
    Output(#[from] OutputError),
    /// The mapping file.
    #[error("{0}")]
    Mapping(#[from] Problems),
    /// A condition.
    #[error("{0}")]
    Condition(#[from] LanguageError),
    /// The CRM.
    #[error("{0}")]
    Crm(#[from] CrmError),
    /// The run store.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// What was asked for cannot be done.
    #[error("{message}")]
    Usage {
        /// What, and why.
        message: String,
        /// The way out.
        advice: Option<String>,
    },
    /// An object that is not there.
    #[error("{message}")]
    NoObject {
        /// Where it is not.
        message: String,
        /// The nearest, and where all are listed.
        advice: String,
    },
    /// The user stopped it before anything was sent.
    #[error("stopped before anything was sent")]
    Cancelled,
    /// The user stopped an export; what was read is kept.
    #[error("{message}")]
    Stopped {
        /// How far it came.
        message: String,
        /// How it goes on.
        advice: String,
    },
    /// A fault of this machine or of the program itself.
    #[error("{0}")]
    Fault(String),
}

impl PipelineError {
    /// Something that cannot be done, with a way out.
    pub fn usage(message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), advice: Some(advice.into()) }
    }

    /// The exit code of the contract.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Input(_)
            | Self::Mapping(_)
            | Self::Condition(_)
            | Self::Usage { .. }
            | Self::NoObject { .. } => 2,
            Self::Output(error) => match error.problem {
                OutputProblem::Exists
                | OutputProblem::IsAFolder
                | OutputProblem::NoFolder
                | OutputProblem::Busy
                | OutputProblem::Unfit(_) => 2,
                OutputProblem::Unwritable(_)
                | OutputProblem::Workbook(_)
                | OutputProblem::Form { .. }
                | OutputProblem::Content(_) => 1,
            },
            Self::Crm(
                CrmError::UnknownObject { .. } | CrmError::Undescribed { .. } | CrmError::Unsendable { .. },
            ) => 2,
            Self::Crm(CrmError::Unwritten { .. }) => 1,
            Self::Crm(error) => match error.next_step() {
                NextStep::StopBudget => 6,
                NextStep::LeaveUnprocessed => 5,
                NextStep::RetryAsIs | NextStep::LookUpFirst | NextStep::RejectRow | NextStep::StopRun => 3,
            },
            Self::Store(
                StoreError::NoSuchRun(_)
                | StoreError::Export { .. }
                | StoreError::NotBegun { .. }
                | StoreError::Active { .. }
                | StoreError::Newer { .. },
            ) => 2,
            Self::Store(StoreError::Database { .. } | StoreError::Io { .. } | StoreError::Damaged { .. })
            | Self::Fault(_) => 1,
            Self::Cancelled | Self::Stopped { .. } => 5,
        }
    }

    /// The word for scripts, `error.code` of `--json`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Input(_) => "input",
            Self::Output(_) => "output",
            Self::Mapping(_) => "mapping",
            Self::Condition(_) => "condition",
            Self::Crm(error) => error.code(),
            Self::Store(_) => "store",
            Self::Usage { .. } => "usage",
            Self::NoObject { .. } => "unknown_object",
            Self::Cancelled | Self::Stopped { .. } => "cancelled",
            Self::Fault(_) => "fault",
        }
    }

    /// The place at fault, for scripts.
    pub fn place(&self) -> Option<String> {
        match self {
            Self::Input(error) => Some(error.file.clone()),
            Self::Output(error) => Some(error.file.clone()),
            Self::Mapping(problems) => problems.first_place(),
            Self::Condition(error) => Some(format!("character {}", error.at + 1)),
            Self::Crm(_)
            | Self::Store(_)
            | Self::Usage { .. }
            | Self::NoObject { .. }
            | Self::Cancelled
            | Self::Stopped { .. }
            | Self::Fault(_) => None,
        }
    }

    /// The way out, where there is one.
    pub fn advice(&self) -> Option<String> {
        match self {
            Self::Crm(error) => error.advice().map(str::to_owned),
            Self::Usage { advice, .. } => advice.clone(),
            Self::NoObject { advice, .. } | Self::Stopped { advice, .. } => Some(advice.clone()),
            Self::Store(StoreError::Export { last: Some(last), .. }) => {
                Some(format!("name a run with rows, such as {last}; see: carafe runs"))
            }
            Self::Input(_)
            | Self::Output(_)
            | Self::Mapping(_)
            | Self::Condition(_)
            | Self::Store(_)
            | Self::Cancelled
            | Self::Fault(_) => None,
        }
    }
}
