//! Running the program: the packet, the result, and the way back through the run.

use super::bar::file_button;
use super::state::instruction;
use super::{App, Msg, maps};
use crate::protocol::{Claimed, Input, RunEnd, RunView, Verdict};
use crate::{hex, packets};
use glasshive::trace::view::ValueKind;
use web_sys::{HtmlInputElement, HtmlSelectElement, HtmlTextAreaElement};
use yew::html::Scope;
use yew::prelude::*;

/// The pane.
pub fn view(app: &App, link: &Scope<App>) -> Html {
    let accepted = app.outcome.as_ref().is_some_and(|o| o.verdict == Verdict::Accepted);
    if let Input::None { why } = &app.program.input {
        return html! { <p class="empty">{ why.clone() }</p> };
    }
    html! {
        <div class="runs">
            { input(app, link, accepted) }
            { match &app.run {
                Some(run) => result(app, link, run),
                None if accepted => html! { <p class="empty">{"Not run yet."}</p> },
                None => html! { <p class="empty">{"Only an accepted program runs."}</p> },
            } }
            { maps::view(app, link) }
        </div>
    }
}

fn input(app: &App, link: &Scope<App>, accepted: bool) -> Html {
    let packet = app.program.input == Input::Packet;
    let name = if packet { "Packet" } else { "Context" };
    let samples = link.batch_callback(|event: Event| {
        let select: HtmlSelectElement = event.target_unchecked_into();
        let at = usize::try_from(select.selected_index()).ok()?.checked_sub(1)?;
        Some(Msg::Packet(hex::rows(&packets::SAMPLES.get(at)?.bytes())))
    });
    let captured = link.batch_callback(|event: Event| {
        let select: HtmlSelectElement = event.target_unchecked_into();
        Some(Msg::Captured(usize::try_from(select.selected_index()).ok()?))
    });
    let oninput = link.callback(|event: InputEvent| {
        let area: HtmlTextAreaElement = event.target_unchecked_into();
        Msg::Packet(area.value())
    });
    let now = hex::parse(&app.session.packet).ok();
    let sample = packets::SAMPLES.iter().position(|s| Some(s.bytes()) == now);
    let captive = app.capture.iter().position(|p| Some(&p.data) == now.as_ref());
    let length = match hex::parse(&app.session.packet) {
        Ok(bytes) => html! { <span class="note">{ format!("{} bytes", bytes.len()) }</span> },
        Err(error) => html! { <span class="note bad">{ format!("✕ {error}") }</span> },
    };
    html! {
        <div class="input">
            <div class="line">
                if packet {
                    <select aria-label="Sample packet" onchange={samples}>
                        <option selected={sample.is_none()}>{"Sample …"}</option>
                        { for packets::SAMPLES.iter().enumerate().map(|(at, s)| html! {
                            <option selected={sample == Some(at)}>{ s.name }</option>
                        }) }
                    </select>
                    { file_button(link, "Open capture", ".pcap,.cap") }
                }
                if !app.capture.is_empty() && packet {
                    <select aria-label="Packet of the capture" onchange={captured}>
                        { for app.capture.iter().enumerate().map(|(at, p)| html! {
                            <option selected={captive == Some(at)}>{ format!("{}: {:.3} s, {} bytes", at + 1, p.seconds, p.length) }</option>
                        }) }
                    </select>
                }
                { length }
            </div>
            <textarea class="mono" aria-label={format!("{name} in hexadecimal")} spellcheck="false" autocomplete="off"
                value={app.session.packet.clone()} {oninput} />
            <div class="line">
                <button class="primary" disabled={!accepted} onclick={link.callback(|_: MouseEvent| Msg::Run)}>{
                    if packet { "Run on this packet" } else { "Run on this context" } }</button>
            </div>
        </div>
    }
}

fn result(app: &App, link: &Scope<App>, run: &RunView) -> Html {
    let seek = |to: u32| link.callback(move |_: MouseEvent| Msg::Seek(to));
    let slide = link.batch_callback(|event: InputEvent| {
        let input: HtmlInputElement = event.target_unchecked_into();
        input.value().parse().ok().map(Msg::Seek)
    });
    let answer = match &run.end {
        RunEnd::Returned { value, name } => html! {
            <>{"returned "}<strong class="mono">{ *value as i32 }</strong>
                if let Some(name) = name { <span class="mono">{ format!(" {name}") }</span> }
                { format!(" after {} instructions", run.length) }</>
        },
        RunEnd::Failed { message } => html! { <><span class="bad">{"✕ "}</span>{ message.clone() }</> },
    };
    let place = match run.pc {
        Some(pc) => html! { <span class="mono">{ instruction(app, pc) }</span> },
        None => html! { <span class="muted">{"at its end"}</span> },
    };
    let (at, end) = (run.at, run.length);
    html! {
        <div class="result">
            <p role="status" aria-label="Result">{ answer }</p>
            <div class="line" role="group" aria-label="Steps of the run">
                <button aria-label="To the start of the run" disabled={at == 0} onclick={seek(0)}>{"«"}</button>
                <button aria-label="Back in the run" disabled={at == 0} onclick={seek(at.saturating_sub(1))}>{"‹"}</button>
                <input type="range" aria-label="Point of the run" min="0" max={end.to_string()} value={at.to_string()} oninput={slide} />
                <button aria-label="Forward in the run" disabled={at >= end} onclick={seek(at + 1)}>{"›"}</button>
                <button aria-label="To the end of the run" disabled={at >= end} onclick={seek(end)}>{"»"}</button>
                <span class="count">{ format!("{at} of {end}") }</span>
            </div>
            <div class="line" role="group" aria-label="Breakpoints">
                <button title="Back to a breakpoint, or to where a watched register changed (p)" disabled={at == 0}
                    onclick={link.callback(|_: MouseEvent| Msg::Travel(true))}>{"Back to a stop"}</button>
                <button title="On to a breakpoint, or to where a watched register changes (n)" disabled={at >= end}
                    onclick={link.callback(|_: MouseEvent| Msg::Travel(false))}>{"On to a stop"}</button>
                <button title="On to the instruction that is selected in the program" disabled={at >= end}
                    onclick={link.callback(|_: MouseEvent| Msg::RunTo)}>{"Run to selected"}</button>
                <span class="note">{ stops(app) }</span>
            </div>
            <p class="place">{ place }</p>
            { claimed(&run.claimed) }
            <table role="grid" aria-label="Registers of the run" class="concrete mono"><tbody>
                { for (0..4).map(|line| html! { <tr>{ for (0..3).filter_map(|column| {
                    let register = line + column * 4;
                    let value = *run.registers.get(register)?;
                    let changed = run.changed >> register & 1 == 1;
                    let watched = app.watched >> register & 1 == 1;
                    let watch = link.callback(move |_: MouseEvent| Msg::Watch(register as u8));
                    Some(html! { <><th scope="row"><button class="link mono" aria-pressed={watched.to_string()}
                            aria-label={format!("Watch r{register}")} title="Stop where it changes" onclick={watch}>{
                            if watched { "◉ " } else { "" } }{ format!("r{register}") }</button></th>
                        <td class={changed.then_some("changed")}>{ format!("{value:#x}") }{ inside(app, run, register, value) }</td></> })
                }) }</tr> }) }
            </tbody></table>
            if !run.printed.is_empty() {
                <pre class="mono" aria-label="Printed">{ run.printed.join("\n") }</pre>
            }
        </div>
    }
}

/// What a run stops at.
fn stops(app: &App) -> String {
    let watched: Vec<String> =
        (0..11).filter(|at| app.watched >> at & 1 == 1).map(|at| format!("r{at}")).collect();
    match (app.session.breakpoints.len(), watched.is_empty()) {
        (0, true) => "No breakpoint: click an instruction's number, or press b.".into(),
        (n, true) => super::explore::plural(n, "breakpoint"),
        (n, false) => format!("{}, watching {}", super::explore::plural(n, "breakpoint"), watched.join(", ")),
    }
}

/// How the run was found against what the verifier claimed.
fn claimed(claimed: &Claimed) -> Html {
    let text = match claimed {
        Claimed::Kept(0) | Claimed::Unknown => return html! {},
        Claimed::Kept(count) => html! {
            <><span class="good">{"✓ "}</span>{ format!("All {count} values of this run are inside what the verifier claimed.") }</>
        },
        Claimed::Broken(what) => html! {
            <><span class="bad">{"✕ "}</span>{ format!("A value is outside of its claim: the verifier is unsound here. {what}") }</>
        },
    };
    html! { <p role="status" aria-label="Claims">{ text }</p> }
}

/// Whether a register's value is inside what the verifier knew before that step, where it is a number.
fn inside(app: &App, run: &RunView, register: usize, value: u64) -> Html {
    let state = app.state.as_ref().filter(|state| Some(state.step.0) == run.step);
    let known = state.and_then(|state| state.frames.last()).and_then(|frame| frame.registers.get(register));
    let Some(known) = known.map(|known| &known.value).filter(|v| v.kind == ValueKind::Scalar) else {
        return html! {};
    };
    let Some(range) = &known.range else { return html! {} };
    let fits = (range.umin..=range.umax).contains(&value) && (value ^ range.value) & !range.mask == 0;
    // Behind a prune only what the covering state's paths rely on is claimed.
    let text = if fits { format!("in {}", known.words) } else { "unclaimed".into() };
    html! { <small class="muted">{ format!(" {text}") }</small> }
}
