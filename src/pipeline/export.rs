//! Records out of the CRM into files.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{Catalog, Event, Phase, PipelineError, Reporter, seconds};
use crate::crm::{Client, ReadQuery, Reader, Records};
use crate::model::{
    Calls, Dictionary, Direction, Field, FieldKind, Notice, Order, ValueRef, shown, shown_path,
};
use crate::rules::language::parse_filter;
use crate::rules::nearest::nearest;
use crate::tabular::{CsvOptions, Output, RecordWriter, TextTarget, XlsxBook, csv_writer, jsonl_writer};

/// The form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// Comma-separated, UTF-8.
    Csv,
    /// A workbook.
    Xlsx,
    /// One JSON object a line.
    Jsonl,
}

impl ExportFormat {
    /// The file's ending.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
            Self::Jsonl => "jsonl",
        }
    }

    /// Reads an ending or the word of `--format`.
    pub fn from_word(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "xlsx" => Some(Self::Xlsx),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            _ => None,
        }
    }
}

/// Where an export goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Standard output.
    Standard,
    /// One file.
    File(PathBuf),
    /// A file for each object in a folder.
    Folder(PathBuf),
}

/// What to export, and how.
#[derive(Clone, Debug)]
pub struct ExportSettings {
    /// The objects.
    pub objects: Vec<String>,
    /// Where to.
    pub target: Target,
    /// In which form.
    pub format: ExportFormat,
    /// `--fields`: only these, in this order; all if empty.
    pub fields: Vec<String>,
    /// `--where`
    pub condition: Option<String>,
    /// `--q`, passed on as it is.
    pub raw_filter: Option<String>,
    /// `--order`: names, a `-` in front for descending.
    pub order: Vec<String>,
    /// `--limit`
    pub limit: Option<u64>,
    /// `--lines`
    pub lines: bool,
    /// Replace what is there.
    pub force: bool,
    /// CSV: a byte-order mark, for Excel.
    pub excel: bool,
    /// CSV: no formula guard.
    pub raw: bool,
}

/// What an export did; the document of `--json`.
#[derive(Clone, Debug, Serialize)]
pub struct ExportSummary {
    /// Object by object.
    pub objects: Vec<ExportedObject>,
    /// Requests by method.
    pub calls: Calls,
    /// Seconds, with three decimals.
    pub elapsed_s: f64,
    /// `finished`, or `cancelled`.
    pub state: String,
}

/// One object of an export.
#[derive(Clone, Debug, Serialize)]
pub struct ExportedObject {
    /// Its API name.
    pub object: String,
    /// How many records were written.
    pub records: u64,
    /// The file that holds them; `-` for standard output.
    pub file: String,
}

/// One object, ready to be read.
struct Plan {
    dictionary: Dictionary,
    fields: Vec<Field>,
    query: ReadQuery,
}

/// Exports every object of the settings.
pub async fn export(
    settings: &ExportSettings,
    client: &Client,
    catalog: &Catalog,
    reporter: &dyn Reporter,
    stop: &CancellationToken,
) -> Result<ExportSummary, PipelineError> {
    let begun = Instant::now();
    let mut plans = Vec::new();
    for object in &settings.objects {
        plans.push(plan(object, settings, catalog).await?);
    }
    let job = Exporter { settings, client, reporter, stop };
    let objects = match (&settings.target, settings.format) {
        (Target::File(path), ExportFormat::Xlsx) => job.workbook(path, plans).await?,
        (Target::Folder(folder), _) => job.folder(folder, plans).await?,
        (Target::File(path), _) => job.one_file(path, plans).await?,
        (Target::Standard, _) => job.standard_output(plans).await?,
    };
    let (calls, elapsed_s) = (client.calls(), seconds(begun.elapsed()));
    Ok(ExportSummary { objects, calls, elapsed_s, state: "finished".to_owned() })
}

async fn plan(object: &str, settings: &ExportSettings, catalog: &Catalog) -> Result<Plan, PipelineError> {
    let dictionary = catalog.dictionary(object, |_| false).await?;
    let fields = chosen_fields(&dictionary, &settings.fields, settings.lines)?;
    let filter = settings.condition.as_deref().map(|text| parse_filter(text, &dictionary)).transpose()?;
    if let Some(raw) = &settings.raw_filter
        && let Err(error) = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(raw)
    {
        let message = format!("--q is not a JSON object: {}", shown(&error.to_string()));
        return Err(PipelineError::usage(message, "for example: --q '{\"type\": \"Customer\"}'"));
    }
    let order = order(&dictionary, &settings.order)?;
    let lines = settings.lines && object == "opportunities";
    let query =
        ReadQuery { filter, raw_filter: settings.raw_filter.clone(), order, lines, limit: settings.limit };
    Ok(Plan { dictionary, fields, query })
}

/// The fields to write: those asked for, else all with `id` first.
fn chosen_fields(
    dictionary: &Dictionary,
    names: &[String],
    lines: bool,
) -> Result<Vec<Field>, PipelineError> {
    let id = dictionary.get("id").cloned().unwrap_or_else(|| Field::new("id", FieldKind::Number));
    let mut fields = vec![id];
    if names.is_empty() {
        fields.extend(dictionary.fields().iter().filter(|field| field.name != "id").cloned());
    } else if names.iter().any(|name| name == "id") {
        fields.clear();
    }
    for name in names {
        match dictionary
            .get(name)
            .cloned()
            .or_else(|| (name == "id").then(|| Field::new("id", FieldKind::Number)))
        {
            // A column that is asked for twice is written once: JSON has no place for two.
            Some(field) if fields.iter().any(|known| known.name == field.name) => {}
            Some(field) => fields.push(field),
            None => return Err(no_such_field(dictionary, name)),
        }
    }
    if lines && dictionary.object == "opportunities" {
        fields.push(Field::new("lines", FieldKind::Other("lines".to_owned())));
    }
    Ok(fields)
}

fn no_such_field(dictionary: &Dictionary, name: &str) -> PipelineError {
    let names = dictionary.fields().iter().map(|field| field.name.as_str());
    let near = nearest(name, names).map(|near| format!("; nearest: {}", shown(near))).unwrap_or_default();
    let object = shown(&dictionary.object);
    PipelineError::usage(
        format!("{object} has no field \"{}\"{near}", shown(name)),
        format!("see: carafe describe {object}"),
    )
}

fn order(dictionary: &Dictionary, names: &[String]) -> Result<Order, PipelineError> {
    let mut order = Order::new();
    for name in names {
        let (name, direction) = match name.strip_prefix('-') {
            Some(name) => (name, Direction::Descending),
            None => (name.as_str(), Direction::Ascending),
        };
        if dictionary.get(name).is_none() && name != "id" {
            return Err(no_such_field(dictionary, name));
        }
        order.push((name.to_owned(), direction));
    }
    Ok(order)
}

struct Exporter<'a> {
    settings: &'a ExportSettings,
    client: &'a Client,
    reporter: &'a dyn Reporter,
    stop: &'a CancellationToken,
}

impl Exporter<'_> {
    fn text_writer<'w>(
        &self,
        target: TextTarget<'w>,
        plan: &Plan,
    ) -> Result<Box<dyn RecordWriter + 'w>, PipelineError> {
        let options = CsvOptions { excel: self.settings.excel, guard: !self.settings.raw };
        Ok(match self.settings.format {
            ExportFormat::Jsonl => jsonl_writer(target, &plan.fields)?,
            ExportFormat::Csv | ExportFormat::Xlsx => csv_writer(target, &plan.fields, options)?,
        })
    }

    fn tell(&self, notices: Vec<Notice>) {
        notices.into_iter().for_each(|notice| self.reporter.event(Event::Notice(notice)));
    }

    async fn workbook(&self, path: &Path, plans: Vec<Plan>) -> Result<Vec<ExportedObject>, PipelineError> {
        let mut book = XlsxBook::create(Output::create(path, self.settings.force)?)?;
        let mut done = Vec::new();
        for plan in plans {
            let mut sheet = book.sheet(&plan.dictionary.object, &plan.fields)?;
            let records = self.read(&plan, sheet.as_mut()).await?;
            self.tell(sheet.finish()?);
            done.push(exported(&plan, records, path));
        }
        self.tell(book.finish()?);
        Ok(done)
    }

    async fn folder(&self, folder: &Path, plans: Vec<Plan>) -> Result<Vec<ExportedObject>, PipelineError> {
        std::fs::create_dir_all(folder).map_err(|error| {
            PipelineError::usage(
                format!("cannot use the folder {}: {error}", shown_path(folder)),
                "name a folder that can be written",
            )
        })?;
        let mut done = Vec::new();
        for plan in plans {
            let name = crate::store::slug(&plan.dictionary.object);
            let path = folder.join(format!("{name}.{}", self.settings.format.ending()));
            if self.settings.format == ExportFormat::Xlsx {
                done.extend(Box::pin(self.workbook(&path, vec![plan])).await?);
            } else {
                done.extend(self.one_file(&path, vec![plan]).await?);
            }
        }
        Ok(done)
    }

    async fn one_file(&self, path: &Path, plans: Vec<Plan>) -> Result<Vec<ExportedObject>, PipelineError> {
        let mut done = Vec::new();
        for plan in plans {
            let output = Output::create(path, self.settings.force)?;
            let mut writer = self.text_writer(output.into(), &plan)?;
            let records = self.read(&plan, writer.as_mut()).await?;
            self.tell(writer.finish()?);
            done.push(exported(&plan, records, path));
        }
        Ok(done)
    }

    async fn standard_output(&self, plans: Vec<Plan>) -> Result<Vec<ExportedObject>, PipelineError> {
        let mut done = Vec::new();
        for plan in plans {
            let output = TextTarget::stream(std::io::stdout(), "standard output");
            let mut writer = self.text_writer(output, &plan)?;
            let records = self.read(&plan, writer.as_mut()).await?;
            self.tell(writer.finish()?);
            done.push(exported(&plan, records, Path::new("-")));
        }
        Ok(done)
    }

    async fn read(&self, plan: &Plan, writer: &mut dyn RecordWriter) -> Result<u64, PipelineError> {
        let object = &plan.dictionary.object;
        self.reporter.event(Event::Begin {
            phase: Phase::Read,
            what: object.clone(),
            total: plan.query.limit,
        });
        let mut reader = Reader::new(self.client, object, plan.query.clone())?;
        let mut records = 0;
        loop {
            let page = tokio::select! {
                page = reader.next_page() => page?,
                () = self.stop.cancelled() => return Err(PipelineError::Cancelled),
            };
            let Some(page) = page else { break };
            write_page(&page, &plan.fields, writer)?;
            records += page.len() as u64;
            self.reporter.event(Event::Progress { phase: Phase::Read, done: records });
        }
        self.reporter.event(Event::End(Phase::Read));
        let (unfit, object) = (reader.summary().unfit, shown(object));
        if unfit > 0 {
            self.reporter.event(Event::Notice(Notice(format!(
                "{object}: {unfit} of the records do not fulfil the condition as carafe reads it; \
                 the CRM may compare in its own way or not know an operator"
            ))));
        }
        for notice in &reader.summary().notices {
            self.reporter.event(Event::Notice(Notice(format!("{object}: {notice}"))));
        }
        Ok(records)
    }
}

/// Writes the fields' values of each record.
fn write_page(page: &Records, fields: &[Field], writer: &mut dyn RecordWriter) -> Result<(), PipelineError> {
    let mut values = Vec::with_capacity(fields.len());
    // Where the fields stand among a record's names, and of which records that holds.
    let (mut places, mut shape): (Vec<Option<usize>>, _) = (Vec::new(), None);
    for record in page.iter() {
        if shape != Some(record.shape()) {
            shape = Some(record.shape());
            let names = record.names();
            places.clear();
            places.extend(fields.iter().map(|field| names.iter().position(|name| **name == *field.name)));
        }
        values.clear();
        values.extend(places.iter().map(|place| place.map_or(ValueRef::Null, |at| record.value(at))));
        writer.write_refs(&values)?;
    }
    Ok(())
}

fn exported(plan: &Plan, records: u64, path: &Path) -> ExportedObject {
    ExportedObject { object: plan.dictionary.object.clone(), records, file: path.display().to_string() }
}
