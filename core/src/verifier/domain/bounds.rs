//! What one reading of a value says of the others.
//!
//! The readings are deduced from each other a fixed number of times: more rounds would know more than the
//! kernel does, fewer less.

use super::scalar::Scalar;
use super::tnum::Tnum;
use crate::verifier::policy::DEDUCTION_ROUNDS;

impl Scalar {
    /// Brings all readings in line with each other.
    pub fn sync(&mut self) {
        self.bounds_from_bits();
        for _ in 0..DEDUCTION_ROUNDS {
            self.halves_from_whole();
            self.signs32();
            self.signs64();
            self.whole_from_halves();
        }
        self.bits_from_bounds();
        self.bounds_from_bits();
    }

    /// Known bits bound every interval: the sign bit decides the signed ones.
    pub(super) fn bounds_from_bits(&mut self) {
        let (low, var) = (self.var.low32(), self.var);
        let (value, mask) = (low.value as u32, low.mask as u32);
        self.s32_min = self.s32_min.max((value | (mask & i32::MIN as u32)) as i32);
        self.s32_max = self.s32_max.min((value | (mask & i32::MAX as u32)) as i32);
        self.u32_min = self.u32_min.max(value);
        self.u32_max = self.u32_max.min(value | mask);
        self.smin = self.smin.max((var.value | (var.mask & i64::MIN as u64)) as i64);
        self.smax = self.smax.min((var.value | (var.mask & i64::MAX as u64)) as i64);
        self.umin = self.umin.max(var.value);
        self.umax = self.umax.min(var.value | var.mask);
        self.single_member();
    }

    /// Where the known bits and the unsigned interval have one number in common, it is that number.
    fn single_member(&mut self) {
        let (var, min, max) = (self.var, self.umin, self.umax);
        if min == max && var.contains(min) {
            // Only the other readings may have to learn it.
            if !var.is_constant() {
                *self = Scalar::constant(min);
            }
            return;
        }
        let Some(first) = var.first_from(min) else { return };
        let next = first.checked_add(1).and_then(|after| var.first_from(after));
        let greatest_alone = first != min && first == var.max();
        if greatest_alone || (first <= max && next.is_none_or(|next| next > max)) {
            *self = Scalar::constant(first);
        }
    }

    /// The low halves of an interval whose high halves agree are an interval.
    fn halves_from_whole(&mut self) {
        if self.umin >> 32 == self.umax >> 32 {
            self.u32_min = self.u32_min.max(self.umin as u32);
            self.u32_max = self.u32_max.min(self.umax as u32);
            if self.umin as i32 <= self.umax as i32 {
                self.s32_min = self.s32_min.max(self.umin as i32);
                self.s32_max = self.s32_max.min(self.umax as i32);
            }
        }
        if self.smin >> 32 == self.smax >> 32 {
            if self.smin as u32 <= self.smax as u32 {
                self.u32_min = self.u32_min.max(self.smin as u32);
                self.u32_max = self.u32_max.min(self.smax as u32);
            }
            if self.smin as i32 <= self.smax as i32 {
                self.s32_min = self.s32_min.max(self.smin as i32);
                self.s32_max = self.s32_max.min(self.smax as i32);
            }
        }
        // High halves one apart, from a negative low half over zero to one that is not: read with the
        // sign, the low halves are an interval too.
        let next = ((self.umin >> 32) as u32).wrapping_add(1) == (self.umax >> 32) as u32;
        if next && (self.umin as i32) < 0 && (self.umax as i32) >= 0 {
            self.s32_min = self.s32_min.max(self.umin as i32);
            self.s32_max = self.s32_max.min(self.umax as i32);
        }
        let next = ((self.smin >> 32) as u32).wrapping_add(1) == (self.smax >> 32) as u32;
        if next && (self.smin as i32) < 0 && (self.smax as i32) >= 0 {
            self.s32_min = self.s32_min.max(self.smin as i32);
            self.s32_max = self.s32_max.min(self.smax as i32);
        }
    }

    /// An interval that does not cross the other reading's seam is one in that reading.
    fn signs32(&mut self) {
        if self.u32_min as i32 <= self.u32_max as i32 {
            self.s32_min = self.s32_min.max(self.u32_min as i32);
            self.s32_max = self.s32_max.min(self.u32_max as i32);
        }
        if self.s32_min as u32 <= self.s32_max as u32 {
            self.u32_min = self.u32_min.max(self.s32_min as u32);
            self.u32_max = self.u32_max.min(self.s32_max as u32);
        } else if self.u32_max < self.s32_min as u32 {
            self.s32_min = self.u32_min as i32;
            self.u32_max = self.u32_max.min(self.s32_max as u32);
        } else if (self.s32_max as u32) < self.u32_min {
            self.s32_max = self.u32_max as i32;
            self.u32_min = self.u32_min.max(self.s32_min as u32);
        }
    }

    /// As [`Scalar::signs32`], of 64 bits. Where each crosses the other's seam, the two may still meet on
    /// one side alone.
    fn signs64(&mut self) {
        if self.umin as i64 <= self.umax as i64 {
            self.smin = self.smin.max(self.umin as i64);
            self.smax = self.smax.min(self.umax as i64);
        }
        if self.smin as u64 <= self.smax as u64 {
            self.umin = self.umin.max(self.smin as u64);
            self.umax = self.umax.min(self.smax as u64);
        } else if self.umax < self.smin as u64 {
            self.smin = self.umin as i64;
            self.umax = self.umax.min(self.smax as u64);
        } else if (self.smax as u64) < self.umin {
            self.smax = self.umax as i64;
            self.umin = self.umin.max(self.smin as u64);
        }
    }

    /// An interval of the low half bounds the whole, within the first and the last high half.
    fn whole_from_halves(&mut self) {
        let high = !0xffff_ffffu64;
        self.umin = self.umin.max(self.umin & high | u64::from(self.u32_min));
        self.umax = self.umax.min(self.umax & high | u64::from(self.u32_max));
        self.smin = self.smin.max((self.smin as u64 & high | u64::from(self.u32_min)) as i64);
        self.smax = self.smax.min((self.smax as u64 & high | u64::from(self.u32_max)) as i64);
        // A value that is a 32-bit number with its sign has the low half's signed interval.
        let is_small = |x: i64| i32::try_from(x).is_ok();
        if self.s32_min >= 0 && is_small(self.smin) && is_small(self.smax) {
            let (min, max) = (self.s32_min as u64, self.s32_max as u64);
            (self.smin, self.smax) = (min as i64, max as i64);
            (self.umin, self.umax) = (min, max);
            self.var = self.var.intersect(Tnum::range(min, max));
        }
    }

    /// Intervals fix the bits above those in which their ends differ.
    fn bits_from_bounds(&mut self) {
        let whole = self.var.intersect(Tnum::range(self.umin, self.umax));
        let low = whole.low32().intersect(Tnum::range(self.u32_min.into(), self.u32_max.into()));
        self.var = whole.high32().or(low);
    }

    /// Whether the readings contradict each other: no number is in the set.
    pub fn is_contradictory(&self) -> bool {
        self.umin > self.umax
            || self.smin > self.smax
            || self.u32_min > self.u32_max
            || self.s32_min > self.s32_max
    }
}
