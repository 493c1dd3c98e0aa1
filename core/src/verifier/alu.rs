//! Arithmetic: numbers by the domain, pointers by rule.

use super::domain::{Scalar, alu};
use super::observer::Observer;
use super::register::{Kind, MemoryKind, Register};
use super::speculation::Sum;
use super::{Rejection, Verifier, policy, reject};
use crate::errno::Errno;
use crate::isa::{AluOp, ByteOrder, Insn, Operand, Reg, Size, Width};

/// An operator as the kernel's messages have it.
fn operator(op: AluOp) -> &'static str {
    match op {
        AluOp::Add => "+=",
        AluOp::Sub => "-=",
        AluOp::Mul => "*=",
        AluOp::Div | AluOp::Sdiv => "/=",
        AluOp::Or => "|=",
        AluOp::And => "&=",
        AluOp::Lsh => "<<=",
        AluOp::Rsh => ">>=",
        AluOp::Mod | AluOp::Smod => "%=",
        AluOp::Xor => "^=",
        AluOp::Mov => "=",
        AluOp::Arsh => "s>>=",
    }
}

impl<O: Observer> Verifier<O> {
    pub(super) fn walk_alu(&mut self, insn: Insn) -> Result<(), Rejection> {
        match insn {
            Insn::ByteSwap { order, size, dst } => {
                let value = self.read(dst)?;
                self.check_exposes(&value, dst, "pointer arithmetic prohibited")?;
                self.may_write(dst)?;
                let swap = order != ByteOrder::Little;
                let result = match value.is_pointer() {
                    true => Register::UNKNOWN,
                    // Nothing changes on a little-endian machine.
                    false if !swap && size == Size::Dw => value,
                    false => Register {
                        precise: value.precise,
                        ..Register::scalar(alu::byte_order(size, swap, &value.var))
                    },
                };
                self.write(dst, result);
                Ok(())
            }
            Insn::Neg { width, dst } => {
                let value = self.read(dst)?;
                self.check_exposes(&value, dst, "pointer arithmetic prohibited")?;
                self.may_write(dst)?;
                let result = match value.is_pointer() {
                    true => Register::UNKNOWN,
                    false => Register {
                        precise: value.precise,
                        ..Register::scalar(alu::negate(width, &value.var))
                    },
                };
                self.write(dst, result);
                Ok(())
            }
            Insn::MovSx { width, dst, src, from } => {
                let value = self.read(src)?;
                self.may_write(dst)?;
                if value.is_pointer() {
                    let what = match width {
                        Width::W64 => "sign-extension part of pointer",
                        Width::W32 => "partial copy of pointer",
                    };
                    self.check_exposes(&value, src, what)?;
                    self.write(dst, unknown_part(width));
                    return Ok(());
                }
                // The same number where the sign bit is known to be 0.
                let same = value.var.umax < 1 << (from.bits() - 1);
                if same {
                    self.tie(src);
                }
                let mut moved = *self.state.register(src);
                if !same {
                    moved.untie();
                }
                moved.var = alu::sign_extend(width, from, &value.var);
                self.write(dst, moved);
                Ok(())
            }
            Insn::Alu { width, op: AluOp::Mov, dst, src } => self.walk_move(width, dst, src),
            Insn::Alu { width, op, dst, src } => self.walk_operation(width, op, dst, src),
            _ => Ok(()),
        }
    }

    /// Gives an unknown number an id, so that a copy of it is known to be the same.
    pub(super) fn tie(&mut self, reg: Reg) {
        let id = self.next_id + 1;
        if tie(self.state.register_mut(reg), id) {
            self.next_id = id;
        }
    }

    fn walk_move(&mut self, width: Width, dst: Reg, src: Operand) -> Result<(), Rejection> {
        let src = match src {
            Operand::Imm(imm) => {
                self.may_write(dst)?;
                let value = match width {
                    Width::W64 => i64::from(imm) as u64,
                    Width::W32 => u64::from(imm as u32),
                };
                self.write(dst, Register::constant(value));
                return Ok(());
            }
            Operand::Reg(src) => src,
        };
        let value = self.read(src)?;
        self.may_write(dst)?;
        if width == Width::W64 {
            self.tie(src);
            let value = *self.state.register(src);
            self.write(dst, value);
            return Ok(());
        }
        if value.is_pointer() {
            self.check_exposes(&value, src, "partial copy of pointer")?;
            self.write(dst, unknown_part(width));
            return Ok(());
        }
        let fits = value.width() <= 32;
        if fits {
            self.tie(src);
        }
        let mut moved = *self.state.register(src);
        if !fits {
            moved.untie();
        }
        moved.var.low_half();
        self.write(dst, moved);
        Ok(())
    }

    fn walk_operation(&mut self, width: Width, op: AluOp, dst: Reg, src: Operand) -> Result<(), Rejection> {
        if let Operand::Reg(src) = src {
            self.read(src)?;
        }
        self.read(dst)?;
        if let Operand::Imm(imm) = src {
            let divides = matches!(op, AluOp::Div | AluOp::Mod | AluOp::Sdiv | AluOp::Smod);
            if divides && imm == 0 {
                return Err(reject(Errno::EINVAL, "div by zero"));
            }
            let bits = if width == Width::W64 { 64 } else { 32 };
            if matches!(op, AluOp::Lsh | AluOp::Rsh | AluOp::Arsh) && !(0..bits).contains(&imm) {
                return Err(reject(Errno::EINVAL, format_args!("invalid shift {imm}")));
            }
        }
        self.may_write(dst)?;
        let a = *self.state.register(dst);
        let b = match src {
            Operand::Reg(src) => *self.state.register(src),
            Operand::Imm(imm) => Register::constant(i64::from(imm) as u64),
        };
        if a.kind == Kind::Arena || b.kind == Kind::Arena {
            self.walk_arena_arithmetic(dst);
            return Ok(());
        }
        match (a.is_pointer(), b.is_pointer(), src) {
            (true, true, Operand::Reg(_)) => {
                if op == AluOp::Sub && self.input.perfmon {
                    self.write(dst, Register::UNKNOWN);
                    return Ok(());
                }
                let message = format_args!("R{} pointer {} pointer prohibited", dst.number(), operator(op));
                return Err(reject(Errno::EACCES, message).of(dst));
            }
            (false, true, Operand::Reg(pointer_in)) => {
                self.mark_precise(dst)?;
                let number = *self.state.register(dst);
                return self.walk_pointer(
                    width,
                    Sum { op, dst, pointer: b, pointer_in, number, number_in: Some(dst) },
                );
            }
            (true, false, src) => {
                let number_in = match src {
                    Operand::Reg(src) => Some(src),
                    Operand::Imm(_) => None,
                };
                if let Some(src) = number_in {
                    self.mark_precise(src)?;
                }
                return self
                    .walk_pointer(width, Sum { op, dst, pointer: a, pointer_in: dst, number: b, number_in });
            }
            (false, false, Operand::Reg(src)) if a.precise => self.mark_precise(src)?,
            _ => {}
        }
        if let Operand::Reg(_) = src {
            self.guard_numbers(op, dst)?;
        }
        if matches!(op, AluOp::And | AluOp::Or) && b.as_constant().is_some() {
            self.fork_sign(width, dst)?;
        }
        let a = *self.state.register(dst);
        let mut result =
            Register { precise: a.precise, ..Register::scalar(alu::apply(op, width, &a.var, &b.var)) };
        if src != Operand::Reg(dst) {
            self.keep_tied(width, op, &a, &b, &mut result);
        }
        self.write(dst, result);
        Ok(())
    }

    /// A sum with a constant stays tied to what it was computed from: in 32 bits, where that has no more.
    fn keep_tied(&self, width: Width, op: AluOp, a: &Register, b: &Register, result: &mut Register) {
        if !matches!(op, AluOp::Add | AluOp::Sub) {
            return;
        }
        let delta = match width {
            Width::W64 => b.as_constant().and_then(|delta| i32::try_from(delta as i64).ok()),
            Width::W32 => {
                b.var.as_constant32().filter(|_| a.var.umax <= u32::MAX.into()).map(|delta| delta as i32)
            }
        };
        let delta = if op == AluOp::Sub { delta.and_then(i32::checked_neg) } else { delta };
        let Some(delta) = delta.filter(|_| a.id != 0 && !a.add_const) else { return };
        result.id = a.id;
        result.add_const = true;
        result.add_const32 = width == Width::W32;
        result.offset = delta;
    }

    /// A number that is 0 or all ones, as a sign is, is walked as each of them: ones first.
    fn fork_sign(&mut self, width: Width, dst: Reg) -> Result<(), Rejection> {
        let var = self.state.register(dst).var;
        let ones = if var.smin == -1 && var.smax == 0 {
            u64::MAX
        } else if var.s32_min == -1 && var.s32_max == 0 {
            u64::from(u32::MAX)
        } else {
            return Ok(());
        };
        let _ = width;
        let pc = self.pc;
        let other = self.put_aside(pc, pc)?;
        let zero = Register { precise: other.register(dst).precise, ..Register::constant(0) };
        *other.register_mut(dst) = zero;
        let known = Register { precise: zero.precise, ..Register::constant(ones) };
        *self.state.register_mut(dst) = known;
        Ok(())
    }

    /// A pointer's offset is one that a pointer may have.
    fn check_sane(&self, register: &Register, pointer: &Register) -> Result<(), Rejection> {
        let name = pointer.type_name();
        let (offset, min) = (i64::from(register.offset), register.var.smin);
        let limit = policy::MAX_OFFSET;
        let outside = |x: i64| x >= limit || x <= -limit;
        if let Some(value) = register.var.as_constant().map(|v| v as i64).filter(|v| outside(*v)) {
            return Err(reject(
                Errno::EINVAL,
                format_args!("math between {name} pointer and {value} is not allowed"),
            ));
        }
        if register.is_pointer() && outside(offset) {
            return Err(reject(Errno::EINVAL, format_args!("{name} pointer offset {offset} is not allowed")));
        }
        if min == i64::MIN {
            let message = format_args!(
                "math between {name} pointer and register with unbounded min value is not allowed"
            );
            return Err(reject(Errno::EINVAL, message));
        }
        if outside(min) {
            return Err(reject(
                Errno::EINVAL,
                format_args!("value {min} makes {name} pointer be out of bounds"),
            ));
        }
        Ok(())
    }

    fn walk_pointer(&mut self, width: Width, sum: Sum) -> Result<(), Rejection> {
        let Sum { op, dst, pointer, number, .. } = sum;
        let r = dst.number();
        let var = number.var;
        let known = number.as_constant();
        if (known.is_some() && (var.smin != var.smax || var.umin != var.umax)) || var.is_contradictory() {
            self.write(dst, Register::UNKNOWN);
            return Ok(());
        }
        if width == Width::W32 {
            if op == AluOp::Sub && self.input.perfmon {
                self.write(dst, Register::UNKNOWN);
                return Ok(());
            }
            return Err(
                reject(Errno::EACCES, format_args!("R{r} 32-bit pointer arithmetic prohibited")).of(dst)
            );
        }
        let name = pointer.type_name();
        if pointer.maybe_null {
            let message = format_args!("R{r} pointer arithmetic on {name} prohibited, null-check it first");
            return Err(reject(Errno::EACCES, message).of(dst));
        }
        if let Kind::Memory { kind: MemoryKind::UntrustedReadOnly, .. } = pointer.kind {
            // Loads are probed wherever it points.
            self.write(dst, pointer);
            return Ok(());
        }
        let allowed = match pointer.kind {
            Kind::FlowKeys => known.is_some() || (known == Some(0) && op == AluOp::Add),
            Kind::Map(_) => known == Some(0) && op == AluOp::Add,
            Kind::PacketEnd | Kind::Socket(_) => false,
            _ => true,
        };
        if !allowed {
            let message = format_args!("R{r} pointer arithmetic on {name} prohibited");
            return Err(reject(Errno::EACCES, message).of(dst));
        }
        self.check_sane(&number, &pointer)?;
        self.check_sane(&pointer, &pointer)?;
        self.guess_sum(&sum)?;
        let mut result = pointer;
        result.var.forget32();
        let moved = |delta: Option<i64>| {
            let delta = delta?;
            i32::try_from(i64::from(pointer.offset) + delta).ok()
        };
        match op {
            AluOp::Add => {
                if let Some(offset) = moved(known.map(|k| k as i64)) {
                    result.offset = offset;
                } else {
                    let sum = alu::apply(AluOp::Add, Width::W64, &pointer.var, &var);
                    result.var = sum;
                    result.var.forget32();
                    if pointer.is_packet() {
                        result.id = self.new_id();
                        result.range = 0;
                    }
                }
            }
            AluOp::Sub => {
                if sum.number_is_first() {
                    let message = format_args!("R{r} tried to subtract pointer from scalar");
                    return Err(reject(Errno::EACCES, message).of(dst));
                }
                if matches!(pointer.kind, Kind::Stack { .. }) {
                    let message = format_args!("R{r} subtraction from stack pointer prohibited");
                    return Err(reject(Errno::EACCES, message).of(dst));
                }
                if let Some(offset) = moved(known.map(|k| (k as i64).wrapping_neg())) {
                    result.offset = offset;
                } else {
                    let difference = alu::apply(AluOp::Sub, Width::W64, &pointer.var, &var);
                    result.var = difference;
                    result.var.forget32();
                    if pointer.is_packet() {
                        result.id = self.new_id();
                        if var.smin < 0 {
                            result.range = 0;
                        }
                    }
                }
            }
            AluOp::And | AluOp::Or | AluOp::Xor => {
                let message = format_args!("R{r} bitwise operator {} on pointer prohibited", operator(op));
                return Err(reject(Errno::EACCES, message).of(dst));
            }
            _ => {
                let message =
                    format_args!("R{r} pointer arithmetic with {} operator prohibited", operator(op));
                return Err(reject(Errno::EACCES, message).of(dst));
            }
        }
        self.check_sane(&result, &pointer)?;
        result.var.sync();
        self.check_within(&result, dst)?;
        self.guard_sum(&sum, &result)?;
        self.write(dst, result);
        Ok(())
    }
}

/// What a part of a pointer is, as a number.
fn unknown_part(width: Width) -> Register {
    let mut result = Register::UNKNOWN;
    if width == Width::W32 {
        result.var.zero_extend(4);
    }
    result
}

/// Gives an unknown number this id where it has none; whether it did. A number that is another's plus a
/// constant becomes one of its own.
pub(super) fn tie(register: &mut Register, id: u32) -> bool {
    if !register.is_scalar() || register.as_constant().is_some() {
        return false;
    }
    if register.add_const {
        register.untie();
    }
    if register.id != 0 {
        return false;
    }
    register.id = id;
    true
}

/// A number tied to `known` by a constant difference, from `known` and its own offset.
pub(super) fn shifted(known: &Register, register: &Register) -> Scalar {
    let offset = |r: &Register| i64::from(if r.add_const { r.offset } else { 0 });
    let delta = offset(register) - offset(known);
    let mut sum = alu::apply(AluOp::Add, Width::W64, &known.var, &Scalar::constant(delta as u64));
    if register.add_const32 || known.add_const32 {
        sum.zero_extend(4);
    }
    sum
}
