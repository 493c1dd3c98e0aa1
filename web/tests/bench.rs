//! The benchmark programs in Node and in a browser, for `cargo xtask bench run`: a line per engine and program,
//! `bench ENGINE PROGRAM NANOSECONDS`, of one eBPF instruction; and how long compiling takes.
#![cfg(target_arch = "wasm32")]

use glasshive::arena::{Memory, ObjectKind, VecMemory};
use glasshive::helper::RunContext;
use glasshive::image::Image;
use glasshive::interp::{Machine, Mode, Stop};
use glasshive::isa::{Insn, decode_program, slots};
use glasshive::jit::Compiled;
use glasshive::jit::wasm::{Host, compile};
use glasshive::resources::Resources;
use glasshive_web::jit::Tiers;
use wasm_bindgen_test::{console_log, wasm_bindgen_test};

struct Program {
    name: &'static str,
    code: &'static [u8],
    memory: &'static [u8],
}

macro_rules! programs {
    ($($name:literal),*) => {
        &[$(Program {
            name: $name,
            code: include_bytes!(concat!(env!("GLASSHIVE_BENCH"), "/", $name, ".bin")),
            memory: include_bytes!(concat!(env!("GLASSHIVE_BENCH"), "/", $name, ".mem")),
        }),*]
    };
}

const PROGRAMS: &[Program] = programs!["a_alu", "b_mem", "c_parse", "d_call", "e_div", "f_helper"];
const COMPILED: &[Program] = programs!["jit_4096", "jit_100000"];

/// Measurements of each. The least one is told: there is no clock of processor time here, and what else runs on the
/// machine only adds to it.
const ROUNDS: usize = 25;
/// Milliseconds that a measurement takes at least: a browser's clock is coarse.
const LEAST: f64 = 4.0;
const BUDGET: u64 = 1 << 40;

impl Program {
    fn image(&self) -> Image {
        let mut insns: Vec<Insn> = Vec::new();
        for insn in decode_program(&slots(self.code).unwrap()) {
            let before = insns.last().copied();
            insns.push(insn.ok().or(before).unwrap());
        }
        Image::unverified(insns)
    }
}

fn now() -> f64 {
    let performance = js_sys::Reflect::get(&js_sys::global(), &"performance".into()).unwrap();
    let now: js_sys::Function =
        wasm_bindgen::JsCast::unchecked_into(js_sys::Reflect::get(&performance, &"now".into()).unwrap());
    now.call0(&performance).unwrap().as_f64().unwrap()
}

/// Milliseconds of one call.
fn time(mut call: impl FnMut()) -> f64 {
    let start = now();
    let mut calls = 0;
    loop {
        call();
        calls += 1;
        let passed = now() - start;
        if passed >= LEAST {
            return passed / f64::from(calls);
        }
    }
}

fn least(times: Vec<f64>) -> f64 {
    times.into_iter().fold(f64::INFINITY, f64::min)
}

#[wasm_bindgen_test]
fn programs() {
    for program in PROGRAMS {
        let mut resources = Resources::new(VecMemory::new(1 << 24), 1, 1);
        let len = program.memory.len() as u32;
        let at = resources.arena.allocate(len, 64, ObjectKind::Packet, true).unwrap().address;
        resources.arena.memory_mut().write(at.into(), program.memory).unwrap();
        let image = program.image();
        let compiled = Tiers::new(resources.arena.memory()).compiled(&image).unwrap();
        let interpret = |resources: &mut Resources<VecMemory>, mode| {
            let mut machine = Machine::new(&image, resources, at).unwrap();
            machine.mode = mode;
            let stop = machine.run(&image, resources, &mut RunContext::default(), BUDGET);
            let executed = machine.executed;
            machine.release(resources);
            (stop, executed)
        };
        let (expected, count) = interpret(&mut resources, Mode::Plain);
        assert!(matches!(expected, Stop::Exit(_)), "{}: {expected:?}", program.name);
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..ROUNDS {
            times[0].push(time(|| {
                let mut run = RunContext { context: at, ..RunContext::default() };
                let stop = compiled.run(&image, &mut resources, &mut run, BUDGET);
                assert_eq!(stop, Ok(expected), "{}", program.name);
            }));
            for (mode, times) in [Mode::Plain, Mode::Strict].into_iter().zip(&mut times[1..]) {
                times.push(time(|| assert_eq!(interpret(&mut resources, mode).0, expected)));
            }
        }
        let names = ["glasshive_WebAssembly", "glasshive_interpreter", "glasshive_interpreter,_strict"];
        for (name, times) in names.iter().zip(times) {
            console_log!("bench {name} {} {:.3}", program.name, least(times) * 1e6 / count as f64);
        }
    }
}

#[wasm_bindgen_test]
fn compiling() {
    let host = Host { base: 1 << 20, capacity: 1 << 24, record: 4096 };
    for program in COMPILED {
        let image = program.image();
        let slots = image.insns().len() as f64;
        let times = (0..ROUNDS).map(|_| time(|| drop(compile(&image, host).unwrap()))).collect();
        console_log!("compile {} {:.1}", program.name, slots / least(times) / 1e3);
    }
    // What a program pays before it runs compiled: the module and its instance.
    let resources = Resources::new(VecMemory::new(1 << 16), 1, 1);
    let image = PROGRAMS[2].image();
    let times = (0..ROUNDS)
        .map(|_| time(|| drop(Tiers::new(resources.arena.memory()).compiled(&image).unwrap())))
        .collect();
    console_log!("instance {} {:.1}", PROGRAMS[2].name, least(times) * 1e3);
}
