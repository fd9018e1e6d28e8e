//! Finding the records that rows mean: by `$in`, a hundred keys a request, or
//! by reading the object whole where the CRM does not take that filter.

use std::collections::HashMap;

use tokio::task::JoinSet;

use super::PipelineError;
use crate::crm::{Client, CrmError, ReadQuery, Reader, batches_for_in};
use crate::model::{Dictionary, FieldKind, Filter, Record, Value};
use crate::rules::names::folded;
use crate::store::RecordIndex;

/// A record that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its whole key, folded.
    pub key: String,
    /// The value of the field that the CRM is asked by.
    pub lead: Value,
}

/// Finds records of one object by one set of fields.
#[derive(Debug)]
pub struct Finder {
    client: Client,
    object: String,
    by: Vec<(String, FieldKind)>,
    separator: String,
    /// Which of `by` the CRM is asked by; none where no single field can be asked by.
    lead: Option<usize>,
    whole: Option<RecordIndex>,
    index_file: std::path::PathBuf,
}

/// Records by their folded key.
pub type FoundRecords = HashMap<String, Vec<Record>>;

impl Finder {
    /// A finder that has asked nothing yet. `index_file` is where the object is
    /// kept if it must be read whole.
    pub fn new(
        client: &Client,
        dictionary: &Dictionary,
        by: &[String],
        separator: &str,
        index_file: std::path::PathBuf,
    ) -> Self {
        let kind = |name: &String| dictionary.get(name).map_or(FieldKind::Memo, |field| field.kind.clone());
        Self {
            client: client.clone(),
            object: dictionary.object.clone(),
            by: by.iter().map(|name| (name.clone(), kind(name))).collect(),
            separator: separator.to_owned(),
            lead: Some(0),
            whole: None,
            index_file,
        }
    }

    /// The keys hold several fields in one text, so no single field can be asked by.
    #[must_use]
    pub fn without_lead(mut self) -> Self {
        self.lead = None;
        self
    }

    /// Chooses the field that the CRM is asked by.
    pub fn ask_by(&mut self, at: usize) {
        if self.lead.is_some() {
            self.lead = Some(at);
        }
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
            self.whole = Some(self.read_whole().await?);
        }
        self.find_in_whole(wanted)
    }

    /// Asks by `$in`; `None` if the CRM does not take that filter.
    async fn find_batched(
        &self,
        wanted: &[Wanted],
        lead: usize,
    ) -> Result<Option<FoundRecords>, PipelineError> {
        let field = &self.by[lead].0;
        let mut leads: Vec<Value> = Vec::with_capacity(wanted.len());
        let mut known = std::collections::HashSet::new();
        for one in wanted {
            if known.insert(&one.lead) {
                leads.push(one.lead.clone());
            }
        }
        let mut tasks = JoinSet::new();
        for batch in batches_for_in(&self.object, field, &leads) {
            let filter = Filter::any_of(field.clone(), batch.to_vec());
            tasks.spawn(read_batch(self.client.clone(), self.object.clone(), filter));
        }
        let keys: std::collections::HashSet<&str> = wanted.iter().map(|w| w.key.as_str()).collect();
        let asked: std::collections::HashSet<String> = leads.iter().map(|v| self.part(lead, v)).collect();
        let mut found = FoundRecords::new();
        let (mut fitting, mut strange) = (0_u64, 0_u64);
        while let Some(batch) = tasks.join_next().await {
            let records = match batch.map_err(|error| PipelineError::Fault(error.to_string()))? {
                Ok(records) => records,
                Err(error) if is_refusal(&error) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
            for record in records {
                let lead_value = record.get(field).unwrap_or(&Value::Null);
                if asked.contains(&self.part(lead, lead_value)) {
                    fitting += 1
                } else {
                    strange += 1
                }
                self.keep(record, &keys, &mut found);
            }
        }
        // A CRM that ignores the filter answers with whatever it has.
        Ok((strange <= fitting || strange < 3).then_some(found))
    }

    fn keep(&self, record: Record, keys: &std::collections::HashSet<&str>, found: &mut FoundRecords) {
        let key = self.key(&record);
        if keys.contains(key.as_str()) {
            let records = found.entry(key).or_default();
            if records.iter().all(|known| known.id != record.id) {
                records.push(record);
            }
        }
    }

    /// A record's key in the form in which keys are compared.
    fn key(&self, record: &Record) -> String {
        let parts = self.by.iter().enumerate();
        let parts: Vec<String> =
            parts.map(|(at, (name, _))| self.part(at, record.get(name).unwrap_or(&Value::Null))).collect();
        parts.join(&self.separator)
    }

    fn part(&self, at: usize, value: &Value) -> String {
        let text = value.to_text();
        match &self.by[at].1 {
            FieldKind::Date => text.chars().take(10).collect(),
            kind if kind.is_numeric() => {
                crate::model::Number::parse(text.trim()).map_or_else(|| text.to_string(), |n| n.to_string())
            }
            _ => folded(&text).into_owned(),
        }
    }

    async fn read_whole(&self) -> Result<RecordIndex, PipelineError> {
        let mut index = RecordIndex::create(&self.index_file)?;
        let mut reader = Reader::new(&self.client, &self.object, ReadQuery::default())?;
        while let Some(records) = reader.next().await? {
            let keyed: Vec<(String, &Record)> =
                records.iter().map(|record| (self.key(record), record)).collect();
            index.add(&keyed)?;
        }
        Ok(index)
    }

    fn find_in_whole(&self, wanted: &[Wanted]) -> Result<FoundRecords, PipelineError> {
        let mut found = FoundRecords::new();
        let Some(index) = &self.whole else { return Ok(found) };
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

/// Refusals that mean "not this filter", not "not you".
fn is_refusal(error: &CrmError) -> bool {
    matches!(
        error,
        CrmError::Refused { .. }
            | CrmError::Invalid { .. }
            | CrmError::InvalidRequest { .. }
            | CrmError::ServerError { .. }
            | CrmError::NotFound { .. }
    )
}

/// Up to a hundred records come in one request.
async fn read_batch(client: Client, object: String, filter: Filter) -> Result<Vec<Record>, CrmError> {
    let query = ReadQuery { filter: Some(filter), ..ReadQuery::default() };
    let (records, _) = Reader::new(&client, &object, query)?.all().await?;
    Ok(records)
}
