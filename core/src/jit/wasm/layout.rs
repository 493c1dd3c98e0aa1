//! What compiled code and its host share: a record in the linear memory, outside of the arena, and what a module
//! imports and exports.

pub use crate::jit::x86_64::layout::{Request, Status};

/// The module's imports are in this namespace.
pub const NAMESPACE: &str = "glasshive";
/// Import: the linear memory that the arena lies in.
pub const MEMORY: &str = "memory";
/// Import: the host's function for what compiled code can't do by itself, `(record: i32, number: i32, r1 … r5:
/// i64, frame: i32) -> i64`. `number` is a helper's, or a [`Request`]; `frame` is r10.
pub const SERVICE: &str = "service";
/// Export: the program, `() -> i32`; it answers a [`Status`] and leaves r0 in [`VALUE`].
pub const RUN: &str = "run";

/// Offset in the record: the address that r1 begins with, 4 bytes.
pub const CONTEXT: u64 = 0;
/// Offset: the address that r10 begins with, 4 bytes.
pub const FRAME: u64 = 4;
/// Offset: what is left of the budget, in slots; 8 bytes, signed.
pub const BUDGET: u64 = 8;
/// Offset: the program's r0, 8 bytes.
pub const VALUE: u64 = 16;
/// Offset: what r2 begins with; 0 but in tests of raw programs, which find the length of their memory there.
pub const SECOND: u64 = 24;
/// Offset: how often `may_goto` may still be passed; 8 bytes, signed.
pub const MAY_GOTO: u64 = 32;
/// Offset: the slot of a trap, 4 bytes.
pub const PC: u64 = 40;
/// Offset: for [`Status::Fault`], the address before a positive offset is added; 4 bytes.
pub const ADDRESS: u64 = 44;
/// Offset: the [`Status`] of the last service, 4 bytes; [`REPLACED`] where a tail call ran another program to
/// its end, with the value that it returned.
pub const STATUS: u64 = 48;
/// Offset: how many more calls may lie within each other, 4 bytes.
pub const DEPTH: u64 = 52;
/// Offset: r0 to r9 of a run that is taken over in the middle, 8 bytes each.
pub const REGISTERS: u64 = 56;

/// What [`STATUS`] is after a tail call that was followed.
pub const REPLACED: i32 = 32;
