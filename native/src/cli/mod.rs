//! The commands, and what they share: exit codes and how an error is shown.

pub mod arguments;
mod assemble;
mod disassemble;
mod input;
mod jit;
mod maps;
mod packets;
mod report;
mod run;
mod system;
mod verify;

use arguments::Command;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

/// How a command ended, where it could do its work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Every program was accepted, or ran.
    Accepted,
    /// A program was rejected, can't be loaded, or can't be run.
    Rejected,
}

/// Runs the command line; its exit code.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let done = arguments::parse(arguments).and_then(|command| perform(command, &mut out));
    let done = done.and_then(|verdict| Ok(out.flush().map(|()| verdict)?));
    match done {
        Ok(Verdict::Accepted) => ExitCode::SUCCESS,
        Ok(Verdict::Rejected) => ExitCode::from(1),
        // Whoever read the output has seen enough of it.
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("glasshive: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn perform(command: Command, out: &mut dyn Write) -> anyhow::Result<Verdict> {
    match command {
        Command::Help => write!(out, "{}", arguments::HELP)?,
        Command::Version => writeln!(out, "glasshive {}", env!("CARGO_PKG_VERSION"))?,
        Command::Verify(options) => return verify::verify(&options, out),
        Command::Run(options) => return run::run(&options, out),
        Command::Disassemble(options) => disassemble::disassemble(&options, out)?,
        Command::Jit(options) => return jit::jit(&options, out),
        Command::Assemble { file, output } => assemble::assemble(&file, &output)?,
    }
    Ok(Verdict::Accepted)
}
