//! Engines, as tests see them.

use glasshive::arena::{ObjectKind, VecMemory};
use glasshive::helper::RunContext;
use glasshive::image::Image;
use glasshive::interp::{Machine, Mode, Stop};
use glasshive::isa::{Insn, Reg};
use glasshive::resources::Resources;

/// Something that runs instructions that no verifier saw.
pub trait Engine {
    /// Its name in messages.
    fn name(&self) -> &'static str;
    /// Runs a program with r1 pointing to `memory` and r2 its length; r0 at its exit, or why it had none.
    fn run(&mut self, insns: &[Insn], memory: &[u8]) -> Result<u64, String>;
}

/// Every engine that is built for this machine.
pub fn engines() -> Vec<Box<dyn Engine>> {
    vec![
        Box::new(Interpreter(Mode::Plain)),
        Box::new(Interpreter(Mode::Strict)),
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        Box::new(MachineCode),
    ]
}

/// Instructions that a case may take.
const BUDGET: u64 = 1 << 20;

struct Interpreter(Mode);

impl Engine for Interpreter {
    fn name(&self) -> &'static str {
        match self.0 {
            Mode::Plain => "interpreter",
            Mode::Strict => "interpreter, strict",
        }
    }

    fn run(&mut self, insns: &[Insn], memory: &[u8]) -> Result<u64, String> {
        let mut resources = Resources::new(VecMemory::new(1 << 16), 1, 0);
        let (len, kind) = (memory.len() as u32, ObjectKind::Context);
        let at = match len {
            0 => 0,
            _ => resources.arena.allocate(len, 8, kind, true).map_err(|e| format!("{e:?}"))?.address,
        };
        for (byte, address) in memory.iter().zip(u64::from(at)..) {
            use glasshive::arena::Memory;
            let stored = resources.arena.memory_mut().store(address, glasshive::isa::Size::B, (*byte).into());
            stored.map_err(|e| format!("{e:?}"))?;
        }
        let image = Image::unverified(insns.to_vec());
        let mut machine = Machine::new(&image, &mut resources, at).map_err(|e| format!("{e:?}"))?;
        machine.mode = self.0;
        machine.registers[Reg::R2.index()] = len.into();
        match machine.run(&image, &mut resources, &mut RunContext::default(), BUDGET) {
            Stop::Exit(value) => Ok(value),
            Stop::Budget => Err("more instructions than a case takes".into()),
            Stop::Trap(trap) => Err(trap.to_string()),
        }
    }
}

/// Machine code of this machine.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
struct MachineCode;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
impl Engine for MachineCode {
    fn name(&self) -> &'static str {
        "x86-64"
    }

    fn run(&mut self, insns: &[Insn], memory: &[u8]) -> Result<u64, String> {
        use glasshive::arena::Memory;
        use glasshive_native::{jit::Executable, memory::ReservedMemory};
        let reserved = ReservedMemory::new(1 << 16).map_err(|e| e.to_string())?;
        let mut resources = Resources::new(reserved, 1, 0);
        let len = memory.len() as u32;
        let at = match len {
            0 => 0,
            _ => {
                let object = resources.arena.allocate(len, 8, ObjectKind::Context, true);
                object.map_err(|e| format!("{e:?}"))?.address
            }
        };
        resources.arena.memory_mut().write(at.into(), memory).map_err(|e| format!("{e:?}"))?;
        let image = Image::unverified(insns.to_vec());
        let code = Executable::new(&image).map_err(|e| e.to_string())?;
        let mut run = RunContext { context: at, ..RunContext::default() };
        match code.run_with(&image, &mut resources, &mut run, len.into(), BUDGET) {
            Ok(Stop::Exit(value)) => Ok(value),
            Ok(Stop::Budget) => Err("more loops than a case takes".into()),
            Ok(Stop::Trap(trap)) => Err(trap.to_string()),
            Err(error) => Err(format!("{error:?}")),
        }
    }
}
