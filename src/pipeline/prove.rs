//! The first half of pass one: columns prove how they are written.
//!
//! It costs a pass over the file, and only where the mapping leaves a date or
//! a number open. The rows of a reject file are read as the run read them that
//! refused them: so few rows would prove nothing, or something else.

use std::ops::ControlFlow;
use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::again::JobRows;
use super::sharing::share;
use super::{Event, Job, Phase, PipelineError, Reporter};
use crate::model::{Notice, PlainCells, RUN_COLUMN, Row, shown};
use crate::rules::program::Program;
use crate::rules::proving::{ColumnProof, Prover, notice};
use crate::store::{RunName, Store};
use crate::tabular::{Batch, BatchReader, Looker};

/// Runs that one reject file may come from; nobody merges more by hand.
pub(super) const MOST_RUNS: usize = 20;

/// Proves what the mapping leaves open, and reads the columns so from here on.
/// `runs` is where the run may be that wrote the file, if it is a reject file.
///
/// # Errors
/// All columns that can be read in several ways, with two rows of each and the key to set.
pub fn prove(
    job: &mut Job,
    runs: &Path,
    reporter: &dyn Reporter,
    stop: &CancellationToken,
) -> Result<(), PipelineError> {
    if job.program.open_fields().is_empty() {
        return Ok(());
    }
    let earlier = earlier_proofs(job, runs, reporter)?;
    let mut prover = Prover::new(&mut job.program, &earlier);
    if !prover.is_done() {
        hear_all(job, &mut prover, reporter, stop)?;
    }
    let proofs = prover.conclude(&mut job.program, &job.mapping)?;
    proofs.iter().filter_map(notice).for_each(|notice| reporter.event(Event::Notice(notice)));
    job.proofs = proofs;
    Ok(())
}

fn hear_all(
    job: &Job,
    prover: &mut Prover,
    reporter: &dyn Reporter,
    stop: &CancellationToken,
) -> Result<(), PipelineError> {
    let total = Some(job.source.size_hint());
    reporter.event(Event::Begin { phase: Phase::Prove, what: job.input_name.clone(), total });
    let mut rows = JobRows::begin(&job.source, job.runs.as_deref())?;
    let nothing_heard = prover.fresh();
    let work = |reader: &mut BatchReader, batch: &Batch| {
        let mut hearing = Hearing { program: &job.program, prover: nothing_heard.fresh() };
        reader.show(batch, &mut hearing);
        hearing.prover
    };
    share(&mut rows, work, |batch, heard| {
        prover.merge(heard);
        reporter.event(Event::Progress { phase: Phase::Prove, done: batch.position });
        if stop.is_cancelled() { Err(PipelineError::Cancelled) } else { Ok(ControlFlow::Continue(())) }
    })?;
    reporter.event(Event::End(Phase::Prove));
    Ok(())
}

/// What the rows of a batch show.
struct Hearing<'p> {
    program: &'p Program,
    prover: Prover,
}

impl Looker for Hearing<'_> {
    fn plain(&mut self, number: u64, cells: &PlainCells<'_>) -> bool {
        self.prover.hear_plain(self.program, number, cells)
    }

    fn row(&mut self, row: &Row) {
        self.prover.hear(self.program, row);
    }
}

/// What all the runs proved that the file's rows were rejected by; nothing for
/// a file that is no reject file. A column counts where each of them proved it:
/// the rows of another one may be written in another way.
fn earlier_proofs(
    job: &Job,
    runs: &Path,
    reporter: &dyn Reporter,
) -> Result<Vec<ColumnProof>, PipelineError> {
    let mut all: Vec<(String, Vec<ColumnProof>)> = Vec::new();
    let named = runs_named(job)?;
    for run in &named {
        match proofs_of(run, runs) {
            Some(proofs) => all.push((run.clone(), proofs)),
            None => {
                let (run, runs) = (shown(run).cut(60), crate::model::shown_path(runs));
                let message = format!(
                    "the file names the run {run}, which is not in {runs}; how its columns are written is proven anew"
                );
                reporter.event(Event::Notice(Notice(message)));
            }
        }
    }
    if all.len() < named.len() {
        return Ok(Vec::new());
    }
    let Some(((first, proofs), others)) = all.split_first() else { return Ok(Vec::new()) };
    let mut common = Vec::new();
    for one in proofs {
        let of_run = |(run, proofs): &(String, Vec<ColumnProof>)| {
            let same = proofs.iter().find(|p| p.field == one.field && p.columns == one.columns);
            same.map(|proof| (run.clone(), proof.clone()))
        };
        let known: Vec<(String, ColumnProof)> = others.iter().filter_map(of_run).collect();
        if let Some((run, other)) = known.iter().find(|(_, other)| other.reading != one.reading) {
            return Err(contradiction(first, one, run, other));
        }
        if known.len() == others.len() {
            common.push(one.clone());
        }
    }
    Ok(common)
}

fn contradiction(first: &str, one: &ColumnProof, run: &str, other: &ColumnProof) -> PipelineError {
    PipelineError::usage(
        format!(
            "the file holds rows of two runs that read \"{}\" in two ways: {first} {}, {run} {}",
            shown(&one.columns.join(" + ")),
            one.reading.words(),
            other.reading.words()
        ),
        "import the rows of each run from a file of their own",
    )
}

/// The runs that the rows of a reject file name, in the order of their rows.
fn runs_named(job: &Job) -> Result<Vec<String>, PipelineError> {
    let Some(place) = job.source.header().reserved(RUN_COLUMN) else { return Ok(Vec::new()) };
    let (mut found, mut row) = (Vec::new(), Row::default());
    let mut rows = job.source.rows()?;
    while rows.read(&mut row)? {
        let run = row.cell(place).to_string();
        let run = run.trim();
        if !run.is_empty() && found.iter().all(|known| known != run) {
            found.push(run.to_owned());
        }
        if found.len() > MOST_RUNS {
            let message = format!("the file names more than {MOST_RUNS} runs under {RUN_COLUMN}");
            return Err(PipelineError::usage(message, "import the rejects of fewer runs at a time"));
        }
    }
    Ok(found)
}

/// What a run has proven; none where it is not there or cannot be read.
fn proofs_of(run: &str, runs: &Path) -> Option<Vec<ColumnProof>> {
    Some(run_store(run, runs)?.get("proofs").ok()?.unwrap_or_default())
}

/// The store of a run that a row names; none where it is not there or cannot
/// be read. The name comes from a file, so it must be a whole id, and is never
/// a path.
pub(super) fn run_store(run: &str, runs: &Path) -> Option<Store> {
    let folder = RunName(run.to_owned()).find(runs).ok()?;
    let is_whole = folder.file_name().is_some_and(|name| name == run);
    Store::peek(&folder.join("run.db")).ok().filter(|_| is_whole)
}
