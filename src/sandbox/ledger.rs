//! The ledger: one line for each write that was committed, in the order in
//! which they were, never changed. Whoever doubts what a client says it wrote
//! counts here.

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params};

/// What a table of the records' file needs to be the ledger. `record` is an id,
/// or the name of a list.
pub const SCHEMA: &str = "
    CREATE TABLE ledger (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at TEXT NOT NULL,
        method TEXT NOT NULL,
        object TEXT NOT NULL,
        record ANY NOT NULL,
        body TEXT
    ) STRICT;
    CREATE TRIGGER ledger_is_not_changed BEFORE UPDATE ON ledger
        BEGIN SELECT RAISE(ABORT, 'the ledger is only added to'); END;
    CREATE TRIGGER ledger_is_not_emptied BEFORE DELETE ON ledger
        BEGIN SELECT RAISE(ABORT, 'the ledger is only added to'); END;
";

/// A line to be added.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// `POST`, `PATCH` or `DELETE`.
    pub method: &'a str,
    /// The record's object, or `lookup`.
    pub object: &'a str,
    /// The record's id, or the name of the list that gained values.
    pub record: Sql,
    /// What was sent; empty if nothing was.
    pub body: &'a [u8],
}

/// Adds a line; to be called within the transaction of the write itself.
pub fn add(connection: &Connection, entry: &Entry<'_>) -> rusqlite::Result<()> {
    let body = (!entry.body.is_empty()).then(|| String::from_utf8_lossy(entry.body));
    connection
        .prepare_cached("INSERT INTO ledger (at, method, object, record, body) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![now(), entry.method, entry.object, entry.record, body])?;
    Ok(())
}

/// UTC with milliseconds, always of the same length: it sorts as text.
fn now() -> String {
    let now = jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::now());
    let (time, milli) = (now.time(), now.millisecond());
    format!("{}T{:02}:{:02}:{:02}.{milli:03}Z", now.date(), time.hour(), time.minute(), time.second())
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_have_one_length() {
        for _ in 0..50 {
            let now = super::now();
            assert!(now.len() == 24 && now.parse::<jiff::Timestamp>().is_ok(), "{now}");
        }
    }
}
