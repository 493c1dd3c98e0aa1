//! The interpreter's two loops are one machine: however a run is cut into budgets, it is the same run.

use std::sync::Arc;

use glasshive::arena::{Memory, ObjectKind, VecMemory};
use glasshive::helper::RunContext;
use glasshive::image::Image;
use glasshive::interp::{Machine, Mode, Stop, TrapKind};
use glasshive::isa::asm::assemble;
use glasshive::isa::{Insn, Reg, decode_program};
use glasshive::map::references::ReferenceArray;
use glasshive::map::{MapSpec, Reference};
use glasshive::names::Uapi;
use glasshive::program::ProgramId;
use glasshive::resources::Resources;

fn image(text: &str) -> Image {
    let assembly = assemble(text, &Uapi).unwrap_or_else(|errors| panic!("{errors:?}"));
    let mut insns: Vec<Insn> = Vec::new();
    for insn in decode_program(&assembly.insns) {
        let before = insns.last().copied();
        insns.push(insn.ok().or(before).unwrap());
    }
    Image::unverified(insns)
}

/// Loops, calls, and every pair of instructions that the loop takes as one; a jump into the middle of one.
const PAIRS: &str = "
    r6 = r1
    r7 = 40
    r8 = 0x123456789abcdef ll
    r0 = 0
again:
    r2 = r8
    r2 <<= 13
    r8 ^= r2
    r2 = r8
    r2 >>= 7
    r8 ^= r2
    if r8 == 0 goto five
    r3 = *(u16 *)(r6 +2)
    r3 = be16 r3
    r0 += r3
    r4 = *(u8 *)(r6 +5)
    if r4 == 5 goto five
    r0 += 100
five:
    r4 = *(u8 *)(r6 +6)
    if r4 != 5 goto other
    r0 += 10000
other:
    r1 = r8
    r2 = r7
    call mix
    r0 += r8
    r3 += r0
    r3 = r0
    r3 /= r3
    r0 *= r8
    r0 += 12345
    r5 = r0
    r0 *= 31
    r0 += -7
    r0 -= r5
    *(u64 *)(r10 -8) = r0
    r1 = r7
    r1 &= 3
    if r1 != 0 goto count
    r7 += -1
    if r1 != 0 goto again
    goto check
count:
    r7 -= 1
check:
    if r7 != 0 goto again
    r0 = *(u64 *)(r10 -8)
    exit
.func mix
    r3 = 5
    r6 = r1
    r6 *= r2
    r0 = r6
    exit
";

fn start(image: &Image) -> (Resources<VecMemory>, Machine) {
    let mut resources = Resources::new(VecMemory::new(1 << 16), 1, 1);
    let object = resources.arena.allocate(8, 8, ObjectKind::Packet, true).unwrap();
    resources.arena.memory_mut().write(object.address.into(), &[0, 1, 2, 3, 4, 5, 6, 7]).unwrap();
    let machine = Machine::new(image, &mut resources, object.address).unwrap();
    (resources, machine)
}

#[test]
fn budgets_do_not_change_a_run() {
    let image = image(PAIRS);
    let mut ends = Vec::new();
    for mode in [Mode::Plain, Mode::Strict] {
        for budget in [1, 2, 3, 7, 50, 150, 1000, u64::MAX] {
            let (mut resources, mut machine) = start(&image);
            machine.mode = mode;
            let mut run = RunContext::default();
            let mut expected = 0;
            let stop = loop {
                let stop = machine.run(&image, &mut resources, &mut run, budget);
                if stop != Stop::Budget {
                    break stop;
                }
                expected += budget;
                assert_eq!(machine.executed, expected);
            };
            machine.mode = Mode::Plain;
            ends.push((stop, machine));
        }
    }
    assert!(matches!(ends[0].0, Stop::Exit(_)) && ends[0].1.executed > 900);
    assert!(ends.iter().all(|end| *end == ends[0]));
}

#[test]
fn what_goes_wrong_is_said_by_both() {
    for (text, at, kind) in [
        ("r0 = 0\ncall f\nexit\n.func f\ncall f\nexit", 3, TrapKind::CallDepth),
        ("r2 = 0x100000000 ll\nr0 = *(u8 *)(r2 +0)\nexit", 2, fault(1 << 32, 1)),
        ("r2 = -4\n*(u64 *)(r2 +0) = 7\nexit", 1, fault(-4_i64 as u64, 8)),
        ("r0 = 0\nr1 = 0", 2, TrapKind::Jump(2)),
    ] {
        let image = image(text);
        for budget in [1, u64::MAX] {
            let (mut resources, mut machine) = start(&image);
            let stop = loop {
                match machine.run(&image, &mut resources, &mut RunContext::default(), budget) {
                    Stop::Budget => {}
                    stop => break stop,
                }
            };
            let Stop::Trap(trap) = stop else { panic!("{text}: {stop:?}") };
            assert_eq!((trap.pc.0, trap.kind), (at, kind), "{text}");
        }
    }
}

fn fault(address: u64, len: u64) -> TrapKind {
    TrapKind::Fault(glasshive::arena::Fault { address, len })
}

#[test]
fn a_tail_call_in_a_function_returns_to_the_caller() {
    // Both in one frame: to the second program, and from there to the third.
    let main = image(
        "r6 = 30\nr7 = r2\ncall f\nr0 += r6\nexit\n.func f\nr3 = 0\nr2 = r7\ncall bpf_tail_call\nr0 = 1\nexit",
    );
    let second = image("r6 = 99\nr3 = 1\ncall bpf_tail_call\nr0 = 2\nexit");
    let third = image("r6 = 98\ncall g\nexit\n.func g\nr0 = 4\nr6 = 97\nexit");
    for mode in [Mode::Plain, Mode::Strict] {
        for budget in [1, 3, u64::MAX] {
            let (mut resources, mut machine) = start(&main);
            let spec =
                MapSpec { map_type: 3, key_size: 4, value_size: 4, max_entries: 4, ..MapSpec::default() };
            let id = resources.add_map(Box::new(ReferenceArray::new(spec, None)), 0).unwrap();
            for (slot, image) in [&second, &third].into_iter().enumerate() {
                let program = ProgramId(slot as u32 + 1);
                resources.images.insert(program, Arc::new(image.clone()));
                let (map, mut cx) = resources.map(id).unwrap();
                map.set(&mut cx, &(slot as u32).to_le_bytes(), Reference::Program(program), 0).unwrap();
            }
            machine.registers[Reg::R2.index()] = resources.maps.handle(id).unwrap().into();
            machine.mode = mode;
            let stop = loop {
                match machine.run(&main, &mut resources, &mut RunContext::default(), budget) {
                    Stop::Budget => {}
                    stop => break stop,
                }
            };
            assert_eq!((stop, machine.executed), (Stop::Exit(34), 17));
        }
    }
}
