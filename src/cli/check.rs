//! `check`: settings and what it prints.

use serde_json::json;

use super::advice::Again;
use super::args::{CheckArgs, InputArgs};
use super::connection::{Connection, dictionary_source};
use super::import::{Spool, job_settings, prove_columns, spool};
use super::summary::{addition_lines, cause_lines, unsaid};
use super::{Context, out};
use crate::model::{Calls, Finding, Notice, shown};
use crate::pipeline::{
    Catalog, CheckOptions, Checked, EarlierRuns, Event, Job, JobSettings, PipelineError, Reporter, check,
    seconds, unguarded_notice,
};

/// Findings that are printed one by one; the causes count all of them.
const MOST_SHOWN: usize = 20;

pub async fn run(context: &Context, args: CheckArgs) -> Result<u8, PipelineError> {
    let begun = std::time::Instant::now();
    let (connection, catalog) = open(context, &args)?;
    let spool = spool(&args.input.file, &context.common.runs_dir)?;
    let earlier = EarlierRuns {
        runs: context.common.runs_dir.clone(),
        base_url: connection.as_ref().map(|connection| connection.name.clone()),
    };
    let settings = JobSettings { earlier: Some(earlier), ..job_settings(&args.input, &spool) };
    let mut job = super::unless_stopped(context, Job::prepare(&settings, &catalog, &context.screen)).await?;
    prove_columns(context, &mut job)?;
    let options = CheckOptions { limit: args.input.limit, duplicates: true };
    let mut first = Vec::new();
    let checked = tokio::task::block_in_place(|| {
        check(&job, options, &context.screen, &context.stop, |finding| {
            if first.len() < MOST_SHOWN {
                first.push(finding.clone());
            }
        })
    })?;
    if checked.unguarded > 0 {
        context.screen.event(Event::Notice(unguarded_notice(checked.unguarded)));
    }
    if checked.read == 0 {
        context.screen.event(Event::Notice(Notice(format!("{} has no data rows", shown(&job.input_name)))));
    }
    let calls = connection.map(|c| c.client.calls()).unwrap_or_default();
    if context.common.json {
        out::data(document(&job, &checked, calls, seconds(begun.elapsed())));
    } else {
        out::data(text(context, &job, &checked, &first, &args.input, &spool));
    }
    Ok(if checked.rejected > 0 { 4 } else { 0 })
}

/// Where the dictionary comes from; `--offline` opens no connection.
fn open(context: &Context, args: &CheckArgs) -> Result<(Option<Connection>, Catalog), PipelineError> {
    if args.offline && context.common.dictionary.is_none() {
        return Err(PipelineError::usage(
            "--offline needs the CRM's dictionary from a file",
            "save it once with: carafe describe --save dictionary.json, then give --dictionary dictionary.json",
        ));
    }
    dictionary_source(context)
}

fn document(job: &Job, checked: &Checked, calls: Calls, elapsed_s: f64) -> serde_json::Value {
    let mut document = json!({
        "command": "check",
        "object": job.program.object,
        "mode": job.program.mode.word(),
        "state": "finished",
        "rows": { "read": checked.read, "valid": checked.valid, "skipped": checked.skipped, "rejected": checked.rejected },
        "calls": calls,
        "causes": checked.causes.sorted(),
        "elapsed_s": elapsed_s,
        "files": {},
    });
    let additions = checked.additions.lists();
    if !additions.is_empty() {
        document["additions"] = json!(additions);
    }
    if !job.drift.is_empty() {
        document["drift"] = json!(job.drift);
    }
    document
}

fn text(
    context: &Context,
    job: &Job,
    checked: &Checked,
    first: &[Finding],
    input: &InputArgs,
    spool: &Spool,
) -> String {
    let mut lines = Vec::new();
    lines.push(out::styled(context.colors.out, out::BOLD, &heading(job, checked)));
    lines.push(String::new());
    for (number, word) in
        [(checked.valid, "valid"), (checked.skipped, "skipped"), (checked.rejected, "rejected")]
    {
        if number > 0 || word == "valid" {
            lines.push(format!("  {:>9}   {word}", out::thousands(number)));
        }
    }
    lines.push(format!("  {:>9}   rows, all accounted for", out::thousands(checked.read)));
    lines.extend(finding_lines(first, checked));
    let causes = checked.causes.sorted();
    // Where each finding has a cause of its own and all are listed, the causes say nothing new.
    if causes.iter().any(|cause| cause.rows > 1) || checked.findings > first.len() as u64 {
        lines.push(String::new());
        lines.extend(cause_lines(&causes, "why rejected", "--json lists all"));
    }
    let additions = addition_lines(&shown(&job.program.object).to_string(), &checked.additions.lists());
    if !additions.is_empty() {
        lines.push(String::new());
        lines.extend(additions);
    }
    lines.push(String::new());
    let file = if spool.is_standard_input() { "-".into() } else { input.file.display().to_string() };
    let command = Again::of(&context.common, input).import(&file);
    lines.push(match checked.rejected {
        0 => format!("  next     {command} --dry-run"),
        _ => format!("  next     correct the cells, or import the rest:\n           {command}"),
    });
    lines.join("\n")
}

/// What came of it, as far as a check can tell: records are looked up by an
/// import alone.
fn heading(job: &Job, checked: &Checked) -> String {
    let file = shown(&job.input_name);
    let looked_up = job.program.fields.iter().filter(|field| field.reference.is_some());
    let looked_up: Vec<&str> = looked_up.map(|field| field.field.name.as_str()).collect();
    match (checked.read, checked.valid, checked.rejected) {
        (0, ..) => format!("Check finished: {file} has no rows to import"),
        (_, 0, 0) => format!("Check finished: \"when\" leaves out every row of {file}"),
        (_, _, 0) if looked_up.is_empty() => format!("Check finished: every row of {file} is fit to import"),
        (_, _, 0) => format!(
            "Check finished: every row of {file} is fit to import, but for the records of {}, which only an import looks up",
            shown(&looked_up.join(", "))
        ),
        (_, _, n) => format!("Check finished: {} would be rejected", out::count(n, "row", "rows")),
    }
}

/// The first findings, one a line, with the cell to look at.
fn finding_lines(first: &[Finding], checked: &Checked) -> Vec<String> {
    if first.is_empty() {
        return Vec::new();
    }
    let rows: Vec<Vec<String>> = first
        .iter()
        .map(|finding| {
            let place = finding.cell.clone().unwrap_or_else(|| format!("row {}", finding.row));
            let field = finding.field.as_deref().map(|f| format!("{f}: ")).unwrap_or_default();
            let value = finding.value.as_deref().and_then(|value| unsaid(value, &finding.message));
            let value = value.map(|value| format!("   found: {}", shown(value).cut(40))).unwrap_or_default();
            vec![format!("  {}", shown(&place)), format!("{}{}{value}", shown(&field), finding.message)]
        })
        .collect();
    let table = out::table(&["", ""], &rows, false);
    let mut lines: Vec<String> = table.lines().map(str::to_owned).collect();
    if checked.findings > first.len() as u64 {
        lines.push(format!("  … the first {} findings; --json lists all causes", rows.len()));
    }
    lines
}
