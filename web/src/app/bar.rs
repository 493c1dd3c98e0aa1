//! The bar on top, the narrow page's tabs, and the gallery.

use super::dialog::Dialog;
use super::keys;
use super::{App, Msg, Pane, Phase};
use crate::gallery;
use crate::protocol::{Document, Input, Verdict};
use crate::session::{Origin, Theme};
use yew::html::Scope;
use yew::prelude::*;

/// The bar: program, verdict, what to do with it.
pub fn view(app: &App, link: &Scope<App>) -> Html {
    let verifying = matches!(app.phase, Phase::Verifying(_));
    let accepted =
        app.phase == Phase::Done && app.outcome.as_ref().is_some_and(|o| o.verdict == Verdict::Accepted);
    let runs = accepted && !matches!(app.program.input, Input::None { .. });
    let run = match app.program.input {
        Input::Packet => "Run on packet",
        _ => "Run",
    };
    let theme = match app.session.theme {
        Theme::System => ("◐", "Theme: as the system"),
        Theme::Light => ("○", "Theme: light"),
        Theme::Dark => ("●", "Theme: dark"),
    };
    html! {
        <header class="bar">
            <h1><span class="comb" aria-hidden="true">{"⬡"}</span><span class="wide">{" glasshive"}</span></h1>
            <button class="pick" aria-haspopup="dialog" onclick={link.callback(|_: MouseEvent| Msg::Gallery(true))}>
                <span>{ app.title() }{ if app.is_edited() { ", edited" } else { "" } }</span><span aria-hidden="true">{" ▾"}</span>
            </button>
            <div class="verdict" role="status" aria-label="Verdict">{ verdict(app) }</div>
            if verifying {
                <button onclick={link.callback(|_: MouseEvent| Msg::Stop)}>{"Stop"}</button>
            }
            <button class="primary" disabled={!runs} onclick={link.callback(|_: MouseEvent| Msg::Run)}>{ run }</button>
            <button class="wide" onclick={link.callback(|_: MouseEvent| Msg::Share)}>{"Share"}</button>
            <button class="icon" aria-label={theme.1} title={theme.1}
                onclick={link.callback(|_: MouseEvent| Msg::Theme)}>{ theme.0 }</button>
            <button class="icon wide" aria-label="Keys" title="Keys (?)"
                onclick={link.callback(|_: MouseEvent| Msg::Help(true))}>{"?"}</button>
        </header>
    }
}

fn verdict(app: &App) -> Html {
    match (&app.phase, &app.outcome) {
        (Phase::Opening, _) => html! { <span class="muted">{"Opening …"}</span> },
        (Phase::Compiling(None), _) => html! { <span class="muted">{"Compiling …"}</span> },
        (Phase::Compiling(Some((done, total))), _) => {
            let megabytes = |bytes: &f64| format!("{:.0}", bytes / 1e6);
            html! {
                <span class="muted">{ format!("Fetching the compilers … {} of {} MB", megabytes(done), megabytes(total)) }
                    { " " }<progress aria-label="Compilers fetched" value={done.to_string()} max={total.to_string()} /></span>
            }
        }
        (Phase::Verifying(0), Some(outcome)) => sentence(outcome.verdict, &outcome.sentence, true),
        (Phase::Verifying(walked), _) => {
            html! { <span class="muted">{ format!("Verifying … {} instructions walked", grouped(*walked)) }</span> }
        }
        (Phase::Refused, _) => {
            let c = matches!(app.document, Some(Document::C { .. }));
            let worst = app.problems.iter().find(|p| !p.is_advice()).or(app.problems.first());
            let first = worst.map_or("the program can't be read".into(), |p| match p.line {
                0 => p.message.clone(),
                line => format!("line {line}: {}", p.message),
            });
            html! { <><strong class="bad">{ if c { "✕ Does not compile" } else { "✕ Not readable" } }</strong>{ " " }<span class="sentence">{ first }</span></> }
        }
        (Phase::Broken(why), _) => {
            html! { <><strong class="bad">{"✕ Engine stopped"}</strong>{ " " }<span class="sentence">{ why.clone() }</span></> }
        }
        (Phase::Done, Some(outcome)) => sentence(outcome.verdict, &outcome.sentence, false),
        (Phase::Done, None) => html! {},
    }
}

fn sentence(verdict: Verdict, sentence: &str, old: bool) -> Html {
    let (class, word) = match verdict {
        Verdict::Accepted => ("good", "✓ Accepted"),
        Verdict::Rejected => ("bad", "✕ Rejected"),
        Verdict::Stopped => ("muted", "… Stopped"),
    };
    html! {
        <><strong class={class}>{ word }</strong>{ " " }
            <span class={classes!("sentence", old.then_some("muted"))}>{ sentence.to_owned() }</span></>
    }
}

/// A number with thin spaces between its thousands.
pub fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The tabs of a narrow page.
pub fn narrow(app: &App, link: &Scope<App>) -> Html {
    let panes =
        [(Pane::Program, "Program"), (Pane::Explore, "Explore"), (Pane::State, "State"), (Pane::Run, "Run")];
    html! {
        <nav class="narrow" aria-label="Panes">
            { for panes.map(|(pane, name)| html! {
                <button aria-pressed={(app.pane == pane).to_string()}
                    onclick={link.callback(move |_: MouseEvent| Msg::Pane(pane))}>{ name }</button>
            }) }
        </nav>
    }
}

/// The gallery, and the way to the user's own programs.
pub fn gallery(app: &App, link: &Scope<App>) -> Html {
    if !app.gallery {
        return html! {};
    }
    let current = match &app.session.origin {
        Origin::Gallery { id } => Some(id.as_str()),
        Origin::Own { .. } => None,
    };
    let row = |example: gallery::Example| {
        let here = current == Some(example.id);
        let (class, glyph, says) =
            if example.accepted { ("good", "✓", "accepted") } else { ("bad", "✕", "rejected") };
        html! {
            <li>
                <button class={classes!("example", here.then_some("selected"))} aria-current={here.then_some("true")}
                    onclick={link.callback(move |_: MouseEvent| Msg::Example(example.id))}>
                    <span {class} title={says}>{ glyph }</span>
                    <span class="title">{ example.title }</span>
                    <span class="muted">{ example.teaches }</span>
                </button>
            </li>
        }
    };
    html! {
        <Dialog title="Gallery" onclose={link.callback(|()| Msg::Gallery(false))}>
            <div class="gallery">
                <h3>{"Programs"}</h3>
                <ul class="examples" aria-label="Programs">
                    { for gallery::examples().filter(|e| e.accepted && !e.fixes()).map(row) }
                </ul>
                <h3>{"Why was it rejected?"}</h3>
                <ul class="examples" aria-label="Why was it rejected?">
                    { for gallery::examples().filter(|e| !e.accepted).map(row) }
                </ul>
            </div>
            <div class="foot">
                { file_button(link, "Open a file", ".o,.c,.s,.asm,.txt,.bpf,.pcap,.cap,.glasshive") }
                <button onclick={link.callback(|_: MouseEvent| Msg::TypeC(None))}>{"Type C"}</button>
                <button onclick={link.callback(|_: MouseEvent| Msg::Blank)}>{"Type assembly"}</button>
                <span class="muted">{"C, an object that clang built, assembly, or a capture; dropped on the page, it opens too."}</span>
            </div>
        </Dialog>
    }
}

/// The list of keys.
pub fn help(app: &App, link: &Scope<App>) -> Html {
    if !app.help {
        return html! {};
    }
    html! { <Dialog title="Keys" onclose={link.callback(|()| Msg::Help(false))}>{ keys::help() }</Dialog> }
}

/// A button that opens files.
pub fn file_button(link: &Scope<App>, name: &'static str, accept: &'static str) -> Html {
    let onchange = link.callback(|event: Event| {
        let input: web_sys::HtmlInputElement = event.target_unchecked_into();
        let files = super::update::files(input.files());
        // The same file may be opened twice.
        input.set_value("");
        Msg::Files(files)
    });
    html! {
        <label class="button">{ name }<input type="file" class="hidden" {accept} aria-label={name} {onchange} /></label>
    }
}
