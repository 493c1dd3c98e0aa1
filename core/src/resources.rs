//! What programs and the system call act on together: memory, maps, time, chance.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::arena::{Arena, Layout, Memory, ObjectKind, Rmw};
use crate::errno::Errno;
use crate::image::Image;
use crate::isa::Size;
use crate::map::pages::Pages;
use crate::map::types::PROG_ARRAY;
use crate::map::{AnyMap, MapContext, MapId, MapSpec, Mappable, Reference};
use crate::program::ProgramId;

/// Everything that a running program can reach.
pub struct Resources<M> {
    /// The memory.
    pub arena: Arena<M>,
    /// The maps.
    pub maps: Maps<M>,
    /// The time.
    pub clock: Clock,
    /// The source of chance.
    pub random: Random,
    /// Number of possible CPUs.
    pub cpus: u32,
    /// The CPU that programs run on.
    pub cpu: u32,
    /// What programs printed (`bpf_trace_printk`), oldest first.
    pub printed: Vec<String>,
    /// What programs handed out (`bpf_perf_event_output`), oldest first.
    pub events: Vec<Event>,
    /// What engines run, by program: where a tail call goes.
    pub images: BTreeMap<ProgramId, Arc<Image>>,
    /// Numbers of the network interfaces that there are.
    pub interfaces: BTreeSet<u32>,
    /// Most bytes that maps may hold together.
    pub map_limit: u64,
    /// References that maps gave up and nobody has given back yet.
    pub released: Vec<Reference>,
}

/// What a program handed to the host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// The array of events.
    pub map: MapId,
    /// Its index: the number of a CPU, mostly.
    pub index: u32,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// The loopback interface's number.
const LOOPBACK: u32 = 1;

impl<M: Memory> Resources<M> {
    /// Empty resources over the host's memory.
    pub fn new(memory: M, cpus: u32, seed: u64) -> Resources<M> {
        Resources {
            map_limit: memory.capacity(),
            arena: Arena::new(memory),
            maps: Maps::default(),
            clock: Clock::default(),
            random: Random::new(seed),
            cpus: cpus.max(1),
            cpu: 0,
            printed: Vec::new(),
            events: Vec::new(),
            images: BTreeMap::new(),
            interfaces: BTreeSet::from([LOOPBACK]),
            released: Vec::new(),
        }
    }

    /// A map, and what its operations use.
    pub fn map(&mut self, id: MapId) -> Option<(&mut AnyMap<M>, MapContext<'_, M>)> {
        let entry = self.maps.entry_mut(id)?;
        let Resources { arena, released, cpus, cpu, .. } = self;
        Some((&mut entry.map, MapContext { arena, cpus: *cpus, cpu: *cpu, released }))
    }

    /// The map whose handle lies at that address.
    pub fn map_at(&self, handle: u64) -> Option<MapId> {
        let at = self.place_of(handle)?;
        self.maps.entries.get(at)?.as_ref().map(|entry| entry.id)
    }

    /// The same with what its operations use, as programs ask for it: the way to it is short.
    #[inline(always)]
    pub fn map_of_handle(&mut self, handle: u64) -> Option<(&mut AnyMap<M>, Sizes, MapContext<'_, M>)> {
        let at = self.place_of(handle)?;
        let entry = self.maps.entries.get_mut(at)?.as_mut()?;
        let Resources { arena, released, cpus, cpu, .. } = self;
        Some((&mut entry.map, entry.sizes, MapContext { arena, cpus: *cpus, cpu: *cpu, released }))
    }

    /// The object at a key of a map of references.
    pub fn reference(&self, id: MapId, key: &[u8]) -> Option<Reference> {
        self.maps.entry(id)?.map.reference(&self.arena, key)
    }

    /// The place among the entries that a handle says, where it is one.
    #[inline(always)]
    fn place_of(&self, handle: u64) -> Option<usize> {
        let handle = u32::try_from(handle).ok()?;
        let place = self.arena.memory().load(u64::from(handle) + HANDLE_PLACE, Size::W).ok()? as usize;
        // Whatever lies there: the entry has to agree.
        let entry = self.maps.entries.get(place)?.as_ref()?;
        (entry.handle == handle).then_some(place)
    }

    /// What making a map takes.
    pub fn map_context(&mut self) -> MapContext<'_, M> {
        let Resources { arena, released, cpus, cpu, .. } = self;
        MapContext { arena, cpus: *cpus, cpu: *cpu, released }
    }

    /// Adds a map that may come to hold `cost` bytes; it has one reference.
    ///
    /// # Errors
    /// `ENOMEM` where the arena has no room for its handle, or all maps would hold more than the limit. What
    /// the map held is given back then.
    pub fn add_map(&mut self, mut map: AnyMap<M>, cost: u64) -> Result<MapId, Errno> {
        let handle = match self.arena.allocate(64, 64, ObjectKind::MapHandle, false) {
            Ok(handle) => handle,
            Err(_) => {
                map.destroy(&mut self.arena);
                return Err(Errno::ENOMEM);
            }
        };
        self.maps.last += 1;
        let id = MapId(self.maps.last);
        let place = self.maps.free.pop().unwrap_or_else(|| {
            self.maps.entries.push(None);
            self.maps.entries.len() as u32 - 1
        });
        let at = u64::from(handle.address) + HANDLE_PLACE;
        // The object was just made there.
        let _ = self.arena.memory_mut().store(at, Size::W, place.into());
        self.maps.by_id.insert(id, place);
        let sizes = Sizes { key: map.spec().key_size, value: map.spec().value_size, lock: false };
        if let Some(entry) = self.maps.entries.get_mut(place as usize) {
            *entry = Some(Entry {
                id,
                sizes,
                map,
                handle: handle.address,
                references: 1,
                users: 0,
                frozen: false,
                writers: 0,
                cost,
                tail_calls: None,
                btf: None,
            });
        }
        Ok(id)
    }

    /// Takes one more reference to a map.
    pub fn hold_map(&mut self, id: MapId) {
        if let Some(entry) = self.maps.entry_mut(id) {
            entry.references += 1;
        }
    }

    /// Gives a reference back; the last one frees the map.
    pub fn release_map(&mut self, id: MapId) {
        let Some(entry) = self.maps.entry_mut(id) else { return };
        entry.references -= 1;
        if entry.references > 0 {
            return;
        }
        if let Some(mut entry) = self.maps.remove(id) {
            self.released.extend(entry.map.references());
            self.released.extend(entry.btf.map(Reference::Btf));
            entry.map.destroy(&mut self.arena);
            self.arena.release(entry.handle);
        }
    }
}

impl<M: Memory> Resources<M> {
    /// An arena map, and the memory that its pages lie in.
    fn pages(&mut self, id: MapId) -> Option<(&mut Pages, &mut Arena<M>)> {
        let map = &mut self.maps.entry_mut(id)?.map;
        Some((map.pages()?, &mut self.arena))
    }

    /// A load from an arena map, at a base and an offset; `None` where nothing is.
    pub fn arena_load(&mut self, id: MapId, base: u64, offset: i64, size: Size) -> Option<u64> {
        let (pages, arena) = self.pages(id)?;
        pages.load(arena, base, offset, size)
    }

    /// A store to an arena map; none where nothing is.
    pub fn arena_store(&mut self, id: MapId, base: u64, offset: i64, size: Size, value: u64) {
        if let Some((pages, arena)) = self.pages(id) {
            pages.store(arena, base, offset, size, value);
        }
    }

    /// An atomic step on an arena map: the old value.
    pub fn arena_atomic(
        &mut self,
        id: MapId,
        at: (u64, i64),
        size: Size,
        op: Rmw,
        operand: u64,
    ) -> Option<u64> {
        let (pages, arena) = self.pages(id)?;
        pages.atomic(arena, at, size, op, operand)
    }

    /// Takes a reference for the system call: a descriptor or a pinned path.
    pub fn hold_map_for_user(&mut self, id: MapId) {
        self.hold_map(id);
        if let Some(entry) = self.maps.entry_mut(id) {
            entry.users += 1;
        }
    }

    /// Gives a descriptor's or a path's reference back. With the last one some types let go of what is in
    /// them.
    pub fn release_map_for_user(&mut self, id: MapId) {
        if let Some(entry) = self.maps.entry_mut(id) {
            entry.users = entry.users.saturating_sub(1);
            if entry.users == 0 {
                entry.map.user_gone(&mut self.released);
            }
        }
        self.release_map(id);
    }

    /// Whether maps may come to hold so many bytes more.
    ///
    /// # Errors
    /// `ENOMEM` where they may not.
    pub fn check_limit(&self, cost: u64) -> Result<(), Errno> {
        let held: u64 = self.maps.entries.iter().flatten().map(|entry| entry.cost).sum();
        if held.saturating_add(cost) > self.map_limit { Err(Errno::ENOMEM) } else { Ok(()) }
    }
}

/// Resources at some time, without the arena's bytes and what was printed.
pub struct Snapshot<M> {
    layout: Layout,
    maps: Maps<M>,
    clock: Clock,
    random: Random,
    cpus: u32,
    cpu: u32,
}

impl<M: Memory> Resources<M> {
    /// What [`Resources::restore`] goes back to.
    pub fn snapshot(&self) -> Snapshot<M> {
        // Named one by one: whoever adds a field decides here what going back means for it.
        // What a run does not change stays: programs, interfaces, limits.
        let Resources { arena, maps, clock, random, cpus, cpu, .. } = self;
        Snapshot {
            layout: arena.layout(),
            maps: maps.clone(),
            clock: *clock,
            random: *random,
            cpus: *cpus,
            cpu: *cpu,
        }
    }

    /// Goes back to the snapshot, in all but the arena's bytes and what was printed.
    pub fn restore(&mut self, snapshot: &Snapshot<M>) {
        let Snapshot { layout, maps, clock, random, cpus, cpu } = snapshot;
        self.arena.set_layout(layout);
        self.maps = maps.clone();
        (self.clock, self.random) = (*clock, *random);
        (self.cpus, self.cpu) = (*cpus, *cpu);
    }
}

/// Where a map's handle says its place among the entries: in the last bytes of the object.
const HANDLE_PLACE: u64 = 56;

/// Bytes of a map's keys and values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sizes {
    /// Of a key.
    pub key: u32,
    /// Of a value.
    pub value: u32,
    /// Whether a value has a lock, which updates and look-ups may then be asked to take (`BPF_F_LOCK`).
    pub lock: bool,
}

/// The maps of a system, by id. The objects that their handles are say where their entries lie.
pub struct Maps<M> {
    entries: Vec<Option<Entry<M>>>,
    /// Places of entries that are gone.
    free: Vec<u32>,
    by_id: BTreeMap<MapId, u32>,
    last: u32,
}

struct Entry<M> {
    id: MapId,
    sizes: Sizes,
    map: AnyMap<M>,
    handle: u32,
    references: u32,
    /// Those of them that are the system call's: descriptors and paths.
    users: u32,
    frozen: bool,
    /// Mappings of a process that may write it.
    writers: u32,
    cost: u64,
    /// Program type and expected attach type of whoever calls through it, for an array of programs.
    tail_calls: Option<(u32, u32)>,
    /// The BTF that its types are of.
    btf: Option<u32>,
}

impl<M: Memory> Clone for Maps<M> {
    fn clone(&self) -> Maps<M> {
        let entry = |e: &Entry<M>| Entry {
            id: e.id,
            sizes: e.sizes,
            map: e.map.boxed_clone(),
            handle: e.handle,
            references: e.references,
            users: e.users,
            frozen: e.frozen,
            writers: e.writers,
            cost: e.cost,
            tail_calls: e.tail_calls,
            btf: e.btf,
        };
        let entries = self.entries.iter().map(|e| e.as_ref().map(entry)).collect();
        Maps { entries, free: self.free.clone(), by_id: self.by_id.clone(), last: self.last }
    }
}

impl<M> Default for Maps<M> {
    fn default() -> Maps<M> {
        Maps { entries: Vec::new(), free: Vec::new(), by_id: BTreeMap::new(), last: 0 }
    }
}

impl<M: Memory> Maps<M> {
    fn entry(&self, id: MapId) -> Option<&Entry<M>> {
        self.entries.get(*self.by_id.get(&id)? as usize)?.as_ref()
    }
    fn entry_mut(&mut self, id: MapId) -> Option<&mut Entry<M>> {
        self.entries.get_mut(*self.by_id.get(&id)? as usize)?.as_mut()
    }
    fn remove(&mut self, id: MapId) -> Option<Entry<M>> {
        let place = self.by_id.remove(&id)?;
        self.free.push(place);
        self.entries.get_mut(place as usize)?.take()
    }
    /// A map's specification.
    pub fn spec(&self, id: MapId) -> Option<&MapSpec> {
        self.entry(id).map(|e| e.map.spec())
    }
    /// The address of a map's handle: what a program's map register holds.
    pub fn handle(&self, id: MapId) -> Option<u32> {
        self.entry(id).map(|e| e.handle)
    }
    /// The address of the first value, for types that allow direct access.
    pub fn direct_value(&self, id: MapId) -> Option<u32> {
        self.entry(id).and_then(|e| e.map.direct_value())
    }
    /// What the maps in a map of maps have to be like.
    pub fn inner(&self, id: MapId) -> Option<&MapSpec> {
        self.entry(id).and_then(|e| e.map.inner())
    }
    /// The ring buffer whose memory begins there.
    pub fn ring_at(&self, base: u32) -> Option<MapId> {
        let ring = |entry: &&Entry<M>| entry.map.ring_base() == Some(base);
        self.entries.iter().flatten().find(ring).map(|entry| entry.id)
    }
    /// The BTF that a map's types are of.
    pub fn btf(&self, id: MapId) -> Option<u32> {
        self.entry(id).and_then(|e| e.btf)
    }
    /// Gives a map a reference to BTF.
    pub fn set_btf(&mut self, id: MapId, btf: u32) {
        if let Some(entry) = self.entry_mut(id) {
            entry.btf = Some(btf);
        }
    }
    /// Bytes that a map may come to hold.
    pub fn cost(&self, id: MapId) -> u64 {
        self.entry(id).map_or(0, |e| e.cost)
    }
    /// Makes an array of programs one for programs of that type and expected attach type; other maps take
    /// any.
    ///
    /// # Errors
    /// `EINVAL` where it is already for others.
    pub fn join_tail_calls(&mut self, id: MapId, kind: (u32, u32)) -> Result<(), Errno> {
        let Some(entry) = self.entry_mut(id) else { return Err(Errno::EBADF) };
        if entry.map.spec().map_type != PROG_ARRAY {
            return Ok(());
        }
        if *entry.tail_calls.get_or_insert(kind) == kind { Ok(()) } else { Err(Errno::EINVAL) }
    }
    /// Whether the system call may not write it any more (`BPF_MAP_FREEZE`).
    pub fn is_frozen(&self, id: MapId) -> bool {
        self.entry(id).is_some_and(|e| e.frozen)
    }
    /// Whether a map's values have a lock.
    pub fn has_lock(&self, id: MapId) -> bool {
        self.entry(id).is_some_and(|e| e.sizes.lock)
    }
    /// Says that they have one.
    pub fn set_lock(&mut self, id: MapId) {
        if let Some(entry) = self.entry_mut(id) {
            entry.sizes.lock = true;
        }
    }
    /// The pages of a map that a process may map, for types that have such.
    pub fn mappable(&self, id: MapId) -> Option<Mappable> {
        self.entry(id)?.map.mappable()
    }
    /// Mappings of a process that may write a map.
    pub fn writers(&self, id: MapId) -> u32 {
        self.entry(id).map_or(0, |e| e.writers)
    }
    /// Counts such mappings.
    pub fn add_writers(&mut self, id: MapId, more: i32) {
        if let Some(entry) = self.entry_mut(id) {
            entry.writers = entry.writers.saturating_add_signed(more);
        }
    }
    /// Freezes a map for the system call.
    pub fn freeze(&mut self, id: MapId) {
        if let Some(entry) = self.entry_mut(id) {
            entry.frozen = true;
        }
    }
    /// The ids in use, in order.
    pub fn ids(&self) -> impl Iterator<Item = MapId> {
        self.by_id.keys().copied()
    }
}

/// Time, which passes only when it is read or moved: the same run reads the same times.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Clock {
    /// Nanoseconds since the system began.
    pub now: u64,
}

impl Clock {
    /// Nanoseconds that a reading takes.
    pub const TICK: u64 = 100;

    /// Reads the clock.
    pub fn read(&mut self) -> u64 {
        self.now = self.now.wrapping_add(Clock::TICK);
        self.now
    }
}

/// Pseudo-random numbers that depend on the seed alone (xorshift).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Random(u64);

impl Random {
    /// A source; any seed will do.
    pub fn new(seed: u64) -> Random {
        Random(seed ^ 0x9e37_79b9_7f4a_7c15 | 1)
    }

    /// The next 32 bits.
    pub fn next_u32(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u32
    }
}
