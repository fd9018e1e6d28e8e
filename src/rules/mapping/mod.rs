//! The mapping file: which column goes into which field, and how.
//!
//! `yaml` reads the text into a tree with places, `reading` turns the tree
//! into typed keys, `keys` and `shapes` say which keys there are and how they
//! may be written, `file` puts them together. `schema` describes the same keys
//! to editors.

mod file;
mod keys;
mod reading;
mod schema;
mod shapes;
mod yaml;

pub use file::Mapping;
pub use keys::{
    Blank, Case, DecimalMark, Defaults, FieldRule, Guard, HiddenRows, LookupRule, Missing, Mode, Otherwise,
    Part, RefRule, SheetName, SourceKeys, Split,
};
pub use schema::schema;
pub use yaml::MAX_BYTES;
