//! Runs a program in strict mode, held against its trace.

use core::fmt;

use super::claims::{Broken, Claims};
use super::recorder::Trace;
use crate::arena::{Memory, ObjectKind};
use crate::errno::Errno;
use crate::helper::{HelperFault, RunContext};
use crate::image::Image;
use crate::interp::{Machine, Mode, Stop, Trap, TrapKind};
use crate::program::test_run::{Input, Run};
use crate::program::{PacketAccess, ProgramType, TestRun};
use crate::resources::Resources;

/// A run that kept every claim.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Followed {
    /// What it returned; `None` where it used up its budget first.
    pub value: Option<u64>,
    /// Instructions that it ran.
    pub executed: u64,
    /// Values that were found inside their claims.
    pub checked: u64,
}

/// Why a run was not followed to its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unfollowed {
    /// It can't be run so: as [`Run::prepare`], or for want of room.
    NotRun(Errno),
    /// It does what the engine does not do yet.
    NotBuilt(Trap),
    /// It did what no verified program does.
    Trap(Trap),
    /// It did not keep a claim.
    Broken(Broken),
}

impl Unfollowed {
    /// Whether the verifier was wrong.
    pub fn is_violation(&self) -> bool {
        matches!(self, Unfollowed::Trap(_) | Unfollowed::Broken(_))
    }
}

impl fmt::Display for Unfollowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unfollowed::NotRun(errno) => write!(f, "not run: {errno}"),
            Unfollowed::NotBuilt(trap) => write!(f, "not built: {trap}"),
            Unfollowed::Trap(trap) => write!(f, "trap {trap}"),
            Unfollowed::Broken(broken) => broken.fmt(f),
        }
    }
}

/// Runs an accepted program once, in strict mode, at most `budget` instructions, and checks every claim of its
/// trace. A type without test runs and packets takes its context's bytes from the input.
///
/// # Errors
/// [`Unfollowed`].
pub fn follow<M: Memory>(
    trace: &Trace,
    image: &Image,
    program_type: &ProgramType,
    input: &Input<'_>,
    resources: &mut Resources<M>,
    budget: u64,
) -> Result<Followed, Unfollowed> {
    if program_type.test_run == TestRun::No && program_type.packet == PacketAccess::None {
        return follow_context(trace, image, program_type, input, resources, budget);
    }
    let mut run = Run::prepare(program_type, input, resources).map_err(Unfollowed::NotRun)?;
    let cpu = core::mem::replace(&mut resources.cpu, run.cpu.unwrap_or(0));
    let followed = follow_run(trace, image, &mut run.context, resources, budget);
    resources.cpu = cpu;
    run.release(resources);
    followed
}

/// Runs a program of a type that has no test run, on a context of the bytes given.
fn follow_context<M: Memory>(
    trace: &Trace,
    image: &Image,
    program_type: &ProgramType,
    input: &Input<'_>,
    resources: &mut Resources<M>,
    budget: u64,
) -> Result<Followed, Unfollowed> {
    let bytes = input.context.ok_or(Unfollowed::NotRun(Errno::EINVAL))?;
    let len = u32::try_from(bytes.len()).map_err(|_| Unfollowed::NotRun(Errno::E2BIG))?;
    let object = resources.arena.allocate(len, 8, ObjectKind::Context, true);
    let address = object.map_err(|_| Unfollowed::NotRun(Errno::ENOMEM))?.address;
    let mut context =
        RunContext { program_type: program_type.number, context: address, ..RunContext::default() };
    let followed = match resources.arena.memory_mut().write(address.into(), bytes) {
        Ok(()) => follow_run(trace, image, &mut context, resources, budget),
        Err(_) => Err(Unfollowed::NotRun(Errno::EFAULT)),
    };
    resources.arena.release(address);
    followed
}

fn follow_run<M: Memory>(
    trace: &Trace,
    image: &Image,
    context: &mut RunContext,
    resources: &mut Resources<M>,
    budget: u64,
) -> Result<Followed, Unfollowed> {
    let machine = Machine::new(image, resources, context.context);
    let mut machine = machine.map_err(|_| Unfollowed::NotRun(Errno::ENOMEM))?;
    machine.mode = Mode::Strict;
    let mut claims = Claims::new(trace);
    let mut value = None;
    let done = loop {
        if machine.executed >= budget {
            break Ok(());
        }
        if let Some(claims) = &mut claims
            && let Err(broken) = claims.check(&machine, resources, context)
        {
            break Err(Unfollowed::Broken(broken));
        }
        match machine.run(image, resources, context, 1) {
            Stop::Budget => {}
            Stop::Exit(result) => {
                value = Some(result);
                break Ok(());
            }
            Stop::Trap(trap) => {
                break Err(match trap.kind {
                    TrapKind::NotBuilt(_) | TrapKind::Helper(HelperFault::NotBuilt(_)) => {
                        Unfollowed::NotBuilt(trap)
                    }
                    _ => Unfollowed::Trap(trap),
                });
            }
        }
    };
    let executed = machine.executed;
    machine.release(resources);
    let checked = claims.map_or(0, |claims| claims.checked());
    done.map(|()| Followed { value, executed, checked })
}
