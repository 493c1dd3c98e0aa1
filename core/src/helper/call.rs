//! What a helper is called with, and the packet that it may act on.

use crate::arena::{Fault, Memory};
use crate::isa::Size;
use crate::map::MapId;
use crate::resources::Resources;

/// A packet in the arena: an object with room before and after the data.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Packet {
    /// First byte that the data may begin at.
    pub head: u32,
    /// First byte of the metadata: at most `data`.
    pub meta: u32,
    /// First byte of the data.
    pub data: u32,
    /// Past the last byte of the data.
    pub end: u32,
    /// Past the last byte that the data may end at.
    pub tail: u32,
    /// Where the link-layer header began when the run did.
    pub mac: u32,
    /// Where the network header began when the run did.
    pub network: u32,
    /// First byte of what follows `end` in pages of its own, which no pointer reaches; 0 where nothing does.
    pub pages: u32,
    /// Bytes in these pages.
    pub pages_len: u32,
}

/// What a program was started with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RunContext {
    /// The program's type.
    pub program_type: u32,
    /// Address of the context, r1 at the start.
    pub context: u32,
    /// The packet, for program types that have one.
    pub packet: Option<Packet>,
    /// Offsets of `data`, `data_end` and `data_meta` in the context, where it has them.
    pub packet_fields: Option<[u32; 3]>,
    /// Offset of the packet's length in the context, where it has it.
    pub len_field: Option<u32>,
    /// Interface that the program redirected to last (`bpf_redirect`).
    pub redirected: Option<u32>,
}

/// Offsets from here on are relative to the network header (`SKF_NET_OFF`), …
const NETWORK: i64 = -0x10_0000;
/// … and from here on to the link-layer header (`SKF_LL_OFF`).
const LINK_LAYER: i64 = -0x20_0000;

impl Packet {
    /// Where a legacy packet load of `len` bytes reads; `None` outside of the packet.
    pub fn place(&self, offset: i64, len: u32) -> Option<u64> {
        let offset = i64::from(offset as i32);
        let (base, offset) = match offset {
            0.. => (self.data, offset),
            NETWORK.. => (self.network, offset - NETWORK),
            LINK_LAYER.. => (self.mac, offset - LINK_LAYER),
            _ => return None,
        };
        let start = u64::from(base) + offset as u64;
        (start >= self.head.into() && start + u64::from(len) <= self.end.into()).then_some(start)
    }
}

impl RunContext {
    /// Writes the packet's place into the context.
    ///
    /// # Errors
    /// A [`Fault`] where the context is not in the arena.
    pub fn store_packet<M: Memory>(&self, memory: &mut M) -> Result<(), Fault> {
        let Some(packet) = self.packet else { return Ok(()) };
        if let Some(fields) = self.packet_fields {
            for (offset, value) in fields.into_iter().zip([packet.data, packet.end, packet.meta]) {
                memory.store(u64::from(self.context + offset), Size::W, value.into())?;
            }
        }
        if let Some(offset) = self.len_field {
            let len = packet.end.saturating_sub(packet.data);
            memory.store(u64::from(self.context + offset), Size::W, len.into())?;
        }
        Ok(())
    }
}

/// Why a helper stopped the program: only what no verified program does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HelperFault {
    /// It was given memory that is not there.
    Memory(Fault),
    /// It was given something that is no map.
    NoMap(u64),
    /// No such helper is built.
    NotBuilt(i32),
}

impl From<Fault> for HelperFault {
    fn from(fault: Fault) -> HelperFault {
        HelperFault::Memory(fault)
    }
}

/// A call in progress.
pub struct Call<'a, M> {
    /// r1 to r5.
    pub args: [u64; 5],
    /// What it acts on.
    pub resources: &'a mut Resources<M>,
    /// What the program was started with.
    pub run: &'a mut RunContext,
}

/// Largest memory that a helper takes at once; the verifier allows no more than 2^29.
const MOST: u64 = 1 << 29;

impl<M: Memory> Call<'_, M> {
    /// The map that an argument names.
    pub fn map(&self, argument: usize) -> Result<MapId, HelperFault> {
        self.resources.map_at(self.args[argument]).ok_or(HelperFault::NoMap(self.args[argument]))
    }

    /// Bytes that an argument points to.
    pub fn bytes(&self, argument: usize, len: u64) -> Result<alloc::vec::Vec<u8>, HelperFault> {
        let address = self.args[argument];
        if len > MOST || address.saturating_add(len) > self.resources.arena.memory().capacity() {
            return Err(Fault { address, len }.into());
        }
        let mut bytes = alloc::vec![0; len as usize];
        self.resources.arena.memory().read(address, &mut bytes)?;
        Ok(bytes)
    }

    /// Writes bytes to where an argument points.
    pub fn write(&mut self, argument: usize, bytes: &[u8]) -> Result<(), HelperFault> {
        Ok(self.resources.arena.memory_mut().write(self.args[argument], bytes)?)
    }

    /// Zeroes where an argument points.
    pub fn zero(&mut self, argument: usize, len: u64) -> Result<(), HelperFault> {
        Ok(self.resources.arena.memory_mut().fill(self.args[argument], 0, len)?)
    }

    /// What a program of this kernel could read there: bytes of one live object, or `None`.
    pub fn peek(&self, address: u64, len: u64) -> Option<alloc::vec::Vec<u8>> {
        let bytes = self.peek_up_to(address, len)?;
        (bytes.len() as u64 == len).then_some(bytes)
    }

    /// As [`Call::peek`], but what there is of `most` bytes.
    pub fn peek_up_to(&self, address: u64, most: u64) -> Option<alloc::vec::Vec<u8>> {
        let object = self.resources.arena.object_at(address)?;
        let room = u64::from(object.address) + u64::from(object.len) - address;
        let mut bytes = alloc::vec![0; most.min(room) as usize];
        self.resources.arena.memory().read(address, &mut bytes).ok()?;
        Some(bytes)
    }

    /// The text that an argument points to, up to its null byte; the verifier saw one there.
    pub fn text(&self, argument: usize) -> Result<alloc::vec::Vec<u8>, HelperFault> {
        let address = self.args[argument];
        let end = self.peek_up_to(address, MOST).and_then(|bytes| bytes.iter().position(|&b| b == 0));
        self.bytes(argument, end.ok_or(Fault { address, len: 1 })? as u64)
    }

    /// Words of 64 bits that an argument points to.
    pub fn words(&self, argument: usize, count: u64) -> Result<alloc::vec::Vec<u64>, HelperFault> {
        let address = self.args[argument];
        let memory = self.resources.arena.memory();
        (0..count).map(|i| Ok(memory.load(address.wrapping_add(8 * i), Size::Dw)?)).collect()
    }

    /// A field of the context.
    pub fn field(&self, offset: u32) -> Result<u32, HelperFault> {
        let at = u64::from(self.run.context) + u64::from(offset);
        Ok(self.resources.arena.memory().load(at, Size::W)? as u32)
    }

    /// Sets a field of the context.
    pub fn set_field(&mut self, offset: u32, value: u32) -> Result<(), HelperFault> {
        let at = u64::from(self.run.context) + u64::from(offset);
        Ok(self.resources.arena.memory_mut().store(at, Size::W, value.into())?)
    }
}
