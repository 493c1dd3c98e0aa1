//! Where the budget went: the blocks and branches of the program as a table.

use super::super::bar::grouped;
use super::super::windowed::Windowed;
use super::graph::Heat;
use crate::protocol::{Graph, Program};
use std::rc::Rc;
use yew::prelude::*;

/// A line of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Line {
    Block(usize),
    Edge(usize),
}

/// What the table shows.
#[derive(Properties)]
pub struct Props {
    /// The graph.
    pub graph: Rc<Graph>,
    /// The program whose it is.
    pub program: Rc<Program>,
    /// What holds on each edge.
    pub labels: Rc<Vec<String>>,
    /// By what blocks are sorted; in the program's order where there is none.
    pub by: Option<Heat>,
    /// The slot of the selected step.
    pub pc: Option<u32>,
    /// A slot was chosen.
    pub onslot: Callback<u32>,
}

impl PartialEq for Props {
    fn eq(&self, other: &Props) -> bool {
        Rc::ptr_eq(&self.graph, &other.graph) && (self.by, self.pc) == (other.by, other.pc)
    }
}

/// The table.
#[component]
pub fn Budget(props: &Props) -> Html {
    let (graph, by) = (props.graph.clone(), props.by);
    let lines = use_memo((Rc::as_ptr(&graph) as usize, by), |_| lines(&graph, by));
    let here = |pc: u32| graph.blocks.iter().rposition(|block| block.pc <= pc);
    let block = props.pc.and_then(here);
    let shown = block.and_then(|block| lines.iter().position(|line| *line == Line::Block(block)));
    let row = {
        let (graph, lines, labels) = (graph.clone(), lines.clone(), props.labels.clone());
        let (program, onslot) = (props.program.clone(), props.onslot.clone());
        Callback::from(move |at: usize| match lines.get(at) {
            Some(Line::Block(number)) => {
                block_row(&graph, &program, *number, block == Some(*number), &onslot)
            }
            Some(Line::Edge(number)) => edge_row(&graph, *number, labels.get(*number), &onslot),
            None => html! {},
        })
    };
    let onkeydown = {
        let (graph, lines, onslot) = (graph.clone(), lines.clone(), props.onslot.clone());
        Callback::from(move |event: KeyboardEvent| {
            let blocks: Vec<usize> = lines
                .iter()
                .filter_map(|line| match line {
                    Line::Block(number) => Some(*number),
                    Line::Edge(_) => None,
                })
                .collect();
            let at = blocks.iter().position(|number| Some(*number) == block);
            let to = match (event.key().as_str(), at) {
                ("ArrowDown", at) => at.map_or(0, |at| at + 1),
                ("ArrowUp", Some(at)) => at.saturating_sub(1),
                ("Home", _) => 0,
                ("End", _) => blocks.len().saturating_sub(1),
                _ => return,
            };
            event.prevent_default();
            if let Some(number) = blocks.get(to) {
                onslot.emit(graph.blocks[*number].pc);
            }
        })
    };
    let active = block.map(|number| AttrValue::from(format!("block-{number}")));
    html! {
        <>
            <div class="heads row" aria-hidden="true">
                <span class="of">{"Block or branch"}</span><span class="share"></span>
                <span>{"Walked"}</span><span>{"Visits"}</span><span>{"States"}</span><span>{"Pruned"}</span>
            </div>
            <Windowed label="Blocks" role="grid" class="blocks" total={lines.len()} height={24} {shown} {row}
                {onkeydown} {active} />
        </>
    }
}

fn lines(graph: &Graph, by: Option<Heat>) -> Vec<Line> {
    let mut order: Vec<usize> = (0..graph.blocks.len()).collect();
    if let Some(heat) = by {
        order.sort_by_key(|block| std::cmp::Reverse(heat.of(&graph.blocks[*block])));
    }
    let mut leaving: Vec<Vec<usize>> = vec![Vec::new(); graph.blocks.len()];
    for (number, edge) in graph.edges.iter().enumerate().filter(|(_, edge)| edge.taken.is_some()) {
        leaving[edge.from as usize].push(number);
    }
    order
        .into_iter()
        .flat_map(|block| {
            std::iter::once(Line::Block(block)).chain(leaving[block].iter().map(|e| Line::Edge(*e)))
        })
        .collect()
}

/// A share of all that was walked, as a picture and a number.
fn share(part: u32, all: u32) -> Html {
    let of = if all == 0 { 0.0 } else { f64::from(part) / f64::from(all) };
    let wide = (of * 60.0).to_string();
    html! {
        <span class="share" role="gridcell">
            <svg width="60" height="8" aria-hidden="true"><rect class="track" width="60" height="8" /><rect class="part" width={wide} height="8" /></svg>
            { format!("{:.0} %", of * 100.0) }
        </span>
    }
}

fn block_row(graph: &Graph, program: &Program, number: usize, here: bool, onslot: &Callback<u32>) -> Html {
    let block = &graph.blocks[number];
    let (pc, onslot) = (block.pc, onslot.clone());
    let onclick = Callback::from(move |_: MouseEvent| onslot.emit(pc));
    let found = program.listing.binary_search_by_key(&pc, |i| i.pc).ok();
    let name = found.and_then(|at| program.listing[at].function.clone()).map(|name| format!(" {name}"));
    let source = found.and_then(|at| program.source.get(program.listing[at].source? as usize));
    let line = source.filter(|line| !line.file.is_empty()).map(|line| line.text.trim().to_owned());
    html! {
        <div key={format!("b{number}")} id={format!("block-{number}")} role="row" aria-selected={here.to_string()}
            class={classes!("row", here.then_some("selected"), (block.walked == 0).then_some("unwalked"))} {onclick}>
            <span role="rowheader" class="of"><span class="mono">{ format!("{pc} to {}", block.last_pc) }</span>
                { name }<span class="muted mono">{"  "}{ line }</span></span>
            { share(block.walked, graph.walked) }
            <span role="gridcell" class="mono">{ grouped(block.walked) }</span>
            <span role="gridcell" class="mono">{ grouped(block.visits) }</span>
            <span role="gridcell" class="mono">{ grouped(block.kept) }</span>
            <span role="gridcell" class="mono">{ grouped(block.pruned) }</span>
        </div>
    }
}

fn edge_row(graph: &Graph, number: usize, label: Option<&String>, onslot: &Callback<u32>) -> Html {
    let edge = &graph.edges[number];
    let target = graph.blocks[edge.to as usize].pc;
    let onslot = onslot.clone();
    let onclick = Callback::from(move |_: MouseEvent| onslot.emit(target));
    let label = label.cloned().unwrap_or_default();
    html! {
        <div key={format!("e{number}")} role="row" title="walked behind this way, to the ends of all paths"
            class={classes!("row", "branch", (edge.visits == 0).then_some("unwalked"))} {onclick}>
            <span role="rowheader" class="of mono">{ format!("↳ {label} → {target}") }</span>
            { share(edge.behind, graph.walked) }
            <span role="gridcell" class="mono">{ grouped(edge.behind) }</span>
            <span role="gridcell" class="mono">{ grouped(edge.visits) }</span>
            <span role="gridcell"></span><span role="gridcell"></span>
        </div>
    }
}
