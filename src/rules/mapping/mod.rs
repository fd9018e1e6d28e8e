//! The mapping file: which column goes into which field, and how.
//!
//! `yaml` reads the text into a tree with places, `reading` turns the tree
//! into typed keys, `file` says which keys there are.

mod file;
mod reading;
mod yaml;

pub use file::{
    Blank, DecimalMark, Defaults, FieldRule, Guard, LookupRule, Mapping, Missing, Mode, Otherwise, RefRule,
    SheetName, SourceKeys,
};
pub use yaml::MAX_BYTES;
