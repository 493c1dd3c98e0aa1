//! `glasshive verify`.

use anyhow::Result;
use glasshive::loader::MapFds;
use glasshive::object::ObjectProgram;
use glasshive::trace::Recorder;
use std::io::Write;

use super::Verdict;
use super::arguments::{Target, VerifyOptions};
use super::input::Input;
use super::report;
use super::system::{System, prepare, system};

/// Verifies every program of a file, or the one that was named, and says what came of each.
///
/// # Errors
/// Where the file can't be read, or has no such program.
pub fn verify(options: &VerifyOptions, out: &mut dyn Write) -> Result<Verdict> {
    let input = Input::read(&options.target.file)?;
    let mut kernel = system(&options.target)?;
    let mut maps = MapFds::new();
    let mut verdict = Verdict::Accepted;
    for program in input.programs(options.target.program.as_deref())? {
        let loaded = load(&mut kernel, &input, program, &options.target, options.log_level, &mut maps, out)?;
        if loaded.is_none() {
            verdict = Verdict::Rejected;
        }
    }
    Ok(verdict)
}

/// Loads a program, and says what came of it; its descriptor where it was accepted.
///
/// # Errors
/// Where the output can't be written.
pub fn load(
    kernel: &mut System,
    input: &Input,
    program: &ObjectProgram,
    target: &Target,
    log_level: u32,
    maps: &mut MapFds,
    out: &mut dyn Write,
) -> Result<Option<i32>> {
    let request = match prepare(kernel, &input.object, program, target, log_level, maps) {
        Ok(request) => request,
        Err(error) => {
            writeln!(out, "{}: not loaded: {error}", program.name)?;
            return Ok(None);
        }
    };
    let outcome = kernel.verifier(&request, Recorder::new()).finish();
    let loaded = kernel.insert_program(&request, &outcome);
    if log_level != 0 {
        write!(out, "{}", outcome.log.text())?;
    }
    write!(out, "{} ({}): ", program.name, request.program_type.name)?;
    match loaded {
        Ok(fd) => {
            let stats = outcome.stats;
            writeln!(
                out,
                "accepted; {}, {} kept",
                report::count(stats.processed.into(), "instruction", "walked"),
                report::count(stats.total_states.into(), "state", "")
            )?;
            Ok(Some(fd))
        }
        Err(errno) => {
            writeln!(out, "rejected with {errno}")?;
            if let Some(diagnostic) = outcome.observer.finish().diagnostic() {
                report::rejection(input, program, &request, &diagnostic, out)?;
            }
            Ok(None)
        }
    }
}
