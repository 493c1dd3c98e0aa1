//! What a comparison says of the values compared.

use super::scalar::Scalar;
use super::tnum::Tnum;
use crate::isa::{JumpOp, Width};

/// Whether `a op b` holds for every pair of values (`Some(true)`), for none (`Some(false)`), or for some.
pub fn decide(op: JumpOp, width: Width, a: &Scalar, b: &Scalar) -> Option<bool> {
    let wide = width == Width::W64;
    let (ta, tb) = if wide { (a.var, b.var) } else { (a.var.low32(), b.var.low32()) };
    let (umin_a, umax_a, umin_b, umax_b) = if wide {
        (a.umin, a.umax, b.umin, b.umax)
    } else {
        (a.u32_min.into(), a.u32_max.into(), b.u32_min.into(), b.u32_max.into())
    };
    let (smin_a, smax_a, smin_b, smax_b) = if wide {
        (a.smin, a.smax, b.smin, b.smax)
    } else {
        (a.s32_min.into(), a.s32_max.into(), b.s32_min.into(), b.s32_max.into())
    };
    let differ = || {
        let apart = |a: &Scalar, b: &Scalar| {
            a.u32_min > b.u32_max || a.u32_max < b.u32_min || a.s32_min > b.s32_max || a.s32_max < b.s32_min
        };
        !ta.overlaps(tb)
            || umin_a > umax_b
            || umax_a < umin_b
            || smin_a > smax_b
            || smax_a < smin_b
            || (wide && apart(a, b))
    };
    let order = |always: bool, never: bool| {
        if always {
            Some(true)
        } else if never {
            Some(false)
        } else {
            None
        }
    };
    match op {
        JumpOp::Eq | JumpOp::Ne => {
            let equal = if ta.is_constant() && tb.is_constant() {
                Some(ta.value == tb.value)
            } else if differ() {
                Some(false)
            } else {
                None
            };
            equal.map(|equal| equal == (op == JumpOp::Eq))
        }
        JumpOp::Set => {
            let (t, constant) = if tb.is_constant() { (ta, tb) } else { (tb, ta) };
            if !constant.is_constant() {
                return None;
            }
            order(t.value & constant.value != 0, t.max() & constant.value == 0)
        }
        JumpOp::Gt => order(umin_a > umax_b, umax_a <= umin_b),
        JumpOp::Ge => order(umin_a >= umax_b, umax_a < umin_b),
        JumpOp::Lt => order(umax_a < umin_b, umin_a >= umax_b),
        JumpOp::Le => order(umax_a <= umin_b, umin_a > umax_b),
        JumpOp::Sgt => order(smin_a > smax_b, smax_a <= smin_b),
        JumpOp::Sge => order(smin_a >= smax_b, smax_a < smin_b),
        JumpOp::Slt => order(smax_a < smin_b, smin_a >= smax_b),
        JumpOp::Sle => order(smax_a <= smin_b, smin_a > smax_b),
    }
}

/// Narrows both values to the pairs for which `a op b` is `holds`.
pub fn refine(op: JumpOp, width: Width, holds: bool, a: &mut Scalar, b: &mut Scalar) {
    narrow(op, width, holds, a, b);
    a.sync();
    b.sync();
}

/// The same of a value compared with itself: what it learns as either operand.
pub fn refine_same(op: JumpOp, width: Width, holds: bool, a: &mut Scalar) {
    let mut b = *a;
    narrow(op, width, holds, a, &mut b);
    (a.umin, a.umax) = (a.umin.max(b.umin), a.umax.min(b.umax));
    (a.smin, a.smax) = (a.smin.max(b.smin), a.smax.min(b.smax));
    (a.u32_min, a.u32_max) = (a.u32_min.max(b.u32_min), a.u32_max.min(b.u32_max));
    (a.s32_min, a.s32_max) = (a.s32_min.max(b.s32_min), a.s32_max.min(b.s32_max));
    a.sync();
    a.sync();
}

fn narrow(op: JumpOp, width: Width, holds: bool, a: &mut Scalar, b: &mut Scalar) {
    match (op, holds) {
        (JumpOp::Eq, true) | (JumpOp::Ne, false) => equal(width, a, b),
        (JumpOp::Eq, false) | (JumpOp::Ne, true) => not_equal(width, a, b),
        (JumpOp::Set, _) => set(width, holds, a, b),
        (JumpOp::Le, true) | (JumpOp::Gt, false) => at_most(width, a, b),
        (JumpOp::Lt, true) | (JumpOp::Ge, false) => less(width, a, b),
        (JumpOp::Ge, true) | (JumpOp::Lt, false) => at_most(width, b, a),
        (JumpOp::Gt, true) | (JumpOp::Le, false) => less(width, b, a),
        (JumpOp::Sle, true) | (JumpOp::Sgt, false) => signed_at_most(width, a, b),
        (JumpOp::Slt, true) | (JumpOp::Sge, false) => signed_less(width, a, b),
        (JumpOp::Sge, true) | (JumpOp::Slt, false) => signed_at_most(width, b, a),
        (JumpOp::Sgt, true) | (JumpOp::Sle, false) => signed_less(width, b, a),
    }
}

fn equal(width: Width, a: &mut Scalar, b: &mut Scalar) {
    let (min, max) = (a.u32_min.max(b.u32_min), a.u32_max.min(b.u32_max));
    let (smin, smax) = (a.s32_min.max(b.s32_min), a.s32_max.min(b.s32_max));
    if width == Width::W32 {
        let low = a.var.low32().intersect(b.var.low32());
        for x in [a, b] {
            (x.u32_min, x.u32_max, x.s32_min, x.s32_max) = (min, max, smin, smax);
            x.var = x.var.with_low32(low);
        }
        return;
    }
    a.umin = a.umin.max(b.umin);
    a.umax = a.umax.min(b.umax);
    a.smin = a.smin.max(b.smin);
    a.smax = a.smax.min(b.smax);
    (a.u32_min, a.u32_max, a.s32_min, a.s32_max) = (min, max, smin, smax);
    a.var = a.var.intersect(b.var);
    *b = *a;
}

/// A constant that is an end of the other's interval is taken off it.
fn not_equal(width: Width, a: &mut Scalar, b: &mut Scalar) {
    let constant = |x: &Scalar| match width {
        Width::W64 => x.as_constant(),
        Width::W32 => x.as_constant32().map(u64::from),
    };
    let (x, value) = match (constant(a), constant(b)) {
        (Some(value), _) => (b, value),
        (None, Some(value)) => (a, value),
        (None, None) => return,
    };
    if width == Width::W32 {
        let value = value as u32;
        if x.u32_min == value {
            x.u32_min = x.u32_min.wrapping_add(1);
        }
        if x.u32_max == value {
            x.u32_max = x.u32_max.wrapping_sub(1);
        }
        if x.s32_min == value as i32 {
            x.s32_min = x.s32_min.wrapping_add(1);
        }
        if x.s32_max == value as i32 {
            x.s32_max = x.s32_max.wrapping_sub(1);
        }
    } else {
        if x.umin == value {
            x.umin = x.umin.wrapping_add(1);
        }
        if x.umax == value {
            x.umax = x.umax.wrapping_sub(1);
        }
        if x.smin == value as i64 {
            x.smin = x.smin.wrapping_add(1);
        }
        if x.smax == value as i64 {
            x.smax = x.smax.wrapping_sub(1);
        }
    }
}

/// A single tested bit is known either way; of several, all are 0 where the test fails.
fn set(width: Width, holds: bool, a: &mut Scalar, b: &mut Scalar) {
    let constant = |x: &Scalar| match width {
        Width::W64 => x.as_constant(),
        Width::W32 => x.as_constant32().map(u64::from),
    };
    let (x, value) = match (constant(b), constant(a)) {
        (Some(value), _) => (a, value),
        (None, Some(value)) => (b, value),
        (None, None) => return,
    };
    if holds && !value.is_power_of_two() {
        return;
    }
    let part = if width == Width::W32 { x.var.low32() } else { x.var };
    let part = if holds { part.or(Tnum::constant(value)) } else { part.and(Tnum::constant(!value)) };
    let var = if width == Width::W32 { x.var.with_low32(part) } else { part };
    // Where the test fails, the intervals are found anew from the bits.
    *x = if holds { Scalar { var, ..*x } } else { Scalar { var, ..Scalar::UNKNOWN } };
}

fn at_most(width: Width, a: &mut Scalar, b: &mut Scalar) {
    if width == Width::W32 {
        a.u32_max = a.u32_max.min(b.u32_max);
        b.u32_min = b.u32_min.max(a.u32_min);
    } else {
        a.umax = a.umax.min(b.umax);
        b.umin = b.umin.max(a.umin);
    }
}

fn less(width: Width, a: &mut Scalar, b: &mut Scalar) {
    if width == Width::W32 {
        a.u32_max = a.u32_max.min(b.u32_max.wrapping_sub(1));
        b.u32_min = b.u32_min.max(a.u32_min.wrapping_add(1));
    } else {
        a.umax = a.umax.min(b.umax.wrapping_sub(1));
        b.umin = b.umin.max(a.umin.wrapping_add(1));
    }
}

fn signed_at_most(width: Width, a: &mut Scalar, b: &mut Scalar) {
    if width == Width::W32 {
        a.s32_max = a.s32_max.min(b.s32_max);
        b.s32_min = b.s32_min.max(a.s32_min);
    } else {
        a.smax = a.smax.min(b.smax);
        b.smin = b.smin.max(a.smin);
    }
}

fn signed_less(width: Width, a: &mut Scalar, b: &mut Scalar) {
    if width == Width::W32 {
        a.s32_max = a.s32_max.min(b.s32_max.wrapping_sub(1));
        b.s32_min = b.s32_min.max(a.s32_min.wrapping_add(1));
    } else {
        a.smax = a.smax.min(b.smax.wrapping_sub(1));
        b.smin = b.smin.max(a.smin.wrapping_add(1));
    }
}
