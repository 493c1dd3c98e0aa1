//! WebAssembly modules.
//!
//! [`compile`] answers the bytes of a module that imports the host's memory, in which the arena lies, and one
//! function of the host ([`layout`]). The program's registers are locals, its functions the module's, its loops
//! and branches WebAssembly's own; where a loop has several entries the function is one loop around a jump table
//! instead. An access takes the low 32 bits of its register and stays in the arena: it is compared with the
//! arena's end, but where it is one of the frame or follows one that reached as far. At the head of every loop the
//! code counts a budget down. What goes wrong comes back as a [`layout::Status`].

mod arithmetic;
mod calls;
mod emitter;
mod graph;
pub mod layout;
mod memory;
mod module;
mod structure;

#[cfg(test)]
mod tests;

pub use super::x86_64::Unsupported;

use crate::image::Image;
use crate::isa::Pc;
use alloc::vec::Vec;

/// Where things lie in the linear memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Host {
    /// Address of the arena's byte 0.
    pub base: u32,
    /// Bytes of the arena.
    pub capacity: u32,
    /// Address of the record ([`layout`]), 8-aligned, outside of the arena.
    pub record: u32,
}

/// A module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Module {
    /// The module's bytes.
    pub bytes: Vec<u8>,
    /// Most frames that a chain of local calls takes, the program's own among them; more than 8 where it is
    /// counted while it runs.
    pub frames: u32,
}

/// Compiles an image.
///
/// # Errors
/// [`Unsupported`] names what this compiler does not do.
pub fn compile(image: &Image, host: Host) -> Result<Module, Unsupported> {
    module::compile(image, host, None)
}

/// Compiles an image to go on at a slot of its first function, with registers from the record: what an
/// interpreter began, in the program's own frame.
///
/// # Errors
/// As [`compile`].
pub fn compile_from(image: &Image, host: Host, from: Pc) -> Result<Module, Unsupported> {
    module::compile(image, host, Some(from))
}
