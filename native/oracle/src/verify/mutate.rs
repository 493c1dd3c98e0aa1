//! Programs near a given one: a field changed, a slot left out, put twice, or taken from elsewhere.

use fastrand::Rng;
use glasshive::isa::asm::Assembly;
use glasshive::isa::{Pc, RawInsn};

/// Numbers at the ends of ranges.
const EDGES: &[i32] =
    &[0, 1, -1, 7, 8, 63, 64, 127, 128, 255, 256, 511, 512, -512, 0x7fff, 0x8000, 0xffff, i32::MAX, i32::MIN];

/// Changes a program in one to three places.
pub fn mutate(rng: &mut Rng, assembly: &Assembly) -> Assembly {
    let mut mutant = assembly.clone();
    for _ in 0..rng.u8(1..4) {
        change(rng, &mut mutant);
    }
    mutant
}

fn change(rng: &mut Rng, assembly: &mut Assembly) {
    if assembly.insns.is_empty() {
        return;
    }
    let at = rng.usize(..assembly.insns.len());
    let is_reference = assembly.map_references.iter().any(|r| r.at.index() == at || r.at.index() + 1 == at);
    match rng.u8(..12) {
        0 if !is_reference => remove(assembly, at..at + 1),
        1 if !is_reference => insert(assembly, at, assembly.insns[at]),
        2 => {
            let other = assembly.insns[rng.usize(..assembly.insns.len())];
            if !is_reference {
                assembly.insns[at] = other;
            }
        }
        3 => assembly.insns[at].dst = rng.u8(..11),
        4 if !is_reference => assembly.insns[at].src = rng.u8(..11),
        5 | 6 => {
            let by = [-8, -4, -1, 1, 2, 4, 8][rng.usize(..7)];
            assembly.insns[at].off = assembly.insns[at].off.wrapping_add(by);
        }
        7 | 8 if !is_reference => {
            let slot = &mut assembly.insns[at];
            slot.imm = match rng.u8(..6) {
                // The ends of what has 8, 16 and 32 bits, by sign.
                4 | 5 => EDGES[rng.usize(..EDGES.len())],
                0 => slot.imm.wrapping_neg(),
                1 => slot.imm.wrapping_mul(2),
                _ => slot.imm.wrapping_add([-1, 1, 8, -8][rng.usize(..4)]),
            };
        }
        9 => assembly.insns[at].code ^= 1 << rng.u8(..8),
        10 if at + 1 < assembly.insns.len() && !is_reference => {
            let next = assembly.map_references.iter().any(|r| r.at.index() == at + 1);
            if !next {
                assembly.insns.swap(at, at + 1);
            }
        }
        _ => {
            let slot = &mut assembly.insns[at];
            // Between a 64-bit and a 32-bit operation.
            slot.code = match slot.code & 7 {
                4 => slot.code | 3,
                5 => slot.code & !7 | 6,
                6 => slot.code & !7 | 5,
                7 => slot.code & !3,
                _ => slot.code,
            };
        }
    }
}

/// The offset of a jump or local call, where the slot has one.
fn offset(slot: &RawInsn) -> Option<i64> {
    match (slot.code & 7, slot.code & 0xf0) {
        (5 | 6, 0x80) if slot.src == 1 => Some(slot.imm.into()),
        (5 | 6, 0x80 | 0x90) => None,
        (6, 0x00) => Some(slot.imm.into()),
        (5 | 6, _) => Some(slot.off.into()),
        _ => None,
    }
}

fn set_offset(slot: &mut RawInsn, to: i64) {
    match (slot.code & 7, slot.code & 0xf0) {
        (5 | 6, 0x80) | (6, 0x00) => slot.imm = to as i32,
        _ => slot.off = to as i16,
    }
}

/// Moves every jump's target along with what it names: `moved` says where a slot goes, `gone` which slots are
/// no longer there.
fn retarget(
    assembly: &mut Assembly,
    old: &[RawInsn],
    gone: &std::ops::Range<usize>,
    moved: impl Fn(i64) -> i64,
) {
    for (at, slot) in old.iter().enumerate().filter(|(at, _)| !gone.contains(at)) {
        let Some(off) = offset(slot) else { continue };
        let (from, to) = (moved(at as i64), moved(at as i64 + 1 + off));
        if let Some(slot) = usize::try_from(from).ok().and_then(|at| assembly.insns.get_mut(at)) {
            set_offset(slot, to - from - 1);
        }
    }
}

/// Takes slots out; jumps over them land where they landed.
pub fn remove(assembly: &mut Assembly, range: std::ops::Range<usize>) {
    let old = assembly.insns.clone();
    let len = range.len();
    let gone = |at: usize| range.contains(&at);
    assembly.insns.drain(range.clone());
    assembly.map_references.retain(|r| !gone(r.at.index()) && !gone(r.at.index() + 1));
    for reference in &mut assembly.map_references {
        if reference.at.index() >= range.end {
            reference.at = Pc(reference.at.0 - len as u32);
        }
    }
    let (start, end) = (range.start as i64, range.end as i64);
    retarget(assembly, &old, &range, |at| if at >= end { at - len as i64 } else { at.min(start) });
}

fn insert(assembly: &mut Assembly, at: usize, slot: RawInsn) {
    let old = assembly.insns.clone();
    assembly.insns.insert(at, slot);
    for reference in &mut assembly.map_references {
        if reference.at.index() >= at {
            reference.at = Pc(reference.at.0 + 1);
        }
    }
    retarget(assembly, &old, &(0..0), |slot| if slot >= at as i64 { slot + 1 } else { slot });
}
