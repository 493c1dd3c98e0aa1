//! Which elements of a full LRU hash make room.
//!
//! Elements are evicted oldest first. Those that a program looked up or updated since they were last passed
//! over become active, and active ones are evicted only where there are no others. As in the running kernel, room is made for several at once: a list that all CPUs share
//! gives up half a CPU's part of the map, but no more than 128; a list of one CPU (`BPF_F_NO_COMMON_LRU`)
//! gives up 4. A look-up by the system call is no use.

use alloc::vec;
use alloc::vec::Vec;

use super::slots::Slot;

/// Most elements that a common list gives up at once.
const MOST_AT_ONCE: u32 = 128;
/// Elements that a CPU's own list gives up at once.
const OWN_AT_ONCE: u32 = 4;

/// No neighbour.
const NONE: u32 = u32::MAX;

/// The lists of an LRU hash.
#[derive(Clone)]
pub struct Lru {
    /// Of each CPU, or of all: what was not used, what was.
    lists: Vec<[List; 2]>,
    nodes: Vec<Node>,
    /// Most elements of one list.
    room: u32,
    at_once: u32,
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
    list: u32,
    active: bool,
    used: bool,
    linked: bool,
}

impl Lru {
    /// Empty lists: one, or one per CPU.
    pub fn new(max_entries: u32, cpus: u32, own: bool) -> Lru {
        let (lists, room, at_once) = if own {
            (cpus, max_entries.div_ceil(cpus), OWN_AT_ONCE)
        } else {
            (1, max_entries, (max_entries / cpus / 2).clamp(1, MOST_AT_ONCE))
        };
        let list = List { oldest: NONE, newest: NONE, len: 0 };
        Lru { lists: vec![[list; 2]; lists as usize], nodes: Vec::new(), room, at_once }
    }

    /// Most elements in all lists.
    pub fn capacity(&self) -> u32 {
        self.room.saturating_mul(self.lists.len() as u32)
    }

    fn list_of(&self, cpu: u32) -> u32 {
        cpu.min(self.lists.len() as u32 - 1)
    }

    /// Marks an element as used.
    #[inline(always)]
    pub fn touch(&mut self, slot: Slot) {
        if let Some(node) = self.nodes.get_mut(slot.0 as usize) {
            node.used = true;
        }
    }

    fn list(&mut self, list: u32, active: bool) -> &mut List {
        &mut self.lists[list as usize][usize::from(active)]
    }

    /// Adds an element as the newest.
    pub fn insert(&mut self, slot: Slot, cpu: u32) {
        let list = self.list_of(cpu);
        if self.nodes.len() <= slot.0 as usize {
            let none = Node { older: NONE, newer: NONE, list: 0, active: false, used: false, linked: false };
            self.nodes.resize(slot.0 as usize + 1, none);
        }
        self.link(slot.0, list, false);
    }

    fn link(&mut self, at: u32, list: u32, active: bool) {
        let newest = self.list(list, active).newest;
        self.nodes[at as usize] =
            Node { older: newest, newer: NONE, list, active, used: false, linked: true };
        match newest {
            NONE => self.list(list, active).oldest = at,
            newest => self.nodes[newest as usize].newer = at,
        }
        let list = self.list(list, active);
        list.newest = at;
        list.len += 1;
    }

    /// Takes an element out.
    pub fn remove(&mut self, slot: Slot) {
        let Some(node) = self.nodes.get(slot.0 as usize).copied().filter(|node| node.linked) else { return };
        match node.older {
            NONE => self.list(node.list, node.active).oldest = node.newer,
            older => self.nodes[older as usize].newer = node.newer,
        }
        match node.newer {
            NONE => self.list(node.list, node.active).newest = node.older,
            newer => self.nodes[newer as usize].older = node.older,
        }
        self.list(node.list, node.active).len -= 1;
        self.nodes[slot.0 as usize].linked = false;
    }

    /// Moves the oldest element of a list to the newest place of the one that `to` says of its use.
    fn pass_over(&mut self, list: u32, from: bool, to: impl Fn(bool) -> bool) {
        let oldest = self.list(list, from).oldest;
        if oldest == NONE {
            return;
        }
        let used = self.nodes[oldest as usize].used;
        self.remove(Slot(oldest));
        self.link(oldest, list, to(used));
    }

    /// Elements that have to go before the CPU can add one; they are in no list any more.
    pub fn make_room(&mut self, cpu: u32) -> Vec<Slot> {
        let list = self.list_of(cpu);
        let mut victims = Vec::new();
        let len = |lru: &mut Lru, active| lru.list(list, active).len;
        if len(self, false) + len(self, true) < self.room {
            return victims;
        }
        // Active elements that were not used again make up for too few others.
        if len(self, false) < len(self, true) {
            for _ in 0..self.at_once.min(len(self, true)) {
                self.pass_over(list, true, |used| used);
            }
        }
        for _ in 0..len(self, false) {
            let oldest = self.list(list, false).oldest;
            if victims.len() as u32 == self.at_once || oldest == NONE {
                break;
            }
            if self.nodes[oldest as usize].used {
                self.pass_over(list, false, |_| true);
            } else {
                self.remove(Slot(oldest));
                victims.push(Slot(oldest));
            }
        }
        if victims.is_empty() {
            // All were used: the oldest of any.
            let oldest = match self.list(list, false).oldest {
                NONE => self.list(list, true).oldest,
                oldest => oldest,
            };
            self.remove(Slot(oldest));
            victims.extend((oldest != NONE).then_some(Slot(oldest)));
        }
        victims
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
            let victims: Vec<u32> = lru.make_room(0).into_iter().map(|slot| slot.0).collect();
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

    #[test]
    fn used_elements_get_a_second_chance() {
        let mut lru = Lru::new(2, 1, false);
        lru.insert(Slot(0), 0);
        lru.insert(Slot(1), 0);
        lru.touch(Slot(0));
        assert_eq!(lru.make_room(0), [Slot(1)]);
        lru.insert(Slot(1), 0);
        // The one that was used is active, and stays.
        assert_eq!(lru.make_room(0), [Slot(1)]);
    }
}
