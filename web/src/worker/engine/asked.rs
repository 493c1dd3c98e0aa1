//! What the page asks of an exploration that is over.

use super::outcome::{self, Explored};
use crate::protocol::{Event, Missed, Program, Request};
use glasshive::trace::view::{Miss, SegmentId, StateView, Step};

/// A step's state, with what it relies on and what was tried in vain before it.
pub fn state(generation: u32, explored: &Explored, view: StateView) -> Event {
    let trace = &explored.trace;
    let missed = |miss: Miss| {
        let kept = trace.kept_states().get(miss.state.0 as usize)?;
        Some(Missed { step: kept.step.0, node: kept.segment.0, blocked: miss.blocked })
    };
    Event::State {
        generation,
        line: explored.index.line_of(trace, view.step),
        reliance: trace.reliance(view.step),
        misses: trace.misses(view.step).into_iter().filter_map(missed).collect(),
        view: Box::new(view),
    }
}

/// Answers a question of the tree.
pub fn answer(generation: u32, explored: &Explored, program: &Program, request: Request) -> Option<Event> {
    let trace = &explored.trace;
    Some(match request {
        Request::Search { text } => {
            let nodes = search(explored, program, &text);
            Event::Hits { generation, text, nodes }
        }
        Request::Fold { folded } => {
            let (hidden, placed) = outcome::folded(trace, &folded);
            let depth = placed.rank.iter().copied().max().unwrap_or(0);
            let width = placed.x.iter().copied().fold(0.0, f32::max);
            Event::Placed { generation, folded, hidden, x: placed.x, depth, width }
        }
        Request::Covering { node } => {
            let covering = trace.covering(SegmentId(node)).map(Box::new);
            Event::Covering { generation, node, covering }
        }
        Request::History { step, place } => {
            Event::History { generation, place, causes: trace.history(Step(step), place) }
        }
        _ => return None,
    })
}

/// The nodes in which one of the instructions was walked that the text names.
fn search(explored: &Explored, program: &Program, text: &str) -> Vec<u32> {
    let wanted = text.trim().to_lowercase();
    if wanted.is_empty() {
        return Vec::new();
    }
    let number: Option<u32> = wanted.parse().ok();
    let slots = program.listing.last().map_or(0, |last| last.pc as usize + 2);
    let mut named = vec![false; slots];
    for instruction in &program.listing {
        let source = instruction.source.and_then(|at| program.source.get(at as usize));
        let has = |text: &str| text.to_lowercase().contains(&wanted);
        named[instruction.pc as usize] = match number {
            Some(slot) => instruction.pc == slot,
            None => has(&instruction.text) || source.is_some_and(|line| has(&line.text)),
        };
    }
    let trace = &explored.trace;
    let segments = trace.segments().iter().zip(0_u32..);
    let hit = |first: u32, len: u32| {
        (first..first + len).any(|step| named.get(trace.pc(Step(step)).index()).is_some_and(|named| *named))
    };
    segments.filter(|(segment, _)| hit(segment.first.0, segment.len)).map(|(_, node)| node).collect()
}
