#!/usr/bin/env python3
"""Writes core/src/program/socket_access.rs: which loads from each kind of socket pointer the running kernel takes.

    native/probes/sockets.py > core/src/program/socket_access.rs
"""
import re
import struct

import bpf
from bpf import insn, load

LOADS = {1: 0x71, 2: 0x69, 4: 0x61, 8: 0x79}
SCHED_CLS, XDP, XSKMAP = 3, 6, 17
END = 600
MOVE, CALL, LEAVE = insn(0xbf, 1, 0), 0x85, insn(0xb7) + insn(0x95)
# r0 is the socket common to all kinds, not null.
COMMON = insn(0x79, 0, 1, 168) + insn(0x55, 0, 0, 2) + LEAVE
PRESENT = insn(0x55, 0, 0, 2) + LEAVE


def xsk():
    """A look-up in an XSKMAP: r0 is an XDP socket."""
    fd = bpf.bpf(bpf.MAP_CREATE, struct.pack("<IIIII", XSKMAP, 4, 4, 1, 0) + bytes(100))
    key = insn(0x62, 10, 0, -8) + insn(0xbf, 2, 10) + insn(0x07, 2, imm=-8)
    return key + insn(0x18, 1, 1, 0, fd) + insn(0) + insn(CALL, imm=1) + PRESENT


KINDS = {
    "COMMON": (SCHED_CLS, COMMON),
    "FULL": (SCHED_CLS, COMMON + MOVE + insn(CALL, imm=95) + PRESENT),
    "TCP": (SCHED_CLS, COMMON + MOVE + insn(CALL, imm=96) + PRESENT),
    "XDP": (XDP, xsk()),
}


def takes(program_type, start, offset, size):
    log = load(start + insn(LOADS[size], 6, 0, offset) + LEAVE, program_type, level=2)[1]
    shown = re.search(r"R6=(\w+)", log)
    if shown and shown[1] not in ("scalar", "0"):
        raise SystemExit(f"a load at {offset} gives {shown[1]}")
    return shown is not None


print("""//! Which loads from a socket pointer are allowed: each gives a number.
//!
//! Written by `native/probes/sockets.py` from the running kernel's answers; not to be edited by hand.

use super::{Access, FieldKind::Scalar};

#[rustfmt::skip]
const fn a(size: u32, first: u32, last: u32, step: u32) -> Access {
    Access { write: false, size, first, last, step, gives: Scalar }
}
""")
for name, (program_type, start) in KINDS.items():
    print(f"#[rustfmt::skip]\npub(super) const {name}: &[Access] = &[")
    for size in LOADS:
        runs = []
        for offset in range(END):
            if not takes(program_type, start, offset, size):
                continue
            last = runs[-1] if runs else None
            step = last and offset - last[1]
            if last and step in (1, size) and last[2] in (None, step):
                last[1], last[2] = offset, step
            else:
                runs.append([offset, offset, None])
        for first, end, step in runs:
            print(f"    a({size}, {first}, {end}, {step or size}),")
    print("];")
