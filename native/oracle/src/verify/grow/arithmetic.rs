//! Numbers: constants, operations, extensions.

use super::tables::{ALU, INTERESTING};
use super::{Grower, Kind};

impl Grower<'_> {
    pub(super) fn number(&mut self) -> i32 {
        match self.rng.u8(..4) {
            0 => self.rng.i32(-20..300),
            _ => INTERESTING[self.rng.usize(..INTERESTING.len())],
        }
    }

    pub(super) fn constant(&mut self) {
        let (dst, imm) = (self.any_register(), self.number());
        match self.rng.u8(..3) {
            0 => {
                let high = self.number();
                self.emit(0x18, dst, 0, 0, imm);
                self.emit(0, 0, 0, 0, high);
            }
            1 => self.emit(0xb4, dst, 0, 0, imm),
            _ => self.emit(0xb7, dst, 0, 0, imm),
        }
        self.registers[dst as usize] = Kind::Number(if imm >= 0 { 32 - imm.leading_zeros() } else { 64 });
    }

    pub(super) fn arithmetic(&mut self) {
        let op = ALU[self.rng.usize(..ALU.len())];
        let class = if self.rng.u8(..3) == 0 { 0x04 } else { 0x07 };
        let pointer = self.rng.u8(..4) == 0;
        let dst = match pointer {
            _ if op == 0xb0 => self.any_register(),
            true if !self.rarely(20) => self.register(|kind| {
                !matches!(kind, Kind::Nothing | Kind::Frame | Kind::Map(_) | Kind::PacketEnd)
            }),
            _ => self.changeable(),
        };
        // A pointer takes sums alone.
        let is_pointer = !matches!(self.registers[dst as usize], Kind::Number(_) | Kind::Nothing);
        let (op, class) = match is_pointer && op != 0xb0 && !self.rarely(20) {
            true => ([0x00, 0x00, 0x10][self.rng.usize(..3)], 0x07),
            false => (op, class),
        };
        let by_register = self.rng.bool();
        // Signed division has offset 1.
        let signed = i16::from(matches!(op, 0x30 | 0x90) && self.rng.bool());
        if by_register {
            let src = if op == 0xb0 { self.readable() } else { self.numeric() };
            self.emit(class | 0x08 | op, dst, src, signed, 0);
            let kind = self.registers[src as usize];
            self.arithmetic_result(dst, op, class, kind);
        } else {
            let imm = match op {
                0x60 | 0x70 | 0xc0 if !self.rarely(20) => {
                    self.rng.i32(0..if class == 0x04 { 32 } else { 64 })
                }
                0x00 | 0x10 if is_pointer => self.rng.i32(-16..64),
                _ => self.number(),
            };
            self.emit(class | op, dst, 0, signed, imm);
            let kind = Kind::Number(if imm >= 0 { 32 - imm.leading_zeros() } else { 64 });
            self.arithmetic_result(dst, op, class, kind);
        }
    }

    pub(super) fn arithmetic_result(&mut self, dst: u8, op: u8, class: u8, src: Kind) {
        let place = &mut self.registers[dst as usize];
        *place = match (op, *place, src) {
            (0xb0, _, kind) if class == 0x07 => kind,
            (0x50, Kind::Number(a), Kind::Number(b)) => Kind::Number(a.min(b)),
            (0x00 | 0x10, pointer, Kind::Number(_))
                if !matches!(pointer, Kind::Number(_) | Kind::Nothing) =>
            {
                pointer
            }
            (_, _, _) if class == 0x04 => Kind::Number(32),
            _ => Kind::Number(64),
        };
    }

    pub(super) fn sign_or_swap(&mut self) {
        let (dst, src) = (self.any_register(), self.changeable());
        match self.rng.u8(..4) {
            0 => {
                let bits = [8, 16, 32][self.rng.usize(..3)];
                self.emit(0xbf, dst, src, bits, 0);
            }
            1 => {
                let bits = [8, 16][self.rng.usize(..2)];
                self.emit(0xbc, dst, src, bits, 0);
            }
            2 => {
                let code = [0xd4, 0xdc, 0xd7][self.rng.usize(..3)];
                let bits = [16, 32, 64][self.rng.usize(..3)];
                return self.emit(code, src, 0, 0, bits);
            }
            _ => {
                let code = if self.rng.bool() { 0x87 } else { 0x84 };
                return self.emit(code, src, 0, 0, 0);
            }
        }
        self.registers[dst as usize] = Kind::Number(64);
    }
}
