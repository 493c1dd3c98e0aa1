//! Draws the control-flow graph: blocks with source and instructions, and what the verifier spent in each.

use super::canvas::Scene;
use super::sheet::{Bounds, Point, Sheet};
use super::tree::badge;
use crate::protocol::{Block, BlockRow, Edge, Graph, Program};
use std::rc::Rc;
use web_sys::CanvasRenderingContext2d;

/// Height of a block's head and of its lines, as the worker measured them.
const HEAD: f64 = 24.0;
const ROW: f64 = 17.0;
/// The zoom below which there is no text.
const LEGIBLE: f64 = 0.38;

/// What colours the blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Heat {
    /// Instructions walked in the block.
    #[default]
    Budget,
    /// How often the verifier came to it.
    Visits,
    /// States kept in it.
    States,
}

/// Every way to colour, with its name.
pub const HEATS: [(Heat, &str); 3] =
    [(Heat::Budget, "Budget spent"), (Heat::Visits, "Visits"), (Heat::States, "States kept")];

impl Heat {
    /// Of a block.
    pub fn of(self, block: &Block) -> u32 {
        match self {
            Heat::Budget => block.walked,
            Heat::Visits => block.visits,
            Heat::States => block.kept,
        }
    }
}

/// The graph and what is marked in it.
#[derive(Clone)]
pub struct GraphScene {
    /// The graph.
    pub graph: Rc<Graph>,
    /// The program whose it is.
    pub program: Rc<Program>,
    /// A phrase for each edge: what holds on it.
    pub labels: Rc<Vec<String>>,
    /// What colours the blocks.
    pub heat: Heat,
    /// The slot of the selected step.
    pub pc: Option<u32>,
    /// Whether each block, and each edge, is on the way to the selected step.
    pub route: Rc<(Vec<bool>, Vec<bool>)>,
    /// The slot that the concrete run is at.
    pub run: Option<u32>,
    /// The slot that is to blame.
    pub culprit: Option<u32>,
    /// Slots of the causal path, with their numbers.
    pub causes: Rc<Vec<(u32, String)>>,
}

impl PartialEq for GraphScene {
    fn eq(&self, other: &GraphScene) -> bool {
        self.same_world(other)
            && self.heat == other.heat
            && (self.pc, self.run, self.culprit) == (other.pc, other.run, other.culprit)
            && Rc::ptr_eq(&self.route, &other.route)
            && Rc::ptr_eq(&self.causes, &other.causes)
    }
}

/// A block's corner and size.
fn rect(block: &Block) -> (f64, f64, f64, f64) {
    let (wide, high) = (f64::from(block.wide), f64::from(block.high));
    (f64::from(block.x) - wide / 2.0, f64::from(block.y), wide, high)
}

fn point(at: &(f32, f32)) -> Point {
    (f64::from(at.0), f64::from(at.1))
}

impl Scene for GraphScene {
    fn same_world(&self, other: &GraphScene) -> bool {
        Rc::ptr_eq(&self.graph, &other.graph)
    }

    fn bounds(&self) -> Bounds {
        let (wide, high) = point(&self.graph.size);
        (0.0, -16.0, wide, high + 16.0)
    }

    fn focus(&self) -> Option<Point> {
        let pc = self.pc?;
        let block = self.graph.blocks.iter().rfind(|block| block.pc <= pc)?;
        let row = block.rows.iter().position(|row| self.is_at(row, pc)).unwrap_or(0);
        let (_, top, ..) = rect(block);
        Some((block.x.into(), top + HEAD + ROW * (row as f64 + 0.5)))
    }

    fn paint(&self, sheet: &Sheet) {
        for on_route in [false, true] {
            for (number, edge) in self.graph.edges.iter().enumerate() {
                if self.route.1.get(number).copied().unwrap_or(false) == on_route {
                    self.edge(sheet, number, edge, on_route);
                }
            }
        }
        let most = self.graph.blocks.iter().map(|block| self.heat.of(block)).max().unwrap_or(0);
        for (number, block) in self.graph.blocks.iter().enumerate() {
            let (left, top, wide, high) = rect(block);
            if sheet.shows((left, top, left + wide, top + high)) {
                self.block(sheet, number, block, most);
            }
        }
    }

    fn hit(&self, sheet: &Sheet, at: Point) -> Option<usize> {
        let (x, y) = sheet.world(at);
        let inside = |block: &&Block| {
            let (left, top, wide, high) = rect(block);
            (left..=left + wide).contains(&x) && (top..=top + high).contains(&y)
        };
        let block = self.graph.blocks.iter().find(inside)?;
        let row = ((y - rect(block).1 - HEAD) / ROW).floor();
        let rows = block.rows.get(row.max(0.0) as usize..).unwrap_or_default();
        let of = |row: &BlockRow| match row {
            BlockRow::Instruction(at) => self.program.listing.get(*at as usize).map(|i| i.pc),
            _ => None,
        };
        let pc = if row < 0.0 { None } else { rows.iter().find_map(of) };
        Some(pc.unwrap_or(block.pc) as usize)
    }

    fn paint_overview(&self, sheet: &Sheet, on: &CanvasRenderingContext2d, zoom: f64, offset: Point) {
        on.set_fill_style_str(&sheet.palette.edge);
        for block in &self.graph.blocks {
            let (left, top, wide, high) = rect(block);
            let (x, y) = (left * zoom + offset.0, top * zoom + offset.1);
            on.fill_rect(x, y, (wide * zoom).max(1.5), (high * zoom).max(1.5));
        }
    }
}

impl GraphScene {
    fn is_at(&self, row: &BlockRow, pc: u32) -> bool {
        let BlockRow::Instruction(at) = row else { return false };
        self.program.listing.get(*at as usize).is_some_and(|instruction| instruction.pc == pc)
    }

    fn edge(&self, sheet: &Sheet, number: usize, edge: &Edge, on_route: bool) {
        let (c, zoom) = (&sheet.context, sheet.zoom());
        let walked = edge.visits > 0;
        c.set_stroke_style_str(match (on_route, walked) {
            (true, _) => &sheet.palette.honey,
            (false, true) => &sheet.palette.edge,
            (false, false) => &sheet.palette.line,
        });
        c.set_line_width(if on_route { 2.0 } else { 1.0 });
        if edge.back {
            sheet.dash(&[2.0, 3.0]);
        }
        let blocks = &self.graph.blocks;
        let label = self.labels.get(number).map_or("", String::as_str);
        if edge.route.is_empty() {
            // Too long to be drawn: a stub, and where it goes.
            let from = &blocks[edge.from as usize];
            let (left, top, wide, high) = rect(from);
            let at = sheet.screen((left + wide * 0.75, top + high));
            c.begin_path();
            c.move_to(at.0, at.1);
            c.line_to(at.0, at.1 + 14.0 * zoom);
            c.stroke();
            sheet.dash(&[]);
            if zoom >= LEGIBLE {
                let text = format!("{label} → {}", blocks[edge.to as usize].pc);
                self.edge_label(sheet, at, text.trim(), on_route);
            }
            return;
        }
        let points: Vec<Point> = edge.route.iter().map(point).collect();
        let (mut low, mut high) = ((f64::MAX, f64::MAX), (f64::MIN, f64::MIN));
        for at in &points {
            low = (low.0.min(at.0), low.1.min(at.1));
            high = (high.0.max(at.0), high.1.max(at.1));
        }
        if !sheet.shows((low.0, low.1 - 40.0, high.0, high.1 + 40.0)) {
            sheet.dash(&[]);
            return;
        }
        c.begin_path();
        let begin = sheet.screen(points[0]);
        c.move_to(begin.0, begin.1);
        for (at, pair) in points.windows(2).enumerate() {
            let (from, to) = (sheet.screen(pair[0]), sheet.screen(pair[1]));
            // A loop's edge turns round behind its beginning and before its end.
            let turns = edge.back && (at == 0 || at + 2 == points.len());
            let bend = if turns { 22.0 * zoom } else { (to.1 - from.1) * 0.5 };
            let (out, into) = match (turns, at) {
                (true, 0) => (from.1 + bend, to.1 + bend),
                (true, _) => (from.1 - bend, to.1 - bend),
                (false, _) => (from.1 + bend, to.1 - bend),
            };
            if from.0 == to.0 && !turns {
                c.line_to(to.0, to.1);
            } else {
                c.bezier_curve_to(from.0, out, to.0, into, to.0, to.1);
            }
        }
        c.stroke();
        sheet.dash(&[]);
        if let Some(end) = points.last().map(|end| sheet.screen(*end)) {
            let side = 4.5 * zoom.max(0.5);
            c.begin_path();
            c.move_to(end.0, end.1);
            c.line_to(end.0 - side, end.1 - 1.7 * side);
            c.line_to(end.0 + side, end.1 - 1.7 * side);
            c.close_path();
            c.set_fill_style_str(match (on_route, walked) {
                (true, _) => &sheet.palette.honey,
                (false, true) => &sheet.palette.edge,
                (false, false) => &sheet.palette.line,
            });
            c.fill();
        }
        if zoom >= LEGIBLE && !label.is_empty() {
            let times = if walked { format!("{label} · {}×", edge.visits) } else { label.to_owned() };
            self.edge_label(sheet, begin, &times, on_route);
        }
    }

    fn edge_label(&self, sheet: &Sheet, at: Point, text: &str, on_route: bool) {
        let (c, zoom) = (&sheet.context, sheet.zoom());
        c.set_font(&sheet.palette.mono(10.5 * zoom));
        c.set_text_baseline("middle");
        c.set_text_align("center");
        let width = c.measure_text(text).map_or(0.0, |m| m.width()) + 6.0;
        let y = at.1 + 14.0 * zoom;
        c.set_fill_style_str(&sheet.palette.pane);
        c.fill_rect(at.0 - width / 2.0, y - 7.0 * zoom, width, 14.0 * zoom);
        c.set_fill_style_str(if on_route { &sheet.palette.text } else { &sheet.palette.muted });
        let _ = c.fill_text(text, at.0, y);
    }

    fn block(&self, sheet: &Sheet, number: usize, block: &Block, most: u32) {
        let (c, zoom, palette) = (&sheet.context, sheet.zoom(), &sheet.palette);
        let (left, top, wide, high) = rect(block);
        let at = sheet.screen((left, top));
        let (wide, high) = (wide * zoom, high * zoom);
        let here = self.pc.is_some_and(|pc| (block.pc..=block.last_pc).contains(&pc));
        let on_route = self.route.0.get(number).copied().unwrap_or(false);
        let heat = self.heat.of(block);
        let warm = match (heat, most) {
            (0, _) | (_, 0) => 0.0,
            _ => 0.08 + 0.42 * f64::from(heat).ln_1p() / f64::from(most).ln_1p(),
        };
        let text = zoom >= LEGIBLE;
        c.set_fill_style_str(&palette.pane);
        c.fill_rect(at.0, at.1, wide, high);
        // The head is as warm as the block; where there is no text, all of it.
        c.set_global_alpha(warm);
        c.set_fill_style_str(&palette.heat);
        c.fill_rect(at.0, at.1, wide, if text { HEAD * zoom } else { high });
        c.set_global_alpha(1.0);
        if text {
            self.rows(sheet, block, at, wide);
        }
        c.begin_path();
        c.rect(at.0, at.1, wide, high);
        c.set_stroke_style_str(match (here || on_route, block.visits + block.walked > 0) {
            (true, _) => &palette.honey,
            (false, true) => &palette.edge,
            (false, false) => &palette.line,
        });
        c.set_line_width(if here {
            2.5
        } else if on_route {
            1.5
        } else {
            1.0
        });
        c.stroke();
    }

    fn rows(&self, sheet: &Sheet, block: &Block, at: Point, wide: f64) {
        let (c, zoom, palette) = (&sheet.context, sheet.zoom(), &sheet.palette);
        c.save();
        c.begin_path();
        c.rect(at.0 - 12.0 * zoom, at.1, wide + 12.0 * zoom, f64::from(block.high) * zoom);
        c.clip();
        c.set_text_baseline("middle");
        c.set_text_align("left");
        c.set_font(&palette.sans(11.5 * zoom, true));
        c.set_fill_style_str(&palette.text);
        let middle = at.1 + HEAD / 2.0 * zoom;
        let name = self.program.listing.binary_search_by_key(&block.pc, |i| i.pc);
        let name = name.ok().and_then(|at| self.program.listing[at].function.clone());
        let slots = match block.pc == block.last_pc {
            true => block.pc.to_string(),
            false => format!("{} to {}", block.pc, block.last_pc),
        };
        let head = name.map_or_else(|| slots.clone(), |name| format!("{name}, {slots}"));
        let _ = c.fill_text(&head, at.0 + 8.0 * zoom, middle);
        c.set_text_align("right");
        c.set_font(&palette.mono(11.0 * zoom));
        let _ = c.fill_text(&self.spent(block), at.0 + wide - 8.0 * zoom, middle);
        c.set_text_align("left");
        for (number, row) in block.rows.iter().enumerate() {
            let top = at.1 + (HEAD + ROW * number as f64) * zoom;
            let middle = top + ROW / 2.0 * zoom;
            let (text, indent, colour) = match *row {
                BlockRow::Source(at) => {
                    let line = self.program.source.get(at as usize).map_or("", |line| line.text.trim());
                    (line.to_owned(), 8.0, &palette.muted)
                }
                BlockRow::More(count) => (format!("… {count} more …"), 44.0, &palette.muted),
                BlockRow::Instruction(index) => {
                    let Some(instruction) = self.program.listing.get(index as usize) else { continue };
                    let pc = instruction.pc;
                    let band = match () {
                        () if self.culprit == Some(pc) => Some(&palette.error_soft),
                        () if self.pc == Some(pc) => Some(&palette.honey_soft),
                        () => None,
                    };
                    if let Some(band) = band {
                        c.set_fill_style_str(band);
                        c.fill_rect(at.0, top, wide, ROW * zoom);
                    }
                    if self.culprit == Some(pc) && self.pc == Some(pc) {
                        c.set_fill_style_str(&palette.honey);
                        c.fill_rect(at.0, top, 3.0 * zoom, ROW * zoom);
                    }
                    c.set_fill_style_str(&palette.muted);
                    c.set_text_align("right");
                    c.set_font(&palette.mono(10.5 * zoom));
                    let mark = match () {
                        () if self.culprit == Some(pc) => format!("✕ {pc}"),
                        () if self.run == Some(pc) => format!("▸ {pc}"),
                        () => pc.to_string(),
                    };
                    let _ = c.fill_text(&mark, at.0 + 38.0 * zoom, middle);
                    c.set_text_align("left");
                    (instruction.text.clone(), 46.0, &palette.text)
                }
            };
            c.set_font(&palette.mono(11.5 * zoom));
            c.set_fill_style_str(colour);
            let _ = c.fill_text(&text, at.0 + indent * zoom, middle);
            if let BlockRow::Instruction(index) = *row
                && let Some(instruction) = self.program.listing.get(index as usize)
            {
                for (_, number) in self.causes.iter().filter(|cause| cause.0 == instruction.pc) {
                    badge(sheet, (at.0, middle), number);
                    c.set_text_align("left");
                }
            }
        }
        c.restore();
    }

    fn spent(&self, block: &Block) -> String {
        match self.heat {
            Heat::Budget => format!("{} walked", super::super::bar::grouped(block.walked)),
            Heat::Visits => format!("{}×", super::super::bar::grouped(block.visits)),
            Heat::States => format!("{} kept", super::super::bar::grouped(block.kept)),
        }
    }
}
