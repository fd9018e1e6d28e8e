//! Carafe pours spreadsheets into the Really Simple Systems / Spotler CRM
//! (API v4), and back.
//!
//! One store per run holds everything that happened: the plan, each attempt,
//! each outcome, the values before. Planning writes it; sending and reporting
//! read it. An export sends nothing: its run keeps what it has read, until all
//! of that is written.
//!
//! ```text
//! file ──read──> row ──convert──> draft ──match──> planned ──send──> outcome
//! tabular        model  rules           rules, crm           store, crm   store ──> rejects, results
//! ```
//!
//! | room | what for |
//! | --- | --- |
//! | [`model`] | plain types, no I/O |
//! | [`rules`] | pure decisions: mapping, conversion, validation, planning, causes |
//! | [`tabular`] | files of rows: CSV, XLSX, JSON Lines, Parquet, SQLite; the reject file |
//! | [`crm`] | the API's client: requests, paging, filters, errors, pace, retries |
//! | [`store`] | the run store, on SQLite |
//! | [`pipeline`] | the steps in order, and the events that tell the outside |
//! | [`sandbox`] | the embedded CRM: the documented API over HTTP |
//! | [`cli`] | everything a person sees |
//!
//! Imports point down: `cli → pipeline → {rules, tabular, crm, store} → model`.
//! The four in braces do not know each other; `sandbox` knows only `model`. clap
//! and indicatif stay in `cli`, reqwest in `crm`, csv, calamine, parquet and
//! rust_xlsxwriter in `tabular`, rusqlite in `store`, `sandbox` and `tabular`.
//!
//! The program is the interface: what is `pub` here serves the program, its
//! tests and benches, and may change with any version.

// No input may end the program: only tests unwrap, expect and panic.
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable))]

pub mod cli;
pub mod crm;
pub mod model;
pub mod pipeline;
pub mod rules;
pub mod sandbox;
pub mod store;
pub mod tabular;
