//! Everything that must be right before the first row is read: the file, the
//! mapping, the dictionary, and whether they fit each other.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::drift::{Drifted, EarlierRuns, absolute, tell_drift};
use super::files::Files;
use super::header::{Elsewhere, assumed_header, column_names};
use super::reject_form::open_source;
use super::source_keys::{at_its_key, read_options};
use super::{Event, PipelineError, Reporter};
use crate::crm::{Client, CrmError, Snapshot};
use crate::model::{Column, Dictionary, Field, FieldKind, Header, Notice, count, shown};
use crate::rules::files::with_file;
use crate::rules::mapping::{Blank, MAX_BYTES, Mapping, Mode};
use crate::rules::names::folded;
use crate::rules::nearest::nearest;
use crate::rules::problem::{Problem, Problems};
use crate::rules::program::{Dictionaries, Overrides, Program, mapping_of_header};
use crate::rules::proving::ColumnProof;
use crate::tabular::{Format, Source};

/// Where the CRM's description of its fields comes from.
#[derive(Clone, Debug)]
pub enum Catalog {
    /// Asked from the CRM.
    Crm(Client),
    /// A file saved by `describe --save`.
    Snapshot(Snapshot),
}

impl Catalog {
    /// The objects that are known by name; a CRM may have others.
    pub fn objects(&self) -> Vec<&str> {
        match self {
            Self::Crm(_) => crate::crm::OBJECTS.to_vec(),
            Self::Snapshot(snapshot) => snapshot.objects.keys().map(String::as_str).collect(),
        }
    }

    /// The object that a mistyped name is most like.
    fn nearest(&self, object: &str) -> Option<&str> {
        nearest(object, self.objects()).filter(|near| *near != object)
    }

    fn no_object(&self, object: &str) -> PipelineError {
        let near = self.nearest(object).map(|near| format!("nearest: {}; ", shown(near))).unwrap_or_default();
        let (message, more) = match self {
            Self::Crm(_) => ("the CRM has no object", "`carafe describe` lists the objects".to_owned()),
            Self::Snapshot(_) => (
                "the dictionary file does not have the object",
                format!("it has: {}", shown(&self.objects().join(", "))),
            ),
        };
        PipelineError::NoObject {
            message: format!("{message} \"{}\"", shown(object)),
            advice: format!("{near}{more}"),
        }
    }

    /// An object's fields. Lookup values are filled in for those fields that
    /// `needs_values` names.
    pub async fn dictionary(
        &self,
        object: &str,
        needs_values: impl Fn(&Field) -> bool,
    ) -> Result<Dictionary, PipelineError> {
        match self {
            Self::Snapshot(snapshot) => {
                snapshot.objects.get(object).cloned().ok_or_else(|| self.no_object(object))
            }
            Self::Crm(client) => {
                let mut dictionary = match client.dictionary(object).await {
                    Err(error) if object == "users" && is_undescribed(&error) => users(),
                    Err(CrmError::UnknownObject { .. }) if self.nearest(object).is_some() => {
                        return Err(self.no_object(object));
                    }
                    described => described?,
                };
                let names: Vec<String> = dictionary
                    .fields()
                    .iter()
                    .filter(|field| {
                        field.lookup.as_ref().is_some_and(|l| l.values.is_none()) && needs_values(field)
                    })
                    .map(|field| field.name.clone())
                    .collect();
                for name in names {
                    let values = client.lookup(object, &name).await?;
                    if let Some(lookup) = dictionary.get_mut(&name).and_then(|field| field.lookup.as_mut()) {
                        lookup.values = Some(values);
                    }
                }
                Ok(dictionary)
            }
        }
    }
}

/// What an import or a check is asked to do, as far as the file goes.
#[derive(Clone, Debug)]
pub struct JobSettings {
    /// The file to read.
    pub input: PathBuf,
    /// What to call it, where the path is not what the user typed (standard input).
    pub input_name: Option<String>,
    /// The mapping file.
    pub mapping: Option<PathBuf>,
    /// The object, in place of a mapping.
    pub object: Option<String>,
    /// `--mode`
    pub mode: Option<Mode>,
    /// `--on-blank`
    pub on_blank: Option<Blank>,
    /// `--files`: the folder of files that go with documents; that of the input if none.
    pub files: Option<PathBuf>,
    /// The runs that know how the CRM's fields were; none is asked where absent.
    pub earlier: Option<EarlierRuns>,
}

impl JobSettings {
    /// The folder from which files are taken.
    pub fn folder_of_files(&self) -> PathBuf {
        let of_input = || match &self.input_name {
            // Standard input has none.
            Some(_) => None,
            None => absolute(&self.input).parent().map(Path::to_owned),
        };
        self.files.clone().or_else(of_input).unwrap_or_else(|| absolute(Path::new(".")))
    }

    /// A file, and nothing else said about it.
    pub(super) fn of_file(input: &Path) -> Self {
        Self {
            input: input.to_owned(),
            input_name: None,
            mapping: None,
            object: None,
            mode: None,
            on_blank: None,
            files: None,
            earlier: None,
        }
    }
}

/// A file, a mapping and a dictionary that fit each other.
pub struct Job {
    /// The opened file.
    pub source: Source,
    /// The mapping, made ready.
    pub program: Program,
    /// The object's fields.
    pub dictionary: Dictionary,
    /// The fields of the objects that references name.
    pub references: Dictionaries,
    /// The mapping as it was read; its text is empty where headers are field names.
    pub mapping: Mapping,
    /// What columns have proven of their format.
    pub proofs: Vec<ColumnProof>,
    /// Where the mapping file is, from the root on.
    pub mapping_path: Option<PathBuf>,
    /// What the CRM has changed about the fields since the mapping's last run.
    pub drift: Vec<Drifted>,
    /// What to call the file.
    pub input_name: String,
    /// Where it is.
    pub input_path: PathBuf,
    /// The files that go with documents, where rows name some.
    pub files: Option<Files>,
    /// Where earlier runs are, one of which may have written the file.
    pub runs: Option<PathBuf>,
}

impl Job {
    /// Opens and compares everything; notices go to the reporter.
    pub async fn prepare(
        settings: &JobSettings,
        catalog: &Catalog,
        reporter: &dyn Reporter,
    ) -> Result<Self, PipelineError> {
        let (mapping, known) = match settings.mapping.as_deref().map(read_mapping).transpose()? {
            Some((mapping, known)) => (Some(mapping), known),
            None => (None, Vec::new()),
        };
        // A mapping's problems come before all others, and all of them at once.
        let told = mapping
            .as_ref()
            .filter(|_| !known.is_empty())
            .map(|mapping| Problems::new(&mapping.file, &mapping.text, known.clone()));
        match (Self::prepare_with(mapping, settings, catalog, reporter).await, told) {
            (prepared, None) => prepared,
            (Err(PipelineError::Mapping(problems)), Some(_)) => Err(problems.and(known).into()),
            (_, Some(told)) => Err(told.into()),
        }
    }

    async fn prepare_with(
        mapping: Option<Mapping>,
        settings: &JobSettings,
        catalog: &Catalog,
        reporter: &dyn Reporter,
    ) -> Result<Self, PipelineError> {
        let input_name = settings.input_name.clone().unwrap_or_else(|| settings.input.display().to_string());
        let options = read_options(mapping.as_ref(), settings)?;
        let source =
            open_source(settings, options, reporter).map_err(|error| at_its_key(error, mapping.as_ref()))?;
        let tell = |notices: &[Notice]| {
            notices.iter().for_each(|notice| reporter.event(Event::Notice(notice.clone())));
        };
        let object = object_of(mapping.as_ref(), settings)?;
        let wants_values = |field: &Field| match &mapping {
            Some(mapping) => mapping.fields.iter().any(|(name, _)| name.value == field.name),
            None => source.header().columns.iter().any(|c| folded(&c.name) == folded(&field.name)),
        };
        let dictionary = match catalog.dictionary(&object, wants_values).await {
            Err(error) if is_unknown_object(&error) => {
                return Err(unknown_object(mapping.as_ref(), catalog, error));
            }
            known => known?,
        };
        let fillable = with_file(&dictionary);
        let mapping = match mapping {
            Some(mapping) => mapping,
            None => header_mapping(&object, &source, &fillable, settings, &input_name)?,
        };
        let references = references(&mapping, catalog).await?;
        let is_text = source.dialect().format.is_text();
        let objects = catalog.objects();
        let overrides = Overrides {
            objects: &objects,
            mode: settings.mode,
            blank: settings.on_blank,
            guarded_source: is_text,
            source_without_grid: source.dialect().format == Format::Jsonl,
        };
        let compile = |header: &Header| Program::compile(&mapping, &fillable, &references, header, overrides);
        // A file without any column has no rows either; that is no fault of the mapping.
        let assumed = source.header().columns.is_empty().then(|| assumed_header(&mapping));
        let compiled = compile(assumed.as_ref().unwrap_or(source.header()));
        if compiled.is_err()
            && let Some(elsewhere) = Elsewhere::find(&source, &input_name, &column_names(&mapping))
        {
            // All that is told of the file takes its header for the right one.
            let others = compile(&elsewhere.header).err().map(|problems| problems.problems);
            let problems = Problems::new(&mapping.file, &mapping.text, vec![elsewhere.problem(&mapping)]);
            return Err(problems.and(others.unwrap_or_default()).into());
        }
        tell(source.notices());
        let drift = tell_drift(settings, &mapping, source.header(), &dictionary, catalog, reporter);
        let (program, notices) = compiled?;
        if mapping.unread.is_empty() {
            tell(&notices);
        }
        Ok(Self {
            files: Files::of(&program, &settings.folder_of_files()),
            source,
            program,
            dictionary,
            references,
            mapping,
            proofs: Vec::new(),
            mapping_path: settings.mapping.as_deref().map(absolute),
            drift,
            input_name,
            input_path: settings.input.clone(),
            runs: settings.earlier.as_ref().map(|earlier| earlier.runs.clone()),
        })
    }

    /// A fingerprint of the dictionary as far as it decides on rows, in hex.
    pub fn dictionary_hash(&self) -> String {
        dictionary_hash(&self.dictionary)
    }
}

/// The dictionaries of the objects that the mapping's references name. One that
/// is not known is left out: the mapping's own complaint names its place.
pub(super) async fn references(mapping: &Mapping, catalog: &Catalog) -> Result<Dictionaries, PipelineError> {
    let mut known = Dictionaries::new();
    for reference in mapping.fields.iter().filter_map(|(_, rule)| rule.reference.as_ref()) {
        let object = &reference.object.value;
        if known.contains_key(object) {
            continue;
        }
        match catalog.dictionary(object, |_| false).await {
            Ok(dictionary) => {
                known.insert(object.clone(), dictionary);
            }
            Err(error) if is_unknown_object(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(known)
}

/// That the mapping names no object of the CRM, at its place.
pub(super) fn unknown_object(
    mapping: Option<&Mapping>,
    catalog: &Catalog,
    error: PipelineError,
) -> PipelineError {
    let Some(mapping) = mapping else { return error };
    let name = &mapping.object;
    let message = match catalog {
        Catalog::Crm(_) => format!("the CRM has no object \"{}\"", shown(&name.value)),
        Catalog::Snapshot(_) => {
            format!("the dictionary file does not have the object \"{}\"", shown(&name.value))
        }
    };
    let problem =
        Problem::at(name.place, message).nearest(catalog.nearest(&name.value)).advice("carafe describe");
    Problems::new(&mapping.file, &mapping.text, vec![problem]).into()
}

pub(super) fn is_unknown_object(error: &PipelineError) -> bool {
    matches!(
        error,
        PipelineError::NoObject { .. }
            | PipelineError::Crm(
                CrmError::UnknownObject { .. }
                    | CrmError::Undescribed { .. }
                    | CrmError::NotFound { .. }
                    | CrmError::Unsendable { .. }
            )
    )
}

/// The fields of `users`, which clients read in production while no source says
/// that their dictionary is to be had (source: field notes, "Beyond the document").
fn users() -> Dictionary {
    let id = Field { read_only: true, ..Field::new("id", FieldKind::Number) };
    let names = ["first", "last", "email"].map(|name| Field::new(name, FieldKind::Text));
    let live = Field::new("live", FieldKind::Checkbox);
    Dictionary::new("users", [id].into_iter().chain(names).chain([live]).collect())
}

pub(super) fn is_undescribed(error: &CrmError) -> bool {
    matches!(
        error,
        CrmError::UnknownObject { .. }
            | CrmError::InvalidRequest { .. }
            | CrmError::Undescribed { .. }
            | CrmError::NotFound { .. }
            | CrmError::Refused { .. }
    )
}

/// SHA-256 over names, types, sizes and lists of an object's fields.
pub fn dictionary_hash(dictionary: &Dictionary) -> String {
    let mut hash = Sha256::new();
    for field in dictionary.fields() {
        let values = field.lookup.as_ref().and_then(|l| l.values.clone()).unwrap_or_default().join("\u{1}");
        let line = format!(
            "{}\u{0}{}\u{0}{}\u{0}{}\u{0}{:?}\u{0}{:?}\u{0}{values}\n",
            field.name,
            field.kind.word(),
            field.required,
            field.read_only,
            field.size,
            field.decimals
        );
        hash.update(line.as_bytes());
    }
    hex(&hash.finalize())
}

/// Bytes as lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a mapping file as far as it reads, and what is wrong with the rest.
pub(super) fn read_mapping(path: &Path) -> Result<(Mapping, Vec<Problem>), PipelineError> {
    let name = path.display().to_string();
    let cannot = |why: String| {
        PipelineError::usage(
            format!("cannot read the mapping {}: {why}", shown(&name)),
            "name a mapping file with -m FILE",
        )
    };
    let metadata = std::fs::metadata(path).map_err(|error| cannot(io_words(&error)))?;
    if !metadata.is_file() {
        return Err(cannot("it is not a file".to_owned()));
    }
    if metadata.len() > MAX_BYTES {
        return Err(cannot("it is larger than 1 MiB, and no mapping is".to_owned()));
    }
    let bytes = std::fs::read(path).map_err(|error| cannot(io_words(&error)))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let line =
            error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|&&b| b == b'\n').count() + 1;
        cannot(format!("line {line} is not UTF-8; save the file in that encoding"))
    })?;
    Ok(Mapping::parse_what_reads(&name, &text)?)
}

/// The system's complaint in plain words.
pub fn io_words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "you may not read it".to_owned(),
        std::io::ErrorKind::IsADirectory => "it is a folder".to_owned(),
        std::io::ErrorKind::StorageFull => "the disk is full".to_owned(),
        _ => error.to_string(),
    }
}

fn object_of(mapping: Option<&Mapping>, settings: &JobSettings) -> Result<String, PipelineError> {
    match (mapping, &settings.object) {
        (Some(mapping), None) => Ok(mapping.object.value.clone()),
        (None, Some(object)) => Ok(object.clone()),
        (Some(mapping), Some(object)) if &mapping.object.value == object => Ok(object.clone()),
        (Some(mapping), Some(object)) => {
            let (given, written) = (shown(object), shown(&mapping.object.value));
            let message = format!("--object says {given} and the mapping says {written}");
            Err(PipelineError::usage(message, "give only one of them"))
        }
        (None, None) => Err(PipelineError::usage(
            "neither a mapping nor an object is given",
            "give -m MAPPING, or --object NAME where the headers are field names",
        )),
    }
}

fn header_mapping(
    object: &str,
    source: &Source,
    dictionary: &Dictionary,
    settings: &JobSettings,
    input_name: &str,
) -> Result<Mapping, PipelineError> {
    if source.header().columns.is_empty() {
        // As if it had them all: a file without rows has no fault either.
        return Ok(mapping_of_header(object, &every_field(dictionary), dictionary, settings.mode));
    }
    let mapping = Mapping {
        file: input_name.to_owned(),
        ..mapping_of_header(object, source.header(), dictionary, settings.mode)
    };
    if mapping.fields.is_empty() {
        let fields: Vec<String> = dictionary.fields().iter().map(|field| field.name.clone()).collect();
        if let Some(elsewhere) = Elsewhere::find(source, input_name, &fields) {
            return Err(elsewhere.error(object));
        }
        let message =
            format!("no header of {} is the name of a field of {}", shown(input_name), shown(object));
        let advice = format!("see: carafe describe {}; or map the columns with -m MAPPING", shown(object));
        return Err(PipelineError::usage(message, advice));
    }
    Ok(mapping)
}

/// A header that holds every field of an object.
fn every_field(dictionary: &Dictionary) -> Header {
    let columns = dictionary.fields().iter().enumerate();
    let columns = columns.map(|(place, field)| Column { name: field.name.clone(), place });
    Header { sheet: None, columns: columns.collect() }
}

/// Tells about the formula guard that an export had put before texts.
pub fn unguarded_notice(cells: u64) -> Notice {
    let began = count(cells, "cell began", "cells began");
    Notice(format!(
        "{began} with the ' that an export puts before = + - @; it was taken off (source: {{ guard: keep }} leaves it)"
    ))
}
