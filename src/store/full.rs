//! A disk that is full from some write on, for tests: every write of a store
//! asks here first. It concerns the stores of one thread alone.

use std::cell::Cell;

use rusqlite::ffi;

use super::Store;

thread_local! {
    static DISK: Cell<Disk> = const { Cell::new(Disk { room: u64::MAX, refuses: 0, refused: 0 }) };
}

/// What becomes of the next writes.
#[derive(Clone, Copy, Debug)]
struct Disk {
    /// So many still succeed.
    room: u64,
    /// So many are refused then.
    refuses: u64,
    /// So many were.
    refused: u64,
}

/// So many writes succeed from now on; so many behind them do not.
pub(crate) fn fill_after(room: u64, refuses: u64) {
    DISK.set(Disk { room, refuses, refused: 0 });
}

/// There is room again; the answer is how many writes were refused.
pub(crate) fn make_room() -> u64 {
    DISK.replace(Disk { room: u64::MAX, refuses: 0, refused: 0 }).refused
}

/// Whether the disk takes one write more.
pub(super) fn take() -> rusqlite::Result<()> {
    let disk = DISK.get();
    if disk.room > 0 {
        DISK.set(Disk { room: disk.room - 1, ..disk });
        return Ok(());
    }
    if disk.refused >= disk.refuses {
        return Ok(());
    }
    DISK.set(Disk { refused: disk.refused + 1, ..disk });
    Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_FULL), None))
}

impl Store {
    /// Lets the file grow by so many pages and no more: SQLite then answers as
    /// it does on a full disk.
    pub(crate) fn let_grow_by(&self, pages: u64) {
        let now: u64 = self.connection.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
        self.sabotage(&format!("PRAGMA max_page_count = {}", now + pages));
    }
}
