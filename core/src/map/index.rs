//! Where the elements of a hash are: open addressing over pairs of a hash and an address.
//!
//! A bucket has 32 bits of the hash, whose low bits are its place, and the element's address; 0 is no element's
//! address. A look-up goes from the place on, bucket by bucket, and reads an element only where all 32 bits
//! are the same: one line of cache for the buckets, one for the element, which has its key beside its value.

use alloc::vec;
use alloc::vec::Vec;

/// Buckets at first.
const LEAST: usize = 16;

/// An index of elements.
#[derive(Clone, Default)]
pub struct Index {
    /// A power of two of them, a third or more of them empty; none before the first element.
    buckets: Vec<u64>,
    len: usize,
}

fn bucket(hash: u32, address: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(address)
}

impl Index {
    /// Number of elements.
    pub fn elements(&self) -> usize {
        self.len
    }

    /// The address of the element with that hash that `is` it.
    #[inline(always)]
    pub fn find(&self, hash: u32, is: impl FnMut(u32) -> bool) -> Option<u32> {
        let at = self.place(hash, is)?;
        Some(self.buckets[at] as u32)
    }

    #[inline(always)]
    fn place(&self, hash: u32, mut is: impl FnMut(u32) -> bool) -> Option<usize> {
        let mask = self.buckets.len().wrapping_sub(1);
        let mut at = hash as usize & mask;
        loop {
            // Past no bucket: an index without any has none.
            let bucket = *self.buckets.get(at)?;
            let address = bucket as u32;
            if address == 0 {
                return None;
            }
            if (bucket >> 32) as u32 == hash && is(address) {
                return Some(at);
            }
            at = (at + 1) & mask;
        }
    }

    /// Adds an element that is not in it; its address is not 0.
    pub fn insert(&mut self, hash: u32, address: u32) {
        if (self.len + 1) * 3 > self.buckets.len() * 2 {
            let more = vec![0; (self.buckets.len() * 2).max(LEAST)];
            for bucket in core::mem::replace(&mut self.buckets, more) {
                if bucket as u32 != 0 {
                    self.put(bucket);
                }
            }
        }
        self.put(bucket(hash, address));
        self.len += 1;
    }

    /// Puts a bucket into the first empty place from its own on: there is one.
    fn put(&mut self, bucket: u64) {
        let mask = self.buckets.len() - 1;
        let mut at = (bucket >> 32) as usize & mask;
        while self.buckets[at] as u32 != 0 {
            at = (at + 1) & mask;
        }
        self.buckets[at] = bucket;
    }

    /// Takes the element with that hash that `is` it out; its address.
    pub fn remove(&mut self, hash: u32, is: impl FnMut(u32) -> bool) -> Option<u32> {
        let mut hole = self.place(hash, is)?;
        let address = self.buckets[hole] as u32;
        let mask = self.buckets.len() - 1;
        let mut at = hole;
        // What follows moves up, unless it would then lie before its own place.
        loop {
            at = (at + 1) & mask;
            let bucket = self.buckets[at];
            if bucket as u32 == 0 {
                break;
            }
            let home = (bucket >> 32) as usize & mask;
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.buckets[hole] = bucket;
                hole = at;
            }
        }
        self.buckets[hole] = 0;
        self.len -= 1;
        Some(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use proptest::prelude::*;

    proptest! {
        /// Hashes of few bits, so that elements crowd: the index has what a map by address has.
        #[test]
        fn has_what_was_put_in(steps in prop::collection::vec((0..24u32, any::<bool>()), 0..300)) {
            let mut index = Index::default();
            let mut model = BTreeMap::new();
            let hash = |address: u32| address % 5 * 0x1001_0001 + 14;
            for (number, adds) in steps {
                let address = number + 1;
                let is = |other: u32| other == address;
                if adds && !model.contains_key(&address) {
                    index.insert(hash(address), address);
                    model.insert(address, ());
                } else if !adds {
                    prop_assert_eq!(index.remove(hash(address), is), model.remove(&address).map(|()| address));
                }
                prop_assert_eq!(index.elements(), model.len());
                for address in 1..=24 {
                    let found = index.find(hash(address), |other| other == address);
                    prop_assert_eq!(found, model.contains_key(&address).then_some(address));
                }
            }
        }
    }
}
