//! Registers that hold nothing, or may not be written, and what a program returns.

use alloc::format;
use alloc::vec;

use super::edit::{self, harmless, insert};
use super::path::causes;
use super::{Case, Explanation, Row, because, row};
use crate::isa::{Insn, Reg};
use crate::verifier::register::{Kind, Register};

pub(super) const ROWS: &[Row] = &[
    row("R{r} !read_ok", uninitialised),
    row("frame pointer is read only", frame_pointer),
    row("R{r} is invalid", no_register),
    row("At program exit the register R0 is not a known value ({type})", returned_pointer),
    row("At program exit the register R0 has{found} should have been in [{min}, {max}]", returned),
    row("{where} the register R{r} has{found} should have been in [{min}, {max}]", returned),
    row("R0 leaks addr as return value", leaked),
    row("R{r} leaks addr into {where}", leaked),
    row("cannot return stack pointer to the caller", returned_stack),
    row("subprogram returns R0 not a scalar value", returned_pointer),
];

fn uninitialised(case: &Case<'_>) -> Explanation {
    let r = case.r();
    let at_exit = case.insn == Some(Insn::Exit);
    let reason = match (case.insn, case.state.as_ref().map_or(0, |s| s.current())) {
        (Some(Insn::Exit), 0) => "The program ends without having set r0, which is what it returns.".into(),
        (Some(Insn::Exit), _) => "The function ends without having set r0, which is what it returns.".into(),
        (Some(Insn::Call(_)), _) => format!("{} takes {r}, but nothing was written to it.", case.called()),
        _ => format!("{r} is read, but on this path nothing was written to it."),
    };
    let required = format!("{r} must be written on every path before it is read.");
    let explanation = because(reason, required);
    let (Some(pc), Some(reg)) = (case.pc, case.reg()) else { return explanation };
    if at_exit {
        let value = harmless(case);
        let text = format!("Set r0 before the exit, as here to {value}.");
        return explanation.suggest(insert(text, pc, vec![format!("r0 = {value}")]));
    }
    let step = case.trace.last();
    let path = step.map(|step| causes(case.trace, &[case.place(reg)], step)).unwrap_or_default();
    let lost = path.iter().find_map(|cause| {
        let state = case.trace.state_at(cause.step)?;
        let held = *state.register(reg);
        (held.kind != Kind::Uninitialised && state.current() == case.state.as_ref()?.current())
            .then(|| (cause.pc, case.words_of(&held)))
    });
    if let Some((call, held)) = lost {
        return explanation.say(format!(
            "Before the call at {call}, {r} is {held}. Calls leave r1 to r5 without a value: copy it to one of r6 to r9 before the call, and use that one here."
        ));
    }
    let takes_a_number = matches!(
        case.insn,
        Some(
            Insn::Alu { .. }
                | Insn::MovSx { .. }
                | Insn::Neg { .. }
                | Insn::ByteSwap { .. }
                | Insn::Branch { .. }
        )
    ) || matches!(case.insn, Some(Insn::Store { base, .. } | Insn::Atomic { base, .. }) if base != reg);
    let text = format!("Write {r} before it is read.");
    if !takes_a_number {
        return explanation.say(text);
    }
    explanation.suggest(insert(format!("{text} Here with 0."), pc, vec![format!("{r} = 0")]))
}

fn frame_pointer(_: &Case<'_>) -> Explanation {
    because(
        "r10 is the frame pointer, and is written here.",
        "r10 always points to the top of the stack; only r0 to r9 can be written.",
    )
    .say("Copy r10 to another register and change that one.")
}

fn no_register(case: &Case<'_>) -> Explanation {
    because(
        format!("The instruction names register {}, which there is not.", case.hole("r")),
        "Registers are r0 to r10.",
    )
}

fn returned_pointer(case: &Case<'_>) -> Explanation {
    let value = harmless(case);
    let explanation = because(
        format!("The program returns {}, but it has to return a number.", case.words()),
        "r0 must hold a number at the exit.",
    );
    let Some(pc) = case.pc else { return explanation };
    let text = format!("Set r0 to a number before the exit, as here to {value}.");
    explanation.suggest(insert(text, pc, vec![format!("r0 = {value}")]))
}

fn returned(case: &Case<'_>) -> Explanation {
    let (min, max) = (case.hole("min"), case.hole("max"));
    let range = super::describe::interval;
    let found = case.value().as_ref().map(|r: &Register| match (r.var.as_constant(), range(&r.var)) {
        (Some(value), _) => format!("is {}", super::describe::number(value as i64)),
        (None, Some((least, most))) => format!("can be [{least}, {most}]"),
        (None, None) => "can be any number".into(),
    });
    let found = found.unwrap_or_else(|| "can be something else".into());
    let kind = case.program_type();
    let explanation = because(
        format!("What the program returns {found}, while {kind} may return [{min}, {max}]."),
        format!("r0 must be known to be at least {min} and at most {max} at the exit."),
    );
    let (Some(pc), Some(least), Some(most)) = (case.pc, case.holes.number("min"), case.holes.number("max"))
    else {
        return explanation;
    };
    let value = harmless(case);
    let text = format!("Replace what is outside of [{min}, {max}] before the exit, as here by {value}.");
    let label = format!("fits_{pc}");
    let lines = if least == most {
        vec![format!("r0 = {value}")]
    } else if least == 0 {
        vec![format!("if r0 <= {most} goto {label}"), format!("r0 = {value}"), format!("{label}:")]
    } else {
        vec![
            format!("if r0 s< {least} goto other_{pc}"),
            format!("if r0 s<= {most} goto {label}"),
            format!("other_{pc}:"),
            format!("r0 = {value}"),
            format!("{label}:"),
        ]
    };
    explanation.suggest(insert(text, pc, lines))
}

fn leaked(case: &Case<'_>) -> Explanation {
    because(
        format!("{} holds a pointer, and its address would become visible outside of the kernel.", case.r()),
        "Without the capability to see kernel addresses (CAP_PERFMON), a pointer may not be stored where user space can read it.",
    )
    .say("Store a number instead.")
}

fn returned_stack(case: &Case<'_>) -> Explanation {
    let explanation = because(
        "The function returns a pointer to its own stack, which is gone when it has returned.",
        "r0 must not be a pointer to the stack at the exit of a function.",
    )
    .about(case.place(Reg::R0));
    explanation.suggest(edit::say("Let the caller pass a pointer to its stack, and write the result there."))
}
