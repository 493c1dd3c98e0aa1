//! A test run that can be stopped, continued and stepped back.

use super::Kernel;
use super::test_run::Ran;
use crate::arena::Memory;
use crate::errno::Errno;
use crate::helper::RunContext;
use crate::image::Image;
use crate::interp::{Machine, Recording, Stop};
use crate::program::test_run::{Input, Run};

/// One round of `BPF_PROG_TEST_RUN` as a [`Recording`]. A point is the number of instructions that were run
/// before it.
///
/// Until [`RecordedRun::finish`] nothing else may change the kernel that it was made by: going back would
/// undo that as well.
pub struct RecordedRun<M> {
    run: Run,
    image: Image,
    recording: Recording<M>,
    cpu: u32,
}

impl<M: Memory + 'static> Kernel<M> {
    /// Lays a test run out, at its point 0.
    ///
    /// # Errors
    /// As [`Kernel::test_run`]; `ENOMEM` where the arena has no room for the stack.
    pub fn record_run(&mut self, fd: i32, input: &Input) -> Result<RecordedRun<M>, Errno> {
        let id = self.program_id(fd)?;
        let program = self.programs.get(&id).ok_or(Errno::EBADF)?;
        let run = Run::prepare(program.program_type, input, &mut self.resources)?;
        let image = Image::clone(&program.image);
        let Ok(machine) = Machine::new(&image, &mut self.resources, run.context.context) else {
            run.release(&mut self.resources);
            return Err(Errno::ENOMEM);
        };
        let cpu = core::mem::replace(&mut self.resources.cpu, run.cpu.unwrap_or(0));
        let recording = Recording::new(machine, &mut self.resources, &run.context);
        Ok(RecordedRun { run, image, recording, cpu })
    }
}

impl<M: Memory + 'static> RecordedRun<M> {
    /// The run: registers, next instruction, frames, position, length, end.
    pub fn recording(&self) -> &Recording<M> {
        &self.recording
    }
    /// Context and packet at this point.
    pub fn context(&self) -> &RunContext {
        &self.run.context
    }
    /// What is run.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// Runs at most `budget` instructions past all that were run so far.
    pub fn run(&mut self, kernel: &mut Kernel<M>, budget: u64) -> Stop {
        let RecordedRun { run, image, recording, .. } = self;
        recording.run(image, &mut kernel.resources, &mut run.context, budget)
    }
    /// Goes to a point, or to the end where the run has fewer: the point that it came to.
    pub fn seek(&mut self, kernel: &mut Kernel<M>, point: u64) -> u64 {
        let RecordedRun { run, image, recording, .. } = self;
        recording.seek(image, &mut kernel.resources, &mut run.context, point)
    }
    /// Runs one instruction; `false` at the end.
    pub fn step_forward(&mut self, kernel: &mut Kernel<M>) -> bool {
        let RecordedRun { run, image, recording, .. } = self;
        recording.step_forward(image, &mut kernel.resources, &mut run.context)
    }
    /// Goes one instruction back; `false` at the beginning.
    pub fn step_back(&mut self, kernel: &mut Kernel<M>) -> bool {
        let RecordedRun { run, image, recording, .. } = self;
        recording.step_back(image, &mut kernel.resources, &mut run.context)
    }

    /// Gives back what the run took in the arena. What the program did up to the point where it is stays:
    /// seek its end first to have done all of it.
    ///
    /// # Errors
    /// `EAGAIN` before the end, `EFAULT` where the program trapped.
    pub fn finish(self, kernel: &mut Kernel<M>) -> Result<Ran, Errno> {
        let end = self.recording.at_end().then(|| self.recording.end()).flatten();
        self.recording.finish(&mut kernel.resources).release(&mut kernel.resources);
        kernel.resources.cpu = self.cpu;
        let output = self.run.finish(&mut kernel.resources)?;
        match end {
            Some(Stop::Exit(value)) => Ok(Ran { value: value as u32, output, ..Ran::default() }),
            Some(Stop::Trap(_)) => Err(Errno::EFAULT),
            Some(Stop::Budget) | None => Err(Errno::EAGAIN),
        }
    }
}
