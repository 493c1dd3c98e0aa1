//! Calls that leave all registers but r0 and their arguments alone. Compilers can't rely on that, and spill
//! what they need before such a call and fill it after: where nothing else touches those slots the kernel takes
//! spills and fills out, and the function needs less stack.
//!
//! Facts of the running kernel (`native/probes/stack_depth.py`): which calls count, how far a pair of spills and
//! fills reaches, and what keeps them in.

use alloc::vec;
use alloc::vec::Vec;

use super::Verifier;
use super::cfg::Function;
use super::observer::Observer;
use crate::isa::{CallTarget, DecodeError, Insn, Operand, Pc, Reg, Size};
use crate::object::btf::TypeId;

/// `bpf_get_smp_processor_id`: compiled to a few instructions.
const PROCESSOR_ID: i32 = 8;
/// Kernel functions that are made of instructions.
const KERNEL_FUNCTIONS: &[&str] = &["bpf_cast_to_kern_ctx", "bpf_rdonly_cast"];
/// r1 to r5.
const ARGUMENTS: u16 = 0x3e;

/// The spills and fills around such calls.
#[derive(Default)]
pub(super) struct FastCalls {
    /// Whether a slot's instruction is one of them.
    around: Vec<bool>,
    /// By function: the offset below which nothing but they may touch the stack, while nothing did.
    below: Vec<Option<i64>>,
}

impl FastCalls {
    /// Finds them: `spared` says which registers the call at a slot leaves alone that others may not.
    pub(super) fn new(
        insns: &[Result<Insn, DecodeError>],
        functions: &[Function],
        spared: impl Fn(&Insn) -> u16,
    ) -> FastCalls {
        let mut calls = FastCalls { around: vec![false; insns.len()], below: vec![None; functions.len()] };
        for (function, below) in functions.iter().zip(&mut calls.below) {
            let (start, end) = (function.start as usize, function.end as usize);
            let Some(lowest) = insns[start..end].iter().filter_map(spill).map(|(_, off)| off).min() else {
                continue;
            };
            for at in start..end {
                let Ok(call @ Insn::Call(_)) = &insns[at] else { continue };
                let mut left = spared(call);
                let mut pairs = 0;
                // From the call outwards, and from the lowest slot up.
                while at - start > pairs && end - at > pairs + 1 {
                    let (before, after) = (at - pairs - 1, at + pairs + 1);
                    let (stored, loaded) = (spill(&insns[before]), fill(&insns[after]));
                    let Some((reg, off)) = stored.filter(|s| Some(*s) == loaded) else { break };
                    if left >> reg.number() & 1 == 0 || off != lowest + 8 * pairs as i64 {
                        break;
                    }
                    left &= !(1 << reg.number());
                    (calls.around[before], calls.around[after]) = (true, true);
                    pairs += 1;
                }
                if pairs > 0 {
                    let top = lowest + 8 * pairs as i64;
                    *below = Some(below.map_or(top, |b| b.min(top)));
                }
            }
        }
        calls
    }

    /// An instruction of a function touches the stack at an offset.
    pub(super) fn touched(&mut self, function: usize, pc: Pc, off: i64) {
        if let Some(below) = self.below.get_mut(function)
            && below.is_some_and(|b| off < b)
            && !self.around[pc.index()]
        {
            *below = None;
        }
    }

    /// The stack that a function needs without them, of what it needed with them.
    pub(super) fn depth(&self, function: usize, with: u32) -> u32 {
        match self.below.get(function) {
            Some(Some(below)) => below.unsigned_abs().next_multiple_of(8) as u32,
            _ => with,
        }
    }
}

/// The register and the offset of `*(u64 *)(r10 + off) = rN`.
fn spill(insn: &Result<Insn, DecodeError>) -> Option<(Reg, i64)> {
    match *insn {
        Ok(Insn::Store { size: Size::Dw, base: Reg::FP, off, src: Operand::Reg(src) }) => {
            Some((src, off.into()))
        }
        _ => None,
    }
}

/// The same of `rN = *(u64 *)(r10 + off)`.
fn fill(insn: &Result<Insn, DecodeError>) -> Option<(Reg, i64)> {
    match *insn {
        Ok(Insn::Load { size: Size::Dw, sign_extend: false, dst, base: Reg::FP, off }) => {
            Some((dst, off.into()))
        }
        _ => None,
    }
}

impl<O: Observer> Verifier<O> {
    pub(super) fn find_fast_calls(&mut self) {
        let spared = |call: &Insn| match *call {
            Insn::Call(CallTarget::Helper(PROCESSOR_ID)) => ARGUMENTS,
            Insn::Call(CallTarget::Kernel { btf_id, .. }) => {
                let name = self.kernel_function_name(btf_id);
                let kernel = self
                    .input
                    .kernel_types
                    .as_ref()
                    .filter(|_| name.is_some_and(|name| KERNEL_FUNCTIONS.contains(&name)));
                let taken = kernel
                    .and_then(|k| super::function_types::prototype(&k.btf, TypeId(btf_id as u32)))
                    .map(|(_, parameters)| parameters.len());
                taken.map_or(0, |count| ARGUMENTS & !((2 << count) - 1))
            }
            _ => 0,
        };
        self.fast_calls = FastCalls::new(&self.insns, &self.functions, spared);
    }
}
