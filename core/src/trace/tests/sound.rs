//! Runs keep what the verifier claimed along their paths, and what it marked is what matters.

use std::boxed::Box;
use std::vec::Vec;
use std::{format, println};

use super::super::reliance;
use super::super::view::StateId;
use super::super::{Recorder, Trace, Unfollowed, follow};
use super::{folder, object, random};
use crate::arena::VecMemory;
use crate::loader::{MapFds, create_maps, request};
use crate::object::Object;
use crate::program::test_run::Input;
use crate::syscall::Kernel;
use crate::syscall::descriptors::Sequential;

/// What came of a program's runs.
#[derive(Default, Debug)]
struct Sum {
    programs: u32,
    runs: u32,
    executed: u64,
    checked: u64,
}

/// Verifies a program, and where it is accepted runs it on packets.
fn run(name: &str, object: &Object, program: usize, sum: &mut Sum) {
    let mut kernel = Kernel::new(VecMemory::new(1 << 24), 2, 1, Box::new(Sequential::default()));
    let mut fds = MapFds::new();
    let program = &object.programs[program];
    let Ok(code) = &program.code else { return };
    create_maps(&mut kernel, object, code, &mut fds).unwrap();
    let Ok(request) = request(object, program, None, &fds, 0) else { return };
    let outcome = kernel.verifier(&request, Recorder::new()).finish();
    let Ok(fd) = kernel.insert_program(&request, &outcome) else { return };
    let trace: Trace = outcome.observer.finish();
    let image = kernel.program(fd).unwrap().image.clone();
    sum.programs += 1;
    for seed in 0..8u8 {
        let packet: Vec<u8> = (0..64 + seed).map(|at| at.wrapping_mul(seed.wrapping_mul(37) | 1)).collect();
        let packet = if request.program_type.number == 17 { None } else { Some(&packet[..]) };
        let input = Input { data: packet, repeat: 1, ..Input::default() };
        let program_type = request.program_type;
        match follow(&trace, &image, program_type, &input, &mut kernel.resources, 100_000) {
            Ok(followed) => {
                sum.runs += 1;
                sum.executed += followed.executed;
                sum.checked += followed.checked;
            }
            Err(error @ (Unfollowed::Trap(_) | Unfollowed::Broken(_))) => panic!("{name}: {error}"),
            Err(_) => {}
        }
    }
}

#[test]
fn runs_of_random_programs_keep_their_claims() {
    let mut sum = Sum::default();
    for seed in 0..120 {
        let text = random::program(seed);
        run(&format!("seed {seed}:\n{text}"), &object(&text), 0, &mut sum);
    }
    println!("{sum:?}");
    assert!(sum.programs > 50 && sum.checked > 100_000, "{sum:?}");
}

#[test]
fn runs_of_objects_keep_their_claims() {
    let mut sum = Sum::default();
    for (name, bytes) in folder("../www/examples").into_iter().filter(|(name, _)| name.ends_with(".o")) {
        let object = Object::parse(&bytes).unwrap();
        for program in 0..object.programs.len() {
            run(&name, &object, program, &mut sum);
        }
    }
    println!("{sum:?}");
    assert!(sum.programs >= 5 && sum.runs > 20, "{sum:?}");
}

/// A trace that claims too much is caught: the same program, with a smaller mask.
#[test]
fn a_wrong_claim_is_found() {
    let text = |mask| format!(".type xdp\nr6 = *(u32 *)(r1 +16)\nr6 &= {mask}\nr0 = r6\nr0 += 7\nexit\n");
    let mut kernel = Kernel::new(VecMemory::new(1 << 24), 2, 1, Box::new(Sequential::default()));
    let mut verify = |text: &str| {
        let object = object(text);
        let request = request(&object, &object.programs[0], None, &MapFds::new(), 0).unwrap();
        let outcome = kernel.verifier(&request, Recorder::new()).finish();
        let fd = kernel.insert_program(&request, &outcome).unwrap();
        (outcome.observer.finish(), kernel.program(fd).unwrap().image.clone(), request.program_type)
    };
    let (_, image, program_type) = verify(&text(0xff));
    let (trace, ..) = verify(&text(0x40));
    let input = Input { data: Some(&[0; 64]), repeat: 1, ..Input::default() };
    // The ingress queue's index is 0: inside both, so that what differs is the other constant.
    let fine = follow(&trace, &image, program_type, &input, &mut kernel.resources, 100);
    assert!(fine.is_ok(), "{fine:?}");
    let image = crate::image::Image::unverified(
        image
            .insns()
            .iter()
            .map(|insn| match insn {
                crate::isa::Insn::Alu { op: crate::isa::AluOp::And, width, dst, src } => {
                    crate::isa::Insn::Alu { op: crate::isa::AluOp::Or, width: *width, dst: *dst, src: *src }
                }
                insn => *insn,
            })
            .collect(),
    );
    let found = follow(&trace, &image, program_type, &input, &mut kernel.resources, 100);
    let Err(Unfollowed::Broken(broken)) = found else { panic!("{found:?}") };
    assert!(broken.what.starts_with("r6 is 0xff"), "{broken}");
}

#[test]
fn marks_of_kept_states_are_found_again() {
    let (mut marks, mut missing, mut states) = (0u32, 0, 0);
    for seed in 0..60 {
        let text = random::program(seed);
        let mut verifier = super::begin(&object(&text), 0, 0, Recorder::new());
        verifier.step(2_000);
        let trace = verifier.abandon().0.finish();
        for (id, kept) in trace.kept_states().iter().enumerate() {
            if trace.precision.is_lost(StateId(id as u32)) {
                continue;
            }
            let Some(found) = reliance::places(&trace, kept.step) else { continue };
            states += 1;
            for what in trace.precision.marks_of(StateId(id as u32)) {
                marks += 1;
                missing += u32::from(!found.contains(&what));
            }
        }
    }
    println!("{marks} marks of {states} states, {missing} not found again");
    // Numbers that were tied together when a branch was walked may be tied no more, or to others.
    assert!(marks > 500 && missing * 50 < marks, "{missing} of {marks}");
}
