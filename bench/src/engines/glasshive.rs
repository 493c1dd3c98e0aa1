//! This project's engines.

use anyhow::{Result, anyhow, bail};
use glasshive::arena::{Memory, ObjectKind};
use glasshive::helper::RunContext;
use glasshive::image::Image;
use glasshive::interp::{Machine, Mode, Stop};
use glasshive::jit::wasm::{self, Host};
use glasshive::jit::x86_64::compile;
use glasshive::resources::Resources;
use glasshive_native::jit::{Executable, features};
use glasshive_native::memory::ReservedMemory;
use std::time::Duration;

use super::Runner;
use crate::clock;
use crate::program::Program;

/// A program with its memory laid out.
pub struct Loaded {
    image: Image,
    resources: Resources<ReservedMemory>,
    memory: u32,
}

impl Loaded {
    /// Lays a program out.
    pub fn new(program: &Program) -> Result<Loaded> {
        let mut resources = Resources::new(ReservedMemory::new(1 << 24)?, 1, 1);
        let len = program.memory.len() as u32;
        let object = resources.arena.allocate(len, 64, ObjectKind::Packet, true);
        let object = object.map_err(|_| anyhow!("no room"))?;
        let written = resources.arena.memory_mut().write(object.address.into(), &program.memory);
        written.map_err(|fault| anyhow!("{fault}"))?;
        Ok(Loaded { image: Image::unverified(program.insns()?), resources, memory: object.address })
    }

    /// Interprets it: the result, and how many instructions that took.
    pub fn interpret(&mut self, mode: Mode) -> Result<(u64, u64)> {
        let machine = Machine::new(&self.image, &mut self.resources, self.memory);
        let mut machine = machine.map_err(|_| anyhow!("no room"))?;
        machine.mode = mode;
        let mut run = RunContext::default();
        let stop = machine.run(&self.image, &mut self.resources, &mut run, 1 << 40);
        let executed = machine.executed;
        machine.release(&mut self.resources);
        match stop {
            Stop::Exit(value) => Ok((value, executed)),
            stop => bail!("{stop:?}"),
        }
    }

    fn run(&mut self, code: &Executable) -> Result<u64> {
        let mut run = RunContext { context: self.memory, ..RunContext::default() };
        match code.run(&self.image, &mut self.resources, &mut run, 1 << 40) {
            Ok(Stop::Exit(value)) => Ok(value),
            other => bail!("{other:?}"),
        }
    }
}

/// Machine code, which counts its budget and stays in its arena.
pub fn jit(program: &Program) -> Result<Runner> {
    let mut loaded = Loaded::new(program)?;
    let code = Executable::new(&loaded.image)?;
    Ok(Box::new(move || loaded.run(&code)))
}

/// The interpreter; every access is checked against the arena.
pub fn interpreter(program: &Program) -> Result<Runner> {
    let mut loaded = Loaded::new(program)?;
    Ok(Box::new(move || Ok(loaded.interpret(Mode::Plain)?.0)))
}

/// The interpreter; every access is checked against its object.
pub fn strict(program: &Program) -> Result<Runner> {
    let mut loaded = Loaded::new(program)?;
    Ok(Box::new(move || Ok(loaded.interpret(Mode::Strict)?.0)))
}

/// What code is made for.
#[derive(Clone, Copy)]
pub enum Target {
    /// This machine.
    X86_64,
    /// A WebAssembly module.
    WebAssembly,
}

/// Compiles a program some times: how long each took.
pub fn compile_times(program: &Program, target: Target, times: usize) -> Result<Vec<Duration>> {
    let image = Image::unverified(program.insns()?);
    let host = Host { base: 1 << 20, capacity: 1 << 24, record: 4096 };
    (0..times)
        .map(|_| {
            let start = clock::now();
            let made = match target {
                Target::X86_64 => compile(&image, features()).map(|code| code.bytes),
                Target::WebAssembly => wasm::compile(&image, host).map(|module| module.bytes),
            };
            let took = clock::now() - start;
            made.map(|_| took).map_err(|error| anyhow!("{error}"))
        })
        .collect()
}
