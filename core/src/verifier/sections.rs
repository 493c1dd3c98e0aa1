//! Sections of a program in which it may do less: while it holds a lock, within RCU, with preemption or
//! interrupts off.

use super::observer::Observer;
use super::register::{Kind, MapRef, Register};
use super::{Rejection, Verifier, flag, reject};
use crate::errno::Errno;

/// The sections that a path is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sections {
    /// RCU read sections entered.
    pub rcu: u32,
    /// Times that preemption was switched off.
    pub preempt: u32,
    /// The saved interrupt flag that has to be restored next, or 0.
    pub interrupts: u32,
    /// Locks held.
    pub locks: u32,
    /// Id and owner of the last lock taken.
    pub lock: Option<(u32, LockOwner)>,
    /// Callbacks that were entered on the path.
    pub callbacks: u32,
    /// A callback that may sleep whatever the program may.
    pub sleepable_callback: bool,
}

/// What a lock is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LockOwner {
    /// A map's value.
    Map(MapRef),
    /// An object that the program allocated, of that type.
    Object(super::typed::TypeRef),
}

impl LockOwner {
    /// What a register points into, where that can have a lock.
    pub fn of(register: &Register) -> Option<LockOwner> {
        match register.kind {
            Kind::MapValue(map) => Some(LockOwner::Map(map)),
            Kind::Typed { of, .. } => Some(LockOwner::Object(of)),
            _ => None,
        }
    }
}

impl Sections {
    /// Whether both are in the same sections, ids apart.
    pub fn alike(&self, other: &Sections) -> bool {
        self.rcu == other.rcu
            && self.preempt == other.preempt
            && (self.interrupts == 0) == (other.interrupts == 0)
            && self.locks == other.locks
            && self.sleepable_callback == other.sleepable_callback
    }
}

impl<O: Observer> Verifier<O> {
    /// Whether the program may sleep outside any section.
    pub(super) fn is_sleepable(&self) -> bool {
        self.input.flags & flag::SLEEPABLE != 0 || self.state.sections.sleepable_callback
    }

    /// A global function may be called here.
    pub(super) fn may_call_global(&self, sleeps: bool) -> Result<(), Rejection> {
        let s = &self.state.sections;
        if s.locks > 0 {
            let message =
                "global function calls are not allowed while holding a lock,\nuse static function instead";
            return Err(reject(Errno::EINVAL, message));
        }
        if sleeps && (s.rcu > 0 || s.preempt > 0 || s.interrupts > 0 || !self.is_sleepable()) {
            let message = "global functions that may sleep are not allowed in non-sleepable context,\n\
                           i.e., in a RCU/IRQ/preempt-disabled section, or in\na non-sleepable BPF program \
                           context";
            return Err(reject(Errno::EINVAL, message));
        }
        Ok(())
    }

    /// A helper may be called here.
    pub(super) fn check_sections_of_helper(
        &self,
        number: i32,
        name: &str,
        sleeps: bool,
    ) -> Result<(), Rejection> {
        let s = &self.state.sections;
        let within = if s.rcu > 0 {
            "in rcu_read_lock region"
        } else if s.preempt > 0 {
            "in non-preemptible region"
        } else if s.interrupts > 0 {
            "in IRQ-disabled region"
        } else {
            return Ok(());
        };
        if !sleeps {
            return Ok(());
        }
        Err(reject(Errno::EINVAL, format_args!("sleepable helper {name}#{number} {within}")))
    }

    /// No section, lock or reference is left open, as the program ends or hands over.
    pub(super) fn check_resources(&mut self, what: &str, references: bool) -> Result<(), Rejection> {
        let refuse = |text: core::fmt::Arguments| Err(reject(Errno::EINVAL, text));
        if references {
            let sections = self.state.sections;
            if sections.locks > 0 {
                return refuse(format_args!("{what} cannot be used inside bpf_spin_lock-ed region"));
            }
            self.check_references(what)?;
            if sections.interrupts > 0 {
                return refuse(format_args!("{what} cannot be used inside bpf_local_irq_save-ed region"));
            }
            if sections.rcu > 0 {
                return refuse(format_args!("{what} cannot be used inside bpf_rcu_read_lock-ed region"));
            }
            if sections.preempt > 0 {
                return refuse(format_args!("{what} cannot be used inside bpf_preempt_disable-ed region"));
            }
        }
        Ok(())
    }
}
