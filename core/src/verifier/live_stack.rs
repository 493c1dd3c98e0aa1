//! Which stack slots are read later: liveness by instruction for each chain of calls, from the accesses that
//! the walk has met.
//!
//! An `Instance` is a function as one chain of calls reaches it: it holds, for its own frame and for each
//! below it, what each instruction reads and what it always overwrites. When a path ends, the instances on
//! its chain that learned something are solved again, backwards, and tell the call that made them what is
//! read and overwritten of the frames below. The log shows what changes at instructions where states may be
//! compared and where the stack is accessed.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Write;

use super::cfg::{self, Code, Function, Marks};
use super::log::Log;
use super::state::{Frame, MAX_FRAMES, State};
use crate::isa::Pc;

/// No such instruction.
const NONE: u32 = u32::MAX;

/// A function as one chain of calls reaches it: index into the table of them. 0 is the program itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct InstanceId(pub u32);

/// What is known of one frame's slots at one instruction: bit N is slot N (fp-8 is 0).
#[derive(Clone, Copy, Default)]
struct Masks {
    /// Read by the instruction.
    read: u64,
    /// Overwritten by it each time that it was walked.
    written: u64,
    /// Read by it or later, before they are overwritten.
    live: u64,
    /// Overwritten by it or later, whatever path is taken.
    overwritten: u64,
}

struct Instance {
    /// Who called, and where.
    caller: Option<(InstanceId, Pc)>,
    /// The calls that lead here, the outermost first.
    chain: Vec<u32>,
    function: usize,
    /// Masks by frame (empty where it was not touched), then by instruction of the function.
    frames: Vec<Vec<Masks>>,
    /// Instructions whose writes were met at least once.
    met: Vec<bool>,
    /// Something was met since it was last solved.
    changed: bool,
    /// A store did not overwrite what it had before.
    lost: bool,
}

/// Liveness of stack slots.
#[derive(Default)]
pub(super) struct LiveStack {
    functions: Vec<Function>,
    /// By function, its instructions in the order in which a depth-first walk leaves them.
    orders: Vec<Vec<u32>>,
    successors: Vec<[u32; 2]>,
    /// Where the log shows changes, besides instructions that access the stack.
    shown: Vec<bool>,
    instances: Vec<Instance>,
    by_call: BTreeMap<(InstanceId, Pc, u16), InstanceId>,
}

impl LiveStack {
    /// Before the walk: nothing is live.
    pub(super) fn new(code: &Code, functions: &[Function], marks: &[Marks]) -> LiveStack {
        let orders = functions.iter().map(|function| cfg::postorder(code, function)).collect();
        let successors = (0..marks.len())
            .map(|at| {
                let s = cfg::successors(code, at);
                [s.next.unwrap_or(NONE), s.jump.unwrap_or(NONE)]
            })
            .collect();
        let mut shown: Vec<bool> = marks.iter().map(|m| m.prune || m.jump).collect();
        for function in functions {
            shown[function.start as usize] = true;
        }
        let mut stack = LiveStack {
            functions: functions.to_vec(),
            orders,
            successors,
            shown,
            instances: Vec::new(),
            by_call: BTreeMap::new(),
        };
        stack.add(None, 0);
        stack
    }

    fn add(&mut self, caller: Option<(InstanceId, Pc)>, function: usize) -> InstanceId {
        let mut chain = Vec::new();
        if let Some((outer, site)) = caller {
            chain.clone_from(&self.instances[outer.0 as usize].chain);
            chain.push(site.0);
        }
        let frames = vec![Vec::new(); chain.len() + 1];
        self.instances.push(Instance {
            caller,
            chain,
            function,
            frames,
            met: Vec::new(),
            changed: false,
            lost: false,
        });
        InstanceId(self.instances.len() as u32 - 1)
    }

    /// The instance of a function that is verified by itself.
    pub(super) fn begin(&mut self, function: u16) -> InstanceId {
        self.add(None, function.into())
    }

    /// The instance that a call makes.
    pub(super) fn enter(&mut self, caller: InstanceId, site: Pc, function: u16) -> InstanceId {
        if let Some(id) = self.by_call.get(&(caller, site, function)) {
            return *id;
        }
        let id = self.add(Some((caller, site)), function.into());
        self.by_call.insert((caller, site, function), id);
        id
    }

    /// The masks of an instruction, made where there are none.
    fn masks(&mut self, id: InstanceId, frame: usize, pc: Pc) -> &mut Masks {
        let instance = &mut self.instances[id.0 as usize];
        let function = &self.functions[instance.function];
        let masks = &mut instance.frames[frame];
        if masks.is_empty() {
            masks.resize((function.end - function.start) as usize, Masks::default());
        }
        &mut masks[(pc.0 - function.start) as usize]
    }

    /// An instruction reads slots of a frame.
    pub(super) fn read(&mut self, id: InstanceId, pc: Pc, frame: usize, slots: u64) {
        let masks = self.masks(id, frame, pc);
        masks.read |= slots;
        // What is live before the instruction anyway changes nothing.
        if slots & !masks.live != 0 {
            self.instances[id.0 as usize].changed = true;
        }
    }

    /// An instruction was walked, and overwrote these slots by frame: what it always overwrites is what it
    /// overwrote each time.
    pub(super) fn wrote(&mut self, id: InstanceId, pc: Pc, overwritten: [u64; MAX_FRAMES]) {
        let instance = &mut self.instances[id.0 as usize];
        let function = &self.functions[instance.function];
        let (at, len) = ((pc.0 - function.start) as usize, (function.end - function.start) as usize);
        if instance.met.is_empty() {
            instance.met.resize(len, false);
        }
        let first = !core::mem::replace(&mut instance.met[at], true);
        let mut changed = false;
        for (number, masks) in instance.frames.iter_mut().enumerate() {
            let slots = overwritten[number];
            if masks.is_empty() {
                // Never written before now: nothing can be lost.
                if !first || slots == 0 {
                    continue;
                }
                masks.resize(len, Masks::default());
            }
            let old = masks[at].written;
            masks[at].written = if first { slots } else { old & slots };
            changed |= masks[at].written != old;
            instance.lost |= old & !masks[at].written != 0;
        }
        instance.changed |= changed;
    }

    /// Solves what changed on the chain of a state's frames, the innermost first.
    pub(super) fn update(&mut self, state: &State, log: &mut Log) {
        for frame in state.frames.iter().rev() {
            self.solve(frame.instance, log);
        }
    }

    fn solve(&mut self, id: InstanceId, log: &mut Log) {
        let instance = &mut self.instances[id.0 as usize];
        if !core::mem::take(&mut instance.changed) {
            return;
        }
        if core::mem::take(&mut instance.lost) {
            // What follows from a store that is not always made is found anew.
            instance.frames.iter_mut().flatten().for_each(|masks| masks.overwritten = 0);
        }
        let function = self.functions[instance.function];
        let start = function.start as usize;
        let shows = log.shows_all();
        let mut rounds = 0;
        loop {
            let mut changed = false;
            for number in 0..instance.frames.len() {
                let masks = &mut instance.frames[number];
                if masks.is_empty() {
                    continue;
                }
                for &at in &self.orders[instance.function] {
                    let after = self.successors[at as usize];
                    let (mut live, mut overwritten) = (0, u64::MAX);
                    for to in after {
                        if (function.start..function.end).contains(&to) {
                            let next = &masks[to as usize - start];
                            live |= next.live;
                            overwritten &= next.overwritten;
                        }
                    }
                    if after == [NONE; 2] {
                        overwritten = 0;
                    }
                    let here = &mut masks[at as usize - start];
                    let old = *here;
                    here.live = (live & !here.written) | here.read;
                    here.overwritten = overwritten | here.written;
                    let new = *here;
                    let other_live = new.live != old.live;
                    // Losing the last of them is not taken for a change.
                    let other_overwritten = new.overwritten != old.overwritten && new.overwritten != 0;
                    if !other_live && !other_overwritten {
                        continue;
                    }
                    changed = true;
                    if !shows || !(self.shown[at as usize] || new.read | new.written != 0) {
                        continue;
                    }
                    if other_live {
                        write_place(&instance.chain, function.start, number, at, log);
                        write_slots("+live", new.live & !old.live, " ", log);
                        write_slots("-live", old.live & !new.live, "", log);
                        let _ = log.write_char('\n');
                    }
                    if other_overwritten {
                        write_place(&instance.chain, function.start, number, at, log);
                        write_slots("+written", new.overwritten & !old.overwritten, " ", log);
                        let _ = log.write_char('\n');
                    }
                }
            }
            rounds += 1;
            if !changed {
                break;
            }
        }
        if shows {
            write_chain(&instance.chain, function.start, log);
            let _ = writeln!(log, " live stack update done in {rounds} iterations");
        }
        if let Some((outer, site)) = instance.caller {
            self.tell_caller(id, outer, site, function.start);
        }
    }

    /// What a function reads and overwrites of the frames below its own, its call does.
    fn tell_caller(&mut self, id: InstanceId, outer: InstanceId, site: Pc, start: u32) {
        let inner = &self.instances[id.0 as usize];
        let at = (start - self.functions[inner.function].start) as usize;
        let mut overwritten = [0; MAX_FRAMES];
        let mut live = [0; MAX_FRAMES];
        for (frame, masks) in inner.frames.iter().enumerate().take(inner.frames.len() - 1) {
            if let Some(entry) = masks.get(at) {
                (overwritten[frame], live[frame]) = (entry.overwritten, entry.live);
            }
        }
        self.wrote(outer, site, overwritten);
        for (frame, slots) in live.into_iter().enumerate().filter(|(_, slots)| *slots != 0) {
            self.read(outer, site, frame, slots);
        }
    }

    /// `(4,14)`: the calls that lead to an instance, and something in it.
    pub(super) fn write_chain(&self, id: InstanceId, last: u32, log: &mut Log) {
        // The kernel's list of calls ends at a call from slot 0.
        let chain = &self.instances[id.0 as usize].chain;
        let end = chain.iter().position(|site| *site == 0).unwrap_or(chain.len());
        write_chain(&chain[..end], last, log);
    }

    /// The slots of a state's frame that are read later. `pc_of` says where a frame goes on.
    pub(super) fn live(&self, frames: &[Frame], frame: usize, pc_of: impl Fn(usize) -> Pc) -> u64 {
        let mut live = 0;
        for (number, inner) in frames.iter().enumerate().skip(frame) {
            let instance = &self.instances[inner.instance.0 as usize];
            let start = self.functions[instance.function].start;
            // Behind the call that a frame is at; a helper may call back once more.
            let after = frames.get(number + 1).is_some_and(|callee| callee.callback.is_none());
            let after = u32::from(after);
            let at = pc_of(number).0.wrapping_add(after).wrapping_sub(start) as usize;
            live |= instance.frames[frame].get(at).map_or(0, |m| m.live);
        }
        live
    }
}

fn write_chain(chain: &[u32], start: u32, log: &mut Log) {
    let _ = log.write_char('(');
    for site in chain {
        let _ = write!(log, "{site},");
    }
    let _ = write!(log, "{start})");
}

fn write_place(chain: &[u32], start: u32, frame: usize, at: u32, log: &mut Log) {
    write_chain(chain, start, log);
    let _ = write!(log, " frame {frame} insn {at} ");
}

/// `+live -8,-16 `, or nothing for no slots.
fn write_slots(what: &str, slots: u64, after: &str, log: &mut Log) {
    if slots == 0 {
        return;
    }
    let _ = write!(log, "{what} ");
    let mut comma = "";
    for slot in (0..64).filter(|s| slots >> s & 1 == 1) {
        let _ = write!(log, "{comma}-{}", (slot + 1) * 8);
        comma = ",";
    }
    let _ = log.write_str(after);
}
