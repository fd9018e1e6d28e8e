//! Asking the CRM about rows: the records that they change, those that have
//! their keys, and those that they may have become.

use std::collections::{HashMap, HashSet};

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::SendSettings;
use crate::crm::{Client, ListQuery, Page, ReadQuery, Reader, batches_for_in};
use crate::model::{Action, Dictionary, Direction, FieldKind, Filter, Record, RecordId, Value};
use crate::pipeline::PipelineError;
use crate::pipeline::finder::{Finder, NewerReader, PROVEN, Parts, Wanted, is_refusal};
use crate::rules::settling::{Proof, Values, Verdict, holds, judge_change, values_of};
use crate::store::{Store, ToSend};

/// Records by the row that they may belong to.
pub(in crate::pipeline) type ByRow = HashMap<u64, Vec<Record>>;

/// What the CRM holds for each row in doubt, in the rows' order.
pub(super) type Verdicts = Vec<Finding>;

/// What was found for one row in doubt.
#[derive(Debug)]
pub(super) enum Finding {
    /// Of a create: records that may be the row's, and what they prove.
    Candidates(Proof, Vec<Record>),
    /// Of a create: nothing was found, and no record of the run bears witness
    /// yet that one would be.
    Unwitnessed,
    /// Of a change: told by the record itself.
    Judged(Verdict, Option<Record>),
}

/// Asks the CRM about rows of one run.
#[derive(Debug)]
pub(super) struct Asker {
    client: Client,
    dictionary: Dictionary,
    /// Finds records by the rows' keys; none where rows have none.
    keys: Option<Finder>,
    /// The same, from an index of what was newer once.
    indexed: Option<Finder>,
}

impl Asker {
    pub(super) fn new(client: &Client, settings: &SendSettings) -> Self {
        let key = strong_key(settings);
        let finder = |name: &str| {
            let scratch = settings.scratch.join(name);
            let mut finder = Finder::new(client, &settings.dictionary, &key, Parts::Apart, scratch);
            // Of several fields, by one of which the CRM is known to take the question.
            finder.ask_by(key.iter().position(|name| PROVEN.contains(&name.as_str())).unwrap_or(0));
            (!key.is_empty()).then_some(finder)
        };
        let (keys, indexed) = (finder("settle.tmp"), finder("newer.tmp"));
        Self { client: client.clone(), dictionary: settings.dictionary.clone(), keys, indexed }
    }

    /// The records that rows change or delete, by id, a hundred a request. One
    /// that a list lacks is asked for by its own address: a filter may leave it out.
    pub(super) async fn records_of(
        &self,
        rows: &[ToSend],
    ) -> Result<HashMap<RecordId, Record>, PipelineError> {
        let changes = rows.iter().filter(|row| row.action != Action::Create);
        let ids: Vec<RecordId> = changes.filter_map(|row| row.record).collect();
        let values: Vec<Value> = ids.iter().map(|id| id.to_value()).collect();
        let mut tasks = JoinSet::new();
        for batch in batches_for_in(&self.dictionary.object, "id", &values) {
            let query =
                ReadQuery { filter: Some(Filter::any_of("id", batch.to_vec())), ..ReadQuery::default() };
            let reader = Reader::new(&self.client, &self.dictionary.object, query)?;
            tasks.spawn(async move { reader.all().await.map(|(records, _)| records) });
        }
        let mut found = HashMap::with_capacity(ids.len());
        while let Some(batch) = tasks.join_next().await {
            let records = batch.map_err(|error| PipelineError::Fault(error.to_string()))?;
            found.extend(records?.into_iter().map(|record| (record.id, record)));
        }
        for id in ids {
            if !found.contains_key(&id)
                && let Some(record) = self.client.get(&self.dictionary.object, id, false).await?
            {
                found.insert(id, record);
            }
        }
        Ok(found)
    }

    /// The records that have rows' keys, as the CRM has them now; none where
    /// it cannot be asked by them.
    pub(super) async fn by_key(&mut self, rows: &[&ToSend]) -> Result<Option<ByRow>, PipelineError> {
        let Some(finder) = &mut self.keys else { return Ok(None) };
        let wanted: Vec<(u64, Wanted)> =
            rows.iter().filter_map(|row| Some((row.row, finder.wanted_of(&values_of(&row.body))?))).collect();
        let asked: Vec<Wanted> = wanted.iter().map(|(_, wanted)| wanted.clone()).collect();
        let Some(mut found) = finder.find_now(&asked).await? else { return Ok(None) };
        let rows = wanted.into_iter().filter_map(|(row, wanted)| Some((row, found.remove(&wanted.key)?)));
        Ok(Some(rows.collect()))
    }

    /// The records newer than an id that may belong to rows: those with their
    /// key, or where they have none, with the values that they sent.
    pub(super) async fn newer(&self, above: u64, rows: &[&ToSend]) -> Result<ByRow, PipelineError> {
        let mut found = ByRow::new();
        let sent: Vec<(u64, Values)> = rows.iter().map(|row| (row.row, values_of(&row.body))).collect();
        let mut reader = NewerReader::new(&self.client, &self.dictionary.object, above)?;
        while let Some(records) = reader.next().await? {
            for record in &records {
                for (row, values) in &sent {
                    if self.may_be(values, record) {
                        found.entry(*row).or_default().push(record.clone());
                    }
                }
            }
        }
        Ok(found)
    }

    /// The records above an id that have rows' keys, as they were at the first
    /// such question; for a CRM that cannot be asked by keys.
    pub(super) async fn by_key_indexed(
        &mut self,
        above: u64,
        rows: &[&ToSend],
    ) -> Result<Option<ByRow>, PipelineError> {
        let Some(finder) = &mut self.indexed else { return Ok(None) };
        let wanted: Vec<(u64, Wanted)> =
            rows.iter().filter_map(|row| Some((row.row, finder.wanted_of(&values_of(&row.body))?))).collect();
        finder.set_above(Some(above));
        let asked: Vec<Wanted> = wanted.iter().map(|(_, wanted)| wanted.clone()).collect();
        let mut found = finder.find_indexed(&asked).await?;
        let rows = wanted.into_iter().filter_map(|(row, wanted)| Some((row, found.remove(&wanted.key)?)));
        Ok(Some(rows.collect()))
    }

    /// Whether a record has a row's key, or where it has none, its values.
    fn may_be(&self, sent: &Values, record: &Record) -> bool {
        match &self.keys {
            Some(finder) => finder.wanted_of(sent).is_some_and(|wanted| wanted.key == finder.key(record)),
            None => holds(&self.dictionary, sent, record),
        }
    }
}

/// The fields that tell a new record from every other: the reference, else the
/// key; none where the file's rows have no key.
pub(super) fn strong_key(settings: &SendSettings) -> Vec<String> {
    telling(&settings.key, settings.reference.as_deref())
}

fn telling(key: &[String], reference: Option<&str>) -> Vec<String> {
    match reference {
        Some(reference) => vec![reference.to_owned()],
        // The CRM gives the id: a new record's row has none.
        None if key.iter().any(|name| name == "id") => Vec::new(),
        None => key.to_vec(),
    }
}

/// Whether rows in doubt may have to be looked for among new records: where
/// they have no key, or the CRM is not known to take the question for it.
pub(in crate::pipeline) fn needs_high_water(key: &[String], reference: Option<&str>) -> bool {
    let key = telling(key, reference);
    key.is_empty() || !key.iter().any(|name| PROVEN.contains(&name.as_str()))
}

/// Finds out what rows in doubt have come to.
#[derive(Debug)]
pub(in crate::pipeline) struct Settler {
    asker: Asker,
    /// The largest id before the run's first create, where that is known.
    high_water: Option<u64>,
    /// A record that the run made, by which the question for keys shows whether
    /// it is answered, and since when it is known.
    witness: Option<(ToSend, Instant)>,
    /// It is: what it does not find is not there.
    proven: bool,
    /// Finds records by one of the values that were sent.
    by_value: Option<(String, Finder)>,
    settings: SendSettings,
}

impl Settler {
    pub(in crate::pipeline) fn new(
        client: &Client,
        settings: &SendSettings,
        store: &Store,
    ) -> Result<Self, PipelineError> {
        Ok(Self {
            asker: Asker::new(client, settings),
            high_water: store.get("high_water")?,
            witness: None,
            proven: strong_key(settings).iter().any(|name| PROVEN.contains(&name.as_str())),
            by_value: None,
            settings: settings.clone(),
        })
    }

    /// Takes a record of the run's own as a witness, once there is one.
    pub(super) fn call_witness(&mut self, store: &Store) -> Result<(), PipelineError> {
        if self.witness.is_none() && !self.proven {
            self.witness = store.first_made()?.map(|row| (row, Instant::now()));
        }
        Ok(())
    }

    /// The records that rows' keys name, and whether finding none proves
    /// anything. What is not found is looked for among the newer ones, as long
    /// as nothing shows that the CRM answers this question.
    async fn by_proven_key(&mut self, rows: &[&ToSend]) -> Result<(ByRow, Option<Proof>), PipelineError> {
        let asked = self.asker.by_key(rows).await?;
        // One that may not be seen yet bears no witness.
        let settle = self.settings.settle;
        let witness = self.witness.clone().filter(|(_, since)| since.elapsed() >= settle).map(|(row, _)| row);
        if asked.is_some()
            && !self.proven
            && let Some(witness) = &witness
        {
            let known = self.asker.by_key(&[witness]).await?;
            let records = known.and_then(|mut known| known.remove(&witness.row)).unwrap_or_default();
            self.proven = records.iter().any(|record| Some(record.id) == witness.record);
        }
        let is_proven = asked.is_some() && self.proven;
        let mut found = asked.unwrap_or_default();
        let mut missing: Vec<&ToSend> =
            rows.iter().copied().filter(|row| !found.contains_key(&row.row)).collect();
        if is_proven || missing.is_empty() {
            return Ok((found, Some(Proof::Strong)));
        }
        missing.extend(&witness);
        let mut newer = self.asker.newer(self.high_water.unwrap_or(0), &missing).await?;
        let seen = witness.as_ref().map(|witness| newer.remove(&witness.row).is_some());
        found.extend(newer);
        // The CRM changes keys as it stores them: by one, its own record is not found.
        Ok((found, seen.map(|seen| if seen { Proof::Strong } else { Proof::Weak })))
    }

    /// What the CRM holds for each of the rows, in their order.
    pub(super) async fn find(&mut self, rows: &[ToSend]) -> Result<Verdicts, PipelineError> {
        let changes = self.asker.records_of(rows).await?;
        let creates: Vec<&ToSend> = rows.iter().filter(|row| row.action == Action::Create).collect();
        let (keyed, keyless): (Vec<&ToSend>, Vec<&ToSend>) =
            creates.into_iter().partition(|row| self.has_key(row));
        let (mut found, of_keys) = match keyed.is_empty() {
            true => (ByRow::new(), Some(Proof::Strong)),
            false => self.by_proven_key(&keyed).await?,
        };
        found.extend(self.by_values(&keyless).await?);
        let judge = |row: &ToSend| match row.action {
            Action::Create => {
                let records = found.remove(&row.row).unwrap_or_default();
                match of_keys {
                    _ if !self.has_key(row) => Finding::Candidates(Proof::Weak, records),
                    None if records.is_empty() => Finding::Unwitnessed,
                    None => Finding::Candidates(Proof::Strong, records),
                    Some(proof) => Finding::Candidates(proof, records),
                }
            }
            Action::Update | Action::Delete => {
                let record = row.record.and_then(|id| changes.get(&id));
                let (sent, before) = (values_of(&row.body), values_of(row.before.as_deref().unwrap_or("{}")));
                let (dictionary, image) = (&self.settings.dictionary, row.image.as_deref());
                let verdict = judge_change(dictionary, row.action, record, &sent, &before, image);
                Finding::Judged(verdict, record.cloned())
            }
        };
        Ok(rows.iter().map(judge).collect())
    }

    /// Records that rows may be, whether or not they have all of the values
    /// that were sent: what a person decides by.
    pub(in crate::pipeline) async fn candidates(&mut self, rows: &[ToSend]) -> Result<ByRow, PipelineError> {
        let mut found = ByRow::new();
        let mut keyless = Vec::new();
        for (row, finding) in rows.iter().zip(self.find(rows).await?) {
            match finding {
                Finding::Candidates(Proof::Strong, records) => drop(found.insert(row.row, records)),
                Finding::Candidates(Proof::Weak, _) | Finding::Unwitnessed => {
                    keyless.push((row.row, values_of(&row.body)));
                }
                Finding::Judged(_, record) => drop(found.insert(row.row, record.into_iter().collect())),
            }
        }
        let (Some(field), Some(records)) =
            (self.telling_field(&keyless), self.with_a_value_of(&keyless).await?)
        else {
            return Ok(found);
        };
        for (row, values) in keyless {
            let Some((_, value)) = values.iter().find(|(name, _)| *name == field) else { continue };
            let same = vec![(field.clone(), value.clone())];
            let is_like =
                |record: &&Record| self.is_newer(record) && holds(&self.settings.dictionary, &same, record);
            found.insert(row, records.iter().filter(is_like).cloned().collect());
        }
        Ok(found)
    }

    fn is_newer(&self, record: &Record) -> bool {
        self.high_water.is_some_and(|high_water| record.id.get() > high_water)
    }

    /// Whether a record may be a row's at all: it has the row's key, or where
    /// rows have none, it is newer than the run.
    pub(in crate::pipeline) fn may_be(&self, row: &ToSend, record: &Record) -> bool {
        if row.action != Action::Create {
            return row.record == Some(record.id);
        }
        let wanted = self.asker.keys.as_ref().and_then(|keys| keys.wanted_of(&values_of(&row.body)));
        match (&self.asker.keys, wanted) {
            (Some(keys), Some(wanted)) => keys.key(record) == wanted.key,
            _ => self.is_newer(record),
        }
    }

    /// The first of the rows whose key the CRM has, and the records that have it.
    pub(in crate::pipeline) async fn keys_taken(
        &mut self,
        rows: &[ToSend],
    ) -> Result<Option<(u64, String)>, PipelineError> {
        for (row, finding) in rows.iter().zip(self.find(rows).await?) {
            if let Finding::Candidates(Proof::Strong, records) = finding
                && !records.is_empty()
            {
                let ids: Vec<RecordId> = records.iter().map(|record| record.id).collect();
                let word = if ids.len() == 1 { "id" } else { "ids" };
                return Ok(Some((row.row, format!("{word} {}", super::judging::ids_in_words(&ids)))));
            }
        }
        Ok(None)
    }

    fn has_key(&self, row: &ToSend) -> bool {
        self.asker.keys.as_ref().is_some_and(|finder| finder.wanted_of(&values_of(&row.body)).is_some())
    }

    /// Records newer than the run with the very values that rows sent.
    async fn by_values(&mut self, rows: &[&ToSend]) -> Result<ByRow, PipelineError> {
        // Where it is not known which records are newer, every one could be an older one.
        let (false, Some(above)) = (rows.is_empty(), self.high_water) else { return Ok(ByRow::new()) };
        let sent: Vec<(u64, Values)> = rows.iter().map(|row| (row.row, values_of(&row.body))).collect();
        let Some(records) = self.with_a_value_of(&sent).await? else {
            return self.asker.newer(above, rows).await;
        };
        let dictionary = &self.settings.dictionary;
        let newer: Vec<&Record> = records.iter().filter(|record| self.is_newer(record)).collect();
        let fitting = |values: &Values| -> Vec<Record> {
            newer.iter().filter(|record| holds(dictionary, values, record)).map(|&one| one.clone()).collect()
        };
        Ok(sent.iter().map(|(row, values)| (*row, fitting(values))).collect())
    }

    /// Records that have, in one telling field, a value that one of the rows
    /// sent; none where the CRM cannot be asked so.
    async fn with_a_value_of(
        &mut self,
        sent: &[(u64, Values)],
    ) -> Result<Option<Vec<Record>>, PipelineError> {
        let Some(field) = self.telling_field(sent) else { return Ok(None) };
        if self.by_value.as_ref().is_none_or(|(known, _)| *known != field) {
            let scratch = self.settings.scratch.join("settle-value.tmp");
            let by = [field.clone()];
            let finder =
                Finder::new(&self.asker.client, &self.settings.dictionary, &by, Parts::Apart, scratch)
                    .above(self.high_water);
            self.by_value = Some((field, finder));
        }
        let Some((_, finder)) = &mut self.by_value else { return Ok(None) };
        let mut asked = HashSet::new();
        let wanted: Vec<Wanted> = sent
            .iter()
            .filter_map(|(_, values)| finder.wanted_of(values))
            .filter(|wanted| asked.insert(wanted.key.clone()))
            .collect();
        let found = finder.find_now(&wanted).await?;
        Ok(found.map(|found| found.into_values().flatten().collect()))
    }

    /// A text field that every row sent, `name` above all: of it the CRM is
    /// known to take the question.
    fn telling_field(&self, sent: &[(u64, Values)]) -> Option<String> {
        let is_text = |name: &str| {
            self.settings
                .dictionary
                .get(name)
                .is_some_and(|field| matches!(field.kind, FieldKind::Text | FieldKind::Email))
        };
        let (_, first) = sent.first()?;
        let names = first.iter().map(|(name, _)| name.as_str()).filter(|name| is_text(name));
        let in_all = |name: &&str| {
            sent.iter().all(|(_, values)| values.iter().any(|(known, v)| known == name && !v.is_blank()))
        };
        let names: Vec<&str> = names.filter(in_all).collect();
        let preferred = ["name", "email", "last", "subject"].into_iter().find(|name| names.contains(name));
        preferred.or(names.first().copied()).map(str::to_owned)
    }
}

/// The largest id that an object has: no record of the run is below it.
///
/// Whether the CRM sorts is not proven (source: field notes, "Paging"), so
/// what it gives first is only where the search begins.
pub(in crate::pipeline) async fn high_water(
    client: &Client,
    dictionary: &Dictionary,
) -> Result<u64, PipelineError> {
    let object = &dictionary.object;
    let highest = |records: &[Record]| records.iter().map(|record| record.id.get()).max().unwrap_or(0);
    let newest = vec![("id".to_owned(), Direction::Descending)];
    let query = ListQuery { order: newest, ..ListQuery::default() };
    let mut high = match client.list(object, &query).await {
        Ok(page) if is_newest_first(&page) => return Ok(highest(&page.records)),
        Ok(page) => highest(&page.records),
        Err(error) if is_refusal(&error) => {
            let first = client.list(object, &ListQuery::default()).await?;
            let last = first.total.map(|total| total.div_ceil(100).max(1));
            let query = ListQuery { page: last, ..ListQuery::default() };
            let page = client.list(object, &query).await?;
            highest(&first.records).max(highest(&page.records))
        }
        Err(error) => return Err(error.into()),
    };
    let mut reader = NewerReader::new(client, object, high)?;
    while let Some(records) = reader.next().await? {
        high = high.max(highest(&records));
    }
    Ok(high)
}

/// Whether a page shows by itself that it begins with the newest record: it
/// has all there are, or more than one and each older than the one before.
fn is_newest_first(page: &Page) -> bool {
    let count = page.records.len() as u64;
    let is_all = page.total == Some(count) && page.has_more != Some(true);
    is_all || (count > 1 && page.records.is_sorted_by(|a, b| a.id > b.id))
}
