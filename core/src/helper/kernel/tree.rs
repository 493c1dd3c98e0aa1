//! The trees that own a program's objects: red-black trees, whose nodes a program may walk.
//!
//! A root holds the address of its topmost node, 0 in an empty one. A node holds its parent's with its colour in
//! the lowest bit, the right and the left child's, and whose it is.

use super::object::give_back;
use super::{Layout, Site};
use crate::arena::{Arena, Memory};
use crate::errno::Errno;
use crate::helper::call::{Call, HelperFault};
use crate::helper::error;
use crate::isa::Size;

const PARENT: u64 = 0;
const RIGHT: u64 = 8;
const LEFT: u64 = 16;
const OWNER: u64 = 24;
const BLACK: u64 = 1;

type Answer = Result<u64, HelperFault>;
type Done = Result<(), HelperFault>;

/// A tree in memory.
struct Tree<'a, M> {
    arena: &'a mut Arena<M>,
    root: u64,
}

impl<M: Memory> Tree<'_, M> {
    fn get(&self, at: u64) -> Answer {
        Ok(self.arena.memory().load(at, Size::Dw)?)
    }
    fn set(&mut self, at: u64, value: u64) -> Done {
        Ok(self.arena.memory_mut().store(at, Size::Dw, value)?)
    }
    fn parent(&self, node: u64) -> Answer {
        Ok(self.get(node + PARENT)? & !BLACK)
    }
    /// Leaves are black.
    fn is_red(&self, node: u64) -> Result<bool, HelperFault> {
        Ok(node != 0 && self.get(node + PARENT)? & BLACK == 0)
    }
    fn paint(&mut self, node: u64, red: bool) -> Done {
        let parent = self.parent(node)?;
        self.set(node + PARENT, parent | if red { 0 } else { BLACK })
    }
    fn set_parent(&mut self, node: u64, parent: u64) -> Done {
        let colour = self.get(node + PARENT)? & BLACK;
        self.set(node + PARENT, parent | colour)
    }
    /// Puts `new` where `old` was below its parent.
    fn replace(&mut self, old: u64, new: u64) -> Done {
        let parent = self.parent(old)?;
        if parent == 0 {
            self.set(self.root, new)?;
        } else {
            let side = if self.get(parent + LEFT)? == old { LEFT } else { RIGHT };
            self.set(parent + side, new)?;
        }
        if new == 0 { Ok(()) } else { self.set_parent(new, parent) }
    }
    /// Moves a node down to one side; its child on the other side comes up.
    fn rotate(&mut self, node: u64, side: u64) -> Done {
        let other = LEFT + RIGHT - side;
        let child = self.get(node + other)?;
        let inner = self.get(child + side)?;
        self.set(node + other, inner)?;
        if inner != 0 {
            self.set_parent(inner, node)?;
        }
        self.replace(node, child)?;
        self.set(child + side, node)?;
        self.set_parent(node, child)
    }

    fn insert(&mut self, node: u64, parent: u64, side: u64) -> Done {
        for (field, value) in [(PARENT, parent), (RIGHT, 0), (LEFT, 0), (OWNER, self.root)] {
            self.set(node + field, value)?;
        }
        let place = if parent == 0 { self.root } else { parent + side };
        self.set(place, node)?;
        let mut node = node;
        loop {
            let parent = self.parent(node)?;
            if parent == 0 {
                return self.paint(node, false);
            }
            if !self.is_red(parent)? {
                return Ok(());
            }
            let grandparent = self.parent(parent)?;
            let side = if self.get(grandparent + LEFT)? == parent { LEFT } else { RIGHT };
            let other = LEFT + RIGHT - side;
            let uncle = self.get(grandparent + other)?;
            if self.is_red(uncle)? {
                self.paint(parent, false)?;
                self.paint(uncle, false)?;
                self.paint(grandparent, true)?;
                node = grandparent;
                continue;
            }
            let mut top = parent;
            if self.get(parent + other)? == node {
                self.rotate(parent, side)?;
                top = node;
            }
            self.paint(top, false)?;
            self.paint(grandparent, true)?;
            return self.rotate(grandparent, other);
        }
    }

    fn leftmost(&self, mut node: u64) -> Answer {
        while node != 0 {
            match self.get(node + LEFT)? {
                0 => break,
                left => node = left,
            }
        }
        Ok(node)
    }

    fn remove(&mut self, node: u64) -> Done {
        let (left, right) = (self.get(node + LEFT)?, self.get(node + RIGHT)?);
        let mut was_red = self.is_red(node)?;
        let (child, mut parent);
        if left == 0 || right == 0 {
            child = if left == 0 { right } else { left };
            parent = self.parent(node)?;
            self.replace(node, child)?;
        } else {
            let next = self.leftmost(right)?;
            child = self.get(next + RIGHT)?;
            was_red = self.is_red(next)?;
            parent = self.parent(next)?;
            if parent == node {
                parent = next;
            } else {
                self.replace(next, child)?;
                self.set(next + RIGHT, right)?;
                self.set_parent(right, next)?;
            }
            let red = self.is_red(node)?;
            self.replace(node, next)?;
            self.set(next + LEFT, left)?;
            self.set_parent(left, next)?;
            self.paint(next, red)?;
        }
        if !was_red {
            self.balance(child, parent)?;
        }
        for field in [PARENT, RIGHT, LEFT, OWNER] {
            self.set(node + field, 0)?;
        }
        Ok(())
    }

    /// Below `parent`, the side of `node` lacks a black node.
    fn balance(&mut self, mut node: u64, mut parent: u64) -> Done {
        while parent != 0 && !self.is_red(node)? {
            let side = if self.get(parent + LEFT)? == node { LEFT } else { RIGHT };
            let other = LEFT + RIGHT - side;
            let mut sibling = self.get(parent + other)?;
            if self.is_red(sibling)? {
                self.paint(sibling, false)?;
                self.paint(parent, true)?;
                self.rotate(parent, side)?;
                sibling = self.get(parent + other)?;
            }
            let (near, far) = (self.get(sibling + side)?, self.get(sibling + other)?);
            if !self.is_red(near)? && !self.is_red(far)? {
                self.paint(sibling, true)?;
                node = parent;
                parent = self.parent(node)?;
                continue;
            }
            if !self.is_red(far)? {
                self.paint(near, false)?;
                self.paint(sibling, true)?;
                self.rotate(sibling, other)?;
                sibling = near;
            }
            let red = self.is_red(parent)?;
            self.paint(sibling, red)?;
            self.paint(parent, false)?;
            let far = self.get(sibling + other)?;
            self.paint(far, false)?;
            self.rotate(parent, side)?;
            return Ok(());
        }
        if node == 0 { Ok(()) } else { self.paint(node, false) }
    }
}

fn tree<'a, M: Memory>(call: &'a mut Call<M>) -> Tree<'a, M> {
    Tree { root: call.args[0], arena: &mut call.resources.arena }
}

/// What `bpf_rbtree_add_impl` does first: the topmost node to compare with, or what it returns.
pub fn begin_add<M: Memory>(call: &mut Call<M>, layout: &Layout) -> Result<Result<u64, u64>, HelperFault> {
    let node = call.args[1];
    let mut tree = tree(call);
    if tree.get(node + OWNER)? != 0 {
        // It is in a tree already: the reference that was given goes.
        give_back(call, node - u64::from(layout.node), layout)?;
        return Ok(Err(u64::from(error(Errno::EINVAL) as u32)));
    }
    match tree.get(tree.root)? {
        0 => tree.insert(node, 0, LEFT).map(|()| Err(0)),
        top => Ok(Ok(top)),
    }
}

/// After a comparison with `with`: the next node to compare with, or `None` where the new one is in its place.
pub fn continue_add<M: Memory>(
    call: &mut Call<M>,
    with: u64,
    less: bool,
) -> Result<Option<u64>, HelperFault> {
    let node = call.args[1];
    let mut tree = tree(call);
    let side = if less { LEFT } else { RIGHT };
    match tree.get(with + side)? {
        0 => tree.insert(node, with, side).map(|()| None),
        child => Ok(Some(child)),
    }
}

/// `struct bpf_rb_node *bpf_rbtree_remove(root, node)`: null where it is in another tree, or in none.
pub fn remove<M: Memory>(call: &mut Call<M>, _: &Site) -> Answer {
    let node = call.args[1];
    let mut tree = tree(call);
    if tree.get(node + OWNER)? != tree.root {
        return Ok(0);
    }
    tree.remove(node)?;
    Ok(node)
}

/// `struct bpf_rb_node *bpf_rbtree_first(root)`
pub fn first<M: Memory>(call: &mut Call<M>, _: &Site) -> Answer {
    let tree = tree(call);
    tree.leftmost(tree.get(tree.root)?)
}

/// `struct bpf_rb_node *bpf_rbtree_root(root)`
pub fn top<M: Memory>(call: &mut Call<M>, _: &Site) -> Answer {
    let tree = tree(call);
    tree.get(tree.root)
}

fn child<M: Memory>(call: &mut Call<M>, side: u64) -> Answer {
    let node = call.args[1];
    let tree = tree(call);
    if tree.get(node + OWNER)? == tree.root { tree.get(node + side) } else { Ok(0) }
}

/// `struct bpf_rb_node *bpf_rbtree_left(root, node)`
pub fn left<M: Memory>(call: &mut Call<M>, _: &Site) -> Answer {
    child(call, LEFT)
}

/// `struct bpf_rb_node *bpf_rbtree_right(root, node)`
pub fn right<M: Memory>(call: &mut Call<M>, _: &Site) -> Answer {
    child(call, RIGHT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::{ObjectKind, VecMemory};

    /// Nodes in order, no red one below a red one, as many black ones on every way down.
    fn check(tree: &Tree<VecMemory>, node: u64, parent: u64, seen: &mut alloc::vec::Vec<u64>) -> usize {
        if node == 0 {
            return 0;
        }
        let red = tree.is_red(node).unwrap();
        assert_eq!(tree.parent(node), Ok(parent));
        assert!(!(red && tree.is_red(parent).unwrap()));
        let left = check(tree, tree.get(node + LEFT).unwrap(), node, seen);
        seen.push(node);
        let right = check(tree, tree.get(node + RIGHT).unwrap(), node, seen);
        assert_eq!(left, right);
        left + usize::from(!red)
    }

    #[test]
    fn trees_stay_in_order_and_balanced() {
        let mut arena = Arena::new(VecMemory::new(1 << 16));
        let object = arena.allocate(16 + 64 * 32, 8, ObjectKind::Buffer, true).unwrap();
        let root = u64::from(object.address);
        let mut tree = Tree { arena: &mut arena, root };
        let mut random = crate::resources::Random::new(7);
        let mut inside = alloc::collections::BTreeSet::new();
        for _ in 0..2000 {
            let node = root + 16 + 32 * u64::from(random.next_u32() % 64);
            if inside.remove(&node) {
                tree.remove(node).unwrap();
            } else {
                let (mut parent, mut side, mut at) = (0, LEFT, tree.get(root).unwrap());
                while at != 0 {
                    (parent, side) = (at, if node < at { LEFT } else { RIGHT });
                    at = tree.get(at + side).unwrap();
                }
                tree.insert(node, parent, side).unwrap();
                inside.insert(node);
            }
            let mut seen = alloc::vec::Vec::new();
            check(&tree, tree.get(root).unwrap(), 0, &mut seen);
            assert!(seen.iter().eq(inside.iter()));
        }
    }
}
