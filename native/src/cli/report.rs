//! Why a program was rejected, for people.

use glasshive::isa::disasm;
use glasshive::isa::{Pc, RawInsn};
use glasshive::names::Uapi;
use glasshive::object::ObjectProgram;
use glasshive::syscall::programs::LoadRequest;
use glasshive::trace::view::Diagnostic;
use std::io::{self, Write};

use super::input::Input;

/// `1 state`, `2 states`, with a word behind where there is one.
pub fn count(number: u64, thing: &str, done: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    let space = if done.is_empty() { "" } else { " " };
    format!("{number} {thing}{plural}{space}{done}")
}

/// Says why a program was rejected: the reason, where, how it came to that, what to change.
///
/// # Errors
/// Where the output can't be written.
pub fn rejection(
    input: &Input,
    program: &ObjectProgram,
    request: &LoadRequest,
    diagnostic: &Diagnostic,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out, "  Reason: {}", diagnostic.reason)?;
    if !diagnostic.message.is_empty() {
        writeln!(out, "  Linux says: {}", diagnostic.message.replace('\n', "\n    "))?;
    }
    if let Some(pc) = diagnostic.pc {
        write!(out, "  At: ")?;
        instruction(input, program, &request.code, Pc(pc), out)?;
    }
    if !diagnostic.path.is_empty() {
        writeln!(out, "  Causal path:")?;
    }
    for cause in &diagnostic.path {
        writeln!(out, "    {:>4}: {}", cause.pc, cause.what)?;
    }
    if !diagnostic.required.is_empty() {
        writeln!(out, "  Required: {}", diagnostic.required)?;
    }
    if let Some(suggestion) = &diagnostic.suggestion {
        writeln!(out, "  Suggestion: {}", suggestion.text)?;
        if !suggestion.insert.is_empty() {
            writeln!(out, "    before instruction {}:", suggestion.at)?;
        }
        for line in &suggestion.insert {
            writeln!(out, "      {line}")?;
        }
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
