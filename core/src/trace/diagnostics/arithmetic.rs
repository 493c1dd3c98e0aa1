//! Arithmetic with pointers, and numbers that instructions can't take.

use alloc::format;

use super::edit;
use super::{Case, Explanation, Row, because, row};
use crate::isa::{Insn, Operand};

pub(super) const ROWS: &[Row] = &[
    row("R{r} pointer arithmetic on {type} prohibited, null-check it first", maybe_null),
    row("R{r} pointer arithmetic on {type} prohibited", fixed_kind),
    row("R{r} pointer arithmetic with {op} operator prohibited", operator),
    row("R{r} bitwise operator {op} on pointer prohibited", operator),
    row("R{r} pointer {op} pointer prohibited", two_pointers),
    row("R{r} 32-bit pointer arithmetic prohibited", narrow),
    row("R{r} tried to subtract pointer from scalar", from_number),
    row("R{r} subtraction from stack pointer prohibited", stack_subtraction),
    row("R{r} pointer arithmetic prohibited", not_a_number),
    row("R{r} partial copy of pointer", partial),
    row("R{r} sign-extension part of pointer", partial),
    row("R{r} has pointer with unsupported alu operation", operator),
    row("R{r} has unknown scalar with mixed signed bounds", unbounded),
    row("R{r} tried to {op} from different maps, paths or scalars", paths),
    row("math between {type} pointer and register with unbounded min value is not allowed", unbounded),
    row("math between {type} pointer and {n} is not allowed", too_far),
    row("{type} pointer offset {n} is not allowed", too_far),
    row("value {n} makes {type} pointer be out of bounds", too_far),
    row("div by zero", zero),
    row("invalid shift {n}", shift),
];

fn maybe_null(case: &Case<'_>) -> Explanation {
    let explanation = because(
        format!("{} may be null, and is computed with before that was ruled out.", case.r()),
        "A pointer that may be null must have been compared with 0 before it is changed.",
    );
    // The register at fault is the destination, but either may be the pointer.
    let (Some(state), Some(Insn::Alu { dst, src, .. })) = (&case.state, case.insn) else {
        return explanation;
    };
    let pointer = match src {
        Operand::Reg(src) if !state.register(dst).maybe_null => src,
        _ => dst,
    };
    explanation.about(case.place(pointer)).suggest(edit::null_check(case, pointer))
}

fn fixed_kind(case: &Case<'_>) -> Explanation {
    because(
        format!("{} is {}, and such a pointer can't be moved.", case.r(), case.words()),
        "It has to be used as it was given.",
    )
    .say("Put the offset into the load or store.")
}

fn operator(case: &Case<'_>) -> Explanation {
    let op = match case.hole("op") {
        "" => "This operation".into(),
        op => format!("The operation {op}"),
    };
    because(
        format!("{op} is applied to {}, which is {}.", case.r(), case.words()),
        "A pointer can be moved by adding or subtracting a number alone.",
    )
    .say("Compute the number in another register, then add it to the pointer.")
}

fn two_pointers(case: &Case<'_>) -> Explanation {
    because(
        format!("Two pointers are combined by {}.", case.hole("op")),
        "Of two pointers the difference alone can be computed; the result is a number.",
    )
}

fn narrow(case: &Case<'_>) -> Explanation {
    because(
        format!("A 32-bit operation is done on {}, which would cut the pointer in half.", case.r()),
        "Pointers are computed with by 64-bit operations.",
    )
    .say("Use the 64-bit register: r instead of w.")
}

fn from_number(case: &Case<'_>) -> Explanation {
    because(
        format!("A pointer is subtracted from the number in {}.", case.r()),
        "A number can be subtracted from a pointer, not the other way round.",
    )
    .say("Swap the operands.")
}

fn stack_subtraction(case: &Case<'_>) -> Explanation {
    because(
        format!("A number is subtracted from {}, which points to the stack.", case.r()),
        "Pointers to the stack are moved by adding; a negative number moves them down.",
    )
    .say("Add the negative number: r2 += -8.")
}

fn not_a_number(case: &Case<'_>) -> Explanation {
    because(
        format!("{} is {}, and the operation takes a number.", case.r(), case.words()),
        "Negation and byte swaps work on numbers alone.",
    )
}

fn partial(case: &Case<'_>) -> Explanation {
    because(
        format!("A part of {} is copied, which is {}.", case.r(), case.words()),
        "A pointer can be copied whole alone.",
    )
    .say("Copy all 64 bits: r1 = r2.")
}

fn unbounded(case: &Case<'_>) -> Explanation {
    let explanation = because(
        "A number of which no lower bound is known is added to a pointer, or subtracted from it.",
        "The number must be known to be more than -536,870,912 (-2^29).",
    )
    .say("Compare the number first, or mask it: r2 &= 0xff.");
    number_at_fault(case, explanation)
}

fn too_far(case: &Case<'_>) -> Explanation {
    let explanation = because(
        format!("The pointer would be moved by {}, which is further than pointers may be.", case.number("n")),
        "Offsets of pointers stay between -536,870,912 and 536,870,912 (2^29).",
    );
    number_at_fault(case, explanation)
}

/// Tells the history of the number, not of the pointer.
fn number_at_fault(case: &Case<'_>, explanation: Explanation) -> Explanation {
    let (Some(state), Some(Insn::Alu { dst, src, .. })) = (&case.state, case.insn) else {
        return explanation;
    };
    match src {
        Operand::Reg(src) if state.register(src).is_scalar() => explanation.about(case.place(src)),
        _ => explanation.about(case.place(dst)),
    }
}

fn paths(case: &Case<'_>) -> Explanation {
    because(
        format!("On different paths {} is moved in different ways by this instruction.", case.r()),
        "Without CAP_PERFMON one instruction has to move a pointer in one way, so that it can be masked.",
    )
}

fn zero(_: &Case<'_>) -> Explanation {
    because("The instruction divides by the constant 0.", "A constant divisor is not 0.")
        .say("Divide by another number. (A register that is 0 when the program runs gives 0.)")
}

fn shift(case: &Case<'_>) -> Explanation {
    because(
        format!("The instruction shifts by {}.", case.hole("n")),
        "A constant shift is at least 0, and less than the width: 64, or 32 for a w register.",
    )
}
