//! Kernel functions (kfuncs): what the verifier has to know of each beyond its BTF prototype.
//!
//! The running kernel was asked (`kernel_facts.rs`): who may call it, whether it sleeps, what its pointers have to
//! be, what it acquires, gives back and returns.

use super::kernel_facts::{BY_ATTACH_TYPE, FACTS};

/// What a kernel function does, as bits.
pub mod effect {
    /// Its result has to be given back.
    pub const ACQUIRES: u16 = 1;
    /// It gives a reference back.
    pub const RELEASES: u16 = 2;
    /// Its result may be null.
    pub const NULL: u16 = 4;
    /// Its pointers have to be valid, by a reference or by RCU.
    pub const RCU: u16 = 8;
    /// It is called, and its result is used, within RCU.
    pub const RCU_PROTECTED: u16 = 16;
    /// Its result may point to nothing.
    pub const UNTRUSTED: u16 = 32;
}

use effect::{ACQUIRES, NULL, RCU, RELEASES};

/// What a function's pointers to the kernel's objects have to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trusts {
    /// Typed; they may be stale.
    Nothing,
    /// Held valid: by a reference, or by who gave them.
    Trusted,
    /// The same, or valid within an RCU section.
    Rcu,
}

/// Effects of functions whose calls need what a probe can't make (lists, trees, objects of the program's own types).
/// From `Documentation/bpf/kfuncs.rst` and the recorded logs.
const EFFECTS: &[(&str, u16)] = &[
    ("bpf_kfunc_call_memb_release", RELEASES),
    ("bpf_kfunc_call_test_release", RELEASES),
    ("bpf_list_back", NULL),
    ("bpf_list_front", NULL),
    ("bpf_list_pop_back", ACQUIRES | NULL),
    ("bpf_list_pop_front", ACQUIRES | NULL),
    ("bpf_obj_drop_impl", RELEASES),
    ("bpf_obj_new_impl", ACQUIRES | NULL),
    ("bpf_percpu_obj_drop_impl", RELEASES),
    ("bpf_percpu_obj_new_impl", ACQUIRES | NULL),
    ("bpf_rbtree_first", NULL),
    ("bpf_rbtree_left", NULL),
    ("bpf_rbtree_remove", ACQUIRES | NULL),
    ("bpf_rbtree_right", NULL),
    ("bpf_rbtree_root", NULL),
    ("bpf_refcount_acquire_impl", ACQUIRES | NULL | RCU),
    ("bpf_task_release", RELEASES),
];

/// What is known of a kernel function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KernelFunction {
    /// Its name.
    pub name: &'static str,
    /// Which program types may call it: bit N is type N.
    pub programs: u64,
    /// It may sleep.
    pub sleeps: bool,
    /// Its pointers have to be trusted, or valid by RCU.
    pub trusted: bool,
    /// Bits of [`effect`].
    pub effects: u16,
}

impl KernelFunction {
    /// The function of that name, where programs may call it.
    pub fn by_name(name: &str) -> Option<KernelFunction> {
        let at = FACTS.binary_search_by(|row| row.0.cmp(name)).ok()?;
        let (name, programs, sleeps, trusts, effects) = FACTS[at];
        let more = EFFECTS.iter().find(|row| row.0 == name).map_or(0, |row| row.1);
        let rcu = if trusts == Trusts::Rcu { RCU } else { 0 };
        let (trusted, effects) = (trusts != Trusts::Nothing, effects | more | rcu);
        Some(KernelFunction { name, programs, sleeps, trusted, effects })
    }

    /// Whether programs of the type, with the expected attach type, may call it.
    pub fn allows(&self, program_type: u32, attach_type: u32) -> bool {
        let by_type = program_type < 64 && self.programs >> program_type & 1 == 1;
        let other = BY_ATTACH_TYPE
            .iter()
            .any(|row| row.0 == self.name && row.1 == program_type && row.2.contains(&attach_type));
        by_type != other
    }

    /// Whether it has one of these effects.
    pub fn has(&self, effects: u16) -> bool {
        self.effects & effects != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_effect_is_of_a_function_that_programs_may_call() {
        assert!(FACTS.is_sorted_by_key(|row| row.0));
        for (name, _) in EFFECTS {
            assert!(KernelFunction::by_name(name).is_some(), "{name}");
        }
        assert!(KernelFunction::by_name("bpf_nothing").is_none());
    }

    #[test]
    fn what_the_kernel_was_asked_is_not_said_twice() {
        use super::super::kernel_facts::NOT_CALLED;
        for (name, _) in EFFECTS.iter() {
            assert!(NOT_CALLED.contains(name), "{name}");
        }
    }

    #[test]
    fn an_attach_type_can_allow_more() {
        let function = KernelFunction::by_name("bpf_sock_destroy").unwrap();
        assert!(function.allows(26, 28) && !function.allows(26, 23) && !function.allows(3, 0));
    }
}
