//! The table of helpers that are built: prototype and function, one row each.
//!
//! A row reads `number => function, [arguments] -> result, effects;` with the names of [`Arg`], [`Ret`] and
//! the families' functions. Number, name, licence and program types are the kernel's facts.

use super::Arg::{self, *};
use super::MemoryAccess::{Read, Uninit};
use super::call::{Call, HelperFault};
use super::{Effects, Prototype, Ret, map, packet, task, time, trace};
use crate::arena::Memory as Bytes;

const NOTHING: Effects = Effects { moves_packet: false, acquires: false, takes_packet: false };
const MOVES: Effects = Effects { moves_packet: true, ..NOTHING };
const PACKET: Effects = Effects { takes_packet: true, ..NOTHING };

const OUT: Arg = Memory(Uninit);
const IN: Arg = Memory(Read);
const IN_OR_NULL: Arg = OrNull(&IN);

macro_rules! helpers {
    ($($number:literal => $run:path, [$($arg:expr),*] -> $ret:expr, $effects:expr;)*) => {
        const ROWS: &[Prototype] = &[$(
            Prototype { number: $number, args: &[$($arg),*], ret: $ret, effects: $effects },
        )*];

        /// Runs a helper: its result for r0.
        ///
        /// # Errors
        /// A [`HelperFault`] for what no verified program does.
        pub fn dispatch<M: Bytes>(number: i32, call: &mut Call<M>) -> Result<u64, HelperFault> {
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
    4 => trace::probe_read, [OUT, SizeOrZero, Anything] -> Ret::Integer, NOTHING;
    5 => time::nanoseconds, [] -> Ret::Integer, NOTHING;
    6 => trace::printk, [IN, Size] -> Ret::Integer, NOTHING;
    7 => time::random, [] -> Ret::Integer, NOTHING;
    8 => task::cpu, [] -> Ret::Integer, NOTHING;
    9 => packet::skb_store_bytes, [Context, Anything, IN, Size, Anything] -> Ret::Integer, MOVES;
    10 => packet::l3_csum_replace, [Context, Anything, Anything, Anything, Anything] -> Ret::Integer, MOVES;
    11 => packet::l4_csum_replace, [Context, Anything, Anything, Anything, Anything] -> Ret::Integer, MOVES;
    14 => task::pid_tgid, [] -> Ret::Integer, NOTHING;
    15 => task::uid_gid, [] -> Ret::Integer, NOTHING;
    16 => task::comm, [OUT, Size] -> Ret::Integer, NOTHING;
    23 => packet::redirect, [Anything, Anything] -> Ret::Integer, NOTHING;
    26 => packet::skb_load_bytes, [Context, Anything, OUT, Size] -> Ret::Integer, NOTHING;
    28 => packet::csum_diff, [IN_OR_NULL, SizeOrZero, IN_OR_NULL, SizeOrZero, Anything] -> Ret::Integer, PACKET;
    34 => packet::hash, [Context] -> Ret::Integer, NOTHING;
    39 => packet::skb_pull_data, [Context, Anything] -> Ret::Integer, MOVES;
    42 => task::numa_node, [] -> Ret::Integer, NOTHING;
    44 => packet::xdp_adjust_head, [Context, Anything] -> Ret::Integer, MOVES;
    45 => trace::probe_read_str, [OUT, SizeOrZero, Anything] -> Ret::Integer, NOTHING;
    54 => packet::xdp_adjust_meta, [Context, Anything] -> Ret::Integer, MOVES;
    65 => packet::xdp_adjust_tail, [Context, Anything] -> Ret::Integer, MOVES;
    112 => trace::probe_read, [OUT, SizeOrZero, Anything] -> Ret::Integer, NOTHING;
    113 => trace::probe_read, [OUT, SizeOrZero, Anything] -> Ret::Integer, NOTHING;
    114 => trace::probe_read_str, [OUT, SizeOrZero, Anything] -> Ret::Integer, NOTHING;
    115 => trace::probe_read_str, [OUT, SizeOrZero, Anything] -> Ret::Integer, NOTHING;
    118 => time::jiffies, [] -> Ret::Integer, NOTHING;
    125 => time::nanoseconds, [] -> Ret::Integer, NOTHING;
    160 => time::nanoseconds, [] -> Ret::Integer, NOTHING;
    208 => time::nanoseconds, [] -> Ret::Integer, NOTHING;
}

/// A helper's prototype, or `None` where it is not built.
pub fn prototype(number: i32) -> Option<&'static Prototype> {
    ROWS.iter().find(|row| row.number == number)
}

/// The helpers that are built.
pub fn built() -> impl Iterator<Item = &'static Prototype> {
    ROWS.iter()
}

#[cfg(test)]
mod tests {
    use super::super::Facts;
    use super::*;

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
