//! Files of documents: what a download is written into, and what its answer says.

use std::fmt;
use std::io;

use super::answer::Answer;
use super::json::{Fields, checked};
use super::wire::{self, Odd};

/// Largest file that is downloaded, in bytes: twenty times what the CRM takes.
pub const MOST_FILE: u64 = 1024 * 1024 * 1024;

/// How much of a file's beginning is looked at: more than an error of the API has.
pub(super) const MOST_LOOKED_AT: usize = 4096;

/// Where the bytes of a download go, as they come.
pub trait FileSink: fmt::Debug + Send + Sync {
    /// The file begins; what an earlier try has brought is void.
    ///
    /// # Errors
    /// It cannot be written.
    fn begin(&self) -> io::Result<()>;

    /// More of the file.
    ///
    /// # Errors
    /// It cannot be written.
    fn write(&self, bytes: &[u8]) -> io::Result<()>;
}

/// What the answer to a download says of the file.
pub(super) fn name_of(answer: &Answer, known_as: &str) -> Result<Option<String>, Odd> {
    if answer.file_name.is_some() {
        return Ok(answer.file_name.clone());
    }
    let kind = answer.kind.as_deref().unwrap_or_default().to_ascii_lowercase();
    let known_as = known_as.to_ascii_lowercase();
    // What has neither a name nor the form of what was asked for may not be the file.
    if kind.starts_with("text/html") && ![".htm", ".html"].iter().any(|ending| known_as.ends_with(ending)) {
        return Err("it is a web page in place of a file".into());
    }
    if kind.starts_with("application/json")
        && let Ok(text) = checked(&answer.body)
        && let Ok(fields) = Fields::parse(text)
        && wire::is_quota(&fields)
    {
        return Err(Odd::Quota(fields.text("message")));
    }
    Ok(None)
}
