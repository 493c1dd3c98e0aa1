//! The instruction set (RFC 9669): raw encoding, typed instructions, and their text.
//!
//! [`RawInsn`] is eight bytes; [`Insn`] is what they mean. `decode` and `encode` go between the two byte
//! for byte; [`disasm`] prints slots in the kernel log's syntax; [`asm`] reads that syntax back, with
//! labels and directives.

pub mod asm;
mod decode;
pub mod disasm;
mod insn;
mod raw;

pub use decode::{DecodeError, Found, bytes, decode, decode_program, encode, slots};
pub use insn::{
    AluOp, AtomicOp, ByteOrder, CallTarget, Imm64, Insn, JumpOp, Operand, PacketOffset, Pc, Reg, Size, Width,
};
pub use raw::RawInsn;
