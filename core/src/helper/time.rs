//! Helpers that read time and chance.

use super::call::{Call, HelperFault};
use crate::arena::Memory;

/// `u64 bpf_ktime_get_ns()` and its siblings: one clock for all.
pub fn nanoseconds<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    Ok(call.resources.clock.read())
}

/// `u64 bpf_jiffies64()`, 250 a second.
pub fn jiffies<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    Ok(call.resources.clock.read() / 4_000_000)
}

/// `u32 bpf_get_prandom_u32()`
pub fn random<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    Ok(call.resources.random.next_u32().into())
}
