//! Machine instructions to bytes (Intel SDM volume 2; AMD64 APM volume 3).

use alloc::vec::Vec;

/// A machine register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Gpr {
    Rax,
    Rcx,
    Rdx,
    Rbx,
    Rsp,
    Rbp,
    Rsi,
    Rdi,
    R8,
    R9,
    R10,
    R11,
    R12,
    R13,
    R14,
    R15,
}

/// Operand size of an operation on registers.
pub type Wide = bool;

/// 64 bits.
pub const W64: Wide = true;
/// 32 bits: the upper half becomes zero.
pub const W32: Wide = false;

/// An operation with the encodings of the first group: the number is its place there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Group1 {
    Add = 0,
    Or = 1,
    And = 4,
    Sub = 5,
    Xor = 6,
    Cmp = 7,
}

/// A shift: its place in its group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Shift {
    Left = 4,
    Right = 5,
    Arithmetic = 7,
}

/// A condition of `jcc`: its low four bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Condition {
    Below = 2,
    AboveOrEqual = 3,
    Equal = 4,
    NotEqual = 5,
    BelowOrEqual = 6,
    Above = 7,
    Sign = 8,
    Less = 12,
    GreaterOrEqual = 13,
    LessOrEqual = 14,
    Greater = 15,
}

/// `[base + index + offset]`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The base.
    pub base: Gpr,
    /// The index, never rsp.
    pub index: Option<Gpr>,
    /// The displacement.
    pub offset: i32,
}

/// Where emitted bytes go.
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    at: usize,
}

/// Bytes that [`Buffer::reserve`] makes room for.
pub const RESERVE: usize = 512;

impl Buffer {
    /// An empty one, with room for that many bytes at first.
    pub fn new(len: usize) -> Buffer {
        Buffer { bytes: alloc::vec![0; len], at: 0 }
    }
    /// Offset of the next byte.
    #[inline(always)]
    pub fn at(&self) -> usize {
        self.at
    }
    /// What was emitted.
    pub fn finish(mut self) -> Vec<u8> {
        self.bytes.truncate(self.at);
        self.bytes
    }
    /// Makes room for [`RESERVE`] bytes: once before each instruction of the program.
    #[inline(always)]
    pub fn reserve(&mut self) {
        if self.bytes.len() < self.at + RESERVE {
            self.grow();
        }
    }
    #[cold]
    fn grow(&mut self) {
        let len = (self.bytes.len() * 2).max(self.at + 4 * RESERVE);
        self.bytes.resize(len, 0);
    }

    /// Appends the low `len` bytes, at most 8.
    #[inline(always)]
    pub fn put(&mut self, bytes: u64, len: usize) {
        if let Some(place) = self.bytes.get_mut(self.at..).and_then(<[u8]>::first_chunk_mut::<8>) {
            *place = bytes.to_le_bytes();
        }
        self.at += len;
    }

    /// Overwrites four bytes.
    pub fn patch32(&mut self, at: usize, value: i32) {
        if let Some(place) = self.bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<4>) {
            *place = value.to_le_bytes();
        }
    }
    /// Overwrites a byte.
    pub fn patch8(&mut self, at: usize, value: i8) {
        if let Some(place) = self.bytes.get_mut(at) {
            *place = value as u8;
        }
    }

    /// `rex opcode modrm` with two registers; `prefix` goes before as it is.
    #[inline(always)]
    fn register_form(&mut self, wide: Wide, opcode: u64, opcode_len: usize, reg: u8, rm: u8) {
        let modrm = 0xc0 | u64::from(reg & 7) << 3 | u64::from(rm & 7);
        let rex = 0x40 | u64::from(wide) << 3 | u64::from(reg >> 3) << 2 | u64::from(rm >> 3);
        let body = opcode | modrm << (8 * opcode_len);
        if rex == 0x40 {
            self.put(body, opcode_len + 1);
        } else {
            self.put(rex | body << 8, opcode_len + 2);
        }
    }

    /// `op dst, src`
    #[inline(always)]
    pub fn group1(&mut self, wide: Wide, op: Group1, dst: Gpr, src: Gpr) {
        self.register_form(wide, (op as u64) << 3 | 1, 1, src as u8, dst as u8);
    }
    /// `op dst, imm`
    #[inline(always)]
    pub fn group1_imm(&mut self, wide: Wide, op: Group1, dst: Gpr, imm: i32) {
        if let Ok(short) = i8::try_from(imm) {
            self.register_form(wide, 0x83, 1, op as u8, dst as u8);
            self.put(short as u8 as u64, 1);
        } else if dst == Gpr::Rax {
            let opcode = (op as u64) << 3 | 5;
            if wide {
                self.put(0x48 | opcode << 8, 2)
            } else {
                self.put(opcode, 1)
            }
            self.put(imm as u32 as u64, 4);
        } else {
            self.register_form(wide, 0x81, 1, op as u8, dst as u8);
            self.put(imm as u32 as u64, 4);
        }
    }
    /// `test a, b`
    #[inline(always)]
    pub fn test(&mut self, wide: Wide, a: Gpr, b: Gpr) {
        self.register_form(wide, 0x85, 1, b as u8, a as u8);
    }
    /// `test a, imm`
    pub fn test_imm(&mut self, wide: Wide, a: Gpr, imm: i32) {
        // A small positive constant needs but the low byte; without a prefix only the first four have one.
        if (0..128).contains(&imm) && (a as u8) < 4 {
            self.register_form(W32, 0xf6, 1, 0, a as u8);
            self.put(imm as u64, 1);
        } else {
            self.register_form(wide && imm < 0, 0xf7, 1, 0, a as u8);
            self.put(imm as u32 as u64, 4);
        }
    }
    /// `mov dst, src`
    #[inline(always)]
    pub fn mov(&mut self, wide: Wide, dst: Gpr, src: Gpr) {
        self.register_form(wide, 0x89, 1, src as u8, dst as u8);
    }
    /// `mov dst, value`, the shortest way; the flags don't survive.
    #[inline(always)]
    pub fn mov_imm(&mut self, dst: Gpr, value: u64) {
        let high = u64::from(dst as u8 >> 3);
        let low = u64::from(dst as u8 & 7);
        if value == 0 {
            self.group1(W32, Group1::Xor, dst, dst);
        } else if value <= u64::from(u32::MAX) {
            if high != 0 {
                self.put(0x41, 1);
            }
            self.put(0xb8 | low | value << 8, 5);
        } else if value as i64 == i64::from(value as i32) {
            self.register_form(W64, 0xc7, 1, 0, dst as u8);
            self.put(value & 0xffff_ffff, 4);
        } else {
            self.put(0x48 | high | (0xb8 | low) << 8, 2);
            self.put(value, 8);
        }
    }
    /// `xchg a, b`
    pub fn exchange(&mut self, a: Gpr, b: Gpr) {
        self.register_form(W64, 0x87, 1, a as u8, b as u8);
    }
    /// `neg dst`
    pub fn neg(&mut self, wide: Wide, dst: Gpr) {
        self.register_form(wide, 0xf7, 1, 3, dst as u8);
    }
    /// `div src` or `idiv src`: rdx:rax by it.
    pub fn divide(&mut self, wide: Wide, signed: bool, src: Gpr) {
        self.register_form(wide, 0xf7, 1, if signed { 7 } else { 6 }, src as u8);
    }
    /// `cdq`, `cqo`: the sign of rax into rdx.
    pub fn sign_into_rdx(&mut self, wide: Wide) {
        if wide { self.put(0x9948, 2) } else { self.put(0x99, 1) }
    }
    /// `imul dst, src`
    pub fn multiply(&mut self, wide: Wide, dst: Gpr, src: Gpr) {
        self.register_form(wide, 0xaf0f, 2, dst as u8, src as u8);
    }
    /// `imul dst, src, imm`
    pub fn multiply_imm(&mut self, wide: Wide, dst: Gpr, src: Gpr, imm: i32) {
        if let Ok(short) = i8::try_from(imm) {
            self.register_form(wide, 0x6b, 1, dst as u8, src as u8);
            self.put(short as u8 as u64, 1);
        } else {
            self.register_form(wide, 0x69, 1, dst as u8, src as u8);
            self.put(imm as u32 as u64, 4);
        }
    }
    /// `shift dst, imm`
    #[inline(always)]
    pub fn shift_imm(&mut self, wide: Wide, shift: Shift, dst: Gpr, by: u8) {
        if by == 1 {
            self.register_form(wide, 0xd1, 1, shift as u8, dst as u8);
        } else {
            self.register_form(wide, 0xc1, 1, shift as u8, dst as u8);
            self.put(by.into(), 1);
        }
    }
    /// `shift dst, cl`
    pub fn shift_cl(&mut self, wide: Wide, shift: Shift, dst: Gpr) {
        self.register_form(wide, 0xd3, 1, shift as u8, dst as u8);
    }
    /// `shlx`, `shrx`, `sarx dst, src, by` (BMI2)
    pub fn shift_by(&mut self, wide: Wide, shift: Shift, dst: Gpr, src: Gpr, by: Gpr) {
        let prefix: u64 = match shift {
            Shift::Left => 1,
            Shift::Right => 3,
            Shift::Arithmetic => 2,
        };
        let (dst, src, by) = (dst as u64, src as u64, by as u64);
        // Three-byte VEX: the register extensions inverted, map 0f38.
        let second = (!dst >> 3 & 1) << 7 | 1 << 6 | (!src >> 3 & 1) << 5 | 2;
        let third = u64::from(wide) << 7 | (!by & 15) << 3 | prefix;
        let modrm = 0xc0 | (dst & 7) << 3 | src & 7;
        self.put(0xc4 | second << 8 | third << 16 | 0xf7 << 24 | modrm << 32, 5);
    }
    /// `bswap dst`
    pub fn swap(&mut self, wide: Wide, dst: Gpr) {
        let rex = 0x40 | u64::from(wide) << 3 | (dst as u64) >> 3;
        if rex != 0x40 {
            self.put(rex, 1);
        }
        self.put(0x0f | (0xc8 | dst as u64 & 7) << 8, 2);
    }
    /// `rol dst16, 8`: swaps the low two bytes.
    pub fn swap_low16(&mut self, dst: Gpr) {
        self.put(0x66, 1);
        self.register_form(W32, 0xc1, 1, 0, dst as u8);
        self.put(8, 1);
    }
    /// `movzx dst32, src16`
    pub fn zero_extend16(&mut self, dst: Gpr, src: Gpr) {
        self.register_form(W32, 0xb70f, 2, dst as u8, src as u8);
    }
    /// `movsx dst, src8`
    pub fn sign_extend8(&mut self, wide: Wide, dst: Gpr, src: Gpr) {
        // With a prefix every register's low byte can be named.
        let rex = 0x40 | u64::from(wide) << 3 | (dst as u64 >> 3) << 2 | src as u64 >> 3;
        let modrm = 0xc0 | (dst as u64 & 7) << 3 | src as u64 & 7;
        self.put(rex | 0xbe0f << 8 | modrm << 24, 4);
    }
    /// `movsx dst, src16`
    pub fn sign_extend16(&mut self, wide: Wide, dst: Gpr, src: Gpr) {
        self.register_form(wide, 0xbf0f, 2, dst as u8, src as u8);
    }
    /// `movsxd dst64, src32`
    pub fn sign_extend32(&mut self, dst: Gpr, src: Gpr) {
        self.register_form(W64, 0x63, 1, dst as u8, src as u8);
    }

    /// `[prefix] rex opcode modrm` with memory; `byte` where `reg` names a low byte.
    #[inline(always)]
    fn memory_form(&mut self, wide: Wide, opcode: u64, opcode_len: usize, reg: u8, place: Place, byte: bool) {
        let base = place.base as u8;
        let index = place.index.map_or(0, |index| index as u8);
        let rex = 0x40
            | u64::from(wide) << 3
            | u64::from(reg >> 3) << 2
            | u64::from(index >> 3) << 1
            | u64::from(base >> 3);
        if rex != 0x40 || (byte && (4..8).contains(&reg)) {
            self.put(rex, 1);
        }
        let small = i8::try_from(place.offset).is_ok();
        // Without a displacement, rbp and r13 as base mean something else.
        let (mode, offset_len) = match place.offset {
            0 if base & 7 != 5 => (0, 0),
            _ if small => (0x40, 1),
            _ => (0x80, 4),
        };
        let reg = u64::from(reg & 7) << 3;
        let (form, form_len) = if place.index.is_some() || base & 7 == 4 {
            let index = if place.index.is_some() { u64::from(index & 7) << 3 } else { 4 << 3 };
            ((mode | reg | 4) | (index | u64::from(base & 7)) << 8, 2)
        } else {
            (mode | reg | u64::from(base & 7), 1)
        };
        self.put(opcode | form << (8 * opcode_len), opcode_len + form_len);
        self.put(place.offset as u32 as u64, offset_len);
    }

    /// `lea dst, place`
    pub fn address(&mut self, dst: Gpr, place: Place) {
        self.memory_form(W64, 0x8d, 1, dst as u8, place, false);
    }
    /// A load of 1, 2, 4 or 8 bytes, zero-extended.
    #[inline(always)]
    pub fn load(&mut self, bytes: u32, dst: Gpr, place: Place) {
        match bytes {
            1 => self.memory_form(W32, 0xb60f, 2, dst as u8, place, false),
            2 => self.memory_form(W32, 0xb70f, 2, dst as u8, place, false),
            4 => self.memory_form(W32, 0x8b, 1, dst as u8, place, false),
            _ => self.memory_form(W64, 0x8b, 1, dst as u8, place, false),
        }
    }
    /// A load of 1, 2 or 4 bytes, sign-extended to 64 bits.
    pub fn load_signed(&mut self, bytes: u32, dst: Gpr, place: Place) {
        match bytes {
            1 => self.memory_form(W64, 0xbe0f, 2, dst as u8, place, false),
            2 => self.memory_form(W64, 0xbf0f, 2, dst as u8, place, false),
            _ => self.memory_form(W64, 0x63, 1, dst as u8, place, false),
        }
    }
    /// A store of the low 1, 2, 4 or 8 bytes.
    #[inline(always)]
    pub fn store(&mut self, bytes: u32, place: Place, src: Gpr) {
        match bytes {
            1 => self.memory_form(W32, 0x88, 1, src as u8, place, true),
            2 => {
                self.put(0x66, 1);
                self.memory_form(W32, 0x89, 1, src as u8, place, false);
            }
            4 => self.memory_form(W32, 0x89, 1, src as u8, place, false),
            _ => self.memory_form(W64, 0x89, 1, src as u8, place, false),
        }
    }
    /// A store of a constant, sign-extended to 8 bytes.
    pub fn store_imm(&mut self, bytes: u32, place: Place, imm: i32) {
        match bytes {
            1 => self.memory_form(W32, 0xc6, 1, 0, place, false),
            2 => {
                self.put(0x66, 1);
                self.memory_form(W32, 0xc7, 1, 0, place, false);
            }
            4 => self.memory_form(W32, 0xc7, 1, 0, place, false),
            _ => self.memory_form(W64, 0xc7, 1, 0, place, false),
        }
        self.put(imm as u32 as u64, bytes.min(4) as usize);
    }
    /// `lock op place, src`
    pub fn locked(&mut self, wide: Wide, op: Group1, place: Place, src: Gpr) {
        self.put(0xf0, 1);
        self.memory_form(wide, (op as u64) << 3 | 1, 1, src as u8, place, false);
    }
    /// `lock xadd place, src`
    pub fn locked_exchange_add(&mut self, wide: Wide, place: Place, src: Gpr) {
        self.put(0xf0, 1);
        self.memory_form(wide, 0xc10f, 2, src as u8, place, false);
    }
    /// `xchg place, src`, which locks by itself.
    pub fn exchange_memory(&mut self, wide: Wide, place: Place, src: Gpr) {
        self.memory_form(wide, 0x87, 1, src as u8, place, false);
    }
    /// `lock cmpxchg place, src`: where it equals rax, it becomes `src`; rax becomes what it was.
    pub fn compare_exchange(&mut self, wide: Wide, place: Place, src: Gpr) {
        self.put(0xf0, 1);
        self.memory_form(wide, 0xb10f, 2, src as u8, place, false);
    }
    /// `cmp reg, place`
    pub fn compare_memory(&mut self, reg: Gpr, place: Place) {
        self.memory_form(W64, 0x3b, 1, reg as u8, place, false);
    }
    /// `op qword place, imm8`
    pub fn group1_memory_imm8(&mut self, op: Group1, place: Place, imm: i8) {
        self.memory_form(W64, 0x83, 1, op as u8, place, false);
        self.put(imm as u8 as u64, 1);
    }
    /// `call place`
    pub fn call_memory(&mut self, place: Place) {
        self.memory_form(W32, 0xff, 1, 2, place, false);
    }
    /// `push reg`
    pub fn push(&mut self, reg: Gpr) {
        let opcode = 0x50 | reg as u64 & 7;
        if (reg as u8) < 8 { self.put(opcode, 1) } else { self.put(0x41 | opcode << 8, 2) }
    }
    /// `pop reg`
    pub fn pop(&mut self, reg: Gpr) {
        let opcode = 0x58 | reg as u64 & 7;
        if (reg as u8) < 8 { self.put(opcode, 1) } else { self.put(0x41 | opcode << 8, 2) }
    }
    /// `ret`
    pub fn ret(&mut self) {
        self.put(0xc3, 1);
    }
    /// `jcc` or, without a condition, `jmp`, short: where its distance lies.
    #[inline(always)]
    pub fn jump8(&mut self, condition: Option<Condition>) -> usize {
        self.put(condition.map_or(0xeb, |c| 0x70 | c as u64), 2);
        self.at - 1
    }
    /// `jcc` or, without a condition, `jmp`: where its distance lies.
    #[inline(always)]
    pub fn jump32(&mut self, condition: Option<Condition>) -> usize {
        match condition {
            Some(condition) => self.put(0x0f | (0x80 | condition as u64) << 8, 6),
            None => self.put(0xe9, 5),
        }
        self.at - 4
    }
    /// `call`: where its distance lies.
    pub fn call32(&mut self) -> usize {
        self.put(0xe8, 5);
        self.at - 4
    }
    /// Makes a distance lead to an offset.
    #[inline(always)]
    pub fn lead8(&mut self, at: usize, to: usize) {
        self.patch8(at, (to as i64 - (at as i64 + 1)) as i8);
    }
    /// Makes a distance lead to an offset.
    #[inline(always)]
    pub fn lead32(&mut self, at: usize, to: usize) {
        self.patch32(at, (to as i64 - (at as i64 + 4)) as i32);
    }
}
