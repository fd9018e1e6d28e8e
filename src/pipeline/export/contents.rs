//! `--content DIR`: the files of documents, beside their records.
//!
//! A file appears under its name only when it is complete, and is not loaded
//! again while the `held` index of the folder knows it as it is in the CRM.

use std::collections::HashMap;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::held::{Held, Version};
use super::journal::absolute;
use super::{ExportSettings, Exporter, Target};
use crate::crm::{Client, CrmError, FileSink, NextStep, RecordRef, Records};
use crate::model::{Field, FieldKind, Notice, RecordId, ValueRef, count, shown, shown_path};
use crate::pipeline::PipelineError;
use crate::store::document_file_name;
use crate::tabular::{Output, OutputError};

/// The object that has files.
const DOCUMENTS: &str = "documents";

/// The column that says where a file is; `import` reads it again.
pub(super) const COLUMN: &str = "file";

/// Documents without a file that are told one by one.
const MOST_TOLD: usize = 20;

/// Checks that what is exported has files.
pub(super) fn check(settings: &ExportSettings) -> Result<(), PipelineError> {
    if settings.content.is_none() || settings.objects.iter().all(|object| object == DOCUMENTS) {
        return Ok(());
    }
    let other = settings.objects.iter().find(|object| *object != DOCUMENTS).map_or("", String::as_str);
    Err(PipelineError::usage(
        format!("--content loads the files of documents, and {} has none", shown(other)),
        "export documents by themselves: carafe export documents -o DIR/documents.csv --content DIR",
    ))
}

/// Adds the column, in place of any field that is called so.
pub(super) fn with_column(settings: &ExportSettings, mut fields: Vec<Field>) -> Vec<Field> {
    if settings.content.is_some() {
        fields.retain(|field| field.name != COLUMN);
        fields.push(Field::new(COLUMN, FieldKind::Text));
    }
    fields
}

/// A folder of files, which no other process writes.
#[derive(Debug)]
pub(super) struct Contents {
    folder: PathBuf,
    /// What stands before a file's name in the column.
    before: String,
    /// Whether that leads from OUT to the file.
    is_below: bool,
    held: Arc<Held>,
    force: bool,
    told: Mutex<Told>,
}

/// What became of the files.
#[derive(Debug, Default)]
struct Told {
    loaded: u64,
    bytes: u64,
    there: u64,
    /// Documents that gave none, and why.
    missing: Vec<(u64, String)>,
    missing_in_all: u64,
}

impl Exporter<'_> {
    /// Opens the folder of files, where they are wanted.
    pub(super) fn open_contents(&self) -> Result<(), PipelineError> {
        let opened = Contents::open(self.settings)?.map(Arc::new);
        *self.contents.lock().unwrap_or_else(PoisonError::into_inner) = opened;
        Ok(())
    }

    /// The folder of files, where they are wanted.
    pub(super) fn contents(&self) -> Option<Arc<Contents>> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Tells what became of the files.
    pub(super) fn tell_contents(&self) {
        self.tell(self.contents().map(|contents| contents.notices()).unwrap_or_default());
    }
}

/// How one file ended.
enum Got {
    Loaded { name: String, bytes: u64 },
    There { name: String },
    Missing(String),
}

impl Contents {
    /// Opens the folder, or makes it; none where no files are wanted.
    ///
    /// # Errors
    /// It cannot be used, another process uses it, or it has the files of another CRM.
    pub fn open(settings: &ExportSettings) -> Result<Option<Self>, PipelineError> {
        let Some(folder) = &settings.content else { return Ok(None) };
        let folder = absolute(folder);
        let held = Held::open(&folder, &settings.base_url)?;
        let out = match &settings.target {
            Target::Standard => None,
            Target::File(path) => absolute(path).parent().map(Path::to_owned),
            Target::Folder(path) => Some(absolute(path)),
        };
        let below = out.as_deref().and_then(|out| folder.strip_prefix(out).ok());
        let before = below.map(|below| below.components().map(|part| part.as_os_str().to_string_lossy()));
        let before = before.map(|parts| parts.map(|part| format!("{part}/")).collect::<String>());
        Ok(Some(Self {
            is_below: before.is_some(),
            before: before.unwrap_or_default(),
            folder,
            held: Arc::new(held),
            force: settings.force,
            told: Mutex::default(),
        }))
    }

    /// Loads the files of a page's documents, as many at once as the client lets out; what the
    /// column says of each document that has one.
    pub async fn load(
        &self,
        page: &Records,
        client: &Client,
        stop: &CancellationToken,
    ) -> Result<HashMap<u64, String>, PipelineError> {
        // Whatever ends this ends those that are under way, and their parts go.
        let mut tasks = JoinSet::new();
        for record in page.iter() {
            let wanted = Wanted::of(record, &self.folder, self.force);
            tasks.spawn(wanted.get(client.clone(), Arc::clone(&self.held)));
        }
        let mut files = HashMap::with_capacity(page.len());
        let mut failed = None;
        loop {
            let got = tokio::select! {
                biased;
                () = stop.cancelled() => return Err(PipelineError::Cancelled),
                got = tasks.join_next() => got,
            };
            let Some(got) = got else { return failed.map_or(Ok(files), Err) };
            match got.unwrap_or_else(|error| Err(PipelineError::Fault(error.to_string()))) {
                Ok((id, got)) => {
                    if let Some(name) = self.note(id, got) {
                        files.insert(id, format!("{}{name}", self.before));
                    }
                }
                // Those that are under way are finished and kept; no further one begins.
                Err(error) => {
                    client.stop();
                    failed.get_or_insert(error);
                }
            }
        }
    }

    /// Counts what became of a document's file; its name, where there is one.
    fn note(&self, id: u64, got: Got) -> Option<String> {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        match got {
            Got::Loaded { name, bytes } => {
                told.loaded += 1;
                told.bytes += bytes;
                Some(name)
            }
            Got::There { name } => {
                told.there += 1;
                Some(name)
            }
            Got::Missing(why) => {
                told.missing_in_all += 1;
                if told.missing.len() < MOST_TOLD {
                    told.missing.push((id, why));
                }
                None
            }
        }
    }

    /// What is worth knowing of the files once all are there.
    pub fn notices(&self) -> Vec<Notice> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = shown_path(&self.folder);
        let mut notices = Vec::new();
        let mut missing: Vec<_> = told.missing.iter().collect();
        missing.sort();
        for (id, why) in missing {
            notices
                .push(Notice(format!("document {id} has no file: {why}; its column \"{COLUMN}\" is blank")));
        }
        if told.missing_in_all > told.missing.len() as u64 {
            let all = count(told.missing_in_all, "document has", "documents have");
            notices.push(Notice(format!("{all} no file in all")));
        }
        let files = count(told.loaded, "file", "files");
        let there = match told.there {
            0 => String::new(),
            there => format!(", {} there already", count(there, "was", "were")),
        };
        notices.push(Notice(format!("{files} ({} bytes) loaded into {folder}{there}", told.bytes)));
        if !self.is_below {
            notices.push(Notice(format!(
                "the column \"{COLUMN}\" holds names within {folder}, which is not in the folder of the output"
            )));
        }
        notices
    }
}

/// A document whose file is wanted.
struct Wanted {
    id: RecordId,
    name: String,
    version: Version,
    folder: PathBuf,
    force: bool,
}

impl Wanted {
    fn of(record: RecordRef<'_>, folder: &Path, force: bool) -> Self {
        let text = |field| record.get(field).map(ValueRef::to_text).unwrap_or_default().to_owned();
        Self {
            id: record.id(),
            name: text("name"),
            version: Version::of(&text("size"), &text("modified")),
            folder: folder.to_owned(),
            force,
        }
    }

    /// Gets the file, unless it is there as it is in the CRM.
    async fn get(self, client: Client, held: Arc<Held>) -> Result<(u64, Got), PipelineError> {
        let id = self.id.get();
        if let Some(name) = held.has(id, self.version) {
            return Ok((id, Got::There { name }));
        }
        let part = Arc::new(Part::new(self.folder.join(format!("{id} {COLUMN}"))));
        let sink = Arc::clone(&part) as Arc<dyn FileSink>;
        let told = match client.download(self.id, &self.name, sink).await {
            Ok(told) => told,
            Err(error) if is_of_one_document(&error) => return Ok((id, Got::Missing(error.to_string()))),
            Err(error) => return Err(part.fault().map_or(error.into(), PipelineError::from)),
        };
        let Some((output, bytes)) = part.take() else {
            return Ok((id, Got::Missing("the CRM sends none".to_owned())));
        };
        let name = document_file_name(id, told.as_deref().unwrap_or(&self.name));
        let place = move || held.place(output, id, &name, self.version, bytes, self.force).map(|()| name);
        let placed = tokio::task::spawn_blocking(place).await;
        let name = placed.map_err(|error| PipelineError::Fault(error.to_string()))??;
        Ok((id, Got::Loaded { name, bytes }))
    }
}

/// Whether an error is about one document and not about the CRM: no such file, or none for this user.
fn is_of_one_document(error: &CrmError) -> bool {
    match error {
        // What a bad token is told (source: field notes, "Errors and limits").
        CrmError::TokenRefused { status: 403, message } => {
            !message.as_deref().unwrap_or_default().to_ascii_lowercase().contains("unauthenticated")
        }
        CrmError::TooLarge { .. } => true,
        error => error.next_step() == NextStep::RejectRow,
    }
}

/// A file on its way, beside its place and without its name.
struct Part {
    target: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    output: Option<Output>,
    bytes: u64,
    fault: Option<OutputError>,
}

impl Part {
    fn new(target: PathBuf) -> Self {
        Self { target, state: Mutex::default() }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is written, if it was begun.
    fn take(&self) -> Option<(Output, u64)> {
        self.with(|state| Some((state.output.take()?, state.bytes)))
    }

    /// Why it cannot be written.
    fn fault(&self) -> Option<OutputError> {
        self.with(|state| state.fault.take())
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Part").field(&self.target).finish()
    }
}

impl State {
    fn written(&mut self, done: io::Result<()>) -> io::Result<()> {
        done.map_err(|error| {
            let told = io::Error::new(error.kind(), error.to_string());
            self.fault = self.output.as_ref().map(|output| output.fault(error));
            told
        })
    }
}

impl FileSink for Part {
    fn begin(&self) -> io::Result<()> {
        self.with(|state| {
            state.bytes = 0;
            if let Some(output) = &mut state.output {
                let done = output.restart();
                return state.written(done);
            }
            // Its own name is known once it is complete.
            match Output::create(&self.target, true) {
                Ok(output) => state.output = Some(output),
                Err(error) => {
                    let told = io::Error::other(error.to_string());
                    state.fault = Some(error);
                    return Err(told);
                }
            }
            Ok(())
        })
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        self.with(|state| {
            let Some(output) = &mut state.output else { return Err(io::Error::other("it was not begun")) };
            let done = output.write_all(bytes);
            state.bytes += bytes.len() as u64;
            state.written(done)
        })
    }
}
