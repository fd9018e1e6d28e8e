//! What the CRM has changed about a mapping's fields since its last run.
//!
//! Each run keeps the fields of its object as they were. Before a mapping is
//! used again they are held against what the CRM says now.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::value::RawValue;

use super::{Catalog, Event, Job, JobSettings, PipelineError, Reporter};
use crate::crm::Snapshot;
use crate::model::{Dictionary, Header, Notice, shown};
use crate::rules::drift::drift;
use crate::rules::mapping::Mapping;
use crate::rules::names::folded;
use crate::store::{Store, StoreError, newest_runs};

/// How many of an object's runs are looked through for the last one of a mapping.
const MOST_RUNS: usize = 200;

/// Where earlier runs are, and which CRM is worked with.
#[derive(Clone, Debug)]
pub struct EarlierRuns {
    /// Where runs are kept; the folder need not be there.
    pub runs: PathBuf,
    /// The CRM's address as runs store it; none where no CRM is asked.
    pub base_url: Option<String>,
}

/// A change of the CRM's fields, as `check --json` tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Drifted {
    /// The field's API name.
    pub field: String,
    /// The kind of change, in a word.
    pub change: &'static str,
    /// The change in one sentence.
    pub message: String,
    /// The run that saw the field as it was.
    pub since: String,
}

/// An earlier run of the mapping, and the fields that it saw.
struct Witness {
    run: String,
    base_url: String,
    dictionary: Dictionary,
}

/// Compares the fields with those that the mapping's last run saw, and tells
/// each change as a notice.
pub(super) fn tell_drift(
    settings: &JobSettings,
    mapping: &Mapping,
    header: &Header,
    dictionary: &Dictionary,
    catalog: &Catalog,
    reporter: &dyn Reporter,
) -> Vec<Drifted> {
    let Some(earlier) = &settings.earlier else { return Vec::new() };
    let wanted = Wanted {
        object: &dictionary.object,
        mapping: settings.mapping.as_deref(),
        text: &mapping.text,
        base_url: earlier.base_url.as_deref(),
        taken_from: taken_from(catalog),
    };
    let Some(witness) = wanted.last_run(&earlier.runs) else { return Vec::new() };
    let mode = settings.mode.unwrap_or_else(|| mapping.mode());
    let mapped = mapped_names(mapping, header, &witness.dictionary);
    // A run that went elsewhere may have seen another tenant's fields.
    let is_known = earlier.base_url.is_some() || wanted.taken_from == Some(witness.base_url.as_str());
    let elsewhere = match is_known {
        true => String::new(),
        false => format!(", which went into {}", shown(&witness.base_url).cut(120)),
    };
    let found = drift(&witness.dictionary, dictionary, &mapped, mode.creates());
    let drifted = found.into_iter().map(|drift| {
        let notice = format!("since run {}{elsewhere}: {}", shown(&witness.run), drift.message);
        reporter.event(Event::Notice(Notice(notice)));
        Drifted {
            field: drift.field,
            change: drift.change.word(),
            message: drift.message,
            since: witness.run.clone(),
        }
    });
    drifted.collect()
}

/// The address that a dictionary's file says it was taken from.
fn taken_from(catalog: &Catalog) -> Option<&str> {
    match catalog {
        Catalog::Snapshot(snapshot) => snapshot.source.as_deref(),
        Catalog::Crm(_) => None,
    }
}

/// The fields that the mapping fills. Without a mapping file, those that stand
/// in the header and could be written when the earlier run saw them.
fn mapped_names<'a>(mapping: &'a Mapping, header: &Header, before: &'a Dictionary) -> Vec<&'a str> {
    let mut names: Vec<&str> = mapping.fields.iter().map(|(name, _)| name.value.as_str()).collect();
    if !mapping.text.is_empty() {
        return names;
    }
    for field in before.fields().iter().filter(|field| !field.read_only) {
        let is_column = header.columns.iter().any(|column| folded(&column.name) == folded(&field.name));
        if is_column && !names.contains(&field.name.as_str()) {
            names.push(&field.name);
        }
    }
    names
}

/// Which earlier run is looked for.
struct Wanted<'a> {
    object: &'a str,
    mapping: Option<&'a Path>,
    text: &'a str,
    base_url: Option<&'a str>,
    taken_from: Option<&'a str>,
}

impl Wanted<'_> {
    /// The newest run of the mapping. Without a CRM, one into the CRM that the
    /// dictionary was taken from goes before all others.
    fn last_run(&self, runs: &Path) -> Option<Witness> {
        let mut other = None;
        for (run, store) in newest_runs(runs, self.object, MOST_RUNS) {
            let Ok(Some(witness)) = self.witness(run, &store) else { continue };
            if self.taken_from.is_none_or(|from| from == witness.base_url) || self.base_url.is_some() {
                return Some(witness);
            }
            other = other.or(Some(witness));
        }
        other
    }

    /// What a run saw, if it is one of this mapping, object and CRM.
    fn witness(&self, run: String, store: &Store) -> Result<Option<Witness>, StoreError> {
        let base_url: String = store.fact("base_url")?;
        let is_of_crm = self.base_url.is_none_or(|wanted| wanted == base_url);
        if !is_of_crm || store.fact::<String>("object")? != self.object || !self.is_of_mapping(store)? {
            return Ok(None);
        }
        let Some(fields) = store.get::<Box<RawValue>>("fields")? else { return Ok(None) };
        let dictionary =
            Snapshot::parse(fields.get()).ok().and_then(|mut snapshot| snapshot.objects.remove(self.object));
        Ok(dictionary.map(|dictionary| Witness { run, base_url, dictionary }))
    }

    fn is_of_mapping(&self, store: &Store) -> Result<bool, StoreError> {
        let path: Option<PathBuf> = store.get("mapping_path")?;
        if let (Some(path), Some(mapping)) = (&path, self.mapping)
            && is_same_file(path, mapping)
        {
            return Ok(true);
        }
        // Without a mapping file the text is empty: runs with --object are each other's.
        Ok(store.get::<String>("mapping")?.is_some_and(|text| text == self.text))
    }
}

/// Whether two paths are one, or lead to one file.
fn is_same_file(known: &Path, given: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    known == absolute(given) || real(known).is_some_and(|known| Some(known) == real(given))
}

/// The path from the root on.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The object's fields as they were when the run was planned; a run that does
/// not know them has none.
pub(super) fn dictionary_of(store: &Store) -> Result<Dictionary, PipelineError> {
    let object: String = store.fact("object")?;
    let fields = store.get::<Box<RawValue>>("fields")?;
    let known = fields.and_then(|fields| Snapshot::parse(fields.get()).ok()?.objects.remove(&object));
    Ok(known.unwrap_or_else(|| Dictionary::new(object, Vec::new())))
}

/// Keeps with the run where its mapping is and the object's fields as they are
/// now; of the lists, those of the fields that it fills.
pub(super) fn store_fields(store: &Store, job: &Job) -> Result<(), PipelineError> {
    if let Some(path) = &job.mapping_path {
        store.set("mapping_path", path)?;
    }
    let mut dictionary = job.dictionary.clone();
    let filled = |name: &str| job.program.fields.iter().any(|field| field.field.name == name);
    let unused: Vec<String> =
        dictionary.fields().iter().map(|field| field.name.clone()).filter(|name| !filled(name)).collect();
    for name in unused {
        if let Some(lookup) = dictionary.get_mut(&name).and_then(|field| field.lookup.as_mut()) {
            lookup.values = None;
        }
    }
    let objects = [(dictionary.object.clone(), dictionary)].into();
    let json = Snapshot { source: None, objects }.to_json();
    let json = RawValue::from_string(json).map_err(|error| PipelineError::Fault(error.to_string()))?;
    store.set("fields", &json)?;
    Ok(())
}
