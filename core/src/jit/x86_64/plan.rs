//! What is known of a program before its code is emitted: where jumps go, what functions keep.

use alloc::vec;
use alloc::vec::Vec;

use super::Unsupported;
use crate::image::{Access, Image};
use crate::isa::{AluOp, CallTarget, Insn, Operand, Pc, Reg};

/// Most frames of a call chain, the program's own among them.
const MAX_FRAMES: usize = 8;

/// A function of the program.
#[derive(Clone, Debug, Default)]
pub(super) struct Function {
    pub(super) start: usize,
    pub(super) end: usize,
    /// It, or what it calls, uses r10.
    pub(super) frame: bool,
    pub(super) calls: bool,
    /// A bit per register of r6 to r9 that it writes.
    pub(super) writes: u16,
    callees: Vec<usize>,
}

/// What is known.
pub(super) struct Plan {
    pub(super) functions: Vec<Function>,
    /// Whether a slot is jumped to.
    pub(super) target: Vec<bool>,
    /// Slots of the longest loop that begins at a slot.
    pub(super) loops: Vec<u32>,
    /// Bytes that the code of all slots before a slot takes at most, loops' budgets included.
    pub(super) most: Vec<u32>,
    /// Whether call chains have to be counted while they run.
    pub(super) counts_depth: bool,
}

impl Plan {
    pub(super) fn new(image: &Image) -> Result<Plan, Unsupported> {
        let insns = image.insns();
        let slots = insns.len();
        let starts: Vec<usize> =
            image.functions().iter().map(|f| f.start.index()).filter(|start| *start < slots).collect();
        let ends = starts.iter().skip(1).copied().chain([slots]);
        let mut plan = Plan {
            functions: starts
                .iter()
                .zip(ends)
                .map(|(&start, end)| Function { start, end, ..Function::default() })
                .collect(),
            target: vec![false; slots + 1],
            loops: vec![0; slots + 1],
            most: Vec::with_capacity(slots + 1),
            counts_depth: false,
        };
        for at in 0..plan.functions.len() {
            plan.look(at, insns)?;
        }
        plan.settle();
        plan.measure(image);
        Ok(plan)
    }

    fn measure(&mut self, image: &Image) {
        let mut total = 0_u32;
        for ((insn, access), slots) in image.insns().iter().zip(image.access()).zip(&self.loops) {
            self.most.push(total);
            let budget = if *slots > 0 { BUDGET_LEN } else { 0 };
            let probe = if *access == Access::Normal { 0 } else { 32 };
            total = total.saturating_add(most_bytes(insn) + budget + probe);
        }
        self.most.push(total);
    }

    /// The function that begins at a slot.
    pub(super) fn function_at(&self, slot: usize) -> Option<usize> {
        self.functions.binary_search_by_key(&slot, |f| f.start).ok()
    }

    fn look(&mut self, function: usize, insns: &[Insn]) -> Result<(), Unsupported> {
        let (start, end) = (self.functions[function].start, self.functions[function].end);
        let mut at = start;
        while at < end {
            let insn = &insns[at];
            let pc = Pc(at as u32);
            let jump: Option<i64> = match *insn {
                Insn::Goto { off, .. } => Some(off.into()),
                Insn::MayGoto { off } | Insn::Branch { off, .. } => Some(off.into()),
                _ => None,
            };
            if let Some(off) = jump {
                let to = at as i64 + 1 + off;
                let inside = usize::try_from(to).ok().filter(|to| (start..end).contains(to));
                let Some(to) = inside else {
                    return Err(Unsupported { pc, what: "a jump out of a function" });
                };
                self.target[to] = true;
                if to <= at {
                    self.loops[to] = self.loops[to].max((at + 1 - to) as u32);
                }
            }
            let (written, reads_frame) = registers(insn);
            let row = &mut self.functions[function];
            row.frame |= reads_frame;
            if let Some(reg) = written {
                if reg == Reg::FP {
                    return Err(Unsupported { pc, what: "a write to r10" });
                }
                row.writes |= (1 << reg.number()) & 0x3c0;
            }
            if let Insn::Call(target) = insn {
                row.calls = true;
                if let CallTarget::Local(offset) = target {
                    let to = usize::try_from(at as i64 + 1 + i64::from(*offset)).ok();
                    let callee = to.and_then(|to| self.function_at(to));
                    let Some(callee) = callee else {
                        return Err(Unsupported { pc, what: "a call out of the program" });
                    };
                    self.functions[function].callees.push(callee);
                }
            }
            if matches!(insn, Insn::LoadPacket { .. }) {
                self.functions[function].calls = true;
            }
            at += insn.slots() as usize;
        }
        Ok(())
    }

    /// Carries frames up the calls, and finds how deep these can get.
    fn settle(&mut self) {
        loop {
            let mut changed = false;
            for at in 0..self.functions.len() {
                let row = &self.functions[at];
                if !row.frame && row.callees.iter().any(|callee| self.functions[*callee].frame) {
                    self.functions[at].frame = true;
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
        // The longest chain that ends at each function; chains that don't settle go in a circle.
        let mut depth = vec![1_usize; self.functions.len()];
        for _ in 0..=MAX_FRAMES {
            for (at, row) in self.functions.iter().enumerate() {
                for callee in &row.callees {
                    depth[*callee] = depth[*callee].max(depth[at] + 1);
                }
            }
        }
        self.counts_depth = depth.iter().any(|depth| *depth > MAX_FRAMES);
    }
}

/// Bytes of the budget's code at the head of a loop.
const BUDGET_LEN: u32 = 13;

/// Bytes that an instruction becomes at most. What finds itself longer is refused, not emitted wrongly.
fn most_bytes(insn: &Insn) -> u32 {
    let of_frame = |operand: Operand| if operand == Operand::Reg(Reg::FP) { 6 } else { 0 };
    match *insn {
        Insn::Alu { op: AluOp::Div | AluOp::Mod | AluOp::Sdiv | AluOp::Smod, .. } => 80,
        Insn::Alu { op: AluOp::Lsh | AluOp::Rsh | AluOp::Arsh, src: Operand::Reg(_), .. } => 18,
        Insn::Alu { src: src @ Operand::Reg(_), .. } => 8 + of_frame(src),
        Insn::Alu { src: Operand::Imm(_), .. } => 8,
        Insn::MovSx { src, .. } | Insn::AddrPerCpu { src, .. } => 5 + of_frame(Operand::Reg(src)),
        Insn::Neg { .. } => 3,
        Insn::ByteSwap { .. } => 9,
        Insn::Load { .. } => 13,
        Insn::Store { src, .. } => 17 + of_frame(src),
        Insn::LoadImm64 { .. } => 10,
        Insn::Branch { src, .. } => 19 + of_frame(src),
        Insn::Goto { .. } => 5,
        Insn::MayGoto { .. } => 16,
        _ => 128,
    }
}

/// The register that an instruction writes, but for calls; and whether it reads r10.
fn registers(insn: &Insn) -> (Option<Reg>, bool) {
    let is_frame = |operand: Operand| operand == Operand::Reg(Reg::FP);
    match *insn {
        Insn::Alu { dst, src, .. } => (Some(dst), is_frame(src) || dst == Reg::FP),
        Insn::MovSx { dst, src, .. }
        | Insn::AddrPerCpu { dst, src }
        | Insn::AddrSpaceCast { dst, src, .. } => (Some(dst), src == Reg::FP),
        Insn::Neg { dst, .. } | Insn::ByteSwap { dst, .. } | Insn::LoadImm64 { dst, .. } => {
            (Some(dst), false)
        }
        Insn::Load { dst, base, .. } => (Some(dst), base == Reg::FP),
        Insn::Store { base, src, .. } => (None, base == Reg::FP || is_frame(src)),
        Insn::Atomic { op, base, src, .. } => {
            use crate::isa::AtomicOp::*;
            let fetches = matches!(
                op,
                Add { fetch: true }
                    | Or { fetch: true }
                    | And { fetch: true }
                    | Xor { fetch: true }
                    | Xchg
                    | LoadAcquire
            );
            (fetches.then_some(src), base == Reg::FP || src == Reg::FP)
        }
        Insn::Branch { dst, src, .. } => (None, dst == Reg::FP || is_frame(src)),
        _ => (None, false),
    }
}
