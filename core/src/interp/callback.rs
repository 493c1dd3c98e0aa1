//! Calls that call the program back. Such a call runs anew each time that the function it called returns to it: it
//! then looks at what is pending in its frame, and calls once more or goes on. So every turn is an instruction
//! that counts, and a run can stop, go on and go back within it.

use alloc::vec::Vec;

use super::machine::{Flow, Machine, TrapKind};
use crate::arena::{Memory, ObjectKind};
use crate::errno::Errno;
use crate::helper::kernel::dynptr::{Dynptr, Over};
use crate::helper::kernel::{Layout, tree};
use crate::helper::{Call, Callback, HelperFault, RunContext, error};
use crate::isa::Pc;
use crate::map::MapId;
use crate::resources::Resources;

/// Most turns of a loop.
const MOST_TURNS: u64 = 1 << 23;
/// Most samples that are taken from a ring at once.
const MOST_SAMPLES: u64 = 128 << 10;
/// Bits of `bpf_user_ringbuf_drain`'s flags: nobody is woken, or somebody is.
const WAKES: u64 = 3;

/// A call that has called back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Pending {
    /// How many calls deep it is.
    depth: usize,
    /// Its slot.
    pc: Pc,
    /// Its r1 to r5.
    arguments: [u64; 5],
    /// The function's first slot.
    start: u64,
    /// What every turn is given.
    context: u64,
    /// Turns that were begun.
    turns: u64,
    over: Turns,
    /// Memory that is its own, given back at the end; 0 for none.
    buffer: u32,
}

/// What the turns go over.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Turns {
    Numbers {
        end: u64,
    },
    Elements {
        map: MapId,
        handle: u64,
        key: Option<Vec<u8>>,
        cursor: u32,
    },
    Samples {
        map: MapId,
    },
    /// Comparisons with nodes of a tree on the way down.
    Nodes {
        with: u64,
    },
}

/// What a call that may call back does next.
enum Next {
    /// It goes on with this in r0.
    Done(u64),
    /// It calls back with these in r1 to r4.
    Turn([u64; 4]),
}

impl Machine {
    /// Begins or continues a call that calls back.
    pub(super) fn call_back<M: Memory>(
        &mut self,
        callback: Callback,
        resources: &mut Resources<M>,
        run: &mut RunContext,
    ) -> Result<Flow, TrapKind> {
        let (depth, pc) = (self.depth(), self.pc);
        let returned = self.pending.pop_if(|pending| pending.depth == depth && pending.pc == pc);
        let (mut pending, stop) = match returned {
            Some(pending) => (pending, self.registers[0] != 0),
            None => {
                self.helper_calls += 1;
                match self.begin(callback, resources)? {
                    Ok(pending) => (pending, false),
                    Err(errno) => {
                        self.registers[0] = error(errno);
                        return Ok(Flow::Next);
                    }
                }
            }
        };
        let next = if stop { Next::Done(pending.turns) } else { pending.next(resources, run)? };
        match next {
            Next::Done(value) => {
                resources.arena.release(pending.buffer);
                self.registers[0] = value;
                Ok(Flow::Next)
            }
            Next::Turn(arguments) => {
                let start = pending.start;
                self.pending.push(pending);
                let flow = self.call_from(self.pc.0, start as i64)?;
                self.registers[1..5].copy_from_slice(&arguments);
                Ok(flow)
            }
        }
    }

    fn begin<M: Memory>(
        &mut self,
        callback: Callback,
        resources: &mut Resources<M>,
    ) -> Result<Result<Pending, Errno>, TrapKind> {
        let [_, r1, r2, r3, r4, r5, ..] = self.registers;
        let pending = |over, start, context, buffer| Pending {
            depth: self.depth(),
            pc: self.pc,
            arguments: [r1, r2, r3, r4, r5],
            start,
            context,
            turns: 0,
            over,
            buffer,
        };
        let map =
            |resources: &Resources<M>| resources.map_at(r1).ok_or(TrapKind::Helper(HelperFault::NoMap(r1)));
        let mut buffer = |len| {
            let object = resources.arena.allocate(len, 8, ObjectKind::Buffer, true);
            object.map(|object| object.address).map_err(|_| Errno::ENOMEM)
        };
        Ok(match callback {
            Callback::Loop if r4 != 0 => Err(Errno::EINVAL),
            Callback::Loop if u64::from(r1 as u32) > MOST_TURNS => Err(Errno::E2BIG),
            Callback::Loop => Ok(pending(Turns::Numbers { end: u64::from(r1 as u32) }, r2, r3, 0)),
            // The process that test runs belong to has no memory to be looked at.
            Callback::FindVma if r5 != 0 => Err(Errno::EINVAL),
            Callback::FindVma => Err(Errno::ENOENT),
            Callback::ForEachMapElem if r4 != 0 => Err(Errno::EINVAL),
            Callback::ForEachMapElem => {
                let map = map(resources)?;
                let len = resources.maps.spec(map).map_or(0, |spec| spec.key_size);
                let object = resources.arena.allocate(len, 8, ObjectKind::Buffer, true);
                let over = Turns::Elements { map, handle: r1, key: None, cursor: 0 };
                object.map(|object| pending(over, r2, r3, object.address)).map_err(|_| Errno::ENOMEM)
            }
            Callback::UserRingBuffer if r4 & !WAKES != 0 => Err(Errno::EINVAL),
            Callback::UserRingBuffer => {
                let dynptr = buffer(16);
                let over = Turns::Samples { map: map(resources)? };
                dynptr.map(|dynptr| pending(over, r2, r3, dynptr))
            }
            Callback::Timer => return Err(TrapKind::NotBuilt("a timer")),
        })
    }

    /// Begins or continues `bpf_rbtree_add_impl(root, node, less, meta, off)`.
    pub(super) fn add_to_tree<M: Memory>(
        &mut self,
        layout: &Layout,
        resources: &mut Resources<M>,
        run: &mut RunContext,
    ) -> Result<Flow, TrapKind> {
        let (depth, pc, less) = (self.depth(), self.pc, self.registers[0] != 0);
        let returned = self.pending.pop_if(|pending| pending.depth == depth && pending.pc == pc);
        let mut args = [0; 5];
        args.copy_from_slice(&self.registers[1..6]);
        let call = &mut Call { args, resources, run };
        let next = match returned {
            Some(Pending { over: Turns::Nodes { with }, .. }) => {
                tree::continue_add(call, with, less).map(|next| next.ok_or(0))
            }
            _ => {
                self.helper_calls += 1;
                tree::begin_add(call, layout)
            }
        };
        let with = match next.map_err(TrapKind::Helper)? {
            Ok(with) => with,
            Err(value) => {
                self.registers[0] = value;
                return Ok(Flow::Next);
            }
        };
        let [_, node, start, ..] = args;
        let over = Turns::Nodes { with };
        self.pending.push(Pending {
            depth,
            pc,
            arguments: args,
            start,
            context: 0,
            turns: 0,
            over,
            buffer: 0,
        });
        let flow = self.call_from(pc.0, start as i64)?;
        self.registers[1..3].copy_from_slice(&[node, with]);
        Ok(flow)
    }

    /// The arguments of the call at a slot of this frame, where it has called back.
    pub(super) fn arguments_of_pending(&self, pc: u32) -> Option<[u64; 5]> {
        let pending = self.pending.last()?;
        (pending.depth == self.depth() && pending.pc.0 == pc).then_some(pending.arguments)
    }

    /// Ends what is pending in frames from a depth on.
    pub(super) fn forget_pending<M: Memory>(&mut self, depth: usize, resources: &mut Resources<M>) {
        while let Some(pending) = self.pending.pop_if(|pending| pending.depth >= depth) {
            resources.arena.release(pending.buffer);
        }
    }
}

impl Pending {
    fn next<M: Memory>(
        &mut self,
        resources: &mut Resources<M>,
        run: &mut RunContext,
    ) -> Result<Next, TrapKind> {
        let turn = self.turns;
        let arguments = match &mut self.over {
            Turns::Numbers { end } => (turn < *end).then_some([turn, self.context, 0, 0]),
            Turns::Elements { map, handle, key, cursor } => {
                let (handle, address) = (*handle, u64::from(self.buffer));
                let element = element(*map, key, cursor, resources);
                if element.is_some()
                    && let Some(key) = key
                {
                    let memory = resources.arena.memory_mut();
                    memory.write(address, key).map_err(TrapKind::Fault)?;
                }
                element.map(|value| [handle, address, value.into(), self.context])
            }
            Turns::Nodes { .. } => None,
            Turns::Samples { .. } if turn >= MOST_SAMPLES => None,
            Turns::Samples { map } => {
                let ring = resources.map(*map).and_then(|(map, cx)| Some((map.ring()?, cx)));
                let sample = ring.map_or(Ok(None), |(ring, cx)| ring.take_sample(cx.arena));
                match sample {
                    Err(errno) => return Ok(Next::Done(error(errno))),
                    Ok(sample) => {
                        if let Some((start, size)) = sample {
                            let dynptr = Dynptr {
                                over: Over::Local,
                                read_only: true,
                                start: start.into(),
                                offset: 0,
                                size,
                            };
                            let at = u64::from(self.buffer);
                            let call = &mut Call { args: [0; 5], resources, run };
                            Dynptr::store(call, at, Some(dynptr)).map_err(TrapKind::Helper)?;
                        }
                        sample.map(|_| [self.buffer.into(), self.context, 0, 0])
                    }
                }
            }
        };
        Ok(match arguments {
            Some(arguments) => {
                self.turns += 1;
                Next::Turn(arguments)
            }
            None => Next::Done(turn),
        })
    }
}

/// The address of the value after a key, whose key is then `key`.
fn element<M: Memory>(
    map: MapId,
    key: &mut Option<Vec<u8>>,
    cursor: &mut u32,
    resources: &mut Resources<M>,
) -> Option<u32> {
    let (map, mut cx) = resources.map(map)?;
    let mut next = alloc::vec![0; map.spec().key_size as usize];
    loop {
        if map.has_cursor() {
            *cursor = map.key_from(cx.arena, *cursor, &mut next)?;
        } else {
            map.next_key(&mut cx, key.as_deref(), &mut next).ok()?;
        }
        *key = Some(next.clone());
        if let Some(value) = map.program_lookup(&mut cx, &next) {
            return Some(value);
        }
    }
}
