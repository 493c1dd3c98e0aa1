"""What the running kernel answers to mmap(2), poll(2) and freezing of maps, and what info a mapping leaves.

Prints a table; `core/src/syscall/mapping.rs` has the rules.
"""
import ctypes
import errno
import os
import select
import struct

from bpf import MAP_CREATE, bpf

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
READ, WRITE, EXEC, SHARED, PRIVATE = 1, 2, 4, 1, 2
PAGE = 4096
MMAPABLE, RDONLY, WRONLY, RDONLY_PROG, WRONLY_PROG = 1 << 10, 1 << 3, 1 << 4, 1 << 7, 1 << 8
FREEZE, UPDATE = 22, 2


def name(result):
    return errno.errorcode.get(-result, str(result)) if result < 0 else "ok"


def create(kind, key, value, entries, flags=0):
    return bpf(MAP_CREATE, struct.pack("<IIIII", kind, key, value, entries, flags))


def mmap(fd, length, protection, flags=SHARED, offset=0, keep=False):
    at = _libc.mmap(None, length, protection, flags, fd, offset)
    if at == ctypes.c_void_p(-1).value:
        return -ctypes.get_errno()
    if keep:
        return at
    _libc.munmap(at, length)
    return 0


def freeze(fd):
    return bpf(FREEZE, struct.pack("<I", fd))


def row(what, result):
    print(f"| {what} | {result if isinstance(result, str) else name(result)} |")


def main():
    print("| mmap(2) of | answer |\n| --- | --- |")
    rw = READ | WRITE
    for label, kind, key, value, entries, flags in [
        ("hash", 1, 4, 8, 4, 0), ("array without MMAPABLE", 2, 4, 8, 4, 0), ("array", 2, 4, 8, 4, MMAPABLE),
        ("array of 3 pages", 2, 4, 8, 1536, MMAPABLE), ("array RDONLY", 2, 4, 8, 4, MMAPABLE | RDONLY),
        ("array WRONLY", 2, 4, 8, 4, MMAPABLE | WRONLY), ("array RDONLY_PROG", 2, 4, 8, 4, MMAPABLE | RDONLY_PROG),
        ("array WRONLY_PROG", 2, 4, 8, 4, MMAPABLE | WRONLY_PROG), ("ring", 27, 0, 0, 2 * PAGE, 0),
        ("user ring", 31, 0, 0, 2 * PAGE, 0), ("queue", 22, 0, 8, 4, 0),
    ]:
        fd = create(kind, key, value, entries, flags)
        if fd < 0:
            row(f"{label}: create", fd)
            continue
        for what, length, protection, share, offset in [
            ("1 page, r", PAGE, READ, SHARED, 0), ("1 page, rw", PAGE, rw, SHARED, 0), ("1 page, w", PAGE, WRITE, SHARED, 0),
            ("1 page, none", PAGE, 0, SHARED, 0), ("100 bytes, rw", 100, rw, SHARED, 0),
            ("1 page, rw, private", PAGE, rw, PRIVATE, 0), ("1 page, r, private", PAGE, READ, PRIVATE, 0),
            ("1 page, rx", PAGE, READ | EXEC, SHARED, 0),
            ("2 pages, r", 2 * PAGE, READ, SHARED, 0), ("2 pages, rw", 2 * PAGE, rw, SHARED, 0),
            ("3 pages, r", 3 * PAGE, READ, SHARED, 0), ("4 pages, r", 4 * PAGE, READ, SHARED, 0),
            ("6 pages, r", 6 * PAGE, READ, SHARED, 0), ("7 pages, r", 7 * PAGE, READ, SHARED, 0),
            ("page 1, r", PAGE, READ, SHARED, PAGE), ("page 1, rw", PAGE, rw, SHARED, PAGE),
            ("page 1 to 5, r", 5 * PAGE, READ, SHARED, PAGE), ("page 1 to 5, rw", 5 * PAGE, rw, SHARED, PAGE),
            ("page 1 to 6, r", 6 * PAGE, READ, SHARED, PAGE), ("page 2, r", PAGE, READ, SHARED, 2 * PAGE),
            ("page 2, rw", PAGE, rw, SHARED, 2 * PAGE),
            ("page 2 to 5, r", 4 * PAGE, READ, SHARED, 2 * PAGE), ("page 5, r", PAGE, READ, SHARED, 5 * PAGE),
            ("page 6, r", PAGE, READ, SHARED, 6 * PAGE), ("page 9, r", PAGE, READ, SHARED, 9 * PAGE),
        ]:
            row(f"{label}: {what}", mmap(fd, length, protection, share, offset))
        poller = select.poll()
        poller.register(fd, 0xffff)
        row(f"{label}: poll", hex(dict(poller.poll(0)).get(fd, 0)))
        epoll = select.epoll()
        try:
            epoll.register(fd, select.EPOLLIN | select.EPOLLOUT)
            row(f"{label}: epoll", hex(dict(epoll.poll(0)).get(fd, 0)))
        except OSError as error:
            row(f"{label}: epoll", -error.errno)
        # freezing beside mappings
        for what, protection in [("r", READ), ("rw", rw)]:
            at = mmap(fd, PAGE, protection, SHARED, 0, keep=True)
            if at > 0:
                row(f"{label}: freeze while mapped {what}", freeze(fd))
                _libc.munmap(at, PAGE)
        row(f"{label}: freeze", freeze(fd))
        row(f"{label}: frozen, 1 page, r", mmap(fd, PAGE, READ))
        row(f"{label}: frozen, 1 page, rw", mmap(fd, PAGE, rw))
        row(f"{label}: frozen, 1 page, rw, private", mmap(fd, PAGE, rw, PRIVATE))
        os.close(fd)
    # a mapping of read may become one of write?
    _libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for label, flags, protection in [("array", MMAPABLE, READ), ("array RDONLY", MMAPABLE | RDONLY, READ)]:
        fd = create(2, 4, 8, 4, flags)
        at = mmap(fd, PAGE, protection, SHARED, 0, keep=True)
        if at > 0:
            done = _libc.mprotect(at, PAGE, rw)
            row(f"{label}: mprotect r to rw", -ctypes.get_errno() if done else 0)
            _libc.munmap(at, PAGE)
        os.close(fd)
    # value sizes of an mmapable array
    for value, entries in [(1, 5000), (12, 1), (4096, 2), (5000, 2)]:
        fd = create(2, 4, value, entries, MMAPABLE)
        pages = (((value + 7) // 8 * 8) * entries + PAGE - 1) // PAGE
        row(f"array {value} x {entries}: {pages} pages", mmap(fd, pages * PAGE, READ))
        row(f"array {value} x {entries}: {pages + 1} pages", mmap(fd, (pages + 1) * PAGE, READ))
        os.close(fd)


main()
