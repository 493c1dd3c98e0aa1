//! `BPF_MAP_TYPE_ARENA`: pages that a program and a process share. It has no elements.
//!
//! A page is reached by the low half of its address. What is not there reads as 0 and swallows stores. Facts of the
//! running kernel: pages are taken from the smallest free range that holds them, of several the one that changed last.

use alloc::collections::BTreeMap;

use super::{Map, MapContext, MapSpec};
use crate::arena::{Arena, Memory, ObjectKind, Rmw};
use crate::errno::Errno;
use crate::isa::Size;

/// Bytes of a page.
pub const PAGE: u32 = 4096;

/// Pages that nobody has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Free {
    len: u32,
    /// When it changed, by count.
    changed: u64,
}

/// An arena map.
#[derive(Clone)]
pub struct Pages {
    spec: MapSpec,
    /// Free pages by their first: never adjacent.
    free: BTreeMap<u32, Free>,
    changes: u64,
    /// Where each page that is there lies in the memory.
    present: BTreeMap<u32, u32>,
}

impl Pages {
    /// A map of `max_entries` pages, none of them there yet.
    pub fn new(spec: MapSpec) -> Pages {
        let free = BTreeMap::from([(0, Free { len: spec.max_entries, changed: 0 })]);
        Pages { spec, free, changes: 0, present: BTreeMap::new() }
    }

    /// The page at an address: its low half counts.
    fn page_at(&self, address: u64) -> u32 {
        (address as u32).wrapping_sub(self.spec.extra as u32) / PAGE
    }

    /// The process's address of a page.
    fn address_of(&self, page: u32) -> u64 {
        self.spec.extra + u64::from(page) * u64::from(PAGE)
    }

    fn add_free(&mut self, start: u32, len: u32) {
        if len > 0 {
            self.changes += 1;
            self.free.insert(start, Free { len, changed: self.changes });
        }
    }

    /// The free range that holds all of these pages.
    fn free_around(&self, start: u32, len: u32) -> Option<(u32, u32)> {
        let (&from, range) = self.free.range(..=start).next_back()?;
        (start - from + len <= range.len).then_some((from, range.len))
    }

    /// Takes pages of a free range.
    fn take(&mut self, (from, room): (u32, u32), start: u32, len: u32) {
        self.free.remove(&from);
        self.add_free(from, start - from);
        self.add_free(start + len, from + room - start - len);
    }

    /// Gives pages back, free before or not.
    fn give(&mut self, mut start: u32, len: u32) {
        let mut end = start + len;
        let touching: alloc::vec::Vec<(u32, u32)> = self
            .free
            .range(..=end)
            .map(|(&from, range)| (from, from + range.len))
            .filter(|(_, to)| *to >= start)
            .collect();
        for (from, to) in touching {
            self.free.remove(&from);
            (start, end) = (start.min(from), end.max(to));
        }
        self.add_free(start, end - start);
    }

    /// `bpf_arena_alloc_pages`: the process's address of `count` zeroed pages, at `address` where that is not 0;
    /// 0 where they can't be had.
    pub fn allocate<M: Memory>(&mut self, cx: &mut MapContext<M>, address: u64, count: u32) -> u64 {
        if count == 0 || count > self.spec.max_entries || !address.is_multiple_of(PAGE.into()) {
            return 0;
        }
        let found = if address != 0 {
            let page = self.page_at(address);
            let inside = page.checked_add(count).is_some_and(|end| end <= self.spec.max_entries);
            inside.then(|| self.free_around(page, count)).flatten().map(|range| (range, page))
        } else {
            let fitting = self.free.iter().filter(|(_, range)| range.len >= count);
            let best = fitting.min_by_key(|(_, range)| (range.len, core::cmp::Reverse(range.changed)));
            best.map(|(&from, range)| ((from, range.len), from))
        };
        let Some((range, page)) = found else { return 0 };
        for at in 0..count {
            let Ok(object) = cx.arena.allocate(PAGE, PAGE, ObjectKind::Buffer, true) else {
                self.drop_pages(cx.arena, page, at);
                return 0;
            };
            self.present.insert(page + at, object.address);
        }
        self.take(range, page, count);
        self.address_of(page)
    }

    /// `bpf_arena_free_pages`: those of them that the map has.
    pub fn release<M: Memory>(&mut self, cx: &mut MapContext<M>, address: u64, count: u32) {
        let page = self.page_at(address);
        if address == 0 || page >= self.spec.max_entries {
            return;
        }
        let count = count.min(self.spec.max_entries - page);
        if count > 0 {
            self.drop_pages(cx.arena, page, count);
            self.give(page, count);
        }
    }

    /// `bpf_arena_reserve_pages`: nobody is given them, until they are freed.
    ///
    /// # Errors
    /// `EINVAL` where they are none of the map's, `EBUSY` where one is taken.
    pub fn reserve(&mut self, address: u64, count: u32) -> Result<(), Errno> {
        if count == 0 || !address.is_multiple_of(PAGE.into()) {
            return Ok(());
        }
        let page = self.page_at(address);
        if page.checked_add(count).is_none_or(|end| end > self.spec.max_entries) {
            return Err(Errno::EINVAL);
        }
        let range = self.free_around(page, count).ok_or(Errno::EBUSY)?;
        self.take(range, page, count);
        Ok(())
    }

    fn drop_pages<M: Memory>(&mut self, arena: &mut Arena<M>, page: u32, count: u32) {
        let gone: alloc::vec::Vec<u32> =
            self.present.range(page..page + count).map(|(&page, _)| page).collect();
        for page in gone {
            if let Some(address) = self.present.remove(&page) {
                arena.release(address);
            }
        }
    }

    /// Where the byte at an address lies in the memory: `base`'s low half, and an offset that leads out of the
    /// 4 GiB or stays within.
    fn byte(&self, base: u64, offset: i64) -> Option<u64> {
        let address = u32::try_from(i64::from(base as u32) + offset).ok()?;
        let within = address.wrapping_sub(self.spec.extra as u32);
        let page = self.present.get(&(within / PAGE))?;
        Some(u64::from(*page) + u64::from(within % PAGE))
    }

    /// Where an access lies: in one page, or every byte on its own; `None` where a byte is not there.
    fn place(&self, base: u64, offset: i64, size: Size) -> Option<Place> {
        let last = i64::from(size.bytes()) - 1;
        let (first, end) = (self.byte(base, offset)?, self.byte(base, offset + last)?);
        if end == first + last as u64 {
            return Some(Place::Whole(first));
        }
        let mut bytes = [0; 8];
        for (at, byte) in bytes.iter_mut().enumerate().take(size.bytes() as usize) {
            *byte = self.byte(base, offset + at as i64)?;
        }
        Some(Place::Bytes(bytes))
    }

    /// Reads 1 to 8 bytes at a base and an offset; `None` where one is not there.
    pub fn load<M: Memory>(&self, arena: &Arena<M>, base: u64, offset: i64, size: Size) -> Option<u64> {
        let memory = arena.memory();
        match self.place(base, offset, size)? {
            Place::Whole(at) => memory.load(at, size).ok(),
            Place::Bytes(bytes) => {
                let bytes = bytes.iter().take(size.bytes() as usize).rev();
                bytes.map(|at| memory.load(*at, Size::B).ok()).try_fold(0, |value, b| Some(value << 8 | b?))
            }
        }
    }

    /// Writes 1 to 8 bytes; nothing where one is not there.
    pub fn store<M: Memory>(&self, arena: &mut Arena<M>, base: u64, offset: i64, size: Size, value: u64) {
        let memory = arena.memory_mut();
        match self.place(base, offset, size) {
            Some(Place::Whole(at)) => {
                let _ = memory.store(at, size, value);
            }
            Some(Place::Bytes(bytes)) => {
                for (at, byte) in bytes.iter().take(size.bytes() as usize).enumerate() {
                    let _ = memory.store(*byte, Size::B, value >> (8 * at));
                }
            }
            None => {}
        }
    }

    /// One atomic step: the old value; `None` where a byte is not there, and nothing is done.
    pub fn atomic<M: Memory>(
        &self,
        arena: &mut Arena<M>,
        (base, offset): (u64, i64),
        size: Size,
        op: Rmw,
        operand: u64,
    ) -> Option<u64> {
        if let Place::Whole(at) = self.place(base, offset, size)? {
            return arena.memory_mut().atomic(at, size, op, operand).ok();
        }
        let old = self.load(arena, base, offset, size)?;
        self.store(arena, base, offset, size, op.apply(old, operand));
        Some(old)
    }
}

enum Place {
    Whole(u64),
    Bytes([u64; 8]),
}

impl<M: Memory> Map<M> for Pages {
    fn spec(&self) -> &MapSpec {
        &self.spec
    }
    fn pages(&mut self) -> Option<&mut Pages> {
        Some(self)
    }
    /// The process's address: a program that names a value is given that.
    fn direct_value(&self) -> Option<u32> {
        Some(self.spec.extra as u32)
    }
    fn lookup(&mut self, _: &mut MapContext<M>, _: &[u8], _: &mut [u8], _: u64) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }
    fn update(&mut self, _: &mut MapContext<M>, _: &[u8], _: &[u8], _: u64) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }
    fn delete(&mut self, _cx: &mut MapContext<M>, _key: &[u8]) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }
    fn next_key(&mut self, _: &mut MapContext<M>, _: Option<&[u8]>, _: &mut [u8]) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }
    fn destroy(&mut self, arena: &mut Arena<M>) {
        self.drop_pages(arena, 0, self.spec.max_entries);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::VecMemory;

    #[test]
    fn pages_come_from_the_smallest_range_that_changed_last() {
        let mut arena = Arena::new(VecMemory::new(1 << 20));
        let mut released = alloc::vec::Vec::new();
        let cx = &mut MapContext { arena: &mut arena, cpus: 1, cpu: 0, released: &mut released };
        let start = 0x1000_0000_0000;
        let mut pages = Pages::new(MapSpec { max_entries: 12, extra: start, ..MapSpec::default() });
        let at = |page: u64| start + 4096 * page;
        assert_eq!(pages.allocate(cx, at(2), 1), at(2));
        assert_eq!(pages.allocate(cx, 0x5000, 1), at(5));
        assert_eq!([2, 2, 1, 6].map(|count| pages.allocate(cx, 0, count)), [at(3), at(0), at(6), 0]);
        assert_eq!(pages.allocate(cx, at(2), 1), 0);
        pages.release(cx, at(4) + 1, 1);
        assert_eq!((pages.reserve(at(3), 2), pages.reserve(at(4), 1)), (Err(Errno::EBUSY), Ok(())));
        pages.store(cx.arena, 0x3000 - 4, 0, Size::Dw, u64::MAX);
        assert_eq!(pages.load(cx.arena, 0x3000 - 4, 0, Size::Dw), Some(u64::MAX));
        assert_eq!(pages.load(cx.arena, 0x3000, -8, Size::Dw), Some(0xffff_ffff_0000_0000));
        // Page 4 is reserved, and not there.
        pages.store(cx.arena, 0x4000 - 4, 0, Size::Dw, u64::MAX);
        assert_eq!(pages.load(cx.arena, 0x4000 - 4, 0, Size::W), Some(0));
        assert_eq!(pages.load(cx.arena, 0, -1, Size::B), None);
        Map::<VecMemory>::destroy(&mut pages, cx.arena);
        assert_eq!(cx.arena.used(), 0);
    }
}
