//! Map calls with odd arguments, to the running kernel and to this system.

mod cases;

use cases::both::{Transcript, compare};
use glasshive_native::oracle::calls::{ATTR_LEN, Attr, MapCreate, address, command, element};
use glasshive_native::oracle::{Bpf, Side};

const HASH: u32 = 1;
const ARRAY: u32 = 2;
/// Addresses at which nothing lies: near 0, and in the kernel's half.
const NOWHERE: u64 = 8;
const FAR_AWAY: u64 = 0xffff_8000_0000_0000;

const MAP: MapCreate = MapCreate {
    map_type: HASH,
    key_size: 4,
    value_size: 8,
    max_entries: 4,
    flags: 0,
    inner_map_fd: 0,
    numa_node: 0,
    name: "",
    btf_fd: 0,
    btf_key_type_id: 0,
    btf_value_type_id: 0,
    btf_vmlinux_value_type_id: 0,
    extra: 0,
};

fn program(side: Side) -> i64 {
    let insns = [0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
    glasshive_native::oracle::calls::Load { insns: &insns, ..Default::default() }.call(&side).ret
}

#[test]
fn sizes_and_flags_of_creation() {
    compare("creation, sizes", &[], |side, out| {
        for map_type in [0, HASH, ARRAY, 34, 99, u32::MAX] {
            for key_size in [0, 1, 3, 4, 5, 8, 511, 512, 513, 4096, u32::MAX] {
                for value_size in [0, 1, 8, 9, 4096, 1 << 31, u32::MAX] {
                    // Large arrays would take the machine's memory: the kernel grants them.
                    let large = [1 << 31, (1 << 31) + 1, u32::MAX];
                    let large = large.iter().filter(|_| map_type != ARRAY).copied();
                    for max_entries in [0, 1, 3].into_iter().chain(large) {
                        let create = MapCreate { map_type, key_size, value_size, max_entries, ..MAP };
                        let asked = format!(
                            "type {map_type} key {key_size} value {value_size} entries {max_entries}"
                        );
                        out.descriptor(asked, side, create.call(&side));
                    }
                }
            }
        }
    });
}

#[test]
fn flags_of_creation() {
    compare("creation, flags", &[], |side, out| {
        for map_type in [HASH, ARRAY] {
            for first in 0..32 {
                for second in first..32 {
                    let flags = 1 << first | 1 << second;
                    let create = MapCreate { map_type, flags, ..MAP };
                    let asked = format!("type {map_type} flags {flags:#x}");
                    out.descriptor(asked, side, create.call(&side));
                }
            }
            for numa_node in [0, 1, 2, 1 << 20, u32::MAX] {
                for flags in [0, 4] {
                    let create = MapCreate { map_type, flags, numa_node, ..MAP };
                    out.descriptor(
                        format!("type {map_type} flags {flags} node {numa_node}"),
                        side,
                        create.call(&side),
                    );
                }
            }
        }
    });
}

#[test]
fn other_fields_of_creation() {
    compare("creation, other fields", &[], |side, out| {
        let map = MapCreate { map_type: ARRAY, ..MAP }.call(&side);
        let program = program(side);
        for map_type in [HASH, ARRAY] {
            let base = MapCreate { map_type, ..MAP }.attr();
            // ifindex, BTF descriptor and types, map_extra, value_type_btf_obj_fd, map_token_fd
            for field in [20, 24, 44, 48, 52, 56, 60, 64, 68, 72, 76] {
                for value in [1, 7, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
                    let mut attr = base.clone().u32(field, value);
                    let ret = side.bpf(command::MAP_CREATE, &mut attr.0, ATTR_LEN as u32);
                    out.descriptor(format!("type {map_type} field {field} is {value:#x}"), side, ret);
                }
            }
            for (what, fd) in [("map", map), ("program", program)] {
                for field in [20, 48, 72, 76] {
                    let mut attr = base.clone().fd(field, fd);
                    let ret = side.bpf(command::MAP_CREATE, &mut attr.0, ATTR_LEN as u32);
                    out.descriptor(format!("type {map_type} field {field} is a {what}"), side, ret);
                }
                let mut attr = base.clone().fd(48, fd).u32(52, 1).u32(56, 1);
                let ret = side.bpf(command::MAP_CREATE, &mut attr.0, ATTR_LEN as u32);
                out.descriptor(format!("type {map_type} BTF of a {what}"), side, ret);
            }
        }
        for byte in 0..=255 {
            let mut attr = MAP.attr().with(28, [b'a', byte, b'b', 0]);
            let ret = side.bpf(command::MAP_CREATE, &mut attr.0, ATTR_LEN as u32);
            out.descriptor(format!("name with byte {byte:#x}"), side, ret);
        }
        let mut attr = MAP.attr().with(28, [b'a'; 16]);
        out.descriptor("name without end", side, side.bpf(command::MAP_CREATE, &mut attr.0, ATTR_LEN as u32));
        side.close(map);
        side.close(program);
    });
}

/// Each command with each size of attribute, the rest of a page zero or not.
#[test]
fn lengths_of_attributes() {
    compare("attribute lengths", &[], |side, out| {
        let map = MAP.call(&side);
        let program = program(side);
        let (key, value) = (1_u32.to_le_bytes(), 5_u64.to_le_bytes());
        let insns = [0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
        let load = glasshive_native::oracle::calls::Load { insns: &insns, ..Default::default() };
        let packet = [0_u8; 64];
        let elements = Attr::default().fd(0, map).u64(8, address(&key)).u64(16, address(&value));
        let commands = [
            ("create", command::MAP_CREATE, MAP.attr()),
            ("update", command::MAP_UPDATE_ELEM, elements.clone()),
            ("lookup", command::MAP_LOOKUP_ELEM, elements.clone()),
            ("next key", command::MAP_GET_NEXT_KEY, elements.clone()),
            ("delete", command::MAP_DELETE_ELEM, elements.clone().u64(16, 0)),
            ("delete with a value", command::MAP_DELETE_ELEM, elements.clone()),
            ("load", command::PROG_LOAD, load.attr(&[])),
            (
                "test run",
                command::PROG_TEST_RUN,
                Attr::default().fd(0, program).u32(8, 64).u64(16, address(&packet)),
            ),
            ("freeze", command::MAP_FREEZE, Attr::default().fd(0, -1)),
        ];
        let gives_descriptor = |number| matches!(number, command::MAP_CREATE | command::PROG_LOAD);
        for (name, number, attr) in &commands {
            let mut ask = |asked: String, bytes: &mut [u8], size: usize| {
                let ret = side.bpf(*number, bytes, size as u32);
                if gives_descriptor(*number) {
                    out.descriptor(asked, side, ret);
                } else {
                    out.ret(asked, ret);
                }
            };
            let mut page = vec![0; 8192];
            for size in (0..=220).chain([1024, 4095, 4096, 4097, 8192]) {
                page[..ATTR_LEN].copy_from_slice(&attr.0);
                ask(format!("{name}, {size} bytes"), &mut page, size);
            }
            for size in [ATTR_LEN, 512, 4096] {
                for at in
                    (0..size).step_by(4).filter(|at| attr.0.get(*at..at + 4).is_none_or(|b| b == [0; 4]))
                {
                    // What lies there names an address or a size of its own.
                    let large = [("load", 20), ("test run", 36)];
                    if large.contains(&(name, at)) || at > 700 && at % 512 != 0 {
                        continue;
                    }
                    page.fill(0);
                    page[..ATTR_LEN].copy_from_slice(&attr.0);
                    page[at] = 1;
                    ask(format!("{name}, {size} bytes, byte {at} not zero"), &mut page, size);
                }
            }
        }
        for number in [-1, 38, 39, 100, i32::MAX, i32::MIN] {
            let mut attr = Attr::default();
            out.ret(format!("command {number}"), side.bpf(number, &mut attr.0, ATTR_LEN as u32));
        }
        for (name, number, _) in &commands {
            for at in [0, NOWHERE, FAR_AWAY] {
                for size in [0, 4, 168, 5000] {
                    out.ret(format!("{name}, {size} bytes at {at:#x}"), side.bpf_at(*number, at, size));
                }
            }
        }
        side.close(map);
        side.close(program);
    });
}

const COMMANDS: [(&str, i32); 5] = [
    ("lookup", command::MAP_LOOKUP_ELEM),
    ("update", command::MAP_UPDATE_ELEM),
    ("delete", command::MAP_DELETE_ELEM),
    ("next key", command::MAP_GET_NEXT_KEY),
    ("lookup and delete", command::MAP_LOOKUP_AND_DELETE_ELEM),
];

/// Every element command with right and wrong descriptor, key, value and flags, to find which is looked at first.
#[test]
fn arguments_of_element_commands() {
    compare("element commands", &[], |side, out| {
        for (kind, create) in [
            ("hash", MAP),
            ("array", MapCreate { map_type: ARRAY, ..MAP }),
            ("hash for reading", MapCreate { flags: 1 << 3, ..MAP }),
            ("hash for writing", MapCreate { flags: 1 << 4, ..MAP }),
            ("array for reading", MapCreate { map_type: ARRAY, flags: 1 << 3, ..MAP }),
            ("array for writing", MapCreate { map_type: ARRAY, flags: 1 << 4, ..MAP }),
        ] {
            let map = create.call(&side);
            let program = program(side);
            for (name, number) in COMMANDS {
                for (fd_name, fd) in
                    [("its fd", map), ("a program", program), ("no fd", 9999), ("-1", -1), ("stdin", 0)]
                {
                    for present in [0_u32, 3, 77] {
                        let key = present.to_le_bytes();
                        for (key_name, key) in [
                            (present.to_string(), address(&key)),
                            ("null".into(), 0),
                            ("nowhere".into(), NOWHERE),
                            ("far away".into(), FAR_AWAY),
                        ] {
                            for value_name in ["value", "null", "far away"] {
                                for flags in [0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 1 << 32, 1 << 63] {
                                    let stored = 0x1234_u64.to_le_bytes();
                                    let value = match value_name {
                                        "value" => address(&stored),
                                        "null" => 0,
                                        _ => FAR_AWAY,
                                    };
                                    let asked = format!(
                                        "{kind}: {name} of {fd_name}, key {key_name}, {value_name}, flags {flags:#x}"
                                    );
                                    out.ret(asked, element(&side, number, fd, key, value, flags));
                                }
                            }
                        }
                    }
                }
            }
            side.close(map);
            side.close(program);
        }
    });
}

/// What a look-up writes, what iteration visits, what a full map says.
#[test]
fn contents_of_maps() {
    compare("contents", &[], |side, out| {
        for (map_type, key_size, value_size, max_entries) in
            [(HASH, 4, 8, 3), (HASH, 5, 3, 4), (HASH, 16, 1, 2), (ARRAY, 4, 8, 3), (ARRAY, 4, 5, 1)]
        {
            let create = MapCreate { map_type, key_size, value_size, max_entries, ..MAP };
            let map = create.call(&side);
            let name = format!("type {map_type}, {key_size} and {value_size} bytes, {max_entries} entries");
            let mut numbers = 1_u64;
            for step in 0..200 {
                numbers ^= numbers << 13;
                numbers ^= numbers >> 7;
                numbers ^= numbers << 17;
                let mut key = vec![0; key_size as usize];
                key[0] = (numbers % 6) as u8;
                let mut value = vec![(numbers >> 8) as u8; value_size as usize + 8];
                let (number, flags) = match numbers >> 20 & 7 {
                    0 | 1 => (command::MAP_LOOKUP_ELEM, 0),
                    2..=4 => (command::MAP_UPDATE_ELEM, numbers >> 30 & 3),
                    5 | 6 => (command::MAP_DELETE_ELEM, 0),
                    _ => (command::MAP_LOOKUP_AND_DELETE_ELEM, 0),
                };
                let at = value.as_mut_ptr() as u64;
                let value_at = if number == command::MAP_DELETE_ELEM { 0 } else { at };
                let asked = format!("{name}: step {step}: command {number} of key {}, flags {flags}", key[0]);
                let delete_flags = if number == command::MAP_DELETE_ELEM { 0 } else { flags };
                let ret = element(&side, number, map, address(&key), value_at, delete_flags);
                out.note(asked, (ret, value));
                out.note(format!("{name}: step {step}: keys"), keys(side, map, key_size));
            }
            side.close(map);
        }
    });
}

/// All keys of a map, sorted: the order of a hash is its own.
fn keys(side: Side, map: i64, key_size: u32) -> Vec<Vec<u8>> {
    let mut keys: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut next = vec![0; key_size as usize];
        let last = keys.last().map_or(0, |key| key.as_ptr() as u64);
        let ret = element(&side, command::MAP_GET_NEXT_KEY, map, last, next.as_mut_ptr() as u64, 0);
        if ret < 0 || keys.len() > 100 {
            keys.sort();
            return keys;
        }
        keys.push(next);
    }
}

#[test]
fn next_keys_of_arrays() {
    compare("array iteration", &[], |side, out| {
        let map = MapCreate { map_type: ARRAY, max_entries: 3, ..MAP }.call(&side);
        for key in [0_u32, 1, 2, 3, 4, 100, u32::MAX] {
            let mut next = [0xee_u8; 8];
            let key_bytes = key.to_le_bytes();
            let at = next.as_mut_ptr() as u64;
            let ret = element(&side, command::MAP_GET_NEXT_KEY, map, address(&key_bytes), at, 0);
            out.note(format!("after {key}"), (ret, next));
        }
        side.close(map);
    });
}

#[test]
fn frozen_maps() {
    compare("frozen maps", &[], |side, out| {
        for flags in [0, 1 << 3, 1 << 4, 1 << 7, 1 << 8] {
            let map = MapCreate { map_type: ARRAY, flags, ..MAP }.call(&side);
            let freeze = |what: &str, out: &mut Transcript| {
                let mut attr = Attr::default().fd(0, map);
                out.ret(format!("flags {flags:#x}: {what}"), side.bpf(command::MAP_FREEZE, &mut attr.0, 4));
            };
            freeze("freeze", out);
            freeze("freeze again", out);
            let (key, value) = ([0; 4], [1; 8]);
            for (name, number) in COMMANDS {
                let ret = element(&side, number, map, address(&key), address(&value), 0);
                out.ret(format!("flags {flags:#x}: {name} of a frozen map"), ret);
            }
            side.close(map);
        }
        for (what, fd) in [("no fd", 9999), ("stdin", 0), ("-1", -1)] {
            let mut attr = Attr::default().fd(0, fd);
            out.ret(format!("freeze of {what}"), side.bpf(command::MAP_FREEZE, &mut attr.0, 4));
        }
        let program = program(side);
        let mut attr = Attr::default().fd(0, program);
        out.ret("freeze of a program", side.bpf(command::MAP_FREEZE, &mut attr.0, 4));
        side.close(program);
    });
}
