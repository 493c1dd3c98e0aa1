//! A concrete run held against what the verifier claimed along its path.
//!
//! [`Claims::check`] is called before each instruction of the run. It follows the run through the trace: at a
//! fork to the side that the run took, at a prune to the kept state that covers the path. There, what is not
//! read on, and numbers that do not matter exactly, are *unclaimed*, and so is what is computed from them,
//! until it is overwritten or derived anew. Every other register and slot has to be inside its claim.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::describe;
use super::diagnostics::path::{fetched, stack_address};
use super::recorder::{Program, Trace};
use super::view::{End, SegmentId, StateId, Step};
use crate::arena::{Memory, ObjectKind};
use crate::helper::RunContext;
use crate::interp::{Frame as RunFrame, Machine};
use crate::isa::{AluOp, AtomicOp, CallTarget, Insn, Operand, Pc, Reg, Size};
use crate::resources::Resources;
use crate::verifier::register::{AT_PACKET_END, BEYOND_PACKET_END, Kind, Register};
use crate::verifier::state::{Byte, Frame, MAX_FRAMES, Slot, State};

/// A claim that a run did not keep.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broken {
    /// The step before which it was claimed, where the run was still on a path of the trace.
    pub step: Option<Step>,
    /// The instruction that the run was about to run.
    pub pc: Pc,
    /// What was claimed, and what was.
    pub what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at instruction {}", self.pc)?;
        if let Some(step) = self.step {
            write!(f, ", step {}", step.0)?;
        }
        write!(f, ": {}", self.what)
    }
}

/// What is unclaimed of a frame, by bit.
#[derive(Clone, Copy, Default)]
struct Unclaimed {
    registers: u16,
    slots: u64,
}

/// A run that is followed.
pub struct Claims<'a> {
    trace: &'a Trace,
    program: &'a Program,
    segment: SegmentId,
    /// Steps of the segment that are done.
    done: u32,
    unclaimed: [Unclaimed; MAX_FRAMES],
    /// The step before: what was known before it.
    last: Option<(Insn, State)>,
    checked: u64,
}

/// Where the run is.
struct Run<'a, M> {
    machine: &'a Machine,
    resources: &'a Resources<M>,
    context: &'a RunContext,
    frames: Vec<RunFrame>,
}

impl<'a> Claims<'a> {
    /// Before the first instruction. `None` where the trace has no steps.
    pub fn new(trace: &'a Trace) -> Option<Claims<'a>> {
        let program = trace.program.as_ref().filter(|_| trace.steps() > 0)?;
        Some(Claims {
            trace,
            program,
            segment: SegmentId(0),
            done: 0,
            unclaimed: [Unclaimed::default(); MAX_FRAMES],
            last: None,
            checked: 0,
        })
    }

    /// Number of values that were found inside their claims.
    pub fn checked(&self) -> u64 {
        self.checked
    }

    /// Checks the run before its next instruction.
    ///
    /// # Errors
    /// The first claim that it does not keep.
    pub fn check<M: Memory>(
        &mut self,
        machine: &Machine,
        resources: &Resources<M>,
        context: &RunContext,
    ) -> Result<(), Broken> {
        let run = Run { machine, resources, context, frames: machine.frames().collect() };
        let pc = machine.pc;
        let lost = |what: &str| Broken { step: None, pc, what: what.into() };
        if let Some((insn, state)) = self.last.take() {
            self.pass_on(&insn, &state);
        }
        let segments = self.trace.segments();
        // A prune leads to a segment that has steps, or to one that is forked at once.
        for _ in 0..segments.len() + 1 {
            let segment = segments.get(self.segment.0 as usize).ok_or_else(|| lost("no such segment"))?;
            if self.done < segment.len {
                break;
            }
            match segment.end {
                End::Fork | End::Checkpoint => self.descend(&run)?,
                End::Pruned { by, .. } => self.jump(by, pc)?,
                End::Exit | End::Barrier => {
                    return Err(lost("the path ended here, and the run goes on"));
                }
                End::Error | End::Open => return Err(lost("the path was not walked to its end")),
            }
        }
        let step = Step(segments[self.segment.0 as usize].first.0 + self.done);
        let broken = |what| Broken { step: Some(step), pc, what };
        let expected = self.trace.pc(step);
        if expected != pc {
            return Err(broken(format!("the verifier followed the path to {expected} alone")));
        }
        let state = self.trace.state_at(step).ok_or_else(|| lost("no such step"))?;
        self.checked += self.holds(&state, &run).map_err(broken)?;
        self.done += 1;
        self.last = self.program.insns.get(pc.index()).and_then(|insn| insn.ok()).map(|insn| (insn, state));
        Ok(())
    }

    /// To the side of a fork that the run took; where both go to one place, to the one whose claims hold.
    fn descend<M: Memory>(&mut self, run: &Run<'_, M>) -> Result<(), Broken> {
        let pc = run.machine.pc;
        let mut why = String::from("no side of the fork leads here");
        for child in self.trace.children(self.segment) {
            let segment = &self.trace.segments()[child.0 as usize];
            if segment.pc != pc.0 || segment.guessed {
                continue;
            }
            let state = if segment.len > 0 { self.trace.state_at(segment.first) } else { None };
            match state.map_or(Ok(0), |state| self.holds(&state, run)) {
                Ok(_) => {
                    (self.segment, self.done) = (child, 0);
                    return Ok(());
                }
                Err(what) => why = what,
            }
        }
        Err(Broken { step: None, pc, what: why })
    }

    /// To a kept state that covers the path.
    fn jump(&mut self, by: StateId, pc: Pc) -> Result<(), Broken> {
        let kept = self.trace.kept_states().get(by.0 as usize);
        let state = kept.and_then(|kept| self.trace.state_at(kept.step));
        let (Some(kept), Some(state)) = (kept, state) else {
            return Err(Broken { step: None, pc, what: format!("state {} is not there", by.0) });
        };
        (self.segment, self.done) = (kept.segment, 0);
        for (number, frame) in state.frames.iter().enumerate().take(MAX_FRAMES) {
            let at = state.frames.get(number + 1).map_or(Some(state.pc), |callee| callee.call_site);
            let live = at.and_then(|at| self.program.live.get(at.index())).copied().unwrap_or(u16::MAX);
            let (registers, slots) = self.trace.precision.live_of(by, number).unwrap_or((live, u64::MAX));
            let mut precise = Unclaimed::default();
            for what in self.trace.precision.marks_of(by).filter(|what| usize::from(what.frame) == number) {
                match what.slot {
                    true => precise.slots |= 1 << what.number,
                    false => precise.registers |= 1 << what.number,
                }
            }
            let mut unclaimed = Unclaimed { registers: !registers & 0x3ff, slots: !slots };
            for (r, register) in frame.registers.iter().enumerate() {
                if register.is_scalar() && precise.registers >> r & 1 == 0 {
                    unclaimed.registers |= 1 << r;
                }
            }
            for (s, slot) in frame.stack.iter().enumerate() {
                if slot.is_spilled_scalar() && precise.slots >> s & 1 == 0 {
                    unclaimed.slots |= 1 << s;
                }
            }
            self.unclaimed[number] = unclaimed;
        }
        Ok(())
    }

    /// What an instruction computes of what is unclaimed is unclaimed.
    fn pass_on(&mut self, insn: &Insn, before: &State) {
        let current = before.current();
        let has =
            |claims: &Claims<'_>, reg: Reg| claims.unclaimed[current].registers >> reg.number() & 1 == 1;
        let operand = |claims: &Claims<'_>, src: Operand| match src {
            Operand::Reg(reg) => has(claims, reg),
            Operand::Imm(_) => false,
        };
        match *insn {
            Insn::Alu { op: AluOp::Mov, dst, src, .. } => self.set(current, dst, operand(self, src)),
            Insn::MovSx { dst, src, .. } | Insn::AddrSpaceCast { dst, src, .. } => {
                self.set(current, dst, has(self, src));
            }
            Insn::Alu { dst, src, .. } => self.set(current, dst, has(self, dst) || operand(self, src)),
            Insn::LoadImm64 { dst, .. } => self.set(current, dst, false),
            Insn::Load { dst, base, off, size, .. }
            | Insn::Atomic { op: AtomicOp::LoadAcquire, src: dst, base, off, size } => {
                let unclaimed = self.stack_unclaimed(before.register(base), off.into(), size);
                self.set(current, dst, unclaimed);
            }
            Insn::Store { base, off, src, size } => self.stored(before, base, off, size, operand(self, src)),
            Insn::Atomic { op: AtomicOp::StoreRelease, base, off, src, size } => {
                self.stored(before, base, off, size, has(self, src));
            }
            Insn::Atomic { op, base, off, src, size } => {
                let unclaimed = self.stack_unclaimed(before.register(base), off.into(), size);
                if let Some(reg) = fetched(op, src).and_then(Reg::new) {
                    self.set(current, reg, unclaimed);
                }
            }
            // What a comparison says of one number, it says by the other.
            Insn::Branch { dst, src: Operand::Reg(src), .. } if has(self, dst) || has(self, src) => {
                for reg in [dst, src] {
                    self.unclaim_tied(before, current, reg);
                }
            }
            Insn::Branch { dst, .. } if has(self, dst) => self.unclaim_tied(before, current, dst),
            Insn::Call(CallTarget::Local(_)) if current + 1 < MAX_FRAMES => {
                let arguments = self.unclaimed[current].registers & 0x3e;
                self.unclaimed[current + 1] = Unclaimed { registers: arguments, slots: 0 };
                self.unclaimed[current].registers &= !0x3f;
            }
            Insn::Call(_) | Insn::LoadPacket { .. } => self.unclaimed[current].registers &= !0x3f,
            Insn::Exit if current > 0 => {
                let result = has(self, Reg::R0);
                self.unclaimed[current] = Unclaimed::default();
                self.set(current - 1, Reg::R0, result);
            }
            _ => {}
        }
    }

    fn set(&mut self, frame: usize, reg: Reg, unclaimed: bool) {
        let registers = &mut self.unclaimed[frame].registers;
        *registers = *registers & !(1 << reg.number()) | u16::from(unclaimed) << reg.number();
    }

    /// A number, and those that are known to be the same, are unclaimed.
    fn unclaim_tied(&mut self, before: &State, frame: usize, reg: Reg) {
        self.set(frame, reg, true);
        let id = before.register(reg).id;
        if id == 0 {
            return;
        }
        for (frame, unclaimed) in before.frames.iter().zip(&mut self.unclaimed) {
            for (r, _) in frame.registers.iter().enumerate().filter(|(_, r)| r.is_scalar() && r.id == id) {
                unclaimed.registers |= 1 << r;
            }
            let tied = |slot: &Slot| slot.is_spilled_scalar() && slot.spilled.id == id;
            for (s, _) in frame.stack.iter().enumerate().filter(|(_, slot)| tied(slot)) {
                unclaimed.slots |= 1 << s;
            }
        }
    }

    /// Whether anything that a load from the stack may read is unclaimed.
    fn stack_unclaimed(&self, pointer: &Register, off: i64, size: Size) -> bool {
        let Kind::Stack { frame } = pointer.kind else { return false };
        let slots = self.unclaimed.get(usize::from(frame)).map_or(0, |unclaimed| unclaimed.slots);
        match stack_address(pointer, off) {
            Some((_, at)) => {
                let (high, low) = ((-at - 1) / 8, (-(at + i64::from(size.bytes()) - 1) - 1).max(0) / 8);
                (low..=high).any(|slot| slots >> slot & 1 == 1)
            }
            None => slots != 0,
        }
    }

    fn stored(&mut self, before: &State, base: Reg, off: i16, size: Size, unclaimed: bool) {
        let pointer = before.register(base);
        let Kind::Stack { frame } = pointer.kind else { return };
        let Some(slots) = self.unclaimed.get_mut(usize::from(frame)).map(|u| &mut u.slots) else { return };
        match stack_address(pointer, off.into()) {
            Some((_, at)) => {
                let slot = (-at - 1) / 8;
                let whole = size == Size::Dw && at % 8 == 0;
                if unclaimed {
                    *slots |= 1 << slot;
                } else if whole {
                    *slots &= !(1 << slot);
                }
            }
            // Anything may have been written anywhere.
            None if unclaimed => *slots = u64::MAX,
            None => {}
        }
    }

    /// Whether the run is inside a state; the number of values that were looked at.
    fn holds<M: Memory>(&self, state: &State, run: &Run<'_, M>) -> Result<u64, String> {
        if state.frames.len() != run.frames.len() {
            return Err(format!("{} frames, where {} were claimed", run.frames.len(), state.frames.len()));
        }
        let mut checked = 0;
        for (number, frame) in state.frames.iter().enumerate() {
            let unclaimed = self.unclaimed[number];
            // What a caller has in its registers is saved where no one sees it; r6 to r9 come back with the
            // return, and are checked then.
            if number + 1 == state.frames.len() {
                for (r, register) in frame.registers.iter().enumerate() {
                    if unclaimed.registers >> r & 1 == 0 && register.kind != Kind::Uninitialised {
                        let value = run.machine.registers[r];
                        self.value(register, value, run).map_err(|what| {
                            format!("r{r} is {what}, claimed: {}", self.words(register, number))
                        })?;
                        checked += 1;
                    }
                }
            }
            checked += self.stack(frame, number, run)?;
        }
        Ok(checked)
    }

    fn words(&self, register: &Register, frame: usize) -> String {
        describe::words(register, frame, &self.program.maps)
    }

    fn stack<M: Memory>(&self, frame: &Frame, number: usize, run: &Run<'_, M>) -> Result<u64, String> {
        let mut checked = 0;
        for (s, slot) in frame.stack.iter().enumerate() {
            if self.unclaimed[number].slots >> s & 1 == 1 || !slot.is_written() {
                continue;
            }
            let low = run.frames[number].pointer - 8 * (s as u64 + 1);
            let name = format!("fp-{} of frame {number}", 8 * (s + 1));
            let load = |at: u64, size| {
                run.resources.arena.memory().load(at, size).map_err(|_| format!("{name} is not there"))
            };
            for (at, byte) in slot.bytes.iter().enumerate() {
                // Bytes are kept from the highest address down.
                let value = load(low + 7 - at as u64, Size::B)?;
                if *byte == Byte::Zero && value != 0 {
                    return Err(format!("{name} has a byte {value}, claimed: zero"));
                }
            }
            if slot.is_spill() {
                let bytes = spilled_bytes(slot);
                let Some(size) = Size::from_bytes(bytes) else { continue };
                let value = load(low, size)?;
                let mut claim = slot.spilled;
                if claim.is_scalar() {
                    claim.var.zero_extend(bytes);
                }
                self.value(&claim, value, run)
                    .map_err(|what| format!("{name} is {what}, claimed: {}", self.words(&claim, number)))?;
            }
            checked += 1;
        }
        Ok(checked)
    }

    /// Whether a value is inside a register's claim; in words what it is where it is not.
    fn value<M: Memory>(&self, claim: &Register, value: u64, run: &Run<'_, M>) -> Result<(), String> {
        let wrong = || Err(format!("{value:#x}"));
        if claim.is_scalar() {
            return if claim.var.contains(value) { Ok(()) } else { wrong() };
        }
        if claim.kind == Kind::Uninitialised {
            return Ok(());
        }
        if value == 0 && claim.maybe_null {
            return Ok(());
        }
        // Where the pointer would point without its fixed offset.
        let start = value.wrapping_sub(i64::from(claim.offset) as u64);
        let from = |base: u64| {
            let apart = start.wrapping_sub(base);
            match claim.var.contains(apart) {
                true => Ok(()),
                false => Err(format!("{value:#x}, {:#x} behind {base:#x}", value.wrapping_sub(base))),
            }
        };
        match claim.kind {
            Kind::Context => from(run.context.context.into()),
            Kind::Stack { frame } => match run.frames.get(usize::from(frame)) {
                Some(frame) => from(frame.pointer),
                None => Err("a pointer to a frame that is gone".into()),
            },
            Kind::Map(map) => match self.program.maps.get(usize::from(map.0)) {
                Some(info) if claim.var.as_constant() == Some(0) => from(info.handle.into()),
                _ => Ok(()),
            },
            Kind::MapValue(_) => element(claim, value, start, run),
            Kind::Packet | Kind::PacketMeta => {
                let Some(packet) = run.context.packet else { return wrong() };
                let (base, end) = match claim.kind {
                    Kind::Packet => (packet.data, u64::from(packet.end)),
                    _ => (packet.meta, u64::from(packet.data)),
                };
                from(base.into())?;
                let fits = match claim.range {
                    AT_PACKET_END => value >= end,
                    BEYOND_PACKET_END => value > end,
                    range => range <= 0 || start.wrapping_add(range as u64) <= end,
                };
                if fits { Ok(()) } else { Err(format!("{value:#x}, where the packet ends at {end:#x}")) }
            }
            Kind::PacketEnd => match run.context.packet {
                Some(packet) => from(packet.end.into()),
                None => wrong(),
            },
            _ if value == 0 => Err("null".into()),
            _ => Ok(()),
        }
    }
}

/// A pointer to a value of a map: its start has to be a value's. An element that is gone is no one's.
fn element<M: Memory>(claim: &Register, value: u64, start: u64, run: &Run<'_, M>) -> Result<(), String> {
    if value == 0 {
        return Err("null".into());
    }
    let base = start.wrapping_sub(claim.var.as_constant().unwrap_or(0));
    let Some(object) = run.resources.arena.object_at(base) else { return Ok(()) };
    let ObjectKind::MapValues { stride, .. } = object.kind else { return Ok(()) };
    let within = (base - u64::from(object.address)) % u64::from(stride.max(1));
    let fits = match claim.var.as_constant() {
        Some(_) => within == 0,
        None => claim.var.umax >= stride.into() || claim.var.contains(within),
    };
    if fits { Ok(()) } else { Err(format!("{value:#x}, {within} bytes into a value")) }
}

/// How many bytes of a slot are of the spilled register.
fn spilled_bytes(slot: &Slot) -> u32 {
    slot.bytes.iter().filter(|byte| **byte == Byte::Spill).count() as u32
}
