//! What a loader without `CAP_PERFMON` may not do.

use alloc::format;

use super::{Case, Explanation, Row, because, row};

pub(super) const ROWS: &[Row] = &[
    row(
        "R{r} has unknown scalar with mixed signed bounds, pointer arithmetic with it prohibited for !root",
        mixed,
    ),
    row(
        "R{r} has pointer with unsupported alu operation, pointer arithmetic with it prohibited for !root",
        unguarded,
    ),
    row(
        "R{r} tried to {verb} from different maps, paths or scalars, pointer arithmetic with it prohibited for !root",
        different,
    ),
    row(
        "R{r} tried to {verb} beyond pointer bounds, pointer arithmetic with it prohibited for !root",
        beyond,
    ),
    row(
        "R{r} could not be pushed for speculative verification, pointer arithmetic with it prohibited for !root",
        too_many,
    ),
    row("R{r} variable stack access prohibited for !root, var_off={var} off={off}", variable),
    row("R{r} stack pointer arithmetic goes out of range, prohibited for !root; off={off}", out_of_stack),
    row("R{r} pointer arithmetic of map value goes out of range, prohibited for !root", out_of_value),
    row("R{r} pointer comparison prohibited", comparison),
    row("leaking pointer from stack off {off}", read_in_part),
    row("'struct {name}' access is allowed only to CAP_PERFMON and CAP_SYS_ADMIN", kernel_memory),
];

const RIGHT: &str = "Load the program with CAP_PERFMON, or with CAP_SYS_ADMIN.";

fn mixed(case: &Case<'_>) -> Explanation {
    because(
        format!("{} may be negative or not. A processor that guesses wrong could add it in either direction, and without CAP_PERFMON each sum is guarded in one.", case.operand()),
        "The number must be known to be at least 0, or to be below 0.",
    )
    .say(format!("Bound {} before it is added: mask it, or compare it with 0.", case.operand()))
}

fn unguarded(case: &Case<'_>) -> Explanation {
    because(
        format!("{} is a pointer of a kind to which a register is not added without CAP_PERFMON: only pointers into the stack and into maps' values can be guarded against a processor's wrong guess.", case.operand()),
        "Without CAP_PERFMON a constant of the instruction alone may be added to it.",
    )
    .say(RIGHT)
}

fn different(case: &Case<'_>) -> Explanation {
    because(
        format!(
            "Another path came to this instruction with a sum for {} that is guarded differently. Without CAP_PERFMON a sum has one guard: the same kinds of operands, and the same greatest distance, on every path.",
            case.r()
        ),
        "On every path that leads here the operands must be of the same kinds, and the number of the same bound.",
    )
    .say("Give each path an addition of its own, or bound the number alike on all of them.")
}

fn beyond(case: &Case<'_>) -> Explanation {
    because(
        format!(
            "{} is at the end of what it points to, so that nothing can be added to it and be guarded.",
            case.operand()
        ),
        "Something of what it points to must lie in the direction of the sum.",
    )
    .say("Add to a pointer farther from the end.")
}

fn too_many(_: &Case<'_>) -> Explanation {
    because(
        "Too many sides of branches wait already: the path that a processor takes when it guesses wrong can't be looked at.",
        "There must be fewer branches on the way here.",
    )
    .say("Make the function smaller, or check values in a loop's step instead of one after the other.")
}

fn variable(case: &Case<'_>) -> Explanation {
    because(
        format!("{} would point to a place in the stack that is not known. Without CAP_PERFMON stack pointers have constant offsets.", case.operand()),
        "The number must be one that is known.",
    )
    .say("Use an array map's value for what is indexed, or branch to a place for each index.")
}

fn out_of_stack(case: &Case<'_>) -> Explanation {
    because(
        format!("{} would be {} from the frame pointer, outside the stack. Without CAP_PERFMON a pointer may not even be made that points outside.", case.operand(), case.number("off")),
        "The sum must be from -512 to -1.",
    )
    .say("Keep the pointer within the stack's 512 bytes at each step of its computation.")
}

fn out_of_value(case: &Case<'_>) -> Explanation {
    because(
        format!("{} could point outside the map's value. Without CAP_PERFMON a pointer may not even be made that does.", case.operand()),
        "The sum must lie within the value, whatever the number is.",
    )
    .say("Bound the number before it is added.")
}

fn comparison(case: &Case<'_>) -> Explanation {
    because(
        format!("{} is a pointer, and what the comparison says of it would tell the program about the kernel's addresses.", case.operand()),
        "Without CAP_PERFMON pointers are compared with null where they may be null, and packet pointers with the packet's end.",
    )
    .say(RIGHT)
}

fn read_in_part(case: &Case<'_>) -> Explanation {
    because(
        format!(
            "The slot at {} holds a pointer, and the instruction would take its bytes for a number.",
            case.number("off")
        ),
        "Without CAP_PERFMON a spilled pointer is read whole, into a register.",
    )
    .say("Load all 8 bytes into a register, or write a number there first.")
}

fn kernel_memory(case: &Case<'_>) -> Explanation {
    because(
        format!("The access reads the kernel's struct {}, which only loaders that may see the kernel's memory may do.", case.hole("name")),
        "The loader must have CAP_PERFMON.",
    )
    .say(RIGHT)
}
