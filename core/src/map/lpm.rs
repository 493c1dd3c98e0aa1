//! `BPF_MAP_TYPE_LPM_TRIE`: the longest prefix that matches.
//!
//! A key is a prefix length in bits (32 bits, host order) and the data, most significant bit first.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::cmp::Ordering;
use core::ops::Bound::{Excluded, Unbounded};

use super::slots::{Slot, Slots};
use super::types::Update;
use super::{Map, MapContext, MapSpec};
use crate::arena::{Arena, Memory};
use crate::errno::Errno;

/// Bytes of the prefix length before the data.
const HEADER: usize = 4;

/// A prefix: its data is zero past its length.
#[derive(Clone, PartialEq, Eq)]
struct Prefix {
    len: u32,
    data: Box<[u8]>,
}

impl Prefix {
    /// Reads a key, its data cut to `len` bits.
    fn new(key: &[u8], len: u32) -> Prefix {
        let mut data: Box<[u8]> = key.get(HEADER..).unwrap_or_default().into();
        for (at, byte) in data.iter_mut().enumerate() {
            let bits = len.saturating_sub(at as u32 * 8).min(8);
            *byte &= !(0xff_u32 >> bits) as u8;
        }
        Prefix { len, data }
    }
}

/// Iteration goes up a binary trie in post-order: the longer prefix before the one it lies in, a 0 bit
/// before a 1.
impl Ord for Prefix {
    fn cmp(&self, other: &Prefix) -> Ordering {
        let shared = self.len.min(other.len);
        for at in 0..self.data.len().min(other.data.len()) {
            let bits = shared.saturating_sub(at as u32 * 8).min(8);
            let mask = !(0xff_u32 >> bits) as u8;
            match (self.data[at] & mask).cmp(&(other.data[at] & mask)) {
                Ordering::Equal if bits == 8 => {}
                Ordering::Equal => break,
                different => return different,
            }
        }
        other.len.cmp(&self.len)
    }
}

impl PartialOrd for Prefix {
    fn partial_cmp(&self, other: &Prefix) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What a prefix leads to.
#[derive(Clone)]
struct Element {
    slot: Slot,
    /// The key as it was given, bits past the prefix included.
    key: Box<[u8]>,
}

/// A trie.
#[derive(Clone)]
pub struct Lpm {
    spec: MapSpec,
    elements: BTreeMap<Prefix, Element>,
    /// How many elements there are of each prefix length.
    lengths: BTreeMap<u32, u32>,
    slots: Slots,
}

impl Lpm {
    /// An empty trie.
    pub fn new(spec: MapSpec) -> Lpm {
        let slots = Slots::new(spec.value_size, 0, 1, spec.max_entries);
        Lpm { spec, elements: BTreeMap::new(), lengths: BTreeMap::new(), slots }
    }

    fn len_of(key: &[u8]) -> u32 {
        key.first_chunk().map_or(u32::MAX, |bytes| u32::from_le_bytes(*bytes))
    }

    /// Most bits of a prefix.
    fn most_bits(&self) -> u32 {
        (self.spec.key_size.saturating_sub(HEADER as u32)) * 8
    }

    /// The longest prefix that matches and is no longer than the key's.
    fn matching(&self, key: &[u8]) -> Option<Slot> {
        let most = Self::len_of(key);
        if most > self.most_bits() {
            return None;
        }
        let lengths = self.lengths.range(..=most).rev();
        lengths.map(|(len, _)| Prefix::new(key, *len)).find_map(|p| self.elements.get(&p)).map(|e| e.slot)
    }

    /// The element with exactly that prefix.
    ///
    /// # Errors
    /// `EINVAL` where the prefix is longer than the data.
    fn exact(&self, key: &[u8]) -> Result<Prefix, Errno> {
        let len = Self::len_of(key);
        if len > self.most_bits() { Err(Errno::EINVAL) } else { Ok(Prefix::new(key, len)) }
    }
}

impl<M: Memory> Map<M> for Lpm {
    fn spec(&self) -> &MapSpec {
        &self.spec
    }

    fn lookup(&mut self, cx: &mut MapContext<M>, key: &[u8], out: &mut [u8], _: u64) -> Result<(), Errno> {
        let slot = self.matching(key).ok_or(Errno::ENOENT)?;
        self.slots.read(cx, self.slots.address(slot), out)
    }

    fn update(&mut self, cx: &mut MapContext<M>, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        let update = Update::from_flags(flags)?;
        let prefix = self.exact(key)?;
        let slot = match (self.elements.get(&prefix), update) {
            (Some(_), Update::NoExist) => return Err(Errno::EEXIST),
            (None, Update::Exist) => return Err(Errno::ENOENT),
            (Some(element), _) => element.slot,
            (None, _) if self.elements.len() >= self.spec.max_entries as usize => return Err(Errno::ENOSPC),
            (None, _) => {
                let slot = self.slots.take(cx)?;
                *self.lengths.entry(prefix.len).or_default() += 1;
                slot
            }
        };
        self.elements.insert(prefix, Element { slot, key: key.into() });
        self.slots.write(cx, self.slots.address(slot), value)
    }

    fn delete(&mut self, _cx: &mut MapContext<M>, key: &[u8]) -> Result<(), Errno> {
        let prefix = self.exact(key)?;
        let element = self.elements.remove(&prefix).ok_or(Errno::ENOENT)?;
        self.slots.give(element.slot);
        if let Some(count) = self.lengths.get_mut(&prefix.len) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&prefix.len);
            }
        }
        Ok(())
    }

    fn next_key(&mut self, _cx: &mut MapContext<M>, key: Option<&[u8]>, out: &mut [u8]) -> Result<(), Errno> {
        let known = key.and_then(|key| self.exact(key).ok()).filter(|p| self.elements.contains_key(p));
        let from = known.as_ref().map_or(Unbounded, Excluded);
        let (_, element) = self.elements.range((from, Unbounded)).next().ok_or(Errno::ENOENT)?;
        out.copy_from_slice(&element.key);
        Ok(())
    }

    fn program_lookup(&mut self, _cx: &mut MapContext<M>, key: &[u8]) -> Option<u32> {
        self.matching(key).map(|slot| self.slots.address(slot))
    }

    fn destroy(&mut self, arena: &mut Arena<M>) {
        self.slots.destroy(arena);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_prefixes_come_before_those_they_lie_in() {
        let prefix = |len: u32, data: [u8; 4]| {
            let mut key = len.to_le_bytes().to_vec();
            key.extend(data);
            Prefix::new(&key, len)
        };
        let mut all = [
            prefix(0, [0; 4]),
            prefix(8, [10, 1, 2, 3]),
            prefix(16, [10, 0, 0, 0]),
            prefix(24, [10, 0, 1, 0]),
            prefix(8, [192, 0, 0, 0]),
        ];
        assert_eq!(all[1].data[..], [10, 0, 0, 0]);
        all.sort();
        let order: alloc::vec::Vec<_> = all.iter().map(|p| (p.len, p.data[0])).collect();
        assert_eq!(order, [(24, 10), (16, 10), (8, 10), (8, 192), (0, 0)]);
    }
}
