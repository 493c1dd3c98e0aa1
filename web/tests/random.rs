//! Random verified programs on random packets, as `cargo xtask oracle run` makes them, on the engines that run here:
//! the same result, the same packet, the same maps.
#![cfg(target_arch = "wasm32")]

// The oracle shrinks programs too, by members that nothing reads here.
#[allow(dead_code)]
#[path = "../../native/oracle/src/run/generate/mod.rs"]
mod generate;

use fastrand::Rng;
use generate::{Given, PACKET};
use glasshive::arena::VecMemory;
use glasshive::errno::Errno;
use glasshive::jit::EngineName;
use glasshive::map::MapSpec;
use glasshive::program::ProgramType;
use glasshive::program::test_run::Input;
use glasshive::syscall::Kernel;
use glasshive::syscall::descriptors::Sequential;
use glasshive::syscall::programs::LoadRequest;
use glasshive_web::jit::Tiers;
use wasm_bindgen_test::{console_log, wasm_bindgen_test};

/// Programs; `GLASSHIVE_RANDOM` gives another number when this is built.
const COUNT: u64 = match option_env!("GLASSHIVE_RANDOM") {
    Some(text) => match u64::from_str_radix(text, 10) {
        Ok(count) => count,
        Err(_) => panic!("GLASSHIVE_RANDOM is a number of programs"),
    },
    None => 2000,
};

/// What a run leaves.
#[derive(PartialEq, Debug)]
struct Answer {
    result: Result<u32, Errno>,
    packet: Vec<u8>,
    hash: Vec<Option<Vec<u8>>>,
    array: Vec<Option<Vec<u8>>>,
}

/// A system whose programs are compiled after so many instructions; never without a number.
fn system(interpreted: Option<u64>) -> Kernel<VecMemory> {
    let memory = VecMemory::new(1 << 20);
    let tiers = interpreted.map(|after| Tiers::new(&memory).interpreting(after));
    let mut kernel = Kernel::new(memory, 1, 1, Box::new(Sequential::default()));
    if let Some(tiers) = tiers {
        kernel.set_compiler(Some(Box::new(tiers)));
    }
    kernel
}

/// Loads a program with maps of its own and runs it: what that leaves, and what ran it; `None` where it is refused.
fn run(kernel: &mut Kernel<VecMemory>, seed: u64) -> Option<(Answer, EngineName)> {
    let rng = &mut Rng::with_seed(seed);
    let packet: Vec<u8> = (0..PACKET + 16).map(|_| rng.u8(..)).collect();
    let mut map = |map_type, max_entries| {
        let spec = MapSpec { map_type, key_size: 4, value_size: 8, max_entries, ..MapSpec::default() };
        kernel.create_map(spec).unwrap()
    };
    let (hash, array) = (map(1, 8), map(2, 4));
    let insns = {
        let given = Given { hash, array, arena: 0, programs: 0, kernel: None, everything: false };
        generate::program(&mut Rng::with_seed(seed), given).code
    };
    let request = LoadRequest::new(ProgramType::by_name("xdp").unwrap(), insns, "GPL");
    let outcome = kernel.verifier(&request, None::<glasshive::trace::Recorder>).finish();
    let loaded = kernel.insert_program(&request, &outcome).ok();
    let answer = loaded.map(|fd| {
        let input = Input { data: Some(&packet), data_out: true, repeat: 1, ..Input::default() };
        let ran = kernel.test_run(fd, &input);
        kernel.close(fd).unwrap();
        let mut values = |fd, count: u32| {
            (0..count).map(|key| kernel.map_lookup(fd, &key.to_le_bytes(), 0).ok()).collect()
        };
        let engine = ran.as_ref().map_or(EngineName::Interpreter, |ran| ran.engine);
        let packet = ran.as_ref().map_or(Vec::new(), |ran| ran.output.data.clone());
        let result = ran.map(|ran| ran.value);
        (Answer { result, packet, hash: values(hash, 8), array: values(array, 4) }, engine)
    });
    kernel.close(hash).unwrap();
    kernel.close(array).unwrap();
    answer
}

#[wasm_bindgen_test]
fn engines_agree_on_random_programs() {
    let mut interpreter = system(None);
    let mut others = [0, 1, 20].map(|after| (after, system(Some(after)), 0_u64));
    let mut accepted = 0_u64;
    for number in 0..COUNT {
        let seed = 0x9e37_79b9_7f4a_7c15 ^ number;
        let Some((expected, _)) = run(&mut interpreter, seed) else { continue };
        accepted += 1;
        for (after, system, compiled) in &mut others {
            let (answer, engine) = run(system, seed).expect("the same verifier");
            assert_eq!(answer, expected, "program {seed:#x}, compiled after {after} instructions");
            *compiled += u64::from(engine == EngineName::WebAssembly);
        }
    }
    for (after, _, compiled) in &others {
        console_log!(
            "random: compiled after {after} instructions: {compiled} of {accepted} accepted ran compiled"
        );
    }
    assert!(accepted > COUNT / 2);
    assert_eq!(others[0].2, accepted, "every program is compiled");
}
