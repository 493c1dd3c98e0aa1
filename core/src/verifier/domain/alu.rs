//! Arithmetic on value sets.

use super::scalar::Scalar;
use super::tnum::Tnum;
use crate::isa::{AluOp, Size, Width};

/// The set of outcomes of `a op b`. [`AluOp::Mov`] is not an operation on sets.
pub fn apply(op: AluOp, width: Width, a: &Scalar, b: &Scalar) -> Scalar {
    let (mut dst, mut src) = (*a, *b);
    let bits = if width == Width::W64 { 64 } else { 32 };
    if width == Width::W32 {
        // A 32-bit operation sees the low halves alone, and leaves the intervals of the whole to
        // `low_half` at its end.
        src.var = src.var.low32();
    }
    let amount = match width {
        Width::W64 => src.as_constant(),
        Width::W32 => src.as_constant32().map(u64::from),
    };
    let amount = amount.filter(|by| *by < bits).map(|by| by as u32);
    match (op, amount) {
        (AluOp::Add, _) => {
            add32(&mut dst, &src);
            add64(&mut dst, &src);
            dst.var = dst.var.add(src.var);
        }
        (AluOp::Sub, _) => {
            sub32(&mut dst, &src);
            sub64(&mut dst, &src);
            dst.var = dst.var.sub(src.var);
        }
        (AluOp::Mul, _) => {
            dst.var = dst.var.mul(src.var);
            mul32(&mut dst, &src);
            mul64(&mut dst, &src);
        }
        (AluOp::And, _) => bitwise(&mut dst, &src, Bitwise::And),
        (AluOp::Or, _) => bitwise(&mut dst, &src, Bitwise::Or),
        (AluOp::Xor, _) => bitwise(&mut dst, &src, Bitwise::Xor),
        (AluOp::Lsh, Some(by)) => lsh(&mut dst, by, width),
        (AluOp::Rsh, Some(by)) => rsh(&mut dst, by, width),
        (AluOp::Arsh, Some(by)) => arsh(&mut dst, by, width),
        // A shift by an unknown amount, and every division.
        _ => return Scalar::UNKNOWN,
    }
    if width == Width::W32 {
        dst.low_half();
    } else {
        dst.sync();
    }
    dst
}

/// The set of `-x`.
pub fn negate(width: Width, x: &Scalar) -> Scalar {
    apply(AluOp::Sub, width, &Scalar::constant(0), x)
}

/// The low `size` bytes, in reverse order where `swap` says so.
pub fn byte_order(size: Size, swap: bool, x: &Scalar) -> Scalar {
    let mut result = Scalar::UNKNOWN;
    if swap {
        result.var = x.var.swap_bytes(size.bytes());
        result.sync();
        return result;
    }
    result = *x;
    result.zero_extend(size.bytes());
    result
}

/// The low `from` bytes with their sign, in 32 or 64 bits.
pub fn sign_extend(width: Width, from: Size, x: &Scalar) -> Scalar {
    match width {
        Width::W64 => sign_extend64(from, x),
        Width::W32 => {
            let mut narrow = sign_extend32(from, x);
            narrow.low_half();
            narrow
        }
    }
}

fn sign_extend64(from: Size, x: &Scalar) -> Scalar {
    let bits = from.bits();
    let extend = |v: u64| ((v << (64 - bits)) as i64) >> (64 - bits);
    if let Some(value) = x.as_constant() {
        return Scalar::constant(extend(value) as u64);
    }
    let keep = u64::MAX.checked_shr(bits).map_or(0, |rest| rest << (64 - (64 - bits)));
    let mut result = *x;
    if x.smin as u64 & keep == x.smax as u64 & keep {
        let (least, greatest) = (extend(x.smin as u64), extend(x.smax as u64));
        let (least, greatest) = (least.min(greatest), least.max(greatest));
        if (least >= 0) == (greatest >= 0) {
            (result.smin, result.smax) = (least, greatest);
            (result.umin, result.umax) = (least as u64, greatest as u64);
            (result.s32_min, result.s32_max) = (least as i32, greatest as i32);
            (result.u32_min, result.u32_max) = (least as u32, greatest as u32);
            result.var = Tnum::range(least as u64, greatest as u64);
            return result;
        }
    }
    // The whole range of the narrow type.
    let (least, greatest) = (i64::MIN >> (64 - bits), i64::MAX >> (64 - bits));
    result = Scalar::UNKNOWN;
    (result.smin, result.smax) = (least, greatest);
    if bits < 32 {
        (result.s32_min, result.s32_max) = (least as i32, greatest as i32);
    }
    result
}

fn sign_extend32(from: Size, x: &Scalar) -> Scalar {
    let bits = from.bits();
    let extend = |v: u32| ((v << (32 - bits)) as i32) >> (32 - bits);
    let mut result = Scalar::UNKNOWN;
    let keep = (u32::MAX >> bits) << bits;
    let (least, greatest) = if let Some(value) = x.as_constant32() {
        (extend(value), extend(value))
    } else if x.s32_min as u32 & keep == x.s32_max as u32 & keep {
        let (a, b) = (extend(x.s32_min as u32), extend(x.s32_max as u32));
        (a.min(b), a.max(b))
    } else {
        (1, 0)
    };
    if least <= greatest && (least >= 0) == (greatest >= 0) {
        (result.s32_min, result.s32_max) = (least, greatest);
        (result.u32_min, result.u32_max) = (least as u32, greatest as u32);
        result.var = Tnum::range(least as u32 as u64, greatest as u32 as u64);
        return result;
    }
    (result.s32_min, result.s32_max) = (i32::MIN >> (32 - bits), i32::MAX >> (32 - bits));
    result
}

/// Both ends wrap, or neither: the interval stays one.
fn add64(dst: &mut Scalar, src: &Scalar) {
    match (dst.smin.checked_add(src.smin), dst.smax.checked_add(src.smax)) {
        (Some(min), Some(max)) => (dst.smin, dst.smax) = (min, max),
        _ => (dst.smin, dst.smax) = (i64::MIN, i64::MAX),
    }
    let (min, min_wraps) = dst.umin.overflowing_add(src.umin);
    let (max, max_wraps) = dst.umax.overflowing_add(src.umax);
    (dst.umin, dst.umax) = if min_wraps == max_wraps { (min, max) } else { (0, u64::MAX) };
}

fn add32(dst: &mut Scalar, src: &Scalar) {
    match (dst.s32_min.checked_add(src.s32_min), dst.s32_max.checked_add(src.s32_max)) {
        (Some(min), Some(max)) => (dst.s32_min, dst.s32_max) = (min, max),
        _ => (dst.s32_min, dst.s32_max) = (i32::MIN, i32::MAX),
    }
    let (min, min_wraps) = dst.u32_min.overflowing_add(src.u32_min);
    let (max, max_wraps) = dst.u32_max.overflowing_add(src.u32_max);
    (dst.u32_min, dst.u32_max) = if min_wraps == max_wraps { (min, max) } else { (0, u32::MAX) };
}

fn sub64(dst: &mut Scalar, src: &Scalar) {
    match (dst.smin.checked_sub(src.smax), dst.smax.checked_sub(src.smin)) {
        (Some(min), Some(max)) => (dst.smin, dst.smax) = (min, max),
        _ => (dst.smin, dst.smax) = (i64::MIN, i64::MAX),
    }
    let (min, min_wraps) = dst.umin.overflowing_sub(src.umax);
    let (max, max_wraps) = dst.umax.overflowing_sub(src.umin);
    (dst.umin, dst.umax) = if min_wraps == max_wraps { (min, max) } else { (0, u64::MAX) };
}

fn sub32(dst: &mut Scalar, src: &Scalar) {
    match (dst.s32_min.checked_sub(src.s32_max), dst.s32_max.checked_sub(src.s32_min)) {
        (Some(min), Some(max)) => (dst.s32_min, dst.s32_max) = (min, max),
        _ => (dst.s32_min, dst.s32_max) = (i32::MIN, i32::MAX),
    }
    let (min, min_wraps) = dst.u32_min.overflowing_sub(src.u32_max);
    let (max, max_wraps) = dst.u32_max.overflowing_sub(src.u32_min);
    (dst.u32_min, dst.u32_max) = if min_wraps == max_wraps { (min, max) } else { (0, u32::MAX) };
}

fn mul64(dst: &mut Scalar, src: &Scalar) {
    match (dst.umin.checked_mul(src.umin), dst.umax.checked_mul(src.umax)) {
        (Some(min), Some(max)) => (dst.umin, dst.umax) = (min, max),
        _ => (dst.umin, dst.umax) = (0, u64::MAX),
    }
    let corners = [(dst.smin, src.smin), (dst.smin, src.smax), (dst.smax, src.smin), (dst.smax, src.smax)];
    let (mut min, mut max) = (i64::MAX, i64::MIN);
    for (a, b) in corners {
        let Some(product) = a.checked_mul(b) else {
            (dst.smin, dst.smax) = (i64::MIN, i64::MAX);
            return;
        };
        (min, max) = (min.min(product), max.max(product));
    }
    (dst.smin, dst.smax) = (min, max);
}

fn mul32(dst: &mut Scalar, src: &Scalar) {
    match (dst.u32_min.checked_mul(src.u32_min), dst.u32_max.checked_mul(src.u32_max)) {
        (Some(min), Some(max)) => (dst.u32_min, dst.u32_max) = (min, max),
        _ => (dst.u32_min, dst.u32_max) = (0, u32::MAX),
    }
    let corners = [
        (dst.s32_min, src.s32_min),
        (dst.s32_min, src.s32_max),
        (dst.s32_max, src.s32_min),
        (dst.s32_max, src.s32_max),
    ];
    let (mut min, mut max) = (i32::MAX, i32::MIN);
    for (a, b) in corners {
        let Some(product) = a.checked_mul(b) else {
            (dst.s32_min, dst.s32_max) = (i32::MIN, i32::MAX);
            return;
        };
        (min, max) = (min.min(product), max.max(product));
    }
    (dst.s32_min, dst.s32_max) = (min, max);
}

enum Bitwise {
    And,
    Or,
    Xor,
}

/// The known bits give the interval's one end, for `and` the smaller operand the other.
fn bitwise(dst: &mut Scalar, src: &Scalar, op: Bitwise) {
    let var = match op {
        Bitwise::And => dst.var.and(src.var),
        Bitwise::Or => dst.var.or(src.var),
        Bitwise::Xor => dst.var.xor(src.var),
    };
    let low = var.low32();
    let (low_min, low_max) = (low.value as u32, low.max() as u32);
    (dst.u32_min, dst.u32_max) = match op {
        Bitwise::And => (low_min, dst.u32_max.min(src.u32_max)),
        Bitwise::Or => (dst.u32_min.max(src.u32_min), low_max),
        Bitwise::Xor => (low_min, low_max),
    };
    (dst.s32_min, dst.s32_max) = match dst.u32_min as i32 <= dst.u32_max as i32 {
        true => (dst.u32_min as i32, dst.u32_max as i32),
        false => (i32::MIN, i32::MAX),
    };
    (dst.umin, dst.umax) = match op {
        Bitwise::And => (var.value, dst.umax.min(src.umax)),
        Bitwise::Or => (dst.umin.max(src.umin), var.max()),
        Bitwise::Xor => (var.value, var.max()),
    };
    (dst.smin, dst.smax) = match dst.umin as i64 <= dst.umax as i64 {
        true => (dst.umin as i64, dst.umax as i64),
        false => (i64::MIN, i64::MAX),
    };
    dst.var = var;
}

fn lsh(dst: &mut Scalar, by: u32, width: Width) {
    if width == Width::W64 {
        // Sign extension is written as two shifts by 32: the first one keeps the low half's interval.
        if by == 32 {
            (dst.smin, dst.smax) = (i64::from(dst.s32_min) << 32, i64::from(dst.s32_max) << 32);
        } else {
            (dst.smin, dst.smax) = (i64::MIN, i64::MAX);
        }
        if dst.umax > 1 << (63 - by) {
            (dst.umin, dst.umax) = (0, u64::MAX);
        } else {
            (dst.umin, dst.umax) = (dst.umin << by, dst.umax << by);
        }
    }
    lsh32(dst, by);
    let var = if width == Width::W32 { dst.var.low32() } else { dst.var };
    dst.var = var.lsh(by);
    if width == Width::W64 {
        dst.bounds_from_bits();
    } else {
        dst.var = dst.var.low32();
    }
}

fn lsh32(dst: &mut Scalar, by: u32) {
    (dst.s32_min, dst.s32_max) = (i32::MIN, i32::MAX);
    if by > 31 || dst.u32_max > 1 << (31 - by) {
        (dst.u32_min, dst.u32_max) = (0, u32::MAX);
    } else {
        (dst.u32_min, dst.u32_max) = (dst.u32_min << by, dst.u32_max << by);
    }
}

fn rsh(dst: &mut Scalar, by: u32, width: Width) {
    match width {
        Width::W64 => {
            (dst.smin, dst.smax) = (i64::MIN, i64::MAX);
            dst.var = dst.var.rsh(by);
            (dst.umin, dst.umax) = (dst.umin >> by, dst.umax >> by);
            dst.forget32();
            dst.bounds_from_bits();
        }
        Width::W32 => {
            (dst.s32_min, dst.s32_max) = (i32::MIN, i32::MAX);
            dst.var = dst.var.low32().rsh(by);
            (dst.u32_min, dst.u32_max) = (dst.u32_min >> by, dst.u32_max >> by);
            dst.forget64();
        }
    }
}

fn arsh(dst: &mut Scalar, by: u32, width: Width) {
    match width {
        Width::W64 => {
            (dst.smin, dst.smax) = (dst.smin >> by, dst.smax >> by);
            dst.var = dst.var.arsh(by, 64);
            (dst.umin, dst.umax) = (0, u64::MAX);
            dst.forget32();
            dst.bounds_from_bits();
        }
        Width::W32 => {
            (dst.s32_min, dst.s32_max) = (dst.s32_min >> by, dst.s32_max >> by);
            dst.var = dst.var.low32().arsh(by, 32);
            (dst.u32_min, dst.u32_max) = (0, u32::MAX);
            dst.forget64();
        }
    }
}
