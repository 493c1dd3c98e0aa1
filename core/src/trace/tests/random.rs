//! Random programs that the verifier walks far into: numbers, the stack, branches, loops, calls.

use std::format;
use std::string::String;

/// A small generator of numbers (xorshift), for programs that a seed makes again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len() as u64) as usize]
    }
    /// One of the registers that always hold numbers: r0, r6 to r9.
    fn register(&mut self) -> &'static str {
        self.pick(&["r0", "r6", "r7", "r8", "r9"])
    }
    fn slot(&mut self) -> u64 {
        8 * (1 + self.below(5))
    }
}

const PROLOGUE: &str = ".type xdp
.license GPL
.map counts hash 8 16 8
    *(u64 *)(r10 -8) = r1
    r6 = *(u32 *)(r1 +12)
    r7 = *(u32 *)(r1 +16)
    r8 = 3
    r9 = 0
    r0 = 1
    *(u64 *)(r10 -16) = r6
    *(u64 *)(r10 -24) = 0
    *(u64 *)(r10 -32) = r7
    *(u64 *)(r10 -40) = r8
    *(u64 *)(r10 -48) = 5
";

/// The program of a seed.
pub fn program(seed: u64) -> String {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut out = String::from(PROLOGUE);
    body(&mut random, &mut out, "a", 12);
    // A loop with a bound, whose body forks and spills.
    let rounds = 2 + random.below(12);
    out += "    r9 = 0\nagain:\n";
    body(&mut random, &mut out, "b", 5);
    out += "    r9 = *(u64 *)(r10 -48)\n    r9 += 1\n    *(u64 *)(r10 -48) = r9\n";
    out += &format!("    if r9 < {} goto again\n", 5 + rounds);
    out += "    r1 = r6\n    r2 = r10\n    r2 += -16\n    call helper\n";
    body(&mut random, &mut out, "c", 5);
    out += "    r0 = 2\n    exit\n";
    out += ".func helper\n    *(u64 *)(r10 -8) = r1\n    r0 = *(u64 *)(r2 +0)\n    *(u64 *)(r2 +0) = r1\n";
    out += "    if r0 > 7 goto high\n    *(u64 *)(r10 -16) = 3\n    exit\nhigh:\n    r0 = *(u64 *)(r10 -8)\n    exit\n";
    out
}

fn body(random: &mut Random, out: &mut String, name: &str, count: usize) {
    for number in 0..count {
        let (a, b) = (random.register(), random.register());
        let value = random.below(64);
        let (slot, other) = (random.slot() + 8, random.slot() + 8);
        let label = format!("{name}_{number}");
        *out += &match random.below(14) {
            0 => format!("    {a} = {b}\n"),
            1 => format!("    {a} {} {b}\n", random.pick(&["+=", "-=", "|=", "&=", "^=", "*="])),
            2 => format!("    {a} {} {value}\n", random.pick(&["+=", "&=", "<<=", ">>=", "%=", "="])),
            3 => format!("    *(u64 *)(r10 -{slot}) = {a}\n"),
            4 => format!("    {a} = *(u64 *)(r10 -{slot})\n"),
            5 => format!("    *(u32 *)(r10 -{slot}) = {a}\n"),
            6 => format!("    {a} = *(u32 *)(r10 -{slot})\n"),
            7 => format!("    lock *(u64 *)(r10 -{slot}) += {a}\n"),
            8 => format!("    {a} = atomic_fetch_add((u64 *)(r10 -{slot}), {a})\n"),
            9 | 10 => {
                let op = random.pick(&["==", "!=", ">", "s<", "&"]);
                format!("    if {a} {op} {value} goto {label}\n    {b} = {value}\n{label}:\n")
            }
            11 => format!("    if {a} > {b} goto {label}\n    *(u64 *)(r10 -{slot}) = {b}\n{label}:\n"),
            12 => format!(
                "    r2 = r10\n    r2 += -{slot}\n    r1 = map counts\n    call bpf_map_lookup_elem\n    if r0 == 0 goto \
                 {label}\n    *(u64 *)(r10 -{other}) = r0\n    r0 = *(u64 *)(r0 +8)\n{label}:\n    r0 = {value}\n"
            ),
            _ => {
                format!("    {a} &= 15\n    r2 = r10\n    r2 += -40\n    r2 += {a}\n    *(u8 *)(r2 +0) = 1\n")
            }
        };
    }
}
