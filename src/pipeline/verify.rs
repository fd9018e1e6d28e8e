//! Reading back what a run wrote, and what the CRM made of it.
//!
//! Records are asked for by `$in`, a hundred ids a request, some requests at
//! once; what comes is compared and forgotten, so that memory does not grow
//! with the run. No record is called missing because a filter did not find it:
//! one of those that a batch lacks is asked for by its own address, and where
//! it is there after all, the filter is not trusted again.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use serde::Serialize;
use serde_json::value::RawValue;
use tokio_util::task::AbortOnDropHandle;

use super::finder::is_refusal;
use super::resume::refuse_other_crm;
use super::run::Tools;
use super::send::blocking;
use super::{Event, Phase, PipelineError, seconds};
use crate::crm::{Client, CrmError, MOST_KEYS, ReadQuery, Reader, Snapshot};
use crate::model::{
    Calls, Counts, Dictionary, Field, FieldKind, Filter, Notice, Outcome, Record, RecordId, RunState, Value,
    shown,
};
use crate::rules::edited::Sending;
use crate::rules::verifying::{Difference, Found, Kind, Tally, difference};
use crate::store::{RunFolder, RunName, Store, WrittenRow};
use crate::tabular::{CsvOptions, Output, RecordWriter, csv_writer};

/// Which run to verify, and where.
#[derive(Clone, Debug)]
pub struct VerifySettings {
    /// Where runs are kept.
    pub runs: PathBuf,
    /// The run.
    pub run: RunName,
    /// The CRM's address as runs store it.
    pub base_url: String,
    /// Most requests in flight.
    pub concurrency: NonZeroUsize,
}

/// What a run's records turned out to hold; the document of `--json`.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// The run's id.
    pub run: String,
    /// The object.
    pub object: String,
    /// Records that were looked for and compared.
    pub records: u64,
    /// Those that are not there, though the run created or updated them.
    pub missing: u64,
    /// Those with any difference; the missing are among them.
    pub differing: u64,
    /// Field by field and kind by kind, the commonest first.
    pub differences: Vec<Difference>,
    /// Rows of which nobody knows what to find.
    pub not_verified: NotVerified,
    /// Requests by method.
    pub calls: Calls,
    /// Seconds, with three decimals.
    pub elapsed_s: f64,
    /// The files that were written, by kind.
    pub files: BTreeMap<String, String>,
    /// The run's rows by outcome.
    #[serde(skip)]
    pub rows: Counts,
}

/// Rows that are not looked at: it is not known whether the CRM has them, or
/// it is known that it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct NotVerified {
    /// Sent without an answer.
    pub unknown: u64,
    /// Not sent.
    pub unprocessed: u64,
}

/// Reads back every record that the run created, updated or deleted. The
/// run's store is read and not written; `verify.csv` in its folder gets a line
/// for each difference.
pub async fn verify(settings: &VerifySettings, tools: Tools<'_>) -> Result<Verified, PipelineError> {
    let begun = Instant::now();
    let folder = RunFolder::open(&settings.runs, &settings.run)?;
    let store = Store::open(&folder.store_file())?;
    refuse_other_crm(&store, &folder.run, &settings.base_url, "verify")?;
    refuse_plan(&store, &folder.run)?;
    let object: String = store.fact("object")?;
    let rows = store.counts()?;
    let dictionary = fields_of_run(&store, tools.client, &object).await?;
    let total = rows.created + rows.updated + rows.deleted;
    tools.reporter.event(Event::Begin { phase: Phase::Verify, what: object.clone(), total: Some(total) });
    let file = folder.path.join("verify.csv");
    let verifier = Verifier {
        store: &store,
        tools,
        object: &object,
        dictionary: &dictionary,
        sending: store.sending_times()?.and_then(|(first, last)| Sending::between(&first, &last)),
        file: begin_file(Output::create(&file, true)?)?,
        one_by_one: false,
        findings: Findings::default(),
    };
    let Findings { records, missing, differing, tally } = verifier.run(settings.concurrency.get()).await?;
    tools.reporter.event(Event::End(Phase::Verify));
    Ok(Verified {
        run: folder.run.clone(),
        object,
        records,
        missing,
        differing,
        differences: tally.sorted(),
        not_verified: NotVerified { unknown: rows.unknown, unprocessed: rows.unprocessed },
        calls: tools.client.calls(),
        elapsed_s: seconds(begun.elapsed()),
        files: [("verify".to_owned(), file.display().to_string())].into(),
        rows,
    })
}

fn refuse_plan(store: &Store, run: &str) -> Result<(), PipelineError> {
    if store.fact::<String>("state")? != RunState::Planned.word() {
        return Ok(());
    }
    let message = format!("run {run} is planned; nothing of it was sent that could be verified");
    Err(PipelineError::usage(message, format!("send it first: carafe apply {run}")))
}

/// The object's fields as the run saw them. Runs of earlier versions did not
/// keep them: the CRM is asked.
async fn fields_of_run(store: &Store, client: &Client, object: &str) -> Result<Dictionary, PipelineError> {
    let kept = store.get::<Box<RawValue>>("fields")?;
    let kept = kept.and_then(|fields| Snapshot::parse(fields.get()).ok()?.objects.remove(object));
    match kept {
        Some(dictionary) => Ok(dictionary),
        None => Ok(client.dictionary(object).await?),
    }
}

/// The columns of `verify.csv`.
const COLUMNS: [&str; 6] = ["_row", "id", "field", "kind", "sent", "stored"];

/// People open it in a spreadsheet, and what it holds came from elsewhere:
/// with the guard that exports have.
fn begin_file(output: Output) -> Result<Box<dyn RecordWriter>, PipelineError> {
    let columns = COLUMNS.map(|name| Field::new(name, FieldKind::Memo));
    Ok(csv_writer(output, &columns, CsvOptions { excel: false, guard: true })?)
}

struct Verifier<'a> {
    store: &'a Store,
    tools: Tools<'a>,
    object: &'a str,
    dictionary: &'a Dictionary,
    sending: Option<Sending>,
    file: Box<dyn RecordWriter>,
    /// The CRM does not take the filter.
    one_by_one: bool,
    findings: Findings,
}

/// What the records came to so far.
#[derive(Default)]
struct Findings {
    records: u64,
    missing: u64,
    differing: u64,
    tally: Tally,
}

/// Rows whose records are being read.
type Asked = (Vec<WrittenRow>, AbortOnDropHandle<Result<Batch, CrmError>>);

impl Verifier<'_> {
    /// Takes the answers in the order of the rows, whichever comes first: so
    /// the file is in order, and no more than `window` batches are at hand.
    async fn run(mut self, window: usize) -> Result<Findings, PipelineError> {
        let mut asked: VecDeque<Asked> = VecDeque::new();
        let (mut last_row, mut all_asked) = (0, false);
        loop {
            if self.tools.stop.is_cancelled() {
                return Err(PipelineError::Cancelled);
            }
            // The first batch goes alone: it shows whether the filter works, and the CRM's clock.
            let room = if self.findings.records == 0 { 1 } else { window };
            while !all_asked && asked.len() < room {
                let rows = blocking(|| self.store.written_after(last_row, MOST_KEYS))?;
                match rows.last() {
                    Some(last) => last_row = last.row,
                    None => all_asked = true,
                }
                if !rows.is_empty() {
                    asked.push_back(self.ask(rows));
                }
            }
            let Some((rows, task)) = asked.pop_front() else { break };
            let batch = task.await.map_err(|error| PipelineError::Fault(error.to_string()))??;
            self.learn(&batch);
            rows.iter().try_for_each(|row| self.look_at(row, batch.records.get(&row.record)))?;
            self.tools.reporter.event(Event::Progress { phase: Phase::Verify, done: self.findings.records });
        }
        self.file.finish()?;
        Ok(self.findings)
    }

    fn ask(&self, rows: Vec<WrittenRow>) -> Asked {
        let question = Question {
            client: self.tools.client.clone(),
            object: self.object.to_owned(),
            ids: ids_to_ask(&rows),
            one_by_one: self.one_by_one,
        };
        (rows, AbortOnDropHandle::new(tokio::spawn(question.answer())))
    }

    fn learn(&mut self, batch: &Batch) {
        if batch.one_by_one && !self.one_by_one {
            self.one_by_one = true;
            let object = shown(self.object);
            let notice =
                format!("the CRM does not take a filter on the ids of {object}; records are read one by one");
            self.tools.reporter.event(Event::Notice(Notice(notice)));
        }
        if self.findings.records == 0
            && let Some(sending) = &mut self.sending
        {
            sending.learn_zone(batch.records.values());
        }
    }

    fn look_at(&mut self, row: &WrittenRow, record: Option<&Record>) -> Result<(), PipelineError> {
        self.findings.records += 1;
        let edited = record.is_some_and(|record| self.sending.is_some_and(|run| run.edited_since(record)));
        let whole = |kind| Found {
            row: row.row,
            id: row.record.get(),
            field: None,
            kind,
            sent: None,
            stored: None,
            edited,
        };
        let was_deleted = row.outcome == Outcome::Deleted;
        let record = match record {
            Some(_) if was_deleted => return self.note(&[whole(Kind::StillThere)]),
            None if was_deleted => return Ok(()),
            None => {
                self.findings.missing += 1;
                return self.note(&[whole(Kind::Missing)]);
            }
            Some(record) => record,
        };
        let mut found = Vec::new();
        for (name, sent) in &row.sent {
            let before = row.before.get(name).unwrap_or(&Value::Null);
            let before = (row.outcome == Outcome::Updated).then_some(before);
            let stored = record.get(name);
            if let Some(kind) = self.compare(name, sent, before, stored) {
                found.push(Found { field: Some(name), sent: Some(sent), stored, ..whole(kind) });
            }
        }
        self.note(&found)
    }

    fn compare(
        &self,
        name: &str,
        sent: &Value,
        before: Option<&Value>,
        stored: Option<&Value>,
    ) -> Option<Kind> {
        match self.dictionary.get(name) {
            Some(field) => difference(field, sent, before, stored),
            None => difference(&Field::new(name, FieldKind::Memo), sent, before, stored),
        }
    }

    /// Counts the differences of one record and writes them down.
    fn note(&mut self, found: &[Found<'_>]) -> Result<(), PipelineError> {
        self.findings.differing += u64::from(!found.is_empty());
        for one in found {
            self.findings.tally.add(one);
            self.file.write(&[
                Value::Text(one.row.to_string()),
                Value::Text(one.id.to_string()),
                Value::from(one.field.unwrap_or_default()),
                Value::from(one.kind.word()),
                one.sent.cloned().unwrap_or(Value::Null),
                one.stored.cloned().unwrap_or(Value::Null),
            ])?;
        }
        Ok(())
    }
}

/// The records of some rows, those first that should be there: of them one is
/// asked for twice where the filter does not find it.
fn ids_to_ask(rows: &[WrittenRow]) -> Vec<RecordId> {
    let (gone, there): (Vec<&WrittenRow>, Vec<&WrittenRow>) =
        rows.iter().partition(|row| row.outcome == Outcome::Deleted);
    there.into_iter().chain(gone).map(|row| row.record).collect()
}

/// What one batch brought.
struct Batch {
    records: HashMap<RecordId, Record>,
    /// The filter did not work.
    one_by_one: bool,
}

/// The records of one batch, to be read.
struct Question {
    client: Client,
    object: String,
    ids: Vec<RecordId>,
    one_by_one: bool,
}

impl Question {
    async fn answer(self) -> Result<Batch, CrmError> {
        let mut records = HashMap::new();
        if !self.one_by_one
            && let Some(found) = self.by_filter().await?
        {
            records = found;
            let absent = self.ids.iter().find(|id| !records.contains_key(id));
            let Some(absent) = absent else { return Ok(Batch { records, one_by_one: false }) };
            match self.client.get(&self.object, *absent, false).await? {
                // It is gone, and so are the others that were not found.
                None => return Ok(Batch { records, one_by_one: false }),
                Some(record) => records.insert(record.id, record),
            };
        }
        for id in &self.ids {
            if !records.contains_key(id)
                && let Some(record) = self.client.get(&self.object, *id, false).await?
            {
                records.insert(record.id, record);
            }
        }
        Ok(Batch { records, one_by_one: true })
    }

    /// Asks by `$in`; `None` where the CRM refuses that or gives other records.
    async fn by_filter(&self) -> Result<Option<HashMap<RecordId, Record>>, CrmError> {
        let ids = self.ids.iter().map(|id| id.to_value()).collect();
        let query = ReadQuery { filter: Some(Filter::any_of("id", ids)), ..ReadQuery::default() };
        let mut reader = Reader::new(&self.client, &self.object, query)?;
        let mut found = HashMap::with_capacity(self.ids.len());
        loop {
            let records = match reader.next().await {
                Ok(Some(records)) => records,
                Ok(None) => return Ok(Some(found)),
                Err(error) if is_refusal(&error) => return Ok(None),
                Err(error) => return Err(error),
            };
            // Where the filter is ignored, all that the CRM has would come.
            if records.iter().any(|record| !self.ids.contains(&record.id)) {
                return Ok(None);
            }
            found.extend(records.into_iter().map(|record| (record.id, record)));
        }
    }
}
