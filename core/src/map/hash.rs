//! Hashes: keys of any size, values that never move. One CPU's or all CPUs', with or without eviction of
//! what was not used lately.
//!
//! Keys live here, in a slab; values in the arena. Elements are iterated in the order of their slots.

use alloc::vec::Vec;
use core::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::lru::Lru;
use super::slots::{Slot, Slots};
use super::types::{Update, flag};
use super::{Map, MapContext, MapSpec};
use crate::arena::{Arena, Memory};
use crate::errno::Errno;

/// A hash map.
#[derive(Clone)]
pub struct Hash {
    spec: MapSpec,
    per_cpu: bool,
    index: HashTable<u32>,
    /// The keys of all slots, one after another.
    keys: Vec<u8>,
    used: Vec<bool>,
    slots: Slots,
    hasher: FixedState,
    lru: Option<Lru>,
}

impl Hash {
    /// An empty map; `per_cpu` gives every CPU a value of its own, `evicts` makes room in a full one.
    pub fn new<M: Memory>(cx: &MapContext<M>, spec: MapSpec, per_cpu: bool, evicts: bool) -> Hash {
        let copies = if per_cpu { cx.cpus } else { 1 };
        let lru = evicts.then(|| Lru::new(spec.max_entries, cx.cpus, spec.flags & flag::NO_COMMON_LRU != 0));
        let most = lru.as_ref().map_or(spec.max_entries, Lru::capacity);
        let slots = Slots::new(spec.value_size, copies, most);
        let hasher = FixedState::with_seed(0);
        let (index, keys, used) = (HashTable::new(), Vec::new(), Vec::new());
        Hash { spec, per_cpu, index, keys, used, slots, hasher, lru }
    }

    #[inline(always)]
    fn key(&self, slot: Slot) -> &[u8] {
        let size = self.spec.key_size as usize;
        &self.keys[slot.0 as usize * size..][..size]
    }

    #[inline(always)]
    pub(super) fn find(&self, key: &[u8]) -> Option<Slot> {
        self.index.find(self.hasher.hash_one(key), |slot| self.key(Slot(*slot)) == key).copied().map(Slot)
    }

    /// Takes an element out of the index; its slot is the caller's.
    fn unlink(&mut self, key: &[u8]) -> Option<Slot> {
        let hash = self.hasher.hash_one(key);
        let (keys, size) = (&self.keys, self.spec.key_size as usize);
        let same = |slot: &u32| &keys[*slot as usize * size..][..size] == key;
        let (slot, _) = self.index.find_entry(hash, same).ok()?.remove();
        self.used[slot as usize] = false;
        Some(Slot(slot))
    }

    pub(super) fn remove(&mut self, key: &[u8]) -> Option<Slot> {
        let slot = self.unlink(key)?;
        if let Some(lru) = &mut self.lru {
            lru.remove(slot);
        }
        self.slots.give(slot);
        Some(slot)
    }

    /// A slot for a new element: in a map that evicts, perhaps one of what was not used lately.
    fn take_slot<M: Memory>(&mut self, cx: &mut MapContext<M>) -> Result<Slot, Errno> {
        let Some(lru) = &mut self.lru else {
            if self.index.len() >= self.spec.max_entries as usize {
                return Err(Errno::E2BIG);
            }
            return self.slots.take(cx);
        };
        for victim in lru.make_room(cx.cpu) {
            let size = self.spec.key_size as usize;
            let key = self.keys[victim.0 as usize * size..][..size].to_vec();
            self.unlink(&key);
            self.slots.give(victim);
        }
        self.slots.take(cx)
    }

    /// Makes a slot an element.
    fn link<M: Memory>(&mut self, cx: &MapContext<M>, slot: Slot, key: &[u8]) {
        if let Some(lru) = &mut self.lru {
            lru.insert(slot, cx.cpu);
        }
        let size = self.spec.key_size as usize;
        let made = self.slots.made() as usize;
        if self.used.len() < made {
            self.used.resize(made, false);
            self.keys.resize(made * size, 0);
        }
        self.keys[slot.0 as usize * size..][..size].copy_from_slice(key);
        self.used[slot.0 as usize] = true;
        let (keys, hasher) = (&self.keys, &self.hasher);
        let hash_of = |slot: &u32| hasher.hash_one(&keys[*slot as usize * size..][..size]);
        self.index.insert_unique(hasher.hash_one(key), slot.0, hash_of);
    }

    /// The slot to write for an update; whether it is new.
    pub(super) fn slot_for<M: Memory>(
        &mut self,
        cx: &mut MapContext<M>,
        key: &[u8],
        update: Update,
    ) -> Result<(Slot, bool), Errno> {
        // A map that evicts takes the place of the new element first, even where there is an old one; only
        // values of every CPU are replaced in their place.
        let early = self.lru.is_some() && !(self.per_cpu && update == Update::Exist);
        let place = if early { Some(self.take_slot(cx)?) } else { None };
        let slot = match (self.find(key), update) {
            (Some(_), Update::NoExist) => Err(Errno::EEXIST),
            (None, Update::Exist) => Err(Errno::ENOENT),
            (Some(old), _) if early && !self.per_cpu => {
                self.remove(key);
                // The old place stays apart from the one that was taken.
                debug_assert_ne!(Some(old), place);
                place.map_or_else(|| self.take_slot(cx), Ok).map(|slot| (slot, true))
            }
            (Some(slot), _) => {
                if let Some(lru) = &mut self.lru {
                    lru.touch(slot);
                }
                Ok((slot, false))
            }
            (None, _) => place.map_or_else(|| self.take_slot(cx), Ok).map(|slot| (slot, true)),
        };
        if let Some(place) = place.filter(|place| !matches!(slot, Ok((slot, true)) if slot == *place)) {
            self.slots.give(place);
        }
        let (slot, new) = slot?;
        if new {
            self.link(cx, slot, key);
        }
        Ok((slot, new))
    }

    fn next_used(&self, from: usize) -> Option<Slot> {
        (from..self.used.len()).find(|at| self.used[*at]).map(|at| Slot(at as u32))
    }
}

impl<M: Memory> Map<M> for Hash {
    fn spec(&self) -> &MapSpec {
        &self.spec
    }

    fn user_value_size(&self, cpus: u32) -> u32 {
        if self.per_cpu { self.slots.stride() * cpus } else { self.spec.value_size }
    }

    fn lookup(&mut self, cx: &mut MapContext<M>, key: &[u8], out: &mut [u8], _: u64) -> Result<(), Errno> {
        let slot = self.find(key).ok_or(Errno::ENOENT)?;
        self.slots.read(cx, slot, out)
    }

    fn update(&mut self, cx: &mut MapContext<M>, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        let update = Update::from_flags(flags)?;
        let (slot, _) = self.slot_for(cx, key, update)?;
        self.slots.write(cx, slot, value)
    }

    fn delete(&mut self, _cx: &mut MapContext<M>, key: &[u8]) -> Result<(), Errno> {
        self.remove(key).map(|_| ()).ok_or(Errno::ENOENT)
    }

    fn next_key(&mut self, _cx: &mut MapContext<M>, key: Option<&[u8]>, out: &mut [u8]) -> Result<(), Errno> {
        let start = key.and_then(|key| self.find(key)).map_or(0, |slot| slot.0 as usize + 1);
        out.copy_from_slice(self.key(self.next_used(start).ok_or(Errno::ENOENT)?));
        Ok(())
    }

    fn lookup_and_delete(
        &mut self,
        cx: &mut MapContext<M>,
        key: &[u8],
        out: &mut [u8],
        _flags: u64,
    ) -> Result<(), Errno> {
        let slot = self.find(key).ok_or(Errno::ENOENT)?;
        self.slots.read(cx, slot, out)?;
        self.remove(key);
        Ok(())
    }

    fn key_from(&self, cursor: u32, key: &mut [u8]) -> Option<u32> {
        let slot = self.next_used(cursor as usize)?;
        key.copy_from_slice(self.key(slot));
        Some(slot.0 + 1)
    }

    fn has_cursor(&self) -> bool {
        true
    }

    #[inline]
    fn program_lookup(&mut self, cx: &mut MapContext<M>, key: &[u8]) -> Option<u32> {
        let slot = self.find(key)?;
        if let Some(lru) = &mut self.lru {
            lru.touch(slot);
        }
        Some(self.slots.copy_address(slot, cx.cpu))
    }

    fn program_lookup_on(&mut self, cx: &mut MapContext<M>, key: &[u8], cpu: u32) -> Option<u32> {
        let slot = self.find(key).filter(|_| cpu < cx.cpus)?;
        if let Some(lru) = &mut self.lru {
            lru.touch(slot);
        }
        Some(self.slots.copy_address(slot, cpu))
    }

    fn program_update(
        &mut self,
        cx: &mut MapContext<M>,
        key: &[u8],
        value: &[u8],
        flags: u64,
    ) -> Result<(), Errno> {
        let update = Update::from_flags(flags)?;
        let (slot, new) = self.slot_for(cx, key, update)?;
        if new && self.per_cpu {
            self.slots.clear(cx, slot)?;
        }
        self.slots.write_copy(cx, slot, cx.cpu, value)
    }

    fn destroy(&mut self, arena: &mut Arena<M>) {
        self.slots.destroy(arena);
    }
}
