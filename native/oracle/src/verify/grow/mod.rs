//! Programs grown an instruction at a time: what comes next is mostly what the registers allow, and now and
//! then what they do not.
//!
//! The grower keeps a coarse picture of each register, so that programs get deep before they are refused.
//! Branches and loops are blocks within blocks: every jump lands, unless a mutation breaks it later.

mod arithmetic;
mod helpers;
mod memory;
mod tables;

use fastrand::Rng;
use glasshive::isa::RawInsn;
use glasshive::isa::asm::{Assembly, MapDirective, MapReference};
use tables::{FLAVOURS, Flavour, JUMPS, maps};

/// What the grower thinks that a register holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Nothing,
    /// A number; below `2^bits`, where that is known.
    Number(u32),
    Context,
    Frame,
    Map(u32),
    /// A map's value, or null.
    Value {
        map: u32,
        or_null: bool,
    },
    Packet,
    PacketEnd,
    /// A pointer that only a helper gives: a socket, a record.
    Other,
}

struct Grower<'a> {
    rng: &'a mut Rng,
    flavour: &'static Flavour,
    code: Vec<RawInsn>,
    references: Vec<MapReference>,
    maps: Vec<MapDirective>,
    registers: [Kind; 11],
    /// Words of the stack that were written, from the frame pointer down.
    written: u64,
    depth: u32,
    /// Slots of calls of the one local function.
    calls: Vec<usize>,
    /// Registers that count the loops around.
    counters: Vec<u8>,
}

/// A program, and the area that it is counted under.
pub fn grow(rng: &mut Rng) -> (Assembly, &'static str) {
    let flavour = &FLAVOURS[rng.usize(..FLAVOURS.len())];
    let mut registers = [Kind::Nothing; 11];
    registers[1] = Kind::Context;
    registers[10] = Kind::Frame;
    let mut grower = Grower {
        rng,
        flavour,
        code: Vec::new(),
        references: Vec::new(),
        maps: maps(),
        registers,
        written: 0,
        depth: 0,
        calls: Vec::new(),
        counters: Vec::new(),
    };
    grower.emit(0xbf, 6, 1, 0, 0);
    grower.registers[6] = Kind::Context;
    for register in [7, 8, 9, 0] {
        match grower.rng.u8(..3) {
            0 => {
                let imm = grower.number();
                grower.emit(0xb7, register, 0, 0, imm);
            }
            1 if flavour.name != "xdp" => grower.emit(0x61, register, 6, 8, 0),
            _ => {
                grower.emit(0x85, 0, 0, 0, 7);
                grower.clobber(Kind::Number(64));
                grower.emit(0xbf, register, 0, 0, 0);
            }
        }
        grower.registers[register as usize] = Kind::Number(32);
    }
    if flavour.packet.is_some() && grower.rng.u8(..3) > 0 {
        grower.open_packet();
    }
    let len = 6 + grower.rng.usize(..40);
    grower.block(len);
    grower.finish();
    let Grower { code, references, maps, rng, .. } = grower;
    let flags = [0, 0, 0, 0, 8, 1][rng.usize(..6)];
    let assembly = Assembly {
        program_type: Some(flavour.name.into()),
        license: Some(if rng.u8(..8) == 0 { "proprietary".into() } else { "GPL".into() }),
        program_flags: Some(flags).filter(|f| *f != 0),
        maps,
        insns: code,
        map_references: references,
        ..Assembly::default()
    };
    (assembly, flavour.name)
}

impl Grower<'_> {
    fn emit(&mut self, code: u8, dst: u8, src: u8, off: i16, imm: i32) {
        self.code.push(RawInsn { code, dst, src, off, imm });
    }

    /// One chance in `n`.
    fn rarely(&mut self, n: u32) -> bool {
        self.rng.u32(..n) == 0
    }

    /// A register to write, but for those that count loops.
    fn any_register(&mut self) -> u8 {
        loop {
            let register = self.rng.u8(..10);
            if !self.counters.contains(&register) || self.rarely(200) {
                return register;
            }
        }
    }

    /// A register of a kind that `is` accepts; any one where there is none, or now and then.
    fn register(&mut self, is: impl Fn(Kind) -> bool) -> u8 {
        let fitting: Vec<u8> = (0..11).filter(|r| is(self.registers[*r as usize])).collect();
        if fitting.is_empty() || self.rarely(400) {
            return self.rng.u8(..11);
        }
        fitting[self.rng.usize(..fitting.len())]
    }

    fn readable(&mut self) -> u8 {
        self.register(|kind| kind != Kind::Nothing)
    }

    fn numeric(&mut self) -> u8 {
        self.register(|kind| matches!(kind, Kind::Number(_)))
    }

    /// A number that may be changed.
    fn changeable(&mut self) -> u8 {
        let register = self.numeric();
        if self.counters.contains(&register) && !self.rarely(200) { self.any_register() } else { register }
    }

    fn block(&mut self, len: usize) {
        let end = self.code.len() + len;
        while self.code.len() < end && self.code.len() < 400 {
            self.next();
        }
    }

    fn next(&mut self) {
        match self.rng.u8(..100) {
            0..=27 => self.arithmetic(),
            28..=37 => self.load(),
            38..=45 => self.store(),
            46..=49 => self.atomic(),
            50..=61 => self.branch(),
            62..=65 => self.repeat(),
            66..=81 => self.helper(),
            82..=85 => self.map_value(),
            86..=88 => self.constant(),
            89..=91 => self.spill(),
            92..=93 => self.sign_or_swap(),
            94..=95 => self.call(),
            96 => self.open_packet(),
            97 => self.packet_load(),
            _ => self.anything(),
        }
    }

    fn branch(&mut self) {
        let op = JUMPS[self.rng.usize(..JUMPS.len())];
        let class = if self.rng.u8(..3) == 0 { 0x06 } else { 0x05 };
        let pointers = self.rng.u8(..4) == 0;
        let dst = if pointers { self.readable() } else { self.numeric() };
        let dst_kind = self.registers[dst as usize];
        let null_check = matches!(dst_kind, Kind::Value { or_null: true, .. } | Kind::Other);
        let at = self.code.len();
        if null_check {
            let op = [0x15, 0x55][self.rng.usize(..2)];
            self.emit(op, dst, 0, 0, 0);
        } else if self.rng.bool() {
            let src = if pointers { self.readable() } else { self.numeric() };
            self.emit(class | 0x08 | op, dst, src, 0, 0);
        } else {
            let imm = self.number();
            self.emit(class | op, dst, 0, 0, imm);
        }
        if self.depth > 4 {
            return;
        }
        self.depth += 1;
        let (before, written) = (self.registers, self.written);
        let promote = |registers: &mut [Kind; 11], dst: u8| {
            if let Kind::Value { map, or_null: true } = registers[dst as usize] {
                registers[dst as usize] = Kind::Value { map, or_null: false };
            }
        };
        let jumps_on_null = self.code[at].code == 0x15;
        if null_check && jumps_on_null {
            promote(&mut self.registers, dst);
        }
        let len = 1 + self.rng.usize(..8);
        self.block(len);
        if self.rarely(6) {
            self.leave();
            self.registers = before;
        }
        self.code[at].off = (self.code.len() - at - 1) as i16;
        self.depth -= 1;
        self.written &= written | u64::from(!self.rarely(4)).wrapping_neg();
        for (register, kind) in before.iter().enumerate() {
            if self.registers[register] != *kind && !self.rarely(8) {
                self.registers[register] = match (self.registers[register], *kind) {
                    (Kind::Number(a), Kind::Number(b)) => Kind::Number(a.max(b)),
                    _ => Kind::Nothing,
                };
            }
        }
        if null_check && !jumps_on_null {
            self.registers[dst as usize] = Kind::Nothing;
        }
    }

    /// A loop that counts, bounded most of the time.
    fn repeat(&mut self) {
        if self.depth > 1 {
            return;
        }
        self.depth += 1;
        let counter = 9 - self.counters.len() as u8;
        self.counters.push(counter);
        self.emit(0xb7, counter, 0, 0, 0);
        self.registers[counter as usize] = Kind::Number(8);
        let start = self.code.len();
        let may_goto = self.rarely(5);
        if may_goto {
            self.emit(0xe5, 0, 0, 0, 0);
        }
        let len = 1 + self.rng.usize(..6);
        self.block(len);
        let rounds = [2, 4, 4, 10, 30][self.rng.usize(..5)];
        if !self.rarely(10) {
            self.emit(0x07, counter, 0, 0, 1);
        }
        let back = |at: usize| -((at - start) as i16) - 1;
        if may_goto {
            self.emit(0x05, 0, 0, back(self.code.len()), 0);
            self.code[start].off = (self.code.len() - start - 1) as i16;
        } else {
            let op = [0xa5, 0xc5, 0x55, 0xa6][self.rng.usize(..4)];
            self.emit(op, counter, 0, back(self.code.len()), rounds);
        }
        self.depth -= 1;
        self.counters.pop();
    }

    /// A call of the local function behind the program.
    fn call(&mut self) {
        if self.registers[1] == Kind::Nothing {
            self.emit(0xbf, 1, 6, 0, 0);
        }
        self.calls.push(self.code.len());
        self.emit(0x85, 0, 1, 0, 0);
        self.clobber(Kind::Number(64));
    }

    /// A slot of any bytes that are near an instruction.
    fn anything(&mut self) {
        let (code, dst, src) = (self.rng.u8(..), self.rng.u8(..11), self.rng.u8(..11));
        let (off, imm) = (self.rng.i16(-2..12), self.number());
        if self.rarely(20) {
            self.emit(code, dst, src, off, imm);
        }
    }

    /// A return within the program type's range, most of the time.
    fn leave(&mut self) {
        let (min, max) = self.flavour.returns;
        if !self.rarely(20) {
            let value = self.rng.i32(min..=max);
            self.emit(0xb7, 0, 0, 0, value);
        }
        self.emit(0x95, 0, 0, 0, 0);
    }

    fn finish(&mut self) {
        self.leave();
        if self.calls.is_empty() {
            return;
        }
        let start = self.code.len();
        for at in std::mem::take(&mut self.calls) {
            self.code[at].imm = (start - at - 1) as i32;
        }
        self.registers = [Kind::Nothing; 11];
        self.registers[1] = Kind::Context;
        self.registers[10] = Kind::Frame;
        (self.written, self.depth) = (0, 3);
        self.emit(0xbf, 6, 1, 0, 0);
        self.registers[6] = Kind::Context;
        let len = 2 + self.rng.usize(..12);
        self.block(len);
        // A call of itself, where the block has one.
        let recursive = std::mem::take(&mut self.calls);
        for at in recursive {
            self.code[at].imm = start as i32 - at as i32 - 1;
        }
        let result = self.rng.i32(0..2);
        self.emit(0xb7, 0, 0, 0, result);
        self.emit(0x95, 0, 0, 0, 0);
    }
}
