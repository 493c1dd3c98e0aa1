//! `BPF_MAP_TYPE_RINGBUF` and `BPF_MAP_TYPE_USER_RINGBUF`: records of any length, in the order in which
//! they were reserved (`Documentation/bpf/ringbuf.rst`).
//!
//! In the arena lie a page with the consumer's position, a page with the producer's, and the data twice, so
//! that a record is contiguous wherever it begins: what is written past the end is copied to the beginning
//! when the record is committed.

use super::types::USER_RINGBUF;
use super::{Map, MapContext, MapSpec, Mappable};
use crate::arena::{Arena, Memory, ObjectKind};
use crate::errno::Errno;
use crate::isa::Size;

/// Bytes of a page.
pub const PAGE: u32 = 4096;
/// Bytes of a record's header: its length with two flags, and its place in pages.
pub const HEADER: u32 = 8;
/// Of a record that is reserved and not committed yet.
const BUSY: u32 = 1 << 31;
/// Of a record that the consumer skips.
const DISCARDED: u32 = 1 << 30;

/// A ring buffer.
#[derive(Clone)]
pub struct Ring {
    spec: MapSpec,
    base: u32,
    /// Where the oldest record that is not committed begins.
    pending: u64,
}

/// A position that `bpf_ringbuf_query` tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Query {
    Available,
    Size,
    Consumer,
    Producer,
}

impl Ring {
    /// An empty ring of `max_entries` bytes.
    ///
    /// # Errors
    /// `ENOMEM` where the arena has no room for it.
    pub fn new<M: Memory>(cx: &mut MapContext<M>, spec: MapSpec) -> Result<Ring, Errno> {
        let len = spec.max_entries.checked_mul(2).and_then(|len| len.checked_add(2 * PAGE));
        let len = len.ok_or(Errno::ENOMEM)?;
        let object = cx.arena.allocate(len, PAGE, ObjectKind::Buffer, true).map_err(|_| Errno::ENOMEM)?;
        Ok(Ring { spec, base: object.address, pending: 0 })
    }

    /// Bytes of data.
    pub fn size(&self) -> u32 {
        self.spec.max_entries
    }

    /// Address of the consumer's position; the producer's is a page further, the data two.
    pub fn base(&self) -> u32 {
        self.base
    }

    fn data(&self) -> u32 {
        self.base + 2 * PAGE
    }

    fn position<M: Memory>(&self, arena: &Arena<M>, page: u32) -> u64 {
        arena.memory().load(u64::from(self.base + page * PAGE), Size::Dw).unwrap_or(0)
    }

    fn set_position<M: Memory>(&self, arena: &mut Arena<M>, page: u32, to: u64) {
        // The page is the ring's own.
        let _ = arena.memory_mut().store(u64::from(self.base + page * PAGE), Size::Dw, to);
    }

    fn header_at(&self, position: u64) -> u32 {
        self.data() + (position & u64::from(self.size() - 1)) as u32
    }

    fn header<M: Memory>(&self, arena: &Arena<M>, position: u64) -> u32 {
        arena.memory().load(self.header_at(position).into(), Size::W).unwrap_or(0) as u32
    }

    /// What `bpf_ringbuf_query` answers.
    pub fn query<M: Memory>(&self, arena: &Arena<M>, what: Query) -> u64 {
        let (consumer, producer) = (self.position(arena, 0), self.position(arena, 1));
        match what {
            Query::Available => producer.wrapping_sub(consumer),
            Query::Size => self.size().into(),
            Query::Consumer => consumer,
            Query::Producer => producer,
        }
    }

    /// Reserves a record of `len` bytes; the address of its first byte, or `None` where there is no room.
    pub fn reserve<M: Memory>(&mut self, arena: &mut Arena<M>, len: u64) -> Option<u32> {
        if len >= u64::from(DISCARDED) {
            return None;
        }
        let whole = (len + u64::from(HEADER)).next_multiple_of(8);
        let (consumer, producer) = (self.position(arena, 0), self.position(arena, 1));
        while self.pending < producer {
            let header = self.header(arena, self.pending);
            if header & BUSY != 0 {
                break;
            }
            let len = u64::from(header & !(BUSY | DISCARDED));
            self.pending += (len + u64::from(HEADER)).next_multiple_of(8);
        }
        let end = producer.checked_add(whole)?;
        let most = u64::from(self.size() - 1);
        if end.wrapping_sub(consumer) > most || end - self.pending > most {
            return None;
        }
        let at = self.header_at(producer);
        let memory = arena.memory_mut();
        memory.store(at.into(), Size::W, u64::from(len as u32 | BUSY)).ok()?;
        let page = (at - self.base) / PAGE;
        memory.store(u64::from(at + 4), Size::W, page.into()).ok()?;
        self.set_position(arena, 1, end);
        Some(at + HEADER)
    }

    /// Hands a reserved record to the consumer, or lets it be skipped.
    pub fn commit<M: Memory>(&mut self, arena: &mut Arena<M>, record: u32, discard: bool) {
        let at = record.wrapping_sub(HEADER);
        let end = u64::from(self.data()) + u64::from(self.size());
        let memory = arena.memory_mut();
        let Ok(header) = memory.load(at.into(), Size::W) else { return };
        let len = header as u32 & !(BUSY | DISCARDED);
        let past = (u64::from(record) + u64::from(len)).saturating_sub(end);
        if past > 0 {
            let _ = memory.copy(self.data().into(), end, past);
        }
        let flag = if discard { DISCARDED } else { 0 };
        let _ = memory.store(at.into(), Size::W, u64::from(len | flag));
    }

    /// The next record that the process produced, as a program takes it: where its bytes lie, and how many; `None`
    /// where there is none yet.
    ///
    /// # Errors
    /// `EINVAL` for a position that no record begins at, `E2BIG` for a record longer than what was produced.
    pub fn take_sample<M: Memory>(&mut self, arena: &mut Arena<M>) -> Result<Option<(u32, u32)>, Errno> {
        loop {
            let (consumer, producer) = (self.position(arena, 0), self.position(arena, 1));
            if !producer.is_multiple_of(8) {
                return Err(Errno::EINVAL);
            }
            if consumer >= producer {
                return Ok(None);
            }
            let header = self.header(arena, consumer);
            if header & BUSY != 0 {
                return Ok(None);
            }
            let len = header & !(BUSY | DISCARDED);
            let whole = (u64::from(len) + u64::from(HEADER)).next_multiple_of(8);
            if whole > u64::from(self.size()) || whole > producer - consumer {
                return Err(Errno::E2BIG);
            }
            self.set_position(arena, 0, consumer + whole);
            if header & DISCARDED != 0 {
                continue;
            }
            let record = self.header_at(consumer) + HEADER;
            // What the process wrote at the beginning of the data continues what lies at its end.
            let end = self.data() + self.size();
            let past = (record + len).saturating_sub(end);
            if past > 0 {
                let (end, data) = (u64::from(end), u64::from(self.data()));
                arena.memory_mut().copy(end, data, past.into()).map_err(|_| Errno::EFAULT)?;
            }
            return Ok(Some((record, len)));
        }
    }

    /// The committed records that the consumer has not seen; it has seen them then.
    pub fn consume<M: Memory>(&mut self, arena: &mut Arena<M>) -> alloc::vec::Vec<alloc::vec::Vec<u8>> {
        let mut records = alloc::vec::Vec::new();
        let (mut consumer, producer) = (self.position(arena, 0), self.position(arena, 1));
        while consumer < producer {
            let header = self.header(arena, consumer);
            if header & BUSY != 0 {
                break;
            }
            let len = header & !(BUSY | DISCARDED);
            if header & DISCARDED == 0 {
                let mut record = alloc::vec![0; len as usize];
                if arena.memory().read(u64::from(self.header_at(consumer) + HEADER), &mut record).is_err() {
                    break;
                }
                records.push(record);
            }
            consumer += (u64::from(len) + u64::from(HEADER)).next_multiple_of(8);
        }
        self.set_position(arena, 0, consumer);
        records
    }
}

impl<M: Memory> Map<M> for Ring {
    fn spec(&self) -> &MapSpec {
        &self.spec
    }
    fn ring_base(&self) -> Option<u32> {
        Some(self.base)
    }
    fn ring(&mut self) -> Option<&mut Ring> {
        Some(self)
    }
    fn mappable(&self) -> Option<Mappable> {
        let data = self.size() / PAGE;
        let shown = 2 + 2 * data;
        // Each side writes its own position; who produces, the data as well.
        let writable = if self.spec.map_type == USER_RINGBUF { 1..shown } else { 0..1 };
        Some(Mappable { base: self.base, pages: 2 + data, shown, repeats: 2, writable })
    }
    fn destroy(&mut self, arena: &mut Arena<M>) {
        arena.release(self.base);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::VecMemory;

    fn ring(arena: &mut Arena<VecMemory>) -> Ring {
        let mut released = alloc::vec::Vec::new();
        let mut cx = MapContext { arena, cpus: 1, cpu: 0, released: &mut released };
        Ring::new(&mut cx, MapSpec { max_entries: PAGE, ..MapSpec::default() }).unwrap()
    }

    #[test]
    fn records_come_in_the_order_of_their_reservation() {
        let mut arena = Arena::new(VecMemory::new(1 << 16));
        let mut ring = ring(&mut arena);
        let [a, b, c] = [4, 9, 1].map(|len| ring.reserve(&mut arena, len).unwrap());
        arena.memory_mut().write(a.into(), b"bees").unwrap();
        arena.memory_mut().write(c.into(), b"x").unwrap();
        ring.commit(&mut arena, c, false);
        assert!(ring.consume(&mut arena).is_empty());
        ring.commit(&mut arena, a, false);
        ring.commit(&mut arena, b, true);
        assert_eq!(ring.consume(&mut arena), [b"bees".to_vec(), b"x".to_vec()]);
        assert_eq!(ring.query(&arena, Query::Available), 0);
    }

    #[test]
    fn records_wrap_and_a_full_ring_refuses() {
        let mut arena = Arena::new(VecMemory::new(1 << 16));
        let mut ring = ring(&mut arena);
        assert_eq!(ring.reserve(&mut arena, 4088), None);
        for round in 0..100u32 {
            let record = ring.reserve(&mut arena, 1000).unwrap();
            let bytes = [round as u8; 1000];
            arena.memory_mut().write(record.into(), &bytes).unwrap();
            ring.commit(&mut arena, record, false);
            assert_eq!(ring.consume(&mut arena), [bytes.to_vec()]);
        }
        for _ in 0..4 {
            let record = ring.reserve(&mut arena, 1000).unwrap();
            ring.commit(&mut arena, record, false);
        }
        assert_eq!(ring.reserve(&mut arena, 1000), None);
    }
}
