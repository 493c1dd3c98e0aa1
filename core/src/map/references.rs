//! Maps whose values are other objects: programs, maps, cgroups, perf events.
//!
//! The system call gives a descriptor and reads an id; the map keeps the object alive.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::array::{index, next_index};
use super::hash::Hash;
use super::types::{self, Update, flag};
use super::{Map, MapContext, MapSpec, Reference};
use crate::arena::{Arena, Memory};
use crate::errno::Errno;

/// An array of references: `prog_array`, `perf_event_array`, `cgroup_array`, `array_of_maps`.
#[derive(Clone)]
pub struct ReferenceArray {
    spec: MapSpec,
    inner: Option<MapSpec>,
    slots: BTreeMap<u32, Reference>,
}

/// A hash of maps: a hash, and what each of its slots refers to.
#[derive(Clone)]
pub struct ReferenceHash {
    hash: Hash,
    inner: MapSpec,
    by_slot: Vec<Option<Reference>>,
}

/// The id that the system call reads.
fn id(reference: &Reference) -> u32 {
    match reference {
        Reference::Map { id, .. } => id.0,
        Reference::Program(id) => id.0,
        Reference::Btf(id) => *id,
        Reference::Foreign(identity) => *identity as u32,
    }
}

/// The address that a program's look-up gives.
fn handle(reference: &Reference) -> Option<u32> {
    match reference {
        Reference::Map { handle, .. } => Some(*handle),
        _ => None,
    }
}

/// Writes the id to where the system call reads it.
fn show(reference: Option<&Reference>, out: &mut [u8]) -> Result<(), Errno> {
    let id = id(reference.ok_or(Errno::ENOENT)?);
    out.get_mut(..4).ok_or(Errno::EINVAL)?.copy_from_slice(&id.to_le_bytes());
    Ok(())
}

impl ReferenceArray {
    /// An empty array; `inner` is what its maps have to be like.
    pub fn new(spec: MapSpec, inner: Option<MapSpec>) -> ReferenceArray {
        ReferenceArray { spec, inner, slots: BTreeMap::new() }
    }

    /// Whether the system call can read what lies in it.
    fn shows_ids(&self) -> bool {
        matches!(self.spec.map_type, types::PROG_ARRAY | types::ARRAY_OF_MAPS)
    }
}

impl<M: Memory> Map<M> for ReferenceArray {
    fn spec(&self) -> &MapSpec {
        &self.spec
    }
    fn inner(&self) -> Option<&MapSpec> {
        self.inner.as_ref()
    }
    fn lookup(&mut self, _: &mut MapContext<M>, key: &[u8], out: &mut [u8], _: u64) -> Result<(), Errno> {
        if !self.shows_ids() {
            return Err(Errno::ENOTSUPP);
        }
        show(self.slots.get(&index(key)), out)
    }
    fn check_set(&self, key: &[u8], flags: u64) -> Result<(), Errno> {
        if flags != 0 {
            return Err(Errno::EINVAL);
        }
        if index(key) >= self.spec.max_entries { Err(Errno::E2BIG) } else { Ok(()) }
    }
    fn set(&mut self, cx: &mut MapContext<M>, key: &[u8], to: Reference, flags: u64) -> Result<(), Errno> {
        <Self as Map<M>>::check_set(self, key, flags)?;
        cx.released.extend(self.slots.insert(index(key), to));
        Ok(())
    }
    fn reference(&self, _: &Arena<M>, key: &[u8]) -> Option<Reference> {
        self.slots.get(&index(key)).copied()
    }
    fn delete(&mut self, cx: &mut MapContext<M>, key: &[u8]) -> Result<(), Errno> {
        if index(key) >= self.spec.max_entries {
            return Err(Errno::E2BIG);
        }
        cx.released.push(self.slots.remove(&index(key)).ok_or(Errno::ENOENT)?);
        Ok(())
    }
    fn next_key(&mut self, _: &mut MapContext<M>, key: Option<&[u8]>, out: &mut [u8]) -> Result<(), Errno> {
        next_index(key, self.spec.max_entries, out)
    }
    fn program_lookup(&mut self, _cx: &mut MapContext<M>, key: &[u8]) -> Option<u32> {
        handle(self.slots.get(&index(key))?)
    }
    fn user_gone(&mut self, released: &mut Vec<Reference>) {
        // Programs that call each other through an array would keep each other alive for ever; events go
        // with the descriptor that they were put in by.
        let clears = match self.spec.map_type {
            types::PROG_ARRAY => true,
            types::PERF_EVENT_ARRAY => self.spec.flags & flag::PRESERVE_ELEMS == 0,
            _ => false,
        };
        if clears {
            released.extend(core::mem::take(&mut self.slots).into_values());
        }
    }
    fn references(&self) -> Vec<Reference> {
        self.slots.values().copied().collect()
    }
    fn destroy(&mut self, _arena: &mut Arena<M>) {}
}

impl ReferenceHash {
    /// An empty hash; `inner` is what its maps have to be like.
    pub fn new<M: Memory>(cx: &MapContext<M>, spec: MapSpec, inner: MapSpec) -> ReferenceHash {
        ReferenceHash { hash: Hash::new(cx, spec, false, false), inner, by_slot: Vec::new() }
    }

    fn at<M: Memory>(&self, arena: &Arena<M>, key: &[u8]) -> Option<&Reference> {
        self.by_slot.get(self.hash.find(arena, key)?.0 as usize)?.as_ref()
    }
}

impl<M: Memory> Map<M> for ReferenceHash {
    fn spec(&self) -> &MapSpec {
        <Hash as Map<M>>::spec(&self.hash)
    }
    fn inner(&self) -> Option<&MapSpec> {
        Some(&self.inner)
    }
    fn lookup(&mut self, cx: &mut MapContext<M>, key: &[u8], out: &mut [u8], _: u64) -> Result<(), Errno> {
        show(self.at(cx.arena, key), out)
    }
    fn check_set(&self, _key: &[u8], _flags: u64) -> Result<(), Errno> {
        Ok(())
    }
    fn set(&mut self, cx: &mut MapContext<M>, key: &[u8], to: Reference, flags: u64) -> Result<(), Errno> {
        let (slot, _) = self.hash.slot_for(cx, key, Update::from_flags(flags)?)?;
        let at = slot.0 as usize;
        if self.by_slot.len() <= at {
            self.by_slot.resize(at + 1, None);
        }
        cx.released.extend(self.by_slot[at].replace(to));
        Ok(())
    }
    fn reference(&self, arena: &Arena<M>, key: &[u8]) -> Option<Reference> {
        self.at(arena, key).copied()
    }
    fn delete(&mut self, cx: &mut MapContext<M>, key: &[u8]) -> Result<(), Errno> {
        let slot = self.hash.remove(cx.arena, key).ok_or(Errno::ENOENT)?;
        cx.released.extend(self.by_slot.get_mut(slot.0 as usize).and_then(Option::take));
        Ok(())
    }
    fn next_key(&mut self, cx: &mut MapContext<M>, key: Option<&[u8]>, out: &mut [u8]) -> Result<(), Errno> {
        self.hash.next_key(cx, key, out)
    }
    fn has_cursor(&self) -> bool {
        true
    }
    fn key_from(&self, arena: &Arena<M>, cursor: u32, key: &mut [u8]) -> Option<u32> {
        self.hash.key_from(arena, cursor, key)
    }
    fn program_lookup(&mut self, cx: &mut MapContext<M>, key: &[u8]) -> Option<u32> {
        handle(self.at(cx.arena, key)?)
    }
    fn references(&self) -> Vec<Reference> {
        self.by_slot.iter().flatten().copied().collect()
    }
    fn destroy(&mut self, arena: &mut Arena<M>) {
        self.hash.destroy(arena);
    }
}
