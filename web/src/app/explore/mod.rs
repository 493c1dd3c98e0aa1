//! The exploration: as a tree and as a control-flow graph, each a drawing and a list.

mod budget;
mod canvas;
mod graph;
mod outline;
mod sheet;
mod tree;

use super::windowed::Windowed;
use crate::protocol::{Graph, NONE, Program, Tree};
use crate::session::View;
use budget::Budget;
use canvas::{Canvas, Command};
use graph::{GraphScene, HEATS, Heat};
use std::rc::Rc;
use tree::{Ranks, Thread, TreeScene};
use web_sys::{HtmlInputElement, HtmlSelectElement};
use yew::prelude::*;

/// What the exploration shows.
#[derive(Properties)]
pub struct Props {
    /// How it is shown.
    pub view: View,
    /// The tree.
    pub tree: Rc<Tree>,
    /// A phrase for the edge above each node.
    pub labels: Rc<Vec<String>>,
    /// The selected node.
    pub selected: Option<usize>,
    /// Nodes that the concrete run went through.
    pub run: Rc<Vec<u32>>,
    /// The program.
    pub program: Rc<Program>,
    /// Its control flow, once it is there.
    pub graph: Option<Rc<Graph>>,
    /// Blocks and edges on the way to the selected step.
    pub route: Rc<(Vec<u32>, Vec<u32>)>,
    /// The slot of the selected step.
    pub pc: Option<u32>,
    /// The slot that the concrete run is at.
    pub run_pc: Option<u32>,
    /// The slot that is to blame.
    pub culprit: Option<u32>,
    /// Steps and slots of the causal path.
    pub causes: Rc<Vec<(u32, u32)>>,
    /// What was searched for, and the nodes that have it.
    pub hits: Option<Rc<(String, Vec<u32>)>>,
    /// Threads from the selection: what each is about, and the steps that it goes through.
    pub threads: Rc<Vec<(String, Vec<u32>)>>,
    /// Changes with the colours.
    pub theme: u32,
    /// Another way to show it.
    pub onview: Callback<View>,
    /// A node was chosen.
    pub onselect: Callback<usize>,
    /// A slot was chosen.
    pub onslot: Callback<u32>,
    /// Something is searched for.
    pub onsearch: Callback<String>,
    /// Nodes whose descendants are to be folded away.
    pub onfold: Callback<Vec<u32>>,
}

impl PartialEq for Props {
    fn eq(&self, other: &Props) -> bool {
        let graph = |props: &Props| props.graph.as_ref().map(Rc::as_ptr);
        let hits = |props: &Props| props.hits.as_ref().map(Rc::as_ptr);
        self.view == other.view
            && Rc::ptr_eq(&self.tree, &other.tree)
            && (self.selected, self.pc, self.run_pc, self.culprit, self.theme)
                == (other.selected, other.pc, other.run_pc, other.culprit, other.theme)
            && Rc::ptr_eq(&self.run, &other.run)
            && graph(self) == graph(other)
            && Rc::ptr_eq(&self.route, &other.route)
            && Rc::ptr_eq(&self.causes, &other.causes)
            && hits(self) == hits(other)
            && Rc::ptr_eq(&self.threads, &other.threads)
    }
}

/// The exploration.
pub struct Explorer {
    frame: NodeRef,
    /// What the drawings are told, and how often they were told something.
    command: (u32, Command),
    heat: Heat,
    /// Blocks are sorted by what colours them.
    sorted: bool,
    /// Precision and prunes in vain are drawn.
    threads: bool,
    tree: TreeScene,
    /// The nodes that are shown, in order.
    shown: Rc<Vec<u32>>,
    edge_labels: Rc<Vec<String>>,
    graph_causes: Rc<Vec<(u32, String)>>,
    route: Rc<(Vec<bool>, Vec<bool>)>,
}

/// What happens to it.
pub enum Msg {
    /// A key on the tree.
    Key(KeyboardEvent),
    /// The drawing is told something.
    Tell(Command),
    /// A node was pointed at.
    Pick(usize),
    /// Other colours for the graph.
    Heat(Heat),
    /// Sort the blocks, or not.
    Sort(bool),
    /// Draw precision, or not.
    Threads,
    /// Fold away what is below the selection, or show it again.
    Fold,
    /// Show all that is folded away.
    Unfold,
    /// To the next node that was found, or the one before.
    Hit(bool),
}

impl Component for Explorer {
    type Message = Msg;
    type Properties = Props;

    fn create(ctx: &Context<Self>) -> Self {
        let props = ctx.props();
        let tree = TreeScene {
            tree: props.tree.clone(),
            ranks: Rc::new(Ranks::of(&props.tree)),
            labels: props.labels.clone(),
            selected: None,
            path: Rc::default(),
            run: props.run.clone(),
            hits: Rc::default(),
            causes: Rc::default(),
            threads: Rc::default(),
        };
        let mut explorer = Explorer {
            frame: NodeRef::default(),
            command: (0, Command::None),
            heat: Heat::default(),
            sorted: true,
            threads: false,
            tree,
            shown: Rc::new(shown(&props.tree)),
            edge_labels: Rc::default(),
            graph_causes: Rc::default(),
            route: Rc::default(),
        };
        explorer.take(props, None);
        explorer
    }

    fn changed(&mut self, ctx: &Context<Self>, old: &Props) -> bool {
        self.take(ctx.props(), Some(old));
        true
    }

    fn update(&mut self, ctx: &Context<Self>, msg: Msg) -> bool {
        let props = ctx.props();
        match msg {
            Msg::Key(event) => return self.key(props, &event),
            Msg::Tell(command) => self.command = (self.command.0 + 1, command),
            Msg::Pick(node) => {
                if node < props.tree.len() {
                    props.onselect.emit(node);
                }
                super::update::focus_in(&self.frame, "[role=tree]");
                return false;
            }
            Msg::Heat(heat) => self.heat = heat,
            Msg::Sort(sorted) => self.sorted = sorted,
            Msg::Threads => {
                self.threads = !self.threads;
                self.tree.threads = Rc::new(self.drawn_threads(props));
            }
            Msg::Fold => {
                if let Some(node) = props.selected {
                    let folded = fold(&props.tree, node, !props.tree.is_folded(node));
                    props.onfold.emit(folded);
                }
            }
            Msg::Unfold => props.onfold.emit(Vec::new()),
            Msg::Hit(forward) => self.next_hit(props, forward),
        }
        true
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        let (props, link) = (ctx.props(), ctx.link());
        let graph = matches!(props.view, View::Graph | View::Budget);
        let list = matches!(props.view, View::Outline | View::Budget);
        html! {
            <div class={classes!("explorer", list.then_some("as-outline"))}>
                <div class="tools">
                    { self.views(props) }
                    if graph { { self.graph_tools(link, list) } } else { { self.tree_tools(props, link) } }
                </div>
                <div class="stage" ref={self.frame.clone()}>
                    if graph { { self.graph(props) } } else { { self.tree(props, link, list) } }
                    if !list {
                        { zooms(link) }
                    }
                </div>
                if !(graph && list) {
                    { self.legend(graph) }
                }
            </div>
        }
    }
}

fn zooms(link: &yew::html::Scope<Explorer>) -> Html {
    let tell = |command: Command| link.callback(move |_: MouseEvent| Msg::Tell(command));
    html! {
        <div class="zooms" role="group" aria-label="Zoom">
            <button aria-label="Zoom out" onclick={tell(Command::Zoom(0.8))}>{"−"}</button>
            <button aria-label="Zoom in" onclick={tell(Command::Zoom(1.25))}>{"+"}</button>
            <button onclick={tell(Command::Fit)}>{"Fit"}</button>
        </div>
    }
}

/// The nodes that are shown, in order.
fn shown(tree: &Tree) -> Vec<u32> {
    (0..tree.len()).filter(|node| tree.shows(*node)).map(|node| node as u32).collect()
}

/// What is folded away once a node is, or is not any more.
fn fold(tree: &Tree, node: usize, away: bool) -> Vec<u32> {
    let mut folded: Vec<u32> = tree.folded.iter().copied().filter(|n| *n as usize != node).collect();
    if away && tree.has_children(node) {
        folded.push(node as u32);
        folded.sort_unstable();
    }
    folded
}

impl Explorer {
    /// Takes over what was given, and makes of it what is drawn.
    fn take(&mut self, props: &Props, old: Option<&Props>) {
        let scene = &mut self.tree;
        let fresh = old.is_none_or(|old| !Rc::ptr_eq(&old.tree, &props.tree));
        if fresh {
            scene.tree = props.tree.clone();
            scene.ranks = Rc::new(Ranks::of(&props.tree));
            self.shown = Rc::new(shown(&props.tree));
        }
        if fresh || scene.selected != props.selected {
            scene.selected = props.selected;
            scene.path = Rc::new(tree::path(&props.tree, props.selected));
        }
        scene.labels = props.labels.clone();
        scene.run = props.run.clone();
        scene.hits = match &props.hits {
            Some(hits) if old.and_then(|old| old.hits.as_ref()).is_some_and(|h| Rc::ptr_eq(h, hits)) => {
                scene.hits.clone()
            }
            hits => Rc::new(hits.as_ref().map(|hits| hits.1.clone()).unwrap_or_default()),
        };
        if fresh || old.is_none_or(|old| !Rc::ptr_eq(&old.causes, &props.causes)) {
            let numbered = props.causes.iter().zip(1..);
            let node = |step: u32| props.tree.node_of(step).map(|node| node as u32);
            scene.causes = Rc::new(
                numbered.clone().filter_map(|((step, _), n)| Some((node(*step)?, n.to_string()))).collect(),
            );
            self.graph_causes = Rc::new(numbered.map(|((_, pc), n)| (*pc, n.to_string())).collect());
        }
        let same = |a: &Option<Rc<Graph>>, b: &Option<Rc<Graph>>| {
            a.as_ref().map(Rc::as_ptr) == b.as_ref().map(Rc::as_ptr)
        };
        let graph_is_new = old.is_none_or(|old| !same(&old.graph, &props.graph));
        if let Some(graph) = props.graph.as_ref().filter(|_| graph_is_new) {
            self.edge_labels = Rc::new(super::listing::way_labels(&props.program, graph));
        }
        if graph_is_new || old.is_none_or(|old| !Rc::ptr_eq(&old.route, &props.route)) {
            let (blocks, edges) = props.graph.as_ref().map_or((0, 0), |g| (g.blocks.len(), g.edges.len()));
            let marks = |count: usize, which: &[u32]| {
                let mut marks = vec![false; count];
                for at in which {
                    if let Some(mark) = marks.get_mut(*at as usize) {
                        *mark = true;
                    }
                }
                marks
            };
            self.route = Rc::new((marks(blocks, &props.route.0), marks(edges, &props.route.1)));
        }
        self.tree.threads = Rc::new(self.drawn_threads(props));
    }

    fn drawn_threads(&self, props: &Props) -> Vec<Thread> {
        let Some(selected) = props.selected.filter(|_| self.threads) else { return Vec::new() };
        let thread = |(label, steps): &(String, Vec<u32>)| {
            let nodes = steps.iter().rev().filter_map(|step| props.tree.node_of(*step));
            let through = std::iter::once(selected).chain(nodes).map(|node| node as u32).collect();
            Thread { through, label: label.clone() }
        };
        props.threads.iter().map(thread).collect()
    }

    fn views(&self, props: &Props) -> Html {
        let views = [
            (View::Tree, "Tree", "drawn"),
            (View::Outline, "Outline", ""),
            (View::Graph, "Graph", "drawn"),
            (View::Budget, "Budget", ""),
        ];
        html! {
            <div class="switch" role="group" aria-label="View of the exploration">
                { for views.map(|(view, name, class)| {
                    let onclick = props.onview.reform(move |_: MouseEvent| view);
                    html! { <button {class} aria-pressed={(props.view == view).to_string()} {onclick}>{ name }</button> }
                }) }
            </div>
        }
    }

    fn tree_tools(&self, props: &Props, link: &yew::html::Scope<Explorer>) -> Html {
        let tree = &props.tree;
        let oninput = props.onsearch.reform(|event: InputEvent| {
            let input: HtmlInputElement = event.target_unchecked_into();
            input.value()
        });
        let onkeydown = link.batch_callback(|event: KeyboardEvent| {
            let enter = event.key() == "Enter";
            enter.then(|| Msg::Hit(!event.shift_key()))
        });
        let found = props.hits.as_ref().filter(|hits| !hits.0.trim().is_empty());
        let foldable = props.selected.is_some_and(|node| node < tree.len() && tree.has_children(node));
        let folded = props.selected.is_some_and(|node| tree.is_folded(node));
        html! {
            <>
                <span class="note">{ outline::counts(tree) }</span>
                <input type="search" class="search" aria-label="Search the exploration" placeholder="Search: slot, text"
                    {oninput} {onkeydown} />
                if let Some(found) = found {
                    <span class="note found" role="status" aria-label="Found">{ plural(found.1.len(), "node") }</span>
                    <button class="icon" aria-label="Previous found" onclick={link.callback(|_: MouseEvent| Msg::Hit(false))}>{"‹"}</button>
                    <button class="icon" aria-label="Next found" onclick={link.callback(|_: MouseEvent| Msg::Hit(true))}>{"›"}</button>
                }
                <button disabled={!foldable} aria-pressed={folded.to_string()} title="Fold away what is below the selected node (space)"
                    onclick={link.callback(|_: MouseEvent| Msg::Fold)}>{"Fold"}</button>
                if !tree.folded.is_empty() {
                    <button onclick={link.callback(|_: MouseEvent| Msg::Unfold)}>{"Unfold all"}</button>
                }
                <button class="drawn" aria-pressed={self.threads.to_string()}
                    title="Where the numbers came from that this step relies on, and states that were tried in vain"
                    onclick={link.callback(|_: MouseEvent| Msg::Threads)}>{"Precision"}</button>
            </>
        }
    }

    fn graph_tools(&self, link: &yew::html::Scope<Explorer>, list: bool) -> Html {
        let onchange = link.callback(|event: Event| {
            let select: HtmlSelectElement = event.target_unchecked_into();
            Msg::Heat(HEATS[(select.selected_index().max(0) as usize).min(HEATS.len() - 1)].0)
        });
        let sort = link.callback(|event: Event| {
            let input: HtmlInputElement = event.target_unchecked_into();
            Msg::Sort(input.checked())
        });
        html! {
            <>
                <span class="note"></span>
                <select aria-label="Colour blocks by" {onchange}>
                    { for HEATS.map(|(heat, name)| html! { <option selected={heat == self.heat}>{ name }</option> }) }
                </select>
                if list {
                    <label class="check"><input type="checkbox" checked={self.sorted} onchange={sort} />{" largest first"}</label>
                }
            </>
        }
    }

    fn tree(&self, props: &Props, link: &yew::html::Scope<Explorer>, list: bool) -> Html {
        let (tree, labels, shown) = (props.tree.clone(), props.labels.clone(), self.shown.clone());
        let selected = props.selected.map(|node| tree.shown_for(node));
        let pick = link.callback(Msg::Pick);
        let hits = self.tree.hits.clone();
        let at = selected.and_then(|node| shown.binary_search(&(node as u32)).ok());
        let rows = shown.clone();
        let row = Callback::from(move |at: usize| {
            let Some(node) = rows.get(at) else { return html! {} };
            let hit = hits.binary_search(node).is_ok();
            outline::row(&tree, &labels, *node as usize, selected == Some(*node as usize), hit, &pick)
        });
        let active = selected.map(|node| AttrValue::from(format!("node-{node}")));
        html! {
            <>
                if !list {
                    <Canvas<TreeScene> scene={self.tree.clone()} theme={props.theme} command={self.command}
                        onhit={link.callback(Msg::Pick)} />
                }
                <Windowed label="Exploration" role="tree" class="outline" total={shown.len()} height={24}
                    shown={at} {row} {active} onkeydown={link.callback(Msg::Key)} />
            </>
        }
    }

    fn graph(&self, props: &Props) -> Html {
        let Some(graph) = &props.graph else { return html! { <p class="empty">{"Drawing …"}</p> } };
        let scene = GraphScene {
            graph: graph.clone(),
            program: props.program.clone(),
            labels: self.edge_labels.clone(),
            heat: self.heat,
            pc: props.pc,
            route: self.route.clone(),
            run: props.run_pc,
            culprit: props.culprit,
            causes: self.graph_causes.clone(),
        };
        let onhit = props.onslot.reform(|slot: usize| slot as u32);
        html! {
            <>
                if props.view == View::Graph {
                    <Canvas<GraphScene> {scene} theme={props.theme} command={self.command} {onhit} />
                }
                <div class="outline budget">
                    <Budget graph={graph.clone()} program={props.program.clone()} labels={self.edge_labels.clone()}
                        by={self.sorted.then_some(self.heat)} pc={props.pc} onslot={props.onslot.clone()} />
                </div>
            </>
        }
    }

    fn legend(&self, graph: bool) -> Html {
        if graph {
            return html! {
                <p class="legend" aria-hidden="true">
                    <span>{"━ way to the step"}</span><span>{"┅ closes a loop"}</span>
                    <span><span class="warm"></span>{" the darker, the more"}</span><span class="bad">{"① the causal path"}</span>
                </p>
            };
        }
        html! {
            <p class="legend" aria-hidden="true">
                <span class="good">{"✓ exit"}</span><span class="bad">{"✕ rejected"}</span>
                <span>{"∧ fork"}</span><span>{"▪ state kept"}</span><span>{"◇ pruned"}</span><span>{"↺ loop"}</span>
            </p>
        }
    }

    /// What a key does.
    fn key(&mut self, props: &Props, event: &KeyboardEvent) -> bool {
        let tree = &props.tree;
        if tree.is_empty() || event.alt_key() || event.ctrl_key() || event.meta_key() {
            return false;
        }
        let at = tree.shown_for(props.selected.unwrap_or(0).min(tree.len() - 1));
        let row = self.shown.binary_search(&(at as u32)).unwrap_or(0);
        let last = self.shown.len().saturating_sub(1);
        let nth = |row: usize| self.shown.get(row.min(last)).map(|node| *node as usize);
        let folded = tree.is_folded(at);
        let to = match event.key().as_str() {
            "ArrowDown" => nth(row + 1),
            "ArrowUp" => nth(row.saturating_sub(1)),
            "ArrowLeft" => {
                Some(tree.parent[at]).filter(|parent| *parent != NONE).map(|parent| parent as usize)
            }
            "ArrowRight" if folded => {
                props.onfold.emit(fold(tree, at, false));
                None
            }
            "ArrowRight" => tree.children(at).first().copied(),
            " " => {
                props.onfold.emit(fold(tree, at, !folded));
                None
            }
            "Home" => nth(0),
            "End" => nth(last),
            "PageDown" => nth(row + 10),
            "PageUp" => nth(row.saturating_sub(10)),
            "+" | "=" => return self.told(event, Command::Zoom(1.25)),
            "-" => return self.told(event, Command::Zoom(0.8)),
            "0" => return self.told(event, Command::Fit),
            _ => return false,
        };
        event.prevent_default();
        if let Some(node) = to {
            props.onselect.emit(node);
        }
        false
    }

    fn told(&mut self, event: &KeyboardEvent, command: Command) -> bool {
        event.prevent_default();
        self.command = (self.command.0 + 1, command);
        true
    }

    fn next_hit(&mut self, props: &Props, forward: bool) {
        let hits = &self.tree.hits;
        let at = props.selected.map_or(0, |node| node as u32);
        let next = match forward {
            true => hits.iter().find(|node| **node > at).or(hits.first()),
            false => hits.iter().rev().find(|node| **node < at).or(hits.last()),
        };
        let Some(&node) = next else { return };
        // What is folded away is shown for it.
        let path = props.tree.path(node as usize);
        let folded: Vec<u32> = props
            .tree
            .folded
            .iter()
            .copied()
            .filter(|f| *f == node || !path.contains(&(*f as usize)))
            .collect();
        if folded.len() != props.tree.folded.len() {
            props.onfold.emit(folded);
        }
        props.onselect.emit(node as usize);
    }
}

/// How a path ended, in a word with its mark.
pub fn ended(kind: crate::protocol::NodeKind) -> String {
    use crate::protocol::NodeKind;
    let word = match kind {
        NodeKind::Exit => "exit",
        NodeKind::Error => "rejected",
        NodeKind::Pruned => "pruned",
        NodeKind::Loop => "loop",
        NodeKind::Barrier => "guess ends",
        NodeKind::Fork | NodeKind::Checkpoint | NodeKind::Open => "not finished",
    };
    format!("{} {word}", tree::glyph(kind))
}

/// "1 path", "2 paths".
pub fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
