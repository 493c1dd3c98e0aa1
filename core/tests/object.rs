//! Objects: one of this project's own, those of other projects in the shared data, and mutations of them.

use std::path::{Path, PathBuf};

use glasshive::isa::asm::{assemble, print};
use glasshive::isa::{CallTarget, Imm64, Insn, decode_program};
use glasshive::loader::{from_assembly, to_assembly};
use glasshive::names::{self, Uapi};
use glasshive::object::{Code, Inner, Object, Problem, Slot};

/// The shared objects, by path; empty where they are absent.
fn objects() -> Vec<(String, Vec<u8>)> {
    fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                collect(&path, found);
            } else if path.extension().is_some_and(|e| e == "o") {
                found.push(path);
            }
        }
    }
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/objects"));
    let mut found = Vec::new();
    collect(root, &mut found);
    found.sort();
    if found.is_empty() {
        eprintln!("skipped: {} is absent", root.display());
    }
    let named = |path: PathBuf| {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        (name, std::fs::read(path).unwrap())
    };
    found.into_iter().map(named).collect()
}

/// What is refused of the shared objects: file, program (none for the file as a whole), and how the reason
/// begins.
const REFUSED: &[(&str, Option<&str>, &str)] = &[
    ("build/badrelo.o", Some("func"), "section .text, byte 0x28: ebpf_map_update_elem is defined nowhere"),
    (
        "build/externalfunction.o",
        Some("func"),
        "section .text, byte 0x30: bpf_map_lookup_elem is defined nowhere",
    ),
    (
        "cilium-examples/tcprtt_bpf_bpfel.o",
        Some("tcp_close"),
        "section fentry/tcp_close, byte 0x8: CO-RE relocation of struct sock (0:0:2)",
    ),
    ("invalid/badsymsize.o", None, "not a well-formed 64-bit ELF file: Invalid ELF section index"),
    ("invalid/invalid-lddw.o", Some("func"), "section .text, byte 0x8: 64-bit immediate load without"),
];

#[test]
fn shared_objects_load_or_are_refused_for_a_reason() {
    let mut refused = Vec::new();
    let objects = objects();
    for (name, bytes) in &objects {
        let object = match Object::parse(bytes) {
            Ok(object) => object,
            Err(error) => {
                refused.push((name.clone(), None, error.to_string()));
                continue;
            }
        };
        assert!(!object.programs.is_empty(), "{name}");
        for program in &object.programs {
            let code = match &program.code {
                Ok(code) => code,
                Err(error) => {
                    refused.push((name.clone(), Some(program.name.clone()), error.to_string()));
                    continue;
                }
            };
            let insns = decode_program(&code.insns);
            for (slot, insn) in insns.iter().enumerate() {
                let second = slot > 0 && insns[slot - 1].is_ok_and(|i| i.slots() == 2);
                assert!(insn.is_ok() || second, "{name} {} slot {slot}: {insn:?}", program.name);
            }
            for used in &code.map_uses {
                assert!(used.map < object.maps.len());
                assert!(matches!(code.insns[used.at.index()].src, 1 | 2), "{name} {}", program.name);
            }
            assert!(code.lines.is_sorted_by(|a, b| a.at < b.at), "{name} {}", program.name);
        }
    }
    if objects.is_empty() {
        return;
    }
    assert_eq!(refused.len(), REFUSED.len(), "{refused:#?}");
    for ((file, program, reason), expected) in refused.iter().zip(REFUSED) {
        assert_eq!((file.as_str(), program.as_deref()), (expected.0, expected.1));
        assert!(reason.starts_with(expected.2), "{reason}");
    }
}

const CALLS: &[u8] = include_bytes!("objects/calls.o");

#[test]
fn maps_of_btf_and_of_data_are_read() {
    let object = Object::parse(CALLS).unwrap();
    assert_eq!(object.license.as_deref(), Some("GPL"));
    let btf = object.btf.as_ref().unwrap();
    let names: Vec<_> = object.maps.iter().map(|m| m.name.as_str()).collect();
    assert_eq!(names, ["first", "second", "outer", "jumps", ".data", ".rodata", ".bss"]);
    let map = |name: &str| object.maps.iter().find(|m| m.name == name).unwrap();
    let spec = |name: &str| {
        let spec = &map(name).spec;
        (spec.map_type, spec.key_size, spec.value_size, spec.max_entries, spec.flags)
    };
    assert_eq!(spec("first"), (2, 4, 8, 4, 0));
    assert_eq!(btf.type_name(map("first").value_type.unwrap()), "u64");
    assert_eq!(spec("outer"), (12, 4, 4, 3, 0));
    let Some(Inner::Spec(inner)) = &map("outer").inner else { panic!("{:?}", map("outer")) };
    assert_eq!((inner.map_type, inner.key_size, inner.value_size, inner.max_entries), (2, 4, 8, 4));
    assert_eq!(map("outer").slots, [(0, Slot::Map(0)), (2, Slot::Map(1))]);
    assert_eq!(map("jumps").slots, [(1, Slot::Program("last".into()))]);
    // `step`, then `limit`; `scale` and a text; `total`.
    assert_eq!((spec(".data").2, spec(".data").4, map(".data").frozen), (8, 0, false));
    assert_eq!(map(".data").contents, [3, 0, 0, 0, 7, 0, 0, 0]);
    assert_eq!((spec(".rodata").2, spec(".rodata").4, map(".rodata").frozen), (12, 1 << 7, true));
    assert_eq!(map(".rodata").contents, b"\x05\0\0\0last %d\0");
    assert_eq!((spec(".bss").2, map(".bss").contents.len()), (8, 0));
    assert_eq!(
        btf.declare(map(".data").value_type.unwrap(), ""),
        btf.type_name(map(".data").value_type.unwrap())
    );
}

#[test]
fn a_program_is_followed_by_what_it_calls() {
    let object = Object::parse(CALLS).unwrap();
    let listed: Vec<_> = object
        .programs
        .iter()
        .map(|p| (p.name.as_str(), p.section.as_str(), p.kind.map(|k| (k.program_type, k.attach_type))))
        .collect();
    assert_eq!(
        listed,
        [("last", "xdp", Some((6, 37))), ("sum", "xdp", Some((6, 37))), ("other", "somewhere", None)]
    );
    let code = |name: &str| object.program(name).unwrap().code.as_ref().unwrap();
    let functions = |name: &str| code(name).functions.iter().map(|f| f.name.as_str()).collect::<Vec<_>>();
    // In the order in which they are met.
    assert_eq!(functions("sum"), ["sum", "each", "add", "grow"]);
    assert_eq!(functions("last"), ["last", "grow"]);
    for name in ["sum", "last"] {
        let (code, btf) = (code(name), object.btf.as_ref().unwrap());
        let starts: Vec<u32> = code.functions.iter().map(|f| f.at.0).collect();
        let mut met = vec![0];
        for (slot, insn) in decode_program(&code.insns).iter().enumerate() {
            let offset = match insn {
                Ok(Insn::Call(CallTarget::Local(offset))) => *offset,
                Ok(Insn::LoadImm64 { value: Imm64::Function { offset }, .. }) => *offset,
                _ => continue,
            };
            met.push((slot as i64 + 1 + i64::from(offset)) as u32);
        }
        met.sort_unstable();
        met.dedup();
        assert_eq!(met, starts, "{name}");
        for function in &code.functions {
            assert_eq!(btf.name_of(function.type_id.unwrap()), function.name);
            let line = code.line_at(function.at).unwrap();
            assert!(btf.text(line.file).ends_with("calls.c"));
            assert!(!btf.text(line.text).is_empty() && line.at == function.at);
        }
        assert_eq!(code.func_info().len(), 8 * code.functions.len());
        assert_eq!(code.line_info().len(), 16 * code.lines.len());
    }
    // `limit`, 4 bytes into `.data`.
    let data = object.maps.iter().position(|m| m.name == ".data").unwrap();
    let store = code("last").map_uses.iter().find(|u| u.map == data).unwrap();
    assert_eq!(code("last").insns[store.at.index()].src, 2);
    assert_eq!(code("last").insns[store.at.index() + 1].imm, 4);
}

#[test]
fn a_program_as_text_is_the_same_program() {
    let mut files = vec![("calls.o".to_owned(), CALLS.to_vec())];
    files.extend(objects().into_iter().filter(|(_, bytes)| bytes.len() < 200_000));
    for (file, bytes) in &files {
        let Ok(object) = Object::parse(bytes) else { continue };
        for program in &object.programs {
            let Some(assembly) = to_assembly(&object, program) else { continue };
            let text = print(&assembly, &Uapi, &names::map_type);
            let read =
                assemble(&text, &Uapi).unwrap_or_else(|e| panic!("{file} {}: {e:?}\n{text}", program.name));
            assert_eq!(print(&read, &Uapi, &names::map_type), text);
            let again = from_assembly(&read);
            let (code, expected) = (again.programs[0].code.as_ref().unwrap(), program.code.as_ref().unwrap());
            assert_eq!(code.insns, expected.insns, "{file} {}", program.name);
            assert_eq!(code.map_uses.len(), expected.map_uses.len());
            for (used, expected) in code.map_uses.iter().zip(&expected.map_uses) {
                let (map, expected) = (&again.maps[used.map], &object.maps[expected.map]);
                assert_eq!((&map.name, &map.spec), (&expected.name, &expected.spec));
                assert_eq!(
                    (&map.contents, map.frozen),
                    (&expected.contents, expected.frozen && !map.contents.is_empty())
                );
            }
            let starts = |code: &Code| code.functions.iter().map(|f| f.at).collect::<Vec<_>>();
            assert_eq!(starts(code), starts(expected));
            assert_eq!(again.programs[0].kind, program.kind);
        }
    }
}

/// A small generator of numbers: the same from run to run.
struct Numbers(u64);
impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % below.max(1)
    }
}

#[test]
fn no_damage_panics() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut files = vec![("calls.o".to_owned(), CALLS.to_vec())];
    files.extend(objects().into_iter().filter(|(_, bytes)| bytes.len() < 20_000));
    for (name, bytes) in &files {
        for _ in 0..150 {
            let mut damaged = bytes.clone();
            for _ in 0..1 + numbers.next(6) {
                // Half of the damage goes to what steers the rest: the header, the section table at the end.
                let at = match numbers.next(4) {
                    0 => numbers.next(64),
                    1 => damaged.len().saturating_sub(1 + numbers.next(1200)),
                    _ => numbers.next(damaged.len()),
                };
                damaged[at] = [0, 1, 0x7f, 0x80, 0xff, numbers.next(256) as u8][numbers.next(6)];
            }
            if numbers.next(8) == 0 {
                damaged.truncate(numbers.next(damaged.len()));
            }
            if let Err(error) = Object::parse(&damaged) {
                assert!(!error.to_string().is_empty(), "{name}");
            }
        }
    }
}

#[test]
fn what_is_no_object_is_refused() {
    for (bytes, expected) in [
        (&b""[..], "not a well-formed 64-bit ELF file"),
        (&b"\x7fELF"[..], "not a well-formed 64-bit ELF file"),
        (&[0x95; 4096][..], "not a well-formed 64-bit ELF file"),
    ] {
        let error = Object::parse(bytes).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let mut foreign = CALLS.to_vec();
    foreign[18] = 62;
    let error = Object::parse(&foreign).unwrap_err();
    assert_eq!(error.problem, Problem::Machine(62));
    assert_eq!(error.to_string(), "for machine 62, not eBPF (247)");
}
