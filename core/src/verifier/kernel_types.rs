//! Types of the kernel's BTF, compared and taken apart.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::object::btf::{Btf, Type, TypeId};

/// Whether an object of one type is, at an offset, one of another: itself, or, unless `strict`, its first
/// members.
pub(super) fn is_same_type(btf: &Btf, has: TypeId, offset: i32, wanted: TypeId, strict: bool) -> bool {
    let (mut id, wanted) = (btf.resolve(has), btf.resolve(wanted));
    let Ok(mut offset) = u32::try_from(offset) else { return false };
    let alike = |a: TypeId, b: TypeId| {
        a == b
            || (btf.name_of(a) == btf.name_of(b)
                && !btf.name_of(a).is_empty()
                && btf.size_of(a) == btf.size_of(b))
    };
    if offset == 0 && alike(id, wanted) {
        return true;
    }
    if strict {
        return false;
    }
    for _ in 0..16 {
        let Some(Type::Struct { members, .. } | Type::Union { members, .. }) = btf.get(id) else {
            return false;
        };
        let inner = btf.members(members).iter().find_map(|m| {
            let start = m.bit_offset / 8;
            let mut kind = btf.resolve(m.of);
            let size = btf.size_of(kind)?;
            if m.bit_size != 0 || !(start..start.saturating_add(size.max(1))).contains(&offset) {
                return None;
            }
            let mut rest = offset - start;
            while let Some(Type::Array { element, .. }) = btf.get(kind) {
                kind = btf.resolve(*element);
                rest %= btf.size_of(kind)?.max(1);
            }
            matches!(btf.get(kind), Some(Type::Struct { .. } | Type::Union { .. })).then_some((kind, rest))
        });
        let Some((kind, rest)) = inner else { return false };
        if rest == 0 && alike(kind, wanted) {
            return true;
        }
        (id, offset) = (kind, rest);
    }
    false
}

/// Names of a function's parameters.
pub(super) fn parameter_names(btf: &Btf, function: TypeId) -> Vec<String> {
    let Some(Type::Function { prototype, .. }) = btf.get(function) else { return Vec::new() };
    let Some(Type::Prototype { parameters, .. }) = btf.get(*prototype) else { return Vec::new() };
    btf.parameters(parameters).iter().map(|p| btf.text(p.name).to_string()).collect()
}
