//! The options that all commands share.

use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, ValueEnum};

use super::Cli;

/// Options that all commands share.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Common options")]
pub struct CommonArgs {
    /// Where the CRM is; default the vendor's v4 address
    #[arg(long, global = true, value_name = "URL", env = "CARAFE_BASE_URL", hide_env_values = true)]
    pub base_url: Option<String>,

    /// File that holds the access token
    ///
    /// The token may also stand in the environment as CARAFE_TOKEN. It is
    /// never given as an argument, where other users could see it.
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// Run against the embedded CRM, in this process
    ///
    /// FILE keeps its records; default .carafe/sandbox.db. The `=` is needed.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "CARAFE_SANDBOX",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = SANDBOX_FILE,
        value_parser = sandbox_file
    )]
    pub sandbox: Option<PathBuf>,

    /// Where runs are kept
    #[arg(long, global = true, value_name = "DIR", env = "CARAFE_RUNS_DIR", default_value = RUNS_DIR)]
    pub runs_dir: PathBuf,

    /// Most requests in flight
    ///
    /// A cap: fewer are in flight where more bring no more answers.
    #[arg(long, global = true, value_name = "N", env = "CARAFE_CONCURRENCY", default_value = "8")]
    pub concurrency: NonZeroUsize,

    /// Most requests a second; default no limit
    #[arg(long, global = true, value_name = "N", env = "CARAFE_RATE")]
    pub rate: Option<NonZeroU32>,

    /// Stop cleanly after N requests
    #[arg(long, global = true, value_name = "N", env = "CARAFE_MAX_CALLS")]
    pub max_calls: Option<NonZeroU64>,

    /// Seconds that one request may take, sending to last byte
    #[arg(long, global = true, value_name = "SECONDS", env = "CARAFE_TIMEOUT", default_value = "30", value_parser = seconds)]
    pub timeout: std::time::Duration,

    /// Tries after the first, where a retry is safe
    #[arg(long, global = true, value_name = "N", env = "CARAFE_RETRIES", default_value = "5")]
    pub retries: u32,

    /// Seconds to wait before the CRM is asked about a record whose answer was lost
    ///
    /// It may still store it. Default twice --timeout, at least 30.
    #[arg(long, global = true, value_name = "SECONDS", env = "CARAFE_SETTLE", value_parser = seconds_or_none)]
    pub settle: Option<std::time::Duration>,

    /// Use a dictionary saved by `describe --save`, in place of the CRM's
    #[arg(long, global = true, value_name = "FILE", env = "CARAFE_DICTIONARY")]
    pub dictionary: Option<PathBuf>,

    /// Print one JSON document on standard output, and nothing else there
    #[arg(long, global = true)]
    pub json: bool,

    /// Print no notices and no progress
    #[arg(short, long, global = true)]
    pub quiet: bool,

    /// Say which settings are used and where they come from
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub verbose: bool,

    /// When to use colours
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: ColorWhen,

    /// Draw no progress bars
    #[arg(long, global = true)]
    pub no_progress: bool,
}

impl CommonArgs {
    /// How long the CRM may take to store a request whose answer was lost.
    pub fn settle_time(&self) -> std::time::Duration {
        self.settle.unwrap_or_else(|| (self.timeout * 2).max(std::time::Duration::from_secs(30)))
    }

    /// Decides between the sandbox and an address: a flag wins over the
    /// environment, and two flags, or two variables, contradict each other.
    pub fn settle(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        if self.sandbox.as_ref().is_some_and(|file| file.as_os_str().is_empty()) {
            self.sandbox = None;
        }
        if self.sandbox.is_none() || self.base_url.is_none() {
            return Ok(());
        }
        let matches = matches.subcommand().map_or(matches, |(_, below)| below);
        let typed = |name: &str| matches.value_source(name) == Some(ValueSource::CommandLine);
        match (typed("sandbox"), typed("base_url")) {
            (true, false) => self.base_url = None,
            (false, true) => self.sandbox = None,
            _ => {
                let message =
                    "the sandbox and an address are both given; give one of --sandbox and --base-url";
                return Err(Cli::command().error(ErrorKind::ArgumentConflict, message));
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Where the embedded CRM keeps its records, unless told otherwise.
pub const SANDBOX_FILE: &str = ".carafe/sandbox.db";

/// Where runs are kept, unless told otherwise.
pub const RUNS_DIR: &str = ".carafe/runs";

/// In the environment, `1` and `true` mean "on, with the usual file".
fn sandbox_file(text: &str) -> Result<PathBuf, String> {
    match text.trim() {
        "" | "1" | "true" => Ok(PathBuf::from(SANDBOX_FILE)),
        // No file; `CommonArgs::settle` makes it "off".
        "0" | "false" | "off" => Ok(PathBuf::new()),
        file => Ok(PathBuf::from(file)),
    }
}

/// Reads seconds, with decimals if need be.
fn seconds(text: &str) -> Result<std::time::Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected seconds, for example 30".to_owned())?;
    if !(0.001..=86_400.0).contains(&seconds) {
        return Err("expected between 0.001 and 86400 seconds".to_owned());
    }
    Ok(std::time::Duration::from_secs_f64(seconds))
}

/// Reads seconds; 0 is none.
fn seconds_or_none(text: &str) -> Result<std::time::Duration, String> {
    if text.trim() == "0" { Ok(std::time::Duration::ZERO) } else { seconds(text) }
}
