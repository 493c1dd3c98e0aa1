//! Helpers that ask where and for whom the program runs: one task, `glasshive`, with process id 1.

use super::call::{Call, HelperFault};
use crate::arena::Memory;

/// `u32 bpf_get_smp_processor_id()`
pub fn cpu<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    Ok(call.resources.cpu.into())
}

/// `long bpf_get_numa_node_id()`: one node.
pub fn numa_node<M: Memory>(_call: &mut Call<M>) -> Result<u64, HelperFault> {
    Ok(0)
}

/// `u64 bpf_get_current_pid_tgid()`
pub fn pid_tgid<M: Memory>(_call: &mut Call<M>) -> Result<u64, HelperFault> {
    Ok(1 << 32 | 1)
}

/// `u64 bpf_get_current_uid_gid()`: root.
pub fn uid_gid<M: Memory>(_call: &mut Call<M>) -> Result<u64, HelperFault> {
    Ok(0)
}

/// `long bpf_get_current_comm(buf, size)`
pub fn comm<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    const NAME: &[u8] = b"glasshive";
    let size = call.args[1];
    call.zero(0, size)?;
    let len = NAME.len().min((size as usize).saturating_sub(1));
    call.write(0, &NAME[..len])?;
    Ok(0)
}

/// `u64 bpf_get_current_task()`: a kernel address where nothing can be read.
pub fn current_task<M: Memory>(_call: &mut Call<M>) -> Result<u64, HelperFault> {
    Ok(0xffff_8880_0000_0000)
}
