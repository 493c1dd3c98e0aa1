//! Hashes: keys of any size, values that never move. One CPU's or all CPUs', with or without eviction of
//! what was not used lately.
//!
//! An element lies in the arena: its value, or one of each CPU, and in the tail of the first its key and the
//! number of its slot. Elements are iterated in the order of their slots.

use alloc::vec;
use alloc::vec::Vec;
use core::hash::BuildHasher;

use foldhash::fast::FixedState;

use super::index::Index;
use super::lru::Lru;
use super::slots::{Slot, Slots};
use super::types::{Update, flag};
use super::{Map, MapContext, MapSpec};
use crate::arena::{Arena, Memory};
use crate::errno::Errno;
use crate::isa::Size;

/// A hash map.
#[derive(Clone)]
pub struct Hash {
    spec: MapSpec,
    per_cpu: bool,
    index: Index,
    used: Vec<bool>,
    slots: Slots,
    hasher: FixedState,
    lru: Option<Lru>,
}

/// Bytes of a slot's number, which follows the key.
const NUMBER: u32 = 4;

/// Whether the bytes at an address are a key's; those of the sizes that most maps have are compared as
/// numbers.
#[inline(always)]
fn is_key<M: Memory>(memory: &M, address: u64, key: &[u8]) -> bool {
    if let Ok(bytes) = <[u8; 4]>::try_from(key) {
        return memory.load(address, Size::W) == Ok(u32::from_le_bytes(bytes).into());
    }
    let (words, rest) = key.as_chunks::<8>();
    let whole = 8 * words.len();
    words
        .iter()
        .zip(0..)
        .all(|(word, at)| memory.load(address + 8 * at, Size::Dw) == Ok(u64::from_le_bytes(*word)))
        && rest
            .iter()
            .zip(whole as u64..)
            .all(|(byte, at)| memory.load(address + at, Size::B) == Ok((*byte).into()))
}

impl Hash {
    /// An empty map; `per_cpu` gives every CPU a value of its own, `evicts` makes room in a full one.
    pub fn new<M: Memory>(cx: &MapContext<M>, spec: MapSpec, per_cpu: bool, evicts: bool) -> Hash {
        let copies = if per_cpu { cx.cpus } else { 1 };
        let lru = evicts.then(|| Lru::new(spec.max_entries, cx.cpus, spec.flags & flag::NO_COMMON_LRU != 0));
        let most = lru.as_ref().map_or(spec.max_entries, Lru::capacity);
        let tail = spec.key_size.next_multiple_of(NUMBER) + NUMBER;
        let slots = Slots::new(spec.value_size, tail, copies, most);
        let hasher = FixedState::with_seed(0);
        Hash { spec, per_cpu, index: Index::default(), used: Vec::new(), slots, hasher, lru }
    }

    /// Keys of the sizes that most maps have are hashed as numbers.
    #[inline(always)]
    fn hash(&self, key: &[u8]) -> u32 {
        let hash = if let Ok(bytes) = <[u8; 4]>::try_from(key) {
            self.hasher.hash_one(u32::from_le_bytes(bytes))
        } else if let Ok(bytes) = <[u8; 8]>::try_from(key) {
            self.hasher.hash_one(u64::from_le_bytes(bytes))
        } else {
            self.hasher.hash_one(key)
        };
        (hash ^ hash >> 32) as u32
    }

    /// Where the key of an element lies.
    #[inline(always)]
    fn key_at(&self, address: u32) -> u64 {
        u64::from(address) + u64::from(self.slots.tail())
    }

    /// The slot of an element.
    fn slot_at<M: Memory>(&self, arena: &Arena<M>, address: u32) -> Slot {
        let at = self.key_at(address) + u64::from(self.spec.key_size.next_multiple_of(NUMBER));
        Slot(arena.memory().load(at, Size::W).unwrap_or(0) as u32)
    }

    /// The key of a slot.
    fn key<M: Memory>(&self, arena: &Arena<M>, slot: Slot, out: &mut [u8]) {
        // What was made lies in the arena.
        let _ = arena.memory().read(self.key_at(self.slots.address(slot)), out);
    }

    /// Address of the element with a key.
    #[inline(always)]
    fn element<M: Memory>(&self, arena: &Arena<M>, key: &[u8]) -> Option<u32> {
        let memory = arena.memory();
        self.index.find(self.hash(key), |address| is_key(memory, self.key_at(address), key))
    }

    /// The slot of the element with a key.
    pub(super) fn find<M: Memory>(&self, arena: &Arena<M>, key: &[u8]) -> Option<Slot> {
        Some(self.slot_at(arena, self.element(arena, key)?))
    }

    /// The element with a key, which is used thereby.
    #[inline(always)]
    fn use_element<M: Memory>(&mut self, arena: &Arena<M>, key: &[u8]) -> Option<u32> {
        let address = self.element(arena, key)?;
        if self.lru.is_some() {
            let slot = self.slot_at(arena, address);
            if let Some(lru) = &mut self.lru {
                lru.touch(slot);
            }
        }
        Some(address)
    }

    /// Takes an element out of the index; its slot is the caller's.
    fn unlink<M: Memory>(&mut self, arena: &Arena<M>, key: &[u8]) -> Option<Slot> {
        let (memory, hash, tail) = (arena.memory(), self.hash(key), u64::from(self.slots.tail()));
        let address = self.index.remove(hash, |address| is_key(memory, u64::from(address) + tail, key))?;
        let slot = self.slot_at(arena, address);
        self.used[slot.0 as usize] = false;
        Some(slot)
    }

    pub(super) fn remove<M: Memory>(&mut self, arena: &Arena<M>, key: &[u8]) -> Option<Slot> {
        let slot = self.unlink(arena, key)?;
        if let Some(lru) = &mut self.lru {
            lru.remove(slot);
        }
        self.slots.give(slot);
        Some(slot)
    }

    /// A slot for a new element: in a map that evicts, perhaps one of what was not used lately.
    fn take_slot<M: Memory>(&mut self, cx: &mut MapContext<M>) -> Result<Slot, Errno> {
        let Some(lru) = &mut self.lru else {
            if self.index.elements() >= self.spec.max_entries as usize {
                return Err(Errno::E2BIG);
            }
            return self.slots.take(cx);
        };
        for victim in lru.take(cx.cpu).map_err(|_| Errno::ENOMEM)? {
            let mut key = vec![0; self.spec.key_size as usize];
            self.key(cx.arena, victim, &mut key);
            self.unlink(cx.arena, &key);
            self.slots.give(victim);
        }
        self.slots.take(cx)
    }

    /// Makes a slot an element.
    fn link<M: Memory>(&mut self, cx: &mut MapContext<M>, slot: Slot, key: &[u8]) -> Result<(), Errno> {
        let address = self.slots.address(slot);
        let at = self.key_at(address);
        let memory = cx.arena.memory_mut();
        memory.write(at, key).map_err(|_| Errno::EFAULT)?;
        let number = at + u64::from(self.spec.key_size.next_multiple_of(NUMBER));
        memory.store(number, Size::W, slot.0.into()).map_err(|_| Errno::EFAULT)?;
        if let Some(lru) = &mut self.lru {
            lru.insert(slot, cx.cpu);
        }
        let made = self.slots.made() as usize;
        if self.used.len() < made {
            self.used.resize(made, false);
        }
        self.used[slot.0 as usize] = true;
        self.index.insert(self.hash(key), address);
        Ok(())
    }

    /// As [`Map::key_from`].
    pub(super) fn key_from<M: Memory>(&self, arena: &Arena<M>, cursor: u32, key: &mut [u8]) -> Option<u32> {
        let slot = self.next_used(cursor as usize)?;
        self.key(arena, slot, key);
        Some(slot.0 + 1)
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
        let mut replaces = false;
        let slot = match (self.find(cx.arena, key), update) {
            (Some(_), Update::NoExist) => Err(Errno::EEXIST),
            (None, Update::Exist) => Err(Errno::ENOENT),
            (Some(old), _) if early && !self.per_cpu => {
                self.remove(cx.arena, key);
                // The old place stays apart from the one that was taken.
                debug_assert_ne!(Some(old), place);
                replaces = true;
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
            if let Some(lru) = &mut self.lru {
                lru.give_back(cx.cpu);
            }
        }
        let (slot, new) = slot?;
        if new {
            self.link(cx, slot, key)?;
            // What takes the place of an element counts as used.
            if let Some(lru) = self.lru.as_mut().filter(|_| replaces) {
                lru.touch(slot);
            }
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
        if self.per_cpu { self.slots.value_stride() * cpus } else { self.spec.value_size }
    }

    fn lookup(&mut self, cx: &mut MapContext<M>, key: &[u8], out: &mut [u8], _: u64) -> Result<(), Errno> {
        let address = self.element(cx.arena, key).ok_or(Errno::ENOENT)?;
        self.slots.read(cx, address, out)
    }

    fn update(&mut self, cx: &mut MapContext<M>, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        let update = Update::from_flags(flags)?;
        let (slot, _) = self.slot_for(cx, key, update)?;
        self.slots.write(cx, self.slots.address(slot), value)
    }

    fn delete(&mut self, cx: &mut MapContext<M>, key: &[u8]) -> Result<(), Errno> {
        self.remove(cx.arena, key).map(|_| ()).ok_or(Errno::ENOENT)
    }

    fn next_key(&mut self, cx: &mut MapContext<M>, key: Option<&[u8]>, out: &mut [u8]) -> Result<(), Errno> {
        let start = key.and_then(|key| self.find(cx.arena, key)).map_or(0, |slot| slot.0 as usize + 1);
        self.key(cx.arena, self.next_used(start).ok_or(Errno::ENOENT)?, out);
        Ok(())
    }

    fn lookup_and_delete(
        &mut self,
        cx: &mut MapContext<M>,
        key: &[u8],
        out: &mut [u8],
        _flags: u64,
    ) -> Result<(), Errno> {
        let address = self.element(cx.arena, key).ok_or(Errno::ENOENT)?;
        self.slots.read(cx, address, out)?;
        self.remove(cx.arena, key);
        Ok(())
    }

    fn key_from(&self, arena: &Arena<M>, cursor: u32, key: &mut [u8]) -> Option<u32> {
        Hash::key_from(self, arena, cursor, key)
    }

    fn has_cursor(&self) -> bool {
        true
    }

    #[inline]
    fn program_lookup(&mut self, cx: &mut MapContext<M>, key: &[u8]) -> Option<u32> {
        let address = self.use_element(cx.arena, key)?;
        Some(address + self.slots.copy_offset(cx.cpu))
    }

    fn program_lookup_on(&mut self, cx: &mut MapContext<M>, key: &[u8], cpu: u32) -> Option<u32> {
        let address = if cpu < cx.cpus { self.use_element(cx.arena, key) } else { None };
        Some(address? + self.slots.copy_offset(cpu))
    }

    fn program_update(
        &mut self,
        cx: &mut MapContext<M>,
        key: &[u8],
        value: &[u8],
        flags: u64,
    ) -> Result<(), Errno> {
        let update = Update::from_flags(flags)?;
        // What most updates are: of an element that is there, in a map that does not evict.
        let there = if self.lru.is_none() { self.element(cx.arena, key) } else { None };
        let address = match there {
            Some(address) if update != Update::NoExist => address,
            _ => {
                let (slot, new) = self.slot_for(cx, key, update)?;
                let address = self.slots.address(slot);
                if new && self.per_cpu {
                    self.slots.clear(cx, address)?;
                }
                address
            }
        };
        let at = u64::from(address + self.slots.copy_offset(cx.cpu));
        let memory = cx.arena.memory_mut();
        match <[u8; 8]>::try_from(value) {
            Ok(word) => memory.store(at, Size::Dw, u64::from_le_bytes(word)),
            Err(_) => memory.write(at, value),
        }
        .map_err(|_| Errno::EFAULT)
    }

    fn destroy(&mut self, arena: &mut Arena<M>) {
        self.slots.destroy(arena);
    }
}
