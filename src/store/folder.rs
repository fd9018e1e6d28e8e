//! Where runs live, how they are named, and who may write one.

use std::fs::{DirBuilder, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};

use super::StoreError;
use super::export_run::FACTS;

/// A run's folder, held by this process alone while it lives.
#[derive(Debug)]
pub struct RunFolder {
    /// The run's id, which is the folder's name.
    pub run: String,
    /// The folder.
    pub path: PathBuf,
    _lock: File,
}

/// A run as the user names it: its id, a unique prefix, or `last`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunName(pub String);

impl RunFolder {
    /// Makes the folder of a new run: `YYYYMMDD-HHMMSS-OBJECT-xxxx`, in UTC.
    pub fn create(runs: &Path, object: &str, now: jiff::civil::DateTime) -> Result<Self, StoreError> {
        create_private_folder(runs)?;
        let stamp = format!(
            "{:04}{:02}{:02}-{:02}{:02}{:02}",
            now.year(),
            now.month(),
            now.day(),
            now.hour(),
            now.minute(),
            now.second()
        );
        // A few tries: two runs may begin in one second and draw the same letters.
        for _ in 0..20 {
            let run = format!("{stamp}-{}-{}", slug(object), four_letters());
            let path = runs.join(&run);
            match private_folder_builder().create(&path) {
                Ok(()) => return Self::hold(run, path),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(StoreError::Io { path, source }),
            }
        }
        let source = io::Error::new(io::ErrorKind::AlreadyExists, "no free name for the run's folder");
        Err(StoreError::Io { path: runs.to_owned(), source })
    }

    /// Holds the folder of an earlier run that has rows: `last` is the last one of those.
    pub fn open(runs: &Path, name: &RunName) -> Result<Self, StoreError> {
        let (exports, of_rows): (Vec<_>, Vec<_>) =
            list_runs(runs)?.into_iter().partition(|run| is_export(runs, run));
        match name.find_among(&of_rows, runs) {
            Ok(path) => Self::hold_path(path),
            Err(error) => match name.find_among(&exports, runs) {
                Ok(path) if name.0 != "last" || of_rows.is_empty() => {
                    Err(StoreError::Export { run: id_of(&path), last: of_rows.last().cloned() })
                }
                _ => Err(error),
            },
        }
    }

    /// Holds the folder of a run of any kind.
    pub(super) fn hold_path(path: PathBuf) -> Result<Self, StoreError> {
        Self::hold(id_of(&path), path)
    }

    fn hold(run: String, path: PathBuf) -> Result<Self, StoreError> {
        let lock_path = path.join("run.lock");
        let io = |source| StoreError::Io { path: lock_path.clone(), source };
        let lock = private_file_options().create(true).truncate(false).open(&lock_path).map_err(io)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { run, path, _lock: lock }),
            Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::Active { run }),
            Err(std::fs::TryLockError::Error(source)) => Err(StoreError::Io { path: lock_path, source }),
        }
    }

    /// The run's store.
    pub fn store_file(&self) -> PathBuf {
        self.path.join("run.db")
    }
}

impl RunName {
    /// The folder that the name means, of a run of any kind.
    pub fn find(&self, runs: &Path) -> Result<PathBuf, StoreError> {
        self.find_among(&list_runs(runs)?, runs)
    }

    /// The same among some of the runs, the oldest first.
    pub(super) fn find_among(&self, all: &[String], runs: &Path) -> Result<PathBuf, StoreError> {
        let place = crate::model::shown_path(runs);
        if all.is_empty() {
            return Err(StoreError::NoSuchRun(format!("there are no runs in {place}")));
        }
        let name = self.0.as_str();
        if name == "last" {
            return all.last().map(|run| runs.join(run)).ok_or_else(|| StoreError::NoSuchRun(String::new()));
        }
        let found: Vec<&String> = match all.iter().filter(|run| *run == name).collect::<Vec<_>>() {
            exact if !exact.is_empty() => exact,
            _ => all.iter().filter(|run| !name.is_empty() && run.starts_with(name)).collect(),
        };
        match found.as_slice() {
            [one] => Ok(runs.join(one)),
            [] => {
                let name = crate::model::shown(name);
                Err(StoreError::NoSuchRun(format!("there is no run \"{name}\" in {place}; see: carafe runs")))
            }
            several => {
                let name = crate::model::shown(name);
                let first: Vec<&str> = several.iter().take(3).map(|run| run.as_str()).collect();
                let list = first.join(", ");
                Err(StoreError::NoSuchRun(format!(
                    "\"{name}\" names {} runs ({list}, …); give more of the id",
                    several.len()
                )))
            }
        }
    }
}

/// Whether a run is an export.
pub(super) fn is_export(runs: &Path, run: &str) -> bool {
    runs.join(run).join(FACTS).is_file()
}

fn id_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// Whether another process holds a run's folder.
pub fn is_held(folder: &Path) -> bool {
    let lock = private_file_options().open(folder.join("run.lock"));
    lock.is_ok_and(|lock| matches!(lock.try_lock(), Err(std::fs::TryLockError::WouldBlock)))
}

/// The ids of all runs, the oldest first.
pub fn list_runs(runs: &Path) -> Result<Vec<String>, StoreError> {
    let io = |source| StoreError::Io { path: runs.to_owned(), source };
    let entries = match std::fs::read_dir(runs) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(io(source)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(io)?;
        let path = entry.path();
        let is_run = path.join("run.db").is_file() || path.join(FACTS).is_file();
        if let (true, Some(name)) = (is_run, entry.file_name().to_str()) {
            // Within one second, the order in which the stores were made.
            let made = std::fs::metadata(path.join("run.lock")).and_then(|m| m.created()).ok();
            found.push((name.get(..15).unwrap_or(name).to_owned(), made, name.to_owned()));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, _, name)| name).collect())
}

/// The one place that makes file names from data: `[a-z0-9_-]`, at most 40.
pub fn slug(text: &str) -> String {
    let plain = text.chars().map(|c| match c.to_ascii_lowercase() {
        c @ ('a'..='z' | '0'..='9' | '_') => c,
        _ => '-',
    });
    let slug: String = plain.take(40).collect();
    if slug.is_empty() { "object".to_owned() } else { slug }
}

fn four_letters() -> String {
    // The standard library's hash seed is the randomness at hand.
    let mut bits = RandomState::new().hash_one(std::process::id());
    let letters = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut letter = || {
        let letter = letters[(bits % 32) as usize] as char;
        bits /= 32;
        letter
    };
    (0..4).map(|_| letter()).collect()
}

/// Makes a folder and those above it; what is made is open to its user alone.
pub fn create_private_folder(path: &Path) -> Result<(), StoreError> {
    let mut builder = private_folder_builder();
    builder.recursive(true);
    builder.create(path).map_err(|source| StoreError::Io { path: path.to_owned(), source })
}

fn private_folder_builder() -> DirBuilder {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

pub(super) fn private_file_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Makes a file that must not be there yet, open to its user alone.
pub fn create_private_file(path: &Path) -> Result<File, StoreError> {
    let io = |source| StoreError::Io { path: path.to_owned(), source };
    private_file_options().create_new(true).open(path).map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> jiff::civil::DateTime {
        jiff::civil::date(2026, 11, 23).at(20, 14, 5, 0)
    }

    #[test]
    fn a_run_is_named_by_its_moment_and_object_and_found_by_a_prefix() {
        let runs = tempfile::tempdir().unwrap();
        let run = RunFolder::create(runs.path(), "opportunity_lines", now()).unwrap();
        std::fs::write(run.store_file(), "").unwrap();
        assert!(run.run.starts_with("20261123-201405-opportunity_lines-"), "{}", run.run);
        for name in ["last", "20261123", run.run.as_str()] {
            assert_eq!(RunName(name.to_owned()).find(runs.path()).unwrap(), run.path, "{name}");
        }
        let error = RunName("2025".to_owned()).find(runs.path()).unwrap_err().to_string();
        assert!(error.contains("there is no run \"2025\""), "{error}");
    }

    #[test]
    fn two_processes_cannot_hold_one_run() {
        let runs = tempfile::tempdir().unwrap();
        let first = RunFolder::create(runs.path(), "accounts", now()).unwrap();
        std::fs::write(first.store_file(), "").unwrap();
        let second = RunFolder::open(runs.path(), &RunName("last".to_owned()));
        assert!(matches!(second, Err(StoreError::Active { .. })), "{second:?}");
        drop(first);
        assert!(RunFolder::open(runs.path(), &RunName("last".to_owned())).is_ok());
    }

    #[test]
    fn names_from_data_cannot_leave_the_folder() {
        assert_eq!(slug("../../etc/x"), "------etc-x");
        assert_eq!(slug(""), "object");
        assert_eq!(slug(&"Ä".repeat(300)).len(), 40);
    }

    #[cfg(unix)]
    #[test]
    fn folders_and_files_are_private() {
        use std::os::unix::fs::PermissionsExt;
        let base = tempfile::tempdir().unwrap();
        let run = RunFolder::create(&base.path().join("a/b"), "accounts", now()).unwrap();
        create_private_file(&run.store_file()).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&run.path), mode(&run.store_file())), (0o700, 0o600));
    }
}
