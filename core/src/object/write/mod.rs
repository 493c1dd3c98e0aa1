//! Writing objects: an [`Object`] as an ELF file that eBPF loaders read.
//!
//! Maps are defined by BTF in `.maps`, maps whose value a program addresses become sections of global data,
//! and functions that programs call lie in `.text`, where libbpf wants them.

mod btf;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use object::write::{Object as Elf, Relocation, SectionId, Symbol, SymbolId, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, RelocationFlags, SectionKind, SymbolFlags, SymbolKind,
    SymbolScope, elf,
};

use super::{Code, CodeFunction, Inner, Object, ObjectMap, ObjectProgram, ProgramKind};
use crate::isa::{self, CallTarget, Imm64, Insn, Pc, RawInsn, decode_program};
use crate::map::MapSpec;
use crate::program;

/// `R_BPF_64_64`: a 64-bit immediate load.
const LOAD: RelocationFlags = RelocationFlags::Elf { r_type: elf::R_BPF_64_64 };
/// `R_BPF_64_32`: a call.
const CALL: RelocationFlags = RelocationFlags::Elf { r_type: elf::R_BPF_64_32 };
/// Source field of a load of an address in a map's value.
const MAP_VALUE: u8 = 2;
/// `BPF_MAP_TYPE_ARRAY` and `BPF_F_RDONLY_PROG`, which is what global data is kept in.
const ARRAY: u32 = 2;
const READ_ONLY: u32 = 1 << 7;

/// What an object file can't say.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum WriteError {
    /// The program's instructions could not be made in the first place.
    NoCode { program: String },
    /// A program without a type.
    NoType { program: String },
    /// No section name stands for that type, attach type and flags.
    NoSection { program: String, kind: ProgramKind },
    /// A map's value is addressed or given, and it is not what global data is: an array of one element whose
    /// flags are 0 or `BPF_F_RDONLY_PROG`.
    Value { map: String },
    /// A map's field that a definition has no place for.
    Map { map: String, field: &'static str },
    /// A reference to a map, or an instruction that needs one, in a place that has none.
    Reference { program: String, at: Pc },
    /// A jump from one function into another.
    Jump { program: String, at: Pc },
    /// The writer of ELF files refused.
    Elf(String),
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WriteError::NoCode { program } => write!(f, "program {program} has no instructions"),
            WriteError::NoType { program } => {
                write!(f, "program {program} has no type, which its section's name would say: add `.type`")
            }
            WriteError::NoSection { program, kind } => {
                let row = program::types::TYPES.iter().find(|row| row.number == kind.program_type);
                let name = row.map_or_else(|| kind.program_type.to_string(), |row| row.name.into());
                write!(
                    f,
                    "program {program}: no section name stands for type {name} with attach type {} and flags {:#x}",
                    kind.attach_type, kind.flags
                )
            }
            WriteError::Value { map } => write!(
                f,
                "map {map}: its value is addressed or given, which objects have for global data alone: \
                 an array with 4-byte keys, one entry, and flags 0 or 0x80"
            ),
            WriteError::Map { map, field } => write!(f, "map {map}: an object has no place for its {field}"),
            WriteError::Reference { program, at } => {
                write!(f, "program {program}: instruction {at} refers to what is not there")
            }
            WriteError::Jump { program, at } => {
                write!(f, "program {program}: instruction {at} jumps into another function")
            }
            WriteError::Elf(why) => f.write_str(why),
        }
    }
}

impl core::error::Error for WriteError {}

/// Where a map lies in the file.
enum Place {
    /// In `.maps`, under a symbol of its own.
    Definition(SymbolId),
    /// A section of global data.
    Data(SymbolId),
}

/// Writes an object file. Type information and source lines that the object came with are left out.
///
/// # Errors
/// What an object file can't say.
pub fn write(object: &Object) -> Result<Vec<u8>, WriteError> {
    let mut writer = Writer {
        elf: Elf::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little),
        places: BTreeMap::new(),
        sections: BTreeMap::new(),
        names: BTreeSet::new(),
    };
    if let Some(license) = &object.license {
        let mut text = license.clone().into_bytes();
        text.push(0);
        writer.data("license", SectionKind::Data, &text);
    }
    if let Some(version) = object.version {
        writer.data("version", SectionKind::Data, &version.to_le_bytes());
    }
    writer.maps(object)?;
    for program in &object.programs {
        writer.program(program)?;
    }
    writer.elf.write().map_err(|error| WriteError::Elf(error.to_string()))
}

struct Writer<'a> {
    elf: Elf<'a>,
    /// By index into [`Object::maps`].
    places: BTreeMap<usize, Place>,
    sections: BTreeMap<String, SectionId>,
    /// Names of symbols that are taken.
    names: BTreeSet<String>,
}

impl Writer<'_> {
    fn section(&mut self, name: &str, kind: SectionKind) -> SectionId {
        if let Some(id) = self.sections.get(name) {
            return *id;
        }
        let id = self.elf.add_section(Vec::new(), name.as_bytes().to_vec(), kind);
        self.sections.insert(name.into(), id);
        id
    }

    fn data(&mut self, name: &str, kind: SectionKind, bytes: &[u8]) -> SectionId {
        let id = self.section(name, kind);
        self.elf.append_section_data(id, bytes, 8);
        id
    }

    fn symbol(
        &mut self,
        name: &str,
        section: SectionId,
        kind: SymbolKind,
        global: bool,
        offset: u64,
        size: u64,
    ) -> SymbolId {
        let mut unique = String::from(name);
        let mut number = 2_u32;
        while !self.names.insert(unique.clone()) {
            unique = format!("{name}.{number}");
            number += 1;
        }
        self.elf.add_symbol(Symbol {
            name: unique.into_bytes(),
            value: offset,
            size,
            kind,
            // Loaders take nothing hidden.
            scope: if global { SymbolScope::Dynamic } else { SymbolScope::Compilation },
            weak: false,
            section: SymbolSection::Section(section),
            flags: SymbolFlags::None,
        })
    }

    fn maps(&mut self, object: &Object) -> Result<(), WriteError> {
        let addressed = values(object);
        let (mut definitions, mut offset) = (btf::Builder::new(), 0);
        let mut symbols = Vec::new();
        for (index, map) in object.maps.iter().enumerate() {
            if addressed.contains(&index) || !map.contents.is_empty() {
                let section = self.global_data(map)?;
                let symbol = self.elf.section_symbol(section);
                self.places.insert(index, Place::Data(symbol));
                continue;
            }
            let inner = definable(object, map)?;
            let size = definitions.map(&map.name, &map.spec, inner, offset);
            symbols.push((index, map.name.clone(), offset, size));
            offset += size;
        }
        if symbols.is_empty() {
            return Ok(());
        }
        let section = self.data(".maps", SectionKind::Data, &vec![0; offset as usize]);
        self.data(".BTF", SectionKind::Other, &definitions.finish(offset));
        for (index, name, offset, size) in symbols {
            let symbol = self.symbol(&name, section, SymbolKind::Data, true, offset.into(), size.into());
            self.places.insert(index, Place::Definition(symbol));
        }
        Ok(())
    }

    /// A map as a section of global data.
    fn global_data(&mut self, map: &ObjectMap) -> Result<SectionId, WriteError> {
        let MapSpec { map_type, key_size, max_entries, flags, value_size, .. } = map.spec;
        let prefix = match flags {
            0 => ".data",
            READ_ONLY => ".rodata",
            _ => "",
        };
        if map_type != ARRAY || key_size != 4 || max_entries != 1 || prefix.is_empty() {
            return Err(WriteError::Value { map: map.name.clone() });
        }
        let name =
            if map.name.starts_with(prefix) { map.name.clone() } else { format!("{prefix}.{}", map.name) };
        let mut bytes = map.contents.clone();
        bytes.resize(value_size as usize, 0);
        let kind = if flags == READ_ONLY { SectionKind::ReadOnlyData } else { SectionKind::Data };
        Ok(self.data(&name, kind, &bytes))
    }

    fn program(&mut self, program: &ObjectProgram) -> Result<(), WriteError> {
        let name = || program.name.clone();
        let code = program.code.as_ref().map_err(|_| WriteError::NoCode { program: name() })?;
        let kind = program.kind.ok_or_else(|| WriteError::NoType { program: name() })?;
        let section_name =
            kind.section_name().ok_or_else(|| WriteError::NoSection { program: name(), kind })?;
        let insns = decode_program(&code.insns);
        let functions = functions(code);
        // Where each function lies: its section, its byte there, its symbol.
        let mut placed: Vec<(SectionId, u64, SymbolId)> = Vec::new();
        let ends = functions.iter().skip(1).map(|f| f.at.index()).chain([code.insns.len()]);
        for (number, (function, end)) in functions.iter().zip(ends).enumerate() {
            let slots = code.insns.get(function.at.index()..end).unwrap_or_default();
            let section_name = if number == 0 { section_name } else { ".text" };
            let section = self.section(section_name, SectionKind::Text);
            let bytes = isa::bytes(&relocatable(slots, function.at, code));
            let offset = self.elf.append_section_data(section, &bytes, 8);
            let (len, global) = (bytes.len() as u64, number == 0);
            let symbol = self.symbol(&function.name, section, SymbolKind::Text, global, offset, len);
            placed.push((section, offset, symbol));
        }
        let containing = |slot: i64| {
            let past = functions.partition_point(|f| i64::from(f.at.0) <= slot);
            past.checked_sub(1).filter(|_| slot < insns.len() as i64)
        };
        for (slot, insn) in insns.iter().enumerate() {
            let at = Pc(slot as u32);
            let missing = || WriteError::Reference { program: name(), at };
            let Some(own) = containing(slot as i64) else { continue };
            let (section, offset, _) = placed[own];
            let offset = offset + (slot - functions[own].at.index()) as u64 * RawInsn::SIZE as u64;
            let (symbol, flags) = if let Some(used) = code.map_uses.iter().find(|used| used.at == at) {
                match self.places.get(&used.map).ok_or_else(missing)? {
                    Place::Definition(symbol) | Place::Data(symbol) => (*symbol, LOAD),
                }
            } else {
                let (to, flags) = match insn {
                    Ok(Insn::Goto { off, .. }) => (i64::from(*off), None),
                    Ok(Insn::MayGoto { off } | Insn::Branch { off, .. }) => (i64::from(*off), None),
                    Ok(Insn::Call(CallTarget::Local(off))) => (i64::from(*off), Some(CALL)),
                    Ok(Insn::LoadImm64 { value: Imm64::Function { offset }, .. }) => {
                        (i64::from(*offset), Some(LOAD))
                    }
                    _ => continue,
                };
                let to = containing(slot as i64 + 1 + to);
                match (to, flags) {
                    (Some(to), Some(flags)) => (placed[to].2, flags),
                    (None, Some(_)) => return Err(missing()),
                    (to, None) if to.is_some_and(|to| to != own) => {
                        return Err(WriteError::Jump { program: name(), at });
                    }
                    (_, None) => continue,
                }
            };
            let relocation = Relocation { offset, symbol, addend: 0, flags };
            self.elf.add_relocation(section, relocation).map_err(|e| WriteError::Elf(e.to_string()))?;
        }
        Ok(())
    }
}

/// The maps whose value some program addresses.
fn values(object: &Object) -> BTreeSet<usize> {
    let codes = object.programs.iter().filter_map(|program| program.code.as_ref().ok());
    let uses = codes.flat_map(|code| {
        let value = |at: Pc| code.insns.get(at.index()).is_some_and(|insn| insn.src == MAP_VALUE);
        code.map_uses.iter().filter(move |used| value(used.at)).map(|used| used.map)
    });
    uses.collect()
}

/// Checks that a map can be defined by BTF; gives back what its inner maps are like.
fn definable<'a>(object: &'a Object, map: &'a ObjectMap) -> Result<Option<&'a MapSpec>, WriteError> {
    let none = |field| Err(WriteError::Map { map: map.name.clone(), field });
    if map.spec.extra != 0 {
        return none("map_extra");
    }
    if !map.slots.is_empty() {
        return none("initial elements");
    }
    Ok(match &map.inner {
        Some(Inner::Map(inner)) => object.maps.get(*inner).map(|map| &map.spec),
        Some(Inner::Spec(spec)) => Some(spec),
        None => None,
    })
}

/// The functions of a program, by first slot: those with a name, and what is called without one.
fn functions(code: &Code) -> Vec<CodeFunction> {
    let mut functions = code.functions.clone();
    for (slot, insn) in decode_program(&code.insns).iter().enumerate() {
        let offset = match insn {
            Ok(Insn::Call(CallTarget::Local(offset))) => *offset,
            Ok(Insn::LoadImm64 { value: Imm64::Function { offset }, .. }) => *offset,
            _ => continue,
        };
        let at = u32::try_from(slot as i64 + 1 + i64::from(offset)).map(Pc);
        if let Ok(at) = at
            && at.index() < code.insns.len()
            && !functions.iter().any(|function| function.at == at)
        {
            functions.push(CodeFunction { at, name: format!("function_{at}"), type_id: None });
        }
    }
    functions.sort_by_key(|function| function.at);
    functions
}

/// A function's slots as a file has them: what a relocation fills in holds the addend.
fn relocatable(slots: &[RawInsn], first: Pc, code: &Code) -> Vec<RawInsn> {
    let mut out = slots.to_vec();
    for (slot, insn) in decode_program(slots).iter().enumerate() {
        let at = Pc(first.0 + slot as u32);
        let uses_map = code.map_uses.iter().any(|used| used.at == at);
        match insn {
            Ok(Insn::Call(CallTarget::Local(_))) => out[slot].imm = -1,
            Ok(Insn::LoadImm64 { value: Imm64::Function { .. }, .. }) => out[slot].imm = 0,
            Ok(Insn::LoadImm64 { .. }) if uses_map => {
                let offset = if out[slot].src == MAP_VALUE { out[slot + 1].imm } else { 0 };
                out[slot] = RawInsn { src: 0, imm: offset, ..out[slot] };
                out[slot + 1].imm = 0;
            }
            _ => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::asm::{assemble, print};
    use crate::loader::{from_assembly, to_assembly};
    use crate::names::{Uapi, map_type};

    const TEXT: &str = r#"
.type xdp
.attach 37
.license "Dual MIT/GPL"
.map counts hash 4 8 16
.map .rodata.limits array 4 8 1 0x80
.contents .rodata.limits "0700000000000000"

.func main
    r1 = map counts
    r1 = map_value .rodata.limits +4
    r2 = function second
    call second
    call third
    if r0 == 0 goto out
    r0 = 1
out:
    exit
.func second
    r0 = 0
    exit
.func third
    call second
    exit
"#;

    #[test]
    fn what_is_written_reads_back_as_the_same_text() {
        let object = from_assembly(&assemble(TEXT, &Uapi).unwrap());
        let read = Object::parse(&write(&object).unwrap()).unwrap();
        let program = read.program("main").unwrap();
        assert!(program.code.is_ok(), "{:?}", program.code);
        let text = |object: &Object| {
            print(&to_assembly(object, object.program("main").unwrap()).unwrap(), &Uapi, &map_type)
        };
        assert_eq!(text(&read), text(&object));
    }

    #[test]
    fn what_an_object_can_not_say_is_refused() {
        let refused = |text: &str| {
            let object = from_assembly(&assemble(text, &Uapi).unwrap());
            write(&object).unwrap_err().to_string()
        };
        let body = "r0 = 0\nexit\n";
        assert!(refused(body).contains("add `.type`"));
        assert!(refused(&format!(".type xdp\n.attach 99\n{body}")).contains("attach type 99"));
        let value = ".type xdp\n.map m hash 4 8 1\nr1 = map_value m\nr0 = 0\nexit\n";
        assert!(refused(value).contains("global data alone"));
        let jump = ".type xdp\n.func a\ncall b\ngoto +1\nexit\n.func b\nr0 = 0\nexit\n";
        assert!(refused(jump).contains("jumps into another function"));
    }
}
