//! What if: an exploration beside what it was before the edit, path by path.

use super::bar::grouped;
use super::{App, Msg};
use crate::protocol::{NONE, NodeKind, Outcome, Stats, Tree, Verdict};
use std::collections::BTreeMap;
use yew::html::Scope;
use yew::prelude::*;

/// A path: the branches that it took, in words, and how it ended.
type Path = (String, NodeKind);

/// Most paths that are told apart, and that are listed.
const MOST: usize = 20_000;
const LISTED: usize = 8;

/// What an exploration is compared with.
#[derive(Clone, PartialEq, Debug)]
pub struct Baseline {
    title: String,
    verdict: Verdict,
    stats: Stats,
    paths: Vec<Path>,
}

impl Baseline {
    /// Of an exploration.
    pub fn of(title: &str, outcome: &Outcome, tree: &Tree, labels: &[String]) -> Baseline {
        let paths = paths(tree, labels);
        Baseline { title: title.into(), verdict: outcome.verdict, stats: outcome.stats, paths }
    }
}

fn is_end(kind: NodeKind) -> bool {
    !matches!(kind, NodeKind::Fork | NodeKind::Checkpoint)
}

/// The paths, each told by what held on its branches: slots move when a program is edited.
fn paths(tree: &Tree, labels: &[String]) -> Vec<Path> {
    let ends = (0..tree.len()).filter(|node| is_end(tree.kind[*node])).take(MOST);
    let path = |node: usize| {
        let mut taken: Vec<&str> = Vec::new();
        let mut at = node;
        while let Some(&parent) = tree.parent.get(at).filter(|parent| **parent != NONE) {
            taken.extend(labels.get(at).map(String::as_str).filter(|label| !label.is_empty()));
            at = parent as usize;
        }
        taken.reverse();
        (taken.join(", "), tree.kind[node])
    };
    ends.map(path).collect()
}

/// Paths that are in the first list and not in the second, each as often as it is more often in it.
fn without(these: &[Path], those: &[Path]) -> Vec<Path> {
    let key = |path: &Path| (path.0.clone(), path.1 as u8);
    let mut left: BTreeMap<(String, u8), usize> = BTreeMap::new();
    those.iter().for_each(|path| *left.entry(key(path)).or_default() += 1);
    let gone = |path: &&Path| match left.get_mut(&key(path)) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    these.iter().filter(gone).cloned().collect()
}

/// The comparison; nothing where there is nothing to compare with.
pub fn view(app: &App, link: &Scope<App>) -> Html {
    let (Some(before), Some(outcome)) = (&app.baseline, &app.outcome) else { return html! {} };
    let now = Baseline::of(&app.title(), outcome, &app.tree, &app.labels);
    let (gone, new) = (without(&before.paths, &now.paths), without(&now.paths, &before.paths));
    let row = |name: &'static str, of: fn(&Baseline) -> u32| {
        let (old, new) = (of(before), of(&now));
        let change = i64::from(new) - i64::from(old);
        html! {
            <tr><th scope="row">{ name }</th><td class="mono">{ grouped(old) }</td><td class="mono">{ grouped(new) }</td>
                <td class="mono">{ if change == 0 { "=".into() } else { format!("{change:+}") } }</td></tr>
        }
    };
    let word = |verdict| match verdict {
        Verdict::Accepted => ("good", "✓ accepted"),
        Verdict::Rejected => ("bad", "✕ rejected"),
        Verdict::Stopped => ("muted", "… stopped"),
    };
    let (was, is) = (word(before.verdict), word(now.verdict));
    html! {
        <div class="part compare">
            <h3>{"Before and after the edit"}</h3>
            <table aria-label="Before and after the edit">
                <thead><tr><td></td><th scope="col">{"Before"}</th><th scope="col">{"Now"}</th><th scope="col">{"Change"}</th></tr></thead>
                <tbody>
                    <tr><th scope="row">{"Verdict"}</th><td class={was.0}>{ was.1 }</td><td class={is.0}>{ is.1 }</td><td></td></tr>
                    { row("Instructions walked", |b| b.stats.processed) }
                    { row("Paths", |b| b.paths.len() as u32) }
                    { row("Pruned", |b| b.paths.iter().filter(|p| matches!(p.1, NodeKind::Pruned | NodeKind::Loop)).count() as u32) }
                    { row("States kept", |b| b.stats.total_states) }
                </tbody>
            </table>
            { list("Paths that vanished", "− ", &gone) }
            { list("Paths that are new", "+ ", &new) }
            <button title="Later edits are compared with this" onclick={link.callback(|_: MouseEvent| Msg::Pin)}>{"Compare with this from now on"}</button>
        </div>
    }
}

fn list(name: &'static str, sign: &'static str, paths: &[Path]) -> Html {
    if paths.is_empty() {
        return html! {};
    }
    html! {
        <>
            <h3>{ format!("{name} ({})", paths.len()) }</h3>
            <ul class="plain" aria-label={name}>
                { for paths.iter().take(LISTED).map(|(taken, kind)| {
                    let class = match kind { NodeKind::Error => "bad", NodeKind::Exit => "good", _ => "muted" };
                    let taken = if taken.is_empty() { "without a branch" } else { taken.as_str() };
                    html! { <li><span {class}>{ sign }{ super::explore::ended(*kind) }</span><span class="mono">{ format!(" {taken}") }</span></li> }
                }) }
                if paths.len() > LISTED { <li class="muted">{ format!("… and {} more", paths.len() - LISTED) }</li> }
            </ul>
        </>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_by_their_branches() {
        let path = |taken: &str, kind| (taken.to_owned(), kind);
        let before = [path("r0 != 0", NodeKind::Error)];
        let after = [
            path("r0 != 0", NodeKind::Exit),
            path("r0 == 0", NodeKind::Exit),
            path("r0 == 0", NodeKind::Exit),
        ];
        assert_eq!(without(&before, &after), before);
        assert_eq!(without(&after, &before).len(), 3);
        assert_eq!(without(&after, &after[..2]), [path("r0 == 0", NodeKind::Exit)]);
    }
}
