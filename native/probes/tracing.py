#!/usr/bin/env python3
"""Writes core/src/program/tracing_facts.rs: what the running kernel gives programs that attach to its own types
and functions beyond what its BTF says. Loads each argument of every tracepoint, iterator and table of operations, and
reads from the log what the register holds.

    native/probes/tracing.py > core/src/program/tracing_facts.rs
"""
import re

import btf
from bpf import insn, load

RAW_TRACEPOINT, ITERATOR = 23, 28
TRACING, STRUCT_OPS = 26, 27
SLEEPABLE = 16
END = insn(0xb7) + insn(0x95)
kernel = btf.kernel()


def argument(at, program_type, attach, target, flags=0):
    """What the log says that a register holds after it was loaded from the context, or None."""
    code = insn(0x79, 6, 1, 8 * at) + END
    ret, log = load(code, program_type, level=2, attach=attach, target=target, flags=flags)
    held = re.findall(r"R6=([^ ]*)\(", log)
    return held[-1] if ret == 0 and held else None


def prototype(number):
    """The parameters of a function, or of what a typedef or pointer leads to."""
    type = kernel.types[number]
    while type.kind != btf.PROTOTYPE:
        type = kernel.types[type.to]
    return type.elements


def nullable(count, program_type, attach, target, skipped=0, flags=0):
    mask = 0
    for at in range(count):
        if "_or_null_" in (argument(at, program_type, attach, target, flags) or ""):
            mask |= 1 << at
    return mask


tracepoints = []
for number, type in enumerate(kernel.types):
    if type.kind == btf.TYPEDEF and type.name.startswith("btf_trace_"):
        mask = nullable(len(prototype(number)) - 1, TRACING, RAW_TRACEPOINT, number)
        if mask:
            tracepoints.append((type.name.removeprefix("btf_trace_"), mask))

iterators = []
for number, type in enumerate(kernel.types):
    if type.kind != btf.FUNCTION or not type.name.startswith("bpf_iter_"):
        continue
    if load(END, TRACING, attach=ITERATOR, target=number)[0]:
        continue
    given = []
    for at in range(len(prototype(number))):
        held = argument(at, TRACING, ITERATOR, number) or ""
        null = str("_or_null" in held).lower()
        if re.match(r"(rdonly_)?buf", held):
            given.append((at, f"Buffer {{ read_only: {str(held.startswith('rdonly')).lower()}, maybe_null: {null} }}"))
        elif "ptr_" in held and (null == "true" or not held.startswith("trusted_")):
            given.append((at, f"Object {{ trusted: {str(held.startswith('trusted_')).lower()}, maybe_null: {null} }}"))
    iterators.append((type.name, given))

tables = []
for number, type in enumerate(kernel.types):
    if type.kind != btf.STRUCT or (btf.STRUCT, "bpf_struct_ops_" + type.name) not in kernel.ids:
        continue
    members, promotes = [], set()
    for at, (name, of, _) in enumerate(type.elements):
        loads = [load(END, STRUCT_OPS, attach=at, target=number, flags=flags) for flags in (0, SLEEPABLE)]
        if all("attach to invalid member" in log for _, log in loads):
            continue
        loads = [ret == 0 for ret, _ in loads]
        flags = 0 if loads[0] else SLEEPABLE
        mask = nullable(len(prototype(of)), STRUCT_OPS, at, number, flags=flags) if any(loads) else 0
        members.append(f'Member {{ name: "{kernel.text(name)}", plain: {str(loads[0]).lower()}, sleepable: {str(loads[1]).lower()}, maybe_null: {mask} }}')
        if any(loads):
            for at_argument, (_, of_argument) in enumerate(prototype(of)):
                held = argument(at_argument, STRUCT_OPS, at, number, flags) or ""
                to = kernel.pointed(of_argument)
                says = kernel.types[to].name if to is not None else ""
                seen = re.sub("^(trusted_)?ptr_(or_null_)?", "", held)
                if says and seen and "ptr_" in held and seen != says:
                    promotes.add((says, seen))
    tables.append((type.name, members, sorted(promotes)))


def path(number, off):
    """The names of the members, from the outermost, that lie at an offset, and their offset there."""
    number = kernel.resolve(number)
    for name, of, at in kernel.types[number].elements if kernel.types[number].kind in (btf.STRUCT, btf.UNION) else ():
        at = (at & 0xffffff) // 8
        if at <= off < at + kernel.size(of):
            return [kernel.text(name)] + path(of, off - at)
    return []


def writable(target, attach, at, name, flags=0):
    """The members of an argument's structure that may be written, and whether they may anywhere."""
    def write(off, size):
        code = insn(0x79, 6, 1, 8 * at) + insn({1: 0x72, 2: 0x6a, 4: 0x62, 8: 0x7a}[size], 6, 0, off) + END
        return load(code, STRUCT_OPS, attach=attach, target=target, flags=flags)[0] == 0
    number = kernel.ids[btf.STRUCT, name]
    members = {}
    for off in range(kernel.size(number)):
        if write(off, 1):
            member = ".".join(path(number, off))
            members[member] = member in members
    return members


ops = {name: kernel.ids[btf.STRUCT, name] for name, _, _ in tables}
written = [
    ("tcp_congestion_ops", "tcp_sock", writable(ops["tcp_congestion_ops"], 1, 0, "tcp_sock")),
    ("bpf_dummy_ops", "bpf_dummy_ops_state", writable(ops["bpf_dummy_ops"], 1, 0, "bpf_dummy_ops_state")),
]


def conntrack(program_type, family, gives):
    """The members of a connection's object, as a network program is given it, that may be written."""
    call = lambda name: insn(0x85, src=2, imm=kernel.ids[btf.FUNCTION, name])
    stack = b"".join(insn(0x7a, 10, 0, -8 * n) for n in range(1, 9))
    arguments = insn(0xbf, 2, 10) + insn(0x07, 2, imm=-64) + insn(0xb7, 3, imm=12) + insn(0xbf, 4, 10) + insn(
        0x07, 4, imm=-32) + insn(0xb7, 5, imm=12)
    code = stack + arguments + call(f"bpf_{family}_ct_{gives}") + insn(0x55, 0, 0, 1) + insn(0x95) + insn(0xbf, 6)
    back = insn(0xbf, 1, 6) + call("bpf_ct_release")
    if gives == "alloc":
        back = insn(0xbf, 1, 6) + call("bpf_ct_insert_entry") + insn(0x55, 0, 0, 1) + insn(0x95) + insn(
            0xbf, 1) + call("bpf_ct_release")
    number = kernel.ids[btf.STRUCT, "nf_conn"]
    members = {}
    for off in range(kernel.size(number)):
        if load(code + insn(0x72, 6, 0, off) + back + END, program_type)[0] == 0:
            member = ".".join(path(number, off))
            members[member] = member in members
    return members


for program_type, type, family in ((3, "sched_cls", "skb"), (6, "xdp", "xdp")):
    written.append((type, "nf_conn", conntrack(program_type, family, "lookup")))
    written.append((type, "nf_conn___init", conntrack(program_type, family, "alloc")))

print("""//! Facts of what programs attach to by the kernel's BTF: arguments that may be null or are not what their type
//! says, tables of operations, and what of their objects may be written.
//!
//! Written by `native/probes/tracing.py` from the running kernel's answers; not to be edited by hand.

use super::tracing::Given::{self, Buffer, Object};
use super::tracing::{Member, Operations, Writable};

/// Arguments of tracepoints that may be null: bit N is argument N.
#[rustfmt::skip]
pub(super) const NULLABLE: &[(&str, u32)] = &[""")
for name, mask in sorted(tracepoints):
    print(f'    ("{name}", {mask}),')
print("""];

/// The kernel's iterators, and their arguments that are more or less than trusted.
#[rustfmt::skip]
pub(super) const ITERATORS: &[(&str, &[(u32, Given)])] = &[""")
for name, given in sorted(iterators):
    given = ", ".join(f"({at}, {what})" for at, what in given)
    print(f'    ("{name}", &[{given}]),')
print("""];

/// The kernel's tables of operations.
#[rustfmt::skip]
pub(super) const OPERATIONS: &[Operations] = &[""")
for name, members, promotes in sorted(tables):
    promotes = ", ".join(f'("{says}", "{seen}")' for says, seen in promotes)
    print(f'    Operations {{ name: "{name}", promotes: &[{promotes}], members: &[')
    for member in members:
        print(f"        {member},")
    print("    ] },")
print("""];

/// What programs of a table of operations, or of a type, may write of an object: a member, and whether a write may begin anywhere
/// in it or at its start alone.
#[rustfmt::skip]
pub(super) const WRITABLE: &[Writable] = &[""")
for table, name, members in written:
    members = ", ".join(f'("{member}", {str(anywhere).lower()})' for member, anywhere in members.items())
    print(f'    Writable {{ table: "{table}", object: "{name}", members: &[{members}] }},')
print("];")
