//! Tristate numbers: sets of numbers given by their known bits.

/// The numbers `x` with `x & !mask == value`; `value & mask` is always 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Tnum {
    /// The known bits that are 1.
    pub value: u64,
    /// The unknown bits.
    pub mask: u64,
}

impl Tnum {
    /// Every number.
    pub const UNKNOWN: Tnum = Tnum { value: 0, mask: u64::MAX };

    /// One number.
    pub const fn constant(value: u64) -> Tnum {
        Tnum { value, mask: 0 }
    }

    /// Known bits with the invariant restored: what is unknown has no value.
    const fn from_parts(value: u64, mask: u64) -> Tnum {
        Tnum { value: value & !mask, mask }
    }

    /// The smallest tnum that has every number from `min` to `max`: the bits above the highest one in
    /// which the two differ.
    pub const fn range(min: u64, max: u64) -> Tnum {
        let differing = 64 - (min ^ max).leading_zeros();
        let mask = low_bits(differing);
        Tnum::from_parts(min, mask)
    }

    /// Whether it is one number.
    pub const fn is_constant(self) -> bool {
        self.mask == 0
    }
    /// Whether it is every number.
    pub const fn is_unknown(self) -> bool {
        self.mask == u64::MAX
    }
    /// Whether `x` is in it.
    pub const fn contains(self, x: u64) -> bool {
        x & !self.mask == self.value
    }
    /// Whether each number of `inner` is in it.
    pub const fn covers(self, inner: Tnum) -> bool {
        inner.mask & !self.mask == 0 && inner.value & !self.mask == self.value
    }
    /// Whether some number is in both.
    pub const fn overlaps(self, other: Tnum) -> bool {
        let known = !self.mask & !other.mask;
        (self.value ^ other.value) & known == 0
    }
    /// Least unsigned number.
    pub const fn min(self) -> u64 {
        self.value
    }
    /// Greatest unsigned number.
    pub const fn max(self) -> u64 {
        self.value | self.mask
    }
    /// Whether every number is a multiple of `size`, a power of two.
    pub const fn is_aligned(self, size: u64) -> bool {
        size == 0 || (self.value | self.mask) & (size - 1) == 0
    }

    /// What both know. Where they contradict each other, the bits that either has.
    pub const fn intersect(self, other: Tnum) -> Tnum {
        Tnum::from_parts(self.value | other.value, self.mask & other.mask)
    }
    /// What either may be.
    pub const fn union(self, other: Tnum) -> Tnum {
        let mask = self.mask | other.mask | (self.value ^ other.value);
        Tnum::from_parts(self.value & other.value, mask)
    }

    /// Sums. A bit of the sum is known where both bits are and the carry into it is: the carries of the
    /// least and of the greatest sum agree there.
    pub const fn add(self, other: Tnum) -> Tnum {
        let least = self.value.wrapping_add(other.value);
        let greatest = least.wrapping_add(self.mask.wrapping_add(other.mask));
        Tnum::from_parts(least, (greatest ^ least) | self.mask | other.mask)
    }
    /// Differences: as for sums, of the borrows.
    pub const fn sub(self, other: Tnum) -> Tnum {
        let difference = self.value.wrapping_sub(other.value);
        let greatest = difference.wrapping_add(self.mask);
        let least = difference.wrapping_sub(other.mask);
        Tnum::from_parts(difference, (greatest ^ least) | self.mask | other.mask)
    }
    /// Conjunctions.
    pub const fn and(self, other: Tnum) -> Tnum {
        let may = (self.value | self.mask) & (other.value | other.mask);
        let must = self.value & other.value;
        Tnum { value: must, mask: may & !must }
    }
    /// Disjunctions.
    pub const fn or(self, other: Tnum) -> Tnum {
        let must = self.value | other.value;
        Tnum { value: must, mask: (self.mask | other.mask) & !must }
    }
    /// Exclusive disjunctions.
    pub const fn xor(self, other: Tnum) -> Tnum {
        Tnum::from_parts(self.value ^ other.value, self.mask | other.mask)
    }
    /// Products: long multiplication, where an unknown bit of the multiplier either adds the shifted
    /// multiplicand or does not.
    pub const fn mul(self, other: Tnum) -> Tnum {
        let (mut multiplier, mut shifted) = (self, other);
        let mut sum = Tnum::constant(0);
        while multiplier.value != 0 || multiplier.mask != 0 {
            if multiplier.value & 1 == 1 {
                sum = sum.add(shifted);
            } else if multiplier.mask & 1 == 1 {
                sum = sum.union(sum.add(shifted));
            }
            multiplier = multiplier.rsh(1);
            shifted = shifted.lsh(1);
        }
        sum
    }
    /// The least number of the set that is not below `x`.
    pub const fn first_from(self, x: u64) -> Option<u64> {
        let different = (x ^ self.value) & !self.mask;
        if different == 0 {
            return Some(x);
        }
        let highest = 1u64 << (63 - different.leading_zeros());
        let below = highest | (highest - 1);
        if self.value & highest != 0 {
            // Everything above agrees, and this bit makes it greater already.
            return Some(x & !below | self.value & below);
        }
        // A free bit above has to go from 0 to 1.
        let free = self.mask & !x & !below;
        if free == 0 {
            return None;
        }
        let bit = free & free.wrapping_neg();
        let up_to = bit | (bit - 1);
        Some(x & !up_to | bit | self.value & up_to)
    }

    /// The low `bytes` bytes in reverse order.
    pub const fn swap_bytes(self, bytes: u32) -> Tnum {
        let low = self.truncate(bytes);
        let by = 64 - bytes * 8;
        Tnum { value: low.value.swap_bytes() >> by, mask: low.mask.swap_bytes() >> by }
    }

    /// Shifted left, by less than 64.
    pub const fn lsh(self, by: u32) -> Tnum {
        Tnum { value: self.value << by, mask: self.mask << by }
    }
    /// Shifted right, by less than 64.
    pub const fn rsh(self, by: u32) -> Tnum {
        Tnum { value: self.value >> by, mask: self.mask >> by }
    }
    /// Shifted right with the sign, of the low `bits` (32 or 64).
    pub const fn arsh(self, by: u32, bits: u32) -> Tnum {
        if bits == 32 {
            let value = ((self.value as i32) >> by) as u32;
            let mask = ((self.mask as i32) >> by) as u32;
            return Tnum::from_parts(value as u64, mask as u64);
        }
        Tnum::from_parts((self.value as i64 >> by) as u64, (self.mask as i64 >> by) as u64)
    }
    /// The low `bytes` bytes; the rest is 0.
    pub const fn truncate(self, bytes: u32) -> Tnum {
        let keep = low_bits(bytes * 8);
        Tnum { value: self.value & keep, mask: self.mask & keep }
    }
    /// The low 32 bits.
    pub const fn low32(self) -> Tnum {
        self.truncate(4)
    }
    /// The high 32 bits, the low ones 0.
    pub const fn high32(self) -> Tnum {
        let keep = !low_bits(32);
        Tnum { value: self.value & keep, mask: self.mask & keep }
    }
    /// With its low 32 bits replaced.
    pub const fn with_low32(self, low: Tnum) -> Tnum {
        self.high32().or(low.low32())
    }
}

/// The lowest `count` bits, 0 to 64.
const fn low_bits(count: u32) -> u64 {
    match count {
        0 => 0,
        count => u64::MAX >> (64 - count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const BITS: u32 = 4;

    /// Every tnum of four bits, and its members.
    fn all() -> Vec<(Tnum, Vec<u64>)> {
        let pairs = (0..16u64).flat_map(|mask| (0..16u64).map(move |value| (value, mask)));
        pairs
            .filter(|(value, mask)| value & mask == 0)
            .map(|(value, mask)| {
                let t = Tnum { value, mask };
                (t, (0..16).filter(|x| t.contains(*x)).collect())
            })
            .collect()
    }

    #[test]
    fn every_outcome_is_contained() {
        type Row = (&'static str, fn(Tnum, Tnum) -> Tnum, fn(u64, u64) -> u64);
        let rows: &[Row] = &[
            ("add", Tnum::add, u64::wrapping_add),
            ("sub", Tnum::sub, u64::wrapping_sub),
            ("and", Tnum::and, |a, b| a & b),
            ("or", Tnum::or, |a, b| a | b),
            ("xor", Tnum::xor, |a, b| a ^ b),
            ("mul", Tnum::mul, u64::wrapping_mul),
        ];
        for (a, members_a) in all() {
            for (b, members_b) in all() {
                for (name, abstractly, concretely) in rows {
                    let result = abstractly(a, b);
                    assert_eq!(result.value & result.mask, 0);
                    for x in &members_a {
                        for y in &members_b {
                            assert!(result.contains(concretely(*x, *y)), "{name} {a:?} {b:?} {x} {y}");
                        }
                    }
                }
                let both: Vec<_> = members_a.iter().filter(|x| b.contains(**x)).collect();
                assert_eq!(a.overlaps(b), !both.is_empty());
                assert!(both.iter().all(|x| a.intersect(b).contains(**x)));
                assert!(members_a.iter().chain(&members_b).all(|x| a.union(b).contains(*x)));
                assert_eq!(a.covers(b), members_b.iter().all(|x| a.contains(*x)));
            }
            for by in 0..BITS {
                for x in &members_a {
                    assert!(a.lsh(by).contains(x << by) && a.rsh(by).contains(x >> by));
                    let (high, x) = (a.lsh(60), x << 60);
                    assert!(high.arsh(by, 64).contains((x as i64 >> by) as u64));
                    let (high, x) = (a.lsh(28), x >> 32);
                    assert!(high.arsh(by, 32).contains(u64::from((x as i32 >> by) as u32)));
                }
            }
        }
        for min in 0..16 {
            for max in min..16 {
                assert!((min..=max).all(|x| Tnum::range(min, max).contains(x)));
            }
        }
        assert!(Tnum::range(0, u64::MAX).is_unknown());
    }
}
