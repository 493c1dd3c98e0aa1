#!/usr/bin/env python3
"""Writes core/src/helper/facts.rs: each helper's name, whether it is for GPL programs alone, and which program
types may call it, as the running kernel answers to a program that just calls it.

    native/probes/helpers.py > core/src/helper/facts.rs
"""
import re

from bpf import PROGRAM_TYPES, insn, load

EXIT = insn(0xb7) + insn(0x95)
rows = []
for number in range(1, 1000):
    code, name, gpl, allowed = insn(0x85, imm=number) + EXIT, None, False, 0
    for program_type in PROGRAM_TYPES:
        ret, log = load(code, program_type, level=2)
        name = name or (re.search(r"\b(bpf_\w+)#", log) or [None, None])[1]
        if "cannot use helper" in log or "invalid func" in log or "unknown func" in log:
            continue
        allowed |= 1 << program_type
        gpl = gpl or "GPL-restricted" in load(code, program_type, "Proprietary")[1]
    if name is None:
        break
    rows.append((number, name, gpl, allowed))

print("""//! Facts of every helper: its number, its name, whether only GPL programs may call it, and which program
//! types may (bit N is type N).
//!
//! Written by `native/probes/helpers.py` from the running kernel's answers; not to be edited by hand.

use super::Facts;

/// The helpers, by number from 1.
#[rustfmt::skip]
pub(super) const FACTS: &[Facts] = &[""")
for number, name, gpl, allowed in rows:
    print(f'    Facts {{ number: {number}, name: "{name}", gpl_only: {str(gpl).lower()}, programs: {allowed:#011x} }},')
print("];")
