//! A run in progress.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::callback::Pending;
use super::operations::{alu, byte_swap, compare, sign_extend};
use crate::arena::{Fault, Memory, ObjectKind, OutOfArena, Rmw, Violation};
use crate::helper::kernel::{self, Function};
use crate::helper::{self, Call, HelperFault, RunContext};
use crate::image::{Access, Image};
use crate::isa::{AtomicOp, CallTarget, Imm64, Insn, Operand, PacketOffset, Pc, Reg, Size, Width};
use crate::map::{MapId, Reference};
use crate::resources::Resources;

/// Most frames of a call chain.
const MAX_FRAMES: usize = 8;
/// Bytes of a frame's stack.
const FRAME_LEN: u32 = 512;
/// Times that a program may pass `may_goto`.
const MAY_GOTO: u64 = 1 << 23;
/// Tail calls of a run (bpf-helpers(7): 33).
const MAX_TAIL_CALLS: u32 = 33;
/// `bpf_tail_call`
const TAIL_CALL: i32 = 12;

/// How closely a run is watched.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// Accesses stay within the arena.
    #[default]
    Plain,
    /// Accesses stay within one live object, and write only what may be written.
    Strict,
}

/// Why a run stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stop {
    /// The program returned this in r0.
    Exit(u64),
    /// The budget is used up: call [`Machine::run`] again to go on.
    Budget,
    /// It can't go on.
    Trap(Trap),
}

/// Why a run can't go on, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trap {
    /// The instruction.
    pub pc: Pc,
    /// What it did.
    pub kind: TrapKind,
}

/// What no verified program does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TrapKind {
    /// An access outside of the arena.
    Fault(Fault),
    /// An access outside of any object (strict mode).
    Violation(Violation),
    /// A jump out of the program.
    Jump(i64),
    /// More than 8 calls within each other.
    CallDepth,
    /// A helper was given what it can't take.
    Helper(HelperFault),
    /// An instruction that this engine does not run.
    NotBuilt(&'static str),
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at instruction {}: ", self.pc)?;
        match self.kind {
            TrapKind::Fault(fault) => fault.fmt(f),
            TrapKind::Violation(Violation::NoObject) => f.write_str("access to memory that is no object"),
            TrapKind::Violation(Violation::OutOfBounds(o)) => {
                write!(f, "access past the end of an object of {} bytes at {:#x}", o.len, o.address)
            }
            TrapKind::Violation(Violation::ReadOnly(o)) => {
                write!(f, "write to read-only memory at {:#x}", o.address)
            }
            TrapKind::Jump(to) => write!(f, "jump to {to}, out of the program"),
            TrapKind::CallDepth => write!(f, "more than {MAX_FRAMES} calls within each other"),
            TrapKind::Helper(HelperFault::Memory(fault)) => fault.fmt(f),
            TrapKind::Helper(HelperFault::NoMap(at)) => write!(f, "{at:#x} is no map"),
            TrapKind::Helper(HelperFault::NotBuilt(number)) => write!(f, "helper {number} is not built yet"),
            TrapKind::NotBuilt(what) => write!(f, "{what} is not built yet"),
        }
    }
}

impl From<Fault> for TrapKind {
    fn from(fault: Fault) -> TrapKind {
        TrapKind::Fault(fault)
    }
}

/// What a return restores.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Caller {
    back: u32,
    saved: [u64; 4],
}

/// A frame of a run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame {
    /// Its next instruction: for a caller, the one that the call returns to.
    pub pc: Pc,
    /// Its r10; the 512 bytes below it are its stack.
    pub pointer: u64,
}

/// A run in progress.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Machine {
    /// r0 to r10.
    pub registers: [u64; Reg::COUNT],
    /// The next instruction.
    pub pc: Pc,
    /// How closely it is watched.
    pub mode: Mode,
    /// Instructions that it has run.
    pub executed: u64,
    /// Helpers and kernel functions that it has called: what may change more than the memory.
    pub helper_calls: u64,
    callers: Vec<Caller>,
    stack: u32,
    may_goto: u64,
    /// The image of the frame in hand, where a tail call led to another than the run's.
    image: Option<Arc<Image>>,
    /// The depths of frames whose image a tail call replaced, and the images of their callers.
    replaced: Vec<(usize, Option<Arc<Image>>)>,
    tail_calls: u32,
    /// Calls that have called back, the innermost last.
    pub(super) pending: Vec<Pending>,
}

/// Where control goes.
pub(super) enum Flow {
    Next,
    /// To a slot of another image.
    Replaced(Pc),
    Jump(i64),
    Exit,
}

impl Machine {
    /// A run from the program's first instruction, r1 pointing to the context.
    ///
    /// # Errors
    /// [`OutOfArena`] where there is no room for its stack.
    pub fn new<M: Memory>(
        _image: &Image,
        resources: &mut Resources<M>,
        context: u32,
    ) -> Result<Machine, OutOfArena> {
        let len = FRAME_LEN * MAX_FRAMES as u32;
        let stack = resources.arena.allocate(len, 64, ObjectKind::Stack, true)?.address;
        let mut registers = [0; Reg::COUNT];
        registers[Reg::R1.index()] = context.into();
        registers[Reg::FP.index()] = u64::from(stack + len);
        Ok(Machine {
            registers,
            pc: Pc(0),
            mode: Mode::Plain,
            executed: 0,
            helper_calls: 0,
            callers: Vec::with_capacity(MAX_FRAMES),
            stack,
            may_goto: MAY_GOTO,
            image: None,
            replaced: Vec::new(),
            tail_calls: 0,
            pending: Vec::new(),
        })
    }

    /// Gives the stack back.
    pub fn release<M: Memory>(mut self, resources: &mut Resources<M>) {
        self.forget_pending(0, resources);
        resources.arena.release(self.stack);
    }

    /// Whether it is in the program's own frame and image: what a compiler can take over.
    pub fn is_in_own_frame(&self) -> bool {
        self.callers.is_empty() && self.image.is_none()
    }
    /// How often it may still pass `may_goto`.
    pub fn may_goto_left(&self) -> u64 {
        self.may_goto
    }

    /// How many calls deep it is.
    pub fn depth(&self) -> usize {
        self.callers.len()
    }

    /// The frames, the program's own first: where each goes on, and its frame pointer.
    pub fn frames(&self) -> impl Iterator<Item = Frame> {
        let top = u64::from(self.stack) + u64::from(FRAME_LEN) * MAX_FRAMES as u64;
        let pcs = self.callers.iter().map(|caller| Pc(caller.back)).chain([self.pc]);
        pcs.zip(0..).map(move |(pc, depth)| Frame { pc, pointer: top - u64::from(FRAME_LEN) * depth })
    }

    /// Runs at most `budget` instructions.
    ///
    /// Where nobody watches, and the budget is not nearly used up, by the fused form; else one instruction
    /// at a time.
    pub fn run<M: Memory>(
        &mut self,
        image: &Image,
        resources: &mut Resources<M>,
        run: &mut RunContext,
        budget: u64,
    ) -> Stop {
        let limit = self.executed.saturating_add(budget);
        loop {
            // A tail call replaces the image; a return may bring the caller's back.
            let current = self.image.clone();
            let image = current.as_deref().unwrap_or(image);
            if let Some(stop) = self.run_image(image, resources, run, limit) {
                return stop;
            }
        }
    }

    /// Runs until the machine stops or goes on in another image: `None`.
    fn run_image<M: Memory>(
        &mut self,
        image: &Image,
        resources: &mut Resources<M>,
        run: &mut RunContext,
        limit: u64,
    ) -> Option<Stop> {
        if self.mode == Mode::Plain && resources.arena.memory_mut().unrecorded().is_some() {
            // From one jump back, call or return to the next a run passes every slot at most once.
            let slack = 2 * image.insns().len() as u64 + 16;
            if limit - self.executed > slack {
                match self.dispatch::<M, false>(image, image.fused(), resources, run, limit - slack) {
                    Some(Stop::Budget) => {}
                    stop => return stop,
                }
            }
        }
        self.dispatch::<M, true>(image, image.exact(), resources, run, limit)
    }

    #[inline(always)]
    fn get(&self, reg: Reg) -> u64 {
        self.registers[reg.index()]
    }

    #[inline(always)]
    fn set(&mut self, reg: Reg, value: u64) {
        self.registers[reg.index()] = value;
    }

    #[inline(always)]
    fn operand(&self, operand: Operand) -> u64 {
        match operand {
            Operand::Reg(reg) => self.get(reg),
            Operand::Imm(imm) => i64::from(imm) as u64,
        }
    }

    #[inline(always)]
    fn address<M: Memory>(
        &self,
        resources: &Resources<M>,
        base: Reg,
        off: i16,
        size: Size,
        write: bool,
    ) -> Result<u64, TrapKind> {
        let address = self.get(base).wrapping_add(i64::from(off) as u64);
        if self.mode == Mode::Strict {
            resources.arena.check(address, size.bytes().into(), write).map_err(TrapKind::Violation)?;
        }
        Ok(address)
    }

    /// Runs one instruction of any kind, for what the loop has no form of.
    #[inline(never)]
    pub(super) fn one<M: Memory>(
        &mut self,
        image: &Image,
        insn: Insn,
        access: Access,
        resources: &mut Resources<M>,
        run: &mut RunContext,
    ) -> Result<Flow, TrapKind> {
        if access == Access::ArenaMap
            && let Some(arena) = image.arena()
            && self.arena_access(insn, arena.map, resources)
        {
            return Ok(Flow::Next);
        }
        match insn {
            Insn::Alu { width, op, dst, src } => {
                let value = alu(op, width, self.get(dst), self.operand(src));
                self.set(dst, value);
            }
            Insn::MovSx { width, dst, src, from } => {
                let value = sign_extend(self.get(src), from);
                self.set(dst, if width == Width::W32 { u64::from(value as u32) } else { value });
            }
            Insn::Neg { width, dst } => {
                let value = self.get(dst).wrapping_neg();
                self.set(dst, if width == Width::W32 { u64::from(value as u32) } else { value });
            }
            Insn::ByteSwap { order, size, dst } => {
                let value = byte_swap(order, size, self.get(dst));
                self.set(dst, value);
            }
            Insn::AddrSpaceCast { dst, src, to, .. } => {
                let value = self.get(src);
                self.set(dst, cast(value, to, image));
            }
            Insn::AddrPerCpu { dst, src } => {
                let value = self.get(src);
                self.set(dst, value);
            }
            Insn::Load { size, sign_extend: signed, dst, base, off } => {
                let loaded = self
                    .address(resources, base, off, size, false)
                    .and_then(|address| Ok(resources.arena.memory().load(address, size)?));
                let value = match (loaded, access) {
                    (Err(_), Access::Probe) => 0,
                    (loaded, _) => loaded?,
                };
                self.set(dst, if signed { sign_extend(value, size) } else { value });
            }
            Insn::Store { size, base, off, src } => {
                let address = self.address(resources, base, off, size, true)?;
                let value = self.operand(src);
                resources.arena.memory_mut().store(address, size, value)?;
            }
            Insn::Atomic { op, size, base, off, src } => self.atomic(op, size, base, off, src, resources)?,
            Insn::LoadImm64 { dst, value } => match value {
                Imm64::Value(value) => self.set(dst, value),
                Imm64::Function { offset } => {
                    let to = i64::from(self.pc.0) + 1 + i64::from(offset);
                    self.set(dst, to as u64);
                }
                _ => return Err(TrapKind::NotBuilt("a map that was not resolved")),
            },
            Insn::LoadPacket { size, at, imm } => return self.load_packet(size, at, imm, resources, run),
            Insn::Goto { off, .. } => return Ok(self.jump(off.into())),
            Insn::MayGoto { off } => {
                if self.may_goto == 0 {
                    return Ok(self.jump(off.into()));
                }
                self.may_goto -= 1;
            }
            Insn::Branch { width, op, dst, src, off } => {
                if compare(op, width, self.get(dst), self.operand(src)) {
                    return Ok(self.jump(off.into()));
                }
            }
            Insn::Call(CallTarget::Helper(TAIL_CALL)) => return self.tail_call(resources),
            Insn::Call(CallTarget::Helper(number)) => {
                if let Some(callback) = helper::callback(number) {
                    return self.call_back(callback, resources, run);
                }
                let mut args = [0; 5];
                args.copy_from_slice(&self.registers[1..6]);
                self.helper_calls += 1;
                let mut call = Call { args, resources, run };
                let result = helper::dispatch(number, &mut call).map_err(TrapKind::Helper)?;
                self.registers[0] = result;
            }
            Insn::Call(CallTarget::Local(offset)) => {
                return self.call(i64::from(self.pc.0) + 1 + i64::from(offset));
            }
            Insn::Call(CallTarget::Kernel { .. }) => return self.call_kernel(image, resources, run),
            Insn::CallReg { reg } => return self.call(self.get(reg) as i64),
            Insn::Exit => {
                let mut r = self.wide();
                let Some((back, _)) = self.leave(&mut r) else { return Ok(Flow::Exit) };
                self.registers.copy_from_slice(&r[..Reg::COUNT]);
                return Ok(Flow::Jump(back.into()));
            }
        }
        Ok(Flow::Next)
    }

    #[inline(always)]
    fn jump(&self, off: i64) -> Flow {
        Flow::Jump(i64::from(self.pc.0) + 1 + off)
    }

    fn call(&mut self, to: i64) -> Result<Flow, TrapKind> {
        self.call_from(self.pc.0 + 1, to)
    }

    /// Calls the function at a slot, which returns to slot `back`.
    pub(super) fn call_from(&mut self, back: u32, to: i64) -> Result<Flow, TrapKind> {
        let mut r = self.wide();
        if !self.enter(back, &mut r) {
            return Err(TrapKind::CallDepth);
        }
        self.registers.copy_from_slice(&r[..Reg::COUNT]);
        Ok(Flow::Jump(to))
    }

    fn wide(&self) -> [u64; 256] {
        let mut r = [0; 256];
        r[..Reg::COUNT].copy_from_slice(&self.registers);
        r
    }

    /// Begins a frame that returns to slot `back`; `false` where there are too many.
    #[inline(always)]
    pub(super) fn enter(&mut self, back: u32, r: &mut [u64; 256]) -> bool {
        if self.callers.len() + 1 >= MAX_FRAMES {
            return false;
        }
        self.callers.push(Caller { back, saved: [r[6], r[7], r[8], r[9]] });
        r[10] = r[10].wrapping_sub(FRAME_LEN.into());
        true
    }

    /// Ends a frame: where it returns to, and whether in another image; `None` for the program's own.
    #[inline(always)]
    pub(super) fn leave(&mut self, r: &mut [u64; 256]) -> Option<(u32, bool)> {
        let caller = self.callers.pop()?;
        [r[6], r[7], r[8], r[9]] = caller.saved;
        r[10] = r[10].wrapping_add(FRAME_LEN.into());
        let special = !(self.replaced.is_empty() && self.pending.is_empty());
        let replaced = special && self.restore(caller.back, r);
        Some((caller.back, replaced))
    }

    /// After the end of a frame: whether its caller has another image, which is then in hand. Where the caller
    /// called back, it has its arguments again.
    #[cold]
    fn restore(&mut self, back: u32, r: &mut [u64; 256]) -> bool {
        if let Some(arguments) = self.arguments_of_pending(back) {
            r[1..6].copy_from_slice(&arguments);
        }
        let ended = self.callers.len() + 1;
        let Some((_, image)) = self.replaced.pop_if(|(depth, _)| *depth == ended) else { return false };
        self.image = image;
        true
    }

    fn call_kernel<M: Memory>(
        &mut self,
        image: &Image,
        resources: &mut Resources<M>,
        run: &mut RunContext,
    ) -> Result<Flow, TrapKind> {
        let Some(site) = image.kernel_call(self.pc) else {
            return Err(TrapKind::NotBuilt("a kernel function"));
        };
        let function = site.function.ok_or(TrapKind::NotBuilt(site.name))?;
        if function == Function::Throw {
            return self.throw(image, resources);
        }
        if function == Function::RbtreeAdd {
            return self.add_to_tree(&site.object, resources, run);
        }
        let mut args = [0; 5];
        args.copy_from_slice(&self.registers[1..6]);
        self.helper_calls += 1;
        let call = &mut Call { args, resources, run };
        self.registers[0] = kernel::dispatch(function, call, site).map_err(TrapKind::Helper)?;
        Ok(Flow::Next)
    }

    /// `bpf_throw(cookie)`: ends the program's frames. It returns what its exception callback does, or the cookie.
    fn throw<M: Memory>(&mut self, image: &Image, resources: &mut Resources<M>) -> Result<Flow, TrapKind> {
        // A program that a tail call led to has begun in the frame of that call.
        let depth = self.replaced.last().map_or(0, |(depth, _)| *depth);
        self.forget_pending(depth, resources);
        let ended = self.callers.len() - depth.min(self.callers.len());
        if let Some(caller) = self.callers.get(depth) {
            // What the frame had in them, for whoever it returns to.
            let saved = caller.saved;
            self.registers[6..10].copy_from_slice(&saved);
        }
        self.callers.truncate(depth);
        let up = u64::from(FRAME_LEN) * ended as u64;
        self.registers[Reg::FP.index()] = self.registers[Reg::FP.index()].wrapping_add(up);
        if let Some(callback) = image.exception_callback() {
            return Ok(Flow::Jump(callback.0.into()));
        }
        self.registers[0] = self.registers[1];
        let mut r = self.wide();
        let Some((back, replaced)) = self.leave(&mut r) else { return Ok(Flow::Exit) };
        self.registers.copy_from_slice(&r[..Reg::COUNT]);
        Ok(if replaced { Flow::Replaced(Pc(back)) } else { Flow::Jump(back.into()) })
    }

    /// `bpf_tail_call(context, map, index)`: goes on in another program, in this frame; where there is none, or
    /// there were too many, with the next instruction.
    fn tail_call<M: Memory>(&mut self, resources: &mut Resources<M>) -> Result<Flow, TrapKind> {
        let handle = self.registers[2];
        let id = resources.map_at(handle).ok_or(TrapKind::Helper(HelperFault::NoMap(handle)))?;
        let key = (self.registers[3] as u32).to_le_bytes();
        let reference = resources.reference(id, &key);
        let Some(Reference::Program(program)) = reference else { return Ok(Flow::Next) };
        let Some(image) = resources.images.get(&program) else { return Ok(Flow::Next) };
        if self.tail_calls == MAX_TAIL_CALLS {
            return Ok(Flow::Next);
        }
        self.tail_calls += 1;
        let before = self.image.replace(Arc::clone(image));
        let depth = self.callers.len();
        // Of several in one frame, the first one's caller is where the last one returns to.
        if self.replaced.last().is_none_or(|(replaced, _)| *replaced != depth) {
            self.replaced.push((depth, before));
        }
        Ok(Flow::Replaced(Pc(0)))
    }

    fn atomic<M: Memory>(
        &mut self,
        op: AtomicOp,
        size: Size,
        base: Reg,
        off: i16,
        src: Reg,
        resources: &mut Resources<M>,
    ) -> Result<(), TrapKind> {
        let writes = op != AtomicOp::LoadAcquire;
        let address = self.address(resources, base, off, size, writes)?;
        let memory = resources.arena.memory_mut();
        let value = self.get(src);
        match op {
            AtomicOp::LoadAcquire => {
                let value = memory.load(address, size)?;
                self.set(src, value);
            }
            AtomicOp::StoreRelease => memory.store(address, size, value)?,
            _ => {}
        }
        let Some((rmw, fetched)) = self.read_modify_write(op, size, src) else { return Ok(()) };
        let old = memory.atomic(address, size, rmw, value)?;
        if let Some(reg) = fetched {
            self.set(reg, old);
        }
        Ok(())
    }

    /// A load, store or atomic operation on the program's arena; `false` for any other instruction. What is not
    /// there reads as 0; anything else leaves everything as it is.
    fn arena_access<M: Memory>(&mut self, insn: Insn, map: MapId, resources: &mut Resources<M>) -> bool {
        match insn {
            Insn::Load { size, sign_extend: signed, dst, base, off } => {
                let value = resources.arena_load(map, self.get(base), off.into(), size).unwrap_or(0);
                self.set(dst, if signed { sign_extend(value, size) } else { value });
            }
            Insn::Store { size, base, off, src } => {
                let value = self.operand(src);
                resources.arena_store(map, self.get(base), off.into(), size, value);
            }
            Insn::Atomic { op: AtomicOp::LoadAcquire, size, base, off, src } => {
                if let Some(value) = resources.arena_load(map, self.get(base), off.into(), size) {
                    self.set(src, value);
                }
            }
            Insn::Atomic { op: AtomicOp::StoreRelease, size, base, off, src } => {
                let value = self.get(src);
                resources.arena_store(map, self.get(base), off.into(), size, value);
            }
            Insn::Atomic { op, size, base, off, src } => {
                let Some((rmw, fetched)) = self.read_modify_write(op, size, src) else { return true };
                let (at, value) = ((self.get(base), off.into()), self.get(src));
                let old = resources.arena_atomic(map, at, size, rmw, value);
                if let (Some(old), Some(reg)) = (old, fetched) {
                    self.set(reg, old);
                }
            }
            _ => return false,
        }
        true
    }

    /// What an atomic operation does, and which register gets the old value; `None` for loads and stores.
    fn read_modify_write(&self, op: AtomicOp, size: Size, src: Reg) -> Option<(Rmw, Option<Reg>)> {
        Some(match op {
            AtomicOp::LoadAcquire | AtomicOp::StoreRelease => return None,
            AtomicOp::Add { fetch } => (Rmw::Add, fetch.then_some(src)),
            AtomicOp::Or { fetch } => (Rmw::Or, fetch.then_some(src)),
            AtomicOp::And { fetch } => (Rmw::And, fetch.then_some(src)),
            AtomicOp::Xor { fetch } => (Rmw::Xor, fetch.then_some(src)),
            AtomicOp::Xchg => (Rmw::Exchange, Some(src)),
            AtomicOp::Cmpxchg => {
                let expected = self.get(Reg::R0);
                let expected = if size == Size::W { u64::from(expected as u32) } else { expected };
                (Rmw::CompareExchange(expected), Some(Reg::R0))
            }
        })
    }

    /// Legacy packet access: the packet's bytes in network order. Past its end the program returns 0.
    fn load_packet<M: Memory>(
        &mut self,
        size: Size,
        at: PacketOffset,
        imm: i32,
        resources: &mut Resources<M>,
        run: &RunContext,
    ) -> Result<Flow, TrapKind> {
        let index = match at {
            PacketOffset::Absolute => 0,
            PacketOffset::Indirect(reg) => i64::from(self.get(reg) as i32),
        };
        let offset = index + i64::from(imm);
        let Some(packet) = run.packet else {
            return Err(TrapKind::NotBuilt("a packet load without a packet"));
        };
        let Some(address) = packet.place(offset, size.bytes()) else {
            self.registers[0] = 0;
            self.forget_pending(0, resources);
            self.callers.clear();
            return Ok(Flow::Exit);
        };
        let value = resources.arena.memory().load(address, size)?;
        self.registers[0] = byte_swap(crate::isa::ByteOrder::Big, size, value);
        Ok(Flow::Next)
    }
}

/// An address of an arena as address space 0 or 1 has it: there the upper half is that of the process's addresses.
pub(crate) fn cast(address: u64, to: u16, image: &Image) -> u64 {
    let low = u64::from(address as u32);
    match image.arena() {
        Some(arena) if to != 0 && low != 0 => arena.start >> 32 << 32 | low,
        _ => low,
    }
}
