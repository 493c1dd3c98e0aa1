#!/usr/bin/env python3
"""Writes core/src/program/access.rs: which accesses to each program type's context the running kernel takes, and
what a load gives.

    native/probes/context.py > core/src/program/access.rs
"""
import re

from bpf import ATTACH_TYPES, PROGRAM_TYPES, insn, load

LOADS = {1: 0x71, 2: 0x69, 4: 0x61, 8: 0x79}
STORES = {1: 0x73, 2: 0x6b, 4: 0x63, 8: 0x7b}
KINDS = {
    "scalar": "Scalar", "pkt": "PacketData", "pkt_meta": "PacketMeta", "pkt_end": "PacketEnd",
    "sock_common_or_null": "SocketCommonOrNull", "sock_or_null": "SocketOrNull", "sock": "Socket",
    "flow_keys": "FlowKeys", "tp_buffer": "TracepointBuffer",
}
END = 400  # past every context that is a structure
FAR = 32760


def gives(program_type, offset, size, attach=None):
    """The kind of value that a load gives, or None where it is refused."""
    log = load(insn(LOADS[size], 6, 1, offset) + insn(0xb7) + insn(0x95), program_type, level=2, attach=attach)[1]
    shown = re.search(r"^0: \(.*?; .*?R6=(\w+)", log, re.M)
    if not shown:
        return None
    return KINDS.get(shown[1]) or f'KernelType("{shown[1].removeprefix("trusted_ptr_")}")'


def takes(program_type, offset, size, attach=None):
    code = insn(0xb7, 6) + insn(STORES[size], 1, 6, offset) + insn(0xb7) + insn(0x95)
    log = load(code, program_type, level=2, attach=attach)[1]
    return "Scalar" if re.search(r"^2: \(b7", log, re.M) else None


def reach(ask, program_type, size, offset, step):
    """The last offset from `offset` on, in steps, that is taken."""
    low, high = offset // step, FAR // step
    while low < high:
        middle = (low + high + 1) // 2
        if ask(program_type, middle * step, size):
            low = middle
        else:
            high = middle - 1
    return low * step


print("""//! Which accesses to a context are allowed, and what a load gives.
//!
//! Written by `native/probes/context.py` from the running kernel's answers; not to be edited by hand.

use super::Access;
use super::FieldKind::*;

#[rustfmt::skip]
const fn a(write: bool, size: u32, first: u32, last: u32, step: u32, gives: super::FieldKind) -> Access {
    Access { write, size, first, last, step, gives }
}
""")


def accesses(program_type, attach=None):
    rows = []
    for write, ask in ((False, gives), (True, takes)):
        for size in (1, 2, 4, 8):
            runs = []
            for offset in range(END):
                kind = ask(program_type, offset, size, attach)
                if not kind:
                    continue
                last = runs[-1] if runs else None
                step = last and offset - last[1]
                if last and last[2] == kind and step in (1, size) and last[3] in (None, step):
                    last[1], last[3] = offset, step
                else:
                    runs.append([offset, offset, kind, None])
            for run in runs:
                if run[1] + size >= END - 8:
                    run[1] = reach(ask, program_type, size, run[1], run[3])
                rows.append((write, size, run[0], run[1], run[3] or size, run[2]))
    return rows


def show(rows, indent=""):
    for write, *numbers, kind in rows:
        print(f"{indent}    a({str(write).lower()}, {', '.join(map(str, numbers))}, {kind}),")


default = {}
for program_type, name in PROGRAM_TYPES.items():
    default[program_type] = accesses(program_type)
    print(f"#[rustfmt::skip]\npub(super) const {name.upper()}: &[Access] = &[")
    show(default[program_type])
    print("];")
print("""
/// Where an attach type changes what the context allows: program type, attach types, and the accesses.
#[rustfmt::skip]
pub(super) const BY_ATTACH_TYPE: &[(u32, &[u32], &[Access])] = &[""")
for program_type, attach_types in ATTACH_TYPES.items():
    same = {}
    for attach in attach_types:
        rows = accesses(program_type, attach)
        if rows and rows != default[program_type]:
            same.setdefault(tuple(rows), []).append(attach)
    for rows, attach_types in same.items():
        print(f"    ({program_type}, &{attach_types}, &[")
        show(rows, "    ")
        print("    ]),")
print("];")
