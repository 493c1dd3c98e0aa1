//! The chosen program as the page lists it.

use super::document::Source;
use super::maps::MapTable;
use crate::protocol::{Input, Instruction, Program, SourceLine};
use glasshive::errno::Errno;
use glasshive::isa::RawInsn;
use glasshive::isa::disasm::{self, Names};
use glasshive::names::Uapi;
use glasshive::object::CodeFunction;
use glasshive::program::{ProgramType, TestRun};
use glasshive::syscall::programs::LoadRequest;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// First byte of a 64-bit immediate load, which takes two slots.
const WIDE: u8 = 0x18;

/// What a document holds whose program `chosen` can't be loaded: its choices alone.
pub fn choices(source: &Source, chosen: usize) -> Program {
    Program {
        choices: source.choices(),
        chosen: chosen as u32,
        license: source.object.license.clone().unwrap_or_default(),
        ..Program::default()
    }
}

/// What a document holds, with the instructions of the program that is about to be verified.
pub fn program(source: &Source, chosen: usize, request: &LoadRequest, maps: &MapTable) -> Program {
    let functions = source.object.programs.get(chosen).and_then(|p| p.code.as_ref().ok());
    let functions = functions.map_or(&[][..], |code| &code.functions);
    let mut lines = Lines::of(source, request);
    Program {
        program_type: request.program_type.name.into(),
        listing: listing(request, functions, maps, &mut lines),
        source: lines.lines,
        maps: maps.described(),
        input: input(request.program_type),
        ..choices(source, chosen)
    }
}

/// What a program of a type can be run on.
fn input(program_type: &ProgramType) -> Input {
    match program_type.test_run {
        TestRun::Skb { .. } | TestRun::Xdp | TestRun::FlowDissector => Input::Packet,
        TestRun::RawTracepoint | TestRun::Syscall | TestRun::SkLookup => Input::Context,
        TestRun::No => Input::None {
            why: format!(
                "A program of type {} can't be run by hand: the kernel answers {:?}.",
                program_type.name,
                Errno::ENOTSUPP
            ),
        },
    }
}

/// Names for what the log can only show as numbers.
struct Listed<'a>(&'a MapTable);

impl Names for Listed<'_> {
    fn helper(&self, number: i32) -> Option<Cow<'_, str>> {
        Names::helper(&Uapi, number)
    }
    fn immediate(&self, source: u8, low: i32, high: i32) -> Option<Cow<'_, str>> {
        let name = || self.0.name_of(low);
        match source {
            1 => Some(format!("map {}", name()?).into()),
            2 if high == 0 => Some(format!("map_value {}", name()?).into()),
            2 => Some(format!("map_value {} +{}", name()?, high as u32).into()),
            _ => None,
        }
    }
}

fn listing(
    request: &LoadRequest,
    functions: &[CodeFunction],
    maps: &MapTable,
    lines: &mut Lines,
) -> Vec<Instruction> {
    let mut out = Vec::with_capacity(request.code.len());
    let mut functions = functions.iter().peekable();
    let mut slot = 0;
    while let Some(RawInsn { code, .. }) = request.code.get(slot) {
        let mut function = None;
        while let Some(begun) = functions.next_if(|f| f.at.index() <= slot) {
            function = Some(begun.name.clone());
        }
        out.push(Instruction {
            pc: slot as u32,
            text: disasm::text(&request.code[slot..], &Listed(maps)),
            source: lines.at(slot as u32),
            function,
        });
        slot += if *code == WIDE { 2 } else { 1 };
    }
    out
}

/// The lines of source that slots come from, each once, by file and number.
struct Lines {
    lines: Vec<SourceLine>,
    /// First slot and index into `lines`, by slot.
    starts: Vec<(u32, u32)>,
}

impl Lines {
    fn of(source: &Source, request: &LoadRequest) -> Lines {
        match &source.text {
            Some(text) => {
                let typed: Vec<&str> = text.text.lines().collect();
                let line =
                    |number: u32| typed.get((number as usize).wrapping_sub(1)).map_or("", |l| l.trim());
                Lines::sorted(
                    text.lines.iter().zip(0..).map(|(number, slot)| (slot, "", *number, line(*number))),
                )
            }
            None => {
                Lines::sorted(request.lines.iter().map(|l| (l.pc, l.file.as_str(), l.line, l.text.as_str())))
            }
        }
    }

    fn sorted<'a>(rows: impl Iterator<Item = (u32, &'a str, u32, &'a str)> + Clone) -> Lines {
        let texts: BTreeMap<(&str, u32), &str> =
            rows.clone().map(|(_, file, line, text)| ((file, line), text)).collect();
        let numbers: BTreeMap<(&str, u32), u32> = texts.keys().copied().zip(0..).collect();
        let starts = rows.map(|(slot, file, line, _)| (slot, numbers[&(file, line)])).collect();
        let line = |((file, line), text): ((&str, u32), &str)| SourceLine {
            file: file.into(),
            line,
            text: text.into(),
        };
        Lines { lines: texts.into_iter().map(line).collect(), starts }
    }

    fn at(&self, slot: u32) -> Option<u32> {
        let end = self.starts.partition_point(|start| start.0 <= slot);
        Some(self.starts.get(end.checked_sub(1)?)?.1)
    }
}
