//! What has to be given back: references, locks, sections, dynptrs, iterators.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{Case, Explanation, Row, because, row};

pub(super) const ROWS: &[Row] = &[
    row("{where} would lead to reference leak", leak),
    row("R{r} must be referenced when passed to release function", not_held),
    row("arg {n} is an unacquired reference", not_held),
    row("R{r} must have zero offset when passed to release func or trusted arg to kfunc", moved),
    row("bpf_spin_unlock without taking a lock", no_lock),
    row("{what} of different lock", other_lock),
    row("Acquiring the same lock again, AA deadlock detected", twice),
    row("{what} at off={off} must be held for {object}", lock_needed),
    row("{where} cannot be used inside {section}-ed region", section),
    row("cannot restore irq state out of order, expected id={id} acquired at insn_idx={pc}", irq_order),
    row("cannot overwrite referenced dynptr", overwritten),
    row("potential write to dynptr at off={off} disallowed", dynptr_write),
    row("Dynptr has to be an uninitialized dynptr", fresh_dynptr),
    row("Expected an initialized dynptr as {arg}", no_dynptr),
    row("expected an initialized {type} as arg #{n}", no_iterator),
    row("expected uninitialized {type} as arg #{n}", fresh_iterator),
    row("expected an initialized irq flag as arg#{n}", no_flag),
    row("arg#{n} doesn't point to an irq flag on stack", no_flag),
    row("arg#{n} expected pointer to an iterator on stack", no_iterator),
    row("map '{map}' has no valid {what}", no_field),
    row("off {off} doesn't point to 'struct {what}' that is at {at}", elsewhere),
    row("{what} cannot be accessed directly by load/store", direct),
    row("can't spin_{rest}", in_callback),
    row("bpf_throw kfunc (insn {n}) cannot be called from callback subprog {f}", in_callback),
];

fn leak(case: &Case<'_>) -> Explanation {
    let held: Vec<String> = case
        .state
        .as_ref()
        .map_or_else(Vec::new, |state| state.references.iter().map(|r| format!("{}", r.acquired)).collect());
    let wher = match case.hole("where") {
        "BPF_EXIT instruction in main prog" => "ends",
        _ => "leaves",
    };
    let what = match held.len() {
        0 => "what it acquired".into(),
        1 => format!("what it acquired at instruction {}", held[0]),
        _ => format!("what it acquired at instructions {}", held.join(", ")),
    };
    because(
        format!("The program {wher} while it still holds {what}."),
        "What is acquired must be given back on every path: a socket by bpf_sk_release, a ring buffer's record by bpf_ringbuf_submit or bpf_ringbuf_discard.",
    )
    .suggest(release(case))
}

/// A release before the instruction, where a register or slot still holds what is to be released.
fn release(case: &Case<'_>) -> Option<super::Suggestion> {
    super::edit::release(case).or_else(|| super::edit::say("Give it back on this path too."))
}

fn not_held(case: &Case<'_>) -> Explanation {
    because(
        format!("{} is given back, but the program does not hold it: it is {}.", case.r(), case.words()),
        "Only what the program acquired, and has not given back yet, can be given back.",
    )
}

fn moved(case: &Case<'_>) -> Explanation {
    because(
        format!("{} is {}, and must be as it was given.", case.r(), case.words()),
        "What is given back must point to its beginning.",
    )
    .say("Keep the pointer as it was in another register.")
}

fn no_lock(_: &Case<'_>) -> Explanation {
    because("A lock is given back that is not held.", "bpf_spin_unlock follows bpf_spin_lock on every path.")
}

fn other_lock(_: &Case<'_>) -> Explanation {
    because(
        "The lock that is given back is not the one that was taken.",
        "The lock must be taken and given back through the same pointer: the same look-up's result.",
    )
}

fn twice(_: &Case<'_>) -> Explanation {
    because("A lock is taken that is held already.", "A lock is given back before it is taken again.")
}

fn lock_needed(case: &Case<'_>) -> Explanation {
    because(
        format!(
            "{} is changed while the lock at offset {} beside it is not held.",
            case.hole("object"),
            case.hole("off")
        ),
        "The lock in the same value must be held.",
    )
    .say("Take the lock before: bpf_spin_lock.")
}

fn section(case: &Case<'_>) -> Explanation {
    let section = case.hole("section");
    because(
        format!("The section that {section} began has not ended here."),
        "A section ends on every path before the program does, and nothing that may sleep is called in it.",
    )
}

fn irq_order(case: &Case<'_>) -> Explanation {
    because(
        format!("Interrupts are restored from another flag than the one saved last, at {}.", case.hole("pc")),
        "Saved states are restored in the reverse order.",
    )
}

fn overwritten(_: &Case<'_>) -> Explanation {
    because(
        "A dynptr that still holds something is overwritten.",
        "It must have been given back before: bpf_ringbuf_submit_dynptr or bpf_ringbuf_discard_dynptr.",
    )
}

fn dynptr_write(case: &Case<'_>) -> Explanation {
    because(
        format!("A write may hit the dynptr at fp{}.", case.hole("off")),
        "A dynptr on the stack is changed by its helpers alone.",
    )
}

fn fresh_dynptr(_: &Case<'_>) -> Explanation {
    because(
        "A dynptr is made where there is one already.",
        "It must point to 16 bytes of the stack that hold no dynptr.",
    )
}

fn no_dynptr(case: &Case<'_>) -> Explanation {
    because(
        format!("{} takes a dynptr, and gets something else.", case.called()),
        "The argument must point to a dynptr on the stack that was made and not given back.",
    )
}

fn no_iterator(case: &Case<'_>) -> Explanation {
    because(
        format!("{} takes an iterator that was begun, and gets something else.", case.called()),
        "The argument must point to an iterator on the stack, begun by its _new function and not ended yet.",
    )
}

fn fresh_iterator(case: &Case<'_>) -> Explanation {
    because(
        format!("{} begins an iterator where there is one already.", case.called()),
        "The argument must point to stack that holds no iterator.",
    )
}

fn no_flag(_: &Case<'_>) -> Explanation {
    because(
        "Interrupts are restored from something that is no saved state.",
        "The argument must point to the stack where bpf_local_irq_save left it.",
    )
}

fn no_field(case: &Case<'_>) -> Explanation {
    because(
        format!("The value of map {} has no {}.", case.hole("map"), case.hole("what")),
        "The map's value type must have such a field, by its BTF.",
    )
}

fn elsewhere(case: &Case<'_>) -> Explanation {
    because(
        format!(
            "The pointer is at offset {}, and the struct {} is at {}.",
            case.hole("off"),
            case.hole("what"),
            case.hole("at")
        ),
        "The pointer must be that field's.",
    )
}

fn direct(case: &Case<'_>) -> Explanation {
    because(
        format!("A load or store hits the {} in a value.", case.hole("what")),
        "It is used through its helpers alone.",
    )
}

fn in_callback(_: &Case<'_>) -> Explanation {
    because("This is done in a callback, where it can't be.", "It belongs outside of callbacks.")
}
