//! The exploration: the canvas, and an ARIA tree in step with it.

use super::painter::{Painter, Scene, caption, glyph, slots};
use super::windowed::Windowed;
use crate::protocol::{NONE, NodeKind, Tree};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use web_sys::{HtmlCanvasElement, HtmlElement, PointerEvent, ResizeObserver, WheelEvent};
use yew::prelude::*;

/// What the exploration shows.
#[derive(Properties, PartialEq)]
pub struct Props {
    /// The tree.
    pub tree: Rc<Tree>,
    /// A phrase for the edge above each node.
    pub labels: Rc<Vec<String>>,
    /// The selected node.
    pub selected: Option<usize>,
    /// Nodes that the concrete run went through.
    pub run: Rc<Vec<u32>>,
    /// Changes with the colours.
    pub theme: u32,
    /// A node was chosen.
    pub onselect: Callback<usize>,
}

/// The exploration.
pub struct Explorer {
    canvas: NodeRef,
    frame: NodeRef,
    stage: Rc<RefCell<Stage>>,
    outline: bool,
    kept: Vec<Closure<dyn FnMut()>>,
    wheel: Option<Closure<dyn FnMut(WheelEvent)>>,
    observer: Option<ResizeObserver>,
}

/// The painter and the frame that it waits for.
#[derive(Default)]
struct Stage {
    painter: Option<Painter>,
    tick: Option<Closure<dyn FnMut(f64)>>,
    asked: bool,
    /// Pointers that are down: id and position.
    pointers: Vec<(i32, f64, f64)>,
    /// Whether the pointer moved since it went down.
    dragged: bool,
}

/// What happens to it.
pub enum Msg {
    /// A key on the tree.
    Key(KeyboardEvent),
    /// A pointer on the canvas.
    Down(PointerEvent),
    /// It moved.
    Move(PointerEvent),
    /// It left.
    Up(PointerEvent),
    /// Zoom by a factor about the middle.
    Zoom(f64),
    /// The whole tree into view.
    Fit,
    /// Outline or drawing.
    Outline(bool),
    /// A row of the outline was chosen.
    Pick(usize),
}

impl Component for Explorer {
    type Message = Msg;
    type Properties = Props;

    fn create(_: &Context<Self>) -> Self {
        Explorer {
            canvas: NodeRef::default(),
            frame: NodeRef::default(),
            stage: Rc::default(),
            outline: false,
            kept: Vec::new(),
            wheel: None,
            observer: None,
        }
    }

    fn changed(&mut self, ctx: &Context<Self>, old: &Props) -> bool {
        let props = ctx.props();
        let fresh = !Rc::ptr_eq(&old.tree, &props.tree);
        if let Some(painter) = &mut self.stage.borrow_mut().painter {
            if old.theme != props.theme {
                painter.recolour();
            }
            painter.show(scene(props), now());
            if fresh {
                painter.open();
            }
        }
        ask(&self.stage);
        true
    }

    fn update(&mut self, ctx: &Context<Self>, msg: Msg) -> bool {
        let props = ctx.props();
        let mut chosen = None;
        {
            let mut stage = self.stage.borrow_mut();
            match msg {
                Msg::Key(event) => chosen = self.key(props, &event, &mut stage),
                Msg::Down(event) => {
                    stage.pointers.retain(|p| p.0 != event.pointer_id());
                    stage.pointers.push(position(&event));
                    stage.dragged = stage.pointers.len() > 1;
                    if let Some(canvas) = self.canvas.cast::<HtmlElement>() {
                        let _ = canvas.set_pointer_capture(event.pointer_id());
                    }
                }
                Msg::Move(event) => stage.moved(position(&event)),
                Msg::Up(event) => {
                    let at = position(&event);
                    let clicked = !stage.dragged && stage.pointers.iter().any(|p| p.0 == at.0);
                    stage.pointers.retain(|p| p.0 != at.0);
                    if clicked && let Some(painter) = &stage.painter {
                        chosen = painter.hit(at.1, at.2);
                    }
                    if clicked
                        && let Some(frame) = self.frame.cast::<HtmlElement>()
                        && let Ok(Some(tree)) = frame.query_selector("[role=tree]")
                        && let Ok(tree) = tree.dyn_into::<HtmlElement>()
                    {
                        let _ = tree.focus();
                    }
                }
                Msg::Zoom(factor) => {
                    if let Some(painter) = &mut stage.painter {
                        painter.zoom(factor);
                    }
                }
                Msg::Fit => {
                    if let Some(painter) = &mut stage.painter {
                        painter.fit();
                    }
                }
                Msg::Outline(outline) => {
                    drop(stage);
                    self.outline = outline;
                    return true;
                }
                Msg::Pick(node) => chosen = Some(node),
            }
        }
        ask(&self.stage);
        if let Some(node) = chosen.filter(|node| *node < props.tree.len()) {
            props.onselect.emit(node);
        }
        false
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        let (props, link) = (ctx.props(), ctx.link());
        let tree = props.tree.clone();
        let labels = props.labels.clone();
        let selected = props.selected;
        let pick = link.callback(Msg::Pick);
        let row = Callback::from(move |node: usize| {
            outline_row(&tree, &labels, node, selected == Some(node), &pick)
        });
        let press = |msg: fn() -> Msg| link.callback(move |_: MouseEvent| msg());
        let active = selected.map(|node| AttrValue::from(format!("node-{node}")));
        html! {
            <div class={classes!("explorer", self.outline.then_some("as-outline"))}>
                <div class="tools">
                    <div class="switch" role="group" aria-label="View of the exploration">
                        <button aria-pressed={(!self.outline).to_string()} onclick={press(|| Msg::Outline(false))}>{"Tree"}</button>
                        <button aria-pressed={self.outline.to_string()} onclick={press(|| Msg::Outline(true))}>{"Outline"}</button>
                    </div>
                    <span class="note">{ counts(&props.tree) }</span>
                    <div class="zooms" role="group" aria-label="Zoom">
                        <button aria-label="Zoom out" onclick={press(|| Msg::Zoom(0.8))}>{"−"}</button>
                        <button aria-label="Zoom in" onclick={press(|| Msg::Zoom(1.25))}>{"+"}</button>
                        <button onclick={press(|| Msg::Fit)}>{"Fit"}</button>
                    </div>
                </div>
                <div class="stage" ref={self.frame.clone()}>
                    <canvas ref={self.canvas.clone()} aria-hidden="true"
                        onpointerdown={link.callback(Msg::Down)} onpointermove={link.callback(Msg::Move)}
                        onpointerup={link.callback(Msg::Up)} onpointercancel={link.callback(Msg::Up)}></canvas>
                    <Windowed label="Exploration" role="tree" class="outline" total={props.tree.len()} height={24}
                        shown={selected} {row} {active} onkeydown={link.callback(Msg::Key)} />
                </div>
                <p class="legend" aria-hidden="true">
                    <span class="good">{"✓ exit"}</span><span class="bad">{"✕ rejected"}</span>
                    <span>{"∧ fork"}</span><span>{"▪ state kept"}</span><span>{"◇ pruned"}</span><span>{"↺ loop"}</span>
                </p>
            </div>
        }
    }

    fn rendered(&mut self, ctx: &Context<Self>, first: bool) {
        if !first {
            return;
        }
        let Some(canvas) = self.canvas.cast::<HtmlCanvasElement>() else { return };
        let window = web_sys::window();
        let asks = |query: &str| window.as_ref().and_then(|w| w.match_media(query).ok()).flatten();
        let still = asks("(prefers-reduced-motion: reduce)").is_some_and(|m| m.matches());
        {
            let mut stage = self.stage.borrow_mut();
            stage.painter = Painter::new(canvas.clone(), still);
            let inner = self.stage.clone();
            stage.tick = Some(Closure::new(move |at: f64| {
                let mut stage = inner.borrow_mut();
                stage.asked = false;
                let more = stage.painter.as_mut().is_some_and(|painter| painter.draw(at));
                drop(stage);
                if more {
                    ask(&inner);
                }
            }));
            if let Some(painter) = &mut stage.painter {
                painter.resize();
                painter.show(scene(ctx.props()), now());
                painter.open();
            }
        }
        let stage = self.stage.clone();
        let resized = Closure::<dyn FnMut()>::new(move || {
            if let Some(painter) = &mut stage.borrow_mut().painter {
                painter.resize();
            }
            ask(&stage);
        });
        if let Ok(observer) = ResizeObserver::new(resized.as_ref().unchecked_ref()) {
            observer.observe(&canvas);
            self.observer = Some(observer);
        }
        let stage = self.stage.clone();
        let recoloured = Closure::<dyn FnMut()>::new(move || {
            if let Some(painter) = &mut stage.borrow_mut().painter {
                painter.recolour();
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
            if let Some(painter) = &mut stage.borrow_mut().painter {
                if event.shift_key() {
                    painter.drag(-event.delta_y() * unit, 0.0);
                } else {
                    painter.drag(-event.delta_x() * unit, 0.0);
                    painter.zoom_at(f64::from(event.offset_x()), f64::from(event.offset_y()), factor);
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
        self.stage.borrow_mut().painter = None;
    }
}

impl Explorer {
    /// What a key chooses.
    fn key(&self, props: &Props, event: &KeyboardEvent, stage: &mut Stage) -> Option<usize> {
        let tree = &props.tree;
        if tree.is_empty() || event.alt_key() || event.ctrl_key() || event.meta_key() {
            return None;
        }
        let at = props.selected.unwrap_or(0).min(tree.len() - 1);
        let to = match event.key().as_str() {
            "ArrowDown" => at + 1,
            "ArrowUp" => at.checked_sub(1)?,
            "ArrowLeft" => (tree.parent[at] != NONE).then_some(tree.parent[at] as usize)?,
            "ArrowRight" => *tree.children(at).first()?,
            "Home" => 0,
            "End" => tree.len() - 1,
            "PageDown" => (at + 10).min(tree.len() - 1),
            "PageUp" => at.saturating_sub(10),
            key @ ("+" | "=" | "-") => {
                if let Some(painter) = &mut stage.painter {
                    painter.zoom(if key == "-" { 0.8 } else { 1.25 });
                }
                return None;
            }
            "0" => {
                if let Some(painter) = &mut stage.painter {
                    painter.fit();
                }
                return None;
            }
            _ => return None,
        };
        event.prevent_default();
        Some(to)
    }
}

impl Stage {
    fn moved(&mut self, to: (i32, f64, f64)) {
        let Some(at) = self.pointers.iter().position(|p| p.0 == to.0) else { return };
        let from = self.pointers[at];
        let other = self.pointers.iter().find(|p| p.0 != to.0).copied();
        let Some(painter) = &mut self.painter else { return };
        match other {
            None => {
                // A hand is not quite still when it clicks.
                if !self.dragged && (to.1 - from.1).hypot(to.2 - from.2) < 4.0 {
                    return;
                }
                painter.drag(to.1 - from.1, to.2 - from.2);
            }
            Some((_, x, y)) => {
                let before = (from.1 - x).hypot(from.2 - y).max(1.0);
                let after = (to.1 - x).hypot(to.2 - y).max(1.0);
                painter.zoom_at((to.1 + x) / 2.0, (to.2 + y) / 2.0, after / before);
                painter.drag((to.1 - from.1) / 2.0, (to.2 - from.2) / 2.0);
            }
        }
        self.dragged = true;
        self.pointers[at] = to;
    }
}

fn position(event: &PointerEvent) -> (i32, f64, f64) {
    (event.pointer_id(), f64::from(event.offset_x()), f64::from(event.offset_y()))
}

fn now() -> f64 {
    web_sys::window().and_then(|w| w.performance()).map_or(0.0, |p| p.now())
}

/// Asks for a frame, once.
fn ask(stage: &Rc<RefCell<Stage>>) {
    let mut stage = stage.borrow_mut();
    if stage.asked {
        return;
    }
    let Some((tick, window)) = stage.tick.as_ref().zip(web_sys::window()) else { return };
    let _ = window.request_animation_frame(tick.as_ref().unchecked_ref());
    stage.asked = true;
}

fn scene(props: &Props) -> Scene {
    Scene {
        tree: props.tree.clone(),
        labels: props.labels.clone(),
        selected: props.selected,
        run: props.run.clone(),
    }
}

fn counts(tree: &Tree) -> String {
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
    let mut out = plural(leaves, "path");
    if pruned > 0 {
        out += &format!(", {pruned} pruned");
    }
    out
}

/// "1 path", "2 paths".
pub fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn outline_row(tree: &Tree, labels: &[String], node: usize, selected: bool, pick: &Callback<usize>) -> Html {
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
    html! {
        <div key={node} id={format!("node-{node}")} role="treeitem" class={classes!("row", selected.then_some("selected"))}
            aria-level={(level + 1).to_string()} aria-setsize={siblings.len().max(1).to_string()}
            aria-posinset={place.to_string()} aria-selected={selected.to_string()} {onclick}>
            <span class="indent" aria-hidden="true">{ indent }</span>
            <span class={classes!("glyph", class)} aria-hidden="true">{ glyph(kind) }</span>
            <span class="mono">{ slots(tree, node) }</span>
            <span class="when mono">{ label }</span>
            <span class="muted">{ caption(tree, node) }</span>
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
