//! `undo`: taking back what a run did.

use std::io::IsTerminal;

use super::advice::Again;
use super::args::UndoArgs;
use super::connection::Connection;
use super::import::{ask, go_on, outputs, say_settings, tools};
use super::{Context, out};
use crate::model::shown;
use crate::pipeline::{PipelineError, PlannedUndo, Undoable, open_undoable, plan_undo};
use crate::store::RunName;

pub async fn run(context: &Context, args: UndoArgs) -> Result<u8, PipelineError> {
    outputs(&args.send)?;
    let connection = Connection::open(context)?;
    say_settings(context, &connection);
    let tools = tools(context, &connection);
    let (runs, name) = (&context.common.runs_dir, RunName(args.run.clone()));
    let opening = open_undoable(runs, &name, &connection.name, tools);
    let undoable = super::unless_stopped(context, opening).await?;
    let again = Again::of_plan(&context.common, None);
    if !args.send.yes {
        agree(&undoable, &connection, &again)?;
    }
    let PlannedUndo { planned, first } = plan_undo(undoable, runs, tools)?;
    let code = go_on(context, planned, &args.send, &connection, &again).await;
    drop(first);
    code
}

/// Asks before anything is planned: who says no leaves no run behind, and
/// `last` still means the run that was to be undone.
fn agree(undoable: &Undoable, connection: &Connection, again: &Again) -> Result<(), PipelineError> {
    let Some(question) = question(undoable, connection) else { return Ok(()) };
    let terminal = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if !terminal {
        let message = format!("{question}\n  nothing was sent: there is no terminal to answer on");
        let advice = format!("to go ahead: {}", again.undo(undoable.run(), true));
        return Err(PipelineError::usage(message, advice));
    }
    if ask(&question) { Ok(()) } else { Err(PipelineError::Cancelled) }
}

/// None where there is nothing to send.
fn question(undoable: &Undoable, connection: &Connection) -> Option<String> {
    let acts = [("deletes", undoable.deletes), ("restores", undoable.restores)];
    let acts: Vec<String> = acts
        .iter()
        .filter(|(_, records)| *records > 0)
        .map(|(act, records)| format!("{act} {}", out::count(*records, "record", "records")))
        .collect();
    if acts.is_empty() {
        return None;
    }
    let (object, title) = (shown(&undoable.object), shown(&connection.title));
    Some(format!("this {} of {object} in {title}", acts.join(" and ")))
}
