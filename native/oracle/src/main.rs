//! The oracle: gives the same bytes to the running kernel's `bpf(2)` and to glasshive's, and says where the
//! answers differ. `cargo xtask oracle` runs it.

mod capabilities;
mod run;
mod sound;
mod syscall;
mod system;
mod verify;

use anyhow::Context;
use glasshive_native::oracle::usable;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask oracle COMMAND

  run [--seed S] [--count N]
          run random programs on random packets on every engine and on the running kernel: the same result,
          packet and maps
  verify [--seed S] [--count N] [--capabilities LIST] [FILE…]
          load generated programs, or the texts in FILE…, into both; a table by area, and each
          disagreement, shrunk, as a text under target/oracle/verify. With --capabilities as a loader that
          has these alone, as bpf,net_admin
  sound [--seed S] [--count N] [FILE…]
          run accepted programs, generated or the texts and objects in FILE…, on random inputs in strict
          mode, and hold each value against what the verifier claimed there
  syscall [--seed S] [--count N] [--record FILE]
          put random sequences of calls to both, and compare every result and every byte; the first ten
          disagreements, shrunk; or write sequences with the kernel's answers to FILE
";

/// What is asked for.
#[derive(Clone, Copy)]
enum Command {
    Run,
    Sound,
    Syscall,
    Verify,
}

/// A command, with its options.
struct Question {
    command: Command,
    seed: u64,
    count: u32,
    files: Vec<PathBuf>,
    /// Where sequences are recorded, instead of compared.
    record: Option<PathBuf>,
    /// What the loader may do; all that this process may where it is not said.
    capabilities: Option<u64>,
}

fn parse(arguments: impl Iterator<Item = OsString>) -> anyhow::Result<Option<Question>> {
    use lexopt::prelude::*;
    let mut parser = lexopt::Parser::from_args(arguments);
    let command = match parser.next()? {
        Some(Value(command)) if command == "run" => Command::Run,
        Some(Value(command)) if command == "sound" => Command::Sound,
        Some(Value(command)) if command == "syscall" => Command::Syscall,
        Some(Value(command)) if command == "verify" => Command::Verify,
        Some(Value(command)) => anyhow::bail!("no command '{}'\n\n{HELP}", command.display()),
        _ => return Ok(None),
    };
    let mut question =
        Question { command, seed: 1, count: 2_000, files: Vec::new(), record: None, capabilities: None };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("seed") => question.seed = parser.value()?.parse()?,
            Long("count") => question.count = parser.value()?.parse()?,
            Long("capabilities") if matches!(command, Command::Verify) => {
                question.capabilities = Some(capabilities::parse(&parser.value()?.string()?)?);
            }
            Long("record") if matches!(command, Command::Syscall) => {
                question.record = Some(parser.value()?.into());
            }
            Value(file) if !matches!(command, Command::Run | Command::Syscall) => {
                question.files.push(file.into())
            }
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(question))
}

fn answer(question: &Question) -> anyhow::Result<bool> {
    let Question { command, seed, count, files, record, capabilities } = question;
    if let Some(mask) = capabilities {
        capabilities::limit(*mask).context("the kernel does not take the capabilities")?;
    }
    match command {
        Command::Run => run::run(*seed, *count),
        Command::Sound if files.is_empty() => sound::generated(*seed, *count),
        Command::Sound => sound::files(files, *seed),
        Command::Syscall => match record {
            Some(file) => syscall::record(*seed, *count, file),
            None => syscall::compare(*seed, *count, 10),
        },
        Command::Verify if usable().is_err() => {
            println!("skipped: no usable bpf(2) on this machine ({count} programs)");
            Ok(true)
        }
        Command::Verify if files.is_empty() => verify::generated(*seed, *count),
        Command::Verify => verify::files(files),
    }
}

fn main() -> ExitCode {
    let done = parse(std::env::args_os().skip(1)).and_then(|question| match question {
        None => {
            print!("{HELP}");
            Ok(true)
        }
        Some(question) => answer(&question),
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
