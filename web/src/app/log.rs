//! The verifier's log, windowed.

use super::explain::explained;
use super::windowed::Windowed;
use super::{App, Msg};
use yew::html::Scope;
use yew::prelude::*;

/// The pane.
pub fn view(app: &App, link: &Scope<App>) -> Html {
    let Some(outcome) = &app.outcome else { return html! {} };
    let (first, lines) = (app.log.0, app.log.1.clone());
    let (here, step) = (app.line, app.step);
    let rejected = outcome.diagnostic.as_ref().map(|d| d.message.clone());
    let go = link.callback(Msg::Step);
    let row = Callback::from(move |at: usize| {
        let line = at.checked_sub(first).and_then(|at| lines.get(at));
        let Some(line) = line else { return html! { <div key={at} class="row">{" "}</div> } };
        let comment = line.text.starts_with(';');
        let counts = line.text.starts_with("processed ");
        let selected = here == Some(at) || line.step == Some(step) && !counts;
        let classes = classes!(
            "row",
            "mono",
            comment.then_some("muted"),
            line.step.is_some().then_some("steps"),
            selected.then_some("selected"),
            (rejected.as_deref() == Some(line.text.as_str())).then_some("bad")
        );
        let go = go.clone();
        let to = line.step;
        let onclick = Callback::from(move |_: MouseEvent| {
            if let Some(step) = to {
                go.emit(step);
            }
        });
        let text = if comment {
            html! { { line.text.clone() } }
        } else {
            explained(&line.text, selected)
        };
        // In one box: a flex line would drop the blanks between terms.
        html! { <div key={at} class={classes} {onclick}><span>{ text }</span></div> }
    });
    let last = outcome.steps.saturating_sub(1);
    let onkeydown = link.batch_callback(move |event: KeyboardEvent| {
        let to = match event.key().as_str() {
            "ArrowDown" => (step + 1).min(last),
            "ArrowUp" => step.saturating_sub(1),
            _ => return None,
        };
        event.prevent_default();
        Some(Msg::Step(to))
    });
    let onwindow = link.callback(|(first, count)| Msg::LogWindow(first, count));
    html! {
        <Windowed label="Verifier log" role="log" class="log" total={outcome.lines as usize} height={20}
            shown={app.line} again={app.sync} {row} {onwindow} {onkeydown} />
    }
}
