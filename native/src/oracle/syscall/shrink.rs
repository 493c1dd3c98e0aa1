//! The shortest sequence that two systems answer differently.

use super::run::{Answer, run};
use super::{Action, Field, Sequence};
use crate::oracle::Bpf;

/// Where two systems part: the action, and what each answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// The action's place in the sequence.
    pub at: usize,
    /// What the first system answered.
    pub first: Answer,
    /// What the second system answered.
    pub second: Answer,
}

/// The first difference between the answers of two systems.
pub fn difference(sequence: &Sequence, first: &impl Bpf, second: &impl Bpf) -> Option<Difference> {
    let pairs = run(sequence, first).into_iter().zip(run(sequence, second)).enumerate();
    let mut parting = pairs.filter(|(_, (first, second))| first != second);
    parting.next().map(|(at, (first, second))| Difference { at, first, second })
}

/// Takes actions and fields out as long as the systems still differ.
pub fn shrink(sequence: &Sequence, first: &impl Bpf, second: &impl Bpf) -> Sequence {
    let mut best = sequence.clone();
    if let Some(found) = difference(&best, first, second) {
        best.0.truncate(found.at + 1);
    }
    let differs = |candidate: &Sequence| difference(candidate, first, second).is_some();
    let mut at = 0;
    while at < best.0.len() {
        let candidate = without(&best, at);
        if differs(&candidate) {
            best = candidate;
        } else {
            at += 1;
        }
    }
    for at in 0..best.0.len() {
        let Action::Call(call) = &best.0[at] else { continue };
        for field in (0..call.fields.len()).rev() {
            let mut candidate = best.clone();
            if let Action::Call(call) = &mut candidate.0[at]
                && field < call.fields.len()
            {
                call.fields.remove(field);
            }
            if differs(&candidate) {
                best = candidate;
            }
        }
    }
    best
}

/// The sequence without an action; slots after it move down.
fn without(sequence: &Sequence, gone: usize) -> Sequence {
    let mut rest = sequence.clone();
    rest.0.remove(gone);
    let moved = |slot: &mut usize| {
        if *slot == gone {
            // No action's number: the descriptor is -1 from now on.
            *slot = usize::MAX;
        } else if *slot > gone && *slot != usize::MAX {
            *slot -= 1;
        }
    };
    for action in &mut rest.0 {
        match action {
            Action::Close(slot) | Action::Dump { slot, .. } => moved(slot),
            Action::Call(call) => {
                for (_, field) in &mut call.fields {
                    if let Field::Fd(slot) | Field::FdMemory(slot, _) = field {
                        moved(slot);
                    }
                }
            }
        }
    }
    rest
}
