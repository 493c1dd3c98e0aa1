//! The parts that instructions are made of: operands, places in memory, targets.

use alloc::format;

use super::lexer::Token;
use super::scanner::Scanner;
use super::{AsmError, Target};
use crate::isa::decode::SIZES;
use crate::isa::insn::{Operand, Reg, Size, Width};

/// What a jump is told that has no target.
const TARGET: &str = "a target: a label, or `pc+3`";

pub(super) fn register_kind(width: Width) -> &'static str {
    match width {
        Width::W64 => "64-bit register",
        Width::W32 => "32-bit register",
    }
}

/// A register of that width, or a constant that the instruction can hold.
pub(super) fn operand(s: &mut Scanner, width: Width) -> Result<Operand, AsmError> {
    if s.peek_register().is_some() {
        return Ok(Operand::Reg(s.register_of(width)?));
    }
    let (max, range) = match width {
        Width::W64 => (i32::MAX.into(), "from -2147483648 to 2147483647"),
        Width::W32 => (u32::MAX.into(), "of 32 bits"),
    };
    let what = format!("a {} or a number {range}", register_kind(width));
    Ok(Operand::Imm(s.within(&what, i32::MIN.into(), max)? as i32))
}

/// `pc+3`, `+3`, or a label; a disassembler's `<LABEL>` after an offset is skipped.
pub(super) fn target(s: &mut Scanner) -> Result<Target, AsmError> {
    let signed = |token: Option<&Token>| matches!(token, Some(Token::Op("+" | "-")));
    if s.peek_word() == Some("pc") && signed(s.peek_at(1)) {
        s.skip(1);
    }
    if signed(s.peek()) {
        let offset = s.number(TARGET)?;
        if s.take_op("<") {
            while !s.at_end() && !s.take_op(">") {
                s.skip(1);
            }
        }
        // More than 64 bits reach nothing either.
        return Ok(Target::Relative(i64::try_from(offset).unwrap_or(i64::MAX)));
    }
    s.name(TARGET).map(Target::Label)
}

/// `u8` to `u64`; with `signed`, `s8` to `s32` too.
pub(super) fn size(s: &mut Scanner, signed: bool) -> Result<(Size, bool), AsmError> {
    let word = s.peek_word().unwrap_or("");
    let unsigned_row = SIZES.iter().find(|row| row.2 == word);
    let signed_row = SIZES
        .iter()
        .find(|row| signed && row.1 != Size::Dw && word.starts_with('s') && row.2[1..] == word[1..]);
    match unsigned_row.or(signed_row) {
        Some(row) => {
            s.skip(1);
            Ok((row.1, unsigned_row.is_none()))
        }
        None => {
            Err(s.error(if signed { "u8, u16, u32, u64, s8, s16 or s32" } else { "u8, u16, u32 or u64" }))
        }
    }
}

/// `(u64 *)(r0 +8)`: size, its column, base, offset.
pub(super) fn place(s: &mut Scanner) -> Result<(Size, u32, Reg, i16), AsmError> {
    s.op("(")?;
    let column = s.column();
    let (size, _) = size(s, false)?;
    s.op("*")?;
    s.op(")")?;
    let (base, off) = address(s)?;
    Ok((size, column, base, off))
}

/// `(r0 +8)`, `(r0 + 8)`, `(r0)`.
pub(super) fn address(s: &mut Scanner) -> Result<(Reg, i16), AsmError> {
    s.op("(")?;
    let base = s.wide_register()?;
    let off = if s.take_op(")") {
        return Ok((base, 0));
    } else if matches!(s.peek(), Some(Token::Op("+" | "-"))) {
        s.within("an offset from -32768 to 32767", i16::MIN.into(), i16::MAX.into())? as i16
    } else {
        return Err(s.error("`+`, `-` or `)`"));
    };
    s.op(")")?;
    Ok((base, off))
}

pub(super) fn atomic_size(s: &Scanner, size: Size, column: u32) -> Result<Size, AsmError> {
    match size {
        Size::W | Size::Dw => Ok(size),
        _ => Err(s.error_at(column, "u32 or u64 for an atomic operation", "another size")),
    }
}

/// `+8`, or nothing for 0.
pub(super) fn value_offset(s: &mut Scanner) -> Result<u32, AsmError> {
    if s.at_end() { Ok(0) } else { s.unsigned("an offset into the value, as `+8`") }
}
