#!/usr/bin/env python3
"""Prints what the running kernel expects of each helper's arguments, and which map types each takes: the source of
core/src/helper/prototypes.rs and core/src/verifier/map_call.rs.

    native/probes/helper_arguments.py [HELPER…]

An argument is first left unwritten (does the helper read it?), then an unknown number (what kinds does it expect?).
"""
import pathlib
import re
import struct
import sys

import bpf
from bpf import PROGRAM_TYPES, insn, load

HERE = pathlib.Path(__file__).resolve().parents[2] / "core/src/helper/facts.rs"
FACTS = {int(n): (name, int(p, 16)) for n, name, p in re.findall(
    r'number: (\d+), name: "(\w+)",.*programs: (\w+)', HERE.read_text())}
# Map types that need no BTF: key and value sizes, entries.
MAPS = {1: (4, 8), 2: (4, 8), 3: (4, 4), 4: (4, 4), 5: (4, 8), 6: (4, 8), 7: (4, 512), 8: (4, 4), 9: (4, 8), 14: (4, 4),
        15: (4, 4), 16: (4, 4), 17: (4, 4), 18: (4, 4), 20: (4, 8), 22: (0, 8), 23: (0, 8), 25: (4, 4), 27: (0, 0),
        30: (0, 8), 31: (0, 0)}
END = insn(0xb7) + insn(0x95)


def map_create(kind):
    key, value = MAPS[kind]
    entries = 4096 if kind in (27, 31) else 1
    return bpf.bpf(bpf.MAP_CREATE, struct.pack("<IIIII", kind, key, value, entries, 0) + bytes(100))


FDS = {kind: map_create(kind) for kind in MAPS}
START = insn(0xbf, 6, 1) + b"".join(insn(0x7a, 10, 0, -64 + 8 * at) for at in range(8)) + (
    insn(0x85, imm=7) + insn(0xbf, 8, 0))
SET = {
    "map": lambda reg, kind: insn(0x18, reg, 1, 0, FDS[kind]) + insn(0),
    "memory": lambda reg, _: insn(0xbf, reg, 10) + insn(0x07, reg, imm=-64),
    "size": lambda reg, _: insn(0xb7, reg, imm=8),
    "context": lambda reg, _: insn(0xbf, reg, 6),
    "any": lambda reg, _: insn(0xbf, reg, 8),
    "null": lambda reg, _: insn(0xb7, reg),
}


def ask(code, program_type):
    ret, log = load(code, program_type)
    lines = [l for l in log.splitlines() if l and not re.match(
        r"\d+: |processed|verification|stack depth|mark_precise|from |;|func#|Live|live", l)]
    return ret, lines[-1] if lines else ""


def arguments(number, program_type):
    given, seen = [], []
    for reg in range(1, 6):
        base = START + b"".join(SET[kind](at + 1, what) for at, (kind, what) in enumerate(given))
        call = insn(0x85, imm=number) + END
        if f"R{reg} !read_ok" not in ask(base + call, program_type)[1]:
            break
        text = ask(base + insn(0xbf, reg, 8) + call, program_type)[1]
        expected = re.search(rf"R{reg} type=scalar expected=(.*)", text)
        null = "R%d type" % reg not in ask(base + insn(0xb7, reg) + call, program_type)[1]
        if not expected:
            sized = re.match(rf"R{reg} (min value|unbounded|is not a known constant)", text)
            given.append(("size" if sized else "any", None))
            seen.append("size" if sized else "anything")
            continue
        seen.append(expected[1].strip() + (" or null" if null else ""))
        if expected[1].strip() == "map_ptr":
            given.append(("map", 1))
        elif expected[1].startswith(("ctx", "fp")):
            given.append(("context" if expected[1].startswith("ctx") else "memory", None))
        elif null:
            given.append(("null", None))
        else:
            break
    # The kernel looks at a map's type after all arguments.
    for at, (kind, _) in enumerate(given):
        if kind == "map" and len(given) == len(seen):
            def refused(map_type):
                code = b"".join(
                    SET[k](i + 1, map_type if i == at else what) for i, (k, what) in enumerate(given))
                return "cannot pass map_type" in ask(START + code + insn(0x85, imm=number) + END, program_type)[1]
            seen[at] += f" {[k for k in MAPS if not refused(k)]}"
    return tuple(seen)


if __name__ == "__main__":
    for number in map(int, sys.argv[1:] or FACTS):
        name, programs = FACTS[number]
        found = {}
        for program_type in (t for t in PROGRAM_TYPES if programs >> t & 1):
            found.setdefault(arguments(number, program_type), []).append(PROGRAM_TYPES[program_type])
        for seen, types in found.items():
            print(f"{name}#{number}({' | '.join(seen)})" + (f" in {', '.join(types)}" if len(found) > 1 else ""))
