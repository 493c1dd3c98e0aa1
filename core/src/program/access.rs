//! Which accesses to a context are allowed, and what a load gives.
//!
//! Written by `native/probes/context.py` from the running kernel's answers; not to be edited by hand.

use super::Access;
use super::FieldKind::*;

#[rustfmt::skip]
const fn a(write: bool, size: u32, first: u32, last: u32, step: u32, gives: super::FieldKind) -> Access {
    Access { write, size, first, last, step, gives }
}

#[rustfmt::skip]
pub(super) const SOCKET_FILTER: &[Access] = &[
    a(false, 1, 0, 71, 1, Scalar),
    a(false, 1, 84, 87, 1, Scalar),
    a(false, 1, 164, 167, 1, Scalar),
    a(false, 1, 176, 179, 1, Scalar),
    a(false, 2, 0, 70, 2, Scalar),
    a(false, 2, 84, 86, 2, Scalar),
    a(false, 2, 164, 166, 2, Scalar),
    a(false, 2, 176, 178, 2, Scalar),
    a(false, 4, 0, 68, 4, Scalar),
    a(false, 4, 84, 84, 4, Scalar),
    a(false, 4, 164, 164, 4, Scalar),
    a(false, 4, 176, 176, 4, Scalar),
    a(false, 8, 48, 56, 8, Scalar),
    a(false, 8, 168, 168, 8, SocketCommonOrNull),
    a(true, 1, 48, 67, 1, Scalar),
    a(true, 2, 48, 66, 2, Scalar),
    a(true, 4, 48, 64, 4, Scalar),
    a(true, 8, 48, 56, 8, Scalar),
];
#[rustfmt::skip]
pub(super) const KPROBE: &[Access] = &[
    a(false, 1, 0, 167, 1, Scalar),
    a(false, 2, 0, 166, 2, Scalar),
    a(false, 4, 0, 164, 4, Scalar),
    a(false, 8, 0, 160, 8, Scalar),
];
#[rustfmt::skip]
pub(super) const SCHED_CLS: &[Access] = &[
    a(false, 1, 0, 75, 1, Scalar),
    a(false, 1, 84, 87, 1, Scalar),
    a(false, 1, 160, 167, 1, Scalar),
    a(false, 1, 176, 180, 1, Scalar),
    a(false, 2, 0, 74, 2, Scalar),
    a(false, 2, 84, 86, 2, Scalar),
    a(false, 2, 160, 166, 2, Scalar),
    a(false, 2, 176, 178, 2, Scalar),
    a(false, 4, 0, 72, 4, Scalar),
    a(false, 4, 76, 76, 4, PacketData),
    a(false, 4, 80, 80, 4, PacketEnd),
    a(false, 4, 84, 84, 4, Scalar),
    a(false, 4, 140, 140, 4, PacketMeta),
    a(false, 4, 160, 164, 4, Scalar),
    a(false, 4, 176, 176, 4, Scalar),
    a(false, 8, 48, 56, 8, Scalar),
    a(false, 8, 152, 152, 8, Scalar),
    a(false, 8, 168, 168, 8, SocketCommonOrNull),
    a(false, 8, 184, 184, 8, Scalar),
    a(true, 1, 48, 67, 1, Scalar),
    a(true, 2, 48, 66, 2, Scalar),
    a(true, 4, 8, 12, 4, Scalar),
    a(true, 4, 32, 32, 4, Scalar),
    a(true, 4, 44, 64, 4, Scalar),
    a(true, 4, 72, 72, 4, Scalar),
    a(true, 8, 48, 56, 8, Scalar),
    a(true, 8, 152, 152, 8, Scalar),
];
#[rustfmt::skip]
pub(super) const SCHED_ACT: &[Access] = &[
    a(false, 1, 0, 75, 1, Scalar),
    a(false, 1, 84, 87, 1, Scalar),
    a(false, 1, 160, 167, 1, Scalar),
    a(false, 1, 176, 180, 1, Scalar),
    a(false, 2, 0, 74, 2, Scalar),
    a(false, 2, 84, 86, 2, Scalar),
    a(false, 2, 160, 166, 2, Scalar),
    a(false, 2, 176, 178, 2, Scalar),
    a(false, 4, 0, 72, 4, Scalar),
    a(false, 4, 76, 76, 4, PacketData),
    a(false, 4, 80, 80, 4, PacketEnd),
    a(false, 4, 84, 84, 4, Scalar),
    a(false, 4, 140, 140, 4, PacketMeta),
    a(false, 4, 160, 164, 4, Scalar),
    a(false, 4, 176, 176, 4, Scalar),
    a(false, 8, 48, 56, 8, Scalar),
    a(false, 8, 152, 152, 8, Scalar),
    a(false, 8, 168, 168, 8, SocketCommonOrNull),
    a(false, 8, 184, 184, 8, Scalar),
    a(true, 1, 48, 67, 1, Scalar),
    a(true, 2, 48, 66, 2, Scalar),
    a(true, 4, 8, 12, 4, Scalar),
    a(true, 4, 32, 32, 4, Scalar),
    a(true, 4, 44, 64, 4, Scalar),
    a(true, 4, 72, 72, 4, Scalar),
    a(true, 8, 48, 56, 8, Scalar),
    a(true, 8, 152, 152, 8, Scalar),
];
#[rustfmt::skip]
pub(super) const TRACEPOINT: &[Access] = &[
    a(false, 1, 8, 8191, 1, Scalar),
    a(false, 2, 8, 8190, 2, Scalar),
    a(false, 4, 8, 8188, 4, Scalar),
    a(false, 8, 8, 8184, 8, Scalar),
];
#[rustfmt::skip]
pub(super) const XDP: &[Access] = &[
    a(false, 4, 0, 0, 4, PacketData),
    a(false, 4, 4, 4, 4, PacketEnd),
    a(false, 4, 8, 8, 4, PacketMeta),
    a(false, 4, 12, 16, 4, Scalar),
];
#[rustfmt::skip]
pub(super) const PERF_EVENT: &[Access] = &[
    a(false, 1, 168, 183, 1, Scalar),
    a(false, 2, 168, 182, 2, Scalar),
    a(false, 4, 168, 180, 4, Scalar),
    a(false, 8, 0, 176, 8, Scalar),
];
#[rustfmt::skip]
pub(super) const CGROUP_SKB: &[Access] = &[
    a(false, 1, 0, 71, 1, Scalar),
    a(false, 1, 84, 91, 1, Scalar),
    a(false, 1, 132, 139, 1, Scalar),
    a(false, 1, 164, 167, 1, Scalar),
    a(false, 1, 176, 179, 1, Scalar),
    a(false, 2, 0, 70, 2, Scalar),
    a(false, 2, 84, 90, 2, Scalar),
    a(false, 2, 132, 138, 2, Scalar),
    a(false, 2, 164, 166, 2, Scalar),
    a(false, 2, 176, 178, 2, Scalar),
    a(false, 4, 0, 68, 4, Scalar),
    a(false, 4, 76, 76, 4, PacketData),
    a(false, 4, 80, 80, 4, PacketEnd),
    a(false, 4, 84, 136, 4, Scalar),
    a(false, 4, 164, 164, 4, Scalar),
    a(false, 4, 176, 176, 4, Scalar),
    a(false, 8, 48, 56, 8, Scalar),
    a(false, 8, 152, 152, 8, Scalar),
    a(false, 8, 168, 168, 8, SocketCommonOrNull),
    a(false, 8, 184, 184, 8, Scalar),
    a(true, 1, 48, 67, 1, Scalar),
    a(true, 2, 48, 66, 2, Scalar),
    a(true, 4, 8, 8, 4, Scalar),
    a(true, 4, 32, 32, 4, Scalar),
    a(true, 4, 48, 64, 4, Scalar),
    a(true, 8, 48, 56, 8, Scalar),
    a(true, 8, 152, 152, 8, Scalar),
];
#[rustfmt::skip]
pub(super) const CGROUP_SOCK: &[Access] = &[
    a(false, 1, 4, 4, 1, Scalar),
    a(false, 1, 8, 8, 1, Scalar),
    a(false, 1, 12, 12, 1, Scalar),
    a(false, 1, 48, 49, 1, Scalar),
    a(false, 1, 52, 72, 1, Scalar),
    a(false, 1, 76, 76, 1, Scalar),
    a(false, 2, 4, 4, 2, Scalar),
    a(false, 2, 8, 8, 2, Scalar),
    a(false, 2, 12, 12, 2, Scalar),
    a(false, 2, 48, 48, 2, Scalar),
    a(false, 2, 52, 72, 2, Scalar),
    a(false, 2, 76, 76, 2, Scalar),
    a(false, 4, 0, 20, 4, Scalar),
    a(false, 4, 48, 76, 4, Scalar),
    a(true, 4, 0, 0, 4, Scalar),
    a(true, 4, 16, 20, 4, Scalar),
];
#[rustfmt::skip]
pub(super) const LWT_IN: &[Access] = &[
    a(false, 1, 0, 71, 1, Scalar),
    a(false, 1, 84, 87, 1, Scalar),
    a(false, 1, 164, 167, 1, Scalar),
    a(false, 1, 176, 179, 1, Scalar),
    a(false, 2, 0, 70, 2, Scalar),
    a(false, 2, 84, 86, 2, Scalar),
    a(false, 2, 164, 166, 2, Scalar),
    a(false, 2, 176, 178, 2, Scalar),
    a(false, 4, 0, 68, 4, Scalar),
    a(false, 4, 76, 76, 4, PacketData),
    a(false, 4, 80, 80, 4, PacketEnd),
    a(false, 4, 84, 84, 4, Scalar),
    a(false, 4, 164, 164, 4, Scalar),
    a(false, 4, 176, 176, 4, Scalar),
    a(false, 8, 48, 56, 8, Scalar),
    a(false, 8, 168, 168, 8, SocketCommonOrNull),
    a(true, 1, 48, 67, 1, Scalar),
    a(true, 2, 48, 66, 2, Scalar),
    a(true, 4, 8, 8, 4, Scalar),
    a(true, 4, 32, 32, 4, Scalar),
    a(true, 4, 48, 64, 4, Scalar),
    a(true, 8, 48, 56, 8, Scalar),
];
#[rustfmt::skip]
pub(super) const LWT_OUT: &[Access] = &[
    a(false, 1, 0, 71, 1, Scalar),
    a(false, 1, 84, 87, 1, Scalar),
    a(false, 1, 164, 167, 1, Scalar),
    a(false, 1, 176, 179, 1, Scalar),
    a(false, 2, 0, 70, 2, Scalar),
    a(false, 2, 84, 86, 2, Scalar),
    a(false, 2, 164, 166, 2, Scalar),
    a(false, 2, 176, 178, 2, Scalar),
    a(false, 4, 0, 68, 4, Scalar),
    a(false, 4, 76, 76, 4, PacketData),
    a(false, 4, 80, 80, 4, PacketEnd),
    a(false, 4, 84, 84, 4, Scalar),
    a(false, 4, 164, 164, 4, Scalar),
    a(false, 4, 176, 176, 4, Scalar),
    a(false, 8, 48, 56, 8, Scalar),
    a(false, 8, 168, 168, 8, SocketCommonOrNull),
    a(true, 1, 48, 67, 1, Scalar),
    a(true, 2, 48, 66, 2, Scalar),
    a(true, 4, 8, 8, 4, Scalar),
    a(true, 4, 32, 32, 4, Scalar),
    a(true, 4, 48, 64, 4, Scalar),
    a(true, 8, 48, 56, 8, Scalar),
];
#[rustfmt::skip]
pub(super) const LWT_XMIT: &[Access] = &[
    a(false, 1, 0, 71, 1, Scalar),
    a(false, 1, 84, 87, 1, Scalar),
    a(false, 1, 164, 167, 1, Scalar),
    a(false, 1, 176, 179, 1, Scalar),
    a(false, 2, 0, 70, 2, Scalar),
    a(false, 2, 84, 86, 2, Scalar),
    a(false, 2, 164, 166, 2, Scalar),
    a(false, 2, 176, 178, 2, Scalar),
    a(false, 4, 0, 68, 4, Scalar),
    a(false, 4, 76, 76, 4, PacketData),
    a(false, 4, 80, 80, 4, PacketEnd),
    a(false, 4, 84, 84, 4, Scalar),
    a(false, 4, 164, 164, 4, Scalar),
    a(false, 4, 176, 176, 4, Scalar),
    a(false, 8, 48, 56, 8, Scalar),
    a(false, 8, 168, 168, 8, SocketCommonOrNull),
    a(true, 1, 48, 67, 1, Scalar),
    a(true, 2, 48, 66, 2, Scalar),
    a(true, 4, 8, 8, 4, Scalar),
    a(true, 4, 32, 32, 4, Scalar),
    a(true, 4, 48, 64, 4, Scalar),
    a(true, 8, 48, 56, 8, Scalar),
];
#[rustfmt::skip]
pub(super) const SOCK_OPS: &[Access] = &[
    a(false, 1, 212, 212, 1, Scalar),
    a(false, 2, 212, 212, 2, Scalar),
    a(false, 4, 0, 164, 4, Scalar),
    a(false, 4, 208, 212, 4, Scalar),
    a(false, 8, 168, 176, 8, Scalar),
    a(false, 8, 184, 184, 8, SocketOrNull),
    a(false, 8, 192, 192, 8, PacketData),
    a(false, 8, 200, 200, 8, PacketEnd),
    a(false, 8, 216, 216, 8, Scalar),
    a(true, 4, 4, 4, 4, Scalar),
    a(true, 4, 164, 164, 4, Scalar),
];
#[rustfmt::skip]
pub(super) const SK_SKB: &[Access] = &[
    a(false, 1, 0, 7, 1, Scalar),
    a(false, 1, 12, 71, 1, Scalar),
    a(false, 1, 84, 91, 1, Scalar),
    a(false, 1, 132, 139, 1, Scalar),
    a(false, 1, 164, 167, 1, Scalar),
    a(false, 1, 176, 179, 1, Scalar),
    a(false, 2, 0, 6, 2, Scalar),
    a(false, 2, 12, 70, 2, Scalar),
    a(false, 2, 84, 90, 2, Scalar),
    a(false, 2, 132, 138, 2, Scalar),
    a(false, 2, 164, 166, 2, Scalar),
    a(false, 2, 176, 178, 2, Scalar),
    a(false, 4, 0, 4, 4, Scalar),
    a(false, 4, 12, 68, 4, Scalar),
    a(false, 4, 76, 76, 4, PacketData),
    a(false, 4, 80, 80, 4, PacketEnd),
    a(false, 4, 84, 136, 4, Scalar),
    a(false, 4, 164, 164, 4, Scalar),
    a(false, 4, 176, 176, 4, Scalar),
    a(false, 8, 48, 56, 8, Scalar),
    a(false, 8, 168, 168, 8, SocketCommonOrNull),
    a(true, 4, 32, 32, 4, Scalar),
    a(true, 4, 44, 44, 4, Scalar),
];
#[rustfmt::skip]
pub(super) const CGROUP_DEVICE: &[Access] = &[
    a(false, 1, 0, 3, 1, Scalar),
    a(false, 2, 0, 2, 2, Scalar),
    a(false, 4, 0, 8, 4, Scalar),
];
#[rustfmt::skip]
pub(super) const SK_MSG: &[Access] = &[
    a(false, 4, 16, 68, 4, Scalar),
    a(false, 8, 0, 0, 8, PacketData),
    a(false, 8, 8, 8, 8, PacketEnd),
    a(false, 8, 72, 72, 8, Socket),
];
#[rustfmt::skip]
pub(super) const RAW_TRACEPOINT: &[Access] = &[
    a(false, 1, 0, 95, 1, Scalar),
    a(false, 2, 0, 94, 2, Scalar),
    a(false, 4, 0, 92, 4, Scalar),
    a(false, 8, 0, 88, 8, Scalar),
];
#[rustfmt::skip]
pub(super) const CGROUP_SOCK_ADDR: &[Access] = &[
    a(false, 1, 4, 7, 1, Scalar),
    a(false, 1, 24, 27, 1, Scalar),
    a(false, 2, 4, 6, 2, Scalar),
    a(false, 2, 24, 26, 2, Scalar),
    a(false, 4, 0, 4, 4, Scalar),
    a(false, 4, 24, 36, 4, Scalar),
    a(false, 8, 64, 64, 8, Socket),
    a(true, 4, 4, 4, 4, Scalar),
    a(true, 4, 24, 24, 4, Scalar),
];
#[rustfmt::skip]
pub(super) const LWT_SEG6LOCAL: &[Access] = &[
    a(false, 1, 0, 71, 1, Scalar),
    a(false, 1, 84, 87, 1, Scalar),
    a(false, 1, 164, 167, 1, Scalar),
    a(false, 1, 176, 179, 1, Scalar),
    a(false, 2, 0, 70, 2, Scalar),
    a(false, 2, 84, 86, 2, Scalar),
    a(false, 2, 164, 166, 2, Scalar),
    a(false, 2, 176, 178, 2, Scalar),
    a(false, 4, 0, 68, 4, Scalar),
    a(false, 4, 76, 76, 4, PacketData),
    a(false, 4, 80, 80, 4, PacketEnd),
    a(false, 4, 84, 84, 4, Scalar),
    a(false, 4, 164, 164, 4, Scalar),
    a(false, 4, 176, 176, 4, Scalar),
    a(false, 8, 48, 56, 8, Scalar),
    a(false, 8, 168, 168, 8, SocketCommonOrNull),
    a(true, 1, 48, 67, 1, Scalar),
    a(true, 2, 48, 66, 2, Scalar),
    a(true, 4, 8, 8, 4, Scalar),
    a(true, 4, 32, 32, 4, Scalar),
    a(true, 4, 48, 64, 4, Scalar),
    a(true, 8, 48, 56, 8, Scalar),
];
#[rustfmt::skip]
pub(super) const SK_REUSEPORT: &[Access] = &[
    a(false, 1, 16, 19, 1, Scalar),
    a(false, 1, 24, 31, 1, Scalar),
    a(false, 2, 16, 30, 2, Scalar),
    a(false, 4, 16, 32, 4, Scalar),
    a(false, 8, 0, 0, 8, PacketData),
    a(false, 8, 8, 8, 8, PacketEnd),
    a(false, 8, 40, 40, 8, Socket),
    a(false, 8, 48, 48, 8, SocketCommonOrNull),
];
#[rustfmt::skip]
pub(super) const FLOW_DISSECTOR: &[Access] = &[
    a(false, 4, 76, 76, 4, PacketData),
    a(false, 4, 80, 80, 4, PacketEnd),
    a(false, 8, 144, 144, 8, FlowKeys),
];
#[rustfmt::skip]
pub(super) const CGROUP_SYSCTL: &[Access] = &[
    a(false, 1, 0, 7, 1, Scalar),
    a(false, 2, 0, 6, 2, Scalar),
    a(false, 4, 0, 4, 4, Scalar),
    a(true, 4, 4, 4, 4, Scalar),
];
#[rustfmt::skip]
pub(super) const RAW_TRACEPOINT_WRITABLE: &[Access] = &[
    a(false, 1, 1, 95, 1, Scalar),
    a(false, 2, 2, 94, 2, Scalar),
    a(false, 4, 4, 92, 4, Scalar),
    a(false, 8, 0, 0, 8, TracepointBuffer),
    a(false, 8, 8, 88, 8, Scalar),
];
#[rustfmt::skip]
pub(super) const CGROUP_SOCKOPT: &[Access] = &[
    a(false, 4, 24, 36, 4, Scalar),
    a(false, 8, 0, 0, 8, Socket),
    a(false, 8, 8, 8, 8, PacketData),
    a(false, 8, 16, 16, 8, PacketEnd),
    a(true, 4, 32, 36, 4, Scalar),
];
#[rustfmt::skip]
pub(super) const SK_LOOKUP: &[Access] = &[
    a(false, 1, 8, 67, 1, Scalar),
    a(false, 2, 8, 66, 2, Scalar),
    a(false, 4, 8, 64, 4, Scalar),
    a(false, 8, 0, 0, 8, SocketOrNull),
];
#[rustfmt::skip]
pub(super) const SYSCALL: &[Access] = &[
    a(false, 1, 0, 32760, 1, Scalar),
    a(false, 2, 0, 32760, 2, Scalar),
    a(false, 4, 0, 32760, 4, Scalar),
    a(false, 8, 0, 32760, 8, Scalar),
    a(true, 1, 0, 32760, 1, Scalar),
    a(true, 2, 0, 32760, 2, Scalar),
    a(true, 4, 0, 32760, 4, Scalar),
    a(true, 8, 0, 32760, 8, Scalar),
];
#[rustfmt::skip]
pub(super) const NETFILTER: &[Access] = &[
    a(false, 8, 0, 0, 8, KernelType("nf_hook_state")),
    a(false, 8, 8, 8, 8, KernelType("sk_buff")),
];

/// Where an attach type changes what the context allows: program type, attach types, and the accesses.
#[rustfmt::skip]
pub(super) const BY_ATTACH_TYPE: &[(u32, &[u32], &[Access])] = &[
    (6, &[33], &[
        a(false, 4, 0, 0, 4, PacketData),
        a(false, 4, 4, 4, 4, PacketEnd),
        a(false, 4, 8, 8, 4, PacketMeta),
        a(false, 4, 12, 20, 4, Scalar),
    ]),
    (9, &[12], &[
        a(false, 1, 4, 4, 1, Scalar),
        a(false, 1, 8, 8, 1, Scalar),
        a(false, 1, 12, 12, 1, Scalar),
        a(false, 1, 24, 27, 1, Scalar),
        a(false, 1, 44, 44, 1, Scalar),
        a(false, 1, 48, 49, 1, Scalar),
        a(false, 1, 52, 72, 1, Scalar),
        a(false, 1, 76, 76, 1, Scalar),
        a(false, 2, 4, 4, 2, Scalar),
        a(false, 2, 8, 8, 2, Scalar),
        a(false, 2, 12, 12, 2, Scalar),
        a(false, 2, 24, 26, 2, Scalar),
        a(false, 2, 44, 44, 2, Scalar),
        a(false, 2, 48, 48, 2, Scalar),
        a(false, 2, 52, 72, 2, Scalar),
        a(false, 2, 76, 76, 2, Scalar),
        a(false, 4, 4, 12, 4, Scalar),
        a(false, 4, 24, 24, 4, Scalar),
        a(false, 4, 44, 76, 4, Scalar),
    ]),
    (9, &[13], &[
        a(false, 1, 4, 4, 1, Scalar),
        a(false, 1, 8, 8, 1, Scalar),
        a(false, 1, 12, 12, 1, Scalar),
        a(false, 1, 28, 44, 1, Scalar),
        a(false, 1, 48, 49, 1, Scalar),
        a(false, 1, 52, 72, 1, Scalar),
        a(false, 1, 76, 76, 1, Scalar),
        a(false, 2, 4, 4, 2, Scalar),
        a(false, 2, 8, 8, 2, Scalar),
        a(false, 2, 12, 12, 2, Scalar),
        a(false, 2, 28, 44, 2, Scalar),
        a(false, 2, 48, 48, 2, Scalar),
        a(false, 2, 52, 72, 2, Scalar),
        a(false, 2, 76, 76, 2, Scalar),
        a(false, 4, 4, 12, 4, Scalar),
        a(false, 4, 28, 76, 4, Scalar),
    ]),
    (18, &[9, 11, 20, 30, 32], &[
        a(false, 1, 8, 27, 1, Scalar),
        a(false, 2, 8, 26, 2, Scalar),
        a(false, 4, 0, 0, 4, Scalar),
        a(false, 4, 8, 36, 4, Scalar),
        a(false, 8, 8, 16, 8, Scalar),
        a(false, 8, 64, 64, 8, Socket),
        a(true, 4, 8, 24, 4, Scalar),
        a(true, 8, 8, 16, 8, Scalar),
    ]),
    (18, &[14], &[
        a(false, 1, 4, 7, 1, Scalar),
        a(false, 1, 24, 27, 1, Scalar),
        a(false, 1, 40, 43, 1, Scalar),
        a(false, 2, 4, 6, 2, Scalar),
        a(false, 2, 24, 26, 2, Scalar),
        a(false, 2, 40, 42, 2, Scalar),
        a(false, 4, 0, 4, 4, Scalar),
        a(false, 4, 24, 40, 4, Scalar),
        a(false, 8, 64, 64, 8, Socket),
        a(true, 4, 4, 4, 4, Scalar),
        a(true, 4, 24, 24, 4, Scalar),
        a(true, 4, 40, 40, 4, Scalar),
    ]),
    (18, &[15], &[
        a(false, 1, 8, 27, 1, Scalar),
        a(false, 1, 44, 59, 1, Scalar),
        a(false, 2, 8, 26, 2, Scalar),
        a(false, 2, 44, 58, 2, Scalar),
        a(false, 4, 0, 0, 4, Scalar),
        a(false, 4, 8, 36, 4, Scalar),
        a(false, 4, 44, 56, 4, Scalar),
        a(false, 8, 8, 16, 8, Scalar),
        a(false, 8, 48, 48, 8, Scalar),
        a(false, 8, 64, 64, 8, Socket),
        a(true, 4, 8, 24, 4, Scalar),
        a(true, 4, 44, 56, 4, Scalar),
        a(true, 8, 8, 16, 8, Scalar),
        a(true, 8, 48, 48, 8, Scalar),
    ]),
    (18, &[49, 50, 51, 52, 53], &[
        a(false, 1, 24, 27, 1, Scalar),
        a(false, 2, 24, 26, 2, Scalar),
        a(false, 4, 0, 0, 4, Scalar),
        a(false, 4, 24, 36, 4, Scalar),
        a(false, 8, 64, 64, 8, Socket),
        a(true, 4, 24, 24, 4, Scalar),
    ]),
    (25, &[22], &[
        a(false, 4, 24, 32, 4, Scalar),
        a(false, 8, 0, 0, 8, Socket),
        a(false, 8, 8, 8, 8, PacketData),
        a(false, 8, 16, 16, 8, PacketEnd),
        a(true, 4, 24, 32, 4, Scalar),
    ]),
];
