#!/usr/bin/env python3
"""Asks the running kernel for the stack depth of functions, as the last lines of a log at level 4 say it: what
core/src/verifier/fast_calls.rs and the stack's rows in core/src/verifier/policy.rs rest on. Prints a line per
program: what it shows, and the depth (a `+` between functions), or the line that rejects it.

    native/probes/stack_depth.py
"""
import re

from bpf import PROGRAM_TYPES, insn, load

RAW_TRACEPOINT, KPROBE = 17, 2
PROCESSOR_ID, RANDOM, READ_KERNEL, TAIL_CALL = 8, 7, 113, 12
EXIT = insn(0x95)


def spill(off, reg, code=0x7b):
    return insn(code, 10, reg, off)


def fill(off, reg, code=0x79):
    return insn(code, reg, 10, off)


def call(helper):
    return insn(0x85, imm=helper)


def mov(reg, imm):
    return insn(0xb7, reg, imm=imm)


def around(*slots):
    """Spills, outermost first, the call, and the fills."""
    return (b"".join(spill(o, r) for o, r in slots) + call(PROCESSOR_ID)
            + b"".join(fill(o, r) for o, r in reversed(slots)))


INIT = b"".join(mov(r, r) for r in (0, 1, 2, 3, 4, 5, 6))
UNKNOWN = call(RANDOM) + insn(0xbf, 6, 0)


def maybe(code):
    """A jump over code, or not."""
    return insn(0x15, 6, 0, len(code) // 8, 5) + code


def dead(code):
    return insn(0x15, 1, 0, len(code) // 8, 1) + code


def chain(*depths):
    """Functions that call each other in turn, with so much stack each."""
    code = b""
    for at, depth in enumerate(depths):
        code += insn(0x7a, 10, 0, -depth) + (insn(0x85, 0, 1, 0, 2) if at + 1 < len(depths) else b"") + mov(0, 0) + EXIT
    return code


def say(what, code, program_type=RAW_TRACEPOINT):
    ret, log = load(code, program_type, level=4)
    depth = re.search(r"^stack depth (.*)$", log, re.M)
    print(f"{what:58} {depth.group(1) if ret == 0 else log.splitlines()[0]}")


FAST = {
    "one pair": around((-8, 1)),
    "five pairs": around(*((-8 * r, r) for r in range(1, 6))),
    "room above": around((-16, 1), (-24, 2)),
    "r0 is not left alone": around((-8, 0)),
    "r6 need not be spilled": around((-8, 6)),
    "a register twice: the inner pair counts": around((-8, 1), (-16, 1)),
    "a gap: the inner pair counts": around((-8, 1), (-32, 2)),
    "the inner pair is not the lowest": around((-16, 1), (-8, 2)),
    "other size": spill(-4, 1, 0x63) + call(PROCESSOR_ID) + fill(-4, 1, 0x61),
    "sign-extending fill": spill(-8, 1) + call(PROCESSOR_ID) + fill(-8, 1, 0x81),
    "spill alone": spill(-8, 1) + call(PROCESSOR_ID),
    "other order of fills": spill(-8, 1) + spill(-16, 2) + call(PROCESSOR_ID) + fill(-8, 1) + fill(-16, 2),
    "another helper": spill(-8, 1) + call(RANDOM) + fill(-8, 1),
    "twice the same slot": around((-8, 1)) + mov(2, 2) + around((-8, 2)),
    "one pair, then two": around((-24, 1)) + mov(2, 2) + around((-16, 1), (-24, 2)),
    "a higher one is not one": around((-24, 1)) + mov(2, 2) + around((-8, 1)),
    "a lower spill that is never made": dead(spill(-40, 1)) + around((-8, 1)),
    "a lower store of other size, never made": dead(spill(-40, 1, 0x63)) + around((-8, 1)),
    "a lower load, never made": dead(fill(-40, 1)) + around((-8, 1)),
    "a dead pair sets the bound": dead(around((-40, 1))) + mov(1, 1) + mov(2, 2) + around((-8, 1)),
    "another access to the slot": around((-8, 1)) + fill(-8, 2),
    "another access above": insn(0x7a, 10, 0, -8) + around((-16, 1)),
    "another access across the bound": insn(0x63, 10, 1, -12) + around((-16, 1)),
    "a helper's access": (around((-8, 1)) + insn(0xbf, 1, 10) + insn(0x07, 1, imm=-8) + mov(2, 1) + mov(3, 0)
                          + call(READ_KERNEL)),
    "the callee reads the caller's slot": (around((-8, 1)) + insn(0xbf, 1, 10) + insn(0x85, 0, 1, 0, 1) + EXIT
                                           + insn(0x79, 0, 1, -8)),
}
JUMPS = {
    "a jump to the spill": UNKNOWN + INIT + maybe(mov(0, 0)) + around((-8, 1)),
    "a jump to the call": UNKNOWN + INIT + maybe(spill(-8, 1)) + call(PROCESSOR_ID) + fill(-8, 1),
    "an offset that is not known": (UNKNOWN + INIT + insn(0x57, 6, imm=8) + insn(0xbf, 7, 10) + insn(0x0f, 7, 6)
                                    + insn(0x71, 0, 7, -16) + around((-16, 1))),
}
for what, code in FAST.items():
    say(what, INIT + code + EXIT)
for what, code in JUMPS.items():
    say(what, code + EXIT)
for number, name in PROGRAM_TYPES.items():
    say(f"400 + 400 bytes, {name}", chain(400, 400), number)
for depths in ((56,) * 8, (512,) * 8, (40, 496, 512)):
    say(f"{depths}, kprobe", chain(*depths), KPROBE)
