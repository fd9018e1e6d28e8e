//! The program against its references, measured in the same run, as a table.
//!
//! `cargo bench --bench compare` builds the release program and measures all
//! rows; `cargo bench --bench compare -- 1 6 12` some of them; `--quick` takes
//! a tenth of the size, for trying, and `--rounds N` sets how often each is
//! run; `scale` tries what `docs/scale.md` says. It is for people on an idle machine, not for CI: nothing fails because
//! a machine was busy. `benches/README.md` says what each row measures.

#![allow(clippy::print_stdout, clippy::print_stderr)]

mod checks;
mod csv_pages;
mod data;
mod exports;
mod http;
mod imports;
mod measure;
mod pace;
mod pages;
mod references;
mod scale;
mod server;
mod serving;
mod shapes;
mod table;

use std::path::PathBuf;
use std::process::Command;

use data::Files;

/// What was asked for.
pub struct Bench {
    /// The data.
    pub files: Files,
    /// A tenth of the size.
    pub quick: bool,
    /// Not the table, but what `docs/scale.md` says.
    scale: bool,
    rounds: Option<usize>,
    rows: Vec<u32>,
}

impl Bench {
    /// So many, or a tenth of it.
    pub fn size(&self, full: u64) -> u64 {
        if self.quick { full / 10 } else { full }
    }

    /// How often a pair is run.
    pub fn rounds(&self, usual: usize) -> usize {
        self.rounds.unwrap_or(usual)
    }

    /// Whether a row was asked for.
    pub fn wants(&self, row: u32) -> bool {
        self.rows.is_empty() || self.rows.contains(&row)
    }

    /// The program, apart from whatever this machine has set up for it.
    pub fn carafe(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_carafe"));
        command.args(args).env_clear().env("CARAFE_TOKEN", "bench").current_dir(self.files.folder());
        command
    }
}

fn main() {
    // Cargo adds `--bench` of its own accord.
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    if let [first, role, rest @ ..] = args.as_slice()
        && first == references::CHILD
    {
        references::play(role, rest);
        return;
    }
    let bench = asked(&args);
    println!("{}{}\n", table::machine(), if bench.quick { "; a tenth of the size" } else { "" });
    if bench.scale {
        scale::both(&bench);
        return;
    }
    table::head();
    checks::rows(&bench);
    imports::rows(&bench);
    exports::rows(&bench);
    pace::rows(&bench);
}

fn asked(args: &[String]) -> Bench {
    let files = Files::new(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("compare"));
    let mut bench = Bench { files, quick: false, scale: false, rounds: None, rows: Vec::new() };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--quick" => bench.quick = true,
            "scale" => bench.scale = true,
            "--rounds" => bench.rounds = args.next().and_then(|count| count.parse().ok()),
            row => bench.rows.push(row.parse().expect("the number of a row, scale, --quick or --rounds N")),
        }
    }
    bench
}
