"""The system call, for probes: loads programs into the running kernel, reads its log, closes what it opens.

Nothing is attached and no setting is changed. Needs a kernel with bpf(2) and the right to use it. With GLASSHIVE_LIBRARY
(a path of libglasshive.so) it asks that instead.
"""
import ctypes
import os
import struct

SYS_BPF = 321  # x86-64
MAP_CREATE, PROG_LOAD = 0, 5
_libc = ctypes.CDLL(None, use_errno=True)

PROGRAM_TYPES = {
    1: "socket_filter", 2: "kprobe", 3: "sched_cls", 4: "sched_act", 5: "tracepoint", 6: "xdp",
    7: "perf_event", 8: "cgroup_skb", 9: "cgroup_sock", 10: "lwt_in", 11: "lwt_out", 12: "lwt_xmit",
    13: "sock_ops", 14: "sk_skb", 15: "cgroup_device", 16: "sk_msg", 17: "raw_tracepoint",
    18: "cgroup_sock_addr", 19: "lwt_seg6local", 21: "sk_reuseport", 22: "flow_dissector",
    23: "cgroup_sysctl", 24: "raw_tracepoint_writable", 25: "cgroup_sockopt", 30: "sk_lookup",
    31: "syscall", 32: "netfilter",
}
# Types that load only with an attach type or a flag.
ATTACH = {18: 8, 25: 21, 30: 36, 32: 45, 9: 2, 8: 0}
# Attach types of the types whose contexts and helpers may depend on them.
ATTACH_TYPES = {
    6: (33, 35, 37), 8: (0, 1), 9: (2, 12, 13, 34),
    18: (8, 9, 10, 11, 14, 15, 19, 20, 29, 30, 31, 32, 49, 50, 51, 52, 53), 25: (21, 22),
}
FLAGS = {31: 16}  # a syscall program is sleepable


# What is asked instead of the running kernel, where it is set: a file, libglasshive.so.
_library = ctypes.CDLL(os.environ["GLASSHIVE_LIBRARY"]) if "GLASSHIVE_LIBRARY" in os.environ else None
if _library:
    _library.glasshive_bpf.restype = ctypes.c_long


def bpf(cmd, attr):
    buffer = ctypes.create_string_buffer(bytes(attr), len(attr))
    if _library:
        return _library.glasshive_bpf(cmd, buffer, len(attr))
    ret = _libc.syscall(SYS_BPF, cmd, buffer, len(attr))
    return ret if ret >= 0 else -ctypes.get_errno()


def close(fd):
    _library.glasshive_close(fd) if _library else os.close(fd)


def insn(code, dst=0, src=0, off=0, imm=0):
    return struct.pack("<BBhi", code, dst | src << 4, off, (imm + 2**31) % 2**32 - 2**31)


def load(code, program_type, license="GPL", level=1, size=1 << 20, attach=None, target=0, flags=None,
         functions=(0, b"")):
    """Loads and closes at once: (0 or -errno, log). `target` is the kernel type that it attaches to; `functions` is a
    descriptor of BTF, and where each function begins and its number there."""
    insns = ctypes.create_string_buffer(code, len(code))
    name = ctypes.create_string_buffer(license.encode())
    info = ctypes.create_string_buffer(functions[1], len(functions[1]) or 1)
    log = ctypes.create_string_buffer(size)
    attr = struct.pack(
        "<IIQQIIQII16sIIIIQIIQII", program_type, len(code) // 8, ctypes.addressof(insns), ctypes.addressof(name),
        level, size if level else 0, ctypes.addressof(log) if level else 0, 0, FLAGS.get(program_type, 0) if flags is None else flags,
        b"", 0, ATTACH.get(program_type, 0) if attach is None else attach,
        functions[0], 8, ctypes.addressof(info), len(functions[1]) // 8, 0, 0, 0, target)
    fd = bpf(PROG_LOAD, attr)
    if fd >= 0:
        close(fd)
        fd = 0
    return fd, log.value.decode("utf-8", "replace")


def limit(mask):
    """Leaves this thread with these capabilities of those that it may have; all of them with -1."""
    if _library:
        return _library.glasshive_caps(ctypes.c_ulonglong(mask & 2**64 - 1))
    head = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()
    _libc.capget(head, data)
    data[0], data[3] = data[1] & mask & 0xffffffff, data[4] & mask >> 32 & 0xffffffff
    if _libc.capset(head, data):
        raise OSError(ctypes.get_errno(), "capset")
