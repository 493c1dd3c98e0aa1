//! Registers and slots as small numbers: each that occurs is kept once.

use alloc::vec::Vec;
use hashbrown::HashTable;

use crate::verifier::register::{Register, ValueId};
use crate::verifier::state::Byte;

/// A register by number: its id apart, since ids are new in each round of a loop, and without whether it
/// matters exactly, which is found out later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ref {
    code: u32,
    pub id: ValueId,
}

/// The bytes of a slot.
pub(super) type Bytes = [Byte; 8];

/// What a code's lowest bit says: the rest is a small constant, sign in its own lowest bit; else an index.
const CONSTANT: u32 = 1;

/// Every register and slot that occurs.
#[derive(Debug, Default)]
pub(super) struct Values {
    registers: Vec<Register>,
    bytes: Vec<Bytes>,
    /// Finds a register's index while values are added.
    known: HashTable<u32>,
    /// Finds an index of bytes.
    known_bytes: HashTable<u32>,
}

fn plain(register: &Register) -> Register {
    Register { id: 0, precise: false, ..*register }
}

fn mix(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Of the fields in which registers differ most. Fields that are added need not be here.
fn hash(register: &Register) -> u64 {
    let s = &register.var;
    let small = u64::from(register.maybe_null) | u64::from(register.add_const) << 1;
    let words = [
        u64::from(register.offset as u32) << 32 | u64::from(register.range as u32),
        u64::from(register.reference) << 2 | small,
        s.umin,
        s.umax,
        s.smin as u64,
        s.smax as u64,
        s.var.value,
        s.var.mask,
        u64::from(s.u32_min) << 32 | u64::from(s.u32_max),
    ];
    let hash = words.into_iter().fold(register.type_name().as_ptr() as u64, mix);
    hash ^ hash >> 32
}

fn hash_bytes(bytes: &Bytes) -> u64 {
    bytes.iter().fold(1, |hash, byte| mix(hash, byte.character().into()))
}

impl Values {
    /// The nothing that a new frame's registers hold; registers of every program begin with it.
    pub fn new() -> Values {
        let mut values = Values::default();
        values.code(&Register::UNINITIALISED);
        values.bytes_code(&crate::verifier::state::Slot::EMPTY.bytes);
        values
    }

    /// Nothing written.
    pub const NOTHING: Ref = Ref { code: 0, id: 0 };
    /// The code of bytes of which none is written.
    pub const NO_BYTES: u32 = 0;

    fn small_constant(register: &Register) -> Option<u32> {
        let value = register.as_constant()? as i64;
        let zigzag = (value << 1 ^ value >> 63) as u64;
        let fits = zigzag < 1 << 30 && *register == Register::constant(value as u64);
        fits.then_some((zigzag as u32) << 1 | CONSTANT)
    }

    fn code(&mut self, plain: &Register) -> u32 {
        if let Some(code) = Values::small_constant(plain) {
            return code;
        }
        let (registers, hashed) = (&mut self.registers, hash(plain));
        if let Some(index) = self.known.find(hashed, |at| registers[*at as usize] == *plain) {
            return index << 1;
        }
        let index = registers.len() as u32;
        registers.push(*plain);
        self.known.insert_unique(hashed, index, |at| hash(&registers[*at as usize]));
        index << 1
    }

    /// A register's number, a new one where it was never seen.
    pub fn add(&mut self, register: &Register) -> Ref {
        Ref { code: self.code(&plain(register)), id: register.id }
    }

    /// Whether a number stands for that register.
    pub fn is(&self, known: Ref, register: &Register) -> bool {
        known.id == register.id
            && match known.code & CONSTANT {
                0 => self.registers.get((known.code >> 1) as usize) == Some(&plain(register)),
                _ => Values::small_constant(&plain(register)) == Some(known.code),
            }
    }

    /// The register of a number.
    pub fn get(&self, known: Ref) -> Register {
        let register = match known.code & CONSTANT {
            0 => self.registers.get((known.code >> 1) as usize).copied().unwrap_or(Register::UNINITIALISED),
            _ => {
                let zigzag = u64::from(known.code >> 1);
                Register::constant(zigzag >> 1 ^ (zigzag & 1).wrapping_neg())
            }
        };
        Register { id: known.id, ..register }
    }

    pub fn bytes_code(&mut self, bytes: &Bytes) -> u32 {
        let (all, hashed) = (&mut self.bytes, hash_bytes(bytes));
        if let Some(index) = self.known_bytes.find(hashed, |at| all[*at as usize] == *bytes) {
            return *index;
        }
        let index = all.len() as u32;
        all.push(*bytes);
        self.known_bytes.insert_unique(hashed, index, |at| hash_bytes(&all[*at as usize]));
        index
    }

    pub fn bytes(&self, code: u32) -> Bytes {
        self.bytes.get(code as usize).copied().unwrap_or([Byte::Invalid; 8])
    }

    /// Nothing is added from here on.
    pub fn close(&mut self) {
        self.known = HashTable::new();
        self.known_bytes = HashTable::new();
        self.registers.shrink_to_fit();
    }

    /// Bytes of memory that are in use.
    pub fn size(&self) -> usize {
        self.registers.capacity() * size_of::<Register>() + self.bytes.capacity() * 8
    }

    pub fn write(&self, value: Ref, out: &mut Vec<u8>) {
        write_number(value.code, out);
        write_number(value.id, out);
    }

    pub fn read(from: &mut &[u8]) -> Ref {
        Ref { code: read_number(from), id: read_number(from) }
    }
}

/// Seven bits to a byte, lowest first.
pub(super) fn write_number(mut number: u32, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(super) fn read_number(from: &mut &[u8]) -> u32 {
    let (mut number, mut shift) = (0, 0);
    while let [byte, rest @ ..] = *from {
        *from = rest;
        number |= u32::from(byte & 0x7f).wrapping_shl(shift);
        shift += 7;
        if byte & 0x80 == 0 {
            break;
        }
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verifier::domain::Scalar;

    #[test]
    fn registers_come_back() {
        let mut values = Values::new();
        let ranged = Register::scalar(Scalar::of_size(1));
        for register in [
            Register::UNINITIALISED,
            Register::UNKNOWN,
            Register::constant(0),
            Register::constant(u64::MAX),
            Register::constant(1 << 40),
            Register { id: 7, ..Register::constant(5) },
            Register { id: 9, add_const: true, offset: -3, ..ranged },
            ranged,
        ] {
            let value = values.add(&register);
            assert_eq!(values.get(value), register);
            assert!(values.is(value, &register) && !values.is(value, &Register { id: 1, ..register }));
            assert_eq!(values.add(&Register { precise: true, ..register }), value);
        }
        assert_eq!(values.add(&Register::UNINITIALISED), Values::NOTHING);
    }

    #[test]
    fn numbers_come_back() {
        let mut out = Vec::new();
        let numbers = [0, 1, 127, 128, 16_383, 16_384, u32::MAX];
        numbers.iter().for_each(|n| write_number(*n, &mut out));
        let mut from = &out[..];
        numbers.iter().for_each(|n| assert_eq!(read_number(&mut from), *n));
        assert!(from.is_empty());
    }
}
