//! What leads out of a program, or back into it: callbacks, kernel functions, exceptions, tail calls, and the
//! memory of an arena.

use super::{Program, SLOTS};

/// Below the slots of numbers and the key of map calls: an iterator, a dynptr and the context.
const ITERATOR: i16 = -(SLOTS * 8) - 16;
const DYNPTR: i16 = ITERATOR - 16;
pub(super) const CONTEXT: i16 = DYNPTR - 8;

const LOOP: i32 = 181;
const FOR_EACH: i32 = 164;
const TAIL_CALL: i32 = 12;
const DYNPTR_READ: i32 = 201;

/// What a function is called back by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Callback {
    Turn,
    Element,
}

impl Program<'_> {
    fn move_register(&mut self, dst: u8, src: u8, add: i16) {
        self.put(0xbf, dst, src, 0, 0);
        self.put(0x07, dst, 0, 0, add.into());
    }

    fn call_helper(&mut self, number: i32) {
        self.put(0x85, 0, 0, 0, number);
    }

    /// Calls a kernel function; nothing where the kernel has none of that name.
    fn call_kernel(&mut self, name: &str) {
        let id = self.maps.kernel.and_then(|kernel| kernel.function(name));
        self.put(0x85, 0, 2, 0, id.map_or(0, |id| id.0 as i32));
    }

    /// A loop of calls, or a call for each value of the array.
    pub(super) fn call_back(&mut self) {
        let (slot, callback) = (self.slot(), [Callback::Turn, Callback::Element][self.rng.usize(0..2)]);
        match callback {
            Callback::Turn => {
                let times = self.rng.i32(0..12);
                self.put(0xb7, 1, 0, 0, times);
            }
            Callback::Element => self.wide(1, 1, u64::from(self.maps.array as u32)),
        }
        self.callbacks.push((self.code.len(), callback));
        self.wide(2, 4, 0);
        self.move_register(3, 10, slot);
        let flags = i32::from(self.rng.u32(0..16) == 0);
        self.put(0xb7, 4, 0, 0, flags);
        self.call_helper(if callback == Callback::Turn { LOOP } else { FOR_EACH });
        self.again();
    }

    /// The functions that are called back.
    pub(super) fn link_callbacks(&mut self) {
        for (at, callback) in std::mem::take(&mut self.callbacks) {
            let start = self.code.len();
            self.starts.push(start as u32);
            self.code[at].imm = start as i32 - at as i32 - 1;
            match callback {
                Callback::Turn => {
                    self.put(0xbf, 8, 2, 0, 0);
                    self.put(0xbf, 0, 1, 0, 0);
                }
                Callback::Element => {
                    self.put(0xbf, 8, 4, 0, 0);
                    self.put(0xbf, 9, 3, 0, 0);
                    self.put(0x61, 0, 2, 0, 0);
                }
            }
            for reg in 1..8 {
                let imm = self.imm();
                self.put(0xb7, reg, 0, 0, imm);
            }
            self.put(0x79, 1, 8, 0, 0);
            for _ in 0..self.rng.u32(1..5) {
                self.alu();
            }
            let (given, kept, result) = (self.scalar(), self.scalar(), self.scalar());
            if callback == Callback::Element && self.rng.bool() {
                self.put(0x7b, 9, given, 0, 0);
            }
            self.put(0x7b, 8, kept, 0, 0);
            self.put(0xbf, 0, result, 0, 0);
            self.put(0x57, 0, 0, 0, 1);
            self.put(0x95, 0, 0, 0, 0);
        }
    }

    /// Numbers of an iterator, summed up.
    pub(super) fn iterate(&mut self) {
        self.move_register(1, 10, ITERATOR);
        let start = self.rng.i32(-3..4);
        let end = start + self.rng.i32(-1..9);
        self.put(0xb7, 2, 0, 0, start);
        self.put(0xb7, 3, 0, 0, end);
        self.call_kernel("bpf_iter_num_new");
        self.put(0xb7, 7, 0, 0, 0);
        let next = self.code.len();
        self.move_register(1, 10, ITERATOR);
        self.call_kernel("bpf_iter_num_next");
        self.put(0x15, 0, 0, 3, 0);
        self.put(0x61, 0, 0, 0, 0);
        self.put(0x0f, 7, 0, 0, 0);
        let back = next as i64 - self.code.len() as i64 - 1;
        self.put(0x05, 0, 0, back as i16, 0);
        self.move_register(1, 10, ITERATOR);
        self.call_kernel("bpf_iter_num_destroy");
        self.put(0xb7, 0, 0, 0, 0);
        self.again();
    }

    /// A dynptr over the packet, narrowed and read.
    pub(super) fn dynptr(&mut self) {
        self.put(0x79, 1, 10, CONTEXT, 0);
        let flags = i32::from(self.rng.u32(0..16) == 0);
        self.put(0xb7, 2, 0, 0, flags);
        self.move_register(3, 10, DYNPTR);
        self.call_kernel("bpf_dynptr_from_xdp");
        if self.rng.bool() {
            self.move_register(1, 10, DYNPTR);
            let (start, end) = (self.rng.i32(0..100), self.rng.i32(0..200));
            self.put(0xb7, 2, 0, 0, start);
            self.put(0xb7, 3, 0, 0, end);
            self.call_kernel("bpf_dynptr_adjust");
        }
        let slot = self.slot();
        let offset = self.rng.i32(0..150);
        self.move_register(1, 10, slot);
        self.put(0xb7, 2, 0, 0, 8);
        self.move_register(3, 10, DYNPTR);
        self.put(0xb7, 4, 0, 0, offset);
        self.put(0xb7, 5, 0, 0, 0);
        self.call_helper(DYNPTR_READ);
        self.put(0xbf, 6, 0, 0, 0);
        self.move_register(1, 10, DYNPTR);
        let ask = ["bpf_dynptr_size", "bpf_dynptr_is_null", "bpf_dynptr_is_rdonly"][self.rng.usize(0..3)];
        self.call_kernel(ask);
        // Of a `bool` the lowest byte counts, of the size the lower half.
        let shift = if ask == "bpf_dynptr_size" { 32 } else { 56 };
        self.put(0x67, 0, 0, 0, shift);
        self.put(0x77, 0, 0, 0, shift);
        self.again();
    }

    /// A question about strings that are known to end.
    pub(super) fn string(&mut self) {
        let (a, b) = (self.slot(), self.slot());
        for slot in [a, b] {
            // Four bytes of few letters, and zeros behind them.
            let text = self.rng.i32(..) & 0x0303_0303 | 0x6160_6100 & self.rng.i32(..);
            self.put(0x7a, 10, 0, slot, text & i32::MAX);
        }
        self.move_register(1, 10, a);
        self.move_register(2, 10, b);
        let of_two = ["bpf_strcmp", "bpf_strcasecmp", "bpf_strspn", "bpf_strcspn", "bpf_strstr"];
        let of_one = ["bpf_strchr", "bpf_strchrnul", "bpf_strrchr", "bpf_strlen", "bpf_strnlen"];
        if self.rng.bool() {
            let name = of_two[self.rng.usize(0..of_two.len())];
            self.call_kernel(name);
        } else {
            let c = self.rng.i32(0..4);
            self.put(0xb7, 2, 0, 0, c);
            let name = of_one[self.rng.usize(0..of_one.len())];
            self.call_kernel(name);
        }
        // An `int`: the upper half is nobody's.
        self.put(0x67, 0, 0, 0, 32);
        self.put(0xc7, 0, 0, 0, 32);
        self.again();
    }

    /// An exception, on some paths.
    pub(super) fn throw(&mut self) {
        let (tested, imm, thrown) = (self.scalar(), self.imm(), self.scalar());
        self.put(0x55, tested, 0, 2, imm);
        self.put(0xbf, 1, thrown, 0, 0);
        self.call_kernel("bpf_throw");
        if thrown == 0 || tested == 0 {
            self.put(0xb7, 0, 0, 0, 5);
        }
        self.put(0xb7, 1, 0, 0, 6);
    }

    /// Addresses of an arena that has no pages: loads give 0, stores go nowhere.
    pub(super) fn arena(&mut self) {
        self.wide(7, 1, u64::from(self.maps.arena as u32));
        let (base, other) = (self.rng.u8(0..7), self.scalar());
        let other = if other == base { (base + 1) % 7 } else { other };
        self.put(0xbf, 7, 0, 0, 0);
        self.put(0xbf, base, other, 1, 1);
        for _ in 0..self.rng.u32(0..4) {
            let op = [0x00, 0x10, 0x20, 0x40, 0x50, 0xa0][self.rng.usize(0..6)];
            let imm = self.imm();
            match self.rng.u32(0..3) {
                0 => self.put(op | 7, base, 0, 0, imm),
                1 => self.put(op | 4, base, 0, 0, imm),
                _ => self.put(op | 0xf, base, other, 0, 0),
            }
        }
        let off = self.rng.i16(..);
        let load = [0x71, 0x69, 0x61, 0x79, 0x91, 0x81][self.rng.usize(0..6)];
        let atomic = [0x00, 0x01, 0xe1][self.rng.usize(0..3)];
        match self.rng.u32(0..4) {
            0 => self.put(load, 7, base, off, 0),
            1 => self.put(0x7b, base, other, off, 0),
            2 => self.put(0xdb, base, 7, off & !7, atomic),
            _ => {}
        }
        // As the process has it, so that it is a number again.
        self.put(0xbf, base, base, 1, 1 << 16);
    }

    /// Goes on in another program, where there is one at the index.
    pub(super) fn tail_call(&mut self) {
        self.put(0x79, 1, 10, CONTEXT, 0);
        self.wide(2, 1, u64::from(self.maps.programs as u32));
        let index = self.rng.i32(0..3);
        self.put(0xb7, 3, 0, 0, index);
        self.call_helper(TAIL_CALL);
        self.again();
        self.put(0xb7, 0, 0, 0, 3);
    }
}
