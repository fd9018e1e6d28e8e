//! `export`: settings and closing words.

use std::path::{Path, PathBuf};

use super::args::{CommonArgs, ExportArgs};
use super::connection::Connection;
use super::import::tools;
use super::{Context, out};
use crate::model::{Notice, shown};
use crate::pipeline::{
    Event, ExportFormat, ExportSettings, ExportSummary, Incremental, InterruptedExport, PipelineError,
    Reporter, Target, export, parse_since, resume_export,
};

pub async fn run(context: &Context, args: ExportArgs) -> Result<u8, PipelineError> {
    let mut settings = settings(context, args)?;
    tell_idle_options(context, &settings);
    let connection = Connection::open(context)?;
    settings.base_url.clone_from(&connection.name);
    let catalog = connection.catalog(&context.common)?;
    let summary = export(&settings, &catalog, tools(context, &connection)).await?;
    close(context, &connection, &settings, &summary)
}

/// Goes on with an export that was interrupted.
pub async fn resume(
    context: &Context,
    connection: &Connection,
    interrupted: InterruptedExport,
) -> Result<u8, PipelineError> {
    let settings = interrupted.settings.clone();
    let dictionary = context.common.dictionary.clone().or_else(|| settings.dictionary.clone());
    let catalog = connection.catalog(&CommonArgs { dictionary, ..context.common.clone() })?;
    let summary = resume_export(interrupted, &catalog, tools(context, connection)).await?;
    close(context, connection, &settings, &summary)
}

fn close(
    context: &Context,
    connection: &Connection,
    settings: &ExportSettings,
    summary: &ExportSummary,
) -> Result<u8, PipelineError> {
    if context.common.json {
        out::data(serde_json::to_string(summary).map_err(|error| PipelineError::Fault(error.to_string()))?);
    } else if settings.target != Target::Standard {
        out::data(closing(summary, &connection.title));
    }
    Ok(0)
}

fn closing(summary: &ExportSummary, from: &str) -> String {
    let rows: Vec<Vec<String>> = summary
        .objects
        .iter()
        .map(|o| {
            vec![format!("{:>10}", out::thousands(o.records)), o.object.clone(), shown(&o.file).to_string()]
        })
        .collect();
    let mut text = format!("Export finished from {}\n", shown(from));
    for row in rows {
        text.push_str(&format!("  {}   {}   {}\n", row[0], row[1], row[2]));
    }
    let calls = out::count(summary.calls.total, "call", "calls");
    text.push_str(&format!("  {} · {calls}", out::duration(summary.elapsed_s)));
    text
}

fn settings(context: &Context, args: ExportArgs) -> Result<ExportSettings, PipelineError> {
    let (target, format) = target(&args)?;
    refuse_two_on_standard_output(&target, &args, context)?;
    Ok(ExportSettings {
        // Known once there is a connection.
        base_url: String::new(),
        runs: context.common.runs_dir.clone(),
        objects: each_once(args.objects)?,
        target,
        format,
        fields: trimmed(args.fields),
        condition: args.condition,
        raw_filter: args.q,
        since: args.since.as_deref().map(parse_since).transpose()?,
        incremental: args.incremental.then_some(Incremental { state: args.state, deleted: args.deleted }),
        order: trimmed(args.order),
        limit: args.limit,
        lines: args.lines,
        resolve: trimmed(args.resolve),
        mapping: args.mapping,
        content: args.content,
        force: args.force || args.keep.is_some(),
        keep: args.keep,
        excel: args.excel,
        raw: args.raw,
        dictionary: context.common.dictionary.clone(),
    })
}

/// Tells of options that change nothing here.
fn tell_idle_options(context: &Context, settings: &ExportSettings) {
    let lines = settings.lines && settings.objects.iter().all(|object| object != "opportunities");
    let of_csv = settings.format != ExportFormat::Csv;
    let idle = [
        (lines, "--lines is about opportunities, and none are exported"),
        (settings.excel && of_csv, "--excel is about CSV"),
        (settings.raw && of_csv, "--raw is about CSV; no other form has a formula guard"),
    ];
    for (_, told) in idle.into_iter().filter(|(is_idle, _)| *is_idle) {
        context.screen.event(Event::Notice(Notice(format!("{told}: it changes nothing here"))));
    }
}

fn refuse_two_on_standard_output(
    target: &Target,
    args: &ExportArgs,
    context: &Context,
) -> Result<(), PipelineError> {
    let (message, advice) = match () {
        () if *target != Target::Standard => return Ok(()),
        () if args.deleted => (
            "--deleted writes a second file, which standard output has no place for",
            "write to a file: -o FILE",
        ),
        () if context.common.json => {
            ("--json and `-o -` both want standard output", "write to a file, or leave out --json")
        }
        () => return Ok(()),
    };
    Err(PipelineError::usage(message, advice))
}

fn each_once(names: Vec<String>) -> Result<Vec<String>, PipelineError> {
    let mut objects: Vec<String> = Vec::new();
    for object in names {
        if objects.contains(&object) {
            let message = format!("{} is named twice", shown(&object));
            return Err(PipelineError::usage(message, "name each object once"));
        }
        objects.push(object);
    }
    Ok(objects)
}

fn trimmed(names: Vec<String>) -> Vec<String> {
    names.into_iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// Where the export goes, and in which form.
fn target(args: &ExportArgs) -> Result<(Target, ExportFormat), PipelineError> {
    let (output, several) = (args.output.as_path(), args.objects.len() > 1);
    let given = args.format.as_deref().map(format_of).transpose()?;
    if output == Path::new("-") {
        return Ok((Target::Standard, fit_for_standard_output(given, several)?));
    }
    let ending = output.extension().and_then(|ending| ending.to_str());
    let by_ending = ending.and_then(ExportFormat::from_word);
    let folder = || Target::Folder(output.to_owned());
    let is_folder = output.is_dir() || output.as_os_str().to_string_lossy().ends_with('/');
    let name = || shown(&output.display().to_string()).to_string();
    match (given, by_ending, ending) {
        (Some(format), _, None) => Ok((folder(), format)),
        (Some(format), ..) | (None, Some(format), _) if is_folder => Ok((folder(), format)),
        (given, Some(format), _) | (given @ Some(format), None, Some(_)) => {
            let format = given.unwrap_or(format);
            if several && !format.takes_several() {
                let message = format!("several objects cannot share the file {}", name());
                return Err(PipelineError::usage(
                    message,
                    format!("give a folder: -o DIR --format {}, or a workbook", format.ending()),
                ));
            }
            Ok((Target::File(PathBuf::from(output)), format))
        }
        (None, None, _) => Err(PipelineError::usage(
            format!("the ending of {} does not say which form to write", name()),
            format!("end it in {}, or give --format", ExportFormat::ENDINGS),
        )),
    }
}

fn format_of(word: &str) -> Result<ExportFormat, PipelineError> {
    ExportFormat::from_word(word).ok_or_else(|| {
        PipelineError::usage(
            format!("\"{}\" is not a form that export writes", shown(word)),
            format!("one of: {}", ExportFormat::WORDS),
        )
    })
}

fn fit_for_standard_output(
    given: Option<ExportFormat>,
    several: bool,
) -> Result<ExportFormat, PipelineError> {
    let format = given.unwrap_or(ExportFormat::Csv);
    let what = match format {
        ExportFormat::Parquet => Some("a Parquet file"),
        ExportFormat::Sqlite => Some("a database"),
        ExportFormat::Xlsx => Some("a workbook"),
        ExportFormat::Csv | ExportFormat::Jsonl => None,
    };
    match what {
        Some(what) => Err(PipelineError::usage(
            format!("{what} cannot go to standard output"),
            format!("give a file: -o FILE.{}", format.ending()),
        )),
        None if several => Err(PipelineError::usage(
            "several objects cannot share standard output",
            "give a folder: -o DIR --format csv",
        )),
        None => Ok(format),
    }
}
