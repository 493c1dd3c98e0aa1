//! What the verifier knows before the selected step: registers and stack.

use super::explain::explained;
use super::{App, Msg, covering, value_set};
use crate::protocol::Missed;
use glasshive::trace::view::{FrameView, Place, RegisterView, Reliance, SlotView, Value, ValueKind};
use yew::html::Scope;
use yew::prelude::*;

/// The pane.
pub fn view(app: &App, link: &Scope<App>) -> Html {
    html! {
        <div class="scroll" tabindex="0" role="region" aria-label="State before the step">
            { covering::view(app, link) }
            { content(app, link) }
            { covering::reliance(app, link) }
            { covering::misses(app, link) }
        </div>
    }
}

/// The step, and the ways to its neighbours.
pub fn stepper(app: &App, link: &Scope<App>) -> Html {
    let steps = app.outcome.as_ref().map_or(0, |o| o.steps);
    let (step, last) = (app.step, steps.saturating_sub(1));
    let go = |to: u32| link.callback(move |_: MouseEvent| Msg::Step(to));
    html! {
        <div class="tools stepper" role="group" aria-label="Step">
            <button aria-label="Previous step" disabled={step == 0} onclick={go(step.saturating_sub(1))}>{"‹"}</button>
            <span class="count">
                { if steps == 0 { "No step".to_owned() } else { format!("Step {} of {}", step + 1, steps) } }
            </span>
            <button aria-label="Next step" disabled={steps == 0 || step >= last} onclick={go(step + 1)}>{"›"}</button>
            if let Some(state) = &app.state {
                <span class="note mono">{ instruction(app, state.pc) }</span>
            }
        </div>
    }
}

/// The instruction at a slot.
pub fn instruction(app: &App, pc: u32) -> String {
    let listing = &app.program.listing;
    let text = listing.binary_search_by_key(&pc, |i| i.pc).map_or("", |at| listing[at].text.as_str());
    format!("{pc}: {text}")
}

fn content(app: &App, link: &Scope<App>) -> Html {
    let Some(state) = &app.state else {
        return html! { <p class="empty">{"No step is selected."}</p> };
    };
    let Some(frame) = state.frames.last() else { return html! {} };
    html! {
        <>
            if state.frames.len() > 1 {
                <p class="note">{ format!("In frame {}, called from {}", frame.number,
                    frame.call_site.map_or("nowhere".into(), |pc| format!("instruction {pc}"))) }</p>
            }
            { registers(app, link, frame) }
            { stack(app, link, frame) }
            { for state.frames.iter().rev().skip(1).map(|frame| caller(app, link, frame)) }
            if !state.references.is_empty() {
                <h3>{"References held"}</h3>
                <ul class="plain">{ for state.references.iter().map(|r| html! { <li class="mono">{ r.clone() }</li> }) }</ul>
            }
        </>
    }
}

fn registers(app: &App, link: &Scope<App>, frame: &FrameView) -> Html {
    html! {
        <table role="grid" aria-label="Registers" class="values">
            <thead class="unseen"><tr><th scope="col">{"Register"}</th><th scope="col">{"Value"}</th></tr></thead>
            <tbody>{ for frame.registers.iter().map(|r| register(app, link, frame.number, r)) }</tbody>
        </table>
    }
}

fn register(app: &App, link: &Scope<App>, frame: u32, register: &RegisterView) -> Html {
    let place = Place::Register { frame, number: register.number };
    row(app, link, place, register.changed, &register.value, None)
}

fn stack(app: &App, link: &Scope<App>, frame: &FrameView) -> Html {
    html! {
        <>
            <h3>{"Stack"}</h3>
            <table role="grid" aria-label="Stack" class="values">
                <thead class="unseen"><tr><th scope="col">{"Slot"}</th><th scope="col">{"Value"}</th></tr></thead>
                <tbody>
                    { for frame.slots.iter().map(|s| slot(app, link, frame.number, s)) }
                    if frame.slots.is_empty() {
                        <tr class="none"><th scope="row">{"–"}</th><td>{"nothing written"}</td></tr>
                    }
                </tbody>
            </table>
        </>
    }
}

fn slot(app: &App, link: &Scope<App>, frame: u32, slot: &SlotView) -> Html {
    let place = Place::Slot { frame, offset: slot.offset };
    row(app, link, place, slot.changed, &slot.value, Some(&slot.bytes))
}

/// What a place is called: `r1`, `fp-8`.
pub fn name(place: &Place) -> String {
    match place {
        Place::Register { number, .. } => format!("r{number}"),
        Place::Slot { offset, .. } => format!("fp{offset}"),
    }
}

/// What a step relies on and what was tried before it, as threads of the drawing.
pub fn threads(reliance: &[Reliance], misses: &[Missed]) -> Vec<(String, Vec<u32>)> {
    let relied = reliance.iter().map(|relied| {
        let steps = relied.through.iter().map(|cause| cause.step.0).collect();
        (format!("{} exactly", name(&relied.place)), steps)
    });
    let missed = misses.iter().map(|miss| {
        let by =
            miss.blocked.as_ref().map_or("calls differ".into(), |b| format!("{} differs", name(&b.place)));
        (by, vec![miss.step])
    });
    relied.chain(missed).collect()
}

fn row(
    app: &App,
    link: &Scope<App>,
    place: Place,
    changed: bool,
    value: &Value,
    bytes: Option<&str>,
) -> Html {
    let name = name(&place);
    let history = app.history.as_ref().filter(|(shown, _)| *shown == place).map(|(_, causes)| causes);
    let known = value.kind != ValueKind::Uninitialised;
    let ask = link.callback(move |_: MouseEvent| Msg::History(place));
    let (class, glyph) = family(value.kind);
    let classes = classes!("kind", class, value.maybe_null.then_some("maybe-null"));
    let kernel = match bytes {
        Some(bytes) if value.text.is_empty() => bytes.to_owned(),
        Some(bytes) if bytes.chars().any(|c| c != 'r') => format!("{}  {bytes}", value.text),
        _ => value.text.clone(),
    };
    html! {
        <tr class={classes!(changed.then_some("changed"), (value.kind == ValueKind::Uninitialised).then_some("none"))}>
            <th scope="row" class="mono">
                if known {
                    <button class="link mono" title="Where this came from" aria-expanded={history.is_some().to_string()}
                        aria-label={format!("{name}: where this came from")} onclick={ask}>{ name.clone() }</button>
                } else { { name.clone() } }
                if changed { <span class="delta" title="changed by the step before">{"•"}<span class="unseen">{" changed"}</span></span> }
            </th>
            <td>
                <span class={classes} aria-hidden="true">{ glyph }</span>
                <span class="words">{ value.words.clone() }</span>
                if value.precise { <span class="tag" title="The verifier relies on the exact value">{"precise"}</span> }
                if let Some(range) = value.range.as_ref().filter(|range| value_set::says_more(range)) {
                    { value_set::view(&name, range) }
                }
                if value.kind != ValueKind::Uninitialised && !kernel.is_empty() {
                    <div class="kernel mono">{ explained(&kernel, false) }</div>
                }
                if let Some(causes) = history { { covering::chain(link, causes) } }
            </td>
        </tr>
    }
}

/// Class and glyph of a family of values.
fn family(kind: ValueKind) -> (&'static str, &'static str) {
    match kind {
        ValueKind::Uninitialised => ("uninitialised", "○"),
        ValueKind::Scalar => ("scalar", "#"),
        ValueKind::Context => ("context", "C"),
        ValueKind::Stack => ("stack-pointer", "S"),
        ValueKind::Packet => ("packet", "P"),
        ValueKind::Map => ("map", "M"),
        ValueKind::Object => ("object", "O"),
    }
}

fn caller(app: &App, link: &Scope<App>, frame: &FrameView) -> Html {
    html! {
        <details>
            <summary>{ format!("Frame {}", frame.number) }</summary>
            <table class="values" aria-label={format!("Registers of frame {}", frame.number)}>
                <tbody>
                    { for frame.registers.iter().filter(|r| r.value.kind != ValueKind::Uninitialised)
                        .map(|r| register(app, link, frame.number, r)) }
                    { for frame.slots.iter().map(|s| slot(app, link, frame.number, s)) }
                </tbody>
            </table>
        </details>
    }
}
