//! Where control goes, how long, and encodings.

use alloc::format;
use alloc::string::String;

use super::describe;
use super::path::Place;
use super::{Case, Explanation, Row, because, row};
use crate::isa::{Insn, Operand};

pub(super) const ROWS: &[Row] = &[
    row("jump out of range from insn {from} to {to}", out_of_range),
    row("jump into the middle of ldimm64 insn {n}", into_wide),
    row("jump to reserved code from insn {from}", into_wide),
    row("unreachable insn {n}", unreachable),
    row("last insn is not an exit or jmp", falls_through),
    row("back-edge from insn {from} to {to}", back_edge),
    row("infinite loop detected at insn {n}", endless),
    row("BPF program is too large. Processed {n} insn", too_long),
    row("The sequence of {n} jumps is too complex.", too_many_jumps),
    row("invalid insn idx {n} insn_cnt {count}", falls_through),
    row("call to invalid destination", no_function),
    row("call to non-function", no_function),
    row("recursive call from {from} to {to}", recursion),
    row("the call stack of {n} frames is too deep", too_deep),
    row("the call stack of {n} frames is too deep !", too_deep_chain),
    row("combined stack size of {n} calls is {bytes}. Too large", stack_size),
    row("use static function instead", global_function),
    row("{what} is only allowed in functions that return 'int'.", early_return),
    row("{what} is not allowed in subprogs without BTF", early_return_untyped),
    row("unknown opcode {code}", opcode),
    row("invalid bpf_ld_imm64 insn", wide),
    row("unrecognized bpf_ld_imm64 insn", wide),
    row("{what} uses reserved fields", reserved),
    row("{what} uses reserved fields or incorrect size", reserved),
    row("may_goto insn's off={n} is illegal", may_goto),
    row("invalid may_goto imm {n}", reserved_may_goto),
    row("unexpected __bpf_trap() due to uninitialized variable?", trap),
    row("glasshive: {what} is not built yet", not_built),
    row("addr_space_cast insn can only be used in a program that has an associated arena", arena),
];

fn out_of_range(case: &Case<'_>) -> Explanation {
    because(
        format!("The jump at {} goes to {}, outside of its function.", case.hole("from"), case.hole("to")),
        "A jump stays within its function.",
    )
    .at(case.holes.number("from"))
}

fn into_wide(case: &Case<'_>) -> Explanation {
    because(
        "A jump goes to the second half of a 64-bit load, which is no instruction.",
        "A jump goes to the first slot of an instruction.",
    )
    .at(case.holes.number("n").or(case.holes.number("from")))
}

fn unreachable(case: &Case<'_>) -> Explanation {
    because(
        format!("No path leads to the instruction at {}.", case.hole("n")),
        "Every instruction can be reached from the beginning.",
    )
    .at(case.holes.number("n"))
    .say("Remove it, or jump to it.")
}

fn falls_through(_: &Case<'_>) -> Explanation {
    because(
        "Control runs over the end of a function.",
        "The last instruction of a function is an exit or a jump back.",
    )
    .at(None)
    .say("End the function with r0 set and exit.")
}

fn back_edge(case: &Case<'_>) -> Explanation {
    because(
        format!("The jump from {} back to {} makes a loop.", case.hole("from"), case.hole("to")),
        "Without CAP_BPF programs have no loops.",
    )
    .at(case.holes.number("from"))
    .say("Unroll the loop.")
}

fn endless(case: &Case<'_>) -> Explanation {
    let explanation = because(
        format!(
            "The loop at {} comes round to the same state: nothing that it tests changes.",
            case.hole("n")
        ),
        "Each round must change something that ends the loop, by a bound that the verifier can see.",
    )
    .say("Count the rounds in a register, and leave the loop at a constant number of them.");
    // The condition that keeps it going: the last comparison before.
    let (Some(program), Some(state)) = (&case.trace.program, &case.state) else { return explanation };
    let mut step = case.trace.last();
    for _ in 0..100 {
        let Some(at) = step else { break };
        if let Some(Ok(Insn::Branch { dst, src, .. })) = program.insns.get(case.trace.pc(at).index()) {
            let place = |number| Place::Register { frame: state.current(), number };
            let explanation = explanation.about(place(dst.number()));
            return match src {
                Operand::Reg(src) => explanation.about(place(src.number())),
                Operand::Imm(_) => explanation,
            };
        }
        step = case.trace.previous(at);
    }
    explanation
}

fn too_long(case: &Case<'_>) -> Explanation {
    let walked = most_walked(case);
    because(
        format!("The verifier walked {} instructions without coming to an end.{walked}", case.hole("n")),
        "A program is verified within 1,000,000 walked instructions.",
    )
    .say("Bound loops tighter, move work to functions that are verified once, or use bpf_loop.")
}

/// The instruction that was walked most often, in words.
fn most_walked(case: &Case<'_>) -> String {
    let visits = case.trace.visits();
    let most = visits.iter().enumerate().max_by_key(|(at, count)| (**count, usize::MAX - at));
    most.map_or_else(String::new, |(at, count)| format!(" The instruction at {at} was walked {count} times."))
}

fn too_many_jumps(case: &Case<'_>) -> Explanation {
    because(
        format!("{} sides of branches wait to be walked at a time.{}", case.hole("n"), most_walked(case)),
        "At most 8,192 sides wait at a time.",
    )
    .say("Bound loops tighter, or leave a loop at fewer places.")
}

fn no_function(_: &Case<'_>) -> Explanation {
    because(
        "A call goes to a place where no function begins.",
        "A call goes to the first instruction of a function.",
    )
}

fn recursion(case: &Case<'_>) -> Explanation {
    because(
        format!("The function {} ends up calling itself.", case.hole("to")),
        "Functions do not call themselves, not even through others.",
    )
    .say("Write it as a loop.")
}

fn too_deep(case: &Case<'_>) -> Explanation {
    because(
        format!("This call would be the {}th frame.", case.hole("n")),
        "A chain of calls has at most 8 frames.",
    )
    .say("Let the compiler inline one of the functions: __always_inline.")
}

fn too_deep_chain(case: &Case<'_>) -> Explanation {
    too_deep(case).at(None)
}

fn stack_size(case: &Case<'_>) -> Explanation {
    because(
        format!(
            "A chain of {} functions needs {} of stack together.",
            case.hole("n"),
            case.holes.number("bytes").map_or_else(String::new, describe::bytes)
        ),
        "The functions of a chain of calls have 512 bytes of stack together, each rounded up to 16.",
    )
    .at(None)
    .say("Keep large data in a per-CPU array map, or share a buffer by passing a pointer to it.")
}

fn global_function(_: &Case<'_>) -> Explanation {
    because(
        "A global function does what only static functions may.",
        "Global functions are verified by their prototype alone.",
    )
    .say("Declare the function static.")
}

/// What may return from the midst of a function, and why it does.
fn returns_early(case: &Case<'_>) -> (&'static str, &'static str) {
    match case.hole("what") {
        "tail_call" => ("tail call", "A tail call that succeeds returns what the other program does"),
        _ => ("legacy packet load", "A legacy packet load that fails returns from the function"),
    }
}

fn early_return(case: &Case<'_>) -> Explanation {
    let (what, why) = returns_early(case);
    because(
        format!("A {what} is in a function that does not return an int."),
        format!("{why}, so it has to return an int."),
    )
}

fn early_return_untyped(case: &Case<'_>) -> Explanation {
    let (what, why) = returns_early(case);
    because(
        format!("A {what} is in a function of which no type is known."),
        format!("{why}, so the program's BTF has to say that it returns an int."),
    )
    .say("Keep it in the main program, or load the program with the BTF of its functions.")
}

fn opcode(case: &Case<'_>) -> Explanation {
    because(format!("The opcode {} is no instruction.", case.hole("code")), "Opcodes are those of RFC 9669.")
}

fn wide(_: &Case<'_>) -> Explanation {
    because(
        "A 64-bit load is not followed by its second half, or says what it loads by a number that means nothing.",
        "A 64-bit load takes two slots; the second has the opcode 0 and the upper half.",
    )
}

fn reserved(case: &Case<'_>) -> Explanation {
    because(
        format!("A field that the instruction ({}) does not use is not 0.", case.hole("what")),
        "Fields that an instruction does not use are 0.",
    )
}

fn may_goto(case: &Case<'_>) -> Explanation {
    because(
        format!("A may_goto jumps by {} slots, where it cannot.", case.number("n")),
        "A may_goto goes on to another instruction, which ends the loop.",
    )
}

fn reserved_may_goto(case: &Case<'_>) -> Explanation {
    because(
        format!("A may_goto has the constant {}, which it does not use.", case.number("n")),
        "Fields that an instruction does not use are 0.",
    )
}

fn trap(_: &Case<'_>) -> Explanation {
    because(
        "The compiler left a trap here, as it does where a variable is used that was never set.",
        "No path may lead here.",
    )
    .say("Compile with warnings on, and initialise the variable.")
}

fn not_built(case: &Case<'_>) -> Explanation {
    because(
        format!("glasshive does not know {} yet; the kernel may well accept it.", case.hole("what")),
        "Nothing is wrong with the program as far as it was verified.",
    )
}

fn arena(_: &Case<'_>) -> Explanation {
    because(
        "An address of an arena is cast, but the program uses no arena map.",
        "The program refers to an arena map.",
    )
}
