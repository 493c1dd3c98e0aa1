#!/usr/bin/env python3
"""Holds the rows of core/src/helper/rows.rs against the running kernel: for each helper a call whose arguments are as
its row says, and calls with one argument changed. Prints what differs; exits with 1 if anything does.

    native/probes/prototypes.py
"""
import pathlib
import re
import struct
import sys

import bpf
from bpf import PROGRAM_TYPES, insn, load

HERE = pathlib.Path(__file__).resolve().parents[2] / "core/src/helper"
FACTS = {int(n): (name, int(p, 16)) for n, name, p in re.findall(
    r'number: (\d+), name: "(\w+)",.*programs: (\w+)', (HERE / "facts.rs").read_text())}
ROWS = {int(n): ([a.strip() for a in args.split(",") if a.strip()], ret, effects) for n, args, ret, effects in re.findall(
    r"^    (\d+) => [\w:]+, \[(.*?)\] -> Ret::(\w+), (\w+);", (HERE / "rows.rs").read_text(), re.M)}
PACKET_TYPES = [3, 6, 12]
IN, OUT = ("IN", "IN_OR_NULL"), ("OUT", "OUT_OR_NULL")
FIXED = {"NUMBER": 8, "MTU": 4}


def map_create(kind, key, value, flags=0):
    return bpf.bpf(bpf.MAP_CREATE, struct.pack("<IIIII", kind, key, value, 1, flags) + bytes(100))


def frozen():
    fd = map_create(2, 4, 16, 0x80)
    bpf.bpf(22, struct.pack("<i", fd))  # BPF_MAP_FREEZE; its value is an empty string
    return fd


ARRAY, QUEUE, STRING = map_create(2, 4, 8), map_create(22, 0, 8), frozen()


def mov(dst, src, add=0):
    return insn(0xbf, dst, src) + (insn(0x07, dst, imm=add) if add else b"")


def load_map(dst, fd, pseudo=1):
    return insn(0x18, dst, pseudo, 0, fd) + insn(0)


def argument(number, index, kind, changed):
    """Code that sets an argument; `changed` is what to do with it instead of what the row says."""
    reg = index + 1
    if changed == "packet":
        return mov(reg, 7)
    if changed == "uninitialised":
        return mov(reg, 10, -256)
    if changed == "zero":
        return insn(0xb7, reg)
    if kind == "ConstMap":
        return load_map(reg, QUEUE if number in (87, 88, 89) else ARRAY)
    if kind == "ConstString":
        return load_map(reg, STRING, 2)
    if kind in ("Context", "CONTEXT_OR_NULL"):
        return mov(reg, 6)
    if kind in ("Size", "SizeOrZero"):
        return insn(0xb7, reg, imm=8)
    if kind == "Anything":
        return insn(0xb7, reg)
    return mov(reg, 10, -64)


def call(number, args, changes=(), use_packet=False):
    code = mov(6, 1)
    for at in range(8):
        code += insn(0x7a, 10, 0, -64 + 8 * at)
    if use_packet:
        data = 0 if use_packet == 6 else 76
        code += insn(0x61, 7, 6, data) + insn(0x61, 8, 6, data + 4) + mov(9, 7, 32)
        code += insn(0xbd, 9, 8, 2) + insn(0xb7) + insn(0x95)
    for index, kind in enumerate(args):
        code += argument(number, index, kind, dict(changes).get(index))
    return code + insn(0x85, imm=number)


END = insn(0xb7) + insn(0x95)
# As ELSEWHERE, NOT_BUILT_IN and UNSUPPORTED_IN say.
SEND = {3, 4, 10, 11, 12, 19}
OTHERWISE = {17: set(PROGRAM_TYPES) - SEND, 46: {21, 31}, 173: set(PROGRAM_TYPES) - {2, 26}, 188: {31}}


def answer(code, program_type):
    ret, log = load(code, program_type, level=1)
    lines = [l for l in log.splitlines() if l and not re.match(
        r"\d+: |processed|verification|stack depth|mark_precise|from |;|func#|Live|live", l)]
    return ret, lines[-1] if lines else ""


def types(number):
    return [t for t in PROGRAM_TYPES if FACTS[number][1] >> t & 1 and t not in OTHERWISE.get(number, ())]


wrong = []
for number, (args, ret, effects) in ROWS.items():
    name = f"{FACTS[number][0]}#{number}"

    def differs(what, text):
        wrong.append(f"{name}: {what}: {text}")

    for program_type in types(number):
        code, text = answer(call(number, args) + END, program_type)
        if code and "At program exit" not in text:
            differs(f"as the row says, in {PROGRAM_TYPES[program_type]}", text)
    first = types(number)[0]
    for index, kind in enumerate(args):
        if kind in IN + OUT + ("MapKey", "MapValue", "UninitMapValue") or kind in FIXED:
            # A program with the right to read anything may hand uninitialised stack to a helper.
            code, text = answer(call(number, args, [(index, "uninitialised")]) + END, first)
            if code:
                differs(f"argument {index + 1} uninitialised", text)
        if kind in ("Size", "SizeOrZero"):
            code, text = answer(call(number, args, [(index, "zero")]) + END, first)
            refused = code != 0 and "zero" in text
            if refused != (kind == "Size"):
                differs(f"argument {index + 1} of size 0", text or "taken")
        if kind.endswith("_OR_NULL") or kind in IN + OUT + ("Context",):
            code, text = answer(call(number, args, [(index, "zero")] + (
                [(index + 1, "zero")] if args[index + 1:][:1] == ["SizeOrZero"] else [])) + END, first)
            if (code == 0) != kind.endswith("_OR_NULL") and not (kind in IN + OUT and args[index + 1] == "SizeOrZero"):
                differs(f"argument {index + 1} null", text or "taken")
    packet_types = [t for t in PACKET_TYPES if t in types(number)]
    if packet_types:
        t = packet_types[0]
        for index, kind in enumerate(args):
            if kind in IN + OUT + ("MapKey", "MapValue", "UninitMapValue") or kind in FIXED:
                code, text = answer(call(number, args, [(index, "packet")], t) + END, t)
                taken = "helper access to the packet" not in text
                if taken != (effects in ("PACKET", "BOTH")):
                    differs(f"argument {index + 1} in the packet", text or "taken")
        code, text = answer(call(number, args, [], t) + insn(0x71, 0, 7) + END, t)
        if ("invalid mem access" in text) != (effects in ("MOVES", "BOTH")):
            differs("packet pointers afterwards", text or "valid")
    code, text = answer(call(number, args) + mov(1, 0) + END, first)
    if (ret == "Void") != ("R0 !read_ok" in text):
        differs("result", text or "readable")
for line in wrong:
    print(line)
print(f"{len(ROWS)} rows, {len(wrong)} differences")
sys.exit(bool(wrong))
