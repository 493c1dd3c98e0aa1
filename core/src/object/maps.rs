//! Maps of an object: defined by BTF (`.maps`), by the structures of older loaders (`maps`), or made to
//! hold global data.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::btf::{Btf, Type, TypeId};
use super::elf::{Elf, Section, SectionIndex, Symbol, SymbolType};
use super::{ObjectError, Problem};
use crate::map::MapSpec;

/// A map of an object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectMap {
    /// Its name in the source, or its section's for global data.
    pub name: String,
    /// What it is to be created with; the BTF types are [`ObjectMap::key_type`] and
    /// [`ObjectMap::value_type`].
    pub spec: MapSpec,
    /// Where it comes from.
    pub origin: MapOrigin,
    /// The first value's bytes before any program runs; empty for zeros.
    pub contents: Vec<u8>,
    /// Whether user space may not write it once it has its contents.
    pub frozen: bool,
    /// For a map of maps: what its inner maps are like.
    pub inner: Option<Inner>,
    /// What some elements are to be: maps of a map of maps, programs of a program array.
    pub slots: Vec<(u32, Slot)>,
    /// Whether it asks to be pinned by its name.
    pub pinned: bool,
    /// The key's type in the object's BTF.
    pub key_type: Option<TypeId>,
    /// The value's.
    pub value_type: Option<TypeId>,
}

/// Where a map comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapOrigin {
    /// A variable of the `.maps` section, defined by its BTF type.
    Btf,
    /// A structure in the `maps` section (`struct bpf_map_def` and its likes).
    Legacy,
    /// A section of global data: an array with one element.
    Data,
    /// A `.map` line of a text.
    Directive,
}

/// What the inner maps of a map of maps are like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Inner {
    /// Defined in place.
    Spec(Box<MapSpec>),
    /// Another map of the object, by index into [`Object::maps`](super::Object::maps).
    Map(usize),
}

/// An element's initial value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Slot {
    /// A map of the object, by index into [`Object::maps`](super::Object::maps).
    Map(usize),
    /// A program of the object, by its function's name.
    Program(String),
}

/// `BPF_F_RDONLY_PROG`.
const READ_ONLY_TO_PROGRAMS: u32 = 1 << 7;
const ARRAY_OF_MAPS: u32 = 12;
const HASH_OF_MAPS: u32 = 13;
const RINGBUF: u32 = 27;
const USER_RINGBUF: u32 = 31;
/// Bytes of a descriptor, which is what user space stores in a map of maps and in a program array.
const DESCRIPTOR: u32 = 4;
/// Longest name that the kernel takes.
const NAME_LEN: usize = 15;

/// The maps, and what relocations against their sections mean.
pub(super) struct MapTable {
    pub maps: Vec<ObjectMap>,
    /// The map that a definition makes, by its section and byte offset.
    pub definitions: BTreeMap<(usize, u64), usize>,
    /// The sections that hold definitions.
    pub definition_sections: Vec<SectionIndex>,
    /// The map that holds a section of global data.
    pub data: BTreeMap<usize, usize>,
}

fn map_error(section: &Section, offset: u64, map: &str, why: impl Into<String>) -> ObjectError {
    ObjectError::new(section.name, Some(offset), Problem::Map { map: map.into(), why: why.into() })
}

/// Reads all maps.
pub(super) fn read(elf: &Elf, btf: Option<&Btf>) -> Result<MapTable, ObjectError> {
    let mut table = MapTable {
        maps: Vec::new(),
        definitions: BTreeMap::new(),
        definition_sections: Vec::new(),
        data: BTreeMap::new(),
    };
    for section in elf.sections.iter().filter(|s| s.name == ".maps" && s.size > 0) {
        table.definition_sections.push(section.index);
        let btf = btf.ok_or_else(|| ObjectError::new(section.name, None, Problem::MapsWithoutBtf))?;
        table.defined_by_btf(elf, section, btf)?;
    }
    let legacy = |s: &&Section| (s.name == "maps" || s.name.starts_with("maps/")) && s.size > 0;
    table.legacy(elf, elf.sections.iter().filter(legacy))?;
    for section in elf.sections.iter().filter(|s| is_data(s)) {
        table.data_section(section, btf)?;
    }
    Ok(table)
}

fn is_data(section: &Section) -> bool {
    let named = [".data", ".rodata", ".bss"].iter().any(|kind| match section.name.strip_prefix(kind) {
        Some(rest) => rest.is_empty() || rest.starts_with('.'),
        None => false,
    });
    named && section.allocated && !section.executable && section.size > 0
}

fn kernel_name(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.')).take(NAME_LEN).collect()
}

fn variables<'e, 'a>(elf: &'e Elf<'a>, section: &Section) -> impl Iterator<Item = &'e Symbol<'a>> {
    elf.symbols_of(section.index)
        .filter(|s| matches!(s.kind, SymbolType::Object | SymbolType::NoType) && !s.name.is_empty())
}

impl MapTable {
    fn defined_by_btf(&mut self, elf: &Elf, section: &Section, btf: &Btf) -> Result<(), ObjectError> {
        let id = btf.find(section.name, |ty| matches!(ty, Type::Section { .. }));
        let Some(Type::Section { variables: parts, .. }) = id.and_then(|id| btf.get(id)) else {
            return Err(ObjectError::new(section.name, None, Problem::MapsWithoutBtf));
        };
        // (first byte, byte past the last, where `values` begins, map)
        let mut extents = Vec::new();
        for variable in btf.variables(parts) {
            let name = btf.name_of(variable.variable);
            let symbol = variables(elf, section).find(|s| s.name == name);
            let symbol = symbol.ok_or_else(|| map_error(section, 0, name, "has no symbol"))?;
            let Some(Type::Variable { of, .. }) = btf.get(variable.variable) else {
                return Err(map_error(section, symbol.value, name, "is no variable in the BTF"));
            };
            let (map, values) = definition(btf, *of, name, true)
                .map_err(|why| map_error(section, symbol.value, name, why))?;
            let index = self.maps.len();
            self.definitions.insert((section.index.0, symbol.value), index);
            let size = btf.size_of(*of).map_or(symbol.size, |size| symbol.size.max(size.into()));
            extents.push((symbol.value, symbol.value.saturating_add(size), values, index));
            self.maps.push(map);
        }
        for relocation in &section.relocations {
            let at =
                |e: &&(u64, u64, Option<u64>, usize)| e.0 <= relocation.offset && relocation.offset < e.1;
            let symbol = &elf.symbols[relocation.symbol];
            let Some(&(start, _, Some(values), index)) = extents.iter().find(at) else {
                return Err(map_error(
                    section,
                    relocation.offset,
                    symbol.name,
                    "is no element of a map's `values`",
                ));
            };
            let name = self.maps[index].name.clone();
            let element = relocation.offset.checked_sub(start.saturating_add(values)).map(|byte| byte / 8);
            let element = element.and_then(|e| u32::try_from(e).ok());
            let element = element.ok_or_else(|| {
                map_error(section, relocation.offset, &name, "has a reference outside of `values`")
            })?;
            let to = symbol.section.map_or(usize::MAX, |s| s.0);
            let slot = match self.definitions.get(&(to, symbol.value)) {
                Some(map) => Slot::Map(*map),
                None if symbol.kind == SymbolType::Function => Slot::Program(symbol.name.into()),
                None => {
                    let why = format!("has {}, neither a map nor a program, as an element", symbol.name);
                    return Err(map_error(section, relocation.offset, &name, why));
                }
            };
            if let (Slot::Map(inner), None) = (&slot, &self.maps[index].inner) {
                self.maps[index].inner = Some(Inner::Map(*inner));
            }
            self.maps[index].slots.push((element, slot));
        }
        Ok(())
    }

    fn legacy<'s, 'a: 's>(
        &mut self,
        elf: &Elf,
        sections: impl Iterator<Item = &'s Section<'a>>,
    ) -> Result<(), ObjectError> {
        let first = self.maps.len();
        // What a map says of itself and its inner one: (own id, inner's id, inner's index).
        let mut inner: Vec<(u32, u32, Option<u32>)> = Vec::new();
        let mut places = Vec::new();
        for section in sections {
            self.definition_sections.push(section.index);
            let mut symbols: Vec<&Symbol> = variables(elf, section).filter(|s| !s.local).collect();
            symbols.sort_by_key(|s| s.value);
            for (at, symbol) in symbols.iter().enumerate() {
                let end = match symbol.size {
                    0 => symbols.get(at + 1).map_or(section.size, |next| next.value),
                    size => symbol.value.saturating_add(size),
                };
                let range = usize::try_from(symbol.value).unwrap_or(usize::MAX)
                    ..usize::try_from(end).unwrap_or(usize::MAX);
                let bytes = section
                    .data
                    .get(range)
                    .ok_or_else(|| map_error(section, symbol.value, symbol.name, "ends past its section"))?;
                let words: Vec<u32> = bytes.as_chunks().0.iter().map(|w| u32::from_le_bytes(*w)).collect();
                let [map_type, key_size, value_size, max_entries, rest @ ..] = &words[..] else {
                    let why = "is smaller than type, key size, value size and entries: 16 bytes";
                    return Err(map_error(section, symbol.value, symbol.name, why));
                };
                let of_maps = matches!(*map_type, ARRAY_OF_MAPS | HASH_OF_MAPS);
                inner.push(match rest {
                    // iproute2: flags, id, pinning, inner id, inner index.
                    [_, id, _, inner_id, ..] => (*id, if of_maps { *inner_id } else { 0 }, None),
                    // The kernel's samples: flags, inner index, NUMA node.
                    [_, index, ..] if of_maps => (0, 0, Some(*index)),
                    _ => (0, 0, None),
                });
                places.push((section, symbol.value));
                self.definitions.insert((section.index.0, symbol.value), self.maps.len());
                self.maps.push(ObjectMap {
                    name: symbol.name.into(),
                    spec: MapSpec {
                        map_type: *map_type,
                        key_size: *key_size,
                        // Loaders of maps of maps knew what a value is: a descriptor.
                        value_size: if of_maps { DESCRIPTOR } else { *value_size },
                        max_entries: *max_entries,
                        flags: rest.first().copied().unwrap_or(0),
                        name: kernel_name(symbol.name),
                        ..MapSpec::default()
                    },
                    origin: MapOrigin::Legacy,
                    contents: Vec::new(),
                    frozen: false,
                    inner: None,
                    slots: Vec::new(),
                    pinned: false,
                    key_type: None,
                    value_type: None,
                });
            }
        }
        for (at, (_, inner_id, index)) in inner.iter().enumerate() {
            let found = match (index, inner_id) {
                (Some(index), _) => usize::try_from(*index).ok().filter(|i| *i < inner.len()),
                (None, 0) => continue,
                (None, id) => inner.iter().position(|other| other.0 == *id),
            };
            let map = &mut self.maps[first + at];
            let Some(found) = found.filter(|i| *i != at) else {
                let (section, offset) = places[at];
                return Err(map_error(section, offset, &map.name, "names an inner map that is not there"));
            };
            map.inner = Some(Inner::Map(first + found));
        }
        Ok(())
    }

    fn data_section(&mut self, section: &Section, btf: Option<&Btf>) -> Result<(), ObjectError> {
        let value_size = u32::try_from(section.size).ok().filter(|size| *size <= i32::MAX as u32);
        let value_size = value_size
            .ok_or_else(|| ObjectError::new(section.name, None, Problem::DataSize(section.size)))?;
        let read_only = section.name.starts_with(".rodata");
        self.data.insert(section.index.0, self.maps.len());
        self.maps.push(ObjectMap {
            name: section.name.into(),
            spec: MapSpec {
                map_type: 2,
                key_size: 4,
                value_size,
                max_entries: 1,
                flags: if read_only { READ_ONLY_TO_PROGRAMS } else { 0 },
                name: kernel_name(section.name),
                ..MapSpec::default()
            },
            origin: MapOrigin::Data,
            contents: if section.zero { Vec::new() } else { section.data.to_vec() },
            frozen: read_only,
            inner: None,
            slots: Vec::new(),
            pinned: false,
            key_type: None,
            value_type: btf.and_then(|b| b.find(section.name, |ty| matches!(ty, Type::Section { .. }))),
        });
        Ok(())
    }
}

/// Reads a map's definition from its structure type: the map, and the byte at which `values` begins.
fn definition(btf: &Btf, of: TypeId, name: &str, outer: bool) -> Result<(ObjectMap, Option<u64>), String> {
    let Some(Type::Struct { members, .. }) = btf.get(btf.resolve(of)) else {
        return Err(format!("has the type `{}`, not a structure", btf.type_name(of)));
    };
    let mut map = ObjectMap {
        name: name.into(),
        spec: MapSpec { name: kernel_name(name), ..MapSpec::default() },
        origin: MapOrigin::Btf,
        contents: Vec::new(),
        frozen: false,
        inner: None,
        slots: Vec::new(),
        pinned: false,
        key_type: None,
        value_type: None,
    };
    let mut values = None;
    for member in btf.members(members) {
        let field = btf.text(member.name);
        let number = || {
            number(btf, member.of).ok_or_else(|| {
                format!("`{field}` is `{}`, not written with __uint", btf.type_name(member.of))
            })
        };
        let typed = |size: &mut u32| {
            let Some(Type::Pointer { to }) = btf.get(btf.resolve(member.of)) else {
                return Err(format!("`{field}` is `{}`, not written with __type", btf.type_name(member.of)));
            };
            let bytes = btf.size_of(*to).ok_or_else(|| format!("`{field}` has no size"))?;
            if *size != 0 && *size != bytes {
                return Err(format!("`{field}` has {bytes} bytes, but its size is said to be {size}"));
            }
            *size = bytes;
            Ok(Some(*to))
        };
        let sized = |size: &mut u32| {
            let bytes = number()?;
            if *size != 0 && *size != bytes {
                return Err(format!("`{field}` is {bytes}, but its type has {size} bytes"));
            }
            *size = bytes;
            Ok(())
        };
        match field {
            "type" => map.spec.map_type = number()?,
            "max_entries" => map.spec.max_entries = number()?,
            "map_flags" => map.spec.flags = number()?,
            "map_extra" => map.spec.extra = number()?.into(),
            // There is one memory node.
            "numa_node" => drop(number()?),
            "pinning" => map.pinned = number()? == 1,
            "key_size" => sized(&mut map.spec.key_size)?,
            "value_size" => sized(&mut map.spec.value_size)?,
            "key" => map.key_type = typed(&mut map.spec.key_size)?,
            "value" => map.value_type = typed(&mut map.spec.value_size)?,
            "values" if outer => {
                values = Some(u64::from(member.bit_offset / 8));
                let Some(Type::Array { element, .. }) = btf.get(btf.resolve(member.of)) else {
                    return Err("`values` is not written with __array".into());
                };
                let Some(Type::Pointer { to }) = btf.get(btf.resolve(*element)) else {
                    return Err("`values` is not an array of pointers".into());
                };
                // A program array's elements are functions; a map of maps' are maps.
                if let Some(Type::Struct { .. }) = btf.get(btf.resolve(*to)) {
                    let (inner, _) = definition(btf, *to, &format!("{name}.inner"), false)
                        .map_err(|why| format!("inner map {why}"))?;
                    map.inner = Some(Inner::Spec(Box::new(inner.spec)));
                }
                if map.spec.value_size == 0 {
                    map.spec.value_size = DESCRIPTOR;
                }
            }
            _ => return Err(format!("has the field `{field}`, which no map definition has")),
        }
    }
    if map.spec.map_type == 0 {
        return Err("names no type".into());
    }
    // A ring buffer's `value` only says what its records are.
    if matches!(map.spec.map_type, RINGBUF | USER_RINGBUF) {
        (map.spec.key_size, map.spec.value_size) = (0, 0);
    }
    Ok((map, values))
}

/// The number of `__uint(name, number)`: a pointer to an array of that many elements; or an enumeration with
/// one value.
fn number(btf: &Btf, of: TypeId) -> Option<u32> {
    match btf.get(btf.resolve(of))? {
        Type::Pointer { to } => match btf.get(btf.resolve(*to))? {
            Type::Array { len, .. } => Some(*len),
            _ => None,
        },
        Type::Enum { values, .. } => match btf.values(values) {
            [value] => u32::try_from(value.value).ok(),
            _ => None,
        },
        _ => None,
    }
}
