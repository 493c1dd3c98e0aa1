//! `BPF_MAP_TYPE_HASH`: keys of any size, values that never move.
//!
//! Keys live here, in a slab; values in the arena, in chunks that double, so that a large map costs what
//! is in it. A deleted element's place is the next one taken.

use alloc::vec::Vec;
use core::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use super::types::Update;
use super::{Map, MapContext, MapSpec};
use crate::arena::{Arena, Memory, ObjectKind};
use crate::errno::Errno;

/// Values of the first chunk.
const FIRST_CHUNK: u32 = 16;
/// Most bytes of one chunk.
const MAX_CHUNK_BYTES: u32 = 1 << 20;

/// A hash map.
#[derive(Clone)]
pub struct Hash {
    spec: MapSpec,
    stride: u32,
    index: HashTable<u32>,
    /// The keys of all slots, one after another.
    keys: Vec<u8>,
    /// Address of each slot's value.
    values: Vec<u32>,
    used: Vec<bool>,
    free: Vec<u32>,
    chunks: Vec<u32>,
    hasher: FixedState,
}

impl Hash {
    /// An empty map.
    pub fn new(spec: MapSpec) -> Hash {
        let stride = spec.value_size.next_multiple_of(8);
        Hash {
            spec,
            stride,
            index: HashTable::new(),
            keys: Vec::new(),
            values: Vec::new(),
            used: Vec::new(),
            free: Vec::new(),
            chunks: Vec::new(),
            hasher: FixedState::with_seed(0),
        }
    }

    fn key(&self, slot: u32) -> &[u8] {
        let size = self.spec.key_size as usize;
        &self.keys[slot as usize * size..][..size]
    }

    fn find(&self, key: &[u8]) -> Option<u32> {
        self.index.find(self.hasher.hash_one(key), |slot| self.key(*slot) == key).copied()
    }

    /// A free slot, its value zeroed or not.
    fn take_slot<M: Memory>(&mut self, cx: &mut MapContext<M>) -> Result<u32, Errno> {
        if let Some(slot) = self.free.pop() {
            return Ok(slot);
        }
        let have = self.values.len() as u32;
        let most = (MAX_CHUNK_BYTES / self.stride).max(1);
        let count =
            have.max(FIRST_CHUNK).min(most).min(self.spec.max_entries - have.min(self.spec.max_entries));
        let len = count.checked_mul(self.stride).ok_or(Errno::ENOMEM)?;
        let kind = ObjectKind::MapValues { stride: self.stride, value_size: self.spec.value_size };
        let chunk = cx.arena.allocate(len, 8, kind, true).map_err(|_| Errno::ENOMEM)?;
        self.chunks.push(chunk.address);
        self.keys.resize(self.keys.len() + count as usize * self.spec.key_size as usize, 0);
        self.values.extend((0..count).map(|i| chunk.address + i * self.stride));
        self.used.resize(self.values.len(), false);
        self.free.extend((have..have + count).rev());
        self.free.pop().ok_or(Errno::ENOMEM)
    }

    fn remove(&mut self, key: &[u8]) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        let (keys, size) = (&self.keys, self.spec.key_size as usize);
        let same = |slot: &u32| &keys[*slot as usize * size..][..size] == key;
        let (slot, _) = self.index.find_entry(hash, same).ok()?.remove();
        self.used[slot as usize] = false;
        self.free.push(slot);
        Some(slot)
    }
}

impl<M: Memory> Map<M> for Hash {
    fn spec(&self) -> &MapSpec {
        &self.spec
    }

    fn lookup(
        &mut self,
        cx: &mut MapContext<M>,
        key: &[u8],
        out: &mut [u8],
        flags: u64,
    ) -> Result<(), Errno> {
        if flags != 0 {
            return Err(Errno::EINVAL);
        }
        let slot = self.find(key).ok_or(Errno::ENOENT)?;
        cx.arena.memory().read(self.values[slot as usize].into(), out).map_err(|_| Errno::EFAULT)
    }

    fn update(&mut self, cx: &mut MapContext<M>, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        let update = Update::from_flags(flags)?;
        let slot = match (self.find(key), update) {
            (Some(_), Update::NoExist) => return Err(Errno::EEXIST),
            (None, Update::Exist) => return Err(Errno::ENOENT),
            (Some(slot), _) => slot,
            (None, _) if self.index.len() >= self.spec.max_entries as usize => return Err(Errno::E2BIG),
            (None, _) => {
                let slot = self.take_slot(cx)?;
                let size = self.spec.key_size as usize;
                self.keys[slot as usize * size..][..size].copy_from_slice(key);
                self.used[slot as usize] = true;
                let (keys, hasher) = (&self.keys, &self.hasher);
                let hash_of = |slot: &u32| hasher.hash_one(&keys[*slot as usize * size..][..size]);
                self.index.insert_unique(hasher.hash_one(key), slot, hash_of);
                slot
            }
        };
        cx.arena.memory_mut().write(self.values[slot as usize].into(), value).map_err(|_| Errno::EFAULT)
    }

    fn delete(&mut self, _cx: &mut MapContext<M>, key: &[u8]) -> Result<(), Errno> {
        self.remove(key).map(|_| ()).ok_or(Errno::ENOENT)
    }

    fn next_key(&mut self, _cx: &mut MapContext<M>, key: Option<&[u8]>, out: &mut [u8]) -> Result<(), Errno> {
        let start = key.and_then(|key| self.find(key)).map_or(0, |slot| slot as usize + 1);
        let next = (start..self.used.len()).find(|slot| self.used[*slot]).ok_or(Errno::ENOENT)?;
        out.copy_from_slice(self.key(next as u32));
        Ok(())
    }

    fn lookup_and_delete(
        &mut self,
        cx: &mut MapContext<M>,
        key: &[u8],
        out: &mut [u8],
        flags: u64,
    ) -> Result<(), Errno> {
        self.lookup(cx, key, out, flags)?;
        self.remove(key);
        Ok(())
    }

    fn program_lookup(&mut self, _cx: &mut MapContext<M>, key: &[u8]) -> Option<u32> {
        self.find(key).map(|slot| self.values[slot as usize])
    }

    fn destroy(&mut self, arena: &mut Arena<M>) {
        for chunk in self.chunks.drain(..) {
            arena.release(chunk);
        }
    }
}
