//! A list that renders only the rows in view. Rows have one height, so that positions are arithmetic.

use wasm_bindgen::prelude::*;
use web_sys::{HtmlElement, ResizeObserver};
use yew::prelude::*;

/// Rows rendered above and below those in view.
const MARGIN: usize = 8;

/// What a list needs to know.
#[derive(Properties, PartialEq)]
pub struct Props {
    /// Its accessible name.
    pub label: AttrValue,
    /// Its ARIA role.
    pub role: AttrValue,
    /// Its classes.
    #[prop_or_default]
    pub class: Classes,
    /// Number of rows.
    pub total: usize,
    /// Height of a row in CSS pixels; the style sheet gives rows the same.
    pub height: u32,
    /// The row to bring into view whenever it changes.
    #[prop_or_default]
    pub shown: Option<usize>,
    /// Any number that changes when `shown` is to be brought into view again.
    #[prop_or_default]
    pub again: u32,
    /// Makes a row.
    pub row: Callback<usize, Html>,
    /// Told which rows (first, count) are rendered, whenever that changes.
    #[prop_or_default]
    pub onwindow: Callback<(usize, usize)>,
    /// Keys.
    #[prop_or_default]
    pub onkeydown: Callback<KeyboardEvent>,
    /// The id of the row that has the keyboard's attention.
    #[prop_or_default]
    pub active: Option<AttrValue>,
}

/// The list.
pub struct Windowed {
    list: NodeRef,
    first: usize,
    count: usize,
    /// What was brought into view last.
    brought: Option<(usize, u32)>,
    told: Option<(usize, usize)>,
    observer: Option<(ResizeObserver, Closure<dyn FnMut()>)>,
}

/// What happens to a list.
pub enum Moved {
    /// It was scrolled or has another size.
    Perhaps,
    /// Other rows are in view.
    Surely,
}

impl Component for Windowed {
    type Message = Moved;
    type Properties = Props;

    fn create(_: &Context<Self>) -> Self {
        Windowed { list: NodeRef::default(), first: 0, count: 40, brought: None, told: None, observer: None }
    }

    fn update(&mut self, ctx: &Context<Self>, moved: Moved) -> bool {
        matches!(moved, Moved::Surely) || self.measure(ctx)
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        let props = ctx.props();
        let (from, to) = self.range(props.total);
        let onscroll = ctx.link().callback(|_: Event| Moved::Perhaps);
        html! {
            <div ref={self.list.clone()} class={classes!("windowed", props.class.clone())} role={props.role.clone()}
                aria-label={props.label.clone()} tabindex="0" {onscroll} onkeydown={props.onkeydown.clone()}
                aria-activedescendant={props.active.clone()}>
                { space(from, props.height) }
                { for (from..to).map(|row| props.row.emit(row)) }
                { space(props.total - to, props.height) }
            </div>
        }
    }

    fn rendered(&mut self, ctx: &Context<Self>, first: bool) {
        let props = ctx.props();
        let (from, to) = self.range(props.total);
        let Some(list) = self.list.cast::<HtmlElement>() else { return };
        if first {
            let link = ctx.link().clone();
            let moved = Closure::<dyn FnMut()>::new(move || link.send_message(Moved::Perhaps));
            if let Ok(observer) = ResizeObserver::new(moved.as_ref().unchecked_ref()) {
                observer.observe(&list);
                self.observer = Some((observer, moved));
            }
        }
        let seen = list.client_height();
        if let Some(row) = props.shown.filter(|row| *row < props.total && seen > 0)
            && self.brought != Some((row, props.again))
        {
            self.brought = Some((row, props.again));
            let top = (row as u32 * props.height) as i32;
            let bottom = top + props.height as i32;
            if top < list.scroll_top() || bottom > list.scroll_top() + seen {
                list.set_scroll_top((top - seen / 2).max(0));
            }
        }
        if self.measure(ctx) {
            ctx.link().send_message(Moved::Surely);
        }
        if self.told != Some((from, to)) && to > from {
            self.told = Some((from, to));
            props.onwindow.emit((from, to - from));
        }
    }

    fn changed(&mut self, _: &Context<Self>, _: &Props) -> bool {
        // The rows may be others behind the same numbers.
        self.told = None;
        true
    }

    fn destroy(&mut self, _: &Context<Self>) {
        if let Some((observer, _)) = self.observer.take() {
            observer.disconnect();
        }
    }
}

impl Windowed {
    fn range(&self, total: usize) -> (usize, usize) {
        let from = self.first.min(total.saturating_sub(self.count));
        (from, (self.first + self.count).min(total).max(from))
    }

    /// Takes the list's position over; whether other rows are in view than before.
    fn measure(&mut self, ctx: &Context<Self>) -> bool {
        let Some(list) = self.list.cast::<HtmlElement>() else { return false };
        let height = ctx.props().height.max(1) as usize;
        let first = (list.scroll_top().max(0) as usize / height).saturating_sub(MARGIN);
        let count = list.client_height().max(0) as usize / height + 2 * MARGIN + 1;
        // Whole margins at a time, so that a small movement renders nothing.
        let first = first / (MARGIN / 2) * (MARGIN / 2);
        let other = (first, count) != (self.first, self.count);
        (self.first, self.count) = (first, count);
        other
    }
}

/// The place of rows that are not rendered. An image's height is there as soon as the image is, where a style
/// would come later (the content-security policy forbids it in the markup) and the list would lose its position.
fn space(rows: usize, height: u32) -> Html {
    let height = (rows as u64 * u64::from(height)).to_string();
    html! { <svg class="space" width="1" {height} aria-hidden="true"></svg> }
}
