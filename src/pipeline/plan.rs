//! Pass two: each row's record is found and what is to be done with the row
//! is written to the store. Nothing is sent to be stored.
//!
//! Rows are taken in windows, so that the keys of many rows go into few
//! requests. While the records of one window are looked up, the next one is
//! drafted and asked for, so that requests are always on their way; memory
//! holds two windows, whatever the file's size.

mod windows;

use std::collections::{BTreeMap, HashMap, HashSet};

use tokio_util::sync::CancellationToken;

use super::again::JobRows;
use super::check::missing_of_new;
use super::finder::{Finder, FoundRecords, Parts, Wanted};
use super::retry::{Corrects, RetryRows};
use super::{Clock, Event, Job, Phase, PipelineError, Reporter, Tools};
use crate::model::{
    Action, Code, Counts, Finding, Notice, Outcome, Record, RecordId, Row, Stage, Value, count, shown,
};
use crate::rules::additions::{Addition, Additions};
use crate::rules::draft::{Draft, Wish, finding};
use crate::rules::duplicates::SeenKeys;
use crate::rules::exported::{ChangeColumn, LatestChange, Since, change_column, changed_since};
use crate::rules::files::path_of;
use crate::rules::image::image;
use crate::rules::planning::{
    Found, Resolved, Step, duplicate_finding, excused, may_be_excused, plan, resolve, with_member,
};
use crate::rules::program::Fault;
use crate::rules::zeros::LostZeros;
use crate::store::{PlannedFile, PlannedRow, RunFolder, Store};
use crate::tabular::keep;

/// The cause of rows that would write over what somebody changed.
const EXPORTED_BEFORE: &str = "the record changed since this file was exported";

/// References that are remembered; beyond that the memory starts afresh.
const MOST_REFERENCES: usize = 200_000;

/// Plans the whole file into the store.
pub struct Planner<'a> {
    job: &'a Job,
    store: &'a mut Store,
    reporter: &'a dyn Reporter,
    stop: &'a CancellationToken,
    clock: &'a dyn Clock,
    /// The field that carries each new record's reference, and the run's id.
    reference: Option<(String, String)>,
    /// Of a retry: which rows of the first run its rows correct.
    retry: Option<RetryRows>,
    matcher: Option<Finder>,
    references: Vec<(usize, ReferenceFinder)>,
    seen: SeenKeys,
    claimed: HashMap<RecordId, u64>,
    /// What would happen with the rows so far.
    counts: Counts,
    /// Most rows that are planned together; fewer only in tests.
    window: usize,
    /// Rows taken from the file.
    taken: u64,
    /// Planned, and to be stored while the next rows are drafted.
    planned: Vec<PlannedRow>,
    /// The records that they were planned with, which are of no more use.
    spent: FoundRecords,
    surplus_cells: bool,
    clears: u64,
    cleared: BTreeMap<String, u64>,
    additions: Additions,
    lost_zeros: LostZeros,
    /// The column of an export that says when its records were last changed.
    change_column: Option<ChangeColumn>,
    /// What the manifest beside an export says of that, where no column does.
    latest_change: Option<LatestChange>,
    /// Rows whose files are not sent, since their documents are there.
    files_left: u64,
    /// The first row whose date of change could not be compared.
    unclear_change: Option<u64>,
}

struct ReferenceFinder {
    finder: Finder,
    known: HashMap<String, Resolved>,
}

/// What a row corrects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// Nothing: the file is imported for the first time.
    None,
    /// A row of an earlier run.
    Row(u64),
    /// A row of an earlier run, but it comes as that refused it.
    AsRefused(u64),
    /// It should correct a row of an earlier run, and does not.
    Refused,
}

impl<'a> Planner<'a> {
    /// Makes ready to look up what the job needs looked up; asks nothing yet.
    pub fn new(
        job: &'a Job,
        folder: &RunFolder,
        store: &'a mut Store,
        reference: Option<&str>,
        tools: Tools<'a>,
    ) -> Result<Self, PipelineError> {
        let Tools { client, reporter, stop, clock } = tools;
        let program = &job.program;
        let index = |name: String| folder.path.join(format!("{name}.tmp"));
        let by: Vec<String> = program.key_names().into_iter().map(str::to_owned).collect();
        let matcher = (!by.is_empty())
            .then(|| Finder::new(client, &job.dictionary, &by, Parts::Apart, index("match".to_owned())));
        let mut references = Vec::new();
        for (at, field) in program.fields.iter().enumerate() {
            let Some(reference) = &field.reference else { continue };
            let dictionary = job.references.get(&reference.object).ok_or_else(|| {
                PipelineError::Fault(format!("the fields of {} were not read", reference.object))
            })?;
            let index_file = index(format!("reference-{at}"));
            let finder = Finder::new(client, dictionary, &reference.by, Parts::Joined, index_file);
            references.push((at, ReferenceFinder { finder, known: HashMap::new() }));
        }
        Ok(Self {
            job,
            store,
            reporter,
            stop,
            clock,
            reference: reference.map(|field| (field.to_owned(), folder.run.clone())),
            retry: None,
            matcher,
            references,
            seen: SeenKeys::default(),
            claimed: HashMap::new(),
            counts: Counts::default(),
            window: windows::rows_of_a_window(client.concurrency()),
            taken: 0,
            planned: Vec::new(),
            spent: FoundRecords::new(),
            surplus_cells: false,
            clears: 0,
            cleared: BTreeMap::new(),
            additions: Additions::default(),
            lost_zeros: LostZeros::default(),
            change_column: change_column(program, &job.dictionary),
            latest_change: None,
            files_left: 0,
            unclear_change: None,
        })
    }

    /// Holds records against what a manifest says of them, where the rows carry ids and no date.
    pub fn exported(mut self, latest_change: Option<LatestChange>) -> Self {
        let by_manifest = self.change_column.is_none() && self.job.program.matches_by_id();
        self.latest_change = latest_change.filter(|_| by_manifest);
        self
    }

    /// Plans only rows that correct one of an earlier run.
    pub fn only(self, retry: Option<RetryRows>) -> Self {
        Self { retry, ..self }
    }

    /// Plans up to `limit` rows; the answer is what would happen with them.
    pub async fn run(mut self, limit: Option<u64>, total: u64) -> Result<Counts, PipelineError> {
        let what = self.job.program.object.clone();
        self.reporter.event(Event::Begin { phase: Phase::Plan, what, total: Some(total) });
        let mut rows = JobRows::begin(&self.job.source, self.job.runs.as_deref())?;
        let (mut one, mut other) = (Vec::new(), Vec::new());
        let stop = self.stop;
        // Looking up may take long, and nothing has been sent that must be waited for.
        tokio::select! {
            biased;
            () = stop.cancelled() => return Err(PipelineError::Cancelled),
            planned = self.plan_all(&mut rows, limit.unwrap_or(u64::MAX), [&mut one, &mut other]) => planned?,
        }
        self.store_planned(|| Ok(()))?;
        self.store.together(|store| {
            store.set("rows_read", &self.counts.read)?;
            store.set("surplus_cells", &self.surplus_cells)?;
            store.set("rows_clearing", &self.clears)?;
            store.set("cleared", &self.cleared)?;
            store.set::<Vec<Addition>>("additions", &self.additions.lists())
        })?;
        self.reporter.event(Event::End(Phase::Plan));
        self.tell_unclear_change();
        self.tell_files_left();
        self.lost_zeros.notices().for_each(|notice| self.reporter.event(Event::Notice(notice)));
        Ok(self.counts)
    }

    /// Which rows of an earlier run these ones correct. One that corrects none
    /// is left with the finding that says so, and no other.
    fn origins(&mut self, rows: &[Row], drafts: &mut [Draft<'_>]) -> Result<Vec<Origin>, PipelineError> {
        let Some(retry) = &mut self.retry else { return Ok(vec![Origin::None; rows.len()]) };
        let mut origins = Vec::with_capacity(rows.len());
        for (row, draft) in rows.iter().zip(drafts) {
            origins.push(match retry.origin(&self.job.program, row)? {
                Corrects::Row(origin) => Origin::Row(origin),
                Corrects::AsRefused(origin, finding) => {
                    draft.findings.push(finding);
                    Origin::AsRefused(origin)
                }
                Corrects::None(finding) => {
                    draft.findings = vec![finding];
                    Origin::Refused
                }
            });
        }
        Ok(origins)
    }

    fn refused_row(&self, row: &Row, draft: &Draft<'_>) -> PlannedRow {
        let planned = PlannedRow {
            row: row.number,
            source: keep(row),
            key: self.key_values(draft),
            ..PlannedRow::default()
        };
        reject(planned, draft.findings.clone())
    }

    async fn look_up_references(&mut self, drafts: &[Draft<'_>]) -> Result<(), PipelineError> {
        for (at, reference) in &mut self.references {
            if reference.known.len() > MOST_REFERENCES {
                reference.known.clear();
            }
            let mut wanted = Vec::new();
            let mut asked = HashSet::new();
            for draft in drafts {
                let Some(Wish::Reference(name)) = draft.wishes.get(*at) else { continue };
                let one = reference.finder.wanted(name);
                if !reference.known.contains_key(&one.key) && asked.insert(one.key.clone()) {
                    wanted.push(one);
                }
            }
            let mut found = reference.finder.find(&wanted).await?;
            for Wanted { key, .. } in wanted {
                let resolved = match found.remove(&key).unwrap_or_default().as_slice() {
                    [] => Resolved::None,
                    [one] => Resolved::One(one.id),
                    _ => Resolved::Many,
                };
                reference.known.insert(key, resolved);
            }
        }
        Ok(())
    }

    fn put_references(&self, draft: &mut Draft<'_>) {
        resolve(&self.job.program, draft, |at, name| {
            let finder = self.references.iter().find(|(field, _)| *field == at);
            let known = finder.and_then(|(_, of)| of.known.get(&of.finder.wanted(name).key));
            known.copied().unwrap_or(Resolved::None)
        });
    }

    fn note_duplicate(&mut self, draft: &mut Draft<'_>, key: Option<&str>) {
        let first = key.and_then(|key| self.seen.add(key, draft.row));
        if let Some(first) = first {
            let what = self.job.program.key_names().join(" + ");
            let finding = duplicate_finding(&self.job.program, draft, first, &what);
            draft.findings.push(finding);
        }
    }

    /// What is to be looked up of rows that may have a record.
    fn wanted(&mut self, drafts: &[Draft<'_>], keys: &[Option<String>]) -> Vec<Wanted> {
        let Some(matcher) = &mut self.matcher else { return Vec::new() };
        let program = &self.job.program;
        let usable: Vec<(&Draft<'_>, &String)> = drafts
            .iter()
            .zip(keys)
            .filter(|(draft, _)| draft.findings.iter().all(|finding| may_be_excused(program, finding)))
            .filter_map(|(draft, key)| Some((draft, key.as_ref()?)))
            .collect();
        let lead_of = |draft: &Draft<'_>, at: usize| draft.wishes.get(program.key[at]).and_then(Wish::value);
        // The field with the most different values tells records apart best.
        let most_telling = (0..program.key.len())
            .filter(|_| program.key.len() > 1)
            .max_by_key(|&at| {
                let values: HashSet<Option<Value>> =
                    usable.iter().map(|(draft, _)| lead_of(draft, at)).collect();
                (values.len(), std::cmp::Reverse(at))
            })
            .unwrap_or(0);
        matcher.ask_by(most_telling);
        usable
            .iter()
            .filter_map(|(draft, key)| {
                Some(Wanted { key: (*key).clone(), lead: lead_of(draft, most_telling)? })
            })
            .collect()
    }

    fn plan_row(
        &mut self,
        row: &Row,
        draft: &Draft<'_>,
        key: Option<&str>,
        found: &FoundRecords,
    ) -> PlannedRow {
        let planned = PlannedRow {
            row: row.number,
            source: keep(row),
            key: self.key_values(draft),
            ..PlannedRow::default()
        };
        if draft.skipped {
            return PlannedRow { outcome: Some(Outcome::Skipped), ..planned };
        }
        let records = key.map(|key| found.get(key).map(Vec::as_slice).unwrap_or_default());
        let excused = match records {
            Some([one]) if !draft.findings.is_empty() => excused(&self.job.program, draft, one),
            _ => None,
        };
        let draft = excused.as_ref().unwrap_or(draft);
        if !draft.findings.is_empty() {
            let mut findings = draft.findings.clone();
            if !matches!(records, Some([_, ..])) {
                findings.extend(missing_of_new(&self.job.program, draft));
            }
            return reject(planned, findings);
        }
        let found = match records {
            None => Found::NotAsked,
            Some([]) => Found::None,
            Some([one]) => Found::One(one),
            Some(several) => Found::Many(several.iter().map(|record| record.id).collect()),
        };
        let step = plan(&self.job.program, draft, &found);
        let claims = match &step {
            Step::Update { id, .. } | Step::Unchanged { id } | Step::Delete { id, .. } => Some(*id),
            Step::Create { .. } | Step::Reject(_) => None,
        };
        if let Some(id) = claims
            && let Some(first) = self.claim(id, draft.row)
        {
            let finding = duplicate_finding(&self.job.program, draft, first, "record");
            return reject(planned, vec![finding]);
        }
        if let (Step::Update { .. } | Step::Delete { .. }, Found::One(record)) = (&step, &found)
            && let Some(finding) = self.changed_since_export(row, record)
        {
            return reject(planned, vec![finding]);
        }
        if matches!(step, Step::Create { .. } | Step::Update { .. }) {
            self.additions.add(&self.job.program, draft);
        }
        if let (Step::Update { .. }, Found::One(record)) = (&step, &found) {
            self.lost_zeros.look(&self.job.program, draft, record);
        }
        if let Step::Update { cleared, .. } = &step {
            self.clears += u64::from(!cleared.is_empty());
            for field in cleared {
                *self.cleared.entry(field.clone()).or_default() += 1;
            }
        }
        let image = match (&step, &found) {
            (Step::Update { .. } | Step::Delete { .. }, Found::One(record)) => Some(image(record)),
            _ => None,
        };
        let file = self.file_of(&step, draft);
        PlannedRow { image, file, ..self.with_step(planned, step) }
    }

    /// The file that goes with a new document; one of a document that is there is only counted.
    fn file_of(&mut self, step: &Step, draft: &Draft<'_>) -> Option<PlannedFile> {
        let files = self.job.files.as_ref()?;
        match step {
            Step::Create { .. } => files.planned(&self.job.program, draft),
            Step::Update { .. } | Step::Unchanged { .. } => {
                self.files_left += u64::from(path_of(&self.job.program, draft).is_some());
                None
            }
            Step::Delete { .. } | Step::Reject(_) => None,
        }
    }

    fn tell_files_left(&self) {
        if self.files_left > 0 {
            let rows = count(self.files_left, "row has its document", "rows have their documents");
            self.reporter.event(Event::Notice(Notice(format!(
                "{rows} in the CRM already: the files of these are not sent, as the API only takes a file with a new document"
            ))));
        }
    }

    /// The finding on a row of an export whose record changed since.
    fn changed_since_export(&mut self, row: &Row, record: &Record) -> Option<Finding> {
        let Some(ChangeColumn { column, field }) = &self.change_column else {
            return self.changed_since_manifest(row, record);
        };
        let then = row.cell(*column).to_string();
        match changed_since(&then, record.get(field)) {
            Since::Unchanged => None,
            Since::Unclear => {
                self.unclear_change.get_or_insert(row.number);
                None
            }
            Since::Changed => {
                let now = record.get(field).map(|now| now.to_text().into_owned()).unwrap_or_default();
                let cause = EXPORTED_BEFORE;
                let message = format!("{cause}: last at {}, and the file says {}", shown(&now), shown(&then));
                let fault = Fault {
                    cause: Some(cause.to_owned()),
                    ..Fault::new(Code::Conflict, Stage::Match, message)
                };
                Some(finding(&self.job.program, row.number, Some(*column), Some(field), fault, Some(then)))
            }
        }
    }

    fn changed_since_manifest(&self, row: &Row, record: &Record) -> Option<Finding> {
        let known = self.latest_change.as_ref()?;
        let now = record.get(known.field);
        if !known.is_before(record.id.get(), now) {
            return None;
        }
        let now = now.map(|now| now.to_text().into_owned()).unwrap_or_default();
        let message = format!(
            "{EXPORTED_BEFORE}: last at {}, and {} knows of none later than {}; export it again",
            shown(&now),
            known.manifest,
            shown(known.meanwhile.get(&record.id.get()).unwrap_or(&known.latest))
        );
        let cause = Some(EXPORTED_BEFORE.to_owned());
        let fault = Fault { cause, ..Fault::new(Code::Conflict, Stage::Match, message) };
        Some(finding(&self.job.program, row.number, None, None, fault, None))
    }

    fn tell_unclear_change(&self) {
        let (Some(row), Some(ChangeColumn { field, .. })) = (self.unclear_change, &self.change_column) else {
            return;
        };
        let field = shown(field);
        self.reporter.event(Event::Notice(Notice(format!(
            "{field} of row {row} is not as an export writes it (2026-11-24 10:20:30), so changes since the export go unnoticed there"
        ))));
    }

    /// Notes which row a record belongs to; the answer is an earlier row that has it.
    fn claim(&mut self, id: RecordId, row: u64) -> Option<u64> {
        let first = *self.claimed.entry(id).or_insert(row);
        (first != row).then_some(first)
    }

    /// The row with what is to be done with it.
    fn with_step(&self, planned: PlannedRow, step: Step) -> PlannedRow {
        match step {
            Step::Create { body } => {
                let body = match &self.reference {
                    Some((field, run)) => with_member(&body, field, &format!("{run}#{}", planned.row)),
                    None => body,
                };
                PlannedRow { action: Some(Action::Create), body: Some(body), ..planned }
            }
            Step::Update { id, body, before, cleared: _ } => PlannedRow {
                action: Some(Action::Update),
                record: Some(id),
                body: Some(body),
                before: Some(before),
                ..planned
            },
            Step::Delete { id, before } => {
                PlannedRow { action: Some(Action::Delete), record: Some(id), before: Some(before), ..planned }
            }
            Step::Unchanged { id } => {
                PlannedRow { record: Some(id), outcome: Some(Outcome::Unchanged), ..planned }
            }
            Step::Reject(findings) => reject(planned, findings),
        }
    }

    fn key_values(&self, draft: &Draft<'_>) -> Vec<String> {
        let text = |&at: &usize| match draft.wishes.get(at) {
            Some(Wish::Text(text) | Wish::Number(text) | Wish::Reference(text)) => text.clone().into_owned(),
            Some(Wish::Leave | Wish::Clear | Wish::Faulty) | None => String::new(),
        };
        self.job.program.key.iter().map(text).collect()
    }
}

fn reject(planned: PlannedRow, findings: Vec<Finding>) -> PlannedRow {
    PlannedRow { outcome: Some(Outcome::Rejected), findings, ..planned }
}
