#!/usr/bin/env python3
"""Writes core/src/helper/kernel_facts.rs: each kernel function that programs may call, which program types may,
whether it sleeps and whether its pointers have to be trusted, as the running kernel answers to a program that
calls it with zeros.

    native/probes/kernel_functions.py > core/src/helper/kernel_facts.rs
"""
import struct

from bpf import PROGRAM_TYPES, insn, load

data = open("/sys/kernel/btf/vmlinux", "rb").read()
_, _, _, header, type_off, type_len, str_off, str_len = struct.unpack_from("<HBBIIIII", data)
strings = data[header + str_off:header + str_off + str_len]


def text(offset):
    return strings[offset:strings.index(b"\0", offset)].decode()


functions, tagged = {}, set()
at, end, number = header + type_off, header + type_off + type_len, 0
TAIL = {1: 4, 3: 12, 14: 4, 17: 4}
EACH = {4: 12, 5: 12, 6: 8, 13: 8, 15: 12, 19: 12}
while at < end:
    number += 1
    name, info, to = struct.unpack_from("<III", data, at)
    kind, count = info >> 24 & 31, info & 0xffff
    if kind == 12:
        functions[number] = text(name)
    if kind == 17 and text(name) == "bpf_kfunc":
        tagged.add(to)
    at += 12 + TAIL.get(kind, 0) + EACH.get(kind, 0) * count

rows = []
for number in sorted(tagged, key=lambda n: functions[n]):
    code = b"".join(insn(0xb7, dst=r) for r in range(1, 6)) + insn(0x85, src=2, imm=number) + insn(0xb7) + insn(0x95)
    allowed, sleeps, trusted = 0, False, False
    for program_type in PROGRAM_TYPES:
        log = load(code, program_type)[1]
        if "is not allowed" in log:
            continue
        allowed |= 1 << program_type
        sleeps |= "must be sleepable" in log
        trusted |= "passed to trusted arg" in log
    if allowed:
        rows.append((functions[number], allowed, sleeps, trusted))

print("""//! Facts of kernel functions: which program types may call them (bit N is type N), whether they sleep, whether
//! their pointers have to be trusted.
//!
//! Written by `native/probes/kernel_functions.py` from the running kernel's answers; not to be edited by hand.

/// Name, program types, sleeps, trusted; by name.
#[rustfmt::skip]
pub(super) const FACTS: &[(&str, u64, bool, bool)] = &[""")
for name, allowed, sleeps, trusted in rows:
    print(f'    ("{name}", {allowed:#011x}, {str(sleeps).lower()}, {str(trusted).lower()}),')
print("];")
