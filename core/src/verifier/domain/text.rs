//! A value set in the kernel log's notation.

use core::fmt::{self, Write};

use super::scalar::Scalar;
use super::tnum::Tnum;

/// The log writes numbers of up to 16 bits in decimal, others in hexadecimal.
fn is_short(value: i64) -> bool {
    i16::try_from(value).is_ok()
}

/// Writes a constant: `5`, `-1`, `0x10000`.
pub fn write_signed(value: i64, out: &mut impl Write) -> fmt::Result {
    if is_short(value) { write!(out, "{value}") } else { write!(out, "{value:#x}") }
}

/// Writes an unsigned number: `65535`, `0x10000`.
pub fn write_unsigned(value: u64, out: &mut impl Write) -> fmt::Result {
    if value <= u16::MAX.into() { write!(out, "{value}") } else { write!(out, "{value:#x}") }
}

/// Writes known bits: `(0x0; 0xff)`.
pub fn write_tnum(t: Tnum, out: &mut impl Write) -> fmt::Result {
    write!(out, "({:#x}; {:#x})", t.value, t.mask)
}

/// Writes what is known, a `,` between two parts and, where `after` is set, before the first: intervals
/// that say something, ends that are the same number together, then the known bits.
pub fn write_bounds(s: &Scalar, after: bool, out: &mut impl Write) -> fmt::Result {
    // A 32-bit end is shown as the 64-bit number that it is written as.
    let narrow = |v: i32| if is_short(v.into()) { v as i64 as u64 } else { u64::from(v as u32) };
    let ends: [(&str, u64, bool, bool); 8] = [
        ("smin", s.smin as u64, s.smin == i64::MIN, true),
        ("smax", s.smax as u64, s.smax == i64::MAX, true),
        ("umin", s.umin, s.umin == 0, false),
        ("umax", s.umax, s.umax == u64::MAX, false),
        ("smin32", narrow(s.s32_min), s.s32_min == i32::MIN, true),
        ("smax32", narrow(s.s32_max), s.s32_max == i32::MAX, true),
        ("umin32", s.u32_min.into(), s.u32_min == 0, false),
        ("umax32", s.u32_max.into(), s.u32_max == u32::MAX, false),
    ];
    let negative = |end: &(&str, u64, bool, bool)| end.3 && (end.1 as i64) < 0;
    let mut written = [false; 8];
    let mut separate = after;
    for (at, end) in ends.iter().enumerate() {
        if end.2 || written[at] {
            continue;
        }
        if separate {
            out.write_char(',')?;
        }
        separate = true;
        write!(out, "{}=", end.0)?;
        for (other_at, other) in ends.iter().enumerate().skip(at + 2).step_by(2) {
            if other.2 || written[other_at] || other.1 != end.1 || negative(other) != negative(end) {
                continue;
            }
            written[other_at] = true;
            write!(out, "{}=", other.0)?;
        }
        // The first name's sign decides how short the number is.
        if end.3 { write_signed(end.1 as i64, out)? } else { write_unsigned(end.1, out)? }
    }
    if !s.var.is_unknown() {
        if separate {
            out.write_char(',')?;
        }
        out.write_str("var_off=")?;
        write_tnum(s.var, out)?;
    }
    Ok(())
}

/// Whether [`write_bounds`] would write anything.
pub fn has_bounds(s: &Scalar) -> bool {
    !s.is_unknown()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::{AluOp, Size, Width};
    use crate::verifier::domain::alu;
    use std::string::String;

    fn bounds(s: &Scalar) -> String {
        let mut out = String::new();
        write_bounds(s, false, &mut out).unwrap();
        out
    }

    /// Left as the running kernel printed them.
    #[test]
    fn notation() {
        let byte = alu::sign_extend(Width::W64, Size::B, &Scalar::UNKNOWN);
        assert_eq!(bounds(&byte), "smin=smin32=-128,smax=smax32=127");
        let word = alu::sign_extend(Width::W64, Size::W, &Scalar::UNKNOWN);
        assert_eq!(bounds(&word), "smin=0xffffffff80000000,smax=0x7fffffff");
        let shifted = alu::apply(AluOp::Lsh, Width::W64, &Scalar::UNKNOWN, &Scalar::constant(3));
        assert_eq!(
            bounds(&shifted),
            "smax=0x7ffffffffffffff8,umax=0xfffffffffffffff8,smax32=0x7ffffff8,umax32=0xfffffff8,\
             var_off=(0x0; 0xfffffffffffffff8)"
        );
        let masked = alu::apply(AluOp::And, Width::W64, &shifted, &Scalar::constant(0x1ff0));
        assert_eq!(bounds(&masked), "smin=smin32=0,smax=umax=smax32=umax32=8176,var_off=(0x0; 0x1ff0)");
        let lowered = alu::apply(AluOp::Add, Width::W64, &masked, &Scalar::constant(-70000i64 as u64));
        assert_eq!(
            bounds(&lowered),
            "smin=0xfffffffffffeee90,smax=0xffffffffffff0e80,umin=0xfffffffffffeee90,\
             umax=0xffffffffffff0e80,smin32=umin32=0xfffeee90,smax32=umax32=0xffff0e80,\
             var_off=(0xfffffffffffe0000; 0x1fff0)"
        );
        assert_eq!(bounds(&Scalar::of_size(4)), "smin=0,smax=umax=0xffffffff,var_off=(0x0; 0xffffffff)");
    }
}
