//! Kernel functions that open and close sections, where there is nobody to be kept out, and other small ones.

use super::Site;
use crate::arena::Memory;
use crate::errno::Errno;
use crate::helper::call::{Call, HelperFault};
use crate::helper::{error, trace};

/// What closes a section, or opens one that leaves nothing behind.
pub fn nothing<M: Memory>(_: &mut Call<M>, _: &Site) -> Result<u64, HelperFault> {
    Ok(0)
}

/// `void bpf_local_irq_save(unsigned long *flags)`: interrupts were on.
pub fn save_interrupts<M: Memory>(call: &mut Call<M>, _: &Site) -> Result<u64, HelperFault> {
    call.write(0, &0x200_u64.to_le_bytes())?;
    Ok(0)
}

/// `void *bpf_rdonly_cast(pointer, type)`: the same pointer; loads through it are probed.
pub fn same<M: Memory>(call: &mut Call<M>, _: &Site) -> Result<u64, HelperFault> {
    Ok(call.args[0])
}

/// `int bpf_stream_vprintk_impl(stream, fmt, args, len, aux)`: standard output or error, printed as by
/// `bpf_trace_vprintk`.
pub fn print<M: Memory>(call: &mut Call<M>, _: &Site) -> Result<u64, HelperFault> {
    let [stream, format, args, len, _] = call.args;
    if !matches!(stream as u32, 1 | 2) {
        return Ok(u64::from(error(Errno::ENOENT) as u32));
    }
    let size = call.text(1)?.len() as u64 + 1;
    call.args = [format, size, args, len, 0];
    let printed = trace::vprintk(call)? as i64;
    Ok(u64::from(printed.min(0) as u32))
}
