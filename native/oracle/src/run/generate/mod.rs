//! Programs that every engine and the kernel should accept: arithmetic, memory, loops, calls and maps, put
//! together at random.
//!
//! r9 points to the packet throughout, r8 counts loops; every other register below r8 always holds a number.

mod calls;

use fastrand::Rng;
use glasshive::isa::RawInsn;
use glasshive::object::btf::kernel::KernelTypes;

use calls::{CONTEXT, Callback};

/// Bytes of the packet that the program makes sure of; the last 64 take the registers at the end.
pub const PACKET: u16 = 128;
/// Slots of 8 bytes below r10 that hold numbers; below them lies the key of map calls.
const SLOTS: i16 = 8;
const KEY: i16 = -(SLOTS * 8) - 8;
const MOST_BRANCHES: u32 = 6;

/// What programs use: descriptors of a hash with keys of 4 bytes and values of 8, of an array of four such values,
/// of an arena and of an array of programs, and the kernel's types, where its functions can be called.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    pub hash: i32,
    pub array: i32,
    pub arena: i32,
    pub programs: i32,
    pub kernel: Option<&'a KernelTypes>,
    /// Whether programs may have more than arithmetic, memory, loops, calls and maps.
    pub everything: bool,
}

/// A program, and where its functions begin.
#[derive(Clone, Debug)]
pub struct Generated {
    pub code: Vec<RawInsn>,
    pub starts: Vec<u32>,
}

struct Program<'a> {
    rng: &'a mut Rng,
    maps: Given<'a>,
    code: Vec<RawInsn>,
    branches: u32,
    /// Slots of calls, and which function each calls.
    calls: Vec<(usize, usize)>,
    functions: usize,
    /// Slots that name a function which is called back.
    callbacks: Vec<(usize, Callback)>,
    starts: Vec<u32>,
}

const ALU: &[u8] = &[0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0x90, 0xa0, 0xb0, 0xc0];
const JUMPS: &[u8] = &[0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0xa0, 0xb0, 0xc0, 0xd0];
const ATOMICS: &[i32] = &[0x00, 0x40, 0x50, 0xa0, 0x01, 0x41, 0x51, 0xa1, 0xe1, 0xf1];

/// A program of an XDP type.
pub fn program(rng: &mut Rng, maps: Given) -> Generated {
    let mut p = Program {
        rng,
        maps,
        code: Vec::new(),
        branches: 0,
        calls: Vec::new(),
        functions: 0,
        callbacks: Vec::new(),
        starts: vec![0],
    };
    let plain = p.rng.bool() || !p.maps.everything;
    p.begin();
    for _ in 0..p.rng.u32(2..9) {
        // Half of the programs are of what machine code does alone.
        let most = if plain { 8 } else { 15 };
        match p.rng.u32(0..most) {
            8 => p.call_back(),
            9 if p.maps.kernel.is_some() => p.iterate(),
            10 if p.maps.kernel.is_some() => p.dynptr(),
            11 if p.maps.kernel.is_some() => p.string(),
            12 if p.maps.kernel.is_some() => p.throw(),
            13 => p.arena(),
            14 => p.tail_call(),
            0 => p.repeat(),
            1 => p.branch(),
            2 => p.map_call(),
            3 => p.call(),
            _ => {
                for _ in 0..p.rng.u32(1..9) {
                    p.step();
                }
            }
        }
    }
    p.end();
    p.link();
    p.starts.sort_unstable();
    Generated { code: p.code, starts: p.starts }
}

impl Program<'_> {
    fn put(&mut self, code: u8, dst: u8, src: u8, off: i16, imm: i32) {
        self.code.push(RawInsn { code, dst, src, off, imm });
    }

    fn wide(&mut self, dst: u8, src: u8, value: u64) {
        self.put(0x18, dst, src, 0, value as i32);
        self.put(0, 0, 0, 0, (value >> 32) as i32);
    }

    /// A number that is more often than not at an edge.
    fn number(&mut self) -> u64 {
        let edges =
            [0, 1, u64::MAX, 1 << 31, 1 << 32, 1 << 63, u64::MAX >> 1, 0x7fff_ffff, 0xffff_ffff, 0xff];
        match self.rng.u32(0..4) {
            0 => edges[self.rng.usize(0..edges.len())],
            1 => edges[self.rng.usize(0..edges.len())].wrapping_add(self.rng.u64(0..5)).wrapping_sub(2),
            2 => self.rng.u64(0..300),
            _ => self.rng.u64(..),
        }
    }

    fn imm(&mut self) -> i32 {
        self.number() as i32
    }

    fn scalar(&mut self) -> u8 {
        self.rng.u8(0..8)
    }

    fn slot(&mut self) -> i16 {
        -8 * self.rng.i16(1..SLOTS + 1)
    }

    /// A size's bits, its bytes, and an offset of so many bytes in a stack slot.
    fn size(&mut self) -> (u8, i16) {
        [(0x10, 1), (0x08, 2), (0x00, 4), (0x18, 8)][self.rng.usize(0..4)]
    }

    fn begin(&mut self) {
        self.put(0x7b, 10, 1, CONTEXT, 0);
        self.put(0x61, 2, 1, 4, 0);
        self.put(0x61, 9, 1, 0, 0);
        self.put(0xbf, 3, 9, 0, 0);
        self.put(0x07, 3, 0, 0, PACKET.into());
        // Past the end: return.
        self.put(0xbd, 3, 2, 2, 0);
        self.put(0xb7, 0, 0, 0, 1);
        self.put(0x95, 0, 0, 0, 0);
        for reg in 0..8 {
            if self.rng.bool() {
                let value = self.number();
                self.wide(reg, 0, value);
            } else {
                let offset = self.rng.i16(0..57);
                self.put(0x79, reg, 9, offset, 0);
            }
        }
        for slot in 1..=SLOTS {
            let reg = self.scalar();
            self.put(0x7b, 10, reg, -8 * slot, 0);
        }
    }

    /// What the registers hold goes into the packet.
    fn end(&mut self) {
        for reg in 0..8 {
            self.put(0x7b, 9, reg, 64 + 8 * i16::from(reg), 0);
        }
        self.put(0x95, 0, 0, 0, 0);
    }

    /// One instruction of no consequence for where control goes.
    fn step(&mut self) {
        let (dst, src) = (self.scalar(), self.scalar());
        match self.rng.u32(0..16) {
            0..=5 => self.alu(),
            6 => {
                let (code, off) =
                    [(0xbf, 8), (0xbf, 16), (0xbf, 32), (0xbc, 8), (0xbc, 16)][self.rng.usize(0..5)];
                self.put(code, dst, src, off, 0);
            }
            7 => {
                let code = [0x87, 0x84][self.rng.usize(0..2)];
                self.put(code, dst, 0, 0, 0);
            }
            8 => {
                let code = [0xd4, 0xdc, 0xd7][self.rng.usize(0..3)];
                let bits = [16, 32, 64][self.rng.usize(0..3)];
                self.put(code, dst, 0, 0, bits);
            }
            9 => {
                let (size, len) = self.size();
                let off = self.slot() + self.rng.i16(0..8 / len) * len;
                let sign = if len < 8 && self.rng.bool() { 0x80 } else { 0x60 };
                self.put(sign | size | 1, dst, 10, off, 0);
            }
            10 => {
                let (size, len) = self.size();
                let off = self.slot() + self.rng.i16(0..8 / len) * len;
                self.put(0x63 | size, 10, src, off, 0);
            }
            11 => {
                let (size, len) = self.size();
                let off = self.rng.i16(0..64 - len);
                let sign = if len < 8 && self.rng.bool() { 0x80 } else { 0x60 };
                self.put(sign | size | 1, dst, 9, off, 0);
            }
            12 => {
                let (size, len) = self.size();
                let off = self.rng.i16(0..64 - len);
                self.put(0x63 | size, 9, src, off, 0);
            }
            13 => {
                let ((size, len), imm) = (self.size(), self.imm());
                let off = self.slot() + self.rng.i16(0..8 / len) * len;
                self.put(0x62 | size, 10, 0, off, imm);
            }
            14 => self.atomic(),
            _ => {
                let value = self.number();
                self.wide(dst, 0, value);
            }
        }
    }

    fn alu(&mut self) {
        let (dst, src) = (self.scalar(), self.scalar());
        let op = ALU[self.rng.usize(0..ALU.len())];
        let class = if self.rng.bool() { 7 } else { 4 };
        let signed = if matches!(op, 0x30 | 0x90) && self.rng.bool() { 1 } else { 0 };
        if self.rng.bool() {
            self.put(op | 8 | class, dst, src, signed, 0);
            return;
        }
        let imm = match op {
            0x60 | 0x70 | 0xc0 => self.rng.i32(0..if class == 7 { 64 } else { 32 }),
            0x30 | 0x90 => match self.imm() {
                0 => 3,
                imm => imm,
            },
            _ => self.imm(),
        };
        self.put(op | class, dst, 0, signed, imm);
    }

    fn atomic(&mut self) {
        let (slot, src) = (self.slot(), self.scalar());
        let op = ATOMICS[self.rng.usize(0..ATOMICS.len())];
        let (code, part) = if self.rng.bool() { (0xdb, 0) } else { (0xc3, 4 * self.rng.i16(0..2)) };
        self.put(code, 10, src, slot + part, op);
    }

    /// Some steps that may be jumped over.
    fn branch(&mut self) {
        if self.branches == MOST_BRANCHES {
            return;
        }
        self.branches += 1;
        let at = self.code.len();
        let (dst, src, imm) = (self.scalar(), self.scalar(), self.imm());
        let op = JUMPS[self.rng.usize(0..JUMPS.len())];
        let class = if self.rng.bool() { 5 } else { 6 };
        if self.rng.bool() {
            self.put(op | 8 | class, dst, src, 0, 0);
        } else {
            self.put(op | class, dst, 0, 0, imm);
        }
        for _ in 0..self.rng.u32(1..5) {
            self.step();
        }
        self.code[at].off = (self.code.len() - at - 1) as i16;
    }

    fn repeat(&mut self) {
        let times = self.rng.i32(1..17);
        self.put(0xb7, 8, 0, 0, times);
        let start = self.code.len();
        for _ in 0..self.rng.u32(1..8) {
            self.step();
        }
        self.put(0x07, 8, 0, 0, -1);
        let back = start as i64 - self.code.len() as i64 - 1;
        self.put(0x55, 8, 0, back as i16, 0);
    }

    /// After a call r1 to r5 hold nothing that may be read.
    fn again(&mut self) {
        for reg in 1..6 {
            let imm = self.imm();
            self.put(0xb7, reg, 0, 0, imm);
        }
    }

    fn map_call(&mut self) {
        let key = self.scalar();
        self.put(0x63, 10, key, KEY, 0);
        // A key of few: so that some are found.
        self.put(0x61, 2, 10, KEY, 0);
        self.put(0x57, 2, 0, 0, 7);
        self.put(0x63, 10, 2, KEY, 0);
        self.put(0xbf, 2, 10, 0, 0);
        self.put(0x07, 2, 0, 0, KEY.into());
        let is_hash = self.rng.bool();
        let fd = if is_hash { self.maps.hash } else { self.maps.array };
        self.wide(1, 1, u64::from(fd as u32));
        match self.rng.u32(0..4) {
            0 => {
                let slot = self.slot();
                self.put(0xbf, 3, 10, 0, 0);
                self.put(0x07, 3, 0, 0, slot.into());
                let flags = self.rng.i32(0..3);
                self.put(0xb7, 4, 0, 0, flags);
                self.put(0x85, 0, 0, 0, 2);
            }
            1 if is_hash => self.put(0x85, 0, 0, 0, 3),
            _ => {
                self.put(0x85, 0, 0, 0, 1);
                let at = self.code.len();
                self.put(0x15, 0, 0, 0, 0);
                let (size, len) = self.size();
                let off = self.rng.i16(0..9 - len);
                match self.rng.u32(0..3) {
                    0 => self.put(0x61 | size, 7, 0, off, 0),
                    1 => self.put(0x63 | size, 0, 6, off, 0),
                    _ => {
                        let op = [0x00, 0x01, 0xa1, 0xe1][self.rng.usize(0..4)];
                        self.put(0xdb, 0, 6, 0, op);
                    }
                }
                self.put(0xb7, 0, 0, 0, 1);
                self.code[at].off = (self.code.len() - at - 1) as i16;
            }
        }
        self.again();
    }

    fn call(&mut self) {
        self.functions = self.functions.max(1);
        let function = self.rng.usize(0..(self.functions + 1).min(4));
        self.functions = self.functions.max(function + 1);
        self.calls.push((self.code.len(), function));
        self.put(0x85, 0, 1, 0, 0);
        self.again();
    }

    /// Appends the functions, and makes the calls lead to them.
    fn link(&mut self) {
        let mut starts = Vec::new();
        for function in 0..self.functions {
            if !self.calls.iter().any(|call| call.1 == function) {
                starts.push(0);
                continue;
            }
            starts.push(self.code.len());
            self.starts.push(self.code.len() as u32);
            // A function finds numbers in r1 to r5 alone.
            self.put(0xbf, 0, 1, 0, 0);
            self.put(0xbf, 6, 2, 0, 0);
            self.put(0xbf, 7, 3, 0, 0);
            for slot in 1..=SLOTS {
                let reg = self.scalar();
                self.put(0x7b, 10, reg, -8 * slot, 0);
            }
            for _ in 0..self.rng.u32(1..8) {
                // Anything but the packet, which is the caller's.
                let before = self.code.len();
                self.step();
                if self.code[before..].iter().any(|insn| insn.dst == 9 || insn.src == 9) {
                    self.code.truncate(before);
                }
            }
            self.put(0x95, 0, 0, 0, 0);
        }
        for (at, function) in std::mem::take(&mut self.calls) {
            self.code[at].imm = starts[function] as i32 - at as i32 - 1;
        }
        self.link_callbacks();
    }
}
