//! The same without a system: `hashbrown` as a map of numbers, which knows its types when compiled, and as an
//! index over keys of a size known at run time, which is what a map of `bpf(2)` has to be.

use anyhow::Result;
use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashTable};
use std::hash::BuildHasher;
use std::hint::black_box;
use std::time::Duration;

use super::text::{FACTOR, Kind, Operation};
use super::{MEASURED, Measure};
use crate::clock;

/// The sequence of keys that the programs go through.
struct Keys {
    state: u64,
    shift: u32,
}

impl Keys {
    fn next(&mut self) -> u32 {
        self.state = self.state.wrapping_mul(FACTOR).wrapping_add(1);
        (self.state >> self.shift) as u32
    }
}

/// Times a loop, which goes on where it stopped, as the programs do: other keys each time.
fn timed(keys: &mut Keys, mut body: impl FnMut(u32) -> u64) -> Result<Duration> {
    let start = clock::now();
    let mut sum = 0_u64;
    for _ in 0..MEASURED {
        sum = sum.wrapping_add(body(keys.next()));
    }
    black_box(sum);
    Ok(clock::now() - start)
}

/// Keys and values of sizes that are known at run time.
struct Table {
    index: HashTable<u32>,
    keys: Vec<u8>,
    values: Vec<u8>,
    free: Vec<u32>,
    hasher: FixedState,
    key_size: usize,
    value_size: usize,
}

impl Table {
    fn new(key_size: usize, value_size: usize, entries: u32) -> Table {
        let mut table = Table {
            index: HashTable::with_capacity(entries as usize),
            keys: vec![0; key_size * entries as usize],
            values: vec![0; value_size * entries as usize],
            free: (0..entries).rev().collect(),
            hasher: FixedState::with_seed(0),
            key_size,
            value_size,
        };
        for key in 0..entries {
            table.insert(&key.to_le_bytes(), &1_u64.to_le_bytes());
        }
        table
    }

    fn key(&self, slot: u32) -> &[u8] {
        &self.keys[slot as usize * self.key_size..][..self.key_size]
    }

    #[inline(never)]
    fn find(&self, key: &[u8]) -> Option<u32> {
        self.index.find(self.hasher.hash_one(key), |slot| self.key(*slot) == key).copied()
    }

    fn write(&mut self, slot: u32, value: &[u8]) {
        self.values[slot as usize * self.value_size..][..self.value_size].copy_from_slice(value);
    }

    #[inline(never)]
    fn insert(&mut self, key: &[u8], value: &[u8]) {
        let slot = match self.find(key) {
            Some(slot) => slot,
            None => {
                let Some(slot) = self.free.pop() else { return };
                self.keys[slot as usize * self.key_size..][..self.key_size].copy_from_slice(key);
                let (keys, size, hasher) = (&self.keys, self.key_size, &self.hasher);
                let hash_of = |slot: &u32| hasher.hash_one(&keys[*slot as usize * size..][..size]);
                self.index.insert_unique(hasher.hash_one(key), slot, hash_of);
                slot
            }
        };
        self.write(slot, value);
    }

    #[inline(never)]
    fn remove(&mut self, key: &[u8]) {
        let (keys, size) = (&self.keys, self.key_size);
        let same = |slot: &u32| &keys[*slot as usize * size..][..size] == key;
        if let Ok(entry) = self.index.find_entry(self.hasher.hash_one(key), same) {
            let (slot, _) = entry.remove();
            self.free.push(slot);
        }
    }
}

/// What there is to compare the operation with: a name, the measurement, and its loop alone.
pub fn measures(
    kind: &Kind,
    operation: Operation,
    entries: u32,
) -> Vec<(&'static str, [Measure<'static>; 2])> {
    if kind.name != "hash" || operation == Operation::Nothing {
        return Vec::new();
    }
    let mut fixed: HashMap<u32, u64, FixedState> = (0..entries).map(|key| (key, 1)).collect();
    let keys = || Keys { state: 0, shift: 64 - entries.trailing_zeros() };
    // The sizes come from where the compiler does not see them.
    let mut sized = Table::new(black_box(kind.key_size as usize), black_box(8), entries);
    let mut state = keys();
    let fixed: Measure = Box::new(move || {
        timed(&mut state, |key| match operation {
            Operation::LookUp => fixed.get(&key).copied().unwrap_or(0),
            Operation::Update => fixed.insert(key, key.into()).unwrap_or(0),
            _ => {
                fixed.remove(&key);
                fixed.insert(key, key.into()).unwrap_or(0)
            }
        })
    });
    let mut state = keys();
    let sized: Measure = Box::new(move || {
        timed(&mut state, |key| {
            let (key, value) = (key.to_le_bytes(), u64::from(key).to_le_bytes());
            match operation {
                Operation::LookUp => {
                    let slot = sized.find(&key);
                    return slot.map_or(0, |slot| u64::from(sized.values[slot as usize * sized.value_size]));
                }
                Operation::Update => sized.insert(&key, &value),
                _ => {
                    sized.remove(&key);
                    sized.insert(&key, &value);
                }
            }
            0
        })
    });
    let empty = || -> Measure {
        let mut state = keys();
        Box::new(move || timed(&mut state, |key| black_box(key).into()))
    };
    vec![("hashbrown, sizes at run time", [sized, empty()]), ("hashbrown, u32 to u64", [fixed, empty()])]
}
