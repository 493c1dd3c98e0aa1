//! Loops that converge: what is kept of the ways back into one until all of it was walked.
//!
//! A path that comes back into a loop may end at a state that is still being walked, where that state's every
//! number covers its own. What turns out to matter to the older state later has to matter to the newer one too:
//! the newer one is kept as a way back, and when the loop is left the marks go round until none is new.

use alloc::vec::Vec;
use core::fmt::Write;

use super::live_stack::InstanceId;
use super::observer::Observer;
use super::state::{State, StateId};
use super::{Rejection, Verifier, policy};

/// A loop as one chain of calls reaches it: the function's instance, and the loop's number.
pub(super) type Loop = (InstanceId, u32);

/// A loop that is being walked.
#[derive(Default)]
pub(super) struct LoopVisit {
    /// The kept state by which it was entered; `None` once that was left.
    entry: Option<StateId>,
    /// The newest last.
    ways_back: Vec<WayBack>,
}

/// A state that was found to be covered by one of its own loop.
struct WayBack {
    state: State,
    covered_by: StateId,
}

impl<O: Observer> Verifier<O> {
    /// The outermost loop that a state is in.
    pub(super) fn loop_of(&self, state: &State) -> Option<Loop> {
        state.frames.iter().enumerate().find_map(|(number, frame)| {
            let component = self.marks[self.frame_pc(state, number).index()].component;
            (component != 0).then_some((frame.instance, component))
        })
    }

    fn log_loop(&mut self, what: &str, (instance, component): Loop) {
        if self.log.shows_all() {
            let _ = write!(self.log, "SCC {what} ");
            self.live_stack.write_chain(instance, component, &mut self.log);
            let _ = self.log.write_char('\n');
        }
    }

    /// The current state is kept as `id`, in that loop.
    pub(super) fn enter_loop(&mut self, entered: Loop, id: StateId) {
        let visit = self.entered.entry(entered).or_default();
        if visit.entry.is_none() {
            visit.entry = Some(id);
            self.log_loop("enter", entered);
        }
    }

    /// Whether the loop has ways back whose marks are not settled.
    pub(super) fn is_unsettled(&self, in_loop: Option<Loop>) -> bool {
        in_loop.and_then(|l| self.entered.get(&l)).is_some_and(|visit| !visit.ways_back.is_empty())
    }

    /// The current state ends at `covered_by`, of whose loop not all was walked.
    pub(super) fn add_way_back(&mut self, covered_by: StateId) {
        let Some(in_loop) = self.kept_mut(covered_by).in_loop else { return };
        self.log_loop("backedge", in_loop);
        let state = self.state.clone();
        self.entered.entry(in_loop).or_default().ways_back.push(WayBack { state, covered_by });
        self.counters.ways_back_now += 1;
        self.update_peak();
    }

    /// No path is left from the kept state: where a loop was entered by it, the loop is left.
    pub(super) fn leave_loop(&mut self, left: Loop, id: StateId) -> Result<(), Rejection> {
        let Some(visit) = self.entered.get_mut(&left).filter(|visit| visit.entry == Some(id)) else {
            return Ok(());
        };
        visit.entry = None;
        let count = visit.ways_back.len() as u32;
        self.log_loop("exit", left);
        self.counters.ways_back_now -= count;
        self.update_peak();
        let mut ways_back = match self.entered.get_mut(&left) {
            Some(visit) => core::mem::take(&mut visit.ways_back),
            None => return Ok(()),
        };
        let mut settled = false;
        for _ in 0..policy::MAX_ROUNDS {
            let mut changed = false;
            for way in ways_back.iter_mut().rev() {
                core::mem::swap(&mut self.state, &mut way.state);
                let result = self.propagate_precision(way.covered_by);
                core::mem::swap(&mut self.state, &mut way.state);
                changed |= result?;
            }
            if !changed {
                settled = true;
                break;
            }
        }
        if !settled {
            for way in &mut ways_back {
                core::mem::swap(&mut self.state, &mut way.state);
                self.everything_matters();
                core::mem::swap(&mut self.state, &mut way.state);
            }
        }
        Ok(())
    }
}
