#!/usr/bin/env python3
"""Writes core/src/helper/kernel_facts.rs: of each kernel function that programs may call, which program types and
attach types may, whether it sleeps, what its pointers have to be, and what it acquires, gives back and returns, as the
running kernel answers to programs that call it: with zeros, with pointers that are not trusted, and with arguments
made for it.

    native/probes/kernel_functions.py > core/src/helper/kernel_facts.rs

What was not found out, since no call was accepted, is listed on stderr.
"""
import re
import struct
import sys

import bpf
import btf
from bpf import PROGRAM_TYPES, insn, load

TRACING, STRUCT_OPS, LSM, KPROBE, SYSCALL = 26, 27, 29, 2, 31
RAW_TRACEPOINT, ITERATOR = 23, 28
SLEEPABLE = 16
kernel = btf.kernel()
EXIT = insn(0xb7) + insn(0x95)
# Program types that need a kernel type to attach to: attach type, kernel type.
TARGETS = {
    TRACING: (RAW_TRACEPOINT, kernel.ids[btf.TYPEDEF, "btf_trace_task_newtask"]),
    STRUCT_OPS: (0, kernel.ids[btf.STRUCT, "tcp_congestion_ops"]),
}
# Attach types where other functions are allowed than where the type alone is asked.
OTHERS = [(KPROBE, 48, 0, 0), (KPROBE, 56, 0, 0), (KPROBE, 57, 0, 0)] + [
    (TRACING, ITERATOR, number, 0) for number, t in enumerate(kernel.types)
    if t.kind == btf.FUNCTION and t.name in ("bpf_iter_task", "bpf_iter_tcp")
] + [(of, attach, 0, None) for of, attaches in bpf.ATTACH_TYPES.items() for attach in attaches]


def ask(code, program_type, attach=None, target=None, level=1, flags=None):
    if target is None and program_type in TARGETS:
        attach, target = TARGETS[program_type]
    return load(code, program_type, attach=attach, target=target or 0, level=level, flags=flags)


def mov(dst, src, add=0):
    return insn(0xbf, dst, src) + (insn(0x07, dst, imm=add) if add else b"")


def call(name):
    return insn(0x85, src=2, imm=kernel.ids[btf.FUNCTION, name])


def map_value(reg, fd):
    return insn(0x18, reg, 2, 0, fd) + insn(0)


def map_create(kind, key, value, flags=0):
    return bpf.bpf(bpf.MAP_CREATE, struct.pack("<IIIII", kind, key, value, 1, flags) + bytes(100))


VALUES, STRING = map_create(2, 4, 64), map_create(2, 4, 16, 0x80)
bpf.bpf(22, struct.pack("<i", STRING))  # BPF_MAP_FREEZE; its value is an empty string


def unless_null(reg):
    # The way on is walked first: what is held on the other does not matter.
    return insn(0x15, reg, 0, 1) + insn(0x05, off=2) + EXIT


def from_call(name, *args):
    """An object that a kernel function of no pointers gives."""
    code = b"".join(insn(0xb7, r + 1, imm=v) for r, v in enumerate(args))
    return lambda: code + call(name) + unless_null(0)


def of_conntrack(what):
    def code(program_type):
        family = {3: "skb", 6: "xdp"}.get(program_type)
        if family is None:
            return None
        set_up = mov(1, 9) + mov(2, 10, -256) + insn(0xb7, 3, imm=12) + mov(4, 10, -240) + insn(0xb7, 5, imm=12)
        return set_up + call(f"bpf_{family}_ct_{what}") + unless_null(0)
    return code


def crypto(program_type):
    if program_type != SYSCALL:
        return None
    return mov(1, 10, -256) + insn(0xb7, 2, imm=8) + mov(3, 10, -240) + call("bpf_crypto_ctx_create") + unless_null(0)


def field(provider, structure, member):
    """A structure within an object."""
    number = kernel.ids[btf.STRUCT, structure]
    offset = next(at // 8 for name, _, at in kernel.types[number].elements if kernel.text(name) == member)
    return lambda program_type: (provider(program_type) or b"") + insn(0x07, 0, imm=offset)


def plain(make):
    return lambda program_type: make()


# Code that leaves a pointer to a structure in r0; r9 is the context.
OBJECTS = {
    "task_struct": plain(lambda: insn(0x85, imm=158)),
    "cgroup": plain(from_call("bpf_cgroup_from_id", 1)),
    "bpf_cpumask": plain(from_call("bpf_cpumask_create")),
    "cpumask": plain(from_call("bpf_cpumask_create")),
    "bpf_key": plain(from_call("bpf_lookup_system_key", 0)),
    "bpf_crypto_ctx": crypto,
    "nf_conn": of_conntrack("lookup"),
    "nf_conn___init": of_conntrack("alloc"),
    "sock": lambda program_type: insn(0x79, 0, 9) if program_type == STRUCT_OPS else None,
    "tcp_sock": lambda program_type: insn(0x79, 0, 9) if program_type == STRUCT_OPS else None,
    "xfrm_state": lambda program_type: mov(1, 9) + mov(2, 10, -256) + insn(0xb7, 3, imm=32) + call(
        "bpf_xdp_get_xfrm_state") + unless_null(0) if program_type == 6 else None,
}
OBJECTS["cgroup_subsys_state"] = field(OBJECTS["cgroup"], "cgroup", "self")
CONTEXTS = ("__sk_buff", "xdp_md", "bpf_sock_addr_kern", "bpf_sock_ops_kern")


def parameters(name):
    number = kernel.ids[btf.FUNCTION, name]
    prototype = kernel.types[kernel.types[number].to]
    return [(kernel.text(n), of) for n, of in prototype.elements], prototype.to


def arguments(name, program_type):
    """Code that makes arguments for a function, or None; and the stack slots that hold what was made for it."""
    given, _ = parameters(name)
    set_up, load_arguments = mov(9, 1), b""
    for at in range(-256, 0, 8):
        set_up += insn(0x7a, 10, 0, at)
    held = -8
    for at, (called, of) in enumerate(given):
        reg, to = at + 1, kernel.pointed(of)
        structure = kernel.types[to].name if to is not None and kernel.types[to].kind == btf.STRUCT else None
        if to is None:
            load_arguments += insn(0xb7, reg, imm=8 if called.endswith(("__sz", "__szk")) else 0)
        elif called.endswith(("__ign", "__prog")):
            load_arguments += insn(0xb7, reg)
        elif called.endswith("__str"):
            load_arguments += map_value(reg, STRING)
        elif structure == "bpf_dynptr" and not called.endswith("__uninit"):
            set_up += map_value(1, VALUES) + insn(0xb7, 2, imm=64) + insn(0xb7, 3) + mov(4, 10, -160) + insn(0x85, imm=197)
            load_arguments += mov(reg, 10, -160)
        elif structure == "bpf_map" or called.endswith("__map"):
            load_arguments += insn(0x18, reg, 1, 0, VALUES) + insn(0)
        elif structure in CONTEXTS:
            load_arguments += mov(reg, 9)
        elif structure in OBJECTS:
            made = OBJECTS[structure](program_type)
            if made is None:
                return None
            held -= 8
            set_up += made + insn(0x7b, 10, 0, held)
            load_arguments += insn(0x79, reg, 10, held)
        elif structure and structure.startswith("bpf_iter_") and not name.endswith("_new"):
            made = arguments(structure + "_new", program_type)
            if made is None:
                return None
            set_up = made[0] + call(structure + "_new")
            load_arguments += mov(reg, 10, -128)
        elif structure and structure.startswith("bpf_iter_"):
            load_arguments += mov(reg, 10, -128)
        else:
            load_arguments += mov(reg, 10, -192)
    return set_up + load_arguments, held


def needs_section(name):
    """Whether a call in a program that may sleep asks for an RCU section."""
    made = arguments(name, TRACING)
    target = kernel.ids[btf.FUNCTION, "bpf_iter_task"]
    code = made[0] + call(name) + EXIT if made else b""
    return bool(made) and f"kernel func {name} requires RCU critical section" in ask(code, TRACING, ITERATOR, target, flags=SLEEPABLE)[1]


def with_arguments(name, program_type):
    """What is seen of a call with arguments made for it: a set of words, or None where it was refused."""
    made = arguments(name, program_type)
    if made is None:
        return None
    code, held = made
    seen = set()
    sections = (b"", mov(8, 1) + call("bpf_rcu_read_lock") + mov(1, 8))
    for section in sections:
        body = section + code + call(name)
        body += b"".join(insn(0x79, 7, 10, at) for at in (-16, -24) if at >= held)
        for flags in (None, SLEEPABLE):
            if flags and program_type not in (TRACING, SYSCALL):
                continue
            attach, target = TARGETS.get(program_type, (None, None))
            if flags and program_type == TRACING:
                attach, target = ITERATOR, kernel.ids[btf.FUNCTION, "bpf_iter_task"]
            log = ask(body + EXIT, program_type, attach, target, 2, flags)[1]
            log = log[max(log.find("R1=ctx()"), 0):]
            log = "".join(l for l in log.splitlines(True) if not l.startswith(("mark_precise", "(0)")))
            called = re.search(rf"\((85)\) call {name}#\d+ *(;.*)?\n", log)
            after = log[called.end():] if called else ""
            if not called or not re.match(r"(from \d+ to )?\d+: ", after):
                refused.setdefault(name, log.splitlines()[-2:-1])
                continue
            state = (called[2] or "") + (re.match(r"\d+: (R0=.*)", after) or ["", ""])[1]
            result = (re.findall(r"R0=(\S*)", state) or [""])[0]
            seen.add("taken")
            if "ref_obj_id" in result:
                seen.add("ACQUIRES")
            if "_or_null" in result or name.endswith("_next"):
                seen.add("NULL")
            if result.startswith("untrusted_"):
                seen.add("UNTRUSTED")
            for again in re.findall(r"r7 = \*\(u64 \*\)\(r10 -(?:16|24)\).*R7=(\S*)\(", after):
                if again in ("scalar", ""):
                    seen.add("RELEASES")
            return seen
    return seen if "taken" in seen else None


rows, unknown, refused = [], [], {}
for name, number in kernel.kernel_functions():
    given, result = parameters(name)
    zeros = b"".join(insn(0xb7, r) for r in range(1, 6)) + insn(0x85, src=2, imm=number) + EXIT
    allowed, sleeps, others = 0, False, []
    trust = "None"
    for program_type in [*PROGRAM_TYPES, TRACING, STRUCT_OPS]:
        log = ask(zeros, program_type)[1]
        if "is not allowed" not in log:
            allowed |= 1 << program_type
            sleeps |= "must be sleepable" in log
            if "passed to trusted arg" in log:
                trust = "Trusted"
    for program_type, attach, target, flags in OTHERS:
        log = ask(zeros, program_type, attach, target, flags=flags)[1]
        if "passed to trusted arg" in log:
            trust = "Trusted"
        if ("is not allowed" not in log) != bool(allowed >> program_type & 1):
            others.append((program_type, attach))
    if not allowed and not others:
        continue
    types = [t for t in (TRACING, SYSCALL, 3, 6, STRUCT_OPS) if allowed >> t & 1]
    # With a pointer of the right type that is not trusted: what would be, the log says.
    cast = [kernel.pointed(of) for called, of in given if not called.endswith(("__ign", "__prog", "__alloc", "__str", "__map"))]
    cast = [to for to in cast if to is not None and kernel.types[to].kind == btf.STRUCT and kernel.types[to].name not in CONTEXTS
            and not kernel.types[to].name.startswith(("bpf_iter_", "bpf_dynptr"))]
    for program_type in types[:1] if cast else []:
        code = insn(0xb7, 1) + insn(0xb7, 2, imm=cast[0]) + call("bpf_rdonly_cast") + mov(6, 0)
        for at, (called, of) in enumerate(given):
            to = kernel.pointed(of)
            if to is not None and kernel.types[to].name == "bpf_iter_" + name.split("_iter_")[-1].removesuffix("_new"):
                code += mov(at + 1, 10, -128)
            else:
                code += mov(at + 1, 6) if to is not None else insn(0xb7, at + 1)
        flags = SLEEPABLE if program_type in (TRACING, SYSCALL) else None
        attach, target = TARGETS.get(program_type, (None, None))
        if flags and program_type == TRACING:
            attach, target = ITERATOR, kernel.ids[btf.FUNCTION, "bpf_iter_task"]
        log = ask(code + insn(0x85, src=2, imm=number) + EXIT, program_type, attach, target, flags=flags)[1]
        if "must be a rcu pointer" in log:
            trust = "Rcu"
    seen = None
    for program_type in types:
        seen = with_arguments(name, program_type)
        if seen is not None:
            break
    if seen is None:
        unknown.append(name)
        print(name, refused.get(name, ""), file=sys.stderr)
    effects = sorted((seen or set()) - {"taken"} | ({"RCU_PROTECTED"} if needs_section(name) else set()))
    rows.append((name, allowed, sleeps, trust, effects, others))

print("""//! Facts of kernel functions: which program types may call them (bit N is type N), whether they sleep, what their
//! pointers have to be, and what they acquire, give back and return.
//!
//! Written by `native/probes/kernel_functions.py` from the running kernel's answers; not to be edited by hand.

use super::kernel_functions::Trusts::{self, Nothing, Rcu, Trusted};
use super::kernel_functions::effect::*;

/// Name, program types, sleeps, what pointers have to be, effects; by name.
#[rustfmt::skip]
pub(super) const FACTS: &[(&str, u64, bool, Trusts, u16)] = &[""")
for name, allowed, sleeps, trust, effects, _ in rows:
    trust = "Nothing" if trust == "None" else trust
    print(f'    ("{name}", {allowed:#011x}, {str(sleeps).lower()}, {trust}, {" | ".join(effects) or 0}),')
print("""];

/// Where an attach type says the opposite of the program type: the function, the type, the attach types.
#[rustfmt::skip]
pub(super) const BY_ATTACH_TYPE: &[(&str, u32, &[u32])] = &[""")
for name, _, _, _, _, others in rows:
    for program_type in sorted({t for t, _ in others}):
        attaches = sorted({a for t, a in others if t == program_type})
        print(f'    ("{name}", {program_type}, &{attaches}),')
print("""];

/// Functions of which no call was accepted when they were asked: their effects are not in the table.
#[rustfmt::skip]
#[cfg(test)]
pub(super) const NOT_CALLED: &[&str] = &[""")
for name in unknown:
    print(f'    "{name}",')
print("];")
print(f"{len(rows)} functions, {len(unknown)} whose calls were all refused", file=sys.stderr)
