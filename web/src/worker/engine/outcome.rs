//! What came of a verification, and its exploration as columns.

use crate::protocol::{NONE, NodeKind, Outcome, Stats, Tree, Verdict};
use crate::tidy;
use glasshive::trace::view::{End, Segment, Step};
use glasshive::trace::{LogIndex, Trace};
use glasshive::verifier::{self, log::Log};

/// Instructions after which the verifier gives up.
const LIMIT: u32 = 1_000_000;

/// A verification that is over: its trace and its log.
pub struct Explored {
    /// What the verifier did.
    pub trace: Trace,
    /// Its log, at level 2.
    pub log: Log,
    /// The log's lines.
    pub index: LogIndex,
}

impl Explored {
    /// Joins a trace and a log.
    pub fn new(trace: Trace, log: Log) -> Explored {
        let index = LogIndex::new(log.text());
        Explored { trace, log, index }
    }

    /// What the page is told.
    pub fn outcome(&self, verdict: Verdict, counted: verifier::Stats, milliseconds: f64) -> Outcome {
        let diagnostic = self.trace.diagnostic().filter(|_| verdict == Verdict::Rejected);
        let steps = self.trace.steps();
        let processed = counted.processed;
        let walked = format!("{processed} {}", if processed == 1 { "instruction" } else { "instructions" });
        let sentence = match (verdict, &diagnostic) {
            (Verdict::Accepted, _) => {
                let ends = |s: &&Segment| matches!(s.end, End::Exit | End::Barrier | End::Pruned { .. });
                let paths = self.trace.segments().iter().filter(ends).count();
                format!("{walked} walked on {paths} {}.", if paths == 1 { "path" } else { "paths" })
            }
            (Verdict::Rejected, Some(diagnostic)) => diagnostic.reason.clone(),
            (Verdict::Rejected, None) => format!("After {walked}."),
            (Verdict::Stopped, _) => format!("After {walked}: no verdict yet."),
        };
        Outcome {
            verdict,
            sentence,
            steps,
            lines: self.index.lines(),
            stats: Stats {
                processed: counted.processed,
                limit: LIMIT,
                max_states_per_insn: counted.max_states_per_insn,
                total_states: counted.total_states,
                peak_states: counted.peak_states,
                milliseconds: milliseconds as u32,
            },
            tree: tree(&self.trace),
            visits: self.trace.visits(),
            diagnostic,
        }
    }
}

/// The exploration as columns, placed.
fn tree(trace: &Trace) -> Tree {
    let (segments, states) = (trace.segments(), trace.kept_states());
    let parent = parents(trace);
    let placed = tidy::place(&parent);
    let mut kept = vec![false; segments.len()];
    for state in states {
        if let Some(mark) = kept.get_mut(state.segment.0 as usize) {
            *mark = true;
        }
    }
    let last_pc = |s: &Segment| match s.len.checked_sub(1) {
        Some(more) => trace.pc(Step(s.first.0 + more)).0,
        None => s.pc,
    };
    let by = |s: &Segment| match s.end {
        End::Pruned { by, .. } => states.get(by.0 as usize).map_or(NONE, |state| state.segment.0),
        _ => NONE,
    };
    Tree {
        depth: placed.rank.iter().copied().max().unwrap_or(0),
        width: placed.x.iter().copied().fold(0.0, f32::max),
        x: placed.x,
        rank: placed.rank,
        first: segments.iter().map(|s| s.first.0).collect(),
        len: segments.iter().map(|s| s.len).collect(),
        pc: segments.iter().map(|s| s.pc).collect(),
        last_pc: segments.iter().map(last_pc).collect(),
        kind: segments.iter().map(|s| kind(s.end)).collect(),
        by: segments.iter().map(by).collect(),
        kept,
        guessed: segments.iter().map(|s| s.guessed).collect(),
        hidden: Vec::new(),
        folded: Vec::new(),
        parent,
    }
}

fn parents(trace: &Trace) -> Vec<u32> {
    trace.segments().iter().map(|s| s.parent.map_or(NONE, |parent| parent.0)).collect()
}

/// Where the nodes stand once what is below some is folded away: which are not shown, and each one's x.
pub fn folded(trace: &Trace, folded: &[u32]) -> (Vec<bool>, tidy::Placed) {
    let parents = parents(trace);
    let mut hidden = vec![false; parents.len()];
    let mut number = vec![NONE; parents.len()];
    let mut shown: Vec<u32> = Vec::new();
    for (node, parent) in parents.iter().enumerate() {
        let above = *parent as usize;
        hidden[node] = above < node && (hidden[above] || folded.binary_search(parent).is_ok());
        if !hidden[node] {
            number[node] = shown.len() as u32;
            shown.push(number.get(above).copied().unwrap_or(NONE));
        }
    }
    let placed = tidy::place(&shown);
    let of = |column: &[f32], at: &u32| column.get(*at as usize).copied().unwrap_or(0.0);
    let x = number.iter().map(|at| of(&placed.x, at)).collect();
    let rank = placed.rank;
    (hidden, tidy::Placed { x, rank })
}

fn kind(end: End) -> NodeKind {
    match end {
        End::Fork => NodeKind::Fork,
        End::Checkpoint => NodeKind::Checkpoint,
        End::Pruned { looping: false, .. } => NodeKind::Pruned,
        End::Pruned { looping: true, .. } => NodeKind::Loop,
        End::Exit => NodeKind::Exit,
        End::Barrier => NodeKind::Barrier,
        End::Error => NodeKind::Error,
        End::Open => NodeKind::Open,
    }
}
