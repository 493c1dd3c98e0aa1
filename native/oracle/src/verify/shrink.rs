//! The fewest instructions that still make both systems disagree in the same way.

use glasshive::isa::RawInsn;
use glasshive::isa::asm::Assembly;

use super::mutate::remove;

/// Slots that a disagreement is asked for at most.
const MOST_TRIES: usize = 1_500;

/// Leaves out what is not needed, as long as `disagrees` says yes.
pub fn shrink(assembly: &Assembly, mut disagrees: impl FnMut(&Assembly) -> bool) -> Assembly {
    let mut best = assembly.clone();
    let mut tries = 0;
    let mut try_it = |candidate: Assembly, best: &mut Assembly| {
        tries += 1;
        let better = tries < MOST_TRIES && disagrees(&candidate);
        if better {
            *best = candidate;
        }
        better
    };
    let mut chunk = best.insns.len() / 2;
    while chunk > 0 {
        let mut at = 0;
        while at < best.insns.len() {
            let mut candidate = best.clone();
            remove(&mut candidate, at..(at + chunk).min(best.insns.len()));
            if candidate.insns.is_empty() || !try_it(candidate, &mut best) {
                at += chunk;
            }
        }
        chunk /= 2;
    }
    simplify(&mut best, &mut try_it);
    drop_unused_maps(&mut best);
    best
}

/// Leaves out the maps that nothing names.
pub fn drop_unused_maps(assembly: &mut Assembly) {
    for index in (0..assembly.maps.len()).rev() {
        let name = Some(&assembly.maps[index].name);
        let is_used = assembly.map_references.iter().any(|r| r.map as usize == index);
        if is_used || assembly.maps.iter().any(|map| map.inner.as_ref() == name) {
            continue;
        }
        assembly.maps.remove(index);
        assembly.map_references.iter_mut().filter(|r| r.map as usize > index).for_each(|r| r.map -= 1);
    }
}

/// Makes immediates and offsets small, and operations plain.
fn simplify(best: &mut Assembly, try_it: &mut impl FnMut(Assembly, &mut Assembly) -> bool) {
    for at in 0..best.insns.len() {
        let simpler: &[fn(RawInsn) -> RawInsn] = &[
            |slot| RawInsn { imm: 0, ..slot },
            |slot| RawInsn { imm: 1, ..slot },
            |slot| RawInsn { code: 0xb7, src: 0, off: 0, imm: 0, ..slot },
        ];
        for simplify in simpler {
            let mut candidate = best.clone();
            let Some(slot) = candidate.insns.get_mut(at) else { break };
            let plain = simplify(*slot);
            if plain != *slot {
                *slot = plain;
                try_it(candidate, best);
            }
        }
    }
}
