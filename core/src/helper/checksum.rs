//! Helpers over checksums.

use super::call::{Call, HelperFault};
use super::error;
use super::skb::range;
use crate::arena::Memory;
use crate::errno::Errno;
use crate::isa::Size;

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

/// `s64 bpf_csum_update(skb, csum)`: no packet here carries a sum of all its bytes.
pub fn csum_update<M: Memory>(_call: &mut Call<M>) -> Result<u64, HelperFault> {
    Ok(error(Errno::ENOTSUPP))
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
