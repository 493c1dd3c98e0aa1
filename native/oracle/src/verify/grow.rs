//! Programs grown an instruction at a time: what comes next is mostly what the registers allow, and now and
//! then what they do not.
//!
//! The grower keeps a coarse picture of each register, so that programs get deep before they are refused.
//! Branches and loops are blocks within blocks: every jump lands, unless a mutation breaks it later.

use fastrand::Rng;
use glasshive::isa::asm::{Assembly, MapDirective, MapReference};
use glasshive::isa::{Pc, RawInsn};

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

/// A program type that programs are grown for.
struct Flavour {
    name: &'static str,
    /// Bytes of its context.
    context: i32,
    /// Where the context has the packet's begin and end, and whether it has them.
    packet: Option<(i16, i16)>,
    /// Helpers beside those that all programs have.
    helpers: &'static [i32],
    /// Least and greatest number that it may return.
    returns: (i32, i32),
}

const NETWORK: &[i32] = &[26, 28, 50, 51, 68, 9, 11, 10, 44, 84, 85, 86, 95, 46, 47, 87, 34, 34, 96];
const FLAVOURS: &[Flavour] = &[
    Flavour {
        name: "socket_filter",
        context: 192,
        packet: None,
        helpers: &[26, 46, 47],
        returns: (0, 65535),
    },
    Flavour { name: "sched_cls", context: 192, packet: Some((76, 80)), helpers: NETWORK, returns: (-1, 7) },
    Flavour {
        name: "xdp",
        context: 24,
        packet: Some((0, 4)),
        helpers: &[44, 51, 54, 65, 23, 28, 84, 85, 86],
        returns: (0, 4),
    },
    Flavour {
        name: "cgroup_skb",
        context: 192,
        packet: Some((76, 80)),
        helpers: &[26, 46, 47, 80, 95],
        returns: (0, 1),
    },
    Flavour {
        name: "kprobe",
        context: 168,
        packet: None,
        helpers: &[4, 14, 15, 16, 45, 112, 113, 114, 115, 25, 27, 35, 6],
        returns: (0, 1),
    },
    Flavour {
        name: "tracepoint",
        context: 64,
        packet: None,
        helpers: &[14, 15, 16, 112, 113, 25, 27],
        returns: (0, 1),
    },
    Flavour {
        name: "raw_tracepoint",
        context: 64,
        packet: None,
        helpers: &[14, 15, 16, 112, 113, 25],
        returns: (0, 1),
    },
];
/// Helpers that every program has: maps, time, chance, ring buffers, text.
const COMMON: &[i32] =
    &[1, 1, 1, 2, 3, 5, 7, 8, 12, 87, 88, 89, 105, 106, 125, 130, 131, 132, 133, 134, 165, 182, 195];

const ALU: &[u8] =
    &[0x00, 0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x50, 0x60, 0x70, 0x90, 0xa0, 0xb0, 0xb0, 0xc0];
const JUMPS: &[u8] = &[0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70, 0xa0, 0xb0, 0xc0, 0xd0];
/// Load and store opcodes' sizes, and their bytes.
const SIZES: &[(u8, i16)] = &[(0x10, 1), (0x08, 2), (0x00, 4), (0x18, 8), (0x00, 4), (0x18, 8)];
const INTERESTING: &[i32] = &[
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    14,
    15,
    16,
    31,
    32,
    33,
    63,
    64,
    127,
    128,
    255,
    256,
    511,
    512,
    4096,
    65535,
    65536,
    -1,
    -2,
    -8,
    -16,
    i32::MIN,
    i32::MAX,
    0x4000_0000,
    0x2000_0000,
    -4096,
];

fn maps() -> Vec<MapDirective> {
    let map = |name: &str, map_type, key_size, value_size, max_entries, flags| MapDirective {
        name: name.into(),
        map_type,
        key_size,
        value_size,
        max_entries,
        flags,
        inner: None,
        contents: Vec::new(),
    };
    vec![
        map("array", 2, 4, 48, 4, 0),
        map("hash", 1, 8, 16, 16, 0),
        map("array_rdonly", 2, 4, 32, 2, 1 << 7),
        map("hash_wronly", 1, 4, 24, 2, 1 << 8),
        map("percpu", 6, 4, 8, 2, 0),
        map("tails", 3, 4, 4, 4, 0),
        map("ring", 27, 0, 0, 4096, 0),
        map("queue", 22, 0, 16, 4, 0),
        map("events", 4, 4, 4, 4, 0),
    ]
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

    fn number(&mut self) -> i32 {
        match self.rng.u8(..4) {
            0 => self.rng.i32(-20..300),
            _ => INTERESTING[self.rng.usize(..INTERESTING.len())],
        }
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

    fn load_map(&mut self, dst: u8, map: u32, value_offset: Option<u32>) {
        let at = Pc(self.code.len() as u32);
        self.emit(0x18, dst, if value_offset.is_some() { 2 } else { 1 }, 0, 0);
        self.emit(0, 0, 0, 0, 0);
        self.references.push(MapReference { at, map, value_offset });
        self.registers[dst as usize] = match value_offset {
            Some(_) => Kind::Value { map, or_null: false },
            None => Kind::Map(map),
        };
    }

    /// Packet pointers, and mostly the comparison that makes them useful.
    fn open_packet(&mut self) {
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

    fn constant(&mut self) {
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

    fn arithmetic(&mut self) {
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

    fn arithmetic_result(&mut self, dst: u8, op: u8, class: u8, src: Kind) {
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

    fn sign_or_swap(&mut self) {
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

    /// Somewhere that a register of a kind may point to, and the size there.
    fn place(&mut self, kind: Kind) -> (u8, i16) {
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
    fn stack_offset(&mut self, size: i16) -> i16 {
        let offset = match self.rng.u8(..30) {
            0 => 513,
            1 => 512,
            2 => 0,
            3 => self.rng.i16(1..64),
            _ => 8 * self.rng.i16(1..8),
        };
        if offset >= size && self.rng.bool() { offset / size * size } else { offset }
    }

    fn memory(&mut self) -> u8 {
        self.register(|kind| {
            matches!(kind, Kind::Context | Kind::Frame | Kind::Value { or_null: false, .. } | Kind::Packet)
        })
    }

    fn load(&mut self) {
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

    fn store(&mut self) {
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

    fn spill(&mut self) {
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

    fn atomic(&mut self) {
        let base = self.memory();
        let kind = self.registers[base as usize];
        let (_, off) = self.place(kind);
        let src = self.numeric();
        let wide = self.rng.bool();
        let off = if self.rarely(10) { off } else { off / 8 * 8 };
        let op = [0x00, 0x01, 0x40, 0x50, 0xa0, 0xe1, 0xf1, 0x41, 0x100, 0x110][self.rng.usize(..10)];
        self.emit(if wide { 0xdb } else { 0xc3 }, base, src, off, op);
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

    /// A look-up with its null check, most of the time.
    fn map_value(&mut self) {
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

    fn clobber(&mut self, result: Kind) {
        for register in 1..6 {
            self.registers[register] = Kind::Nothing;
        }
        self.registers[0] = result;
    }

    fn helper(&mut self) {
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
    fn argument(&mut self, argument: u8, number: i32) {
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

    /// A call of the local function behind the program.
    fn call(&mut self) {
        if self.registers[1] == Kind::Nothing {
            self.emit(0xbf, 1, 6, 0, 0);
        }
        self.calls.push(self.code.len());
        self.emit(0x85, 0, 1, 0, 0);
        self.clobber(Kind::Number(64));
    }

    fn packet_load(&mut self) {
        let code = [0x30, 0x28, 0x20, 0x50, 0x48][self.rng.usize(..5)];
        let (src, imm) = (self.numeric(), self.rng.i32(0..40));
        self.emit(code, 0, if code >= 0x40 { src } else { 0 }, 0, imm);
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
