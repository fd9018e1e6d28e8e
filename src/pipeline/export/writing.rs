//! Writing pages of records into an output, column by column.

use std::collections::{BTreeMap, HashMap};

use super::Exporter;
use super::contents::COLUMN;
use super::plan::Plan;
use super::reading::{FULL_PAGE, ReadIn, UNSURE};
use super::resolve::{PAGES_TOGETHER, Resolver};
use crate::crm::{RecordRef, Records};
use crate::model::ValueRef;
use crate::pipeline::PipelineError;
use crate::rules::exported::date_of_change;
use crate::tabular::RecordWriter;

/// Where fields stand among a record's names. Most records of a page have the same ones.
#[derive(Debug, Default)]
pub(super) struct Places {
    places: Vec<Option<usize>>,
    shape: Option<usize>,
}

impl Places {
    /// Of each field, for a record of the same page as the one before.
    pub fn of<'f>(
        &mut self,
        record: RecordRef<'_>,
        fields: impl Iterator<Item = &'f str>,
    ) -> &[Option<usize>] {
        if self.shape != Some(record.shape()) {
            self.shape = Some(record.shape());
            let known = record.names();
            self.places.clear();
            self.places.extend(fields.map(|field| known.iter().position(|name| **name == *field)));
        }
        &self.places
    }
}

/// The records of one object on their way into an output.
pub(super) struct Writing<'w> {
    pub plan: &'w mut Plan,
    writer: &'w mut dyn RecordWriter,
    /// Where there are names to be looked up.
    resolver: Option<Resolver>,
    /// Pages that wait until their names are looked up together, and whether it was asked before
    /// them when a record was last changed.
    waiting: Vec<(Records, bool)>,
    read: ReadIn,
    /// When a record was last changed before the first was read.
    pub before: String,
    /// Pages that may have been read before it was asked when a record was last changed.
    unsure_pages: usize,
    exporter: &'w Exporter<'w>,
    /// Where the files of the page's documents are, by their ids.
    files: HashMap<u64, String>,
}

impl<'w> Writing<'w> {
    pub fn new(
        exporter: &'w Exporter<'w>,
        plan: &'w mut Plan,
        writer: &'w mut dyn RecordWriter,
        before: Option<&str>,
    ) -> Result<Self, PipelineError> {
        let resolver = if plan.resolutions.is_empty() {
            None
        } else {
            Some(Resolver::new(exporter.client, &plan.resolutions, &exporter.journal.scratch()?))
        };
        let (waiting, files) = (Vec::new(), HashMap::new());
        let read = ReadIn { changed_meanwhile: Some(BTreeMap::new()), ..ReadIn::default() };
        let before = before.unwrap_or_default().to_owned();
        Ok(Self { plan, writer, resolver, waiting, read, before, unsure_pages: 0, exporter, files })
    }

    /// Takes a page; of an incremental export, those records that are news.
    pub async fn page(&mut self, mut page: Records) -> Result<(), PipelineError> {
        // A short first page is its own measure.
        let is_sure = self.unsure_pages >= UNSURE || (self.unsure_pages == 0 && page.len() < FULL_PAGE);
        self.unsure_pages = if is_sure { UNSURE } else { self.unsure_pages + 1 };
        if let Some(changes) = &mut self.plan.changes {
            page.retain(|record| changes.is_news(record));
        }
        self.waiting.push((page, is_sure));
        let is_enough = self.resolver.is_none() || self.waiting.len() >= PAGES_TOGETHER;
        if is_enough { self.write().await } else { Ok(()) }
    }

    /// Writes what waits; what was written in all.
    pub async fn finish(mut self) -> Result<ReadIn, PipelineError> {
        self.write().await?;
        self.read.keep_dates(&self.before);
        self.read.guarded = self.writer.guarded();
        self.read.lines = self.writer.lines();
        Ok(self.read)
    }

    async fn write(&mut self) -> Result<(), PipelineError> {
        if let Some(resolver) = &mut self.resolver {
            let pages: Vec<&Records> = self.waiting.iter().map(|(page, _)| page).collect();
            resolver.learn(&pages).await?;
        }
        for (page, is_sure) in std::mem::take(&mut self.waiting) {
            if let Some(contents) = self.exporter.contents() {
                self.files = contents.load(&page, self.exporter.client, self.exporter.stop).await?;
            }
            self.write_page(&page)?;
            let after = if is_sure { self.before.as_str() } else { "" };
            let dated = date_of_change(&self.plan.dictionary).filter(|_| !self.before.is_empty());
            self.read.add(&page, dated, after);
        }
        Ok(())
    }

    /// Writes the columns' values of each record.
    fn write_page(&mut self, page: &Records) -> Result<(), PipelineError> {
        if let Some(reversed) = &mut self.plan.reversed {
            return reversed.write(page, self.resolver.as_ref(), self.writer);
        }
        let Plan { fields, names, .. } = &*self.plan;
        let mut values = Vec::with_capacity(fields.len());
        let has_files = self.exporter.settings.content.is_some();
        let file_at = fields.iter().position(|field| has_files && field.name == COLUMN);
        let mut places = Places::default();
        for record in page.iter() {
            values.clear();
            let of_record = places.of(record, fields.iter().map(|field| field.name.as_str()));
            for (place, lookup) in of_record.iter().zip(names) {
                let name = lookup.and_then(|lookup| self.resolver.as_ref()?.name(lookup, record));
                values.push(match (name, place) {
                    (Some(name), _) => ValueRef::Text(name),
                    (None, Some(at)) if lookup.is_none() => record.value(*at),
                    (None, _) => ValueRef::Null,
                });
            }
            if let Some(value) = file_at.and_then(|at| values.get_mut(at)) {
                let file = self.files.get(&record.id().get());
                *value = file.map_or(ValueRef::Null, |file| ValueRef::Text(file));
            }
            self.writer.write_refs(&values)?;
        }
        Ok(())
    }
}
