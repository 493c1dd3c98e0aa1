//! Sequences by chance: mostly right, with bad arguments, full maps, odd sizes, wrong pointers and closed
//! descriptors among them.

use super::{Action, Call, Field, Loose, Sequence};
use glasshive::map::types::{Batch, MapType, Sizes, flag};

/// Chance that hangs on a seed alone (splitmix64).
pub struct Chance(u64);

impl Chance {
    /// A source.
    pub fn new(seed: u64) -> Chance {
        Chance(seed)
    }
    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n.max(1) as u64) as usize
    }
    /// One time in `n`.
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
    /// One of some.
    pub fn of<T: Copy>(&mut self, some: &[T]) -> T {
        some[self.below(some.len())]
    }
}

/// A map that a sequence made.
#[derive(Clone)]
struct Made {
    slot: usize,
    row: &'static MapType,
    key_size: usize,
    value_size: usize,
    entries: u32,
}

impl Made {
    /// Whether the kernel iterates it in an order of its own.
    fn is_unordered(&self) -> bool {
        matches!(
            self.row.name,
            "hash" | "percpu_hash" | "lru_hash" | "lru_percpu_hash" | "hash_of_maps" | "devmap_hash"
        )
    }
    fn has_references(&self) -> bool {
        matches!(self.row.name, "prog_array" | "array_of_maps" | "hash_of_maps")
    }
}

/// Types that sequences are about. Elements of the others are objects of the host's.
const SUBJECTS: &[&str] = &[
    "hash",
    "array",
    "percpu_hash",
    "percpu_array",
    "lru_hash",
    "lru_percpu_hash",
    "lpm_trie",
    "prog_array",
    "array_of_maps",
    "hash_of_maps",
    "queue",
    "stack",
    "bloom_filter",
    "devmap",
    "devmap_hash",
    "cpumap",
    "ringbuf",
    "stack_trace",
    "perf_event_array",
    "cgroup_array",
    "sockmap",
    "sockhash",
    "xskmap",
    "reuseport_sockarray",
    "cgroup_storage",
    "arena",
    "user_ringbuf",
    "percpu_cgroup_storage",
];
/// Sequences of all types are rarer than of those that people use most.
const COMMON: &[&str] = &["hash", "array", "percpu_hash", "percpu_array", "lru_hash", "lpm_trie", "queue"];

/// Makes sequences.
pub struct Generator {
    chance: Chance,
    cpus: usize,
    made: Vec<Made>,
    programs: Vec<usize>,
    actions: Vec<Action>,
}

/// A sequence of about `length` actions, for a system of `cpus` possible CPUs.
pub fn sequence(seed: u64, length: usize, cpus: usize) -> Sequence {
    let mut generator = Generator {
        chance: Chance::new(seed),
        cpus,
        made: Vec::new(),
        programs: Vec::new(),
        actions: Vec::new(),
    };
    generator.create();
    while generator.actions.len() < length {
        generator.act();
    }
    let dumps: Vec<Action> =
        generator.made.iter().filter(|made| !made.row.name.starts_with("lru")).map(dump).collect();
    generator.actions.extend(dumps);
    Sequence(generator.actions)
}

fn dump(made: &Made) -> Action {
    Action::Dump {
        slot: made.slot,
        key_size: made.key_size,
        value_size: made.value_size,
        keys_only: made.has_references(),
    }
}

impl Generator {
    fn push(&mut self, command: i32, size: u32, fields: Vec<(usize, Field)>, loose: Loose) -> usize {
        let mut call = Call { command, size, fields, loose };
        if self.chance.one_in(60) {
            self.spoil(&mut call);
        }
        self.actions.push(Action::Call(call));
        self.actions.len() - 1
    }

    /// Makes something about a call wrong.
    fn spoil(&mut self, call: &mut Call) {
        let chance = &mut self.chance;
        match chance.below(5) {
            0 => {
                call.size =
                    chance.of(&[0, 1, 4, 8, 12, 16, 17, 20, 24, 32, 40, 64, 120, 168, 169, 4096, 4097])
            }
            1 => {
                let offset = chance.below(42) * 4;
                // A size that is not the buffer's would have the kernel write past it.
                if call.fields.iter().any(|(taken, _)| (*taken..*taken + 8).contains(&offset)) {
                    return;
                }
                call.fields.push((offset, Field::U32(chance.of(&[1, 0x8000_0000, u32::MAX]))));
                call.size = 168;
            }
            2 | 3 if !call.fields.is_empty() => {
                let at = chance.below(call.fields.len());
                if matches!(call.fields[at].1, Field::Memory(_) | Field::FdMemory(..)) {
                    call.fields[at].1 = Field::U64(chance.of(&[0, 1, 0x1000, u64::MAX, 1 << 63]));
                    call.loose = Loose::Memory;
                }
            }
            _ => {
                if let Some((_, field)) =
                    call.fields.iter_mut().find(|(_, field)| matches!(field, Field::Fd(_)))
                {
                    *field = Field::U32(chance.of(&[u32::MAX, 0x7fff_ffff, 9999]));
                }
            }
        }
    }

    fn act(&mut self) {
        match self.chance.below(40) {
            0..=2 => self.create(),
            3 => self.program(),
            4 if self.actions.len() > 3 => {
                let slot = self.chance.below(self.actions.len());
                if !self.made.iter().any(|made| made.slot == slot) || self.chance.one_in(3) {
                    self.actions.push(Action::Close(slot));
                }
            }
            5 | 6 => self.information(),
            7 => {
                let slot = self.some_map().slot;
                self.push(22, 4, vec![(0, Field::Fd(slot))], Loose::Nothing);
            }
            8..=11 => self.batch(),
            12..=13 => {
                let made = self.some_map();
                if !made.row.name.starts_with("lru") {
                    self.actions.push(dump(&made));
                }
            }
            _ => self.element(),
        }
    }

    fn some_map(&mut self) -> Made {
        let at = self.chance.below(self.made.len());
        self.made[at].clone()
    }

    fn size(&mut self, sizes: Sizes) -> u32 {
        let chance = &mut self.chance;
        if chance.one_in(40) {
            return chance.of(&[
                0,
                1,
                3,
                4,
                5,
                8,
                9,
                16,
                260,
                261,
                512,
                513,
                1 << 15,
                (1 << 15) + 1,
                1 << 14,
                1 << 31,
            ]);
        }
        match sizes {
            Sizes::None => 0,
            Sizes::OneOf(sizes) => chance.of(sizes),
            Sizes::Between(5, _) => chance.of(&[5, 6, 8, 12]),
            Sizes::Between(..) => chance.of(&[1, 4, 8, 13]),
            Sizes::UpTo(_) => chance.of(&[1, 2, 4, 4, 8, 8, 12, 16, 24, 33]),
            Sizes::Stack => chance.of(&[8, 16, 32, 64]),
        }
    }

    fn create(&mut self) {
        let name = if self.chance.one_in(2) { self.chance.of(COMMON) } else { self.chance.of(SUBJECTS) };
        let Some(row) = MapType::by_name(name) else { return };
        let (key_size, value_size) = (self.size(row.key), self.size(row.value));
        let entries = match row.name {
            "ringbuf" | "user_ringbuf" => 4096,
            "cgroup_storage" | "percpu_cgroup_storage" => 0,
            // Never a size that the kernel would take memory for.
            "hash" | "percpu_hash" if self.chance.one_in(50) => self.chance.of(&[u32::MAX, (1 << 31) + 1]),
            _ if self.chance.one_in(50) => 0,
            _ => self.chance.of(&[1, 2, 3, 4, 4, 7]),
        };
        let mut flags = row.needs;
        if row.name == "hash" && self.chance.one_in(3) {
            flags |= flag::NO_PREALLOC;
        }
        if self.chance.one_in(12) {
            flags |= 1 << self.chance.below(20);
        }
        let mut fields = vec![
            (0, Field::U32(row.number)),
            (4, Field::U32(key_size)),
            (8, Field::U32(value_size)),
            (12, Field::U32(entries)),
            (16, Field::U32(flags)),
        ];
        if row.name.ends_with("of_maps") {
            let inner = self.some_map_or_none();
            fields.push((20, Field::Fd(inner)));
        }
        if self.chance.one_in(6) {
            let name = self.chance.of(&[b"a.b_1\0", b"abcde\0", b"a b\0\0\0", b"\xffxyz\0\0"]);
            let word = |at: usize| name.get(at..at + 4).and_then(<[u8]>::first_chunk).copied();
            fields.push((28, Field::U32(word(0).map_or(0, u32::from_le_bytes))));
        }
        if self.chance.one_in(40) {
            fields.push((24, Field::U32(self.chance.of(&[0, 1, 5, u32::MAX]))));
        }
        if self.chance.one_in(60) {
            fields.push((44, Field::U32(self.chance.of(&[1, 77]))));
        }
        if self.chance.one_in(40) {
            fields.push((64, Field::U64(self.chance.of(&[1, 4, 15, 16, 4096, u64::MAX]))));
        }
        let slot = self.push(0, 80, fields, Loose::Nothing);
        let per_cpu = row.name.contains("percpu");
        let value_size = match value_size as usize {
            size if per_cpu => size.next_multiple_of(8).saturating_mul(self.cpus),
            size => size,
        };
        // A map that can't be made is used as well, but not with buffers past reason.
        let (key_size, value_size) = ((key_size as usize).min(70_000), value_size.min(70_000));
        self.made.push(Made { slot, row, key_size, value_size, entries: entries.min(8) });
    }

    fn some_map_or_none(&mut self) -> usize {
        if self.made.is_empty() || self.chance.one_in(10) { usize::MAX } else { self.some_map().slot }
    }

    /// `r0 = 0; exit`, or the same after a reference to a map.
    fn program(&mut self) {
        let mut insns: Vec<u8> = vec![0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
        let kind = self.chance.of(&[1, 1, 3, 6]);
        if self.chance.one_in(12) {
            insns.truncate(8);
        }
        let fields = vec![
            (0, Field::U32(kind)),
            (4, Field::U32((insns.len() / 8) as u32)),
            (8, Field::Memory(insns)),
            (16, Field::Memory(b"GPL\0".to_vec())),
        ];
        let slot = self.push(5, 144, fields, Loose::Nothing);
        self.programs.push(slot);
        if self.chance.one_in(2) {
            let map = self.some_map_or_none();
            let flags = if self.chance.one_in(8) { 1 } else { 0 };
            let fields = vec![(0, Field::Fd(slot)), (4, Field::Fd(map)), (8, Field::U32(flags))];
            self.push(35, 12, fields, Loose::Nothing);
        }
    }

    fn key(&mut self, made: &Made) -> Vec<u8> {
        let index = if self.chance.one_in(12) {
            self.chance.of(&[made.entries, made.entries + 1, 200, u32::MAX])
        } else {
            self.chance.below(made.entries as usize + 2) as u32
        };
        let mut key = index.to_le_bytes().to_vec();
        if made.row.name == "lpm_trie" {
            let bits = (made.key_size.saturating_sub(4) * 8) as u32;
            let len =
                if self.chance.one_in(12) { bits + 1 } else { self.chance.below(bits as usize + 1) as u32 };
            key = len.to_le_bytes().to_vec();
            key.extend((0..made.key_size.saturating_sub(4)).map(|_| self.chance.of(&[0, 1, 128, 192, 255])));
        }
        key.resize(made.key_size, 0);
        key
    }

    fn value(&mut self, made: &Made) -> Field {
        if made.has_references() {
            let slot = if made.row.name == "prog_array" && !self.programs.is_empty() {
                self.chance.of(&self.programs.clone())
            } else {
                self.some_map_or_none()
            };
            return Field::FdMemory(slot, made.value_size);
        }
        let mut bytes: Vec<u8> = (0..made.value_size).map(|_| self.chance.below(4) as u8).collect();
        if matches!(made.row.name, "devmap" | "devmap_hash" | "cpumap") {
            bytes.fill(0);
            let number: u32 = self.chance.of(&[0, 1, 1, 1, 64, 9999, 16384, 16385, u32::MAX]);
            let len = bytes.len().min(4);
            bytes[..len].copy_from_slice(&number.to_le_bytes()[..len]);
        } else if made.value_size <= 8
            && !matches!(made.row.family, glasshive::map::types::Family::Array { .. })
            && matches!(made.row.values, glasshive::map::types::Values::Foreign(_))
        {
            // No descriptor of either system.
            bytes.fill(0xff);
        }
        Field::Memory(bytes)
    }

    fn element(&mut self) {
        let made = self.some_map();
        let flags = if self.chance.one_in(8) {
            self.chance.of(&[1, 2, 3, 4, 5, 6, 8, 16, 1 << 32, u64::MAX])
        } else {
            self.chance.of(&[0, 0, 0, 1, 2])
        };
        let key = self.key(&made);
        let keyless = made.key_size == 0 && !self.chance.one_in(20);
        let key = if keyless { Field::U64(0) } else { Field::Memory(key) };
        let out = Field::Memory(vec![0xaa; made.value_size.max(8)]);
        let fd = (0, Field::Fd(made.slot));
        let read_flags = if self.chance.one_in(10) { flags } else { 0 };
        let lru = made.row.name.starts_with("lru");
        // What an LRU map still has after it was full hangs on its lists; ids differ from system to system.
        let loose = if made.has_references() { Loose::Words([0, 0]) } else { Loose::Nothing };
        match self.chance.below(10) {
            0..=3 => {
                let value = self.value(&made);
                self.push(2, 32, vec![fd, (8, key), (16, value), (24, Field::U64(flags))], Loose::Nothing);
            }
            4 | 5 if !lru => {
                let out = if made.row.name == "bloom_filter" { self.value(&made) } else { out };
                // A filter may say of a value that it is there when it is not.
                if made.row.name == "bloom_filter" && read_flags == 0 {
                    return;
                }
                self.push(1, 32, vec![fd, (8, key), (16, out), (24, Field::U64(read_flags))], loose);
            }
            6 if !lru => {
                self.push(3, 16, vec![fd, (8, key)], Loose::Nothing);
            }
            7 | 8 if !lru => {
                let first = self.chance.one_in(4);
                let loose = if made.is_unordered() { Loose::Memory } else { Loose::Nothing };
                // Whether a key is the last one hangs on the order.
                if made.is_unordered() && !first {
                    return;
                }
                let key = if first { Field::U64(0) } else { key };
                let next = Field::Memory(vec![0xaa; made.key_size.max(8)]);
                self.push(4, 24, vec![fd, (8, key), (16, next)], loose);
            }
            9 if !lru => {
                self.push(21, 32, vec![fd, (8, key), (16, out), (24, Field::U64(read_flags))], loose);
            }
            _ => {}
        }
    }

    fn batch(&mut self) {
        let made = self.some_map();
        if made.row.name.starts_with("lru") || made.key_size == 0 && !self.chance.one_in(10) {
            return;
        }
        let (command, kind) = self.chance.of(&[
            (24, Batch::LOOKUP),
            (25, Batch::TAKE),
            (26, Batch::UPDATE),
            (26, Batch::UPDATE),
            (27, Batch::DELETE),
        ]);
        let reads = matches!(kind, Batch::LOOKUP | Batch::TAKE);
        let count = if reads { 16 } else { self.chance.below(4) };
        let (keys, values): (Vec<u8>, Vec<u8>) = if reads {
            (vec![0xaa; made.key_size * count], vec![0xaa; made.value_size * count])
        } else {
            let keys = (0..count).flat_map(|_| self.key(&made)).collect();
            let values = (0..count).flat_map(|_| match self.value(&made) {
                Field::Memory(bytes) => bytes,
                _ => vec![0xff; made.value_size],
            });
            (keys, values.collect())
        };
        let element_flags = if self.chance.one_in(10) { self.chance.of(&[1, 2, 4, 8]) } else { 0 };
        let flags = if self.chance.one_in(20) { 1 } else { 0 };
        let loose = match (reads, made.has_references()) {
            (true, true) => Loose::Memory,
            (true, false) => Loose::Order { key_size: made.key_size, value_size: made.value_size },
            (false, _) => Loose::Nothing,
        };
        let fields = vec![
            (8, Field::Memory(vec![0; made.key_size.max(8)])),
            (16, Field::Memory(keys)),
            (24, Field::Memory(values)),
            (32, Field::U32(count as u32)),
            (36, Field::Fd(made.slot)),
            (40, Field::U64(element_flags)),
            (48, Field::U64(flags)),
        ];
        self.push(command, 56, fields, loose);
    }

    fn information(&mut self) {
        let made = self.some_map();
        let len = if self.chance.one_in(5) { self.chance.below(130) } else { 104 };
        let mut memory = vec![0; 160];
        if self.chance.one_in(10) {
            let at = self.chance.below(40) * 4;
            memory[at] = 1;
        }
        let fields = vec![(0, Field::Fd(made.slot)), (4, Field::U32(len as u32)), (8, Field::Memory(memory))];
        self.push(15, 16, fields, Loose::Words([4, 4]));
    }
}

/// Whether every subject is a type.
#[cfg(test)]
mod tests {
    use super::*;
    use glasshive::map::types::TYPES;

    #[test]
    fn subjects_are_types_and_seeds_make_sequences() {
        assert!(SUBJECTS.iter().all(|name| TYPES.iter().any(|row| row.name == *name)));
        assert_eq!(sequence(7, 20, 2), sequence(7, 20, 2));
        assert_ne!(sequence(7, 20, 2), sequence(8, 20, 2));
    }
}
