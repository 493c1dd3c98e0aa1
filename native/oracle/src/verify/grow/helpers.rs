//! Calls of helpers, and maps.

use glasshive::isa::Pc;
use glasshive::isa::asm::MapReference;

use super::tables::COMMON;
use super::{Grower, Kind};

impl Grower<'_> {
    pub(super) fn load_map(&mut self, dst: u8, map: u32, value_offset: Option<u32>) {
        let at = Pc(self.code.len() as u32);
        self.emit(0x18, dst, if value_offset.is_some() { 2 } else { 1 }, 0, 0);
        self.emit(0, 0, 0, 0, 0);
        self.references.push(MapReference { at, map, value_offset });
        self.registers[dst as usize] = match value_offset {
            Some(_) => Kind::Value { map, or_null: false },
            None => Kind::Map(map),
        };
    }

    /// A look-up with its null check, most of the time.
    pub(super) fn map_value(&mut self) {
        let map = self.rng.u32(..5);
        if self.rng.u8(..4) == 0 {
            let dst = self.any_register();
            let map = if self.rarely(20) { map } else { [0, 2][self.rng.usize(..2)] };
            let size = self.maps[map as usize].value_size + u32::from(self.rarely(20));
            let offset = self.rng.u32(..size);
            return self.load_map(dst, map, Some(offset));
        }
        let imm = self.rng.i32(0..8);
        self.emit(0x7a, 10, 0, -8, imm);
        self.written |= 1;
        self.load_map(1, map, None);
        self.emit(0xbf, 2, 10, 0, 0);
        self.emit(0x07, 2, 0, 0, -8);
        self.emit(0x85, 0, 0, 0, 1);
        self.clobber(Kind::Value { map, or_null: true });
        if self.rng.u8(..3) > 0 {
            let at = self.code.len();
            self.emit(0x55, 0, 0, 0, 0);
            self.leave();
            self.code[at].off = (self.code.len() - at - 1) as i16;
            self.registers[0] = Kind::Value { map, or_null: false };
        }
    }

    pub(super) fn clobber(&mut self, result: Kind) {
        for register in 1..6 {
            self.registers[register] = Kind::Nothing;
        }
        self.registers[0] = result;
    }

    pub(super) fn helper(&mut self) {
        let all: Vec<i32> = COMMON.iter().chain(self.flavour.helpers).copied().collect();
        let number = if self.rarely(10) { self.rng.i32(0..215) } else { all[self.rng.usize(..all.len())] };
        for argument in 1..=5u8 {
            self.argument(argument, number);
        }
        self.emit(0x85, 0, 0, 0, number);
        let result = match number {
            1 => Kind::Value { map: 0, or_null: true },
            131 | 84 | 85 | 95 | 46 => Kind::Other,
            _ => Kind::Number(64),
        };
        self.clobber(result);
    }

    /// Something that the argument might take.
    pub(super) fn argument(&mut self, argument: u8, number: i32) {
        let takes_map = matches!(number, 1 | 2 | 3 | 87 | 88 | 89 | 195) && argument == 1
            || matches!(number, 12 | 25 | 51 | 27) && argument == 2
            || matches!(number, 130 | 131 | 134) && argument == 1;
        if takes_map && !self.rarely(15) {
            let fitting: &[u32] = match number {
                12 => &[5],
                25 => &[8],
                87..=89 => &[7],
                130 | 131 | 134 => &[6],
                _ => &[0, 1, 2, 3, 4],
            };
            let map = fitting[self.rng.usize(..fitting.len())];
            return self.load_map(argument, map, None);
        }
        match self.rng.u8(..10) {
            0..=2 => {
                let size = [0, 1, 4, 8, 16, 20, 64][self.rng.usize(..7)];
                self.emit(0xb7, argument, 0, 0, size);
                self.registers[argument as usize] = Kind::Number(7);
            }
            3..=5 => {
                let offset = i32::from(self.stack_offset(8));
                self.emit(0xbf, argument, 10, 0, 0);
                self.emit(0x07, argument, 0, 0, -offset);
                self.registers[argument as usize] = Kind::Frame;
            }
            6 | 7 => {
                let src = if argument == 1 { 6 } else { self.readable() };
                self.emit(0xbf, argument, src, 0, 0);
                self.registers[argument as usize] = self.registers[src as usize];
            }
            8 => {
                let src = self.numeric();
                let mask = [1, 7, 15, 63][self.rng.usize(..4)];
                self.emit(0xbf, argument, src, 0, 0);
                self.emit(0x57, argument, 0, 0, mask);
                self.registers[argument as usize] = Kind::Number(6);
            }
            _ if self.rarely(4) => {}
            _ => {
                let src = self.numeric();
                self.emit(0xbf, argument, src, 0, 0);
                self.registers[argument as usize] = self.registers[src as usize];
            }
        }
    }
}
