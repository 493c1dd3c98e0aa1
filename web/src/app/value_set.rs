//! A set of numbers as a picture: its known bits, and its ranges on axes.

use glasshive::trace::view::Range;
use yew::prelude::*;

/// Width of the drawing, in its own units.
const WIDTH: f64 = 264.0;
/// Where an axis begins, behind its name.
const AXIS: f64 = 28.0;
/// Height of an axis's row.
const ROW: f64 = 16.0;
/// Height of the bits.
const BITS: f64 = 22.0;

/// A range of one reading: its name, its ends in words, and where they stand on the axis, from 0 to 1.
struct Axis {
    name: &'static str,
    ends: String,
    from: f64,
    to: f64,
    /// Where 0 stands.
    zero: f64,
}

/// The picture; `of` is what the numbers belong to.
pub fn view(of: &str, range: &Range) -> Html {
    let axes = axes(range);
    let height = BITS + ROW * axes.len() as f64;
    let spoken: Vec<String> = axes.iter().map(|axis| format!("{} {}", axis.name, axis.ends)).collect();
    let unknown = range.mask.count_ones();
    let label = format!("{of}: {unknown} bits of 64 unknown; {}", spoken.join("; "));
    html! {
        <svg class="value-set" role="img" aria-label={label} viewBox={format!("0 0 {WIDTH} {height}")}>
            { for (0..64).map(|bit| bit_cell(range, bit)) }
            { for axes.iter().enumerate().map(|(row, axis)| axis_row(BITS + ROW * row as f64, axis)) }
        </svg>
    }
}

/// Whether a picture says more than the words: not for one number alone, nor for all there are.
pub fn says_more(range: &Range) -> bool {
    range.umin != range.umax && (range.mask != u64::MAX || !axes(range).is_empty())
}

/// A bit, the highest leftmost: filled for 1, hollow for 0, half as high where it is unknown.
fn bit_cell(range: &Range, bit: u32) -> Html {
    let place = f64::from(63 - bit);
    let x = place * 4.0 + f64::from((63 - bit) / 16) * 2.0 + 1.0;
    let known = range.mask >> bit & 1 == 0;
    let one = range.value >> bit & 1 == 1;
    let (class, y, high) = match (known, one) {
        (false, _) => ("bit unknown", 6.0, 6.0),
        (true, true) => ("bit one", 2.0, 14.0),
        (true, false) => ("bit zero", 2.0, 14.0),
    };
    html! { <rect {class} x={x.to_string()} y={y.to_string()} width="3" height={high.to_string()} /> }
}

fn axis_row(top: f64, axis: &Axis) -> Html {
    let (left, wide) = (AXIS, 92.0);
    let middle = (top + ROW / 2.0).to_string();
    let at = |part: f64| left + part * wide;
    let bar = (at(axis.to) - at(axis.from)).max(2.0);
    html! {
        <>
            <text class="name" x="0" y={(top + 12.0).to_string()}>{ axis.name }</text>
            <line class="track" x1={left.to_string()} x2={(left + wide).to_string()} y1={middle.clone()} y2={middle} />
            <line class="zero" x1={at(axis.zero).to_string()} x2={at(axis.zero).to_string()}
                y1={(top + 3.0).to_string()} y2={(top + 13.0).to_string()} />
            <rect class="range" x={at(axis.from).to_string()} y={(top + 5.0).to_string()} width={bar.to_string()} height="6" />
            <text class="ends" x={(left + wide + 8.0).to_string()} y={(top + 12.0).to_string()}>{ axis.ends.clone() }</text>
        </>
    }
}

/// The readings that say something.
fn axes(range: &Range) -> Vec<Axis> {
    let mut axes = Vec::new();
    if (range.umin, range.umax) != (0, u64::MAX) {
        axes.push(unsigned("u64", range.umin, range.umax, 64.0));
    }
    if (range.smin, range.smax) != (i64::MIN, i64::MAX) {
        axes.push(signed("s64", range.smin, range.smax, 63.0));
    }
    if (range.u32_min, range.u32_max) != (0, u32::MAX) {
        axes.push(unsigned("u32", range.u32_min.into(), range.u32_max.into(), 32.0));
    }
    if (range.s32_min, range.s32_max) != (i32::MIN, i32::MAX) {
        axes.push(signed("s32", range.s32_min.into(), range.s32_max.into(), 31.0));
    }
    // A reading with the same ends as one above says nothing new.
    let ends: Vec<String> = axes.iter().map(|axis| axis.ends.clone()).collect();
    let mut row = 0..;
    axes.retain(|axis| row.next().is_some_and(|row: usize| !ends[..row].contains(&axis.ends)));
    axes
}

/// Axes are logarithmic: a byte and an address can be told apart on one.
fn unsigned(name: &'static str, min: u64, max: u64, bits: f64) -> Axis {
    let place = |value: u64| (value as f64 + 1.0).log2() / bits;
    Axis {
        name,
        ends: ends(short(min.into()), short(max.into())),
        from: place(min),
        to: place(max),
        zero: 0.0,
    }
}

fn signed(name: &'static str, min: i64, max: i64, bits: f64) -> Axis {
    let place = |value: i64| {
        let far = (value.unsigned_abs() as f64 + 1.0).log2() / bits / 2.0;
        0.5 + if value < 0 { -far } else { far }
    };
    Axis {
        name,
        ends: ends(short(min.into()), short(max.into())),
        from: place(min),
        to: place(max),
        zero: 0.5,
    }
}

fn ends(min: String, max: String) -> String {
    if min == max { min } else { format!("{min} … {max}") }
}

/// A number that fits beside an axis: large ones near a power of two as that.
fn short(value: i128) -> String {
    let size = value.unsigned_abs();
    if size < 1_000_000 {
        return value.to_string();
    }
    let sign = if value < 0 { "-" } else { "" };
    for (power, name) in (20..=64).map(|bits| (1_u128 << bits, bits)) {
        if size == power {
            return format!("{sign}2^{name}");
        }
        if size + 1 == power {
            return if value < 0 { format!("-(2^{name}-1)") } else { format!("2^{name}-1") };
        }
    }
    format!("{sign}{size:#x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_short() {
        assert_eq!(short(255), "255");
        assert_eq!(short(-5), "-5");
        assert_eq!(short(i64::MAX.into()), "2^63-1");
        assert_eq!(short(i64::MIN.into()), "-2^63");
        assert_eq!(short(u32::MAX.into()), "2^32-1");
        assert_eq!(short(0x1234_5678), "0x12345678");
    }

    #[test]
    fn only_what_is_new_has_an_axis() {
        let byte = Range {
            umin: 0,
            umax: 255,
            smin: 0,
            smax: 255,
            u32_min: 0,
            u32_max: 255,
            s32_min: 0,
            s32_max: 255,
            value: 0,
            mask: 255,
        };
        assert_eq!(axes(&byte).iter().map(|a| a.name).collect::<Vec<_>>(), ["u64"]);
        let negative = Range { smin: -1, umax: u64::MAX, smax: 255, ..byte };
        assert_eq!(axes(&negative).iter().map(|a| a.name).collect::<Vec<_>>(), ["s64", "u32"]);
    }

    #[test]
    fn ends_stand_on_the_axis() {
        for (min, max) in [(0, u64::MAX), (1, 255), (u64::MAX, u64::MAX)] {
            let axis = unsigned("u64", min, max, 64.0);
            assert!(axis.from >= 0.0 && axis.from <= axis.to && axis.to <= 1.0);
        }
        for (min, max) in [(i64::MIN, i64::MAX), (-1, 0), (i64::MIN, -1)] {
            let axis = signed("s64", min, max, 63.0);
            assert!(axis.from >= 0.0 && axis.from <= axis.to && axis.to <= 1.0);
        }
    }
}
