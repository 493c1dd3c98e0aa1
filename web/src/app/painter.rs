//! Draws the exploration tree: one imperative painter that owns the canvas.
//!
//! Nodes out of view are skipped; what is too small for text is drawn as a pill, then as a dot, and many
//! dots on one spot as one.

use super::palette::Palette;
use crate::protocol::{NONE, NodeKind, Tree};
use std::rc::Rc;
use wasm_bindgen::JsCast;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement};

/// Width of a node's column, in CSS pixels at zoom 1.
const COLUMN: f64 = 176.0;
/// Height of a rank.
const RANK: f64 = 84.0;
const WIDTH: f64 = 148.0;
const HEIGHT: f64 = 40.0;
/// The zoom that a tree is opened with where all of it would be too small to read.
const LEGIBLE: f64 = 0.9;
/// Milliseconds that a pan to the selection takes.
const PAN: f64 = 120.0;

/// Where the canvas looks: screen = world * zoom + offset.
#[derive(Clone, Copy, PartialEq, Debug)]
struct View {
    zoom: f64,
    x: f64,
    y: f64,
}

/// What is drawn.
#[derive(Clone, PartialEq)]
pub struct Scene {
    /// The tree.
    pub tree: Rc<Tree>,
    /// A phrase for the edge above each node; empty where there is none.
    pub labels: Rc<Vec<String>>,
    /// The selected node.
    pub selected: Option<usize>,
    /// Nodes that the concrete run went through.
    pub run: Rc<Vec<u32>>,
}

/// The painter.
pub struct Painter {
    canvas: HtmlCanvasElement,
    context: CanvasRenderingContext2d,
    palette: Palette,
    scene: Option<Scene>,
    view: View,
    /// Where a pan that is under way began, where it goes, and when it began.
    pan: Option<(View, View, f64)>,
    /// Nodes from the root to the selected one.
    path: Vec<bool>,
    size: (f64, f64),
    still: bool,
}

impl Painter {
    /// A painter on a canvas; `still` for no motion.
    pub fn new(canvas: HtmlCanvasElement, still: bool) -> Option<Painter> {
        let context = canvas.get_context("2d").ok()??.dyn_into().ok()?;
        let palette = Palette::read(&canvas);
        let view = View { zoom: 1.0, x: 0.0, y: 0.0 };
        Some(Painter {
            canvas,
            context,
            palette,
            scene: None,
            view,
            pan: None,
            path: Vec::new(),
            size: (0.0, 0.0),
            still,
        })
    }

    /// Takes a scene; a new tree is brought to fit.
    pub fn show(&mut self, scene: Scene, now: f64) {
        let fresh = self.scene.as_ref().is_none_or(|old| !Rc::ptr_eq(&old.tree, &scene.tree));
        let moved = self.scene.as_ref().is_none_or(|old| old.selected != scene.selected);
        self.path = vec![false; scene.tree.len()];
        if let Some(node) = scene.selected.filter(|node| *node < scene.tree.len()) {
            for node in scene.tree.path(node) {
                self.path[node] = true;
            }
        }
        self.scene = Some(scene);
        if fresh {
            self.resize();
            self.fit();
        } else if moved {
            self.follow(now);
        }
    }

    /// Reads the colours again.
    pub fn recolour(&mut self) {
        self.palette = Palette::read(&self.canvas);
    }

    /// Takes over the element's size.
    pub fn resize(&mut self) -> bool {
        let size = (f64::from(self.canvas.client_width()), f64::from(self.canvas.client_height()));
        let scale = web_sys::window().map_or(1.0, |w| w.device_pixel_ratio());
        let pixels = ((size.0 * scale) as u32, (size.1 * scale) as u32);
        if pixels != (self.canvas.width(), self.canvas.height()) {
            self.canvas.set_width(pixels.0);
            self.canvas.set_height(pixels.1);
        }
        let before = std::mem::replace(&mut self.size, size);
        if before.0 <= 0.0 && size.0 > 0.0 {
            self.fit();
        }
        before != size
    }

    /// Brings the whole tree into view, or its upper part where it would be too small to read, with the
    /// selection in view.
    pub fn fit(&mut self) {
        let Some(scene) = &self.scene else { return };
        let (wide, high) = self.size;
        if wide <= 0.0 || scene.tree.is_empty() {
            return;
        }
        let tree = &scene.tree;
        let world = (f64::from(tree.width) * COLUMN + WIDTH, f64::from(tree.depth) * RANK + HEIGHT + 56.0);
        let zoom = ((wide - 32.0) / world.0).min((high - 32.0) / world.1).clamp(0.02, 1.0);
        self.pan = None;
        self.view = View {
            zoom,
            x: wide / 2.0 - (f64::from(tree.width) * COLUMN / 2.0) * zoom,
            y: 16.0 + HEIGHT / 2.0 * zoom + 8.0,
        };
    }

    /// Fits, but stays legible: used where a tree is first shown. What does not fit is brought in from the
    /// selected node on: a root stands at the top, another node where its neighbours can be seen.
    pub fn open(&mut self) {
        self.fit();
        let Some(scene) = self.scene.clone().filter(|_| self.view.zoom < LEGIBLE) else { return };
        let node = scene.selected.filter(|node| *node < scene.tree.len()).unwrap_or(0);
        if scene.tree.is_empty() {
            return;
        }
        self.view.zoom = LEGIBLE;
        let world = Painter::world(&scene.tree, node);
        let top = 8.0 + HEIGHT / 2.0 * LEGIBLE;
        let y = (top + world.1 * LEGIBLE).min(self.size.1 * 0.6);
        self.view.x = self.size.0 / 2.0 - world.0 * LEGIBLE;
        self.view.y = y - world.1 * LEGIBLE;
    }

    fn world(tree: &Tree, node: usize) -> (f64, f64) {
        (f64::from(tree.x[node]) * COLUMN, f64::from(tree.rank[node]) * RANK)
    }

    fn screen(&self, world: (f64, f64)) -> (f64, f64) {
        (world.0 * self.view.zoom + self.view.x, world.1 * self.view.zoom + self.view.y)
    }

    /// Pans until the selected node is in view.
    fn follow(&mut self, now: f64) {
        let Some(scene) = &self.scene else { return };
        let Some(node) = scene.selected.filter(|node| *node < scene.tree.len()) else { return };
        let at = self.screen(Painter::world(&scene.tree, node));
        let (wide, high) = self.size;
        let margin = (90.0_f64.min(wide / 4.0), 50.0_f64.min(high / 4.0));
        let dx = (margin.0 - at.0).max(0.0) + (wide - margin.0 - at.0).min(0.0);
        let dy = (margin.1 - at.1).max(0.0) + (high - margin.1 - at.1).min(0.0);
        if dx == 0.0 && dy == 0.0 {
            return;
        }
        let to = View { x: self.view.x + dx, y: self.view.y + dy, ..self.view };
        if self.still {
            self.view = to;
        } else {
            self.pan = Some((self.view, to, now));
        }
    }

    /// Moves the view by screen pixels.
    pub fn drag(&mut self, dx: f64, dy: f64) {
        self.pan = None;
        self.view.x += dx;
        self.view.y += dy;
    }

    /// Zooms about a point of the screen.
    pub fn zoom_at(&mut self, x: f64, y: f64, factor: f64) {
        self.pan = None;
        let zoom = (self.view.zoom * factor).clamp(0.004, 3.0);
        let factor = zoom / self.view.zoom;
        self.view = View { zoom, x: x - (x - self.view.x) * factor, y: y - (y - self.view.y) * factor };
    }

    /// Zooms about the middle.
    pub fn zoom(&mut self, factor: f64) {
        self.zoom_at(self.size.0 / 2.0, self.size.1 / 2.0, factor);
    }

    /// The node at a point of the screen.
    pub fn hit(&self, x: f64, y: f64) -> Option<usize> {
        let scene = self.scene.as_ref()?;
        let zoom = self.view.zoom;
        let reach = ((WIDTH / 2.0 * zoom).max(7.0), (HEIGHT / 2.0 * zoom).max(7.0));
        let near = |node: &usize| {
            let at = self.screen(Painter::world(&scene.tree, *node));
            (at.0 - x).abs() <= reach.0 && (at.1 - y).abs() <= reach.1
        };
        let distance = |node: usize| {
            let at = self.screen(Painter::world(&scene.tree, node));
            (at.0 - x).powi(2) + (at.1 - y).powi(2)
        };
        (0..scene.tree.len()).filter(near).min_by(|a, b| distance(*a).total_cmp(&distance(*b)))
    }

    /// Draws a frame; whether another is to follow.
    pub fn draw(&mut self, now: f64) -> bool {
        let mut moving = false;
        if let Some((from, to, began)) = self.pan {
            let part = ((now - began) / PAN).clamp(0.0, 1.0);
            let eased = 1.0 - (1.0 - part) * (1.0 - part);
            self.view.x = from.x + (to.x - from.x) * eased;
            self.view.y = from.y + (to.y - from.y) * eased;
            moving = part < 1.0;
            if !moving {
                self.pan = None;
            }
        }
        let scale = web_sys::window().map_or(1.0, |w| w.device_pixel_ratio());
        let _ = self.context.set_transform(scale, 0.0, 0.0, scale, 0.0, 0.0);
        self.context.clear_rect(0.0, 0.0, self.size.0, self.size.1);
        if let Some(scene) = self.scene.clone() {
            let zoom = self.view.zoom;
            self.edges(&scene);
            if zoom >= 0.16 {
                self.links(&scene);
                self.nodes(&scene);
            } else {
                self.dots(&scene);
            }
        }
        moving
    }

    fn in_view(&self, at: (f64, f64), reach: f64) -> bool {
        at.0 > -reach && at.0 < self.size.0 + reach && at.1 > -reach && at.1 < self.size.1 + reach
    }

    /// The lines between nodes: first all, then the path in honey over them.
    fn edges(&self, scene: &Scene) {
        let (tree, c, zoom) = (&scene.tree, &self.context, self.view.zoom);
        let half = HEIGHT / 2.0 * zoom;
        for path in [false, true] {
            c.begin_path();
            for node in 0..tree.len() {
                let parent = tree.parent[node];
                if parent == NONE || self.path[node] != path {
                    continue;
                }
                let to = self.screen(Painter::world(tree, node));
                let from = self.screen(Painter::world(tree, parent as usize));
                let outside = to.1 < -half
                    || from.1 > self.size.1 + half
                    || to.0.max(from.0) < 0.0
                    || to.0.min(from.0) > self.size.0;
                if outside || !path && zoom < 0.02 && (to.1 - from.1) < 0.4 {
                    continue;
                }
                let (top, bottom) = (from.1 + half, to.1 - half);
                c.move_to(from.0, top);
                if zoom >= 0.16 {
                    let bend = (bottom - top) * 0.55;
                    c.bezier_curve_to(from.0, top + bend, to.0, bottom - bend, to.0, bottom);
                } else {
                    c.line_to(to.0, bottom);
                }
            }
            c.set_stroke_style_str(if path { &self.palette.honey } else { &self.palette.edge });
            c.set_line_width(if path { 2.0 } else { 1.0 });
            c.stroke();
        }
        if zoom < 0.5 {
            return;
        }
        c.set_font(&self.palette.mono(11.0 * zoom.min(1.1)));
        c.set_text_align("center");
        c.set_text_baseline("middle");
        for node in 0..tree.len() {
            let (parent, label) = (tree.parent[node], scene.labels.get(node).map_or("", |l| l.as_str()));
            if parent == NONE || label.is_empty() {
                continue;
            }
            let to = self.screen(Painter::world(tree, node));
            if !self.in_view(to, COLUMN) {
                continue;
            }
            let from = self.screen(Painter::world(tree, parent as usize));
            let at = (to.0 * 0.8 + from.0 * 0.2, to.1 - half - 16.0 * zoom);
            let width = c.measure_text(label).map_or(0.0, |m| m.width()) + 8.0;
            c.set_fill_style_str(&self.palette.pane);
            c.fill_rect(at.0 - width / 2.0, at.1 - 8.0 * zoom, width, 16.0 * zoom);
            c.set_fill_style_str(if self.path[node] { &self.palette.text } else { &self.palette.muted });
            let _ = c.fill_text(label, at.0, at.1);
        }
    }

    /// Prunes as dashes to a diamond, loops as dots back up; those of the selection in full.
    fn links(&self, scene: &Scene) {
        let (tree, c, zoom) = (&scene.tree, &self.context, self.view.zoom);
        c.set_line_width(1.0);
        for node in 0..tree.len() {
            let kind = tree.kind[node];
            if !matches!(kind, NodeKind::Pruned | NodeKind::Loop) {
                continue;
            }
            let at = self.screen(Painter::world(tree, node));
            let chosen = scene.selected == Some(node);
            if !chosen && !self.in_view(at, RANK) {
                continue;
            }
            let (top, tip) = (at.1 + HEIGHT / 2.0 * zoom, at.1 + (HEIGHT / 2.0 + 20.0) * zoom);
            let dashes: &[f64] = if kind == NodeKind::Loop { &[1.5, 3.0] } else { &[4.0, 3.0] };
            let pattern: js_sys::Array = dashes.iter().map(|d| wasm_bindgen::JsValue::from(*d)).collect();
            let _ = c.set_line_dash(&pattern);
            c.set_stroke_style_str(if chosen { &self.palette.honey } else { &self.palette.muted });
            c.begin_path();
            c.move_to(at.0, top);
            c.line_to(at.0, tip);
            if chosen && let Some(by) = tree.by.get(node).filter(|by| (**by as usize) < tree.len()) {
                let to = self.screen(Painter::world(tree, *by as usize));
                let side = if to.0 <= at.0 { -1.0 } else { 1.0 };
                let edge = (to.0 - side * WIDTH / 2.0 * zoom, to.1);
                let swing = 80.0 * zoom;
                c.move_to(at.0, tip + 6.0 * zoom);
                c.bezier_curve_to(at.0, tip + swing, edge.0 - side * swing, edge.1, edge.0, edge.1);
            }
            c.stroke();
            let _ = c.set_line_dash(&js_sys::Array::new());
            let r = 5.0 * zoom;
            c.begin_path();
            c.move_to(at.0, tip - r);
            c.line_to(at.0 + r, tip);
            c.line_to(at.0, tip + r);
            c.line_to(at.0 - r, tip);
            c.close_path();
            c.set_fill_style_str(&self.palette.pane);
            c.fill();
            c.stroke();
        }
    }

    fn nodes(&self, scene: &Scene) {
        let (tree, c, zoom) = (&scene.tree, &self.context, self.view.zoom);
        let (wide, high) = (WIDTH * zoom, HEIGHT * zoom);
        let text = zoom >= 0.45;
        c.set_text_baseline("middle");
        for node in 0..tree.len() {
            let at = self.screen(Painter::world(tree, node));
            if !self.in_view(at, COLUMN) {
                continue;
            }
            let chosen = scene.selected == Some(node);
            let colour = self.palette.of(tree.kind[node]);
            let (left, top) = (at.0 - wide / 2.0, at.1 - high / 2.0);
            c.begin_path();
            let _ = c.round_rect_with_f64(left, top, wide, high, 4.0 * zoom);
            c.set_fill_style_str(match tree.kind[node] {
                NodeKind::Error => &self.palette.error_soft,
                NodeKind::Exit => &self.palette.good_soft,
                _ => &self.palette.pane,
            });
            c.fill();
            let strong = matches!(tree.kind[node], NodeKind::Error | NodeKind::Exit);
            c.set_stroke_style_str(if chosen || self.path[node] {
                &self.palette.honey
            } else if strong {
                colour
            } else {
                &self.palette.edge
            });
            c.set_line_width(if chosen {
                2.5
            } else if self.path[node] {
                1.5
            } else {
                1.0
            });
            c.stroke();
            if scene.run.contains(&(node as u32)) {
                // The concrete run: a bar at the side, in the text's colour.
                c.set_fill_style_str(&self.palette.text);
                c.fill_rect(left - 5.0 * zoom, top + 4.0 * zoom, 2.5 * zoom, high - 8.0 * zoom);
            }
            if tree.kept[node] {
                c.set_fill_style_str(&self.palette.muted);
                c.fill_rect(left + 8.0 * zoom, top - 3.0 * zoom, 14.0 * zoom, 5.0 * zoom);
            }
            c.set_text_align("center");
            let glyph_x = if text { left + 14.0 * zoom } else { at.0 };
            c.set_fill_style_str(colour);
            c.set_font(&self.palette.sans(if text { 13.0 * zoom } else { (20.0 * zoom).max(7.0) }, true));
            let _ = c.fill_text(glyph(tree.kind[node]), glyph_x, at.1);
            if text {
                c.set_text_align("left");
                c.set_fill_style_str(&self.palette.text);
                c.set_font(&self.palette.mono(12.5 * zoom));
                let _ = c.fill_text(&slots(tree, node), left + 28.0 * zoom, at.1 - 8.0 * zoom);
                c.set_fill_style_str(&self.palette.muted);
                c.set_font(&self.palette.sans(11.0 * zoom, false));
                let _ = c.fill_text(&caption(tree, node), left + 28.0 * zoom, at.1 + 9.0 * zoom);
            }
        }
    }

    /// Many nodes on few pixels: a bitmap remembers which spots are taken.
    fn dots(&self, scene: &Scene) {
        let (tree, c, zoom) = (&scene.tree, &self.context, self.view.zoom);
        let side = (HEIGHT * zoom).clamp(2.0, 6.0);
        let columns = (self.size.0 / side) as usize + 2;
        let rows = (self.size.1 / side) as usize + 2;
        // What stands out is drawn last, and over the rest.
        let order = [
            NodeKind::Checkpoint,
            NodeKind::Fork,
            NodeKind::Open,
            NodeKind::Pruned,
            NodeKind::Loop,
            NodeKind::Barrier,
            NodeKind::Exit,
            NodeKind::Error,
        ];
        for kind in order {
            let mut taken = vec![false; columns * rows];
            c.set_fill_style_str(self.palette.of(kind));
            for node in (0..tree.len()).filter(|node| tree.kind[*node] == kind) {
                let at = self.screen(Painter::world(tree, node));
                if !self.in_view(at, 0.0) {
                    continue;
                }
                let spot = (at.1 / side) as usize * columns + (at.0 / side) as usize;
                if !std::mem::replace(&mut taken[spot], true) {
                    c.fill_rect(at.0 - side / 2.0, at.1 - side / 2.0, side, side);
                }
            }
        }
        c.set_fill_style_str(&self.palette.honey);
        for node in (0..tree.len()).filter(|node| self.path[*node]) {
            let at = self.screen(Painter::world(tree, node));
            let side = if scene.selected == Some(node) { side + 4.0 } else { side };
            if self.in_view(at, side) {
                c.fill_rect(at.0 - side / 2.0, at.1 - side / 2.0, side, side);
            }
        }
    }
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
