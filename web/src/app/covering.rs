//! What prunes and precision come down to: how a state covers a path, what was in the way where none did, and
//! which numbers a step relies on.

use super::state::name;
use super::{App, Msg};
use glasshive::trace::view::{Cause, Cover, Covered, Place};
use yew::html::Scope;
use yew::prelude::*;

/// How the selected node is covered; nothing where it was not pruned.
pub fn view(app: &App, link: &Scope<App>) -> Html {
    let Some((node, covering)) = &app.covering else { return html! {} };
    let step = covering.step.0;
    let by = app.tree.by.get(*node).copied().unwrap_or(crate::protocol::NONE);
    let go = link.callback(move |_: MouseEvent| Msg::Step(step));
    let frames = covering.rows.iter().any(|row| frame(&row.place) > 0);
    html! {
        <section aria-label="Why this path was cut short">
            <h3>{"Why this path was cut short"}</h3>
            <p class="note">{ format!("At instruction {} all that it may do was walked already: ", covering.pc) }
                <button class="link" onclick={go}>{ format!("the state kept at step {}", step + 1) }</button>
                { if by as usize == *node { " covers it." } else { ", the dashed line's end, covers it." } }</p>
            <table role="grid" aria-label="Comparison with the covering state" class="values compared">
                <thead><tr><th scope="col">{"Place"}</th><th scope="col">{"This path"}</th><th scope="col">{"Kept state"}</th></tr></thead>
                <tbody>{ for covering.rows.iter().map(|row| compared(row, frames)) }</tbody>
            </table>
        </section>
    }
}

fn frame(place: &Place) -> u32 {
    match place {
        Place::Register { frame, .. } | Place::Slot { frame, .. } => *frame,
    }
}

fn compared(row: &Covered, frames: bool) -> Html {
    let (class, says) = match row.how {
        Cover::Same => ("same", "= the same"),
        Cover::Within => ("within", "⊆ within what the kept state may be"),
        Cover::Inexact => ("inexact", "≈ any number will do: nothing relies on it exactly"),
        Cover::Unread => ("unread", "– nobody reads it on"),
        Cover::Compatible => ("within", "⊆ fits by its type"),
    };
    let of = if frames { format!("{}: ", frame(&row.place)) } else { String::new() };
    html! {
        <>
            <tr {class}>
                <th scope="row" class="mono">{ of }{ name(&row.place) }</th>
                <td>{ row.path.words.clone() }</td><td>{ row.kept.words.clone() }</td>
            </tr>
            <tr class={classes!("how", class)}><th></th><td colspan="2">{ says }</td></tr>
        </>
    }
}

/// A causal chain: each step can be gone to.
pub fn chain(link: &Scope<App>, causes: &[Cause]) -> Html {
    if causes.is_empty() {
        return html! { <p class="note">{"It was so from the beginning."}</p> };
    }
    html! {
        <ol class="path" aria-label="Where it came from">{ for causes.iter().map(|cause| {
            let step = cause.step.0;
            let go = link.callback(move |_: MouseEvent| Msg::Step(step));
            html! { <li><button class="link" onclick={go}><span class="mono number">{ cause.pc }</span>{ cause.what.clone() }</button></li> }
        }) }</ol>
    }
}

/// The numbers that the step relies on exactly.
pub fn reliance(app: &App, link: &Scope<App>) -> Html {
    if app.reliance.is_empty() {
        return html! {};
    }
    html! {
        <section aria-label="Relied on exactly">
            <h3>{"Relied on exactly"}</h3>
            <p class="note">{"The instruction needs these numbers exactly: the verifier marks them back to where they came from, \
                and a kept state has to match them."}</p>
            { for app.reliance.iter().map(|relied| html! {
                <div class="relied"><span class="mono">{ name(&relied.place) }</span>{ chain(link, &relied.through) }</div>
            }) }
        </section>
    }
}

/// Kept states that were tried before the step, and what was in the way.
pub fn misses(app: &App, link: &Scope<App>) -> Html {
    if app.misses.is_empty() {
        return html! {};
    }
    html! {
        <section aria-label="Not covered by">
            <h3>{"Not covered by"}</h3>
            <ul class="plain">{ for app.misses.iter().map(|miss| {
                let step = miss.step;
                let go = link.callback(move |_: MouseEvent| Msg::Step(step));
                let why = match &miss.blocked {
                    None => html! { {": its calls or references differ."} },
                    Some(blocked) => html! {
                        <>{": "}<span class="mono">{ name(&blocked.place) }</span>
                            { format!(" is {} here, {} there.", blocked.path.words, blocked.kept.words) }</>
                    },
                };
                html! { <li><button class="link" onclick={go}>{ format!("the state kept at step {}", step + 1) }</button>{ why }</li> }
            }) }</ul>
        </section>
    }
}
