//! Why a program was rejected, in plain words.
//!
//! Each kind of rejection is a row of a family's table: the kernel's line with holes, and what explains it.
//! The explanation has the state before the instruction, and names the register whose history is told.

mod arithmetic;
mod calls;
mod control_flow;
mod edit;
mod memory;
mod packet;
pub(super) mod path;
mod pattern;
mod privilege;
mod registers;
mod resources;
mod stack;
#[cfg(test)]
mod tests;
mod types;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::describe;
use super::recorder::Trace;
use super::view::{Diagnostic, Suggestion};
use crate::isa::{CallTarget, Insn, Pc, Reg};
use crate::verifier::Rejection;
use crate::verifier::register::Register;
use crate::verifier::state::State;
use path::Place;
use pattern::Captures;

/// A kind of rejection.
pub(super) struct Row {
    /// The kernel's line, with holes.
    pattern: &'static str,
    explain: fn(&Case<'_>) -> Explanation,
}

const fn row(pattern: &'static str, explain: fn(&Case<'_>) -> Explanation) -> Row {
    Row { pattern, explain }
}

/// The families, in the order in which their rows are tried.
const FAMILIES: &[&[Row]] = &[
    privilege::ROWS,
    registers::ROWS,
    memory::ROWS,
    packet::ROWS,
    stack::ROWS,
    arithmetic::ROWS,
    control_flow::ROWS,
    calls::ROWS,
    resources::ROWS,
    types::ROWS,
];

/// A rejection that is to be explained.
pub(super) struct Case<'a> {
    trace: &'a Trace,
    rejection: &'a Rejection,
    /// The instruction, where one was being walked.
    pc: Option<Pc>,
    insn: Option<Insn>,
    /// What was known before it.
    state: Option<State>,
    holes: Captures<'a>,
}

/// What an explanation says.
#[derive(Default)]
pub(super) struct Explanation {
    reason: String,
    required: String,
    suggestion: Option<Suggestion>,
    /// The values whose history is told; the register at fault where it is empty.
    about: Vec<Place>,
    /// It is not the instruction being walked that is at fault, but this one, or none.
    elsewhere: Option<Option<Pc>>,
}

/// An explanation without a change.
fn because(reason: impl Into<String>, required: impl Into<String>) -> Explanation {
    Explanation { reason: reason.into(), required: required.into(), ..Explanation::default() }
}

/// As a sentence begins.
fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

impl Explanation {
    fn suggest(self, suggestion: Option<Suggestion>) -> Explanation {
        Explanation { suggestion, ..self }
    }
    fn say(self, text: impl Into<String>) -> Explanation {
        self.suggest(edit::say(text))
    }
    fn about(mut self, place: Place) -> Explanation {
        self.about.push(place);
        self
    }
    /// The fault is at this slot, not where the walk stood.
    fn at(self, pc: Option<i64>) -> Explanation {
        let pc = pc.and_then(|pc| u32::try_from(pc).ok()).map(Pc);
        Explanation { elsewhere: Some(pc), ..self }
    }
}

impl<'a> Case<'a> {
    /// The register at fault: by the rejection, or by the hole `r`.
    fn reg(&self) -> Option<Reg> {
        let named = || self.holes.number("r").and_then(|r| Reg::new(u8::try_from(r).ok()?));
        self.rejection.register.or_else(named)
    }

    /// Its name, `r3`.
    fn r(&self) -> String {
        self.reg().map_or_else(|| "a register".into(), |reg| format!("r{}", reg.number()))
    }

    /// It and the offset that the instruction adds: `r3 + 4`.
    fn operand(&self) -> String {
        match memory::instruction_offset(self.insn) {
            0 => self.r(),
            off if off < 0 => format!("{} - {}", self.r(), -off),
            off => format!("{} + {off}", self.r()),
        }
    }

    /// What it holds.
    fn value(&self) -> Option<Register> {
        Some(*self.state.as_ref()?.register(self.reg()?))
    }

    /// A register in words.
    fn words_of(&self, register: &Register) -> String {
        let frame = self.state.as_ref().map_or(0, State::current);
        let maps = self.trace.program.as_ref().map_or(&[][..], |program| &program.maps);
        describe::words(register, frame, maps)
    }

    /// What the register at fault holds, in words.
    fn words(&self) -> String {
        self.value().map_or_else(|| "unknown".into(), |register| self.words_of(&register))
    }

    fn hole(&self, name: &str) -> &'a str {
        self.holes.get(name)
    }

    /// A hole as a number in words.
    fn number(&self, name: &str) -> String {
        self.holes.number(name).map_or_else(|| self.hole(name).into(), describe::number)
    }

    /// A place of the current frame.
    fn place(&self, reg: Reg) -> Place {
        Place::Register { frame: self.state.as_ref().map_or(0, State::current), number: reg.number() }
    }

    /// The program type's name, with its article.
    fn program_type(&self) -> String {
        let name = self.trace.program.as_ref().map_or("", |program| program.input.program_type.name);
        let article = if name.starts_with(['a', 'e', 'i', 'o', 'u', 'x']) { "an" } else { "a" };
        format!("{article} {name} program")
    }

    /// What the instruction calls, in words.
    fn called(&self) -> String {
        match self.insn {
            Some(Insn::Call(CallTarget::Helper(number))) => crate::helper::Facts::of(number)
                .map_or_else(|| format!("helper {number}"), |facts| facts.name.into()),
            Some(Insn::Call(CallTarget::Local(_))) => "the function".into(),
            Some(Insn::Call(CallTarget::Kernel { .. })) => "the kernel function".into(),
            _ => "the instruction".into(),
        }
    }
}

/// Why the program was rejected; `None` where it was not.
pub fn diagnose(trace: &Trace) -> Option<Diagnostic> {
    let (rejection, walked) = trace.rejection.as_ref()?;
    // The instruction at fault is the last step, or the one behind it that was not begun.
    let step = trace.last().filter(|_| walked.is_some());
    let insn = walked.and_then(|pc| trace.program.as_ref()?.insns.get(pc.index())?.as_ref().ok().copied());
    let mut case = Case {
        trace,
        rejection,
        pc: *walked,
        insn,
        state: step.and_then(|step| trace.state_at(step)),
        holes: Captures::default(),
    };
    let found = FAMILIES
        .iter()
        .copied()
        .flatten()
        .find_map(|row| pattern::matches(row.pattern, &rejection.message).map(|holes| (row, holes)));
    let explanation = match found {
        Some((row, holes)) => {
            case.holes = holes;
            (row.explain)(&case)
        }
        None => because(rejection.message.clone(), ""),
    };
    let pc = explanation.elsewhere.unwrap_or(*walked);
    let step = step.filter(|_| explanation.elsewhere.is_none());
    let about = match (explanation.about.is_empty(), case.reg()) {
        (true, Some(reg)) => alloc::vec![case.place(reg)],
        _ => explanation.about,
    };
    Some(Diagnostic {
        // Registers and functions are written as they are.
        reason: match explanation.reason.starts_with("a ") || explanation.reason.starts_with("the ") {
            true => capital(&explanation.reason),
            false => explanation.reason,
        },
        message: rejection.message.clone(),
        pc: pc.map(|pc| pc.0),
        step,
        register: case.reg().map(Reg::number),
        path: step.map(|step| path::causes(trace, &about, step)).unwrap_or_default(),
        required: explanation.required,
        suggestion: explanation.suggestion,
    })
}

/// The kinds of rejection that have an explanation of their own: the kernel's lines, with holes.
pub fn kinds() -> impl Iterator<Item = &'static str> {
    FAMILIES.iter().copied().flatten().map(|row| row.pattern)
}

/// The kind that a line of the kernel's is of, one of [`kinds`].
pub fn kind(message: &str) -> Option<&'static str> {
    kinds().find(|pattern| pattern::matches(pattern, message).is_some())
}

/// Whether a line of the kernel's is one that has an explanation of its own.
pub fn explains(message: &str) -> bool {
    kind(message).is_some()
}
