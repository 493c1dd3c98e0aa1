//! After the walk: the stack of the call chains, the counters' lines, and the image that engines run.

use alloc::vec::Vec;
use core::fmt::Write;

use super::observer::Observer;
use super::register::{Kind, MemoryKind};
use super::state::{MAX_FRAMES, MAX_STACK};
use super::typed::{TypeRef, TypeSource};
use super::walk::TAIL_CALL;
use super::{Rejection, Seen, Verifier, cfg, policy, reject, tracing};
use crate::errno::Errno;
use crate::image::{Access, Array, Function, Image};
use crate::isa::{AluOp, CallTarget, Imm64, Insn, Operand, Pc, Reg, Width};
use crate::map::types::ARRAY;

impl<O: Observer> Verifier<O> {
    /// Every chain of calls stays within the stack and the number of frames.
    pub(super) fn check_stack_depth(&mut self) -> Result<(), Rejection> {
        let calls: Vec<Vec<usize>> = self
            .functions
            .iter()
            .map(|f| {
                let called = (f.start..f.end).filter_map(|at| match self.insns[at as usize] {
                    Ok(Insn::Call(CallTarget::Local(offset))) => Some(i64::from(at) + 1 + i64::from(offset)),
                    // What is called back later has a stack of its own.
                    Ok(Insn::LoadImm64 { value: Imm64::Function { offset }, .. }) => {
                        let to = i64::from(at) + 1 + i64::from(offset);
                        let callee = self.functions.iter().position(|g| i64::from(g.start) == to);
                        callee.filter(|c| self.called_back.get(c) != Some(&true)).map(|_| to)
                    }
                    _ => None,
                });
                called.filter_map(|to| self.functions.iter().position(|g| i64::from(g.start) == to)).collect()
            })
            .collect();
        let private = self.has_private_stacks();
        // A path of functions, each with the next of its calls to look at.
        let later = self.called_back.iter().filter(|(_, later)| **later).map(|(f, _)| *f);
        let mut begins: Vec<usize> =
            core::iter::once(0).chain(later).chain(self.exception_callback).collect();
        begins.reverse();
        let mut path: Vec<(usize, usize)> = Vec::new();
        loop {
            if path.is_empty() {
                let Some(begin) = begins.pop() else { break };
                path.push((begin, 0));
            }
            let Some((function, next)) = path.last_mut() else { break };
            let (function, this) = (*function, *next);
            *next += 1;
            if this == 0 {
                let depth: u32 = path.iter().map(|(f, _)| self.stack_depth(*f).next_multiple_of(16)).sum();
                if depth > MAX_STACK && !private {
                    let count = path.len();
                    let message = format_args!("combined stack size of {count} calls is {depth}. Too large");
                    return Err(reject(Errno::EACCES, message));
                }
                if path.len() > MAX_FRAMES {
                    let message = format_args!("the call stack of {MAX_FRAMES} frames is too deep !");
                    return Err(reject(Errno::E2BIG, message));
                }
            }
            if this == 0 {
                self.check_exception_calls(function)?;
            }
            if this == 0
                && let Some(pc) = self.throws(function)
                && path
                    .iter()
                    .any(|(f, _)| self.called_back.contains_key(f) || self.exception_callback == Some(*f))
            {
                let message = format_args!(
                    "bpf_throw kfunc (insn {pc}) cannot be called from callback subprog {function}"
                );
                return Err(reject(Errno::EINVAL, message));
            }
            match calls[function].get(this) {
                Some(&callee) => path.push((callee, 0)),
                None => {
                    path.pop();
                }
            }
        }
        Ok(())
    }

    /// Every function whose address the program takes has one in the end. One that no path reaches is taken out, as
    /// a loop of no turns has one: its address is then that of the next function; where there is none, the kernel
    /// calls it a mistake of its own.
    pub(super) fn check_pointed_functions(&self) -> Result<(), Rejection> {
        let reached = |start: u32| self.seen.get(start as usize).is_some_and(|seen| seen.walked);
        // A program of one function is compiled otherwise.
        let several = self.functions.iter().filter(|f| reached(f.start)).count() > 1;
        for (at, insn) in self.insns.iter().enumerate().filter(|(at, _)| several && self.seen[*at].walked) {
            let Ok(Insn::LoadImm64 { value: Imm64::Function { offset }, .. }) = insn else { continue };
            let target = at as i64 + 1 + i64::from(*offset);
            if !self.functions.iter().any(|f| i64::from(f.start) >= target && reached(f.start)) {
                let message = format_args!("verifier bug: No program to jit at insn {at} (subprog < 0)");
                return Err(reject(Errno::EFAULT, message));
            }
        }
        Ok(())
    }

    /// The stack that a function needs, without what is taken out once all was walked.
    fn stack_depth(&self, function: usize) -> u32 {
        let depth = self.functions[function].stack_depth;
        if self.walked { self.fast_calls.depth(function, depth) } else { depth }
    }

    /// Whether each function has a stack of its own, so that those of a chain of calls don't add up: in
    /// programs that may interrupt each other, without tail calls.
    fn has_private_stacks(&self) -> bool {
        let tail_calls =
            self.insns.iter().any(|i| matches!(i, Ok(Insn::Call(CallTarget::Helper(TAIL_CALL)))));
        let program = &self.input;
        let traces = program.program_type.number == tracing::TRACING
            && program.expected_attach_type == tracing::RAW_TRACEPOINT;
        !tail_calls && (traces || policy::PRIVATE_STACKS.contains(&program.program_type.number))
    }

    /// Bytes of stack that an accepted function gets for what its instructions are replaced by.
    fn more_stack(&self, function: &cfg::Function) -> u32 {
        let goto = if self.has_may_goto(function) { policy::MAY_GOTO_STACK } else { 0 };
        let mut inlined = self.inlined.range(function.start..function.end);
        let loops = if inlined.any(|(_, to)| to.is_some()) { policy::INLINED_LOOP_STACK } else { 0 };
        goto + loops
    }

    /// The first instruction of a function that throws an exception.
    fn throws(&self, function: usize) -> Option<u32> {
        let f = &self.functions[function];
        (f.start..f.end).find(|pc| self.kernel_function_at(*pc).is_some_and(|k| k.name == "bpf_throw"))
    }

    pub(super) fn log_statistics(&mut self, accepted: bool) {
        if self.log.shows_statistics() {
            let _ = self.log.write_str("verification time 0 usec\nstack depth ");
            // A function that is never reached is no part of an accepted program any more.
            let reached = |f: &cfg::Function| (f.start..f.end).any(|at| self.seen[at as usize].walked);
            let functions = self.functions.iter().enumerate().filter(|(_, f)| !accepted || reached(f));
            let depth = |(at, f)| self.stack_depth(at) + if accepted { self.more_stack(f) } else { 0 };
            let mut depths: Vec<u32> = functions.map(depth).collect();
            // What an exception leads to is a function that the kernel adds.
            let throws = |at: &usize| self.throws(*at).is_some_and(|pc| self.seen[pc as usize].walked);
            if accepted
                && self.exception_callback.is_none()
                && (0..self.functions.len()).any(|at| throws(&at))
            {
                depths.push(0);
            }
            for (at, depth) in depths.iter().enumerate() {
                let plus = if at == 0 { "" } else { "+" };
                let _ = write!(self.log, "{plus}{depth}");
            }
            let _ = self.log.write_char('\n');
        }
        let s = self.stats;
        let _ = writeln!(
            self.log,
            "processed {} insns (limit {}) max_states_per_insn {} total_states {} peak_states {} mark_read 0",
            s.processed,
            policy::MAX_PROCESSED,
            s.max_states_per_insn,
            s.total_states,
            s.peak_states
        );
    }

    /// Whether a `may_goto` of the function stays: one that only leads over others to where it would fall
    /// through to does nothing.
    fn has_may_goto(&self, function: &cfg::Function) -> bool {
        (function.start..function.end).any(|at| match self.insns[at as usize] {
            Ok(Insn::MayGoto { off }) if off >= 0 => {
                let over = at + 1..(at + 1 + off as u32).min(function.end);
                !over.into_iter().all(|at| matches!(self.insns[at as usize], Ok(Insn::MayGoto { .. })))
            }
            Ok(Insn::MayGoto { .. }) => true,
            _ => false,
        })
    }

    /// The program as engines run it.
    pub(super) fn image(&self) -> Image {
        let mut insns: Vec<Insn> = Vec::with_capacity(self.insns.len());
        for (at, insn) in self.insns.iter().enumerate() {
            let insn = match (insn, self.seen[at].map) {
                (Ok(Insn::LoadImm64 { dst, .. }), Some((map, offset, is_value))) => {
                    let value = self.maps[usize::from(map)].immediate(offset, is_value);
                    Insn::LoadImm64 { dst: *dst, value: Imm64::Value(value) }
                }
                (Ok(Insn::Alu { op, dst, src, .. }), _) if self.seen[at].arena_arithmetic => {
                    Insn::Alu { width: Width::W32, op: *op, dst: *dst, src: *src }
                }
                // An address of the process's loses its upper half.
                (Ok(Insn::AddrSpaceCast { dst, src, to, .. }), _) if *to == 0 || self.keeps_low_half() => {
                    Insn::Alu { width: Width::W32, op: AluOp::Mov, dst: *dst, src: Operand::Reg(*src) }
                }
                (Ok(Insn::LoadImm64 { dst, value: Imm64::KernelVariable { btf_id, .. } }), _) => {
                    let address = super::resolve::function_address(*btf_id);
                    Insn::LoadImm64 { dst: *dst, value: Imm64::Value(address) }
                }
                (Ok(insn), _) => *insn,
                // The second slot of a 64-bit immediate; anything else was never reached.
                (Err(_), _) => {
                    insns.last().copied().unwrap_or(Insn::LoadImm64 { dst: Reg::R0, value: Imm64::Value(0) })
                }
            };
            insns.push(insn);
        }
        let access = |seen: &Seen| match seen.pointer {
            Some(Kind::Arena) => Access::ArenaMap,
            // What the kernel's own pointers lead to may be gone, or have never been.
            Some(Kind::Memory { kind: MemoryKind::UntrustedReadOnly, .. }) => Access::Probe,
            Some(Kind::Typed { of: TypeRef { source: TypeSource::Kernel, .. }, .. }) => Access::Probe,
            _ => Access::Normal,
        };
        let access = self.seen.iter().map(access).collect();
        let functions = self.functions.iter();
        let functions =
            functions.map(|f| Function { start: Pc(f.start), stack_depth: f.stack_depth }).collect();
        let arrays = self.maps.iter().filter(|info| info.spec.map_type == ARRAY);
        let arrays = arrays.filter_map(|info| {
            let (stride, len) = (info.spec.value_size.next_multiple_of(8), info.spec.max_entries);
            Some(Array { handle: info.handle, base: info.direct_value?, stride, len })
        });
        Image::verified(insns, access, functions)
            .with_arrays(arrays.collect())
            .with_arena(self.arena_of_image())
            .with_kernel_calls(self.kernel_sites.values().copied().collect())
            .with_exception_callback(self.exception_callback_of_image())
    }
}
