//! The program's control flow: blocks and edges, and what the verifier spent in each.

use crate::layered::{self, Layered, Size};
use crate::protocol::{Block, BlockRow, Edge, Event, Graph, NONE, Program};
use glasshive::isa::{Insn, RawInsn, decode_program};
use glasshive::trace::Trace;
use glasshive::trace::view::{End, Step};

/// Lines of a block that are shown; of a longer one the middle is left out.
const MOST_ROWS: usize = 28;
/// Width of a character, height of a line and of a block's head, and the space around, in CSS pixels.
const CHARACTER: f32 = 7.25;
const ROW: f32 = 17.0;
const HEAD: f32 = 24.0;
const PADDING: f32 = 12.0;
/// Characters of the narrowest and of the widest block.
const NARROWEST: usize = 26;
const WIDEST: usize = 52;

/// Blocks and edges of a program.
pub struct Flow {
    /// As they are drawn, before anything is counted.
    graph: Graph,
    /// The block of each slot.
    block_of: Vec<u32>,
    /// The edges that leave each block: the first, and how many.
    leaving: Vec<(u32, u32)>,
}

/// Where control goes from an instruction: falls through, and jumps to. `None` where it does neither.
type Next = (Option<usize>, Option<usize>);

fn next(insn: &Insn, at: usize) -> Next {
    let behind = at + insn.slots() as usize;
    let to = |off: i32| usize::try_from(at as i64 + 1 + i64::from(off)).ok();
    match *insn {
        Insn::Exit => (None, None),
        Insn::Goto { off, .. } => (None, to(off)),
        Insn::Branch { off, .. } => (Some(behind), to(off.into())),
        Insn::MayGoto { off } => (Some(behind), to(off.into())),
        _ => (Some(behind), None),
    }
}

impl Flow {
    /// Of a program's slots, and what the page was told of it.
    pub fn of(code: &[RawInsn], program: &Program) -> Flow {
        let insns = decode_program(code);
        let n = insns.len();
        let mut leads = vec![false; n + 1];
        if let Some(first) = leads.first_mut() {
            *first = true;
        }
        for begun in program.listing.iter().filter(|i| i.function.is_some()) {
            leads[(begun.pc as usize).min(n)] = true;
        }
        let nexts: Vec<Option<Next>> =
            insns.iter().enumerate().map(|(at, insn)| Some(next(insn.as_ref().ok()?, at))).collect();
        for (at, next) in nexts.iter().enumerate() {
            let Some((falls, jumps)) = next else { continue };
            if let Some(to) = jumps.filter(|to| *to < n) {
                leads[to] = true;
            }
            let ends = jumps.is_some() || falls.is_none();
            if ends {
                leads[falls.unwrap_or(at + 1).min(n)] = true;
            }
        }
        let mut blocks: Vec<Block> = Vec::new();
        let mut block_of = vec![NONE; n];
        for (index, instruction) in program.listing.iter().enumerate() {
            let pc = instruction.pc as usize;
            if leads.get(pc).is_some_and(|leads| *leads) || blocks.is_empty() {
                blocks.push(empty(instruction.pc));
            }
            let number = blocks.len() as u32 - 1;
            if let Some(slot) = block_of.get_mut(pc) {
                *slot = number;
            }
            if let Some(block) = blocks.last_mut() {
                block.last_pc = instruction.pc;
                block.rows.push(BlockRow::Instruction(index as u32));
            }
        }
        let (mut edges, mut leaving) = (Vec::new(), Vec::new());
        for (number, block) in blocks.iter().enumerate() {
            let first = edges.len() as u32;
            let (falls, jumps) = nexts.get(block.last_pc as usize).copied().flatten().unwrap_or((None, None));
            let both = falls.is_some() && jumps.is_some();
            for (to, taken) in [(falls, false), (jumps, true)] {
                let to = to.and_then(|to| block_of.get(to)).filter(|to| **to != NONE);
                edges.extend(to.map(|to| Edge {
                    from: number as u32,
                    to: *to,
                    taken: both.then_some(taken),
                    back: false,
                    route: Vec::new(),
                    visits: 0,
                    behind: 0,
                }));
            }
            leaving.push((first, edges.len() as u32 - first));
        }
        blocks.iter_mut().for_each(|block| dress(block, program));
        let sizes: Vec<Size> = blocks.iter().map(|b| Size { wide: b.wide, high: b.high }).collect();
        let pairs: Vec<(u32, u32)> = edges.iter().map(|edge| (edge.from, edge.to)).collect();
        let Layered { x, y, routes, back, size } = layered::place(&sizes, &pairs);
        for (block, (x, y)) in blocks.iter_mut().zip(x.into_iter().zip(y)) {
            (block.x, block.y) = (x, y);
        }
        for (edge, (route, back)) in edges.iter_mut().zip(routes.into_iter().zip(back)) {
            (edge.route, edge.back) = (route, back);
        }
        Flow { graph: Graph { blocks, edges, size, walked: 0 }, block_of, leaving }
    }

    fn block(&self, pc: u32) -> Option<u32> {
        self.block_of.get(pc as usize).copied().filter(|block| *block != NONE)
    }

    /// The edge that control went when it came to a slot from another.
    fn edge(&self, from: u32, to: u32) -> Option<u32> {
        let block = self.block(from)? as usize;
        let target = self.block(to)?;
        if self.graph.blocks[block].last_pc != from || self.graph.blocks[target as usize].pc != to {
            return None;
        }
        let (first, count) = self.leaving[block];
        (first..first + count).find(|edge| self.graph.edges[*edge as usize].to == target)
    }

    /// The graph with what was spent.
    pub fn graph(&self, trace: &Trace) -> Graph {
        let mut graph = self.graph.clone();
        let segments = trace.segments();
        graph.walked = trace.steps();
        for (pc, count) in trace.visits().into_iter().enumerate().filter(|(_, count)| *count > 0) {
            if let Some(block) = self.block(pc as u32) {
                let block = &mut graph.blocks[block as usize];
                block.walked += count;
                if block.pc as usize == pc {
                    block.visits = count;
                }
            }
        }
        for state in trace.kept_states() {
            if let Some(block) = self.block(state.pc) {
                graph.blocks[block as usize].kept += 1;
            }
        }
        // Where the steps below each segment end: they are in a row, as the verifier walks depth first.
        let mut ends: Vec<u32> = segments.iter().map(|segment| segment.first.0 + segment.len).collect();
        for (number, segment) in segments.iter().enumerate().rev() {
            if let Some(parent) = segment.parent {
                let above = parent.0 as usize;
                ends[above] = ends[above].max(ends[number]);
            }
        }
        // The last slot walked on each segment's path, and until which step each edge's walk is counted already.
        let mut last = vec![NONE; segments.len()];
        let mut counted = vec![0_u32; graph.edges.len()];
        for (number, segment) in segments.iter().enumerate() {
            let mut from = segment.parent.map_or(NONE, |parent| last[parent.0 as usize]);
            for step in segment.first.0..segment.first.0 + segment.len {
                let pc = trace.pc(Step(step)).0;
                self.count(&mut graph, &mut counted, (from, pc), step, ends[number]);
                from = pc;
            }
            last[number] = from;
            if let End::Pruned { .. } = segment.end {
                let pc = if segment.len == 0 { segment.pc } else { self.meets(trace, segment.end) };
                self.count(&mut graph, &mut counted, (from, pc), ends[number], ends[number]);
                if let Some(block) = self.block(pc) {
                    graph.blocks[block as usize].pruned += 1;
                }
            }
        }
        graph
    }

    /// The slot at which a path was pruned.
    fn meets(&self, trace: &Trace, end: End) -> u32 {
        let End::Pruned { by, .. } = end else { return NONE };
        trace.kept_states().get(by.0 as usize).map_or(NONE, |state| state.pc)
    }

    fn count(&self, graph: &mut Graph, counted: &mut [u32], way: (u32, u32), step: u32, end: u32) {
        let Some(edge) = self.edge(way.0, way.1) else { return };
        let spent = &mut graph.edges[edge as usize];
        spent.visits += 1;
        // What is below a way that was gone before on the same path is counted there.
        if step >= counted[edge as usize] {
            spent.behind += end - step;
            counted[edge as usize] = end;
        }
    }

    /// The way of the verifier to a step.
    pub fn route(&self, generation: u32, trace: &Trace, step: u32) -> Event {
        let mut steps = Vec::new();
        let mut at = (step < trace.steps()).then_some(Step(step));
        while let Some(step) = at {
            steps.push(trace.pc(step).0);
            at = trace.previous(step);
        }
        let (mut blocks, mut edges) = (Vec::new(), Vec::new());
        let (mut seen_blocks, mut seen_edges) =
            (vec![false; self.graph.blocks.len()], vec![false; self.graph.edges.len()]);
        let mut from = NONE;
        for pc in steps.into_iter().rev() {
            if let Some(edge) = self.edge(from, pc)
                && !std::mem::replace(&mut seen_edges[edge as usize], true)
            {
                edges.push(edge);
            }
            if let Some(block) = self.block(pc)
                && !std::mem::replace(&mut seen_blocks[block as usize], true)
            {
                blocks.push(block);
            }
            from = pc;
        }
        Event::Route { generation, step, blocks, edges }
    }
}

fn empty(pc: u32) -> Block {
    Block {
        pc,
        last_pc: pc,
        rows: Vec::new(),
        x: 0.0,
        y: 0.0,
        wide: 0.0,
        high: 0.0,
        visits: 0,
        walked: 0,
        kept: 0,
        pruned: 0,
    }
}

/// Puts the lines of source between a block's instructions, shortens it, and measures it.
fn dress(block: &mut Block, program: &Program) {
    let mut rows = Vec::new();
    let mut last = None;
    for row in &block.rows {
        let BlockRow::Instruction(index) = *row else { continue };
        let source = program.listing.get(index as usize).and_then(|i| i.source);
        let line = source.and_then(|at| program.source.get(at as usize));
        let named = line.is_some_and(|line| line.line > 0 && !line.file.is_empty());
        if named && source != last {
            last = source;
            rows.extend(source.map(BlockRow::Source));
        }
        rows.push(*row);
    }
    if rows.len() > MOST_ROWS {
        let left = rows.len() - (MOST_ROWS - 1);
        let cut: Vec<BlockRow> = rows.splice(MOST_ROWS / 2..MOST_ROWS / 2 + left, []).collect();
        let gone = cut.iter().filter(|row| matches!(row, BlockRow::Instruction(_))).count();
        rows.insert(MOST_ROWS / 2, BlockRow::More(gone as u32));
    }
    let length = |row: &BlockRow| match *row {
        BlockRow::Source(at) => program.source.get(at as usize).map_or(0, |l| l.text.trim().chars().count()),
        BlockRow::Instruction(at) => {
            program.listing.get(at as usize).map_or(0, |i| i.text.chars().count() + 6)
        }
        BlockRow::More(_) => 0,
    };
    let longest = rows.iter().map(length).max().unwrap_or(0).clamp(NARROWEST, WIDEST);
    block.wide = longest as f32 * CHARACTER + PADDING;
    block.high = HEAD + rows.len() as f32 * ROW + PADDING / 2.0;
    block.rows = rows;
}
