//! Kernel functions (kfuncs): what the verifier has to know of each beyond its BTF prototype.
//!
//! Who may call it, whether it sleeps and whether its pointers have to be trusted the running kernel was asked
//! (`kernel_facts.rs`). What it acquires, gives back and returns is what `Documentation/bpf/kfuncs.rst`
//! and the recorded logs say.

use super::kernel_facts::FACTS;

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
}

use effect::{ACQUIRES, NULL, RCU, RCU_PROTECTED, RELEASES};

/// Effects, by name; a function that is not here has none.
const EFFECTS: &[(&str, u16)] = &[
    ("bpf_cgroup_acquire", ACQUIRES | RCU | NULL),
    ("bpf_cgroup_ancestor", ACQUIRES | RCU | NULL),
    ("bpf_cgroup_from_id", ACQUIRES | NULL),
    ("bpf_cgroup_read_xattr", RCU),
    ("bpf_cgroup_release", RELEASES),
    ("bpf_cpumask_acquire", ACQUIRES),
    ("bpf_cpumask_and", RCU),
    ("bpf_cpumask_any_and_distribute", RCU),
    ("bpf_cpumask_any_distribute", RCU),
    ("bpf_cpumask_clear", RCU),
    ("bpf_cpumask_clear_cpu", RCU),
    ("bpf_cpumask_copy", RCU),
    ("bpf_cpumask_create", ACQUIRES | NULL),
    ("bpf_cpumask_empty", RCU),
    ("bpf_cpumask_equal", RCU),
    ("bpf_cpumask_first", RCU),
    ("bpf_cpumask_first_and", RCU),
    ("bpf_cpumask_first_zero", RCU),
    ("bpf_cpumask_full", RCU),
    ("bpf_cpumask_intersects", RCU),
    ("bpf_cpumask_or", RCU),
    ("bpf_cpumask_populate", RCU),
    ("bpf_cpumask_release", RELEASES),
    ("bpf_cpumask_set_cpu", RCU),
    ("bpf_cpumask_setall", RCU),
    ("bpf_cpumask_subset", RCU),
    ("bpf_cpumask_test_and_clear_cpu", RCU),
    ("bpf_cpumask_test_and_set_cpu", RCU),
    ("bpf_cpumask_test_cpu", RCU),
    ("bpf_cpumask_weight", RCU),
    ("bpf_cpumask_xor", RCU),
    ("bpf_crypto_ctx_acquire", ACQUIRES | RCU | NULL),
    ("bpf_crypto_ctx_create", ACQUIRES | NULL),
    ("bpf_crypto_ctx_release", RELEASES),
    ("bpf_crypto_decrypt", RCU),
    ("bpf_crypto_encrypt", RCU),
    ("bpf_ct_insert_entry", ACQUIRES | NULL | RELEASES),
    ("bpf_ct_release", RELEASES),
    ("bpf_iter_css_new", RCU_PROTECTED),
    ("bpf_iter_css_next", NULL),
    ("bpf_iter_css_task_next", NULL),
    ("bpf_iter_bits_next", NULL),
    ("bpf_iter_dmabuf_next", NULL),
    ("bpf_iter_kmem_cache_next", NULL),
    ("bpf_iter_num_next", NULL),
    ("bpf_iter_task_new", RCU_PROTECTED),
    ("bpf_iter_task_next", NULL),
    ("bpf_iter_task_vma_new", RCU),
    ("bpf_iter_task_vma_next", NULL),
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
    ("bpf_skb_ct_alloc", ACQUIRES | NULL),
    ("bpf_skb_ct_lookup", ACQUIRES | NULL),
    ("bpf_task_acquire", ACQUIRES | RCU | NULL),
    ("bpf_task_from_pid", ACQUIRES | NULL),
    ("bpf_task_from_vpid", ACQUIRES | NULL),
    ("bpf_task_get_cgroup1", ACQUIRES | RCU | NULL),
    ("bpf_task_release", RELEASES),
    ("bpf_task_under_cgroup", RCU),
    ("bpf_xdp_ct_alloc", ACQUIRES | NULL),
    ("bpf_xdp_ct_lookup", ACQUIRES | NULL),
    ("bpf_xdp_get_xfrm_state", ACQUIRES | NULL),
    ("bpf_xdp_xfrm_state_release", RELEASES),
    ("bpf_dynptr_slice", NULL),
    ("bpf_dynptr_slice_rdwr", NULL),
    ("bpf_arena_alloc_pages", NULL),
    ("bpf_lookup_user_key", ACQUIRES | NULL),
    ("bpf_lookup_system_key", ACQUIRES | NULL),
    ("bpf_key_put", RELEASES),
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
        let (name, programs, sleeps, trusted) = FACTS[at];
        let effects = EFFECTS.iter().find(|row| row.0 == name).map_or(0, |row| row.1);
        Some(KernelFunction { name, programs, sleeps, trusted, effects })
    }

    /// Whether programs of the type may call it. Tracing programs may what tracepoints may.
    pub fn allows(&self, program_type: u32) -> bool {
        let number = if matches!(program_type, 26 | 29) { 5 } else { program_type };
        number < 64 && self.programs >> number & 1 == 1
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
}
