//! Writing records into a SQLite database: a table for each object, in a file
//! of its own or in one that an earlier export left.
//!
//! SQLite turns a text that looks like a number into one where the column is
//! of numbers, and what it cannot hold exactly into a float. So nothing is
//! left to it: into a column of numbers go whole numbers that fit, and what
//! does not fit stands in the column `_rest`. SQLite has no decimals, and
//! writes even 2000000000.1145 with other digits: they are texts, as dates are,
//! which sort and compare as they are.
//!
//! The database is written beside its target and gets its name when it is
//! whole. It is thrown away otherwise, so it needs no journal.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rusqlite::backup::Backup;
use rusqlite::types::Null;
use rusqlite::{Connection, ErrorCode, OpenFlags, Statement};

use super::error::{OutputError, OutputProblem};
use super::lines::{Before, Splitter, WithLines, without_lines};
use super::output::Output;
use super::sqlite_table::{Table, quoted};
use super::typed::{ColumnType, Rest, flag, is_empty, whole};
use super::write::{RecordWriter, fits};
use crate::model::{Field, Notice, ValueRef, count, shown};

/// How long to wait for a program that is writing the database which is brought up to date.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pages of the new database that are kept in memory, in KiB.
const CACHE: i64 = 8 << 10;

/// A database in the making. Each object gets its table by [`SqliteFile::table`].
pub struct SqliteFile {
    connection: Connection,
    output: Output,
    /// The database that is brought up to date, as it was when it was copied.
    copied: Option<State>,
}

/// By what it is told whether a file changed.
type State = (u64, SystemTime);

impl SqliteFile {
    /// Begins a database without tables.
    pub fn create(output: Output) -> Result<Self, OutputError> {
        let begin = || prepared(output.path(), None);
        let connection = begin().map_err(|error| told(&error).of(output.target()))?;
        Ok(Self { connection, output, copied: None })
    }

    /// Begins with all that the database at `target` holds, to bring it up to
    /// date; where there is none, with nothing. It is replaced on
    /// [`SqliteFile::finish`], and stays as it is until then.
    ///
    /// # Errors
    /// It is no database, or another program keeps it locked.
    pub fn update(target: &Path) -> Result<Self, OutputError> {
        if std::fs::symlink_metadata(target).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return Self::create(Output::create(target, false)?);
        }
        let output = Output::create(target, true)?;
        let begin = || -> Result<Self, OutputProblem> {
            // Asked before the copy: what changes while it is made is noticed.
            let state = state(target)?;
            let source = opened_with_patience(target).map_err(told_of)?;
            let connection = prepared(output.path(), Some(&source)).map_err(told_of)?;
            source.close().map_err(|(_, error)| told(&error))?;
            // Whoever reads the database today can read it tomorrow.
            std::fs::set_permissions(output.path(), std::fs::metadata(target)?.permissions())?;
            Ok(Self { connection, copied: Some(state), output })
        };
        begin().map_err(|problem| problem.of(target))
    }

    /// Marks the database (its `user_version`), so that it can be told from others of its name.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn set_mark(&self, mark: i32) -> Result<(), OutputError> {
        let set = self.connection.pragma_update(None, "user_version", mark);
        set.map_err(|error| told(&error).of(self.output.target()))
    }

    /// Begins the table of an object, or brings the one that is there up to
    /// date by `id`: records that it has are changed in the columns of
    /// `fields`, others are added; columns that it lacks are added, others
    /// stay. Several tables may be written at once.
    pub fn table(&self, object: &str, fields: &[Field]) -> Result<Box<dyn RecordWriter + '_>, OutputError> {
        let begin = || -> Result<TableWriter<'_>, OutputProblem> {
            let table = Table::prepare(&self.connection, object, fields)?;
            let statement = self.connection.prepare(&table.insertion()).map_err(told_of)?;
            let target = self.output.target().to_owned();
            Ok(TableWriter {
                connection: &self.connection,
                statement,
                table,
                target,
                rest: Rest::default(),
                records: 0,
            })
        };
        let writer = begin().map_err(|problem| problem.of(self.output.target()))?;
        Ok(Box::new(writer))
    }

    /// The same for opportunities, with a table for their lines: those that an opportunity had
    /// in the table are replaced by those that it has now.
    pub fn table_with_lines(
        &self,
        object: &str,
        fields: &[Field],
        (lines, line_fields): (&str, &[Field]),
    ) -> Result<Box<dyn RecordWriter + '_>, OutputError> {
        let target = self.output.target();
        let records = self.table(object, &without_lines(fields))?;
        let splitter = Splitter::new(fields, line_fields);
        let writer = self.table(lines, line_fields)?;
        // Without an index each one would read all lines; an old table has it, a new one is empty.
        let sql = format!("DELETE FROM {} WHERE {} = ?1", quoted(lines), quoted("opportunityid"));
        let mut clear = self.connection.prepare(&sql).map_err(|error| told(&error).of(target))?;
        let before = (self.copied.is_some()).then(|| -> Before<'_> {
            Box::new(move |id: ValueRef<'_>| {
                clear.execute([whole(id)]).map(drop).map_err(|error| told(&error).of(target))
            })
        });
        Ok(Box::new(WithLines { records, lines: writer, splitter, before }))
    }

    /// The ids of an object's records.
    ///
    /// # Errors
    /// The table cannot be read.
    pub fn ids(&self, object: &str) -> Result<Vec<u64>, OutputError> {
        let all = || -> rusqlite::Result<Vec<u64>> {
            let sql = format!("SELECT id FROM {} WHERE id > 0", quoted(object));
            self.connection.prepare(&sql)?.query_map([], |row| row.get(0))?.collect()
        };
        all().map_err(|error| told(&error).of(self.output.target()))
    }

    /// Takes the records away whose `field` is one of the ids.
    pub fn remove(&self, object: &str, field: &str, ids: &[u64]) -> Result<(), OutputError> {
        let all = || -> rusqlite::Result<()> {
            let sql = format!("DELETE FROM {} WHERE {} = ?1", quoted(object), quoted(field));
            let mut statement = self.connection.prepare(&sql)?;
            ids.iter().try_for_each(|id| statement.execute([id]).map(drop))
        };
        all().map_err(|error| told(&error).of(self.output.target()))
    }

    /// Completes the database and gives it its name.
    ///
    /// # Errors
    /// Beside its name, another program has files of an open database, or it
    /// changed the one that was to be brought up to date.
    pub fn finish(self) -> Result<Vec<Notice>, OutputError> {
        let Self { connection, output, copied } = self;
        let target = output.target().to_owned();
        let end = || -> Result<(), OutputProblem> {
            connection.execute_batch("COMMIT").map_err(told_of)?;
            connection.close().map_err(|(_, error)| told(&error))?;
            if let Some(copied) = copied
                && state(&target)? != copied
            {
                return Err(OutputProblem::Unfit(
                    "another program changed this database meanwhile; nothing was replaced, start again"
                        .to_owned(),
                ));
            }
            is_free(&target)
        };
        end().map_err(|problem| problem.of(&target))?;
        output.commit()?;
        Ok(Vec::new())
    }
}

/// The columns that an object's table has in the database at `path`; none where there is no table,
/// or no file.
///
/// # Errors
/// It is no database, or another program keeps it locked.
pub fn sqlite_columns(path: &Path, object: &str) -> Result<Vec<String>, OutputError> {
    if !path.is_file() {
        return Ok(Vec::new());
    }
    let ask = || -> rusqlite::Result<Vec<String>> {
        let connection = opened_with_patience(path)?;
        let mut statement = connection.prepare("SELECT name FROM pragma_table_info(?1)")?;
        statement.query_map([object], |row| row.get(0))?.collect()
    };
    ask().map_err(|error| told(&error).of(path))
}

/// The mark of a database ([`SqliteFile::set_mark`]); none where there is no database.
///
/// # Errors
/// It is no database, or another program keeps it locked.
pub fn sqlite_mark(path: &Path) -> Result<Option<i32>, OutputError> {
    if !path.is_file() {
        return Ok(None);
    }
    let ask = || opened_with_patience(path)?.query_row("PRAGMA user_version", [], |row| row.get(0));
    ask().map(Some).map_err(|error| told(&error).of(path))
}

/// Opens a database that other programs may be using.
fn opened_with_patience(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(PATIENCE)?;
    Ok(connection)
}

/// Opens the file in the making, with a copy of `source` in it.
fn prepared(path: &Path, source: Option<&Connection>) -> rusqlite::Result<Connection> {
    if let Some(source) = source {
        let mut copy = opened(path)?;
        copy.query_row("PRAGMA journal_mode=MEMORY", [], |_| Ok(()))?;
        Backup::new(source, &mut copy)?.run_to_completion(1_024, Duration::ZERO, None)?;
        // The copy of a database with a write-ahead log would begin one.
        copy.query_row("PRAGMA journal_mode=DELETE", [], |_| Ok(()))?;
        copy.close().map_err(|(_, error)| error)?;
    }
    let connection = opened(path)?;
    connection.query_row("PRAGMA journal_mode=OFF", [], |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "OFF")?;
    connection.pragma_update(None, "cache_size", -CACHE)?;
    connection.execute_batch("BEGIN EXCLUSIVE")?;
    Ok(connection)
}

/// Opens the file in the making without locks of SQLite's own: the [`Output`] holds one on it,
/// which some systems do not tell from another program's.
fn opened(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE;
    let connection = match cfg!(unix) {
        true => Connection::open_with_flags_and_vfs(path, flags, "unix-none"),
        false => Connection::open_with_flags(path, flags),
    }?;
    // Without locks there is no memory to share with others, which a write-ahead log wants else.
    connection.query_row("PRAGMA locking_mode=EXCLUSIVE", [], |_| Ok(()))?;
    Ok(connection)
}

fn state(path: &Path) -> io::Result<State> {
    let there = std::fs::metadata(path)?;
    Ok((there.len(), there.modified()?))
}

/// Refuses a name beside which another program has a log or a journal: the
/// next one to open the new database would play it into that.
fn is_free(target: &Path) -> Result<(), OutputProblem> {
    for ending in ["-wal", "-journal"] {
        let mut beside = target.as_os_str().to_owned();
        beside.push(ending);
        if std::fs::symlink_metadata(&beside).is_ok_and(|there| there.len() > 0) {
            let name = PathBuf::from(beside).file_name().unwrap_or_default().to_string_lossy().into_owned();
            return Err(OutputProblem::Unfit(format!(
                "another program has this database open, or ended without closing it: {} is there; \
                 close it there, or open and close it once with sqlite3",
                shown(&name)
            )));
        }
    }
    Ok(())
}

/// What SQLite said, in plain words where it is one of the usual.
pub(super) fn told(error: &rusqlite::Error) -> OutputProblem {
    let why = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => return io::Error::from(io::ErrorKind::StorageFull).into(),
        Some(ErrorCode::NotADatabase) => {
            return OutputProblem::Unfit("this is not a SQLite database; take another name".to_owned());
        }
        Some(ErrorCode::DatabaseCorrupt) => {
            let told = "this database is damaged; move it away, and the next export writes all of it anew";
            return OutputProblem::Unfit(told.to_owned());
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            return OutputProblem::Unfit(
                "another program keeps this database locked; close it there".to_owned(),
            );
        }
        _ => shown(&error.to_string()).to_string(),
    };
    OutputProblem::Form { form: "the database", why }
}

pub(super) fn told_of(error: rusqlite::Error) -> OutputProblem {
    told(&error)
}

struct TableWriter<'c> {
    connection: &'c Connection,
    statement: Statement<'c>,
    table: Table,
    target: PathBuf,
    rest: Rest,
    records: u64,
}

impl TableWriter<'_> {
    fn put(&mut self, values: &[ValueRef<'_>]) -> Result<(), OutputProblem> {
        let value = |at: usize| values.get(at).copied().unwrap_or(ValueRef::Null);
        self.rest.begin(value(self.table.rest));
        for (at, (name, kind)) in self.table.columns.iter().enumerate() {
            if at == self.table.rest {
                continue;
            }
            let value = value(at);
            if at == self.table.id && whole(value).is_none() {
                let what = format!("a record of {} has no whole number as id", shown(&self.table.name));
                return Err(OutputProblem::Content(what));
            }
            let fitted = is_empty(value, *kind) || bind(&mut self.statement, at + 1, value, *kind)?;
            if !fitted {
                self.rest.add(name, value);
            }
            if !fitted || is_empty(value, *kind) {
                self.statement.raw_bind_parameter(at + 1, Null).map_err(told_of)?;
            }
        }
        self.statement.raw_bind_parameter(self.table.rest + 1, self.rest.end()).map_err(told_of)?;
        self.statement.raw_execute().map_err(told_of)?;
        self.records += 1;
        Ok(())
    }

    fn complete(self) -> Result<Vec<Notice>, OutputProblem> {
        drop(self.statement);
        self.connection.execute_batch(&self.table.indexes()).map_err(told_of)?;
        let mut notices: Vec<Notice> = self.rest.notice(&self.table.name).into_iter().collect();
        if self.table.is_new {
            let sql = format!("SELECT count(*) FROM {}", quoted(&self.table.name));
            let held: u64 = self.connection.query_row(&sql, [], |row| row.get(0)).map_err(told_of)?;
            let twice = self.records.saturating_sub(held);
            if twice > 0 {
                let records = count(twice, "record", "records");
                notices.push(Notice(format!(
                    "{}: {records} came with an id that was there already; the last one stands",
                    self.table.name
                )));
            }
        }
        Ok(notices)
    }
}

/// Binds a value as the column takes it; false where it does not fit.
fn bind(
    statement: &mut Statement<'_>,
    at: usize,
    value: ValueRef<'_>,
    kind: ColumnType,
) -> Result<bool, OutputProblem> {
    let bound = match kind {
        ColumnType::Whole => whole(value).map(|number| statement.raw_bind_parameter(at, number)),
        ColumnType::Flag => flag(value).map(|flag| statement.raw_bind_parameter(at, flag)),
        ColumnType::Decimal(_) | ColumnType::Date | ColumnType::DateTime | ColumnType::Text => {
            Some(statement.raw_bind_parameter(at, value.to_text()))
        }
    };
    bound.map_or(Ok(false), |bound| bound.map(|()| true).map_err(told_of))
}

impl RecordWriter for TableWriter<'_> {
    fn write_refs(&mut self, values: &[ValueRef<'_>]) -> Result<(), OutputError> {
        fits(values.len(), self.table.given, || self.target.clone())?;
        self.put(values).map_err(|problem| problem.of(&self.target))
    }

    fn finish(self: Box<Self>) -> Result<Vec<Notice>, OutputError> {
        let target = self.target.clone();
        self.complete().map_err(|problem| problem.of(&target))
    }
}
