//! Structured control flow from a graph (Ramsey: Beyond Relooper): a block's code is followed by that of the
//! blocks it dominates immediately, those where ways join behind a construct of their own that a branch leaves.

use alloc::vec;
use alloc::vec::Vec;
use wasm_encoder::BlockType;

use super::Unsupported;
use super::emitter::{Emitter, NEXT, NOTHING, State};
use super::graph::{Block, BlockId, End, Graph};
use super::layout::{self, Status};
use crate::image::Access;
use crate::isa::{CallTarget, Imm64, Insn, Pc, Width};

/// Most ways of a jump table (engines' limit for its length).
const MOST_WAYS: usize = 65_520;

/// Work to be done, the next one last.
enum Task {
    /// A block, and all that it dominates.
    Tree(BlockId),
    /// A block's own code, and where it leads.
    Body(BlockId),
    /// From a block to another.
    Way(BlockId, BlockId),
    Else,
    Close,
}

/// A function's structure in the making.
struct Structure<'a> {
    graph: &'a Graph,
    tasks: Vec<Task>,
    /// By block: where its loop was opened, and where the construct that it follows.
    loops: Vec<u32>,
    follows: Vec<u32>,
    /// What is known at the beginning of a block that one way leads to.
    states: Vec<Option<alloc::boxed::Box<State>>>,
}

impl Emitter<'_> {
    /// A function's body.
    pub(super) fn body(&mut self, graph: &Graph) -> Result<(), Unsupported> {
        // What goes wrong leaves this construct.
        self.out().block(BlockType::Empty);
        self.open();
        self.load_budget();
        if graph.is_reducible {
            let count = graph.blocks.len();
            Structure {
                graph,
                tasks: vec![Task::Tree(BlockId(0))],
                loops: vec![0; count],
                follows: vec![0; count],
                states: vec![None; count],
            }
            .emit(self)?;
        } else {
            self.dispatch(graph)?;
        }
        self.close();
        self.left();
        self.out().end();
        Ok(())
    }

    /// Behind the outermost construct: tells the host what went wrong.
    fn left(&mut self) {
        use super::emitter::{ADDRESS, PC, STATUS};
        // A slot that a called function told stays.
        let (pc, address) = (self.field(layout::PC), self.field(layout::ADDRESS));
        self.out().local_get(PC.0).i32_const(0).i32_ge_s().if_(BlockType::Empty);
        self.out().i32_const(0).local_get(PC.0).i32_store(pc);
        self.out().i32_const(0).local_get(ADDRESS.0).i32_store(address).end();
        self.out().i64_const(0).local_get(STATUS.0);
    }

    /// A block's instructions, but for the jump that ends it.
    fn block(&mut self, block: &Block) -> Result<(), Unsupported> {
        let mut at = block.start;
        let image = self.image;
        while at < block.end {
            let insn = &image.insns()[at];
            self.instruction(insn, Pc(at as u32))?;
            at += insn.slots() as usize;
        }
        if block.leaves == End::RunsOut {
            self.leave(Status::RanOut, Pc(block.end as u32));
        }
        Ok(())
    }

    #[inline(always)]
    fn instruction(&mut self, insn: &Insn, pc: Pc) -> Result<(), Unsupported> {
        let access = self.image.access().get(pc.index()).copied().unwrap_or_default();
        if access == Access::ArenaMap || access == Access::Probe && !matches!(insn, Insn::Load { .. }) {
            return self.refuse(pc, "an access to an arena map");
        }
        let target = |off: i32| usize::try_from(i64::from(pc.0) + 1 + i64::from(off)).ok();
        match *insn {
            Insn::Alu { width, op, dst, src } if dst != crate::isa::Reg::FP => self.alu(op, width, dst, src),
            Insn::MovSx { width, dst, src, from } => self.sign_extending_move(width, dst, src, from),
            Insn::Neg { width, dst } => self.neg(width, dst),
            Insn::ByteSwap { order, size, dst } => self.byte_swap(order, size, dst),
            Insn::AddrPerCpu { dst, src } => {
                let src = crate::isa::Operand::Reg(src);
                self.alu(crate::isa::AluOp::Mov, Width::W64, dst, src);
            }
            Insn::Load { size, sign_extend, dst, base, off } => match access {
                Access::Probe => self.probe(size, sign_extend, dst, base, off),
                _ => self.load(size, sign_extend, dst, base, off, pc),
            },
            Insn::Store { size, base, off, src } => self.store(size, base, off, src, pc),
            Insn::Atomic { op, size, base, off, src } => self.atomic(op, size, base, off, src, pc)?,
            Insn::LoadImm64 { dst, value: Imm64::Value(value) } => {
                self.out().i64_const(value as i64);
                self.pop(dst, Width::W64);
                self.known[dst.index()] = super::emitter::Known::Constant(value);
            }
            Insn::LoadPacket { size, at, imm } => self.load_packet(size, at, imm, pc)?,
            Insn::Call(CallTarget::Helper(number)) => self.helper(number, pc),
            Insn::Call(CallTarget::Local(offset)) => self.call(target(offset), pc)?,
            Insn::Exit => self.exit(),
            // What ends a block is emitted with the ways that leave it.
            Insn::Goto { .. } | Insn::Branch { .. } | Insn::MayGoto { .. } => {}
            Insn::Alu { .. } => return self.refuse(pc, "a write to r10"),
            Insn::LoadImm64 { .. } => return self.refuse(pc, "the address of a function"),
            Insn::Call(CallTarget::Kernel { .. }) => return self.refuse(pc, "a kernel function"),
            Insn::CallReg { .. } => return self.refuse(pc, "a call through a register"),
            Insn::AddrSpaceCast { .. } => return self.refuse(pc, "addr_space_cast"),
        }
        Ok(())
    }

    /// Whether the branch at a block's end is taken, on the stack.
    fn condition(&mut self, block: &Block) {
        match self.image.insns()[block.end - 1] {
            Insn::Branch { width, op, dst, src, .. } => self.compare(op, width, dst, src),
            // `may_goto`: as often as the record says it is not.
            _ => {
                let field = self.field(layout::MAY_GOTO);
                self.out().i32_const(0).i32_const(0).i64_load(field).i64_const(1).i64_sub();
                self.out().local_tee(super::emitter::VALUE.0).i64_store(field);
                self.out().local_get(super::emitter::VALUE.0).i64_const(0).i64_lt_s();
            }
        }
    }

    /// A graph with a loop that has several entries: one loop around a jump table.
    fn dispatch(&mut self, graph: &Graph) -> Result<(), Unsupported> {
        let count = graph.blocks.len();
        if count > MOST_WAYS {
            let pc = Pc(graph.blocks[0].start as u32);
            return self.refuse(pc, "a loop with several entries among more than 65,520 blocks");
        }
        let again = self.depth;
        self.out().loop_(BlockType::Empty);
        self.open();
        for _ in 0..count {
            self.out().block(BlockType::Empty);
            self.open();
        }
        self.out().local_get(NEXT.0).br_table(0..count as u32 - 1, count as u32 - 1);
        for block in &graph.blocks {
            self.close();
            self.known = NOTHING;
            let len = (block.end - block.start) as u32;
            self.count(len, Pc(block.start as u32));
            self.block(block)?;
            match block.leaves {
                End::Exit | End::RunsOut => continue,
                End::Goto(to) => {
                    self.out().i32_const(to.0 as i32);
                }
                End::Branch { taken, next } => {
                    self.out().i32_const(taken.0 as i32).i32_const(next.0 as i32);
                    self.condition(block);
                    self.out().select();
                }
            }
            let label = self.label(again);
            self.out().local_set(NEXT.0).br(label);
        }
        self.close();
        Ok(())
    }
}

impl Structure<'_> {
    fn emit(&mut self, out: &mut Emitter) -> Result<(), Unsupported> {
        while let Some(task) = self.tasks.pop() {
            match task {
                Task::Tree(block) => self.tree(block, out),
                Task::Body(block) => self.own(block, out)?,
                Task::Way(from, to) => self.way(from, to, out),
                Task::Else => {
                    out.out().else_();
                }
                Task::Close => out.close(),
            }
        }
        Ok(())
    }

    /// Opens what a block and those that it dominates need.
    fn tree(&mut self, at: BlockId, out: &mut Emitter) {
        let block = &self.graph.blocks[at.index()];
        if block.loop_slots > 0 {
            self.loops[at.index()] = out.depth;
            out.out().loop_(BlockType::Empty);
            out.open();
            self.tasks.push(Task::Close);
        }
        for merge in &block.merges {
            self.follows[merge.index()] = out.depth;
            out.out().block(BlockType::Empty);
            out.open();
            self.tasks.push(Task::Tree(*merge));
            self.tasks.push(Task::Close);
        }
        self.tasks.push(Task::Body(at));
    }

    fn own(&mut self, at: BlockId, out: &mut Emitter) -> Result<(), Unsupported> {
        let block = &self.graph.blocks[at.index()];
        out.known = self.states[at.index()].take().map_or(NOTHING, |state| *state);
        if block.loop_slots > 0 {
            out.count(block.loop_slots, Pc(block.start as u32));
        }
        out.block(block)?;
        match block.leaves {
            End::Exit | End::RunsOut => {}
            End::Goto(to) => {
                self.keep(to, out);
                self.tasks.push(Task::Way(at, to));
            }
            End::Branch { taken, next } => {
                out.condition(block);
                self.keep(taken, out);
                self.keep(next, out);
                match (self.label(at, taken, out), self.label(at, next, out)) {
                    (Some(label), _) => {
                        out.out().br_if(label);
                        self.tasks.push(Task::Way(at, next));
                    }
                    (None, Some(label)) => {
                        out.out().i32_eqz().br_if(label);
                        self.tasks.push(Task::Way(at, taken));
                    }
                    (None, None) => {
                        out.out().if_(BlockType::Empty);
                        out.open();
                        self.tasks.push(Task::Close);
                        self.tasks.push(Task::Way(at, next));
                        self.tasks.push(Task::Else);
                        self.tasks.push(Task::Way(at, taken));
                    }
                }
            }
        }
        Ok(())
    }

    /// Keeps what is known for a block that only this way leads to.
    fn keep(&mut self, to: BlockId, out: &Emitter) {
        let block = &self.graph.blocks[to.index()];
        if !block.is_merge && block.loop_slots == 0 && out.known != NOTHING {
            self.states[to.index()] = Some(alloc::boxed::Box::new(out.known));
        }
    }

    /// The label that leads from a block to another; `None` where the other's code follows in place.
    fn label(&self, from: BlockId, to: BlockId, out: &Emitter) -> Option<u32> {
        if to <= from {
            return Some(out.label(self.loops[to.index()]));
        }
        self.graph.blocks[to.index()].is_merge.then(|| out.label(self.follows[to.index()]))
    }

    fn way(&mut self, from: BlockId, to: BlockId, out: &mut Emitter) {
        match self.label(from, to, out) {
            Some(label) => {
                out.out().br(label);
            }
            None => self.tasks.push(Task::Tree(to)),
        }
    }
}
