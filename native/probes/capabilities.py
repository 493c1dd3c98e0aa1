#!/usr/bin/env python3
"""Prints what the running kernel answers to a loader with few capabilities, by program type: the source of the lists
NEED_NET_ADMIN and NEED_PERFMON in core/src/syscall/programs.rs.

    native/probes/capabilities.py
"""
import errno

import bpf
from bpf import PROGRAM_TYPES, insn, load

NET_ADMIN, PERFMON, BPF = 1 << 12, 1 << 38, 1 << 39
SETS = {"none": 0, "bpf": BPF, "bpf, net_admin": BPF | NET_ADMIN, "bpf, perfmon": BPF | PERFMON}
PROGRAM = insn(0xb7) + insn(0x95)


def main():
    for number, name in {**PROGRAM_TYPES, 26: "tracing", 27: "struct_ops", 28: "ext", 29: "lsm"}.items():
        answers = []
        for what, mask in SETS.items():
            bpf.limit(mask)
            ret, _ = load(PROGRAM, number, level=0)
            bpf.limit(-1)
            answers.append(f"{what}: {errno.errorcode.get(-ret, 'ok')}")
        print(f"{number:3} {name:24}", "; ".join(answers))


if __name__ == "__main__":
    main()
