//! The parts of an ELF file that a loader needs, read and checked.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use object::read::elf::{ElfFile64, FileHeader};
use object::{Endianness, Object as _, ObjectSection as _, ObjectSymbol as _};
use object::{RelocationTarget, SectionFlags, SymbolFlags};

use super::{ObjectError, Problem};

/// `e_machine` of eBPF.
const EM_BPF: u16 = 247;
const SHT_NOBITS: u32 = 8;
const SHF_ALLOC: u64 = 2;
const SHF_EXECINSTR: u64 = 4;

/// Where a section stands in its file's table.
pub(super) type SectionIndex = object::SectionIndex;

/// A section.
pub(super) struct Section<'a> {
    pub index: SectionIndex,
    pub name: &'a str,
    /// Its bytes; none where the file keeps none (`.bss`).
    pub data: &'a [u8],
    /// Bytes in memory.
    pub size: u64,
    /// Whether it is part of what is loaded.
    pub allocated: bool,
    /// Whether it has instructions.
    pub executable: bool,
    /// Whether its bytes are all zero and not in the file.
    pub zero: bool,
    /// By offset.
    pub relocations: Vec<Relocation>,
}

/// A relocation whose addend stands in the place that it relocates.
#[derive(Clone, Copy)]
pub(super) struct Relocation {
    /// Byte offset in its section.
    pub offset: u64,
    /// Index into [`Elf::symbols`].
    pub symbol: usize,
}

/// What a symbol is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum SymbolType {
    NoType,
    Object,
    Function,
    Section,
    Other,
}

/// A symbol.
pub(super) struct Symbol<'a> {
    pub name: &'a str,
    /// `None` for one that another file defines.
    pub section: Option<SectionIndex>,
    /// Byte offset in its section.
    pub value: u64,
    /// Bytes.
    pub size: u64,
    pub kind: SymbolType,
    /// Local to its file.
    pub local: bool,
    pub weak: bool,
}

impl Symbol<'_> {
    fn null() -> Self {
        let kind = SymbolType::Other;
        Symbol { name: "", section: None, value: 0, size: 0, kind, local: true, weak: false }
    }
}

pub(super) struct Elf<'a> {
    /// By index, without the null section.
    pub sections: Vec<Section<'a>>,
    /// By index in the file's table.
    pub symbols: Vec<Symbol<'a>>,
}

fn malformed(section: &str, error: impl ToString) -> ObjectError {
    ObjectError::new(section, None, Problem::Elf(error.to_string()))
}

impl<'a> Elf<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Elf<'a>, ObjectError> {
        let file: ElfFile64<'a, Endianness> = ElfFile64::parse(bytes).map_err(|e| malformed("", e))?;
        let machine = file.elf_header().e_machine(file.endian()).0;
        // Compilers of 2015 had no number yet, and wrote 0.
        if !matches!(machine, 0 | EM_BPF) {
            return Err(ObjectError::new("", None, Problem::Machine(machine)));
        }
        if !file.is_little_endian() {
            return Err(ObjectError::new("", None, Problem::BigEndian));
        }
        let mut symbols: Vec<Symbol> = Vec::new();
        for symbol in file.symbols() {
            let kind = match symbol.flags() {
                SymbolFlags::Elf { st_info, .. } => match st_info.0 & 15 {
                    0 => SymbolType::NoType,
                    1 => SymbolType::Object,
                    2 => SymbolType::Function,
                    3 => SymbolType::Section,
                    _ => SymbolType::Other,
                },
                _ => SymbolType::Other,
            };
            // The null symbol, which the iterator leaves out, keeps its place.
            symbols.resize_with(symbol.index().0, Symbol::null);
            symbols.push(Symbol {
                name: symbol.name().map_err(|e| malformed(".symtab", e))?,
                section: symbol.section_index(),
                value: symbol.address(),
                size: symbol.size(),
                kind,
                local: symbol.is_local(),
                weak: symbol.is_weak(),
            });
        }
        let mut sections = Vec::new();
        for section in file.sections() {
            let index = section.index();
            let name = section.name().map_err(|e| malformed(&format!("number {}", index.0), e))?;
            let flags = match section.flags() {
                SectionFlags::Elf { sh_flags, .. } => sh_flags.0,
                _ => 0,
            };
            let zero = section.elf_section_header().sh_type.get(file.endian()).0 == SHT_NOBITS;
            let mut relocations = Vec::new();
            for (offset, relocation) in section.relocations() {
                let RelocationTarget::Symbol(symbol) = relocation.target() else { continue };
                if flags & SHF_EXECINSTR != 0 && !relocation.has_implicit_addend() && relocation.addend() != 0
                {
                    let why = "a relocation's addend must stand in the instruction";
                    return Err(ObjectError::new(name, Some(offset), Problem::Elf(why.into())));
                }
                if symbol.0 >= symbols.len() {
                    let problem = Problem::RelocationSymbol(symbol.0);
                    return Err(ObjectError::new(name, Some(offset), problem));
                }
                relocations.push(Relocation { offset, symbol: symbol.0 });
            }
            relocations.sort_by_key(|r| r.offset);
            sections.push(Section {
                index,
                name,
                data: section.data().map_err(|e| malformed(name, e))?,
                size: section.size(),
                allocated: flags & SHF_ALLOC != 0,
                executable: flags & SHF_EXECINSTR != 0 && !zero,
                zero,
                relocations,
            });
        }
        Ok(Elf { sections, symbols })
    }

    pub fn section(&self, name: &str) -> Option<&Section<'a>> {
        self.sections.iter().find(|s| s.name == name)
    }

    /// The symbols that a section defines.
    pub fn symbols_of(&self, section: SectionIndex) -> impl Iterator<Item = &Symbol<'a>> {
        self.symbols.iter().filter(move |s| s.section == Some(section))
    }
}

/// The text of a section that holds a C string (`license`).
pub(super) fn c_string(section: &Section) -> Result<String, ObjectError> {
    let text = section.data.split(|b| *b == 0).next().unwrap_or(&[]);
    core::str::from_utf8(text)
        .map(String::from)
        .map_err(|e| ObjectError::new(section.name, Some(e.valid_up_to() as u64), Problem::Text))
}
