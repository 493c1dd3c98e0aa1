//! The assembler: the kernel log's syntax with labels and directives, to slots and back.
//!
//! [`assemble`] reads text into an [`Assembly`]; [`print`] writes one as text that reads back as the same.
//! A line is a label (`loop:`), an instruction, both, or a directive; a comment begins with `;`, `//` or
//! `#`. An instruction may carry what the log prints before it (`3: (b7) `).
//!
//! Beyond the log's forms, for what those can't say:
//!
//! | text | meaning |
//! | --- | --- |
//! | `goto out`, `if r1 > r2 goto out`, `call helper_of_mine` | a label for an offset |
//! | `call bpf_map_lookup_elem`, `call 1`, `call #1` | a helper by name or number |
//! | `call kernel NAME`, `call kernel #ID`, `... #ID in N` | a kernel function by name or BTF id, `N` the index of its module's BTF in `fd_array` |
//! | `callx r1` | a call through a register |
//! | `r1 = 0x5 ll` | a 64-bit constant, two slots; a number past 32 bits is one without `ll` |
//! | `r1 = map NAME`, `r1 = map_value NAME +8` | a map of a `.map` line; an address in its first value |
//! | `r1 = map_fd 5`, `r1 = map_fd_value 5 +8` | the same by descriptor |
//! | `r1 = map_index 0`, `r1 = map_index_value 0 +8` | the same by index into `fd_array` |
//! | `r1 = function out`, `r1 = function pc+3` | a local function's address |
//! | `r1 = kernel_variable 12 in 0` | a kernel variable by BTF id, and the descriptor of its BTF |
//! | `.type xdp`, `.attach 5`, `.flags 0x20`, `.license GPL` | the program type, the expected attach type, the load flags, the licence |
//! | `.map NAME TYPE KEY VALUE ENTRIES [FLAGS] [inner NAME]` | a map: sizes in bytes |
//! | `.contents NAME "0102ff"` | bytes of a map's first value, after those of earlier such lines |
//! | `.func NAME` | a label where a function begins |
//! | `.bytes 0x8f 0 0 0 0 0 0 0` | a slot that is no instruction |

mod directives;
mod instructions;
mod lexer;
mod operands;
mod printer;
mod scanner;
#[cfg(test)]
mod tests;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

pub use printer::print;

use super::insn::{CallTarget, Imm64, Insn, Pc};
use super::{RawInsn, encode};
use scanner::Scanner;

/// Which numbers stand behind the names that a text uses; the tables are of higher layers.
pub trait Resolver {
    /// A helper's number.
    fn helper(&self, _name: &str) -> Option<i32> {
        None
    }
    /// A kernel function's BTF id.
    fn kernel_function(&self, _name: &str) -> Option<i32> {
        None
    }
    /// Whether a program type has that name.
    fn is_program_type(&self, _name: &str) -> bool {
        true
    }
    /// A map type's number, by its uapi name in lower case without `BPF_MAP_TYPE_`.
    fn map_type(&self, _name: &str) -> Option<u32> {
        None
    }
}

impl Resolver for super::disasm::NoNames {}

/// A text, read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Assembly {
    /// `.type`: a program type's name, as written.
    pub program_type: Option<String>,
    /// `.attach`: `expected_attach_type`.
    pub attach_type: Option<u32>,
    /// `.flags`: `prog_flags`.
    pub program_flags: Option<u32>,
    /// `.license`.
    pub license: Option<String>,
    /// The `.map` lines in order.
    pub maps: Vec<MapDirective>,
    /// The slots; where a [`MapReference`] stands, the immediate fields are 0.
    pub insns: Vec<RawInsn>,
    /// Which slots name a map of `maps`, by slot.
    pub map_references: Vec<MapReference>,
    /// The source line of each slot, from 1.
    pub lines: Vec<u32>,
    /// Where names stand, by slot.
    pub labels: Vec<Label>,
}

/// A `.map` line.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct MapDirective {
    /// Its name.
    pub name: String,
    /// `BPF_MAP_TYPE_*`.
    pub map_type: u32,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Most entries.
    pub max_entries: u32,
    /// `BPF_F_*` creation flags.
    pub flags: u32,
    /// For a map of maps: the name of the `.map` line that its inner maps are like.
    pub inner: Option<String>,
    /// The first bytes of its first value; empty for zeros.
    pub contents: Vec<u8>,
}

/// A 64-bit immediate load of a map, or of an address in its first value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct MapReference {
    /// The load's first slot.
    pub at: Pc,
    /// Index into [`Assembly::maps`].
    pub map: u32,
    /// Byte offset into the map's first value; `None` for the map itself.
    pub value_offset: Option<u32>,
}

/// A name for a slot.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Label {
    /// The name.
    pub name: String,
    /// The slot; one past the last for a label at the end.
    pub at: Pc,
    /// Whether a `.func` line gave it.
    pub function: bool,
}

/// What is wrong with a text, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AsmError {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What would be right there.
    pub expected: String,
    /// What stands there.
    pub found: String,
}

impl AsmError {
    fn new(line: u32, column: u32, expected: impl Into<String>, found: impl Into<String>) -> AsmError {
        AsmError { line, column, expected: expected.into(), found: found.into() }
    }
}

impl fmt::Display for AsmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}, column {}: expected {}, found {}",
            self.line, self.column, self.expected, self.found
        )
    }
}

impl core::error::Error for AsmError {}

/// A jump's or call's target.
enum Target {
    /// Slots from the next slot on.
    Relative(i64),
    Label(String),
}

/// A label that an instruction waits for.
struct Pending {
    slot: usize,
    insn: Insn,
    label: String,
    line: u32,
    column: u32,
}

/// What is known while reading.
struct Assembler<'a> {
    resolver: &'a dyn Resolver,
    out: Assembly,
    pending: Vec<Pending>,
    /// Maps that a `.map` line names as inner ones, with line and column.
    inner_maps: Vec<(String, u32, u32)>,
    errors: Vec<AsmError>,
}

/// Reads a text.
///
/// # Errors
/// What is wrong, at most one error a line, by line.
pub fn assemble(text: &str, resolver: &dyn Resolver) -> Result<Assembly, Vec<AsmError>> {
    let mut assembler = Assembler {
        resolver,
        out: Assembly::default(),
        pending: Vec::new(),
        inner_maps: Vec::new(),
        errors: Vec::new(),
    };
    for (number, line) in (1_u32..).zip(text.lines()) {
        if let Err(error) = assembler.line(line, number) {
            assembler.errors.push(error);
        }
    }
    assembler.finish()
}

impl Assembler<'_> {
    fn line(&mut self, text: &str, number: u32) -> Result<(), AsmError> {
        let (opcode, tokens) = lexer::line(text, number)?;
        let end = u32::try_from(text.chars().count()).unwrap_or(u32::MAX).saturating_add(1);
        let mut scanner = Scanner::new(&tokens, number, end);
        while let Some((name, column)) = scanner.label() {
            self.define(name, column, number, false)?;
        }
        if scanner.at_end() {
            return Ok(());
        }
        if scanner.peek_word().is_some_and(|word| word.starts_with('.')) {
            self.directive(&mut scanner)?;
        } else {
            self.instruction(&mut scanner, opcode)?;
        }
        scanner.end()
    }

    fn here(&self) -> Pc {
        Pc(u32::try_from(self.out.insns.len()).unwrap_or(u32::MAX))
    }

    fn define(&mut self, name: String, column: u32, line: u32, function: bool) -> Result<(), AsmError> {
        if self.out.labels.iter().any(|l| l.name == name) {
            let found = format!("`{name}`, which stands at an earlier line too");
            return Err(AsmError::new(line, column, "a new label", found));
        }
        let at = self.here();
        self.out.labels.push(Label { name, at, function });
        Ok(())
    }

    fn slot(&mut self, raw: RawInsn, line: u32) {
        self.out.insns.push(raw);
        self.out.lines.push(line);
    }

    fn emit(&mut self, insn: Insn, line: u32) {
        let (first, second) = encode(insn);
        self.slot(first, line);
        if let Some(second) = second {
            self.slot(second, line);
        }
    }

    /// Emits an instruction that goes to `target`.
    fn emit_to(
        &mut self,
        insn: Insn,
        target: Target,
        scanner: &Scanner,
        column: u32,
    ) -> Result<(), AsmError> {
        let insn = match target {
            Target::Relative(offset) => aim(insn, offset)
                .ok_or_else(|| scanner.error_at(column, "a target within reach", &too_far(insn, offset)))?,
            Target::Label(label) => {
                let slot = self.out.insns.len();
                self.pending.push(Pending { slot, insn, label, line: scanner.line, column });
                insn
            }
        };
        self.emit(insn, scanner.line);
        Ok(())
    }

    fn finish(mut self) -> Result<Assembly, Vec<AsmError>> {
        for pending in core::mem::take(&mut self.pending) {
            let Pending { slot, insn, label, line, column } = pending;
            let error = |expected: &str, found: String| AsmError::new(line, column, expected, found);
            let Some(at) = self.out.labels.iter().find(|l| l.name == label).map(|l| l.at) else {
                let what = match insn {
                    Insn::Call(_) => {
                        if let Some(number) = self.resolver.helper(&label) {
                            self.out.insns[slot] = encode(Insn::Call(CallTarget::Helper(number))).0;
                            continue;
                        }
                        "a label or a helper"
                    }
                    _ => "a label",
                };
                self.errors.push(error(what, format!("`{label}`, which is none")));
                continue;
            };
            let offset = i64::from(at.0) - slot as i64 - 1;
            match aim(insn, offset) {
                Some(insn) => self.out.insns[slot] = encode(insn).0,
                None => self.errors.push(error("a label within reach", too_far(insn, offset))),
            }
        }
        for (inner, line, column) in self.inner_maps {
            if !self.out.maps.iter().any(|map| map.name == inner) {
                let found = format!("`{inner}`, which is none");
                self.errors.push(AsmError::new(line, column, "the name of a `.map` line", found));
            }
        }
        if self.errors.is_empty() {
            return Ok(self.out);
        }
        self.errors.sort_by_key(|e| (e.line, e.column));
        Err(self.errors)
    }
}

/// The instruction with its offset set; `None` where it does not fit.
fn aim(insn: Insn, offset: i64) -> Option<Insn> {
    Some(match insn {
        Insn::Goto { long: true, .. } => Insn::Goto { long: true, off: i32::try_from(offset).ok()? },
        Insn::Goto { long: false, .. } => Insn::Goto { long: false, off: i16::try_from(offset).ok()?.into() },
        Insn::MayGoto { .. } => Insn::MayGoto { off: i16::try_from(offset).ok()? },
        Insn::Branch { width, op, dst, src, .. } => {
            Insn::Branch { width, op, dst, src, off: i16::try_from(offset).ok()? }
        }
        Insn::Call(_) => Insn::Call(CallTarget::Local(i32::try_from(offset).ok()?)),
        Insn::LoadImm64 { dst, .. } => {
            Insn::LoadImm64 { dst, value: Imm64::Function { offset: i32::try_from(offset).ok()? } }
        }
        other => other,
    })
}

fn too_far(insn: Insn, offset: i64) -> String {
    let (limit, hint) = match insn {
        Insn::Goto { long: false, .. } => ("32767", " (gotol reaches further)"),
        Insn::MayGoto { .. } | Insn::Branch { .. } => ("32767", ""),
        _ => ("2147483647", ""),
    };
    format!("one {} slots away, more than {limit}{hint}", offset.unsigned_abs())
}
