#!/usr/bin/env python3
"""Writes core/src/helper/facts.rs: each helper's name, whether it is for GPL programs alone, and which program
types may call it, as the running kernel answers to a program that just calls it.

    native/probes/helpers.py > core/src/helper/facts.rs
"""
import re

from bpf import ATTACH_TYPES, PROGRAM_TYPES, insn, load

EXIT = insn(0xb7) + insn(0x95)


def may_call(program_type, number, attach=None):
    """The log of a program that just calls it, or None where its type may not."""
    log = load(insn(0x85, imm=number) + EXIT, program_type, level=2, attach=attach)[1]
    refused = any(words in log for words in ("cannot use helper", "invalid func", "unknown func"))
    return None if refused else log


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

print("""
/// Where an attach type changes who may call what: program type, attach types, and the helpers that these may
/// call and the type's other programs may not.
#[rustfmt::skip]
pub(super) const BY_ATTACH_TYPE: &[(u32, &[u32], &[i32])] = &[""")
for program_type, attach_types in ATTACH_TYPES.items():
    same = {}
    for attach in attach_types:
        more = [n for n, _, _, allowed in rows
                if not allowed >> program_type & 1 and may_call(program_type, n, attach) is not None]
        if more:
            same.setdefault(tuple(more), []).append(attach)
    for more, attach_types in same.items():
        print(f"    ({program_type}, &{attach_types}, &{list(more)}),")
print("];")
