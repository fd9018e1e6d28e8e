//! `export`: settings and closing words.

use std::path::{Path, PathBuf};

use super::args::{CommonArgs, ExportArgs};
use super::connection::Connection;
use super::import::tools;
use super::{Context, out};
use crate::model::shown;
use crate::pipeline::{
    ExportFormat, ExportSettings, ExportSummary, Incremental, InterruptedExport, PipelineError, Target,
    export, parse_since, resume_export,
};

pub async fn run(context: &Context, args: ExportArgs) -> Result<u8, PipelineError> {
    let mut settings = settings(context, args)?;
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
    let known = ExportFormat::WORDS;
    let given = match &args.format {
        None => None,
        Some(word) => Some(ExportFormat::from_word(word).ok_or_else(|| {
            PipelineError::usage(
                format!("\"{}\" is not a form that export writes", shown(word)),
                format!("one of: {known}"),
            )
        })?),
    };
    let ending = args.output.extension().and_then(|e| e.to_str()).map(str::to_owned);
    let by_ending = ending.as_deref().and_then(ExportFormat::from_word);
    let (target, format) = target(&args.output, given, by_ending, ending.as_deref(), args.objects.len())?;
    if target == Target::Standard && args.deleted {
        return Err(PipelineError::usage(
            "--deleted writes a second file, which standard output has no place for",
            "write to a file: -o FILE",
        ));
    }
    if target == Target::Standard && context.common.json {
        return Err(PipelineError::usage(
            "--json and `-o -` both want standard output",
            "write to a file, or leave out --json",
        ));
    }
    let mut objects: Vec<String> = Vec::new();
    for object in args.objects {
        if objects.contains(&object) {
            return Err(PipelineError::usage(
                format!("{} is named twice", shown(&object)),
                "name each object once",
            ));
        }
        objects.push(object);
    }
    let trimmed = |names: Vec<String>| {
        names.into_iter().map(|n| n.trim().to_owned()).filter(|n| !n.is_empty()).collect()
    };
    Ok(ExportSettings {
        // Known once there is a connection.
        base_url: String::new(),
        runs: context.common.runs_dir.clone(),
        objects,
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

fn target(
    output: &Path,
    given: Option<ExportFormat>,
    by_ending: Option<ExportFormat>,
    ending: Option<&str>,
    objects: usize,
) -> Result<(Target, ExportFormat), PipelineError> {
    let folder = || Target::Folder(output.to_owned());
    let several = objects > 1;
    if output == Path::new("-") {
        let format = given.unwrap_or(ExportFormat::Csv);
        if !format.is_text() {
            let what = match format {
                ExportFormat::Parquet => "a Parquet file",
                ExportFormat::Sqlite => "a database",
                ExportFormat::Xlsx | ExportFormat::Csv | ExportFormat::Jsonl => "a workbook",
            };
            return Err(PipelineError::usage(
                format!("{what} cannot go to standard output"),
                format!("give a file: -o FILE.{}", format.ending()),
            ));
        }
        if several {
            return Err(PipelineError::usage(
                "several objects cannot share standard output",
                "give a folder: -o DIR --format csv",
            ));
        }
        return Ok((Target::Standard, format));
    }
    let is_folder = output.is_dir() || output.as_os_str().to_string_lossy().ends_with('/');
    match (given, by_ending, ending) {
        (Some(format), _, None) => Ok((folder(), format)),
        (Some(format), ..) | (None, Some(format), _) if is_folder => Ok((folder(), format)),
        (given, Some(format), _) | (given @ Some(format), None, Some(_)) => {
            let format = given.unwrap_or(format);
            if several && !format.takes_several() {
                let name = shown(&output.display().to_string()).to_string();
                let message = format!("several objects cannot share the file {name}");
                return Err(PipelineError::usage(
                    message,
                    format!("give a folder: -o DIR --format {}, or a workbook", format.ending()),
                ));
            }
            Ok((Target::File(PathBuf::from(output)), format))
        }
        (None, None, _) => {
            let name = shown(&output.display().to_string()).to_string();
            let message = format!("the ending of {name} does not say which form to write");
            Err(PipelineError::usage(
                message,
                format!("end it in {}, or give --format", ExportFormat::ENDINGS),
            ))
        }
    }
}
