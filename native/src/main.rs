//! The `glasshive` command line: `glasshive help` is its manual.
//!
//! [`cli::arguments`] reads what was asked for, and each command has a file.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main(std::env::args_os().skip(1))
}
