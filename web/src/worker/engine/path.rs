//! The way of a concrete run through the exploration.

use crate::protocol::NONE;
use glasshive::trace::Trace;
use glasshive::trace::view::{End, Segment, Step};

/// Follows a run, instruction by instruction, from segment to segment: at a fork to the side that it took,
/// at a prune to the state that covers it.
pub struct Follower {
    /// First child of each segment, and the next one with the same parent.
    first: Vec<u32>,
    next: Vec<u32>,
    /// The segment that the run is in; `None` where it left what was explored.
    at: Option<u32>,
    /// Steps of it that are done.
    done: u32,
    /// Segments in the order that the run first came to them, with the number of instructions before.
    entered: Vec<(u32, u32)>,
    seen: Vec<bool>,
}

impl Follower {
    /// Before the first instruction.
    pub fn new(trace: &Trace) -> Follower {
        let segments = trace.segments();
        let filled = || vec![NONE; segments.len()];
        let (mut first, mut next) = (filled(), filled());
        for (child, segment) in segments.iter().enumerate().rev() {
            if let Some(parent) = segment.parent
                && let Some(head) = first.get_mut(parent.0 as usize)
            {
                next[child] = core::mem::replace(head, child as u32);
            }
        }
        let mut follower = Follower {
            first,
            next,
            at: None,
            done: 0,
            entered: Vec::new(),
            seen: vec![false; segments.len()],
        };
        follower.enter((!segments.is_empty()).then_some(0), 0);
        follower
    }

    fn enter(&mut self, segment: Option<u32>, point: u32) {
        (self.at, self.done) = (segment, 0);
        if let Some(segment) = segment
            && let Some(seen) = self.seen.get_mut(segment as usize)
            && !core::mem::replace(seen, true)
        {
            self.entered.push((point, segment));
        }
    }

    /// The run executes the instruction at a slot, after `point` others. The step of the verifier that this is.
    pub fn step(&mut self, trace: &Trace, pc: u32, point: u32) -> Option<u32> {
        // A segment without steps is pruned, by one that has some: this ends.
        while let Some(segment) = self.at.and_then(|at| trace.segments().get(at as usize)) {
            if self.done < segment.len {
                let step = segment.first.0 + self.done;
                if trace.pc(Step(step)).0 != pc {
                    self.at = None;
                    return None;
                }
                self.done += 1;
                return Some(step);
            }
            let to = self.successor(trace, segment, pc);
            let stays = segment.len == 0 && to == self.at;
            self.enter(to.filter(|_| !stays), point);
        }
        None
    }

    fn successor(&self, trace: &Trace, segment: &Segment, pc: u32) -> Option<u32> {
        match segment.end {
            End::Fork | End::Checkpoint => {
                let mut child = *self.first.get(self.at? as usize)?;
                while trace.segments().get(child as usize).map(|s| s.pc != pc || s.guessed)? {
                    child = *self.next.get(child as usize)?;
                }
                Some(child)
            }
            End::Pruned { by, .. } => trace.kept_states().get(by.0 as usize).map(|state| state.segment.0),
            End::Exit | End::Barrier | End::Error | End::Open => None,
        }
    }

    /// The segments that the run went through before a point.
    pub fn path(&self, point: u32) -> Vec<u32> {
        let end = self.entered.partition_point(|(first, _)| *first <= point);
        self.entered[..end].iter().map(|(_, segment)| *segment).collect()
    }
}
