//! Maps whose values have fields that are more than bytes: which map types take them, and what the system call
//! sees of them.

use alloc::sync::Arc;

use super::Kernel;
use super::descriptors::Object;
use super::maps::{LOCK, Target};
use crate::arena::Memory;
use crate::errno::Errno;
use crate::map::{MapId, types};
use crate::object::btf::record::{self, Field, FieldKind};
use crate::object::btf::{Btf, TypeId};

/// Map types by number, as bits.
const fn mask_of(numbers: &[u32]) -> u64 {
    let (mut mask, mut at) = (0, 0);
    while at < numbers.len() {
        mask |= 1 << numbers[at];
        at += 1;
    }
    mask
}

/// Map types whose values may have a kind of field.
fn taken_by(kind: FieldKind) -> u64 {
    match kind {
        FieldKind::SpinLock | FieldKind::ResilientSpinLock => mask_of(&[1, 2, 19, 21, 24, 28, 29, 32]),
        FieldKind::Timer | FieldKind::Workqueue | FieldKind::TaskWork => mask_of(&[1, 2, 9]),
        FieldKind::Pointer { tag: record::PointerTag::User, .. } => mask_of(&[29]),
        FieldKind::Pointer { .. } | FieldKind::RefCount => mask_of(&[1, 2, 5, 6, 9, 10, 24, 28, 29, 32]),
        FieldKind::ListHead { .. } | FieldKind::TreeRoot { .. } => mask_of(&[1, 2, 9]),
        FieldKind::ListNode | FieldKind::TreeNode => 0,
    }
}

/// Whether a map of that type may have values of that type.
///
/// # Errors
/// `EINVAL` for fields that do not go together, `EOPNOTSUPP` where the map's type does not take one.
pub(super) fn check_fields(map_type: u32, btf: &Btf, value: TypeId) -> Result<(), Errno> {
    let fields = record::map_fields(btf, value);
    let is_lock = |f: &&Field| matches!(f.kind, FieldKind::SpinLock | FieldKind::ResilientSpinLock);
    let locks = fields.iter().filter(is_lock).count();
    let graph = |f: &Field| matches!(f.kind, FieldKind::ListHead { .. } | FieldKind::TreeRoot { .. });
    if locks > 1 {
        return Err(Errno::E2BIG);
    }
    if locks == 0 && fields.iter().any(graph) {
        return Err(Errno::EINVAL);
    }
    match fields.iter().all(|f| taken_by(f.kind) >> map_type & 1 == 1) {
        true => Ok(()),
        false => Err(Errno::EOPNOTSUPP),
    }
}

impl<M: Memory + 'static> Kernel<M> {
    /// Remembers which BTF a new map's types are of.
    pub(super) fn note_map_types(&mut self, id: MapId, btf_fd: i32) {
        let maps = &self.resources.maps;
        self.map_types.retain(|id, _| maps.spec(*id).is_some());
        let Some(spec) = maps.spec(id) else { return };
        if spec.btf_value_type_id == 0 {
            return;
        }
        if let Ok(Object::Btf(btf)) = self.table.get(btf_fd)
            && let Some(loaded) = self.btfs.get(&btf)
        {
            let fields = record::fields(&loaded.btf, TypeId(spec.btf_value_type_id)).unwrap_or_default();
            let lock = |f: &Field| matches!(f.kind, FieldKind::SpinLock | FieldKind::ResilientSpinLock);
            let locks = fields.iter().any(lock);
            self.map_types.insert(id, Arc::clone(&loaded.btf));
            if locks {
                self.resources.maps.set_lock(id);
            }
        }
    }

    /// Whether a command's element flags may ask for the lock of a map's values.
    ///
    /// # Errors
    /// `EINVAL` where they do and there is none.
    pub(super) fn check_lock(&self, id: MapId, flags: u64) -> Result<(), Errno> {
        if flags & LOCK != 0 && !self.resources.maps.has_lock(id) {
            return Err(Errno::EINVAL);
        }
        Ok(())
    }

    /// Remembers which BTF the types are of that maps in a new map of maps have.
    pub(super) fn note_inner_types(&mut self, id: MapId, inner_fd: i32) {
        let maps = &self.resources.maps;
        self.inner_map_types.retain(|id, _| maps.spec(*id).is_some());
        if let Ok((inner, _)) = self.table.map(inner_fd)
            && let Some(btf) = self.map_types.get(&inner)
        {
            self.inner_map_types.insert(id, Arc::clone(btf));
        }
    }

    /// Puts what a map's value has in such fields into the bytes that it is written with: an update leaves
    /// them. A new value begins with zeros there.
    pub(super) fn keep_fields(&mut self, target: &Target, key: &[u8], value: &mut [u8]) {
        if !self.map_types.contains_key(&target.id) {
            return;
        }
        let mut fields = value.to_vec();
        fields.fill(0xff);
        self.hide_fields(target.id, &mut fields);
        // Values of other shapes have no such fields.
        if fields.iter().all(|byte| *byte != 0) || value.len() != target.spec.value_size as usize {
            return;
        }
        let mut old = alloc::vec![0; value.len()];
        // An array's values stay where they are; a hash puts a new one in their place.
        if target.row.number != types::ARRAY || self.look_up(target, key, &mut old).is_err() {
            old.fill(0);
        }
        for ((byte, old), is_plain) in value.iter_mut().zip(old).zip(fields) {
            if is_plain == 0 {
                *byte = old;
            }
        }
    }

    /// Clears the fields of a map's value that the system call neither reads nor writes.
    pub(super) fn hide_fields(&self, id: MapId, value: &mut [u8]) {
        let (Some(btf), Some(spec)) = (self.map_types.get(&id), self.resources.maps.spec(id)) else { return };
        for field in record::map_fields(btf, TypeId(spec.btf_value_type_id)) {
            let (start, end) = (field.offset as usize, (field.offset + field.size) as usize);
            if let Some(bytes) = value.get_mut(start..end) {
                bytes.fill(0);
            }
        }
    }
}
