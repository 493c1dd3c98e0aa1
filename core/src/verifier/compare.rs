//! When one state covers another: every way on from the newer one is a way on from the older one, which
//! was found to be safe.

use alloc::vec::Vec;

use super::precision::Linked;
use super::register::{Kind, Register};
use super::state::{Byte, Frame, Slot, State};

/// How alike two states have to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Exactness {
    /// The older one covers the newer one: what did not matter to it may differ.
    Covering,
    /// As that, but every number matters: the older one's loop is still being walked.
    Within,
    /// The same.
    Exact,
}

/// On which terms two states are compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// How alike they have to be.
    pub how: Exactness,
    /// Numbers that did not matter have to be the same: sums of pointers are guarded by their bounds.
    pub guarded: bool,
    /// The loader may read what was never written to the stack.
    pub unwritten: bool,
}

impl Terms {
    fn covering(self) -> bool {
        self.how == Exactness::Covering
    }

    /// Whether a byte of the older state asks nothing of the newer one's: nothing was written there, or, where
    /// that may be read, something unknown.
    fn asks_nothing(self, byte: Byte) -> bool {
        byte == Byte::Invalid || (self.unwritten && byte == Byte::Misc)
    }

    /// Whether a byte of which nothing is known is as good as one of the older state.
    fn is_unknown(self, byte: Byte) -> bool {
        byte == Byte::Misc || (self.unwritten && byte == Byte::Invalid)
    }

    fn byte(self, old: Byte, new: Byte) -> bool {
        self.asks_nothing(old) || old == new || (old == Byte::Misc && new == Byte::Zero)
    }
}

/// Which id of the newer state stands for which of the older one.
#[derive(Default)]
pub(super) struct Ids {
    pairs: Vec<(u32, u32)>,
    fresh: u32,
}

impl Ids {
    pub(super) fn same(&mut self, old: u32, new: u32) -> bool {
        if (old == 0) != (new == 0) {
            return false;
        }
        if old == 0 {
            return true;
        }
        for (o, n) in &self.pairs {
            if *o == old {
                return *n == new;
            }
            if *n == new {
                return false;
            }
        }
        self.pairs.push((old, new));
        true
    }

    /// As [`Ids::same`]; a number without an id is tied to nothing else.
    fn same_number(&mut self, old: u32, new: u32) -> bool {
        let mut fresh = || {
            self.fresh += 1;
            u32::MAX - self.fresh
        };
        if old == 0 {
            return true;
        }
        let new = if new == 0 { fresh() } else { new };
        self.same(old, new)
    }
}

/// Whether `old` covers `new`; the register or slot in its way, where it does not and one is. `live` says which
/// registers of a frame are read on.
pub(super) fn covers(
    old: &State,
    new: &State,
    terms: Terms,
    live: impl Fn(usize) -> u16,
) -> Result<(), Option<Linked>> {
    if old.frames.len() != new.frames.len() || old.references.len() != new.references.len() {
        return Err(None);
    }
    let mut ids = Ids::default();
    if !old.sections.alike(&new.sections) || !ids.same(old.sections.interrupts, new.sections.interrupts) {
        return Err(None);
    }
    if !old.references.iter().zip(&new.references).all(|(a, b)| a.kind == b.kind && ids.same(a.id, b.id)) {
        return Err(None);
    }
    if old
        .frames
        .iter()
        .zip(&new.frames)
        .any(|(a, b)| a.call_site != b.call_site || a.callback_depth > b.callback_depth)
    {
        return Err(None);
    }
    for (number, (a, b)) in old.frames.iter().zip(&new.frames).enumerate() {
        let blocked = |slot, of: usize| Some(Linked { frame: number as u8, slot, number: of as u8 });
        let live = live(number);
        for (r, (a, b)) in a.registers.iter().zip(&b.registers).enumerate() {
            if live >> r & 1 == 1 && !register(a, b, terms, &mut ids) {
                return Err(blocked(false, r));
            }
        }
        stack(a, b, terms, &mut ids).map_err(|slot| blocked(true, slot))?;
    }
    Ok(())
}

fn exactly(old: &Register, new: &Register, ids: &mut Ids) -> bool {
    old.kind == new.kind
        && old.maybe_null == new.maybe_null
        && old.offset == new.offset
        && old.range == new.range
        && old.var == new.var
        && ids.same(old.id, new.id)
        && ids.same(old.reference, new.reference)
        && ids.same(old.slice_of, new.slice_of)
}

fn register(old: &Register, new: &Register, terms: Terms, ids: &mut Ids) -> bool {
    if terms.how == Exactness::Exact {
        return exactly(old, new, ids);
    }
    if old.kind == Kind::Uninitialised && (terms.covering() || new.kind == Kind::Uninitialised) {
        return true;
    }
    if old.maybe_null != new.maybe_null {
        return false;
    }
    match (old.kind, new.kind) {
        (Kind::Scalar, Kind::Scalar) => {
            if terms.guarded {
                return old.offset == new.offset && old.var == new.var && ids.same_number(old.id, new.id);
            }
            if !old.precise && terms.covering() {
                return true;
            }
            old.add_const == new.add_const
                && old.add_const32 == new.add_const32
                && (!old.add_const || old.offset == new.offset)
                && old.var.covers(&new.var)
                && ids.same_number(old.id, new.id)
        }
        (a, b) if a != b => false,
        (
            Kind::MapValue(_)
            | Kind::MapKey(_)
            | Kind::Memory { .. }
            | Kind::TracepointBuffer
            | Kind::Buffer { .. },
            _,
        ) => {
            old.offset == new.offset
                && old.var.covers(&new.var)
                && ids.same(old.id, new.id)
                && ids.same(old.reference, new.reference)
                && ids.same(old.slice_of, new.slice_of)
        }
        (Kind::Packet | Kind::PacketMeta, _) => {
            let past_end = old.range < 0 || new.range < 0;
            (if past_end { old.range == new.range } else { old.range <= new.range })
                && old.offset == new.offset
                && ids.same(old.id, new.id)
                && old.var.covers(&new.var)
        }
        _ => exactly(old, new, ids),
    }
}

/// A slot as one 64-bit number, where it is one: a spilled one, or bytes of which nothing is known.
fn whole_number(slot: &Slot, terms: Terms) -> Option<&Register> {
    if slot.is_spilled_scalar() && slot.is_full_spill() {
        return Some(&slot.spilled);
    }
    slot.bytes.iter().all(|b| terms.is_unknown(*b)).then_some(&Register::UNKNOWN)
}

/// The slot in the way is the error.
fn stack(old: &Frame, new: &Frame, terms: Terms, ids: &mut Ids) -> Result<(), usize> {
    for (number, a) in old.stack.iter().enumerate() {
        let b = new.peek(number);
        if !terms.covering() && a.bytes != b.bytes {
            return Err(number);
        }
        if matches!(a.bytes[7], Byte::Dynptr | Byte::Iterator | Byte::Interrupts) {
            if a.bytes != b.bytes || !same_object(&a.spilled, &b.spilled, ids) {
                return Err(number);
            }
            continue;
        }
        let nothing = a.bytes.iter().all(|byte| terms.asks_nothing(*byte));
        if nothing && terms.covering() {
            continue;
        }
        // Below what the path touched of its stack there is nothing to compare with.
        if number >= new.stack.len() {
            return Err(number);
        }
        if let (Some(x), Some(y)) = (whole_number(a, terms), whole_number(b, terms)) {
            if !register(x, y, terms, ids) {
                return Err(number);
            }
            continue;
        }
        if !a.bytes.iter().zip(&b.bytes).all(|(x, y)| terms.byte(*x, *y)) {
            return Err(number);
        }
        if a.bytes[7] == Byte::Spill && !register(&a.spilled, &b.spilled, terms, ids) {
            return Err(number);
        }
    }
    Ok(())
}

/// Whether slots of objects on the stack are alike: how often an iterator stepped does not matter.
fn same_object(old: &Register, new: &Register, ids: &mut Ids) -> bool {
    let kind = |kind: Kind| match kind {
        Kind::Iterator { of, drained, first, rcu, .. } => {
            Kind::Iterator { of, drained, depth: 0, first, rcu }
        }
        other => other,
    };
    kind(old.kind) == kind(new.kind)
        && ids.same(old.id, new.id)
        && ids.same(old.reference, new.reference)
        && ids.same(old.slice_of, new.slice_of)
}
