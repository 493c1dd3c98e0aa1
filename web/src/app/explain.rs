//! Terms that explain themselves where they stand, on hover, focus or tap.

use crate::terms;
use wasm_bindgen::prelude::*;
use web_sys::{Element, Event, HtmlElement, KeyboardEvent};
use yew::prelude::*;

/// A line with its terms marked; `reachable` puts them into the order of the Tab key.
pub fn explained(line: &str, reachable: bool) -> Html {
    let tabindex = if reachable { "0" } else { "-1" };
    terms::parts(line)
        .into_iter()
        .map(|(text, term)| match term {
            None => html! { { text.to_owned() } },
            Some(term) => {
                html! { <span class="term" {tabindex} data-term={term.to_string()}>{ text.to_owned() }</span> }
            }
        })
        .collect()
}

type Listener = (&'static str, Closure<dyn FnMut(Event)>);

/// The explanation in view, placed beside its term.
#[derive(Default)]
pub struct Tip {
    shown: Option<(Element, usize)>,
    place: NodeRef,
    listeners: Vec<Listener>,
}

/// The term that is pointed at, if any.
pub struct Point(Option<(Element, usize)>);

const EVENTS: [&str; 5] = ["pointerover", "pointerdown", "focusin", "keydown", "scroll"];

impl Component for Tip {
    type Message = Point;
    type Properties = ();

    fn create(_: &Context<Self>) -> Self {
        Tip::default()
    }

    fn update(&mut self, _: &Context<Self>, Point(to): Point) -> bool {
        if self.shown == to {
            return false;
        }
        if let Some((old, _)) = &self.shown {
            let _ = old.remove_attribute("aria-describedby");
        }
        if let Some((new, _)) = &to {
            let _ = new.set_attribute("aria-describedby", "tip");
        }
        self.shown = to;
        true
    }

    fn view(&self, _: &Context<Self>) -> Html {
        let Some((element, term)) = &self.shown else { return html! {} };
        let Some(term) = terms::all().get(*term) else { return html! {} };
        html! {
            <dl class="tip" id="tip" role="tooltip" ref={self.place.clone()}>
                <dt>{ element.text_content() }</dt><dd>{ term.meaning }</dd>
            </dl>
        }
    }

    fn rendered(&mut self, ctx: &Context<Self>, first: bool) {
        if first && let Some(document) = web_sys::window().and_then(|w| w.document()) {
            for name in EVENTS {
                let link = ctx.link().clone();
                let listener = Closure::<dyn FnMut(Event)>::new(move |event: Event| {
                    if let Some(point) = pointed(&event) {
                        link.send_message(point);
                    }
                });
                let function = listener.as_ref().unchecked_ref();
                // Capturing, since scrolling does not bubble.
                let _ = document.add_event_listener_with_callback_and_bool(name, function, true);
                self.listeners.push((name, listener));
            }
        }
        if let (Some((element, _)), Some(tip)) = (&self.shown, self.place.cast::<HtmlElement>()) {
            place(element, &tip);
        }
    }

    fn destroy(&mut self, _: &Context<Self>) {
        let Some(document) = web_sys::window().and_then(|w| w.document()) else { return };
        for (name, listener) in &self.listeners {
            let function = listener.as_ref().unchecked_ref();
            let _ = document.remove_event_listener_with_callback_and_bool(name, function, true);
        }
    }
}

/// What an event means for the tip; `None` where it means nothing.
fn pointed(event: &Event) -> Option<Point> {
    match event.type_().as_str() {
        "scroll" => return Some(Point(None)),
        "keydown" => {
            let key = event.dyn_ref::<KeyboardEvent>()?.key();
            return (key == "Escape").then_some(Point(None));
        }
        _ => {}
    }
    let target: Element = event.target()?.dyn_into().ok()?;
    let term = target.closest("[data-term]").ok().flatten();
    Some(Point(term.and_then(|term| {
        let number = term.get_attribute("data-term")?.parse().ok()?;
        Some((term, number))
    })))
}

/// Puts the tip under its term, or over it where there is no room, and within the window.
fn place(element: &Element, tip: &HtmlElement) {
    let Some(window) = web_sys::window() else { return };
    let side = |value: Result<JsValue, JsValue>| value.ok().and_then(|v| v.as_f64()).unwrap_or(0.0);
    let (wide, high) = (side(window.inner_width()), side(window.inner_height()));
    let (at, size) = (element.get_bounding_client_rect(), tip.get_bounding_client_rect());
    let x = at.left().min(wide - size.width() - 8.0).max(8.0);
    let below = at.bottom() + 6.0;
    let y = if below + size.height() > high - 8.0 { at.top() - size.height() - 6.0 } else { below };
    let style = tip.style();
    let _ = style.set_property("left", &format!("{x}px"));
    let _ = style.set_property("top", &format!("{}px", y.max(8.0)));
}
