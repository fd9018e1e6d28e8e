//! The end of a run in words: a fixed text, the last thing printed, whose
//! numbers add up to the rows read.

use std::path::Path;

use super::advice::Again;
use super::out::{self, BOLD, count, duration, styled, thousands};
use super::pace::about;
use crate::model::{Code, Counts, Outcome, shown, shown_path};
use crate::pipeline::{Ended, FinishedRun, GIVEN_UP, RetryTally};
use crate::rules::additions::Addition;
use crate::rules::causes::Cause;

/// Causes that are printed; `summary.json` has all.
const MOST_CAUSES: usize = 8;

/// The whole text.
pub fn closing(finished: &FinishedRun, into: &str, again: &Again, color: bool) -> String {
    let summary = &finished.summary;
    let run = summary.run.as_deref().unwrap_or_default();
    let mut lines = vec![format!("{}   {run}", styled(color, BOLD, &heading(finished)))];
    let input = &finished.input;
    let hash: String = input.sha256.chars().take(8).collect();
    let rows = count(summary.rows.read, "row", "rows");
    lines.push(match &summary.undo_of {
        Some(first) => format!("  undoes   {first} · {rows}"),
        None => format!("  file     {} · {rows} · sha256 {hash}…", shown(&input.name)),
    });
    lines.push(format!("  into     {} at {}", shown(&summary.object), shown(into)));
    if let Some(RetryTally { of, fixed, rejected, .. }) =
        summary.retry.as_ref().filter(|_| !is_plan(finished))
    {
        let (fixed, rejected) = (thousands(*fixed), count(*rejected, "row", "rows"));
        lines.push(format!("  retry    fixed {fixed} of {rejected} that run {of} rejected"));
    }
    lines.push(String::new());
    lines.extend(row_lines(finished));
    if !summary.causes.is_empty() {
        lines.push(String::new());
        lines.extend(cause_lines(
            &summary.causes,
            match (summary.rows.rejected, summary.rows.unknown, &summary.undo_of) {
                (0, ..) => "why",
                (_, 0, None) => "why rejected",
                (_, _, None) => "why",
                (_, _, Some(_)) => "why kept",
            },
            "see summary.json in the folder",
        ));
    }
    lines.extend(change_lines(finished));
    if is_plan(finished) {
        lines.extend(sample_lines(finished));
    }
    lines.push(String::new());
    lines.push(format!("  {}", figures(finished)));
    lines.extend(promise_lines(finished));
    lines.push(format!("  folder   {}", shown_path(&finished.folder)));
    lines.extend(next_steps(finished, again).into_iter().map(|step| format!("  next     {step}")));
    lines.join("\n")
}

fn is_plan(finished: &FinishedRun) -> bool {
    finished.summary.state == "planned"
}

fn is_undo(finished: &FinishedRun) -> bool {
    finished.summary.undo_of.is_some()
}

fn heading(finished: &FinishedRun) -> String {
    let what = match finished.summary.command.as_str() {
        "undo" => "Undo",
        "retry" => "Retry",
        _ => "Import",
    };
    let Counts { read, unprocessed, rejected, unknown, .. } = finished.summary.rows;
    let left_out = rejected + unknown + unprocessed;
    match &finished.ended {
        Ended::Cancelled if is_plan(finished) && finished.summary.command == "retry" => {
            "Nothing was sent".to_owned()
        }
        Ended::Cancelled if is_plan(finished) => "Nothing was sent; the plan is kept".to_owned(),
        _ if is_plan(finished) => "Plan made; nothing was sent".to_owned(),
        Ended::Complete if read == 0 => format!("{what} finished: the file has no data rows"),
        Ended::Complete if left_out == 0 => format!("{what} finished"),
        Ended::Complete => {
            let done = match finished.summary.mode.as_str() {
                "undo" => "undone",
                "delete" => "deleted",
                _ => "imported",
            };
            format!("{what} finished with {} not {done}", count(left_out, "row", "rows"))
        }
        Ended::Cancelled => format!("{what} cancelled with {} not sent", count(unprocessed, "row", "rows")),
        Ended::Stopped(reason) => format!("{what} stopped: {}", shown(reason)),
        Ended::Failed(_) => format!("{what} failed with {} not sent", count(unprocessed, "row", "rows")),
    }
}

fn row_lines(finished: &FinishedRun) -> Vec<String> {
    let rows = finished.summary.rows;
    let planned = is_plan(finished);
    let mut lines = Vec::new();
    for outcome in Outcome::ALL {
        let number = rows.get(outcome);
        if number > 0 {
            let word = match outcome {
                Outcome::Updated if is_undo(finished) => "restored",
                _ => word(outcome, planned),
            };
            let hint = hint(outcome, finished);
            lines.push(format!("  {:>9}   {word:<14}{hint}", thousands(number)).trim_end().to_owned());
        }
    }
    lines.push(format!("  {:>9}   rows, all accounted for", thousands(rows.read)));
    lines
}

/// The outcome's word, for what is done or only planned.
pub fn word(outcome: Outcome, planned: bool) -> &'static str {
    match (outcome, planned) {
        (Outcome::Created, true) => "to create",
        (Outcome::Updated, true) => "to update",
        (Outcome::Deleted, true) => "to delete",
        _ => outcome.word(),
    }
}

fn hint(outcome: Outcome, finished: &FinishedRun) -> String {
    let file = |kind: &str| {
        let file = finished.summary.files.get(kind);
        file.map(|file| shown_path(Path::new(file))).unwrap_or_default()
    };
    match outcome {
        Outcome::Unchanged if is_undo(finished) => "already as they were before".to_owned(),
        Outcome::Unchanged if finished.key.is_empty() => "already in the CRM as they are".to_owned(),
        Outcome::Unchanged => format!("already in the CRM as they are ({})", shown(&finished.key.join(", "))),
        Outcome::Rejected => file("rejects"),
        Outcome::Unprocessed => file("unprocessed"),
        Outcome::Unknown => format!("sent, and the answer was lost   {}", file("unknown")),
        Outcome::Created | Outcome::Updated | Outcome::Deleted | Outcome::Skipped => String::new(),
    }
}

/// Causes with their rows and an example, the commonest first; `all` says where all of them are.
pub fn cause_lines(causes: &[Cause], title: &str, all: &str) -> Vec<String> {
    let mut rows = Vec::new();
    for (at, cause) in causes.iter().take(MOST_CAUSES).enumerate() {
        let field = cause.field.as_deref().map(|field| format!("{}: ", shown(field))).unwrap_or_default();
        let title = if at == 0 { title } else { "" };
        rows.push(vec![
            format!("  {title:<12}  {:>6}", thousands(cause.rows)),
            format!("{field}{}", shown(&cause.message).cut(110)),
            example(cause),
        ]);
    }
    let table = out::table(&["", "", ""], &rows, false);
    let mut lines: Vec<String> = table.lines().skip(1).map(str::to_owned).collect();
    if causes.len() > MOST_CAUSES {
        lines.push(format!(
            "  {:<12}          and {} more: {all}",
            "",
            count((causes.len() - MOST_CAUSES) as u64, "cause", "causes")
        ));
    }
    lines
}

/// Where to look: a row, and its value where the sentence does not hold it.
fn example(cause: &Cause) -> String {
    let value = cause.example.value.as_deref().and_then(|value| unsaid(value, &cause.message));
    match value {
        Some(value) => format!("row {}: {}", cause.example.row, shown(value).cut(30)),
        None => format!("row {}", cause.example.row),
    }
}

/// A value that the sentence on it does not say. A few letters stand in many
/// sentences by chance; only in quotes are they the value.
pub fn unsaid<'v>(value: &'v str, message: &str) -> Option<&'v str> {
    let said = match value.chars().nth(3) {
        Some(_) => message.contains(value),
        None => message.contains(&format!("\"{value}\"")),
    };
    (!said).then_some(value)
}

/// What happens beside the rows: lists that gain values, fields that are emptied.
fn change_lines(finished: &FinishedRun) -> Vec<String> {
    let object = shown(&finished.summary.object).to_string();
    let mut lines = Vec::new();
    for (field, records) in &finished.summary.cleared {
        let records = count(*records, "record", "records");
        lines.push(format!("  emptied   {} → cleared in {records}", shown(field)));
    }
    lines.extend(addition_lines(&object, &finished.summary.additions));
    if !lines.is_empty() {
        lines.insert(0, String::new());
    }
    lines
}

/// The most values of one list that are named.
const MOST_VALUES: usize = 10;

/// What dropdown lists gain by `lookup: append`.
pub fn addition_lines(object: &str, additions: &[Addition]) -> Vec<String> {
    let line = |addition: &Addition| {
        let named =
            addition.values.iter().take(MOST_VALUES).map(|(value, rows)| {
                format!("\"{}\" ({})", shown(value).cut(40), count(*rows, "row", "rows"))
            });
        let named = named.collect::<Vec<_>>().join(", ");
        let more = match addition.values.len().saturating_sub(MOST_VALUES) {
            0 => String::new(),
            more => format!(" and {}", count(more as u64, "more", "more")),
        };
        format!("  list      {object}.{} gains {named}{more}", shown(&addition.field))
    };
    additions.iter().map(line).collect()
}

/// The first updates of a plan, before → after.
fn sample_lines(finished: &FinishedRun) -> Vec<String> {
    let mut rows = Vec::new();
    for (row, id, before, after) in &finished.sample {
        let (Ok(before), Ok(after)) = (parse(before), parse(after)) else { continue };
        for (field, new) in after {
            let old = before.get(&field).map(plain).unwrap_or_default();
            rows.push(vec![
                format!("  row {row}"),
                format!("id {id}"),
                shown(&field).to_string(),
                format!("{} → {}", quoted(&old), quoted(&plain(&new))),
            ]);
        }
    }
    if rows.is_empty() {
        return Vec::new();
    }
    let table = out::table(&["", "", "", ""], &rows, false);
    let mut lines = vec![String::new(), "  the first updates, before → after".to_owned()];
    lines.extend(table.lines().skip(1).map(str::to_owned));
    lines
}

fn parse(json: &str) -> serde_json::Result<serde_json::Map<String, serde_json::Value>> {
    serde_json::from_str(json)
}

fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
    if text.is_empty() { "(blank)".to_owned() } else { format!("\"{}\"", shown(text).cut(40)) }
}

/// What the run promises about doubled and missing records, and what became
/// of rows whose answer was lost.
fn promise_lines(finished: &FinishedRun) -> Vec<String> {
    let summary = &finished.summary;
    let mut lines = Vec::new();
    if let Some(settled) = &summary.settled {
        let parts = [
            (settled.adopted, "found in the CRM"),
            (settled.absent, "not found, so sent again"),
            (settled.held, "not to be told"),
        ];
        let parts: Vec<String> = parts
            .iter()
            .filter(|(rows, _)| *rows > 0)
            .map(|(rows, what)| format!("{} {what}", thousands(*rows)))
            .collect();
        lines.push(format!("  settled  answers that were lost: {}", parts.join(", ")));
    }
    if let Some(promise) = summary.promise.as_ref().filter(|_| !is_plan(finished)) {
        lines.push(format!("  promise  {}", promise.sentence()));
    }
    lines
}

fn figures(finished: &FinishedRun) -> String {
    let summary = &finished.summary;
    let mut parts = vec![duration(summary.elapsed_s), count(summary.calls.total, "call", "calls")];
    let pace = &finished.pace;
    let takes = pace.rate.map(|rate| format!(" (the CRM takes about {})", about(rate))).unwrap_or_default();
    if summary.elapsed_s >= 1.0 {
        parts.push(format!("{:.0} a second{takes}", summary.calls.total as f64 / summary.elapsed_s));
    }
    if pace.in_flight < pace.most {
        parts.push(format!("{} of {} in flight", pace.in_flight, pace.most));
    }
    if summary.calls.retries > 0 {
        parts.push(count(summary.calls.retries, "repeat", "repeats"));
    }
    if finished.pauses.count > 0 {
        let length = duration(finished.pauses.total.as_secs_f64());
        parts.push(format!("{} ({length})", count(finished.pauses.count, "pause", "pauses")));
    }
    parts.join(" · ")
}

/// The commands to type next.
fn next_steps(finished: &FinishedRun, again: &Again) -> Vec<String> {
    let summary = &finished.summary;
    let run = summary.run.as_deref().unwrap_or("last");
    let to_send = summary.rows.created + summary.rows.updated + summary.rows.deleted;
    let mut steps = Vec::new();
    match &summary.retry {
        _ if !is_plan(finished) || to_send == 0 => {}
        // A plan holds no row back: another retry may fix them before this one is agreed to.
        Some(RetryTally { of, .. }) => {
            let command = again.retry_file(of, &finished.input.name, false);
            return vec![format!("retry the rows after all: {command}")];
        }
        None => {
            steps.push(format!("send this plan: {}", again.apply(run, summary.rows.deleted > 0)));
        }
    }
    if let (Some(file), true) = (summary.files.get("rejects"), is_undo(finished)) {
        steps.push(format!("the records of {} were kept as they are: look at them by hand", shown(file)));
    } else if let Some(file) = summary.files.get("rejects") {
        steps.extend(steps_of_rejects(finished, run, file, again));
    }
    let is_left = summary.rows.unprocessed + summary.rows.unknown > 0;
    let is_open = finished.ended != Ended::Complete || summary.rows.unprocessed > 0;
    if is_left && !is_plan(finished) && is_open {
        steps.push(format!("go on with what is left: {}", again.resume(run)));
    } else if let Some(file) = summary.files.get("unknown") {
        let command = again.settle(run, "");
        steps.push(format!(
            "see what the CRM has of the rows of {}, and decide:\n           {command}",
            shown(file)
        ));
    }
    steps
}

/// What helps rejected rows: a correction, where it can help any of them.
fn steps_of_rejects(finished: &FinishedRun, run: &str, file: &str, again: &Again) -> Vec<String> {
    let summary = &finished.summary;
    let rows = |is: &dyn Fn(&Cause) -> bool| -> u64 {
        summary.causes.iter().filter(|cause| is(cause)).map(|cause| cause.rows).sum()
    };
    let given_up = rows(&|cause| cause.message == GIVEN_UP);
    let refused = rows(&|cause| cause.code == Code::NotRejected.word());
    let file = shown(file);
    if given_up + refused < summary.rows.rejected {
        return vec![format!("correct the rows of {file}, then:\n           {}", again.retry(run))];
    }
    let mut steps = Vec::new();
    if given_up > 0 {
        let what = "what is not there goes into an import of its own";
        steps.push(format!("look in the CRM for the rows of {file}: {what}"));
    }
    let waiting = summary.retry.iter().flat_map(|retry| &retry.waiting);
    steps.extend(
        waiting.map(|other| format!("go on with the run that has rows to send: {}", again.resume(other))),
    );
    steps
}
