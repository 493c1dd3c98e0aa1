//! A function's body in the making: its bytes, its labels, and what is known of registers on the way.

use alloc::vec::Vec;
use wasm_encoder::{BlockType, InstructionSink, MemArg};

use super::layout::Status;
use super::module::Plan;
use super::{Host, Unsupported, layout};
use crate::image::Image;
use crate::isa::{Operand, Pc, Reg, Width};

/// A local of a function. Its parameters come first: r1 to r5 and the frame's address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Local(pub(super) u32);

/// r10: where the frame ends, 32 bits.
pub(super) const FRAME: Local = Local(5);
/// What is left of the budget, in functions with loops.
pub(super) const LEFT: Local = Local(11);
/// Scratch, 64 bits.
pub(super) const VALUE: Local = Local(12);
/// The address of an access, 32 bits.
pub(super) const ADDRESS: Local = Local(13);
/// The slot that went wrong.
pub(super) const PC: Local = Local(14);
/// The status that the function leaves with.
pub(super) const STATUS: Local = Local(15);
/// The next block, where a jump table leads there.
pub(super) const NEXT: Local = Local(16);
/// `i64.extend_i32_u`
const EXTEND: u8 = 0xad;
/// `i32.wrap_i64`
const WRAP: u8 = 0xa7;

/// Locals behind the parameters: so many of 64 bits, then so many of 32.
pub(super) const LOCALS: (u32, u32) = (7, 4);

/// The local of a register, but for r10.
pub(super) const fn local(reg: Reg) -> Local {
    const OF: [u32; Reg::COUNT] = [6, 0, 1, 2, 3, 4, 7, 8, 9, 10, 5];
    Local(OF[reg.index()])
}

/// What is known of a register's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Known {
    Nothing,
    /// r10 and this.
    Frame(i32),
    Constant(u64),
    /// Its low 32 bits are at most this.
    AtMost(u32),
}

/// What is known at a point.
pub(super) type State = [Known; Reg::COUNT];

/// At the beginning of a function, and where ways join.
pub(super) const NOTHING: State = {
    let mut state = [Known::Nothing; Reg::COUNT];
    state[Reg::FP.index()] = Known::Frame(0);
    state
};

/// A body in the making.
pub(super) struct Emitter<'a> {
    pub(super) image: &'a Image,
    pub(super) plan: &'a Plan,
    pub(super) host: Host,
    pub(super) bytes: Vec<u8>,
    pub(super) known: State,
    /// Constructs that are open: the outermost is where a function that goes wrong leaves.
    pub(super) depth: u32,
    /// [`LEFT`] is in use.
    pub(super) counts: bool,
}

impl<'a> Emitter<'a> {
    pub(super) fn new(image: &'a Image, plan: &'a Plan, host: Host) -> Emitter<'a> {
        Emitter { image, plan, host, bytes: Vec::new(), known: NOTHING, depth: 0, counts: false }
    }

    /// What writes instructions.
    #[inline(always)]
    pub(super) fn out(&mut self) -> InstructionSink<'_> {
        InstructionSink::new(&mut self.bytes)
    }

    // What most of a body consists of is written here as `InstructionSink` would, without its calls: it takes half of
    // the time.

    /// `local.get`
    #[inline(always)]
    pub(super) fn get(&mut self, local: Local) {
        self.bytes.push(0x20);
        self.bytes.push(local.0 as u8);
    }

    /// `local.set`
    #[inline(always)]
    pub(super) fn set(&mut self, local: Local) {
        self.bytes.push(0x21);
        self.bytes.push(local.0 as u8);
    }

    /// `i32.const`
    #[inline(always)]
    pub(super) fn constant32(&mut self, value: i32) {
        self.bytes.push(0x41);
        self.signed(value.into());
    }

    /// `i64.const`
    #[inline(always)]
    pub(super) fn constant64(&mut self, value: i64) {
        self.bytes.push(0x42);
        self.signed(value);
    }

    /// An instruction that is its code alone.
    #[inline(always)]
    pub(super) fn plain(&mut self, code: u8) {
        self.bytes.push(code);
    }

    /// A load or store.
    #[inline(always)]
    pub(super) fn access(&mut self, code: u8, place: MemArg) {
        self.bytes.push(code);
        self.bytes.push(0);
        let mut offset = place.offset;
        while offset >= 0x80 {
            self.bytes.push(offset as u8 | 0x80);
            offset >>= 7;
        }
        self.bytes.push(offset as u8);
    }

    /// A signed number of variable length (LEB128).
    #[inline(always)]
    fn signed(&mut self, mut value: i64) {
        while !(-0x40..0x40).contains(&value) {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8 & 0x7f);
    }

    /// A register's value on the stack.
    #[inline(always)]
    pub(super) fn push(&mut self, reg: Reg) {
        self.get(local(reg));
        if reg == Reg::FP {
            self.plain(EXTEND);
        }
    }

    /// A register's low 32 bits on the stack.
    #[inline(always)]
    pub(super) fn push32(&mut self, reg: Reg) {
        self.get(local(reg));
        if reg != Reg::FP {
            self.plain(WRAP);
        }
    }

    /// An operand on the stack, in its width.
    #[inline(always)]
    pub(super) fn operand(&mut self, operand: Operand, width: Width) {
        match (operand, width) {
            (Operand::Reg(reg), Width::W64) => self.push(reg),
            (Operand::Reg(reg), Width::W32) => self.push32(reg),
            (Operand::Imm(imm), Width::W64) => self.constant64(imm.into()),
            (Operand::Imm(imm), Width::W32) => self.constant32(imm),
        }
    }

    /// The stack's top, of a width, becomes a register's value.
    #[inline(always)]
    pub(super) fn pop(&mut self, reg: Reg, width: Width) {
        if width == Width::W32 {
            self.plain(EXTEND);
        }
        self.set(local(reg));
        self.known[reg.index()] = Known::Nothing;
    }

    /// Opens a construct.
    pub(super) fn open(&mut self) {
        self.depth += 1;
    }

    /// Closes the innermost construct.
    pub(super) fn close(&mut self) {
        self.out().end();
        self.depth -= 1;
    }

    /// The label of a construct: how many lie within it here.
    pub(super) fn label(&self, opened_at: u32) -> u32 {
        self.depth - 1 - opened_at
    }

    /// Takes a condition off the stack: where it holds, the function leaves.
    #[inline(always)]
    pub(super) fn leave_if(&mut self, status: Status, pc: Pc) {
        self.out().if_(BlockType::Empty);
        self.open();
        self.leave(status, pc);
        self.close();
    }

    /// Leaves the function.
    pub(super) fn leave(&mut self, status: Status, pc: Pc) {
        self.constant32(status as u64 as i32);
        self.set(STATUS);
        self.leave_as_is(pc);
    }

    /// Leaves the function with the status that is in [`STATUS`].
    pub(super) fn leave_as_is(&mut self, pc: Pc) {
        let outermost = self.label(0);
        self.constant32(pc.0 as i32);
        self.set(PC);
        self.out().br(outermost);
    }

    /// A field of the record, with the record's address 0 on the stack.
    pub(super) fn field(&self, offset: u64) -> MemArg {
        MemArg { offset: u64::from(self.host.record) + offset, align: 0, memory_index: 0 }
    }

    /// [`LEFT`] from the record.
    pub(super) fn load_budget(&mut self) {
        if self.counts {
            let field = self.field(layout::BUDGET);
            self.out().i32_const(0).i64_load(field).local_set(LEFT.0);
        }
    }

    /// [`LEFT`] to the record.
    pub(super) fn store_budget(&mut self) {
        if self.counts {
            let field = self.field(layout::BUDGET);
            self.out().i32_const(0).local_get(LEFT.0).i64_store(field);
        }
    }

    /// Counts so many slots off the budget.
    pub(super) fn count(&mut self, slots: u32, pc: Pc) {
        self.out().local_get(LEFT.0).i64_const(slots.into()).i64_sub().local_tee(LEFT.0);
        self.out().i64_const(0).i64_lt_s();
        self.leave_if(Status::Budget, pc);
    }

    /// Takes r0 to r9 from the record.
    pub(super) fn take_over(&mut self) {
        for reg in Reg::all().filter(|reg| *reg != Reg::FP) {
            let field = self.field(layout::REGISTERS + 8 * reg.index() as u64);
            self.out().i32_const(0).i64_load(field).local_set(local(reg).0);
        }
    }

    /// Returns r0.
    pub(super) fn exit(&mut self) {
        self.store_budget();
        self.push(Reg::R0);
        self.out().i32_const(Status::Done as u64 as i32).return_();
    }

    /// Refuses an instruction.
    pub(super) fn refuse(&self, pc: Pc, what: &'static str) -> Result<(), Unsupported> {
        Err(Unsupported { pc, what })
    }
}
