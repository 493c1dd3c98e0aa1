//! What machine code does where a program goes wrong; what it computes is the engines' table's.

use glasshive::arena::{Memory, ObjectKind};
use glasshive::helper::RunContext;
use glasshive::image::Image;
use glasshive::interp::{Stop, TrapKind};
use glasshive::isa::asm::assemble;
use glasshive::isa::{Insn, Size, decode_program};
use glasshive::names::Uapi;
use glasshive::resources::Resources;

use super::Executable;
use crate::memory::ReservedMemory;

fn image(text: &str) -> Image {
    let assembly = assemble(text, &Uapi).unwrap_or_else(|errors| panic!("{errors:?}"));
    let mut insns: Vec<Insn> = Vec::new();
    for insn in decode_program(&assembly.insns) {
        let before = insns.last().copied();
        insns.push(insn.ok().or(before).unwrap());
    }
    Image::unverified(insns)
}

/// Runs a program with r1 pointing to a word; how it ends, and the word afterwards.
fn run(text: &str, budget: u64) -> (Stop, u64) {
    let mut resources = Resources::new(ReservedMemory::new(1 << 16).unwrap(), 1, 1);
    let object = resources.arena.allocate(8, 8, ObjectKind::Context, true).unwrap();
    let used = resources.arena.used();
    let image = image(text);
    let code = Executable::new(&image).unwrap();
    let mut run = RunContext { context: object.address, ..RunContext::default() };
    let stop = code.run(&image, &mut resources, &mut run, budget).unwrap();
    assert_eq!(resources.arena.used(), used, "the stack is given back");
    (stop, resources.arena.memory().load(object.address.into(), Size::Dw).unwrap())
}

#[test]
fn faults_end_a_run_and_nothing_else() {
    for (text, pc, address) in [
        ("r2 = 0x20000 ll\n*(u32 *)(r1 +0) = 7\nr0 = *(u8 *)(r2 +5)\nexit", 3, 0x20005),
        ("r2 = -9\n*(u64 *)(r1 +0) = 7\n*(u64 *)(r2 -32768) = r1\nexit", 2, 0xffff_7ff7),
        ("r2 = 0xffffffff ll\n*(u64 *)(r1 +0) = 7\nr0 = *(u64 *)(r2 +32767)\nexit", 3, 0x1_0000_7ffe),
        ("r2 = 0\n*(u64 *)(r1 +0) = 7\nlock *(u64 *)(r2 -32768) += r1\nexit", 2, -32768_i64 as u64),
        // In a function, with registers saved.
        (
            "r6 = 1\n*(u64 *)(r1 +0) = 7\ncall f\nexit\n.func f\nr6 = 0x20000 ll\nr0 = *(u64 *)(r6 +0)\nexit",
            6,
            0x20000,
        ),
    ] {
        let (stop, word) = run(text, u64::MAX);
        let Stop::Trap(trap) = stop else { panic!("{text}: {stop:?}") };
        let TrapKind::Fault(fault) = trap.kind else { panic!("{text}: {trap:?}") };
        assert_eq!((trap.pc.0, fault.address, word), (pc, address, 7), "{text}");
    }
}

#[test]
fn the_upper_half_of_an_address_is_cut() {
    let text = "r2 = 0x100000000 ll\nr1 |= r2\n*(u8 *)(r1 +0) = 9\nr0 = 1\nexit";
    assert_eq!(run(text, u64::MAX), (Stop::Exit(1), 9));
}

#[test]
fn loops_and_calls_have_an_end() {
    let forever = "again: r2 += 1\n*(u64 *)(r1 +0) = r2\ngoto again";
    let (stop, word) = run(forever, 3000);
    assert_eq!((stop, word), (Stop::Budget, 1000));
    let nested = "call f\nexit\n.func f\nagain: r2 += 1\n*(u64 *)(r1 +0) = r2\nif r2 != 0 goto again\nexit";
    assert_eq!(run(nested, 3000), (Stop::Budget, 1000));
    let deep = "call f\nexit\n.func f\ncall f\nexit";
    assert!(matches!(run(deep, u64::MAX).0, Stop::Trap(trap) if trap.kind == TrapKind::CallDepth));
    assert!(matches!(run("r0 = 1", u64::MAX).0, Stop::Trap(trap) if trap.kind == TrapKind::Jump(1)));
    // As deep as it may be.
    let mut chain = String::from("r0 = 0\ncall f1\nexit\n");
    for depth in 1..8 {
        let next = if depth < 7 { format!("call f{}", depth + 1) } else { "r0 = r1".into() };
        chain += &format!(".func f{depth}\n*(u64 *)(r10 -8) = r1\n{next}\nr1 = *(u64 *)(r10 -8)\nexit\n");
    }
    assert!(matches!(run(&chain, u64::MAX).0, Stop::Exit(address) if address > 4096));
}

#[test]
fn helpers_are_called_and_their_faults_end_the_run() {
    assert_eq!(run("call bpf_get_smp_processor_id\nr0 += 7\nexit", u64::MAX).0, Stop::Exit(7));
    let stop = run("r1 = 5\nr2 = 0\ncall bpf_map_lookup_elem\nexit", u64::MAX).0;
    let Stop::Trap(trap) = stop else { panic!("{stop:?}") };
    assert_eq!((trap.pc.0, matches!(trap.kind, TrapKind::Helper(_))), (2, true));
}

#[test]
fn what_is_not_compiled_is_named() {
    for (text, pc, what) in [
        (
            "call f\nif r0 == 0 goto inside\nexit\n.func f\nr0 = 1\ninside: r0 = 2\nexit",
            1,
            "a jump out of a function",
        ),
        ("callx r2\nexit", 0, "a call through a register"),
    ] {
        let error = super::compile(&image(text), super::features()).unwrap_err();
        assert_eq!((error.pc.0, error.what), (pc, what));
        assert_eq!(error.to_string(), format!("instruction {pc}: {what} is not compiled"));
    }
}
