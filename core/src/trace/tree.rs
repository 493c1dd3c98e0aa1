//! The exploration tree: segments, as the verifier begins and ends them.

use alloc::string::String;
use alloc::vec::Vec;

use super::view::{Begin, End, KeptState, Segment, SegmentId, StateId, Step};
use crate::isa::Pc;

/// Segments and kept states, while they are being made.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub segments: Vec<Segment>,
    pub kept: Vec<KeptState>,
    /// The next event begins a segment: how, and below which.
    next: Option<(Begin, Option<SegmentId>)>,
    /// The path that is being walked is a guessed one.
    guessed: bool,
    /// Why guessed paths end where they do: by the segment, what the kernel said.
    pub barriers: Vec<(SegmentId, String)>,
    /// Steps so far.
    steps: u32,
}

impl Tree {
    pub fn new() -> Tree {
        Tree { next: Some((Begin::Entry, None)), ..Tree::default() }
    }

    fn id(&self) -> Option<SegmentId> {
        self.segments.len().checked_sub(1).map(|at| SegmentId(at as u32))
    }

    /// The segment that is being walked, begun here where none is.
    fn open(&mut self, pc: Pc) -> &mut Segment {
        if let Some((begin, parent)) = self.next.take() {
            let first = Step(self.steps);
            let guessed = self.guessed;
            self.segments.push(Segment { parent, first, len: 0, pc: pc.0, begin, guessed, end: End::Open });
        }
        let last = self.segments.len() - 1;
        &mut self.segments[last]
    }

    fn end(&mut self, end: End) {
        if let Some(segment) = self.segments.last_mut() {
            segment.end = end;
        }
    }

    pub fn step(&mut self, pc: Pc) {
        self.open(pc).len += 1;
        self.steps += 1;
    }

    /// Answers the segment that forks: the parent of each side.
    pub fn fork(&mut self) -> SegmentId {
        let id = self.id().unwrap_or_default();
        self.end(End::Fork);
        self.next = Some((Begin::Follow, Some(id)));
        id
    }

    pub fn resume(&mut self, parent: SegmentId, guessed: bool) {
        self.guessed = guessed;
        self.next = Some((Begin::Resume, Some(parent)));
    }

    /// Takes up an entry: a function that is checked on its own.
    pub fn entry(&mut self) {
        self.guessed = false;
        self.next = Some((Begin::Entry, None));
    }

    pub fn kept(&mut self, pc: Pc) {
        if self.open(pc).len > 0 {
            let parent = self.id();
            self.end(End::Checkpoint);
            self.next = Some((Begin::Checkpoint, parent));
            self.open(pc);
        }
        let segment = self.id().unwrap_or_default();
        self.kept.push(KeptState { pc: pc.0, step: Step(self.steps), segment, hits: 0 });
    }

    pub fn pruned(&mut self, by: StateId, looping: bool, pc: Pc) {
        self.open(pc).end = End::Pruned { by, looping };
        if let Some(kept) = self.kept.get_mut(by.0 as usize) {
            kept.hits += 1;
        }
    }

    pub fn exit(&mut self) {
        self.end(End::Exit);
    }

    pub fn barrier(&mut self, why: Option<String>) {
        // An instruction that had forked may be where the path ends.
        if self.next.take().is_none() {
            self.end(End::Barrier);
        }
        if let (Some(id), Some(why)) = (self.id(), why) {
            self.barriers.push((id, why));
        }
    }

    pub fn rejected(&mut self, pc: Option<Pc>) {
        let Some(pc) = pc else { return };
        // An instruction that had forked already may be rejected still.
        if let Some((Begin::Follow, _)) = self.next {
            self.next = None;
        }
        // What is found after the last path ended is no path's.
        let over = self.next.is_none() && self.segments.last().is_some_and(|s| s.end == End::Exit);
        if !over {
            self.open(pc).end = End::Error;
        }
    }
}

/// No segment.
const NONE: u32 = u32::MAX;

/// The segments below each segment, as lists through two columns.
#[derive(Debug)]
pub(super) struct Children {
    first: Vec<u32>,
    next: Vec<u32>,
}

impl Children {
    pub fn of(segments: &[Segment]) -> Children {
        let none = alloc::vec![NONE; segments.len()];
        let mut children = Children { first: none.clone(), next: none };
        for (child, segment) in segments.iter().enumerate().rev() {
            if let Some(parent) = segment.parent
                && let Some(head) = children.first.get_mut(parent.0 as usize)
            {
                children.next[child] = core::mem::replace(head, child as u32);
            }
        }
        children
    }

    pub fn below(&self, segment: SegmentId) -> impl Iterator<Item = SegmentId> {
        let known = |at: Option<&u32>| at.copied().filter(|at| *at != NONE);
        let first = known(self.first.get(segment.0 as usize));
        core::iter::successors(first, move |at| known(self.next.get(*at as usize))).map(SegmentId)
    }

    pub fn size(&self) -> usize {
        (self.first.capacity() + self.next.capacity()) * 4
    }
}
