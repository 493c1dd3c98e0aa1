//! Which numbers the verifier relied on, at every step, as it is known at the end.
//!
//! What is kept are the roots (a step relied on a number) and the marks of kept states. What mattered at a
//! step between is found when it is asked for: back from the marks and roots behind it, up to the next kept
//! states.

use alloc::vec::Vec;

use super::describe;
use super::diagnostics::path::{self, causes, stack_address, stored};
use super::recorder::{Program, Trace};
use super::view::{Blocked, Cause, End, Miss, Place, Reliance, SegmentId, StateView, Step};
use crate::isa::{AluOp, CallTarget, Insn, Operand, Reg};
use crate::verifier::observer::Linked;
use crate::verifier::state::{MAX_FRAMES, MAX_SLOTS, State};

/// Most steps that are looked through for one answer.
const MOST_STEPS: u32 = 2_000;

/// Registers and slots, by frame and bit.
#[derive(Clone, Copy, Default)]
struct Wanted {
    registers: [u16; MAX_FRAMES],
    slots: [u64; MAX_FRAMES],
}

impl Wanted {
    fn bit(what: Linked) -> Option<(usize, u64)> {
        let (frame, number) = (usize::from(what.frame), usize::from(what.number));
        (frame < MAX_FRAMES && number < MAX_SLOTS).then(|| (frame, 1 << number))
    }
    fn add(&mut self, what: Linked) {
        let Some((frame, bit)) = Wanted::bit(what) else { return };
        match what.slot {
            true => self.slots[frame] |= bit,
            false => self.registers[frame] |= bit as u16,
        }
    }
    fn has(&self, what: Linked) -> bool {
        let Some((frame, bit)) = Wanted::bit(what) else { return false };
        match what.slot {
            true => self.slots[frame] & bit != 0,
            false => self.registers[frame] & bit as u16 != 0,
        }
    }
    /// Whether it was there; it is not any more.
    fn take(&mut self, what: Linked) -> bool {
        let had = self.has(what);
        if let Some((frame, bit)) = Wanted::bit(what) {
            match what.slot {
                true => self.slots[frame] &= !bit,
                false => self.registers[frame] &= !(bit as u16),
            }
        }
        had
    }
    fn join(&mut self, other: &Wanted) {
        for frame in 0..MAX_FRAMES {
            self.registers[frame] |= other.registers[frame];
            self.slots[frame] |= other.slots[frame];
        }
    }
}

/// A search with a limit.
struct Search<'a> {
    trace: &'a Trace,
    program: &'a Program,
    left: u32,
}

impl Search<'_> {
    /// What is wanted behind the last step of a segment.
    fn behind(&mut self, segment: SegmentId) -> Wanted {
        let mut wanted = Wanted::default();
        match self.trace.segments().get(segment.0 as usize).map(|segment| segment.end) {
            Some(End::Pruned { by, .. }) => {
                self.trace.precision.marks_of(by).for_each(|what| wanted.add(what));
            }
            Some(End::Fork | End::Checkpoint) => {
                let children: Vec<SegmentId> = self.trace.children(segment).collect();
                for child in children {
                    wanted.join(&self.before(child));
                }
            }
            _ => {}
        }
        wanted
    }

    /// What is wanted before the first step of a segment.
    fn before(&mut self, segment: SegmentId) -> Wanted {
        let kept = self.trace.kept_states();
        let found = kept.partition_point(|state| state.segment < segment);
        if kept.get(found).is_some_and(|state| state.segment == segment) {
            let mut wanted = Wanted::default();
            let state = super::view::StateId(found as u32);
            self.trace.precision.marks_of(state).for_each(|what| wanted.add(what));
            return wanted;
        }
        let first = self.trace.segments()[segment.0 as usize].first;
        self.back_to(segment, first)
    }

    /// What is wanted before a step, from what is wanted behind its segment.
    fn back_to(&mut self, segment: SegmentId, step: Step) -> Wanted {
        if self.left == 0 {
            return Wanted::default();
        }
        let mut wanted = self.behind(segment);
        let own = &self.trace.segments()[segment.0 as usize];
        for at in (step.0..own.first.0 + own.len).rev() {
            let Some(left) = self.left.checked_sub(1) else { break };
            self.left = left;
            let pc = self.trace.pc(Step(at));
            if let (Some(Ok(insn)), Some(state)) =
                (self.program.insns.get(pc.index()), self.trace.state_at(Step(at)))
            {
                back(insn, &state, &mut wanted);
            }
            self.trace.precision.relied_at(at + 1).for_each(|what| wanted.add(what));
        }
        wanted
    }
}

/// What is wanted before an instruction, from what is wanted after it: as the verifier's own walk back has it,
/// to which an atomic operation is no source of what it fetches.
fn back(insn: &Insn, state: &State, wanted: &mut Wanted) {
    let current = state.current();
    let at = |frame: usize, reg: Reg| Linked { frame: frame as u8, slot: false, number: reg.number() };
    let own = |reg: Reg| at(current, reg);
    if let Some((frame, slot, source)) = stored(state, insn) {
        let place = Linked { frame: frame as u8, slot: true, number: slot as u8 };
        if let Some(Operand::Reg(reg)) = source.filter(|_| wanted.take(place)) {
            wanted.add(own(reg));
        }
    }
    match *insn {
        Insn::Alu { op: AluOp::Mov, dst, src, .. } => {
            if let (true, Operand::Reg(src)) = (wanted.take(own(dst)), src) {
                wanted.add(own(src));
            }
        }
        Insn::MovSx { dst, src, .. } if wanted.take(own(dst)) => wanted.add(own(src)),
        Insn::Alu { dst, src: Operand::Reg(src), .. } if wanted.has(own(dst)) => wanted.add(own(src)),
        Insn::LoadImm64 { dst, .. } => {
            wanted.take(own(dst));
        }
        Insn::Load { dst, base, off, .. } => {
            if wanted.take(own(dst))
                && let Some((frame, offset)) = stack_address(state.register(base), off.into())
            {
                let slot = ((-offset - 1) / 8) as u8;
                wanted.add(Linked { frame: frame as u8, slot: true, number: slot });
            }
        }
        Insn::Branch { dst, src, .. } => {
            let src = match src {
                Operand::Reg(src) => Some(src),
                Operand::Imm(_) => None,
            };
            let both = [Some(dst), src];
            if both.iter().flatten().any(|reg| wanted.has(own(*reg))) {
                both.iter().flatten().for_each(|reg| wanted.add(own(*reg)));
            }
            for reg in both.into_iter().flatten() {
                tied(state, state.register(reg).id, wanted);
            }
        }
        Insn::Call(CallTarget::Local(_)) if current + 1 < MAX_FRAMES => {
            // The arguments are the caller's; the callee's frame is not there yet.
            let arguments = core::mem::take(&mut wanted.registers[current + 1]) & 0x3e;
            wanted.slots[current + 1] = 0;
            wanted.registers[current] = wanted.registers[current] & !0x3f | arguments;
        }
        Insn::Call(_) => wanted.registers[current] &= !0x3f,
        Insn::Exit if current > 0 && wanted.take(at(current - 1, Reg::R0)) => wanted.add(own(Reg::R0)),
        Insn::LoadPacket { .. } => wanted.registers[current] &= !0x3f,
        _ => {}
    }
}

/// One of the numbers with that id wants them all.
fn tied(state: &State, id: u32, wanted: &mut Wanted) {
    if id == 0 {
        return;
    }
    let mut group = Vec::new();
    for (frame, f) in state.frames.iter().enumerate() {
        for (number, register) in f.registers.iter().enumerate() {
            if register.is_scalar() && register.id == id {
                group.push(Linked { frame: frame as u8, slot: false, number: number as u8 });
            }
        }
        for (number, slot) in f.stack.iter().enumerate() {
            if slot.is_spilled_scalar() && slot.spilled.id == id {
                group.push(Linked { frame: frame as u8, slot: true, number: number as u8 });
            }
        }
    }
    if group.iter().any(|what| wanted.has(*what)) {
        group.into_iter().for_each(|what| wanted.add(what));
    }
}

/// Marks the numbers of a view whose exact values mattered.
pub(super) fn mark(trace: &Trace, step: Step, view: &mut StateView) {
    let Some(program) = &trace.program else { return };
    let mut search = Search { trace, program, left: MOST_STEPS };
    let wanted = search.back_to(trace.segment(step), step);
    for frame in &mut view.frames {
        let number = frame.number as u8;
        for register in &mut frame.registers {
            let what = Linked { frame: number, slot: false, number: register.number };
            precise(&mut register.value, wanted.has(what));
        }
        for slot in &mut frame.slots {
            let what = Linked { frame: number, slot: true, number: (-slot.offset / 8 - 1) as u8 };
            precise(&mut slot.value, wanted.has(what));
        }
    }
}

/// What mattered exactly before a step; `None` where finding out took too long.
#[cfg(test)]
pub(super) fn places(trace: &Trace, step: Step) -> Option<Vec<Linked>> {
    let mut search = Search { trace, program: trace.program.as_ref()?, left: MOST_STEPS };
    let wanted = search.back_to(trace.segment(step), step);
    let places = |slot, count: u8| {
        (0..MAX_FRAMES as u8)
            .flat_map(move |frame| (0..count).map(move |number| Linked { frame, slot, number }))
    };
    let all = places(false, 11).chain(places(true, 64)).filter(|what| wanted.has(*what));
    (search.left > 0).then(|| all.collect())
}

fn precise(value: &mut super::view::Value, wanted: bool) {
    if wanted && value.kind == super::view::ValueKind::Scalar {
        value.precise = true;
        if !value.text.starts_with('P') {
            value.text.insert(0, 'P');
        }
    }
}

fn view_place(what: Linked) -> Place {
    let frame = what.frame.into();
    match what.slot {
        true => Place::Slot { frame, offset: -8 * (i32::from(what.number) + 1) },
        false => Place::Register { frame, number: what.number },
    }
}

fn path_place(what: Linked) -> path::Place {
    let frame = what.frame.into();
    match what.slot {
        true => path::Place::Slot { frame, slot: what.number.into() },
        false => path::Place::Register { frame, number: what.number },
    }
}

/// The numbers that a step relied on.
pub(super) fn at(trace: &Trace, step: Step) -> Vec<Reliance> {
    let relied = trace.precision.relied_at(step.0.saturating_add(1));
    let reliance =
        |what| Reliance { place: view_place(what), through: causes(trace, &[path_place(what)], step) };
    relied.map(reliance).collect()
}

/// The steps that made what a place holds before a step.
pub(super) fn history(trace: &Trace, step: Step, place: Place) -> Vec<Cause> {
    let place = match place {
        Place::Register { frame, number } => path::Place::Register { frame: frame as usize, number },
        Place::Slot { frame, offset } => {
            let Some(slot) = usize::try_from(-i64::from(offset) / 8 - 1).ok() else { return Vec::new() };
            path::Place::Slot { frame: frame as usize, slot }
        }
    };
    causes(trace, &[place], step)
}

/// The kept states that were tried in vain before a step.
pub(super) fn misses(trace: &Trace, step: Step) -> Vec<Miss> {
    let (Some(program), Some(path)) = (&trace.program, trace.state_at(step)) else { return Vec::new() };
    let value = |state: &State, what: Linked| {
        let (frame, number) = (usize::from(what.frame), usize::from(what.number));
        let f = state.frames.get(frame)?;
        Some(match what.slot {
            true => describe::slot_value(&f.slot(number), frame, &program.maps),
            false => describe::value(f.registers.get(number)?, frame, &program.maps),
        })
    };
    let miss = |(state, blocked): (super::view::StateId, Option<Linked>)| {
        let blocked = blocked.and_then(|what| {
            let kept = trace.kept_states().get(state.0 as usize)?;
            let kept = value(&trace.state_at(kept.step)?, what)?;
            Some(Blocked { place: view_place(what), kept, path: value(&path, what)? })
        });
        Miss { state, blocked }
    };
    trace.precision.misses_at(step.0).map(miss).collect()
}
