//! `glasshive disasm`.

use anyhow::Result;
use glasshive::isa::{Insn, Pc, asm, decode, disasm};
use glasshive::loader;
use glasshive::names::{self, Uapi};
use glasshive::object::{Code, ObjectProgram};
use std::io::Write;

use super::arguments::DisassembleOptions;
use super::input::Input;

/// Prints programs: as a text that reads back, or as a listing.
///
/// # Errors
/// Where the file can't be read, or has no such program.
pub fn disassemble(options: &DisassembleOptions, out: &mut dyn Write) -> Result<()> {
    let input = Input::read(&options.file)?;
    let programs = input.programs(options.program.as_deref())?;
    for (at, program) in programs.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        if programs.len() > 1 || options.listing {
            writeln!(out, "; program {}, section {}", program.name, program.section)?;
        }
        match &program.code {
            Err(error) => writeln!(out, "; {error}")?,
            Ok(code) if options.listing => listing(&input, program, code, out)?,
            Ok(_) => {
                let assembly = loader::to_assembly(&input.object, program);
                let text = assembly.map(|assembly| asm::print(&assembly, &Uapi, &names::map_type));
                write!(out, "{}", text.unwrap_or_default())?;
            }
        }
    }
    Ok(())
}

/// `3: (b7) r0 = 0`, functions and source lines before the instructions that they begin.
fn listing(input: &Input, program: &ObjectProgram, code: &Code, out: &mut dyn Write) -> Result<()> {
    let mut slot = 0;
    let mut shown = None;
    while let Some(slots) = code.insns.get(slot..).filter(|slots| !slots.is_empty()) {
        let pc = Pc(slot as u32);
        if let Some(function) = code.functions.iter().find(|function| function.at == pc) {
            writeln!(out, "{}:", function.name)?;
        }
        let line = code.line_at(pc);
        if line.is_some() && line != shown {
            if let Some(place) = input.place(program, pc) {
                writeln!(out, "; {} @ {}", place.text, place.at)?;
            }
            shown = line;
        }
        let mut text = String::new();
        // A string takes all that is written.
        let _ = disasm::write_with_opcode(slots, &Uapi, &mut text);
        let used = code.map_uses.iter().find(|used| used.at == pc);
        match used.and_then(|used| input.object.maps.get(used.map)) {
            Some(map) => writeln!(out, "{slot:5}: {text} ; map {}", map.name)?,
            None => writeln!(out, "{slot:5}: {text}")?,
        }
        slot += decode(slots).map_or(1, |insn: Insn| insn.slots()) as usize;
    }
    Ok(())
}
