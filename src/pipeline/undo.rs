//! Taking back what a run did: what it created is deleted, what it changed is
//! put back as it was, the last row first, and only where nobody changed the
//! record since.
//!
//! An undo is a run of its own. Its plan comes from the store of the run that
//! it takes back, without file and mapping; sending looks at each record right
//! before it changes it (see `send::ahead`), and tells by the image of the
//! CRM's own answer whether anybody was there since.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::value::RawValue;

use super::linked::{is_linked, later_runs};
use super::put_back::PutBack;
use super::resume::{open, some_of};
use super::run::{Input, PlannedRun, Tools};
use super::send::{blocking, doubt_finding};
use super::{Event, PipelineError};
use crate::model::{
    Action, Code, Counts, Finding, Notice, Outcome, RecordId, RunState, Stage, Value, count, shown,
    shown_path,
};
use crate::rules::additions::Addition;
use crate::rules::image::{has_other, whole};
use crate::rules::settling::values_of;
use crate::store::{DoneRow, PlannedRow, RunFolder, RunName, Store};

/// Rows that are taken over together.
const WINDOW: usize = 1_000;

/// Records that are looked for to know the CRM again: as many as one request asks for.
const MOST_ASKED: usize = 100;

/// A run that can be taken back, held so that nobody else writes it meanwhile.
#[derive(Debug)]
pub struct Undoable {
    folder: RunFolder,
    store: Store,
    /// Its rows that an earlier undo took back already.
    taken_back: HashSet<u64>,
    /// The object.
    pub object: String,
    /// Records to delete.
    pub deletes: u64,
    /// Records to put back as they were.
    pub restores: u64,
}

/// An undo whose plan is stored, and the run that it takes back.
#[derive(Debug)]
pub struct PlannedUndo {
    /// The undo.
    pub planned: PlannedRun,
    /// Held until the undo ends.
    pub first: RunFolder,
}

/// Opens a run to take it back, if there is anything that can be.
pub async fn open_undoable(
    runs: &Path,
    name: &RunName,
    base_url: &str,
    tools: Tools<'_>,
) -> Result<Undoable, PipelineError> {
    let (folder, mut store) = open(runs, name, base_url, "undo")?;
    refuse_what_is_no_import(&store, &folder.run)?;
    // What was under way when a process ended is in doubt, as for `resume`.
    store.doubt_open_attempts(&tools.clock.now().to_string(), |row| {
        doubt_finding(row, "the program ended before the CRM answered".to_owned())
    })?;
    let counts = store.counts()?;
    refuse_unwritten(&folder.run, counts)?;
    let object: String = store.fact("object")?;
    let (taken_back, last_undo) = earlier_undos(runs, &object, &folder.run)?;
    let mut undoable = Undoable { folder, store, taken_back, object, deletes: 0, restores: 0 };
    let asked = undoable.survey()?;
    let run = &undoable.folder.run;
    let is_left = undoable.deletes + undoable.restores > 0;
    if let (Some(undo), false) = (last_undo, is_left) {
        let message = format!("run {run} was undone already, by run {undo}");
        return Err(PipelineError::usage(
            message,
            format!("see what became of its rows: carafe runs {undo}"),
        ));
    }
    if is_left {
        refuse_strange_crm(&undoable, &asked, tools).await?;
    }
    tell_what_stays(&undoable.store, run, counts, tools)?;
    Ok(undoable)
}

fn refuse_what_is_no_import(store: &Store, run: &str) -> Result<(), PipelineError> {
    let command: String = store.fact("command")?;
    if command == "undo" {
        let message = format!("run {run} is an undo itself, and cannot be undone");
        return Err(PipelineError::usage(message, "import the file again to bring its rows back"));
    }
    if store.fact::<String>("state")? == RunState::Planned.word() {
        let message = format!("run {run} is a plan of which nothing was sent; there is nothing to undo");
        return Err(PipelineError::usage(message, "see which runs wrote something: carafe runs"));
    }
    Ok(())
}

fn refuse_unwritten(run: &str, counts: Counts) -> Result<(), PipelineError> {
    if counts.created + counts.updated + counts.deleted > 0 {
        return Ok(());
    }
    Err(match counts.unknown {
        0 => PipelineError::usage(
            format!("run {run} wrote nothing; there is nothing to undo"),
            "see which runs wrote something: carafe runs",
        ),
        unknown => PipelineError::usage(
            format!("of run {run} {} unknown, and nothing else was written", are(unknown)),
            format!("find out first what became of them: carafe settle {run}"),
        ),
    })
}

/// What earlier undos of the run took back, and the last of them.
fn earlier_undos(
    runs: &Path,
    object: &str,
    run: &str,
) -> Result<(HashSet<u64>, Option<String>), PipelineError> {
    let (mut taken_back, mut last) = (HashSet::new(), None);
    for (undo, store) in later_runs(runs, object, run) {
        // One that was interrupted while it planned has sent nothing.
        if !is_linked(&store, "undo_of", run) || !store.get("plan_complete")?.unwrap_or(false) {
            continue;
        }
        let unknown = store.counts()?.unknown;
        if store.has_open_rows()? || unknown > 0 {
            let message = format!("run {undo} is an undo of run {run} already, and is not finished");
            let act = if store.has_open_rows()? { "resume" } else { "settle" };
            return Err(PipelineError::usage(message, format!("go on with it: carafe {act} {undo}")));
        }
        taken_back.extend(store.taken_back()?);
        last = last.or(Some(undo));
    }
    Ok((taken_back, last))
}

impl Undoable {
    /// Counts what is to be done; the answer is some of the records.
    fn survey(&mut self) -> Result<Vec<RecordId>, PipelineError> {
        let (mut deletes, mut restores, mut some) = (0, 0, Vec::new());
        let taken_back = &self.taken_back;
        each_done(&self.store, |rows| {
            for row in rows.iter().filter(|row| !taken_back.contains(&row.row)) {
                match row.outcome {
                    Outcome::Created => deletes += 1,
                    Outcome::Updated => restores += 1,
                    _ => continue,
                }
                if some.len() < MOST_ASKED {
                    some.push(row.record);
                }
            }
            Ok(())
        })?;
        (self.deletes, self.restores) = (deletes, restores);
        Ok(some)
    }

    /// The run's id.
    pub fn run(&self) -> &str {
        &self.folder.run
    }
}

/// Hands all rows that the run wrote to `act`, in the file's order.
fn each_done(
    store: &Store,
    mut act: impl FnMut(Vec<DoneRow>) -> Result<(), PipelineError>,
) -> Result<(), PipelineError> {
    let mut last = 0;
    loop {
        let rows = store.done_after(last, WINDOW)?;
        let Some(end) = rows.last() else { return Ok(()) };
        last = end.row;
        act(rows)?;
    }
}

/// Refuses a CRM that has none of the records: to it all of them would look
/// deleted, while they stand in another company's CRM.
async fn refuse_strange_crm(
    undoable: &Undoable,
    asked: &[RecordId],
    tools: Tools<'_>,
) -> Result<(), PipelineError> {
    if some_of(tools.client, &undoable.object, asked).await? {
        return Ok(());
    }
    let (run, object) = (&undoable.folder.run, shown(&undoable.object));
    let records = match asked {
        [one] => format!("no record of {object} with the id {one}, which run {run} wrote"),
        several => format!("none of the {} records of {object} that run {run} wrote", several.len()),
    };
    Err(PipelineError::usage(
        format!(
            "this CRM has {records}: either all of it is gone already, or the access token is another company's"
        ),
        "look into the CRM; if it is the right one, there is nothing left to undo",
    ))
}

/// Tells what of the run an undo does not touch.
fn tell_what_stays(store: &Store, run: &str, counts: Counts, tools: Tools<'_>) -> Result<(), PipelineError> {
    let tell = |message: String| tools.reporter.event(Event::Notice(Notice(message)));
    if counts.unknown > 0 {
        let (unknown, them) = (are(counts.unknown), if counts.unknown == 1 { "it is" } else { "they are" });
        tell(format!(
            "of run {run} {unknown} unknown and left alone: once {them} settled (carafe settle {run}), undo the run again"
        ));
    }
    let additions: Vec<Addition> = store.get("additions")?.unwrap_or_default();
    if !additions.is_empty() && store.get("lists_filled")?.unwrap_or(false) {
        let fields: Vec<&str> = additions.iter().map(|addition| addition.field.as_str()).collect();
        let fields = shown(&fields.join(", ")).to_string();
        tell(format!(
            "values that the run added to the list of {fields} stay: the CRM's API cannot take them away"
        ));
    }
    Ok(())
}

fn are(rows: u64) -> String {
    format!("{} {}", count(rows, "row", "rows"), if rows == 1 { "is" } else { "are" })
}

/// Stores the plan of an undo, as a run of its own.
pub fn plan_undo(undoable: Undoable, runs: &Path, tools: Tools<'_>) -> Result<PlannedUndo, PipelineError> {
    let begun = Instant::now();
    let now = jiff::tz::Offset::UTC.to_datetime(tools.clock.now());
    let Undoable { folder: first, store: from, taken_back, object, .. } = undoable;
    let folder = RunFolder::create(runs, &object, now)?;
    let mut store = Store::create(&folder.store_file())?;
    let input = copy_facts(&from, &store, &first.run, &folder.run, tools)?;
    let planner = UndoPlanner {
        run: first.run.clone(),
        file: first.store_file(),
        put_back: PutBack::since(runs, &object, &first.run)?,
    };
    let mut read = 0_u64;
    blocking(|| {
        each_done(&from, |rows| {
            let left = rows.into_iter().filter(|row| !taken_back.contains(&row.row));
            let planned = left.map(|row| planner.plan(row)).collect::<Result<Vec<_>, _>>()?;
            read += planned.len() as u64;
            store.add_rows(&planned)?;
            Ok(())
        })
    })?;
    store.set("rows_read", &read)?;
    store.set("plan_complete", &true)?;
    let planned = PlannedRun::of(folder, store, input, begun)?;
    Ok(PlannedUndo { planned, first })
}

fn copy_facts(
    from: &Store,
    to: &Store,
    first: &str,
    run: &str,
    tools: Tools<'_>,
) -> Result<Input, PipelineError> {
    to.set("run", run)?;
    to.set("command", "undo")?;
    to.set("mode", "undo")?;
    to.set("undo_of", first)?;
    to.set("version", env!("CARGO_PKG_VERSION"))?;
    to.set("state", RunState::Running.word())?;
    to.set("started", &tools.clock.now().to_string())?;
    for name in
        ["object", "match", "input", "mapped_by", "dialect", "origins", "surplus_cells", "fields", "base_url"]
    {
        if let Some(value) = from.get::<Box<RawValue>>(name)? {
            to.set(name, &value)?;
        }
    }
    Ok(to.fact("input")?)
}

/// What the plan of an undo is made by.
struct UndoPlanner {
    run: String,
    /// Where the values of deleted records are.
    file: PathBuf,
    put_back: PutBack,
}

impl UndoPlanner {
    /// What is to be done to take a row back. Nobody has looked at its record,
    /// so that sending does so first.
    fn plan(&self, done: DoneRow) -> Result<PlannedRow, PipelineError> {
        let DoneRow { row, source, outcome, record, key, body, before, image } = done;
        let plan =
            PlannedRow { row, source, record: Some(record), key, origin: Some(row), ..PlannedRow::default() };
        let refuse = |finding: Finding| PlannedRow {
            outcome: Some(Outcome::Rejected),
            findings: vec![finding],
            ..plan.clone()
        };
        if outcome == Outcome::Deleted {
            return Ok(refuse(self.irreversible(row)));
        }
        let Some(image) = image else { return Ok(refuse(self.unknowable(row))) };
        let image = self.put_back.image(record, image)?;
        let image = Some(shown_whole(image, body.as_deref().unwrap_or_default()));
        Ok(match outcome {
            Outcome::Created => PlannedRow { action: Some(Action::Delete), before: body, image, ..plan },
            // What the CRM showed before goes back to the letter, a null as a null.
            _ => PlannedRow { action: Some(Action::Update), body: before, before: body, image, ..plan },
        })
    }

    fn irreversible(&self, row: u64) -> Finding {
        let cause = "a record that was deleted cannot be brought back: a new one would have another id and none of its links";
        let file = shown_path(&self.file);
        let message = format!("{cause}; its values are in {file}, table rows, column before");
        kept(row, Code::Irreversible, message, cause)
    }

    fn unknowable(&self, row: u64) -> Finding {
        let cause = format!(
            "kept: run {} did not note how the record looked, so nobody can tell whether it was changed since",
            self.run
        );
        kept(row, Code::Conflict, cause.clone(), &cause)
    }
}

/// An answer that shows all that was sent is one of the whole record: a field
/// that it does not show was blank.
fn shown_whole(image: Vec<u8>, body: &str) -> Vec<u8> {
    let is_shown = |(name, value): &(String, Value)| has_other(&image, name, value).is_some();
    if values_of(body).iter().all(is_shown) { whole(image) } else { image }
}

fn kept(row: u64, code: Code, message: String, cause: &str) -> Finding {
    Finding { cause: Some(cause.to_owned()), ..Finding::of_row(row, code, Stage::Match, message) }
}
