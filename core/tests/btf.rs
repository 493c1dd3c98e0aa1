//! BTF: a blob written by hand, the objects in the shared data, and mutations of both.

use glasshive::object::btf::{Btf, BtfError, IntEncoding, Type, TypeId, ext};
use object::{Object, ObjectSection};
use std::path::Path;

/// A BTF of the given types (words after one another) and strings.
fn blob(types: &[u32], strings: &str) -> Vec<u8> {
    let words = [0x0001_eb9f, 24, 0, types.len() as u32 * 4, types.len() as u32 * 4, strings.len() as u32];
    let mut bytes: Vec<u8> = words.iter().chain(types).flat_map(|w| w.to_le_bytes()).collect();
    bytes.extend_from_slice(strings.as_bytes());
    bytes
}

const STRINGS: &str = "\0int\0node\0next\0value\0handler\0u32\0";
const INT: [u32; 4] = [1, 1 << 24, 4, 1 << 24 | 32];

fn sample() -> Btf {
    let types = [
        &INT[..],                                   // 1: int
        &[5, 4 << 24 | 2, 16, 10, 3, 0, 15, 4, 64], // 2: struct node { next: 3, value: 4 }
        &[0, 2 << 24, 2],                           // 3: struct node *
        &[0, 3 << 24, 0, 1, 1, 2],                  // 4: int [2]
        &[0, 13 << 24 | 2, 1, 0, 3, 0, 0],          // 5: int (struct node *, ...)
        &[0, 2 << 24, 5],                           // 6: pointer to 5
        &[0, 10 << 24, 6],                          // 7: const of 6
        &[29, 8 << 24, 1],                          // 8: typedef int u32
        &[0, 10 << 24, 8],                          // 9: const u32
        &[0, 2 << 24, 4],                           // 10: int (*)[2]
    ]
    .concat();
    Btf::parse(&blob(&types, STRINGS)).unwrap()
}

#[test]
fn types_have_names_sizes_and_c_text() {
    let btf = sample();
    assert_eq!(btf.len(), 11);
    let node = btf.find("node", |t| matches!(t, Type::Struct { .. })).unwrap();
    let Some(Type::Struct { members, size: 16, .. }) = btf.get(node) else { panic!("{:?}", btf.get(node)) };
    let names: Vec<&str> = btf.members(members).iter().map(|m| btf.text(m.name)).collect();
    assert_eq!(names, ["next", "value"]);
    assert!(matches!(btf.get(TypeId(1)), Some(Type::Int { encoding: IntEncoding::Signed, bits: 32, .. })));
    assert_eq!(btf.size_of(TypeId(4)), Some(8));
    assert_eq!(btf.size_of(TypeId(9)), Some(4));
    assert_eq!(btf.size_of(TypeId(5)), None);
    assert_eq!(btf.resolve(TypeId(9)), TypeId(1));
    for (id, name, text) in [
        (2, "n", "struct node n"),
        (3, "head", "struct node *head"),
        (4, "pair", "int pair[2]"),
        (7, "handler", "int (*const handler)(struct node *, ...)"),
        (9, "", "const u32"),
        (10, "rows", "int (*rows)[2]"),
        (0, "", "void"),
    ] {
        assert_eq!(btf.declare(TypeId(id), name), text);
    }
}

#[test]
fn what_is_wrong_is_named() {
    let parse = |types: &[u32]| Btf::parse(&blob(types, STRINGS)).unwrap_err();
    assert_eq!(parse(&[0, 2 << 24, 9]), BtfError::Reference { id: TypeId(1), to: 9 });
    assert_eq!(parse(&[0, 31 << 24, 0]), BtfError::Kind { id: TypeId(1), kind: 31 });
    assert_eq!(parse(&[99, 8 << 24, 0]), BtfError::Name { id: TypeId(1), offset: 99 });
    assert_eq!(parse(&[1, 8 << 24, 1]), BtfError::Loop { id: TypeId(1) });
    assert_eq!(
        parse(&[5, 4 << 24 | 1, 8, 0, 2, 0, 0, 3 << 24, 0, 1, 1, 1]),
        BtfError::Loop { id: TypeId(1) }
    );
    assert!(matches!(parse(&[1, 1 << 24]), BtfError::Truncated { what: "types", .. }));
    assert_eq!(Btf::parse(b"\x9f\xeb\x02\0\0\0\0\0").unwrap_err(), BtfError::Version(2));
    assert!(matches!(Btf::parse(&[]).unwrap_err(), BtfError::Truncated { what: "header", .. }));
}

#[test]
fn prototypes_that_name_each_other_print_in_bounded_time() {
    // 1: a prototype with 60 parameters, each a pointer (2) to it.
    let mut types = vec![0, 13 << 24 | 60, 0];
    types.extend([0, 2].repeat(60));
    types.extend([0, 2 << 24, 1]);
    let btf = Btf::parse(&blob(&types, STRINGS)).unwrap();
    assert!(btf.declare(TypeId(2), "f").len() < 1 << 20);
}

/// The BTF sections of the shared objects.
fn sections() -> Vec<(String, Vec<u8>, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/objects");
    let mut found = Vec::new();
    let mut folders = vec![folder];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let Ok(file) = object::File::parse(&*bytes) else { continue };
            let section = |name| file.section_by_name(name).and_then(|s| s.data().ok()).map(<[u8]>::to_vec);
            if let (Some(btf), Some(ext)) = (section(".BTF"), section(".BTF.ext")) {
                found.push((path.display().to_string(), btf, ext));
            }
        }
    }
    found
}

#[test]
fn the_shared_objects_are_read() {
    let sections = sections();
    if sections.is_empty() {
        println!("skipped: ../shared/objects is absent");
        return;
    }
    for (path, btf, ext) in &sections {
        let btf = Btf::parse(btf).unwrap_or_else(|e| panic!("{path}: {e}"));
        let infos = ext::parse(ext, &btf).unwrap_or_else(|e| panic!("{path}: {e}"));
        assert!(infos.iter().any(|s| !s.functions.is_empty()), "{path} has no function");
        for info in &infos {
            for function in &info.functions {
                assert!(matches!(btf.get(function.function), Some(Type::Function { .. })), "{path}");
            }
            assert!(info.lines.is_sorted_by_key(|l| l.offset), "{path}");
        }
        for (id, _) in btf.types() {
            btf.declare(id, "x");
        }
    }
}

#[test]
fn no_mutation_panics() {
    let hand = blob(&[0, 2 << 24, 0, 1, 1 << 24, 4, 1 << 24 | 32], STRINGS);
    let mut inputs: Vec<(Vec<u8>, Vec<u8>)> = vec![(hand, Vec::new())];
    inputs.extend(
        sections().into_iter().map(|(_, btf, ext)| (btf, ext)).filter(|(b, _)| b.len() < 8000).take(6),
    );
    let mut seed = 1u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed as usize
    };
    for (btf, ext_bytes) in &inputs {
        for _ in 0..300 {
            let (mut btf, mut ext_bytes) = (btf.clone(), ext_bytes.clone());
            for bytes in [&mut btf, &mut ext_bytes] {
                for _ in 0..1 + random() % 3 {
                    if let Some(len) = bytes.len().checked_sub(1).filter(|l| *l > 0) {
                        bytes[random() % len] = random() as u8;
                    }
                }
                if random() % 8 == 0 {
                    bytes.truncate(random() % (bytes.len() + 1));
                }
            }
            if let Ok(btf) = Btf::parse(&btf) {
                let _ = ext::parse(&ext_bytes, &btf);
                for (id, _) in btf.types() {
                    btf.size_of(id);
                    btf.declare(id, "x");
                }
            }
        }
    }
}
