//! Helpers that ask about interfaces, sockets and groups: one interface, `lo`, whose packets belong to a
//! socket that is bound to nothing, and no other socket.

use super::call::{Call, HelperFault};
use super::error;
use crate::arena::Memory;
use crate::errno::Errno;
use crate::isa::Size;

/// `BPF_PROG_TYPE_XDP`
const XDP: u32 = 6;
/// Longest packet of the interface, link header aside.
const MTU: i64 = 65536;
const LINK_HEADER: i64 = 14;

/// `long bpf_redirect(ifindex, flags)`: recorded; the answer is the code to return.
pub fn redirect<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    // XDP_REDIRECT or XDP_ABORTED, TC_ACT_REDIRECT or TC_ACT_SHOT. Only tc knows a flag: ingress.
    let (known, done, refused) = if call.run.program_type == XDP { (0, 4, 0) } else { (1, 7, 2) };
    if call.args[1] & !known != 0 {
        return Ok(refused);
    }
    call.run.redirected = Some(call.args[0] as u32);
    Ok(done)
}

/// `struct bpf_sock *bpf_sk_lookup_tcp(ctx, tuple, tuple_size, netns, flags)` and its siblings: there is no socket
/// to be found.
pub fn no_socket<M: Memory>(_: &mut Call<M>) -> Result<u64, HelperFault> {
    Ok(0)
}

/// `long bpf_sk_release(sock)`
pub fn release_socket<M: Memory>(_: &mut Call<M>) -> Result<u64, HelperFault> {
    Ok(0)
}

/// `long bpf_check_mtu(ctx, ifindex, mtu_len, len_diff, flags)`
pub fn check_mtu<M: Memory>(call: &mut Call<M>) -> Result<u64, HelperFault> {
    /// `BPF_MTU_CHK_RET_FRAG_NEEDED`
    const TOO_LONG: u64 = 1;
    let [_, interface, at, difference, flags] = call.args;
    // BPF_MTU_CHK_SEGS is for packets with a socket buffer.
    let known = u64::from(call.run.program_type != XDP);
    if flags & !known != 0 {
        return Ok(error(Errno::EINVAL));
    }
    if interface as u32 > 1 {
        return Ok(error(Errno::ENODEV));
    }
    let packet = call.run.packet.unwrap_or_default();
    let memory = call.resources.arena.memory_mut();
    let given = i64::from(memory.load(at, Size::W)? as u32);
    let len = match given {
        0 => i64::from(packet.end.saturating_sub(packet.data)) + i64::from(packet.pages_len),
        given => given + LINK_HEADER,
    };
    memory.store(at, Size::W, MTU as u64)?;
    let len = len + i64::from(difference as i32);
    Ok(if len > MTU + LINK_HEADER { TOO_LONG } else { 0 })
}

/// Helpers whose answer is 0: no class, no realm, no group's id above, the user is root, no cookie was
/// attached, no function was entered.
pub fn zero<M: Memory>(_call: &mut Call<M>) -> Result<u64, HelperFault> {
    Ok(0)
}

/// Helpers whose answer is 1: the one socket's cookie, the one network's, the one group's id.
pub fn one<M: Memory>(_call: &mut Call<M>) -> Result<u64, HelperFault> {
    Ok(1)
}
