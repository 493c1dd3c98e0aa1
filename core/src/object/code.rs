//! From code sections to programs: functions are found, each program is followed by those that it calls,
//! and every relocation is applied.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use super::btf::ext::{LineInfo, SectionInfo};
use super::btf::{Btf, TypeId};
use super::elf::{Elf, Relocation, Section, Symbol, SymbolType};
use super::maps::MapTable;
use super::{Code, CodeFunction, CodeLine, MapUse, ObjectError, ObjectProgram, Problem, ProgramKind};
use crate::isa::{self, Pc, RawInsn};

/// Most slots over all programs: a file can't ask for more memory than this.
const MAX_SLOTS: usize = 1 << 22;

const LOAD_IMM64: u8 = 0x18;
const CALL: u8 = 0x85;
/// Source fields of a 64-bit immediate load: a map's descriptor, an address in its value, a function.
const MAP_FD: u8 = 1;
const MAP_VALUE: u8 = 2;
const FUNCTION: u8 = 4;
/// Source field of a call of a local function.
const LOCAL_CALL: u8 = 1;

/// Index into [`Loader::functions`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct FunctionIndex(usize);

/// A function: a range of slots of a code section.
struct Function<'a> {
    name: &'a str,
    /// Index into [`Loader::codes`].
    code: usize,
    start: usize,
    len: usize,
    local: bool,
}

/// A code section.
struct CodeSection<'e, 'a> {
    section: &'e Section<'a>,
    slots: Vec<RawInsn>,
    /// Types by the slot of their function, and lines by slot.
    types: BTreeMap<usize, TypeId>,
    lines: Vec<LineInfo>,
    /// Relocations against the running kernel, by offset: the type's name and the access.
    core: Vec<(u64, String, String)>,
}

struct Loader<'e, 'a> {
    elf: &'e Elf<'a>,
    maps: &'e MapTable,
    codes: Vec<CodeSection<'e, 'a>>,
    functions: Vec<Function<'a>>,
    /// By code section and first slot.
    by_start: BTreeMap<(usize, usize), FunctionIndex>,
    /// Slots that may still be made.
    budget: usize,
}

/// What an instruction refers to.
enum Target {
    /// A map itself.
    Map(usize),
    /// A byte of a map's first value.
    Value(usize, u32),
    /// A function.
    Function(FunctionIndex),
    /// Nothing: a weak symbol that no one defines.
    Null,
}

/// The programs of an object.
pub(super) fn programs(
    elf: &Elf,
    maps: &MapTable,
    btf: Option<&Btf>,
    info: &[SectionInfo],
) -> Result<Vec<ObjectProgram>, ObjectError> {
    let mut loader = Loader {
        elf,
        maps,
        codes: Vec::new(),
        functions: Vec::new(),
        by_start: BTreeMap::new(),
        budget: MAX_SLOTS,
    };
    for section in elf.sections.iter().filter(|s| s.executable && s.size > 0) {
        loader.code_section(section, btf, info.iter().find(|i| i.section == section.name))?;
    }
    let is_text = |f: &Function| loader.codes[f.code].section.name == ".text";
    let only_text = loader.functions.iter().all(is_text);
    let mut entries = Vec::new();
    for (index, function) in loader.functions.iter().enumerate() {
        // Functions of `.text` are there to be called, where there are others; so are static ones.
        let globals = || loader.functions.iter().any(|f| f.code == function.code && !f.local);
        if is_text(function) && !only_text || function.local && globals() {
            continue;
        }
        entries.push(FunctionIndex(index));
    }
    let mut programs = Vec::with_capacity(entries.len());
    for index in entries {
        let code = loader.link(index);
        let function = &loader.functions[index.0];
        let section = loader.codes[function.code].section.name;
        programs.push(ObjectProgram {
            name: function.name.into(),
            section: section.into(),
            kind: ProgramKind::of_section(section),
            code,
        });
    }
    Ok(programs)
}

impl<'e, 'a> Loader<'e, 'a> {
    fn code_section(
        &mut self,
        section: &'e Section<'a>,
        btf: Option<&Btf>,
        info: Option<&SectionInfo>,
    ) -> Result<(), ObjectError> {
        let error = |offset, problem| ObjectError::new(section.name, offset, problem);
        let slots = isa::slots(section.data)
            .ok_or_else(|| error(None, Problem::CodeSize(section.data.len() as u64)))?;
        let code = self.codes.len();
        let mut symbols: Vec<&Symbol<'a>> =
            self.elf.symbols_of(section.index).filter(|s| s.kind == SymbolType::Function).collect();
        if symbols.is_empty() {
            // Compilers before 2016 wrote functions without their type.
            let named = |s: &&Symbol| s.kind == SymbolType::NoType && !s.local;
            symbols = self.elf.symbols_of(section.index).filter(named).collect();
        }
        // Of two names for one place the global one counts.
        symbols.sort_by_key(|s| (s.value, s.local));
        symbols.dedup_by_key(|s| s.value);
        let first = self.functions.len();
        for (at, symbol) in symbols.iter().enumerate() {
            let bad =
                |why| error(Some(symbol.value), Problem::Function { function: symbol.name.into(), why });
            let end = match symbol.size {
                0 => symbols.get(at + 1).map_or(section.data.len() as u64, |next| next.value),
                size => symbol.value.saturating_add(size),
            };
            if symbol.value % 8 != 0 || end % 8 != 0 {
                return Err(bad("does not begin and end at an instruction: a multiple of 8 bytes"));
            }
            if end > section.data.len() as u64 {
                return Err(bad("ends past its section"));
            }
            let (start, end) = ((symbol.value / 8) as usize, (end / 8) as usize);
            if start >= end {
                return Err(bad("has no instructions"));
            }
            if let Some(last) = self.functions[first..].last().filter(|last| last.start + last.len > start) {
                let (first, second) = (last.name.into(), symbol.name.into());
                return Err(error(Some(symbol.value), Problem::Overlap { first, second }));
            }
            self.functions.push(Function {
                name: symbol.name,
                code,
                start,
                len: end - start,
                local: symbol.local,
            });
        }
        if symbols.is_empty() {
            let function = Function { name: section.name, code, start: 0, len: slots.len(), local: false };
            self.functions.push(function);
        }
        for index in first..self.functions.len() {
            self.by_start.insert((code, self.functions[index].start), FunctionIndex(index));
        }
        let mut this =
            CodeSection { section, slots, types: BTreeMap::new(), lines: Vec::new(), core: Vec::new() };
        if let (Some(info), Some(btf)) = (info, btf) {
            this.types = info.functions.iter().map(|f| ((f.offset / 8) as usize, f.function)).collect();
            this.lines = info.lines.clone();
            this.lines.sort_by_key(|line| line.offset);
            let core = info.core_relocations.iter();
            this.core =
                core.map(|r| (r.offset.into(), btf.type_name(r.of), btf.text(r.access).into())).collect();
        }
        self.codes.push(this);
        Ok(())
    }

    fn error(&self, function: &Function, slot: usize, problem: Problem) -> ObjectError {
        ObjectError::new(self.codes[function.code].section.name, Some(slot as u64 * 8), problem)
    }

    /// A program: the function, and behind it all that it calls, each where it is first met.
    fn link(&mut self, entry: FunctionIndex) -> Result<Code, ObjectError> {
        let mut code = Code::default();
        let mut placed: BTreeMap<FunctionIndex, usize> = BTreeMap::new();
        let mut lines = Some(Vec::new());
        // Functions being read, the innermost last: which, and its next slot.
        let mut open = Vec::new();
        self.place(entry, &mut code, &mut placed, &mut lines)?;
        open.push((entry, 0));
        while let Some((index, at)) = open.last_mut() {
            let (index, function) = (*index, &self.functions[index.0]);
            if *at >= function.len {
                open.pop();
                continue;
            }
            let slot = function.start + *at;
            let here = placed[&index] + *at;
            let raw = code.insns[here];
            let wide = raw.code == LOAD_IMM64;
            *at += 1 + usize::from(wide);
            if wide && (*at > function.len || code.insns[here + 1].code != 0) {
                return Err(self.error(function, slot, Problem::SecondSlot));
            }
            let Some(target) = self.target(function, slot, raw)? else { continue };
            match target {
                Target::Map(map) => {
                    code.insns[here] = RawInsn { src: MAP_FD, imm: 0, ..raw };
                    code.insns[here + 1].imm = 0;
                    code.map_uses.push(MapUse { at: Pc(here as u32), map });
                }
                Target::Value(map, offset) => {
                    code.insns[here] = RawInsn { src: MAP_VALUE, imm: 0, ..raw };
                    code.insns[here + 1].imm = offset as i32;
                    code.map_uses.push(MapUse { at: Pc(here as u32), map });
                }
                Target::Null => {
                    code.insns[here] = RawInsn { src: 0, imm: 0, ..raw };
                    code.insns[here + 1].imm = 0;
                }
                Target::Function(callee) => {
                    let there = match placed.get(&callee) {
                        Some(there) => *there,
                        None => {
                            open.push((callee, 0));
                            self.place(callee, &mut code, &mut placed, &mut lines)?
                        }
                    };
                    let src = if wide { FUNCTION } else { LOCAL_CALL };
                    // Both are below the limit of slots.
                    let imm = there as i32 - here as i32 - 1;
                    code.insns[here] = RawInsn { src, imm, ..raw };
                }
            }
        }
        code.map_uses.sort_by_key(|u| u.at);
        code.lines = lines.unwrap_or_default();
        Ok(code)
    }

    /// Appends a function's slots, type and lines; answers its first slot.
    fn place(
        &mut self,
        index: FunctionIndex,
        code: &mut Code,
        placed: &mut BTreeMap<FunctionIndex, usize>,
        lines: &mut Option<Vec<CodeLine>>,
    ) -> Result<usize, ObjectError> {
        let function = &self.functions[index.0];
        let from = &self.codes[function.code];
        let range = function.start..function.start + function.len;
        let bytes = range.start as u64 * 8..range.end as u64 * 8;
        if let Some((offset, of, access)) = from.core.iter().find(|c| bytes.contains(&c.0)) {
            let problem = Problem::CoreRelocation { of: of.clone(), access: access.clone() };
            return Err(ObjectError::new(from.section.name, Some(*offset), problem));
        }
        self.budget = self
            .budget
            .checked_sub(function.len)
            .ok_or_else(|| self.error(function, function.start, Problem::TooLarge { limit: MAX_SLOTS }))?;
        let here = code.insns.len();
        placed.insert(index, here);
        code.insns.extend_from_slice(&from.slots[range.clone()]);
        code.functions.push(CodeFunction {
            at: Pc(here as u32),
            name: function.name.into(),
            type_id: from.types.get(&function.start).copied(),
        });
        let first = from.lines.partition_point(|l| u64::from(l.offset) < bytes.start);
        let own = from.lines[first..].iter().take_while(|l| u64::from(l.offset) < bytes.end);
        // The kernel wants a line at each function's first slot, and one line a slot.
        if from.lines.get(first).is_none_or(|l| u64::from(l.offset) != bytes.start) {
            *lines = None;
        }
        if let Some(lines) = lines {
            for line in own.filter(|l| l.offset % 8 == 0) {
                let at = Pc((here + line.offset as usize / 8 - range.start) as u32);
                let line =
                    CodeLine { at, file: line.file, text: line.text, line: line.line, column: line.column };
                match lines.last_mut() {
                    Some(last) if last.at == at => *last = line,
                    _ => lines.push(line),
                }
            }
        }
        Ok(here)
    }

    /// What the instruction at a slot of a function's section refers to.
    fn target(&self, function: &Function, slot: usize, raw: RawInsn) -> Result<Option<Target>, ObjectError> {
        let error = |problem| self.error(function, slot, problem);
        let from = &self.codes[function.code];
        let relocations = &from.section.relocations;
        let next = relocations.partition_point(|r| r.offset < slot as u64 * 8);
        let relocation = relocations.get(next).filter(|r| r.offset / 8 == slot as u64);
        let Some(relocation) = relocation else {
            // Within a section the assembler has done the work already.
            let local =
                raw.code == CALL && raw.src == LOCAL_CALL || raw.code == LOAD_IMM64 && raw.src == FUNCTION;
            if !local {
                return Ok(None);
            }
            let at = slot as i64 + 1 + i64::from(raw.imm);
            return Ok(Some(Target::Function(self.function_at(function.code, at).map_err(error)?)));
        };
        self.relocated(relocation, raw).map_err(error).map(Some)
    }

    fn relocated(&self, relocation: &Relocation, raw: RawInsn) -> Result<Target, Problem> {
        let symbol = &self.elf.symbols[relocation.symbol];
        let to = symbol.section.and_then(|index| self.elf.sections.iter().find(|s| s.index == index));
        // A section's symbol has no name.
        let name = || match to {
            Some(section) if symbol.name.is_empty() => section.name.into(),
            _ => String::from(symbol.name),
        };
        let wide = raw.code == LOAD_IMM64;
        if !wide && raw.code != CALL || !relocation.offset.is_multiple_of(8) {
            return Err(Problem::RelocatedInsn { code: raw.code, symbol: name() });
        }
        let Some(to) = to else {
            return if symbol.weak && wide {
                Ok(Target::Null)
            } else {
                Err(Problem::Undefined { symbol: name() })
            };
        };
        if to.executable {
            let code = self.codes.iter().position(|c| c.section.index == to.index);
            let value = i64::try_from(symbol.value).unwrap_or(i64::MAX) / 8;
            // A call's addend counts slots, and from the slot after it; an address' counts bytes.
            let addend = if wide { i64::from(raw.imm) / 8 } else { i64::from(raw.imm) + 1 };
            let at = value.saturating_add(addend);
            return match code {
                Some(code) => self.function_at(code, at).map(Target::Function),
                None => Err(Problem::NoFunctionAt { section: to.name.into(), offset: at.saturating_mul(8) }),
            };
        }
        let offset = symbol.value.saturating_add_signed(raw.imm.into());
        if wide && self.maps.definition_sections.contains(&to.index) {
            let map = self.maps.definitions.get(&(to.index.0, offset));
            return map
                .map(|map| Target::Map(*map))
                .ok_or_else(|| Problem::NoMapAt { symbol: name(), offset });
        }
        match self.maps.data.get(&to.index.0) {
            Some(map) if wide => {
                // Past the value is the verifier's to refuse, as long as it can be said.
                let offset = u32::try_from(offset)
                    .map_err(|_| Problem::Target { symbol: name(), section: to.name.into() })?;
                Ok(Target::Value(*map, offset))
            }
            _ => Err(Problem::Target { symbol: name(), section: to.name.into() }),
        }
    }

    fn function_at(&self, code: usize, slot: i64) -> Result<FunctionIndex, Problem> {
        let found = usize::try_from(slot).ok().and_then(|slot| self.by_start.get(&(code, slot)));
        found.copied().ok_or_else(|| Problem::NoFunctionAt {
            section: self.codes[code].section.name.into(),
            offset: slot.saturating_mul(8),
        })
    }
}
