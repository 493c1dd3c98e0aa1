use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use std::borrow::Cow;

use proptest::collection;
use proptest::prelude::*;

use super::*;
use crate::isa::disasm::{Names, NoNames, text};
use crate::isa::{bytes, decode};

struct Table;
const HELPERS: &[(&str, i32)] = &[("bpf_map_lookup_elem", 1), ("bpf_ktime_get_ns", 5)];
const MAP_TYPES: &[(&str, u32)] = &[("hash", 1), ("array", 2)];
impl Resolver for Table {
    fn helper(&self, name: &str) -> Option<i32> {
        HELPERS.iter().find(|row| row.0 == name).map(|row| row.1)
    }
    fn map_type(&self, name: &str) -> Option<u32> {
        MAP_TYPES.iter().find(|row| row.0 == name).map(|row| row.1)
    }
}
impl Names for Table {
    fn helper(&self, number: i32) -> Option<Cow<'_, str>> {
        HELPERS.iter().find(|row| row.1 == number).map(|row| row.0.into())
    }
}

fn map_type(number: u32) -> Option<&'static str> {
    MAP_TYPES.iter().find(|row| row.1 == number).map(|row| row.0)
}

fn read(text: &str) -> Assembly {
    assemble(text, &Table).unwrap_or_else(|errors| panic!("{errors:?} in\n{text}"))
}

fn complaints(text: &str) -> Vec<String> {
    assemble(text, &Table).unwrap_err().iter().map(ToString::to_string).collect()
}

const COUNTER: &str = r#".type xdp
.license "Dual MIT/GPL"
.map counts array 4 8 256
.map seen hash 4 4 16 0x1

    r6 = *(u32 *)(r1 +0)
    *(u32 *)(r10 -4) = 0
    r2 = r10
    r2 += -4
    r1 = map counts
    call bpf_map_lookup_elem#1
    if r0 == 0x0 goto out
    r1 = 1
    lock *(u64 *)(r0 +0) += r1
loop:
    r1 = map_value counts +8
    call count
    if w0 s> 0x5 goto loop
out:
    r0 = 2
    exit
.func count
    r0 = 0x1122334455667788 ll
    r0 = atomic64_fetch_add((u64 *)(r1 +0), r0)
    exit
"#;

#[test]
fn a_program_with_labels_maps_and_functions_prints_back_to_itself() {
    let assembly = read(COUNTER);
    assert_eq!(print(&assembly, &Table, &map_type), COUNTER);
    assert_eq!(assembly.license.as_deref(), Some("Dual MIT/GPL"));
    assert_eq!(assembly.maps[1].flags, 1);
    let references: Vec<_> =
        assembly.map_references.iter().map(|r| (r.at.0, r.map, r.value_offset)).collect();
    assert_eq!(references, [(4, 0, None), (10, 0, Some(8))]);
    assert_eq!(assembly.lines[4], 10);
    // `if r0 == 0 goto out` at slot 7, `out` at slot 14.
    assert_eq!(assembly.insns[7].off, 6);
    // `call count` at slot 12, `count` at slot 16.
    assert_eq!((assembly.insns[12].src, assembly.insns[12].imm), (1, 3));
    assert!(assembly.labels.iter().any(|l| l.name == "count" && l.function && l.at == Pc(16)));
}

#[test]
fn what_others_print_is_read_too() {
    for (given, kernel) in [
        ("3: (b7) r0 = 0                        ; R0=0", "r0 = 0"),
        ("(7b) *(u64 *)(r10 -8) = r1", "*(u64 *)(r10 -8) = r1"),
        ("w0 = *(u32 *)(r1 + 0x10)", "r0 = *(u32 *)(r1 +16)"),
        ("*(u8*)(r1+0) = w3 // stores", "*(u8 *)(r1 +0) = r3"),
        ("if r1 == 0x0 goto +0x5 <LBB0_2+0x8>", "if r1 == 0x0 goto pc+5"),
        ("if r1 == -1 goto pc-1", "if r1 == 0xffffffff goto pc-1"),
        ("call 0x1", "call bpf_map_lookup_elem#1"),
        ("call #5", "call bpf_ktime_get_ns#5"),
        ("call bpf_ktime_get_ns # the time", "call bpf_ktime_get_ns#5"),
        ("call pc-1", "call pc-1"),
        ("lock *(u32 *)(r1 + 0x0) |= w2", "lock *(u32 *)(r1 +0) |= r2"),
        ("w3 = atomic_fetch_xor((u32 *)(r1), w3)", "r3 = atomic_fetch_xor((u32 *)(r1 +0), r3)"),
        ("w1 &= 0xffffffff", "w1 &= -1"),
        ("r0 = *(u16 *)skb[r7]", "r0 = *(u16 *)skb[r7 + 0]"),
        ("r1=r2", "r1 = r2"),
    ] {
        assert_eq!(text(&read(given).insns, &Table), kernel, "{given}");
    }
    assert_eq!(read("(18) r1 = 0x5").insns.len(), 2);
    assert_eq!(read("r1 = 0x100000000").insns.len(), 2);
    assert_eq!(read("r1 = 5").insns.len(), 1);
    // A label goes before a helper.
    assert_eq!(read("bpf_ktime_get_ns: call bpf_ktime_get_ns").insns[0].src, 1);
}

#[test]
fn errors_say_where_and_what_was_expected() {
    for (text, expected) in [
        (
            "r11 = 0",
            "line 1, column 1: expected an instruction: a register, `*(`, `lock`, `if`, `goto`, `gotol`, `may_goto`, `call`, `store_release` or `exit`, found `r11`",
        ),
        (
            "  r0 = r12",
            "line 1, column 8: expected a register, a number, be16, le16, bswap16, load_acquire, atomic64_fetch_add, addr_space_cast, map, map_value or function, found `r12`",
        ),
        (
            "\nr0 += 0x80000000",
            "line 2, column 7: expected a 64-bit register or a number from -2147483648 to 2147483647, found 2147483648",
        ),
        (
            "if r0 = 0 goto out",
            "line 1, column 7: expected a comparison: ==, !=, >, >=, <, <=, s>, s>=, s<, s<= or &, found `=`",
        ),
        ("if r0 == w1 goto out", "line 1, column 10: expected a 64-bit register, r0 to r10, found `w1`"),
        ("goto nowhere", "line 1, column 6: expected a label, found `nowhere`, which is none"),
        ("call nobody", "line 1, column 6: expected a label or a helper, found `nobody`, which is none"),
        (
            "goto pc+40000",
            "line 1, column 6: expected a target within reach, found one 40000 slots away, more than 32767 (gotol reaches further)",
        ),
        (
            "a:\na: exit",
            "line 2, column 1: expected a new label, found `a`, which stands at an earlier line too",
        ),
        (
            "r0 = *(u64 *)(r1 +99999)",
            "line 1, column 18: expected an offset from -32768 to 32767, found 99999",
        ),
        (
            "r1 = map counts",
            "line 1, column 10: expected a map that a `.map` line above names, found `counts`",
        ),
        (
            ".map counts heap 4 8 1",
            "line 1, column 13: expected a map type, as `hash` or `array`, found `heap`",
        ),
        (
            ".licence GPL",
            "line 1, column 1: expected .type, .attach, .flags, .license, .map, .contents, .func or .bytes, found `.licence`",
        ),
        (
            ".map a hash 4 2 1\n.contents a \"010203\"",
            "line 2, column 13: expected at most 2 bytes in all, found 3",
        ),
        (
            ".map a hash 4 2 1\n.contents a \"0g\"",
            "line 2, column 13: expected bytes in quotes, two hexadecimal digits each, found something else",
        ),
        ("exit exit", "line 1, column 6: expected the line's end, found `exit`"),
        (
            "call bpf_ktime_get_ns#6",
            "line 1, column 6: expected `bpf_ktime_get_ns#5`, found `bpf_ktime_get_ns#6`",
        ),
        ("r1 = be16 r2", "line 1, column 11: expected the same register as before `=`, number 1, found `r2`"),
        (
            "r1 = 0x1ffffffffffffffff",
            "line 1, column 6: expected a decimal or 0x hexadecimal number of at most 64 bits, found `0x1ffffffffffffffff`",
        ),
        ("r1 = 5 é", "line 1, column 8: expected an instruction, a label or a directive, found `é`"),
        (
            "lock *(u16 *)(r0 +0) += r1",
            "line 1, column 8: expected u32 or u64 for an atomic operation, found another size",
        ),
    ] {
        assert_eq!(complaints(text), [expected], "{text}");
    }
    // One error a line, every line.
    assert_eq!(complaints("r0 = \nexit\nr99 = 1\ngoto x").len(), 3);
}

/// Slots of one valid instruction.
fn slots() -> impl Strategy<Value = Vec<RawInsn>> {
    let codes: Vec<u8> = (0..=255).collect();
    let imm = prop_oneof![
        any::<i32>(),
        prop::sample::select(vec![
            0, 1, 16, 32, 64, 0x40, 0x50, 0xa0, 0x41, 0x51, 0xa1, 0xe1, 0xf1, 0x100, 0x110, 0x10000
        ]),
    ];
    let off = prop_oneof![any::<i16>(), prop::sample::select(vec![0_i16, 1, -1, 8, 16, 32])];
    let fields = (prop::sample::select(codes), 0..11_u8, 0..11_u8, off, imm, any::<i32>());
    fields.prop_filter_map("no instruction", |(code, dst, src, off, imm, high)| {
        // A draw whose unused fields are cleared one by one until it decodes.
        for mask in 0..16 {
            let raw = RawInsn {
                code,
                dst: if mask & 1 == 0 { dst } else { 0 },
                src: if mask & 2 == 0 { src } else { 0 },
                off: if mask & 4 == 0 { off } else { 0 },
                imm: if mask & 8 == 0 { imm } else { 0 },
            };
            let second =
                RawInsn { imm: if raw.src == 1 || raw.src == 5 { 0 } else { high }, ..RawInsn::default() };
            if let Ok(insn) = decode(&[raw, second]) {
                return Some(if insn.slots() == 2 { vec![raw, second] } else { vec![raw] });
            }
        }
        None
    })
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z_.][a-z0-9_.$]{0,8}",
        "r[0-9]{1,2}",
        "\\PC{0,6}",
        Just("pc".to_string()),
        Just("a\"\\\n".to_string())
    ]
}

prop_compose! {
    fn assemblies()(
        program in collection::vec(slots(), 0..20),
        program_type in proptest::option::of(name()),
        license in proptest::option::of(name()),
        attach_type in proptest::option::of(any::<u32>()),
        program_flags in proptest::option::of(any::<u32>()),
        maps in collection::vec((name(), 0..40_u32, any::<[u32; 4]>(), any::<bool>()), 0..3),
        labels in collection::vec((name(), any::<prop::sample::Index>(), any::<bool>()), 0..4),
        reference in any::<u32>(),
    ) -> Assembly {
        let mut out = Assembly { program_type, attach_type, program_flags, license, ..Assembly::default() };
        for (name, map_type, [key_size, value_size, max_entries, flags], inner) in maps {
            let inner = out.maps.first().filter(|_| inner).map(|m| m.name.clone());
            if out.maps.iter().all(|m| m.name != name) {
                let contents = (0..value_size.min(flags % 70)).map(|at| at as u8).collect();
                let map = MapDirective { name, map_type, key_size, value_size, max_entries, flags, inner, contents };
                out.maps.push(map);
            }
        }
        let mut starts = Vec::new();
        for slots in program {
            let at = Pc(out.insns.len() as u32);
            starts.push(at);
            if slots.len() == 2 && !out.maps.is_empty() && slots[0].src == 2 {
                let first = RawInsn { imm: 0, ..slots[0] };
                out.insns.extend([first, RawInsn::default()]);
                let map = reference % out.maps.len() as u32;
                out.map_references.push(MapReference { at, map, value_offset: Some(reference) });
            } else {
                out.insns.extend(slots);
            }
        }
        starts.push(Pc(out.insns.len() as u32));
        for (name, index, function) in labels {
            if out.labels.iter().all(|l| l.name != name) {
                out.labels.push(Label { name, at: starts[index.index(starts.len())], function });
            }
        }
        out.labels.sort_by_key(|l| l.at);
        out
    }
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(assembly in assemblies()) {
        let text = print(&assembly, &Table, &map_type);
        let back = assemble(&text, &Table);
        let back = back.map_err(|e| TestCaseError::fail(format!("{e:?} in\n{text}")))?;
        prop_assert_eq!(&Assembly { lines: Vec::new(), ..back.clone() }, &assembly, "{}", text);
        prop_assert_eq!(print(&back, &Table, &map_type), text);
    }

    #[test]
    fn a_valid_instruction_in_the_logs_own_form_is_read_back(slots in slots()) {
        // Loads of 64 bits print without their kind; the assembly's own form has it.
        prop_assume!(slots.len() == 1 && slots[0].code != 0x8d && slots[0].src != 2 || slots[0].code & 7 != 5);
        // An exit's offset is ignored, and not shown.
        prop_assume!(slots[0].code != 0x95 || slots[0].off == 0);
        let text = text(&slots, &NoNames);
        prop_assume!(slots.len() == 1 && !text.starts_with("call unknown"));
        prop_assert_eq!(bytes(&read(&text).insns), bytes(&slots), "{}", text);
    }

    #[test]
    fn any_slots_print_and_are_read_back(raw: Vec<[u8; 8]>) {
        let insns: Vec<RawInsn> = raw.into_iter().map(RawInsn::from_bytes).collect();
        let assembly = Assembly { insns, ..Assembly::default() };
        let text = print(&assembly, &NoNames, &map_type);
        prop_assert_eq!(bytes(&read(&text).insns), bytes(&assembly.insns), "{}", text);
    }

    #[test]
    fn no_text_panics(text in "\\PC*") {
        let _ = assemble(&text, &Table);
    }

    #[test]
    fn no_text_made_of_pieces_panics(pieces in collection::vec(prop::sample::select(vec![
        "r1", "w2", "=", "*(", "u32", "*)", "(r1", "+4", ")", "if", "goto", "pc", "+", "-", "call", "#", "1", "0x10",
        "lock", "ll", "\n", ":", "map", ".map", "array", "x", "s>", "atomic64_fetch_add", "(", ",", "\"", "\\", "skb[",
    ]), 0..20)) {
        let _ = assemble(&pieces.join(" "), &Table);
        let _ = assemble(&pieces.concat(), &Table);
    }
}
