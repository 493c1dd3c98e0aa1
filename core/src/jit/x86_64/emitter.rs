//! The pass over the instructions, and what is known of registers on the way.

use alloc::vec::Vec;
use core::mem;

use super::encode::{Buffer, Condition, Gpr, Group1, W32, W64};
use super::layout::{
    BASE, BUDGET, CONTEXT, DEPTH, FRAME, HOST_STACK, LEFT, PC, SCRATCH, SECOND, Status, field, gpr,
};
use super::plan::Plan;
use super::{Code, Features, Unsupported};
use crate::image::Image;
use crate::isa::{AluOp, Insn, Operand, Pc, Reg, Width};

/// What is known of a register's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Known {
    /// It fits in so many bits.
    Bits(u8),
    /// r10 and this.
    Frame(i32),
    /// It is this.
    Constant(u64),
}

impl Known {
    pub(super) const NOTHING: Known = Known::Bits(64);

    pub(super) fn of(value: u64) -> Known {
        Known::Constant(value)
    }
    /// How many bits it has at most; addresses of the arena have 32.
    pub(super) fn bits(self) -> u8 {
        match self {
            Known::Bits(bits) => bits,
            Known::Frame(_) => 32,
            Known::Constant(value) => (64 - value.leading_zeros()) as u8,
        }
    }
}

/// Where a jump that is not resolved yet leads.
#[derive(Clone, Copy, Debug)]
pub(super) enum To {
    Slot(u32),
    Function(u32),
    /// A stub that leaves with the status, or with the one that is in rdx.
    Leave(Option<Status>, Pc),
}

#[derive(Clone, Copy, Debug)]
struct Fixup {
    at: usize,
    short: bool,
    to: To,
}

/// A pass in progress.
pub(super) struct Emitter<'a> {
    pub(super) image: &'a Image,
    pub(super) plan: &'a Plan,
    pub(super) features: Features,
    pub(super) out: Buffer,
    pub(super) known: [Known; Reg::COUNT],
    /// The register whose low 32 bits [`super::layout::TRUNCATED`] holds.
    pub(super) truncated: Option<Reg>,
    /// The register whose value the zero flag tells, and in which width.
    pub(super) flags: Option<(Reg, bool)>,
    /// The function in hand.
    pub(super) function: usize,
    offsets: Vec<u32>,
    entries: Vec<u32>,
    fixups: Vec<Fixup>,
    unwind: usize,
    leave: usize,
}

/// Callee-saved registers of a C function, as they are pushed.
const SAVED: [Gpr; 6] = [Gpr::Rbp, Gpr::Rbx, Gpr::R12, Gpr::R13, Gpr::R14, Gpr::R15];

impl<'a> Emitter<'a> {
    pub(super) fn new(image: &'a Image, plan: &'a Plan, features: Features) -> Emitter<'a> {
        Emitter {
            image,
            plan,
            features,
            // Most instructions take less.
            out: Buffer::new(8 * image.insns().len()),
            known: [Known::NOTHING; Reg::COUNT],
            truncated: None,
            flags: None,
            function: 0,
            offsets: Vec::with_capacity(image.insns().len() + 1),
            entries: Vec::new(),
            fixups: Vec::new(),
            unwind: 0,
            leave: 0,
        }
    }

    pub(super) fn finish(self) -> Code {
        Code { bytes: self.out.finish(), offsets: self.offsets, unwind: self.unwind as u32 }
    }

    pub(super) fn pass(&mut self) -> Result<(), Unsupported> {
        self.enter_program();
        let insns = self.image.insns();
        for function in 0..self.plan.functions.len() {
            self.function = function;
            let (start, end) = (self.plan.functions[function].start, self.plan.functions[function].end);
            self.entries.push(self.out.at() as u32);
            if function > 0 {
                self.enter_function();
            }
            let mut at = start;
            while at < end {
                self.out.reserve();
                let pc = Pc(at as u32);
                if self.plan.target[at] {
                    self.forget();
                }
                self.offsets.push(self.out.at() as u32);
                if self.plan.loops[at] > 0 {
                    self.count_budget(pc);
                }
                let insn = &insns[at];
                at += insn.slots() as usize;
                match (insn, insns.get(at)) {
                    (
                        &Insn::Alu { width: Width::W64, op: AluOp::Mov, dst, src: Operand::Reg(src) },
                        Some(&Insn::Alu {
                            width: Width::W64,
                            op: AluOp::Add,
                            dst: to,
                            src: Operand::Imm(imm),
                        }),
                    ) if dst == to && at < end && !self.plan.target[at] => {
                        self.move_and_add(dst, src, imm);
                        at += 1;
                    }
                    _ => self.instruction(insn, pc)?,
                }
                // Two slots have one code.
                while self.offsets.len() < at.min(end) {
                    self.offsets.push(self.out.at() as u32);
                }
            }
            if !insns[start..end].last().is_some_and(super::control::ends) {
                self.out.reserve();
                let stub = self.out.jump32(None);
                self.fix(stub, To::Leave(Some(Status::RanOut), Pc(end as u32)));
            }
        }
        self.offsets.push(self.out.at() as u32);
        self.resolve()
    }

    /// Nothing is known where paths meet.
    pub(super) fn forget(&mut self) {
        self.known = [Known::NOTHING; Reg::COUNT];
        self.known[Reg::FP.index()] = Known::Frame(0);
        self.truncated = None;
        self.flags = None;
    }

    /// Notes what a register that was written holds now.
    #[inline(always)]
    pub(super) fn set(&mut self, reg: Reg, known: Known) {
        self.known[reg.index()] = known;
        if self.truncated == Some(reg) {
            self.truncated = None;
        }
    }

    #[inline(always)]
    pub(super) fn bits(&self, reg: Reg) -> u8 {
        self.known[reg.index()].bits()
    }

    pub(super) fn fix(&mut self, at: usize, to: To) {
        self.fixups.push(Fixup { at, short: false, to });
    }

    /// A jump to a slot, as short as it can be known to be.
    pub(super) fn jump(&mut self, condition: Option<Condition>, slot: usize) {
        let here = self.out.at();
        let distance = match self.offsets.get(slot) {
            Some(&known) => known as i64 - (here as i64 + 2),
            // What lies between is no longer than was planned for.
            None => {
                let this = self.offsets.len().max(1) - 1;
                let most =
                    |slot: usize| self.plan.most.get(slot).map_or(i64::MAX >> 1, |most| i64::from(*most));
                most(slot) - most(this)
            }
        };
        let short = (-128..=127).contains(&distance);
        let at = if short { self.out.jump8(condition) } else { self.out.jump32(condition) };
        self.fixups.push(Fixup { at, short, to: To::Slot(slot as u32) });
    }

    fn count_budget(&mut self, pc: Pc) {
        let cost = self.plan.loops[pc.index()].min(i32::MAX as u32) as i32;
        self.out.group1_imm(W64, Group1::Sub, LEFT, cost);
        let stub = self.out.jump32(Some(Condition::Sign));
        self.fix(stub, To::Leave(Some(Status::Budget), pc));
    }

    fn enter_program(&mut self) {
        self.out.reserve();
        for reg in SAVED {
            self.out.push(reg);
        }
        // Calls find the stack at a multiple of 16.
        self.out.group1_imm(W64, Group1::Sub, Gpr::Rsp, 8);
        let header = super::layout::HEADER_DISTANCE as i32;
        self.out.address(BASE, super::encode::Place { base: Gpr::Rdi, index: None, offset: header });
        self.out.store(8, field(HOST_STACK), Gpr::Rsp);
        self.out.load(8, LEFT, field(BUDGET));
        self.out.load(8, Gpr::Rbp, field(FRAME));
        self.out.group1(W64, Group1::Add, Gpr::Rbp, BASE);
        self.forget();
        for reg in Reg::all().filter(|reg| ![Reg::FP, Reg::R1, Reg::R2].contains(reg)) {
            let gpr = gpr(reg);
            self.out.group1(W32, Group1::Xor, gpr, gpr);
            self.set(reg, Known::Bits(0));
        }
        self.out.load(8, gpr(Reg::R1), field(CONTEXT));
        self.out.load(8, gpr(Reg::R2), field(SECOND));
        self.set(Reg::R1, Known::Bits(32));
        // Past the way out.
        let over = self.out.jump8(None);
        self.unwind = self.out.at();
        self.out.load(8, Gpr::Rsp, field(HOST_STACK));
        self.out.store(8, field(PC), SCRATCH);
        self.leave = self.out.at();
        self.out.store(8, field(BUDGET), LEFT);
        self.out.group1_imm(W64, Group1::Add, Gpr::Rsp, 8);
        for reg in SAVED.into_iter().rev() {
            self.out.pop(reg);
        }
        self.out.ret();
        let here = self.out.at();
        self.out.lead8(over, here);
    }

    /// What a function of the program saves, and whether it keeps the stack's alignment for calls.
    fn saved(&self) -> (impl DoubleEndedIterator<Item = Gpr> + use<>, bool) {
        let row = &self.plan.functions[self.function];
        let (writes, calls) = (row.writes, row.calls);
        let saved = Reg::all().filter(move |reg| writes >> reg.number() & 1 == 1).map(gpr);
        (saved, calls && writes.count_ones() % 2 == 0)
    }

    fn enter_function(&mut self) {
        self.out.reserve();
        self.forget();
        let (saved, pad) = self.saved();
        if self.plan.counts_depth {
            self.out.group1_memory_imm8(Group1::Sub, field(DEPTH), 1);
            let stub = self.out.jump32(Some(Condition::Sign));
            let start = self.plan.functions[self.function].start;
            self.fix(stub, To::Leave(Some(Status::CallDepth), Pc(start as u32)));
        }
        for reg in saved {
            self.out.push(reg);
        }
        if pad {
            self.out.group1_imm(W64, Group1::Sub, Gpr::Rsp, 8);
        }
        if self.plan.functions[self.function].frame {
            self.out.group1_imm(W64, Group1::Sub, Gpr::Rbp, 512);
        }
    }

    /// Returns from the function in hand, or from the program.
    pub(super) fn exit(&mut self) {
        if self.function == 0 {
            self.out.group1(W32, Group1::Xor, Gpr::Rdx, Gpr::Rdx);
            let leave = self.leave;
            let at = self.out.jump32(None);
            self.out.lead32(at, leave);
            return;
        }
        let (saved, pad) = self.saved();
        if self.plan.functions[self.function].frame {
            self.out.group1_imm(W64, Group1::Add, Gpr::Rbp, 512);
        }
        if pad {
            self.out.group1_imm(W64, Group1::Add, Gpr::Rsp, 8);
        }
        for reg in saved.rev() {
            self.out.pop(reg);
        }
        if self.plan.counts_depth {
            self.out.group1_memory_imm8(Group1::Add, field(DEPTH), 1);
        }
        self.out.ret();
    }

    /// Makes every jump lead to its place; the stubs come last.
    fn resolve(&mut self) -> Result<(), Unsupported> {
        for fixup in mem::take(&mut self.fixups) {
            let to = match fixup.to {
                To::Slot(slot) => self.offsets[slot as usize] as usize,
                To::Function(function) => self.entries[function as usize] as usize,
                To::Leave(status, pc) => {
                    self.out.reserve();
                    let stub = self.out.at();
                    self.out.mov_imm(SCRATCH, pc.0.into());
                    if let Some(status) = status {
                        self.out.mov_imm(Gpr::Rdx, status as u64);
                    }
                    let unwind = self.unwind;
                    let at = self.out.jump32(None);
                    self.out.lead32(at, unwind);
                    stub
                }
            };
            if !fixup.short {
                self.out.lead32(fixup.at, to);
                continue;
            }
            let distance = to as i64 - (fixup.at as i64 + 1);
            if !(-128..=127).contains(&distance) {
                let slot = self.offsets.partition_point(|start| (*start as usize) <= fixup.at);
                return Err(Unsupported {
                    pc: Pc(slot as u32 - 1),
                    what: "a jump that is longer than was planned",
                });
            }
            self.out.lead8(fixup.at, to);
        }
        Ok(())
    }
}
