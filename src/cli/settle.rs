//! `settle`: rows whose outcome is unknown, beside what the CRM holds.

use serde_json::json;

use super::advice::Again;
use super::args::SettleArgs;
use super::connection::Connection;
use super::import::{close_with, say_settings, send_options, tools};
use super::{Context, out};
use crate::model::{Outcome, shown};
use crate::pipeline::{Decisions, OpenDoubt, PipelineError, PlannedRun, Resumed, open_interrupted, settle};
use crate::store::RunName;

pub async fn run(context: &Context, args: SettleArgs) -> Result<u8, PipelineError> {
    let connection = Connection::open(context)?;
    say_settings(context, &connection);
    let tools = tools(context, &connection);
    let name = RunName(args.run.clone());
    let opening = open_interrupted(&context.common.runs_dir, &name, &connection.name, false, tools);
    let planned = match super::unless_stopped(context, opening).await? {
        Resumed::Open(planned) | Resumed::Unsent(planned) | Resumed::Done(planned) => planned,
        Resumed::Unplanned(unplanned) => {
            let run = &unplanned.folder.run;
            let message = format!("run {run} was interrupted while it planned; nothing of it was sent");
            return Err(PipelineError::usage(message, format!("carafe resume {run}")));
        }
    };
    let again = Again::of_plan(&context.common, planned.store.get("mapped_by")?);
    let decisions = Decisions { adopt: args.adopt, resend: args.resend, drop: args.drop };
    if decisions == Decisions::default() && unknown_rows(&planned)? == 0 {
        context.screen.say("no row of this run is unknown");
    }
    let (finished, open) = settle(planned, &decisions, &send_options(&context.common), tools).await?;
    let run = finished.summary.run.clone().unwrap_or_default();
    if !context.common.json {
        open.iter().for_each(|doubt| out::data(table(doubt, &run, &again)));
    }
    Ok(close_with(
        context,
        &finished,
        &connection,
        &again,
        json!({ "open": open.iter().map(as_json).collect::<Vec<_>>() }),
    ))
}

fn unknown_rows(planned: &PlannedRun) -> Result<u64, PipelineError> {
    Ok(planned.store.counts()?.get(Outcome::Unknown))
}

/// `{"row", "message", "sent": {…}, "candidates": [{"id", "row", "fields": {…}}]}`
fn as_json(doubt: &OpenDoubt) -> serde_json::Value {
    let names = || doubt.sent.iter().map(|(name, _)| name.clone());
    let candidates = doubt.candidates.iter().map(|candidate| {
        let fields: serde_json::Map<_, _> =
            names().zip(candidate.values.iter().map(|value| json!(value))).collect();
        json!({ "id": candidate.id, "row": candidate.row, "fields": fields })
    });
    let sent: serde_json::Map<_, _> =
        doubt.sent.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({ "row": doubt.row, "message": doubt.message, "sent": sent,
            "candidates": candidates.collect::<Vec<_>>() })
}

/// What was sent and what the CRM holds, side by side, and the ways to decide.
fn table(doubt: &OpenDoubt, run: &str, again: &Again) -> String {
    let mut lines = vec![format!("row {}: {}", doubt.row, shown(&doubt.message))];
    let mut header = vec!["  field".to_owned(), "sent".to_owned()];
    header.extend(doubt.candidates.iter().map(|candidate| match candidate.row {
        Some(row) => format!("id {} (row {row})", candidate.id),
        None => format!("id {}", candidate.id),
    }));
    let rows: Vec<Vec<String>> = doubt
        .sent
        .iter()
        .enumerate()
        .map(|(at, (name, value))| {
            let mut row = vec![format!("  {}", shown(name)), shown(value).cut(40).to_string()];
            row.extend(doubt.candidates.iter().map(|candidate| {
                shown(candidate.values.get(at).map(String::as_str).unwrap_or_default()).cut(40).to_string()
            }));
            row
        })
        .collect();
    let titles: Vec<&str> = header.iter().map(String::as_str).collect();
    lines.extend(out::table(&titles, &rows, false).lines().map(str::to_owned));
    let free = doubt.candidates.iter().find(|candidate| candidate.row.is_none());
    if let Some(candidate) = free {
        let adopt = again.settle(run, &format!(" --adopt {}={}", doubt.row, candidate.id));
        lines.push(format!("  it is that record     {adopt}"));
    }
    let resend = again.settle(run, &format!(" --resend {}", doubt.row));
    lines.push(format!("  it is not in the CRM  {resend}"));
    lines.push(format!("  give it up            {}\n", again.settle(run, &format!(" --drop {}", doubt.row))));
    lines.join("\n")
}
