//! x86-64 machine code.
//!
//! [`compile`] answers position-independent code of one C function, `extern "C" fn(header) -> (value,
//! status)`: `rdi` points to the header page ([`layout`]), `rax` and `rdx` hold the program's value and a
//! [`layout::Status`]. The program's registers live in the machine's; an access to memory takes the low 32
//! bits of its register, adds the arena's base, and so stays within reach of the arena whatever the register
//! held. At the head of every loop the code counts a budget down.

mod arithmetic;
mod control;
mod emitter;
mod encode;
pub mod layout;
mod memory;
mod plan;

use alloc::vec::Vec;
use core::fmt;

use crate::image::Image;
use crate::isa::Pc;
use emitter::Emitter;
use plan::Plan;

/// What the processor has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Features {
    /// `shlx` and its siblings.
    pub bmi2: bool,
}

/// Why an image can't be compiled; the interpreter runs it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unsupported {
    /// The instruction.
    pub pc: Pc,
    /// What it is.
    pub what: &'static str,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "instruction {}: {} is not compiled", self.pc, self.what)
    }
}

/// Machine code.
#[derive(Clone, Debug)]
pub struct Code {
    /// The code; its first byte is the entry.
    pub bytes: Vec<u8>,
    /// Where each slot's code begins, and after the last slot, where the program's end.
    pub offsets: Vec<u32>,
    /// Where the host goes on after a fault: `r11` holds the slot, `rdx` the status; everything else is restored.
    pub unwind: u32,
}

impl Code {
    /// The slot whose code an offset lies in.
    pub fn slot_at(&self, offset: u32) -> Option<Pc> {
        let after = self.offsets.partition_point(|start| *start <= offset);
        let slots = self.offsets.len() - 1;
        (1..=slots).contains(&after).then(|| Pc(after as u32 - 1))
    }
}

/// Compiles an image.
///
/// # Errors
/// [`Unsupported`] names what this compiler does not do.
pub fn compile(image: &Image, features: Features) -> Result<Code, Unsupported> {
    let plan = Plan::new(image)?;
    let mut emitter = Emitter::new(image, &plan, features);
    emitter.pass()?;
    Ok(emitter.finish())
}
