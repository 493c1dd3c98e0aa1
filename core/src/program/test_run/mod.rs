//! `BPF_PROG_TEST_RUN`: from a packet and a context given as bytes to a run, and back.
//!
//! [`Run::prepare`] checks the input as the kernel does and lays context and packet out in the arena; the
//! engine starts with [`Run::context`] in r1, [`Run::rounds`] times; [`Run::finish`] reads what came out.
//! Copying to and from the caller's memory, and its errors, are the system call's. Facts are the running
//! kernel's answers, as `native/probes/test_run.py` asks for them.

mod dissector;
mod raw;
mod skb;
mod xdp;

use alloc::vec::Vec;

use super::{ProgramType, TestRun};
use crate::arena::{Fault, Memory, Object, ObjectKind};
use crate::errno::Errno;
use crate::helper::RunContext;
use crate::resources::Resources;

/// Most bytes of `data_in` that any program type takes; XDP answers `ENOMEM` past it, the others `EINVAL`
/// past less.
pub const MOST_DATA: u32 = xdp::MOST_DATA;

/// Most bytes of `ctx_in` of a type with a packet: `E2BIG` past it.
pub const MOST_CONTEXT: u32 = 4096;

/// The interfaces there are: `lo`.
const INTERFACES: core::ops::RangeInclusive<u32> = 1..=1;

/// Bytes of an Ethernet header: `ETH_HLEN`.
const LINK_HEADER: u32 = 14;

/// What `BPF_PROG_TEST_RUN` is given.
#[derive(Clone, Copy, Debug, Default)]
pub struct Input<'a> {
    /// `data_in`; `None` for a null pointer of size 0.
    pub data: Option<&'a [u8]>,
    /// `ctx_in`; `None` for a null pointer of size 0.
    pub context: Option<&'a [u8]>,
    /// Whether the caller gave a `data_out`, or a size for it.
    pub data_out: bool,
    /// Whether the caller gave a `ctx_out`.
    pub context_out: bool,
    /// How often to run; 0 is once.
    pub repeat: u32,
    /// `BPF_F_TEST_*`.
    pub flags: u32,
    /// The CPU to run on, where the type heeds it.
    pub cpu: u32,
    /// Packets per batch of live frames.
    pub batch_size: u32,
    /// `duration` as the caller left it: some types want 0.
    pub duration: u32,
    /// The program's expected attach type.
    pub expected_attach_type: u32,
    /// End of the context that the program reaches at most, as the verifier saw it (`max_ctx_offset`).
    pub context_used: u32,
}

/// A test run that is set up.
#[derive(Debug)]
pub struct Run {
    /// What the program starts with.
    pub context: RunContext,
    /// How often it runs, on the same packet and context.
    pub rounds: u32,
    /// The CPU to run on, where the caller chose one.
    pub cpu: Option<u32>,
    how: TestRun,
    /// What lies in the arena for this run.
    objects: Vec<u32>,
    /// `ctx_in`, padded to the context's size; `None` where the caller wants no context.
    given: Option<Vec<u8>>,
    /// The flow keys that each round begins with, and where they lie.
    keys: Option<(u32, [u8; dissector::KEYS])>,
}

/// What a test run gives back.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Output {
    /// `data_out`; its length is what `data_size_out` says. A shorter buffer gets its beginning and `ENOSPC`.
    pub data: Vec<u8>,
    /// `ctx_out`, likewise; `None` where the type has none, or the caller neither gave nor wants one.
    pub context: Option<Vec<u8>>,
    /// What is copied back over `ctx_in`: the context of a syscall program.
    pub context_in: Option<Vec<u8>>,
}

impl Run {
    /// Checks the input and lays it out.
    ///
    /// # Errors
    /// As the kernel: `ENOTSUPP` for a type that can't be test-run, `EINVAL` for a packet that is too short
    /// or too long, for flags that the type does not take and for context fields that may not be set,
    /// `E2BIG` for a context longer than its structure with something in the excess, `ENODEV` for an
    /// interface that is not there, `ENXIO` for such a CPU, `ENOMEM` where the arena is full.
    pub fn prepare<M: Memory>(
        program: &ProgramType,
        input: &Input,
        resources: &mut Resources<M>,
    ) -> Result<Run, Errno> {
        let mut run = Run {
            context: RunContext { program_type: program.number, ..RunContext::default() },
            rounds: input.repeat.max(1),
            cpu: None,
            how: program.test_run,
            objects: Vec::new(),
            given: None,
            keys: None,
        };
        let done = match program.test_run {
            TestRun::No => Err(Errno::ENOTSUPP),
            TestRun::Skb { link_layer } => skb::prepare(&mut run, link_layer, input, resources),
            TestRun::Xdp => xdp::prepare(&mut run, input, resources),
            TestRun::FlowDissector => dissector::prepare(&mut run, input, resources),
            TestRun::RawTracepoint => raw::tracepoint(&mut run, input, resources),
            TestRun::Syscall => raw::syscall(&mut run, input, resources),
            TestRun::SkLookup => raw::sk_lookup(&mut run, input, resources),
        };
        match done {
            Ok(()) => Ok(run),
            Err(errno) => {
                run.release(resources);
                Err(errno)
            }
        }
    }

    /// Makes ready for the next round; call it before each but the first.
    ///
    /// # Errors
    /// A [`Fault`] where the arena lost the run's objects.
    pub fn next_round<M: Memory>(&mut self, resources: &mut Resources<M>) -> Result<(), Fault> {
        if let Some((address, keys)) = &self.keys {
            resources.arena.memory_mut().write(u64::from(*address), keys)?;
        }
        Ok(())
    }

    /// Reads what came out, and gives the arena its room back.
    ///
    /// # Errors
    /// `EFAULT` where the arena lost the run's objects.
    pub fn finish<M: Memory>(mut self, resources: &mut Resources<M>) -> Result<Output, Errno> {
        let output = match self.how {
            TestRun::No | TestRun::RawTracepoint => Ok(Output::default()),
            TestRun::Skb { link_layer } => skb::finish(&mut self, link_layer, resources),
            TestRun::Xdp => xdp::finish(&mut self, resources),
            TestRun::FlowDissector => dissector::finish(&mut self, resources),
            TestRun::Syscall => raw::finish_syscall(&mut self, resources),
            TestRun::SkLookup => raw::finish_sk_lookup(&mut self, resources),
        };
        self.release(resources);
        output.map_err(|_| Errno::EFAULT)
    }

    /// Gives the arena its room back without an outcome: for a run that was stopped.
    pub fn release<M: Memory>(self, resources: &mut Resources<M>) {
        for address in self.objects {
            resources.arena.release(address);
        }
    }

    /// Makes an object of this run.
    fn allocate<M: Memory>(
        &mut self,
        resources: &mut Resources<M>,
        len: u32,
        kind: ObjectKind,
        writable: bool,
    ) -> Result<Object, Errno> {
        let object = resources.arena.allocate(len, 64, kind, writable).map_err(|_| Errno::ENOMEM)?;
        self.objects.push(object.address);
        Ok(object)
    }
}

/// `ctx_in` padded with zeros to `size`, or zeros where only `ctx_out` is wanted, or `None` for neither.
fn context(input: &Input, size: u32) -> Result<Option<Vec<u8>>, Errno> {
    let size = size as usize;
    let Some(given) = input.context else {
        return Ok(input.context_out.then(|| alloc::vec![0; size]));
    };
    let excess = given.get(size..).unwrap_or_default();
    if given.len() > MOST_CONTEXT as usize || excess.iter().any(|&b| b != 0) {
        return Err(Errno::E2BIG);
    }
    let mut bytes = given[..given.len().min(size)].to_vec();
    bytes.resize(size, 0);
    Ok(Some(bytes))
}

/// The 32 bits at an offset of a context.
fn word(bytes: &[u8], offset: u32) -> u32 {
    bytes.get(offset as usize..).and_then(<[u8]>::first_chunk).map_or(0, |b| u32::from_le_bytes(*b))
}

/// Sets the 32 bits at an offset of a context.
fn set_word(bytes: &mut [u8], offset: u32, value: u32) {
    if let Some(place) = bytes.get_mut(offset as usize..).and_then(<[u8]>::first_chunk_mut) {
        *place = value.to_le_bytes();
    }
}

/// Whether every byte outside of the ranges is 0.
fn only_within(bytes: &[u8], ranges: &[core::ops::Range<u32>]) -> bool {
    (0u32..).zip(bytes).all(|(at, &byte)| byte == 0 || ranges.iter().any(|r| r.contains(&at)))
}

/// Reads `from..to` of the arena.
fn read<M: Memory>(resources: &Resources<M>, from: u32, to: u32) -> Result<Vec<u8>, Fault> {
    let mut bytes = alloc::vec![0; to.saturating_sub(from) as usize];
    resources.arena.memory().read(from.into(), &mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
