//! Drafting a first mapping for a file, from its headers, its data and the
//! dictionary. Not to be taken for `draft`, which is a row run through a
//! mapping that exists.
//!
//! In order: a [`Profile`] hears the cells of each column (`dates` and
//! `numbers` say which form they have); `target` says how well a header means
//! a field, by `words` and by what people usually write (`usage`), and `fit`
//! whether the cells are what the field takes; a [`Matcher`] gives each column
//! its field; an `entry` becomes of each, with the keys that the `cells` prove
//! and the questions that they leave (`values`, `references`, `joining`, `cutting`); a
//! [`KeyTry`] hears the rows once more for what identifies a record; and
//! [`written`] makes the [`Proposal`] a text, in which every column is called
//! so that it is found again (`address`, `yaml`).

mod address;
mod cells;
mod cutting;
mod dates;
mod entry;
mod fit;
mod joining;
mod key;
mod matching;
mod numbers;
mod profile;
mod proposal;
mod references;
mod target;
mod usage;
mod values;
mod words;
mod written;
mod yaml;

pub use address::addresses;
pub use entry::{Entry, Note};
pub use key::KeyTry;
pub use matching::Matcher;
pub use profile::Profile;
pub use proposal::{LeftOut, Proposal};
pub use references::objects_of;
pub use written::{SourceFacts, written};

#[cfg(test)]
mod tests;
