#!/usr/bin/env python3
"""Writes core/src/helper/argument_counts.rs: how many arguments each helper has, as the table of live registers at
the beginning of the running kernel's log shows it: a call reads its arguments' registers, and all five where the
program may not make it.

    native/probes/argument_counts.py > core/src/helper/argument_counts.rs
"""
import re

import btf
from bpf import PROGRAM_TYPES, insn, load

HELPERS = range(1, 212)
CODE = b"".join(insn(0x85, imm=number) for number in HELPERS) + insn(0xb7) + insn(0x95)
TRACING, STRUCT_OPS, SLEEPABLE = 26, 27, 16
kernel = btf.kernel()
PROGRAMS = [(program_type, {}) for program_type in PROGRAM_TYPES] + [
    (TRACING, {"attach": 23, "target": kernel.ids[btf.TYPEDEF, "btf_trace_task_newtask"]}),
    (TRACING, {"attach": 28, "target": kernel.ids[btf.FUNCTION, "bpf_iter_task"], "flags": SLEEPABLE}),
    (TRACING, {"attach": 28, "target": kernel.ids[btf.FUNCTION, "bpf_iter_task"]}),
    (STRUCT_OPS, {"attach": 0, "target": kernel.ids[btf.STRUCT, "tcp_congestion_ops"]}),
]
counts = {number: 5 for number in HELPERS}
for program_type, given in PROGRAMS:
    log = load(CODE, program_type, level=2, size=1 << 22, **given)[1]
    for mask, number in re.findall(r"^ +\d+: \.([.\d]{5})[.\d]{4} \(85\) call \S+#(\d+)$", log, re.M):
        counts[int(number)] = min(counts[int(number)], sum(c != "." for c in mask))

print("""//! How many arguments each helper has, whether it is built or not.
//!
//! Written by `native/probes/argument_counts.py` from the running kernel's answers; not to be edited by hand.

/// By number from 1. `bpf_get_cgroup_classid` has one argument more in the types that have a row of their own for it.
#[rustfmt::skip]
pub(super) const ARGUMENT_COUNTS: &[u8] = &[""")
values = list(counts.values())
for at in range(0, len(values), 32):
    print("    " + " ".join(f"{n}," for n in values[at:at + 32]))
print("];")
