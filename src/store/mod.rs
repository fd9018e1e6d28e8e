//! The run store: one SQLite file a run, holding everything that happened.
//!
//! The plan, each attempt, each outcome and the values before are written
//! here; sending, reporting and every later command read it. `docs/run-store.md`
//! describes the schema for people who open the file with `sqlite3`.
//!
//! `schema` is the format, `folder` names and finds runs, `plan` and `send`
//! write (`answer` is what came of a row), `settle` keeps what is in doubt, `report` and `written` read, `past`
//! looks into earlier runs, `undoing` and `retrying` take over from one of them. The run of an
//! export has no rows and no such file: `export_run` is what it has instead, `pages` what it has read.

mod answer;
mod ballast;
mod export_run;
mod folder;
#[cfg(test)]
pub(crate) mod full;
mod index;
mod naming;
mod pages;
mod past;
mod plan;
mod report;
mod retrying;
mod schema;
mod send;
mod settle;
mod undoing;
mod written;

use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::{shown, shown_path};

pub use answer::{Answer, AnswerKind};
pub use ballast::Ballast;
pub use export_run::{ExportFacts, ExportRun};
pub use folder::{RunFolder, RunName, list_runs};
pub use folder::{create_private_folder, is_held, slug};
pub use index::RecordIndex;
pub use naming::{document_file_name, is_document_file_name};
pub use pages::PageLog;
pub use past::newest_runs;
pub use plan::{PlannedFile, PlannedRow};
pub use report::{KeptCell, KeptRow, ResultRow, RunInfo, StoredFinding};
pub use retrying::RetriedRow;
pub use schema::VERSION;
pub use send::{Direction, ToSend};
pub use settle::{Doubt, Settled};
pub use undoing::DoneRow;
pub use written::WrittenRow;

/// Why the store cannot be used. The sentence names the file.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite refused: disk full, file damaged, locked by another program.
    #[error("cannot use the run store {}: {source}", shown_path(.file))]
    Database {
        /// The store's file.
        file: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// The folder or a file in it cannot be made or read.
    #[error("cannot use {}: {source}", shown_path(.path))]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Written by a newer program.
    #[error(
        "the run store {} was written by a newer carafe (format {found}); this one reads up to format {VERSION}",
        shown_path(.file)
    )]
    Newer {
        /// The store's file.
        file: PathBuf,
        /// Its format.
        found: i64,
    },
    /// What stands in it does not make sense.
    #[error("the run store {} is damaged: {what}", shown_path(.file))]
    Damaged {
        /// The store's file.
        file: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Killed before anything was written.
    #[error(
        "the run of {} was interrupted before it began; nothing of it was sent: import the file again",
        shown_path(.file)
    )]
    NotBegun {
        /// The store's file.
        file: PathBuf,
    },
    /// No run, or several, by that name.
    #[error("{0}")]
    NoSuchRun(String),
    /// A run that has no rows.
    #[error("run {run} is an export: it wrote nothing to the CRM")]
    Export {
        /// The run's id.
        run: String,
        /// The last run that has rows.
        last: Option<String>,
    },
    /// Another process writes this run.
    #[error("run {run} is active in another process; wait for it to end")]
    Active {
        /// The run's id.
        run: String,
    },
}

/// Sets a fact: its name, and its value as JSON.
const SET_FACT: &str =
    "INSERT INTO facts (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2";

/// The write-ahead log of a store.
fn log_of(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// An open run store.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    file: PathBuf,
}

impl Store {
    /// Makes the store of a new run, private to its user.
    pub fn create(file: &Path) -> Result<Self, StoreError> {
        folder::create_private_file(file)?;
        let make = || {
            let store = Self::connect(file)?;
            store.try_db(|db| {
                #[cfg(test)]
                full::take()?;
                db.execute_batch(schema::CREATE)?;
                db.execute_batch(schema::FILES)
            })?;
            Ok(store)
        };
        make().inspect_err(|_| {
            // Half a store would stand among the runs, and be the last of them.
            let _ = std::fs::remove_file(file);
        })
    }

    /// Opens the store of an earlier run, to go on with it: one of an earlier
    /// format is brought up to this one.
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        let (store, found) = Self::open_as_it_is(file)?;
        let steps = schema::MIGRATIONS.iter().skip(usize::try_from(found - 1).unwrap_or(usize::MAX));
        for step in steps {
            store.try_db(|db| db.execute_batch(step))?;
        }
        store.try_db(|db| db.execute_batch(schema::FILES))?;
        Ok(store)
    }

    /// Opens the store of an earlier run to look into it: its format stays.
    pub fn peek(file: &Path) -> Result<Self, StoreError> {
        let (store, _) = Self::open_as_it_is(file)?;
        if store.get::<Option<u64>>("sending")?.flatten().is_some() {
            store.keep_the_log(true)?;
        }
        Ok(store)
    }

    fn open_as_it_is(file: &Path) -> Result<(Self, i64), StoreError> {
        let io = |source| StoreError::Io { path: file.to_owned(), source };
        std::fs::metadata(file).map_err(io)?;
        let has_log = log_of(file).exists();
        let store = Self::connect(file)?;
        let found: i64 = store.try_db(|db| db.query_row("PRAGMA user_version", [], |row| row.get(0)))?;
        if found > VERSION {
            return Err(StoreError::Newer { file: file.to_owned(), found });
        }
        if found < 1 {
            let tables: u64 = store
                .try_db(|db| db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)))?;
            // A run that has told of its end has a store that is more than empty.
            let has_begun =
                ["summary.json", "results.csv"].iter().any(|name| file.with_file_name(name).exists());
            return Err(match (tables, has_begun) {
                (0, false) => StoreError::NotBegun { file: file.to_owned() },
                (0, true) => {
                    store.damaged("it is empty; records may have been created, see results.csv beside it")
                }
                _ => store.damaged("it has no format number"),
            });
        }
        if !has_log && store.lacks_its_log().unwrap_or(false) {
            return Err(store.damaged(
                "its log run.db-wal is missing, which says what was sent last; records may have been created that it does not know of",
            ));
        }
        Ok((store, found))
    }

    /// Refuses a file whose pages do not hang together. Reads all of it.
    pub fn check_whole(&self) -> Result<(), StoreError> {
        // Looked at here, though not at each row that is written.
        self.check_words(true)?;
        let found: String = self.try_db(|db| db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)))?;
        self.check_words(cfg!(debug_assertions))?;
        if found == "ok" { Ok(()) } else { Err(self.damaged(shown(&found).cut(200).to_string())) }
    }

    /// Whether words are held against the schema's lists.
    fn check_words(&self, check: bool) -> Result<(), StoreError> {
        self.try_db(|db| db.pragma_update(None, "ignore_check_constraints", !check))
    }

    /// Whether a commit waits until it is on disk, which it does unless told
    /// otherwise. One that does takes those before it along that did not.
    pub fn wait_for_disk(&self, wait: bool) -> Result<(), StoreError> {
        let sql = if wait { "PRAGMA synchronous = FULL" } else { "PRAGMA synchronous = NORMAL" };
        self.try_db(|db| db.execute_batch(sql))
    }

    fn connect(file: &Path) -> Result<Self, StoreError> {
        let connect = || -> rusqlite::Result<Connection> {
            let connection = Connection::open(file)?;
            connection.busy_timeout(std::time::Duration::from_secs(10))?;
            // Full sync: what a commit says has happened survives a power cut.
            connection.execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;",
            )?;
            // Otherwise a statement is prepared anew for each row number that it is given.
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
            Ok(connection)
        };
        let store = match connect() {
            Ok(connection) => Self { connection, file: file.to_owned() },
            Err(source) => return Err(StoreError::Database { file: file.to_owned(), source }),
        };
        // Each check of a word against a list fills a table of its own with the list, for every
        // row. Words come from enums alone here; builds for tests check them all the same.
        store.check_words(cfg!(debug_assertions))?;
        Ok(store)
    }

    fn try_db<T>(&self, act: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        act(&self.connection).map_err(|source| StoreError::Database { file: self.file.clone(), source })
    }

    /// A store that is gone with the process.
    #[cfg(test)]
    pub(crate) fn in_memory() -> Self {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(schema::CREATE).unwrap();
        connection.execute_batch(schema::FILES).unwrap();
        Self { connection, file: "memory".into() }
    }

    /// Lets a test make the store fail.
    #[cfg(test)]
    pub(crate) fn sabotage(&self, sql: &str) {
        self.connection.execute_batch(sql).unwrap();
    }

    fn damaged(&self, what: impl Into<String>) -> StoreError {
        StoreError::Damaged { file: self.file.clone(), what: what.into() }
    }

    /// Runs several writes as one: all of them last, or none.
    fn in_one(
        &mut self,
        act: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<()>,
    ) -> Result<(), StoreError> {
        let file = self.file.clone();
        let run = || {
            let transaction = self.connection.transaction()?;
            act(&transaction)?;
            // Everything is written by now, and is to be taken back.
            #[cfg(test)]
            full::take()?;
            transaction.commit()
        };
        run().map_err(|source| StoreError::Database { file, source })
    }

    /// Marks that requests are about to leave, or that none are any more.
    ///
    /// While they are, what happens stands in the write-ahead log beside the
    /// file at first: without the log the file alone would say that nothing
    /// was sent (see `lacks_its_log`).
    pub fn set_sending(&self, sending: bool) -> Result<(), StoreError> {
        let attempts = if sending { Some(self.attempts()?) } else { None };
        if sending {
            self.keep_the_log(true)?;
        }
        self.set("sending", &attempts)?;
        if !sending {
            self.keep_the_log(false)?;
        }
        self.try_db(|db| db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())))
    }

    /// Whether the log stays when the store is closed: a process that ends in
    /// the middle by itself must not look like one whose log was lost.
    fn keep_the_log(&self, keep: bool) -> Result<(), StoreError> {
        let option = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        self.try_db(|db| db.set_db_config(option, keep).map(drop))
    }

    fn attempts(&self) -> Result<u64, StoreError> {
        self.try_db(|db| db.query_row("SELECT count(*) FROM attempts", [], |row| row.get(0)))
    }

    /// Whether a process was sending, and what it sent is not in the store: its
    /// log was lost, by a copy of the file alone.
    fn lacks_its_log(&self) -> Result<bool, StoreError> {
        let before = self.get::<Option<u64>>("sending")?.flatten();
        Ok(before.is_some() && before == Some(self.attempts()?))
    }

    /// Does several things as one: a process that is killed in between leaves
    /// none of them, nor does one that could not do them all.
    pub fn together<T, E: From<StoreError>>(&self, act: impl FnOnce(&Self) -> Result<T, E>) -> Result<T, E> {
        let failed = |source| StoreError::Database { file: self.file.clone(), source };
        // Taken back when it is dropped.
        let transaction = self.connection.unchecked_transaction().map_err(failed)?;
        let done = act(self)?;
        transaction.commit().map_err(failed)?;
        Ok(done)
    }

    /// Stores a fact about the run as JSON; see `docs/run-store.md` for the names.
    pub fn set<T: Serialize + ?Sized>(&self, name: &str, value: &T) -> Result<(), StoreError> {
        let json = serde_json::to_string(value).map_err(|error| self.damaged(error.to_string()))?;
        self.try_db(|db| {
            #[cfg(test)]
            full::take()?;
            db.prepare_cached(SET_FACT)?.execute(params![name, json])
        })?;
        Ok(())
    }

    /// A fact about the run, if it is there.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StoreError> {
        let sql = "SELECT value FROM facts WHERE name = ?1";
        let json: Option<String> =
            self.try_db(|db| db.query_row(sql, [name], |row| row.get(0)).optional())?;
        json.map(|json| serde_json::from_str(&json).map_err(|error| self.damaged(format!("{name}: {error}"))))
            .transpose()
    }

    /// A fact that every run has.
    pub fn fact<T: DeserializeOwned>(&self, name: &str) -> Result<T, StoreError> {
        self.get(name)?.ok_or_else(|| self.damaged(format!("it does not say {name}")))
    }
}
