//! Which values matter exactly: a walk back along the path, from where a value was relied on to where it
//! came from.
//!
//! Within the instructions since the last kept state the walk follows the path's history; each older state
//! that it reaches has the values marked that the walk asks for, and is walked back through in turn.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use super::observer::Observer;
use super::state::{MAX_FRAMES, StackOperands, State, StateId, Step};
use super::{Rejection, Verifier, reject};
use crate::errno::Errno;
use crate::isa::{AluOp, AtomicOp, CallTarget, DecodeError, Insn, Operand, Pc, Reg};

/// A register or slot of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Linked {
    /// The frame.
    pub frame: u8,
    /// A stack slot, not a register.
    pub slot: bool,
    /// Which one.
    pub number: u8,
}

/// Registers and slots that a branch tied together.
pub type LinkedSet = Vec<Linked>;

/// r1 to r5.
const ARGUMENTS: u16 = 0x3e;

/// What the walk asks for: registers and slots, by frame.
#[derive(Clone, Default)]
struct Wanted {
    registers: [u16; MAX_FRAMES],
    slots: [u64; MAX_FRAMES],
    frame: usize,
}

impl Wanted {
    fn is_empty(&self) -> bool {
        // Without a branch for each: this is asked at every step.
        self.registers.iter().fold(0, |all, r| all | r) == 0
            && self.slots.iter().fold(0, |all, s| all | s) == 0
    }
    fn has(&self, reg: Reg) -> bool {
        self.registers[self.frame] >> reg.number() & 1 == 1
    }
    fn add(&mut self, reg: Reg) {
        self.registers[self.frame] |= 1 << reg.number();
    }
    fn remove(&mut self, reg: Reg) {
        self.registers[self.frame] &= !(1 << reg.number());
    }
    fn has_linked(&self, l: &Linked) -> bool {
        let frame = usize::from(l.frame);
        match l.slot {
            true => self.slots[frame] >> l.number & 1 == 1,
            false => self.registers[frame] >> l.number & 1 == 1,
        }
    }
    fn add_linked(&mut self, l: &Linked) {
        let frame = usize::from(l.frame);
        match l.slot {
            true => self.slots[frame] |= 1 << l.number,
            false => self.registers[frame] |= 1 << l.number,
        }
    }
    /// One of values that are tied together wants them all.
    fn add_all_linked(&mut self, linked: Option<&LinkedSet>) {
        if let Some(linked) = linked
            && linked.iter().any(|l| self.has_linked(l))
        {
            linked.iter().for_each(|l| self.add_linked(l));
        }
    }
}

/// What a step back gave.
enum Back {
    Fine,
    /// The walk can't follow: everything has to be taken to matter.
    Lost,
}

impl<O: Observer> Verifier<O> {
    /// A register of the current frame is relied on.
    pub(super) fn mark_precise(&mut self, reg: Reg) -> Result<(), Rejection> {
        if !self.state.register(reg).is_scalar() {
            return Ok(());
        }
        let mut wanted = Wanted { frame: self.state.current(), ..Wanted::default() };
        wanted.add(reg);
        let frame = self.state.current() as u8;
        self.observer.relied(Linked { frame, slot: false, number: reg.number() });
        self.trace_back(wanted)
    }

    /// A slot of a frame is relied on.
    pub(super) fn mark_slot_precise(&mut self, frame: usize, slot: usize) -> Result<(), Rejection> {
        let mut wanted = Wanted { frame: self.state.current(), ..Wanted::default() };
        wanted.slots[frame] |= 1 << slot;
        self.observer.relied(Linked { frame: frame as u8, slot: true, number: slot as u8 });
        self.trace_back(wanted)
    }

    /// What mattered to a kept state matters to the current one, which it covers. Whether that was news.
    pub(super) fn propagate_precision(&mut self, id: StateId) -> Result<bool, Rejection> {
        let mut wanted = Wanted { frame: self.state.current(), ..Wanted::default() };
        let mut lines = String::new();
        let shows = self.log.shows_all();
        if let Some(kept) = &self.kept[id.0 as usize] {
            for (number, frame) in kept.state.frames.iter().enumerate().rev() {
                let mut first = true;
                let mut say = |text: core::fmt::Arguments| {
                    if !shows {
                        return;
                    }
                    let _ = match core::mem::take(&mut first) {
                        true => write!(lines, "frame {number}: propagating {text}"),
                        false => write!(lines, ",{text}"),
                    };
                };
                for (r, register) in frame.registers.iter().enumerate() {
                    if register.is_scalar() && register.precise {
                        say(format_args!("r{r}"));
                        wanted.registers[number] |= 1 << r;
                    }
                }
                for (s, slot) in frame.stack.iter().enumerate() {
                    if slot.is_spilled_scalar() && slot.spilled.precise {
                        say(format_args!("fp{}", -8 * (s as i32 + 1)));
                        wanted.slots[number] |= 1 << s;
                    }
                }
                if !first {
                    lines.push('\n');
                }
            }
        }
        if shows {
            let _ = self.log.write_str(&lines);
        }
        self.newly_precise = false;
        self.trace_back(wanted)?;
        Ok(self.newly_precise)
    }

    fn trace_back(&mut self, mut wanted: Wanted) -> Result<(), Rejection> {
        if wanted.is_empty() {
            return Ok(());
        }
        let mut from: Option<StateId> = None;
        let (mut last, mut first) = (i64::from(self.state.pc.0), self.state.first);
        let mut after: i64 = -1;
        let mut skip = true;
        loop {
            let shows = self.log.shows_all();
            if shows {
                let frame = wanted.frame;
                let _ = writeln!(
                    self.log,
                    "mark_precise: frame{frame}: last_idx {last} first_idx {first} subseq_idx {after} "
                );
            }
            if last < 0 || last > i64::from(u32::MAX - 1) {
                return Ok(());
            }
            let mut left = self.state_at(from).history.len();
            let mut at = last;
            loop {
                let entry = left.checked_sub(1).map(|i| self.state_at(from).history[i]);
                let entry = entry.filter(|entry| i64::from(entry.pc.0) == at);
                // The second slot of a 64-bit immediate is no instruction.
                let second = matches!(self.insns[at as usize], Err(DecodeError::MiddleOfImm64));
                if !core::mem::take(&mut skip)
                    && !second
                    && let Back::Lost = self.step_back(Pc(at as u32), after, entry, &mut wanted)?
                {
                    self.everything_matters();
                    return Ok(());
                }
                if wanted.is_empty() {
                    return Ok(());
                }
                after = at;
                if at == i64::from(first.0) && (left == 0 || (left == 1 && entry.is_some())) {
                    break;
                }
                if let Some(entry) = entry {
                    at = entry.previous.0.into();
                    left -= 1;
                } else {
                    at -= 1;
                }
                if at < 0 || at >= self.insns.len() as i64 {
                    return Err(reject(Errno::EFAULT, "backtracking idx"));
                }
            }
            let Some(parent) = self.state_at(from).parent else { break };
            from = Some(parent);
            self.mark_state(parent, &mut wanted);
            if wanted.is_empty() {
                return Ok(());
            }
            let state = &self.kept_mut(parent).state;
            after = first.0.into();
            (last, first) = (i64::from(state.last.0 as i32), state.first);
        }
        self.everything_matters();
        Ok(())
    }

    fn state_at(&self, from: Option<StateId>) -> &State {
        match from.and_then(|id| self.kept[id.0 as usize].as_ref()) {
            Some(kept) => &kept.state,
            None => &self.state,
        }
    }

    /// Marks what is wanted in a kept state; what is marked already, or is no number, is wanted no more.
    fn mark_state(&mut self, id: StateId, wanted: &mut Wanted) {
        let shows = self.log.shows_all();
        let top = wanted.frame;
        for number in (0..=top).rev() {
            let Some(kept) = self.kept[id.0 as usize].as_mut() else { return };
            let frame = &mut kept.state.frames[number];
            for r in 0..11u8 {
                if wanted.registers[number] >> r & 1 == 0 {
                    continue;
                }
                let register = &mut frame.registers[usize::from(r)];
                if !register.is_scalar() || register.precise {
                    wanted.registers[number] &= !(1 << r);
                } else {
                    register.precise = true;
                    self.newly_precise = true;
                    let what = Linked { frame: number as u8, slot: false, number: r };
                    self.observer.precise(id, what);
                }
            }
            for s in 0..64u8 {
                if wanted.slots[number] >> s & 1 == 0 {
                    continue;
                }
                match frame.stack.get_mut(usize::from(s)) {
                    Some(slot) if slot.is_spilled_scalar() && !slot.spilled.precise => {
                        slot.spilled.precise = true;
                        self.newly_precise = true;
                        let what = Linked { frame: number as u8, slot: true, number: s };
                        self.observer.precise(id, what);
                    }
                    _ => wanted.slots[number] &= !(1 << s),
                }
            }
            if shows {
                let _ = write!(self.log, "mark_precise: frame{number}: parent state regs=");
                write_registers(wanted.registers[number], &mut self.log);
                let _ = self.log.write_str(" stack=");
                write_slots(wanted.slots[number], &mut self.log);
                let _ = self.log.write_str(": ");
                if let Some(kept) = self.kept[id.0 as usize].as_ref() {
                    let _ = super::print::write_frame(
                        &kept.state,
                        number,
                        None,
                        &print_names!(self),
                        &mut self.log,
                    );
                }
            }
        }
    }

    /// The walk lost its way: every number of every state on the path is taken to matter.
    pub(super) fn everything_matters(&mut self) {
        if self.log.shows_all() {
            let frame = self.state.current();
            let _ =
                writeln!(self.log, "mark_precise: frame{frame}: falling back to forcing all scalars precise");
        }
        let shows = self.log.shows_all();
        let mut parent = self.state.parent;
        while let Some(id) = parent {
            let Some(kept) = self.kept[id.0 as usize].as_mut() else { return };
            self.observer.all_precise(id);
            for (frame, f) in kept.state.frames.iter_mut().enumerate() {
                for (number, register) in f.registers.iter_mut().enumerate() {
                    if register.is_scalar() && !core::mem::replace(&mut register.precise, true) {
                        let what = Linked { frame: frame as u8, slot: false, number: number as u8 };
                        self.observer.precise(id, what);
                        if shows {
                            let what = format_args!("r{number}");
                            let _ = writeln!(
                                self.log,
                                "force_precise: frame{frame}: forcing {what} to be precise"
                            );
                        }
                    }
                }
                for (number, slot) in f.stack.iter_mut().enumerate() {
                    if slot.is_spilled_scalar() && !core::mem::replace(&mut slot.spilled.precise, true) {
                        let what = Linked { frame: frame as u8, slot: true, number: number as u8 };
                        self.observer.precise(id, what);
                        if shows {
                            let what = format_args!("fp-{}", (number + 1) * 8);
                            let _ = writeln!(
                                self.log,
                                "force_precise: frame{frame}: forcing {what} to be precise"
                            );
                        }
                    }
                }
            }
            parent = kept.state.parent;
        }
    }

    /// What is wanted before an instruction, from what is wanted after it.
    fn step_back(
        &mut self,
        pc: Pc,
        after: i64,
        step: Option<Step>,
        wanted: &mut Wanted,
    ) -> Result<Back, Rejection> {
        if self.log.shows_all() {
            let _ = write!(self.log, "mark_precise: frame{}: regs=", wanted.frame);
            write_registers(wanted.registers[wanted.frame], &mut self.log);
            let _ = self.log.write_str(" stack=");
            write_slots(wanted.slots[wanted.frame], &mut self.log);
            let _ = write!(self.log, " before {pc}: ");
            self.write_insn(pc.index());
        }
        let linked = step.and_then(|s| s.linked).and_then(|at| self.linked.get(at as usize));
        wanted.add_all_linked(linked);
        let bug = || reject(Errno::EFAULT, "backtracking misuse");
        let slot = step.and_then(|s| s.stack);
        let Ok(insn) = self.insns[pc.index()] else { return Ok(Back::Fine) };
        match insn {
            Insn::Alu { op: AluOp::Mov, dst, src, .. } => {
                if !wanted.has(dst) {
                    return Ok(Back::Fine);
                }
                wanted.remove(dst);
                if let Operand::Reg(src) = src
                    && src != Reg::FP
                {
                    wanted.add(src);
                }
            }
            Insn::MovSx { dst, src, .. } | Insn::AddrSpaceCast { dst, src, .. } => {
                if !wanted.has(dst) {
                    return Ok(Back::Fine);
                }
                wanted.remove(dst);
                if src != Reg::FP {
                    wanted.add(src);
                }
            }
            Insn::Alu { dst, src: Operand::Reg(src), .. } => {
                if !wanted.has(dst) {
                    return Ok(Back::Fine);
                }
                if src != Reg::FP {
                    wanted.add(src);
                }
            }
            Insn::Load { dst, .. } | Insn::Atomic { op: AtomicOp::LoadAcquire, src: dst, .. } => {
                if !wanted.has(dst) {
                    return Ok(Back::Fine);
                }
                wanted.remove(dst);
                let Some((frame, slot)) = slot else { return Ok(Back::Fine) };
                wanted.slots[usize::from(frame)] |= 1 << slot;
            }
            Insn::Store { base, src, .. } => {
                if wanted.has(base) {
                    return Ok(Back::Lost);
                }
                let Some((frame, slot)) = slot else { return Ok(Back::Fine) };
                let slots = &mut wanted.slots[usize::from(frame)];
                if *slots >> slot & 1 == 0 {
                    return Ok(Back::Fine);
                }
                *slots &= !(1 << slot);
                if let Operand::Reg(src) = src {
                    wanted.add(src);
                }
            }
            Insn::Atomic { base, .. } if wanted.has(base) => return Ok(Back::Lost),
            Insn::Call(CallTarget::Local(offset)) if self.is_global_at(pc, offset) => {
                // It was taken by its prototype: it gives r0, and void arguments.
                if wanted.registers[wanted.frame] & ARGUMENTS != 0 {
                    return Err(bug());
                }
                wanted.remove(Reg::R0);
                return Ok(Back::Fine);
            }
            Insn::Call(CallTarget::Local(_)) => {
                // Back out of the function: what is still wanted can only be its arguments.
                let frame = wanted.frame;
                if wanted.registers[frame] & !ARGUMENTS != 0 || wanted.slots[frame] != 0 || frame == 0 {
                    return Err(bug());
                }
                let arguments = core::mem::take(&mut wanted.registers[frame]);
                wanted.frame -= 1;
                wanted.registers[wanted.frame] |= arguments;
                return Ok(Back::Fine);
            }
            Insn::Call(CallTarget::Helper(12)) if after != i64::from(pc.0) + 1 => {
                // Back into a function that a tail call ended.
                if wanted.frame + 1 >= MAX_FRAMES {
                    return Err(bug());
                }
                wanted.remove(Reg::R0);
                wanted.frame += 1;
                return Ok(Back::Fine);
            }
            Insn::Call(_) if self.calls_back(pc.0) && i64::from(pc.0) != after - 1 => {
                // Back out of a callback: its arguments come from the call.
                let frame = wanted.frame;
                if wanted.registers[frame] & !ARGUMENTS != 0 || wanted.slots[frame] != 0 || frame == 0 {
                    return Err(bug());
                }
                wanted.registers[frame] = 0;
                wanted.frame -= 1;
                return Ok(Back::Fine);
            }
            Insn::Call(_) => {
                wanted.remove(Reg::R0);
                if wanted.registers[wanted.frame] & ARGUMENTS != 0 {
                    return Err(bug());
                }
            }
            Insn::Exit => {
                // Back into a function that returned. What a call back was given, the call set.
                if u32::try_from(after).is_ok_and(|call| self.calls_back(call)) {
                    wanted.registers[wanted.frame] &= !ARGUMENTS;
                }
                if wanted.registers[wanted.frame] & ARGUMENTS != 0 || wanted.frame + 1 >= MAX_FRAMES {
                    return Err(bug());
                }
                let called = after.checked_sub(1).and_then(|at| usize::try_from(at).ok());
                let is_call = called
                    .and_then(|at| self.insns.get(at))
                    .is_some_and(|insn| matches!(insn, Ok(Insn::Call(CallTarget::Local(_)))));
                let result = is_call && wanted.has(Reg::R0);
                wanted.remove(Reg::R0);
                wanted.frame += 1;
                if result {
                    wanted.add(Reg::R0);
                }
                return Ok(Back::Fine);
            }
            Insn::Branch { dst, src: Operand::Reg(src), .. } => {
                if !wanted.has(dst) && !wanted.has(src) {
                    return Ok(Back::Fine);
                }
                // A pointer into the stack is nobody's number.
                let pointers = step.map_or(0, |s| s.stack_operands);
                if pointers & StackOperands::SRC == 0 {
                    wanted.add(src);
                }
                if pointers & StackOperands::DST == 0 {
                    wanted.add(dst);
                }
            }
            Insn::LoadImm64 { dst, .. } => wanted.remove(dst),
            Insn::LoadPacket { .. } => {
                if wanted.has(Reg::R0) {
                    wanted.remove(Reg::R0);
                    return Ok(Back::Lost);
                }
                if after != i64::from(pc.0) + 1 && wanted.frame + 1 < MAX_FRAMES {
                    // Back into a function that ended here.
                    wanted.frame += 1;
                }
                return Ok(Back::Fine);
            }
            _ => {}
        }
        wanted.add_all_linked(linked);
        Ok(Back::Fine)
    }
}

fn write_registers(mask: u16, out: &mut impl Write) {
    let mut first = true;
    for r in (0..11).filter(|r| mask >> r & 1 == 1) {
        let comma = if core::mem::take(&mut first) { "" } else { "," };
        let _ = write!(out, "{comma}r{r}");
    }
}

fn write_slots(mask: u64, out: &mut impl Write) {
    let mut first = true;
    for s in (0..64).filter(|s| mask >> s & 1 == 1) {
        let comma = if core::mem::take(&mut first) { "" } else { "," };
        let _ = write!(out, "{comma}-{}", (s + 1) * 8);
    }
}
