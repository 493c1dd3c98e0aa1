//! Which instruction becomes what; branches, calls and returns.

use super::Unsupported;
use super::arithmetic::wide;
use super::emitter::{Emitter, Known, To};
use super::encode::{Condition, Group1};
use super::layout::{MAY_GOTO, SCRATCH, TRUNCATED, field, gpr};
use crate::helper;
use crate::image::Access;
use crate::isa::{AluOp, CallTarget, Imm64, Insn, JumpOp, Operand, Pc, Reg, Width};

/// `bpf_tail_call`
const TAIL_CALL: i32 = 12;

/// Whether control never goes on behind an instruction.
pub(super) fn ends(insn: &Insn) -> bool {
    matches!(insn, Insn::Exit | Insn::Goto { .. })
}

impl Emitter<'_> {
    #[inline(always)]
    pub(super) fn instruction(&mut self, insn: &Insn, pc: Pc) -> Result<(), Unsupported> {
        let access = self.image.access().get(pc.index()).copied().unwrap_or_default();
        if access == Access::ArenaMap || access == Access::Probe && !matches!(insn, Insn::Load { .. }) {
            return Err(Unsupported { pc, what: "an access to an arena map" });
        }
        let target = |off: i64| (i64::from(pc.0) + 1 + off) as usize;
        match *insn {
            Insn::Alu { width, op, dst, src } => self.alu(op, width, dst, src),
            Insn::Load { size, sign_extend, dst, base, off } => {
                self.load(access, size, sign_extend, dst, base, off);
            }
            Insn::Store { size, base, off, src } => self.store(size, base, off, src),
            Insn::Branch { width, op, dst, src, off } => self.branch(width, op, dst, src, target(off.into())),
            Insn::Goto { off, .. } => {
                // A jump to the next instruction is none.
                if off != 0 {
                    self.jump(None, target(off.into()));
                }
            }
            Insn::LoadImm64 { dst, value: Imm64::Value(value) } => {
                self.out.mov_imm(gpr(dst), value);
                self.set(dst, Known::of(value));
                self.flags = None;
            }
            Insn::LoadImm64 { .. } => return Err(Unsupported { pc, what: "the address of a function" }),
            Insn::Exit => self.exit(),
            Insn::Call(CallTarget::Helper(TAIL_CALL)) => return Err(Unsupported { pc, what: "a tail call" }),
            Insn::Call(CallTarget::Helper(number)) => match helper::constant(number) {
                Some(value) => {
                    self.out.mov_imm(gpr(Reg::R0), value);
                    self.set(Reg::R0, Known::of(value));
                    self.flags = None;
                }
                None => match self.array(number) {
                    Some(array) => self.look_up(array),
                    None => self.service(number, pc),
                },
            },
            Insn::Call(CallTarget::Local(offset)) => {
                let Some(function) = self.plan.function_at(target(offset.into())) else {
                    return Err(Unsupported { pc, what: "a call out of the program" });
                };
                let at = self.out.call32();
                self.fix(at, To::Function(function as u32));
                self.called();
            }
            Insn::Call(CallTarget::Kernel { .. }) => {
                return Err(Unsupported { pc, what: "a kernel function" });
            }
            Insn::CallReg { .. } => return Err(Unsupported { pc, what: "a call through a register" }),
            Insn::MovSx { width, dst, src, from } => self.sign_extending_move(width, dst, src, from),
            Insn::Neg { width, dst } => self.neg(width, dst),
            Insn::ByteSwap { order, size, dst } => self.byte_swap(order, size, dst),
            Insn::Atomic { op, size, base, off, src } => self.atomic(op, size, base, off, src, pc)?,
            Insn::LoadPacket { size, at, imm } => self.load_packet(size, at, imm, pc)?,
            Insn::MayGoto { off } => {
                self.out.group1_memory_imm8(Group1::Sub, field(MAY_GOTO), 1);
                self.jump(Some(Condition::Sign), target(off.into()));
                self.flags = None;
            }
            Insn::AddrPerCpu { dst, src } => self.alu(AluOp::Mov, Width::W64, dst, Operand::Reg(src)),
            Insn::AddrSpaceCast { .. } => return Err(Unsupported { pc, what: "addr_space_cast" }),
        }
        Ok(())
    }

    #[inline(always)]
    fn branch(&mut self, width: Width, op: JumpOp, dst: Reg, src: Operand, target: usize) {
        let w = wide(width);
        let a = self.source(dst, TRUNCATED);
        if dst == Reg::FP {
            self.truncated = None;
        }
        let zero = matches!(op, JumpOp::Eq | JumpOp::Ne);
        match src {
            Operand::Imm(imm) => {
                // What fits in 31 bits compares the same in both widths.
                let short = imm >= 0 && self.bits(dst) <= 31 || zero && self.bits(dst) <= 32 && imm >= 0;
                let told = zero && imm == 0 && self.flags == Some((dst, w));
                match op {
                    JumpOp::Set => self.out.test_imm(w, a, imm),
                    _ if told => {}
                    _ if imm == 0 => self.out.test(w && !short, a, a),
                    _ => self.out.group1_imm(w && !short, Group1::Cmp, a, imm),
                }
            }
            Operand::Reg(src) => {
                let b = self.source(src, SCRATCH);
                match op {
                    JumpOp::Set => self.out.test(w, a, b),
                    _ => self.out.group1(w, Group1::Cmp, a, b),
                }
            }
        }
        self.flags = None;
        let condition = match op {
            JumpOp::Eq => Condition::Equal,
            JumpOp::Ne | JumpOp::Set => Condition::NotEqual,
            JumpOp::Gt => Condition::Above,
            JumpOp::Ge => Condition::AboveOrEqual,
            JumpOp::Lt => Condition::Below,
            JumpOp::Le => Condition::BelowOrEqual,
            JumpOp::Sgt => Condition::Greater,
            JumpOp::Sge => Condition::GreaterOrEqual,
            JumpOp::Slt => Condition::Less,
            JumpOp::Sle => Condition::LessOrEqual,
        };
        self.jump(Some(condition), target);
    }
}
