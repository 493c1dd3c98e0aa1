//! `glasshive jit`.

use anyhow::Result;
use std::io::Write;

use super::Verdict;
use super::arguments::JitOptions;

/// Verifies a program and compiles it; with `dump`, prints its instructions with their machine code.
///
/// # Errors
/// Where the file can't be read, no program is chosen, or it has something that is not compiled.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub fn jit(options: &JitOptions, out: &mut dyn Write) -> Result<Verdict> {
    let input = super::input::Input::read(&options.target.file)?;
    let mut kernel = super::system::system(&options.target)?;
    let mut fds = glasshive::loader::MapFds::new();
    let program = input.one(options.target.program.as_deref())?;
    let loaded = super::verify::load(&mut kernel, &input, program, &options.target, 0, &mut fds, out)?;
    let Some(fd) = loaded else { return Ok(Verdict::Rejected) };
    let image = &kernel.program(fd)?.image;
    let code = match glasshive_native::jit::Executable::new(image) {
        Ok(executable) => executable.code().clone(),
        Err(error) => {
            writeln!(out, "{}: not compiled: {error}", program.name)?;
            return Ok(Verdict::Rejected);
        }
    };
    let count = image.insns().len();
    if options.dump {
        listing::write(image, &code, out)?;
    }
    writeln!(out, "{}: {count} slots, {} bytes of machine code", program.name, code.bytes.len())?;
    Ok(Verdict::Accepted)
}

/// As on machines that have a compiler, but there is none.
///
/// # Errors
/// Always.
#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
pub fn jit(_options: &JitOptions, _out: &mut dyn Write) -> Result<Verdict> {
    anyhow::bail!("machine code is made for x86-64 Linux alone")
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod listing {
    use super::{Result, Write};
    use glasshive::image::Image;
    use glasshive::isa::{disasm, encode};
    use glasshive::jit::x86_64::Code;
    use glasshive::names::Uapi;
    use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter};

    /// Every instruction, and below it the code that it became.
    pub fn write(image: &Image, code: &Code, out: &mut dyn Write) -> Result<()> {
        let first = code.offsets.first().copied().unwrap_or(0);
        writeln!(out, "; entry, and the way out")?;
        machine(code, 0, first, out)?;
        let mut slot = 0;
        while let Some(insn) = image.insns().get(slot) {
            let mut text = String::new();
            let (first, second) = encode(*insn);
            let slots: Vec<_> = [first].into_iter().chain(second).collect();
            // A string takes all that is written.
            let _ = disasm::write(&slots, &Uapi, &mut text);
            writeln!(out, "{slot:5}: {text}")?;
            let next = slot + insn.slots() as usize;
            let end = code.offsets.get(next).copied().unwrap_or(0);
            machine(code, code.offsets[slot], end, out)?;
            slot = next;
        }
        let last = code.offsets.last().copied().unwrap_or(0);
        writeln!(out, "; stops: budget, faults of helpers")?;
        machine(code, last, code.bytes.len() as u32, out)
    }

    fn machine(code: &Code, from: u32, to: u32, out: &mut dyn Write) -> Result<()> {
        let bytes = code.bytes.get(from as usize..to as usize).unwrap_or_default();
        let mut decoder = Decoder::with_ip(64, bytes, from.into(), DecoderOptions::NONE);
        let mut formatter = IntelFormatter::new();
        let mut instruction = Instruction::default();
        while decoder.can_decode() {
            decoder.decode_out(&mut instruction);
            let mut text = String::new();
            formatter.format(&instruction, &mut text);
            let at = instruction.ip();
            let start = (at - u64::from(from)) as usize;
            let hex: String =
                bytes[start..start + instruction.len()].iter().map(|byte| format!("{byte:02x}")).collect();
            writeln!(out, "         {at:6x}  {hex:<24} {text}")?;
        }
        Ok(())
    }
}
