//! What programs are grown from: program types, helpers, opcodes, numbers near an edge, maps.

use glasshive::isa::asm::MapDirective;

/// A program type that programs are grown for.
pub struct Flavour {
    pub name: &'static str,
    /// Bytes of its context.
    pub context: i32,
    /// Where the context has the packet's begin and end, and whether it has them.
    pub packet: Option<(i16, i16)>,
    /// Helpers beside those that all programs have.
    pub helpers: &'static [i32],
    /// Least and greatest number that it may return.
    pub returns: (i32, i32),
}

pub const NETWORK: &[i32] = &[26, 28, 50, 51, 68, 9, 11, 10, 44, 84, 85, 86, 95, 46, 47, 87, 34, 34, 96];
pub const FLAVOURS: &[Flavour] = &[
    Flavour {
        name: "socket_filter",
        context: 192,
        packet: None,
        helpers: &[26, 46, 47],
        returns: (0, 65535),
    },
    Flavour { name: "sched_cls", context: 192, packet: Some((76, 80)), helpers: NETWORK, returns: (-1, 7) },
    Flavour {
        name: "xdp",
        context: 24,
        packet: Some((0, 4)),
        helpers: &[44, 51, 54, 65, 23, 28, 84, 85, 86],
        returns: (0, 4),
    },
    Flavour {
        name: "cgroup_skb",
        context: 192,
        packet: Some((76, 80)),
        helpers: &[26, 46, 47, 80, 95],
        returns: (0, 1),
    },
    Flavour {
        name: "kprobe",
        context: 168,
        packet: None,
        helpers: &[4, 14, 15, 16, 45, 112, 113, 114, 115, 25, 27, 35, 6],
        returns: (0, 1),
    },
    Flavour {
        name: "tracepoint",
        context: 64,
        packet: None,
        helpers: &[14, 15, 16, 112, 113, 25, 27],
        returns: (0, 1),
    },
    Flavour {
        name: "raw_tracepoint",
        context: 64,
        packet: None,
        helpers: &[14, 15, 16, 112, 113, 25],
        returns: (0, 1),
    },
];
/// Helpers that every program has: maps, time, chance, ring buffers, text.
pub const COMMON: &[i32] =
    &[1, 1, 1, 2, 3, 5, 7, 8, 12, 87, 88, 89, 105, 106, 125, 130, 131, 132, 133, 134, 165, 182, 195];

pub const ALU: &[u8] =
    &[0x00, 0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x50, 0x60, 0x70, 0x90, 0xa0, 0xb0, 0xb0, 0xc0];
pub const JUMPS: &[u8] = &[0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0xa0, 0xb0, 0xc0, 0xd0];
/// Load and store opcodes' sizes, and their bytes.
pub const SIZES: &[(u8, i16)] = &[(0x10, 1), (0x08, 2), (0x00, 4), (0x18, 8), (0x00, 4), (0x18, 8)];
pub const INTERESTING: &[i32] = &[
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    14,
    15,
    16,
    31,
    32,
    33,
    63,
    64,
    127,
    128,
    255,
    256,
    511,
    512,
    4096,
    65535,
    65536,
    -1,
    -2,
    -8,
    -16,
    i32::MIN,
    i32::MAX,
    0x4000_0000,
    0x2000_0000,
    -4096,
];

pub fn maps() -> Vec<MapDirective> {
    let map = |name: &str, map_type, key_size, value_size, max_entries, flags| MapDirective {
        name: name.into(),
        map_type,
        key_size,
        value_size,
        max_entries,
        flags,
        inner: None,
        contents: Vec::new(),
    };
    vec![
        map("array", 2, 4, 48, 4, 0),
        map("hash", 1, 8, 16, 16, 0),
        map("array_rdonly", 2, 4, 32, 2, 1 << 7),
        map("hash_wronly", 1, 4, 24, 2, 1 << 8),
        map("percpu", 6, 4, 8, 2, 0),
        map("tails", 3, 4, 4, 4, 0),
        map("ring", 27, 0, 0, 4096, 0),
        map("queue", 22, 0, 16, 4, 0),
        map("events", 4, 4, 4, 4, 0),
    ]
}
