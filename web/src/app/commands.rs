//! Everything that the page can do, as a list to search.

use super::dialog::Dialog;
use super::{App, Msg, keys};
use crate::gallery;
use crate::session::View;
use web_sys::HtmlInputElement;
use yew::html::Scope;
use yew::prelude::*;

/// A command: what it is called, its key, and what it does.
struct Command {
    name: String,
    key: &'static str,
    message: Box<dyn Fn() -> Msg>,
}

fn all() -> Vec<Command> {
    let keys = keys::commands().map(|(name, key, message)| Command {
        name: name.into(),
        key,
        message: Box::new(message),
    });
    let views = [
        (View::Tree, "Explore: tree"),
        (View::Outline, "Explore: outline"),
        (View::Graph, "Explore: control-flow graph"),
        (View::Budget, "Explore: budget per block and branch"),
    ];
    let views = views.map(|(view, name)| Command {
        name: name.into(),
        key: "",
        message: Box::new(move || Msg::View(view)),
    });
    type Simple = (&'static str, fn() -> Msg);
    let simple: [Simple; 7] = [
        ("Share the session", || Msg::Share),
        ("Undo", || Msg::Undo),
        ("Redo", || Msg::Redo),
        ("Type assembly", || Msg::Blank),
        ("Type C", || Msg::TypeC(None)),
        ("Compare edits with what is shown now", || Msg::Pin),
        ("Run to the selected instruction", || Msg::RunTo),
    ];
    let simple =
        simple.map(|(name, message)| Command { name: name.into(), key: "", message: Box::new(message) });
    let examples = gallery::examples().map(|example| Command {
        name: format!("Open: {}", example.title),
        key: "",
        message: Box::new(move || Msg::Example(example.id)),
    });
    keys.chain(views).chain(simple).chain(examples).collect()
}

/// The dialog.
pub fn view(app: &App, link: &Scope<App>) -> Html {
    if !app.commands {
        return html! {};
    }
    let close = link.callback(|()| Msg::Commands(false));
    html! { <Dialog title="Commands" onclose={close}><Palette link={Link(link.clone())} /></Dialog> }
}

/// The page, to be told what was chosen.
#[derive(Clone)]
struct Link(Scope<App>);

impl PartialEq for Link {
    fn eq(&self, _: &Link) -> bool {
        true
    }
}

#[derive(Properties, PartialEq)]
struct Props {
    link: Link,
}

/// A field, and the commands that have its words.
#[component]
fn Palette(props: &Props) -> Html {
    let typed = use_state(String::new);
    let at = use_state(|| 0_usize);
    let field = use_node_ref();
    let focused = field.clone();
    use_effect_with((), move |()| {
        if let Some(field) = focused.cast::<HtmlInputElement>() {
            let _ = field.focus();
        }
    });
    let words: Vec<String> = typed.to_lowercase().split_whitespace().map(String::from).collect();
    let has = |command: &Command| {
        let name = command.name.to_lowercase();
        words.iter().all(|word| name.contains(word.as_str()))
    };
    let found: Vec<Command> = all().into_iter().filter(has).collect();
    let chosen = (*at).min(found.len().saturating_sub(1));
    let link = props.link.0.clone();
    let run = move |command: &Command| {
        link.send_message(Msg::Commands(false));
        link.send_message((command.message)());
    };
    let oninput = {
        let (typed, at) = (typed.clone(), at.clone());
        Callback::from(move |event: InputEvent| {
            typed.set(event.target_unchecked_into::<HtmlInputElement>().value());
            at.set(0);
        })
    };
    let rows: Html = found
        .iter()
        .enumerate()
        .map(|(row, command)| {
            let (run, name) = (run.clone(), command.name.clone());
            let onclick = Callback::from(move |_: MouseEvent| {
                if let Some(command) = all().iter().find(|command| command.name == name) {
                    run(command);
                }
            });
            html! {
                <li id={format!("command-{row}")} role="option" aria-selected={(row == chosen).to_string()}
                    class={classes!((row == chosen).then_some("selected"))} {onclick}>
                    <span>{ command.name.clone() }</span>if !command.key.is_empty() { <kbd>{ command.key }</kbd> }
                </li>
            }
        })
        .collect();
    let count = found.len();
    let onkeydown = Callback::from(move |event: KeyboardEvent| {
        let to = match event.key().as_str() {
            "ArrowDown" => (chosen + 1).min(count.saturating_sub(1)),
            "ArrowUp" => chosen.saturating_sub(1),
            "Enter" => {
                event.prevent_default();
                if let Some(command) = found.get(chosen) {
                    run(command);
                }
                return;
            }
            _ => return,
        };
        event.prevent_default();
        at.set(to);
    });
    html! {
        <div class="palette">
            <input ref={field} type="text" role="combobox" aria-label="Command" aria-expanded="true" aria-controls="commands"
                aria-activedescendant={format!("command-{chosen}")} autocomplete="off" placeholder="What to do"
                {oninput} {onkeydown} />
            <ul id="commands" role="listbox" aria-label="Commands">{ rows }</ul>
        </div>
    }
}
