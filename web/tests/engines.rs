//! The engines' table of cases, in Node and in a browser: what `native/tests/conformance.rs` runs natively.
#![cfg(target_arch = "wasm32")]

#[allow(dead_code)]
#[path = "../../native/tests/cases/conformance.rs"]
mod conformance;

use conformance::NOT_APPLICABLE;
use glasshive::arena::{Memory, ObjectKind, VecMemory};
use glasshive::helper::RunContext;
use glasshive::image::Image;
use glasshive::interp::{Machine, Mode, Stop, TrapKind};
use glasshive::isa::asm::assemble;
use glasshive::isa::{Insn, Reg, Size, decode_program};
use glasshive::jit::{Compiled, EngineName};
use glasshive::names::Uapi;
use glasshive::resources::Resources;
use glasshive_web::jit::{Program, Tiers};
use wasm_bindgen_test::{console_log, wasm_bindgen_test};

const CASES: &str = include_str!(env!("GLASSHIVE_CASES"));

/// Instructions that a case may take.
const BUDGET: u64 = 1 << 20;

#[derive(Clone, Copy)]
enum Engine {
    Interpreted(Mode),
    /// Compiled at once.
    Compiled,
    /// Interpreted for so many instructions, compiled from there on.
    TakenOver(u64),
}

const ENGINES: &[(&str, Engine)] = &[
    ("interpreter", Engine::Interpreted(Mode::Plain)),
    ("interpreter, strict", Engine::Interpreted(Mode::Strict)),
    ("WebAssembly", Engine::Compiled),
    ("WebAssembly after 1 instruction", Engine::TakenOver(1)),
    ("WebAssembly after 7 instructions", Engine::TakenOver(7)),
];

/// Memory with a case's bytes in it; their address.
fn memory(bytes: &[u8]) -> (Resources<VecMemory>, u32) {
    let mut resources = Resources::new(VecMemory::new(1 << 16), 1, 0);
    let at = match bytes.len() as u32 {
        0 => 0,
        len => resources.arena.allocate(len, 8, ObjectKind::Context, true).unwrap().address,
    };
    resources.arena.memory_mut().write(at.into(), bytes).unwrap();
    (resources, at)
}

fn tiers(resources: &Resources<VecMemory>, interpreted: u64) -> Tiers {
    Tiers::new(resources.arena.memory()).interpreting(interpreted)
}

fn run(engine: Engine, image: &Image, bytes: &[u8]) -> Result<u64, String> {
    let (mut resources, at) = memory(bytes);
    let len = bytes.len() as u64;
    let stop = match engine {
        Engine::Interpreted(mode) => {
            let mut machine = Machine::new(image, &mut resources, at).unwrap();
            machine.mode = mode;
            machine.registers[Reg::R2.index()] = len;
            machine.run(image, &mut resources, &mut RunContext::default(), BUDGET)
        }
        Engine::Compiled | Engine::TakenOver(_) => {
            let (program, expected): (Program, _) = match engine {
                Engine::TakenOver(after) => (tiers(&resources, after).program(), None),
                _ => {
                    let program = tiers(&resources, 0).compiled(image).map_err(|e| e.to_string())?;
                    (program, Some(EngineName::WebAssembly))
                }
            };
            let mut run = RunContext { context: at, ..RunContext::default() };
            let stop = program.run_with(image, &mut resources, &mut run, len, BUDGET).unwrap();
            if expected.is_some_and(|expected| program.engine() != expected) {
                return Err(format!("the {} ran it", program.engine().text()));
            }
            stop
        }
    };
    match stop {
        Stop::Exit(value) => Ok(value),
        Stop::Budget => Err("more instructions than a case takes".into()),
        Stop::Trap(trap) => Err(trap.to_string()),
    }
}

#[wasm_bindgen_test]
fn every_engine_gives_the_expected_results() {
    let cases = conformance::parse(CASES);
    let mut failures = Vec::new();
    for (name, engine) in ENGINES {
        let mut passed = 0;
        for case in cases.iter().filter(|case| NOT_APPLICABLE.iter().all(|row| row.0 != case.name)) {
            match run(*engine, &Image::unverified(case.slots()), &case.memory()) {
                Ok(value) if value == case.result() => passed += 1,
                other => {
                    failures.push(format!(
                        "{name}: {}: expected {:#x}, got {other:x?}",
                        case.name,
                        case.result()
                    ));
                }
            }
        }
        console_log!("conformance: {name}: {passed} of {} passed", cases.len());
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn image(text: &str) -> Image {
    let assembly = assemble(text, &Uapi).unwrap_or_else(|errors| panic!("{errors:?}"));
    let mut insns: Vec<Insn> = Vec::new();
    for insn in decode_program(&assembly.insns) {
        let before = insns.last().copied();
        insns.push(insn.ok().or(before).unwrap());
    }
    Image::unverified(insns)
}

/// Compiles and runs a program with r1 pointing to a word; how it ends, and the word afterwards.
fn compiled(text: &str, budget: u64) -> (Stop, u64) {
    let (mut resources, at) = memory(&[0; 8]);
    let (used, image) = (resources.arena.used(), image(text));
    let program = tiers(&resources, 0).compiled(&image).unwrap();
    let mut run = RunContext { context: at, ..RunContext::default() };
    let stop = program.run(&image, &mut resources, &mut run, budget).unwrap();
    assert_eq!(resources.arena.used(), used, "the stack is given back");
    (stop, resources.arena.memory().load(at.into(), Size::Dw).unwrap())
}

#[wasm_bindgen_test]
fn faults_end_a_run_and_nothing_else() {
    for (text, pc, address) in [
        ("r2 = 0x20000 ll\n*(u32 *)(r1 +0) = 7\nr0 = *(u8 *)(r2 +5)\nexit", 3, 0x20005),
        ("r2 = -9\n*(u64 *)(r1 +0) = 7\n*(u64 *)(r2 -32768) = r1\nexit", 2, 0xffff_7ff7),
        ("r2 = 0xffffffff ll\n*(u64 *)(r1 +0) = 7\nr0 = *(u64 *)(r2 +32767)\nexit", 3, 0x1_0000_7ffe),
        ("r2 = 65529\n*(u64 *)(r1 +0) = 7\nr0 = *(u64 *)(r2 +0)\nexit", 2, 65529),
        (
            "r6 = 1\n*(u64 *)(r1 +0) = 7\ncall f\nexit\n.func f\nr6 = 0x20000 ll\nr0 = *(u64 *)(r6 +0)\nexit",
            6,
            0x20000,
        ),
    ] {
        let (stop, word) = compiled(text, u64::MAX);
        let Stop::Trap(trap) = stop else { panic!("{text}: {stop:?}") };
        let TrapKind::Fault(fault) = trap.kind else { panic!("{text}: {trap:?}") };
        assert_eq!((trap.pc.0, fault.address, word), (pc, address, 7), "{text}");
    }
}

#[wasm_bindgen_test]
fn loops_and_calls_have_an_end() {
    let forever = "again: r2 += 1\n*(u64 *)(r1 +0) = r2\ngoto again";
    assert_eq!(compiled(forever, 3000), (Stop::Budget, 1000));
    let nested = "call f\nexit\n.func f\nagain: r2 += 1\n*(u64 *)(r1 +0) = r2\nif r2 != 0 goto again\nexit";
    assert_eq!(compiled(nested, 3000), (Stop::Budget, 1000));
    let deep = "call f\nexit\n.func f\ncall f\nexit";
    assert!(matches!(compiled(deep, u64::MAX).0, Stop::Trap(trap) if trap.kind == TrapKind::CallDepth));
    assert!(matches!(compiled("r0 = 1", u64::MAX).0, Stop::Trap(trap) if trap.kind == TrapKind::Jump(1)));
}

#[wasm_bindgen_test]
fn helpers_are_called_and_their_faults_end_the_run() {
    assert_eq!(compiled("call bpf_get_smp_processor_id\nr0 += 7\nexit", u64::MAX).0, Stop::Exit(7));
    let stop = compiled("r1 = 5\nr2 = 0\ncall bpf_map_lookup_elem\nexit", u64::MAX).0;
    let Stop::Trap(trap) = stop else { panic!("{stop:?}") };
    assert_eq!((trap.pc.0, matches!(trap.kind, TrapKind::Helper(_))), (2, true));
}

#[wasm_bindgen_test]
fn a_long_run_goes_on_in_compiled_code() {
    // Two entries to the loop, and a sum in memory: nothing may be counted twice.
    let text = "r3 = 0\nr4 = 0\nif r2 != 5 goto second\nfirst: r4 += 1\nsecond: r4 += 2\n*(u64 *)(r1 +0) = r4\nr3 += 1\nif r3 != 5000 goto first\nr0 = r4\nexit";
    for after in [1, 2, 3, 4, 5, 1000, 20000, 1 << 20] {
        let (mut resources, at) = memory(&[0; 8]);
        let (image, tiers) = (image(text), tiers(&resources, after));
        let program = tiers.program();
        for round in 0..3 {
            let mut run = RunContext { context: at, ..RunContext::default() };
            let stop = program.run(&image, &mut resources, &mut run, BUDGET).unwrap();
            assert_eq!(stop, Stop::Exit(14999), "{after}, {round}");
        }
        let expected = if after < 1 << 20 { EngineName::WebAssembly } else { EngineName::Interpreter };
        assert_eq!(program.engine(), expected, "{after}");
    }
}
