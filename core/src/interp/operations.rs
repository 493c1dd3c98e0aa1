//! What each operation does to numbers (RFC 9669 section 4).

use crate::isa::{AluOp, ByteOrder, JumpOp, Size, Width};

/// `a op b`, zero-extended from 32 bits where the operation has 32.
#[inline(always)]
pub fn alu(op: AluOp, width: Width, a: u64, b: u64) -> u64 {
    match width {
        Width::W64 => alu64(op, a, b),
        Width::W32 => alu32(op, a as u32, b as u32).into(),
    }
}

#[inline(always)]
fn alu64(op: AluOp, a: u64, b: u64) -> u64 {
    match op {
        AluOp::Add => a.wrapping_add(b),
        AluOp::Sub => a.wrapping_sub(b),
        AluOp::Mul => a.wrapping_mul(b),
        AluOp::Div => a.checked_div(b).unwrap_or(0),
        AluOp::Sdiv if b == 0 => 0,
        AluOp::Sdiv => (a as i64).wrapping_div(b as i64) as u64,
        AluOp::Or => a | b,
        AluOp::And => a & b,
        AluOp::Lsh => a.wrapping_shl(b as u32),
        AluOp::Rsh => a.wrapping_shr(b as u32),
        AluOp::Mod => a.checked_rem(b).unwrap_or(a),
        AluOp::Smod if b == 0 => a,
        AluOp::Smod => (a as i64).wrapping_rem(b as i64) as u64,
        AluOp::Xor => a ^ b,
        AluOp::Mov => b,
        AluOp::Arsh => (a as i64).wrapping_shr(b as u32) as u64,
    }
}

#[inline(always)]
fn alu32(op: AluOp, a: u32, b: u32) -> u32 {
    match op {
        AluOp::Add => a.wrapping_add(b),
        AluOp::Sub => a.wrapping_sub(b),
        AluOp::Mul => a.wrapping_mul(b),
        AluOp::Div => a.checked_div(b).unwrap_or(0),
        AluOp::Sdiv if b == 0 => 0,
        AluOp::Sdiv => (a as i32).wrapping_div(b as i32) as u32,
        AluOp::Or => a | b,
        AluOp::And => a & b,
        AluOp::Lsh => a.wrapping_shl(b),
        AluOp::Rsh => a.wrapping_shr(b),
        AluOp::Mod => a.checked_rem(b).unwrap_or(a),
        AluOp::Smod if b == 0 => a,
        AluOp::Smod => (a as i32).wrapping_rem(b as i32) as u32,
        AluOp::Xor => a ^ b,
        AluOp::Mov => b,
        AluOp::Arsh => (a as i32).wrapping_shr(b) as u32,
    }
}

/// The low bytes with their sign.
#[inline(always)]
pub fn sign_extend(value: u64, from: Size) -> u64 {
    let shift = 64 - from.bits();
    ((value << shift) as i64 >> shift) as u64
}

/// Byte order conversion, on a little-endian machine.
#[inline(always)]
pub fn byte_swap(order: ByteOrder, size: Size, value: u64) -> u64 {
    let swaps = order != ByteOrder::Little;
    match size {
        Size::B => value & 0xff,
        Size::H if swaps => (value as u16).swap_bytes().into(),
        Size::H => (value as u16).into(),
        Size::W if swaps => (value as u32).swap_bytes().into(),
        Size::W => (value as u32).into(),
        Size::Dw if swaps => value.swap_bytes(),
        Size::Dw => value,
    }
}

/// Whether `a op b`.
#[inline(always)]
pub fn compare(op: JumpOp, width: Width, a: u64, b: u64) -> bool {
    let (a, b) = match width {
        Width::W64 => (a, b),
        Width::W32 => (sign_extend(a, Size::W), sign_extend(b, Size::W)),
    };
    // Sign extension keeps the order of both readings of 32 bits.
    let (x, y) = (a as i64, b as i64);
    match op {
        JumpOp::Eq => a == b,
        JumpOp::Ne => a != b,
        JumpOp::Gt => a > b,
        JumpOp::Ge => a >= b,
        JumpOp::Lt => a < b,
        JumpOp::Le => a <= b,
        JumpOp::Set => a & b != 0,
        JumpOp::Sgt => x > y,
        JumpOp::Sge => x >= y,
        JumpOp::Slt => x < y,
        JumpOp::Sle => x <= y,
    }
}
