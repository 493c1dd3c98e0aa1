//! Why the verdict is what it is.

use super::bar::grouped;
use super::explain::explained;
use super::fix::Fix;
use super::state::instruction;
use super::{App, Msg, Phase};
use crate::gallery;
use crate::protocol::{Outcome, Verdict};
use crate::session::Origin;
use glasshive::trace::view::Diagnostic;
use yew::html::Scope;
use yew::prelude::*;

/// The pane.
pub fn view(app: &App, link: &Scope<App>) -> Html {
    if app.phase == Phase::Refused {
        return html! {
            <div class="why"><ul class="part">{ for app.problems.iter().map(|p| html! { <li>{
                if p.line > 0 { format!("line {}, column {}: {}", p.line, p.column, p.message) } else { p.message.clone() }
            }</li> }) }</ul></div>
        };
    }
    let Some(outcome) = &app.outcome else { return html! {} };
    html! {
        <div class="why">
            { match (&outcome.diagnostic, outcome.verdict) {
                (Some(diagnostic), _) => rejected(app, link, diagnostic),
                (None, Verdict::Accepted) => accepted(app),
                (None, _) => html! {
                    <div class="cause"><p class="part reason">{ outcome.sentence.clone() }</p></div>
                },
            } }
            { super::compare::view(app, link) }
            { counters(outcome) }
            if let Some(rejected) = of_gallery(app).filter(|example| !example.fixed.is_empty()) {
                <Fix {rejected} onopen={link.callback(Msg::Example)} />
            }
        </div>
    }
}

/// The gallery's program that is shown, unchanged.
fn of_gallery(app: &App) -> Option<gallery::Example> {
    match &app.session.origin {
        Origin::Gallery { id } => gallery::example(id),
        Origin::Own { .. } => None,
    }
}

fn rejected(app: &App, link: &Scope<App>, diagnostic: &Diagnostic) -> Html {
    let go = |step: u32| link.callback(move |_: MouseEvent| Msg::Step(step));
    let source = diagnostic.pc.and_then(|pc| source(app, pc));
    html! {
        <div class="cause">
            <div class="part">
                <p class="reason">{ diagnostic.reason.clone() }</p>
                <p class="mono kernel">{ explained(&diagnostic.message, true) }</p>
                if let Some(pc) = diagnostic.pc {
                    <h3>{"At"}</h3>
                    if let Some(step) = diagnostic.step {
                        <button class="link mono" onclick={go(step.0)}>{ instruction(app, pc) }</button>
                    } else {
                        <span class="mono">{ instruction(app, pc) }</span>
                    }
                    if let Some(source) = source { <p class="mono muted">{ source }</p> }
                }
            </div>
            if !diagnostic.path.is_empty() {
                <div class="part">
                    <h3>{"How it came to this"}</h3>
                    <ol class="path">{ for diagnostic.path.iter().map(|cause| html! {
                        <li><button class="link" onclick={go(cause.step.0)}>
                            <span class="mono number">{ cause.pc }</span>{ cause.what.clone() }</button></li>
                    }) }</ol>
                </div>
            }
            if !diagnostic.required.is_empty() || diagnostic.suggestion.is_some() {
                <div class="part">
                    if !diagnostic.required.is_empty() {
                        <h3>{"Required"}</h3><p>{ diagnostic.required.clone() }</p>
                    }
                    if let Some(suggestion) = &diagnostic.suggestion {
                        <h3>{"Suggestion"}</h3><p>{ suggestion.text.clone() }</p>
                        if !suggestion.insert.is_empty() {
                            <pre class="mono insert">{ suggestion.insert.join("\n") }</pre>
                            <button class="primary" onclick={link.callback(|_: MouseEvent| Msg::Suggest)}>{"Add the check"}</button>
                        }
                    }
                </div>
            }
        </div>
    }
}

fn source(app: &App, pc: u32) -> Option<String> {
    let listing = &app.program.listing;
    let at = listing.binary_search_by_key(&pc, |i| i.pc).ok()?;
    let line = app.program.source.get(listing[at].source? as usize)?;
    (!line.file.is_empty()).then(|| line.text.trim().to_owned())
}

fn accepted(app: &App) -> Html {
    let tree = &app.tree;
    let exits = tree.kind.iter().filter(|k| **k == crate::protocol::NodeKind::Exit).count();
    let pruned = tree
        .kind
        .iter()
        .filter(|k| matches!(k, crate::protocol::NodeKind::Pruned | crate::protocol::NodeKind::Loop))
        .count();
    let covered = match pruned {
        0 => String::new(),
        1 => " One more was cut short, because a state seen before covers it.".into(),
        n => format!(" {n} more were cut short, because states seen before cover them."),
    };
    let paths = match exits {
        1 => "One path was walked to its end".to_owned(),
        n => format!("{n} paths were walked to their end"),
    };
    html! {
        <div class="cause"><div class="part">
            <p class="reason">{ format!("{paths}, and no instruction can go wrong on any.{covered}") }</p>
            <p class="muted">{"Step through what was known with the arrow keys; choose Run to see it on real bytes."}</p>
        </div></div>
    }
}

fn counters(outcome: &Outcome) -> Html {
    let stats = outcome.stats;
    let row =
        |name: &'static str, value: String| html! { <><dt>{ name }</dt><dd class="mono">{ value }</dd></> };
    html! {
        <dl class="counters" aria-label="Counters">
            { row("Instructions walked", format!("{} of {}", grouped(stats.processed), grouped(stats.limit))) }
            { row("States kept", grouped(stats.total_states)) }
            { row("At most at once", grouped(stats.peak_states)) }
            { row("At most per instruction", grouped(stats.max_states_per_insn)) }
            { row("Time here", format!("{} ms", grouped(stats.milliseconds))) }
        </dl>
    }
}
