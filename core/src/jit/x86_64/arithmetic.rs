//! Arithmetic, moves and byte order.

use super::emitter::{Emitter, Known};
use super::encode::{Condition, Gpr, Group1, Place, Shift, W32, W64};
use super::layout::{BASE, SCRATCH, TRUNCATED, gpr};
use crate::isa::{AluOp, ByteOrder, Operand, Reg, Size, Width};

/// Whether operations of the width have 64 bits.
pub(super) fn wide(width: Width) -> bool {
    width == Width::W64
}

impl Emitter<'_> {
    /// The machine's register with a register's value; that of r10 is made in `scratch`.
    #[inline(always)]
    pub(super) fn source(&mut self, reg: Reg, scratch: Gpr) -> Gpr {
        if reg != Reg::FP {
            return gpr(reg);
        }
        self.frame_pointer(scratch);
        scratch
    }

    fn frame_pointer(&mut self, dst: Gpr) {
        self.out.mov(W64, dst, Gpr::Rbp);
        self.out.group1(W64, Group1::Sub, dst, BASE);
    }

    #[inline(always)]
    pub(super) fn alu(&mut self, op: AluOp, width: Width, dst: Reg, src: Operand) {
        self.flags = match op {
            AluOp::Add | AluOp::Sub | AluOp::And | AluOp::Or | AluOp::Xor => Some((dst, wide(width))),
            _ => None,
        };
        match src {
            Operand::Imm(imm) => self.alu_imm(op, width, dst, imm),
            Operand::Reg(src) => self.alu_reg(op, width, dst, src),
        }
    }

    fn alu_imm(&mut self, op: AluOp, width: Width, dst: Reg, imm: i32) {
        let (w, d) = (wide(width), gpr(dst));
        let value = if w { i64::from(imm) as u64 } else { u64::from(imm as u32) };
        let bits = self.bits(dst);
        let had = self.known[dst.index()];
        match op {
            AluOp::Mov => {
                self.out.mov_imm(d, value);
                self.set(dst, Known::of(value));
            }
            AluOp::Add | AluOp::Sub if imm == 0 && (w || bits <= 32) => self.flags = None,
            AluOp::Add => {
                self.out.group1_imm(w, Group1::Add, d, imm);
                self.set(dst, sum(had, imm, w));
            }
            AluOp::Sub => {
                self.out.group1_imm(w, Group1::Sub, d, imm);
                let known = match (had, imm.checked_neg()) {
                    (Known::Frame(_), Some(negative)) => sum(had, negative, w),
                    _ => Known::Bits(if w { 64 } else { 32 }),
                };
                self.set(dst, known);
            }
            AluOp::And => {
                // A constant without a sign clears the upper half: the short form does it too, and its zero
                // flag tells the same.
                self.out.group1_imm(w && imm < 0, Group1::And, d, imm);
                let most = Known::of(value).bits();
                self.set(dst, Known::Bits(bits.min(most)));
            }
            AluOp::Or | AluOp::Xor => {
                let group = if op == AluOp::Or { Group1::Or } else { Group1::Xor };
                let short = bits <= 32 && imm >= 0;
                self.out.group1_imm(w && !short, group, d, imm);
                self.set(dst, Known::Bits(bits.max(Known::of(value).bits()).min(if w { 64 } else { 32 })));
            }
            AluOp::Lsh | AluOp::Rsh | AluOp::Arsh => {
                let by = (imm & if w { 63 } else { 31 }) as u8;
                self.shift_known(op, w, dst, d, by);
            }
            AluOp::Mul => {
                self.out.multiply_imm(w, d, d, imm);
                self.set(dst, Known::Bits(if w { 64 } else { 32 }));
            }
            AluOp::Div | AluOp::Mod | AluOp::Sdiv | AluOp::Smod => self.divide_imm(op, w, dst, imm),
        }
    }

    fn shift_known(&mut self, op: AluOp, w: bool, dst: Reg, d: Gpr, by: u8) {
        let bits = self.bits(dst);
        let (shift, known) = match op {
            AluOp::Lsh => (Shift::Left, bits.saturating_add(by).min(if w { 64 } else { 32 })),
            AluOp::Rsh => (Shift::Right, bits.min(if w { 64 } else { 32 }).saturating_sub(by)),
            _ => (
                Shift::Arithmetic,
                if bits < if w { 64 } else { 32 } {
                    bits
                } else if w {
                    64
                } else {
                    32
                },
            ),
        };
        if by == 0 {
            if !w && bits > 32 {
                self.out.mov(W32, d, d);
            }
            self.set(dst, Known::Bits(bits.min(if w { 64 } else { 32 })));
            return;
        }
        // What fits in 32 bits can be shifted down there.
        let short = w && shift == Shift::Right && bits <= 32 && by < 32;
        self.out.shift_imm(w && !short, shift, d, by);
        self.set(dst, Known::Bits(known));
    }

    fn alu_reg(&mut self, op: AluOp, width: Width, dst: Reg, src: Reg) {
        let (w, d) = (wide(width), gpr(dst));
        let most = if w { 64 } else { 32 };
        let (bits, other) = (self.bits(dst), self.bits(src));
        match op {
            AluOp::Mov if src == Reg::FP => {
                self.frame_pointer(d);
                self.set(dst, if w { Known::Frame(0) } else { Known::Bits(32) });
            }
            AluOp::Mov => {
                let known = self.known[src.index()];
                if dst != src {
                    self.out.mov(w && other > 32, d, gpr(src));
                } else if !w && bits > 32 {
                    self.out.mov(W32, d, d);
                }
                let known = if w || other <= 32 { known } else { Known::Bits(32) };
                self.set(dst, known);
            }
            AluOp::Add => {
                let s = self.source(src, SCRATCH);
                self.out.group1(w, Group1::Add, d, s);
                self.set(dst, Known::Bits((bits.max(other) + 1).min(most)));
            }
            AluOp::Sub => {
                let s = self.source(src, SCRATCH);
                self.out.group1(w, Group1::Sub, d, s);
                self.set(dst, Known::Bits(most));
            }
            AluOp::And | AluOp::Or | AluOp::Xor => {
                let group = match op {
                    AluOp::And => Group1::And,
                    AluOp::Or => Group1::Or,
                    _ => Group1::Xor,
                };
                let s = self.source(src, SCRATCH);
                let short = match op {
                    // The shorter of the two makes the upper half zero.
                    AluOp::And => bits.min(other) <= 32,
                    _ => bits.max(other) <= 32,
                };
                self.out.group1(w && !short, group, d, s);
                let known = if op == AluOp::And { bits.min(other) } else { bits.max(other) };
                self.set(dst, Known::Bits(known.min(most)));
            }
            AluOp::Mul => {
                let s = self.source(src, SCRATCH);
                self.out.multiply(w, d, s);
                self.set(dst, Known::Bits(most));
            }
            AluOp::Lsh | AluOp::Rsh | AluOp::Arsh => {
                let shift = match op {
                    AluOp::Lsh => Shift::Left,
                    AluOp::Rsh => Shift::Right,
                    _ => Shift::Arithmetic,
                };
                let s = self.source(src, SCRATCH);
                self.shift_by(w, shift, d, s);
                self.set(dst, Known::Bits(most));
            }
            AluOp::Div | AluOp::Mod | AluOp::Sdiv | AluOp::Smod => {
                let s = self.source(src, SCRATCH);
                if s != SCRATCH {
                    self.out.mov(W64, SCRATCH, s);
                }
                // Both fit in 32 bits: the quotient and the remainder do.
                let signed = matches!(op, AluOp::Sdiv | AluOp::Smod);
                let narrow = w && !signed && bits <= 32 && other <= 32;
                self.divide(op, w && !narrow, dst, true);
                self.set(dst, Known::Bits(if narrow { bits } else { most }));
            }
        }
    }

    fn shift_by(&mut self, w: bool, shift: Shift, d: Gpr, s: Gpr) {
        if self.features.bmi2 {
            self.out.shift_by(w, shift, d, d, s);
        } else if s == Gpr::Rcx {
            self.out.shift_cl(w, shift, d);
        } else if d == Gpr::Rcx {
            // The value elsewhere, the count in its place.
            self.out.mov(W64, TRUNCATED, d);
            self.out.mov(W64, Gpr::Rcx, s);
            self.out.shift_cl(w, shift, TRUNCATED);
            self.out.mov(W64, d, TRUNCATED);
            self.truncated = None;
        } else {
            self.out.mov(W64, TRUNCATED, Gpr::Rcx);
            self.out.mov(W64, Gpr::Rcx, s);
            self.out.shift_cl(w, shift, d);
            self.out.mov(W64, Gpr::Rcx, TRUNCATED);
            self.truncated = None;
        }
    }

    fn divide_imm(&mut self, op: AluOp, w: bool, dst: Reg, imm: i32) {
        let (d, bits) = (gpr(dst), self.bits(dst));
        let value = if w { i64::from(imm) as u64 } else { u64::from(imm as u32) };
        let most = if w { 64 } else { 32 };
        match (op, imm) {
            (AluOp::Div | AluOp::Sdiv, 0) => {
                self.out.mov_imm(d, 0);
                self.set(dst, Known::Bits(0));
            }
            (AluOp::Mod | AluOp::Smod, 0) => {
                if !w && bits > 32 {
                    self.out.mov(W32, d, d);
                }
                self.set(dst, Known::Bits(bits.min(most)));
            }
            (AluOp::Sdiv, -1) => {
                self.out.neg(w, d);
                self.set(dst, Known::Bits(most));
            }
            (AluOp::Smod, -1) => {
                self.out.mov_imm(d, 0);
                self.set(dst, Known::Bits(0));
            }
            (AluOp::Div, _) if value.is_power_of_two() => {
                self.shift_known(AluOp::Rsh, w, dst, d, value.trailing_zeros() as u8);
            }
            (AluOp::Mod, 1..) if value.is_power_of_two() => {
                self.out.group1_imm(W32, Group1::And, d, imm - 1);
                self.set(dst, Known::Bits(bits.min(value.trailing_zeros() as u8)));
            }
            _ => {
                self.out.mov_imm(SCRATCH, value);
                let signed = matches!(op, AluOp::Sdiv | AluOp::Smod);
                let narrow = w && !signed && bits <= 32 && imm > 0;
                self.divide(op, w && !narrow, dst, false);
                self.set(dst, Known::Bits(if narrow { bits } else { most }));
            }
        }
        self.flags = None;
    }

    /// Divides by what the scratch register holds; with `checks`, that may be 0 or -1.
    fn divide(&mut self, op: AluOp, w: bool, dst: Reg, checks: bool) {
        let d = gpr(dst);
        let signed = matches!(op, AluOp::Sdiv | AluOp::Smod);
        let remainder = matches!(op, AluOp::Mod | AluOp::Smod);
        let mut over = [None, None];
        if checks {
            self.out.test(w, SCRATCH, SCRATCH);
            let not_zero = self.out.jump8(Some(Condition::NotEqual));
            if !remainder {
                self.out.mov_imm(d, 0);
            } else if !w {
                self.out.mov(W32, d, d);
            }
            over[0] = Some(self.out.jump8(None));
            let here = self.out.at();
            self.out.lead8(not_zero, here);
            if signed {
                // The least number by -1 would be an overflow.
                self.out.group1_imm(w, Group1::Cmp, SCRATCH, -1);
                let other = self.out.jump8(Some(Condition::NotEqual));
                if remainder {
                    self.out.mov_imm(d, 0)
                } else {
                    self.out.neg(w, d)
                }
                over[1] = Some(self.out.jump8(None));
                let here = self.out.at();
                self.out.lead8(other, here);
            }
        }
        // rdx:rax is the dividend, whichever registers these are for the program.
        self.truncated = None;
        let keep = if d == Gpr::Rdx { Gpr::Rax } else { Gpr::Rdx };
        self.out.mov(W64, TRUNCATED, keep);
        match d {
            Gpr::Rax => {}
            Gpr::Rdx => self.out.mov(W64, Gpr::Rax, Gpr::Rdx),
            _ => self.out.exchange(Gpr::Rax, d),
        }
        if signed {
            self.out.sign_into_rdx(w);
        } else {
            self.out.group1(W32, Group1::Xor, Gpr::Rdx, Gpr::Rdx);
        }
        self.out.divide(w, signed, SCRATCH);
        match (d, remainder) {
            (Gpr::Rdx, true) => {}
            (Gpr::Rdx, false) => self.out.mov(w, Gpr::Rdx, Gpr::Rax),
            (_, true) => self.out.mov(w, Gpr::Rax, Gpr::Rdx),
            (_, false) => {}
        }
        if !matches!(d, Gpr::Rax | Gpr::Rdx) {
            self.out.exchange(Gpr::Rax, d);
        }
        self.out.mov(W64, keep, TRUNCATED);
        let here = self.out.at();
        for at in over.into_iter().flatten() {
            self.out.lead8(at, here);
        }
    }

    pub(super) fn neg(&mut self, width: Width, dst: Reg) {
        self.out.neg(wide(width), gpr(dst));
        self.set(dst, Known::Bits(if wide(width) { 64 } else { 32 }));
        self.flags = Some((dst, wide(width)));
    }

    pub(super) fn sign_extending_move(&mut self, width: Width, dst: Reg, src: Reg, from: Size) {
        let (w, d) = (wide(width), gpr(dst));
        let s = self.source(src, SCRATCH);
        match from {
            Size::B => self.out.sign_extend8(w, d, s),
            Size::H => self.out.sign_extend16(w, d, s),
            Size::W if w => self.out.sign_extend32(d, s),
            Size::W => self.out.mov(W32, d, s),
            Size::Dw => self.out.mov(W64, d, s),
        }
        self.set(dst, Known::Bits(if w { 64 } else { 32 }));
        self.flags = None;
    }

    pub(super) fn byte_swap(&mut self, order: ByteOrder, size: Size, dst: Reg) {
        let (d, bits) = (gpr(dst), self.bits(dst));
        let swaps = order != ByteOrder::Little;
        self.flags = None;
        match size {
            Size::B => {}
            Size::H => {
                if swaps {
                    self.out.swap_low16(d);
                }
                if bits > 16 {
                    self.out.zero_extend16(d, d);
                }
                self.set(dst, Known::Bits(16));
            }
            Size::W => {
                if swaps {
                    self.out.swap(W32, d);
                } else if bits > 32 {
                    self.out.mov(W32, d, d);
                }
                self.set(dst, Known::Bits(32));
            }
            Size::Dw => {
                if swaps {
                    self.out.swap(W64, d);
                    self.set(dst, Known::NOTHING);
                }
            }
        }
    }

    /// `dst = src + imm` in one instruction, for a move and an addition.
    pub(super) fn move_and_add(&mut self, dst: Reg, src: Reg, imm: i32) {
        let known = sum(self.known[src.index()], imm, true);
        self.out.address(gpr(dst), Place { base: gpr(src), index: None, offset: imm });
        if src == Reg::FP {
            self.out.group1(W64, Group1::Sub, gpr(dst), BASE);
        }
        self.set(dst, known);
        self.flags = None;
    }
}

/// What is known of a register after a constant was added.
fn sum(had: Known, imm: i32, w: bool) -> Known {
    match had {
        Known::Frame(offset) if w => match offset.checked_add(imm) {
            Some(offset) if offset.unsigned_abs() <= 4096 => Known::Frame(offset),
            _ => Known::NOTHING,
        },
        Known::Frame(_) => Known::Bits(32),
        Known::Bits(_) | Known::Constant(_) if w && imm >= 0 => {
            Known::Bits((had.bits().max(Known::of(imm as u64).bits()) + 1).min(64))
        }
        Known::Bits(_) | Known::Constant(_) => Known::Bits(if w { 64 } else { 32 }),
    }
}
