//! Which states are kept, and which paths a kept one covers.

use core::fmt::Write;

use super::compare::{self, Exactness, Terms};
use super::kernel_call::is_iterator;
use super::loops::Loop;
use super::observer::{Linked, Observer};
use super::state::{Byte, MAX_SLOTS, Slot, State, StateId};
use super::{Rejection, Verifier, policy, print, reject};
use crate::errno::Errno;
use crate::isa::{Insn, Pc};
use crate::verifier::flag;

/// A state that was kept.
pub(super) struct Kept {
    pub state: State,
    pub misses: u32,
    pub hits: u32,
    /// Taken out of its instruction's list: kept for the paths that grew from it alone.
    pub dropped: bool,
    /// What no path reads any more was taken out.
    pub cleaned: bool,
    /// The loop that it is in.
    pub in_loop: Option<Loop>,
}

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

    /// Where states like the current one are kept: the kernel hashes instruction and call together, and counts
    /// a bucket's states as one instruction's.
    fn bucket(&self) -> usize {
        let call = self.state.frame().call_site.map_or(u32::MAX, |site| site.0);
        (self.state.pc.0 ^ call) as usize % self.kept_at.len()
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

        self.clean_finished(pc);
        // The newest first, as the list may lose members on the way.
        let bucket = self.bucket();
        let count = self.kept_at[bucket].len() as u32;
        for at in (0..count as usize).rev() {
            let id = self.kept_at[bucket][at];
            if self.kept_ref(id).state.pc != pc {
                continue;
            }
            let old = self.kept_ref(id);
            if old.state.branches > 0 {
                let may_goto = matches!(self.insns[pc.index()], Ok(Insn::MayGoto { .. }));
                let other_turn = old.state.may_goto_depth != self.state.may_goto_depth;
                if may_goto && other_turn && self.covers(id, Exactness::Within).is_ok() {
                    return self.covered(id, true);
                }
                let steps = self.kernel_function_at(pc.0).is_some_and(|f| is_iterator(f.name, "_next"));
                let steps = steps || self.calls_back(pc.0);
                let active = self.calls_back(pc.0) || self.steps_active_iterator();
                if steps && self.covers(id, Exactness::Within).is_ok() && active {
                    return self.covered(id, true);
                }
                let old = self.kept_ref(id);
                let other_turn = other_turn || old.state.sections.callbacks != self.state.sections.callbacks;
                if !steps
                    && !other_turn
                    && may_loop(&old.state, &self.state)
                    && self.covers(id, Exactness::Exact).is_ok()
                {
                    return Err(self.infinite_loop(pc, id));
                }
                if !forced
                    && jumps < policy::KEEP_IN_LOOP_AFTER_JUMPS
                    && insns < policy::KEEP_IN_LOOP_AFTER_INSNS
                {
                    keep = false;
                }
            } else {
                let unsettled = self.is_unsettled(old.in_loop);
                let how = if unsettled { Exactness::Within } else { Exactness::Covering };
                match self.covers(id, how) {
                    Ok(()) => return self.covered(id, unsettled),
                    Err(blocked) => self.observer.missed(id, pc, blocked),
                }
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
                    self.kept_at[bucket].retain(|other| *other != id);
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

    /// The path ends: a kept state covers it.
    fn covered(&mut self, by: StateId, looping: bool) -> Result<Visit, Rejection> {
        self.kept_mut(by).hits += 1;
        if self.marks[self.pc.index()].jump {
            self.record(None, None);
        }
        self.propagate_precision(by)?;
        if looping {
            self.add_way_back(by);
        }
        Ok(Visit::Covered { by, looping })
    }

    pub(super) fn update_peak(&mut self) {
        let c = &self.counters;
        let now = c.kept_now + c.dropped_now + c.ways_back_now;
        self.stats.peak_states = self.stats.peak_states.max(now);
    }

    fn keep(&mut self, pc: Pc) {
        self.stats.total_states += 1;
        self.counters.kept_now += 1;
        self.update_peak();
        self.counters.jumps_when_kept = self.counters.jumps;
        self.counters.processed_when_kept = self.stats.processed;
        self.state.each_register(|r| {
            if r.is_scalar() {
                r.precise = false;
            }
        });
        let id = StateId(self.kept.len() as u32);
        let in_loop = self.loop_of(&self.state);
        if let Some(entered) = in_loop {
            self.enter_loop(entered, id);
        }
        // The history is the kept state's from here on.
        let history = core::mem::take(&mut self.state.history);
        let state = State { history, ..self.state.clone() };
        self.kept.push(Some(Kept { state, misses: 0, hits: 0, dropped: false, cleaned: false, in_loop }));
        let bucket = self.bucket();
        self.kept_at[bucket].push(id);
        self.state.parent = Some(id);
        self.state.first = pc;
        self.observer.kept(id, pc);
    }

    /// Counts down the paths that are still walked, from the current state to the first that has others.
    pub(super) fn finish_path(&mut self) -> Result<(), Rejection> {
        let mut parent = self.state.parent;
        while let Some(id) = parent {
            let kept = self.kept_mut(id);
            kept.state.branches -= 1;
            if kept.state.branches > 0 {
                break;
            }
            parent = kept.state.parent;
            if let Some(left) = kept.in_loop {
                self.leave_loop(left, id)?;
            }
            self.release_dropped(id);
        }
        Ok(())
    }

    /// Frees a dropped state that no path grows from any more.
    fn release_dropped(&mut self, id: StateId) {
        let kept = self.kept_ref(id);
        // Ways back into a loop may still grow from it.
        if kept.dropped && kept.state.branches == 0 && !self.is_unsettled(kept.in_loop) {
            self.kept[id.0 as usize] = None;
            self.counters.dropped_now -= 1;
        }
    }

    /// Takes out of the states that were walked to the end what no path reads any more.
    fn clean_finished(&mut self, pc: Pc) {
        let bucket = self.bucket();
        for at in 0..self.kept_at[bucket].len() {
            let id = self.kept_at[bucket][at];
            let kept = self.kept_ref(id);
            if kept.state.pc != pc
                || kept.cleaned
                || kept.state.branches > 0
                || self.is_unsettled(kept.in_loop)
                || !same_calls(&kept.state, &self.state)
            {
                continue;
            }
            self.clean(id);
        }
    }

    fn clean(&mut self, id: StateId) {
        let Some(mut kept) = self.kept[id.0 as usize].take() else { return };
        kept.cleaned = true;
        for frame in 0..kept.state.frames.len() {
            let registers = self.marks[self.frame_pc(&kept.state, frame).index()].live;
            for (number, register) in kept.state.frames[frame].registers.iter_mut().enumerate().take(10) {
                if registers >> number & 1 == 0 {
                    *register = super::Register::UNINITIALISED;
                }
            }
            let live = self.live_stack.live(&kept.state.frames, frame, |f| self.frame_pc(&kept.state, f));
            for (number, slot) in kept.state.frames[frame].stack.iter_mut().enumerate() {
                if number >= MAX_SLOTS || live >> number & 1 == 0 {
                    *slot = Slot::EMPTY;
                }
            }
            self.observer.completed(id, frame, registers, live);
        }
        self.kept[id.0 as usize] = Some(kept);
    }

    fn covers(&self, id: StateId, how: Exactness) -> Result<(), Option<Linked>> {
        let old = &self.kept_ref(id).state;
        let live = |frame: usize| self.marks[self.frame_pc(&self.state, frame).index()].live;
        if old.speculative && !self.state.speculative {
            return Err(None);
        }
        let terms = Terms { how, guarded: self.explores_sums, unwritten: self.input.perfmon };
        compare::covers(old, &self.state, terms, live)
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
            let _ = print::write_frame(&old.state, current, None, &print_names!(self), &mut self.log);
        }
        // The line stands above the states: nothing more is to be said at the end.
        Rejection { logged: true, ..rejection }
    }
}

/// Whether the two are in the same function by the same calls.
fn same_calls(a: &State, b: &State) -> bool {
    a.frames.len() == b.frames.len()
        && a.frames.iter().zip(&b.frames).all(|(x, y)| x.call_site == y.call_site)
}

/// Whether the iterators of both states that are not drained gave as many elements.
fn same_depths(old: &State, current: &State) -> bool {
    use super::register::Kind;
    old.frames.iter().zip(&current.frames).all(|(a, b)| {
        a.stack.iter().zip(&b.stack).all(|(a, b)| match (a.spilled.kind, b.spilled.kind) {
            (Kind::Iterator { drained: false, depth, .. }, Kind::Iterator { depth: other, .. }) => {
                a.bytes[7] != Byte::Iterator || depth == other
            }
            _ => true,
        })
    })
}

/// Whether the two could be one state: the same in the registers of the current frame, ids too, read on or not.
fn may_loop(old: &State, current: &State) -> bool {
    old.frames.len() == current.frames.len()
        && same_depths(old, current)
        && old.frame().registers.iter().zip(&current.frame().registers).all(|(a, b)| {
            a.kind == b.kind
                && a.maybe_null == b.maybe_null
                && (a.offset, a.range) == (b.offset, b.range)
                && (a.id, a.reference) == (b.id, b.reference)
                && a.var == b.var
        })
}
