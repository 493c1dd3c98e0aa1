//! Helpers over ring buffers.

use super::call::{Call, HelperFault};
use super::error;
use super::kernel::dynptr::{self, Dynptr, Over};
use crate::arena::Memory;
use crate::errno::Errno;
use crate::map::MapId;
use crate::map::ring::Query;

/// `BPF_RB_NO_WAKEUP`, `BPF_RB_FORCE_WAKEUP`: there is nobody to wake.
const WAKES: u64 = 3;

/// Reserves a record in a ring; its address, or `None` where there is no room.
fn take<M: Memory>(call: &mut Call<M>, id: MapId, len: u64) -> Option<u32> {
    let (map, cx) = call.resources.map(id)?;
    map.ring()?.reserve(cx.arena, len)
}

/// Commits the record at an address: the ring is the one that it lies in.
fn give<M: Memory>(call: &mut Call<M>, record: u64, discard: bool) -> Result<u64, HelperFault> {
    let fault = HelperFault::NoMap(record);
    let base = call.resources.arena.object_at(record).ok_or(fault)?.address;
    let id = call.resources.maps.ring_at(base).ok_or(fault)?;
    if let Some((map, cx)) = call.resources.map(id)
        && let Some(ring) = map.ring()
    {
        ring.commit(cx.arena, record as u32, discard);
    }
    Ok(0)
}

/// `long bpf_ringbuf_output(ringbuf, data, size, flags)`
pub fn output<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let id = call.map(0)?;
    if call.args[3] & !WAKES != 0 {
        return Ok(error(Errno::EINVAL));
    }
    let data = call.bytes(1, call.args[2])?;
    let Some(record) = take(call, id, data.len() as u64) else { return Ok(error(Errno::EAGAIN)) };
    call.resources.arena.memory_mut().write(record.into(), &data)?;
    give(call, record.into(), false)
}

/// `void *bpf_ringbuf_reserve(ringbuf, size, flags)`
pub fn reserve<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let id = call.map(0)?;
    if call.args[2] != 0 {
        return Ok(0);
    }
    let len = call.args[1];
    Ok(take(call, id, len).map_or(0, u64::from))
}

/// `void bpf_ringbuf_submit(data, flags)`
pub fn submit<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    give(call, call.args[0], false)
}

/// `void bpf_ringbuf_discard(data, flags)`
pub fn discard<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    give(call, call.args[0], true)
}

/// `__u64 bpf_ringbuf_query(ringbuf, flags)`: 0 for what it does not know.
pub fn query<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let id = call.map(0)?;
    let what = match call.args[1] {
        0 => Query::Available,
        1 => Query::Size,
        2 => Query::Consumer,
        3 => Query::Producer,
        _ => return Ok(0),
    };
    let Some((map, cx)) = call.resources.map(id) else { return Ok(0) };
    Ok(map.ring().map_or(0, |ring| ring.query(cx.arena, what)))
}

/// `long bpf_ringbuf_reserve_dynptr(ringbuf, size, flags, dynptr)`
pub fn reserve_dynptr<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let id = call.map(0)?;
    let [_, size, flags, at, _] = call.args;
    let size = u64::from(size as u32);
    let record = match (flags, size) {
        (0, 0..=dynptr::MOST) => take(call, id, size).ok_or(Errno::EINVAL),
        (0, _) => Err(Errno::E2BIG),
        _ => Err(Errno::EINVAL),
    };
    let over = |start: u32| {
        let (start, size) = (start.into(), size as u32);
        Dynptr { over: Over::Record, read_only: false, start, offset: 0, size }
    };
    Dynptr::store(call, at, record.ok().map(over))?;
    Ok(record.map_or_else(error, |_| 0))
}

fn give_dynptr<M: Memory>(call: &mut Call<M>, discard: bool) -> Result<u64, HelperFault> {
    let at = call.args[0];
    if let Some(dynptr) = Dynptr::load(call, at)? {
        give(call, dynptr.start, discard)?;
        Dynptr::store(call, at, None)?;
    }
    Ok(0)
}

/// `void bpf_ringbuf_submit_dynptr(dynptr, flags)`
pub fn submit_dynptr<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    give_dynptr(call, false)
}

/// `void bpf_ringbuf_discard_dynptr(dynptr, flags)`
pub fn discard_dynptr<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    give_dynptr(call, true)
}
