#!/usr/bin/env python3
"""Asks the running kernel what it makes of arena pointers: what core/src/verifier/arena.rs rests on. Prints a line
per program: what it shows, and what the register holds afterwards, or the line that rejects it.

    native/probes/arena.py
"""
import ctypes
import os
import re
import struct

from bpf import MAP_CREATE, bpf, insn, load

SYSCALL, SOCKET_FILTER, SCHED_CLS, RAW_TRACEPOINT = 31, 1, 3, 17
ARENA, ARRAY = 33, 2
MMAPABLE, NO_USER_CONV = 1 << 10, 1 << 18
START = 0x1000_0000_0000


def create(kind, key, value, entries, flags=0, extra=0):
    attr = struct.pack("<IIIIIII16sIIIIIQ", kind, key, value, entries, flags, 0, 0, b"m", 0, 0, 0, 0, 0, extra)
    return bpf(MAP_CREATE, attr)


EXIT = insn(0x95)


def mov(reg, imm):
    return insn(0xb7, reg, imm=imm)


def copy(dst, src):
    return insn(0xbf, dst, src)


def ld_map(reg, fd, value=False, off=0):
    return insn(0x18, reg, 2 if value else 1, 0, fd) + insn(0, imm=off)


def cast(dst, src, imm=1, off=1):
    return insn(0xbf, dst, src, off, imm)


def say(what, code, program_type=SYSCALL, level=2, flags=None):
    ret, log = load(code, program_type, level=level, flags=flags)
    lines = [l for l in log.splitlines() if not l.startswith(("processed", "verification", "stack depth"))]
    shown = [l.split(";", 1)[1].strip() for l in lines if re.match(r"\d+: \(", l) and ";" in l]
    last = lines[-1] if ret and lines else next((s for s in reversed(shown) if s != "R0=0"), "")
    print(f"{what}: {ret} {last!r}")


def main():
    arena = create(ARENA, 0, 0, 10, MMAPABLE, START)
    other = create(ARENA, 0, 0, 10, MMAPABLE, START + (1 << 32))
    homeless = create(ARENA, 0, 0, 10, MMAPABLE)
    array = create(ARRAY, 4, 16, 1)
    use = ld_map(9, arena)
    p = use + mov(2, 4096) + cast(2, 2)  # r2 = arena
    end = mov(0, 0) + EXIT
    print("# maps")
    say("no arena", mov(2, 0) + cast(2, 2) + end)
    say("two arenas", use + ld_map(8, other) + end)
    say("no user address", ld_map(8, homeless) + end)
    for t in (SOCKET_FILTER, SCHED_CLS, RAW_TRACEPOINT, 2, 6):
        say(f"type {t}", p + end, t)
    say("value of an arena", ld_map(2, arena, True, 8) + copy(3, 2) + end)
    say("value past its end", ld_map(2, arena, True, 10 * 4096) + end)
    say("value at its end", ld_map(2, arena, True, 10 * 4096 - 1) + end)
    say("value far past its end", ld_map(2, arena, True, 0x7fffffff) + end)
    print("# casts")
    for imm in (0, 1, 2, 1 << 16, 1 | 1 << 16, 3 << 16):
        say(f"cast imm {imm:#x}", use + mov(2, 1) + cast(2, 2, imm) + end)
    say("cast of 32 bits", use + mov(2, 1) + insn(0xbc, 2, 2, 1, 1) + end)
    say("cast off 2", use + mov(2, 1) + insn(0xbf, 2, 2, 2, 1) + end)
    say("cast of the context", use + cast(1, 1) + end)
    say("cast of the frame pointer", use + cast(2, 10) + end)
    say("cast of a map", use + cast(2, 9) + end)
    say("cast of uninitialised", use + cast(2, 3) + end)
    say("cast of arena to kernel", p + cast(3, 2) + end)
    say("cast of arena to user", p + cast(3, 2, 1 << 16) + end)
    say("cast of arena to user, itself", p + cast(2, 2, 1 << 16) + end)
    say("cast to r10", use + cast(10, 2) + end)
    say("cast of a number to user", use + mov(2, 7) + cast(3, 2, 1 << 16) + end)
    print("# arithmetic")
    for name, op in (("add", 0), ("sub", 1), ("mul", 2), ("div", 3), ("or", 4), ("and", 5), ("lsh", 6), ("rsh", 7),
                     ("mod", 9), ("xor", 10), ("arsh", 12)):
        say(f"arena {name} 64 imm", p + insn(0x07 | op << 4, 2, imm=4) + end)
        say(f"arena {name} 32 imm", p + insn(0x04 | op << 4, 2, imm=4) + end)
        say(f"arena {name} 64 reg", p + mov(3, 4) + insn(0x0f | op << 4, 2, 3) + end)
        say(f"number {name} 64 arena", p + mov(3, 4) + insn(0x0f | op << 4, 3, 2) + end)
        say(f"number {name} 32 arena", p + mov(3, 4) + insn(0x0c | op << 4, 3, 2) + end)
        say(f"arena {name} arena", p + copy(3, 2) + insn(0x0f | op << 4, 3, 2) + end)
        say(f"ctx {name} arena", p + insn(0x0f | op << 4, 1, 2) + end)
        say(f"arena {name} ctx", p + insn(0x0f | op << 4, 2, 1) + end)
    say("fp add arena", p + copy(3, 10) + insn(0x0f, 3, 2) + end)
    say("arena add fp", p + insn(0x0f, 2, 10) + end)
    say("neg", p + insn(0x87, 2) + end)
    say("neg 32", p + insn(0x84, 2) + end)
    say("swap", p + insn(0xd7, 2, imm=32) + end)
    say("swap le", p + insn(0xd4, 2, imm=64) + end)
    say("mov", p + copy(3, 2) + end)
    say("mov 32", p + insn(0xbc, 3, 2) + end)
    say("movsx 64", p + insn(0xbf, 3, 2, 8) + end)
    say("movsx 32", p + insn(0xbc, 3, 2, 8) + end)
    say("unknown add", p + insn(0x61, 3, 1, 0) + insn(0x0f, 2, 3) + end)
    print("# accesses")
    for size, code in ((1, 0x71), (2, 0x69), (4, 0x61), (8, 0x79)):
        say(f"load {size}", p + insn(code, 3, 2, 1) + end)
    for size, code in ((1, 0x91), (2, 0x89), (4, 0x81)):
        say(f"load signed {size}", p + insn(code, 3, 2, 1) + end)
    say("load far", p + insn(0x79, 3, 2, 32767) + insn(0x79, 4, 2, -32768) + end)
    for size, code in ((1, 0x72), (2, 0x6a), (4, 0x62), (8, 0x7a)):
        say(f"store imm {size}", p + insn(code, 2, 0, 1, 5) + end)
    for name, reg in (("arena", 2), ("ctx", 1), ("fp", 10), ("map", 9), ("number", 7)):
        say(f"store {name}", p + mov(7, 1) + insn(0x7b, 2, reg, 0) + end)
        say(f"store 4 of {name}", p + mov(7, 1) + insn(0x63, 2, reg, 0) + end)
    say("load through itself", p + insn(0x79, 2, 2, 0) + end)
    for name, imm in (("add", 0), ("fetch add", 1), ("or", 0x40), ("and fetch", 0x51), ("xchg", 0xe1), ("cmpxchg", 0xf1),
                      ("acquire", 0x100), ("release", 0x110)):
        for size, code in ((1, 0xd3), (2, 0xcb), (4, 0xc3), (8, 0xdb)):
            for off in (0, 1):
                dst, src = (3, 2) if imm == 0x100 else (2, 3)
                say(f"atomic {name} {size} off {off}", p + mov(3, 1) + mov(0, 1) + insn(code, dst, src, off, imm) + end)
    say("atomic xchg of arena", p + copy(3, 2) + insn(0xdb, 2, 3, 0, 0xe1) + end)
    say("atomic xchg of ctx", p + insn(0xdb, 2, 1, 0, 0xe1) + end)
    say("atomic cmpxchg with arena in r0", p + copy(0, 2) + mov(3, 1) + insn(0xdb, 2, 3, 0, 0xf1) + end)
    print("# the same instruction with other pointers")
    for name, reg in (("fp", 10), ("ctx", 1), ("map value", 8)):
        init = insn(0x7a, 10, 0, -8, 0) + ld_map(8, array, True)
        say(f"load: arena, or {name}", 
            init + ld_map(9, arena) + copy(6, 1) + insn(0x85, imm=7) + mov(2, 4096) + cast(2, 2) + copy(1, 6)
            + copy(4, reg) + insn(0x07, 4, imm=-8 if reg == 10 else 0) + insn(0x15, 0, 0, 1, 0) + copy(4, 2)
            + insn(0x61, 3, 4, 0) + end)
        say(f"load: {name}, or arena",
            init + ld_map(9, arena) + copy(6, 1) + insn(0x85, imm=7) + mov(2, 4096) + cast(2, 2) + copy(1, 6)
            + copy(4, reg) + insn(0x07, 4, imm=-8 if reg == 10 else 0) + insn(0x15, 0, 0, 1, 0) + insn(0x05, off=1) + copy(4, 2)
            + insn(0x61, 3, 4, 0) + end)
        say(f"store: arena, or {name}",
            init + ld_map(9, arena) + copy(6, 1) + insn(0x85, imm=7) + mov(2, 4096) + cast(2, 2) + copy(1, 6)
            + copy(4, reg) + insn(0x07, 4, imm=-8 if reg == 10 else 0) + insn(0x15, 0, 0, 1, 0) + copy(4, 2)
            + insn(0x62, 4, 0, 0, 1) + end)
        say(f"add: arena, or {name}",
            init + ld_map(9, arena) + copy(6, 1) + insn(0x85, imm=7) + mov(2, 4096) + cast(2, 2) + copy(1, 6)
            + copy(4, reg) + insn(0x15, 0, 0, 1, 0) + copy(4, 2)
            + insn(0x07, 4, imm=0) + end)
        say(f"add: arena, or number",
            init + ld_map(9, arena) + copy(6, 1) + insn(0x85, imm=7) + mov(2, 4096) + cast(2, 2) + copy(1, 6)
            + mov(4, 1) + insn(0x15, 0, 0, 1, 0) + copy(4, 2)
            + insn(0x07, 4, imm=8) + end)
    say("atomic: arena, or fp", insn(0x7a, 10, 0, -8, 0) + ld_map(9, arena) + insn(0x85, imm=7) + mov(2, 4096) + cast(2, 2)
        + copy(4, 10) + insn(0x07, 4, imm=-8) + insn(0x15, 0, 0, 1, 0) + copy(4, 2) + mov(3, 1) + insn(0xdb, 4, 3, 0, 0) + end)
    print("# jumps")
    say("arena == 0", p + insn(0x15, 2, 0, 1, 0) + mov(3, 1) + end)
    say("arena == 5", p + insn(0x15, 2, 0, 1, 5) + mov(3, 1) + end)
    say("arena == r3", p + mov(3, 1) + insn(0x1d, 2, 3, 1) + mov(3, 1) + end)
    say("r3 < arena", p + mov(3, 1) + insn(0xad, 3, 2, 1) + mov(3, 1) + end)
    say("arena < arena", p + copy(3, 2) + insn(0xad, 3, 2, 1) + mov(3, 1) + end)
    say("arena w== 0", p + insn(0x16, 2, 0, 1, 0) + mov(3, 1) + end)
    say("arena s> ctx", p + insn(0x6d, 2, 1, 1) + mov(3, 1) + end)
    print("# elsewhere")
    say("spill and fill", p + insn(0x7b, 10, 2, -8) + insn(0x79, 3, 10, -8) + end)
    say("partial spill", p + insn(0x63, 10, 2, -8) + insn(0x61, 3, 10, -8) + end)
    say("into a map", p + ld_map(3, array, True) + insn(0x7b, 3, 2, 0) + end)
    say("into the context", p + insn(0x7b, 1, 2, 0) + end)
    say("into fp by atomic", p + insn(0x7a, 10, 0, -8, 0) + insn(0xdb, 10, 2, -8, 0) + end)
    say("returned", p + copy(0, 2) + EXIT)
    say("returned by a tracepoint", p + copy(0, 2) + EXIT, RAW_TRACEPOINT)
    say("returned by a filter", p + copy(0, 2) + EXIT, SOCKET_FILTER)
    say("as a map's key", p + ld_map(1, array) + insn(0x85, imm=1) + end)
    say("as a size", p + copy(1, 10) + insn(0x07, 1, imm=-8) + mov(3, 0) + insn(0x85, imm=113) + end)
    say("as anything", p + copy(3, 2) + copy(1, 10) + insn(0x07, 1, imm=-8) + mov(2, 8) + insn(0x85, imm=113) + end)
    say("local call", ld_map(9, arena) + mov(1, 8) + cast(1, 1) + insn(0x85, 0, 1, 0, 2) + mov(0, 0) + EXIT
        + insn(0x79, 0, 1, 0) + EXIT)
    say("local call returns it", ld_map(9, arena) + mov(1, 8) + cast(1, 1) + insn(0x85, 0, 1, 0, 2) + mov(0, 0) + EXIT
        + copy(0, 1) + EXIT)
    say("arena map look-up", ld_map(1, arena) + copy(2, 10) + insn(0x07, 2, imm=-8) + insn(0x7a, 10, 0, -8, 0) + insn(0x85, imm=1) + end)
    for helper in (1, 2, 3, 87, 88, 89, 164, 195):
        say(f"arena map in helper {helper}", ld_map(1, arena) + copy(2, 10) + insn(0x07, 2, imm=-8) + insn(0x7a, 10, 0, -8, 0)
            + copy(3, 2) + mov(4, 0) + insn(0x85, imm=helper) + end)
    for fd in (arena, other, homeless, array):
        os.close(fd)


if __name__ == "__main__":
    main()
