//! Runs a program in strict mode, held against its trace.

use core::fmt;

use super::claims::{Broken, Claims};
use super::recorder::Trace;
use crate::arena::Memory;
use crate::errno::Errno;
use crate::helper::HelperFault;
use crate::image::Image;
use crate::interp::{Machine, Mode, Stop, Trap, TrapKind};
use crate::program::ProgramType;
use crate::program::test_run::{Input, Run};
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
/// trace.
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
    let mut run = Run::prepare(program_type, input, resources).map_err(Unfollowed::NotRun)?;
    let machine = Machine::new(image, resources, run.context.context);
    let Ok(mut machine) = machine else {
        run.release(resources);
        return Err(Unfollowed::NotRun(Errno::ENOMEM));
    };
    machine.mode = Mode::Strict;
    let cpu = core::mem::replace(&mut resources.cpu, run.cpu.unwrap_or(0));
    let mut claims = Claims::new(trace);
    let mut value = None;
    let done = loop {
        if machine.executed >= budget {
            break Ok(());
        }
        if let Some(claims) = &mut claims
            && let Err(broken) = claims.check(&machine, resources, &run.context)
        {
            break Err(Unfollowed::Broken(broken));
        }
        match machine.run(image, resources, &mut run.context, 1) {
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
    resources.cpu = cpu;
    let executed = machine.executed;
    machine.release(resources);
    run.release(resources);
    let checked = claims.map_or(0, |claims| claims.checked());
    done.map(|()| Followed { value, executed, checked })
}
