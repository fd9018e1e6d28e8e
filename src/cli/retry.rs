//! `retry`: the rejected rows of a run, corrected and imported again.

use super::Context;
use super::advice::Again;
use super::args::RetryArgs;
use super::connection::Connection;
use super::import::{self, earlier, outputs, prove_columns, say_settings, tools};
use super::resume::{mode, on_blank};
use crate::pipeline::{ImportSettings, Job, JobSettings, PipelineError, Retry, open_retry, plan_import};
use crate::store::RunName;

pub async fn run(context: &Context, args: RetryArgs) -> Result<u8, PipelineError> {
    outputs(&args.send)?;
    let connection = Connection::open(context)?;
    say_settings(context, &connection);
    let tools = tools(context, &connection);
    let (runs, name) = (&context.common.runs_dir, RunName(args.run.clone()));
    let retry = open_retry(runs, &name, &connection.name, args.file.clone(), tools)?;
    let mut job = job_of(context, &connection, &retry).await?;
    prove_columns(context, &mut job)?;
    let again = Again::of_plan(&context.common, retry.mapped_by.clone());
    let settings = ImportSettings {
        runs: runs.clone(),
        base_url: connection.name.clone(),
        limit: None,
        reference: retry.reference.clone(),
        on_unknown: retry.on_unknown,
        typed: retry.typed.clone(),
        sends: true,
        mapped_by: retry.mapped_by.clone(),
        retry_of: Some(retry.first.clone()),
    };
    let planned = plan_import(&mut job, &settings, tools).await?;
    let code = import::send(context, planned, &args.send, &connection, &again).await;
    // Until here nobody else may send the same rows.
    drop(retry);
    code
}

/// The corrected file, read and mapped as the run read and mapped its own.
async fn job_of(context: &Context, connection: &Connection, retry: &Retry) -> Result<Job, PipelineError> {
    let catalog = connection.catalog(&context.common)?;
    let settings = JobSettings {
        input: retry.file.clone(),
        input_name: None,
        mapping: retry.typed.mapping.clone(),
        object: retry.typed.object.clone(),
        mode: mode(&retry.typed),
        on_blank: on_blank(&retry.typed),
        files: retry.typed.files.clone(),
        earlier: Some(earlier(context, connection)),
    };
    super::unless_stopped(context, Job::prepare(&settings, &catalog, &context.screen)).await
}
