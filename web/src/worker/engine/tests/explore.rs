//! What the page asks of an exploration.

use super::{Page, object, text};
use crate::protocol::{Event, Graph, NodeKind, Request};
use glasshive::trace::view::{Cover, Place};

/// Four rounds, in each of which one may set r7, which nobody reads.
const LOOP: &str = "
.type xdp
.license GPL
    r6 = 0
    r7 = 0
round:
    call bpf_get_prandom_u32
    if r0 > 5 goto skip
    r7 = r0
skip:
    r6 += 1
    if r6 < 4 goto round
    r0 = 2
    exit
";

fn graph(page: &mut Page) -> Graph {
    match page.ask(Request::Graph).pop() {
        Some(Event::Graph { graph, .. }) => *graph,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_graph_says_where_the_budget_went() {
    for id in ["protocols", "checksum", "functions", "endless", "firewall"] {
        let mut page = Page::new();
        let (_, outcome) = page.verify(object(id));
        let graph = graph(&mut page);
        assert_eq!(graph.walked, outcome.steps);
        assert_eq!(graph.blocks.iter().map(|b| b.walked).sum::<u32>(), outcome.steps, "{id}");
        assert_eq!(graph.blocks.iter().map(|b| b.kept).sum::<u32>(), outcome.stats.total_states, "{id}");
        for (number, block) in graph.blocks.iter().enumerate() {
            // Who comes to a block, comes by an edge; but for the entries of functions.
            let into = graph.edges.iter().filter(|edge| edge.to as usize == number);
            let came: u32 = into.map(|edge| edge.visits).sum();
            let of = format!("{id}: block {}: {came} {} {}", block.pc, block.visits, block.pruned);
            // Some paths are cut short in the middle of a block.
            let most = block.visits + block.pruned;
            assert!(came == 0 || (block.visits..=most).contains(&came), "{of}");
        }
        for edge in &graph.edges {
            assert!(edge.behind <= graph.walked);
        }
    }
}

#[test]
fn a_branch_is_charged_for_what_is_behind_it() {
    let mut page = Page::new();
    let (_, outcome) = page.verify(text(LOOP));
    let graph = graph(&mut page);
    assert_eq!(graph.blocks.len(), 5);
    let branch: Vec<_> = graph.edges.iter().filter(|edge| edge.taken.is_some()).collect();
    assert_eq!(branch.len(), 4);
    // Going round walks the whole rest, and is counted once however often it happens on a path.
    assert!(branch[0].behind < outcome.steps && branch[0].behind > branch[1].behind / 2);
    assert!(graph.edges.iter().any(|edge| edge.back && edge.visits > 0));
    assert!(graph.blocks.iter().any(|block| block.pruned > 0));

    let last = outcome.steps - 1;
    match page.ask(Request::Route { step: last }).pop() {
        Some(Event::Route { blocks, edges, .. }) => {
            assert_eq!((blocks[0], edges.len() + 1 >= blocks.len()), (0, true));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_pruned_node_is_compared_with_what_covers_it() {
    let mut page = Page::new();
    let (_, outcome) = page.verify(text(LOOP));
    let tree = &outcome.tree;
    let node = tree.kind.iter().position(|kind| matches!(kind, NodeKind::Pruned | NodeKind::Loop)).unwrap();
    let Some(Event::Covering { covering: Some(covering), .. }) =
        page.ask(Request::Covering { node: node as u32 }).pop()
    else {
        panic!("no comparison")
    };
    // r7 is never read: 0 in the kept state, anything on the path.
    let r7 = Place::Register { frame: 0, number: 7 };
    let row = covering.rows.iter().find(|row| row.place == r7).unwrap();
    assert!(matches!(row.how, Cover::Unread | Cover::Inexact), "{row:?}");
    assert!(tree.first[tree.by[node] as usize] <= covering.step.0);
    let none = page.ask(Request::Covering { node: 0 }).pop();
    assert!(matches!(none, Some(Event::Covering { covering: None, .. })), "{none:?}");
}

#[test]
fn nodes_are_found_and_folded() {
    let mut page = Page::new();
    let (program, outcome) = page.verify(object("protocols"));
    let tree = &outcome.tree;
    let find = |page: &mut Page, text: &str| match page.ask(Request::Search { text: text.into() }).pop() {
        Some(Event::Hits { nodes, .. }) => nodes,
        other => panic!("{other:?}"),
    };
    let calls = find(&mut page, "CALL bpf_map_lookup");
    assert_eq!(calls.len(), 1);
    let exits = program.listing.iter().filter(|i| i.text == "exit").count();
    assert!(find(&mut page, "exit").len() >= exits);
    assert_eq!(find(&mut page, &program.listing[0].pc.to_string()), [0]);
    assert!(find(&mut page, "no such thing").is_empty() && find(&mut page, " ").is_empty());

    let fork = tree.kind.iter().position(|kind| *kind == NodeKind::Fork).unwrap();
    match page.ask(Request::Fold { folded: vec![fork as u32] }).pop() {
        Some(Event::Placed { hidden, x, .. }) => {
            assert_eq!(hidden.len(), tree.len());
            for (node, hidden) in hidden.iter().enumerate() {
                let below = node != fork && tree.path(node).contains(&fork);
                assert_eq!(*hidden, below, "{node}");
            }
            assert_eq!(x.len(), tree.len());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_value_has_a_history() {
    let mut page = Page::new();
    let (_, outcome) = page.verify(object("protocols-unchecked"));
    let diagnostic = outcome.diagnostic.unwrap();
    let step = diagnostic.step.unwrap().0;
    let place = Place::Register { frame: 0, number: diagnostic.register.unwrap() };
    match page.ask(Request::History { step, place }).pop() {
        Some(Event::History { causes, .. }) => {
            assert!(causes.iter().any(|cause| cause.what.contains("lookup")), "{causes:?}");
        }
        other => panic!("{other:?}"),
    }
}
