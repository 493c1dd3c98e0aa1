//! Places for values in the arena: they never move, and a large map costs what is in it.

use alloc::vec::Vec;

use super::MapContext;
use crate::arena::{Arena, Memory, ObjectKind};
use crate::errno::Errno;

/// Slots of the first chunk.
const FIRST_CHUNK: u32 = 16;
/// Most bytes of one chunk, where a slot is not larger.
const MAX_CHUNK_BYTES: u32 = 1 << 20;

/// Bytes of a line of cache.
const LINE: u32 = 64;

/// A slot's number within its [`Slots`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Slot(pub u32);

/// Slots of one or more copies of a value, in chunks that double. Each copy may be followed by bytes that are
/// the map's own: its tail.
#[derive(Clone)]
pub struct Slots {
    /// Bytes from one copy to the next: the value's size and the tail's, each rounded up to 8.
    stride: u32,
    value_size: u32,
    copies: u32,
    most: u32,
    addresses: Vec<u32>,
    free: Vec<Slot>,
    chunks: Vec<u32>,
}

impl Slots {
    /// No slots yet, and at most `most`; each has `copies` values.
    pub fn new(value_size: u32, tail: u32, copies: u32, most: u32) -> Slots {
        let stride = value_size.next_multiple_of(8).saturating_add(tail.next_multiple_of(8));
        let (addresses, free, chunks) = (Vec::new(), Vec::new(), Vec::new());
        Slots { stride, value_size, copies, most, addresses, free, chunks }
    }

    /// Slots that were ever made; their numbers are below this.
    pub fn made(&self) -> u32 {
        self.addresses.len() as u32
    }

    /// Bytes of a value as the system call sees several: rounded up to 8.
    pub fn value_stride(&self) -> u32 {
        self.value_size.next_multiple_of(8)
    }

    /// Bytes from a copy to its tail.
    #[inline(always)]
    pub fn tail(&self) -> u32 {
        self.value_size.next_multiple_of(8)
    }

    /// Address of a slot's first copy.
    #[inline(always)]
    pub fn address(&self, slot: Slot) -> u32 {
        self.addresses.get(slot.0 as usize).copied().unwrap_or(0)
    }

    /// Bytes from a slot's first copy to a CPU's.
    #[inline(always)]
    pub fn copy_offset(&self, cpu: u32) -> u32 {
        if self.copies == 1 { 0 } else { cpu.min(self.copies - 1) * self.stride }
    }

    /// A free slot; its bytes are those of whoever had it before.
    ///
    /// # Errors
    /// `ENOMEM` where the arena has no room, or all slots are taken.
    pub fn take<M: Memory>(&mut self, cx: &mut MapContext<M>) -> Result<Slot, Errno> {
        if let Some(slot) = self.free.pop() {
            return Ok(slot);
        }
        let bytes = self.stride.checked_mul(self.copies).ok_or(Errno::ENOMEM)?;
        let have = self.made();
        let fit = (MAX_CHUNK_BYTES / bytes.max(1)).max(1);
        let count = have.max(FIRST_CHUNK).min(fit).min(self.most.saturating_sub(have));
        let len = count.checked_mul(bytes).filter(|_| count > 0).ok_or(Errno::ENOMEM)?;
        let kind = ObjectKind::MapValues { stride: self.stride, value_size: self.value_size };
        // Elements of a power of two lie in as few lines of cache as can be.
        let chunk = cx.arena.allocate(len, LINE, kind, true).map_err(|_| Errno::ENOMEM)?;
        self.chunks.push(chunk.address);
        self.addresses.extend((0..count).map(|at| chunk.address + at * bytes));
        self.free.extend((have..have + count).rev().map(Slot));
        self.free.pop().ok_or(Errno::ENOMEM)
    }

    /// Gives a slot back: the next one taken.
    pub fn give(&mut self, slot: Slot) {
        self.free.push(slot);
    }

    /// Copies a slot's first copy, or all of them where `out` is as long.
    ///
    /// # Errors
    /// `EFAULT` where the slot is not in the arena.
    pub fn read<M: Memory>(&self, cx: &MapContext<M>, address: u32, out: &mut [u8]) -> Result<(), Errno> {
        let memory = cx.arena.memory();
        if self.copies == 1 {
            return memory.read(address.into(), out).map_err(|_| Errno::EFAULT);
        }
        for (copy, out) in (0..self.copies).zip(out.chunks_mut(self.value_stride() as usize)) {
            let at = u64::from(address) + u64::from(copy) * u64::from(self.stride);
            memory.read(at, out).map_err(|_| Errno::EFAULT)?;
        }
        Ok(())
    }

    /// Writes a slot's first copy, or all of them where `value` is as long.
    ///
    /// # Errors
    /// `EFAULT` where the slot is not in the arena.
    pub fn write<M: Memory>(&self, cx: &mut MapContext<M>, address: u32, value: &[u8]) -> Result<(), Errno> {
        let memory = cx.arena.memory_mut();
        if self.copies == 1 {
            return memory.write(address.into(), value).map_err(|_| Errno::EFAULT);
        }
        for (copy, value) in (0..self.copies).zip(value.chunks(self.value_stride() as usize)) {
            let at = u64::from(address) + u64::from(copy) * u64::from(self.stride);
            memory.write(at, value).map_err(|_| Errno::EFAULT)?;
        }
        Ok(())
    }

    /// Zeroes all copies of a slot.
    pub fn clear<M: Memory>(&self, cx: &mut MapContext<M>, address: u32) -> Result<(), Errno> {
        for copy in 0..self.copies {
            let at = u64::from(address) + u64::from(copy) * u64::from(self.stride);
            let memory = cx.arena.memory_mut();
            memory.fill(at, 0, self.value_stride().into()).map_err(|_| Errno::EFAULT)?;
        }
        Ok(())
    }

    /// Gives everything back to the arena.
    pub fn destroy<M: Memory>(&mut self, arena: &mut Arena<M>) {
        for chunk in self.chunks.drain(..) {
            arena.release(chunk);
        }
        self.addresses.clear();
        self.free.clear();
    }
}
