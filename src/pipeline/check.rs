//! Pass one's second half: every row read, converted and validated, nothing
//! sent.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::again::JobRows;
use super::files::Files;
use super::lists::check_additions;
use super::sharing::share;
use super::{Event, Job, Phase, PipelineError, Reporter};
use crate::model::{Finding, PlainCells, Row};
use crate::rules::additions::Additions;
use crate::rules::causes::Causes;
use crate::rules::draft::{Draft, draft, missing_findings};
use crate::rules::duplicates::{KeyHash, KeyHasher, SeenKeys};
use crate::rules::mapping::Mode;
use crate::rules::planning::{duplicate_finding, may_be_excused};
use crate::rules::program::{Glance, Program};
use crate::tabular::{Batch, BatchReader, Looker};
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

/// Reads the whole file, on all cores. Each finding is handed to `on_finding`
/// once, in the order of the rows.
pub fn check(
    job: &Job,
    options: CheckOptions,
    reporter: &dyn Reporter,
    stop: &CancellationToken,
    on_finding: impl FnMut(&Finding),
) -> Result<Checked, PipelineError> {
    let total = job.source.size_hint();
    reporter.event(Event::Begin { phase: Phase::Check, what: job.input_name.clone(), total: Some(total) });
    let mut rows = JobRows::begin(&job.source, job.runs.as_deref())?;
    let mut tally = Tally {
        job,
        limit: options.limit.unwrap_or(u64::MAX),
        checked: Checked::default(),
        seen: options.duplicates.then(SeenKeys::default),
        reader: rows.batch_reader(),
        on_finding,
    };
    let look = Look {
        program: &job.program,
        files: job.files.as_ref(),
        // Whether a file is there no glance tells.
        glance: Glance::of(&job.program).filter(|_| job.files.is_none()),
        hasher: tally.seen.as_ref().map(SeenKeys::hasher),
        appends: Additions::are_wanted(&job.program),
    };
    if tally.limit > 0 {
        let work = |reader: &mut BatchReader, batch: &Batch| look.batch(reader, batch);
        share(&mut rows, work, |batch, looked| {
            let ended = tally.take(batch, looked);
            reporter.event(Event::Progress { phase: Phase::Check, done: batch.position });
            if stop.is_cancelled() { Err(PipelineError::Cancelled) } else { Ok(ended) }
        })?;
    }
    reporter.event(Event::End(Phase::Check));
    check_additions(&tally.checked.possible, &job.mapping)?;
    Ok(tally.checked)
}

/// Keys whose places in memory are fetched at once.
const FETCHED: usize = 32;

/// What a row shows by itself.
#[derive(Default)]
struct Looked {
    row: u64,
    skipped: bool,
    /// Its key, where rows of one key are told.
    key: Option<KeyHash>,
    findings: Vec<Finding>,
    /// Whether its record may excuse all of them.
    excusable: bool,
    unguarded: u64,
    /// What dropdown lists lack of its values.
    additions: Option<Box<Additions>>,
}

/// Looks at rows one by one, on any thread.
struct Look<'j> {
    program: &'j Program,
    files: Option<&'j Files>,
    glance: Option<Glance<'j>>,
    hasher: Option<KeyHasher>,
    /// Whether dropdown lists are to gain values.
    appends: bool,
}

impl Look<'_> {
    fn batch(&self, reader: &mut BatchReader, batch: &Batch) -> Vec<Looked> {
        let mut looking = Looking { look: self, looked: Vec::new(), key: String::new() };
        reader.show(batch, &mut looking);
        looking.looked
    }
}

/// A look at a batch.
struct Looking<'l> {
    look: &'l Look<'l>,
    looked: Vec<Looked>,
    /// Memory to be used again.
    key: String,
}

impl Looker for Looking<'_> {
    fn plain(&mut self, number: u64, cells: &PlainCells<'_>) -> bool {
        self.key.clear();
        let passes = self.look.glance.is_some_and(|glance| glance.passes(cells, &mut self.key));
        if passes {
            let hasher = self.look.hasher.filter(|_| !self.look.program.key.is_empty());
            let key = hasher.map(|hasher| hasher.hash(&self.key));
            self.looked.push(Looked { row: number, key, ..Looked::default() });
        }
        passes
    }

    fn row(&mut self, row: &Row) {
        let program = self.look.program;
        let mut draft = draft(program, row);
        let missing = missing_of_new(program, &draft);
        draft.findings.extend(missing);
        if let Some(files) = self.look.files {
            files.check(program, &mut draft);
        }
        self.key.clear();
        let hasher = self.look.hasher.filter(|_| draft.push_key(program, &mut self.key));
        let excusable = draft.findings.iter().all(|finding| may_be_excused(program, finding));
        let may_add = self.look.appends && excusable && !draft.skipped;
        let additions = may_add.then(|| Additions::of(program, &draft)).flatten();
        self.looked.push(Looked {
            row: draft.row,
            skipped: draft.skipped,
            key: hasher.map(|hasher| hasher.hash(&self.key)),
            excusable,
            unguarded: draft.unguarded,
            additions: additions.map(Box::new),
            findings: draft.findings,
        });
    }
}

/// Takes the rows together, in their order.
struct Tally<'j, F> {
    job: &'j Job,
    limit: u64,
    checked: Checked,
    seen: Option<SeenKeys>,
    reader: BatchReader,
    on_finding: F,
}

impl<F: FnMut(&Finding)> Tally<'_, F> {
    fn take(&mut self, batch: &Batch, mut looked: Vec<Looked>) -> ControlFlow<()> {
        let left = self.limit - self.checked.read;
        looked.truncate(usize::try_from(left).unwrap_or(usize::MAX));
        self.tell_duplicates(batch, &mut looked);
        looked.into_iter().for_each(|row| self.count(row));
        if self.checked.read < self.limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    fn count(&mut self, row: Looked) {
        let checked = &mut self.checked;
        checked.read += 1;
        checked.unguarded += row.unguarded;
        if row.skipped {
            checked.skipped += 1;
            return;
        }
        if let Some(additions) = row.additions.filter(|_| row.excusable) {
            checked.possible.merge(&additions);
            if row.findings.is_empty() {
                checked.additions.merge(&additions);
            }
        }
        if row.findings.is_empty() {
            checked.valid += 1;
            return;
        }
        checked.rejected += 1;
        checked.findings += row.findings.len() as u64;
        for finding in &row.findings {
            checked.causes.add(finding);
            (self.on_finding)(finding);
        }
    }

    /// Adds the finding to rows whose key an earlier row has.
    fn tell_duplicates(&mut self, batch: &Batch, looked: &mut [Looked]) {
        let Some(seen) = &mut self.seen else { return };
        let mut first_rows = HashMap::new();
        for some in looked.chunks(FETCHED) {
            seen.fetch(some.iter().filter_map(|row| row.key));
            for row in some {
                if let Some(first) = row.key.and_then(|key| seen.note(key, row.row)) {
                    first_rows.insert(row.row, first);
                }
            }
        }
        if first_rows.is_empty() {
            return;
        }
        // What to say of them is made anew: that so few rows need it is worth reading the batch twice.
        let (program, what) = (&self.job.program, self.job.program.key_names().join(" + "));
        let mut findings = HashMap::new();
        self.reader.read(batch, |row| {
            if let Some(&first) = first_rows.get(&row.number) {
                findings.insert(row.number, duplicate_finding(program, &draft(program, row), first, &what));
            }
        });
        for row in looked {
            if let Some(finding) = findings.remove(&row.row) {
                row.excusable &= may_be_excused(program, &finding);
                row.findings.push(finding);
            }
        }
    }
}

/// Required fields that are blank in a row that may become a new record.
pub(super) fn missing_of_new(program: &Program, draft: &Draft<'_>) -> Vec<Finding> {
    if draft.skipped || !draft.may_create(program) {
        return Vec::new();
    }
    let mut missing = missing_findings(program, draft);
    if program.mode == Mode::Upsert {
        // Whether the row has a record has not been asked.
        missing.iter_mut().for_each(|finding| finding.message += " of a new record");
    }
    missing
}
