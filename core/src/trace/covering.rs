//! How a kept state covers the path that was pruned by it.

use alloc::vec::Vec;

use super::describe;
use super::recorder::{Program, Trace};
use super::view::{Cover, Covered, Covering, End, Place, SegmentId, StateId};
use crate::verifier::observer::Linked;
use crate::verifier::register::{Kind, Register};
use crate::verifier::state::{Frame, Slot, State};

/// Compares a pruned segment's end with the state that covers it.
pub(super) fn of(trace: &Trace, segment: SegmentId) -> Option<Covering> {
    let End::Pruned { by, .. } = trace.segments().get(segment.0 as usize)?.end else { return None };
    let program = trace.program.as_ref()?;
    let known = trace.kept_states().get(by.0 as usize)?;
    let (kept, path) = (trace.state_at(known.step)?, trace.state_at_end(segment)?);
    let comparison = Comparison { trace, program, by, kept: &kept, path: &path };
    let frames = kept.frames.iter().zip(&path.frames).enumerate();
    let rows = frames.flat_map(|(number, (kept, path))| comparison.frame(number, kept, path)).collect();
    Some(Covering { by, step: known.step, pc: known.pc, rows })
}

struct Comparison<'a> {
    trace: &'a Trace,
    program: &'a Program,
    by: StateId,
    kept: &'a State,
    path: &'a State,
}

impl Comparison<'_> {
    fn frame(&self, number: usize, kept: &Frame, path: &Frame) -> Vec<Covered> {
        let (registers, slots) =
            self.trace.precision.live_of(self.by, number).unwrap_or((u16::MAX, u64::MAX));
        let frame = number as u32;
        let mut rows = Vec::new();
        for (register, (a, b)) in kept.registers.iter().zip(&path.registers).enumerate() {
            if a.kind == Kind::Uninitialised && b.kind == Kind::Uninitialised {
                continue;
            }
            let what = Linked { frame: number as u8, slot: false, number: register as u8 };
            let read = registers >> register & 1 == 1 || register == 10;
            rows.push(Covered {
                place: Place::Register { frame, number: register as u8 },
                kept: describe::value(a, number, &self.program.maps),
                path: describe::value(b, number, &self.program.maps),
                how: self.how(what, a, b, read),
            });
        }
        for slot in 0..kept.stack.len().max(path.stack.len()) {
            let (a, b) = (kept.slot(slot), path.slot(slot));
            if !a.is_written() && !b.is_written() {
                continue;
            }
            let what = Linked { frame: number as u8, slot: true, number: slot as u8 };
            let read = slots >> slot & 1 == 1;
            rows.push(Covered {
                place: Place::Slot { frame, offset: -8 * (slot as i32 + 1) },
                kept: describe::slot_value(&a, number, &self.program.maps),
                path: describe::slot_value(&b, number, &self.program.maps),
                how: self.slot(what, &a, &b, read),
            });
        }
        rows
    }

    fn slot(&self, what: Linked, kept: &Slot, path: &Slot, read: bool) -> Cover {
        match () {
            () if kept.is_spill() && path.is_spill() => self.how(what, &kept.spilled, &path.spilled, read),
            () if kept.bytes == path.bytes => Cover::Same,
            () if !read => Cover::Unread,
            () => Cover::Compatible,
        }
    }

    fn how(&self, what: Linked, kept: &Register, path: &Register, read: bool) -> Cover {
        let bare = |register: &Register| Register { precise: false, id: 0, ..*register };
        let tied = |state: &State, id: u32| id != 0 && ties(state, id) > 1;
        let alone = !tied(self.kept, kept.id) && !tied(self.path, path.id);
        match () {
            () if bare(kept) == bare(path) && (kept.id == path.id || alone) => Cover::Same,
            () if !read => Cover::Unread,
            () if !kept.is_scalar() || !path.is_scalar() => Cover::Compatible,
            () if !self.trace.precision.marks_of(self.by).any(|marked| marked == what) => Cover::Inexact,
            () => Cover::Within,
        }
    }
}

/// How many registers have that identity.
fn ties(state: &State, id: u32) -> usize {
    let of = |frame: &Frame| {
        let registers = frame.registers.iter().filter(|register| register.id == id).count();
        registers + frame.stack.iter().filter(|slot| slot.is_spill() && slot.spilled.id == id).count()
    };
    state.frames.iter().map(of).sum()
}
