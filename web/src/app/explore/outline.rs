//! The exploration as a list: an ARIA tree in step with the drawing.

use super::tree::{caption, glyph, slots};
use crate::protocol::{NONE, NodeKind, Tree};
use yew::prelude::*;

/// A node's row.
pub fn row(
    tree: &Tree,
    labels: &[String],
    node: usize,
    selected: bool,
    hit: bool,
    pick: &Callback<usize>,
) -> Html {
    // Chains of kept states are not deeper: a level is a fork.
    let level = fork_level(tree, node);
    let kind = tree.kind[node];
    let class = match kind {
        NodeKind::Exit => "good",
        NodeKind::Error => "bad",
        _ => "",
    };
    let siblings = match tree.parent[node] {
        NONE => Vec::new(),
        parent => tree.children(parent as usize),
    };
    let place = siblings.iter().position(|s| *s == node).map_or(1, |p| p + 1);
    let pick = pick.clone();
    let onclick = Callback::from(move |_: MouseEvent| pick.emit(node));
    let label = labels.get(node).cloned().unwrap_or_default();
    let indent = "│ ".repeat(level.min(10));
    let folded = tree.is_folded(node);
    let expanded = tree.has_children(node).then(|| (!folded).to_string());
    html! {
        <div key={node} id={format!("node-{node}")} role="treeitem" class={classes!("row", selected.then_some("selected"), hit.then_some("hit"))}
            aria-level={(level + 1).to_string()} aria-setsize={siblings.len().max(1).to_string()}
            aria-posinset={place.to_string()} aria-selected={selected.to_string()} aria-expanded={expanded} {onclick}>
            <span class="indent" aria-hidden="true">{ indent }</span>
            <span class={classes!("glyph", class)} aria-hidden="true">{ glyph(kind) }</span>
            <span class="mono">{ slots(tree, node) }</span>
            <span class="when mono">{ label }</span>
            <span class="muted">{ caption(tree, node) }{
                if folded { format!(", {} folded", tree.end(node) - node - 1) } else { String::new() }
            }</span>
        </div>
    }
}

fn fork_level(tree: &Tree, node: usize) -> usize {
    let mut level = 0;
    let mut at = node;
    while tree.parent[at] != NONE {
        at = tree.parent[at] as usize;
        if tree.kind[at] == NodeKind::Fork {
            level += 1;
        }
        if level > 64 {
            break;
        }
    }
    level
}

/// How many paths there are, and how many were cut short.
pub fn counts(tree: &Tree) -> String {
    let count = |kinds: &[NodeKind]| tree.kind.iter().filter(|kind| kinds.contains(kind)).count();
    let leaves = count(&[
        NodeKind::Exit,
        NodeKind::Barrier,
        NodeKind::Error,
        NodeKind::Pruned,
        NodeKind::Loop,
        NodeKind::Open,
    ]);
    let pruned = count(&[NodeKind::Pruned, NodeKind::Loop]);
    let mut out = super::plural(leaves, "path");
    if pruned > 0 {
        out += &format!(", {pruned} pruned");
    }
    out
}
