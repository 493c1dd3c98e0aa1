//! The uapi's names, as the assembler and the disassembler ask for them.

use alloc::borrow::Cow;

use crate::helper::Facts;
use crate::isa::asm::Resolver;
use crate::isa::disasm::Names;
use crate::map::types::TYPES;
use crate::program;

/// The names of the tables of [`helper`](crate::helper) and [`map`](crate::map).
#[derive(Clone, Copy, Debug)]
pub struct Uapi;

impl Resolver for Uapi {
    fn helper(&self, name: &str) -> Option<i32> {
        Facts::by_name(name).map(|facts| facts.number)
    }
    fn is_program_type(&self, name: &str) -> bool {
        program_type(name).is_some()
    }
    fn map_type(&self, name: &str) -> Option<u32> {
        TYPES.iter().find(|row| row.name == name).map(|row| row.number)
    }
}

impl Names for Uapi {
    fn helper(&self, number: i32) -> Option<Cow<'_, str>> {
        // Number 0 has a name, and no function.
        let unspecified = (number == 0).then_some("bpf_unspec");
        unspecified.or_else(|| Facts::of(number).map(|facts| facts.name)).map(Cow::Borrowed)
    }
}

/// A map type's name.
pub fn map_type(number: u32) -> Option<&'static str> {
    TYPES.iter().find(|row| row.number == number).map(|row| row.name)
}

/// A program type's number.
pub fn program_type(name: &str) -> Option<u32> {
    program::types::TYPES.iter().find(|row| row.name == name).map(|row| row.number)
}
