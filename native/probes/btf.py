"""The running kernel's BTF, for probes: what `/sys/kernel/btf/vmlinux` holds."""
import struct
from collections import namedtuple

INT, POINTER, ARRAY, STRUCT, UNION, ENUM = 1, 2, 3, 4, 5, 6
TYPEDEF, FUNCTION, PROTOTYPE, DECLARATION_TAG, TYPE_TAG = 8, 12, 13, 17, 18
MODIFIERS = (8, 9, 10, 11, 18)  # typedef, volatile, const, restrict, type tag
# Words behind a type, and words of each of its elements.
TAIL = {1: 1, 3: 3, 14: 1, 17: 1}
EACH = {4: 3, 5: 3, 6: 2, 13: 2, 15: 3, 19: 3}

Type = namedtuple("Type", "kind name to tail elements")


class Btf:
    def __init__(self, data):
        _, _, _, header, type_off, type_len, str_off, str_len = struct.unpack_from("<HBBIIIII", data)
        self.strings = data[header + str_off:header + str_off + str_len]
        self.types = [Type(0, "void", 0, (), ())]
        at, end = header + type_off, header + type_off + type_len
        while at < end:
            name, info, to = struct.unpack_from("<III", data, at)
            kind, count = info >> 24 & 31, info & 0xffff
            at += 12
            tail = struct.unpack_from(f"<{TAIL.get(kind, 0)}I", data, at)
            at += 4 * len(tail)
            words = EACH.get(kind, 0)
            elements = [struct.unpack_from(f"<{words}I", data, at + 4 * words * n) for n in range(count)] if words else []
            at += 4 * words * len(elements)
            self.types.append(Type(kind, self.text(name), to, tail, elements))
        self.ids = {}
        for number, type in enumerate(self.types):
            self.ids.setdefault((type.kind, type.name), number)

    def text(self, offset):
        return self.strings[offset:self.strings.index(b"\0", offset)].decode()

    def resolve(self, number):
        """The type behind typedefs, qualifiers and tags."""
        while self.types[number].kind in MODIFIERS:
            number = self.types[number].to
        return number

    def pointed(self, number):
        """What a pointer points to, or None of another type."""
        type = self.types[self.resolve(number)]
        return self.resolve(type.to) if type.kind == POINTER else None

    def size(self, number):
        """Bytes of a type."""
        type = self.types[self.resolve(number)]
        if type.kind == POINTER:
            return 8
        if type.kind == ARRAY:
            return type.tail[2] * self.size(type.tail[0])
        return 0 if type.kind in (FUNCTION, PROTOTYPE) else type.to

    def kernel_functions(self):
        """Names of the functions that programs may call, with their numbers."""
        tagged = {t.to for t in self.types if t.kind == DECLARATION_TAG and t.name == "bpf_kfunc"}
        return sorted((self.types[number].name, number) for number in tagged)


def kernel():
    with open("/sys/kernel/btf/vmlinux", "rb") as file:
        return Btf(file.read())
