//! The exploration as columns.

use serde::{Deserialize, Serialize};

/// No node.
pub const NONE: u32 = u32::MAX;

/// The exploration tree as columns, an entry per walked segment, in the order that they were begun,
/// which is the tree's preorder.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Tree {
    /// The node above, or [`NONE`].
    pub parent: Vec<u32>,
    /// Position across, in nodes' widths.
    pub x: Vec<f32>,
    /// Rank down, from 0.
    pub rank: Vec<u32>,
    /// First step.
    pub first: Vec<u32>,
    /// Number of steps.
    pub len: Vec<u32>,
    /// Slot of the first instruction.
    pub pc: Vec<u32>,
    /// Slot of the last instruction.
    pub last_pc: Vec<u32>,
    /// How it ended.
    pub kind: Vec<NodeKind>,
    /// For a prune, the node that begins at the state that covers it, or [`NONE`].
    pub by: Vec<u32>,
    /// Whether a kept state stands at the node's beginning.
    pub kept: Vec<bool>,
    /// Whether a processor gets there by guess alone: no run goes that way.
    pub guessed: Vec<bool>,
    /// What is folded away: whether each node is not shown. Empty where all are.
    pub hidden: Vec<bool>,
    /// Nodes whose descendants are folded away, ascending.
    pub folded: Vec<u32>,
    /// The greatest rank that is shown.
    pub depth: u32,
    /// The greatest x.
    pub width: f32,
}

/// How a node ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum NodeKind {
    Fork,
    Checkpoint,
    Pruned,
    /// Pruned by a state that was still being walked.
    Loop,
    Exit,
    /// A guessed path's end.
    Barrier,
    Error,
    Open,
}

impl Tree {
    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.parent.len()
    }
    /// Whether it has no node.
    pub fn is_empty(&self) -> bool {
        self.parent.is_empty()
    }
    /// The node that a step was walked in.
    pub fn node_of(&self, step: u32) -> Option<usize> {
        // Nodes without steps share their first step with the one after.
        let end = self.first.partition_point(|first| *first <= step);
        (0..end).rev().find(|node| self.len[*node] > 0)
    }
    /// The nodes right below a node, in order.
    pub fn children(&self, node: usize) -> Vec<usize> {
        // Preorder: children come after their parent, and the subtree ends at the first node whose rank
        // is no greater.
        let rank = self.rank[node];
        (node + 1..self.len())
            .take_while(|below| self.rank[*below] > rank)
            .filter(|below| self.parent[*below] as usize == node)
            .collect()
    }
    /// The node behind a node's last descendant.
    pub fn end(&self, node: usize) -> usize {
        let rank = self.rank[node];
        let below = self.rank[node + 1..].iter().take_while(|below| **below > rank).count();
        node + 1 + below
    }
    /// Whether a node has any below it.
    pub fn has_children(&self, node: usize) -> bool {
        self.rank.get(node + 1).is_some_and(|rank| *rank > self.rank[node])
    }
    /// Whether a node is drawn: not so one that is folded away.
    pub fn shows(&self, node: usize) -> bool {
        !self.hidden.get(node).is_some_and(|hidden| *hidden)
    }
    /// Whether what is below a node is folded away.
    pub fn is_folded(&self, node: usize) -> bool {
        self.folded.binary_search(&(node as u32)).is_ok()
    }
    /// The node that stands for a node: itself, or the nearest above it that is shown.
    pub fn shown_for(&self, node: usize) -> usize {
        let mut at = node;
        while !self.shows(at)
            && let Some(&parent) = self.parent.get(at).filter(|parent| **parent != NONE)
        {
            at = parent as usize;
        }
        at
    }
    /// The nodes from the root to a node.
    pub fn path(&self, node: usize) -> Vec<usize> {
        let mut path = vec![node];
        let mut at = node;
        while let Some(&parent) = self.parent.get(at).filter(|parent| **parent != NONE) {
            at = parent as usize;
            path.push(at);
        }
        path.reverse();
        path
    }
}
