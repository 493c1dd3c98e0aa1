//! Loads, stores and atomics, where they are allowed and next to it.

use super::tables::SIZES;
use super::{Grower, Kind};

impl Grower<'_> {
    /// Packet pointers, and mostly the comparison that makes them useful.
    pub(super) fn open_packet(&mut self) {
        let Some((data, end)) = self.flavour.packet else { return };
        self.emit(0x61, 7, 6, data, 0);
        self.emit(0x61, 8, 6, end, 0);
        self.registers[7] = Kind::Packet;
        self.registers[8] = Kind::PacketEnd;
        if self.rarely(5) {
            return;
        }
        let len = self.rng.i32(1..64);
        self.emit(0xbf, 9, 7, 0, 0);
        self.emit(0x07, 9, 0, 0, len);
        self.registers[9] = Kind::Packet;
        let (op, a, b) =
            [(0x2d, 9, 8), (0x3d, 9, 8), (0xad, 8, 9), (0xbd, 8, 9), (0x2d, 8, 9)][self.rng.usize(..5)];
        self.emit(op, a, b, 1, 0);
        let skip = self.code.len();
        self.emit(0x05, 0, 0, 2, 0);
        self.emit(0xb7, 0, 0, 0, self.flavour.returns.0);
        self.emit(0x95, 0, 0, 0, 0);
        debug_assert_eq!(self.code.len(), skip + 3);
    }

    /// Somewhere that a register of a kind may point to, and the size there.
    pub(super) fn place(&mut self, kind: Kind) -> (u8, i16) {
        let (code, size) = SIZES[self.rng.usize(..SIZES.len())];
        let last = match kind {
            Kind::Context => self.flavour.context as i16 - size,
            Kind::Frame => return (code, -self.stack_offset(size)),
            Kind::Value { map, .. } => self.maps[map as usize].value_size as i16 - size,
            Kind::Packet => 24,
            _ => 32,
        };
        let mut offset = self.rng.i16(0..last.max(1) + 1);
        if !self.rarely(12) {
            offset = offset / size * size;
        }
        if self.rarely(25) {
            offset = [last + 1, -1, -size, last + size][self.rng.usize(..4)];
        }
        (code, offset)
    }

    /// How far below the frame pointer.
    pub(super) fn stack_offset(&mut self, size: i16) -> i16 {
        let offset = match self.rng.u8(..30) {
            0 => 513,
            1 => 512,
            2 => 0,
            3 => self.rng.i16(1..64),
            _ => 8 * self.rng.i16(1..8),
        };
        if offset >= size && self.rng.bool() { offset / size * size } else { offset }
    }

    pub(super) fn memory(&mut self) -> u8 {
        self.register(|kind| {
            matches!(kind, Kind::Context | Kind::Frame | Kind::Value { or_null: false, .. } | Kind::Packet)
        })
    }

    pub(super) fn load(&mut self) {
        let base = self.memory();
        let kind = self.registers[base as usize];
        let (size, off) = self.place(kind);
        let dst = self.any_register();
        let signed = self.rng.u8(..8) == 0;
        self.emit(if signed { 0x81 } else { 0x61 } | size, dst, base, off, 0);
        self.registers[dst as usize] = Kind::Number(match size {
            0x10 => 8,
            0x08 => 16,
            0x00 => 32,
            _ => 64,
        });
    }

    pub(super) fn store(&mut self) {
        let base = self.memory();
        let kind = self.registers[base as usize];
        let (size, off) = self.place(kind);
        if self.rng.u8(..3) == 0 {
            let imm = self.number();
            self.emit(0x62 | size, base, 0, off, imm);
        } else {
            let src = if self.rng.bool() { self.numeric() } else { self.readable() };
            self.emit(0x63 | size, base, src, off, 0);
        }
        if kind == Kind::Frame && (-64..0).contains(&off) {
            self.written |= 1 << ((-off - 1) / 8);
        }
    }

    pub(super) fn spill(&mut self) {
        let word = self.rng.i16(1..7);
        if self.written & 1 << (word - 1) != 0 && self.rng.bool() {
            let dst = self.any_register();
            self.emit(0x79, dst, 10, -8 * word, 0);
            self.registers[dst as usize] = Kind::Number(64);
        } else {
            let src = self.readable();
            self.emit(0x7b, 10, src, -8 * word, 0);
            self.written |= 1 << (word - 1);
        }
    }

    pub(super) fn atomic(&mut self) {
        let base = self.memory();
        let kind = self.registers[base as usize];
        let (_, off) = self.place(kind);
        let src = self.numeric();
        let wide = self.rng.bool();
        let off = if self.rarely(10) { off } else { off / 8 * 8 };
        let op = [0x00, 0x01, 0x40, 0x50, 0xa0, 0xe1, 0xf1, 0x41, 0x100, 0x110][self.rng.usize(..10)];
        self.emit(if wide { 0xdb } else { 0xc3 }, base, src, off, op);
    }

    pub(super) fn packet_load(&mut self) {
        let code = [0x30, 0x28, 0x20, 0x50, 0x48][self.rng.usize(..5)];
        let (src, imm) = (self.numeric(), self.rng.i32(0..40));
        self.emit(code, 0, if code >= 0x40 { src } else { 0 }, 0, imm);
        self.clobber(Kind::Number(64));
    }
}
