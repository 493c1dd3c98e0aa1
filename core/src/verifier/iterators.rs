//! Open-coded iterators: objects on the stack that kernel functions make, step and destroy; and the saved
//! interrupt flag, which lies on the stack likewise.

use super::compare::Ids;
use super::domain::Scalar;
use super::kernel_call::{KernelCall, is_iterator};
use super::observer::Observer;
use super::register::{Kind, Protection, Register};
use super::state::{Byte, Reference, ReferenceKind, Slot, State, StateId};
use super::{Rejection, Verifier, reject};
use crate::errno::Errno;
use crate::helper::kernel_functions::effect;
use crate::isa::{Pc, Reg};
use crate::object::btf::TypeId;

impl<O: Observer> Verifier<O> {
    /// The frame and the highest-addressed slot's number of `count` slots that a register points to.
    fn stack_object(&self, register: &Register, count: usize) -> Option<(usize, usize)> {
        let Kind::Stack { frame } = register.kind else { return None };
        let offset = i64::from(register.offset) + register.var.as_constant()? as i64;
        if offset >= 0 || offset % 8 != 0 || offset < -512 {
            return None;
        }
        let first = (-offset / 8 - 1) as usize;
        (first + 1 >= count).then_some((frame.into(), first))
    }

    pub(super) fn kernel_iterator_argument(
        &mut self,
        call: &mut KernelCall,
        at: usize,
        reg: Reg,
        register: &Register,
        of: TypeId,
    ) -> Result<(), Rejection> {
        let refuse = |text: core::fmt::Arguments| Err(reject(Errno::EINVAL, text).of(reg));
        if !matches!(register.kind, Kind::Stack { .. }) {
            return refuse(format_args!("arg#{at} expected pointer to an iterator on stack"));
        }
        let Some(kernel) = self.input.kernel_types.clone() else { return Ok(()) };
        let size = kernel.btf.size_of(of).unwrap_or(8);
        let count = size.div_ceil(8) as usize;
        let name = kernel.btf.name_of(of).trim_start_matches("bpf_");
        let place = self.stack_object(register, count);
        let makes = is_iterator(call.function.name, "_new");
        if makes {
            let free = place.is_some_and(|(frame, first)| {
                (0..count).all(|n| {
                    let slot = self.state.frames[frame].slot(first - n);
                    slot.bytes[7] != Byte::Iterator
                })
            });
            let Some((frame, first)) = place.filter(|_| free) else {
                return refuse(format_args!("expected uninitialized {name} as arg #{at}"));
            };
            // The function writes it: stores as of any memory.
            self.clobber_by_stores(register, reg, size.into())?;
            let acquired = self.pc;
            let id = self.new_id();
            let by_rcu = call.function.has(effect::RCU_PROTECTED);
            let rcu = if by_rcu { Protection::Rcu } else { Protection::Own };
            self.state.references.push(Reference { id, acquired, kind: ReferenceKind::Object, owner: None });
            for n in 0..count {
                let kind = Kind::Iterator { of, drained: false, depth: 0, first: n == 0, rcu };
                let reference = if n == 0 { id } else { 0 };
                let slot = Slot {
                    bytes: [Byte::Iterator; 8],
                    spilled: Register { reference, ..Register::pointer(kind) },
                };
                self.state.frames[frame].reach(first);
                self.state.frames[frame].stack[first - n] = slot;
                self.overwrite_slot(frame, first - n);
            }
            return Ok(());
        }
        let initialised = place.filter(|(frame, first)| {
            (0..count).all(|n| {
                let slot = self.state.frames[*frame].slot(first - n);
                let fits = matches!(slot.spilled.kind, Kind::Iterator { of: has, first, .. } if has == of && first == (n == 0));
                slot.bytes == [Byte::Iterator; 8] && fits
            })
        });
        let Some((frame, first)) = initialised else {
            return refuse(format_args!("expected an initialized {name} as arg #{at}"));
        };
        if matches!(
            self.state.frames[frame].slot(first).spilled.kind,
            Kind::Iterator { rcu: Protection::Over, .. }
        ) {
            let message = format_args!("expected an RCU CS when using {}", call.function.name);
            return Err(reject(Errno::EPROTO, message).of(reg));
        }
        self.slots_read(frame, -8 * (first as i64 + 1), -8 * (first as i64 + 1) + 8 * count as i64);
        let reference = self.state.frames[frame].stack[first].spilled.reference;
        call.iterator = Some((frame, first));
        call.set_reference(reference);
        if is_iterator(call.function.name, "_destroy") {
            self.release(reference)?;
            for n in 0..count {
                self.state.frames[frame].stack[first - n] = Slot::EMPTY;
                self.overwrite_slot(frame, first - n);
            }
        }
        Ok(())
    }

    /// An RCU section ends: what iterators would give is not protected any more.
    pub(super) fn end_rcu_of_iterators(&mut self) {
        for frame in &mut self.state.frames {
            for slot in &mut frame.stack {
                if let Kind::Iterator { rcu, .. } = &mut slot.spilled.kind
                    && *rcu == Protection::Rcu
                {
                    *rcu = Protection::Over;
                }
            }
        }
    }

    /// After `next`: the path goes on with the iterator drained and null; that on which it gave an element
    /// waits.
    pub(super) fn fork_iterator(&mut self, pc: Pc, call: &KernelCall) -> Result<(), Rejection> {
        let Some((frame, slot)) = call.iterator else { return Ok(()) };
        let Kind::Iterator { drained, .. } = self.state.frames[frame].stack[slot].spilled.kind else {
            return Ok(());
        };
        if !drained {
            let before = self.earlier_turn(pc);
            self.put_aside(Pc(pc.0 + 1), pc)?;
            let last = self.pending.len() - 1;
            if let Kind::Iterator { depth, .. } =
                &mut self.pending[last].state.frames[frame].stack[slot].spilled.kind
            {
                *depth += 1;
            }
            self.widen_waiting(before);
            let r0 = self.pending[last].state.register_mut(Reg::R0);
            r0.maybe_null = false;
        }
        if let Kind::Iterator { drained, .. } = &mut self.state.frames[frame].stack[slot].spilled.kind {
            *drained = true;
        }
        self.write(Reg::R0, Register::constant(0));
        self.mark_slot(slot);
        Ok(())
    }

    /// The side that was put aside last goes round once more: numbers that differ from the turn before are taken
    /// to be any.
    pub(super) fn widen_waiting(&mut self, before: Option<StateId>) {
        if let Some(kept) = before.and_then(|id| self.kept[id.0 as usize].as_ref())
            && let Some(waiting) = self.pending.last_mut()
        {
            widen(&kept.state, &mut waiting.state);
        }
    }

    /// The state kept at the same instruction, of the same calls, that the state before the current turn grew
    /// from.
    pub(super) fn earlier_turn(&self, pc: Pc) -> Option<StateId> {
        let now = self.state.parent?;
        let before = self.kept[now.0 as usize].as_ref()?.state.parent;
        self.turn_from(before, pc)
    }

    /// The same, of the current state.
    pub(super) fn turn_before(&self, pc: Pc) -> Option<StateId> {
        self.turn_from(self.state.parent, pc)
    }

    fn turn_from(&self, mut at: Option<StateId>, pc: Pc) -> Option<StateId> {
        while let Some(id) = at {
            let kept = self.kept[id.0 as usize].as_ref()?;
            let mut frames = kept.state.frames.iter().zip(&self.state.frames);
            let same_calls = kept.state.frames.len() == self.state.frames.len()
                && frames.all(|(a, b)| a.call_site == b.call_site);
            if kept.state.pc == pc && same_calls {
                return Some(id);
            }
            at = kept.state.parent;
        }
        None
    }

    /// Whether an iterator that the current call steps is not drained.
    pub(super) fn steps_active_iterator(&self) -> bool {
        let register = *self.state.register(Reg::R1);
        let Some((frame, slot)) = self.stack_object(&register, 1) else { return false };
        matches!(self.state.frames[frame].slot(slot).spilled.kind, Kind::Iterator { drained: false, .. })
    }

    pub(super) fn kernel_interrupts_argument(
        &mut self,
        at: usize,
        reg: Reg,
        register: &Register,
        function: &str,
    ) -> Result<(), Rejection> {
        let refuse = |errno, text: core::fmt::Arguments| Err(reject(errno, text).of(reg));
        if !matches!(register.kind, Kind::Stack { .. }) {
            return refuse(Errno::EINVAL, format_args!("arg#{at} doesn't point to an irq flag on stack"));
        }
        let resilient = function.starts_with("bpf_res_spin");
        let place = self.stack_object(register, 1);
        let saves = matches!(function, "bpf_local_irq_save" | "bpf_res_spin_lock_irqsave");
        if saves {
            let free = place.is_some_and(|(frame, slot)| {
                self.state.frames[frame].slot(slot).bytes[7] != Byte::Interrupts
            });
            let Some((frame, slot)) = place.filter(|_| free) else {
                return refuse(Errno::EINVAL, format_args!("expected uninitialized irq flag as arg#{at}"));
            };
            self.clobber_by_stores(register, reg, 8)?;
            let (id, acquired) = (self.new_id(), self.pc);
            self.state.references.push(Reference {
                id,
                acquired,
                kind: ReferenceKind::Interrupts,
                owner: None,
            });
            self.state.sections.interrupts = id;
            self.state.frames[frame].reach(slot);
            self.state.frames[frame].stack[slot] = Slot {
                bytes: [Byte::Interrupts; 8],
                spilled: Register { reference: id, ..Register::pointer(Kind::Interrupts { resilient }) },
            };
            self.overwrite_slot(frame, slot);
            return Ok(());
        }
        let initialised = place
            .filter(|(frame, slot)| self.state.frames[*frame].slot(*slot).bytes == [Byte::Interrupts; 8]);
        let Some((frame, slot)) = initialised else {
            return refuse(Errno::EINVAL, format_args!("expected an initialized irq flag as arg#{at}"));
        };
        self.slots_read(frame, -8 * (slot as i64 + 1), -8 * (slot as i64));
        let flag = self.state.frames[frame].stack[slot].spilled;
        if flag.kind != (Kind::Interrupts { resilient }) {
            let kind = |resilient: bool| if resilient { "bpf_res_spin" } else { "bpf_local_irq" };
            let (has, used) = (kind(!resilient), if resilient { "res_lock" } else { "native" });
            let _ = has;
            let flag = if resilient { "native" } else { "res_lock" };
            return refuse(
                Errno::EINVAL,
                format_args!("irq flag acquired by {flag} kfuncs cannot be restored with {used} kfuncs"),
            );
        }
        let active = self.state.sections.interrupts;
        if active != flag.reference {
            let acquired = self
                .state
                .references
                .iter()
                .find(|r| r.kind == ReferenceKind::Interrupts && r.id == active)
                .map_or(0, |r| r.acquired.0);
            return refuse(
                Errno::EACCES,
                format_args!(
                    "cannot restore irq state out of order, expected id={active} acquired at insn_idx={acquired}"
                ),
            );
        }
        self.state.references.retain(|r| !(r.kind == ReferenceKind::Interrupts && r.id == active));
        self.state.sections.interrupts = self
            .state
            .references
            .iter()
            .rev()
            .find(|r| r.kind == ReferenceKind::Interrupts)
            .map_or(0, |r| r.id);
        self.state.frames[frame].stack[slot] = Slot::EMPTY;
        self.overwrite_slot(frame, slot);
        Ok(())
    }

    /// A call writes memory on the stack before it holds an object: the bytes are checked as stores.
    pub(super) fn clobber_by_stores(
        &mut self,
        register: &Register,
        reg: Reg,
        size: i64,
    ) -> Result<(), Rejection> {
        let off = i64::from(register.offset);
        let from = self.check_initialised(register, reg, off, size, super::memory::Mode::Write, true)?;
        if let Some(from) = from {
            self.clobber_stack(register, from, size)?;
        }
        Ok(())
    }
}

/// Numbers that neither turn relied on, and that differ, are taken to be any.
pub(super) fn widen(old: &State, new: &mut State) {
    let mut ids = Ids::default();
    let mut one = |a: &Register, b: &mut Register| {
        if !a.is_scalar() || !b.is_scalar() || a.precise || b.precise {
            return;
        }
        // Ids may be others where they tie together the same.
        if a.var != b.var || a.offset != b.offset || !ids.same(a.id, b.id) {
            *b = Register::scalar(Scalar::UNKNOWN);
        }
    };
    for (a, b) in old.frames.iter().zip(&mut new.frames) {
        for (a, b) in a.registers.iter().zip(&mut b.registers) {
            one(a, b);
        }
        for (a, b) in a.stack.iter().zip(&mut b.stack) {
            if a.is_spilled_scalar() && b.is_spilled_scalar() {
                one(&a.spilled, &mut b.spilled);
            }
        }
    }
}
