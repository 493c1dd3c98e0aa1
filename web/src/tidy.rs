//! A tidy drawing of a tree: parents centred over their children, no two nodes of a rank closer than
//! one, equal subtrees drawn equally (Buchheim, Jünger and Leipert, "Improving Walker's algorithm to run
//! in linear time", 2002). On flat arrays, without recursion: a chain of a million nodes is a tree too.

use crate::protocol::NONE;

/// Where the nodes of a forest go.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Placed {
    /// Across; the leftmost is 0.
    pub x: Vec<f32>,
    /// Down: edges from the root.
    pub rank: Vec<u32>,
}

/// Nodes that stand between two trees of a forest, or two cousins.
const COUSINS: f32 = 1.4;
/// Nodes that stand between two siblings.
const SIBLINGS: f32 = 1.0;

struct Walker {
    first: Vec<u32>,
    last: Vec<u32>,
    /// The next and previous node with the same parent.
    next: Vec<u32>,
    previous: Vec<u32>,
    /// Index among the siblings.
    number: Vec<u32>,
    parent: Vec<u32>,
    prelim: Vec<f32>,
    modifier: Vec<f32>,
    shift: Vec<f32>,
    change: Vec<f32>,
    thread: Vec<u32>,
    ancestor: Vec<u32>,
}

/// Places a forest given as parents, [`NONE`] for a root. A parent stands before its children.
pub fn place(parents: &[u32]) -> Placed {
    let n = parents.len();
    if n == 0 {
        return Placed::default();
    }
    // One root more, above all others, so that a forest is a tree.
    let top = n as u32;
    let filled = |value: u32| vec![value; n + 1];
    let mut w = Walker {
        first: filled(NONE),
        last: filled(NONE),
        next: filled(NONE),
        previous: filled(NONE),
        number: filled(0),
        parent: filled(NONE),
        prelim: vec![0.0; n + 1],
        modifier: vec![0.0; n + 1],
        shift: vec![0.0; n + 1],
        change: vec![0.0; n + 1],
        thread: filled(NONE),
        ancestor: (0..=top).collect(),
    };
    let mut rank = vec![0_u32; n];
    for (node, &parent) in parents.iter().enumerate() {
        // A parent that does not stand before its child is taken for none.
        let known = (parent as usize) < node;
        rank[node] = if known { rank[parent as usize] + 1 } else { 0 };
        let parent = if known { parent } else { top };
        let p = parent as usize;
        w.parent[node] = parent;
        match w.last[p] {
            NONE => w.first[p] = node as u32,
            before => {
                w.next[before as usize] = node as u32;
                w.previous[node] = before;
                w.number[node] = w.number[before as usize] + 1;
            }
        }
        w.last[p] = node as u32;
    }
    // Children stand behind their parents, so that backwards is bottom-up; the root above all comes last.
    // A node needs its left sibling placed before itself, so a node's children are walked in order once
    // all are done below.
    for node in (0..n).rev().chain([n]) {
        w.arrange(node);
    }
    let mut x = vec![0.0_f32; n];
    let mut sums = vec![0.0_f32; n + 1];
    sums[n] = w.modifier[n];
    let mut left = f32::INFINITY;
    for node in 0..n {
        let above = sums[w.parent[node] as usize];
        x[node] = w.prelim[node] + above;
        sums[node] = above + w.modifier[node];
        left = left.min(x[node]);
    }
    x.iter_mut().for_each(|x| *x -= left);
    Placed { x, rank }
}

impl Walker {
    /// Places a node's children relative to each other, whose own children are placed already.
    fn arrange(&mut self, node: usize) {
        let mut default = self.first[node];
        let mut child = default;
        while child != NONE {
            let c = child as usize;
            let middle = self.middle(c);
            match self.previous[c] {
                NONE => self.prelim[c] = middle,
                left => {
                    self.prelim[c] = self.prelim[left as usize] + SIBLINGS;
                    // A leaf has none below to move; a thread that leaves it has a modifier of its own.
                    if self.first[c] != NONE {
                        self.modifier[c] = self.prelim[c] - middle;
                    }
                }
            }
            default = self.apportion(c, default);
            child = self.next[c];
        }
        // Later siblings' shifts are spread over those between.
        let (mut shift, mut change) = (0.0, 0.0);
        let mut child = self.last[node];
        while child != NONE {
            let c = child as usize;
            self.prelim[c] += shift;
            self.modifier[c] += shift;
            change += self.change[c];
            shift += self.shift[c] + change;
            child = self.previous[c];
        }
    }

    /// The middle of a node's children; 0 for a leaf.
    fn middle(&self, node: usize) -> f32 {
        match (self.first[node], self.last[node]) {
            (NONE, _) | (_, NONE) => 0.0,
            (first, last) => (self.prelim[first as usize] + self.prelim[last as usize]) / 2.0,
        }
    }

    fn next_left(&self, node: u32) -> u32 {
        match self.first[node as usize] {
            NONE => self.thread[node as usize],
            first => first,
        }
    }

    fn next_right(&self, node: u32) -> u32 {
        match self.last[node as usize] {
            NONE => self.thread[node as usize],
            last => last,
        }
    }

    /// Moves a node's subtree away from those to its left.
    fn apportion(&mut self, node: usize, mut default: u32) -> u32 {
        let left = self.previous[node];
        if left == NONE {
            return default;
        }
        let v = node as u32;
        let leftmost = self.first[self.parent[node] as usize];
        let (mut inside_right, mut outside_right, mut inside_left, mut outside_left) = (v, v, left, leftmost);
        let mut sum_ir = self.modifier[node];
        let mut sum_or = sum_ir;
        let mut sum_il = self.modifier[left as usize];
        let mut sum_ol = self.modifier[leftmost as usize];
        while self.next_right(inside_left) != NONE && self.next_left(inside_right) != NONE {
            inside_left = self.next_right(inside_left);
            inside_right = self.next_left(inside_right);
            outside_left = self.next_left(outside_left);
            outside_right = self.next_right(outside_right);
            self.ancestor[outside_right as usize] = v;
            let (il, ir) = (inside_left as usize, inside_right as usize);
            let gap = if self.parent[il] == self.parent[ir] { SIBLINGS } else { COUSINS };
            let shift = self.prelim[il] + sum_il - (self.prelim[ir] + sum_ir) + gap;
            if shift > 0.0 {
                let source = self.ancestor[il];
                let beside = self.parent[source as usize] == self.parent[node];
                self.move_subtree(if beside { source } else { default }, node, shift);
                sum_ir += shift;
                sum_or += shift;
            }
            sum_il += self.modifier[il];
            sum_ir += self.modifier[ir];
            sum_ol += self.modifier[outside_left as usize];
            sum_or += self.modifier[outside_right as usize];
        }
        if self.next_right(inside_left) != NONE && self.next_right(outside_right) == NONE {
            self.thread[outside_right as usize] = self.next_right(inside_left);
            self.modifier[outside_right as usize] += sum_il - sum_or;
        }
        if self.next_left(inside_right) != NONE && self.next_left(outside_left) == NONE {
            self.thread[outside_left as usize] = self.next_left(inside_right);
            self.modifier[outside_left as usize] += sum_ir - sum_ol;
            default = v;
        }
        default
    }

    fn move_subtree(&mut self, from: u32, to: usize, shift: f32) {
        let from = from as usize;
        let between = self.number[to].saturating_sub(self.number[from]).max(1) as f32;
        self.change[to] -= shift / between;
        self.shift[to] += shift;
        self.change[from] += shift / between;
        self.prelim[to] += shift;
        self.modifier[to] += shift;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The distances that a tidy tree keeps, checked pair by pair within each rank.
    fn check(parents: &[u32]) -> Placed {
        let placed = place(parents);
        let mut order: Vec<usize> = (0..parents.len()).collect();
        order.sort_by(|a, b| {
            placed.rank[*a].cmp(&placed.rank[*b]).then(placed.x[*a].total_cmp(&placed.x[*b]))
        });
        for pair in order.windows(2).filter(|p| placed.rank[p[0]] == placed.rank[p[1]]) {
            let apart = placed.x[pair[1]] - placed.x[pair[0]];
            assert!(apart >= 0.999, "nodes {pair:?} are {apart} apart");
        }
        for (node, _) in parents.iter().enumerate() {
            let below: Vec<f32> =
                (0..parents.len()).filter(|c| parents[*c] as usize == node).map(|c| placed.x[c]).collect();
            if let (Some(first), Some(last)) = (below.first(), below.last()) {
                assert!((placed.x[node] - (first + last) / 2.0).abs() < 0.01, "node {node} is not centred");
            }
        }
        placed
    }

    #[test]
    fn a_fork_is_centred() {
        let placed = check(&[NONE, 0, 0]);
        assert_eq!(placed.x, [0.5, 0.0, 1.0]);
        assert_eq!(placed.rank, [0, 1, 1]);
    }

    #[test]
    fn a_forest_stands_side_by_side() {
        check(&[NONE, 0, 0, NONE, 3, 3]);
    }

    #[test]
    fn random_trees_are_tidy() {
        let mut seed = 7_u64;
        for size in [1_usize, 2, 5, 30, 200] {
            for _ in 0..40 {
                let mut parents = vec![NONE];
                for node in 1..size {
                    seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    parents.push((seed >> 33) as u32 % node as u32);
                }
                check(&preorder(&parents));
            }
        }
    }

    /// The same tree with its nodes numbered in preorder.
    fn preorder(parents: &[u32]) -> Vec<u32> {
        let mut out = Vec::new();
        let mut stack = vec![(0_usize, NONE)];
        while let Some((node, parent)) = stack.pop() {
            let number = out.len() as u32;
            out.push(parent);
            stack.extend((0..parents.len()).filter(|c| parents[*c] as usize == node).map(|c| (c, number)));
        }
        out
    }

    #[test]
    fn a_long_chain_is_a_line() {
        let parents: Vec<u32> = (0..200_000_u32).map(|n| n.wrapping_sub(1)).collect();
        let placed = place(&parents);
        assert!(placed.x.iter().all(|x| *x == 0.0));
        assert_eq!(placed.rank.last(), Some(&199_999));
    }
}
