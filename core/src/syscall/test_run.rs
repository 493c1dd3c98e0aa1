//! `BPF_PROG_TEST_RUN`: runs a program on a packet or a context that the caller gives.

use alloc::vec::Vec;

use super::Kernel;
use super::attr::{Attr, UserMemory, read_bytes};
use crate::arena::{Memory, OutOfArena};
use crate::errno::Errno;
use crate::helper::RunContext;
use crate::image::Image;
use crate::interp::{Machine, Mode, Stop};
use crate::jit::EngineName;
use crate::program::test_run::{Input, MOST_DATA, Output, Run};
use crate::resources::Resources;

/// Instructions that one round may take.
const BUDGET: u64 = 1 << 32;

/// What a test run answered.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Ran {
    /// r0's lower 32 bits, of the last round.
    pub value: u32,
    /// Packet and context afterwards.
    pub output: Output,
    /// Nanoseconds of a round, by the system's own clock.
    pub duration: u32,
    /// What ran the last round.
    pub engine: EngineName,
}

impl<M: Memory + 'static> Kernel<M> {
    /// Runs a program.
    ///
    /// # Errors
    /// `EBADF`; as [`Run::prepare`]; `EFAULT` where the program trapped, `EAGAIN` where it used up its
    /// instructions, which no verified program does.
    pub fn test_run(&mut self, fd: i32, input: &Input) -> Result<Ran, Errno> {
        let id = self.program_id(fd)?;
        let program = self.programs.get(&id).ok_or(Errno::EBADF)?;
        let compile = || self.compiler.as_ref().and_then(|compiler| compiler.compile(&program.image));
        let compiled = program.compiled.get_or_init(compile);
        let mut run = Run::prepare(program.program_type, input, &mut self.resources)?;
        let cpu = core::mem::replace(&mut self.resources.cpu, run.cpu.unwrap_or(0));
        let start = self.resources.clock.now;
        let mut result = Ok(0);
        for round in 0..run.rounds {
            if round > 0 && run.next_round(&mut self.resources).is_err() {
                result = Err(Errno::EFAULT);
                break;
            }
            let stop = match compiled {
                Some(code) => code.run(&program.image, &mut self.resources, &mut run.context, BUDGET),
                None => interpret(&program.image, self.mode, &mut self.resources, &mut run.context),
            };
            let Ok(stop) = stop else {
                result = Err(Errno::ENOMEM);
                break;
            };
            result = match stop {
                Stop::Exit(value) => Ok(value as u32),
                Stop::Budget => Err(Errno::EAGAIN),
                Stop::Trap(_) => Err(Errno::EFAULT),
            };
            if result.is_err() {
                break;
            }
        }
        self.resources.cpu = cpu;
        let passed = self.resources.clock.now - start;
        let duration = (passed / u64::from(run.rounds)).min(u32::MAX.into()) as u32;
        let output = run.finish(&mut self.resources)?;
        let engine =
            self.programs.get(&id).and_then(|program| Some(program.compiled.get()?.as_ref()?.engine()));
        Ok(Ran { value: result?, output, duration, engine: engine.unwrap_or_default() })
    }
}

/// One round without machine code.
fn interpret<M: Memory>(
    image: &Image,
    mode: Mode,
    resources: &mut Resources<M>,
    run: &mut RunContext,
) -> Result<Stop, OutOfArena> {
    let mut machine = Machine::new(image, resources, run.context)?;
    machine.mode = mode;
    let stop = machine.run(image, resources, run, BUDGET);
    machine.release(resources);
    Ok(stop)
}

/// Bytes of the caller; `None` for a null pointer of size 0.
fn given(user: &dyn UserMemory, address: u64, len: u32) -> Result<Option<Vec<u8>>, Errno> {
    if address == 0 && len == 0 {
        return Ok(None);
    }
    read_bytes(user, address, len as usize).map(Some)
}

/// Copies an output to the caller's buffer of `size` bytes; whether it fitted. A size of 0 is no limit.
fn give(user: &mut dyn UserMemory, address: u64, size: u32, bytes: &[u8]) -> Result<bool, Errno> {
    let len = if size == 0 { bytes.len() } else { bytes.len().min(size as usize) };
    if address != 0 {
        user.write(address, &bytes[..len])?;
    }
    Ok(len == bytes.len())
}

pub(super) fn run<M: Memory + 'static>(
    kernel: &mut Kernel<M>,
    attr: &mut Attr,
    user: &mut dyn UserMemory,
) -> Result<i64, Errno> {
    let (data_len, data_out_len) = (attr.u32(8), attr.u32(12));
    let (data_at, data_out) = (attr.u64(16), attr.u64(24));
    let (context_len, context_out_len) = (attr.u32(40), attr.u32(44));
    let (context_at, context_out) = (attr.u64(48), attr.u64(56));
    let expected_attach_type = kernel.program(attr.i32(0)).map(|p| p.expected_attach_type)?;
    if (context_len == 0) != (context_at == 0) || (context_out_len == 0) != (context_out == 0) {
        return Err(Errno::EINVAL);
    }
    // Longer ones are refused by the type, whatever is in them.
    let data = given(user, data_at, data_len.min(MOST_DATA + 1))?;
    let context = given(user, context_at, context_len)?;
    let input = Input {
        data: data.as_deref(),
        context: context.as_deref(),
        data_out: data_out != 0 || data_out_len != 0,
        context_out: context_out != 0,
        repeat: attr.u32(32),
        flags: attr.u32(64),
        cpu: attr.u32(68),
        batch_size: attr.u32(72),
        duration: attr.u32(36),
        expected_attach_type,
        context_used: 0,
    };
    let Ran { value, output, duration, .. } = kernel.test_run(attr.i32(0), &input)?;
    let mut fits = give(user, data_out, data_out_len, &output.data)?;
    if let Some(bytes) = &output.context {
        fits &= context_out == 0 || give(user, context_out, context_out_len, bytes)?;
        if context_out != 0 {
            attr.write_back(44, &(bytes.len() as u32).to_le_bytes(), user)?;
        }
    }
    if let Some(bytes) = &output.context_in {
        give(user, context_at, context_len, bytes)?;
    }
    attr.write_back(12, &(output.data.len() as u32).to_le_bytes(), user)?;
    attr.write_back(4, &value.to_le_bytes(), user)?;
    attr.write_back(36, &duration.to_le_bytes(), user)?;
    if fits { Ok(0) } else { Err(Errno::ENOSPC) }
}
