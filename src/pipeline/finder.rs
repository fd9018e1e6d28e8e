//! Finding the records that rows mean: by `$in`, a hundred keys a request, or
//! by reading the object whole where the CRM does not take that filter.
//!
//! That the CRM takes `$in` is known of three fields only (source: field
//! notes). So the first request of a finder goes alone, and where it finds
//! nothing, a record that is known to exist is asked for in the same way: a
//! filter that silently finds nothing would make every row a new record.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::PipelineError;
use crate::crm::{Client, CrmError, ReadQuery, Reader, batches_for_in};
use crate::model::{Dictionary, FieldKind, Filter, Number, Record, Test, Value};
use crate::rules::compare::plain_date;
use crate::rules::draft::KEY_SEPARATOR;
use crate::rules::names::folded;
use crate::store::RecordIndex;

/// Fields of which `$in` is known to work (source: field notes, "Filters").
pub const PROVEN: [&str; 3] = ["id", "accountid", "name"];

/// Records read to find one that shows whether `$in` works.
const PROBE: u64 = 20;

/// A record that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its whole key, in the form in which keys are compared.
    pub key: String,
    /// The value of the field that the CRM is asked by.
    pub lead: Value,
}

/// How a key is made of several fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parts {
    /// Each stands for itself; the CRM can be asked by one of them.
    Apart,
    /// One text holds them all with blanks between, those that are blank left out.
    Joined,
}

/// Finds records of one object by one set of fields.
#[derive(Debug)]
pub struct Finder {
    client: Client,
    form: Arc<KeyForm>,
    /// Which of the key's fields the CRM is asked by; none where no single field can be asked by.
    lead: Option<usize>,
    /// `$in` of `lead` has been seen to work.
    proven: Option<usize>,
    // Shared by nobody; the lock lets a task carry the finder.
    whole: Option<Mutex<RecordIndex>>,
    index_file: PathBuf,
    /// Only records with a larger id are asked for.
    above: Option<u64>,
    /// When the object began to be read whole.
    read_since: Option<Instant>,
}

/// Of which object the records are, and what makes their key.
#[derive(Debug)]
struct KeyForm {
    object: String,
    by: Vec<Field>,
    parts: Parts,
}

/// Questions that are on their way.
#[derive(Debug)]
pub struct Asked {
    requests: JoinSet<Result<Batch, CrmError>>,
}

/// What all questions of one search share.
#[derive(Clone)]
struct Question {
    client: Client,
    form: Arc<KeyForm>,
    /// The field that is asked by.
    field: Field,
    above: Option<u64>,
}

#[derive(Clone, Debug)]
struct Field {
    name: String,
    kind: FieldKind,
}

/// Records by their key.
pub type FoundRecords = HashMap<String, Vec<Record>>;

/// What one question by `$in` brought.
#[derive(Debug)]
enum Batch {
    /// Those that fit, with their keys.
    Records(Vec<(String, Record)>),
    /// The CRM refuses the filter or answers with whatever it has.
    NotTaken,
}

impl Finder {
    /// A finder that has asked nothing yet. `index_file` is where the object is
    /// kept if it must be read whole.
    pub fn new(
        client: &Client,
        dictionary: &Dictionary,
        by: &[String],
        parts: Parts,
        index_file: PathBuf,
    ) -> Self {
        let kind = |name: &String| dictionary.get(name).map_or(FieldKind::Memo, |field| field.kind.clone());
        let askable = by.len() == 1 || (parts == Parts::Apart && !by.is_empty());
        let form = KeyForm {
            object: dictionary.object.clone(),
            by: by.iter().map(|name| Field { name: name.clone(), kind: kind(name) }).collect(),
            parts,
        };
        Self {
            client: client.clone(),
            form: Arc::new(form),
            lead: askable.then_some(0),
            proven: None,
            whole: None,
            index_file,
            above: None,
            read_since: None,
        }
    }

    /// Asks for records with a larger id alone.
    pub fn above(mut self, id: Option<u64>) -> Self {
        self.above = id;
        self
    }

    /// The same, for one that is there.
    pub fn set_above(&mut self, id: Option<u64>) {
        self.above = id;
    }

    /// How old its knowledge is: of an object read whole, as old as the reading.
    pub fn age(&self) -> Duration {
        self.read_since.map(|since| since.elapsed()).unwrap_or_default()
    }

    /// Chooses the field that the CRM is asked by.
    pub fn ask_by(&mut self, at: usize) {
        if self.lead.is_some() && at < self.form.by.len() {
            self.lead = Some(at);
        }
    }

    /// The record that a text names.
    pub fn wanted(&self, text: &str) -> Wanted {
        match self.form.by.as_slice() {
            [one] => {
                let number = one.kind.is_numeric().then(|| Number::parse(text.trim())).flatten();
                let lead = number.map_or_else(|| Value::Text(text.to_owned()), Value::Number);
                Wanted { key: one.part(&lead), lead }
            }
            _ => Wanted { key: folded(text).into_owned(), lead: Value::from(text) },
        }
    }

    /// The record that a row's values name; none where one of them is blank.
    pub fn wanted_of(&self, values: &[(String, Value)]) -> Option<Wanted> {
        let value = |field: &Field| {
            let (_, value) = values.iter().find(|(name, _)| *name == field.name)?;
            (!value.is_blank()).then_some(value)
        };
        let found: Vec<&Value> = self.form.by.iter().map(value).collect::<Option<_>>()?;
        let parts: Vec<String> =
            self.form.by.iter().zip(&found).map(|(field, value)| field.part(value)).collect();
        let lead = (*found.get(self.lead.unwrap_or(0))?).clone();
        Some(Wanted { key: parts.join(&KEY_SEPARATOR.to_string()), lead })
    }

    /// The records of all wanted keys as the CRM has them at this moment; none
    /// where it cannot be asked by them.
    pub async fn find_now(&mut self, wanted: &[Wanted]) -> Result<Option<FoundRecords>, PipelineError> {
        if wanted.is_empty() {
            return Ok(Some(FoundRecords::new()));
        }
        let Some(lead) = self.lead else { return Ok(None) };
        let found = self.find_batched(wanted, lead).await?;
        if found.is_none() {
            self.lead = None;
        }
        Ok(found)
    }

    /// The records of all wanted keys, as they were when the object was read
    /// whole for the first such question.
    pub async fn find_indexed(&mut self, wanted: &[Wanted]) -> Result<FoundRecords, PipelineError> {
        self.lead = None;
        self.find(wanted).await
    }

    /// The records of all wanted keys; a key without a record is absent.
    pub async fn find(&mut self, wanted: &[Wanted]) -> Result<FoundRecords, PipelineError> {
        if wanted.is_empty() {
            return Ok(FoundRecords::new());
        }
        if self.whole.is_none()
            && let Some(lead) = self.lead
        {
            match self.find_batched(wanted, lead).await? {
                Some(found) => return Ok(found),
                None => self.lead = None,
            }
        }
        if self.whole.is_none() {
            self.read_since = Some(Instant::now());
            self.whole = Some(Mutex::new(self.read_whole().await?));
        }
        self.find_in_whole(wanted)
    }

    /// Sends the questions for all wanted keys on their way, to be waited for by [`Self::find_asked`];
    /// none where that the CRM takes them has not been seen.
    pub fn ask_ahead(&self, wanted: &[Wanted]) -> Option<Asked> {
        let lead = self.lead.filter(|lead| self.whole.is_none() && self.proven == Some(*lead))?;
        let leads = different_leads(wanted);
        let question = self.question(lead);
        let mut asked = Asked { requests: JoinSet::new() };
        for values in batches_for_in(&self.form.object, &self.form.by[lead].name, &leads) {
            asked.requests.spawn(ask_batch(question.clone(), values.to_vec()));
        }
        Some(asked)
    }

    /// The records of all wanted keys, which may have been asked for before.
    pub async fn find_asked(
        &mut self,
        wanted: &[Wanted],
        asked: Option<Asked>,
    ) -> Result<FoundRecords, PipelineError> {
        if let Some(asked) = asked.filter(|_| self.whole.is_none()) {
            match collect(asked, wanted, FoundRecords::new()).await? {
                Some(found) => return Ok(found),
                None => self.lead = None,
            }
        }
        self.find(wanted).await
    }

    fn question(&self, lead: usize) -> Question {
        let field = self.form.by[lead].clone();
        Question { client: self.client.clone(), form: Arc::clone(&self.form), field, above: self.above }
    }

    /// Asks by `$in`; `None` if the CRM does not take that filter.
    async fn find_batched(
        &mut self,
        wanted: &[Wanted],
        lead: usize,
    ) -> Result<Option<FoundRecords>, PipelineError> {
        let mut found = FoundRecords::new();
        let leads = different_leads(wanted);
        let question = self.question(lead);
        let mut batches = batches_for_in(&self.form.object, &question.field.name, &leads).into_iter();
        if self.proven != Some(lead)
            && let Some(first) = batches.next()
        {
            let first = ask_batch(question.clone(), first.to_vec()).await?;
            let Batch::Records(records) = first else { return Ok(None) };
            let works = !records.is_empty() || self.proves_itself(&question.field).await?;
            if !works {
                return Ok(None);
            }
            keep(records, &keys_of(wanted), &mut found);
            self.proven = Some(lead);
        }
        let mut asked = Asked { requests: JoinSet::new() };
        batches.for_each(|values| drop(asked.requests.spawn(ask_batch(question.clone(), values.to_vec()))));
        collect(asked, wanted, found).await
    }

    /// Whether `$in` finds a record that is there: one of the first that have
    /// the field filled. Where there is none, nothing speaks against it.
    async fn proves_itself(&self, field: &Field) -> Result<bool, PipelineError> {
        if PROVEN.contains(&field.name.as_str()) {
            return Ok(true);
        }
        let query = ReadQuery { limit: Some(PROBE), ..ReadQuery::default() };
        let (first, _) = Reader::new(&self.client, &self.form.object, query)?.all().await?;
        let filled = |record: &Record| record.get(&field.name).filter(|value| !value.is_blank()).cloned();
        let Some(value) = first.iter().find_map(filled) else { return Ok(true) };
        let question = Question {
            client: self.client.clone(),
            form: Arc::clone(&self.form),
            field: field.clone(),
            above: None,
        };
        let batch = ask_batch(question, vec![value]).await?;
        Ok(matches!(batch, Batch::Records(records) if !records.is_empty()))
    }

    /// A record's key in the form in which keys are compared.
    pub fn key(&self, record: &Record) -> String {
        self.form.key(record)
    }

    async fn read_whole(&self) -> Result<RecordIndex, PipelineError> {
        let mut index = RecordIndex::create(&self.index_file)?;
        let mut reader = NewerReader::new(&self.client, &self.form.object, self.above.unwrap_or(0))?;
        while let Some(records) = reader.next().await? {
            let keyed: Vec<(String, &Record)> =
                records.iter().map(|record| (self.form.key(record), record)).collect();
            index.add(&keyed)?;
        }
        Ok(index)
    }

    fn find_in_whole(&self, wanted: &[Wanted]) -> Result<FoundRecords, PipelineError> {
        let mut found = FoundRecords::new();
        let Some(index) = &self.whole else { return Ok(found) };
        let index = index.lock().unwrap_or_else(PoisonError::into_inner);
        for one in wanted {
            if !found.contains_key(&one.key) {
                let records = index.find(&one.key)?;
                if !records.is_empty() {
                    found.insert(one.key.clone(), records);
                }
            }
        }
        Ok(found)
    }
}

impl KeyForm {
    /// A record's key in the form in which keys are compared.
    fn key(&self, record: &Record) -> String {
        let part = |field: &Field| field.part(record.get(&field.name).unwrap_or(&Value::Null));
        if let [one] = self.by.as_slice() {
            return part(one);
        }
        let parts = self.by.iter().map(part);
        match self.parts {
            Parts::Apart => parts.collect::<Vec<_>>().join(&KEY_SEPARATOR.to_string()),
            Parts::Joined => parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" "),
        }
    }
}

impl Field {
    /// A value in the form in which keys are compared, the same as a draft's.
    fn part(&self, value: &Value) -> String {
        let text = value.to_text();
        match &self.kind {
            FieldKind::Date => plain_date(&text, 10),
            FieldKind::DateTime => plain_date(&text, 19),
            kind if kind.is_numeric() || *kind == FieldKind::Checkbox => {
                Number::parse(text.trim()).map_or_else(|| text.to_string(), |n| n.to_string())
            }
            _ => folded(&text).into_owned(),
        }
    }
}

/// Reads the records above an id, also of a CRM that refuses or ignores the
/// filter (source: field notes, "Filters": `$gt` on `id` is unproven).
pub struct NewerReader {
    client: Client,
    object: String,
    above: u64,
    reader: Reader,
    /// Nothing has been read yet.
    is_new: bool,
}

impl NewerReader {
    /// Asks nothing yet; above 0 all records are read, without any filter.
    pub fn new(client: &Client, object: &str, above: u64) -> Result<Self, PipelineError> {
        let newer = Filter::Field("id".to_owned(), Test::Above(Value::Number(Number::from(above))));
        let query = ReadQuery { filter: (above > 0).then_some(newer), ..ReadQuery::default() };
        let reader = Reader::new(client, object, query)?;
        Ok(Self { client: client.clone(), object: object.to_owned(), above, reader, is_new: true })
    }

    /// The next records; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<Record>>, PipelineError> {
        let records = match self.reader.next().await {
            Err(error) if self.is_new && is_refusal(&error) => {
                self.reader = Reader::new(&self.client, &self.object, ReadQuery::default())?;
                self.reader.next().await?
            }
            other => other?,
        };
        self.is_new = false;
        let newer = |record: &Record| record.id.get() > self.above;
        Ok(records.map(|records| records.into_iter().filter(newer).collect()))
    }
}

/// Refusals that mean "not this filter", not "not you".
pub fn is_refusal(error: &CrmError) -> bool {
    matches!(
        error,
        CrmError::Refused { .. }
            | CrmError::Invalid { .. }
            | CrmError::InvalidRequest { .. }
            | CrmError::ServerError { .. }
            | CrmError::NotFound { .. }
    )
}

fn different_leads(wanted: &[Wanted]) -> Vec<Value> {
    let mut known = HashSet::new();
    wanted.iter().map(|one| &one.lead).filter(|lead| known.insert(*lead)).cloned().collect()
}

fn keys_of(wanted: &[Wanted]) -> HashSet<&str> {
    wanted.iter().map(|one| one.key.as_str()).collect()
}

/// Keeps the records that are wanted, each once.
fn keep(records: Vec<(String, Record)>, keys: &HashSet<&str>, found: &mut FoundRecords) {
    for (key, record) in records {
        if keys.contains(key.as_str()) {
            let records = found.entry(key).or_default();
            if records.iter().all(|known| known.id != record.id) {
                records.push(record);
            }
        }
    }
}

/// Waits for answers and adds what they found; `None` if the CRM does not take the filter.
async fn collect(
    mut asked: Asked,
    wanted: &[Wanted],
    mut found: FoundRecords,
) -> Result<Option<FoundRecords>, PipelineError> {
    let keys = keys_of(wanted);
    while let Some(batch) = asked.requests.join_next().await {
        match batch.map_err(|error| PipelineError::Fault(error.to_string()))?? {
            Batch::Records(records) => keep(records, &keys, &mut found),
            Batch::NotTaken => return Ok(None),
        }
    }
    Ok(Some(found))
}

/// Asks once by `$in`. Reading ends where the answers do not fit the question,
/// so that a CRM that ignores the filter does not send everything it has.
async fn ask_batch(question: Question, values: Vec<Value>) -> Result<Batch, CrmError> {
    let Question { client, form, field, above } = question;
    let asked: HashSet<String> = values.iter().map(|value| field.part(value)).collect();
    let filter = Filter::any_of(field.name.clone(), values);
    let filter = match above {
        Some(id) => filter.and(Filter::Field("id".to_owned(), Test::Above(Value::Number(Number::from(id))))),
        None => filter,
    };
    let query = ReadQuery { filter: Some(filter), ..ReadQuery::default() };
    let mut reader = Reader::new(&client, &form.object, query)?;
    let mut fitting = Vec::new();
    let mut strange = 0_usize;
    loop {
        let records = match reader.next().await {
            Ok(Some(records)) => records,
            Ok(None) => return Ok(Batch::Records(fitting)),
            Err(error) if is_refusal(&error) => return Ok(Batch::NotTaken),
            Err(error) => return Err(error),
        };
        for record in records {
            let part = field.part(record.get(&field.name).unwrap_or(&Value::Null));
            if !asked.contains(&part) {
                strange += 1;
                continue;
            }
            // Of a key of one field it is the key.
            let key = if form.by.len() == 1 { part } else { form.key(&record) };
            fitting.push((key, record));
        }
        // A few strangers are letters that the CRM takes for the same (e and é).
        if strange >= 3 && strange > fitting.len() {
            return Ok(Batch::NotTaken);
        }
    }
}

#[cfg(test)]
#[path = "finder_tests.rs"]
mod tests;
