//! Spin locks in maps' values and allocated objects.

use super::observer::Observer;
use super::register::{Kind, Register};
use super::sections::LockOwner;
use super::state::{Reference, ReferenceKind};
use super::typed::Trust;
use super::{Rejection, Verifier, reject};
use crate::errno::Errno;
use crate::isa::Reg;
use crate::object::btf::record::{Field, FieldKind};

/// Which kind of lock, and whether it is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct LockUse {
    pub kind: ReferenceKind,
    pub takes: bool,
}

impl<O: Observer> Verifier<O> {
    /// The fields that are more than bytes of what a register points into.
    pub(super) fn fields_behind(&self, register: &Register) -> alloc::vec::Vec<Field> {
        match register.kind {
            Kind::MapValue(map) => self.maps[usize::from(map.0)].fields.clone(),
            Kind::Typed { of, trust } if trust.has(Trust::ALLOCATED) => self.fields_of(of),
            _ => alloc::vec::Vec::new(),
        }
    }

    /// Whether what a register points into may have a lock: its id is kept then.
    pub(super) fn may_hold_lock(&self, register: &Register) -> bool {
        let is_lock = |f: &Field| matches!(f.kind, FieldKind::SpinLock | FieldKind::ResilientSpinLock);
        match register.kind {
            Kind::MapValue(map) => self.maps[usize::from(map.0)].fields.iter().any(is_lock),
            Kind::Typed { trust, .. } if trust.has(Trust::ALLOCATED) => {
                self.fields_behind(register).iter().any(is_lock)
            }
            _ => false,
        }
    }

    /// A lock is taken or given back.
    pub(super) fn use_lock(&mut self, reg: Reg, lock: LockUse) -> Result<(), Rejection> {
        let register = *self.state.register(reg);
        let (r, resilient) = (reg.number(), lock.kind != ReferenceKind::Lock);
        let word = if resilient { "bpf_res_spin" } else { "bpf_spin" };
        let refuse = |text: core::fmt::Arguments| Err(reject(Errno::EINVAL, text).of(reg));
        let Some(variable) = register.var.as_constant() else {
            return refuse(format_args!(
                "R{r} doesn't have constant offset. {word}_lock has to be at the constant offset"
            ));
        };
        let Some(owner) = LockOwner::of(&register) else { return Ok(()) };
        let (what, name) = match owner {
            LockOwner::Map(map) => ("map", self.maps[usize::from(map.0)].spec.name.clone()),
            LockOwner::Object(_) => ("local", "kptr".into()),
        };
        if let LockOwner::Map(map) = owner
            && self.maps[usize::from(map.0)].types.is_none()
        {
            return refuse(format_args!("map '{name}' has to have BTF in order to use {word}_lock"));
        }
        let wanted = if resilient { FieldKind::ResilientSpinLock } else { FieldKind::SpinLock };
        let Some(field) = self.fields_behind(&register).into_iter().find(|f| f.kind == wanted) else {
            return refuse(format_args!("{what} '{name}' has no valid {word}_lock"));
        };
        let at = i64::from(register.offset) + variable as i64;
        if at != i64::from(field.offset) {
            return refuse(format_args!(
                "off {at} doesn't point to 'struct {word}_lock' that is at {}",
                field.offset
            ));
        }
        let id = register.id;
        let held = |kind: ReferenceKind, v: &Verifier<O>| {
            v.state.references.iter().any(|f| f.kind == kind && f.id == id && f.owner == Some(owner))
        };
        if lock.takes {
            if self.state.sections.locks > 0 {
                let plain = self.state.references.iter().any(|f| f.kind == ReferenceKind::Lock);
                if !resilient && plain {
                    return refuse(format_args!("Locking two bpf_spin_locks are not allowed"));
                }
                let same = held(ReferenceKind::ResilientLock, self)
                    || held(ReferenceKind::ResilientLockInterrupts, self);
                if resilient && same {
                    return refuse(format_args!("Acquiring the same lock again, AA deadlock detected"));
                }
            }
            let acquired = self.pc;
            self.state.references.push(Reference { id, acquired, kind: lock.kind, owner: Some(owner) });
            self.state.sections.locks += 1;
            self.state.sections.lock = Some((id, owner));
            return Ok(());
        }
        if self.state.sections.locks == 0 {
            return refuse(format_args!("{word}_unlock without taking a lock"));
        }
        if !held(lock.kind, self) {
            return refuse(format_args!("{word}_unlock of different lock"));
        }
        if self.state.sections.lock != Some((id, owner)) {
            return refuse(format_args!("{word}_unlock cannot be out of order"));
        }
        let found = self
            .state
            .references
            .iter()
            .rposition(|f| f.kind == lock.kind && f.id == id && f.owner == Some(owner));
        if let Some(at) = found {
            self.state.references.remove(at);
        }
        self.state.sections.locks -= 1;
        let is_lock = |f: &&Reference| f.owner.is_some();
        self.state.sections.lock =
            self.state.references.iter().rev().find(is_lock).and_then(|f| f.owner.map(|o| (f.id, o)));
        // What a list or tree owns may go once the lock is free.
        self.state.forget(|r| matches!(r.kind, Kind::Typed { trust, .. } if trust.has(Trust::NON_OWNING)));
        Ok(())
    }

    /// The lock of the allocation that a register points into is held.
    pub(super) fn is_locked(&mut self, register: &Register) -> bool {
        use core::fmt::Write;
        if self.state.sections.locks == 0 {
            return false;
        }
        let owner = LockOwner::of(register);
        let held = self
            .state
            .references
            .iter()
            .any(|f| f.owner.is_some() && f.id == register.id && f.owner == owner);
        if !held {
            let _ = writeln!(self.log, "held lock and object are not in the same allocation");
        }
        held
    }
}
