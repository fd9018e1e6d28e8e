//! The client of the CRM's API, version 4: requests, auth, paging, filters,
//! wire shapes, errors and what to do about them, pace, retries.
//!
//! ```text
//! Client ─> gate (how many, how fast, pauses, budget) ─> transport (one request)
//!    ^                                                       │
//!    └── retry (once more?) <── wire (records) <── answer (status) <┘
//! ```
//!
//! What holds here: a create is sent a second time only when the first
//! certainly did nothing; an answer counts as success only if it is the record
//! asked for; redirects are never followed; no error and no debug text holds
//! the token or a query; numbers keep every digit.
//!
//! Outside facts come from the API's document and from the notes on what real
//! clients saw; both leave much unsaid, so answers are read tolerantly and
//! nothing rests on what is not proven: where the server ignores an order or a
//! filter, [`Reader`] finds out and reads another way.

mod address;
mod answer;
mod client;
mod dictionary;
mod disposition;
mod documents;
mod errors;
mod file;
mod filter;
mod flight;
mod gate;
mod json;
mod keyset;
mod lookup;
mod matching;
mod packed;
mod page;
mod pause;
mod query;
mod ranges;
mod read;
mod records;
mod retry;
mod snapshot;
mod tally;
mod throttle;
mod token;
mod transport;
mod upload;
mod wire;
mod written;

#[cfg(test)]
mod client_tests;
#[cfg(test)]
mod limited;
#[cfg(test)]
mod pace_tests;
#[cfg(test)]
mod scripted;
#[cfg(test)]
pub(crate) mod simulated;
#[cfg(test)]
mod wire_tests;

pub use address::{BaseUrl, BaseUrlFault};
pub use client::{Client, ClientOptions, Deleted};
pub use dictionary::{DictionaryFault, read_dictionary};
pub use errors::{CrmError, FieldFault, LONGEST_PAUSE, NextStep, in_words};
pub use file::{FileSink, MOST_FILE};
pub use filter::{Translated, translate};
pub use lookup::read_lookup;
pub use matching::matches;
pub use pause::{Pace, Pause, PauseReason, Pauses};
pub use query::{ListQuery, MOST_KEYS, PAGE_LIMIT, batches_for_in};
pub use read::{ReadMode, ReadQuery, ReadSummary, Reader};
pub use records::{RecordRef, Records};
pub use snapshot::{Snapshot, SnapshotFault};
pub use token::{Token, TokenFault};
pub use upload::{MOST_UPLOAD, Upload};
pub use wire::Page;

/// The record types that the API's document names, and `users`, which clients
/// use in production (source: field notes). Custom tables have other names.
pub const OBJECTS: [&str; 12] = [
    "accounts",
    "activities",
    "campaigndetails",
    "campaigns",
    "campaignstages",
    "cases",
    "contacts",
    "documents",
    "opportunities",
    "opportunity_lines",
    "opportunityhistories",
    "users",
];
