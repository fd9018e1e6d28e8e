//! `resume`: going on after a crash, a cancel or a spent budget.

use super::Context;
use super::advice::Again;
use super::args::{BlankArg, CommonArgs, ModeArg, ResumeArgs};
use super::connection::Connection;
use super::export;
use super::import::{self, close, earlier, go_on, outputs, prove_columns, say_settings, tools};
use crate::pipeline::{
    ImportSettings, Job, JobSettings, PipelineError, Resumed, Typed, Unplanned, finish_plan, finish_run,
    open_export, open_interrupted, plan_again,
};
use crate::rules::mapping::{Blank, Mode};
use crate::store::RunName;
use clap::ValueEnum;

pub async fn run(context: &Context, args: ResumeArgs) -> Result<u8, PipelineError> {
    let name = RunName(args.run.clone());
    let outputs = outputs(&args.send)?;
    let connection = Connection::open(context)?;
    if let Some(interrupted) = open_export(&context.common.runs_dir, &name, &connection.name)? {
        return export::resume(context, &connection, interrupted).await;
    }
    say_settings(context, &connection);
    let tools = tools(context, &connection);
    let opening = open_interrupted(&context.common.runs_dir, &name, &connection.name, true, tools);
    match super::unless_stopped(context, opening).await? {
        Resumed::Open(planned) => {
            let again = Again::of_plan(&context.common, planned.store.get("mapped_by")?);
            go_on(context, planned, &args.send, &connection, &again).await
        }
        Resumed::Unsent(planned) => {
            let again = Again::of_plan(&context.common, planned.store.get("mapped_by")?);
            import::send(context, planned, &args.send, &connection, &again).await
        }
        Resumed::Done(planned) => {
            let again = Again::of_plan(&context.common, planned.store.get("mapped_by")?);
            let finished = finish_run(planned, &outputs, tools)?;
            Ok(close(context, &finished, &connection, &again))
        }
        Resumed::Unplanned(unplanned) => plan_anew(context, unplanned, &args, &connection).await,
    }
}

/// Nothing of the run was sent: it is planned again in its own folder, and
/// then goes on like any import.
async fn plan_anew(
    context: &Context,
    unplanned: Unplanned,
    args: &ResumeArgs,
    connection: &Connection,
) -> Result<u8, PipelineError> {
    let Unplanned { folder, store, input, typed, reference, retry_of, on_unknown, sends } = unplanned;
    context.screen.say("the run was interrupted while it planned; nothing was sent, and it is planned again");
    let dictionary = context.common.dictionary.clone().or_else(|| typed.dictionary.clone());
    let catalog = connection.catalog(&CommonArgs { dictionary, ..context.common.clone() })?;
    let settings = JobSettings {
        input: input.path.clone(),
        input_name: Some(input.name.clone()),
        mapping: typed.mapping.clone(),
        object: typed.object.clone(),
        mode: mode(&typed),
        on_blank: on_blank(&typed),
        files: typed.files.clone(),
        earlier: Some(earlier(context, connection)),
    };
    let mut job = super::unless_stopped(context, Job::prepare(&settings, &catalog, &context.screen)).await?;
    prove_columns(context, &mut job)?;
    let again = Again::of_plan(&context.common, store.get("mapped_by")?);
    let settings = ImportSettings {
        runs: context.common.runs_dir.clone(),
        base_url: connection.name.clone(),
        limit: typed.limit,
        reference,
        on_unknown,
        typed,
        sends,
        mapped_by: store.get("mapped_by")?,
        retry_of,
    };
    let planned = plan_again(folder, store, &mut job, &settings, tools(context, connection)).await?;
    if !sends {
        // A dry run that was interrupted is one still.
        let finished = finish_plan(planned, &outputs(&args.send)?, tools(context, connection))?;
        return Ok(close(context, &finished, connection, &again));
    }
    import::send(context, planned, &args.send, connection, &again).await
}

/// `--mode` as it was typed.
pub fn mode(typed: &Typed) -> Option<Mode> {
    let mode = ModeArg::from_str(typed.mode.as_deref()?, true).ok()?;
    Some(import::mode_of(mode))
}

/// `--on-blank` as it was typed.
pub fn on_blank(typed: &Typed) -> Option<Blank> {
    let blank = BlankArg::from_str(typed.on_blank.as_deref()?, true).ok()?;
    Some(import::blank_of(blank))
}
