//! What may be typed behind commands that go on with a run, or look at one.

use std::path::PathBuf;

use clap::Args;

use super::SendArgs;

#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// The run: its id, a unique beginning of it, or `last`
    pub run: String,

    #[command(flatten)]
    pub send: SendArgs,
}

#[derive(Debug, Args)]
pub struct RetryArgs {
    /// The run: its id, a unique beginning of it, or `last`
    pub run: String,

    /// The corrected reject file; default the run's own
    pub file: Option<PathBuf>,

    #[command(flatten)]
    pub send: SendArgs,
}

#[derive(Debug, Args)]
pub struct UndoArgs {
    /// The run: its id, a unique beginning of it, or `last`
    pub run: String,

    #[command(flatten)]
    pub send: SendArgs,
}

#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The run: its id, a unique beginning of it, or `last`
    pub run: String,
}

#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// The run: its id, a unique beginning of it, or `last`
    pub run: String,

    #[command(flatten)]
    pub send: SendArgs,
}

#[derive(Debug, Args)]
pub struct SettleArgs {
    /// The run: its id, a unique beginning of it, or `last`
    pub run: String,

    /// The row is this record; may be given several times
    #[arg(long, value_name = "ROW=ID", value_parser = adoption)]
    pub adopt: Vec<(u64, crate::model::RecordId)>,

    /// The CRM does not have the row: send it again
    #[arg(long, value_name = "ROW")]
    pub resend: Vec<u64>,

    /// Give the row up: it counts as rejected
    #[arg(long, value_name = "ROW")]
    pub drop: Vec<u64>,
}

#[derive(Debug, Args)]
pub struct RunsArgs {
    /// The run: its id, a unique beginning of it, or `last`; all runs if left out
    pub run: Option<String>,
}

fn adoption(text: &str) -> Result<(u64, crate::model::RecordId), String> {
    let wrong = || "expected a row and a record's id, for example 12=95920999".to_owned();
    let (row, id) = text.split_once('=').ok_or_else(wrong)?;
    let id = id.trim().parse().ok().and_then(crate::model::RecordId::new).ok_or_else(wrong)?;
    Ok((row.trim().parse().map_err(|_| wrong())?, id))
}
