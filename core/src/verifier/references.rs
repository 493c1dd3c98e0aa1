//! References that a program holds: what acquires them, what gives them back.

use core::fmt::Write;

use super::observer::Observer;
use super::register::Register;
use super::state::{Reference, ReferenceKind, State};
use super::{Rejection, Verifier, reject};
use crate::errno::Errno;
use crate::isa::{Pc, Reg};

impl<O: Observer> Verifier<O> {
    /// A new reference, acquired by the instruction.
    pub(super) fn acquire(&mut self, acquired: Pc) -> u32 {
        let id = self.new_id();
        self.state.references.push(Reference { id, acquired, kind: ReferenceKind::Object, owner: None });
        id
    }

    /// Gives a reference back: whatever belongs to it may not be used any more.
    ///
    /// # Errors
    /// `EINVAL` where it is not held.
    pub(super) fn release(&mut self, id: u32) -> Result<(), Rejection> {
        if !release(&mut self.state, id) {
            return Err(reject(Errno::EINVAL, ""));
        }
        self.forget(|r| r.reference == id);
        Ok(())
    }

    /// A register whose reference the call gives back: it has one, and points to its start.
    pub(super) fn check_released(&self, register: &Register, reg: Reg) -> Result<(), Rejection> {
        let r = reg.number();
        if register.offset != 0 && register.is_pointer() {
            let message = format_args!(
                "R{r} must have zero offset when passed to release func or trusted arg to kfunc"
            );
            return Err(reject(Errno::EINVAL, message).of(reg));
        }
        if register.reference == 0 && !register.is_null() {
            let message = format_args!("R{r} must be referenced when passed to release function");
            return Err(reject(Errno::EINVAL, message).of(reg));
        }
        Ok(())
    }

    /// Every reference has been given back.
    pub(super) fn check_references(&mut self, what: &str) -> Result<(), Rejection> {
        let objects = || self.state.references.iter().filter(|r| r.kind == ReferenceKind::Object);
        for reference in objects() {
            let _ = writeln!(
                self.log,
                "Unreleased reference id={} alloc_insn={}",
                reference.id, reference.acquired
            );
        }
        if objects().next().is_none() {
            return Ok(());
        }
        Err(reject(Errno::EINVAL, format_args!("{what} would lead to reference leak")))
    }
}

/// Takes a reference off a state's list; whether it was there.
pub(super) fn release(state: &mut State, id: u32) -> bool {
    let object = |r: &Reference| r.id == id && r.kind == ReferenceKind::Object;
    let Some(at) = state.references.iter().position(object) else { return false };
    state.references.remove(at);
    true
}
