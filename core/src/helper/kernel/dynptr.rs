//! Dynptrs: sixteen bytes of stack that stand for memory of a length known at run time.
//!
//! The first word is where the memory lies; the second its length and kind, and an offset in the upper half. All
//! zeros are no memory.

use super::Site;
use crate::arena::Memory;
use crate::errno::Errno;
use crate::helper::call::{Call, HelperFault};
use crate::helper::error;
use crate::isa::Size;
use crate::program::PacketAccess;
use crate::program::types::TYPES;

/// Most bytes of a dynptr.
pub const MOST: u64 = (1 << 24) - 1;

/// What a dynptr is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Over {
    /// Memory of the program's.
    Local,
    /// A ring buffer's record.
    Record,
    /// The packet.
    Packet,
}

/// A dynptr.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dynptr {
    /// What it is over.
    pub over: Over,
    /// It is to be read alone.
    pub read_only: bool,
    /// Where the memory begins; 0 for a packet's.
    pub start: u64,
    /// Where in it the dynptr begins.
    pub offset: u32,
    /// Its bytes.
    pub size: u32,
}

const READ_ONLY: u64 = 1 << 31;

impl Dynptr {
    /// Reads one; `None` where it is over nothing.
    pub fn load<M: Memory>(call: &Call<M>, at: u64) -> Result<Option<Dynptr>, HelperFault> {
        let memory = call.resources.arena.memory();
        let (start, word) = (memory.load(at, Size::Dw)?, memory.load(at + 8, Size::Dw)?);
        let over = match word >> 28 & 7 {
            1 => Over::Local,
            2 => Over::Record,
            3 => Over::Packet,
            _ => return Ok(None),
        };
        let (read_only, size) = (word & READ_ONLY != 0, (word & MOST) as u32);
        Ok(Some(Dynptr { over, read_only, start, offset: (word >> 32) as u32, size }))
    }

    /// Writes one, or none.
    pub fn store<M: Memory>(call: &mut Call<M>, at: u64, dynptr: Option<Dynptr>) -> Result<(), HelperFault> {
        let words = dynptr.map_or((0, 0), |d| {
            let kind: u64 = match d.over {
                Over::Local => 1,
                Over::Record => 2,
                Over::Packet => 3,
            };
            let read_only = if d.read_only { READ_ONLY } else { 0 };
            (d.start, u64::from(d.size) | kind << 28 | read_only | u64::from(d.offset) << 32)
        });
        let memory = call.resources.arena.memory_mut();
        memory.store(at, Size::Dw, words.0)?;
        Ok(memory.store(at + 8, Size::Dw, words.1)?)
    }

    /// Where a part of it lies.
    ///
    /// # Errors
    /// `E2BIG` where it has no such part.
    fn part<M: Memory>(&self, call: &Call<M>, offset: u64, len: u64) -> Result<u64, Errno> {
        let end = offset.checked_add(len).ok_or(Errno::E2BIG)?;
        if end > self.size.into() {
            return Err(Errno::E2BIG);
        }
        let start = match self.over {
            Over::Packet => {
                let packet = call.run.packet.ok_or(Errno::EFAULT)?;
                let there = u64::from(packet.end.saturating_sub(packet.data));
                if u64::from(self.offset) + end > there {
                    return Err(Errno::EFAULT);
                }
                packet.data.into()
            }
            _ => self.start,
        };
        Ok(start + u64::from(self.offset) + offset)
    }
}

type Answer = Result<u64, HelperFault>;

fn answer(result: Result<(), Errno>) -> Answer {
    Ok(result.map_or_else(error, |()| 0))
}

fn int(result: Result<(), Errno>) -> Answer {
    Ok(result.map_or_else(|errno| u64::from(error(errno) as u32), |()| 0))
}

/// `long bpf_dynptr_from_mem(data, size, flags, dynptr)`
pub fn from_memory<M: Memory>(call: &mut Call<M>) -> Answer {
    let [start, size, flags, at, _] = call.args;
    let refused = if size > MOST { Err(Errno::E2BIG) } else { Ok(()) };
    let refused = refused.and(if flags != 0 { Err(Errno::EINVAL) } else { Ok(()) });
    let dynptr = Dynptr { over: Over::Local, read_only: false, start, offset: 0, size: size as u32 };
    Dynptr::store(call, at, refused.is_ok().then_some(dynptr))?;
    answer(refused)
}

/// `long bpf_dynptr_read(to, len, dynptr, offset, flags)`
pub fn read<M: Memory>(call: &mut Call<M>) -> Answer {
    let [to, len, at, offset, flags] = call.args;
    let (len, offset) = (u64::from(len as u32), u64::from(offset as u32));
    let Some(dynptr) = Dynptr::load(call, at)?.filter(|_| flags == 0) else {
        return Ok(error(Errno::EINVAL));
    };
    match dynptr.part(call, offset, len) {
        Ok(from) => {
            call.resources.arena.memory_mut().copy(to, from, len)?;
            Ok(0)
        }
        Err(errno) => Ok(error(errno)),
    }
}

/// `long bpf_dynptr_write(dynptr, offset, from, len, flags)`
pub fn write<M: Memory>(call: &mut Call<M>) -> Answer {
    let [at, offset, from, len, flags] = call.args;
    let (len, offset) = (u64::from(len as u32), u64::from(offset as u32));
    let Some(dynptr) = Dynptr::load(call, at)?.filter(|d| !d.read_only) else {
        return Ok(error(Errno::EINVAL));
    };
    if flags != 0 && dynptr.over != Over::Packet {
        return Ok(error(Errno::EINVAL));
    }
    match dynptr.part(call, offset, len) {
        Ok(to) => {
            call.resources.arena.memory_mut().copy(to, from, len)?;
            Ok(0)
        }
        Err(errno) => Ok(error(errno)),
    }
}

/// `void *bpf_dynptr_data(dynptr, offset, len)`: null for what is to be read alone, and of packets.
pub fn data<M: Memory>(call: &mut Call<M>) -> Answer {
    let [at, offset, len, ..] = call.args;
    let dynptr = Dynptr::load(call, at)?.filter(|d| !d.read_only && d.over != Over::Packet);
    let part = dynptr.and_then(|d| d.part(call, u64::from(offset as u32), u64::from(len as u32)).ok());
    Ok(part.unwrap_or(0))
}

/// `int bpf_dynptr_from_skb(context, flags, dynptr)` and `bpf_dynptr_from_xdp`
pub fn from_packet<M: Memory>(call: &mut Call<M>, _: &Site) -> Answer {
    let [_, flags, at, ..] = call.args;
    let Some(packet) = call.run.packet.filter(|_| flags == 0) else {
        Dynptr::store(call, at, None)?;
        return int(Err(Errno::EINVAL));
    };
    let program_type = TYPES.iter().find(|t| t.number == call.run.program_type);
    let read_only = program_type.is_none_or(|t| t.packet != PacketAccess::Write);
    let size = packet.end.saturating_sub(packet.data) + packet.pages_len;
    let dynptr = Dynptr { over: Over::Packet, read_only, start: 0, offset: 0, size };
    Dynptr::store(call, at, Some(dynptr))?;
    Ok(0)
}

/// `void *bpf_dynptr_slice(dynptr, offset, buffer, size)`
pub fn slice<M: Memory>(call: &mut Call<M>, _: &Site) -> Answer {
    let [at, offset, _, len, _] = call.args;
    let dynptr = Dynptr::load(call, at)?;
    let part = dynptr.and_then(|d| d.part(call, u64::from(offset as u32), u64::from(len as u32)).ok());
    Ok(part.unwrap_or(0))
}

/// `void *bpf_dynptr_slice_rdwr(dynptr, offset, buffer, size)`
pub fn slice_to_write<M: Memory>(call: &mut Call<M>, site: &Site) -> Answer {
    match Dynptr::load(call, call.args[0])? {
        Some(dynptr) if !dynptr.read_only => slice(call, site),
        _ => Ok(0),
    }
}

/// `int bpf_dynptr_adjust(dynptr, start, end)`
pub fn adjust<M: Memory>(call: &mut Call<M>, _: &Site) -> Answer {
    let [at, start, end, ..] = call.args;
    let (start, end) = (start as u32, end as u32);
    let Some(dynptr) = Dynptr::load(call, at)?.filter(|_| start <= end) else {
        return int(Err(Errno::EINVAL));
    };
    if start > dynptr.size || end > dynptr.size {
        return int(Err(Errno::ERANGE));
    }
    let moved = Dynptr { offset: dynptr.offset + start, size: end - start, ..dynptr };
    Dynptr::store(call, at, Some(moved))?;
    Ok(0)
}

/// `bool bpf_dynptr_is_null(dynptr)`
pub fn is_null<M: Memory>(call: &mut Call<M>, _: &Site) -> Answer {
    Ok(Dynptr::load(call, call.args[0])?.is_none().into())
}

/// `bool bpf_dynptr_is_rdonly(dynptr)`
pub fn is_read_only<M: Memory>(call: &mut Call<M>, _: &Site) -> Answer {
    Ok(Dynptr::load(call, call.args[0])?.is_some_and(|d| d.read_only).into())
}

/// `__u32 bpf_dynptr_size(dynptr)`
pub fn size<M: Memory>(call: &mut Call<M>, _: &Site) -> Answer {
    match Dynptr::load(call, call.args[0])? {
        Some(dynptr) => Ok(dynptr.size.into()),
        None => int(Err(Errno::EINVAL)),
    }
}

/// `int bpf_dynptr_clone(dynptr, clone)`
pub fn clone<M: Memory>(call: &mut Call<M>, _: &Site) -> Answer {
    let dynptr = Dynptr::load(call, call.args[0])?;
    Dynptr::store(call, call.args[1], dynptr)?;
    int(dynptr.map(|_| ()).ok_or(Errno::EINVAL))
}

/// `int bpf_dynptr_copy(to, to_offset, from, from_offset, size)`
pub fn copy<M: Memory>(call: &mut Call<M>, _: &Site) -> Answer {
    let [to, to_offset, from, from_offset, len] = call.args.map(|a| a as u32).map(u64::from);
    let (Some(to), Some(from)) = (Dynptr::load(call, to)?, Dynptr::load(call, from)?) else {
        return int(Err(Errno::EINVAL));
    };
    if to.read_only {
        return int(Err(Errno::EINVAL));
    }
    match (to.part(call, to_offset, len), from.part(call, from_offset, len)) {
        (Ok(to), Ok(from)) => {
            call.resources.arena.memory_mut().copy(to, from, len)?;
            Ok(0)
        }
        (Err(errno), _) | (_, Err(errno)) => int(Err(errno)),
    }
}

/// `int bpf_dynptr_memset(dynptr, offset, size, value)`
pub fn fill<M: Memory>(call: &mut Call<M>, _: &Site) -> Answer {
    let [at, offset, len, value, _] = call.args.map(|a| a as u32);
    let Some(dynptr) = Dynptr::load(call, at.into())?.filter(|d| !d.read_only) else {
        return int(Err(Errno::EINVAL));
    };
    match dynptr.part(call, offset.into(), len.into()) {
        Ok(to) => {
            call.resources.arena.memory_mut().fill(to, value as u8, len.into())?;
            Ok(0)
        }
        Err(errno) => int(Err(errno)),
    }
}
