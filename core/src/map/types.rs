//! The table of map types: what each is created with, and how its elements look to the system call.

use crate::errno::Errno;

/// `BPF_F_*` flags of `BPF_MAP_CREATE`.
#[allow(missing_docs)]
pub mod flag {
    pub const NO_PREALLOC: u32 = 1 << 0;
    pub const NO_COMMON_LRU: u32 = 1 << 1;
    pub const NUMA_NODE: u32 = 1 << 2;
    pub const RDONLY: u32 = 1 << 3;
    pub const WRONLY: u32 = 1 << 4;
    pub const STACK_BUILD_ID: u32 = 1 << 5;
    pub const ZERO_SEED: u32 = 1 << 6;
    pub const RDONLY_PROG: u32 = 1 << 7;
    pub const WRONLY_PROG: u32 = 1 << 8;
    pub const CLONE: u32 = 1 << 9;
    pub const MMAPABLE: u32 = 1 << 10;
    pub const PRESERVE_ELEMS: u32 = 1 << 11;
    pub const INNER_MAP: u32 = 1 << 12;
    pub const LINK: u32 = 1 << 13;
    pub const PATH_FD: u32 = 1 << 14;
    pub const VTYPE_BTF_OBJ_FD: u32 = 1 << 15;
    pub const TOKEN_FD: u32 = 1 << 16;
    pub const SEGV_ON_FAULT: u32 = 1 << 17;
    pub const NO_USER_CONV: u32 = 1 << 18;
    /// What the system call may do.
    pub const SYSTEM_ACCESS: u32 = RDONLY | WRONLY;
    /// Those that say who may read and write.
    pub const ACCESS: u32 = SYSTEM_ACCESS | RDONLY_PROG | WRONLY_PROG;
}

/// uapi numbers of the types that code asks for.
#[allow(missing_docs)]
mod numbers {
    pub const ARRAY: u32 = 2;
    pub const PROG_ARRAY: u32 = 3;
    pub const PERF_EVENT_ARRAY: u32 = 4;
    pub const ARRAY_OF_MAPS: u32 = 12;
    pub const DEVMAP: u32 = 14;
    pub const SOCKMAP: u32 = 15;
    pub const CPUMAP: u32 = 16;
    pub const XSKMAP: u32 = 17;
    pub const SOCKHASH: u32 = 18;
    pub const REUSEPORT_SOCKARRAY: u32 = 20;
    pub const DEVMAP_HASH: u32 = 25;
    pub const STRUCT_OPS: u32 = 26;
    pub const USER_RINGBUF: u32 = 31;
    pub const ARENA: u32 = 33;
}
pub use numbers::*;

/// A map type: one row of [`TYPES`].
#[derive(Debug)]
pub struct MapType {
    /// `BPF_MAP_TYPE_*`.
    pub number: u32,
    /// Its uapi name in lower case, as `.map` and the page have it.
    pub name: &'static str,
    /// Which implementation makes it.
    pub family: Family,
    /// Creation flags that it takes.
    pub flags: u32,
    /// Creation flags that it needs.
    pub needs: u32,
    /// Creation flags that it has whether they were given or not.
    pub always: u32,
    /// Sizes of keys.
    pub key: Sizes,
    /// Sizes of values.
    pub value: Sizes,
    /// How many entries.
    pub entries: Entries,
    /// Whether BTF of key and value may come with it.
    pub btf: BtfUse,
    /// What a key of the system call names.
    pub keys: Keys,
    /// What a value of the system call names.
    pub values: Values,
    /// The commands on several elements that it has.
    pub batch: Batch,
    /// Whether it can be in a map of maps: the error where it can't.
    pub as_inner: Option<Errno>,
    /// Whether `CAP_NET_ADMIN` is needed besides `CAP_BPF`.
    pub network: bool,
}

/// Which implementation makes a map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Family {
    Array { per_cpu: bool },
    Hash { per_cpu: bool, evicts: bool },
    Lpm,
    References,
    MapHash,
    StackTrace,
    Targets,
    Sockets,
    CgroupStorage { per_cpu: bool },
    ObjectStorage,
    Queue { newest_first: bool },
    Ring,
    Bloom,
    Pages,
    StructOps,
}

/// Bytes that a key or value may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sizes {
    /// None: 0.
    None,
    /// One of these.
    OneOf(&'static [u32]),
    /// From one to the other; `EINVAL` outside.
    Between(u32, u32),
    /// At least 1; `E2BIG` past this.
    UpTo(u32),
    /// A multiple of 8 up to 127 words, or of 32 up to 127 with build ids.
    Stack,
}

/// How many entries a map may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entries {
    /// Any number but 0.
    Any,
    /// Any number but 0; the error past this one.
    UpTo(u32, Errno),
    /// None: 0.
    None,
    /// Bytes: a power of two, of whole pages.
    RingBytes,
}

/// What BTF a map may come with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BtfUse {
    /// Types of the sizes of key and value.
    Any,
    /// The same, the key a 32-bit integer.
    IntegerKey,
    /// The same, and they have to be there.
    Required,
    /// The key is `struct bpf_cgroup_storage_key`, or a 64-bit integer.
    CgroupKey,
    /// The key is a structure.
    StructKey,
    /// None: `ENOTSUPP`.
    None,
}

/// What a key of the system call names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keys {
    /// It is the key.
    Bytes,
    /// An object, by descriptor.
    Foreign(ForeignKind),
}

/// What a value of the system call names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Values {
    /// It is the value.
    Bytes,
    /// A map, by descriptor.
    Map,
    /// A program, by descriptor.
    Program,
    /// An object of the host's, by descriptor.
    Foreign(ForeignKind),
    /// A network interface, and perhaps a program.
    Interface,
    /// A queue on a CPU, and perhaps a program.
    Queue,
    /// The value is looked for: the system call gives it.
    Sought,
}

/// Kinds of descriptors that are the host's own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[allow(missing_docs)]
pub enum ForeignKind {
    /// A file, directory, or anything else with an inode.
    Inode,
    Socket,
    /// A process's, of `pidfd_open(2)`.
    Process,
    /// A cgroup's directory.
    Cgroup,
    PerfEvent,
}

/// Commands on several elements, as bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Batch(pub u8);

#[allow(missing_docs)]
impl Batch {
    pub const NONE: Batch = Batch(0);
    pub const LOOKUP: Batch = Batch(1);
    pub const UPDATE: Batch = Batch(2);
    pub const DELETE: Batch = Batch(4);
    pub const TAKE: Batch = Batch(8);
    pub const ALL: Batch = Batch(15);
    /// Whether it has that command.
    pub fn has(self, command: Batch) -> bool {
        self.0 & command.0 != 0
    }
}

const FOUR: Sizes = Sizes::OneOf(&[4]);
const FOUR_OR_EIGHT: Sizes = Sizes::OneOf(&[4, 8]);
/// Largest key or value of a hash by itself; [`MOST_ELEMENT`] is what both may have together.
const ANY: Sizes = Sizes::UpTo(i32::MAX as u32);
/// Most bytes of key and value together in a hash.
pub const MOST_ELEMENT: u64 = (1 << 22) - 49;
/// Largest value of which every CPU has one (`PCPU_MIN_UNIT_SIZE`).
const PER_CPU: Sizes = Sizes::UpTo(32 << 10);
/// Largest value of an object's storage.
const STORED: Sizes = Sizes::UpTo(65_407);
/// Largest value of a queue or filter (`KMALLOC_MAX_SIZE`).
const QUEUED: Sizes = Sizes::UpTo(4 << 20);
/// Most entries of a hash table: of its buckets, a power of two that are 16 bytes each, there are fewer than 2^28.
const BUCKETS: Entries = Entries::UpTo(1 << 27, Errno::E2BIG);
/// The same, for types that answer differently.
const NET_BUCKETS: Entries = Entries::UpTo(1 << 31, Errno::EINVAL);

const LOOKUP_UPDATE: Batch = Batch(Batch::LOOKUP.0 | Batch::UPDATE.0);
const NO_TAKE: Batch = Batch(LOOKUP_UPDATE.0 | Batch::DELETE.0);

use BtfUse as B;
use Entries as E;
use Family as F;
use flag::{ACCESS, NUMA_NODE as NUMA, SYSTEM_ACCESS};

/// A row with what most types have; the rest is named.
const fn row(number: u32, name: &'static str, family: Family, flags: u32) -> MapType {
    MapType {
        number,
        name,
        family,
        flags,
        needs: 0,
        always: 0,
        key: FOUR,
        value: FOUR,
        entries: E::Any,
        btf: B::None,
        keys: Keys::Bytes,
        values: Values::Bytes,
        batch: Batch::NONE,
        as_inner: None,
        network: false,
    }
}

const HASH: u32 = ACCESS | flag::ZERO_SEED | flag::NO_PREALLOC;
const LRU: u32 = ACCESS | flag::ZERO_SEED | flag::NO_PREALLOC | flag::NO_COMMON_LRU;
const STORAGE: u32 = flag::NO_PREALLOC | flag::CLONE;

/// A hash's row.
const fn hash(number: u32, name: &'static str, per_cpu: bool, evicts: bool, flags: u32) -> MapType {
    MapType {
        key: ANY,
        value: if per_cpu { PER_CPU } else { ANY },
        entries: BUCKETS,
        btf: B::Any,
        batch: Batch::ALL,
        ..row(number, name, F::Hash { per_cpu, evicts }, flags)
    }
}

/// The row of a storage of other objects.
const fn storage(number: u32, name: &'static str, of: ForeignKind) -> MapType {
    MapType {
        needs: flag::NO_PREALLOC,
        value: STORED,
        entries: E::None,
        btf: B::Required,
        keys: Keys::Foreign(of),
        ..row(number, name, F::ObjectStorage, STORAGE)
    }
}

/// The row of a map that XDP or a socket's program sends to.
const fn network(number: u32, name: &'static str, family: Family, flags: u32) -> MapType {
    MapType { value: FOUR_OR_EIGHT, network: true, ..row(number, name, family, flags) }
}

/// The map types, by uapi number.
pub const TYPES: &[MapType] = &[
    hash(1, "hash", false, false, HASH | NUMA),
    MapType {
        value: ANY,
        btf: B::IntegerKey,
        batch: LOOKUP_UPDATE,
        ..row(2, "array", F::Array { per_cpu: false }, ACCESS | NUMA | flag::MMAPABLE | flag::INNER_MAP)
    },
    MapType {
        values: Values::Program,
        btf: B::Any,
        as_inner: Some(Errno::ENOTSUPP),
        ..row(3, "prog_array", F::References, SYSTEM_ACCESS | NUMA)
    },
    MapType {
        values: Values::Foreign(ForeignKind::PerfEvent),
        ..row(4, "perf_event_array", F::References, SYSTEM_ACCESS | NUMA | flag::PRESERVE_ELEMS)
    },
    hash(5, "percpu_hash", true, false, HASH),
    MapType {
        value: PER_CPU,
        btf: B::IntegerKey,
        batch: LOOKUP_UPDATE,
        ..row(6, "percpu_array", F::Array { per_cpu: true }, ACCESS)
    },
    MapType {
        value: Sizes::Stack,
        entries: E::UpTo(1 << 31, Errno::E2BIG),
        btf: B::Any,
        ..row(7, "stack_trace", F::StackTrace, SYSTEM_ACCESS | NUMA | flag::STACK_BUILD_ID)
    },
    MapType {
        values: Values::Foreign(ForeignKind::Cgroup),
        ..row(8, "cgroup_array", F::References, SYSTEM_ACCESS | NUMA)
    },
    hash(9, "lru_hash", false, true, LRU | NUMA),
    hash(10, "lru_percpu_hash", true, true, LRU),
    MapType {
        needs: flag::NO_PREALLOC,
        key: Sizes::Between(5, 260),
        value: Sizes::Between(1, 4_194_024),
        btf: B::StructKey,
        batch: NO_TAKE,
        ..row(11, "lpm_trie", F::Lpm, ACCESS | NUMA | flag::NO_PREALLOC)
    },
    MapType {
        values: Values::Map,
        batch: LOOKUP_UPDATE,
        as_inner: Some(Errno::EINVAL),
        ..row(12, "array_of_maps", F::References, SYSTEM_ACCESS | NUMA)
    },
    MapType {
        key: ANY,
        entries: BUCKETS,
        values: Values::Map,
        batch: Batch::ALL,
        as_inner: Some(Errno::EINVAL),
        ..row(13, "hash_of_maps", F::MapHash, HASH | NUMA)
    },
    MapType {
        values: Values::Interface,
        always: flag::RDONLY_PROG,
        ..network(14, "devmap", F::Targets, SYSTEM_ACCESS | NUMA)
    },
    MapType {
        values: Values::Foreign(ForeignKind::Socket),
        ..network(15, "sockmap", F::Sockets, SYSTEM_ACCESS | NUMA)
    },
    MapType {
        entries: E::UpTo(256, Errno::E2BIG),
        values: Values::Queue,
        ..network(16, "cpumap", F::Targets, NUMA)
    },
    MapType {
        value: FOUR,
        values: Values::Foreign(ForeignKind::Socket),
        ..network(17, "xskmap", F::Sockets, SYSTEM_ACCESS | NUMA)
    },
    MapType {
        key: Sizes::UpTo(512),
        entries: NET_BUCKETS,
        values: Values::Foreign(ForeignKind::Socket),
        ..network(18, "sockhash", F::Sockets, SYSTEM_ACCESS | NUMA)
    },
    MapType {
        key: Sizes::OneOf(&[8, 16]),
        value: STORED,
        entries: E::None,
        btf: B::CgroupKey,
        as_inner: Some(Errno::ENOTSUPP),
        ..row(19, "cgroup_storage", F::CgroupStorage { per_cpu: false }, ACCESS | NUMA)
    },
    MapType {
        value: FOUR_OR_EIGHT,
        values: Values::Foreign(ForeignKind::Socket),
        btf: B::Any,
        ..row(20, "reuseport_sockarray", F::Sockets, ACCESS | NUMA)
    },
    MapType {
        key: Sizes::OneOf(&[8, 16]),
        value: PER_CPU,
        entries: E::None,
        btf: B::CgroupKey,
        as_inner: Some(Errno::ENOTSUPP),
        ..row(21, "percpu_cgroup_storage", F::CgroupStorage { per_cpu: true }, ACCESS | NUMA)
    },
    MapType {
        key: Sizes::None,
        value: QUEUED,
        btf: B::Any,
        ..row(22, "queue", F::Queue { newest_first: false }, ACCESS | NUMA)
    },
    MapType {
        key: Sizes::None,
        value: QUEUED,
        btf: B::Any,
        ..row(23, "stack", F::Queue { newest_first: true }, ACCESS | NUMA)
    },
    storage(24, "sk_storage", ForeignKind::Socket),
    MapType {
        entries: NET_BUCKETS,
        values: Values::Interface,
        always: flag::RDONLY_PROG,
        ..network(25, "devmap_hash", F::Targets, SYSTEM_ACCESS | NUMA)
    },
    row(26, "struct_ops", F::StructOps, 0),
    MapType {
        key: Sizes::None,
        value: Sizes::None,
        entries: E::RingBytes,
        ..row(27, "ringbuf", F::Ring, NUMA)
    },
    storage(28, "inode_storage", ForeignKind::Inode),
    storage(29, "task_storage", ForeignKind::Process),
    MapType {
        key: Sizes::None,
        value: QUEUED,
        btf: B::Any,
        values: Values::Sought,
        ..row(30, "bloom_filter", F::Bloom, ACCESS | NUMA | flag::ZERO_SEED)
    },
    MapType {
        key: Sizes::None,
        value: Sizes::None,
        entries: E::RingBytes,
        ..row(31, "user_ringbuf", F::Ring, NUMA)
    },
    storage(32, "cgrp_storage", ForeignKind::Cgroup),
    MapType {
        needs: flag::MMAPABLE,
        key: Sizes::None,
        value: Sizes::None,
        entries: E::UpTo(1 << 20, Errno::E2BIG),
        ..row(33, "arena", F::Pages, flag::MMAPABLE | flag::SEGV_ON_FAULT | flag::NO_USER_CONV)
    },
];

impl MapType {
    /// The type with that uapi number.
    pub fn by_number(number: u32) -> Option<&'static MapType> {
        TYPES.get(usize::try_from(number).ok()?.checked_sub(1)?)
    }
    /// The type with that name.
    pub fn by_name(name: &str) -> Option<&'static MapType> {
        TYPES.iter().find(|t| t.name == name)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_lie_at_their_numbers() {
        for (at, row) in TYPES.iter().enumerate() {
            assert_eq!(row.number as usize, at + 1, "{}", row.name);
            assert_eq!(MapType::by_name(row.name).map(|r| r.number), Some(row.number));
            assert_eq!(row.needs & !row.flags, 0, "{}", row.name);
        }
    }
}
