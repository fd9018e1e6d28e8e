//! `import` and `apply`: settings, the question before danger, closing words.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use super::advice::{Again, of_enum};
use super::args::{ApplyArgs, BlankArg, CommonArgs, ImportArgs, InputArgs, ModeArg, OnUnknownArg, SendArgs};
use super::connection::Connection;
use super::summary;
use super::{Context, out};
use crate::model::{Notice, shown, shown_path};
use crate::pipeline::{
    EarlierImport, EarlierRuns, Ended, Event, FinishedRun, ImportSettings, Job, JobSettings, OnUnknown,
    OutputSettings, PipelineError, PlannedRun, Reporter, SendOptions, SystemClock, Tools, Typed,
    decline_plan, finish_plan, open_plan, plan_import, prove, send_plan,
};
use crate::rules::mapping::{Blank, Mode};
use crate::store::RunName;

pub async fn run(context: &Context, args: ImportArgs) -> Result<u8, PipelineError> {
    let outputs = outputs(&args.send)?;
    let connection = Connection::open(context)?;
    say_settings(context, &connection);
    let catalog = connection.catalog(&context.common)?;
    let spool = spool(&args.input.file, &context.common.runs_dir)?;
    let settings =
        JobSettings { earlier: Some(earlier(context, &connection)), ..job_settings(&args.input, &spool) };
    let mut job = super::unless_stopped(context, Job::prepare(&settings, &catalog, &context.screen)).await?;
    prove_columns(context, &mut job)?;
    let again = Again::of(&context.common, &args.input);
    let typed = typed(&args.input, &settings, &context.common);
    let settings = ImportSettings {
        runs: context.common.runs_dir.clone(),
        base_url: connection.name.clone(),
        limit: args.input.limit,
        reference: args.ref_field.clone(),
        on_unknown: match args.on_unknown {
            OnUnknownArg::Hold => OnUnknown::Hold,
            OnUnknownArg::Resend => OnUnknown::Resend,
        },
        typed,
        sends: !args.dry_run,
        mapped_by: Some(again.mapping().to_owned()),
        retry_of: None,
    };
    let tools = tools(context, &connection);
    let planned = plan_import(&mut job, &settings, tools).await?;
    spool.keep_in(&planned)?;
    if args.dry_run {
        let finished = finish_plan(planned, &outputs, tools)?;
        return Ok(close(context, &finished, &connection, &again));
    }
    send(context, planned, &args.send, &connection, &again).await
}

/// Earlier runs into the same CRM.
pub fn earlier(context: &Context, connection: &Connection) -> EarlierRuns {
    EarlierRuns { runs: context.common.runs_dir.clone(), base_url: Some(connection.name.clone()) }
}

/// What the pipeline works with.
pub fn tools<'a>(context: &'a Context, connection: &'a Connection) -> Tools<'a> {
    Tools { client: &connection.client, reporter: &context.screen, stop: &context.stop, clock: &SystemClock }
}

/// Reads the columns as they prove to be written, off the threads that wait for the network.
pub fn prove_columns(context: &Context, job: &mut Job) -> Result<(), PipelineError> {
    tokio::task::block_in_place(|| prove(job, &context.common.runs_dir, &context.screen, &context.stop))
}

pub async fn apply(context: &Context, args: ApplyArgs) -> Result<u8, PipelineError> {
    outputs(&args.send)?;
    let connection = Connection::open(context)?;
    say_settings(context, &connection);
    let name = RunName(args.run.clone());
    let runs = &context.common.runs_dir;
    let opening = open_plan(runs, &name, &connection.name, tools(context, &connection));
    let planned = super::unless_stopped(context, opening).await?;
    let again = Again::of_plan(&context.common, planned.store.get("mapped_by")?);
    send(context, planned, &args.send, &connection, &again).await
}

/// Sends a plan, after a question where one is due.
pub async fn send(
    context: &Context,
    planned: PlannedRun,
    args: &SendArgs,
    connection: &Connection,
    again: &Again,
) -> Result<u8, PipelineError> {
    let (outputs, tools) = (outputs(args)?, tools(context, connection));
    let twice = tell_twice(context, &planned)?;
    match question(&planned, connection, twice) {
        Some(question) if !args.yes => {
            let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
            let harmless = planned.counts.deleted == 0 && planned.clearing == 0;
            if !terminal && !harmless {
                let (run, file) = (planned.folder.run.clone(), planned.input.name.clone());
                let command = match planned.store.get::<String>("retry_of")? {
                    Some(first) => again.retry_file(&first, &file, true),
                    None => again.apply(&run, true),
                };
                decline_plan(planned, &outputs, tools)?;
                let message = format!("{question}\n  nothing was sent: there is no terminal to answer on");
                return Err(PipelineError::usage(message, format!("to go ahead: {command}")));
            }
            if terminal && !ask(&question) {
                let finished = decline_plan(planned, &outputs, tools)?;
                return Ok(close(context, &finished, connection, again));
            }
        }
        Some(_) | None => {}
    }
    go_on(context, planned, args, connection, again).await
}

/// How long somebody has to make room on a full disk.
const STORE_PATIENCE: Duration = Duration::from_secs(30);

/// What the common options say about sending.
pub fn send_options(common: &CommonArgs) -> SendOptions {
    SendOptions {
        concurrency: common.concurrency,
        stop_after: None,
        settle: common.settle_time(),
        only: None,
        store_patience: STORE_PATIENCE,
        outputs: OutputSettings::default(),
    }
}

/// Sends a plan, or what is left of it, without a question.
pub async fn go_on(
    context: &Context,
    planned: PlannedRun,
    args: &SendArgs,
    connection: &Connection,
    again: &Again,
) -> Result<u8, PipelineError> {
    let options =
        SendOptions { stop_after: args.stop_after, outputs: outputs(args)?, ..send_options(&context.common) };
    let finished = send_plan(planned, &options, tools(context, connection)).await?;
    Ok(close(context, &finished, connection, again))
}

/// Tells that the file went into the object before; the answer is the sentence.
/// A retry goes row by row: what is fixed is not sent again.
fn tell_twice(context: &Context, planned: &PlannedRun) -> Result<Option<String>, PipelineError> {
    if to_send(planned) == 0 || planned.store.get::<String>("retry_of")?.is_some() {
        return Ok(None);
    }
    let object: String = planned.store.fact("object")?;
    let earlier = EarlierImport::find(planned, &context.common.runs_dir)?;
    let sentence = earlier.map(|earlier| earlier.sentence(&object));
    if let Some(sentence) = &sentence {
        context.screen.event(Event::Notice(Notice(sentence.clone())));
    }
    Ok(sentence)
}

fn to_send(planned: &PlannedRun) -> u64 {
    planned.counts.created + planned.counts.updated + planned.counts.deleted
}

/// What a person should know before it happens; none where there is nothing to ask.
fn question(planned: &PlannedRun, connection: &Connection, twice: Option<String>) -> Option<String> {
    let counts = planned.counts;
    if to_send(planned) == 0 {
        return None;
    }
    let object = planned.store.fact::<String>("object").unwrap_or_default();
    let (object, title) = (shown(&object), shown(&connection.title));
    if counts.deleted > 0 {
        let records = out::count(counts.deleted, "record", "records");
        return Some(format!("this deletes {records} of {object} in {title}"));
    }
    if planned.clearing > 0 {
        let records = out::count(planned.clearing, "record", "records");
        return Some(format!("this empties fields of {records} of {object} in {title}"));
    }
    if connection.is_sandbox && twice.is_none() {
        return None;
    }
    let acts = [("creates", counts.created), ("updates", counts.updated)];
    let acts: Vec<String> = acts
        .iter()
        .filter(|(_, n)| *n > 0)
        .map(|(act, n)| format!("{act} {}", out::count(*n, "record", "records")))
        .collect();
    let fields: Vec<&str> = planned.additions.iter().map(|addition| addition.field.as_str()).collect();
    let lists = match fields.as_slice() {
        [] => String::new(),
        fields => format!(" and adds to the list of {}", shown(&fields.join(", "))),
    };
    Some(format!("this {} of {object}{lists} in {title}", acts.join(" and ")))
}

pub fn ask(question: &str) -> bool {
    let mut stderr = std::io::stderr().lock();
    // A question that cannot be shown is answered by no.
    if write!(stderr, "{question}. Go ahead? [y/N] ").and_then(|()| stderr.flush()).is_err() {
        return false;
    }
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).is_ok()
        && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

/// Prints how the run ended; the answer is the exit code.
pub fn close(context: &Context, finished: &FinishedRun, connection: &Connection, again: &Again) -> u8 {
    close_with(context, finished, connection, again, json!({}))
}

/// The same, with further members of the JSON document.
pub fn close_with(
    context: &Context,
    finished: &FinishedRun,
    connection: &Connection,
    again: &Again,
    more: serde_json::Value,
) -> u8 {
    let code = exit_code(finished);
    let error = match &finished.ended {
        Ended::Failed(error) => Some(PipelineError::Crm(error.clone())),
        Ended::Complete | Ended::Cancelled | Ended::Stopped(_) => None,
    };
    if context.common.json {
        let mut document = json!(finished.summary);
        if let (Some(document), serde_json::Value::Object(more)) = (document.as_object_mut(), more) {
            document.extend(more);
        }
        if let Some(error) = &error {
            document["error"] = super::error_json(error, &context.common)["error"].clone();
        }
        out::data(document);
    } else {
        out::data(summary::closing(finished, &connection.title, again, context.colors.out));
    }
    if let Some(error) = error {
        super::report_aside(&error, context);
    }
    code
}

/// The highest code that applies; 1, 2 and 3 win over all others.
fn exit_code(finished: &FinishedRun) -> u8 {
    let ended = match &finished.ended {
        Ended::Failed(error) => return PipelineError::Crm(error.clone()).exit_code(),
        // `settle` sends no other rows: `resume` goes on with them.
        Ended::Complete if finished.summary.state == "stopped" => 6,
        Ended::Complete => 0,
        Ended::Cancelled => 5,
        Ended::Stopped(_) => 6,
    };
    let rejected = if finished.summary.rows.rejected > 0 { 4 } else { 0 };
    let unknown = if finished.summary.rows.unknown > 0 { 7 } else { 0 };
    ended.max(rejected).max(unknown)
}

pub fn say_settings(context: &Context, connection: &Connection) {
    if context.common.verbose {
        let common = &context.common;
        context.screen.say(&format!(
            "into {}, at most {} requests in flight, {} s a request, {} retries, runs in {}",
            shown(&connection.name),
            common.concurrency,
            common.timeout.as_secs_f64(),
            common.retries,
            shown_path(&common.runs_dir)
        ));
    }
}

pub fn outputs(args: &SendArgs) -> Result<OutputSettings, PipelineError> {
    if args.rejects.is_some() && args.rejects == args.results {
        return Err(PipelineError::usage(
            "--rejects and --results name the same file",
            "give each a file of its own",
        ));
    }
    for path in [&args.rejects, &args.results].into_iter().flatten() {
        if path.exists() {
            let name = shown(&path.display().to_string()).to_string();
            return Err(PipelineError::usage(
                format!("{name} is there already"),
                "name a file that is not there yet",
            ));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if folder.is_some_and(|folder| !folder.is_dir()) {
            let name = shown(&path.display().to_string()).to_string();
            return Err(PipelineError::usage(
                format!("the folder of {name} does not exist"),
                "create it first",
            ));
        }
    }
    Ok(OutputSettings { rejects: args.rejects.clone(), results: args.results.clone() })
}

/// What was typed, to be kept with the run.
fn typed(input: &InputArgs, settings: &JobSettings, common: &CommonArgs) -> Typed {
    let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    Typed {
        mapping: input.mapping.as_ref().map(absolute),
        object: input.object.clone(),
        mode: of_enum(input.mode),
        on_blank: of_enum(input.on_blank),
        limit: input.limit,
        dictionary: common.dictionary.as_ref().map(absolute),
        files: Some(absolute(&settings.folder_of_files())),
    }
}

/// What the options say about the file.
pub fn job_settings(input: &InputArgs, spool: &Spool) -> JobSettings {
    JobSettings {
        input: spool.path(&input.file),
        input_name: spool.is_standard_input().then(|| "standard input".to_owned()),
        mapping: input.mapping.clone(),
        object: input.object.clone(),
        mode: input.mode.map(mode_of),
        on_blank: input.on_blank.map(blank_of),
        files: input.files.clone(),
        earlier: None,
    }
}

/// `--mode` as the mapping means it.
pub fn mode_of(mode: ModeArg) -> Mode {
    match mode {
        ModeArg::Create => Mode::Create,
        ModeArg::Update => Mode::Update,
        ModeArg::Upsert => Mode::Upsert,
        ModeArg::Delete => Mode::Delete,
    }
}

/// `--on-blank` as the mapping means it.
pub fn blank_of(blank: BlankArg) -> Blank {
    match blank {
        BlankArg::Keep => Blank::Keep,
        BlankArg::Clear => Blank::Clear,
        BlankArg::Error => Blank::Error,
    }
}

/// Standard input, kept in a private file so that it can be read twice.
#[derive(Debug)]
pub struct Spool(Option<tempfile::NamedTempFile>);

/// Takes in standard input where the file is `-`.
pub fn spool(file: &Path, runs: &Path) -> Result<Spool, PipelineError> {
    if file != Path::new("-") {
        return Ok(Spool(None));
    }
    crate::store::create_private_folder(runs)?;
    let fault = |error: std::io::Error| {
        PipelineError::Fault(format!("cannot keep standard input in {}: {error}", shown_path(runs)))
    };
    let mut kept = tempfile::Builder::new().prefix("standard-input-").tempfile_in(runs).map_err(fault)?;
    std::io::copy(&mut std::io::stdin().lock(), kept.as_file_mut()).map_err(fault)?;
    kept.as_file_mut().flush().map_err(fault)?;
    Ok(Spool(Some(kept)))
}

impl Spool {
    /// The file to read.
    pub fn path(&self, file: &Path) -> PathBuf {
        self.0.as_ref().map_or_else(|| file.to_owned(), |kept| kept.path().to_owned())
    }

    /// Whether the rows come from standard input.
    pub fn is_standard_input(&self) -> bool {
        self.0.is_some()
    }

    /// Moves what was taken in into the run's folder; gives its new place.
    fn keep_in(self, planned: &PlannedRun) -> Result<Option<PathBuf>, PipelineError> {
        let Some(kept) = self.0 else { return Ok(None) };
        let path = planned.folder.path.join("input.csv");
        kept.persist_noclobber(&path).map_err(|error| {
            PipelineError::Fault(format!(
                "cannot keep standard input in {}: {}",
                shown_path(&path),
                error.error
            ))
        })?;
        let mut input = planned.input.clone();
        input.path = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
        planned.store.set("input", &input)?;
        Ok(Some(path))
    }
}
