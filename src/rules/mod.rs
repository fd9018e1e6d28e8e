//! Pure decisions, values in, values out: no file, no network, no clock.
//!
//! In the order in which a row meets them: `mapping` (what the user wants),
//! `program` (the mapping held against dictionary and header), `proving` (what
//! whole columns show of their format, by `proof`), `condition` (which rows are
//! meant), `draft` (a row run through the program, by `convert` and
//! `expression`; `program::Glance` passes the rows that need none), `duplicates`, `additions` (what dropdown lists lack),
//! `planning` (what is to be done, by `compare`; `zeros` are what it loses), `causes` (why rows were
//! rejected), `settling` (what rows in doubt have come to, by `image`),
//! `exported` (whether a record changed since its export). `reversal` is the way back: records into the cells that
//! a mapping would read them from. `language` is the language of `--where` and `when`; `drift` tells
//! what the CRM changed about fields since the last time; `drafting` writes a
//! first mapping for a file that has none. After a run `verifying` names what
//! the CRM made of the values, and `edited` who may have changed them since.

pub mod additions;
pub mod causes;
pub mod compare;
pub mod condition;
pub mod convert;
pub mod draft;
pub mod drafting;
pub mod drift;
pub mod duplicates;
pub mod edited;
pub mod exported;
pub mod expression;
pub mod files;
pub mod ids;
pub mod image;
pub mod language;
pub mod mapping;
pub mod names;
pub mod nearest;
pub mod planning;
pub mod problem;
pub mod program;
pub mod proof;
pub mod proving;
pub mod read_faults;
pub mod reversal;
pub mod settling;
pub mod verifying;
pub mod zeros;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod testing;
