//! The table of program types.

use super::PacketAccess::{self, Read, Write};
use super::Returns::{self, Any, Between};
use super::{Access, ProgramType, TestRun, access};

const ANY: &[(Option<u32>, Returns)] = &[(None, Any)];
/// A packet from its network header on.
const PACKET: TestRun = TestRun::Skb { link_layer: false };
/// A packet from its link header on.
const FRAME: TestRun = TestRun::Skb { link_layer: true };

const BOOLEAN: &[(Option<u32>, Returns)] = &[(None, Between(0, 1))];

const fn row(
    number: u32,
    name: &'static str,
    context: &'static str,
    accesses: &'static [Access],
    packet: PacketAccess,
    returns: &'static [(Option<u32>, Returns)],
    test_run: TestRun,
) -> ProgramType {
    ProgramType { number, name, context, accesses, packet, returns, test_run }
}

/// The program types, by uapi number. A row without accesses is a type that is not built yet.
#[rustfmt::skip]
pub const TYPES: &[ProgramType] = &[
    row(1, "socket_filter", "__sk_buff", access::SOCKET_FILTER, Read, ANY, PACKET),
    row(2, "kprobe", "pt_regs", access::KPROBE, PacketAccess::None, &[(Some(56), Between(0, 1)), (Some(57), Between(0, 1)), (None, Any)], TestRun::No),
    row(3, "sched_cls", "__sk_buff", access::SCHED_CLS, Write, ANY, FRAME),
    row(4, "sched_act", "__sk_buff", access::SCHED_ACT, Write, ANY, FRAME),
    row(5, "tracepoint", "trace_entry", access::TRACEPOINT, PacketAccess::None, ANY, TestRun::No),
    row(6, "xdp", "xdp_md", access::XDP, Write, ANY, TestRun::Xdp),
    row(7, "perf_event", "bpf_perf_event_data", access::PERF_EVENT, PacketAccess::None, ANY, TestRun::No),
    // Egress may also ask for congestion control: 2 and 3.
    row(8, "cgroup_skb", "__sk_buff", access::CGROUP_SKB, Read, &[(Some(1), Between(0, 3)), (None, Between(0, 1))], PACKET),
    row(9, "cgroup_sock", "bpf_sock", access::CGROUP_SOCK, PacketAccess::None, BOOLEAN, TestRun::No),
    row(10, "lwt_in", "__sk_buff", access::LWT_IN, Read, ANY, PACKET),
    row(11, "lwt_out", "__sk_buff", access::LWT_OUT, Read, ANY, PACKET),
    row(12, "lwt_xmit", "__sk_buff", access::LWT_XMIT, Write, ANY, PACKET),
    row(13, "sock_ops", "bpf_sock_ops", access::SOCK_OPS, PacketAccess::None, BOOLEAN, TestRun::No),
    row(14, "sk_skb", "__sk_buff", access::SK_SKB, Write, ANY, TestRun::No),
    row(15, "cgroup_device", "bpf_cgroup_dev_ctx", access::CGROUP_DEVICE, PacketAccess::None, BOOLEAN, TestRun::No),
    row(16, "sk_msg", "sk_msg_md", access::SK_MSG, Write, ANY, TestRun::No),
    row(17, "raw_tracepoint", "bpf_raw_tracepoint_args", access::RAW_TRACEPOINT, PacketAccess::None, ANY, TestRun::RawTracepoint),
    row(18, "cgroup_sock_addr", "bpf_sock_addr", access::CGROUP_SOCK_ADDR, PacketAccess::None, &[
        (Some(8), Between(0, 3)), (Some(9), Between(0, 3)),
        (Some(19), Between(1, 1)), (Some(20), Between(1, 1)),
        (Some(29), Between(1, 1)), (Some(30), Between(1, 1)), (Some(31), Between(1, 1)), (Some(32), Between(1, 1)),
        (Some(49), Between(0, 1)), (Some(51), Between(1, 1)), (Some(52), Between(1, 1)), (Some(53), Between(1, 1)),
        (None, Between(0, 1)),
    ], TestRun::No),
    row(19, "lwt_seg6local", "__sk_buff", access::LWT_SEG6LOCAL, Read, ANY, TestRun::No),
    row(20, "lirc_mode2", "u32", &[], PacketAccess::None, ANY, TestRun::No),
    row(21, "sk_reuseport", "sk_reuseport_md", access::SK_REUSEPORT, Read, ANY, TestRun::No),
    row(22, "flow_dissector", "__sk_buff", access::FLOW_DISSECTOR, Read, ANY, TestRun::FlowDissector),
    row(23, "cgroup_sysctl", "bpf_sysctl", access::CGROUP_SYSCTL, PacketAccess::None, BOOLEAN, TestRun::No),
    row(24, "raw_tracepoint_writable", "bpf_raw_tracepoint_args", access::RAW_TRACEPOINT_WRITABLE, PacketAccess::None, ANY, TestRun::No),
    row(25, "cgroup_sockopt", "bpf_sockopt", access::CGROUP_SOCKOPT, Write, BOOLEAN, TestRun::No),
    row(26, "tracing", "", &[], PacketAccess::None, ANY, TestRun::No),
    row(27, "struct_ops", "", &[], PacketAccess::None, ANY, TestRun::No),
    row(28, "ext", "", &[], PacketAccess::None, ANY, TestRun::No),
    row(29, "lsm", "", &[], PacketAccess::None, ANY, TestRun::No),
    row(30, "sk_lookup", "bpf_sk_lookup", access::SK_LOOKUP, PacketAccess::None, BOOLEAN, TestRun::SkLookup),
    row(31, "syscall", "", access::SYSCALL, PacketAccess::None, ANY, TestRun::Syscall),
    row(32, "netfilter", "bpf_nf_ctx", access::NETFILTER, Read, BOOLEAN, TestRun::No),
];
