//! The one memory that programs can touch.
//!
//! Stacks, contexts, packets, map values and ring buffers are *objects* in one contiguous arena. A BPF
//! pointer is an offset in it, below 2^32; nothing lies at 0, and a guard gap lies around every object.
//! Core never holds a slice of the arena: the host's [`Memory`] answers each access with a value or a
//! [`Fault`], and may keep the bytes in a vector, in reserved pages, or in WebAssembly's linear memory.
//!
//! The promise is that no access leaves the arena. Which object an access may touch is the verifier's
//! business; [`Arena::check`] is how the strict mode looks over its shoulder.

mod journal;

pub use journal::{Journal, Journaled};

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use crate::isa::Size;

/// An access that the memory can't answer: it lies outside, or crosses the end of what is mapped.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Fault {
    /// First byte of the access.
    pub address: u64,
    /// Length of the access in bytes.
    pub len: u64,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "access of {} bytes at {:#x} is outside of the arena", self.len, self.address)
    }
}

/// A read-modify-write on memory, as [`Memory::atomic`] performs it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs)]
pub enum Rmw {
    Add,
    Or,
    And,
    Xor,
    Exchange,
    /// Stores the operand where the old value equals this.
    CompareExchange(u64),
}

impl Rmw {
    /// The new value for an old one.
    pub fn apply(self, old: u64, operand: u64) -> u64 {
        match self {
            Rmw::Add => old.wrapping_add(operand),
            Rmw::Or => old | operand,
            Rmw::And => old & operand,
            Rmw::Xor => old ^ operand,
            Rmw::Exchange => operand,
            Rmw::CompareExchange(expected) => {
                if old == expected {
                    operand
                } else {
                    old
                }
            }
        }
    }
}

/// The bytes under an arena, kept by the host. Values are little-endian.
pub trait Memory {
    /// Bytes that can be addressed: accesses at or past it fault. At most 2^32.
    fn capacity(&self) -> u64;
    /// Reads 1 to 8 bytes, zero-extended.
    fn load(&self, address: u64, size: Size) -> Result<u64, Fault>;
    /// Writes the low 1 to 8 bytes of `value`.
    fn store(&mut self, address: u64, size: Size, value: u64) -> Result<(), Fault>;
    /// Copies `out.len()` bytes out.
    fn read(&self, address: u64, out: &mut [u8]) -> Result<(), Fault>;
    /// Copies `bytes` in.
    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Fault>;
    /// Copies `len` bytes within the memory; the ranges may overlap.
    fn copy(&mut self, to: u64, from: u64, len: u64) -> Result<(), Fault>;
    /// Sets `len` bytes.
    fn fill(&mut self, address: u64, byte: u8, len: u64) -> Result<(), Fault>;
    /// One atomic step on 1 to 8 bytes: stores `op.apply(old, operand)`, answers `old`.
    fn atomic(&mut self, address: u64, size: Size, op: Rmw, operand: u64) -> Result<u64, Fault>;
}

/// A [`Memory`] in a vector of fixed capacity, whose base never moves.
#[derive(Clone)]
pub struct VecMemory(Vec<u8>);

impl VecMemory {
    /// Zeroed memory of that many bytes.
    pub fn new(capacity: usize) -> VecMemory {
        VecMemory(vec![0; capacity])
    }

    /// Where its byte 0 lies, for as long as it lives.
    pub fn start(&self) -> *const u8 {
        self.0.as_ptr()
    }

    #[inline(always)]
    fn range(&self, address: u64, len: u64) -> Result<core::ops::Range<usize>, Fault> {
        match address.checked_add(len) {
            Some(end) if end <= self.0.len() as u64 => Ok(address as usize..end as usize),
            _ => Err(Fault { address, len }),
        }
    }

    #[inline(always)]
    fn array<const N: usize>(&self, address: u64) -> Result<[u8; N], Fault> {
        // `as usize` can't truncate into range: an address past the vector fails `get` on 64-bit hosts,
        // and on 32-bit ones the comparison comes first.
        if address > self.0.len() as u64 {
            return Err(Fault { address, len: N as u64 });
        }
        self.0[address as usize..].first_chunk::<N>().copied().ok_or(Fault { address, len: N as u64 })
    }

    #[inline(always)]
    fn array_mut<const N: usize>(&mut self, address: u64) -> Result<&mut [u8; N], Fault> {
        if address > self.0.len() as u64 {
            return Err(Fault { address, len: N as u64 });
        }
        self.0[address as usize..].first_chunk_mut::<N>().ok_or(Fault { address, len: N as u64 })
    }
}

impl Memory for VecMemory {
    fn capacity(&self) -> u64 {
        self.0.len() as u64
    }

    #[inline(always)]
    fn load(&self, address: u64, size: Size) -> Result<u64, Fault> {
        Ok(match size {
            Size::B => self.array::<1>(address)?[0].into(),
            Size::H => u16::from_le_bytes(self.array(address)?).into(),
            Size::W => u32::from_le_bytes(self.array(address)?).into(),
            Size::Dw => u64::from_le_bytes(self.array(address)?),
        })
    }

    #[inline(always)]
    fn store(&mut self, address: u64, size: Size, value: u64) -> Result<(), Fault> {
        match size {
            Size::B => *self.array_mut(address)? = [value as u8],
            Size::H => *self.array_mut(address)? = (value as u16).to_le_bytes(),
            Size::W => *self.array_mut(address)? = (value as u32).to_le_bytes(),
            Size::Dw => *self.array_mut(address)? = value.to_le_bytes(),
        }
        Ok(())
    }

    fn read(&self, address: u64, out: &mut [u8]) -> Result<(), Fault> {
        out.copy_from_slice(&self.0[self.range(address, out.len() as u64)?]);
        Ok(())
    }

    fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), Fault> {
        let range = self.range(address, bytes.len() as u64)?;
        self.0[range].copy_from_slice(bytes);
        Ok(())
    }

    fn copy(&mut self, to: u64, from: u64, len: u64) -> Result<(), Fault> {
        let from = self.range(from, len)?;
        let to = self.range(to, len)?;
        self.0.copy_within(from, to.start);
        Ok(())
    }

    fn fill(&mut self, address: u64, byte: u8, len: u64) -> Result<(), Fault> {
        let range = self.range(address, len)?;
        self.0[range].fill(byte);
        Ok(())
    }

    fn atomic(&mut self, address: u64, size: Size, op: Rmw, operand: u64) -> Result<u64, Fault> {
        let old = self.load(address, size)?;
        self.store(address, size, op.apply(old, operand))?;
        Ok(old)
    }
}

/// What an object in the arena is, for the strict mode and for people.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum ObjectKind {
    /// The frames of one run, 512 bytes each.
    Stack,
    /// A program's context.
    Context,
    /// A packet, with its headroom and tailroom.
    Packet,
    /// What a map's address points to: an opaque handle, not the values.
    MapHandle,
    /// Values of a map: `stride` bytes apart, the first `value_size` of each usable.
    MapValues {
        /// Bytes from one value to the next.
        stride: u32,
        /// Bytes of a value that a program may touch.
        value_size: u32,
    },
    /// Memory of a helper: a ring buffer's record, a dynptr's data.
    Buffer,
}

/// A live allocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Object {
    /// Offset of its first byte.
    pub address: u32,
    /// Length in bytes.
    pub len: u32,
    /// What it is.
    pub kind: ObjectKind,
    /// Whether a program may write it.
    pub writable: bool,
}

/// Why [`Arena::check`] refused an access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Violation {
    /// The address lies in no live object.
    NoObject,
    /// The access begins in this object and leaves it, or leaves one value of it.
    OutOfBounds(Object),
    /// The object is read-only.
    ReadOnly(Object),
}

/// The arena has no room for the object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfArena;

/// A [`Memory`] and the objects in it.
#[derive(Clone)]
pub struct Arena<M> {
    memory: Journaled<M>,
    objects: BTreeMap<u32, Object>,
    /// Free ranges by address: (start, length), never adjacent.
    free: BTreeMap<u32, u32>,
    used: u64,
}

/// The objects of an arena at some time, without their bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    objects: BTreeMap<u32, Object>,
    free: BTreeMap<u32, u32>,
    used: u64,
}

/// Bytes that stay unused around every object, so that an overrun meets no neighbour.
pub const GUARD: u32 = 64;

impl<M: Memory> Arena<M> {
    /// An empty arena over the host's memory.
    pub fn new(memory: M) -> Arena<M> {
        let capacity = memory.capacity().min(u32::MAX as u64) as u32;
        let mut free = BTreeMap::new();
        // Nothing lies at 0: a null pointer is never an object's address.
        let start = 4096;
        if capacity > start {
            free.insert(start, capacity - start);
        }
        Arena { memory: Journaled::new(memory), objects: BTreeMap::new(), free, used: 0 }
    }

    /// The bytes.
    #[inline(always)]
    pub fn memory(&self) -> &M {
        self.memory.bare()
    }
    /// The bytes, to write: in a recorded run the old ones are kept.
    #[inline(always)]
    pub fn memory_mut(&mut self) -> &mut Journaled<M> {
        &mut self.memory
    }
    /// Which objects there are, apart from their bytes.
    pub fn layout(&self) -> Layout {
        let Arena { memory: _, objects, free, used } = self;
        Layout { objects: objects.clone(), free: free.clone(), used: *used }
    }
    /// Makes the objects those of the layout, and leaves the bytes.
    pub fn set_layout(&mut self, layout: &Layout) {
        let Layout { objects, free, used } = layout.clone();
        (self.objects, self.free, self.used) = (objects, free, used);
    }
    /// Bytes that live objects take, guards included.
    pub fn used(&self) -> u64 {
        self.used
    }

    /// Makes an object of `len` zeroed bytes at a multiple of `align` (a power of two, at least 8).
    ///
    /// # Errors
    /// [`OutOfArena`] where no free range fits it.
    pub fn allocate(
        &mut self,
        len: u32,
        align: u32,
        kind: ObjectKind,
        writable: bool,
    ) -> Result<Object, OutOfArena> {
        let align = align.max(8) as u64;
        let mut found = None;
        for (&start, &room) in &self.free {
            let address = (start as u64 + GUARD as u64).next_multiple_of(align);
            // The object's own guard at its end makes the next start 8-aligned as well.
            let end = (address + len as u64).next_multiple_of(8) + GUARD as u64;
            if end <= start as u64 + room as u64 {
                found = Some((start, room, address as u32, end as u32));
                break;
            }
        }
        let (start, room, address, end) = found.ok_or(OutOfArena)?;
        self.free.remove(&start);
        if end < start + room {
            self.free.insert(end, start + room - end);
        }
        // What lies between `start` and the object belongs to it: `release` finds it by the neighbours.
        self.used += (end - start) as u64;
        self.memory.fill(address as u64, 0, len as u64).map_err(|_| OutOfArena)?;
        let object = Object { address, len, kind, writable };
        self.objects.insert(address, object);
        Ok(object)
    }

    /// Ends an object's life. An address that is no object's is ignored.
    pub fn release(&mut self, address: u32) {
        let Some(object) = self.objects.remove(&address) else { return };
        // The range that belonged to the object reaches from the end of what lies before it, be that an
        // object's guard or free space, to the end of its own guard.
        let before_object = self.objects.range(..address).next_back().map(|(_, o)| Self::end(o));
        let before_free = self.free.range(..address).next_back().map(|(&s, &l)| (s, s + l));
        let mut start = before_object.unwrap_or(4096).max(before_free.map_or(4096, |(_, e)| e));
        let mut end = Self::end(&object);
        self.used -= (end - start) as u64;
        if let Some((s, e)) = before_free
            && e == start
        {
            self.free.remove(&s);
            start = s;
        }
        if let Some(len) = self.free.remove(&end) {
            end += len;
        }
        self.free.insert(start, end - start);
    }

    fn end(o: &Object) -> u32 {
        (o.address as u64 + o.len as u64).next_multiple_of(8) as u32 + GUARD
    }

    /// The live object that an address lies in.
    pub fn object_at(&self, address: u64) -> Option<&Object> {
        let (_, object) = self.objects.range(..=u32::try_from(address).ok()?).next_back()?;
        (address < object.address as u64 + object.len as u64).then_some(object)
    }

    /// Whether an access stays within one live object, and within one value of a map; the strict mode's
    /// question.
    ///
    /// # Errors
    /// The [`Violation`].
    pub fn check(&self, address: u64, len: u64, write: bool) -> Result<(), Violation> {
        let object = self.object_at(address).ok_or(Violation::NoObject)?;
        let offset = address - object.address as u64;
        let inside = match object.kind {
            ObjectKind::MapValues { stride, value_size } => offset % stride as u64 + len <= value_size as u64,
            _ => offset + len <= object.len as u64,
        };
        if !inside {
            return Err(Violation::OutOfBounds(*object));
        }
        if write && !object.writable {
            return Err(Violation::ReadOnly(*object));
        }
        Ok(())
    }

    /// The live objects in address order.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_keep_their_distance_and_come_back() {
        let mut arena = Arena::new(VecMemory::new(1 << 16));
        let a = arena.allocate(10, 8, ObjectKind::Buffer, true).unwrap();
        let b = arena.allocate(100, 4096, ObjectKind::Buffer, false).unwrap();
        assert!(a.address >= 4096 + GUARD && b.address.is_multiple_of(4096));
        assert!(b.address - (a.address + a.len) >= GUARD);
        assert_eq!(arena.check(a.address as u64, 10, true), Ok(()));
        assert_eq!(arena.check(a.address as u64, 11, false), Err(Violation::OutOfBounds(a)));
        assert_eq!(arena.check(b.address as u64, 1, true), Err(Violation::ReadOnly(b)));
        assert_eq!(arena.check(0, 1, false), Err(Violation::NoObject));
        arena.release(a.address);
        arena.release(b.address);
        assert_eq!(arena.used(), 0);
        assert_eq!(arena.free.len(), 1);
        assert!(arena.allocate(1 << 17, 8, ObjectKind::Buffer, true).is_err());
    }

    #[test]
    fn vector_faults_past_its_end() {
        let mut m = VecMemory::new(16);
        assert_eq!(m.store(8, Size::Dw, u64::MAX), Ok(()));
        assert_eq!(m.load(12, Size::W), Ok(0xffff_ffff));
        assert!(m.load(9, Size::Dw).is_err());
        assert!(m.load(u64::MAX, Size::B).is_err());
        assert!(m.copy(12, 0, 8).is_err());
        assert_eq!(m.atomic(8, Size::W, Rmw::Add, 2), Ok(0xffff_ffff));
        assert_eq!(m.load(8, Size::Dw), Ok(0xffff_ffff_0000_0001));
    }
}
