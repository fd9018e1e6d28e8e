//! Pass one's second half: every row read, converted and validated, nothing
//! sent.

use super::again::JobRows;
use super::lists::check_additions;
use super::{Event, Job, Phase, PipelineError, Reporter};
use crate::model::{Finding, Row};
use crate::rules::additions::Additions;
use crate::rules::causes::Causes;
use crate::rules::draft::{Draft, draft, missing_findings};
use crate::rules::duplicates::SeenKeys;
use crate::rules::mapping::Mode;
use crate::rules::planning::{duplicate_finding, may_be_excused};
use tokio_util::sync::CancellationToken;

/// What pass one found.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// Rows of the file.
    pub read: u64,
    /// Rows without a finding.
    pub valid: u64,
    /// Rows that the mapping's filter leaves out.
    pub skipped: u64,
    /// Rows with findings.
    pub rejected: u64,
    /// All that is wrong with them.
    pub findings: u64,
    /// Why rows are rejected.
    pub causes: Causes,
    /// Cells from which a formula guard was taken.
    pub unguarded: u64,
    /// What dropdown lists lack of the values in valid rows.
    pub additions: Additions,
    /// The same, with rows that may be excused because their record holds the
    /// values that are found fault with.
    pub possible: Additions,
}

/// How far pass one goes.
#[derive(Clone, Copy, Debug, Default)]
pub struct CheckOptions {
    /// Only the first rows.
    pub limit: Option<u64>,
    /// Whether rows of one key are told; an import finds them while it plans.
    pub duplicates: bool,
}

/// Reads the whole file. Each finding is handed to `on_finding` once.
pub fn check(
    job: &Job,
    options: CheckOptions,
    reporter: &dyn Reporter,
    stop: &CancellationToken,
    mut on_finding: impl FnMut(&Finding),
) -> Result<Checked, PipelineError> {
    let total = job.source.size_hint();
    reporter.event(Event::Begin { phase: Phase::Check, what: job.input_name.clone(), total: Some(total) });
    let mut rows = JobRows::begin(&job.source, job.runs.as_deref())?;
    let mut row = Row::default();
    let mut checked = Checked::default();
    let mut seen = SeenKeys::default();
    while options.limit.is_none_or(|limit| checked.read < limit) && rows.read(&mut row)? {
        checked.read += 1;
        let mut draft = draft(&job.program, &row);
        checked.unguarded += draft.unguarded;
        finish_row(job, &mut draft, options.duplicates.then_some(&mut seen));
        if draft.skipped {
            checked.skipped += 1;
        } else if draft.findings.is_empty() {
            checked.valid += 1;
            checked.additions.add(&job.program, &draft);
            checked.possible.add(&job.program, &draft);
        } else {
            checked.rejected += 1;
            checked.findings += draft.findings.len() as u64;
            if draft.findings.iter().all(|finding| may_be_excused(&job.program, finding)) {
                checked.possible.add(&job.program, &draft);
            }
            for finding in &draft.findings {
                checked.causes.add(finding);
                on_finding(finding);
            }
        }
        if checked.read.is_multiple_of(1_000) {
            reporter.event(Event::Progress { phase: Phase::Check, done: rows.position() });
            if stop.is_cancelled() {
                return Err(PipelineError::Cancelled);
            }
        }
    }
    reporter.event(Event::End(Phase::Check));
    rows.notice().into_iter().for_each(|notice| reporter.event(Event::Notice(notice)));
    check_additions(&checked.possible, &job.mapping)?;
    Ok(checked)
}

/// Adds what only the row as a whole shows.
fn finish_row(job: &Job, draft: &mut Draft<'_>, seen: Option<&mut SeenKeys>) {
    if draft.may_create(&job.program) && !draft.skipped {
        let mut missing = missing_findings(&job.program, draft);
        if job.program.mode == Mode::Upsert {
            // Whether the row has a record is not asked here.
            missing.iter_mut().for_each(|finding| finding.message += " of a new record");
        }
        draft.findings.extend(missing);
    }
    let first = seen.and_then(|seen| draft.key(&job.program).and_then(|key| seen.add(&key, draft.row)));
    if let Some(first) = first {
        let what = job.program.key_names().join(" + ");
        let finding = duplicate_finding(&job.program, draft, first, &what);
        draft.findings.push(finding);
    }
}
