//! States as what changed: every step's state can be made again from a keyframe and the changes since.
//!
//! The recorder has a *shadow* of the state: its registers and slots as numbers of [`Values`]. At a step it is
//! compared with the state where the last instruction can have changed anything, and the differences are
//! written down. A path's changes are told from the step before on that path, so that a fork's second side
//! begins with its differences from the fork; its shadow waits beside the verifier's own pending state.
//!
//! A keyframe, the whole shadow, stands wherever the changes since the last one on the path take as much
//! room. So it doubles them at most, and to make a state takes a bounded number of changes.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use super::values::{Ref, Values, read_number, write_number};
use crate::isa::{AtomicOp, CallTarget, DecodeError, Insn, Operand, Pc, Reg};
use crate::verifier::live_stack::InstanceId;
use crate::verifier::register::{Kind, Register};
use crate::verifier::sections::Sections;
use crate::verifier::state::{CallbackFrame, Frame, MAX_SLOTS, Reference, Slot, State};

/// A frame's shadow.
#[derive(Clone, Debug)]
struct Shadow {
    header: u32,
    registers: [Ref; Reg::COUNT],
    bytes: Vec<u32>,
    spilled: Vec<Ref>,
}

/// What a frame is besides its registers and stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Header {
    call_site: Option<Pc>,
    function: u16,
    instance: InstanceId,
    callback: Option<CallbackFrame>,
    callback_depth: u32,
}

/// What a state is besides its frames.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Rest {
    references: Vec<Reference>,
    sections: Sections,
    may_goto_depth: u32,
    speculative: bool,
}

impl Rest {
    /// Fields that are none of what is known at a point are left out by name, so that a new field has to be
    /// taken in or left out here.
    fn of(state: &State) -> Rest {
        let State {
            frames: _,
            references,
            branches: _,
            parent: _,
            pc: _,
            first: _,
            last: _,
            history: _,
            sections,
            may_goto_depth,
            speculative,
        } = state;
        Rest {
            references: references.clone(),
            sections: *sections,
            may_goto_depth: *may_goto_depth,
            speculative: *speculative,
        }
    }

    fn is(&self, state: &State) -> bool {
        self.references == state.references
            && self.sections == state.sections
            && self.may_goto_depth == state.may_goto_depth
            && self.speculative == state.speculative
    }
}

/// Places of a frame as numbers: registers, the bytes of slots, what is spilled in them, the frame itself.
const BYTES: u32 = 11;
const SPILLED: u32 = BYTES + 64;
const HEADER: u32 = SPILLED + 64;
const PLACES: u32 = HEADER + 1;
/// What is besides the frames, as a place behind them all.
const REST: u32 = PLACES * 8;

/// Changes between keyframes are at least this many bytes, however small a state is.
const LEAST_BETWEEN: usize = 512;

/// How far back what is besides the frames is looked for: references have new ids in each round of a loop.
const RECENT: usize = 64;

/// Where the shadow stands.
#[derive(Clone, Debug, Default)]
struct Position {
    frames: Vec<Shadow>,
    rest: u32,
    /// Bytes of changes since the last keyframe on the path.
    since: usize,
    /// The last instruction walked.
    last: Option<Pc>,
}

/// Writes states down.
#[derive(Debug)]
pub(super) struct Writer {
    values: Values,
    headers: Vec<Header>,
    rests: Vec<Rest>,
    at: Position,
    /// Of sides of forks that wait, by the fork's number and the order of waiting.
    waiting: Vec<(u32, Position)>,
    /// Everything may have changed.
    all: bool,
    changes: Vec<u8>,
    offsets: Vec<u32>,
    keyframes: Vec<(u32, u32)>,
    frames: Vec<u8>,
    /// What the states that pruned segments ended in differ in from their last step's: by segment, where the
    /// changes begin.
    ends: Vec<(u32, u32)>,
    end_changes: Vec<u8>,
}

impl Default for Writer {
    fn default() -> Writer {
        Writer {
            values: Values::new(),
            headers: Vec::new(),
            rests: vec![Rest::default()],
            at: Position::default(),
            waiting: Vec::new(),
            all: true,
            changes: Vec::new(),
            offsets: Vec::new(),
            keyframes: Vec::new(),
            frames: Vec::new(),
            ends: Vec::new(),
            end_changes: Vec::new(),
        }
    }
}

/// What an instruction can have changed of the current frame, and beyond.
enum Touched {
    Nothing,
    /// These registers, by bit.
    Registers(u16),
    /// These registers, and so many bytes where this register pointed to, if that was the stack.
    Stack(u16, Access),
    All,
}

/// Memory that an instruction accesses.
#[derive(Clone, Copy, Debug)]
struct Access {
    base: Reg,
    off: i16,
    bytes: u32,
}

impl Access {
    /// The slots of a stack that it can have touched through `pointer`, the lowest number first; all of them
    /// where that can't be told.
    fn slots(self, pointer: &Register) -> Range<usize> {
        let (min, max) = match pointer.var.as_constant() {
            Some(value) => (value as i64, value as i64),
            None => (pointer.var.smin, pointer.var.smax),
        };
        let off = i64::from(self.off) + i64::from(pointer.offset);
        let (Some(first), Some(last)) =
            (min.checked_add(off), max.checked_add(off + i64::from(self.bytes) - 1))
        else {
            return 0..MAX_SLOTS;
        };
        let deepest = -8 * MAX_SLOTS as i64;
        match deepest <= first && first <= last && last < 0 {
            // Slot 0 lies right below the frame's top.
            true => ((-last - 1) / 8) as usize..((-first - 1) / 8 + 1) as usize,
            false => 0..MAX_SLOTS,
        }
    }
}

fn touched(insn: &Result<Insn, DecodeError>) -> Touched {
    let bit = |reg: Reg| 1u16 << reg.number();
    let operand = |operand: Operand| match operand {
        Operand::Reg(reg) => bit(reg),
        Operand::Imm(_) => 0,
    };
    let Ok(insn) = insn else { return Touched::All };
    match *insn {
        Insn::Alu { dst, src, .. } => Touched::Registers(bit(dst) | operand(src)),
        Insn::MovSx { dst, src, .. } => Touched::Registers(bit(dst) | bit(src)),
        Insn::Neg { dst, .. } | Insn::ByteSwap { dst, .. } | Insn::LoadImm64 { dst, .. } => {
            Touched::Registers(bit(dst))
        }
        Insn::Load { size, dst, base, off, .. } => {
            Touched::Stack(bit(dst) | bit(base), Access { base, off, bytes: size.bytes() })
        }
        Insn::Store { size, base, off, src } => {
            Touched::Stack(bit(base) | operand(src), Access { base, off, bytes: size.bytes() })
        }
        Insn::Atomic { op, size, base, off, src } => {
            let result = match op {
                AtomicOp::LoadAcquire | AtomicOp::StoreRelease => 0,
                _ => bit(Reg::R0),
            };
            Touched::Stack(bit(base) | bit(src) | result, Access { base, off, bytes: size.bytes() })
        }
        Insn::Goto { .. } => Touched::Nothing,
        Insn::Call(CallTarget::Local(_) | CallTarget::Helper(_) | CallTarget::Kernel { .. }) => Touched::All,
        // A branch whose outcome is known changes nothing; the other kind forks.
        Insn::Branch { .. } => Touched::Nothing,
        _ => Touched::All,
    }
}

impl Writer {
    /// Both sides of the last step's instruction will be walked: what is known now is what the other side's
    /// changes are told from. Answers nothing; the fork is named by its segment.
    pub fn fork(&mut self, token: u32) {
        self.waiting.push((token, self.at.clone()));
        self.all = true;
    }

    /// The last side of that fork that waits is taken up.
    pub fn resume(&mut self, token: u32) {
        let found = self.waiting.iter().rposition(|(waiting, _)| *waiting == token);
        if let Some(found) = found {
            self.at = self.waiting.remove(found).1;
        }
        self.all = true;
    }

    /// A walk begins that follows no other.
    pub fn entry(&mut self) {
        self.at = Position::default();
        self.all = true;
    }

    /// The state before the next step.
    pub fn step(&mut self, pc: Pc, state: &State, insns: &[Result<Insn, DecodeError>]) {
        let step = self.offsets.len() as u32;
        let begin = self.changes.len();
        self.offsets.push(begin as u32);
        let first = self.at.frames.is_empty();
        self.compare(state, insns);
        self.at.last = Some(pc);
        self.all = false;
        let written = self.changes.len() - begin;
        self.at.since += written;
        if first || self.at.since > LEAST_BETWEEN.max(self.keyframe_size()) {
            self.keyframe(step);
        }
    }

    /// The path ends in this state, in which no instruction is walked any more.
    pub fn end(&mut self, segment: u32, state: &State, insns: &[Result<Insn, DecodeError>]) {
        core::mem::swap(&mut self.changes, &mut self.end_changes);
        self.ends.push((segment, self.changes.len() as u32));
        self.compare(state, insns);
        core::mem::swap(&mut self.changes, &mut self.end_changes);
    }

    /// Writes down what the last instruction changed.
    fn compare(&mut self, state: &State, insns: &[Result<Insn, DecodeError>]) {
        let touched = match self.at.last {
            Some(last) if !self.all => insns.get(last.index()).map_or(Touched::All, touched),
            _ => Touched::All,
        };
        match touched {
            Touched::Nothing => {}
            Touched::All => self.compare_all(state),
            Touched::Registers(registers) => self.compare_registers(state, state.current(), registers),
            Touched::Stack(registers, access) => {
                let current = state.current();
                // What the register pointed into: an instruction may load over its own base.
                let pointer = self.at.frames.get(current).map(|f| f.registers[access.base.index()]);
                let pointer = pointer.map(|pointer| self.values.get(pointer));
                let Some((frame, slots)) = pointer.and_then(|pointer| match pointer.kind {
                    Kind::Stack { frame } => Some((usize::from(frame), access.slots(&pointer))),
                    _ => None,
                }) else {
                    return self.compare_registers(state, current, registers);
                };
                if self.has_object(frame, slots.clone()) {
                    // With an object go its other slots, and what was made of it.
                    return self.compare_all(state);
                }
                self.compare_registers(state, current, registers);
                self.compare_stack(state, frame, slots);
            }
        }
    }

    /// About how many bytes a keyframe would take.
    fn keyframe_size(&self) -> usize {
        self.at.frames.iter().map(|frame| 2 + 3 * Reg::COUNT + 4 * frame.bytes.len()).sum()
    }

    fn change(&mut self, place: u32) {
        write_number(place, &mut self.changes);
    }

    fn compare_registers(&mut self, state: &State, frame: usize, mut which: u16) {
        let Some(now) = state.frames.get(frame) else { return };
        while which != 0 {
            let number = which.trailing_zeros() as usize;
            which &= which - 1;
            let Some(register) = now.registers.get(number) else { break };
            let known = self.at.frames[frame].registers[number];
            if !self.values.is(known, register) {
                let value = self.values.add(register);
                self.at.frames[frame].registers[number] = value;
                self.change(frame as u32 * PLACES + number as u32);
                self.values.write(value, &mut self.changes);
            }
        }
    }

    /// Whether slots of the shadow are part of an object.
    fn has_object(&self, frame: usize, slots: Range<usize>) -> bool {
        let Some(shadow) = self.at.frames.get(frame) else { return false };
        let slots = slots.start..slots.end.min(shadow.bytes.len());
        let codes = shadow.bytes.get(slots).unwrap_or(&[]);
        codes.iter().any(|code| self.values.bytes(*code).iter().any(|byte| byte.is_object()))
    }

    fn compare_stack(&mut self, state: &State, frame: usize, slots: Range<usize>) {
        let Some(now) = state.frames.get(frame) else { return };
        let shadow = &mut self.at.frames[frame];
        if shadow.bytes.len() < now.stack.len() {
            shadow.bytes.resize(now.stack.len(), Values::NO_BYTES);
            shadow.spilled.resize(now.stack.len(), Values::NOTHING);
        }
        for number in slots.start..slots.end.min(shadow.bytes.len()) {
            let slot = now.peek(number);
            let shadow = &mut self.at.frames[frame];
            let base = frame as u32 * PLACES + number as u32;
            if self.values.bytes(shadow.bytes[number]) != slot.bytes {
                let code = self.values.bytes_code(&slot.bytes);
                shadow.bytes[number] = code;
                write_number(base + BYTES, &mut self.changes);
                write_number(code, &mut self.changes);
            }
            if !self.values.is(shadow.spilled[number], &slot.spilled) {
                let value = self.values.add(&slot.spilled);
                shadow.spilled[number] = value;
                write_number(base + SPILLED, &mut self.changes);
                self.values.write(value, &mut self.changes);
            }
        }
    }

    fn compare_all(&mut self, state: &State) {
        for (number, frame) in state.frames.iter().enumerate() {
            let header = Header::of(frame);
            let known = self.at.frames.get(number).map(|shadow| self.headers[shadow.header as usize]);
            if known != Some(header) {
                self.cut(number);
                let code = self.header_code(header);
                self.change(number as u32 * PLACES + HEADER);
                write_number(code + 1, &mut self.changes);
                self.at.frames.push(Shadow::new(code));
            }
            self.compare_registers(state, number, (1 << Reg::COUNT) - 1);
            self.compare_stack(state, number, 0..MAX_SLOTS);
        }
        self.cut(state.frames.len());
        let known = &self.rests[self.at.rest as usize];
        if !known.is(state) {
            let rest = Rest::of(state);
            let recent = self.rests.len().saturating_sub(RECENT);
            let found = self.rests[recent..].iter().rposition(|known| *known == rest);
            let code = found.map(|at| recent + at).unwrap_or_else(|| {
                self.rests.push(rest);
                self.rests.len() - 1
            });
            self.at.rest = code as u32;
            self.change(REST);
            write_number(code as u32, &mut self.changes);
        }
    }

    /// Frames from this one on are gone.
    fn cut(&mut self, number: usize) {
        if self.at.frames.len() > number {
            self.at.frames.truncate(number);
            self.change(number as u32 * PLACES + HEADER);
            write_number(0, &mut self.changes);
        }
    }

    fn header_code(&mut self, header: Header) -> u32 {
        let known = self.headers.iter().rposition(|known| *known == header);
        let code = known.unwrap_or_else(|| {
            self.headers.push(header);
            self.headers.len() - 1
        });
        code as u32
    }

    fn keyframe(&mut self, step: u32) {
        self.at.since = 0;
        self.keyframes.push((step, self.frames.len() as u32));
        let out = &mut self.frames;
        write_number(self.at.rest, out);
        write_number(self.at.frames.len() as u32, out);
        for frame in &self.at.frames {
            write_number(frame.header, out);
            frame.registers.iter().for_each(|value| self.values.write(*value, out));
            write_number(frame.bytes.len() as u32, out);
            for (bytes, spilled) in frame.bytes.iter().zip(&frame.spilled) {
                write_number(*bytes, out);
                self.values.write(*spilled, out);
            }
        }
    }

    /// All that was written, to be read.
    pub fn finish(mut self) -> States {
        self.values.close();
        self.changes.shrink_to_fit();
        self.offsets.shrink_to_fit();
        self.frames.shrink_to_fit();
        self.ends.shrink_to_fit();
        self.end_changes.shrink_to_fit();
        States {
            values: self.values,
            headers: self.headers,
            rests: self.rests,
            changes: self.changes,
            offsets: self.offsets,
            keyframes: self.keyframes,
            frames: self.frames,
            ends: self.ends,
            end_changes: self.end_changes,
        }
    }
}

impl Header {
    fn of(frame: &Frame) -> Header {
        let Frame { registers: _, stack: _, call_site, function, instance, callback, callback_depth } = frame;
        Header {
            call_site: *call_site,
            function: *function,
            instance: *instance,
            callback: *callback,
            callback_depth: *callback_depth,
        }
    }
}

impl Shadow {
    fn new(header: u32) -> Shadow {
        Shadow { header, registers: [Values::NOTHING; Reg::COUNT], bytes: Vec::new(), spilled: Vec::new() }
    }
}

/// States that were written down.
#[derive(Debug)]
pub(super) struct States {
    values: Values,
    headers: Vec<Header>,
    rests: Vec<Rest>,
    changes: Vec<u8>,
    /// Where each step's changes begin.
    offsets: Vec<u32>,
    /// Steps with a keyframe, and where it is.
    keyframes: Vec<(u32, u32)>,
    frames: Vec<u8>,
    /// Segments with an end of their own, ascending, and where its changes begin.
    ends: Vec<(u32, u32)>,
    end_changes: Vec<u8>,
}

/// Steps in a row: the first, and the one behind the last.
pub(super) type Run = (u32, u32);

impl States {
    /// The last keyframe of a run of steps.
    pub fn keyframe_in(&self, run: Run) -> Option<u32> {
        let end = self.keyframes.partition_point(|(step, _)| *step < run.1);
        let (step, _) = *self.keyframes.get(end.checked_sub(1)?)?;
        (step >= run.0).then_some(step)
    }

    /// The changes that a pruned segment's end differs in from its last step.
    pub fn end_of(&self, segment: u32) -> Option<&[u8]> {
        let found = self.ends.binary_search_by_key(&segment, |(segment, _)| *segment).ok()?;
        let end = self.ends.get(found + 1).map_or(self.end_changes.len(), |next| next.1 as usize);
        self.end_changes.get(self.ends[found].1 as usize..end)
    }

    /// The state before the last step of a path that begins with a keyframe, told as its runs of steps, the
    /// last first; with more changes on top.
    pub fn state(&self, path: &[Run], more: &[u8], pc: Pc) -> State {
        let mut position = Position::default();
        if let Some((begin, _)) = path.last()
            && let Ok(found) = self.keyframes.binary_search_by_key(begin, |(step, _)| *step)
        {
            self.read_keyframe(self.keyframes[found].1, &mut position);
        }
        for (number, (begin, end)) in path.iter().rev().enumerate() {
            // A keyframe has its own step's changes.
            let begin = if number == 0 { begin + 1 } else { *begin };
            if begin < *end {
                let from = self.offsets[begin as usize] as usize;
                let to = self.offsets.get(*end as usize).map_or(self.changes.len(), |at| *at as usize);
                self.apply(&self.changes[from..to], &mut position);
            }
        }
        self.apply(more, &mut position);
        self.make(&position, pc)
    }

    fn read_keyframe(&self, at: u32, position: &mut Position) {
        let from = &mut &self.frames[at as usize..];
        position.rest = read_number(from);
        for _ in 0..read_number(from) {
            let mut frame = Shadow::new(read_number(from));
            frame.registers = core::array::from_fn(|_| Values::read(from));
            for _ in 0..read_number(from) {
                frame.bytes.push(read_number(from));
                frame.spilled.push(Values::read(from));
            }
            position.frames.push(frame);
        }
    }

    fn apply(&self, changes: &[u8], position: &mut Position) {
        let from = &mut &changes[..];
        while !from.is_empty() {
            let place = read_number(from);
            if place == REST {
                position.rest = read_number(from);
                continue;
            }
            let (frame, place) = ((place / PLACES) as usize, place % PLACES);
            if place == HEADER {
                position.frames.truncate(frame);
                if let Some(header) = read_number(from).checked_sub(1) {
                    position.frames.push(Shadow::new(header));
                }
                continue;
            }
            let Some(frame) = position.frames.get_mut(frame) else { return };
            if place < BYTES {
                frame.registers[place as usize] = Values::read(from);
                continue;
            }
            let slot = ((place - BYTES) % 64) as usize;
            if frame.bytes.len() <= slot {
                frame.bytes.resize(slot + 1, Values::NO_BYTES);
                frame.spilled.resize(slot + 1, Values::NOTHING);
            }
            match place < SPILLED {
                true => frame.bytes[slot] = read_number(from),
                false => frame.spilled[slot] = Values::read(from),
            }
        }
    }

    fn make(&self, position: &Position, pc: Pc) -> State {
        let mut state = State::entry();
        state.pc = pc;
        state.frames = position
            .frames
            .iter()
            .map(|shadow| {
                let Header { call_site, function, instance, callback, callback_depth } =
                    self.headers[shadow.header as usize];
                let slot = |(bytes, spilled): (&u32, &Ref)| Slot {
                    bytes: self.values.bytes(*bytes),
                    spilled: self.values.get(*spilled),
                };
                Frame {
                    registers: shadow.registers.map(|value| self.values.get(value)),
                    stack: shadow.bytes.iter().zip(&shadow.spilled).map(slot).collect(),
                    call_site,
                    function,
                    instance,
                    callback,
                    callback_depth,
                }
            })
            .collect();
        if let Some(rest) = self.rests.get(position.rest as usize) {
            state.references = rest.references.clone();
            state.sections = rest.sections;
            state.may_goto_depth = rest.may_goto_depth;
            state.speculative = rest.speculative;
        }
        state
    }

    /// Bytes of memory that are in use.
    pub fn size(&self) -> usize {
        self.values.size()
            + self.changes.capacity()
            + self.offsets.capacity() * 4
            + self.keyframes.capacity() * 8
            + self.frames.capacity()
            + self.headers.capacity() * size_of::<Header>()
            + self.rests.capacity() * size_of::<Rest>()
            + self.ends.capacity() * 8
            + self.end_changes.capacity()
    }
}
