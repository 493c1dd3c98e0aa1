//! The program's pane: source over instructions, or the text as one types it.

use super::listing::Row;
use super::windowed::Windowed;
use super::{App, Msg, editor};
use crate::protocol::Document;
use crate::session::Origin;
use std::rc::Rc;
use web_sys::HtmlSelectElement;
use yew::html::Scope;
use yew::prelude::*;

/// The pane.
pub fn view(app: &App, link: &Scope<App>) -> Html {
    let c = matches!(app.document, Some(Document::C { .. }));
    let object = matches!(app.document, Some(Document::Object { .. }));
    let example = match &app.session.origin {
        Origin::Gallery { id } if object => Some(id.clone()),
        _ => None,
    };
    let forked = matches!(&app.session.origin, Origin::Own { from: Some(_), .. });
    let switch = |editing: bool, name: &'static str| {
        html! {
            <button aria-pressed={(app.editing == editing).to_string()}
                onclick={link.callback(move |_: MouseEvent| Msg::Edit(editing))}>{ name }</button>
        }
    };
    html! {
        <>
            <div class="tools">
                <div class="switch" role="group" aria-label="View of the program">
                    { switch(false, if object || c { "C and instructions" } else { "Instructions" }) }
                    { switch(true, if c { "Edit C" } else { "Edit" }) }
                    if let Some(id) = example {
                        <button aria-pressed="false" title={super::compiler::ABOUT}
                            onclick={link.callback(move |_: MouseEvent| Msg::TypeC(Some(id.clone())))}>{"Edit C"}</button>
                    }
                </div>
                { chooser(app, link) }
                if forked || !app.past.is_empty() {
                    <button title="Undo the last change (Ctrl+Z)"
                        onclick={link.callback(|_: MouseEvent| Msg::Undo)}>{"Undo"}</button>
                }
                if !app.future.is_empty() {
                    <button title="Ctrl+Shift+Z" onclick={link.callback(|_: MouseEvent| Msg::Redo)}>{"Redo"}</button>
                }
            </div>
            if app.editing { { edited(app, link, object, c) } } else { { listing(app, link) } }
        </>
    }
}

fn chooser(app: &App, link: &Scope<App>) -> Html {
    let program = &app.program;
    if program.choices.len() < 2 {
        let kind = if program.program_type.is_empty() { String::new() } else { program.program_type.clone() };
        return html! { <span class="note mono">{ kind }</span> };
    }
    let onchange = link.callback(|event: Event| {
        let select: HtmlSelectElement = event.target_unchecked_into();
        Msg::Choose(select.selected_index().max(0) as u32)
    });
    html! {
        <select aria-label="Program of the object" {onchange}>
            { for program.choices.iter().enumerate().map(|(at, choice)| html! {
                <option selected={at as u32 == program.chosen}>{ format!("{} ({})", choice.name, choice.section) }</option>
            }) }
        </select>
    }
}

fn edited(app: &App, link: &Scope<App>, object: bool, c: bool) -> Html {
    // What the verifier has to say stands at its line too.
    let said =
        app.outcome.as_ref().and_then(|o| o.diagnostic.as_ref()).filter(|_| app.phase == super::Phase::Done);
    let said = said.and_then(|d| {
        let at = app.program.listing.binary_search_by_key(&d.pc?, |i| i.pc).ok()?;
        let line = app.program.source.get(app.program.listing[at].source? as usize)?;
        (line.file.is_empty() || c).then_some((line.line, 1, d.reason.as_str(), "error"))
    });
    let problems = app
        .problems
        .iter()
        .map(|p| (p.line, p.column, p.message.as_str(), if p.is_advice() { "info" } else { "error" }));
    let problems = editor::json(problems.chain(said).map(|(line, column, message, severity)| {
        vec![
            ("line", line.into()),
            ("column", column.into()),
            ("message", message.into()),
            ("severity", severity.into()),
        ]
    }));
    let note = "The object stays as it is: a change here makes assembly of it, and can be undone.";
    html! {
        <div class="editor">
            if object { <p class="note">{ note }</p> }
            if c { <p class="note">{ super::compiler::ABOUT }</p> }
            <editor::Editor label={if c { "C" } else { "Assembly" }} text={app.draft.clone()} {c}
                problems={Rc::new(problems)} invalid={app.problems.iter().any(|p| !p.is_advice())}
                words={app.words.clone()} onchange={link.callback(Msg::Draft)} />
            <ul id="problems" class="problems" aria-label="Problems">
                { for app.problems.iter().map(|problem| html! {
                    <li class={classes!(problem.is_advice().then_some("advice"))}>
                        <span class={if problem.is_advice() { "muted" } else { "bad" }}>{ if problem.is_advice() { "· " } else { "✕ " } }</span>
                        if problem.line > 0 { <span class="mono">{ format!("{}:{} ", problem.line, problem.column) }</span> }
                        { problem.message.clone() }</li>
                }) }
            </ul>
        </div>
    }
}

fn listing(app: &App, link: &Scope<App>) -> Html {
    let program = app.program.clone();
    let rows = app.rows.clone();
    let pc = app.state.as_ref().map(|state| state.pc);
    let run_pc = app.run.as_ref().and_then(|run| run.pc);
    let diagnostic = app.outcome.as_ref().and_then(|o| o.diagnostic.as_ref());
    let culprit = diagnostic.and_then(|d| d.pc);
    let causes: Vec<u32> = diagnostic.map(|d| d.path.iter().map(|c| c.pc).collect()).unwrap_or_default();
    let outcome = app.outcome.clone();
    let shown = pc.and_then(|pc| position(app, pc));
    let choose = link.callback(Msg::Slot);
    let toggle = link.callback(Msg::Break);
    let breakpoints = app.session.breakpoints.clone();
    let row_program = program.clone();
    let row_rows = rows.clone();
    let source_of = |pc: u32| {
        let at = program.listing.binary_search_by_key(&pc, |i| i.pc).ok()?;
        program.listing[at].source
    };
    let here = pc.and_then(source_of);
    let at_fault = culprit.and_then(source_of);
    let row = Callback::from(move |at: usize| {
        let (program, rows): (&Rc<_>, &Rc<Vec<Row>>) = (&row_program, &row_rows);
        match rows.get(at) {
            None => html! {},
            Some(Row::Function(index)) => html! {
                <div key={at} class="row function" role="option" aria-selected="false">
                    <span class="mono">{ program.listing[*index].function.clone() }</span></div>
            },
            Some(Row::Source(index)) => {
                let line = &program.source[*index];
                let classes = classes!(
                    "row",
                    "source",
                    (here == Some(*index as u32)).then_some("here"),
                    (at_fault == Some(*index as u32)).then_some("culprit")
                );
                html! {
                    <div key={at} class={classes} role="option" aria-selected="false" title={format!("{}:{}", line.file, line.line)}>
                        <span class="number">{ line.line }</span><span class="mono">{ line.text.trim_end().to_owned() }</span>
                    </div>
                }
            }
            Some(Row::Instruction(index)) => {
                let instruction = &program.listing[*index];
                let slot = instruction.pc;
                let visits = outcome.as_ref().and_then(|o| o.visits.get(slot as usize)).copied();
                let selected = pc == Some(slot);
                let classes = classes!(
                    "row",
                    "insn",
                    selected.then_some("selected"),
                    (culprit == Some(slot)).then_some("culprit"),
                    causes.contains(&slot).then_some("cause"),
                    (visits == Some(0)).then_some("unwalked"),
                    (run_pc == Some(slot)).then_some("running")
                );
                let choose = choose.clone();
                let onclick = Callback::from(move |_: MouseEvent| choose.emit(slot));
                let stops = breakpoints.contains(&slot);
                let toggle = toggle.clone();
                let onstop = Callback::from(move |event: MouseEvent| {
                    event.stop_propagation();
                    toggle.emit(slot);
                });
                let times = visits.filter(|v| *v > 0).map(|v| format!("{v}×")).unwrap_or_default();
                html! {
                    <div key={at} id={format!("slot-{slot}")} class={classes} role="option"
                        aria-selected={selected.to_string()} {onclick}>
                        <span class={classes!("number", stops.then_some("stops"))} onclick={onstop}
                            title={if stops { "breakpoint: click to remove" } else { "click for a breakpoint" }}>
                            if stops { <span class="unseen">{"breakpoint "}</span>{"●"} }{ slot }</span>
                        <span class="mark" aria-hidden="true">{ if culprit == Some(slot) { "✕" } else if run_pc == Some(slot) { "▸" } else { "" } }</span>
                        <span class="mono">{ instruction.text.clone() }</span>
                        <span class="visits" title="times walked">{ times }</span>
                    </div>
                }
            }
        }
    });
    let step = app.step;
    let last = app.outcome.as_ref().map_or(0, |o| o.steps.saturating_sub(1));
    let onkeydown = link.batch_callback(move |event: KeyboardEvent| {
        let to = match event.key().as_str() {
            "ArrowDown" => (step + 1).min(last),
            "ArrowUp" => step.saturating_sub(1),
            _ => return None,
        };
        event.prevent_default();
        Some(Msg::Step(to))
    });
    let active = pc.map(|pc| AttrValue::from(format!("slot-{pc}")));
    html! {
        <Windowed label="Instructions" role="listbox" class="listing" total={rows.len()} height={20} {shown}
            again={app.sync} {row} {onkeydown} {active} />
    }
}

/// The row of a slot.
fn position(app: &App, pc: u32) -> Option<usize> {
    let at = app.program.listing.binary_search_by_key(&pc, |i| i.pc).ok()?;
    app.rows.iter().position(|row| *row == Row::Instruction(at))
}
