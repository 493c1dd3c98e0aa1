//! Paths that a processor may take by guess: what the kernel walks besides the real ones for a loader without
//! `CAP_PERFMON` (`native/probes/speculation.py` shows each rule).
//!
//! A branch whose outcome is known is walked the other way too, with its operands unknown. The sum of a pointer and
//! an unknown number of a register is walked as if nothing had been added, and has to be the same guarded sum on
//! every path. What would be an error on such a path is none: the engine waits there for the real outcome, and the
//! guessed path ends.

use core::fmt::Write;

use super::observer::Observer;
use super::register::{Kind, Register};
use super::state::MAX_STACK;
use super::{Rejection, Verifier, policy, reject};
use crate::errno::Errno;
use crate::isa::{AluOp, Pc, Reg};

/// What guessed paths meet at an instruction.
#[derive(Clone, Copy, Default)]
pub(super) struct Barriers {
    /// None walks it.
    pub before: bool,
    /// None walks on behind it.
    pub after: bool,
    /// How its sum is guarded.
    guard: Option<Guard>,
}

/// How the sum of an instruction with two registers is guarded against a wrong guess: alike on every path that
/// leads there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Guard {
    /// Of two numbers: not at all.
    Numbers,
    /// Of a pointer and a number.
    Pointer {
        /// The pointer is the destination.
        first: bool,
        /// The number is known.
        constant: bool,
        /// The number is below 0.
        negative: bool,
        /// How far the sum is from the pointer at most.
        limit: u64,
    },
}

/// A pointer's sum, before it is computed.
#[derive(Clone, Copy)]
pub(super) struct Sum {
    pub op: AluOp,
    pub dst: Reg,
    pub pointer: Register,
    /// The register of the pointer.
    pub pointer_in: Reg,
    pub number: Register,
    /// The register of the number, where it is none that the instruction names itself.
    pub number_in: Option<Reg>,
}

impl Sum {
    fn verb(op: AluOp) -> &'static str {
        if op == AluOp::Add { "add" } else { "sub" }
    }

    /// The number is the destination.
    pub fn number_is_first(&self) -> bool {
        self.number_in == Some(self.dst)
    }

    fn refuse(&self, why: core::fmt::Arguments<'_>) -> Rejection {
        prohibited(self.dst, why)
    }

    fn is_sum(&self) -> bool {
        matches!(self.op, AluOp::Add | AluOp::Sub)
    }

    /// The number moves the pointer down.
    fn goes_down(&self) -> bool {
        (self.number.var.smin < 0) == (self.op == AluOp::Add)
    }
}

fn prohibited(reg: Reg, why: core::fmt::Arguments<'_>) -> Rejection {
    let message = format_args!("R{} {why}, pointer arithmetic with it prohibited for !root", reg.number());
    reject(Errno::EACCES, message).of(reg)
}

impl<O: Observer> Verifier<O> {
    /// Whether guessed paths are walked: the loader may not see what they leave in caches.
    pub(super) fn guesses(&self) -> bool {
        !self.input.perfmon
    }

    /// Whether the instruction's sum has to be guarded: behind a barrier no guess gets to it.
    fn guards(&mut self) -> bool {
        self.guesses() && !self.barriers().before
    }

    pub(super) fn barriers(&mut self) -> &mut Barriers {
        &mut self.seen[self.pc.index()].barriers
    }

    /// What came of walking an instruction, where the path is a guessed one and ends here.
    ///
    /// # Errors
    /// Those that no guess excuses.
    pub(super) fn end_of_guess<T>(&mut self, walked: Result<T, Rejection>) -> Result<Option<T>, Rejection> {
        match walked {
            Ok(_) if self.state.speculative && self.barriers().after => {
                self.observer.barrier(None);
                Ok(None)
            }
            Ok(next) => Ok(Some(next)),
            Err(rejection) if self.state.speculative && policy::ENDS_GUESS.contains(&rejection.errno) => {
                self.barriers().before = true;
                if !rejection.message.is_empty() && !rejection.logged {
                    let _ = writeln!(self.log, "{}", rejection.message);
                }
                self.observer.barrier(Some(&rejection));
                Ok(None)
            }
            Err(rejection) => Err(rejection),
        }
    }

    /// A branch's outcome is known: its other side is walked too, by guess.
    pub(super) fn guess_branch(&mut self, other: Pc, dst: Reg, src: Option<Reg>) -> Result<(), Rejection> {
        if !self.guesses() {
            return Ok(());
        }
        let pc = self.pc;
        let state = self.put_aside(other, pc)?;
        state.speculative = true;
        for reg in [Some(dst), src].into_iter().flatten() {
            *state.register_mut(reg) = Register::UNKNOWN;
        }
        Ok(())
    }

    /// The sum of two registers' numbers: no other path may have a pointer there.
    pub(super) fn guard_numbers(&mut self, op: AluOp, dst: Reg) -> Result<(), Rejection> {
        if !self.guards() || !matches!(op, AluOp::Add | AluOp::Sub) {
            return Ok(());
        }
        self.guard(op, dst, Guard::Numbers)
    }

    fn guard(&mut self, op: AluOp, dst: Reg, guard: Guard) -> Result<(), Rejection> {
        let known = &mut self.barriers().guard;
        if known.is_some_and(|known| known != guard) {
            let verb = Sum::verb(op);
            return Err(prohibited(
                dst,
                format_args!("tried to {verb} from different maps, paths or scalars"),
            ));
        }
        *known = Some(guard);
        Ok(())
    }

    /// Before a pointer and a number in a register are added: walks on as if nothing had been, by guess.
    pub(super) fn guess_sum(&mut self, sum: &Sum) -> Result<(), Rejection> {
        let Some(number_in) = sum.number_in.filter(|_| self.guards() && sum.is_sum()) else { return Ok(()) };
        let constant = sum.number.as_constant().is_some();
        // What a guess adds to is asked nothing: real paths guard the sum.
        if !self.state.speculative {
            self.check_guard(sum, number_in)?;
            self.explores_sums |= !constant;
        }
        if constant {
            return Ok(());
        }
        if self.pending.len() >= policy::MAX_PENDING {
            return Err(sum.refuse(format_args!("could not be pushed for speculative verification")));
        }
        let pc = self.pc;
        let state = self.put_aside(Pc(pc.0 + 1), pc)?;
        state.speculative = true;
        *state.register_mut(sum.dst) = sum.pointer;
        Ok(())
    }

    /// Whether the sum can be guarded.
    fn check_guard(&self, sum: &Sum, number_in: Reg) -> Result<(), Rejection> {
        let var = sum.number.var;
        if sum.number.as_constant().is_none() && (var.smin < 0) != (var.smax < 0) {
            let why = format_args!("has unknown scalar with mixed signed bounds");
            return Err(prohibited(number_in, why));
        }
        let down = sum.goes_down();
        let (at, end) = match sum.pointer.kind {
            Kind::Stack { .. } => {
                let at = i64::from(sum.pointer.offset) + sum.pointer.var.as_constant().unwrap_or(0) as i64;
                (-at, i64::from(MAX_STACK) + i64::from(down))
            }
            Kind::MapValue(map) => {
                let var = if down { sum.pointer.var.smin } else { sum.pointer.var.umax as i64 };
                let at = var.wrapping_add(i64::from(sum.pointer.offset));
                (at, self.maps[usize::from(map.0)].spec.value_size.into())
            }
            _ => {
                let why = format_args!("has pointer with unsupported alu operation");
                return Err(prohibited(sum.pointer_in, why));
            }
        };
        if at as u64 >= end as u64 {
            let verb = Sum::verb(sum.op);
            return Err(sum.refuse(format_args!("tried to {verb} beyond pointer bounds")));
        }
        Ok(())
    }

    /// After the sum was found to stay within what the pointer points to: it is guarded.
    pub(super) fn guard_sum(&mut self, sum: &Sum, result: &Register) -> Result<(), Rejection> {
        if !self.guards() || self.state.speculative || sum.number_in.is_none() {
            return Ok(());
        }
        let moved = |bound: fn(&Register) -> i64| bound(result).abs_diff(bound(&sum.pointer));
        let limit = match sum.pointer.kind {
            Kind::MapValue(_) if sum.goes_down() => moved(|r| r.var.smin.wrapping_add(r.offset.into())),
            Kind::MapValue(_) => moved(|r| (r.var.umax as i64).wrapping_add(r.offset.into())),
            _ => moved(|r| i64::from(r.offset) + r.var.as_constant().unwrap_or(0) as i64),
        };
        let guard = Guard::Pointer {
            first: !sum.number_is_first(),
            constant: sum.number.as_constant().is_some(),
            negative: sum.number.var.smin < 0,
            limit,
        };
        self.guard(sum.op, sum.dst, guard)
    }
}
