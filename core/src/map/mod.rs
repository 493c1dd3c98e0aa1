//! Maps: one trait, one file per family of types, one table of types ([`types`]).
//!
//! A map's values live in the arena, so that a program can hold their address; everything else about it
//! lives here. [`Map`] has two sides: what the system call sees (whole values, every CPU's) and what a
//! program sees (an address). An operation that a type does not have keeps its default, which answers as
//! the kernel does for such types.

pub mod array;
pub mod bloom;
pub mod create;
pub mod hash;
pub mod index;
pub mod lpm;
pub mod lru;
pub mod pages;
pub mod queue;
pub mod record;
pub mod redirect;
pub mod references;
pub mod ring;
pub mod slots;
pub mod sockets;
pub mod stack_trace;
pub mod storage;
pub mod types;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::arena::{Arena, Memory};
use crate::errno::Errno;
use crate::program::ProgramId;

/// What a map was created with (`union bpf_attr`, `BPF_MAP_CREATE`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct MapSpec {
    /// The type's uapi number; [`types`](self) has the table.
    pub map_type: u32,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Most entries.
    pub max_entries: u32,
    /// `BPF_F_*` creation flags.
    pub flags: u32,
    /// At most 15 characters.
    pub name: String,
    /// `map_extra`: the meaning depends on the type.
    pub extra: u64,
    /// BTF types of key and value, and the descriptor of their BTF; 0 for none.
    pub btf_key_type_id: u32,
    /// See [`MapSpec::btf_key_type_id`].
    pub btf_value_type_id: u32,
}

/// A map's number within its [`Kernel`](crate::syscall::Kernel), from 1 up, never reused: the id that
/// `BPF_MAP_GET_NEXT_ID` shows.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct MapId(pub u32);

/// An object that a map refers to instead of holding bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reference {
    /// A map, and the address of its handle.
    Map {
        /// The map.
        id: MapId,
        /// What a program's look-up gives.
        handle: u32,
    },
    /// A program.
    Program(ProgramId),
    /// BTF, by its id.
    Btf(u32),
    /// An object of the host's own (a cgroup, a perf event), by its identity.
    Foreign(u64),
}

/// Memory of a map that a process may map (`mmap(2)` of its descriptor), in pages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mappable {
    /// Address of the first page in the arena.
    pub base: u32,
    /// Pages that there are: no other object lies in them.
    pub pages: u32,
    /// Pages that a process may map: those past the last are the last ones again, from `repeats` on.
    pub shown: u32,
    /// The first page that is shown again.
    pub repeats: u32,
    /// Pages that a process may write.
    pub writable: core::ops::Range<u32>,
}

/// What an operation may use besides the map itself.
pub struct MapContext<'a, M> {
    /// Where the values live.
    pub arena: &'a mut Arena<M>,
    /// Number of possible CPUs.
    pub cpus: u32,
    /// The CPU that the program, or the system call, runs on.
    pub cpu: u32,
    /// References that the map gave up: the caller gives them back.
    pub released: &'a mut Vec<Reference>,
}

/// A map of some type.
///
/// Keys and values given to it have the lengths of its [`MapSpec`], values of the system call's side
/// [`Map::user_value_size`].
pub trait Map<M: Memory>: CloneMap<M> {
    /// What it was created with.
    fn spec(&self) -> &MapSpec;

    /// Bytes of a value as the system call sees it: per-CPU types show every CPU's, each rounded up to 8.
    fn user_value_size(&self, _cpus: u32) -> u32 {
        self.spec().value_size
    }

    /// What the maps in it have to be like, for a map of maps.
    fn inner(&self) -> Option<&MapSpec> {
        None
    }

    /// `BPF_MAP_LOOKUP_ELEM`: copies the value out.
    fn lookup(
        &mut self,
        _cx: &mut MapContext<M>,
        _key: &[u8],
        _out: &mut [u8],
        _flags: u64,
    ) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }
    /// `BPF_MAP_UPDATE_ELEM`.
    fn update(
        &mut self,
        _cx: &mut MapContext<M>,
        _key: &[u8],
        _value: &[u8],
        _flags: u64,
    ) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }
    /// `BPF_MAP_DELETE_ELEM`.
    fn delete(&mut self, _cx: &mut MapContext<M>, _key: &[u8]) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }
    /// `BPF_MAP_GET_NEXT_KEY`: the key after `key`, or the first where `key` is `None` or not there.
    fn next_key(
        &mut self,
        _cx: &mut MapContext<M>,
        _key: Option<&[u8]>,
        _out: &mut [u8],
    ) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }
    /// `BPF_MAP_LOOKUP_AND_DELETE_ELEM`.
    fn lookup_and_delete(
        &mut self,
        _cx: &mut MapContext<M>,
        _key: &[u8],
        _out: &mut [u8],
        _flags: u64,
    ) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }

    /// Whether an update that refers to an object could be made, before the object is looked at.
    fn check_set(&self, _key: &[u8], _flags: u64) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }
    /// An update of a map of [`Reference`]s. The map owns the reference from then on.
    fn set(
        &mut self,
        _cx: &mut MapContext<M>,
        _key: &[u8],
        _to: Reference,
        _flags: u64,
    ) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }
    /// The object at a key of a map of [`Reference`]s.
    fn reference(&self, _arena: &Arena<M>, _key: &[u8]) -> Option<Reference> {
        None
    }

    /// Whether batches of the type go by [`Map::key_from`]; others go by key.
    fn has_cursor(&self) -> bool {
        false
    }
    /// The first key at or after a cursor (0 is the first), and the cursor past it.
    fn key_from(&self, _arena: &Arena<M>, _cursor: u32, _key: &mut [u8]) -> Option<u32> {
        None
    }

    /// A program's look-up: the value's address, or `None`.
    fn program_lookup(&mut self, _cx: &mut MapContext<M>, _key: &[u8]) -> Option<u32> {
        None
    }
    /// A program's look-up of another CPU's value.
    fn program_lookup_on(&mut self, _cx: &mut MapContext<M>, _key: &[u8], _cpu: u32) -> Option<u32> {
        None
    }
    /// A program's update: `value` is one value, of the current CPU for per-CPU types.
    fn program_update(
        &mut self,
        cx: &mut MapContext<M>,
        key: &[u8],
        value: &[u8],
        flags: u64,
    ) -> Result<(), Errno> {
        self.update(cx, key, value, flags)
    }
    /// A program's delete.
    fn program_delete(&mut self, cx: &mut MapContext<M>, key: &[u8]) -> Result<(), Errno> {
        self.delete(cx, key)
    }
    /// `bpf_map_push_elem`.
    fn push(&mut self, _cx: &mut MapContext<M>, _value: &[u8], _flags: u64) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }
    /// `bpf_map_pop_elem`.
    fn pop(&mut self, _cx: &mut MapContext<M>, _out: &mut [u8]) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }
    /// `bpf_map_peek_elem`.
    fn peek(&mut self, _cx: &mut MapContext<M>, _out: &mut [u8]) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }
    /// Where the memory of a ring buffer begins.
    fn ring_base(&self) -> Option<u32> {
        None
    }
    /// The arena that it is, if it is one.
    fn pages(&mut self) -> Option<&mut pages::Pages> {
        None
    }
    /// The ring buffer that it is, if it is one.
    fn ring(&mut self) -> Option<&mut ring::Ring> {
        None
    }

    /// The address of the first value, for `BPF_PSEUDO_MAP_VALUE`; `None` where the type has no such thing.
    fn direct_value(&self) -> Option<u32> {
        None
    }

    /// The pages that a process may map.
    fn mappable(&self) -> Option<Mappable> {
        None
    }

    /// The last descriptor of the map was closed: programs alone hold it now.
    fn user_gone(&mut self, _released: &mut Vec<Reference>) {}

    /// The references that it holds; called once, before [`Map::destroy`].
    fn references(&self) -> Vec<Reference> {
        Vec::new()
    }

    /// Gives back what it holds in the arena; called once, when the last reference goes.
    fn destroy(&mut self, arena: &mut Arena<M>);
}

/// A map of any type.
pub type AnyMap<M> = Box<dyn Map<M> + Send>;

/// Copies of a map's own state, for going back to it: any map that is `Clone` has it. The values stay in the
/// arena.
pub trait CloneMap<M: Memory> {
    /// A copy that refers to the same values.
    fn boxed_clone(&self) -> AnyMap<M>;
}

impl<M: Memory, T: Map<M> + Clone + Send + 'static> CloneMap<M> for T {
    fn boxed_clone(&self) -> AnyMap<M> {
        Box::new(self.clone())
    }
}
