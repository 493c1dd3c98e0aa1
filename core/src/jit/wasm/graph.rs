//! A function's control flow: basic blocks in reverse postorder, which dominates which, where loops begin.

use alloc::vec;
use alloc::vec::Vec;

use super::Unsupported;
use crate::isa::{CallTarget, Insn, Pc};

/// The index of a block, in reverse postorder: 0 is the function's entry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct BlockId(pub(super) u32);

impl BlockId {
    pub(super) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// How control leaves a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// Nowhere: the program or function returns.
    Exit,
    /// Out of the function, which no verified program does.
    RunsOut,
    Goto(BlockId),
    /// By the last instruction: where it is taken, and where not.
    Branch {
        taken: BlockId,
        next: BlockId,
    },
}

/// A straight run of instructions.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub(super) start: usize,
    /// Past its last slot.
    pub(super) end: usize,
    pub(super) leaves: End,
    /// The slots of the longest loop that begins here; 0 where none does.
    pub(super) loop_slots: u32,
    /// More than one way leads here, jumps back not counted.
    pub(super) is_merge: bool,
    /// Blocks that it dominates immediately and that several ways lead to, the last one first.
    pub(super) merges: Vec<BlockId>,
}

/// A function's blocks.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) blocks: Vec<Block>,
    /// Every loop is entered at its head alone.
    pub(super) is_reducible: bool,
    /// The slots that local calls lead to; where they can't be reached, too.
    pub(super) calls: Vec<i64>,
}

/// Where a jump leads.
pub(super) fn jump(at: usize, insn: &Insn) -> Option<i64> {
    let off = match *insn {
        Insn::Goto { off, .. } => off.into(),
        Insn::MayGoto { off } | Insn::Branch { off, .. } => i64::from(off),
        _ => return None,
    };
    Some(at as i64 + 1 + off)
}

/// A block before it has its number: its slots, and the starts of those that follow.
struct Raw {
    start: usize,
    end: usize,
    taken: Option<usize>,
    next: Option<usize>,
    runs_out: bool,
}

/// The blocks in the slots' order, and by slot the index of the one that begins there.
struct Split {
    blocks: Vec<Raw>,
    start: usize,
    at: Vec<u32>,
}

impl Split {
    fn block_at(&self, slot: usize) -> usize {
        self.at[slot - self.start] as usize
    }
}

impl Graph {
    /// The graph of what can be reached from slot `entry` on, in the slots from `start` to `end`.
    ///
    /// # Errors
    /// [`Unsupported`] names a jump out of these.
    pub(super) fn new(insns: &[Insn], start: usize, end: usize, entry: usize) -> Result<Graph, Unsupported> {
        let mut calls = Vec::new();
        let blocks = split(insns, start, end, entry, &mut calls)?;
        let mut at = vec![0; end - start];
        for (block, number) in blocks.iter().zip(0..) {
            at[block.start - start] = number;
        }
        let raw = Split { blocks, start, at };
        let order = reverse_postorder(&raw, entry);
        Ok(Graph { calls, ..Graph::ordered(&raw, &order) })
    }

    fn ordered(raw: &Split, order: &[u32]) -> Graph {
        let mut number = vec![BlockId(u32::MAX); raw.blocks.len()];
        for (place, at) in order.iter().zip(0..) {
            number[*place as usize] = BlockId(at);
        }
        let of = |slot: usize| number[raw.block_at(slot)];
        let mut blocks: Vec<Block> = order
            .iter()
            .map(|place| {
                let block = &raw.blocks[*place as usize];
                let leaves = match (block.taken.map(of), block.next.map(of)) {
                    _ if block.runs_out => End::RunsOut,
                    (Some(taken), Some(next)) if taken != next => End::Branch { taken, next },
                    (Some(to), _) | (None, Some(to)) => End::Goto(to),
                    (None, None) => End::Exit,
                };
                Block {
                    start: block.start,
                    end: block.end,
                    leaves,
                    loop_slots: 0,
                    is_merge: false,
                    merges: Vec::new(),
                }
            })
            .collect();
        let parents = parents(&blocks);
        let dominators = dominators(&parents, blocks.len());
        let mut is_reducible = true;
        for at in 0..blocks.len() {
            let mut forward = 0;
            let mut loop_slots = 0;
            for parent in parents.of(at) {
                if parent.index() < at {
                    forward += 1;
                    continue;
                }
                is_reducible &= dominates(&dominators, BlockId(at as u32), *parent);
                let slots = blocks[parent.index()].end.saturating_sub(blocks[at].start).max(1);
                loop_slots = loop_slots.max(slots as u32);
            }
            blocks[at].loop_slots = loop_slots;
            blocks[at].is_merge = forward > 1;
        }
        // From the last one, so that each list begins with it.
        for at in (1..blocks.len()).rev() {
            if blocks[at].is_merge {
                blocks[dominators[at].index()].merges.push(BlockId(at as u32));
            }
        }
        Graph { blocks, is_reducible, calls: Vec::new() }
    }

    /// Whether the function has a loop.
    pub(super) fn has_loops(&self) -> bool {
        self.blocks.iter().any(|block| block.loop_slots > 0)
    }
}

/// What ends a block: a jump or an exit, the slot after it, and where the jump leads.
struct Cut {
    at: usize,
    after: usize,
    taken: Option<usize>,
}

/// Cuts the slots into blocks, in their order, and notes where calls lead.
fn split(
    insns: &[Insn],
    start: usize,
    end: usize,
    entry: usize,
    calls: &mut Vec<i64>,
) -> Result<Vec<Raw>, Unsupported> {
    let refuse = |at: usize, what| Err(Unsupported { pc: Pc(at as u32), what });
    if !(start..end).contains(&entry) {
        return refuse(entry, "a run out of the program's own function");
    }
    // Most instructions are neither: what follows looks at the others alone.
    let mut cuts = Vec::new();
    let mut starts = vec![start, entry];
    let mut at = start;
    let mut last = start;
    while at < end {
        let insn = &insns[at];
        let after = at + insn.slots() as usize;
        last = at;
        match (jump(at, insn), insn) {
            (Some(to), _) => {
                let to = usize::try_from(to).ok().filter(|to| (start..end).contains(to));
                let Some(to) = to else { return refuse(at, "a jump out of a function") };
                if is_second_slot(insns, start, to) {
                    return refuse(at, "a jump into the middle of an instruction");
                }
                starts.extend([to, after]);
                cuts.push(Cut { at, after, taken: Some(to) });
            }
            (None, Insn::Exit) => {
                starts.push(after);
                cuts.push(Cut { at, after, taken: None });
            }
            (None, Insn::Call(CallTarget::Local(offset))) => calls.push(at as i64 + 1 + i64::from(*offset)),
            (None, _) => {}
        }
        at = after;
    }
    starts.retain(|start| *start < end);
    starts.sort_unstable();
    starts.dedup();
    let mut cuts = cuts.into_iter().peekable();
    let ends = starts.iter().skip(1).copied().chain([end]);
    let mut blocks = Vec::with_capacity(starts.len());
    for (&from, to) in starts.iter().zip(ends) {
        let cut = cuts.next_if(|cut| cut.after.min(end) == to);
        let falls = cut.as_ref().is_none_or(|cut| !matches!(insns[cut.at], Insn::Exit | Insn::Goto { .. }));
        let taken = cut.and_then(|cut| cut.taken);
        if falls && to == end && taken.is_some() {
            return refuse(last, "a branch at the end of a function");
        }
        blocks.push(Raw {
            start: from,
            end: to,
            taken,
            next: (falls && to < end).then_some(to),
            runs_out: falls && to == end,
        });
    }
    Ok(blocks)
}

/// Whether a slot is the second one of a wide load, which holds a copy of the first.
fn is_second_slot(insns: &[Insn], start: usize, slot: usize) -> bool {
    let wide = |insn: &&Insn| matches!(insn, Insn::LoadImm64 { .. });
    wide(&&insns[slot]) && insns[start..slot].iter().rev().take_while(wide).count() % 2 == 1
}

/// The blocks that can be reached from the entry, each before those that it leads to but for jumps
/// back.
fn reverse_postorder(raw: &Split, entry: usize) -> Vec<u32> {
    let mut seen = vec![false; raw.blocks.len()];
    let mut order = Vec::with_capacity(raw.blocks.len());
    // A block, and how many of its ways out were taken.
    let mut path = Vec::new();
    let first = raw.block_at(entry);
    seen[first] = true;
    path.push((first as u32, 0_u8));
    while let Some((at, ways)) = path.last_mut() {
        let block = &raw.blocks[*at as usize];
        // What follows in the text is visited last, and so comes first.
        let way = match ways {
            0 => block.taken,
            1 => block.next,
            _ => {
                order.push(*at);
                path.pop();
                continue;
            }
        };
        *ways += 1;
        if let Some(slot) = way {
            let to = raw.block_at(slot);
            if !core::mem::replace(&mut seen[to], true) {
                path.push((to as u32, 0));
            }
        }
    }
    order.reverse();
    order
}

/// For each block those that lead to it, in one vector.
struct Parents {
    first: Vec<u32>,
    of: Vec<BlockId>,
}

impl Parents {
    fn of(&self, block: usize) -> &[BlockId] {
        &self.of[self.first[block] as usize..self.first[block + 1] as usize]
    }
}

fn successors(block: &Block) -> impl Iterator<Item = BlockId> {
    let (a, b) = match block.leaves {
        End::Exit | End::RunsOut => (None, None),
        End::Goto(to) => (Some(to), None),
        End::Branch { taken, next } => (Some(taken), Some(next)),
    };
    a.into_iter().chain(b)
}

fn parents(blocks: &[Block]) -> Parents {
    let mut first = vec![0_u32; blocks.len() + 1];
    for to in blocks.iter().flat_map(successors) {
        first[to.index() + 1] += 1;
    }
    for at in 0..blocks.len() {
        first[at + 1] += first[at];
    }
    let mut filled = first.clone();
    let mut of = vec![BlockId(0); first[blocks.len()] as usize];
    for (from, block) in (0..).zip(blocks) {
        for to in successors(block) {
            let place = &mut filled[to.index()];
            of[*place as usize] = BlockId(from);
            *place += 1;
        }
    }
    Parents { first, of }
}

/// The immediate dominator of each block (Cooper, Harvey, Kennedy: A Simple, Fast Dominance Algorithm); the
/// entry's is itself.
fn dominators(parents: &Parents, count: usize) -> Vec<BlockId> {
    const NONE: BlockId = BlockId(u32::MAX);
    let mut dominators = vec![NONE; count];
    if let Some(entry) = dominators.first_mut() {
        *entry = BlockId(0);
    }
    let mut changed = true;
    while changed {
        changed = false;
        for at in 1..count {
            let mut found = NONE;
            for parent in parents.of(at) {
                if dominators[parent.index()] == NONE {
                    continue;
                }
                if found == NONE {
                    found = *parent;
                }
                let (mut a, mut b) = (found, *parent);
                while a != b {
                    if a > b {
                        a = dominators[a.index()];
                    } else {
                        b = dominators[b.index()];
                    }
                }
                found = a;
            }
            changed |= core::mem::replace(&mut dominators[at], found) != found;
        }
    }
    dominators
}

fn dominates(dominators: &[BlockId], a: BlockId, mut b: BlockId) -> bool {
    while b > a {
        b = dominators[b.index()];
    }
    a == b
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::asm::assemble;
    use crate::isa::decode_program;
    use crate::names::Uapi;

    fn graph(text: &str) -> Graph {
        let slots = assemble(text, &Uapi).unwrap().insns;
        let insns: Vec<Insn> = decode_program(&slots).into_iter().map(Result::unwrap).collect();
        Graph::new(&insns, 0, insns.len(), 0).unwrap()
    }

    #[test]
    fn loops_and_merges_are_found() {
        let text = "r0 = 0\nagain: r0 += 1\nif r1 == 0 goto other\nr0 += 2\ngoto join\nother: r0 += 3\njoin: if r0 < 9 goto again\nexit";
        let graph = graph(text);
        assert!(graph.is_reducible && graph.has_loops());
        let starts: Vec<usize> = graph.blocks.iter().map(|block| block.start).collect();
        assert_eq!(starts, [0, 1, 3, 5, 6, 7]);
        assert_eq!(graph.blocks[1].loop_slots, 6);
        assert_eq!(graph.blocks[1].merges, [BlockId(4)]);
        assert_eq!(graph.blocks[0].leaves, End::Goto(BlockId(1)));
    }

    #[test]
    fn a_loop_with_two_entries_is_irreducible() {
        let text = "if r1 == 0 goto second\nfirst: r0 += 1\nsecond: r0 += 2\nif r0 < 9 goto first\nexit";
        assert!(!graph(text).is_reducible);
    }

    #[test]
    fn what_is_not_reached_is_left_out() {
        let graph = graph("r0 = 0\nexit\nr0 = 1\nexit");
        assert_eq!(graph.blocks.len(), 1);
    }
}
