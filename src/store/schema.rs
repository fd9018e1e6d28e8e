//! The store's format. A newer one than [`VERSION`] is refused by name.

/// The format that this program writes.
///
/// 1: facts, rows, attempts, findings. 2: when a record was last looked up and
/// how it looked, how doubts were settled, which row of an earlier run a row is.
pub const VERSION: i64 = 2;

/// The files that go with rows. Runs that were begun before there were any lack the table until
/// they go on.
pub const FILES: &str = "
CREATE TABLE IF NOT EXISTS files (
    row      INTEGER PRIMARY KEY REFERENCES rows (row),
    path     TEXT NOT NULL,
    size     INTEGER NOT NULL,
    modified INTEGER NOT NULL
);";

/// Makes an empty store. `docs/run-store.md` describes each column.
pub const CREATE: &str = "
BEGIN;
CREATE TABLE facts (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE rows (
    row       INTEGER PRIMARY KEY,
    source    BLOB NOT NULL,
    action    TEXT CHECK (action IN ('create', 'update', 'delete')),
    record_id INTEGER,
    key       TEXT,
    body      TEXT,
    before    TEXT,
    outcome   TEXT CHECK (outcome IN ('created', 'updated', 'unchanged', 'deleted', 'skipped',
                                      'rejected', 'unprocessed', 'unknown')),
    status    INTEGER,
    looked    INTEGER,
    image     BLOB,
    origin    INTEGER
);
CREATE INDEX rows_outcome ON rows (outcome, row);
CREATE INDEX rows_made ON rows (record_id) WHERE action = 'create' AND record_id IS NOT NULL;

CREATE TABLE attempts (
    id      INTEGER PRIMARY KEY,
    row     INTEGER NOT NULL REFERENCES rows (row),
    started TEXT NOT NULL,
    ended   TEXT,
    result  TEXT CHECK (result IN ('done', 'refused', 'not_sent', 'in_doubt')),
    status  INTEGER,
    message TEXT,
    settled TEXT CHECK (settled IN ('adopted', 'absent', 'held', 'dropped'))
);
CREATE INDEX attempts_row ON attempts (row);
CREATE INDEX attempts_open ON attempts (row) WHERE ended IS NULL;

CREATE TABLE findings (
    id      INTEGER PRIMARY KEY,
    row     INTEGER NOT NULL,
    cell    TEXT,
    \"column\"  TEXT,
    field   TEXT,
    code    TEXT NOT NULL,
    message TEXT NOT NULL,
    cause   TEXT,
    value   TEXT,
    stage   TEXT NOT NULL
);
CREATE INDEX findings_row ON findings (row);

PRAGMA user_version = 2;
COMMIT;
";

/// From each format to the next, the first one from 1 to 2.
pub const MIGRATIONS: [&str; 1] = ["
BEGIN IMMEDIATE;
ALTER TABLE rows ADD COLUMN looked INTEGER;
ALTER TABLE rows ADD COLUMN image BLOB;
ALTER TABLE rows ADD COLUMN origin INTEGER;
ALTER TABLE attempts ADD COLUMN settled TEXT CHECK (settled IN ('adopted', 'absent', 'held', 'dropped'));
CREATE INDEX rows_made ON rows (record_id) WHERE action = 'create' AND record_id IS NOT NULL;
DROP INDEX IF EXISTS rows_open;
INSERT INTO facts (name, value) SELECT 'plan_complete', 'true' WHERE EXISTS
    (SELECT 1 FROM facts WHERE name = 'rows_clearing');
PRAGMA user_version = 2;
COMMIT;
"];

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    #[test]
    fn a_word_that_is_no_outcome_is_found_though_writing_does_not_look_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::create(&folder.path().join("run.db")).unwrap();
        store.check_words(false).unwrap();
        store.check_whole().unwrap();
        store.check_words(false).unwrap();
        let bad = "INSERT INTO rows (row, source, action) VALUES (1, x'00', 'frob')";
        store.try_db(|db| db.execute_batch(bad)).unwrap();
        assert!(store.check_whole().is_err());
    }

    use crate::model::{Action, Outcome};
    use crate::store::{Direction, PlannedRow, Store};

    /// Format 1, as it was.
    const FIRST: &str = "
BEGIN;
CREATE TABLE facts (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE rows (
    row       INTEGER PRIMARY KEY,
    source    BLOB NOT NULL,
    action    TEXT CHECK (action IN ('create', 'update', 'delete')),
    record_id INTEGER,
    key       TEXT,
    body      TEXT,
    before    TEXT,
    outcome   TEXT CHECK (outcome IN ('created', 'updated', 'unchanged', 'deleted', 'skipped',
                                      'rejected', 'unprocessed', 'unknown')),
    status    INTEGER
);
CREATE INDEX rows_open ON rows (row) WHERE outcome IS NULL;
CREATE INDEX rows_outcome ON rows (outcome, row);

CREATE TABLE attempts (
    id      INTEGER PRIMARY KEY,
    row     INTEGER NOT NULL REFERENCES rows (row),
    started TEXT NOT NULL,
    ended   TEXT,
    result  TEXT CHECK (result IN ('done', 'refused', 'not_sent', 'in_doubt')),
    status  INTEGER,
    message TEXT
);
CREATE INDEX attempts_row ON attempts (row);
CREATE INDEX attempts_open ON attempts (row) WHERE ended IS NULL;

CREATE TABLE findings (
    id      INTEGER PRIMARY KEY,
    row     INTEGER NOT NULL,
    cell    TEXT,
    \"column\"  TEXT,
    field   TEXT,
    code    TEXT NOT NULL,
    message TEXT NOT NULL,
    cause   TEXT,
    value   TEXT,
    stage   TEXT NOT NULL
);
CREATE INDEX findings_row ON findings (row);

PRAGMA user_version = 1;
COMMIT;
";

    #[test]
    fn a_run_of_the_first_format_is_brought_up_to_this_one_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("run.db");
        let old = Connection::open(&file).unwrap();
        old.execute_batch(FIRST).unwrap();
        old.execute_batch(
            "INSERT INTO facts VALUES ('rows_clearing', '0'), ('rows_read', '2');
             INSERT INTO rows (row, source, action, body, outcome) VALUES
                 (2, x'', 'create', '{\"name\":\"a\"}', 'unknown'), (3, x'', 'create', '{}', NULL);
             INSERT INTO attempts (row, started, ended, result) VALUES (2, '', '', 'in_doubt');",
        )
        .unwrap();
        drop(old);
        let version = |file| -> i64 {
            Connection::open(file).unwrap().query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
        };
        let peeked = Store::peek(&file).unwrap();
        assert_eq!(peeked.counts().unwrap().get(Outcome::Unknown), 1);
        drop(peeked);
        assert_eq!(version(&file), 1, "a look changes nothing");
        let mut store = Store::open(&file).unwrap();
        assert_eq!(version(&file), super::VERSION);
        assert_eq!(store.get("plan_complete").unwrap(), Some(true));
        assert_eq!(store.doubts(|doubt| doubt.row).unwrap(), [2]);
        let next = store.next_to_send(None, 9, Direction::Forward).unwrap();
        assert_eq!((next.len(), next[0].row, next[0].looked), (1, 3, None));
        let new =
            PlannedRow { row: 4, action: Some(Action::Create), looked: Some(1), ..PlannedRow::default() };
        store.add_rows(&[new]).unwrap();
    }

    #[test]
    fn a_plan_of_the_first_format_that_was_not_whole_is_none_now_and_the_tables_are_those_of_a_new_run() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old.db"), folder.path().join("new.db"));
        Connection::open(&old).unwrap().execute_batch(FIRST).unwrap();
        assert_eq!(Store::open(&old).unwrap().get::<bool>("plan_complete").unwrap(), None);
        Store::create(&new).unwrap();
        let lines = |file, sql: &str| -> Vec<String> {
            let db = Connection::open(file).unwrap();
            let mut statement = db.prepare(sql).unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
        };
        for sql in [
            "SELECT sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name",
            "SELECT tables.name || '.' || columns.name || ' ' || columns.type FROM sqlite_schema AS tables
             JOIN pragma_table_info(tables.name) AS columns WHERE tables.type = 'table' ORDER BY 1",
        ] {
            assert_eq!(lines(&old, sql), lines(&new, sql));
        }
    }
}
