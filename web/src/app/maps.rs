//! The maps as tables.

use super::windowed::Windowed;
use super::{App, Msg};
use crate::hex;
use web_sys::{FormData, HtmlFormElement, HtmlInputElement};
use yew::html::Scope;
use yew::prelude::*;

/// The pane.
pub fn view(app: &App, link: &Scope<App>) -> Html {
    let maps = &app.program.maps;
    let Some(map) = maps.get(app.map) else {
        return html! { <p class="empty">{"This program has no maps."}</p> };
    };
    let zeros = link.callback(|event: Event| {
        let input: HtmlInputElement = event.target_unchecked_into();
        Msg::Zeros(input.checked())
    });
    let first = app.shown.first;
    let rows = app.shown.rows.clone();
    let (deletes, writable, name) = (map.deletes, map.writable, map.name.clone());
    let scope = link.clone();
    let row = Callback::from(move |at: usize| {
        let Some(row) = at.checked_sub(first).and_then(|at| rows.get(at)) else {
            return html! { <div key={at} class="row" role="row"></div> };
        };
        let key = row.key.clone();
        let typed = hex::spaced(&key);
        let onchange = scope.callback(move |event: Event| {
            let input: HtmlInputElement = event.target_unchecked_into();
            Msg::Put(typed.clone(), input.value())
        });
        let gone = row.key.clone();
        let remove = scope.callback(move |_: MouseEvent| Msg::Remove(gone.clone()));
        let shown = text(&row.value);
        html! {
            <div key={hex::spaced(&key)} class={classes!("row", row.before.is_some().then_some("changed"))} role="row">
                <span role="rowheader" class="mono key">{ text(&key) }<small>{ bytes(&key) }</small></span>
                <span role="gridcell" class="mono value">
                    if let Some(before) = &row.before {
                        <span class="was" title="before the last action">{ was(before) }{" →"}</span>
                    }
                    if writable {
                        <input aria-label={format!("Value of {} {}", name, text(&key))} value={shown} {onchange} />
                    } else { { shown } }
                    <small>{ bytes(&row.value) }</small>
                </span>
                <span role="gridcell" class="act">
                    if deletes && writable {
                        <button class="icon" aria-label={format!("Delete {}", text(&key))} onclick={remove}>{"×"}</button>
                    }
                </span>
            </div>
        }
    });
    let onsubmit = link.batch_callback(|event: SubmitEvent| {
        event.prevent_default();
        let form: HtmlFormElement = event.target_unchecked_into();
        let data = FormData::new_with_form(&form).ok()?;
        Some(Msg::Put(data.get("key").as_string()?, data.get("value").as_string()?))
    });
    let onwindow = link.callback(|(first, count)| Msg::MapWindow(first, count));
    html! {
        <div class="maps">
            <div class="line">
                <div class="switch" role="group" aria-label="Map">
                    { for maps.iter().enumerate().map(|(at, map)| html! {
                        <button aria-pressed={(at == app.map).to_string()}
                            onclick={link.callback(move |_: MouseEvent| Msg::Map(at))}>{ map.name.clone() }</button>
                    }) }
                </div>
                <span class="note">{ format!("{}, key {} bytes, value {} bytes, at most {}", map.map_type,
                    map.key_size, map.value_size, map.max_entries) }</span>
                if !deletes {
                    <label class="check"><input type="checkbox" checked={app.zeros} onchange={zeros} />{" zero values too"}</label>
                }
            </div>
            <Windowed label={format!("Map {}", map.name)} role="grid" class="cells" total={app.shown.total} height={28} {row} {onwindow} />
            if app.shown.total == 0 {
                <p class="empty">{ if deletes { "No entries." } else { "Every value is zero." } }</p>
            }
            if writable {
                <form class="line add" aria-label="Write an entry" {onsubmit}>
                    <input name="key" aria-label="Key" placeholder="key" class="mono" autocomplete="off" />
                    <input name="value" aria-label="Value" placeholder="value" class="mono" autocomplete="off" />
                    <button>{ if deletes { "Add" } else { "Set" } }</button>
                    <span class="note">{"a number, or bytes in hexadecimal"}</span>
                </form>
            }
        </div>
    }
}

/// A number where the bytes may be one, else the bytes.
fn text(bytes: &[u8]) -> String {
    hex::number(bytes).map_or_else(|| hex::spaced(bytes), |number| number.to_string())
}

/// What stood there before.
fn was(before: &[u8]) -> String {
    if before.is_empty() { "no entry".into() } else { text(before) }
}

/// The bytes beside a number.
fn bytes(bytes: &[u8]) -> String {
    hex::number(bytes).map_or_else(String::new, |_| format!("  {}", hex::spaced(bytes)))
}
