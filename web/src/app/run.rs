//! Running the program: the packet, the result, and the way back through the run.

use super::bar::file_button;
use super::state::instruction;
use super::{App, Msg, maps};
use crate::protocol::{Input, RunEnd, RunView, Verdict};
use crate::{hex, packets};
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
            <p class="place">{ place }</p>
            <table role="grid" aria-label="Registers of the run" class="concrete mono"><tbody>
                { for (0..4).map(|line| html! { <tr>{ for (0..3).filter_map(|column| {
                    let register = line + column * 4;
                    let value = *run.registers.get(register)?;
                    let changed = run.changed >> register & 1 == 1;
                    Some(html! { <><th scope="row">{ format!("r{register}") }</th>
                        <td class={changed.then_some("changed")}>{ format!("{value:#x}") }</td></> })
                }) }</tr> }) }
            </tbody></table>
            if !run.printed.is_empty() {
                <pre class="mono" aria-label="Printed">{ run.printed.join("\n") }</pre>
            }
        </div>
    }
}
