//! Maps as arguments: which types a helper takes, and what a map's flags forbid it.

use core::fmt::Write;

use super::observer::Observer;
use super::register::MapRef;
use super::{Rejection, Verifier, reject};
use crate::errno::Errno;
use crate::map::types::flag;

/// Map types by number, as bits.
const fn types(numbers: &[u32]) -> u64 {
    let (mut mask, mut at) = (0, 0);
    while at < numbers.len() {
        mask |= 1 << numbers[at];
        at += 1;
    }
    mask
}

/// Map types that only the helpers listed for them take. Found by calling each helper with each type
/// (`native/probes/helper_arguments.py`).
const TAKES: &[(u32, &[i32])] = &[
    (3, &[12]),                            // prog_array
    (4, &[22, 25, 111, 55, 121]),          // perf_event_array
    (7, &[27]),                            // stack_trace
    (8, &[33, 37]),                        // cgroup_array
    (12, &[1]),                            // array_of_maps
    (13, &[1]),                            // hash_of_maps
    (14, &[1, 51]),                        // devmap
    (15, &[1, 2, 3, 52, 53, 60, 82]),      // sockmap
    (16, &[51]),                           // cpumap
    (17, &[1, 51]),                        // xskmap
    (18, &[1, 2, 3, 70, 71, 72, 82]),      // sockhash
    (19, &[81]),                           // cgroup_storage
    (20, &[82]),                           // reuseport_sockarray
    (21, &[81]),                           // percpu_cgroup_storage
    (22, &[87, 88, 89]),                   // queue
    (23, &[87, 88, 89]),                   // stack
    (24, &[107, 108, 194]),                // sk_storage
    (25, &[1, 51]),                        // devmap_hash
    (27, &[130, 131, 134, 198, 199, 200]), // ringbuf
    (28, &[145, 146, 194]),                // inode_storage
    (29, &[156, 157, 194]),                // task_storage
    (30, &[87, 89]),                       // bloom_filter
    (31, &[209]),                          // user_ringbuf
    (32, &[210, 211, 194]),                // cgrp_storage
    (33, &[]),                             // arena
];

/// Helpers that take only the map types listed for them.
const TAKEN_BY: &[(i32, u64)] = &[
    (12, types(&[3])),
    (22, types(&[4])),
    (25, types(&[4])),
    (27, types(&[7])),
    (33, types(&[8])),
    (37, types(&[8])),
    (51, types(&[14, 16, 17, 25])),
    (52, types(&[15])),
    (53, types(&[15])),
    (55, types(&[4])),
    (60, types(&[15])),
    (70, types(&[18])),
    (71, types(&[18])),
    (72, types(&[18])),
    (81, types(&[19, 21])),
    (82, types(&[15, 18, 20])),
    (87, types(&[22, 23, 30])),
    (88, types(&[22, 23])),
    (89, types(&[22, 23, 30])),
    (107, types(&[24])),
    (108, types(&[24])),
    (111, types(&[4])),
    (121, types(&[4])),
    (130, types(&[27])),
    (131, types(&[27])),
    (134, types(&[27])),
    (145, types(&[28])),
    (146, types(&[28])),
    (156, types(&[29])),
    (157, types(&[29])),
    (195, types(&[5, 6, 10])),
    (198, types(&[27])),
    (209, types(&[31])),
    (210, types(&[32])),
    (211, types(&[32])),
];

/// Helpers that change a map.
const CHANGES: &[i32] = &[2, 3, 87, 88];

/// Program types that may change a socket map, besides `sock_ops`' own helpers: the others can't.
const CHANGES_SOCKETS: u64 = types(&[1, 3, 4, 6, 21, 22, 30]);

impl<O: Observer> Verifier<O> {
    /// What a call of the helper asks of the map that it was given.
    pub(super) fn check_map_call(&mut self, helper: i32, name: &str, map: MapRef) -> Result<(), Rejection> {
        let spec = &self.maps[usize::from(map.0)].spec;
        let map_type = spec.map_type;
        let taken = TAKES.iter().find(|row| row.0 == map_type).is_none_or(|row| row.1.contains(&helper));
        let takes = TAKEN_BY.iter().find(|row| row.0 == helper).is_none_or(|row| row.1 >> map_type & 1 == 1);
        let sockets = matches!(map_type, 15 | 18)
            && (matches!(helper, 2) || (helper == 3))
            && !self.may_change_sockets(helper);
        if taken && takes && !sockets {
            return Ok(());
        }
        if sockets && taken && takes {
            let _ = self.log.write_str("cannot update sockmap in this context\n");
        }
        let message = format_args!("cannot pass map_type {map_type} into func {name}#{helper}");
        Err(reject(Errno::EINVAL, message))
    }

    fn may_change_sockets(&self, helper: i32) -> bool {
        let number = self.input.program_type.number;
        match number {
            13 => helper == 3,
            26 => self.input.expected_attach_type == 28,
            _ => CHANGES_SOCKETS >> number & 1 == 1,
        }
    }

    /// A map that programs may only read is not changed; a tail call goes through a program array.
    pub(super) fn check_map_use(&mut self, helper: i32, map: MapRef) -> Result<(), Rejection> {
        let spec = &self.maps[usize::from(map.0)].spec;
        // The kernel's own devices maps are written by the system call alone.
        let read_only = spec.flags & flag::RDONLY_PROG != 0 || matches!(spec.map_type, 14 | 25);
        if CHANGES.contains(&helper) && read_only {
            return Err(reject(Errno::EACCES, "write into map forbidden"));
        }
        if helper == 12 && spec.map_type != 3 {
            // The kernel's line has no end.
            let _ = self.log.write_str("expected prog array map for tail call");
            return Err(reject(Errno::EINVAL, ""));
        }
        Ok(())
    }
}
