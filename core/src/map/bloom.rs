//! `BPF_MAP_TYPE_BLOOM_FILTER`: says of a value that it is surely not there, or that it may be.

use alloc::collections::BTreeMap;
use core::hash::BuildHasher;

use foldhash::fast::FixedState;

use super::{Map, MapContext, MapSpec};
use crate::arena::{Arena, Memory};
use crate::errno::Errno;

/// Hash functions where `map_extra` names no number.
const DEFAULT_FUNCTIONS: u32 = 5;
/// Most bits of a filter: 2^32.
const MOST_BITS: u64 = 1 << 32;

/// A filter. Its bits are kept by words that have any, so that a large one costs what is in it.
#[derive(Clone)]
pub struct Bloom {
    spec: MapSpec,
    functions: u32,
    mask: u64,
    words: BTreeMap<u32, u64>,
}

impl Bloom {
    /// An empty filter. `extra` names the number of hash functions in its lower 4 bits.
    pub fn new(spec: MapSpec) -> Bloom {
        let functions = if spec.extra == 0 { DEFAULT_FUNCTIONS } else { spec.extra as u32 & 0xf };
        // The number of bits that fills half of the filter is entries * functions / ln 2.
        let bits = u64::from(spec.max_entries) * u64::from(functions) * 7 / 5;
        let bits = bits.max(1).next_power_of_two().min(MOST_BITS);
        Bloom { spec, functions, mask: bits - 1, words: BTreeMap::new() }
    }

    /// The words and bits of a value.
    fn bits(&self, value: &[u8]) -> impl Iterator<Item = (u32, u64)> + use<> {
        let mask = self.mask;
        let hashes = (0..self.functions).map(|at| FixedState::with_seed(at.into()).hash_one(value));
        let hashes: alloc::vec::Vec<u64> = hashes.collect();
        hashes.into_iter().map(move |hash| {
            let bit = hash & mask;
            ((bit / 64) as u32, 1 << (bit % 64))
        })
    }

    fn has(&self, value: &[u8]) -> Result<(), Errno> {
        let set = |(word, bit)| self.words.get(&word).is_some_and(|bits| bits & bit != 0);
        if self.bits(value).all(set) { Ok(()) } else { Err(Errno::ENOENT) }
    }

    fn add(&mut self, value: &[u8], flags: u64) -> Result<(), Errno> {
        if flags != 0 {
            return Err(Errno::EINVAL);
        }
        for (word, bit) in self.bits(value) {
            *self.words.entry(word).or_default() |= bit;
        }
        Ok(())
    }
}

impl<M: Memory> Map<M> for Bloom {
    fn spec(&self) -> &MapSpec {
        &self.spec
    }
    /// `out` is the value that is looked for.
    fn lookup(&mut self, _: &mut MapContext<M>, _: &[u8], out: &mut [u8], _: u64) -> Result<(), Errno> {
        self.has(out)
    }
    fn update(&mut self, _: &mut MapContext<M>, _: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
        self.add(value, flags)
    }
    fn delete(&mut self, _: &mut MapContext<M>, _: &[u8]) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }
    fn next_key(&mut self, _: &mut MapContext<M>, _: Option<&[u8]>, _: &mut [u8]) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }
    fn push(&mut self, _cx: &mut MapContext<M>, value: &[u8], flags: u64) -> Result<(), Errno> {
        self.add(value, flags)
    }
    fn pop(&mut self, _cx: &mut MapContext<M>, _out: &mut [u8]) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }
    fn peek(&mut self, _cx: &mut MapContext<M>, out: &mut [u8]) -> Result<(), Errno> {
        self.has(out)
    }
    fn destroy(&mut self, _arena: &mut Arena<M>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_what_is_in_it_and_most_of_what_is_not() {
        let spec = MapSpec { value_size: 4, max_entries: 1000, ..MapSpec::default() };
        let mut filter = Bloom::new(spec);
        for at in 0..1000u32 {
            filter.add(&at.to_le_bytes(), 0).unwrap();
        }
        assert!((0..1000u32).all(|at| filter.has(&at.to_le_bytes()).is_ok()));
        let wrong = (1000..11_000u32).filter(|at| filter.has(&at.to_le_bytes()).is_ok()).count();
        assert!(wrong < 500, "{wrong} of 10000");
    }
}
