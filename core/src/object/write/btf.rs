//! The BTF that says what the maps of a `.maps` section are.

use alloc::vec::Vec;

use crate::map::MapSpec;

/// Kinds of types (the kernel's Documentation/bpf/btf.rst).
const INT: u32 = 1;
const POINTER: u32 = 2;
const ARRAY: u32 = 3;
const STRUCTURE: u32 = 4;
const VARIABLE: u32 = 14;
const SECTION: u32 = 15;

/// Bytes of a pointer, which is what every member of a definition is.
const MEMBER_SIZE: u32 = 8;

/// A type's number, from 1.
#[derive(Clone, Copy)]
struct Id(u32);

/// A `.BTF` section that is being written.
pub(super) struct Builder {
    types: Vec<u8>,
    last: u32,
    strings: Vec<u8>,
    int: Id,
    /// Variable, byte offset in `.maps` and size of each map.
    maps: Vec<[u32; 3]>,
}

impl Builder {
    pub(super) fn new() -> Builder {
        let mut builder =
            Builder { types: Vec::new(), last: 0, strings: alloc::vec![0], int: Id(0), maps: Vec::new() };
        let name = builder.string("int");
        // Signed, 32 bits.
        builder.int = builder.push(name, INT, 0, 4, &[1 << 24 | 32]);
        builder
    }

    /// Adds a map's definition at that byte of `.maps`; gives back its size.
    pub(super) fn map(&mut self, name: &str, spec: &MapSpec, inner: Option<&MapSpec>, offset: u32) -> u32 {
        let (structure, size) = self.definition(spec, inner);
        let name = self.string(name);
        // Global.
        let variable = self.push(name, VARIABLE, 0, structure.0, &[1]);
        self.maps.push([variable.0, offset, size]);
        size
    }

    /// The section's bytes, the `.maps` section itself being `size` bytes long.
    pub(super) fn finish(mut self, size: u32) -> Vec<u8> {
        let name = self.string(".maps");
        let maps = core::mem::take(&mut self.maps);
        self.push(name, SECTION, maps.len() as u32, size, maps.as_flattened());
        let (types, strings) = (self.types.len() as u32, self.strings.len() as u32);
        let mut bytes = Vec::new();
        // Magic number, version 1, no flags.
        bytes.extend([0x9f, 0xeb, 1, 0]);
        for word in [24, 0, types, types, strings] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(self.types);
        bytes.extend(self.strings);
        bytes
    }

    fn definition(&mut self, spec: &MapSpec, inner: Option<&MapSpec>) -> (Id, u32) {
        let fields = [
            ("type", spec.map_type),
            ("key_size", spec.key_size),
            ("value_size", spec.value_size),
            ("max_entries", spec.max_entries),
            ("map_flags", spec.flags),
        ];
        let mut members = Vec::new();
        for (name, number) in fields.into_iter().filter(|field| field.1 != 0) {
            let array = self.array(self.int, number);
            let pointer = self.push(0, POINTER, 0, array.0, &[]);
            members.push([self.string(name), pointer.0]);
        }
        let size = members.len() as u32 * MEMBER_SIZE;
        if let Some(inner) = inner {
            let (structure, _) = self.definition(inner, None);
            let pointer = self.push(0, POINTER, 0, structure.0, &[]);
            let values = self.array(pointer, 0);
            members.push([self.string("values"), values.0]);
        }
        let offsets = (0_u32..).step_by(8 * MEMBER_SIZE as usize);
        let words: Vec<u32> = members.iter().zip(offsets).flat_map(|([n, of], at)| [*n, *of, at]).collect();
        (self.push(0, STRUCTURE, members.len() as u32, size, &words), size)
    }

    fn array(&mut self, element: Id, len: u32) -> Id {
        self.push(0, ARRAY, 0, 0, &[element.0, self.int.0, len])
    }

    /// Appends a type: `struct btf_type` and the words behind it.
    fn push(&mut self, name: u32, kind: u32, len: u32, size_or_type: u32, behind: &[u32]) -> Id {
        for word in [name, kind << 24 | len, size_or_type].iter().chain(behind) {
            self.types.extend(word.to_le_bytes());
        }
        self.last += 1;
        Id(self.last)
    }

    fn string(&mut self, text: &str) -> u32 {
        let at = self.strings.len() as u32;
        self.strings.extend(text.as_bytes());
        self.strings.push(0);
        at
    }
}
