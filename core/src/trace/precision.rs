//! Which values mattered exactly, and which kept states did not cover a path.

use alloc::vec::Vec;

use super::view::StateId;
use crate::verifier::observer::Linked;

/// Kept states that are noted for one comparison: the newest, which are tried first.
const MOST_MISSES: usize = 3;

/// What was relied on, what was marked for it, and what was tried in vain.
#[derive(Debug, Default)]
pub(super) struct Precision {
    /// The number of steps walked when a value was relied on, and which: by step.
    relied: Vec<(u32, Linked)>,
    /// Marks of kept states: by state, once [`Precision::finish`] has sorted them.
    marks: Vec<(u32, Linked)>,
    /// The number of steps walked when a kept state was tried in vain, which, and what was in its way.
    misses: Vec<(u32, u32, Option<Linked>)>,
    /// States of which all numbers were marked, by number: no one step relied on them.
    lost: Vec<u32>,
    /// What is read on from kept states, whose paths were all walked: by state and frame, once sorted.
    live: Vec<Live>,
}

/// What is read on from a frame of a kept state.
#[derive(Clone, Copy, Debug)]
struct Live {
    state: u32,
    registers: u16,
    frame: u8,
    slots: u64,
}

impl Precision {
    pub fn relied(&mut self, steps: u32, on: Linked) {
        if self.relied.last() != Some(&(steps, on)) {
            self.relied.push((steps, on));
        }
    }

    pub fn marked(&mut self, state: StateId, what: Linked) {
        self.marks.push((state.0, what));
    }

    pub fn lost(&mut self, state: StateId) {
        if self.lost.last() != Some(&state.0) {
            self.lost.push(state.0);
        }
    }

    pub fn missed(&mut self, steps: u32, by: StateId, blocked: Option<Linked>) {
        let noted = self.misses.iter().rev().take(MOST_MISSES).filter(|(at, ..)| *at == steps).count();
        if noted < MOST_MISSES {
            self.misses.push((steps, by.0, blocked));
        }
    }

    pub fn completed(&mut self, state: StateId, frame: usize, registers: u16, slots: u64) {
        self.live.push(Live { state: state.0, registers, frame: frame as u8, slots });
    }

    /// Nothing is added from here on.
    pub fn finish(mut self) -> Precision {
        self.marks.sort_by_key(|(state, _)| *state);
        self.lost.sort_unstable();
        self.lost.dedup();
        self.live.sort_by_key(|live| (live.state, live.frame));
        self.live.shrink_to_fit();
        self.marks.shrink_to_fit();
        self.relied.shrink_to_fit();
        self.misses.shrink_to_fit();
        self
    }

    /// What a kept state's numbers matter exactly.
    pub fn marks_of(&self, state: StateId) -> impl Iterator<Item = Linked> {
        let begin = self.marks.partition_point(|(at, _)| *at < state.0);
        self.marks[begin..].iter().take_while(move |(at, _)| *at == state.0).map(|(_, what)| *what)
    }

    /// Which registers and slots of a frame of a kept state are read on, by bit; `None` where not all paths
    /// from it were walked.
    pub fn live_of(&self, state: StateId, frame: usize) -> Option<(u16, u64)> {
        let key = |live: &Live| (live.state, usize::from(live.frame));
        let found = self.live.binary_search_by_key(&(state.0, frame), key).ok()?;
        Some((self.live[found].registers, self.live[found].slots))
    }

    /// Whether every number of a kept state was marked, as where they came from could not be traced.
    #[cfg(test)]
    pub fn is_lost(&self, state: StateId) -> bool {
        self.lost.binary_search(&state.0).is_ok()
    }

    /// What was relied on when so many steps were walked: by the last of them.
    pub fn relied_at(&self, steps: u32) -> impl Iterator<Item = Linked> {
        let begin = self.relied.partition_point(|(at, _)| *at < steps);
        self.relied[begin..].iter().take_while(move |(at, _)| *at == steps).map(|(_, on)| *on)
    }

    /// What was tried in vain when so many steps were walked: before the next.
    pub fn misses_at(&self, steps: u32) -> impl Iterator<Item = (StateId, Option<Linked>)> {
        let begin = self.misses.partition_point(|(at, ..)| *at < steps);
        let here = self.misses[begin..].iter().take_while(move |(at, ..)| *at == steps);
        here.map(|(_, state, blocked)| (StateId(*state), *blocked))
    }

    /// Bytes of memory that are in use.
    pub fn size(&self) -> usize {
        self.relied.capacity() * size_of::<(u32, Linked)>()
            + self.marks.capacity() * size_of::<(u32, Linked)>()
            + self.lost.capacity() * 4
            + self.live.capacity() * size_of::<Live>()
            + self.misses.capacity() * size_of::<(u32, u32, Option<Linked>)>()
    }
}
