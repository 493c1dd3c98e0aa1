#!/usr/bin/env python3
"""Prints which of the kernel's structures lies behind a map, by map type: what a load past its end is refused with.
Holds the table of core/src/verifier/map_fields.rs against it; exits with 1 if anything differs.

    native/probes/map_fields.py
"""
import os
import pathlib
import re
import struct
import sys

import bpf
from bpf import insn, load

TABLE = pathlib.Path(__file__).resolve().parents[2] / "core/src/verifier/map_fields.rs"
ROWS = {int(number): name for name, numbers in re.findall(r'\("(\w+)", &\[([\d, ]+)\]\)', TABLE.read_text())
        for number in numbers.split(",")}
# Key size, value size, entries and flags of the types that are not as most are.
SHAPES = {
    3: (4, 4, 1, 0), 4: (4, 4, 1, 0), 7: (4, 8, 1, 0), 8: (4, 4, 1, 0), 11: (8, 8, 1, 1), 14: (4, 4, 1, 0), 15: (4, 4, 1, 0),
    16: (4, 4, 1, 0), 17: (4, 4, 1, 0), 18: (4, 4, 1, 0), 20: (4, 4, 1, 0), 22: (0, 8, 1, 0), 23: (0, 8, 1, 0),
    25: (4, 4, 1, 0), 27: (0, 0, 4096, 0), 30: (0, 8, 1, 0), 31: (0, 0, 4096, 0),
}
differs = 0
for number in range(1, 34):
    key, value, entries, flags = SHAPES.get(number, (4, 8, 1, 0))
    fd = bpf.bpf(bpf.MAP_CREATE, struct.pack("<IIIII", number, key, value, entries, flags) + bytes(100))
    if fd < 0:
        continue
    code = insn(0x18, 6, 1, 0, fd) + insn(0) + insn(0x7a, 6) + insn(0xb7) + insn(0x95)
    name = re.search(r"only read from (\w+) is supported", load(code, 3)[1])
    os.close(fd)
    if name:
        print(number, name[1], "" if ROWS.get(number) == name[1] else f"(the table says {ROWS.get(number)})")
        differs += ROWS.get(number) != name[1]
sys.exit(bool(differs))
