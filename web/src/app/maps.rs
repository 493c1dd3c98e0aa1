//! The maps as tables.

use super::windowed::Windowed;
use super::{App, Msg};
use crate::hex;
use web_sys::{FormData, HtmlFormElement, HtmlInputElement};
use yew::html::Scope;
use yew::prelude::*;

/// How a map is written into a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// A line per entry: key and value in hexadecimal.
    Csv,
    /// A list of objects with `key` and `value` in hexadecimal.
    Json,
}

impl Format {
    /// What a file of it is called at its end.
    pub fn ending(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Json => "json",
        }
    }
}

/// A map's entries as a file.
pub fn written(format: Format, entries: &[(Vec<u8>, Vec<u8>)]) -> String {
    match format {
        Format::Csv => {
            let line =
                |(key, value): &(Vec<u8>, Vec<u8>)| format!("{},{}\n", hex::spaced(key), hex::spaced(value));
            std::iter::once("key,value\n".to_owned()).chain(entries.iter().map(line)).collect()
        }
        Format::Json => {
            let object = |(key, value): &(Vec<u8>, Vec<u8>)| {
                format!("  {{\"key\": \"{}\", \"value\": \"{}\"}}", hex::spaced(key), hex::spaced(value))
            };
            format!("[\n{}\n]\n", entries.iter().map(object).collect::<Vec<_>>().join(",\n"))
        }
    }
}

/// Keys and values of such a file, as they are typed.
///
/// # Errors
/// The line or object that has none.
pub fn read(name: &str, text: &str) -> Result<Vec<(String, String)>, String> {
    if name.ends_with(".json") {
        // Objects of two texts, and nothing nested: what stands between quotes, four by four.
        let texts: Vec<&str> = text.split('"').skip(1).step_by(2).collect();
        let entry = |four: &[&str]| match four {
            ["key", key, "value", value] | ["value", value, "key", key] => {
                Ok(((*key).to_owned(), (*value).to_owned()))
            }
            other => Err(format!("{name}: expected \"key\" and \"value\" as texts, found {other:?}")),
        };
        return texts.chunks(4).map(entry).collect();
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && *line != "key,value");
    lines
        .map(|(at, line)| {
            let (key, value) = line
                .split_once(',')
                .ok_or_else(|| format!("{name}, line {}: expected key,value, found {line}", at + 1))?;
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        })
        .collect()
}

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
                <button onclick={link.callback(|_: MouseEvent| Msg::Export(Format::Csv))}>{"Export CSV"}</button>
                <button onclick={link.callback(|_: MouseEvent| Msg::Export(Format::Json))}>{"Export JSON"}</button>
                if writable {
                    { super::bar::file_button(link, "Import", ".csv,.json") }
                }
            </div>
            <div class="heads" aria-hidden="true">
                <span class="key">{ if deletes { "Key" } else { "Index" } }</span>
                <span class="value">{ if app.shown.rows.iter().any(|row| row.before.is_some()) { "Value (before → now)" } else { "Value" } }</span>
                <span class="note">{ super::explore::plural(app.shown.total, "row") }</span>
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let entries = vec![(vec![1, 0], vec![2, 3]), (vec![255, 0], vec![0, 0])];
        for (format, name) in [(Format::Csv, "a.csv"), (Format::Json, "a.json")] {
            let read = read(name, &written(format, &entries)).unwrap();
            let read: Vec<(Vec<u8>, Vec<u8>)> =
                read.iter().map(|(k, v)| (hex::parse(k).unwrap(), hex::parse(v).unwrap())).collect();
            assert_eq!(read, entries);
        }
        assert!(read("a.csv", "1 2\n").is_err() && read("a.json", "[{\"value\": \"1\"}]").is_err());
    }
}
