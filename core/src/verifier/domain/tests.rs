//! The domain against arithmetic itself: every pair of small sets, wherever a reading has a seam, and random
//! sets of 64 bits.

use std::vec::Vec;

use proptest::prelude::*;

use super::{Scalar, Tnum, alu, branch};
use crate::interp::operations;
use crate::isa::{AluOp, JumpOp, Size, Width};

const OPERATIONS: [AluOp; 12] = [
    AluOp::Add,
    AluOp::Sub,
    AluOp::Mul,
    AluOp::Div,
    AluOp::Sdiv,
    AluOp::Or,
    AluOp::And,
    AluOp::Lsh,
    AluOp::Rsh,
    AluOp::Mod,
    AluOp::Smod,
    AluOp::Xor,
];
const COMPARISONS: [JumpOp; 11] = [
    JumpOp::Eq,
    JumpOp::Gt,
    JumpOp::Ge,
    JumpOp::Set,
    JumpOp::Ne,
    JumpOp::Sgt,
    JumpOp::Sge,
    JumpOp::Lt,
    JumpOp::Le,
    JumpOp::Slt,
    JumpOp::Sle,
];
const WIDTHS: [Width; 2] = [Width::W32, Width::W64];

/// The seams of the four readings: around each, a small interval crosses it.
const SEAMS: [u64; 5] = [0, 1 << 31, 1 << 32, 1 << 63, 0xffff_ffff_8000_0000];

/// A set and its members.
type Sample = (Scalar, Vec<u64>);

fn sample(mut scalar: Scalar, members: Vec<u64>) -> Sample {
    scalar.sync();
    for x in &members {
        assert!(scalar.contains(*x), "{scalar:?} lost {x:#x}");
    }
    (scalar, members)
}

/// Every interval within `2^bits` numbers, half of them below the seam. One that crosses the seam of one
/// reading is given in the other.
fn intervals(seam: u64, bits: u32) -> Vec<Sample> {
    let half = 1i64 << (bits - 1);
    let mut all = Vec::new();
    for first in -half..half {
        for last in first..half {
            let members: Vec<u64> = (first..=last).map(|x| seam.wrapping_add_signed(x)).collect();
            let (min, max) = (members[0], members[members.len() - 1]);
            if min <= max {
                all.push(sample(Scalar { umin: min, umax: max, ..Scalar::UNKNOWN }, members.clone()));
            }
            if min as i64 <= max as i64 {
                let (smin, smax) = (min as i64, max as i64);
                all.push(sample(Scalar { smin, smax, ..Scalar::UNKNOWN }, members));
            }
        }
    }
    all
}

/// Every tnum of four bits that begin at bit `at`, the rest as in `background`.
fn known_bits(at: u32, background: u64) -> Vec<Sample> {
    let mut all = Vec::new();
    for mask in 0..16u64 {
        for value in (0..16u64).filter(|value| value & mask == 0) {
            let var = Tnum {
                value: background & !(15u64.wrapping_shl(at)) | value.wrapping_shl(at),
                mask: mask.wrapping_shl(at),
            };
            let members = (0..16u64)
                .map(|x| background & !(15u64.wrapping_shl(at)) | x.wrapping_shl(at))
                .filter(|x| var.contains(*x))
                .collect();
            all.push(sample(Scalar { var, ..Scalar::UNKNOWN }, members));
        }
    }
    all
}

/// What a shift by too much gives, the instruction set leaves open.
fn is_defined(op: AluOp, width: Width, by: u64) -> bool {
    let bits = if width == Width::W64 { 64 } else { 32 };
    !matches!(op, AluOp::Lsh | AluOp::Rsh | AluOp::Arsh) || by < bits
}

fn check_pair((a, members_a): &Sample, (b, members_b): &Sample) {
    for width in WIDTHS {
        for op in OPERATIONS.into_iter().chain([AluOp::Arsh]) {
            let result = alu::apply(op, width, a, b);
            for x in members_a {
                for y in members_b.iter().filter(|y| is_defined(op, width, **y)) {
                    let z = operations::alu(op, width, *x, *y);
                    assert!(result.contains(z), "{width:?} {x:#x} {op:?} {y:#x}: {a:?} {b:?} {result:?}");
                }
            }
        }
        for op in COMPARISONS {
            check_comparison(op, width, (a, members_a), (b, members_b));
        }
    }
}

fn check_comparison(op: JumpOp, width: Width, (a, xs): (&Scalar, &[u64]), (b, ys): (&Scalar, &[u64])) {
    let decided = branch::decide(op, width, a, b);
    let refined = [false, true].map(|holds| {
        let (mut a, mut b) = (*a, *b);
        branch::refine(op, width, holds, &mut a, &mut b);
        (a, b)
    });
    for x in xs {
        for y in ys {
            let holds = operations::compare(op, width, *x, *y);
            assert!(decided.is_none_or(|d| d == holds), "{width:?} {x:#x} {op:?} {y:#x}: {a:?} {b:?}");
            let (a2, b2) = &refined[usize::from(holds)];
            assert!(a2.contains(*x), "{width:?} {x:#x} {op:?} {y:#x} {holds}: {a:?} {b:?} {a2:?}");
            assert!(b2.contains(*y), "{width:?} {x:#x} {op:?} {y:#x} {holds}: {a:?} {b:?} {b2:?}");
        }
    }
}

fn check_single((a, members): &Sample) {
    for width in WIDTHS {
        let negated = alu::negate(width, a);
        for x in members {
            let z = operations::alu(AluOp::Sub, width, 0, *x);
            assert!(negated.contains(z), "{width:?} -{x:#x}: {a:?} {negated:?}");
        }
        for from in [Size::B, Size::H, Size::W] {
            if width == Width::W32 && from == Size::W {
                continue;
            }
            let extended = alu::sign_extend(width, from, a);
            for x in members {
                let wide = operations::sign_extend(*x, from);
                let z = if width == Width::W32 { u64::from(wide as u32) } else { wide };
                assert!(extended.contains(z), "{width:?} {from:?} {x:#x}: {a:?} {extended:?}");
            }
        }
    }
    for bytes in [1, 2, 4, 8] {
        let mut narrow = *a;
        narrow.zero_extend(bytes);
        let mask = if bytes == 8 { u64::MAX } else { (1 << (8 * bytes)) - 1 };
        assert!(members.iter().all(|x| narrow.contains(x & mask)), "{bytes}: {a:?} {narrow:?}");
    }
}

#[test]
fn intervals_at_one_seam() {
    for seam in SEAMS {
        let all = intervals(seam, 4);
        for a in &all {
            check_single(a);
            for b in &all {
                check_pair(a, b);
            }
        }
    }
}

#[test]
fn intervals_at_two_seams() {
    for one in SEAMS {
        for other in SEAMS.into_iter().filter(|other| *other != one) {
            let (left, right) = (intervals(one, 2), intervals(other, 4));
            for a in &left {
                for b in &right {
                    check_pair(a, b);
                    check_pair(b, a);
                }
            }
        }
    }
}

#[test]
fn known_bits_in_every_place() {
    for at in [0, 14, 30, 60] {
        for background in [0, u64::MAX] {
            let all = known_bits(at, background);
            for a in &all {
                check_single(a);
                for b in &all {
                    check_pair(a, b);
                }
            }
        }
    }
}

#[test]
fn known_bits_against_intervals() {
    for at in [0, 30, 60] {
        for a in &known_bits(at, 0) {
            for seam in SEAMS {
                for b in &intervals(seam, 2) {
                    check_pair(a, b);
                    check_pair(b, a);
                }
            }
        }
    }
}

/// A set around some numbers that a test knows to be in it: unknown where `looseness` says so.
fn around(members: &[u64], looseness: u16) -> Scalar {
    let first = members[0];
    let mask = members.iter().fold(0, |mask, x| mask | (x ^ first));
    let mut scalar = Scalar::UNKNOWN;
    let loose = |bit: u16| looseness & (1 << bit) != 0;
    if !loose(0) {
        scalar.var = Tnum { value: first & !mask, mask };
    }
    let (mut u, mut s, mut u32s, mut s32s) = (members.to_vec(), Vec::new(), Vec::new(), Vec::new());
    s.extend(members.iter().map(|x| *x as i64));
    u32s.extend(members.iter().map(|x| *x as u32));
    s32s.extend(members.iter().map(|x| *x as i32));
    u.sort();
    s.sort();
    u32s.sort();
    s32s.sort();
    let last = members.len() - 1;
    if !loose(1) {
        (scalar.umin, scalar.umax) = (u[0], u[last]);
    }
    if !loose(2) {
        (scalar.smin, scalar.smax) = (s[0], s[last]);
    }
    if !loose(3) {
        (scalar.u32_min, scalar.u32_max) = (u32s[0], u32s[last]);
    }
    if !loose(4) {
        (scalar.s32_min, scalar.s32_max) = (s32s[0], s32s[last]);
    }
    scalar
}

/// Numbers as programs have them: small ones, ones next to a power of two, and any.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        -20i64..300,
        (0u32..64, -2i64..3).prop_map(|(bit, by)| (1i64 << bit).wrapping_add(by)),
        any::<i64>(),
    ]
    .prop_map(|x| x as u64)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn random_sets(
        a in proptest::collection::vec(number(), 1..5),
        b in proptest::collection::vec(number(), 1..5),
        looseness in any::<(u16, u16)>(),
    ) {
        let (a, b) = (sample(around(&a, looseness.0), a), sample(around(&b, looseness.1), b));
        check_single(&a);
        check_pair(&a, &b);
    }
}
