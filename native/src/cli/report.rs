//! Why a program was rejected, for people.

use glasshive::isa::disasm;
use glasshive::isa::{Pc, RawInsn};
use glasshive::names::Uapi;
use glasshive::object::ObjectProgram;
use glasshive::syscall::programs::LoadRequest;
use glasshive::verifier::Outcome;
use glasshive::verifier::observer::Nobody;
use std::io::{self, Write};

use super::input::Input;

/// `1 state`, `2 states`, with a word behind where there is one.
pub fn count(number: u64, thing: &str, done: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    let space = if done.is_empty() { "" } else { " " };
    format!("{number} {thing}{plural}{space}{done}")
}

/// Says why a program was rejected: the reason, and where.
///
/// # Errors
/// Where the output can't be written.
pub fn rejection(
    input: &Input,
    program: &ObjectProgram,
    request: &LoadRequest,
    outcome: &Outcome<Nobody>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let Err(rejection) = &outcome.result else { return Ok(()) };
    let message = if rejection.message.is_empty() { rejection.errno.text() } else { &rejection.message };
    let mut lines = message.lines();
    writeln!(out, "  Reason: {}", lines.next().unwrap_or_default())?;
    for line in lines {
        writeln!(out, "          {line}")?;
    }
    if let Some(pc) = outcome.pc {
        write!(out, "  At: ")?;
        instruction(input, program, &request.code, pc, out)?;
    }
    Ok(())
}

/// `instruction 3: r0 = *(u32 *)(r1 +0)`, and what the user wrote for it.
///
/// # Errors
/// Where the output can't be written.
pub fn instruction(
    input: &Input,
    program: &ObjectProgram,
    code: &[RawInsn],
    pc: Pc,
    out: &mut dyn Write,
) -> io::Result<()> {
    let text = code.get(pc.index()..).map(|slots| disasm::text(slots, &Uapi)).unwrap_or_default();
    write!(out, "instruction {pc}: {text}")?;
    match input.place(program, pc) {
        // A text's line is the instruction again.
        Some(place) if input.assembly.is_some() => writeln!(out, " ({})", place.at),
        Some(place) => writeln!(out, "\n      {}: {}", place.at, place.text),
        None => writeln!(out),
    }
}
