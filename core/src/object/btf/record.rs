//! Fields of a structure that are more than bytes: locks, timers, lists, trees, kernel pointers.
//!
//! BTF says where they are: by the names of the structures that the uapi header has for them, by tags of
//! pointers (`__kptr` and its siblings), and by declaration tags that say what a list or tree holds
//! (`contains:type:member`).

use alloc::vec::Vec;

use super::{Btf, Type, TypeId};

/// What a field is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FieldKind {
    /// `struct bpf_spin_lock`
    SpinLock,
    /// `struct bpf_res_spin_lock`
    ResilientSpinLock,
    /// `struct bpf_timer`
    Timer,
    /// `struct bpf_wq`
    Workqueue,
    /// `struct bpf_task_work`
    TaskWork,
    /// `struct bpf_refcount`
    RefCount,
    /// `struct bpf_list_head`, whose nodes are at `node` of objects of type `of`.
    ListHead {
        /// The objects' type.
        of: TypeId,
        /// Byte offset of the node in them.
        node: u32,
    },
    /// `struct bpf_list_node`
    ListNode,
    /// `struct bpf_rb_root`, whose nodes are at `node` of objects of type `of`.
    TreeRoot {
        /// The objects' type.
        of: TypeId,
        /// Byte offset of the node in them.
        node: u32,
    },
    /// `struct bpf_rb_node`
    TreeNode,
    /// A pointer that the kernel keeps, to a type of the BTF's own name.
    Pointer {
        /// How it is kept.
        tag: PointerTag,
        /// The type pointed to.
        of: TypeId,
    },
}

/// How a pointer is kept in a map's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PointerTag {
    /// `__kptr_untrusted`
    Untrusted,
    /// `__kptr`
    Referenced,
    /// `__percpu_kptr`
    PerCpu,
    /// `__uptr`
    User,
}

impl FieldKind {
    /// The kernel log's word for the field.
    pub fn name(self) -> &'static str {
        match self {
            FieldKind::SpinLock => "bpf_spin_lock",
            FieldKind::ResilientSpinLock => "bpf_res_spin_lock",
            FieldKind::Timer => "bpf_timer",
            FieldKind::Workqueue => "bpf_wq",
            FieldKind::TaskWork => "bpf_task_work",
            FieldKind::RefCount => "bpf_refcount",
            FieldKind::ListHead { .. } => "bpf_list_head",
            FieldKind::ListNode => "bpf_list_node",
            FieldKind::TreeRoot { .. } => "bpf_rb_root",
            FieldKind::TreeNode => "bpf_rb_node",
            FieldKind::Pointer { tag: PointerTag::PerCpu, .. } => "percpu_kptr",
            FieldKind::Pointer { tag: PointerTag::User, .. } => "uptr",
            FieldKind::Pointer { .. } => "kptr",
        }
    }
}

/// A field that is more than bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field {
    /// What it is.
    pub kind: FieldKind,
    /// Bytes from the value's start.
    pub offset: u32,
    /// Bytes.
    pub size: u32,
}

/// How deep structures are looked into.
const MAX_DEPTH: u32 = 16;
/// Most fields of a value (`BTF_FIELDS_MAX`).
const MAX_FIELDS: usize = 11;

/// The fields of a value of that type, in order; `None` where there are more than a value may have, or a list
/// or tree does not say what it holds.
pub fn fields(btf: &Btf, of: TypeId) -> Option<Vec<Field>> {
    let mut found = Vec::new();
    collect(btf, of, 0, MAX_DEPTH, &mut found)?;
    found.sort_by_key(|f| f.offset);
    (found.len() <= MAX_FIELDS).then_some(found)
}

/// The fields of a map's value: nodes are bytes there, and a list or tree that holds what the BTF does not have
/// leaves it without fields.
pub fn map_fields(btf: &Btf, of: TypeId) -> Vec<Field> {
    let is_node = |f: &Field| matches!(f.kind, FieldKind::ListNode | FieldKind::TreeNode);
    fields(btf, of).unwrap_or_default().into_iter().filter(|f| !is_node(f)).collect()
}

fn collect(btf: &Btf, of: TypeId, base: u32, depth: u32, found: &mut Vec<Field>) -> Option<()> {
    let depth = depth.checked_sub(1)?;
    let id = btf.resolve(of);
    match btf.get(id) {
        Some(Type::Struct { members, .. } | Type::Union { members, .. }) => {
            for (number, member) in btf.members(members).iter().enumerate() {
                if member.bit_size == 0 {
                    let at = base + member.bit_offset / 8;
                    place(btf, id, number as i32, member.of, at, depth, found)?;
                }
            }
        }
        Some(Type::Section { variables, .. }) => {
            for variable in btf.variables(variables) {
                if let Some(Type::Variable { of, .. }) = btf.get(variable.variable) {
                    place(btf, variable.variable, -1, *of, base + variable.offset, depth, found)?;
                }
            }
        }
        _ => {}
    }
    Some(())
}

/// Takes a member or variable: `owner` and `component` say where its declaration tags are.
fn place(
    btf: &Btf,
    owner: TypeId,
    component: i32,
    of: TypeId,
    offset: u32,
    depth: u32,
    found: &mut Vec<Field>,
) -> Option<()> {
    let mut id = btf.resolve(of);
    let mut count = 1u32;
    while let Some(Type::Array { element, len, .. }) = btf.get(id) {
        count = count.saturating_mul(*len);
        id = btf.resolve(*element);
    }
    let size = btf.size_of(id)?;
    let kind = match btf.get(id) {
        Some(Type::Struct { .. }) => {
            let contains = || contained(btf, owner, component);
            match btf.name_of(id) {
                "bpf_spin_lock" => Some(FieldKind::SpinLock),
                "bpf_res_spin_lock" => Some(FieldKind::ResilientSpinLock),
                "bpf_timer" => Some(FieldKind::Timer),
                "bpf_wq" => Some(FieldKind::Workqueue),
                "bpf_task_work" => Some(FieldKind::TaskWork),
                "bpf_refcount" => Some(FieldKind::RefCount),
                "bpf_list_node" => Some(FieldKind::ListNode),
                "bpf_rb_node" => Some(FieldKind::TreeNode),
                "bpf_list_head" => {
                    let (of, node) = contains()?;
                    Some(FieldKind::ListHead { of, node })
                }
                "bpf_rb_root" => {
                    let (of, node) = contains()?;
                    Some(FieldKind::TreeRoot { of, node })
                }
                _ => None,
            }
        }
        Some(Type::Pointer { to }) => match btf.get(*to) {
            Some(Type::TypeTag { name, to }) => {
                let tag = match btf.text(*name) {
                    "kptr_untrusted" => Some(PointerTag::Untrusted),
                    "kptr" => Some(PointerTag::Referenced),
                    "percpu_kptr" => Some(PointerTag::PerCpu),
                    "uptr" => Some(PointerTag::User),
                    _ => None,
                };
                tag.map(|tag| FieldKind::Pointer { tag, of: btf.resolve(*to) })
            }
            _ => None,
        },
        _ => None,
    };
    for element in 0..count.min(MAX_FIELDS as u32 + 1) {
        let at = offset + element * size;
        match kind {
            Some(kind) => found.push(Field { kind, offset: at, size }),
            None => {
                collect(btf, id, at, depth, found)?;
            }
        }
        if found.len() > MAX_FIELDS {
            return None;
        }
        if kind.is_none() && !matches!(btf.get(id), Some(Type::Struct { .. } | Type::Union { .. })) {
            break;
        }
    }
    Some(())
}

/// What a list or tree holds, by its `contains:type:member` tag.
fn contained(btf: &Btf, owner: TypeId, component: i32) -> Option<(TypeId, u32)> {
    let tag = btf.types().find_map(|(_, ty)| match ty {
        Type::DeclTag { name, of, component: at } if *of == owner && *at == component => {
            btf.text(*name).strip_prefix("contains:")
        }
        _ => None,
    })?;
    let (name, member) = tag.split_once(':')?;
    let of = btf.find(name, |ty| matches!(ty, Type::Struct { .. }))?;
    let Some(Type::Struct { members, .. }) = btf.get(of) else { return None };
    let node = btf.members(members).iter().find(|m| btf.text(m.name) == member)?;
    Some((of, node.bit_offset / 8))
}
