//! Arithmetic, moves, byte order, comparisons.

use wasm_encoder::{BlockType, ValType};

use super::emitter::{Emitter, Known, local};
use crate::isa::{AluOp, ByteOrder, JumpOp, Operand, Reg, Size, Width};

impl Emitter<'_> {
    #[inline(always)]
    pub(super) fn alu(&mut self, op: AluOp, width: Width, dst: Reg, src: Operand) {
        let known = self.result(op, width, dst, src);
        match op {
            AluOp::Mov => self.operand(src, width),
            AluOp::Div | AluOp::Mod | AluOp::Sdiv | AluOp::Smod => self.divide(op, width, dst, src),
            _ => {
                self.operand(Operand::Reg(dst), width);
                self.operand(src, width);
                self.operation(op, width);
            }
        }
        self.pop(dst, width);
        self.known[dst.index()] = known;
    }

    /// What is known of a result.
    fn result(&self, op: AluOp, width: Width, dst: Reg, src: Operand) -> Known {
        match (op, src) {
            (AluOp::Mov, Operand::Imm(imm)) if width == Width::W32 => Known::Constant(u64::from(imm as u32)),
            (AluOp::Mov, Operand::Imm(imm)) => Known::Constant(i64::from(imm) as u64),
            (AluOp::Mov, Operand::Reg(src)) if width == Width::W64 => self.known[src.index()],
            (AluOp::Add | AluOp::Sub, Operand::Imm(imm)) if width == Width::W64 => {
                let by = if op == AluOp::Add { Some(imm) } else { imm.checked_neg() };
                match (self.known[dst.index()], by) {
                    // Far from an overflow, as far as any access is.
                    (Known::Frame(at), Some(by)) if by.unsigned_abs() < 1 << 20 => {
                        at.checked_add(by).map_or(Known::Nothing, Known::Frame)
                    }
                    _ => Known::Nothing,
                }
            }
            _ => Known::Nothing,
        }
    }

    pub(super) fn operation(&mut self, op: AluOp, width: Width) {
        // Both count a shift modulo their width. The codes of 64 bits follow those of 32.
        let code = match op {
            AluOp::Add => 0x6a,
            AluOp::Sub => 0x6b,
            AluOp::Mul => 0x6c,
            AluOp::Sdiv => 0x6d,
            AluOp::Div => 0x6e,
            AluOp::Smod => 0x6f,
            AluOp::Mod => 0x70,
            AluOp::And => 0x71,
            AluOp::Or => 0x72,
            AluOp::Xor => 0x73,
            AluOp::Lsh => 0x74,
            AluOp::Arsh => 0x75,
            AluOp::Rsh => 0x76,
            AluOp::Mov => return,
        };
        self.plain(if width == Width::W64 { code + 0x12 } else { code });
    }

    /// A quotient or remainder on the stack. WebAssembly traps on a zero divisor, and on the quotient of the
    /// least number by -1; its remainder of these is 0, as here.
    fn divide(&mut self, op: AluOp, width: Width, dst: Reg, src: Operand) {
        let (value, dst) = (if width == Width::W64 { ValType::I64 } else { ValType::I32 }, Operand::Reg(dst));
        match (op, src) {
            (AluOp::Div | AluOp::Sdiv, Operand::Imm(0)) => self.operand(Operand::Imm(0), width),
            (AluOp::Mod | AluOp::Smod, Operand::Imm(0)) => self.operand(dst, width),
            (AluOp::Sdiv, Operand::Imm(-1)) => self.multiply(dst, src, width),
            (_, Operand::Imm(_)) => {
                self.operand(dst, width);
                self.operand(src, width);
                self.operation(op, width);
            }
            (_, Operand::Reg(_)) => {
                self.operand(src, width);
                match (op, width) {
                    (AluOp::Sdiv, Width::W64) => {
                        self.out().i64_const(1).i64_add().i64_const(1).i64_le_u();
                    }
                    (AluOp::Sdiv, Width::W32) => {
                        self.out().i32_const(1).i32_add().i32_const(1).i32_le_u();
                    }
                    (_, Width::W64) => {
                        self.out().i64_eqz();
                    }
                    (_, Width::W32) => {
                        self.out().i32_eqz();
                    }
                }
                self.out().if_(BlockType::Result(value));
                match op {
                    // By 0 it is 0, by -1 the negative: the product with the divisor.
                    AluOp::Sdiv => self.multiply(dst, src, width),
                    AluOp::Div => self.operand(Operand::Imm(0), width),
                    _ => self.operand(dst, width),
                }
                self.out().else_();
                self.operand(dst, width);
                self.operand(src, width);
                self.operation(op, width);
                self.out().end();
            }
        }
    }

    fn multiply(&mut self, a: Operand, b: Operand, width: Width) {
        self.operand(a, width);
        self.operand(b, width);
        self.operation(AluOp::Mul, width);
    }

    pub(super) fn neg(&mut self, width: Width, dst: Reg) {
        self.operand(Operand::Imm(0), width);
        self.operand(Operand::Reg(dst), width);
        self.operation(AluOp::Sub, width);
        self.pop(dst, width);
    }

    pub(super) fn sign_extending_move(&mut self, width: Width, dst: Reg, src: Reg, from: Size) {
        self.operand(Operand::Reg(src), width);
        match (width, from) {
            (Width::W64, Size::B) => {
                self.out().i64_extend8_s();
            }
            (Width::W64, Size::H) => {
                self.out().i64_extend16_s();
            }
            (Width::W64, Size::W) => {
                self.out().i64_extend32_s();
            }
            (Width::W32, Size::B) => {
                self.out().i32_extend8_s();
            }
            (Width::W32, Size::H) => {
                self.out().i32_extend16_s();
            }
            (_, Size::Dw) | (Width::W32, Size::W) => {}
        }
        self.pop(dst, width);
    }

    pub(super) fn byte_swap(&mut self, order: ByteOrder, size: Size, dst: Reg) {
        let swaps = order != ByteOrder::Little;
        let d = local(dst).0;
        match (size, swaps) {
            (Size::B, _) => {
                self.out().local_get(d).i64_const(0xff).i64_and().local_set(d);
            }
            (Size::H, false) => {
                self.out().local_get(d).i64_const(0xffff).i64_and().local_set(d);
            }
            (Size::W, false) => {
                self.out().local_get(d).i64_const(0xffff_ffff).i64_and().local_set(d);
            }
            (Size::Dw, false) => {}
            (Size::H, true) => {
                self.out().local_get(d).i32_wrap_i64().i32_const(8).i32_shl().i32_const(0xff00).i32_and();
                self.out().local_get(d).i32_wrap_i64().i32_const(8).i32_shr_u().i32_const(0xff).i32_and();
                self.out().i32_or().i64_extend_i32_u().local_set(d);
            }
            (Size::W, true) => {
                self.out().local_get(d).i32_wrap_i64().i32_const(8).i32_rotl();
                self.out().i32_const(0x00ff_00ff).i32_and();
                self.out().local_get(d).i32_wrap_i64().i32_const(24).i32_rotl();
                self.out().i32_const(0xff00_ff00_u32 as i32).i32_and();
                self.out().i32_or().i64_extend_i32_u().local_set(d);
            }
            (Size::Dw, true) => {
                for (by, mask) in [(8, 0x00ff_00ff_00ff_00ff_i64), (16, 0x0000_ffff_0000_ffff)] {
                    self.out().local_get(d).i64_const(mask).i64_and().i64_const(by).i64_shl();
                    self.out().local_get(d).i64_const(by).i64_shr_u().i64_const(mask).i64_and();
                    self.out().i64_or().local_set(d);
                }
                self.out().local_get(d).i64_const(32).i64_rotl().local_set(d);
            }
        }
        self.known[dst.index()] = Known::Nothing;
    }

    /// Whether a comparison holds, on the stack.
    #[inline(always)]
    pub(super) fn compare(&mut self, op: JumpOp, width: Width, dst: Reg, src: Operand) {
        self.operand(Operand::Reg(dst), width);
        // Against nothing there is a shorter form.
        if src == Operand::Imm(0) && matches!(op, JumpOp::Eq | JumpOp::Ne) {
            match (op, width) {
                (JumpOp::Eq, Width::W64) => self.out().i64_eqz(),
                (JumpOp::Eq, Width::W32) => self.out().i32_eqz(),
                (_, Width::W64) => self.out().i64_const(0).i64_ne(),
                (_, Width::W32) => self.out().nop(),
            };
            return;
        }
        self.operand(src, width);
        let mut out = self.out();
        match (op, width) {
            (JumpOp::Eq, Width::W64) => out.i64_eq(),
            (JumpOp::Eq, Width::W32) => out.i32_eq(),
            (JumpOp::Ne, Width::W64) => out.i64_ne(),
            (JumpOp::Ne, Width::W32) => out.i32_ne(),
            (JumpOp::Gt, Width::W64) => out.i64_gt_u(),
            (JumpOp::Gt, Width::W32) => out.i32_gt_u(),
            (JumpOp::Ge, Width::W64) => out.i64_ge_u(),
            (JumpOp::Ge, Width::W32) => out.i32_ge_u(),
            (JumpOp::Lt, Width::W64) => out.i64_lt_u(),
            (JumpOp::Lt, Width::W32) => out.i32_lt_u(),
            (JumpOp::Le, Width::W64) => out.i64_le_u(),
            (JumpOp::Le, Width::W32) => out.i32_le_u(),
            (JumpOp::Sgt, Width::W64) => out.i64_gt_s(),
            (JumpOp::Sgt, Width::W32) => out.i32_gt_s(),
            (JumpOp::Sge, Width::W64) => out.i64_ge_s(),
            (JumpOp::Sge, Width::W32) => out.i32_ge_s(),
            (JumpOp::Slt, Width::W64) => out.i64_lt_s(),
            (JumpOp::Slt, Width::W32) => out.i32_lt_s(),
            (JumpOp::Sle, Width::W64) => out.i64_le_s(),
            (JumpOp::Sle, Width::W32) => out.i32_le_s(),
            (JumpOp::Set, Width::W64) => out.i64_and().i64_const(0).i64_ne(),
            (JumpOp::Set, Width::W32) => out.i32_and(),
        };
    }
}
