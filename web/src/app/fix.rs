//! A rejected program of the gallery beside the program as it should be.

use super::update::fetch;
use crate::gallery::Example;
use std::rc::Rc;
use wasm_bindgen_futures::spawn_local;
use yew::prelude::*;

/// What is shown.
#[derive(Properties, PartialEq)]
pub struct Props {
    /// The rejected one.
    pub rejected: Example,
    /// The id of the fixed one was chosen.
    pub onopen: Callback<&'static str>,
}

/// Both texts, line by line, once they are there.
type Texts = Option<Rc<Vec<Line>>>;

/// The two programs, side by side; what differs is marked.
#[component]
pub fn Fix(props: &Props) -> Html {
    let texts = use_state(|| Texts::None);
    let set = texts.setter();
    use_effect_with(props.rejected, move |example| {
        let example = *example;
        spawn_local(async move {
            let before = fetch(&format!("./examples/{}.c", example.id)).await;
            let after = fetch(&format!("./examples/{}.c", example.fixed)).await;
            // Without them there is still the way to the program itself.
            if let (Ok(before), Ok(after)) = (before, after) {
                let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).replace('\t', "    ");
                set.set(Some(Rc::new(differences(&text(before), &text(after)))));
            }
        });
    });
    let fixed = props.rejected.fixed;
    let onclick = props.onopen.reform(move |_: MouseEvent| fixed);
    html! {
        <section class="fix" aria-label="The fixed program">
            <div class="head">
                <h3>{"As it should be"}</h3>
                <button {onclick}>{"Open the fixed program"}</button>
            </div>
            if let Some(lines) = &*texts {
                <div class="sides mono" role="table" aria-label="Rejected and fixed, line by line">
                    { for lines.iter().map(row) }
                </div>
            }
        </section>
    }
}

fn row(line: &Line) -> Html {
    let side = |text: &Option<String>, changed: bool, class: &'static str, mark: &'static str| {
        html! {
            <code role="cell" class={classes!(changed.then_some(class))}>
                if changed && text.is_some() { <span class="sign">{ mark }</span> }
                { text.clone().unwrap_or_default() }
            </code>
        }
    };
    let changed = line.before != line.after;
    html! {
        <div role="row" class="line">
            { side(&line.before, changed, "gone", "−") }
            { side(&line.after, changed, "come", "+") }
        </div>
    }
}

/// A line of both texts; of one of them alone, the other has none.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Line {
    before: Option<String>,
    after: Option<String>,
}

/// Both texts side by side: their longest common subsequence of lines stands level, and what was replaced too.
fn differences(before: &str, after: &str) -> Vec<Line> {
    let (before, after): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    // Length of the longest common subsequence of the rests from each pair of lines on.
    let mut common = vec![vec![0_u32; after.len() + 1]; before.len() + 1];
    for b in (0..before.len()).rev() {
        for a in (0..after.len()).rev() {
            common[b][a] = if before[b] == after[a] {
                common[b + 1][a + 1] + 1
            } else {
                common[b + 1][a].max(common[b][a + 1])
            };
        }
    }
    let mut lines = Vec::new();
    let (mut b, mut a) = (0, 0);
    while b < before.len() || a < after.len() {
        let (from_b, from_a) = (b, a);
        while (b < before.len() || a < after.len())
            && !(b < before.len() && a < after.len() && before[b] == after[a])
        {
            if a == after.len() || (b < before.len() && common[b + 1][a] >= common[b][a + 1]) {
                b += 1;
            } else {
                a += 1;
            }
        }
        for at in 0..(b - from_b).max(a - from_a) {
            let line =
                |text: &[&str], from: usize, to: usize| (from + at < to).then(|| text[from + at].to_owned());
            lines.push(Line { before: line(&before, from_b, b), after: line(&after, from_a, a) });
        }
        if b < before.len() && a < after.len() {
            let line = Some(before[b].to_owned());
            lines.push(Line { before: line.clone(), after: line });
            (b, a) = (b + 1, a + 1);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(before: &str, after: &str) -> Vec<(String, String)> {
        let side = |text: Option<String>| text.unwrap_or_else(|| "-".into());
        differences(before, after).into_iter().map(|l| (side(l.before), side(l.after))).collect()
    }

    #[test]
    fn lines_stand_beside_each_other() {
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(b, a)| (b.to_string(), a.to_string())).collect()
        };
        assert_eq!(shown("a\nb\nc", "a\nx\nc"), pairs(&[("a", "a"), ("b", "x"), ("c", "c")]));
        assert_eq!(shown("a\nc", "a\nb\nc"), pairs(&[("a", "a"), ("-", "b"), ("c", "c")]));
        assert_eq!(shown("a\nb\nc", "c"), pairs(&[("a", "-"), ("b", "-"), ("c", "c")]));
        assert_eq!(shown("", "a"), pairs(&[("-", "a")]));
        assert_eq!(shown("a\nb", "b\na"), pairs(&[("a", "-"), ("b", "b"), ("-", "a")]));
    }
}
