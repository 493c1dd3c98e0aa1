//! The same work in Rust: the limit.

use anyhow::{Result, bail};
use std::hint::black_box;

use crate::engines::Runner;
use crate::program::Program;

/// What a program does.
type Work = fn(&[u8]) -> u64;

const WORKS: &[(&str, Work)] = &[
    ("a_alu", alu),
    ("b_mem", sums),
    ("c_parse", classify),
    ("d_call", calls),
    ("e_div", divide),
    ("f_helper", helpers),
];

/// The work of a program, by its name.
pub fn prepare(program: &Program) -> Result<Runner> {
    let Some((_, work)) = WORKS.iter().find(|row| row.0 == program.name) else {
        bail!("not written in Rust");
    };
    let memory = program.memory.clone();
    Ok(Box::new(move || Ok(work(black_box(&memory)))))
}

fn alu(_: &[u8]) -> u64 {
    let mut x: u64 = 0x9e37_79b9_7f4a_7c15;
    for _ in 0..16384 {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x = x.wrapping_mul(0x2545_f491_4f6c_dd1d).wrapping_add(12345);
    }
    x
}

fn sums(memory: &[u8]) -> u64 {
    let (mut a, mut b) = (0_u64, 0_u64);
    for _ in 0..16 {
        for &byte in black_box(memory) {
            a = a.wrapping_add(byte.into());
            b = b.wrapping_add(a);
        }
    }
    a ^ b
}

fn classify(memory: &[u8]) -> u64 {
    let mut total = 0_u64;
    for _ in 0..64 {
        for packet in black_box(memory).as_chunks::<64>().0 {
            total += class(packet);
        }
    }
    total
}

fn class(packet: &[u8; 64]) -> u64 {
    let half = |at: usize| u16::from_be_bytes([packet[at], packet[at + 1]]);
    match half(12) {
        0x0806 => return 2,
        0x86dd => return packet[20].into(),
        0x0800 => {}
        _ => return 1,
    }
    if packet[14] != 0x45 {
        return 0x20;
    }
    if half(20) & 0x1fff != 0 {
        return 0x40;
    }
    match packet[23] {
        6 => {}
        17 => {
            return match half(36) {
                53 => 0x200,
                123 => 0x300,
                _ => 0x100,
            };
        }
        1 => return 0x80,
        _ => return 0x10,
    }
    let flags = match packet[47] {
        f if f & 2 != 0 => 0x10000,
        f if f & 5 != 0 => 0x20000,
        _ => 0,
    };
    flags
        + match half(36) {
            80 => 0x2000,
            443 => 0x3000,
            22 => 0x4000,
            port if port > 32767 => 0x5000,
            _ => 0x1000,
        }
}

#[inline(never)]
fn inner(a: u64) -> u64 {
    black_box(a).wrapping_mul(31).wrapping_add(7)
}

#[inline(never)]
fn outer(a: u64, b: u64) -> u64 {
    inner(a.wrapping_add(b)) ^ a
}

fn calls(_: &[u8]) -> u64 {
    (1..=8192).rev().fold(1, outer)
}

fn divide(_: &[u8]) -> u64 {
    let (mut x, mut total): (u64, u64) = (0x9e37_79b9_7f4a_7c15, 0);
    let (mut by, mut modulus): (u64, u64) = (1_000_003, 77777);
    for _ in 0..8192 {
        total = total.wrapping_add(x / black_box(by)) ^ (x % black_box(modulus));
        by += 2;
        modulus += 4;
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
    }
    total
}

#[inline(never)]
fn helper(_: u64, _: u64) -> u64 {
    black_box(0)
}

fn helpers(_: &[u8]) -> u64 {
    (1..=8192).rev().fold(1_u64, |x, n| x.wrapping_add(helper(x, n)).wrapping_mul(31).wrapping_add(1))
}
