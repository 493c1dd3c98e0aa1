//! What lies over the page: a modal dialog, which the browser closes on Escape and gives the keyboard.

use wasm_bindgen::prelude::*;
use web_sys::HtmlDialogElement;
use yew::prelude::*;

/// What a dialog needs to know.
#[derive(Properties, PartialEq)]
pub struct Props {
    /// Its heading and accessible name.
    pub title: AttrValue,
    /// It was closed.
    pub onclose: Callback<()>,
    /// What is in it.
    pub children: Html,
}

/// A dialog, open for as long as it is drawn.
#[component]
pub fn Dialog(props: &Props) -> Html {
    let node = use_node_ref();
    let opened = node.clone();
    use_effect_with((), move |()| {
        let dialog = opened.cast::<HtmlDialogElement>();
        if let Some(dialog) = &dialog {
            let _ = dialog.show_modal();
        }
        // Closing gives the keyboard back to what had it before.
        move || dialog.into_iter().for_each(|dialog| dialog.close())
    });
    let closed = props.onclose.clone();
    let oncancel = Callback::from(move |event: Event| {
        event.prevent_default();
        closed.emit(());
    });
    // A click on the dialog itself, and not on what is in it, is one beside it.
    let beside = props.onclose.clone();
    let frame = node.clone();
    let onclick = Callback::from(move |event: MouseEvent| {
        let target = event.target().and_then(|t| t.dyn_into::<HtmlDialogElement>().ok());
        if target.is_some() && target == frame.cast::<HtmlDialogElement>() {
            beside.emit(());
        }
    });
    let close = props.onclose.reform(|_: MouseEvent| ());
    html! {
        <dialog ref={node} aria-label={props.title.clone()} {oncancel} {onclick}>
            <div class="inside">
                <div class="head">
                    <h2>{ props.title.clone() }</h2>
                    <button class="icon" aria-label="Close" onclick={close}>{"×"}</button>
                </div>
                { props.children.clone() }
            </div>
        </dialog>
    }
}
