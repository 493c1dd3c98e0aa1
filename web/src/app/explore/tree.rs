//! Draws the exploration tree.
//!
//! Nodes out of view are skipped: those of a rank stand in order, so that what is in view is found by halving.
//! What is too small for text is drawn as a pill, then as a dot, and many dots on one spot as one.

use super::canvas::Scene;
use super::sheet::{Bounds, Point, Sheet};
use crate::protocol::{NONE, NodeKind, Tree};
use std::rc::Rc;
use web_sys::CanvasRenderingContext2d;

/// Width of a node's column, in CSS pixels at zoom 1.
const COLUMN: f64 = 176.0;
/// Height of a rank.
const RANK: f64 = 84.0;
const WIDTH: f64 = 148.0;
const HEIGHT: f64 = 40.0;
/// The zoom below which nodes are dots.
const DOTS: f64 = 0.16;

/// The nodes of each rank that are shown, from left to right.
pub struct Ranks(Vec<Vec<u32>>);

impl Ranks {
    /// Of a tree.
    pub fn of(tree: &Tree) -> Ranks {
        let mut ranks = vec![Vec::new(); tree.depth as usize + 1];
        for node in (0..tree.len()).filter(|node| tree.shows(*node)) {
            if let Some(rank) = ranks.get_mut(tree.rank[node] as usize) {
                rank.push(node as u32);
            }
        }
        Ranks(ranks)
    }
}

/// A line from the selection to another node.
#[derive(Clone, PartialEq, Debug)]
pub struct Thread {
    /// The nodes that it goes through.
    pub through: Vec<u32>,
    /// What it is about.
    pub label: String,
}

/// The tree and what is marked in it.
#[derive(Clone)]
pub struct TreeScene {
    /// The tree.
    pub tree: Rc<Tree>,
    /// Its nodes by rank.
    pub ranks: Rc<Ranks>,
    /// A phrase for the edge above each node; empty where there is none.
    pub labels: Rc<Vec<String>>,
    /// The selected node.
    pub selected: Option<usize>,
    /// Whether each node is on the path from the root to the selected one.
    pub path: Rc<Vec<bool>>,
    /// Nodes that the concrete run went through.
    pub run: Rc<Vec<u32>>,
    /// Nodes that were searched for, ascending.
    pub hits: Rc<Vec<u32>>,
    /// Nodes with a number: the steps of the causal path.
    pub causes: Rc<Vec<(u32, String)>>,
    /// Lines of precision and of prunes in vain.
    pub threads: Rc<Vec<Thread>>,
}

impl PartialEq for TreeScene {
    fn eq(&self, other: &TreeScene) -> bool {
        self.same_world(other)
            && self.selected == other.selected
            && Rc::ptr_eq(&self.labels, &other.labels)
            && Rc::ptr_eq(&self.run, &other.run)
            && Rc::ptr_eq(&self.hits, &other.hits)
            && Rc::ptr_eq(&self.causes, &other.causes)
            && self.threads == other.threads
    }
}

fn world(tree: &Tree, node: usize) -> Point {
    (f64::from(tree.x[node]) * COLUMN, f64::from(tree.rank[node]) * RANK)
}

/// Which nodes from the root to a node are on its path.
pub fn path(tree: &Tree, selected: Option<usize>) -> Vec<bool> {
    let mut on = vec![false; tree.len()];
    if let Some(node) = selected.filter(|node| *node < tree.len()) {
        tree.path(node).into_iter().for_each(|node| on[node] = true);
    }
    on
}

impl Scene for TreeScene {
    fn same_world(&self, other: &TreeScene) -> bool {
        Rc::ptr_eq(&self.tree, &other.tree)
    }

    fn bounds(&self) -> Bounds {
        let right = f64::from(self.tree.width) * COLUMN + WIDTH / 2.0;
        (-WIDTH / 2.0, -HEIGHT / 2.0, right, f64::from(self.tree.depth) * RANK + HEIGHT / 2.0 + 28.0)
    }

    fn focus(&self) -> Option<Point> {
        let node = self.selected.filter(|node| *node < self.tree.len())?;
        Some(world(&self.tree, self.tree.shown_for(node)))
    }

    fn paint(&self, sheet: &Sheet) {
        self.edges(sheet);
        if sheet.zoom() >= DOTS {
            self.links(sheet);
            self.nodes(sheet);
            self.threads(sheet);
        } else {
            self.dots(sheet);
        }
    }

    fn hit(&self, sheet: &Sheet, at: Point) -> Option<usize> {
        let zoom = sheet.zoom();
        let reach = ((WIDTH / 2.0 * zoom).max(7.0), (HEIGHT / 2.0 * zoom).max(7.0));
        let (x, y) = sheet.world(at);
        let (dx, dy) = (reach.0 / zoom, reach.1 / zoom);
        let part = (x - dx, y - dy, x + dx, y + dy);
        let distance = |node: usize| {
            let at = world(&self.tree, node);
            (at.0 - x).powi(2) + (at.1 - y).powi(2)
        };
        self.within(part, 0.0).min_by(|a, b| distance(*a).total_cmp(&distance(*b)))
    }

    fn paint_overview(&self, sheet: &Sheet, on: &CanvasRenderingContext2d, zoom: f64, offset: Point) {
        let side = (HEIGHT * zoom).clamp(1.0, 5.0);
        for kinds in [
            &[NodeKind::Fork, NodeKind::Checkpoint][..],
            &[NodeKind::Pruned, NodeKind::Loop, NodeKind::Open, NodeKind::Barrier],
            &[NodeKind::Exit, NodeKind::Error],
        ] {
            for node in (0..self.tree.len()).filter(|node| self.tree.shows(*node)) {
                let kind = self.tree.kind[node];
                if !kinds.contains(&kind) {
                    continue;
                }
                let at = world(&self.tree, node);
                on.set_fill_style_str(sheet.palette.of(kind));
                on.fill_rect(
                    at.0 * zoom + offset.0 - side,
                    at.1 * zoom + offset.1 - side / 2.0,
                    side * 2.0,
                    side,
                );
            }
        }
    }
}

impl TreeScene {
    /// The shown nodes whose middles are in a part of the world, or at most `more` beside it.
    fn within(&self, part: Bounds, more: f64) -> impl Iterator<Item = usize> {
        let rank = |y: f64| (y / RANK).clamp(0.0, self.ranks.0.len() as f64);
        let from = rank(part.1 - more).ceil() as usize;
        let to = (rank(part.3 + more).floor() as usize + 1).min(self.ranks.0.len());
        let x = |node: &u32| f64::from(self.tree.x[*node as usize]) * COLUMN;
        self.ranks.0[from.min(to)..to].iter().flat_map(move |rank| {
            let begin = rank.partition_point(|node| x(node) < part.0 - more);
            let end = rank.partition_point(|node| x(node) <= part.2 + more);
            rank[begin..end.max(begin)].iter().map(|node| *node as usize)
        })
    }

    /// The shown nodes whose edges from above cross a part of the world.
    fn edges_within(&self, part: Bounds) -> impl Iterator<Item = usize> {
        let from = (part.1 / RANK).floor().max(1.0) as usize;
        let to = ((part.3 / RANK).ceil().max(0.0) as usize + 1).min(self.ranks.0.len());
        let x = |node: u32| f64::from(self.tree.x[node as usize]) * COLUMN;
        let ends = move |node: &u32| {
            let parent = self.tree.parent[*node as usize];
            let above = if parent == NONE { x(*node) } else { x(parent) };
            (above.min(x(*node)), above.max(x(*node)))
        };
        // In a tidy tree edges do not cross: both ends go to the right together.
        self.ranks.0[from.min(to)..to].iter().flat_map(move |rank| {
            let begin = rank.partition_point(|node| ends(node).1 < part.0);
            let end = rank.partition_point(|node| ends(node).0 <= part.2);
            rank[begin..end.max(begin)].iter().map(|node| *node as usize)
        })
    }

    /// The lines between nodes: first all, then the path in honey over them.
    fn edges(&self, sheet: &Sheet) {
        let (tree, c, zoom) = (&self.tree, &sheet.context, sheet.zoom());
        let half = HEIGHT / 2.0 * zoom;
        let small = zoom < DOTS;
        let seen = sheet.seen();
        // Where ranks are nearly on each other, lines between them say nothing.
        let plain = RANK * zoom >= 7.0;
        let columns = sheet.size().0 as usize / 2 + 2;
        let mut spots = vec![false; columns];
        let mut rank = 0;
        for path in [false, true] {
            if !path && !plain {
                continue;
            }
            c.begin_path();
            for node in self.edges_within(seen) {
                let parent = tree.parent[node];
                if parent == NONE || self.path.get(node).copied().unwrap_or(false) != path {
                    continue;
                }
                let to = sheet.screen(world(tree, node));
                let from = sheet.screen(world(tree, parent as usize));
                if small && !path {
                    if tree.rank[node] != rank {
                        rank = tree.rank[node];
                        spots.fill(false);
                    }
                    let spot = (to.0.max(0.0) / 2.0) as usize;
                    if spots.get(spot).is_none_or(|taken| *taken) {
                        continue;
                    }
                    spots[spot] = true;
                }
                let (top, bottom) = (from.1 + half, to.1 - half);
                c.move_to(from.0, top);
                if small {
                    c.line_to(to.0, bottom);
                } else {
                    let bend = (bottom - top) * 0.55;
                    c.bezier_curve_to(from.0, top + bend, to.0, bottom - bend, to.0, bottom);
                }
            }
            c.set_stroke_style_str(if path { &sheet.palette.honey } else { &sheet.palette.edge });
            c.set_line_width(if path { 2.0 } else { 1.0 });
            c.stroke();
        }
        if zoom < 0.5 {
            return;
        }
        c.set_font(&sheet.palette.mono(11.0 * zoom.min(1.1)));
        c.set_text_align("center");
        c.set_text_baseline("middle");
        for node in self.within(seen, COLUMN) {
            let (parent, label) = (tree.parent[node], self.labels.get(node).map_or("", |l| l.as_str()));
            if parent == NONE || label.is_empty() {
                continue;
            }
            let to = sheet.screen(world(tree, node));
            let from = sheet.screen(world(tree, parent as usize));
            let at = (to.0 * 0.8 + from.0 * 0.2, to.1 - half - 16.0 * zoom);
            let width = c.measure_text(label).map_or(0.0, |m| m.width()) + 8.0;
            c.set_fill_style_str(&sheet.palette.pane);
            c.fill_rect(at.0 - width / 2.0, at.1 - 8.0 * zoom, width, 16.0 * zoom);
            let on_path = self.path.get(node).copied().unwrap_or(false);
            c.set_fill_style_str(if on_path { &sheet.palette.text } else { &sheet.palette.muted });
            let _ = c.fill_text(label, at.0, at.1);
        }
    }

    /// Prunes as dashes to a diamond, loops as dots back up; those of the selection in full.
    fn links(&self, sheet: &Sheet) {
        let (tree, c, zoom) = (&self.tree, &sheet.context, sheet.zoom());
        c.set_line_width(1.0);
        let chosen = self.selected.filter(|node| *node < tree.len() && tree.shows(*node));
        for node in self.within(sheet.seen(), RANK).chain(chosen) {
            let kind = tree.kind[node];
            if !matches!(kind, NodeKind::Pruned | NodeKind::Loop) {
                continue;
            }
            let at = sheet.screen(world(tree, node));
            let chosen = chosen == Some(node);
            let (top, tip) = (at.1 + HEIGHT / 2.0 * zoom, at.1 + (HEIGHT / 2.0 + 20.0) * zoom);
            sheet.dash(if kind == NodeKind::Loop { &[1.5, 3.0] } else { &[4.0, 3.0] });
            c.set_stroke_style_str(if chosen { &sheet.palette.honey } else { &sheet.palette.muted });
            c.begin_path();
            c.move_to(at.0, top);
            c.line_to(at.0, tip);
            if chosen && let Some(by) = tree.by.get(node).filter(|by| (**by as usize) < tree.len()) {
                let to = sheet.screen(world(tree, tree.shown_for(*by as usize)));
                let side = if to.0 <= at.0 { -1.0 } else { 1.0 };
                let edge = (to.0 - side * WIDTH / 2.0 * zoom, to.1);
                let swing = 80.0 * zoom;
                c.move_to(at.0, tip + 6.0 * zoom);
                c.bezier_curve_to(at.0, tip + swing, edge.0 - side * swing, edge.1, edge.0, edge.1);
            }
            c.stroke();
            sheet.dash(&[]);
            let r = 5.0 * zoom;
            c.begin_path();
            c.move_to(at.0, tip - r);
            c.line_to(at.0 + r, tip);
            c.line_to(at.0, tip + r);
            c.line_to(at.0 - r, tip);
            c.close_path();
            c.set_fill_style_str(&sheet.palette.pane);
            c.fill();
            c.stroke();
        }
    }

    fn nodes(&self, sheet: &Sheet) {
        let zoom = sheet.zoom();
        sheet.context.set_text_baseline("middle");
        for node in self.within(sheet.seen(), COLUMN) {
            self.node(sheet, node, sheet.screen(world(&self.tree, node)), zoom);
        }
    }

    fn node(&self, sheet: &Sheet, node: usize, at: Point, zoom: f64) {
        let (tree, c, palette) = (&self.tree, &sheet.context, &sheet.palette);
        let (wide, high) = (WIDTH * zoom, HEIGHT * zoom);
        let text = zoom >= 0.45;
        let chosen = self.selected.is_some_and(|selected| tree.shown_for(selected) == node);
        let on_path = self.path.get(node).copied().unwrap_or(false);
        let colour = palette.of(tree.kind[node]);
        let (left, top) = (at.0 - wide / 2.0, at.1 - high / 2.0);
        if tree.is_folded(node) {
            // A second sheet behind: there is more.
            c.begin_path();
            let _ = c.round_rect_with_f64(left + 4.0 * zoom, top + 5.0 * zoom, wide, high, 4.0 * zoom);
            c.set_fill_style_str(&palette.pane);
            c.fill();
            c.set_stroke_style_str(&palette.edge);
            c.set_line_width(1.0);
            c.stroke();
        }
        c.begin_path();
        let _ = c.round_rect_with_f64(left, top, wide, high, 4.0 * zoom);
        c.set_fill_style_str(match tree.kind[node] {
            NodeKind::Error => &palette.error_soft,
            NodeKind::Exit => &palette.good_soft,
            _ => &palette.pane,
        });
        c.fill();
        let strong = matches!(tree.kind[node], NodeKind::Error | NodeKind::Exit);
        c.set_stroke_style_str(if chosen || on_path {
            &palette.honey
        } else if strong {
            colour
        } else {
            &palette.edge
        });
        c.set_line_width(if chosen {
            2.5
        } else if on_path {
            1.5
        } else {
            1.0
        });
        c.stroke();
        if self.run.contains(&(node as u32)) {
            // The concrete run: a bar at the side, in the text's colour.
            c.set_fill_style_str(&palette.text);
            c.fill_rect(left - 5.0 * zoom, top + 4.0 * zoom, 2.5 * zoom, high - 8.0 * zoom);
        }
        if self.hits.binary_search(&(node as u32)).is_ok() {
            // What was searched for: a frame around.
            sheet.dash(&[3.0, 2.0]);
            c.set_stroke_style_str(&palette.text);
            c.set_line_width(1.5);
            c.stroke_rect(left - 4.0, top - 4.0, wide + 8.0, high + 8.0);
            sheet.dash(&[]);
        }
        if tree.kept[node] {
            c.set_fill_style_str(&palette.muted);
            c.fill_rect(left + 8.0 * zoom, top - 3.0 * zoom, 14.0 * zoom, 5.0 * zoom);
        }
        c.set_text_align("center");
        let glyph_x = if text { left + 14.0 * zoom } else { at.0 };
        c.set_fill_style_str(colour);
        c.set_font(&palette.sans(if text { 13.0 * zoom } else { (20.0 * zoom).max(7.0) }, true));
        let _ = c.fill_text(glyph(tree.kind[node]), glyph_x, at.1);
        if !text {
            return;
        }
        c.set_text_align("left");
        c.set_fill_style_str(&palette.text);
        c.set_font(&palette.mono(12.5 * zoom));
        let _ = c.fill_text(&slots(tree, node), left + 28.0 * zoom, at.1 - 8.0 * zoom);
        c.set_fill_style_str(&palette.muted);
        c.set_font(&palette.sans(11.0 * zoom, false));
        let caption = match tree.is_folded(node) {
            true => format!("+ {} folded", tree.end(node) - node - 1),
            false => caption(tree, node),
        };
        let _ = c.fill_text(&caption, left + 28.0 * zoom, at.1 + 9.0 * zoom);
        for (place, (_, number)) in self.causes.iter().filter(|cause| cause.0 as usize == node).enumerate() {
            badge(sheet, (left + wide - place as f64 * 18.0 * zoom, top), number);
        }
    }

    /// Thin lines up through the nodes that made what the selection relies on, and to states that were tried.
    fn threads(&self, sheet: &Sheet) {
        let (tree, c, zoom) = (&self.tree, &sheet.context, sheet.zoom());
        for (number, thread) in self.threads.iter().enumerate() {
            let mut nodes: Vec<usize> =
                thread.through.iter().map(|n| *n as usize).filter(|n| *n < tree.len()).collect();
            nodes.iter_mut().for_each(|node| *node = tree.shown_for(*node));
            nodes.dedup();
            let aside = WIDTH / 2.0 + 6.0 + number as f64 * 6.0;
            let at = |node: usize| {
                let at = world(tree, node);
                sheet.screen((at.0 + aside, at.1))
            };
            c.begin_path();
            c.set_stroke_style_str(&sheet.palette.scalar);
            c.set_fill_style_str(&sheet.palette.scalar);
            c.set_line_width(1.0);
            for pair in nodes.windows(2) {
                let (from, to) = (at(pair[0]), at(pair[1]));
                c.move_to(from.0, from.1);
                let bulge = 18.0 * zoom;
                c.bezier_curve_to(from.0 + bulge, from.1, to.0 + bulge, to.1, to.0, to.1);
            }
            c.stroke();
            for node in &nodes {
                let at = at(*node);
                c.begin_path();
                let _ = c.arc(at.0, at.1, 2.5, 0.0, std::f64::consts::TAU);
                c.fill();
            }
            if let Some(last) = nodes.last().filter(|_| zoom >= 0.45) {
                let at = at(*last);
                c.set_font(&sheet.palette.mono(11.0 * zoom));
                c.set_text_align("left");
                let _ = c.fill_text(&thread.label, at.0 + 6.0, at.1);
            }
        }
    }

    /// Many nodes on few pixels: a bitmap remembers which spots are taken.
    fn dots(&self, sheet: &Sheet) {
        let (tree, c, zoom) = (&self.tree, &sheet.context, sheet.zoom());
        let side = (HEIGHT * zoom).clamp(2.0, 6.0);
        let columns = (sheet.size().0 / side) as usize + 2;
        let rows = (sheet.size().1 / side) as usize + 2;
        // What stands out wins a spot.
        let weight = |kind: NodeKind| match kind {
            NodeKind::Checkpoint => 1,
            NodeKind::Fork => 2,
            NodeKind::Open => 3,
            NodeKind::Pruned | NodeKind::Loop | NodeKind::Barrier => 4,
            NodeKind::Exit => 5,
            NodeKind::Error => 6,
        };
        let mut spots: Vec<u8> = vec![0; columns * rows];
        for node in self.within(sheet.seen(), 0.0) {
            let at = sheet.screen(world(tree, node));
            let (x, y) = ((at.0.max(0.0) / side) as usize, (at.1.max(0.0) / side) as usize);
            if let Some(spot) = spots.get_mut(y.min(rows - 1) * columns + x.min(columns - 1)) {
                *spot = (*spot).max(weight(tree.kind[node]));
            }
        }
        let paints =
            [(1..=4, &sheet.palette.muted), (5..=5, &sheet.palette.good), (6..=6, &sheet.palette.error)];
        for (weights, colour) in paints {
            c.set_fill_style_str(colour);
            for (at, _) in spots.iter().enumerate().filter(|(_, spot)| weights.contains(*spot)) {
                let gap = if side > 3.0 { 1.0 } else { 0.0 };
                c.fill_rect(
                    (at % columns) as f64 * side,
                    (at / columns) as f64 * side,
                    side - gap,
                    side - gap,
                );
            }
        }
        let mark = |node: usize, more: f64| {
            let at = sheet.screen(world(tree, node));
            let side = side + more;
            c.fill_rect(at.0 - side / 2.0, at.1 - side / 2.0, side, side);
        };
        c.set_fill_style_str(&sheet.palette.text);
        for node in self.hits.iter().map(|node| *node as usize).filter(|n| *n < tree.len() && tree.shows(*n))
        {
            if sheet.shows((
                world(tree, node).0,
                world(tree, node).1,
                world(tree, node).0,
                world(tree, node).1,
            )) {
                mark(node, 2.0);
            }
        }
        c.set_fill_style_str(&sheet.palette.honey);
        if let Some(node) = self.selected.filter(|node| *node < tree.len()) {
            let node = tree.shown_for(node);
            tree.path(node).into_iter().for_each(|node| mark(node, 0.0));
            mark(node, 4.0);
        }
    }
}

/// A number in a circle: a step of the causal path.
pub fn badge(sheet: &Sheet, at: Point, number: &str) {
    let (c, zoom) = (&sheet.context, sheet.zoom());
    c.begin_path();
    let _ = c.arc(at.0, at.1, 8.0 * zoom, 0.0, std::f64::consts::TAU);
    c.set_fill_style_str(&sheet.palette.error);
    c.fill();
    c.set_fill_style_str(&sheet.palette.pane);
    c.set_font(&sheet.palette.sans(10.0 * zoom, true));
    c.set_text_align("center");
    c.set_text_baseline("middle");
    let _ = c.fill_text(number, at.0, at.1 + 0.5);
}

/// A mark for how a node ended.
pub fn glyph(kind: NodeKind) -> &'static str {
    match kind {
        NodeKind::Fork => "∧",
        NodeKind::Checkpoint => "▪",
        NodeKind::Pruned => "◇",
        NodeKind::Loop => "↺",
        NodeKind::Exit => "✓",
        NodeKind::Barrier => "⊣",
        NodeKind::Error => "✕",
        NodeKind::Open => "…",
    }
}

/// Which slots a node walked.
pub fn slots(tree: &Tree, node: usize) -> String {
    match tree.len[node] {
        0 => format!("before {}", tree.pc[node]),
        1 => format!("{}", tree.pc[node]),
        _ => format!("{} → {}", tree.pc[node], tree.last_pc[node]),
    }
}

/// How long a node is and how it ended.
pub fn caption(tree: &Tree, node: usize) -> String {
    let end = match tree.kind[node] {
        NodeKind::Fork => "forks",
        NodeKind::Checkpoint => "state kept",
        NodeKind::Pruned => "pruned",
        NodeKind::Loop => "loops",
        NodeKind::Exit => "exit",
        NodeKind::Barrier => "guess ends",
        NodeKind::Error => "rejected",
        NodeKind::Open => "not finished",
    };
    match tree.len[node] {
        0 if tree.kind[node] == NodeKind::Open => "not walked".into(),
        0 => end.into(),
        1 => format!("1 step, {end}"),
        len => format!("{len} steps, {end}"),
    }
}
