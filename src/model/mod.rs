//! Plain types that every room shares: no I/O, no clock, no library of the
//! outside but `jiff` for civil dates.
//!
//! A *row* is one record of the user's file, a *record* is what the CRM
//! stores, a *field* belongs to a record and a *column* to a file.

mod count;
mod dictionary;
mod filter;
mod finding;
mod guard;
mod number;
mod outcome;
mod plain_cells;
mod record;
mod redact;
mod reserved;
mod row;
mod shown;
mod value;

pub use count::{count, thousands};
pub use dictionary::{Dictionary, Field, FieldKind, Lookup};
pub use filter::{Direction, Filter, Order, Test};
pub use finding::{Code, Finding, Notice, Stage};
pub use guard::{guard, unguard};
pub use number::Number;
pub use outcome::{Action, Calls, Counts, Outcome, RunState};
pub use plain_cells::PlainCells;
pub use record::{Record, RecordId};
pub use redact::redact;
pub use reserved::{
    CODE_COLUMN, EXTRA_COLUMN, RESERVED_COLUMNS, ROW_COLUMN, RUN_COLUMN, is_called, is_reserved,
};
pub use row::{Cell, CellFault, Column, Header, Row, RowFault, column_letters};
pub use shown::{Shown, acts, shown, shown_path};
pub use value::{Value, ValueRef};
