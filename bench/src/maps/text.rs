//! The programs: a loop over keys spread over a map, and what it does with each.

/// Rounds of a program's loop: each test run does so many operations.
pub const OPERATIONS: u32 = 512;
/// Factor of the sequence whose top bits are the keys.
pub const FACTOR: u64 = 0x5851_f42d_4c95_7f2d;

/// A map type.
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// Its uapi number.
    pub number: u32,
    /// Bytes of a key; 0 for types without.
    pub key_size: u32,
    /// Creation flags.
    pub flags: u32,
    /// Whether every CPU has a value.
    pub per_cpu: bool,
    /// What is measured.
    pub operations: &'static [Operation],
}

/// What is done with a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// Nothing: the loop alone.
    Nothing,
    /// A look-up that finds it.
    LookUp,
    /// An update of what is there.
    Update,
    /// Deletes it and makes it again.
    Replace,
    /// Pushes a value and takes one.
    PushPop,
    /// Adds a value to a filter.
    Push,
    /// Asks a filter for a value.
    Peek,
}

impl Operation {
    /// What a table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Nothing => "nothing",
            Operation::LookUp => "look-up",
            Operation::Update => "update",
            Operation::Replace => "delete and insert",
            Operation::PushPop => "push and pop",
            Operation::Push => "push",
            Operation::Peek => "peek",
        }
    }
}

const HASH: &[Operation] = &[Operation::LookUp, Operation::Update, Operation::Replace];
const ARRAY: &[Operation] = &[Operation::LookUp, Operation::Update];

/// The types.
pub const KINDS: &[Kind] = &[
    Kind { name: "hash", number: 1, key_size: 4, flags: 0, per_cpu: false, operations: HASH },
    Kind { name: "array", number: 2, key_size: 4, flags: 0, per_cpu: false, operations: ARRAY },
    Kind { name: "percpu_hash", number: 5, key_size: 4, flags: 0, per_cpu: true, operations: HASH },
    Kind { name: "percpu_array", number: 6, key_size: 4, flags: 0, per_cpu: true, operations: ARRAY },
    Kind { name: "lru_hash", number: 9, key_size: 4, flags: 0, per_cpu: false, operations: ARRAY },
    Kind { name: "lpm_trie", number: 11, key_size: 8, flags: 1, per_cpu: false, operations: HASH },
    Kind {
        name: "queue",
        number: 22,
        key_size: 0,
        flags: 0,
        per_cpu: false,
        operations: &[Operation::PushPop],
    },
    Kind {
        name: "stack",
        number: 23,
        key_size: 0,
        flags: 0,
        per_cpu: false,
        operations: &[Operation::PushPop],
    },
    Kind {
        name: "bloom_filter",
        number: 30,
        key_size: 0,
        flags: 0,
        per_cpu: false,
        operations: &[Operation::Push, Operation::Peek],
    },
];

impl Kind {
    /// The bytes of a key: a prefix of 32 bits, for a trie.
    pub fn key(&self, key: u32) -> Vec<u8> {
        match self.key_size {
            8 => [32_u32.to_le_bytes(), key.to_le_bytes()].concat(),
            _ => key.to_le_bytes().to_vec(),
        }
    }
}

/// The program's text. It returns how many operations did not do what they should.
pub fn program(kind: &Kind, operation: Operation, bits: u32) -> String {
    let key_at = if kind.key_size == 8 { -8 } else { -4 };
    let map_and_key = format!("r1 = map m\n r2 = r10\n r2 += {key_at}\n");
    let value = "r3 = r10\n r3 += -16\n r4 = 0\n";
    // Fails where r0 is not 0.
    let zero = "if r0 == 0 goto next\n r9 += 1\n";
    let body = match operation {
        Operation::Nothing => String::new(),
        Operation::LookUp => format!(
            "{map_and_key} call bpf_map_lookup_elem\n if r0 == 0 goto fails\n r1 = *(u64 *)(r0 +0)\n r6 += r1\n \
             goto next\nfails:\n r9 += 1\n"
        ),
        Operation::Update => format!("{map_and_key} {value} call bpf_map_update_elem\n {zero}"),
        Operation::Replace => format!(
            "{map_and_key} call bpf_map_delete_elem\n {map_and_key} {value} call bpf_map_update_elem\n {zero}"
        ),
        Operation::PushPop => "r1 = map m\n r2 = r10\n r2 += -16\n r3 = 0\n call bpf_map_push_elem\n \
                               r1 = map m\n r2 = r10\n r2 += -24\n call bpf_map_pop_elem\n \
                               if r0 == 0 goto next\n r9 += 1\n"
            .into(),
        Operation::Push => {
            "r1 = map m\n r2 = r10\n r2 += -16\n r3 = 0\n call bpf_map_push_elem\n if r0 == 0 goto next\n r9 += 1\n"
                .into()
        }
        // Whether it is in there depends on the filter: both answers are right.
        Operation::Peek => "r1 = map m\n r2 = r10\n r2 += -16\n call bpf_map_peek_elem\n".into(),
    };
    let prefix = if kind.key_size == 8 { "*(u32 *)(r10 -8) = 32\n" } else { "" };
    format!(
        ".type xdp\n.license GPL\n.map m {} {} 8 {} {}\n.map state array 4 8 1\n \
         r7 = map_value state +0\n r8 = *(u64 *)(r7 +0)\n r9 = 0\n r6 = 0\n \
         *(u64 *)(r10 -24) = r9\n {prefix} r1 = {OPERATIONS}\n *(u64 *)(r10 -32) = r1\nagain:\n \
         r1 = {FACTOR:#x} ll\n r8 *= r1\n r8 += 1\n r1 = r8\n r1 >>= {}\n *(u32 *)(r10 -4) = r1\n \
         *(u64 *)(r10 -16) = r1\n {body}next:\n r1 = *(u64 *)(r10 -32)\n r1 += -1\n *(u64 *)(r10 -32) = r1\n \
         if r1 != 0 goto again\n *(u64 *)(r7 +0) = r8\n r0 = r9\n exit\n",
        kind.name,
        kind.key_size,
        1_u32 << bits,
        kind.flags,
        64 - bits,
    )
}
