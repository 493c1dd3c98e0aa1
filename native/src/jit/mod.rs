//! Machine code: compiled by core, mapped and run here.
//!
//! Pages are written first and made executable afterwards, never both at once. A load or store of compiled
//! code that meets no memory raises a signal, which `fault.rs` turns into the run's end.

mod fault;
mod header;
mod pages;

use std::fmt;
use std::io;

use glasshive::arena::{Memory, OutOfArena};
use glasshive::helper::RunContext;
use glasshive::image::Image;
use glasshive::interp::{Machine, Stop, Trap, TrapKind};
use glasshive::isa::{Insn, Pc, Reg, Size};
use glasshive::jit::x86_64::layout::{HEADER_DISTANCE, Status};
use glasshive::jit::x86_64::{Code, Features, Unsupported, compile};
use glasshive::jit::{Compiled, Compiler, EngineName};
use glasshive::resources::Resources;

use crate::memory::ReservedMemory;
use header::Header;
use pages::Pages;

/// Calls within each other that a program may make.
const CALLS: i64 = 7;
/// Times that a program may pass `may_goto`.
const MAY_GOTO: i64 = 1 << 23;

/// Why there is no machine code.
#[derive(Debug)]
pub enum JitError {
    /// The program has something that is not compiled.
    Unsupported(Unsupported),
    /// The system gives no executable memory.
    System(io::Error),
}

impl fmt::Display for JitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JitError::Unsupported(what) => what.fmt(f),
            JitError::System(error) => write!(f, "executable memory: {error}"),
        }
    }
}

impl std::error::Error for JitError {}

/// What this machine's processor has.
pub fn features() -> Features {
    Features { bmi2: std::arch::is_x86_feature_detected!("bmi2") }
}

/// A program's machine code, ready to run.
#[derive(Debug)]
pub struct Executable {
    code: Code,
    pages: Pages,
}

impl Executable {
    /// Compiles and maps a program.
    ///
    /// # Errors
    /// What is not compiled, or what the system answers.
    pub fn new(image: &Image) -> Result<Executable, JitError> {
        let code = compile(image, features()).map_err(JitError::Unsupported)?;
        fault::install();
        let pages = Pages::new(&code.bytes).map_err(JitError::System)?;
        Ok(Executable { code, pages })
    }

    /// The code, with the place of each slot.
    pub fn code(&self) -> &Code {
        &self.code
    }

    /// Runs it until it returns, traps, or has passed about `budget` slots in loops: [`Stop::Budget`] is the
    /// end of a run here.
    ///
    /// # Errors
    /// [`OutOfArena`] where there is no room for its stack.
    pub fn run(
        &self,
        image: &Image,
        resources: &mut Resources<ReservedMemory>,
        run: &mut RunContext,
        budget: u64,
    ) -> Result<Stop, OutOfArena> {
        self.run_with(image, resources, run, 0, budget)
    }

    /// As [`Executable::run`], with a number in r2: raw programs that are tested find the length of their
    /// memory there.
    ///
    /// # Errors
    /// As [`Executable::run`].
    pub fn run_with(
        &self,
        image: &Image,
        resources: &mut Resources<ReservedMemory>,
        run: &mut RunContext,
        second: u64,
        budget: u64,
    ) -> Result<Stop, OutOfArena> {
        // The interpreter lays the stack out: addresses are the same.
        let machine = Machine::new(image, resources, run.context)?;
        let memory = resources.arena.memory();
        let (base, capacity) = (memory.base(), memory.capacity());
        let header = Header {
            host_stack: 0,
            context: machine.registers[Reg::R1.index()],
            frame: machine.registers[Reg::FP.index()],
            budget: i64::try_from(budget).unwrap_or(i64::MAX),
            pc: 0,
            service: header::service,
            number: 0,
            may_goto: MAY_GOTO,
            depth: CALLS,
            spill: [0; 2],
            last: [1, 2, 4, 8].map(|len| capacity - len),
            second,
            resources,
            run,
            trap: None,
        };
        // SAFETY: the page below the arena is mapped for this, and nothing else uses it while the code runs:
        // the resources are borrowed mutably. A run within a helper would keep it, as below.
        let place = unsafe { base.sub(HEADER_DISTANCE as usize).cast::<Header>() };
        // SAFETY: as above; an older header has nothing to drop.
        let before = unsafe { place.replace(header) };
        let running = fault::Running {
            start: self.pages.start() as usize,
            code: &self.code,
            base: base as usize,
            address: 0.into(),
        };
        let answer = fault::watched(&running, || {
            // SAFETY: the pages hold code that was compiled to be called so, with its header in place. It
            // keeps the registers that a C function keeps, and writes to no memory but the arena, its
            // header and its stack.
            unsafe {
                let entry: unsafe extern "sysv64" fn(*mut Header) -> header::Answer =
                    std::mem::transmute(self.pages.start());
                entry(place)
            }
        });
        // SAFETY: the code is done with the page; what was there before goes back.
        let after = unsafe { place.replace(before) };
        machine.release(resources);
        let pc = Pc(after.pc as u32);
        let trap = |kind| Stop::Trap(Trap { pc, kind });
        Ok(match answer.status {
            status if status == Status::Done as u64 => Stop::Exit(answer.value),
            status if status == Status::Over as u64 => Stop::Exit(0),
            status if status == Status::Budget as u64 => Stop::Budget,
            status if status == Status::Fault as u64 => {
                let (address, len) = (running.address.get(), accessed(image, pc));
                trap(TrapKind::Fault(glasshive::arena::Fault { address, len }))
            }
            status if status == Status::CallDepth as u64 => trap(TrapKind::CallDepth),
            status if status == Status::RanOut as u64 => trap(TrapKind::Jump(pc.0.into())),
            _ => trap(after.trap.unwrap_or(TrapKind::NotBuilt("a service of compiled code"))),
        })
    }
}

/// Test runs of a system whose arena is reserved memory run machine code.
pub struct MachineCode;

impl Compiler<ReservedMemory> for MachineCode {
    fn compile(&self, image: &Image) -> Option<Box<dyn Compiled<ReservedMemory> + Send>> {
        Some(Box::new(Executable::new(image).ok()?))
    }
}

impl Compiled<ReservedMemory> for Executable {
    fn run(
        &self,
        image: &Image,
        resources: &mut Resources<ReservedMemory>,
        run: &mut RunContext,
        budget: u64,
    ) -> Result<Stop, OutOfArena> {
        Executable::run(self, image, resources, run, budget)
    }

    fn engine(&self) -> EngineName {
        EngineName::X86_64
    }
}

/// Bytes that the instruction at a slot accesses.
fn accessed(image: &Image, pc: Pc) -> u64 {
    let size = match image.insns().get(pc.index()) {
        Some(Insn::Load { size, .. } | Insn::Store { size, .. } | Insn::Atomic { size, .. }) => *size,
        _ => Size::B,
    };
    size.bytes().into()
}

#[cfg(test)]
mod tests;
