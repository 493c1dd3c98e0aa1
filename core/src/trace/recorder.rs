//! What is recorded, as the verifier works.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::covering;
use super::describe;
use super::diagnostics::diagnose;
use super::precision::Precision;
use super::reliance;
use super::states::{States, Writer};
use super::tree::{Children, Tree};
use super::view::{
    Cause, Covering, Diagnostic, End, KeptState, Miss, Place, Reliance, Segment, SegmentId, StateView, Step,
};
use crate::isa::{DecodeError, Insn, Pc};
use crate::verifier::observer::{Linked, Observer, Prepared};
use crate::verifier::register::MapInfo;
use crate::verifier::state::{State, StateId};
use crate::verifier::{Input, Rejection};

/// The program that was verified, as far as explaining its states takes.
#[derive(Debug)]
pub(super) struct Program {
    pub input: Input,
    pub insns: Vec<Result<Insn, DecodeError>>,
    pub maps: Vec<MapInfo>,
    /// Registers that are read on, by slot.
    pub live: Vec<u16>,
}

/// Watches a verification and keeps what it did.
#[derive(Debug, Default)]
pub struct Recorder {
    program: Option<Program>,
    tree: Tree,
    pcs: Vec<u32>,
    logged: Vec<u32>,
    states: Writer,
    precision: Precision,
    rejection: Option<(Rejection, Option<Pc>)>,
}

impl Recorder {
    /// One that has seen nothing.
    pub fn new() -> Recorder {
        Recorder { tree: Tree::new(), ..Recorder::default() }
    }

    /// Steps seen so far.
    pub fn steps(&self) -> u32 {
        self.pcs.len() as u32
    }

    /// The trace of what was seen.
    pub fn finish(self) -> Trace {
        Trace {
            children: Children::of(&self.tree.segments),
            program: self.program,
            segments: self.tree.segments,
            barriers: self.tree.barriers,
            kept: self.tree.kept,
            pcs: self.pcs,
            logged: self.logged,
            states: self.states.finish(),
            precision: self.precision.finish(),
            rejection: self.rejection,
        }
    }
}

impl Observer for Recorder {
    fn prepared(&mut self, program: &Prepared<'_>) {
        self.program = Some(Program {
            input: program.input.clone(),
            insns: program.insns.to_vec(),
            maps: program.maps.to_vec(),
            live: program.marks.iter().map(|marks| marks.live).collect(),
        });
    }
    fn entry(&mut self, _pc: Pc) {
        self.tree.entry();
        self.states.entry();
    }
    fn step(&mut self, pc: Pc, state: &State, log: usize) {
        self.tree.step(pc);
        self.pcs.push(pc.0);
        self.logged.push(log as u32);
        let insns = self.program.as_ref().map_or(&[][..], |program| &program.insns);
        self.states.step(pc, state, insns);
    }
    fn fork(&mut self) -> u32 {
        let token = self.tree.fork().0;
        self.states.fork(token);
        token
    }
    fn resume(&mut self, token: u32, _pc: Pc, guessed: bool) {
        self.tree.resume(SegmentId(token), guessed);
        self.states.resume(token);
    }
    fn kept(&mut self, _id: StateId, pc: Pc) {
        self.tree.kept(pc);
    }
    fn pruned(&mut self, by: StateId, looping: bool, pc: Pc, state: &State) {
        self.tree.pruned(by, looping, pc);
        let insns = self.program.as_ref().map_or(&[][..], |program| &program.insns);
        self.states.end(self.tree.segments.len().saturating_sub(1) as u32, state, insns);
    }
    fn exit(&mut self) {
        self.tree.exit();
    }
    fn barrier(&mut self, why: Option<&Rejection>) {
        self.tree.barrier(why.map(|why| why.message.clone()));
    }
    fn relied(&mut self, on: Linked) {
        self.precision.relied(self.steps(), on);
    }
    fn precise(&mut self, state: StateId, what: Linked) {
        self.precision.marked(state, what);
    }
    fn all_precise(&mut self, state: StateId) {
        self.precision.lost(state);
    }
    fn completed(&mut self, state: StateId, frame: usize, registers: u16, slots: u64) {
        self.precision.completed(state, frame, registers, slots);
    }
    fn missed(&mut self, by: StateId, _pc: Pc, blocked: Option<Linked>) {
        self.precision.missed(self.steps(), by, blocked);
    }
    fn rejected(&mut self, rejection: &Rejection, pc: Option<Pc>) {
        self.tree.rejected(pc);
        self.rejection = Some((rejection.clone(), pc));
    }
}

/// What a verification did.
#[derive(Debug)]
pub struct Trace {
    pub(super) program: Option<Program>,
    segments: Vec<Segment>,
    barriers: Vec<(SegmentId, String)>,
    children: Children,
    kept: Vec<KeptState>,
    pcs: Vec<u32>,
    logged: Vec<u32>,
    states: States,
    pub(super) precision: Precision,
    pub(super) rejection: Option<(Rejection, Option<Pc>)>,
}

impl Trace {
    /// Number of steps.
    pub fn steps(&self) -> u32 {
        self.pcs.len() as u32
    }

    /// The exploration tree, in the order in which the verifier began its nodes, which is its preorder.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The states that the verifier kept, by [`StateId`].
    pub fn kept_states(&self) -> &[KeptState] {
        &self.kept
    }

    /// Why a guessed path ends with a segment, in the words of the error that it would be elsewhere; `None` where
    /// the segment ends otherwise, or at a barrier that was there already.
    pub fn barrier(&self, segment: SegmentId) -> Option<&str> {
        let at = self.barriers.binary_search_by_key(&segment, |(id, _)| *id).ok()?;
        Some(&self.barriers[at].1)
    }

    /// The slot of a step; of the last one for a step past the end.
    pub fn pc(&self, step: Step) -> Pc {
        Pc(self.pcs.get(step.0 as usize).or(self.pcs.last()).copied().unwrap_or(0))
    }

    /// The segment of a step.
    pub fn segment(&self, step: Step) -> SegmentId {
        // Segments without steps share their first step with the one after.
        let end = self.segments.partition_point(|segment| segment.first <= step);
        let own = self.segments[..end].iter().rposition(|segment| segment.len > 0);
        SegmentId(own.unwrap_or(0) as u32)
    }

    /// The step before, on the same path.
    pub fn previous(&self, step: Step) -> Option<Step> {
        let segment = self.segments.get(self.segment(step).0 as usize)?;
        if step > segment.first {
            return Some(Step(step.0 - 1));
        }
        self.last_of(segment.parent?)
    }

    /// The last step of a segment, or of those above it where it has none.
    fn last_of(&self, segment: SegmentId) -> Option<Step> {
        let mut segment = self.segments.get(segment.0 as usize)?;
        while segment.len == 0 {
            segment = self.segments.get(segment.parent?.0 as usize)?;
        }
        Some(Step(segment.first.0 + segment.len - 1))
    }

    /// The last step of the path that was walked last.
    pub fn last(&self) -> Option<Step> {
        self.last_of(SegmentId(self.segments.len().checked_sub(1)? as u32))
    }

    /// How often each slot was walked.
    pub fn visits(&self) -> Vec<u32> {
        let slots = self.program.as_ref().map_or(0, |program| program.insns.len());
        let mut visits = vec![0; slots];
        for pc in &self.pcs {
            if let Some(count) = visits.get_mut(*pc as usize) {
                *count += 1;
            }
        }
        visits
    }

    /// The next step behind `after` that was walked at a slot, from the beginning again where there is none.
    pub fn find(&self, pc: Pc, after: Step) -> Option<Step> {
        let middle = self.pcs.len().min(after.0 as usize + 1);
        let (before, behind) = self.pcs.split_at(middle);
        let found = behind.iter().position(|at| *at == pc.0).map(|at| at + middle);
        found.or_else(|| before.iter().position(|at| *at == pc.0)).map(|at| Step(at as u32))
    }

    /// What is known before a step, with what the step before it changed marked. `None` past the end.
    pub fn state(&self, step: Step) -> Option<StateView> {
        let state = self.state_at(step)?;
        let before = self.previous(step).and_then(|step| self.state_at(step));
        let program = self.program.as_ref()?;
        let mut view = describe::state(program, &state, before.as_ref());
        (view.step, view.segment) = (step, self.segment(step));
        reliance::mark(self, step, &mut view);
        Some(view)
    }

    /// The segments right below one, in order.
    pub fn children(&self, segment: SegmentId) -> impl Iterator<Item = SegmentId> {
        self.children.below(segment)
    }

    /// The numbers whose exact values the instruction of a step relied on, and where each came from.
    pub fn reliance(&self, step: Step) -> Vec<Reliance> {
        reliance::at(self, step)
    }

    /// Kept states that the path was compared with before a step, and that do not cover it: the newest.
    pub fn misses(&self, step: Step) -> Vec<Miss> {
        reliance::misses(self, step)
    }

    /// How the state that covers a pruned segment's path compares with it, place by place. `None` where the
    /// segment was not pruned.
    pub fn covering(&self, segment: SegmentId) -> Option<Covering> {
        covering::of(self, segment)
    }

    /// The steps that made what a place holds before a step, oldest first.
    pub fn history(&self, step: Step, place: Place) -> Vec<Cause> {
        reliance::history(self, step, place)
    }

    /// Why the program was rejected; `None` where it was not.
    pub fn diagnostic(&self) -> Option<Diagnostic> {
        diagnose(self)
    }

    /// Where the log has the line of a step, in bytes. `None` where the log does not show every instruction.
    pub fn log_position(&self, step: Step) -> Option<u32> {
        self.logged.get(step.0 as usize).copied().filter(|_| self.is_logged())
    }

    /// How many steps have their line before or at a byte of the log.
    pub(super) fn steps_logged_up_to(&self, byte: u32) -> u32 {
        if !self.is_logged() {
            return 0;
        }
        self.logged.partition_point(|at| *at <= byte) as u32
    }

    fn is_logged(&self) -> bool {
        let all = crate::verifier::log::level::ALL;
        self.program.as_ref().is_some_and(|program| program.input.log_level & all != 0)
    }

    /// The verifier's state before a step, but for which values matter exactly. `None` past the end.
    pub fn state_at(&self, step: Step) -> Option<State> {
        if step.0 >= self.steps() {
            return None;
        }
        let path = self.path(self.segment(step), step.0 + 1)?;
        Some(self.states.state(&path, &[], self.pc(step)))
    }

    /// The state that a pruned segment ended in, before the instruction that was not walked any more.
    pub(super) fn state_at_end(&self, segment: SegmentId) -> Option<State> {
        let own = self.segments.get(segment.0 as usize)?;
        let path = self.path(segment, own.first.0 + own.len)?;
        let changes = self.states.end_of(segment.0)?;
        let kept = self.kept.get(match own.end {
            End::Pruned { by, .. } => by.0 as usize,
            _ => return None,
        })?;
        Some(self.states.state(&path, changes, Pc(kept.pc)))
    }

    /// The runs of steps that lead to a step from a keyframe, the last first; `end` is the step behind it.
    fn path(&self, mut at: SegmentId, mut end: u32) -> Option<Vec<(u32, u32)>> {
        let mut path = Vec::new();
        loop {
            let segment = self.segments.get(at.0 as usize)?;
            let run = (segment.first.0, end);
            if let Some(keyframe) = self.states.keyframe_in(run) {
                path.push((keyframe, end));
                break;
            }
            if run.0 < run.1 {
                path.push(run);
            }
            let Some(parent) = segment.parent else { break };
            let above = self.segments.get(parent.0 as usize)?;
            (at, end) = (parent, above.first.0 + above.len);
        }
        Some(path)
    }

    /// Bytes of memory that the trace takes.
    pub fn size(&self) -> usize {
        self.states.size()
            + self.precision.size()
            + self.segments.capacity() * size_of::<Segment>()
            + self.kept.capacity() * size_of::<KeptState>()
            + self.children.size()
            + (self.pcs.capacity() + self.logged.capacity()) * 4
    }
}
