//! The stack.

use alloc::format;
use alloc::string::String;
use alloc::vec;

use super::describe::{self, bytes};
use super::edit::{self, insert};
use super::{Case, Explanation, Row, because, row};

pub(super) const ROWS: &[Row] = &[
    row("invalid read from stack off {off}+{at} size {size}", uninitialised),
    row("invalid read from stack R{r} off {off}+{at} size {size}", uninitialised),
    row("invalid read from stack R{r} var_off {var}+{at} size {size}", uninitialised),
    row("invalid read from stack R{r} off={off} size={size}", outside),
    row("invalid write to stack R{r} off={off} size={size}", outside),
    row("invalid variable-offset {what} stack R{r} var_off={var} off={off} size={size}", variable),
    row("invalid unbounded variable-offset {what} stack R{r}", unbounded),
    row("R{r} variable offset stack access prohibited for !root, var_off={var}", unprivileged),
    row("invalid size of register fill", fill),
    row("invalid size of register spill", spill),
    row("cannot spill pointers to stack into stack frame of the caller", spill_above),
    row("attempt to corrupt spilled pointer on stack", corrupted),
    row("corrupted spill memory", corrupted),
];

fn uninitialised(case: &Case<'_>) -> Explanation {
    let size = case.holes.number("size").map_or_else(String::new, bytes);
    let (off, at) = (case.holes.number("off"), case.holes.number("at").unwrap_or(0));
    let place = off.map_or_else(|| "there".into(), |off| format!("at fp{off}"));
    let explanation = because(
        format!("{size} of the stack {place} are read, and byte {at} of them was never written."),
        "Every byte must have been written before it is read.",
    );
    let Some(pc) = case.pc else { return explanation };
    let Some(first) = off.map(|off| off + at).filter(|first| (-512..0).contains(first)) else {
        return explanation.say("Write the bytes first.");
    };
    let slot = first.div_euclid(8) * 8;
    let text = format!("Write the slot first, as here the eight bytes at fp{slot} with 0.");
    explanation.suggest(insert(text, pc, vec![format!("*(u64 *)(r10 {slot:+}) = 0")]))
}

fn outside(case: &Case<'_>) -> Explanation {
    let off = case.holes.number("off").unwrap_or(0);
    let size = case.holes.number("size").unwrap_or(0);
    let found = match off {
        off if off < -512 => "below the lowest byte of the stack, fp-512",
        off if off >= 0 => "above the stack, which ends at fp-1",
        off if off + size > 0 => "across the end of the stack, which is at fp-1",
        _ => return below_what_was_written(off, size),
    };
    because(
        format!("{} at fp{off:+} lie {found}.", bytes(size)),
        format!("The access must lie on [fp-512, fp-{}].", size.max(1)),
    )
    .say("Use an offset below the frame pointer, with room for all the bytes.")
}

/// A read of the stack, within it.
fn below_what_was_written(off: i64, size: i64) -> Explanation {
    because(
        format!("{} of the stack at fp{off} are read, and nothing as low as that was written.", bytes(size)),
        "Without CAP_PERFMON the stack is read only where it was written.",
    )
    .say("Write the bytes first.")
}

fn variable(case: &Case<'_>) -> Explanation {
    let (Some(value), Some(size)) = (case.value(), case.holes.number("size")) else {
        return because("The access may lie outside of the stack.", "");
    };
    let off = i64::from(value.offset) + super::memory::instruction_offset(case.insn);
    let least = value.var.smin.saturating_add(off);
    let most = value.var.smax.saturating_add(off);
    because(
        format!(
            "The offset from the frame pointer can be [{}, {}], while {} of the stack can be accessed on [-512, {}].",
            describe::number(least),
            describe::number(most),
            bytes(size),
            -size
        ),
        "Every offset that is possible must lie within the stack.",
    )
    .say("Bound the index before it is added to the pointer.")
}

fn unbounded(case: &Case<'_>) -> Explanation {
    because(
        format!("{} points to the stack at an offset of which nothing is known.", case.r()),
        "Every offset that is possible must lie within the stack.",
    )
    .say("Bound the index on both sides before it is added to the pointer.")
}

fn unprivileged(case: &Case<'_>) -> Explanation {
    because(
        format!("{} points to the stack at an offset that is not known.", case.r()),
        "Without CAP_PERFMON the stack is accessed at known offsets alone.",
    )
}

fn fill(_: &Case<'_>) -> Explanation {
    because(
        "A part of a pointer that was saved on the stack is loaded.",
        "A saved pointer can be loaded back whole alone, with eight bytes.",
    )
    .say("Load all eight bytes: *(u64 *).")
}

fn spill(_: &Case<'_>) -> Explanation {
    because(
        "A pointer is stored on the stack with fewer than eight bytes.",
        "A pointer can be saved whole alone, with eight bytes at a multiple of eight.",
    )
    .say("Store all eight bytes: *(u64 *).")
}

fn spill_above(_: &Case<'_>) -> Explanation {
    because(
        "A function stores a pointer to its own stack in its caller's, where it would outlive it.",
        "A pointer to a function's stack can be kept on that stack alone.",
    )
    .suggest(edit::say("Keep it in the function's own frame."))
}

fn corrupted(_: &Case<'_>) -> Explanation {
    because(
        "A part of a pointer that was saved on the stack is overwritten.",
        "Without CAP_PERFMON a saved pointer is overwritten whole or not at all.",
    )
    .say("Use another slot.")
}
