//! The program's control flow, and what the verifier spent where.

use serde::{Deserialize, Serialize};

/// The control-flow graph, placed.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Graph {
    /// The blocks, by their first slots.
    pub blocks: Vec<Block>,
    /// The edges, by the block that they leave, the side that is not taken first.
    pub edges: Vec<Edge>,
    /// Width and height of the drawing, in CSS pixels at zoom 1.
    pub size: (f32, f32),
    /// Instructions that were walked in all.
    pub walked: u32,
}

/// Instructions that are run in a row.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Block {
    /// Slot of the first instruction.
    pub pc: u32,
    /// Slot of the last one.
    pub last_pc: u32,
    /// What is written in it.
    pub rows: Vec<BlockRow>,
    /// The middle, across.
    pub x: f32,
    /// The top.
    pub y: f32,
    /// The size.
    pub wide: f32,
    /// The size.
    pub high: f32,
    /// How often the verifier came to it.
    pub visits: u32,
    /// Instructions that it walked here.
    pub walked: u32,
    /// States that it kept here.
    pub kept: u32,
    /// Paths that it cut short here, since a state that was kept covers them.
    pub pruned: u32,
}

/// A line of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum BlockRow {
    /// A line of source: index into the program's.
    Source(u32),
    /// An instruction: index into the listing.
    Instruction(u32),
    /// So many instructions that are left out.
    More(u32),
}

/// A way from block to block.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Edge {
    /// The block that it leaves.
    pub from: u32,
    /// The block that it comes to.
    pub to: u32,
    /// Whether a branch has to hold for it; `None` where it has no other way.
    pub taken: Option<bool>,
    /// Whether it closes a loop.
    pub back: bool,
    /// The points that it goes through; empty where it is too long to be drawn.
    pub route: Vec<(f32, f32)>,
    /// How often the verifier went this way.
    pub visits: u32,
    /// Instructions that it walked from there on, to the ends of all paths; none counted twice.
    pub behind: u32,
}
