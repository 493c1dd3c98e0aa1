//! rbpf: an interpreter that checks accesses, and a JIT that does not.

use anyhow::{Result, anyhow};

use super::Runner;
use crate::program::Program;

fn helper(_: u64, _: u64, _: u64, _: u64, _: u64) -> u64 {
    0
}

fn machine(program: &Program) -> Result<rbpf::EbpfVmRaw<'static>> {
    // It borrows the program; a bench has few of them.
    let code: &'static [u8] = Box::leak(program.code.clone().into_boxed_slice());
    let mut machine = rbpf::EbpfVmRaw::new(Some(code)).map_err(|error| anyhow!("{error}"))?;
    machine.register_helper(42, helper).map_err(|error| anyhow!("{error}"))?;
    Ok(machine)
}

/// A copy of the program's memory that the machine may borrow for as long as it likes.
fn memory(program: &Program) -> (*mut u8, usize) {
    let memory = Box::leak(program.memory.clone().into_boxed_slice());
    (memory.as_mut_ptr(), memory.len())
}

/// Its interpreter.
pub fn interpreter(program: &Program) -> Result<Runner> {
    let (machine, (start, len)) = (machine(program)?, memory(program));
    Ok(Box::new(move || {
        // SAFETY: the memory was leaked for this runner, whose calls come one after another.
        let memory = unsafe { std::slice::from_raw_parts_mut(start, len) };
        machine.execute_program(memory).map_err(|error| anyhow!("{error}"))
    }))
}

/// Its JIT.
pub fn jit(program: &Program) -> Result<Runner> {
    let (mut machine, (start, len)) = (machine(program)?, memory(program));
    machine.jit_compile().map_err(|error| anyhow!("{error}"))?;
    Ok(Box::new(move || {
        // SAFETY: as above.
        let memory = unsafe { std::slice::from_raw_parts_mut(start, len) };
        // SAFETY: the benchmark programs access their memory and stack alone.
        unsafe { machine.execute_program_jit(memory) }.map_err(|error| anyhow!("{error}"))
    }))
}
