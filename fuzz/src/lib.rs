//! What the fuzz targets share: the rooms that they look into, files in
//! memory, and what must hold for every file of rows.
//!
//! The three rooms that read foreign texts are compiled here from the same
//! sources, because they need neither the network nor a run's store: libFuzzer's
//! counters then stand in them alone, and what `cargo test` has built of
//! their dependencies is used again. That they compile without the other
//! rooms also proves that they do not know them.

#[path = "../../src/model/mod.rs"]
pub mod model;
#[path = "../../src/rules/mod.rs"]
pub mod rules;
#[path = "../../src/tabular/mod.rs"]
pub mod tabular;

mod files;
mod objects;
mod reading;
mod rejects;

pub use files::{File, options_and_content};
pub use objects::{header, listed};
pub use reading::{Seen, read_twice};
pub use rejects::come_back;

use model::shown;
use rules::language::LanguageError;

/// A text for people has nothing in it that acts on a terminal or misleads
/// the eye; line breaks are the program's own.
pub fn is_fit_to_be_shown(text: &str) {
    assert!(!text.is_empty(), "there is nothing to read");
    for line in text.split('\n') {
        assert_eq!(shown(line).cut(usize::MAX).to_string(), line, "foreign text is shown as it came");
    }
}

/// A complaint about a condition or an expression marks characters of it.
pub fn points_into(error: &LanguageError, text: &str) {
    let length = text.chars().count();
    assert_eq!(error.text, text);
    assert!(error.at <= length, "{error:?}");
    // The place behind the last character is that of something missing.
    assert!(error.at + error.length <= length.max(error.at + 1), "{error:?}");
    is_fit_to_be_shown(&error.to_string());
    assert_eq!(error.to_string().lines().count(), 3, "a message, the text, the marker");
}
