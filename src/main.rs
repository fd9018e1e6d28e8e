//! Starts the program.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(carafe::cli::run(std::env::args_os()))
}
