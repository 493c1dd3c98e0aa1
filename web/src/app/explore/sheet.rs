//! Where a canvas looks, and what it is drawn with.

use super::super::palette::Palette;
use wasm_bindgen::JsCast;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement};

/// Milliseconds that a pan to the selection takes.
const PAN: f64 = 120.0;
/// The zoom that a drawing is opened with where all of it would be too small to read.
const LEGIBLE: f64 = 0.9;
/// Pixels around a drawing that fits.
const MARGIN: f64 = 20.0;

/// A point or a size: across, down.
pub type Point = (f64, f64);

/// Left, top, right and bottom, in CSS pixels at zoom 1.
pub type Bounds = (f64, f64, f64, f64);

/// screen = world * zoom + offset.
#[derive(Clone, Copy, PartialEq, Debug)]
struct View {
    zoom: f64,
    x: f64,
    y: f64,
}

/// A canvas, its colours, and the part of the world that it shows.
pub struct Sheet {
    canvas: HtmlCanvasElement,
    /// What is drawn with.
    pub context: CanvasRenderingContext2d,
    /// The colours.
    pub palette: Palette,
    view: View,
    /// Where a pan that is under way began, where it goes, and when it began.
    pan: Option<(View, View, f64)>,
    size: Point,
    still: bool,
}

impl Sheet {
    /// A sheet on a canvas; `still` for no motion.
    pub fn new(canvas: HtmlCanvasElement, still: bool) -> Option<Sheet> {
        let context = canvas.get_context("2d").ok()??.dyn_into().ok()?;
        let palette = Palette::read(&canvas);
        let view = View { zoom: 1.0, x: 0.0, y: 0.0 };
        Some(Sheet { canvas, context, palette, view, pan: None, size: (0.0, 0.0), still })
    }

    /// Reads the colours again.
    pub fn recolour(&mut self) {
        self.palette = Palette::read(&self.canvas);
    }

    /// Takes over the element's size; whether it had none before.
    pub fn resize(&mut self) -> bool {
        let size = (f64::from(self.canvas.client_width()), f64::from(self.canvas.client_height()));
        fit_pixels(&self.canvas, size);
        let before = std::mem::replace(&mut self.size, size);
        before.0 <= 0.0 && size.0 > 0.0
    }

    /// Its size in CSS pixels.
    pub fn size(&self) -> Point {
        self.size
    }

    /// How much larger than the world.
    pub fn zoom(&self) -> f64 {
        self.view.zoom
    }

    /// A point of the world on the screen.
    pub fn screen(&self, world: Point) -> Point {
        (world.0 * self.view.zoom + self.view.x, world.1 * self.view.zoom + self.view.y)
    }

    /// A point of the screen in the world.
    pub fn world(&self, screen: Point) -> Point {
        ((screen.0 - self.view.x) / self.view.zoom, (screen.1 - self.view.y) / self.view.zoom)
    }

    /// The part of the world that is seen.
    pub fn seen(&self) -> Bounds {
        let (from, to) = (self.world((0.0, 0.0)), self.world(self.size));
        (from.0, from.1, to.0, to.1)
    }

    /// Whether a part of the world is seen.
    pub fn shows(&self, part: Bounds) -> bool {
        let seen = self.seen();
        part.2 >= seen.0 && part.0 <= seen.2 && part.3 >= seen.1 && part.1 <= seen.3
    }

    /// Brings all of the world into view.
    pub fn fit(&mut self, world: Bounds) {
        let (wide, high) = self.size;
        if wide <= 0.0 || world.2 <= world.0 || world.3 <= world.1 {
            return;
        }
        let zoom = ((wide - 2.0 * MARGIN) / (world.2 - world.0))
            .min((high - 2.0 * MARGIN) / (world.3 - world.1))
            .clamp(0.004, 1.0);
        self.pan = None;
        self.view =
            View { zoom, x: wide / 2.0 - (world.0 + world.2) / 2.0 * zoom, y: MARGIN - world.1 * zoom };
    }

    /// Fits, but stays legible: what does not fit is brought in from the focus on, with what stands above it.
    pub fn open(&mut self, world: Bounds, focus: Option<Point>) {
        self.fit(world);
        if self.view.zoom >= LEGIBLE {
            return;
        }
        let focus = focus.unwrap_or(((world.0 + world.2) / 2.0, world.1));
        self.view.zoom = LEGIBLE;
        let top = MARGIN - world.1 * LEGIBLE;
        let y = (top + focus.1 * LEGIBLE).min(self.size.1 * 0.6);
        self.view.x = self.size.0 / 2.0 - focus.0 * LEGIBLE;
        self.view.y = y - focus.1 * LEGIBLE;
    }

    /// Pans until a point is in view.
    pub fn follow(&mut self, to: Point, now: f64) {
        let at = self.screen(to);
        let (wide, high) = self.size;
        let margin = (90.0_f64.min(wide / 4.0), 50.0_f64.min(high / 4.0));
        let dx = (margin.0 - at.0).max(0.0) + (wide - margin.0 - at.0).min(0.0);
        let dy = (margin.1 - at.1).max(0.0) + (high - margin.1 - at.1).min(0.0);
        if dx == 0.0 && dy == 0.0 {
            return;
        }
        self.go(View { x: self.view.x + dx, y: self.view.y + dy, ..self.view }, now);
    }

    fn go(&mut self, to: View, now: f64) {
        if self.still {
            self.view = to;
        } else {
            self.pan = Some((self.view, to, now));
        }
    }

    /// Puts a point of the world into the middle.
    pub fn centre(&mut self, at: Point) {
        self.pan = None;
        self.view.x = self.size.0 / 2.0 - at.0 * self.view.zoom;
        self.view.y = self.size.1 / 2.0 - at.1 * self.view.zoom;
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
    pub fn zoom_by(&mut self, factor: f64) {
        self.zoom_at(self.size.0 / 2.0, self.size.1 / 2.0, factor);
    }

    /// Clears the canvas for a frame; whether another is to follow.
    pub fn begin(&mut self, now: f64) -> bool {
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
        let scale = scale();
        let _ = self.context.set_transform(scale, 0.0, 0.0, scale, 0.0, 0.0);
        self.context.clear_rect(0.0, 0.0, self.size.0, self.size.1);
        moving
    }

    /// Draws lines in dashes from here on; without any, whole.
    pub fn dash(&self, dashes: &[f64]) {
        let pattern: js_sys::Array = dashes.iter().map(|d| wasm_bindgen::JsValue::from(*d)).collect();
        let _ = self.context.set_line_dash(&pattern);
    }
}

/// Device pixels in a CSS pixel.
fn scale() -> f64 {
    web_sys::window().map_or(1.0, |w| w.device_pixel_ratio())
}

/// Gives a canvas as many pixels as it takes on the screen.
fn fit_pixels(canvas: &HtmlCanvasElement, size: Point) {
    let pixels = ((size.0 * scale()) as u32, (size.1 * scale()) as u32);
    if pixels != (canvas.width(), canvas.height()) {
        canvas.set_width(pixels.0);
        canvas.set_height(pixels.1);
    }
}

/// The whole world, small, with a frame around what is seen.
pub struct Overview {
    canvas: HtmlCanvasElement,
    context: CanvasRenderingContext2d,
    /// The picture, once it was drawn.
    picture: Option<HtmlCanvasElement>,
    /// From the world to it.
    zoom: f64,
    offset: Point,
}

/// Its size in CSS pixels.
const OVERVIEW: Point = (168.0, 112.0);

impl Overview {
    /// On a canvas.
    pub fn new(canvas: HtmlCanvasElement) -> Option<Overview> {
        let context = canvas.get_context("2d").ok()??.dyn_into().ok()?;
        fit_pixels(&canvas, OVERVIEW);
        Some(Overview { canvas, context, picture: None, zoom: 1.0, offset: (0.0, 0.0) })
    }

    /// Draws the picture anew.
    pub fn picture(
        &mut self,
        world: Bounds,
        draw: impl FnOnce(&CanvasRenderingContext2d, f64, Point),
    ) -> Option<()> {
        let (wide, high) = (world.2 - world.0, world.3 - world.1);
        self.zoom = ((OVERVIEW.0 - 12.0) / wide.max(1.0)).min((OVERVIEW.1 - 12.0) / high.max(1.0));
        self.offset = (
            (OVERVIEW.0 - wide * self.zoom) / 2.0 - world.0 * self.zoom,
            (OVERVIEW.1 - high * self.zoom) / 2.0 - world.1 * self.zoom,
        );
        let document = web_sys::window()?.document()?;
        let picture: HtmlCanvasElement = document.create_element("canvas").ok()?.dyn_into().ok()?;
        fit_pixels(&picture, OVERVIEW);
        let context: CanvasRenderingContext2d = picture.get_context("2d").ok()??.dyn_into().ok()?;
        let _ = context.set_transform(scale(), 0.0, 0.0, scale(), 0.0, 0.0);
        draw(&context, self.zoom, self.offset);
        self.picture = Some(picture);
        Some(())
    }

    /// Draws the picture, and the frame; hides itself where all is seen anyway.
    pub fn draw(&self, sheet: &Sheet, world: Bounds) {
        let seen = sheet.seen();
        let all = seen.0 <= world.0 && seen.1 <= world.1 && seen.2 >= world.2 && seen.3 >= world.3;
        self.canvas.set_hidden(all);
        let Some(picture) = self.picture.as_ref().filter(|_| !all) else { return };
        let c = &self.context;
        let _ = c.set_transform(1.0, 0.0, 0.0, 1.0, 0.0, 0.0);
        c.clear_rect(0.0, 0.0, f64::from(self.canvas.width()), f64::from(self.canvas.height()));
        let _ = c.draw_image_with_html_canvas_element(picture, 0.0, 0.0);
        let _ = c.set_transform(scale(), 0.0, 0.0, scale(), 0.0, 0.0);
        let at = |x: f64, y: f64| {
            let point = (x * self.zoom + self.offset.0, y * self.zoom + self.offset.1);
            (point.0.clamp(1.0, OVERVIEW.0 - 1.0), point.1.clamp(1.0, OVERVIEW.1 - 1.0))
        };
        let (from, to) = (at(seen.0, seen.1), at(seen.2, seen.3));
        c.set_stroke_style_str(&sheet.palette.text);
        c.set_line_width(1.5);
        c.stroke_rect(from.0, from.1, (to.0 - from.0).max(4.0), (to.1 - from.1).max(4.0));
    }

    /// The point of the world under a point of it.
    pub fn world(&self, at: Point) -> Point {
        ((at.0 - self.offset.0) / self.zoom, (at.1 - self.offset.1) / self.zoom)
    }
}
