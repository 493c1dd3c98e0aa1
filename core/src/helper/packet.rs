//! Helpers over packets.

use super::call::{Call, HelperFault, Packet};
use super::error;
use crate::arena::Memory;
use crate::errno::Errno;
use crate::isa::Size;

/// Bytes that may lie before a packet as metadata (`xdp_adjust_meta`).
const MOST_META: u32 = 255;
/// The shortest packet (`ETH_HLEN`).
const SHORTEST: u32 = 14;

/// The packet's address range of `len` bytes at `offset`, or `None` where it leaves the packet.
fn range(packet: &Packet, offset: u64, len: u64) -> Option<u64> {
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

/// `u32 bpf_get_hash_recalc(skb)`: no flow was hashed.
pub fn hash<M: Memory>(_call: &mut Call<M>) -> Result<u64, HelperFault> {
    Ok(0)
}

/// `long bpf_redirect(ifindex, flags)`: recorded; the answer is `XDP_REDIRECT` where the context is
/// XDP's, else `TC_ACT_REDIRECT`.
pub fn redirect<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let xdp = call.run.packet_fields == Some([0, 4, 8]);
    let flags = call.args[1];
    let wrong = if xdp { flags != 0 } else { flags & !1 != 0 };
    if wrong {
        // XDP_ABORTED, TC_ACT_SHOT
        return Ok(if xdp { 0 } else { 2 });
    }
    call.run.redirected = Some(call.args[0] as u32);
    Ok(if xdp { 4 } else { 7 })
}

/// Moves the packet's start, end or metadata where `new` takes them; the context follows.
fn adjust<M: Memory>(
    call: &mut Call<M>,
    new: impl Fn(Packet, i64) -> Option<Packet>,
) -> Result<u64, HelperFault> {
    let delta = i64::from(call.args[1] as i32);
    let Some(moved) = call.run.packet.and_then(|packet| new(packet, delta)) else {
        return Ok(error(Errno::EINVAL));
    };
    let old_end = call.run.packet.map_or(moved.end, |p| p.end);
    call.run.packet = Some(moved);
    let memory = call.resources.arena.memory_mut();
    if moved.end > old_end {
        memory.fill(old_end.into(), 0, u64::from(moved.end - old_end))?;
    }
    call.run.store_packet(memory)?;
    Ok(0)
}

fn shifted(place: u32, delta: i64) -> Option<u32> {
    u32::try_from(i64::from(place) + delta).ok()
}

/// `long bpf_xdp_adjust_head(xdp_md, delta)`
pub fn xdp_adjust_head<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    adjust(call, |p, delta| {
        let data = shifted(p.data, delta)?;
        let meta_len = p.data - p.meta;
        let meta = data.checked_sub(meta_len)?;
        (meta >= p.head && data.checked_add(SHORTEST)? <= p.end).then_some(Packet { data, meta, ..p })
    })
}

/// `long bpf_xdp_adjust_meta(xdp_md, delta)`
pub fn xdp_adjust_meta<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    adjust(call, |p, delta| {
        let meta = shifted(p.meta, delta)?;
        let fits = meta >= p.head && meta <= p.data && p.data - meta <= MOST_META && (p.data - meta) % 4 == 0;
        fits.then_some(Packet { meta, ..p })
    })
}

/// `long bpf_xdp_adjust_tail(xdp_md, delta)`
pub fn xdp_adjust_tail<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    adjust(call, |p, delta| {
        let end = shifted(p.end, delta)?;
        (end <= p.tail && end >= p.data.checked_add(SHORTEST)?).then_some(Packet { end, ..p })
    })
}

/// Folds a sum to 16 bits.
fn fold(mut sum: u64) -> u16 {
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// The 16-bit words of some bytes, added; an odd last byte counts as a word's low one.
fn sum_words(bytes: &[u8]) -> u64 {
    bytes.chunks(2).map(|w| u64::from(w[0]) | u64::from(*w.get(1).unwrap_or(&0)) << 8).sum()
}

/// `s64 bpf_csum_diff(from, from_size, to, to_size, seed)`
pub fn csum_diff<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    let (from_size, to_size) = (u64::from(call.args[1] as u32), u64::from(call.args[3] as u32));
    if (from_size | to_size) % 4 != 0 {
        return Ok(error(Errno::EINVAL));
    }
    let seed = u64::from(call.args[4] as u32);
    let from = if from_size > 0 { call.bytes(0, from_size)? } else { Default::default() };
    let to = if to_size > 0 { call.bytes(2, to_size)? } else { Default::default() };
    // Subtracting a word is adding its complement.
    let removed: u64 = from.chunks(2).map(|w| u64::from(!(u16::from(w[0]) | u16::from(w[1]) << 8))).sum();
    Ok(fold(seed.wrapping_add(removed).wrapping_add(sum_words(&to))).into())
}

/// Replaces `from` by `to` in the checksum at `offset`: both of `size` bytes, or `to` a difference where
/// `size` is 0.
fn replace<M: Memory>(call: &mut Call<M>, allowed: u64) -> Result<u64, HelperFault> {
    /// `BPF_F_HDR_FIELD_MASK`
    const SIZE: u64 = 0xf;
    /// `BPF_F_MARK_MANGLED_0`: a checksum of 0 means none, and is left so.
    const MARK_MANGLED_0: u64 = 1 << 5;
    let [_, offset, from, to, flags] = call.args;
    let offset = u64::from(offset as u32);
    if flags & !(allowed | SIZE) != 0 {
        return Ok(error(Errno::EINVAL));
    }
    let place =
        call.run.packet.and_then(|p| range(&p, offset, 2)).filter(|_| offset <= 0xffff && offset % 2 == 0);
    let Some(place) = place else { return Ok(error(Errno::EFAULT)) };
    let difference = match flags & SIZE {
        0 if from != 0 => return Ok(error(Errno::EINVAL)),
        0 => u64::from(fold(u64::from(to as u32))),
        2 => u64::from(!(from as u16)) + u64::from(to as u16),
        4 => u64::from(fold(u64::from(!(from as u32)))) + u64::from(fold(u64::from(to as u32))),
        _ => return Ok(error(Errno::EINVAL)),
    };
    let memory = call.resources.arena.memory_mut();
    let old = memory.load(place, Size::H)? as u16;
    if flags & MARK_MANGLED_0 != 0 && old == 0 {
        return Ok(0);
    }
    let mut new = !fold(u64::from(!old) + difference);
    if flags & MARK_MANGLED_0 != 0 && new == 0 {
        new = 0xffff;
    }
    memory.store(place, Size::H, new.into())?;
    Ok(0)
}

/// `long bpf_l3_csum_replace(skb, offset, from, to, size)`
pub fn l3_csum_replace<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    replace(call, 0)
}

/// `long bpf_l4_csum_replace(skb, offset, from, to, flags)`
pub fn l4_csum_replace<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    replace(call, 0b1_0111_0000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_fold() {
        assert_eq!(fold(0x1_fffe), 0xffff);
        assert_eq!(sum_words(&[1, 2, 3]), 0x201 + 3);
    }
}
