//! Program loads and test runs with odd arguments, to the running kernel and to this system.

mod cases;

use cases::both::{Transcript, compare, digest};
use glasshive::isa::asm::assemble;
use glasshive::isa::bytes;
use glasshive::names::Uapi;
use glasshive_native::oracle::calls::{
    ATTR_LEN, Attr, Load, MapCreate, TestRun, address, command, errno_name,
};
use glasshive_native::oracle::log::normalised;
use glasshive_native::oracle::{Bpf, Side};

/// An address at which nothing lies.
const FAR_AWAY: u64 = 0xffff_8000_0000_0000;
/// r0 = 0; exit
const TRIVIAL: [u8; 16] = [0xb7, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];

fn code(text: &str) -> Vec<u8> {
    bytes(&assemble(text, &Uapi).expect("a text that assembles").insns)
}

fn load(side: Side, out: &mut Transcript, asked: String, attr: &Attr) {
    let mut attr = attr.clone();
    let fd = side.bpf(command::PROG_LOAD, &mut attr.0, ATTR_LEN as u32);
    out.descriptor(asked, side, fd);
}

/// Types that attach to kernel functions: refused by name.
const LATER: &[(&str, &str)] = &[
    ("type 26", "tracing programs are not built yet"),
    ("type 27", "struct_ops programs are not built yet"),
    ("type 28", "ext programs are not built yet"),
    ("type 29", "lsm programs are not built yet"),
];

#[test]
fn fields_of_a_load() {
    compare("load, fields", LATER, |side, out| {
        let base = Load { insns: &TRIVIAL, ..Load::default() }.attr(&[]);
        for number in (0..=40).chain([1 << 16, u32::MAX]) {
            load(side, out, format!("type {number}"), &base.clone().u32(0, number));
        }
        for count in [0, 1, 2, 1_000_001, 1 << 20, u32::MAX] {
            let attr = base.clone().u32(4, count);
            // A million instructions would have to be there.
            if !(3..=1_000_000).contains(&count) {
                load(side, out, format!("{count} instructions"), &attr);
            }
        }
        for at in [0, 8, FAR_AWAY] {
            load(side, out, format!("instructions at {at:#x}"), &base.clone().u64(8, at));
            load(side, out, format!("licence at {at:#x}"), &base.clone().u64(16, at));
            let both = base.clone().u64(8, at).u64(16, at);
            load(side, out, format!("instructions and licence at {at:#x}"), &both);
        }
        for bit in 0..32 {
            for number in [1, 6, 2, 31] {
                let attr = base.clone().u32(0, number).u32(44, 1 << bit);
                load(side, out, format!("type {number}, flags {:#x}", 1_u32 << bit), &attr);
            }
        }
        for byte in 0..=255 {
            load(side, out, format!("name with byte {byte:#x}"), &base.clone().with(48, [b'a', byte, 0]));
        }
        load(side, out, "name without end".into(), &base.clone().with(48, [b'a'; 16]));
        // Other interfaces than the first are the machine's own matter.
        for (number, ifindex) in [(1, 1), (1, 12345), (6, 1), (6, 12345), (3, 1), (6, u32::MAX)] {
            let attr = base.clone().u32(0, number).u32(64, ifindex);
            load(side, out, format!("type {number}, interface {ifindex}"), &attr);
        }
        for number in 1..=32 {
            for attach_type in 0..64 {
                for value in [0, 1] {
                    let insns = [0xb7, 0, 0, 0, value, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
                    let flags = if number == 31 { 1 << 4 } else { 0 };
                    let attr = Load {
                        program_type: number,
                        expected_attach_type: attach_type,
                        flags,
                        insns: &insns,
                        ..Load::default()
                    };
                    let asked = format!("type {number}, attach type {attach_type}, returns {value}");
                    load(side, out, asked, &attr.attr(&[]));
                }
            }
        }
        for (field, name) in [
            (40, "kern_version"),
            (68, "expected_attach_type"),
            (72, "prog_btf_fd"),
            (76, "func_info_rec_size"),
            (80, "func_info"),
            (88, "func_info_cnt"),
            (92, "line_info_rec_size"),
            (96, "line_info"),
            (104, "line_info_cnt"),
            (108, "attach_btf_id"),
            (112, "attach_prog_fd"),
            (116, "core_relo_cnt"),
            (120, "fd_array"),
            (128, "core_relos"),
            (136, "core_relo_rec_size"),
            (140, "log_true_size"),
            (144, "prog_token_fd"),
            (148, "fd_array_cnt"),
            (152, "signature"),
            (160, "signature_size"),
            (164, "keyring_id"),
        ] {
            for number in [1, 6] {
                for value in [1, 2, 8, 16, 255, 256, 0x7fff_ffff, 0x8000_0000, u32::MAX] {
                    let attr = base.clone().u32(0, number).u32(field, value);
                    load(side, out, format!("type {number}, {name} is {value:#x}"), &attr);
                }
            }
        }
    });
}

/// Pairs of things that are wrong, to find which is looked at first.
#[test]
fn order_of_a_load() {
    type Wrong = (&'static str, fn(Attr) -> Attr);
    let wrongs: &[Wrong] = &[
        ("type", |attr| attr.u32(0, 99)),
        ("tracing type", |attr| attr.u32(0, 26)),
        ("no instructions", |attr| attr.u32(4, 0)),
        ("too many instructions", |attr| attr.u32(4, 1_000_001)),
        ("instructions nowhere", |attr| attr.u64(8, FAR_AWAY)),
        ("licence nowhere", |attr| attr.u64(16, FAR_AWAY)),
        ("log level without buffer", |attr| attr.u32(24, 16)),
        ("log buffer without level", |attr| attr.u32(28, 1024).u64(32, 4096)),
        ("log nowhere", |attr| attr.u32(24, 1).u32(28, 1024).u64(32, FAR_AWAY)),
        ("flags", |attr| attr.u32(44, 1 << 20)),
        ("sleepable", |attr| attr.u32(44, 1 << 4)),
        ("name", |attr| attr.with(48, [b'-'])),
        ("interface", |attr| attr.u32(64, 1)),
        ("no interface", |attr| attr.u32(64, 12345)),
        ("attach type", |attr| attr.u32(68, 12345)),
        ("wrong attach type", |attr| attr.u32(0, 8).u32(68, 12345)),
        ("BTF descriptor", |attr| attr.u32(72, 12345)),
        ("functions without BTF", |attr| attr.u32(76, 8).u64(80, FAR_AWAY).u32(88, 1)),
        ("function size", |attr| attr.u32(76, 9).u64(80, FAR_AWAY).u32(88, 1)),
        ("lines without BTF", |attr| attr.u32(92, 16).u64(96, FAR_AWAY).u32(104, 1)),
        ("attach BTF", |attr| attr.u32(108, 1)),
        ("attach program", |attr| attr.u32(112, 12345)),
        ("fd_array nowhere", |attr| attr.u64(120, FAR_AWAY).u32(148, 1)),
        ("relocations", |attr| attr.u32(116, 1).u64(128, FAR_AWAY).u32(136, 16)),
        ("token", |attr| attr.u32(144, 12345)),
        ("signature", |attr| attr.u64(152, FAR_AWAY).u32(160, 1)),
    ];
    compare(
        "load, pairs of errors",
        &[("tracing type", "tracing programs are not built yet")],
        |side, out| {
            let base = Load { insns: &TRIVIAL, ..Load::default() }.attr(&[]);
            for (at, (name, wrong)) in wrongs.iter().enumerate() {
                load(side, out, (*name).to_string(), &wrong(base.clone()));
                for (other, also) in &wrongs[at + 1..] {
                    load(side, out, format!("{name}, and {other}"), &also(wrong(base.clone())));
                }
            }
        },
    );
}

/// Levels, sizes and addresses of the log, and what is left in the buffer.
#[test]
fn rules_of_the_log() {
    let accepted = code("r0 = 0\nr1 = 5\nif r1 == 5 goto +0\nexit\n");
    let rejected = code("r0 = 0\nr0 = *(u32 *)(r2 +0)\nexit\n");
    let undecoded = [0x8f, 0, 0, 0, 0, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];
    compare("log", &[], |side, out| {
        for (what, insns) in
            [("accepted", &accepted[..]), ("rejected", &rejected[..]), ("undecoded", &undecoded[..])]
        {
            for level in (0..=17).chain([32, u32::MAX]) {
                for size in [
                    0_u32,
                    1,
                    2,
                    64,
                    127,
                    128,
                    129,
                    200,
                    4096,
                    65536,
                    u32::MAX >> 2,
                    (u32::MAX >> 2) + 1,
                    u32::MAX,
                ] {
                    // A clock's time is in the log at these levels: only one answer that does not depend on it.
                    if level & 4 != 0 && size < 4096 {
                        continue;
                    }
                    for buffer in ["none", "one", "nowhere"] {
                        let mut log = vec![0xaa_u8; 1 << 17];
                        let at = match buffer {
                            "none" => 0,
                            "one" => log.as_mut_ptr() as u64,
                            _ => FAR_AWAY,
                        };
                        let mut attr = Load { insns, ..Load::default() }
                            .attr(&[])
                            .u32(24, level)
                            .u32(28, size)
                            .u64(32, at)
                            .u32(140, 0x7777);
                        let ret = side.bpf(command::PROG_LOAD, &mut attr.0, ATTR_LEN as u32);
                        side.close(ret);
                        let asked = format!("{what}, level {level}, size {size}, buffer {buffer}");
                        out.ret(asked.clone(), ret);
                        let true_size = attr.get_u32(140);
                        // Counters of time differ in length.
                        let timed = level & 4 != 0 && true_size != 0x7777;
                        out.note(format!("{asked}: log_true_size"), if timed { 1 } else { true_size });
                        let (inside, outside) = log.split_at((size as usize).min(log.len()));
                        assert!(outside.iter().all(|b| *b == 0xaa), "{asked}: written past the buffer");
                        let end = inside.iter().position(|b| *b == 0).unwrap_or(0);
                        let text = String::from_utf8_lossy(&inside[..end]).into_owned();
                        out.note(format!("{asked}: log"), normalised(&text));
                    }
                }
            }
        }
    });
}

const LICENSES: &[&str] = &[
    "",
    "GPL",
    "GPL v2",
    "GPL and additional rights",
    "Dual BSD/GPL",
    "Dual MIT/GPL",
    "Dual MPL/GPL",
    "Proprietary",
    "BSD",
    "MIT",
    "GPLv2",
    "GPL-2.0",
    "gpl",
    "GPL ",
    " GPL",
    "GPL v3",
    "Dual GPL/BSD",
    "Dual Apache-2.0/GPL",
    "GPL\n",
    "LGPL",
    "Dual BSD/GPL v2",
    "GPL v2 only",
];

#[test]
fn licences() {
    // bpf_ktime_get_ns is for GPL programs alone in no release; bpf_probe_read_kernel is.
    let gpl_only = code("r1 = r10\nr1 += -8\nr2 = 8\nr3 = 0\ncall bpf_probe_read_kernel\nr0 = 0\nexit\n");
    compare("licences", &[], |side, out| {
        for license in LICENSES {
            let mut bytes = license.as_bytes().to_vec();
            bytes.push(0);
            let load =
                Load { program_type: 2, insns: &gpl_only, license: &bytes, log_level: 1, ..Load::default() };
            let loaded = load.call(&side);
            out.note(format!("{license:?}"), (loaded.ret.min(0), normalised(&loaded.log)));
            side.close(loaded.ret);
        }
        // Longer than is read, with and without an end in what is.
        for len in [4, 126, 127, 128, 129, 300] {
            let mut bytes = vec![b'x'; len];
            bytes.push(0);
            let load = Load { insns: &TRIVIAL, license: &bytes, ..Load::default() };
            out.descriptor(format!("{len} characters"), side, load.call(&side).ret);
        }
    });
}

/// What `BPF_OBJ_GET_INFO_BY_FD` says of a program that does not depend on time, ids and addresses.
fn tag(side: Side, fd: i64) -> (i64, Vec<u8>, String, u32) {
    let mut info = [0_u8; 232];
    let mut attr = Attr::default().fd(0, fd).u32(4, 232).u64(8, info.as_mut_ptr() as u64);
    let ret = side.bpf(command::OBJ_GET_INFO_BY_FD, &mut attr.0, 16);
    let name = String::from_utf8_lossy(&info[64..80]).trim_end_matches('\0').to_string();
    let verified = u32::from_le_bytes([info[216], info[217], info[218], info[219]]);
    (ret, info[8..16].to_vec(), name, verified)
}

/// The tag hashes the instructions as they were given, but for the descriptors of maps.
#[test]
fn tags_and_names() {
    compare("tags", &[], |side, out| {
        let map =
            MapCreate { map_type: 2, key_size: 4, value_size: 16, max_entries: 1, ..MapCreate::default() };
        let maps = [map.call(&side), map.call(&side)];
        let texts = [
            "r0 = 0\nexit\n".to_string(),
            "r0 = 1\nexit\n".to_string(),
            "r1 = 0x1122334455667788 ll\nr0 = 2\nexit\n".to_string(),
            format!("r1 = map_fd {}\nr0 = 2\nexit\n", maps[0]),
            format!("r1 = map_fd {}\nr0 = 2\nexit\n", maps[1]),
            format!("r1 = map_fd_value {} +0\nr0 = 2\nexit\n", maps[0]),
            format!("r1 = map_fd_value {} +8\nr0 = 2\nexit\n", maps[0]),
            format!("r1 = map_fd_value {} +8\nr0 = 2\nexit\n", maps[1]),
            "call out\nexit\nout:\nr0 = 3\nexit\n".to_string(),
            "call bpf_ktime_get_ns\nr0 = 0\nexit\n".to_string(),
            // Code that is never reached is taken out after the tag is made.
            "r0 = 0\nif r0 == 0 goto out\nr0 = 7\nout:\nexit\n".to_string(),
        ];
        for (text, at) in texts.iter().zip(0..) {
            let insns = code(text);
            for (program_type, license) in [(1, &b"GPL\0"[..]), (6, &b"\0"[..])] {
                let load =
                    Load { program_type, insns: &insns, license, name: "some.name_1", ..Load::default() };
                let loaded = load.call(&side);
                let shown = text.lines().next().unwrap_or_default().split("fd").next().unwrap_or_default();
                let asked = format!("text {at} ({shown}), type {program_type}");
                if loaded.ret < 0 {
                    out.ret(asked, loaded.ret);
                    continue;
                }
                out.note(asked, tag(side, loaded.ret));
                side.close(loaded.ret);
            }
        }
        maps.iter().for_each(|map| side.close(*map));
    });
}

/// Every program type with a packet: sizes of data, context and buffers, flags.
#[test]
fn arguments_of_test_runs() {
    let known = [
        ("type 32/45", "test runs of netfilter programs are not built yet"),
        (
            "type 6/0: 4096 bytes of data",
            "a buffer smaller than an XDP packet's later pages gets its beginning",
        ),
        (
            "type 6/0: 9000 bytes of data",
            "a buffer smaller than an XDP packet's later pages gets its beginning",
        ),
        ("type 6/0: flags 0x2", "live frames would leave for the network, and there is none"),
    ];
    compare("test runs", &known, |side, out| {
        let types = [
            (1, 0),
            (3, 0),
            (6, 0),
            (8, 0),
            (8, 1),
            (10, 0),
            (11, 0),
            (12, 0),
            (2, 0),
            (5, 0),
            (7, 0),
            (13, 0),
            (17, 0),
            (22, 17),
            (9, 2),
            (30, 36),
            (31, 0),
            (32, 45),
        ];
        for (program_type, expected_attach_type) in types {
            let insns = code("r0 = 1\nexit\n");
            let flags = if program_type == 31 { 1 << 4 } else { 0 };
            let load = Load { program_type, expected_attach_type, flags, insns: &insns, ..Load::default() };
            let fd = load.call(&side).ret;
            let name = format!("type {program_type}/{expected_attach_type}");
            out.note(format!("{name}: load"), fd >= 0);
            if fd < 0 {
                continue;
            }
            let mut ask = |asked: String, run: TestRun| {
                let ran = run.call(&side, fd);
                let answer = (errno_name(ran.ret), ran.value, digest(&ran.data), ran.data_size);
                out.note(format!("{name}: {asked}"), (answer, digest(&ran.context), ran.context_size));
            };
            for len in [0, 1, 13, 14, 15, 20, 34, 64, 1500, 3000, 4096, 9000] {
                let data: Vec<u8> = (0..len).map(|at| (at * 7) as u8).collect();
                for data_out in [0, 1, 64, 9000] {
                    let run = TestRun { data: Some(&data), data_out, repeat: 1, ..TestRun::default() };
                    ask(format!("{len} bytes of data, {data_out} out"), run);
                }
            }
            ask("no data".into(), TestRun::default());
            let data = [0; 64];
            let base = TestRun { data: Some(&data), data_out: 64, ..TestRun::default() };
            for len in [0, 1, 8, 12, 24, 64, 192, 200, 1024] {
                for byte in [0, 1] {
                    let context = vec![byte; len];
                    for context_out in [0, 24, 256] {
                        let run = TestRun { context: Some(&context), context_out, ..base };
                        ask(format!("{len} bytes of context, all {byte}, {context_out} out"), run);
                        let run = TestRun { data: None, data_out: 0, ..run };
                        ask(format!("{len} bytes of context, all {byte}, {context_out} out, no data"), run);
                    }
                }
            }
            for repeat in [0, 1, 2, 3] {
                ask(format!("repeat {repeat}"), TestRun { repeat, ..base });
            }
            for bit in 0..32 {
                ask(format!("flags {:#x}", 1_u32 << bit), TestRun { flags: 1 << bit, ..base });
                ask(
                    format!("flags {:#x}, no data", 1_u32 << bit),
                    TestRun { flags: 1 << bit, ..TestRun::default() },
                );
            }
            for cpu in [1, 2, 1000, u32::MAX] {
                ask(format!("cpu {cpu}"), TestRun { cpu, ..base });
                ask(format!("cpu {cpu}, flag"), TestRun { cpu, flags: 1, ..TestRun::default() });
            }
            side.close(fd);
            let ran = base.call(&side, fd);
            out.note(format!("{name}: closed"), ran.ret);
        }
        let map =
            MapCreate { map_type: 2, key_size: 4, value_size: 8, max_entries: 1, ..MapCreate::default() };
        let map = map.call(&side);
        let data = [0; 64];
        for (what, fd) in [("a map", map), ("stdin", 0), ("-1", -1), ("9999", 9999)] {
            out.note(what, TestRun { data: Some(&data), ..TestRun::default() }.call(&side, fd).ret);
        }
        let insns = TRIVIAL;
        let fd = Load { program_type: 6, insns: &insns, ..Load::default() }.call(&side).ret;
        let good = address(&data);
        for (what, attr) in [
            ("data nowhere", Attr::default().u32(8, 64).u64(16, FAR_AWAY)),
            ("data null", Attr::default().u32(8, 64)),
            ("data without size", Attr::default().u64(16, good)),
            ("output nowhere", Attr::default().u32(8, 64).u64(16, good).u32(12, 64).u64(24, FAR_AWAY)),
            ("output null", Attr::default().u32(8, 64).u64(16, good).u32(12, 64)),
            ("output without size", Attr::default().u32(8, 64).u64(16, good).u64(24, FAR_AWAY)),
            ("context nowhere", Attr::default().u32(8, 64).u64(16, good).u32(40, 24).u64(48, FAR_AWAY)),
            ("context null", Attr::default().u32(8, 64).u64(16, good).u32(40, 24)),
            ("context without size", Attr::default().u32(8, 64).u64(16, good).u64(48, good)),
        ] {
            let mut attr = attr.fd(0, fd);
            out.ret(what, side.bpf(command::PROG_TEST_RUN, &mut attr.0, 80));
            out.note(format!("{what}: sizes"), (attr.get_u32(12), attr.get_u32(44), attr.get_u32(4)));
        }
        side.close(fd);
        side.close(map);
    });
}
