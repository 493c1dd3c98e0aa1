//! The oracle: gives the same bytes to the running kernel's `bpf(2)` and to glasshive's, and says where the
//! answers differ. `cargo xtask oracle` runs it.

mod run;
mod system;
mod verify;

use glasshive_native::oracle::usable;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask oracle COMMAND

  run [--seed S] [--count N]
          run random programs on random packets on every engine and on the running kernel: the same result,
          packet and maps
  verify [--seed S] [--count N] [FILE…]
          load generated programs, or the texts in FILE…, into both; a table by area, and each
          disagreement, shrunk, as a text under target/oracle/verify
";

/// What was asked for.
enum Command {
    Run { seed: u64, count: u32 },
    Verify(Verify),
}

/// What `verify` was asked for.
struct Verify {
    seed: u64,
    count: u32,
    files: Vec<PathBuf>,
}

fn parse(arguments: impl Iterator<Item = OsString>) -> anyhow::Result<Option<Command>> {
    use lexopt::prelude::*;
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut verify = Verify { seed: 1, count: 2_000, files: Vec::new() };
    let runs = match parser.next()? {
        Some(Value(command)) if command == "verify" => false,
        Some(Value(command)) if command == "run" => true,
        Some(Value(command)) => anyhow::bail!("no command '{}'\n\n{HELP}", command.display()),
        _ => return Ok(None),
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("seed") => verify.seed = parser.value()?.parse()?,
            Long("count") => verify.count = parser.value()?.parse()?,
            Value(file) if !runs => verify.files.push(file.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(match runs {
        true => Command::Run { seed: verify.seed, count: verify.count },
        false => Command::Verify(verify),
    }))
}

fn main() -> ExitCode {
    let done = parse(std::env::args_os().skip(1)).and_then(|command| match command {
        None => {
            print!("{HELP}");
            Ok(true)
        }
        Some(Command::Run { seed, count }) => run::run(seed, count),
        Some(Command::Verify(verify)) if usable().is_err() => {
            println!("skipped: no usable bpf(2) on this machine ({} programs)", verify.count);
            Ok(true)
        }
        Some(Command::Verify(verify)) if verify.files.is_empty() => {
            verify::generated(verify.seed, verify.count)
        }
        Some(Command::Verify(verify)) => verify::files(&verify.files),
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("oracle: {error:#}");
            ExitCode::from(2)
        }
    }
}
