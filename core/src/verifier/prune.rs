//! Which states are kept, and which paths a kept one covers.

use core::fmt::Write;

use super::compare::{self, Exactness};
use super::live_stack::InstanceId;
use super::observer::Observer;
use super::state::{Byte, MAX_SLOTS, Slot, State, StateId};
use super::{Rejection, Verifier, policy, print, reject};
use crate::errno::Errno;
use crate::isa::Pc;
use crate::verifier::flag;

/// A state that was kept.
pub(super) struct Kept {
    pub state: State,
    pub misses: u32,
    pub hits: u32,
    /// Taken out of its instruction's list: kept for the paths that grew from it alone.
    pub dropped: bool,
    /// The loop that it is in.
    pub in_loop: Option<Loop>,
}

/// A loop as one chain of calls reaches it: the function's instance, and the loop's number.
pub(super) type Loop = (InstanceId, u32);

/// What came of comparing states at an instruction.
pub(super) enum Visit {
    /// None covers this path: walk on.
    New,
    /// A kept state covers it.
    Covered {
        /// Which.
        by: StateId,
        /// Whether that one is still being walked.
        looping: bool,
    },
}

impl<O: Observer> Verifier<O> {
    pub(super) fn kept_mut(&mut self, id: StateId) -> &mut Kept {
        self.kept[id.0 as usize].as_mut().expect("a state that others grew from is there")
    }

    fn kept_ref(&self, id: StateId) -> &Kept {
        self.kept[id.0 as usize].as_ref().expect("a state in a list is there")
    }

    /// Compares the current state with those kept at its instruction; keeps it where that is worth it.
    pub(super) fn visit(&mut self) -> Result<Visit, Rejection> {
        let pc = self.pc;
        let forced = self.input.flags & flag::TEST_STATE_FREQ != 0
            || self.marks[pc.index()].checkpoint
            || self.state.history.len() > policy::KEEP_AFTER_HISTORY;
        let jumps = self.counters.jumps - self.counters.jumps_when_kept;
        let insns = self.stats.processed - self.counters.processed_when_kept;
        let mut keep = forced || (jumps >= policy::KEEP_AFTER_JUMPS && insns >= policy::KEEP_AFTER_INSNS);

        // The newest first, as the list may lose members on the way.
        let ids: alloc::vec::Vec<StateId> = self.kept_at[pc.index()].iter().rev().copied().collect();
        let count = ids.len() as u32;
        for id in ids {
            let walked = self.kept_ref(id).state.branches > 0;
            if walked {
                let old = &self.kept_ref(id).state;
                if may_loop(old, &self.state) && self.covers(id, Exactness::Exact) {
                    return Err(self.infinite_loop(pc, id));
                }
                if !forced
                    && jumps < policy::KEEP_IN_LOOP_AFTER_JUMPS
                    && insns < policy::KEEP_IN_LOOP_AFTER_INSNS
                {
                    keep = false;
                }
            } else if self.covers(id, Exactness::Covering) {
                self.kept_mut(id).hits += 1;
                if self.marks[pc.index()].jump {
                    self.record(None, None);
                }
                self.propagate_precision(id)?;
                return Ok(Visit::Covered { by: id, looping: false });
            }
            if keep {
                let checkpoint = self.marks[pc.index()].checkpoint;
                let kept = self.kept_mut(id);
                kept.misses += 1;
                let times = match checkpoint && kept.state.branches > 0 {
                    true => policy::DROP_AFTER_MISSES_AT_CHECKPOINT,
                    false => policy::DROP_AFTER_MISSES,
                };
                if kept.misses > kept.hits * times + times {
                    kept.dropped = true;
                    self.kept_at[pc.index()].retain(|other| *other != id);
                    self.counters.kept_now -= 1;
                    self.counters.dropped_now += 1;
                    self.release_dropped(id);
                }
            }
        }
        self.stats.max_states_per_insn = self.stats.max_states_per_insn.max(count);
        if keep {
            self.keep(pc);
        }
        Ok(Visit::New)
    }

    fn keep(&mut self, pc: Pc) {
        self.stats.total_states += 1;
        self.counters.kept_now += 1;
        let now = self.counters.kept_now + self.counters.dropped_now;
        self.stats.peak_states = self.stats.peak_states.max(now);
        self.counters.jumps_when_kept = self.counters.jumps;
        self.counters.processed_when_kept = self.stats.processed;
        self.state.each_register(|r| {
            if r.is_scalar() {
                r.precise = false;
            }
        });
        let id = StateId(self.kept.len() as u32);
        let in_loop = self.loop_of(&self.state);
        if let Some(entered) = in_loop
            && !self.entered.contains_key(&entered)
        {
            self.entered.insert(entered, id);
            self.log_loop("enter", entered);
        }
        let state = self.state.clone();
        self.kept.push(Some(Kept { state, misses: 0, hits: 0, dropped: false, in_loop }));
        self.kept_at[pc.index()].push(id);
        self.state.parent = Some(id);
        self.state.first = pc;
        self.state.history.clear();
        self.observer.kept(id, pc);
    }

    /// Counts down the paths that are still walked, from the current state to the first that has others.
    pub(super) fn finish_path(&mut self) {
        let mut parent = self.state.parent;
        while let Some(id) = parent {
            let kept = self.kept_mut(id);
            kept.state.branches -= 1;
            if kept.state.branches > 0 {
                return;
            }
            parent = kept.state.parent;
            if let Some(left) = kept.in_loop
                && self.entered.get(&left) == Some(&id)
            {
                self.entered.remove(&left);
                self.log_loop("exit", left);
            }
            self.clean(id);
            self.release_dropped(id);
        }
    }

    /// The outermost loop that a state is in.
    fn loop_of(&self, state: &State) -> Option<Loop> {
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

    /// Frees a dropped state that no path grows from any more.
    fn release_dropped(&mut self, id: StateId) {
        let kept = self.kept_ref(id);
        if kept.dropped && kept.state.branches == 0 {
            self.kept[id.0 as usize] = None;
            self.counters.dropped_now -= 1;
        }
    }

    /// Forgets what no path reads any more.
    fn clean(&mut self, id: StateId) {
        let Some(kept) = self.kept[id.0 as usize].take() else { return };
        let mut kept = kept;
        for frame in 0..kept.state.frames.len() {
            let live = self.marks[self.frame_pc(&kept.state, frame).index()].live;
            for (number, register) in kept.state.frames[frame].registers.iter_mut().enumerate().take(10) {
                if live >> number & 1 == 0 {
                    *register = super::Register::UNINITIALISED;
                }
            }
            let live = self.live_stack.live(&kept.state.frames, frame, |f| self.frame_pc(&kept.state, f));
            for (number, slot) in kept.state.frames[frame].stack.iter_mut().enumerate() {
                if number >= MAX_SLOTS || live >> number & 1 == 0 {
                    *slot = Slot::EMPTY;
                }
            }
        }
        self.kept[id.0 as usize] = Some(kept);
    }

    fn covers(&self, id: StateId, exactness: Exactness) -> bool {
        let old = &self.kept_ref(id).state;
        let live = |frame: usize| self.marks[self.frame_pc(&self.state, frame).index()].live;
        compare::covers(old, &self.state, exactness, live)
    }

    fn infinite_loop(&mut self, pc: Pc, id: StateId) -> Rejection {
        self.log_source_line(pc);
        let current = self.state.current();
        let rejection = reject(Errno::EINVAL, format_args!("infinite loop detected at insn {pc}"));
        let _ = writeln!(self.log, "{}", rejection.message);
        let _ = self.log.write_str("cur state:");
        self.log_frame(current, None);
        let _ = self.log.write_str("old state:");
        let old = self.kept[id.0 as usize].as_ref();
        if let Some(old) = old {
            let _ = print::write_frame(&old.state, current, None, &self.maps, &mut self.log);
        }
        // The line stands above the states: nothing more is to be said at the end.
        Rejection { logged: true, ..rejection }
    }
}

/// Whether the two could be one state: the same numbers in the registers of the current frame.
fn may_loop(old: &State, current: &State) -> bool {
    old.frames.len() == current.frames.len()
        && old.frame().registers.iter().zip(&current.frame().registers).all(|(a, b)| {
            a.kind == b.kind && a.maybe_null == b.maybe_null && a.offset == b.offset && a.var == b.var
        })
}

/// Whether a byte of an older state asks nothing of a newer one's: nothing was written there, or something
/// unknown.
pub(super) fn asks_nothing(byte: Byte) -> bool {
    matches!(byte, Byte::Invalid | Byte::Misc)
}
