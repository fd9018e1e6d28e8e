//! Everything a person sees: arguments, settings, questions, progress,
//! summaries, exit codes. clap and indicatif are known here alone.

mod advice;
mod args;
mod check;
mod connection;
mod describe;
mod draft;
mod export;
mod import;
mod lookup;
mod out;
mod pace;
mod resume;
mod retry;
mod runs;
mod sandbox;
mod screen;
mod settle;
mod signals;
mod summary;
mod template;
mod undo;
mod verify;

use std::ffi::OsString;
use std::io::Write;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use clap::{CommandFactory, FromArgMatches};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use args::{Cli, Command, CommonArgs};
use out::{Colors, ERROR, styled};
use screen::Screen;

use crate::pipeline::{PipelineError, io_words};
use crate::tabular::Output;

/// What every command gets.
struct Context {
    common: CommonArgs,
    screen: Screen,
    stop: CancellationToken,
    colors: Colors,
}

/// Runs the program with these arguments; the answer is the exit code.
///
/// A panic anywhere is a fault of the program: it is told as a sentence, with
/// exit code 1, and what was stored stays stored.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // Libraries that panic on hostile files are caught where they are called;
    // the standard hook would print their words all the same.
    let last_panic = Arc::new(Mutex::new(String::new()));
    let noted = Arc::clone(&last_panic);
    std::panic::set_hook(Box::new(move |info| {
        *noted.lock().unwrap_or_else(PoisonError::into_inner) = info.to_string().replace('\n', " ");
    }));
    std::panic::catch_unwind(AssertUnwindSafe(|| run_caught(&arguments))).unwrap_or_else(|_| {
        let what = last_panic.lock().unwrap_or_else(PoisonError::into_inner).clone();
        out::aside(format!("error: this is a fault of carafe itself: {}", crate::model::shown(&what)));
        out::aside("  what was done so far is in the run's folder (carafe runs); please report this line");
        1
    })
}

fn run_caught(arguments: &[OsString]) -> u8 {
    let parsed = Cli::command().try_get_matches_from(arguments).and_then(|matches| {
        let mut cli = Cli::from_arg_matches(&matches)?;
        cli.common.settle(&matches)?;
        Ok(cli)
    });
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return usage_error(&error, arguments),
    };
    let context = Context {
        screen: Screen::new(&cli.common),
        colors: Colors::new(cli.common.color),
        stop: CancellationToken::new(),
        common: cli.common,
    };
    let result = match cli.command {
        Command::Completions(args) => {
            let mut script = Vec::new();
            clap_complete::generate(args.shell, &mut Cli::command(), "carafe", &mut script);
            out::bytes(&script);
            Ok(0)
        }
        command => in_runtime(&context, command),
    };
    let code = result.unwrap_or_else(|error| {
        report(&error, &context);
        error.exit_code()
    });
    match out::lost() {
        // A script must not take half a document for a whole one.
        Some(why) => {
            let lost = PipelineError::Fault(format!("cannot write to standard output: {why}"));
            report_aside(&lost, &context);
            lost.exit_code()
        }
        None => code,
    }
}

fn in_runtime(context: &Context, command: Command) -> Result<u8, PipelineError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads_of(&command))
        .enable_all()
        .build()
        .map_err(|error| PipelineError::Fault(format!("cannot start: {error}")))?;
    runtime.block_on(async {
        let sends = !matches!(command, Command::Export(_));
        signals::listen(context.stop.clone(), context.screen.clone(), sends);
        match command {
            Command::Describe(args) => describe::run(context, args).await,
            Command::Draft(args) => draft::run(context, args).await,
            Command::Template(args) => template::run(context, args).await,
            Command::Check(args) => check::run(context, args).await,
            Command::Import(args) => import::run(context, args).await,
            Command::Apply(args) => import::apply(context, args).await,
            Command::Resume(args) => resume::run(context, args).await,
            Command::Retry(args) => retry::run(context, args).await,
            Command::Settle(args) => settle::run(context, args).await,
            Command::Verify(args) => verify::run(context, args).await,
            Command::Undo(args) => undo::run(context, args).await,
            Command::Export(args) => export::run(context, args).await,
            Command::Lookup(args) => lookup::run(context, args).await,
            Command::Runs(args) => runs::run(context, &args),
            Command::Sandbox(args) => sandbox::run(context, args).await,
            Command::Completions(_) => Ok(0),
        }
    })
}

/// Threads beside the first one, which has the store: what sends row after row
/// is quicker without two that wake each other for every answer.
fn threads_of(command: &Command) -> usize {
    match command {
        Command::Import(_)
        | Command::Apply(_)
        | Command::Resume(_)
        | Command::Retry(_)
        | Command::Settle(_)
        | Command::Undo(_) => 1,
        _ => 2,
    }
}

/// Waits for work that sends nothing to be stored, and so may be left at any moment.
async fn unless_stopped<T>(
    context: &Context,
    work: impl Future<Output = Result<T, PipelineError>>,
) -> Result<T, PipelineError> {
    tokio::select! {
        done = work => done,
        () = context.stop.cancelled() => Err(PipelineError::Cancelled),
    }
}

/// Fills a file that was begun, and gives it its name.
fn write_whole(mut output: Output, text: &str) -> Result<(), PipelineError> {
    let name = output.name();
    let fault = |error| PipelineError::Fault(format!("cannot write {name}: {}", io_words(&error)));
    output.write_all(text.as_bytes()).map_err(fault)?;
    output.commit()?;
    Ok(())
}

/// The error as a JSON document or as sentences.
fn report(error: &PipelineError, context: &Context) {
    if context.common.json {
        out::data(error_json(error, &context.common));
    }
    report_aside(error, context);
}

/// The error as sentences, on standard error.
fn report_aside(error: &PipelineError, context: &Context) {
    let label = styled(context.colors.err, ERROR, "error:");
    out::aside(format!("{label} {}", advice::with_options(&error.to_string(), &context.common)));
    if let Some(advice) = error.advice() {
        out::aside(format!("  {}", advice::with_options(&advice, &context.common)));
    }
}

/// `{"error": {"code", "message", "place", "advice"}}`
fn error_json(error: &PipelineError, common: &CommonArgs) -> serde_json::Value {
    json!({ "error": {
        "code": error.code(),
        "message": advice::with_options(&error.to_string(), common),
        "place": error.place(),
        "advice": error.advice().map(|advice| advice::with_options(&advice, common)),
    }})
}

/// What clap says: help and version are no errors.
fn usage_error(error: &clap::Error, arguments: &[OsString]) -> u8 {
    let code = if error.use_stderr() { 2 } else { 0 };
    if code == 2 && arguments.iter().any(|argument| argument == "--json") {
        let message = error.to_string();
        let message = message.lines().next().unwrap_or_default().trim_start_matches("error: ");
        out::data(
            json!({ "error": { "code": "usage", "message": message, "place": null, "advice": "see: carafe --help" } }),
        );
    }
    // If the stream is gone there is nobody to tell.
    let _ = error.print();
    code
}
