//! Calls: what helpers and functions take.

use alloc::format;
use alloc::string::String;

use super::describe::{self, bytes};
use super::edit::{self, guard, insert};
use super::{Case, Explanation, Row, because, row};
use crate::isa::Reg;

pub(super) const ROWS: &[Row] = &[
    row("R{r} type={type} expected={expected}", wrong_type),
    row("R{r} min value is negative, either use unsigned or 'var &= const'", negative_size),
    row("R{r} unbounded memory access, use 'var &= const' or 'if (var < const)'", unbounded_size),
    row("R{r} invalid zero-sized read: u64=[{min},{max}]", empty),
    row("invalid zero-sized read", empty),
    row("R{r} must be a known constant", constant),
    row("R{r} is not a known constant'", constant),
    row("verifier bug: zero-size read", empty),
    row("invalid func unknown#{n}", unknown),
    row("program of this type cannot use helper {name}#{n}", wrong_program),
    row("func {name}#{n} not supported for program type {type}", wrong_program),
    row("cannot call GPL-restricted function from non-GPL compatible program", licence),
    row("struct ops programs must have a GPL compatible license", licence),
    row("cannot pass map_type {type} into func {name}#{n}", wrong_map),
    row("invalid map_ptr to access map->key", no_map),
    row("invalid map_ptr to access map->value", no_map),
    row("fd {fd} is not pointing to valid bpf_map", no_descriptor),
    row("The total number of maps per program has reached the limit of 64", many_maps),
    row("get_local_storage() doesn't support non-zero flags", storage_flags),
    row("tail_call abusing map_ptr", tail_call),
    row("Caller passes invalid args into func#{n} ('{name}')", global_arguments),
    row("Caller passes invalid args into func#{n}", global_arguments),
    row("R{r} does not point to a readonly map'", constant_string),
    row("{what} program of this type cannot use {name}", wrong_program),
    row("tracing progs cannot use {what} yet", not_in_tracing),
    row("function calls are not allowed while holding a lock", locked_call),
    row("helper call is not allowed in probe", wrong_program),
    row("program must be sleepable to call sleepable kfunc {name}", sleepable),
    row("a non-sleepable BPF program context", sleepable),
];

fn wrong_type(case: &Case<'_>) -> Explanation {
    let (r, called) = (case.r(), case.called());
    let wanted = wanted(case.hole("expected"));
    let explanation = because(
        format!("{called} takes {wanted} in {r}, and gets {}.", case.words()),
        format!("{r} must be {wanted}."),
    );
    match (case.value(), case.reg()) {
        (Some(value), Some(reg)) if value.maybe_null => explanation.suggest(edit::null_check(case, reg)),
        _ => explanation,
    }
}

/// The kernel's words for kinds of values, in words.
const KINDS: &[(&str, &str)] = &[
    ("fp", "a pointer to the stack"),
    ("fp, pkt, pkt_meta, map_key, map_value, mem, ringbuf_mem, buf, trusted_ptr_", "a pointer to memory"),
    ("map_ptr", "a map"),
    ("ctx", "the context"),
    ("scalar", "a number"),
    ("map_value", "a pointer to a value of a map"),
    ("ringbuf_mem", "a record of a ring buffer"),
    ("func", "a function"),
    ("sock_common, sock, tcp_sock, xdp_sock, ptr_, trusted_ptr_", "a socket"),
    ("sock_common, sock, tcp_sock, xdp_sock", "a socket"),
    ("percpu_ptr_, percpu_rcu_ptr_, percpu_trusted_ptr_", "a per-CPU variable of the kernel's"),
    ("ptr_, trusted_ptr_, rcu_ptr_", "an object of the kernel's"),
];

fn wanted(expected: &str) -> String {
    let known = KINDS.iter().find(|row| row.0 == expected);
    known.map_or_else(|| format!("one of {expected}"), |row| row.1.into())
}

fn size_at_fault(case: &Case<'_>) -> String {
    let range = case.value().and_then(|value| describe::interval(&value.var));
    match range {
        Some((least, most)) => format!("the size in {} can be [{least}, {most}]", case.r()),
        None => format!("the size in {} can be any number", case.r()),
    }
}

fn negative_size(case: &Case<'_>) -> Explanation {
    because(
        format!("{} is given memory, and {}.", case.called(), size_at_fault(case)),
        "The size must be known not to be negative.",
    )
    .suggest(bound_size(case))
}

fn unbounded_size(case: &Case<'_>) -> Explanation {
    because(
        format!("{} is given memory, and {}.", case.called(), size_at_fault(case)),
        "The size must be known to be at most that of the memory.",
    )
    .suggest(bound_size(case))
}

/// Bytes that a pointer has before it, as far as is plain: of the stack, or of a map's value.
fn room(case: &Case<'_>, reg: Reg) -> Option<i64> {
    use crate::verifier::register::Kind;
    let pointer = *case.state.as_ref()?.register(reg);
    let at = pointer.var.as_constant()? as i64 + i64::from(pointer.offset);
    match pointer.kind {
        Kind::Stack { .. } => Some(-at),
        Kind::MapValue(map) => {
            let info = case.trace.program.as_ref()?.maps.get(usize::from(map.0))?;
            Some(i64::from(info.spec.value_size) - at)
        }
        Kind::Packet => Some(i64::from(pointer.range) - at),
        _ => None,
    }
    .filter(|room| *room > 0)
}

fn bound_size(case: &Case<'_>) -> Option<super::Suggestion> {
    let (state, pc, reg) = (case.state.as_ref()?, case.pc?, case.reg()?);
    let r = case.r();
    let Some(room) = Reg::new(reg.number().checked_sub(1)?).and_then(|memory| room(case, memory)) else {
        return edit::say(format!("Compare {r} with the memory's size before the call."));
    };
    let text = format!("Let {r} be at most {} before the call.", bytes(room));
    match guard(case, state, pc, &format!("{r} <= {room}")) {
        Some(lines) => insert(text, pc, lines),
        None => edit::say(text),
    }
}

fn empty(case: &Case<'_>) -> Explanation {
    let explanation = because(
        format!("{} is given memory whose size may be 0.", case.called()),
        "The size must be known to be at least 1.",
    );
    let (Some(state), Some(pc), Some(_)) = (&case.state, case.pc, case.reg()) else { return explanation };
    let r = case.r();
    let text = format!("Compare {r} with 0 before the call.");
    match guard(case, state, pc, &format!("{r} != 0")) {
        // A constant 0 can't be told apart.
        Some(lines) if case.value().is_some_and(|value| value.as_constant().is_none()) => {
            explanation.suggest(insert(text, pc, lines))
        }
        _ => explanation.say(text),
    }
}

fn constant(case: &Case<'_>) -> Explanation {
    because(
        format!("{} takes a constant in {}, and gets {}.", case.called(), case.r(), case.words()),
        format!("{} must be one known number.", case.r()),
    )
}

fn unknown(case: &Case<'_>) -> Explanation {
    because(
        format!("There is no helper number {}.", case.hole("n")),
        "A call names a helper by its number in the kernel's table.",
    )
}

fn wrong_program(case: &Case<'_>) -> Explanation {
    let name = match case.hole("name") {
        "" => case.called(),
        name => name.into(),
    };
    because(
        format!("{name} can't be called by {}.", case.program_type()),
        "Each program type has helpers of its own.",
    )
    .say("Use another program type, or another helper.")
}

fn licence(case: &Case<'_>) -> Explanation {
    because(
        format!("{} is for programs under the GPL, and this program's licence is not compatible with it.", case.called()),
        "The licence must be one that the kernel takes to be compatible: GPL, GPL v2, Dual BSD/GPL, Dual MIT/GPL and the like.",
    )
    .say("If the program may be licensed so, say it: .license GPL.")
}

fn wrong_map(case: &Case<'_>) -> Explanation {
    let number = case.holes.number("type").and_then(|n| u32::try_from(n).ok());
    let name = number.and_then(crate::names::map_type).unwrap_or("this type");
    because(
        format!("{} does not take a map of type {name}.", case.hole("name")),
        "Each helper takes maps of certain types.",
    )
    .about(case.place(Reg::R1))
}

fn no_map(case: &Case<'_>) -> Explanation {
    because(
        format!("{} is given a key or a value, but no map before it.", case.called()),
        "r1 must be a map.",
    )
}

fn no_descriptor(case: &Case<'_>) -> Explanation {
    because(
        format!("The program refers to the descriptor {}, which is no map's.", case.hole("fd")),
        "Every map that the program refers to must have been created.",
    )
    .at(None)
}

fn many_maps(_: &Case<'_>) -> Explanation {
    because("The program refers to more than 64 maps.", "A program refers to at most 64 maps.").at(None)
}

fn storage_flags(_: &Case<'_>) -> Explanation {
    because("bpf_get_local_storage is given flags other than 0.", "r2 must be 0.")
        .about(super::Place::Register { frame: 0, number: 2 })
}

fn tail_call(_: &Case<'_>) -> Explanation {
    because(
        "The map of this tail call is not the same on every path.",
        "A tail call's map must be one known map.",
    )
}

fn global_arguments(case: &Case<'_>) -> Explanation {
    let name = match case.hole("name") {
        "" => "The function".into(),
        name => String::from(name),
    };
    because(
        format!(
            "{name} is a global function, and is called with arguments that its prototype does not allow."
        ),
        "A global function is verified by its prototype alone: pointers must be what it says, and not null where it does not check.",
    )
}

fn constant_string(case: &Case<'_>) -> Explanation {
    because(
        format!("{} takes a constant text in {}.", case.called(), case.r()),
        "The text must lie in a map that is read-only and frozen.",
    )
    .say("Make it a static const array, which clang puts into .rodata.")
}

fn not_in_tracing(case: &Case<'_>) -> Explanation {
    because(format!("Tracing programs can't use {}.", case.hole("what")), "It is for other program types.")
}

fn locked_call(_: &Case<'_>) -> Explanation {
    because(
        "A function is called while a spin lock is held.",
        "Between bpf_spin_lock and bpf_spin_unlock nothing else is called.",
    )
    .say("Call it before the lock is taken, or after it is given back.")
}

fn sleepable(case: &Case<'_>) -> Explanation {
    because(
        format!("{} may sleep, and it can't here.", case.called()),
        "It may be called by sleepable programs alone, outside of sections that must not sleep.",
    )
    .say("Load the program as sleepable (a section name with .s), or call it elsewhere.")
}
