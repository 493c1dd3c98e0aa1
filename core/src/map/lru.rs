//! Which elements of a full LRU hash make room.
//!
//! As in the running kernel, places go through lists: a CPU takes several free ones at once, elements that it
//! makes are pending until its free ones are used up, and then join the inactive ones, or the active ones where
//! they were used or took another's place. Inactive elements are evicted oldest first, but for those that were
//! used; where fewer are inactive than active, the oldest active ones become inactive first. A list that all
//! CPUs share gives up half a CPU's part of the map at once, but no more than 128; a list of one CPU
//! (`BPF_F_NO_COMMON_LRU`) gives up 4, and has none pending. A look-up by the system call is no use.

use alloc::vec;
use alloc::vec::Vec;

use super::slots::Slot;

/// Most elements that a common list gives up at once.
const MOST_AT_ONCE: u32 = 128;
/// Elements that a CPU's own list gives up at once.
const OWN_AT_ONCE: u32 = 4;

/// No neighbour, no list.
const NONE: u32 = u32::MAX;

/// The lists of an LRU hash.
#[derive(Clone)]
pub struct Lru {
    /// Of each set: what was not used, what was. Then, of a common set, each CPU's pending elements.
    lists: Vec<List>,
    /// Number of sets: one, or one of each CPU.
    sets: u32,
    /// Free places of each set.
    free: Vec<u32>,
    /// Free places that a CPU took from the common set.
    taken: Vec<u32>,
    nodes: Vec<Node>,
    /// Places of a set.
    room: u32,
    at_once: u32,
    /// Most active elements that are looked at, at once.
    looked_at: u32,
}

/// A list from its oldest element to its newest.
#[derive(Clone, Copy)]
struct List {
    oldest: u32,
    newest: u32,
    len: u32,
}

#[derive(Clone, Copy)]
struct Node {
    older: u32,
    newer: u32,
    /// The list that it is in, or [`NONE`].
    list: u32,
    used: bool,
}

/// There is no place for an element, and none to be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoPlace;

impl Lru {
    /// Empty lists: one set, or one per CPU.
    pub fn new(max_entries: u32, cpus: u32, own: bool) -> Lru {
        let (sets, room, at_once, pending) = if own {
            (cpus, max_entries.div_ceil(cpus), OWN_AT_ONCE, 0)
        } else {
            (1, max_entries, (max_entries / cpus / 2).clamp(1, MOST_AT_ONCE), cpus)
        };
        let list = List { oldest: NONE, newest: NONE, len: 0 };
        let lists = vec![list; (2 * sets + pending) as usize];
        let (free, taken) = (vec![room; sets as usize], vec![0; pending as usize]);
        let looked_at = if own { OWN_AT_ONCE } else { MOST_AT_ONCE };
        Lru { lists, sets, free, taken, nodes: Vec::new(), room, at_once, looked_at }
    }

    /// Most elements in all lists.
    pub fn capacity(&self) -> u32 {
        self.room.saturating_mul(self.sets)
    }

    /// The set that a CPU's elements are in.
    fn set_of(&self, cpu: u32) -> u32 {
        cpu.min(self.sets - 1)
    }

    /// A CPU's own place among those that have pending elements; `None` where none has.
    fn local(&self, cpu: u32) -> Option<usize> {
        let last = self.taken.len().checked_sub(1)?;
        Some((cpu as usize).min(last))
    }

    fn inactive(set: u32) -> u32 {
        2 * set
    }
    fn active(set: u32) -> u32 {
        2 * set + 1
    }
    fn pending(&self, local: usize) -> u32 {
        2 * self.sets + local as u32
    }

    fn list(&mut self, list: u32) -> &mut List {
        &mut self.lists[list as usize]
    }

    /// Marks an element as used.
    #[inline(always)]
    pub fn touch(&mut self, slot: Slot) {
        if let Some(node) = self.nodes.get_mut(slot.0 as usize) {
            node.used = true;
        }
    }

    /// Adds an element as the newest, at a place that [`Lru::take`] made.
    pub fn insert(&mut self, slot: Slot, cpu: u32) {
        if self.nodes.len() <= slot.0 as usize {
            let none = Node { older: NONE, newer: NONE, list: NONE, used: false };
            self.nodes.resize(slot.0 as usize + 1, none);
        }
        let list = match self.local(cpu) {
            Some(local) => self.pending(local),
            None => Lru::inactive(self.set_of(cpu)),
        };
        self.link(slot.0, list);
    }

    /// Gives a place of [`Lru::take`] back, unused.
    pub fn give_back(&mut self, cpu: u32) {
        match self.local(cpu) {
            Some(local) => self.taken[local] += 1,
            None => {
                let set = self.set_of(cpu);
                self.free[set as usize] += 1;
            }
        }
    }

    fn link(&mut self, at: u32, list: u32) {
        let newest = self.list(list).newest;
        self.nodes[at as usize] = Node { older: newest, newer: NONE, list, used: false };
        match newest {
            NONE => self.list(list).oldest = at,
            newest => self.nodes[newest as usize].newer = at,
        }
        let list = self.list(list);
        list.newest = at;
        list.len += 1;
    }

    /// Takes an element out of its list; the list.
    fn unlink(&mut self, at: u32) -> Option<u32> {
        let node = self.nodes.get(at as usize).copied().filter(|node| node.list != NONE)?;
        match node.older {
            NONE => self.list(node.list).oldest = node.newer,
            older => self.nodes[older as usize].newer = node.newer,
        }
        match node.newer {
            NONE => self.list(node.list).newest = node.older,
            newer => self.nodes[newer as usize].older = node.older,
        }
        self.list(node.list).len -= 1;
        self.nodes[at as usize].list = NONE;
        Some(node.list)
    }

    /// Takes an element out; its place is free.
    pub fn remove(&mut self, slot: Slot) {
        let Some(list) = self.unlink(slot.0) else { return };
        match list.checked_sub(2 * self.sets) {
            Some(local) => self.taken[local as usize] += 1,
            None => self.free[list as usize / 2] += 1,
        }
    }

    /// Moves the oldest element of a list to the newest place of the one that `to` says of its use.
    fn pass_over(&mut self, from: u32, to: impl Fn(bool) -> u32) {
        let oldest = self.list(from).oldest;
        if oldest == NONE {
            return;
        }
        let used = self.nodes[oldest as usize].used;
        self.unlink(oldest);
        self.link(oldest, to(used));
    }

    /// Makes the oldest active elements inactive where there are too few of these; used ones stay once more.
    fn rotate(&mut self, set: u32) {
        let (inactive, active) = (Lru::inactive(set), Lru::active(set));
        if self.list(inactive).len < self.list(active).len {
            for _ in 0..self.looked_at.min(self.list(active).len) {
                self.pass_over(active, |used| if used { active } else { inactive });
            }
        }
    }

    /// Evicts up to `count` elements of a set: inactive ones that were not used, or else one of any.
    fn shrink(&mut self, set: u32, count: u32) -> Vec<Slot> {
        let (inactive, active) = (Lru::inactive(set), Lru::active(set));
        let mut victims = Vec::new();
        for _ in 0..self.list(inactive).len {
            let oldest = self.list(inactive).oldest;
            if victims.len() as u32 == count || oldest == NONE {
                break;
            }
            if self.nodes[oldest as usize].used {
                self.pass_over(inactive, |_| active);
            } else {
                self.unlink(oldest);
                victims.push(Slot(oldest));
            }
        }
        if victims.is_empty() {
            let oldest = match self.list(inactive).oldest {
                NONE => self.list(active).oldest,
                oldest => oldest,
            };
            victims.extend(self.unlink(oldest).map(|_| Slot(oldest)));
        }
        victims
    }

    /// A place for an element that the CPU makes: elements that have to go for it are in no list any more.
    ///
    /// # Errors
    /// [`NoPlace`] where all places are others' that have nothing in them yet.
    pub fn take(&mut self, cpu: u32) -> Result<Vec<Slot>, NoPlace> {
        let set = self.set_of(cpu);
        let Some(local) = self.local(cpu) else {
            self.rotate(set);
            let mut victims = Vec::new();
            if self.free[set as usize] == 0 {
                victims = self.shrink(set, self.at_once);
                self.free[set as usize] += victims.len() as u32;
            }
            let free = &mut self.free[set as usize];
            *free = free.checked_sub(1).ok_or(NoPlace)?;
            return Ok(victims);
        };
        let mut victims = Vec::new();
        if self.taken[local] == 0 {
            let pending = self.pending(local);
            while self.list(pending).oldest != NONE {
                self.pass_over(pending, |used| if used { Lru::active(set) } else { Lru::inactive(set) });
            }
            self.rotate(set);
            let got = self.free[set as usize].min(self.at_once);
            self.free[set as usize] -= got;
            if got < self.at_once {
                victims = self.shrink(set, self.at_once - got);
            }
            self.taken[local] += got + victims.len() as u32;
        }
        match self.taken[local].checked_sub(1) {
            Some(left) => self.taken[local] = left,
            None => victims.extend(self.steal(local)?),
        }
        Ok(victims)
    }

    /// A place that another CPU took and has not used, or one of its pending elements.
    fn steal(&mut self, local: usize) -> Result<Option<Slot>, NoPlace> {
        let cpus = self.taken.len();
        for other in (0..cpus).map(|at| (local + at) % cpus) {
            if let Some(left) = self.taken[other].checked_sub(1) {
                self.taken[other] = left;
                return Ok(None);
            }
            let oldest = self.list(self.pending(other)).oldest;
            if self.unlink(oldest).is_some() {
                return Ok(Some(Slot(oldest)));
            }
        }
        Err(NoPlace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys that went, by the element whose insertion made them go.
    fn evictions(max_entries: u32, own: bool, inserted: u32) -> Vec<(u32, Vec<u32>)> {
        let mut lru = Lru::new(max_entries, 2, own);
        let mut gone = Vec::new();
        for at in 0..inserted {
            let victims: Vec<u32> = lru.take(0).unwrap().into_iter().map(|slot| slot.0).collect();
            if !victims.is_empty() {
                gone.push((at, victims));
            }
            lru.insert(Slot(at), 0);
        }
        gone
    }

    /// What the running kernel's maps did on a machine with two CPUs.
    #[test]
    fn evicts_as_many_as_the_kernel() {
        assert_eq!(evictions(1, false, 3), [(1, vec![0]), (2, vec![1])]);
        assert_eq!(evictions(5, false, 7), [(5, vec![0]), (6, vec![1])]);
        assert_eq!(evictions(8, false, 11), [(8, vec![0, 1]), (10, vec![2, 3])]);
        assert_eq!(evictions(100, false, 101), [(100, (0..25).collect::<Vec<_>>())]);
        assert_eq!(evictions(1024, false, 1025), [(1024, (0..128).collect::<Vec<_>>())]);
        assert_eq!(evictions(3, true, 5), [(2, vec![0, 1]), (4, vec![2, 3])]);
        assert_eq!(evictions(64, true, 37), [(32, vec![0, 1, 2, 3]), (36, vec![4, 5, 6, 7])]);
    }

    /// Keys in a map of four after each update, as the running kernel's had them.
    #[test]
    fn replaced_elements_are_used() {
        let cases: &[(&[u32], &[u32])] = &[
            (&[2, 0, 2, 4, 5, 0, 4, 7, 8, 9], &[2, 7, 8, 9]),
            (&[5, 4, 5, 0, 4, 1], &[0, 1, 4, 5]),
            (&[1, 2, 3, 4, 1, 1], &[1, 3, 4]),
            (&[1, 2, 3, 4, 1, 1, 2, 5, 6], &[1, 2, 5, 6]),
        ];
        for (updates, left) in cases {
            let mut lru = Lru::new(4, 2, false);
            let mut keys: Vec<(u32, Slot)> = Vec::new();
            for (&key, slot) in updates.iter().zip(0..) {
                let victims = lru.take(0).unwrap();
                keys.retain(|(_, slot)| !victims.contains(slot));
                let old = keys.iter().position(|(other, _)| *other == key).map(|at| keys.remove(at).1);
                if let Some(old) = old {
                    lru.remove(old);
                }
                lru.insert(Slot(slot), 0);
                if old.is_some() {
                    lru.touch(Slot(slot));
                }
                keys.push((key, Slot(slot)));
            }
            let mut keys: Vec<u32> = keys.into_iter().map(|(key, _)| key).collect();
            keys.sort();
            assert_eq!(keys, *left, "{updates:?}");
        }
    }

    #[test]
    fn used_elements_get_a_second_chance() {
        let mut lru = Lru::new(2, 1, false);
        for slot in 0..2 {
            assert_eq!(lru.take(0), Ok(vec![]));
            lru.insert(Slot(slot), 0);
        }
        lru.touch(Slot(0));
        assert_eq!(lru.take(0), Ok(vec![Slot(1)]));
    }
}
