//! The table of map types, and the rules of creation that they share.

use alloc::boxed::Box;

use super::{AnyMap, MapContext, MapSpec, array::Array, hash::Hash};
use crate::arena::Memory;
use crate::errno::Errno;

/// `BPF_F_*` flags of `BPF_MAP_CREATE`.
#[allow(missing_docs)]
pub mod flag {
    pub const NO_PREALLOC: u32 = 1 << 0;
    pub const NUMA_NODE: u32 = 1 << 2;
    pub const RDONLY: u32 = 1 << 3;
    pub const WRONLY: u32 = 1 << 4;
    pub const ZERO_SEED: u32 = 1 << 6;
    pub const RDONLY_PROG: u32 = 1 << 7;
    pub const WRONLY_PROG: u32 = 1 << 8;
    pub const MMAPABLE: u32 = 1 << 10;
    pub const INNER_MAP: u32 = 1 << 12;
    /// Those that say who may read and write.
    pub const ACCESS: u32 = RDONLY | WRONLY | RDONLY_PROG | WRONLY_PROG;
}

/// A map type: one row of [`TYPES`].
#[derive(Debug)]
pub struct MapType {
    /// `BPF_MAP_TYPE_*`.
    pub number: u32,
    /// Its uapi name in lower case, as `.map` and the page have it.
    pub name: &'static str,
    /// Creation flags that it takes.
    pub flags: u32,
    /// Which family makes it; `None` for a type that is not built yet.
    pub family: Option<Family>,
}

/// Which implementation makes a map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Family {
    Hash,
    Array,
}

const fn built(number: u32, name: &'static str, family: Family, flags: u32) -> MapType {
    MapType { number, name, flags: flags | flag::ACCESS | flag::NUMA_NODE, family: Some(family) }
}

const fn later(number: u32, name: &'static str) -> MapType {
    MapType { number, name, flags: 0, family: None }
}

/// The map types, by uapi number.
pub const TYPES: &[MapType] = &[
    built(1, "hash", Family::Hash, flag::NO_PREALLOC | flag::ZERO_SEED),
    built(2, "array", Family::Array, flag::MMAPABLE | flag::INNER_MAP),
    later(3, "prog_array"),
    later(4, "perf_event_array"),
    later(5, "percpu_hash"),
    later(6, "percpu_array"),
    later(7, "stack_trace"),
    later(8, "cgroup_array"),
    later(9, "lru_hash"),
    later(10, "lru_percpu_hash"),
    later(11, "lpm_trie"),
    later(12, "array_of_maps"),
    later(13, "hash_of_maps"),
    later(14, "devmap"),
    later(15, "sockmap"),
    later(16, "cpumap"),
    later(17, "xskmap"),
    later(18, "sockhash"),
    later(19, "cgroup_storage"),
    later(20, "reuseport_sockarray"),
    later(21, "percpu_cgroup_storage"),
    later(22, "queue"),
    later(23, "stack"),
    later(24, "sk_storage"),
    later(25, "devmap_hash"),
    later(26, "struct_ops"),
    later(27, "ringbuf"),
    later(28, "inode_storage"),
    later(29, "task_storage"),
    later(30, "bloom_filter"),
    later(31, "user_ringbuf"),
    later(32, "cgrp_storage"),
    later(33, "arena"),
];

impl MapType {
    /// The type with that uapi number.
    pub fn by_number(number: u32) -> Option<&'static MapType> {
        TYPES.iter().find(|t| t.number == number)
    }
    /// The type with that name.
    pub fn by_name(name: &str) -> Option<&'static MapType> {
        TYPES.iter().find(|t| t.name == name)
    }
}

/// Largest key of a hash, in bytes (`MAX_BPF_STACK`).
const MAX_VALUE: u64 = (1 << 31) - 1;

/// Makes a map.
///
/// # Errors
/// As the running kernel answers: `EINVAL` for an unknown type, a flag that the type does not take, or a
/// size that it can't have, `E2BIG` and `ENOMEM` for one that is too large; `EOPNOTSUPP` for a type that
/// is not built yet.
pub fn create<M: Memory + 'static>(cx: &mut MapContext<M>, spec: MapSpec) -> Result<AnyMap<M>, Errno> {
    let map_type = MapType::by_number(spec.map_type).ok_or(Errno::EINVAL)?;
    let family = map_type.family.ok_or(Errno::EOPNOTSUPP)?;
    let both = |pair: u32| spec.flags & pair == pair;
    if spec.flags & !map_type.flags != 0
        || both(flag::RDONLY | flag::WRONLY)
        || both(flag::RDONLY_PROG | flag::WRONLY_PROG)
        || spec.extra != 0
        || spec.max_entries == 0
        || spec.value_size == 0
        || spec.key_size == 0
    {
        return Err(Errno::EINVAL);
    }
    match family {
        Family::Hash => {
            if u64::from(spec.key_size) > MAX_VALUE
                || u64::from(spec.value_size) + u64::from(spec.key_size) > MAX_VALUE - 512
                || spec.max_entries > 1 << 31
            {
                return Err(Errno::E2BIG);
            }
            Ok(Box::new(Hash::new(spec)))
        }
        Family::Array => {
            if spec.key_size != 4 {
                return Err(Errno::EINVAL);
            }
            if u64::from(spec.value_size) > MAX_VALUE {
                return Err(Errno::E2BIG);
            }
            Ok(Box::new(Array::new(cx, spec)?))
        }
    }
}

/// Update flags (`BPF_ANY` and its siblings).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Update {
    /// Create or replace.
    Any,
    /// Create alone.
    NoExist,
    /// Replace alone.
    Exist,
}

impl Update {
    /// Reads update flags; `EINVAL` for those that no type here takes.
    pub fn from_flags(flags: u64) -> Result<Update, Errno> {
        match flags {
            0 => Ok(Update::Any),
            1 => Ok(Update::NoExist),
            2 => Ok(Update::Exist),
            _ => Err(Errno::EINVAL),
        }
    }
}
