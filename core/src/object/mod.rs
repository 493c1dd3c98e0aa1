//! Clang's ELF objects: programs, maps, relocations, BTF and line information.
//!
//! [`Object::parse`] reads a file as libbpf does, up to the calls of `bpf(2)`: whoever loads a program
//! creates the maps that it names, and writes their descriptors where its [`MapUse`]s say. A file that can't be
//! read at all is an error; a program that can't be prepared is listed with the reason in its place.

pub mod btf;
mod code;
mod elf;
mod fixup;
mod maps;
mod sections;
pub mod write;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

pub use maps::{Inner, MapOrigin, ObjectMap, Slot};
pub use sections::ProgramKind;

use crate::isa::{Pc, RawInsn};
use btf::{Btf, BtfError, Name, TypeId};

/// An object file, read.
#[derive(Clone, Debug)]
pub struct Object {
    /// The `license` section's text; `None` where there is none.
    pub license: Option<String>,
    /// The `version` section: the kernel version that old kprobe programs had to name.
    pub version: Option<u32>,
    /// The maps: those of `.maps`, those of `maps`, then one for each section of global data.
    pub maps: Vec<ObjectMap>,
    /// The programs, by section and offset.
    pub programs: Vec<ObjectProgram>,
    /// The type information, its global data's sizes and offsets filled in.
    pub btf: Option<Btf>,
    /// The same as bytes for `BPF_BTF_LOAD`; empty where there is none.
    pub btf_bytes: Vec<u8>,
}

/// A program of an object.
#[derive(Clone, Debug)]
pub struct ObjectProgram {
    /// Its function's name.
    pub name: String,
    /// Its section's name.
    pub section: String,
    /// What the section's name says; `None` where that stands for nothing, so that the user has to say.
    pub kind: Option<ProgramKind>,
    /// What is to be loaded, or why that can't be made.
    pub code: Result<Code, ObjectError>,
}

/// A program's instructions with the local functions that they call behind them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Code {
    /// The slots; where a [`MapUse`] stands, the descriptor is 0.
    pub insns: Vec<RawInsn>,
    /// Which slots name a map, by slot.
    pub map_uses: Vec<MapUse>,
    /// Where functions begin and their names, by slot.
    pub functions: Vec<CodeFunction>,
    /// The source lines, by slot; empty where the object has none for one of the functions.
    pub lines: Vec<CodeLine>,
}

/// A 64-bit immediate load of a map (source field 1) or of an address in its first value (2, whose second
/// slot has the offset).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MapUse {
    /// The load's first slot: the map's descriptor belongs into its immediate.
    pub at: Pc,
    /// Index into [`Object::maps`].
    pub map: usize,
}

/// A function in a program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CodeFunction {
    /// Its first slot.
    pub at: Pc,
    /// Its name.
    pub name: String,
    /// Its BTF type, where the object has one.
    pub type_id: Option<TypeId>,
}

/// A source line, from its first slot on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CodeLine {
    /// Its first slot.
    pub at: Pc,
    /// The file's name, in [`Object::btf`].
    pub file: Name,
    /// The line's text, there too.
    pub text: Name,
    /// Line number, from 1.
    pub line: u32,
    /// Column, from 1; 0 where unknown.
    pub column: u32,
}

impl Code {
    /// The function table that `BPF_PROG_LOAD` takes (`struct bpf_func_info`, 8 bytes each); empty unless every
    /// function has a type.
    pub fn func_info(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for function in &self.functions {
            let Some(id) = function.type_id else { return Vec::new() };
            bytes.extend([function.at.0, id.0].iter().flat_map(|w| w.to_le_bytes()));
        }
        bytes
    }

    /// The line table that `BPF_PROG_LOAD` takes (`struct bpf_line_info`, 16 bytes each).
    pub fn line_info(&self) -> Vec<u8> {
        let words =
            |l: &CodeLine| [l.at.0, l.file.offset(), l.text.offset(), l.line << 10 | l.column & 0x3ff];
        self.lines.iter().flat_map(words).flat_map(u32::to_le_bytes).collect()
    }

    /// The source line that a slot comes from.
    pub fn line_at(&self, pc: Pc) -> Option<&CodeLine> {
        self.lines[..self.lines.partition_point(|line| line.at <= pc)].last()
    }
}

/// What is wrong with an object, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectError {
    /// The section's name; empty for the file as a whole.
    pub section: String,
    /// Byte offset in the section.
    pub offset: Option<u64>,
    /// What is wrong there.
    pub problem: Problem,
}

/// What can be wrong with an object.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Problem {
    /// It is no well-formed ELF file: the reader's words.
    Elf(String),
    /// It is for another machine (`e_machine`).
    Machine(u16),
    /// It is for big-endian machines.
    BigEndian,
    /// A relocation against a symbol that is not there.
    RelocationSymbol(usize),
    /// A text that is not UTF-8.
    Text,
    /// Its type information is wrong.
    Btf(BtfError),
    /// `.maps` without BTF that describes it.
    MapsWithoutBtf,
    /// A map's definition is not what one is.
    Map { map: String, why: String },
    /// A section of global data that a map can't hold.
    DataSize(u64),
    /// Code whose size is no multiple of 8.
    CodeSize(u64),
    /// A function past its section, or not at an instruction.
    Function { function: String, why: &'static str },
    /// Two functions that share instructions.
    Overlap { first: String, second: String },
    /// A 64-bit immediate load whose second slot is missing or not zero.
    SecondSlot,
    /// A relocation of an instruction that takes none.
    RelocatedInsn { code: u8, symbol: String },
    /// A symbol that no file defines.
    Undefined { symbol: String },
    /// A reference to something that is neither map, data nor function.
    Target { symbol: String, section: String },
    /// A map section has no map at that offset.
    NoMapAt { symbol: String, offset: u64 },
    /// No function begins where a call goes to.
    NoFunctionAt { section: String, offset: i64 },
    /// A relocation against the running kernel's types, by the type's name and the access.
    CoreRelocation { of: String, access: String },
    /// More slots than the limit, over all programs.
    TooLarge { limit: usize },
}

impl ObjectError {
    fn new(section: &str, offset: Option<u64>, problem: Problem) -> ObjectError {
        ObjectError { section: section.into(), offset, problem }
    }
}

impl fmt::Display for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.section.as_str(), self.offset) {
            ("", _) => {}
            (section, None) => write!(f, "section {section}: ")?,
            (section, Some(offset)) => write!(f, "section {section}, byte {offset:#x}: ")?,
        }
        self.problem.fmt(f)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Elf(why) => write!(f, "not a well-formed 64-bit ELF file: {why}"),
            Problem::Machine(machine) => write!(f, "for machine {machine}, not eBPF (247)"),
            Problem::BigEndian => f.write_str("for big-endian machines; build with -target bpfel"),
            Problem::RelocationSymbol(symbol) => {
                write!(f, "relocation against symbol {symbol}, which is not there")
            }
            Problem::Text => f.write_str("not UTF-8 text"),
            Problem::Btf(error) => error.fmt(f),
            Problem::MapsWithoutBtf => {
                f.write_str("maps are defined here by BTF, and the object has none of it; build with -g")
            }
            Problem::Map { map, why } => write!(f, "map {map}: {why}"),
            Problem::DataSize(size) => {
                write!(f, "{size} bytes of global data; a map holds at most 2147483647")
            }
            Problem::CodeSize(size) => write!(f, "{size} bytes of code, no multiple of 8"),
            Problem::Function { function, why } => write!(f, "function {function} {why}"),
            Problem::Overlap { first, second } => {
                write!(f, "functions {first} and {second} share instructions")
            }
            Problem::SecondSlot => f.write_str("64-bit immediate load without a second slot that is zero"),
            Problem::RelocatedInsn { code, symbol } => {
                write!(f, "relocation against {symbol} of an instruction {code:02x} that takes none")
            }
            Problem::Undefined { symbol } => {
                write!(
                    f,
                    "{symbol} is defined nowhere in the object; kernel functions and variables are not built yet"
                )
            }
            Problem::Target { symbol, section } => {
                write!(f, "refers to {symbol} in section {section}, which holds neither maps, data nor code")
            }
            Problem::NoMapAt { symbol, offset } => {
                write!(f, "refers to {symbol} at byte {offset:#x} of a map section, where no map begins")
            }
            Problem::NoFunctionAt { section, offset } => {
                write!(f, "refers to byte {offset:#x} of section {section}, where no function begins")
            }
            Problem::CoreRelocation { of, access } => {
                write!(f, "CO-RE relocation of {of} ({access}), which is not built yet")
            }
            Problem::TooLarge { limit } => {
                write!(
                    f,
                    "more than {limit} instruction slots over all programs with the functions they call"
                )
            }
        }
    }
}

impl core::error::Error for ObjectError {}

/// The sections that hold type information.
const BTF_SECTION: &str = ".BTF";
const BTF_EXT_SECTION: &str = ".BTF.ext";

impl Object {
    /// Reads an object file.
    ///
    /// # Errors
    /// What is wrong with the file as a whole, and where. What is wrong with one program stands in its
    /// [`ObjectProgram::code`].
    pub fn parse(bytes: &[u8]) -> Result<Object, ObjectError> {
        let elf = elf::Elf::parse(bytes)?;
        let btf_error = |section| move |error| ObjectError::new(section, None, Problem::Btf(error));
        let (mut btf, mut btf_bytes, mut info) = (None, Vec::new(), Vec::new());
        if let Some(section) = elf.section(BTF_SECTION) {
            let first = Btf::parse(section.data).map_err(btf_error(BTF_SECTION))?;
            btf_bytes = fixup::global_data(section.data, &first, &elf);
            let fixed = Btf::parse(&btf_bytes).map_err(btf_error(BTF_SECTION))?;
            if let Some(section) = elf.section(BTF_EXT_SECTION) {
                info = btf::ext::parse(section.data, &fixed).map_err(btf_error(BTF_EXT_SECTION))?;
            }
            btf = Some(fixed);
        }
        let license = elf.section("license").map(elf::c_string).transpose()?;
        let version =
            elf.section("version").and_then(|s| s.data.first_chunk()).map(|b| u32::from_le_bytes(*b));
        let maps = maps::read(&elf, btf.as_ref())?;
        let programs = code::programs(&elf, &maps, btf.as_ref(), &info)?;
        Ok(Object { license, version, maps: maps.maps, programs, btf, btf_bytes })
    }

    /// The program of that function name.
    pub fn program(&self, name: &str) -> Option<&ObjectProgram> {
        self.programs.iter().find(|program| program.name == name)
    }
}
