//! Pure decisions, values in, values out: no file, no network, no clock.
//!
//! In the order in which a row meets them: `mapping` (what the user wants),
//! `program` (the mapping held against dictionary and header), `draft` (a row
//! run through the program, by `convert`), `duplicates`, `planning` (what is
//! to be done, by `compare`), `causes` (why rows were rejected). `language` is
//! the language of `--where`.
//!
//! `condition` (which rows are meant) and `proof` (what a whole column shows of
//! its format) are not asked yet: the mapping keys that reach them come with the
//! issue on real files.

pub mod causes;
pub mod compare;
pub mod condition;
pub mod convert;
pub mod draft;
pub mod drafting;
pub mod duplicates;
pub mod ids;
pub mod language;
pub mod mapping;
pub mod names;
pub mod nearest;
pub mod planning;
pub mod problem;
pub mod program;
pub mod proof;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod testing;
