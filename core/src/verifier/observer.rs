//! Who watches the verifier.

use super::cfg::Marks;
use super::register::MapInfo;
use super::state::{State, StateId};
use super::{Input, Rejection};
use crate::isa::{DecodeError, Insn, Pc};

pub use super::precision::Linked;

/// A program, and what the passes before the walk found.
#[derive(Clone, Copy)]
pub struct Prepared<'a> {
    /// As it was given.
    pub input: &'a Input,
    /// Its instructions, an entry per slot.
    pub insns: &'a [Result<Insn, DecodeError>],
    /// Loops and live registers, an entry per slot.
    pub marks: &'a [Marks],
    /// The maps that it refers to, in the order of its first references.
    pub maps: &'a [MapInfo],
}

/// Told what the verifier does, as it does it. Every method does nothing by default; with [`Nobody`] the
/// calls vanish.
pub trait Observer {
    /// The passes before the walk are done, or one of them rejected the program.
    fn prepared(&mut self, _program: &Prepared<'_>) {}
    /// A walk begins, other than the program's own: of a function that is checked by itself.
    fn entry(&mut self, _pc: Pc) {}
    /// An instruction is about to be walked in this state. `log` is where its line begins in the log, in
    /// bytes; 0 where the log shows no instructions.
    fn step(&mut self, _pc: Pc, _state: &State, _log: usize) {}
    /// Both sides of the branch just walked have to be explored; the answer comes back with
    /// [`Observer::resume`] when the side that was put aside is taken up.
    fn fork(&mut self) -> u32 {
        0
    }
    /// A side that was put aside is taken up, at this instruction. `guessed` where a processor gets there by
    /// guess alone.
    fn resume(&mut self, _token: u32, _pc: Pc, _guessed: bool) {}
    /// The state at this instruction was kept.
    fn kept(&mut self, _id: StateId, _pc: Pc) {}
    /// The path ends before this instruction, in this state: a kept state covers it.
    fn pruned(&mut self, _by: StateId, _looping: bool, _pc: Pc, _state: &State) {}
    /// The path ends: the program returned.
    fn exit(&mut self) {}
    /// The guessed path ends: engines wait here for the real outcome. Why, where this path is the first to say so.
    fn barrier(&mut self, _why: Option<&Rejection>) {}
    /// The instruction being walked relies on the exact value of a number; what it was made of is marked in
    /// the states that were kept, down to where it came from.
    fn relied(&mut self, _on: Linked) {}
    /// A number of a kept state was found to matter exactly.
    fn precise(&mut self, _state: StateId, _what: Linked) {}
    /// Where a number came from could not be traced: every number of a kept state is taken to matter, also
    /// those that were marked before.
    fn all_precise(&mut self, _state: StateId) {}
    /// All paths from a kept state were walked. Of this frame of it these registers and slots, by bit, are
    /// read on some path; no path that it covers relies on the others.
    fn completed(&mut self, _state: StateId, _frame: usize, _registers: u16, _slots: u64) {}
    /// A kept state was compared with the path's, and does not cover it: because of this register or slot,
    /// or, where there is none, because calls or references differ.
    fn missed(&mut self, _by: StateId, _pc: Pc, _blocked: Option<Linked>) {}
    /// The program was rejected: at this instruction, where one was being walked.
    fn rejected(&mut self, _rejection: &Rejection, _pc: Option<Pc>) {}
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nobody;
impl Observer for Nobody {}

/// Watches where there is one: one verifier in a program's code for both ways.
impl<O: Observer> Observer for Option<O> {
    fn prepared(&mut self, program: &Prepared<'_>) {
        if let Some(o) = self {
            o.prepared(program);
        }
    }
    fn entry(&mut self, pc: Pc) {
        if let Some(o) = self {
            o.entry(pc);
        }
    }
    fn step(&mut self, pc: Pc, state: &State, log: usize) {
        if let Some(o) = self {
            o.step(pc, state, log);
        }
    }
    fn fork(&mut self) -> u32 {
        self.as_mut().map_or(0, |o| o.fork())
    }
    fn resume(&mut self, token: u32, pc: Pc, guessed: bool) {
        if let Some(o) = self {
            o.resume(token, pc, guessed);
        }
    }
    fn kept(&mut self, id: StateId, pc: Pc) {
        if let Some(o) = self {
            o.kept(id, pc);
        }
    }
    fn pruned(&mut self, by: StateId, looping: bool, pc: Pc, state: &State) {
        if let Some(o) = self {
            o.pruned(by, looping, pc, state);
        }
    }
    fn exit(&mut self) {
        if let Some(o) = self {
            o.exit();
        }
    }
    fn barrier(&mut self, why: Option<&Rejection>) {
        if let Some(o) = self {
            o.barrier(why);
        }
    }
    fn relied(&mut self, on: Linked) {
        if let Some(o) = self {
            o.relied(on);
        }
    }
    fn precise(&mut self, state: StateId, what: Linked) {
        if let Some(o) = self {
            o.precise(state, what);
        }
    }
    fn all_precise(&mut self, state: StateId) {
        if let Some(o) = self {
            o.all_precise(state);
        }
    }
    fn completed(&mut self, state: StateId, frame: usize, registers: u16, slots: u64) {
        if let Some(o) = self {
            o.completed(state, frame, registers, slots);
        }
    }
    fn missed(&mut self, by: StateId, pc: Pc, blocked: Option<Linked>) {
        if let Some(o) = self {
            o.missed(by, pc, blocked);
        }
    }
    fn rejected(&mut self, rejection: &Rejection, pc: Option<Pc>) {
        if let Some(o) = self {
            o.rejected(rejection, pc);
        }
    }
}
