//! A file that appears under its name only when it is complete.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};
use xxhash_rust::xxh3::xxh3_64;

use super::error::{OutputError, OutputProblem, file_name};

/// A file in the making: a private file beside the target, which goes away
/// unless [`Output::commit`] gives it its name.
///
/// It is named after the target and locked, so that no other process writes
/// the same output meanwhile; one that a killed process left is taken away.
#[derive(Debug)]
pub struct Output {
    target: PathBuf,
    file: NamedTempFile,
    force: bool,
}

impl Output {
    /// Begins a file. Only its owner may read it.
    ///
    /// # Errors
    /// Something of that name is there and `force` is not set, even a link
    /// that leads nowhere; a folder is there; the folder cannot be written;
    /// another process is writing it.
    pub fn create(target: &Path, force: bool) -> Result<Self, OutputError> {
        let begin = || -> Result<NamedTempFile, OutputProblem> {
            match std::fs::symlink_metadata(target) {
                Ok(there) if there.is_dir() => return Err(OutputProblem::IsAFolder),
                Ok(_) if !force => return Err(OutputProblem::Exists),
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
                Ok(_) | Err(_) => {}
            }
            begin_part(&part_of(target))
        };
        let file = begin().map_err(|problem| problem.of(target))?;
        Ok(Self { target: target.to_owned(), file, force })
    }

    /// The name that the file will have.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Where it is being written.
    pub(super) fn path(&self) -> &Path {
        self.file.path()
    }

    /// Its name as people read it.
    pub fn name(&self) -> String {
        file_name(&self.target)
    }

    /// Begins it anew.
    ///
    /// # Errors
    /// What was written cannot be taken away.
    pub fn restart(&mut self) -> io::Result<()> {
        self.file.as_file().set_len(0)?;
        self.file.rewind()
    }

    /// Gives it another name in the same folder; `force` replaces what is there.
    pub fn rename(&mut self, name: &str, force: bool) {
        self.target.set_file_name(name);
        self.force = force;
    }

    /// What the machine said while the file was written, with its name.
    pub fn fault(&self, error: io::Error) -> OutputError {
        OutputProblem::from(error).of(&self.target)
    }

    /// Makes the content durable and gives the file its name. A link of that
    /// name is replaced, never followed.
    pub fn commit(self) -> Result<PathBuf, OutputError> {
        let Self { target, file, force } = self;
        let name = || -> Result<(), OutputProblem> {
            file.as_file().sync_all()?;
            let named = if force { file.persist(&target) } else { file.persist_noclobber(&target) };
            named.map_err(|failed| match failed.error.kind() {
                io::ErrorKind::AlreadyExists => OutputProblem::Exists,
                _ => failed.error.into(),
            })?;
            sync_folder(folder(&target))?;
            Ok(())
        };
        name().map_err(|problem| problem.of(&target))?;
        Ok(target)
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The name of a file while it is made: hidden, and no longer than a name may be.
fn part_of(target: &Path) -> PathBuf {
    /// Most file systems take names of 255 bytes.
    const MOST: usize = 200;
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let hash = xxh3_64(name.as_bytes());
    let end = (0..=name.len().min(MOST)).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
    let name = name.get(..end).unwrap_or_default();
    folder(target).join(format!(".carafe-{name}-{hash:016x}.part"))
}

/// Makes the file, new and locked.
fn begin_part(part: &Path) -> Result<NamedTempFile, OutputProblem> {
    /// Others may be about to begin the same one.
    const TRIES: u32 = 20;
    for _ in 0..TRIES {
        match options().create_new(true).open(part) {
            Ok(file) => match lock(&file) {
                Lock::Held => return Err(OutputProblem::Busy),
                // Taken for one that was left, right before it was locked.
                Lock::Taken if !is_at(&file, part) => {}
                Lock::Taken => return Ok(NamedTempFile::from_parts(file, TempPath::try_from_path(part)?)),
            },
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => take_away(part)?,
            Err(error) => {
                return Err(match error.kind() {
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => OutputProblem::NoFolder,
                    _ => error.into(),
                });
            }
        }
    }
    Err(OutputProblem::Busy)
}

/// Takes away what a killed process left, or what else has the name.
fn take_away(part: &Path) -> Result<(), OutputProblem> {
    // A link is not followed.
    if std::fs::symlink_metadata(part).is_ok_and(|there| there.is_file()) {
        match options().open(part) {
            Ok(file) if matches!(lock(&file), Lock::Held) => return Err(OutputProblem::Busy),
            // What is not ours to open can still be in a folder of ours.
            Ok(_) | Err(_) => {}
        }
    }
    match std::fs::remove_file(part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

enum Lock {
    /// By this process, or nobody can: not all file systems know locks.
    Taken,
    Held,
}

fn lock(file: &File) -> Lock {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Lock::Held,
        Ok(()) | Err(TryLockError::Error(_)) => Lock::Taken,
    }
}

/// Whether the path still leads to this file.
fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let same = |one: &std::fs::Metadata, other: &std::fs::Metadata| {
            (one.dev(), one.ino()) == (other.dev(), other.ino())
        };
        let there = std::fs::symlink_metadata(path);
        there.is_ok_and(|there| file.metadata().is_ok_and(|this| same(&this, &there)))
    }
    // A file that is open cannot be taken away there.
    #[cfg(not(unix))]
    {
        let _ = file;
        path.exists()
    }
}

pub(super) fn folder(target: &Path) -> &Path {
    match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes the new name durable. Where folders cannot be synced (Windows) there is nothing to do.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn write(target: &Path, text: &str, force: bool) -> Result<PathBuf, OutputError> {
        let mut output = Output::create(target, force)?;
        output.write_all(text.as_bytes()).unwrap();
        output.commit()
    }

    #[test]
    fn a_file_appears_when_it_is_complete_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out.csv");
        let mut output = Output::create(&target, false).unwrap();
        output.write_all(b"half").unwrap();
        assert!(!target.exists());
        output.commit().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"half");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn an_unfinished_file_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        drop(Output::create(&folder.path().join("out.csv"), false).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn nothing_is_replaced_without_being_asked() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out.csv");
        write(&target, "old", false).unwrap();
        let told = write(&target, "new", false).unwrap_err().to_string();
        assert!(told.contains("there already") && told.contains("--force"), "{told}");
        assert_eq!(fs::read(&target).unwrap(), b"old");
        write(&target, "new", true).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        let told = write(folder.path(), "x", true).unwrap_err().to_string();
        assert!(told.contains("this is a folder"), "{told}");
        let told = write(&folder.path().join("none/out.csv"), "x", false).unwrap_err().to_string();
        assert!(told.contains("its folder does not exist"), "{told}");
    }

    #[test]
    fn a_file_that_came_meanwhile_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out.csv");
        let output = Output::create(&target, false).unwrap();
        fs::write(&target, "other").unwrap();
        assert!(output.commit().is_err());
        assert_eq!(fs::read(&target).unwrap(), b"other");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn two_never_write_the_same_file_and_what_a_killed_one_left_goes() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("out.csv");
        let first = Output::create(&target, true).unwrap();
        let told = Output::create(&target, true).unwrap_err().to_string();
        assert!(told.contains("another process is writing"), "{told}");
        drop(first);
        let part = part_of(&target);
        fs::write(&part, "half of an earlier one").unwrap();
        write(&target, "new", true).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert!(!part.exists());
        let long = folder.path().join("ä".repeat(120));
        write(&long, "new", true).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_part_that_is_a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (target, other) = (folder.path().join("out.csv"), folder.path().join("other"));
        fs::write(&other, "mine").unwrap();
        std::os::unix::fs::symlink(&other, part_of(&target)).unwrap();
        write(&target, "new", true).unwrap();
        assert_eq!(
            (fs::read(&other).unwrap(), fs::read(&target).unwrap()),
            (b"mine".to_vec(), b"new".to_vec())
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_replaced_and_never_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (target, other) = (folder.path().join("out.csv"), folder.path().join("other"));
        fs::write(&other, "mine").unwrap();
        std::os::unix::fs::symlink(&other, &target).unwrap();
        assert!(write(&target, "new", false).is_err());
        write(&target, "new", true).unwrap();
        assert_eq!(fs::read(&other).unwrap(), b"mine");
        assert!(fs::symlink_metadata(&target).unwrap().is_file());
        let dangling = folder.path().join("dangling");
        std::os::unix::fs::symlink(folder.path().join("nowhere"), &dangling).unwrap();
        assert!(write(&dangling, "x", false).is_err());
    }
}
