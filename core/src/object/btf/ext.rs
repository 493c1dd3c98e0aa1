//! `.BTF.ext`: which functions and source lines a program's instructions come from, and its CO-RE
//! relocations.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::parse::{Reader, header, part};
use super::{Btf, BtfError, Name, TypeId};

/// What `.BTF.ext` says of one section of the object.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SectionInfo {
    /// The section's name.
    pub section: String,
    /// The functions that begin in it, by instruction.
    pub functions: Vec<FunctionInfo>,
    /// The source lines, by instruction.
    pub lines: Vec<LineInfo>,
    /// The relocations against the running kernel's types.
    pub core_relocations: Vec<CoreRelocation>,
}

/// A function's begin (`struct bpf_func_info`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FunctionInfo {
    /// Byte offset of its first instruction in the section.
    pub offset: u32,
    /// Its [`Type::Function`](super::Type::Function).
    pub function: TypeId,
}

/// A source line (`struct bpf_line_info`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LineInfo {
    /// Byte offset of the first instruction that comes from it.
    pub offset: u32,
    /// The file's name.
    pub file: Name,
    /// The line's text.
    pub text: Name,
    /// Line number, from 1.
    pub line: u32,
    /// Column, from 1; 0 where unknown.
    pub column: u32,
}

/// A relocation that needs the running kernel's types (`struct bpf_core_relo`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CoreRelocation {
    /// Byte offset of the instruction.
    pub offset: u32,
    /// The type whose layout is asked for.
    pub of: TypeId,
    /// The path of members to what is accessed: `0:1:2`.
    pub access: Name,
    /// `enum bpf_core_relo_kind`.
    pub kind: u32,
}

/// Reads the contents of a `.BTF.ext` section, whose names lie in `btf`.
///
/// # Errors
/// A [`BtfError`] that names the first thing wrong.
pub fn parse(bytes: &[u8], btf: &Btf) -> Result<Vec<SectionInfo>, BtfError> {
    let header_len = header(bytes)?;
    let mut fields =
        Reader::new(bytes.get(8..header_len.min(bytes.len())).unwrap_or(&[]), "extension header");
    let mut tables = Vec::new();
    for what in ["function table", "line table", "relocation table"] {
        // Older compilers write a header without the third table.
        if what == "relocation table" && fields.is_at_end() {
            break;
        }
        let (offset, len) = (fields.u32()?, fields.u32()?);
        tables.push((what, part(bytes, header_len, offset, len, what)?));
    }
    let mut sections: Vec<SectionInfo> = Vec::new();
    for (what, table) in tables {
        each_record(table, what, btf, |name, mut record| {
            let at = match sections.iter().position(|s| s.section == name) {
                Some(at) => at,
                None => {
                    sections.push(SectionInfo { section: name.to_string(), ..SectionInfo::default() });
                    sections.len() - 1
                }
            };
            let (section, offset, second) = (&mut sections[at], record.u32()?, record.u32()?);
            match what {
                "function table" => {
                    section.functions.push(FunctionInfo { offset, function: TypeId(second) });
                }
                "line table" => {
                    let (text, place) = (record.u32()?, record.u32()?);
                    let (line, column) = (place >> 10, place & 0x3ff);
                    section.lines.push(LineInfo {
                        offset,
                        file: Name(second),
                        text: Name(text),
                        line,
                        column,
                    });
                }
                _ => {
                    let (access, kind) = (Name(record.u32()?), record.u32()?);
                    section.core_relocations.push(CoreRelocation {
                        offset,
                        of: TypeId(second),
                        access,
                        kind,
                    });
                }
            }
            Ok(())
        })?;
    }
    Ok(sections)
}

/// Calls back for each record of a table: a record size, then per section its name, a count, and records.
fn each_record<'a>(
    table: &'a [u8],
    what: &'static str,
    btf: &'a Btf,
    mut each: impl FnMut(&'a str, Reader<'a>) -> Result<(), BtfError>,
) -> Result<(), BtfError> {
    let mut reader = Reader::new(table, what);
    if reader.is_at_end() {
        return Ok(());
    }
    let size = reader.u32()? as usize;
    while !reader.is_at_end() {
        let section = btf.text(Name(reader.u32()?));
        for _ in 0..reader.u32()? {
            each(section, Reader::new(reader.take(size)?, what))?;
        }
    }
    Ok(())
}
