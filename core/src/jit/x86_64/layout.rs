//! What compiled code and its host share: a page of fields at a fixed distance below the arena, out of reach
//! of any access that a program can make, and the meaning of registers.

use super::encode::{Gpr, Place};
use crate::isa::{Reg, Size};

/// Bytes from the arena's base down to the header page. An access is the low 32 bits of a register and an
/// offset of 16: at its lowest 32 KiB below the base.
pub const HEADER_DISTANCE: u32 = 1 << 16;
/// Bytes past 4 GiB that an access may reach: the host keeps them unmapped.
pub const REACH: u64 = 1 << 16;

/// Offset in the header page: the stack pointer that a trap goes back to.
pub const HOST_STACK: i32 = 0;
/// Offset: the address that r1 begins with.
pub const CONTEXT: i32 = 8;
/// Offset: the address that r10 begins with.
pub const FRAME: i32 = 16;
/// Offset: what is left of the budget, in slots.
pub const BUDGET: i32 = 24;
/// Offset: the slot of a trap.
pub const PC: i32 = 32;
/// Offset: the host's function for what compiled code can't do by itself (see [`Request`]).
pub const SERVICE: i32 = 40;
/// Offset: which service, the helper's number or a [`Request`].
pub const NUMBER: i32 = 48;
/// Offset: how often `may_goto` may still be passed.
pub const MAY_GOTO: i32 = 56;
/// Offset: how many more calls may lie within each other.
pub const DEPTH: i32 = 64;
/// Offset: two words that atomics keep registers in.
pub const SPILL: i32 = 72;
/// Offset: the last address where an access of 1, 2, 4 and 8 bytes lies in the arena.
pub const LAST: i32 = 88;
/// Offset: what r2 begins with; 0 but in tests of raw programs, which find the length of their memory there.
pub const SECOND: i32 = 120;

/// Services besides helpers; these have positive numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i32)]
pub enum Request {
    /// Legacy packet loads of 1, 2 and 4 bytes; the offset is the first argument.
    PacketB = -1,
    /// As [`Request::PacketB`].
    PacketH = -2,
    /// As [`Request::PacketB`].
    PacketW = -3,
}

/// What compiled code, or a service, ends with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Status {
    /// The program returned; or the service did its work.
    Done = 0,
    /// The budget is used up.
    Budget = 1,
    /// A service can't go on: the host knows why.
    Service = 2,
    /// A load or store met no memory: the host puts this when it catches the fault.
    Fault = 3,
    /// The program is over: a legacy packet load past the packet's end.
    Over = 4,
    /// More than 8 calls within each other.
    CallDepth = 5,
    /// Control ran out of a function.
    RanOut = 6,
}

/// The arena's base.
pub(super) const BASE: Gpr = Gpr::R12;
/// What is left of the budget.
pub(super) const LEFT: Gpr = Gpr::R9;
/// Scratch: the truncated address.
pub(super) const TRUNCATED: Gpr = Gpr::R10;
/// Scratch.
pub(super) const SCRATCH: Gpr = Gpr::R11;

/// The machine's register for one of the program's. r1 to r5 are where a C function takes its arguments; rbp
/// is r10 with the base added.
pub(super) const fn gpr(reg: Reg) -> Gpr {
    const MAP: [Gpr; Reg::COUNT] = [
        Gpr::Rax,
        Gpr::Rdi,
        Gpr::Rsi,
        Gpr::Rdx,
        Gpr::Rcx,
        Gpr::R8,
        Gpr::Rbx,
        Gpr::R13,
        Gpr::R14,
        Gpr::R15,
        Gpr::Rbp,
    ];
    MAP[reg.index()]
}

/// A field of the header.
pub(super) const fn field(offset: i32) -> Place {
    Place { base: BASE, index: None, offset: offset - HEADER_DISTANCE as i32 }
}

/// The field of [`LAST`] for a size.
pub(super) const fn last(size: Size) -> Place {
    let offset = match size {
        Size::B => 0,
        Size::H => 8,
        Size::W => 16,
        Size::Dw => 24,
    };
    field(LAST + offset)
}
