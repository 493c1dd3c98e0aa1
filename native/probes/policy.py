#!/usr/bin/env python3
"""Asks the running kernel what it chose where a verifier is free: the rows of core/src/verifier/policy.rs. Prints a
line per row, its name and what this kernel has there. With GLASSHIVE_LIBRARY set it asks that library.

    native/probes/policy.py

Each is found from outside: by the least or largest program that is answered in another way, or by the counters that end a log.
"""
import ctypes
import errno
import re
import struct

from bpf import MAP_CREATE, bpf, close, insn, limit, load

SOCKET_FILTER, XDP, KPROBE = 1, 6, 2
RANDOM, LOOP = 7, 181
BTF_LOAD = 18
TEST_STATE_FREQ = 8
EXIT = insn(0x95)
NEXT = insn(0x05)  # goto +0


def mov(reg, imm):
    return insn(0xb7, reg, imm=imm)


def copy(to, of):
    return insn(0xbf, to, of)


def add(reg, imm):
    return insn(0x07, reg, imm=imm)


def wide(reg, source, imm):
    return insn(0x18, reg, source, imm=imm) + insn(0)


ZERO = mov(0, 0)
UNKNOWN = insn(0x85, imm=RANDOM)


def ask(code, program_type=SOCKET_FILTER, level=1, flags=0):
    ret, log = load(code, program_type, level=level, flags=flags)
    return ret == 0, log


def counters(code, **rest):
    accepted, log = ask(code, **rest)
    assert accepted, log
    words = log.splitlines()[-1].split()
    return {name: int(words[words.index(name) + 1]) for name in ("max_states_per_insn", "total_states", "peak_states")}


def kept(code, **rest):
    return counters(code, **rest)["total_states"]


def least(holds, first, last):
    """The least number at which it holds, and goes on to hold."""
    while first < last:
        middle = (first + last) // 2
        first, last = (first, middle) if holds(middle) else (middle + 1, last)
    return first


def number(pattern, log):
    return int(re.search(pattern, log).group(1))


def max_processed():
    again = add(6, 1) + insn(0xa5, 6, 0, -2, 0x7fffffff)
    return number(r"Processed (\d+) insn", ask(mov(6, 0) + again + ZERO + EXIT)[1]) - 1


def max_pending():
    many = b"".join(insn(0x15, 0, 0, 0, at + 1) for at in range(9000))
    return number(r"sequence of (\d+) jumps", ask(UNKNOWN + many + ZERO + EXIT)[1]) - 1


def keep_after_jumps():
    def program(jumps):
        return ZERO * 50 + NEXT * jumps + EXIT
    none = kept(program(0))
    return least(lambda jumps: kept(program(jumps)) > none, 0, 10)


def keep_after_insns():
    """The exit counts, as it was begun when states are compared before it."""
    def program(moves):
        return ZERO + NEXT * 2 + ZERO * moves + NEXT + EXIT
    none = kept(program(0))
    return least(lambda moves: kept(program(moves)) > none, 0, 30) + 5


def loop(insns, rounds):
    """A loop of so many instructions, one of them a jump."""
    return ZERO + mov(6, 0) + add(6, 1) + mov(7, 0) * (insns - 2) + insn(
        0xa5, 6, 0, -insns, rounds) + EXIT


def keep_in_loop_after_jumps():
    """Rounds between two states that are kept, in a loop of few instructions."""
    counts = [kept(loop(2, rounds)) for rounds in range(30, 100)]
    grown = [at for at in range(1, len(counts)) if counts[at] > counts[at - 1]]
    return grown[1] - grown[0]


def keep_in_loop_after_insns():
    """Two rounds of the shortest loop in which every second round keeps a state."""
    return 2 * least(lambda insns: kept(loop(insns, 80)) - kept(loop(insns, 40)) >= 20, 20, 90)


def keep_after_history():
    """Stores to the stack are remembered; then one jump, after which a state would not be kept."""
    def program(stores):
        return ZERO + insn(0x7a, 10, 0, -8) * stores + NEXT + EXIT
    none = kept(program(0))
    return least(lambda stores: kept(program(stores)) > none, 0, 100) - 1


def drop_after_misses():
    """A state for each round, of which none covers another: those of more misses are gone."""
    return counters(loop(2, 50), flags=TEST_STATE_FREQ)["max_states_per_insn"] - 1


def drop_after_misses_at_checkpoint():
    may_goto = insn(0xe5, 0, 0, 1)
    code = ZERO + mov(6, 0) + add(6, 1) + insn(0x25, 6, 0, 2, 200) + may_goto + insn(0x05, 0, 0, -4) + EXIT
    return counters(code)["max_states_per_insn"] - 1


def max_linked():
    """Of nine registers with the same number, all read later, those that know what one comparison said."""
    copies = [0, 2, 3, 4, 5, 6, 7, 8, 9]
    code = UNKNOWN + b"".join(copy(reg, 0) for reg in copies[1:]) + insn(0x25, 0, 0, 3 + len(copies), 7)
    read = b"".join(copy(1, reg) for reg in copies)

    def knows(reg):
        return ask(code + copy(1, 10) + insn(0x0f, 1, reg) + insn(0x72, 1, 0, -8) + read + ZERO + EXIT)[0]
    return sum(map(knows, copies))


def max_offset():
    return least(lambda offset: not ask(copy(1, 10) + add(1, offset) + ZERO + EXIT)[0], 0, 2**31 - 1)


def max_packet_offset():
    """A number up to so much is added to a packet's pointer, and eight bytes from there compared with the end."""
    def refused(most):
        return not ask(
            copy(6, 1) + UNKNOWN + insn(0x25, 0, 0, 7, most) + insn(0x61, 2, 6, 0) + insn(0x61, 3, 6, 4)
            + insn(0x0f, 2, 0) + copy(4, 2) + add(4, 8) + insn(0x2d, 4, 3, 1) + insn(0x71, 0, 2) + mov(0, 2) + EXIT,
            program_type=XDP)[0]
    return least(refused, 0, 1 << 20) + 7


def depth(code, **rest):
    ret, log = load(code, SOCKET_FILTER, level=4, **rest)
    assert ret == 0, log
    return number(r"stack depth (\d+)", log)


def may_goto_stack():
    return depth(insn(0x7a, 10, 0, -8) + insn(0xe5, 0, 0, 1) + mov(1, 0) + ZERO + EXIT) - 8


def inlined_loop_stack():
    code = (insn(0x7a, 10, 0, -8) + mov(1, 4) + wide(2, 4, 6) + mov(3, 0) + mov(4, 0) + insn(0x85, imm=LOOP) + ZERO + EXIT
            + ZERO + EXIT)
    # int; a prototype that returns it; two static functions.
    integer = struct.pack("<IIII", 1, 1 << 24, 4, 1 << 24 | 32)
    types = integer + struct.pack("<III", 0, 13 << 24, 1) + struct.pack("<III", 5, 12 << 24, 2) * 2
    names = b"\0int\0f\0"
    blob = struct.pack("<HBBIIIII", 0xeb9f, 1, 0, 24, 0, len(types), len(types), len(names)) + types + names
    at = ctypes.create_string_buffer(blob, len(blob))
    btf = bpf(BTF_LOAD, struct.pack("<QQIII", ctypes.addressof(at), 0, len(blob), 0, 0))
    assert btf > 0, btf
    found = depth(code, functions=(btf, struct.pack("<IIII", 0, 3, 9, 4))) - 8
    close(btf)
    return found


def private_stacks():
    code = insn(0x7a, 10, 0, -400) + insn(0x85, 0, 1, 0, 2) + ZERO + EXIT + insn(0x7a, 10, 0, -400) + ZERO + EXIT
    return [number for number in (1, 2, 3, 4, 5, 6, 7, 8, 15, 17, 23) if load(code, number)[0] == 0]


def branch_order():
    """Two forks; the instructions at which their four paths end, in turn, by the whole log."""
    side = mov(0, 1) + EXIT
    code = UNKNOWN + insn(0x15, 0, 0, 4, 1) + insn(0x15, 0, 0, 1, 2) + EXIT + side + mov(0, 3) + EXIT
    first = [int(at) for at in re.findall(r"^(\d+): \(95\)", ask(code, level=2)[1], re.M)]
    return {(3, 5, 7): '"fall through first, last aside next"'}.get(tuple(first), f"exits at {first}")


def ends_guess():
    """Errors of instructions that reject a program, but not where only a guess leads to them: for a loader without
    CAP_PERFMON a branch whose way is known is walked the other way too, by guess."""
    fd = bpf(MAP_CREATE, struct.pack("<IIII", 2, 4, 8, 1))
    limit(1 << 39 | 1 << 12)  # CAP_BPF, CAP_NET_ADMIN
    found = {}
    # A field of a map's own; an argument that was never set; a helper that does not exist; a ninth frame.
    frame = insn(0x85, 0, 1, 0, 2) + ZERO + EXIT
    for code, functions in ((wide(2, 1, fd) + insn(0x79, 0, 2), b""), (insn(0x79, 0, 5), b""), (insn(0x85, imm=4000), b""),
                            (insn(0x85, 0, 1, 0, 2), frame * 7 + ZERO + EXIT)):
        ret = load(code + ZERO + EXIT + functions, SOCKET_FILTER)[0]
        guessed = insn(0x15, 9, 0, len(code) // 8) + code
        found[-ret] = load(mov(9, 0) + guessed + ZERO + EXIT + functions, SOCKET_FILTER)[0]
    limit(-1)
    close(fd)
    return f"[{', '.join(errno.errorcode[number] for number in sorted(found) if number and found[number] == 0)}]"


def max_functions():
    """The first calls all the others."""
    def refused(functions):
        calls = functions - 1
        code = b"".join(insn(0x85, 0, 1, 0, calls - at + 1 + 2 * at) for at in range(calls)) + ZERO + EXIT
        return not ask(code + (ZERO + EXIT) * calls)[0]
    return least(refused, 2, 400) - 1


def max_maps():
    maps = [bpf(MAP_CREATE, struct.pack("<IIII", 2, 4, 8, 1)) for _ in range(80)]
    assert min(maps) >= 0, maps

    def refused(count):
        return not ask(b"".join(wide(1, 1, fd) for fd in maps[:count]) + ZERO + EXIT)[0]
    found = least(refused, 1, 80) - 1
    for fd in maps:
        close(fd)
    return found


def max_frames():
    def refused(frames):
        code = (insn(0x85, 0, 1, 0, 2) + ZERO + EXIT) * (frames - 1)
        return not ask(code + ZERO + EXIT)[0]
    return least(refused, 1, 20) - 1


def max_stack():
    return 8 * (least(lambda slots: not ask(insn(0x7a, 10, 0, -8 * slots) + ZERO + EXIT)[0], 1, 200) - 1)


if __name__ == "__main__":
    for probe in (max_processed, max_pending, keep_after_jumps, keep_after_insns, keep_in_loop_after_jumps,
                  keep_in_loop_after_insns, keep_after_history, drop_after_misses, drop_after_misses_at_checkpoint,
                  max_linked, max_offset, max_packet_offset, may_goto_stack, inlined_loop_stack, private_stacks,
                  branch_order, ends_guess, max_functions, max_maps, max_frames, max_stack):
        found = probe()
        print(probe.__name__.upper(), found, flush=True)
