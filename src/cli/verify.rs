//! `verify`: settings, and what was found, in words.

use super::advice::describe;
use super::args::VerifyArgs;
use super::connection::Connection;
use super::out::{BOLD, count, duration, styled, thousands};
use super::{Context, out};
use crate::model::{Counts, shown};
use crate::pipeline::{PipelineError, Verified, VerifySettings, verify};
use crate::rules::verifying::{Difference, Example, Kind, around};
use crate::store::RunName;

/// Lines of the table that are printed; `verify.csv` has every difference.
const MOST_LINES: usize = 20;

/// Characters of a value that the table shows.
const LONGEST: usize = 32;

pub async fn run(context: &Context, args: VerifyArgs) -> Result<u8, PipelineError> {
    let connection = Connection::open(context)?;
    let settings = VerifySettings {
        runs: context.common.runs_dir.clone(),
        run: RunName(args.run),
        base_url: connection.name.clone(),
        concurrency: context.common.concurrency,
    };
    let tools = super::import::tools(context, &connection);
    let verified = super::unless_stopped(context, verify(&settings, tools)).await?;
    if context.common.json {
        out::data(serde_json::to_string(&verified).map_err(|error| PipelineError::Fault(error.to_string()))?);
    } else {
        let describe = describe(&context.common, &verified.object);
        out::data(closing(&verified, &connection.title, &describe, context.colors.out));
    }
    Ok(if verified.differences.is_empty() { 0 } else { 4 })
}

fn closing(verified: &Verified, title: &str, describe: &str, color: bool) -> String {
    let mut lines = vec![format!("{}   {}", styled(color, BOLD, &heading(verified)), verified.run)];
    lines.push(format!("  read     {} at {}", shown(&verified.object), shown(title)));
    lines.push(String::new());
    lines.extend(row_lines(verified));
    if !verified.differences.is_empty() {
        lines.push(String::new());
        lines.extend(table(&verified.differences, color));
        lines.push(String::new());
        lines.extend(meanings(&verified.differences, describe));
    }
    lines.push(String::new());
    let calls = count(verified.calls.total, "call", "calls");
    lines.push(format!("  {} · {calls}", duration(verified.elapsed_s)));
    if let Some(file) = verified.files.get("verify").filter(|_| !verified.differences.is_empty()) {
        lines.push(format!("  file     {} has every difference", shown(file)));
    }
    lines.join("\n")
}

fn heading(verified: &Verified) -> String {
    let records = count(verified.records, "record", "records");
    match (verified.records, verified.differing) {
        (0, _) => "Nothing to verify: the run wrote no record".to_owned(),
        (_, 0) => format!("Verified: {records} {} as sent", if verified.records == 1 { "is" } else { "are" }),
        (_, 1) => format!("Verified: 1 of {records} is not as it was sent"),
        (_, differing) => {
            format!("Verified: {} of {records} are not as they were sent", thousands(differing))
        }
    }
}

fn row_lines(verified: &Verified) -> Vec<String> {
    let Counts { created, updated, deleted, .. } = verified.rows;
    let parts = [(created, "created"), (updated, "updated"), (deleted, "deleted")];
    let parts = parts.into_iter().filter(|(number, _)| *number > 0);
    let parts: Vec<String> = parts.map(|(number, word)| format!("{} {word}", thousands(number))).collect();
    let line = |number: u64, word: &str, hint: &str| {
        format!("  {:>9}   {word:<14}{hint}", thousands(number)).trim_end().to_owned()
    };
    let mut lines = vec![
        line(verified.records, "read back", &parts.join(", ")),
        line(verified.records - verified.differing, "as sent", ""),
    ];
    let different = verified.differing - verified.missing;
    let others = [
        (different, "different", ""),
        (verified.missing, "missing", "not in the CRM any more"),
        (verified.not_verified.unknown, "unknown", "not verified: sent, and the answer was lost"),
        (verified.not_verified.unprocessed, "unprocessed", "not verified: never sent"),
    ];
    lines
        .extend(others.iter().filter(|(number, ..)| *number > 0).map(|(n, word, hint)| line(*n, word, hint)));
    lines
}

/// Field by field and kind by kind, each with its rows and one example.
fn table(differences: &[Difference], color: bool) -> Vec<String> {
    let row = |difference: &Difference| {
        let Difference { field, kind, rows, edited_since, example } = difference;
        let edited = match edited_since {
            0 => String::new(),
            edited if edited == rows => " (edited after the run)".to_owned(),
            edited => format!(" ({} edited after the run)", thousands(*edited)),
        };
        vec![
            format!("  {}", field.as_deref().map_or("(record)".to_owned(), |field| shown(field).to_string())),
            kind.word().replace('_', " "),
            thousands(*rows),
            format!("row {}, id {}{}{edited}", example.row, example.id, change(example)),
        ]
    };
    let rows: Vec<Vec<String>> = differences.iter().take(MOST_LINES).map(row).collect();
    let table = out::table(&["  field", "kind", "rows", "first"], &rows, color);
    let mut lines: Vec<String> = table.lines().map(str::to_owned).collect();
    if differences.len() > MOST_LINES {
        lines.push(format!("  and {} more in the file", thousands((differences.len() - MOST_LINES) as u64)));
    }
    lines
}

/// `: "sent" → "stored"`, around the place where the two part.
fn change(example: &Example) -> String {
    let (Some(sent), Some(stored)) = (&example.sent, &example.stored) else { return String::new() };
    let (sent, stored) = around(sent, stored, LONGEST);
    format!(": {} → {}", quoted(&sent), quoted(&stored))
}

fn quoted(text: &str) -> String {
    if text.is_empty() { "(blank)".to_owned() } else { format!("\"{}\"", shown(text).cut(2 * LONGEST)) }
}

/// What each kind that was found means, and the way out.
fn meanings(differences: &[Difference], describe: &str) -> Vec<String> {
    let mut kinds: Vec<Kind> = differences.iter().map(|difference| difference.kind).collect();
    kinds.sort();
    kinds.dedup();
    let rows: Vec<Vec<String>> = kinds
        .into_iter()
        .map(|kind| vec![format!("  {}", kind.word().replace('_', " ")), meaning(kind, describe)])
        .collect();
    out::table(&["", ""], &rows, false).lines().skip(1).map(str::to_owned).collect()
}

fn meaning(kind: Kind, describe: &str) -> String {
    match kind {
        Kind::Truncated => format!("the CRM kept the beginning; how much a field takes: {describe}"),
        Kind::Rounded => format!("the CRM kept fewer digits; how many decimals a field takes: {describe}"),
        Kind::Reformatted => "the CRM writes it otherwise; write it so in the file, or each import sends it again".to_owned(),
        Kind::Ignored => "the CRM left the field as it was; see whether the token's user may write it, and whether it takes such values".to_owned(),
        Kind::Defaulted => "the CRM fills the field where nothing is sent; send the value that it is to have".to_owned(),
        Kind::Changed => "another value: edited since, or set by a rule of the CRM".to_owned(),
        Kind::Missing => "deleted or merged since".to_owned(),
        Kind::StillThere => "deleted by the run, and there: restored since, or kept by the CRM".to_owned(),
    }
}
