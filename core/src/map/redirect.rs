//! Where XDP sends packets: `devmap`, `devmap_hash`, `cpumap`.
//!
//! A value is an interface's number or a queue's length, and in 8 bytes also the program that runs there.
//! The system call gives that program as a descriptor, and reads its id.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::array::{index, next_index};
use super::slots::{Slot, Slots};
use super::types::{self, Update};
use super::{Map, MapContext, MapSpec, Reference};
use crate::arena::{Arena, Memory};
use crate::errno::Errno;
use crate::program::ProgramId;

/// Longest queue of a CPU.
pub const MOST_QUEUED: u32 = 16384;

/// A map of targets. An element's value lies in the arena, since programs may read it.
#[derive(Clone)]
pub struct Targets {
    spec: MapSpec,
    elements: BTreeMap<u32, Slot>,
    /// The programs of elements that have one.
    programs: BTreeMap<u32, ProgramId>,
    slots: Slots,
}

/// The program's id in a value of 8 bytes.
fn program_of(value: &[u8]) -> Option<ProgramId> {
    let id = u32::from_le_bytes(*value.get(4..8)?.first_chunk()?);
    (id > 0).then_some(ProgramId(id))
}

impl Targets {
    /// An empty map.
    pub fn new(spec: MapSpec) -> Targets {
        let slots = Slots::new(spec.value_size, 0, 1, spec.max_entries);
        Targets { spec, elements: BTreeMap::new(), programs: BTreeMap::new(), slots }
    }

    fn is_hash(&self) -> bool {
        self.spec.map_type == types::DEVMAP_HASH
    }

    fn remove<M: Memory>(&mut self, cx: &mut MapContext<M>, index: u32) -> bool {
        cx.released.extend(self.programs.remove(&index).map(Reference::Program));
        let slot = self.elements.remove(&index);
        slot.map(|slot| self.slots.give(slot)).is_some()
    }

    /// The first word of a value: an interface, or a queue's length.
    fn target(value: &[u8]) -> u32 {
        value.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
    }
}

impl<M: Memory> Map<M> for Targets {
    fn spec(&self) -> &MapSpec {
        &self.spec
    }
    fn lookup(&mut self, cx: &mut MapContext<M>, key: &[u8], out: &mut [u8], _: u64) -> Result<(), Errno> {
        let slot = self.elements.get(&index(key)).ok_or(Errno::ENOENT)?;
        self.slots.read(cx, self.slots.address(*slot), out)
    }

    fn check_set(&self, key: &[u8], flags: u64) -> Result<(), Errno> {
        let update = Update::from_flags(flags)?;
        if self.is_hash() {
            return Ok(());
        }
        if index(key) >= self.spec.max_entries {
            return Err(Errno::E2BIG);
        }
        if update == Update::NoExist { Err(Errno::EEXIST) } else { Ok(()) }
    }

    /// `value` has the program's id where the system call gave a descriptor.
    fn update(&mut self, cx: &mut MapContext<M>, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        <Self as Map<M>>::check_set(self, key, flags)?;
        let (index, target) = (index(key), Self::target(value));
        match self.spec.map_type {
            types::CPUMAP if index >= cx.cpus => return Err(Errno::ENODEV),
            types::CPUMAP | types::DEVMAP if target == 0 => {
                self.remove(cx, index);
                return Ok(());
            }
            _ => {}
        }
        let slot = match self.elements.get(&index) {
            Some(_) if self.is_hash() && flags == 1 => return Err(Errno::EEXIST),
            Some(slot) => *slot,
            None if self.elements.len() >= self.spec.max_entries as usize => return Err(Errno::E2BIG),
            None => self.slots.take(cx)?,
        };
        self.elements.insert(index, slot);
        let before = match program_of(value) {
            Some(program) => self.programs.insert(index, program),
            None => self.programs.remove(&index),
        };
        cx.released.extend(before.map(Reference::Program));
        self.slots.write(cx, self.slots.address(slot), value)
    }

    fn delete(&mut self, cx: &mut MapContext<M>, key: &[u8]) -> Result<(), Errno> {
        let index = index(key);
        if self.is_hash() {
            return if self.remove(cx, index) { Ok(()) } else { Err(Errno::ENOENT) };
        }
        if index >= self.spec.max_entries {
            return Err(Errno::EINVAL);
        }
        self.remove(cx, index);
        Ok(())
    }

    fn next_key(&mut self, _: &mut MapContext<M>, key: Option<&[u8]>, out: &mut [u8]) -> Result<(), Errno> {
        if !self.is_hash() {
            return next_index(key, self.spec.max_entries, out);
        }
        let known = key.map(index).filter(|key| self.elements.contains_key(key));
        let from = known.map_or(0, |key| key.saturating_add(1));
        let past = known == Some(u32::MAX);
        let next = self.elements.range(from..).next().filter(|_| !past).ok_or(Errno::ENOENT)?;
        out.copy_from_slice(&next.0.to_le_bytes());
        Ok(())
    }

    fn program_lookup(&mut self, _cx: &mut MapContext<M>, key: &[u8]) -> Option<u32> {
        self.elements.get(&index(key)).map(|slot| self.slots.address(*slot))
    }

    fn references(&self) -> Vec<Reference> {
        self.programs.values().copied().map(Reference::Program).collect()
    }

    fn destroy(&mut self, arena: &mut Arena<M>) {
        self.slots.destroy(arena);
    }
}
