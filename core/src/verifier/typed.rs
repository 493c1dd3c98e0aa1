//! Pointers to objects whose layout BTF tells: the kernel's, and those that a program allocates.

use crate::object::btf::TypeId;

/// Whose BTF a type is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TypeSource {
    /// The kernel's.
    Kernel,
    /// The program's.
    Program,
    /// A map's, by its index in the program's list of maps.
    Map(u16),
}

/// A type of some BTF.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TypeRef {
    /// Whose.
    pub source: TypeSource,
    /// Which.
    pub id: TypeId,
}

/// How far a typed pointer can be relied on: bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Trust(u16);

#[allow(missing_docs)]
impl Trust {
    pub const NONE: Trust = Trust(0);
    /// The kernel holds it valid.
    pub const TRUSTED: Trust = Trust(1);
    /// Valid within an RCU section.
    pub const RCU: Trust = Trust(2);
    /// It may point to nothing: loads are probed.
    pub const UNTRUSTED: Trust = Trust(4);
    /// A per-CPU object.
    pub const PER_CPU: Trust = Trust(8);
    /// User memory.
    pub const USER: Trust = Trust(16);
    /// The program allocated it.
    pub const ALLOCATED: Trust = Trust(32);
    /// Owned by a list or tree, valid while its lock is held.
    pub const NON_OWNING: Trust = Trust(64);
    /// To read alone.
    pub const READ_ONLY: Trust = Trust(128);

    /// These and those.
    pub const fn with(self, other: Trust) -> Trust {
        Trust(self.0 | other.0)
    }
    /// These without those.
    pub const fn without(self, other: Trust) -> Trust {
        Trust(self.0 & !other.0)
    }
    /// Whether any of them is there.
    pub const fn has(self, other: Trust) -> bool {
        self.0 & other.0 != 0
    }
}

/// The log's word before a typed pointer's type, by trust and whether it may be null.
pub(super) fn name(trust: Trust, maybe_null: bool) -> &'static str {
    const SHOWN: Trust =
        Trust::TRUSTED.with(Trust::RCU).with(Trust::UNTRUSTED).with(Trust::PER_CPU).with(Trust::USER);
    let shown = Trust(trust.0 & SHOWN.0);
    let row = NAMES.iter().find(|row| row.0 == shown).unwrap_or(&NAMES[0]);
    if maybe_null { row.2 } else { row.1 }
}

/// As the log words them.
const NAMES: &[(Trust, &str, &str)] = &[
    (Trust::NONE, "ptr_", "ptr_or_null_"),
    (Trust::TRUSTED, "trusted_ptr_", "trusted_ptr_or_null_"),
    (Trust::RCU, "rcu_ptr_", "rcu_ptr_or_null_"),
    (Trust::UNTRUSTED, "untrusted_ptr_", "untrusted_ptr_or_null_"),
    (Trust::PER_CPU, "percpu_ptr_", "percpu_ptr_or_null_"),
    (Trust::USER, "user_ptr_", "user_ptr_or_null_"),
    (Trust::PER_CPU.with(Trust::RCU), "percpu_rcu_ptr_", "percpu_rcu_ptr_or_null_"),
    (Trust::PER_CPU.with(Trust::TRUSTED), "percpu_trusted_ptr_", "percpu_trusted_ptr_or_null_"),
    (Trust::PER_CPU.with(Trust::UNTRUSTED), "percpu_untrusted_ptr_", "percpu_untrusted_ptr_or_null_"),
    (Trust::USER.with(Trust::TRUSTED), "user_trusted_ptr_", "user_trusted_ptr_or_null_"),
    (Trust::USER.with(Trust::UNTRUSTED), "user_untrusted_ptr_", "user_untrusted_ptr_or_null_"),
];
