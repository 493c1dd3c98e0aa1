//! The table of helpers that are built: prototype and function, one row each.
//!
//! A row reads `number => function, [arguments] -> result, effects;` with the names of [`Arg`], [`Ret`] and
//! the families' functions. Number, name, licence and program types are the kernel's facts.

use super::Arg::{self, *};
use super::MemoryAccess::{Read, ReadWrite, Uninit};
use super::call::{Call, HelperFault};
use super::kernel::dynptr;
use super::prototypes::PROTOTYPES;
use super::{
    Callback, DynptrUse, Effects, Prototype, Ret, checksum, event, map, net, ring, skb, string, task, time,
    trace, xdp,
};
use crate::arena::Memory as Bytes;

pub(super) const NOTHING: Effects =
    Effects { moves_packet: false, acquires: false, takes_packet: false, casts: false, sleeps: false };
pub(super) const MOVES: Effects = Effects { moves_packet: true, ..NOTHING };
pub(super) const PACKET: Effects = Effects { takes_packet: true, ..NOTHING };

const OUT: Arg = Memory(Uninit);
const IN: Arg = Memory(Read);
const IN_OR_NULL: Arg = OrNull(&IN);
const INOUT: Arg = Memory(ReadWrite);
const INOUT_OR_NULL: Arg = OrNull(&INOUT);
const CONTEXT_OR_NULL: Arg = OrNull(&Context);
const NUMBER: Arg = FixedMemory { size: 8, align: 8, access: Uninit };
const ACQUIRES: Effects = Effects { acquires: true, ..NOTHING };
/// A look-up of a socket, which has to be given back; the tuple may lie in the packet.
const LOOKS_UP: Effects = Effects { acquires: true, takes_packet: true, ..NOTHING };
const RELEASED_SOCKET: Arg = Release(&AnySocket);
const RELEASED_RECORD: Arg = Release(&RingBufferRecord);
const RELEASED_DYNPTR: Arg = Release(&Dynptr(DynptrUse::Ringbuf));
const RELEASED_POINTER: Arg = Release(&KernelType(""));
const KERNEL_POINTER_OR_NULL: Arg = OrNull(&RELEASED_POINTER);
const MTU: Arg = FixedMemory { size: 4, align: 4, access: ReadWrite };

macro_rules! helpers {
    ($($number:literal => $run:path, [$($arg:expr),*] -> $ret:expr, $effects:expr;)*) => {
        const ROWS: &[Prototype] = &[$(
            Prototype { number: $number, args: &[$($arg),*], ret: $ret, effects: $effects },
        )*];

        /// Runs a helper: its result for r0.
        ///
        /// # Errors
        /// A [`HelperFault`] for what no verified program does.
        #[inline]
        pub fn dispatch<M: Bytes>(number: i32, call: &mut Call<M>) -> Result<u64, HelperFault> {
            // What programs call most goes past the stack frame of all others.
            match number {
                1 => map::lookup(call),
                2 => map::update(call),
                _ => others(number, call),
            }
        }

        #[inline(never)]
        fn others<M: Bytes>(number: i32, call: &mut Call<M>) -> Result<u64, HelperFault> {
            match number {
                $($number => $run(call),)*
                _ => Err(HelperFault::NotBuilt(number)),
            }
        }
    };
}

helpers! {
    1 => map::lookup, [ConstMap, MapKey] -> Ret::MapValueOrNull, PACKET;
    2 => map::update, [ConstMap, MapKey, MapValue, Anything] -> Ret::Integer, PACKET;
    3 => map::delete, [ConstMap, MapKey] -> Ret::Integer, PACKET;
    4 => trace::probe_read_kernel, [OUT, SizeOrZero, Anything] -> Ret::Integer, NOTHING;
    5 => time::nanoseconds, [] -> Ret::Integer, NOTHING;
    6 => trace::printk, [IN, Size] -> Ret::Integer, NOTHING;
    7 => time::random, [] -> Ret::Integer, NOTHING;
    8 => task::cpu, [] -> Ret::Integer, NOTHING;
    9 => skb::skb_store_bytes, [Context, Anything, IN, Size, Anything] -> Ret::Integer, MOVES;
    10 => checksum::l3_csum_replace, [Context, Anything, Anything, Anything, Anything] -> Ret::Integer, MOVES;
    11 => checksum::l4_csum_replace, [Context, Anything, Anything, Anything, Anything] -> Ret::Integer, MOVES;
    14 => task::pid_tgid, [] -> Ret::Integer, NOTHING;
    15 => task::uid_gid, [] -> Ret::Integer, NOTHING;
    16 => task::comm, [OUT, Size] -> Ret::Integer, NOTHING;
    17 => net::zero, [Context] -> Ret::Integer, NOTHING;
    18 => skb::skb_vlan_push, [Context, Anything, Anything] -> Ret::Integer, MOVES;
    19 => skb::skb_vlan_pop, [Context] -> Ret::Integer, MOVES;
    23 => net::redirect, [Anything, Anything] -> Ret::Integer, NOTHING;
    24 => net::zero, [Context] -> Ret::Integer, NOTHING;
    25 => event::output, [Context, ConstMap, Anything, IN, SizeOrZero] -> Ret::Integer, NOTHING;
    26 => skb::skb_load_bytes, [Context, Anything, OUT, Size] -> Ret::Integer, NOTHING;
    28 => checksum::csum_diff, [IN_OR_NULL, SizeOrZero, IN_OR_NULL, SizeOrZero, Anything] -> Ret::Integer, PACKET;
    32 => skb::skb_change_type, [Context, Anything] -> Ret::Integer, NOTHING;
    34 => skb::get_hash_recalc, [Context] -> Ret::Integer, NOTHING;
    35 => task::current_task, [] -> Ret::Integer, NOTHING;
    38 => skb::skb_change_tail, [Context, Anything, Anything] -> Ret::Integer, MOVES;
    39 => skb::skb_pull_data, [Context, Anything] -> Ret::Integer, MOVES;
    40 => checksum::csum_update, [Context, Anything] -> Ret::Integer, NOTHING;
    41 => skb::set_hash_invalid, [Context] -> Ret::Integer, NOTHING;
    42 => task::numa_node, [] -> Ret::Integer, NOTHING;
    43 => skb::skb_change_head, [Context, Anything, Anything] -> Ret::Integer, MOVES;
    44 => xdp::xdp_adjust_head, [Context, Anything] -> Ret::Integer, MOVES;
    45 => trace::probe_read_kernel_str, [OUT, SizeOrZero, Anything] -> Ret::Integer, NOTHING;
    46 => net::one, [Context] -> Ret::Integer, NOTHING;
    47 => net::zero, [Context] -> Ret::Integer, NOTHING;
    48 => skb::set_hash, [Context, Anything] -> Ret::Integer, NOTHING;
    51 => map::redirect, [ConstMap, Anything, Anything] -> Ret::Integer, NOTHING;
    54 => xdp::xdp_adjust_meta, [Context, Anything] -> Ret::Integer, MOVES;
    65 => xdp::xdp_adjust_tail, [Context, Anything] -> Ret::Integer, MOVES;
    68 => skb::skb_load_bytes_relative, [Context, Anything, OUT, Size, Anything] -> Ret::Integer, NOTHING;
    80 => net::one, [] -> Ret::Integer, NOTHING;
    84 => net::no_socket, [Context, IN, SizeOrZero, Anything, Anything] -> Ret::SocketOrNull, LOOKS_UP;
    85 => net::no_socket, [Context, IN, SizeOrZero, Anything, Anything] -> Ret::SocketOrNull, LOOKS_UP;
    86 => net::release_socket, [RELEASED_SOCKET] -> Ret::Integer, NOTHING;
    87 => map::push, [ConstMap, MapValue, Anything] -> Ret::Integer, PACKET;
    88 => map::pop, [ConstMap, UninitMapValue] -> Ret::Integer, NOTHING;
    89 => map::peek, [ConstMap, UninitMapValue] -> Ret::Integer, NOTHING;
    93 => map::lock, [SpinLock] -> Ret::Void, NOTHING;
    94 => map::lock, [SpinLock] -> Ret::Void, NOTHING;
    99 => net::no_socket, [Context, IN, SizeOrZero, Anything, Anything] -> Ret::SocketCommonOrNull, LOOKS_UP;
    105 => string::strtol, [IN, Size, Anything, NUMBER] -> Ret::Integer, NOTHING;
    106 => string::strtoul, [IN, Size, Anything, NUMBER] -> Ret::Integer, NOTHING;
    112 => trace::probe_read_user, [OUT, SizeOrZero, Anything] -> Ret::Integer, NOTHING;
    113 => trace::probe_read_kernel, [OUT, SizeOrZero, Anything] -> Ret::Integer, NOTHING;
    114 => trace::probe_read_user, [OUT, SizeOrZero, Anything] -> Ret::Integer, NOTHING;
    115 => trace::probe_read_kernel_str, [OUT, SizeOrZero, Anything] -> Ret::Integer, NOTHING;
    118 => time::jiffies, [] -> Ret::Integer, NOTHING;
    122 => net::one, [CONTEXT_OR_NULL] -> Ret::Integer, NOTHING;
    125 => time::nanoseconds, [] -> Ret::Integer, NOTHING;
    130 => ring::output, [ConstMap, IN, SizeOrZero, Anything] -> Ret::Integer, NOTHING;
    131 => ring::reserve, [ConstMap, AllocationSize, Anything] -> Ret::AllocatedMemoryOrNull, ACQUIRES;
    132 => ring::submit, [RELEASED_RECORD, Anything] -> Ret::Void, NOTHING;
    133 => ring::discard, [RELEASED_RECORD, Anything] -> Ret::Void, NOTHING;
    134 => ring::query, [ConstMap, Anything] -> Ret::Integer, NOTHING;
    160 => time::nanoseconds, [] -> Ret::Integer, NOTHING;
    163 => net::check_mtu, [Context, Anything, MTU, Anything, Anything] -> Ret::Integer, NOTHING;
    165 => string::snprintf, [INOUT_OR_NULL, SizeOrZero, ConstString, IN_OR_NULL, SizeOrZero] -> Ret::Integer, NOTHING;
    173 => net::zero, [Context] -> Ret::Integer, NOTHING;
    174 => net::zero, [Context] -> Ret::Integer, NOTHING;
    177 => trace::vprintk, [IN, Size, IN_OR_NULL, SizeOrZero] -> Ret::Integer, NOTHING;
    182 => string::strncmp, [IN, Size, ConstString] -> Ret::Integer, NOTHING;
    188 => xdp::xdp_get_buff_len, [Context] -> Ret::Integer, NOTHING;
    189 => xdp::xdp_load_bytes, [Context, Anything, OUT, Size] -> Ret::Integer, NOTHING;
    190 => xdp::xdp_store_bytes, [Context, Anything, IN, Size] -> Ret::Integer, NOTHING;
    194 => map::exchange, [KernelPointerSlot, KERNEL_POINTER_OR_NULL] -> Ret::KernelTypeOrNull(""), ACQUIRES;
    195 => map::lookup_on, [ConstMap, MapKey, Anything] -> Ret::MapValueOrNull, PACKET;
    197 => dynptr::from_memory, [OUT, SizeOrZero, Anything, Dynptr(DynptrUse::InitLocal)] -> Ret::Integer, NOTHING;
    198 => ring::reserve_dynptr, [ConstMap, Anything, Anything, Dynptr(DynptrUse::InitRingbuf)] -> Ret::Integer, NOTHING;
    199 => ring::submit_dynptr, [RELEASED_DYNPTR, Anything] -> Ret::Void, NOTHING;
    200 => ring::discard_dynptr, [RELEASED_DYNPTR, Anything] -> Ret::Void, NOTHING;
    201 => dynptr::read, [OUT, SizeOrZero, Dynptr(DynptrUse::Any), Anything, Anything] -> Ret::Integer, NOTHING;
    202 => dynptr::write, [Dynptr(DynptrUse::Any), Anything, IN, SizeOrZero, Anything] -> Ret::Integer, NOTHING;
    203 => dynptr::data, [Dynptr(DynptrUse::Any), Anything, AllocationSize] -> Ret::DynptrDataOrNull, NOTHING;
    208 => time::nanoseconds, [] -> Ret::Integer, NOTHING;
}

/// Prototypes that differ in some program types (bit N is type N): there, this one holds.
const ELSEWHERE: &[(u64, Prototype)] = &[
    // Of the current task; that of a packet's socket only where packets are sent.
    (
        !(1 << 3 | 1 << 4 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 19),
        Prototype { number: 17, args: &[], ret: Ret::Integer, effects: NOTHING },
    ),
    (
        1 << 21 | 1 << 26 | 1 << 31,
        Prototype { number: 46, args: &[OrNull(&AnySocket)], ret: Ret::Integer, effects: NOTHING },
    ),
    // Programs that watch socket options have the socket beside their context, a socket's operations have it alone.
    (
        1 << 25 | 1 << 27,
        Prototype {
            number: 49,
            args: &[AnySocket, Anything, Anything, IN, Size],
            ret: Ret::Integer,
            effects: NOTHING,
        },
    ),
    (
        1 << 25 | 1 << 27,
        Prototype {
            number: 57,
            args: &[AnySocket, Anything, Anything, OUT, Size],
            ret: Ret::Integer,
            effects: NOTHING,
        },
    ),
    // The context of a socket that is being made is the socket.
    (
        1 << 9,
        Prototype {
            number: 107,
            args: &[ConstMap, Context, OrNull(&MapValue), Anything],
            ret: Ret::MapValueOrNull,
            effects: NOTHING,
        },
    ),
    // Tracing programs have the kernel's own type of a socket.
    (
        1 << 26,
        Prototype {
            number: 107,
            args: &[ConstMap, OrNull(&KernelType("sock_common")), OrNull(&MapValue), Anything],
            ret: Ret::MapValueOrNull,
            effects: NOTHING,
        },
    ),
    (
        1 << 26,
        Prototype {
            number: 108,
            args: &[ConstMap, OrNull(&KernelType("sock_common"))],
            ret: Ret::Integer,
            effects: NOTHING,
        },
    ),
    // A look-up chooses a full socket, or none.
    (
        1 << 30,
        Prototype {
            number: 124,
            args: &[Context, OrNull(&Socket), Anything],
            ret: Ret::Integer,
            effects: NOTHING,
        },
    ),
    (
        1 << 26 | 1 << 31,
        Prototype { number: 188, args: &[KernelType("xdp_buff")], ret: Ret::Integer, effects: NOTHING },
    ),
];

/// Program types that may name a helper, which then asks what it is attached to: "helper call is not allowed
/// in probe".
const NOT_IN_PROBE: &[(i32, u64)] = &[(107, 1 << 31), (108, 1 << 31), (147, 1 << 31)];

/// The same of attach types: helper, program type, attach type.
const NOT_AT: &[(i32, u32, u32)] = &[(147, 26, 23)];

/// Helpers that give the same number whenever they are called, and do nothing else: compilers put it in place
/// of the call.
const CONSTANTS: &[(i32, u64)] = &[(14, 1 << 32 | 1), (15, 0), (35, 0xffff_8880_0000_0000), (42, 0)];

/// What a helper always gives, where it is nothing but that.
pub fn constant(number: i32) -> Option<u64> {
    CONSTANTS.iter().find(|row| row.0 == number).map(|row| row.1)
}

/// Program types that may name a helper, which then refuses them: `ENOTSUPP`.
const UNSUPPORTED_IN: &[(i32, u64)] = &[(173, !(1 << 2))];

fn listed(table: &[(i32, u64)], number: i32, program_type: u32) -> bool {
    program_type < 64 && table.iter().any(|row| row.0 == number && row.1 >> program_type & 1 == 1)
}

fn in_table(table: &'static [Prototype], number: i32) -> Option<&'static Prototype> {
    table.binary_search_by_key(&number, |row| row.number).ok().map(|at| &table[at])
}

/// A helper's prototype in most program types, or `None` where it is not known.
pub fn prototype(number: i32) -> Option<&'static Prototype> {
    in_table(ROWS, number).or_else(|| in_table(PROTOTYPES, number))
}

/// What a helper calls back within its call, where it does.
pub fn callback(number: i32) -> Option<Callback> {
    let called = |arg: &Arg| match arg {
        Function(callback) => Some(*callback),
        _ => None,
    };
    let row = in_table(PROTOTYPES, number)?;
    row.args.iter().find_map(called).filter(|callback| *callback != Callback::Timer)
}

/// A helper's prototype for programs of a type, or `None` where it is not known.
pub fn prototype_in(number: i32, program_type: u32) -> Option<&'static Prototype> {
    let elsewhere = ELSEWHERE
        .iter()
        .find(|row| row.1.number == number && program_type < 64 && row.0 >> program_type & 1 == 1);
    elsewhere.map(|row| &row.1).or_else(|| prototype(number))
}

/// Whether programs of the type may name a helper that only programs with an attach target may call.
pub fn needs_target(number: i32, program_type: u32, attach_type: u32) -> bool {
    listed(NOT_IN_PROBE, number, program_type) || NOT_AT.contains(&(number, program_type, attach_type))
}

/// Whether a helper that programs of the type may call refuses them: "func … not supported for program
/// type …", `ENOTSUPP`.
pub fn unsupported(number: i32, program_type: u32) -> bool {
    listed(UNSUPPORTED_IN, number, program_type)
}

/// The helpers that are built.
pub fn built() -> impl Iterator<Item = &'static Prototype> {
    ROWS.iter()
}

#[cfg(test)]
mod tests {
    use super::super::{Facts, RunContext};
    use super::*;
    use crate::arena::VecMemory;
    use crate::resources::Resources;

    #[test]
    fn constants_are_what_the_functions_give() {
        let mut resources = Resources::new(VecMemory::new(1 << 16), 2, 1);
        for (number, value) in CONSTANTS {
            let (resources, run) = (&mut resources, &mut RunContext::default());
            assert_eq!(dispatch(*number, &mut Call { args: [7; 5], resources, run }), Ok(*value));
        }
    }

    #[test]
    fn every_row_is_a_helper_of_the_kernel() {
        assert!(ROWS.is_sorted_by_key(|row| row.number));
        for row in ROWS {
            let facts = Facts::of(row.number).expect("the facts have every helper");
            assert_eq!(Facts::by_name(facts.name), Some(facts));
            assert!(row.args.len() <= 5);
        }
        assert_eq!(Facts::by_name("map_lookup_elem").map(|f| f.number), Some(1));
        assert!(Facts::of(0).is_none() && Facts::of(212).is_none() && Facts::of(-1).is_none());
    }
}
