//! Who watches the verifier.

use super::state::{State, StateId};
use crate::isa::Pc;

/// Told what the verifier does, as it does it. Every method does nothing by default; with [`Nobody`] the
/// calls vanish.
pub trait Observer {
    /// An instruction is about to be walked in this state.
    fn step(&mut self, _pc: Pc, _state: &State) {}
    /// Both sides of the branch just walked have to be explored; the answer comes back with
    /// [`Observer::resume`] when the side that was put aside is taken up.
    fn fork(&mut self) -> u32 {
        0
    }
    /// A side that was put aside is taken up, at this instruction.
    fn resume(&mut self, _token: u32, _pc: Pc) {}
    /// The state at this instruction was kept.
    fn kept(&mut self, _id: StateId, _pc: Pc) {}
    /// The path ends: a kept state covers it.
    fn pruned(&mut self, _by: StateId, _looping: bool, _pc: Pc) {}
    /// The path ends: the program returned.
    fn exit(&mut self) {}
    /// A value of a frame was found to matter exactly: register, or stack slot.
    fn precise(&mut self, _state: Option<StateId>, _frame: usize, _register: Option<u8>, _slot: Option<u8>) {}
    /// The program was rejected.
    fn rejected(&mut self) {}
}

/// Watches nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nobody;
impl Observer for Nobody {}
