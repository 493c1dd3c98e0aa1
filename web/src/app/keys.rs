//! The page's keys: a table, and the listener that reads it.

use super::listener::Listener;
use super::{App, Msg};
use crate::session::Tab;
use wasm_bindgen::prelude::*;
use web_sys::{Element, Event, KeyboardEvent};
use yew::html::Scope;
use yew::prelude::*;

/// A key and what it does, wherever the keyboard is but in a text field.
struct Key {
    key: &'static str,
    shown: &'static str,
    what: &'static str,
    message: fn() -> Msg,
}

const KEYS: &[Key] = &[
    Key { key: "ArrowRight", shown: "→", what: "Next step of the verifier", message: || Msg::Along(1) },
    Key { key: "ArrowLeft", shown: "←", what: "Previous step", message: || Msg::Along(-1) },
    Key { key: "x", shown: "x", what: "To the failure", message: || Msg::Failure },
    Key { key: "f", shown: "f", what: "Make the suggested change", message: || Msg::Suggest },
    Key { key: "r", shown: "r", what: "Run on the packet", message: || Msg::Run },
    Key { key: ".", shown: ".", what: "Forward in the run", message: || Msg::SeekBy(1) },
    Key { key: ",", shown: ",", what: "Back in the run", message: || Msg::SeekBy(-1) },
    Key { key: "e", shown: "e", what: "Edit the program, or back", message: || Msg::EditOrBack },
    Key { key: "s", shown: "s", what: "Stop verifying", message: || Msg::Stop },
    Key { key: "1", shown: "1", what: "Why", message: || Msg::Tab(Tab::Why) },
    Key { key: "2", shown: "2", what: "Log", message: || Msg::Tab(Tab::Log) },
    Key { key: "3", shown: "3", what: "Run", message: || Msg::Tab(Tab::Run) },
    Key { key: "4", shown: "4", what: "Maps", message: || Msg::Tab(Tab::Maps) },
    Key { key: "g", shown: "g", what: "Gallery, and opening files", message: || Msg::Gallery(true) },
    Key { key: "t", shown: "t", what: "Theme: system, light, dark", message: || Msg::Theme },
    Key { key: "b", shown: "b", what: "Breakpoint at the selected instruction", message: || Msg::BreakHere },
    Key {
        key: "n",
        shown: "n",
        what: "On in the run to a breakpoint or a change",
        message: || Msg::Travel(false),
    },
    Key {
        key: "p",
        shown: "p",
        what: "Back in the run to a breakpoint or a change",
        message: || Msg::Travel(true),
    },
    Key { key: "/", shown: "/", what: "Commands", message: || Msg::Commands(true) },
    Key { key: "?", shown: "?", what: "This list", message: || Msg::Help(true) },
];

/// Keys that belong to a place.
const ELSEWHERE: &[(&str, &str)] = &[
    ("↑ ↓", "In the exploration: the node before, the node after. In the program and the log: the step"),
    ("← →", "In the exploration: to the parent, to the first child"),
    ("+ − 0", "In the exploration: zoom in, zoom out, fit"),
    ("space", "In the exploration: fold away what is below, and show it again"),
    ("Ctrl Z", "Undo; with the shift key, redo"),
    ("Ctrl K", "Commands"),
    ("/", "In the editor, at the beginning of a line: pieces of programs"),
    ("Esc", "Close what lies over the page"),
];

/// Listens on the document for the keys of the table.
pub fn listen(link: Scope<App>) -> Option<Listener> {
    let document = web_sys::window()?.document()?;
    Some(Listener::on(document.into(), "keydown", move |event: Event| {
        let Some(event) = event.dyn_ref::<KeyboardEvent>() else { return };
        let modified = event.ctrl_key() || event.meta_key() || event.alt_key();
        if (event.ctrl_key() || event.meta_key()) && !event.default_prevented() && !takes_text(event) {
            let message = match (event.key().to_lowercase().as_str(), event.shift_key()) {
                ("z", false) => Msg::Undo,
                ("z", true) | ("y", false) => Msg::Redo,
                ("k", false) => Msg::Commands(true),
                _ => return,
            };
            event.prevent_default();
            return link.send_message(message);
        }
        if event.default_prevented() || modified || takes_text(event) {
            return;
        }
        if let Some(key) = KEYS.iter().find(|key| key.key == event.key()) {
            event.prevent_default();
            link.send_message((key.message)());
        }
    }))
}

/// Whether the key goes to something that has its own use for it.
fn takes_text(event: &KeyboardEvent) -> bool {
    let target = event.target().and_then(|t| t.dyn_into::<Element>().ok());
    target.is_some_and(|t| {
        t.matches("input:not([type=checkbox],[type=file]), textarea, select, dialog, dialog *, [data-editor]")
            .unwrap_or(false)
    })
}

/// What the keys do: its name, the key, and the message.
pub fn commands() -> impl Iterator<Item = (&'static str, &'static str, fn() -> Msg)> {
    KEYS.iter().map(|key| (key.what, key.shown, key.message))
}

/// The list of keys.
pub fn help() -> Html {
    html! {
        <dl class="keys">
            { for KEYS.iter().map(|key| html! { <><dt><kbd>{ key.shown }</kbd></dt><dd>{ key.what }</dd></> }) }
            { for ELSEWHERE.iter().map(|(key, what)| html! { <><dt><kbd>{ *key }</kbd></dt><dd>{ *what }</dd></> }) }
        </dl>
    }
}
