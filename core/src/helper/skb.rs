//! Helpers over packets that have a `struct __sk_buff`.

use super::call::{Call, HelperFault, Packet};
use super::error;
use crate::arena::Memory;
use crate::errno::Errno;
use crate::isa::Size;

/// Longest packet that a program may make: a socket buffer's most.
const LONGEST: u64 = 16064;

/// Offsets of fields in `struct __sk_buff`.
mod field {
    pub const PKT_TYPE: u32 = 4;
    pub const PROTOCOL: u32 = 16;
    pub const VLAN_PRESENT: u32 = 20;
    pub const VLAN_TCI: u32 = 24;
    pub const VLAN_PROTO: u32 = 28;
    pub const HASH: u32 = 68;
}

/// The packet's address range of `len` bytes at `offset`, or `None` where it leaves the packet.
pub(super) fn range(packet: &Packet, offset: u64, len: u64) -> Option<u64> {
    let size = u64::from(packet.end.saturating_sub(packet.data));
    (offset <= size && len <= size - offset).then(|| u64::from(packet.data) + offset)
}

/// `long bpf_skb_load_bytes(skb, offset, to, len)`
pub fn skb_load_bytes<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let (offset, len) = (u64::from(call.args[1] as u32), u64::from(call.args[3] as u32));
    let from = call.run.packet.and_then(|p| range(&p, offset, len));
    let to = call.args[2];
    let memory = call.resources.arena.memory_mut();
    match from {
        Some(from) if offset <= i32::MAX as u64 => {
            memory.copy(to, from, len)?;
            Ok(0)
        }
        _ => {
            memory.fill(to, 0, len)?;
            Ok(error(Errno::EFAULT))
        }
    }
}

/// `long bpf_skb_store_bytes(skb, offset, from, len, flags)`
pub fn skb_store_bytes<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    /// `BPF_F_RECOMPUTE_CSUM` and `BPF_F_INVALIDATE_HASH`.
    const FLAGS: u64 = 3;
    let (offset, len) = (u64::from(call.args[1] as u32), u64::from(call.args[3] as u32));
    if call.args[4] & !FLAGS != 0 {
        return Ok(error(Errno::EINVAL));
    }
    let Some(to) = call.run.packet.and_then(|p| range(&p, offset, len)).filter(|_| offset <= 0xffff) else {
        return Ok(error(Errno::EFAULT));
    };
    let from = call.args[2];
    call.resources.arena.memory_mut().copy(to, from, len)?;
    Ok(0)
}

/// `long bpf_skb_pull_data(skb, len)`: packets here are linear already.
pub fn skb_pull_data<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let wanted = call.args[1] as u32;
    let len = call.run.packet.map_or(0, |p| p.end.saturating_sub(p.data));
    Ok(if wanted > len { error(Errno::ENOMEM) } else { 0 })
}

/// `long bpf_skb_load_bytes_relative(skb, offset, to, len, start_header)`
pub fn skb_load_bytes_relative<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let (offset, to, len) = (u64::from(call.args[1] as u32), call.args[2], u64::from(call.args[3] as u32));
    let packet = call.run.packet.unwrap_or_default();
    // BPF_HDR_START_MAC, BPF_HDR_START_NET
    let start = match call.args[4] as u32 {
        0 => Some(packet.mac),
        1 => Some(packet.network),
        _ => None,
    };
    let from = start
        .filter(|_| offset <= 0xffff)
        .and_then(|start| range(&Packet { data: start.max(packet.head), ..packet }, offset, len));
    let memory = call.resources.arena.memory_mut();
    match from {
        Some(from) => {
            memory.copy(to, from, len)?;
            Ok(0)
        }
        None => {
            memory.fill(to, 0, len)?;
            Ok(error(Errno::EFAULT))
        }
    }
}

/// The packet takes its new place; the context follows.
fn place<M: Memory>(call: &mut Call<M>, packet: Packet) -> Result<(), HelperFault> {
    call.run.packet = Some(packet);
    Ok(call.run.store_packet(call.resources.arena.memory_mut())?)
}

/// `long bpf_skb_change_tail(skb, len, flags)`
pub fn skb_change_tail<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let packet = call.run.packet.unwrap_or_default();
    let len = u64::from(call.args[1] as u32);
    let least = u64::from(packet.network.saturating_sub(packet.data));
    let end = u64::from(packet.data) + len;
    if call.args[2] != 0 || len < least || len > LONGEST || end > packet.tail.into() {
        return Ok(error(Errno::EINVAL));
    }
    if end > packet.end.into() {
        call.resources.arena.memory_mut().fill(packet.end.into(), 0, end - u64::from(packet.end))?;
    }
    place(call, Packet { end: end as u32, ..packet })?;
    Ok(0)
}

/// `long bpf_skb_change_head(skb, len, flags)`
pub fn skb_change_head<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let packet = call.run.packet.unwrap_or_default();
    let more = u64::from(call.args[1] as u32);
    let len = u64::from(packet.end.saturating_sub(packet.data));
    if call.args[2] != 0 || len + more > LONGEST || more > u64::from(packet.data - packet.head) {
        return Ok(error(Errno::EINVAL));
    }
    let data = packet.data - more as u32;
    call.resources.arena.memory_mut().fill(data.into(), 0, more)?;
    place(call, Packet { data, meta: data, mac: data, ..packet })?;
    Ok(0)
}

/// `long bpf_skb_change_type(skb, type)`
pub fn skb_change_type<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    /// `PACKET_OTHERHOST`: the last that a program may choose, as it may replace no others.
    const OTHER_HOST: u32 = 3;
    let wanted = call.args[1] as u32;
    if wanted > OTHER_HOST || call.field(field::PKT_TYPE)? > OTHER_HOST {
        return Ok(error(Errno::EINVAL));
    }
    call.set_field(field::PKT_TYPE, wanted)?;
    Ok(0)
}

/// Bytes of the two addresses in a link header, and of a VLAN tag behind them.
const ADDRESSES: u32 = 12;
const TAG: u32 = 4;

/// Whether a protocol, as it lies in memory, is a VLAN tag's: `ETH_P_8021Q` or `ETH_P_8021AD`.
fn is_vlan(protocol: u32) -> bool {
    matches!((protocol as u16).swap_bytes(), 0x8100 | 0x88a8)
}

/// `long bpf_skb_vlan_push(skb, vlan_proto, vlan_tci)`: the tag stays beside the packet; the one that was
/// there goes into it.
pub fn skb_vlan_push<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let (protocol, tci) = (u32::from(call.args[1] as u16), u32::from(call.args[2] as u16));
    let protocol = if is_vlan(protocol) { protocol } else { u32::from(0x8100u16.swap_bytes()) };
    if call.field(field::VLAN_PRESENT)? != 0 {
        let (old, old_tci) = (call.field(field::VLAN_PROTO)?, call.field(field::VLAN_TCI)?);
        let packet = call.run.packet.unwrap_or_default();
        if packet.data - packet.head < TAG || packet.end.saturating_sub(packet.data) < ADDRESSES {
            return Ok(error(Errno::ENOMEM));
        }
        let data = packet.data - TAG;
        let memory = call.resources.arena.memory_mut();
        memory.copy(data.into(), packet.data.into(), ADDRESSES.into())?;
        memory.store(u64::from(data + ADDRESSES), Size::H, old.into())?;
        memory.store(u64::from(data + ADDRESSES + 2), Size::H, u64::from((old_tci as u16).swap_bytes()))?;
        place(call, Packet { data, meta: data, mac: data, ..packet })?;
        call.set_field(field::PROTOCOL, old)?;
    }
    call.set_field(field::VLAN_PRESENT, 1)?;
    call.set_field(field::VLAN_TCI, tci)?;
    call.set_field(field::VLAN_PROTO, protocol)?;
    Ok(0)
}

/// Takes the tag out of the packet, where it begins with one: protocol and contents.
fn untag<M: Memory>(call: &mut Call<M>) -> Result<Option<(u32, u32)>, HelperFault> {
    let packet = call.run.packet.unwrap_or_default();
    let protocol = call.field(field::PROTOCOL)?;
    if !is_vlan(protocol) || packet.end.saturating_sub(packet.data) < ADDRESSES + TAG + 2 {
        return Ok(None);
    }
    let data = packet.data + TAG;
    let memory = call.resources.arena.memory_mut();
    let tci = memory.load(u64::from(packet.data + ADDRESSES + 2), Size::H)? as u16;
    let inner = memory.load(u64::from(packet.data + ADDRESSES + TAG), Size::H)?;
    memory.copy(data.into(), packet.data.into(), ADDRESSES.into())?;
    place(call, Packet { data, meta: data, mac: data, ..packet })?;
    call.set_field(field::PROTOCOL, inner as u32)?;
    Ok(Some((protocol, tci.swap_bytes().into())))
}

/// `long bpf_skb_vlan_pop(skb)`: the outer tag goes; the next one in the packet becomes it.
pub fn skb_vlan_pop<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    if call.field(field::VLAN_PRESENT)? == 0 {
        if untag(call)?.is_none() {
            return Ok(0);
        }
    } else {
        for offset in [field::VLAN_PRESENT, field::VLAN_TCI, field::VLAN_PROTO] {
            call.set_field(offset, 0)?;
        }
    }
    if let Some((protocol, tci)) = untag(call)? {
        call.set_field(field::VLAN_PRESENT, 1)?;
        call.set_field(field::VLAN_TCI, tci)?;
        call.set_field(field::VLAN_PROTO, protocol)?;
    }
    Ok(0)
}

/// `u32 bpf_get_hash_recalc(skb)`: the hash that the packet has, or one of what its network header carries
/// from the addresses on (FNV-1a). The kernel's differs from boot to boot.
pub fn get_hash_recalc<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let there = call.field(field::HASH)?;
    if there != 0 {
        return Ok(there.into());
    }
    let packet = call.run.packet.unwrap_or_default();
    // The addresses, and the ports behind a header without options.
    let (skip, len) = match (call.field(field::PROTOCOL)? as u16).swap_bytes() {
        0x0800 => (12, 12),
        0x86dd => (8, 36),
        _ => (0, 16),
    };
    let start = u64::from(packet.network) + skip;
    let len = u64::from(packet.end).saturating_sub(start).min(len);
    let mut hash = 0x811c_9dc5u32;
    for at in start..start + len {
        let byte = call.resources.arena.memory().load(at, Size::B)? as u32;
        hash = (hash ^ byte).wrapping_mul(0x0100_0193);
    }
    call.set_field(field::HASH, hash.max(1))?;
    Ok(hash.max(1).into())
}

/// `void bpf_set_hash_invalid(skb)`
pub fn set_hash_invalid<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    call.set_field(field::HASH, 0)?;
    Ok(0)
}

/// `u32 bpf_set_hash(skb, hash)`
pub fn set_hash<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    call.set_field(field::HASH, call.args[1] as u32)?;
    Ok(0)
}
