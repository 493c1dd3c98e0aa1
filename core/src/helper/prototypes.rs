//! Prototypes of helpers that no function runs yet: programs that call them are verified, and a run that
//! meets one stops with [`HelperFault::NotBuilt`](super::HelperFault).
//!
//! Arguments and results are what `native/probes/helper_arguments.py` finds on the running kernel, with
//! bpf-helpers(7) for what a probe can't tell. A helper that gets its function moves to [`rows`](super::rows).

use super::Arg::{self, *};
use super::MemoryAccess::{Read, ReadWrite, Uninit};
use super::rows::{MOVES, NOTHING, PACKET};
use super::{Callback, Effects, Prototype, Ret};

/// The result is the first argument, seen as another type.
const CASTS: Effects = Effects { casts: true, ..NOTHING };
const SLEEPS: Effects = Effects { sleeps: true, ..NOTHING };

const OUT: Arg = Memory(Uninit);
const IN: Arg = Memory(Read);
const INOUT: Arg = Memory(ReadWrite);
const IN_OR_NULL: Arg = OrNull(&IN);
const INOUT_OR_NULL: Arg = OrNull(&INOUT);
const STACK_OR_NULL: Arg = OrNull(&Stack);
const MAP_VALUE_OR_NULL: Arg = OrNull(&MapValue);
const TASK_OR_NULL: Arg = OrNull(&KernelType("task_struct"));
const CGROUP_OR_NULL: Arg = OrNull(&KernelType("cgroup"));
const NUMBER: Arg = FixedMemory { size: 8, align: 8, access: Uninit };
const HEADER4: Arg = FixedMemory { size: 20, align: 1, access: Read };
const HEADER6: Arg = FixedMemory { size: 40, align: 1, access: Read };
const TCP_HEADER: Arg = FixedMemory { size: 20, align: 1, access: Read };

const fn row(number: i32, args: &'static [Arg], ret: Ret, effects: Effects) -> Prototype {
    Prototype { number, args, ret, effects }
}

/// The prototypes, by number.
#[rustfmt::skip]
pub(super) const PROTOTYPES: &[Prototype] = &[
    row(12, &[Context, ConstMap, Anything], Ret::Void, NOTHING),
    row(13, &[Context, Anything, Anything], Ret::Integer, MOVES),
    row(20, &[Context, OUT, Size, Anything], Ret::Integer, NOTHING),
    row(21, &[Context, IN, Size, Anything], Ret::Integer, NOTHING),
    row(22, &[ConstMap, Anything], Ret::Integer, NOTHING),
    row(27, &[Context, ConstMap, Anything], Ret::Integer, NOTHING),
    row(29, &[Context, OUT, Size], Ret::Integer, NOTHING),
    row(30, &[Context, IN, Size], Ret::Integer, NOTHING),
    row(31, &[Context, Anything, Anything], Ret::Integer, MOVES),
    row(33, &[Context, ConstMap, Anything], Ret::Integer, NOTHING),
    row(37, &[ConstMap, Anything], Ret::Integer, NOTHING),
    row(49, &[Context, Anything, Anything, IN, Size], Ret::Integer, NOTHING),
    row(50, &[Context, Anything, Anything, Anything], Ret::Integer, MOVES),
    row(52, &[Context, ConstMap, Anything, Anything], Ret::Integer, NOTHING),
    row(53, &[Context, ConstMap, MapKey, Anything], Ret::Integer, NOTHING),
    row(55, &[ConstMap, Anything, OUT, Size], Ret::Integer, NOTHING),
    row(56, &[Context, OUT, Size], Ret::Integer, NOTHING),
    row(57, &[Context, Anything, Anything, OUT, Size], Ret::Integer, NOTHING),
    row(59, &[Context, Anything], Ret::Integer, NOTHING),
    row(60, &[Context, ConstMap, Anything, Anything], Ret::Integer, NOTHING),
    row(61, &[Context, Anything], Ret::Integer, NOTHING),
    row(62, &[Context, Anything], Ret::Integer, NOTHING),
    row(63, &[Context, Anything, Anything, Anything], Ret::Integer, MOVES),
    row(64, &[Context, IN, Size], Ret::Integer, NOTHING),
    row(66, &[Context, Anything, OUT, Size, Anything], Ret::Integer, NOTHING),
    row(67, &[Context, OUT, SizeOrZero, Anything], Ret::Integer, NOTHING),
    row(69, &[Context, INOUT, Size, Anything], Ret::Integer, NOTHING),
    row(70, &[Context, ConstMap, MapKey, Anything], Ret::Integer, NOTHING),
    row(71, &[Context, ConstMap, MapKey, Anything], Ret::Integer, NOTHING),
    row(72, &[Context, ConstMap, MapKey, Anything], Ret::Integer, NOTHING),
    row(73, &[Context, Anything, IN, Size], Ret::Integer, MOVES),
    row(74, &[Context, Anything, IN, Size], Ret::Integer, MOVES),
    row(75, &[Context, Anything, Anything], Ret::Integer, MOVES),
    row(76, &[Context, Anything, IN, Size], Ret::Integer, MOVES),
    row(79, &[Context], Ret::Integer, NOTHING),
    row(81, &[ConstMap, Anything], Ret::MapValue, NOTHING),
    row(82, &[Context, ConstMap, MapKey, Anything], Ret::Integer, NOTHING),
    row(83, &[Context, Anything], Ret::Integer, NOTHING),
    row(90, &[Context, Anything, Anything, Anything], Ret::Integer, MOVES),
    row(91, &[Context, Anything, Anything, Anything], Ret::Integer, MOVES),
    row(95, &[SocketCommon], Ret::SocketOrNull, CASTS),
    row(96, &[SocketCommon], Ret::TcpSocketOrNull, CASTS),
    row(97, &[Context], Ret::Integer, NOTHING),
    row(98, &[SocketCommon], Ret::SocketOrNull, NOTHING),
    row(100, &[AnySocket, IN, Size, IN, Size], Ret::Integer, PACKET),
    row(101, &[Context, INOUT, Size, Anything], Ret::Integer, NOTHING),
    row(102, &[Context, OUT, Size], Ret::Integer, NOTHING),
    row(103, &[Context, OUT, Size], Ret::Integer, NOTHING),
    row(104, &[Context, IN, Size], Ret::Integer, NOTHING),
    row(107, &[ConstMap, AnySocket, MAP_VALUE_OR_NULL, Anything], Ret::MapValueOrNull, NOTHING),
    row(108, &[ConstMap, AnySocket], Ret::Integer, NOTHING),
    row(109, &[Anything], Ret::Integer, NOTHING),
    row(110, &[AnySocket, IN, Size, IN, Size], Ret::Integer, PACKET),
    row(111, &[KernelType("sk_buff"), ConstMap, Anything, IN, SizeOrZero], Ret::Integer, NOTHING),
    row(117, &[Anything], Ret::Integer, NOTHING),
    row(119, &[Context, INOUT_OR_NULL, SizeOrZero, Anything], Ret::Integer, NOTHING),
    row(120, &[Anything, Anything, OUT, Size], Ret::Integer, NOTHING),
    row(121, &[KernelType("xdp_buff"), ConstMap, Anything, IN, SizeOrZero], Ret::Integer, NOTHING),
    row(123, &[Anything], Ret::Integer, NOTHING),
    row(124, &[Context, AnySocket, Anything], Ret::Integer, NOTHING),
    row(126, &[KernelType("seq_file"), IN, SizeOrZero, IN_OR_NULL, SizeOrZero], Ret::Integer, NOTHING),
    row(127, &[KernelType("seq_file"), IN, SizeOrZero], Ret::Integer, NOTHING),
    row(128, &[AnySocket], Ret::Integer, NOTHING),
    row(129, &[AnySocket, Anything], Ret::Integer, NOTHING),
    row(135, &[Context, Anything], Ret::Integer, NOTHING),
    row(136, &[AnySocket], Ret::KernelTypeOrNull("tcp6_sock"), CASTS),
    row(137, &[AnySocket], Ret::KernelTypeOrNull("tcp_sock"), CASTS),
    row(138, &[AnySocket], Ret::KernelTypeOrNull("tcp_timewait_sock"), CASTS),
    row(139, &[AnySocket], Ret::KernelTypeOrNull("tcp_request_sock"), CASTS),
    row(140, &[AnySocket], Ret::KernelTypeOrNull("udp6_sock"), CASTS),
    row(141, &[KernelType("task_struct"), OUT, SizeOrZero, Anything], Ret::Integer, NOTHING),
    row(142, &[Context, INOUT, Size, Anything], Ret::Integer, NOTHING),
    row(143, &[Context, IN, Size, Anything], Ret::Integer, MOVES),
    row(144, &[Context, Anything, Anything], Ret::Integer, NOTHING),
    row(147, &[KernelType("path"), OUT, SizeOrZero], Ret::Integer, NOTHING),
    row(148, &[OUT, SizeOrZero, Anything], Ret::Integer, SLEEPS),
    row(149, &[INOUT, Size, IN, Size, Anything], Ret::Integer, NOTHING),
    row(150, &[KernelType("seq_file"), IN, SizeOrZero, Anything], Ret::Integer, NOTHING),
    row(151, &[Context], Ret::Integer, NOTHING),
    row(152, &[Anything, IN_OR_NULL, SizeOrZero, Anything], Ret::Integer, NOTHING),
    row(153, &[PerCpuVariable, Anything], Ret::PerCpuVariableOrNull, NOTHING),
    row(154, &[PerCpuVariable], Ret::PerCpuVariable, NOTHING),
    row(155, &[Anything, Anything], Ret::Integer, NOTHING),
    row(156, &[ConstMap, TASK_OR_NULL, MAP_VALUE_OR_NULL, Anything], Ret::MapValueOrNull, NOTHING),
    row(157, &[ConstMap, TASK_OR_NULL], Ret::Integer, NOTHING),
    row(158, &[], Ret::KernelType("task_struct"), NOTHING),
    row(162, &[KernelType("file")], Ret::KernelTypeOrNull("socket"), NOTHING),
    row(164, &[ConstMap, Function(Callback::ForEachMapElem), STACK_OR_NULL, Anything], Ret::Integer, NOTHING),
    row(166, &[Anything, IN, Size], Ret::Integer, NOTHING),
    row(167, &[IN, Size, Anything, Anything], Ret::Integer, NOTHING),
    row(168, &[Anything], Ret::Integer, NOTHING),
    row(169, &[Timer, ConstMap, Anything], Ret::Integer, NOTHING),
    row(170, &[Timer, Function(Callback::Timer)], Ret::Integer, NOTHING),
    row(171, &[Timer, Anything, Anything], Ret::Integer, NOTHING),
    row(172, &[Timer], Ret::Integer, NOTHING),
    row(175, &[KernelType("task_struct")], Ret::KernelType("pt_regs"), NOTHING),
    row(176, &[OUT, SizeOrZero], Ret::Integer, NOTHING),
    row(178, &[AnySocket], Ret::KernelTypeOrNull("unix_sock"), CASTS),
    row(179, &[IN, SizeOrZero, Anything, NUMBER], Ret::Integer, NOTHING),
    row(180, &[KernelType("task_struct"), Anything, Function(Callback::FindVma), STACK_OR_NULL, Anything], Ret::Integer, NOTHING),
    row(181, &[Anything, Function(Callback::Loop), STACK_OR_NULL, Anything], Ret::Integer, NOTHING),
    row(186, &[], Ret::Integer, NOTHING),
    row(187, &[Anything], Ret::Integer, NOTHING),
    row(191, &[OUT, SizeOrZero, Anything, KernelType("task_struct"), Anything], Ret::Integer, SLEEPS),
    row(192, &[Context, Anything, Anything], Ret::Integer, NOTHING),
    row(196, &[SocketCommon], Ret::KernelTypeOrNull("mptcp_sock"), CASTS),
    row(204, &[HEADER4, IN, SizeOrZero], Ret::Integer, PACKET),
    row(205, &[HEADER6, IN, SizeOrZero], Ret::Integer, PACKET),
    row(206, &[HEADER4, TCP_HEADER], Ret::Integer, PACKET),
    row(207, &[HEADER6, TCP_HEADER], Ret::Integer, PACKET),
    row(209, &[ConstMap, Function(Callback::UserRingBuffer), STACK_OR_NULL, Anything], Ret::Integer, NOTHING),
    row(210, &[ConstMap, CGROUP_OR_NULL, MAP_VALUE_OR_NULL, Anything], Ret::MapValueOrNull, NOTHING),
    row(211, &[ConstMap, CGROUP_OR_NULL], Ret::Integer, NOTHING),
];
