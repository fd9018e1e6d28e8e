//! What a folder of documents' files holds: `.carafe-documents.jsonl` in it,
//! a line for each file that was about to be put there and one for each that is.
//!
//! The index decides what is loaded again and what may be replaced: a file that
//! is not in it is somebody else's.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::model::{shown, shown_path};
use crate::pipeline::PipelineError;
use crate::store::is_document_file_name;
use crate::tabular::{Output, OutputProblem};

/// The index's name.
const NAME: &str = ".carafe-documents.jsonl";

/// The longest line that is read; a name is much shorter.
const MOST_LINE: u64 = 4096;

/// The size and the date of change of a document's record, as one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Version(u64);

impl Version {
    /// Of what the record says.
    pub fn of(size: &str, modified: &str) -> Self {
        Self(xxh3_64(format!("{size}\n{modified}").as_bytes()))
    }
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    version: u32,
    /// The CRM's address, or the sandbox's file.
    crm: String,
}

/// Every other line.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    id: u64,
    file: String,
    /// None where it is about to be put in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    complete: Option<Complete>,
}

/// What a complete file is.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Complete {
    of: Version,
    bytes: u64,
}

/// The files of a folder, which this process alone writes.
#[derive(Debug)]
pub(super) struct Held {
    folder: PathBuf,
    index: Mutex<Index>,
}

#[derive(Debug)]
struct Index {
    file: File,
    files: HashMap<u64, (Box<str>, Option<Complete>)>,
}

impl Held {
    /// Opens the folder, or makes it.
    ///
    /// # Errors
    /// It cannot be used, another process uses it, or it has the files of another CRM.
    pub fn open(folder: &Path, crm: &str) -> Result<Self, PipelineError> {
        let unusable = |error: io::Error| {
            PipelineError::usage(
                format!("cannot use the folder {}: {error}", shown_path(folder)),
                "name a folder that can be written",
            )
        };
        std::fs::create_dir_all(folder).map_err(unusable)?;
        let path = folder.join(NAME);
        // Not through a link to somewhere else.
        if std::fs::symlink_metadata(&path).is_ok_and(|there| !there.is_file()) {
            return Err(unusable(io::Error::other(format!("its {NAME} is no file"))));
        }
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path).map_err(unusable)?;
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(OutputProblem::Busy.of(folder).into());
        }
        let (head, files, is_whole) = read(&file).map_err(unusable)?;
        match head {
            Some(head) if head.crm != crm => {
                let message = format!(
                    "{} has the files of {}, and this is {}",
                    shown_path(folder),
                    shown(&head.crm),
                    shown(crm)
                );
                return Err(PipelineError::usage(
                    message,
                    "give each CRM a folder of its own: --content DIR",
                ));
            }
            Some(_) if is_whole => {}
            // A line that broke off stays alone.
            Some(_) => file.write_all(b"\n").map_err(unusable)?,
            None => write(&mut file, &Head { version: 1, crm: crm.to_owned() }).map_err(unusable)?,
        }
        Ok(Self { folder: folder.to_owned(), index: Mutex::new(Index { file, files }) })
    }

    /// The name of a document's file, where it is there and complete as the record is now.
    pub fn has(&self, id: u64, version: Version) -> Option<String> {
        let (name, complete) = self.lock().files.get(&id).cloned()?;
        let complete = complete.filter(|complete| complete.of == version)?;
        let there = std::fs::symlink_metadata(self.folder.join(&*name)).ok()?;
        (there.is_file() && there.len() == complete.bytes).then(|| name.into_string())
    }

    /// Puts a file in its place. Only what is in the index is replaced, or what `force` says.
    ///
    /// # Errors
    /// Something else has the name, or it cannot be written.
    pub fn place(
        &self,
        mut output: Output,
        id: u64,
        name: &str,
        version: Version,
        bytes: u64,
        force: bool,
    ) -> Result<(), PipelineError> {
        let fault = |error: io::Error| OutputProblem::from(error).of(&self.folder.join(NAME));
        let known = self.lock().files.get(&id).is_some_and(|(known, _)| **known == *name);
        let target = self.folder.join(name);
        if !(force || known) && std::fs::symlink_metadata(&target).is_ok() {
            return Err(OutputProblem::Exists.of(&target).into());
        }
        // Durable before the name is: whoever goes on knows the file as its own.
        let begun = self.lock().add(id, name, None, true);
        begun.map_err(fault)?;
        output.rename(name, force || known);
        output.commit()?;
        let added = self.lock().add(id, name, Some(Complete { of: version, bytes }), false);
        added.map_err(fault)?;
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    fn add(&mut self, id: u64, name: &str, complete: Option<Complete>, durable: bool) -> io::Result<()> {
        write(&mut self.file, &Line { id, file: name.to_owned(), complete })?;
        if durable {
            self.file.sync_data()?;
        }
        self.files.insert(id, (name.into(), complete));
        Ok(())
    }
}

fn write(file: &mut File, line: &impl Serialize) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    // One call: a line is whole, or the last.
    file.write_all(&text)
}

type Files = HashMap<u64, (Box<str>, Option<Complete>)>;

/// The first line, the files, and whether the last line is whole. What is no line of an index, or
/// names what no file of ours is called, says nothing.
fn read(file: &File) -> io::Result<(Option<Head>, Files, bool)> {
    let (mut head, mut files, mut is_whole) = (None, Files::new(), true);
    let mut reader = BufReader::new(file);
    let mut text = Vec::new();
    loop {
        text.clear();
        if reader.by_ref().take(MOST_LINE).read_until(b'\n', &mut text)? == 0 {
            return Ok((head, files, is_whole));
        }
        is_whole = text.ends_with(b"\n");
        if head.is_none() {
            head = serde_json::from_slice(&text).ok();
            continue;
        }
        if let Ok(line) = serde_json::from_slice::<Line>(&text)
            && is_document_file_name(line.id, &line.file)
        {
            files.insert(line.id, (line.file.into(), line.complete));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRM: &str = "https://crm.example";

    fn place(held: &Held, id: u64, name: &str, version: Version, text: &str) -> Result<(), PipelineError> {
        let mut output = Output::create(&held.folder.join(format!("{id} file")), true).unwrap();
        output.write_all(text.as_bytes()).unwrap();
        held.place(output, id, name, version, text.len() as u64, false)
    }

    #[test]
    fn a_file_is_there_while_its_record_and_its_length_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (Version::of("3", "2026-01-01"), Version::of("3", "2026-01-02"));
        let held = Held::open(folder.path(), CRM).unwrap();
        assert_eq!(held.has(7, old), None);
        place(&held, 7, "7 a.txt", old, "abc").unwrap();
        assert_eq!(held.has(7, old).as_deref(), Some("7 a.txt"));
        assert_eq!(held.has(7, new), None);
        drop(held);
        let held = Held::open(folder.path(), CRM).unwrap();
        assert_eq!(held.has(7, old).as_deref(), Some("7 a.txt"));
        place(&held, 7, "7 a.txt", new, "xyz").unwrap();
        assert_eq!(held.has(7, new).as_deref(), Some("7 a.txt"));
        std::fs::write(folder.path().join("7 a.txt"), "ab").unwrap();
        assert_eq!(held.has(7, new), None);
    }

    #[test]
    fn what_somebody_else_put_there_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let held = Held::open(folder.path(), CRM).unwrap();
        std::fs::write(folder.path().join("7 a.txt"), "mine").unwrap();
        assert_eq!(place(&held, 7, "7 a.txt", Version::of("", ""), "abc").unwrap_err().exit_code(), 2);
        assert_eq!(std::fs::read(folder.path().join("7 a.txt")).unwrap(), b"mine");
    }

    #[test]
    fn a_folder_is_of_one_crm_and_one_process_and_outlives_a_torn_line() {
        let folder = tempfile::tempdir().unwrap();
        let held = Held::open(folder.path(), CRM).unwrap();
        assert!(Held::open(folder.path(), CRM).unwrap_err().to_string().contains("another process"));
        let version = Version::of("3", "x");
        place(&held, 7, "7 a.txt", version, "abc").unwrap();
        drop(held);
        assert!(Held::open(folder.path(), "other").unwrap_err().to_string().contains("has the files of"));
        let mut file = OpenOptions::new().append(true).open(folder.path().join(NAME)).unwrap();
        file.write_all(b"{\"id\":8,\"file\":\"../x\"}\n{\"id\":9,\"fi").unwrap();
        drop(file);
        let held = Held::open(folder.path(), CRM).unwrap();
        place(&held, 9, "9 b.txt", version, "abc").unwrap();
        drop(held);
        let held = Held::open(folder.path(), CRM).unwrap();
        assert_eq!((held.has(9, version).as_deref(), held.has(8, version)), (Some("9 b.txt"), None));
    }
}
