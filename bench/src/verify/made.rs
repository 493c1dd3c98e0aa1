//! Programs of one shape each, made as texts.

use anyhow::{Result, anyhow};
use glasshive::isa::asm::{Assembly, assemble};
use glasshive::names::Uapi;
use std::fmt::Write;

/// A shape's name, and its text without directives.
type Shape = (&'static str, fn() -> String);

const SHAPES: &[Shape] = &[
    ("straight line", straight_line),
    ("branches that meet", diamonds),
    ("paths that never meet", paths),
    ("loop up to the limit", long_loop),
    ("call chain", call_chain),
    ("wide stack", wide_stack),
];

/// The programs, each under its shape's name.
///
/// # Errors
/// Where a text does not assemble.
pub fn programs() -> Result<Vec<(String, Assembly)>> {
    let made = SHAPES.iter().map(|(name, text)| {
        let text = format!(".type socket_filter\n.license GPL\n{}", text());
        let assembly = assemble(&text, &Uapi).map_err(|errors| {
            anyhow!("{name}: {}", errors.first().map(ToString::to_string).unwrap_or_default())
        })?;
        Ok(((*name).to_string(), assembly))
    });
    made.collect()
}

fn straight_line() -> String {
    let mut text = String::from("    r0 = 0\n    r6 = *(u32 *)(r1 +0)\n");
    for at in 0..30_000 {
        let _ = writeln!(text, "    r6 += {}\n    r6 &= 0xffff\n    r0 ^= r6", at % 97);
    }
    text + "    r0 = 0\n    exit\n"
}

fn diamonds() -> String {
    let mut text = String::from("    r6 = *(u32 *)(r1 +0)\n    r7 = 0\n");
    for at in 0..4_000 {
        // What differs is not used again.
        let _ = writeln!(text, "    r7 = {at}\n    if r6 & 1 goto pc+1\n    r7 = 1");
    }
    text + "    r0 = 0\n    exit\n"
}

fn paths() -> String {
    let mut text = String::from("    r6 = *(u32 *)(r1 +0)\n    r7 = r10\n    r7 += -8\n    r8 = 0\n");
    for bit in 0..14 {
        let _ = writeln!(text, "    if r6 & {} goto pc+1\n    r8 += {}", 1 << bit, 1 << bit);
    }
    // Each sum matters.
    text + "    r8 *= 0\n    r7 += r8\n    *(u8 *)(r7 +0) = 1\n    r0 = 0\n    exit\n"
}

fn long_loop() -> String {
    "    r0 = 0\n    r6 = 0\nagain:\n    r0 += 3\n    r6 += 1\n    if r6 < 249990 goto again\n    r0 = 0\n    exit\n".into()
}

fn call_chain() -> String {
    let mut text = String::from("    r6 = 0\nagain:\n    r1 = r6\n    call one\n    r6 += 1\n");
    text += "    if r6 < 4000 goto again\n    r0 = 0\n    exit\n";
    let names = ["one", "two", "three", "four", "five", "six", "seven"];
    for (at, name) in names.iter().enumerate() {
        let _ = writeln!(text, "{name}:\n    *(u64 *)(r10 -8) = r1\n    r1 += {at}");
        if let Some(next) = names.get(at + 1) {
            let _ = writeln!(text, "    call {next}");
        }
        text += "    r0 = *(u64 *)(r10 -8)\n    exit\n";
    }
    text
}

fn wide_stack() -> String {
    let mut text = String::from("    r6 = *(u32 *)(r1 +0)\n");
    for slot in 1..=64 {
        let _ = writeln!(text, "    *(u64 *)(r10 -{}) = r6", slot * 8);
    }
    text += "    r7 = 0\nagain:\n";
    for slot in 1..=64 {
        let _ = writeln!(text, "    r8 = *(u64 *)(r10 -{})\n    r8 += {slot}\n    r8 = 0", slot * 8);
    }
    text + "    r7 += 1\n    if r7 < 40 goto again\n    r0 = 0\n    exit\n"
}
