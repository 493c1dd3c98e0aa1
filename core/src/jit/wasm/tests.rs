//! What comes out is valid; that it computes the right things is the engines' table's to show, where something
//! runs it.

use super::{Host, compile};
use crate::image::Image;
use crate::isa::asm::assemble;
use crate::isa::{Insn, decode_program};
use crate::names::Uapi;
use alloc::string::String;
use alloc::vec::Vec;

const HOST: Host = Host { base: 1 << 16, capacity: 1 << 20, record: 1024 };

fn image(text: &str) -> Image {
    let assembly = assemble(text, &Uapi).unwrap_or_else(|errors| panic!("{errors:?}"));
    let mut insns: Vec<Insn> = Vec::new();
    for insn in decode_program(&assembly.insns) {
        let before = insns.last().copied();
        insns.push(insn.ok().or(before).unwrap());
    }
    Image::unverified(insns)
}

fn check(text: &str) {
    let module = compile(&image(text), HOST).unwrap_or_else(|error| panic!("{text}: {error}"));
    wasmparser::validate(&module.bytes).unwrap_or_else(|error| panic!("{text}: {error}"));
}

#[test]
fn modules_are_valid() {
    for text in [
        "r0 = 1\nexit",
        "r0 = 0\nagain: r0 += 1\nif r1 == 0 goto other\nr0 += 2\ngoto join\nother: r0 += 3\njoin: if r0 < 9 goto again\nexit",
        // A loop with two entries.
        "r0 = 0\nif r1 == 0 goto second\nfirst: r0 += 1\nsecond: r0 += 2\nif r0 < 9 goto first\nexit",
        "call f\nexit\n.func f\nif r1 == 0 goto out\nagain: r1 -= 1\nif r1 != 0 goto again\nout: r0 = r10\nexit",
        "r2 = *(u32 *)(r1 +0)\nr3 = *(u16 *)(r1 -4)\n*(u64 *)(r10 -8) = r2\nlock *(u64 *)(r10 -8) += r3\nr0 = atomic64_cmpxchg((u64 *)(r10 -8), r0, r2)\nexit",
        "r0 /= r1\nw0 s/= w1\nr0 s%= r2\nr0 s>>= r1\nr0 = bswap64 r0\nr0 = be16 r0\nr0 = be32 r0\nexit",
        "r1 = 1 ll\nr2 = 0\ncall bpf_map_lookup_elem\ncall bpf_tail_call\nexit",
        "again: may_goto out\ngoto again\nout: r0 = 0\nexit",
        "forever: goto forever",
        "r0 = 1",
    ] {
        check(text);
    }
}

#[test]
fn long_ways_are_valid() {
    // Diamonds one after another, and branches to one end from everywhere.
    let mut text = String::from("r0 = 0\n");
    for at in 0..3000 {
        text += &alloc::format!("if r1 == {at} goto end\nif r2 > {at} goto d{at}\nr0 += 1\nd{at}: r0 += 2\n");
    }
    check(&(text + "end: exit"));
}

#[test]
fn what_is_not_compiled_is_named() {
    let error = compile(&image("callx r2\nexit"), HOST).unwrap_err();
    assert_eq!(alloc::format!("{error}"), "instruction 0: a call through a register is not compiled");
}

#[test]
fn what_calls_itself_is_counted() {
    let module = compile(&image("again: call again\nexit"), HOST);
    let frames = module.map(|module| module.frames);
    assert!(frames.is_ok_and(|frames| frames > 8), "{frames:?}");
}
