//! The programs: what `gen.py` writes into a folder.

use anyhow::{Context, Result, bail};
use glasshive::isa::{Insn, decode_program, slots};
use std::path::Path;

/// A program that reads only through r1, which points to its memory, and returns a number.
pub struct Program {
    /// Its name.
    pub name: String,
    /// Its instructions' bytes.
    pub code: Vec<u8>,
    /// The same behind a prologue that takes an XDP context.
    pub xdp: Vec<u8>,
    /// What r1 points to.
    pub memory: Vec<u8>,
}

impl Program {
    /// Reads `NAME.bin`, `NAME.xdp.bin` and `NAME.mem`.
    pub fn read(folder: &Path, name: &str) -> Result<Program> {
        let read = |suffix: &str| {
            let path = folder.join(format!("{name}.{suffix}"));
            std::fs::read(&path).with_context(|| path.display().to_string())
        };
        Ok(Program { name: name.into(), code: read("bin")?, xdp: read("xdp.bin")?, memory: read("mem")? })
    }

    /// The instructions, an entry per slot.
    pub fn insns(&self) -> Result<Vec<Insn>> {
        let Some(slots) = slots(&self.code) else { bail!("{}: not a whole number of slots", self.name) };
        let mut insns: Vec<Insn> = Vec::new();
        for decoded in decode_program(&slots) {
            match (decoded, insns.last()) {
                (Ok(insn), _) => insns.push(insn),
                (Err(_), Some(&before @ Insn::LoadImm64 { .. })) => insns.push(before),
                (Err(error), _) => bail!("{}: {error:?}", self.name),
            }
        }
        Ok(insns)
    }
}
