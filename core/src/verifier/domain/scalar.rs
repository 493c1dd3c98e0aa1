//! The value set of a register.

use super::tnum::Tnum;

/// A set of numbers: see [the definition](super).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Scalar {
    /// Known bits.
    pub var: Tnum,
    /// Least, signed.
    pub smin: i64,
    /// Greatest, signed.
    pub smax: i64,
    /// Least, unsigned.
    pub umin: u64,
    /// Greatest, unsigned.
    pub umax: u64,
    /// Least of the low 32 bits, signed.
    pub s32_min: i32,
    /// Greatest of the low 32 bits, signed.
    pub s32_max: i32,
    /// Least of the low 32 bits, unsigned.
    pub u32_min: u32,
    /// Greatest of the low 32 bits, unsigned.
    pub u32_max: u32,
}

impl Scalar {
    /// Every number.
    pub const UNKNOWN: Scalar = Scalar {
        var: Tnum::UNKNOWN,
        smin: i64::MIN,
        smax: i64::MAX,
        umin: 0,
        umax: u64::MAX,
        s32_min: i32::MIN,
        s32_max: i32::MAX,
        u32_min: 0,
        u32_max: u32::MAX,
    };

    /// One number.
    pub const fn constant(value: u64) -> Scalar {
        Scalar {
            var: Tnum::constant(value),
            smin: value as i64,
            smax: value as i64,
            umin: value,
            umax: value,
            s32_min: value as i32,
            s32_max: value as i32,
            u32_min: value as u32,
            u32_max: value as u32,
        }
    }

    /// The number, where it is one by its known bits.
    pub const fn as_constant(&self) -> Option<u64> {
        if self.var.is_constant() { Some(self.var.value) } else { None }
    }

    /// The low 32 bits, where they are one number.
    pub const fn as_constant32(&self) -> Option<u32> {
        if self.var.low32().is_constant() { Some(self.var.value as u32) } else { None }
    }

    /// Whether nothing is known.
    pub fn is_unknown(&self) -> bool {
        *self == Scalar::UNKNOWN
    }

    /// Whether `x` is in it.
    pub fn contains(&self, x: u64) -> bool {
        self.var.contains(x)
            && (self.umin..=self.umax).contains(&x)
            && (self.smin..=self.smax).contains(&(x as i64))
            && (self.u32_min..=self.u32_max).contains(&(x as u32))
            && (self.s32_min..=self.s32_max).contains(&(x as i32))
    }

    /// Whether each interval of `inner` lies in this one's, and its known bits too.
    pub fn covers(&self, inner: &Scalar) -> bool {
        self.umin <= inner.umin
            && self.umax >= inner.umax
            && self.smin <= inner.smin
            && self.smax >= inner.smax
            && self.u32_min <= inner.u32_min
            && self.u32_max >= inner.u32_max
            && self.s32_min <= inner.s32_min
            && self.s32_max >= inner.s32_max
            && self.var.covers(inner.var)
    }

    /// A loaded value of `bytes` bytes, zero-extended, of which nothing else is known.
    pub fn of_size(bytes: u32) -> Scalar {
        let mut scalar = Scalar::UNKNOWN;
        scalar.zero_extend(bytes);
        scalar
    }

    /// Nothing is known of the low 32 bits' intervals.
    pub(in crate::verifier) fn forget32(&mut self) {
        (self.u32_min, self.u32_max) = (0, u32::MAX);
        (self.s32_min, self.s32_max) = (i32::MIN, i32::MAX);
    }

    /// Nothing is known of the 64 bits' intervals.
    pub(super) fn forget64(&mut self) {
        (self.umin, self.umax) = (0, u64::MAX);
        (self.smin, self.smax) = (i64::MIN, i64::MAX);
    }

    /// The low `bytes` bytes (1, 2, 4 or 8), zero-extended.
    pub fn zero_extend(&mut self, bytes: u32) {
        if bytes >= 8 {
            return;
        }
        self.var = self.var.truncate(bytes);
        let mask = (1u64 << (bytes * 8)) - 1;
        if self.umin & !mask == self.umax & !mask {
            self.umin &= mask;
            self.umax &= mask;
        } else {
            (self.umin, self.umax) = (0, mask);
        }
        (self.smin, self.smax) = (self.umin as i64, self.umax as i64);
        if bytes < 4 {
            self.forget32();
        }
        self.sync();
    }

    /// The low 32 bits, zero-extended, as a 32-bit operation leaves them: the 64-bit intervals come from
    /// the 32-bit ones.
    pub fn low_half(&mut self) {
        self.var = self.var.low32();
        (self.umin, self.umax) = (self.u32_min.into(), self.u32_max.into());
        if self.s32_min >= 0 {
            (self.smin, self.smax) = (self.s32_min.into(), self.s32_max.into());
        } else {
            (self.smin, self.smax) = (0, u32::MAX.into());
        }
        self.sync();
    }
}
