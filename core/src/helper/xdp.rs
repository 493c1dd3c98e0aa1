//! Helpers over XDP's packets.

use super::call::{Call, HelperFault, Packet};
use super::error;
use crate::arena::Memory;
use crate::errno::Errno;

/// Bytes that may lie before a packet as metadata (`xdp_adjust_meta`).
const MOST_META: u32 = 252;
/// The shortest packet (`ETH_HLEN`).
const SHORTEST: u32 = 14;
/// Bytes of a page behind the packet's first piece.
const PAGE: u32 = 4096;
/// Most bytes that are read or written at once, and the farthest place.
const FARTHEST: u64 = 0xffff;

/// Moves the packet's start, end or metadata where `new` takes them; the context follows.
fn adjust<M: Memory>(
    call: &mut Call<M>,
    new: impl Fn(Packet, i64) -> Result<Packet, Errno>,
) -> Result<u64, HelperFault> {
    let delta = i64::from(call.args[1] as i32);
    let Some(packet) = call.run.packet else { return Ok(error(Errno::EINVAL)) };
    match new(packet, delta) {
        Err(errno) => Ok(error(errno)),
        Ok(moved) => {
            call.run.packet = Some(moved);
            call.run.store_packet(call.resources.arena.memory_mut())?;
            Ok(0)
        }
    }
}

/// A place moved by `delta`.
fn shifted(place: u32, delta: i64) -> Result<u32, Errno> {
    u32::try_from(i64::from(place) + delta).map_err(|_| Errno::EINVAL)
}

/// `long bpf_xdp_adjust_head(xdp_md, delta)`
pub fn xdp_adjust_head<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    adjust(call, |p, delta| {
        let data = shifted(p.data, delta)?;
        let meta = shifted(data, -i64::from(p.data - p.meta))?;
        if meta < p.head || u64::from(data) + u64::from(SHORTEST) > p.end.into() {
            return Err(Errno::EINVAL);
        }
        Ok(Packet { data, meta, ..p })
    })
}

/// `long bpf_xdp_adjust_meta(xdp_md, delta)`
pub fn xdp_adjust_meta<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    adjust(call, |p, delta| {
        let meta = shifted(p.meta, delta)?;
        if meta < p.head || meta > p.data {
            return Err(Errno::EINVAL);
        }
        let len = p.data - meta;
        if len % 4 != 0 || len > MOST_META {
            return Err(Errno::EACCES);
        }
        Ok(Packet { meta, ..p })
    })
}

/// `long bpf_xdp_adjust_tail(xdp_md, delta)`: what lies in pages goes first and grows alone.
pub fn xdp_adjust_tail<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let before = call.run.packet.unwrap_or_default();
    let answer = adjust(call, |p, delta| {
        let len = i64::from(p.end - p.data) + i64::from(p.pages_len);
        if delta < 0 && len + delta < SHORTEST.into() {
            return Err(Errno::EINVAL);
        }
        if p.pages_len == 0 {
            let end = shifted(p.end, delta)?;
            return if end <= p.tail { Ok(Packet { end, ..p }) } else { Err(Errno::EINVAL) };
        }
        if delta >= 0 {
            let grown = i64::from(p.pages_len) + delta;
            let room = i64::from(p.pages_len.next_multiple_of(PAGE));
            return if grown <= room {
                Ok(Packet { pages_len: grown as u32, ..p })
            } else {
                Err(Errno::EINVAL)
            };
        }
        let left = i64::from(p.pages_len) + delta;
        Ok(Packet { pages_len: left.max(0) as u32, end: shifted(p.end, left.min(0))?, ..p })
    })?;
    let after = call.run.packet.unwrap_or_default();
    let memory = call.resources.arena.memory_mut();
    for (from, to) in [
        (before.end, after.end),
        (after.pages + before.pages_len.min(after.pages_len), after.pages + after.pages_len),
    ] {
        if to > from {
            memory.fill(from.into(), 0, u64::from(to - from))?;
        }
    }
    Ok(answer)
}

/// `u64 bpf_xdp_get_buff_len(xdp_md)`
pub fn xdp_get_buff_len<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    Ok(call.run.packet.map_or(0, |p| u64::from(p.end.saturating_sub(p.data)) + u64::from(p.pages_len)))
}

/// Copies between the packet, wherever its pieces lie, and the memory that r3 points to.
fn copy<M: Memory>(call: &mut Call<M>, store: bool) -> Result<u64, HelperFault> {
    let (offset, len) = (u64::from(call.args[1] as u32), u64::from(call.args[3] as u32));
    if offset > FARTHEST || len > FARTHEST {
        return Ok(error(Errno::EFAULT));
    }
    let p = call.run.packet.unwrap_or_default();
    let first = u64::from(p.end.saturating_sub(p.data));
    if offset + len > first + u64::from(p.pages_len) {
        return Ok(error(Errno::EINVAL));
    }
    let buffer = call.args[2];
    let in_first = first.saturating_sub(offset).min(len);
    let memory = call.resources.arena.memory_mut();
    for (place, at, len) in [
        (u64::from(p.data) + offset, buffer, in_first),
        (u64::from(p.pages) + offset.saturating_sub(first), buffer + in_first, len - in_first),
    ] {
        let (to, from) = if store { (place, at) } else { (at, place) };
        if len > 0 {
            memory.copy(to, from, len)?;
        }
    }
    Ok(0)
}

/// `long bpf_xdp_load_bytes(xdp_md, offset, buf, len)`
pub fn xdp_load_bytes<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    copy(call, false)
}

/// `long bpf_xdp_store_bytes(xdp_md, offset, buf, len)`
pub fn xdp_store_bytes<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    copy(call, true)
}
