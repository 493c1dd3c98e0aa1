#!/usr/bin/env python3
"""Writes core/src/helper/facts.rs: each helper's name, whether it is for GPL programs alone, and which program
types may call it, as the running kernel answers to a program that just calls it.

    native/probes/helpers.py > core/src/helper/facts.rs
"""
import re

import btf

from bpf import ATTACH_TYPES, PROGRAM_TYPES, insn, load

EXIT = insn(0xb7) + insn(0x95)
TRACING, STRUCT_OPS, SLEEPABLE = 26, 27, 16
kernel = btf.kernel()
# What programs attach to that need a kernel type to load: by program type and attach type.
TARGETS = {
    (TRACING, 23): kernel.ids[btf.TYPEDEF, "btf_trace_task_newtask"],
    (TRACING, 28): kernel.ids[btf.FUNCTION, "bpf_iter_task"],
}


def may_call(program_type, number, attach=None, target=None, flags=None):
    """Whether a program may call it."""
    target = TARGETS.get((program_type, attach), 0) if target is None else target
    log = load(insn(0x85, imm=number) + EXIT, program_type, level=2, attach=attach, target=target, flags=flags)[1]
    return not any(words in log for words in ("cannot use helper", "invalid func", "unknown func"))


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
    allowed |= may_call(TRACING, number, 23) << TRACING
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
/// Where an attach type says the opposite of the program type: program type, attach types, and the helpers.
#[rustfmt::skip]
pub(super) const BY_ATTACH_TYPE: &[(u32, &[u32], &[i32])] = &[""")
for program_type, attach_types in (ATTACH_TYPES | {TRACING: (28,)}).items():
    same = {}
    for attach in attach_types:
        more = [n for n, _, _, allowed in rows
                if bool(allowed >> program_type & 1) != may_call(program_type, n, attach)]
        if more:
            same.setdefault(tuple(more), []).append(attach)
    for more, attach_types in same.items():
        print(f"    ({program_type}, &{attach_types}, &{list(more)}),")
print("];")

print("""
/// What programs of the kernel's tables of operations may call: the table, the members where that is so, and the
/// helpers.
#[rustfmt::skip]
pub(super) const BY_OPERATION: &[(&str, &[&str], &[i32])] = &[""")
for table in sorted(t.name.removeprefix("bpf_struct_ops_") for t in kernel.types if t.name.startswith("bpf_struct_ops_")):
    number = kernel.ids.get((btf.STRUCT, table))
    if number is None:
        continue
    same = {}
    for at, (name, _, _) in enumerate(kernel.types[number].elements):
        flags = next((f for f in (0, SLEEPABLE) if load(EXIT, STRUCT_OPS, attach=at, target=number, flags=f)[0] == 0), None)
        if flags is not None:
            may = tuple(n for n, _, _, _ in rows if may_call(STRUCT_OPS, n, at, number, flags))
            same.setdefault(may, []).append(kernel.text(name))
    for may, members in same.items():
        members = ", ".join(f'"{m}"' for m in members)
        print(f'    ("{table}", &[{members}], &{list(may)}),')
print("];")
