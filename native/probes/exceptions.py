#!/usr/bin/env python3
"""Asks the running kernel about exception callbacks: functions that a tag of the program's own names
(`exception_callback:NAME`). Prints a line per program: what it shows, and what the log ends in: what
core/src/verifier/exceptions.rs rests on.

    native/probes/exceptions.py
"""
import ctypes
import os
import struct

import btf
from bpf import PROG_LOAD, bpf, insn

BTF_LOAD = 18
STATIC, GLOBAL = 0, 1
SCHED_CLS, CGROUP_SKB, XDP, SOCKET_FILTER = 3, 8, 6, 1
EXIT = insn(0x95)
FUNCTIONS = dict(btf.kernel().kernel_functions())
THROW = insn(0x85, 0, 2, 0, FUNCTIONS["bpf_throw"])


def mov(reg, imm):
    return insn(0xb7, reg, imm=imm)


class Types:
    """BTF in the making."""

    def __init__(self):
        self.types, self.strings, self.count = b"", b"\0", 0

    def text(self, text):
        at = len(self.strings)
        self.strings += text.encode() + b"\0"
        return at

    def add(self, name, kind, info, tail=b"", size=0):
        self.types += struct.pack("<III", self.text(name) if name else 0, kind << 24 | info, size) + tail
        self.count += 1
        return self.count

    def bytes(self):
        head = struct.pack("<HBBIIIII", 0xeb9f, 1, 0, 24, 0, len(self.types), len(self.types), len(self.strings))
        return head + self.types + self.strings


def load(parts, tags, program_type=SCHED_CLS, tagged=0, known=None):
    """Functions as (name, code, linkage, parameters, returns), and tags of the one at an index; `known` is how many of
    them func_info has."""
    t = Types()
    integer = t.add("int", 1, 0, struct.pack("<I", 1 << 24 | 32), 4)
    wide = t.add("u64", 1, 0, struct.pack("<I", 64), 8)
    context = t.add("__sk_buff", 7, 0)
    pointer = t.add("", 2, 0, size=context)
    by_name = {"int": integer, "u64": wide, "ctx": pointer, "void": 0}
    ids, code, info = [], b"", b""
    for name, body, linkage, parameters, returns in parts:
        arguments = b"".join(struct.pack("<II", t.text(f"a{n}"), by_name[p]) for n, p in enumerate(parameters))
        proto = t.add("", 13, len(parameters), arguments, by_name[returns])
        ids.append(t.add(name, 12, linkage, size=proto))
        info += struct.pack("<II", len(code) // 8, ids[-1])
        code += body
    for tag in tags:
        t.add(tag, 17, 0, struct.pack("<i", -1), ids[tagged])
    data = t.bytes()
    blob = ctypes.create_string_buffer(data, len(data))
    types = bpf(BTF_LOAD, struct.pack("<QQIII", ctypes.addressof(blob), 0, len(data), 0, 0))
    if types < 0:
        return types, "types"
    insns, infos = ctypes.create_string_buffer(code, len(code)), ctypes.create_string_buffer(info, len(info))
    log, license = ctypes.create_string_buffer(1 << 20), ctypes.create_string_buffer(b"GPL")
    attr = struct.pack("<IIQQIIQII16sIIIIQIIQII", program_type, len(code) // 8, ctypes.addressof(insns),
                       ctypes.addressof(license), 2, 1 << 20, ctypes.addressof(log), 0, 0, b"", 0, 0, types, 8,
                       ctypes.addressof(infos), len(info) // 8 if known is None else known, 0, 0, 0, 0)
    fd = bpf(PROG_LOAD, attr)
    os.close(types)
    if fd >= 0:
        os.close(fd)
    return min(fd, 0), log.value.decode()


def say(what, *args, **more):
    ret, log = load(*args, **more)
    lines = [l for l in log.splitlines() if not l.startswith(("processed", "verification", "stack depth"))]
    depth = next((l for l in log.splitlines() if l.startswith("stack depth")), "")
    print(f"{what}: {ret} {lines[-2:]!r} {depth}")


def main():
    back = mov(0, 0) + EXIT
    program = ("main", mov(1, 7) + THROW + back, GLOBAL, ["ctx"], "int")
    quiet = ("main", back, GLOBAL, ["ctx"], "int")
    callback = ("cb", insn(0xbf, 0, 1) + EXIT, GLOBAL, ["u64"], "int")
    tag = ["exception_callback:cb"]
    say("a callback", [program, callback], tag)
    say("a callback without a throw", [quiet, callback], tag)
    say("no tag", [program, callback], [])
    say("a name that is none", [program, callback], ["exception_callback:other"])
    say("no name", [program, callback], ["exception_callback:"])
    say("two tags", [program, callback], tag + tag)
    say("two names", [program, callback], tag + ["exception_callback:other"])
    say("the program itself", [program], ["exception_callback:main"])
    say("not in func_info", [program, callback], tag, known=1)
    say("none in func_info", [program, callback], tag, known=0)
    say("a static one", [program, (*callback[:2], STATIC, *callback[3:])], tag)
    say("tag of the callback", [program, callback], ["exception_callback:cb"], tagged=1)
    for parameters in ([], ["int"], ["ctx"], ["u64", "u64"]):
        say(f"parameters {parameters}", [program, ("cb", back, GLOBAL, parameters, "int")], tag)
    for returns in ("void", "u64", "ctx"):
        say(f"returns {returns}", [program, ("cb", back, GLOBAL, ["u64"], returns)], tag)
    say("returns a pointer", [program, ("cb", insn(0xbf, 0, 10) + EXIT, GLOBAL, ["u64"], "int")], tag)
    say("returns out of range", [program, callback], tag, CGROUP_SKB)
    say("returns in range", [program, ("cb", mov(0, 1) + EXIT, GLOBAL, ["u64"], "int")], tag, CGROUP_SKB)
    say("throws out of range", [("main", insn(0x61, 1, 1, 0) + THROW + back, GLOBAL, ["ctx"], "int")], [], CGROUP_SKB)
    say("throws out of range, a callback", [("main", insn(0x61, 1, 1, 0) + THROW + back, GLOBAL, ["ctx"], "int"),
                                            ("cb", mov(0, 1) + EXIT, GLOBAL, ["u64"], "int")], tag, CGROUP_SKB)
    say("throws itself", [program, ("cb", mov(1, 1) + THROW + back, GLOBAL, ["u64"], "int")], tag)
    calls = ("main", insn(0x85, 0, 1, 0, 2) + back, GLOBAL, ["ctx"], "int")
    say("is called", [("main", mov(1, 1) + insn(0x85, 0, 1, 0, 2) + back, GLOBAL, ["ctx"], "int"), callback], tag)
    static = ("sub", mov(1, 1) + THROW + back, STATIC, [], "int")
    say("a static function throws", [calls, static], [])
    say("a global function throws", [calls, ("sub", *static[1:2], GLOBAL, [], "int")], [])
    say("throws a pointer", [("main", THROW + back, GLOBAL, ["ctx"], "int")], [])
    say("throws nothing known", [("main", insn(0x85, imm=7) + THROW + back, GLOBAL, ["ctx"], "int")], [])
    say("a type that may not", [program], [], SOCKET_FILTER)
    say("order: callback first", [quiet, callback, ("dead", back, GLOBAL, [], "int")], tag)
    say("callback calls a function", [program, ("cb", insn(0x85, 0, 1, 0, 1) + EXIT, GLOBAL, ["u64"], "int"),
                                      ("sub", insn(0x7a, 10, 0, -16) + back, STATIC, [], "int")], tag)


if __name__ == "__main__":
    main()
