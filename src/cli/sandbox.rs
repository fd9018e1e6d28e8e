//! `sandbox`: the embedded CRM, served until it is stopped.

use serde_json::json;

use super::args::SandboxArgs;
use super::{Context, out};
use crate::pipeline::PipelineError;
use crate::sandbox::{Options, PageBase, Sandbox};

pub async fn run(context: &Context, args: SandboxArgs) -> Result<u8, PipelineError> {
    let options = Options {
        database: Some(args.db.clone()),
        port: args.port,
        latency: std::time::Duration::from_millis(args.latency),
        page_base: if args.page_base == 0 { PageBase::Zero } else { PageBase::One },
        faults: args.faults.unwrap_or_default(),
        ..Options::default()
    };
    let token = options.token.clone();
    let faults = (!options.faults.is_empty()).then(|| options.faults.to_string());
    let sandbox = Sandbox::start(options)
        .map_err(|error| PipelineError::usage(error.to_string(), "choose another --port or --db FILE"))?;
    let address = sandbox.base_url();
    if context.common.json {
        let file = args.db.display().to_string();
        out::data(json!({ "address": address, "token": token, "file": file, "faults": faults }));
    } else {
        out::data(format!("the embedded CRM listens on {address}"));
        out::data(format!("  token    {token}"));
        out::data(format!("  records  {}", crate::model::shown_path(&args.db)));
        if let Some(faults) = faults {
            out::data(format!("  faults   {faults}"));
        }
        out::data(format!("  try      curl -H 'Authorization: Bearer {token}' {address}/accounts"));
        context.screen.say("stop it with Ctrl-C");
    }
    context.stop.cancelled().await;
    sandbox.stop();
    Ok(0)
}
