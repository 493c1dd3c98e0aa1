//! A drawing that one can pan, zoom and point into, with an overview in its corner.

use super::sheet::{Bounds, Overview, Point, Sheet};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use web_sys::{
    CanvasRenderingContext2d, HtmlCanvasElement, HtmlElement, PointerEvent, ResizeObserver, WheelEvent,
};
use yew::prelude::*;

/// What is drawn.
pub trait Scene: Clone + PartialEq + 'static {
    /// Whether another scene is the same drawing, but for what is marked in it.
    fn same_world(&self, other: &Self) -> bool;
    /// The drawing's extent.
    fn bounds(&self) -> Bounds;
    /// What is selected: it is kept in view.
    fn focus(&self) -> Option<Point>;
    /// Draws it.
    fn paint(&self, sheet: &Sheet);
    /// What lies at a point of the screen.
    fn hit(&self, sheet: &Sheet, at: Point) -> Option<usize>;
    /// Draws it as small as the overview wants it: screen = world * zoom + offset.
    fn paint_overview(&self, sheet: &Sheet, on: &CanvasRenderingContext2d, zoom: f64, offset: Point);
}

/// What a drawing can be told.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Command {
    /// Nothing.
    None,
    /// Zoom by a factor about the middle.
    Zoom(f64),
    /// All of it into view.
    Fit,
}

/// What a drawing is given.
#[derive(Properties, PartialEq)]
pub struct Props<S: Scene> {
    /// What is drawn.
    pub scene: S,
    /// Changes with the colours.
    pub theme: u32,
    /// What it is told, with a number that changes with every command.
    #[prop_or((0, Command::None))]
    pub command: (u32, Command),
    /// Something was clicked.
    pub onhit: Callback<usize>,
}

/// The drawing.
pub struct Canvas<S: Scene> {
    canvas: NodeRef,
    overview: NodeRef,
    stage: Rc<RefCell<Stage<S>>>,
    kept: Vec<Closure<dyn FnMut()>>,
    wheel: Option<Closure<dyn FnMut(WheelEvent)>>,
    observer: Option<ResizeObserver>,
}

/// What is drawn on, and the frame that it waits for.
struct Stage<S> {
    scene: S,
    sheet: Option<Sheet>,
    overview: Option<Overview>,
    /// The overview's picture is of another drawing.
    stale: bool,
    tick: Option<Closure<dyn FnMut(f64)>>,
    asked: bool,
    /// Pointers that are down: id and position.
    pointers: Vec<(i32, f64, f64)>,
    /// Whether the pointer moved since it went down.
    dragged: bool,
}

/// What happens to it.
pub enum Msg {
    /// A pointer on the canvas.
    Down(PointerEvent),
    /// It moved.
    Move(PointerEvent),
    /// It left.
    Up(PointerEvent),
    /// A pointer on the overview.
    Look(PointerEvent),
}

impl<S: Scene> Component for Canvas<S> {
    type Message = Msg;
    type Properties = Props<S>;

    fn create(ctx: &Context<Self>) -> Self {
        let stage = Stage {
            scene: ctx.props().scene.clone(),
            sheet: None,
            overview: None,
            stale: true,
            tick: None,
            asked: false,
            pointers: Vec::new(),
            dragged: false,
        };
        Canvas {
            canvas: NodeRef::default(),
            overview: NodeRef::default(),
            stage: Rc::new(RefCell::new(stage)),
            kept: Vec::new(),
            wheel: None,
            observer: None,
        }
    }

    fn changed(&mut self, ctx: &Context<Self>, old: &Props<S>) -> bool {
        let props = ctx.props();
        {
            let mut stage = self.stage.borrow_mut();
            let stage = &mut *stage;
            let fresh = !props.scene.same_world(&stage.scene);
            let moved = props.scene.focus() != stage.scene.focus();
            stage.scene = props.scene.clone();
            stage.stale |= fresh || old.theme != props.theme;
            if let Some(sheet) = &mut stage.sheet {
                if old.theme != props.theme {
                    sheet.recolour();
                }
                if fresh {
                    sheet.resize();
                    sheet.open(stage.scene.bounds(), stage.scene.focus());
                } else if moved && let Some(focus) = stage.scene.focus() {
                    sheet.follow(focus, now());
                }
                if old.command.0 != props.command.0 {
                    match props.command.1 {
                        Command::Zoom(factor) => sheet.zoom_by(factor),
                        Command::Fit => sheet.fit(stage.scene.bounds()),
                        Command::None => {}
                    }
                }
            }
        }
        ask(&self.stage);
        false
    }

    fn update(&mut self, ctx: &Context<Self>, msg: Msg) -> bool {
        let mut chosen = None;
        {
            let mut stage = self.stage.borrow_mut();
            match msg {
                Msg::Down(event) => {
                    stage.pointers.retain(|p| p.0 != event.pointer_id());
                    stage.pointers.push(position(&event));
                    stage.dragged = stage.pointers.len() > 1;
                    capture(&self.canvas, &event);
                }
                Msg::Move(event) => stage.moved(position(&event)),
                Msg::Up(event) => {
                    let at = position(&event);
                    let clicked = !stage.dragged && stage.pointers.iter().any(|p| p.0 == at.0);
                    stage.pointers.retain(|p| p.0 != at.0);
                    if clicked && let Some(sheet) = &stage.sheet {
                        chosen = stage.scene.hit(sheet, (at.1, at.2));
                    }
                }
                Msg::Look(event) if event.buttons() & 1 == 1 => {
                    capture(&self.overview, &event);
                    let (_, x, y) = position(&event);
                    let at = stage.overview.as_ref().map(|overview| overview.world((x, y)));
                    if let (Some(sheet), Some(at)) = (&mut stage.sheet, at) {
                        sheet.centre(at);
                    }
                }
                Msg::Look(_) => return false,
            }
        }
        ask(&self.stage);
        if let Some(chosen) = chosen {
            ctx.props().onhit.emit(chosen);
        }
        false
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        let link = ctx.link();
        html! {
            <>
                <canvas ref={self.canvas.clone()} aria-hidden="true"
                    onpointerdown={link.callback(Msg::Down)} onpointermove={link.callback(Msg::Move)}
                    onpointerup={link.callback(Msg::Up)} onpointercancel={link.callback(Msg::Up)}></canvas>
                <canvas ref={self.overview.clone()} class="overview" role="img" aria-label="Overview" hidden=true
                    title="Overview: drag the frame"
                    onpointerdown={link.callback(Msg::Look)} onpointermove={link.callback(Msg::Look)}></canvas>
            </>
        }
    }

    fn rendered(&mut self, _: &Context<Self>, first: bool) {
        if !first {
            return;
        }
        let Some(canvas) = self.canvas.cast::<HtmlCanvasElement>() else { return };
        let window = web_sys::window();
        let asks = |query: &str| window.as_ref().and_then(|w| w.match_media(query).ok()).flatten();
        let still = asks("(prefers-reduced-motion: reduce)").is_some_and(|m| m.matches());
        {
            let mut stage = self.stage.borrow_mut();
            let stage = &mut *stage;
            stage.sheet = Sheet::new(canvas.clone(), still);
            stage.overview = self.overview.cast::<HtmlCanvasElement>().and_then(Overview::new);
            let inner = self.stage.clone();
            stage.tick = Some(Closure::new(move |at: f64| {
                let mut stage = inner.borrow_mut();
                stage.asked = false;
                let more = stage.draw(at);
                drop(stage);
                if more {
                    ask(&inner);
                }
            }));
            if let Some(sheet) = &mut stage.sheet {
                sheet.resize();
                sheet.open(stage.scene.bounds(), stage.scene.focus());
            }
        }
        let stage = self.stage.clone();
        let resized = Closure::<dyn FnMut()>::new(move || {
            {
                let mut stage = stage.borrow_mut();
                let stage = &mut *stage;
                if let Some(sheet) = &mut stage.sheet
                    && sheet.resize()
                {
                    sheet.open(stage.scene.bounds(), stage.scene.focus());
                }
            }
            ask(&stage);
        });
        if let Ok(observer) = ResizeObserver::new(resized.as_ref().unchecked_ref()) {
            observer.observe(&canvas);
            self.observer = Some(observer);
        }
        let stage = self.stage.clone();
        let recoloured = Closure::<dyn FnMut()>::new(move || {
            {
                let mut stage = stage.borrow_mut();
                stage.stale = true;
                if let Some(sheet) = &mut stage.sheet {
                    sheet.recolour();
                }
            }
            ask(&stage);
        });
        if let Some(dark) = asks("(prefers-color-scheme: dark)") {
            let _ = dark.add_event_listener_with_callback("change", recoloured.as_ref().unchecked_ref());
        }
        self.kept = vec![resized, recoloured];
        let stage = self.stage.clone();
        let wheel = Closure::<dyn FnMut(WheelEvent)>::new(move |event: WheelEvent| {
            event.prevent_default();
            let unit = if event.delta_mode() == WheelEvent::DOM_DELTA_LINE { 16.0 } else { 1.0 };
            let speed = if event.ctrl_key() { 0.01 } else { 0.0016 };
            let factor = (-event.delta_y() * unit * speed).exp();
            if let Some(sheet) = &mut stage.borrow_mut().sheet {
                if event.shift_key() {
                    sheet.drag(-event.delta_y() * unit, 0.0);
                } else {
                    sheet.drag(-event.delta_x() * unit, 0.0);
                    sheet.zoom_at(f64::from(event.offset_x()), f64::from(event.offset_y()), factor);
                }
            }
            ask(&stage);
        });
        // Yew's own listeners are passive, and this one has to keep the page from scrolling.
        let options = web_sys::AddEventListenerOptions::new();
        options.set_passive(false);
        let _ = canvas.add_event_listener_with_callback_and_add_event_listener_options(
            "wheel",
            wheel.as_ref().unchecked_ref(),
            &options,
        );
        self.wheel = Some(wheel);
        ask(&self.stage);
    }

    fn destroy(&mut self, _: &Context<Self>) {
        if let Some(observer) = self.observer.take() {
            observer.disconnect();
        }
        let mut stage = self.stage.borrow_mut();
        (stage.sheet, stage.overview) = (None, None);
    }
}

impl<S: Scene> Stage<S> {
    /// Draws a frame; whether another is to follow.
    fn draw(&mut self, at: f64) -> bool {
        let Some(sheet) = &mut self.sheet else { return false };
        let more = sheet.begin(at);
        self.scene.paint(sheet);
        if let Some(overview) = &mut self.overview {
            let world = self.scene.bounds();
            if std::mem::take(&mut self.stale) {
                let _ = overview.picture(world, |on, zoom, offset| {
                    self.scene.paint_overview(sheet, on, zoom, offset);
                });
            }
            overview.draw(sheet, world);
        }
        more
    }

    fn moved(&mut self, to: (i32, f64, f64)) {
        let Some(at) = self.pointers.iter().position(|p| p.0 == to.0) else { return };
        let from = self.pointers[at];
        let other = self.pointers.iter().find(|p| p.0 != to.0).copied();
        let Some(sheet) = &mut self.sheet else { return };
        match other {
            None => {
                // A hand is not quite still when it clicks.
                if !self.dragged && (to.1 - from.1).hypot(to.2 - from.2) < 4.0 {
                    return;
                }
                sheet.drag(to.1 - from.1, to.2 - from.2);
            }
            Some((_, x, y)) => {
                let before = (from.1 - x).hypot(from.2 - y).max(1.0);
                let after = (to.1 - x).hypot(to.2 - y).max(1.0);
                sheet.zoom_at((to.1 + x) / 2.0, (to.2 + y) / 2.0, after / before);
                sheet.drag((to.1 - from.1) / 2.0, (to.2 - from.2) / 2.0);
            }
        }
        self.dragged = true;
        self.pointers[at] = to;
    }
}

fn capture(node: &NodeRef, event: &PointerEvent) {
    if let Some(element) = node.cast::<HtmlElement>() {
        let _ = element.set_pointer_capture(event.pointer_id());
    }
}

fn position(event: &PointerEvent) -> (i32, f64, f64) {
    (event.pointer_id(), f64::from(event.offset_x()), f64::from(event.offset_y()))
}

fn now() -> f64 {
    web_sys::window().and_then(|w| w.performance()).map_or(0.0, |p| p.now())
}

/// Asks for a frame, once.
fn ask<S>(stage: &Rc<RefCell<Stage<S>>>) {
    let mut stage = stage.borrow_mut();
    if stage.asked {
        return;
    }
    let Some((tick, window)) = stage.tick.as_ref().zip(web_sys::window()) else { return };
    let _ = window.request_animation_frame(tick.as_ref().unchecked_ref());
    stage.asked = true;
}
