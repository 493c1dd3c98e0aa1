//! Fields of a map's value that are more than bytes: locks, timers, lists, kernel pointers.
//!
//! The value's BTF type says where they are (`Documentation/bpf/bpf_design_QA.rst`, `bpf-helpers(7)`).

use crate::object::btf::{Btf, Type, TypeId};

/// Structures that only the kernel may read and write.
const STRUCTURES: &[&str] = &[
    "bpf_spin_lock",
    "bpf_res_spin_lock",
    "bpf_timer",
    "bpf_wq",
    "bpf_task_work",
    "bpf_list_head",
    "bpf_list_node",
    "bpf_rb_root",
    "bpf_rb_node",
    "bpf_refcount",
];
/// Tags of pointers that the kernel keeps (`__kptr` and its siblings).
const POINTER_TAGS: &[&str] = &["kptr", "kptr_untrusted", "percpu_kptr", "uptr"];
/// How deep structures are looked into: past what a value of 32-bit size can hold.
const MAX_DEPTH: u32 = 32;

/// Whether a value of that type has a field that is more than bytes.
pub fn has_special_field(btf: &Btf, value: TypeId) -> bool {
    special(btf, value, MAX_DEPTH)
}

fn special(btf: &Btf, id: TypeId, depth: u32) -> bool {
    let id = btf.resolve(id);
    let Some(depth) = depth.checked_sub(1) else { return false };
    match btf.get(id) {
        Some(Type::Struct { members, .. } | Type::Union { members, .. }) => {
            STRUCTURES.contains(&btf.name_of(id))
                || btf.members(members).iter().any(|member| special(btf, member.of, depth))
        }
        Some(Type::Section { variables, .. }) => {
            btf.variables(variables).iter().any(|variable| special(btf, variable.variable, depth))
        }
        Some(Type::Variable { of, .. }) => special(btf, *of, depth),
        Some(Type::Array { element, .. }) => special(btf, *element, depth),
        Some(Type::Pointer { to }) => match btf.get(*to) {
            Some(Type::TypeTag { .. }) => POINTER_TAGS.contains(&btf.name_of(*to)),
            _ => false,
        },
        _ => false,
    }
}
