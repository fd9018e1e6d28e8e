//! What may be typed: each option is declared and documented here, once.

mod common;
mod of_runs;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::sandbox::Faults;

pub use common::{ColorWhen, CommonArgs, RUNS_DIR, SANDBOX_FILE};
pub use of_runs::{ApplyArgs, ResumeArgs, RetryArgs, RunsArgs, SettleArgs, UndoArgs, VerifyArgs};

/// Pours spreadsheets into the Really Simple Systems / Spotler CRM, and back
///
/// Results go to standard output, everything else to standard error. Without a
/// CRM at hand, try any command with --sandbox.
#[derive(Debug, Parser)]
#[command(
    name = "carafe",
    version,
    max_term_width = 100,
    propagate_version = true,
    disable_help_subcommand = true
)]
pub struct Cli {
    #[command(flatten)]
    pub common: CommonArgs,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the CRM's objects, or one object's fields
    Describe(DescribeArgs),
    /// Draft a first mapping for a file, from its headers, its data and the dictionary
    Draft(DraftArgs),
    /// Write an empty workbook to fill in: a column per field, checked while one types
    ///
    /// Required columns are marked, and the note of each header says what its
    /// column takes. Cells refuse what the CRM would refuse, and offer the values of
    /// their list. Filled in, it is imported without a mapping.
    Template(TemplateArgs),
    /// Validate a file: no record is read or written
    Check(CheckArgs),
    /// Plan a file's rows (validate, match) and send them
    Import(ImportArgs),
    /// Send exactly what `import --dry-run` planned
    Apply(ApplyArgs),
    /// Go on after a crash, a cancel or a spent budget
    Resume(ResumeArgs),
    /// Import the rejected rows of a run again, from the corrected reject file
    ///
    /// Correct the cells in the reject file and leave its last columns alone: _run
    /// and _row tell which row of the run each one is. It is imported with the
    /// run's own mapping, as that file is now, and the run's own options. Rows that
    /// the run did not reject, or that a retry has fixed since, are refused.
    Retry(RetryArgs),
    /// Look up rows whose outcome is unknown, and decide those that stay so
    Settle(SettleArgs),
    /// Read back what a run wrote, and compare
    ///
    /// Reads the records that the run created, updated or deleted, 100 at a time,
    /// and lists the fields that the CRM truncated, rounded, reformatted, ignored
    /// or defaulted, and what changed since. Every difference stands in verify.csv
    /// in the run's folder. Exits 4 where there is any. Nothing is changed.
    Verify(VerifyArgs),
    /// Delete what a run created, restore what it changed
    ///
    /// Goes through the run's rows from the last to the first. A record that
    /// anyone changed since is kept as it is, listed, and counted as rejected. It
    /// is a run of its own: `carafe resume` goes on with one that was interrupted.
    Undo(UndoArgs),
    /// Read records into CSV, XLSX, JSON Lines, Parquet or SQLite
    Export(ExportArgs),
    /// List the values of a dropdown, or add some
    Lookup(LookupArgs),
    /// List runs, or show one
    Runs(RunsArgs),
    /// Serve the embedded CRM on this machine
    Sandbox(SandboxArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
}

#[derive(Debug, Args)]
pub struct DescribeArgs {
    /// The object; all objects if left out
    pub object: Option<String>,

    /// Save fields and lists of all objects, for `check --offline --dictionary`
    #[arg(long, value_name = "FILE", conflicts_with = "object")]
    pub save: Option<PathBuf>,

    /// Print a JSON Schema for mapping files, with the fields of this CRM
    ///
    /// Editors complete and check a mapping by it. Keep it beside the mapping
    /// and begin the mapping with: # yaml-language-server: $schema=FILE
    #[arg(long, conflicts_with_all = ["save", "json"])]
    pub schema: bool,

    /// Replace FILE if it is there
    #[arg(long, requires = "save")]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct DraftArgs {
    /// CSV, XLSX, XLS, XLSB, ODS or JSON Lines file; `-` reads CSV from standard input
    pub file: PathBuf,

    /// Object to import into
    #[arg(long, value_name = "NAME")]
    pub object: String,

    /// Mapping file to write; `-` is standard output
    #[arg(short, long, value_name = "MAPPING")]
    pub output: PathBuf,

    /// Sheet of a workbook, by its name or its number from 1
    ///
    /// Needed only where several sheets hold data.
    #[arg(long, value_name = "NAME")]
    pub sheet: Option<String>,

    /// Replace MAPPING if it is there
    #[arg(long)]
    pub force: bool,
}

#[derive(Debug, Args)]
pub struct TemplateArgs {
    /// The object to fill in records for
    pub object: String,

    /// Workbook to write; ends in .xlsx
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,

    /// Only these fields, in this order; with `id`, rows can change records
    #[arg(long, value_name = "a,b", value_delimiter = ',')]
    pub fields: Vec<String>,

    /// Replace FILE if it is there
    #[arg(long)]
    pub force: bool,
}

/// The file and how it is mapped: `check` and `import` share it.
#[derive(Clone, Debug, Args)]
pub struct InputArgs {
    /// CSV, XLSX, XLS, XLSB, ODS or JSON Lines file; `-` reads CSV from standard input
    pub file: PathBuf,

    /// Mapping file: which column goes into which field
    #[arg(short, long, value_name = "FILE")]
    pub mapping: Option<PathBuf>,

    /// Object to import into where the headers are field names, in place of a mapping
    #[arg(long, value_name = "NAME")]
    pub object: Option<String>,

    /// What to do with each row; default as the mapping says
    #[arg(long, value_enum)]
    pub mode: Option<ModeArg>,

    /// What a blank cell does on update, for all fields
    #[arg(long, value_enum, value_name = "WHAT")]
    pub on_blank: Option<BlankArg>,

    /// Of documents: the folder of the files that a column `file` names; default FILE's
    #[arg(long, value_name = "DIR")]
    pub files: Option<PathBuf>,

    /// Only the first N rows
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModeArg {
    /// Every row becomes a new record
    Create,
    /// Every row changes a record that exists
    Update,
    /// Change the record if it exists, else create it
    Upsert,
    /// Delete every row's record
    Delete,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BlankArg {
    /// Leave the field alone
    Keep,
    /// Empty the field
    Clear,
    /// Reject the row
    Error,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnUnknownArg {
    /// It stays unknown, for `settle` to decide: at most one record
    Hold,
    /// It is sent again: perhaps two records
    Resend,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    pub input: InputArgs,

    /// Use no network: needs --dictionary
    #[arg(long)]
    pub offline: bool,
}

#[derive(Debug, Args)]
pub struct ImportArgs {
    #[command(flatten)]
    pub input: InputArgs,

    /// Do all reads and no write, and keep the plan for `apply`
    #[arg(long)]
    pub dry_run: bool,

    /// A spare text field that carries each new record's reference
    ///
    /// By it a record whose answer was lost is found again, also where rows
    /// have no key.
    #[arg(long, value_name = "FIELD")]
    pub ref_field: Option<String>,

    /// What becomes of a row whose answer was lost, where nothing is found and that proves nothing
    #[arg(long, value_enum, value_name = "WHAT", default_value = "hold")]
    pub on_unknown: OnUnknownArg,

    #[command(flatten)]
    pub send: SendArgs,
}

/// How a plan is sent: all commands that send one share it.
#[derive(Clone, Debug, Args)]
pub struct SendArgs {
    /// Answer yes to every question
    ///
    /// Without a terminal, deleting, clearing and `undo` need it; everything else goes ahead.
    #[arg(short, long)]
    pub yes: bool,

    /// Stop once N rows, or P% of them, are rejected
    #[arg(long, value_name = "N|P%", value_parser = stop_after)]
    pub stop_after: Option<crate::pipeline::StopAfter>,

    /// Also write the rejected rows to FILE
    #[arg(long, value_name = "FILE")]
    pub rejects: Option<PathBuf>,

    /// Also write one line per row that was sent or found to FILE
    #[arg(long, value_name = "FILE")]
    pub results: Option<PathBuf>,
}

fn stop_after(text: &str) -> Result<crate::pipeline::StopAfter, String> {
    let wrong = || "expected a number of rows, or a share such as 5%".to_owned();
    match text.strip_suffix('%') {
        Some(percent) => {
            let percent = percent.trim().parse().ok().filter(|p| (1..=100).contains(p)).ok_or_else(wrong)?;
            Ok(crate::pipeline::StopAfter::Percent(percent))
        }
        None => text.parse().ok().filter(|&n| n > 0).map(crate::pipeline::StopAfter::Rows).ok_or_else(wrong),
    }
}

#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The objects to read
    #[arg(required = true, value_name = "OBJECT")]
    pub objects: Vec<String>,

    /// Where to write; its ending decides the form, `-` is standard output
    ///
    /// Several objects go to one workbook, a sheet each, to one SQLite database, a
    /// table each, or to a folder of files.
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,

    /// The form: csv, xlsx, jsonl, parquet or sqlite; default as OUT ends
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,

    /// Only these fields, in this order
    #[arg(long, value_name = "a,b", value_delimiter = ',')]
    pub fields: Vec<String>,

    /// Only records that fulfil a condition
    ///
    /// For example: 'type = "Customer" and modifieddate >= 2026-01-01'. Knows
    /// = != < <= > >= in between contains startswith endswith and or not.
    #[arg(long = "where", value_name = "EXPR", conflicts_with = "q")]
    pub condition: Option<String>,

    /// The API's own filter, passed on as it is
    #[arg(long, value_name = "JSON")]
    pub q: Option<String>,

    /// Only records that were created or changed since then
    ///
    /// A day or a day and a time, in the CRM's own time: 2026-11-25 or
    /// '2026-11-25 14:30:00'.
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,

    /// Only records that are new or changed since the last finished export of this kind
    ///
    /// The first one writes all. Exports are of one kind that have the CRM, objects,
    /// filter and OUT in common; what is known of them is kept in the folder of runs. A
    /// SQLite database is not replaced: its records are brought up to date by id.
    #[arg(long, conflicts_with_all = ["since", "limit"])]
    pub incremental: bool,

    /// With --incremental, also tell which records are no more
    ///
    /// Deletions leave no trace in the CRM, so all records are read each time. The ids
    /// are written to OUT.deleted.csv, and the records go from a SQLite database.
    #[arg(long, requires = "incremental")]
    pub deleted: bool,

    /// Where --incremental keeps what it knows; default in the folder of runs
    #[arg(long, value_name = "FILE", requires = "incremental")]
    pub state: Option<PathBuf>,

    /// With documents: load their files into DIR too
    ///
    /// A column `file` says where each is, as seen from OUT if DIR is in its folder. Files are
    /// called by id and name, `7701 Offer.pdf`: so no two are alike, and what no file
    /// system takes is left out. A file that is complete is not loaded again until its
    /// record's size or date changes; DIR/.carafe-documents.jsonl knows. A document
    /// without a file is told, and its column is blank. At most 1 GiB a file; --timeout
    /// counts from one part of a file to the next.
    #[arg(long, value_name = "DIR")]
    pub content: Option<PathBuf>,

    /// Sort by these fields; `-` in front for descending
    #[arg(long, value_name = "a,-b", value_delimiter = ',', allow_hyphen_values = true)]
    pub order: Vec<String>,

    /// Only the first N records of each object
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,

    /// Add the names of the records that ids mean, each in a column behind the id
    ///
    /// FIELD=OBJECT.FIELD, several with commas; a name of several fields with a +:
    /// accountid=accounts.name,ownerid=users.first+last. The column is called
    /// accountid.name and the like, and `import` passes it over.
    #[arg(long, value_name = "a=b.c", value_delimiter = ',')]
    pub resolve: Vec<String>,

    /// Write the columns of a mapping: its headers, its words, its forms of dates and numbers
    ///
    /// What was imported by the mapping comes out as it went in, in a file that its source
    /// reads: delimiter, encoding, sheet and header row are kept. Each cell is read again as
    /// an import would; a value that the mapping cannot write stands as it is in the CRM, and
    /// is counted in a notice.
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["fields", "resolve", "lines"])]
    pub mapping: Option<PathBuf>,

    /// Include the lines of opportunities
    ///
    /// They are a sheet, a table or a file of their own, opportunity_lines; in a
    /// single CSV or JSON Lines file, a column of JSON.
    #[arg(long)]
    pub lines: bool,

    /// CSV with a byte-order mark, for Excel
    #[arg(long)]
    pub excel: bool,

    /// CSV without the ' that keeps spreadsheets from running texts as formulas
    #[arg(long)]
    pub raw: bool,

    /// Replace OUT if it is there
    #[arg(long)]
    pub force: bool,

    /// Replace OUT, and keep so many older ones beside it
    ///
    /// They are named after the time at which they were whole, in UTC:
    /// accounts.20261125-020003.csv.
    #[arg(long, value_name = "N")]
    pub keep: Option<usize>,
}

#[derive(Debug, Args)]
pub struct LookupArgs {
    /// The dropdown, for example accounts.type
    #[arg(value_name = "OBJECT.FIELD")]
    pub field: String,

    /// Add a value to the list; may be given several times
    #[arg(long, value_name = "VALUE")]
    pub add: Vec<String>,
}

#[derive(Debug, Args)]
pub struct SandboxArgs {
    /// Port on this machine; 0 takes any free one
    #[arg(long, default_value = "8484")]
    pub port: u16,

    /// File that keeps the records
    #[arg(long, value_name = "FILE", default_value = ".carafe/sandbox.db")]
    pub db: PathBuf,

    /// Milliseconds to wait before each answer
    #[arg(long, value_name = "MS", default_value = "0")]
    pub latency: u64,

    /// Number of the first page
    #[arg(long, value_name = "0|1", default_value = "1", value_parser = clap::value_parser!(u8).range(0..=1))]
    pub page_base: u8,

    /// Faults to make on purpose, to rehearse with
    #[arg(long, value_name = "SPEC", env = FAULTS, long_help = faults_help())]
    pub faults: Option<Faults>,
}

/// Where every command with --sandbox finds the faults to make.
pub const FAULTS: &str = "CARAFE_SANDBOX_FAULTS";

fn faults_help() -> String {
    format!(
        "Faults to make on purpose, to rehearse with\n\n\
         For example: reset-after=5%,500-before=5%,slow=2%:3s,429=1%:2s,seed=7. A SHARE such as 5% is that of \
         the requests that write; NAME-reads is the same for those that read. A TIME is 3s, 500ms or 2m. A \
         request meets one fault at most. Other commands take SPEC from the environment, with --sandbox.\n\n{}",
        Faults::explained()
    )
}

#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}
