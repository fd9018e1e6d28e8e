//! `runs`: what has been done so far.

use serde_json::{Value as Json, json};

use super::args::RunsArgs;
use super::{Context, out, summary};
use crate::model::{Counts, Notice, Outcome, RunState, shown, shown_path};
use crate::pipeline::{Event, PipelineError, Reporter};
use crate::store::{RunInfo, RunName};

pub fn run(context: &Context, args: &RunsArgs) -> Result<u8, PipelineError> {
    let runs = &context.common.runs_dir;
    let Some(name) = &args.run else { return list(context) };
    let name = RunName(name.clone());
    let info = RunInfo::of(runs, &name)?;
    let folder = name.find(runs)?;
    let document = std::fs::read_to_string(folder.join("summary.json")).ok();
    let document: Option<Json> = document.and_then(|text| serde_json::from_str(&text).ok());
    if context.common.json {
        // Of a run that goes on, or was killed, the last summary is an old one.
        let told = document.filter(|_| info.state != RunState::Running);
        out::data(told.unwrap_or_else(|| info_json(&info)));
        return Ok(0);
    }
    out::data(out::styled(context.colors.out, out::BOLD, &info.run));
    let direction = if info.records.is_some() { "of" } else { "into" };
    out::data(format!("  {} {direction} {}: {}", info.command, shown(&info.object), state(&info)));
    if let Some(records) = info.records {
        show_export(records, document.as_ref());
        out::data(format!("  folder   {}", shown_path(&folder)));
        return Ok(0);
    }
    let linked = [
        ("undoes", document.as_ref().map(|s| &s["undo_of"])),
        ("retries", document.as_ref().map(|s| &s["retry"]["of"])),
    ];
    for (how, first) in linked {
        if let Some(Json::String(first)) = first {
            out::data(format!("  {how:<8} {}", shown(first)));
        }
    }
    for outcome in Outcome::ALL {
        let rows = info.counts.get(outcome);
        if rows > 0 {
            let word = summary::word(outcome, info.state == RunState::Planned);
            out::data(format!("  {:>9}   {word}", out::thousands(rows)));
        }
    }
    out::data(format!("  {:>9}   rows", out::thousands(info.counts.read)));
    out::data(format!("  folder   {}", shown_path(&folder)));
    if let Some(Json::Object(files)) = document.as_ref().map(|s| s["files"].clone()) {
        for (kind, file) in files {
            out::data(format!("  {kind:<8} {}", shown(file.as_str().unwrap_or_default())));
        }
    }
    Ok(0)
}

/// What an export wrote, and where.
fn show_export(records: u64, document: Option<&Json>) {
    out::data(format!("  {:>9}   records", out::thousands(records)));
    let objects = document.and_then(|summary| summary["objects"].as_array());
    for object in objects.into_iter().flatten() {
        let text = |name: &str| shown(object[name].as_str().unwrap_or_default()).to_string();
        let records = out::thousands(object["records"].as_u64().unwrap_or_default());
        out::data(format!("  {records:>9}   {}   {}", text("object"), text("file")));
    }
}

fn list(context: &Context) -> Result<u8, PipelineError> {
    let (all, damaged) = RunInfo::all(&context.common.runs_dir)?;
    for problem in damaged {
        context.screen.event(Event::Notice(Notice(problem)));
    }
    if context.common.json {
        out::data(json!({ "runs": all.iter().map(info_json).collect::<Vec<_>>() }));
        return Ok(0);
    }
    if all.is_empty() {
        context.screen.say(&format!("there are no runs in {} yet", shown_path(&context.common.runs_dir)));
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|info| {
            let Counts { read, rejected, unknown, .. } = info.counts;
            let mut row = vec![info.run.clone(), info.command.clone(), state(info).to_owned()];
            match info.records {
                Some(records) => row.extend([out::thousands(records), "-".to_owned(), "-".to_owned()]),
                None => row.extend([read, rejected, unknown].map(out::thousands)),
            }
            row
        })
        .collect();
    out::data(out::table(
        &["run", "command", "state", "rows", "rejected", "unknown"],
        &rows,
        context.colors.out,
    ));
    Ok(0)
}

/// Where a run stands; one that runs and that no process holds was killed.
fn state(info: &RunInfo) -> &'static str {
    match (info.state, info.is_active) {
        (RunState::Running, false) => "interrupted",
        (state, _) => state.word(),
    }
}

fn info_json(info: &RunInfo) -> Json {
    if let Some(records) = info.records {
        return json!({
            "run": info.run, "command": info.command, "object": info.object, "state": info.state.word(),
            "records": records,
        });
    }
    json!({
        "run": info.run, "command": info.command, "object": info.object, "state": info.state.word(), "rows": info.counts,
    })
}
