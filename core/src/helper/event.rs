//! Helpers that hand events to the host.

use super::call::{Call, HelperFault};
use super::error;
use crate::arena::Memory;
use crate::errno::Errno;
use crate::resources::Event;

/// `BPF_F_INDEX_MASK`, and at once `BPF_F_CURRENT_CPU`.
const INDEX: u64 = 0xffff_ffff;
/// `BPF_F_CTXLEN_MASK`: bytes of the context's packet that are appended.
const CONTEXT_LEN: u64 = 0xf_ffff << 32;
/// Most events that are kept for the host.
const MOST_EVENTS: usize = 10_000;

/// `long bpf_perf_event_output(ctx, map, flags, data, size)`: kept for the host where an event is open at the
/// index.
pub fn output<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let id = call.map(1)?;
    let flags = call.args[2];
    let appended = (flags & CONTEXT_LEN) >> 32;
    if flags & !(INDEX | CONTEXT_LEN) != 0 {
        return Ok(error(Errno::EINVAL));
    }
    let mut bytes = call.bytes(3, call.args[4])?;
    if appended > 0 {
        // The packet's first bytes, as far as it reaches.
        let Some(packet) = call.run.packet else { return Ok(error(Errno::EINVAL)) };
        let len = packet.end.saturating_sub(packet.data);
        if appended > u64::from(len) {
            return Ok(error(Errno::EFAULT));
        }
        let mut rest = alloc::vec![0; appended as usize];
        call.resources.arena.memory().read(packet.data.into(), &mut rest)?;
        bytes.extend(rest);
    }
    let cpu = call.resources.cpu;
    let index = if flags & INDEX == INDEX { cpu } else { flags as u32 };
    let entries = call.resources.maps.spec(id).map_or(0, |spec| spec.max_entries);
    if index >= entries {
        return Ok(error(Errno::E2BIG));
    }
    if call.resources.reference(id, &index.to_le_bytes()).is_none() {
        return Ok(error(Errno::ENOENT));
    }
    if call.resources.events.len() >= MOST_EVENTS {
        return Ok(error(Errno::ENOSPC));
    }
    call.resources.events.push(Event { map: id, index, bytes });
    Ok(0)
}
