#!/usr/bin/env python3
"""Shows what the running kernel walks by guess for a loader without CAP_PERFMON: the source of the rules in
core/src/verifier/speculation.rs.

    native/probes/speculation.py [ROW…]

Each row is a program. Printed are the answer, how many guessed paths the log begins, and the messages in it.
"""
import errno
import re
import struct
import sys

import bpf
from bpf import insn, load

CAPABILITIES = 1 << 39 | 1 << 12  # CAP_BPF, CAP_NET_ADMIN
MAP = bpf.bpf(bpf.MAP_CREATE, struct.pack("<IIIII", 1, 8, 48, 1, 0) + bytes(100))


def move(dst, imm):
    return insn(0xb7, dst, imm=imm)


def add(dst, src):
    return insn(0x0f, dst, src)


def jump_if_zero(reg, off):
    return insn(0x15, reg, 0, off)


EXIT = move(0, 0) + insn(0x95)
CONTEXT_TO_R6 = insn(0xbf, 6, 1)
# r0 = r7 = a value of the map; the program ends where there is none.
VALUE = (insn(0x7a, 10, 0, -8) + insn(0xbf, 2, 10) + insn(0x07, 2, imm=-8) + insn(0x18, 1, 1, 0, MAP) + insn(0)
         + insn(0x85, imm=1) + insn(0x55, 0, 0, 2) + EXIT + insn(0xbf, 7, 0))
UNKNOWN = insn(0x79, 8, 7, 0)  # r8 = *(u64 *)(r7 +0)
MASKED = UNKNOWN + insn(0x57, 8, imm=7)
KNOWN = move(9, 0)


def guessed(code):
    """The code on a path that is taken by guess alone, before the end."""
    return KNOWN + jump_if_zero(9, len(code) // 8) + code


ROWS = {
    "a known branch is walked the other way too": guessed(move(3, 1)) + EXIT,
    "an error ends a guessed path": guessed(insn(0x79, 3, 5, 0)) + EXIT,
    "a store to the stack ends it": guessed(insn(0x7a, 10, 0, -8, 1) + insn(0x79, 3, 5, 0)) + EXIT,
    "a store over numbers does not": VALUE + MASKED + insn(0x73, 10, 8, -9)
    + guessed(insn(0x72, 10, 0, -9, 1) + insn(0x79, 3, 5, 0)) + EXIT,
    "a sum with an unknown number is walked as if nothing was added": VALUE + MASKED + add(0, 8) + EXIT,
    "a sum with a known number is not": VALUE + move(8, 4) + add(0, 8) + EXIT,
    "nor is one with a constant of the instruction": VALUE + insn(0x07, 0, imm=4) + EXIT,
    "the number's sign is known": VALUE + MASKED + insn(0x17, 8, imm=4) + insn(0x07, 0, imm=8) + add(0, 8) + EXIT,
    "the context can't be guarded": move(2, 4) + add(1, 2) + EXIT,
    "but by guess it is added to": CONTEXT_TO_R6 + guessed(move(2, 4) + add(6, 2)) + EXIT,
    "the stack's end can't be guarded": insn(0xbf, 2, 10) + insn(0x07, 2, imm=-512) + move(3, 8) + add(2, 3) + EXIT,
    "other paths' sums are alike": VALUE + UNKNOWN + move(3, 4) + jump_if_zero(8, 1) + move(3, 8) + add(0, 3) + EXIT,
    "a pointer on one path, a number on the other": VALUE + UNKNOWN + move(3, 4) + jump_if_zero(8, 1) + move(0, 8)
    + add(0, 3) + EXIT,
}


def main():
    for name, code in ROWS.items():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        bpf.limit(CAPABILITIES)
        ret, log = load(code, 1, level=2)
        bpf.limit(-1)
        walk = log[log.find("0: R1="):]
        messages = [line for line in walk.splitlines() if re.match(r"[A-Z]\w* ", line) or line.startswith("invalid")]
        guesses = walk.count("(speculative execution)")
        print(f"{name}: {errno.errorcode.get(-ret, 'ok')}, {guesses} guessed", *messages, sep="\n    ")


if __name__ == "__main__":
    main()
