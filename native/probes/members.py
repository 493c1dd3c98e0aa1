#!/usr/bin/env python3
"""Holds the tables of core/src/verifier/typed_memory.rs against the running kernel: loads every pointer of every structure
that a tracepoint's argument points to, and reads from the log what is trusted or kept by RCU. Prints each such member,
and those that the tables lack; exits with 1 if there are any.

    native/probes/members.py
"""
import pathlib
import re
import sys

import btf
from bpf import insn, load

TRACING, RAW_TRACEPOINT = 26, 23
SOURCE = (pathlib.Path(__file__).resolve().parents[2] / "core/src/verifier/typed_memory.rs").read_text()
LISTED = {name: set(re.findall(r'\("(\w+)", "(\w+)"\)', rows)) for name, rows in re.findall(
    r"const (\w+_MEMBERS): &\[\(&str, &str\)\] =\s*&\[(.*?)\];", SOURCE, re.S)}
TABLES = {"trusted_ptr_": "TRUSTED", "trusted_ptr_or_null_": "TRUSTED_OR_NULL", "rcu_ptr_": "RCU", "rcu_ptr_or_null_": "RCU_OR_NULL"}
kernel = btf.kernel()
END = insn(0xb7) + insn(0x95)


def pointers(number):
    """Offsets and names of a structure's own pointers."""
    for name, of, at in kernel.types[number].elements:
        if not at >> 24 and kernel.pointed(of) is not None:
            yield (at & 0xffffff) // 8, kernel.text(name)


missing, seen = 0, set()
for number, type in enumerate(kernel.types):
    if type.kind != btf.TYPEDEF or not type.name.startswith("btf_trace_"):
        continue
    prototype = kernel.types[kernel.resolve(kernel.types[kernel.resolve(number)].to)]
    for at, (_, of) in enumerate(prototype.elements[1:]):
        to = kernel.pointed(of)
        if not to or kernel.types[to].kind != btf.STRUCT or to in seen:
            continue
        seen.add(to)
        members = {off: name for off, name in pointers(to) if off < 30000}
        first = insn(0x79, 6, 1, 8 * at) + insn(0x55, 6, 0, 2) + END
        log = load(first + b"".join(insn(0x79, 7, 6, off) for off in members) + END, TRACING, level=2,
                   attach=RAW_TRACEPOINT, target=number)[1]
        for off, held in re.findall(r"r7 = \*\(u64 \*\)\(r6 \+(\d+)\).*R7=((?:trusted|rcu)_ptr_(?:or_null_)?)", log):
            row = kernel.types[to].name, members[int(off)]
            known = row in LISTED.get(TABLES[held] + "_MEMBERS", ())
            missing += not known
            print(TABLES[held], *row, "" if known else "(not in the table)")
print(f"{len(seen)} structures, {missing} members that the tables lack")
sys.exit(bool(missing))
